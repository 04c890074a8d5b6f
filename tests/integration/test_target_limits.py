"""What one target may have at a time, over all workers; and the queue of those who wait."""

import threading
import time
from contextlib import ExitStack

import pytest

from support.client import request
from support.configuration import site
from support.sluice import reason_of
from support.target import response, serve, serve_body


def limited(*targets, workers=1, **limits):
    config = site(*targets, workers=workers)
    config["target_groups"][0]["limits"] = limits
    return config


class Counting:
    """A target's script that knows how many requests it has at a time; each waits for `release`."""

    def __init__(self, hold=True):
        self.release = threading.Event()
        if not hold:
            self.release.set()
        self.most = self.now = 0
        self._lock = threading.Lock()

    def __call__(self, connection):
        while connection.read_request():
            with self._lock:
                self.now += 1
                self.most = max(self.most, self.now)
            connection.wait(self.release)
            if self.release.is_set():
                time.sleep(0.002)  # so that requests meet
            with self._lock:
                self.now -= 1
            connection.send(response(b"done"))


def asks_many(proxy, clients, each):
    """Statuses of `each` requests by `clients` clients at a time."""
    statuses = []

    def run():
        with proxy.client() as client:
            for _ in range(each):
                statuses.append(client.ask().status)

    threads = [threading.Thread(target=run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == clients * each
    return statuses


@pytest.mark.parametrize("limit", ["max_requests", "max_connections"])
def test_two_workers_together_never_exceed_a_limit(start_sluice, start_target, limit):
    scripts = [Counting(hold=False), Counting(hold=False)]
    targets = [start_target(script) for script in scripts]
    proxy = start_sluice(limited(*targets, workers=2, queue_timeout="30s", **{limit: 2}))
    assert set(asks_many(proxy, clients=16, each=15)) == {200}
    assert [script.most for script in scripts] == [2, 2]
    proxy.wait_for_log(16 * 15)
    proxy.wait_for_metric_value("sluice_target_active_requests", 0)
    proxy.wait_for_metric_value("sluice_target_queue_requests", 0)
    assert proxy.metric("sluice_target_queue_seconds_count") > 0


def test_requests_wait_in_the_order_of_their_coming(start_sluice, start_target):
    script = Counting()
    target = start_target(script)
    proxy = start_sluice(limited(target, max_requests=1, queue_timeout="30s"))
    with ExitStack() as stack:
        clients = [stack.enter_context(proxy.client()) for _ in range(6)]
        for number, client in enumerate(clients):
            client.send(request("GET", f"/{number}"))
            proxy.wait_for_metric_value("sluice_target_queue_requests", number)
        target.wait_for_requests(1)
        script.release.set()
        for client in clients:
            assert client.response().status == 200
    assert [each.target for each in target.requests] == [f"/{number}" for number in range(6)]
    proxy.wait_for_log(6)
    proxy.wait_for_metric_value("sluice_target_queue_requests", 0)
    assert proxy.metric("sluice_target_queue_seconds_count") == 5


@pytest.mark.parametrize("queue", [0, 1])
def test_a_full_queue_is_503(start_sluice, start_target, queue):
    script = Counting()
    target = start_target(script)
    proxy = start_sluice(limited(target, max_requests=1, queue=queue, queue_timeout="30s"))
    with ExitStack() as stack:
        clients = [stack.enter_context(proxy.client()) for _ in range(2 + queue)]
        for number, client in enumerate(clients[:-1]):
            client.send(request())
            proxy.wait_for_metric_value("sluice_target_queue_requests", number)
            target.wait_for_requests(1)
        answer = clients[-1].ask()
        assert (answer.status, answer.value("Retry-After")) == (503, "1")
        line = proxy.only_log_line()
        assert (reason_of(line), line["tries"]) == ("target_queue_full", 0)
        assert line["ended_by"] == "self"
        script.release.set()
        for client in clients[:-1]:
            assert client.response().status == 200


def test_a_wait_that_is_too_long_is_503(start_sluice, start_target):
    script = Counting()
    target = start_target(script)
    proxy = start_sluice(limited(target, max_requests=1, queue_timeout="200ms"))
    with proxy.client() as first, proxy.client() as second:
        first.send(request())
        target.wait_for_requests(1)
        answer = second.ask()
        assert (answer.status, answer.value("Retry-After")) == (503, "1")
        line = proxy.only_log_line()
        assert (reason_of(line), line["tries"]) == ("target_queue_timeout", 0)
        assert line["total_time"] >= 0.2
        assert proxy.metric("sluice_target_queue_seconds_count") == 1
        proxy.wait_for_metric_value("sluice_target_queue_requests", 0)
        script.release.set()
        assert first.response().status == 200
    assert len(target.requests) == 1


def test_a_client_that_leaves_the_queue_is_499_and_the_next_takes_its_turn(start_sluice,
                                                                           start_target):
    script = Counting()
    target = start_target(script)
    proxy = start_sluice(limited(target, max_requests=1, queue_timeout="30s"))
    with proxy.client() as first, proxy.client() as third:
        first.send(request("GET", "/1"))
        target.wait_for_requests(1)
        with proxy.client() as second:
            second.send(request("GET", "/2"))
            proxy.wait_for_metric_value("sluice_target_queue_requests", 1)
            third.send(request("GET", "/3"))
            proxy.wait_for_metric_value("sluice_target_queue_requests", 2)
        line = proxy.only_log_line()
        assert (line["status"], reason_of(line), line["tries"]) == (499, "client_closed", 0)
        proxy.wait_for_metric_value("sluice_target_queue_requests", 1)
        script.release.set()
        assert first.response().status == 200
        assert third.response().status == 200
    assert [each.target for each in target.requests] == ["/1", "/3"]


def test_the_total_time_ends_a_wait_in_the_queue(start_sluice, start_target):
    script = Counting()
    target = start_target(script)
    config = limited(target, max_requests=1, queue_timeout="30s")
    proxy = start_sluice(config)
    config["listeners"][0]["rules"] = [{
        "name": "short", "priority": 1, "conditions": [{"path": ["/short"]}],
        "action": {"forward": "targets"}, "timeouts": {"total": "200ms"}}]
    proxy.reload(config)
    with proxy.client() as first, proxy.client() as second:
        first.send(request())
        target.wait_for_requests(1)
        assert second.ask("GET", "/short").status == 504
        assert reason_of(proxy.only_log_line()) == "total_timeout"
        script.release.set()
        assert first.response().status == 200


def test_a_full_target_is_passed_over(start_sluice, start_target):
    full, free = Counting(), Counting(hold=False)
    targets = [start_target(full), start_target(free)]
    config = limited({"address": targets[0].address, "weight": 100}, targets[1], max_requests=1)
    proxy = start_sluice(config)
    with ExitStack() as stack:
        held = stack.enter_context(proxy.client())
        held.send(request())
        targets[0].wait_for_requests(1)
        with proxy.client() as client:
            assert {client.ask().status for _ in range(6)} == {200}
        full.release.set()
        assert held.response().status == 200
    assert [len(target.requests) for target in targets] == [1, 6]
    proxy.wait_for_log(7)
    assert proxy.metric("sluice_target_queue_seconds_count") == 0


def test_a_worker_with_idle_connections_makes_room_for_the_other(start_sluice, start_target):
    """The target's only connection idles in one worker's pool: the other one needs it."""
    target = start_target(serve_body(b"ok"))
    proxy = start_sluice(limited(target, workers=2, max_connections=1, queue_timeout="30s"))
    with ExitStack() as stack:
        clients = [stack.enter_context(proxy.client()) for _ in range(16)]
        for client in clients:  # with 16 of them both workers have some
            assert client.ask().status == 200
        for client in clients:
            assert client.ask().status == 200
    lines = proxy.wait_for_log(32)
    assert {reason_of(line) for line in lines} == {None}
    assert proxy.metric("sluice_target_connections") <= 1


def test_no_worker_starves_the_other(start_sluice, start_target):
    """More clients than room in both workers, without a pause: each gets its turn."""
    script = Counting(hold=False)
    proxy = start_sluice(limited(start_target(script), workers=2, max_requests=1,
                                 queue_timeout="5s"))
    assert set(asks_many(proxy, clients=12, each=25)) == {200}
    assert script.most == 1


def test_a_session_waits_for_its_full_target_while_others_go_on(start_sluice, start_target):
    scripts = [Counting(), Counting()]
    targets = [start_target(script) for script in scripts]
    config = limited(*targets, max_requests=1, queue_timeout="30s")
    config["target_groups"][0]["stickiness"] = {"type": "lb_cookie"}
    proxy = start_sluice(config)
    for script in scripts:
        script.release.set()
    with proxy.client() as client:
        answer = client.ask()
        cookie = answer.value("Set-Cookie").partition(";")[0]
    own = next(number for number in range(2) if targets[number].requests)
    script, other = scripts[own], scripts[1 - own]
    script.release.clear()
    with proxy.client() as first, proxy.client() as second, proxy.client() as third:
        first.send(request("GET", "/first", ("Cookie", cookie)))
        targets[own].wait_for_requests(2)
        second.send(request("GET", "/second", ("Cookie", cookie)))
        proxy.wait_for_metric_value("sluice_target_queue_requests", 1)
        for _ in range(3):  # behind it in the queue, and nothing to do with it
            assert third.ask("GET", "/third").status == 200
        assert len(targets[own].requests) == 2
        script.release.set()
        assert first.response().status == 200
        assert second.response().status == 200
    assert [each.target for each in targets[own].requests][1:] == ["/first", "/second"]
    assert other.most <= 1


def test_two_failed_tries_do_not_wait_for_each_others_place(start_sluice, start_target):
    """Each target has one place; the requests at both fail, and want the other's."""
    both_there = threading.Event()

    def script(connection):
        connection.read_request()
        connection.wait(both_there)
        connection.reset()

    targets = [start_target([script, serve_body(b"ok")]) for _ in range(2)]
    config = limited(*targets, max_requests=1, queue_timeout="10s")
    config["target_groups"][0]["passive_health"] = "off"
    proxy = start_sluice(config)
    with proxy.client() as first, proxy.client() as second:
        first.send(request())
        second.send(request())
        for target in targets:
            target.wait_for_requests(1)
        both_there.set()
        assert first.response().status == 200
        assert second.response().status == 200
    lines = proxy.wait_for_log(2)
    assert [(line["tries"], reason_of(line)) for line in lines] == [(2, None), (2, None)]
    assert all(line["total_time"] < 5 for line in lines), "nobody waited for the timeout"


def test_a_status_is_passed_on_when_the_others_are_full(start_sluice, start_target):
    busy = Counting()
    bad = start_target(serve(lambda _: response(b"no", status=503)))
    full = start_target(busy)
    config = limited({"address": bad.address, "weight": 1}, {"address": full.address, "weight": 1},
                     max_requests=1, queue_timeout="30s")
    config["target_groups"][0].update({"retry": {"on": [503]}, "passive_health": "off"})
    proxy = start_sluice(config)
    with proxy.client() as first, proxy.client() as second:
        first.send(request())
        full.wait_for_requests(1)  # perhaps after a try at the bad one
        answer = second.ask()
        assert (answer.status, answer.body) == (503, b"no")
        assert reason_of(proxy.only_log_line()) is None
        busy.release.set()
        assert first.response().status == 200


def test_a_reload_that_lifts_the_limit_lets_all_in(start_sluice, start_target):
    script = Counting()
    target = start_target(script)
    config = limited(target, max_requests=1, queue_timeout="30s")
    proxy = start_sluice(config)
    with ExitStack() as stack:
        clients = [stack.enter_context(proxy.client()) for _ in range(3)]
        for client in clients:
            client.send(request())
        proxy.wait_for_metric_value("sluice_target_queue_requests", 2)
        config["target_groups"][0]["limits"] = {}
        proxy.reload(config)
        target.wait_for_requests(3)
        script.release.set()
        for client in clients:
            assert client.response().status == 200


def test_a_group_that_is_removed_ends_its_queue(start_sluice, start_target):
    script = Counting()
    target, other = start_target(script), start_target(serve_body(b"other"))
    config = limited(target, max_requests=1, queue_timeout="300ms")
    proxy = start_sluice(config)
    with proxy.client() as first, proxy.client() as second:
        first.send(request())
        target.wait_for_requests(1)
        second.send(request())
        proxy.wait_for_metric_value("sluice_target_queue_requests", 1)
        gone = site(other)
        gone["target_groups"][0]["name"] = "others"
        gone["listeners"][0]["default_action"] = {"forward": "others"}
        proxy.reload(gone)
        assert second.response().status == 503
        script.release.set()
        assert first.response().status == 200
    proxy.wait_for_metric_value("sluice_target_queue_requests", 0)
