"""The admin API about target groups: what it tells, targets that leave or come back, events."""

import http.client
import json
import socket
import threading

import pytest

from support.client import request
from support.configuration import group, listener, site
from support.ports import free_port
from support.target import response, serve, serve_body
from support.waiting import PATIENCE, wait_for_event, wait_until

STREAMS_MAX = 16


def get(proxy, path):
    answer = proxy.admin_get(path)
    assert answer.status == 200, answer.body
    assert answer.getheader("Content-Type") == "application/json"
    return json.loads(answer.body)


def targets(proxy, name="targets"):
    return {each["id"]: each for each in get(proxy, f"/v1/target-groups/{name}/targets")}


def wait_for_state(proxy, target, state, name="targets"):
    """`state` None: it is not there any more."""
    def reached():
        now = targets(proxy, name).get(target.address)
        return (now and now["state"]) == state

    wait_until(reached, lambda: f"{target.address} is {state}: {targets(proxy, name)}")


class Stream:
    """A reader of /v1/events."""

    def __init__(self, proxy, path="/v1/events", **fields):
        self._connection = http.client.HTTPConnection("127.0.0.1", proxy.admin_port,
                                                      timeout=PATIENCE)
        self._connection.request("GET", path, headers=fields)
        self.answer = self._connection.getresponse()
        if self.answer.status == 200:
            # From here on every event comes: its first comment is behind the subscription.
            while self.answer.readline() != b": events of sluice\n":
                pass
            assert self.answer.readline() == b"\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answer.close()
        self._connection.close()

    def next(self):
        fields = {}
        while True:
            line = self.answer.readline().decode()
            assert line, "the stream has ended"
            if line == "\n" and "data" in fields:
                event = json.loads(fields["data"])
                assert fields["event"] == event["type"]
                assert fields["id"] == str(event["id"])
                return event
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                fields[name] = value

    def wait_for(self, **expected):
        """The next event that has all of these."""
        while True:
            event = self.next()
            if all(event.get(name) == value for name, value in expected.items()):
                return event


class Held:
    """A target whose answers wait for `go_on`."""

    def __init__(self, start_target):
        self.go_on = threading.Event()
        self.target = start_target(serve(self._respond))

    def _respond(self, _):
        wait_for_event(self.go_on)
        return response(b"held")


# --- what it tells -------------------------------------------------------------------------------

def test_groups_and_their_targets_are_told(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice({"listeners": [listener()], "target_groups": [
        group("targets", {"address": target.address, "weight": 3}, algorithm="least_time",
              stickiness={"type": "lb_cookie"}),
        group("spare", target, protocol_version="http2")]})
    groups = get(proxy, "/v1/target-groups")
    assert [each["name"] for each in groups] == ["targets", "spare"]
    assert groups[0] == {
        "name": "targets", "protocol": "http", "protocol_version": "http1", "algorithm": "least_time",
        "stickiness": "lb_cookie", "in_use": True, "ejected": 0, "fails_open": False,
        "targets": {"initial": 0, "healthy": 1, "unhealthy": 0, "draining": 0, "unused": 0}}
    assert groups[1]["protocol_version"] == "http2"
    assert groups[1]["in_use"] is False and groups[1]["targets"]["unused"] == 1
    assert get(proxy, "/v1/target-groups/spare") == groups[1]
    with proxy.client() as client:
        assert client.ask().status == 200
    # What the loop counts is there when the exchange is over.
    wait_until(lambda: targets(proxy)[target.address]["active_requests"] == 0, "it is idle again")
    [known] = targets(proxy).values()
    assert known["id"] == known["address"] == target.address
    assert known["weight"] == 3 and known["source"] == "config"
    assert known["state"] == "healthy" and known["reason"] == "Target.HealthCheckDisabled"
    assert known["since"].endswith("Z")
    assert known["ejected"] is None and known["last_check"] is None
    assert known["slow_start_percent"] == 100 and known["share_percent"] == 100
    assert known["connections"] >= 1 and known["latency_ms"] > 0
    assert "deregistration_remaining_s" not in known
    assert proxy.metric("sluice_targets", target_group="targets", state="healthy") == 1
    assert proxy.metric("sluice_targets", target_group="targets", state="draining") == 0


@pytest.mark.parametrize("path", ["/v1/target-groups/none", "/v1/target-groups/none/targets",
                                  "/v1/target-groups/a%2Fb", "/v1/target-groups/%2e%2e/targets"])
def test_an_unknown_group_is_a_problem(start_sluice, start_target, path):
    proxy = start_sluice(site(start_target(serve_body())))
    answer = proxy.admin_get(path)
    assert answer.status == 404
    assert answer.getheader("Content-Type") == "application/problem+json"
    assert "targets" in json.loads(answer.body)["detail"]


def test_names_may_have_every_character_that_is_allowed(start_sluice, start_target):
    target = start_target(serve_body())
    names = ["a.b-c_d", "..", "-", "A" * 64]
    proxy = start_sluice({"listeners": [listener(default=names[0])],
                          "target_groups": [group(name, target) for name in names]})
    for name in names:
        encoded = "".join(f"%{ord(each):02X}" for each in name)
        assert get(proxy, f"/v1/target-groups/{encoded}")["name"] == name
        assert target.address in targets(proxy, encoded)
    assert proxy.admin_get("/v1/target-groups/%zz").status == 400


def test_fifty_groups_of_twenty_targets_are_told(start_sluice):
    port = free_port()
    groups = [group(f"group-{number}", *[f"127.0.{number}.{host}:{port}" for host in range(1, 21)])
              for number in range(50)]
    proxy = start_sluice({"listeners": [listener(default="group-0")], "target_groups": groups})
    told = get(proxy, "/v1/target-groups")
    assert len(told) == 50
    assert sum(sum(each["targets"].values()) for each in told) == 1000
    for number in range(50):
        assert len(get(proxy, f"/v1/target-groups/group-{number}/targets")) == 20
    # One event for each state: the ring has them all.
    with Stream(proxy, "/v1/events?since=0") as stream:
        assert [stream.next()["id"] for _ in range(1000)] == list(range(1, 1001))


# --- checks and ejection -------------------------------------------------------------------------

def test_a_failed_check_is_told(start_sluice, start_target):
    sick = threading.Event()
    target = start_target(serve(
        lambda _: response(status=503 if sick.is_set() else 200, phrase="-")))
    check = {"interval": "1s", "timeout": "1s", "unhealthy_threshold": 1}
    proxy = start_sluice({"listeners": [listener()], "target_groups": [
        group("targets", target, health_check=check)]})
    wait_for_state(proxy, target, "healthy")
    with Stream(proxy) as stream:
        sick.set()
        event = stream.wait_for(type="target_state", state="unhealthy",
                                reason="Target.ResponseCodeMismatch")
    assert event["former"] == "healthy" and event["target"] == target.address
    known = targets(proxy)[target.address]
    assert known["state"] == "unhealthy" and known["reason"] == event["reason"]
    assert known["last_check"]["result"] == "failure" and known["last_check"]["text"]
    assert known["last_check"]["duration_ms"] >= 0
    assert get(proxy, "/v1/target-groups/targets")["fails_open"] is True
    line = f"target targets {target.address} is unhealthy: {event['reason']} (was healthy)"
    assert f"warning {line}" in proxy.wait_for_error_log(line)
    proxy.wait_for_metric("sluice_target_state_changes_total", target_group="targets",
                          state="unhealthy")
    proxy.wait_for_metric_value("sluice_targets", 1, target_group="targets", state="unhealthy")


def test_an_ejection_is_told(start_sluice, start_target):
    target = start_target(serve_body())
    dead = f"127.0.0.1:{free_port()}"
    proxy = start_sluice({"listeners": [listener()], "target_groups": [
        group("targets", target, dead, passive_health={"ejection_time": "1h",
                                                       "max_ejection_time": "1h"})]})
    with Stream(proxy) as stream, proxy.client() as client:
        client.ask()
        client.ask()
        event = stream.wait_for(type="target_ejected")
    assert event["target"] == dead and event["ejected_for_ms"] == 3_600_000
    ejected = targets(proxy)[dead]["ejected"]
    assert ejected["reason"] == event["reason"] == "Target.EjectedConsecutiveFailures"
    assert ejected["probing"] is False and ejected["until"] > event["time"]
    assert get(proxy, "/v1/target-groups/targets")["ejected"] == 1
    proxy.wait_for_metric_value("sluice_targets_ejected", 1, target_group="targets")
    proxy.wait_for_metric_value("sluice_target_ejections_total", 1, target_group="targets",
                                reason="Target.EjectedConsecutiveFailures")


# --- leaving -------------------------------------------------------------------------------------

def test_a_target_that_left_drains_and_goes_when_it_is_idle(start_sluice, start_target):
    held = Held(start_target)
    other = start_target(serve_body())
    proxy = start_sluice(site(held.target))
    with Stream(proxy) as stream, proxy.client() as client:
        client.send(request())
        held.target.wait_for_requests(1)
        proxy.reload(site(other))
        stream.wait_for(type="target_state", target=held.target.address, state="draining")
        draining = targets(proxy)[held.target.address]
        assert draining["reason"] == "Target.DeregistrationInProgress"
        assert draining["active_requests"] == 1
        assert 0 < draining["deregistration_remaining_s"] <= 300
        assert get(proxy, "/v1/target-groups/targets")["targets"]["draining"] == 1
        held.go_on.set()
        assert client.response().body == b"held"
        gone = stream.wait_for(type="target_gone")
        assert gone["target"] == held.target.address and gone["reason"] == "idle"
    wait_for_state(proxy, held.target, None)
    assert targets(proxy)[other.address]["state"] == "healthy"
    proxy.wait_for_metric_value("sluice_targets", 0, target_group="targets", state="draining")


def test_a_busy_target_goes_when_its_delay_is_over(start_sluice, start_target):
    held = Held(start_target)
    proxy = start_sluice({"listeners": [listener()], "target_groups": [
        group("targets", held.target, deregistration_delay="1s")]})
    with Stream(proxy) as stream, proxy.client() as client:
        client.send(request())
        held.target.wait_for_requests(1)
        proxy.reload(site(start_target(serve_body())))
        stream.wait_for(type="target_gone", target=held.target.address)
        assert client.response().status == 502
    wait_for_state(proxy, held.target, None)
    held.go_on.set()


def test_a_target_that_comes_back_is_registered_again(start_sluice, start_target):
    held = Held(start_target)
    other = start_target(serve_body())
    both = site(held.target, other)
    proxy = start_sluice(both)
    with Stream(proxy) as stream, proxy.client() as first, proxy.client() as second:
        first.send(request())
        second.send(request())
        held.target.wait_for_requests(1)
        proxy.reload(site(other))
        stream.wait_for(type="target_state", target=held.target.address, state="draining")
        proxy.reload(both)
        event = stream.wait_for(type="target_state", target=held.target.address)
        assert event["state"] == "healthy" and event["former"] == "draining"
        held.go_on.set()
        assert {first.response().body, second.response().body} == {b"held",
                                                                    b"hello from the target"}
    assert targets(proxy)[held.target.address]["state"] == "healthy"


def test_no_request_fails_while_all_targets_of_a_group_are_replaced(start_sluice, start_target):
    pair = [start_target(serve_body()) for _ in range(2)]
    proxy = start_sluice(site(pair[0], workers=2))
    done = threading.Event()
    statuses = []

    def load():
        with proxy.client() as client:
            while not done.is_set():
                statuses.append(client.ask().status)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        for number in range(1, 9):
            proxy.reload(site(pair[number % 2], workers=2))
    finally:
        done.set()
        thread.join(PATIENCE)
    assert set(statuses) == {200}


# --- events --------------------------------------------------------------------------------------

def test_reloads_are_events(start_sluice, start_target):
    config = site(start_target(serve_body()))
    proxy = start_sluice(config)
    with Stream(proxy) as stream:
        assert stream.answer.getheader("Content-Type") == "text/event-stream"
        proxy.reload(config)
        event = stream.wait_for(type="reload")
        assert event["result"] == "success" and event["revision"] == 2 and event["error"] is None
        proxy.reload("nonsense: 1\n", result="failure")
        event = stream.wait_for(type="reload")
        assert event["result"] == "failure" and event["revision"] == 2
        assert "sluice.yaml:1:1: listeners: missing" in event["error"]


def test_a_reader_that_connects_again_misses_nothing(start_sluice, start_target):
    config = site(start_target(serve_body()))
    proxy = start_sluice(config)
    proxy.reload(config)
    with Stream(proxy, "/v1/events?since=0") as stream:
        last = stream.wait_for(type="reload")
    proxy.reload(config)
    with Stream(proxy, **{"Last-Event-ID": str(last["id"])}) as stream:
        event = stream.next()
        assert event["id"] == last["id"] + 1 and event["revision"] == 3


def test_events_are_an_array_for_who_wants_json(start_sluice, start_target):
    config = site(start_target(serve_body()))
    proxy = start_sluice(config)
    proxy.reload(config)
    connection = http.client.HTTPConnection("127.0.0.1", proxy.admin_port, timeout=PATIENCE)
    connection.request("GET", "/v1/events", headers={"Accept": "application/json"})
    events = json.loads(connection.getresponse().read())
    connection.close()
    assert [each["id"] for each in events] == list(range(1, len(events) + 1))
    assert events[0]["type"] == "target_state" and events[-1]["type"] == "reload"


def test_it_stays_alive_with_all_streams_open_and_one_that_ends_makes_room(start_sluice,
                                                                           start_target):
    proxy = start_sluice(site(start_target(serve_body())))
    streams = [Stream(proxy) for _ in range(STREAMS_MAX)]
    try:
        assert proxy.admin_get("/livez").status == 200
        assert proxy.admin_get("/readyz").status == 200
        assert proxy.admin_get("/v1/events").status == 503
        streams.pop().__exit__()

        def has_room():
            with Stream(proxy) as stream:
                return stream.answer.status == 200

        wait_until(has_room, "a stream that ended has made room")
    finally:
        for stream in streams:
            stream.__exit__()


def test_a_reader_that_reads_nothing_stops_nobody(start_sluice, start_target):
    config = site(start_target(serve_body()))
    proxy = start_sluice(config)
    with socket.create_connection(("127.0.0.1", proxy.admin_port), timeout=PATIENCE) as idle:
        idle.sendall(b"GET /v1/events?since=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with Stream(proxy) as stream:
            proxy.reload(config)
            assert stream.wait_for(type="reload")["revision"] == 2
        assert proxy.admin_get("/livez").status == 200


def test_it_ends_with_streams_open(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body())))
    with Stream(proxy) as stream:
        assert proxy.stop() == 0
        assert stream.answer.read() == b""
