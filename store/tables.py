"""What a table is: its CQL, the statements that use it, and the bound that its partitions stay under.

Pure declarations. A schema (`store/schemas/`) is a tuple of these tables; adapters turn them into a keyspace.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from scenarios.domain import Operation


class CqlType(StrEnum):
    """The column types that schemas use, each with one fixed wire width except lists (fixed once their length is)."""

    BIGINT = "bigint"
    INT = "int"
    SMALLINT = "smallint"
    TINYINT = "tinyint"
    TIMESTAMP = "timestamp"  # int64 milliseconds since the Unix epoch
    INT_LIST = "frozen<list<int>>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """One `?` of a statement, in the order in which the CQL has them."""

    name: str
    type: CqlType


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One prepared statement. `partition_key` names the binds that make the routing token, in key order."""

    operation: Operation
    cql: str  # with {keyspace} to be filled in
    binds: tuple[Bind, ...]
    partition_key: tuple[str, ...]
    is_write: bool
    is_idempotent: bool = True


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
    serves: str
    create: str
    statements: Mapping[Operation, Statement]
    partition: Bound
    reason: str  # of the compaction and TTL choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """A named set of tables, in which each operation has exactly one statement."""

    name: str
    tables: tuple[Table, ...]

    def __post_init__(self) -> None:
        served = [operation for table in self.tables for operation in table.statements]
        assert len(served) == len(set(served)), f"schema {self.name} serves an operation twice"

    def statement(self, operation: Operation) -> Statement:
        return next(table.statements[operation] for table in self.tables if operation in table.statements)

    def table_of(self, operation: Operation) -> Table:
        return next(table for table in self.tables if operation in table.statements)
