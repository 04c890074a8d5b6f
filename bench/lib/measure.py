"""Runs the scenarios: contenders interleaved in rounds under load, one after another for idle connections."""

import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from lib import generator, preflight
from lib.contenders import Contender, RunningContender, Setting
from lib.generator import Load, LoadError
from lib.http2_generator import Http2Load
from lib.processes import POLL_SECONDS, StartError
from lib.progress import Progress
from lib.scenarios import IdleScenario, LoadScenario, Scenario

IDLE_CLIENT = Path(__file__).resolve().parent / "idle_client.py"
WARM_UP_SECONDS = 1
OVERHEAD_SECONDS = 0.4  # of a round besides the load: for the time left only
IDLE_SECONDS_PER_CONNECTION = {False: 0.0004, True: 0.0018}  # likewise
IDLE_CONNECTIONS_BEFORE = 64  # opened before the first look at memory, so that start-up costs are not counted
SETTLED_BYTES = 64 * 1024
SETTLE_SECONDS_MAX = 5.0
LOG_SECONDS_MAX = 3.0
LOG_SHARE_MIN = 0.95  # of the requests must be in the access log when the load has ended


@dataclass(frozen=True)
class Plan:
    """How long and how often."""

    rounds: int
    seconds: int
    idle_connections: int
    full_handshakes: Path

    def seconds_for(self, scenario: Scenario) -> float:
        """Of one step of `scenario`: a round of one contender, or all its idle connections."""
        if isinstance(scenario, LoadScenario):
            return self.seconds + OVERHEAD_SECONDS
        return self.idle_connections * IDLE_SECONDS_PER_CONNECTION[scenario.tls] + 1

    def seconds_for_all(self, scenario: Scenario, contender_count: int) -> float:
        if isinstance(scenario, IdleScenario):
            return contender_count * self.seconds_for(scenario)
        return contender_count * (self.rounds * self.seconds_for(scenario) + WARM_UP_SECONDS + OVERHEAD_SECONDS)


@dataclass
class Outcome:
    """What one contender did in one scenario."""

    status: str = "ok"  # ok | failed | skipped
    reason: str = ""  # unless ok
    tls: str = ""  # version and cipher suite
    rounds: list[dict | None] = field(default_factory=list)  # None: void, so that rounds stay comparable
    void_reasons: list[str] = field(default_factory=list)
    idle: dict | None = None

    def fail(self, reason: str) -> None:
        self.status, self.reason = "failed", reason


def why_not(contender: Contender, scenario: Scenario) -> str:
    """Why the contender takes no part, or an empty string."""
    if scenario.tls and not contender.terminates_tls:
        return "does not terminate TLS"
    if contender.http2_only and not scenario.streams:
        return "compared over HTTP/2 only"
    if scenario.http2_target and contender.target_protocols[True] is None:
        return "does not speak HTTP/2 to targets"
    return ""


def measure(
    scenario: Scenario, contenders: list[Contender], setting: Setting, plan: Plan, progress: Progress
) -> dict[str, Outcome]:
    progress.note(f"\n{scenario.name}: {scenario.title}")
    outcomes = {contender.name: Outcome() for contender in contenders}
    for contender in contenders:
        if reason := why_not(contender, scenario):
            outcomes[contender.name] = Outcome("skipped", reason)
    taking_part = [contender for contender in contenders if outcomes[contender.name].status == "ok"]
    if isinstance(scenario, IdleScenario):
        for contender in taking_part:
            _measure_idle(scenario, contender, setting, plan, progress, outcomes[contender.name])
    else:
        _measure_load(scenario, taking_part, setting, plan, progress, outcomes)
    return outcomes


# Load


class _LogCounter:
    """Counts the lines of an access log and empties it between rounds: gigabytes of log would disturb the machine."""

    def __init__(self, path: Path):
        self._path = path
        self._lines_removed = 0

    def lines(self) -> int:
        if not self._path.exists():
            return self._lines_removed
        with open(self._path, "rb") as log:
            return self._lines_removed + sum(block.count(b"\n") for block in iter(lambda: log.read(1 << 20), b""))

    def empty(self) -> None:
        self._lines_removed = self.lines()
        if self._path.exists():
            self._path.open("r+b").truncate(0)


def _start(contender: Contender, scenario: Scenario, setting: Setting, outcome: Outcome) -> RunningContender | None:
    """Started and answering as the scenario says; else the outcome is a failure."""
    running = None
    try:
        running = RunningContender(contender, setting, f"{scenario.name}-{contender.name}", scenario.http2_target)
        outcome.tls = preflight.check_answers(running.port(scenario.tls), scenario, setting.certificate)
        return running
    except (StartError, preflight.WrongAnswer) as error:
        if running:
            running.program.stop()
        outcome.fail(str(error))
        return None


def _measure_load(
    scenario: LoadScenario,
    contenders: list[Contender],
    setting: Setting,
    plan: Plan,
    progress: Progress,
    outcomes: dict[str, Outcome],
) -> None:
    with ExitStack() as stack:
        started: list[RunningContender] = []
        for contender in contenders:
            running = _start(contender, scenario, setting, outcomes[contender.name])
            if running:
                started.append(stack.enter_context(running))
            else:
                reason = outcomes[contender.name].reason
                progress.drop(plan.seconds_for_all(scenario, 1), f"{contender.name:<8} FAILED: {reason}")
        logs = {running.contender.name: _LogCounter(running.access_log) for running in started}
        lines_before = {}
        for running in started:
            _warm_up(scenario, running, setting, plan)
            logs[running.contender.name].empty()
            lines_before[running.contender.name] = logs[running.contender.name].lines()
            progress.step(WARM_UP_SECONDS + OVERHEAD_SECONDS, f"{running.contender.name:<8} warmed up")
        for number in range(1, plan.rounds + 1):
            for running in started:
                name = running.contender.name
                outcome = outcomes[name]
                said = _one_round(scenario, running, setting, plan, outcome)
                logs[name].empty()
                progress.step(plan.seconds_for(scenario), f"round {number}/{plan.rounds} {name:<8} {said}")
        for running in started:
            name = running.contender.name
            if running.contender.has_access_log:
                _check_log(logs[name], lines_before[name], outcomes[name])
            if outcomes[name].status != "ok":
                progress.note(f"{name} FAILED: {outcomes[name].reason}")


def _load(
    scenario: LoadScenario, running: RunningContender, setting: Setting, plan: Plan, seconds: int
) -> Load | Http2Load:
    port = running.port(scenario.tls)
    if scenario.streams:
        return Http2Load(scenario, port, seconds, cpus=setting.load_cpus)
    return Load(scenario, port, seconds, cpus=setting.load_cpus, full_handshakes=plan.full_handshakes)


def _warm_up(scenario: LoadScenario, running: RunningContender, setting: Setting, plan: Plan) -> None:
    """Fills pools and caches. Errors are left to the rounds, where they are reported."""
    load = _load(scenario, running, setting, plan, WARM_UP_SECONDS)
    try:
        load.result()
    except LoadError:
        pass
    finally:
        load.stop()


def _one_round(
    scenario: LoadScenario, running: RunningContender, setting: Setting, plan: Plan, outcome: Outcome
) -> str:
    """Adds the round to the outcome and returns what to say about it."""
    try:
        result = _measured_round(scenario, running, setting, plan)
    except LoadError as error:
        outcome.rounds.append(None)
        outcome.void_reasons.append(str(error))
        if not running.program.alive():
            outcome.fail(f"ended with status {running.program.exit_status()} under load")
        return f"VOID: {error}"
    outcome.rounds.append(result)
    said = f"{result['requests_per_second']:>9,.0f} requests/s  {result['cpu_us_per_request']:7.1f} us CPU/request"
    if result["latency_p50_us"] is None:
        return said
    return f"{said}  p50 {result['latency_p50_us']:,.0f}  p99 {result['latency_p99_us']:,.0f} us"


def _measured_round(scenario: LoadScenario, running: RunningContender, setting: Setting, plan: Plan) -> dict:
    before = running.program.cpu_time()
    load = _load(scenario, running, setting, plan, plan.seconds)
    try:
        time.sleep(plan.seconds / 2)
        memory_bytes = running.program.memory_bytes()  # halfway, with all connections busy
        report = load.result()
    finally:
        load.stop()
    after = running.program.cpu_time()
    generator.check(report, scenario)
    cpu_seconds = after.run_seconds - before.run_seconds
    return {
        "requests": report.requests,
        "requests_per_second": report.requests_per_second,
        "cpu_us_per_request": cpu_seconds * 1e6 / report.requests,
        "cpu_share": cpu_seconds / report.duration_seconds,
        "disturbed_share": (after.wait_seconds - before.wait_seconds) / report.duration_seconds,
        "latency_p50_us": report.latency_us.get("p50"),
        "latency_p99_us": report.latency_us.get("p99"),
        "latency_p99_9_us": report.latency_us.get("p99_9"),
        "memory_bytes": memory_bytes,
    }


def _check_log(log: _LogCounter, lines_before: int, outcome: Outcome) -> None:
    """A contender that loses its log lines has not done the work. The last lines may still be in its buffer."""
    requests = sum(result["requests"] for result in outcome.rounds if result)
    deadline = time.monotonic() + LOG_SECONDS_MAX
    while (lines := log.lines() - lines_before) < LOG_SHARE_MIN * requests:
        if time.monotonic() > deadline:
            return outcome.fail(f"its access log has {lines} lines for {requests} requests")
        time.sleep(POLL_SECONDS)


# Idle connections


class _IdleClient:
    def __init__(self, scenario: IdleScenario, port: int, setting: Setting):
        command = ["taskset", "-c", setting.load_cpus, sys.executable, str(IDLE_CLIENT), str(port), scenario.path]
        if scenario.tls:
            command.append(str(setting.certificate))
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command: str) -> int:
        """Sends a command and returns the number in its answer. Raises LoadError."""
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # its last line says why
        answer = self._process.stdout.readline().strip()
        if not answer or answer.startswith("failed"):
            raise LoadError(answer.removeprefix("failed ") or "the client with the idle connections ended")
        return int(answer.split()[1])

    def stop(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


def _measure_idle(
    scenario: IdleScenario,
    contender: Contender,
    setting: Setting,
    plan: Plan,
    progress: Progress,
    outcome: Outcome,
) -> None:
    said = ""
    running = _start(contender, scenario, setting, outcome)
    if running:
        with running:
            client = _IdleClient(scenario, running.port(scenario.tls), setting)
            try:
                outcome.idle = _memory_of_idle_connections(running, client, plan.idle_connections)
                said = (
                    f"{outcome.idle['bytes_per_connection'] / 1024:7.2f} KiB per connection, "
                    f"{outcome.idle['memory_bytes'] / 2**20:,.1f} MiB in all"
                )
            except LoadError as error:
                outcome.fail(str(error))
            finally:
                client.stop()
    if said:
        progress.step(plan.seconds_for(scenario), f"{contender.name:<8} {said}")
    else:
        progress.drop(plan.seconds_for(scenario), f"{contender.name:<8} FAILED: {outcome.reason}")


def _memory_of_idle_connections(running: RunningContender, client: _IdleClient, count: int) -> dict:
    client.ask(f"open {IDLE_CONNECTIONS_BEFORE}")
    before = _settled_memory(running)
    client.ask(f"open {count}")
    after = _settled_memory(running)
    broken = client.ask("check")
    if broken:
        raise LoadError(f"{broken} of {count} idle connections did not stay open")
    return {
        "connections": count,
        "bytes_per_connection": (after - before) / count,
        "memory_bytes": after,
        "memory_bytes_before": before,
    }


def _settled_memory(running: RunningContender) -> int:
    """Memory once it no longer changes: a proxy may give buffers back a moment after the last answer."""
    deadline = time.monotonic() + SETTLE_SECONDS_MAX
    memory = running.program.memory_bytes()
    while time.monotonic() < deadline:
        time.sleep(0.3)
        earlier, memory = memory, running.program.memory_bytes()
        if abs(memory - earlier) < SETTLED_BYTES:
            break
    return memory
