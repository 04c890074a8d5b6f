"""The filter jwt: who passes with which token, what the target is told, and what is said of the rest."""

import base64
import hashlib
import hmac
import json
import time

import pytest

from support.client import request
from support.configuration import group, listener, rule, site
from support.http1 import chunked
from support.sluice import reason_of
from support.target import serve_body
from support.tokens import AUDIENCE, ISSUER, Key, bearer, key_set


@pytest.fixture(scope="module")
def key():
    return Key()


@pytest.fixture
def keys_file(tmp_path):
    def write(*keys):
        path = tmp_path / "keys.json"
        path.write_text(key_set(*keys))
        return str(path)
    return write


def jwt_filter(file, **more):
    return {"jwt": {"jwks": {"file": file}, "issuer": ISSUER, "audience": AUDIENCE, **more}}


@pytest.fixture
def start(start_sluice, start_target, keys_file, key):
    """A proxy whose only rule asks for a token of `key`; returns it and its target."""
    def begin(*keys, log="debug", **settings):
        target = start_target(serve_body(b"let in"))
        config = site(target, log={"level": log})
        config["listeners"][0]["filters"] = jwt_filter(keys_file(*(keys or (key,))), **settings)
        return start_sluice(config), target
    return begin


def _b64(data):
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
                                       "ES384", "ES512", "EdDSA"])
def test_tokens_of_another_implementation_pass(start, algorithm):
    key = Key(algorithm)
    proxy, target = start(key)
    with proxy.client() as client:
        assert client.ask("GET", "/", bearer(key.token())).body == b"let in"
        other = Key(algorithm)
        assert client.ask("GET", "/", bearer(other.token())).status == 401
    assert len(target.requests) == 1
    assert [reason_of(line) for line in proxy.wait_for_log(2)] == [None, "jwt_signature_invalid"]


def _hs256(header, claims, secret):
    text = f"{_b64(header)}.{_b64(claims)}"
    return f"{text}.{_b64(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def test_what_must_not_pass_does_not_and_says_why(start, key):
    proxy, target = start()
    now = int(time.time())
    good = key.token()
    head, body, signature = good.split(".")
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": now + 3600}
    twice = _b64(json.dumps(claims)[:-1].encode() + b', "sub": "root"}')
    import jwt as library
    signed_twice = library.algorithms.ECAlgorithm(library.algorithms.ECAlgorithm.SHA256).sign(
        f"{head}.{twice}".encode(), key.private)
    deep = {"a": 1}
    for _ in range(20):
        deep = {"a": deep}
    cases = [
        (None, "jwt_missing"),
        (("Authorization", "Basic YTpi"), "jwt_missing"),
        (("Authorization", "Bearer"), "jwt_missing"),
        (bearer("abc"), "jwt_malformed"),
        (bearer(f"{head}.{body}."), "jwt_malformed"),
        (bearer(f"{head}.{body}.{signature}.x.y"), "jwt_malformed"),
        (bearer(good + " " + good), "jwt_malformed"),
        (bearer("a" * 8193), "jwt_malformed"),
        (bearer(f"{head}.{_b64({**claims, 'sub': 'root'})}.{signature}"), "jwt_signature_invalid"),
        (bearer(f"{head}.{body}.{signature[:-8]}AAAAAAAA"), "jwt_signature_invalid"),
        (bearer(f"{head}.{twice}.{_b64(signed_twice)}"), "jwt_malformed"),
        (bearer(key.token(deep=deep)), "jwt_malformed"),
        (bearer(f"{_b64({'alg': 'none'})}.{_b64(claims)}."), "jwt_algorithm_refused"),
        (bearer(f"{_b64({'alg': 'none', 'kid': 'first'})}.{_b64(claims)}.{signature}"),
         "jwt_algorithm_refused"),
        (bearer(_hs256({"alg": "HS256", "kid": "first"}, claims, key.public_pem())),
         "jwt_algorithm_refused"),
        (bearer(_hs256({"alg": "ES256", "kid": "first"}, claims, key.public_pem())),
         "jwt_signature_invalid"),
        (bearer(Key("RS256").token()), "jwt_key_unknown"),
        (bearer(key.token(headers={"kid": "second"})), "jwt_key_unknown"),
        (bearer(key.token(exp=now - 60)), "jwt_expired"),
        (bearer(key.token(exp=None)), "jwt_claims_refused"),
        (bearer(key.token(nbf=now + 600)), "jwt_not_yet_valid"),
        (bearer(key.token(iat=now + 600)), "jwt_not_yet_valid"),
        (bearer(key.token(iss="https://evil.test")), "jwt_issuer_refused"),
        (bearer(key.token(iss=None)), "jwt_issuer_refused"),
        (bearer(key.token(aud="other")), "jwt_audience_refused"),
        (bearer(key.token(aud=["x", "y"])), "jwt_audience_refused"),
    ]
    with proxy.client() as client:
        for field, reason in cases:
            answer = client.ask("GET", "/", *([field] if field else []))
            assert answer.status == 401, (field, reason)
            expected = ('Bearer realm="sluice"' if reason == "jwt_missing"
                        else 'Bearer error="invalid_token"')
            assert answer.value("WWW-Authenticate") == expected
        assert client.ask("GET", "/", bearer(good)).status == 200
    lines = proxy.wait_for_log(len(cases) + 1)
    assert [reason_of(line) for line in lines] == [reason for _, reason in cases] + [None]
    assert len(target.requests) == 1
    proxy.wait_for_metric_value("sluice_exchange_ends_total", 1, reason="jwt_expired")
    # Details, and never a token.
    log = proxy.wait_for_error_log("jwt_key_unknown: kid 'second'")
    for part in (head, body, signature):
        assert part not in log
        assert part not in proxy.access_log_path.read_text()


def test_two_tokens_are_none(start, key):
    proxy, target = start()
    with proxy.client() as client:
        assert client.ask("GET", "/", bearer(key.token()), bearer(key.token())).status == 401
        assert client.ask("GET", "/", bearer(key.token()),
                          ("Authorization", "Basic YTpi")).status == 401
    assert [reason_of(line) for line in proxy.wait_for_log(2)] == ["jwt_malformed"] * 2
    assert not target.requests


def test_required_claims(start, key):
    proxy, _ = start(claims={"tenant": ["blue", "green"],
                             "scope": {"values": ["read", "write"], "format": "space_separated",
                                       "match": "all"}})
    cases = [({"tenant": "blue", "scope": "write read more"}, 200),
             ({"tenant": ["red", "green"], "scope": "read write"}, 200),
             ({"tenant": "red", "scope": "read write"}, 401),
             ({"tenant": "blue", "scope": "read"}, 401),
             ({"tenant": "blue"}, 401),
             ({"scope": "read write"}, 401)]
    with proxy.client() as client:
        for claims, status in cases:
            assert client.ask("GET", "/", bearer(key.token(**claims))).status == status, claims
    assert {reason_of(line) for line in proxy.wait_for_log(6)} == {None, "jwt_claims_refused"}


def test_claims_become_headers_that_no_client_can_set(start, key):
    proxy, target = start(claims_to_headers={"sub": "X-User", "roles": "X-Roles", "bad": "X-Bad"})
    forged = [("X-User", "root"), ("x_user", "root"), ("X.User", "root"), ("X-Roles", "admin"),
              ("X_Roles", "admin"), ("X-Bad", "root")]
    with proxy.client() as client:
        token = key.token(roles=["a", "b", 3], bad="a\r\nX-Admin: 1")
        assert client.ask("GET", "/", bearer(token), *forged).status == 200
        assert client.ask("GET", "/", bearer(key.token(sub=None)), *forged).status == 200
    first, second = target.wait_for_requests(2)
    named = [(name.lower(), value) for name, value in first.fields if name[:1] in "xX"]
    assert ("x-user", "alice") in named and ("x-roles", "a,b,3") in named
    for one in (first, second):
        assert "root" not in str(one.fields) and "admin" not in str(one.fields).lower()
    assert second.value("X-User") is None
    assert first.value("Authorization") == f"Bearer {token}"


def test_a_claim_that_a_header_would_change_makes_none(start, key):
    proxy, target = start(claims_to_headers={"first": "X-First", "last": "X-Last", "empty": "X-Empty",
                                             "comma": "X-Comma", "inside": "X-Inside"})
    token = key.token(first=" admin", last="admin ", empty=["", "admin"], comma="a, b",
                      inside="a  b")
    with proxy.client() as client:
        assert client.ask("GET", "/", bearer(token)).status == 200
    seen = target.only_request()
    assert [seen.value(name) for name in ("X-First", "X-Last", "X-Empty", "X-Comma", "X-Inside")] == [
        None, None, None, "a, b", "a  b"]


@pytest.mark.parametrize("place, target, fields", [
    ("authorization", "/p?a=1", lambda token: [bearer(token)]),
    ({"header": "X-Token"}, "/p?a=1", lambda token: [("X-Token", token)]),
    ({"cookie": "session"}, "/p?a=1", lambda token: [("Cookie", f"a=1; session={token}; b=2")]),
    ({"query": "token"}, "/p?a=1&token={}&b", lambda _: []),
])
def test_the_token_may_be_elsewhere_and_stay_here(start, key, place, target, fields):
    proxy, behind = start(token=place, forward_token=False)
    token = key.token()
    with proxy.client() as client:
        assert client.ask("GET", target.format(token), *fields(token)).status == 200
        assert client.ask("GET", "/p").status == 401
    seen = behind.only_request()
    assert token not in seen.target and token not in str(seen.fields)
    if "cookie" in place:
        assert seen.value("Cookie") == "a=1; b=2"
    if "query" in place:
        assert seen.target == "/p?a=1&b"
    first, second = proxy.wait_for_log(2)
    assert reason_of(second) == "jwt_missing"
    assert token not in proxy.access_log_path.read_text()
    assert token not in proxy.error_log()
    if "query" in place:
        assert "token=-" in json.dumps(first)


def test_a_verified_token_is_kept_but_not_beyond_its_end(start, key):
    proxy, _ = start(leeway="0s")
    token = key.token(exp=int(time.time()) + 3)
    statuses = []
    with proxy.client() as client:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            statuses.append(client.ask("GET", "/", bearer(token)).status)
            if statuses[-1] == 401:
                break
    assert statuses[0] == 200 and statuses[-1] == 401
    assert reason_of(proxy.wait_for_lines(len(statuses))[-1]) == "jwt_expired"
    assert proxy.metric("sluice_jwt_cache_total", result="hit") >= len(statuses) - 2
    proxy.wait_for_metric_value("sluice_jwt_cache_total", 1, result="miss")


def test_a_token_kept_for_one_rule_does_not_pass_another(start_sluice, start_target, keys_file, key):
    target = start_target(serve_body(b"let in"))
    file = keys_file(key)
    proxy = start_sluice({
        "listeners": [listener("web",
                               rule("stock", 1, {"path": ["/stock"]}, action="targets",
                                    filters=jwt_filter(file, audience="stock")),
                               rule("open", 2, {"path": ["/open"]}, action="targets",
                                    filters={"jwt": "off"}),
                               filters=jwt_filter(file))],
        "target_groups": [group("targets", target)]})
    with proxy.client() as client:
        statuses = [client.ask("GET", path, bearer(key.token())).status
                    for path in ("/", "/", "/stock", "/stock", "/open")]
        assert statuses == [200, 200, 401, 401, 200]
        assert client.ask("GET", "/open").status == 200


def test_keys_of_a_file_change_with_a_reload_and_a_wrong_file_changes_nothing(start, keys_file, key):
    proxy, _ = start()
    other = Key(kid="second")
    with proxy.client() as client:
        assert client.ask("GET", "/", bearer(key.token())).status == 200
        keys_file(other)
        proxy.reload()
        assert client.ask("GET", "/", bearer(key.token())).status == 401
        assert client.ask("GET", "/", bearer(other.token())).status == 200
        keys_file()  # no key at all
        proxy.reload(result="failure")
        assert client.ask("GET", "/", bearer(other.token())).status == 200
    proxy.wait_for_error_log("no key that verifies signatures")


def test_a_refused_request_with_a_body_leaves_the_connection_in_order(start, key):
    proxy, _ = start()
    with proxy.client() as client:
        client.send(request("POST", "/", body=b"x" * 100) + request("GET", "/", bearer(key.token())))
        assert client.response("POST").status == 401
        assert client.response().status == 200


def test_trailers_bring_no_field_that_the_head_may_not_have(start_sluice, start_target, keys_file, key):
    target = start_target(serve_body(b"let in"))
    config = site(target, forwarding={"trailers": ["X-User", "X_User", "X-Other"]})
    config["listeners"][0]["filters"] = jwt_filter(keys_file(key), claims_to_headers={"sub": "X-User"})
    proxy = start_sluice(config)
    trailers = [("X-User", "root"), ("x_user", "root"), ("X-Other", "here")]
    with proxy.client() as client:
        client.send(request("POST", "/", bearer(key.token()), ("Transfer-Encoding", "chunked"),
                            ("Trailer", "X-User, X-Other")) + chunked(b"body", trailers=trailers))
        assert client.response("POST").status == 200
    seen = target.only_request()
    assert seen.value("X-User") == "alice"
    assert seen.trailers == [("X-Other", "here")]
