"""The figure of what writing costs against what is stored: an entrant a dot. Draws, and only draws."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure as Drawing

from reports.drawing.axes import FONT_SMALL_PX, Margins, Size, figure_of, sheet, value_axis
from reports.drawing.palette import light

MARGINS = Margins(left=64, right=30, bottom=44)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """x with its interval, and y; is_front: no other dot is lower in both."""

    name: str
    x: float
    x_low: float | None
    x_high: float | None
    y: float
    is_front: bool


def draw_front(dots: Sequence[Dot], *, x_label: str, y_label: str, size: Size) -> Drawing:
    """All dots, those at the front darker and joined: whoever is above and right of the line pays more for the same."""
    with sheet(size, MARGINS) as axes:
        front = sorted((each for each in dots if each.is_front), key=lambda each: each.x)
        axes.plot([each.x for each in front], [each.y for each in front], color=light("rule"), linewidth=1.2)
        for index, each in enumerate(sorted(dots, key=lambda each: (each.y, each.x))):
            role = "series-1" if each.is_front else "max"
            if each.x_low is not None and each.x_high is not None:
                axes.plot([each.x_low, each.x_high], [each.y, each.y], color=light(role), linewidth=1.4)
            axes.plot([each.x], [each.y], linestyle="none", marker="o", markersize=6, color=light(role))
            axes.annotate(
                each.name,
                (each.x, each.y),
                xytext=(6, 5 if index % 2 == 0 else -13),  # neighbours of one height tell their names apart
                textcoords="offset points",
                fontsize=FONT_SMALL_PX,
                color=light("ink" if each.is_front else "muted"),
            )
        value_axis(axes, y_label)
        axes.set_xlabel(x_label, fontsize=FONT_SMALL_PX)
        axes.grid(axis="x")
        axes.margins(0.18)
        axes.autoscale()  # differences are what is looked at, and they are small against the whole
        return figure_of(axes)


def front_of(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Of each point whether no other one is at most as high in both and lower in one. Pure."""
    return [
        not any((x <= own_x and y <= own_y) and (x, y) != (own_x, own_y) for x, y in points) for own_x, own_y in points
    ]
