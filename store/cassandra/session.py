"""A schema's statements on an open session of cassandra-driver: prepared once, bound by name, errors named.

The one place where the store's adapters touch the driver.
"""

import datetime as dt
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from cassandra import ConsistencyLevel as DriverLevel
from cassandra import DriverException, OperationTimedOut
from cassandra.cluster import NoHostAvailable, ResultSet, Session
from cassandra.connection import ConnectionException
from cassandra.protocol import ErrorMessage
from cassandra.query import BoundStatement, PreparedStatement

from scenarios.domain import ConsistencyLevel
from scenarios.spec import Topology
from store.operations import AnyOperation
from store.ports import StoreError, Values
from store.rows import us_of as us_of
from store.tables import Bind, CqlType, Schema, Statement

PAGE_ROWS = 1_000
# What a request may end with: the driver's own errors have no base in common, and refusals of a server that is overloaded,
# starting, or at fault are its protocol's messages.
FAILURES = (DriverException, NoHostAvailable, ConnectionException, ErrorMessage)
ATTEMPTS_MAX = 4  # of an idempotent request that is not answered in time
_QUERY = re.compile(r"SELECT (?P<columns>.+) FROM (?P<table>\S+) WHERE \w+ = \?( AND \w+ = \?)*")


def prepare(session: Session, statement: Statement, keyspace: str, level: ConsistencyLevel) -> PreparedStatement:
    """Prepare a statement on every node that is up; the result carries the consistency level and idempotence."""
    prepared = session.prepare(statement.cql.format(keyspace=keyspace))
    prepared.consistency_level = DriverLevel.name_to_value[level]
    prepared.is_idempotent = statement.is_idempotent
    prepared.fetch_size = PAGE_ROWS
    # The server names the key's binds for one table only; without them a batch would go to any node.
    names = [bind.name for bind in statement.binds]
    prepared.routing_key_indexes = [names.index(name) for name in statement.partition_key]
    if statement.is_conditional:
        local = statement.has_home_dc and level in (ConsistencyLevel.LOCAL_QUORUM, ConsistencyLevel.LOCAL_ONE)
        prepared.serial_consistency_level = DriverLevel.LOCAL_SERIAL if local else DriverLevel.SERIAL
    return prepared


class Statements:
    """Runs operations of one schema. The caller keeps and closes the session."""

    def __init__(self, session: Session, schema: Schema, topology: Topology) -> None:
        self.session = session
        self.schema = schema
        self.topology = topology
        self._prepared: dict[AnyOperation, tuple[PreparedStatement, tuple[Bind, ...]]] = {}

    def start(self, operation: AnyOperation, bound: BoundStatement) -> Any:
        """Send one request: a future of the driver. All requests but scans pass here, so that they can be measured."""
        return self.session.execute_async(bound)

    def run(self, operation: AnyOperation, values: Values) -> list[Any]:
        """All rows of the answer, page by page. Raises StoreError, which names operation, tables and consistency level."""
        try:
            bound = self._bound(operation, values)
            return list(self._answer(operation, bound, self.start(operation, bound)))
        except FAILURES as error:
            raise self._named(operation, error) from error

    def run_if(self, operation: AnyOperation, values: Values) -> tuple[bool, Any]:
        """A compare-and-set: whether it was applied, and the row that was in its way. Raises StoreError: then it is in doubt."""
        try:
            result: ResultSet = self.start(operation, self._bound(operation, values)).result()
            return bool(result.was_applied), result.one()
        except FAILURES as error:
            raise self._named(operation, error) from error

    def run_many(self, operation: AnyOperation, rows: list[Values], in_flight_max: int = 64) -> list[list[Any]]:
        """The answers to many requests, in their order, `in_flight_max` at a time. Raises StoreError at the first failure."""
        waiting: deque[tuple[BoundStatement, Any]] = deque()
        answers: list[list[Any]] = []
        try:
            for values in rows:
                bound = self._bound(operation, values)
                waiting.append((bound, self.start(operation, bound)))
                if len(waiting) == in_flight_max:
                    answers.append(list(self._answer(operation, *waiting.popleft())))
            answers += [list(self._answer(operation, *one)) for one in waiting]
        except FAILURES as error:
            raise self._named(operation, error) from error
        return answers

    def scan(self, operation: AnyOperation) -> Iterator[Any]:
        """The rows that a question about one partition would be answered, of every partition; with the columns it asks by.

        Partition by partition, each in its own order, a page at a time, at the operation's level. Raises StoreError.
        """
        statement = self.schema.statement(operation)
        level = self.topology.consistency.of(operation)
        try:
            prepared = self.session.prepare(_of_all_partitions(statement).format(keyspace=self.topology.keyspace))
            prepared.consistency_level = DriverLevel.name_to_value[level]
            prepared.is_idempotent = True
            prepared.fetch_size = PAGE_ROWS
            bound = prepared.bind(())
            yield from self._answer(operation, bound, self.start(operation, bound))
        except FAILURES as error:
            raise self._named(operation, error) from error

    def run_many_if(
        self, operation: AnyOperation, rows: list[Values], in_flight_max: int = 32
    ) -> list[tuple[bool, Any] | StoreError]:
        """Many compare-and-sets, as `run_if`, in their order. An error stands in its place: that one is in doubt."""
        answers: list[tuple[bool, Any] | StoreError] = []
        for start in range(0, len(rows), in_flight_max):
            chunk = rows[start : start + in_flight_max]
            waiting = [self.start(operation, self._bound(operation, values)) for values in chunk]
            for one in waiting:
                try:
                    result: ResultSet = one.result()
                    answers.append((bool(result.was_applied), result.one()))
                except FAILURES as error:
                    answers.append(self._named(operation, error))
        return answers

    def run_serial(self, operation: AnyOperation, values: Values) -> list[Any]:
        """A read that first completes or rules out compare-and-sets in doubt. Raises StoreError."""
        bound = self._bound(operation, values)
        local = self.topology.consistency.of(operation) in (ConsistencyLevel.LOCAL_QUORUM, ConsistencyLevel.LOCAL_ONE)
        bound.consistency_level = DriverLevel.LOCAL_SERIAL if local else DriverLevel.SERIAL
        try:
            return list(self._answer(operation, bound, self.start(operation, bound)))
        except FAILURES as error:
            raise self._named(operation, error) from error

    def _answer(self, operation: AnyOperation, bound: BoundStatement, future: Any) -> Any:
        """The answer to a request that was sent. One that only got no answer in time is sent again, if that changes nothing.

        What a server refuses is not asked again here: the session's retry policy has seen it.
        """
        for _ in range(ATTEMPTS_MAX - 1):
            try:
                return future.result()
            except OperationTimedOut:
                if not bound.is_idempotent:
                    raise
                future = self.start(operation, bound)
        return future.result()

    def _bound(self, operation: AnyOperation, values: Values) -> BoundStatement:
        if operation not in self._prepared:
            statement = self.schema.statement(operation)
            level = self.topology.consistency.of(operation)
            self._prepared[operation] = (
                prepare(self.session, statement, self.topology.keyspace, level),
                statement.binds,
            )
        prepared, binds = self._prepared[operation]
        return prepared.bind([driver_value(bind.type, values[bind.name]) for bind in binds])

    def _named(self, operation: AnyOperation, error: Exception) -> StoreError:
        tables = ", ".join(table.name for table in self.schema.tables_of(operation))
        return StoreError(f"{operation} on {tables} at {self.topology.consistency.of(operation)}: {error}")


def _of_all_partitions(statement: Statement) -> str:
    """A query of one partition by equality as one of the whole table, which selects what the query asks by, too."""
    found = _QUERY.fullmatch(statement.cql)
    assert found is not None, f"{statement.operation} does not ask by equality alone: {statement.cql}"
    selected = found["columns"].split(", ")
    asked_by = [bind.name for bind in statement.binds if bind.name not in selected]
    return f"SELECT {', '.join([*asked_by, *selected])} FROM {found['table']}"


def driver_value(kind: CqlType, value: Any) -> Any:
    if kind is CqlType.TIMESTAMP and value is not None:
        return dt.datetime.fromtimestamp(value / 1_000, tz=dt.UTC)
    return value.tolist() if hasattr(value, "tolist") else value
