"""The keyspace of a schema: created, agreed on by the nodes, brought from an older version to this one, dropped."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from cassandra import ConsistencyLevel as DriverLevel
from cassandra import InvalidRequest
from cassandra.cluster import Session
from cassandra.pool import Host
from cassandra.protocol import ConfigurationException, SyntaxException
from cassandra.query import SimpleStatement

from scenarios.calendar import UTC_CALENDAR, Calendar
from scenarios.parts.alterations import KEYSPACE, altered_table
from scenarios.spec import ScenarioError, Topology
from scenarios.texts.printable import shortened
from store.cassandra.session import FAILURES
from store.migrations import HeldVersion, check_calendar, migrations_to, views_to_rebuild
from store.operations import AnyOperation
from store.ports import StoreError
from store.tables import Schema, Table

AGREEMENT_S_MAX = 60
DDL_TIMEOUT_S = 60
LOOK_EVERY_S = 0.2
REFUSALS = (InvalidRequest, SyntaxException, ConfigurationException)  # of a statement: asking again changes nothing

_VERSION_TABLE = (
    "CREATE TABLE IF NOT EXISTS {keyspace}.schema_version "
    "(name text PRIMARY KEY, version int, to_rebuild text, time_zone text, slots_per_hour int)"
)
# of one from before it had them
_ADD_CALENDAR = (
    "ALTER TABLE {keyspace}.schema_version ADD IF NOT EXISTS time_zone text",
    "ALTER TABLE {keyspace}.schema_version ADD IF NOT EXISTS slots_per_hour int",
)


def create_schema(session: Session, schema: Schema, topology: Topology, calendar: Calendar = UTC_CALENDAR) -> None:
    """Create keyspace and tables where they are missing, or bring those of an older version to this one.

    calendar: by whose midnights its views divide days, and how long the slots of its log are, as long as it stands; an older
    keyspace has UTC's, and half-hours.

    Waits until every node agrees. Repeating it changes nothing, and after a crash it goes on. One process at a time: nodes
    of Cassandra 5 don't order the schema changes of several. After a migration of a loaded keyspace the views that it names
    are to be filled: `CassandraStore.finish_migration`, of a store with a Book where bills are among them.
    Raises StoreError when a keyspace of that name is replicated otherwise than the topology says, when it is of a newer
    version or of one with no way from it, when it is of another calendar, when a table has other columns, or when the nodes
    don't agree in time.
    """
    held = session.cluster.metadata.keyspaces.get(topology.keyspace)
    if held is not None:
        replication = {dc.name: str(dc.rf) for dc in topology.dcs}
        _check_replication(topology.keyspace, held.replication_strategy.export_for_schema(), replication)
    for statement in _keyspace_statements(topology):
        _ddl(session, statement)
    version = held_version(session, schema, topology)
    if version:
        check_calendar(version, calendar, topology.keyspace)
    way = migrations_to(schema, version, topology.keyspace) if version else []
    with one_after_the_other(session) as ddl:
        for statement in _table_statements(schema, topology):  # first: a later migration may alter a table that is new
            ddl(statement)
        for statement in [statement for one in way for statement in one.statements]:
            ddl(statement.format(keyspace=topology.keyspace))
    if not session.cluster.control_connection.wait_for_schema_agreement(wait_time=AGREEMENT_S_MAX):
        raise StoreError(f"the nodes don't agree on schema {schema.name} after {AGREEMENT_S_MAX} s: is a node down?")
    session.cluster.refresh_schema_metadata()
    _check_columns(session, topology, schema.tables)
    if version is None or way:  # last: a crash before it begins all of it again
        to_rebuild = views_to_rebuild(version, way) if version else ()
        write_version(session, schema, topology, to_rebuild, calendar)


def schema_statements(schema: Schema, topology: Topology) -> list[str]:
    """What `create_schema` asks for where there is nothing yet. Each changes nothing where it was done before."""
    return [*_keyspace_statements(topology), *_table_statements(schema, topology)]


def _keyspace_statements(topology: Topology) -> list[str]:
    options = ", ".join(f"'{dc.name}': {dc.rf}" for dc in topology.dcs)
    keyspace = (
        f"CREATE KEYSPACE IF NOT EXISTS {topology.keyspace} "
        f"WITH replication = {{'class': 'NetworkTopologyStrategy', {options}}}"
    )
    return [keyspace, *(one.format(keyspace=topology.keyspace) for one in (_VERSION_TABLE, *_ADD_CALENDAR))]


def _table_statements(schema: Schema, topology: Topology) -> list[str]:
    return [table.create.format(keyspace=topology.keyspace) for table in schema.tables]


def alter_tables(session: Session, statements: Sequence[str], schema: Schema, keyspace: str) -> None:
    """Change tables that were just made, as a scenario's `store.alterations` say; those of absent tables are left out.

    Waits until every node agrees. Raises ScenarioError with the node's words for a statement that it refuses, StoreError for
    nodes that don't answer.
    """
    names = {table.name for table in schema.tables}
    chosen = [statement for statement in statements if altered_table(statement) in names]
    if not chosen:
        return
    with one_after_the_other(session) as ddl:
        for statement in chosen:
            try:
                ddl(statement.replace(KEYSPACE, keyspace))
            except StoreError as error:
                if isinstance(error.__cause__, REFUSALS):
                    raise ScenarioError(
                        f"store.alterations: Cassandra refuses '{shortened(statement, 200)}': {error.__cause__}"
                    ) from error
                raise
    if not session.cluster.control_connection.wait_for_schema_agreement(wait_time=AGREEMENT_S_MAX):
        raise StoreError(f"the nodes don't agree on store.alterations after {AGREEMENT_S_MAX} s: is a node down?")
    session.cluster.refresh_schema_metadata()


def held_version(session: Session, schema: Schema, topology: Topology) -> HeldVersion | None:
    """What the keyspace says that it holds; None for one that is new, or from before versions. Raises StoreError."""
    rows = _query(session, topology, f"SELECT * FROM {topology.keyspace}.schema_version")
    if not rows:
        return None
    assert len(rows) == 1, "a keyspace of two schemas"
    (row,) = rows
    views = tuple(row.to_rebuild.split()) if row.to_rebuild else ()
    # an older program made the table without these
    zone = getattr(row, "time_zone", None) or UTC_CALENDAR.zone
    slots_per_hour = getattr(row, "slots_per_hour", None) or UTC_CALENDAR.slots_per_hour
    calendar = Calendar(zone, slots_per_hour)
    return HeldVersion(schema=row.name, version=row.version, views_to_rebuild=views, calendar=calendar)


def warming_keyspace(topology: Topology) -> str:
    """Where the nodes are warmed before a storm: the same tables as the run's, and never the run's."""
    return f"{topology.keyspace}_warming"


def create_warming_schema(
    session: Session, schema: Schema, topology: Topology, operations: Collection[AnyOperation]
) -> None:
    """Create the tables that the nodes are warmed with: those of `operations`. Raises StoreError as `create_schema` does."""
    create_schema(session, schema.only(operations), _warming(topology))


def warming_statements(schema: Schema, topology: Topology, operations: Collection[AnyOperation]) -> list[str]:
    """As `schema_statements`, of `create_warming_schema`."""
    return schema_statements(schema.only(operations), _warming(topology))


def _warming(topology: Topology) -> Topology:
    return topology.model_copy(update={"keyspace": warming_keyspace(topology)})


def drop_warming_schema(session: Session, topology: Topology) -> None:
    """Remove what `create_warming_schema` made. Raises StoreError."""
    _ddl(session, f"DROP KEYSPACE IF EXISTS {warming_keyspace(topology)}")


def drop_schema(session: Session, topology: Topology) -> None:
    """Remove the keyspace and all that it holds. Raises StoreError."""
    _ddl(session, f"DROP KEYSPACE IF EXISTS {topology.keyspace}")


def first_table_with_rows(session: Session, schema: Schema, keyspace: str) -> Table | None:
    """A table of the schema that already holds a row, or None: a run's audit needs tables that start empty."""
    for table in schema.tables:
        if session.execute(f"SELECT * FROM {keyspace}.{table.name} LIMIT 1").one() is not None:
            return table
    return None


def write_version(
    session: Session, schema: Schema, topology: Topology, to_rebuild: Sequence[str], calendar: Calendar
) -> None:
    """Cells without an explicit timestamp: one process at a time changes a schema, and its clock orders them."""
    cql = (
        f"INSERT INTO {topology.keyspace}.schema_version (name, version, to_rebuild, time_zone, slots_per_hour) "
        "VALUES (%s, %s, %s, %s, %s)"
    )
    held = schema.name, schema.version, " ".join(to_rebuild), calendar.zone, calendar.slots_per_hour
    _query(session, topology, cql, held)


def _query(session: Session, topology: Topology, cql: str, values: Sequence[object] = ()) -> list[Any]:
    level = topology.consistency.default
    statement = SimpleStatement(cql, consistency_level=DriverLevel.name_to_value[level], is_idempotent=True)
    try:
        return list(session.execute(statement, values))
    except FAILURES as error:
        raise StoreError(f"schema_version at {level}: {error}") from error


@contextlib.contextmanager
def one_after_the_other(session: Session) -> Iterator[Callable[[str], None]]:
    """Runs schema changes through one node, which orders them, without waiting for the others after each.

    Some twenty tables take a third of the time (9 s against 25 s on a busy machine, November 2026). The caller waits for
    agreement, and refreshes the metadata, once at the end.
    """
    cluster = session.cluster
    policy = cluster.profile_manager.default.load_balancing_policy
    node = next(iter(policy.make_query_plan()), None)
    wait_s, is_enabled = cluster.max_schema_agreement_wait, cluster.schema_metadata_enabled
    cluster.max_schema_agreement_wait, cluster.schema_metadata_enabled = 0, False
    try:
        yield lambda cql: _ddl(session, cql, node)
    finally:
        cluster.max_schema_agreement_wait, cluster.schema_metadata_enabled = wait_s, is_enabled


def _ddl(session: Session, cql: str, node: Host | None = None) -> None:
    try:
        session.execute(cql, timeout=DDL_TIMEOUT_S, host=node)
    except FAILURES as error:
        raise StoreError(f"the schema could not be created ({cql.split('(')[0].strip()}): {error}") from error


def _check_replication(keyspace: str, held: str, wanted: Mapping[str, str]) -> None:
    same = all(f"'{dc}': '{rf}'" in held for dc, rf in wanted.items()) and held.count("':") == len(wanted) + 1
    if not same:
        raise StoreError(
            f"keyspace {keyspace} is there already, replicated as {held}, not as the topology's {dict(wanted)}: "
            f"name another in [topology] keyspace"
        )


def _check_columns(session: Session, topology: Topology, tables: Sequence[Table]) -> None:
    """Whether the tables have the columns that they should have, asked of a node.

    Not of the driver's metadata: an event of the new keyspace, heard late, puts one without tables over what a refresh has
    just read (cassandra-driver 3.30, `Metadata._update_keyspace`).
    """
    wanted = {(table.name, column.name): column.type.value for table in tables for column in table.columns}
    held = _held_columns(session, topology, {table.name for table in tables})
    for (table, column), cql_type in wanted.items():
        if held.get((table, column)) != cql_type:
            raise StoreError(
                f"table {topology.keyspace}.{table} is there already with other columns ({column} should be {cql_type}): "
                "name another keyspace in [topology] keyspace"
            )


def _held_columns(session: Session, topology: Topology, tables: Collection[str]) -> dict[tuple[str, str], str]:
    """(table, column) -> CQL type, once the node that is asked shows every table: one that was away may be behind."""
    deadline = time.monotonic() + AGREEMENT_S_MAX
    cql = f"SELECT table_name, column_name, type FROM system_schema.columns WHERE keyspace_name = '{topology.keyspace}'"
    statement = SimpleStatement(cql, consistency_level=DriverLevel.ONE, is_idempotent=True)
    while True:
        try:
            rows = list(session.execute(statement))
        except FAILURES as error:
            raise StoreError(f"system_schema.columns at ONE: {error}") from error
        missing = set(tables) - {row.table_name for row in rows}
        if not missing:
            return {(row.table_name, row.column_name): row.type for row in rows}
        if time.monotonic() > deadline:
            raise StoreError(
                f"a node does not show table {topology.keyspace}.{min(missing)} after {AGREEMENT_S_MAX} s: was it away when the "
                "schema was created?"
            )
        time.sleep(LOOK_EVERY_S)
