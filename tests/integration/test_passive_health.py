"""A target that fails is left alone for a while, and no client notices."""

import threading

import pytest

from support.configuration import site
from support.ports import free_port
from support.sluice import reason_of
from support.target import Target, answer_once, response, serve, serve_body
from support.waiting import wait_until


class Changing:
    """A target's script that is bad until told otherwise."""

    def __init__(self, bad):
        self.is_well = threading.Event()
        self._bad = bad
        self._good = serve_body(b"good")

    def __call__(self, connection):
        (self._good if self.is_well.is_set() else self._bad)(connection)


def resets(connection):
    connection.read_request()
    connection.reset()


def hangs(connection):
    connection.read_request()
    connection.wait_for_close()


def answers_500(connection):
    while connection.read_request():
        connection.send(response(b"broken", status=500))


def watched(*targets, **more):
    config = site(*targets, timeouts={"per_try": "2s"})
    passive = {"ejection_time": "200ms", **more.pop("passive_health", {})}
    config["target_groups"][0].update({"passive_health": passive, **more})
    return config


# And how many in a row put a target out: no answer in time, or a malformed one, may be the fault
# of the one request.
SCRIPTS = {"resets": (resets, 1), "hangs": (hangs, 3),
           "garbage": (answer_once(b"garbage\r\n\r\n"), 3)}


@pytest.mark.parametrize(("script", "run"), SCRIPTS.values(), ids=SCRIPTS)
def test_a_target_that_fails_is_out_after_its_run(start_sluice, start_target, script, run):
    bad = start_target(script)
    good = [start_target(serve_body(b"good")) for _ in range(2)]
    for_good = {"ejection_time": "1h", "max_ejection_time": "1h"}
    proxy = start_sluice(watched(bad, *good, passive_health=for_good))
    with proxy.client() as client:
        assert {client.ask().status for _ in range(12)} == {200}
    assert len(bad.requests) == run, "out after one run of failed requests"
    proxy.wait_for_metric_value("sluice_target_ejections_total", 1,
                                reason="Target.EjectedConsecutiveFailures")


@pytest.mark.parametrize("script", [script for script, _ in SCRIPTS.values()], ids=SCRIPTS)
def test_a_target_that_failed_comes_back(start_sluice, start_target, script):
    changing = Changing(script)
    bad = start_target(changing)
    good = [start_target(serve_body(b"good")) for _ in range(2)]
    proxy = start_sluice(watched(bad, *good, passive_health={"consecutive_timeouts": 1}))
    with proxy.client() as client:
        wait_until(lambda: client.ask().status == 200 and
                   proxy.metric("sluice_target_ejections_total"), "it is ejected")
        changing.is_well.set()
        asked = len(bad.requests)
        # It returns by a request that is a probe; all are answered meanwhile.
        wait_until(lambda: client.ask().status == 200 and len(bad.requests) > asked + 1,
                   "it is back")
        proxy.wait_for_metric_value("sluice_targets_ejected", 0)
    statuses = {line["status"] for line in proxy.access_log()}
    assert statuses == {200}


def test_a_target_that_refuses_is_out_and_comes_back(start_sluice, start_target):
    port = free_port()
    good = [start_target(serve_body(b"good")) for _ in range(2)]
    proxy = start_sluice(watched(f"127.0.0.1:{port}", *good))
    with proxy.client() as client:
        wait_until(lambda: client.ask().status == 200 and
                   proxy.metric("sluice_target_ejections_total"), "it is ejected")
        returned = Target(serve_body(b"good"), port=port)
        try:
            wait_until(lambda: client.ask().status == 200 and len(returned.requests) > 2,
                       "it is back")
        finally:
            proxy.stop()
            returned.close()
    assert {line["status"] for line in proxy.access_log()} == {200}


def test_answers_of_500_eject_after_five(start_sluice, start_target):
    bad = start_target(answers_500)
    good = [start_target(serve_body(b"good")) for _ in range(2)]
    proxy = start_sluice(watched(bad, *good, passive_health={"ejection_time": "30s"}))
    with proxy.client() as client:
        statuses = [client.ask().status for _ in range(40)]
    assert statuses.count(500) == 5, "a 500 is an answer, and passed on"
    assert len(bad.requests) == 5
    proxy.wait_for_metric_value("sluice_target_ejections_total", 1,
                                reason="Target.EjectedConsecutive5xx")


def test_500s_that_are_tried_again_reach_no_client(start_sluice, start_target):
    bad = start_target(answers_500)
    good = [start_target(serve_body(b"good")) for _ in range(2)]
    proxy = start_sluice(watched(bad, *good, passive_health={"ejection_time": "30s"},
                                 retry={"on": [500]}))
    with proxy.client() as client:
        assert {client.ask().status for _ in range(40)} == {200}
    assert len(bad.requests) == 5


def test_only_requests_that_may_be_repeated_are_probes(start_sluice, start_target):
    changing = Changing(resets)
    bad = start_target(changing)
    good = start_target(serve_body(b"good"))
    # It may be tried out for as long as it was ejected; then it is just put back.
    proxy = start_sluice(watched(bad, good, passive_health={"ejection_time": "6s"}))
    with proxy.client() as client:
        wait_until(lambda: client.ask().status == 200 and
                   proxy.metric("sluice_targets_ejected"), "it is ejected")
        changing.is_well.set()
        seen = len(bad.requests)
        proxy.wait_for_error_log("is tried out")
        for _ in range(4):
            assert client.ask("POST", "/", body=b"x").status == 200
        assert len(bad.requests) == seen
        wait_until(lambda: client.ask().status == 200 and len(bad.requests) > seen, "it is back")
    assert {line["status"] for line in proxy.access_log()} == {200}


def test_a_probe_that_fails_ejects_again_and_its_request_is_answered(start_sluice, start_target):
    bad = start_target(resets)
    good = [start_target(serve_body(b"good")) for _ in range(2)]
    proxy = start_sluice(watched(bad, *good, passive_health={"max_ejection_time": "200ms"}))
    with proxy.client() as client:
        wait_until(lambda: client.ask().status == 200 and
                   proxy.metric("sluice_target_ejections_total") >= 3, "three ejections")
    lines = proxy.access_log()
    assert {line["status"] for line in lines} == {200}
    failed = [line for line in lines if line["tries"] > 1]
    assert len(failed) == len(bad.requests)


def test_the_last_target_is_never_ejected(start_sluice, start_target):
    bad = start_target(resets)
    proxy = start_sluice(watched(bad))
    with proxy.client() as client:
        assert {client.ask().status for _ in range(5)} == {502}
    assert len(bad.requests) == 5
    assert {reason_of(line) for line in proxy.wait_for_log(5)} == {"target_closed_early"}
    assert proxy.metric("sluice_target_ejections_total") == 0


def test_a_client_that_leaves_says_nothing_about_the_target(start_sluice, start_target):
    slow = start_target(serve(lambda _: response(b"ok")))
    silent = start_target(hangs)
    config = watched(silent, slow)
    config["timeouts"] = {}
    proxy = start_sluice(config)
    for count in range(1, 5):
        with proxy.client() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
            wait_until(lambda: len(silent.requests) + len(slow.requests) == count, "asked")
        proxy.wait_for_lines(count)
    assert proxy.metric("sluice_target_ejections_total") == 0
    proxy.wait_for_metric_value("sluice_target_active_requests", 0)
