"""A target may answer while the request's body still flows; what comes after must not be misread (T7)."""

import threading

import pytest

from support.client import request
from support.configuration import site
from support.target import response, serve_body
from support.waiting import PATIENCE

LENGTH = 1 << 20
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"


def answer_after_head(data):
    def script(connection):
        connection.read_head()
        connection.send(data)
        connection.wait_for_close()

    return script


def start_upload(client, *fields):
    client.send(request("POST", "/upload", ("Content-Length", str(LENGTH)), *fields) + b"x" * 10_000)


def test_the_answer_reaches_a_client_that_is_still_sending(start_sluice, start_target):
    proxy = start_sluice(site(start_target(answer_after_head(REFUSAL))))
    with proxy.client() as client:
        start_upload(client)
        answer = client.response()
        assert (answer.status, answer.body) == (403, b"no")
    line = proxy.only_log_line()
    assert (line["status"], line["target_status"]) == (403, 403)


def test_the_rest_of_the_body_is_never_read_as_a_request(start_sluice, start_target):
    """Either the connection is closed, or it is drained and the next request is answered."""
    smuggled = request("GET", "/smuggled")
    target = start_target([answer_after_head(REFUSAL), serve_body(b"next")])
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        start_upload(client)
        answer = client.response()
        assert answer.status == 403
        rest = smuggled * ((LENGTH - 10_000) // len(smuggled) + 1)
        client.send_if_open(rest[: LENGTH - 10_000])
        client.send_if_open(request("GET", "/next"))
        if answer.says_close():
            assert client.rest() == b""
        else:
            assert client.response().body == b"next"
    expected = ["/upload"] if answer.says_close() else ["/upload", "/next"]
    assert [line["target"] for line in proxy.final_log()] == expected
    assert [each.target for each in target.requests] == expected


def test_the_targets_connection_is_not_reused_while_a_body_is_missing(start_sluice, start_target):
    target = start_target([answer_after_head(REFUSAL), serve_body(b"fine")])
    proxy = start_sluice(site(target))
    with proxy.client() as first, proxy.client() as second:
        start_upload(first)
        assert first.response().status == 403
        assert second.ask("GET", "/other").body == b"fine"
    assert [(each.target, each.connection) for each in target.requests] == [
        ("/upload", 0), ("/other", 1)]


def test_an_answer_before_a_slammed_door_gets_through(start_sluice, start_target):
    """The target answers and resets without having read the body: its answer is not a 502."""

    def script(connection):
        connection.read_head()
        connection.send(REFUSAL)
        connection.half_close()
        connection.wire.read_exactly(1)
        connection.reset()

    proxy = start_sluice(site(start_target(script)))
    with proxy.client() as client:
        client.send(request("POST", "/upload", ("Content-Length", str(LENGTH))))
        client.send_if_open(b"x" * LENGTH)
        answer = client.response()
        assert (answer.status, answer.body) == (403, b"no")


def test_a_complete_early_answer_to_a_body_sent_in_full_keeps_the_client(start_sluice, start_target):
    """The client sends the whole body anyway; the target read it all after its answer."""
    answered = threading.Event()

    def script(connection):
        received = connection.read_head()
        connection.send(response(b"early"))
        answered.set()
        connection.read_body(received)
        while connection.read_request():
            connection.send(response(b"later"))

    proxy = start_sluice(site(start_target(script)))
    with proxy.client() as client:
        client.send(request("POST", "/upload", ("Content-Length", "20")) + b"x" * 10)
        assert answered.wait(PATIENCE)
        client.send(b"y" * 10)
        answer = client.response()
        assert answer.body == b"early"
        if answer.says_close():
            assert client.is_closed_by_peer()
        else:
            assert client.ask("GET", "/later").body == b"later"


@pytest.mark.parametrize("size", [10, LENGTH])
def test_an_answer_of_the_proxy_itself_handles_the_body_the_same_way(start_sluice, size):
    proxy = start_sluice({"listeners": [{"name": "web"}], "target_groups": []})
    smuggled = request("GET", "/smuggled")
    with proxy.client() as client:
        client.send(request("POST", "/", ("Content-Length", str(size))))
        answer = client.response()
        assert answer.status == 404
        client.send_if_open((smuggled * (size // len(smuggled) + 1))[:size])
        client.send_if_open(request("GET", "/second", ("Connection", "close")))
        if answer.says_close():
            assert client.rest() == b""
        else:
            assert client.response().status == 404
    expected = ["/"] if answer.says_close() else ["/", "/second"]
    assert [line["target"] for line in proxy.final_log()] == expected
