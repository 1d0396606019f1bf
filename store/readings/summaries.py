"""Summaries across homes: what similar homes use, and how complete a day is. Pure.

Percentiles are those of the homes themselves, 0 to 100: a home's rank is found among them without another home's data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US
from store.columns import Column, Integers, Page, integers, take
from store.readings.fold import Days
from store.tariffs import MISSING_WH

PERCENTILES = np.arange(101)
HOMES_MIN = 10
"""A cohort of fewer homes is not told: its mean would say what a neighbour uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Insight:
    """What the homes of a cohort used in a day of a month, or in the month up to now (day 0).

    Homes have unequal numbers of days: they move in, and meters lose some. So the month's figures are what each home would
    have used in all `day_count` days, had it stood to the others on each of them as it did on its own.
    """

    day: int
    fuel: int
    day_count: int  # of a month those that HOMES_MIN homes have or more; of a day 1
    home_count: int
    mean_wh: int
    percentiles_wh: tuple[int, ...]  # 101 of them

    def rank(self, used_wh: int) -> int:
        """The share of the cohort's homes that use less, 0 .. 100 [percent]; of equal ones half are counted."""
        below = int(np.searchsorted(self.percentiles_wh, used_wh, side="left"))
        through = int(np.searchsorted(self.percentiles_wh, used_wh, side="right"))
        return round(min((below + through) / 2, 100))


def insight_of(day: int, fuel: int, used_wh: Integers, day_count: int = 1) -> Insight | None:
    """Of what each home of a cohort used: int64[homes] [Wh]; None for fewer than HOMES_MIN."""
    if len(used_wh) < HOMES_MIN:
        return None
    percentiles = np.percentile(used_wh, PERCENTILES, method="nearest").astype(np.int64)
    return Insight(
        day=day,
        fuel=fuel,
        day_count=day_count,
        home_count=len(used_wh),
        mean_wh=round(int(used_wh.sum()) / len(used_wh)),
        percentiles_wh=tuple(percentiles.tolist()),
    )


USAGE_COLUMNS = ("premises", "month", "day", "fuel", "usage_wh", "late_usage_wh", "through")
"""Of the usage view, what `local_use` needs."""


def local_use(usage: Page, calendar: Calendar, days: Sequence[int]) -> Page:
    """Rows of the usage view as use of local days: premises, day (of the month, from 1), fuel, usage_wh.

    A UTC day that a local midnight divides gives two rows; a local day whose two parts are in different rows has two.
    days: those, since 1970, that are wanted: of one month, in their order.
    """
    month = (integers(usage, "month") // 100 - 1970) * 12 + integers(usage, "month") % 100 - 1
    utc_day = month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + integers(usage, "day") - 1
    start_us = utc_day * DAY_US
    midnight_us = start_us + calendar.midnight_slots(start_us) * calendar.slot_us
    has_late = (midnight_us < start_us + DAY_US) & (integers(usage, "through") * 1_000 > midnight_us)
    first_day = calendar.days_of(start_us)
    local_day = np.concatenate([first_day, first_day[has_late] + 1])
    columns: dict[str, Column] = {
        name: np.concatenate([integers(usage, name), integers(usage, name)[has_late]]) for name in ("premises", "fuel")
    }
    columns["usage_wh"] = np.concatenate([integers(usage, "usage_wh"), integers(usage, "late_usage_wh")[has_late]])
    columns["day"] = local_day - days[0] + 1
    return take(columns, (local_day >= days[0]) & (local_day <= days[-1]))


def added_up(use: Page) -> Page:
    """Rows of use, one for each premises, day and fuel."""
    keys = np.stack([integers(use, name) for name in ("premises", "day", "fuel")], axis=1)
    unique, which = np.unique(keys, axis=0, return_inverse=True)
    used_wh = np.zeros(len(unique), np.int64)
    np.add.at(used_wh, which.ravel(), integers(use, "usage_wh"))
    return {"premises": unique[:, 0], "day": unique[:, 1], "fuel": unique[:, 2], "usage_wh": used_wh}


def insights(
    cohort: Integers, day: Integers, fuel: Integers, home: Integers, used_wh: Integers
) -> Mapping[int, Sequence[Insight]]:
    """Cohort -> insights of each day and fuel, and of the month as day 0. Arrays of n: a home's use of a day each."""
    found: dict[int, list[Insight]] = {}
    for one in np.unique(cohort).tolist():
        found[one] = []
        for one_fuel in np.unique(fuel[cohort == one]).tolist():
            chosen = (cohort == one) & (fuel == one_fuel)
            days = [
                insight_of(one_day, one_fuel, used_wh[chosen & (day == one_day)])
                for one_day in np.unique(day[chosen]).tolist()
            ]
            told = [insight for insight in days if insight is not None]
            mean_wh = {insight.day: insight.mean_wh for insight in told}
            is_told = chosen & np.isin(day, list(mean_wh))
            month = insight_of(0, one_fuel, month_wh(day[is_told], home[is_told], used_wh[is_told], mean_wh), len(told))
            found[one] += [*([month] if month else []), *told]
    return found


def month_wh(day: Integers, home: Integers, used_wh: Integers, mean_wh: Mapping[int, int]) -> Integers:
    """What each home would have used in all days: int64[n] each, a home's use of a day -> int64[homes], in order of homes.

    mean_wh: day -> what the cohort's homes used on it in the mean. A home's use is scaled by what the mean home used in all
    days over what it used in the home's own: 300 kWh of 30 days and 10 kWh of one are alike.
    """
    homes, index = np.unique(home, return_inverse=True)
    own_wh, of_same_days_wh = np.zeros(len(homes), np.int64), np.zeros(len(homes), np.int64)
    np.add.at(own_wh, index, used_wh)
    np.add.at(of_same_days_wh, index, np.array([mean_wh[one] for one in day.tolist()], np.int64))
    all_wh = sum(mean_wh.values())
    # of days on which nobody used anything there is nothing to scale by
    scale = all_wh / np.where(of_same_days_wh > 0, of_same_days_wh, 1)
    in_all_wh: Integers = np.rint(own_wh * scale).astype(np.int64)
    return in_all_wh


def count_known(days: Days, region: Integers) -> Mapping[tuple[int, int, int], NDArray[np.int64]]:
    """(day start [us], region, fuel) -> of each slot, how many meters' readings are known: int64[48], or 96."""
    found: dict[tuple[int, int, int], NDArray[np.int64]] = {}
    is_known = (days.values_wh != MISSING_WH).astype(np.int64)
    keys = np.stack([days.start_us, region, days.fuel], axis=1)
    groups, index = np.unique(keys, axis=0, return_inverse=True)
    counts = np.zeros((len(groups), days.values_wh.shape[1]), np.int64)
    np.add.at(counts, index.ravel(), is_known)
    for group, count in zip(groups.tolist(), counts, strict=True):
        found[group[0], group[1], group[2]] = count
    return found
