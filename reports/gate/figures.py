"""The figures of a gate: every pair of every metric, and the response times of both sides. Draws, and only draws."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.drawing.axes import FONT_SMALL_PX, PIXELS_PER_INCH, STYLE
from reports.drawing.palette import light
from reports.results.gate import MetricResult
from scenarios.gate_file import GateAnswer

ROW_PX = 20
HEAD_PX, FOOT_PX = 26, 40
NAMES_PX = 190
RIGHT_PX = 14
OUTER_SHARE = 0.02  # of single pairs, those that may lie beyond the axis


def draw_changes(metrics: Sequence[MetricResult], width_px: int) -> Figure:
    """A row a metric: a tick each pair, the mean with its interval, and a bar at the change that matters."""
    height_px = HEAD_PX + ROW_PX * len(metrics) + FOOT_PX
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width_px / PIXELS_PER_INCH, height_px / PIXELS_PER_INCH), dpi=PIXELS_PER_INCH)
        axes = figure.add_axes(
            (
                NAMES_PX / width_px,
                FOOT_PX / height_px,
                1 - (NAMES_PX + RIGHT_PX) / width_px,
                ROW_PX * len(metrics) / height_px,
            )
        )
        for row, metric in enumerate(metrics):
            pairs = np.expm1(np.array(metric.changes))
            axes.plot(pairs, np.full(len(pairs), row), linestyle="none", marker="|", markersize=7, color=light("max"))
            axes.plot([metric.limit] * 2, [row - 0.4, row + 0.4], color=light("fail"), linewidth=1.4)
            role = "fail" if metric.answer is GateAnswer.REGRESSION else "series-1"
            if metric.low is not None and metric.high is not None:
                axes.plot([metric.low, metric.high], [row, row], color=light(role), linewidth=1.8)
            if metric.change is not None:
                axes.plot([metric.change], [row], linestyle="none", marker="o", markersize=5, color=light(role))
        axes.axvline(0, color=light("rule"), linewidth=1)
        axes.set_ylim(len(metrics) - 0.5, -0.5)
        axes.set_yticks(range(len(metrics)), [each.name for each in metrics], fontsize=FONT_SMALL_PX)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x")
        axes.set_xlim(*_limits(metrics))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, min_n_ticks=3))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:+.3g} %"))
        axes.tick_params(axis="x", labelsize=FONT_SMALL_PX)
        axes.set_xlabel("candidate against baseline, to the right is worse", fontsize=FONT_SMALL_PX)
        return figure


def _limits(metrics: Sequence[MetricResult]) -> tuple[float, float]:
    """Of the axis: all intervals and limits, and nearly all pairs."""
    pairs = np.expm1(np.concatenate([np.array(each.changes) for each in metrics]))
    low, high = np.quantile(pairs, [OUTER_SHARE, 1 - OUTER_SHARE])
    ends = [each.low for each in metrics if each.low is not None] + [
        each.high for each in metrics if each.high is not None
    ]
    ends = [end for end in ends if abs(end) < 10]
    low, high = min([low, 0.0, *ends]), max([high, *ends, *(each.limit for each in metrics)])
    return low - 0.05 * (high - low), high + 0.05 * (high - low)
