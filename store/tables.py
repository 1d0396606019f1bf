"""What a table is: its CQL, the statements that use it, and the bound that its partitions stay under.

Pure declarations. A schema (`store/schemas/`) is a tuple of these tables; adapters turn them into a keyspace.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from store.operations import AnyOperation
from store.roles import TableRole


class CqlType(StrEnum):
    """The column types that schemas use, each with one fixed wire width except lists (fixed once their length is)."""

    BIGINT = "bigint"
    INT = "int"
    SMALLINT = "smallint"
    TINYINT = "tinyint"
    TIMESTAMP = "timestamp"  # int64 milliseconds since the Unix epoch
    BOOLEAN = "boolean"
    TEXT = "text"  # of no fixed width: not for the wire engine's frames
    COUNTER = "counter"
    INT_LIST = "frozen<list<int>>"
    BLOB = "blob"  # of ints, `Bind.item_bytes` each, the highest first
    BIGINT_LIST = "frozen<list<bigint>>"  # of no fixed width: not for the wire engine's frames


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """One `?` of a statement, in the order in which the CQL has them. item_bytes: of each int of a blob, 4 or 2."""

    name: str
    type: CqlType
    item_bytes: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One prepared statement. `partition_key` names the binds that make the routing token, in key order.

    A bind may occur more than once, in a batch for one partition: its value is the same each time.
    """

    operation: AnyOperation
    cql: str  # with {keyspace} to be filled in
    binds: tuple[Bind, ...]
    partition_key: tuple[str, ...]
    is_write: bool
    is_idempotent: bool = True
    is_conditional: bool = False  # a compare-and-set: a time-out is in doubt, and it is never retried
    # The DC in which a compare-and-set must be made: agreements of two DCs at LOCAL_SERIAL don't know of each other. What
    # is of no home is agreed on by all DCs, which takes most replicas of all of them together.
    has_home_dc: bool = True

    def __post_init__(self) -> None:
        assert set(self.partition_key) <= {bind.name for bind in self.binds}, "a part of the key is not bound"
        assert self.cql.count("?") == len(self.binds), f"{self.operation}: {len(self.binds)} binds for: {self.cql}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The most that one partition can hold; limits of the field: 100 MB and 100,000 rows."""

    rows: int
    bytes_max: int

    def __post_init__(self) -> None:
        assert 0 < self.rows <= 100_000, "a partition of more rows than the field's limit"
        assert 0 < self.bytes_max <= 100_000_000, "a partition of more bytes than the field's limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table, the questions it answers, its partition bound, and why it is stored as it is."""

    name: str
    roles: tuple[TableRole, ...]
    serves: str
    create: str
    columns: tuple[Bind, ...]  # as an insert gives them
    partition_key: tuple[str, ...]
    queries: tuple[Statement, ...]
    partition: Bound
    reason: str  # of the compaction and TTL choice
    shard_count: int = 1  # partitions that rows of one key are spread over, by its column `shard`
    bucket_size: int = 1  # consecutive numbers that one partition holds, by its column `bucket`
    entries_max: int | None = None  # of a partition: the store refuses more
    items_max: int | None = None  # that one row tells of, such as the lines of a bill: the store refuses more

    def __post_init__(self) -> None:
        assert self.shard_count >= 1 and self.bucket_size >= 1
        assert self.shard_count == 1 or "shard" in self.partition_key, f"{self.name} is spread by no shard"
        assert self.bucket_size == 1 or "bucket" in self.partition_key, f"{self.name} has no buckets"

    def shard_of(self, number: int) -> int:
        """The shard of what has this number."""
        return number % self.shard_count

    def has_room(self, entry_count: int) -> bool:
        """Does the store take one more entry beside so many of a partition?"""
        return self.entries_max is None or entry_count < self.entries_max

    def has_role(self, *roles: TableRole) -> bool:
        """Does it serve one of these roles?"""
        return not set(roles).isdisjoint(self.roles)

    @property
    def insert(self) -> str:
        names = ", ".join(column.name for column in self.columns)
        return f"INSERT INTO {{keyspace}}.{self.name} ({names}) VALUES ({', '.join('?' * len(self.columns))})"


def kept_s(table: Table) -> int | None:
    """After which its rows are gone [s]; None where they stay."""
    found = re.search(r"default_time_to_live = (\d+)", table.create)
    return int(found.group(1)) if found else None


def primary_key(table: Table) -> tuple[str, ...]:
    """The columns of the whole primary key, the partition's first."""
    found = re.search(r"PRIMARY KEY \(\(([^)]*)\)([^)]*)\)", table.create)
    assert found is not None, f"{table.name} has no PRIMARY KEY ((...) ...)"
    return tuple(re.findall(r"\w+", found.group(1) + found.group(2)))


WRITE_US = Bind(name="write_us", type=CqlType.BIGINT)
"""The explicit write timestamp: the instant that a row is about plus its revision [us]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """A statement that writes, and the tables that it writes a row of each to.

    by_slots: where each half-hour is a row of its own, the statement for a delivery of so many; `statement` is that for one.
    """

    statement: Statement
    tables: tuple[Table, ...]
    by_slots: tuple[tuple[int, Statement], ...] = ()

    def of_slots(self, slot_count: int | None) -> Statement:
        """The statement for a delivery of so many half-hours; `statement` where that makes no difference."""
        return dict(self.by_slots).get(slot_count or 0, self.statement)


def write_of(operation: AnyOperation, *tables: Table) -> Write:
    """A row in one table, or one in each of several with the same partition key.

    Those of several are one unlogged batch for one partition. Cassandra makes it one mutation: written whole or not at all
    on each replica, to one commit log entry, by one message.
    """
    keys = {table.partition_key for table in tables}
    assert len(keys) == 1, f"{operation} would write to several partitions"
    if len(tables) == 1:
        cql, binds = f"{tables[0].insert} USING TIMESTAMP ?", (*tables[0].columns, WRITE_US)
    else:
        cql = f"BEGIN UNLOGGED BATCH USING TIMESTAMP ? {' '.join(f'{table.insert};' for table in tables)} APPLY BATCH"
        binds = (WRITE_US, *(column for table in tables for column in table.columns))
    statement = Statement(operation=operation, cql=cql, binds=binds, partition_key=keys.pop(), is_write=True)
    return Write(statement=statement, tables=tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A named set of tables, in which each operation has at most one statement and each role at most one table."""

    name: str
    version: int  # counts migrations
    tables: tuple[Table, ...]
    writes: tuple[Write, ...]

    def __post_init__(self) -> None:
        served = [statement.operation for statement in self.statements]
        assert len(served) == len(set(served)), f"schema {self.name} serves an operation twice"
        assert {table.name for write in self.writes for table in write.tables} <= {table.name for table in self.tables}
        roles = [role for table in self.tables for role in table.roles]
        assert len(roles) == len(set(roles)), f"schema {self.name} serves a role by two tables"

    @property
    def statements(self) -> tuple[Statement, ...]:
        return (
            *(write.statement for write in self.writes),
            *(query for table in self.tables for query in table.queries),
        )

    def statement(self, operation: AnyOperation, slot_count: int | None = None) -> Statement:
        """The statement of an operation; of one that writes, for a delivery of so many half-hours."""
        for write in self.writes:
            if write.statement.operation is operation:
                return write.of_slots(slot_count)
        return next(statement for statement in self.statements if statement.operation is operation)

    def statements_of(self, operation: AnyOperation) -> tuple[Statement, ...]:
        """Every statement that an operation may be sent as."""
        for write in self.writes:
            if write.statement.operation is operation and write.by_slots:
                return tuple(statement for _, statement in write.by_slots)
        return (self.statement(operation),)

    def find(self, role: TableRole) -> Table | None:
        """The table that serves a role, None when the schema has none."""
        return next((table for table in self.tables if role in table.roles), None)

    def table(self, role: TableRole) -> Table:
        """The table that serves a role. Raises KeyError when the schema has none."""
        table = self.find(role)
        if table is None:
            raise KeyError(f"schema {self.name} has no table for the {role}")
        return table

    def tables_with(self, roles: Iterable[TableRole]) -> tuple[Table, ...]:
        """The tables that serve these roles, as far as the schema has them: each once, in the order of the roles."""
        found = (self.find(role) for role in roles)
        return tuple(dict.fromkeys(table for table in found if table is not None))

    def tables_of(self, operation: AnyOperation) -> tuple[Table, ...]:
        """The tables that an operation writes or asks, the log first."""
        for write in self.writes:
            if write.statement.operation is operation:
                return write.tables
        return tuple(table for table in self.tables if any(query.operation is operation for query in table.queries))

    def only(self, operations: Collection[AnyOperation]) -> "Schema":
        """The part of the schema that serves some operations: their statements, and the tables of these."""
        names = {table.name for operation in operations for table in self.tables_of(operation)}
        return Schema(
            name=self.name,
            version=self.version,
            tables=tuple(table for table in self.tables if table.name in names),
            writes=tuple(write for write in self.writes if write.statement.operation in operations),
        )

    def writers_of(self, table: Table) -> tuple[AnyOperation, ...]:
        """The operations that write rows of a table."""
        return tuple(write.statement.operation for write in self.writes if table in write.tables)
