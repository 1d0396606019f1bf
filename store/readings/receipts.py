"""How much was received, by hour and region: by a row a delivery and by counters, behind one port.

A row has the delivery's natural key, so a delivery that comes twice is one row: the count is right whatever is repeated, at
the price of a row to write and to read. A counter is one small row, but it forgets what it has counted: a repeated delivery,
or a retry of a write that was in doubt, makes it too high, and a projection after a crash can't be run again. So counters
are never retried, never part of `Projector`, and good for an estimate alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from scenarios.domain import Operation
from store.operations import StoreOperation
from store.ports import Runner, Values
from store.roles import TableRole
from store.tables import Table

HOUR_US = 3_600_000_000
HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """One delivery, as it is counted; `known_count` half-hours of it have a value."""

    received_at_us: int
    region: int
    mpxn: int
    interval_start_us: int
    slot_count: int
    revision: int
    known_count: int


def receipt_values(table: Table, one: Receipt) -> Values:
    """The bind values of RECORD_RECEIPT, for the table of receipts."""
    return {
        "epoch_hour": one.received_at_us // HOUR_US,
        "region": one.region,
        "shard": table.shard_of(one.mpxn),
        "mpxn": one.mpxn,
        "interval_start": one.interval_start_us // 1_000,
        "slot_count": one.slot_count,
        "revision": one.revision,
        "known_count": one.known_count,
        "write_us": one.received_at_us,
    }


class Receipts(Protocol):
    """Half-hours received, by hour and region. All raise StoreError."""

    def record(self, receipts: Sequence[Receipt]) -> None: ...

    def half_hours(self, region: int, epoch_hour: int) -> int: ...


class RowReceipts:
    """Implements `Receipts` by a row a delivery. Repeating it changes nothing."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._table = runner.schema.table(TableRole.RECEIPTS)

    def record(self, receipts: Sequence[Receipt]) -> None:
        rows = [receipt_values(self._table, one) for one in receipts]
        self._runner.run_many(StoreOperation.RECORD_RECEIPT, rows)

    def half_hours(self, region: int, epoch_hour: int) -> int:
        shards: list[Values] = [
            {"epoch_hour": epoch_hour, "region": region, "shard": shard} for shard in range(self._table.shard_count)
        ]
        answers = self._runner.run_many(Operation.READ_RECEIPTS, shards)
        return sum(row.known_count for rows in answers for row in rows)


class CounterReceipts:
    """Implements `Receipts` by counters. Repeating it counts again."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def record(self, receipts: Sequence[Receipt]) -> None:
        sums: dict[tuple[int, int], int] = {}
        for one in receipts:
            key = (one.region, one.received_at_us // HOUR_US)
            sums[key] = sums.get(key, 0) + one.known_count
        for (region, epoch_hour), half_hours in sorted(sums.items()):
            values = {
                "half_hours": half_hours,
                "region": region,
                "epoch_day": epoch_hour // HOURS_PER_DAY,
                "epoch_hour": epoch_hour,
            }
            self._runner.run(StoreOperation.COUNT_RECEIPT, values)

    def half_hours(self, region: int, epoch_hour: int) -> int:
        values = {"region": region, "epoch_day": epoch_hour // HOURS_PER_DAY}
        rows = self._runner.run(Operation.READ_RECEIPT_COUNT, values)
        return sum(row.half_hours for row in rows if row.epoch_hour == epoch_hour)
