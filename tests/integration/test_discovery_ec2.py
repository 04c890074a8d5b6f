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
            while not self._stop.wait(0.002):  # the machine has other work, too
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
        wait_until(lambda: targets(proxy)[target.address]["state"] == "draining",
                   lambda: f"it drains: {targets(proxy)}", pause=0.05)
        wait_until(lambda: targets(proxy)[target.address]["connections"] == 0,
                   "what it had under way has ended", pause=0.05)
        before = len(target.requests)
        asking.wait_for(100)
        assert len(target.requests) == before
        ec2.instances = [staying]
        wait_until(lambda: target.address not in targets(proxy),
                   lambda: f"it goes: {targets(proxy)}", pause=0.05)
    assert {status for status, _ in asking.answers} == {200}


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


def test_the_service_is_verified_when_it_is_asked_over_tls(start, start_target, authority, ec2,
                                                           keys):
    server = Ec2(start_target, keys, certificate=authority.issue("localhost", file_name="ec2"))
    server.instances = [Instance("10.255.0.1", TAGS)]
    settings = {"endpoint": server.url}
    unknown = start(settings=settings)
    unknown.wait_for_error_log("TLS: ")
    assert server.calls == 0
    # OpenSSL's own variable for the authorities of the system.
    proxy = start({**keys.environment(), "SSL_CERT_FILE": str(authority.cert)}, settings)
    wait_for_targets(proxy, 1)
    assert not server.refused


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
    proxy = start(settings={"timeout": "1s"})
    wait_for_targets(proxy, 1)
    with Asking(proxy) as asking:
        ec2.fault = fault
        wait_until(lambda: proxy.metric("sluice_discovery_looks_total")
                   > proxy.metric("sluice_discovery_looks_total", result="success"),
                   lambda: f"a look fails:\n{proxy.error_log()}", pause=0.05)
        asking.wait_for(50)
        assert len(targets(proxy)) == 1
        ec2.fault = None
        before = ec2.polls
        if fault is not throttled:  # which makes it wait, longer each time
            wait_until(lambda: ec2.polls > before, "it is asked again, and answers")
    assert set(asking.answers) == {(200, instance.address)}


def test_what_the_policy_lacks_is_said(start, ec2):
    ec2.fault = unauthorized
    proxy = start()
    proxy.wait_for_error_log(
        "UnauthorizedOperation: the policy of the role must allow ec2:DescribeInstances")


def test_throttling_is_answered_with_patience(start, ec2):
    ec2.fault = throttled
    proxy = start()
    proxy.wait_for_error_log("RequestLimitExceeded")
    # Without patience: three calls a poll, and a poll each second.
    before, began = ec2.calls, time.monotonic()
    wait_until(lambda: ec2.calls >= before + 2, "it asks again")
    assert time.monotonic() - began > 1.5


def test_one_failed_page_of_ten_is_asked_for_again(start, ec2):
    ec2.instances = [Instance(f"127.1.0.{number + 1}", TAGS) for number in range(100)]
    ec2.page_size = 10
    failed = []

    def once(request):
        if b"page%3D50" in request.body and not failed:
            failed.append(request)
            return broken(request)
        return None

    ec2.fault = once
    proxy = start(settings={"refresh": "1h"})
    wait_for_targets(proxy, 100)
    assert failed and (ec2.calls, ec2.polls) == (11, 1)


@pytest.mark.parametrize("ahead", [3600, -3600])
def test_a_clock_that_is_wrong_is_corrected_by_the_answer(start, cloud, ec2, ahead):
    cloud.launch()
    ec2.ahead = ahead
    for each in ec2.keys:
        each.expires += 7200
    proxy = start()
    wait_for_targets(proxy, 1)
    assert ec2.refused == ["RequestExpired"]
    proxy.wait_for_error_log("the clock of this machine is ")


# --- credentials ------------------------------------------------------------------------------------

def test_credentials_that_are_wrong_are_said(start, ec2):
    wrong = Keys()
    proxy = start(wrong.environment(), secrets=wrong.secrets())
    proxy.wait_for_error_log("RequestExpired: the credentials are not taken")
    changed = Keys(id=ec2.keys[0].id, secret="wrong+secret", token=ec2.keys[0].token)
    proxy = start(changed.environment(), secrets=changed.secrets())
    proxy.wait_for_error_log("SignatureDoesNotMatch: the credentials are not taken")
    assert "canonical" not in proxy.error_log()


def test_the_instance_gives_region_and_credentials_by_version_2_alone(start, start_target, cloud,
                                                                       ec2, keys):
    cloud.launch()
    imds = Imds(start_target, keys)
    proxy = start(imds.environment, {"region": None})
    wait_for_targets(proxy, 1)
    methods = [(each.method, each.target) for each in imds.target.requests]
    assert methods[0] == ("PUT", "/latest/api/token")
    assert len(imds.tokens) == 1
    shown = proxy.error_log()
    assert imds.tokens[0] not in shown


def test_a_token_that_the_instance_forgot_is_fetched_anew(start, start_target, cloud, ec2, keys):
    cloud.launch()
    imds = Imds(start_target, keys)
    proxy = start(imds.environment)
    wait_for_targets(proxy, 1)
    imds.tokens.clear()
    imds.keys = Keys()
    ec2.keys = [imds.keys]  # the former have ended
    before = ec2.polls
    wait_until(lambda: ec2.polls > before,
               lambda: f"it has the new credentials:\n{proxy.error_log()}")
    assert get(proxy)[0] == 200


def test_new_credentials_are_fetched_when_the_old_ones_end(start, start_target, cloud, ec2, keys):
    instance, _ = cloud.launch()
    imds = Imds(start_target, keys)
    proxy = start(imds.environment)
    wait_for_targets(proxy, 1)
    with Asking(proxy) as asking:
        ec2.keys = []
        proxy.wait_for_metric("sluice_discovery_looks_total", 1, result="failure")
        assert len(targets(proxy)) == 1
        ec2.keys = [imds.keys]
        before = ec2.polls
        wait_until(lambda: ec2.polls > before, "it answers again")
    assert set(asking.answers) == {(200, instance.address)}


def test_credentials_stay_in_use_while_the_instance_cannot_renew_them(start, start_target, cloud,
                                                                       ec2, keys):
    cloud.launch()
    # As in an outage of the service: what it has is as good as over, and EC2 takes it all the same.
    keys.expires = time.time() + 2
    imds = Imds(start_target, keys)
    document = keys.document()
    keys.document = lambda: document
    keys.expires = time.time() + 3600
    proxy = start(imds.environment)
    wait_for_targets(proxy, 1)
    proxy.wait_for_error_log("they stay in use until there are others")
    imds.fault = 500
    before = ec2.polls
    wait_until(lambda: ec2.polls >= before + 3, "it goes on asking")
    assert not ec2.refused


def test_an_instance_without_a_role_is_said(start, start_target):
    proxy = start(Imds(start_target).environment)
    proxy.wait_for_error_log("credentials of the instance: it has no role (instance profile)")


@pytest.mark.parametrize("fault, said", [
    (403, "it is switched off for this instance"),
    (404, "version 2 of the service is needed"),
    (500, "version 2 of the service is needed")])
def test_a_metadata_service_without_tokens_is_not_asked_without(start, start_target, fault, said):
    imds = Imds(start_target, Keys())
    imds.fault = fault
    proxy = start(imds.environment)
    proxy.wait_for_error_log(said)
    assert {each.method for each in imds.target.requests} == {"PUT"}


def test_a_metadata_service_that_is_silent_is_told_from_its_hop_limit(start, start_target):
    imds = start_target(lambda connection: connection.wait_for_close())
    proxy = start({"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{imds.address}"})
    proxy.wait_for_error_log("in a container its hop limit must be 2 or more")


def test_metadata_that_is_switched_off_is_not_asked(start, start_target):
    imds = Imds(start_target, Keys())
    proxy = start({**imds.environment, "AWS_EC2_METADATA_DISABLED": "true"})
    proxy.wait_for_error_log("switched off by AWS_EC2_METADATA_DISABLED")
    assert not imds.target.requests


def test_a_web_identity_is_read_anew_each_time(start, start_target, tmp_path, cloud, ec2, keys):
    cloud.launch()
    file = tmp_path / "token"
    file.write_text("eyJ+first\n")
    sts = Sts(start_target, keys, "eyJ+first")
    proxy = start({**sts.environment, "AWS_WEB_IDENTITY_TOKEN_FILE": str(file),
                   "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/proxy"},
                  secrets=["eyJ+first", "eyJ+second"])
    wait_for_targets(proxy, 1)
    sts.identity = "eyJ+second"
    sts.keys = Keys()
    ec2.keys = [sts.keys]
    proxy.wait_for_error_log("InvalidIdentityToken")
    file.write_text("eyJ+second")
    before = ec2.polls
    wait_until(lambda: ec2.polls > before,
               lambda: f"it has the new credentials:\n{proxy.error_log()}")


def test_a_container_shows_the_token_of_its_file(start, start_target, tmp_path, cloud, keys):
    cloud.launch()
    file = tmp_path / "token"
    file.write_text("agent+token+1")
    agent = ContainerAgent(start_target, keys, "agent+token+1")
    proxy = start({**agent.environment, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file)},
                  secrets=["agent+token+1"])
    wait_for_targets(proxy, 1)


def test_a_container_address_of_somebody_else_is_not_asked(start):
    proxy = start({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1/credentials"})
    proxy.wait_for_error_log("credentials of the container: its address must be https://")
