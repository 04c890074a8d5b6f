"""The commands that ask a running instance: what they print, how they end, and what they do when
nobody, or somebody else, answers."""

import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import termios
import threading
import time

import pytest

from support.client import request
from support.configuration import group, listener, site
from support.fake_admin import FakeAdmin, answer, problem
from support.ports import free_port
from support.sluice import BINARY, run
from support.target import response, serve, serve_body
from support.waiting import PATIENCE, wait_for_event, wait_until

# Of a command that is told to end after a second or less; far below the times without being told.
SOON = 8.0


@pytest.fixture
def proxy(start_sluice, start_target):
    return start_sluice(site(start_target(serve_body()), start_target(serve_body())))


def ask(where, *arguments, **options):
    url = where.url if isinstance(where, FakeAdmin) else f"http://127.0.0.1:{where.admin_port}"
    return run(*arguments, "--admin", url, **options)


def good(result):
    assert (result.returncode, result.stderr) == (0, ""), result
    return result.stdout


def fault(result, status=1):
    """The one line that says what is wrong."""
    assert result.returncode == status, result
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("sluice: "), result
    return lines[0]


# --- looking ------------------------------------------------------------------------------------


def test_status_is_told_to_people_and_machines(proxy):
    text = good(ask(proxy, "status"))
    assert "serving        yes" in text
    assert "revision 1, loaded 20" in text
    assert f"web       127.0.0.1:{proxy.port()}" in text
    lines = text.splitlines()
    titles = next(line for line in lines if line.startswith("TARGET GROUP"))
    row = lines[lines.index(titles) + 1].split()
    assert titles.split()[2:4] == ["HEALTHY", "UNHEALTHY"] and row[:3] == ["targets", "2", "0"]
    told = json.loads(good(ask(proxy, "status", "--json")))
    known = json.loads(proxy.admin_get("/v1/status").body)
    for each in (told, known):
        del each["uptime_seconds"]
    assert told == known


def test_targets_are_listed(proxy):
    lines = good(ask(proxy, "targets", "list")).splitlines()
    assert lines[0].split()[:4] == ["GROUP", "TARGET", "WEIGHT", "STATE"]
    known = json.loads(proxy.admin_get("/v1/target-groups/targets/targets").body)
    assert [line.split()[1] for line in lines[1:]] == [each["id"] for each in known]
    assert all(line.split()[3] == "healthy" for line in lines[1:])
    assert good(ask(proxy, "targets", "list", "--group", "targets")).splitlines()[0] == lines[0]
    one = json.loads(good(ask(proxy, "targets", "list", "--group", "targets", "--json")))
    assert [each["id"] for each in one] == [each["id"] for each in known]
    every = json.loads(good(ask(proxy, "targets", "list", "--json")))
    assert [each["id"] for each in every["targets"]] == [each["id"] for each in known]


def test_an_unknown_group_is_told_with_those_there_are(proxy):
    assert "there is no target group 'x'; there are targets" in fault(
        ask(proxy, "targets", "list", "--group", "x"))


def test_a_thousand_targets_are_listed_soon(start_sluice):
    many = [f"127.1.{number // 250}.{number % 250 + 1}:9" for number in range(1000)]
    proxy = start_sluice({"listeners": [listener()], "target_groups": [group("targets", *many)]})
    begin = time.monotonic()
    lines = good(ask(proxy, "targets", "list")).splitlines()
    assert time.monotonic() - begin < SOON
    assert [line.split()[1] for line in lines[1:]] == many


def test_a_unix_socket_is_asked(start_sluice, start_target, tmp_path):
    path = tmp_path / "admin.sock"
    proxy = start_sluice(site(start_target(serve_body()), admin={"bind": f"unix:{path}"}),
                         wait=False)
    wait_until(lambda: run("status", "--admin", f"unix:{path}").returncode == 0, "it answers")
    assert "serving" in good(run("status", "--admin", f"unix:{path}"))
    environment = {"SLUICE_ADMIN": f"unix:{path}"}
    assert "healthy" in good(run("targets", "list", environment=environment))
    assert proxy.stop() == 0
    assert f"unix:{path}" in fault(run("status", environment=environment))


# --- a terminal ---------------------------------------------------------------------------------


def on_terminal(*arguments, width=200, **environment):
    """What a terminal of that width gets."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen([BINARY, *arguments], stdout=slave, stderr=slave,
                               stdin=subprocess.DEVNULL,
                               env={**os.environ, "TERM": "xterm", **environment})
    os.close(slave)
    data = b""
    while True:
        try:
            more = os.read(master, 65536)
        except OSError:  # EIO: the command has ended
            break
        if not more:
            break
        data += more
    os.close(master)
    assert process.wait(PATIENCE) == 0, data
    return data.decode()


def test_a_terminal_gets_colours_unless_it_wants_none(proxy):
    listing = ["targets", "list", "--admin", f"127.0.0.1:{proxy.admin_port}"]
    assert "\x1b[32mhealthy\x1b[0m" in on_terminal(*listing)
    assert "\x1b" not in on_terminal(*listing, NO_COLOR="1")
    assert "\x1b" not in on_terminal(*listing, TERM="dumb")
    assert "\x1b" not in good(run(*listing))


def test_lines_fit_a_narrow_terminal(proxy):
    text = on_terminal("targets", "list", "--admin", f"127.0.0.1:{proxy.admin_port}", width=50,
                       NO_COLOR="1")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 50
    assert lines[0].split()[:2] == ["GROUP", "TARGET"] and "STATE" in lines[0]
    assert "CONNECTIONS" not in lines[0]


def test_progress_is_one_line_on_a_terminal():
    with FakeAdmin() as fake:
        fake.put("targets", "a:1")
        fake.busy["a:1"] = 2
        text = on_terminal("targets", "drain", "a:1", "--wait", "--admin", fake.url)
        assert "a:1: 1 request under way" in text
        assert text.endswith("\r\x1b[K1 target of targets: drained\r\n")


# --- changing -----------------------------------------------------------------------------------


def test_targets_are_added_drained_enabled_and_removed():
    with FakeAdmin() as fake:
        assert good(ask(fake, "targets", "add", "a:1", "b:2", "--weight", "7")) == (
            "a:1 of targets: added\nb:2 of targets: added\n")
        assert json.loads(fake.requests[-1][2]) == {"address": "b:2", "weight": 7}
        assert "was there already" in good(ask(fake, "targets", "add", "a:1"))
        assert json.loads(fake.requests[-1][2]) == {"address": "a:1"}
        assert good(ask(fake, "targets", "drain", "a:1")) == "a:1 of targets: draining\n"
        assert fake.requests[-1][:3] == ("PATCH", "/v1/target-groups/targets/targets/a%3A1",
                                         '{"state":"draining"}')
        assert good(ask(fake, "targets", "enable", "a:1")) == "a:1 of targets: enabled\n"
        assert fake.groups["targets"]["a:1"]["state"] == "healthy"
        assert good(ask(fake, "targets", "remove", "a:1")) == "a:1 of targets: leaving\n"
        assert fake.requests[-1][:2] == ("DELETE", "/v1/target-groups/targets/targets/a%3A1")
        told = json.loads(good(ask(fake, "targets", "drain", "b:2", "--json")))
        assert (told["id"], told["state"]) == ("b:2", "draining")


def test_the_group_of_a_change_must_be_named_when_there_are_several():
    with FakeAdmin(groups=["api", "admin"]) as fake:
        assert "--group" in (line := fault(ask(fake, "targets", "add", "a:1")))
        assert "api, admin" in line
        assert "added" in good(ask(fake, "targets", "add", "a:1", "--group", "admin"))
        assert list(fake.groups["admin"]) == ["a:1"]


def test_one_refusal_does_not_keep_the_others_from_being_done():
    with FakeAdmin() as fake:
        result = ask(fake, "targets", "add", "a:1", "b", "c:3")
        assert "b: address: must be HOST:PORT (status 400)" in fault(result)
        assert list(fake.groups["targets"]) == ["a:1", "c:3"]


@pytest.mark.parametrize("command, end", [("drain", "drained"), ("remove", "gone")])
def test_waiting_ends_when_nothing_is_under_way(command, end):
    with FakeAdmin() as fake:
        fake.put("targets", "a:1")
        fake.put("targets", "b:2")
        fake.busy.update({"a:1": 2, "b:2": 1})
        result = ask(fake, "targets", command, "a:1", "b:2", "--wait")
        assert result.returncode == 0
        assert result.stdout.endswith(f"2 targets of targets: {end}\n")
        assert result.stderr.splitlines() == ["2 targets: 2 requests under way",
                                              "a:1: 1 request under way"]


@pytest.mark.parametrize("command", ["drain", "remove"])
def test_waiting_ends_when_the_time_is_over(command):
    with FakeAdmin() as fake:
        fake.put("targets", "a:1", deregistration_remaining_s=90)
        fake.busy["a:1"] = None
        begin = time.monotonic()
        result = ask(fake, "targets", command, "a:1", "--wait", "--timeout", "700ms")
        assert time.monotonic() - begin < SOON
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1] == (
            "sluice: the time is over; a:1: 1 request under way, cut in 1m 30s")


def test_a_reload_tells_the_revision_or_the_fault():
    with FakeAdmin() as fake:
        assert good(ask(fake, "reload")) == "reloaded: revision 2 of the configuration serves\n"
        assert fake.requests[0][:2] == ("POST", "/v1/reload")
        assert json.loads(good(ask(fake, "reload", "--json")))["revision"] == 2
        fake.reload_answer = answer(200, {"revision": 3, "warnings": ["a.yaml:1:1: x: is odd"]})
        result = ask(fake, "reload")
        assert (result.returncode, result.stderr) == (0, "a.yaml:1:1: x: is odd\n")
        fake.reload_answer = problem(422, "the configuration was refused",
                                     problems=["a.yaml:1:1: x: is wrong", "a.yaml:2:1: y: \x1b"])
        result = ask(fake, "reload")
        assert result.returncode == 1
        assert result.stderr.splitlines() == [
            "sluice: the configuration was refused (status 422)",
            "a.yaml:1:1: x: is wrong", "a.yaml:2:1: y: \\x1b"]


# --- changing a real instance -------------------------------------------------------------------


def test_a_real_target_is_added_drained_enabled_and_removed(start_sluice, start_target, tmp_path):
    first, second = start_target(serve_body()), start_target(serve_body())
    proxy = start_sluice(site(first, state_dir=str(tmp_path / "state")))
    name = second.address
    assert "added" in good(ask(proxy, "targets", "add", name, "--weight", "3"))
    assert "was there already" in good(ask(proxy, "targets", "add", name, "--weight", "3"))
    assert "another weight" in fault(ask(proxy, "targets", "add", name, "--weight", "4"))
    assert "comes from config" in fault(ask(proxy, "targets", "remove", first.address))
    for command in ("drain", "enable"):
        assert good(ask(proxy, "targets", command, name)).startswith(f"{name} of targets: {command}")
    result = ask(proxy, "targets", "drain", name, "--wait")
    assert result.stdout.endswith("1 target of targets: drained\n"), result
    rows = {line.split()[1]: line for line in good(ask(proxy, "targets", "list")).splitlines()}
    assert "draining" in rows[name] and "healthy" in rows[first.address]
    result = ask(proxy, "targets", "remove", name, "--wait")
    assert result.stdout.endswith("1 target of targets: gone\n"), result
    assert name not in good(ask(proxy, "targets", "list"))


def test_waiting_for_a_real_target_ends_with_its_last_request(start_sluice, start_target, tmp_path):
    go_on = threading.Event()

    def respond(_):
        wait_for_event(go_on)
        return response(b"x")

    target = start_target(serve(respond))
    proxy = start_sluice(site(target, state_dir=str(tmp_path / "state")))
    with proxy.client() as client:
        client.send(request())
        target.wait_for_requests(1)
        result = ask(proxy, "targets", "drain", target.address, "--wait", "--timeout", "700ms")
        assert result.returncode == 1
        assert "the time is over" in result.stderr and "1 request under way" in result.stderr
        go_on.set()
        assert client.response().status == 200
    result = ask(proxy, "targets", "drain", target.address, "--wait")
    assert result.returncode == 0, result


def test_a_real_reload_tells_the_revision_or_every_fault(proxy):
    assert good(ask(proxy, "reload")) == "reloaded: revision 2 of the configuration serves\n"
    assert json.loads(good(ask(proxy, "reload", "--json")))["revision"] == 3
    proxy.write_config("listeners: 1\ntarget_groups: 2\n")
    result = ask(proxy, "reload")
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert lines[0].startswith("sluice: the configuration was refused")
    assert any(":1:12: listeners:" in line for line in lines[1:]), lines
    assert any(":2:16: target_groups:" in line for line in lines[1:]), lines
    assert "revision 3" in (text := good(ask(proxy, "status"))) and "last reload" in text


def test_a_real_token_says_who_may_do_what(start_sluice, start_target, tmp_path):
    secrets = {"read": "reader-0123456789", "write": "writer-0123456789"}
    tokens = tmp_path / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text("".join(f"{role} {role}er {secret}\n" for role, secret in secrets.items()))
    files = {role: tmp_path / role for role in secrets}
    for role, file in files.items():
        file.write_text(secrets[role] + "\n")
    proxy = start_sluice(site(start_target(serve_body()), admin={"tokens_file": str(tokens)}),
                         wait=False)
    wait_until(lambda: ask(proxy, "status", "--token-file", files["read"]).returncode == 0,
               "the reader is let in")
    assert "--token-file names" in fault(ask(proxy, "status"))
    assert "the one it has?" in fault(ask(proxy, "reload", "--token-file", files["read"]))
    assert "reloaded" in good(ask(proxy, "reload", "--token-file", files["write"]))


# --- who answers --------------------------------------------------------------------------------


def test_nobody_listens(tmp_path):
    line = fault(run("status", "--admin", f"http://127.0.0.1:{(port := free_port())}"))
    assert f"http://127.0.0.1:{port}" in line and "SLUICE_ADMIN" in line
    assert "nothing listens at unix:" in fault(run("status", "--admin", f"unix:{tmp_path}/none"))


def test_a_token_is_sent_and_its_lack_is_explained(tmp_path):
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("s3cret\n")
    wrong.write_text("guess")
    with FakeAdmin(token="s3cret") as fake:
        assert "serving" in good(ask(fake, "status", "--token-file", right))
        line = fault(ask(fake, "status"))
        assert "a token is needed (status 401); --token-file names" in line
        line = fault(ask(fake, "status", "--token-file", wrong))
        assert f"is the token in --token-file {wrong} the one it has?" in line
        assert "guess" not in line
        count = len(fake.requests)
        assert "--token-file" in fault(ask(fake, "status", "--token-file", tmp_path / "none"))
        (tmp_path / "empty").write_text("\n")
        (tmp_path / "two").write_text("a\r\nX: b")
        for name in ["empty", "two"]:
            assert "must hold one token" in fault(
                ask(fake, "status", "--token-file", tmp_path / name))
        assert len(fake.requests) == count  # nothing was asked


def flood(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                       b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"100000\r\n" + b"1" * 0x100000 + b"\r\n")


HOSTILE = {
    "garbage": (b"\x00\x01\x02" * 1000 + b"\r\n\r\n", "HTTP/1.1"),
    "nothing at all": (b"", "closed the connection"),
    "half an answer": (answer(200, {"version": "1"})[:-3], "closed the connection"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1"),
    "a page": (answer(200, b"<html>\x1b[31m</html>", "text/html"), "admin listener of Sluice"),
    "another JSON": (answer(200, [1, 2]), "admin listener of Sluice"),
    "deep JSON": (answer(200, b"[" * 100_000), "admin listener of Sluice"),
    "a length that is too long": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "longer than 32 MiB"),
    "an endless head": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, "sluice:"),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                   b"Content-Length: 0\r\n\r\n", "status 302"),
    "a problem that steers the terminal": (problem(409, "\x1b[2J\nno"), r"\x1b[2J\x0ano"),
    "a status without a problem": (answer(500, b"oops", "text/plain"), "status 500"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_whoever_is_no_admin_listener_is_told_in_one_line(kind):
    data, expected = HOSTILE[kind]
    with FakeAdmin(lambda connection: connection.sendall(data)) as fake:
        begin = time.monotonic()
        for arguments in (["status"], ["status", "--json"], ["targets", "list"]):
            line = fault(ask(fake, *arguments))
            assert expected in line and "\x1b" not in line
        assert time.monotonic() - begin < 3 * SOON


def test_an_endless_answer_is_not_read_to_the_end():
    with FakeAdmin(flood) as fake:
        assert "longer than 32 MiB" in fault(ask(fake, "status"))


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_who_is_too_slow_is_left(first):
    def drip(connection):
        connection.sendall(first)
        while not fake.wait_for_end(0.1):
            connection.sendall(b" " if first else b"")

    with FakeAdmin(drip) as fake:
        begin = time.monotonic()
        assert "no answer within" in fault(ask(fake, "status", "--timeout", "500ms"))
        assert time.monotonic() - begin < SOON


def test_names_in_answers_cannot_steer_the_terminal():
    with FakeAdmin() as fake:
        fake.put("targets", "\x1b]0;x\x07:1")
        assert r"\x1b]0;x\x07:1" in good(ask(fake, "targets", "list"))


# --- usage and shells ---------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["targets"], ["targets", "add"], ["status", "--admin", "x"],
                                       ["status", "--timeout", "soon"], ["completion", "fish"]])
def test_wrong_usage_is_status_2(arguments):
    result = run(*arguments)
    assert result.returncode == 2 and result.stderr and not result.stdout


def test_output_that_cannot_be_written_is_an_error(proxy):
    with open("/dev/full", "wb") as full:
        result = subprocess.run([BINARY, "status", "--admin", f"127.0.0.1:{proxy.admin_port}"],
                                stdout=full, timeout=PATIENCE)
    assert result.returncode == 1


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_completion_script_is_good_for_its_shell(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    script = tmp_path / shell
    script.write_text(good(run("completion", shell)))
    subprocess.run([shell, "-n", script], check=True, timeout=PATIENCE)


def completed(tmp_path, *words):
    """What bash offers for the last of the words."""
    script = tmp_path / "completion"
    script.write_text(good(run("completion", "bash")))
    line = " ".join(f"'{word}'" for word in ("sluice", *words))
    text = (f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _sluice; "
            'printf "%s\\n" "${COMPREPLY[@]}"')
    return subprocess.run(["bash", "-c", text], check=True, timeout=PATIENCE, cwd=tmp_path,
                          capture_output=True, text=True).stdout.split()


def test_bash_completes_commands_options_and_files(tmp_path):
    (tmp_path / "site.yaml").touch()
    assert completed(tmp_path, "ta") == ["targets"]
    assert completed(tmp_path, "targets", "re") == ["remove"]
    assert completed(tmp_path, "targets", "drain", "--w") == ["--wait"]
    assert completed(tmp_path, "targets", "list", "--group", "api", "--js") == ["--json"]
    assert completed(tmp_path, "check", "--config", "si") == ["site.yaml"]
    assert completed(tmp_path, "completion", "z") == ["zsh"]
