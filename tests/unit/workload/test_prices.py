"""Price lists of an estate: when each takes effect, what it holds, and that they are made once."""

from pathlib import Path

import numpy as np
import pytest

from loadtests.workload.prices import book_of, price_lists_of
from scenarios.domain import DAY_US, SLOT_US
from scenarios.file import load_scenario, shipped_scenarios
from scenarios.spec import ScenarioError
from sim.estate.lookup import start_us_of, tariff_kinds_of
from sim.estate.model import build_estate

SHIPPED = shipped_scenarios()


def test_each_local_day_of_a_series_is_a_version_from_its_midnight_on() -> None:
    estate = build_estate(SHIPPED["clock_change_spring"])
    lists, start_us = price_lists_of(estate), start_us_of(estate)
    # Monday begins at 23:00 UTC of the Sunday whose clocks went forward
    assert [one.effective_us for one in lists] == [0, start_us + DAY_US, start_us + 2 * DAY_US - 2 * SLOT_US]
    assert [one.version for one in lists] == [1, 2, 3]
    assert [[len(plan.rates) for plan in one.plans] for one in lists] == [[1, 2, 48], [1, 2, 46], [1, 2, 48]]


def test_each_announcement_raises_all_prices_by_four_per_cent() -> None:
    estate = build_estate(SHIPPED["tariff_change"])
    first, second = price_lists_of(estate)
    flat, dearer = (one.plans[0].rates[0].npence_per_wh for one in (first, second))
    assert dearer == (flat[0] * 104 // 100, flat[1] * 104 // 100, flat[2] * 104 // 100)
    assert second.standing_upence == first.standing_upence


CAPPED = """
title = "t"
[estate]
premises = 60
regions = [{name = "north", share = 0.5}, {name = "south", share = 0.5}]
[[tariffs]]
name = "fix"
share = 0.5
rates.night = { electricity = "9.5", gas = "6.25" }
rates.day = { electricity = "30.1234", gas = "6.25", export = "40" }
bands = [{ rate = "night", from = "00:00", to = "05:00" }]
otherwise = "day"
blocks = [{ fuel = "electricity", above_kwh = "8", rates = { day = "33" } }]
standing = { electricity = "60", gas = "30" }
[[tariffs]]
name = "one"
share = 0.5
rates.all.electricity = "26"
[[caps]]
region = "north"
from = 2026-03-29
electricity = "25.7301"
standing.electricity = "53.8"
[[caps]]
region = "north"
from = 2026-03-30
electricity = "28"
gas = "5.93"
[topology]
dcs = [{name = "north", nodes = 1, rf = 1}]
[run]
start = 2026-03-28
days = 3
wall_s = 60.0
seed = 1
"""


def test_prices_above_the_cap_of_a_region_are_at_the_cap_from_its_local_day_on(tmp_path: Path) -> None:
    (tmp_path / "one.toml").write_text(CAPPED)
    estate = build_estate(load_scenario(tmp_path / "one.toml"))
    lists, start_us = price_lists_of(estate), start_us_of(estate)
    assert [one.effective_us for one in lists] == [0, start_us + DAY_US, start_us + 2 * DAY_US - 2 * SLOT_US]
    names = ["fix, north", "fix, south", "one, north", "one, south"]
    assert all([plan.name for plan in one.plans] == names for one in lists)
    told = [
        [
            (plan.prices_of(1, 0), plan.prices_of(1, 1), plan.prices_of(1, 2), plan.standing_upence)
            for plan in one.plans[:2]
        ]
        for one in lists
    ]
    free = ((30_123_400, 33_000_000), (6_250_000,), (-40_000_000,), (60_000_000, 30_000_000, 0))
    assert told == [
        [free, free],
        [((25_730_100, 25_730_100), (6_250_000,), (-40_000_000,), (53_800_000, 30_000_000, 0)), free],
        [((28_000_000, 28_000_000), (5_930_000,), (-40_000_000,), (60_000_000, 30_000_000, 0)), free],
    ]
    assert all(plan.prices_of(0, 0) == (9_500_000, 9_500_000) for one in lists for plan in one.plans[:2])
    assert [[plan.prices_of(0, 0) for plan in one.plans[2:]] for one in lists] == [
        [(26_000_000,), (26_000_000,)],
        [(25_730_100,), (26_000_000,)],
        [(26_000_000,), (26_000_000,)],
    ]
    homes = np.arange(60)
    codes = tariff_kinds_of(estate, homes)
    assert (codes % 2 == estate.region_of(homes)).all() and set(codes.tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            'region = "north"\nfrom = 2026-03-30',
            'region = "west"\nfrom = 2026-03-30',
            "names region 'west'; there are north, south",
        ),
        ("from = 2026-03-30", "from = 2026-03-29", "two caps of one region come into force on the same day"),
        ('gas = "5.93"', 'gas = "0.0593"', "2026-03-30: 0.0593 p a kWh: give pence, not pounds"),
        ('gas = "5.93"', 'gas = "-5"', "a cap below zero"),
        ('electricity = "28"\ngas = "5.93"\n', "", "from 2026-03-30: it caps nothing"),
        ("from = 2026-03-30", "from = 1900-01-01", "1900-01-01 is not within"),
    ],
)
def test_caps_that_can_not_be_are_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in CAPPED
    (tmp_path / "one.toml").write_text(CAPPED.replace(old, new))
    with pytest.raises(ScenarioError, match=told):
        load_scenario(tmp_path / "one.toml")


def test_caps_on_the_shipped_tariffs_are_refused(tmp_path: Path) -> None:
    head, caps = CAPPED[: CAPPED.index("[[tariffs]]")], CAPPED[CAPPED.index("[[caps]]") :]
    (tmp_path / "one.toml").write_text(head + caps)
    with pytest.raises(ScenarioError, match=r"caps are on the prices of \[\[tariffs\]\], and there are none"):
        load_scenario(tmp_path / "one.toml")


def test_lists_are_made_once_for_an_estate() -> None:
    """Every block of a storm's readings asks for them, and a tariff is checked whole when it is made."""
    one, other = (build_estate(SHIPPED["clock_change_spring"]) for _ in range(2))
    assert price_lists_of(one) is price_lists_of(one) is book_of(one).prices
    assert price_lists_of(other) is not price_lists_of(one)
    assert price_lists_of(other) == price_lists_of(one)
