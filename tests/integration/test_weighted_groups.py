"""One rule, several target groups: shares by weight, clients that stay with a group, and what
becomes of both when the configuration changes."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.configuration import group, listener, rule
from support.sluice import reason_of
from support.target import serve_body
from support.waiting import wait_until
from support.websocket import echo, echoes, expect_close, opened
from test_stickiness import Visitor

ONE_HOUR = "; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"
NOBODY = "127.0.0.1:1"  # refuses connections


def forward(weights, **more):
    """`weights`: of the groups, by name."""
    groups = [{"group": name, "weight": weight} for name, weight in weights.items()]
    return {"forward": {"groups": groups, **more}}


def shop(targets, action, *rules, groups=(), **sections):
    """Each name of `targets` is a group with the targets that it has."""
    return {"listeners": [listener("web", *rules, default=action)],
            "target_groups": [group(name, *(each if isinstance(each, list) else [each]))
                              for name, each in targets.items()] + list(groups), **sections}


STICKY = {"stickiness": {"duration": "1h"}}


@pytest.fixture
def targets(start_target):
    """Groups blue and green, with a target each that answers with the name."""
    return {name: start_target(serve_body(name.encode())) for name in ("blue", "green")}


def ask(proxy, count):
    """How many of so many requests each group answered, each on a connection of its own, so that
    every worker has some."""
    seen = Counter()
    for _ in range(count):
        with proxy.client() as client:
            seen[client.ask().body.decode()] += 1
    return seen


# --- shares --------------------------------------------------------------------------------------

def test_each_group_gets_its_share_over_two_workers(start_sluice, targets):
    proxy = start_sluice(shop(targets, forward({"blue": 80, "green": 20}), workers=2))
    seen = Counter()
    for _ in range(60):
        with proxy.client() as client:
            seen.update(client.ask().body.decode() for _ in range(10))
    # 600 draws: 120 of green are expected, with a deviation of 10. Seven of them to either side.
    assert 50 <= seen["green"] <= 190 and seen["blue"] + seen["green"] == 600
    lines = proxy.wait_for_log(600)
    for name in ("blue", "green"):
        assert sum(line["target_group"] == name for line in lines) == seen[name]
        assert proxy.metric("sluice_requests_total", listener="web", rule="default",
                            target_group=name, code_class="2xx") == seen[name]
    assert proxy.metric("sluice_requests_total") == 600


def test_a_group_of_weight_0_gets_nothing(start_sluice, targets):
    proxy = start_sluice(shop(targets, forward({"blue": 0, "green": 1})))
    assert ask(proxy, 40) == {"green": 40}
    assert targets["blue"].connections == []


def test_any_number_of_groups_may_share(start_sluice, start_target):
    many = {f"g{number}": start_target(serve_body(b"%d" % number)) for number in range(8)}
    proxy = start_sluice(shop(many, forward(dict.fromkeys(many, 999))))
    with proxy.client() as client:
        seen = {client.ask().body for _ in range(300)}
    assert len(seen) == 8


def test_what_is_answered_before_a_group_is_chosen_is_counted_for_none(start_sluice, targets):
    guarded = rule("guarded", 1, {"path": ["/guarded"]}, body_limit=10,
                   action=forward({"blue": 1, "green": 1}))
    proxy = start_sluice(shop(targets, "blue", guarded))
    with proxy.client() as client:
        assert client.ask("POST", "/guarded", body=b"x" * 11).status == 413
    line = proxy.only_log_line()
    assert (line["rule"], line["target_group"]) == ("guarded", None)
    assert proxy.metric("sluice_requests_total", rule="guarded", target_group="-",
                        code_class="4xx") == 1


# --- groups that are not well --------------------------------------------------------------------

def test_weights_are_not_shifted_from_a_group_without_targets(start_sluice, targets):
    proxy = start_sluice(shop({**targets, "blue": []}, forward({"blue": 1, "green": 1})))
    with proxy.client() as client:
        statuses = Counter(client.ask().status for _ in range(100))
    assert set(statuses) == {200, 503} and 15 <= statuses[503] <= 85
    lines = proxy.wait_for_log(100)
    assert {(reason_of(line), line["target_group"]) for line in lines} == {
        ("no_target", "blue"), (None, "green")}


def test_with_fallback_the_share_of_a_group_without_targets_goes_to_the_others(start_sluice,
                                                                               targets):
    proxy = start_sluice(shop({**targets, "blue": []},
                              forward({"blue": 90, "green": 10}, fallback=True)))
    assert ask(proxy, 40) == {"green": 40}


def test_with_fallback_an_unhealthy_group_is_passed_over_and_used_when_it_is_back(start_sluice,
                                                                                 start_target):
    healthy = {"blue": True, "green": True}

    def script(name):
        def run(connection):
            while request := connection.read_request():
                good = healthy[name] or request.target != "/health"
                status = b"200 OK" if good else b"500 Internal Server Error"
                connection.send(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s"
                                % (status, len(name), name.encode()))
        return run

    check = {"path": "/health", "interval": "100ms", "unhealthy_threshold": 1,
             "healthy_threshold": 1}
    groups = [group(name, start_target(script(name)), health_check=check) for name in healthy]

    def well(name, count=1):
        return proxy.metric("sluice_targets", target_group=name, state="healthy") == count

    proxy = start_sluice(shop({}, forward({"blue": 1, "green": 1}, fallback=True, **STICKY),
                              groups=groups))
    wait_until(lambda: well("blue") and well("green"), "both are healthy")
    visitors = [Visitor(proxy) for _ in range(30)]
    first = [visitor.where() for visitor in visitors]
    assert set(first) == {"blue", "green"}
    healthy["blue"] = False
    wait_until(lambda: well("blue", 0), "blue is unhealthy")
    assert {visitor.where() for visitor in visitors} == {"green"}, "sessions move, too"
    healthy["green"] = False
    wait_until(lambda: well("green", 0), "green is unhealthy")
    assert {visitor.where() for visitor in visitors} == {"green"}, "all fail open"
    healthy.update(blue=True, green=True)
    wait_until(lambda: well("blue") and well("green"), "both are healthy")
    assert {visitor.where() for visitor in visitors} == {"green"}, "and stay there"
    assert set(ask(proxy, 60)) == {"blue", "green"}


def test_tries_stay_in_the_group(start_sluice, targets):
    proxy = start_sluice(shop({"blue": [targets["blue"]], "dead": [NOBODY]},
                              forward({"blue": 1, "dead": 1})))
    with proxy.client() as client:
        statuses = Counter(client.ask().status for _ in range(60))
    assert set(statuses) == {200, 502}


# --- sessions ------------------------------------------------------------------------------------

def test_a_client_stays_with_its_group_over_requests_and_reloads(start_sluice, targets):
    config = shop(targets, forward({"blue": 1, "green": 1}, **STICKY), workers=2)
    proxy = start_sluice(config)
    visitors = [Visitor(proxy) for _ in range(24)]
    first = [visitor.where() for visitor in visitors]
    assert set(first) == {"blue", "green"}
    for _ in range(3):
        proxy.reload(config)
        assert [visitor.where() for visitor in visitors] == first
    assert all(len(visitor.set_cookies) == 1 for visitor in visitors), "young ones are kept"
    pair, semicolon, attributes = visitors[0].set_cookies[0].partition(";")
    assert re.fullmatch(r"SLUICETG-[0-9a-f]{16}=[A-Za-z0-9_-]{40,}", pair)
    assert semicolon + attributes == ONE_HOUR
    proxy.wait_for_metric_value("sluice_rule_sticky_requests_total", 24, rule="default",
                                result="new")
    proxy.wait_for_metric_value("sluice_rule_sticky_requests_total", 72, listener="web",
                                result="kept")


def test_a_canary_moves_new_clients_only(start_sluice, targets):
    """Hundreds of sessions, real reloads with other weights while requests go on."""
    def canary(blue, green):
        return shop(targets, forward({"blue": blue, "green": green}, **STICKY), workers=2)

    def visit(visitors):
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(Visitor.where, visitors))

    proxy = start_sluice(canary(100, 0))
    old = [Visitor(proxy) for _ in range(200)]
    assert set(visit(old)) == {"blue"}
    proxy.reload(canary(50, 50))
    assert set(visit(old)) == {"blue"}
    newer = [Visitor(proxy) for _ in range(200)]
    places = visit(newer)
    assert 50 <= places.count("green") <= 150
    proxy.reload(canary(0, 100))
    assert set(visit(old)) == {"blue"}, "weight 0 keeps its sessions"
    assert visit(newer) == places
    latest = [Visitor(proxy) for _ in range(100)]
    assert set(visit(latest)) == {"green"}
    # Blue leaves the rule: whoever was there moves, once and for all.
    proxy.reload(shop(targets, forward({"green": 1}, **STICKY), workers=2))
    assert set(visit(old + newer + latest)) == {"green"}
    proxy.wait_for_metric_value("sluice_rule_sticky_requests_total",
                                200 + places.count("blue"), result="repinned")
    proxy.reload(canary(100, 1))
    assert set(visit(old + newer + latest)) == {"green"}
    assert all(visitor.set_cookies for visitor in old)
    assert all(len(visitor.set_cookies) == 2 for visitor in old)
    assert all(line["status"] == 200 for line in proxy.access_log())


def test_sessions_of_group_and_target_stand_beside_each_other(start_sluice, start_target):
    names = {name: [start_target(serve_body(f"{name}{number}".encode())) for number in range(2)]
             for name in ("blue", "green")}
    groups = [group(name, *each, stickiness={"type": "lb_cookie"}) for name, each in names.items()]
    proxy = start_sluice(shop({}, forward({"blue": 1, "green": 1}, **STICKY), groups=groups))
    visitors = [Visitor(proxy) for _ in range(40)]
    first = [visitor.where() for visitor in visitors]
    assert set(first) == {"blue0", "blue1", "green0", "green1"}
    for _ in range(3):
        assert [visitor.where() for visitor in visitors] == first
    assert all(len(visitor.set_cookies) == 2 for visitor in visitors)
    assert visitors[0].set_cookies[0].startswith("SLUICETG-")
    assert visitors[0].set_cookies[1].startswith("SLUICE=")


def test_rules_share_sessions_when_they_are_given_one_name(start_sluice, targets):
    def site(**api):
        return shop(targets, forward({"blue": 1, "green": 1}, stickiness={"cookie_name": "tg"}),
                    rule("api", 1, {"path_prefix": ["/api"]},
                         action=forward({"green": 1, "blue": 1}, stickiness=api)))

    proxy = start_sluice(site(cookie_name="tg"))
    visitors = [Visitor(proxy) for _ in range(24)]
    first = [visitor.where("/") for visitor in visitors]
    assert [visitor.where("/api") for visitor in visitors] == first
    proxy.reload(site())
    other = [visitor.where("/api") for visitor in visitors]
    assert other != first  # one in 2^24
    assert [visitor.where("/") for visitor in visitors] == first
    assert [visitor.where("/api") for visitor in visitors] == other


def test_a_cookie_of_another_name_and_a_forged_one_are_no_sessions(start_sluice, targets):
    api = rule("api", 1, {"path_prefix": ["/api"]},
               action=forward({"blue": 1, "green": 0}, **STICKY))
    proxy = start_sluice(shop(targets, forward({"blue": 0, "green": 1}, **STICKY), api))
    visitor = Visitor(proxy)
    assert visitor.where("/") == "green"
    [(name, value)] = visitor.cookies.items()
    thief = Visitor(proxy)
    assert thief.where("/api") == "blue"
    for forged in (value, value[:-1] + ("A" if value[-1] != "A" else "B"), "blue", "", "A" * 5000):
        [api_name] = thief.cookies
        thief.cookies[api_name] = forged
        assert thief.where("/api") == "blue"
        assert thief.cookies[api_name] != forged, "it is given one of its own"
    proxy.wait_for_metric_value("sluice_rule_sticky_requests_total", 5, rule="api",
                                result="invalid")


def test_cors_sets_a_twin_for_other_sites_that_counts_first(start_sluice, targets):
    proxy = start_sluice(shop(targets, forward(
        {"blue": 1, "green": 1}, stickiness={"cookie_name": "tg", "cors": True})))
    visitor = Visitor(proxy)
    at = visitor.where()
    plain, twin = visitor.set_cookies
    assert plain.startswith("tg=") and plain.endswith("; Max-Age=86400; HttpOnly; SameSite=Lax")
    assert twin.startswith("tgCORS=")
    assert twin.endswith("; Max-Age=86400; Secure; HttpOnly; SameSite=None")
    assert visitor.cookies["tg"] == visitor.cookies["tgCORS"]
    for name in ("tg", "tgCORS"):
        part = Visitor(proxy)
        part.cookies[name] = visitor.cookies[name]
        assert [part.where() for _ in range(8)] == [at] * 8
    other = next(each for each in iter(lambda: Visitor(proxy), None) if each.where() != at)
    mixed = Visitor(proxy)
    mixed.cookies = {"tg": visitor.cookies["tg"], "tgCORS": other.cookies["tgCORS"]}
    assert mixed.where() != at


def test_a_session_survives_a_restart_with_keys(start_sluice, targets):
    config = shop(targets, forward({"blue": 1, "green": 1}, **STICKY),
                  cookie_keys=["a secret of more than 32 characters"])
    first = start_sluice(config)
    visitors = [Visitor(first) for _ in range(12)]
    places = [visitor.where() for visitor in visitors]
    assert first.stop() == 0
    second = start_sluice(config)
    for visitor in visitors:
        visitor.proxy = second
    assert [visitor.where() for visitor in visitors] == places


def test_answers_of_ours_begin_no_session(start_sluice, targets):
    proxy = start_sluice(shop({"blue": [NOBODY]}, forward({"blue": 1}, **STICKY)))
    visitor = Visitor(proxy)
    assert visitor.ask().status == 502
    assert visitor.set_cookies == []
    proxy.wait_for_lines(1)
    assert proxy.metric("sluice_rule_sticky_requests_total") == 0


def test_a_reload_with_wrong_weights_leaves_the_former_ones_serving(start_sluice, targets):
    proxy = start_sluice(shop(targets, forward({"blue": 0, "green": 1})))
    for wrong in ({"blue": 0, "green": 0}, {"blue": 1000, "green": 1}, {"grey": 1}):
        proxy.reload(shop(targets, forward(wrong)), result="failure")
    assert "forward.groups: must have a group with a weight from 1 to 999" in proxy.error_log()
    assert "forward.groups[0].weight: must be a whole number from 0 to 999" in proxy.error_log()
    assert "forward.groups[0].group: no target group 'grey'" in proxy.error_log()
    assert ask(proxy, 10) == {"green": 10}


# --- upgraded connections ------------------------------------------------------------------------

def test_a_websocket_stays_while_weights_change_and_is_closed_when_its_group_leaves(start_sluice,
                                                                                   start_target):
    names = {name: start_target(echo) for name in ("blue", "green")}
    groups = [group(name, each, deregistration_delay="1s", websocket={"close_window": "100ms"})
              for name, each in names.items()]

    def site(weights):
        return shop({}, forward(weights), groups=groups)

    proxy = start_sluice(site({"blue": 1, "green": 0}))
    with opened(proxy) as client:
        for weights in ({"blue": 0, "green": 1}, {"green": 1, "blue": 0}, {"blue": 1}):
            proxy.reload(site(weights))
            assert echoes(client)
        proxy.reload(site({"green": 1}))
        expect_close(client, 1012)
    line = proxy.only_log_line()
    assert (line["rule"], line["target_group"]) == ("default", "blue")
    proxy.wait_for_metric_value("sluice_requests_total", 1, rule="default", target_group="blue",
                                code_class="1xx")
