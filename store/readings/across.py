"""The views across homes that follow the log row by row: what each must hold, where it differs, and its mending.

Their partitions are other ones than the log's, so the two can't be read side by side. Instead each partition of the view gets a
digest, a sum over its rows that does not ask for their order: once from the log and once from the view. Only where the two
differ are rows compared. Memory holds two numbers a partition, and the rows of PARTITIONS_AT_ONCE of them.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, Operation, SettlementRunCode
from store.columns import Integers, Page, concat, dicts_of, integers, lists, lists_of, merge_by_token, row_count, take
from store.operations import AnyOperation, StoreOperation
from store.ports import Runner, Values
from store.readings.fold import check_priced, fold_totals
from store.readings.receipts import Receipt, receipt_values
from store.readings.settlement import (
    MeterDate,
    dates_of,
    days_of,
    is_settled,
    settle_meters,
    settlement_values,
)
from store.readings.store import HomeReadings, log_of
from store.readings.verify import Difference, Rebuilt
from store.roles import TableRole
from store.rows import MeterDay, month_of, month_of_us
from store.tables import Schema, Table, primary_key
from store.tariffs import MISSING_WH, Book

PARTITIONS_AT_ONCE = 64
_EPOCH = date(1970, 1, 1)
LOG_COLUMNS = ("premises", "month", "fuel", "interval_start", "slot_count")

VIEWS: Mapping[TableRole, AnyOperation] = {
    TableRole.SETTLEMENT: StoreOperation.WRITE_SETTLEMENT,
    TableRole.RECEIPTS: StoreOperation.RECORD_RECEIPT,
}
"""Role of a view -> the operation that writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """What a projection needs to know beside the log: into which region a home's receipts count."""

    region_of: Callable[[Integers], Integers]  # premises int64[n] -> int64[n]


Rows = Mapping[AnyOperation, list[Values]]


def refolded(log: Page, days: Sequence[MeterDay], book: Book) -> Rows:
    """What touched days of homes come to in the homes' own views. Raises Refused for a day that can't be priced."""
    totals = check_priced(fold_totals(_part_of(log, days), book))
    return {StoreOperation.REFOLD_DAY: list(dicts_of(totals))}


def rows_of(log: Page, days: Sequence[MeterDay], projection: Projection, schema: Schema, calendar: Calendar) -> Rows:
    """What touched days of homes come to in a schema's views across homes: pure.

    log: of the months that `days_needed` are in, home by home; calendar: by whose slots, and by whose days where they are
    quarter-hours.
    """
    rows: dict[AnyOperation, list[Values]] = {}
    if receipts := schema.find(TableRole.RECEIPTS):
        rows[StoreOperation.RECORD_RECEIPT] = _receipts(_part_of(log, days), projection, receipts)
    if settlement := schema.find(TableRole.SETTLEMENT):
        rows[StoreOperation.WRITE_SETTLEMENT] = _settled(log, days, settlement, calendar)
    return rows


def _settled(log: Page, days: Sequence[MeterDay], table: Table, calendar: Calendar) -> list[Values]:
    dates_of_day = {day: dates_of(day, calendar) for day in {one.day_start_us for one in days}}
    wanted = sorted(
        {
            MeterDate(settlement_date, one.premises, one.fuel)
            for one in days
            if is_settled(one.fuel)
            for settlement_date in dates_of_day[one.day_start_us]
        }
    )
    if not wanted:
        return []
    latest = zip(wanted, settle_meters(wanted, log, None, calendar), strict=True)
    return [
        settlement_values(table, one.settlement_date, SettlementRunCode.LATEST, *found)
        for one, found in latest
        if found is not None
    ]


def _part_of(log: Page, days: Sequence[MeterDay]) -> Page:
    """The log of those days alone. A register alone is of the day that it ends."""
    wanted = np.array([(one.premises, one.fuel, one.day_start_us) for one in days], np.int64).reshape(-1, 3)
    end_us = integers(log, "interval_start") * 1_000 - (integers(log, "slot_count") == 0)
    of_log = _day_codes(integers(log, "premises"), integers(log, "fuel"), end_us)
    return take(log, np.isin(of_log, _day_codes(*wanted.T)))


def _day_codes(premises: Integers, fuel: Integers, at_us: Integers) -> Integers:
    """A number for each meter and UTC day: int64[n] each -> int64[n]. Days have 20 bits, fuels 3."""
    codes: Integers = (premises << 23) | (fuel << 20) | (at_us // DAY_US)
    return codes


def days_needed(days: Sequence[MeterDay], calendar: Calendar) -> set[int]:
    """The UTC days whose log a projection of days reads: their own, and those that share a settlement date with them."""
    needed = {one.day_start_us for one in days}
    for one in days:
        if is_settled(one.fuel):
            for settlement_date in dates_of(one.day_start_us, calendar):
                needed.update(days_of(settlement_date, calendar))
    return needed


def months_of(days: set[int]) -> list[int]:
    """The UTC months (yyyymm) that days are in [us since the Unix epoch]."""
    return sorted(set(month_of(np.array(sorted(days))).tolist()))


def logs_of(runner: Runner, days_of_home: Mapping[int, set[int]]) -> dict[int, Page]:
    """The log of each home in the months of the days that are needed. Raises StoreError."""
    keys = [(premises, month) for premises, days in days_of_home.items() for month in months_of(days)]
    answers = runner.run_many(
        Operation.READ_EVENTS, [{"premises": premises, "month": month} for premises, month in keys]
    )
    pages: dict[int, list[Page]] = {}
    for (premises, month), rows in zip(keys, answers, strict=True):
        pages.setdefault(premises, []).append(log_of(premises, month, rows))
    return {premises: concat(parts) for premises, parts in pages.items()}


def verify_across(store: HomeReadings, view: str, projection: Projection, since_us: int = 0) -> Iterator[Difference]:
    """Where a view across homes differs from the log; receipts before `since_us` have expired. Raises StoreError."""
    table = _view_of(store.runner.schema, view)
    key = primary_key(table)
    for found in _differing(store, table, projection, since_us):
        row = found.expected or found.held
        assert row is not None
        yield Difference(
            view=view,
            key={name: row[name] for name in key},
            expected=_values(found.expected, table),
            found=_values(found.held, table),
        )


def rebuild_across(store: HomeReadings, view: str, projection: Projection, since_us: int = 0) -> Rebuilt:
    """Mend all differences of a view across homes, see `store.readings.verify`. Raises StoreError; then it may be begun again.

    Memory holds the key of each row that was mended.
    """
    table = _view_of(store.runner.schema, view)
    now_us = time.time_ns() // 1_000
    key = primary_key(table)
    mended: dict[_Key, bool] = {}  # whether it was written, else removed
    for found in _differing(store, table, projection, since_us):
        _mend(store, table, found, 0, now_us)
        mended[_key_of(found, key)] = found.expected is not None
    left = _still_differing(store, table, projection, since_us, mended)
    if left:
        for found in left:
            _mend(store, table, found, now_us, now_us)
        left = _still_differing(store, table, projection, since_us, mended)
    standing = [is_written for one, is_written in mended.items() if one not in {_key_of(found, key) for found in left}]
    return Rebuilt(written=sum(standing), removed=len(standing) - sum(standing), left=len(left))


def _mend(store: HomeReadings, table: Table, found: "_Found", unseen_us: int, now_us: int) -> None:
    """Write or remove one row above what it has, and above `unseen_us` where a deletion may hide what is there."""
    held = found.held or {}
    held_us = held.get("held_us")
    if found.expected is None:
        write_us = max(now_us if held_us is None else held_us, unseen_us)
        of_key = {name: np.array([held[name]], np.int64) for name in primary_key(table)}
        store.bulk.delete(table, {**of_key, "write_us": np.array([write_us], np.int64)})
        return
    is_whole = bool(held) and all(held[column.name] not in (None, []) for column in table.columns)
    above_us = max(held_us or 0, 0 if is_whole else unseen_us)
    write_us = max(found.expected["write_us"], above_us) + 1
    store.bulk.insert(table, _page_of(table, {**found.expected, "write_us": write_us}))


def _still_differing(
    store: HomeReadings, table: Table, projection: Projection, since_us: int, mended: Mapping["_Key", bool]
) -> list["_Found"]:
    if not mended:
        return []
    key = primary_key(table)
    return [found for found in _differing(store, table, projection, since_us) if _key_of(found, key) in mended]


def _key_of(found: "_Found", key: Sequence[str]) -> "_Key":
    row = found.expected or found.held
    assert row is not None
    return tuple(row[name] for name in key)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    expected: dict[str, Any] | None
    held: dict[str, Any] | None


_Key = tuple[Any, ...]


def _differing(store: HomeReadings, table: Table, projection: Projection, since_us: int) -> Iterator[_Found]:
    names = [column.name for column in table.columns]
    key = primary_key(table)

    def partition_of(row: Mapping[str, Any]) -> _Key:
        return tuple(row[name] for name in table.partition_key)

    digests: dict[_Key, int] = {}
    for sign, rows in ((1, _expected(store, table, projection, since_us)), (-1, _held(store, table, since_us))):
        for row in rows:
            partition = partition_of(row)
            digests[partition] = (digests.get(partition, 0) + sign * _digest(row, names)) % 2**64
    differing = sorted(partition for partition, digest in digests.items() if digest)
    for at in range(0, len(differing), PARTITIONS_AT_ONCE):
        chosen = set(differing[at : at + PARTITIONS_AT_ONCE])
        expected, held = (
            {tuple(row[name] for name in key): row for row in rows if partition_of(row) in chosen}
            for rows in (_expected(store, table, projection, since_us), _held(store, table, since_us))
        )
        for one in sorted(expected.keys() | held.keys()):
            found = _Found(expected=expected.get(one), held=held.get(one))
            if _values(found.expected, table) != _values(found.held, table):
                yield found


def _expected(store: HomeReadings, table: Table, projection: Projection, since_us: int) -> Iterator[dict[str, Any]]:
    """The rows that the log comes to; one that two partitions of the log come to is told by the earlier month's."""
    operation = next(VIEWS[role] for role in table.roles if role in VIEWS)
    log_table = store.runner.schema.table(TableRole.EVENT_LOG)
    for piece in store.bulk.pieces():
        scan = store.bulk.scan(log_table, LOG_COLUMNS, piece)
        for log, _ in merge_by_token(scan, iter(())):  # whole partitions
            if not log or not row_count(log):
                continue
            for of_home in _days_of_homes(log):
                logs = logs_of(
                    store.runner, {home: days_needed(days, store.calendar) for home, days in of_home.items()}
                )
                for home, days in of_home.items():
                    rows = rows_of(logs[home], days, projection, store.runner.schema, store.calendar)[operation]
                    for row in rows:
                        if _is_wanted(row, since_us) and _is_first(row, logs[home], days, store.calendar):
                            yield dict(row)


def _days_of_homes(log: Page) -> Iterator[dict[int, list[MeterDay]]]:
    """The days of some partitions of the log, PARTITIONS_AT_ONCE at a time, each home's together; a home's months apart."""
    start_us = integers(log, "interval_start") * 1_000
    day_us = (start_us - (integers(log, "slot_count") == 0)) // DAY_US * DAY_US
    columns = np.stack([integers(log, "premises"), integers(log, "month"), integers(log, "fuel"), day_us], axis=1)
    of_home: dict[int, list[MeterDay]] = {}
    month_of_home: dict[int, int] = {}
    for premises, month, fuel, day in np.unique(columns, axis=0).tolist():
        if month_of_home.get(premises, month) != month or len(of_home) > PARTITIONS_AT_ONCE:
            yield of_home
            of_home, month_of_home = {}, {}
        month_of_home[premises] = month
        of_home.setdefault(premises, []).append(MeterDay(premises, fuel, day))
    if of_home:
        yield of_home


def _is_first(row: Values, log: Page, days: Sequence[MeterDay], calendar: Calendar) -> bool:
    """Is this the first of the log's partitions that comes to a row? A settlement date may lie in two months."""
    if "settlement_date" not in row:
        return True
    is_of = integers(log, "fuel") == row["fuel"]
    months = integers(log, "month")[is_of]
    if len(np.unique(months)) < 2:
        return True
    wanted = days_of(_EPOCH + timedelta(days=row["settlement_date"]), calendar)
    start_us = integers(log, "interval_start")[is_of] * 1_000
    is_run = (integers(log, "slot_count")[is_of] > 0) & np.isin(start_us // DAY_US * DAY_US, wanted)
    first = int(months[is_run].min())
    return any(month_of_us(one.day_start_us) == first for one in days if one.day_start_us in wanted)


def _held(store: HomeReadings, table: Table, since_us: int) -> Iterator[dict[str, Any]]:
    names = [column.name for column in table.columns]
    for piece in store.bulk.pieces():
        for page in store.bulk.scan(table, names, piece, with_times=True):
            for row in dicts_of(page) if row_count(page) else ():
                if _is_wanted(row, since_us):
                    yield row


def _is_wanted(row: Mapping[str, Any], since_us: int) -> bool:
    """Frozen runs don't follow the log, and expired receipts are gone."""
    if "run" in row:
        return bool(row["run"] == SettlementRunCode.LATEST)
    return bool(row["epoch_hour"] * 3_600_000_000 >= since_us)


def _digest(row: Mapping[str, Any], names: Sequence[str]) -> int:
    return hash(tuple(tuple(row[name]) if isinstance(row[name], list) else row[name] for name in names))


def _values(row: Mapping[str, Any] | None, table: Table) -> dict[str, Any] | None:
    if row is None:
        return None
    key = primary_key(table)
    return {column.name: row[column.name] for column in table.columns if column.name not in key}


def _page_of(table: Table, row: Mapping[str, Any]) -> Page:
    names = [*(column.name for column in table.columns), "write_us"]
    return {
        name: lists_of([row[name]]) if isinstance(row[name], list) else np.array([row[name]], np.int64)
        for name in names
    }


def _receipts(log: Page, projection: Projection, table: Table) -> list[Values]:
    if not row_count(log):
        return []
    values = lists(log, "values_wh")
    region = projection.region_of(integers(log, "premises")).tolist()
    return [
        receipt_values(
            table,
            Receipt(
                received_at_us=row["received_at"] * 1_000,
                region=region[i],
                mpxn=row["mpxn"],
                interval_start_us=row["interval_start"] * 1_000,
                slot_count=row["slot_count"],
                revision=row["revision"],
                known_count=sum(wh != MISSING_WH for wh in values.one(i)),
            ),
        )
        for i, row in enumerate(dicts_of(log))
    ]


def views_across(schema: Schema) -> tuple[str, ...]:
    """The names of the views across homes that follow the log row by row."""
    return tuple(table.name for table in schema.tables_with(VIEWS))


def _view_of(schema: Schema, name: str) -> Table:
    return next(table for table in schema.tables_with(VIEWS) if table.name == name)
