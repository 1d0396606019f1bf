"""The figures of a simulation's report, over simulated time in UTC. Draws, and only draws: see `reports.simulation.series`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from reports.drawing.axes import (
    FONT_SMALL_PX,
    KEY_ROW_PX,
    Margins,
    Size,
    end_labels,
    figure_of,
    key,
    key_area,
    key_line,
    sheet,
    value_axis,
)
from reports.drawing.palette import dashes, light, series
from reports.run.figures import PANEL
from reports.run.latency import Floats
from reports.simulation.series import Binned
from scenarios.texts.wording import count, percent

_STEPS_H = (1 / 12, 1 / 6, 1 / 4, 1 / 2, 1, 2, 3, 6, 12, 24, 48, 168, 336, 720, 1_440)
_BOTTOM_PX = 56  # a time of day, its date, and the axis' name
_STATE_INKS: dict[str, tuple[str, tuple[float, ...]]] = {
    "applied": ("pass", ()),
    "not ended": ("muted", (1.4, 1.4)),
    "rejected": ("inconclusive", (5.0, 1.6)),
    "exhausted": ("fail", (3.0, 1.2)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Which simulated time a figure shows: hours since 00:00 UTC of `start`."""

    start: date
    from_h: float
    until_h: float

    def moment(self, hours: float) -> datetime:
        """The UTC instant so many hours after the start, to the second."""
        return datetime.combine(self.start, time()) + timedelta(seconds=round(hours * 3_600))


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBins:
    """A course under its name; `index` picks colour and dashes."""

    name: str
    index: int
    bins: Binned


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageSpan:
    """When a region, or all of them, had no WAN [h since the start]."""

    name: str
    from_h: float
    until_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLines:
    """Commands so far by state, at the hours: all float64[n]."""

    hours: Floats
    states: dict[str, Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convergence:
    """The share of displays that have a tariff, at the hours: float64[n]; and when it comes into force."""

    hours: Floats
    share: Floats
    effective_h: float
    share_at_effective: float


def draw_offered(total: Binned, operations: Sequence[NamedBins], clock: Clock, size: Size) -> Figure:
    """All operations as an area, each as a staircase in front of it."""
    column_count = 4 if size.width_px > PANEL.width_px else 2
    row_count = -(-(len(operations) + 1) // column_count)
    with sheet(size, Margins(left=60, top=34 + KEY_ROW_PX * row_count, bottom=_BOTTOM_PX)) as axes:
        unit, factor = _rate_unit(total)
        _area(axes, total, factor)
        for each in operations:
            _stairs(axes, each.bins, series(each.index), dashes(each.index), 1.5, factor)
        utc_axis(axes, clock, size)
        value_axis(axes, unit)
        entries: list[Artist] = [key_area("all", "offered")]
        entries += [key_line(each.name, series(each.index), dashes(each.index)) for each in operations]
        key(axes, entries, size, column_count=column_count)
        return figure_of(axes)


def draw_operation(mean: Binned, clock: Clock, size: Size = PANEL) -> Figure:
    """One operation on its own scale."""
    with sheet(size, Margins(left=60, top=28, bottom=_BOTTOM_PX)) as axes:
        unit, factor = _rate_unit(mean)
        _area(axes, mean, factor)
        _stairs(axes, mean, "series-1", (), 1.2, factor)
        utc_axis(axes, clock, size)
        value_axis(axes, unit)
        return figure_of(axes)


def draw_backlog(regions: Sequence[NamedBins], outages: Sequence[OutageSpan], clock: Clock, size: Size) -> Figure:
    """The messages that hubs hold, by region, with the outages shaded."""
    column_count = 4 if size.width_px > PANEL.width_px else 2
    entries: list[Artist] = [key_line(each.name, series(each.index), dashes(each.index)) for each in regions]
    if outages:
        entries.append(key_area("outage", "warm-up"))
    row_count = -(-len(entries) // column_count)
    with sheet(size, Margins(left=70, top=34 + KEY_ROW_PX * row_count, bottom=_BOTTOM_PX)) as axes:
        for outage in outages:
            axes.axvspan(outage.from_h, outage.until_h, color=light("warm-up"), linewidth=0, zorder=0)
            _note_at_top(axes, (outage.from_h + outage.until_h) / 2, outage.name)
        for each in regions:
            _stairs(axes, each.bins, series(each.index), dashes(each.index), 1.7)
        utc_axis(axes, clock, size)
        value_axis(axes, "messages sent and not arrived", whole=True)
        axes.set_ylim(top=1.15 * max(max(float(each.bins.values.max()) for each in regions), 1.0))
        key(axes, entries, size, column_count=column_count)
        return figure_of(axes)


def draw_commands(lines: CommandLines, clock: Clock, size: Size) -> Figure:
    """Commands of one campaign by state, counted up over time; each line is named at its end."""
    with sheet(size, Margins(left=60, right=108, top=28, bottom=_BOTTOM_PX)) as axes:
        for name, values in lines.states.items():
            role, pattern = _STATE_INKS[name]
            axes.plot(lines.hours, values, color=light(role), dashes=pattern, linewidth=1.8)
        utc_axis(axes, clock, size)
        value_axis(axes, "commands", whole=True)
        ends = [
            (f"{name} {count(int(values[-1]))}", values[-1], _STATE_INKS[name][0])
            for name, values in lines.states.items()
        ]
        end_labels(axes, [(text, float(value), role) for text, value, role in ends], size)
        return figure_of(axes)


def draw_convergence(course: Convergence, clock: Clock, size: Size) -> Figure:
    """The share of displays that show the tariff, and the instant at which it comes into force."""
    with sheet(size, Margins(left=50, right=20, top=28, bottom=_BOTTOM_PX)) as axes:
        axes.plot(course.hours, 100 * course.share, color=light("series-1"), linewidth=1.9)
        axes.axvline(course.effective_h, color=light("limit"), linewidth=1.3, dashes=(5, 2))
        at = (course.effective_h, 100 * course.share_at_effective)
        axes.plot(*at, marker="o", markersize=6, color=light("limit"), markeredgecolor=light("page"), zorder=4)
        is_late = course.effective_h > (clock.from_h + clock.until_h) / 2
        below = 0.5 * at[1] if at[1] > 20 else at[1] + 10  # clear of the line, which has climbed to the point
        axes.annotate(
            f"in force: {percent(course.share_at_effective)} correct",
            (course.effective_h, below),
            xytext=(-8 if is_late else 8, 0),
            textcoords="offset points",
            ha="right" if is_late else "left",
            fontsize=FONT_SMALL_PX,
            color=light("limit"),
            bbox={"facecolor": light("page"), "edgecolor": "none", "pad": 1.0},
        )
        utc_axis(axes, clock, size)
        value_axis(axes, "displays that have the tariff [%]")
        axes.set_ylim(0, 103)
        return figure_of(axes)


def utc_axis(axes: Axes, clock: Clock, size: Size) -> None:
    """Simulated time along the bottom: time of day, and the date at the first tick and at each midnight."""
    axes.set_xlim(clock.from_h, clock.until_h)
    length_h = clock.until_h - clock.from_h
    step_h = next((step for step in _STEPS_H if length_h / step <= size.tick_count_max), _STEPS_H[-1])
    first = np.ceil(clock.from_h / step_h - 1e-9)
    ticks = np.arange(first * step_h, clock.until_h + 1e-6, step_h).tolist()
    axes.xaxis.set_major_locator(FixedLocator(ticks))

    def label(hours: float, _: int | None) -> str:
        moment = clock.moment(hours)
        day = f"{moment.day} {moment:%b}"
        if step_h >= 24:
            return day
        is_dated = moment.time() == time() or abs(hours - ticks[0]) < 1e-6
        return f"{moment:%H:%M}\n{day}" if is_dated else f"{moment:%H:%M}"

    axes.xaxis.set_major_formatter(FuncFormatter(label))
    axes.set_xlabel("simulated time [UTC]")


def _rate_unit(per_s: Binned) -> tuple[str, float]:
    """The unit in which a rate is best read, and what a second's rate is multiplied by: no axis in thousandths."""
    most = float(per_s.values.max())
    if most >= 1:
        return "messages/s", 1.0
    return ("messages/min", 60.0) if most * 60 >= 1 else ("messages/h", 3_600.0)


def _area(axes: Axes, bins: Binned, factor: float = 1.0) -> None:
    values = factor * np.append(bins.values, bins.values[-1])
    axes.fill_between(bins.edges_h, values, step="post", color=light("offered"), linewidth=0)


def _stairs(axes: Axes, bins: Binned, role: str, pattern: tuple[float, ...], width: float, factor: float = 1.0) -> None:
    values = factor * np.append(bins.values, bins.values[-1])
    axes.step(bins.edges_h, values, where="post", color=light(role), dashes=pattern, linewidth=width)


def _note_at_top(axes: Axes, hours: float, text: str) -> None:
    axes.annotate(
        text,
        (hours, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, -4),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=FONT_SMALL_PX,
        color=light("muted"),
        annotation_clip=True,
    )
