"""A target that speaks HTTP/2 by prior knowledge, with python3-h2: one thread per connection, a script
that says what is done with each request, and one for WebSockets (RFC 8441)."""

import socket
import threading

import h2.config
import h2.connection
import h2.events
import h2.settings

from support.h2_tunnel import H2Tunnel, pass_on
from support.http1 import Ended
from support.waiting import wait_for_event


class H2Target:
    """`answer(connection, request)` is called with each whole request, in a thread of its own, and
    `websocket(tunnel)` with each extended CONNECT, which it has to accept. These are offered when
    there is such a script. `settings_after`: an event without which no SETTINGS are sent."""

    def __init__(self, answer=None, max_concurrent_streams=None, websocket=None,
                 settings_after=None):
        self._answer = answer
        self.websocket = websocket
        self.settings_after = settings_after
        self.settings = {}
        if max_concurrent_streams is not None:
            self.settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS] = max_concurrent_streams
        if websocket is not None:
            self.settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL] = 1
        self.tunnels = []
        self.failures = []  # of scripts for WebSockets, seen at `close`
        self.connections = []
        self.most_streams = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = "127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            connection = H2Connection(self, peer)
            self.connections.append(connection)
            threading.Thread(target=connection.serve, args=(self._answer,), daemon=True).start()

    @property
    def requests(self):
        return sum(each.requests for each in self.connections)

    def stop_listening(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def close(self):
        try:
            self.stop_listening()
        except OSError:
            pass
        for connection in self.connections:
            connection.cut()
        if self.failures:
            raise self.failures[0]


class Request:
    def __init__(self, stream, headers):
        self.stream = stream
        self.headers = {name.decode(): value.decode() for name, value in headers}
        self.body = b""


class H2Connection:
    def __init__(self, target, peer):
        self._target = target
        self._peer = peer
        self.lock = self._lock = threading.RLock()
        self._tunnels = {}
        self._window_opened = threading.Condition(self._lock)
        self._open = {}
        self.requests = 0
        self.failure = None
        self.resets = []
        self.pings = 0
        self.is_over = threading.Event()
        self.http2 = self._http2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None))
        if target.settings:
            self._http2.local_settings = h2.settings.Settings(client=False,
                                                              initial_values=target.settings)

    def serve(self, answer):
        if self._target.settings_after is not None:
            wait_for_event(self._target.settings_after)
        with self._lock:
            self._http2.initiate_connection()
            self._flush()
        try:
            while data := self._peer.recv(65536):
                with self._lock:
                    whole = [each for event in self._http2.receive_data(data)
                             if (each := self._take(event)) is not None]
                    self._flush()
                    self._window_opened.notify_all()
                    for tunnel in self._tunnels.values():
                        tunnel.note_change()  # a window may have opened
                for request in whole:
                    threading.Thread(target=answer, args=(self, request), daemon=True).start()
        except (OSError, h2.exceptions.ProtocolError) as failure:
            self.failure = failure
            self.cut()
        self.is_over.set()
        with self._lock:
            self._window_opened.notify_all()
            for tunnel in self._tunnels.values():
                tunnel.note_lost()

    def _take(self, event):
        tunnel = self._tunnels.get(getattr(event, "stream_id", None))
        if tunnel is not None:
            pass_on(event, tunnel)
        elif isinstance(event, h2.events.RequestReceived) and (b":protocol", b"websocket") in [
                tuple(each) for each in event.headers]:
            tunnel = self._tunnels[event.stream_id] = TargetTunnel(self, event)
            self._target.tunnels.append(tunnel)
            threading.Thread(target=self._run, args=(tunnel,), daemon=True).start()
        elif isinstance(event, h2.events.RequestReceived):
            self._open[event.stream_id] = Request(event.stream_id, event.headers)
            self._target.most_streams = max(self._target.most_streams, len(self._open))
        elif isinstance(event, h2.events.DataReceived):
            self._http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if event.stream_id in self._open:
                self._open[event.stream_id].body += event.data
        elif isinstance(event, h2.events.StreamEnded):
            self.requests += 1
            return self._open.get(event.stream_id)
        elif isinstance(event, h2.events.PingReceived):
            self.pings += 1
        elif isinstance(event, h2.events.StreamReset):
            self._open.pop(event.stream_id, None)
            self.resets.append(event.error_code)
        return None

    def _run(self, tunnel):
        try:
            self._target.websocket(tunnel)
        except (OSError, Ended, h2.exceptions.ProtocolError):
            pass  # the proxy left; a test that minds looks at what the client or the record says
        except BaseException as failure:  # noqa: BLE001: shown by `close`
            self._target.failures.append(failure)
        finally:
            tunnel.close()

    def flush(self):
        self._flush()

    def _flush(self):
        try:
            self._peer.sendall(self._http2.data_to_send())
        except OSError:
            pass

    # --- what a script does
    def respond(self, request, status=200, body=b"", headers=(), ends=True):
        """The head, and the body at the pace of the windows; `ends` False: the stream stays open."""
        with self._lock:
            self._http2.send_headers(request.stream, [(":status", str(status)), *headers])
            rest = memoryview(body)
            while rest:
                room = min(self._http2.local_flow_control_window(request.stream),
                           self._http2.max_outbound_frame_size, len(rest))
                if room == 0:
                    if self.is_over.is_set():
                        return
                    self._window_opened.wait(10)
                    continue
                self._http2.send_data(request.stream, bytes(rest[:room]))
                rest = rest[room:]
                self._flush()
            if ends:
                self._http2.end_stream(request.stream)
                self._open.pop(request.stream, None)
            self._flush()

    def informational(self, request, status, headers=()):
        with self._lock:
            self._http2.send_headers(request.stream, [(":status", str(status)), *headers])
            self._flush()

    def reset(self, request, error_code=2):
        with self._lock:
            self._http2.reset_stream(request.stream, error_code)
            self._open.pop(request.stream, None)
            self._flush()

    def goaway(self, last_stream, error_code=0):
        """Written by hand: python3-h2 refuses to go on after its own."""
        payload = last_stream.to_bytes(4, "big") + error_code.to_bytes(4, "big")
        with self._lock:
            self._flush()
            self._peer.sendall(len(payload).to_bytes(3, "big") + b"\x07\x00" + bytes(4) + payload)

    def cut(self):
        try:
            self._peer.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class TargetTunnel(H2Tunnel):
    def __init__(self, connection, event):
        super().__init__(connection, event.stream_id, event.headers)
        self.connection = connection

    def answer_with(self, status, *fields, body=b"", ends=True):
        """Any answer; of one that opens the tunnel `ends` is False."""
        with self.connection.lock:
            http2 = self.connection.http2
            http2.send_headers(self.stream, [(":status", str(status)), *fields],
                               end_stream=ends and not body)
            if body:
                http2.send_data(self.stream, body, end_stream=ends)
            self.connection.flush()

    def accept(self, *fields):
        self.answer_with(200, *fields, ends=False)
