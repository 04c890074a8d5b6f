"""The filter forward_auth: who is asked what, what the client and the target are told, and services
that do not do their part."""

import threading
import time

import grpc
import pytest

from support import h2_raw as h2
from support import websocket
from support.certificates import server_context
from support.client import request
from support.configuration import group, listener, site
from support.either_protocol import PROTOCOLS, exchange
from support.grpc_target import Channel, GrpcTarget
from support.h2_target import H2Target
from support.http1 import Ended
from support.ports import free_port
from support.sluice import reason_of
from support.target import answer_and_close, answer_once, response, serve, serve_body
from support.waiting import wait_for_event, wait_until

ALLOW = response(b"", ("X-User", "alice"))


def guarded(target, service, service_group=None, web=None, **settings):
    """A site that asks `service`, an object with an address, before it forwards to `target`."""
    config = site(target, log={"level": "debug"})
    web = web or {}
    config["listeners"] = [listener(
        filters={"forward_auth": {"group": "auth", **settings}}, **web)]
    config["target_groups"].append(group("auth", service, **(service_group or {})))
    return config


@pytest.fixture
def start(start_sluice, start_target):
    """A proxy, the target behind it and the service that `script` is; returns all three."""
    def begin(script, target=None, **options):
        target = target or start_target(serve_body(b"let in"))
        service = start_target(script)
        return start_sluice(guarded(target, service, **options)), target, service
    return begin


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_request_passes_after_a_2xx_and_the_service_knows_what_was_asked(start, protocol):
    proxy, target, service = start(serve(lambda _: ALLOW), answer_headers=["X-User"],
                                   web={"http2": True})
    answer = exchange(proxy, protocol, "POST", "/shop/%61?q=1&x=%0a", body=b"a body")
    assert (answer.status, answer.body) == (200, b"let in")
    asked = service.only_request()
    assert (asked.method, asked.target, asked.framing) == ("GET", "/shop/a?q=1&x=%0a", "none")
    assert asked.value("X-Forwarded-Method") == "POST"
    assert asked.value("X-Forwarded-Uri") == "/shop/a?q=1&x=%0a"
    assert asked.value("X-Forwarded-Proto") == "http"
    assert asked.value("X-Forwarded-For") == "127.0.0.1"
    assert asked.value("X-Forwarded-Host") == asked.value("Host")
    forwarded = target.only_request()
    assert (forwarded.body, forwarded.value("X-User")) == (b"a body", "alice")
    assert forwarded.value("X-Request-Id") == asked.value("X-Request-Id")
    assert asked.value("traceparent").startswith("00-")
    proxy.wait_for_metric_value("sluice_forward_auth_requests_total", 1, target_group="auth",
                                result="allowed")


def test_the_service_is_asked_on_one_connection_again_and_again(start):
    proxy, target, service = start(serve_body(b"a body that nobody needs"))
    with proxy.client() as client:
        for _ in range(20):
            assert client.ask().status == 200
    wait_until(lambda: len(service.requests) == 20, "the service was asked each time")
    # A body that comes a moment after its head is read beside the request, which may be over first.
    assert len(service.connections) <= 3
    assert len(target.connections) == 1


def test_only_listed_headers_reach_the_service_and_forged_ones_reach_nobody(start):
    proxy, target, service = start(serve(lambda _: response(b"")), path="/verify?for=shop",
                                   request_headers=["Authorization", "X-Tenant"],
                                   answer_headers=["X-User", "X-Groups"])
    trace = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
    with proxy.client() as client:
        answer = client.ask(
            "GET", "/", ("Authorization", "Bearer abc"), ("X-Tenant", "blue"), ("Cookie", "a=b"),
            ("X-Other", "1"), ("X-User", "root"), ("X_User", "root"), ("x.user", "root"),
            ("X-Groups", "wheel"), ("X-Forwarded-Uri", "/public"), ("X-Forwarded-Method", "HEAD"),
            ("X-Forwarded-For", "10.9.9.9"), ("X-Forwarded-Host", "evil.test"),
            ("X-Request-Id", "forged"), ("traceparent", trace))
        assert answer.status == 200
    asked = service.only_request()
    assert asked.target == "/verify?for=shop"
    assert asked.value("Authorization") == "Bearer abc"
    assert asked.value("X-Tenant") == "blue"
    for name in ("Cookie", "X-Other", "X-User", "X_User", "X-Groups"):
        assert asked.values(name) == []
    assert asked.value("X-Forwarded-Uri") == "/"
    assert asked.value("X-Forwarded-Method") == "GET"
    assert asked.value("X-Forwarded-For") == "127.0.0.1"
    assert asked.value("X-Forwarded-Host") == "site.test"
    assert asked.value("X-Request-Id") != "forged"
    assert asked.value("traceparent")[:35] == trace[:35] and asked.value("traceparent") != trace
    # The service said nothing of them: then nobody does.
    forwarded = target.only_request()
    for name in ("X-User", "X_User", "x.user", "X-Groups"):
        assert forwarded.values(name) == []
    assert forwarded.value("X-Tenant") == "blue"


def test_several_fields_of_one_name_reach_the_target_in_the_place_of_the_clients(start):
    answer = response(b"", ("X-Group", "a"), ("X-Group", "b"), ("X-Secret", "s"))
    proxy, target, _ = start(serve(lambda _: answer), answer_headers=["X-Group", "Authorization"])
    with proxy.client() as client:
        assert client.ask("GET", "/", ("X-Group", "wheel"), ("Authorization", "x")).status == 200
    assert target.only_request().values("X-Group") == ["a", "b"]
    assert target.only_request().values("X-Secret") == []
    assert target.only_request().values("Authorization") == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status, fields", [
    (401, [("WWW-Authenticate", 'Basic realm="shop"')]),
    (403, []),
    (302, [("Location", "https://login.test/?back=%2F"), ("Set-Cookie", "state=1; Secure")]),
    (307, [("Location", "/login")]),
])
def test_refusals_and_redirects_are_the_clients_answer(start, protocol, status, fields):
    refusal = response(b"<p>no</p>", *fields, ("Content-Type", "text/html"), ("X-Inner", "secret"),
                       status=status, phrase="No")
    proxy, target, _ = start(serve(lambda _: refusal), web={"http2": True})
    answer = exchange(proxy, protocol, target="/private")
    assert (answer.status, answer.body) == (status, b"<p>no</p>")
    assert answer.value("Content-Type") == "text/html"
    for name, value in fields:
        assert answer.value(name) == value
    assert answer.value("X-Inner") is None
    assert target.requests == []
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (status, "forward_auth_denied")
    proxy.wait_for_metric_value("sluice_forward_auth_requests_total", 1, target_group="auth",
                                result="denied")


def test_a_connection_lives_on_after_a_refusal(start):
    answers = [response(b"no", status=403, phrase="No"), ALLOW, response(b"", status=401)]
    proxy, target, _ = start(serve(lambda _: answers.pop(0)))
    with proxy.client() as client:
        assert client.ask().status == 403
        assert client.ask().status == 200
        head = client.ask("HEAD")
        assert (head.status, head.body) == (401, b"")
    assert len(target.requests) == 1


@pytest.mark.parametrize("body, bound, expected", [
    (b"x" * 1024, "1KiB", b"x" * 1024),
    (b"x" * 1025, "1KiB", b""),
    (b"", "1KiB", b""),
    (b"x", 0, b""),
])
def test_the_body_of_a_refusal_passes_up_to_a_bound(start, body, bound, expected):
    proxy, _, _ = start(serve(lambda _: response(body, status=403, phrase="No")),
                        answer_bytes=bound)
    with proxy.client() as client:
        answer = client.ask()
        assert (answer.status, answer.body) == (403, expected)
        assert client.ask().status == 403


def endless(connection):
    connection.read_request()
    connection.send(b"HTTP/1.1 403 No\r\n\r\n")
    while True:
        connection.send(b"y" * 65536)


def hanging_body(connection):
    connection.read_request()
    connection.send(b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nhalf")
    connection.wait_for_close()


def broken_body(connection):
    connection.read_request()
    connection.send(b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n")
    connection.wait_for_close()


@pytest.mark.parametrize("script", [endless, hanging_body, broken_body])
@pytest.mark.parametrize("fail_open", [False, True])
def test_a_refusal_stands_whatever_becomes_of_its_body(start, script, fail_open):
    proxy, target, _ = start(script, timeout="3s", fail_open=fail_open)
    with proxy.client() as client:
        answer = client.ask()
        assert (answer.status, answer.body) == (403, b"")
    assert target.requests == []


def silent(connection):
    connection.read_request()
    connection.wait_for_close()


def dripping(connection):
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.send(b"X-A: 1\r\n")
        if connection.target.stopped.wait(0.05):
            return


FAULTS = [
    (silent, 504, "forward_auth_timeout"),
    (dripping, 504, "forward_auth_timeout"),
    (answer_and_close(b""), 502, "forward_auth_failed"),
    (answer_and_close(b"HTTP/1.1 200 O"), 502, "forward_auth_failed"),
    (answer_once(b"SSH-2.0-garbage\r\n\r\n"), 502, "forward_auth_failed"),
    (answer_once(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), 502,
     "forward_auth_failed"),
    (answer_once(b"HTTP/1.1 200 OK\r\nX-Big: " + b"x" * (1 << 20) + b"\r\n\r\n"), 502,
     "forward_auth_failed"),
    (answer_once(b"HTTP/1.1 103 Early\r\n\r\n" * 200), 502, "forward_auth_failed"),
    (serve(lambda _: response(b"", status=500)), 502, "forward_auth_failed"),
    (serve(lambda _: response(b"", status=302)), 502, "forward_auth_failed"),  # no Location
    (serve(lambda _: response(b"", status=304)), 502, "forward_auth_failed"),
    (serve(lambda _: response(b"", *[("X-User", "u" * 8000)] * 5)), 502, "forward_auth_failed"),
]


@pytest.mark.parametrize("script, status, reason", FAULTS,
                         ids=[f"{number}-{reason}" for number, (_, _, reason) in enumerate(FAULTS)])
def test_without_a_verdict_nobody_passes_unless_fail_open_says_so(start_sluice, start_target, script,
                                                                  status, reason):
    target = start_target(serve_body(b"let in"))
    service = start_target(script)
    service.stopped = threading.Event()
    settings = {"answer_headers": ["X-User"]}
    # A limit that the ordinary way does not reach, so that what is expected to fail fails of itself.
    patient = "500ms" if status == 504 else "20s"
    proxy = start_sluice(guarded(target, service, timeout=patient, **settings))
    with proxy.client() as client:
        answer = client.ask()
        assert answer.status == status
        assert reason_of(proxy.only_log_line()) == reason
        assert target.requests == []
    proxy.reload(guarded(target, service, timeout=patient, fail_open=True, **settings))
    with proxy.client() as client:
        answer = client.ask("GET", "/", ("X-User", "root"))
        assert (answer.status, answer.body) == (200, b"let in")
    assert target.only_request().values("X-User") == []
    proxy.wait_for_metric_value("sluice_forward_auth_requests_total", 1, target_group="auth",
                                result="failed_open")
    proxy.wait_for_metric_value("sluice_forward_auth_requests_total", 1, target_group="auth",
                                result="failed")
    service.stopped.set()


@pytest.mark.parametrize("status", [400, 404, 414, 431])
def test_an_error_that_a_client_may_provoke_passes_nobody(start, status):
    proxy, target, service = start(serve(lambda _: response(b"too long", status=status)),
                                   fail_open=True)
    with proxy.client() as client:
        assert client.ask().status == 403
    assert reason_of(proxy.only_log_line()) == "forward_auth_denied"
    proxy.reload(guarded(target, service))
    with proxy.client() as client:
        assert client.ask().status == 502
    assert target.requests == []


@pytest.mark.parametrize("intercept", [False, True])
def test_what_describes_a_refusals_body_goes_with_it(start_sluice, start_target, intercept):
    fields = [("Content-Encoding", "gzip"), ("ETag", '"a"'), ("X-Why", "no")]
    service = start_target(serve(lambda _: response(b"theirs", *fields, status=403)))
    config = guarded(start_target(serve_body()), service, answer_bytes=100 if intercept else 0,
                     denied_headers=["Content-Encoding", "ETag", "X-Why"])
    config["listeners"][0]["filters"]["error_pages"] = {
        "pages": [{"on": ["4xx"], "body": "ours"}], "intercept": intercept}
    proxy = start_sluice(config)
    with proxy.client() as client:
        answer = client.ask()
    assert (answer.status, answer.body) == (403, b"ours" if intercept else b"")
    assert answer.values("Content-Encoding") == answer.values("ETag") == []
    assert answer.value("X-Why") == "no"


def test_a_service_that_is_not_there_is_503(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(guarded(target, f"127.0.0.1:{free_port()}"))
    with proxy.client() as client:
        answer = client.ask()
        assert (answer.status, answer.value("Retry-After")) == (503, "1")
    assert reason_of(proxy.only_log_line()) == "forward_auth_unavailable"
    assert target.requests == []


def test_a_dead_target_of_the_service_is_passed_over(start_sluice, start_target):
    target = start_target(serve_body(b"let in"))
    service = start_target(serve(lambda _: ALLOW))
    config = guarded(target, service)
    config["target_groups"][1] = group("auth", f"127.0.0.1:{free_port()}", service)
    proxy = start_sluice(config)
    with proxy.client() as client:
        for _ in range(6):
            assert client.ask().status == 200
    assert proxy.metric("sluice_target_connection_errors_total", target_group="auth") >= 1


def test_a_kept_connection_that_the_service_has_closed_costs_no_request(start):
    def one_each(connection):
        if connection.read_request() is not None:
            connection.send(ALLOW)

    proxy, target, _ = start(one_each)
    with proxy.client() as client:
        for _ in range(20):
            assert client.ask().status == 200
    assert len(target.requests) == 20


def test_the_groups_limits_hold_for_questions_too(start):
    release = threading.Event()
    seen = threading.Semaphore(0)

    def slow(connection):
        while connection.read_request():
            seen.release()
            wait_for_event(release)
            connection.send(ALLOW)

    proxy, target, service = start(slow, service_group={
        "limits": {"max_requests": 1, "queue": 1, "queue_timeout": "20s"}}, timeout="20s")
    clients = [proxy.client() for _ in range(3)]
    try:
        clients[0].send(request())
        assert seen.acquire(timeout=20)
        clients[1].send(request())
        proxy.wait_for_metric_value("sluice_target_queue_requests", 1, target_group="auth")
        refused = clients[2].ask()
        assert refused.status == 503
        assert reason_of(proxy.only_log_line()) == "forward_auth_unavailable"
        release.set()
        assert clients[0].response().status == 200
        assert clients[1].response().status == 200
    finally:
        for client in clients:
            client.close()
    assert len(service.connections) == 1
    proxy.wait_for_metric_value("sluice_target_active_requests", 0, target_group="auth")


def test_nothing_of_the_body_is_asked_for_before_the_verdict(start):
    release = threading.Event()

    def slow(connection):
        while connection.read_request():
            wait_for_event(release)
            connection.send(ALLOW)

    proxy, target, service = start(slow)
    with proxy.client() as client:
        client.send(b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                    b"Expect: 100-continue\r\n\r\n")
        service.wait_for_requests(1)
        client.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(20)
        release.set()
        assert client.response_head().status == 100
        client.send(b"12345")
        assert client.response().status == 200
    assert target.only_request().body == b"12345"


def test_a_refused_upload_is_answered_without_100_and_without_its_body(start):
    proxy, target, _ = start(serve(lambda _: response(b"no", status=403, phrase="No")))
    with proxy.client() as client:
        client.send(b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n"
                    b"Expect: 100-continue\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer.body) == (403, b"no")
        assert answer.says_close()
    assert target.requests == []


def test_a_client_that_leaves_ends_the_question(start):
    gone = threading.Event()

    def waits(connection):
        connection.read_request()
        try:
            connection.wire.read_to_end()
        except Ended:
            pass
        gone.set()

    proxy, target, service = start(waits, timeout="60s")
    client = proxy.client()
    client.send(request())
    service.wait_for_requests(1)
    client.reset()
    wait_for_event(gone)
    assert reason_of(proxy.only_log_line()) == "client_closed"
    assert target.requests == []
    proxy.wait_for_metric_value("sluice_target_active_requests", 0, target_group="auth")


def test_a_websocket_is_opened_after_the_verdict_or_not_at_all(start_sluice, start_target):
    target = start_target(websocket.echo)
    verdicts = [response(b"no", status=401, phrase="No"), ALLOW]
    service = start_target(serve(lambda _: verdicts.pop(0)))
    proxy = start_sluice(guarded(target, service, answer_headers=["X-User"]))
    with proxy.client() as client:
        client.send(websocket.handshake("/chat", ("X-User", "root")))
        assert client.response().status == 401
    assert target.requests == []
    with websocket.opened(proxy, target="/chat") as client:
        websocket.echoes(client)
    assert service.requests[0].value("X-Forwarded-Method") == "GET"
    assert service.requests[0].values("Upgrade") == []
    assert service.requests[0].values("Connection") == []
    assert [each.values("X-User") for each in target.requests] == [["alice"]]


def test_a_websocket_over_http2_is_opened_after_the_verdict_or_not_at_all(start_sluice, start_target):
    target = start_target(websocket.echo)
    verdicts = [response(b"no", status=401, phrase="No"), ALLOW]
    service = start_target(serve(lambda _: verdicts.pop(0)))
    proxy = start_sluice(guarded(target, service, web={"http2": True}))
    with h2.Connection.open(proxy.port()) as connection:
        connection.handshake()
        for stream, status in ((1, 401), (3, 200)):
            connection.send(h2.headers(stream, h2.block(
                (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"),
                (":path", "/chat"), (":authority", "site.test"), ("sec-websocket-version", "13")),
                flags=h2.END_HEADERS))
            got = connection.stream(stream)
            connection.read_until(lambda: got.status is not None or got.reset is not None)
            assert got.status == status
        connection.send(h2.data(3, websocket.frame(websocket.TEXT, b"hello", masked=True)))
        connection.read_until(lambda: got.content.endswith(b"hello"))
    assert len(target.requests) == 1
    assert [each.value("X-Forwarded-Method") for each in service.requests] == ["GET", "GET"]


def test_a_service_has_health_checks_as_any_group(start_sluice, start_target):
    target, service = start_target(serve_body()), start_target(serve(lambda _: ALLOW))
    start_sluice(guarded(target, service, {"health_check": {"path": "/health", "interval": "1s"}}))
    wait_until(lambda: any(each.target == "/health" for each in service.requests),
               "the service is checked")


def test_a_proxy_header_before_a_question_names_the_client(start_sluice, start_target):
    lines = []

    def script(connection):
        lines.append(connection.wire.read_until(b"\r\n"))
        if connection.read_request():
            connection.send(ALLOW)
            connection.wait_for_close()

    target = start_target(serve_body(b"let in"))
    service = start_target(script)
    proxy = start_sluice(guarded(target, service, {"proxy_protocol": "v1"}))
    with proxy.client() as client:
        for _ in range(2):
            assert client.ask().status == 200
        port = client.address.rpartition(":")[2].encode()
    assert len(lines) == 2 and all(line.split()[4] == port for line in lines), lines
    assert service.requests[0].says_close()


def test_a_question_is_hashed_as_its_request(start_sluice, start_target):
    target = start_target(serve_body(b"let in"))
    services = [start_target(serve(lambda _: ALLOW)) for _ in range(4)]
    config = guarded(target, services[0], {"algorithm": "consistent_hash",
                                           "hash_key": {"header": "X-Key"}})
    config["target_groups"][1]["targets"] = [{"address": each.address} for each in services]
    proxy = start_sluice(config)
    with proxy.client() as client:
        for _ in range(12):
            assert client.ask("GET", "/", ("X-Key", "one")).status == 200
    assert sorted(len(each.requests) for each in services) == [0, 0, 0, 12]


def test_calls_of_grpc_are_refused_in_its_own_words(start_sluice, start_target):
    target = GrpcTarget()
    try:
        verdicts = [response(b"no", status=401), response(b"no", status=403),
                    response(b"", ("Location", "/login"), status=302), ALLOW]
        service = start_target(serve(lambda _: verdicts.pop(0)))
        config = guarded(target, service, web={"http2": True})
        config["target_groups"][0]["protocol_version"] = "grpc"
        proxy = start_sluice(config)
        channel = Channel(proxy.port("web"))
        try:
            codes = []
            for _ in range(3):
                with pytest.raises(grpc.RpcError) as raised:
                    channel.unary(b"x", timeout=20)
                codes.append(raised.value.code())
            assert codes == [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED,
                             grpc.StatusCode.UNAUTHENTICATED]
            channel.unary(b"x", timeout=20)
        finally:
            channel.close()
        assert service.requests[0].value("X-Forwarded-Method") == "POST"
    finally:
        target.close()


def test_a_service_that_refuses_streams_is_not_asked_without_end(start_sluice, start_target):
    asked = []

    def refuse(connection, question):
        asked.append(question)
        connection.reset(question, 7)  # REFUSED_STREAM

    service = H2Target(refuse)
    try:
        proxy = start_sluice(guarded(
            start_target(serve_body()), service,
            {"protocol_version": "http2", "limits": {"max_connections": 1}}, timeout="20s"))
        with proxy.client() as client:
            assert client.ask().status in (502, 503)
        assert len(asked) <= 2
    finally:
        service.close()


def test_a_service_may_speak_http2(start_sluice, start_target):
    seen = []

    def answer(connection, asked):
        seen.append(asked)
        status = 403 if asked.headers[":path"] == "/no" else 200
        connection.respond(asked, status, b"body", [("x-user", "alice")])

    service = H2Target(answer)
    try:
        target = start_target(serve_body(b"let in"))
        proxy = start_sluice(guarded(target, service, {"protocol_version": "http2"},
                                     answer_headers=["X-User"]))
        with proxy.client() as client:
            assert client.ask("POST", "/yes", body=b"abc").status == 200
            denied = client.ask("GET", "/no", ("Authorization", "Basic eA=="))
            assert (denied.status, denied.body) == (403, b"body")
        assert target.only_request().value("X-User") == "alice"
        assert [each.headers[":method"] for each in seen] == ["GET", "GET"]
        assert seen[0].headers["x-forwarded-method"] == "POST"
        assert seen[0].headers[":authority"] == "site.test"
        assert seen[1].headers["authorization"] == "Basic eA=="
        assert len(service.connections) == 1
    finally:
        service.close()


def test_a_service_may_be_behind_tls(start_sluice, start_target, authority, certificate):
    target = start_target(serve_body(b"let in"))
    service = start_target(serve(lambda _: ALLOW), tls=server_context(certificate))
    proxy = start_sluice(guarded(target, service, {
        "protocol": "https", "tls": {"ca": str(authority.cert), "server_name": "site.test"}}))
    with proxy.client() as client:
        assert client.ask().status == 200
    assert len(service.requests) == 1


def test_questions_under_way_outlive_a_reload_that_takes_their_group_away(start_sluice, start_target):
    release = threading.Event()

    def slow(connection):
        while connection.read_request():
            wait_for_event(release)
            connection.send(ALLOW)

    target = start_target(serve_body(b"let in"))
    service = start_target(slow)
    proxy = start_sluice(guarded(target, service, answer_headers=["X-User"]))
    with proxy.client() as client:
        client.send(request())
        service.wait_for_requests(1)
        proxy.reload(site(target))
        release.set()
        assert client.response().status == 200
        assert client.ask().status == 200
    assert [each.values("X-User") for each in target.requests] == [["alice"], []]
    assert len(service.requests) == 1


def test_a_drain_waits_for_the_verdict_and_its_deadline_does_not(start_sluice, start_target):
    release = threading.Event()

    def slow(connection):
        while connection.read_request():
            wait_for_event(release)
            connection.send(ALLOW)

    target = start_target(serve_body(b"let in"))
    proxy = start_sluice({**guarded(target, service := start_target(slow)),
                          "shutdown": {"deadline": "20s"}})
    with proxy.client() as client:
        client.send(request())
        service.wait_for_requests(1)
        proxy.send_signal(15)
        proxy.wait_for_error_log("drain")
        release.set()
        assert client.response().status == 200
    assert proxy.wait_for_exit() == 0

    held = start_target(silent)
    proxy = start_sluice({**guarded(target, held, timeout="60s"), "shutdown": {"deadline": "500ms"}})
    with proxy.client() as client:
        client.send(request())
        held.wait_for_requests(1)
        began = time.monotonic()
        proxy.send_signal(15)
        assert proxy.wait_for_exit() == 0
        assert time.monotonic() - began < 20
    assert len(target.requests) == 1


def test_a_question_at_a_target_that_leaves_ends_with_its_deregistration_delay(start_sluice,
                                                                              start_target):
    target, service = start_target(serve_body(b"let in")), start_target(silent)
    config = guarded(target, service, {"deregistration_delay": "1s"}, timeout="60s")
    proxy = start_sluice(config)
    with proxy.client() as client:
        client.send(request())
        service.wait_for_requests(1)
        config["target_groups"][1] = group("auth", start_target(serve(lambda _: ALLOW)))
        proxy.reload(config)
        assert client.response().status == 503
        assert client.ask().status == 200
    assert reason_of(proxy.wait_for_log(2)[0]) == "forward_auth_unavailable"


def test_an_empty_list_copies_nothing(start):
    proxy, target, service = start(serve(lambda _: ALLOW), request_headers=[])
    with proxy.client() as client:
        assert client.ask("GET", "/", ("Authorization", "x"), ("Cookie", "a=b")).status == 200
    asked = service.only_request()
    assert asked.values("Authorization") == asked.values("Cookie") == []
    assert target.only_request().value("Authorization") == "x"


def test_options_for_the_whole_server_is_asked_about_at_the_root(start):
    proxy, target, service = start(serve(lambda _: ALLOW))
    with proxy.client() as client:
        assert client.ask("OPTIONS", "*").status == 200
    assert service.only_request().target == "/"
    assert service.only_request().value("X-Forwarded-Uri") == "*"
    assert target.only_request().target == "*"


def test_error_pages_take_a_refusals_place_only_when_they_intercept(start_sluice, start_target):
    target = start_target(serve_body())
    service = start_target(serve(lambda _: response(b"theirs", status=403, phrase="No")))
    config = guarded(target, service)
    pages = {"pages": [{"on": ["4xx"], "body": "ours"}]}
    config["listeners"][0]["filters"]["error_pages"] = pages
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert client.ask().body == b"theirs"
    config["listeners"][0]["filters"]["error_pages"] = {**pages, "intercept": True}
    proxy.reload(config)
    with proxy.client() as client:
        answer = client.ask()
        assert (answer.status, answer.body) == (403, b"ours")
