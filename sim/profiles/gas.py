"""What a house that heats with gas uses: the BDEW gas profile of single-family houses at Great Britain's mean temperatures.

Heat follows the day's temperature by a sigmoid, and the hour by a factor of the temperature's interval; both tables ship with
`demandlib`. The weather is the long-term mean of each day: cold spells are not modelled.
Source: BDEW, VKU, GEODE, "Abwicklung von Standardlastprofilen Gas": h(T) = A / (1 + (B / (T - 40))^C) + D.
"""

from datetime import date
from decimal import Context, Decimal
from functools import lru_cache

from scenarios.calendar import GREAT_BRITAIN, Calendar
from sim.profiles.demand import DemandProfile, profile_by_local_time
from sim.profiles.demandlib_tables import table_of

NAME = "bdew_gas"
_CLASS = ["11", "EFH"]  # single-family houses of mixed age
_WIND = "0"
_TENTHS = 10
_FACTOR_ONE = 10_000  # hour factors have four places
_HEAT_ONE = 10**9  # of `heat`

# Mean temperature of the United Kingdom by month [tenths of a degree Celsius].
# Source: Met Office, UK climate averages 1991-2020, rounded to half a degree.
MEAN_TEMPERATURE_TENTHS = (40, 40, 55, 80, 105, 135, 155, 150, 130, 95, 65, 40)


@lru_cache(maxsize=4)
def bdew_gas(start: date, day_count: int, calendar: Calendar = GREAT_BRITAIN) -> DemandProfile:
    """The gas profile of `day_count` UTC days from `start`, taken by the local time of a calendar."""
    factors = _hour_factors()

    def weight(day: date, slot: int) -> int:
        tenths = temperature_tenths(day)
        return heat(tenths) * factors[slot // 2][_interval(tenths)]

    return profile_by_local_time(NAME, start, day_count, weight, calendar=calendar)


def temperature_tenths(day: date) -> int:
    """The long-term mean temperature of a day [tenths of a degree]: straight lines between the middles of the months."""
    next_month = day.month % 12
    month = day.month - 1
    if day.day < 15:
        month, next_month = month - 1, month
    since_middle = (day.day - 15) % 30
    before, after = MEAN_TEMPERATURE_TENTHS[month], MEAN_TEMPERATURE_TENTHS[next_month]
    return before + (after - before) * since_middle // 30


@lru_cache(maxsize=1_000)
def heat(tenths: int) -> int:
    """A day's heat at a temperature, relative to one at about 8 degrees [1e-9].

    In decimals: exp and ln are correctly rounded there, and the C library's are not the same on every machine.
    """
    context = Context(prec=40)
    a, b, c, d = _sigmoid()
    base = context.divide(b, Decimal(tenths) / _TENTHS - 40)
    power = context.exp(context.multiply(c, context.ln(base)))
    return int(context.multiply(context.add(context.divide(a, 1 + power), d), Decimal(_HEAT_ONE)))


def _interval(tenths: int) -> int:
    """The table's temperature interval 0..9: five degrees each, the first up to -15 degrees, the last from 25 degrees."""
    return min(max(-(-tenths // 50) + 3, 0), 9)


@lru_cache(maxsize=1)
def _sigmoid() -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """A, B, C and D of the sigmoid, hot water included."""
    row = next(row for row in table_of("shlp_sigmoid_factors.csv") if row[5:] == [*_CLASS, _WIND])
    a, b, c, d = (Decimal(value) for value in row[1:5])
    return a, b, c, d


@lru_cache(maxsize=1)
def _hour_factors() -> list[list[int]]:
    """The hour's share of the day's heat [1e-4], by local hour and temperature interval."""
    rows = [row for row in table_of("shlp_hour_factors.csv") if row[3:5] == _CLASS]
    assert [int(row[1]) for row in rows] == list(range(1, 25)), "demandlib's gas table has another layout"
    return [[int(_FACTOR_ONE * Decimal(value)) for value in row[5:]] for row in rows]
