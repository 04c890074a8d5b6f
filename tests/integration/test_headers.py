"""Fields reach the other side as they were sent, less what belongs to one connection, plus what the
target should know about the client."""

import re
from email.utils import parsedate_to_datetime

import pytest

from support import configuration
from support.client import request
from support.configuration import site
from support.target import response, serve, serve_body

# What the proxy itself adds to a request.
ADDED = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-request-id", "traceparent"}
TRUST = {"trusted_proxies": ["127.0.0.0/8"]}


def seen_by_target(start_sluice, start_target, *fields, forwarding=None, **options):
    """The request as the target got it. The proxy is kept in `seen_by_target.proxy`."""
    target = start_target(serve_body())
    proxy = start_sluice(site(target, **({"forwarding": forwarding} if forwarding else {})))
    with proxy.client(source=options.pop("source", None)) as client:
        assert client.ask(options.pop("method", "GET"), options.pop("target", "/"), *fields,
                          **options).status == 200
    seen_by_target.proxy = proxy
    return target.only_request()


def others(received):
    """The fields that the client sent."""
    return [(name, value) for name, value in received.fields if name.lower() not in ADDED]


# --- as sent -------------------------------------------------------------------------------------

def test_names_values_order_and_repetition_are_kept(start_sluice, start_target):
    fields = [("Accept", "text/html;q=0.9, */*"), ("x-LOWER-and-UPPER", "one"), ("X-Empty", ""),
              ("Cookie", "a=1; b=2"), ("Cookie", "c=3"), ("X-List", "1"), ("x-list", "2"),
              ("X-Bytes", "\xe4\xf6\xfc \x80"), ("X-Inner", "two  spaces\tand a tab"),
              ("!#$%&'*+-.^`|~1", "token"), ("Cache-Control", "no-cache")]
    received = seen_by_target(start_sluice, start_target, *fields)
    assert others(received) == [("Host", "site.test"), *fields]


def test_white_space_around_a_value_is_no_part_of_it(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost:\tsite.test \r\nX-Field:   value \t\r\nX-Near:x\r\n\r\n")
        assert client.response().status == 200
    received = target.only_request()
    assert received.value("Host") == "site.test"
    assert received.value("X-Field") == "value"
    assert received.value("X-Near") == "x"


def test_fields_of_an_answer_are_kept(start_sluice, start_target):
    fields = [("Set-Cookie", "a=1; Path=/"), ("Set-Cookie", "b=2"), ("ETag", '"x"'),
              ("x-MiXeD", "yes"), ("X-Empty", ""), ("Server", "Target/1.0"),
              ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Cache-Control", "max-age=1")]
    target = start_target(serve_body(b"x", *fields))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        answer = client.ask()
    assert answer.fields == [*fields, ("Content-Length", "1")]
    assert (answer.status, answer.phrase) == (200, "OK")


@pytest.mark.parametrize("status, phrase", [(200, "Fine"), (201, ""), (299, "Odd one"), (418, "Tea"),
                                            (599, "X")])
def test_status_and_phrase_of_an_answer_are_kept(start_sluice, start_target, status, phrase):
    target = start_target(serve(lambda _: response(b"x", status=status, phrase=phrase)))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        answer = client.ask()
    assert (answer.status, answer.phrase) == (status, phrase)
    assert proxy.only_log_line()["target_status"] == status


def test_unknown_methods_pass(start_sluice, start_target):
    received = seen_by_target(start_sluice, start_target, method="PROPFIND")
    assert received.method == "PROPFIND"


# --- hop by hop (T9) -------------------------------------------------------------------------------

def test_hop_by_hop_fields_of_a_request_are_removed(start_sluice, start_target):
    received = seen_by_target(
        start_sluice, start_target, ("Connection", "keep-alive"), ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"), ("TE", "gzip"), ("X-Kept", "yes"))
    assert others(received) == [("Host", "site.test"), ("X-Kept", "yes")]


def test_hop_by_hop_fields_of_an_answer_are_removed(start_sluice, start_target):
    target = start_target(serve_body(
        b"x", ("Connection", "keep-alive, X-Hop"), ("Keep-Alive", "timeout=5"), ("X-Hop", "1"),
        ("Proxy-Connection", "keep-alive"), ("Upgrade", "h2c"), ("X-Kept", "yes"),
        ("Proxy-Authenticate", "Basic")))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        answer = client.ask()
    assert {name.lower() for name in answer.names()} <= {
        "x-kept", "content-length", "date", "proxy-authenticate"}
    assert answer.value("X-Kept") == "yes"


def test_fields_named_in_connection_are_removed(start_sluice, start_target):
    received = seen_by_target(
        start_sluice, start_target, ("Connection", "x-one ,X-TWO"), ("X-One", "1"), ("x-two", "2"),
        ("Connection", "x-three"), ("X-Three", "3"), ("X-Four", "4"))
    assert others(received) == [("Host", "site.test"), ("X-Four", "4")]


@pytest.mark.parametrize("name, value", [
    ("Host", None), ("X-Forwarded-For", None), ("X-Forwarded-Proto", None),
    ("X-Forwarded-Port", None), ("X-Request-Id", None), ("Authorization", "Basic eA=="),
    ("Cookie", "session=1"), ("Content-Length", None), ("Cache-Control", "no-store"),
    ("Content-Type", "text/plain")])
def test_t9_protected_fields_cannot_be_named_away(start_sluice, start_target, name, value):
    fields = [("Connection", f"close, {name}")]
    if value:
        fields.append((name, value))
    received = seen_by_target(start_sluice, start_target, *fields, method="POST", body=b"hello")
    assert received.body == b"hello"
    assert received.value(name), received.head
    if value:
        assert received.value(name) == value


# --- aliases (T10) ---------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [
    "X_Forwarded_For", "X-Forwarded_For", "X.Forwarded.For", "x_forwarded_proto",
    "X_Forwarded_Port", "X_Request_Id", "X-Request.Id", "Content_Length", "Transfer_Encoding",
    "X_Forwarded_Host", "X_Real_IP"])
def test_t10_aliases_of_fields_that_we_set_or_trust_are_dropped(start_sluice, start_target, name):
    received = seen_by_target(start_sluice, start_target, (name, "spoofed"), forwarding=TRUST)
    assert name not in received.names()
    assert "spoofed" not in received.head.decode("latin-1")


def test_t10_other_names_with_such_characters_pass(start_sluice, start_target):
    fields = [("my_field", "1"), ("app.version", "2"), ("X_Custom.Field-a", "3")]
    received = seen_by_target(start_sluice, start_target, *fields)
    assert others(received) == [("Host", "site.test"), *fields]


def test_t10_aliases_of_framing_cannot_frame_an_answer(start_sluice, start_target):
    target = start_target(serve_body(b"hello", ("Content_Length", "1"), ("Transfer_Encoding", "x")))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask().body == b"hello"
        assert client.ask().body == b"hello"


# --- forwarding headers ----------------------------------------------------------------------------

def test_the_target_learns_address_scheme_and_port_of_the_client(start_sluice, start_target):
    received = seen_by_target(start_sluice, start_target, source="127.0.0.7")
    proxy = seen_by_target.proxy
    assert received.value("X-Forwarded-For") == "127.0.0.7"
    assert received.value("X-Forwarded-Proto") == "http"
    assert received.value("X-Forwarded-Port") == str(proxy.port())


def test_the_scheme_is_https_over_tls(start_sluice, start_target, authority, certificate):
    target = start_target(serve_body())
    config = site(target)
    config["listeners"][0]["tls"] = configuration.tls(certificate)
    proxy = start_sluice(config)
    with proxy.client(tls=authority.client_context(), server_name="site.test") as client:
        assert client.ask("GET", "/", ("X-Forwarded-Proto", "http")).status == 200
    received = target.only_request()
    assert received.value("X-Forwarded-Proto") == "https"
    assert received.value("X-Forwarded-Port") == str(proxy.port())


SPOOFED = [("X-Forwarded-For", "203.0.113.1"), ("X-Forwarded-Proto", "https"),
           ("X-Forwarded-Port", "443"), ("X-Request-Id", "chosen-by-the-client")]


def test_what_a_stranger_says_about_scheme_and_port_is_overwritten(start_sluice, start_target):
    received = seen_by_target(start_sluice, start_target, *SPOOFED)
    assert received.value("X-Forwarded-Proto") == "http"
    assert received.value("X-Forwarded-Port") == str(seen_by_target.proxy.port())
    assert received.value("X-Request-Id") != "chosen-by-the-client"


def test_the_addresses_that_a_stranger_claims_are_dropped(start_sluice, start_target):
    """T11: the list is rebuilt, for a target would believe its first address."""
    received = seen_by_target(start_sluice, start_target, *SPOOFED, source="127.0.0.7")
    assert received.value("X-Forwarded-For") == "127.0.0.7"


def test_other_ways_to_claim_an_address_are_dropped_too(start_sluice, start_target):
    fields = [("Forwarded", "for=203.0.113.1"), ("X-Real-IP", "203.0.113.1"),
              ("X-Forwarded-Host", "evil.test")]
    received = seen_by_target(start_sluice, start_target, *fields)
    assert others(received) == [("Host", "site.test")]


def test_what_a_trusted_proxy_says_is_kept(start_sluice, start_target):
    received = seen_by_target(start_sluice, start_target, *SPOOFED, forwarding=TRUST)
    assert received.value("X-Forwarded-For") == "203.0.113.1, 127.0.0.1"
    assert received.value("X-Forwarded-Proto") == "https"
    assert received.value("X-Forwarded-Port") == "443"
    assert received.value("X-Request-Id") == "chosen-by-the-client"


def test_the_trusted_list_is_about_the_peers_address(start_sluice, start_target):
    received = seen_by_target(start_sluice, start_target, *SPOOFED, source="127.0.0.7",
                              forwarding={"trusted_proxies": ["127.0.0.1/32", "203.0.113.0/24"]})
    assert received.value("X-Forwarded-Proto") == "http"
    assert received.value("X-Request-Id") != "chosen-by-the-client"


def test_several_forwarded_for_fields_become_one_in_order(start_sluice, start_target):
    received = seen_by_target(
        start_sluice, start_target, ("X-Forwarded-For", "203.0.113.1"), ("X-Other", "x"),
        ("x-forwarded-for", "203.0.113.2, 203.0.113.3"), forwarding=TRUST)
    assert re.split(r", *", received.value("X-Forwarded-For")) == [
        "203.0.113.1", "203.0.113.2", "203.0.113.3", "127.0.0.1"]


def test_forwarded_for_can_be_preserved(start_sluice, start_target):
    received = seen_by_target(start_sluice, start_target, ("X-Forwarded-For", "203.0.113.1"),
                              forwarding={"x_forwarded_for": "preserve", **TRUST})
    assert received.value("X-Forwarded-For") == "203.0.113.1"


def test_forwarded_for_can_be_removed(start_sluice, start_target):
    received = seen_by_target(start_sluice, start_target, ("X-Forwarded-For", "203.0.113.1"),
                              forwarding={"x_forwarded_for": "remove", **TRUST})
    assert received.value("X-Forwarded-For") is None


def test_the_clients_port_can_be_told(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target, forwarding={"client_port": True}))
    with proxy.client() as client:
        client.ask()
        assert target.only_request().value("X-Forwarded-For") == client.address


# --- identity of a request -------------------------------------------------------------------------

def test_every_request_gets_an_id_of_its_own_that_is_in_the_log(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        for _ in range(3):
            client.ask()
    ids = [each.value("X-Request-Id") for each in target.requests]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"[!-~]{16,64}", each) for each in ids)
    assert [line["request_id"] for line in proxy.wait_for_log(3)] == ids


def test_a_trusted_request_id_is_in_the_log(start_sluice, start_target):
    seen_by_target(start_sluice, start_target, ("X-Request-Id", "from-the-edge"), forwarding=TRUST)
    assert seen_by_target.proxy.only_log_line()["request_id"] == "from-the-edge"


def test_a_trace_is_begun(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.ask()
        client.ask()
    traces = [re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0[01]", each.value("traceparent"))
              for each in target.requests]
    assert all(traces), [each.head for each in target.requests]
    assert traces[0].group(1) != traces[1].group(1)
    assert all(int(each.group(1), 16) and int(each.group(2), 16) for each in traces)


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_is_continued(start_sluice, start_target):
    received = seen_by_target(start_sluice, start_target, ("traceparent", TRACE),
                              ("tracestate", "vendor=value"), forwarding=TRUST)
    assert received.value("traceparent").split("-")[1] == TRACE.split("-")[1]
    assert received.value("traceparent").split("-")[3] == "01"
    assert received.value("tracestate") == "vendor=value"


@pytest.mark.parametrize("value", [
    "nonsense", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
    "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", TRACE + "-more",
    "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
def test_a_malformed_trace_is_begun_anew(start_sluice, start_target, value):
    received = seen_by_target(start_sluice, start_target, ("traceparent", value), forwarding=TRUST)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", received.value("traceparent"))
    assert received.value("traceparent") != value


# --- Host, Via -------------------------------------------------------------------------------------

@pytest.mark.parametrize("host", ["site.test", "Site.TEST:8080", "127.0.0.1", "[::1]:80", "a_b.c"])
def test_the_host_is_passed_as_sent(start_sluice, start_target, host):
    received = seen_by_target(start_sluice, start_target, host=host)
    assert received.value("Host") == host
    assert seen_by_target.proxy.only_log_line()["host"] == host


def test_the_host_of_an_absolute_target_wins(start_sluice, start_target):
    received = seen_by_target(start_sluice, start_target, target="http://real.test/path?q",
                              host="other.test")
    assert (received.target, received.value("Host")) == ("/path?q", "real.test")


def test_there_is_no_via_unless_asked_for(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask().value("Via") is None
    assert target.only_request().value("Via") is None


def test_via_can_be_asked_for(start_sluice, start_target):
    received = seen_by_target(start_sluice, start_target, ("Via", "1.0 other"),
                              forwarding={"via": True})
    via = ", ".join(received.values("Via"))
    assert re.fullmatch(r"1\.0 other, (HTTP/)?1\.1 sluice", via), via


# --- Server, Date ----------------------------------------------------------------------------------

def test_answers_of_our_own_carry_server_and_date(start_sluice):
    proxy = start_sluice({"listeners": [{"name": "web"}], "target_groups": []})
    with proxy.client() as client:
        answer = client.ask()
    assert answer.value("Server") == "sluice"
    assert abs((parsedate_to_datetime(answer.value("Date")).timestamp()
                - proxy.metric("sluice_start_time_seconds"))) < 60


def test_answers_of_a_target_get_no_server_of_ours(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body())))
    with proxy.client() as client:
        assert client.ask().value("Server") is None


def test_a_date_is_added_when_the_target_sent_none(start_sluice, start_target):
    """RFC 9110 6.6.1: who forwards an answer without a date and has a clock must add one."""
    proxy = start_sluice(site(start_target(serve_body())))
    with proxy.client() as client:
        assert parsedate_to_datetime(client.ask().value("Date"))


def test_fields_of_one_request_do_not_leak_into_the_next(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request("GET", "/1", ("X-One", "1")) + request("GET", "/2", ("X-Two", "2")))
        client.response()
        client.response()
    assert others(target.requests[0]) == [("Host", "site.test"), ("X-One", "1")]
    assert others(target.requests[1]) == [("Host", "site.test"), ("X-Two", "2")]
