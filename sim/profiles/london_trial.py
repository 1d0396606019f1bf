"""Half-hourly readings of real households, in the layout of the Low Carbon London trial: a row a household and half-hour.

    LCLid,stdorToU,DateTime,KWH/hh (per half hour)
    MAC000002,Std,2012-10-12 00:30:00.0000000, 0

Read once from front to back, in memory that does not grow with the file. Of readings of one household and half-hour the
first counts. What is kept of the file is its mean by month, kind of day and local half-hour.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np

from scenarios.calendar import GREAT_BRITAIN, Calendar
from scenarios.calendar.london import offset_slots
from scenarios.domain import SLOTS_PER_DAY
from scenarios.spec import ScenarioError
from sim.profiles.demand import NO_USE, DemandProfile, profile_by_local_time
from sim.profiles.faults import FaultTally, ImportReport, RowFault, refuse_if_unusable
from sim.profiles.households import CellCalendar, Means, Met, account, nothing_met
from sim.profiles.lines import opened
from sim.profiles.rows import BLANK, CODES, MICRO, USABLE, YEAR_MAX, YEAR_MIN, Columns, parse_rows

LAYOUT = "Low Carbon London CSV"
TIMES_TAKEN = "times are taken as the starts of half-hours, and as GMT all year where they carry no offset"
MEND = "a row is LCLid,stdorToU,DateTime,KWH/hh, as in: MAC000002,Std,2012-10-12 00:30:00.0000000,0.143"

_DAY_KINDS = 3  # working day, Saturday, Sunday
_CELLS_PER_MONTH = _DAY_KINDS * SLOTS_PER_DAY
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def columns_of(names: list[str]) -> Columns | None:
    """Where the columns are, by the (lower-case) names of a header; None if it is not of this layout."""
    household = [at for at, name in enumerate(names) if name == "lclid"]
    time = [at for at, name in enumerate(names) if name in ("datetime", "tstp")]
    kwh = [at for at, name in enumerate(names) if name.startswith(("kwh/hh", "energy(kwh/hh"))]
    if len(household) != 1 or len(time) != 1 or len(kwh) != 1:
        return None
    return Columns(household[0], time[0], kwh[0], len(names))


def is_header(names: list[str]) -> bool:
    return columns_of(names) is not None


def read_london_trial(
    path: Path, start: date, day_count: int, calendar: Calendar = GREAT_BRITAIN
) -> tuple[DemandProfile, ImportReport]:
    """The mean household of a file, as the demand of `day_count` days from `start`.

    Time stamps are the starts of half-hours, in GMT all year where they carry no offset from UTC. Raises
    ScenarioError naming file, line and mend.
    """
    text = opened(path, is_header)
    columns = columns_of(text.names) if text is not None else None
    if text is None or columns is None:
        raise ScenarioError(f"{path}: holds no header of a {LAYOUT}; {MEND}")
    reader = _Reader.empty(text.header_line)
    for block in text.blocks():
        reader.read(block, columns)
    table = _Table(reader.means)
    report = ImportReport(
        path=str(path),
        layout=LAYOUT,
        rows_read=reader.rows_read,
        rows_used=reader.rows_used,
        faults=reader.tally.result(),
        notes=(*text.notes, TIMES_TAKEN, *reader.notes(), *table.notes()),
    )
    refuse_if_unusable(report, MEND)
    missing = table.missing_slot()
    if missing is not None:
        raise ScenarioError(
            f"{path}: no household has a reading at {missing // 2:02d}:{missing % 2 * 30:02d} local time in the whole "
            "file; a profile needs every half-hour of the day"
        )
    if not table.total.any():
        raise ScenarioError(f"{path}: {NO_USE}")
    return profile_by_local_time(path.name, start, day_count, table.mean, calendar=calendar), report


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Takes a file block by block: sorts rows into used ones and faults, and sums the used ones."""

    calendar: CellCalendar
    met: Met
    means: Means
    tally: FaultTally
    header_line: int
    lines_read: int = 0
    rows_read: int = 0
    rows_used: int = 0
    forgotten: int = 0

    @classmethod
    def empty(cls, header_line: int) -> "_Reader":
        cells = 12 * _CELLS_PER_MONTH
        return cls(
            calendar=_calendar(),
            met=nothing_met(),
            means=Means(np.zeros(cells, np.int64), np.zeros(cells, np.int64)),
            tally=FaultTally(),
            header_line=header_line,
        )

    def read(self, block: bytes, columns: Columns) -> None:
        text = np.frombuffer(block, np.uint8)
        rows = parse_rows(text, block.count(b"\n") + (not block.endswith(b"\n")), columns)
        before_rows = max(self.header_line - self.lines_read, 0)  # the header, and what stands before it
        rows.fault[:before_rows], rows.slot[:before_rows], rows.spaces[:before_rows] = BLANK, -1, False
        gaps = np.zeros(len(rows.slot), np.int64)
        self.forgotten += account(rows, self.lines_read, self.calendar, self.met, self.means, gaps)
        first = self.lines_read + 1
        self.tally.add_all(RowFault.STRAY_SPACES, first, rows.spaces)
        self.tally.add_all(RowFault.GAP, first, gaps)
        for fault, code in CODES.items():
            self.tally.add_all(fault, first, rows.fault == code)
        self.lines_read += len(rows.slot)
        self.rows_read += int((rows.fault != BLANK).sum())
        self.rows_used += int((rows.fault == USABLE).sum())

    def notes(self) -> tuple[str, ...]:
        if not self.forgotten:
            return ()
        return (
            f"duplicates were looked for within the {len(self.met.year_key):,} household-years last met; "
            f"{self.forgotten:,} earlier ones were forgotten: a file sorted by household needs to remember few",
        )


class _Table:
    """The means of a file by month, kind of day and local half-hour."""

    def __init__(self, means: Means) -> None:
        self.total = means.total.reshape(12, _DAY_KINDS, SLOTS_PER_DAY)
        self.count = means.reading_count.reshape(12, _DAY_KINDS, SLOTS_PER_DAY)
        self.mean_of_cell: dict[tuple[int, int, int], int] = {}

    def mean(self, day: date, slot: int) -> int:
        """The mean of a local half-hour [1e-12 kWh]; where the file has none, that of all months, then of all days."""
        cell = day.month - 1, _kind_of(day), slot
        if cell not in self.mean_of_cell:
            self.mean_of_cell[cell] = self._mean(*cell)
        return self.mean_of_cell[cell]

    def _mean(self, month: int, kind: int, slot: int) -> int:
        every = slice(None)
        for which in ((month, kind, slot), (every, kind, slot), (every, every, slot)):
            count = int(self.count[which].sum())
            if count:
                return int(self.total[which].sum()) * MICRO // count
        raise AssertionError("a half-hour without any reading is refused before")

    def missing_slot(self) -> int | None:
        """The first half-hour of day for which there is no reading at all."""
        empty = np.flatnonzero(self.count.sum(axis=(0, 1)) == 0)
        return int(empty[0]) if len(empty) else None

    def notes(self) -> tuple[str, ...]:
        empty = np.flatnonzero(self.count.sum(axis=(1, 2)) == 0)
        if not len(empty):
            return ()
        names = ", ".join(_MONTH_NAMES[month] for month in empty)
        return (f"no readings in {names}: their days follow the mean of the other months",)


@lru_cache(maxsize=1)
def _calendar() -> CellCalendar:
    """The cells of all half-hours of the years that are taken: by local time."""
    first_day = date(YEAR_MIN, 1, 1)
    day_count = (date(YEAR_MAX + 1, 1, 1) - first_day).days
    days = [first_day + timedelta(days=at) for at in range(day_count + 1)]
    day_cell = np.array([(day.month - 1) * _CELLS_PER_MONTH + _kind_of(day) * SLOTS_PER_DAY for day in days], np.int16)
    # Legal time changes at 01:00 UTC, so that the first hour of a day may differ from the rest of it.
    offset = np.array([[offset_slots(day, 0)] * 2 + [offset_slots(day, 2)] * 46 for day in days[:-1]])
    local = np.arange(day_count * SLOTS_PER_DAY) + offset.reshape(-1)
    return CellCalendar(
        (first_day - date(1970, 1, 1)).days * SLOTS_PER_DAY,
        np.array([(date(day.year, 1, 1) - first_day).days for day in days[:-1]], np.int32),
        (day_cell[local // SLOTS_PER_DAY] + local % SLOTS_PER_DAY).astype(np.int16),
    )


def _kind_of(day: date) -> int:
    """Working day 0, Saturday 1, Sunday 2; public holidays count as what they fall on."""
    return max(day.weekday() - 4, 0)
