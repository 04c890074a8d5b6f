"""Certificates of clients: asked for, verified, told to targets; and hosts of another connection (421)."""

import re
import ssl
import subprocess
import urllib.parse

import pytest

from support.certificates import Authority
from support.client import request
from support.configuration import listener, site, tls
from support.sluice import reason_of
from support.target import serve_body
from support.waiting import PATIENCE

TLS_1_2 = ssl.TLSVersion.TLSv1_2
TLS_1_3 = ssl.TLSVersion.TLSv1_3
BOTH = pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
FAMILY = "x-amzn-mtls-"


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    """The authority of the clients; the one of the listener has nothing to do with it."""
    return Authority(tmp_path_factory.mktemp("clients"), "clients")


@pytest.fixture(scope="module")
def alice(clients):
    return clients.issue("alice", usage="clientAuth")


@pytest.fixture(scope="module")
def bob(clients):
    return clients.issue("bob", usage="clientAuth")


@pytest.fixture
def target(start_target):
    return start_target(serve_body(b"known"))


def mtls_site(target, certificate, **settings):
    config = site(target)
    config["listeners"][0]["tls"] = tls(certificate, client_certificates=settings)
    return config


def verifying(target, certificate, clients, **settings):
    return mtls_site(target, certificate, mode="verify", trust_store=str(clients.cert), **settings)


def connect(proxy, authority, certificate=None, version=None, session=None):
    context = authority.client_context(version, certificate=certificate)
    return proxy.client(tls=context, server_name="site.test", session=session)


def told(target):
    """What the target was told about the client in its last request, by lower-case name."""
    fields = {}
    for name, value in target.requests[-1].fields:
        if name.lower().startswith(FAMILY):
            fields[name.lower()] = value
    return fields


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True,
                          text=True, timeout=PATIENCE).stdout.strip()


def decoded(value):
    """URL-encoded PEM, `+=/` as they are: decoding must not take `+` for a space."""
    assert re.fullmatch(r"[A-Za-z0-9%._~+=/-]+", value)
    return urllib.parse.unquote(value)


def pem_of(certificate):
    text = certificate.cert.read_text()
    return text[text.index("-----BEGIN"):]


def assert_refused(proxy, authority, certificate, version=TLS_1_3, count=1):
    """In TLS 1.3 a client learns of it only when it reads."""
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError, AssertionError)):
        with connect(proxy, authority, certificate, version) as client:
            client.ask()
    proxy.wait_for_metric_value("sluice_tls_handshake_failures_total", count, listener="web",
                                reason="client_certificate_refused")
    proxy.wait_for_metric_value("sluice_events_total", count, reason="client_certificate_refused")


# --- verify ----------------------------------------------------------------------------------------

@BOTH
def test_a_verified_client_is_described_to_the_target(start_sluice, target, authority, certificate,
                                                      clients, alice, version):
    proxy = start_sluice(verifying(target, certificate, clients))
    with connect(proxy, authority, alice, version) as client:
        assert client.ask().body == b"known"
    serial = openssl("x509", "-in", alice.cert, "-noout", "-serial").split("=")[1]
    fields = told(target)
    validity = fields.pop("x-amzn-mtls-clientcert-validity")
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(f"NotBefore={time};NotAfter={time}", validity)
    assert decoded(fields.pop("x-amzn-mtls-clientcert-leaf")) == pem_of(alice)
    assert fields == {"x-amzn-mtls-clientcert-serial-number": serial,
                      "x-amzn-mtls-clientcert-issuer": "CN=clients",
                      "x-amzn-mtls-clientcert-subject": "CN=alice"}


@BOTH
def test_no_certificate_or_a_strangers_is_refused(start_sluice, target, authority, certificate,
                                                  clients, alice, tmp_path, version):
    proxy = start_sluice({**verifying(target, certificate, clients),
                          "log": {"path": "stderr", "level": "debug"}})
    stranger = Authority(tmp_path / "stranger", "clients").issue("alice", usage="clientAuth")
    assert_refused(proxy, authority, None, version)
    proxy.wait_for_error_log("peer did not return a certificate")
    assert_refused(proxy, authority, stranger, version, count=2)
    proxy.wait_for_error_log("certificate verify failed")
    assert target.requests == []
    with connect(proxy, authority, alice, version) as client:
        assert client.ask().status == 200


def test_a_servers_certificate_is_no_clients(start_sluice, target, authority, certificate, clients):
    proxy = start_sluice(verifying(target, certificate, clients))
    assert_refused(proxy, authority, clients.issue("server.test", usage="serverAuth"))


def test_revocation_comes_with_a_reload_and_ends_sessions(start_sluice, target, authority,
                                                          certificate, clients, alice, bob):
    proxy = start_sluice(verifying(target, certificate, clients, crls=[str(clients.revoke())]))
    contexts = {each: authority.client_context(TLS_1_2, certificate=each_certificate)
                for each, each_certificate in (("alice", alice), ("bob", bob))}

    def session_of(name, session=None):
        with proxy.client(tls=contexts[name], server_name="site.test", session=session) as client:
            assert client.ask().status == 200
            assert told(target)["x-amzn-mtls-clientcert-subject"] == f"CN={name}"
            return client.socket.session_reused, client.socket.session

    sessions = {name: session_of(name)[1] for name in contexts}
    assert session_of("alice", sessions["alice"])[0], "a verified client resumes"
    proxy.reload(verifying(target, certificate, clients, crls=[str(clients.revoke(alice))]))
    before = len(target.requests)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        proxy.client(tls=contexts["alice"], server_name="site.test", session=sessions["alice"])
    assert len(target.requests) == before
    assert not session_of("bob", sessions["bob"])[0], "verified anew, under the new list"


@BOTH
def test_a_verified_client_resumes_again_and_again(start_sluice, target, authority, certificate,
                                                   clients, alice, version):
    """Each new ticket of TLS 1.3 must say for how long the client's chain holds."""
    proxy = start_sluice(verifying(target, certificate, clients, crls=[str(clients.revoke())]))
    context = authority.client_context(version, certificate=alice)
    session, resumed = None, []
    for _ in range(3):
        with proxy.client(tls=context, server_name="site.test", session=session) as client:
            assert client.ask("GET", "/", ("Connection", "close")).status == 200
            assert told(target)["x-amzn-mtls-clientcert-subject"] == "CN=alice"
            client.rest()  # tickets of TLS 1.3 come behind the handshake
            resumed.append(client.socket.session_reused)
            session = client.socket.session
    assert resumed == [False, True, True]


def test_a_revocation_list_that_changes_is_read_by_itself(start_sluice, target, authority,
                                                          certificate, clients, alice, bob, tmp_path):
    used = tmp_path / "clients.crl"
    used.write_bytes(clients.revoke().read_bytes())
    config = verifying(target, certificate, clients, crls=[str(used)])
    config["listeners"][0]["tls"]["watch_interval"] = "100ms"
    proxy = start_sluice(config)
    with connect(proxy, authority, alice) as client:
        assert client.ask().status == 200
    fresh = tmp_path / "fresh.crl"
    fresh.write_bytes(clients.revoke(alice).read_bytes())
    fresh.replace(used)
    proxy.wait_for_metric_value("sluice_config_reloads_total", 1, result="success")
    assert_refused(proxy, authority, alice)
    with connect(proxy, authority, bob) as client:
        assert client.ask().status == 200


def test_a_session_without_verification_does_not_resume_into_it(start_sluice, target, authority,
                                                                certificate, clients):
    proxy = start_sluice(mtls_site(target, certificate, mode="off"))
    context = authority.client_context(TLS_1_2)
    with proxy.client(tls=context, server_name="site.test") as client:
        assert client.ask().status == 200
        session = client.socket.session
    proxy.reload(verifying(target, certificate, clients))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        proxy.client(tls=context, server_name="site.test", session=session)


@BOTH
def test_certificates_beyond_the_limit_are_refused(start_sluice, target, authority, certificate,
                                                   clients, tmp_path, version):
    leaf = clients.issue("padded", usage="clientAuth")
    proxy = start_sluice(verifying(target, certificate, clients, chain="2KiB"))
    with connect(proxy, authority, leaf, version) as client:
        assert client.ask().status == 200
    chain = tmp_path / "padded.pem"
    chain.write_text(pem_of(leaf) + 8 * clients.cert.read_text())
    leaf.cert = chain
    assert_refused(proxy, authority, leaf, version)


def test_a_bad_trust_store_leaves_the_old_one_in_force(start_sluice, target, authority, certificate,
                                                       clients, alice, tmp_path):
    proxy = start_sluice(verifying(target, certificate, clients))
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    config = verifying(target, certificate, clients)
    config["listeners"][0]["tls"]["client_certificates"]["trust_store"] = str(empty)
    proxy.reload(config, result="failure")
    proxy.wait_for_error_log("holds no certificate")
    with connect(proxy, authority, alice) as client:
        assert client.ask().status == 200
    assert_refused(proxy, authority, None)


@pytest.mark.parametrize("version", ["--tls-max=1.2", "--tlsv1.3"])
def test_curl_shows_its_certificate(start_sluice, target, authority, certificate, clients, alice,
                                    version):
    proxy = start_sluice(verifying(target, certificate, clients, advertise_trust_store=True))

    def curl(*arguments):
        return subprocess.run(
            ["curl", "-sS", "--max-time", str(PATIENCE), version.split("=")[0],
             *version.split("=")[1:], "--cacert", authority.cert, "--resolve",
             f"site.test:{proxy.port()}:127.0.0.1", *arguments,
             f"https://site.test:{proxy.port()}/"],
            capture_output=True, text=True, timeout=2 * PATIENCE, check=False)

    good = curl("--cert", alice.cert, "--key", alice.key)
    assert (good.returncode, good.stdout) == (0, "known"), good.stderr
    assert curl().returncode != 0
    assert len(target.requests) == 1


def test_openssl_is_told_the_authorities_when_advertised(start_sluice, target, certificate, clients,
                                                         alice):
    for advertise in (False, True):
        proxy = start_sluice(verifying(target, certificate, clients,
                                       advertise_trust_store=advertise))
        shown = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port()}", "-cert", alice.cert,
             "-key", alice.key], input="", capture_output=True, text=True, timeout=PATIENCE,
            check=False).stdout
        assert ("CN = clients" in shown.split("Acceptable client certificate CA names")[-1]
                and "Acceptable client certificate CA names" in shown) == advertise


# --- passthrough -----------------------------------------------------------------------------------

@BOTH
def test_passthrough_leaves_the_judgement_to_the_target(start_sluice, target, authority, certificate,
                                                        tmp_path, version):
    stranger = Authority(tmp_path / "stranger", "stranger")
    leaf = stranger.issue("nobody", usage="clientAuth")
    chain = tmp_path / "chain.pem"
    chain.write_text(pem_of(leaf) + stranger.cert.read_text())
    leaf.cert = chain
    proxy = start_sluice(mtls_site(target, certificate, mode="passthrough"))
    with connect(proxy, authority, leaf, version) as client:
        for _ in range(2):
            assert client.ask().status == 200
            fields = told(target)
            assert list(fields) == ["x-amzn-mtls-clientcert"]
            assert decoded(fields["x-amzn-mtls-clientcert"]) == chain.read_text()
    with connect(proxy, authority, None, version) as client:
        assert client.ask().status == 200
    assert told(target) == {}


# --- a client's own copies -------------------------------------------------------------------------

FORGED = [("X-Amzn-Mtls-Clientcert-Subject", "CN=root"), ("x-amzn-mtls-clientcert", "forged"),
          ("X_Amzn_Mtls_Clientcert_Leaf", "forged"), ("X-Amzn-Mtls-Anything", "forged")]


@pytest.mark.parametrize("mode", ["plain", "off", "passthrough", "verify"])
def test_what_clients_say_about_themselves_never_passes(start_sluice, target, authority, certificate,
                                                        clients, alice, mode):
    if mode == "plain":
        config = site(target)
    elif mode == "verify":
        config = verifying(target, certificate, clients)
    else:
        config = mtls_site(target, certificate, mode=mode)
    config["forwarding"] = {"trusted_proxies": ["127.0.0.1"]}  # not even from those
    proxy = start_sluice(config)
    with proxy.client() if mode == "plain" else connect(
            proxy, authority, alice if mode == "verify" else None) as client:
        assert client.ask("GET", "/", *FORGED).status == 200
    received = [(name, value) for name, value in target.only_request().fields
                if name.lower().replace("_", "-").startswith(FAMILY)]
    assert "forged" not in [value for _, value in received]
    assert "CN=root" not in [value for _, value in received]
    assert len(received) == (5 if mode == "verify" else 0)


# --- 421 -------------------------------------------------------------------------------------------

@pytest.fixture
def hosts(authority):
    return (authority.issue("first.test", file_name="421-first"),
            authority.issue("second.test", "also.second.test", file_name="421-second"))


def hosts_site(target, hosts, **more):
    config = site(target)
    config["listeners"] = [listener(tls=tls(*hosts, **more))]
    return config


def statuses(proxy, authority, server_name, *asked):
    context = authority.client_context()
    context.check_hostname = False
    results = []
    for host in asked:
        with proxy.client(tls=context, server_name=server_name) as client:
            client.send(request(host=host))
            results.append(client.response().status)
    return results


def test_a_host_of_another_certificate_is_421(start_sluice, target, authority, hosts):
    proxy = start_sluice(hosts_site(target, hosts))
    assert statuses(proxy, authority, "second.test", "second.test", "SECOND.test:8443",
                    "second.test.", "also.second.test") == [200] * 4
    assert len(target.requests) == 4
    assert statuses(proxy, authority, "second.test", "first.test", "unknown.test") == [421] * 2
    assert statuses(proxy, authority, "first.test", "second.test") == [421]
    assert len(target.requests) == 4
    lines = proxy.wait_for_log(7)
    assert [reason_of(line) for line in lines[4:]] == ["misdirected_request"] * 3
    # Who names no host in the handshake is served, as clients that come by address must be.
    assert statuses(proxy, authority, None, "second.test", "192.0.2.1", "unknown.test") == [200] * 3


def test_with_one_certificate_every_host_is_served(start_sluice, target, authority, certificate):
    proxy = start_sluice(hosts_site(target, [certificate]))
    for name in ("site.test", "other.test", None):
        assert statuses(proxy, authority, name, "site.test", "any.test") == [200] * 2


def test_the_authority_can_be_held_to_the_certificate_or_not_at_all(start_sluice, target, authority,
                                                                    hosts):
    proxy = start_sluice(hosts_site(target, hosts, check_authority="certificate"))
    assert statuses(proxy, authority, None, "first.test", "second.test", "127.0.0.1") == [
        200, 421, 421]
    proxy.reload(hosts_site(target, hosts, check_authority="off"))
    assert statuses(proxy, authority, "first.test", "second.test", "unknown.test") == [200] * 2


def test_filters_know_the_certificate_and_believe_nobody_else(start_sluice, target, authority,
                                                             certificate, clients, alice):
    config = verifying(target, certificate, clients)
    config["listeners"][0]["filters"] = {"request_headers": {
        "set": {"X-Who": "#{header:X-Amzn-Mtls-Clientcert-Subject}"},
        "rename": {"X-Amzn-Mtls-Clientcert-Issuer": "X-Issuer"},
        "remove": ["X-Amzn-Mtls-Clientcert-Leaf"]}}
    proxy = start_sluice(config)
    with connect(proxy, authority, alice) as client:
        assert client.ask("GET", "/", ("X-Amzn-Mtls-Clientcert-Subject", "CN=forged"),
                          ("X-Issuer", "CN=forged")).status == 200
    received = target.only_request()
    subject = told(target)[FAMILY + "clientcert-subject"]
    assert "alice" in subject
    assert received.values("X-Who") == [subject]
    assert len(received.values("X-Issuer")) == 1
    assert b"forged" not in received.head
    assert FAMILY + "clientcert-leaf" not in told(target)
    assert FAMILY + "clientcert-issuer" not in told(target)
