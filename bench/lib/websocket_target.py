"""A WebSocket server that echoes; a program of its own, so that it has its own core and descriptors.

    websocket_target.py PORT

It accepts every handshake and sends each frame back unmasked. Short frames only (less than 126
bytes of payload, each in one piece): enough to see that a connection is alive.
"""

import base64
import hashlib
import resource
import select
import socket
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3


def accept_handshake(head: bytes) -> bytes:
    key = next(line[18:].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def unmasked(frame: bytes) -> bytes:
    length = frame[1] & 0x7F
    mask, payload = frame[2:6], frame[6 : 6 + length]
    return bytes([frame[0], length]) + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def main() -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
    poller = select.epoll()
    poller.register(listener, select.EPOLLIN)
    connections: dict[int, socket.socket] = {}
    while True:
        for number, _ in poller.poll():
            if number == listener.fileno():
                connection, _ = listener.accept()
                connections[connection.fileno()] = connection
                poller.register(connection, select.EPOLLIN)
                continue
            connection = connections[number]
            received = connection.recv(16 * 1024)
            if not received:
                poller.unregister(number)
                del connections[number]
                connection.close()
            elif received.startswith(b"GET "):
                connection.sendall(accept_handshake(received))
            else:
                connection.sendall(unmasked(received))


if __name__ == "__main__":
    main()
