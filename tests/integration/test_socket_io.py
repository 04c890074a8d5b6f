"""Real Socket.IO from npm: long-polling, then WebSocket, on three processes that share nothing."""

from pathlib import Path

import pytest
from support.configuration import group, listener
from support.node import install, starting
from support.waiting import wait_until

FOLDER = Path(__file__).parent / "socket_io"
CLIENTS = 500
RELOADS = 20


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The packages, installed once for the tests of this file."""
    return install(FOLDER, tmp_path_factory.mktemp("socket_io"), "server.js", "clients.js")


@pytest.fixture
def start_node(modules):
    yield from starting(modules)


def site(ports, reload_number):
    targets = group("chat", *[f"127.0.0.1:{port}" for port in ports])
    targets["stickiness"] = {"type": "lb_cookie", "cookie_name": "CHAT", "duration": "1h"}
    targets["algorithm"] = ["round_robin", "least_outstanding_requests"][reload_number % 2]
    targets["websocket"] = {"idle_timeout": "5m", "close_window": "1s"}
    targets["deregistration_delay"] = "2s"
    web = listener("web", default="chat")
    # Another rule each time, so that no reload is one that changes nothing.
    web["rules"] = [{"name": f"rule-{reload_number}", "priority": 1 + reload_number,
                     "conditions": [{"path": [f"/none-{reload_number}"]}],
                     "action": {"fixed_response": {"status": 404}}}]
    return {"listeners": [web], "target_groups": [targets]}


def test_500_clients_connect_talk_and_stay_on_their_process_through_20_reloads(start_sluice,
                                                                             start_node):
    servers = [start_node("server.js") for _ in range(3)]
    ports = [int(server.line()) for server in servers]
    proxy = start_sluice(site(ports, 0))
    clients = start_node("clients.js", f"http://127.0.0.1:{proxy.port('web')}", CLIENTS)

    def all_upgraded():
        report = clients.ask("report")
        assert not report["errors"] and not report["disconnects"], report
        return report["upgraded"] == CLIENTS and report["answers"] >= 2 * CLIENTS

    wait_until(all_upgraded, "all clients talk over WebSocket", within=120)
    for number in range(1, RELOADS + 1):
        proxy.reload(site(ports, number))
    before = clients.ask("report")["answers"]
    wait_until(lambda: clients.ask("report")["answers"] >= before + 2 * CLIENTS,
               "they go on talking", within=120)
    report = clients.ask("report")
    assert report["connected"] == CLIENTS
    assert (report["errors"], report["disconnects"], report["moved"]) == ([], [], 0)
    assert report["processes"] == 3
    proxy.wait_for_metric_value("sluice_tunnels", CLIENTS, target_group="chat")
    assert proxy.metric("sluice_sticky_requests_total", result="repinned") == 0
    clients.process.stdin.write("end\n")
    clients.process.stdin.flush()
    clients.process.wait(30)
    proxy.wait_for_metric_value("sluice_tunnels", 0, target_group="chat")
