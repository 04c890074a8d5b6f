"""HTTPS to real targets: sessions that resume, our certificate, versions. nginx and openssl s_server."""

import re
import subprocess

import pytest

from support.certificates import Authority
from support.client import refuses_connections
from support.configuration import group, site
from support.ports import free_port
from support.sluice import reason_of
from support.waiting import PATIENCE, wait_until

ROUNDS = 5


class Nginx:
    """Says in each answer whether the session was resumed, the version, and who we are."""

    def __init__(self, folder, certificate, *settings, port=None):
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self.port = port or free_port()
        lines = "\n".join(f"    {line};" for line in settings)
        (folder / "nginx.conf").write_text(f"""
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{self.port} ssl;
    ssl_certificate {certificate.cert};
    ssl_certificate_key {certificate.key};
{lines}
    location / {{
      return 200 "reused=$ssl_session_reused version=$ssl_protocol client=$ssl_client_s_dn";
    }}
  }}
}}
""")
        self._process = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "nginx.conf"],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, "nginx answers")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _answers(self):
        assert self._process.poll() is None, "nginx has ended; see its error.log"
        return not refuses_connections(self.port)

    def close(self):
        self._process.terminate()
        self._process.wait(PATIENCE)


@pytest.fixture
def start_nginx(tmp_path, authority):
    servers = []

    def start(*settings):
        certificate = authority.issue("127.0.0.1", "target.test", file_name="nginx")
        servers.append(Nginx(tmp_path / f"nginx-{len(servers)}", certificate, *settings))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def tls_group(target, authority, **settings):
    """A connection for each request, so that each makes a handshake."""
    return group("targets", target, protocol="https", pool={"max_requests": 1},
                 tls={"ca": str(authority.cert), **settings})


def tls_site(target, authority, **settings):
    return {**site(), "target_groups": [tls_group(target, authority, **settings)]}


def ask(proxy):
    with proxy.client() as client:
        answer = client.ask()
    return answer.status, answer.body.decode()


def handshakes(proxy):
    return {each: proxy.metric("sluice_target_tls_handshakes_total", target_group="targets",
                               resumed=each) for each in ("yes", "no")}


# --- sessions --------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_new_connections_to_a_target_resume_the_last_session(start_sluice, start_nginx, authority,
                                                             version):
    target = start_nginx(f"ssl_protocols {version}")
    proxy = start_sluice(tls_site(target, authority))
    answers = [ask(proxy) for _ in range(ROUNDS)]
    expected = [f"reused={each} version={version} client=" for each in
                ["."] + ["r"] * (ROUNDS - 1)]
    assert answers == [(200, text) for text in expected]
    proxy.wait_for_metric_value("sluice_target_tls_handshakes_total", ROUNDS - 1,
                                target_group="targets", resumed="yes")
    assert handshakes(proxy) == {"yes": ROUNDS - 1, "no": 1}


def test_session_reuse_can_be_switched_off(start_sluice, start_nginx, authority):
    proxy = start_sluice(tls_site(start_nginx(), authority, session_reuse=False))
    for _ in range(ROUNDS):
        assert "reused=. " in ask(proxy)[1]
    proxy.wait_for_metric_value("sluice_target_tls_handshakes_total", ROUNDS,
                                target_group="targets", resumed="no")


def test_sessions_are_not_carried_into_other_settings(start_sluice, start_nginx, authority):
    """A session holds what was verified under the settings it was made with."""
    target = start_nginx()
    proxy = start_sluice(tls_site(target, authority))
    assert "reused=. " in ask(proxy)[1]
    assert "reused=r " in ask(proxy)[1]
    proxy.reload(tls_site(target, authority, server_name="target.test"))
    assert "reused=. " in ask(proxy)[1]
    assert "reused=r " in ask(proxy)[1]
    # What does not change the settings keeps them.
    proxy.reload({**tls_site(target, authority, server_name="target.test"),
                  "limits": {"body": "1MiB"}})
    assert "reused=r " in ask(proxy)[1]


def test_a_target_that_forgot_its_ticket_keys_is_served_by_a_full_handshake(start_sluice,
                                                                            start_nginx, authority,
                                                                            tmp_path):
    first = start_nginx()
    proxy = start_sluice(tls_site(first, authority))
    assert "reused=. " in ask(proxy)[1]
    assert "reused=r " in ask(proxy)[1]
    first.close()
    certificate = authority.issue("127.0.0.1", file_name="nginx-again")
    second = Nginx(tmp_path / "nginx-again", certificate, port=first.port)
    try:
        assert "reused=. " in ask(proxy)[1]
        assert "reused=r " in ask(proxy)[1]
    finally:
        second.close()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_sees_resumed_sessions_too(start_sluice, authority, version):
    certificate = authority.issue("127.0.0.1", file_name="s_server")
    port = free_port()
    server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", version,
                               "-cert", certificate.cert, "-key", certificate.key, "-www"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
    try:
        assert server.stdout.readline()  # "Using default temp DH parameters" or "ACCEPT"
        proxy = start_sluice(tls_site(f"127.0.0.1:{port}", authority))
        kinds = []
        for _ in range(3):
            status, text = ask(proxy)
            assert status == 200
            kinds.append(re.search(r"^(New|Reused), TLSv1", text, re.M)[1])
        assert kinds == ["New", "Reused", "Reused"]
    finally:
        server.terminate()
        server.communicate(timeout=PATIENCE)


# --- our certificate -------------------------------------------------------------------------------

def test_a_target_that_asks_gets_our_certificate(start_sluice, start_nginx, authority):
    ours = authority.issue("sluice.test", file_name="ours", usage="clientAuth")
    target = start_nginx("ssl_protocols TLSv1.3", "ssl_verify_client on",
                         f"ssl_client_certificate {authority.cert}")
    proxy = start_sluice(tls_site(target, authority, client_cert=str(ours.cert),
                                  client_key=str(ours.key)))
    for reused in (".", "r"):
        assert ask(proxy) == (200, f"reused={reused} version=TLSv1.3 client=CN=sluice.test")


def test_a_target_that_asks_in_vain_refuses(start_sluice, start_nginx, authority):
    target = start_nginx("ssl_verify_client on", f"ssl_client_certificate {authority.cert}")
    status, text = ask(start_sluice(tls_site(target, authority)))
    assert status == 400 and "No required SSL certificate was sent" in text


def test_a_certificate_that_the_target_does_not_trust_is_no_use(start_sluice, start_nginx,
                                                                authority, tmp_path):
    stranger = Authority(tmp_path / "stranger", "stranger").issue("sluice.test", usage="clientAuth")
    target = start_nginx("ssl_verify_client on", f"ssl_client_certificate {authority.cert}")
    proxy = start_sluice(tls_site(target, authority, client_cert=str(stranger.cert),
                                  client_key=str(stranger.key)))
    status, text = ask(proxy)
    assert status == 400 and "The SSL certificate error" in text


def test_a_key_of_another_certificate_leaves_the_old_configuration_serving(start_sluice,
                                                                          start_nginx, authority):
    ours = authority.issue("sluice.test", file_name="pair", usage="clientAuth")
    other = authority.issue("other.test", file_name="other-pair", usage="clientAuth")
    target = start_nginx()
    proxy = start_sluice(tls_site(target, authority))
    proxy.reload(tls_site(target, authority, client_cert=str(ours.cert),
                          client_key=str(other.key)), result="failure")
    proxy.wait_for_error_log("does not match the certificate")
    assert ask(proxy)[0] == 200


# --- versions and ciphers --------------------------------------------------------------------------

def test_a_target_below_the_least_version_is_502(start_sluice, start_nginx, authority):
    proxy = start_sluice(tls_site(start_nginx("ssl_protocols TLSv1.2"), authority,
                                  min_version="1.3"))
    assert ask(proxy)[0] == 502
    assert reason_of(proxy.only_log_line()) == "target_tls_failed"


def test_the_ciphers_given_are_used(start_sluice, start_nginx, authority):
    target = start_nginx("ssl_protocols TLSv1.2", "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256")
    proxy = start_sluice(tls_site(target, authority, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"))
    assert ask(proxy)[0] == 502
    proxy.reload(tls_site(target, authority, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"))
    assert ask(proxy)[0] == 200
