"""One end of an extended CONNECT (RFC 8441) with python3-h2, read and written like a connection: the
same methods as `Client` and `TargetConnection` have. Its window opens only for what was read."""

import socket
import threading
from contextlib import contextmanager

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from support.http1 import Ended
from support.waiting import PATIENCE

CANCEL = 8
GOAWAY = 7  # the frame
ENDED = (h2.exceptions.ProtocolError, KeyError)  # what python3-h2 says of a stream that has ended


class H2Tunnel:
    """`owner` has the connection: `http2`, `lock` and `flush`. A method that starts with `note_` is
    called by whoever reads the connection, with the lock held."""

    def __init__(self, owner, stream, headers=()):
        self.stream = stream
        self.headers = {name.decode(): value.decode() for name, value in headers}
        self.answer = None      # of a client's: the fields of the answer
        self.reset_code = None  # of the peer's RST_STREAM
        self.sent = 0
        self.is_held_up = False  # `send` waits for a window
        self.buffer = bytearray()
        self.wire = self
        self._owner = owner
        self._changed = threading.Condition(owner.lock)
        self._received = bytearray()
        self._held = 0  # of the window
        self._ended = False
        self._lost = False

    # --- events
    def note_answer(self, headers):
        self.answer = {name.decode(): value.decode() for name, value in headers}
        self.note_change()

    def note_data(self, event):
        self._received += event.data
        self._held += event.flow_controlled_length
        self.note_change()

    def note_end(self):
        self._ended = True
        self.note_change()

    def note_reset(self, code):
        self.reset_code = code
        self.note_change()

    def note_lost(self):
        self._lost = True
        self.note_change()

    def note_change(self):
        self._changed.notify_all()

    # --- reading
    def wait_for_answer(self):
        with self._changed:
            self._wait(lambda: self.answer or self._is_broken)
            assert self.answer, f"no answer, and reset with {self.reset_code}"
        return int(self.answer[":status"])

    def read_exactly(self, count):
        while len(self.buffer) < count:
            self._receive()
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def read_some(self):
        """At least one byte, or b"" at the end of the stream."""
        if not self.buffer:
            try:
                self._receive()
            except Ended as end:
                if end.reset:
                    raise
        taken = bytes(self.buffer)
        self.buffer.clear()
        return taken

    def rest(self):
        """Everything until the peer ends the stream, in order or by a reset."""
        pieces = []
        try:
            while piece := self.read_some():
                pieces.append(piece)
        except Ended:
            pass
        return b"".join(pieces)

    wait_for_close = rest

    @property
    def _is_broken(self):
        return self.reset_code is not None or self._lost

    def _wait(self, condition):
        assert self._changed.wait_for(condition, 2 * PATIENCE), "the peer is silent"

    def _receive(self):
        with self._changed:
            self._wait(lambda: self._received or self._ended or self._is_broken)
            if not self._received:
                raise Ended(self.buffer, reset=self._is_broken)
            self.buffer += self._received
            self._received.clear()
            if self._held and not self._is_broken:
                self._owner.http2.acknowledge_received_data(self._held, self.stream)
                self._owner.flush()
            self._held = 0

    # --- writing
    def send(self, data):
        """At the pace of the windows; BrokenPipeError when the peer takes no more."""
        rest = memoryview(data)
        while rest:
            with self._changed:
                room = self._room(len(rest))
                self.is_held_up = room == 0
                if self.is_held_up:
                    assert self._changed.wait(3 * PATIENCE), "the window stays closed"
                    continue
                self._owner.http2.send_data(self.stream, bytes(rest[:room]))
                self._owner.flush()
            self.sent += room
            rest = rest[room:]

    def _room(self, wanted):
        if self._is_broken:
            raise BrokenPipeError(f"reset with {self.reset_code}")
        http2 = self._owner.http2
        try:
            window = http2.local_flow_control_window(self.stream)
        except ENDED:
            raise BrokenPipeError("the stream has ended") from None
        return min(window, http2.max_outbound_frame_size, wanted)

    def send_if_open(self, data):
        try:
            self.send(data)
        except BrokenPipeError:
            return False
        return True

    def half_close(self):
        with self._owner.lock:
            try:
                self._owner.http2.end_stream(self.stream)
            except ENDED:
                pass
            self._owner.flush()

    close = half_close

    def reset(self, code=CANCEL):
        with self._owner.lock:
            try:
                self._owner.http2.reset_stream(self.stream, code)
            except ENDED:
                pass
            self._owner.flush()


class H2Client:
    """A client's connection; each tunnel is a stream of it."""

    def __init__(self, connected):
        self.lock = threading.RLock()
        self.http2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding=None))
        self._socket = connected
        self._tunnels = {}
        self._settings = threading.Event()
        self.http2.initiate_connection()
        self.flush()
        threading.Thread(target=self._read, daemon=True).start()
        assert self._settings.wait(PATIENCE), "no SETTINGS came"

    @classmethod
    def open(cls, port):
        connected = socket.create_connection(("127.0.0.1", port), PATIENCE)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.settimeout(None)
        return cls(connected)

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def flush(self):
        try:
            self._socket.sendall(self.http2.data_to_send())
        except OSError:
            pass

    def connect(self, path="/", *fields, version="13", **pseudo):
        """Asks for a WebSocket; the answer may be any."""
        with self.lock:
            stream = self.http2.get_next_available_stream_id()
            tunnel = self._tunnels[stream] = H2Tunnel(self, stream)
            pseudo = {"method": "CONNECT", "protocol": "websocket", "scheme": "http", "path": path,
                      "authority": "site.test", **pseudo}
            self.http2.send_headers(stream, [
                *((f":{name}", value) for name, value in pseudo.items()),
                ("sec-websocket-version", version),
                *((name.lower(), value) for name, value in fields)])
            self.flush()
        tunnel.wait_for_answer()
        return tunnel

    def _read(self):
        frames = Frames()
        try:
            while data := self._socket.recv(1 << 16):
                with self.lock:
                    for event in self.http2.receive_data(frames.without_goaway(data)):
                        self._take(event)
                    self.flush()
                    for tunnel in self._tunnels.values():
                        tunnel.note_change()  # a window may have opened
        except (OSError, h2.exceptions.ProtocolError):
            pass
        with self.lock:
            for tunnel in self._tunnels.values():
                tunnel.note_lost()
        self._socket.close()

    def _take(self, event):
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self._settings.set()
        tunnel = self._tunnels.get(getattr(event, "stream_id", None))
        if tunnel is not None:
            pass_on(event, tunnel)


class Frames:
    """Frames of a connection; python3-h2 takes none behind a GOAWAY, but open streams go on."""

    def __init__(self):
        self._rest = b""

    def without_goaway(self, data):
        self._rest += data
        passing = []
        while len(self._rest) >= 9:
            size = 9 + int.from_bytes(self._rest[:3], "big")
            if len(self._rest) < size:
                break
            if self._rest[3] != GOAWAY:
                passing.append(self._rest[:size])
            self._rest = self._rest[size:]
        return b"".join(passing)


def pass_on(event, tunnel):
    if isinstance(event, h2.events.ResponseReceived):
        tunnel.note_answer(event.headers)
    elif isinstance(event, h2.events.DataReceived):
        tunnel.note_data(event)
    elif isinstance(event, h2.events.StreamEnded):
        tunnel.note_end()
    elif isinstance(event, h2.events.StreamReset):
        tunnel.note_reset(event.error_code)


@contextmanager
def opened(proxy, *fields, target="/", listener="web"):
    """A client behind a handshake that was accepted, as support.websocket has it for HTTP/1."""
    client = H2Client.open(proxy.port(listener))
    try:
        tunnel = client.connect(target, *fields)
        assert tunnel.answer[":status"] == "200", tunnel.answer
        yield tunnel
    finally:
        client.close()
