"""A folder's design as a schema: the view of a home's half-hours in its own table, all else as the scenario's design has it.

Rules that hold here:
- A delivery stays one request: the design's rows travel in the batch that writes the log and the home's other views. In a
  table of another key they are a mutation of their own, and no longer written together with the rest or not at all.
- Every row has the timestamp of its data, so that what is sent twice is the same twice. Of a delivery that is one row, the
  timestamp is the delivery's; of one that is a row a half-hour, that of each half-hour: a correction beats it whenever it comes.
- What an answer's columns mean, the write says: a column holds what the write bound to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from scenarios.design_folder import QUERIES_FILE, TABLES_FILE, DesignFolder
from scenarios.domain import Operation
from scenarios.spec import Scenario, ScenarioError
from store.designs.checks import ReadText, WriteText, check_read, check_write, column_types
from store.designs.columns import OF_HALF_HOUR, of_half_hour
from store.designs.cql import CqlError, TableText, read_insert, read_select, read_tables
from store.designs.partitions import PartitionSize, partition_size
from store.roles import TableRole
from store.schemas import schema_of
from store.tables import WRITE_US, Bind, CqlType, Schema, Statement, Table, Write

Answer = Mapping[str, str]
"""Column of an answer -> what it holds: `interval_start` or `slot`, `wh` or `values_wh`, `revision`."""

OWN_ANSWER: Answer = {name: name for name in ("interval_start", "values_wh", "revision")}
"""Of a schema's own view of half-hours."""


def own_write(schema: Schema) -> WriteText:
    """What a row of a schema's own view of half-hours is."""
    table = schema.table(TableRole.INTERVALS)
    held = {column.name: column.name for column in table.columns}
    return WriteText(row="delivery", cql=table.insert, binds=table.columns, held=held)


_WRITES = (Operation.INGEST_READING, Operation.INGEST_REVISION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """write: what a row of its table is. partition: the most that one holds after so many years as were asked."""

    schema: Schema
    write: WriteText
    answer: Answer
    partition: PartitionSize


def design_of(name: str, folder: DesignFolder, scenario: Scenario, years: int) -> Design:
    """The design for a scenario. years: for how many of them partitions must keep to their bound.

    Raises ScenarioError naming file, query, line and reason.
    """
    base = schema_of(scenario)
    own = base.table(TableRole.INTERVALS)
    table = _read_table(folder, {each.name for each in base.tables if each != own})
    queries = folder.queries
    where = f"{folder.path / QUERIES_FILE}: write_intervals"
    try:
        write = check_write(read_insert(queries.write_intervals.cql), queries.write_intervals, table)
    except CqlError as error:
        raise _refused(where, folder.lines["write_intervals"] + error.line - 1, error) from error
    where = f"{folder.path / QUERIES_FILE}: read_intervals_day"
    try:
        read = check_read(read_select(queries.read_intervals_day.cql), queries.read_intervals_day, table, write)
    except CqlError as error:
        raise _refused(where, folder.lines["read_intervals_day"] + error.line - 1, error) from error
    try:
        size = partition_size(table, write, scenario.estate, years)
    except CqlError as error:
        raise _refused(str(folder.path / TABLES_FILE), error.line, error) from error
    made = _table(table, read, size, folder)
    schema = Schema(
        name=name,
        version=base.version,
        tables=tuple(made if each == own else each for each in base.tables),
        writes=tuple(
            _write(each, own, made, write, scenario.estate.slots_per_day)
            if each.statement.operation in _WRITES
            else each
            for each in base.writes
        ),
    )
    return Design(schema=schema, write=write, answer=read.answer, partition=size)


def _refused(where: str, line: int, error: CqlError) -> ScenarioError:
    return ScenarioError(f"{where}, line {line}: {error}")


def _read_table(folder: DesignFolder, taken: set[str]) -> TableText:
    where = str(folder.path / TABLES_FILE)
    try:
        tables = read_tables(folder.tables)
        for each in tables:
            column_types(each)
    except CqlError as error:
        raise _refused(where, error.line, error) from error
    if len(tables) > 1:
        raise _refused(
            where,
            tables[1].line,
            CqlError(
                1,
                f"no query writes {tables[1].name}: a design has one table, that of half-hours; others need a schema in Python "
                "(CONTRIBUTING.md)",
            ),
        )
    (table,) = tables
    if table.name in taken:
        told = f"the store has another table {table.name}, which stays as it is: name yours otherwise"
        raise _refused(where, table.line, CqlError(1, told))
    return table


def _table(table: TableText, read: ReadText, size: PartitionSize, folder: DesignFolder) -> Table:
    statement = Statement(
        operation=Operation.READ_INTERVALS_DAY,
        cql=read.cql,
        binds=read.binds,
        partition_key=read.partition_key,
        is_write=False,
    )
    return Table(
        name=table.name,
        roles=(TableRole.INTERVALS,),
        serves=f"the half-hours of one meter on one UTC day: {folder.title}",
        create=table.create,
        columns=tuple(Bind(name=column, type=CqlType(kind)) for column, kind in table.columns.items()),
        partition_key=table.partition_key,
        queries=(statement,),
        partition=size.bound,
        reason="as its design says",
    )


def _write(base: Write, own: Table, made: Table, write: WriteText, slots_per_day: int) -> Write:
    """A write of the base with the design's rows instead of its own view's."""
    others = tuple(table for table in base.tables if table != own)
    tables = tuple(made if table == own else table for table in base.tables)
    if write.row == "delivery":
        inserts = "".join(f"{each}; " for each in (*(table.insert for table in others), write.cql))
        statement = Statement(
            operation=base.statement.operation,
            cql=f"BEGIN UNLOGGED BATCH USING TIMESTAMP ? {inserts}APPLY BATCH",
            binds=(WRITE_US, *(column for table in others for column in table.columns), *write.binds),
            partition_key=base.statement.partition_key,
            is_write=True,
        )
        return Write(statement=statement, tables=tables)
    by_slots = tuple((count, _by_half_hour(base, others, write, count)) for count in (0, 1, slots_per_day))
    return Write(statement=dict(by_slots)[1], tables=tables, by_slots=by_slots)


def _by_half_hour(base: Write, others: tuple[Table, ...], write: WriteText, slot_count: int) -> Statement:
    inserts = [f"{table.insert} USING TIMESTAMP ?; " for table in others]
    binds = [bind for table in others for bind in (*table.columns, WRITE_US)]
    for place in range(slot_count):
        inserts.append(f"{write.cql} USING TIMESTAMP ?; ")
        for bind in (*write.binds, WRITE_US):
            is_own = bind.name in OF_HALF_HOUR
            binds.append(Bind(name=of_half_hour(bind.name, place), type=bind.type) if is_own else bind)
    return Statement(
        operation=base.statement.operation,
        cql=f"BEGIN UNLOGGED BATCH {''.join(inserts)}APPLY BATCH",
        binds=tuple(binds),
        partition_key=base.statement.partition_key,
        is_write=True,
    )
