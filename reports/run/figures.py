"""The report's figures. Draws, and only draws: every number comes computed, from `reports.run.latency` and its like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from reports.drawing.axes import (
    FONT_SMALL_PX,
    KEY_ROW_PX,
    LABEL_GAP_PX,
    PIXELS_PER_INCH,
    Margins,
    Size,
    end_labels,
    figure_of,
    key,
    key_area,
    key_line,
    pushed_apart,
    sheet,
    simulated_axis,
    time_axis,
    value_axis,
)
from reports.drawing.palette import dashes, light, series
from reports.run.latency import Floats, LatencyOverTime, PercentileCurve, TimeBins
from scenarios.parts.pace import Pace
from scenarios.texts.wording import listed, percentile_name

WIDE = Size(width_px=940, height_px=340)
NARROW = Size(width_px=360, height_px=310)  # what a wide figure becomes on a phone
PANEL = Size(width_px=425, height_px=238)
BAD_DASHES = (3.0, 1.2)
FAULT_DASHES = (2.0, 2.0)
FAULT_ROWS = 2  # names of faults that follow each other closely stand below one another
GLYPH_WIDTH = 0.6  # of a letter, of the font's size
TRIANGLE_PX = 8
BEHIND_S_MIN = 0.001  # what is nearer is drawn there: a question takes as long
UNSERVED_NAME_SHARE = 0.3  # of the width, which a name takes on a phone
KEY_BESIDE_MAX = 3  # so many short names fit beside the vertical axis' label


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanBand:
    """While something lasted [s]: a fault, from its beginning until its nodes were back, or a round of analytics."""

    name: str
    from_s: float
    until_s: float
    is_fault: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The wall time that figures over time share; `warm_up_s` of it is shaded, faults and analytics stand out."""

    length_s: int
    warm_up_s: float
    pace: Pace
    bands: tuple[SpanBand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Operations a second by bin: fell due, were acknowledged, ended in failure or without an answer."""

    bins: TimeBins
    offered: Floats
    ok: Floats
    bad: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveLimit:
    """An objective: at most `response_ms_max` at `percentile`."""

    percentile: float
    response_ms_max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCurve:
    """A percentile curve under its name; `index` picks colour and dashes."""

    name: str
    index: int
    curve: PercentileCurve
    limits: tuple[ObjectiveLimit, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCourse:
    """The course of one thing over the bins; things of one `group` share colour and dashes, `group_index` picks them."""

    group: str
    group_index: int
    values: Floats


def draw_load(load: Load, span: Span, size: Size) -> Figure:
    """Offered and achieved load over time, with simulated time below the wall time."""
    entries: list[Artist] = [key_area("offered", "offered"), key_line("acknowledged", "series-1")]
    if load.bad.any():
        entries.append(key_line("failed or no answer", "fail", BAD_DASHES))
    beside = size.width_px > PANEL.width_px
    with sheet(size, Margins(top=28 if beside else 34 + KEY_ROW_PX * len(entries), bottom=80)) as axes:
        axes.fill_between(*_stairs(load.bins, load.offered), step="post", color=light("offered"), linewidth=0)
        axes.step(*_stairs(load.bins, load.ok), where="post", color=light("series-1"), linewidth=1.7)
        if load.bad.any():
            bad = np.where(load.bad > 0, load.bad, np.nan)  # a line along zero would be read as trouble
            axes.step(*_stairs(load.bins, bad), where="post", color=light("fail"), linewidth=1.5, dashes=BAD_DASHES)
        _time_axis(axes, span, size)
        value_axis(axes, "operations/s")
        axes.set_ylim(top=1.12 * max(float(load.offered.max()), float(load.ok.max()), 1.0))
        simulated_axis(axes, span.pace, size)
        key(axes, entries, size, column_count=len(entries) if beside else 1, right=beside)
        return figure_of(axes)


def draw_latency_over_time(
    course: LatencyOverTime,
    span: Span,
    *,
    label: str,
    limits: Sequence[ObjectiveLimit] = (),
    range_ms: tuple[float, float] | None = None,
    size: Size = PANEL,
) -> Figure:
    """p50, p95, p99 and the maximum of one latency over time, with the limits of its objectives."""
    with sheet(size, Margins(top=28, right=36)) as axes:
        middles = course.bins.starts_s + course.bins.width_s / 2
        axes.plot(middles, course.max, linestyle="none", marker=".", markersize=3.4, color=light("max"))
        for name, width in (("p50", 2.4), ("p95", 1.8), ("p99", 1.5)):
            axes.plot(middles, getattr(course, name), color=light(name), linewidth=width)
            _lone_points(axes, middles, getattr(course, name), name)
        _time_axis(axes, span, size)
        value_axis(axes, f"{label} [ms], logarithmic", log=True)
        if range_ms is not None:
            axes.set_ylim(*range_ms)
        names = [(name, _last(getattr(course, name))) for name in ("p50", "p95", "p99", "max")]
        end_labels(axes, [(name, value, name) for name, value in names if value is not None], size)
        _limit_lines(axes, limits, size)
        return figure_of(axes)


def draw_percentile_curves(curves: Sequence[NamedCurve], *, label: str, size: Size) -> Figure:
    """Whole distributions; each further nine along the bottom is ten times rarer. A triangle marks an objective."""
    column_count = 4 if size.width_px > PANEL.width_px else 2
    row_count = -(-len(curves) // column_count)
    with sheet(size, Margins(top=34 + KEY_ROW_PX * row_count)) as axes:
        for each in curves:
            ink = light(series(each.index))
            axes.plot(each.curve.nines, each.curve.value_ms, color=ink, dashes=dashes(each.index), linewidth=1.8)
            if each.curve.nines[-1] == 0:  # one response is a point
                axes.plot(each.curve.nines[-1:], each.curve.value_ms[-1:], "o", color=ink, markersize=5, clip_on=False)
        nines_max = max(
            1.0,
            *(float(each.curve.nines[-1]) for each in curves),
            *(_nines(limit.percentile) for each in curves for limit in each.limits),
        )
        axes.set_xlim(0, nines_max)
        ticks = [0.0, _nines(50), *(float(nine) for nine in range(1, int(nines_max) + 1))]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda nines, _: _percentile_tick(nines)))
        axes.grid(axis="x")
        axes.set_xlabel("percentile of operations [%], on a scale of nines")
        value_axis(axes, f"{label} [ms], logarithmic", log=True)
        _triangles(axes, curves)
        entries = [key_line(each.name, series(each.index), dashes(each.index)) for each in curves]
        key(axes, entries, size, column_count=column_count)
        return figure_of(axes)


def draw_courses(
    courses: Sequence[NamedCourse],
    bins: TimeBins,
    span: Span,
    *,
    label: str,
    whole: bool = False,
    size: Size = PANEL,
) -> Figure:
    """One thin line each, in the colour and dashes of its group; counts (`whole`) as stairs."""
    groups = {course.group: course.group_index for course in courses}
    beside = len(groups) <= KEY_BESIDE_MAX
    row_count = 0 if beside else -(-len(groups) // 4)
    with sheet(size, Margins(top=28 + KEY_ROW_PX * row_count)) as axes:
        for course in courses:
            middles = bins.starts_s + bins.width_s / 2
            _lone_points(axes, middles, course.values, series(course.group_index))
            axes.plot(
                middles,
                course.values,
                color=light(series(course.group_index)),
                dashes=dashes(course.group_index),
                linewidth=1.4,
                drawstyle="steps-mid" if whole else "default",
            )
        _time_axis(axes, span, size)
        value_axis(axes, label, whole=whole)
        entries = [key_line(group, series(index), dashes(index)) for group, index in groups.items()]
        key(axes, entries, size, column_count=len(entries) if beside else 4, right=beside)
        return figure_of(axes)


def draw_visibility(
    courses: Sequence[NamedCourse], unserved: Mapping[str, NDArray[np.bool_]], span: Span, size: Size
) -> Figure:
    """How far data centres are behind each other [s], logarithmic; marks along the top, by data centre: seconds without service.

    values of the courses and `unserved`: by second of the storm.
    """
    beside = size.width_px > PANEL.width_px
    with sheet(size, Margins(top=28 if beside else 34 + KEY_ROW_PX * len(courses))) as axes:
        for course in courses:
            seconds = np.arange(len(course.values)) + 0.5
            axes.plot(
                seconds,
                np.maximum(course.values, BEHIND_S_MIN),
                color=light(series(course.group_index)),
                dashes=dashes(course.group_index),
                linewidth=1.6,
                drawstyle="steps-mid",
            )
        _time_axis(axes, span, size)
        value_axis(axes, "behind [s], logarithmic", log=True)
        highest = max((float(np.nanmax(course.values, initial=0.0)) for course in courses), default=0.0)
        axes.set_ylim(BEHIND_S_MIN / 2, max(highest, 0.1) * 4)
        rows = [(dc, seconds) for dc, seconds in unserved.items() if seconds.any()]
        for row, (dc, is_unserved) in enumerate(rows):
            marks = np.flatnonzero(is_unserved) + 0.5
            height = 0.96 - 0.06 * row
            transform = axes.get_xaxis_transform()
            axes.plot(
                marks,
                np.full(len(marks), height),
                linestyle="none",
                marker="s",
                markersize=3,
                color=light("fail"),
                transform=transform,
            )
            is_early = marks[0] < span.length_s * UNSERVED_NAME_SHARE  # no room for the name before them
            axes.annotate(
                f"{dc} unserved",
                (float(marks[-1 if is_early else 0]), height),
                xycoords=transform,
                xytext=(4 if is_early else -4, 0),
                textcoords="offset points",
                ha="left" if is_early else "right",
                va="center",
                fontsize=FONT_SMALL_PX,
                color=light("fail"),
            )
        entries = [key_line(one.group, series(one.group_index), dashes(one.group_index)) for one in courses]
        key(axes, entries, size, column_count=len(entries) if beside else 1, right=beside)
        return figure_of(axes)


def _time_axis(axes: Axes, span: Span, size: Size) -> None:
    """Wall time along the bottom, with the warm-up, the faults and the rounds of analytics as bands."""
    time_axis(axes, span.length_s, span.warm_up_s, size)
    for index, band in enumerate(span.bands):
        ink = "fail" if band.is_fault else "pass"
        axes.axvspan(band.from_s, band.until_s, color=light(f"{ink}-tint"), linewidth=0, zorder=0)
        for edge_s in (band.from_s, band.until_s):
            axes.axvline(edge_s, color=light(ink), linewidth=0.8, dashes=FAULT_DASHES, zorder=1)
        if len(band.name) * FONT_SMALL_PX * GLYPH_WIDTH < (band.until_s - band.from_s) / span.length_s * size.width_px:
            axes.annotate(
                band.name,  # a band that has no room for its name has it in the table alone
                ((band.from_s + band.until_s) / 2, 0),  # below: limits of objectives have their names above
                xycoords=("data", "axes fraction"),
                xytext=(0, 5 + FONT_SMALL_PX * (index % FAULT_ROWS)),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=FONT_SMALL_PX,
                color=light(ink),
            )


def limit_texts(limits: Sequence[ObjectiveLimit]) -> dict[float, str]:
    """What stands at each limit [ms], lowest first: of several objectives that share one, all their percentiles."""
    at: dict[float, list[float]] = {}
    for limit in limits:
        at.setdefault(limit.response_ms_max, []).append(limit.percentile)
    return {
        value: f"{listed([percentile_name(each) for each in sorted(set(at[value]))])} limit {value:,.10g} ms"
        for value in sorted(at)
    }


def side_by_side(points: Sequence[tuple[float, float]], apart: float) -> list[float]:
    """How far to move each of these points along x so that none hides another: those nearer than `apart` both ways to the
    first of their group stand `apart` from each other about their common middle."""
    groups: list[list[int]] = []
    for index, (x, y) in enumerate(points):
        for group in groups:
            first_x, first_y = points[group[0]]
            if abs(x - first_x) < apart and abs(y - first_y) < apart:
                group.append(index)
                break
        else:
            groups.append([index])
    moved = [0.0] * len(points)
    for group in groups:
        middle = sum(points[index][0] for index in group) / len(group)
        for place, index in enumerate(group):
            if len(group) > 1:
                moved[index] = middle + (place - (len(group) - 1) / 2) * apart - points[index][0]
    return moved


def _triangles(axes: Axes, curves: Sequence[NamedCurve]) -> None:
    """Objectives in the colours of their curves. Drawn last: what lies on one point depends on the axes."""
    limits = [(each, _nines(limit.percentile), limit.response_ms_max) for each in curves for limit in each.limits]
    if not limits:
        return
    axes.update_datalim([(nines, value_ms) for _, nines, value_ms in limits])
    axes.autoscale_view(scalex=False)
    drawn_at = [tuple(axes.transData.transform((nines, value_ms)).tolist()) for _, nines, value_ms in limits]
    moved = side_by_side(drawn_at, TRIANGLE_PX + 1)
    for (each, nines, value_ms), by in zip(limits, moved, strict=True):
        axes.plot(
            [nines],
            [value_ms],
            marker="v",
            markersize=TRIANGLE_PX,
            color=light(series(each.index)),
            markeredgecolor=light("page"),
            zorder=4,
            transform=axes.transData + ScaledTranslation(by / PIXELS_PER_INCH, 0, figure_of(axes).dpi_scale_trans),
        )


def _lone_points(axes: Axes, at: Floats, values: Floats, role: str) -> None:
    """A value without a neighbour has no line to either side: a dot shows it."""
    is_there = np.isfinite(values)
    has_neighbour = np.zeros_like(is_there)
    has_neighbour[1:] |= is_there[:-1]
    has_neighbour[:-1] |= is_there[1:]
    lone = is_there & ~has_neighbour
    if lone.any():
        axes.plot(at[lone], values[lone], linestyle="none", marker="o", markersize=3.5, color=light(role))


def _limit_lines(axes: Axes, limits: Sequence[ObjectiveLimit], size: Size) -> None:
    """Each limit as a line with its words, which stand above it, or higher where the words of a lower one are."""
    texts = limit_texts(limits)
    height_px = axes.get_position().height * size.height_px
    low_px = axes.transData.transform((0, axes.get_ylim()[0]))[1]
    heights = [float(axes.transData.transform((0, value))[1] - low_px) for value in texts]
    words_at = pushed_apart([height + 4 for height in heights], LABEL_GAP_PX, height_px)
    for (value, text), height, words in zip(texts.items(), heights, words_at, strict=True):
        axes.axhline(value, color=light("limit"), linewidth=1.3, dashes=(5, 2))
        axes.annotate(
            text,
            (1, value),
            xycoords=("axes fraction", "data"),
            xytext=(-2, words - height),
            textcoords="offset points",
            ha="right",
            fontsize=FONT_SMALL_PX,
            color=light("limit"),
            bbox={"facecolor": light("page"), "edgecolor": "none", "pad": 1.0},  # readable across a line that crosses
        )


def _stairs(bins: TimeBins, values: Floats) -> tuple[Floats, Floats]:
    """A value that holds over its bin, as x and y of a staircase."""
    edges = np.arange(bins.count + 1, dtype=np.float64) * bins.width_s
    return edges, np.append(values, values[-1])


def _last(values: Floats) -> float | None:
    there = values[np.isfinite(values)]
    return float(there[-1]) if there.size else None


def _nines(percentile: float) -> float:
    return float(-np.log10(1 - percentile / 100))


def _percentile_tick(nines: float) -> str:
    """1 -> '90', 3 -> '99.9'."""
    return f"{100 * (1 - 10.0**-nines):.{max(round(nines) - 2, 0)}f}"
