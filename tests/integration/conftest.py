"""Fixtures of all integration tests: the proxy and its targets, stopped and checked at the end."""

import itertools

import pytest

from support.certificates import Authority
from support.sluice import BINARY, Sluice
from support.target import Target


def pytest_sessionstart(session):
    if not BINARY.exists():
        pytest.exit(f"there is no {BINARY}: build first, or name one in SLUICE_BINARY", returncode=3)


@pytest.fixture
def start_target():
    """Starts targets: `start_target(script)`. A failure inside a script fails the test."""
    targets = []

    def start(script, **options):
        targets.append(Target(script, **options))
        return targets[-1]

    yield start
    failures = []
    for target in targets:
        try:
            target.close()
        except BaseException as failure:  # noqa: BLE001: all targets are closed first
            failures.append(failure)
    if failures:
        raise failures[0]


@pytest.fixture
def start_sluice(start_target, tmp_path):
    """Starts the proxy: `start_sluice(config)`. At the end of the test each one still running is told
    to stop and must exit with status 0. It depends on `start_target` so that it ends first."""
    proxies = []
    folders = (tmp_path / f"sluice-{number}" for number in itertools.count())

    def start(config, *, wait=True, **options):
        proxy = Sluice(next(folders), config, **options)
        proxies.append(proxy)
        return proxy.wait_until_ready() if wait else proxy

    yield start
    failures = []
    for proxy in proxies:
        try:
            proxy.clean_up(getattr(proxy, "expected_status", 0))
        except AssertionError as failure:
            failures.append(failure)
    if failures:
        raise failures[0]


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """The certificate authority that clients of the tests trust."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def certificate(authority):
    """For `site.test`, the host that requests name unless told otherwise."""
    return authority.issue("site.test")
