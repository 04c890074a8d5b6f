"""Idle timeout, lifetime and pings of upgraded connections, and what many of them survive."""

import asyncio
import contextlib
import random
import threading

import pytest
from support.configuration import site
from support.http1 import Ended
from support.sluice import SANITIZED, reason_of
from support.waiting import wait_until
from support.websocket import (BINARY, CLOSE, PING, PONG, TEXT, accept_handshake, close_frame, echo,
                               frame, holding, opened, read_frame, switching)
from support.websocket_pair import real_pair


def with_websocket(*targets, sections=None, **settings):
    config = site(*targets, **(sections or {}))
    config["target_groups"][0]["websocket"] = settings
    return config


# --- times ---------------------------------------------------------------------------------------

def expect_going_away(proxy, client, reason):
    received = read_frame(client.wire)
    assert received.close_code == 1001
    client.send(close_frame(1001, masked=True))
    assert client.rest() == b""
    assert reason_of(proxy.only_log_line()) == reason


def reading_frames(into):
    """The script of a target that notes the frames and answers a close frame."""
    def script(connection):
        while (received := read_frame(connection.wire)) is not None:
            into.append(received)
            if received.opcode == CLOSE:
                connection.send(close_frame(received.close_code))
                return

    return holding(script)


def test_the_idle_timeout_closes_both_sides_in_order(start_sluice, start_target):
    frames = []
    proxy = start_sluice(with_websocket(start_target(reading_frames(frames)), idle_timeout="300ms"))
    with opened(proxy) as client:
        expect_going_away(proxy, client, "tunnel_idle_timeout")
    wait_until(lambda: [each.close_code for each in frames] == [1001], "the target is told")
    assert frames[0].masked


def test_traffic_in_one_direction_keeps_it_open(start_sluice, start_target):
    stop = threading.Event()

    def script(connection):
        while not stop.wait(0.25):
            connection.send(frame(TEXT, b"tick"))
        connection.wait_for_close()

    proxy = start_sluice(with_websocket(start_target(holding(script)), idle_timeout="3s"))
    with opened(proxy) as client:
        for _ in range(25):  # more than two idle timeouts of ticks
            assert read_frame(client.wire).payload == b"tick"
        stop.set()
        while (received := read_frame(client.wire)).opcode == TEXT:
            pass
        assert received.close_code == 1001


def test_the_lifetime_ends_a_busy_one(start_sluice, start_target):
    proxy = start_sluice(with_websocket(start_target(echo), lifetime="500ms"))
    with opened(proxy) as client:
        while True:
            client.send_if_open(frame(TEXT, b"busy", masked=True))
            received = read_frame(client.wire)
            if received.opcode == CLOSE:
                break
        assert received.close_code == 1001
        client.send_if_open(close_frame(1001, masked=True))
        client.rest()
    assert reason_of(proxy.only_log_line()) == "tunnel_lifetime"


def test_both_sides_are_pinged_while_they_are_silent(start_sluice, start_target):
    frames = []
    proxy = start_sluice(with_websocket(start_target(reading_frames(frames)), idle_timeout="60s",
                                        ping_interval="50ms"))
    with opened(proxy) as client:
        for _ in range(3):
            ping = read_frame(client.wire)
            assert (ping.opcode, ping.payload, ping.masked) == (PING, b"", False)
        wait_until(lambda: len(frames) >= 3, "the target is pinged")
        assert all((each.opcode, each.masked) == (PING, True) for each in frames[:3])


def test_pings_and_pongs_keep_a_silent_pair_open(start_sluice):
    """Real peers answer pings by themselves: five idle timeouts later they still talk."""
    async def scenario():
        async with real_pair(start_sluice, ping_interval=None, group_keys={
                "websocket": {"idle_timeout": "1500ms", "ping_interval": "300ms"}}) as (_, client):
            for _ in range(4):
                await asyncio.sleep(2)  # the silence that is tested
                await client.send("still here")
                assert await client.recv() == "still here"

    asyncio.run(scenario())


@pytest.mark.parametrize("silent", ["client", "target"])
def test_a_side_that_answers_no_pings_is_given_up_though_the_other_does(start_sluice, start_target,
                                                                        silent):
    def answers(connection):
        while (received := read_frame(connection.wire)) is not None:
            if received.opcode == PING:
                connection.send(frame(PONG))
            if received.opcode == CLOSE:
                connection.send(close_frame(received.close_code))
                return

    script = answers if silent == "client" else lambda connection: connection.wait_for_close()
    proxy = start_sluice(with_websocket(start_target(holding(script)), idle_timeout="500ms",
                                        ping_interval="100ms"))
    with opened(proxy) as client:
        while (received := read_frame(client.wire)).opcode != CLOSE:
            if silent == "target" and received.opcode == PING:
                client.send(frame(PONG, masked=True))
        assert received.close_code == 1001
    assert reason_of(proxy.only_log_line()) == "tunnel_idle_timeout"


def test_no_ping_gets_into_the_middle_of_a_frame(start_sluice, start_target):
    """A frame that hangs half way is not cut in two by a ping of ours."""
    go_on = threading.Event()
    whole = frame(BINARY, b"x" * 996)

    def script(connection):
        received = connection.read_head()
        connection.send(switching(received.value("Sec-WebSocket-Key")) + whole[:500])
        connection.wait(go_on)
        connection.send(whole[500:])
        connection.wait_for_close()

    target = start_target([script, holding(lambda other: other.wait_for_close())])
    proxy = start_sluice(with_websocket(target, idle_timeout="60s", ping_interval="30ms"))
    with opened(proxy) as client:
        assert client.wire.read_exactly(500) == whole[:500]
        with opened(proxy) as other:  # several intervals pass
            pinged = sum(read_frame(other.wire).opcode == PING for _ in range(5))
        assert pinged == 5
        go_on.set()
        assert client.wire.read_exactly(500) == whole[500:]
        assert read_frame(client.wire).opcode == PING


# --- churn ---------------------------------------------------------------------------------------

def test_many_that_open_and_break_off_at_random_while_it_reloads(start_sluice, start_target):
    """Whatever ends them and in whatever order, nothing is left and nothing breaks."""
    chance = random.Random(1)
    rounds = 40 if SANITIZED else 100

    def script(connection):
        if accept_handshake(connection) is None:
            return
        while (received := read_frame(connection.wire)) is not None:
            connection.send(frame(received.opcode, received.payload))
            if chance.random() < 0.3:
                chance.choice([connection.close, connection.reset,
                               lambda: connection.send(close_frame(1000))])()

    def live(proxy):
        with contextlib.suppress(OSError, Ended, AttributeError), opened(proxy) as client:
            for _ in range(chance.randrange(1, 6)):
                client.send(frame(BINARY, b"x" * chance.choice([1, 1000, 100_000]), masked=True))
                if chance.random() < 0.8:
                    read_frame(client.wire)
            chance.choice([client.close, client.reset, client.half_close,
                           lambda: client.send(close_frame(1000, masked=True)), client.rest])()

    target = start_target(script)
    config = with_websocket(target, idle_timeout="3s", ping_interval="20ms", lifetime="5s",
                            sections={"workers": 2})
    proxy = start_sluice(config)
    for number in range(rounds):
        clients = [threading.Thread(target=live, args=(proxy,)) for _ in range(8)]
        for client in clients:
            client.start()
        if number % 5 == 0:
            config["target_groups"][0]["websocket"]["ping_interval"] = f"{20 + number}ms"
            proxy.reload(config)
        for client in clients:
            client.join(60)
    proxy.wait_for_metric_value("sluice_tunnels", 0)
    proxy.wait_for_metric_value("sluice_target_active_requests", 0)
    wait_until(lambda: proxy.metric("sluice_client_connections") == 0, "all connections are gone")
