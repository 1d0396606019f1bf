"""A schema's statements on dictionaries: the model that the real Cassandra is held against.

Of CQL it knows what schemas use: inserts with a write timestamp (alone or as a batch for one partition), counters, and
queries of one partition. A cell is won by the highest timestamp, of equal ones by the larger value, as on the server.
Left out on purpose: time to live, and conditional statements.
"""

import datetime as dt
import functools
import operator
import re
import zlib
from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from store.columns import NULL, Column, Page, Piece, dicts_of, lists_of
from store.operations import AnyOperation
from store.ports import Values
from store.tables import CqlType, Schema, Statement, Table, Write, primary_key

PAGE_ROWS = 50  # small, so that partitions of a test span pages
_TOKENS = 1_000

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


class _Condition(NamedTuple):
    column: str
    compare: Callable[[Any, Any], bool]
    bind: str  # by its name


class _Query(NamedTuple):
    """What a SELECT asks."""

    table: str
    columns: tuple[str, ...]
    equals: dict[str, str]  # column -> bind
    others: tuple[_Condition, ...]
    limit: int | None


class _MemoryTable:
    def __init__(self, table: Table) -> None:
        self.table = table
        key = primary_key(table)
        assert key[: len(table.partition_key)] == table.partition_key, f"{table.name}: another partition key"
        self.clustering = key[len(table.partition_key) :]
        self.list_names = {one.name for one in table.columns if one.type is CqlType.INT_LIST}
        self.instants = {column.name for column in table.columns if column.type is CqlType.TIMESTAMP}
        self.value_names = [one.name for one in table.columns if one.name not in key]
        self._absent = {column.name: None for column in table.columns}
        self.partitions: dict[Key, dict[Key, dict[str, Cell]]] = {}
        self.deleted_us: dict[
            tuple[Key, Key], int
        ] = {}  # of rows: what was written by then stays unseen, as on the server

    def key(self, values: Values) -> tuple[Key, Key]:
        names = (self.table.partition_key, self.clustering)
        partition, clustering = (tuple(values[name] for name in each) for each in names)
        return partition, clustering

    def row(self, values: Values) -> dict[str, Cell]:
        partition = self.partitions.setdefault(tuple(values[name] for name in self.table.partition_key), {})
        return partition.setdefault(tuple(values[name] for name in self.clustering), {})

    def remove(self, values: Values) -> None:
        partition = tuple(values[name] for name in self.table.partition_key)
        del self.partitions[partition][tuple(values[name] for name in self.clustering)]
        if not self.partitions[partition]:
            del self.partitions[partition]

    def rows_with_time(self, partition: Key) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows of a partition with the greatest write timestamp of their cells; NULL where there is none."""
        names = self.table.partition_key + self.clustering
        for key, cells in sorted(self.partitions.get(partition, {}).items()):
            values = dict(zip(names, partition + key, strict=True))
            held_us = max((write_us for write_us, _ in cells.values()), default=NULL)
            yield held_us, values | {name: cell[1] for name, cell in cells.items()}

    def rows(self, partition: Key) -> Iterator[dict[str, Any]]:
        """The rows of a partition in clustering order, as column -> value."""
        for _, values in self.rows_with_time(partition):
            yield self._absent | values


class MemoryStatements:
    """Implements `store.ports.Runner`."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._tables = {table.name: _MemoryTable(table) for table in schema.tables}
        self._writes: dict[AnyOperation, Write] = {write.statement.operation: write for write in schema.writes}
        self._statements: dict[AnyOperation, Statement] = {one.operation: one for one in schema.statements}
        self._queries: dict[AnyOperation, _Query] = {}  # of statements that were run

    def run(self, operation: AnyOperation, values: Values) -> list[Any]:
        statement = self._statements[operation]
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

    def run_many(self, operation: AnyOperation, rows: list[Values]) -> list[list[Any]]:
        return [self.run(operation, values) for values in rows]

    def pieces(self) -> Sequence[Piece]:
        return (Piece(after=-1, through=_TOKENS // 2), Piece(after=_TOKENS // 2, through=_TOKENS))

    def scan(self, table: Table, columns: Sequence[str], piece: Piece, *, with_times: bool = False) -> Iterator[Page]:
        held = self._tables[table.name]
        found = sorted((_token(key), key) for key in held.partitions)
        rows = [
            (token, *row)
            for token, key in found
            if piece.after < token <= piece.through
            for row in held.rows_with_time(key)
        ]
        for at in range(0, len(rows), PAGE_ROWS):
            yield _page(rows[at : at + PAGE_ROWS], columns, held.list_names, with_times=with_times)

    def slices(self, table: Table, columns: Sequence[str], asked: Page) -> Iterator[Page]:
        held = self._tables[table.name]
        fixed = [name for name in asked if name not in ("from", "before")]
        ranged = primary_key(table)[len(fixed)]
        for one in dicts_of(asked):
            key = tuple(one[name] for name in table.partition_key)
            rows = [
                (_token(key), held_us, values)
                for held_us, values in held.rows_with_time(key)
                if all(values[name] == one[name] for name in fixed) and one["from"] <= values[ranged] < one["before"]
            ]
            yield _page(rows, columns, held.list_names, with_times=False)

    def insert(self, table: Table, rows: Page) -> None:
        for values in dicts_of(rows):
            self._insert(self._tables[table.name], values)

    def delete(self, table: Table, rows: Page) -> None:
        """A deletion wins over cells of its own timestamp, also over those that come later. It is never forgotten."""
        held = self._tables[table.name]
        for values in dicts_of(rows):
            key = held.key(values)
            held.deleted_us[key] = max(values["write_us"], held.deleted_us.get(key, values["write_us"]))
            cells = held.row(values)
            for name in [name for name, (write_us, _) in cells.items() if write_us <= values["write_us"]]:
                del cells[name]
            if not cells:
                held.remove(values)

    def truncate(self, table: Table) -> None:
        """Forget every row of a table."""
        self._tables[table.name].partitions.clear()
        self._tables[table.name].deleted_us.clear()

    def all_rows(self, table: Table) -> list[dict[str, Any]]:
        """Every row of a table, as column -> value; instants in ms."""
        held = self._tables[table.name]
        return [row for partition in sorted(held.partitions) for row in held.rows(partition)]

    def put(self, table: Table, row: Values, write_us: int) -> None:
        """Write a row, or some of its cells, past all statements: to plant a fault."""
        self._insert(self._tables[table.name], {**row, "write_us": write_us})

    def forget(self, table: Table, row: Values) -> None:
        """Lose a row without a trace: to plant a fault."""
        self._tables[table.name].remove(row)

    def _insert(self, held: _MemoryTable, bound: dict[str, Any]) -> None:
        if bound["write_us"] <= held.deleted_us.get(held.key(bound), NULL):
            return
        cells = held.row(bound)
        for name in held.value_names:
            if name not in bound:
                continue
            offered = (bound["write_us"], bound[name])
            if name not in cells or _order(offered) >= _order(cells[name]):
                cells[name] = offered

    def _count(self, held: _MemoryTable, statement: Statement, bound: dict[str, Any]) -> None:
        """A counter has no timestamp and no memory of what it has counted."""
        found = _COUNT.search(statement.cql)
        assert found is not None, f"{statement.operation} counts nothing"
        cells, name = held.row(bound), found.group(1)
        _, so_far = cells.get(name, (0, 0))
        cells[name] = (0, so_far + bound[statement.binds[0].name])

    def _select(self, statement: Statement, bound: dict[str, Any]) -> list[Any]:
        query = self._queries.get(statement.operation)
        if query is None:
            query = self._queries[statement.operation] = _query_of(statement)
        held = self._tables[query.table]
        partition = tuple(bound[query.equals[name]] for name in held.table.partition_key)
        wanted = [(name, operator.eq, bound[bind]) for name, bind in query.equals.items()]
        wanted += [(one.column, one.compare, bound[one.bind]) for one in query.others]
        rows = [
            _row(query.columns, values, held.instants)
            for values in held.rows(partition)
            if all(compare(values[name], value) for name, compare, value in wanted)
        ]
        return rows[: query.limit]


def _query_of(statement: Statement) -> _Query:
    parsed = _SELECT.fullmatch(statement.cql)
    assert parsed is not None, f"not a query of the model's: {statement.cql}"
    conditions = [
        (*found.groups(), bind.name)
        for found, bind in zip(_CONDITION.finditer(parsed["where"]), statement.binds, strict=True)
    ]
    return _Query(
        table=parsed["table"],
        columns=tuple(name.strip() for name in parsed["columns"].split(",")),
        equals={name: bind for name, sign, bind in conditions if sign == "="},
        others=tuple(_Condition(name, _COMPARE[sign], bind) for name, sign, bind in conditions if sign != "="),
        limit=int(parsed["limit"]) if parsed["limit"] else None,
    )


def _token(key: Key) -> int:
    """Spreads keys over the ring, the same for every table; which keys share a token is of no matter."""
    return zlib.crc32(repr(key).encode()) % (_TOKENS + 1)


def _page(
    rows: Sequence[tuple[int, int, dict[str, Any]]], columns: Sequence[str], list_names: set[str], *, with_times: bool
) -> Page:
    page: dict[str, Column] = {"token": np.array([token for token, _, _ in rows], np.int64)}
    if with_times:
        page["held_us"] = np.array([held_us for _, held_us, _ in rows], np.int64)
    for name in columns:
        cells = [values.get(name) for _, _, values in rows]
        if name in list_names:
            page[name] = lists_of([cell or [] for cell in cells])
        else:
            page[name] = np.array([NULL if cell is None else cell for cell in cells], np.int64)
    return page


def _plain(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value
    return list(value) if isinstance(value, list | tuple) else value


def _order(cell: Cell) -> tuple[int, Any]:
    """The server compares the bytes of equal timestamps' values: of two's complement numbers the negative ones are last."""
    write_us, value = cell
    if isinstance(value, list):
        return write_us, [(one < 0, one) for one in value]
    return write_us, (value < 0, value) if isinstance(value, int) else value


def _row(columns: tuple[str, ...], values: dict[str, Any], instants: set[str]) -> Any:
    """A row as cassandra-driver gives it: attributes by name, naive datetimes in UTC, None for what was never written."""
    row_type = _row_type(columns)
    return row_type(*(_instant(values.get(name)) if name in instants else values.get(name) for name in columns))


@functools.cache
def _row_type(columns: tuple[str, ...]) -> Any:
    return namedtuple("Row", columns)


def _instant(ms: int | None) -> dt.datetime | None:
    return None if ms is None else dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=ms)
