"""Every kind of condition, asked by curl, over HTTP/1.1, HTTP/2 and TLS; and the warnings of `check`."""

import subprocess

import pytest

from support.certificates import Authority
from support.configuration import listener, rule, tls
from support.ports import free_port
from support.sluice import run
from support.waiting import PATIENCE
from support.yaml_text import yaml_text


def text(body):
    return {"fixed_response": {"status": 200, "content_type": "text/plain", "body": body}}


def rules_only(*rules, default=text("no"), **more):
    return {"listeners": [listener("web", *rules, default=default, **more)], "target_groups": []}


def curl(*arguments):
    result = subprocess.run(["curl", "--silent", "--show-error", "--path-as-is", "--globoff",
                             "--noproxy", "*", "--max-time", str(PATIENCE), *map(str, arguments)],
                            capture_output=True, timeout=2 * PATIENCE, check=False)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode()


# The condition; options and path of curl that match it; and such that do not.
KINDS = {
    "host": ({"host": ["shop.test", "*.shop.test"]},
             [["/", "-H", "Host: SHOP.test:81"], ["/", "-H", "Host: a.shop.test"]],
             [["/"], ["/", "-H", "Host: shop.test.evil.test"]]),
    "host_regex": ({"host": {"regex": "^node-[0-9]+[.]test$"}},
                   [["/", "-H", "Host: NODE-12.test:80"]], [["/", "-H", "Host: node-.test"]]),
    "path": ({"path": ["/a/*", "/b?"]}, [["/a/x?q"], ["/b1"], ["/./%61/x"]], [["/a"], ["/b"]]),
    "path_prefix": ({"path_prefix": "/api"}, [["/api"], ["/api/x"]], [["/apiary"]]),
    "path_regex": ({"path_regex": "^/v[0-9]+/"}, [["/v12/x"]], [["/v/x"], ["/x/v1/"]]),
    "method": ({"method": ["PUT", "PURGE"]}, [["/", "-X", "PURGE"], ["/", "-X", "PUT"]],
               [["/"], ["/", "-X", "purge"]]),
    "header": ({"header": {"name": "X-Env", "values": ["beta", "canary*"]}},
               [["/", "-H", "x-env: BETA"], ["/", "-H", "X-Env: no", "-H", "X-Env: Canary-2"]],
               [["/"], ["/", "-H", "X-Env: alpha"]]),
    "header_regex": ({"header": {"name": "User-Agent", "regex": "^probe/[0-9]+$"}},
                     [["/", "-A", "probe/7"]], [["/"], ["/", "-A", "probe/x"]]),
    "query": ({"query": [{"key": "version", "value": "v?"}, {"value": "*needle*"}]},
              [["/?a=b&VERSION=V1"], ["/?x=a%6eeedle"], ["/?needle"]],
              [["/"], ["/?version=v12"], ["/version=v1"]]),
    "cookie": ({"cookie": {"name": "plan", "values": ["gold"]}},
               [["/", "-b", "a=b; plan=gold"]], [["/", "-b", "plan=silver"], ["/"]]),
    "source_ip": ({"source_ip": ["127.0.0.2/31"]},
                  [["/", "--interface", "127.0.0.3"]], [["/", "--interface", "127.0.0.4"]]),
    "not": ({"not": {"method": "GET"}}, [["/", "-X", "DELETE"]], [["/"]]),
    "any": ({"any": [{"path": "/a"}, {"not": {"header": {"name": "User-Agent"}}}]},
            [["/a"], ["/b", "-H", "User-Agent:"]], [["/b"]]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_curl_meets_the_condition(start_sluice, kind):
    condition, matching, others = KINDS[kind]
    config = rules_only(rule("it", 10, condition, action=text("yes")))
    config["listeners"][0]["http2"] = True
    proxy = start_sluice(config)
    for protocol in ("--http1.1", "--http2-prior-knowledge"):
        for expected, requests in (("yes", matching), ("no", others)):
            for path, *options in requests:
                got = curl(protocol, *options, f"http://127.0.0.1:{proxy.port()}{path}")
                assert got == expected, (protocol, path, options)


def test_sni_is_the_name_of_the_handshake_and_not_the_host(start_sluice, authority, certificate):
    proxy = start_sluice(rules_only(
        rule("it", 10, {"sni": ["SITE.test"]}, action=text("yes")), tls=tls(certificate)))
    port = proxy.port()

    def ask(name, *options):
        return curl("--cacert", authority.cert, "--connect-to", f"{name}:{port}:127.0.0.1:{port}",
                    *options, f"https://{name}:{port}/")

    assert ask("site.test") == "yes"
    assert ask("127.0.0.1", "-k") == "no"


def test_the_clients_certificate_decides_when_it_was_verified(start_sluice, authority, certificate,
                                                              tmp_path):
    clients = Authority(tmp_path, "clients")
    alice = clients.issue("alice.internal", usage="clientAuth")
    bob = clients.issue("bob.internal", usage="clientAuth")
    proxy = start_sluice(rules_only(
        rule("both", 10, {"client_certificate": {"subject": "CN=alice.*", "dns": "*.INTERNAL"}},
             action=text("alice")),
        rule("issuer", 20, {"client_certificate": {"issuer": "*clients*"}}, action=text("other")),
        tls=tls(certificate, client_certificates={"mode": "verify",
                                                  "trust_store": str(clients.cert)})))
    port = proxy.port()
    for who, expected in ((alice, "alice"), (bob, "other")):
        assert curl("--cacert", authority.cert, "--cert", who.cert, "--key", who.key,
                    "--connect-to", f"site.test:{port}:127.0.0.1:{port}",
                    f"https://site.test:{port}/") == expected


def test_rules_of_all_kinds_by_the_thousand_each_decide_about_their_own(start_sluice):
    makers = [lambda n: {"host": f"h{n}.test"}, lambda n: {"path_prefix": f"/p{n}"},
              lambda n: {"header": {"name": "X-N", "values": [f"v{n}"]}},
              lambda n: {"query": {"key": "n", "value": str(n)}},
              lambda n: {"cookie": {"name": "n", "values": [str(n)]}},
              lambda n: {"path_regex": f"^/r[a-z]+/{n}$"}]
    proxy = start_sluice(rules_only(*(rule(f"r{n}", n + 1, makers[n % 6](n), action=text(str(n)))
                                      for n in range(3000))))
    asked = [["/", "-H", "Host: h1200.test"], ["/p1201/x"], ["/", "-H", "X-N: V1202"],
             ["/?n=1203"], ["/", "-b", "n=1204"], ["/rabc/1205"]]
    for n, (path, *options) in enumerate(asked, 1200):
        assert curl(*options, f"http://127.0.0.1:{proxy.port()}{path}") == str(n)
    # The lowest priority of all that hold.
    assert curl("-H", "Host: h2994.test", "-b", "n=10",
                f"http://127.0.0.1:{proxy.port()}/p2995?n=2001") == "10"


def test_check_warns_of_rules_that_can_never_match(tmp_path):
    config = rules_only(
        rule("all", 10, {"path_prefix": "/"}, action=text("all")),
        rule("api", 20, {"path_prefix": "/api"}, {"method": "GET"}, action=text("api")),
        rule("never", 5, {"path": "/a"}, {"path": "/b"}, action=text("never")),
        bind=f"127.0.0.1:{free_port()}")
    path = tmp_path / "site.yaml"
    path.write_text(yaml_text(config))
    result = run("check", "--config", path)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = [line for line in (result.stdout + result.stderr).splitlines() if "warning" in line]
    assert len(lines) == 2, lines
    assert any("rules[1]" in line and "rule 'api' can never match: rule 'all' (" in line
               and line.count("site.yaml:") == 2 for line in lines), lines
    assert any("rules[2].conditions[1]" in line and "never holds together" in line
               for line in lines), lines
