"""The run as an SVG chart: one panel per scenario, one bar per contender, shortest is best.

Each panel has its own scale, for a handshake costs fifty times a request. The thin line on a bar is lowest to highest.
Colours follow the reader's light or dark setting.
"""

from dataclasses import dataclass
from xml.sax.saxutils import escape

from lib.contenders import CONTENDERS
from lib.measure import Outcome
from lib.scenarios import SCENARIOS, IdleScenario
from lib.summary import measured

WIDTH = 760
LABEL_WIDTH = 96
VALUE_WIDTH = 110
BAR_HEIGHT = 16
BAR_STEP = 22
PANEL_TITLE_HEIGHT = 30
PANEL_GAP = 18
TOP = 44

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 15px; font-weight: 600; }
  .panel { font-weight: 600; }
  .quiet { fill: #57606a; }
  .background { fill: #ffffff; }
  .bar { fill: #a8b3bf; }
  .floor { fill: #d8dee4; }
  .subject { fill: #0969da; }
  .range { stroke: #24292f; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .quiet { fill: #9198a1; }
    .background { fill: #0d1117; }
    .bar { fill: #59636e; }
    .floor { fill: #343b43; }
    .subject { fill: #4493f8; }
    .range { stroke: #e6edf3; }
  }
"""


@dataclass(frozen=True)
class Bar:
    contender: str
    value: float | None
    lowest: float = 0
    highest: float = 0
    note: str = ""


@dataclass(frozen=True)
class Panel:
    title: str
    unit: str
    bars: list[Bar]

    def height(self) -> int:
        return PANEL_TITLE_HEIGHT + BAR_STEP * len(self.bars) + PANEL_GAP


def chart(title: str, results: dict[str, dict[str, Outcome]], subject: str) -> str:
    panels = [_panel(name, outcomes) for name, outcomes in results.items()]
    panels = [panel for panel in panels if panel.bars]
    height = TOP + sum(panel.height() for panel in panels)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="background" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="16" y="26">{escape(title)}</text>',
    ]
    top = TOP
    for panel in panels:
        lines += _draw(panel, top, subject)
        top += panel.height()
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(scenario: str, outcomes: dict[str, Outcome]) -> Panel:
    idle = isinstance(SCENARIOS[scenario], IdleScenario)
    bars = [
        _idle_bar(name, outcome) if idle else _cpu_bar(name, outcome)
        for name, outcome in outcomes.items()
        if outcome.status != "skipped"
    ]
    unit = "KiB of memory per connection" if idle else "us of CPU per request"
    return Panel(f"{SCENARIOS[scenario].title}", unit, bars)


def _cpu_bar(name: str, outcome: Outcome) -> Bar:
    found = measured(outcome, "cpu_us_per_request") if outcome.status == "ok" else None
    return Bar(name, found.median, found.min, found.max) if found else Bar(name, None, note=outcome.status)


def _idle_bar(name: str, outcome: Outcome) -> Bar:
    if not outcome.idle:
        return Bar(name, None, note=outcome.status)
    value = outcome.idle["bytes_per_connection"] / 1024
    return Bar(name, value, value, value)


def _draw(panel: Panel, top: int, subject: str) -> list[str]:
    longest = max((bar.highest for bar in panel.bars), default=0) or 1
    scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / longest
    lines = [
        f'<text x="16" y="{top + 16}"><tspan class="panel">{escape(panel.title)}</tspan>'
        f'<tspan class="quiet" dx="8">{panel.unit}</tspan></text>'
    ]
    for index, bar in enumerate(panel.bars):
        lines += _draw_bar(bar, top + PANEL_TITLE_HEIGHT + index * BAR_STEP, scale, subject)
    return lines


def _draw_bar(bar: Bar, y: int, scale: float, subject: str) -> list[str]:
    baseline = y + BAR_HEIGHT - 4
    label = f'<text x="{LABEL_WIDTH - 8}" y="{baseline}" text-anchor="end">{CONTENDERS[bar.contender].title}</text>'
    if bar.value is None:
        return [label, f'<text class="quiet" x="{LABEL_WIDTH}" y="{baseline}">{escape(bar.note)}</text>']
    kind = "subject" if bar.contender == subject else "floor" if bar.contender == "relay" else "bar"
    middle = y + BAR_HEIGHT / 2
    ends = LABEL_WIDTH + bar.highest * scale
    return [
        label,
        f'<rect class="{kind}" x="{LABEL_WIDTH}" y="{y}" width="{max(1, bar.value * scale):.1f}" '
        f'height="{BAR_HEIGHT}" rx="2"/>',
        f'<line class="range" x1="{LABEL_WIDTH + bar.lowest * scale:.1f}" y1="{middle}" x2="{ends:.1f}" y2="{middle}"/>',
        f'<text x="{ends + 8:.1f}" y="{baseline}">{_short(bar.value)}</text>',
    ]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
