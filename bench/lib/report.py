"""The run as Markdown."""

from lib.contenders import CONTENDERS
from lib.measure import Outcome
from lib.scenarios import SCENARIOS, IdleScenario
from lib.summary import Spread, idle_ratio, measured, ratio, verdicts

DISTURBED_SHARE = 0.05  # of a round spent waiting for the core: worth a warning


def markdown(header: dict, results: dict[str, dict[str, Outcome]], subject: str) -> str:
    parts = [_header(header), _goals(results, subject)]
    for name, outcomes in results.items():
        idle = isinstance(SCENARIOS[name], IdleScenario)
        parts.append((_idle_table if idle else _load_table)(name, outcomes, subject))
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(header: dict) -> str:
    machine = header["machine"]
    lines = [
        f"# Benchmark of {header['date']}, commit {header['commit']}",
        "",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory']}, Linux {machine['kernel']}, "
        f"{machine['system']}; load average before the run {machine['load_average_before']:.2f}",
        f"- Proxies on core {header['proxy_cpus']}, load and target on core {header['load_cpus']}; "
        f"{header['rounds']} rounds of {header['seconds']} s for each contender, interleaved; one worker each, "
        "access log on, health checks off",
        "- Versions: " + "; ".join(f"{name} {text}" for name, text in header["versions"].items()),
        "",
        "Values are medians over the rounds, with (lowest..highest). Ratios are medians of the ratios within each "
        "round. CPU is user and system time of all threads of a proxy. bench/README.md says how it is measured.",
        "",
        "![CPU per request](chart.svg)",
    ]
    return "\n".join(lines)


def _goals(results: dict[str, dict[str, Outcome]], subject: str) -> str:
    rows = [
        [verdict.scenario, verdict.goal, verdict.measured, "met" if verdict.met else "**missed**"]
        for verdict in verdicts(results, subject)
    ]
    return "## Goals\n\n" + table(["scenario", "goal", "measured", ""], rows) if rows else ""


def _load_table(scenario: str, outcomes: dict[str, Outcome], subject: str) -> str:
    titles = ["", "requests/s", "CPU us/request", "p50 us", "p99 us", "p99.9 us", "Pss MiB"]
    titles += [f"CPU: {subject}/this"]
    rows = []
    notes = []
    for name, outcome in outcomes.items():
        title = CONTENDERS[name].title
        if outcome.status != "ok":
            rows.append([title, f"{outcome.status}: {outcome.reason}"] + [""] * (len(titles) - 2))
        else:
            rows.append(_load_row(title, name, outcome, outcomes.get(subject), subject))
        notes += _notes(title, outcome)
    return f"## {scenario}: {SCENARIOS[scenario].title}\n\n{_suite(outcomes)}" + table(titles, rows) + "".join(notes)


def _load_row(title: str, name: str, outcome: Outcome, subject: Outcome | None, subject_name: str) -> list[str]:
    compared = ratio(subject, outcome, "cpu_us_per_request") if subject and name != subject_name else None
    return [
        title,
        shown(measured(outcome, "requests_per_second"), ",.0f"),
        shown(measured(outcome, "cpu_us_per_request"), ",.1f"),
        shown(measured(outcome, "latency_p50_us"), ",.0f"),
        shown(measured(outcome, "latency_p99_us"), ",.0f"),
        shown(measured(outcome, "latency_p99_9_us"), ",.0f"),
        shown(measured(outcome, "memory_bytes"), ",.1f", 2**20, with_range=False),
        shown(compared, ".2f") if compared else "",
    ]


def _suite(outcomes: dict[str, Outcome]) -> str:
    """The cipher suite, and a warning when contenders differ in it."""
    suites = {outcome.tls for outcome in outcomes.values() if outcome.tls}
    if len(suites) > 1:
        listed = ", ".join(f"{name} {outcome.tls}" for name, outcome in outcomes.items() if outcome.tls)
        return f"Not the same cipher suite everywhere, so not comparable: {listed}.\n\n"
    return f"Negotiated: {suites.pop()}.\n\n" if suites else ""


def _notes(title: str, outcome: Outcome) -> list[str]:
    notes = [f"\n\n{title}, void round: {reason}" for reason in outcome.void_reasons]
    disturbed = measured(outcome, "disturbed_share")
    if disturbed and disturbed.max > DISTURBED_SHARE:
        notes.append(f"\n\n{title} waited for its core up to {disturbed.max:.0%} of a round: the machine was not quiet.")
    return notes


def _idle_table(scenario: str, outcomes: dict[str, Outcome], subject: str) -> str:
    titles = ["", "connections", "KiB/connection", "Pss MiB in all", f"memory: {subject}/this"]
    rows = []
    for name, outcome in outcomes.items():
        title = CONTENDERS[name].title
        if not outcome.idle:
            rows.append([title, f"{outcome.status}: {outcome.reason}"] + [""] * (len(titles) - 2))
            continue
        compared = idle_ratio(outcomes[subject], outcome) if subject in outcomes and name != subject else None
        idle = outcome.idle
        rows.append(
            [title, f"{idle['connections']:,}", f"{idle['bytes_per_connection'] / 1024:.2f}"]
            + [f"{idle['memory_bytes'] / 2**20:,.1f}", f"{compared:.2f}" if compared else ""]
        )
    return f"## {scenario}: {SCENARIOS[scenario].title}\n\n" + table(titles, rows)


def shown(found: Spread | None, form: str, unit: float = 1, *, with_range: bool = True) -> str:
    if not found:
        return "-"
    text = format(found.median / unit, form)
    return f"{text} ({format(found.min / unit, form)}..{format(found.max / unit, form)})" if with_range else text


def table(titles: list[str], rows: list[list[str]]) -> str:
    lines = [titles, ["---"] + ["---:"] * (len(titles) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
