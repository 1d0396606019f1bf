"""The figure of one series: its runs, its levels, its change points. Draws, and only draws."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports.drawing.axes import FONT_SMALL_PX, Margins, Size, figure_of, sheet, value_axis
from reports.drawing.palette import light
from reports.results.gate_history import FoundChange, HistorySeries, Meaning, Vote

PANEL = Size(width_px=425, height_px=210)
MARGINS = Margins(left=58, right=14, top=30, bottom=38)
ROLE_OF_MEANING = {Meaning.WORSE: "fail", Meaning.BETTER: "pass", Meaning.UNKNOWN: "series-1"}
SUSPECTED_DASHES = (3.0, 2.0)
ROOM = 1.08  # beyond the farthest run, whose dot would be cut


def draw_series(series: HistorySeries, newest_from: int, run_count: int) -> Figure:
    """A dot a run, a line a level, an upright line a change: dashed where only one detector sees it.

    newest_from: the first of the newest runs, which are shaded, of the history's `run_count`.
    """
    runs, values = np.array(series.runs) + 1, np.array(series.values)
    with sheet(PANEL, MARGINS) as axes:
        axes.axvspan(newest_from + 0.5, run_count + 0.5, color=light("warm-up"), linewidth=0, zorder=0)
        axes.plot(runs, values, linestyle="none", marker="o", markersize=3.4, color=light("p50"))
        for start, stop in _levels(series.changes, len(values)):
            level = float(np.median(values[start:stop]))
            axes.plot([runs[start], runs[stop - 1]], [level, level], color=light("p99"), linewidth=1.6)
        for change in series.changes:
            axes.axvline(
                float(runs[change.index]) - 0.5,
                color=light(ROLE_OF_MEANING[change.meaning]),
                linewidth=1.4,
                dashes=SUSPECTED_DASHES if change.vote is Vote.SUSPECTED else (None, None),
            )
        axes.set_xlim(0.5, run_count + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.tick_params(axis="x", labelsize=FONT_SMALL_PX)
        axes.set_xlabel("run, in the order of their start")
        value_axis(axes, f"{series.metric} [{series.unit}]" if series.unit else series.metric)
        low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
        axes.set_ylim(low * ROOM, high * ROOM or 1.0)
        return figure_of(axes)


def _levels(changes: Sequence[FoundChange], count: int) -> list[tuple[int, int]]:
    return list(pairwise([0, *(change.index for change in changes), count]))
