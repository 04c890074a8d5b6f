"""Reloads do not touch upgraded connections; what has to go is told so, in order and spread."""

import copy
import signal
import threading
import time
from contextlib import ExitStack

import pytest
from support.configuration import group, listener, rule, site
from support.sluice import reason_of
from support.target import serve_body
from support.waiting import wait_until
from support.websocket import (BINARY, CLOSE, CONTINUATION, TEXT, close_frame, echo, echoes,
                               expect_close, frame, holding, opened, read_frame)

RESTART, GOING_AWAY = 1012, 1001


def draining(*targets, delay="4s", window="500ms", **sections):
    config = site(*targets, **sections)
    config["target_groups"][0].update(deregistration_delay=delay,
                                      websocket={"close_window": window})
    return config


def without(config, *kept):
    """The same with these targets only."""
    changed = copy.deepcopy(config)
    changed["target_groups"][0]["targets"] = [{"address": each.address} for each in kept]
    return changed


def noting_close(into):
    """The script of a target that echoes, and notes the code that it was closed with."""
    def script(connection):
        while (received := read_frame(connection.wire)) is not None:
            if received.opcode == CLOSE:
                into.append(received.close_code)
                connection.send(close_frame(received.close_code))
                return
            connection.send(frame(received.opcode, received.payload))

    return holding(script)


# --- reloads -------------------------------------------------------------------------------------

def test_twenty_reloads_do_not_touch_it(start_sluice, start_target):
    target, other = start_target(echo), start_target(serve_body())
    config = draining(target, delay="100ms")
    proxy = start_sluice(config)
    with opened(proxy) as client:
        for number in range(20):
            changed = without(config, target, *([other] if number % 2 else []))
            changed["listeners"][0]["rules"] = [
                rule(f"rule-{number}", 1, {"path": [f"/{number}"]}, action="targets")]
            proxy.reload(changed)
            assert echoes(client)
    line = proxy.only_log_line()
    assert line["rule"] == "default"


def test_a_reload_that_changes_its_times_holds_for_open_ones(start_sluice, start_target):
    config = draining(start_target(echo))
    proxy = start_sluice(config)
    with opened(proxy) as client:
        assert echoes(client)
        config["target_groups"][0]["websocket"]["idle_timeout"] = "200ms"
        proxy.reload(config)
        expect_close(client, GOING_AWAY)
    assert reason_of(proxy.only_log_line()) == "tunnel_idle_timeout"


def test_a_websocket_that_is_turned_off_ends_no_open_one(start_sluice, start_target):
    config = draining(start_target(echo), delay="100ms")
    proxy = start_sluice(config)
    with opened(proxy) as client:
        config["target_groups"][0]["websocket"] = "off"
        proxy.reload(config)
        proxy.reload(config)
        assert echoes(client)


# --- what goes -----------------------------------------------------------------------------------

def remove_target(config, stays):
    return without(config, stays)


def remove_rule(config, _):
    changed = copy.deepcopy(config)
    changed["listeners"][0]["rules"] = []
    return changed


def move_rule(config, _):
    """The rule is still there and leads elsewhere."""
    changed = copy.deepcopy(config)
    changed["listeners"][0]["rules"][0]["action"] = {"forward": "others"}
    return changed


def remove_group(config, _):
    changed = move_rule(config, _)
    del changed["target_groups"][0]
    return changed


def remove_listener(config, _):
    changed = copy.deepcopy(config)
    changed["listeners"] = changed["listeners"][1:]
    return changed


@pytest.mark.parametrize("change", [remove_target, remove_rule, move_rule, remove_group,
                                    remove_listener])
def test_what_has_to_go_gets_a_close_frame_on_both_sides(start_sluice, start_target, change):
    codes = []
    goes, stays = start_target(noting_close(codes)), start_target(serve_body())
    config = {
        "listeners": [listener("web", rule("socket", 1, {"path": ["/socket"]}, action="targets"),
                               default="others"),
                      listener("spare", default="others")],
        "target_groups": [
            group("targets", goes, deregistration_delay="4s", websocket={"close_window": "1s"}),
            group("others", stays)]}
    proxy = start_sluice(config)
    with opened(proxy, target="/socket") as client:
        began = time.monotonic()
        proxy.reload(change(config, stays))
        assert echoes(client), "until then it goes on"
        expect_close(client, RESTART)
        # The end of the delay is the end of the window, less the time for the peers' own closing.
        assert time.monotonic() - began > 1.95
    wait_until(lambda: codes == [RESTART], "the target is told as well")
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line), line["target_group"]) == (101, "tunnel_drained",
                                                                       "targets")
    proxy.wait_for_metric_value("sluice_tunnels", 0)


def test_many_are_closed_spread_over_the_window(start_sluice, start_target):
    goes, stays = start_target(echo), start_target(serve_body())
    config = draining(goes, stays, delay="3s", window="2s")
    config["target_groups"][0]["targets"] = [{"address": goes.address}]
    proxy = start_sluice(config)
    times = []

    def watch(client):
        expect_close(client, RESTART)
        times.append(time.monotonic())

    with ExitStack() as stack:
        clients = [stack.enter_context(opened(proxy)) for _ in range(40)]
        watchers = [threading.Thread(target=watch, args=(each,)) for each in clients]
        for watcher in watchers:
            watcher.start()
        proxy.reload(without(config, stays))
        for watcher in watchers:
            watcher.join(30)
    assert len(times) == 40
    times.sort()
    # 40 at random over 2 s: that half of them fall into a quarter of it does not happen by chance.
    assert times[-1] - times[0] > 1
    assert max(sum(start <= each < start + 0.5 for each in times) for start in times) < 25


def test_a_target_that_comes_back_in_time_keeps_its_connections(start_sluice, start_target):
    target, other = start_target(echo), start_target(serve_body())
    config = draining(target, delay="4s", window="100ms")
    proxy = start_sluice(config)
    with opened(proxy) as client, opened(proxy):
        proxy.reload(without(config, other))
        proxy.reload(config)
        deadline = time.monotonic() + 5  # longer than the delay
        while time.monotonic() < deadline:
            assert echoes(client)
        # Gone for good: the second time counts anew.
        proxy.reload(without(config, other))
        expect_close(client, RESTART)


def test_a_group_that_comes_back_in_time_keeps_its_connections(start_sluice, start_target):
    target = start_target(echo)
    config = {"listeners": [listener("web", default="targets")],
              "target_groups": [group("targets", target, deregistration_delay="4s",
                                      websocket={"close_window": "100ms"}),
                                group("others", target)]}
    gone = copy.deepcopy(config)
    gone["listeners"][0]["default_action"] = {"forward": "others"}
    del gone["target_groups"][0]
    proxy = start_sluice(config)
    with opened(proxy) as client:
        proxy.reload(gone)
        proxy.reload(config)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            assert echoes(client)
        for _ in range(3):
            proxy.reload(config)
        assert echoes(client)


def test_without_a_delay_it_is_told_and_cut_at_once(start_sluice, start_target):
    target, other = start_target(echo), start_target(serve_body())
    config = draining(target, delay="0")
    proxy = start_sluice(config)
    with opened(proxy) as client:
        proxy.reload(without(config, other))
        assert read_frame(client.wire).close_code == RESTART
        assert client.rest() == b""
    assert reason_of(proxy.only_log_line()) == "tunnel_drained"


def test_it_counts_as_one_of_the_targets_requests_until_its_end(start_sluice, start_target):
    """A least_outstanding_requests group sends the next ones elsewhere."""
    busy, free = start_target(echo), start_target(echo)
    config = site(busy, free)
    config["target_groups"][0]["algorithm"] = "least_outstanding_requests"
    proxy = start_sluice(config)
    with ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(opened(proxy))
        assert (len(busy.requests), len(free.requests)) == (3, 3)
        proxy.wait_for_metric_value("sluice_target_active_requests", 6, target_group="targets")
    proxy.wait_for_metric_value("sluice_target_active_requests", 0, target_group="targets")


# --- clients and targets that do not play along --------------------------------------------------

def test_a_sender_in_the_middle_of_a_frame_may_finish_it(start_sluice, start_target):
    """The close frame comes between two frames, never inside of one; nothing follows it."""
    payload = b"x" * 300_000
    whole = frame(BINARY, payload)

    def script(connection):
        connection.send(whole[:200_000])
        assert read_frame(connection.wire).close_code == RESTART
        connection.send(whole[200_000:] + frame(TEXT, b"too late") + close_frame(RESTART))
        connection.wait_for_close()

    goes, stays = start_target(holding(script)), start_target(serve_body())
    config = draining(goes, delay="4s", window="100ms")
    proxy = start_sluice(config)
    with opened(proxy) as client:
        proxy.reload(without(config, stays))
        assert read_frame(client.wire).payload == payload
        expect_close(client, RESTART)


def test_a_stream_of_fragments_gets_the_close_frame_between_two(start_sluice, start_target):
    goes, stays = start_target(echo), start_target(serve_body())
    config = draining(goes, delay="4s", window="300ms")
    proxy = start_sluice(config)
    stop = threading.Event()
    with opened(proxy) as client:
        def send():
            client.send_if_open(frame(BINARY, b"first", masked=True, fin=False))
            while not stop.is_set():
                if not client.send_if_open(frame(CONTINUATION, b"y" * 10_000, masked=True,
                                                 fin=False)):
                    return

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        proxy.reload(without(config, stays))
        while (received := read_frame(client.wire)).opcode != CLOSE:
            assert received.payload in (b"first", b"y" * 10_000)
        assert received.close_code == RESTART
        stop.set()
        sender.join(20)


@pytest.mark.parametrize("ignores", ["client", "target"])
def test_a_peer_that_ignores_the_close_frame_is_cut(start_sluice, start_target, ignores):
    def script(connection):
        while (received := read_frame(connection.wire)) is not None:
            if received.opcode == CLOSE and ignores == "client":
                connection.send(close_frame(received.close_code))

    goes, stays = start_target(holding(script)), start_target(serve_body())
    config = draining(goes, delay="1s", window="200ms")
    proxy = start_sluice(config)
    with opened(proxy) as client:
        proxy.reload(without(config, stays))
        assert read_frame(client.wire).close_code == RESTART
        if ignores == "target":
            client.send(close_frame(RESTART, masked=True))
        assert client.rest() == b""
    assert reason_of(proxy.only_log_line()) == "tunnel_drained"


def test_a_client_that_does_not_read_does_not_hold_up_the_end(start_sluice, start_target):
    sent = [0]

    def script(connection):
        while True:
            connection.send(frame(BINARY, b"x" * 65_000))
            sent[0] += 65_000

    goes, stays = start_target(holding(script)), start_target(serve_body())
    config = draining(goes, delay="500ms", window="100ms")
    proxy = start_sluice(config)
    with opened(proxy):
        wait_until(lambda: sent[0] > 130_000, "it sends")
        proxy.reload(without(config, stays))
        proxy.wait_for_metric_value("sluice_tunnels", 0)
    assert reason_of(proxy.only_log_line()) == "tunnel_drained"


# --- stopping ------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT], ids=["TERM", "QUIT"])
def test_a_stop_tells_all_of_them_spread_over_the_window(start_sluice, start_target, number):
    codes = []
    target = start_target(noting_close(codes))
    proxy = start_sluice(draining(target, window="1s", shutdown={"deadline": "20s"}))
    times = []

    def watch(client):
        expect_close(client, GOING_AWAY)
        times.append(time.monotonic())

    with ExitStack() as stack:
        clients = [stack.enter_context(opened(proxy)) for _ in range(20)]
        watchers = [threading.Thread(target=watch, args=(each,)) for each in clients]
        for watcher in watchers:
            watcher.start()
        proxy.send_signal(number)
        for watcher in watchers:
            watcher.join(30)
        assert proxy.wait_for_exit() == 0
    assert len(times) == 20
    assert max(times) - min(times) > 0.4
    wait_until(lambda: codes == [GOING_AWAY] * 20, "the target is told as well")
    assert [reason_of(line) for line in proxy.access_log()] == ["tunnel_drained"] * 20


def test_a_stop_in_a_short_time_still_tells_them(start_sluice, start_target):
    """The window is never longer than what there is of the deadline."""
    proxy = start_sluice(draining(start_target(echo), window="1h", shutdown={"deadline": "2s"}))
    with opened(proxy) as client:
        proxy.send_signal(signal.SIGTERM)
        expect_close(client, GOING_AWAY)
        assert proxy.wait_for_exit() == 0


def test_a_client_that_ignores_the_stop_is_cut_at_the_deadline(start_sluice, start_target):
    proxy = start_sluice(draining(start_target(echo), window="100ms", shutdown={"deadline": "1s"}))
    with opened(proxy) as client:
        proxy.send_signal(signal.SIGTERM)
        assert read_frame(client.wire).close_code == GOING_AWAY
        assert client.rest() == b""
        proxy.expected_status = proxy.wait_for_exit()
    assert len(proxy.access_log()) == 1


def test_an_immediate_stop_cuts_them(start_sluice, start_target):
    proxy = start_sluice(draining(start_target(echo), shutdown={"deadline": "60s"}))
    with ExitStack() as stack:
        clients = [stack.enter_context(opened(proxy)) for _ in range(5)]
        proxy.send_signal(signal.SIGINT)
        for client in clients:
            client.rest()
        proxy.expected_status = proxy.wait_for_exit()
    assert [reason_of(line) for line in proxy.access_log()] == ["shutdown_deadline"] * 5
