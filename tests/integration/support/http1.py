"""HTTP/1 messages read from a socket, strictly: what is not exactly right is an error.

Both ends of the tests use it: the client for answers, the targets for requests. It shares nothing
with the proxy's own parser, so that the two check each other (RFC 9112).
"""

import re
import socket
from dataclasses import dataclass, field

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_STATUS_LINE = re.compile(rb"HTTP/(\d\.\d) ([1-5]\d\d) ([\t\x20-\x7e\x80-\xff]*)")
_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/(\d\.\d)")
_CHUNK_LINE = re.compile(rb"([0-9a-fA-F]{1,16})(;[^\r\n]*)?")
_LARGEST_HEAD = 4 * 1024 * 1024


class Malformed(AssertionError):
    """The peer sent something that is not HTTP/1.1."""


class Ended(Exception):
    """The connection ended before the message did; `received` is what came of the part being read."""

    def __init__(self, received=b"", reset=False):
        super().__init__(f"connection {'reset' if reset else 'closed'} after {bytes(received[:200])!r}")
        self.received = bytes(received)
        self.reset = reset


class Wire:
    """Buffered reads from one socket. The socket's own timeout bounds every wait."""

    def __init__(self, connected):
        self.socket = connected
        self.buffer = bytearray()

    def read_until(self, delimiter, most=_LARGEST_HEAD):
        searched = 0
        while (at := self.buffer.find(delimiter, searched)) < 0:
            if len(self.buffer) > most:
                raise Malformed(f"no {delimiter!r} in {most} bytes")
            searched = max(0, len(self.buffer) - len(delimiter) + 1)
            self._receive()
        return self._take(at + len(delimiter))

    def read_exactly(self, count):
        while len(self.buffer) < count:
            self._receive()
        return self._take(count)

    def read_some(self, most=1 << 18):
        """At least one byte, or b"" at the end of the stream."""
        if not self.buffer:
            try:
                self._receive()
            except Ended as end:
                if end.reset:
                    raise
                return b""
        return self._take(min(most, len(self.buffer)))

    def read_to_end(self):
        pieces = []
        while piece := self.read_some():
            pieces.append(piece)
        return b"".join(pieces)

    def _receive(self):
        try:
            received = self.socket.recv(1 << 18)
        except (ConnectionResetError, BrokenPipeError):
            raise Ended(self.buffer, reset=True) from None
        if not received:
            raise Ended(self.buffer)
        self.buffer += received

    def _take(self, count):
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken


@dataclass
class Message:
    version: str = "1.1"
    fields: list = field(default_factory=list)  # (name, value) as sent, in order
    head: bytes = b""                           # every byte up to and with the empty line
    body: bytes = b""                           # content, without chunk framing
    chunks: list = field(default_factory=list)  # sizes of the chunks, the last (0) left out
    extensions: list = field(default_factory=list)
    trailers: list = field(default_factory=list)
    framing: str = "none"                       # none | length | chunked | until_close

    def values(self, name):
        return [value for each, value in self.fields if each.lower() == name.lower()]

    def value(self, name):
        """The one value of that name, or None. More than one is an error."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} is there {len(values)} times: {values}"
        return values[0] if values else None

    def says_close(self):
        """Whether the sender announced the end of the connection (RFC 9112 9.6)."""
        options = ",".join(self.values("Connection")).lower().split(",")
        return "close" in [option.strip() for option in options]

    def names(self):
        return [name for name, _ in self.fields]


@dataclass
class Request(Message):
    method: str = ""
    target: str = ""
    connection: int = 0  # which connection of the target it came on, from 0


@dataclass
class Response(Message):
    status: int = 0
    phrase: str = ""


def read_request_head(wire):
    head = wire.read_until(b"\r\n\r\n")
    lines = _lines(head)
    match = _REQUEST_LINE.fullmatch(lines[0])
    if not match:
        raise Malformed(f"request line {lines[0]!r}")
    method, target, version = (part.decode("ascii") for part in match.groups())
    request = Request(version, _fields(lines[1:]), head, method=method, target=target)
    request.framing = _declared_framing(request) or "none"
    return request


def read_response_head(wire, request_method="GET"):
    head = wire.read_until(b"\r\n\r\n")
    lines = _lines(head)
    match = _STATUS_LINE.fullmatch(lines[0])
    if not match:
        raise Malformed(f"status line {lines[0]!r}")
    version, status, phrase = (part.decode("latin-1") for part in match.groups())
    response = Response(version, _fields(lines[1:]), head, status=int(status), phrase=phrase)
    declared = _declared_framing(response)
    bodiless = response.status < 200 or response.status in (204, 304)
    if bodiless and response.status not in (304,) and declared:
        raise Malformed(f"{response.status} with {declared} framing (RFC 9110 8.6, RFC 9112 6.1)")
    if bodiless or request_method == "HEAD":
        response.framing = "none"
    else:
        response.framing = declared or "until_close"
    return response


def body_pieces(wire, message):
    """The content in pieces as they come; chunk sizes and trailers are noted in `message`."""
    if message.framing == "length":
        missing = int(message.value("Content-Length"))
        while missing:
            piece = wire.read_some(missing)
            if not piece:
                raise Ended()
            missing -= len(piece)
            yield piece
    elif message.framing == "chunked":
        yield from _chunks(wire, message)
    elif message.framing == "until_close":
        while piece := wire.read_some():
            yield piece


def read_body(wire, message):
    """Fills `message.body`; also when the connection ends in the middle of it, which raises."""
    pieces = []
    try:
        for piece in body_pieces(wire, message):
            pieces.append(piece)
    finally:
        message.body = b"".join(pieces)
    return message


def chunked(*pieces, trailers=()):
    """The pieces as chunks, with the last chunk and the trailers."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    lines = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in trailers)
    return body + b"0\r\n" + lines + b"\r\n"


def _chunks(wire, message):
    while True:
        line = wire.read_until(b"\r\n", 16_384)[:-2]
        match = _CHUNK_LINE.fullmatch(line)
        if not match:
            raise Malformed(f"chunk line {line!r}")
        if match.group(2):
            message.extensions.append(match.group(2))
        size = int(match.group(1), 16)
        if size == 0:
            break
        message.chunks.append(size)
        missing = size
        while missing:
            piece = wire.read_some(missing)
            if not piece:
                raise Ended()
            missing -= len(piece)
            yield piece
        if wire.read_exactly(2) != b"\r\n":
            raise Malformed("chunk without CRLF at its end")
    lines = []
    while line := wire.read_until(b"\r\n", 65_536)[:-2]:
        lines.append(line)
    message.trailers = _fields(lines)


def _lines(head):
    lines = head[:-4].split(b"\r\n")
    for line in lines:
        if b"\r" in line or b"\n" in line or b"\0" in line:
            raise Malformed(f"CR, LF or NUL inside a line: {line!r}")
    return lines


def _fields(lines):
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise Malformed(f"field line {line!r}")
        fields.append((name.decode("ascii"), value.decode("latin-1")))
    return fields


def _declared_framing(message):
    codings = message.values("Transfer-Encoding")
    lengths = message.values("Content-Length")
    if codings and lengths:
        raise Malformed(f"Transfer-Encoding and Content-Length together: {message.head!r}")
    if codings:
        if codings != ["chunked"]:
            raise Malformed(f"Transfer-Encoding {codings}")
        return "chunked"
    if lengths:
        if len(lengths) > 1 or not re.fullmatch(r"[0-9]+", lengths[0]):
            raise Malformed(f"Content-Length {lengths}")
        return "length"
    return None


def reset(connected):
    """Closes with RST instead of FIN."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connected.close()
