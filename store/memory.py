"""A schema's statements on dictionaries: the model that the real Cassandra is held against.

Of CQL it knows what schemas use: inserts with a write timestamp (alone or as a batch for one partition), counters, and
queries of one partition. A cell is won by the highest timestamp, of equal ones by the larger value, as on the server.
Left out on purpose: time to live, and conditional statements.
"""

import datetime as dt
import functools
import operator
import re
from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from scenarios.domain import Operation
from store.ports import Values
from store.readings.store import HomeReadings
from store.tables import CqlType, Schema, Statement, Table, Write

PAGE_ROWS = 1_000

_SELECT = re.compile(
    r"SELECT (?P<columns>.+) FROM \{keyspace\}\.(?P<table>\w+) WHERE (?P<where>.+?)(?: LIMIT (?P<limit>\d+))?"
)
_CONDITION = re.compile(r"(\w+) (=|>=|<=|<|>) \?")
_COUNT = re.compile(r"(\w+) = \1 \+ \?")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    ">=": operator.ge,
    "<=": operator.le,
    "<": operator.lt,
    ">": operator.gt,
}

Cell = tuple[int, Any]  # write timestamp [us], value
Key = tuple[Any, ...]


def primary_key(table: Table) -> tuple[str, ...]:
    """The columns of the whole primary key, the partition's first."""
    found = re.search(r"PRIMARY KEY \(\(([^)]*)\)([^)]*)\)", table.create)
    assert found is not None, f"{table.name} has no PRIMARY KEY ((...) ...)"
    return tuple(re.findall(r"\w+", found.group(1) + found.group(2)))


class _MemoryTable:
    def __init__(self, table: Table) -> None:
        self.table = table
        key = primary_key(table)
        assert key[: len(table.partition_key)] == table.partition_key, f"{table.name}: another partition key"
        self.clustering = key[len(table.partition_key) :]
        self.instants = {column.name for column in table.columns if column.type is CqlType.TIMESTAMP}
        self.partitions: dict[Key, dict[Key, dict[str, Cell]]] = {}

    def row(self, values: Values) -> dict[str, Cell]:
        partition = self.partitions.setdefault(tuple(values[name] for name in self.table.partition_key), {})
        return partition.setdefault(tuple(values[name] for name in self.clustering), {})

    def rows(self, partition: Key) -> Iterator[dict[str, Any]]:
        """The rows of a partition in clustering order, as column -> value."""
        for key, cells in sorted(self.partitions.get(partition, {}).items()):
            values = dict(zip(self.table.partition_key, partition, strict=True))
            values |= zip(self.clustering, key, strict=True)
            yield values | {name: cell[1] for name, cell in cells.items()}


class MemoryStatements:
    """Implements `store.ports.Runner`."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._tables = {table.name: _MemoryTable(table) for table in schema.tables}
        self._writes: dict[Operation, Write] = {write.statement.operation: write for write in schema.writes}

    def run(self, operation: Operation, values: Values) -> list[Any]:
        statement = self.schema.statement(operation)
        bound = {bind.name: _plain(values[bind.name]) for bind in statement.binds}
        write = self._writes.get(operation)
        if write is None:
            return self._select(statement, bound)
        for table in write.tables:
            if statement.cql.startswith("UPDATE"):
                self._count(self._tables[table.name], statement, bound)
            else:
                self._insert(self._tables[table.name], bound)
        return []

    def run_many(self, operation: Operation, rows: list[Values]) -> list[list[Any]]:
        return [self.run(operation, values) for values in rows]

    def scan(self, table: Table, columns: Sequence[str]) -> Iterator[list[Any]]:
        held = self._tables[table.name]
        page: list[Any] = []
        for partition in list(held.partitions):
            for values in held.rows(partition):
                page.append(_row(columns, values, held.instants))
                if len(page) == PAGE_ROWS:
                    yield page
                    page = []
        yield page

    def _insert(self, held: _MemoryTable, bound: dict[str, Any]) -> None:
        cells = held.row(bound)
        for column in held.table.columns:
            if column.name in held.table.partition_key or column.name in held.clustering:
                continue
            offered = (bound["write_us"], bound[column.name])
            if column.name not in cells or _order(offered) >= _order(cells[column.name]):
                cells[column.name] = offered

    def _count(self, held: _MemoryTable, statement: Statement, bound: dict[str, Any]) -> None:
        """A counter has no timestamp and no memory of what it has counted."""
        found = _COUNT.search(statement.cql)
        assert found is not None, f"{statement.operation} counts nothing"
        cells, name = held.row(bound), found.group(1)
        _, so_far = cells.get(name, (0, 0))
        cells[name] = (0, so_far + bound[statement.binds[0].name])

    def _select(self, statement: Statement, bound: dict[str, Any]) -> list[Any]:
        parsed = _SELECT.fullmatch(statement.cql)
        assert parsed is not None, f"not a query of the model's: {statement.cql}"
        conditions = [
            (*found.groups(), bound[bind.name])
            for found, bind in zip(_CONDITION.finditer(parsed["where"]), statement.binds, strict=True)
        ]
        held = self._tables[parsed["table"]]
        equals = {name: value for name, sign, value in conditions if sign == "="}
        partition = tuple(equals[name] for name in held.table.partition_key)
        columns = [name.strip() for name in parsed["columns"].split(",")]
        rows = [
            _row(columns, values, held.instants)
            for values in held.rows(partition)
            if all(_COMPARE[sign](values[name], value) for name, sign, value in conditions)
        ]
        return rows[: int(parsed["limit"])] if parsed["limit"] else rows


class MemoryStore(HomeReadings):
    """Implements `store.ports.ReadingStore` on dictionaries."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(MemoryStatements(schema))


def _plain(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    return list(value) if isinstance(value, list | tuple) else value


def _order(cell: Cell) -> tuple[int, Any]:
    """The server compares the bytes of equal timestamps' values: of two's complement numbers the negative ones are last."""
    write_us, value = cell
    if isinstance(value, list):
        return write_us, [(one < 0, one) for one in value]
    return write_us, (value < 0, value) if isinstance(value, int) else value


def _row(columns: Sequence[str], values: dict[str, Any], instants: set[str]) -> Any:
    """A row as cassandra-driver gives it: attributes by name, naive datetimes in UTC, None for what was never written."""
    row_type = _row_type(tuple(columns))
    return row_type(*(_instant(values.get(name)) if name in instants else values.get(name) for name in columns))


@functools.cache
def _row_type(columns: tuple[str, ...]) -> Any:
    return namedtuple("Row", columns)


def _instant(ms: int | None) -> dt.datetime | None:
    return None if ms is None else dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=ms)
