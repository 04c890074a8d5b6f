"""WebSockets of clients and targets of either version of HTTP: each of the four pairs does the same."""

import contextlib
import copy
import random
import signal
import threading

import pytest
from h2.exceptions import StreamClosedError

from support import h2_tunnel, websocket
from support.configuration import site
from support.h2_target import H2Target
from support.sluice import SANITIZED, reason_of
from support.waiting import wait_until, wait_until_steady
from support.websocket import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame,
                               echo_frames, echoes, expect_close, frame, holding, read_frame)

MEBIBYTE = 1 << 20
GOING_AWAY, RESTART = 1001, 1012


@pytest.fixture
def start_h2_target():
    targets = []

    def start(*arguments, **options):
        targets.append(H2Target(*arguments, **options))
        return targets[-1]

    yield start
    for target in targets:
        target.close()


class Pair:
    """A client's and a target's version of HTTP; scripts are told only when the tunnel is open."""

    def __init__(self, client, target, start_sluice, start_target, start_h2_target):
        self.client_version, self.target_version = client, target
        self._starts = start_sluice, start_target, start_h2_target
        self.opened_status = 101 if client == 1 else 200

    def target(self, on_open):
        _, start_target, start_h2_target = self._starts
        if self.target_version == 1:
            return start_target(holding(on_open))

        def script(tunnel):
            tunnel.accept()
            on_open(tunnel)

        return start_h2_target(websocket=script)

    def config(self, *targets, **group):
        config = site(*targets)
        config["listeners"][0]["http2"] = True
        config["target_groups"][0].update(protocol_version=f"http{self.target_version}", **group)
        return config

    def start(self, on_open, **group):
        return self._starts[0](self.config(self.target(on_open), **group))

    def opened(self, proxy, *fields, **options):
        module = websocket if self.client_version == 1 else h2_tunnel
        return module.opened(proxy, *fields, **options)


@pytest.fixture(params=[(1, 1), (1, 2), (2, 1), (2, 2)], ids=["1-1", "1-2", "2-1", "2-2"])
def pair(request, start_sluice, start_target, start_h2_target):
    return Pair(*request.param, start_sluice, start_target, start_h2_target)


# --- messages ------------------------------------------------------------------------------------

def test_text_and_binary_messages_of_any_size_are_echoed(pair):
    with pair.opened(pair.start(echo_frames)) as client:
        for size in (0, 1, 125, 126, 65_535, 65_536, MEBIBYTE):
            assert echoes(client, b"t" * size, TEXT)
            assert echoes(client, random.randbytes(size), BINARY)


def test_fragments_and_control_frames_keep_their_order_when_split_at_every_byte(pair):
    data = (frame(TEXT, b"one", masked=True, fin=False) + frame(PING, b"?", masked=True)
            + frame(CONTINUATION, b"two", masked=True))
    with pair.opened(pair.start(echo_frames)) as client:
        for byte in data:
            client.send(bytes([byte]))
        seen = [read_frame(client.wire) for _ in range(3)]
    assert [(each.opcode, each.payload, each.fin) for each in seen] == [
        (TEXT, b"one", False), (PONG, b"?", True), (CONTINUATION, b"two", True)]


# --- back-pressure -------------------------------------------------------------------------------

def sends_without_end(peer):
    block = frame(BINARY, b"x" * 65_536, masked=True)
    with contextlib.suppress(OSError):
        while True:
            peer.send(block)


@pytest.mark.parametrize("side", ["client", "target"])
def test_a_peer_that_does_not_read_stops_the_sender(pair, side):
    opened, go_on = [], threading.Event()

    def on_open(target):
        opened.append(target)
        if side == "client":
            sends_without_end(target)
        else:
            assert go_on.wait(60)
            while target.wire.read_some():
                received[0] += 1

    received = [0]
    proxy = pair.start(on_open)
    before = proxy.memory_peak_kib()
    with pair.opened(proxy) as client:
        if side == "client":
            sent = count_sent(opened)
        else:
            sender = threading.Thread(target=counting_sends, args=(client, counted := [0]),
                                      daemon=True)
            sender.start()
            sent = lambda: counted[0]  # noqa: E731
        wait_until(lambda: sent() > 65_536, "it sends")
        stopped_at = wait_until_steady(sent)
        assert stopped_at < 64 * MEBIBYTE
        if not SANITIZED:
            # The window of a client's stream grows while the target's kernel still takes the bytes.
            has_window = side == "target" and pair.client_version == 2
            assert proxy.memory_peak_kib() - before < (20_000 if has_window else 4096)
        if side == "client":  # it goes on where it stopped
            assert len(client.wire.read_exactly(stopped_at)) == stopped_at
        else:
            go_on.set()
            wait_until(lambda: sent() > stopped_at + 4 * MEBIBYTE, "it goes on")
        client.reset()
    proxy.wait_for_metric_value("sluice_tunnels", 0)


def count_sent(opened):
    wait_until(lambda: opened, "the tunnel is open at the target")
    return lambda: opened[0].sent


def counting_sends(client, counted):
    block = frame(BINARY, b"x" * 65_536, masked=True)
    with contextlib.suppress(OSError, StreamClosedError):
        while True:
            client.send(block)
            counted[0] += len(block)


# --- ends ----------------------------------------------------------------------------------------

def test_close_codes_pass_both_ways(pair):
    seen = []

    def on_open(target):
        asked = read_frame(target.wire)
        if asked.opcode == CLOSE:
            seen.append(asked.close_code)
            target.send(close_frame(asked.close_code))
        else:
            target.send(close_frame(4001, b"as you wish"))
            seen.append(read_frame(target.wire).close_code)

    proxy = pair.start(on_open)
    with pair.opened(proxy) as client:
        client.send(close_frame(4002, masked=True))
        assert read_frame(client.wire).close_code == 4002
        assert client.rest() == b""
    with pair.opened(proxy) as client:
        client.send(frame(TEXT, b"close please", masked=True))
        got = read_frame(client.wire)
        assert (got.close_code, got.payload[2:]) == (4001, b"as you wish")
        client.send(close_frame(4001, masked=True))
        assert client.rest() == b""
    lines = proxy.wait_for_log(2)
    assert [(line["status"], reason_of(line)) for line in lines] == [(pair.opened_status, None)] * 2
    wait_until(lambda: seen == [4002, 4001], "the target has seen both codes")


def test_the_clients_half_close_is_passed_on_and_the_other_direction_goes_on(pair):
    def on_open(target):
        assert read_frame(target.wire).payload == b"last words"
        assert target.wire.read_some() == b""
        target.send(frame(TEXT, b"understood"))

    proxy = pair.start(on_open)
    with pair.opened(proxy) as client:
        client.send(frame(TEXT, b"last words", masked=True))
        client.half_close()
        assert read_frame(client.wire).payload == b"understood"
        assert client.rest() == b""
    assert reason_of(proxy.only_log_line()) == "client_closed"


def test_the_targets_half_close_is_passed_on_and_the_other_direction_goes_on(pair):
    heard = []

    def on_open(target):
        target.send(frame(TEXT, b"last words"))
        target.half_close()
        heard.append(read_frame(target.wire).payload)

    proxy = pair.start(on_open)
    with pair.opened(proxy) as client:
        assert read_frame(client.wire).payload == b"last words"
        assert client.rest() == b""
        client.send(frame(TEXT, b"understood", masked=True))
        wait_until(lambda: heard == [b"understood"], "the target has read it")
        client.half_close()
    assert reason_of(proxy.only_log_line()) == "tunnel_target_lost"


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_target_that_breaks_off_ends_the_clients_side(pair, how):
    proxy = pair.start(lambda target: getattr(target, how)())
    with pair.opened(proxy) as client:
        assert client.rest() == b""
        client.close()
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (pair.opened_status, "tunnel_target_lost")
    assert proxy.metric("sluice_tunnel_ends_total", reason="tunnel_target_lost") == 1


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_client_that_breaks_off_ends_the_targets_side(pair, how):
    ended = threading.Event()

    def on_open(target):
        target.wait_for_close()
        ended.set()

    proxy = pair.start(on_open)
    with pair.opened(proxy) as client:
        getattr(client, how)()
        wait_until(ended.is_set, "the target's side ends")
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (pair.opened_status, "client_closed")
    proxy.wait_for_metric_value("sluice_tunnels", 0)


# --- what the configuration does to it -----------------------------------------------------------

def test_twenty_reloads_do_not_touch_it(pair):
    config = pair.config(pair.target(echo_frames))
    proxy = pair._starts[0](config)
    with pair.opened(proxy) as client:
        for number in range(20):
            changed = copy.deepcopy(config)
            changed["listeners"][0]["rules"] = [
                {"name": f"rule-{number}", "priority": 1, "conditions": [{"path": [f"/{number}"]}],
                 "action": {"forward": "targets"}}]
            proxy.reload(changed)
            assert echoes(client)


def test_a_target_that_leaves_and_a_silence_end_it_with_close_frames(pair):
    codes = []

    def on_open(target):
        codes.append(read_frame(target.wire).close_code)
        target.send(close_frame(codes[-1]))

    goes, stays = pair.target(on_open), pair.target(echo_frames)
    keys = {"deregistration_delay": "4s", "websocket": {"close_window": "500ms"}}
    proxy = pair._starts[0](pair.config(goes, **keys))
    with pair.opened(proxy) as client:
        proxy.reload(pair.config(stays, **keys))
        expect_close(client, RESTART)
    wait_until(lambda: codes == [RESTART], "the target is told as well")
    keys["websocket"]["idle_timeout"] = "500ms"
    proxy.reload(pair.config(goes, **keys))
    with pair.opened(proxy) as client:
        expect_close(client, GOING_AWAY)
    wait_until(lambda: codes == [RESTART, GOING_AWAY], "the target is told as well")
    lines = proxy.wait_for_log(2)
    assert [reason_of(line) for line in lines] == ["tunnel_drained", "tunnel_idle_timeout"]


def test_a_stop_tells_both_sides(pair):
    codes = []

    def on_open(target):
        codes.append(read_frame(target.wire).close_code)
        target.send(close_frame(codes[-1]))

    proxy = pair.start(on_open, websocket={"close_window": "100ms"})
    with pair.opened(proxy) as client:
        proxy.send_signal(signal.SIGTERM)
        expect_close(client, GOING_AWAY)
        assert proxy.wait_for_exit() == 0
    wait_until(lambda: codes == [GOING_AWAY], "the target is told as well")


def test_what_ignores_its_close_is_cut_when_the_delay_is_over(pair):
    ended = threading.Event()

    def on_open(target):
        assert read_frame(target.wire).close_code == RESTART
        target.wait_for_close()
        ended.set()

    goes, stays = pair.target(on_open), pair.target(echo_frames)
    keys = {"deregistration_delay": "1s", "websocket": {"close_window": "100ms"}}
    proxy = pair._starts[0](pair.config(goes, **keys))
    with pair.opened(proxy) as client:
        proxy.reload(pair.config(stays, **keys))
        assert read_frame(client.wire).close_code == RESTART
        assert client.rest() == b""
        wait_until(ended.is_set, "the target's side ends")
    assert reason_of(proxy.only_log_line()) == "tunnel_drained"


def test_an_immediate_stop_cuts_it(pair):
    proxy = pair.start(lambda target: target.wait_for_close())
    with pair.opened(proxy) as client:
        proxy.send_signal(signal.SIGINT)
        assert client.rest() == b""
        proxy.expected_status = proxy.wait_for_exit()
    assert [reason_of(line) for line in proxy.access_log()] == ["shutdown_deadline"]


def test_a_session_stays_with_its_target(pair):
    def naming(name):
        def on_open(target):
            target.send(frame(TEXT, name))
            target.wait_for_close()
        return on_open

    targets = [pair.target(naming(name)) for name in (b"one", b"two", b"three")]
    proxy = pair._starts[0](pair.config(*targets, stickiness={"type": "lb_cookie",
                                                              "cookie_name": "WS"}))

    def set_cookie(client):
        if pair.client_version == 1:
            return client.answer.value("Set-Cookie")
        return client.answer["set-cookie"]

    with pair.opened(proxy) as client:
        name = read_frame(client.wire).payload
        cookie = set_cookie(client).partition(";")[0]
        assert cookie.startswith("WS=")
    for _ in range(6):
        with pair.opened(proxy, ("Cookie", cookie)) as client:
            assert read_frame(client.wire).payload == name


def test_the_log_line_and_the_metrics_tell_what_it_was(pair):
    proxy = pair.start(echo_frames)
    with pair.opened(proxy, ("User-Agent", "test agent"), target="/socket?room=1") as client:
        proxy.wait_for_metric_value("sluice_tunnels", 1, target_group="targets")
        proxy.wait_for_metric_value("sluice_target_active_requests", 1, target_group="targets")
        assert proxy.access_log() == []
        assert echoes(client, b"x" * 100_000, BINARY)
        client.send(close_frame(1000, masked=True))
        assert read_frame(client.wire).close_code == 1000
        assert client.rest() == b""
    line = proxy.only_log_line()
    sent = len(frame(BINARY, b"x" * 100_000, masked=True)) + len(close_frame(1000, masked=True))
    received = len(frame(BINARY, b"x" * 100_000)) + len(close_frame(1000))
    assert (line["status"], reason_of(line)) == (pair.opened_status, None)
    assert line["target_status"] == (101 if pair.target_version == 1 else 200)
    assert line["protocol"] == ("HTTP/1.1" if pair.client_version == 1 else "HTTP/2.0")
    assert (line["target"], line["user_agent"]) == ("/socket?room=1", "test agent")
    assert sent < line["request_bytes"] < sent + 1000
    assert received < line["response_bytes"] < received + 1000
    metrics = proxy.metrics()
    assert metrics.sum("sluice_tunnels_total", target_group="targets") == 1
    assert metrics.sum("sluice_tunnels") == 0
    assert metrics.sum("sluice_tunnel_bytes_total", direction="to_target") == sent
    assert metrics.sum("sluice_tunnel_bytes_total", direction="to_client") == received
    assert metrics.sum("sluice_tunnel_ends_total", reason="-") == 1
    assert metrics.sum("sluice_target_active_requests") == 0
