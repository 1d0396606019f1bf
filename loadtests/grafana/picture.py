"""A dashboard drawn without a Grafana, from what a Prometheus answers: for a page of the docs, and for who has none at hand.

`python -m loadtests.grafana.picture URL START END FOLDER` draws every page; START and END in seconds of the epoch.
"""

import json
import math
import re
import sys
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from loadtests.grafana.business import BUSINESS
from loadtests.grafana.operational import OPERATIONAL
from loadtests.grafana.panels import DashboardPage, DashboardPanel, PanelKind, PanelQuery

COLUMNS = 24
HEIGHT_IN, HEAD_IN, WIDTH_IN = 1.9, 0.7, 15.0  # of a line of panels, of what is above the first, of the page
SERIES_MAX = 14  # that are named below a panel
_LABEL = re.compile(r"\{\{(\w+)\}\}")
_BAD, _GOOD = "#c4162a", "#37872d"


@dataclass(frozen=True, slots=True)
class DrawnSeries:
    """One series: its name, and (seconds since the start, value)."""

    name: str
    points: tuple[tuple[float, float], ...]


Ask = Callable[[str], Sequence[tuple[Mapping[str, str], Sequence[tuple[float, float]]]]]
"""An expression's series: their labels, and (seconds since the start, value) of each."""


def ask_prometheus(url: str, start_s: float, end_s: float) -> Ask:
    """Questions to a Prometheus about a span [s since the epoch]. Raises OSError."""

    def ask(expr: str) -> Sequence[tuple[Mapping[str, str], Sequence[tuple[float, float]]]]:
        query = urllib.parse.urlencode({"query": expr, "start": start_s, "end": end_s, "step": "1s"})
        with urllib.request.urlopen(f"{url}/api/v1/query_range?{query}", timeout=30) as answer:
            told: dict[str, Any] = json.load(answer)
        return [
            (one["metric"], [(at_s - start_s, float(value)) for at_s, value in one["values"]])
            for one in told["data"]["result"]
        ]

    return ask


def draw(page: DashboardPage, ask: Ask, path: Path) -> None:
    """Draw a page as a PNG. A panel without an answer says what it needs."""
    lines = _lines(page)
    height_in = HEIGHT_IN * len(lines) + HEAD_IN
    figure = Figure(figsize=(WIDTH_IN, height_in))
    FigureCanvasAgg(figure)
    figure.text(0.03, 1 - 0.3 / height_in, page.title, fontsize=13)
    margins = {"left": 0.05, "right": 0.99, "top": 1 - HEAD_IN / height_in, "bottom": 0.3 / height_in}
    grid = figure.add_gridspec(len(lines), COLUMNS, hspace=0.45, wspace=3.0, **margins)
    for number, (row, panels) in enumerate(lines):
        first = 0
        for panel in panels:
            axes = figure.add_subplot(grid[number, first : first + panel.width])
            first += panel.width
            _draw_panel(axes, panel, [one for query in panel.asked for one in _series(query, page, ask)], row)
            row = ""
    figure.savefig(path, dpi=80)


def _lines(page: DashboardPage) -> list[tuple[str, list[DashboardPanel]]]:
    """Panels by the line that they stand in, with the title of the row that begins there."""
    lines: list[tuple[str, list[DashboardPanel]]] = []
    for row in page.rows:
        lines.append((row.title, []))
        for panel in row.panels:
            if sum(one.width for one in lines[-1][1]) + panel.width > COLUMNS:
                lines.append(("", []))
            lines[-1][1].append(panel)
    return lines


def _series(query: PanelQuery, page: DashboardPage, ask: Ask) -> list[DrawnSeries]:
    return [
        DrawnSeries(
            _LABEL.sub(lambda found, labels=labels: labels.get(found[1], ""), query.legend),  # type: ignore[misc]
            tuple((at_s, value) for at_s, value in points if not math.isnan(value)),
        )
        for labels, points in ask(query.with_choices(page.at_first()))
    ]


def _draw_panel(axes: Any, panel: DashboardPanel, series: Sequence[DrawnSeries], row: str) -> None:
    axes.set_title(f"{row.upper()}  ·  {panel.title}" if row else panel.title, fontsize=8, loc="left")
    axes.tick_params(labelsize=6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    held = [one for one in series if one.points]
    if not held:
        axes.set_axis_off()
        axes.text(0.02, 0.5, f"no data; needs {', '.join(panel.needs) or 'a run'}", fontsize=7, color="#808080")
    elif panel.shown is PanelKind.NUMBERS:
        axes.set_axis_off()
        for at, one in enumerate(held[:4]):
            value = one.points[-1][1]
            is_bad = panel.limit is not None and value > panel.limit
            place = (at + 0.5) / min(len(held), 4)
            axes.text(place, 0.55, shown(value, panel.unit), fontsize=18, ha="center", color=_BAD if is_bad else _GOOD)
            axes.text(place, 0.15, one.name, fontsize=7, ha="center", color="#606060")
    elif panel.shown is PanelKind.STATES:
        for at, one in enumerate(held):
            axes.broken_barh([(at_s, 1.0) for at_s, value in one.points if value], (at - 0.4, 0.8), color="#3274d9")
        axes.set_yticks(range(len(held)), [one.name for one in held])
        axes.set_ylim(-0.6, len(held) - 0.4)
    else:
        for one in held:
            axes.plot(*zip(*one.points, strict=True), linewidth=0.9, label=one.name)
        if panel.limit is not None:
            axes.axhline(panel.limit, color=_BAD, linewidth=0.8, linestyle="--")
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: shown(value, panel.unit))
        if len(held) <= SERIES_MAX and any(one.name for one in held):
            axes.legend(fontsize=5, ncols=2, frameon=False, loc="upper right")


def shown(value: float, unit: str) -> str:
    """A value as the page has it: 12 %, 3.4 ms, 1.2 GB, 4,321."""
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    if unit == "s":
        return f"{value * 1e3:.3g} ms" if abs(value) < 1 else f"{value:.3g} s"
    if unit == "bytes":
        return f"{value / 1e9:.3g} GB" if value >= 1e9 else f"{value / 1e6:.3g} MB"
    per_s = "/s" if unit == "ops" else ""
    return (f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}") + per_s


def main() -> None:
    url, start_s, end_s, folder = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4])
    for name, page in (("operational", OPERATIONAL), ("business", BUSINESS)):
        draw(page, ask_prometheus(url, start_s, end_s), folder / f"{name}.png")


if __name__ == "__main__":
    main()
