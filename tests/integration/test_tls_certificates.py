"""Certificates of a listener: two kinds of keys, OCSP answers, expiry, and changes on the disk."""

import json
import ssl
import subprocess
import threading

import pytest

from support.certificates import serial_of
from support.configuration import site
from support.sluice import run
from support.target import serve_body
from support.waiting import PATIENCE, wait_until


def tls_site(target, *certificates, **more):
    """`certificates`: as the configuration has them, or objects."""
    config = site(target)
    config["listeners"][0]["tls"] = {
        "certificates": [each if isinstance(each, dict) else each.as_config()
                         for each in certificates], **more}
    return config


def s_client(proxy, *arguments, name="site.test"):
    """What `openssl s_client` says of a handshake, and whether there was one."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.port('web')}",
         "-servername", name, *map(str, arguments)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * PATIENCE)
    return done.stdout + done.stderr


@pytest.fixture
def target(start_target):
    return start_target(serve_body(b"over TLS"))


@pytest.fixture(scope="module")
def rsa_certificate(authority):
    return authority.issue("site.test", file_name="site-rsa", key="rsa")


# --- two kinds of keys -----------------------------------------------------------------------------

@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_rsa_and_ecdsa_side_by_side_serve_what_a_client_understands(
        start_sluice, target, certificate, rsa_certificate, version):
    proxy = start_sluice(tls_site(target, certificate, rsa_certificate))
    for algorithms, kind in [("ECDSA+SHA256", "ECDSA"), ("RSA-PSS+SHA256", "RSA-PSS")]:
        answer = s_client(proxy, version, "-sigalgs", algorithms)
        assert f"Peer signature type: {kind}" in answer, answer


def test_two_certificates_of_one_kind_for_one_name_are_a_warning(authority, certificate, tmp_path):
    second = authority.issue("site.test", "more.test", file_name="site-second")
    config = tls_site("127.0.0.1:1", certificate, second)
    config["listeners"][0]["bind"] = "127.0.0.1:0"
    path = tmp_path / "sluice.yaml"
    path.write_text(json.dumps(config))
    result = run("check", "--config", path)
    text = result.stdout + result.stderr
    assert result.returncode == 0, text
    warning = next(line for line in text.splitlines() if "not used for every name" in line)
    assert str(certificate.cert) in warning and str(second.cert) in warning
    assert "site.test" in warning


# --- OCSP answers ----------------------------------------------------------------------------------

def test_an_ocsp_answer_is_stapled_for_the_certificate_that_was_chosen(
        start_sluice, target, authority, certificate, rsa_certificate):
    pair = [each.as_config(ocsp=str(authority.ocsp(each, f"ocsp-{number}")))
            for number, each in enumerate((certificate, rsa_certificate))]
    proxy = start_sluice(tls_site(target, *pair))
    serials = set()
    for version in ("-tls1_2", "-tls1_3"):
        for algorithms in ("ECDSA+SHA256", "RSA-PSS+SHA256"):
            answer = s_client(proxy, "-status", version, "-sigalgs", algorithms,
                              "-CAfile", authority.cert)
            assert "OCSP Response Status: successful" in answer, answer
            assert "Cert Status: good" in answer
            serials.add(answer.partition("Serial Number: ")[2].split()[0])
    assert len(serials) == 2
    assert "OCSP response: no response sent" not in s_client(proxy)  # nobody asked
    assert "OCSP Response Status" not in s_client(proxy)


def test_an_ocsp_answer_that_says_revoked_is_not_stapled(start_sluice, target, authority,
                                                         certificate):
    revoked = authority.ocsp(certificate, "ocsp-revoked", revoked=True)
    proxy = start_sluice(tls_site(target, certificate.as_config(ocsp=str(revoked))))
    assert "OCSP response: no response sent" in s_client(proxy, "-status")
    assert "is revoked; it is not sent to clients" in proxy.error_log()


def test_an_ocsp_file_that_is_none_or_of_another_certificate_is_an_error(
        authority, certificate, rsa_certificate, tmp_path):
    broken = tmp_path / "broken.der"
    broken.write_bytes(b"\x30\x03\x0a\x01")
    other = authority.ocsp(rsa_certificate, "ocsp-of-the-other")
    for file, words in [(broken, "is not an OCSP response"), (other, "is not about the certificate"),
                        (tmp_path / "none.der", "cannot be read")]:
        config = tls_site("127.0.0.1:1", certificate.as_config(ocsp=str(file)))
        config["listeners"][0]["bind"] = "127.0.0.1:0"
        path = tmp_path / "sluice.yaml"
        path.write_text(json.dumps(config))
        result = run("check", "--config", path)
        assert result.returncode != 0
        assert words in result.stdout + result.stderr


# --- expiry ----------------------------------------------------------------------------------------

def test_the_end_of_certificates_is_in_status_metrics_and_log(start_sluice, target, authority):
    soon = authority.issue("soon.test", file_name="expiry-soon", days=7)
    later = authority.issue("later.test", file_name="expiry-later", days=90)
    proxy = start_sluice(tls_site(target, soon, later))
    listed = json.loads(proxy.admin_get("/v1/status").body)["certificates"]
    assert [(each["listener"], each["file"], each["names"]) for each in listed] == [
        ("web", str(soon.cert), ["soon.test"]), ("web", str(later.cert), ["later.test"])]
    assert [each["days_left"] for each in listed] in ([6, 89], [7, 90])
    ends = ssl.cert_time_to_seconds(
        subprocess.run(["openssl", "x509", "-in", str(soon.cert), "-noout", "-enddate"], check=True,
                       capture_output=True, text=True).stdout.strip().partition("=")[2])
    proxy.wait_for_metric_value("sluice_certificate_expiry_timestamp_seconds", ends,
                                listener="web", certificate=str(soon.cert))
    log = proxy.wait_for_error_log(f"the certificate '{soon.cert}' expires on ")
    assert str(later.cert) not in log

    config = tls_site(target, later, expiry_warning="100d")
    proxy.reload(config)
    proxy.wait_for_error_log(f"the certificate '{later.cert}' expires on ")
    wait_until(lambda: proxy.metrics().label_values(
        "sluice_certificate_expiry_timestamp_seconds", "certificate") == {str(later.cert)},
        "the metric of a certificate that is gone is gone")


# --- changes on the disk ---------------------------------------------------------------------------

def shown(proxy, authority):
    with proxy.client(tls=authority.client_context(), server_name="site.test") as client:
        return serial_of(client.socket)


def serial_in(certificate):
    text = subprocess.run(["openssl", "x509", "-in", str(certificate.cert), "-noout", "-serial"],
                          check=True, capture_output=True, text=True).stdout
    return text.strip().partition("=")[2]


def test_files_that_change_are_taken_over_and_connections_stay(start_sluice, target, authority,
                                                               tmp_path):
    pairs = [authority.issue("site.test", file_name=f"change-{number}") for number in range(3)]
    used = pairs[0].copy_to(tmp_path)
    proxy = start_sluice(tls_site(target, used, watch_interval="100ms"))
    with proxy.client(tls=authority.client_context(), server_name="site.test") as client:
        assert client.ask().status == 200
        for pair in pairs[1:]:
            pair.copy_to(tmp_path)
            expected = serial_in(pair)
            wait_until(lambda: shown(proxy, authority) == expected, "the new certificate is shown",
                       pause=0.05)
        assert client.ask().status == 200
    assert proxy.metric("sluice_config_reloads_total", result="success") == 2
    assert proxy.metric("sluice_config_reloads_total", result="failure") == 0


def test_a_pair_that_is_half_written_is_reported_once_and_waited_for(start_sluice, target, authority,
                                                                     tmp_path):
    first = authority.issue("site.test", file_name="half-first")
    second = authority.issue("site.test", file_name="half-second")
    used = first.copy_to(tmp_path)
    proxy = start_sluice(tls_site(target, used, watch_interval="100ms"))
    used.cert.write_bytes(second.cert.read_bytes())
    said = "files have changed and cannot be loaded"
    proxy.wait_for_error_log(said)
    assert "does not match the certificate" in proxy.error_log()
    assert shown(proxy, authority) == serial_in(first)
    used.key.write_bytes(second.key.read_bytes())
    wait_until(lambda: shown(proxy, authority) == serial_in(second), "the pair is complete",
               pause=0.05)
    assert proxy.error_log().count(said) == 1
    assert proxy.metric("sluice_config_reloads_total", result="failure") == 0


def test_a_change_on_the_disk_does_not_bring_in_an_unfinished_configuration(
        start_sluice, target, authority, tmp_path):
    first = authority.issue("site.test", file_name="unfinished-first")
    second = authority.issue("site.test", file_name="unfinished-second")
    used = first.copy_to(tmp_path)
    config = tls_site(target, used, watch_interval="100ms")
    proxy = start_sluice(config)
    proxy.write_config({**config, "listeners": []})
    second.copy_to(tmp_path)
    wait_until(lambda: shown(proxy, authority) == serial_in(second), "the new one is shown",
               pause=0.05)
    assert proxy.metric("sluice_config_reloads_total", result="failure") == 0


def test_an_ocsp_answer_that_is_renewed_is_stapled_and_tickets_still_resume(
        start_sluice, target, authority, certificate, tmp_path):
    used = tmp_path / "answer.der"
    used.write_bytes(authority.ocsp(certificate, "renewed-first").read_bytes())
    proxy = start_sluice(tls_site(target, certificate.as_config(ocsp=str(used)),
                                  watch_interval="100ms"))
    saved = tmp_path / "session.pem"
    s_client(proxy, "-tls1_2", "-sess_out", saved)
    fresh = authority.ocsp(certificate, "renewed-second", "-ndays", "3").read_bytes()
    used.write_bytes(fresh)
    proxy.wait_for_metric_value("sluice_config_reloads_total", 1, result="success")
    assert "Reused, TLSv1.2" in s_client(proxy, "-tls1_2", "-sess_in", saved)


def test_no_handshake_fails_while_certificates_change_200_times(start_sluice, target, authority,
                                                                tmp_path):
    pairs = [authority.issue("site.test", file_name=f"many-{number}") for number in range(4)]
    used = pairs[0].copy_to(tmp_path)
    proxy = start_sluice(tls_site(target, used, watch_interval="0"))
    context = authority.client_context()
    known = {serial_in(pair) for pair in pairs}
    seen, failures, done = set(), [], threading.Event()

    def connect_again_and_again():
        while not done.is_set():
            try:
                with proxy.client(tls=context, server_name="site.test") as client:
                    seen.add(serial_of(client.socket))
            except OSError as failure:  # ssl.SSLError is one
                failures.append(failure)

    clients = [threading.Thread(target=connect_again_and_again) for _ in range(2)]
    for each in clients:
        each.start()
    try:
        for number in range(200):
            pairs[(number + 1) % len(pairs)].copy_to(tmp_path)
            proxy.reload()
    finally:
        done.set()
        for each in clients:
            each.join()
    assert failures == []
    assert seen == known
    assert proxy.metric("sluice_config_reloads_total", result="success") == 200
    assert proxy.metric("sluice_tls_handshake_failures_total") == 0
