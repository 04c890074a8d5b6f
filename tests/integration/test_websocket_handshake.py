"""The WebSocket handshake (RFC 6455 4): what is passed on, what is refused, and that bytes behind
a request that was not upgraded are never read as another one."""

import threading

import pytest
from support.client import request
from support.configuration import group, listener, rule, site
from support.sluice import reason_of
from support.target import answer_once, response, serve, serve_body
from support.websocket import (BINARY, KEY, TEXT, accept_handshake, accept_of, echo, echoes, frame,
                               handshake, opened, read_frame, switching)


@pytest.fixture
def echoing(start_sluice, start_target):
    target = start_target(echo)
    return start_sluice(site(target)), target


# --- accepted ------------------------------------------------------------------------------------

def test_a_handshake_is_passed_on_and_answered(echoing):
    proxy, target = echoing
    with opened(proxy, ("Origin", "https://site.test")) as client:
        assert client.answer.value("Upgrade").lower() == "websocket"
        assert client.answer.value("Connection").lower() == "upgrade"
        assert client.answer.value("Sec-WebSocket-Accept") == accept_of(KEY)
        assert client.answer.values("Content-Length") == []
        assert echoes(client)
    passed = target.requests[0]
    assert passed.value("Upgrade").lower() == "websocket"
    assert passed.value("Connection").lower() == "upgrade"
    assert passed.value("Sec-WebSocket-Key") == KEY
    assert passed.value("Sec-WebSocket-Version") == "13"
    assert passed.value("Origin") == "https://site.test"
    assert passed.value("X-Forwarded-For") == "127.0.0.1"


@pytest.mark.parametrize("options", [
    {"upgrade": "WebSocket", "connection": "keep-alive, UPGRADE"},
    {"upgrade": "foo/2, websocket"},
], ids=["letters of any case and other options", "several protocols"])
def test_what_else_asks_for_a_websocket(echoing, options):
    proxy, target = echoing
    with proxy.client() as client:
        client.send(handshake(**options))
        assert client.response_head().status == 101
        assert echoes(client)
    assert target.requests[0].value("Upgrade").lower() == "websocket", "and nothing else is offered"


def test_subprotocols_and_extensions_pass_both_ways(start_sluice, start_target):
    asked = [("Sec-WebSocket-Protocol", "chat, superchat"),
             ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")]
    chosen = [("Sec-WebSocket-Protocol", "chat"),
              ("Sec-WebSocket-Extensions", "permessage-deflate")]
    target = start_target(lambda connection: echo(connection, *chosen))
    proxy = start_sluice(site(target))
    with opened(proxy, *asked) as client:
        for name, value in chosen:
            assert client.answer.value(name) == value
    for name, value in asked:
        assert target.requests[0].value(name) == value


def test_a_sticky_session_begins_with_the_101_and_leads_back(start_sluice, start_target):
    targets = [start_target(echo) for _ in range(2)]
    config = site(*targets)
    config["target_groups"][0]["stickiness"] = {"type": "lb_cookie"}
    proxy = start_sluice(config)
    with opened(proxy) as client:
        cookie = client.answer.value("Set-Cookie").partition(";")[0]
    for _ in range(4):
        with opened(proxy, ("Cookie", cookie)) as client:
            assert echoes(client)
    assert sorted(len(target.requests) for target in targets) == [0, 5]


def test_fields_of_the_targets_101_pass(start_sluice, start_target):
    proxy = start_sluice(site(start_target(
        lambda connection: echo(connection, ("Set-Cookie", "a=1"), ("X-Server", "one")))))
    with opened(proxy) as client:
        assert client.answer.value("Set-Cookie") == "a=1"
        assert client.answer.value("X-Server") == "one"


# --- refused by the proxy ------------------------------------------------------------------------

@pytest.mark.parametrize("options, fields", [
    ({"key": None}, []),
    ({"key": "c2hvcnQ="}, []),
    ({"key": "x" * 24}, []),
    ({"key": "sixteen*bytes*long!!!!=="}, []),
    ({}, [("Sec-WebSocket-Key", KEY)]),
    ({"method": "POST"}, []),
    ({"method": "HEAD"}, []),
], ids=["no key", "short key", "not base64 of 16 bytes", "not base64", "two keys", "POST", "HEAD"])
def test_a_wrong_handshake_is_refused(echoing, options, fields):
    proxy, target = echoing
    with proxy.client() as client:
        client.send(handshake("/", *fields, **options))
        answer = client.response(options.get("method", "GET"))
        assert (answer.status, answer.says_close()) == (400, True)
        assert client.is_closed_by_peer()
    assert reason_of(proxy.only_log_line()) == "websocket_handshake_invalid"
    assert not target.requests


@pytest.mark.parametrize("version", ["12", "8", "13, 8", "", None])
def test_another_version_is_told_the_right_one(echoing, version):
    proxy, target = echoing
    with proxy.client() as client:
        client.send(handshake(sec_version=version))
        answer = client.response()
        assert answer.status == 426
        assert answer.value("Sec-WebSocket-Version") == "13"
        assert answer.value("Upgrade") == "websocket"
        options = ",".join(answer.values("Connection")).lower()
        assert "upgrade" in options, "what has Upgrade names it there (RFC 9110 7.8)"
    assert reason_of(proxy.only_log_line()) == "websocket_version_not_supported"
    assert not target.requests


# --- ordinary requests ---------------------------------------------------------------------------

@pytest.mark.parametrize("options", [
    {"version": "1.0"},
    {"connection": None},
    {"connection": "keep-alive"},
    {"upgrade": "h2c", "connection": "Upgrade, HTTP2-Settings"},
    {"upgrade": "foo"},
    {"upgrade": "websocket2"},
], ids=["HTTP/1.0", "no Connection", "not in Connection", "h2c", "foo", "nearly"])
def test_what_asks_for_no_websocket_is_an_ordinary_request(start_sluice, start_target, options):
    target = start_target(serve_body(b"ordinary"))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(handshake(**options))
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"ordinary")
    passed = target.only_request()
    assert passed.values("Upgrade") == []
    assert "upgrade" not in ",".join(passed.values("Connection")).lower()


def test_a_group_may_have_it_off(start_sluice, start_target):
    target = start_target(serve_body(b"ordinary"))
    config = site(target)
    config["target_groups"][0]["websocket"] = "off"
    proxy = start_sluice(config)
    with proxy.client() as client:
        client.send(handshake())
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"ordinary")
    assert target.only_request().values("Upgrade") == []


# --- T6: bytes that come early -------------------------------------------------------------------

def test_bytes_behind_the_request_wait_for_the_101(start_sluice, start_target):
    """The target looks for them before it answers: it must not find any."""
    early, may_answer = [], threading.Event()

    def script(connection):
        received = connection.read_head()
        connection.wait(may_answer)
        connection.socket.setblocking(False)
        try:
            early.append(bytes(connection.wire.buffer) + connection.socket.recv(1))
        except BlockingIOError:
            early.append(bytes(connection.wire.buffer))
        connection.socket.settimeout(20)
        connection.send(switching(received.value("Sec-WebSocket-Key")))
        connection.send(frame(BINARY, read_frame(connection.wire).payload))
        connection.wait_for_close()

    target = start_target(script)
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(handshake() + frame(TEXT, b"early", masked=True)[:4])
        target.wait_for_requests(1)
        client.send(frame(TEXT, b"early", masked=True)[4:])
        with proxy.client() as other:  # the proxy has been through its loop since
            other.send(b"GET\r\n\r\n")
            assert other.response().status == 400
        may_answer.set()
        assert client.response_head().status == 101
        assert read_frame(client.wire).payload == b"early"
    assert early == [b""]


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 426, 500])
def test_bytes_behind_a_refused_upgrade_are_no_second_request(start_sluice, start_target, status):
    """Smuggling: what the client sent for the other protocol is never read as HTTP."""
    target = start_target(serve(lambda _: response(b"no", status=status)))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(handshake("/socket") + request("GET", "/smuggled"))
        answer = client.response()
        assert (answer.status, answer.body, answer.says_close()) == (status, b"no", True)
        assert client.rest() == b""
    assert [line["target"] for line in proxy.final_log()] == ["/socket"]
    assert [each.target for each in target.requests] == ["/socket"]


def test_bytes_that_come_later_are_no_second_request_either(start_sluice, start_target):
    target = start_target(serve_body(b"no"))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(handshake("/socket"))
        assert client.response().says_close()
        client.send_if_open(request("GET", "/smuggled"))
        assert client.rest() == b""
    assert [line["target"] for line in proxy.final_log()] == ["/socket"]


@pytest.mark.parametrize("action", [
    {"redirect": {"status": 302, "host": "elsewhere.test"}},
    {"fixed_response": {"status": 403, "content_type": "text/plain", "body": "no"}},
], ids=["redirect", "fixed response"])
def test_an_answer_of_the_proxy_ends_the_connection_too(start_sluice, start_target, action):
    target = start_target(serve_body())
    proxy = start_sluice({
        "listeners": [listener("web", rule("own", 1, {"path": ["/socket"]}, action=action))],
        "target_groups": [group("targets", target)]})
    with proxy.client() as client:
        client.send(handshake("/socket") + request("GET", "/smuggled"))
        assert client.response().says_close()
        assert client.rest() == b""
    assert [line["target"] for line in proxy.final_log()] == ["/socket"]
    assert not target.requests


def test_an_upgrade_that_is_ignored_ends_the_connection_too(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(handshake("/socket", upgrade="foo") + request("GET", "/smuggled"))
        assert client.response().says_close()
        assert client.rest() == b""
    assert [line["target"] for line in proxy.final_log()] == ["/socket"]


# --- wrong answers of targets --------------------------------------------------------------------

@pytest.mark.parametrize("answer", [
    switching(accept="AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    switching(accept=KEY),
    switching(upgrade=None),
    switching(upgrade="h2c"),
    switching(connection=None),
    switching(KEY, ("Sec-WebSocket-Accept", accept_of(KEY))),
], ids=["another key", "the key itself", "no Upgrade", "another Upgrade", "no Connection", "twice"])
def test_a_101_that_does_not_accept_what_was_asked_is_502(start_sluice, start_target, answer):
    proxy = start_sluice(site(start_target(answer_once(answer + frame(TEXT, b"hello")))))
    with proxy.client() as client:
        client.send(handshake())
        answered = client.response()
        assert (answered.status, answered.says_close()) == (502, True)
        assert client.rest() == b""
    line = proxy.only_log_line()
    assert reason_of(line) == "target_upgrade_invalid"
    assert proxy.metric("sluice_tunnels_total") == 0


@pytest.mark.parametrize("data", [request(), handshake(upgrade="foo"), handshake(connection=None)],
                         ids=["GET", "foo", "no Connection"])
def test_a_101_that_nobody_asked_for_is_502(start_sluice, start_target, data):
    proxy = start_sluice(site(start_target(answer_once(switching()))))
    with proxy.client() as client:
        client.send(data)
        assert client.response().status == 502
    assert reason_of(proxy.only_log_line()) == "target_response_malformed"


def test_a_target_that_hangs_before_the_101_is_504(start_sluice, start_target):
    proxy = start_sluice(site(start_target(lambda connection: connection.wait_for_close()),
                              timeouts={"response_header": "200ms"}))
    with proxy.client() as client:
        client.send(handshake())
        assert client.response().status == 504
    assert reason_of(proxy.only_log_line()) == "target_response_timeout"


def test_a_target_that_leaves_before_the_101_is_502(start_sluice, start_target):
    proxy = start_sluice(site(start_target(lambda connection: connection.read_head())))
    with proxy.client() as client:
        client.send(handshake())
        assert client.response().status == 502


def test_bytes_with_the_101_belong_to_the_new_protocol(start_sluice, start_target):
    def script(connection):
        received = connection.read_head()
        connection.send(switching(received.value("Sec-WebSocket-Key")) + frame(TEXT, b"at once"))
        connection.wait_for_close()

    proxy = start_sluice(site(start_target(script)))
    with opened(proxy) as client:
        assert read_frame(client.wire).payload == b"at once"


def test_a_connection_that_was_upgraded_is_not_used_again(start_sluice, start_target):
    """Neither side's: the target sees a new one for the next request."""
    def script(connection):
        if accept_handshake(connection) is not None:
            connection.wait_for_close()

    target = start_target([script, serve_body(b"fresh")])
    proxy = start_sluice(site(target))
    with opened(proxy):
        pass
    proxy.wait_for_log(1)
    with proxy.client() as client:
        assert client.ask().body == b"fresh"
    assert target.requests[-1].connection == 1
