"""Every kind of bad request: its status, its reason in the log and in the metrics, a closed connection,
and nothing at the target."""

import pytest

from support.client import request
from support.configuration import rule, site
from support.sluice import reason_of
from support.target import serve_body
from support.waiting import PATIENCE_BELOW_10_S

HEAD = b"GET / HTTP/1.1\r\nHost: site.test\r\n"
POST = b"POST / HTTP/1.1\r\nHost: site.test\r\n"


def get(target):
    return b"GET " + target + b" HTTP/1.1\r\nHost: site.test\r\n\r\n"


def field(line):
    return HEAD + line + b"\r\n\r\n"


def post(*lines):
    return POST + b"\r\n".join(lines) + b"\r\n\r\n"


def length(value):
    return post(b"Content-Length: " + value) + b"hello"


def coding(value):
    return post(b"Transfer-Encoding: " + value) + b"0\r\n\r\n"


# reason, status, what it is, bytes
REFUSALS = [
    ("bad_method", 400, "a method that is no token", b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("bad_method", 400, "a TLS record", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("bad_method", 400, "a space before the method", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("bad_request_line", 400, "no version", b"GET /\r\n\r\n"),
    ("bad_request_line", 400, "two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("bad_request_line", 400, "a space at the end", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
    ("bad_request_line", 400, "a version without a dot", b"GET / HTTP/11\r\nHost: a\r\n\r\n"),
    ("bad_request_line", 400, "a version in lower case", b"GET / http/1.1\r\nHost: a\r\n\r\n"),
    ("bad_request_line", 400, "only a word", b"GET\r\n\r\n"),
    ("bad_request_target", 400, "a word as target", get(b"index.html")),
    ("bad_request_target", 400, "another scheme", get(b"ftp://site.test/")),
    ("bad_request_target", 400, "user information", get(b"http://user@site.test/")),
    ("bad_request_target", 400, "an asterisk with GET", get(b"*")),
    ("bad_request_target", 400, "a byte beyond ASCII", get(b"/\xc3\xa4")),
    ("bad_request_target", 400, "a control byte", get(b"/\x01")),
    ("bad_request_target", 400, "a tab", get(b"/\tx")),
    ("bad_path", 400, "a path above the root", get(b"/../etc/passwd")),
    ("bad_path", 400, "an escaped slash", get(b"/a%2fb")),
    ("bad_header_name", 400, "a space before the colon", field(b"Name : value")),
    ("bad_header_name", 400, "an empty name", field(b": value")),
    ("bad_header_name", 400, "a line without a colon", field(b"no colon here")),
    ("bad_header_name", 400, "a bracket in the name", field(b"Na(me: value")),
    ("bad_header_name", 400, "a NUL in the name", field(b"Na\0me: value")),
    ("bad_header_value", 400, "a NUL in the value", field(b"Name: a\0b")),
    ("bad_header_value", 400, "a bare CR in the value", field(b"Name: a\rb")),
    ("bad_header_value", 400, "a delete byte in the value", field(b"Name: a\x7fb")),
    ("bare_line_feed", 400, "line feeds alone", b"GET / HTTP/1.1\nHost: a\n\n"),
    ("bare_line_feed", 400, "one bare line feed", HEAD + b"Name: a\nOther: b\r\n\r\n"),
    ("obs_fold", 400, "a folded value", field(b"Name: a\r\n b")),
    ("obs_fold", 400, "a fold before the first field",
     b"GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n"),
    ("content_length_invalid", 400, "a sign", length(b"+5")),
    ("content_length_invalid", 400, "a negative length", length(b"-5")),
    ("content_length_invalid", 400, "an empty length", length(b"")),
    ("content_length_invalid", 400, "a hexadecimal length", length(b"0x5")),
    ("content_length_invalid", 400, "a list of equal lengths", length(b"5, 5")),
    ("content_length_invalid", 400, "a space inside", length(b"5 5")),
    ("content_length_invalid", 400, "a fraction", length(b"5.0")),
    ("content_length_invalid", 400, "an overflow", length(b"18446744073709551621")),
    ("content_length_conflict", 400, "two different lengths",
     post(b"Content-Length: 5", b"Content-Length: 6") + b"hello!"),
    ("content_length_conflict", 400, "the same length twice",
     post(b"Content-Length: 5", b"content-length: 5") + b"hello"),
    ("content_length_with_transfer_encoding", 400, "a length before a coding",
     post(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    ("content_length_with_transfer_encoding", 400, "a length after a coding",
     post(b"Transfer-Encoding: chunked", b"Content-Length: 5") + b"0\r\n\r\n"),
    ("transfer_encoding_in_http_1_0", 400, "chunked in HTTP/1.0",
     b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("transfer_encoding_not_final_chunked", 400, "chunked twice", coding(b"chunked, chunked")),
    ("transfer_encoding_not_final_chunked", 400, "chunked in two fields",
     post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    ("transfer_encoding_not_final_chunked", 400, "an empty coding", coding(b"")),
    ("transfer_encoding_not_final_chunked", 400, "a comma behind it", coding(b"chunked,")),
    ("transfer_coding_unknown", 501, "gzip", coding(b"gzip")),
    ("transfer_coding_unknown", 501, "gzip and chunked", coding(b"gzip, chunked")),
    ("transfer_coding_unknown", 501, "identity", coding(b"identity")),
    ("transfer_coding_unknown", 501, "a misspelt coding", coding(b"xchunked")),
    ("transfer_coding_unknown", 501, "a coding with a parameter", coding(b"chunked;q=1")),
    ("host_missing", 400, "no host", b"GET / HTTP/1.1\r\n\r\n"),
    ("host_duplicate", 400, "two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ("host_duplicate", 400, "two hosts in HTTP/1.0",
     b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("host_invalid", 400, "an empty host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    ("host_invalid", 400, "a path in the host", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("host_invalid", 400, "user information in the host", b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"),
    ("host_invalid", 400, "a space in the host", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    ("host_invalid", 400, "a port that is none", b"GET / HTTP/1.1\r\nHost: a:http\r\n\r\n"),
    ("host_invalid", 400, "a port beyond the last", b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
    ("host_invalid", 400, "a list of hosts", b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    ("version_not_supported", 505, "HTTP/2.0", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    ("version_not_supported", 505, "HTTP/1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    ("version_not_supported", 505, "HTTP/0.9", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
    ("version_not_supported", 505, "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("method_not_allowed", 405, "TRACE", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("connect_refused", 405, "CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    ("upgrade_body", 400, "an upgrade with a body",
     post(b"Connection: upgrade", b"Upgrade: websocket", b"Content-Length: 5") + b"hello"),
    ("request_line_too_long", 414, "a line over 16 KiB", get(b"/" + b"x" * 16_384)),
    ("request_line_too_long", 414, "a line without an end", b"GET /" + b"x" * 20_000),
    ("header_too_large", 431, "a field over 16 KiB", field(b"Name: " + b"x" * 16_384)),
    ("headers_too_large", 431, "fields over 64 KiB", field(
        b"\r\n".join(b"Name-%d: " % n + b"x" * 15_000 for n in range(5)))),
    ("too_many_headers", 431, "over 100 fields", field(
        b"\r\n".join(b"N-%d: x" % n for n in range(100)))),
]


def identifier(row):
    return f"{row[0]}-{row[2]}".replace(" ", "_")


@pytest.mark.parametrize("reason, status, _, data", REFUSALS, ids=map(identifier, REFUSALS))
def test_a_bad_request_is_refused(start_sluice, start_target, reason, status, _, data):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(data)
        answer = client.response()
        assert answer.status == status
        assert answer.value("Server") == "sluice"
        client.send_if_open(request("GET", "/behind"))
        if status != 405 or answer.value("Connection"):  # 405 is about a method, not about framing
            assert answer.says_close()
            assert client.rest() == b"", "a second answer on a connection whose framing is lost"
    line = proxy.wait_for_lines(1)[0]
    assert (line["status"], reason_of(line), line["ended_by"]) == (status, reason, "client")
    assert proxy.metric("sluice_exchange_ends_total", reason=reason) == 1
    assert [each for each in target.requests if each.target != "/behind"] == []


BROKEN_BODIES = [
    ("chunk_invalid", "a size that is no number", b"xyz\r\nhello\r\n0\r\n\r\n"),
    ("chunk_invalid", "a size with a sign", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("chunk_invalid", "a size with a prefix", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("chunk_invalid", "an empty size", b"\r\nhello\r\n0\r\n\r\n"),
    ("chunk_invalid", "a size that overflows", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("chunk_invalid", "a size behind a space", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("chunk_invalid", "a size line that ends in LF", b"5\nhello\r\n0\r\n\r\n"),
    ("chunk_invalid", "more bytes than the size", b"5\r\nhello world\r\n0\r\n\r\n"),
    ("chunk_invalid", "a chunk that ends in LF", b"5\r\nhello\n0\r\n\r\n"),
    ("chunk_invalid", "a bare CR in an extension", b"5;a=\rb\r\nhello\r\n0\r\n\r\n"),
    ("chunk_invalid", "a line feed in a quoted extension", b'5;a="\n"\r\nhello\r\n0\r\n\r\n'),
    ("chunk_extension_too_long", "an extension over 1 KiB",
     b"5;" + b"x" * 1100 + b"\r\nhello\r\n0\r\n\r\n"),
    ("trailer_invalid", "a trailer without a colon", b"0\r\nno colon here\r\n\r\n"),
    ("trailer_invalid", "a space before a trailer's colon", b"0\r\nName : x\r\n\r\n"),
    ("trailer_invalid", "a NUL in a trailer", b"0\r\nName: a\0b\r\n\r\n"),
    ("trailer_invalid", "a folded trailer", b"0\r\nName: a\r\n b\r\n\r\n"),
    ("trailers_too_large", "trailers over 8 KiB", b"0\r\nName: " + b"x" * 9000 + b"\r\n\r\n"),
]


def identifier_of_body(row):
    return f"{row[0]}-{row[1]}".replace(" ", "_")


@pytest.mark.parametrize("reason, _, body", BROKEN_BODIES, ids=map(identifier_of_body, BROKEN_BODIES))
def test_a_broken_chunked_body_is_refused(start_sluice, start_target, reason, _, body):
    """The request is on its way already: the target must not see it end properly."""
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(post(b"Transfer-Encoding: chunked") + body)
        answer = client.response()
        assert answer.status == 400
        assert answer.value("Server") == "sluice"
        client.send_if_open(request("GET", "/behind"))
        assert client.rest() == b""
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (400, reason)
    assert proxy.metric("sluice_exchange_ends_total", reason=reason) == 1
    assert target.finished == 0


@pytest.mark.parametrize("how", ["by its length", "while it comes in chunks"])
def test_a_body_over_the_limit_is_refused_with_413(start_sluice, start_target, how):
    target = start_target(serve_body())
    proxy = start_sluice(site(target, limits={"body": "10KiB"}))
    with proxy.client() as client:
        if how == "by its length":
            client.send(post(b"Content-Length: 10241"))
        else:
            client.send(post(b"Transfer-Encoding: chunked") + b"1400\r\n" + b"x" * 0x1400 + b"\r\n" +
                        b"1401\r\n" + b"x" * 0x1401 + b"\r\n")
        assert client.response().status == 413
        assert client.is_closed_by_peer()
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (413, "body_too_large")
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 1, reason="body_too_large")
    assert target.finished == 0


def test_a_head_that_stops_is_refused_with_408(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target, timeouts={"client_header": "200ms"}))
    with proxy.client(patience=PATIENCE_BELOW_10_S) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: site.te")
        assert client.response().status == 408
        assert client.is_closed_by_peer()
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (408, "header_timeout")
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 1, reason="header_timeout")


def test_a_body_that_stops_is_refused_with_408(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target, timeouts={"client_body": "200ms"}))
    with proxy.client() as client:
        client.send(post(b"Content-Length: 10") + b"hello")
        assert client.response().status == 408
        assert client.is_closed_by_peer()
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (408, "body_timeout")
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 1, reason="body_timeout")
    assert target.finished == 0


@pytest.mark.parametrize("reason, status, limits, end", [
    ("chunk_invalid", 400, {}, b"xyz\r\n"),
    ("trailer_invalid", 400, {}, b"0\r\nno colon\r\n\r\n"),
    ("body_too_large", 413, {"body": "100KiB"}, b"8000\r\n" + b"x" * 0x8000 + b"\r\n"),
], ids=["chunk", "trailer", "limit"])
def test_a_defect_far_behind_the_head_is_refused_at_once(start_sluice, start_target, reason, status,
                                                         limits, end):
    """All of it is there when the body begins to flow: nothing more will come to wake anybody up."""
    target = start_target(serve_body())
    proxy = start_sluice(site(target, limits=limits))
    with proxy.client() as client:
        with proxy.asleep():
            client.send(post(b"Transfer-Encoding: chunked") +
                        (b"8000\r\n" + b"x" * 0x8000 + b"\r\n") * 3 + end)
        assert client.response().status == status
        assert client.is_closed_by_peer()
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) == (status, reason)
    assert target.finished == 0


@pytest.mark.parametrize("when", ["at_once", "later"])
def test_a_client_that_ends_in_the_middle_of_its_body_is_told_so(start_sluice, start_target, when):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        if when == "at_once":
            with proxy.asleep():
                client.send(post(b"Content-Length: 10") + b"hello")
                client.half_close()
        else:
            client.send(post(b"Content-Length: 10") + b"hello")
            target.wait_for_requests(1)
            client.half_close()
        rest = client.rest()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 400 ")
    line = proxy.only_log_line()
    assert (line["status"], reason_of(line)) in [(400, "body_incomplete"), (499, "client_closed")]
    assert target.finished == 0


def test_a_request_that_no_rule_takes_is_answered_404_and_the_client_stays(start_sluice,
                                                                           start_target):
    target = start_target(serve_body())
    config = site(target)
    config["listeners"] = [{"name": "web", "rules": [
        rule("api", 1, {"path": ["/api"]}, action="targets")]}]
    proxy = start_sluice(config)
    with proxy.client() as client:
        answer = client.ask("GET", "/other")
        assert answer.status == 404
        assert answer.value("Server") == "sluice"
        assert client.ask("GET", "/api").status == 200
    line = proxy.wait_for_log(2)[0]
    assert (line["status"], reason_of(line)) == (404, "no_rule")
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 1, reason="no_rule")


def test_a_refusal_is_answered_after_the_requests_before_it(start_sluice, start_target):
    target = start_target(serve_body(b"good"))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request() + b"BAD\r\n\r\n")
        assert client.response().body == b"good"
        assert client.response().status == 400
        assert client.is_closed_by_peer()


def test_a_refused_request_does_not_disturb_other_connections(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as good, proxy.client() as bad:
        assert good.ask().status == 200
        bad.send(b"nonsense\r\n\r\n")
        assert bad.response().status == 400
        assert good.ask().status == 200
