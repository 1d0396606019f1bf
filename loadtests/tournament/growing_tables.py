"""Tables in which partitions grow to three sizes on real nodes: made, written, and read off their files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cassandra.cluster import Session
from cassandra.concurrent import execute_concurrent_with_args

from loadtests.cluster.local import LocalCluster
from loadtests.cluster.partition_sizes import stored_partitions
from loadtests.errors import HarnessError
from loadtests.tournament.entrants import Entrant
from loadtests.tournament.growth import GrowthPlan, PartitionGrowth, growth_of, growth_plans
from scenarios.variant_file import PLAIN
from sim.estate.model import EstateModel
from store.cassandra import one_after_the_other
from store.cassandra.session import FAILURES
from store.designs.checks import WriteText
from store.ports import StoreError
from store.roles import TableRole
from store.tables import Table

IN_FLIGHT = 64
AGREEMENT_S_MAX = 60
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowingTable:
    """Rows of whole partitions that were written. entrants: whose table it is; that of others may be the same."""

    keyspace: str
    table: Table
    entrants: list[str]
    plans: tuple[GrowthPlan, ...]

    @property
    def qualified(self) -> str:
        """The table's name with its keyspace."""
        return f"{self.keyspace}.{self.table.name}"


def write_growing(
    entrants: Mapping[str, Entrant], session: Session, estate: EstateModel, years: int, progress: Progress
) -> list[GrowingTable]:
    """Write what partitions are measured by, once for each table of half-hours that holds it otherwise. Raises StoreError."""
    found: dict[str, GrowingTable] = {}
    for name, entrant in entrants.items():
        table = entrant.schema.table(TableRole.INTERVALS)
        held = f"{table.create} {entrant.write.cql}"
        if held in found:
            found[held].entrants.append(name)
            continue
        plans = growth_plans(entrant, estate, years)
        found[held] = GrowingTable(keyspace=f"partitions_{name}", table=table, entrants=[name], plans=plans)
    growing = list(found.values())
    progress("writing partitions of three sizes")
    _make_tables(
        session, {each.keyspace: each.table for each in growing}, entrants[PLAIN].scenario.topology.dcs[0].name
    )
    for each in growing:
        _write(session, each.keyspace, entrants[each.entrants[0]].write, each.plans)
    return growing


def measured_growth(growing: Sequence[GrowingTable], cluster: LocalCluster) -> dict[str, tuple[PartitionGrowth, ...]]:
    """By entrant, from the bytes of what was written, which must be flushed. Raises HarnessError."""
    found: dict[str, tuple[PartitionGrowth, ...]] = {}
    stored = stored_partitions(cluster, [each.keyspace for each in growing])
    for each in growing:
        sizes: dict[str, int] = {}
        for partition in stored:
            if (partition.keyspace, partition.table) == (each.keyspace, each.table.name):
                sizes[partition.key] = sizes.get(partition.key, 0) + partition.size_bytes
        try:
            growth = tuple(growth_of(plan, sizes) for plan in each.plans)
        except KeyError as error:
            raise HarnessError(f"partition {error} of {each.qualified} is in none of its files") from error
        found |= dict.fromkeys(each.entrants, growth)
    return found


def _make_tables(session: Session, tables: Mapping[str, Table], dc: str) -> None:
    """Make a keyspace of one replica in one DC for each table, by the keyspace's name. Raises StoreError."""
    with one_after_the_other(session) as ddl:
        for keyspace, table in tables.items():
            ddl(f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', '{dc}': 1}}")
            ddl(table.create.format(keyspace=keyspace))
    if not session.cluster.control_connection.wait_for_schema_agreement(wait_time=AGREEMENT_S_MAX):
        raise StoreError(
            f"the nodes don't agree on the tables that partitions are measured in after {AGREEMENT_S_MAX} s"
        )
    session.cluster.refresh_schema_metadata()


def _write(session: Session, keyspace: str, write: WriteText, plans: Sequence[GrowthPlan]) -> None:
    """Write the plans' rows to the table of a keyspace. Raises StoreError when a node does not take them."""
    try:
        prepared = session.prepare(f"{write.cql.format(keyspace=keyspace)} USING TIMESTAMP ?")
        rows = [row for plan in plans for each in plan.partitions for row in each.rows]
        execute_concurrent_with_args(session, prepared, rows, concurrency=IN_FLIGHT)
    except FAILURES as error:
        raise StoreError(f"rows of whole partitions could not be written to {keyspace}: {error}") from error
