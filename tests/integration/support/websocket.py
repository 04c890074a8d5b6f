"""WebSockets byte by byte (RFC 6455), for both ends of the tests; shares nothing with the proxy."""

import base64
import hashlib
import struct
from contextlib import contextmanager
from dataclasses import dataclass

from support.client import request
from support.http1 import Ended

KEY = base64.b64encode(b"sixteen bytes ok").decode()
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x11\x22\x33\x44"


def accept_of(key):
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    return base64.b64encode(digest).decode()


def handshake(target="/", *fields, method="GET", version="1.1", key=KEY, sec_version="13",
              upgrade="websocket", connection="Upgrade"):
    """The bytes of a client's handshake; None leaves a field out."""
    standard = [("Connection", connection), ("Upgrade", upgrade), ("Sec-WebSocket-Key", key),
                ("Sec-WebSocket-Version", sec_version)]
    present = [(name, value) for name, value in standard if value is not None]
    return request(method, target, *present, *fields, version=version)


def switching(key=KEY, *fields, accept=None, upgrade="websocket", connection="Upgrade"):
    """The bytes of a target's 101."""
    standard = [("Connection", connection), ("Upgrade", upgrade),
                ("Sec-WebSocket-Accept", accept or accept_of(key))]
    lines = ["HTTP/1.1 101 Switching Protocols"]
    lines += [f"{name}: {value}" for name, value in [*standard, *fields] if value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def frame(opcode, payload=b"", *, masked=False, fin=True):
    """`masked`: as a client sends it."""
    head = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 1 << 16:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    return head + (MASK + masking(payload, MASK) if masked else payload)


def masking(payload, mask):
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(
        len(payload), "big")


def close_frame(code, reason=b"", *, masked=False):
    return frame(CLOSE, struct.pack(">H", code) + reason, masked=masked)


@dataclass
class Frame:
    opcode: int
    payload: bytes
    fin: bool
    masked: bool

    @property
    def close_code(self):
        assert self.opcode == CLOSE, self
        return struct.unpack(">H", self.payload[:2])[0]


def read_frame(wire):
    """The next whole frame; None when the stream ends between two."""
    try:
        first = wire.read_exactly(2)
    except Ended as end:
        if end.received or end.reset:
            raise
        return None
    length = first[1] & 0x7F
    if length == 126:
        length = struct.unpack(">H", wire.read_exactly(2))[0]
    elif length == 127:
        length = struct.unpack(">Q", wire.read_exactly(8))[0]
    masked = bool(first[1] & 0x80)
    mask = wire.read_exactly(4) if masked else b""
    payload = wire.read_exactly(length)
    return Frame(first[0] & 0x0F, masking(payload, mask) if masked else payload,
                 bool(first[0] & 0x80), masked)


def accept_handshake(connection, *fields):
    """In a target's script: reads the request and switches; returns the request."""
    received = connection.read_head()
    if received is not None:
        connection.send(switching(received.value("Sec-WebSocket-Key"), *fields))
    return received


def echo(connection, *fields):
    """The script of a target that echoes messages, pings and the close frame."""
    if accept_handshake(connection, *fields) is not None:
        echo_frames(connection)


def echo_frames(connection):
    while (received := read_frame(connection.wire)) is not None:
        assert received.masked, "a client's frames are masked"
        answer = {PING: PONG}.get(received.opcode, received.opcode)
        if received.opcode != PONG:
            connection.send(frame(answer, received.payload, fin=received.fin))
        if received.opcode == CLOSE:
            return


def holding(on_open):
    """The script of a target that switches and then does as `on_open(connection)` says."""

    def script(connection):
        if accept_handshake(connection) is not None:
            on_open(connection)

    return script


@contextmanager
def opened(proxy, *fields, target="/", **options):
    """A client behind a handshake that was accepted."""
    with proxy.client(**options) as client:
        client.send(handshake(target, *fields))
        answer = client.response_head()
        assert answer.status == 101, answer.head
        client.answer = answer
        yield client


def echoes(client, payload=b"hello", opcode=TEXT):
    client.send(frame(opcode, payload, masked=True))
    answer = read_frame(client.wire)
    assert (answer.opcode, answer.payload, answer.masked) == (opcode, payload, False)
    return True


def expect_close(client, code):
    """The next frame is that close frame; it is answered, and then the stream ends."""
    received = read_frame(client.wire)
    assert received is not None, f"the end of the stream and no close frame {code}"
    assert received.close_code == code
    client.send_if_open(close_frame(code, masked=True))
    assert client.rest() == b""
