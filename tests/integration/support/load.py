"""wrk, the load generator: started, stopped, and its errors counted."""

import re
import signal
import subprocess

_POST = 'wrk.method = "POST"\nwrk.body = "x"\n'


class Load:
    """Requests on 16 connections until `stop`."""

    def __init__(self, url, folder, method="GET"):
        arguments = ["wrk", "-t1", "-c16", "-d600s", "--timeout", "20s"]
        if method == "POST":
            script = folder / "post.lua"
            script.write_text(_POST)
            arguments += ["-s", str(script)]
        self.process = subprocess.Popen([*arguments, url], text=True, stdout=subprocess.PIPE)

    def stop(self):
        """The number of requests answered, and of those that failed in any way."""
        self.process.send_signal(signal.SIGINT)
        report, _ = self.process.communicate(timeout=60)
        requests = int(re.search(r"(\d+) requests in", report).group(1))
        failures = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", report)))
        wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", report)
        return requests, failures + (int(wrong.group(1)) if wrong else 0)

    def close(self):
        if self.process.returncode is None:
            self.process.kill()
            self.process.communicate()
