"""From rounds to medians, pairwise ratios and the goals."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from lib.measure import Outcome
from lib.scenarios import SCENARIOS, IdleScenario

MEASURES = (
    "requests_per_second",
    "cpu_us_per_request",
    "cpu_share",
    "disturbed_share",
    "latency_p50_us",
    "latency_p99_us",
    "latency_p99_9_us",
    "memory_bytes",
)
PEERS = ("nginx", "haproxy", "nghttpx")
HTTP2_PEERS = (*PEERS, "h2o")
HTTP2_TARGET_PEERS = ("haproxy", "nghttpx")


@dataclass(frozen=True)
class Spread:
    median: float
    min: float
    max: float


def spread(values: Iterable[float]) -> Spread | None:
    known = [value for value in values if math.isfinite(value)]
    return Spread(median(known), min(known), max(known)) if known else None


def measured(outcome: Outcome, measure: str) -> Spread | None:
    return spread(result[measure] for result in outcome.rounds if result and result[measure] is not None)


def ratio(subject: Outcome, peer: Outcome, measure: str) -> Spread | None:
    """Subject over peer, paired by round: what disturbed a whole round disturbed both."""
    if subject.status != "ok" or peer.status != "ok":
        return None
    pairs = zip(subject.rounds, peer.rounds)
    return spread(mine[measure] / theirs[measure] for mine, theirs in pairs if mine and theirs and theirs[measure])


def idle_ratio(subject: Outcome, peer: Outcome) -> float | None:
    if not subject.idle or not peer.idle or peer.idle["bytes_per_connection"] <= 0:
        return None
    return subject.idle["bytes_per_connection"] / peer.idle["bytes_per_connection"]


@dataclass(frozen=True)
class Verdict:
    scenario: str
    goal: str
    measured: str
    met: bool


@dataclass(frozen=True)
class RatioGoal:
    """CPU per request, at most this times that of the best of the peers."""

    scenario: str
    peers: tuple[str, ...]
    at_most: float


@dataclass(frozen=True)
class IdleGoal:
    scenario: str
    kib_per_connection_at_most: float


RATIO_GOALS = (
    RatioGoal("http1", PEERS, 0.85),
    RatioGoal("https", PEERS, 0.90),
    RatioGoal("body-1m", ("nginx",), 1.0),
    RatioGoal("h2-10", HTTP2_PEERS, 1.0),
    RatioGoal("h2-100", HTTP2_PEERS, 1.0),
    RatioGoal("h2-h2", HTTP2_TARGET_PEERS, 1.0),
)
IDLE_GOALS = (IdleGoal("idle", 2), IdleGoal("idle-tls", 16))


def verdicts(results: dict[str, dict[str, Outcome]], subject: str) -> list[Verdict]:
    """Of the goals that this run can judge."""
    judged = [_judge_ratio(goal, results.get(goal.scenario, {}), subject) for goal in RATIO_GOALS]
    judged += [_judge_idle(goal, results.get(goal.scenario, {}), subject) for goal in IDLE_GOALS]
    return [verdict for verdict in judged if verdict]


def _judge_ratio(goal: RatioGoal, outcomes: dict[str, Outcome], subject: str) -> Verdict | None:
    if subject not in outcomes:
        return None
    ratios = {}
    for peer in goal.peers:
        if peer in outcomes and peer != subject:
            found = ratio(outcomes[subject], outcomes[peer], "cpu_us_per_request")
            if found:
                ratios[peer] = found
    if not ratios:
        return None
    best = max(ratios, key=lambda peer: ratios[peer].median)  # the cheapest peer gives the highest ratio
    value = ratios[best]
    text = f"{value.median:.2f} of {best} ({value.min:.2f}..{value.max:.2f})"
    wanted = f"CPU per request at most {goal.at_most:.2f} of " + ("the best peer" if len(goal.peers) > 1 else goal.peers[0])
    return Verdict(goal.scenario, wanted, text, value.median <= goal.at_most)


def _judge_idle(goal: IdleGoal, outcomes: dict[str, Outcome], subject: str) -> Verdict | None:
    if subject not in outcomes or not outcomes[subject].idle:
        return None
    kib = outcomes[subject].idle["bytes_per_connection"] / 1024
    wanted = f"at most {goal.kib_per_connection_at_most:g} KiB per connection"
    return Verdict(goal.scenario, wanted, f"{kib:.2f} KiB", kib <= goal.kib_per_connection_at_most)


def as_json(results: dict[str, dict[str, Outcome]], subject: str) -> dict:
    """Everything measured and derived, for the JSON file."""
    return {scenario: _scenario_as_json(scenario, outcomes, subject) for scenario, outcomes in results.items()}


def _scenario_as_json(scenario: str, outcomes: dict[str, Outcome], subject: str) -> dict:
    described: dict = {"title": SCENARIOS[scenario].title, "contenders": {}, "ratios": {}}
    for name, outcome in outcomes.items():
        described["contenders"][name] = vars(outcome) | {
            "summary": {measure: _plain(measured(outcome, measure)) for measure in MEASURES} if outcome.rounds else {}
        }
    if subject in outcomes:
        for name, outcome in outcomes.items():
            if name != subject:
                described["ratios"][f"{subject}/{name}"] = _ratios_as_json(scenario, outcomes[subject], outcome)
    return described


def _ratios_as_json(scenario: str, subject: Outcome, peer: Outcome) -> dict:
    if isinstance(SCENARIOS[scenario], IdleScenario):
        return {"bytes_per_connection": idle_ratio(subject, peer)}
    return {
        measure: _plain(ratio(subject, peer, measure))
        for measure in ("requests_per_second", "cpu_us_per_request", "latency_p50_us", "latency_p99_us", "memory_bytes")
    }


def _plain(found: Spread | None) -> dict | None:
    return vars(found) if found else None
