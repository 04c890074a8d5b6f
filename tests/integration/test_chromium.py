"""A real browser over HTTP/2: Chromium in front of the proxy, Node's servers of HTTP/1.1 and of HTTP/2
over TLS behind it."""

import base64
import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from support.configuration import group, listener, rule, tls
from support.node import Node, install, starting
from support.sluice import reason_of
from support.waiting import PATIENCE, wait_until

FOLDER = Path(__file__).parent / "chromium"
CHROMIUM = shutil.which("chromium")
VERSIONS = ["http1", "http2"]


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The packages, installed once for the tests of this file."""
    assert CHROMIUM, "there is no Chromium: scripts/install-packages test"
    return install(FOLDER, tmp_path_factory.mktemp("chromium"), "browser.js", "server.js")


@pytest.fixture
def start_node(modules):
    yield from starting(modules)


def key_hash(certificate):
    """SHA-256 of a certificate's public key, as Chromium wants to be told whom to trust."""
    public = subprocess.run(["openssl", "x509", "-in", certificate.cert, "-noout", "-pubkey"],
                            check=True, capture_output=True, timeout=PATIENCE).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=public,
                         check=True, capture_output=True, timeout=PATIENCE).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


@pytest.fixture
def proxy(start_sluice, start_node, certificate):
    """In front of a server of each version, whose names are the first parts of paths."""
    files = [certificate.cert, certificate.key]
    ports = {version: start_node("server.js", version, *files).line() for version in VERSIONS}
    rules = [rule(version, 1 + number, {"path_prefix": [f"/{version}"]}, action=version)
             for number, version in enumerate(VERSIONS)]
    groups = [group(version, f"127.0.0.1:{port}", protocol_version=version)
              for version, port in ports.items()]
    groups[1].update(protocol="https", tls={"verify": False})
    web = listener("web", *rules, default=None, http2=True, tls=tls(certificate))
    return start_sluice({"listeners": [web], "target_groups": groups})


@pytest.fixture
def browser(modules, proxy, certificate):
    """On a page of the proxy. It is ended in order, for it has children."""
    node = Node(modules, "browser.js", CHROMIUM, proxy.port(), key_hash(certificate))
    try:
        assert node.line().split(".")[0].isdigit(), "it says its version"
        yield node
        node.process.stdin.write("end\n")
        node.process.stdin.flush()
        assert node.process.wait(PATIENCE) == 0
    finally:
        node.close()


def lines_of(proxy, version, end):
    """Lines of the access log for that server and the end of a path, when there is one."""
    def found():
        return [line for line in proxy.access_log()
                if line["target_group"] == version and line["target"].endswith(end)]

    return wait_until(found, f"a line of {version} {end}")


@pytest.mark.parametrize("version", VERSIONS)
def test_fetches_bodies_and_events_come_over_http_2(proxy, browser, version):
    assert browser.ask(f"fetches {version}") == {"right": 100, "protocols": ["h2"] * 100}
    assert browser.ask(f"post {version}") == {"status": 200, "same": True}
    # Each event is sent when the one before has been seen: nothing holds them together.
    assert browser.ask(f"events {version}") == {"seen": [f"event {i + 1}" for i in range(5)]}
    assert {line["protocol"] for line in proxy.wait_for_lines(100)} == {"HTTP/2.0"}
    assert lines_of(proxy, version, "/echo")[0]["request_bytes"] > 300_000
    # The browser left it: the rest is cancelled.
    assert reason_of(lines_of(proxy, version, "/events")[0]) in ("client_closed", "h2_reset_by_peer")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_websocket_comes_over_http_2_as_well(proxy, browser, version):
    assert browser.ask(f"socket {version}") == {
        "seen": ["größe", True], "code": 4002, "reason": "as you wish", "wasClean": True}
    line = lines_of(proxy, version, "/socket")[0]
    assert (line["protocol"], line["method"], line["status"]) == ("HTTP/2.0", "CONNECT", 200)
    assert (line["target_status"], reason_of(line)) == (101 if version == "http1" else 200, None)
    proxy.wait_for_metric_value("sluice_tunnels", 0)
