"""A target that leaves its group: what is under way there may end within `deregistration_delay`."""

import threading

import pytest

from support.client import request
from support.configuration import group, listener, site
from support.http1 import Ended
from support.sluice import reason_of
from support.target import response, serve_body
from support.waiting import wait_until


def leaving(*targets, delay="30s", **sections):
    config = site(*targets, **sections)
    config["target_groups"][0]["deregistration_delay"] = delay
    return config


class Held:
    """Answers each request when it may."""

    def __init__(self):
        self.may_answer = threading.Event()

    def __call__(self, connection):
        while connection.read_request():
            connection.wait(self.may_answer)
            connection.send(response(b"from the one that left"))


def hold(connection):
    connection.read_request()
    connection.wait_for_close()


def half(connection):
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
    connection.wait_for_close()


def test_an_answer_under_way_goes_on_after_its_target_has_left(start_sluice, start_target):
    script = Held()
    old, new = start_target(script), start_target(serve_body(b"new"))
    config = leaving(old)
    proxy = start_sluice(config)
    with proxy.client() as client, proxy.client() as other:
        client.send(request())
        old.wait_for_requests(1)
        proxy.reload(leaving(new))
        assert other.ask().body == b"new"
        script.may_answer.set()
        assert client.response().body == b"from the one that left"
        assert client.ask().body == b"new"
    assert len(old.requests) == 1
    proxy.wait_for_log(3)
    assert proxy.metric("sluice_exchange_ends_total", reason="target_deregistered") == 0


@pytest.mark.parametrize("delay", ["0s", "300ms"])
def test_what_has_no_answer_at_the_end_of_the_delay_is_502(start_sluice, start_target, delay):
    old, new = start_target(hold), start_target(serve_body(b"new"))
    proxy = start_sluice(leaving(old, delay=delay))
    with proxy.client() as client:
        client.send(request())
        old.wait_for_requests(1)
        proxy.reload(leaving(new, delay=delay))
        assert client.response().status == 502
        assert client.ask().body == b"new"
    line = proxy.wait_for_log(2)[0]
    assert (line["status"], reason_of(line)) == (502, "target_deregistered")
    assert line["target_address"] == old.address
    proxy.wait_for_metric_value("sluice_target_active_requests", 0)
    assert proxy.metric("sluice_target_ejections_total") == 0


def test_an_answer_that_has_begun_is_cut_at_the_end_of_the_delay(start_sluice, start_target):
    old, new = start_target(half), start_target(serve_body(b"new"))
    proxy = start_sluice(leaving(old, delay="300ms"))
    with proxy.client() as client:
        client.send(request())
        assert client.response_head().status == 200
        proxy.reload(leaving(new, delay="300ms"))
        with pytest.raises(Ended):
            client.wire.read_exactly(10)
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (200, "target_deregistered")


def test_an_upload_is_cut_at_the_end_of_the_delay(start_sluice, start_target):
    old, new = start_target(hold), start_target(serve_body(b"new"))
    proxy = start_sluice(leaving(old, delay="200ms"))
    with proxy.client() as client:
        client.send(request("POST", "/", ("Content-Length", "1000")) + b"a part of it")
        wait_until(lambda: old.requests, "the target has the head")
        proxy.reload(leaving(new, delay="200ms"))
        assert client.response().status == 502
    line = proxy.only_log_line()
    assert reason_of(line) == "target_deregistered"
    proxy.wait_for_metric_value("sluice_target_active_requests", 0)


def assert_only_the_one_that_stays_away_is_cut(proxy, script, clients):
    """One client waits for a target that came back, the other for one that left with it and did
    not: its cut tells that the delay of both is over."""
    cut = proxy.only_log_line()
    assert (cut["status"], reason_of(cut)) == (502, "target_deregistered")
    script.may_answer.set()
    answers = sorted([client.response() for client in clients], key=lambda each: each.status)
    assert [each.status for each in answers] == [200, 502]
    assert answers[0].body == b"from the one that left"


# Seconds in which two reloads must have ended.
LONG_DELAY = "5s"


def test_a_target_that_comes_back_keeps_what_it_has(start_sluice, start_target):
    script = Held()
    old, away, new = start_target(script), start_target(hold), start_target(serve_body(b"new"))
    proxy = start_sluice(leaving(old, away, delay=LONG_DELAY))
    with proxy.client() as client, proxy.client() as other:
        client.send(request())
        other.send(request())
        old.wait_for_requests(1)
        away.wait_for_requests(1)
        proxy.reload(leaving(new, delay=LONG_DELAY))
        proxy.reload(leaving(old, new, delay=LONG_DELAY))
        assert_only_the_one_that_stays_away_is_cut(proxy, script, [client, other])
    line = proxy.wait_for_log(2)[1]
    assert (line["status"], reason_of(line)) == (200, None)


def test_a_target_that_comes_back_and_leaves_again_is_cut_from_what_it_had_before(start_sluice,
                                                                                  start_target):
    old, new = start_target(hold), start_target(serve_body(b"new"))
    proxy = start_sluice(leaving(old, delay=LONG_DELAY))
    with proxy.client() as client:
        client.send(request())
        old.wait_for_requests(1)
        proxy.reload(leaving(new, delay=LONG_DELAY))
        proxy.reload(leaving(old, new, delay=LONG_DELAY))
        proxy.reload(leaving(new, delay=LONG_DELAY))
        assert client.response().status == 502
        assert client.ask().body == b"new"
    assert reason_of(proxy.wait_for_log(2)[0]) == "target_deregistered"


def test_a_group_that_is_removed_is_cut_at_the_end_of_its_delay(start_sluice, start_target):
    old, new = start_target(hold), start_target(serve_body(b"new"))
    proxy = start_sluice(leaving(old, delay="300ms"))
    with proxy.client() as client:
        client.send(request())
        old.wait_for_requests(1)
        proxy.reload({"listeners": [listener(default="others")],
                      "target_groups": [group("others", new)]})
        assert client.response().status == 502
        assert client.ask().body == b"new"
    line = proxy.wait_for_log(2)[0]
    assert (reason_of(line), line["target_group"]) == ("target_deregistered", "targets")
    proxy.wait_for_metric_value("sluice_target_active_requests", 0)
    proxy.wait_for_metric_value("sluice_target_connections", 0, target_group="targets")


def test_a_group_that_comes_back_keeps_what_it_has(start_sluice, start_target):
    script = Held()
    old, away, new = start_target(script), start_target(hold), start_target(serve_body(b"new"))
    proxy = start_sluice(leaving(old, away, delay=LONG_DELAY))
    with proxy.client() as client, proxy.client() as other:
        client.send(request())
        other.send(request())
        old.wait_for_requests(1)
        away.wait_for_requests(1)
        proxy.reload({"listeners": [listener(default="others")],
                      "target_groups": [group("others", new)]})
        proxy.reload(leaving(old, delay=LONG_DELAY))
        assert_only_the_one_that_stays_away_is_cut(proxy, script, [client, other])
        assert client.ask().body == b"from the one that left"
    assert {reason_of(line) for line in proxy.wait_for_log(3)[1:]} == {None}


def test_many_exchanges_are_cut_together(start_sluice, start_target):
    old, new = start_target(hold), start_target(serve_body(b"new"))
    proxy = start_sluice(leaving(old, delay="300ms", workers=2))
    clients = [proxy.client() for _ in range(20)]
    try:
        for client in clients:
            client.send(request())
        old.wait_for_requests(20)
        proxy.reload(leaving(new, delay="300ms", workers=2))
        assert {client.response().status for client in clients} == {502}
        assert {client.ask().body for client in clients} == {b"new"}
    finally:
        for client in clients:
            client.close()
    lines = proxy.wait_for_log(40)
    assert sum(reason_of(line) == "target_deregistered" for line in lines) == 20
    proxy.wait_for_metric_value("sluice_target_active_requests", 0)


def test_a_hedge_at_a_target_that_leaves_is_given_up(start_sluice, start_target):
    may_answer = threading.Event()
    order = []

    def script(connection):
        connection.read_request()
        order.append(connection.target)
        if len(order) == 1:
            connection.wait(may_answer)
            connection.send(response(b"first"))
        connection.wait_for_close()

    targets = [start_target(script), start_target(script)]

    def config(*members):
        made = leaving(*members, delay="0s")
        made["target_groups"][0]["retry"] = {"hedge_delay": "50ms"}
        return made

    proxy = start_sluice(config(*targets))
    with proxy.client() as client:
        client.send(request())
        wait_until(lambda: len(order) == 2, "both have it")
        proxy.reload(config(order[0]))
        proxy.wait_for_metric_value("sluice_target_connections", 1)
        may_answer.set()
        assert client.response().body == b"first"
    assert reason_of(proxy.only_log_line()) is None
    proxy.wait_for_metric_value("sluice_target_active_requests", 0)
