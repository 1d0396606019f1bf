"""An Elexon profile class: mean demand by half-hour, season and kind of day, 48 rows of 15 columns, in local time.

    Time,Aut Wd,Aut Sat,Aut Sun,Hsr Wd,...,Wtr Sun
    1,0.28,0.31,0.30,0.24,...,0.33

`Time` is the settlement period 1..48, or the half-hour's end as HH:MM (its start, where a row says 00:00 first).
"""

from datetime import date, timedelta
from pathlib import Path

from scenarios.domain import SLOTS_PER_DAY
from scenarios.london import summer_time
from scenarios.spec import ScenarioError
from sim.profiles.demand import DemandProfile, profile_by_local_time
from sim.profiles.faults import Fault, FaultTally, ImportReport, refuse_if_unusable
from sim.profiles.lines import fields_of, header_of, lines_of

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


def read_elexon(path: Path, start: date, day_count: int) -> tuple[DemandProfile, ImportReport]:
    """A profile class as the demand of `day_count` days from `start`.

    All 48 half-hours must be there: with one left out the day's shape is not known. Raises ScenarioError naming file,
    line and mend. Ignores public holidays, which Elexon treats as Sundays.
    """
    names = header_of(path)
    if not is_header(names):
        raise ScenarioError(f"{path}: line 1 is not the header of an {LAYOUT}; {MEND}")
    tally = FaultTally()
    slots: dict[int, Values] = {}
    rows_read = 0
    times_are_starts = False
    for number, line in enumerate(lines_of(path), start=1):
        if number == 1 or not line.strip():
            continue
        line = line.rstrip(b"\r")
        rows_read += 1
        if any(text != text.strip() for text in line.split(b",")):
            tally.add(Fault.STRAY_SPACES, number)
        fields = fields_of(line)
        if rows_read == 1:
            times_are_starts = fields[0] in (b"00:00", b"0:00")
        row = _row_of(fields, names, times_are_starts)
        if isinstance(row, Fault) or row[0] in slots:
            tally.add(row if isinstance(row, Fault) else Fault.DUPLICATE, number)
        else:
            slots[row[0]] = row[1]
    missing = sorted(set(range(SLOTS_PER_DAY)) - slots.keys())
    report = ImportReport(
        path=str(path), layout=LAYOUT, rows_read=rows_read, rows_used=len(slots), faults=tally.result(), notes=()
    )
    refuse_if_unusable(report, MEND)
    if missing:
        faults = "; ".join(f"{fault.fault} at line {fault.lines[0]}" for fault in report.faults)
        raise ScenarioError(
            f"{path}: settlement periods {', '.join(str(slot + 1) for slot in missing)} are missing or can't be used"
            f"{f' ({faults})' if faults else ''}; a profile class needs all 48"
        )

    def weight(day: date, slot: int) -> int:
        return slots[slot][f"{season_of(day)} {DAY_KINDS[max(day.weekday() - 4, 0)]}"]

    return profile_by_local_time(path.name, start, day_count, weight), report


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


def _row_of(fields: list[bytes], names: list[str], times_are_starts: bool) -> tuple[int, Values] | Fault:
    """A row's half-hour of day and values, or what is wrong with it."""
    if len(fields) != len(names):
        return Fault.WRONG_COLUMNS
    slot = _slot_of(fields[0], times_are_starts)
    if isinstance(slot, Fault):
        return slot
    values = _values_of(fields[1:], names[1:])
    return values if isinstance(values, Fault) else (slot, values)


def _slot_of(time: bytes, is_start: bool) -> int | Fault:
    """The half-hour of day 0..47 of a settlement period or a time."""
    hour, colon, minute = time.partition(b":")
    if not (hour.isdigit() and (minute[:2].isdigit() if colon else True)):
        return Fault.BAD_TIME
    if not colon:
        return int(hour) - 1 if 1 <= int(hour) <= SLOTS_PER_DAY else Fault.BAD_TIME
    if minute not in (b"00", b"30", b"00:00", b"30:00"):
        return Fault.OFF_GRID
    slot = int(hour) * 2 + (minute[:2] == b"30")
    if slot > SLOTS_PER_DAY:
        return Fault.BAD_TIME
    return (slot if is_start else slot - 1) % SLOTS_PER_DAY


def _values_of(fields: list[bytes], names: list[str]) -> Values | Fault:
    values: Values = {}
    for name, text in zip(names, fields, strict=True):
        if text.lower() in (b"", b"null"):
            return Fault.NULL
        value = _number_of(text)
        if value is None:
            return Fault.BAD_NUMBER
        values[name] = round(value * _MICRO)
    return values


def _number_of(text: bytes) -> float | None:
    """A plain number from 0 to KW_MAX; None for anything else, "nan", "inf" and "1_000" included."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= KW_MAX and b"_" not in text else None
