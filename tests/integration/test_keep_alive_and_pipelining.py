"""One client connection carries many requests, and answers come in the order of the requests."""

import threading

import pytest

from support.client import request
from support.configuration import site
from support.target import answer_and_close, answer_once, response, serve, serve_body
from support.waiting import wait_for_event


def echo_target(received):
    return response(received.target.encode())


def test_requests_one_after_another_share_both_connections(start_sluice, start_target):
    target = start_target(serve(echo_target))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        for number in range(5):
            assert client.ask("GET", f"/{number}").body == b"/%d" % number
    proxy.wait_for_log(5)
    assert len(target.connections) == 1
    assert proxy.metric("sluice_client_connections_total", listener="web") == 1
    assert proxy.metric("sluice_target_connections_opened_total", target_group="targets") == 1
    assert proxy.metric("sluice_target_connections_reused_total", target_group="targets") == 4


def test_pipelined_requests_are_answered_in_order(start_sluice, start_target):
    target = start_target(serve(echo_target))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(b"".join(request("GET", f"/{number}") for number in range(20)))
        assert [client.response().body for _ in range(20)] == [b"/%d" % n for n in range(20)]


def test_a_pipelined_request_waits_for_a_slow_answer_before_it(start_sluice, start_target):
    go_on = threading.Event()

    def respond(received):
        if received.target == "/slow":
            wait_for_event(go_on)
        return echo_target(received)

    target = start_target(serve(respond))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request("GET", "/slow") + request("GET", "/fast"))
        target.wait_for_requests(1)
        go_on.set()
        assert client.response().body == b"/slow"
        assert client.response().body == b"/fast"


def test_a_request_behind_a_body_in_the_same_segment_is_found(start_sluice, start_target):
    target = start_target(serve(lambda received: response(received.target.encode() + received.body)))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request("POST", "/first", body=b"abc") +
                    request("POST", "/second", ("Transfer-Encoding", "chunked")) +
                    b"3\r\ndef\r\n0\r\n\r\n" + request("GET", "/third"))
        assert client.response().body == b"/firstabc"
        assert client.response().body == b"/seconddef"
        assert client.response().body == b"/third"


def test_a_head_may_come_byte_by_byte(start_sluice, start_target):
    target = start_target(serve(echo_target))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        for byte in request("GET", "/slowly", ("X-Field", "value")):
            client.send(bytes([byte]))
        assert client.response().body == b"/slowly"
    assert target.only_request().value("X-Field") == "value"


def test_one_empty_line_before_a_request_is_skipped(start_sluice, start_target):
    target = start_target(serve(echo_target))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(b"\r\n" + request("GET", "/first"))
        assert client.response().body == b"/first"
        client.send(b"\r\n" + request("GET", "/second"))
        assert client.response().body == b"/second"


def test_a_client_that_says_close_is_answered_and_closed(start_sluice, start_target):
    target = start_target(serve(echo_target))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request("GET", "/last", ("Connection", "close")) + request("GET", "/never"))
        answer = client.response()
        assert answer.body == b"/last"
        assert answer.says_close()
        assert client.is_closed_by_peer()
    assert [line["target"] for line in proxy.final_log()] == ["/last"]
    assert [each.target for each in target.requests] == ["/last"]


def test_a_close_from_the_client_does_not_cost_the_target_its_connection(start_sluice, start_target):
    target = start_target(serve(echo_target))
    proxy = start_sluice(site(target))
    for number in range(3):
        with proxy.client() as client:
            client.ask("GET", f"/{number}", ("Connection", "close"))
            assert client.is_closed_by_peer()
    assert len(target.connections) == 1
    assert all(each.value("Connection") is None for each in target.requests)


@pytest.mark.parametrize("script", [
    answer_and_close(response(b"bye", ("Connection", "close"))),
    answer_once(response(b"bye", ("Connection", "close"))),
    answer_and_close(response(b"bye", version="1.0")),
], ids=["it_says_close_and_closes", "it_says_close_and_waits", "it_speaks_http_1_0"])
def test_a_target_that_closes_does_not_close_the_client(start_sluice, start_target, script):
    target = start_target(script)
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        for _ in range(3):
            answer = client.ask()
            assert answer.body == b"bye"
            assert answer.version == "1.1"
            assert not answer.says_close()
    proxy.wait_for_log(3)
    assert len(target.connections) == 3
    assert proxy.metric("sluice_target_retries_total") == 0


def test_a_keep_alive_connection_may_go_to_different_groups(start_sluice, start_target):
    one = start_target(serve_body(b"one"))
    two = start_target(serve_body(b"two"))
    config = site(one)
    config["target_groups"].append({"name": "others", "targets": [{"address": two.address}]})
    config["listeners"][0]["rules"] = [{
        "name": "others", "priority": 1, "conditions": [{"path": ["/two"]}],
        "action": {"forward": "others"}}]
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert [client.ask("GET", path).body for path in ["/one", "/two", "/one", "/two"]] == [
            b"one", b"two", b"one", b"two"]


def test_an_http_1_0_client_is_closed_after_its_answer(start_sluice, start_target):
    target = start_target(serve(echo_target))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        answer = client.ask("GET", "/old", version="1.0")
        assert answer.body == b"/old"
        assert client.is_closed_by_peer()


def test_many_connections_at_once_each_get_their_own_answers(start_sluice, start_target):
    target = start_target(serve(echo_target))
    proxy = start_sluice(site(target, workers=2))
    clients = [proxy.client() for _ in range(50)]
    try:
        for turn in range(4):
            for number, client in enumerate(clients):
                client.send(request("GET", f"/{number}/{turn}"))
            for number, client in enumerate(clients):
                assert client.response().body == b"/%d/%d" % (number, turn)
    finally:
        for client in clients:
            client.close()
