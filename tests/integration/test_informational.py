"""Interim answers: 100 is between two neighbours, 103 travels, and `Expect` is answered by the proxy."""

import threading

import pytest

from support.client import request
from support.configuration import site
from support.sluice import reason_of
from support.target import response, serve, serve_body

EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_100_from_the_target_is_swallowed(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve(lambda _: CONTINUE + response(b"final")))))
    with proxy.client() as client:
        for _ in range(2):
            answer = client.ask("POST", "/", body=b"x")
            assert (answer.status, answer.body) == (200, b"final")


def test_103_reaches_an_http_1_1_client_before_the_final_answer(start_sluice, start_target):
    go_on = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(EARLY_HINTS)
        connection.wait(go_on)
        connection.send(response(b"final"))
        connection.wait_for_close()

    proxy = start_sluice(site(start_target(script)))
    with proxy.client() as client:
        client.send(request())
        hints = client.response()
        assert hints.status == 103
        assert hints.value("Link") == "</style.css>; rel=preload"
        go_on.set()
        assert client.response().body == b"final"


def test_several_interim_answers_keep_their_order(start_sluice, start_target):
    second = EARLY_HINTS.replace(b"style", b"script")
    proxy = start_sluice(site(start_target(
        serve(lambda _: EARLY_HINTS + CONTINUE + second + response(b"final")))))
    with proxy.client() as client:
        client.send(request())
        assert [client.response().value("Link") for _ in range(2)] == [
            "</style.css>; rel=preload", "</script.css>; rel=preload"]
        assert client.response().body == b"final"


def test_103_is_not_sent_to_an_http_1_0_client(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve(lambda _: EARLY_HINTS + response(b"final")))))
    with proxy.client() as client:
        answer = client.ask(version="1.0")
        assert (answer.status, answer.body) == (200, b"final")


def test_hop_by_hop_fields_of_an_interim_answer_are_removed(start_sluice, start_target):
    hints = EARLY_HINTS.replace(b"\r\n\r\n", b"\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n")
    proxy = start_sluice(site(start_target(serve(lambda _: hints + response(b"final")))))
    with proxy.client() as client:
        client.send(request())
        answer = client.response()
        assert answer.status == 103
        assert (answer.value("Connection"), answer.value("X-Hop")) == (None, None)


# --- Expect --------------------------------------------------------------------------------------

EXPECT = ("Expect", "100-continue")


def test_expect_100_continue_is_answered_by_the_proxy_and_not_forwarded(start_sluice, start_target):
    target = start_target(serve_body(b"stored"))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request("POST", "/", EXPECT, ("Content-Length", "4")))
        assert client.response().status == 100
        client.send(b"body")
        assert client.response().body == b"stored"
    received = target.only_request()
    assert received.value("Expect") is None
    assert received.body == b"body"


def test_expect_works_with_a_chunked_body(start_sluice, start_target):
    target = start_target(serve_body(b"stored"))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request("PUT", "/", ("expect", "100-Continue"),
                            ("Transfer-Encoding", "chunked")))
        assert client.response().status == 100
        client.send(b"4\r\nbody\r\n0\r\n\r\n")
        assert client.response().body == b"stored"
    assert target.only_request().body == b"body"


def test_a_refused_request_is_not_told_to_continue(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target, limits={"body": "1KiB"}))
    with proxy.client() as client:
        client.send(request("POST", "/", EXPECT, ("Content-Length", "4096")))
        assert client.response().status == 413
        assert client.is_closed_by_peer()
    proxy.wait_for_log(1)
    assert proxy.metric("sluice_target_connections_opened_total") == 0
    assert target.requests == []


def test_a_request_without_a_rule_is_not_told_to_continue(start_sluice):
    proxy = start_sluice({"listeners": [{"name": "web"}], "target_groups": []})
    with proxy.client() as client:
        client.send(request("POST", "/", EXPECT, ("Content-Length", "4096")))
        assert client.response().status == 404
        assert client.is_closed_by_peer(), "the body that never came must not be read as a request"


def test_expect_from_an_http_1_0_client_is_ignored(start_sluice, start_target):
    target = start_target(serve_body(b"stored"))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request("POST", "/", EXPECT, body=b"body", version="1.0"))
        assert client.response().status == 200
    assert target.only_request().value("Expect") is None


@pytest.mark.parametrize("value", ["200-ok", "100-continue, something"])
def test_an_unknown_expectation_is_refused_with_417(start_sluice, start_target, value):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request("POST", "/", ("Expect", value), ("Content-Length", "4")))
        answer = client.response()
        assert answer.status == 417
        assert answer.value("Server") == "sluice"
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (417, "expectation_failed")
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 1, reason="expectation_failed")
    assert proxy.metric("sluice_target_connections_opened_total") == 0
    assert target.requests == []


def test_a_target_may_answer_instead_of_waiting_for_an_expected_body(start_sluice, start_target):
    def script(connection):
        connection.read_head()
        connection.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        connection.wait_for_close()

    proxy = start_sluice(site(start_target(script)))
    with proxy.client() as client:
        client.send(request("POST", "/", EXPECT, ("Content-Length", "4")))
        answer = client.response()
        if answer.status == 100:
            answer = client.response()
        assert (answer.status, answer.body) == (403, b"no")
