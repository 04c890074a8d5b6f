"""TERM and QUIT let everything accepted finish within the deadline; INT does not wait."""

import signal
import threading

import pytest

from support import configuration
from support.client import refuses_connections, request, wait_until_refused
from support.configuration import site
from support.http1 import body_pieces
from support.sluice import reason_of
from support.target import DeafTarget, answer_once, response, serve, serve_body
from support.waiting import PATIENCE, wait_for_event, wait_until

GRACEFUL = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT],
                                   ids=["TERM", "QUIT"])


class SlowTarget:
    """Answers when told to."""

    def __init__(self, start_target, body=b"finished"):
        self.go_on = threading.Event()
        self.body = body
        self.target = start_target(serve(self._respond))

    def _respond(self, _):
        wait_for_event(self.go_on)
        return response(self.body)


@GRACEFUL
def test_without_work_it_ends_at_once_with_status_0(start_sluice, start_target, number):
    proxy = start_sluice(site(start_target(serve_body()), shutdown={"deadline": "60s"}))
    with proxy.client() as client:
        assert client.ask().status == 200
    assert proxy.stop(number, within=PATIENCE) == 0


@GRACEFUL
def test_an_exchange_in_flight_finishes_with_connection_close(start_sluice, start_target, number):
    slow = SlowTarget(start_target)
    proxy = start_sluice(site(slow.target, shutdown={"deadline": "60s"}))
    with proxy.client() as client:
        client.send(request())
        slow.target.wait_for_requests(1)
        proxy.send_signal(number)
        wait_until_refused(proxy.port())
        assert proxy.process.poll() is None
        slow.go_on.set()
        answer = client.response()
        assert answer.body == b"finished"
        assert answer.says_close()
        assert client.is_closed_by_peer()
    assert proxy.wait_for_exit() == 0
    assert proxy.access_log()[-1]["status"] == 200, "the last line is written before the end"


def test_idle_keep_alive_connections_do_not_hold_it_up(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body()), shutdown={"deadline": "60s"}))
    clients = [proxy.client() for _ in range(10)]
    try:
        for client in clients:
            assert client.ask().status == 200
        proxy.send_signal(signal.SIGTERM)
        assert proxy.wait_for_exit() == 0
        assert all(client.is_closed_by_peer() for client in clients)
    finally:
        for client in clients:
            client.close()


def test_a_connection_whose_request_is_half_sent_may_finish_it(start_sluice, start_target):
    slow = SlowTarget(start_target)
    proxy = start_sluice(site(slow.target, shutdown={"deadline": "60s"}))
    data = request("POST", "/", body=b"hello")
    with proxy.client() as client:
        client.send(data[:-5])
        slow.target.wait_for_requests(1)
        proxy.send_signal(signal.SIGTERM)
        wait_until_refused(proxy.port())
        client.send(data[-5:])
        slow.go_on.set()
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"finished")
    assert proxy.wait_for_exit() == 0


def test_a_connection_accepted_before_is_served(start_sluice, start_target):
    """SIGTERM under load: no request fails that was accepted."""
    slow = SlowTarget(start_target)
    proxy = start_sluice(site(slow.target, workers=2, shutdown={"deadline": "60s"}))
    clients = [proxy.client() for _ in range(20)]
    try:
        for client in clients:
            client.send(request())
        slow.target.wait_for_requests(20)
        proxy.send_signal(signal.SIGTERM)
        wait_until_refused(proxy.port())
        slow.go_on.set()
        assert all(client.response().body == b"finished" for client in clients)
    finally:
        for client in clients:
            client.close()
    assert proxy.wait_for_exit() == 0


def test_a_connection_in_the_kernels_queue_is_not_dropped(start_sluice, start_target):
    """What the kernel has accepted for us counts as accepted: closing the listening socket would
    reset it."""
    proxy = start_sluice(site(start_target(serve_body()), shutdown={"deadline": "60s"}))
    for _ in range(3):
        with proxy.client() as warm:
            warm.ask()
    clients = []
    try:
        with proxy.asleep():  # nothing is accepted
            clients = [proxy.client() for _ in range(10)]
            for client in clients:
                client.send(request())
            proxy.send_signal(signal.SIGTERM)
        for client in clients:
            assert client.response().status == 200
    finally:
        for client in clients:
            client.close()
    assert proxy.wait_for_exit() == 0


def test_pipelined_requests_behind_the_last_answer_are_not_half_done(start_sluice, start_target):
    """After `Connection: close` nothing more is read: what was not answered was not sent either."""
    slow = SlowTarget(start_target)
    proxy = start_sluice(site(slow.target, shutdown={"deadline": "60s"}))
    with proxy.client() as client:
        client.send(request("GET", "/first") + request("GET", "/second"))
        slow.target.wait_for_requests(1)
        proxy.send_signal(signal.SIGTERM)
        wait_until_refused(proxy.port())
        slow.go_on.set()
        assert client.response().says_close()
        assert client.rest() == b""
    assert proxy.wait_for_exit() == 0
    assert [line["target"] for line in proxy.access_log()] == ["/first"]
    assert [each.target for each in slow.target.requests] == ["/first"]


def test_a_body_under_way_is_sent_to_its_end(start_sluice, start_target):
    go_on = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        connection.wait(go_on)
        connection.send(b"world")
        connection.wait_for_close()

    proxy = start_sluice(site(start_target(script), shutdown={"deadline": "60s"}))
    with proxy.client() as client:
        client.send(request())
        pieces = body_pieces(client.wire, client.response_head())
        assert next(pieces) == b"hello"
        proxy.send_signal(signal.SIGTERM)
        wait_until_refused(proxy.port())
        go_on.set()
        assert b"".join(pieces) == b"world"
        assert client.is_closed_by_peer()
    assert proxy.wait_for_exit() == 0


def test_the_deadline_cuts_what_does_not_finish(start_sluice, start_target):
    target = start_target(answer_once(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"))
    proxy = start_sluice(site(target, shutdown={"deadline": "300ms"}))
    with proxy.client() as client:
        client.send(request())
        client.wire.read_until(b"hello")
        proxy.send_signal(signal.SIGTERM)
        assert proxy.wait_for_exit() == 0
        assert client.rest() == b""
    line = proxy.access_log()[-1]
    assert (reason_of(line), line["ended_by"]) == ("shutdown_deadline", "self")


def test_a_second_signal_does_not_restart_the_deadline(start_sluice, start_target):
    target = start_target(lambda connection: connection.wait_for_close())
    proxy = start_sluice(site(target, shutdown={"deadline": "500ms"}))
    with proxy.client() as client:
        client.send(request())
        target.wait_for_connections(1)
        proxy.send_signal(signal.SIGTERM)
        wait_until_refused(proxy.port())

        def ends_in_spite_of_signals():
            proxy.send_signal(signal.SIGTERM)
            return proxy.process.poll() is not None

        wait_until(ends_in_spite_of_signals, "the first signal's deadline has passed")
    # The last of them may come when the end has got so far that nobody handles signals any more.
    proxy.expected_status = proxy.wait_for_exit()
    assert proxy.expected_status in (0, -signal.SIGTERM)


def test_int_does_not_wait(start_sluice, start_target):
    target = start_target(lambda connection: connection.wait_for_close())
    proxy = start_sluice(site(target, shutdown={"deadline": "60s"}))
    with proxy.client() as client:
        client.send(request())
        target.wait_for_connections(1)
        assert proxy.stop(signal.SIGINT, within=PATIENCE) == 0
        client.rest()


def test_int_cuts_a_drain_short(start_sluice, start_target):
    target = start_target(lambda connection: connection.wait_for_close())
    proxy = start_sluice(site(target, shutdown={"deadline": "60s"}))
    with proxy.client() as client:
        client.send(request())
        target.wait_for_connections(1)
        proxy.send_signal(signal.SIGTERM)
        wait_until_refused(proxy.port())
        assert proxy.process.poll() is None
        assert proxy.stop(signal.SIGINT, within=PATIENCE) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_connection_attempt_to_a_target_does_not_outlive_the_deadline(start_sluice, number):
    """Whatever an exchange waits for, the deadline is the end of the process."""
    deaf = DeafTarget()
    try:
        proxy = start_sluice(site(deaf, shutdown={"deadline": "300ms"}, timeouts={"connect": "60s"}))
        with proxy.client() as client:
            client.send(request())
            proxy.wait_for_metric_value("sluice_target_active_requests", 1)
            assert proxy.stop(number, within=PATIENCE) == 0
    finally:
        deaf.close()


def test_a_reload_during_a_drain_does_not_bring_it_back(start_sluice, start_target):
    slow = SlowTarget(start_target)
    proxy = start_sluice(site(slow.target, shutdown={"deadline": "60s"}))
    with proxy.client() as client:
        client.send(request())
        slow.target.wait_for_requests(1)
        proxy.send_signal(signal.SIGTERM)
        wait_until_refused(proxy.port())
        proxy.send_signal(signal.SIGHUP)
        proxy.wait_for_error_log("reload: ignored while draining")
        assert refuses_connections(proxy.port())
        slow.go_on.set()
        assert client.response().body == b"finished"
    assert proxy.wait_for_exit() == 0


def test_tls_connections_end_with_close_notify(start_sluice, start_target, authority, certificate):
    config = site(start_target(serve_body()), shutdown={"deadline": "60s"})
    config["listeners"][0]["tls"] = configuration.tls(certificate)
    proxy = start_sluice(config)
    with proxy.client(tls=authority.client_context(), server_name="site.test") as client:
        client.socket.suppress_ragged_eofs = False
        assert client.ask().status == 200
        proxy.send_signal(signal.SIGTERM)
        assert client.is_closed_by_peer()
    assert proxy.wait_for_exit() == 0
