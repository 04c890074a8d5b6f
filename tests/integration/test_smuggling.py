"""No byte of a client becomes a request of its own, no malformed answer becomes an answer (T1 to T4).

Each hostile message carries a second one where a lenient parser would look for it. The other side
records what it sees with a parser of its own, which accepts nothing that is not exactly right.
"""

import pytest

from support.client import request
from support.configuration import site
from support.sluice import reason_of
from support.target import answer_and_close, answer_once, response, serve_body

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: site.test\r\n\r\n"
START = b"POST /front HTTP/1.1\r\nHost: site.test\r\n"

T1_FRAMING = {
    "cl_te": START + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
             % (5 + len(SMUGGLED)),
    "te_cl": START + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
             b"%x\r\n" % len(SMUGGLED),
    "te_space_cl": START + b"Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n",
    "te_tab_cl": START + b"Transfer-Encoding:\tchunked\r\nContent-Length: 0\r\n\r\n",
    "te_vertical_tab": START + b"Transfer-Encoding:\x0bchunked\r\nContent-Length: 0\r\n\r\n",
    "te_twice_cl": START + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"
                   b"Content-Length: 0\r\n\r\n",
    "te_quoted": START + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "te_list": START + b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    "te_comma": START + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n",
    "te_not_final": START + b"Transfer-Encoding: chunked, identity\r\nContent-Length: 0\r\n\r\n",
    "te_folded": START + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 0\r\n\r\n",
    "te_in_1_0": START.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "cl_plus": START + b"Content-Length: +0\r\n\r\n",
    "cl_minus": START + b"Content-Length: -0\r\n\r\n",
    "cl_empty": START + b"Content-Length:\r\n\r\n",
    "cl_list": START + b"Content-Length: 0, 0\r\n\r\n",
    "cl_list_different": START + b"Content-Length: 0, %d\r\n\r\n" % len(SMUGGLED),
    "cl_twice": START + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED),
    "cl_twice_equal": START + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "cl_overflow": START + b"Content-Length: 18446744073709551616\r\n\r\n",
    "cl_hex": START + b"Content-Length: 0x0\r\n\r\n",
    "cl_letters_behind": START + b"Content-Length: 0abc\r\n\r\n",
    "cl_space_name": START + b"Content-Length : 0\r\n\r\n",
}

T2_LINES = {
    "bare_lf_head": START.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n",
    "bare_lf_line": START + b"X: y\nContent-Length: %d\r\n\r\n" % len(SMUGGLED),
    "lf_at_the_end": START + b"Content-Length: 0\r\n\n",
    "bare_cr_line": START + b"X: y\rContent-Length: %d\r\n\r\n" % len(SMUGGLED),
    "nul_in_value": START + b"X: y\0z\r\nContent-Length: 0\r\n\r\n",
    "nul_in_name": START + b"X\0Y: z\r\nContent-Length: 0\r\n\r\n",
    "obs_fold": START + b"X: y\r\n Content-Length: %d\r\n\r\n" % len(SMUGGLED),
    "obs_fold_tab": START + b"X: y\r\n\tz\r\nContent-Length: 0\r\n\r\n",
    "space_before_colon": START + b"X : y\r\nContent-Length: 0\r\n\r\n",
    "empty_name": START + b": y\r\nContent-Length: 0\r\n\r\n",
    "space_in_name": START + b"X Y: z\r\nContent-Length: 0\r\n\r\n",
    "two_hosts": START + b"Host: other.test\r\nContent-Length: 0\r\n\r\n",
}


def refused_before_the_target(start_sluice, start_target, data):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(data + SMUGGLED)
        answer = client.response()
        assert answer.status in (400, 501)
        assert client.rest() == b""
    assert proxy.wait_for_log(1)[0]["target_status"] is None
    assert proxy.metric("sluice_target_connections_opened_total") == 0
    assert target.requests == []


@pytest.mark.parametrize("data", T1_FRAMING.values(), ids=T1_FRAMING)
def test_t1_a_request_with_two_possible_ends_reaches_nobody(start_sluice, start_target, data):
    refused_before_the_target(start_sluice, start_target, data)


@pytest.mark.parametrize("data", T2_LINES.values(), ids=T2_LINES)
def test_t2_a_request_with_doubtful_lines_reaches_nobody(start_sluice, start_target, data):
    refused_before_the_target(start_sluice, start_target, data)


# What a parser that mis-frames would take as the end, and the smuggled request behind it.
T3_CHUNKS = {
    "size_overflow": b"10000000000000000\r\n\r\n",
    "size_overflow_by_zeros": b"00000000000000000\r\n\r\n",
    "negative_size": b"-1\r\n\r\n",
    "bare_lf_size": b"0\n\r\n",
    "bare_lf_end": b"0\r\n\n",
    "bare_cr_size": b"0\r\r\n",
    "size_then_space": b"0 x\r\n\r\n",
    "extension_with_lf": b"1;\nxx\r\n0\r\n\r\n",
    "extension_with_quoted_lf": b'1;a="\n0\n\n"\r\nx\r\n0\r\n\r\n',
    "no_crlf_behind_data": b"1\r\nxYY0\r\n\r\n",
    "lf_behind_data": b"1\r\nx\n0\r\n\r\n",
    "missing_size": b";ext\r\n\r\n",
}


@pytest.mark.parametrize("body", T3_CHUNKS.values(), ids=T3_CHUNKS)
def test_t3_a_doubtful_chunk_ends_the_request(start_sluice, start_target, body):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(START + b"Transfer-Encoding: chunked\r\n\r\n" + body + SMUGGLED)
        assert client.response().status == 400
        assert client.rest() == b""
    lines = proxy.final_log()
    assert [line["target"] for line in lines] == ["/front"]
    assert target.finished == 0
    assert "/smuggled" not in [each.target for each in target.requests]


def test_t3_extensions_with_quoted_separators_do_not_move_the_end(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(START + b"Transfer-Encoding: chunked\r\n\r\n"
                    b'5;a=";0";b="\\"";c\r\nhello\r\n0;d=";"\r\n\r\n' + request("GET", "/second"))
        assert client.response().status == 200
        assert client.response().status == 200
    assert [(each.target, each.body) for each in target.requests] == [
        ("/front", b"hello"), ("/second", b"")]
    assert target.requests[0].extensions == []


def test_t4_trailers_cannot_set_fields_of_the_request(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target, forwarding={"trailers": ["x-sum"]}))
    with proxy.client() as client:
        client.send(START + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
                    b"Content-Length: 100\r\nTransfer-Encoding: identity\r\nHost: evil.test\r\n"
                    b"Authorization: Basic eA==\r\nX-Forwarded-For: 9.9.9.9\r\nX-Sum: 1\r\n\r\n" +
                    request("GET", "/second"))
        assert client.response().status == 200
        assert client.response().status == 200
    first, second = target.requests
    assert first.trailers == [("X-Sum", "1")]
    assert first.value("Host") == "site.test"
    assert second.target == "/second"


def test_a_body_that_looks_like_a_request_stays_a_body(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request("POST", "/front", body=SMUGGLED) + request("GET", "/second"))
        assert client.response().status == 200
        assert client.response().status == 200
    assert [each.target for each in target.requests] == ["/front", "/second"]
    assert target.requests[0].body == SMUGGLED


# --- the same strictness towards targets -----------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\n"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Evil: 1\r\n\r\nevil"

MALFORMED_ANSWERS = {
    "t1_cl_te": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "t1_te_cl": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "t1_te_unknown": OK + b"Transfer-Encoding: gzip\r\n\r\nxxxx",
    "t1_te_not_final": OK + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "t1_te_twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "t1_te_space": OK + b"Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n",
    "t1_te_in_1_0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "t1_cl_plus": OK + b"Content-Length: +4\r\n\r\nabcd",
    "t1_cl_empty": OK + b"Content-Length:\r\n\r\n",
    "t1_cl_list": OK + b"Content-Length: 4, 4\r\n\r\nabcd",
    "t1_cl_twice": OK + b"Content-Length: 4\r\nContent-Length: 8\r\n\r\nabcdefgh",
    "t1_cl_overflow": OK + b"Content-Length: 99999999999999999999\r\n\r\n",
    "t2_bare_lf": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "t2_bare_lf_line": OK + b"X: y\nContent-Length: 0\r\n\r\n",
    "t2_bare_cr": OK + b"X: y\rz\r\nContent-Length: 0\r\n\r\n",
    "t2_nul": OK + b"X: y\0z\r\nContent-Length: 0\r\n\r\n",
    "t2_obs_fold": OK + b"X: y\r\n z\r\nContent-Length: 0\r\n\r\n",
    "t2_space_before_colon": OK + b"X : y\r\nContent-Length: 0\r\n\r\n",
    "t2_empty_name": OK + b": y\r\nContent-Length: 0\r\n\r\n",
    "t2_no_colon": OK + b"nothing\r\nContent-Length: 0\r\n\r\n",
    "status_line_of_two_digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "status_line_of_four_digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status_000": b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
    "status_line_without_status": b"HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "http_2_version": b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "http_0_9": b"<html>hello</html>",
    "binary": bytes(range(256)),
    "a_request": SMUGGLED,
    "unasked_101": b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                   b"Upgrade: websocket\r\n\r\n",
}


@pytest.mark.parametrize("data", MALFORMED_ANSWERS.values(), ids=MALFORMED_ANSWERS)
def test_a_malformed_answer_becomes_502(start_sluice, start_target, data):
    target = start_target(answer_once(data + EVIL))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        answer = client.ask()
        assert answer.status == 502
        assert answer.value("Server") == "sluice"
        assert answer.value("X-Evil") is None
        assert b"evil" not in answer.body
        assert client.ask().status == 502, "the client's own connection was in order"
    line = proxy.wait_for_log(2)[0]
    assert (line["status"], reason_of(line)) == (502, "target_response_malformed")
    assert line["ended_by"] == "target"
    assert proxy.metric("sluice_exchange_ends_total", reason="target_response_malformed") == 2
    assert len(target.connections) == 2, "a connection with a malformed answer is not used again"


MALFORMED_CHUNKS = {
    "t3_no_size": b"hello\r\n0\r\n\r\n",
    "t3_size_overflow": b"10000000000000001\r\nx\r\n0\r\n\r\n",
    "t3_bare_lf": b"5\nhello\r\n0\r\n\r\n",
    "t3_more_than_the_size": b"5\r\nhello world\r\n0\r\n\r\n",
    "t3_extension_too_long": b"5;" + b"x" * 2000 + b"\r\nhello\r\n0\r\n\r\n",
    "t4_trailer_malformed": b"5\r\nhello\r\n0\r\nno colon\r\n\r\n",
    "t4_trailers_too_large": b"5\r\nhello\r\n0\r\nX: " + b"x" * 9000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("body", MALFORMED_CHUNKS.values(), ids=MALFORMED_CHUNKS)
def test_a_malformed_chunk_of_an_answer_never_ends_it_cleanly(start_sluice, start_target, body):
    target = start_target(answer_once(OK + b"Transfer-Encoding: chunked\r\n\r\n" + body))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request("GET", "/", ("Connection", "close")))
        received = client.rest()
    assert received.startswith((OK[:12], b"HTTP/1.1 502 "))
    if received.startswith(OK[:12]):
        assert not received.endswith(b"0\r\n\r\n")
    assert b" world" not in received and b"no colon" not in received
    line = proxy.only_log_line()
    assert reason_of(line) in ("target_body_malformed", "target_response_malformed")
    assert line["ended_by"] == "target"
    proxy.wait_for_metric_value("sluice_target_connections_idle", 0, target_group="targets")


def test_a_second_answer_behind_the_first_is_never_delivered(start_sluice, start_target):
    target = start_target(answer_and_close(response(b"first") + EVIL))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        for _ in range(3):
            answer = client.ask()
            assert answer.body == b"first"
            assert answer.value("X-Evil") is None
