"""h2load as the load generator for HTTP/2: one thread, pinned. It knows no percentiles of the latency."""

import re
import subprocess

from lib.generator import GRACE_SECONDS, LoadError, LoadReport
from lib.scenarios import LoadScenario

SUITE = "TLS_AES_256_GCM_SHA384"  # all contenders have this one only


class Http2Load:
    """A running h2load."""

    def __init__(self, scenario: LoadScenario, port: int, seconds: int, *, cpus: str):
        self._seconds = seconds
        command = ["taskset", "-c", cpus, "h2load", "-t1", f"-c{scenario.connections}", f"-m{scenario.streams}"]
        command += [f"-D{seconds}", f"--tls13-ciphers={SUITE}", f"https://127.0.0.1:{port}{scenario.path}"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def result(self) -> LoadReport:
        """Waits for the end. Raises LoadError when h2load itself fails; errors it met are in the report."""
        try:
            output, errors = self._process.communicate(timeout=self._seconds + GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.stop()
            raise LoadError("h2load did not end") from None
        return _read(output, errors, self._seconds)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def _read(output: str, errors: str, seconds: int) -> LoadReport:
    requests = re.search(r"^requests: .*?(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", output, re.M)
    statuses = re.search(r"^status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output, re.M)
    data = re.search(r"^traffic: .*\((\d+)\) data$", output, re.M)
    if not requests or not statuses or not data:
        raise LoadError(f"h2load said nothing: {(errors or output).strip()[-200:]}")
    if "Application protocol: h2\n" not in output:
        raise LoadError("HTTP/2 was not negotiated")
    kinds = {"failed": requests[2], "errored": requests[3], "timeout": requests[4]}
    kinds["status"] = str(sum(int(count) for count in statuses.groups()))
    counted = {kind: int(count) for kind, count in kinds.items()}
    return LoadReport(int(requests[1]), float(seconds), int(data[1]), {}, counted)
