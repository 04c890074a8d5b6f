"""Bodies reach the other side whole, in every framing, streamed, and no faster than they are read."""

import threading
from pathlib import Path

import pytest

from support.client import request
from support.configuration import site
from support.http1 import body_pieces, chunked
from support.sluice import SANITIZED
from support.target import answer_and_close, response, serve, serve_body
from support.waiting import wait_until, wait_until_steady

MEBIBYTE = 1 << 20
PATTERN = bytes(range(256)) * 256  # 64 KiB in which a lost or doubled byte shows


@pytest.fixture
def echo(start_target):
    return start_target(serve(lambda received: response(received.body)))


# --- requests ------------------------------------------------------------------------------------

def test_a_request_body_with_a_length_keeps_its_framing(start_sluice, echo):
    proxy = start_sluice(site(echo))
    with proxy.client() as client:
        assert client.ask("POST", "/", body=PATTERN).body == PATTERN
    received = echo.only_request()
    assert received.framing == "length"
    assert received.value("Content-Length") == str(len(PATTERN))


def test_an_empty_request_body_keeps_its_zero_length(start_sluice, echo):
    proxy = start_sluice(site(echo))
    with proxy.client() as client:
        assert client.ask("POST", "/", body=b"").status == 200
    assert echo.only_request().value("Content-Length") == "0"


def test_a_chunked_request_body_arrives_chunked_and_without_extensions(start_sluice, echo):
    proxy = start_sluice(site(echo))
    with proxy.client() as client:
        client.send(request("POST", "/", ("Transfer-Encoding", "chunked")) +
                    b'5;name=value;flag\r\nhello\r\n1;quoted="a;b"\r\n \r\n005\r\nworld\r\n'
                    b"0;last\r\n\r\n")
        assert client.response().body == b"hello world"
    received = echo.only_request()
    assert received.framing == "chunked"
    assert received.extensions == []
    assert received.value("Content-Length") is None


def test_a_chunked_body_split_at_every_byte_arrives_whole(start_sluice, echo):
    proxy = start_sluice(site(echo))
    with proxy.client() as client:
        client.send(request("POST", "/", ("Transfer-Encoding", "chunked")))
        for byte in chunked(b"one", b"twenty-two characters.", b"x" * 40):
            client.send(bytes([byte]))
        assert client.response().body == b"one" + b"twenty-two characters." + b"x" * 40


def test_the_name_of_the_chunked_coding_has_no_case(start_sluice, echo):
    proxy = start_sluice(site(echo))
    with proxy.client() as client:
        client.send(request("POST", "/", ("transfer-encoding", "Chunked")) + chunked(b"body"))
        assert client.response().body == b"body"


def test_a_get_may_carry_a_body(start_sluice, echo):
    proxy = start_sluice(site(echo))
    with proxy.client() as client:
        assert client.ask("GET", "/", body=b"query").body == b"query"


# --- answers -------------------------------------------------------------------------------------

def answers(start_sluice, start_target, script, method="GET", version="1.1", count=2):
    """The answers to `count` requests on one connection: the second shows where the first ended."""
    proxy = start_sluice(site(start_target(script)))
    with proxy.client() as client:
        return [client.ask(method, "/", version=version) for _ in range(count)]


def test_an_answer_with_a_length_keeps_its_framing(start_sluice, start_target):
    for answer in answers(start_sluice, start_target, serve_body(PATTERN)):
        assert answer.framing == "length"
        assert answer.body == PATTERN


def test_a_chunked_answer_arrives_chunked_and_without_extensions(start_sluice, start_target):
    data = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"6;a=b\r\nhello \r\n0005;c\r\nworld\r\n0\r\n\r\n")
    for answer in answers(start_sluice, start_target, serve(lambda _: data)):
        assert answer.framing == "chunked"
        assert answer.body == b"hello world"
        assert answer.extensions == []


def test_an_empty_chunked_answer_is_empty(start_sluice, start_target):
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    for answer in answers(start_sluice, start_target, serve(lambda _: data)):
        assert answer.body == b""


def test_a_chunked_answer_is_passed_on_before_it_is_complete(start_sluice, start_target):
    go_on = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        connection.wait(go_on)
        connection.send(b"6\r\nsecond\r\n0\r\n\r\n")

    proxy = start_sluice(site(start_target(script)))
    with proxy.client() as client:
        client.send(request())
        pieces = body_pieces(client.wire, client.response_head())
        assert next(pieces) == b"first"
        go_on.set()
        assert b"".join(pieces) == b"second"


def test_an_answer_that_ends_with_the_connection_is_whole_and_the_client_stays(start_sluice,
                                                                               start_target):
    for answer in answers(start_sluice, start_target,
                          answer_and_close(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")):
        assert answer.framing == "chunked"
        assert answer.body == b"until the end"


@pytest.mark.parametrize("status", [200, 404])
def test_the_answer_to_a_head_has_a_length_and_no_body(start_sluice, start_target, status):
    data = b"HTTP/1.1 %d X\r\nContent-Length: 1234\r\n\r\n" % status
    for answer in answers(start_sluice, start_target, serve(lambda _: data), method="HEAD"):
        assert answer.status == status
        assert answer.value("Content-Length") == "1234"
        assert answer.body == b""


def test_the_answer_to_a_head_may_announce_chunks(start_sluice, start_target):
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for answer in answers(start_sluice, start_target, serve(lambda _: data), method="HEAD"):
        assert answer.status == 200


def test_204_has_no_body(start_sluice, start_target):
    for answer in answers(start_sluice, start_target,
                          serve(lambda _: b"HTTP/1.1 204 No Content\r\n\r\n")):
        assert answer.status == 204
        assert answer.framing == "none"


def test_a_204_loses_the_length_that_it_must_not_have(start_sluice, start_target):
    data = b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"
    for answer in answers(start_sluice, start_target, serve(lambda _: data)):
        assert answer.status == 204
        assert answer.value("Content-Length") is None


def test_304_keeps_its_length_and_has_no_body(start_sluice, start_target):
    data = b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 77\r\n\r\n'
    for answer in answers(start_sluice, start_target, serve(lambda _: data)):
        assert answer.status == 304
        assert answer.value("Content-Length") == "77"
        assert answer.value("ETag") == '"a"'


# --- HTTP/1.0 clients ----------------------------------------------------------------------------

def test_an_http_1_0_client_gets_no_chunks(start_sluice, start_target):
    data = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hello ", b"world"))
    proxy = start_sluice(site(start_target(serve(lambda _: data))))
    with proxy.client() as client:
        answer = client.ask(version="1.0")
        assert answer.framing == "until_close"
        assert answer.body == b"hello world"


def test_an_http_1_0_client_may_send_a_body(start_sluice, echo):
    proxy = start_sluice(site(echo))
    with proxy.client() as client:
        assert client.ask("POST", "/", body=b"old", version="1.0").body == b"old"
    assert echo.only_request().version == "1.1"


def test_an_http_1_0_client_without_a_host_is_served(start_sluice, echo):
    proxy = start_sluice(site(echo))
    with proxy.client() as client:
        assert client.ask("POST", "/", host=None, body=b"old", version="1.0").status == 200
    assert echo.only_request().values("Host"), "HTTP/1.1 requires a Host (RFC 9112 3.2)"


# --- trailers (T4) -------------------------------------------------------------------------------

TRAILERS = [("X-Checksum", "abc"), ("X-Other", "no"), ("Content-Length", "5"), ("Host", "evil")]


@pytest.mark.parametrize("allowed, expected", [
    ([], []),
    (["x-checksum"], [("X-Checksum", "abc")]),
], ids=["none_by_default", "those_on_the_list"])
def test_request_trailers_that_pass_are(start_sluice, echo, allowed, expected):
    proxy = start_sluice(site(echo, forwarding={"trailers": allowed}))
    with proxy.client() as client:
        client.send(request("POST", "/", ("Transfer-Encoding", "chunked")) +
                    chunked(b"body", trailers=TRAILERS) + request("POST", "/next", body=b"next"))
        assert client.response().body == b"body"
        assert client.response().body == b"next"
    assert echo.requests[0].trailers == expected


@pytest.mark.parametrize("allowed, expected", [
    ([], []),
    (["x-checksum"], [("X-Checksum", "abc")]),
], ids=["none_by_default", "those_on_the_list"])
def test_answer_trailers_that_pass_are(start_sluice, start_target, allowed, expected):
    data = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
            chunked(b"body", trailers=TRAILERS))
    proxy = start_sluice(site(start_target(serve(lambda _: data)),
                              forwarding={"trailers": allowed}))
    with proxy.client() as client:
        for _ in range(2):
            answer = client.ask("GET", "/", ("TE", "trailers"))
            assert answer.body == b"body"
            assert answer.trailers == expected


# --- large bodies --------------------------------------------------------------------------------

def sink(connection):
    """Counts a body without keeping it."""
    received = connection.read_head()
    size = sum(len(piece) for piece in body_pieces(connection.wire, received))
    connection.send(response(b"%d" % size))
    connection.wait_for_close()


def source_of(size, chunks=False):
    piece = b"\r\n".join([b"10000", PATTERN, b""]) if chunks else PATTERN
    framing = b"Transfer-Encoding: chunked" if chunks else b"Content-Length: %d" % size

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        for _ in range(size // len(PATTERN)):
            connection.send(piece)
        if chunks:
            connection.send(b"0\r\n\r\n")
        connection.wait_for_close()

    return script


def assert_memory_stayed_small(proxy, before):
    if not SANITIZED:  # a sanitizer keeps freed memory
        assert proxy.memory_peak_kib() - before < 8 * 1024


@pytest.mark.parametrize("chunks", [False, True], ids=["with_a_length", "chunked"])
def test_64_mib_flow_to_the_target_in_bounded_memory(start_sluice, start_target, chunks):
    proxy = start_sluice(site(start_target(sink)))
    before = proxy.memory_peak_kib()
    with proxy.client() as client:
        if chunks:
            client.send(request("POST", "/", ("Transfer-Encoding", "chunked")))
            piece, end = b"\r\n".join([b"10000", PATTERN, b""]), b"0\r\n\r\n"
        else:
            client.send(request("POST", "/", ("Content-Length", str(64 * MEBIBYTE))))
            piece, end = PATTERN, b""
        for _ in range(1024):
            client.send(piece)
        client.send(end)
        assert client.response().body == b"%d" % (64 * MEBIBYTE)
    assert_memory_stayed_small(proxy, before)


@pytest.mark.parametrize("chunks", [False, True], ids=["with_a_length", "chunked"])
def test_64_mib_flow_to_the_client_in_bounded_memory(start_sluice, start_target, chunks):
    proxy = start_sluice(site(start_target(source_of(64 * MEBIBYTE, chunks))))
    before = proxy.memory_peak_kib()
    with proxy.client() as client:
        client.send(request())
        size, last = 0, b""
        for piece in body_pieces(client.wire, client.response_head()):
            assert piece[0] == size % 256
            size, last = size + len(piece), piece
        assert (size, last[-1]) == (64 * MEBIBYTE, 255)
    assert_memory_stayed_small(proxy, before)


def largest_buffer(name):
    """What the kernel lets a socket's buffer grow to, in bytes."""
    return int(Path(f"/proc/sys/net/ipv4/{name}").read_text().split()[2])


# Socket buffers grow: the proxy's for receiving, and those for sending on both connections. With
# some MiB for all smaller buffers, what goes beyond would be held by the proxy itself.
MOST_IN_SOCKETS = largest_buffer("tcp_rmem") + 2 * largest_buffer("tcp_wmem") + 4 * MEBIBYTE
LARGE = max(128 * MEBIBYTE, -(-2 * MOST_IN_SOCKETS // MEBIBYTE) * MEBIBYTE)


def test_a_client_that_does_not_read_stops_the_target(start_sluice, start_target):
    target = start_target(source_of(LARGE), send_buffer=65_536)
    proxy = start_sluice(site(target))
    before = proxy.memory_peak_kib()
    with proxy.client(receive_buffer=65_536) as client:
        client.send(request())
        target.wait_for_connections(1)
        wait_until(lambda: target.connections[0].sent > 0, "the target began to send")
        assert wait_until_steady(lambda: target.connections[0].sent) < MOST_IN_SOCKETS
        assert_memory_stayed_small(proxy, before)
        size = sum(len(piece) for piece in body_pieces(client.wire, client.response_head()))
        assert size == LARGE


def test_a_target_that_does_not_read_stops_the_client(start_sluice, start_target):
    go_on = threading.Event()

    def script(connection):
        connection.wait(go_on)
        sink(connection)

    target = start_target(script, receive_buffer=65_536)
    proxy = start_sluice(site(target))
    before = proxy.memory_peak_kib()
    with proxy.client() as client:
        client.send(request("POST", "/", ("Content-Length", str(LARGE))))
        sent = 0

        def upload():
            nonlocal sent
            while sent < LARGE:
                client.send(PATTERN)
                sent += len(PATTERN)

        uploader = threading.Thread(target=upload)
        uploader.start()
        try:
            target.wait_for_connections(1)
            assert wait_until_steady(lambda: sent) < MOST_IN_SOCKETS
            assert_memory_stayed_small(proxy, before)
        finally:
            go_on.set()
            uploader.join()
        assert client.response().body == b"%d" % LARGE


def test_both_bodies_may_flow_at_the_same_time(start_sluice, start_target):
    """A target that answers piece by piece as it reads must not deadlock with its client."""

    def script(connection):
        received = connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in body_pieces(connection.wire, received):
            connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")
        connection.wait_for_close()

    proxy = start_sluice(site(start_target(script)))
    size = 16 * MEBIBYTE
    with proxy.client() as client:
        def upload():
            client.send(request("POST", "/", ("Content-Length", str(size))))
            for _ in range(size // len(PATTERN)):
                client.send(PATTERN)

        uploader = threading.Thread(target=upload)
        uploader.start()
        try:
            answer = client.response()
        finally:
            uploader.join()
        assert answer.body == PATTERN * (size // len(PATTERN))
