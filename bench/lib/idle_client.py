"""Holds idle connections; a program of its own, so that it has its own core and its own descriptors.

    idle_client.py PORT PATH [CERTIFICATE]

Commands on standard input, each answered with one line:

    open N    opens N connections one after another and makes one request on each  ->  opened N
    check     how many of all were closed or sent something unasked                 ->  broken N

It ends with its input. With CERTIFICATE it speaks TLS and trusts that certificate.
"""

import resource
import select
import socket
import ssl
import sys


def read_answer(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += read_some(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200 "):
        raise OSError(f"answered {head[:60]!r}")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    missing = length - len(body)
    while missing > 0:
        missing -= len(read_some(connection))


def read_some(connection: socket.socket) -> bytes:
    received = connection.recv(16 * 1024)
    if not received:
        raise OSError("closed before the end of the answer")
    return received


def open_connection(port: int, path: str, context: ssl.SSLContext | None) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context:
        connection = context.wrap_socket(connection, server_hostname="localhost")
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
    read_answer(connection)
    return connection


def count_broken(connections: list[socket.socket]) -> int:
    """An idle connection has nothing to read; the end of the stream would be something."""
    poller = select.poll()
    for connection in connections:
        poller.register(connection, select.POLLIN | select.POLLRDHUP)
    return len(poller.poll(0))


def main() -> None:
    port, path = int(sys.argv[1]), sys.argv[2]
    context = ssl.create_default_context(cafile=sys.argv[3]) if len(sys.argv) > 3 else None
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    connections: list[socket.socket] = []
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "open":
            for _ in range(int(arguments[0])):
                connections.append(open_connection(port, path, context))
            print("opened", arguments[0], flush=True)
        elif command == "check":
            print("broken", count_broken(connections), flush=True)


if __name__ == "__main__":
    try:
        main()
    except OSError as failure:
        print("failed", failure, flush=True)
        sys.exit(1)
