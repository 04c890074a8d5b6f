"""Targets from a file that somebody else writes (`discovery: [ { file: ... } ]`)."""

import json
import os
import threading

import pytest

from support.client import request
from support.configuration import group, listener
from support.load import Load
from support.ports import free_port
from support.target import response, serve_body
from support.waiting import wait_until

# Longer than any test waits: what is noticed was told by the system, not found by looking.
SELDOM = "10m"


class List:
    """The file."""

    def __init__(self, path):
        self.path = path

    def write(self, *targets):
        """Beside it, then renamed over."""
        self.write_text(json.dumps([each if isinstance(each, (str, dict)) else each.address
                                    for each in targets]))

    def write_text(self, text):
        beside = self.path.with_name(self.path.name + ".new")
        beside.write_text(text)
        os.replace(beside, self.path)


@pytest.fixture
def file(tmp_path):
    return List(tmp_path / "targets.json")


def discovering(file, *configured, refresh=SELDOM, more=None, **keys):
    source = {"file": {"path": str(file.path), "refresh": refresh}, **keys}
    targets = group("targets", *configured, discovery=[source], **(more or {}))
    return {"listeners": [listener()], "target_groups": [targets]}


def targets(proxy, name="targets"):
    answer = proxy.admin_get(f"/v1/target-groups/{name}/targets")
    assert answer.status == 200, answer.body
    return {each["id"]: each for each in json.loads(answer.body)}


def wait_for_targets(proxy, *expected):
    """These are registered, and no others but those that drain. Workers learn of new ones right
    behind that, and have let go of those that drain."""
    addresses = {each if isinstance(each, str) else each.address for each in expected}

    def registered():
        return {name for name, each in targets(proxy).items()
                if each["state"] not in ("initial", "draining")}

    wait_until(lambda: registered() == addresses, lambda: f"{addresses}: {registered()}")


def ask(proxy):
    with proxy.client() as client:
        return client.ask()


def wait_for_answer(proxy, body):
    """Workers learn of a change right behind the admin listener."""
    wait_until(lambda: ask(proxy).body == body, f"an answer of {body!r}")


def test_targets_of_the_file_are_there_when_it_is_ready(start_sluice, start_target, file):
    target = start_target(serve_body(b"found"))
    file.write({"address": target.address, "weight": 7, "zone": "eu-central-1a"})
    proxy = start_sluice(discovering(file))
    wait_for_answer(proxy, b"found")
    shown = targets(proxy)[target.address]
    assert (shown["source"], shown["sources"], shown["zone"], shown["weight"]) == \
        ("file", ["file"], "eu-central-1a", 7)
    name = f"file {file.path}"
    assert proxy.metric("sluice_discovery_targets", target_group="targets", source=name) == 1
    assert proxy.metric("sluice_discovery_last_success_timestamp_seconds",
                        target_group="targets", source=name) > 0


def test_a_target_that_is_added_serves_and_one_that_is_removed_does_not(start_sluice, start_target,
                                                                        file):
    one, two = start_target(serve_body(b"one")), start_target(serve_body(b"two"))
    file.write(one)
    proxy = start_sluice(discovering(file))
    file.write(one, two)
    wait_for_targets(proxy, one, two)
    file.write(two)
    wait_for_targets(proxy, two)
    assert {ask(proxy).body for _ in range(5)} == {b"two"}


def test_targets_of_the_configuration_and_of_the_file_add_up(start_sluice, start_target, file):
    one, two = start_target(serve_body(b"one")), start_target(serve_body(b"two"))
    file.write(two)
    proxy = start_sluice(discovering(file, one))
    assert {ask(proxy).body for _ in range(10)} == {b"one", b"two"}
    # Known to both: it stays until the last lets go.
    file.write(one, two)
    wait_until(lambda: targets(proxy)[one.address]["sources"] == ["config", "file"], "both name it")
    file.write(two)
    wait_until(lambda: targets(proxy)[one.address]["sources"] == ["config"], "one names it")
    assert targets(proxy)[one.address]["state"] == "healthy"


def test_no_request_fails_while_the_file_changes_all_the_time(start_sluice, start_target, file,
                                                              tmp_path):
    pool = [start_target(serve_body(b"x")) for _ in range(4)]
    file.write(*pool[:2])
    proxy = start_sluice(discovering(file, shrink_percent=100))
    load = Load(f"http://127.0.0.1:{proxy.port('web')}/", tmp_path)
    try:
        for number in range(12):
            chosen = [pool[number % 4], pool[(number + 1) % 4]]
            file.write(*chosen)
            wait_for_targets(proxy, *chosen)
            if number % 4 == 3:
                proxy.reload()
                wait_for_targets(proxy, *chosen)
        answered, failed = load.stop()
    finally:
        load.close()
    assert failed == 0
    assert answered > 0
    assert all(target.requests for target in pool)


def test_a_reload_keeps_the_targets_and_their_connections(start_sluice, start_target, file):
    target = start_target(serve_body(b"found"))
    file.write(target)
    config = discovering(file)
    proxy = start_sluice(config)
    wait_for_answer(proxy, b"found")
    config["target_groups"][0]["slow_start"] = "30s"
    proxy.reload(config)
    wait_for_answer(proxy, b"found")
    assert len(target.connections) == 1
    assert targets(proxy)[target.address]["state"] == "healthy"


def test_another_file_begins_with_the_targets_of_the_former(start_sluice, start_target, file):
    one, two = start_target(serve_body(b"one")), start_target(serve_body(b"two"))
    file.write(one)
    proxy = start_sluice(discovering(file))
    other = List(file.path.with_name("other.json"))
    proxy.reload(discovering(other))
    proxy.wait_for_metric("sluice_discovery_looks_total", source=f"file {other.path}",
                          result="failure")
    wait_for_answer(proxy, b"one")
    other.write(two)
    wait_for_targets(proxy, two)


def test_a_source_that_a_reload_removes_takes_its_targets_along(start_sluice, start_target, file):
    one, two = start_target(serve_body(b"one")), start_target(serve_body(b"two"))
    file.write(one)
    config = discovering(file, two)
    proxy = start_sluice(config)
    del config["target_groups"][0]["discovery"]
    proxy.reload(config)
    wait_for_targets(proxy, two)
    assert {ask(proxy).body for _ in range(5)} == {b"two"}
    assert "sluice_discovery_targets{" not in proxy.admin_get("/metrics").body.decode()


@pytest.mark.parametrize("text", ["[]", "", "- [", "- api.internal:80\n", "targets: x"],
                         ids=["empty list", "empty", "no YAML", "a name", "no list"])
def test_a_file_that_is_wrong_or_empty_changes_nothing(start_sluice, start_target, file, text):
    target = start_target(serve_body(b"found"))
    file.write(target)
    proxy = start_sluice(discovering(file))
    file.write_text(text)
    proxy.wait_for_metric_value("sluice_discovery_held", 1, target_group="targets")
    wait_for_answer(proxy, b"found")
    proxy.reload()
    wait_for_answer(proxy, b"found")
    file.write(target)
    proxy.wait_for_metric_value("sluice_discovery_held", 0, target_group="targets")
    proxy.wait_for_error_log("found before stay")
    proxy.wait_for_error_log("answers again")


def test_a_wrong_file_is_told_of_by_file_and_line(start_sluice, start_target, file):
    target = start_target(serve_body(b"found"))
    file.write(target)
    proxy = start_sluice(discovering(file))
    file.write_text(f"- {target.address}\n- nonsense\n")
    proxy.wait_for_metric_value("sluice_discovery_held", 1, target_group="targets")
    proxy.wait_for_error_log(f"{file.path}:2:3: [1]: ")


def test_a_file_that_goes_and_comes_back_is_found_again(start_sluice, start_target, file):
    one, two = start_target(serve_body(b"one")), start_target(serve_body(b"two"))
    file.write(one)
    proxy = start_sluice(discovering(file))
    file.path.unlink()
    proxy.wait_for_metric_value("sluice_discovery_held", 1, target_group="targets")
    wait_for_answer(proxy, b"one")
    file.write(one, two)
    wait_for_targets(proxy, one, two)


def test_a_missing_file_at_the_start_is_no_reason_not_to_start(start_sluice, start_target, file):
    target = start_target(serve_body(b"found"))
    proxy = start_sluice(discovering(file))
    assert ask(proxy).status == 503
    file.write(target)
    wait_until(lambda: ask(proxy).body == b"found", "it serves")


def test_hold_ends(start_sluice, start_target, file):
    target = start_target(serve_body(b"found"))
    file.write(target)
    proxy = start_sluice(discovering(file, hold="100ms"))
    file.path.unlink()
    wait_for_targets(proxy)
    wait_until(lambda: ask(proxy).status == 503, "nobody is left")
    proxy.wait_for_error_log("no longer used")


def test_most_of_a_set_goes_only_when_a_second_look_confirms_it(start_sluice, start_target, file):
    pool = [start_target(serve_body(b"x")) for _ in range(3)]
    file.write(*pool)
    proxy = start_sluice(discovering(file))
    file.write(pool[0])
    wait_for_targets(proxy, pool[0])
    proxy.wait_for_error_log("lacks 2 of 3 targets")
    looks = proxy.metric("sluice_discovery_looks_total", target_group="targets", result="success")
    assert looks >= 3


def test_a_symbolic_link_that_is_turned_is_noticed(start_sluice, start_target, file):
    """As Kubernetes updates a ConfigMap."""
    one, two = start_target(serve_body(b"one")), start_target(serve_body(b"two"))
    folder = file.path.parent
    for version, target in (("one", one), ("two", two)):
        (folder / version).mkdir()
        (folder / version / file.path.name).write_text(json.dumps([target.address]))
    (folder / "..data").symlink_to("one")
    file.path.symlink_to(f"..data/{file.path.name}")
    proxy = start_sluice(discovering(file, shrink_percent=100))
    wait_for_answer(proxy, b"one")
    (folder / "..tmp").symlink_to("two")
    os.replace(folder / "..tmp", folder / "..data")
    wait_for_targets(proxy, two)
    wait_for_answer(proxy, b"two")


def test_an_answer_under_way_ends_although_its_target_has_left(start_sluice, start_target, file):
    may_answer = threading.Event()

    def slow(connection):
        while connection.read_request():
            connection.wait(may_answer)
            connection.send(response(b"late"))

    old, new = start_target(slow), start_target(serve_body(b"new"))
    file.write(old)
    proxy = start_sluice(discovering(file, shrink_percent=100))
    with proxy.client() as client:
        client.send(request())
        old.wait_for_requests(1)
        file.write(new)
        wait_for_targets(proxy, new)
        wait_until(lambda: targets(proxy)[old.address]["state"] == "draining", "it drains")
        assert targets(proxy)[old.address]["source"] == "file"
        wait_for_answer(proxy, b"new")
        may_answer.set()
        assert client.response().body == b"late"
    wait_until(lambda: old.address not in targets(proxy), "it is gone")


def test_a_target_that_is_to_drain_gets_nothing_new_and_stays_in_the_list(start_sluice,
                                                                          start_target, file):
    old, new = start_target(serve_body(b"old")), start_target(serve_body(b"new"))
    file.write(old, new)
    proxy = start_sluice(discovering(file))
    file.write({"address": old.address, "draining": True}, new)
    wait_until(lambda: targets(proxy)[old.address]["state"] == "draining", "it drains")
    assert {ask(proxy).body for _ in range(5)} == {b"new"}
    # Nothing of it is left, but the file names it still.
    proxy.wait_for_metric_value("sluice_targets", 0, state="draining")
    assert targets(proxy)[old.address]["state"] == "draining"
    file.write(old, new)
    wait_for_targets(proxy, old, new)
    assert {ask(proxy).body for _ in range(10)} == {b"old", b"new"}


def test_a_new_target_is_checked_before_it_serves(start_sluice, start_target, file):
    well = start_target(serve_body(b"well"))
    dead = f"127.0.0.1:{free_port()}"
    file.write(well)
    proxy = start_sluice(discovering(file, more={"health_check": {"interval": "200ms"}}))
    wait_until(lambda: targets(proxy)[well.address]["state"] == "healthy", "it was checked")
    file.write(well, dead)
    wait_until(lambda: targets(proxy).get(dead, {}).get("state") == "unhealthy", "it was checked")
    assert {ask(proxy).body for _ in range(5)} == {b"well"}


def test_addresses_that_hand_out_credentials_are_never_targets(start_sluice, start_target, file):
    target = start_target(serve_body(b"found"))
    file.write(target, "169.254.169.254:80", "[fe80::1]:80")
    proxy = start_sluice(discovering(file))
    wait_for_targets(proxy, target)
    assert proxy.metric("sluice_discovery_refused_addresses_total", target_group="targets") >= 2
    proxy.wait_for_error_log("refused 2 addresses")


def test_ten_thousand_targets_come_and_go(start_sluice, start_target, file):
    target = start_target(serve_body(b"found"))
    many = [f"127.{1 + i // 250}.{i % 250}.1:1" for i in range(9_999)]
    file.write(target)
    proxy = start_sluice(discovering(file, shrink_percent=100))
    file.write(target, *({"address": each, "weight": 0} for each in many))
    proxy.wait_for_metric_value("sluice_discovery_targets", 10_000, target_group="targets")
    wait_until(lambda: len(targets(proxy)) == 10_000, "all are there", pause=0.2)
    wait_for_answer(proxy, b"found")
    file.write(target)
    wait_for_targets(proxy, target)
    wait_for_answer(proxy, b"found")
    proxy.wait_for_error_log("target group targets: 10000 targets, 9999 new, 0 leave")


def test_what_changes_is_told_as_events(start_sluice, start_target, file):
    one, two = start_target(serve_body(b"one")), start_target(serve_body(b"two"))
    file.write(one, two)
    proxy = start_sluice(discovering(file))
    file.write(one)
    wait_for_targets(proxy, one)
    proxy.wait_for_error_log(f"target targets {two.address} is registered (file)")
    proxy.wait_for_error_log(f"target targets {two.address} leaves (file)")
