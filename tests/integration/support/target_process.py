"""A target that is a process of its own, so that it can be killed and stopped: HTTP with keep-alive and
WebSocket echo. Run as a program it is the target; imported, it gives `TargetProcess`, which starts it.

Commands, one a line on its standard input: a mode (ok, 500, garbage, hang), or "count", which prints how
many requests it has had.
"""

import asyncio
import base64
import hashlib
import signal
import subprocess
import sys

_WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ANSWERS = {
    "ok": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n",
    "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\nbad\n",
    "garbage": b"\x00\x01\x02 this is no HTTP\r\n\r\n",
}


class _Server:
    def __init__(self):
        self.mode = "ok"
        self.requests = 0


class _Connection(asyncio.Protocol):
    def __init__(self, server):
        self._server = server
        self._buffer = b""
        self._is_websocket = False

    def connection_made(self, transport):
        self._transport = transport

    def data_received(self, data):
        self._buffer += data
        while self._websocket_frame() if self._is_websocket else self._request():
            pass

    def _request(self):
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        fields = {name.strip().lower(): value.strip() for name, _, value in
                  (line.partition(b":") for line in head.split(b"\r\n")[1:])}
        length = int(fields.get(b"content-length", 0))
        if len(rest) < length:
            return False
        self._buffer = rest[length:]
        self._server.requests += 1
        if self._server.mode == "hang":
            return True
        if fields.get(b"upgrade") == b"websocket":
            digest = hashlib.sha1(fields[b"sec-websocket-key"] + _WEBSOCKET_GUID).digest()
            self._transport.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                  b"Connection: Upgrade\r\nSec-WebSocket-Accept: "
                                  + base64.b64encode(digest) + b"\r\n\r\n")
            self._is_websocket = True
            return True
        self._transport.write(_ANSWERS[self._server.mode])
        return True

    def _websocket_frame(self):
        """Echoes one small masked frame; answers a close and ends."""
        if len(self._buffer) < 2:
            return False
        opcode, length = self._buffer[0] & 0x0F, self._buffer[1] & 0x7F
        assert length < 126 and self._buffer[1] & 0x80
        if len(self._buffer) < 6 + length:
            return False
        mask, payload = self._buffer[2:6], self._buffer[6:6 + length]
        self._buffer = self._buffer[6 + length:]
        plain = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        if opcode in (1, 2, 8):
            self._transport.write(bytes([0x80 | opcode, length]) + plain)
        if opcode == 8:
            self._transport.close()
        return True


async def _serve():
    server = _Server()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: _Connection(server), "127.0.0.1",
                                         int(sys.argv[1]), backlog=1024)
    print(listening.sockets[0].getsockname()[1], flush=True)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        if line == "count":
            print(server.requests, flush=True)
        else:
            server.mode = line
            print(line, flush=True)


class TargetProcess:
    def __init__(self, port=None):
        from support.ports import free_port  # not where this file is the program

        port = port or free_port()
        self.process = subprocess.Popen([sys.executable, __file__, str(port)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())
        self.address = f"127.0.0.1:{self.port}"

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def requests(self):
        return int(self.ask("count"))

    def send_signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def close(self):
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGCONT)
            self.kill()


if __name__ == "__main__":
    asyncio.run(_serve())
