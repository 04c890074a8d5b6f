"""Scripted targets: every accepted connection runs a script in a thread of its own.

A script is a function of a `TargetConnection`. `serve(respond)` makes the script of an ordinary
keep-alive server. Requests are recorded before they are answered.
"""

import socket
import struct
import threading

from support import http1
from support.http1 import Ended, Malformed, Wire
from support.ports import free_port
from support.waiting import PATIENCE, wait_for_event, wait_until


def response(body=b"", *fields, status=200, phrase="OK", version="1.1"):
    """The bytes of an ordinary answer with a Content-Length."""
    lines = [f"HTTP/{version} {status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in fields]
    lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def serve(respond):
    """The script of a keep-alive server; `respond(request)` returns the bytes of the answer."""

    def script(connection):
        while request := connection.read_request():
            connection.send(respond(request))

    return script


def serve_body(body=b"hello from the target", *fields):
    return serve(lambda request: response(body if request.method != "HEAD" else b"", *fields))


def answer_once(data):
    """The script that reads one request, sends `data`, and waits for the proxy to close."""

    def script(connection):
        connection.read_request()
        connection.send(data)
        connection.wait_for_close()

    return script


def answer_and_close(data):
    """The script that reads one request, sends `data` and closes."""

    def script(connection):
        connection.read_request()
        connection.send(data)

    return script


class TargetConnection:
    def __init__(self, target, accepted, index):
        self.target = target
        self.socket = accepted
        self.index = index
        self.wire = Wire(accepted)
        self.sent = 0  # bytes, as far as the kernel took them

    def read_head(self):
        """The next request's head, recorded; None when the proxy closes between two requests."""
        try:
            request = http1.read_request_head(self.wire)
        except Ended as end:
            if end.received:
                raise Malformed(f"the proxy sent a part of a request: {end.received!r}") from None
            return None
        request.connection = self.index
        self.target.requests.append(request)
        return request

    def read_body(self, request):
        return http1.read_body(self.wire, request)

    def read_request(self):
        """The next request, head and body; None when the proxy closes between two requests."""
        request = self.read_head()
        if request is not None:
            self.read_body(request)
            self.target.finished += 1
        return request

    def send(self, data):
        view = memoryview(data)
        while view:
            count = self.socket.send(view[: 1 << 16])
            self.sent += count
            view = view[count:]

    def wait(self, event):
        wait_for_event(event)

    def wait_for_close(self):
        """Until the proxy closes, however it does it; returns the bytes that came before."""
        try:
            return self.wire.read_to_end()
        except Ended:
            return b""

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def reset(self):
        http1.reset(self.socket)


class Target:
    """Listens on loopback. `script` is one function for all connections, or a list with one for each,
    the last of which serves all further ones too."""

    def __init__(self, script, *, tls=None, backlog=128, receive_buffer=None, send_buffer=None,
                 host="127.0.0.1", port=0):
        self.requests = []     # heads in the order of arrival
        self.connections = []  # every accepted one
        self.finished = 0      # requests whose body has arrived as well
        self.failures = []     # what went wrong in scripts, seen at `close`
        self._scripts = script if isinstance(script, list) else [script]
        self._tls = tls
        self._send_buffer = send_buffer
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        # Nobody else gets the port while it is closed, or in between when it opens again.
        self._listener.bind((host, port or free_port()))
        self._listener.listen(backlog)
        self.port = self._listener.getsockname()[1]
        self.address = f"{host}:{self.port}"
        self._threads = []
        self._closing = False
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def wait_for_requests(self, count):
        wait_until(lambda: len(self.requests) >= count, f"the target has {count} requests")
        return self.requests

    def wait_for_connections(self, count):
        wait_until(lambda: len(self.connections) >= count, f"the target has {count} connections")
        return self.connections

    def only_request(self):
        wait_until(lambda: self.finished, "the target has a request")
        assert len(self.requests) == 1, [each.head for each in self.requests]
        return self.requests[0]

    def stop_listening(self):
        """New connections are refused from here on; open ones go on."""
        self._closing = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._acceptor.join(PATIENCE)
        self._listener.close()

    def close(self):
        """Cuts everything; raises the first failure of a script."""
        if not self._closing:
            self.stop_listening()
        for connection in self.connections:
            try:
                connection.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(PATIENCE)
        if self.failures:
            raise self.failures[0]

    def _accept(self):
        while not self._closing:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            accepted.settimeout(2 * PATIENCE)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._send_buffer:
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
            connection = TargetConnection(self, accepted, len(self.connections))
            self.connections.append(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, connection):
        script = self._scripts[min(connection.index, len(self._scripts) - 1)]
        try:
            if self._tls is not None:
                connection.socket = self._tls.wrap_socket(connection.socket, server_side=True)
                connection.wire = Wire(connection.socket)
            script(connection)
        except (OSError, Ended):
            pass  # the proxy left; a test that minds looks at what the client or the record says
        except BaseException as failure:  # noqa: BLE001: shown by `close`
            self.failures.append(failure)
        finally:
            try:
                connection.socket.close()
            except OSError:
                pass


class DeafTarget:
    """A port whose connection attempts are never answered: the queue of a listener that never
    accepts is full, so that the kernel drops further SYNs."""

    def __init__(self):
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)  # room for one
        self.port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._filler = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        wait_until(self._queued, "the queue is full")

    def close(self):
        self._filler.close()
        self._listener.close()

    def _queued(self):
        """Connections that wait to be accepted: a listener's `tcpi_unacked` (tcp(7), TCP_INFO)."""
        information = self._listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
        return struct.unpack_from("=I", information, 24)[0]
