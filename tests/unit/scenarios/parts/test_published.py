"""Published figures of a scenario: which may be named, in which unit, and that the page lists them."""

from pathlib import Path

import pytest

from scenarios.parts.published import FIGURES
from scenarios.spec import Scenario, ScenarioError, parse_scenario

ROOT = Path(__file__).parents[4]
HOMES = '"homes"\nvalue = 10\nunit = "homes"'
MINIMAL = """
title = "t"
[estate]
premises = 10
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 60
[[published]]
figure = "homes"
value = 10
unit = "homes"
source = "a census"
date = "2025-03"
"""


def parsed(*changes: tuple[str, str]) -> Scenario:
    text = MINIMAL
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return parse_scenario(text, "mine")


def test_a_published_figure_is_read_as_it_stands() -> None:
    (one,) = parsed().published
    assert (one.figure, one.value, one.unit, one.source, one.date, one.why_not) == (
        "homes", 10.0, "homes", "a census", "2025-03", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([('"homes"\nvalue', '"hoems"\nvalue')], "no simulation counts it: did you mean homes[?] there are homes, homes_cell"),
        ([('unit = "homes"', 'unit = "thousand homes"')], "homes is counted in homes, not in thousand homes"),
        ([(HOMES, '"smart_meter_share"\nvalue = 70\nunit = "share"')], "0.09 say, and can't be 70"),
        ([("value = 10", "value = 0")], "published.0.value = 0: .*greater than 0"),
        ([("value = 10", 'value = "10"')], "published.0.value = '10'"),
        ([('date = "2025-03"', 'date = "March"')], "published.0.date = 'March'"),
        ([(HOMES, '"meters_gas"\nvalue = 7\nunit = "meters"')], "names meters_gas, and estate.fuels lacks gas"),
        ([('source = "a census"', "")], "published.0.source: is missing"),
        ([('date =', 'why_not = "a\\u0007bell"\ndate =')], "must be one line of text"),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_is_refused(changes: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        parsed(*changes)


def test_the_page_lists_every_figure_with_its_unit() -> None:
    page = (ROOT / "docs" / "nations.md").read_text()
    for name, figure in FIGURES.items():
        assert f"| `{name}` | {figure.unit} | {figure.meaning} |" in page
