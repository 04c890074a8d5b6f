"""The filter rate_limit: who is told 429, what he is told with it, and that two workers count together."""

import re
import subprocess
import threading
import time

import pytest

from support.client import request
from support.configuration import group, listener, rule
from support.sluice import reason_of
from support.target import serve_body
from support.tokens import AUDIENCE, ISSUER, Key, bearer, key_set
from support.waiting import PATIENCE

# One in an hour: nothing comes back while a test runs.
ONCE = {"rate": "1/h"}
OK = {"fixed_response": {"status": 200, "body": "ok"}}


def site(limit, *rules, **sections):
    return {"listeners": [listener("web", *rules, default=OK, filters={"rate_limit": limit})],
            "target_groups": [], **sections}


def ask(proxy, *fields, uri="/", source=None):
    with proxy.client(source=source) as client:
        client.send(request("GET", uri, *fields))
        return client.response()


def statuses(proxy, *questions):
    return [ask(proxy, *fields).status for fields in questions]


def test_who_asks_too_often_is_told_when_to_come_back(start_sluice):
    proxy = start_sluice(site({"rate": "2/h", "burst": 2}))
    with proxy.client() as client:
        for status in (200, 200, 429, 429):
            client.send(request())
            answer = client.response()
            assert answer.status == status
            assert not answer.says_close(), "a refusal costs no connection"
        assert 1780 < int(answer.value("Retry-After")) <= 1800
        assert answer.value("RateLimit-Policy") == '"source_ip";q=2;w=3600'
        assert answer.value("RateLimit") == f'"source_ip";r=0;t={answer.value("Retry-After")}'
    lines = proxy.final_log()
    assert [reason_of(line) for line in lines] == [None, None, "rate_limited", "rate_limited"]
    assert {line["rule"] for line in lines} == {"default"}


def test_results_are_counted_by_rule_and_limit(start_sluice):
    proxy = start_sluice(site({"rate": "1/h", "name": "hourly"}))
    assert statuses(proxy, (), (), ()) == [200, 429, 429]
    proxy.wait_for_lines(3)
    labels = {"listener": "web", "rule": "default", "limit": "hourly"}
    assert proxy.metric("sluice_rate_limit_requests_total", result="admitted", **labels) == 1
    assert proxy.metric("sluice_rate_limit_requests_total", result="refused", **labels) == 2
    assert proxy.metric("sluice_exchange_ends_total", reason="rate_limited") == 2


def test_addresses_do_not_share_a_bucket(start_sluice):
    proxy = start_sluice(site(ONCE))
    for source in ("127.0.0.1", "127.0.0.2"):
        assert [ask(proxy, source=source).status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("prefix, third", [(64, 200), (48, 429)])
def test_ipv6_clients_are_told_apart_by_their_network(start_sluice, prefix, third):
    config = site({**ONCE, "ipv6_prefix": prefix}, forwarding={"trusted_proxies": ["127.0.0.1"]})
    proxy = start_sluice(config)
    seen = statuses(proxy, *((("X-Forwarded-For", address),) for address in (
        "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1", "2001:db9:0:1::1")))
    assert seen == [200, 429, third, 200]


def test_a_strangers_x_forwarded_for_makes_him_nobody_else(start_sluice):
    proxy = start_sluice(site(ONCE))
    assert statuses(proxy, (("X-Forwarded-For", "192.0.2.1"),),
                    (("X-Forwarded-For", "192.0.2.2"),)) == [200, 429]


def test_a_header_tells_requests_apart_and_those_without_it_are_not_counted(start_sluice):
    proxy = start_sluice(site({**ONCE, "key": {"header": "X-Api-Key"}}))
    long = "k" * 15_000
    assert statuses(proxy, (("x-api-key", "a"),), (("X-API-KEY", "a"),), (("X-Api-Key", "b"),),
                    (("X-Api-Key", long),), (("X-Api-Key", long),), (("X-Api-Key", long + "l"),),
                    (), (), (("X-Api-Key", ""),), (("X-Api-Key", ""),)) == [
        200, 429, 200, 200, 429, 200, 200, 200, 200, 200]


def test_a_cookie_tells_requests_apart(start_sluice):
    proxy = start_sluice(site({**ONCE, "key": {"cookie": "id"}}))
    assert statuses(proxy, (("Cookie", "x=1; id=a"),), (("Cookie", "id=a; x=2"),),
                    (("Cookie", "id=b"),), (("Cookie", "ID=a"),)) == [200, 429, 200, 200]


def test_a_rule_has_one_bucket_for_all_and_its_own(start_sluice):
    limit = {"key": "rule", **ONCE}
    config = site("off", rule("a", 1, {"path_prefix": ["/a"]}, action=OK,
                              filters={"rate_limit": limit}),
                  rule("b", 2, {"path_prefix": ["/b"]}, action=OK, filters={"rate_limit": limit}))
    proxy = start_sluice(config)
    seen = [ask(proxy, uri=uri, source=source).status for uri, source in (
        ("/a", "127.0.0.1"), ("/a", "127.0.0.2"), ("/b", "127.0.0.1"), ("/c", None), ("/c", None))]
    assert seen == [200, 429, 200, 200, 200]


@pytest.fixture
def token_filter(tmp_path):
    """The filter jwt, and a key whose tokens pass it."""
    key = Key()
    (tmp_path / "keys.json").write_text(key_set(key))
    return {"jwt": {"jwks": {"file": str(tmp_path / "keys.json")}, "issuer": ISSUER,
                    "audience": AUDIENCE}}, key


def test_a_limit_by_claim_counts_who_has_a_verified_token_and_nobody_else(start_sluice, token_filter):
    jwt, key = token_filter
    proxy = start_sluice(site({**ONCE, "key": {"claim": "sub"}},
                              rule("own", 1, {"path": "/own"}, action=OK, filters=jwt)))
    assert statuses(proxy, (), ()) == [200, 200]
    assert [ask(proxy, bearer(key.token(sub=sub)), uri="/own").status
            for sub in ("alice", "alice", "bob")] == [200, 429, 200]


def test_a_refusal_by_claim_costs_nothing_elsewhere(start_sluice, token_filter):
    jwt, key = token_filter
    config = site([{"name": "all", "key": "rule", "rate": "2/h", "fields": True},
                   {"name": "user", "key": {"claim": "sub"}, **ONCE}])
    config["listeners"][0]["filters"].update(jwt)
    proxy = start_sluice(config)
    answers = [ask(proxy, bearer(key.token(sub=sub))) for sub in ("a", "a", "a", "b", "c")]
    assert [answer.status for answer in answers] == [200, 429, 429, 200, 429]
    # Each refusal tells of the limit that refused, alone.
    for answer, name in ((answers[1], "user"), (answers[4], "all")):
        policies = [value for field, value in answer.fields if field.lower() == "ratelimit-policy"]
        assert policies == [f'"{name}";q={2 if name == "all" else 1};w=3600']


def test_all_limits_must_admit_and_a_refusal_costs_nothing_elsewhere(start_sluice):
    proxy = start_sluice(site([{"name": "all", "key": "rule", "rate": "2/h"},
                               {"name": "key", "key": {"header": "X-Api-Key"}, **ONCE}]))
    answers = [ask(proxy, ("X-Api-Key", key)) for key in "aaaab"]
    assert [answer.status for answer in answers] == [200, 429, 429, 429, 200]
    assert answers[1].value("RateLimit-Policy") == '"key";q=1;w=3600'
    last = ask(proxy, ("X-Api-Key", "c"))
    assert (last.status, last.value("RateLimit-Policy")) == (429, '"all";q=2;w=3600')
    proxy.wait_for_lines(6)
    admitted = {limit: proxy.metric("sluice_rate_limit_requests_total", limit=limit,
                                    result="admitted") for limit in ("all", "key")}
    assert admitted == {"all": 2, "key": 2}


def test_fields_tell_on_every_answer_what_is_left(start_sluice, start_target):
    target = start_target(serve_body())
    config = site([{"rate": "3/h", "fields": True}, {"key": "rule", "rate": "50/h", "fields": True},
                   {"key": "rule", "rate": "60/h"}])
    config["target_groups"] = [group("targets", target)]
    config["listeners"][0]["default_action"] = {"forward": "targets"}
    proxy = start_sluice(config)
    for left in (2, 1, 0):
        answer = ask(proxy)
        assert answer.status == 200
        assert answer.value("RateLimit-Policy") == '"source_ip";q=3;w=3600, "rule";q=50;w=3600'
        assert re.fullmatch(rf'"source_ip";r={left};t=\d+, "rule";r={47 + left};t=\d+',
                            answer.value("RateLimit"))
        assert answer.value("Retry-After") is None


def test_the_least_recently_seen_key_is_forgotten_beyond_max_keys(start_sluice):
    proxy = start_sluice(site({**ONCE, "max_keys": 2, "key": {"header": "X-Api-Key"}}))
    assert [ask(proxy, ("X-Api-Key", key)).status for key in "abacab"] == [
        200, 200, 429, 200, 429, 200]
    proxy.wait_for_lines(6)
    assert proxy.metric("sluice_rate_limit_evictions_total", limit="header") == 2


def test_both_versions_of_http_take_from_the_same_bucket(start_sluice):
    config = site({"rate": "2/h"})
    config["listeners"][0]["http2"] = True
    proxy = start_sluice(config)
    assert statuses(proxy, ()) == [200]

    def over_http2():
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--max-time", str(PATIENCE),
             "--http2-prior-knowledge", "--dump-header", "-", "--output", "/dev/null",
             f"http://127.0.0.1:{proxy.port()}/"], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    assert over_http2()[0].split()[:2] == ["HTTP/2", "200"]
    refused = over_http2()
    assert refused[0].split()[:2] == ["HTTP/2", "429"]
    assert 'ratelimit-policy: "source_ip";q=2;w=3600' in refused
    assert statuses(proxy, ()) == [429]


def test_buckets_live_on_over_a_reload_unless_the_limit_changes(start_sluice):
    config = site(ONCE)
    proxy = start_sluice(config)
    assert statuses(proxy, (), ()) == [200, 429]
    config["listeners"][0]["default_action"] = {"fixed_response": {"status": 201}}
    proxy.reload(config)
    assert statuses(proxy, ()) == [429]
    config["listeners"][0]["filters"]["rate_limit"] = {**ONCE, "burst": 2}
    proxy.reload(config)
    assert statuses(proxy, (), (), ()) == [201, 201, 429]


def test_two_workers_admit_the_burst_and_the_rate_together(start_sluice):
    """The bounds come from times that enclose the limiter's own, not from how fast anything is. Only
    a bucket that was full in between could lose something; the answers say that none was."""
    rate, burst, window = 100, 400, 3.0
    proxy = start_sluice(site({"key": "rule", "rate": f"{rate}/s", "burst": burst, "fields": True},
                              workers=2))
    lock = threading.Lock()
    admitted, refused, left = [], [], []  # (sent, answered); and requests left, behind a refusal
    stop = threading.Event()

    def load():
        clients = [proxy.client() for _ in range(4)]
        while not stop.is_set():
            for client in clients:
                sent = time.monotonic()
                client.send(request())
                answer = client.response()
                with lock:
                    (admitted if answer.status == 200 else refused).append((sent, time.monotonic()))
                    if refused and answer.status == 200:
                        left.append(int(answer.value("RateLimit").split(";r=")[1].split(";")[0]))
        for client in clients:
            client.close()

    threads = [threading.Thread(target=load) for _ in range(4)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    while time.monotonic() - began < 3 * PATIENCE:
        time.sleep(0.05)
        with lock:
            if refused and refused[-1][0] - admitted[0][1] >= window:
                break
    stop.set()
    for thread in threads:
        thread.join()

    first_sent, first_answered = min(admitted)[0], min(each[1] for each in admitted)
    last_refused = max(each[0] for each in refused)
    last_answered = max(each[1] for each in admitted + refused)
    assert last_refused - first_answered >= window
    assert max(left) < burst - 1, "nobody asked for so long that the bucket was full"
    most = burst + rate * (last_answered - first_sent)
    least = burst + rate * (last_refused - first_answered) - 1
    assert least <= len(admitted) <= most
    elapsed = (last_refused + last_answered - first_sent - first_answered) / 2
    assert abs(len(admitted) - burst - rate * elapsed) <= 0.02 * (burst + rate * elapsed)
    proxy.wait_for_lines(len(admitted) + len(refused))
    assert proxy.metric("sluice_rate_limit_requests_total", result="admitted") == len(admitted)
