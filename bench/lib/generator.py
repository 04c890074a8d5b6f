"""wrk as the load generator for HTTP/1.1: one thread, pinned, reporting in JSON."""

import json
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lib.scenarios import LoadScenario

REPORT_SCRIPT = Path(__file__).resolve().parent.parent / "tools" / "wrk_report.lua"
HEAD_BYTES_MAX = 2048  # of an answer; above this, wrk was not sent what the scenario says
GRACE_SECONDS = 15
FULL_SHARE_MAX = 0.01  # of the handshakes of a resuming load, beside the first of each connection


class LoadError(Exception):
    """The load did not run as it should; the round counts for nothing. The message says why."""


@dataclass(frozen=True)
class LoadReport:
    requests: int
    duration_seconds: float
    bytes_received: int
    latency_us: dict[str, float]  # mean, p50, p99, p99_9, max; what the generator does not know is missing
    errors: dict[str, int]  # status (400 and above), connect, read, write, timeout

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.duration_seconds


class Load:
    """A running wrk."""

    def __init__(self, scenario: LoadScenario, port: int, seconds: int, *, cpus: str, full_handshakes: Path | None):
        """`full_handshakes` is the library that keeps wrk from resuming sessions, unless it is to, and counts; needed
        for new TLS connections."""
        self._scenario = scenario
        self._seconds = seconds
        scheme = "https" if scenario.tls else "http"
        command = ["taskset", "-c", cpus, "wrk", "-t1", f"-c{scenario.connections}", f"-d{seconds}s"]
        command += ["-s", str(REPORT_SCRIPT)]
        environment = dict(os.environ)
        if scenario.new_connections:
            command += ["-H", "Connection: close"]
            environment["LD_PRELOAD"] = str(full_handshakes)
            if scenario.resumed:
                environment["KEEP_TLS_SESSIONS"] = "1"
        command.append(f"{scheme}://127.0.0.1:{port}{scenario.path}")
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def result(self) -> LoadReport:
        """Waits for the end. Raises LoadError when wrk itself fails; errors it met are in the report."""
        try:
            output, errors = self._process.communicate(timeout=self._seconds + GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.stop()
            raise LoadError("wrk did not end") from None
        found = re.search(r"^WRK_JSON (.*)$", output, re.MULTILINE)
        if not found:
            raise LoadError(f"wrk said nothing: {(errors or output).strip()[-200:]}")
        if self._scenario.new_connections:
            _check_handshakes(errors, self._scenario)
        data = json.loads(found[1])
        return LoadReport(
            data["requests"], data["duration_us"] / 1e6, data["bytes"], data["latency_us"], data["errors"]
        )

    def end_early(self) -> None:
        """Lets wrk finish and report now; `result` returns what was measured so far."""
        self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def check(report: LoadReport, scenario: LoadScenario) -> None:
    """Raises LoadError unless every request was answered with what the scenario asks for."""
    errors = ", ".join(f"{count} {kind}" for kind, count in report.errors.items() if count)
    if errors:
        raise LoadError(f"errors: {errors}")
    if report.requests == 0:
        raise LoadError("no request was answered")
    # wrk counts the bytes of answers that the end of the round cut short too: at most one per connection, or stream.
    bytes_min = report.requests * scenario.body_bytes
    under_way_max = scenario.connections * max(1, scenario.streams)
    bytes_max = (report.requests + under_way_max) * (scenario.body_bytes + HEAD_BYTES_MAX)
    if not bytes_min <= report.bytes_received <= bytes_max:
        raise LoadError(f"{report.bytes_received} bytes received for {report.requests} answers")


def _check_handshakes(errors: str, scenario: LoadScenario) -> None:
    found = re.search(r"handshakes (\d+) resumed (\d+)", errors)
    if not found:
        raise LoadError("the library that counts handshakes was not loaded into wrk")
    handshakes, resumed = int(found[1]), int(found[2])
    if scenario.resumed:
        if handshakes - resumed > scenario.connections + FULL_SHARE_MAX * handshakes:
            raise LoadError(f"only {resumed} of {handshakes} handshakes were resumed")
    elif resumed:
        raise LoadError(f"{resumed} of {handshakes} handshakes were resumed")
