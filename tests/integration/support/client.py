"""A client that sends exactly the bytes it is given and reads answers strictly."""

import socket

from support import http1
from support.http1 import Ended, Wire
from support.waiting import PATIENCE, wait_until


def request(method="GET", target="/", *fields, host="site.test", body=None, version="1.1"):
    """The bytes of an ordinary request; a body gets a Content-Length."""
    lines = [f"{method} {target} HTTP/{version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


def refuses_connections(port):
    """Whether nobody listens any more. While somebody does, the attempt is one more connection."""
    try:
        Client(port).close()
    except (ConnectionRefusedError, ConnectionResetError):  # reset: it closed while we connected
        return True
    return False


def wait_until_refused(port):
    """A listener that closes accepts first what waits in its queue: it must not be kept busy."""
    wait_until(lambda: refuses_connections(port), f"port {port} refuses connections", pause=0.1)


class Client:
    """`patience` bounds each wait for the peer, in seconds."""

    def __init__(self, port, *, tls=None, server_name=None, source=None, session=None,
                 receive_buffer=None, host="127.0.0.1", patience=PATIENCE):
        self.patience = patience
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        try:
            self.socket.connect((host, port))
            self.address = "%s:%d" % self.socket.getsockname()[:2]
            if tls is not None:
                self.socket = tls.wrap_socket(self.socket, server_hostname=server_name,
                                              session=session)
        except BaseException:
            self.socket.close()
            raise
        self.wire = Wire(self.socket)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_if_open(self, data):
        """For bytes that the peer may refuse by closing first. True when the kernel took them."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def response_head(self, method="GET"):
        return http1.read_response_head(self.wire, method)

    def response(self, method="GET"):
        """The next answer, whole; an interim one (1xx) counts as an answer."""
        return http1.read_body(self.wire, self.response_head(method))

    def ask(self, method="GET", target="/", *fields, **options):
        """Sends an ordinary request and returns its answer."""
        self.send(request(method, target, *fields, **options))
        return self.response(method)

    def rest(self):
        """Everything until the peer closes, by FIN or RST."""
        pieces = []
        try:
            while piece := self.wire.read_some():
                pieces.append(piece)
        except Ended:
            pass
        return b"".join(pieces)

    def is_closed_by_peer(self, within=None):
        """Waits for the end of the stream; bytes that come instead are an error."""
        self.socket.settimeout(self.patience if within is None else within)
        try:
            rest = self.rest()
        except TimeoutError:
            return False
        finally:
            self.socket.settimeout(self.patience)
        assert rest == b"", f"bytes instead of the end of the connection: {rest[:200]!r}"
        return True

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def reset(self):
        http1.reset(self.socket)
