"""The store in Cassandra: the schema created and agreed on, and the port on prepared statements of cassandra-driver.

The bulk of a storm's traffic does not come through here but over the wire engine, which prepares the same statements.
"""

import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from cassandra import ConsistencyLevel as DriverLevel
from cassandra import DriverException
from cassandra.cluster import NoHostAvailable, Session
from cassandra.query import PreparedStatement

from scenarios.domain import ConsistencyLevel, Operation
from scenarios.spec import Topology
from store.ports import DayUsage, Event, IntervalRun, MeterState, StoreError
from store.rows import Columns, Readings, query_columns, reading_columns
from store.tables import CqlType, Schema, Statement, Table

log = logging.getLogger(__name__)

AGREEMENT_S_MAX = 60
DDL_TIMEOUT_S = 60


def create_schema(session: Session, schema: Schema, topology: Topology) -> None:
    """Create keyspace and tables where they are missing and wait until every node agrees. Repeating it changes nothing.

    Raises StoreError when a keyspace of that name is replicated otherwise than the topology says, when a table of that
    name has other columns, or when the nodes don't agree in time.
    """
    replication = {dc.name: str(dc.rf) for dc in topology.dcs}
    held = session.cluster.metadata.keyspaces.get(topology.keyspace)
    if held is not None:
        _check_replication(topology.keyspace, held.replication_strategy.export_for_schema(), replication)
    options = ", ".join(f"'{dc}': {rf}" for dc, rf in replication.items())
    _ddl(
        session,
        f"CREATE KEYSPACE IF NOT EXISTS {topology.keyspace} "
        f"WITH replication = {{'class': 'NetworkTopologyStrategy', {options}}}",
    )
    for table in schema.tables:
        _ddl(session, table.create.format(keyspace=topology.keyspace))
    if not session.cluster.control_connection.wait_for_schema_agreement(wait_time=AGREEMENT_S_MAX):
        raise StoreError(f"the nodes don't agree on schema {schema.name} after {AGREEMENT_S_MAX} s: is a node down?")
    session.cluster.refresh_keyspace_metadata(topology.keyspace)
    for table in schema.tables:
        _check_columns(session, topology.keyspace, table)


def warming_keyspace(topology: Topology) -> str:
    """Where the nodes are warmed before a storm: the same tables as the run's, and never the run's."""
    return f"{topology.keyspace}_warming"


def create_warming_schema(session: Session, schema: Schema, topology: Topology) -> None:
    """Create the tables that the nodes are warmed with. Raises StoreError as `create_schema` does."""
    create_schema(session, schema, topology.model_copy(update={"keyspace": warming_keyspace(topology)}))


def drop_warming_schema(session: Session, topology: Topology) -> None:
    """Remove what `create_warming_schema` made. Raises StoreError."""
    _ddl(session, f"DROP KEYSPACE IF EXISTS {warming_keyspace(topology)}")


def first_table_with_rows(session: Session, schema: Schema, keyspace: str) -> Table | None:
    """A table of the schema that already holds a row, or None: a run's audit needs tables that start empty."""
    for table in schema.tables:
        if session.execute(f"SELECT * FROM {keyspace}.{table.name} LIMIT 1").one() is not None:
            return table
    return None


def prepare(session: Session, statement: Statement, keyspace: str, level: ConsistencyLevel) -> PreparedStatement:
    """Prepare a statement on every node that is up; the result carries the consistency level and idempotence."""
    prepared = session.prepare(statement.cql.format(keyspace=keyspace))
    prepared.consistency_level = DriverLevel.name_to_value[level]
    prepared.is_idempotent = statement.is_idempotent
    return prepared


class CassandraStore:
    """Implements `store.ports.ReadingStore` on an open session; the caller keeps and closes the session."""

    def __init__(self, session: Session, schema: Schema, topology: Topology) -> None:
        self._session = session
        self._schema = schema
        self._levels = topology.consistency
        self._keyspace = topology.keyspace
        self._prepared = {
            operation: prepare(session, schema.statement(operation), topology.keyspace, self._levels.of(operation))
            for table in schema.tables
            for operation in table.statements
        }
        self._events = session.prepare(
            "SELECT interval_start, revision, received_at, source, quality, register_wh, values_wh "
            f"FROM {topology.keyspace}.events_by_meter WHERE mpxn = ? AND month = ?"
        )
        self._events.consistency_level = DriverLevel.name_to_value[self._levels.default]

    def append(self, readings: Readings) -> None:
        for operation in (
            Operation.APPEND_EVENT,  # the log first: views are folds of it
            Operation.WRITE_INTERVALS,
            Operation.UPDATE_USAGE,
            Operation.UPDATE_STATE,
        ):
            statement = self._schema.statement(operation)
            columns = reading_columns(operation, readings)
            for i in range(len(readings.mpxn)):
                self._execute(operation, _row(statement, columns, i))

    def events(self, mpxn: int, month: int) -> list[Event]:
        try:
            rows = list(self._session.execute(self._events, (mpxn, month)))
        except (DriverException, NoHostAvailable) as error:
            raise StoreError(f"events_by_meter at {self._levels.default}: {error}") from error
        return [
            Event(
                interval_start_us=_us(row.interval_start),
                revision=row.revision,
                received_at_us=_us(row.received_at),
                source=row.source,
                quality=row.quality,
                register_wh=row.register_wh,
                values_wh=tuple(row.values_wh),
            )
            for row in rows
        ]

    def intervals(self, mpxn: int, day_start_us: int) -> list[IntervalRun]:
        return [
            IntervalRun(
                interval_start_us=_us(row.interval_start),
                revision=row.revision,
                quality=row.quality,
                values_wh=tuple(row.values_wh),
            )
            for row in self._query(Operation.READ_INTERVALS_DAY, mpxn=mpxn, day_start_us=day_start_us)
        ]

    def usage(self, premises: int, month: int) -> list[DayUsage]:
        start = dt.datetime(month // 100, month % 100, 1, tzinfo=dt.UTC)
        rows = self._query(
            Operation.READ_USAGE_MONTH, premises=premises, day_start_us=int(start.timestamp()) * 1_000_000
        )
        return [
            DayUsage(day=row.day, fuel=row.fuel, usage_wh=row.usage_wh, through_us=_us(row.through)) for row in rows
        ]

    def state(self, mpxn: int) -> MeterState | None:
        for row in self._query(Operation.READ_STATE, mpxn=mpxn):
            return MeterState(
                register_wh=row.register_wh,
                read_through_us=_us(row.read_through),
                received_at_us=_us(row.received_at),
            )
        return None

    def _query(self, operation: Operation, *, mpxn: int = 0, premises: int = 0, day_start_us: int = 0) -> list[Any]:
        columns = query_columns(
            operation,
            mpxn=np.array([mpxn], np.int64),
            premises=np.array([premises], np.int64),
            day_start_us=np.array([day_start_us], np.int64),
        )
        return self._execute(operation, _row(self._schema.statement(operation), columns, 0))

    def _execute(self, operation: Operation, values: list[Any]) -> list[Any]:
        try:
            return list(self._session.execute(self._prepared[operation], values))
        except (DriverException, NoHostAvailable) as error:
            table = self._schema.table_of(operation)
            raise StoreError(f"{operation} on {table.name} at {self._levels.of(operation)}: {error}") from error


def _row(statement: Statement, columns: Columns, i: int) -> list[Any]:
    """Row i as the driver wants it: Python numbers, instants as datetimes."""
    values: list[Any] = []
    for bind in statement.binds:
        value = columns[bind.name][i].tolist()
        is_instant = bind.type is CqlType.TIMESTAMP
        values.append(dt.datetime.fromtimestamp(value / 1_000, tz=dt.UTC) if is_instant else value)
    return values


def _us(instant: dt.datetime) -> int:
    """The driver hands out naive datetimes in UTC, of millisecond resolution."""
    return round(instant.replace(tzinfo=dt.UTC).timestamp() * 1_000) * 1_000


def _ddl(session: Session, cql: str) -> None:
    try:
        session.execute(cql, timeout=DDL_TIMEOUT_S)
    except (DriverException, NoHostAvailable) as error:
        raise StoreError(f"the schema could not be created ({cql.split('(')[0].strip()}): {error}") from error


def _check_replication(keyspace: str, held: str, wanted: Mapping[str, str]) -> None:
    same = all(f"'{dc}': '{rf}'" in held for dc, rf in wanted.items()) and held.count("':") == len(wanted) + 1
    if not same:
        raise StoreError(
            f"keyspace {keyspace} is there already, replicated as {held}, not as the topology's {dict(wanted)}: "
            f"name another in [topology] keyspace"
        )


def _check_columns(session: Session, keyspace: str, table: Table) -> None:
    held = session.cluster.metadata.keyspaces[keyspace].tables[table.name].columns
    for statement in table.statements.values():
        if not statement.is_write:
            continue
        for bind in statement.binds:
            if bind.name == "write_us":
                continue
            if bind.name not in held or held[bind.name].cql_type != bind.type.value:
                raise StoreError(
                    f"table {keyspace}.{table.name} is there already with other columns ({bind.name} should be "
                    f"{bind.type.value}): name another keyspace in [topology] keyspace"
                )
