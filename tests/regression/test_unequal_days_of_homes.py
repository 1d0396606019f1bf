"""In a roll-out homes have unequal numbers of days: one like all others was told that 76 % use less."""

import numpy as np
import pytest

from store.readings.summaries import insights


def month_of(rows: list[tuple[int, int, int]]):  # type: ignore[no-untyped-def]
    home, day, used = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    told = insights(np.zeros(len(rows), np.int64), day, np.zeros(len(rows), np.int64), home, used)[0]
    return next(one for one in told if one.day == 0)


def test_homes_that_joined_late_are_compared_over_their_own_days() -> None:
    month = month_of([(home, day, 10_000) for home in range(20) for day in range(1, 31) if home < 10 or day == 30])
    assert (month.day_count, month.home_count, month.mean_wh) == (30, 20, 300_000)
    assert month.rank(300_000) == 50


def test_a_cold_day_counts_for_those_that_had_it() -> None:
    """Day 2 takes thrice as much of all; who had only that one uses no more than the others."""
    month = month_of(
        [(home, day, 9_000 if day == 2 else 3_000) for home in range(30) for day in (1, 2) if home < 15 or day == 2]
    )
    assert set(month.percentiles_wh) == {12_000}


def test_a_home_that_uses_twice_as_much_is_seen_however_few_its_days() -> None:
    rows = [(home, day, 10_000) for home in range(20) for day in range(1, 11)] + [(20, 10, 20_000)]
    month = month_of(rows)
    assert month.percentiles_wh[-1] == pytest.approx(200_000, rel=0.06)
    assert month.rank(150_000) >= 95
