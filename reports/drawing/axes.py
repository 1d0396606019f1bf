"""The look of every figure: sheet, margins, axes with their units, keys and labels. Used by `reports.run.figures`; draws only.

A figure is drawn in the palette's light values; `reports.drawing.svg` turns these into roles. One unit of a figure is
one CSS pixel at its natural size. Each axis says its unit; the vertical one above its top, where it can be read without
tilting the head.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from reports.drawing.palette import light
from scenarios.parts.pace import Pace
from scenarios.texts.wording import clock

PIXELS_PER_INCH = 72
FONT_PX = 11.0
FONT_SMALL_PX = 9.5
KEY_ROW_PX = 17.0
LABEL_GAP_PX = 12.5

STYLE: Any = {  # the library types its settings by a literal of every key there is
    "svg.fonttype": "none",
    "svg.hashsalt": "meterstorm",
    "font.size": FONT_PX,
    "axes.edgecolor": light("rule"),
    "axes.labelcolor": light("muted"),
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": light("grid"),
    "grid.linewidth": 1.0,
    "text.color": light("ink"),
    "xtick.color": light("rule"),
    "xtick.labelcolor": light("muted"),
    "ytick.color": light("rule"),
    "ytick.labelcolor": light("muted"),
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "lines.solid_capstyle": "round",
}
_TIME_STEPS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_200, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400)
_SIMULATED_STEPS_H = (1, 2, 3, 6, 12, 24, 48, 168, 720)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """A figure's natural size [CSS px]."""

    width_px: int
    height_px: int

    @property
    def tick_count_max(self) -> int:
        """How many times of day fit side by side."""
        return self.width_px // 55


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """Room around the axes [CSS px]."""

    left: float = 50
    right: float = 14
    top: float = 30
    bottom: float = 42


@contextmanager
def sheet(size: Size, margins: Margins) -> Iterator[Axes]:
    """Axes on a new figure, in the report's style; the figure is `figure_of(axes)`."""
    with mpl.rc_context(STYLE):
        figure = Figure(
            figsize=(size.width_px / PIXELS_PER_INCH, size.height_px / PIXELS_PER_INCH), dpi=PIXELS_PER_INCH
        )
        figure.subplots_adjust(
            left=margins.left / size.width_px,
            right=1 - margins.right / size.width_px,
            top=1 - margins.top / size.height_px,
            bottom=margins.bottom / size.height_px,
        )
        yield figure.add_subplot()


def figure_of(axes: Axes) -> Figure:
    """The figure that the axes are drawn on."""
    figure = axes.get_figure(root=True)
    assert figure is not None, "axes without a figure"
    return figure


def time_axis(axes: Axes, length_s: float, warm_up_s: float, size: Size) -> None:
    """Wall time along the bottom, with the warm-up shaded."""
    axes.set_xlim(0, length_s)
    step_s = next((step for step in _TIME_STEPS_S if length_s / step <= size.tick_count_max), _TIME_STEPS_S[-1])
    axes.xaxis.set_major_locator(FixedLocator(np.arange(0, length_s + 0.5, step_s).tolist()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: clock(value)))
    axes.set_xlabel(f"wall time since the storm began [{'min:s' if length_s < 3_600 else 'h:min:s'}]")
    if warm_up_s <= 0:
        return
    axes.axvspan(0, warm_up_s, color=light("warm-up"), linewidth=0, zorder=0)
    if warm_up_s / length_s * size.width_px > 60:  # a shorter warm-up has no room for its name; the caption has it
        axes.annotate(
            "warm-up",
            (warm_up_s / 2, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, -5),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=FONT_SMALL_PX,
            color=light("muted"),
        )


def simulated_axis(axes: Axes, pace: Pace, size: Size) -> None:
    """Simulated time below the wall time: hours of the day, UTC, counted on from the scenario's first midnight.

    It ends with the replay: the last answers come at no simulated time.
    """
    below = axes.secondary_xaxis(
        -38 / (axes.get_position().height * size.height_px),
        functions=(pace.hours_of, pace.wall_s_of_hours),
    )
    from_h, until_h = (float(hours) for hours in pace.hours_of(np.array(axes.get_xlim())))
    until_h = min(until_h, float(pace.simulated_us[-1]) / 3.6e9)
    length_h = until_h - from_h
    fitting = (step for step in _SIMULATED_STEPS_H if length_h / step <= size.tick_count_max)
    step_h = next(fitting, _SIMULATED_STEPS_H[-1])
    hours = np.arange(-(-from_h // step_h) * step_h, from_h + length_h + 1e-6, step_h)
    apart_s = (axes.get_xlim()[1] - axes.get_xlim()[0]) / size.tick_count_max * 0.75
    below.xaxis.set_major_locator(FixedLocator(hours[spread(pace.wall_s_of_hours(hours), apart_s)].tolist()))
    below.xaxis.set_major_formatter(FuncFormatter(lambda hours, _: f"{round(hours) % 24:02d}:00"))
    below.set_xlabel("simulated time of day [UTC]")
    below.spines["bottom"].set_visible(False)
    below.tick_params(length=0)


def spread(at: NDArray[np.float64], apart: float) -> list[int]:
    """Which of rising positions to label so that no two labels are less than `apart` apart: in a spike hours go by fast."""
    kept: list[int] = []
    for index, position in enumerate(at.tolist()):
        if not kept or position - at[kept[-1]] >= apart:
            kept.append(index)
    return kept


def value_axis(axes: Axes, label: str, *, log: bool = False, whole: bool = False) -> None:
    """What the vertical axis shows and its unit, above its top; from zero unless logarithmic, `whole` for counts."""
    axes.annotate(
        label,
        (0, 1),
        xycoords=("figure fraction", "axes fraction"),
        xytext=(4, 10),
        textcoords="offset points",
        color=light("muted"),
    )
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(base=10, numticks=12))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, min_n_ticks=1 if whole else 3, integer=whole))
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def key_line(name: str, role: str, dashes: Sequence[float] = ()) -> Line2D:
    """A line's entry in a key."""
    return Line2D([], [], color=light(role), linewidth=1.8, label=name, dashes=tuple(dashes))


def key_area(name: str, role: str) -> Patch:
    """An area's entry in a key."""
    return Patch(facecolor=light(role), linewidth=0, label=name)


def key(axes: Axes, entries: Sequence[Artist], size: Size, *, column_count: int, right: bool = False) -> None:
    """Names of the series above the axes: above the vertical axis' label, or to the right of it."""
    height_px = axes.get_position().height * size.height_px
    axes.legend(
        handles=list(entries),
        loc="lower right" if right else "lower left",
        bbox_to_anchor=(1.0, 1 + 8 / height_px) if right else (0.0, 1 + 28 / height_px),
        ncols=column_count,
        borderaxespad=0.0,
        borderpad=0.0,
        handlelength=2.4,
        handletextpad=0.6,
        columnspacing=1.6,
        labelspacing=0.4,
        labelcolor=light("ink"),
    )


def end_labels(axes: Axes, labels: Sequence[tuple[str, float, str]], size: Size) -> None:
    """Name lines at the axes' right edge: (text, value, role) each, pushed apart where they would overlap."""
    height_px = axes.get_position().height * size.height_px
    low, high = axes.transData.transform([(0, axes.get_ylim()[0]), (0, axes.get_ylim()[1])])[:, 1]
    placed = sorted(
        (
            (float(axes.transData.transform((0, value))[1]) - low) / (high - low) * height_px,
            text,
            role,
        )
        for text, value, role in labels
    )
    heights = pushed_apart([at for at, _, _ in placed], LABEL_GAP_PX, height_px)
    for (_, text, role), at in zip(placed, heights, strict=True):
        axes.annotate(
            text,
            (1, at / height_px),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            color=light(role),
        )


def pushed_apart(heights: Sequence[float], gap: float, highest: float) -> list[float]:
    """Ascending heights moved as little as it takes to lie `gap` apart, none above `highest`."""
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    for i in range(len(placed) - 1, -1, -1):
        ceiling = highest if i == len(placed) - 1 else placed[i + 1] - gap
        placed[i] = min(placed[i], ceiling)
    return placed
