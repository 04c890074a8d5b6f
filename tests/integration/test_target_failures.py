"""Whatever a target does wrong, the client gets the right status, and the log says why."""

import socket
import threading

import pytest

from support import http1
from support.client import request
from support.configuration import group, listener, rule, site
from support.http1 import Ended, Malformed, body_pieces
from support.ports import free_port
from support.sluice import reason_of
from support.target import (DeafTarget, answer_and_close, answer_once, response, serve_body)
from support.waiting import PATIENCE, PATIENCE_BELOW_10_S


@pytest.fixture
def deaf_target():
    target = DeafTarget()
    yield target
    target.close()


def assert_answered(proxy, status, reason, method="GET", patience=PATIENCE, **options):
    """The client gets `status` on a connection that stays usable, the log has `reason`."""
    with proxy.client(patience=patience) as client:
        answer = client.ask(method, "/", **options)
        assert answer.status == status
        assert answer.value("Server") == "sluice"
        if method != "HEAD":
            assert answer.framing == "length"
        client.send(request())
        assert client.response().status == status
    line = proxy.wait_for_log(2)[0]
    assert (line["status"], reason_of(line), line["ended_by"]) == (status, reason, "target")
    assert proxy.metric("sluice_exchange_ends_total", reason=reason) == 2
    return line


# --- before the head of an answer ------------------------------------------------------------------

def test_a_target_that_refuses_is_502(start_sluice):
    proxy = start_sluice(site(f"127.0.0.1:{free_port()}"))
    line = assert_answered(proxy, 502, "target_connect_refused")
    assert line["target_status"] is None
    assert proxy.metric("sluice_target_connection_errors_total", target_group="targets",
                        reason="target_connect_refused") == 2


def test_a_target_that_does_not_answer_the_connection_is_504(start_sluice, deaf_target):
    proxy = start_sluice(site(deaf_target, timeouts={"connect": "200ms"}))
    assert_answered(proxy, 504, "target_connect_timeout", patience=PATIENCE_BELOW_10_S)


def resets(connection):
    connection.read_request()
    connection.reset()


def closes(connection):
    connection.read_request()


def closes_at_once(connection):
    pass


@pytest.mark.parametrize("script", [resets, closes, closes_at_once,
                                    answer_and_close(b"HTTP/1.1 200 OK\r\nContent-"),
                                    answer_and_close(b"HTTP/1.1 100 Continue\r\n\r\n")],
                         ids=["resets", "closes", "closes_at_once", "closes_in_the_head",
                              "closes_after_100"])
def test_a_target_that_ends_before_its_answer_is_502(start_sluice, start_target, script):
    target = start_target(script)
    proxy = start_sluice(site(target))
    line = assert_answered(proxy, 502, "target_closed_early")
    assert line["target_address"] == target.address
    assert line["tries"] == 1


def test_a_target_that_resets_at_once_is_502(start_sluice, start_target):
    """The reset may be there before the connection was seen to be open."""
    proxy = start_sluice(site(start_target(lambda connection: connection.reset())))
    with proxy.client() as client:
        assert client.ask().status == 502
        assert client.ask().status == 502
    assert {reason_of(line) for line in proxy.wait_for_log(2)} <= {
        "target_closed_early", "target_connect_failed", "target_connect_refused"}


@pytest.mark.parametrize("data", [b"garbage\r\n\r\n", b"\0\0\0\0", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_a_target_that_answers_garbage_is_502(start_sluice, start_target, data):
    proxy = start_sluice(site(start_target(answer_once(data))))
    assert_answered(proxy, 502, "target_response_malformed")


def test_an_answer_to_head_may_fail_too(start_sluice, start_target):
    proxy = start_sluice(site(start_target(closes)))
    with proxy.client() as client:
        answer = client.ask("HEAD")
        assert (answer.status, answer.body) == (502, b"")
        assert client.ask("GET").status == 502


def test_a_target_that_is_too_slow_is_504(start_sluice, start_target):
    proxy = start_sluice(site(start_target(lambda connection: connection.wait_for_close()),
                              timeouts={"response_header": "200ms"}))
    line = assert_answered(proxy, 504, "target_response_timeout")
    assert line["total_time"] >= 0.2


def test_a_head_that_drips_is_504(start_sluice, start_target):
    """The time is to the end of the head, not between two bytes of it."""

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nX-Drip: ")
        stop = threading.Event()
        while not stop.wait(0.05):
            connection.send(b"x")

    proxy = start_sluice(site(start_target(script), timeouts={"response_header": "300ms"}))
    with proxy.client() as client:
        assert client.ask().status == 504
    assert reason_of(proxy.only_log_line()) == "target_response_timeout"


def test_the_whole_exchange_can_have_a_limit(start_sluice, start_target):
    proxy = start_sluice(site(start_target(lambda connection: connection.wait_for_close()),
                              timeouts={"total": "200ms"}))
    with proxy.client() as client:
        assert client.ask().status == 504
    assert reason_of(proxy.only_log_line()) == "total_timeout"


@pytest.mark.parametrize("targets", [[], [{"address": "127.0.0.1:1", "weight": 0}]],
                         ids=["an_empty_group", "only_weight_zero"])
def test_a_group_without_a_usable_target_is_503(start_sluice, targets):
    proxy = start_sluice(site(*targets))
    with proxy.client() as client:
        assert client.ask().status == 503
        assert client.ask("POST", "/", body=b"x").status == 503
    line = proxy.wait_for_log(2)[0]
    assert (reason_of(line), line["tries"]) == ("no_target", 0)
    assert line["target_group"] == "targets"


def test_a_head_that_is_too_large_is_502(start_sluice, start_target):
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %b\r\n" % (n, b"x" * 1000) for n in range(70))
    proxy = start_sluice(site(start_target(answer_once(head + b"\r\n"))))
    assert_answered(proxy, 502, "target_response_too_large")


def test_a_failing_target_does_not_harm_another_group(start_sluice, start_target):
    good = start_target(serve_body(b"good"))
    proxy = start_sluice({
        "listeners": [listener("web", rule("good", 1, {"path": ["/good"]}, action="good"),
                               default="bad")],
        "target_groups": [group("good", good), group("bad", f"127.0.0.1:{free_port()}")]})
    with proxy.client() as client:
        assert client.ask("GET", "/bad").status == 502
        assert client.ask("GET", "/good").body == b"good"


def test_a_refused_upload_is_answered_before_its_body_is_complete(start_sluice):
    proxy = start_sluice(site(f"127.0.0.1:{free_port()}"))
    with proxy.client() as client:
        client.send(request("POST", "/", ("Content-Length", "100000")))
        assert client.response().status == 502


# --- after the head of an answer -------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"
CUT_BODIES = {
    "length": HEAD + b"Content-Length: 100\r\n\r\nhello",
    "chunked_in_a_chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n10\r\nhello",
    "chunked_between_chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "chunked_in_the_trailers": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
}


def assert_truncated(proxy, reason, version="1.1"):
    """The client must be able to see that the body is not whole (RFC 9112 8)."""
    with proxy.client() as client:
        client.send(request(version=version))
        answer = client.response_head()
        assert answer.status == 200
        with pytest.raises((Ended, Malformed)):
            for piece in body_pieces(client.wire, answer):
                assert b"hello".startswith(piece[:1])
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line), line["ended_by"]) == (200, reason, "target")
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 1, reason=reason)


@pytest.mark.parametrize("data", CUT_BODIES.values(), ids=CUT_BODIES)
def test_a_cut_body_is_never_ended_cleanly(start_sluice, start_target, data):
    proxy = start_sluice(site(start_target(answer_and_close(data))))
    assert_truncated(proxy, "target_body_cut")


def test_a_reset_in_a_body_that_ends_with_the_connection_is_not_a_clean_end(start_sluice,
                                                                           start_target):
    delivered = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(HEAD + b"\r\nhello")
        connection.wait(delivered)
        connection.reset()

    proxy = start_sluice(site(start_target(script)))
    with proxy.client() as client:
        client.send(request())
        answer = client.response_head()
        pieces = body_pieces(client.wire, answer)
        assert next(pieces) == b"hello"
        delivered.set()
        with pytest.raises(Ended):
            b"".join(pieces)
    assert reason_of(proxy.only_log_line()) == "target_body_cut"


def test_a_cut_body_resets_an_http_1_0_client(start_sluice, start_target):
    """Without chunks and without a length only a reset can say that something is missing."""
    proxy = start_sluice(site(start_target(answer_and_close(CUT_BODIES["chunked_between_chunks"]))))
    with proxy.client() as client:
        client.send(request(version="1.0"))
        answer = client.response_head()
        with pytest.raises(Ended) as ended:
            for _ in body_pieces(client.wire, answer):
                pass
        assert ended.value.reset or answer.framing == "length"


@pytest.mark.parametrize("data", CUT_BODIES.values(), ids=CUT_BODIES)
def test_a_body_that_stops_flowing_is_cut(start_sluice, start_target, data):
    proxy = start_sluice(site(start_target(answer_once(data)), timeouts={"target_idle": "200ms"}))
    assert_truncated(proxy, "target_body_timeout")


def test_a_slow_body_that_keeps_flowing_is_not_cut(start_sluice, start_target):
    def script(connection):
        connection.read_request()
        connection.send(HEAD + b"Content-Length: 50\r\n\r\n")
        pause = threading.Event()
        for _ in range(50):
            pause.wait(0.05)  # the slowness under test: 2.5 s in all, far less between two bytes
            connection.send(b"x")
        connection.wait_for_close()

    proxy = start_sluice(site(start_target(script), timeouts={"target_idle": "2s"}))
    with proxy.client() as client:
        assert client.ask().body == b"x" * 50


def test_a_target_that_stops_reading_a_body_is_504(start_sluice, start_target):
    never = threading.Event()
    target = start_target(lambda connection: connection.wait(never), receive_buffer=65_536)
    proxy = start_sluice(site(target, timeouts={"target_idle": "200ms", "client_body": "10m"}))

    with proxy.client() as client:
        client.send(request("POST", "/", ("Content-Length", str(1 << 30))))
        uploader = threading.Thread(target=client.send_if_open, args=(bytes(1 << 26),))
        uploader.start()
        try:
            received = client.rest()
        finally:
            never.set()
            uploader.join()
    assert received == b"" or received.startswith(b"HTTP/1.1 504 ")
    line = proxy.only_log_line()
    assert (line["status"], line["ended_by"]) == (504, "target")


def test_the_total_time_cuts_a_body(start_sluice, start_target):
    proxy = start_sluice(site(start_target(answer_once(CUT_BODIES["length"])),
                              timeouts={"total": "2s"}))
    with proxy.client() as client:
        client.send(request())
        answer = client.response_head()
        assert answer.status == 200
        with pytest.raises(Ended):
            for _ in body_pieces(client.wire, answer):
                pass
    assert reason_of(proxy.only_log_line()) == "total_timeout"


# --- the client goes away --------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_client_that_leaves_before_its_answer_is_logged_as_499(start_sluice, start_target, how):
    left = threading.Event()

    def script(connection):
        connection.read_request()
        connection.wait_for_close()
        left.set()

    target = start_target(script)
    proxy = start_sluice(site(target))
    client = proxy.client()
    client.send(request())
    target.wait_for_requests(1)
    getattr(client, how)()
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line), line["ended_by"]) == (499, "client_closed", "client")
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 1, reason="client_closed")
    assert left.wait(PATIENCE), "the target works on for nobody"


def test_a_client_that_leaves_while_its_target_is_being_connected_is_logged(start_sluice,
                                                                             deaf_target):
    proxy = start_sluice(site(deaf_target, timeouts={"connect": "3s"}))
    client = proxy.client()
    client.send(request())
    proxy.wait_for_metric_value("sluice_target_active_requests", 1)
    client.reset()
    line = proxy.only_log_line()
    assert (reason_of(line), line["status"]) in [
        ("client_closed", 499), ("target_connect_timeout", 504)]
    proxy.wait_for_metric_value("sluice_client_connections", 0)


def test_a_client_that_leaves_in_the_middle_of_its_answer_is_logged(start_sluice, start_target):
    target = start_target(answer_once(CUT_BODIES["length"]))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request())
        client.wire.read_until(b"hello")
        client.reset()
    line = proxy.only_log_line()
    assert (reason_of(line), line["ended_by"], line["target_status"]) == (
        "client_closed", "client", 200)


def test_a_client_that_leaves_in_the_middle_of_its_body_is_logged(start_sluice, start_target):
    ended = threading.Event()

    def script(connection):
        connection.read_head()
        connection.wait_for_close()
        ended.set()

    target = start_target(script)
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request("POST", "/", ("Content-Length", "100")) + b"hello")
        target.wait_for_requests(1)
        client.reset()
    line = proxy.only_log_line()
    assert (line["status"], line["ended_by"]) == (499, "client")
    assert ended.wait(PATIENCE)


def test_a_client_that_half_closes_may_still_be_waiting_if_the_listener_tolerates_it(start_sluice,
                                                                                     start_target):
    go_on = threading.Event()

    def script(connection):
        connection.read_request()
        connection.wait(go_on)
        connection.send(response(b"patience"))
        connection.wait_for_close()

    target = start_target(script)
    config = site(target)
    config["listeners"][0]["half_close"] = "tolerate"
    proxy = start_sluice(config)
    with proxy.client() as client:
        client.send(request())
        target.wait_for_requests(1)
        client.half_close()
        go_on.set()
        assert client.response().body == b"patience"


def test_a_target_that_comes_back_is_used_again(start_sluice, start_target):
    port = free_port()
    proxy = start_sluice(site(f"127.0.0.1:{port}"))
    with proxy.client() as client:
        assert client.ask().status == 502
        start_target(serve_body(b"back"), port=port)
        assert client.ask().body == b"back"


def test_a_target_may_listen_on_a_unix_socket(start_sluice, tmp_path):
    path = tmp_path / "target.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.settimeout(PATIENCE)

        def serve_one():
            accepted, _ = listening.accept()
            with accepted:
                accepted.settimeout(PATIENCE)
                http1.read_request_head(http1.Wire(accepted))
                accepted.sendall(response(b"local"))
                accepted.recv(1)

        server = threading.Thread(target=serve_one, daemon=True)
        server.start()
        proxy = start_sluice(site(f"unix:{path}"))
        with proxy.client() as client:
            assert client.ask().body == b"local"
        assert proxy.stop() == 0
        server.join(PATIENCE)
