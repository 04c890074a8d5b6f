"""Holds idle WebSockets over TLS; a program of its own, so that it has its own core and descriptors.

    websocket_client.py PORT CERTIFICATE

Commands on standard input, each answered with one line:

    open N    opens N WebSockets one after another and echoes once over each  ->  opened N
    check     how many of all were closed or sent something unasked           ->  broken N
    echo      how many of all do not echo any more                            ->  silent N

It ends with its input.
"""

import base64
import os
import resource
import select
import socket
import ssl
import sys

MASK = b"\x01\x02\x03\x04"
CONNECTIONS_PER_ADDRESS = 8000  # each 127.0.0.x has ports of its own


def frame(payload: bytes) -> bytes:
    return bytes([0x82, 0x80 | len(payload)]) + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


def open_connection(port: int, number: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    source = (f"127.0.0.{2 + number // CONNECTIONS_PER_ADDRESS}", 0)
    plain = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=source)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = context.wrap_socket(plain, server_hostname="localhost")
    key = base64.b64encode(os.urandom(16)).decode()
    # A head of the size that browsers send.
    connection.sendall(
        f"GET /socket HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\nOrigin: https://localhost:{port}\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
        "Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
        "Pragma: no-cache\r\nCache-Control: no-cache\r\n"
        f"Cookie: session={'0123456789abcdef' * 8}\r\n\r\n".encode()
    )
    received = b""
    while b"\r\n\r\n" not in received:
        received += read_some(connection)
    if not received.startswith(b"HTTP/1.1 101 "):
        raise OSError(f"answered {received[:60]!r}")
    echo(connection, b"first")
    return connection


def read_some(connection: ssl.SSLSocket) -> bytes:
    received = connection.recv(16 * 1024)
    if not received:
        raise OSError("closed")
    return received


def echo(connection: ssl.SSLSocket, payload: bytes) -> None:
    connection.sendall(frame(payload))
    expected = bytes([0x82, len(payload)]) + payload
    received = b""
    while len(received) < len(expected):
        received += read_some(connection)
    if received != expected:
        raise OSError(f"echoed {received[:60]!r}")


def still_echoes(connection: ssl.SSLSocket, payload: bytes) -> bool:
    try:
        echo(connection, payload)
    except OSError:
        return False
    return True


def count_broken(connections: list[ssl.SSLSocket]) -> int:
    """An idle connection has nothing to read; the end of the stream would be something."""
    poller = select.poll()
    for connection in connections:
        poller.register(connection, select.POLLIN | select.POLLRDHUP)
    return len(poller.poll(0))


def main() -> None:
    port = int(sys.argv[1])
    context = ssl.create_default_context(cafile=sys.argv[2])
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    connections: list[ssl.SSLSocket] = []
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "open":
            for _ in range(int(arguments[0])):
                connections.append(open_connection(port, len(connections), context))
            print("opened", arguments[0], flush=True)
        elif command == "check":
            print("broken", count_broken(connections), flush=True)
        elif command == "echo":
            silent = sum(not still_echoes(each, b"%d" % number) for number, each in enumerate(connections))
            print("silent", silent, flush=True)


if __name__ == "__main__":
    try:
        main()
    except OSError as failure:
        print("failed", failure, flush=True)
        sys.exit(1)
