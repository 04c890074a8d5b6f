"""The filter mirror: what the copies are, what they cost nobody, and targets that do their worst to
them."""

import threading

import pytest

from support import websocket
from support.client import request
from support.configuration import group, listener, rule, site
from support.either_protocol import PROTOCOLS, exchange
from support.grpc_target import Channel, GrpcTarget
from support.h2_target import H2Target
from support.http1 import chunked
from support.ports import free_port
from support.target import answer_and_close, answer_once, response, serve, serve_body
from support.waiting import wait_for_event, wait_until

COPIES = "sluice_mirrored_requests_total"


def mirrored(target, shadow, shadow_group=None, web=None, **settings):
    """A site that sends copies of what it forwards to `target` to `shadow`, which has an address."""
    config = site(target)
    config["listeners"] = [listener(filters={"mirror": {"group": "shadow", **settings}},
                                    **(web or {}))]
    config["target_groups"].append(group("shadow", shadow, **(shadow_group or {})))
    return config


@pytest.fixture
def start(start_sluice, start_target):
    """A proxy, its target and the target of the copies that `script` is."""
    def begin(script=None, target=None, **options):
        target = target or start_target(serve_body(b"the answer"))
        shadow = start_target(script or serve_body(b"nobody reads this"))
        return start_sluice(mirrored(target, shadow, **options)), target, shadow
    return begin


def results(proxy, **counts):
    for result, count in counts.items():
        proxy.wait_for_metric_value(COPIES, count, target_group="shadow", result=result)


def all_is_over(proxy):
    proxy.wait_for_metric_value("sluice_target_active_requests", 0, target_group="shadow")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("body", [None, b"", b"abc", b"x" * 60_000])
def test_a_copy_is_the_request_as_the_target_gets_it(start, protocol, body):
    proxy, target, shadow = start(web={"http2": True})
    method = "GET" if body is None else "POST"
    answer = exchange(proxy, protocol, method, "/a/%62?q=1", body=body)
    assert (answer.status, answer.body) == (200, b"the answer")
    copy, original = shadow.only_request(), target.only_request()
    assert (copy.method, copy.target, copy.body) == (method, "/a/b?q=1", body or b"")
    assert copy.target == original.target

    def told(message):
        framing = ("content-length", "transfer-encoding")
        return [(name.lower(), value) for name, value in message.fields
                if name.lower() not in framing]

    assert told(copy) == told(original) or sorted(told(copy)) == sorted(told(original))
    assert copy.value("Host") == original.value("Host")
    assert copy.value("Content-Length") == (None if body is None else str(len(body)))
    results(proxy, answered=1)
    all_is_over(proxy)


def test_a_copy_has_what_filters_made_of_the_request(start_sluice, start_target):
    target = start_target(serve_body())
    shadow = start_target(serve_body())
    config = mirrored(target, shadow)
    config["listeners"][0]["filters"].update({
        "rewrite": {"path": {"add_prefix": "/v2"}, "host": "inner.test"},
        "request_headers": {"set": {"X-Set": "yes"}, "remove": ["X-Gone"]}})
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert client.ask("GET", "/p", ("X-Gone", "1"), ("X-Set", "no")).status == 200
    copy = shadow.only_request()
    assert (copy.target, copy.value("Host"), copy.value("X-Set")) == ("/v2/p", "inner.test", "yes")
    assert copy.values("X-Gone") == []


def test_a_body_in_chunks_is_copied_with_its_length(start):
    proxy, target, shadow = start()
    with proxy.client() as client:
        client.send(request("POST", "/", ("Transfer-Encoding", "chunked")))
        for piece in (b"one", b"two" * 1000, b"three"):
            client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        client.send(b"0\r\n\r\n")
        assert client.response().status == 200
    copy = shadow.only_request()
    assert copy.body == target.only_request().body == b"one" + b"two" * 1000 + b"three"
    assert copy.framing == "length"


def test_targets_called_by_their_addresses_are_called_by_their_own(start_sluice, start_target):
    target, shadow = start_target(serve_body()), start_target(serve_body())
    config = mirrored(target, shadow)
    config["forwarding"] = {"preserve_host": False}
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert client.ask().status == 200
    assert target.only_request().value("Host") == target.address
    assert shadow.only_request().value("Host") == shadow.address


def test_connections_of_copies_are_used_again(start):
    proxy, _, shadow = start()
    with proxy.client() as client:
        for number in range(10):
            assert client.ask().status == 200
            results(proxy, answered=number + 1)
            all_is_over(proxy)
    assert len(shadow.connections) == 1


def test_a_connection_ends_with_the_copy_of_an_ambiguous_request(start):
    proxy, target, shadow = start()
    for number in range(2):
        with proxy.client() as client:
            client.send(request("GET", "/", body=b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"))
            assert client.response().says_close()
        results(proxy, answered=number + 1)
        all_is_over(proxy)
    for each in (target, shadow):
        each.wait_for_requests(2)
        assert [one.value("Connection") for one in each.requests] == ["close"] * 2
        assert len(each.connections) == 2


def test_a_share_of_none_copies_nothing_and_half_of_them_about_half(start_sluice, start_target):
    target, shadow = start_target(serve_body()), start_target(serve_body())
    proxy = start_sluice(mirrored(target, shadow, share=0))
    with proxy.client() as client:
        for _ in range(20):
            assert client.ask().status == 200
    proxy.reload(mirrored(target, shadow, share="50.00", in_flight=1000))
    assert shadow.requests == []
    with proxy.client() as client:
        for _ in range(200):
            assert client.ask().status == 200
    all_is_over(proxy)
    # 200 draws: outside of these once in 10^12 runs.
    wait_until(lambda: 50 <= len(shadow.requests) <= 150, "about half is copied")


def silent(connection):
    connection.read_request()
    connection.wait_for_close()


def endless_body(connection):
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.send(b"z" * 65536)


def endless_head(connection):
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.send(b"X-A: " + b"1" * 1000 + b"\r\n")


def deaf(connection):
    """Takes nothing of a request; only its end wakes it."""
    wait_for_event(connection.target.stopped)


@pytest.mark.parametrize("script, result", [
    (silent, "timed_out"),
    (deaf, "timed_out"),
    (endless_body, "answered"),
    (endless_head, "failed"),
    (answer_and_close(b""), "failed"),
    (answer_and_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), "answered"),
    (answer_once(b"garbage\r\n\r\n"), "failed"),
    (answer_once(b"HTTP/1.1 100 Continue\r\n\r\n" * 300), "failed"),
    (answer_once(response(b"", status=500)), "answered"),
])
def test_nothing_that_a_copys_target_does_reaches_the_client(start_sluice, start_target, script,
                                                             result):
    target = start_target(serve_body(b"the answer"))
    shadow = start_target(script)
    shadow.stopped = threading.Event()
    patient = "500ms" if result == "timed_out" else "10s"
    proxy = start_sluice(mirrored(target, shadow, timeout=patient, body_bytes="16MiB"))
    body = b"b" * (8 << 20 if script is deaf else 10)
    with proxy.client() as client:
        client.send(request("POST", "/", body=body))
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"the answer")
    line = proxy.only_log_line()
    assert line["status"] == 200
    results(proxy, **{result: 1})
    shadow.stopped.set()
    all_is_over(proxy)
    assert target.only_request().body == body


@pytest.mark.parametrize("script, ejections", [(silent, 1), (deaf, 0)])
def test_only_who_had_all_of_a_copy_is_to_blame_for_its_timeout(start_sluice, start_target, script,
                                                                ejections):
    shadow = start_target(script)
    shadow.stopped = threading.Event()
    health = {"ejection_time": "1h", "max_ejection_time": "1h"}
    config = mirrored(start_target(serve_body()), shadow, timeout="500ms", body_bytes="16MiB")
    config["target_groups"][1] = group("shadow", shadow, *[start_target(serve_body())
                                                           for _ in range(2)],
                                       passive_health=health)
    proxy = start_sluice(config)
    with proxy.client() as client:
        for _ in range(9):
            client.send(request("POST", "/", body=b"b" * (8 << 20 if script is deaf else 10)))
            assert client.response().status == 200
    results(proxy, timed_out=3)  # as many as put a target out
    proxy.wait_for_metric_value("sluice_target_ejections_total", ejections, target_group="shadow",
                                reason="Target.EjectedConsecutiveFailures")
    shadow.stopped.set()


def test_a_dead_target_of_copies_is_counted_and_nothing_else(start_sluice, start_target):
    target = start_target(serve_body(b"the answer"))
    proxy = start_sluice(mirrored(target, f"127.0.0.1:{free_port()}"))
    with proxy.client() as client:
        for _ in range(3):
            assert client.ask().body == b"the answer"
    results(proxy, failed=3)


def test_hanging_copies_keep_no_request_waiting_and_are_bounded(start):
    proxy, target, shadow = start(silent, in_flight=2, timeout="60s")
    with proxy.client() as client:
        for _ in range(10):
            assert client.ask().status == 200
    assert len(target.requests) == 10
    results(proxy, too_many=8)
    shadow.wait_for_requests(2)
    assert len(shadow.requests) == 2


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_larger_body_is_not_copied(start, protocol):
    proxy, target, shadow = start(body_bytes="1KiB", web={"http2": True})
    assert exchange(proxy, protocol, "POST", body=b"x" * 1025).status == 200
    assert exchange(proxy, protocol, "POST", body=b"x" * 1024).status == 200
    results(proxy, too_large=1, answered=1)
    assert [len(each.body) for each in target.requests] == [1025, 1024]
    assert len(shadow.only_request().body) == 1024


def test_a_body_of_unknown_length_is_given_up_when_it_is_too_large(start):
    proxy, target, shadow = start(body_bytes="1KiB")
    with proxy.client() as client:
        client.send(request("POST", "/", ("Transfer-Encoding", "chunked")))
        for _ in range(50):
            client.send(chunked(b"x" * 1000)[:-5])
        client.send(b"0\r\n\r\n")
        assert client.response().status == 200
    results(proxy, too_large=1)
    assert len(target.only_request().body) == 50_000
    assert shadow.requests == []


def test_a_request_that_never_comes_whole_is_not_copied(start):
    proxy, target, shadow = start()
    client = proxy.client()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
    target.wait_for_requests(1)
    client.reset()
    results(proxy, incomplete=1)
    assert shadow.connections == []


def test_a_body_that_drips_holds_no_place_beyond_the_copys_time(start):
    proxy, target, shadow = start(timeout="300ms")
    with proxy.client() as client:
        client.send(request("POST", "/", ("Transfer-Encoding", "chunked")))

        def drip():
            client.send(b"1\r\nx\r\n")
            return proxy.metric(COPIES, target_group="shadow", result="incomplete") == 1

        wait_until(drip, "the copy is given up", pause=0.05)
        client.send(b"0\r\n\r\n")
        assert client.response().status == 200
    assert set(target.only_request().body) == {ord("x")}
    assert shadow.requests == []


def test_a_request_that_is_tried_again_is_copied_once(start_sluice, start_target):
    refuses = start_target(answer_and_close(b""))
    target = start_target(serve_body(b"the answer"))
    shadow = start_target(serve_body())
    config = mirrored(target, shadow)
    config["target_groups"][0] = group("targets", refuses, target)
    proxy = start_sluice(config)
    with proxy.client() as client:
        for _ in range(4):
            client.send(request("PUT", "/", body=b"once"))
            assert client.response().body == b"the answer"
    results(proxy, answered=4)
    assert [each.body for each in shadow.requests] == [b"once"] * 4


def test_answers_of_ours_are_not_copied(start_sluice, start_target):
    target, shadow = start_target(serve_body()), start_target(serve_body())
    config = mirrored(target, shadow)
    config["listeners"][0]["filters"]["ip_access"] = {"deny": ["127.0.0.1"]}
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert client.ask().status == 403
    assert shadow.connections == []


def test_websockets_are_not_copied(start_sluice, start_target):
    target = start_target(websocket.echo)
    shadow = start_target(serve_body())
    proxy = start_sluice(mirrored(target, shadow))
    with websocket.opened(proxy) as client:
        websocket.echoes(client)
    assert shadow.connections == []


def test_a_head_request_is_copied_as_one(start):
    proxy, _, shadow = start()
    with proxy.client() as client:
        for number in range(3):
            assert client.ask("HEAD").status == 200
            results(proxy, answered=number + 1)
            all_is_over(proxy)
    assert [each.method for each in shadow.requests] == ["HEAD"] * 3
    assert len(shadow.connections) == 1


@pytest.mark.parametrize("to_http2", [False, True])
def test_targets_and_copies_may_speak_different_protocols(start_sluice, start_target, to_http2):
    seen = []

    def answer(connection, asked):
        seen.append(asked)
        connection.respond(asked, 200, b"over HTTP/2")

    modern = H2Target(answer)
    plain = start_target(serve_body(b"over HTTP/1"))
    try:
        target, shadow = (plain, modern) if to_http2 else (modern, plain)
        config = mirrored(target, shadow)
        config["target_groups"][1 if to_http2 else 0]["protocol_version"] = "http2"
        proxy = start_sluice(config)
        with proxy.client() as client:
            client.send(request("POST", "/x?y", ("X-A", "b"), body=b"content"))
            assert client.response().status == 200
        results(proxy, answered=1)
        assert plain.only_request().target == "/x?y"
        assert plain.only_request().body == b"content"
        assert plain.only_request().value("X-A") == "b"
        assert seen[0].headers[":method"] == "POST"
        assert seen[0].headers[":path"] == "/x?y"
        assert seen[0].headers[":authority"] == "site.test"
        assert seen[0].headers["content-length"] == "7"
        assert seen[0].headers["x-a"] == "b"
        assert seen[0].body == b"content"
    finally:
        modern.close()


def test_calls_of_grpc_are_copied_as_calls(start_sluice):
    target, shadow = GrpcTarget(), GrpcTarget()
    try:
        config = mirrored(target, shadow, {"protocol_version": "grpc"}, web={"http2": True})
        config["target_groups"][0]["protocol_version"] = "grpc"
        proxy = start_sluice(config)
        channel = Channel(proxy.port("web"))
        try:
            assert channel.unary(b"hello", timeout=20, metadata=[("x-a", "b")]) == b"hello"
            assert channel.collect(iter([b"a", b"b"]), timeout=20)
        finally:
            channel.close()
        results(proxy, answered=2)
        assert shadow.calls == target.calls == {"Unary": 1, "Collect": 1}
    finally:
        target.close()
        shadow.close()


def test_copies_outlive_their_exchange_and_a_reload_without_them(start_sluice, start_target):
    release = threading.Event()

    def slow(connection):
        while connection.read_request():
            wait_for_event(release)
            connection.send(response(b"late"))

    target, shadow = start_target(serve_body()), start_target(slow)
    proxy = start_sluice(mirrored(target, shadow, timeout="60s"))
    with proxy.client() as client:
        assert client.ask().status == 200
    shadow.wait_for_requests(1)
    proxy.reload(site(target))
    release.set()
    results(proxy, answered=1)
    with proxy.client() as client:
        assert client.ask().status == 200
    assert len(shadow.requests) == 1


def test_copies_end_with_the_last_client_when_sluice_stops(start_sluice, start_target):
    target, shadow = start_target(serve_body()), start_target(silent)
    proxy = start_sluice({**mirrored(target, shadow, timeout="5m"), "shutdown": {"deadline": "5m"}})
    with proxy.client() as client:
        assert client.ask().status == 200
    shadow.wait_for_requests(1)
    assert proxy.stop() == 0


def test_a_stop_at_once_ends_copies_too(start_sluice, start_target):
    target, shadow = start_target(serve_body()), start_target(silent)
    proxy = start_sluice(mirrored(target, shadow, timeout="5m"))
    with proxy.client() as client:
        assert client.ask().status == 200
        shadow.wait_for_requests(1)
        assert proxy.stop(2) == 0


def test_a_rule_may_do_without_the_listeners_copies(start_sluice, start_target):
    target, shadow = start_target(serve_body()), start_target(serve_body())
    config = mirrored(target, shadow)
    config["listeners"][0]["rules"] = [
        rule("private", 1, {"path_prefix": "/private"}, action="targets", filters={"mirror": "off"})]
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert client.ask("GET", "/private").status == 200
        assert client.ask("GET", "/public").status == 200
    results(proxy, answered=1)
    assert shadow.only_request().target == "/public"
