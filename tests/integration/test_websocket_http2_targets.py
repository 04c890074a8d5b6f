"""WebSockets to targets that speak HTTP/2 (RFC 8441): how they are asked, what they may answer, and what
the other streams of their connections see of it. What flows through is in test_websocket_pairs.py."""

import threading

import pytest
from support import h2_tunnel
from support.configuration import site
from support.h2_target import H2Target
from support.h2_tunnel import H2Client
from support.http1 import Ended
from support.sluice import reason_of
from support.waiting import wait_for_event, wait_until
from support.websocket import (BINARY, KEY, TEXT, accept_of, echo_frames, echoes, frame, handshake,
                               opened, read_frame)


@pytest.fixture
def start_h2_target():
    targets = []

    def start(*arguments, **options):
        targets.append(H2Target(*arguments, **options))
        return targets[-1]

    yield start
    for target in targets:
        target.close()


def page(connection, request):
    connection.respond(request, body=b"page")


def echoing(tunnel):
    tunnel.accept()
    echo_frames(tunnel)


def towards(*targets, sections=None, **group):
    config = site(*targets, **(sections or {}))
    config["listeners"][0]["http2"] = True
    config["target_groups"][0].update({"protocol_version": "http2", **group})
    return config


def ask(proxy, version, *fields, path="/socket"):
    """The status, the fields and the body of the answer to a handshake over either version."""
    if version == 1:
        with proxy.client() as client:
            client.send(handshake(path, *fields))
            answer = client.response_head() if fields else client.response()
            return answer.status, answer, getattr(answer, "body", None)
    client = H2Client.open(proxy.port())
    try:
        tunnel = client.connect(path, *fields)
        return int(tunnel.answer[":status"]), tunnel.answer, tunnel.rest()
    finally:
        client.close()


both = pytest.mark.parametrize("version", [1, 2], ids=["HTTP/1", "HTTP/2"])


# --- the handshake -------------------------------------------------------------------------------

def test_the_target_sees_an_extended_connect_without_what_belongs_to_http_1(start_sluice,
                                                                          start_h2_target):
    def script(tunnel):
        tunnel.accept(("sec-websocket-protocol", "chat"), ("x-of-target", "yes"))
        echo_frames(tunnel)

    target = start_h2_target(websocket=script)
    proxy = start_sluice(towards(target))
    fields = [("Sec-WebSocket-Protocol", "chat"), ("Sec-WebSocket-Extensions", "x-none"),
              ("X-Own", "kept")]
    with opened(proxy, *fields, target="/socket?room=1") as client:
        assert echoes(client)
        answer = client.answer
        assert answer.value("Sec-WebSocket-Accept") == accept_of(KEY)
        assert answer.value("Sec-WebSocket-Protocol") == "chat"
        assert (answer.value("Upgrade"), answer.value("X-Of-Target")) == ("websocket", "yes")
    with h2_tunnel.opened(proxy, *fields, target="/socket?room=1") as client:
        assert echoes(client)
        assert "sec-websocket-accept" not in client.answer
        assert client.answer["sec-websocket-protocol"] == "chat"
        assert client.answer["x-of-target"] == "yes"
    for tunnel in target.tunnels:
        got = tunnel.headers
        assert {name: value for name, value in got.items() if name.startswith(":")} == {
            ":method": "CONNECT", ":protocol": "websocket", ":scheme": "http",
            ":path": "/socket?room=1", ":authority": "site.test"}
        assert (got["sec-websocket-version"], got["x-own"]) == ("13", "kept")
        assert (got["sec-websocket-protocol"], got["sec-websocket-extensions"]) == ("chat", "x-none")
        assert "x-forwarded-for" in got
        assert not {"sec-websocket-key", "connection", "upgrade", "host",
                    "content-length"} & set(got)
    assert len(target.tunnels) == 2 and len(target.connections) == 1


@both
def test_another_answer_than_2xx_is_passed_on(start_sluice, start_h2_target, version):
    target = start_h2_target(page, websocket=lambda tunnel: tunnel.answer_with(
        403, ("x-why", "no"), body=b"not for you"))
    proxy = start_sluice(towards(target))
    status, _, body = ask(proxy, version)
    assert (status, body) == (403, b"not for you")
    line = proxy.only_log_line()
    assert (line["status"], line["target_status"], reason_of(line)) == (403, 403, None)
    assert proxy.metric("sluice_tunnels_total") == 0


@both
def test_a_2xx_that_ends_at_once_opens_no_tunnel(start_sluice, start_h2_target, version):
    target = start_h2_target(page, websocket=lambda tunnel: tunnel.answer_with(200))
    proxy = start_sluice(towards(target, retry={"attempts": 0}))
    assert ask(proxy, version)[0] == 502
    assert reason_of(proxy.only_log_line()) == "target_upgrade_invalid"


@both
def test_a_group_of_grpc_has_no_websockets(start_sluice, start_h2_target, version):
    target = start_h2_target(page, websocket=echoing)
    proxy = start_sluice(towards(target, protocol_version="grpc"))
    assert ask(proxy, version)[0] == 501
    assert reason_of(proxy.only_log_line()) == "websocket_refused"
    assert not target.tunnels


def test_where_websockets_are_off_the_upgrade_is_not_passed_on(start_sluice, start_h2_target):
    target = start_h2_target(page, websocket=echoing)
    proxy = start_sluice(towards(target, websocket="off"))
    status, _, body = ask(proxy, 1)
    assert (status, body) == (200, b"page")
    assert ask(proxy, 2)[0] == 501
    assert [reason_of(line) for line in proxy.wait_for_log(2)] == [None, "websocket_refused"]


# --- whether it is offered -----------------------------------------------------------------------

@both
def test_a_target_that_does_not_offer_it_is_not_asked(start_sluice, start_h2_target, version):
    target = start_h2_target(page)
    proxy = start_sluice(towards(target))
    assert ask(proxy, version)[0] == 502
    line = proxy.only_log_line()
    assert (reason_of(line), line["ended_by"]) == ("target_websocket_not_offered", "target")
    with proxy.client() as client:  # for requests it is as good as before, on the same connection
        assert client.ask().body == b"page"
    assert target.requests == 1 and len(target.connections) == 1


@both
def test_another_target_that_offers_it_is_asked_instead(start_sluice, start_h2_target, version):
    plain, good = start_h2_target(page), start_h2_target(page, websocket=echoing)
    proxy = start_sluice(towards(plain, good))
    module = opened if version == 1 else h2_tunnel.opened
    for _ in range(4):
        with module(proxy) as client:
            assert echoes(client)
    assert plain.requests == 0 and len(good.tunnels) == 4
    assert proxy.metric("sluice_target_retries_total", reason="target_websocket_not_offered") >= 1


@both
def test_settings_that_come_late_are_awaited(start_sluice, start_h2_target, version):
    come = threading.Event()
    target = start_h2_target(page, websocket=echoing, settings_after=come)
    proxy = start_sluice(towards(target))
    module = opened if version == 1 else h2_tunnel.opened
    waiter = threading.Thread(target=lambda: (wait_until(lambda: target.connections, "dialled"),
                                              come.set()))
    waiter.start()
    with module(proxy) as client:
        assert echoes(client)
    waiter.join()
    assert len(target.connections) == 1


@both
def test_settings_that_never_come_are_not_awaited_for_ever(start_sluice, start_h2_target, version):
    never = threading.Event()
    target = start_h2_target(page, websocket=echoing, settings_after=never)
    proxy = start_sluice(towards(target, retry={"attempts": 0},
                                 sections={"timeouts": {"connect": "300ms"}}))
    assert ask(proxy, version)[0] == 504
    assert reason_of(proxy.only_log_line()) == "target_connect_timeout"
    never.set()


@both
def test_a_connection_that_ends_before_its_settings_is_a_failed_connect(start_sluice, start_target,
                                                                       version):
    target = start_target(lambda connection: connection.wire.read_exactly(24))
    proxy = start_sluice(towards(target, retry={"attempts": 0}))
    assert ask(proxy, version)[0] == 502
    assert reason_of(proxy.only_log_line()) == "target_connect_failed"


def test_a_client_that_leaves_while_settings_are_awaited_is_noticed(start_sluice, start_h2_target):
    never = threading.Event()
    target = start_h2_target(page, websocket=echoing, settings_after=never)
    proxy = start_sluice(towards(target))
    with proxy.client() as client:
        client.send(handshake())
        wait_until(lambda: target.connections, "the target is dialled")
    assert reason_of(proxy.only_log_line()) == "client_closed"
    never.set()


# --- tries ---------------------------------------------------------------------------------------

@both
@pytest.mark.parametrize("how", ["refuses", "dies"])
def test_before_the_tunnel_begins_another_try_is_made(start_sluice, start_h2_target, version, how):
    def script(tunnel):
        if len(target.tunnels) > 1:
            return echoing(tunnel)
        if how == "refuses":
            return tunnel.reset(7)  # REFUSED_STREAM
        tunnel.connection.cut()

    target = start_h2_target(page, websocket=script)
    spare = start_h2_target(page, websocket=echoing)
    proxy = start_sluice(towards(target, spare))
    module = opened if version == 1 else h2_tunnel.opened
    for _ in range(2):
        with module(proxy) as client:
            assert echoes(client)
    assert target.tunnels


# --- beside others on a connection ---------------------------------------------------------------

def test_a_tunnel_that_is_not_read_holds_no_other_stream_back(start_sluice, start_h2_target):
    """Many of them fill their own windows, and leave the connection's open."""
    stop = threading.Event()

    def script(tunnel):
        tunnel.accept()
        if tunnel.headers[":path"] != "/floods":
            return echo_frames(tunnel)
        block = frame(BINARY, b"x" * 65_536)
        while not stop.is_set():
            tunnel.send(block)

    target = start_h2_target(page, websocket=script)
    proxy = start_sluice(towards(target))
    clients = [proxy.client(receive_buffer=4096) for _ in range(40)]
    try:
        for client in clients:
            client.send(handshake("/floods"))
        # Each is read for a while, so that its window would grow, and then no more.
        for client in clients:
            assert client.response_head().status == 101
            assert len(client.wire.read_exactly(1 << 20)) == 1 << 20
        wait_until(lambda: all(tunnel.is_held_up for tunnel in target.tunnels), "all stand still")
        with opened(proxy) as client:
            assert echoes(client, b"m" * 300_000, BINARY)
        with proxy.client() as client:
            assert client.ask().body == b"page"
        assert len(target.connections) == 1
    finally:
        stop.set()
        for client in clients:
            client.reset()


def test_a_reset_ends_one_tunnel_and_not_the_connection(start_sluice, start_h2_target):
    target = start_h2_target(page, websocket=echoing)
    proxy = start_sluice(towards(target))
    with opened(proxy) as stays:
        with opened(proxy) as leaves:
            leaves.reset()
        wait_until(lambda: target.tunnels[1].reset_code is not None, "the stream is reset")
        assert target.tunnels[1].reset_code == h2_tunnel.CANCEL
        assert echoes(stays)
        with proxy.client() as client:
            assert client.ask().body == b"page"
        assert len(target.connections) == 1
    assert "client_closed" in [reason_of(line) for line in proxy.wait_for_lines(2)]


def test_a_target_that_resets_one_tunnel_ends_only_its_client(start_sluice, start_h2_target):
    def script(tunnel):
        tunnel.accept()
        if tunnel.headers[":path"] == "/broken":
            return tunnel.reset(2)
        echo_frames(tunnel)

    target = start_h2_target(page, websocket=script)
    proxy = start_sluice(towards(target))
    with opened(proxy) as stays:
        with opened(proxy, target="/broken") as leaves:
            assert leaves.rest() == b""
        client = H2Client.open(proxy.port())
        broken = client.connect("/broken")
        with pytest.raises(Ended):
            broken.read_exactly(1)
        assert broken.reset_code == h2_tunnel.CANCEL
        assert client.connect("/fine").answer[":status"] == "200"
        client.close()
        assert echoes(stays)
    assert len(target.connections) == 1


def test_a_connection_that_dies_ends_all_its_tunnels(start_sluice, start_h2_target):
    target = start_h2_target(page, websocket=echoing)
    proxy = start_sluice(towards(target))
    with opened(proxy) as one, h2_tunnel.opened(proxy) as two:
        assert echoes(one) and echoes(two)
        target.connections[0].cut()
        assert one.rest() == b"" and two.rest() == b""
    lines = proxy.wait_for_log(2)
    assert [reason_of(line) for line in lines] == ["tunnel_target_lost"] * 2


def test_tunnels_go_on_behind_a_goaway_that_names_them(start_sluice, start_h2_target):
    target = start_h2_target(page, websocket=echoing)
    proxy = start_sluice(towards(target))
    with opened(proxy) as old:
        assert echoes(old)
        target.connections[0].goaway(1)
        with proxy.client() as client:
            wait_until(lambda: client.ask().body == b"page" and len(target.connections) == 2,
                       "requests go to a new connection")
        assert echoes(old)


def test_a_tunnel_takes_one_of_the_connections_streams_and_of_the_targets_places(start_sluice,
                                                                               start_h2_target):
    target = start_h2_target(page, max_concurrent_streams=2, websocket=echoing)
    proxy = start_sluice(towards(target, limits={"max_requests": 3, "queue": 0}))
    with opened(proxy) as one, opened(proxy) as two, opened(proxy) as three:
        assert echoes(one) and echoes(two) and echoes(three)
        assert len(target.connections) == 2
        assert ask(proxy, 1)[0] == 503
    lines = proxy.wait_for_lines(4)
    assert "target_queue_full" in [reason_of(line) for line in lines]


def test_a_client_of_http_2_has_its_tunnels_on_several_targets(start_sluice, start_h2_target):
    """Streams of one connection of the client, each to a target of its own."""
    targets = [start_h2_target(page, websocket=echoing) for _ in range(3)]
    proxy = start_sluice(towards(*targets))
    client = H2Client.open(proxy.port())
    tunnels = [client.connect(f"/{number}") for number in range(9)]
    for number, tunnel in enumerate(tunnels):
        assert echoes(tunnel, b"%d" % number, TEXT)
    assert [len(target.tunnels) for target in targets] == [3, 3, 3]
    client.close()
    proxy.wait_for_metric_value("sluice_tunnels", 0)


def test_bytes_that_the_client_sends_before_the_answer_wait_for_it(start_sluice, start_h2_target):
    go_on, seen = threading.Event(), []

    def script(tunnel):
        wait_for_event(go_on)
        with tunnel.connection.lock:
            seen.append(bytes(tunnel._received))
        tunnel.accept()
        echo_frames(tunnel)

    target = start_h2_target(websocket=script)
    proxy = start_sluice(towards(target))
    with proxy.client() as client:
        client.send(handshake() + frame(TEXT, b"early", masked=True))
        wait_until(lambda: target.tunnels, "the target is asked")
        go_on.set()
        assert client.response_head().status == 101
        assert read_frame(client.wire).payload == b"early"
    assert seen == [b""]
