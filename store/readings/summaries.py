"""Summaries across homes: what similar homes use, and how complete a day is. Pure.

Percentiles are those of the homes themselves, 0 to 100: a home's rank is found among them without another home's data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import SLOTS_PER_DAY
from store.columns import Integers
from store.readings.fold import Days
from store.tariffs import MISSING_WH

PERCENTILES = np.arange(101)
HOMES_MIN = 10
"""A cohort of fewer homes is not told: its mean would say what a neighbour uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Insight:
    """What the homes of a cohort used in a day of a month, or in the month up to now (day 0)."""

    day: int
    fuel: int
    home_count: int
    mean_wh: int
    percentiles_wh: tuple[int, ...]  # 101 of them

    def rank(self, used_wh: int) -> int:
        """The share of the cohort's homes that use less, 0 .. 100 [percent]; of equal ones half are counted."""
        below = int(np.searchsorted(self.percentiles_wh, used_wh, side="left"))
        through = int(np.searchsorted(self.percentiles_wh, used_wh, side="right"))
        return round(min((below + through) / 2, 100))


def insight_of(day: int, fuel: int, used_wh: Integers) -> Insight | None:
    """Of what each home of a cohort used: int64[homes] [Wh]; None for fewer than HOMES_MIN."""
    if len(used_wh) < HOMES_MIN:
        return None
    percentiles = np.percentile(used_wh, PERCENTILES, method="nearest").astype(np.int64)
    return Insight(
        day=day,
        fuel=fuel,
        home_count=len(used_wh),
        mean_wh=round(int(used_wh.sum()) / len(used_wh)),
        percentiles_wh=tuple(percentiles.tolist()),
    )


def insights(
    cohort: Integers, day: Integers, fuel: Integers, home: Integers, used_wh: Integers
) -> Mapping[int, Sequence[Insight]]:
    """Cohort -> insights of each day and fuel, and of the month as day 0. Arrays of n: a home's use of a day each."""
    found: dict[int, list[Insight]] = {}
    for one in np.unique(cohort).tolist():
        found[one] = []
        for one_fuel in np.unique(fuel[cohort == one]).tolist():
            chosen = (cohort == one) & (fuel == one_fuel)
            homes, index = np.unique(home[chosen], return_inverse=True)
            month_wh = np.zeros(len(homes), np.int64)
            np.add.at(month_wh, index, used_wh[chosen])
            told = [insight_of(0, one_fuel, month_wh)]
            told += [
                insight_of(one_day, one_fuel, used_wh[chosen & (day == one_day)])
                for one_day in np.unique(day[chosen]).tolist()
            ]
            found[one] += [insight for insight in told if insight is not None]
    return found


def count_known(days: Days, region: Integers) -> Mapping[tuple[int, int, int], NDArray[np.int64]]:
    """(day start [us], region, fuel) -> of each half-hour, how many meters' readings are known: int64[48]."""
    found: dict[tuple[int, int, int], NDArray[np.int64]] = {}
    is_known = (days.values_wh != MISSING_WH).astype(np.int64)
    keys = np.stack([days.start_us, region, days.fuel], axis=1)
    groups, index = np.unique(keys, axis=0, return_inverse=True)
    counts = np.zeros((len(groups), SLOTS_PER_DAY), np.int64)
    np.add.at(counts, index.ravel(), is_known)
    for group, count in zip(groups.tolist(), counts, strict=True):
        found[group[0], group[1], group[2]] = count
    return found
