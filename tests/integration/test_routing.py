"""Rules in the order of their priority, conditions that all hold, and the three actions."""

from collections import Counter

import pytest

from support.client import request
from support.configuration import listener, rule, site
from support.sluice import reason_of
from support.target import serve_body


def fixed(status=200, **more):
    return {"fixed_response": {"status": status, **more}}


def text(body):
    return fixed(200, content_type="text/plain", body=body)


def rules_only(*rules, default=None, **sections):
    """A configuration of answers that need no target."""
    return {"listeners": [listener("web", *rules, default=default)], "target_groups": [], **sections}


def answers(proxy, *targets, **options):
    with proxy.client(**options) as client:
        return [client.ask("GET", target).body.decode() for target in targets]


# --- priorities and conditions -------------------------------------------------------------------

def test_the_lowest_priority_that_matches_wins_whatever_the_order_in_the_file(start_sluice):
    proxy = start_sluice(rules_only(
        rule("last", 300, {"path": ["/*"]}, action=text("last")),
        rule("first", 1, {"path": ["/a/b"]}, action=text("first")),
        rule("middle", 20, {"path": ["/a/*"]}, action=text("middle"))))
    assert answers(proxy, "/a/b", "/a/c", "/b") == ["first", "middle", "last"]
    assert [line["rule"] for line in proxy.wait_for_log(3)] == ["first", "middle", "last"]


def test_all_conditions_of_a_rule_must_hold(start_sluice):
    proxy = start_sluice(rules_only(
        rule("both", 1, {"path": ["/a/*"]}, {"source_ip": ["127.0.0.2/32"]}, action=text("both")),
        default=text("default")))
    assert answers(proxy, "/a/x", "/b", source="127.0.0.2") == ["both", "default"]
    assert answers(proxy, "/a/x", source="127.0.0.3") == ["default"]


@pytest.mark.parametrize("pattern, matching, other", [
    ("/api", ["/api", "/api?q=1"], ["/api/", "/API", "/apis", "/"]),
    ("/api/*", ["/api/", "/api/x", "/api/x/y"], ["/api", "/apix"]),
    ("/*.png", ["/a.png", "/a/b.png"], ["/a.PNG", "/a.png/"]),
    ("/a?c", ["/abc", "/a-c"], ["/ac", "/abbc"]),
    ("*/edit", ["/edit", "/a/b/edit"], ["/edit/", "/editor"]),
])
def test_path_patterns_have_albs_wildcards(start_sluice, pattern, matching, other):
    proxy = start_sluice(rules_only(rule("r", 1, {"path": [pattern]}, action=text("yes")),
                                    default=text("no")))
    assert answers(proxy, *matching) == ["yes"] * len(matching)
    assert answers(proxy, *other) == ["no"] * len(other)


def test_any_of_several_patterns_matches(start_sluice):
    proxy = start_sluice(rules_only(rule("r", 1, {"path": ["/a", "/b/*"]}, action=text("yes")),
                                    default=text("no")))
    assert answers(proxy, "/a", "/b/x", "/c") == ["yes", "yes", "no"]


def test_path_prefix_takes_whole_segments(start_sluice):
    proxy = start_sluice(rules_only(rule("r", 1, {"path_prefix": "/api"}, action=text("yes")),
                                    default=text("no")))
    assert answers(proxy, "/api", "/api/", "/api/x", "/api?q") == ["yes"] * 4
    assert answers(proxy, "/apiary", "/ap", "/x/api", "/API") == ["no"] * 4


def test_source_ip_is_the_peers_address_unless_a_trusted_proxy_names_the_client(start_sluice):
    proxy = start_sluice(rules_only(
        rule("r", 1, {"source_ip": ["127.0.0.2", "127.0.1.0/24"]}, action=text("yes")),
        default=text("no"), forwarding={"trusted_proxies": ["127.0.0.9"]}))
    assert answers(proxy, "/", source="127.0.0.2") == ["yes"]
    assert answers(proxy, "/", source="127.0.1.77") == ["yes"]
    with proxy.client(source="127.0.0.3") as client:
        assert client.ask("GET", "/", ("X-Forwarded-For", "127.0.0.2")).body == b"no"
    with proxy.client(source="127.0.0.9") as client:
        assert client.ask("GET", "/", ("X-Forwarded-For", "127.0.0.2")).body == b"yes"
        assert client.ask("GET", "/", ("X-Forwarded-For", "127.0.0.2, 127.0.0.3")).body == b"no"


def test_each_listener_has_rules_of_its_own(start_sluice):
    proxy = start_sluice({"target_groups": [], "listeners": [
        listener("one", rule("r", 1, {"path": ["/x"]}, action=text("one")), default=None),
        listener("two", rule("r", 1, {"path": ["/x"]}, action=text("two")), default=None)]})
    for name in ("one", "two"):
        with proxy.client(name) as client:
            assert client.ask("GET", "/x").body == name.encode()
    assert {line["listener"] for line in proxy.wait_for_log(2)} == {"one", "two"}


def test_without_a_default_action_the_answer_is_404(start_sluice):
    proxy = start_sluice(rules_only(rule("r", 1, {"path": ["/x"]}, action=text("x"))))
    with proxy.client() as client:
        assert client.ask("GET", "/y").status == 404
    line = proxy.only_log_line()
    assert (line["rule"], reason_of(line)) == ("default", "no_rule")


def test_many_rules_are_all_reachable(start_sluice):
    rules = [rule(f"r{n}", n, {"path": [f"/{n}", f"/{n}/*"]}, action=text(str(n)))
             for n in range(1, 1001)]
    proxy = start_sluice(rules_only(*rules))
    assert answers(proxy, "/1", "/500/x", "/1000") == ["1", "500", "1000"]


# --- forward -------------------------------------------------------------------------------------

def test_metrics_count_requests_by_rule_and_group(start_sluice, start_target):
    target = start_target(serve_body())
    config = site(target)
    config["listeners"] = [listener("web", rule("api", 1, {"path": ["/api"]}, action="targets"),
                                    default=None)]
    proxy = start_sluice(config)
    with proxy.client() as client:
        for path in ["/api", "/api", "/other"]:
            client.ask("GET", path)
    proxy.wait_for_log(3)
    metrics = proxy.metrics()
    assert metrics.sum("sluice_requests_total", listener="web", rule="api", target_group="targets",
                       code_class="2xx") == 2
    assert metrics.sum("sluice_requests_total", rule="default", code_class="4xx") == 1
    assert metrics.sum("sluice_target_requests_total", target_group="targets", code_class="2xx") == 2


def test_targets_take_turns(start_sluice, start_target):
    targets = [start_target(serve_body(b"%d" % number)) for number in range(3)]
    proxy = start_sluice(site(*targets))
    assert Counter(answers(proxy, *["/"] * 30)) == {"0": 10, "1": 10, "2": 10}


def test_weights_divide_the_requests_exactly_and_smoothly(start_sluice, start_target):
    targets = [start_target(serve_body(name)) for name in (b"a", b"b", b"c")]
    proxy = start_sluice(site(*[{"address": target.address, "weight": weight}
                                for target, weight in zip(targets, (5, 1, 1))]))
    turns = answers(proxy, *["/"] * 70)
    assert Counter(turns) == {"a": 50, "b": 10, "c": 10}
    assert "aaaaaa" not in "".join(turns[:7] * 2), "all requests of the heavy one in a row"


def test_a_target_of_weight_zero_gets_nothing(start_sluice, start_target):
    resting = start_target(serve_body(b"resting"))
    working = start_target(serve_body(b"working"))
    proxy = start_sluice(site({"address": resting.address, "weight": 0}, working))
    assert set(answers(proxy, *["/"] * 10)) == {"working"}
    assert resting.connections == []


def test_every_worker_balances(start_sluice, start_target):
    targets = [start_target(serve_body(b"%d" % number)) for number in range(2)]
    proxy = start_sluice(site(*targets, workers=2))
    counts = Counter()
    for _ in range(40):
        counts.update(answers(proxy, "/", "/"))
    assert counts["0"] + counts["1"] == 80
    assert 30 <= counts["0"] <= 50


# --- fixed responses -----------------------------------------------------------------------------

@pytest.mark.parametrize("status", [200, 404, 503, 599])
def test_a_fixed_response_is_sent_as_configured(start_sluice, status):
    proxy = start_sluice(rules_only(default=fixed(status, content_type="application/json",
                                                  body='{"a": "ä"}')))
    with proxy.client() as client:
        for _ in range(2):
            answer = client.ask()
            assert answer.status == status
            assert answer.value("Content-Type") == "application/json"
            assert answer.body == '{"a": "ä"}'.encode()
            assert answer.value("Server") == "sluice"
    line = proxy.wait_for_log(2)[0]
    assert (line["status"], reason_of(line), line["target_group"]) == (status, None, None)


def test_a_fixed_response_to_a_head_has_its_length_and_no_body(start_sluice):
    proxy = start_sluice(rules_only(default=text("hello")))
    with proxy.client() as client:
        assert client.ask("HEAD").value("Content-Length") == "5"
        assert client.ask("GET").body == b"hello"


def test_a_fixed_204_has_no_body_and_no_length(start_sluice):
    proxy = start_sluice(rules_only(default=fixed(204)))
    with proxy.client() as client:
        for _ in range(2):
            answer = client.ask()
            assert (answer.status, answer.framing) == (204, "none")


def test_a_request_body_before_a_fixed_response_is_no_request(start_sluice):
    """It is either consumed, or the connection ends behind the answer, which says so."""
    proxy = start_sluice(rules_only(default=text("hello")))
    with proxy.client() as client:
        client.send(request("POST", "/", body=b"GET /smuggled HTTP/1.1\r\n\r\n") + request())
        answer = client.response()
        assert answer.body == b"hello"
        if answer.says_close():
            assert client.rest() == b""
        else:
            assert client.response().body == b"hello"
    assert {line["target"] for line in proxy.final_log()} == {"/"}


# --- redirects -----------------------------------------------------------------------------------

def redirected(start_sluice, redirect, target="/a/b?c=d", path="/a/b"):
    """`path`: of the target, in normal form; nothing else is redirected, so that nothing is a loop."""
    proxy = start_sluice(rules_only(rule("r", 1, {"path": [path]}, action={"redirect": redirect})))
    host = f"site.test:{proxy.port()}"
    with proxy.client() as client:
        answer = client.ask("GET", target, host=host)
        again = client.ask("GET", target, host=host)
    assert again.status == answer.status, "a redirect keeps the connection"
    assert answer.value("Server") == "sluice"
    return answer, answer.value("Location").replace(str(proxy.port()), "PORT")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_has_its_status(start_sluice, status):
    answer, location = redirected(start_sluice, {"host": "other.test", "port": "80",
                                                 "status": status})
    assert answer.status == status
    assert location == "http://other.test/a/b?c=d"


@pytest.mark.parametrize("redirect, expected", [
    ({"protocol": "https", "port": "8443"}, "https://site.test:8443/a/b?c=d"),
    ({"protocol": "https", "port": "443"}, "https://site.test/a/b?c=d"),
    ({"protocol": "https"}, "https://site.test/a/b?c=d"),
    ({"host": "www.#{host}"}, "http://www.site.test:PORT/a/b?c=d"),
    ({"path": "/new"}, "http://site.test:PORT/new?c=d"),
    ({"path": "/new/#{path}"}, "http://site.test:PORT/new/a/b?c=d"),
    ({"path": "/new", "query": ""}, "http://site.test:PORT/new"),
    ({"path": "/#{host}/#{port}/#{path}", "query": "from=#{protocol}&#{query}"},
     "http://site.test:PORT/site.test/PORT/a/b?from=http&c=d"),
    ({"protocol": "#{protocol}", "host": "#{host}", "port": "#{port}", "path": "/x/#{path}",
      "query": "#{query}"}, "http://site.test:PORT/x/a/b?c=d"),
], ids=str)
def test_a_redirect_replaces_parts_and_placeholders(start_sluice, redirect, expected):
    _, location = redirected(start_sluice, redirect)
    assert location == expected


def test_a_redirect_uses_the_normal_form_of_the_path(start_sluice):
    _, location = redirected(start_sluice, {"protocol": "https", "port": "443"},
                             target="/a/../b//c", path="/b/c")
    assert location == "https://site.test/b/c"


def test_placeholders_in_a_request_are_not_expanded(start_sluice):
    """T27: what a client sends is put in once and never read as a template."""
    _, location = redirected(start_sluice, {"path": "/new", "query": "#{query}"},
                             target="/x?#{host}".replace("#", "%23"), path="/x")
    assert location == "http://site.test:PORT/new?%23{host}"


def test_a_location_that_would_be_too_long_becomes_507(start_sluice):
    proxy = start_sluice(rules_only(default={"redirect": {"path": "/#{path}/#{path}"}}))
    with proxy.client() as client:
        assert client.ask("GET", "/" + "x" * 10_000).status == 507
    assert reason_of(proxy.only_log_line()) == "redirect_too_long"


def test_a_post_is_redirected_without_waiting_for_its_body(start_sluice):
    proxy = start_sluice(rules_only(default={"redirect": {"protocol": "https", "status": 308}}))
    with proxy.client() as client:
        client.send(request("POST", "/", ("Content-Length", "100000000")))
        assert client.response().status == 308
