"""Targets out of the DNS: they follow its records, and whatever a name server does or does not do,
the pool never empties and no request fails."""

import itertools
import json
import os

import pytest
from support.configuration import site
from support.dns import (Dnsmasq, NameServer, cut_off, reply_with, reply_with_broken_records,
                         reply_with_code, reply_with_garbage, stay_silent)
from support.load import Load
from support.target import serve_body
from support.waiting import wait_until

# 60 for the whole minute of the promise: fifty records that change every second.
CHANGES = int(os.environ.get("SLUICE_DNS_CHANGES", "8"))
RECORDS = 50
CHANGED_AT_A_TIME = 10


@pytest.fixture
def resources():
    opened = []
    yield opened
    for each in reversed(opened):
        each.close()


@pytest.fixture
def any_address(start_target):
    """A target on one port of every address of 127.0.0.0/8."""
    return start_target(serve_body(b"here"), host="0.0.0.0")


def addresses(numbers):
    return [f"127.0.1.{number}" for number in numbers]


def configuration(dns, **more):
    config = site(workers=2)
    config["target_groups"][0].update(
        discovery=[{"dns": {"timeout": "1s", "refresh": "1s", "allow_loopback": True, **dns}}],
        health_check={"path": "/", "interval": "1s", "timeout": "1s"},
        deregistration_delay="1s", **more)
    return config


def targets_of(proxy):
    """Address -> the target, of those that are not on their way out."""
    answer = proxy.admin_get("/v1/target-groups/targets/targets")
    assert answer.status == 200
    return {each["address"]: each for each in json.loads(answer.body)
            if each["state"] != "draining"}


def wait_for_targets(proxy, expected):
    expected = set(expected)
    wait_until(lambda: set(targets_of(proxy)) == expected,
               lambda: f"{len(expected)} targets {sorted(expected)}, not "
                       f"{sorted(targets_of(proxy))}:\n{proxy.error_log()}", pause=0.05)


def wait_for_looks(proxy, result, more=2):
    """`more` looks end like that from now on."""
    before = proxy.metric("sluice_discovery_looks_total", result=result)
    proxy.wait_for_metric("sluice_discovery_looks_total", before + more, result=result)


def assert_serves(proxy, count=20):
    for _ in range(count):
        with proxy.client() as client:
            assert client.ask().body == b"here"


def test_records_that_change_under_load_fail_no_request(start_sluice, any_address, resources,
                                                        tmp_path):
    server = Dnsmasq(tmp_path / "dns")
    resources.append(server)
    numbers = list(range(1, RECORDS + 1))
    server.publish(api=addresses(numbers))
    proxy = start_sluice(configuration({"name": "api.test", "port": any_address.port,
                                        "servers": [server.address]}))
    wait_for_targets(proxy, [f"{each}:{any_address.port}" for each in addresses(numbers)])
    proxy.wait_for_metric_value("sluice_targets", RECORDS, state="healthy")

    load = Load(f"http://127.0.0.1:{proxy.port()}/", tmp_path)
    resources.append(load)
    for change in range(CHANGES):
        first = 1 + (change + 1) * CHANGED_AT_A_TIME % 150
        numbers = list(range(first, first + RECORDS))
        server.publish(api=addresses(numbers))
        wait_for_targets(proxy, [f"{each}:{any_address.port}" for each in addresses(numbers)])
    requests, failures = load.stop()
    assert requests > 0
    assert failures == 0, f"{failures} of {requests} failed:\n{proxy.error_log()}"


def test_services_bring_ports_weights_and_the_lowest_priority(start_sluice, start_target, resources,
                                                              tmp_path):
    first, second = start_target(serve_body(b"here")), start_target(serve_body(b"here"))
    server = Dnsmasq(tmp_path / "dns", services=[
        ("_api._tcp.test", "a.test", first.port, 1, 30),
        ("_api._tcp.test", "b.test", second.port, 1, 10),
        ("_api._tcp.test", "c.test", 9, 2, 10)])
    resources.append(server)
    server.publish(a=["127.0.0.1"], b=["127.0.0.1"], c=["127.0.0.3"])
    proxy = start_sluice(configuration({"srv": "_api._tcp.test", "servers": [server.address]}))
    wait_for_targets(proxy, [first.address, second.address])
    found = targets_of(proxy)
    assert found[first.address]["weight"] == 30
    assert found[second.address]["weight"] == 10
    assert found[first.address]["source"] == "dns"
    assert_serves(proxy)


def test_an_answer_that_does_not_fit_comes_over_tcp(start_sluice, any_address, resources, tmp_path):
    server = Dnsmasq(tmp_path / "dns")
    resources.append(server)
    server.publish(api=addresses(range(1, 121)))  # more than 1232 bytes
    proxy = start_sluice(configuration({"name": "api.test", "port": any_address.port,
                                        "servers": [server.address]}))
    proxy.wait_for_metric_value("sluice_discovery_targets", 120)


def test_a_name_that_is_gone_leaves_its_last_targets(start_sluice, any_address, resources, tmp_path):
    server = Dnsmasq(tmp_path / "dns")
    resources.append(server)
    server.publish(api=addresses([1, 2, 3]))
    proxy = start_sluice(configuration({"name": "api.test", "port": any_address.port,
                                        "servers": [server.address]}))
    expected = [f"{each}:{any_address.port}" for each in addresses([1, 2, 3])]
    wait_for_targets(proxy, expected)
    proxy.wait_for_metric_value("sluice_targets", 3, state="healthy")

    server.forget("api")
    wait_for_looks(proxy, "empty")
    proxy.wait_for_error_log("names no target (api.test: no such name); the 3 targets found before stay")
    assert set(targets_of(proxy)) == set(expected)
    assert_serves(proxy)

    server.publish(api=addresses([1, 2, 3, 4]))
    wait_for_targets(proxy, [*expected, f"127.0.1.4:{any_address.port}"])


@pytest.mark.parametrize("fault, said", [
    (reply_with_code("SERVFAIL"), "answered SERVFAIL"),
    (reply_with_code("REFUSED"), "answered REFUSED"),
    (stay_silent, "no answer in time"),
    (reply_with_garbage, "no answer in time"),
    (reply_with_broken_records, "the answer is malformed"),
    (cut_off, "the connection was refused or broke off"),
], ids=["servfail", "refused", "silence", "garbage", "broken records", "cut off over TCP"])
def test_a_name_server_out_of_order_leaves_the_last_targets(fault, said, start_sluice, any_address,
                                                            resources):
    server = NameServer(reply_with("127.0.1.1", "127.0.1.2"))
    resources.append(server)
    proxy = start_sluice(configuration({"name": "api.test", "port": any_address.port,
                                        "servers": [server.address], "timeout": "500ms"}))
    expected = {f"127.0.1.{number}:{any_address.port}" for number in (1, 2)}
    wait_for_targets(proxy, expected)
    proxy.wait_for_metric_value("sluice_targets", 2, state="healthy")

    server.answer = fault
    wait_for_looks(proxy, "failure")
    assert set(targets_of(proxy)) == expected
    assert_serves(proxy)
    proxy.wait_for_error_log("api.test A: " + server.address + ": " + said)

    server.answer = reply_with("127.0.1.2", "127.0.1.3")
    wait_for_targets(proxy, {f"127.0.1.{number}:{any_address.port}" for number in (2, 3)})
    assert_serves(proxy)


def test_a_name_that_leads_to_credentials_is_refused(start_sluice, any_address, resources):
    server = NameServer(reply_with("169.254.169.254", "127.0.1.1"))
    resources.append(server)
    proxy = start_sluice(configuration({"name": "api.test", "port": any_address.port,
                                        "servers": [server.address]}))
    wait_for_targets(proxy, [f"127.0.1.1:{any_address.port}"])
    proxy.wait_for_metric("sluice_discovery_refused_addresses_total")


def test_truncated_answers_come_over_tcp_from_a_server_that_truncates_all(start_sluice, any_address,
                                                                          resources):
    server = NameServer(reply_with("127.0.1.1", truncate=True))
    resources.append(server)
    proxy = start_sluice(configuration({"name": "api.test", "port": any_address.port,
                                        "servers": [server.address]}))
    wait_for_targets(proxy, [f"127.0.1.1:{any_address.port}"])
    assert ("api.test.", "A", False) in server.questions
    assert ("api.test.", "A", True) in server.questions


def test_a_second_server_takes_the_place_of_a_silent_one(start_sluice, any_address, resources):
    silent, well = NameServer(stay_silent), NameServer(reply_with("127.0.1.1"))
    resources.extend([silent, well])
    proxy = start_sluice(configuration({"name": "api.test", "port": any_address.port,
                                        "servers": [silent.address, well.address]}))
    wait_for_targets(proxy, [f"127.0.1.1:{any_address.port}"])


def test_answers_that_show_a_part_are_put_together(start_sluice, any_address, resources):
    """As Route 53 and Consul do: a few records out of more, others each time."""
    shown = itertools.cycle([[1, 2], [3, 4], [5, 6], [7, 8]])
    server = NameServer(lambda question, over_tcp: reply_with(*addresses(next(shown)))(
        question, over_tcp))
    resources.append(server)
    proxy = start_sluice(configuration({"name": "api.test", "port": any_address.port,
                                        "family": "ipv4", "servers": [server.address],
                                        "min_ttl": "100ms", "max_ttl": "1s", "accumulate": "1h"}))
    wait_for_targets(proxy, [f"{each}:{any_address.port}" for each in addresses(range(1, 9))])


def test_a_silent_name_server_holds_up_neither_the_start_nor_a_reload(start_sluice, start_target,
                                                                      resources):
    target = start_target(serve_body(b"here"))
    server = NameServer(stay_silent)
    resources.append(server)
    config = configuration({"name": "api.test", "port": 80, "servers": [server.address],
                            "timeout": "60s"})
    config["target_groups"][0]["targets"] = [{"address": target.address}]
    proxy = start_sluice(config, wait=False)
    wait_until(lambda: is_served(proxy), lambda: f"it answers:\n{proxy.error_log()}")
    wait_until(lambda: server.questions, "the name server was asked")
    proxy.reload()
    assert_serves(proxy)


def is_served(proxy):
    try:
        with proxy.client() as client:
            return client.ask().body == b"here"
    except OSError:
        return False
