"""By which instant entries of the due index are written, and how they are kept: decision 0012."""

import time
from typing import Any

from scenarios.domain import DAY_US
from store.cassandra.commands import CassandraCommandTables
from store.cassandra.session import Statements
from store.commands.port import CommandId, Due, DueIndex, DueKind
from store.operations import AnyOperation, StoreOperation
from store.ports import Values
from store.schemas.home_months.commands import DUE_BY_BUCKET


class KeptRows(Statements):
    """Keeps what would be written."""

    def __init__(self) -> None:
        self.rows: list[tuple[AnyOperation, Values]] = []

    def run_many(self, operation: AnyOperation, rows: list[Values], in_flight_max: int = 64) -> list[list[Any]]:
        self.rows += [(operation, values) for values in rows]
        return [[] for _ in rows]


def test_an_entry_is_written_by_the_clock_however_far_it_is_due() -> None:
    """One row of a window to come would make each nearer window compact again with every flush."""
    statements = KeptRows()
    before_us = time.time_ns() // 1_000
    dues = [Due(before_us + days * DAY_US, CommandId(1, 2, 3), 1, DueKind.SEND) for days in (-10, 0, 30)]
    CassandraCommandTables(statements).schedule([(DueIndex(shard_count=4).place(due), due) for due in dues])
    after_us = time.time_ns() // 1_000
    assert [values["due_us"] for _, values in statements.rows] == [due.due_us for due in dues]
    assert {operation for operation, _ in statements.rows} == {StoreOperation.SCHEDULE_DUE}
    assert all(before_us <= values["write_us"] <= after_us for _, values in statements.rows)


def test_no_order_of_writes_can_spoil_an_entry() -> None:
    """It is a key alone, and nothing is deleted: what the clock's timestamps would order is not there."""
    key = {"shard", "bucket", "due_us", "device", "originator", "counter", "attempt", "kind"}
    assert {column.name for column in DUE_BY_BUCKET.columns} == key
    assert "PRIMARY KEY ((shard, bucket), due_us, device, originator, counter, attempt, kind)" in DUE_BY_BUCKET.create


def test_a_window_is_a_day_and_expires_whole() -> None:
    assert "TimeWindowCompactionStrategy" in DUE_BY_BUCKET.create
    assert "'compaction_window_unit': 'DAYS'" in DUE_BY_BUCKET.create
    assert "default_time_to_live = 3024000" in DUE_BY_BUCKET.create
