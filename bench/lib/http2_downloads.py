"""A client that downloads one large file many times over HTTP/2, some of it slowly. It knows no more of HTTP/2 than that.

Frames are looked at by their heads only, so that one process takes more than a proxy gives. A slow reader is one that opens
its stream's window slowly, as an application does that is slow to take what came; the connection's window is always open, so
what a stream does not take has to wait in the proxy, or better: at its target. A slow connection does not even read its
socket at full speed.
"""

import selectors
import socket
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path

STREAM_WINDOW_BYTES = 1024 * 1024
CONNECTION_WINDOW_BYTES = 2**31 - 1
CONNECTION_CREDIT_BYTES = 64 * 1024 * 1024  # given back at once, far below what the window is
SLOW_BYTES_PER_SECOND = 256 * 1024  # of a slow stream, and eight times that of a slow connection
READ_BYTES = 256 * 1024
HEAD_BYTES = 9
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
STATUS_200 = 0x88  # of HPACK's static table


class Broken(Exception):
    """A download ended otherwise than it should."""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def window_update(stream: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, size.to_bytes(4, "big"))


@dataclass
class Download:
    number: int  # of its stream
    slow: bool
    size: int
    received: int = 0
    owed: int = 0  # of its window
    ended: bool = False
    moved_at: float = field(default_factory=time.monotonic)


class Connection:
    """With all its downloads under way at once."""

    def __init__(self, port: int, certificate: Path, path: str, size: int, slow: list[bool], slow_socket: bool):
        context = ssl.create_default_context(cafile=str(certificate))
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        if self.socket.selected_alpn_protocol() != "h2":
            raise Broken("ALPN does not choose h2")
        self.slow_socket = slow_socket
        self._allowance = 0.0  # of a slow socket: what may be read now
        self.downloads = {2 * i + 1: Download(2 * i + 1, slow[i], size) for i in range(len(slow))}
        self._buffer = bytearray(READ_BYTES)
        self._head = b""  # an incomplete one
        self._payload_left = 0
        self._in_data: Download | None = None
        self._gathered = bytearray()  # the payload of a frame that is no DATA
        self._frame = (0, 0, 0)
        self._owed = 0
        self._out = bytearray(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self._out += frame(SETTINGS, 0, 0, b"\0\4" + STREAM_WINDOW_BYTES.to_bytes(4, "big") + b"\0\2\0\0\0\0")
        self._out += window_update(0, CONNECTION_WINDOW_BYTES - 65535)
        authority = b"localhost"
        head = b"\x82\x87\x04" + bytes([len(path)]) + path.encode() + b"\x01" + bytes([len(authority)]) + authority
        for number in self.downloads:
            self._out += frame(HEADERS, END_STREAM | END_HEADERS, number, head)
        self.socket.setblocking(False)

    def is_done(self) -> bool:
        return all(download.ended for download in self.downloads.values())

    def tick(self, seconds: float, slow: bool) -> None:
        """`seconds` have passed. What slow readers took meanwhile opens their windows."""
        self._allowance = 8 * SLOW_BYTES_PER_SECOND * seconds if slow and self.slow_socket else float("inf")
        for download in self.downloads.values():
            if download.slow and download.owed and not download.ended:
                size = min(download.owed, int(SLOW_BYTES_PER_SECOND * seconds)) if slow else download.owed
                self._out += window_update(download.number, size)
                download.owed -= size
        self.flush()

    def wants_read(self) -> bool:
        return self._allowance > 0

    def read(self, slow: bool) -> None:
        """All that is there, or as much as the allowance is. Raises Broken."""
        while self._allowance > 0:
            try:
                size = self.socket.recv_into(self._buffer)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            except OSError as error:
                raise Broken(f"the connection broke: {error}") from error
            if size == 0:
                raise Broken("the connection was closed")
            self._allowance -= size
            self._take(memoryview(self._buffer)[:size], slow)
        self.flush()

    def flush(self) -> None:
        while self._out:
            try:
                sent = self.socket.send(self._out)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return  # with the next tick
            except OSError as error:
                raise Broken(f"the connection broke: {error}") from error
            del self._out[:sent]

    def _take(self, data: memoryview, slow: bool) -> None:
        at, end = 0, len(data)
        while at < end:
            if self._payload_left == 0:
                part = bytes(data[at : at + HEAD_BYTES - len(self._head)])
                self._head += part
                at += len(part)
                if len(self._head) < HEAD_BYTES:
                    return
                self._begin_frame()
                if self._payload_left == 0:
                    self._end_frame()
                continue
            part_size = min(self._payload_left, end - at)
            if self._in_data is not None:
                self._count(self._in_data, part_size, slow)
            else:
                self._gathered += data[at : at + part_size]
            at += part_size
            self._payload_left -= part_size
            if self._payload_left == 0:
                self._end_frame()

    def _begin_frame(self) -> None:
        head, self._head = self._head, b""
        self._payload_left = int.from_bytes(head[:3], "big")
        self._frame = (head[3], head[4], int.from_bytes(head[5:], "big"))
        self._gathered.clear()
        self._in_data = self.downloads[self._frame[2]] if head[3] == DATA else None

    def _count(self, download: Download, size: int, slow: bool) -> None:
        download.received += size
        download.owed += size
        download.moved_at = time.monotonic()
        self._owed += size
        if download.owed >= STREAM_WINDOW_BYTES // 2 and not (slow and download.slow):
            self._out += window_update(download.number, download.owed)
            download.owed = 0
        if self._owed >= CONNECTION_CREDIT_BYTES:
            self._out += window_update(0, self._owed)
            self._owed = 0

    def _end_frame(self) -> None:
        kind, flags, number = self._frame
        if kind == SETTINGS and not flags & ACK:
            self._out += frame(SETTINGS, ACK, 0)
        elif kind == HEADERS and self._gathered[0] != STATUS_200:
            raise Broken(f"stream {number}: no status 200")
        elif kind == RST_STREAM:
            raise Broken(f"stream {number} was reset with error {int.from_bytes(self._gathered, 'big')}")
        elif kind == GOAWAY:
            raise Broken(f"GOAWAY with error {int.from_bytes(self._gathered[4:8], 'big')}")
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            download = self.downloads[number]
            download.ended = True
            if download.received != download.size:
                raise Broken(f"stream {number} ended after {download.received:,} bytes")


class Downloads:
    """All connections, driven by `run_for`."""

    def __init__(self, connections: list[Connection]):
        self._connections = connections
        self._selector = selectors.DefaultSelector()
        self._last_tick = time.monotonic()
        for connection in connections:
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)

    def all(self) -> list[Download]:
        return [download for connection in self._connections for download in connection.downloads.values()]

    def run_for(self, seconds: float, slow: bool) -> None:
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            if now - self._last_tick >= 0.05:
                for connection in self._connections:
                    connection.tick(now - self._last_tick, slow)
                self._last_tick = now
            ready = [key.data for key, _ in self._selector.select(timeout=0.05) if key.data.wants_read()]
            for connection in ready:
                connection.read(slow)
            if not ready:
                time.sleep(0.005)  # those that are there may not be read yet

    def close(self) -> None:
        self._selector.close()
        for connection in self._connections:
            connection.socket.close()
