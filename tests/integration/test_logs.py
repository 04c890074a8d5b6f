"""One line for each exchange, which nobody can forge, and which never holds up a worker."""

import json
import os
import re
import signal
import time
from datetime import datetime, timezone

import pytest

from support import configuration
from support.client import request
from support.configuration import listener, rule, site
from support.sluice import reason_of
from support.target import response, serve, serve_body
from support.waiting import PATIENCE, wait_until

KEYS = """time listener client scheme method host target protocol status request_bytes response_bytes
rule target_group target_address target_status tries reused reason ended_by classification
classification_reason request_id user_agent referer tls_protocol tls_cipher sni header_time
connect_time response_time total_time""".split()


def test_a_json_line_tells_the_exchange(start_sluice, start_target):
    target = start_target(serve_body(b"hello"))
    config = site(target)
    config["listeners"] = [listener("web", rule("api", 1, {"path": ["/api"]}, action="targets"))]
    proxy = start_sluice(config)
    data = request("GET", "/api?x=1", ("User-Agent", "tests/1.0"), ("Referer", "http://a.test/"))
    began = time.monotonic()
    with proxy.client() as client:
        client.send(data)
        answer = client.response()
        client_address = client.address
    line = proxy.only_log_line()
    elapsed = time.monotonic() - began
    assert list(line) == KEYS
    expected = {
        "listener": "web", "client": client_address, "scheme": "http", "method": "GET",
        "host": "site.test", "target": "/api?x=1", "protocol": "HTTP/1.1", "status": 200,
        "request_bytes": len(data), "response_bytes": len(answer.head) + 5, "rule": "api",
        "target_group": "targets", "target_address": target.address, "target_status": 200,
        "tries": 1, "reused": False, "user_agent": "tests/1.0", "referer": "http://a.test/",
        "tls_protocol": None, "tls_cipher": None, "sni": None}
    assert {key: line[key] for key in expected} == expected
    assert (reason_of(line), line["ended_by"] in (None, "-")) == (None, True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["time"])
    age = datetime.now(timezone.utc) - datetime.fromisoformat(line["time"])
    assert abs(age.total_seconds()) < 60
    for key in ("header_time", "connect_time", "response_time", "total_time"):
        assert 0 <= line[key] <= elapsed, key
    assert line["connect_time"] + line["response_time"] <= line["total_time"] + 0.001


def test_bytes_are_counted_with_bodies(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body(b"x" * 5000))))
    data = request("POST", "/", body=b"y" * 3000)
    with proxy.client() as client:
        client.send(data)
        answer = client.response()
    line = proxy.only_log_line()
    assert line["request_bytes"] == len(data)
    assert line["response_bytes"] == len(answer.head) + 5000
    assert proxy.metric("sluice_request_bytes_total", listener="web") == len(data)
    assert proxy.metric("sluice_response_bytes_total", listener="web") == len(answer.head) + 5000


def test_the_combined_format(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body(b"hello")), access_log={
        "path": "access.combined", "format": "combined"}))
    path = proxy.folder / "access.combined"
    with proxy.client() as client:
        answer = client.ask("GET", "/a?b", ("User-Agent", 'say "hi"'), ("Referer", "http://r/"))
    wait_until(lambda: path.exists() and path.read_bytes().endswith(b"\n"), "a line is there")
    match = re.fullmatch(
        r'127\.0\.0\.1 - - \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "GET /a\?b HTTP/1\.1" '
        r'200 (\d+) "http://r/" "say (\\x22|\\")hi\3"\n', path.read_text())
    assert match, path.read_text()
    assert int(match.group(2)) in (5, len(answer.head) + 5)
    assert datetime.strptime(match.group(1), "%d/%b/%Y:%H:%M:%S %z")


INJECTIONS = ['"', "\\", '"}', '","status":500,"x":"', "\x80\xff", "a\tb", "\\u000a", "\\x0a", "%0a",
              "${jndi:x}", "\xe2\x80\xae"]


@pytest.mark.parametrize("form", ["json", "combined"])
def test_t25_no_value_of_a_client_can_forge_a_line(start_sluice, start_target, form):
    proxy = start_sluice(site(start_target(serve_body()), access_log={
        "path": "forged.log", "format": form}))
    path = proxy.folder / "forged.log"
    with proxy.client() as client:
        for injection in INJECTIONS:
            assert client.ask("GET", "/", ("User-Agent", injection),
                              ("Referer", injection)).status == 200
    with proxy.client() as client:
        client.send(b'GET /"}\x01\x1b[31m HTTP/1.1\r\nHost: "\r\n\r\n')
        assert client.response().status == 400
    count = len(INJECTIONS) + 1
    wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count, "the lines are there")
    data = path.read_bytes()
    assert data.count(b"\n") == count
    assert all(byte == 0x0a or 0x20 <= byte < 0x7f for byte in data), "printable ASCII only"
    for number, line in enumerate(data.decode().splitlines()):
        if form == "json":
            record = json.loads(line)
            if number < len(INJECTIONS):
                assert record["status"] == 200
                assert record["user_agent"] == INJECTIONS[number]
        else:
            assert len(re.findall(r'(?<!\\)"', line)) == 6, line


def test_usr1_reopens_after_a_rename(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body())))
    rotated = proxy.folder / "access.log.1"
    with proxy.client() as client:
        client.ask("GET", "/before")
        proxy.wait_for_log(1)
        proxy.access_log_path.rename(rotated)
        client.ask("GET", "/between")
        wait_until(lambda: rotated.read_bytes().count(b"\n") == 2, "the old file is still written")
        proxy.send_signal(signal.SIGUSR1)
        # The new file is there a moment before it is in use.
        proxy.wait_for_error_log("log files were reopened")
        client.ask("GET", "/after")
        assert proxy.only_log_line()["target"] == "/after"
    assert rotated.read_bytes().count(b"\n") == 2


def test_usr1_reopens_the_error_log_too(start_sluice, start_target):
    config = site(start_target(serve_body()), log={"path": "errors.log", "level": "info"})
    proxy = start_sluice(config)
    log, rotated = proxy.folder / "errors.log", proxy.folder / "errors.log.1"
    wait_until(log.exists, "the error log is there")
    log.rename(rotated)
    proxy.send_signal(signal.SIGUSR1)
    wait_until(log.exists, "a new file is there")
    proxy.reload("broken: [", result="failure")
    wait_until(lambda: "sluice.yaml:" in log.read_text(), "the new file is written")


def test_no_line_is_lost_over_a_stop(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body()), workers=2))
    for number in range(10):
        with proxy.client() as client:
            for _ in range(20):
                client.ask("GET", f"/{number}")
    assert proxy.stop() == 0
    assert len(proxy.access_log()) == 200


def test_no_log_is_written_when_none_is_configured(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body()), access_log={}))
    with proxy.client() as client:
        assert client.ask().status == 200
    assert proxy.stop() == 0
    assert not proxy.access_log_path.exists()


def test_lines_can_go_to_stdout(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body()), access_log={"path": "stdout"}))
    with proxy.client() as client:
        client.ask("GET", "/on-stdout")
    proxy.wait_for_error_log('"target":"/on-stdout"')  # both outputs of the process go to one file


def test_lines_of_both_formats_say_what_tls_was_used(start_sluice, start_target, authority,
                                                     certificate):
    config = site(start_target(serve_body()))
    config["listeners"][0]["tls"] = configuration.tls(certificate)
    proxy = start_sluice(config)
    with proxy.client(tls=authority.client_context(), server_name="site.test") as client:
        client.ask()
    line = proxy.only_log_line()
    assert (line["scheme"], line["tls_protocol"], line["sni"]) == ("https", "TLSv1.3", "site.test")
    assert line["tls_cipher"].startswith("TLS_")


# --- writing never holds up a worker ---------------------------------------------------------------

def test_a_full_disk_costs_lines_and_no_request(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body()), access_log={"path": "/dev/full"}))
    with proxy.client() as client:
        for _ in range(200):
            assert client.ask().status == 200
    proxy.wait_for_metric_value("sluice_access_log_dropped_total", 200)
    assert proxy.metric("sluice_access_log_lines_total") == 0
    wait_until(lambda: "access log" in proxy.error_log().lower() or "/dev/full" in proxy.error_log(),
               "it is said once on the error log")


@pytest.fixture
def fifo(tmp_path):
    """A pipe that is open for reading: its path and the reading end."""
    path = tmp_path / "access.fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reader
    os.close(reader)


def test_a_pipe_that_nobody_reads_blocks_nothing(start_sluice, start_target, fifo):
    path, _ = fifo
    proxy = start_sluice(site(start_target(serve(lambda _: response(b"x"))), access_log={
        "path": str(path), "buffer": "128KiB"}))
    with proxy.client() as client:
        for _ in range(1000):
            assert client.ask("GET", "/" + "x" * 200).status == 200
        proxy.wait_for_metric("sluice_access_log_dropped_total", 1)
        proxy.reload()
        assert client.ask().status == 200
    assert proxy.stop(within=PATIENCE) == 0, "a stalled log must not hold up the stop"


def test_a_pipe_whose_reader_left_costs_lines_and_no_request(start_sluice, start_target, tmp_path):
    path = tmp_path / "access.fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    proxy = start_sluice(site(start_target(serve_body()), access_log={"path": str(path)}))
    os.close(reader)
    with proxy.client() as client:
        for _ in range(10):
            assert client.ask().status == 200
    proxy.wait_for_metric_value("sluice_access_log_dropped_total", 10)


def test_a_pipe_without_a_reader_is_refused_instead_of_waited_for(start_sluice, start_target,
                                                                  tmp_path):
    """Opening it for writing would block the start for as long as nobody reads."""
    path = tmp_path / "access.fifo"
    os.mkfifo(path)
    proxy = start_sluice(site(start_target(serve_body()), access_log={"path": str(path)}),
                         wait=False)
    proxy.expected_status = 1
    assert proxy.wait_for_exit() == 1
    assert "access_log.path" in proxy.error_log()


def test_a_pipe_that_is_read_later_gets_whole_lines(start_sluice, start_target, fifo):
    path, reader = fifo
    proxy = start_sluice(site(start_target(serve_body()), access_log={
        "path": str(path), "buffer": "128KiB"}))
    with proxy.client() as client:
        for _ in range(2000):
            client.ask("GET", "/" + "x" * 200)
    proxy.wait_for_metric("sluice_access_log_dropped_total", 1)
    received = bytearray()

    def all_is_told():
        try:
            received.extend(os.read(reader, 1 << 20))
        except BlockingIOError:
            pass
        metrics = proxy.metrics()
        written = metrics.sum("sluice_access_log_lines_total")
        dropped = metrics.sum("sluice_access_log_dropped_total")
        return written + dropped == 2000 and received.count(b"\n") == written

    wait_until(all_is_told, "every line is either written or counted as dropped")
    for line in received.splitlines():
        json.loads(line)
