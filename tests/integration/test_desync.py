"""Requests that two servers may read differently: each reason of ALB's classification over a real connection,
in all three modes; what is refused anyway stays refused in each."""

import pytest

from support.client import request
from support.sluice import reason_of
from support.configuration import listener, group
from support.target import response, serve, serve_body

MODES = ("monitor", "defensive", "strictest")
HOST = b"Host: site.test\r\n"


def get(*lines, version=b"HTTP/1.1", method=b"GET"):
    return method + b" / " + version + b"\r\n" + HOST + b"".join(
        line + b"\r\n" for line in lines) + b"\r\n"


def post(*lines, version=b"HTTP/1.1"):
    return get(*lines, version=version, method=b"POST")


def target(uri):
    return b"GET " + uri + b" HTTP/1.1\r\n" + HOST + b"\r\n"


def site(mode, *targets):
    return {"listeners": [listener(desync_mitigation=mode)],
            "target_groups": [group("targets", *targets)]}


# classification_reason, tier, bytes: what the parser takes.
TAKEN = [
    ("GetHeadZeroContentLength", "Acceptable", get(b"Content-Length: 0")),
    ("UndefinedContentLengthSemantics", "Ambiguous", get(b"Content-Length: 5") + b"hello"),
    ("UndefinedTransferEncodingSemantics", "Ambiguous",
     get(b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n"),
    ("SuspiciousHeader", "Ambiguous", get(b"Transfer_Encoding: chunked")),
    ("SuspiciousHeader", "Ambiguous", post(b"Content--Length: 5", b"Content-Length: 5") + b"hello"),
]


def ident(row):
    return f"{row[0]}-{row[1]}"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reason, tier, data", TAKEN, ids=map(ident, TAKEN))
def test_what_is_well_formed_is_treated_as_the_mode_says(start_sluice, start_target, mode, reason,
                                                         tier, data):
    origin = start_target(serve_body())
    proxy = start_sluice(site(mode, origin))
    blocked = mode == "strictest"
    closed = mode == "defensive" and tier == "Ambiguous"
    with proxy.client() as client:
        client.send(data)
        answer = client.response()
        assert answer.status == (400 if blocked else 200)
        assert answer.says_close() == (blocked or closed)
        if blocked or closed:
            client.send_if_open(request("GET", "/behind"))
            assert client.rest() == b""
        else:
            client.send(request("GET", "/behind"))
            assert client.response().status == 200
    lines = proxy.final_log()
    assert len(lines) == (1 if blocked or closed else 2)
    line = lines[0]
    assert (line["classification"], line["classification_reason"]) == (tier, reason)
    assert reason_of(line) == ("desync_blocked" if blocked else None)
    assert [each.target for each in origin.requests] == (
        [] if blocked else ["/"] if closed else ["/", "/behind"])
    if not blocked:
        assert (origin.requests[0].value("Connection") == "close") == closed


def test_the_targets_connection_ends_with_an_ambiguous_request(start_sluice, start_target):
    origin = start_target(serve_body())
    proxy = start_sluice(site("defensive", origin))
    for uri in ("/first", "/second"):
        with proxy.client() as client:
            client.send(request("GET", uri, ("Content-Length", "5")) + b"hello")
            assert client.response().status == 200
    with proxy.client() as client:
        client.send(request("GET", "/third"))
        assert client.response().status == 200
    proxy.wait_for_lines(3)
    assert [each.connection for each in origin.requests] == [0, 1, 2]


@pytest.mark.parametrize("mode, connections", [("defensive", [0, 1]), ("monitor", [0, 0])])
def test_it_ends_behind_an_answer_that_is_not_shown_too(start_sluice, start_target, mode,
                                                        connections):
    origin = start_target(serve(lambda _: response(b"inner", status=500, phrase="Inner")))
    config = site(mode, origin)
    config["listeners"][0]["filters"] = {
        "error_pages": {"pages": [{"on": "5xx", "body": "page"}], "intercept": True}}
    proxy = start_sluice(config)
    for uri in ("/first", "/second"):
        with proxy.client() as client:
            client.send(request("GET", uri, ("Content-Length", "5")) + b"hello")
            assert client.response().body == b"page"
    proxy.wait_for_lines(2)
    assert [each.connection for each in origin.requests] == connections


# classification_reason, tier, status, our own reason, bytes: what is refused in every mode.
REFUSED = [
    ("NonCompliantHeader", "Acceptable", 400, "bad_header_name", get(b"Na(me: x")),
    ("NonCompliantHeader", "Acceptable", 400, "bad_header_value", get(b"Name: a\x01z")),
    ("SpaceInUri", "Acceptable", 400, "bad_request_line", target(b"/a b")),
    ("NonCompliantVersion", "Acceptable", 505, "version_not_supported", get(version=b"HTTP/1.2")),
    ("NonCompliantVersion", "Acceptable", 400, "bad_request_line", b"GET /\r\n\r\n"),
    ("NonCrLfLineTermination", "Acceptable", 400, "bare_line_feed", get(b"A: b\nC: d")),
    ("EmptyHeader", "Ambiguous", 400, "bad_header_name", get(b": x")),
    ("AmbiguousUri", "Ambiguous", 400, "bad_request_target", target(b"/\x01")),
    ("UndefinedTransferEncodingSemantics", "Ambiguous", 400, "transfer_encoding_in_http_1_0",
     post(b"Transfer-Encoding: chunked", version=b"HTTP/1.0") + b"0\r\n\r\n"),
    ("DuplicateContentLength", "Ambiguous", 400, "content_length_conflict",
     post(b"Content-Length: 5", b"Content-Length: 5") + b"hello"),
    ("BothTeClPresent", "Ambiguous", 400, "content_length_with_transfer_encoding",
     post(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    ("SuspiciousHeader", "Ambiguous", 400, "bad_header_name",
     post(b"Transfer-Encoding : chunked") + b"0\r\n\r\n"),
    ("MultilineHeader", "Ambiguous", 400, "obs_fold", get(b"A: b\r\n c")),
    ("MissingHeaderColon", "Ambiguous", 400, "bad_header_name", get(b"no colon")),
    ("MissingUri", "Ambiguous", 400, "bad_request_line", b"GET\r\n\r\n"),
    ("BadHeader", "Severe", 400, "bad_header_value", get(b"Name: a\0z")),
    ("BadUri", "Severe", 400, "bad_request_target", target(b"/\0")),
    ("BadMethod", "Severe", 400, "bad_method", get(method=b"G@T")),
    ("BadVersion", "Severe", 505, "version_not_supported", get(version=b"HTTP/2.0")),
    ("MultipleContentLength", "Severe", 400, "content_length_conflict",
     post(b"Content-Length: 5", b"Content-Length: 6") + b"hello!"),
    ("BadContentLength", "Severe", 400, "content_length_invalid",
     post(b"Content-Length: 10,10") + b"0123456789"),
    ("BadTransferEncoding", "Severe", 501, "transfer_coding_unknown",
     post(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n"),
    ("MultipleTransferEncodingChunked", "Severe", 400, "transfer_encoding_not_final_chunked",
     post(b"Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n"),
]


@pytest.mark.parametrize("mode", MODES)
def test_what_no_mode_lets_pass_is_classified_and_refused(start_sluice, start_target, mode):
    origin = start_target(serve_body())
    proxy = start_sluice(site(mode, origin))
    for _, _, status, _, data in REFUSED:
        with proxy.client() as client:
            client.send(data)
            answer = client.response()
            assert (answer.status, answer.says_close()) == (status, True), data
            client.send_if_open(request("GET", "/behind"))
            assert client.rest() == b"", data
    seen = [(line["classification_reason"], line["classification"], line["status"], reason_of(line))
            for line in proxy.wait_for_log(len(REFUSED))]
    assert seen == [row[:4] for row in REFUSED]
    for reason, tier, *_ in REFUSED:
        count = sum(1 for row in REFUSED if row[0] == reason)
        assert proxy.metric("sluice_desync_requests_total", classification_reason=reason,
                            classification=tier) == count
    assert origin.requests == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reason, data", [("PartialHeaderLine", get()[:-8]),
                                          ("MissingLastEmptyLine", get()[:-2])])
def test_a_head_without_an_end_is_classified_when_its_client_has_gone(start_sluice, start_target,
                                                                      mode, reason, data):
    origin = start_target(serve_body())
    proxy = start_sluice(site(mode, origin))
    with proxy.client() as client:
        client.send(data)
        client.half_close()
        assert client.rest() == b""
    line = proxy.only_log_line()
    assert (line["classification"], line["classification_reason"]) == ("Ambiguous", reason)
    assert reason_of(line) == "client_closed"
    assert origin.requests == []


def test_an_ordinary_request_has_no_class_and_keeps_its_connections(start_sluice, start_target):
    origin = start_target(serve_body())
    proxy = start_sluice(site("strictest", origin))
    with proxy.client() as client:
        for data in (request(), request("POST", "/", body=b""),
                     post(b"Transfer-Encoding: chunked") + b"0\r\n\r\n"):
            client.send(data)
            answer = client.response()
            assert (answer.status, answer.says_close()) == (200, False)
    lines = proxy.final_log()
    assert {(line["classification"], line["classification_reason"]) for line in lines} == {
        (None, None)}
    assert {each.connection for each in origin.requests} == {0}
