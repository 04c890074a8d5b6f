"""The real binary: started with a generated file, watched through its own logs and metrics."""

import copy
import http.client
import json
import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

from support.activation import passed_sockets
from support.client import Client
from support.metrics import Metrics
from support.ports import free_port
from support.waiting import PATIENCE, wait_until
from support.yaml_text import yaml_text

BINARY = Path(os.environ.get("SLUICE_BINARY")
              or Path(__file__).resolve().parents[3] / "build" / "release" / "sluice")
SANITIZED = bool(os.environ.get("SLUICE_SANITIZERS"))
_SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
                    "WARNING: ThreadSanitizer")
_START_PATIENCE = 2 * PATIENCE


class Sluice:
    def __init__(self, folder, config, *, environment=None, activated=()):
        """`activated`: (name, listening socket) pairs, passed as systemd passes them."""
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config_path = self.folder / "sluice.yaml"
        self.access_log_path = self.folder / "access.log"
        self.error_log_path = self.folder / "error.log"
        self._ports = {}  # listener name -> port, kept over reloads
        self.config = None
        self.write_config(config)
        with open(self.error_log_path, "ab") as error_log:
            command = [BINARY, "run", "--config", self.config_path]
            with passed_sockets(activated) as passing:
                self.process = subprocess.Popen(
                    passing.wrapped(command), stdin=subprocess.DEVNULL, stdout=error_log,
                    stderr=error_log, cwd=self.folder, pass_fds=passing.descriptors,
                    env={**os.environ, **passing.environment, **(environment or {})})
        self.pid = self.process.pid

    # --- configuration ---------------------------------------------------------------------------

    def write_config(self, config):
        """Completes `config` and writes the file; a string is written as it is."""
        if isinstance(config, str):
            self.config_path.write_text(config)
            return
        self.config = self._completed(config)
        self.config_path.write_text(yaml_text(self.config))

    def port(self, listener="web"):
        return self._ports[listener]

    @property
    def admin_port(self):
        return self._ports["admin listener"]

    def _completed(self, config):
        config = copy.deepcopy(config)
        config.setdefault("workers", 1)
        config.setdefault("access_log", {"path": str(self.access_log_path)})
        config.setdefault("shutdown", {"deadline": "2s"})
        config.setdefault("admin", {})
        self._bind(config["admin"], "admin listener")
        for listener in config["listeners"]:
            self._bind(listener, listener["name"])
        return config

    def _bind(self, section, name):
        if "bind" not in section:
            if name not in self._ports:
                self._ports[name] = free_port()
            section["bind"] = f"127.0.0.1:{self._ports[name]}"
        elif not section["bind"].startswith("unix:"):
            self._ports[name] = int(section["bind"].rpartition(":")[2])

    # --- life ------------------------------------------------------------------------------------

    def wait_until_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(
                    f"exited with {self.process.returncode} at start:\n{self.error_log()}")
            try:
                return self.admin_get("/readyz").status == 200
            except OSError:
                return False

        wait_until(ready, lambda: f"ready; its log:\n{self.error_log()}", within=_START_PATIENCE)
        return self

    def send_signal(self, number):
        self.process.send_signal(number)

    @contextmanager
    def asleep(self):
        """No thread of it runs: what is sent meanwhile is there in one piece when it looks."""
        self.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: set(self._thread_states()) == {"T"}, "all its threads are stopped")
            yield
        finally:
            self.send_signal(signal.SIGCONT)

    def _thread_states(self):
        for status in Path(f"/proc/{self.pid}/task").glob("*/stat"):
            yield status.read_text().rpartition(")")[2].split()[0]

    def wait_for_exit(self, within=PATIENCE):
        return self.process.wait(within)

    def stop(self, number=signal.SIGTERM, within=2 * PATIENCE):
        """Asks it to end and returns the exit status."""
        if self.process.poll() is None:
            self.send_signal(number)
        return self.wait_for_exit(within)

    def reload(self, config=None, result="success"):
        """Writes the file (unless None), sends HUP, waits until the reload is counted as `result`."""
        if config is not None:
            self.write_config(config)
        before = self.metrics()
        self.send_signal(signal.SIGHUP)

        def counted():
            now = self.metrics()
            done = {each: now.sum("sluice_config_reloads_total", result=each)
                    - before.sum("sluice_config_reloads_total", result=each)
                    for each in ("success", "failure")}
            other = "failure" if result == "success" else "success"
            assert not done[other], f"reload ended in {other}:\n{self.error_log()}"
            return done[result]

        wait_until(counted, lambda: f"a reload is counted as {result}:\n{self.error_log()}",
                   within=2 * PATIENCE)

    def clean_up(self, expected_status=0):
        """Stops it if it still runs, and checks how it ended."""
        try:
            status = self.stop()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end after SIGTERM:\n{self.error_log()}") from None
        log = self.error_log()
        for mark in _SANITIZER_MARKS:
            assert mark not in log, log
        assert status == expected_status, f"exit status {status}:\n{log}"

    # --- what it shows ---------------------------------------------------------------------------

    def client(self, listener="web", **options):
        return Client(self.port(listener), **options)

    def admin_get(self, path, method="GET"):
        """Status, headers (`getheader`) and `body`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            answer.body = answer.read()
            return answer
        except http.client.HTTPException as failure:
            raise OSError(f"admin listener: {failure!r}") from failure
        finally:
            connection.close()

    def metrics(self):
        answer = self.admin_get("/metrics")
        assert answer.status == 200
        return Metrics(answer.body.decode())

    def metric(self, name, **labels):
        """Now. Behind an answer it may lag: see `wait_for_metric_value`. It is final for exchanges
        whose lines of the access log were seen, and for connections that the proxy has closed."""
        return self.metrics().sum(name, **labels)

    def wait_for_metric(self, name, least=1, **labels):
        """At least so much, when more may come."""
        self._wait_for_metric(lambda value: value >= least, f"at least {least}", name, labels)

    def wait_for_metric_value(self, name, value, **labels):
        """Exactly that; a counter that is beyond it fails at once. Cannot show that something never
        happens: wait first for what is recorded behind it, then assert on `metric`."""
        def reached(now):
            is_beyond = now > value and name.endswith(("_total", "_count"))
            assert not is_beyond, f"{name}{labels} is {now}, beyond {value}"
            return now == value

        self._wait_for_metric(reached, value, name, labels)

    def _wait_for_metric(self, holds, expected, name, labels):
        seen = []

        def reached():
            seen[:] = [self.metric(name, **labels)]
            return holds(seen[0])

        wait_until(reached, lambda: f"{name}{labels} is {expected}; last seen: {seen[0]}")

    def error_log(self):
        return self.error_log_path.read_text(errors="replace")

    def wait_for_error_log(self, text):
        wait_until(lambda: text in self.error_log(),
                   lambda: f"the log says {text!r}:\n{self.error_log()}")
        return self.error_log()

    def access_log(self):
        """The complete lines so far, each an object."""
        if not self.access_log_path.exists():
            return []
        text = self.access_log_path.read_bytes()
        lines = text[: text.rfind(b"\n") + 1].split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    def wait_for_lines(self, least):
        """At least so many lines of the access log. A line is the last thing that is recorded of an
        exchange: all metrics have it by then."""
        wait_until(lambda: len(self.access_log()) >= least,
                   lambda: f"the access log has {least} lines: {self.access_log()}")
        return self.access_log()

    def wait_for_log(self, count=1):
        """Exactly `count` lines: one more is an error as well as one less."""
        lines = self.wait_for_lines(count)
        assert len(lines) == count, lines
        return lines

    def final_log(self):
        """Stops it and returns all lines: now nothing can be added. To show that something did not
        happen."""
        assert self.stop() == 0
        return self.access_log()

    def only_log_line(self):
        return self.wait_for_log(1)[0]

    def memory_peak_kib(self):
        """The largest resident set so far (VmHWM)."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0])


def run(*arguments, environment=None, folder=None):
    """A command that ends by itself: exit status and text of both outputs."""
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True,
                          timeout=4 * PATIENCE, stdin=subprocess.DEVNULL, cwd=folder,
                          env={**os.environ, **(environment or {})})


def reason_of(line):
    """The reason code of a line of the access log; None for the ordinary end."""
    return None if line["reason"] in (None, "-", "") else line["reason"]
