"""The BDEW household profile H25, with its seasonal dynamisation, from the table that `demandlib` ships (MIT licence).

Everything after the table is integer arithmetic: `demandlib` itself raises floats to the fourth power, whose last bit
depends on the machine's mathematics library. A test holds the two against each other.
"""

from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import pandas as pd
from demandlib.bdew import H25

from scenarios.domain import SLOTS_PER_DAY
from sim.demand import YEAR_ONE, DemandProfile
from sim.london import local_of

NAME = "bdew_household"
_QUARTERS_PER_SLOT = 2
_TABLE_ONE = 10**9  # the table gives quarter-hours in Wh of a year of 10^6 kWh
_SEASON_ONE = 10**12


def bdew_household(start: date, day_count: int) -> DemandProfile:
    """The profile of `day_count` UTC days from `start`, taken by local time.

    Ignores public holidays: the table would have them as Sundays, but its holidays are not Great Britain's.
    """
    table = _half_hours_wh()
    share = np.zeros((day_count + 1, SLOTS_PER_DAY), np.int64)
    for row in range(day_count + 1):
        day = start + timedelta(days=row)
        for slot in range(SLOTS_PER_DAY):
            local_day, local_slot = local_of(day, slot)
            wh = table[local_day.month - 1][_column(local_day)][local_slot]
            share[row, slot] = wh * season(local_day) * YEAR_ONE // (_TABLE_ONE * _SEASON_ONE)
    return DemandProfile(name=NAME, start=start, share=share)


def season(day: date) -> int:
    """The dynamisation factor of a day [10^-12], exact.

    Source: BDEW standard load profiles: -3.92e-10 t^4 + 3.2e-7 t^3 - 7.02e-5 t^2 + 2.1e-3 t + 1.24, t the day of the year.
    """
    t = day.timetuple().tm_yday
    return -392 * t**4 + 320_000 * t**3 - 70_200_000 * t**2 + 2_100_000_000 * t + 1_240_000_000_000


def _column(day: date) -> str:
    """The table's kind of day: working day, Saturday, or Sunday and holiday."""
    return {5: "SA", 6: "FT"}.get(day.weekday(), "WT")


@lru_cache(maxsize=1)
def _half_hours_wh() -> list[dict[str, list[int]]]:
    """The table by month (0..11), kind of day and half-hour: Wh of a year of 10^6 kWh."""
    raw = H25(pd.date_range("2026-01-01", periods=1, freq="15min")).raw_profile_data
    table: list[dict[str, list[int]]] = [{} for _ in range(12)]
    for (month, column), rows in raw.groupby(["month", "weekday"]):
        # raw values are mean kW over a quarter: four times its kWh, which the file has to the Wh.
        quarters = [round(value * 250) for value in rows.sort_values(["hour", "minute"])["value"]]
        table[month - 1][column] = [
            sum(quarters[at : at + _QUARTERS_PER_SLOT]) for at in range(0, len(quarters), _QUARTERS_PER_SLOT)
        ]
    return table
