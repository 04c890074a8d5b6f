"""Every timeout cuts what is too slow, only that, and the narrowest setting wins."""

import select
import threading

import pytest

from support import configuration
from support.client import request
from support.configuration import group, listener, rule, site
from support.sluice import reason_of
from support.target import response, serve, serve_body
from support.waiting import PATIENCE_BELOW_10_S, wait_until

# Longer than any test waits: where it applies, nothing is cut.
LONG = "10m"
# For what must not be cut before a busy machine has come round to everybody. What is slow on
# purpose pauses far shorter than that, but longer in all.
FAIR = "2s"
PAUSE = 0.05
PAUSES = 50


def never_answers(connection):
    connection.wait_for_close()


# --- client_header, client_idle, client_body, client_write -------------------------------------------

def test_the_header_time_is_absolute_and_not_reset_by_drips(start_sluice, start_target):
    """T16: a byte now and then must not keep a connection."""
    proxy = start_sluice(site(start_target(serve_body()), timeouts={"client_header": "300ms"}))
    with proxy.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: site.test\r\nX-Drip: ")

        def is_answered_while_dripping():
            client.send_if_open(b"x")
            readable, _, _ = select.select([client.socket], [], [], PAUSE)
            return readable

        wait_until(is_answered_while_dripping, "it is refused", within=PATIENCE_BELOW_10_S)
        assert client.response().status == 408
    assert reason_of(proxy.only_log_line()) == "header_timeout"


def test_the_header_time_counts_for_later_requests_too(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body()), timeouts={"client_header": "200ms"}))
    with proxy.client(patience=PATIENCE_BELOW_10_S) as client:
        assert client.ask().status == 200
        client.send(b"GET / HT")
        assert client.response().status == 408
        assert client.is_closed_by_peer()


def test_an_idle_keep_alive_connection_is_closed_in_silence(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body()), timeouts={"client_idle": FAIR}))
    with proxy.client() as client:
        assert client.ask().status == 200
        assert client.is_closed_by_peer(), "not even a 408"
    assert len(proxy.final_log()) == 1, "an idle end is no exchange"


def test_a_connection_that_never_sends_a_byte_is_closed_in_silence(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body()),
                              timeouts={"client_idle": "200ms", "client_header": "200ms"}))
    with proxy.client() as client:
        assert client.is_closed_by_peer()
    assert proxy.final_log() == []


def test_an_idle_connection_within_its_time_is_kept(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body()),
                              timeouts={"client_idle": LONG, "client_header": "300ms"}))
    with proxy.client() as client:
        assert client.ask().status == 200
        assert not client.is_closed_by_peer(within=1), "idle time is not header time"
        assert client.ask().status == 200


def send_slowly(client):
    pause = threading.Event()
    for _ in range(PAUSES):
        pause.wait(PAUSE)  # the slowness under test
        client.send(b"x")


def test_the_body_time_is_between_two_reads(start_sluice, start_target):
    target = start_target(serve(lambda received: response(received.body)))
    proxy = start_sluice(site(target, timeouts={"client_body": FAIR}))
    with proxy.client() as client:
        client.send(request("POST", "/", ("Content-Length", str(PAUSES))))
        send_slowly(client)
        assert client.response().body == b"x" * PAUSES


def test_a_slow_upload_is_not_counted_as_the_targets_slowness(start_sluice, start_target):
    """`response_header` begins when the request has been sent, not when its sending begins."""
    target = start_target(serve(lambda received: response(received.body)))
    proxy = start_sluice(site(target, timeouts={"response_header": FAIR}))
    with proxy.client() as client:
        client.send(request("POST", "/", ("Content-Length", str(PAUSES))))
        send_slowly(client)
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"x" * PAUSES)


def test_the_targets_slowness_is_not_counted_as_the_clients(start_sluice, start_target):
    go_on = threading.Event()

    def script(connection):
        received = connection.read_head()
        connection.wait(go_on)
        connection.read_body(received)
        connection.send(response(b"done"))
        connection.wait_for_close()

    target = start_target(script, receive_buffer=65_536)
    proxy = start_sluice(site(target, timeouts={"client_body": FAIR}))
    with proxy.client() as client:
        size = 1 << 26
        client.send(request("POST", "/", ("Content-Length", str(size))))
        uploader = threading.Thread(target=client.send_if_open, args=(bytes(size),))
        uploader.start()
        try:
            assert not go_on.wait(3)  # longer than client_body, and nothing moves
        finally:
            go_on.set()
            uploader.join()
        assert client.response().body == b"done"


def test_a_client_that_does_not_read_is_cut(start_sluice, start_target):
    size = 1 << 26
    proxy = start_sluice(site(start_target(serve_body(bytes(size))),
                              timeouts={"client_write": "300ms"}))
    with proxy.client(receive_buffer=65_536) as client:
        client.send(request())
        line = proxy.only_log_line()
        assert (reason_of(line), line["ended_by"]) == ("client_write_timeout", "client")
        assert len(client.rest()) < size
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 1, reason="client_write_timeout")


def test_a_client_that_reads_slowly_is_not_cut(start_sluice, start_target):
    size = 1 << 25  # far more than the proxy's socket holds: it has to wait nearly to the end
    proxy = start_sluice(site(start_target(serve_body(bytes(size))),
                              timeouts={"client_write": FAIR}))
    with proxy.client(receive_buffer=65_536) as client:
        client.send(request())
        head = client.response_head()
        assert head.status == 200
        received, pause = 0, threading.Event()
        while received < size:
            received += len(client.wire.read_exactly(min(size - received, size // PAUSES)))
            pause.wait(PAUSE)  # the slowness under test
    assert reason_of(proxy.only_log_line()) is None


def test_a_silent_handshake_is_cut(start_sluice, start_target, certificate):
    config = site(start_target(serve_body()), timeouts={"tls_handshake": "200ms"})
    config["listeners"][0]["tls"] = configuration.tls(certificate)
    proxy = start_sluice(config)
    with proxy.client(patience=PATIENCE_BELOW_10_S) as client:
        assert client.is_closed_by_peer()
    with proxy.client(patience=PATIENCE_BELOW_10_S) as client:
        client.send(b"\x16\x03\x01\x02\x00\x01\x00")
        assert client.is_closed_by_peer()
    proxy.wait_for_metric_value("sluice_tls_handshake_failures_total", 2, listener="web",
                                reason="tls_handshake_timeout")


# --- which setting wins ----------------------------------------------------------------------------

def slow_site(target, *, overall=LONG, of_group=None, of_rule=None):
    config = site(target, timeouts={"response_header": overall})
    if of_group:
        config["target_groups"] = [group("targets", target, timeouts={"response_header": of_group})]
    config["listeners"] = [listener("web", rule(
        "r", 1, {"path": ["/*"]}, action="targets",
        **({"timeouts": {"response_header": of_rule}} if of_rule else {})), default=None)]
    return config


@pytest.mark.parametrize("settings", [
    {"overall": "150ms"},
    {"of_group": "150ms"},
    {"of_rule": "150ms"},
    {"of_group": LONG, "of_rule": "150ms"},
    {"overall": "150ms", "of_group": "150ms", "of_rule": "150ms"},
], ids=str)
def test_the_short_setting_that_applies_cuts(start_sluice, start_target, settings):
    proxy = start_sluice(slow_site(start_target(never_answers), **settings))
    with proxy.client() as client:
        assert client.ask().status == 504
    assert reason_of(proxy.only_log_line()) == "target_response_timeout"


@pytest.mark.parametrize("settings", [
    {"overall": "150ms", "of_group": LONG},
    {"overall": "150ms", "of_rule": LONG},
    {"overall": "150ms", "of_group": "150ms", "of_rule": LONG},
], ids=str)
def test_a_longer_setting_that_is_narrower_wins(start_sluice, start_target, settings):
    go_on = threading.Event()

    def respond(_):
        go_on.wait(0.6)  # four times the short setting
        return response(b"late")

    proxy = start_sluice(slow_site(start_target(serve(respond)), **settings))
    with proxy.client() as client:
        assert client.ask().body == b"late"


@pytest.mark.parametrize("name, reason", [("connect", None), ("target_idle", "target_body_timeout"),
                                          ("total", "total_timeout")])
def test_other_timeouts_can_be_set_for_a_rule(start_sluice, start_target, name, reason):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        if reason is None:
            connection.send(b"world")
        connection.wait_for_close()

    config = site(start_target(script))
    config["listeners"] = [listener("web", rule("r", 1, {"path": ["/cut"]}, action="targets",
                                                timeouts={name: FAIR}), default=None)]
    proxy = start_sluice(config)
    with proxy.client() as client:
        client.send(request("GET", "/cut"))
        if reason is None:
            assert client.response().body == b"helloworld"
        else:
            assert client.rest().endswith(b"hello")
    assert reason_of(proxy.only_log_line()) == reason


def test_a_silent_tls_target_is_504(start_sluice, start_target):
    """The connection opens, the handshake never ends."""
    silent = start_target(never_answers)
    proxy = start_sluice({**site(timeouts={"tls_handshake": "200ms"}), "target_groups": [
        group("targets", silent, protocol="https", tls={"verify": False})]})
    with proxy.client(patience=PATIENCE_BELOW_10_S) as client:
        assert client.ask().status == 504
    assert reason_of(proxy.only_log_line()) == "target_tls_timeout"


def test_a_client_slow_to_take_interim_answers_does_not_make_the_head_time_void(start_sluice,
                                                                               start_target):
    """The time passes while the proxy waits for the client; the target must not be waited for
    without end afterwards."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: <" + b"x" * 15_000 + b">\r\n\r\n"

    def script(connection):
        if connection.read_request().target == "/hints":
            connection.send(interim * 800)
        connection.wait_for_close()

    proxy = start_sluice(site(start_target(script), workers=1,
                              limits={"informational_responses": 1000},
                              timeouts={"response_header": "500ms"}))
    with proxy.client(receive_buffer=4096) as client, proxy.client() as other:
        client.send(request("GET", "/hints"))
        assert other.ask("GET", "/silent").status == 504, "the first one's time has passed, too"
        answer = client.response()
        while answer.status == 103:
            answer = client.response()
        assert answer.status == 504
