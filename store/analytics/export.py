"""The event log into a warehouse, part by part of the ring: whole partitions at a time, so that each fact is there once.

Memory holds a few pages of the log, and up to `warehouse.BUFFER_ROWS` facts. What is interrupted goes on with the parts that are
left; a further round reads all of the log and writes only what came out otherwise than before.
"""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from store.analytics.half_hours import LOG_COLUMNS, half_hours_of
from store.analytics.warehouse import Manifest, Warehouse, WarehouseSource
from store.columns import merge_by_token, row_count
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
    progress: Callable[[int, int, int], None] = lambda done, of, rows: None,
) -> Exported:
    """Write the half-hours of every meter to the warehouse in `folder`, see `Warehouse.begin`.

    keyspace, estate: which one it is of. homes: batches of HOMES_SCHEMA. progress: told after each part how many are done, of
    how many, and the facts so far.
    Raises WarehouseError, StoreError, OSError; what was written until then is gone on from by another export.
    """
    schema = store.runner.schema
    source = WarehouseSource(
        keyspace=keyspace,
        design=schema.name,
        version=schema.version,
        time_zone=store.calendar.zone,
        slots_per_hour=store.calendar.slots_per_hour,
        estate=estate,
    )
    with contextlib.closing(Warehouse.begin(folder, source, list(store.bulk.pieces()))) as warehouse:
        return _export_parts(store, warehouse, homes, progress)


def _export_parts(
    store: HomeReadings,
    warehouse: Warehouse,
    homes: Iterable[pa.RecordBatch],
    progress: Callable[[int, int, int], None],
) -> Exported:
    schema = store.runner.schema
    warehouse.write_homes(homes)
    log = schema.table(TableRole.EVENT_LOG)
    parts, written, unchanged, rows = 0, 0, 0, 0
    for number, piece in list(warehouse.left()):
        with warehouse.part(number) as writer:
            for page, _ in merge_by_token(store.bulk.scan(log, LOG_COLUMNS, piece), iter(())):
                if page and row_count(page):
                    writer.add("half_hours", *half_hours_of(page, store.calendar))
        parts += 1
        written += writer.outcome.written
        unchanged += writer.outcome.unchanged
        rows += writer.outcome.rows
        progress(len(warehouse.manifest.done), len(warehouse.manifest.pieces), rows)
    return Exported(manifest=warehouse.manifest, parts=parts, files_written=written, files_unchanged=unchanged)
