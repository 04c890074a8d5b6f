"""The filter rewrite: what targets are asked for instead, whatever they and the clients speak."""

import subprocess

import pytest

from support import h2_raw
from support.configuration import group, listener, rule, site
from support.h2_target import H2Target
from support.sluice import reason_of
from support.target import serve_body
from support.waiting import PATIENCE
from support.websocket import echo, echoes, opened


def rewriting(target, rewrite, **more):
    return {"listeners": [listener("web", filters={"rewrite": rewrite}, http2=True)],
            "target_groups": [group("targets", target, **more)]}


def curl(proxy, path, *options):
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--path-as-is", "--max-time", str(PATIENCE), *options,
         f"http://127.0.0.1:{proxy.port()}{path}"], capture_output=True, check=True).stdout


EVERYTHING = {"path": {"strip_prefix": "/api", "add_prefix": "/v2"},
              "query": {"remove": ["debug"], "set": {"from": "#{client_ip}"}},
              "host": "inner.example"}


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_curl_reaches_another_path_query_and_host(start_sluice, start_target, version):
    target = start_target(serve_body(b"hello"))
    proxy = start_sluice(rewriting(target, EVERYTHING))
    assert curl(proxy, "/api/users?debug=1&x=y", version) == b"hello"
    received = target.only_request()
    assert received.target == "/v2/users?x=y&from=127.0.0.1"
    assert received.values("Host") == ["inner.example"]
    assert proxy.only_log_line()["target"] == "/api/users?debug=1&x=y", "as it was asked for"


def test_a_target_of_http2_is_asked_for_the_same(start_sluice):
    def answer(connection, request):
        connection.respond(request, body=(request.headers[":authority"] + " " +
                                          request.headers[":path"]).encode())

    target = H2Target(answer)
    try:
        proxy = start_sluice(rewriting(target, EVERYTHING, protocol_version="http2"))
        assert curl(proxy, "/api/x") == b"inner.example /v2/x?from=127.0.0.1"
    finally:
        target.close()


def test_rules_see_the_path_as_it_came(start_sluice, start_target):
    target = start_target(serve_body())
    config = site(target)
    config["listeners"] = [listener(
        "web",
        rule("old", 1, {"path": ["/old/*"]}, action="targets", filters={
            "rewrite": {"path": {"regex": "^/old/(.*)$", "replacement": "/new/$1"}}}),
        rule("new", 2, {"path": ["/new/*"]}, action={"fixed_response": {"status": 403}}),
        default={"fixed_response": {"status": 404}})]
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert client.ask(target="/old/page?a=b").status == 200
        assert client.ask(target="/new/page").status == 403
    assert target.only_request().target == "/new/page?a=b"


def test_url_rewrites_path_and_query_together(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(rewriting(target, {"url": {
        "regex": r"^/shop/([a-z]+)\?id=([0-9]+)", "replacement": "/show?kind=$1&number=$2"}}))
    with proxy.client() as client:
        assert client.ask(target="/shop/hat?id=7&x=y").status == 200
        assert client.ask(target="/shop/hat").status == 200
    assert [each.target for each in target.requests] == ["/show?kind=hat&number=7&x=y", "/shop/hat"]


def test_what_no_target_can_be_asked_for_is_500(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(rewriting(target, {"path": {"regex": "^/a/", "replacement": "/../"}}))
    with proxy.client() as client:
        assert client.ask(target="/a/b").status == 500
        assert client.ask(target="/b/c").status == 200, "no match, no change"
    lines = proxy.wait_for_log(2)
    assert reason_of(lines[0]) == "rewrite_failed"
    assert target.only_request().target == "/b/c"
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 1, reason="rewrite_failed")


def test_a_websocket_is_opened_elsewhere(start_sluice, start_target):
    target = start_target(echo)
    proxy = start_sluice(rewriting(target, {"path": {"strip_prefix": "/ws"}, "host": "chat.test"}))
    with opened(proxy, target="/ws/room") as client:
        assert echoes(client)
    received = target.requests[0]
    assert (received.target, received.value("Host")) == ("/room", "chat.test")


@pytest.mark.parametrize("escaped", ["%0d%0aX-Evil:%20yes", "%20HTTP/1.1%0d%0aX-Evil:yes"])
def test_t27_escapes_in_a_path_stay_escapes(start_sluice, start_target, escaped):
    target = start_target(serve_body())
    proxy = start_sluice(rewriting(target, {
        "path": {"regex": "^/go/(.*)$", "replacement": "/to/$1"},
        "query": {"set": {"was": "#{path}?#{query}"}}}))
    with proxy.client() as client:
        assert client.ask(target=f"/go/{escaped}?q=$1&r=%23%7Bhost%7D").status == 200
    with h2_raw.Connection.open(proxy.port()) as connection:
        connection.send(h2_raw.headers(1, h2_raw.request(path=f"/go/{escaped}")))
        connection.read_until(lambda: connection.stream(1).ended)
        assert connection.stream(1).status == 200
    assert len(target.requests) == 2
    for received in target.requests:
        assert received.value("X-Evil") is None
        assert received.target.startswith("/to/")
        assert "$1&r=%23%7Bhost%7D&was=" in received.target or "q=" not in received.target
