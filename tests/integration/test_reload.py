"""HUP changes what the file changed and nothing else; a bad file changes nothing at all."""

import copy
import json
import os
import signal
import socket
import threading

import pytest

from support.certificates import serial_of
from support.client import Client, request, wait_until_refused
from support.configuration import group, listener, rule, site, tls
from support.ports import free_port, is_free
from support.target import response, serve, serve_body
from support.waiting import PATIENCE, wait_for_event, wait_until, wait_until_steady


def text(body):
    return {"fixed_response": {"status": 200, "content_type": "text/plain", "body": body}}


@pytest.fixture
def reloaded(start_sluice):
    """Starts with `before` on a keep-alive connection, reloads with `after`; checks that the
    connection survived."""
    clients = []

    def run(before, after, **options):
        proxy = start_sluice(before)
        client = proxy.client(**options)
        clients.append(client)
        assert client.ask("GET", "/").status == 200
        proxy.reload(after)
        return proxy, client

    yield run
    for client in clients:
        client.close()


# --- what can change under a keep-alive connection -------------------------------------------------

def test_rules_and_actions_change_under_a_keep_alive_connection(reloaded):
    before = {"listeners": [listener("web", default=text("before"))], "target_groups": []}
    after = {"listeners": [listener("web", rule("new", 1, {"path": ["/new"]}, action=text("new")),
                                    default=text("after"))], "target_groups": []}
    _, client = reloaded(before, after)
    assert client.ask("GET", "/").body == b"after"
    assert client.ask("GET", "/new").body == b"new"


def test_groups_change_under_a_keep_alive_connection(reloaded, start_target):
    old = start_target(serve_body(b"old"))
    new = start_target(serve_body(b"new"))
    after = {"listeners": [listener("web", default="others")],
             "target_groups": [group("others", new)]}
    proxy, client = reloaded(site(old), after)
    assert client.ask().body == b"new"
    # The pool of the group that left is closed.
    proxy.wait_for_metric_value("sluice_target_connections", 0, target_group="targets")


def test_targets_change_under_a_keep_alive_connection(reloaded, start_target):
    one, two = (start_target(serve_body(name)) for name in (b"one", b"two"))
    _, client = reloaded(site(one), site(one, two))
    assert {client.ask().body for _ in range(4)} == {b"one", b"two"}


def test_weights_change_under_a_keep_alive_connection(reloaded, start_target):
    one, two = (start_target(serve_body(name)) for name in (b"one", b"two"))
    _, client = reloaded(site(one, two), site({"address": one.address, "weight": 0}, two))
    assert {client.ask().body for _ in range(4)} == {b"two"}


def test_limits_and_timeouts_change(reloaded, start_target):
    target = start_target(serve_body())
    _, client = reloaded(site(target), site(target, limits={"body": "10"}))
    assert client.ask("POST", "/", body=b"x" * 11).status == 413


def test_certificates_change_for_new_connections_only(reloaded, start_target, authority):
    old = authority.issue("site.test", file_name="reload-old")
    new = authority.issue("site.test", file_name="reload-new")
    target = start_target(serve_body())
    before, after = site(target), site(target)
    before["listeners"][0]["tls"] = tls(old)
    after["listeners"][0]["tls"] = tls(new)
    secure = {"tls": authority.client_context(), "server_name": "site.test"}
    proxy, client = reloaded(before, after, **secure)
    assert client.ask().status == 200
    with proxy.client(tls=authority.client_context(), server_name="site.test") as other:
        assert serial_of(other.socket) != serial_of(client.socket)


def test_a_certificate_file_that_was_rewritten_is_read_again(start_sluice, start_target, authority):
    certificate = authority.issue("site.test", file_name="rewritten")
    renewed = authority.issue("site.test", file_name="renewed")
    config = site(start_target(serve_body()))
    config["listeners"][0]["tls"] = tls(certificate)
    proxy = start_sluice(config)

    def served():
        with proxy.client(tls=authority.client_context(), server_name="site.test") as client:
            return serial_of(client.socket)

    before = served()
    certificate.key.write_bytes(renewed.key.read_bytes())
    certificate.cert.write_bytes(renewed.cert.read_bytes())
    assert served() == before, "files are read on reload and not before"
    proxy.reload()
    assert served() != before


# --- what must not change --------------------------------------------------------------------------

def test_pools_counters_and_connections_survive(start_sluice, start_target):
    target = start_target(serve_body())
    config = site(target)
    proxy = start_sluice(config)
    with proxy.client() as client:
        for number in range(1, 21):
            config["listeners"][0]["rules"] = [
                rule(f"r{number}", 1, {"path": [f"/{number}"]}, action="targets")]
            proxy.reload(config)
            assert client.ask("GET", f"/{number}").status == 200
    proxy.wait_for_log(20)
    assert len(target.connections) == 1
    metrics = proxy.metrics()
    assert metrics.sum("sluice_target_connections_opened_total", target_group="targets") == 1
    assert metrics.sum("sluice_client_connections_total", listener="web") == 1
    assert metrics.sum("sluice_requests_total", listener="web", code_class="2xx") == 20
    assert metrics.sum("sluice_config_reloads_total", result="success") == 20


def test_targets_that_stay_keep_their_connections_when_others_change(reloaded, start_target):
    stays, leaves, comes = (start_target(serve_body(name)) for name in (b"s", b"l", b"c"))
    proxy, client = reloaded(site(stays, leaves), site(comes, stays))
    assert {client.ask().body for _ in range(6)} == {b"s", b"c"}
    proxy.wait_for_log(7)
    assert len(stays.connections) == 1
    proxy.wait_for_metric_value("sluice_target_connections_idle", 2)


def test_an_exchange_under_way_keeps_its_old_configuration(start_sluice, start_target):
    go_on = threading.Event()

    def respond(_):
        wait_for_event(go_on)
        return response(b"from the old target")

    old = start_target(serve(respond))
    proxy = start_sluice(site(old))
    with proxy.client() as client:
        client.send(request("GET", "/slow"))
        old.wait_for_requests(1)
        proxy.reload({"listeners": [listener("web", default=text("new"))], "target_groups": []})
        go_on.set()
        assert client.response().body == b"from the old target"
        assert client.ask().body == b"new"


def test_a_reload_without_a_change_changes_nothing(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    with proxy.client() as client:
        client.ask()
        for _ in range(5):
            proxy.reload()
            assert client.ask().status == 200
    assert len(target.connections) == 1


def test_no_request_fails_while_reloads_follow_each_other(start_sluice, start_target):
    targets = [start_target(serve_body()) for _ in range(2)]
    proxy = start_sluice(site(*targets, workers=2))
    stop, failures, served = threading.Event(), [], [0] * 4

    def load(index):
        try:
            with proxy.client() as client:
                while not stop.is_set():
                    assert client.ask().status == 200
                    served[index] += 1
        except BaseException as failure:  # noqa: BLE001: shown below
            failures.append(failure)

    def all_served_since(before):
        return failures or all(now > then for now, then in zip(served, before))

    threads = [threading.Thread(target=load, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(30):
            config = site(*targets[: 1 + number % 2], workers=2)
            config["listeners"][0]["rules"] = [
                rule(f"r{number}", 1, {"path": [f"/{number}"]}, action="targets")]
            before = list(served)
            proxy.reload(config)
            wait_until(lambda: all_served_since(before), "each client is served on")
    finally:
        stop.set()
        for thread in threads:
            thread.join(2 * PATIENCE)
    assert failures == []
    assert proxy.metric("sluice_client_connections_total") == 4


# --- listeners -------------------------------------------------------------------------------------

def test_a_listener_is_added(reloaded):
    one = listener("web", default=text("one"))
    proxy, client = reloaded({"listeners": [one], "target_groups": []},
                             {"listeners": [one, listener("more", default=text("two"))],
                              "target_groups": []})
    assert client.ask().body == b"one"
    with proxy.client("more") as other:
        assert other.ask().body == b"two"


def test_a_removed_listener_closes_its_port_and_finishes_what_it_has(start_sluice, start_target):
    go_on = threading.Event()

    def respond(_):
        wait_for_event(go_on)
        return response(b"finished")

    target = start_target(serve(respond))
    both = {"listeners": [listener("web", default=text("web")), listener("leaves")],
            "target_groups": [group("targets", target)]}
    proxy = start_sluice(both)
    with proxy.client("leaves") as busy, proxy.client("web") as stays:
        assert stays.ask().body == b"web"
        busy.send(request())
        target.wait_for_requests(1)
        proxy.reload({**both, "listeners": both["listeners"][:1]})
        wait_until_refused(proxy.port("leaves"))
        go_on.set()
        answer = busy.response()
        assert answer.body == b"finished"
        assert answer.says_close()
        assert busy.is_closed_by_peer()
        assert stays.ask().body == b"web"


def test_an_idle_connection_of_a_removed_listener_is_closed(start_sluice):
    both = {"listeners": [listener("web", default=text("web")),
                          listener("leaves", default=text("leaves"))], "target_groups": []}
    proxy = start_sluice(both)
    with proxy.client("leaves") as idle:
        assert idle.ask().body == b"leaves"
        proxy.reload({**both, "listeners": both["listeners"][:1]})
        assert idle.is_closed_by_peer()


def test_a_listener_may_move_to_another_port(start_sluice):
    before = {"listeners": [listener("web", default=text("web"), bind=f"127.0.0.1:{free_port()}")],
              "target_groups": []}
    proxy = start_sluice(before)
    old_port = proxy.port()
    after = copy.deepcopy(before)
    after["listeners"][0]["bind"] = f"127.0.0.1:{free_port()}"
    proxy.reload(after)
    with proxy.client() as client:
        assert client.ask().body == b"web"
    wait_until_refused(old_port)


def test_a_listener_may_change_to_tls(start_sluice, authority, certificate):
    before = {"listeners": [listener("web", default=text("web"))], "target_groups": []}
    proxy = start_sluice(before)
    after = copy.deepcopy(before)
    after["listeners"][0]["tls"] = tls(certificate)
    proxy.reload(after)
    with proxy.client(tls=authority.client_context(), server_name="site.test") as client:
        assert client.ask().body == b"web"


def test_no_connection_is_lost_while_another_listener_comes_and_goes(start_sluice):
    one = listener("web", default=text("web"))
    with_two = {"listeners": [one, listener("more", default=text("more"))], "target_groups": [],
                "workers": 2}
    proxy = start_sluice(with_two)
    for _ in range(5):
        proxy.reload({**with_two, "listeners": [one]})
        for _ in range(10):
            with proxy.client() as client:
                assert client.ask().body == b"web"
        proxy.reload(with_two)
        with proxy.client("more") as client:
            assert client.ask().body == b"more"


# --- bad files -------------------------------------------------------------------------------------

def bad_configurations(certificate, other, folder):
    """Name: (change of a good configuration, words that the log must say)."""

    def edit(change):
        def apply(config):
            config = copy.deepcopy(config)
            change(config)
            return config
        return apply

    def set_default(action):
        return edit(lambda config: config["listeners"][0].update(default_action=action))

    def two_rules(config):
        config["listeners"][0]["rules"] = [
            rule("a", 1, {"path": ["/a"]}, action="targets"),
            rule("b", 1, {"path": ["/b"]}, action="targets")]

    return {
        "no_yaml": (lambda _: "listeners: [\n", ["sluice.yaml:"]),
        "an_empty_file": (lambda _: "", ["listeners"]),
        "an_unknown_key": (edit(lambda c: c.update(target_gruops=[])),
                           ["target_gruops", "target_groups"]),
        "a_wrong_type": (edit(lambda c: c.update(timeouts={"connect": [1, 2]})),
                         ["timeouts.connect"]),
        "a_bad_duration": (edit(lambda c: c.update(timeouts={"connect": "soon"})),
                           ["timeouts.connect", "soon"]),
        "an_unknown_group": (set_default({"forward": "targetz"}), ["targetz", "targets"]),
        "an_unknown_action": (set_default({"frward": "targets"}), ["frward"]),
        "a_duplicate_priority": (edit(two_rules), ["priority"]),
        "a_missing_certificate": (
            edit(lambda c: c["listeners"][0].update(tls={"certificates": [
                {"cert": str(folder / "nothing.crt"), "key": str(certificate.key)}]})),
            ["nothing.crt"]),
        "a_key_that_does_not_match": (
            edit(lambda c: c["listeners"][0].update(tls={"certificates": [
                {"cert": str(certificate.cert), "key": str(other.key)}]})),
            [str(other.key)]),
        "an_unknown_condition": (
            edit(lambda c: c["listeners"][0].update(rules=[
                rule("a", 1, {"pth": ["/a"]}, action="targets")])), ["pth", "path"]),
    }


BAD = ["no_yaml", "an_empty_file", "an_unknown_key", "a_wrong_type", "a_bad_duration",
       "an_unknown_group", "an_unknown_action", "a_duplicate_priority", "a_missing_certificate",
       "a_key_that_does_not_match", "an_unknown_condition"]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_keeps_the_old_configuration_serving(start_sluice, start_target, authority,
                                                        certificate, tmp_path, name):
    other = authority.issue("other.test", file_name="does-not-match")
    change, words = bad_configurations(certificate, other, tmp_path)[name]
    target = start_target(serve_body(b"still here"))
    good = site(target)
    proxy = start_sluice(good)
    assert proxy.metric("sluice_config_last_reload_success") == 1
    with proxy.client() as client:
        assert client.ask().body == b"still here"
        proxy.reload(change(good), result="failure")
        assert proxy.metric("sluice_config_last_reload_success") == 0
        assert client.ask().body == b"still here"
        for word in words:
            proxy.wait_for_error_log(word)
        with proxy.client() as new:
            assert new.ask().body == b"still here"
        proxy.reload(good)
        assert proxy.metric("sluice_config_last_reload_success") == 1
        assert client.ask().body == b"still here"


def test_all_errors_of_a_bad_file_are_in_the_log_with_their_places(start_sluice, start_target):
    good = site(start_target(serve_body()))
    proxy = start_sluice(good)
    bad = copy.deepcopy(good)
    bad["timeouts"] = {"connect": "soon", "conect": "1s"}
    bad["listeners"][0]["default_action"] = {"forward": "nobody"}
    proxy.reload(bad, result="failure")
    lines = proxy.config_path.read_text().splitlines()
    for text_of_line in ["soon", "conect", "nobody"]:
        number = next(n for n, line in enumerate(lines, 1) if text_of_line in line)
        proxy.wait_for_error_log(f"sluice.yaml:{number}:")


def test_a_file_that_is_gone_keeps_the_old_configuration_serving(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body())))
    proxy.config_path.unlink()
    proxy.reload(result="failure")
    with proxy.client() as client:
        assert client.ask().status == 200


def test_a_port_in_use_fails_the_reload_as_a_whole(start_sluice, start_target):
    target = start_target(serve_body(b"old"))
    good = site(target)
    proxy = start_sluice(good)
    bad = copy.deepcopy(good)
    bad["listeners"][0]["default_action"] = text("new")
    bad["listeners"].append(listener("taken", bind=target.address))
    proxy.reload(bad, result="failure")
    proxy.wait_for_error_log(target.address)
    with proxy.client() as client:
        assert client.ask().body == b"old", "a half of a refused file is in force"


def test_an_access_log_that_cannot_be_opened_fails_the_reload(start_sluice, start_target, tmp_path):
    good = site(start_target(serve_body()))
    proxy = start_sluice(good)
    proxy.reload({**good, "access_log": {"path": str(tmp_path / "no" / "folder" / "x.log")}},
                 result="failure")
    with proxy.client() as client:
        assert client.ask().status == 200
    assert len(proxy.wait_for_log(1)) == 1


def test_the_revision_counts_configurations_in_force(start_sluice, start_target):
    good = site(start_target(serve_body()))
    proxy = start_sluice(good)
    assert proxy.metric("sluice_config_revision") == 1
    loaded = proxy.metric("sluice_config_last_reload_timestamp_seconds")
    proxy.reload("broken: [", result="failure")
    assert proxy.metric("sluice_config_revision") == 1
    proxy.reload(site(*good["target_groups"][0]["targets"], limits={"body": "1MiB"}))
    assert proxy.metric("sluice_config_revision") == 2
    assert proxy.metric("sluice_config_last_reload_timestamp_seconds") >= loaded


def test_reloads_leak_no_descriptors(start_sluice, start_target, authority, certificate):
    config = site(start_target(serve_body()))
    config["listeners"].append(listener("secure", tls=tls(certificate)))
    proxy = start_sluice(config)

    def descriptors():
        return len(os.listdir(f"/proc/{proxy.pid}/fd"))

    with proxy.client() as client:
        for number in range(3):  # whatever is opened once is open now
            proxy.reload({**config, "limits": {"body": f"{number + 1}KiB"}})
            client.ask()
        before = wait_until_steady(descriptors)
        for number in range(20):
            proxy.reload({**config, "limits": {"body": f"{number + 10}KiB"}})
            client.ask()
        wait_until(lambda: descriptors() <= before, "no descriptor more than before")


def test_a_port_is_free_again_behind_a_removed_listener(start_sluice):
    both = {"listeners": [listener("web", default=text("web")),
                          listener("leaves", default=text("x"))], "target_groups": []}
    proxy = start_sluice(both)
    proxy.reload({**both, "listeners": both["listeners"][:1]})
    wait_until(lambda: is_free(proxy.port("leaves")), "another program can bind the port")
    proxy.reload(both)
    with proxy.client("leaves") as client:
        assert client.ask().body == b"x"


# --- what is opened for a configuration -----------------------------------------------------------

def test_a_reload_says_the_errors_of_every_floor_and_touches_nothing(start_sluice, start_target,
                                                                     tmp_path):
    target = start_target(serve_body(b"old"))
    good = site(target)
    proxy = start_sluice(good)
    bad = copy.deepcopy(good)
    bad["listeners"] += [listener("taken", bind=target.address), listener("fresh")]
    bad["timeouts"] = {"connect": "soon"}
    bad["access_log"] = {"path": str(tmp_path / "fresh-access.log")}
    bad["log"] = {"path": str(tmp_path / "no" / "error.log")}
    bad["admin"] = {"bind": f"unix:{tmp_path}/no/admin.sock"}
    proxy.reload(bad, result="failure")
    for said in [f"listeners[1].bind: cannot listen on {target.address}", "timeouts.connect: ",
                 "log.path: ", "admin.bind: "]:
        proxy.wait_for_error_log(said)
    assert not (tmp_path / "fresh-access.log").exists()
    assert is_free(proxy.port("fresh"))
    with proxy.client() as client:
        assert client.ask().body == b"old"
    assert len(proxy.wait_for_log(1)) == 1


def ask_unix(path):
    """What one request on a new connection to a path is answered."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        return client.makefile("rb").read()


def test_a_renamed_unix_listener_never_stops_accepting(start_sluice, tmp_path):
    path = tmp_path / "web.sock"

    def named(name):
        return {"listeners": [listener(name, bind=f"unix:{path}", default=text("served"))],
                "target_groups": [], "workers": 2}

    proxy = start_sluice(named("one"))
    stop, failures, served = threading.Event(), [], [0]

    def load():
        try:
            while not stop.is_set():
                assert ask_unix(path).endswith(b"served")
                served[0] += 1
        except BaseException as failure:  # noqa: BLE001: shown below
            failures.append(failure)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for number in range(10):
            before = served[0]
            proxy.reload(named(f"name-{number}"))
            wait_until(lambda: served[0] > before or failures, "the path serves on")
    finally:
        stop.set()
        thread.join(2 * PATIENCE)
    assert failures == []


def test_a_unix_listener_that_drains_refuses(start_sluice, start_target, tmp_path):
    go_on = threading.Event()

    def respond(_):
        wait_for_event(go_on)
        return response(b"x")

    target = start_target(serve(respond))
    path = tmp_path / "web.sock"
    config = site(target, shutdown={"deadline": "60s"})
    config["listeners"].append(listener("local", bind=f"unix:{path}"))
    proxy = start_sluice(config)
    with proxy.client() as client:
        client.send(request("GET", "/slow"))
        target.wait_for_requests(1)
        proxy.send_signal(signal.SIGTERM)

        def refused():
            with socket.socket(socket.AF_UNIX) as late:
                try:
                    late.connect(str(path))
                except ConnectionRefusedError:
                    return True
            return False

        wait_until(refused, "nobody can queue up any more", pause=0.1)
        go_on.set()
        client.response()
    assert proxy.wait_for_exit() == 0


def test_port_0_is_one_port_for_all_workers_and_shown(start_sluice, start_target):
    target = start_target(serve_body(b"served"))
    config = site(target, workers=2)
    config["listeners"][0]["bind"] = "127.0.0.1:0"
    proxy = start_sluice(config)

    def shown():
        listeners = json.loads(proxy.admin_get("/v1/status").body)["listeners"]
        assert [each["name"] for each in listeners] == ["web"]
        return listeners[0]["address"]

    address = shown()
    port = int(address.rpartition(":")[2])
    assert port != 0
    proxy.wait_for_error_log(f"listening on {address}")
    for _ in range(8):
        with Client(port) as client:
            assert client.ask().body == b"served"
    ports = {each.value("X-Forwarded-Port") for each in target.requests}
    assert ports == {str(port)}
    with Client(port) as client:
        assert client.ask().status == 200
        proxy.reload({**config, "limits": {"body": "1MiB"}})
        assert shown() == address
        assert client.ask().status == 200


def test_idle_connections_beyond_a_smaller_pool_are_closed(start_sluice, start_target):
    together = threading.Barrier(3)

    def respond(_):
        together.wait(3 * PATIENCE)
        return response(b"x")

    target = start_target(serve(respond))
    config = site(target)
    proxy = start_sluice(config)
    clients = [proxy.client() for _ in range(3)]
    try:
        for client in clients:
            client.send(request())
        for client in clients:
            client.response()
        proxy.wait_for_metric_value("sluice_target_connections_idle", 3)
        config["target_groups"][0]["pool"] = {"max_idle": 1}
        proxy.reload(config)
        proxy.wait_for_metric_value("sluice_target_connections_idle", 1)
        proxy.wait_for_metric_value("sluice_target_connections", 1)
    finally:
        for client in clients:
            client.close()


def test_an_empty_line_and_a_close_are_no_exchange(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body())))
    for began in [b"\r\n", b"\r"]:
        with proxy.client() as client:
            client.send(began)
            client.socket.shutdown(socket.SHUT_WR)
            assert client.is_closed_by_peer()
    with proxy.client() as client:
        assert client.ask().status == 200
    assert proxy.only_log_line()["status"] == 200
