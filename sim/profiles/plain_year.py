"""A year's demand in two columns, as most people have theirs: a time or an index, and kW or kWh, at even steps.

    time,kW                      index,kWh
    2025-01-01 00:00,12.5        0,6.2
    2025-01-01 00:30,11.9        1,5.9

Steps are a divisor of 30 minutes or a whole hour, and the year is whole: 365 or 366 days, each step there once. Times carry
an offset from UTC, or are UTC; rows of an index begin with a year's first step. A day of the span follows the day of the
same date; the 29th of February the 28th where the file has none.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np

from scenarios.domain import SLOTS_PER_DAY
from scenarios.spec import ScenarioError
from sim.profiles.demand import NO_USE, YEAR_ONE, DemandProfile, checked_profile
from sim.profiles.faults import FaultTally, ImportReport, RowFault
from sim.profiles.lines import ProfileText, fields_of, opened
from sim.profiles.rows import YEAR_MAX, YEAR_MIN
from sim.units import IntArray

LAYOUT = "two-column year CSV"
MEND = "a row is time,kW or index,kW (or kWh), as in: 2025-01-01 00:00,12.5, for each step of a whole year"

_TIME_NAMES = ("time", "datetime", "date", "timestamp", "utc")
_INDEX_NAMES = ("index", "period", "step", "n", "hour", "")
_DAY_MINUTES = 24 * 60
_STEPS_MINUTES = (60, 30, 15, 10, 6, 5, 3, 2, 1)
_ROWS_MAX = 366 * _DAY_MINUTES
_VALUE_MAX = 1e9
_MICRO = 1_000_000
_LEAP_YEAR, _LEAP_DAY = 2024, 59  # 29 February, counted from 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    line: int
    place: int  # minutes from 1970 UTC, or the index
    micro: int  # the value [1e-6]


def is_header(names: list[str]) -> bool:
    """Are these (lower-case) column names a time or an index and one of kW or kWh?"""
    return len(names) == 2 and names[0].split("(")[0].strip() in (*_TIME_NAMES, *_INDEX_NAMES) and _is_energy(names[1])


def read_plain_year(
    path: Path, start: date, day_count: int, slots_per_day: int = SLOTS_PER_DAY
) -> tuple[DemandProfile, ImportReport]:
    """The file's year as the demand of `day_count` UTC days from `start`. Raises ScenarioError naming file, line and mend."""
    text = opened(path, is_header)
    if text is None:
        raise ScenarioError(f"{path}: holds no header of a {LAYOUT}; {MEND}")
    has_times = text.names[0].split("(")[0].strip() in _TIME_NAMES
    tally = FaultTally()
    rows = _rows_of(text, has_times, tally)
    if has_times:
        year, notes = _year_by_time(path, rows, slots_per_day)
    else:
        year, notes = _year_by_index(path, rows, slots_per_day)
    report = ImportReport(
        path=str(path),
        layout=LAYOUT,
        rows_read=len(rows),
        rows_used=len(rows),
        faults=tally.result(),
        notes=(*text.notes, *notes, "days are taken by their date, so weekdays are those of the file's year"),
    )
    common_days = [day for day in range(366) if day != _LEAP_DAY]
    total = sum(year[common_days].astype(object).flat)  # of 365 days, as a span counts them
    if total == 0:
        raise ScenarioError(f"{path}: {NO_USE}")
    days = [_day_of_leap_year(start + timedelta(days=at)) for at in range(day_count + 1)]
    # In Python's integers: a value of 1e9 kW takes 50 bits, and 36 more make its share.
    share = year[days].astype(object) * YEAR_ONE // total
    return checked_profile(path.name, start, share.astype(np.int64)), report


def _is_energy(name: str) -> bool:
    words = name.replace("(", " ").replace(")", " ").replace("[", " ").replace("]", " ").replace("_", " ").split()
    return any(word in ("kw", "kwh", "kwh/hh") for word in words)


def _rows_of(text: ProfileText, has_times: bool, tally: FaultTally) -> list[_Row]:
    """All rows; the first that can't be used is refused, since a year with a hole in it is no year."""
    rows: list[_Row] = []
    for number, line in text.rows():
        if any(field != field.strip() for field in line.split(b",")):
            tally.add(RowFault.STRAY_SPACES, number)
        if len(rows) == _ROWS_MAX:
            raise ScenarioError(f"{text.path}: has more rows than a year has minutes; {MEND}")
        fields = fields_of(line)
        place = (_minute_of(fields[0]) if has_times else _index_of(fields[0])) if len(fields) == 2 else None
        micro = _micro_of(fields[1]) if len(fields) == 2 else None
        if place is None or micro is None:
            what = (
                RowFault.WRONG_COLUMNS
                if len(fields) != 2
                else RowFault.BAD_TIME
                if place is None
                else RowFault.BAD_NUMBER
            )
            shown = line.decode("utf-8", "replace").strip()[:80]
            raise ScenarioError(f"{text.path}: line {number} can't be used ({what}): {shown!r}; {MEND}")
        rows.append(_Row(line=number, place=place, micro=micro))
    if len(rows) < 2:
        raise ScenarioError(f"{text.path}: holds a header and {len(rows)} rows; {MEND}")
    return rows


def _year_by_index(path: Path, rows: list[_Row], slots_per_day: int) -> tuple[IntArray, list[str]]:
    """int64[366, slots] of an index that counts the steps from 0 or 1; the step is told by how many there are."""
    first = rows[0].place
    if first not in (0, 1):
        raise ScenarioError(f"{path}: line {rows[0].line}: an index begins with 0 or 1, not {first}; {MEND}")
    for at, row in enumerate(rows):
        if row.place != first + at:
            raise ScenarioError(f"{path}: line {row.line}: the index is {row.place} where {first + at} comes next")
    for step_minutes in _STEPS_MINUTES:
        for day_count in (365, 366):
            if len(rows) * step_minutes == day_count * _DAY_MINUTES:
                year = _slots([row.micro for row in rows], step_minutes, slots_per_day)
                taken = f"{len(rows):,} rows are taken as a year's steps of {step_minutes} min from 1 January 00:00 UTC"
                return year if day_count == 366 else _of_leap_year(year), [taken]
    raise ScenarioError(f"{path}: {len(rows):,} rows are no whole year of 60, 30, 15, 10, 5 or 1 minutes; {MEND}")


def _year_by_time(path: Path, rows: list[_Row], slots_per_day: int) -> tuple[IntArray, list[str]]:
    """int64[366, slots] of rows with times; whether they are starts or ends is told by the first of them."""
    step_minutes = rows[1].place - rows[0].place
    if step_minutes not in _STEPS_MINUTES:
        raise ScenarioError(
            f"{path}: lines {rows[0].line} and {rows[1].line} are {step_minutes} min apart; steps are a divisor of 30 min "
            f"or an hour; {MEND}"
        )
    for before, row in pairwise(rows):
        if row.place - before.place != step_minutes:
            raise ScenarioError(
                f"{path}: line {row.line} comes {row.place - before.place} min after the row before it, where steps are "
                f"{step_minutes} min; a year needs each step once (an hour doubled or left out when clocks change: write times "
                "with their offset from UTC)"
            )
    of_day = rows[0].place % _DAY_MINUTES
    if of_day not in (0, step_minutes):
        raise ScenarioError(
            f"{path}: line {rows[0].line}: the first time is neither 00:00 UTC nor a step later, so that whether times are "
            "starts or ends of steps can't be told; begin the year at midnight UTC"
        )
    day_count = len(rows) * step_minutes / _DAY_MINUTES
    first_day = date(1970, 1, 1) + timedelta(minutes=rows[0].place - of_day)
    if day_count not in (365, 366):
        raise ScenarioError(
            f"{path}: {len(rows):,} rows of {step_minutes} min are {day_count:.1f} days; a profile needs a whole year"
        )
    taken = "starts" if of_day == 0 else "ends"
    notes = [f"times are taken as the {taken} of steps of {step_minutes} min, and as UTC where they carry no offset"]
    found = _slots([row.micro for row in rows], step_minutes, slots_per_day)
    year = np.zeros((366, found.shape[1]), np.int64)
    has_leap_day = False
    for at in range(len(found)):
        place = _day_of_leap_year(first_day + timedelta(days=at))
        year[place] = found[at]
        has_leap_day |= place == _LEAP_DAY
    if not has_leap_day:
        year[_LEAP_DAY] = year[_LEAP_DAY - 1]
    return year, notes


def _slots(values: list[int], step_minutes: int, slots_per_day: int) -> IntArray:
    """int64[day, slots] of the steps' values; only how they stand to each other counts, so kW, kWh and the step may stay.

    The slots are half-hours where the steps don't make up shorter ones: of two hours and of ten minutes.
    """
    slot_minutes = _DAY_MINUTES // slots_per_day
    if slot_minutes % step_minutes:
        slot_minutes = 30
    steps = np.array(values, np.int64)
    steps = np.repeat(steps, 2) if step_minutes == 60 else steps.reshape(-1, slot_minutes // step_minutes).sum(axis=1)
    return steps.reshape(-1, _DAY_MINUTES // slot_minutes)


def _of_leap_year(year: IntArray) -> IntArray:
    """365 days with the 28th of February's once more as the 29th."""
    return np.insert(year, _LEAP_DAY, year[_LEAP_DAY - 1], axis=0)


def _day_of_leap_year(day: date) -> int:
    return day.replace(year=_LEAP_YEAR).timetuple().tm_yday - 1


def _minute_of(field: bytes) -> int | None:
    """Minutes from 1970 UTC of an ISO 8601 time; None for anything else, and for seconds."""
    try:
        when = datetime.fromisoformat(field.decode("ascii"))
    except ValueError:
        return None
    if not YEAR_MIN <= when.year <= YEAR_MAX:
        return None
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    seconds = (when - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    return int(seconds // 60) if seconds % 60 == 0 else None


def _index_of(field: bytes) -> int | None:
    return int(field) if field.isdigit() and len(field) <= 9 else None


def _micro_of(field: bytes) -> int | None:
    """A plain number from 0 to 1e9 in millionths; None for anything else, "nan", "inf" and "1_000" included."""
    try:
        value = float(field)
    except ValueError:
        return None
    return round(value * _MICRO) if 0 <= value <= _VALUE_MAX and b"_" not in field else None
