"""Changes of targets through the admin API, what outlives the process, and who may make them."""

import http.client
import json
import os
import resource
import signal
import socket
import threading
from urllib.parse import quote

import pytest

from support.configuration import site
from support.ports import free_port
from support.target import response, serve, serve_body
from support.waiting import PATIENCE, wait_for_event, wait_until

ALL = "/v1/target-groups/targets/targets"


def one(target, name="targets"):
    identity = target if isinstance(target, str) else target.address
    return f"/v1/target-groups/{name}/targets/{quote(identity, safe='')}"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def call(proxy, method, path, body=None, *, connection=None, **fields):
    """Status, `getheader`, and `json`, what the answer says."""
    fields = {name.replace("_", "-"): value for name, value in fields.items()}
    if body is not None:
        fields.setdefault("Content-Type", "application/json")
        body = body if isinstance(body, (str, bytes)) else json.dumps(body)
    used = connection or http.client.HTTPConnection("127.0.0.1", proxy.admin_port, timeout=PATIENCE)
    used.request(method, path, body=body, headers=fields)
    answer = used.getresponse()
    answer.text = answer.read().decode()
    answer.json = json.loads(answer.text) if "json" in answer.getheader("Content-Type") else None
    if connection is None:
        used.close()
    return answer


def register(proxy, target, status=201, **more):
    address = target if isinstance(target, str) else target.address
    answer = call(proxy, "POST", ALL, {"address": address, **more})
    assert answer.status == status, answer.text
    return answer


def modify(proxy, target, body, status=200):
    answer = call(proxy, "PATCH", one(target), body)
    assert answer.status == status, answer.text
    return answer


def remove(proxy, target, status=202):
    answer = call(proxy, "DELETE", one(target))
    assert answer.status == status, answer.text
    return answer


def targets(proxy):
    return {each["id"]: each for each in call(proxy, "GET", ALL).json}


def wait_for_targets(proxy, *expected):
    """These are registered, and no others but those that drain."""
    addresses = {each.address for each in expected}

    def registered():
        return {name for name, each in targets(proxy).items() if each["state"] != "draining"}

    wait_until(lambda: registered() == addresses, lambda: f"{addresses}: {registered()}")


def ask(proxy):
    with proxy.client() as client:
        return client.ask()


def wait_for_answer(proxy, body):
    """Workers learn of a change right behind the admin listener."""
    wait_until(lambda: ask(proxy).body == body, f"an answer of {body!r}")


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


def kept(state, *configured, **more):
    return site(*configured, state_dir=str(state), **more)


def killed(proxy):
    proxy.process.kill()
    proxy.process.wait()
    proxy.expected_status = -signal.SIGKILL


# --- registrations -------------------------------------------------------------------------------

def test_a_registered_target_gets_requests(start_sluice, start_target, state):
    target = start_target(serve_body(b"registered"))
    proxy = start_sluice(kept(state))
    assert ask(proxy).status == 503
    answer = register(proxy, target, weight=3)
    assert answer.getheader("Location") == f"{ALL}/{target.address}"
    assert (answer.json["id"], answer.json["weight"], answer.json["source"]) == \
        (target.address, 3, "api")
    wait_for_targets(proxy, target)
    wait_for_answer(proxy, b"registered")
    shown = call(proxy, "GET", one(target)).json
    assert (shown["weight"], shown["sources"], shown["state"]) == (3, ["api"], "healthy")
    log = proxy.wait_for_error_log("admin: register target")
    assert "is registered with weight 3" in log


def test_the_same_again_changes_nothing(start_sluice, start_target, state):
    target = start_target(serve_body())
    proxy = start_sluice(kept(state))
    register(proxy, target, weight=3)
    before = (state / "targets.state").read_bytes()
    register(proxy, target, 200, weight=3)
    assert register(proxy, target, 200).json["weight"] == 3
    assert "PATCH" in register(proxy, target, 409, weight=4).json["detail"]
    assert (state / "targets.state").read_bytes() == before


def test_a_target_on_a_unix_socket_and_one_of_ipv6_have_their_ids(start_sluice, state):
    proxy = start_sluice(kept(state))
    for address, identity in (("unix:/run//x/./app.sock", "unix:/run/x/app.sock"),
                              ("[2001:DB8:0::1]:80", "[2001:db8::1]:80")):
        assert register(proxy, address).json["id"] == identity
        assert call(proxy, "GET", one(identity)).json["id"] == identity
        assert remove(proxy, identity).json["id"] == identity


def test_weight_counts_whoever_names_the_target(start_sluice, start_target, state):
    first, second = start_target(serve_body(b"1")), start_target(serve_body(b"2"))
    proxy = start_sluice(kept(state, first))
    register(proxy, second)
    wait_for_targets(proxy, first, second)
    assert modify(proxy, first, {"weight": 0}).json["weight"] == 0
    assert modify(proxy, second, {"weight": 5}).json["weight"] == 5
    wait_until(lambda: targets(proxy)[first.address]["weight"] == 0, "the weight is in force")
    assert {ask(proxy).body for _ in range(6)} == {b"2"}
    # Over a reload, too.
    proxy.reload()
    assert targets(proxy)[first.address]["weight"] == 0
    assert modify(proxy, first, {"weight": None}).json["weight"] == 1
    wait_until(lambda: {ask(proxy).body for _ in range(8)} == {b"1", b"2"}, "both are used")


def test_a_drained_target_finishes_what_it_is_at(start_sluice, start_target, state):
    go_on = threading.Event()
    begun = threading.Event()

    def respond(_):
        begun.set()
        wait_for_event(go_on)
        return response(b"finished")

    slow, other = start_target(serve(respond)), start_target(serve_body(b"other"))
    proxy = start_sluice(kept(state, slow))
    with proxy.client() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        wait_for_event(begun)
        register(proxy, other)
        assert modify(proxy, slow, {"state": "draining"}).json["state"] == "draining"
        wait_for_targets(proxy, other)
        wait_for_answer(proxy, b"other")
        go_on.set()
        assert client.response().body == b"finished"
    # It stays known, and comes back.
    assert targets(proxy)[slow.address]["state"] == "draining"
    assert modify(proxy, slow, {"state": "enabled"}).json["state"] != "draining"
    wait_for_targets(proxy, slow, other)


def test_a_removed_target_drains_and_goes(start_sluice, start_target, state):
    target = start_target(serve_body())
    proxy = start_sluice(kept(state))
    register(proxy, target)
    modify(proxy, target, {"weight": 9})
    wait_for_targets(proxy, target)
    assert remove(proxy, target).json["state"] == "draining"
    wait_until(lambda: targets(proxy) == {}, lambda: f"it is gone: {targets(proxy)}")
    assert ask(proxy).status == 503
    remove(proxy, target, 404)
    modify(proxy, target, {"weight": 1}, 404)
    assert call(proxy, "GET", one(target)).status == 404
    # What was said of it has gone with it.
    assert register(proxy, target).json["weight"] == 1


def test_a_target_of_the_configuration_cannot_be_removed(start_sluice, start_target, state):
    target = start_target(serve_body())
    proxy = start_sluice(kept(state, target))
    detail = remove(proxy, target, 409).json["detail"]
    assert "config" in detail and "draining" in detail
    register(proxy, target)
    assert targets(proxy)[target.address]["state"] == "healthy"
    assert remove(proxy, target, 200).json["sources"] == ["config"]


def test_changes_are_events(start_sluice, start_target, state):
    target = start_target(serve_body())
    proxy = start_sluice(kept(state))
    register(proxy, target)
    modify(proxy, target, {"state": "draining"})
    events = [each for each in call(proxy, "GET", "/v1/events", Accept="application/json").json
              if each["type"] == "admin_change"]
    assert [each["action"] for each in events] == ["register", "modify"]
    assert events[1]["before"] == "registered with weight 1"
    assert events[1]["after"] == "registered with weight 1, draining"
    assert events[0]["target"] == target.address and events[0]["by"].startswith("127.0.0.1:")


# --- what is refused -----------------------------------------------------------------------------

@pytest.mark.parametrize("body, status, said", [
    ("", 400, "JSON object"), ("[]", 400, "JSON object"), ("{", 400, "JSON object"),
    ('{"address":"10.0.0.1:80","address":"10.0.0.2:80"}', 400, "once"),
    (b'{"address":"\xff"}', 400, "JSON object"), ("[" * 100, 400, "JSON object"),
    ("{}", 422, "address"), ({"address": 1}, 422, "address"),
    ({"address": "10.0.0.1"}, 422, "no port"), ({"address": "10.0.0.1:0"}, 422, "1 to 65535"),
    ({"address": "10.0.0.1:65536"}, 422, "port"), ({"address": "app.test:80"}, 422, "names belong"),
    ({"address": "10.0.0.256:80"}, 422, "10.0.0.256"), ({"address": "unix:x"}, 422, "absolute"),
    ({"address": "a\nb\x1b[1m:80"}, 422, "\\x0Ab"),
    ({"address": "169.254.169.254:80"}, 422, "metadata"), ({"address": "0.0.0.0:80"}, 422, "never"),
    ({"address": "[::ffff:169.254.169.254]:80"}, 422, "metadata"),
    ({"address": "[fd00:ec2::254]:80"}, 422, "metadata"), ({"address": "[fe80::1]:80"}, 422, "never"),
    ({"address": "10.0.0.1:80", "weight": -1}, 422, "0 to 999"),
    ({"address": "10.0.0.1:80", "weight": 1000}, 422, "0 to 999"),
    ({"address": "10.0.0.1:80", "weight": 1.5}, 422, "0 to 999"),
    ({"address": "10.0.0.1:80", "weight": "1"}, 422, "0 to 999"),
    ({"address": "10.0.0.1:80", "weight": True}, 422, "0 to 999"),
    ({"address": "10.0.0.1:80", "wieght": 1}, 422, "'wieght'"),
])
def test_bad_registrations_are_refused(start_sluice, start_target, body, status, said):
    proxy = start_sluice(site(start_target(serve_body())))
    answer = call(proxy, "POST", ALL, body)
    assert answer.status == status, answer.text
    assert answer.getheader("Content-Type") == "application/problem+json"
    assert said in answer.json["detail"]
    assert len(targets(proxy)) == 1


@pytest.mark.parametrize("body, status", [
    ({}, 422), ({"state": "healthy"}, 422), ({"state": None}, 422), ({"weight": "x"}, 422),
    ({"address": "10.0.0.1:80"}, 422), ({"weight": 1, "state": "gone"}, 422), ("null", 400),
])
def test_bad_changes_are_refused(start_sluice, start_target, body, status):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    modify(proxy, target, body, status)
    assert targets(proxy)[target.address]["weight"] == 1


def test_other_faults_of_requests_are_told(start_sluice, start_target):
    target = start_target(serve_body())
    proxy = start_sluice(site(target))
    body = {"address": "10.0.0.1:80"}
    assert call(proxy, "POST", ALL, body, Content_Type="text/plain").status == 415
    assert call(proxy, "POST", ALL, body, Content_Type="application/json; charset=utf-8").status == 201
    assert call(proxy, "POST", "/v1/target-groups/none/targets", body).status == 404
    assert call(proxy, "PATCH", "/v1/target-groups/none/targets/x", {"weight": 1}).status == 404
    assert call(proxy, "DELETE", "/v1/target-groups/none/targets/x").status == 404
    assert call(proxy, "PATCH", one("10.9.9.9:1"), {"weight": 1}).status == 404
    assert call(proxy, "PATCH", f"{ALL}/%zz", {"weight": 1}).status == 400
    assert call(proxy, "POST", ALL, " " * 70_000).status == 413
    refused = call(proxy, "PUT", one(target), body)
    assert refused.status == 405
    assert refused.getheader("Allow") == "GET, HEAD, PATCH, DELETE"
    assert call(proxy, "DELETE", ALL).getheader("Allow") == "GET, HEAD, POST"
    # T24: what a page of another site makes a browser send.
    assert call(proxy, "POST", ALL, body, Origin="http://evil.test").status == 403
    assert call(proxy, "DELETE", one(target), Sec_Fetch_Site="cross-site").status == 403
    assert call(proxy, "DELETE", one(target), Host="evil.test").status == 403


# --- what outlives the process -------------------------------------------------------------------

def test_what_was_said_outlives_a_reload_and_a_restart(start_sluice, start_target, state):
    configured, first, second = (start_target(serve_body(each)) for each in (b"c", b"1", b"2"))
    proxy = start_sluice(kept(state, configured))
    register(proxy, first, weight=7)
    register(proxy, second)
    modify(proxy, configured, {"state": "draining"})
    remove(proxy, second)
    proxy.reload()
    wait_for_targets(proxy, first)
    assert proxy.stop() == 0
    proxy = start_sluice(kept(state, configured))
    assert targets(proxy)[first.address]["weight"] == 7
    assert targets(proxy)[configured.address]["state"] == "draining"
    assert second.address not in targets(proxy)
    wait_for_answer(proxy, b"1")


def test_a_registration_outlives_a_kill_behind_its_answer(start_sluice, start_target, state):
    target = start_target(serve_body(b"kept"))
    for turn in range(3):
        proxy = start_sluice(kept(state))
        assert register(proxy, target, 201 if turn == 0 else 200).json["weight"] == 1
        register(proxy, f"10.0.0.{turn + 1}:80", weight=0)
        killed(proxy)
    proxy = start_sluice(kept(state))
    assert len(targets(proxy)) == 4
    wait_for_answer(proxy, b"kept")
    assert not list(state.glob("*.damaged-*"))


def test_many_registrations_at_once_are_all_kept(start_sluice, state):
    proxy = start_sluice(kept(state))

    def run(number):
        connection = http.client.HTTPConnection("127.0.0.1", proxy.admin_port, timeout=PATIENCE)
        for i in range(100):
            answer = call(proxy, "POST", ALL, {"address": f"10.1.{number}.{i}:80", "weight": 0},
                          connection=connection)
            assert answer.status == 201, answer.text
        connection.close()
        done.append(number)

    done = []
    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 8
    killed(proxy)
    assert len(targets(start_sluice(kept(state)))) == 800


def test_a_damaged_file_is_set_aside_and_the_rest_of_it_used(start_sluice, start_target, state):
    target, configured = start_target(serve_body(b"kept")), start_target(serve_body(b"configured"))
    proxy = start_sluice(kept(state, configured))
    register(proxy, "10.0.0.1:80", weight=0)
    register(proxy, target)
    killed(proxy)
    file = state / "targets.state"
    damaged = file.read_text().replace("10.0.0.1:80", "10.0.0.9:80")
    file.write_text(damaged)
    proxy = start_sluice(kept(state, configured))
    assert set(targets(proxy)) == {target.address, configured.address}
    log = proxy.wait_for_error_log("is damaged: 1 lines are lost")
    assert " error " in next(line for line in log.splitlines() if "is damaged" in line)
    [aside] = state.glob("targets.state.damaged-*")
    assert aside.read_text() == damaged
    register(proxy, "10.0.0.3:80")


@pytest.mark.parametrize("content", [
    b"", b"\0" * 5000, b"sluice-state 2 1\nwhatever\n", b"sluice-state 1 9\n", b"garbage",
    bytes(range(256)) * 10], ids=["empty", "zeros", "newer", "cut", "garbage", "bytes"])
def test_a_file_that_says_nothing_is_set_aside(start_sluice, start_target, state, content):
    target = start_target(serve_body(b"configured"))
    state.mkdir()
    (state / "targets.state").write_bytes(content)
    proxy = start_sluice(kept(state, target))
    wait_for_answer(proxy, b"configured")
    [aside] = state.glob("targets.state.damaged-*")
    assert aside.read_bytes() == content
    proxy.wait_for_error_log("was set aside as")
    register(proxy, "10.0.0.3:80")


def test_a_full_disk_changes_nothing(start_sluice, start_target, state):
    target = start_target(serve_body())
    proxy = start_sluice(kept(state, target))
    register(proxy, "10.0.0.1:80")
    file = state / "targets.state"
    size = file.stat().st_size
    unlimited = resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, (size, unlimited[1]))
    answer = call(proxy, "POST", ALL, {"address": "10.0.0.2:80"})
    assert answer.status == 507, answer.text
    assert "nothing has changed" in answer.json["detail"]
    assert call(proxy, "PATCH", one(target), {"state": "draining"}).status == 507
    assert call(proxy, "DELETE", one("10.0.0.1:80")).status == 507
    resource.prlimit(proxy.pid, resource.RLIMIT_FSIZE, unlimited)
    assert file.stat().st_size == size
    assert call(proxy, "GET", one("10.0.0.2:80")).status == 404
    assert call(proxy, "GET", one(target)).json["state"] == "healthy"
    register(proxy, "10.0.0.2:80")
    killed(proxy)
    assert set(targets(start_sluice(kept(state, target)))) == \
        {target.address, "10.0.0.1:80", "10.0.0.2:80"}


def test_a_folder_in_use_by_another_process_is_left_alone(start_sluice, state):
    first = start_sluice(kept(state))
    register(first, "10.0.0.1:80")
    second = start_sluice(kept(state))
    assert set(targets(second)) == {"10.0.0.1:80"}
    answer = call(second, "POST", ALL, {"address": "10.0.0.2:80"})
    assert answer.status == 503 and "another process" in answer.json["detail"]
    register(first, "10.0.0.3:80")


def test_without_a_folder_changes_last_as_long_as_the_process(start_sluice, start_target):
    target = start_target(serve_body(b"registered"))
    proxy = start_sluice(site())
    register(proxy, target)
    wait_for_targets(proxy, target)
    proxy.reload()
    wait_for_answer(proxy, b"registered")


# --- who may do it -------------------------------------------------------------------------------

WRITE = "write-token-0123456789"
READ = "read-token-0123456789"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"# role name token\nwrite deploy {WRITE}\nread prometheus {READ}\n")
    path.chmod(0o600)
    return path


def guarded(proxy_tokens, *configured, **admin):
    return site(*configured, admin={"tokens_file": str(proxy_tokens), **admin})


def test_tokens_say_who_may_do_what(start_sluice, tokens):
    # wait=False: the fixture asks /readyz, which needs none.
    proxy = start_sluice(guarded(tokens))
    body = {"address": "10.0.0.1:80"}
    for fields in ({}, bearer("nobody-knows-this-one"), bearer(""), bearer(WRITE + "x"),
                   {"Authorization": f"Basic {WRITE}"}):
        for method, path in (("GET", ALL), ("GET", "/metrics"), ("POST", ALL), ("GET", "/none")):
            answer = call(proxy, method, path, body if method == "POST" else None, **fields)
            assert answer.status == 401, (fields, path)
            assert answer.getheader("WWW-Authenticate").startswith("Bearer")
    assert call(proxy, "GET", "/livez").status == call(proxy, "GET", "/readyz").status == 200
    assert call(proxy, "GET", "/metrics", **bearer(READ)).status == 200
    assert call(proxy, "POST", ALL, body, **bearer(READ)).status == 403
    assert call(proxy, "GET", ALL, **bearer(READ)).json == []
    assert call(proxy, "POST", ALL, body, **bearer(WRITE)).status == 201
    assert call(proxy, "GET", ALL, **bearer(WRITE)).status == 200
    log = proxy.wait_for_error_log("by token deploy from 127.0.0.1:")
    assert WRITE not in log and READ not in log and "nobody-knows" not in log


def test_tokens_are_read_again_at_a_reload(start_sluice, tokens):
    proxy = start_sluice(guarded(tokens))
    new = "another-token-0123456789"
    tokens.write_text(f"write deploy {new}\n")
    proxy.send_signal(signal.SIGHUP)
    wait_until(lambda: call(proxy, "GET", ALL, **bearer(new)).status == 200, "the new one counts")
    assert call(proxy, "GET", ALL, **bearer(WRITE)).status == 401
    tokens.write_text("write deploy short\n")
    proxy.send_signal(signal.SIGHUP)
    log = proxy.wait_for_error_log("line 1 must have a token of 16 to 512")
    assert call(proxy, "GET", ALL, **bearer(new)).status == 200
    assert "short" not in log


def test_every_address_needs_tokens(start_sluice, tokens):
    port = free_port()
    proxy = start_sluice(site(admin={"bind": f"0.0.0.0:{port}"}), wait=False)
    assert proxy.wait_for_exit() == 1
    assert "admin.tokens_file must say who may do what" in proxy.error_log()
    proxy.expected_status = 1
    proxy = start_sluice(guarded(tokens, bind=f"0.0.0.0:{port}"))
    # By whatever name: no page of another site has a token.
    assert call(proxy, "GET", ALL, Host="lb.test", **bearer(READ)).status == 200
    assert call(proxy, "GET", ALL, Host="lb.test").status == 401
    assert call(proxy, "GET", ALL, Origin="http://evil.test", **bearer(READ)).status == 403


@pytest.mark.parametrize("text, mode, said", [
    (f"write deploy {WRITE}\n", 0o644, "every user of this machine may read"),
    ("", 0o600, "has no token"), (f"admin deploy {WRITE}\n", 0o600, "line 1 must begin with"),
    (None, 0o600, "cannot be read")])
def test_a_wrong_file_of_tokens_is_refused(start_sluice, tmp_path, text, mode, said):
    path = tmp_path / "tokens"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    proxy = start_sluice(guarded(path), wait=False)
    assert proxy.wait_for_exit() == 1
    proxy.expected_status = 1
    assert "admin.tokens_file: " in proxy.error_log() and said in proxy.error_log()


def test_the_user_of_the_process_may_change_through_a_unix_socket(start_sluice, tmp_path):
    path = tmp_path / "admin.sock"
    proxy = start_sluice(site(admin={"bind": f"unix:{path}"}), wait=False)

    def answers():
        try:
            return call(proxy, "GET", "/readyz", connection=UnixConnection(path)).status == 200
        except OSError:
            return False

    wait_until(answers, "ready")
    answer = call(proxy, "POST", ALL, {"address": "10.0.0.1:80"}, connection=UnixConnection(path))
    assert answer.status == 201
    proxy.wait_for_error_log(f"by unix (uid {os.getuid()})")


# --- reload --------------------------------------------------------------------------------------

def test_a_reload_that_moves_the_admin_listener_is_answered(start_sluice, start_target):
    proxy = start_sluice(site(start_target(serve_body())))
    connection = http.client.HTTPConnection("127.0.0.1", proxy.admin_port, timeout=PATIENCE)
    proxy.write_config(site(admin={"bind": f"127.0.0.1:{free_port()}"}))
    assert call(proxy, "POST", "/v1/reload", connection=connection).status == 200
    assert call(proxy, "GET", "/readyz").status == 200
    connection.close()


def test_a_reload_tells_what_came_of_it(start_sluice, start_target):
    target, other = start_target(serve_body(b"1")), start_target(serve_body(b"2"))
    proxy = start_sluice(site(target))
    proxy.write_config(site(other))
    answer = call(proxy, "POST", "/v1/reload")
    assert answer.status == 200, answer.text
    assert answer.json["revision"] == 2 and answer.json["warnings"] == []
    wait_for_answer(proxy, b"2")
    proxy.write_config("listeners: 5\n")
    answer = call(proxy, "POST", "/v1/reload")
    assert answer.status == 422
    assert any("listeners" in each for each in answer.json["problems"])
    wait_for_answer(proxy, b"2")
    assert call(proxy, "GET", "/v1/reload").status == 405
