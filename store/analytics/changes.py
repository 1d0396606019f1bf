"""A warehouse renewed by the journal: of the event log only the days are read that deliveries have touched since it was written.

It knows what came through projectors (`store.readings.projector`), each of which journals a batch before the log has it. What
others have written, a storm's senders among them, it does not: that takes an export of the whole log. Commands, which no
journal names and which are few, are read whole beside. Bills are left out: what is due hangs on choices of tariff, prepayment
and price lists, which no journal names either, and on the log of all billed months.

A data centre that is read has a delivery some time after those that took it in: by hints, hours later. So days are read again
that were delivered up to `ARRIVES_WITHIN_US` before the warehouse was last read, or since the last mark that is as old.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scenarios.calendar import day_text
from scenarios.domain import DAY_US
from store.analytics.data_sets import HALF_HOURS, Reader
from store.analytics.export import journal_now, source_of, write_beside
from store.analytics.half_hours import LOG_COLUMNS, half_hours_of
from store.analytics.part_writer import PartWriter
from store.analytics.warehouse import ARRIVES_WITHIN_US, Manifest, Warehouse, WarehouseError
from store.columns import Column, Integers, Page, concat, integers, row_count, take
from store.ports import Runner, Slices
from store.readings.journal import first_journalled, journalled
from store.readings.settlement import dates_of, epoch_days_of
from store.readings.store import HomeReadings
from store.roles import TableRole
from store.rows import MeterDay, month_of
from store.tables import kept_s
from store.tariffs import FUEL_CODES

DAYS_AT_ONCE = 4_000
_DAYS_MAX = 200_000  # since 1970: after any day of a log
_MARGIN_DAYS = 1  # before a row of the journal is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """What a renewal did."""

    manifest: Manifest
    days: int  # of meters, that the journal names
    rows_read: int  # of the event log
    parts: int
    files_written: int


def renew(
    store: HomeReadings,
    slices: Slices,
    folder: Path,
    *,
    keyspace: str,
    estate: str,
    writers: Sequence[int],
    as_of_us: int,
    beside: Sequence[Reader] = (),
    arrives_within_us: int = ARRIVES_WITHIN_US,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Renewed:
    """Bring the half-hours of the warehouse in `folder` up to now. What is interrupted is gone on with by the same call.

    writers: the projectors' numbers, see `journal_now`. slices: of the store's keyspace. beside: what is read whole, of all parts
    of the ring; data sets of others are left out from here on. arrives_within_us: when a delivery that
    was taken in is in the data centre that is read, at the latest; 0 where it is the only one. progress: told after each part how
    many are done, of how many. Memory holds the log of the days that have changed. Raises WarehouseError for a warehouse that
    can't be renewed, StoreError, OSError.
    """
    with contextlib.closing(Warehouse.renew(folder, source_of(store, keyspace, estate))) as warehouse:
        settled_us = warehouse.manifest.as_of_us - arrives_within_us
        _require_known(folder, warehouse.manifest, store.runner, writers, as_of_us - settled_us)
        journal = journal_now(store.runner, writers)
        since = {writer: _since(warehouse.manifest, store.runner, writer, settled_us) for writer in writers}
        days = sorted(
            {day for writer in writers for _, named in journalled(store.runner, writer, since[writer]) for day in named}
        )
        by_part: dict[int, list[Page]] = defaultdict(list)
        rows_read = 0
        for at in range(0, len(days), DAYS_AT_ONCE):
            log = _log_of(store, slices, days[at : at + DAYS_AT_ONCE])
            rows_read += row_count(log) if log else 0
            for part, rows in _by_part(log, warehouse).items():
                by_part[part].append(rows)
        all_parts = range(len(warehouse.manifest.pieces))
        data_sets = (HALF_HOURS, *(name for one in beside for name in one.data_sets))
        left = warehouse.stale(all_parts if beside else by_part, data_sets)
        written = 0
        for number in left:
            with warehouse.part(number, keeps=HALF_HOURS) as writer:
                if number in by_part:
                    _replace(warehouse, writer, concat(by_part[number]), store)
                write_beside(beside, warehouse.piece(number), writer)
            written += writer.outcome.written
            progress(len(warehouse.manifest.done), len(warehouse.manifest.pieces))
        warehouse.renewed(journal, as_of_us)
        return Renewed(
            manifest=warehouse.manifest, days=len(days), rows_read=rows_read, parts=len(left), files_written=written
        )


def _since(held: Manifest, runner: Runner, writer: int, settled_us: int) -> int:
    """The batch from which on days are read: all before were taken in by `settled_us`, or are gone from the journal."""
    settled = [one.batches.get(writer, 0) for one in held.marks if one.as_of_us <= settled_us]
    return first_journalled(runner, writer, held.marks[-1].batches[writer], not_before=max(settled, default=0))


def _require_known(folder: Path, held: Manifest, runner: Runner, writers: Sequence[int], back_us: int) -> None:
    """Raises WarehouseError where the journal does not tell all that has changed: it is asked for the last `back_us`."""
    journal = runner.schema.find(TableRole.JOURNAL)
    if journal is None:
        raise WarehouseError(f"{folder}: the design {runner.schema.name} keeps no journal: export all")
    unknown = [writer for writer in writers if not held.marks or writer not in held.marks[-1].batches]
    if unknown or not writers:
        raise WarehouseError(f"{folder} does not say how far the journal was when it was exported: export all")
    kept = kept_s(journal)
    if kept is not None and back_us > kept * 1_000_000 - _MARGIN_DAYS * DAY_US:
        raise WarehouseError(
            f"{folder} is as of {day_text(held.as_of_us // DAY_US)}, and the journal goes back {kept // 86_400} days: export all"
        )


def _log_of(store: HomeReadings, slices: Slices, days: Sequence[MeterDay]) -> Page:
    """The log of some days of meters; empty where it has none of them."""
    premises, fuel, start_us = (np.array(column, np.int64) for column in zip(*days, strict=True))
    asked: dict[str, Column] = {
        "premises": premises,
        "month": month_of(start_us).astype(np.int64),
        "fuel": fuel,
        "from": start_us // 1_000,
        "before": (start_us + DAY_US) // 1_000,
    }
    table = store.runner.schema.table(TableRole.EVENT_LOG)
    pages = [page for page in slices.slices(table, LOG_COLUMNS, asked) if row_count(page)]
    return concat(pages) if pages else {}


def _by_part(log: Page, warehouse: Warehouse) -> dict[int, Page]:
    if not log:
        return {}
    part = warehouse.part_of(integers(log, "token"))
    return {number: take(log, part == number) for number in np.unique(part).tolist()}


def _replace(warehouse: Warehouse, writer: PartWriter, log: Page, store: HomeReadings) -> None:
    """Write the files of a part that days of its log are in: what they hold of other days, and those days as the log has them."""
    day_us = integers(log, "interval_start") * 1_000 // DAY_US * DAY_US
    changed = _codes(integers(log, "premises"), integers(log, "fuel"), day_us)
    files = {one.settlement_date: one for one in warehouse.manifest.of(HALF_HOURS) if one.part == writer.number}
    dates = {epoch_days_of(date) for one in np.unique(day_us).tolist() for date in dates_of(one, store.calendar)}
    for date in sorted(dates):
        held = files.get(day_text(date))
        if held is None:
            continue
        table = pq.ParquetFile(warehouse.folder / held.path).read()
        start_us = table.column("start").cast(pa.int64()).to_numpy() * 1_000
        premises, fuel = (table.column(name).cast(pa.int64()).to_numpy() for name in ("premises", "fuel"))
        is_other = ~np.isin(_codes(premises, fuel, start_us // DAY_US * DAY_US), changed)
        if not is_other.all():
            writer.add_table(HALF_HOURS, day_text(date), table.filter(pa.array(is_other)))
    settlement_date, columns = half_hours_of(log, store.calendar)
    for date in np.unique(settlement_date).tolist():
        held = files.get(day_text(date))
        if held is not None and (HALF_HOURS, day_text(date)) not in writer.touched:
            writer.add_table(HALF_HOURS, day_text(date), pq.ParquetFile(warehouse.folder / held.path).read())
    writer.add(HALF_HOURS, columns, settlement_date)


def _codes(premises: Integers, fuel: Integers, day_us: Integers) -> Integers:
    """A number for each day of a meter."""
    codes: Integers = (premises * len(FUEL_CODES) + fuel) * _DAYS_MAX + day_us // DAY_US
    return codes
