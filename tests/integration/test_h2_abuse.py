"""HTTP/2 clients that attack (T13 to T16): each is cut with its own reason, and others are served.

Every attack comes from one raw connection, as fast as it goes, until it is over. The limits are the
defaults unless a test says otherwise.
"""

import socket
import struct
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import h2_raw as h2
from support.configuration import site
from support.h2_raw import (END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, INITIAL_WINDOW_SIZE,
                            REFUSED_STREAM, Closed, Connection, block, continuation, data, frame,
                            headers, ping, request, request_fields, rst_stream, settings,
                            window_update)
from support.sluice import SANITIZED, reason_of
from support.target import response, serve_body
from support.waiting import PATIENCE, wait_until

BODY = b"hello from the target"
PRIORITY_UPDATE = 0x10
ROUNDS = 20_000  # far beyond every limit: an attack that nobody stops fails its test
LARGEST_GROWTH_KIB = 64 * 1024


def resident_kib(proxy):
    status = Path(f"/proc/{proxy.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


@contextmanager
def others_are_served(proxy):
    """Another client asks all the time; every answer is 200, and memory stays where it was."""
    before = resident_kib(proxy)
    stop = threading.Event()
    statuses = []
    failures = []

    def ask():
        try:
            while not stop.is_set():
                with proxy.client() as client:
                    for _ in range(20):
                        statuses.append(client.ask().status)
        except Exception as failure:  # noqa: BLE001: shown below
            failures.append(failure)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        wait_until(lambda: statuses or failures, "another client is answered")
        yield
        so_far = len(statuses)
        wait_until(lambda: len(statuses) > so_far or failures, "another client is answered still")
    finally:
        stop.set()
        thread.join(2 * PATIENCE)
    assert not failures, failures
    assert set(statuses) == {200}
    if not SANITIZED:
        assert proxy.memory_peak_kib() - before < LARGEST_GROWTH_KIB


def send_until_closed(connection, pieces):
    """Without reading. Whether the peer closed before all were sent."""
    try:
        for piece in pieces:
            connection.socket.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        return True
    return False


def attack(connection, pieces):
    """Sends from another thread while frames are read; returns the last GOAWAY's code."""
    sender = threading.Thread(target=send_until_closed, args=(connection, pieces), daemon=True)
    sender.start()
    try:
        connection.read_until(lambda: connection.goaway is not None)
    except Closed:
        pass
    finally:
        try:
            connection.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        sender.join(PATIENCE)
    assert connection.goaway is not None, "closed without GOAWAY"
    return connection.goaway.code


def batches(make, rounds=ROUNDS, size=50):
    """`make(i)` for each round, many to a write."""
    for first in range(0, rounds, size):
        yield b"".join(make(i) for i in range(first, first + size))


def odd(i):
    return 2 * i + 1


def post(i, *more, **pseudo):
    return headers(odd(i), request(*more, method="POST", **pseudo), END_HEADERS)


# --- floods that a counter ends ------------------------------------------------------------------

GET = request()


def field_blocks_without_end():
    yield headers(1, GET, END_STREAM)
    for _ in range(ROUNDS):
        yield continuation(1, block(("x", "y")), 0)


def empty_data():
    yield post(0)
    yield from batches(lambda i: data(1))


def padded_empty_data():
    yield post(0)
    yield from batches(lambda i: data(1, b"\x05" + bytes(5), h2.PADDED))


# Drips for an answer that stays behind a closed window. They are little work for anybody: the
# limit is high.
def window_drips():
    yield settings((INITIAL_WINDOW_SIZE, 0)) + headers(1, GET)
    yield from batches(lambda i: window_update(0, 1), 4 * ROUNDS, 500)


# Every way to make us reset a stream (MadeYouReset, CVE-2025-8671), behind a request that has
# begun work at a target.
PROVOKED = "h2_too_many_provoked_resets"
PROVOCATIONS = {
    "a window beyond 2^31-1": (PROVOKED, lambda i: post(i) + window_update(odd(i), 2**31 - 1)),
    "trailers without END_STREAM":
        (PROVOKED, lambda i: post(i) + headers(odd(i), block(("x", "y")), END_HEADERS)),
    "more content than its length":
        (PROVOKED, lambda i: post(i, ("content-length", "1")) + data(odd(i), b"xyz")),
    "pseudo-header fields in trailers":
        (PROVOKED, lambda i: post(i) + headers(odd(i), block((":path", "/")))),
    "a malformed head": (PROVOKED, lambda i: headers(odd(i), request(("X-Upper", "1")))),
    # Errors of the connection already, the first of them (RFC 9113 5.1, 5.4.1, 6.3).
    "WINDOW_UPDATE of 0":
        ("h2_protocol_error", lambda i: post(i) + window_update(odd(i), 0)),
    "DATA behind the end":
        ("h2_protocol_error", lambda i: headers(odd(i), GET) + data(odd(i), b"x")),
    "HEADERS behind the end":
        ("h2_protocol_error", lambda i: headers(odd(i), GET) + headers(odd(i), GET)),
    "PRIORITY of a wrong size":
        ("h2_frame_size_error", lambda i: post(i) + frame(h2.PRIORITY, 0, odd(i), bytes(4))),
}

FLOODS = {
    "rapid reset": ("h2_too_many_resets",
                    lambda: batches(lambda i: headers(odd(i), GET) + rst_stream(odd(i)))),
    "rapid reset of requests that are under way":
        ("h2_too_many_resets", lambda: batches(lambda i: post(i) + rst_stream(odd(i)))),
    "CONTINUATION": ("h2_too_many_continuations", field_blocks_without_end),
    "empty CONTINUATION": ("h2_too_many_continuations", lambda: [
        headers(1, GET, END_STREAM), *[continuation(1, b"", 0)] * ROUNDS]),
    "SETTINGS": ("h2_too_many_settings", lambda: batches(lambda i: settings())),
    "SETTINGS that change the table":
        ("h2_too_many_settings",
         lambda: batches(lambda i: settings((h2.HEADER_TABLE_SIZE, i % 2 * 4096)))),
    "PING": ("h2_too_many_pings", lambda: batches(lambda i: ping())),
    "PRIORITY_UPDATE":
        ("h2_too_many_priority_updates",
         lambda: batches(lambda i: frame(PRIORITY_UPDATE, 0, 0,
                                         struct.pack(">I", odd(i % 100)) + b"u=1"))),
    "PRIORITY": ("h2_too_many_priority_updates",
                 lambda: batches(lambda i: h2.priority(odd(i % 100)))),
    "empty DATA": ("h2_too_many_empty_data", empty_data),
    "DATA of padding": ("h2_too_many_empty_data", padded_empty_data),
    "WINDOW_UPDATE": ("h2_too_many_window_updates", window_drips),
    "field blocks that are refused":
        ("h2_too_many_refused_heads", lambda: batches(
            lambda i: headers(odd(i), indexed_bomb(20)), 200, size=1)),
}


def indexed_bomb(references):
    """One large field in the table, and references to it of one byte each (RFC 7541 6.1)."""
    pairs = block(*request_fields())
    return (pairs + b"\x40" + h2.text("x-bomb") + h2.text("b" * 3_900) + b"\xbe" * references)


@pytest.fixture
def proxy(start_sluice, start_target):
    def start(script=None, **sections):
        config = site(start_target(script or serve_body(BODY)), **sections)
        config["listeners"][0]["http2"] = True
        return start_sluice(config)
    return start


def expect_calm(proxy, reason, pieces):
    with others_are_served(proxy):
        with Connection.open(proxy.port()) as connection:
            connection.handshake()
            assert attack(connection, pieces) == ENHANCE_YOUR_CALM
        proxy.wait_for_metric_value("sluice_events_total", 1, reason=reason)
    log = proxy.wait_for_error_log(f"{reason}: listener web client ")
    assert log.count(f"{reason}:") == 1


@pytest.mark.parametrize("reason, pieces", FLOODS.values(), ids=FLOODS)
def test_a_flood_ends_its_connection(proxy, reason, pieces):
    expect_calm(proxy(), reason, pieces())


@pytest.mark.parametrize("reason, make", PROVOCATIONS.values(), ids=PROVOCATIONS)
def test_resets_that_the_client_provokes_end_its_connection(proxy, reason, make):
    running = proxy()
    with others_are_served(running):
        with Connection.open(running.port()) as connection:
            connection.handshake()
            # In writes of one: the request's answer may or may not be on its way when the fault
            # comes. So many that the limit is crossed, and never more streams than are allowed.
            code = attack(connection, (make(i) for i in range(120)))
        assert (code == ENHANCE_YOUR_CALM) == (reason == "h2_too_many_provoked_resets"), code
        running.wait_for_metric_value("sluice_events_total", 1, reason=reason)
    running.wait_for_error_log(f"{reason}: listener web client ")


# --- field blocks --------------------------------------------------------------------------------

BOMBS = {
    "HPACK references": (indexed_bomb(12_000), 431),
    "HPACK references just beyond the limit": (indexed_bomb(20), 431),
    "crumbs of Cookie": (block(*request_fields(*[("cookie", "a")] * 2_000)), 431),
    "fields": (block(*request_fields(*[("x", "")] * 3_000)), 431),
    "one large field": (block(*request_fields(("x", "y" * 17_000))), 431),
}


@pytest.mark.parametrize("bomb, status", BOMBS.values(), ids=BOMBS)
def test_a_field_block_that_is_too_large_reaches_no_target(proxy, bomb, status):
    """431 while decoding it to the end is bearable (HPACK has a state), the connection's end when
    it is not."""
    running = proxy()
    with others_are_served(running):
        with Connection.open(running.port()) as connection:
            connection.handshake()
            first, *rest = [bomb[i:i + 16_000] for i in range(0, len(bomb), 16_000)]
            frames = [headers(1, first, END_STREAM | (0 if rest else END_HEADERS))]
            frames += [continuation(1, each, END_HEADERS if last else 0) for last, each in
                       ((each is rest[-1], each) for each in rest)]
            connection.send(b"".join(frames))
            got = connection.stream(1)
            try:
                connection.read_until(lambda: connection.goaway or got.ended or
                                      got.reset is not None)
            except Closed:
                pass
            if connection.goaway is not None:
                assert connection.goaway.code == ENHANCE_YOUR_CALM
                running.wait_for_metric_value("sluice_events_total", 1, reason="headers_too_large")
                running.wait_for_error_log("headers_too_large: listener web")
            else:
                assert got.status == status


def test_a_head_that_does_not_end_is_late(proxy):
    running = proxy(timeouts={"client_header": "200ms"})
    with others_are_served(running), Connection.open(running.port()) as connection:
        connection.handshake()
        connection.send(headers(1, GET, END_STREAM))
        assert connection.is_closed()
        running.wait_for_metric_value("sluice_events_total", 1, reason="header_timeout")
    running.wait_for_error_log("header_timeout: listener web")


def test_a_refused_head_leaves_no_deadline_for_the_other_streams(proxy):
    answered = threading.Event()

    def script(connection):
        while connection.read_request():
            answered.wait(3 * PATIENCE)
            connection.send(response(BODY))

    running = proxy(script, timeouts={"client_header": "200ms"})
    with Connection.open(running.port()) as connection:
        connection.handshake()
        connection.send(headers(1, GET) + headers(3, request(("X-Upper", "1"))))
        connection.read_until(lambda: connection.stream(3).reset is not None)
        with socket.create_connection(("127.0.0.1", running.port())) as late:
            late.sendall(b"GET")  # its deadline was set later, and passes
            late.settimeout(PATIENCE)
            while late.recv(1000):
                pass
        answered.set()
        connection.read_until(lambda: connection.stream(1).ended)
        assert connection.stream(1).status == 200


# --- clients that do not take their answers ------------------------------------------------------

def test_streams_behind_a_window_that_stays_shut_are_cut(proxy):
    running = proxy(serve_body(bytes(200_000)), timeouts={"client_write": "500ms"})
    # Small answers for the other client: it asks for them by HEAD.
    with Connection.open(running.port()) as connection:
        connection.send(settings((INITIAL_WINDOW_SIZE, 0)))
        connection.handshake()
        streams = [odd(i) for i in range(100)]
        connection.send(b"".join(headers(each, GET) for each in streams))
        connection.read_until(
            lambda: all(connection.stream(each).reset is not None for each in streams))
        assert not any(connection.stream(each).content for each in streams)
        assert connection.goaway is None
        # The connection itself is sound.
        connection.send(headers(1001, request(method="HEAD")))
        connection.read_until(lambda: connection.stream(1001).ended)
    lines = running.wait_for_log(101)
    assert [reason_of(each) for each in lines].count("client_write_timeout") == 100
    if not SANITIZED:
        assert running.memory_peak_kib() < 2 * LARGEST_GROWTH_KIB


NEVER_READING = {
    "PING": lambda: batches(lambda i: ping(), 100 * ROUNDS, 500),
    "requests": lambda: batches(lambda i: headers(odd(i), GET), 100 * ROUNDS, 500),
}


@pytest.mark.parametrize("pieces", NEVER_READING.values(), ids=NEVER_READING)
def test_a_client_that_sends_and_never_reads_is_cut(proxy, pieces):
    limits = {"pings": 0, "provoked_resets": 0}  # not these: what waits for it is bounded, too
    running = proxy(serve_body(bytes(30_000)), timeouts={"client_write": "1s"},
                    http2={"abuse": limits})
    with others_are_served(running):
        connected = socket.socket()
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connected.connect(("127.0.0.1", running.port()))
        with Connection(connected, first=settings((INITIAL_WINDOW_SIZE, 2**31 - 1))) as connection:
            connection.send(window_update(0, 2**31 - 1 - 65_535))
            send_until_closed(connection, pieces())
            wait_until(lambda: "HTTP/2 connection closed" in running.error_log(),
                       lambda: f"the connection is closed: {running.error_log()}")


# --- T13: work that was begun counts -------------------------------------------------------------

def test_streams_that_were_reset_count_until_their_exchange_has_ended(proxy):
    limit = 8
    running = proxy(http2={"max_concurrent_streams": limit})
    rounds = 100  # below the limit on resets
    with Connection.open(running.port()) as connection:
        connection.handshake()
        with running.asleep():  # it gets all of them at once
            connection.send(b"".join(headers(odd(i), GET) + rst_stream(odd(i))
                                     for i in range(rounds)) + ping(b"all sent"))
        connection.read_until(lambda: b"all sent" in connection.pongs)
        assert connection.goaway is None
        refused = [each.stream for each in connection.frames
                   if each.kind == h2.RST_STREAM and each.code == REFUSED_STREAM]
        assert not refused or min(refused) >= odd(limit), refused
        # Another client of the same kind is not in anybody's way, and there is room again.
        connection.send(headers(odd(rounds), GET))
        connection.read_until(lambda: connection.stream(odd(rounds)).ended)
        assert connection.stream(odd(rounds)).status == 200


def test_a_reset_ends_the_work_at_the_target(proxy):
    """Requests at a target that hangs never exceed the limit, however many were reset."""
    limit = 4
    under_way = []

    def script(connection):
        connection.read_request()
        under_way.append(connection)
        connection.wait_for_close()
        under_way.remove(connection)

    running = proxy(script, http2={"max_concurrent_streams": limit})
    with Connection.open(running.port()) as connection:
        connection.handshake()
        held = [odd(i) for i in range(limit - 1)]
        connection.send(b"".join(headers(each, GET) for each in held))
        wait_until(lambda: len(under_way) == len(held), "the target has them")
        for i in range(limit, 40):
            connection.send(headers(odd(i), GET))
            wait_until(lambda: len(under_way) == limit, "the target has one more")
            connection.send(rst_stream(odd(i)))
            wait_until(lambda: len(under_way) == len(held), "the target is rid of it")
        assert connection.goaway is None
        assert not any(connection.stream(each).ended for each in held)
