"""The filter request_headers: the fields of a request as targets get them."""

import subprocess

import pytest

from support import configuration, h2_raw
from support.client import request
from support.configuration import group, listener, site
from support.sluice import reason_of
from support.target import serve_body
from support.waiting import PATIENCE


def editing(target, edits, **sections):
    return {"listeners": [listener("web", filters={"request_headers": edits}, http2=True)],
            "target_groups": [group("targets", target)], **sections}


def received_by(start_sluice, start_target, edits, *fields, forwarding=None, **options):
    """The request as the target got it."""
    target = start_target(serve_body())
    proxy = start_sluice(editing(target, edits, **(
        {"forwarding": forwarding} if forwarding else {})))
    with proxy.client() as client:
        assert client.ask("GET", options.pop("path", "/"), *fields, **options).status == 200
    return target.only_request()


def test_fields_are_set_added_removed_renamed_and_given_defaults(start_sluice, start_target):
    got = received_by(
        start_sluice, start_target,
        {"set": {"X-Set": "ours"}, "add": {"X-Add": ["one", "two"]}, "remove": ["X-Gone"],
         "rename": {"X-Old": "X-New", "X-Not-There": "X-Kept"},
         "default": {"X-Default": "standard", "X-There": "standard"}},
        ("X-Set", "theirs"), ("X-Add", "theirs"), ("X-Gone", "1"), ("X-Old", "a"), ("x-old", "b"),
        ("X-New", "theirs"), ("X-Kept", "theirs"), ("X-There", "theirs"), ("X-Other", "theirs"))
    assert got.values("X-Set") == ["ours"]
    assert got.values("X-Add") == ["theirs", "one", "two"]
    assert got.values("X-Gone") == []
    assert (got.values("X-Old"), got.values("X-New")) == ([], ["a", "b"])
    assert got.values("X-Kept") == ["theirs"]
    assert (got.values("X-Default"), got.values("X-There")) == (["standard"], ["theirs"])
    assert got.values("X-Other") == ["theirs"]


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_curl_fills_in_the_variables(start_sluice, start_target, authority, certificate, version):
    target = start_target(serve_body())
    names = ["client_ip", "protocol", "host", "method", "path", "query", "request_id", "rule",
             "target_group", "tls_version", "tls_cipher", "sni", "header:X-Word"]
    config = editing(target, {"set": {f"V-{name.replace('_', '-').replace(':', '-')}": f"<#{{{name}}}>"
                                      for name in names}})
    config["listeners"][0]["tls"] = configuration.tls(certificate)
    proxy = start_sluice(config)
    port = proxy.port()
    subprocess.run(
        ["curl", "--silent", "--show-error", "--fail", "--max-time", str(PATIENCE), version,
         "--cacert", authority.cert, "--resolve", f"site.test:{port}:127.0.0.1",
         "-H", "X-Word: #{host} $1", f"https://site.test:{port}/a/b?c=d"],
        capture_output=True, check=True)
    got = target.only_request()
    assert [got.value(f"V-{name}") for name in [
        "client-ip", "protocol", "host", "method", "path", "query", "rule", "target-group",
        "tls-version", "sni", "header-X-Word"]] == [
            "<127.0.0.1>", "<https>", "<site.test>", "<GET>", "</a/b>", "<c=d>", "<default>",
            "<targets>", "<TLSv1.3>", "<site.test>", "<#{host} $1>"]
    assert got.value("V-request-id") == f"<{got.value('X-Request-Id')}>"
    assert got.value("V-tls-cipher").startswith("<TLS_")


def test_a_value_that_comes_out_empty_gives_no_field_and_drops_the_clients(start_sluice,
                                                                           start_target):
    got = received_by(start_sluice, start_target, {"set": {"X-Sni": "#{sni}"}},
                      ("X-Sni", "forged"))
    assert got.values("X-Sni") == []


@pytest.mark.parametrize("alias", ["X_User", "X.User", "x_uSER"])
def test_t10_aliases_of_what_is_set_or_removed_do_not_pass(start_sluice, start_target, alias):
    for edits in [{"set": {"X-User": "ours"}}, {"remove": ["X-User"]}, {"default": {"X-User": "ours"}}]:
        got = received_by(start_sluice, start_target, edits, (alias, "forged"))
        assert b"forged" not in got.head, edits


def test_t9_a_client_cannot_have_a_field_of_ours_removed(start_sluice, start_target):
    got = received_by(start_sluice, start_target,
                      {"set": {"X-User": "ours"}, "default": {"X-Default": "ours"}},
                      ("Connection", "X-User, X-Default"), ("X-Default", "theirs"))
    assert got.values("X-User") == ["ours"]
    assert got.values("X-Default") == ["ours"], "the client's own does not pass"


def test_t9_a_variable_has_nothing_of_what_connection_names(start_sluice, start_target):
    got = received_by(start_sluice, start_target,
                      {"set": {"X-Copy": "<#{header:X-Hop}>", "X-Again": "<#{header:X-HOP}>",
                               "X-Kept": "<#{header:X-Stays}>"}, "rename": {"X-Hop": "X-New"}},
                      ("Connection", "a, " * 3000 + "x-hop"), ("X-Hop", "1"), ("X-Stays", "2"))
    assert [got.value(name) for name in ["X-Copy", "X-Again", "X-Kept"]] == ["<>", "<>", "<2>"]
    assert got.values("X-Hop") + got.values("X-New") == []


def test_t11_a_variable_does_not_believe_what_a_stranger_claims(start_sluice, start_target):
    claims = [("X-Real-IP", "6.6.6.6"), ("X-Forwarded-For", "6.6.6.6"), ("X_User", "6.6.6.6"),
              ("X-Amzn-Mtls-Clientcert-Subject", "6.6.6.6"), ("X-Forwarded-Host", "6.6.6.6")]
    got = received_by(start_sluice, start_target, {
        "set": {f"X-Copy-{i}": f"#{{header:{name}}}" for i, (name, _) in enumerate(claims)},
        "remove": ["X-User"]}, *claims)
    assert got.values("X-Copy-2") == ["6.6.6.6"], "a name like any other, which is asked for as it is"
    for i in [0, 1, 3, 4]:
        assert got.values(f"X-Copy-{i}") == []


def test_what_sluice_writes_itself_can_be_replaced_and_left_out(start_sluice, start_target):
    got = received_by(
        start_sluice, start_target,
        {"set": {"X-Forwarded-For": "#{client_ip}", "X-Request-Id": "fixed",
                 "X-Forwarded-Proto": "gopher"},
         "remove": ["X-Forwarded-Port", "traceparent", "Via"]},
        ("X-Forwarded-For", "1.2.3.4"), ("X-Request-Id", "theirs"), ("Via", "1.1 theirs"),
        forwarding={"trusted_proxies": ["127.0.0.0/8"], "via": True})
    assert got.values("X-Forwarded-For") == ["1.2.3.4"], "the client, as we see it"
    assert got.values("X-Request-Id") == ["fixed"]
    assert got.values("X-Forwarded-Proto") == ["gopher"]
    for name in ["X-Forwarded-Port", "traceparent", "Via"]:
        assert got.values(name) == []


def test_a_client_cannot_end_a_line(start_sluice, start_target):
    """What would is refused at the door already, over HTTP/2 too; the rest stays one value."""
    target = start_target(serve_body())
    proxy = start_sluice(editing(target, {"set": {"X-Echo": "#{header:X-In} #{path}"}}))
    with proxy.client() as client:
        client.send(b"GET /%0d%0aX-Evil:%20yes HTTP/1.1\r\nHost: site.test\r\n"
                    b"X-In: a%0d%0aX-Evil: yes\r\n\r\n")
        assert client.response().status == 200
    assert target.only_request().values("X-Echo") == [
        "a%0d%0aX-Evil: yes /%0D%0AX-Evil:%20yes"]
    for value in ["a\nX-Evil: yes", "a\rX-Evil: yes", "a\0b", "a\r\nX-Evil: yes"]:
        with h2_raw.Connection.open(proxy.port()) as connection:
            connection.send(h2_raw.headers(1, h2_raw.request(("x-in", value))))
            connection.read_until(lambda: connection.stream(1).reset is not None)
        if "\r\n" not in value:  # over HTTP/1 that is another field, as anybody may send it
            with proxy.client() as client:
                client.send(request("GET", "/", ("X-In", value)))
                assert client.response().status == 400
    assert len(target.requests) == 1


def test_a_request_that_would_grow_too_much_is_500(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(editing(target, {"add": {"X-Copy": ["#{header:X-Long}"] * 20}}))
    with proxy.client() as client:
        assert client.ask("GET", "/", ("X-Long", "a" * 1000)).status == 200
        assert client.ask("GET", "/", ("X-Long", "a" * 2000)).status == 500
    assert reason_of(proxy.wait_for_log(2)[1]) == "amended_head_too_large"
    assert len(target.requests) == 1


def test_a_wrong_filter_leaves_the_old_configuration_serving(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(editing(target, {"set": {"X-A": "first"}}))
    proxy.reload(editing(target, {"set": {"Connection": "x"}}), result="failure")
    proxy.wait_for_error_log("belongs to the connection")
    with proxy.client() as client:
        assert client.ask().status == 200
    assert target.only_request().value("X-A") == "first"


def test_trailers_do_not_bring_back_what_was_removed(start_sluice, start_target):
    target = start_target(serve_body())
    config = editing(target, {"remove": ["X-User"]}, forwarding={"trailers": ["X-User", "X-Sum"]})
    proxy = start_sluice(config)
    with proxy.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n"
                    b"1\r\na\r\n0\r\nX-User: forged\r\nX-Sum: 1\r\n\r\n")
        assert client.response().status == 200
    assert target.only_request().trailers == [("X-Sum", "1")]


def test_site_without_filters_is_untouched(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask("GET", "/", ("X-A", "#{host}")).status == 200
    assert target.only_request().value("X-A") == "#{host}"
