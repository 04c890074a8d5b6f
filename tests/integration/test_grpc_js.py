"""gRPC of Node through the proxy: @grpc/grpc-js from npm on both sides."""

from pathlib import Path

import pytest
from support.configuration import site
from support.node import install, starting
from support.waiting import wait_until

FOLDER = Path(__file__).parent / "grpc_js"
CANCELLED, DEADLINE_EXCEEDED, ABORTED, UNAVAILABLE = 1, 4, 10, 14


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The packages, installed once for the tests of this file."""
    return install(FOLDER, tmp_path_factory.mktemp("grpc_js"), "service.js", "server.js", "client.js")


@pytest.fixture
def start_node(modules):
    yield from starting(modules)


@pytest.fixture
def pair(start_sluice, start_node):
    """The client, behind the proxy in front of the server; the server."""
    server = start_node("server.js")
    config = site(f"127.0.0.1:{server.line()}")
    config["listeners"][0]["http2"] = True
    config["target_groups"][0]["protocol_version"] = "grpc"
    proxy = start_sluice(config)
    return start_node("client.js", f"127.0.0.1:{proxy.port('web')}"), server


def numbers(count):
    return [str(number) for number in range(count)]


def test_calls_of_each_kind_pass(pair):
    client, _ = pair
    assert client.ask("unary") == {"answer": "hello"}
    assert client.ask("collect") == {"answer": "|".join(numbers(100))}
    assert client.ask("count") == {"messages": numbers(100), "code": 0, "details": "OK"}
    assert client.ask("talk") == {"messages": [f"re: {each}" for each in numbers(50)], "code": 0,
                                  "details": "OK"}


def test_metadata_large_messages_and_statuses_pass(pair):
    client, _ = pair
    assert client.ask("metadata") == {"code": 0, "echo": bytes(range(256)).hex()}
    assert client.ask("large") == {"same": True}
    assert client.ask("fail") == {"code": ABORTED, "details": "100 % größe"}


def test_a_thousand_calls_at_a_time_are_all_answered(pair):
    client, server = pair
    assert client.ask("many") == {"right": 1000}
    assert server.ask("report")["calls"] == 1000


def test_a_deadline_and_a_cancellation_reach_the_server(pair):
    client, server = pair
    assert client.ask("deadline")["code"] == DEADLINE_EXCEEDED
    # It may have passed before the call came to the server.
    wait_until(lambda: (seen := server.ask("report"))["cancelled"] == seen["hanging"],
               "the call whose deadline passed is cancelled")
    before = server.ask("report")["cancelled"]
    cancelled = client.ask("cancel")
    assert (cancelled["messages"], cancelled["code"]) == (["one"], CANCELLED)
    wait_until(lambda: server.ask("report")["cancelled"] == before + 1, "the server heard of it")


def test_a_server_that_is_gone_is_unavailable(pair):
    client, server = pair
    assert client.ask("unary") == {"answer": "hello"}
    server.kill()
    assert client.ask("unary")["code"] == UNAVAILABLE
