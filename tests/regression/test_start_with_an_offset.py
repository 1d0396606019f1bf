"""The offset of a scenario's `start` was dropped in silence: the span began at another instant than was written."""

from datetime import date

import pytest

from scenarios.spec import ScenarioError, parse_scenario

SCENARIO = """
title = "small"
[estate]
premises = 10
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 60
start = START
"""


@pytest.mark.parametrize("start", ["2026-06-01T00:00:00+01:00", '"2026-06-01T00:00:00-05:00"'])
def test_an_offset_is_refused(start: str) -> None:
    with pytest.raises(ScenarioError, match="has an offset: the simulated span begins at 00:00 UTC"):
        parse_scenario(SCENARIO.replace("START", start), "small.toml")


@pytest.mark.parametrize("start", ["2026-06-01", "2026-06-01T00:00:00Z", '"2026-06-01"'])
def test_a_day_of_utc_is_taken(start: str) -> None:
    assert parse_scenario(SCENARIO.replace("START", start), "small.toml").run.start == date(2026, 6, 1)
