"""A target that speaks HTTP/2 by prior knowledge, with python3-h2: one thread per connection, and a
script that says what is done with each request."""

import socket
import threading

import h2.config
import h2.connection
import h2.events
import h2.settings


class H2Target:
    """`answer(connection, request)` is called with each whole request, in a thread of its own."""

    def __init__(self, answer, max_concurrent_streams=None):
        self._answer = answer
        self._limit = max_concurrent_streams
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
            connection = H2Connection(self, peer, self._limit)
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


class Request:
    def __init__(self, stream, headers):
        self.stream = stream
        self.headers = {name.decode(): value.decode() for name, value in headers}
        self.body = b""


class H2Connection:
    def __init__(self, target, peer, limit):
        self._target = target
        self._peer = peer
        self._lock = threading.RLock()
        self._window_opened = threading.Condition(self._lock)
        self._open = {}
        self.requests = 0
        self.failure = None
        self.resets = []
        self.pings = 0
        self.is_over = threading.Event()
        self._http2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None))
        if limit is not None:
            self._http2.local_settings = h2.settings.Settings(client=False, initial_values={
                h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: limit})

    def serve(self, answer):
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
                for request in whole:
                    threading.Thread(target=answer, args=(self, request), daemon=True).start()
        except (OSError, h2.exceptions.ProtocolError) as failure:
            self.failure = failure
            self.cut()
        self.is_over.set()
        with self._lock:
            self._window_opened.notify_all()

    def _take(self, event):
        if isinstance(event, h2.events.RequestReceived):
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
