"""HTTP/2 by hand: frames exactly as a test writes them, and what comes back, frame by frame.

Nothing is done behind a test's back but this: SETTINGS of the peer are acknowledged, and field
blocks are decoded, for HPACK has a state. Field blocks are built of literals without indexing
(RFC 7541 6.2.2), so that they mean the same wherever they are sent.
"""

import socket
import struct
from dataclasses import dataclass, field

import hpack

from support.waiting import PATIENCE

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

(DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE,
 CONTINUATION) = range(10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED,
 FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM,
 INADEQUATE_SECURITY, HTTP_1_1_REQUIRED) = range(14)

(HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE,
 MAX_HEADER_LIST_SIZE) = range(1, 7)
ENABLE_CONNECT_PROTOCOL = 8


# --- frames as bytes -----------------------------------------------------------------------------

def frame(kind, flags=0, stream=0, payload=b"", length=None):
    """`length`: told instead of the payload's own."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def data(stream, content=b"", flags=0):
    return frame(DATA, flags, stream, content)


def headers(stream, fragment, flags=END_HEADERS | END_STREAM):
    return frame(HEADERS, flags, stream, fragment)


def continuation(stream, fragment, flags=END_HEADERS):
    return frame(CONTINUATION, flags, stream, fragment)


def settings(*pairs, flags=0, stream=0):
    return frame(SETTINGS, flags, stream, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def ping(opaque=b"conform!", flags=0, stream=0):
    return frame(PING, flags, stream, opaque)


def rst_stream(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def dependency(on=0, weight=15):
    return struct.pack(">IB", on, weight)


def priority(stream, on=0, weight=15):
    return frame(PRIORITY, 0, stream, dependency(on, weight))


def goaway(last=0, code=NO_ERROR, debug=b"", stream=0):
    return frame(GOAWAY, 0, stream, struct.pack(">II", last, code) + debug)


# --- field blocks --------------------------------------------------------------------------------

def integer(value, prefix_bits, first=0):
    """RFC 7541 5.1."""
    limit = (1 << prefix_bits) - 1
    if value < limit:
        return bytes([first | value])
    out = [first | limit]
    value -= limit
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def text(value):
    value = value if isinstance(value, bytes) else value.encode("latin-1")
    return integer(len(value), 7) + value


def block(*fields):
    return b"".join(b"\x00" + text(name) + text(value) for name, value in fields)


def request_fields(*more, method="GET", path="/", authority="site.test", scheme="http"):
    """Pseudo-header fields, None for one that is left out, and `more`."""
    pseudo = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    return [each for each in pseudo if each[1] is not None] + list(more)


def request(*more, **pseudo):
    return block(*request_fields(*more, **pseudo))


# --- a connection --------------------------------------------------------------------------------

@dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self):
        """Of RST_STREAM and GOAWAY."""
        at = 4 if self.kind == GOAWAY else 0
        return struct.unpack_from(">I", self.payload, at)[0]


@dataclass
class Stream:
    """What came on it."""
    heads: list = field(default_factory=list)  # lists of (name, value); trailers, too
    content: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def status(self):
        for head in self.heads:
            status = int(dict(head).get(":status", 0))
            if status >= 200:
                return status
        return None


class Closed(Exception):
    """The peer has closed the connection."""


class Connection:
    def __init__(self, connected, *, preface=PREFACE, first=settings()):
        """`connected`: a socket. `first`: what is sent behind the preface."""
        self.socket = connected
        self.socket.settimeout(PATIENCE)
        self.decoder = hpack.Decoder()
        self.frames = []    # all that came
        self.streams = {}
        self.settings = {}  # the peer's
        self.pongs = []
        self.acks = 0       # of our SETTINGS
        self.goaway = None
        self._received = b""
        self._block = None  # of HEADERS whose CONTINUATION is awaited
        self.send(preface + first)

    @classmethod
    def open(cls, port, **options):
        connected = socket.create_connection(("127.0.0.1", port), PATIENCE)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(connected, **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, bytes_):
        """A peer that has closed already is seen by whoever reads."""
        try:
            self.socket.sendall(bytes_)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def stream(self, number):
        return self.streams.setdefault(number, Stream())

    def read_until(self, condition):
        """Reads frames until `condition()` holds. Closed when the peer closes before."""
        while not condition():
            self._note(self._read_frame())

    def handshake(self):
        """Until both sides' SETTINGS are known to both."""
        self.read_until(lambda: self.acks and any(f.kind == SETTINGS for f in self.frames))
        return self

    def is_closed(self):
        """Waits until the peer closes; whatever comes before is noted."""
        try:
            self.read_until(lambda: False)
        except Closed:
            return True

    def _read(self, count):
        while len(self._received) < count:
            try:
                piece = self.socket.recv(1 << 16)
            except ConnectionResetError:
                piece = b""
            except TimeoutError:
                raise AssertionError(f"the peer is silent; so far: {self.frames}") from None
            if not piece:
                raise Closed
            self._received += piece
        taken, self._received = self._received[:count], self._received[count:]
        return taken

    def _read_frame(self):
        head = self._read(9)
        assert head[5] < 128, "the reserved bit is set"
        payload = self._read(int.from_bytes(head[:3], "big"))
        return Frame(head[3], head[4], struct.unpack(">I", head[5:])[0], payload)

    def _note(self, got):
        self.frames.append(got)
        if got.kind == SETTINGS and got.flags & ACK:
            self.acks += 1
        elif got.kind == SETTINGS:
            self.settings.update(struct.iter_unpack(">HI", got.payload))
            self.send(settings(flags=ACK))
        elif got.kind == PING and got.flags & ACK:
            self.pongs.append(got.payload)
        elif got.kind == GOAWAY:
            self.goaway = got
        elif got.kind == RST_STREAM:
            self.stream(got.stream).reset = got.code
        elif got.kind in (HEADERS, CONTINUATION):
            self._note_fields(got)
        elif got.kind == DATA:
            assert not got.flags & PADDED
            self.stream(got.stream).content += got.payload
            self.stream(got.stream).ended |= bool(got.flags & END_STREAM)

    def _note_fields(self, got):
        if got.kind == HEADERS:
            assert not got.flags & (PADDED | WITH_PRIORITY)
            self._block = [b"", bool(got.flags & END_STREAM)]
        self._block[0] += got.payload
        if got.flags & END_HEADERS:
            fragment, ends = self._block
            self.stream(got.stream).heads.append(
                [(str(name), str(value)) for name, value in self.decoder.decode(fragment)])
            self.stream(got.stream).ended |= ends
