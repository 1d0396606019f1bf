"""Settlement dates and periods: which half-hour of which local day a UTC half-hour is, and back.

A settlement day runs from local midnight to local midnight and its periods count from 1: 48 of them, 46 on the day on which
summer time starts and 50 on the day on which it ends. Each period is one UTC half-hour, so nothing overlaps or is left out.
Source: Balancing and Settlement Code, section X, "Settlement Day" and "Settlement Period".
"""

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar.london import SUMMER_SLOTS, local_of, summer_time
from scenarios.domain import SLOTS_PER_DAY

PERIODS_MAX = SLOTS_PER_DAY + SUMMER_SLOTS

Dates = NDArray[np.datetime64]  # datetime64[D]

_CHANGE_SLOT = 2  # both changes are at 01:00 UTC
_EPOCH = date(1970, 1, 1)


def period_count(day: date) -> int:
    """How many settlement periods a settlement date has: 46, 48 or 50."""
    start, end = summer_time(day.year)
    if day == start:
        return SLOTS_PER_DAY - SUMMER_SLOTS
    return PERIODS_MAX if day == end else SLOTS_PER_DAY


def settlement_of(day: date, slot: int) -> tuple[date, int]:
    """The settlement date and period, from 1, of UTC half-hour `slot` (0..47) of UTC day `day`."""
    settlement_date, _ = local_of(day, slot)
    return settlement_date, (day - settlement_date).days * SLOTS_PER_DAY + slot + _midnight_offset(settlement_date) + 1


def half_hour_of(settlement_date: date, period: int) -> tuple[date, int]:
    """The UTC day and its half-hour (0..47) of a settlement period: the inverse of `settlement_of`."""
    assert 1 <= period <= period_count(settlement_date), "a period that the day does not have"
    slot = period - 1 - _midnight_offset(settlement_date)
    return settlement_date + timedelta(days=slot // SLOTS_PER_DAY), slot % SLOTS_PER_DAY


def settlements_of(start: date, slot: NDArray[np.integer]) -> tuple[Dates, NDArray[np.int64]]:
    """Settlement dates and periods of many half-hours, counted from 00:00 UTC of `start`.

    Integers of any shape -> (datetime64[D], int64), both of that shape.
    """
    at = np.asarray(slot, np.int64) + (start - _EPOCH).days * SLOTS_PER_DAY
    changes = _changes(at)
    day = (at + SUMMER_SLOTS * _is_summer(changes, at)) // SLOTS_PER_DAY
    return day.astype("datetime64[D]"), at - _midnights(changes, day) + 1


def slots_of(start: date, settlement_date: Dates, period: NDArray[np.integer]) -> NDArray[np.int64]:
    """Half-hours from 00:00 UTC of `start` of many settlement periods: the inverse of `settlements_of`.

    datetime64[D] and integers of one shape -> int64 of that shape.
    """
    day = np.asarray(settlement_date, "datetime64[D]").astype(np.int64)
    changes = _changes(day * SLOTS_PER_DAY)
    midnight = _midnights(changes, day)
    number = np.asarray(period, np.int64)
    assert bool(((number >= 1) & (number <= _midnights(changes, day + 1) - midnight)).all()), "a period not in its day"
    return midnight + number - 1 - (start - _EPOCH).days * SLOTS_PER_DAY


def _midnight_offset(day: date) -> int:
    """Half-hours by which local time is ahead of UTC at the local midnight that begins a day."""
    start, end = summer_time(day.year)
    return SUMMER_SLOTS if start < day <= end else 0


def _changes(at: NDArray[np.int64]) -> NDArray[np.int64]:
    """The half-hours since 1970 at which summer time starts, ends, starts, ... in all years of `at` and one around them."""
    bounds = (int(at.min()), int(at.max())) if at.size else (0, 0)
    first, last = ((_EPOCH + timedelta(days=bound // SLOTS_PER_DAY)).year for bound in bounds)
    days = [day for year in range(first - 1, last + 2) for day in summer_time(year)]
    return np.array([(day - _EPOCH).days * SLOTS_PER_DAY + _CHANGE_SLOT for day in days], np.int64)


def _is_summer(changes: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 where an odd number of changes has been, else 0."""
    return np.searchsorted(changes, at, side="right").astype(np.int64) % 2


def _midnights(changes: NDArray[np.int64], day: NDArray[np.int64]) -> NDArray[np.int64]:
    """The half-hour since 1970 at which each local day (since 1970) begins.

    Local midnight is never within an hour of a change, so it is summer there as it is an hour before by winter's clock.
    """
    at = day * SLOTS_PER_DAY
    return at - SUMMER_SLOTS * _is_summer(changes, at - SUMMER_SLOTS)
