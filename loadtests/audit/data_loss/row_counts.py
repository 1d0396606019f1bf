"""Tables whose acknowledgements the ledger does not mark one by one: every row is held against the seed, and rows are counted.

A 10-second reading or an alert is far below the ledger's half-hours. What the ledger can't say one by one is said in sum:
fewer right rows than acknowledgements are lost ones, more than were ever sent are phantoms; which, only the seed could tell.
A row that was in doubt and came may stand in the sum for an acknowledged one that is lost: so many are not judged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cassandra import ConsistencyLevel as DriverLevel
from cassandra.cluster import Session
from numpy.typing import NDArray

from loadtests.audit.data_loss.expected_rows import audited_columns, held_integers
from loadtests.audit.data_loss.table_scan import read_pages, token_ranges
from loadtests.recording.history import read_history
from loadtests.workload.deliveries import alert_columns, preference_columns, ten_second_columns
from scenarios.domain import DAY_US, Operation, ReadSchedule
from scenarios.spec import Topology
from sim.estate.lookup import are_in_smart_mode, meter_of, schedules_on, start_us_of
from sim.estate.model import EstateModel
from sim.estate.slots import TEN_SECOND_US
from store.roles import TableRole
from store.rows import Columns
from store.tables import Schema, Table

_TICKS_PER_DAY = DAY_US // TEN_SECOND_US

Held = Mapping[str, NDArray[np.int64]]
Expected = tuple[NDArray[np.bool_], Columns]
"""Whether the estate has such a row at all, bool[n], and what it then says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of an operation's requests."""

    attempted: int
    acknowledged: int
    indeterminate: int
    is_whole: bool = True  # False: a history that was cut off, so that more may have been sent


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """A table's rows as one DC holds them."""

    right: int
    wrong: int
    phantom: int  # no such thing was ever sent


def counted_operations(schema: Schema) -> tuple[Operation, ...]:
    """The operations that write a schema's counted tables: the ledger has no plane for them."""
    writers = [operation for table in schema.tables_with(COUNTED) for operation in schema.writers_of(table)]
    return tuple(operation for operation in writers if isinstance(operation, Operation))


def sent_of(history: Path, schema: Schema) -> dict[Operation, Sent]:
    """What became of a run's operations that the ledger has no plane for, by the folder of its history."""
    counts = read_history(history).counts
    return {
        operation: Sent(
            attempted=int(counts[operation]["attempted"].sum()),
            acknowledged=int(counts[operation]["ok"].sum()),
            indeterminate=int(counts[operation]["indeterminate"].sum()),
        )
        for operation in counted_operations(schema)
        if operation in counts
    }


def count_rows(session: Session, estate: EstateModel, table: Table, topology: Topology, dc: str) -> RowCounts:
    """Read a counted table through one DC's session, whose answers are undecoded rows. Raises HarnessError."""
    key = ", ".join(table.partition_key)
    columns = ", ".join(audited_columns(table))
    select = session.prepare(
        f"SELECT {columns} FROM {topology.keyspace}.{table.name} WHERE token({key}) > ? AND token({key}) <= ?"
    )
    select.consistency_level = DriverLevel.name_to_value[topology.consistency.audit]
    select.is_idempotent = True
    counts = np.zeros(3, np.int64)
    for page in read_pages(session, select, token_ranges(session, topology.keyspace, dc, 1)):
        counts += judged(estate, table, held_integers(table, page))
    right, wrong, phantom = counts.tolist()
    return RowCounts(right=right, wrong=wrong, phantom=phantom)


def judged(estate: EstateModel, table: Table, held: Held) -> NDArray[np.int64]:
    """How many rows are right, wrong and phantom: columns int64[n] -> int64[3]."""
    exists, expected = next(COUNTED[role] for role in table.roles if role in COUNTED)(estate, held)
    right = exists.copy()
    for name, values in held.items():
        right &= values == expected[name]
    return np.array([np.count_nonzero(right), np.count_nonzero(exists & ~right), np.count_nonzero(~exists)])


def lost_of(sent: Sent, rows: RowCounts) -> int:
    """How many acknowledged rows are certainly not there: wrong ones are counted as such."""
    return max(sent.acknowledged - rows.right - rows.wrong, 0)


def not_judged_of(sent: Sent, rows: RowCounts) -> int:
    """How many acknowledged rows more may be lost than `lost_of` says, for all that the sum tells: of those that were in doubt
    any number may be among the rows that are there, from those that nothing else explains to all."""
    there = rows.right + rows.wrong
    return min(sent.indeterminate, there) - max(min(there - sent.acknowledged, sent.indeterminate), 0)


def phantoms_of(sent: Sent, rows: RowCounts) -> int:
    """Rows that nothing sent, and rows beyond all that may have been applied."""
    if not sent.is_whole:
        return rows.phantom
    return rows.phantom + max(rows.right + rows.wrong - sent.acknowledged - sent.indeterminate, 0)


def _ten_seconds(estate: EstateModel, held: Held) -> Expected:
    meter = meter_of(estate, held["premises"], held["fuel"] == 1)
    day_us = held["epoch_day"] * DAY_US - start_us_of(estate)
    tick = day_us // DAY_US * _TICKS_PER_DAY + held["tick"]
    exists = (meter >= 0) & (tick >= 0) & (tick < estate.day_count * _TICKS_PER_DAY)
    exists &= (held["tick"] >= 0) & (held["tick"] < _TICKS_PER_DAY)
    tick, meter = np.where(exists, tick, 0), np.where(exists, meter, 0)
    parts = estate.ten_seconds_per_slot
    slot, part = (tick // parts).astype(np.int32), (tick % parts).astype(np.int32)
    exists &= schedules_on(estate, meter, slot) == ReadSchedule.TEN_SECOND
    exists &= are_in_smart_mode(estate, meter)
    return exists, ten_second_columns(estate, meter, slot, part)


def _alerts(estate: EstateModel, held: Held) -> Expected:
    meter = meter_of(estate, held["premises"], np.zeros(len(held["premises"]), np.bool_))
    slot = (held["raised_at"] * 1_000 - start_us_of(estate)) // estate.slot_us
    exists = (meter >= 0) & (slot >= 0) & (slot < estate.slot_count) & (held["number"] >= 0)
    number, known_slot = (np.where(exists, values, 0).astype(np.int32) for values in (held["number"], slot))
    expected = alert_columns(estate, np.where(exists, meter, 0), number, known_slot)
    exists &= expected["raised_at"] == held["raised_at"]  # the instant is the alert's own: another one is another alert
    return exists, expected


def _preferences(estate: EstateModel, held: Held) -> Expected:
    """A row names a home and an instant: that of the change of one of its meters, or of none."""
    fuels = len(estate.fuels)
    exists = np.zeros(len(held["premises"]), np.bool_)
    known = (held["premises"] >= 0) & (held["premises"] < estate.premises_count)
    chosen = {name: values.copy() for name, values in held.items()}
    for fuel in range(fuels):
        expected = preference_columns(estate, np.where(known, held["premises"], 0) * fuels + fuel)
        is_it = known & (expected["changed_at"] == held["changed_at"])
        exists |= is_it
        for name in chosen:
            chosen[name] = np.where(is_it, expected[name], chosen[name])
    return exists, chosen


COUNTED: Mapping[TableRole, Callable[[EstateModel, Held], Expected]] = {
    TableRole.TEN_SECONDS: _ten_seconds,
    TableRole.ALERTS: _alerts,
    TableRole.PREFERENCES: _preferences,
}
"""Role of a table whose rows are held against the seed and counted -> what its rows must say."""
