"""BDEW's household profiles of 2025, with their seasonal dynamisation, from the tables that `demandlib` ships (MIT licence).

H25 is of households, P25 of those with solar panels, S25 of those with panels and a battery: what they take from the network.

All arithmetic is on integers: `demandlib` itself raises floats to the fourth power, whose last bit depends on the
machine's mathematics library. A test holds the two against each other.
"""

from datetime import date
from decimal import Decimal
from functools import lru_cache

from scenarios.calendar import GREAT_BRITAIN, Calendar
from scenarios.domain import SLOTS_PER_DAY
from sim.profiles.demand import DemandProfile, profile_by_local_time
from sim.profiles.demandlib_tables import table_of

NAME = "bdew_household"
TABLES = {NAME: "h25.csv", "bdew_household_solar": "p25.csv", "bdew_household_battery": "s25.csv"}
_QUARTERS_PER_DAY = 96
_YEAR_WH = 10**9  # the table is of a household that uses 10^6 kWh a year
_SEASON_ONE = 10**12


@lru_cache(maxsize=4)
def bdew_household(
    start: date,
    day_count: int,
    name: str = NAME,
    calendar: Calendar = GREAT_BRITAIN,
    slots_per_day: int = SLOTS_PER_DAY,
) -> DemandProfile:
    """One of the profiles for `day_count` UTC days from `start`, taken by the local time of a calendar.

    The tables are of quarter-hours, which are added up where slots are longer.

    Ignores public holidays: the table would have them as Sundays, but its holidays are not Great Britain's.
    """
    table = _slots_wh(TABLES[name], slots_per_day)

    def weight(day: date, slot: int) -> int:
        return table[day.month - 1][_column(day)][slot] * season(day)

    return profile_by_local_time(name, start, day_count, weight, _YEAR_WH * _SEASON_ONE, calendar, slots_per_day)


def season(day: date) -> int:
    """The dynamisation factor of a day [10^-12], exact.

    Source: BDEW standard load profiles: -3.92e-10 t^4 + 3.2e-7 t^3 - 7.02e-5 t^2 + 2.1e-3 t + 1.24, t the day of the year.
    """
    t = day.timetuple().tm_yday
    return -392 * t**4 + 320_000 * t**3 - 70_200_000 * t**2 + 2_100_000_000 * t + 1_240_000_000_000


def _column(day: date) -> str:
    """The table's kind of day: working day, Saturday, or Sunday and holiday."""
    return {5: "SA", 6: "FT"}.get(day.weekday(), "WT")


@lru_cache(maxsize=2 * len(TABLES))
def _slots_wh(file: str, slots_per_day: int) -> list[dict[str, list[int]]]:
    """The table by month (0..11), kind of day and slot: Wh of a year of 10^6 kWh.

    Two header lines name month and kind of day of each column; 96 lines of quarter-hours follow, in kWh to three places.
    """
    months, columns, *quarters = [row[1:] for row in table_of(file)]
    assert len(quarters) == _QUARTERS_PER_DAY, f"demandlib's {file} has another layout"
    of_slot = _QUARTERS_PER_DAY // slots_per_day
    table: list[dict[str, list[int]]] = [{} for _ in dict.fromkeys(months)]
    month_index = {name: index for index, name in enumerate(dict.fromkeys(months))}
    for at, (month, column) in enumerate(zip(months, columns, strict=True)):
        wh = [int(1_000 * Decimal(row[at])) for row in quarters]
        table[month_index[month]][column] = [
            sum(wh[quarter : quarter + of_slot]) for quarter in range(0, len(wh), of_slot)
        ]
    return table
