"""Figures of many things side by side: a row a thing, a panel a quantity, a dot with its interval. Draws, and only draws."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.drawing.axes import FONT_SMALL_PX, PIXELS_PER_INCH, STYLE, Size
from reports.drawing.palette import light
from reports.results.matrix import Figure

ROW_PX = 17
HEAD_PX, FOOT_PX = 26, 26
NAMES_PX = 172  # at least
NAME_CHARACTER_PX = 5.2  # of the widest names that were drawn
GAP_PX = 16
BESIDE_MIN_PX = 600  # in a narrower figure the panels stand below each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One quantity of everything, in the order of the names; None where it was not measured."""

    title: str
    figures: tuple[Figure | None, ...]


def draw_dot_panels(
    names: Sequence[str], group_sizes: Sequence[int], panels: Sequence[Panel], width_px: int
) -> Drawing:
    """Names, group by group (their sizes add up to the names), and the panels; a thin dot is one trial."""
    beside = width_px >= BESIDE_MIN_PX
    names_px = max(NAMES_PX, NAME_CHARACTER_PX * max(map(len, names), default=0))
    height_px = HEAD_PX + ROW_PX * len(names) + FOOT_PX
    size = Size(width_px=width_px, height_px=height_px if beside else height_px * len(panels))
    with mpl.rc_context(STYLE):
        drawing = Drawing(
            figsize=(size.width_px / PIXELS_PER_INCH, size.height_px / PIXELS_PER_INCH), dpi=PIXELS_PER_INCH
        )
        panel_px = (
            (width_px - names_px - GAP_PX * len(panels)) / len(panels) if beside else width_px - names_px - GAP_PX
        )
        for index, panel in enumerate(panels):
            left = names_px + (panel_px + GAP_PX) * index if beside else names_px
            top = HEAD_PX if beside else height_px * index + HEAD_PX
            axes = drawing.add_axes(
                (
                    left / size.width_px,
                    1 - (top + ROW_PX * len(names)) / size.height_px,
                    panel_px / size.width_px,
                    ROW_PX * len(names) / size.height_px,
                )
            )
            _draw_panel(axes, panel, names if index == 0 or not beside else [], group_sizes)
        return drawing


def _draw_panel(axes: Axes, panel: Panel, names: Sequence[str], group_sizes: Sequence[int]) -> None:
    for row, figure in enumerate(panel.figures):
        if figure is None:
            continue
        axes.plot(
            figure.values, [row] * len(figure.values), linestyle="none", marker="|", markersize=6, color=light("max")
        )
        if figure.low is not None and figure.high is not None:
            axes.plot([max(figure.low, 0), figure.high], [row, row], color=light("series-1"), linewidth=1.6)
        axes.plot([figure.mean], [row], linestyle="none", marker="o", markersize=5, color=light("series-1"))
    row_count = len(panel.figures)
    axes.set_ylim(row_count - 0.5, -0.5)
    axes.set_yticks(range(row_count), names if names else [""] * row_count, fontsize=FONT_SMALL_PX)
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x")
    for end in np.cumsum(group_sizes)[:-1]:
        axes.axhline(float(end) - 0.5, color=light("rule"), linewidth=1)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3, min_n_ticks=2))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.tick_params(axis="x", labelsize=FONT_SMALL_PX)
    axes.set_title(panel.title, loc="left", fontsize=FONT_SMALL_PX, color=light("muted"), pad=6)
