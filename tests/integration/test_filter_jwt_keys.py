"""Keys that are fetched: at the start, again, early, and from servers that are down, slow or hostile."""

import threading
import time

import pytest

from support.certificates import Authority, server_context
from support.client import request
from support.configuration import listener, site
from support.ports import free_port
from support.sluice import reason_of
from support.target import answer_and_close, response, serve, serve_body
from support.tokens import AUDIENCE, ISSUER, Key, KeyServer, bearer, key_set
from support.waiting import PATIENCE, wait_until


@pytest.fixture(scope="module")
def key():
    return Key()


@pytest.fixture(scope="module")
def idp(authority):
    return authority.issue("localhost", "127.0.0.1", file_name="idp")


@pytest.fixture
def serve_keys(start_target, idp):
    return lambda text, **options: KeyServer(start_target, idp, text, **options)


def config_of(target, port, authority, jwks=None, **more):
    config = site(target, log={"level": "debug"})
    config["listeners"][0]["filters"] = {"jwt": {
        "jwks": {"url": f"https://localhost:{port}/keys", "ca": str(authority.cert),
                 "refresh": "1h", "keep": "2h", "timeout": "2s", "refetch": "1s", **(jwks or {})},
        "issuer": ISSUER, "audience": AUDIENCE, **more}}
    return config


@pytest.fixture
def start(start_sluice, start_target, authority):
    def begin(port, jwks=None, **more):
        target = start_target(serve_body(b"let in"))
        return start_sluice(config_of(target, port, authority, jwks, **more))
    return begin


def status(proxy, token):
    with proxy.client() as client:
        return client.ask("GET", "/", bearer(token)).status


def wait_for_status(proxy, token, wanted):
    wait_until(lambda: status(proxy, token) == wanted,
               lambda: f"the answer is {wanted}:\n{proxy.error_log()}", pause=0.1)


def test_keys_are_fetched_at_the_start_and_the_first_request_waits_for_them(start, serve_keys, key):
    server = serve_keys(key_set(key))
    proxy = start(server.port)
    assert status(proxy, key.token()) == 200
    seen = server.target.only_request()
    assert seen.value("Host") == f"localhost:{server.port}" and seen.target == "/keys"
    proxy.wait_for_metric_value("sluice_jwks_fetches_total", 1, result="success")
    proxy.wait_for_metric_value("sluice_jwks_keys", 1)
    age = time.time() - proxy.metric("sluice_jwks_last_success_timestamp_seconds")
    assert -2 < age < 60


def test_no_more_requests_wait_for_keys_than_may(start, start_target, idp, key):
    go_on = threading.Event()

    def late(connection):
        connection.read_request()
        connection.wait(go_on)
        connection.send(response(key_set(key).encode()))

    server = start_target(late, tls=server_context(idp))
    proxy = start(server.port, {"timeout": "60s"}, waiting=2)
    server.wait_for_requests(1)
    clients = [proxy.client() for _ in range(3)]
    try:
        for client in clients:
            client.send(request("GET", "/", bearer(key.token())))
        assert reason_of(proxy.wait_for_log(1)[0]) == "jwt_keys_unavailable"
        go_on.set()
        assert sorted(client.response().status for client in clients) == [200, 200, 503]
    finally:
        go_on.set()
        for client in clients:
            client.close()


def test_while_there_are_no_keys_nobody_passes(start, serve_keys, key):
    port = free_port()
    proxy = start(port)
    with proxy.client() as client:
        answer = client.ask("GET", "/", bearer(key.token()))
        assert (answer.status, answer.value("Retry-After")) == (503, "1")
        assert client.ask("GET", "/").status == 401  # no token: no need to know any key
    assert [reason_of(line) for line in proxy.wait_for_log(2)] == ["jwt_keys_unavailable",
                                                                   "jwt_missing"]
    proxy.wait_for_error_log("there are no keys yet")
    serve_keys(key_set(key), port=port)
    wait_for_status(proxy, key.token(), 200)


def test_the_last_good_keys_stay_while_the_server_is_ill(start, serve_keys, key):
    server = serve_keys(key_set(key))
    proxy = start(server.port, {"refresh": "1s"})
    assert status(proxy, key.token()) == 200
    server.text = 500
    proxy.wait_for_metric("sluice_jwks_fetches_total", 2, result="failure")
    assert status(proxy, key.token()) == 200
    proxy.wait_for_error_log("answered 500; the keys fetched before stay in use")
    server.text = key_set(key)
    proxy.wait_for_error_log("answers again")
    assert status(proxy, key.token()) == 200


def test_keys_older_than_keep_are_not_used(start, serve_keys, key):
    server = serve_keys(key_set(key))
    proxy = start(server.port, {"refresh": "1s", "keep": "2s"})
    assert status(proxy, key.token()) == 200
    server.text = 503
    wait_for_status(proxy, key.token(), 503)
    proxy.wait_for_error_log("older than keep")
    server.text = key_set(key)
    wait_for_status(proxy, key.token(), 200)


# A rotation as impatient as can be: the new key signs at once.
def test_keys_rotate_without_a_failed_request(start, serve_keys, key):
    server = serve_keys(key_set(key))
    proxy = start(server.port)
    assert status(proxy, key.token()) == 200
    current = [key]
    statuses, stop = [], threading.Event()

    def ask():
        with proxy.client() as client:
            while not stop.is_set():
                statuses.append(client.ask("GET", "/", bearer(current[0].token())).status)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for number in range(2):
            fetched = server.fetches
            time.sleep(1.2)  # refetch: an earlier fetch would not be allowed
            new = Key(kid=f"new-{number}")
            server.text = key_set(current[0], new)
            current[0] = new
            wait_until(lambda: server.fetches > fetched, "the new key is fetched")
            seen = len(statuses)
            wait_until(lambda: len(statuses) > seen + 5, "requests go on")
    finally:
        stop.set()
        asking.join(PATIENCE)
    assert set(statuses) == {200}
    # A key that was taken away is not used any more, though its tokens had been verified.
    time.sleep(1.2)
    server.text = key_set(Key(kid="last"))
    assert status(proxy, Key(kid="unknown").token()) == 401
    assert status(proxy, current[0].token()) == 401


def test_unknown_keys_cause_few_fetches(start, serve_keys, key):
    server = serve_keys(key_set(key))
    proxy = start(server.port, {"refetch": "1h"})
    assert status(proxy, key.token()) == 200
    with proxy.client() as client:
        for number in range(50):
            assert client.ask("GET", "/", bearer(Key(kid=f"k{number}").token())).status == 401
        assert client.ask("GET", "/", bearer(key.token())).status == 200
    assert server.fetches == 1
    lines = proxy.wait_for_lines(52)
    assert {reason_of(line) for line in lines} == {None, "jwt_key_unknown"}


def hostile_scripts(key):
    good = key_set(key).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

    def drip(connection):
        connection.read_request()
        connection.send(head + b"Content-Length: %d\r\n\r\n" % len(good))
        for byte in good:
            connection.send(bytes([byte]))
            time.sleep(0.1)

    def endless(connection):
        connection.read_request()
        connection.send(head + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.send(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    def silent(connection):
        connection.read_request()
        connection.wait_for_close()

    def many_keys(_):
        return response(key_set(*[key.jwk(kid=f"k{number}") for number in range(65)]).encode())

    def redirect(request):
        return response(b"", ("Location", request.target), status=302, phrase="Found")

    return {
        "drip": (drip, "was not complete in time"),
        "silent": (silent, "was not complete in time"),
        "endless": (endless, "is larger than 262144 bytes"),
        "huge": (serve(lambda _: response(b" " * 300_000)), "is larger than 262144 bytes"),
        "redirect": (serve(redirect), "redirects are not followed"),
        "metadata": (serve(lambda _: response(
            b"", ("Location", "http://169.254.169.254/latest/meta-data/"), status=307,
            phrase="Temporary Redirect")), "redirects are not followed"),
        "html": (serve(lambda _: response(b"<html>sign in</html>", ("Content-Type", "text/html"))),
                 "no JSON Web Key Set"),
        "symmetric": (serve(lambda _: response(
            b'{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"first"}]}')), "a symmetric key"),
        "many": (serve(many_keys), "more than 64 keys"),
        "deep": (serve(lambda _: response(b'{"keys":' + b"[" * 5000 + b"]" * 5000 + b"}")),
                 "no JSON Web Key Set"),
        "no HTTP": (answer_and_close(b"\x00" * 100), "not an answer of HTTP/1.1"),
        "broken off": (answer_and_close(head + b"Content-Length: 5000\r\n\r\n" + good),
                       "broke off"),
        "compressed": (serve(lambda _: response(good, ("Content-Encoding", "gzip"))),
                       "is compressed"),
        "informational": (answer_and_close(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50),
                          "too many 1xx"),
        "large head": (answer_and_close(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 50_000),
                       "its head is too large"),
    }


@pytest.mark.parametrize("kind", ["drip", "silent", "endless", "huge", "redirect", "metadata",
                                  "html", "symmetric", "many", "deep", "no HTTP", "broken off",
                                  "compressed", "informational", "large head"])
def test_a_hostile_server_gives_no_keys_and_costs_little(start, start_target, idp, key, kind):
    script, said = hostile_scripts(key)[kind]
    server = start_target(script, tls=server_context(idp))
    proxy = start(server.port, {"timeout": "1s"})
    proxy.wait_for_error_log(said)
    assert status(proxy, key.token()) == 503
    proxy.wait_for_metric("sluice_jwks_fetches_total", 1, result="failure")
    assert proxy.metric("sluice_jwks_fetches_total", result="success") == 0


def test_a_server_that_the_ca_does_not_vouch_for_is_not_believed(start, start_target, tmp_path, key):
    stranger = Authority(tmp_path / "stranger", "stranger").issue("localhost")
    server = KeyServer(start_target, stranger, key_set(key))
    proxy = start(server.port)
    proxy.wait_for_error_log("TLS")
    assert status(proxy, key.token()) == 503
    assert server.fetches == 0


def test_a_certificate_of_another_name_is_not_believed(start, start_target, authority, key):
    server = KeyServer(start_target, authority.issue("other.test"), key_set(key))
    proxy = start(server.port)
    proxy.wait_for_error_log("TLS")
    assert status(proxy, key.token()) == 503


def test_a_reload_with_equal_settings_keeps_the_keys(start_sluice, start_target, serve_keys,
                                                     authority, key):
    server = serve_keys(key_set(key))
    target = start_target(serve_body(b"let in"))
    proxy = start_sluice(config_of(target, server.port, authority))
    assert status(proxy, key.token()) == 200
    server.text = 500
    proxy.reload()
    assert status(proxy, key.token()) == 200
    # The same place in another rhythm: what is known of it is used until the next answer.
    changed = config_of(target, server.port, authority, {"refresh": "2h", "keep": "3h"},
                        audience=[AUDIENCE, "more"])
    proxy.reload(changed)
    assert status(proxy, key.token()) == 200
    # Without the filter nobody asks any more, and the series go.
    proxy.reload(site(target))
    with proxy.client() as client:
        assert client.ask("GET", "/").status == 200
    wait_until(lambda: "sluice_jwks_keys" not in proxy.metrics().text, "the series are gone")


def test_rules_with_equal_jwks_share_one_fetch(start_sluice, start_target, serve_keys, authority,
                                               key):
    server = serve_keys(key_set(key))
    target = start_target(serve_body(b"let in"))
    config = config_of(target, server.port, authority)
    config["listeners"].append(listener("other", filters=config["listeners"][0]["filters"]))
    proxy = start_sluice(config)
    for name in ("web", "other"):
        with proxy.client(name) as client:
            assert client.ask("GET", "/", bearer(key.token())).status == 200
    assert server.fetches == 1


def test_stopping_does_not_wait_for_a_fetch(start, start_target, idp):
    def silent(connection):
        connection.read_request()
        connection.wait_for_close()

    server = start_target(silent, tls=server_context(idp))
    proxy = start(server.port, {"timeout": "60s"})
    server.wait_for_requests(1)
    assert proxy.stop() == 0
