"""Targets that are EC2 instances: found by their tags, drained, and kept through every failure."""

import json
import threading
import time

import pytest

from support.aws import (REGION, ContainerAgent, Ec2, Imds, Instance, Keys, Sts, body_of, broken,
                         throttled, unauthorized)
from support.configuration import group, site
from support.ports import free_port
from support.target import serve_body
from support.waiting import wait_until

TAGS = {"Role": "api"}
# Nothing of the machine that runs the tests.
CLEAN = {name: "" for name in (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION",
    "AWS_DEFAULT_REGION", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")}


@pytest.fixture
def keys():
    return Keys()


@pytest.fixture
def ec2(start_target, keys):
    return Ec2(start_target, keys)


class Cloud:
    """Targets on addresses of loopback, all on one port, as instances of `ec2`."""

    def __init__(self, ec2, start_target):
        self.ec2 = ec2
        self.port = free_port()
        self._start_target = start_target
        self._hosts = 2

    def launch(self, **more):
        """An instance that runs, and its target."""
        host = f"127.0.0.{self._hosts}"
        self._hosts += 1
        target = self._start_target(serve_body(host.encode()), host=host, port=self.port)
        instance = Instance(host, {**TAGS, **more})
        self.ec2.instances = [*self.ec2.instances, instance]
        return instance, target


@pytest.fixture
def cloud(ec2, start_target):
    return Cloud(ec2, start_target)


@pytest.fixture
def start(start_sluice, ec2, cloud, keys):
    """The proxy, with the credentials in its environment unless told otherwise. At the end no secret
    may be in anything that it wrote or shows."""
    proxies, hidden = [], list(keys.secrets())

    def begin(environment=None, settings=None, secrets=(), **more):
        hidden.extend(secrets)
        source = {"ec2": {"tags": TAGS, "region": REGION, "endpoint": ec2.url, "port": cloud.port,
                          "refresh": "1s", **(settings or {})}}
        source["ec2"] = {key: value for key, value in source["ec2"].items() if value is not None}
        config = site(log={"level": "debug"})
        config["target_groups"] = [group("targets", discovery=[source], **more)]
        del config["target_groups"][0]["targets"]
        if environment is None:
            environment = keys.environment()
        proxies.append(start_sluice(config, environment={**CLEAN, **environment}))
        return proxies[-1]

    yield begin
    for proxy in proxies:
        shown = proxy.error_log() + json.dumps(proxy.access_log())
        if proxy.process.poll() is None:
            for path in ("/metrics", "/v1/status", "/v1/target-groups", "/",
                         "/v1/target-groups/targets", "/v1/target-groups/targets/targets"):
                shown += proxy.admin_get(path).body.decode()
        for secret in [*hidden, *(keys.secrets() for keys in ec2.keys)]:
            for text in [secret] if isinstance(secret, str) else secret:
                assert text not in shown, shown


def targets(proxy):
    answer = proxy.admin_get("/v1/target-groups/targets/targets")
    assert answer.status == 200, answer.body
    return {each["id"]: each for each in json.loads(answer.body)}


def wait_for_targets(proxy, count):
    wait_until(lambda: len(targets(proxy)) == count,
               lambda: f"there are {count} targets, not {len(targets(proxy))}:\n"
                       f"{proxy.error_log()}", pause=0.05)
    return targets(proxy)


def get(proxy):
    with proxy.client() as client:
        answer = client.ask("GET", "/")
        return answer.status, answer.body.decode()


class Asking:
    """Requests, one after the other, until the end of the block; all answers."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.answers = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        with self.proxy.client() as client:
            while not self._stop.is_set():
                answer = client.ask("GET", "/")
                self.answers.append((answer.status, answer.body.decode()))

    def wait_for(self, more):
        least = len(self.answers) + more
        wait_until(lambda: len(self.answers) >= least or not self._thread.is_alive(),
                   "more answers came")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


# --- what is found ----------------------------------------------------------------------------------

def test_instances_with_the_tags_are_targets(start, cloud, ec2):
    instance, _ = cloud.launch()
    ec2.instances += [Instance("127.0.0.99", {"Role": "web"}),
                      Instance("127.0.0.98", TAGS, state="stopped")]
    proxy = start()
    found = wait_for_targets(proxy, 1)
    target = found[f"{instance.address}:{cloud.port}"]
    assert target["source"] == "ec2"
    assert get(proxy) == (200, instance.address)
    assert not ec2.refused


def test_a_thousand_instances_come_over_ten_pages(start, ec2):
    ec2.instances = [Instance(f"127.1.{number // 200}.{number % 200 + 1}", TAGS)
                     for number in range(1000)]
    proxy = start(settings={"refresh": "1h"})
    found = wait_for_targets(proxy, 1000)
    assert {each.rpartition(":")[0] for each in found} == \
        {each.address for each in ec2.instances}
    assert (ec2.calls, ec2.polls) == (10, 1)
    assert not ec2.refused


def test_a_new_instance_takes_traffic_within_a_poll_and_a_check(start, cloud):
    cloud.launch()
    proxy = start(health_check={"path": "/", "interval": "30s", "timeout": "5s"})
    wait_until(lambda: get(proxy)[0] == 200, "the first instance answers", pause=0.05)
    instance, _ = cloud.launch()
    # Its first check comes at once, not after an interval.
    wait_until(lambda: get(proxy) == (200, instance.address),
               lambda: f"{instance.address} has a request:\n{proxy.error_log()}", pause=0.05)


def test_an_instance_tagged_to_drain_is_gone_without_a_failed_request(start, cloud, ec2):
    leaving, target = cloud.launch()
    staying, _ = cloud.launch()
    proxy = start(deregistration_delay="1s")
    wait_for_targets(proxy, 2)
    with Asking(proxy) as asking:
        wait_until(lambda: (200, leaving.address) in asking.answers, "it is asked")
        leaving.tags["sluice:drain"] = "true"
        wait_until(lambda: targets(proxy).get(target.address, {"state": "gone"})["state"]
                   in ("draining", "gone"), "it drains", pause=0.05)
        wait_for_state_gone(proxy, target)
        before = len(target.requests)
        asking.wait_for(200)
        assert len(target.requests) == before
        ec2.instances = [staying]
    assert {status for status, _ in asking.answers} == {200}


def wait_for_state_gone(proxy, target):
    """It gets no new request any more: it drains, or is not there."""
    seen = len(target.requests)

    def is_still():
        nonlocal seen
        former, seen = seen, len(target.requests)
        state = targets(proxy).get(target.address, {"state": "gone"})["state"]
        return former == seen and state in ("draining", "gone", "unused")

    wait_until(is_still, "nobody asks it", pause=0.2)


def test_an_instance_that_shuts_down_drains(start, cloud):
    leaving, target = cloud.launch()
    cloud.launch()
    proxy = start(deregistration_delay="60s")
    wait_for_targets(proxy, 2)
    leaving.state = "shutting-down"
    wait_until(lambda: targets(proxy).get(target.address, {}).get("state") in (None, "draining"),
               lambda: f"it drains: {targets(proxy)}", pause=0.05)
    assert {get(proxy)[0] for _ in range(20)} == {200}


def test_port_and_weight_come_from_tags(start, cloud, ec2):
    first, _ = cloud.launch(port=str(cloud.port), weight="5")
    ec2.instances.append(Instance("127.0.0.77", {**TAGS, "port": "http"}))
    proxy = start(settings={"port": None, "port_tag": "port", "weight_tag": "weight"})
    found = wait_for_targets(proxy, 1)
    assert found[f"{first.address}:{cloud.port}"]["weight"] == 5
    proxy.wait_for_error_log("its tag port is no port")


def test_an_answer_cannot_name_the_metadata_service(start, cloud, ec2):
    cloud.launch()
    ec2.instances += [Instance("169.254.169.254", TAGS), Instance("169.254.1.2", TAGS),
                      Instance("0.0.0.0", TAGS)]
    proxy = start()
    wait_for_targets(proxy, 1)
    proxy.wait_for_metric("sluice_discovery_looks_total", 3, result="success")
    assert len(targets(proxy)) == 1


def test_groups_with_the_same_question_share_the_answer(start_sluice, ec2, cloud, keys):
    cloud.launch()
    config = site()
    names = [f"group-{number}" for number in range(5)]
    config["target_groups"] = [
        {"name": name, "discovery": [{"ec2": {"tags": TAGS, "region": REGION, "endpoint": ec2.url,
                                              "port": cloud.port + number, "refresh": "1h"}}]}
        for number, name in enumerate(names)]
    config["listeners"][0]["default_action"] = {"forward": names[0]}
    proxy = start_sluice(config, environment={**CLEAN, **keys.environment()})
    for name in names:
        proxy.wait_for_metric("sluice_discovery_looks_total", 1, result="success",
                              target_group=name)
    assert ec2.calls == 1


# --- what fails -------------------------------------------------------------------------------------

HUGE = "<DescribeInstancesResponse><reservationSet>" + "<item/>" * 500_000
DEEP = ("<DescribeInstancesResponse><reservationSet>" + "<item>" * 20_000 + "</item>" * 20_000
        + "</reservationSet></DescribeInstancesResponse>")
EMPTY = "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>"


@pytest.mark.parametrize("fault", [
    pytest.param(throttled, id="throttling"),
    pytest.param(broken, id="500"),
    pytest.param(unauthorized, id="unauthorized"),
    pytest.param(body_of(EMPTY), id="empty"),
    pytest.param(body_of("<DescribeInstancesResponse><reservationSet><item>"), id="truncated"),
    pytest.param(body_of(HUGE), id="huge"),
    pytest.param(body_of(DEEP), id="deep"),
    pytest.param(body_of("x" * (9 << 20)), id="too-many-bytes"),
    pytest.param(body_of("<html>captive portal</html>"), id="html"),
    pytest.param(lambda _request: b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n<Desc",
                 id="broken-off"),
    pytest.param(lambda _request: b"SSH-2.0-OpenSSH\r\n", id="not-http")])
def test_the_last_good_set_stays(start, cloud, ec2, fault):
    instance, _ = cloud.launch()
    proxy = start()
    wait_for_targets(proxy, 1)
    with Asking(proxy) as asking:
        ec2.fault = fault
        proxy.wait_for_metric("sluice_discovery_looks_total", 1,
                              result="empty" if fault is FAULT_EMPTY(fault) else "failure")
        asking.wait_for(50)
        assert len(targets(proxy)) == 1
        ec2.fault = None
        before = ec2.polls
        if fault is not throttled:  # which makes it wait, longer each time
            wait_until(lambda: ec2.polls > before, "it is asked again, and answers")
    assert set(asking.answers) == {(200, instance.address)}
