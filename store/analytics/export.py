"""The event log, and what is read beside it, into a warehouse, part by part of the ring: whole partitions at a time.

Memory holds a few pages of the log, and up to `warehouse.BUFFER_ROWS` facts. What is interrupted goes on with the parts that are
left; a further round reads all of the log and writes only what came out otherwise than before.
"""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from store.analytics.data_sets import HALF_HOURS, Reader
from store.analytics.half_hours import LOG_COLUMNS, half_hours_of
from store.analytics.part_writer import PartWriter
from store.analytics.warehouse import Manifest, Warehouse, WarehouseSource
from store.columns import Piece, merge_by_token, row_count
from store.ports import Runner
from store.readings.journal import watermark_of
from store.readings.store import HomeReadings
from store.roles import TableRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export did. parts: of the ring, read this time; files_written, files_unchanged: of those parts."""

    manifest: Manifest
    parts: int
    files_written: int
    files_unchanged: int


def export(
    store: HomeReadings,
    folder: Path,
    *,
    keyspace: str,
    estate: str,
    homes: Iterable[pa.RecordBatch],
    as_of_us: int,
    beside: Sequence[Reader] = (),
    writers: Sequence[int] = (),
    progress: Callable[[int, int, int], None] = lambda done, of, rows: None,
) -> Exported:
    """Write the half-hours of every meter, and what is read beside them, to the warehouse in `folder`, see `Warehouse.begin`.

    keyspace, estate: which one it is of. homes: batches of HOMES_SCHEMA. as_of_us: now [us since the Unix epoch]. beside: bills,
    commands. writers: the projectors' numbers, by whose journal it may be renewed later. progress: told after each part how many
    are done, of how many, and the half-hours so far.
    Raises WarehouseError, StoreError, OSError; what was written until then is gone on from by another export.
    """
    source = source_of(store, keyspace, estate)
    journal = journal_now(store.runner, writers)  # before anything of the log is read
    data_sets = (HALF_HOURS, *(name for one in beside for name in one.data_sets))
    pieces = list(store.bulk.pieces())
    with contextlib.closing(Warehouse.begin(folder, source, pieces, data_sets, as_of_us, journal)) as warehouse:
        warehouse.write_homes(homes)
        return _export_parts(store, beside, warehouse, progress)


def source_of(store: HomeReadings, keyspace: str, estate: str) -> WarehouseSource:
    """Which keyspace a warehouse is of."""
    schema = store.runner.schema
    return WarehouseSource(
        keyspace=keyspace,
        design=schema.name,
        version=schema.version,
        time_zone=store.calendar.zone,
        slots_per_hour=store.calendar.slots_per_hour,
        estate=estate,
    )


def journal_now(runner: Runner, writers: Sequence[int]) -> dict[int, int]:
    """Writer -> the first batch whose deliveries may not all be in the log: what is read from here on has all before it.

    Nothing of a design without a journal. Raises StoreError.
    """
    if runner.schema.find(TableRole.JOURNAL) is None:
        return {}
    return {writer: watermark_of(runner, writer) for writer in writers}


def _export_parts(
    store: HomeReadings,
    beside: Sequence[Reader],
    warehouse: Warehouse,
    progress: Callable[[int, int, int], None],
) -> Exported:
    parts, written, unchanged, rows = 0, 0, 0, 0
    for number, piece in list(warehouse.left()):
        with warehouse.part(number) as writer:
            _write_half_hours(store, piece, writer)
            write_beside(beside, piece, writer)
        parts += 1
        written += writer.outcome.written
        unchanged += writer.outcome.unchanged
        rows += writer.outcome.rows
        progress(len(warehouse.manifest.done), len(warehouse.manifest.pieces), rows)
    return Exported(manifest=warehouse.manifest, parts=parts, files_written=written, files_unchanged=unchanged)


def write_beside(readers: Sequence[Reader], piece: Piece, writer: PartWriter) -> None:
    """What is read beside half-hours, of a part of the ring. Raises StoreError."""
    for reader in readers:
        for some in reader.rows(piece):
            for data_set, columns in some.items():
                writer.add(data_set, columns)


def _write_half_hours(store: HomeReadings, piece: Piece, writer: PartWriter) -> None:
    log = store.runner.schema.table(TableRole.EVENT_LOG)
    for page, _ in merge_by_token(store.bulk.scan(log, LOG_COLUMNS, piece), iter(())):
        if page and row_count(page):
            settlement_date, columns = half_hours_of(page, store.calendar)
            writer.add(HALF_HOURS, columns, settlement_date)
