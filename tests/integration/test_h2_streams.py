"""Many streams of one HTTP/2 connection beside each other: none stands in another's way, and what
a slow peer does not take stays where it comes from."""

import socket
import threading

import pytest

from support import h2_raw as h2
from support.configuration import group, listener, rule, site
from support.h2_raw import (END_HEADERS, END_STREAM, INITIAL_WINDOW_SIZE, Connection, data,
                            headers, ping, request, settings, window_update)
from support.sluice import SANITIZED
from support.target import response, serve, serve_body
from support.waiting import PATIENCE

MIB = 1 << 20
BODY = b"hello from the target"
GET = request()


@pytest.fixture
def proxy(start_sluice, start_target):
    def start(script, **sections):
        target, quick = start_target(script), start_target(serve_body(BODY))
        web = listener("web", rule("quick", 10, {"path": ["/quick"]}, action="quick"), http2=True)
        return start_sluice({"listeners": [web], "target_groups": [
            group("targets", target), group("quick", quick)], **sections})
    return start


def slow_connection(port):
    """Whose kernel holds little for it."""
    connected = socket.socket()
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    connected.connect(("127.0.0.1", port))
    return Connection(connected, first=settings((INITIAL_WINDOW_SIZE, 2**31 - 1)) +
                      window_update(0, 2**31 - 1 - 65_535))


@pytest.mark.parametrize("connections, streams", [(1, 100), (20, 5)])
def test_downloads_at_the_pace_of_their_readers(proxy, connections, streams):
    size = 2 * MIB
    running = proxy(serve_body(bytes(size)))
    before = running.memory_peak_kib()
    readers = [slow_connection(running.port()) for _ in range(connections)]
    numbers = [2 * i + 1 for i in range(streams)]
    try:
        for each in readers:
            each.send(b"".join(headers(number, GET) for number in numbers))
        # Nobody reads. Another client is answered, and of 200 MiB little is in memory.
        with running.client() as other:
            for _ in range(100):
                assert other.ask(target="/quick").status == 200
        if not SANITIZED:
            assert running.memory_peak_kib() - before < 64 * 1024
        # One after the other is what a client gets that says nothing (RFC 9218 5): all arrive.
        reader = readers[-1]
        reader.read_until(lambda: all(reader.stream(each).ended for each in numbers))
        assert all(len(reader.stream(each).content) == size for each in numbers)
    finally:
        for each in readers:
            each.socket.close()
    if not SANITIZED:
        assert running.memory_peak_kib() - before < 64 * 1024


def test_an_upload_to_a_target_that_does_not_read_stands_still_alone(proxy):
    go_on = threading.Event()
    received = []

    def script(connection):
        got = connection.read_head()
        go_on.wait(3 * PATIENCE)
        received.append(len(connection.read_body(got).body))
        connection.send(response(BODY))

    running = proxy(script)
    before = running.memory_peak_kib()
    with Connection.open(running.port()) as connection:
        connection.handshake()
        connection.send(headers(1, request(method="POST"), END_HEADERS))
        given = connection.settings.get(INITIAL_WINDOW_SIZE, 65_535)
        sent = 0

        def window():
            return given + sum(
                int.from_bytes(each.payload, "big") for each in connection.frames
                if (each.kind, each.stream) == (h2.WINDOW_UPDATE, 1)) - sent

        def upload():
            nonlocal sent
            while window() > 0:
                size = min(window(), 16_384)
                connection.send(data(1, bytes(size)))
                sent += size
            probe = b"%08d" % (sent % 10**8)
            connection.send(ping(probe))
            connection.read_until(lambda: probe in connection.pongs)

        # Until the window stays shut, which is seen by requests that are answered beside it.
        for number in range(3, 63, 2):
            upload()
            connection.send(headers(number, request(path="/quick")))
            connection.read_until(lambda: connection.stream(number).ended)
            assert connection.stream(number).status == 200
        assert window() == 0, "the target takes nothing, so nothing more may be sent"
        if not SANITIZED:
            assert running.memory_peak_kib() - before < 64 * 1024
        go_on.set()
        connection.read_until(lambda: window() > 0)
        connection.send(data(1, b"x", END_STREAM))
        connection.read_until(lambda: connection.stream(1).ended)
        assert connection.stream(1).status == 200
        assert received == [sent + 1]


def test_a_hundred_uploads_beside_each_other_arrive_whole(proxy):
    size = 256 * 1024
    arrived = []

    def respond(got):
        arrived.append(len(got.body))
        return response(BODY)

    running = proxy(serve(respond))
    numbers = [2 * i + 1 for i in range(100)]
    with Connection.open(running.port()) as connection:
        connection.handshake()
        connection.send(b"".join(headers(each, request(method="POST"), END_HEADERS)
                                 for each in numbers))
        left = dict.fromkeys(numbers, size)
        windows = dict.fromkeys([0, *numbers], 65_535)
        windows.update(dict.fromkeys(numbers, connection.settings[INITIAL_WINDOW_SIZE]))
        seen = 0

        def note_windows():
            nonlocal seen
            for each in connection.frames[seen:]:
                if each.kind == h2.WINDOW_UPDATE:
                    windows[each.stream] += int.from_bytes(each.payload, "big")
            seen = len(connection.frames)

        note_windows()
        while any(left.values()):
            progress = False
            for each in numbers:
                piece = min(left[each], windows[each], windows[0], 16_384)
                if piece > 0:
                    left[each] -= piece
                    windows[each] -= piece
                    windows[0] -= piece
                    connection.send(data(each, bytes(piece), 0 if left[each] else END_STREAM))
                    progress = True
            if not progress:
                count = len(connection.frames)
                connection.read_until(lambda: len(connection.frames) > count)
            note_windows()
        connection.read_until(lambda: all(connection.stream(each).ended for each in numbers))
        assert all(connection.stream(each).status == 200 for each in numbers)
    assert arrived == [size] * len(numbers)


@pytest.fixture
def empty_answers(start_sluice, start_target):
    """`/empty` ends with its head; everything else is long."""
    size = 2 * MIB
    web = listener("web", rule("empty", 10, {"path": ["/empty"]}, action="empty"), http2=True)
    return start_sluice({"listeners": [web], "target_groups": [
        group("targets", start_target(serve_body(bytes(size)))),
        group("empty", start_target(serve_body(b"")))]}), size


def test_answers_that_end_with_their_head_come_also_behind_a_download_that_nobody_reads(
        empty_answers):
    running, size = empty_answers
    reader = slow_connection(running.port())
    try:
        reader.send(headers(1, GET))
        numbers = range(3, 43, 2)
        # Pings fill what waits to be written, besides.
        reader.send(b"".join(headers(number, request(path="/empty")) + ping() for number in numbers))
        with running.client() as other:
            for _ in range(50):
                assert other.ask(target="/empty").status == 200
        reader.read_until(lambda: all(reader.stream(each).ended or reader.stream(each).reset
                                      is not None for each in [1, *numbers]))
        assert [reader.stream(each).reset for each in numbers] == [None] * len(numbers)
        assert [reader.stream(each).status for each in numbers] == [200] * len(numbers)
        assert len(reader.stream(1).content) == size
    finally:
        reader.socket.close()


def test_the_last_answer_is_whole_when_its_connection_ends_with_it(empty_answers):
    running, size = empty_answers
    reader = slow_connection(running.port())
    try:
        reader.send(headers(1, GET))
        reader.read_until(lambda: reader.stream(1).status == 200)
        reader.send(h2.goaway())
        reader.read_until(lambda: reader.stream(1).ended)
        assert len(reader.stream(1).content) == size
    finally:
        reader.socket.close()
