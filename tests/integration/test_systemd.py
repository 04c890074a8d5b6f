"""The two protocols of systemd: sd_notify over a datagram socket, and sockets passed by descriptor."""

import signal
import socket
import threading

import pytest

from support.client import Client, wait_until_refused
from support.configuration import listener, site
from support.ports import free_port
from support.sluice import run
from support.target import response, serve, serve_body
from support.waiting import wait_for_event, wait_until


class Supervisor:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address):
        self.messages = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.setblocking(False)

    def states(self):
        """The lines received so far, one by one."""
        try:
            while True:
                self.messages += self._socket.recv(4096).decode().splitlines()
        except BlockingIOError:
            return self.messages

    def wait_for(self, state, count=1):
        wait_until(lambda: self.states().count(state) >= count,
                   lambda: f"{state} was said {count} times: {self.states()}")

    def close(self):
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def supervisor(request, tmp_path):
    name = str(tmp_path / "notify.sock")
    result = Supervisor(name if request.param == "path" else "\0" + name)
    result.address = name if request.param == "path" else "@" + name
    yield result
    result.close()


def test_ready_is_said_when_it_takes_traffic(start_sluice, start_target, supervisor):
    proxy = start_sluice(site(start_target(serve_body())), wait=False,
                         environment={"NOTIFY_SOCKET": supervisor.address})
    supervisor.wait_for("READY=1")
    with proxy.client() as client:  # no waiting: that is what READY means
        assert client.ask().status == 200


def test_a_reload_is_said_with_its_begin_and_end(start_sluice, start_target, supervisor):
    proxy = start_sluice(site(start_target(serve_body())),
                         environment={"NOTIFY_SOCKET": supervisor.address})
    supervisor.wait_for("READY=1")
    proxy.reload()
    supervisor.wait_for("RELOADING=1")
    supervisor.wait_for("READY=1", 2)
    states = supervisor.states()
    assert states.index("RELOADING=1") > states.index("READY=1")
    # Type=notify-reload wants the time of the begin beside it.
    assert any(state.startswith("MONOTONIC_USEC=") for state in states)


def test_a_reload_that_fails_ends_too(start_sluice, start_target, supervisor):
    proxy = start_sluice(site(start_target(serve_body())),
                         environment={"NOTIFY_SOCKET": supervisor.address})
    proxy.reload("broken: [", result="failure")
    supervisor.wait_for("RELOADING=1")
    supervisor.wait_for("READY=1", 2)


def test_stopping_is_said_when_the_drain_begins(start_sluice, start_target, supervisor):
    go_on = threading.Event()

    def respond(_):
        wait_for_event(go_on)
        return response(b"x")

    target = start_target(serve(respond))
    proxy = start_sluice(site(target, shutdown={"deadline": "60s"}),
                         environment={"NOTIFY_SOCKET": supervisor.address})
    with proxy.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        target.wait_for_requests(1)
        assert "STOPPING=1" not in supervisor.states()
        proxy.send_signal(signal.SIGTERM)
        supervisor.wait_for("STOPPING=1")
        assert proxy.process.poll() is None
        go_on.set()
        client.response()
    assert proxy.wait_for_exit() == 0


def test_a_supervisor_that_is_gone_does_no_harm(start_sluice, start_target, tmp_path):
    proxy = start_sluice(site(start_target(serve_body())),
                         environment={"NOTIFY_SOCKET": str(tmp_path / "nobody.sock")})
    with proxy.client() as client:
        assert client.ask().status == 200


# --- socket activation -----------------------------------------------------------------------------

def listening_socket():
    result = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    result.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    result.bind(("127.0.0.1", free_port()))
    result.listen(128)
    return result


@pytest.fixture
def start_activated(start_sluice):
    """Starts the proxy with a listening socket for each listener named."""
    opened = []

    def start(config, *names):
        sockets = {name: listening_socket() for name in names}
        opened.extend(sockets.values())
        for each in config["listeners"]:
            if each["name"] in sockets:
                each["bind"] = "127.0.0.1:%d" % sockets[each["name"]].getsockname()[1]
        return start_sluice(config, activated=list(sockets.items())), sockets

    yield start
    for each in opened:
        each.close()


def test_a_passed_socket_is_used_for_the_listener_of_its_name(start_activated, start_target):
    proxy, sockets = start_activated(site(start_target(serve_body(b"activated"))), "web")
    sockets["web"].close()  # only the proxy's copy is left
    with proxy.client() as client:
        assert client.ask().body == b"activated"


def test_connections_that_came_before_the_start_are_served(start_sluice, start_target):
    """The point of socket activation: the socket is there before the program."""
    with listening_socket() as passed:
        port = passed.getsockname()[1]
        with Client(port) as early:
            early.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            config = site(start_target(serve_body(b"late but sure")), workers=2)
            config["listeners"][0]["bind"] = f"127.0.0.1:{port}"
            start_sluice(config, activated=[("web", passed)])
            assert early.response().body == b"late but sure"


def test_all_workers_share_a_passed_socket(start_activated, start_target):
    proxy, _ = start_activated(site(start_target(serve_body(b"shared")), workers=2), "web")
    for _ in range(20):
        with proxy.client() as client:
            assert client.ask().body == b"shared"


def test_other_listeners_are_bound_as_usual(start_activated, start_target):
    config = site(start_target(serve_body(b"both")))
    config["listeners"].append(listener("other"))
    proxy, _ = start_activated(config, "web")
    for name in ("web", "other"):
        with proxy.client(name) as client:
            assert client.ask().body == b"both"


def test_the_variables_of_another_process_are_ignored(start_sluice, start_target):
    """LISTEN_PID guards against inheriting them by accident."""
    proxy = start_sluice(site(start_target(serve_body())), environment={
        "LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web"})
    with proxy.client() as client:
        assert client.ask().status == 200


def test_a_passed_socket_survives_a_reload(start_activated, start_target):
    config = site(start_target(serve_body(b"still")))
    proxy, sockets = start_activated(config, "web")
    sockets["web"].close()
    proxy.reload({**config, "limits": {"body": "1MiB"}})
    with proxy.client() as client:
        assert client.ask().body == b"still"


def test_check_needs_no_socket(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text('listeners: [{ name: web, bind: "127.0.0.1:1" }]\ntarget_groups: []\n')
    assert run("check", "--config", path).returncode == 0


# --- a passed socket whose listener goes ----------------------------------------------------------

def test_clients_of_a_passed_socket_without_its_listener_are_refused(start_activated, start_target):
    """The service manager holds the socket open: without more, clients would queue for nobody."""
    config = site(start_target(serve_body(b"served")))
    config["listeners"].append(listener("stays"))
    proxy, sockets = start_activated(config, "web")
    port = sockets["web"].getsockname()[1]
    with proxy.client() as client:
        assert client.ask().body == b"served"
    proxy.reload({**config, "listeners": config["listeners"][1:]})
    wait_until_refused(port)
    # Now it is an address like any other.
    proxy.reload(config)
    with proxy.client() as client:
        assert client.ask().body == b"served"
    with proxy.client("stays") as client:
        assert client.ask().body == b"served"


def test_a_passed_socket_is_left_when_its_listener_moves(start_activated, start_target):
    config = site(start_target(serve_body(b"moved")))
    proxy, sockets = start_activated(config, "web")
    old_port = sockets["web"].getsockname()[1]
    config["listeners"][0]["bind"] = f"127.0.0.1:{free_port()}"
    proxy.reload(config)
    with proxy.client() as client:
        assert client.ask().body == b"moved"
    wait_until_refused(old_port)


def test_a_passed_socket_goes_on_under_another_name(start_activated, start_target):
    config = site(start_target(serve_body(b"renamed")), workers=2)
    proxy, sockets = start_activated(config, "web")
    port = sockets["web"].getsockname()[1]
    config["listeners"][0]["name"] = "other"
    proxy.reload(config)
    for _ in range(8):
        with Client(port) as client:
            assert client.ask().body == b"renamed"


def test_a_passed_socket_that_was_shut_before_is_replaced(start_sluice, start_target):
    """A restart after a reload that removed its listener: the manager passes what we have shut."""
    with listening_socket() as passed:
        passed.shutdown(socket.SHUT_RD)
        config = site(start_target(serve_body(b"anew")))
        config["listeners"][0]["bind"] = "127.0.0.1:%d" % passed.getsockname()[1]
        proxy = start_sluice(config, activated=[("web", passed)])
        with proxy.client() as client:
            assert client.ask().body == b"anew"
