"""The admin listener: alive, ready, metrics, status, and problems as RFC 9457 says."""

import json
import signal
import socket
import threading

import pytest

from support.client import request
from support.configuration import site
from support.target import response, serve, serve_body
from support.waiting import PATIENCE, wait_for_event, wait_until

COUNTERS = """requests_total exchange_ends_total request_bytes_total response_bytes_total
target_requests_total target_sent_bytes_total target_received_bytes_total target_retries_total
target_retry_budget_exhausted_total target_hedges_total target_fail_open_requests_total
target_state_changes_total target_ejections_total health_checks_total sticky_requests_total
tunnels_total tunnel_ends_total tunnel_bytes_total target_connections_opened_total
target_connections_reused_total target_connection_errors_total target_tls_handshakes_total
client_connections_total
client_connections_rejected_total tls_handshakes_total tls_handshake_failures_total
rate_limit_requests_total rate_limit_evictions_total desync_requests_total
access_log_lines_total access_log_dropped_total config_reloads_total events_total""".split()
GAUGES = """client_connections client_connections_idle target_connections target_connections_idle
target_active_requests targets targets_ejected target_queue_requests tunnels
config_last_reload_success config_last_reload_timestamp_seconds config_revision
start_time_seconds workers certificate_expiry_timestamp_seconds""".split()
HISTOGRAMS = """request_duration_seconds added_latency_seconds target_response_seconds
target_connect_seconds target_queue_seconds health_check_seconds tls_handshake_seconds""".split()


@pytest.fixture
def proxy(start_sluice, start_target):
    return start_sluice(site(start_target(serve_body()), workers=2))


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_it_is_alive_and_ready(proxy, path):
    answer = proxy.admin_get(path)
    assert answer.status == 200
    assert answer.getheader("Server") == "sluice"
    assert proxy.admin_get(path, "HEAD").status == 200


def test_it_is_alive_but_not_ready_while_it_drains(start_sluice, start_target):
    go_on = threading.Event()

    def respond(_):
        wait_for_event(go_on)
        return response(b"x")

    target = start_target(serve(respond))
    proxy = start_sluice(site(target, shutdown={"deadline": "60s"}))
    with proxy.client() as client:
        client.send(request())
        target.wait_for_requests(1)
        proxy.send_signal(signal.SIGTERM)
        wait_until(lambda: proxy.admin_get("/readyz").status == 503, "it is not ready any more")
        assert proxy.admin_get("/livez").status == 200
        assert proxy.admin_get("/metrics").status == 200
        go_on.set()
        client.response()
    assert proxy.wait_for_exit() == 0


def test_metrics_are_prometheus_text(proxy):
    with proxy.client() as client:
        assert client.ask().status == 200
    proxy.wait_for_log(1)  # families of the traffic are there now, too
    answer = proxy.admin_get("/metrics")
    assert answer.getheader("Content-Type").startswith("text/plain; version=0.0.4")
    metrics = proxy.metrics()
    assert all(name.startswith("sluice_") for name, _, _ in metrics.samples)
    for names, kind in [(COUNTERS, "counter"), (GAUGES, "gauge"), (HISTOGRAMS, "histogram")]:
        for name in names:
            if f"sluice_{name}" in metrics.types:
                assert metrics.types[f"sluice_{name}"] == kind
    # Families without labels of the traffic are there from the first moment.
    for name in ["access_log_lines_total", "access_log_dropped_total", "config_revision", "workers",
                 "config_last_reload_success", "start_time_seconds"]:
        assert f"sluice_{name}" in metrics.types, metrics.text
    known = {f"sluice_{name}" for name in COUNTERS + GAUGES + HISTOGRAMS}
    assert set(metrics.types) <= known, "a family that is not in the list"


def test_metrics_add_up_after_traffic(proxy):
    for _ in range(4):
        with proxy.client() as client:
            for _ in range(5):
                client.ask()
    proxy.wait_for_metric_value("sluice_access_log_lines_total", 20)
    proxy.wait_for_metric_value("sluice_client_connections", 0)
    metrics = proxy.metrics()
    assert metrics.sum("sluice_requests_total") == 20
    assert metrics.sum("sluice_client_connections_total", listener="web") == 4
    assert metrics.sum("sluice_client_connections_idle") == 0
    assert metrics.sum("sluice_target_active_requests") == 0
    assert metrics.sum("sluice_request_duration_seconds_count", listener="web",
                       target_group="targets") == 20
    assert metrics.sum("sluice_added_latency_seconds_count", listener="web") == 20
    assert metrics.sum("sluice_target_response_seconds_count", target_group="targets") == 20
    opened = metrics.sum("sluice_target_connections_opened_total")
    assert opened + metrics.sum("sluice_target_connections_reused_total") == 20
    assert metrics.sum("sluice_target_connect_seconds_count") == opened
    assert metrics.sum("sluice_workers") == 2
    buckets = [number for name, labels, number in metrics.samples
               if name == "sluice_added_latency_seconds_bucket"]
    assert buckets == sorted(buckets) and buckets[-1] == 20


def test_t25_no_label_takes_a_value_from_a_request(proxy):
    with proxy.client() as client:
        for number in range(20):
            client.ask("GET", f"/secret-{number}", host=f"host-{number}.test")
            client.ask(f"METHOD{number}", "/")
    proxy.wait_for_log(40)
    text = proxy.admin_get("/metrics").body.decode()
    assert "secret-" not in text and "host-" not in text and "METHOD" not in text


def test_gauges_show_what_is_open(proxy):
    with proxy.client() as one, proxy.client() as two:
        one.ask()
        two.ask()
        proxy.wait_for_metric_value("sluice_client_connections_idle", 2, listener="web")
        proxy.wait_for_metric_value("sluice_client_connections", 2, listener="web")
        assert proxy.metric("sluice_target_connections", target_group="targets") >= 1


def test_status_tells_version_and_configuration(proxy):
    answer = proxy.admin_get("/v1/status")
    assert answer.status == 200
    assert answer.getheader("Content-Type") == "application/json"
    status = json.loads(answer.body)
    assert isinstance(status["version"], str) and status["version"]
    assert status["workers"] == 2
    text = json.dumps(status)
    assert "uptime" in text and "revision" in text and "connections" in text


def assert_problem(answer, status):
    assert answer.status == status
    assert answer.getheader("Content-Type") == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem["status"] == status
    assert problem["title"]


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/nothing", "/livezz", "/livez/x",
                                  "/../livez", "/v1/status/"])
def test_an_unknown_path_is_a_problem(proxy, path):
    assert_problem(proxy.admin_get(path), 404)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/v1/status"])
def test_a_wrong_method_is_a_problem(proxy, path):
    answer = proxy.admin_get(path, "POST")
    assert_problem(answer, 405)
    assert "GET" in answer.getheader("Allow")


def test_a_connection_carries_several_requests(proxy):
    with socket.create_connection(("127.0.0.1", proxy.admin_port), timeout=PATIENCE) as admin:
        stream = admin.makefile("rb")
        for _ in range(3):
            admin.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert stream.readline().startswith(b"HTTP/1.1 200 ")
            length = 0
            while line := stream.readline().strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            stream.read(length)


@pytest.mark.parametrize("field", ["Host: evil.test", "Host: localhost\r\nOrigin: http://evil.test",
                                   "Host: localhost\r\nSec-Fetch-Site: cross-site"])
def test_t24_a_page_of_another_site_is_refused(proxy, field):
    """DNS rebinding and cross-site requests: a browser tells whose page asks."""
    with socket.create_connection(("127.0.0.1", proxy.admin_port), timeout=PATIENCE) as admin:
        admin.sendall(f"GET /v1/status HTTP/1.1\r\n{field}\r\nConnection: close\r\n\r\n".encode())
        answer = admin.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"application/problem+json" in answer
    assert b'"workers"' not in answer


def test_garbage_does_not_stop_it(proxy):
    for garbage in [b"\x16\x03\x01\x02\x00", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"x" * 99_999,
                    b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\nx"]:
        with socket.create_connection(("127.0.0.1", proxy.admin_port), timeout=PATIENCE) as admin:
            try:
                admin.sendall(garbage)
                admin.shutdown(socket.SHUT_WR)
                while admin.recv(65_536):
                    pass
            except ConnectionError:
                pass
    assert proxy.admin_get("/livez").status == 200


def test_idle_admin_connections_do_not_stop_others(proxy):
    idle = [socket.create_connection(("127.0.0.1", proxy.admin_port), timeout=PATIENCE)
            for _ in range(20)]
    try:
        assert proxy.admin_get("/livez").status == 200
    finally:
        for each in idle:
            each.close()


def test_it_can_listen_on_a_unix_socket(start_sluice, start_target, tmp_path):
    path = tmp_path / "admin.sock"
    start_sluice(site(start_target(serve_body()), admin={"bind": f"unix:{path}"}), wait=False)
    wait_until(path.exists, "the socket is there")

    def alive():
        with socket.socket(socket.AF_UNIX) as admin:
            admin.settimeout(PATIENCE)
            try:
                admin.connect(str(path))
            except ConnectionRefusedError:
                return False
            admin.sendall(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return admin.makefile("rb").read().startswith(b"HTTP/1.1 200 ")

    wait_until(alive, "it answers")
