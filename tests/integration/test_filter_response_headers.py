"""The filter response_headers: the fields of answers as clients get them, targets' and our own."""

import subprocess

import pytest

from support.configuration import group, listener, rule, site
from support.ports import free_port
from support.target import response, serve, serve_body
from support.waiting import PATIENCE
from support.websocket import echo, echoes, opened


def editing(target, edits, **filters):
    return {"listeners": [listener("web", filters={"response_headers": edits, **filters},
                                   http2=True)],
            "target_groups": [group("targets", target)]}


def head_by_curl(proxy, path="/", *options):
    """Names in lower case, values in order."""
    text = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", str(PATIENCE), "--dump-header", "-",
         "-o", "/dev/null", *options, f"http://127.0.0.1:{proxy.port()}{path}"],
        capture_output=True, check=True).stdout.decode()
    lines = text.split("\r\n\r\n")[0].split("\r\n")[1:]
    fields = [line.split(": ", 1) for line in lines]
    return [(name.lower(), value) for name, value in fields]


def values(fields, name):
    return [value for each, value in fields if each == name]


EDITS = {"set": {"Strict-Transport-Security": "max-age=63072000", "X-Status": "#{status}",
                 "X-Id": "#{request_id}"},
         "add": {"Link": "</style.css>"}, "remove": ["Server", "X-Powered-By"],
         "rename": {"X-Trace": "X-Trace-Id"}, "default": {"Cache-Control": "no-store"}}

both = pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])


@both
def test_fields_of_a_targets_answer_change(start_sluice, start_target, version):
    target = start_target(serve_body(
        b"x", ("Server", "Apache"), ("X-Powered-By", "PHP"), ("Link", "</theirs.css>"),
        ("X-Trace", "7"), ("Strict-Transport-Security", "max-age=1"), ("Cache-Control", "private"),
        ("X-Status", "theirs")))
    proxy = start_sluice(editing(target, EDITS))
    got = head_by_curl(proxy, "/", version)
    assert values(got, "strict-transport-security") == ["max-age=63072000"]
    assert values(got, "x-status") == ["200"]
    assert values(got, "link") == ["</theirs.css>", "</style.css>"]
    assert (values(got, "server"), values(got, "x-powered-by")) == ([], [])
    assert (values(got, "x-trace"), values(got, "x-trace-id")) == ([], ["7"])
    assert values(got, "cache-control") == ["private"]
    assert values(got, "content-length") == ["1"]
    assert values(got, "x-id") == [target.only_request().value("X-Request-Id")]


@both
def test_our_own_answers_change_too(start_sluice, version):
    config = site(f"127.0.0.1:{free_port()}")
    config["listeners"] = [listener(
        "web",
        rule("to", 1, {"path": ["/to"]}, action={"redirect": {"path": "/there"}}),
        rule("fixed", 2, {"path": ["/fixed"]}, action={
            "fixed_response": {"status": 200, "content_type": "text/html", "body": "<p>"}}),
        filters={"response_headers": {**EDITS, "default": {"Content-Type": "text/default",
                                                            "X-Default": "yes"}}}, http2=True)]
    proxy = start_sluice(config)
    for path, status, content_type in [("/", "502", ["text/plain"]), ("/to", "302", []),
                                       ("/fixed", "200", ["text/html"])]:
        got = head_by_curl(proxy, path, version)
        assert values(got, "x-status") == [status], path
        assert values(got, "server") == []
        assert values(got, "content-type") == content_type
        assert values(got, "x-default") == ["yes"]
        assert len(values(got, "location")) == (path == "/to")


LIMIT_OF_ONE = [{"key": "source_ip", "rate": "1/h", "burst": 1}]


@both
def test_fields_that_an_answer_of_ours_has_are_no_gaps(start_sluice, start_target, version):
    """A refusal's own, an error's own, and one of a target's answer that has become a page."""
    def busy(_):
        return response(b"inner", ("Retry-After", "77"), status=503, phrase="Busy")

    config = editing(start_target(serve(busy)), {"default": {"Retry-After": "30"}})
    pages = {"pages": [{"on": "5xx", "body": "page"}], "intercept": True}
    config["target_groups"].append(group("none"))
    config["listeners"][0]["rules"] = [
        rule("limited", 1, {"path": ["/limited"]}, filters={"rate_limit": LIMIT_OF_ONE},
             action={"fixed_response": {"status": 200}}),
        rule("down", 2, {"path": ["/down"]}, action="none"),
        rule("page", 3, {"path": ["/page"]}, action="targets", filters={"error_pages": pages})]
    proxy = start_sluice(config)
    assert values(head_by_curl(proxy, "/limited", version), "retry-after") == ["30"]
    [seconds] = values(head_by_curl(proxy, "/limited", version), "retry-after")
    assert 1800 < int(seconds) <= 3600
    assert values(head_by_curl(proxy, "/down", version), "retry-after") == ["1"]
    assert values(head_by_curl(proxy, "/page", version), "retry-after") == ["77"]


def test_fields_that_an_answer_of_ours_has_are_renamed(start_sluice, start_target):
    config = editing(start_target(serve_body()), {"rename": {"Retry-After": "X-Retry",
                                                             "Allow": "X-Allow"}})
    config["listeners"][0]["rules"] = [
        rule("limited", 1, {"path": ["/limited"]}, filters={"rate_limit": LIMIT_OF_ONE},
             action={"fixed_response": {"status": 200}})]
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert client.ask(target="/limited").values("X-Retry") == []
        answer = client.ask(target="/limited")
    assert answer.status == 429
    assert answer.values("Retry-After") == []
    assert 1800 < int(answer.value("X-Retry")) <= 3600


def test_what_a_preflight_varies_by_is_no_gap_and_stays(start_sluice, start_target):
    proxy = start_sluice(editing(start_target(serve_body()), {"default": {"Vary": "X-Default"}},
                                 cors={"allow_origins": "*", "allow_headers": "*"}))
    with proxy.client() as client:
        answer = client.ask("OPTIONS", "/", ("Origin", "https://app.example"),
                            ("Access-Control-Request-Method", "GET"))
        assert answer.status == 204
        assert answer.values("Vary") == ["Access-Control-Request-Headers"]
        assert client.ask().values("Vary") == ["X-Default"]


def test_an_answer_that_breaks_before_it_begins_has_each_field_once(start_sluice, start_target):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n")
        connection.wait_for_close()

    proxy = start_sluice(editing(start_target(script), EDITS))
    with proxy.client() as client:
        answer = client.ask("POST", "/", body=b"x")
    assert answer.status == 502
    assert answer.values("X-Status") == ["502"]
    assert answer.values("Link") == ["</style.css>"]


def test_a_request_cannot_write_fields_of_its_answer(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(editing(target, {"set": {
        "X-Query": "#{query}", "X-Path": "#{path}", "X-Header": "#{header:X-In}"}}))
    with proxy.client() as client:
        answer = client.ask("GET", "/%0d%0aX-Evil:yes?%0d%0aX-Evil:yes&#{status}"
                            .replace("#", "%23"), ("X-In", "#{status}%0aX-Evil: yes"))
    assert answer.status == 200
    assert answer.values("X-Evil") == []
    assert answer.value("X-Path") == "/%0D%0AX-Evil:yes"
    assert answer.value("X-Query") == "%0d%0aX-Evil:yes&%23{status}"
    assert answer.value("X-Header") == "#{status}%0aX-Evil: yes"


def test_a_field_that_would_be_too_much_is_left_out_and_counted(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(editing(target, {"add": {"X-Copy": ["#{header:X-Long}"] * 20}}))
    with proxy.client() as client:
        answer = client.ask("GET", "/", ("X-Long", "a" * 4000))
        assert answer.status == 200
        assert 0 < len(answer.values("X-Copy")) < 20
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 1, reason="amended_head_too_large")


def test_the_framing_of_head_answers_and_304_stays(start_sluice, start_target):
    def answer(received):
        if received.method == "HEAD":
            return b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n"
        return b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n"

    proxy = start_sluice(editing(start_target(serve(answer)), EDITS))
    with proxy.client() as client:
        head = client.ask("HEAD")
        assert (head.value("Content-Length"), head.value("X-Status")) == ("42", "200")
        assert client.ask("GET").value("X-Status") == "304"


def test_the_switch_to_a_websocket_passes_as_it_is(start_sluice, start_target):
    proxy = start_sluice(editing(start_target(echo), EDITS))
    with opened(proxy) as client:
        assert client.answer.values("X-Status") == []
        assert echoes(client)


def test_a_rule_can_do_without(start_sluice, start_target):
    config = editing(start_target(serve(lambda _: response(b"x"))), EDITS)
    config["listeners"][0]["rules"] = [
        rule("plain", 1, {"path": ["/plain"]}, action="targets",
             filters={"response_headers": "off"})]
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert client.ask(target="/plain").values("X-Status") == []
        assert client.ask(target="/").values("X-Status") == ["200"]
