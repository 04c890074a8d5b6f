"""Security policies with ALB's names, session tickets, and what a crowd of handshakes may take."""

import base64
import os
import socket
import ssl
import subprocess

import pytest

from support.configuration import listener, site, tls
from support.target import serve_body
from support.waiting import PATIENCE

TLS_1_2 = ssl.TLSVersion.TLSv1_2
TLS_1_3 = ssl.TLSVersion.TLSv1_3


def tls_site(target, *certificates, **more):
    config = site(target)
    config["listeners"][0]["tls"] = tls(*certificates, **more)
    return config


@pytest.fixture
def target(start_target):
    return start_target(serve_body(b"over TLS"))


@pytest.fixture(scope="module")
def rsa_certificate(authority):
    return authority.issue("site.test", file_name="policy-rsa", key="rsa")


def s_client(proxy, *arguments, name="web"):
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port(name)}", "-servername",
         "site.test", *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * PATIENCE)
    return done.stdout + done.stderr


OLD = ("-cipher", "ALL:@SECLEVEL=0")
CBC_SHA2 = ("-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256")
CBC_SHA1 = ("-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA")
RSA_EXCHANGE = ("-tls1_2", "-cipher", "AES128-GCM-SHA256")
RSA_EXCHANGE_SHA1 = ("-tls1_2", "-cipher", "AES128-SHA")
GCM = ("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
TLS_1_0, TLS_1_1, NEWEST = ("-tls1", *OLD), ("-tls1_1", *OLD), ("-tls1_3",)
ALL = [TLS_1_0, TLS_1_1, GCM, CBC_SHA2, CBC_SHA1, RSA_EXCHANGE, RSA_EXCHANGE_SHA1, NEWEST]


@pytest.mark.parametrize("policy, allowed", [
    ("ELBSecurityPolicy-TLS13-1-3-2021-06", [NEWEST]),
    ("TLS13-1-2-Res-2021-06", [GCM, NEWEST]),
    ("ELBSecurityPolicy-TLS13-1-2-2021-06", [GCM, CBC_SHA2, NEWEST]),
    ("TLS13-1-2-Ext1-2021-06", [GCM, CBC_SHA2, RSA_EXCHANGE, NEWEST]),
    ("TLS13-1-2-Ext2-2021-06", [GCM, CBC_SHA2, CBC_SHA1, RSA_EXCHANGE, RSA_EXCHANGE_SHA1, NEWEST]),
    ("TLS13-1-0-2021-06", ALL),
    ("ELBSecurityPolicy-2016-08", ALL[:-1]),
    ("FS-1-1-2019-08", [TLS_1_1, GCM, CBC_SHA2, CBC_SHA1]),
])
def test_a_policy_allows_what_albs_table_says(start_sluice, target, rsa_certificate, policy,
                                              allowed):
    proxy = start_sluice(tls_site(target, rsa_certificate, policy=policy))
    for question in ALL:
        answer = s_client(proxy, *question)
        served = "Cipher is (NONE)" not in answer and "Cipher    : 0000" not in answer
        assert served == (question in allowed), f"{question}:\n{answer}"


def test_what_stands_beside_a_policy_overrides_it(start_sluice, target, rsa_certificate):
    proxy = start_sluice(tls_site(target, rsa_certificate, policy="TLS13-1-0-2021-06",
                                  min_version="1.2", max_version="1.2",
                                  ciphers="ECDHE-RSA-AES256-GCM-SHA384"))
    for question, served in [(TLS_1_1, False), (NEWEST, False), (GCM, False),
                             (("-tls1_2",), True)]:
        assert ("Cipher is (NONE)" not in s_client(proxy, *question)) == served, question


def test_keys_are_never_logged(start_sluice, target, authority, certificate, tmp_path):
    file = tmp_path / "keys"
    proxy = start_sluice(tls_site(target, certificate),
                         environment={"SSLKEYLOGFILE": str(file)})
    with proxy.client(tls=authority.client_context(), server_name="site.test") as client:
        assert client.ask().status == 200
    assert not file.exists()


# --- tickets ---------------------------------------------------------------------------------------

def resumed_session(proxy, context, session=None, name="web", server_name="site.test"):
    """One request; whether it resumed `session`, and the session to offer next."""
    with proxy.client(name, tls=context, server_name=server_name, session=session) as client:
        assert client.ask("GET", "/", ("Connection", "close")).status == 200
        client.rest()  # tickets of TLS 1.3 come behind the handshake
        return client.socket.session_reused, client.socket.session


def key_line():
    return base64.b64encode(os.urandom(80)).decode() + "\n"


def write_keys(path, *lines):
    path.write_text("# newest first\n" + "".join(lines))
    path.chmod(0o600)


both_versions = pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3], ids=["1.2", "1.3"])


@both_versions
def test_two_instances_with_the_same_ticket_keys_resume_each_others_sessions(
        start_sluice, target, authority, certificate, tmp_path, version):
    file = tmp_path / "tickets"
    write_keys(file, key_line())
    copy = certificate.copy_to(tmp_path, "elsewhere")
    one = start_sluice(tls_site(target, certificate, ticket_keys={"file": str(file)}))
    two = start_sluice(tls_site(target, copy, ticket_keys={"file": str(file)}))
    context = authority.client_context(version)
    _, session = resumed_session(one, context)
    reused, _ = resumed_session(two, context, session)
    assert reused
    assert two.metric("sluice_tls_handshakes_total", listener="web", resumed="yes") == 1


@both_versions
def test_ticket_keys_are_read_again_and_older_ones_still_open(
        start_sluice, target, authority, certificate, tmp_path, version):
    file = tmp_path / "tickets"
    first, second, third = key_line(), key_line(), key_line()
    write_keys(file, first)
    proxy = start_sluice(tls_site(target, certificate, ticket_keys={"file": str(file)},
                                  watch_interval="100ms"))
    context = authority.client_context(version)
    _, session = resumed_session(proxy, context)
    write_keys(file, second, first)
    proxy.wait_for_metric_value("sluice_config_reloads_total", 1, result="success")
    reused, _ = resumed_session(proxy, context, session)
    assert reused
    write_keys(file, third, second)
    proxy.wait_for_metric_value("sluice_config_reloads_total", 2, result="success")
    reused, _ = resumed_session(proxy, context, session)
    assert not reused


@both_versions
def test_without_tickets_nothing_is_resumed(start_sluice, target, authority, certificate, version):
    proxy = start_sluice(tls_site(target, certificate, session_tickets=False))
    context = authority.client_context(version)
    _, session = resumed_session(proxy, context)
    assert session is None or not session.has_ticket
    saved = s_client(proxy, "-tls1_3" if version == TLS_1_3 else "-tls1_2", "-reconnect")
    assert "Reused, " not in saved
    assert proxy.metric("sluice_tls_handshakes_total", resumed="yes") == 0


@both_versions
def test_a_ticket_resumes_under_its_own_certificate_name_and_policy_only(
        start_sluice, target, authority, certificate, version):
    other = authority.issue("site.test", "other.test", file_name="ticket-other")
    config = site(target)
    config["listeners"] = [
        listener("web", tls=tls(other)),
        listener("same", tls=tls(other)),
        listener("policy", tls=tls(other, policy="TLS13-1-2-2021-06")),
        listener("certificate", tls=tls(certificate)),
    ]
    proxy = start_sluice(config)
    context = authority.client_context(version)
    _, session = resumed_session(proxy, context)
    assert not resumed_session(proxy, context, session, "policy")[0]
    assert not resumed_session(proxy, context, session, "certificate")[0]
    assert resumed_session(proxy, context, session, "same")[0]
    lenient = authority.client_context(version)
    _, session = resumed_session(proxy, lenient)
    assert not resumed_session(proxy, lenient, session, server_name="other.test")[0]


# --- a crowd of handshakes -------------------------------------------------------------------------

def client_hello(context):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname="site.test")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return session, incoming, outgoing


def test_a_client_hello_may_come_byte_by_byte(start_sluice, target, authority, certificate):
    proxy = start_sluice(tls_site(target, certificate))
    session, incoming, outgoing = client_hello(authority.client_context())
    with socket.create_connection(("127.0.0.1", proxy.port("web")), PATIENCE) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in outgoing.read():
            plain.sendall(bytes([byte]))
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                received = plain.recv(65536)
                assert received, "closed in the handshake"
                incoming.write(received)
        plain.sendall(outgoing.read())
    proxy.wait_for_metric_value("sluice_tls_handshakes_total", 1, listener="web")


def test_beyond_the_limit_handshakes_wait_and_are_closed_in_time(
        start_sluice, target, authority, certificate):
    config = tls_site(target, certificate)
    config["limits"] = {"tls_handshakes": 1}
    config["timeouts"] = {"tls_handshake": "1h"}
    proxy = start_sluice(config)
    hello = client_hello(authority.client_context())[2].read()
    with (proxy.client(tls=authority.client_context(), server_name="site.test") as established,
          socket.create_connection(("127.0.0.1", proxy.port("web")), PATIENCE) as first):
        assert established.ask().status == 200
        first.sendall(hello[:20])  # takes the only place and never goes on
        proxy.wait_for_metric_value("sluice_client_connections", 2, listener="web")
        assert established.ask().status == 200
        config["timeouts"]["tls_handshake"] = "500ms"
        proxy.reload(config)
        with socket.create_connection(("127.0.0.1", proxy.port("web")), PATIENCE) as second:
            second.sendall(hello)
            try:
                assert second.recv(1) == b""
            except ConnectionResetError:
                pass  # what it had sent was never read
        proxy.wait_for_metric_value("sluice_events_total", 1, reason="too_many_handshakes")
        assert proxy.metric("sluice_tls_handshake_failures_total", listener="web") == 1
        assert established.ask().status == 200
        first.close()
        proxy.wait_for_metric_value("sluice_client_connections", 1, listener="web")
    with proxy.client(tls=authority.client_context(), server_name="site.test") as client:
        assert client.ask().status == 200


def test_a_crowd_within_the_time_is_served_one_after_the_other(start_sluice, target, authority,
                                                               certificate):
    config = tls_site(target, certificate)
    config["limits"] = {"tls_handshakes": 2}
    proxy = start_sluice(config)
    context = authority.client_context()
    waiting = []
    for _ in range(20):
        plain = socket.create_connection(("127.0.0.1", proxy.port("web")), PATIENCE)
        session, incoming, outgoing = client_hello(context)
        plain.sendall(outgoing.read())
        waiting.append((plain, session, incoming, outgoing))
    for plain, session, incoming, outgoing in waiting:
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                received = plain.recv(65536)
                assert received, "closed in the handshake"
                incoming.write(received)
        plain.sendall(outgoing.read())
        plain.close()
    proxy.wait_for_metric_value("sluice_tls_handshakes_total", 20, listener="web")
    assert proxy.metric("sluice_tls_handshake_failures_total") == 0
