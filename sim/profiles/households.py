"""Remembers which half-hours of each household were met, to find duplicates and gaps in memory that has a bound.

A bit is kept for each half-hour of a household's year, 2.2 kB, for 65,536 household-years at most: 144 MB, which fill as they
come. They sit in sets of eight by hash; a ninth of a set takes the place of the one that was met longest ago.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import SLOTS_PER_DAY
from sim.kernels import kernel, leaf_kernel
from sim.profiles.faults import RowFault
from sim.profiles.rows import CODES, USABLE, Rows
from sim.units import IntArray

HOUSEHOLD_YEARS_KEPT_MAX = 65_536
HOUSEHOLDS_KEPT_MAX = 262_144
_WAYS = 8
_YEAR_BYTES = 366 * SLOTS_PER_DAY // 8
_DUPLICATE = CODES[RowFault.DUPLICATE]
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # odd, near 2^64 / golden ratio: neighbouring keys fall into distant sets
_SHIFT = np.uint64(40)


class Met(NamedTuple):
    """What was met. `_at` is the row (from 1) at which a key was last met, 0 for a free place."""

    year_key: NDArray[np.uint64]  # uint64[years kept]: household and year
    year_at: IntArray  # int64[years kept]
    year_bits: NDArray[np.uint8]  # uint8[years kept, 2196]: half-hours that were used
    household_key: NDArray[np.uint64]  # uint64[households kept]
    household_at: IntArray  # int64[households kept]
    household_slot: IntArray  # int64[households kept]: the latest half-hour met


class Means(NamedTuple):
    """Sums and counts of readings by cell of the calendar, int64[cell] each [1e-6 kWh, readings]."""

    total: IntArray
    reading_count: IntArray


class CellCalendar(NamedTuple):
    """What half-hours from `first_slot` on belong to: their year, their place in it, and the cell that they count in."""

    first_slot: int
    year_first_day: NDArray[np.int32]  # int32[day]: first day of the day's year, counted from first_slot's day
    cell: NDArray[np.int16]  # int16[half-hour]


def nothing_met(
    *, years_kept_max: int = HOUSEHOLD_YEARS_KEPT_MAX, households_kept_max: int = HOUSEHOLDS_KEPT_MAX
) -> Met:
    """An empty memory; sizes are multiples of eight. The bits take no memory before they are used."""
    return Met(
        np.zeros(years_kept_max, np.uint64),
        np.zeros(years_kept_max, np.int64),
        np.zeros((years_kept_max, _YEAR_BYTES), np.uint8),
        np.zeros(households_kept_max, np.uint64),
        np.zeros(households_kept_max, np.int64),
        np.zeros(households_kept_max, np.int64),
    )


@kernel
def account(rows: Rows, rows_before: int, calendar: CellCalendar, met: Met, means: Means, gaps: IntArray) -> int:
    """Add a block's usable rows to the means; mark a half-hour that its household had before as a duplicate.

    `gaps` int64[line] gets the half-hours left out before each row, in the file's order within a household. Returns how
    many household-years were forgotten to make room.
    """
    forgotten = 0
    for line in range(len(rows.slot)):
        slot = rows.slot[line]
        if slot < 0:
            continue
        now = rows_before + line + 1
        place, is_new, _ = _place(met.household_key, met.household_at, rows.household[line], now)
        if is_new:
            met.household_slot[place] = slot
        else:
            gaps[line] = max(slot - met.household_slot[place] - 1, 0)
            met.household_slot[place] = max(slot, met.household_slot[place])
        if rows.fault[line] != USABLE:
            continue
        at = slot - calendar.first_slot
        year_first_day = calendar.year_first_day[at // SLOTS_PER_DAY]
        key = rows.household[line] ^ (np.uint64(year_first_day + 1) * _SPREAD)
        place, is_new, replaces = _place(met.year_key, met.year_at, key, now)
        if is_new:
            forgotten += replaces
            met.year_bits[place] = 0
        at_of_year = at - year_first_day * SLOTS_PER_DAY
        bit = np.uint8(1 << (at_of_year & 7))
        if met.year_bits[place, at_of_year >> 3] & bit:
            rows.fault[line] = _DUPLICATE
            continue
        met.year_bits[place, at_of_year >> 3] |= bit
        means.total[calendar.cell[at]] += rows.micro_kwh[line]
        means.reading_count[calendar.cell[at]] += 1
    return forgotten


@leaf_kernel
def _place(keys: NDArray[np.uint64], met_at: IntArray, key: np.uint64, now: int) -> tuple[int, bool, bool]:
    """The place of a key; was it put there just now, and if so, instead of another?

    It goes to a free place of its set, or else to that of the key met longest ago.
    """
    first = int(np.int64((key * _SPREAD) >> _SHIFT) % (len(keys) // _WAYS) * _WAYS)
    oldest = first
    for place in range(first, first + _WAYS):
        if keys[place] == key and met_at[place] > 0:
            met_at[place] = now
            return place, False, False
        if met_at[place] < met_at[oldest]:
            oldest = place
    replaces = met_at[oldest] > 0
    keys[oldest] = key
    met_at[oldest] = now
    return oldest, True, replaces
