"""The figures of a search. Draws, and only draws: every number comes computed."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from loadtests.capacity.step import StepVerdict
from loadtests.stats.estimates import Floats
from reports.drawing.axes import FONT_SMALL_PX, Margins, Size, figure_of, key, key_line, sheet, value_axis
from reports.drawing.palette import light

ROLES = {
    StepVerdict.HELD: "pass",
    StepVerdict.BROKE: "fail",
    StepVerdict.UNDECIDED: "inconclusive",
    StepVerdict.CLIENT_LIMITED: "max",
}
MARKERS = {
    StepVerdict.HELD: "o",
    StepVerdict.BROKE: "X",
    StepVerdict.UNDECIDED: "D",
    StepVerdict.CLIENT_LIMITED: "s",
}
NAMES = {
    StepVerdict.HELD: "held",
    StepVerdict.BROKE: "broke",
    StepVerdict.UNDECIDED: "undecided",
    StepVerdict.CLIENT_LIMITED: "generator's limit",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPoint:
    """A step: its place in the search, its rate, and the percentile of one objective with its interval [ms]."""

    number: int
    rate_per_s: float
    verdict: StepVerdict
    response_ms: float | None
    low_ms: float | None
    high_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedLine:
    """The queueing curve of mean response times, and its knee."""

    rate_per_s: Floats
    response_ms: Floats
    knee_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Between which rates the threshold lies; None where that is open."""

    low_per_s: float | None
    high_per_s: float | None


def draw_response_by_rate(
    points: Sequence[StepPoint], fitted: FittedLine | None, limit_ms: float, threshold: Threshold, size: Size
) -> Figure:
    """A percentile of response times against the rate, with its limit; below it the fitted mean and its knee."""
    entries = _verdict_key(points)
    if fitted is not None:
        entries.append(key_line("mean, fitted", "p50"))
    with sheet(size, Margins(top=30 + 17 * _rows(entries, size))) as axes:
        _shade(axes, threshold, is_vertical=True)
        for point in points:
            if point.response_ms is None or point.low_ms is None or point.high_ms is None:
                continue
            ink = light(ROLES[point.verdict])
            axes.plot([point.rate_per_s] * 2, [point.low_ms, point.high_ms], color=ink, linewidth=1.4)
            axes.plot(point.rate_per_s, point.response_ms, MARKERS[point.verdict], color=ink, markersize=6)
        if fitted is not None:
            axes.plot(fitted.rate_per_s, fitted.response_ms, color=light("p50"), linewidth=1.6)
            axes.axvline(fitted.knee_per_s, color=light("muted"), linewidth=1, dashes=(1.4, 1.8))
            _note(axes, "knee", (fitted.knee_per_s, 0), "data", "axes fraction")
        axes.axhline(limit_ms, color=light("limit"), linewidth=1.4, dashes=(5, 2))
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=max(size.width_px // 110, 3)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axes.set_xlabel("rate asked for [operations/s]")
        value_axis(axes, "response time [ms], logarithmic", log=True)
        key(axes, entries, size, column_count=_columns(size))
        return figure_of(axes)


def draw_search(points: Sequence[StepPoint], threshold: Threshold, size: Size) -> Figure:
    """Which rate was tried when, and what it said."""
    entries = _verdict_key(points)
    with sheet(size, Margins(top=30 + 17 * _rows(entries, size))) as axes:
        _shade(axes, threshold, is_vertical=False)
        axes.plot(
            [point.number for point in points],
            [point.rate_per_s for point in points],
            color=light("rule"),
            linewidth=1,
            zorder=1,
        )
        for point in points:
            axes.plot(
                point.number, point.rate_per_s, MARKERS[point.verdict], color=light(ROLES[point.verdict]), markersize=7
            )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=max(size.width_px // 60, 3)))
        axes.set_xlabel("step")
        value_axis(axes, "rate [operations/s]")
        key(axes, entries, size, column_count=_columns(size))
        return figure_of(axes)


def draw_residuals(rate_per_s: Floats, residuals: Floats, size: Size) -> Figure:
    """What a fitted curve leaves unexplained at each rate [%]."""
    with sheet(size, Margins()) as axes:
        axes.axhline(0, color=light("rule"), linewidth=1.2)
        axes.vlines(rate_per_s, 0, 100 * residuals, color=light("series-1"), linewidth=1.4)
        axes.plot(rate_per_s, 100 * residuals, "o", color=light("series-1"), markersize=5)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axes.set_xlabel("completed [operations/s]")
        value_axis(axes, "measured over fitted, less 1 [%]")
        reach = 1.2 * max(float(abs(100 * residuals).max()), 1.0)
        axes.set_ylim(-reach, reach)
        return figure_of(axes)


def _verdict_key(points: Sequence[StepPoint]) -> list[Artist]:
    there = [verdict for verdict in StepVerdict if any(point.verdict is verdict for point in points)]
    return [
        Line2D([], [], linestyle="none", marker=MARKERS[each], color=light(ROLES[each]), label=NAMES[each])
        for each in there
    ]


def _columns(size: Size) -> int:
    return 5 if size.width_px > 500 else 2


def _rows(entries: Sequence[Artist], size: Size) -> int:
    return -(-len(entries) // _columns(size))


def _shade(axes: Axes, threshold: Threshold, *, is_vertical: bool) -> None:
    """The threshold's interval, when both its ends are known."""
    if threshold.low_per_s is None or threshold.high_per_s is None:
        return
    span = axes.axvspan if is_vertical else axes.axhspan
    span(threshold.low_per_s, threshold.high_per_s, color=light("warm-up"), linewidth=0, zorder=0)


def _note(axes: Axes, text: str, at: tuple[float, float], x: str, y: str) -> None:
    axes.annotate(
        text,
        at,
        xycoords=(x, y),
        xytext=(3, 4),
        textcoords="offset points",
        fontsize=FONT_SMALL_PX,
        color=light("muted"),
    )
