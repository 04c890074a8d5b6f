"""`sluice check` says everything that is wrong, with its place; `run` refuses to start in one line."""

import re
import socket

import pytest

from support.configuration import group, listener, site, tls
from support.ports import free_port
from support.sluice import run
from support.target import serve_body
from support.waiting import PATIENCE
from support.yaml_text import yaml_text

GOOD = """\
listeners:
  - name: web
    bind: "127.0.0.1:{port}"
    rules:
      - name: api
        priority: 10
        conditions:
          - path: ["/api", "/api/*"]
        action: {{ forward: api }}
    default_action: {{ forward: api }}
target_groups:
  - name: api
    targets:
      - {{ address: "127.0.0.1:9", weight: 1 }}
"""


def good():
    return GOOD.format(port=free_port())


@pytest.fixture
def check(tmp_path):
    """Runs `sluice check` on a text; returns its exit status and the lines it printed."""

    def run_check(text):
        path = tmp_path / "site.yaml"
        path.write_text(text)
        result = run("check", "--config", path)
        return result.returncode, (result.stdout + result.stderr).splitlines()

    return run_check


def place(lines, text, path, line_of):
    """The one line that speaks of `path`, at the line of `text` on which `line_of` stands."""
    number = next(n for n, each in enumerate(text.splitlines(), 1) if line_of in each)
    pattern = re.compile(rf".*site\.yaml:{number}:(\d+): {re.escape(path)}: .+")
    found = [each for each in lines if pattern.fullmatch(each)]
    assert len(found) == 1, (number, path, lines)
    return found[0]


def test_a_good_file_is_accepted(check):
    status, lines = check(good())
    assert status == 0, lines


def test_the_good_file_need_not_have_a_free_port(check, start_target):
    """The file that a running instance uses must check as good, or nobody could check before a
    reload."""
    target = start_target(serve_body())
    status, lines = check(GOOD.format(port=target.port))
    assert status == 0, lines


def test_all_errors_are_said_at_once_each_with_its_place(check):
    text = good().replace("weight: 1", "weight: 1000").replace(
        "priority: 10", "priority: 0").replace("forward: api }\ntarget", "forward: apo }\ntarget")
    text = text.replace("listeners:", "timeout: 5s\nlisteners:") + "limits: { body: many }\n"
    status, lines = check(text)
    assert status == 1
    assert "timeouts" in place(lines, text, "timeout", "timeout: 5s")
    place(lines, text, "target_groups[0].targets[0].weight", "weight: 1000")
    place(lines, text, "listeners[0].rules[0].priority", "priority: 0")
    assert "api" in place(lines, text, "listeners[0].default_action.forward", "forward: apo")
    assert "many" in place(lines, text, "limits.body", "body: many")


def test_the_column_is_that_of_the_fault(check):
    text = good() + "limits: { body: many }\n"
    _, lines = check(text)
    line = place(lines, text, "limits.body", "body: many")
    assert re.search(r":(\d+): limits", line).group(1) == str(len("limits: { body: ") + 1)


ERRORS = {
    "no_listeners": (lambda text: "target_groups: []\n", "listeners", None),
    "unknown_key_in_a_listener": (lambda text: text.replace("bind:", "bnd:"), "listeners[0].bnd",
                                  "bnd:"),
    "wrong_type": (lambda text: text.replace('["/api", "/api/*"]', "{ a: b }"),
                   "listeners[0].rules[0].conditions[0].path", "{ a: b }"),
    "bad_address": (lambda text: text.replace("127.0.0.1:9", "127.0.0.1:99999"),
                    "target_groups[0].targets[0].address", "99999"),
    "bad_algorithm": (lambda text: text + "    algorithm: robin\n", "target_groups[0].algorithm",
                      "robin"),
    "bad_source_ip": (lambda text: text.replace('path: ["/api", "/api/*"]',
                                                "source_ip: [10.0.0.0/33]"),
                      "listeners[0].rules[0].conditions[0].source_ip[0]", "10.0.0.0/33"),
    "redirect_loop": (lambda text: text.replace("{ forward: api }\ntarget",
                                                "{ redirect: { status: 301 } }\ntarget"),
                      "listeners[0].default_action.redirect", "redirect"),
    "fixed_response_status": (lambda text: text.replace(
        "{ forward: api }\ntarget", "{ fixed_response: { status: 99 } }\ntarget"),
        "listeners[0].default_action.fixed_response.status", "99"),
    "duplicate_group": (lambda text: text + "  - name: api\n    targets: []\n",
                        "target_groups[1].name", None),
    "trailer_that_frames": (lambda text: text + "forwarding: { trailers: [content-length] }\n",
                            "forwarding.trailers[0]", "trailers"),
    "no_such_version_of_http": (
        lambda text: text + "  - name: calls\n    protocol_version: http4\n    targets: []\n",
        "target_groups[1].protocol_version", "http4"),
}


@pytest.mark.parametrize("change, path, line_of", ERRORS.values(), ids=ERRORS)
def test_an_error_names_its_key(check, change, path, line_of):
    text = change(good())
    status, lines = check(text)
    assert status == 1
    if line_of:
        place(lines, text, path, line_of)
    else:
        assert any(re.search(rf"site\.yaml:.*{re.escape(path)}", each) for each in lines), lines


def test_duplicate_priorities_are_found(check):
    text = good().replace("    default_action", """\
      - name: other
        priority: 10 # again
        conditions: [{ path: /other }]
        action: { forward: api }
    default_action""")
    status, lines = check(text)
    assert status == 1
    place(lines, text, "listeners[0].rules[1].priority", "priority: 10 # again")


def test_yaml_that_cannot_be_read_is_one_error_with_its_place(check):
    status, lines = check("listeners:\n  - name: [web\n")
    assert status == 1
    assert re.search(r"site\.yaml:\d+:\d+", "\n".join(lines)), lines


def test_environment_variables_are_expanded(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(good().replace('{ address: "127.0.0.1:9", weight: 1 }',
                                   'address: ${TARGET}\n        weight: ${WEIGHT:-7}'))
    assert run("check", "--config", path, environment={"TARGET": "127.0.0.1:9"}).returncode == 0
    result = run("check", "--config", path, environment={"TARGET": "127.0.0.1:9", "WEIGHT": "x"})
    assert result.returncode == 1
    result = run("check", "--config", path)
    assert result.returncode == 1
    assert "TARGET" in result.stdout + result.stderr


# --- certificates ----------------------------------------------------------------------------------

def with_tls(cert, key):
    return yaml_text({
        "listeners": [listener("web", bind=f"127.0.0.1:{free_port()}", tls={
            "certificates": [{"cert": str(cert), "key": str(key)}]})],
        "target_groups": [group("targets", "127.0.0.1:9")]})


def test_a_certificate_and_its_key_are_accepted(check, certificate):
    status, lines = check(with_tls(certificate.cert, certificate.key))
    assert status == 0, lines


def test_a_key_of_another_certificate_is_refused(check, authority, certificate):
    other = authority.issue("check.test", file_name="check-mismatch")
    status, lines = check(with_tls(certificate.cert, other.key))
    assert status == 1
    assert any("site.yaml:" in line and "check-mismatch.key" in line for line in lines), lines


def test_missing_files_are_named(check, tmp_path):
    status, lines = check(with_tls(tmp_path / "no.crt", tmp_path / "no.key"))
    assert status == 1
    for name in ("no.crt", "no.key"):
        assert any("site.yaml:" in line and name in line for line in lines), lines


def test_a_file_that_is_no_certificate_is_refused(check, certificate, tmp_path):
    garbage = tmp_path / "garbage.crt"
    garbage.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    status, lines = check(with_tls(garbage, certificate.key))
    assert status == 1
    assert any("garbage.crt" in line for line in lines), lines


def test_files_of_tls_are_reported_at_the_key_that_names_them(check, certificate, tmp_path):
    """Each error has the line of the very key, and the path of the file."""
    missing = {name: tmp_path / f"missing-{name}" for name in
               ("cert", "key", "ocsp", "store", "crl", "ca", "client_cert", "client_key")}
    text = f"""\
listeners:
  - name: one
    bind: "127.0.0.1:{free_port()}"
    tls:
      certificates:
        - cert: {missing["cert"]}
          key: {missing["key"]}
        - cert: {certificate.cert}
          key: {certificate.key}
          ocsp: {missing["ocsp"]}
      client_certificates:
        mode: verify
        trust_store: {missing["store"]}
        crls:
          - {certificate.cert}
          - {missing["crl"]}
    default_action: {{ forward: targets }}
target_groups:
  - name: targets
    protocol: https
    tls:
      ca: {missing["ca"]}
      client_cert: {missing["client_cert"]}
      client_key: {missing["client_key"]}
    targets: [{{ address: "127.0.0.1:9" }}]
"""
    status, lines = check(text)
    assert status == 1
    listener_tls, group_tls = "listeners[0].tls.", "target_groups[0].tls."
    keys = {"cert": listener_tls + "certificates.cert", "key": listener_tls + "certificates.key",
            "ocsp": listener_tls + "certificates.ocsp",
            "store": listener_tls + "client_certificates.trust_store",
            "crl": listener_tls + "client_certificates.crls", "ca": group_tls + "ca",
            "client_cert": group_tls + "client_cert", "client_key": group_tls + "client_key"}
    for name, key in keys.items():
        number, line = next((n, each) for n, each in enumerate(text.splitlines(), 1)
                            if str(missing[name]) in each)
        column = line.index(str(missing[name])) + 1
        assert any(f"site.yaml:{number}:{column}: {key}: " in each and f"'{missing[name]}'" in each
                   for each in lines), (name, lines)


def test_a_missing_authority_of_targets_is_refused(check, tmp_path):
    status, lines = check(yaml_text({
        "listeners": [listener("web", bind=f"127.0.0.1:{free_port()}")],
        "target_groups": [group("targets", "127.0.0.1:9", protocol="https",
                                tls={"ca": str(tmp_path / "no-ca.pem")})]}))
    assert status == 1
    assert any("no-ca.pem" in line for line in lines), lines


# --- exit statuses and `run` -----------------------------------------------------------------------

def test_a_missing_file_is_an_error(tmp_path):
    result = run("check", "--config", tmp_path / "nothing.yaml")
    assert result.returncode == 1
    assert "nothing.yaml" in result.stdout + result.stderr


@pytest.mark.parametrize("arguments", [[], ["check"], ["run"], ["run", "--confg", "x"], ["walk"],
                                       ["check", "--config"]], ids=str)
def test_wrong_usage_is_status_2(arguments):
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stdout + result.stderr


def test_version_and_help_are_no_errors():
    result = run("--version")
    assert result.returncode == 0
    for word in ("sluice", "OpenSSL", "Boost", "nghttp2", "clang"):
        assert word.lower() in result.stdout.lower()
    assert run("--help").returncode == 0


def test_run_refuses_a_bad_file_with_all_its_errors(tmp_path):
    path = tmp_path / "site.yaml"
    path.write_text(good().replace("weight: 1", "weight: 1000").replace("priority: 10",
                                                                        "priority: 0"))
    result = run("run", "--config", path)
    assert result.returncode == 1
    assert "weight" in result.stderr + result.stdout
    assert "priority" in result.stderr + result.stdout


def test_run_refuses_a_port_in_use_in_one_line(tmp_path, start_target):
    target = start_target(serve_body())
    path = tmp_path / "site.yaml"
    path.write_text(GOOD.format(port=target.port))
    result = run("run", "--config", path)
    assert result.returncode == 1
    lines = [line for line in (result.stdout + result.stderr).splitlines() if target.address in line]
    assert len(lines) == 1
    assert "use" in lines[0]


def test_run_refuses_an_admin_port_in_use(tmp_path, start_target):
    target = start_target(serve_body())
    path = tmp_path / "site.yaml"
    path.write_text(good() + f'admin: {{ bind: "{target.address}" }}\n')
    result = run("run", "--config", path)
    assert result.returncode == 1
    assert target.address in result.stdout + result.stderr


def test_two_instances_cannot_share_a_port(start_sluice, start_target):
    """SO_REUSEPORT is for our workers, not for a second instance that was started by mistake."""
    target = start_target(serve_body())
    first = start_sluice(site(target))
    config = site(target)
    config["listeners"][0]["bind"] = f"127.0.0.1:{first.port()}"
    second = start_sluice(config, wait=False)
    second.expected_status = 1
    assert second.wait_for_exit() == 1
    assert f"127.0.0.1:{first.port()}" in second.error_log()


def test_a_unix_socket_of_a_dead_instance_is_taken_over(start_sluice, start_target, tmp_path):
    path = tmp_path / "left-behind.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    config = site(start_target(serve_body()))
    config["listeners"].append(listener("local", bind=f"unix:{path}"))
    start_sluice(config)
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert client.makefile("rb").read().startswith(b"HTTP/1.1 200 ")


def test_check_reads_certificates_of_several_listeners(check, certificate, tmp_path):
    status, lines = check(yaml_text({
        "listeners": [
            listener("one", bind=f"127.0.0.1:{free_port()}", tls=tls(certificate)),
            listener("two", bind=f"127.0.0.1:{free_port()}", tls={"certificates": [
                {"cert": str(tmp_path / "absent.crt"), "key": str(certificate.key)}]})],
        "target_groups": [group("targets", "127.0.0.1:9")]}))
    assert status == 1
    assert any("listeners[1]" in line and "absent.crt" in line for line in lines), lines
    assert not any("listeners[0]" in line for line in lines), lines


# --- all errors at once ---------------------------------------------------------------------------

def everything_wrong(port, admin_port, folder):
    """A fault for each floor: configuration, rules, sockets, files, admin."""
    return "\n".join([
        "listeners:",
        f'  - {{ name: taken, bind: "127.0.0.1:{port}", default_action: {{ forward: nobody }} }}',
        '  - { name: elsewhere, bind: "192.0.2.1:80" }',
        f'  - {{ name: local, bind: "unix:{folder}/no/folder.sock" }}',
        "timeouts: { connect: soon }",
        f'admin: {{ bind: "127.0.0.1:{admin_port}" }}',
        f'access_log: {{ path: "{folder}/none/access.log" }}',
        f'log: {{ level: info, path: "{folder}" }}', ""])


def assert_everything_is_said(lines, text):
    for path, line_of in [("listeners[0].bind", "taken"),
                          ("listeners[0].default_action.forward", "nobody"),
                          ("listeners[1].bind", "elsewhere"), ("listeners[2].bind", "local"),
                          ("timeouts.connect", "soon"), ("admin.bind", "admin"),
                          ("access_log.path", "access_log"), ("log.path", "level: info")]:
        place([line.replace("warning: ", "") for line in lines], text, path, line_of)


@pytest.mark.parametrize("command", ["check", "run"])
def test_errors_of_every_floor_are_said_in_one_go(tmp_path, start_target, command):
    port, admin_port = (start_target(serve_body()).port for _ in range(2))
    text = everything_wrong(port, admin_port, tmp_path)
    path = tmp_path / "site.yaml"
    path.write_text(text)
    result = run(command, "--config", path)
    assert result.returncode == 1
    assert_everything_is_said((result.stdout + result.stderr).splitlines(), text)
    assert [each.name for each in tmp_path.iterdir()] == ["site.yaml"]


def test_check_takes_an_admin_address_in_use_for_that_of_the_running_instance(check, start_target):
    target = start_target(serve_body())
    status, lines = check(good() + f'admin: {{ bind: "{target.address}" }}\n')
    assert status == 0, lines
    assert any("warning: admin.bind" in line for line in lines), lines


def test_check_makes_no_file(check, tmp_path):
    status, lines = check(good() + "access_log: { path: %s }\nlog: { path: %s }\n"
                          % (tmp_path / "access.log", tmp_path / "error.log"))
    assert status == 0, lines
    assert [each.name for each in tmp_path.iterdir()] == ["site.yaml"]
