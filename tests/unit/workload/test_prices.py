"""Price lists of an estate: when each takes effect, what it holds, and that they are made once."""

from loadtests.workload.prices import book_of, price_lists_of
from scenarios.domain import DAY_US, SLOT_US
from scenarios.file import shipped_scenarios
from sim.estate.lookup import start_us_of
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


def test_lists_are_made_once_for_an_estate() -> None:
    """Every block of a storm's readings asks for them, and a tariff is checked whole when it is made."""
    one, other = (build_estate(SHIPPED["clock_change_spring"]) for _ in range(2))
    assert price_lists_of(one) is price_lists_of(one) is book_of(one).prices
    assert price_lists_of(other) is not price_lists_of(one)
    assert price_lists_of(other) == price_lists_of(one)
