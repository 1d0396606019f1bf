"""Which counts of the audit are shown, in which order: the same on the terminal and on the page. Pure.

What every reader asks for always stands there. What most runs have none of has a column only where some part of the audit
has one: a column of zeros hides the others.
"""

from typing import NamedTuple

from reports.results.run import AuditCounts, AuditResult


class AuditColumn(NamedTuple):
    """field: of AuditCounts and the models that extend it; is_fault: one of them makes the run fail."""

    heading: str
    field: str
    is_fault: bool = False
    is_always_shown: bool = True


COLUMNS = (
    AuditColumn("Acknowledged", "acknowledged"),
    AuditColumn("Verified", "verified"),
    AuditColumn("Lost", "lost", is_fault=True),
    AuditColumn("Wrong", "wrong", is_fault=True),
    AuditColumn("Phantom", "phantom", is_fault=True),
    AuditColumn("Duplicate", "duplicate", is_fault=True, is_always_shown=False),
    AuditColumn("Indeterminate", "indeterminate", is_always_shown=False),
    AuditColumn("Not judged", "not_judged", is_always_shown=False),
)


def audit_columns(audit: AuditResult) -> tuple[AuditColumn, ...]:
    """The columns of an audit's tables, by data centre and by table."""
    parts: tuple[AuditCounts, ...] = (audit, *audit.per_dc.values(), *audit.tables.values())
    return tuple(
        column for column in COLUMNS if column.is_always_shown or any(count_of(part, column) for part in parts)
    )


def count_of(counts: AuditCounts, column: AuditColumn) -> int | None:
    """A count of one part; None where an older record does not tell it."""
    value: int | None = getattr(counts, column.field)
    return value
