"""Sessions stay with their targets: by our cookie, with the application's, and by hash."""

import base64
import copy
import re

import pytest

from support.configuration import group, listener, rule, site, tls
from support.target import response, serve, serve_body
from support.waiting import wait_until

KEYS = ["first secret of at least 32 characters", "second secret of at least 32 characters"]
ONE_DAY = "; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"


class Visitor:
    """A browser as far as it matters here: keeps what it is told to keep and sends it back, each
    time on a new connection."""

    def __init__(self, proxy, listener="web", **options):
        self.proxy = proxy
        self.cookies = {}
        self.set_cookies = []  # as they came
        self._listener = listener
        self._options = options

    def ask(self, target="/", **options):
        fields = []
        if self.cookies:
            pairs = [f"{name}={value}" for name, value in self.cookies.items()]
            fields.append(("Cookie", "; ".join(pairs)))
        with self.proxy.client(self._listener, **self._options) as client:
            answer = client.ask("GET", target, *fields, **options)
        for text in answer.values("Set-Cookie"):
            self.set_cookies.append(text)
            name, _, value = text.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def where(self, target="/"):
        """The name of the target that answers."""
        answer = self.ask(target)
        assert answer.status == 200, answer
        return answer.body.decode()


def sticky(*targets, stickiness=None, sections=None, **more):
    """A site whose group is sticky; `more` are further keys of the group."""
    config = site(*targets, **(sections or {}))
    config["target_groups"][0].update(stickiness=stickiness or {"type": "lb_cookie"}, **more)
    return config


def wait_for_result(proxy, result, count=1):
    wait_until(lambda: proxy.metric("sluice_sticky_requests_total", result=result) == count,
               f"{count} requests are counted as {result}")


@pytest.fixture
def targets(start_target):
    """Two targets that answer with their names."""
    return {name: start_target(serve_body(name.encode())) for name in ("one", "two")}


def other_than(name):
    return "two" if name == "one" else "one"


# --- our own cookie ------------------------------------------------------------------------------

def test_a_session_stays_with_its_target_over_requests_and_reloads(start_sluice, targets):
    config = sticky(*targets.values())
    proxy = start_sluice(config)
    visitor = Visitor(proxy)
    at = visitor.where()
    for _ in range(5):
        proxy.reload(config)
        assert [visitor.where() for _ in range(4)] == [at] * 4
    assert len(visitor.set_cookies) == 1, "a young cookie is not written again"
    wait_for_result(proxy, "kept", 20)
    wait_for_result(proxy, "new", 1)


def test_a_session_begins_with_an_error_that_is_not_shown_too(start_sluice, start_target):
    """The client has been at that target, and goes there again, by group and by target."""
    def failing(name):
        return serve(lambda _: response(b"inner", ("X-Name", name), ("Set-Cookie", "inner=1"),
                                        status=404, phrase="Inner"))

    names = ["one", "two", "three", "four"]
    targets = {name: start_target(failing(name)) for name in names}
    config = sticky(*[targets[name] for name in names[:2]])
    config["target_groups"].append(group("others", *[targets[name] for name in names[2:]],
                                         stickiness={"type": "lb_cookie"}))
    config["listeners"][0]["default_action"] = {"forward": {
        "groups": [{"group": "targets", "weight": 1}, {"group": "others", "weight": 1}],
        "stickiness": {"duration": "1h"}}}
    config["listeners"][0]["filters"] = {
        "error_pages": {"pages": [{"on": "4xx", "body": "page"}], "intercept": True},
        "response_headers": {"remove": ["Set-Cookie"]}}
    proxy = start_sluice(config)
    visitor = Visitor(proxy)
    for _ in range(8):
        answer = visitor.ask()
        assert (answer.status, answer.body) == (404, b"page")
    assert [each.partition("=")[0][:8] for each in visitor.set_cookies] == ["SLUICETG", "SLUICE"]
    assert sorted(len(target.requests) for target in targets.values()) == [0, 0, 0, 8]
    wait_for_result(proxy, "new", 1)
    wait_for_result(proxy, "kept", 7)


def test_many_sessions_are_spread_and_each_is_kept_by_every_worker(start_sluice, targets):
    proxy = start_sluice(sticky(*targets.values(), sections={"workers": 2}))
    visitors = [Visitor(proxy) for _ in range(16)]
    first = [visitor.where() for visitor in visitors]
    assert set(first) == {"one", "two"}
    for _ in range(3):
        assert [visitor.where() for visitor in visitors] == first


def test_the_cookie_shows_nothing_and_has_the_default_attributes(start_sluice, targets):
    proxy = start_sluice(sticky(*targets.values()))
    visitor = Visitor(proxy)
    at = visitor.where()
    pair, semicolon, attributes = visitor.set_cookies[0].partition(";")
    assert re.fullmatch(r"SLUICE=[A-Za-z0-9_-]{40,}", pair)
    assert semicolon + attributes == ONE_DAY
    text = pair.partition("=")[2]
    octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    port = targets[at].port
    assert b"127.0.0.1" not in octets and str(port).encode() not in octets


def test_name_and_attributes_can_be_chosen(start_sluice, targets):
    proxy = start_sluice(sticky(*targets.values(), stickiness={
        "type": "lb_cookie", "cookie_name": "lb", "duration": "1h", "path": "/app",
        "domain": "site.test", "http_only": False, "same_site": "none", "secure": "always"}))
    visitor = Visitor(proxy)
    visitor.where("/app")
    assert visitor.set_cookies[0].startswith("lb=")
    assert visitor.set_cookies[0].partition(";")[2] == (
        " Path=/app; Domain=site.test; Max-Age=3600; Secure; SameSite=None")


def test_the_cookie_is_secure_where_the_client_came_by_tls(start_sluice, targets, certificate,
                                                           authority):
    config = sticky(*targets.values())
    config["listeners"].append(listener("secure", tls=tls(certificate)))
    proxy = start_sluice(config)
    plain = Visitor(proxy)
    plain.where()
    assert "Secure" not in plain.set_cookies[0]
    secure = Visitor(proxy, "secure", tls=authority.client_context(), server_name="site.test")
    at = secure.where()
    assert "; Secure; HttpOnly" in secure.set_cookies[0]
    assert [secure.where() for _ in range(4)] == [at] * 4


def test_a_removed_target_gives_its_sessions_away_for_good(start_sluice, targets):
    both = sticky(*targets.values())
    proxy = start_sluice(both)
    visitor = Visitor(proxy)
    before = visitor.where()
    after = other_than(before)
    proxy.reload(sticky(targets[after]))
    assert visitor.where() == after
    wait_for_result(proxy, "repinned")
    proxy.reload(both)
    assert [visitor.where() for _ in range(6)] == [after] * 6
    assert len(visitor.set_cookies) == 2


def test_a_target_that_died_gives_its_sessions_away_for_good(start_sluice, start_target):
    def named(name, port=0):
        return start_target(serve_body(name.encode()), port=port)

    targets = {name: named(name) for name in ("one", "two")}
    proxy = start_sluice(sticky(*targets.values(), passive_health={"ejection_time": "1s"}))
    visitor = Visitor(proxy)
    before = visitor.where()
    after = other_than(before)
    targets[before].close()
    assert visitor.where() == after, "tried again elsewhere"
    wait_for_result(proxy, "repinned")
    named(before, targets[before].port)
    # It takes new sessions again, and leaves this one alone.
    wait_until(lambda: Visitor(proxy).where() == before, "the target is used again")
    assert [visitor.where() for _ in range(6)] == [after] * 6


def test_a_target_of_weight_0_keeps_its_sessions_and_gets_no_new_ones(start_sluice, targets):
    proxy = start_sluice(sticky(*targets.values()))
    visitor = Visitor(proxy)
    at = visitor.where()
    resting = {"address": targets[at].address, "weight": 0}
    proxy.reload(sticky(resting, targets[other_than(at)]))
    assert [visitor.where() for _ in range(6)] == [at] * 6
    assert {Visitor(proxy).where() for _ in range(6)} == {other_than(at)}


def test_a_forged_cookie_is_no_session_and_is_counted(start_sluice, targets):
    proxy = start_sluice(sticky(*targets.values()))
    visitor = Visitor(proxy)
    at = visitor.where()
    good = visitor.cookies["SLUICE"]
    forged = [good[:-1] + ("A" if good[-1] != "A" else "B"), good[:20], "x", "A" * 5000, ""]
    for count, value in enumerate(forged, 1):
        intruder = Visitor(proxy)
        intruder.cookies["SLUICE"] = value
        assert intruder.where() in targets
        wait_for_result(proxy, "invalid", count)
        assert intruder.cookies["SLUICE"] != value, "it is given one of its own"
    assert visitor.where() == at


def test_of_two_cookies_with_the_name_the_good_one_counts(start_sluice, targets):
    proxy = start_sluice(sticky(*targets.values()))
    visitor = Visitor(proxy)
    at = visitor.where()
    good = visitor.cookies["SLUICE"]
    for _ in range(4):
        with proxy.client() as client:
            answer = client.ask("GET", "/", ("Cookie", "SLUICE=foreign"),
                                ("Cookie", f'a=b; SLUICE="{good}"'))
        assert answer.body.decode() == at
        assert answer.value("Set-Cookie") is None


def test_a_session_ends_with_its_duration_even_if_the_client_keeps_the_cookie(start_sluice,
                                                                              targets):
    proxy = start_sluice(sticky(*targets.values(),
                                stickiness={"type": "lb_cookie", "duration": "1s"}))
    visitor = Visitor(proxy)
    visitor.where()
    first = visitor.cookies["SLUICE"]

    def expired():
        late = Visitor(proxy)
        late.cookies["SLUICE"] = first
        late.where()
        return proxy.metric("sluice_sticky_requests_total", result="expired")

    wait_until(expired, "a request is counted as expired")


def test_cookies_of_the_application_pass_beside_ours(start_sluice, start_target):
    target = start_target(serve_body(b"x", ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Path=/")))
    proxy = start_sluice(sticky(target))
    visitor = Visitor(proxy)
    visitor.where()
    assert visitor.set_cookies[:2] == ["a=1", "b=2; Path=/"]
    assert visitor.set_cookies[2].startswith("SLUICE=")
    assert len(visitor.set_cookies) == 3
    visitor.where()
    sent = target.wait_for_requests(2)[1].value("Cookie")
    assert sent == f"a=1; b=2; SLUICE={visitor.cookies['SLUICE']}", "as sent, as ALB does"


def test_errors_of_targets_have_a_session_and_answers_of_ours_have_none(start_sluice, start_target):
    failing = start_target(serve(lambda _: response(b"", status=500, phrase="Error")))
    config = sticky(failing)
    config["target_groups"].append(group("nobody", "127.0.0.1:1", retry={"attempts": 0},
                                         stickiness={"type": "lb_cookie"}))
    config["listeners"][0]["rules"] = [rule("r", 1, {"path_prefix": ["/nobody"]}, action="nobody")]
    proxy = start_sluice(config)
    visitor = Visitor(proxy)
    assert visitor.ask("/").status == 500
    assert len(visitor.set_cookies) == 1
    assert visitor.ask("/nobody").status == 502
    assert len(visitor.set_cookies) == 1


# --- keys ----------------------------------------------------------------------------------------

def test_two_instances_with_the_same_keys_agree(start_sluice, targets):
    config = sticky(*targets.values(), sections={"cookie_keys": KEYS})
    one, other = start_sluice(config), start_sluice(config)
    visitor = Visitor(one)
    at = visitor.where()
    for visitor.proxy in (other, one, other, one):
        assert visitor.where() == at
    assert len(visitor.set_cookies) == 1
    wait_for_result(other, "kept", 2)


def test_a_session_survives_a_restart_with_keys_and_not_without(start_sluice, targets):
    for keys, result in (({"cookie_keys": KEYS}, "kept"), ({}, "invalid")):
        config = sticky(*targets.values(), sections=keys)
        proxy = start_sluice(config)
        visitor = Visitor(proxy)
        visitor.where()
        assert proxy.stop() == 0
        visitor.proxy = start_sluice(config)
        visitor.where()
        wait_for_result(visitor.proxy, result)


def test_keys_are_replaced_without_losing_sessions(start_sluice, targets):
    def with_keys(*keys):
        return sticky(*targets.values(), sections={"cookie_keys": list(keys)})

    proxy = start_sluice(with_keys(KEYS[0]))
    old = Visitor(proxy)
    at = old.where()
    proxy.reload(with_keys(KEYS[1], KEYS[0]))
    assert old.where() == at
    new = Visitor(proxy)
    new.where()
    wait_for_result(proxy, "kept", 1)
    proxy.reload(with_keys(KEYS[1]))
    new.where()
    wait_for_result(proxy, "kept", 2)
    old.where()
    wait_for_result(proxy, "invalid", 1)


# --- with the application's cookie ---------------------------------------------------------------

@pytest.fixture
def applications(start_target):
    """Two targets that begin a session at /login, and answer with their names."""

    def script(name):
        def respond(request):
            fields = [("Set-Cookie", f"JSESSIONID=of-{name}; HttpOnly")]
            return response(name.encode(), *(fields if request.target == "/login" else []))
        return serve(respond)

    return {name: start_target(script(name)) for name in ("one", "two")}


APPLICATION = {"type": "app_cookie", "cookie_name": "JSESSIONID"}


def test_a_session_begins_when_the_application_sets_its_cookie(start_sluice, applications):
    proxy = start_sluice(sticky(*applications.values(), stickiness=APPLICATION))
    visitor = Visitor(proxy)
    assert {visitor.where() for _ in range(4)} == {"one", "two"}
    assert visitor.set_cookies == []
    at = visitor.where("/login")
    companions = [name for name in visitor.cookies if name != "JSESSIONID"]
    assert len(companions) == 1 and re.fullmatch("SLUICEAPP-[0-9a-f]{16}", companions[0])
    assert visitor.set_cookies[1].endswith(ONE_DAY)
    assert [visitor.where() for _ in range(6)] == [at] * 6
    # Either cookie alone is no session.
    for name in list(visitor.cookies):
        stranger = Visitor(proxy)
        stranger.cookies[name] = visitor.cookies[name]
        assert {stranger.where() for _ in range(4)} == {"one", "two"}
        assert stranger.set_cookies == []


def test_a_session_of_the_application_moves_when_its_target_leaves(start_sluice, applications):
    config = sticky(*applications.values(), stickiness=APPLICATION)
    proxy = start_sluice(config)
    visitor = Visitor(proxy)
    at = visitor.where("/login")
    proxy.reload(sticky(applications[other_than(at)], stickiness=APPLICATION))
    assert visitor.where() == other_than(at)
    proxy.reload(config)
    assert [visitor.where() for _ in range(6)] == [other_than(at)] * 6
    assert visitor.cookies["JSESSIONID"] == f"of-{at}", "which is the application's business"


def test_groups_with_one_cookie_of_the_application_do_not_disturb_each_other(start_sluice,
                                                                            applications):
    config = sticky(*applications.values(), stickiness=APPLICATION)
    other = copy.deepcopy(config["target_groups"][0])
    other["name"] = "other"
    config["target_groups"].append(other)
    config["listeners"][0]["rules"] = [
        rule("r", 1, {"path_prefix": ["/other"]}, action="other")]
    proxy = start_sluice(config)
    visitor = Visitor(proxy)
    at = visitor.where("/login")
    assert {visitor.where("/other") for _ in range(4)} == {"one", "two"}
    assert [visitor.where() for _ in range(6)] == [at] * 6


# --- by hash -------------------------------------------------------------------------------------

@pytest.mark.parametrize("key, request_of", [
    ({"query": "sid"}, lambda sid: (f"/?a=b&sid={sid}", ())),
    ({"header": "X-User"}, lambda sid: ("/", (("x-user", sid),))),
    ({"cookie": "sid"}, lambda sid: ("/", (("Cookie", f"a=b; sid={sid}"),))),
    ("path", lambda sid: (f"/{sid}?x", ())),
], ids=["query", "header", "cookie", "path"])
def test_requests_with_the_same_key_go_to_the_same_target(start_sluice, targets, key, request_of):
    config = sticky(*targets.values(), stickiness={"type": "hash", "key": key})
    one, other = start_sluice(config), start_sluice(config)

    def where(proxy, sid):
        target, fields = request_of(sid)
        with proxy.client() as client:
            answer = client.ask("GET", target, *fields)
        assert answer.value("Set-Cookie") is None
        return answer.body.decode()

    sids = [f"user-{number}" for number in range(32)]
    first = [where(one, sid) for sid in sids]
    assert set(first) == {"one", "two"}
    one.reload(config)
    assert [where(one, sid) for sid in sids] == first
    assert [where(other, sid) for sid in sids] == first, "instances agree without keys"


def test_requests_of_one_address_go_to_one_target(start_sluice, targets):
    config = sticky(*targets.values(), stickiness={"type": "hash", "key": "source_ip"},
                    sections={"forwarding": {"trusted_proxies": ["127.0.0.1"]}})
    proxy = start_sluice(config)

    def where(address):
        with proxy.client() as client:
            return client.ask("GET", "/", ("X-Forwarded-For", address)).body

    addresses = [f"192.0.2.{number}" for number in range(1, 33)]
    first = [where(address) for address in addresses]
    assert set(first) == {b"one", b"two"}
    assert [where(address) for address in addresses] == first


def test_requests_without_the_key_go_anywhere(start_sluice, targets):
    proxy = start_sluice(sticky(*targets.values(),
                                stickiness={"type": "hash", "key": {"query": "sid"}}))
    assert {Visitor(proxy).where() for _ in range(4)} == {"one", "two"}
