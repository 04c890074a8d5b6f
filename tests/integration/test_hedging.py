"""A GET without an answer for some time is sent to a second target as well."""

import threading
import time

import pytest

from support.client import request
from support.configuration import site
from support.ports import free_port
from support.sluice import reason_of
from support.target import answer_once, response, serve, serve_body
from support.waiting import wait_until


class Slow:
    """Reads requests and answers each when it may."""

    def __init__(self, body=b"slow"):
        self.may_answer = threading.Event()
        self.body = body
        self.closed = threading.Event()

    def __call__(self, connection):
        try:
            while connection.read_request():
                connection.wait(self.may_answer)
                connection.send(response(self.body))
        finally:
            self.closed.set()


def waits_for_close(connection):
    connection.read_request()
    connection.wait_for_close()


def hedging(*targets, first=100, sections=None, **more):
    """The first of the targets is chosen first."""
    address = targets[0] if isinstance(targets[0], str) else targets[0].address
    config = site({"address": address, "weight": first}, *targets[1:], **(sections or {}))
    retry = {"hedge_delay": "100ms", **more.pop("retry", {})}
    config["target_groups"][0].update({"passive_health": "off", "retry": retry, **more})
    return config


def ask_until_first_is_slow(proxy, client, slow):
    """The answer to the first request that the slow target got."""
    for count in range(1, 9):
        answer = client.ask()
        line = proxy.wait_for_log(count)[-1]
        if slow.requests:
            return answer, line
    raise AssertionError("the slow target was never chosen")


def assert_nothing_is_left(proxy):
    def nothing():
        metrics = proxy.metrics()
        return metrics.sum("sluice_target_active_requests") == 0 and metrics.sum(
            "sluice_target_connections") == metrics.sum("sluice_target_connections_idle")

    wait_until(nothing, "no request is under way and all connections are idle")


def test_the_second_target_answers_first(start_sluice, start_target):
    slow, quick = start_target(waits_for_close), start_target(serve_body(b"quick"))
    proxy = start_sluice(hedging(slow, quick))
    with proxy.client() as client:
        answer, line = ask_until_first_is_slow(proxy, client, slow)
        assert (answer.status, answer.body) == (200, b"quick")
        assert (line["target_address"], line["tries"], reason_of(line)) == (quick.address, 2, None)
        assert line["total_time"] >= 0.1
        client.ask()  # the connection is good for more
    proxy.wait_for_metric("sluice_target_hedges_total", result="won")
    assert proxy.metric("sluice_target_hedges_total", result="lost") == 0
    assert [each.head for each in quick.requests[:1]] == [each.head for each in slow.requests[:1]]
    assert_nothing_is_left(proxy)


def test_the_first_target_answers_first(start_sluice, start_target):
    has_first = []

    def script(connection):
        connection.read_request()
        has_first.append(connection.target)
        if len(has_first) == 1:
            connection.wait(hedged)
            connection.send(response(b"first"))
        else:
            hedged.set()
        connection.wait_for_close()

    hedged = threading.Event()
    targets = [start_target(script), start_target(script)]
    proxy = start_sluice(hedging(*targets))
    with proxy.client() as client:
        assert client.ask().body == b"first"
        line = proxy.only_log_line()
        assert (line["target_address"], line["tries"]) == (has_first[0].address, 2)
        assert proxy.metric("sluice_target_hedges_total", result="lost") == 1
        assert proxy.metric("sluice_target_hedges_total", result="won") == 0
        assert_nothing_is_left(proxy)
        proxy.wait_for_metric_value("sluice_target_connections", 1)


def test_a_quick_answer_is_not_hedged(start_sluice, start_target):
    targets = [start_target(serve_body(b"quick")) for _ in range(2)]
    proxy = start_sluice(hedging(*targets, retry={"hedge_delay": "10s"}))
    with proxy.client() as client:
        assert {client.ask().status for _ in range(5)} == {200}
    assert {line["tries"] for line in proxy.wait_for_log(5)} == {1}
    assert proxy.metric("sluice_target_hedges_total") == 0


def test_a_first_target_that_fails_leaves_it_to_the_second(start_sluice, start_target):
    both = threading.Event()

    def fails(connection):
        connection.read_request()
        connection.wait(both)
        connection.reset()

    def answers(connection):
        connection.read_request()
        both.set()
        connection.send(response(b"second"))
        connection.wait_for_close()

    bad, good = start_target(fails), start_target(answers)
    proxy = start_sluice(hedging(bad, good))
    with proxy.client() as client:
        assert client.ask().body == b"second"
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (200, None)
    assert_nothing_is_left(proxy)


@pytest.mark.parametrize("attempts", [1, 3])
def test_both_fail(start_sluice, start_target, attempts):
    both = threading.Event()
    scripts = threading.Barrier(2)

    def fails(connection):
        connection.read_request()
        if not both.is_set():
            scripts.wait(20)
            both.set()
        connection.reset()

    targets = [start_target(fails) for _ in range(2)]
    proxy = start_sluice(hedging(*targets, retry={"attempts": attempts}))
    with proxy.client() as client:
        assert client.ask().status == 502
    line = proxy.only_log_line()
    assert (reason_of(line), line["tries"]) == ("target_closed_early", 2)
    assert proxy.metric("sluice_target_hedges_total", result="lost") == 1
    assert_nothing_is_left(proxy)


def test_a_hedge_that_is_refused_harms_nobody(start_sluice, start_target):
    script = Slow()
    slow = start_target(script)
    proxy = start_sluice(hedging(slow, f"127.0.0.1:{free_port()}", first=900))
    with proxy.client() as client:
        client.send(request())
        proxy.wait_for_metric("sluice_target_connection_errors_total")
        script.may_answer.set()
        assert client.response().body == b"slow"
    proxy.only_log_line()
    assert proxy.metric("sluice_target_hedges_total", result="won") == 0
    assert_nothing_is_left(proxy)


def test_a_hedge_that_answers_nonsense_does_not_win(start_sluice, start_target):
    script = Slow()
    slow, bad = start_target(script), start_target(answer_once(b"garbage\r\n\r\n"))
    proxy = start_sluice(hedging(slow, bad, first=900))
    with proxy.client() as client:
        client.send(request())
        bad.wait_for_requests(1)
        script.may_answer.set()
        assert client.response().body == b"slow"
    proxy.only_log_line()
    assert_nothing_is_left(proxy)


def test_a_client_that_leaves_ends_both(start_sluice, start_target):
    targets = [start_target(waits_for_close), start_target(waits_for_close)]
    proxy = start_sluice(hedging(*targets))
    with proxy.client() as client:
        client.send(request())
        for target in targets:
            target.wait_for_requests(1)
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line), line["tries"]) == (499, "client_closed", 2)
    assert_nothing_is_left(proxy)
    proxy.wait_for_metric_value("sluice_target_connections", 0)


def first_fails_while_hedge_hangs(start_target):
    hedge_has_it = threading.Event()
    count = [0]

    def script(connection):
        connection.read_request()
        count[0] += 1
        if count[0] == 1:
            connection.wait(hedge_has_it)
            connection.reset()
        else:
            hedge_has_it.set()
            connection.wait_for_close()

    return [start_target(script), start_target(script)]


def test_a_client_that_leaves_while_only_the_hedge_is_left_is_noticed(start_sluice, start_target):
    targets = first_fails_while_hedge_hangs(start_target)
    proxy = start_sluice(hedging(*targets))
    with proxy.client() as client:
        client.send(request())
        for target in targets:
            target.wait_for_requests(1)
        wait_until(lambda: any(each.finished and each.connections[0].socket.fileno() < 0
                               for each in targets), "the first has failed")
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (499, "client_closed")
    assert_nothing_is_left(proxy)


def test_the_total_time_ends_a_hedge_that_is_left_alone(start_sluice, start_target):
    targets = first_fails_while_hedge_hangs(start_target)
    proxy = start_sluice(hedging(*targets, sections={"timeouts": {"total": "600ms"}}))
    with proxy.client() as client:
        assert client.ask().status == 504
    assert reason_of(proxy.only_log_line()) == "total_timeout"
    assert_nothing_is_left(proxy)


def test_a_hedge_has_the_time_of_a_try(start_sluice, start_target):
    targets = [start_target(waits_for_close), start_target(waits_for_close)]
    proxy = start_sluice(hedging(*targets, sections={"timeouts": {"per_try": "3s"}}))
    with proxy.client() as client:
        assert client.ask().status == 504
    line = proxy.only_log_line()
    assert (reason_of(line), line["tries"]) == ("target_try_timeout", 2)
    assert_nothing_is_left(proxy)


def test_a_hedge_may_answer_after_the_time_of_the_first_try(start_sluice, start_target):
    """It began later, and has a whole try's time of its own."""
    began = []

    def script(connection):
        connection.read_request()
        began.append(time.monotonic())
        if len(began) == 2:
            # Nothing tells from outside that the first one's time is over: it began before its
            # request came. The hedge has the hedge_delay more.
            wait_until(lambda: time.monotonic() > began[0] + 4.5, "the first one's time is over")
            connection.send(response(b"second"))
        connection.wait_for_close()

    targets = [start_target(script), start_target(script)]
    proxy = start_sluice(hedging(*targets, retry={"hedge_delay": "3s"},
                                 sections={"timeouts": {"per_try": "4s"}}))
    with proxy.client() as client:
        assert client.ask().body == b"second"
        line = proxy.only_log_line()
        assert (line["status"], reason_of(line), line["tries"]) == (200, None, 2)
    assert_nothing_is_left(proxy)


def test_the_budget_may_refuse_a_hedge(start_sluice, start_target):
    script = Slow()
    slow, other = start_target(script), start_target(script)
    proxy = start_sluice(hedging(slow, other, retry={"budget": {"percent": 0, "burst": 0}}))
    with proxy.client() as client:
        client.send(request())
        proxy.wait_for_metric_value("sluice_target_retry_budget_exhausted_total", 1)
        script.may_answer.set()
        assert client.response().status == 200
    assert proxy.only_log_line()["tries"] == 1
    assert len(slow.requests) + len(other.requests) == 1
    assert proxy.metric("sluice_target_hedges_total") == 0


@pytest.mark.parametrize("method, body", [("POST", b"x"), ("POST", b""), ("GET", b"x"),
                                          ("PUT", b"x"), ("DELETE", None)])
def test_only_a_get_without_a_body_is_hedged(start_sluice, start_target, method, body):
    def slowly(connection):
        while connection.read_request():
            threading.Event().wait(0.4)  # several times the hedge's delay
            connection.send(response(b"slow"))

    targets = [start_target(slowly), start_target(slowly)]
    proxy = start_sluice(hedging(*targets))
    with proxy.client() as client:
        assert client.ask(method, "/", body=body).status == 200
    assert proxy.only_log_line()["tries"] == 1
    assert sum(len(each.requests) for each in targets) == 1


def test_hedges_respect_the_limits_of_targets(start_sluice, start_target):
    script = Slow()
    targets = [start_target(script), start_target(script)]
    proxy = start_sluice(hedging(*targets, limits={"max_requests": 1, "queue_timeout": "30s"}))
    with proxy.client() as first, proxy.client() as second:
        first.send(request("POST", "/", body=b""))
        wait_until(lambda: any(each.requests for each in targets), "one is taken")
        second.send(request())
        wait_until(lambda: all(each.requests for each in targets), "the other is taken")
        with proxy.client() as third:
            third.send(request())
            proxy.wait_for_metric_value("sluice_target_queue_requests", 1)
        line = proxy.only_log_line()
        assert reason_of(line) == "client_closed"
        script.may_answer.set()
        assert first.response().status == second.response().status == 200
    assert [len(each.requests) for each in targets] == [1, 1]
    assert_nothing_is_left(proxy)


def test_a_long_answer_of_a_hedge_arrives_whole(start_sluice, start_target):
    body = bytes(range(256)) * 8192  # 2 MiB
    slow = start_target(waits_for_close)
    quick = start_target(serve(lambda _: response(body)))
    proxy = start_sluice(hedging(slow, quick))
    with proxy.client() as client:
        answer, _ = ask_until_first_is_slow(proxy, client, slow)
    assert answer.body == body
    assert_nothing_is_left(proxy)
