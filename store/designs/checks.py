"""What a design's queries must be, before anything is sent: each fault with its line and its reason. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from scenarios.design_folder import ReadQuery, WriteQuery
from scenarios.domain import Operation
from scenarios.texts.printable import shortened
from store.designs.columns import (
    BUCKETS,
    DELTA_BYTES,
    DELTAS,
    MONTH_COLUMNS,
    OWNERS,
    READ_COLUMNS,
    WRITE_COLUMNS,
    TraceColumn,
)
from store.designs.cql import CqlError, InsertText, SelectText, TableText
from store.tables import Bind, CqlType

_KEY_TYPES = (CqlType.TINYINT, CqlType.SMALLINT, CqlType.INT, CqlType.BIGINT, CqlType.TIMESTAMP)
_TYPES = {kind.value: kind for kind in (*_KEY_TYPES, CqlType.INT_LIST, CqlType.BLOB)}
_HOLDERS = ("premises", "mpxn")  # one of which has a partition to itself
_LINES_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteText:
    """An INSERT that was understood. binds: named as the trace's columns. held: table column -> the trace's column in it."""

    row: str
    cql: str
    binds: tuple[Bind, ...]
    held: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadText:
    """A SELECT that was understood. partition_key: the trace's columns that make its token. answer: column -> what it holds."""

    cql: str
    binds: tuple[Bind, ...]
    partition_key: tuple[str, ...]
    answer: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a design may be asked. columns: of the trace, that its `?` may bind."""

    operation: Operation
    what: str
    columns: Mapping[str, TraceColumn]


QUESTIONS = {
    each.operation.value: each
    for each in (
        Question(
            operation=Operation.READ_INTERVALS_DAY, what="a question about a meter's UTC day", columns=READ_COLUMNS
        ),
        Question(
            operation=Operation.READ_USAGE_MONTH, what="a question about a meter's UTC month", columns=MONTH_COLUMNS
        ),
    )
}
"""By the section of a design's queries."""


def column_types(table: TableText) -> dict[str, CqlType]:
    """Raises CqlError with a line of the table's text for a type that the sender can't write."""
    for column, kind in table.columns.items():
        if kind not in _TYPES:
            raise CqlError(
                table.lines[column],
                f"{column} of {table.name} is {shortened(kind, 30)}, which the sender can't write: it takes "
                f"{_listed(list(_TYPES))}; other types need a schema in Python (CONTRIBUTING.md)",
            )
    return {column: _TYPES[kind] for column, kind in table.columns.items()}


def check_write(insert: InsertText, query: WriteQuery, table: TableText) -> WriteText:
    """Raises CqlError with a line of the statement."""
    line = insert.line
    _require_count(len(insert.columns), query.binds, line)
    types = column_types(table)
    known = WRITE_COLUMNS[query.row]
    binds = tuple(
        _bind(column, types, table.name, name, known, f"a {query.row.replace('_', '-')}", line)
        for column, name in zip(insert.columns, query.binds, strict=True)
    )
    held = dict(zip(insert.columns, query.binds, strict=True))
    for column in table.key:
        if column not in held:
            raise CqlError(line, f"the key of {table.name} has {column}, which is not written")
    unwritten = [column for column in table.columns if column not in held]
    if unwritten:
        raise CqlError(
            line, f"{', '.join(unwritten)} of {table.name} would never be written: leave out what holds nothing"
        )
    for column in table.partition_key:
        if held[column] not in OWNERS and held[column] not in BUCKETS:
            raise CqlError(
                line,
                f"{column} is part of the partition key and holds {held[column]}, which no question knows: key it by "
                f"{_listed([*OWNERS, *BUCKETS])}",
            )
    if not any(held[column] in _HOLDERS for column in table.partition_key):
        told = "its partitions would grow with the estate without bound"
        raise CqlError(line, f"{table.name} is keyed by no home or meter (premises or mpxn): {told}")
    for column in table.key:
        if types[column] not in _KEY_TYPES:
            raise CqlError(line, f"{column} is part of the key and {types[column]}: {held[column]} is no key")
    cql = f"INSERT INTO {{keyspace}}.{table.name} ({', '.join(insert.columns)}) VALUES ({', '.join('?' * len(binds))})"
    return WriteText(row=query.row, cql=cql, binds=binds, held=held)


def check_read(
    select: SelectText, query: ReadQuery, table: TableText, write: WriteText, question: Question
) -> ReadText:
    """Raises CqlError with a line of the statement."""
    line = select.line
    _require_count(len(select.conditions), query.binds, line)
    types = column_types(table)
    asked = list(zip(select.conditions, query.binds, strict=True))
    binds = tuple(
        _bind(each.column, types, table.name, name, question.columns, question.what, each.line) for each, name in asked
    )
    equal = {each.column: name for each, name in asked if each.operator == "="}
    _require_one_partition(equal, table, line)
    _require_key_order(select, table, equal)
    for each, name in asked:
        holds = write.held[each.column]
        if each.operator == "=" and holds != name:
            raise CqlError(
                each.line,
                f"{each.column} holds {holds} as it is written, and is asked for {name}: no row would be found",
            )
    answer = _answer(select, table, write, question.operation)
    where = " AND ".join(f"{each.column} {each.operator} ?" for each in select.conditions)
    columns = ", ".join(select.columns or table.columns)
    rest = select.rest.replace("{", "{{").replace("}", "}}")
    return ReadText(
        cql=f"SELECT {columns} FROM {{keyspace}}.{table.name} WHERE {where} {rest}".strip(),
        binds=binds,
        partition_key=tuple(equal[column] for column in table.partition_key),
        answer=answer,
    )


def _require_one_partition(equal: Mapping[str, str], table: TableText, line: int) -> None:
    lacks = [column for column in table.partition_key if column not in equal]
    if len(lacks) == len(table.partition_key):
        raise CqlError(
            line, f"it is a full scan of {table.name}: its partition key is not asked for, WHERE {lacks[0]} = ?"
        )
    if lacks:
        raise CqlError(
            line,
            f"the routing key does not match: {table.name} is keyed by ({', '.join(table.partition_key)}), and "
            f"{', '.join(lacks)} = ? is missing",
        )


def _require_key_order(select: SelectText, table: TableText, equal: Mapping[str, str]) -> None:
    """Clustering columns are asked for from the first on, the last of them by a range: all else would have to be filtered."""
    ranged: str | None = None
    asked = {each.column: each.line for each in select.conditions}
    for column, line in asked.items():
        if column not in table.key:
            raise CqlError(line, f"{column} is not in the key of {table.name}: to ask for it needs ALLOW FILTERING")
        if column in table.partition_key and column not in equal:
            raise CqlError(line, f"{column} is part of the partition key: ask for it with =")
    is_behind = False
    for column in table.clustering:
        if column not in asked:
            is_behind = True
            continue
        if is_behind or ranged is not None:
            before = ranged or next(each for each in table.clustering if each not in asked)
            told = f"{before}, which stands before it in the key, is not asked for with ="
            raise CqlError(asked[column], f"{column} can't be asked for without ALLOW FILTERING: {told}")
        if column not in equal:
            ranged = column


def _answer(select: SelectText, table: TableText, write: WriteText, operation: Operation) -> Mapping[str, str]:
    columns = select.columns or tuple(table.columns)
    for column in columns:
        if column not in table.columns:
            raise CqlError(select.line, _unknown(column, table.name, list(table.columns)))
    held = {column: write.held[column] for column in columns}
    said = set(held.values())
    if operation is Operation.READ_USAGE_MONTH and write.row == "day":
        return _day_answer(held, select.line)
    places = ("interval_start", "slot") if operation is Operation.READ_INTERVALS_DAY else ("interval_start",)
    if not said & set(places):
        told = f"ask for the column of {' or '.join(places)}"
        raise CqlError(select.line, f"its rows don't say which half-hour they are of: {told}")
    if not said & {"wh", "values_wh", DELTAS}:
        told = f"ask for the column of wh, values_wh or {DELTAS}"
        raise CqlError(select.line, f"its rows don't say how much was used: {told}")
    keeps_several = write.row == "delivery" or any(write.held[column] == "revision" for column in table.key)
    if keeps_several and "revision" not in said:
        raise CqlError(
            select.line,
            "several rows may tell of one half-hour, a delivery and its correction, and nothing says which is later: write "
            "revision, and ask for its column",
        )
    wanted = ("interval_start", "slot", "wh", "values_wh", DELTAS, "revision")
    return {column: name for column, name in held.items() if name in wanted}


def _day_answer(held: Mapping[str, str], line: int) -> Mapping[str, str]:
    """Of rows that are what a day adds up to."""
    said = set(held.values())
    if not said & {"day", "epoch_day"}:
        raise CqlError(line, "its rows don't say which day they are of: ask for the column of day or epoch_day")
    lacks = [name for name in ("usage_wh", "late_usage_wh") if name not in said]
    if lacks:
        told = f"ask for the column of {' and '.join(lacks)} too: a local midnight divides the UTC day"
        raise CqlError(line, f"its rows don't say all that was used: {told}")
    return {column: name for column, name in held.items() if name in ("day", "epoch_day", "usage_wh", "late_usage_wh")}


def _bind(
    column: str,
    types: Mapping[str, CqlType],
    table: str,
    name: str,
    known: Mapping[str, TraceColumn],
    what: str,
    line: int,
) -> Bind:
    if column not in types:
        raise CqlError(line, _unknown(column, table, list(types)))
    if name not in known:
        raise CqlError(
            line, f"the trace has no column '{shortened(name, 40)}' for {what}; it has {_listed(list(known))}"
        )
    if types[column] not in known[name].types:
        allowed = " or ".join(known[name].types)
        raise CqlError(line, f"{column} of {table} is {types[column]}, and {name} needs {allowed}")
    return Bind(name=name, type=types[column], item_bytes=DELTA_BYTES if name == DELTAS else 4)


def _unknown(column: str, table: str, names: list[str]) -> str:
    close = get_close_matches(column, names, n=1)
    told = f"did you mean {close[0]}?" if close else f"it has {_listed(names)}"
    return f"{table} has no column {column}; {told}"


def table_named(name: str, tables: Mapping[str, TableText], line: int) -> TableText:
    """The table of a statement. Raises CqlError for one that the design lacks."""
    if name not in tables:
        are = "is" if len(tables) == 1 else "are"
        raise CqlError(line, f"there is no table {name}: the design's {are} {_listed(list(tables))}")
    return tables[name]


def _require_count(count: int, binds: tuple[str, ...], line: int) -> None:
    if count != len(binds):
        raise CqlError(line, f"it has {count} ? and binds names {len(binds)} columns of the trace")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:_LINES_MAX])
