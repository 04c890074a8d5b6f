"""Fixed responses of any size, from the configuration and from files, over both protocols."""

import random
import socket

import pytest

from support import h2_raw as h2
from support.client import request
from support.configuration import listener, rule, tls
from support.either_protocol import PROTOCOLS, exchange
from support.sluice import SANITIZED, reason_of, run
from support.waiting import wait_until

MIB = 1 << 20
LARGE = random.Random(7).randbytes(8 * MIB)


def answers(*rules, default, **sections):
    web = listener("web", *rules, default={"fixed_response": default}, http2=True)
    return {"listeners": [web], "target_groups": [], **sections}


def quick():
    return rule("quick", 1, {"path": ["/quick"]}, action={"fixed_response": {"body": "quick"}})


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    return {"content_type": "application/octet-stream", "body_file": str(path)}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_file_is_sent_whole_to_get_and_its_length_to_head(start_sluice, large, protocol):
    proxy = start_sluice(answers(default=large))
    answer = exchange(proxy, protocol)
    assert answer.status == 200 and answer.body == LARGE
    assert answer.value("Content-Type") == "application/octet-stream"
    assert answer.value("Content-Length") == str(len(LARGE))
    head = exchange(proxy, protocol, "HEAD")
    assert head.value("Content-Length") == str(len(LARGE)) and head.body == b""
    lines = proxy.wait_for_log(2)
    assert [reason_of(line) for line in lines] == [None, None]
    assert lines[0]["response_bytes"] > len(LARGE) > lines[1]["response_bytes"]


def test_over_tls_and_again_on_the_same_connection(start_sluice, large, certificate, authority):
    config = answers(quick(), default=large)
    config["listeners"][0]["tls"] = tls(certificate)
    proxy = start_sluice(config)
    with proxy.client(tls=authority.client_context(), server_name="site.test") as client:
        for _ in range(2):
            assert client.ask().body == LARGE
        assert client.ask(target="/quick").body == b"quick"


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_body_has_none(start_sluice, protocol, status):
    proxy = start_sluice(answers(default={"status": status}))
    for method in ("GET", "HEAD"):
        answer = exchange(proxy, protocol, method)
        assert (answer.status, answer.body) == (status, b"")
        assert answer.value("Content-Type") is None
        assert answer.value("Content-Length") == ("0" if status == 205 else None)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_slow_clients_cost_no_memory_and_nobody_waits_for_them(start_sluice, large, protocol):
    proxy = start_sluice(answers(quick(), default=large))
    assert exchange(proxy, protocol).body == LARGE
    before = proxy.memory_peak_kib()
    readers = []
    try:
        for _ in range(20):
            reader = socket.socket()
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            reader.connect(("127.0.0.1", proxy.port()))
            readers.append(reader)
            if protocol == "HTTP/1.1":
                reader.sendall(request())
            else:
                first = h2.settings((h2.INITIAL_WINDOW_SIZE, 2**31 - 1)) + h2.window_update(0, 2**30)
                h2.Connection(reader, first=first).send(h2.headers(1, h2.request()))
        for _ in range(100):
            assert exchange(proxy, protocol, target="/quick").body == b"quick"
        if not SANITIZED:
            assert proxy.memory_peak_kib() - before < 40 * 1024, "of 160 MiB on their way"
    finally:
        for reader in readers:
            reader.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_that_takes_nothing_is_closed_after_client_write(start_sluice, large, protocol):
    proxy = start_sluice(answers(default=large, timeouts={"client_write": "300ms"}))
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        reader.connect(("127.0.0.1", proxy.port()))
        if protocol == "HTTP/1.1":
            reader.sendall(request())
        else:
            h2.Connection(reader).send(h2.headers(1, h2.request()))  # a window of 64 KiB
        assert reason_of(proxy.only_log_line()) == "client_write_timeout"


def test_a_file_is_read_again_with_each_reload(start_sluice, tmp_path):
    path = tmp_path / "page"
    path.write_bytes(b"first")
    config = answers(default={"body_file": str(path)})
    proxy = start_sluice(config)

    def body():
        return exchange(proxy, "HTTP/1.1").body

    path.write_bytes(b"second")
    assert body() == b"first", "only a reload reads it"
    proxy.reload(config)
    assert body() == b"second"
    path.unlink()
    proxy.reload(config, result="failure")
    assert "fixed_response.body_file: cannot read" in proxy.error_log()
    assert body() == b"second"


def test_a_reload_leaves_an_answer_on_its_way_as_it_is(start_sluice, large, tmp_path):
    proxy = start_sluice(answers(default=large))
    with proxy.client(receive_buffer=8192) as client:
        client.send(request())
        begun = client.socket.recv(1)
        (tmp_path / "large.bin").write_bytes(b"other")
        proxy.reload(proxy.config)
        assert exchange(proxy, "HTTP/1.1").body == b"other"
        received = bytearray(begun)
        wait_until(lambda: received.extend(client.socket.recv(1 << 20)) or
                   len(received) > len(LARGE), "the old body is there", pause=0)
    assert bytes(received).endswith(LARGE)


def test_check_reads_files_and_warns_of_loops(tmp_path):
    text = """\
listeners:
  - name: web
    bind: "127.0.0.1:0"
    rules:
      - priority: 1
        conditions: [ { path_prefix: /old } ]
        action: { redirect: { path: "/old/new/#{path}" } }
      - priority: 2
        conditions: [ { path: "/closed*" } ]
        action: { redirect: { path: /closed } }
    default_action: { fixed_response: { body_file: nowhere.html } }
"""
    path = tmp_path / "site.yaml"
    path.write_text(text)
    result = run("check", "--config", path, folder=tmp_path)
    said = result.stdout + result.stderr
    assert result.returncode == 1
    assert ("default_action.fixed_response.body_file: cannot read 'nowhere.html': "
            "No such file or directory") in said
    path.write_text(text.replace("body_file: nowhere.html", "body: x"))
    result = run("check", "--config", path, folder=tmp_path)
    said = result.stdout + result.stderr
    assert result.returncode == 1
    assert "site.yaml:7:29: warning: listeners[0].rules[0].action.redirect: may be a loop" in said
    assert "site.yaml:10:29: listeners[0].rules[1].action.redirect: is a loop" in said
