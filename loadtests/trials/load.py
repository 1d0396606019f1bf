"""A keyspace with the tables of a scenario, and the sample of its operations, encoded for it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from cassandra.cluster import Cluster, Session
from numpy.typing import NDArray

from loadtests.errors import HarnessError
from loadtests.sender.block import OperationBlock
from loadtests.sender.ring import RingTable, ring_of_metadata
from loadtests.trials.sending import send
from loadtests.workload.operations import lanes_of
from loadtests.workload.poisson_source import SteadySource
from loadtests.workload.sample import ordered_sample_of, sample_of
from scenarios.domain import Operation
from scenarios.operations import operations_of
from scenarios.spec import Scenario
from sim.estate.model import EstateModel
from store.cassandra import alter_tables, create_schema, one_after_the_other, prepare
from store.schemas import SCHEMAS
from store.tables import Schema, Table

FILL_S_MAX = 600.0
FILL_PASSES_MAX = 3
FILL_IN_FLIGHT = 32  # few: the nodes are cold
TOUCHED = 100  # writes of each kind, so that each node that holds a table has some of it


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleLoad:
    """All that it takes to send a sample. lanes: the operation of each index that the sample's rows hold."""

    name: str  # in sentences
    scenario: Scenario
    sample: OperationBlock
    lanes: tuple[Operation, ...]
    writes: frozenset[Operation]
    written: tuple[Table, ...]
    statements: tuple[str, ...]
    ring: RingTable

    @property
    def keyspace(self) -> str:
        return self.scenario.topology.keyspace

    @property
    def written_tables(self) -> tuple[str, ...]:
        """Keyspace-qualified names."""
        return tuple(f"{self.keyspace}.{table.name}" for table in self.written)

    def readings_in(self, first: int, count: int) -> int:
        """Half-hours of deliveries among `count` operations of the sample from `first` on, over and over."""
        whole, rest = divmod(count, len(self.sample))
        ends = np.concatenate([[0], np.cumsum(np.where(self._is_delivery, self.sample.rows["slot_count"], 0))])
        first %= len(self.sample)
        before = first + rest
        within = ends[min(before, len(self.sample))] - ends[first] + ends[max(before - len(self.sample), 0)]
        return int(whole * ends[-1] + within)

    @property
    def stored_readings(self) -> int:
        """Half-hours that its deliveries leave, each once."""
        rows = self.sample.rows[self._is_delivery]
        runs = np.unique(np.stack([rows["meter"], rows["first_slot"], rows["slot_count"]]), axis=1)
        return int(runs[2].sum())

    @property
    def _is_delivery(self) -> NDArray[np.bool_]:
        lanes = [index for index, each in enumerate(self.lanes) if each is Operation.INGEST_READING]
        found: NDArray[np.bool_] = np.isin(self.sample.rows["operation"], lanes)
        return found

    @property
    def write_count(self) -> int:
        """Writes among the sample's operations."""
        is_write = np.array([operation in self.writes for operation in self.lanes])
        return int(is_write[self.sample.rows["operation"]].sum())


def make_load(
    driver: Cluster,
    session: Session,
    name: str,
    scenario: Scenario,
    estate: EstateModel,
    *,
    design: Schema | None = None,
    beside: Sequence[str] = (),
    late_share: float | None = None,
) -> SampleLoad:
    """Make the scenario's keyspace with the tables that its operations touch, and encode the sample for it.

    design: instead of the scenario's schema. beside: CREATE statements of further tables, with {keyspace}.
    late_share: of deliveries, with all in the order in which they come; None: in a drawn order.
    Raises StoreError when a node refuses one of them.
    """
    keyspace, consistency = scenario.topology.keyspace, scenario.topology.consistency
    operations = operations_of(scenario)
    whole = design or SCHEMAS[scenario.store.schema_name]
    schema = whole.only(operations)
    create_schema(session, schema, scenario.topology, estate.calendar)
    alter_tables(session, scenario.store.alterations, schema, keyspace)
    with one_after_the_other(session) as ddl:
        for statement in beside:
            ddl(statement.format(keyspace=keyspace))
    ids = {
        statement.cql: prepare(session, statement, keyspace, consistency.of(operation)).query_id
        for operation in operations
        for statement in schema.statements_of(operation)
    }
    return SampleLoad(
        name=name,
        scenario=scenario,
        sample=sample_of(scenario, estate, schema, ids)
        if late_share is None
        else ordered_sample_of(scenario, estate, schema, ids, late_share),
        lanes=tuple(lane.operation for lane in lanes_of(scenario)),
        writes=frozenset(one for one in operations if schema.statement(one).is_write),
        written=tuple({table.name: table for one in schema.writes for table in one.tables}.values()),
        statements=tuple(cql.format(keyspace=keyspace) for cql in ids),
        ring=ring_of_metadata(driver.metadata, keyspace, [dc.name for dc in scenario.topology.dcs]),
    )


def part_of(load: SampleLoad, first: int, before: int) -> SampleLoad:
    """Operations `first` to `before` of its sample, the last one not with them."""
    sample = OperationBlock(rows=load.sample.rows[first:before], frames=load.sample.frames)
    return dataclasses.replace(load, sample=sample)


def touch(load: SampleLoad) -> None:
    """Send some writes of each kind again: the next flush of each table then has something to write. Raises HarnessError."""
    is_write = np.array([operation in load.writes for operation in load.lanes])
    operations = load.sample.rows["operation"]
    chosen = [np.flatnonzero(operations == lane)[:TOUCHED] for lane in np.flatnonzero(is_write)]
    rows = load.sample.rows[np.concatenate(chosen)]
    fill(dataclasses.replace(load, sample=OperationBlock(rows=rows, frames=load.sample.frames)))


def fill(load: SampleLoad) -> bool:
    """Send the whole sample until a pass is acknowledged as a whole: reads then find rows.

    Cold nodes on a busy machine let some writes time out, and a second pass writes the same rows. Returns whether each
    operation was sent just once. Raises HarnessError when they never take all of it.
    """
    count = len(load.sample)
    for number in range(FILL_PASSES_MAX):
        source = SteadySource(load.sample, first=0, count=count)
        report = send(load, source, closed_for_s=FILL_S_MAX, in_flight=FILL_IN_FLIGHT)
        if report.ok == count:
            return number == 0 and report.retries == 0
    kinds = ", ".join(f"{error.count:,} {error.kind}" for error in report.errors if error.outcome is not None)
    raise HarnessError(
        f"{load.name} could not be loaded: {report.ok:,} of {count:,} operations were acknowledged ({kinds}); close "
        "other programs, or ask for fewer DCs or a lower replication factor"
    )
