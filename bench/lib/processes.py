"""Programs the benchmark starts: pinned to cores, asked for CPU time and memory, and stopped by process group.

Each program leads its own session, so that its children (nginx's worker, for one) are found by session and nothing
that the benchmark did not start is ever touched.
"""

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

READY_SECONDS_MAX = 10.0
STOP_SECONDS_MAX = 5.0
POLL_SECONDS = 0.01


class StartError(Exception):
    """A program ended, or did not listen in time. The message says which and shows what it wrote."""


@dataclass(frozen=True)
class CpuTime:
    """Of all threads of a program, since they started."""

    run_seconds: float  # user and system
    wait_seconds: float  # runnable, but another process had the core: the measure of disturbance


def _session_of(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None  # ended since it was listed
    return int(stat.rpartition(")")[2].split()[3])


def _cpu_time_of_thread(directory: Path) -> tuple[int, int]:
    """Run and wait time in nanoseconds, or zeros when the thread ended since it was listed."""
    try:
        run, wait, _ = (directory / "schedstat").read_text().split()
    except OSError:
        return 0, 0
    return int(run), int(wait)


class Program:
    """One started program with its children."""

    def __init__(self, name: str, command: list[str], *, cpus: str, directory: Path, output: Path | None = None):
        """Starts `command` on the cores `cpus` (as taskset takes them) in `directory`.

        Standard output goes to `output` when given, else beside the errors to NAME.output.
        """
        self.name = name
        self._errors = directory / f"{name}.output"
        # Appending, so that a file can be emptied between rounds under the writer's hands.
        with open(output or self._errors, "ab") as stdout, open(self._errors, "ab") as stderr:
            self._process = subprocess.Popen(
                ["taskset", "-c", cpus, *command],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def alive(self) -> bool:
        return self._process.poll() is None

    def exit_status(self) -> int | None:
        return self._process.poll()

    def wait_until_listening(self, port: int) -> None:
        deadline = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < deadline:
            if not self.alive():
                raise StartError(f"{self.name} ended with status {self._process.returncode}: {self.last_errors()}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(POLL_SECONDS)
        raise StartError(f"{self.name} does not listen on {port} after {READY_SECONDS_MAX:g} s: {self.last_errors()}")

    def last_errors(self) -> str:
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:]) or "(it wrote nothing)"

    def pids(self) -> list[int]:
        listed = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
        return [pid for pid in listed if _session_of(pid) == self.pid]

    def cpu_time(self) -> CpuTime:
        """From schedstat, in nanoseconds; the ticks of /proc/PID/stat are 10 ms, too coarse for a short round."""
        run_total = wait_total = 0
        for pid in self.pids():
            for thread in Path(f"/proc/{pid}/task").glob("*"):
                run, wait = _cpu_time_of_thread(thread)
                run_total += run
                wait_total += wait
        return CpuTime(run_total / 1e9, wait_total / 1e9)

    def memory_bytes(self) -> int:
        """Pss: resident memory, pages shared with other processes counted by share."""
        return self._rollup_bytes("Pss:")

    def own_memory_bytes(self) -> int:
        """What the program allocated. The rest of Pss are pages of files: its share of a library changes by megabytes
        when another process that uses it starts or ends."""
        return self._rollup_bytes("Pss_Anon:")

    def _rollup_bytes(self, field: str) -> int:
        total = 0
        for pid in self.pids():
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith(field))
        return total

    def signal(self, number: signal.Signals) -> None:
        """To the leading process only."""
        self._process.send_signal(number)

    def stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                pass
            try:
                self._process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                continue
            if not self.pids():
                return


def free_ports(count: int) -> list[int]:
    """Distinct loopback ports that are free now. Below the ephemeral range, which the load itself uses up."""
    ports: list[int] = []
    for port in range(20_000 + os.getpid() % 10_000, 32_000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise StartError("no free ports between 20000 and 32000")
