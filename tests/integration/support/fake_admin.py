"""An admin listener for the command line's tests: it keeps target groups in memory and changes them as
the API's calls say, or answers bytes that a test gives."""

import json
import socket
import threading
from urllib.parse import unquote


def answer(status, body, content_type="application/json"):
    text = json.dumps(body).encode() if not isinstance(body, bytes) else body
    return (b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            % (status, content_type.encode(), len(text)) + text)


def problem(status, detail, **more):
    return answer(status, {"type": "about:blank", "title": "X", "status": status, "detail": detail,
                           **more}, "application/problem+json")


class FakeAdmin:
    """`script(connection)` is called for each connection, with its request read in full; without
    one the listener behaves as the API does. `requests` has what came: method, path, body, head."""

    def __init__(self, script=None, groups=("targets",), token=None):
        self.requests = []
        self.groups = {name: {} for name in groups}
        self.token = token
        self.reload_answer = answer(200, {"revision": 2, "warnings": []})
        self.busy = {}  # target id -> how many more looks see a request under way; None: forever
        self._script = script
        self._ending = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def wait_for_end(self, seconds):
        """For scripts that are slow: True when the test is over."""
        return self._ending.wait(seconds)

    def put(self, group, target, state="healthy", **more):
        self.groups[group][target] = {"id": target, "address": target, "weight": 1, "source": "api",
                                      "state": state, "reason": None, "active_requests": 0, **more}

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                method, path, head, body = _read(connection)
                self.requests.append((method, path, body, head))
                if self._script is not None:
                    self._script(connection)
                else:
                    connection.sendall(self._answer(method, path, head, body))
            except OSError:
                pass  # the command has left

    def _answer(self, method, path, head, body):
        if self.token is not None and f"Authorization: Bearer {self.token}" not in head:
            return problem(401, "a token is needed")
        parts = [unquote(each) for each in path.split("/")[1:]]
        if path == "/v1/reload" and method == "POST":
            return self.reload_answer
        if path == "/v1/status":
            return answer(200, {"version": "1", "config": {"revision": 2}})
        if path == "/v1/target-groups":
            return answer(200, [{"name": name} for name in self.groups])
        if parts[:2] != ["v1", "target-groups"] or parts[2] not in self.groups:
            return problem(404, "there is no such thing")
        group = self.groups[parts[2]]
        if len(parts) == 4:
            return self._add(group, json.loads(body)) if method == "POST" else self._list(group)
        return self._change(group, method, parts[4], body)

    def _list(self, group):
        for each in list(group.values()):
            left = self.busy.get(each["id"], 0)
            if left is not None and left > 0:
                self.busy[each["id"]] = left - 1
            each["active_requests"] = 1 if left is None or left > 0 else 0
            if each.get("leaves") and not each["active_requests"]:
                del group[each["id"]]
        return answer(200, list(group.values()))

    def _add(self, group, wanted):
        if ":" not in wanted["address"]:
            return problem(400, "address: must be HOST:PORT")
        known = group.get(wanted["address"])
        if known is None:
            group[wanted["address"]] = {"id": wanted["address"], "state": "healthy", **wanted}
        return answer(200 if known else 201, group[wanted["address"]])

    def _change(self, group, method, target, body):
        if target not in group:
            return problem(404, f"there is no target {target}")
        if method == "DELETE":
            group[target].update(state="draining", leaves=True)
            return answer(202, group[target])
        state = json.loads(body)["state"]
        group[target]["state"] = {"enabled": "healthy"}.get(state, state)
        return answer(200, group[target])


def _read(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise OSError("the connection ended within the head")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.decode()
    length = next((int(line.split(":")[1]) for line in head.split("\r\n")
                   if line.lower().startswith("content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    method, path, _ = head.split("\r\n")[0].split(" ")
    return method, path, head, body.decode()
