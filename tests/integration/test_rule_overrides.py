"""What a rule says for itself: timeouts, body_limit, retry and access_log, over both protocols."""

import threading

import pytest

from support.configuration import group, listener, rule
from support.either_protocol import PROTOCOLS, exchange
from support.sluice import reason_of
from support.target import response, serve, serve_body
from support.waiting import wait_for_event

pytestmark = pytest.mark.parametrize("protocol", PROTOCOLS)

REFUSES = "127.0.0.1:1"


def site(*rules, targets, group_keys=None, **sections):
    return {"listeners": [listener("web", *rules, http2=True)],
            "target_groups": [group("targets", *targets, **(group_keys or {}))], **sections}


def at(name, **more):
    """The rule of that name, for the path below it."""
    return rule(name, at.priorities.setdefault(name, len(at.priorities) + 1),
                {"path_prefix": [f"/{name}"]}, action="targets", **more)


at.priorities = {}


# --- timeouts ------------------------------------------------------------------------------------

def test_a_rules_timeouts_come_before_its_groups_and_those_before_the_global_ones(
        start_sluice, start_target, protocol):
    done = threading.Event()

    def script(connection):
        while request := connection.read_request():
            if request.target != "/patient":
                wait_for_event(done)
            connection.send(response(b"late"))

    proxy = start_sluice(site(
        at("header", timeouts={"response_header": "300ms"}),
        at("total", timeouts={"total": "300ms"}),
        at("try", timeouts={"per_try": "300ms"}, retry={"attempts": 0}),
        at("patient", timeouts={"response_header": "1h"}),
        targets=[start_target(script)], timeouts={"response_header": "1h"},
        group_keys={"timeouts": {"response_header": "2h"}, "passive_health": "off",
                    "retry": {"attempts": 0}}))
    reasons = {}
    try:
        for name in ("header", "total", "try"):
            assert exchange(proxy, protocol, target=f"/{name}").status == 504
            reasons[name] = reason_of(proxy.wait_for_lines(len(reasons) + 1)[-1])
        assert exchange(proxy, protocol, target="/patient").status == 200
    finally:
        done.set()
    assert reasons == {"header": "target_response_timeout", "total": "total_timeout",
                       "try": "target_try_timeout"}


def test_a_body_that_stops_is_cut_after_the_rules_target_idle(start_sluice, start_target, protocol):
    done = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        wait_for_event(done)

    proxy = start_sluice(site(at("idle", timeouts={"target_idle": "300ms"}),
                              targets=[start_target(script)], timeouts={"target_idle": "1h"}))
    try:
        try:
            exchange(proxy, protocol, target="/idle")
        except Exception:  # noqa: BLE001: cut, however the client takes it
            pass
        assert reason_of(proxy.only_log_line()) == "target_body_timeout"
    finally:
        done.set()


# --- body_limit ----------------------------------------------------------------------------------

def test_a_rules_body_limit_may_be_narrower_wider_or_none(start_sluice, start_target, protocol):
    proxy = start_sluice(site(
        at("narrow", body_limit=10), at("wide", body_limit=1000), at("none", body_limit=0),
        at("global"), targets=[start_target(serve_body(b"ok"))], limits={"body": 100}))
    for name, most in (("narrow", 10), ("global", 100), ("wide", 1000)):
        assert exchange(proxy, protocol, "POST", f"/{name}", b"x" * most).status == 200, name
        assert exchange(proxy, protocol, "POST", f"/{name}", b"x" * (most + 1)).status == 413, name
    assert exchange(proxy, protocol, "POST", "/none", b"x" * 100_000).status == 200
    refused = [line["rule"] for line in proxy.wait_for_log(7) if line["status"] == 413]
    assert refused == ["narrow", "global", "wide"]
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 3, reason="body_too_large")


# --- retry ---------------------------------------------------------------------------------------

def failing(status):
    return serve(lambda _: response(b"failed", status=status, phrase="No"))


def test_a_rules_retry_overrides_the_keys_that_it_names(start_sluice, start_target, protocol):
    good = start_target(serve_body(b"good"))
    proxy = start_sluice(site(
        at("never", retry={"attempts": 0}), at("group"), at("status", retry={"on": [503]}),
        targets=[start_target(failing(503)), good],
        group_keys={"retry": {"on": ["connect_failure"]}, "passive_health": "off"}))
    for name, statuses in (("never", {200, 503}), ("group", {200, 503}), ("status", {200})):
        got = {exchange(proxy, protocol, target=f"/{name}").status for _ in range(4)}
        assert got == statuses, name


def test_no_tries_of_a_rule_are_none_though_the_group_has_them(start_sluice, start_target, protocol):
    good = start_target(serve_body(b"good"))
    proxy = start_sluice(site(
        at("never", retry={"attempts": 0}), at("group"),
        targets=[REFUSES, good], group_keys={"passive_health": "off"}))
    assert {exchange(proxy, protocol, target="/group").status for _ in range(4)} == {200}
    assert {exchange(proxy, protocol, target="/never").status for _ in range(4)} == {200, 502}


def test_a_rules_hedge_delay_holds_for_its_requests_alone(start_sluice, start_target, protocol):
    done = threading.Event()

    def slow(connection):
        while connection.read_request():
            wait_for_event(done)
            connection.send(response(b"slow"))

    proxy = start_sluice(site(
        at("hedged", retry={"hedge_delay": "50ms"}), at("plain", timeouts={"total": "300ms"}),
        targets=[start_target(slow), start_target(serve_body(b"quick"))],
        group_keys={"passive_health": "off"}))
    try:
        assert {exchange(proxy, protocol, target="/hedged").status for _ in range(4)} == {200}
        proxy.wait_for_lines(4)
        hedges = proxy.metric("sluice_target_hedges_total", result="won")
        assert hedges > 0
        assert 504 in {exchange(proxy, protocol, target="/plain").status for _ in range(4)}
        proxy.wait_for_lines(8)
        assert proxy.metric("sluice_target_hedges_total", result="won") == hedges
    finally:
        done.set()


# --- access_log ----------------------------------------------------------------------------------

def test_a_rules_access_log_leaves_lines_out_and_metrics_count_all(start_sluice, start_target,
                                                                   protocol):
    target = start_target(serve(lambda request: response(
        b"", status=500 if request.target.endswith("/500") else 200, phrase="As asked")))
    proxy = start_sluice(site(
        at("quiet", access_log="off", body_limit=1), at("errors", access_log="errors", body_limit=1),
        at("loud", access_log="on", body_limit=1), targets=[target],
        group_keys={"passive_health": "off"}))
    for name in ("quiet", "errors", "loud"):
        assert exchange(proxy, protocol, target=f"/{name}").status == 200
        assert exchange(proxy, protocol, target=f"/{name}/500").status == 500
        assert exchange(proxy, protocol, "POST", f"/{name}", b"xx").status == 413
    for name in ("quiet", "errors", "loud"):
        for code_class in ("2xx", "4xx", "5xx"):
            proxy.wait_for_metric_value("sluice_requests_total", 1, rule=name,
                                        code_class=code_class)
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 3, reason="body_too_large")
    assert [(line["rule"], line["status"]) for line in proxy.final_log()] == [
        ("errors", 500), ("errors", 413), ("loud", 200), ("loud", 500), ("loud", 413)]
