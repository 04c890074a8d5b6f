"""What flows through an upgraded connection, how it ends, and what is recorded of it."""

import asyncio
import contextlib
import random
import threading

import pytest
import websockets
from support.certificates import server_context
from support.configuration import site
from support.sluice import SANITIZED, reason_of
from support.waiting import wait_until, wait_until_steady
from support.websocket import (BINARY, CONTINUATION, PING, PONG, TEXT, close_frame, echo, echoes,
                               frame, holding, opened, read_frame)
from support.websocket_pair import real_pair

MEBIBYTE = 1 << 20


@pytest.fixture
def echoing(start_sluice, start_target):
    return start_sluice(site(start_target(echo)))


# --- the real library on both sides --------------------------------------------------------------

SIZES = [0, 1, 125, 126, 65_535, 65_536, MEBIBYTE]


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_real_client_and_server_exchange_messages(start_sluice, compression):
    async def scenario():
        async with real_pair(start_sluice, compression=compression) as (_, client):
            for size in SIZES:
                for message in ("x" * size, random.randbytes(size)):
                    await client.send(message)
                    assert await client.recv() == message
            await client.send(["in ", "three ", "fragments"])
            assert await client.recv() == "in three fragments"
            await asyncio.wait_for(await client.ping(), 20)

    asyncio.run(scenario())


def test_over_tls(start_sluice, certificate, authority):
    async def scenario():
        async with real_pair(start_sluice, tls_of=(certificate, authority.client_context())) as (
                _, client):
            for size in SIZES:
                message = random.randbytes(size)
                await client.send(message)
                assert await client.recv() == message

    asyncio.run(scenario())


@pytest.mark.parametrize("over_tls", [False, True], ids=["plain", "TLS"])
def test_the_servers_close_code_reaches_the_client(start_sluice, certificate, authority, over_tls):
    async def scenario():
        tls_of = (certificate, authority.client_context()) if over_tls else None
        async with real_pair(start_sluice, tls_of=tls_of) as (proxy, client):
            await client.send("close please")
            await client.wait_closed()
            assert (client.close_code, client.close_reason) == (4001, "as you wish")
        line = await asyncio.to_thread(proxy.only_log_line)
        assert (line["status"], reason_of(line)) == (101, None)

    asyncio.run(scenario())


def test_the_clients_close_code_reaches_the_server(start_sluice, start_target):
    seen = []

    def script(connection):
        received = read_frame(connection.wire)
        seen.append(received.close_code)
        connection.send(close_frame(received.close_code))

    async def scenario():
        proxy = await asyncio.to_thread(start_sluice, site(start_target(holding(script))))
        client = await websockets.connect(f"ws://127.0.0.1:{proxy.port()}/")
        await client.close(4002, "enough")
        assert client.close_code == 4002
        line = await asyncio.to_thread(proxy.only_log_line)
        assert (line["status"], reason_of(line)) == (101, None)

    asyncio.run(scenario())
    assert seen == [4002]


# --- bytes ---------------------------------------------------------------------------------------

def test_frames_split_at_every_byte(echoing):
    data = frame(TEXT, b"hello", masked=True) + frame(BINARY, b"\0" * 200, masked=True)
    with opened(echoing) as client:
        for cut in range(1, len(data)):
            client.send(data[:cut])
            client.send(data[cut:])
            assert read_frame(client.wire).payload == b"hello"
            assert read_frame(client.wire).payload == b"\0" * 200
        for byte in data:
            client.send(bytes([byte]))
        assert read_frame(client.wire).payload == b"hello"
        assert read_frame(client.wire).payload == b"\0" * 200


def test_fragments_and_control_frames_between_them_keep_their_order(echoing):
    with opened(echoing) as client:
        client.send(frame(TEXT, b"one", masked=True, fin=False) + frame(PING, b"?", masked=True)
                    + frame(CONTINUATION, b"two", masked=True))
        seen = [read_frame(client.wire) for _ in range(3)]
    assert [(each.opcode, each.payload, each.fin) for each in seen] == [
        (TEXT, b"one", False), (PONG, b"?", True), (CONTINUATION, b"two", True)]


def test_a_target_behind_tls(start_sluice, start_target, certificate, authority):
    target = start_target(echo, tls=server_context(certificate))
    config = site(target)
    config["target_groups"][0].update(
        protocol="https", tls={"ca": str(authority.cert), "server_name": "site.test"})
    proxy = start_sluice(config)
    with opened(proxy) as client:
        assert echoes(client, random.randbytes(MEBIBYTE), BINARY)


def test_bytes_that_are_no_frames_pass_as_well(start_sluice, start_target):
    """The proxy is no judge of frames: odd opcodes and lengths are the peers' matter."""
    data = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff" + random.randbytes(100_000)

    def script(connection):
        connection.send(connection.wire.read_exactly(len(data)))
        connection.wait_for_close()

    proxy = start_sluice(site(start_target(holding(script))))
    with opened(proxy) as client:
        client.send(data)
        assert client.wire.read_exactly(len(data)) == data


# --- back-pressure -------------------------------------------------------------------------------

def sends_without_end(send, sent):
    block = frame(BINARY, b"x" * 65_536, masked=True)
    with contextlib.suppress(OSError):
        while True:
            send(block)
            sent[0] += len(block)


@pytest.mark.parametrize("side", ["client", "target"])
def test_a_peer_that_does_not_read_stops_the_sender(start_sluice, start_target, side):
    """Memory does not grow: what waits is in the kernel's buffers, and stops growing there."""
    sent, go_on = [0], threading.Event()

    def script(connection):
        if side == "client":
            sends_without_end(connection.send, sent)
        else:
            connection.wait(go_on)
            while connection.wire.read_some():
                pass

    proxy = start_sluice(site(start_target(holding(script))))
    with opened(proxy) as warm:
        del warm
    before = proxy.memory_peak_kib()
    with opened(proxy) as client:
        sender = threading.Thread(target=sends_without_end, args=(client.send, sent), daemon=True)
        if side == "target":
            client.socket.settimeout(60)
            sender.start()
        wait_until(lambda: sent[0] > 65_536, "it sends")
        stopped_at = wait_until_steady(lambda: sent[0])
        assert stopped_at < 64 * MEBIBYTE
        if not SANITIZED:
            assert proxy.memory_peak_kib() - before < 2048
        if side == "client":  # it goes on where it stopped
            assert len(client.wire.read_exactly(stopped_at)) == stopped_at
        else:
            go_on.set()
            wait_until(lambda: sent[0] > stopped_at + 16 * MEBIBYTE, "it goes on")
        client.reset()
        if side == "target":
            sender.join(20)


# --- ends ----------------------------------------------------------------------------------------

def test_a_close_frame_arrives_though_the_server_closes_with_bytes_unread(start_sluice,
                                                                          start_target):
    """A server that closes at once resets what it has not read; the client still gets its code."""
    def script(connection):
        connection.wire.read_exactly(1)
        connection.send(close_frame(4003))
        connection.close()

    proxy = start_sluice(site(start_target(holding(script))))
    for _ in range(20):
        with opened(proxy) as client:
            client.send_if_open(frame(BINARY, b"x" * 300_000, masked=True))
            assert read_frame(client.wire).close_code == 4003


def test_the_connection_ends_when_both_have_said_close(start_sluice, start_target):
    """Also when neither closes: it does not wait for the idle timeout."""
    def script(connection):
        read_frame(connection.wire)
        connection.send(close_frame(1000))
        connection.wait_for_close()

    proxy = start_sluice(site(start_target(holding(script))))
    with opened(proxy) as client:
        client.send(close_frame(1000, masked=True))
        assert read_frame(client.wire).close_code == 1000
        assert client.is_closed_by_peer()
    assert reason_of(proxy.only_log_line()) is None


def test_a_half_close_is_passed_on_and_the_other_direction_goes_on(start_sluice, start_target):
    def script(connection):
        assert read_frame(connection.wire).payload == b"last words"
        assert read_frame(connection.wire) is None
        connection.send(frame(TEXT, b"understood"))

    proxy = start_sluice(site(start_target(holding(script))))
    with opened(proxy) as client:
        client.send(frame(TEXT, b"last words", masked=True))
        client.half_close()
        assert read_frame(client.wire).payload == b"understood"
        assert client.rest() == b""
    assert reason_of(proxy.only_log_line()) == "client_closed"


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_client_that_breaks_off_ends_the_targets_connection(start_sluice, start_target, how):
    ended = threading.Event()

    def script(connection):
        connection.wait_for_close()
        ended.set()

    proxy = start_sluice(site(start_target(holding(script))))
    with opened(proxy) as client:
        getattr(client, how)()
    wait_until(ended.is_set, "the target's connection ends")
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (101, "client_closed")
    proxy.wait_for_metric_value("sluice_tunnels", 0)


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_target_that_breaks_off_ends_the_clients_connection(start_sluice, start_target, how):
    proxy = start_sluice(site(start_target(holding(lambda connection: getattr(connection, how)()))))
    with opened(proxy) as client:
        assert client.rest() == b""
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (101, "tunnel_target_lost")
    assert proxy.metric("sluice_tunnel_ends_total", reason="tunnel_target_lost") == 1


# --- records -------------------------------------------------------------------------------------

def test_the_log_line_and_the_metrics_tell_what_it_was(start_sluice, start_target):
    proxy = start_sluice(site(start_target(echo)))
    fields = [("User-Agent", "test agent"), ("Referer", "https://site.test/page")]
    with opened(proxy, *fields, target="/socket?room=1") as client:
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
    assert (line["status"], reason_of(line), line["method"]) == (101, None, "GET")
    assert line["target"] == "/socket?room=1"
    assert (line["user_agent"], line["referer"]) == ("test agent", "https://site.test/page")
    assert line["host"] == "site.test"
    assert line["target_status"] == 101
    assert sent < line["request_bytes"] < sent + 1000
    assert received < line["response_bytes"] < received + 1000
    metrics = proxy.metrics()
    assert metrics.sum("sluice_tunnels_total", target_group="targets") == 1
    assert metrics.sum("sluice_tunnels") == 0
    assert metrics.sum("sluice_tunnel_bytes_total", direction="to_target") == sent
    assert metrics.sum("sluice_tunnel_bytes_total", direction="to_client") == received
    assert metrics.sum("sluice_tunnel_ends_total", reason="-") == 1
    assert metrics.sum("sluice_target_active_requests") == 0


def test_the_request_id_of_a_trusted_peer_is_in_the_line_at_the_end(start_sluice, start_target):
    proxy = start_sluice(site(start_target(echo),
                              forwarding={"trusted_proxies": ["127.0.0.0/8"]}))
    with opened(proxy, ("X-Request-Id", "from-outside"), ("Cookie", "a" * 2000)) as client:
        assert echoes(client)
    assert proxy.only_log_line()["request_id"] == "from-outside"
