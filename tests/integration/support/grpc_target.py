"""A gRPC target with Debian's grpcio, and channels to it, without protobuf: messages are bytes.

Run as a program it is a target that can be killed: it prints its port, and "hangs" for each call that
waits for ever.
"""

import sys
import threading
import time
from concurrent import futures

import grpc

from support.waiting import PATIENCE

SERVICE = "test.Echo"
_OPTIONS = [("grpc.max_receive_message_length", 16 << 20), ("grpc.max_send_message_length", 16 << 20)]


class _Handlers(grpc.GenericRpcHandler):
    def __init__(self, target):
        self._methods = {
            "Unary": grpc.unary_unary_rpc_method_handler(target.unary),
            "Collect": grpc.stream_unary_rpc_method_handler(target.collect),
            "Count": grpc.unary_stream_rpc_method_handler(target.count),
            "Talk": grpc.stream_stream_rpc_method_handler(target.talk),
            "Fail": grpc.unary_unary_rpc_method_handler(target.fail),
            "Break": grpc.unary_stream_rpc_method_handler(target.break_off),
            "Hang": grpc.unary_unary_rpc_method_handler(target.hang),
            "HangAfterOne": grpc.unary_stream_rpc_method_handler(target.hang_after_one),
        }

        self._check = grpc.unary_unary_rpc_method_handler(target.check)

    def service(self, details):
        if details.method == "/grpc.health.v1.Health/Check":
            return self._check
        service, _, method = details.method.lstrip("/").partition("/")
        return self._methods.get(method) if service == SERVICE else None


class GrpcTarget:
    """`calls` counts those that came, by method; `cancelled` those that ended before we answered."""

    def __init__(self, name="", certificate=None, threads=32):
        self.name = name
        self._lock = threading.Lock()
        self.calls = {}
        self.peers = set()
        self.metadata = None  # of the last call
        self.time_remaining = None
        self.cancelled = 0
        self.is_serving = True  # says the health service
        self.go_on = threading.Event()  # lets Hang answer
        self._server = grpc.server(futures.ThreadPoolExecutor(threads),
                                   options=[*_OPTIONS, ("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((_Handlers(self),))
        if certificate is None:
            self.port = self._server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self._server.add_secure_port(
                "127.0.0.1:0", grpc.ssl_server_credentials(
                    [(certificate.key.read_bytes(), certificate.cert.read_bytes())]))
        self.address = f"127.0.0.1:{self.port}"
        self._server.start()

    def close(self):
        self.go_on.set()
        self._server.stop(None).wait(PATIENCE)

    def hangs(self):
        """A call waits; for those who know the target by its process only."""

    def _note(self, method, context):
        with self._lock:
            self.calls[method] = self.calls.get(method, 0) + 1
            self.peers.add(context.peer())
            self.metadata = list(context.invocation_metadata())
            self.time_remaining = context.time_remaining()

    def _note_cancelled(self):
        with self._lock:
            self.cancelled += 1

    # --- methods

    def check(self, request, context):
        """grpc.health.v1: field 1 is SERVING (1) or NOT_SERVING (2)."""
        return bytes([8, 1 if self.is_serving else 2])

    def unary(self, request, context):
        """Echoes, also metadata whose names begin with x-; trailing ones begin with t-."""
        self._note("Unary", context)
        given = list(context.invocation_metadata())
        context.send_initial_metadata([("x-target", self.name)] +
                                      [(k, v) for k, v in given if k.startswith("x-")])
        context.set_trailing_metadata([(k, v) for k, v in given if k.startswith("t-")])
        return request

    def collect(self, requests, context):
        self._note("Collect", context)
        return b"|".join(requests)

    def count(self, request, context):
        self._note("Count", context)
        for number in range(int(request)):
            yield str(number).encode()
        context.set_trailing_metadata([("t-last", request.decode())])

    def talk(self, requests, context):
        self._note("Talk", context)
        for request in requests:
            yield b"re: " + request

    def fail(self, request, context):
        """`request` is a code and a message."""
        self._note("Fail", context)
        code, _, message = request.decode().partition(" ")
        context.set_trailing_metadata([("t-detail-bin", bytes(range(256)))])
        context.abort(grpc.StatusCode[code], message)

    def break_off(self, request, context):
        """One message, then a status."""
        self._note("Break", context)
        yield b"one"
        context.abort(grpc.StatusCode[request.decode()], "broken off")

    def hang(self, request, context):
        context.add_callback(lambda: None if self.go_on.is_set() else self._note_cancelled())
        self._note("Hang", context)
        self._wait(context)
        return request

    def hang_after_one(self, request, context):
        context.add_callback(lambda: None if self.go_on.is_set() else self._note_cancelled())
        self._note("HangAfterOne", context)
        yield b"one"
        self._wait(context)

    def _wait(self, context):
        self.hangs()
        deadline = time.monotonic() + 3 * PATIENCE
        while context.is_active() and not self.go_on.wait(0.02) and time.monotonic() < deadline:
            pass


class Channel:
    """Towards the proxy. A channel of its own connection: grpcio shares them otherwise."""

    def __init__(self, port, authority=None):
        options = [*_OPTIONS, ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0),
                   ("grpc.initial_reconnect_backoff_ms", 100)]
        if authority is None:
            self.grpc = grpc.insecure_channel(f"127.0.0.1:{port}", options)
        else:
            options.append(("grpc.ssl_target_name_override", "site.test"))
            self.grpc = grpc.secure_channel(
                f"127.0.0.1:{port}", grpc.ssl_channel_credentials(authority.cert.read_bytes()),
                options)
        make = self.grpc
        self.unary = make.unary_unary(f"/{SERVICE}/Unary")
        self.collect = make.stream_unary(f"/{SERVICE}/Collect")
        self.count = make.unary_stream(f"/{SERVICE}/Count")
        self.talk = make.stream_stream(f"/{SERVICE}/Talk")
        self.fail = make.unary_unary(f"/{SERVICE}/Fail")
        self.break_off = make.unary_stream(f"/{SERVICE}/Break")
        self.hang = make.unary_unary(f"/{SERVICE}/Hang")
        self.hang_after_one = make.unary_stream(f"/{SERVICE}/HangAfterOne")
        self.missing = make.unary_unary(f"/{SERVICE}/Missing")

    def close(self):
        self.grpc.close()


class _Speaking(GrpcTarget):
    def hangs(self):
        sys.stdout.write("hangs\n")
        sys.stdout.flush()


if __name__ == "__main__":
    print(_Speaking().port, flush=True)
    sys.stdin.read()
