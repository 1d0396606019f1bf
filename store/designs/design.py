"""A folder's design as a schema: its own tables for half-hours, and for a home's months if it likes; all else as the scenario's
design has it.

Rules that hold here:
- A delivery stays one request: the design's rows travel in the batch that writes the log and the home's other views. In a
  table of another key they are a mutation of their own, and no longer written together with the rest or not at all.
- Every row has the timestamp of its data, so that what is sent twice is the same twice. Of a delivery that is one row, the
  timestamp is the delivery's; of one that is a row a half-hour, that of each half-hour: a correction beats it whenever it comes.
- What an answer's columns mean, the write says: a column holds what the write bound to it.
- A question that the design answers is no longer answered by the store's own view, which is neither made nor written.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from scenarios.design_folder import QUERIES_FILE, TABLES_FILE, DesignFolder
from scenarios.domain import Operation
from scenarios.spec import Scenario, ScenarioError
from store.designs.checks import (
    QUESTIONS,
    ReadText,
    WriteText,
    check_read,
    check_write,
    column_types,
    table_named,
)
from store.designs.columns import OF_HALF_HOUR, of_half_hour
from store.designs.cql import CqlError, InsertText, SelectText, TableText, read_insert, read_select, read_tables
from store.designs.partitions import PartitionSize, partition_size
from store.roles import TableRole
from store.schemas import schema_of
from store.tables import WRITE_US, Bind, CqlType, Schema, Statement, Table, Write

Answer = Mapping[str, str]
"""Column of an answer -> what it holds. Of half-hours: `interval_start` or `slot`, `wh`, `values_wh` or `deltas_wh`, `revision`;
of days: `day` or `epoch_day`, `usage_wh` and `late_usage_wh`."""

OWN_ANSWERS: Mapping[Operation, Answer] = {
    Operation.READ_INTERVALS_DAY: {name: name for name in ("interval_start", "values_wh", "revision")},
    Operation.READ_USAGE_MONTH: {name: name for name in ("day", "usage_wh", "late_usage_wh")},
}
"""Of a schema's own views."""

_ROLES = {
    Operation.READ_INTERVALS_DAY: TableRole.INTERVALS,
    Operation.READ_USAGE_MONTH: TableRole.DAILY_USAGE,
}


def own_write(schema: Schema) -> WriteText:
    """What a row of a schema's own view of half-hours is."""
    table = schema.table(TableRole.INTERVALS)
    held = {column.name: column.name for column in table.columns}
    return WriteText(row="delivery", cql=table.insert, binds=table.columns, held=held)


_WRITES = (Operation.INGEST_READING, Operation.INGEST_REVISION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """write: what a row of its table of half-hours is. partitions: by table, the most that one holds after the years asked."""

    schema: Schema
    write: WriteText
    answers: Mapping[Operation, Answer]
    partitions: Mapping[str, PartitionSize]

    @property
    def replaced(self) -> tuple[TableRole, ...]:
        """The roles of the store's own views that its tables take over."""
        return tuple(_ROLES[operation] for operation in self.answers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OwnTable:
    """A table of the design, what a row of it is, and the questions that ask it."""

    text: TableText
    write: WriteText
    size: PartitionSize
    reads: Mapping[Operation, ReadText]


def design_of(name: str, folder: DesignFolder, scenario: Scenario, years: int) -> Design:
    """The design for a scenario. years: for how many of them partitions must keep to their bound.

    Raises ScenarioError naming file, query, line and reason.
    """
    base = schema_of(scenario)
    roles = [_ROLES[QUESTIONS[section].operation] for section in folder.queries.reads]
    replaced = [base.table(role) for role in roles]
    tables = _read_tables(folder, {each.name for each in base.tables if each not in replaced})
    own = _own_tables(folder, tables, scenario, years)
    made = {each.text.name: _table(each, folder) for each in own}
    kept = [each for each in base.writes if each.statement.operation not in _WRITES]
    schema = Schema(
        name=name,
        version=base.version,
        tables=(*(each for each in base.tables if each not in replaced), *made.values()),
        writes=(
            *(
                _write(each, replaced, own, made, scenario.estate.slots_per_day)
                for each in base.writes
                if each.statement.operation in _WRITES
            ),
            *(each for each in kept if not set(each.tables) & set(replaced)),
        ),
    )
    return Design(
        schema=schema,
        write=next(each.write for each in own if Operation.READ_INTERVALS_DAY in each.reads),
        answers={operation: read.answer for each in own for operation, read in each.reads.items()},
        partitions={each.text.name: each.size for each in own},
    )


def _own_tables(
    folder: DesignFolder, tables: Mapping[str, TableText], scenario: Scenario, years: int
) -> list[_OwnTable]:
    writes = _writes(folder, tables)
    reads: dict[str, dict[Operation, ReadText]] = {name: {} for name in tables}
    for section, query in folder.queries.reads.items():
        question = QUESTIONS[section]
        try:
            select: SelectText = read_select(query.cql)
            table = table_named(select.table, tables, select.line)
            read = check_read(select, query, table, writes[table.name], question)
        except CqlError as error:
            raise _refused_query(folder, section, error) from error
        reads[table.name][question.operation] = read
    found = []
    for name, table in tables.items():
        if not reads[name]:
            told = f"no question asks {name}: leave out what nothing reads"
            raise _refused(str(folder.path / TABLES_FILE), table.line, CqlError(1, told))
        try:
            size = partition_size(table, writes[name], scenario.estate, years)
        except CqlError as error:
            raise _refused(str(folder.path / TABLES_FILE), error.line, error) from error
        found.append(_OwnTable(text=table, write=writes[name], size=size, reads=reads[name]))
    return found


def _writes(folder: DesignFolder, tables: Mapping[str, TableText]) -> dict[str, WriteText]:
    """By table."""
    found: dict[str, WriteText] = {}
    by: dict[str, str] = {}
    for section, query in folder.queries.writes.items():
        try:
            insert: InsertText = read_insert(query.cql)
            table = table_named(insert.table, tables, insert.line)
            if table.name in by:
                raise CqlError(
                    insert.line, f"{table.name} is written by {by[table.name]} already: a table has one write"
                )
            found[table.name] = check_write(insert, query, table)
        except CqlError as error:
            raise _refused_query(folder, section, error) from error
        by[table.name] = section
    for name, table in tables.items():
        if name not in found:
            told = f"no query writes {name}: give it a [write_NAME], or leave it out"
            raise _refused(str(folder.path / TABLES_FILE), table.line, CqlError(1, told))
    return found


def _refused_query(folder: DesignFolder, section: str, error: CqlError) -> ScenarioError:
    return _refused(f"{folder.path / QUERIES_FILE}: {section}", folder.lines[section] + error.line - 1, error)


def _refused(where: str, line: int, error: CqlError) -> ScenarioError:
    return ScenarioError(f"{where}, line {line}: {error}")


def _read_tables(folder: DesignFolder, taken: set[str]) -> dict[str, TableText]:
    where = str(folder.path / TABLES_FILE)
    found: dict[str, TableText] = {}
    try:
        for table in read_tables(folder.tables):
            column_types(table)
            if table.name in taken:
                told = f"the store has another table {table.name}, which stays as it is: name yours otherwise"
                raise CqlError(table.line, told)
            if table.name in found:
                raise CqlError(table.line, f"there are two tables {table.name}")
            found[table.name] = table
    except CqlError as error:
        raise _refused(where, error.line, error) from error
    return found


def _table(own: _OwnTable, folder: DesignFolder) -> Table:
    table = own.text
    statements = tuple(
        Statement(
            operation=operation,
            cql=read.cql,
            binds=read.binds,
            partition_key=read.partition_key,
            is_write=False,
        )
        for operation, read in own.reads.items()
    )
    return Table(
        name=table.name,
        roles=tuple(_ROLES[operation] for operation in own.reads),
        serves=f"{', '.join(own.reads)}: {folder.title}",
        create=table.create,
        columns=tuple(Bind(name=column, type=CqlType(kind)) for column, kind in table.columns.items()),
        partition_key=table.partition_key,
        queries=statements,
        partition=own.size.bound,
        reason="as its design says",
    )


def _write(
    base: Write, replaced: list[Table], own: list[_OwnTable], made: Mapping[str, Table], slots_per_day: int
) -> Write:
    """A write of the base with the design's rows instead of those of the views that it replaces."""
    others = tuple(table for table in base.tables if table not in replaced)
    # what a day adds up to comes with what the meter has measured; corrections know nothing of it
    rows = [each for each in own if each.write.row != "day" or base.statement.operation is Operation.INGEST_READING]
    tables = (*others, *(made[each.text.name] for each in rows))
    if all(each.write.row != "half_hour" for each in rows):
        inserts = "".join(
            f"{each}; " for each in (*(table.insert for table in others), *(one.write.cql for one in rows))
        )
        statement = Statement(
            operation=base.statement.operation,
            cql=f"BEGIN UNLOGGED BATCH USING TIMESTAMP ? {inserts}APPLY BATCH",
            binds=(
                WRITE_US,
                *(column for table in others for column in table.columns),
                *(bind for each in rows for bind in each.write.binds),
            ),
            partition_key=base.statement.partition_key,
            is_write=True,
        )
        return Write(statement=statement, tables=tables)
    writes = [each.write for each in rows]
    by_slots = tuple((count, _by_half_hour(base, others, writes, count)) for count in (0, 1, slots_per_day))
    return Write(statement=dict(by_slots)[1], tables=tables, by_slots=by_slots)


def _by_half_hour(base: Write, others: tuple[Table, ...], writes: list[WriteText], slot_count: int) -> Statement:
    inserts = [f"{table.insert} USING TIMESTAMP ?; " for table in others]
    binds = [bind for table in others for bind in (*table.columns, WRITE_US)]
    for write in writes:
        for place in range(slot_count) if write.row == "half_hour" else (None,):
            inserts.append(f"{write.cql} USING TIMESTAMP ?; ")
            for bind in (*write.binds, WRITE_US):
                is_own = place is not None and bind.name in OF_HALF_HOUR
                binds.append(Bind(name=of_half_hour(bind.name, place or 0), type=bind.type) if is_own else bind)
    return Statement(
        operation=base.statement.operation,
        cql=f"BEGIN UNLOGGED BATCH {''.join(inserts)}APPLY BATCH",
        binds=tuple(binds),
        partition_key=base.statement.partition_key,
        is_write=True,
    )
