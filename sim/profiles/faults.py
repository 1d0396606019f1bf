"""What was wrong with a profile file, by kind of fault, with the line numbers at which a user can find it."""

from dataclasses import dataclass, field
from enum import StrEnum

LINES_KEPT_MAX = 20


class Fault(StrEnum):
    """Why a row was skipped, or (stray spaces, gaps) what was put right or is missing."""

    STRAY_SPACES = "stray spaces"
    NULL_VALUE = "no value"
    BAD_NUMBER = "bad number"
    BAD_TIME = "bad time stamp"
    OFF_GRID = "off the half-hour grid"
    DUPLICATE = "duplicate"
    GAP = "gap"
    WRONG_COLUMNS = "wrong number of columns"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultCount:
    """How often a fault occurred, and the first lines where it did (1 is the header)."""

    fault: Fault
    count: int
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """A profile file's rows: read, used, and what was wrong with the rest. Header and blank lines are not rows."""

    path: str
    layout: str
    rows_read: int
    rows_used: int
    faults: tuple[FaultCount, ...]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class FaultTally:
    """Counts faults while a file is read; keeps the first few line numbers of each kind only."""

    counts: dict[Fault, int] = field(default_factory=dict)
    lines: dict[Fault, list[int]] = field(default_factory=dict)

    def add(self, fault: Fault, line: int, count: int = 1) -> None:
        self.counts[fault] = self.counts.get(fault, 0) + count
        kept = self.lines.setdefault(fault, [])
        if len(kept) < LINES_KEPT_MAX:
            kept.append(line)

    def result(self) -> tuple[FaultCount, ...]:
        return tuple(
            FaultCount(fault=fault, count=self.counts[fault], lines=tuple(self.lines[fault]))
            for fault in Fault
            if fault in self.counts
        )
