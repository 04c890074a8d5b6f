"""The filter basic_auth: who passes with which password, what the target is told, and that verifying
keeps nobody else waiting."""

import base64
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import h2_raw as h2
from support.client import request
from support.configuration import group, listener, rule, site
from support.passwords import SLOW_COST, argon2id, basic, bcrypt, yescrypt
from support.sluice import reason_of, run
from support.target import serve_body
from support.waiting import PATIENCE, wait_until
from support.yaml_text import yaml_text

CHALLENGE = 'Basic realm="sluice", charset="UTF-8"'


def basic_filter(**settings):
    if not settings.keys() & {"users", "users_file"}:
        settings["users"] = {"alice": bcrypt("opensesame")}
    return {"basic_auth": settings}


@pytest.fixture
def start(start_sluice, start_target):
    """A proxy whose only rule asks for a password; returns it and its target."""
    def begin(**settings):
        target = start_target(serve_body(b"let in"))
        config = site(target)
        config["listeners"][0].update(http2=True, filters=basic_filter(**settings))
        return start_sluice(config), target
    return begin


def ask(proxy, *fields, target="/"):
    with proxy.client(patience=VERIFYING_PATIENCE) as client:
        return client.ask("GET", target, *fields)


def curl(proxy, *options):
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", str(PATIENCE), "--write-out",
         "%{http_code}", "--output", "/dev/null", *options,
         f"http://127.0.0.1:{proxy.port()}/"], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize("make", [bcrypt, yescrypt, argon2id])
def test_curl_gets_in_with_a_hash_of_each_kind(start, make):
    proxy, target = start(users={"alice": make("open sesame"), "zoë": make("pässword")})
    for version in ("--http1.1", "--http2-prior-knowledge"):
        assert curl(proxy, version, "--user", "alice:open sesame") == 200
        assert curl(proxy, version, "--user", "zoë:pässword") == 200
        assert curl(proxy, version, "--user", "alice:pässword") == 401
        assert curl(proxy, version, "--user", "bob:open sesame") == 401
        assert curl(proxy, version) == 401
    assert len(target.requests) == 4


def test_what_must_not_pass_does_not_and_says_why(start):
    proxy, target = start()
    name, good = basic("alice", "opensesame")

    def encoded(plain):
        return [(name, "Basic " + base64.b64encode(plain).decode())]

    cases = [
        ([], "basic_auth_missing"),
        ([(name, "Bearer abc")], "basic_auth_missing"),
        ([(name, "Basic")], "basic_auth_malformed"),
        ([(name, good + "=")], "basic_auth_malformed"),
        ([(name, good + " x")], "basic_auth_malformed"),
        ([(name, good), (name, good)], "basic_auth_malformed"),
        ([(name, good), (name, "Bearer abc")], "basic_auth_malformed"),
        (encoded(b"alice"), "basic_auth_malformed"),
        (encoded(b"alice:opensesame\0"), "basic_auth_malformed"),
        (encoded(b"alice:opensesame\n"), "basic_auth_malformed"),
        (encoded(b"alice:" + b"x" * 600), "basic_auth_malformed"),
        ([basic("alice", "wrong")], "basic_auth_refused"),
        ([basic("alice", "")], "basic_auth_refused"),
        ([basic("Alice", "opensesame")], "basic_auth_refused"),
        ([basic("mallory", "opensesame")], "basic_auth_refused"),
        ([basic("", "opensesame")], "basic_auth_refused"),
    ]
    with proxy.client() as client:
        for fields, reason in cases:
            answer = client.ask("GET", "/", *fields)
            assert (answer.status, answer.value("WWW-Authenticate")) == (401, CHALLENGE), reason
        assert client.ask("GET", "/", ("authorization", good.replace("Basic", "bASIC"))).status == 200
    lines = proxy.wait_for_log(len(cases) + 1)
    assert [reason_of(line) for line in lines] == [reason for _, reason in cases] + [None]
    assert [line.get("user") for line in lines] == [None] * len(cases) + ["alice"]
    assert len(target.requests) == 1
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 5, reason="basic_auth_refused")
    written = proxy.access_log_path.read_text() + proxy.error_log()
    assert "opensesame" not in written and good.split()[1] not in written


def test_the_target_is_told_the_user_and_nothing_that_a_client_invents(start):
    proxy, target = start(user_header="X-Forwarded-User", realm='the "inner" \\ net')
    forged = [("X-Forwarded-User", "root"), ("x_forwarded_user", "root"), ("X.Forwarded-User", "root")]
    assert ask(proxy, basic("alice", "opensesame"), *forged).status == 200
    refused = ask(proxy, basic("alice", "wrong"), *forged)
    assert refused.value("WWW-Authenticate") == (
        'Basic realm="the \\"inner\\" \\\\ net", charset="UTF-8"')
    seen = target.only_request()
    assert seen.value("X-Forwarded-User") == "alice"
    assert "root" not in str(seen.fields)
    assert seen.value("Authorization") is None


def test_the_field_authorization_passes_on_only_when_asked_for(start):
    proxy, target = start(forward_authorization=True)
    field = basic("alice", "opensesame")
    assert ask(proxy, field, ("X-Forwarded-User", "root")).status == 200
    seen = target.only_request()
    assert seen.value("Authorization") == field[1]
    assert seen.value("X-Forwarded-User") == "root"  # nobody asked for it


def test_a_rule_may_do_without_and_a_body_leaves_the_connection_in_order(start_sluice, start_target):
    target = start_target(serve_body(b"let in"))
    proxy = start_sluice({
        "listeners": [listener("web", rule("open", 1, {"path": ["/open"]}, action="targets",
                                           filters={"basic_auth": "off"}),
                               filters=basic_filter())],
        "target_groups": [group("targets", target)]})
    with proxy.client() as client:
        client.send(request("POST", "/", body=b"x" * 100) + request("GET", "/open"))
        assert client.response("POST").status == 401
        assert client.response().status == 200
        assert client.ask("GET", "/", basic("alice", "opensesame")).status == 200


def test_what_was_verified_is_kept_right_or_wrong(start):
    proxy, _ = start()
    with proxy.client() as client:
        for _ in range(5):
            assert client.ask("GET", "/", basic("alice", "opensesame")).status == 200
            assert client.ask("GET", "/", basic("alice", "wrong")).status == 401
    proxy.wait_for_log(10)
    assert proxy.metric("sluice_basic_auth_cache_total", result="miss") == 2
    assert proxy.metric("sluice_basic_auth_cache_total", result="hit") == 8


def test_nothing_is_kept_without_entries_or_beyond_its_time(start):
    proxy, _ = start(cache={"entries": 0})
    with proxy.client() as client:
        for _ in range(3):
            assert client.ask("GET", "/", basic("alice", "opensesame")).status == 200
    proxy.wait_for_log(3)
    assert proxy.metric("sluice_basic_auth_cache_total", result="miss") == 3
    proxy, _ = start(cache={"ttl": "1s"})
    with proxy.client() as client:
        def is_forgotten():
            assert client.ask("GET", "/", basic("alice", "opensesame")).status == 200
            return proxy.metric("sluice_basic_auth_cache_total", result="miss") >= 2
        wait_until(is_forgotten, "it is verified again")


def test_users_of_a_file_change_with_a_reload_also_those_that_were_kept(start, tmp_path):
    file = tmp_path / "users"

    def write(*users):
        file.write_text("# staff\n" + "".join(f"{name}:{hashed}\n" for name, hashed in users))

    write(("alice", bcrypt("first")), ("bob", yescrypt("bob's")))
    proxy, _ = start(users_file=str(file))
    for _ in range(2):
        assert ask(proxy, basic("alice", "first")).status == 200
        assert ask(proxy, basic("alice", "second")).status == 401
        assert ask(proxy, basic("bob", "bob's")).status == 200
        assert ask(proxy, basic("carol", "carol's")).status == 401
    write(("alice", bcrypt("second")), ("carol", argon2id("carol's")))
    assert ask(proxy, basic("alice", "first")).status == 200  # not before the reload
    proxy.reload()
    for _ in range(2):
        assert ask(proxy, basic("alice", "first")).status == 401
        assert ask(proxy, basic("alice", "second")).status == 200
        assert ask(proxy, basic("bob", "bob's")).status == 401
        assert ask(proxy, basic("carol", "carol's")).status == 200

    file.write_text(f"alice:{bcrypt('second')}\nbob:plain\n")
    proxy.reload(result="failure")
    assert ask(proxy, basic("carol", "carol's")).status == 200
    log = proxy.error_log()
    assert f"{file}:2:1: " in log and "the password of 'bob' must be a hash by" in log
    assert "plain\n" not in log


def test_a_reload_keeps_what_was_verified(start):
    proxy, _ = start()
    assert ask(proxy, basic("alice", "opensesame")).status == 200
    proxy.reload()
    assert ask(proxy, basic("alice", "opensesame")).status == 200
    proxy.wait_for_metric_value("sluice_basic_auth_cache_total", 1, result="hit")


def test_check_refuses_hashes_that_are_weak_or_cost_too_much(tmp_path, start_target):
    config = site(start_target(serve_body()))
    config["listeners"][0]["bind"] = "127.0.0.1:0"
    weak = {"md5": "$apr1$7x53qe67$lCs0I2Kp1RpkN33Aat9Kc1", "sha": "{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI=",
            "plain": "secret", "slow": bcrypt("x").replace("$04$", "$20$")}
    config["listeners"][0]["filters"] = basic_filter(users=weak)
    path = tmp_path / "sluice.yaml"
    path.write_text(yaml_text(config))
    done = run("check", "--config", path)
    assert done.returncode == 1
    for name in ("md5", "sha", "plain"):
        assert f"the password of '{name}' must be a hash by bcrypt" in done.stderr
    assert done.stderr.count("`mkpasswd -m yescrypt`") == 3
    assert "the password of 'slow' has a bcrypt cost beyond 4 to 14" in done.stderr
    assert "secret" not in done.stderr


# --- while others are verified -------------------------------------------------------------------

SLOW_USERS = {"slow": bcrypt("opensesame", SLOW_COST)}


# Seconds: the proxy's own and more, for a busy machine verifies slowly.
VERIFYING_PATIENCE = 4 * PATIENCE


def wait_until_asked(proxy, count):
    """So many passwords were not in the cache: they wait, or were verified already."""
    proxy.wait_for_metric("sluice_basic_auth_cache_total", count, result="miss")


def slow_site(target, **settings):
    """/open needs no password; a verification for any other path takes long."""
    return {"listeners": [listener("web", rule("open", 1, {"path": ["/open"]}, action="targets",
                                               filters={"basic_auth": "off"}),
                                   http2=True, filters=basic_filter(users=SLOW_USERS, **settings))],
            "target_groups": [group("targets", target)]}


def test_a_flood_of_wrong_passwords_keeps_no_other_client_waiting(start_sluice, start_target):
    target = start_target(serve_body(b"let in"))
    proxy = start_sluice(slow_site(target))  # with one worker
    floods = [proxy.client(patience=VERIFYING_PATIENCE) for _ in range(8)]
    try:
        for number, client in enumerate(floods):
            client.send(request("GET", "/", basic("slow", f"wrong {number}")))
        wait_until_asked(proxy, len(floods))
        with proxy.client() as client:
            for _ in range(8):
                assert client.ask("GET", "/open").status == 200
        # 503 where the machine is so busy that one waits for half a minute.
        assert {client.response().status for client in floods} <= {401, 503}
    finally:
        for client in floods:
            client.close()
    lines = proxy.wait_for_log(16)
    # Who came last, and asked eight times, was through before the last of them was refused.
    assert [line["target"] for line in lines[-2:]] == ["/", "/"]
    proxy.wait_for_metric_value("sluice_basic_auth_waiting", 0)


def test_beyond_the_queue_the_answer_is_503(start_sluice, start_target):
    target = start_target(serve_body(b"let in"))
    proxy = start_sluice(slow_site(target, queue=1))
    clients = [proxy.client(patience=VERIFYING_PATIENCE) for _ in range(6)]
    try:
        for number, client in enumerate(clients):
            client.send(request("GET", "/", basic("slow", f"wrong {number}")))
        answers = [client.response() for client in clients]
    finally:
        for client in clients:
            client.close()
    by_status = {answer.status: answer for answer in answers}
    assert set(by_status) == {401, 503}
    assert by_status[503].value("Retry-After") == "1"
    assert by_status[503].value("WWW-Authenticate") is None
    reasons = {line["status"]: reason_of(line) for line in proxy.wait_for_log(6)}
    assert reasons == {401: "basic_auth_refused", 503: "basic_auth_unavailable"}


def test_requests_of_one_browser_share_a_verification(start_sluice, start_target):
    target = start_target(serve_body(b"let in"))
    proxy = start_sluice({**slow_site(target, queue=1), "workers": 2})

    def get(_):
        with proxy.client(patience=VERIFYING_PATIENCE) as client:
            return client.ask("GET", "/", basic("slow", "opensesame")).status

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(get, range(12))) == {200}


def test_more_requests_than_may_wait_are_refused(start_sluice, start_target):
    target = start_target(serve_body(b"let in"))
    proxy = start_sluice(slow_site(target, waiting=2))
    with h2.Connection.open(proxy.port()) as connection:
        field = ("authorization", basic("slow", "opensesame")[1])
        streams = [1, 3, 5, 7]
        connection.send(b"".join(h2.headers(number, h2.request(field)) for number in streams))
        connection.read_until(lambda: all(connection.stream(one).ended for one in streams))
        assert sorted(connection.stream(one).status for one in streams) == [200, 200, 503, 503]


def test_a_client_that_leaves_ends_its_wait_at_once(start_sluice, start_target):
    """Its place is free long before the passwords before its own are verified."""
    proxy = start_sluice(slow_site(start_target(serve_body(b"let in"))))
    others = [proxy.client(patience=VERIFYING_PATIENCE) for _ in range(4)]
    try:
        for number, client in enumerate(others):
            client.send(request("GET", "/", basic("slow", f"wrong {number}")))
        wait_until_asked(proxy, len(others))
        with proxy.client() as leaving:
            leaving.send(request("GET", "/", basic("slow", "opensesame")))
            wait_until_asked(proxy, len(others) + 1)
            leaving.reset()
        lines = proxy.wait_for_log(len(others) + 1)
    finally:
        for client in others:
            client.close()
    reasons = [reason_of(line) for line in lines]
    assert reasons.count("client_closed") == 1
    assert reasons[-1] == "basic_auth_refused"


def test_a_client_that_leaves_while_it_waits_harms_nobody(start_sluice, start_target):
    target = start_target(serve_body(b"let in"))
    proxy = start_sluice(slow_site(target))
    with proxy.client() as client:
        client.send(request("GET", "/", basic("slow", "opensesame")))
        wait_until_asked(proxy, 1)
        client.reset()
    assert reason_of(proxy.only_log_line()) == "client_closed"
    with h2.Connection.open(proxy.port()) as connection:
        field = ("authorization", basic("slow", "wrong")[1])
        connection.send(h2.headers(1, h2.request(field)))
        wait_until_asked(proxy, 2)
        connection.send(h2.rst_stream(1))
        connection.send(h2.headers(3, h2.request(path="/open")))
        stream = connection.stream(3)
        connection.read_until(lambda: stream.ended)
        assert stream.status == 200
    proxy.wait_for_metric_value("sluice_basic_auth_waiting", 0)
    assert target.only_request().target == "/open"
    assert ask(proxy, basic("slow", "opensesame")).status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_while_passwords_are_being_verified(start_sluice, start_target, number):
    target = start_target(serve_body(b"let in"))
    proxy = start_sluice({**slow_site(target), "shutdown": {"deadline": "200ms"}})
    clients = [proxy.client() for _ in range(20)]
    try:
        for each, client in enumerate(clients):
            client.send(request("GET", "/", basic("slow", f"wrong {each}")))
        wait_until_asked(proxy, len(clients))
        assert proxy.stop(number) == 0
    finally:
        for client in clients:
            client.close()
    reasons = [reason_of(line) for line in proxy.access_log()]
    assert "shutdown_deadline" in reasons
    assert set(reasons) <= {"shutdown_deadline", "basic_auth_refused"}


def test_a_reload_without_the_filter_answers_those_that_wait(start_sluice, start_target):
    target = start_target(serve_body(b"let in"))
    config = slow_site(target)
    proxy = start_sluice(config)
    with (proxy.client(patience=VERIFYING_PATIENCE) as waits,
          proxy.client(patience=VERIFYING_PATIENCE) as refused):
        waits.send(request("GET", "/", basic("slow", "opensesame")))
        refused.send(request("GET", "/", basic("slow", "wrong")))
        wait_until_asked(proxy, 2)
        del config["listeners"][0]["filters"]
        proxy.reload(config)
        assert waits.response().status == 200
        assert refused.response().status == 401
    assert ask(proxy).status == 200


# --- HTTP/2 and gRPC -----------------------------------------------------------------------------

def test_over_http2_and_to_grpc_it_refuses_in_their_way(start):
    proxy, target = start()
    good = ("authorization", basic("alice", "opensesame")[1])
    grpc = ("content-type", "application/grpc")
    with h2.Connection.open(proxy.port()) as connection:
        connection.send(h2.headers(1, h2.request()) + h2.headers(3, h2.request(good))
                        + h2.headers(5, h2.request(grpc, method="POST", path="/a.b/c")))
        for number in (1, 3, 5):
            stream = connection.stream(number)
            connection.read_until(lambda: stream.ended)
        plain, passed, called = (dict(connection.stream(each).heads[-1]) for each in (1, 3, 5))
    assert (plain[":status"], plain["www-authenticate"]) == ("401", CHALLENGE)
    assert passed[":status"] == "200"
    assert (called[":status"], called["grpc-status"], called["grpc-message"]) == (
        "200", "16", "basic_auth_missing")
    assert target.only_request().value("Authorization") is None


def test_the_combined_log_has_the_user_in_its_place(start_sluice, start_target, tmp_path):
    target = start_target(serve_body(b"let in"))
    log = tmp_path / "combined.log"
    config = site(target, access_log={"path": str(log), "format": "combined"})
    config["listeners"][0]["filters"] = basic_filter(
        users={'a "b" ] c': bcrypt("x"), "alice": bcrypt("x")})
    proxy = start_sluice(config)
    for user in ("alice", 'a "b" ] c', "nobody"):
        ask(proxy, basic(user, "x"))
    wait_until(lambda: log.exists() and log.read_text().count("\n") == 3, "three lines")
    first, second, third = log.read_text().splitlines()
    assert first.startswith("127.0.0.1 - alice [")
    assert second.startswith('127.0.0.1 - a\\x20\\x22b\\x22\\x20]\\x20c [')
    assert third.startswith("127.0.0.1 - - [")
