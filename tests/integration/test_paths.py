"""One normal form of a path, the same for routing and for the target (T12)."""

import pytest

from support.client import request
from support.configuration import group, listener, rule, site
from support.sluice import reason_of
from support.target import response, serve, serve_body

NORMAL_FORMS = [
    ("/", "/"),
    ("/plain/path", "/plain/path"),
    ("/trailing/", "/trailing/"),
    ("/Case/IS/kept", "/Case/IS/kept"),
    ("//a///b//", "/a/b/"),
    ("/./a/./b/.", "/a/b/"),
    ("/a/b/../c", "/a/c"),
    ("/a/b/..", "/a/"),
    ("/a/../", "/"),
    ("/a//../b", "/b"),
    ("/a/%2e%2E/b", "/b"),
    ("/a/.%2e/b", "/b"),
    ("/%2e/a", "/a"),
    ("/a/..;x=y/b", "/b"),
    ("/a/.;x/b", "/a/b"),
    ("/...", "/..."),
    ("/.hidden", "/.hidden"),
    ("/a..b", "/a..b"),
    ("/%41%7a%30%2d%5f%7E", "/Az0-_~"),
    ("/%c3%a4", "/%C3%A4"),
    ("/a%20b", "/a%20b"),
    ("/a%3fb", "/a%3Fb"),
    ("/a%23b", "/a%23b"),
    ("/%252e%252e/a", "/%252e%252e/a"),
    ("/a%252fb", "/a%252fb"),
    ("/a;p=1/b;q", "/a;p=1/b;q"),
    ("/a+b:c@d!$&'()*,=", "/a+b:c@d!$&'()*,="),
    ("/a/../b?x=/../y//z&p=%2e%2F", "/b?x=/../y//z&p=%2e%2F"),
    ("/?", "/?"),
    ("/a?b?c", "/a?b?c"),
    ("http://site.test", "/"),
    ("http://site.test/a/../b", "/b"),
    ("HTTP://site.test?q", "/?q"),
    ("https://site.test/x", "/x"),
]


@pytest.mark.parametrize("sent, expected", NORMAL_FORMS, ids=[sent for sent, _ in NORMAL_FORMS])
def test_t12_the_target_sees_the_normal_form(start_sluice, start_target, sent, expected):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask("GET", sent).status == 200
    assert target.only_request().target == expected
    assert proxy.only_log_line()["target"] == sent


REFUSED = ["/a%2fb", "/a%2Fb", "/a%5cb", "/a\\b", "/..", "/../a", "/a/../../b", "/%2e%2e/a",
           "/a/%2e%2e/%2e%2e/b", "/..;x/a", "/a%00", "/%", "/a%2", "/a%zz", "/a%2g", "/a/%2",
           "http://site.test/../a", "//..", "/..%2fa", "/%5c../a"]


@pytest.mark.parametrize("sent", REFUSED)
def test_t12_a_path_that_targets_could_read_differently_is_refused(start_sluice, start_target, sent):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        answer = client.ask("GET", sent)
        assert answer.status == 400
        assert client.is_closed_by_peer()
    line = proxy.only_log_line()
    assert (reason_of(line), line["target"]) == ("bad_path", sent)
    assert target.requests == []


@pytest.mark.parametrize("sent", ["/a#b", "/#", "/a b"])
def test_t12_a_target_with_a_fragment_or_a_space_is_refused(start_sluice, start_target, sent):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.send(request("GET", sent))
        assert client.response().status == 400
        assert client.is_closed_by_peer()
    assert target.requests == []


AROUND_A_RULE = ["/admin/x", "//admin/x", "/./admin/x", "/a/../admin/x", "/%61dmin/x",
                 "/admin/%2e/x", "/a/%2e%2e/admin/x", "/admin;a/../admin/x", "http://x/admin/x"]


@pytest.mark.parametrize("kind", [{"path": ["/admin", "/admin/*"]}, {"path_prefix": "/admin"}],
                         ids=["path", "path_prefix"])
@pytest.mark.parametrize("sent", AROUND_A_RULE)
def test_t12_no_spelling_gets_around_a_rule(start_sluice, start_target, sent, kind):
    inside = start_target(serve_body(b"inside"))
    outside = start_target(serve_body(b"outside"))
    proxy = start_sluice({
        "listeners": [listener("web", rule("admin", 1, kind, action="inside"), default="outside")],
        "target_groups": [group("inside", inside), group("outside", outside)]})
    with proxy.client() as client:
        assert client.ask("GET", sent).body == b"inside"
    assert inside.only_request().target == "/admin/x"


def test_options_asterisk_reaches_the_target(start_sluice, start_target):
    target = start_target(serve_body(b"options"))
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        assert client.ask("OPTIONS", "*").status == 200
    assert target.only_request().target == "*"


def test_routing_and_target_agree_on_every_spelling(start_sluice, start_target):
    """The target answers with the path that it got; a rule for that very path must have been taken."""
    echo = start_target(serve(lambda received: response(received.target.encode())))
    paths = sorted({expected.partition("?")[0] for _, expected in NORMAL_FORMS})
    rules = [rule(f"r{number}", number, {"path_prefix": path}, action="echo")
             for number, path in enumerate(sorted(paths, key=len, reverse=True), start=1)
             if "*" not in path]
    proxy = start_sluice({"listeners": [listener("web", *rules, default="echo")],
                          "target_groups": [group("echo", echo)]})
    with proxy.client() as client:
        for sent, expected in NORMAL_FORMS:
            assert client.ask("GET", sent).body == expected.encode()
    lines = proxy.wait_for_log(len(NORMAL_FORMS))
    names = {each["name"]: each["conditions"][0]["path_prefix"].rstrip("/") for each in rules}
    for line, (sent, expected) in zip(lines, NORMAL_FORMS):
        if line["rule"] != "default":
            assert expected.startswith(names[line["rule"]]), (sent, line["rule"])
