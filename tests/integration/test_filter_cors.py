"""The filter cors: preflights are answered here, and answers say who may read them."""

import subprocess

import pytest

from support import h2_raw
from support.configuration import group, listener, rule
from support.ports import free_port
from support.target import serve_body
from support.waiting import PATIENCE

APP = "https://app.example"
CORS = {"allow_origins": [APP, "https://*.example.org"], "allow_methods": ["GET", "PUT"],
        "allow_headers": ["Authorization", "X-Custom"], "expose_headers": ["X-Total"],
        "allow_credentials": True, "max_age": "10m"}


def sharing(target, cors=None, **more):
    return {"listeners": [listener("web", filters={"cors": cors or CORS, **more}, http2=True)],
            "target_groups": [group("targets", target)]}


def preflight(client, origin=APP, method="PUT", headers="x-custom"):
    return client.ask("OPTIONS", "/", ("Origin", origin), ("Access-Control-Request-Method", method),
                      ("Access-Control-Request-Headers", headers))


def permissions(answer):
    return {name.lower(): value for name, value in answer.fields
            if name.lower().startswith("access-control-")}


def test_a_preflight_is_answered_without_asking_the_target(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(sharing(target))
    with proxy.client() as client:
        answer = preflight(client)
        assert (answer.status, answer.body) == (204, b"")
        assert permissions(answer) == {
            "access-control-allow-origin": APP, "access-control-allow-credentials": "true",
            "access-control-allow-methods": "GET, PUT",
            "access-control-allow-headers": "Authorization, X-Custom",
            "access-control-max-age": "600"}
        assert answer.values("Vary") == ["Origin"]
        assert client.ask().status == 200, "the connection goes on"
    assert len(target.requests) == 1


def test_a_preflight_of_a_stranger_gets_no_permission(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(sharing(target))
    with proxy.client() as client:
        for origin in ["https://evil.example", "http://app.example", "null", ""]:
            answer = preflight(client, origin)
            assert answer.status == 204
            assert permissions(answer) == {}
            assert answer.values("Vary") == ["Origin"]
    assert target.requests == []


def test_options_that_are_no_preflight_reach_the_target(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(sharing(target))
    with proxy.client() as client:
        assert client.ask("OPTIONS", "/", ("Origin", APP)).status == 200
        assert client.ask("OPTIONS", "/", ("Access-Control-Request-Method", "PUT")).status == 200
    assert len(target.requests) == 2


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
def test_curl_sees_who_may_read_instead_of_what_the_target_says(start_sluice, start_target, version):
    target = start_target(serve_body(
        b"x", ("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Max-Age", "9"), ("X-Total", "7")))
    proxy = start_sluice(sharing(target))

    def ask(*options):
        text = subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", str(PATIENCE), "--dump-header", "-",
             "-o", "/dev/null", version, *options, f"http://127.0.0.1:{proxy.port()}/"],
            capture_output=True, check=True).stdout.decode()
        lines = text.split("\r\n\r\n")[0].lower().split("\r\n")[1:]
        return sorted(line for line in lines if line.startswith(("access-control-", "vary")))

    assert ask("-H", "Origin: https://a.b.example.org") == [
        "access-control-allow-credentials: true",
        "access-control-allow-origin: https://a.b.example.org",
        "access-control-expose-headers: x-total", "vary: origin"]
    assert ask("-H", "Origin: https://evil.test") == ["vary: origin"]
    assert ask() == ["vary: origin"]


def test_the_targets_vary_stays_and_origin_is_said_once(start_sluice, start_target):
    answers = iter(["Accept-Encoding", "Accept, origin", "*"])
    target = start_target(lambda connection: _serve_vary(connection, answers))
    proxy = start_sluice(sharing(target))
    with proxy.client() as client:
        assert client.ask("GET", "/", ("Origin", APP)).values("Vary") == ["Accept-Encoding", "Origin"]
        assert client.ask("GET", "/", ("Origin", APP)).values("Vary") == ["Accept, origin"]
        assert client.ask("GET", "/", ("Origin", APP)).values("Vary") == ["*"]


def _serve_vary(connection, answers):
    while connection.read_request():
        connection.send(f"HTTP/1.1 200 OK\r\nVary: {next(answers)}\r\nContent-Length: 0\r\n\r\n"
                        .encode())


def test_our_own_errors_may_be_read_too(start_sluice):
    proxy = start_sluice(sharing(f"127.0.0.1:{free_port()}"))
    with proxy.client() as client:
        answer = client.ask("GET", "/", ("Origin", APP))
    assert answer.status == 502
    assert permissions(answer)["access-control-allow-origin"] == APP


def test_any_origin_is_a_star_that_varies_by_nothing(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(sharing(target, {"allow_origins": "*", "allow_headers": "*",
                                          "allow_methods": "*"}))
    with proxy.client() as client:
        answer = client.ask("GET", "/", ("Origin", "https://anybody.test"))
        assert permissions(answer) == {"access-control-allow-origin": "*"}
        assert answer.values("Vary") == []
        answer = preflight(client, "https://anybody.test", "DELETE", "x-a, x-b")
        assert permissions(answer) == {
            "access-control-allow-origin": "*", "access-control-allow-methods": "DELETE",
            "access-control-allow-headers": "x-a, x-b"}
        answer = preflight(client, "https://anybody.test", "DELETE", "x-a: b; c")
        assert "access-control-allow-headers" not in permissions(answer), "no list of names"


def test_fields_that_response_headers_sets_are_not_there_twice(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(sharing(target, response_headers={
        "set": {"Access-Control-Allow-Origin": "https://other.test"}}))
    with proxy.client() as client:
        assert client.ask("GET", "/", ("Origin", APP)).value("Access-Control-Allow-Origin") == APP


def test_addresses_that_are_not_admitted_get_no_preflight(start_sluice, start_target):
    config = sharing(start_target(serve_body()), ip_access={"deny": ["127.0.0.0/8"]})
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert preflight(client).status == 403


def test_two_origins_are_none(start_sluice, start_target):
    proxy = start_sluice(sharing(start_target(serve_body())))
    with proxy.client() as client:
        answer = client.ask("GET", "/", ("Origin", APP), ("Origin", "https://evil.test"))
        assert permissions(answer) == {}


def test_an_origin_cannot_end_a_line(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(sharing(target, {"allow_origins": [{"regex": "(?s)https://.*"}]}))
    with h2_raw.Connection.open(proxy.port()) as connection:
        connection.send(h2_raw.headers(1, h2_raw.request(("origin", "https://a\r\nx-evil: yes"))))
        connection.read_until(lambda: connection.stream(1).reset is not None)
    with proxy.client() as client:
        answer = client.ask("GET", "/", ("Origin", "https://a%0d%0ax-evil: yes"))
        assert permissions(answer) == {}, "it has a space, as no origin has"


def test_a_rule_can_do_without(start_sluice, start_target):
    target = start_target(serve_body())
    config = sharing(target)
    config["listeners"][0]["rules"] = [rule("own", 1, {"path": ["/own"]}, action="targets",
                                            filters={"cors": "off"})]
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert client.ask("OPTIONS", "/own", ("Origin", APP),
                          ("Access-Control-Request-Method", "PUT")).status == 200
    assert target.only_request().method == "OPTIONS"
