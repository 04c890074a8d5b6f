"""A target's connection is used again only after both messages ended cleanly (T7); one that died while
idle costs no request."""

import threading

import pytest

from support.client import request
from support.configuration import group, site
from support.http1 import chunked
from support.sluice import reason_of
from support.target import answer_once, response, serve, serve_body
from support.waiting import PATIENCE, wait_for_event

EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"


def wait_for_idle_connections(proxy, count):
    proxy.wait_for_metric_value("sluice_target_connections_idle", count, target_group="targets")


def test_a_clean_exchange_leaves_its_connection_for_the_next(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.ask()
        client.ask()
    lines = proxy.wait_for_log(2)
    assert [line["reused"] for line in lines] == [False, True]
    assert [line["tries"] for line in lines] == [1, 1]
    assert len(target.connections) == 1
    wait_for_idle_connections(proxy, 1)


# --- T7: what forbids reuse ------------------------------------------------------------------------

UNCLEAN = {
    "stray_bytes_behind_the_answer": (response(b"first") + b"stray", "GET"),
    "a_whole_answer_behind_the_answer": (response(b"first") + EVIL, "GET"),
    "stray_bytes_behind_a_chunked_answer":
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"first") + EVIL, "GET"),
    "a_body_behind_the_answer_to_head": (response(b"first"), "HEAD"),
    "a_body_behind_204": (b"HTTP/1.1 204 No Content\r\n\r\n" + EVIL, "GET"),
    "a_body_behind_304": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nfirst", "GET"),
}


@pytest.mark.parametrize("data, method", UNCLEAN.values(), ids=UNCLEAN)
def test_t7_bytes_behind_an_answer_forbid_reuse(start_sluice, start_target, data, method):
    target = start_target([answer_once(data), serve_body(b"second")])
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.ask(method)
        assert client.ask().body == b"second"
    assert [each.connection for each in target.requests] == [0, 1]


def test_t7_bytes_that_come_while_a_connection_is_idle_forbid_reuse(start_sluice, start_target):
    stray = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(response(b"first"))
        connection.wait(stray)
        connection.send(EVIL)
        connection.wait_for_close()

    target = start_target([script, serve_body(b"second")])
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask().body == b"first"
        wait_for_idle_connections(proxy, 1)
        stray.set()
        # Sent is not yet arrived, and a request that crosses them could not know.
        wait_for_idle_connections(proxy, 0)
        assert client.ask().body == b"second"
    assert [each.connection for each in target.requests] == [0, 1]


def test_t7_an_answer_cut_in_its_body_forbids_reuse(start_sluice, start_target):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")

    target = start_target([script, serve_body(b"second")])
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request())
        assert client.rest().endswith(b"first")
    with proxy.client() as client:
        assert client.ask().body == b"second"


def test_t7_a_client_that_leaves_in_the_middle_of_an_answer_forbids_reuse(start_sluice,
                                                                          start_target):
    rest = threading.Event()

    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        connection.wait(rest)
        connection.send(b"final")
        connection.wait_for_close()

    target = start_target([script, serve_body(b"second")])
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request())
        client.wire.read_until(b"first")
        client.reset()
    proxy.wait_for_log(1)
    rest.set()
    with proxy.client() as client:
        assert client.ask().body == b"second"


def test_t7_a_flood_of_interim_answers_is_cut_with_502(start_sluice, start_target):
    flood = b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17
    target = start_target(answer_once(flood + response(b"final")))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request())
        answers = [client.response()]
        while answers[-1].status == 103:
            answers.append(client.response())
        assert answers[-1].status == 502
        assert len(answers) <= 17
    line = proxy.only_log_line()
    assert reason_of(line) == "target_too_many_informational"
    wait_for_idle_connections(proxy, 0)


def test_t7_interim_answers_up_to_the_limit_pass(start_sluice, start_target):
    flood = b"HTTP/1.1 100 Continue\r\n\r\n" * 16
    target = start_target(serve(lambda _: flood + response(b"final")))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask().body == b"final"


def test_a_connection_of_max_requests_is_not_used_again(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice({**site(), "target_groups": [
        group("targets", target, pool={"max_requests": 2})]})
    with proxy.client() as client:
        for _ in range(4):
            assert client.ask().status == 200
    assert [each.connection for each in target.requests] == [0, 0, 1, 1]


def test_an_idle_connection_is_closed_after_its_time(start_sluice, start_target):
    closed = threading.Event()

    def script(connection):
        while connection.read_request():
            connection.send(response(b"x"))
        closed.set()

    target = start_target(script)
    proxy = start_sluice({**site(), "target_groups": [
        group("targets", target, pool={"idle_timeout": "200ms"})]})
    with proxy.client() as client:
        client.ask()
    assert closed.wait(PATIENCE), "the target saw no end of the connection"
    wait_for_idle_connections(proxy, 0)
    proxy.wait_for_metric_value("sluice_target_connections", 0, target_group="targets")


def test_no_more_than_max_idle_connections_are_kept(start_sluice, start_target):
    go_on = threading.Event()

    def respond(_):
        wait_for_event(go_on)
        return response(b"x")

    target = start_target(serve(respond))
    proxy = start_sluice({**site(), "target_groups": [
        group("targets", target, pool={"max_idle": 2})]})
    clients = [proxy.client() for _ in range(5)]
    try:
        for client in clients:
            client.send(request())
        target.wait_for_requests(5)
        go_on.set()
        for client in clients:
            assert client.response().status == 200
        proxy.wait_for_log(5)
        proxy.wait_for_metric_value("sluice_target_connections", 2)
        proxy.wait_for_metric_value("sluice_target_connections_idle", 2)
    finally:
        for client in clients:
            client.close()


# --- an idle connection that died -----------------------------------------------------------------

def closes_when_asked_again(connection):
    """A keep-alive server whose idle timeout runs out just as the next request arrives."""
    connection.read_request()
    connection.send(response(b"first"))
    connection.wire.read_until(b"\r\n\r\n")


def resets_when_asked_again(connection):
    closes_when_asked_again(connection)
    connection.reset()


DEATHS = {"closes": closes_when_asked_again, "resets": resets_when_asked_again}


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
@pytest.mark.parametrize("method, body", [("GET", None), ("PUT", b"hello"), ("DELETE", None)],
                         ids=["GET", "PUT", "DELETE"])
def test_a_request_that_died_on_a_reused_connection_is_sent_once_more(start_sluice, start_target,
                                                                      death, method, body):
    target = start_target([death, serve_body(b"second")])
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask().body == b"first"
        assert client.ask(method, "/again", body=body).body == b"second"
    assert target.requests[-1].target == "/again"
    assert target.requests[-1].body == (body or b"")
    line = proxy.wait_for_log(2)[1]
    assert (line["status"], line["tries"]) == (200, 2)
    proxy.wait_for_metric_value("sluice_target_retries_total", 1, target_group="targets")


@pytest.mark.parametrize("death", DEATHS.values(), ids=DEATHS)
def test_a_post_that_the_target_may_have_carried_out_is_not_sent_again(start_sluice, start_target,
                                                                       death):
    """RFC 9110 9.2.2: a proxy must not repeat what is not idempotent."""
    target = start_target([death, serve_body(b"second")])
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask().body == b"first"
        assert client.ask("POST", "/order", body=b"one").status == 502
    line = proxy.wait_for_log(2)[1]
    assert (reason_of(line), line["tries"]) == ("target_closed_early", 1)
    assert len(target.connections) == 1


def test_a_connection_closed_while_idle_is_replaced(start_sluice, start_target):
    def script(connection):
        connection.read_request()
        connection.send(response(b"first"))

    target = start_target([script, serve_body(b"second")])
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask().body == b"first"
        proxy.wait_for_metric_value("sluice_target_connections", 0)  # its end was noticed
        assert client.ask("POST", "/", body=b"x").body == b"second"


def test_all_idle_connections_may_have_died(start_sluice, start_target):
    """One retry must be enough, however many dead connections the pool holds."""
    go_on = threading.Event()

    def dies(connection):
        connection.read_request()
        connection.wait(go_on)
        connection.send(response(b"first"))
        connection.wire.read_until(b"\r\n\r\n")

    target = start_target([dies, dies, dies, dies, serve_body(b"alive")])
    proxy = start_sluice(site(target))
    clients = [proxy.client() for _ in range(4)]
    try:
        for client in clients:
            client.send(request())
        target.wait_for_requests(4)
        go_on.set()
        for client in clients:
            assert client.response().body == b"first"
        assert clients[0].ask().body == b"alive"
    finally:
        for client in clients:
            client.close()


def test_a_death_on_a_fresh_connection_is_not_retried(start_sluice, start_target):
    def script(connection):
        connection.read_request()

    target = start_target(script)
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask().status == 502
    line = proxy.only_log_line()
    assert (reason_of(line), line["tries"]) == ("target_closed_early", 1)
    assert len(target.connections) == 1


def test_a_request_is_sent_twice_at_most(start_sluice, start_target):
    def dies_again(connection):
        connection.read_request()

    target = start_target([closes_when_asked_again, dies_again])
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask().body == b"first"
        assert client.ask().status == 502
    line = proxy.wait_for_log(2)[1]
    assert (reason_of(line), line["tries"]) == ("target_closed_early", 2)
    assert len(target.connections) == 2


def test_a_death_after_the_first_byte_of_an_answer_is_not_retried(start_sluice, start_target):
    def script(connection):
        connection.read_request()
        connection.send(response(b"first"))
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n")

    target = start_target([script, serve_body(b"never")])
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask().body == b"first"
        assert client.ask().status == 502
    line = proxy.wait_for_log(2)[1]
    assert (reason_of(line), line["tries"]) == ("target_closed_early", 1)
    assert len(target.connections) == 1


def test_a_body_that_was_streamed_away_is_not_sent_again(start_sluice, start_target):
    """What the client sent is gone: a second try could only send a part of it."""
    def script(connection):
        connection.read_request()
        connection.send(response(b"first"))
        connection.read_head()
        connection.wire.read_exactly(300_000)

    target = start_target([script, serve_body(b"second")])
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask().body == b"first"
        client.send(request("POST", "/", ("Content-Length", "4000000")))
        client.send_if_open(b"x" * 4_000_000)
        assert client.response().status == 502
    assert all(len(each.body) in (0, 4_000_000) for each in target.requests)
    assert target.finished == 1
