"""gRPC through the proxy: a real client and real servers (grpcio)."""

import os
import queue
import subprocess
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from support import h2_raw
from support.configuration import site, tls
from support.grpc_target import Channel, GrpcTarget
from support.h2_target import H2Target
from support.waiting import PATIENCE, wait_until

Code = grpc.StatusCode
WITHIN = 2 * PATIENCE  # seconds for a call that shall not need its deadline


@pytest.fixture
def start_grpc_target():
    targets = []

    def start(name="", **options):
        targets.append(GrpcTarget(name, **options))
        return targets[-1]

    yield start
    for target in targets:
        target.close()


@pytest.fixture
def start_process():
    """A target in a process of its own, to be killed."""
    processes = []

    def start():
        folder = Path(__file__).parent
        process = subprocess.Popen([sys.executable, "-m", "support.grpc_target"], cwd=folder,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        processes.append(process)
        process.address = f"127.0.0.1:{int(process.stdout.readline())}"
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.fixture
def connect():
    channels = []

    def make(proxy, **options):
        channels.append(Channel(proxy.port("web"), **options))
        return channels[-1]

    yield make
    for channel in channels:
        channel.close()


def calls(*targets, sections=None, **group):
    config = site(*targets, **(sections or {}))
    config["listeners"][0]["http2"] = True
    config["target_groups"][0].update({"protocol_version": "grpc", **group})
    return config


def failure_of(call):
    """Of a call that is to fail; `call` makes it and waits for its end."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value


class Spoken:
    """Requests of a stream, sent one after the other as the test says."""

    def __init__(self):
        self._said = queue.Queue()

    def say(self, message):
        self._said.put(message)

    def end(self):
        self._said.put(None)

    def __iter__(self):
        return self

    def __next__(self):
        message = self._said.get()
        if message is None:
            raise StopIteration
        return message


# --- calls of each kind


def test_a_unary_call_is_answered(start_sluice, start_grpc_target, connect):
    target = start_grpc_target("a")
    proxy = start_sluice(calls(target))
    answer, call = connect(proxy).unary.with_call(b"hello", timeout=WITHIN)
    assert answer == b"hello"
    assert call.code() is Code.OK
    line = proxy.final_log()[0]
    assert (line["status"], line["target_status"], line["reason"]) == (200, 200, None)


def test_an_empty_message_is_a_message(start_sluice, start_grpc_target, connect):
    proxy = start_sluice(calls(start_grpc_target()))
    assert connect(proxy).unary(b"", timeout=WITHIN) == b""


def test_a_stream_of_the_client_is_collected(start_sluice, start_grpc_target, connect):
    proxy = start_sluice(calls(start_grpc_target()))
    messages = [str(number).encode() for number in range(500)]
    assert connect(proxy).collect(iter(messages), timeout=WITHIN) == b"|".join(messages)


def test_a_stream_of_the_target_arrives_in_order(start_sluice, start_grpc_target, connect):
    proxy = start_sluice(calls(start_grpc_target()))
    call = connect(proxy).count(b"500", timeout=WITHIN)
    assert [int(each) for each in call] == list(range(500))
    assert ("t-last", "500") in call.trailing_metadata()


def test_both_talk_in_turns(start_sluice, start_grpc_target, connect):
    """Each message leaves at once: the next is said when the answer to the last has come."""
    proxy = start_sluice(calls(start_grpc_target()))
    spoken = Spoken()
    call = connect(proxy).talk(spoken, timeout=WITHIN)
    for number in range(100):
        spoken.say(b"%d" % number)
        assert next(call) == b"re: %d" % number
    spoken.end()
    assert list(call) == []
    assert call.code() is Code.OK


def test_large_messages_pass_both_ways(start_sluice, start_grpc_target, connect):
    proxy = start_sluice(calls(start_grpc_target()))
    message = bytes(range(256)) * (3 * 4096)
    assert connect(proxy).unary(message, timeout=WITHIN) == message


def test_over_tls_on_both_sides(start_sluice, start_grpc_target, connect, authority, certificate):
    target = start_grpc_target(certificate=certificate)
    config = calls(target, protocol="https", tls={"verify": False})
    config["listeners"][0]["tls"] = tls(certificate)
    proxy = start_sluice(config)
    channel = connect(proxy, authority=authority)
    assert channel.unary(b"hello", timeout=WITHIN) == b"hello"
    assert [int(each) for each in channel.count(b"20", timeout=WITHIN)] == list(range(20))


# --- what goes with them


def test_metadata_pass_both_ways(start_sluice, start_grpc_target, connect):
    target = start_grpc_target()
    proxy = start_sluice(calls(target))
    every = bytes(range(256))
    given = [("x-text", "some text"), ("x-many", "one"), ("x-many", "two"), ("x-every-bin", every),
             ("x-empty-bin", b""), ("t-text", "trailing"), ("t-every-bin", every)]
    _, call = connect(proxy).unary.with_call(b"", metadata=given, timeout=WITHIN)
    arrived = [(k, v) for k, v in target.metadata if k[:2] in ("x-", "t-")
               and not k.startswith(("x-forwarded", "x-request", "x-amzn"))]
    assert sorted(arrived, key=repr) == sorted(given, key=repr)
    initial = [(k, v) for k, v in call.initial_metadata()]
    for each in given[:5]:
        assert each in initial
    assert [(k, v) for k, v in call.trailing_metadata()] == given[5:]


@pytest.mark.parametrize("code", [each for each in Code if each is not Code.OK],
                         ids=lambda code: code.name)
def test_a_status_of_the_target_passes_as_it_is(start_sluice, start_grpc_target, connect, code):
    proxy = start_sluice(calls(start_grpc_target()))
    message = "100 % of „größe“: \x01 a\nline"
    error = failure_of(lambda: connect(proxy).fail(f"{code.name} {message}".encode(),
                                                   timeout=WITHIN))
    assert error.code() is code
    assert error.details() == message
    assert ("t-detail-bin", bytes(range(256))) in error.trailing_metadata()


def test_a_status_behind_a_message_passes(start_sluice, start_grpc_target, connect):
    proxy = start_sluice(calls(start_grpc_target()))
    call = connect(proxy).break_off(b"DATA_LOSS", timeout=WITHIN)
    assert next(call) == b"one"
    error = failure_of(lambda: next(call))
    assert (error.code(), error.details()) == (Code.DATA_LOSS, "broken off")


def test_an_answer_of_trailers_only_passes(start_sluice, start_grpc_target, connect):
    """A method that the target does not have."""
    proxy = start_sluice(calls(start_grpc_target()))
    error = failure_of(lambda: connect(proxy).missing(b"", timeout=WITHIN))
    assert (error.code(), error.details()) == (Code.UNIMPLEMENTED, "Method not found!")
    line = proxy.final_log()[0]
    assert (line["status"], line["target_status"], line["reason"]) == (200, 200, None)


# --- deadlines and cancellation


def test_the_deadline_reaches_the_target(start_sluice, start_grpc_target, connect):
    target = start_grpc_target()
    proxy = start_sluice(calls(target))
    connect(proxy).unary(b"", timeout=1000)
    # The C core of gRPC sends three digits, rounded up: 1000 s can be "101" tens of seconds.
    assert 900 < target.time_remaining <= 1010


def test_a_deadline_that_passes_ends_the_call_on_both_sides(start_sluice, start_grpc_target,
                                                            connect):
    target = start_grpc_target()
    proxy = start_sluice(calls(target))
    error = failure_of(lambda: connect(proxy).hang(b"", timeout=1))
    assert error.code() is Code.DEADLINE_EXCEEDED
    wait_until(lambda: target.cancelled == target.calls.get("Hang", 0), "the call is cancelled")
    # Whoever looked at its clock first: the target, we, the client.
    line = proxy.wait_for_lines(1)[0]
    assert line["reason"] in (None, "total_timeout", "client_closed", "h2_reset_by_peer")


def test_a_deadline_passes_at_the_proxy_when_both_sides_ignore_it(start_sluice):
    target = H2Target(lambda connection, request: None)
    try:
        proxy = start_sluice(calls(target))
        with h2_raw.Connection.open(proxy.port("web")) as connection:
            connection.send(h2_raw.headers(1, h2_raw.request(
                ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "300m"),
                method="POST", path="/test.Echo/Hang")))
            stream = connection.stream(1)
            connection.read_until(lambda: stream.ended or stream.reset is not None)
            head = dict(stream.heads[0])
        assert (head[":status"], head["grpc-status"], head["grpc-message"]) == ("200", "4",
                                                                              "total_timeout")
        wait_until(lambda: target.connections[0].resets == [h2_raw.CANCEL], "the call is cancelled")
        line = proxy.final_log()[0]
        assert (line["status"], line["reason"]) == (504, "total_timeout")
    finally:
        target.close()


def test_a_timeout_of_ours_is_a_deadline_exceeded(start_sluice, start_grpc_target, connect):
    target = start_grpc_target()
    proxy = start_sluice(calls(target, timeouts={"total": "500ms"}))
    error = failure_of(lambda: connect(proxy).hang(b"", timeout=WITHIN))
    assert (error.code(), error.details()) == (Code.DEADLINE_EXCEEDED, "total_timeout")
    wait_until(lambda: target.cancelled == 1, "the call is cancelled")
    line = proxy.final_log()[0]
    assert (line["status"], line["reason"]) == (504, "total_timeout")


def test_a_timeout_of_ours_behind_a_message_is_a_deadline_exceeded(start_sluice, start_grpc_target,
                                                                  connect):
    target = start_grpc_target()
    proxy = start_sluice(calls(target, timeouts={"total": "1s"}))
    call = connect(proxy).hang_after_one(b"", timeout=WITHIN)
    assert next(call) == b"one"
    error = failure_of(lambda: next(call))
    assert (error.code(), error.details()) == (Code.DEADLINE_EXCEEDED, "total_timeout")
    wait_until(lambda: target.cancelled == 1, "the call is cancelled")
    line = proxy.final_log()[0]
    assert (line["status"], line["reason"]) == (200, "total_timeout")


def test_a_client_that_cancels_is_heard_by_the_target(start_sluice, start_grpc_target, connect):
    target = start_grpc_target()
    proxy = start_sluice(calls(target))
    channel = connect(proxy)
    unary = channel.hang.future(b"", timeout=WITHIN)
    stream = channel.hang_after_one(b"", timeout=WITHIN)
    assert next(stream) == b"one"
    wait_until(lambda: target.calls.get("Hang") == 1, "the unary call has come")
    unary.cancel()
    stream.cancel()
    wait_until(lambda: target.cancelled == 2, "both calls are cancelled")
    assert channel.unary(b"still here", timeout=WITHIN) == b"still here"
    assert len(target.peers) == 1  # nothing but streams has ended
    lines = proxy.wait_for_log(3)
    assert {line["reason"] for line in lines[:2]} <= {"client_closed", "h2_reset_by_peer"}


def test_a_target_that_cancels_is_heard_by_the_client(start_sluice, start_grpc_target, connect):
    """It answers before it has all: the rest of the stream is not waited for."""
    proxy = start_sluice(calls(start_grpc_target()))
    spoken = Spoken()
    call = connect(proxy).grpc.stream_unary("/test.Echo/Fail").future(spoken, timeout=WITHIN)
    spoken.say(b"ABORTED enough")
    error = call.exception(timeout=WITHIN)
    spoken.end()
    assert (error.code(), error.details()) == (Code.ABORTED, "enough")


# --- many


def test_ten_thousand_calls_over_four_connections(start_sluice, start_grpc_target, connect):
    proxy = start_sluice(calls(start_grpc_target()))
    channels = [connect(proxy) for _ in range(4)]

    def some(channel, first, count=2500, at_a_time=50):
        for start in range(first, first + count, at_a_time):
            waiting = [(number, channel.unary.future(b"%d" % number, timeout=3 * PATIENCE))
                       for number in range(start, start + at_a_time)]
            for number, each in waiting:
                assert each.result() == b"%d" % number

    with futures.ThreadPoolExecutor(4) as pool:
        for each in [pool.submit(some, channel, 2500 * index)
                     for index, channel in enumerate(channels)]:
            each.result()
    lines = proxy.final_log()
    assert len(lines) == 10_000
    assert {(line["status"], line["reason"]) for line in lines} == {(200, None)}


def test_calls_are_balanced_one_by_one(start_sluice, start_grpc_target, connect):
    targets = [start_grpc_target("a"), start_grpc_target("b")]
    proxy = start_sluice(calls(*targets))
    channel = connect(proxy)
    for _ in range(20):
        channel.unary(b"", timeout=WITHIN)
    assert [each.calls["Unary"] for each in targets] == [10, 10]


def test_reloads_lose_no_call(start_sluice, start_grpc_target, connect):
    targets = [start_grpc_target("a"), start_grpc_target("b")]
    proxy = start_sluice(calls(*targets))
    channel = connect(proxy)
    spoken = Spoken()
    talk = channel.talk(spoken, timeout=3 * WITHIN)
    is_over = threading.Event()

    def go_on(done=0):
        while not is_over.is_set():
            assert channel.unary(b"x", timeout=WITHIN) == b"x"
            done += 1
        return done

    with futures.ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(go_on) for _ in range(4)]
        try:
            for number in range(10):
                proxy.reload(calls(*targets, algorithm=["round_robin", "least_outstanding_requests"]
                                   [number % 2]))
                spoken.say(b"%d" % number)
                assert next(talk) == b"re: %d" % number
        finally:
            is_over.set()
        assert all(each.result() > 0 for each in clients)
    spoken.end()
    assert list(talk) == []


# --- what fails


def test_a_target_that_dies_is_unavailable(start_sluice, start_process, connect):
    process = start_process()
    proxy = start_sluice(calls(process))
    channel = connect(proxy)
    stream = channel.hang_after_one(b"", timeout=WITHIN)
    assert next(stream) == b"one"
    unary = channel.hang.future(b"", timeout=WITHIN)
    assert process.stdout.readline() == "hangs\n"
    assert process.stdout.readline() == "hangs\n"
    process.kill()
    process.wait()
    error = failure_of(lambda: next(stream))
    assert (error.code(), error.details()) == (Code.UNAVAILABLE, "target_body_cut")
    assert unary.exception(timeout=WITHIN).code() is Code.UNAVAILABLE
    error = failure_of(lambda: channel.unary(b"", timeout=WITHIN))
    assert error.code() is Code.UNAVAILABLE
    assert error.details() in ("target_connect_refused", "no_target")
    assert proxy.final_log()[-1]["status"] in (502, 503)


def test_a_target_that_dies_under_calls_of_another_takes_only_its_own(start_sluice, start_process,
                                                                     start_grpc_target, connect):
    process, other = start_process(), start_grpc_target("other")
    proxy = start_sluice(calls(process, other))
    channel = connect(proxy)
    for _ in range(4):
        channel.unary(b"", timeout=WITHIN)
    process.kill()
    process.wait()
    before = other.calls["Unary"]
    # A call behind its end is tried elsewhere, for it was never sent.
    wait_until(lambda: proxy.metric("sluice_target_connections", target_group="targets") <= 1,
               "its connection has been missed")
    for _ in range(20):
        assert channel.unary(b"x", timeout=WITHIN) == b"x"
    assert other.calls["Unary"] == before + 20


def test_a_group_without_targets_is_unavailable(start_sluice, connect):
    proxy = start_sluice(calls())
    error = failure_of(lambda: connect(proxy).unary(b"", timeout=WITHIN))
    assert (error.code(), error.details()) == (Code.UNAVAILABLE, "no_target")
    line = proxy.final_log()[0]
    assert (line["status"], line["reason"]) == (503, "no_target")


def test_no_rule_is_unimplemented(start_sluice, connect):
    config = calls()
    del config["listeners"][0]["default_action"]
    proxy = start_sluice(config)
    error = failure_of(lambda: connect(proxy).unary(b"", timeout=WITHIN))
    assert (error.code(), error.details()) == (Code.UNIMPLEMENTED, "no_rule")


def test_a_message_over_the_limit_is_resource_exhausted(start_sluice, start_grpc_target, connect):
    proxy = start_sluice(calls(start_grpc_target(), sections={"limits": {"body": "64KiB"}}))
    error = failure_of(lambda: connect(proxy).unary(b"x" * 200_000, timeout=WITHIN))
    assert (error.code(), error.details()) == (Code.RESOURCE_EXHAUSTED, "body_too_large")


def test_the_health_service_takes_a_target_out_and_back(start_sluice, start_grpc_target, connect):
    target = start_grpc_target()
    proxy = start_sluice(calls(target, health_check={
        "interval": "500ms", "timeout": "500ms", "healthy_threshold": 2, "unhealthy_threshold": 2,
        "service": "test.Echo"}))
    channel = connect(proxy)
    proxy.wait_for_metric_value("sluice_targets", 1, state="healthy")
    assert channel.unary(b"x", timeout=WITHIN) == b"x"
    target.is_serving = False
    proxy.wait_for_metric_value("sluice_targets", 1, state="unhealthy")
    target.is_serving = True
    proxy.wait_for_metric_value("sluice_targets", 1, state="healthy")
    assert channel.unary(b"x", timeout=WITHIN) == b"x"


def test_a_full_queue_is_unavailable(start_sluice, start_grpc_target, connect):
    target = start_grpc_target()
    proxy = start_sluice(calls(target, limits={"max_requests": 1, "queue": 0}))
    channel = connect(proxy)
    first = channel.hang.future(b"first", timeout=WITHIN)
    wait_until(lambda: target.calls.get("Hang") == 1, "the first call has come")
    error = failure_of(lambda: channel.unary(b"", timeout=WITHIN))
    assert (error.code(), error.details()) == (Code.UNAVAILABLE, "target_queue_full")
    target.go_on.set()
    assert first.result(WITHIN) == b"first"


# --- flow control


def test_trailers_wait_for_a_window_that_the_message_has_filled(start_sluice, start_grpc_target):
    """Nothing of an answer is lost when its content is exactly what the client allows."""
    message = b"\0" + (1000).to_bytes(4, "big") + b"m" * 1000
    proxy = start_sluice(calls(start_grpc_target()))
    first = h2_raw.settings((h2_raw.INITIAL_WINDOW_SIZE, len(message)))
    with h2_raw.Connection.open(proxy.port("web"), first=first) as connection:
        connection.handshake()
        connection.send(h2_raw.headers(
            1, h2_raw.request(("content-type", "application/grpc"), ("te", "trailers"),
                              method="POST", path="/test.Echo/Unary"), flags=h2_raw.END_HEADERS)
            + h2_raw.data(1, message, h2_raw.END_STREAM))
        stream = connection.stream(1)
        connection.read_until(lambda: stream.content == message)
        connection.send(h2_raw.ping())
        connection.read_until(lambda: connection.pongs)
        connection.send(h2_raw.window_update(1, 1000))
        connection.read_until(lambda: stream.ended or stream.reset is not None)
        assert stream.reset is None
        assert dict(stream.heads[-1])["grpc-status"] == "0"
