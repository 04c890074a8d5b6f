"""A try that fails is repeated on another target, when nobody can tell the difference."""

import threading

import pytest

from support.client import request
from support.configuration import site
from support.ports import free_port
from support.sluice import reason_of
from support.target import DeafTarget, answer_once, response, serve, serve_body
from support.waiting import wait_until

CONFIG = {"passive_health": "off"}
# What the bad target makes the test wait for, and what the good one has: it is a Python program on a
# busy machine.
TRY = "1500ms"


def heavy(target):
    """Chosen first, and nearly always."""
    return {"address": target if isinstance(target, str) else target.address, "weight": 100}


def pair(bad, good, **more):
    """One group of a target that is chosen first, and another one."""
    sections = more.pop("sections", {})
    config = site(heavy(bad), good, **sections)
    config["target_groups"][0].update({**CONFIG, **more})
    return config


def resets(connection):
    connection.read_request()
    connection.reset()


def closes(connection):
    connection.read_request()


def hangs(connection):
    connection.read_request()
    connection.wait_for_close()


def unavailable(body=b"no"):
    return serve(lambda _: response(body, status=503, phrase="Service Unavailable"))


def retried(proxy, ask):
    """Asks until a request was sent to the bad target first, and returns the line of that one."""
    for count in range(1, 9):
        answer = ask()
        line = proxy.wait_for_log(count)[-1]
        if line["tries"] > 1:
            return answer, line
    raise AssertionError("the bad target was never chosen")


BAD_SCRIPTS = {"resets": (resets, "target_closed_early"),
               "closes": (closes, "target_closed_early"),
               "hangs": (hangs, "target_try_timeout"),
               "garbage": (answer_once(b"garbage\r\n\r\n"), "target_response_malformed"),
               "broken_head": (answer_once(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
                               "target_response_malformed")}


@pytest.mark.parametrize("script, reason", BAD_SCRIPTS.values(), ids=BAD_SCRIPTS)
def test_a_get_that_fails_before_the_answer_is_sent_to_another_target(start_sluice, start_target,
                                                                      script, reason):
    bad, good = start_target(script), start_target(serve_body(b"good"))
    proxy = start_sluice(pair(bad, good, sections={"timeouts": {"per_try": TRY}}))
    with proxy.client() as client:
        answer, line = retried(proxy, client.ask)
    assert (answer.status, answer.body) == (200, b"good")
    assert (line["tries"], line["target_address"], reason_of(line)) == (2, good.address, None)
    assert line["target_status"] == 200
    assert proxy.metric("sluice_target_retries_total", reason=reason) == 1
    proxy.wait_for_metric_value("sluice_target_active_requests", 0)


def test_a_refused_connection_is_tried_elsewhere(start_sluice, start_target):
    good = start_target(serve_body(b"good"))
    proxy = start_sluice(pair(f"127.0.0.1:{free_port()}", good))
    with proxy.client() as client:
        assert {client.ask().status for _ in range(4)} == {200}
        assert client.ask("POST", "/", body=b"once").status == 200
    line = proxy.wait_for_log(5)[-1]
    # Nothing was sent to the one that refused.
    assert (line["tries"], line["target_address"]) == (1, good.address)
    assert proxy.metric("sluice_target_retries_total", reason="target_connect_refused") >= 1


def test_a_connection_that_is_not_answered_is_tried_elsewhere_also_with_a_post(start_sluice,
                                                                               start_target):
    good, deaf = start_target(serve_body(b"good")), DeafTarget()
    try:
        proxy = start_sluice(pair(deaf, good, sections={"timeouts": {"per_try": TRY}}))
        with proxy.client() as client:
            assert client.ask("POST", "/", body=b"once").status == 200
            assert client.ask("POST", "/", body=b"twice").status == 200
        proxy.wait_for_log(2)
        assert proxy.metric("sluice_target_retries_total", reason="target_try_timeout") >= 1
        assert [each.body for each in good.requests] == [b"once", b"twice"]
    finally:
        deaf.close()


@pytest.mark.parametrize("script", [resets, closes, answer_once(b"garbage\r\n\r\n")],
                         ids=["resets", "closes", "garbage"])
def test_a_post_that_was_sent_is_not_sent_again(start_sluice, start_target, script):
    targets = [start_target(script), start_target(script)]
    proxy = start_sluice(pair(*targets))
    with proxy.client() as client:
        assert client.ask("POST", "/", body=b"order").status == 502
    assert proxy.only_log_line()["tries"] == 1
    assert sum(len(each.requests) for each in targets) == 1
    assert proxy.metric("sluice_target_retries_total") == 0


def test_a_configured_status_is_tried_elsewhere(start_sluice, start_target):
    bad, good = start_target(unavailable()), start_target(serve_body(b"good"))
    proxy = start_sluice(pair(bad, good, retry={"on": [503]}))
    with proxy.client() as client:
        answer, line = retried(proxy, client.ask)
    assert (answer.status, answer.body) == (200, b"good")
    assert (line["tries"], line["target_status"], reason_of(line)) == (2, 200, None)
    assert proxy.metric("sluice_target_retries_total", reason="status") == 1


def test_a_configured_status_is_passed_on_when_there_is_nobody_else(start_sluice, start_target):
    bad = start_target(unavailable(b"from the target"))
    proxy = start_sluice(site(bad))
    config = proxy.config
    config["target_groups"][0].update({**CONFIG, "retry": {"on": [503]}})
    proxy.reload(config)
    with proxy.client() as client:
        for _ in range(2):
            answer = client.ask()
            assert (answer.status, answer.body) == (503, b"from the target")
    lines = proxy.wait_for_log(2)
    assert {(line["tries"], reason_of(line)) for line in lines} == {(1, None)}
    assert len(bad.connections) == 1, "an answer that is passed on costs no connection"
    assert proxy.metric("sluice_target_retries_total") == 0


def test_a_status_that_every_target_gives_is_passed_on_from_the_last(start_sluice, start_target):
    targets = [start_target(unavailable(b"one")), start_target(unavailable(b"two"))]
    proxy = start_sluice(pair(*targets, retry={"on": [503]}))
    with proxy.client() as client:
        assert client.ask().status == 503
    line = proxy.only_log_line()
    assert (line["tries"], reason_of(line), line["target_status"]) == (2, None, 503)


BODIES = {
    "content_length": [b"Content-Length: 30\r\n\r\n", b"0123456789", b"0123456789", b"0123456789"],
    "chunked": [b"Transfer-Encoding: chunked\r\n\r\n", b"a\r\n0123456789\r\n",
                b"14\r\n01234567890123", b"456789\r\n", b"0\r\n\r\n"],
    "with_the_head": [b"Content-Length: 30\r\n\r\n" + 3 * b"0123456789"],
}


@pytest.mark.parametrize("pieces", BODIES.values(), ids=BODIES)
def test_a_put_is_sent_again_with_its_body(start_sluice, start_target, pieces):
    bad, good = start_target(resets), start_target(serve_body(b"good"))
    proxy = start_sluice(pair(bad, good))

    def put():
        before = len(bad.requests) + len(good.requests)
        with proxy.client() as client:
            client.send(b"PUT / HTTP/1.1\r\nHost: site.test\r\n" + pieces[0])
            wait_until(lambda: len(bad.requests) + len(good.requests) > before, "a target has it")
            for piece in pieces[1:]:
                client.send(piece)
                proxy.metrics()  # time for each to go on by itself
            return client.response()

    answer, line = retried(proxy, put)
    assert (answer.status, line["tries"], reason_of(line)) == (200, 2, None)
    assert good.requests[-1].body == 3 * b"0123456789"
    assert bad.requests[-1].body == 3 * b"0123456789"


def test_trailers_are_sent_again(start_sluice, start_target):
    bad, good = start_target(resets), start_target(serve_body(b"good"))
    proxy = start_sluice(pair(bad, good, sections={"forwarding": {"trailers": ["X-Sum"]}}))

    def put():
        with proxy.client() as client:
            client.send(b"PUT / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send(b"5\r\nhello\r\n")
            client.send(b"0\r\nX-Sum: 42\r\n\r\n")
            return client.response()

    answer, _ = retried(proxy, put)
    assert answer.status == 200
    received = good.requests[-1]
    assert (received.body, received.trailers) == (b"hello", [("X-Sum", "42")])


def test_a_longer_body_than_a_buffer_of_the_largest_size_is_sent_again(start_sluice, start_target):
    body = bytes(range(256)) * 4096 * 3  # 3 MiB
    bad, good = start_target(resets), start_target(serve_body(b"good"))
    proxy = start_sluice(pair(bad, good, retry={"body_buffer": "4MiB"}))

    def put():
        with proxy.client() as client:
            return client.ask("PUT", "/", body=body)

    answer, _ = retried(proxy, put)
    assert answer.status == 200
    assert good.requests[-1].body == body


def test_a_body_over_the_buffer_is_not_sent_again(start_sluice, start_target):
    targets = [start_target(resets), start_target(resets)]
    proxy = start_sluice(pair(*targets, retry={"body_buffer": "1KiB"}))
    with proxy.client() as client:
        assert client.ask("PUT", "/", body=100_000 * b"x").status == 502
    line = proxy.only_log_line()
    assert (line["tries"], reason_of(line)) == (1, "target_closed_early")


def test_the_rest_of_a_body_follows_what_was_sent_again(start_sluice, start_target):
    """The first target resets in the middle of the body, of which the client has sent a part."""
    def script(connection):
        connection.read_head()
        connection.wire.read_exactly(10)
        connection.reset()

    bad, good = start_target(script), start_target(serve_body(b"good"))
    proxy = start_sluice(pair(bad, good))

    def put():
        before = len(good.requests)
        with proxy.client() as client:
            client.send(b"PUT / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 20\r\n\r\n")
            client.send(b"0123456789")
            wait_until(lambda: len(good.requests) > before, "the good target has the head")
            client.send(b"abcdefghij")
            return client.response()

    answer, line = retried(proxy, put)
    assert (answer.status, reason_of(line)) == (200, None)
    assert good.requests[-1].body == b"0123456789abcdefghij"


def test_a_target_that_answers_without_taking_a_body_again_is_heard(start_sluice, start_target):
    """It has the head of the second try, and does not read the body: its answer counts."""
    body = 3 * 1024 * 1024 * b"x"

    def refuses(connection):
        connection.read_head()
        connection.send(response(b"too large", ("Connection", "close"), status=413))
        connection.wait_for_close()

    bad, good = start_target(resets), start_target(refuses, receive_buffer=4096)
    proxy = start_sluice(pair(bad, good, retry={"body_buffer": "4MiB"}))

    def put():
        with proxy.client() as client:
            client.send_if_open(request("PUT", "/", body=body))
            return client.response()

    answer, _ = retried(proxy, put)
    assert (answer.status, answer.body) == (413, b"too large")


def test_100_continue_is_sent_once(start_sluice, start_target):
    bad, good = start_target(resets), start_target(serve_body(b"good"))
    proxy = start_sluice(pair(bad, good))

    def put():
        with proxy.client() as client:
            client.send(b"PUT / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 5\r\n"
                        b"Expect: 100-continue\r\n\r\n")
            assert client.response().status == 100
            client.send(b"hello")
            return client.response()

    answer, line = retried(proxy, put)
    assert (answer.status, line["tries"]) == (200, 2)
    assert good.requests[-1].body == b"hello"


def test_nothing_is_tried_again_after_an_interim_answer_was_passed_on(start_sluice, start_target):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")

    proxy = start_sluice(pair(start_target(script), start_target(script)))
    with proxy.client() as client:
        assert client.ask().status == 103
        assert client.response().status == 502
    line = proxy.only_log_line()
    assert (line["tries"], reason_of(line)) == (1, "target_closed_early")


def test_nothing_is_tried_again_after_a_part_of_the_answer(start_sluice, start_target):
    def script(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")

    targets = [start_target(script), start_target(script)]
    proxy = start_sluice(pair(*targets))
    with proxy.client() as client:
        client.send(request())
        assert client.response_head().status == 200
        assert client.rest() == b"hello"
    line = proxy.only_log_line()
    assert (line["tries"], reason_of(line)) == (1, "target_body_cut")


@pytest.mark.parametrize("attempts", [0, 1, 3])
def test_attempts_are_bounded(start_sluice, start_target, attempts):
    targets = [start_target(resets) for _ in range(6)]
    config = site(*targets)
    config["target_groups"][0].update({**CONFIG, "retry": {"attempts": attempts}})
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert client.ask().status == 502
    line = proxy.only_log_line()
    assert (line["tries"], reason_of(line)) == (1 + attempts, "target_closed_early")
    assert [len(each.requests) for each in targets].count(1) == 1 + attempts
    assert proxy.metric("sluice_target_retries_total", reason="target_closed_early") == attempts


def test_without_another_target_the_failure_is_the_end(start_sluice, start_target):
    bad = start_target(resets)
    config = site(bad)
    config["target_groups"][0].update({**CONFIG, "retry": {"budget": {"percent": 0, "burst": 1}}})
    proxy = start_sluice(config)
    with proxy.client() as client:
        for _ in range(3):
            assert client.ask().status == 502
    lines = proxy.wait_for_log(3)
    assert {(line["tries"], reason_of(line)) for line in lines} == {(1, "target_closed_early")}
    assert proxy.metric("sluice_target_retries_total") == 0
    assert proxy.metric("sluice_target_retry_budget_exhausted_total") == 0, (
        "what was not repeated for want of a target costs nothing")


def test_a_budget_that_is_used_up_ends_the_retries(start_sluice, start_target):
    targets = [start_target(resets), start_target(resets)]
    proxy = start_sluice(pair(*targets, retry={"attempts": 1,
                                           "budget": {"percent": 0, "burst": 2}}))
    with proxy.client() as client:
        for _ in range(4):
            assert client.ask().status == 502
    lines = proxy.wait_for_log(4)
    assert [line["tries"] for line in lines] == [2, 2, 1, 1]
    assert {reason_of(line) for line in lines} == {"target_closed_early"}
    assert proxy.metric("sluice_target_retries_total") == 2
    assert proxy.metric("sluice_target_retry_budget_exhausted_total", target_group="targets") == 2


def test_requests_fill_the_budget_again(start_sluice, start_target):
    bad, good = start_target(resets), start_target(serve_body(b"good"))
    config = pair(bad, good, retry={"budget": {"percent": 100, "burst": 1}})
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert {client.ask().status for _ in range(8)} == {200}
    proxy.wait_for_log(8)
    assert proxy.metric("sluice_target_retry_budget_exhausted_total") == 0


def test_the_connection_of_a_failed_try_is_closed(start_sluice, start_target):
    closed = threading.Event()

    def script(connection):
        connection.read_request()
        connection.wait_for_close()
        closed.set()

    bad, good = start_target(script), start_target(serve_body(b"good"))
    proxy = start_sluice(pair(bad, good, sections={"timeouts": {"per_try": TRY}}))
    with proxy.client() as client:
        retried(proxy, client.ask)
        wait_until(closed.is_set, "the target of the failed try sees the end")
    proxy.wait_for_metric_value("sluice_target_connections", 1)


def test_the_total_time_spans_all_tries(start_sluice, start_target):
    targets = [start_target(hangs) for _ in range(5)]
    config = site(*targets, timeouts={"per_try": "600ms", "total": "2s"})
    config["target_groups"][0].update({**CONFIG, "retry": {"attempts": 10}})
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert client.ask().status == 504
    line = proxy.only_log_line()
    assert (reason_of(line), line["tries"] >= 2) == ("total_timeout", True)
    assert 2 <= line["total_time"]
    proxy.wait_for_metric_value("sluice_target_active_requests", 0)


def test_a_client_that_leaves_in_the_middle_of_a_retry_is_499(start_sluice, start_target):
    targets = [start_target(hangs), start_target(hangs)]
    proxy = start_sluice(pair(*targets, sections={"timeouts": {"per_try": "10s"}}))
    config = proxy.config
    config["timeouts"]["per_try"] = "200ms"
    config["target_groups"][0]["retry"] = {"attempts": 1}
    config["target_groups"][0]["timeouts"] = {"per_try": "3s"}
    proxy.reload(config)
    with proxy.client() as client:
        client.send(request())
        wait_until(lambda: sum(len(each.requests) for each in targets) == 2, "the second try")
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line), line["tries"]) == (499, "client_closed", 2)
    proxy.wait_for_metric_value("sluice_target_active_requests", 0)


def test_a_client_that_leaves_while_the_target_is_connected_is_499(start_sluice):
    deaf = DeafTarget()
    try:
        proxy = start_sluice(site(deaf))
        with proxy.client() as client:
            client.send(request())
            proxy.wait_for_metric_value("sluice_target_active_requests", 1)
        line = proxy.only_log_line()
        assert (line["status"], reason_of(line), line["tries"]) == (499, "client_closed", 0)
        proxy.wait_for_metric_value("sluice_target_active_requests", 0)
        assert proxy.metric("sluice_target_connection_errors_total") == 0
    finally:
        deaf.close()


def test_the_end_of_a_request_that_comes_while_the_target_is_connected_is_no_leaving(
        start_sluice, start_target):
    """A client may shut its sending side behind its request; the body is whole then."""
    deaf, good = DeafTarget(), start_target(serve_body(b"good"))
    try:
        proxy = start_sluice(pair(deaf, good, sections={"timeouts": {"per_try": TRY}}))
        for _ in range(2):
            with proxy.client() as client:
                client.send(b"PUT / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 5\r\n\r\n")
                proxy.wait_for_metric("sluice_target_active_requests")
                client.send(b"hello")
                client.half_close()
                assert client.response().status == 200
        assert {each.body for each in good.requests} == {b"hello"}
    finally:
        deaf.close()


def test_a_kept_connection_that_died_of_old_age_is_no_failure_of_its_target(start_sluice,
                                                                           start_target):
    """The request goes out once more to the same target, which is not ejected."""
    seen = threading.Event()

    def first(connection):
        connection.read_request()
        connection.send(response(b"first"))
        connection.read_request()  # closed in the moment when it is used again
        seen.set()

    target = start_target([first, serve_body(b"second")])
    other = start_target(serve_body(b"other"))
    config = site(heavy(target), other)
    proxy = start_sluice(config)
    bodies = []
    with proxy.client() as client:
        for _ in range(8):
            bodies.append(client.ask().body)
            if seen.is_set():
                break
    assert bodies[-1] == b"second"
    line = proxy.wait_for_log(len(bodies))[-1]
    assert (line["target_address"], line["tries"]) == (target.address, 2)
    assert proxy.metric("sluice_target_retries_total", reason="target_closed_early") == 1
    assert proxy.metric("sluice_targets_ejected") == 0
    assert proxy.metric("sluice_target_ejections_total") == 0


def test_the_total_time_ends_a_slow_handshake(start_sluice, start_target):
    """The connection is there, and TLS is never answered."""
    silent = start_target(lambda connection: connection.wait_for_close())
    config = site(silent, timeouts={"total": "300ms"})
    config["target_groups"][0].update({"protocol": "https", "tls": {"verify": False}, **CONFIG})
    proxy = start_sluice(config)
    with proxy.client() as client:
        assert client.ask().status == 504
    line = proxy.only_log_line()
    assert (reason_of(line), line["tries"]) == ("total_timeout", 0)
    proxy.wait_for_metric_value("sluice_target_connections", 0)
    proxy.wait_for_metric_value("sluice_target_active_requests", 0)
