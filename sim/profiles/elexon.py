"""An Elexon profile class: mean demand by half-hour, season and kind of day, 48 rows of 15 columns, in local time.

    Time,Aut Wd,Aut Sat,Aut Sun,Hsr Wd,...,Wtr Sun
    1,0.28,0.31,0.30,0.24,...,0.33

`Time` is the settlement period 1..48, or a half-hour's start or end as HH:MM or HH:MM:SS. Which of them is decided from all
rows together: 24:00 is an end; 00:00 is a start where the rows run up from it, an end where they run up to it. What can't be
decided is refused.
"""

from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path

from scenarios.calendar import GREAT_BRITAIN, Calendar
from scenarios.calendar.london import summer_time
from scenarios.domain import SLOTS_PER_DAY
from scenarios.spec import ScenarioError
from sim.profiles.demand import NO_USE, DemandProfile, profile_by_local_time
from sim.profiles.faults import FaultTally, ImportReport, RowFault, refuse_if_unusable
from sim.profiles.lines import fields_of, opened

LAYOUT = "Elexon profile-class CSV"
MEND = "a row is a settlement period 1..48 and 15 numbers [kW], under the header Time,Aut Wd,Aut Sat,Aut Sun,Hsr Wd,..."

KW_MAX = 10_000.0
SEASONS = ("aut", "hsr", "smr", "spr", "wtr")
DAY_KINDS = ("wd", "sat", "sun")
COLUMNS = tuple(f"{season} {kind}" for season in SEASONS for kind in DAY_KINDS)
_MICRO = 1_000_000

Values = dict[str, int]  # column -> demand [1e-6 kW]


def is_header(names: list[str]) -> bool:
    """Are these (lower-case) column names of this layout, in any order after the time?"""
    return names[:1] == ["time"] and sorted(names[1:]) == sorted(COLUMNS)


def read_elexon(
    path: Path, start: date, day_count: int, calendar: Calendar = GREAT_BRITAIN
) -> tuple[DemandProfile, ImportReport]:
    """A profile class as the demand of `day_count` days from `start`.

    All 48 half-hours must be there: with one left out the day's shape is not known. Raises ScenarioError naming file,
    line and mend. Ignores public holidays, which Elexon treats as Sundays.
    """
    text = opened(path, is_header)
    if text is None:
        raise ScenarioError(f"{path}: holds no header of an {LAYOUT}; {MEND}")
    tally = FaultTally()
    rows: list[tuple[int, int, Values]] = []  # line, label, values
    rows_read = 0
    for number, line in text.rows():
        rows_read += 1
        if any(field != field.strip() for field in line.split(b",")):
            tally.add(RowFault.STRAY_SPACES, number)
        row = _row_of(fields_of(line), text.names)
        if isinstance(row, RowFault):
            tally.add(row, number)
        else:
            rows.append((number, *row))
    times = _times_of(path, [label for _, label, _ in rows])
    slots: dict[int, Values] = {}
    for number, label, values in rows:
        slot = times.slot_of(label)
        if slot in slots:
            tally.add(RowFault.DUPLICATE, number)
        else:
            slots[slot] = values
    missing = sorted(set(range(SLOTS_PER_DAY)) - slots.keys())
    report = ImportReport(
        path=str(path),
        layout=LAYOUT,
        rows_read=rows_read,
        rows_used=len(slots),
        faults=tally.result(),
        notes=(*text.notes, times.value),
    )
    refuse_if_unusable(report, MEND)
    if missing:
        faults = "; ".join(f"{fault.fault} at line {fault.lines[0]}" for fault in report.faults)
        raise ScenarioError(
            f"{path}: settlement periods {', '.join(str(slot + 1) for slot in missing)} are missing or can't be used"
            f"{f' ({faults})' if faults else ''}; a profile class needs all 48"
        )

    if not any(value for values in slots.values() for value in values.values()):
        raise ScenarioError(f"{path}: {NO_USE}")

    def weight(day: date, slot: int) -> int:
        return slots[slot][f"{season_of(day)} {DAY_KINDS[max(day.weekday() - 4, 0)]}"]

    return profile_by_local_time(path.name, start, day_count, weight, calendar=calendar), report


def season_of(day: date) -> str:
    """Elexon's season of a local day.

    Source: Elexon, "Load profiles and their use in electricity settlement": winter is the time without summer time; high
    summer runs from the sixth Saturday before the August bank holiday to the Sunday after it, summer for the ten weeks
    before that, autumn until summer time ends.
    """
    start, end = summer_time(day.year)
    if day < start or day >= end:
        return "wtr"
    bank_holiday = date(day.year, 8, 31) - timedelta(days=date(day.year, 8, 31).weekday())  # its last Monday
    high_summer = bank_holiday - timedelta(days=2 + 5 * 7)
    if day < high_summer - timedelta(weeks=10):
        return "spr"
    if day < high_summer:
        return "smr"
    return "hsr" if day <= bank_holiday + timedelta(days=6) else "aut"


class _Times(StrEnum):
    """What the rows' labels are, in the sentence in which it is told."""

    PERIODS = "times are taken as settlement periods 1 to 48"
    STARTS = "times are taken as the starts of half-hours, in local time"
    ENDS = "times are taken as the ends of half-hours, in local time"

    def slot_of(self, label: int) -> int:
        """The half-hour of day 0..47 of a label."""
        if self is _Times.PERIODS:
            return -label - 1
        return (label if self is _Times.STARTS else label - 1) % SLOTS_PER_DAY


def _times_of(path: Path, labels: list[int]) -> _Times:
    """What the labels of all rows are. Raises ScenarioError where they can be two things."""
    clock = [label for label in labels if label >= 0]
    if not clock:
        return _Times.PERIODS
    if len(clock) < len(labels):
        raise ScenarioError(
            f"{path}: some times are settlement periods and some are of a clock; use one of them; {MEND}"
        )
    runs_up_from_midnight = clock == sorted(clock)
    until_midnight = [label or SLOTS_PER_DAY for label in clock]
    if SLOTS_PER_DAY in clock:
        if 0 not in clock:
            return _Times.ENDS
        raise ScenarioError(
            f"{path}: both 00:00 and 24:00 are there: half-hours can't be told by start and by end; {MEND}"
        )
    if 0 not in clock:
        raise ScenarioError(
            f"{path}: neither 00:00 nor 24:00 is there: whether times are starts or ends can't be told; a profile class "
            "needs all 48 half-hours"
        )
    if runs_up_from_midnight:
        return _Times.STARTS
    if until_midnight == sorted(until_midnight):
        return _Times.ENDS
    raise ScenarioError(
        f"{path}: whether times are the starts or the ends of half-hours can't be told, as the rows are in no order: "
        "sort them, with 00:00 first where times are starts and 00:00 or 24:00 last where they are ends"
    )


def _row_of(fields: list[bytes], names: list[str]) -> tuple[int, Values] | RowFault:
    """A row's label and values, or what is wrong with it."""
    if len(fields) != len(names):
        return RowFault.WRONG_COLUMNS
    label = _label_of(fields[0])
    if isinstance(label, RowFault):
        return label
    values = _values_of(fields[1:], names[1:])
    return values if isinstance(values, RowFault) else (label, values)


def _label_of(time: bytes) -> int | RowFault:
    """A time of the clock in half-hours from midnight, 0..48; minus the number of a settlement period."""
    hour, *rest = time.split(b":")
    if not all(part.isdigit() for part in (hour, *rest)) or len(rest) > 2:
        return RowFault.BAD_TIME
    if not rest:
        return -int(hour) if 1 <= int(hour) <= SLOTS_PER_DAY else RowFault.BAD_TIME
    if rest[0] not in (b"00", b"30") or rest[1:] not in ([], [b"00"]):
        return RowFault.OFF_GRID
    label = int(hour) * 2 + (rest[0] == b"30")
    return label if label <= SLOTS_PER_DAY else RowFault.BAD_TIME


def _values_of(fields: list[bytes], names: list[str]) -> Values | RowFault:
    values: Values = {}
    for name, text in zip(names, fields, strict=True):
        if text.lower() in (b"", b"null"):
            return RowFault.NULL
        value = _number_of(text)
        if value is None:
            return RowFault.BAD_NUMBER
        values[name] = round(value * _MICRO)
    return values


def _number_of(text: bytes) -> float | None:
    """A plain number from 0 to KW_MAX; None for anything else, "nan", "inf" and "1_000" included."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= KW_MAX and b"_" not in text else None
