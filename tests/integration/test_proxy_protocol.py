"""The PROXY protocol: from HAProxy, curl and plain sockets to Sluice, and from Sluice to nginx and
plain sockets."""

import socket
import ssl
import struct
import subprocess
from contextlib import contextmanager

import pytest

from support import http1
from support.certificates import Authority, server_context
from support.client import Client, request
from support.configuration import group, listener, rule, tls
from support.http1 import Ended
from support.ports import free_port
from support.sluice import run
from support.target import response, serve_body
from support.waiting import PATIENCE, wait_until
from support.websocket import echo, echoes, handshake

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 4567 8443\r\n"
LOOPBACK = {"mode": "required", "trusted": ["127.0.0.1"]}


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def v2(command=0x21, family=0x11, body=b""):
    return SIGNATURE + struct.pack(">BBH", command, family, len(body)) + body


def v2_tcp4(source="192.0.2.7", port=4567, tlvs=b""):
    return v2(body=socket.inet_aton(source) + socket.inet_aton("198.51.100.1")
              + struct.pack(">HH", port, 8443) + tlvs)


def v2_tcp6(source="2001:db8::7"):
    return v2(family=0x21, body=socket.inet_pton(socket.AF_INET6, source)
              + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + struct.pack(">HH", 4567, 8443))


def facing(proxy_protocol, *targets, listener_more=None, group_more=None, **sections):
    """A listener `web` with this `proxy_protocol` in front of the targets."""
    return {"listeners": [listener(proxy_protocol=proxy_protocol, **(listener_more or {}))],
            "target_groups": [group("targets", *targets, **(group_more or {}))], **sections}


def is_closed(client):
    """Waits for the end; nothing may come before it."""
    try:
        return client.wire.read_to_end() == b""
    except Ended as end:
        return end.received == b""


@pytest.fixture
def target(start_target):
    return start_target(serve_body(b"served"))


# --- from clients: whom it names ------------------------------------------------------------------

@pytest.mark.parametrize("header, client, forwarded_for", [
    (V1, "192.0.2.7:4567", "192.0.2.7"),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 4567 8443\r\n", "[2001:db8::7]:4567", "2001:db8::7"),
    (v2_tcp4(), "192.0.2.7:4567", "192.0.2.7"),
    (v2_tcp6(), "[2001:db8::7]:4567", "2001:db8::7"),
    (v2_tcp4(tlvs=tlv(0xEA, b"vpce") + tlv(4, b"x" * 3000)), "192.0.2.7:4567", "192.0.2.7"),
], ids=["v1-tcp4", "v1-tcp6", "v2-tcp4", "v2-tcp6", "v2-tlvs"])
def test_the_header_names_the_client(start_sluice, target, header, client, forwarded_for):
    proxy = start_sluice(facing(LOOPBACK, target))
    with proxy.client() as sender:
        for _ in range(2):  # the whole connection is that client's
            sender.send((header if not target.requests else b"") + request())
            assert sender.response().body == b"served"
    for seen in target.requests:
        assert seen.value("x-forwarded-for") == forwarded_for
        assert seen.value("x-forwarded-port") == "8443"
        assert seen.value("x-forwarded-proto") == "http"
    assert [line["client"] for line in proxy.wait_for_log(2)] == [client] * 2


@pytest.mark.parametrize("header", [
    b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN 192.0.2.7 192.0.2.8 1 2\r\n", v2(0x20, 0x00),
    v2(0x20, 0x11, b"whatever"), v2(0x21, 0x00), v2(0x21, 0x31, b"/run/a".ljust(216, b"\0")),
], ids=["v1", "v1-long", "v2-local", "v2-local-with-more", "v2-unspecified", "v2-unix"])
def test_a_header_without_an_internet_address_leaves_the_peer_as_the_client(start_sluice, target,
                                                                            header):
    proxy = start_sluice(facing(LOOPBACK, target))
    with proxy.client() as sender:
        sender.send(header + request())
        assert sender.response().body == b"served"
        assert proxy.only_log_line()["client"] == sender.address
    seen = target.only_request()
    assert seen.value("x-forwarded-for") == "127.0.0.1"
    assert seen.value("x-forwarded-port") == str(proxy.port())


def test_rules_and_trusted_proxies_look_at_the_header_s_client(start_sluice, target):
    fixed = {"fixed_response": {"body": "inside"}}
    rules = [rule("inside", 1, {"source_ip": ["192.0.2.0/24"]}, action=fixed)]
    proxy = start_sluice({"listeners": [listener("web", *rules, proxy_protocol=LOOPBACK)],
                          "target_groups": [group("targets", target)],
                          "forwarding": {"trusted_proxies": ["203.0.113.1"]}})

    def ask(header, *fields):
        with proxy.client() as sender:
            sender.send(header + request("GET", "/", *fields))
            return sender.response().body

    assert ask(v2_tcp4()) == b"inside"
    assert ask(v2_tcp4("198.51.100.9")) == b"served"
    # The peer, 127.0.0.1, is no trusted proxy, and the client that it names is none either.
    assert ask(v2_tcp4("198.51.100.9"), ("X-Forwarded-For", "192.0.2.9")) == b"served"
    assert target.requests[-1].value("x-forwarded-for") == "198.51.100.9"
    # This one is.
    assert ask(v2_tcp4("203.0.113.1"), ("X-Forwarded-For", "192.0.2.9")) == b"inside"


def test_what_the_header_says_besides_is_in_the_log(start_sluice, target):
    verified = struct.pack(">BI", 0x03, 0) + tlv(0x21, b"TLSv1.3") + tlv(0x22, b"alice")
    proxy = start_sluice(facing(LOOPBACK, target))

    def logged(tlvs):
        with proxy.client() as sender:
            sender.send(v2_tcp4(tlvs=tlvs) + request())
            assert sender.response().body == b"served"
        line = proxy.wait_for_log(len(target.requests))[-1]
        return {name: value for name, value in line.items() if name.startswith("proxy_")}

    assert logged(b"") == {}
    assert logged(tlv(1, b"h2") + tlv(2, b"site.test") + tlv(5, b"id-7\n\xff") +
                  tlv(0x20, verified) + tlv(0xEA, b"\x01vpce-0123")) == {
        "proxy_authority": "site.test", "proxy_unique_id": "id-7\n\xff", "proxy_alpn": "h2",
        "proxy_tls_verified": True, "proxy_tls_common_name": "alice",
        "proxy_vpc_endpoint": "vpce-0123"}
    # 0 in the field of the verification says nothing where there was no certificate.
    assert logged(tlv(0x20, struct.pack(">BI", 0x01, 0))) == {"proxy_tls_verified": False}
    assert logged(tlv(2, b"a" * 3000)) == {"proxy_authority": "a" * 256 + "..."}


def test_the_header_comes_before_tls(start_sluice, target, authority, certificate):
    proxy = start_sluice(facing(LOOPBACK, target, listener_more={"tls": tls(certificate)}))
    header = v2_tcp4(tlvs=tlv(2, b"site.test"))
    with socket.create_connection(("127.0.0.1", proxy.port()), PATIENCE) as plain:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = authority.client_context().wrap_bio(incoming, outgoing,
                                                     server_hostname="site.test")

        def pump(step):
            nonlocal header
            while True:
                try:
                    result = step()
                    plain.sendall(outgoing.read())
                    return result
                except ssl.SSLWantReadError:
                    # In one write with the handshake, where a byte too many would be missed.
                    plain.sendall(header + outgoing.read())
                    header = b""
                    received = plain.recv(65536)
                    assert received, "closed in the handshake"
                    incoming.write(received)

        pump(secure.do_handshake)
        pump(lambda: secure.write(request()))
        assert b"served" in pump(lambda: secure.read(65536))
    assert target.only_request().value("x-forwarded-for") == "192.0.2.7"
    assert target.only_request().value("x-forwarded-proto") == "https"
    assert target.only_request().value("x-forwarded-port") == "8443"
    line = proxy.only_log_line()
    assert (line["client"], line["sni"]) == ("192.0.2.7:4567", "site.test")


@pytest.mark.parametrize("header", [V1, v2_tcp4(tlvs=tlv(4, b"x" * 100))], ids=["v1", "v2"])
def test_a_header_may_come_byte_by_byte(start_sluice, target, header):
    proxy = start_sluice(facing(LOOPBACK, target))
    with proxy.client() as sender:
        for byte in header + request():
            sender.send(bytes([byte]))
        assert sender.response().body == b"served"
    assert target.only_request().value("x-forwarded-for") == "192.0.2.7"


# --- from clients: who may send one, and what is refused ------------------------------------------

@pytest.mark.parametrize("first", [V1, v2_tcp4(), request(), b""],
                         ids=["v1", "v2", "request", "nothing"])
def test_a_stranger_is_closed_where_a_header_is_required(start_sluice, target, first):
    proxy = start_sluice(facing({"mode": "required", "trusted": ["192.0.2.0/24"]}, target))
    with proxy.client() as sender:
        sender.send_if_open(first)
        assert is_closed(sender)
    proxy.wait_for_metric_value("sluice_events_total", 1, reason="proxy_header_untrusted")
    proxy.wait_for_metric_value("sluice_client_connections_rejected_total", 1, listener="web",
                                reason="proxy_header_untrusted")
    proxy.wait_for_error_log("proxy_header_untrusted: web peer 127.0.0.1:")
    assert proxy.final_log() == []
    assert target.requests == []


def test_many_strangers_are_counted_each_and_logged_once(start_sluice, target):
    proxy = start_sluice(facing({"mode": "required", "trusted": ["192.0.2.0/24"]}, target))
    for _ in range(30):
        with proxy.client() as sender:
            assert is_closed(sender)
    proxy.wait_for_metric_value("sluice_events_total", 30, reason="proxy_header_untrusted")
    proxy.stop()
    assert 1 <= proxy.error_log().count("proxy_header_untrusted") < 30


@pytest.mark.parametrize("first", [
    request(), b"\r\n" + request(), b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", b"PROXY TCP4 ::1 ::1 1 2\r\n",
    b"PROXY UNKNOWN" + b"x" * 200, v2(0x31, 0x11, bytes(12)), v2(0x21, 0x11, bytes(11)),
    v2_tcp4(tlvs=b"\x04\xff\xff"), v2_tcp4(tlvs=tlv(3, b"\0\0\0\0")),
    v2_tcp4(tlvs=tlv(0x20, b"\x01\0\0\0\0\x21\0\x09short")), v2(0x20, 0x00, bytes(5000)),
], ids=["missing", "missing-after-a-line", "line-feed", "family", "too-long", "version", "short",
        "tlv", "checksum", "tlv-of-tls", "limit"])
def test_what_is_no_sound_header_is_closed_without_an_answer(start_sluice, target, first):
    proxy = start_sluice(facing(LOOPBACK, target))
    with proxy.client() as sender:
        sender.send_if_open(first)
        assert is_closed(sender)
    proxy.wait_for_metric_value("sluice_events_total", 1, reason="proxy_header_invalid")
    proxy.wait_for_error_log("proxy_header_invalid: web peer 127.0.0.1:")
    assert proxy.final_log() == []
    assert target.requests == []


def test_the_limit_of_a_header_is_configured(start_sluice, target):
    proxy = start_sluice(facing(LOOPBACK, target, limits={"proxy_header": "16KiB"}))
    with proxy.client() as sender:
        sender.send(v2_tcp4(tlvs=tlv(4, bytes(16 * 1024 - 28 - 3))) + request())
        assert sender.response().body == b"served"
    with proxy.client() as sender:
        sender.send_if_open(v2_tcp4(tlvs=tlv(4, bytes(16 * 1024 - 28 - 2))))
        assert is_closed(sender)
    proxy.wait_for_metric_value("sluice_events_total", 1, reason="proxy_header_invalid")


@pytest.mark.parametrize("mode, first", [
    ("required", b""), ("required", b"PROX"), ("required", V1[:20]), ("required", v2_tcp4()[:20]),
    ("optional", b"PROX"), ("optional", V1[:20]),
])
def test_a_header_that_does_not_come_in_time_is_closed(start_sluice, target, mode, first):
    proxy = start_sluice(facing({"mode": mode, "trusted": ["127.0.0.1"], "timeout": "200ms"}, target))
    with proxy.client() as sender:
        sender.send(first)
        assert is_closed(sender)
    proxy.wait_for_metric_value("sluice_events_total", 1, reason="proxy_header_timeout")
    assert proxy.final_log() == []


def test_a_connection_that_closes_without_a_byte_is_no_event(start_sluice, target):
    proxy = start_sluice(facing(LOOPBACK, target))
    for _ in range(3):
        proxy.client().close()
    proxy.wait_for_metric_value("sluice_client_connections_total", 3)
    proxy.wait_for_metric_value("sluice_client_connections", 0)
    assert proxy.metric("sluice_events_total") == 0
    assert proxy.stop() == 0
    assert "proxy_header" not in proxy.error_log()


# --- optional -------------------------------------------------------------------------------------

def test_where_it_is_optional_both_kinds_of_clients_are_served(start_sluice, target):
    proxy = start_sluice(facing({"mode": "optional", "trusted": ["127.0.0.1"]}, target))
    # A method that begins as the header does, and one that is called like it.
    for first, status in ((b"", 200), (V1, 200), (v2_tcp4(), 200)):
        with proxy.client() as sender:
            sender.send(first + request())
            assert sender.response().status == status
    for method in ("PROPFIND", "PROXY", "P"):
        with proxy.client() as sender:
            for byte in request(method):
                sender.send(bytes([byte]))
            assert sender.response().body == b"served"
    clients = [line["client"].rpartition(":")[0] for line in proxy.wait_for_log(6)]
    assert clients == ["127.0.0.1", "192.0.2.7", "192.0.2.7"] + ["127.0.0.1"] * 3


def test_where_it_is_optional_a_stranger_is_served_without_one_and_closed_with_one(start_sluice,
                                                                                   target):
    proxy = start_sluice(facing({"mode": "optional", "trusted": ["192.0.2.0/24"]}, target))
    with proxy.client() as sender:
        sender.send(request())
        assert sender.response().body == b"served"
    for header in (V1, v2_tcp4()):
        with proxy.client() as sender:
            sender.send_if_open(header + request())
            assert is_closed(sender)
    proxy.wait_for_metric_value("sluice_events_total", 2, reason="proxy_header_untrusted")
    assert len(proxy.final_log()) == 1


def test_where_it_is_optional_a_handshake_may_come_first(start_sluice, target, authority,
                                                         certificate):
    proxy = start_sluice(facing({"mode": "optional", "trusted": ["127.0.0.1"]}, target,
                                listener_more={"tls": tls(certificate)}))
    with proxy.client(tls=authority.client_context(), server_name="site.test") as sender:
        sender.send(request())
        assert sender.response().body == b"served"


def test_a_client_that_is_silent_where_it_is_optional_does_not_delay_the_stop(start_sluice, target):
    proxy = start_sluice(facing({"mode": "optional", "trusted": ["127.0.0.1"]}, target,
                                shutdown={"deadline": "60s"}))
    with proxy.client():
        proxy.wait_for_metric_value("sluice_client_connections", 1)
        assert proxy.stop() == 0


def test_a_reload_turns_it_on_and_off(start_sluice, target):
    proxy = start_sluice(facing("off", target))

    def address(first):
        with proxy.client() as sender:
            sender.send(first + request())
            assert sender.response().status == 200
        return target.requests[-1].value("x-forwarded-for")

    assert address(b"") == "127.0.0.1"
    proxy.reload(facing(LOOPBACK, target))
    assert address(V1) == "192.0.2.7"
    proxy.reload(facing("off", target))
    assert address(b"") == "127.0.0.1"


def test_a_unix_socket_trusts_whoever_may_open_it(start_sluice, target, tmp_path):
    path = tmp_path / "web.sock"
    proxy = start_sluice(facing("required", target, listener_more={"bind": f"unix:{path}"}))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sender:
        sender.settimeout(PATIENCE)
        sender.connect(str(path))
        sender.sendall(v2_tcp4() + request())
        assert b"served" in http1.Wire(sender).read_until(b"served")
    assert target.only_request().value("x-forwarded-for") == "192.0.2.7"
    assert proxy.only_log_line()["client"] == "192.0.2.7:4567"


def test_nobody_named_on_an_open_address_is_refused_by_check(tmp_path):
    path = tmp_path / "sluice.yaml"
    path.write_text('listeners: [{ name: web, bind: "0.0.0.0:0", proxy_protocol: required }]\n')
    checked = run("check", "--config", path)
    assert checked.returncode != 0
    assert "listeners[0].proxy_protocol: needs trusted" in checked.stdout + checked.stderr


# --- from real programs ---------------------------------------------------------------------------

@contextmanager
def running(command, port, log):
    with open(log, "wb") as output:
        process = subprocess.Popen([str(each) for each in command], stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=output)
    try:
        def listens():
            assert process.poll() is None, log.read_text()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                return False

        wait_until(listens, f"{command[0]} listens")
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.mark.parametrize("option", ["send-proxy", "send-proxy-v2", "send-proxy-v2-ssl-cn",
                                    "send-proxy-v2 proxy-v2-options ssl,cert-cn,crc32c,unique-id"])
def test_haproxy_in_front_names_its_client(start_sluice, target, tmp_path, option):
    proxy = start_sluice(facing(LOOPBACK, target))
    port = free_port()
    config = tmp_path / "haproxy.cfg"
    config.write_text(f"""\
defaults
  mode http
  timeout connect 20s
  timeout client 20s
  timeout server 20s
frontend front
  bind 127.0.0.1:{port}
  unique-id-format %[uuid()]
  default_backend back
backend back
  server sluice 127.0.0.1:{proxy.port()} {option}
""")
    with running(["haproxy", "-db", "-f", config], port, tmp_path / "haproxy.log"):
        with Client(port, source="127.0.0.9") as sender:
            sender.send(request())
            assert sender.response().body == b"served"
            address = sender.address
    assert target.only_request().value("x-forwarded-for") == "127.0.0.9"
    assert target.only_request().value("x-forwarded-port") == str(port)
    assert proxy.only_log_line()["client"] == address


def test_checks_of_haproxy_are_no_clients(start_sluice, target, tmp_path):
    proxy = start_sluice(facing(LOOPBACK, target))
    port = free_port()
    config = tmp_path / "haproxy.cfg"
    config.write_text(f"""\
defaults
  mode http
  timeout connect 20s
  timeout client 20s
  timeout server 20s
  option httpchk GET /health
listen front
  bind 127.0.0.1:{port}
  server sluice 127.0.0.1:{proxy.port()} check inter 100ms send-proxy-v2 check-send-proxy
""")
    with running(["haproxy", "-db", "-f", config], port, tmp_path / "haproxy.log"):
        target.wait_for_requests(2)
    assert {each.value("x-forwarded-for") for each in target.requests} == {"127.0.0.1"}


def test_curl_sends_one(start_sluice, target, authority, certificate):
    config = facing(LOOPBACK, target)
    config["listeners"].append(listener("secure", proxy_protocol=LOOPBACK, tls=tls(certificate)))
    proxy = start_sluice(config)
    for url in (f"http://site.test:{proxy.port()}/", f"https://site.test:{proxy.port('secure')}/"):
        done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", str(PATIENCE),
                               "--haproxy-protocol", "--cacert", authority.cert, "--resolve",
                               f"*:{url.split(':')[2].strip('/')}:127.0.0.1", url],
                              capture_output=True, timeout=2 * PATIENCE, check=False)
        assert done.stdout == b"served", done.stderr
    assert [line["client"].split(":")[0] for line in proxy.wait_for_log(2)] == ["127.0.0.1"] * 2


# --- to targets -----------------------------------------------------------------------------------

class Parsed:
    """What came before the request: version 1 as a line, version 2 in its parts."""

    def __init__(self, wire):
        start = wire.read_exactly(5)
        self.line = self.command = self.source = None
        self.tlvs = {}
        if start == b"PROXY":
            self.line = start + wire.read_until(b"\r\n")
            return
        head = start + wire.read_exactly(11)
        assert head[:12] == SIGNATURE, head
        self.command, self.family, length = struct.unpack(">BBH", head[12:])
        body = wire.read_exactly(length)
        if self.family == 0x11:
            source, destination, port, destination_port = struct.unpack(">4s4sHH", body[:12])
            self.source = f"{socket.inet_ntoa(source)}:{port}"
            self.destination = f"{socket.inet_ntoa(destination)}:{destination_port}"
            self.tlvs = self.parts(body[12:])

    @staticmethod
    def parts(data):
        found = {}
        while data:
            kind, length = struct.unpack(">BH", data[:3])
            found[kind] = data[3:3 + length]
            data = data[3 + length:]
        return found


def proxied_target(start_target, headers, body=b"served"):
    """A target that expects a header on each connection, and then keeps it open."""
    def script(connection):
        headers.append(Parsed(connection.wire))
        while connection.read_request():
            connection.send(response(body))

    return start_target(script)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_target_is_told_the_client_on_a_connection_of_his_own(start_sluice, start_target, version):
    headers = []
    target = proxied_target(start_target, headers)
    proxy = start_sluice(facing("off", target, group_more={"proxy_protocol": version}))
    expected = []
    for source in ("127.0.0.5", "127.0.0.6"):
        with proxy.client(source=source) as sender:
            for _ in range(3):
                sender.send(request())
                assert sender.response().body == b"served"
                expected.append(sender.address)
    here = f"127.0.0.1:{proxy.port()}"
    if version == "v2":
        assert [(each.command, each.source, each.destination) for each in headers] == \
            [(0x21, address, here) for address in expected]
        assert headers[0].tlvs == {}
    else:
        assert [each.line.decode() for each in headers] == [
            f"PROXY TCP4 {address.split(':')[0]} 127.0.0.1 {address.split(':')[1]} {proxy.port()}\r\n"
            for address in expected]
    assert {each.value("connection") for each in target.requests} == {"close"}
    proxy.wait_for_metric_value("sluice_target_connections", 0)
    assert proxy.metric("sluice_target_connections_opened_total") == 6


def test_the_client_of_the_header_is_passed_on(start_sluice, start_target):
    headers = []
    target = proxied_target(start_target, headers)
    proxy = start_sluice(facing(LOOPBACK, target, group_more={"proxy_protocol": "v2"}))
    with proxy.client() as sender:
        sender.send(v2_tcp4() + request())
        assert sender.response().body == b"served"
    assert (headers[0].source, headers[0].destination) == ("192.0.2.7:4567", "198.51.100.1:8443")


def test_a_target_is_told_of_the_client_s_tls_before_its_own(start_sluice, start_target, authority,
                                                             certificate):
    headers = []
    own = server_context(authority.issue("target.test"))

    def script(connection):
        headers.append(Parsed(connection.wire))
        assert not connection.wire.buffer
        connection.socket = own.wrap_socket(connection.socket, server_side=True)
        connection.wire = http1.Wire(connection.socket)
        while connection.read_request():
            connection.send(response(b"served"))

    # Byte by byte, so that nothing of the handshake is read with the header.
    def careful(connection):
        connection.wire._receive = lambda: _receive_one(connection.wire)
        script(connection)

    target = start_target(careful)
    proxy = start_sluice(facing(
        "off", target, listener_more={"tls": tls(certificate)},
        group_more={"proxy_protocol": "v2", "protocol": "https",
                    "tls": {"ca": str(authority.cert), "server_name": "target.test"}}))
    with proxy.client(tls=authority.client_context(alpn=["http/1.1"]),
                      server_name="site.test") as sender:
        sender.send(request())
        assert sender.response().body == b"served"
        version, cipher = sender.socket.version(), sender.socket.cipher()[0]
    told = headers[0].tlvs
    assert told[0x01] == b"http/1.1"
    assert told[0x02] == b"site.test"
    flags, verify = struct.unpack(">BI", told[0x20][:5])
    assert (flags, verify != 0) == (0x01, True)
    assert Parsed.parts(told[0x20][5:]) == {0x21: version.encode(), 0x23: cipher.encode()}


@pytest.mark.parametrize("mode, told", [("verify", [(0x07, 0), (0x05, 0)]),
                                        ("passthrough", [(0x07, 1), (0x07, 1)])])
def test_a_target_is_told_of_the_client_s_certificate(start_sluice, start_target, authority,
                                                      certificate, tmp_path, mode, told):
    """0x02: shown on this connection, 0x04: in this session, which a ticket may have brought back."""
    clients = Authority(tmp_path / "clients", "clients")
    settings = {"mode": mode}
    if mode == "verify":
        settings["trust_store"] = str(clients.cert)
    headers = []
    target = proxied_target(start_target, headers)
    proxy = start_sluice(facing(
        "off", target, listener_more={"tls": tls(certificate, client_certificates=settings)},
        group_more={"proxy_protocol": "v2"}))
    context = authority.client_context(certificate=clients.issue("alice", usage="clientAuth"))
    session = None
    for _ in told:
        with proxy.client(tls=context, server_name="site.test", session=session) as sender:
            assert sender.ask("GET", "/", ("Connection", "close")).status == 200
            sender.rest()
            session = sender.socket.session
    assert [struct.unpack(">BI", header.tlvs[0x20][:5]) for header in headers] == told


def _receive_one(wire):
    byte = wire.socket.recv(1)
    if not byte:
        raise Ended(bytes(wire.buffer))
    wire.buffer += byte


def test_a_retry_and_a_target_that_answers_late_get_headers_too(start_sluice, start_target):
    headers = []

    def closes(connection):
        headers.append(Parsed(connection.wire))
        connection.read_request()

    def serves(connection):
        headers.append(Parsed(connection.wire))
        while connection.read_request():
            connection.send(response(b"served"))

    target, other = start_target(closes), start_target(serves)
    proxy = start_sluice(facing("off", target, other, group_more={"proxy_protocol": "v2"}))
    seen = []
    for _ in range(2):
        with proxy.client() as sender:
            sender.send(request())
            assert sender.response().body == b"served"
            seen.append(sender.address)
    assert len(headers) == 3  # one of the two requests met the target that closes
    assert {each.source for each in headers} == set(seen)


def test_an_upgraded_connection_begins_with_a_header_too(start_sluice, start_target):
    headers = []

    def script(connection):
        headers.append(Parsed(connection.wire))
        echo(connection)

    target = start_target(script)
    proxy = start_sluice(facing(LOOPBACK, target, group_more={"proxy_protocol": "v2"}))
    with proxy.client() as sender:
        sender.send(v2_tcp4() + handshake())
        assert sender.response_head().status == 101
        assert echoes(sender, b"through the tunnel")
    assert [each.source for each in headers] == ["192.0.2.7:4567"]


def test_a_limit_of_one_connection_lets_one_client_after_the_other(start_sluice, start_target):
    headers = []
    target = proxied_target(start_target, headers)
    proxy = start_sluice(facing("off", target, group_more={
        "proxy_protocol": "v1", "limits": {"max_connections": 1, "queue_timeout": "60s"}}))
    senders = [proxy.client() for _ in range(8)]
    for sender in senders:
        sender.send(request() * 2)
    for sender in senders:
        for _ in range(2):
            assert sender.response().body == b"served"
        sender.close()
    assert len(headers) == 16


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("protocol", ["http", "tcp"])
def test_health_checks_speak_for_sluice_itself(start_sluice, start_target, version, protocol):
    headers = []

    def script(connection):
        try:
            headers.append(Parsed(connection.wire))
        except Ended as end:
            headers.append(end)
            return
        while connection.read_request():
            connection.send(response(b"well"))

    target = start_target(script)
    check = {"protocol": protocol, "interval": "500ms", "timeout": "500ms"}
    if protocol == "http":
        check["path"] = "/health"
    proxy = start_sluice(facing("off", target, group_more={"proxy_protocol": version,
                                                           "health_check": check}))
    wait_until(lambda: len(headers) >= 3, "three checks have come")
    proxy.wait_for_metric("sluice_health_checks_total", 3, result="success")
    proxy.stop()
    for header in headers:
        if isinstance(header, Ended):
            continue  # given up when Sluice stopped
        if version == "v1":
            assert header.line == b"PROXY UNKNOWN\r\n"
        else:
            assert (header.command, header.family) == (0x20, 0x00)


def test_a_reload_that_turns_it_on_closes_the_idle_connections(start_sluice, start_target):
    headers = []

    def script(connection):
        first = connection.wire.socket.recv(5, socket.MSG_PEEK | socket.MSG_WAITALL)
        if first in (b"PROXY", SIGNATURE[:5]):
            headers.append(Parsed(connection.wire))
        while connection.read_request():
            connection.send(response(b"served"))

    target = start_target(script)

    def config(version):
        return facing("off", target, group_more={"proxy_protocol": version})

    proxy = start_sluice(config("off"))
    with proxy.client() as sender:
        def ask():
            sender.send(request())
            assert sender.response().body == b"served"

        ask()
        assert headers == []
        proxy.reload(config("v2"))
        ask()
        assert [each.source for each in headers] == [sender.address]
        proxy.reload(config("off"))
        ask()
        ask()
    assert len(headers) == 1
    assert len(target.connections) == 3


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_nginx_reads_ours(start_sluice, tmp_path, version):
    folder = tmp_path / "nginx"
    folder.mkdir()
    folder.chmod(0o755)
    port = free_port()
    config = folder / "nginx.conf"
    temporary = "\n".join(f"  {name}_temp_path {folder}/{name};" for name in
                          ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    config.write_text(f"""\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off;
{temporary}
  server {{
    listen 127.0.0.1:{port} proxy_protocol;
    location / {{ return 200 "$proxy_protocol_addr:$proxy_protocol_port"; }}
    location /health {{ return 200 "well"; }}
  }}
}}
""")
    with running(["nginx", "-p", folder, "-c", config], port, folder / "out.log"):
        proxy = start_sluice(facing("off", f"127.0.0.1:{port}", group_more={
            "proxy_protocol": version,
            "health_check": {"path": "/health", "interval": "500ms", "timeout": "500ms"}}))
        proxy.wait_for_metric("sluice_health_checks_total", 2, result="success")
        for source in ("127.0.0.5", "127.0.0.6"):
            with proxy.client(source=source) as sender:
                for _ in range(2):
                    sender.send(request())
                    assert sender.response().body.decode() == sender.address
        proxy.stop()
