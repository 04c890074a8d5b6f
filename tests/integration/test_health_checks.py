"""Active health checks: who gets traffic follows what the targets answer to them."""

import threading

import pytest

from support.configuration import group, listener, site
from support.ports import free_port
from support.target import response, serve
from support.waiting import wait_until

# Quick for a test, and yet slow enough for targets in Python on a busy machine: a target that is
# well goes out only when three of its answers in a row take half a second each.
QUICK = {"path": "/health", "interval": "500ms", "timeout": "500ms", "jitter_percent": 0,
         "healthy_threshold": 2, "unhealthy_threshold": 3}


class Switch:
    """What a target answers: its name to requests, its health to checks."""

    def __init__(self, name, healthy=True):
        self.name = name
        self.healthy = healthy
        self.checks = 0
        self.gate = threading.Event()  # cleared: checks are not answered
        self.gate.set()

    def script(self):
        def respond(request):
            if request.target != "/health":
                return response(self.name)
            self.checks += 1
            assert self.gate.wait(30), "nobody opened the gate"
            return response(b"", status=200 if self.healthy else 503)

        return serve(respond)


@pytest.fixture
def two(start_target):
    switches = [Switch(b"one"), Switch(b"two")]
    targets = [start_target(each.script()) for each in switches]
    yield switches, targets
    for each in switches:
        each.gate.set()


def checked(*targets, health_check=None, **more):
    config = site()
    # Ejection by failed requests is another matter; here only checks decide.
    config["target_groups"] = [group("targets", *targets, health_check=health_check or QUICK,
                                     passive_health="off", **more)]
    return config


def answers(proxy, count=8):
    with proxy.client() as client:
        return {client.ask().body for _ in range(count)}


def wait_for_answers(proxy, *names):
    wait_until(lambda: answers(proxy) == set(names), f"{names} answer, and nobody else")


def checks(proxy, result, name="targets"):
    return proxy.metric("sluice_health_checks_total", target_group=name, result=result)


def wait_until_in(proxy, *switches):
    """All have passed a check. Before the first pass of any the group fails open, so that answers
    alone say nothing."""
    count = len(switches)
    wait_until(lambda: proxy.metric("sluice_targets", target_group="targets", state="healthy")
               == count, "all are healthy")
    wait_for_answers(proxy, *(each.name for each in switches))


def wait_for_more_checks(switch, count=3):
    before = switch.checks
    wait_until(lambda: switch.checks >= before + count, f"{switch.name} is checked {count} times")


# --- coming and going ----------------------------------------------------------------------------

def test_a_new_target_gets_nothing_until_it_has_passed_one_check(start_sluice, two):
    (one, other), targets = two
    other.gate.clear()
    proxy = start_sluice(checked(*targets, health_check={**QUICK, "interval": "1h",
                                                         "timeout": "1h"}))
    wait_for_answers(proxy, b"one")
    wait_until(lambda: other.checks, "the other is being checked")
    assert answers(proxy, 20) == {b"one"}, "initial, while another target is healthy"
    other.gate.set()
    wait_for_answers(proxy, b"one", b"two")
    assert one.checks == other.checks == 1, "one pass is enough"


def test_a_target_goes_out_when_its_checks_fail_and_comes_back_when_they_pass(start_sluice, two):
    (one, other), targets = two
    proxy = start_sluice(checked(*targets))
    wait_until_in(proxy, one, other)
    other.healthy = False
    wait_for_answers(proxy, b"one")
    assert checks(proxy, "failure") >= 3
    wait_for_more_checks(other)
    assert answers(proxy, 20) == {b"one"}
    other.healthy = True
    wait_for_answers(proxy, b"one", b"two")
    assert one.checks and checks(proxy, "success") >= 4


def test_one_failure_below_the_threshold_changes_nothing(start_sluice, two):
    (one, other), targets = two
    proxy = start_sluice(checked(*targets, health_check={**QUICK, "unhealthy_threshold": 100}))
    wait_until_in(proxy, one, other)
    other.healthy = False
    wait_for_more_checks(other)
    assert answers(proxy) == {b"one", b"two"}


def test_a_target_that_refuses_connections_goes_out(start_sluice, two):
    switches, targets = two
    proxy = start_sluice(checked(*targets))
    wait_until_in(proxy, *switches)
    targets[1].close()
    wait_for_answers(proxy, b"one")


def test_a_target_that_does_not_answer_its_checks_goes_out(start_sluice, two):
    (one, other), targets = two
    proxy = start_sluice(checked(*targets, health_check={**QUICK, "interval": "1s",
                                                         "timeout": "500ms"}))
    wait_until_in(proxy, one, other)
    other.gate.clear()
    wait_until(lambda: answers(proxy) == {b"one"}, "the silent one is out", within=15)


def test_when_all_fail_all_are_used(start_sluice, two):
    switches, targets = two
    proxy = start_sluice(checked(*targets))
    wait_until_in(proxy, *switches)
    for each in switches:
        each.healthy = False
    wait_until(lambda: answers(proxy) and proxy.metric(
        "sluice_target_fail_open_requests_total", target_group="targets"), "the group fails open")
    assert answers(proxy) == {b"one", b"two"}


# --- what is asked -------------------------------------------------------------------------------

def test_the_check_is_the_request_that_was_configured(start_sluice, start_target):
    target = start_target(serve(lambda request: response(b"all is well")))
    proxy = start_sluice(checked(target, health_check={
        **QUICK, "interval": "10s", "timeout": "10s", "path": "/deep?all=1",
        "host": "app.example", "headers": {"X-Key": "secret"}, "matcher": "200-299",
        "body_match": "is w.ll$"}))
    wait_until(lambda: checks(proxy, "success"), "a check passes")
    request = target.requests[0]
    assert (request.method, request.target) == ("GET", "/deep?all=1")
    head = request.head.decode("latin-1").lower()
    assert "\r\nhost: app.example\r\n" in head
    assert "\r\nx-key: secret\r\n" in head
    assert "\r\nuser-agent: sluice-healthchecker/" in head
    assert "\r\nconnection: close\r\n" in head
    assert checks(proxy, "failure") == 0


def test_a_tcp_check_only_connects(start_sluice, start_target):
    target = start_target(serve(lambda request: response(b"one")))
    proxy = start_sluice(checked(target, health_check={"protocol": "tcp", "interval": "100ms"}))
    wait_until(lambda: checks(proxy, "success") >= 3, "three checks passed")
    assert target.requests == []
    with proxy.client() as client:
        assert client.ask().body == b"one"


def test_another_port_can_be_asked(start_sluice, start_target):
    traffic = Switch(b"one", healthy=False)
    health = Switch(b"health")
    target = start_target(traffic.script())
    side = start_target(health.script())
    proxy = start_sluice(checked(target, health_check={**QUICK, "port": side.port}))
    wait_until(lambda: checks(proxy, "success"), "a check passes")
    assert health.checks and not traffic.checks
    assert answers(proxy) == {b"one"}


def test_checks_are_in_no_access_log_and_count_as_no_requests(start_sluice, two):
    (one, _), targets = two
    proxy = start_sluice(checked(*targets))
    wait_for_more_checks(one)
    assert proxy.access_log() == []
    assert proxy.metric("sluice_target_connections_opened_total", target_group="targets") == 0


def test_a_failed_check_is_told_at_debug_level(start_sluice, two):
    (one, _), targets = two
    one.healthy = False
    proxy = start_sluice({**checked(*targets), "log": {"level": "debug"}})
    log = proxy.wait_for_error_log("Target.ResponseCodeMismatch: got 503, want 200")
    assert f"target {targets[0].address} of group targets" in log


# --- reloads -------------------------------------------------------------------------------------

def test_a_reload_keeps_the_states(start_sluice, two):
    (one, other), targets = two
    slow = {**QUICK, "interval": "1h", "unhealthy_interval": "500ms"}
    proxy = start_sluice(checked(*targets, health_check=QUICK))
    wait_until_in(proxy, one, other)
    other.healthy = False
    wait_for_answers(proxy, b"one")
    other.gate.clear()  # no further check ends
    proxy.reload(checked(*targets, health_check=slow))
    assert answers(proxy, 20) == {b"one"}, "still healthy and unhealthy, without a new check"
    other.gate.set()


def test_a_target_that_a_reload_adds_is_checked_before_it_is_used(start_sluice, start_target, two):
    switches, targets = two
    proxy = start_sluice(checked(*targets))
    wait_until_in(proxy, *switches)
    third = Switch(b"three")
    third.gate.clear()
    try:
        proxy.reload(checked(*targets, start_target(third.script())))
        wait_until(lambda: third.checks, "it is checked")
        assert answers(proxy, 20) == {b"one", b"two"}
    finally:
        third.gate.set()
    wait_for_answers(proxy, b"one", b"two", b"three")


def test_a_target_that_left_is_checked_no_more(start_sluice, two):
    (one, other), targets = two
    proxy = start_sluice(checked(*targets))
    wait_until_in(proxy, one, other)
    proxy.reload(checked(targets[0]))
    before = other.checks
    wait_for_more_checks(one, 5)
    assert other.checks <= before + 1  # one may have been on its way


def test_without_health_check_every_target_is_used_and_none_is_asked(start_sluice, two):
    (one, other), targets = two
    proxy = start_sluice(checked(*targets))
    wait_until_in(proxy, one, other)
    other.healthy = False
    wait_for_answers(proxy, b"one")
    proxy.reload(site(*targets))
    wait_for_answers(proxy, b"one", b"two")


def test_a_group_without_a_rule_is_not_checked_until_it_has_one(start_sluice, two):
    (one, other), targets = two
    config = checked(targets[0])
    config["target_groups"].append(group("spare", targets[1], health_check=QUICK))
    proxy = start_sluice(config)
    wait_for_more_checks(one, 5)
    assert other.checks == 0
    config["listeners"] = [listener("web", default="spare")]
    proxy.reload(config)
    wait_until(lambda: checks(proxy, "success", "spare"), "the group in use is checked")
    wait_for_answers(proxy, b"two")


def test_mistakes_are_refused_and_the_old_checks_go_on(start_sluice, two):
    (one, other), targets = two
    proxy = start_sluice(checked(*targets))
    wait_until_in(proxy, one, other)
    proxy.reload(checked(*targets, health_check={**QUICK, "protocol": "http", "timeout": "2s",
                                                 "body_match": "("}), result="failure")
    log = proxy.wait_for_error_log("must be a regular expression")
    assert "timeout over interval" in log
    wait_for_more_checks(one)


def test_the_process_ends_at_once_while_checks_are_under_way(start_sluice, two):
    (one, other), targets = two
    one.gate.clear()
    other.gate.clear()
    proxy = start_sluice(checked(*targets, f"127.0.0.1:{free_port()}",
                                 health_check={**QUICK, "interval": "1h", "timeout": "1h"}))
    wait_until(lambda: one.checks and other.checks, "both are being checked")
    assert proxy.stop() == 0
