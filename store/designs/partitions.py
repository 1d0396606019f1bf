"""How large the partitions of a design become: the most rows and bytes of one, over so many years of a scenario's data. Pure.

Bytes are estimated from the widths of the columns, before compression: what a node holds in memory and on the wire.
"""

from dataclasses import dataclass

from scenarios.parts.estate import Estate
from store.designs.checks import WriteText
from store.designs.columns import BUCKETS
from store.designs.cql import CqlError, TableText
from store.tables import Bound, CqlType

ROWS_MAX, BYTES_MAX = 100_000, 100_000_000  # the limits of the field, see `store.tables.Bound`
_ROW_BYTES = 30  # of flags, sizes and timestamps beside what the columns hold
_VALUE_BYTES = {CqlType.INT_LIST: 8, CqlType.BLOB: 4}
_WIDTH = {
    CqlType.TINYINT: 1,
    CqlType.SMALLINT: 2,
    CqlType.INT: 4,
    CqlType.BIGINT: 8,
    CqlType.TIMESTAMP: 8,
    CqlType.INT_LIST: 8,
    CqlType.BLOB: 4,
}
_REVISIONS = 3  # of a half-hour that rows are kept of where the key has the revision: measured, estimated, settled


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionSize:
    """The most that one partition holds. days: that its rows span; meters: that share it."""

    rows: int
    bytes_max: int
    days: int
    meters: int

    @property
    def bound(self) -> Bound:
        return Bound(rows=self.rows, bytes_max=self.bytes_max)


def partition_size(table: TableText, write: WriteText, estate: Estate, years: int) -> PartitionSize:
    """Raises CqlError where a partition would outgrow the field's limits within the years."""
    held = [write.held[column] for column in table.partition_key]
    days = _days(held, years)
    meters = 1 if "mpxn" in held or "fuel" in held else len(estate.fuels)
    rows_day, values_day = _rows_a_day(table, write, estate)
    width = _ROW_BYTES + sum(_WIDTH[bind.type] for bind in write.binds)
    value = max(_VALUE_BYTES.get(bind.type, 0) for bind in write.binds)
    rows = days * meters * rows_day
    size = PartitionSize(
        rows=rows, bytes_max=rows * width + days * meters * values_day * value, days=days, meters=meters
    )
    for what, found, limit in (("rows", size.rows, ROWS_MAX), ("bytes", size.bytes_max, BYTES_MAX)):
        if found > limit:
            buckets = ", ".join(name for name, column in BUCKETS.items() if column.days is not None)
            raise CqlError(
                table.line,
                f"a partition of {table.name} would hold {found:,} {what} after {years} years, {limit:,} is the limit: "
                f"{days:,} days of {meters} meters with {rows_day} rows a day; add a bucket to its key ({buckets})",
            )
    return size


def _days(held: list[str], years: int) -> int:
    """That one value of the partition's buckets spans at most."""
    spans = [BUCKETS[name].days or 0 for name in held if name in BUCKETS]
    spans = [span for span in spans if span]
    if "month" in held and "day" in held:
        spans.append(1)
    return min([*spans, years * 366])


def _rows_a_day(table: TableText, write: WriteText, estate: Estate) -> tuple[int, int]:
    """Rows of one meter on one day, and half-hours in them, at most: pushed half-hour by half-hour, or corrected so."""
    if write.row == "day":
        return 1, 0
    slots = estate.slots_per_day
    keeps_revisions = any(write.held[column] == "revision" for column in table.key)
    rows = slots * (_REVISIONS if keeps_revisions else 1)
    if write.row == "half_hour":
        return rows, rows
    return rows + 1, rows + slots  # the upload of a whole day, and each of its half-hours by itself beside it
