"""A dashboard drawn without a Grafana: every panel is asked for, one without an answer says what it needs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from matplotlib.image import imread

from loadtests.grafana.build import PAGES
from loadtests.grafana.picture import draw, shown

LABELS = {"operation": "read_state", "dc": "north", "state": "open", "phase": "storm"}


def test_a_page_is_drawn_with_every_answer(tmp_path: Path) -> None:
    page, asked = PAGES["business.json"], list[str]()

    def ask(expr: str) -> Sequence[tuple[Mapping[str, str], Sequence[tuple[float, float]]]]:
        asked.append(expr)
        known = not expr.startswith("meterstorm_price")
        return [(LABELS, [(0.0, 1.0), (1.0, float("nan")), (2.0, 0.0)])] if known else []

    draw(page, ask, tmp_path / "page.png")
    height, width, _ = imread(tmp_path / "page.png").shape
    assert width == 1_200 and height > 500
    assert len(asked) == sum(len(panel.asked) for panel in page.panels) and not any("$" in expr for expr in asked)


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.123, "percentunit", "12.3 %"),
        (0.0034, "s", "3.4 ms"),
        (12.0, "s", "12 s"),
        (1.2e9, "bytes", "1.2 GB"),
        (3e6, "bytes", "3 MB"),
        (4321.4, "ops", "4,321/s"),
        (0.5, "short", "0.5"),
    ],
)
def test_values_are_shown_with_their_unit(value: float, unit: str, said: str) -> None:
    assert shown(value, unit) == said
