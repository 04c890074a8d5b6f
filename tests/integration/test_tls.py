"""TLS on both sides: versions, certificates by name, ALPN, resumption, deadlines, verified targets."""

import ssl

import pytest

from support.certificates import Authority, serial_of, server_context
from support.client import request
from support.configuration import group, listener, site, tls
from support.sluice import reason_of
from support.target import response, serve, serve_body

TLS_1_2 = ssl.TLSVersion.TLSv1_2
TLS_1_3 = ssl.TLSVersion.TLSv1_3


def tls_site(target, *certificates, workers=1, **more):
    config = site(target, workers=workers)
    config["listeners"][0]["tls"] = tls(*certificates, **more)
    return config


@pytest.fixture
def target(start_target):
    return start_target(serve_body(b"over TLS"))


# --- versions, ALPN --------------------------------------------------------------------------------

@pytest.mark.parametrize("version, name", [(TLS_1_2, "TLSv1.2"), (TLS_1_3, "TLSv1.3")])
def test_both_versions_are_served(start_sluice, target, authority, certificate, version, name):
    proxy = start_sluice(tls_site(target, certificate))
    with proxy.client(tls=authority.client_context(version), server_name="site.test") as client:
        assert client.socket.version() == name
        for _ in range(3):
            assert client.ask().body == b"over TLS"
        cipher = client.socket.cipher()[0]
    line = proxy.wait_for_log(3)[0]
    assert (line["scheme"], line["tls_protocol"], line["sni"]) == ("https", name, "site.test")
    assert line["tls_cipher"] == cipher
    assert proxy.metric("sluice_tls_handshakes_total", listener="web", resumed="no") == 1


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_older_versions_are_refused(start_sluice, target, certificate):
    proxy = start_sluice(tls_site(target, certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        proxy.client(tls=context, server_name="site.test")
    proxy.wait_for_metric_value("sluice_tls_handshake_failures_total", 1, listener="web",
                                reason="tls_handshake_failed")


def test_the_least_version_can_be_raised(start_sluice, target, authority, certificate):
    proxy = start_sluice(tls_site(target, certificate, min_version="1.3"))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        proxy.client(tls=authority.client_context(TLS_1_2), server_name="site.test")
    with proxy.client(tls=authority.client_context(TLS_1_3), server_name="site.test") as client:
        assert client.ask().status == 200


@pytest.mark.parametrize("offered, chosen", [
    (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), (None, None)])
def test_alpn_chooses_http_1_1(start_sluice, target, authority, certificate, offered, chosen):
    proxy = start_sluice(tls_site(target, certificate))
    with proxy.client(tls=authority.client_context(alpn=offered), server_name="site.test") as client:
        assert client.socket.selected_alpn_protocol() == chosen
        assert client.ask().status == 200


def test_a_client_that_speaks_only_http_2_is_refused_in_the_handshake(start_sluice, target,
                                                                      authority, certificate):
    """RFC 7301 3.2: no common protocol is a fatal alert, not a connection in a wrong language."""
    proxy = start_sluice(tls_site(target, certificate))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with proxy.client(tls=authority.client_context(alpn=["h2"]),
                          server_name="site.test") as client:
            client.wire.read_exactly(1)


# --- certificates ----------------------------------------------------------------------------------

def test_the_name_asked_for_chooses_the_certificate(start_sluice, target, authority):
    first = authority.issue("first.test", file_name="sni-first")
    second = authority.issue("second.test", "also.second.test", file_name="sni-second")
    wild = authority.issue("*.wild.test", file_name="sni-wild")
    proxy = start_sluice(tls_site(target, first, second, wild))
    for name, expected in [("first.test", "first.test"), ("second.test", "second.test"),
                           ("SECOND.test", "second.test"), ("also.second.test", "second.test"),
                           ("a.wild.test", "*.wild.test")]:
        with proxy.client(tls=authority.client_context(), server_name=name) as client:
            subject = dict(pair[0] for pair in client.socket.getpeercert()["subject"])
            assert subject["commonName"] == expected


@pytest.mark.parametrize("name", [None, "unknown.test", "a.b.wild.test", "wild.test"])
def test_the_first_certificate_is_the_default(start_sluice, target, authority, name):
    first = authority.issue("first.test", file_name="default-first")
    wild = authority.issue("*.wild.test", file_name="default-wild")
    proxy = start_sluice(tls_site(target, first, wild))
    context = authority.client_context()
    context.check_hostname = False
    with proxy.client(tls=context, server_name=name) as client:
        subject = dict(pair[0] for pair in client.socket.getpeercert()["subject"])
        assert subject["commonName"] == "first.test"
        assert client.ask().status == 200


# --- resumption ------------------------------------------------------------------------------------

def resumed_session(proxy, context, session=None):
    """One request; whether it resumed `session`, and the session to offer next."""
    with proxy.client(tls=context, server_name="site.test", session=session) as client:
        assert client.ask("GET", "/", ("Connection", "close")).status == 200
        client.rest()  # tickets of TLS 1.3 come behind the handshake
        return client.socket.session_reused, client.socket.session


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["1.2", "1.3"])
def test_sessions_are_resumed_on_every_worker(start_sluice, target, authority, certificate, version):
    proxy = start_sluice(tls_site(target, certificate, workers=2))
    context = authority.client_context(version)
    reused, session = resumed_session(proxy, context)
    assert not reused
    for _ in range(12):
        reused, session = resumed_session(proxy, context, session)
        assert reused
    assert proxy.metric("sluice_tls_handshakes_total", listener="web", resumed="yes") == 12
    assert proxy.metric("sluice_tls_handshakes_total", listener="web", resumed="no") == 1


def test_a_client_that_uses_each_ticket_once_resumes_every_time(start_sluice, target, authority,
                                                                certificate):
    """As OpenSSL's clients do with TLS 1.3. The id of such a session is made from its ticket."""
    proxy = start_sluice(tls_site(target, certificate))
    context = authority.client_context(TLS_1_3)
    _, session = resumed_session(proxy, context)
    used = set()
    for _ in range(3):
        assert session.id not in used
        used.add(session.id)
        reused, session = resumed_session(proxy, context, session)
        assert reused


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["1.2", "1.3"])
def test_sessions_survive_a_reload(start_sluice, target, authority, certificate, version):
    config = tls_site(target, certificate)
    proxy = start_sluice(config)
    context = authority.client_context(version)
    _, session = resumed_session(proxy, context)
    config["limits"] = {"body": "1MiB"}
    proxy.reload(config)
    reused, _ = resumed_session(proxy, context, session)
    assert reused


# --- what is not TLS -------------------------------------------------------------------------------

def test_a_plain_request_on_a_tls_port_is_told_or_closed(start_sluice, target, certificate):
    proxy = start_sluice(tls_site(target, certificate))
    with proxy.client() as client:
        client.send(request())
        received = client.rest()
        assert received == b"" or received.startswith(b"HTTP/1.1 400 ") or received[0] == 0x15
    proxy.wait_for_metric_value("sluice_events_total", 1, reason="plain_request_on_tls_port")
    assert target.requests == []


def test_garbage_instead_of_a_handshake_is_closed(start_sluice, target, authority, certificate):
    proxy = start_sluice(tls_site(target, certificate))
    with proxy.client() as client:
        client.send(b"\x16\x03\x01" + bytes(range(200)) * 10)
        client.rest()
    proxy.wait_for_metric_value("sluice_tls_handshake_failures_total", 1, listener="web",
                                reason="tls_handshake_failed")
    with proxy.client(tls=authority.client_context(), server_name="site.test") as client:
        assert client.ask().status == 200


def test_an_answer_over_tls_ends_with_close_notify(start_sluice, target, authority, certificate):
    """Without it a client cannot tell the end from an attacker's cut."""
    proxy = start_sluice(tls_site(target, certificate))
    with proxy.client(tls=authority.client_context(), server_name="site.test") as client:
        # Python raises SSLEOFError for a FIN without close_notify.
        client.socket.suppress_ragged_eofs = False
        assert client.ask("GET", "/", ("Connection", "close")).status == 200
        assert client.is_closed_by_peer()


def test_a_clients_close_notify_ends_an_idle_connection(start_sluice, target, authority,
                                                        certificate):
    proxy = start_sluice(tls_site(target, certificate))
    client = proxy.client(tls=authority.client_context(), server_name="site.test")
    assert client.ask().status == 200
    plain = client.socket.unwrap()  # sends ours and waits for the other side's
    try:
        # The proxy closed, though the client's socket is still open.
        proxy.wait_for_metric_value("sluice_client_connections", 0, listener="web")
    finally:
        plain.close()


def test_large_bodies_flow_over_tls_both_ways(start_sluice, start_target, authority, certificate):
    size = 16 << 20
    echo = start_target(serve(lambda received: response(received.body)))
    proxy = start_sluice(tls_site(echo, certificate))
    body = bytes(range(256)) * (size // 256)
    with proxy.client(tls=authority.client_context(), server_name="site.test") as client:
        assert client.ask("POST", "/", body=body).body == body
        assert client.ask("POST", "/", body=b"small").body == b"small"


# --- HTTPS to targets ------------------------------------------------------------------------------

@pytest.fixture
def tls_target(start_target, authority):
    certificate = authority.issue("127.0.0.1", "target.test", file_name="target")
    return start_target(serve_body(b"secure"), tls=server_context(certificate))


def https_site(target, **settings):
    config = site()
    config["target_groups"] = [group("targets", target, protocol="https",
                                     **({"tls": settings} if settings else {}))]
    return config


def test_a_target_of_a_trusted_authority_is_used_and_reused(start_sluice, tls_target, authority):
    proxy = start_sluice(https_site(tls_target, ca=str(authority.cert)))
    with proxy.client() as client:
        for _ in range(3):
            assert client.ask().body == b"secure"
    assert len(tls_target.connections) == 1


def test_the_name_to_verify_can_be_given(start_sluice, tls_target, authority):
    proxy = start_sluice(https_site(tls_target, ca=str(authority.cert), server_name="target.test"))
    with proxy.client() as client:
        assert client.ask().body == b"secure"


def assert_not_trusted(proxy, target):
    with proxy.client() as client:
        assert client.ask().status == 502
    line = proxy.only_log_line()
    assert (reason_of(line), line["ended_by"]) == ("target_tls_failed", "target")
    assert target.requests == [], "a request was sent to a target that proved nothing"


def test_a_target_with_another_name_is_502(start_sluice, tls_target, authority):
    proxy = start_sluice(https_site(tls_target, ca=str(authority.cert), server_name="other.test"))
    assert_not_trusted(proxy, tls_target)


def test_verification_is_on_by_default(start_sluice, tls_target):
    assert_not_trusted(start_sluice(https_site(tls_target)), tls_target)


def test_a_target_of_another_authority_is_502(start_sluice, tls_target, tmp_path):
    stranger = Authority(tmp_path / "stranger", "stranger")
    assert_not_trusted(start_sluice(https_site(tls_target, ca=str(stranger.cert))), tls_target)


def test_verification_can_be_switched_off(start_sluice, tls_target):
    proxy = start_sluice(https_site(tls_target, verify=False))
    with proxy.client() as client:
        assert client.ask().body == b"secure"


def test_a_target_that_does_not_speak_tls_is_502(start_sluice, start_target):
    plain = start_target(lambda connection: connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    assert_not_trusted(start_sluice(https_site(plain, verify=False)), plain)


def test_a_certificate_per_listener(start_sluice, target, authority):
    one = authority.issue("site.test", file_name="listener-one")
    two = authority.issue("site.test", file_name="listener-two")
    config = site(target)
    config["listeners"] = [listener("one", tls=tls(one)), listener("two", tls=tls(two))]
    proxy = start_sluice(config)
    serials = []
    for name in ("one", "two"):
        with proxy.client(name, tls=authority.client_context(), server_name="site.test") as client:
            serials.append(serial_of(client.socket))
    assert serials[0] != serials[1]
