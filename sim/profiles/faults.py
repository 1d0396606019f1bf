"""What was wrong with a profile file, by kind of fault, with the line numbers at which a user can find it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenarios.spec import ScenarioError

FAULT_SHARE_MAX = 0.25  # more skipped rows than this: the file is not what it is taken for
LINES_KEPT_MAX = 20


class RowFault(StrEnum):
    """Stray spaces are put right and gaps are left out of the means; rows with any other fault are skipped."""

    STRAY_SPACES = "stray spaces"
    WRONG_COLUMNS = "wrong number of columns"
    BAD_TIME = "unreadable time"
    OFF_GRID = "time off the half-hour grid"
    NULL = "Null or empty value"
    BAD_NUMBER = "bad number"
    DUPLICATE = "duplicate"
    GAP = "missing half-hour"


Handling = Literal["put right", "counted", "left out"]


def handling_of(fault: RowFault) -> Handling:
    """What becomes of a row with that fault: it is put right and used, only counted, or left out."""
    if fault is RowFault.STRAY_SPACES:
        return "put right"
    return "counted" if fault is RowFault.GAP else "left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCount:
    """How often a fault occurred, and the first lines where it did (the header is line 1)."""

    fault: RowFault
    count: int
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """A profile file's rows: how many were read and used, and what was wrong. Header and blank lines are no rows."""

    path: str
    layout: str
    rows_read: int
    rows_used: int
    faults: tuple[FaultCount, ...]
    notes: tuple[str, ...]  # what was done about what is missing, in sentences


@dataclass(slots=True)
class FaultTally:
    """Counts faults while a file is read. Bounded: it keeps the first line numbers of each kind only."""

    counts: dict[RowFault, int] = field(default_factory=dict)
    lines: dict[RowFault, list[int]] = field(default_factory=dict)

    def add(self, fault: RowFault, line: int, count: int = 1) -> None:
        self.counts[fault] = self.counts.get(fault, 0) + count
        kept = self.lines.setdefault(fault, [])
        if len(kept) < LINES_KEPT_MAX:
            kept.append(line)

    def add_all(self, fault: RowFault, first_line: int, counts: NDArray[np.generic]) -> None:
        """Add the faults of consecutive lines: bool[n] or int64[n], how many each line has."""
        at = np.flatnonzero(counts)
        if len(at):
            self.counts[fault] = self.counts.get(fault, 0) + int(counts.sum(dtype=np.int64))
            kept = self.lines.setdefault(fault, [])
            kept.extend((first_line + at[: LINES_KEPT_MAX - len(kept)]).tolist())

    def result(self) -> tuple[FaultCount, ...]:
        return tuple(
            FaultCount(fault=fault, count=self.counts[fault], lines=tuple(self.lines[fault]))
            for fault in RowFault
            if fault in self.counts
        )


def refuse_if_unusable(report: ImportReport, mend: str) -> None:
    """Raise ScenarioError if no row could be used, or more than `FAULT_SHARE_MAX` of them could not."""
    skipped = [fault for fault in report.faults if handling_of(fault.fault) == "left out"]
    if report.rows_used and report.rows_used >= (1 - FAULT_SHARE_MAX) * report.rows_read:
        return
    if not report.rows_read:
        raise ScenarioError(f"{report.path}: holds a header and no rows; {mend}")
    worst = max(skipped, key=lambda fault: fault.count)
    raise ScenarioError(
        f"{report.path}: {report.rows_read - report.rows_used:,} of {report.rows_read:,} rows can't be used as "
        f"{report.layout}, most for: {worst.fault} ({worst.count:,} rows, the first at line {worst.lines[0]}); {mend}"
    )
