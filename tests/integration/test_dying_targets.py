"""A client must not learn that a target died: three targets under load, one of them fails in each of the
ways that targets fail, and comes back."""

import signal

import pytest
from support.configuration import site
from support.load import Load
from support.target_process import TargetProcess
from support.waiting import wait_until


@pytest.fixture
def start_process():
    processes = []

    def start(port=None):
        processes.append(TargetProcess(port))
        return processes[-1]

    yield start
    for process in processes:
        process.close()


@pytest.fixture
def start_load(tmp_path):
    loads = []

    def start(proxy, method="GET"):
        loads.append(Load(f"http://127.0.0.1:{proxy.port('web')}/", tmp_path, method))
        return loads[-1]

    yield start
    for load in loads:
        load.close()


def configuration(targets):
    config = site(*targets, workers=2)
    config["target_groups"][0].update(
        timeouts={"per_try": "1s", "connect": "1s"},
        retry={"on": ["connect_failure", "reset", "timeout", "malformed", 500],
               "budget": {"percent": 20, "burst": 100}},
        passive_health={"ejection_time": "300ms", "max_ejection_time": "600ms"},
        slow_start="1s",
        health_check={"path": "/", "interval": "1s", "timeout": "1s", "healthy_threshold": 2,
                      "unhealthy_threshold": 2})
    return config


def kill(process):
    process.kill()


def revive(process, start_process):
    return start_process(process.port)


FAULTS = {
    "killed": (kill, revive),
    "stopped": (lambda process: process.send_signal(signal.SIGSTOP),
                lambda process, _: process.send_signal(signal.SIGCONT)),
    "answering 500": (lambda process: process.ask("500"), lambda process, _: process.ask("ok")),
    "answering garbage": (lambda process: process.ask("garbage"),
                          lambda process, _: process.ask("ok")),
    "hanging": (lambda process: process.ask("hang"), lambda process, _: process.ask("ok")),
}


def is_steady(proxy, more):
    """So many more requests are answered from now on."""
    goal = proxy.metric("sluice_requests_total") + more
    wait_until(lambda: proxy.metric("sluice_requests_total") >= goal, f"{more} more requests")


def start_site(start_sluice, start_process):
    processes = [start_process() for _ in range(3)]
    proxy = start_sluice(configuration(processes))
    proxy.wait_for_metric_value("sluice_targets", 3, state="healthy")
    return proxy, processes


@pytest.mark.parametrize("fault", FAULTS)
def test_no_get_fails_when_one_of_three_targets_is(start_sluice, start_process, start_load, fault):
    proxy, processes = start_site(start_sluice, start_process)
    break_it, mend_it = FAULTS[fault]
    load = start_load(proxy)
    is_steady(proxy, 500)
    break_it(processes[0])
    proxy.wait_for_metric_value("sluice_targets", 1, state="unhealthy")
    is_steady(proxy, 500)
    mended = mend_it(processes[0], start_process)
    process = mended if isinstance(mended, TargetProcess) else processes[0]
    proxy.wait_for_metric_value("sluice_targets", 3, state="healthy")
    before = process.requests()
    wait_until(lambda: process.requests() > before + 100, "it takes its share again")
    requests, failures = load.stop()
    assert failures == 0, f"{failures} of {requests} requests failed"


def test_a_post_fails_only_where_the_target_may_have_begun_it(start_sluice, start_process,
                                                              start_load):
    proxy, processes = start_site(start_sluice, start_process)
    load = start_load(proxy, "POST")
    is_steady(proxy, 500)
    processes[0].kill()
    proxy.wait_for_metric_value("sluice_targets", 1, state="unhealthy")
    is_steady(proxy, 500)
    _, failures = load.stop()
    # Those that were on their way when it died; whoever was refused went elsewhere. The kernel closes
    # the sockets of a dead process one after the other, the listening one among them, which on a
    # busy machine is time enough for some of the 16 clients to meet another one.
    assert failures <= 4 * 16
    ends = proxy.metrics()
    assert ends.sum("sluice_exchange_ends_total", reason="target_connect_refused") == 0
    assert ends.sum("sluice_exchange_ends_total", reason="target_closed_early") == failures
