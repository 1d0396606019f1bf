"""Synthetic German houses by VDI 4655, from the tables and the weather that `demandlib` ships (MIT licence).

The guideline, which demandlib reproduces with the VDI's permission, has ten typical days of a house by season, kind of day and
cloud: at one minute for a single-family house, at 15 minutes for a house of flats. Which day of a year is which, a test
reference year of the German weather service tells: Potsdam's, the reference climate of German building rules. All arithmetic
is on integers and decimals.
"""

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from scenarios.calendar import GREAT_BRITAIN, Calendar
from scenarios.domain import SLOTS_PER_DAY
from sim.profiles.demand import DemandProfile, profile_by_local_time
from sim.profiles.demandlib_tables import lines_of


class _House(NamedTuple):
    code: str  # in the guideline's tables
    people: int  # persons of a single-family house, flats of the other


# Three persons and six flats are ours: the guideline leaves them to its reader, and they only shift energy between days.
HOUSES = {"vdi4655_house": _House("EFH", 3), "vdi4655_flats": _House("MFH", 6)}
_CLIMATE = 4  # Potsdam
_DAYS_PER_YEAR = 365
_SUMMER_ABOVE, _WINTER_BELOW = Decimal(15), Decimal(5)  # daily mean temperature [°C]
_CLOUDY_FROM = 5  # daily mean cover [eighths]
_ONE = 10**9
_DAY_MINUTES = 24 * 60
_SUNDAY = 6


@lru_cache(maxsize=4)
def vdi4655(
    name: str,
    start: date,
    day_count: int,
    calendar: Calendar = GREAT_BRITAIN,
    slots_per_day: int = SLOTS_PER_DAY,
) -> DemandProfile:
    """The electricity of a kind of house for `day_count` UTC days from `start`, taken by the local time of a calendar.

    Ignores public holidays, which the guideline takes as Sundays: they are Germany's. 29 February has the weather of the 28th.
    """
    house = HOUSES[name]
    days = _day_weights(house)
    shapes = _slots(house.code, slots_per_day)
    climate = _climate()

    def weight(day: date, slot: int) -> int:
        kind = _kind_of(day, *climate[day.month, min(day.day, 28) if day.month == 2 else day.day])
        return days[kind] * shapes[kind][slot]

    return profile_by_local_time(name, start, day_count, weight, calendar=calendar, slots_per_day=slots_per_day)


def _kind_of(day: date, temperature: Decimal, cover: Decimal) -> str:
    """The guideline's typical day: season (S, U, W), kind of day (W, S), and but for summer clear or cloudy (H, B)."""
    season = "S" if temperature > _SUMMER_ABOVE else "W" if temperature < _WINTER_BELOW else "U"
    sky = "X" if season == "S" else "B" if cover >= _CLOUDY_FROM else "H"
    return f"{season}{'S' if day.weekday() == _SUNDAY else 'W'}{sky}"


def _day_weights(house: _House) -> dict[str, int]:
    """The electricity of each typical day, of a mean day of the year [10^-9]. Source: VDI 4655, W_TT = W_a (1/365 + N F_TT)."""
    head, *rows = _table("vdi_data/VDI_4655_Typtag-Faktoren.csv")
    (factors,) = (row[3:] for row in rows if row[:3] == [str(_CLIMATE), house.code, "F_el_TT"])
    return {
        kind: int((1 + _DAYS_PER_YEAR * house.people * Decimal(factor)) * _ONE)
        for kind, factor in zip(head[3:], factors, strict=True)
    }


@lru_cache(maxsize=4)
def _slots(code: str, slots_per_day: int) -> dict[str, list[int]]:
    """The slots of each typical day, of the day's electricity [10^-9]."""
    found: dict[str, list[Decimal]] = {}
    for house, kind, clock, electricity, *_ in _table("vdi_data/VDI_4655_Typtage.csv")[1:]:
        if house == code:
            hour, minute, _ = clock.split(":")
            slots = found.setdefault(kind, [Decimal(0)] * slots_per_day)
            slots[(60 * int(hour) + int(minute)) * slots_per_day // _DAY_MINUTES] += Decimal(electricity)
    return {kind: [int(slot * _ONE) for slot in slots] for kind, slots in found.items()}


@lru_cache(maxsize=1)
def _climate() -> dict[tuple[int, int], tuple[Decimal, Decimal]]:
    """Mean temperature [°C] and cloud cover [eighths] of each month and day of the reference year."""
    lines = lines_of(f"vdi/resources_weather/TRY2010_{_CLIMATE:02d}_Jahr.dat", "latin-1")
    mark = next(at for at, line in enumerate(lines) if line.startswith("***"))
    names = lines[mark - 1].split()
    month, day, cover, temperature = (names.index(name) for name in ("MM", "DD", "N", "t"))
    hours: dict[tuple[int, int], list[tuple[Decimal, Decimal]]] = {}
    for line in lines[mark + 1 :]:
        row = line.split()
        hours.setdefault((int(row[month]), int(row[day])), []).append((Decimal(row[temperature]), Decimal(row[cover])))
    return {
        at: (
            sum((one for one, _ in each), Decimal(0)) / len(each),
            sum((two for _, two in each), Decimal(0)) / len(each),
        )
        for at, each in hours.items()
    }


def _table(name: str) -> list[list[str]]:
    return [line.split(",") for line in lines_of(f"vdi/{name}")]
