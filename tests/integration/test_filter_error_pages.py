"""The filter error_pages: pages of the operator instead of our short texts and of targets' errors."""

import subprocess

import grpc
import pytest

from support.configuration import group, listener, rule
from support.h2_target import H2Target
from support.ports import free_port
from support.sluice import reason_of
from support.target import response, serve
from support.waiting import PATIENCE

SORRY = "<h1>Sorry</h1>"


def paging(target, pages, *rules, intercept=False, **more):
    filters = {"error_pages": {"pages": pages, "intercept": intercept}, **more}
    return {"listeners": [listener("web", *rules, filters=filters, http2=True)],
            "target_groups": [group("targets", target)]}


def curl(proxy, *options):
    return subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", str(PATIENCE), *options,
         f"http://127.0.0.1:{proxy.port()}/"], capture_output=True, check=True).stdout.decode()


both = pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])


@both
def test_curl_gets_the_page_of_a_file(start_sluice, tmp_path, version):
    page = tmp_path / "sorry.html"
    page.write_text(SORRY)
    proxy = start_sluice(paging(f"127.0.0.1:{free_port()}", [{"on": ["5xx"], "file": str(page)}]))
    page.unlink()  # it was read at the start
    got = curl(proxy, version, "-w", "|%{http_code}|%{content_type}")
    assert got == f"{SORRY}|502|text/html; charset=utf-8"
    assert reason_of(proxy.only_log_line()) == "target_connect_refused"


@both
def test_head_has_the_pages_length_and_no_body(start_sluice, version):
    proxy = start_sluice(paging(f"127.0.0.1:{free_port()}", [{"on": 502, "body": SORRY}]))
    got = curl(proxy, version, "--head")
    assert f"content-length: {len(SORRY)}" in got.lower()
    assert "sorry" not in got.lower()
    with proxy.client() as client:
        assert client.ask("HEAD").status == 502
        assert client.ask("GET").body == SORRY.encode(), "nothing of a page is in between"


def test_another_status_can_be_told(start_sluice):
    proxy = start_sluice(paging(f"127.0.0.1:{free_port()}",
                                [{"on": "5xx", "body": "later", "status": 503}]))
    with proxy.client() as client:
        answer = client.ask()
    assert (answer.status, answer.body) == (503, b"later")
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (503, "target_connect_refused")


def test_refusals_of_filters_have_pages_and_fixed_responses_do_not(start_sluice, start_target):
    target = start_target(serve(lambda _: response(b"x")))
    proxy = start_sluice(paging(
        target, [{"on": ["4xx"], "body": "page"}],
        rule("fixed", 1, {"path": ["/fixed"]}, action={
            "fixed_response": {"status": 404, "body": "fixed"}}),
        rule("closed", 2, {"path": ["/closed"]}, action="targets",
             filters={"ip_access": {"deny": ["127.0.0.0/8"]}})))
    with proxy.client() as client:
        assert client.ask(target="/fixed").body == b"fixed"
        answer = client.ask(target="/closed")
        assert (answer.status, answer.body) == (403, b"page")


def failing(received):
    status = int(received.target.rpartition("/")[2])
    body = b"" if received.method == "HEAD" else b"inner details " * 10
    return response(body, ("WWW-Authenticate", "Basic realm=x"),
                    ("Set-Cookie", "a=b"), ("X-Powered-By", "PHP"), status=status, phrase="Inner")


def test_a_targets_errors_pass_unless_they_are_intercepted(start_sluice, start_target):
    pages = [{"on": ["5xx", 401], "body": "page"}]
    proxy = start_sluice(paging(start_target(serve(failing)), pages))
    with proxy.client() as client:
        assert client.ask(target="/500").body.startswith(b"inner")


def test_intercepted_errors_tell_nothing_of_the_target(start_sluice, start_target):
    target = start_target(serve(failing))
    proxy = start_sluice(paging(target, [{"on": ["5xx", 401], "body": "page"}], intercept=True,
                                response_headers={"set": {"X-Status": "#{status}"}}))
    with proxy.client() as client:
        for status in [500, 401, 503]:
            answer = client.ask(target=f"/{status}")
            assert (answer.status, answer.body) == (status, b"page")
            assert answer.values("WWW-Authenticate") == ["Basic realm=x"]
            assert answer.values("Set-Cookie") + answer.values("X-Powered-By") == []
            assert answer.values("X-Status") == [str(status)]
        head = client.ask("HEAD", "/404")
        assert head.status == 404
        assert client.ask(target="/404").body.startswith(b"inner"), "no page for it"
        assert client.ask(target="/200").status == 200
    assert {each.connection for each in target.requests} == {0}, "its connection is kept"
    lines = proxy.wait_for_log(6)
    assert (lines[0]["status"], lines[0]["target_status"], reason_of(lines[0])) == (500, 500, None)


def test_errors_of_targets_that_speak_http2_are_intercepted(start_sluice):
    def answer(connection, request):
        connection.respond(request, status=503, body=b"inner details")

    target = H2Target(answer)
    try:
        config = paging(target, [{"on": "5xx", "body": "page"}], intercept=True)
        config["target_groups"][0]["protocol_version"] = "http2"
        proxy = start_sluice(config)
        for version in ["--http1.1", "--http2-prior-knowledge"]:
            assert curl(proxy, version, "-w", "|%{http_code}") == "page|503"
    finally:
        target.close()


def test_a_long_body_that_is_not_shown_is_not_waited_for(start_sluice, start_target):
    def script(connection):
        if connection.read_request():
            connection.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 1000000\r\n\r\npart")
            connection.wait_for_close()

    proxy = start_sluice(paging(start_target(script), [{"on": "5xx", "body": "page"}],
                                intercept=True))
    with proxy.client() as client:
        for _ in range(2):
            answer = client.ask()
            assert (answer.status, answer.body) == (500, b"page")


def test_a_request_body_that_still_comes_does_not_hold_the_page(start_sluice, start_target):
    def script(connection):
        if connection.read_head():
            connection.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
            connection.wait_for_close()

    proxy = start_sluice(paging(start_target(script), [{"on": "5xx", "body": "page"}],
                                intercept=True))
    with proxy.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 100000\r\n\r\nsome")
        answer = client.response()
        assert (answer.status, answer.body) == (500, b"page")
        assert answer.says_close()


def test_grpc_clients_get_their_status_and_no_page(start_sluice):
    config = paging(f"127.0.0.1:{free_port()}", [{"on": ["5xx"], "body": "page", "status": 200}],
                    intercept=True,
                    response_headers={"set": {"Content-Type": "text/html", "X-A": "b"}})
    config["target_groups"][0]["protocol_version"] = "grpc"
    proxy = start_sluice(config)
    with grpc.insecure_channel(f"127.0.0.1:{proxy.port()}") as channel:
        call = channel.unary_unary("/test.Echo/Unary")
        with pytest.raises(grpc.RpcError) as failure:
            call(b"hello", timeout=PATIENCE)
    assert failure.value.code() == grpc.StatusCode.UNAVAILABLE
    assert failure.value.details() == "target_connect_refused"
    assert ("x-a", "b") in [tuple(each) for each in failure.value.initial_metadata()] + [
        tuple(each) for each in failure.value.trailing_metadata()]


def test_an_intercepted_head_of_a_page_with_cors_may_be_read(start_sluice, start_target):
    proxy = start_sluice(paging(start_target(serve(failing)), [{"on": "5xx", "body": "page"}],
                                intercept=True, cors={"allow_origins": ["https://app.example"]}))
    with proxy.client() as client:
        answer = client.ask("GET", "/500", ("Origin", "https://app.example"))
    assert answer.value("Access-Control-Allow-Origin") == "https://app.example"
    assert answer.body == b"page"
