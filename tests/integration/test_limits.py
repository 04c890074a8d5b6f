"""Every limit: exactly at it a request passes, one more is refused with the limit's own code."""

import pytest

from support.client import request
from support.configuration import listener, rule, site
from support.http1 import Ended, chunked
from support.sluice import reason_of
from support.target import response, serve, serve_body
from support.waiting import wait_until


def outcome(start_sluice, start_target, limits, data, script=None):
    """Status of the answer and reason in the log."""
    proxy = start_sluice(site(start_target(script or serve_body()), limits=limits))
    with proxy.client() as client:
        client.send(data)
        status = client.response().status
    return status, reason_of(proxy.only_log_line())


PASSED = (200, None)


def line_of(size):
    """A request line of that many bytes, its CRLF left out."""
    return b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * (size - len("GET / HTTP/1.1")))


@pytest.mark.parametrize("limits, size", [({}, 16_384), ({"request_line": "100"}, 100)])
def test_request_line(start_sluice, start_target, limits, size):
    assert outcome(start_sluice, start_target, limits, line_of(size)) == PASSED
    assert outcome(start_sluice, start_target, limits, line_of(size + 1)) == (
        414, "request_line_too_long")


def with_field(size):
    """A request with one field line of that many bytes, its CRLF left out."""
    return b"GET / HTTP/1.1\r\nHost: a\r\nName: %b\r\n\r\n" % (b"x" * (size - len("Name: ")))


@pytest.mark.parametrize("limits, size", [({}, 16_384), ({"header": "100"}, 100)])
def test_header(start_sluice, start_target, limits, size):
    assert outcome(start_sluice, start_target, limits, with_field(size)) == PASSED
    assert outcome(start_sluice, start_target, limits, with_field(size + 1)) == (
        431, "header_too_large")


def with_fields(size):
    """A request whose field lines, CRLFs counted, have that many bytes."""
    lines, line = [b"Host: a\r\n"], b"Name: " + b"x" * 1000 + b"\r\n"
    while size - sum(map(len, lines)) > 2 * len(line):
        lines.append(line)
    rest = size - sum(map(len, lines))
    lines.append(b"Last: " + b"x" * (rest - len("Last: \r\n")) + b"\r\n")
    # The limit counts the empty line as well.
    return b"GET / HTTP/1.1\r\n" + b"".join(lines) + b"\r\n"


@pytest.mark.parametrize("limits, size", [({}, 65_536), ({"headers": "4KiB"}, 4096)])
def test_headers(start_sluice, start_target, limits, size):
    assert outcome(start_sluice, start_target, limits, with_fields(size)) == PASSED
    assert outcome(start_sluice, start_target, limits, with_fields(size + 1)) == (
        431, "headers_too_large")


def with_field_count(count):
    return (b"GET / HTTP/1.1\r\nHost: a\r\n" +
            b"".join(b"N%d: x\r\n" % n for n in range(count - 1)) + b"\r\n")


@pytest.mark.parametrize("limits, count", [({}, 100), ({"header_count": 7}, 7)])
def test_header_count(start_sluice, start_target, limits, count):
    assert outcome(start_sluice, start_target, limits, with_field_count(count)) == PASSED
    assert outcome(start_sluice, start_target, limits, with_field_count(count + 1)) == (
        431, "too_many_headers")


def body_of(size, chunks):
    if chunks:
        half = size // 2
        return (request("POST", "/", ("Transfer-Encoding", "chunked")) +
                chunked(b"x" * half, b"x" * (size - half)))
    return request("POST", "/", body=b"x" * size)


@pytest.mark.parametrize("chunks", [False, True], ids=["length", "chunked"])
def test_body(start_sluice, start_target, chunks):
    limits = {"body": "1000"}
    assert outcome(start_sluice, start_target, limits, body_of(1000, chunks)) == PASSED
    assert outcome(start_sluice, start_target, limits, body_of(1001, chunks)) == (
        413, "body_too_large")


def test_a_rule_may_have_its_own_body_limit(start_sluice, start_target):
    config = site(start_target(serve_body()), limits={"body": "100"})
    config["listeners"] = [listener(
        "web", rule("upload", 1, {"path": ["/upload"]}, action="targets", body_limit="1000"),
        rule("tiny", 2, {"path": ["/tiny"]}, action="targets", body_limit="10"))]
    proxy = start_sluice(config)
    for path, size, status in [("/upload", 1000, 200), ("/upload", 1001, 413), ("/tiny", 10, 200),
                               ("/tiny", 11, 413), ("/", 100, 200), ("/", 101, 413)]:
        with proxy.client() as client:
            assert client.ask("POST", path, body=b"x" * size).status == status, (path, size)


def answer_with_fields(size):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
    line = b"Name: " + b"x" * 1000 + b"\r\n"
    fields = b"Content-Length: 0\r\n"
    while size - len(fields) > 2 * len(line):
        head, fields = head + line, fields + line
    return head + b"Last: " + b"x" * (size - len(fields) - len("Last: \r\n")) + b"\r\n\r\n"


@pytest.mark.parametrize("limits, size", [({}, 65_536), ({"response_headers": "4KiB"}, 4096)])
def test_response_headers(start_sluice, start_target, limits, size):
    at_the_limit = serve(lambda _: answer_with_fields(size))
    beyond = serve(lambda _: answer_with_fields(size + 1000))
    assert outcome(start_sluice, start_target, limits, request(), at_the_limit) == PASSED
    assert outcome(start_sluice, start_target, limits, request(), beyond) == (
        502, "target_response_too_large")


def test_informational_responses(start_sluice, start_target):
    def interim(count):
        return serve(lambda _: b"HTTP/1.1 100 Continue\r\n\r\n" * count + response(b"x"))

    limits = {"informational_responses": 3}
    assert outcome(start_sluice, start_target, limits, request(), interim(3)) == PASSED
    assert outcome(start_sluice, start_target, limits, request(), interim(4)) == (
        502, "target_too_many_informational")


def test_chunk_extension(start_sluice, start_target):
    def extended(size):
        # The limit is on what stands between the size and the line's end.
        return (request("POST", "/", ("Transfer-Encoding", "chunked")) +
                b"1;" + b"x" * (size - 1) + b"\r\ny\r\n0\r\n\r\n")

    limits = {"chunk_extension": "100"}
    assert outcome(start_sluice, start_target, limits, extended(99)) == PASSED
    assert outcome(start_sluice, start_target, limits, extended(102)) == (
        400, "chunk_extension_too_long")


def test_many_short_extensions_are_no_way_around(start_sluice, start_target):
    """The limit is per chunk, so tiny chunks with long extensions still cost the sender most."""
    limits = {"chunk_extension": "10"}
    data = request("POST", "/", ("Transfer-Encoding", "chunked"))
    data += b"1;a;b;c\r\ny\r\n" * 1000 + b"0\r\n\r\n"
    assert outcome(start_sluice, start_target, limits, data) == PASSED


def test_trailers(start_sluice, start_target):
    def trailed(size):
        return (request("POST", "/", ("Transfer-Encoding", "chunked")) + b"1\r\ny\r\n0\r\n"
                b"Name: " + b"x" * (size - len("Name: \r\n")) + b"\r\n\r\n")

    limits = {"trailers": "200"}
    assert outcome(start_sluice, start_target, limits, trailed(198)) == PASSED
    assert outcome(start_sluice, start_target, limits, trailed(203)) == (400, "trailers_too_large")


def test_connections(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body()), limits={"connections": 3}))
    clients = [proxy.client() for _ in range(3)]
    try:
        for client in clients:
            assert client.ask().status == 200
        with proxy.client() as one_more:
            assert one_more.is_closed_by_peer()
        proxy.wait_for_metric_value("sluice_client_connections_rejected_total", 1, listener="web",
                                    reason="too_many_connections")
        clients.pop().close()
        proxy.wait_for_metric_value("sluice_client_connections", 2)
        with proxy.client() as one_more:
            assert one_more.ask().status == 200
    finally:
        for client in clients:
            client.close()


def test_connections_are_counted_over_all_workers(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body()), workers=2, limits={"connections": 4}))
    # The kernel deals connections out by chance: with few of them one worker could get too few.
    clients = [proxy.client() for _ in range(64)]
    try:
        served = [client for client in clients if is_served(client)]
        assert len(served) == 4
        assert all(is_served(client) for client in served)
    finally:
        for client in clients:
            client.close()


def is_served(client):
    """False when the proxy closed instead; with a reset, if the request crossed the close."""
    try:
        return client.send_if_open(request()) and client.response().status == 200
    except Ended:
        return False


def test_requests_per_connection(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body()), limits={"requests_per_connection": 3}))
    with proxy.client() as client:
        answers = [client.ask() for _ in range(3)]
        assert not any(each.says_close() for each in answers[:2])
        assert answers[2].says_close()
        assert client.is_closed_by_peer()


def test_connection_lifetime(start_sluice, start_target):
    """After it one more request is served, with `Connection: close` (ALB: client_keep_alive)."""
    proxy = start_sluice(site(start_target(serve_body()), limits={"connection_lifetime": "2s"}))
    with proxy.client() as client:
        assert not client.ask().says_close()

        def asked_to_close():
            answer = client.ask()
            assert answer.status == 200
            return answer.says_close()

        wait_until(asked_to_close, "the connection has lived long enough")
        assert client.is_closed_by_peer()
