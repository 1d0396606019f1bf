"""The cells of one group on one cluster: loaded, measured block by block, and asked once more while nodes are down."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from loadtests.matrix.cells import Cell, Group, block_order, scenario_of
from loadtests.matrix.outage import OutageEffect, outages_of, suffer
from loadtests.matrix.trial import CellLoad, Trial, send, trial
from loadtests.monitoring.node_counters import FLUSH_MS, NodeCounters
from loadtests.monitoring.staleness import TABLE, Prober
from loadtests.sender.ring import ring_of_metadata
from loadtests.workload.operations import lanes_of
from loadtests.workload.poisson_source import SteadySource
from loadtests.workload.sample import sample_of
from scenarios.operations import operations_of
from scenarios.spec import Scenario
from sim.estate.model import EstateModel, build_estate
from store.cassandra import create_schema, one_after_the_other, prepare
from store.schemas import SCHEMAS

LOAD_S_MAX = 600.0
LOAD_PASSES_MAX = 3
LOAD_IN_FLIGHT = 32  # few: the nodes are cold
FLUSHES_WAITED = 3
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCell:
    """What a cell's tables hold once every operation of the sample was sent once. disk_bytes: on all nodes, flushed."""

    cell: Cell
    operations: int
    writes: int
    disk_bytes: int


@dataclass(slots=True, kw_only=True)
class MatrixMeasurements:
    """What was measured so far, of all groups; added to as it comes, so that an interrupt loses no more than one trial."""

    loaded: list[LoadedCell] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    outages: list[OutageEffect] = field(default_factory=list)
    nodes_per_dc: dict[int, int] = field(default_factory=dict)  # by number of DCs
    cassandra: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the matrix is measured: `repeats` blocks, in each trial `seconds` of each loop, the open one at `rate_per_s`."""

    repeats: int
    seconds: float
    rate_per_s: float
    schema: str
    heap_mib: int


def measure_group(
    group: Group,
    scenario: Scenario,
    folder: Path,
    settings: Settings,
    measured: MatrixMeasurements,
    progress: Progress,
    profile_folder: Path | None = None,
) -> None:
    """Start the group's cluster in `folder`, measure its cells into `measured`, and stop it, however this ends.

    Raises HarnessError, or StoreError, when the machine or a node can't go on.
    """
    schema = SCHEMAS[settings.schema]
    reads = [one for one in operations_of(scenario) if not schema.statement(one).is_write]
    scenarios = {cell: scenario_of(scenario, group, cell, reads) for cell in group.cells}
    topology = next(iter(scenarios.values())).topology
    estate = build_estate(scenarios[group.cells[0]], folder=profile_folder)
    measured.nodes_per_dc[group.dcs] = group.nodes_per_dc
    with ExitStack() as cleanup:
        cluster = cleanup.enter_context(LocalCluster.start(topology, folder, progress, heap_mib=settings.heap_mib))
        measured.cassandra = cluster.record.cassandra
        loads = _make_loads(cluster, scenarios, estate, settings.schema, progress)
        with NodeCounters(cluster) as counters:
            _load(loads, counters, measured, progress)
            _measure_all(cluster, group, loads, counters, settings, scenario.run.seed, measured, progress)
        for down, names in outages_of(group, cluster.nodes).items():
            progress(f"stopping {', '.join(names)} for real: what is refused then?")
            measured.outages += suffer(cluster, list(loads.values()), down, names)


def _make_loads(
    cluster: LocalCluster, scenarios: dict[Cell, Scenario], estate: EstateModel, schema_name: str, progress: Progress
) -> dict[Cell, CellLoad]:
    """A keyspace for each cell, and its operations, encoded."""
    loads = {}
    driver, session = connect(cluster.endpoint())
    try:
        for cell, scenario in scenarios.items():
            progress(f"making the tables of {cell.name}")
            keyspace, consistency = scenario.topology.keyspace, scenario.topology.consistency
            operations = operations_of(scenario)
            schema = SCHEMAS[schema_name].only(operations)
            create_schema(session, schema, scenario.topology, estate.calendar)
            with one_after_the_other(session) as ddl:
                ddl(TABLE.format(keyspace=keyspace))
            ids = {
                operation: prepare(session, schema.statement(operation), keyspace, consistency.of(operation)).query_id
                for operation in operations
            }
            loads[cell] = CellLoad(
                cell=cell,
                scenario=scenario,
                sample=sample_of(scenario, estate, schema_name, ids),
                lanes=tuple(lane.operation for lane in lanes_of(scenario)),
                written_tables=tuple(
                    f"{keyspace}.{name}"
                    for name in dict.fromkeys(table.name for one in schema.writes for table in one.tables)
                ),
                writes=frozenset(one for one in operations if schema.statement(one).is_write),
                statements=tuple(schema.statement(operation).cql.format(keyspace=keyspace) for operation in operations),
                ring=ring_of_metadata(driver.metadata, keyspace, [dc.name for dc in scenario.topology.dcs]),
            )
    finally:
        driver.shutdown()
    return loads


def _load(
    loads: dict[Cell, CellLoad], counters: NodeCounters, measured: MatrixMeasurements, progress: Progress
) -> None:
    """Send the whole sample to each cell once: reads then find rows, the nodes are warm, and bytes on disk can be told."""
    for load in loads.values():
        progress(f"loading {load.cell.name} with {len(load.sample):,} operations")
        _load_one(load)
    counters.settle()
    with _flushed(loads, counters):
        for load in loads.values():
            measured.loaded.append(
                LoadedCell(
                    cell=load.cell,
                    operations=len(load.sample),
                    writes=load.write_count,
                    disk_bytes=counters.disk_bytes(load.scenario.topology.keyspace),
                )
            )


def _load_one(load: CellLoad) -> None:
    """Until a pass is acknowledged as a whole: cold nodes on a busy machine let some writes time out, and a second pass
    writes the same rows. Raises HarnessError when they never take all of it."""
    count = len(load.sample)
    for _ in range(LOAD_PASSES_MAX):
        source = SteadySource(load.sample, first=0, count=count)
        report = send(load, source, closed_for_s=LOAD_S_MAX, in_flight=LOAD_IN_FLIGHT)
        if report.ok == count:
            return
    kinds = ", ".join(f"{error.count:,} {error.kind}" for error in report.errors if error.outcome is not None)
    raise HarnessError(
        f"{load.cell.name} could not be loaded: {report.ok:,} of {count:,} operations were acknowledged ({kinds}); close "
        "other programs, or ask for fewer DCs or a lower replication factor"
    )


@contextmanager
def _flushed(loads: dict[Cell, CellLoad], counters: NodeCounters) -> Iterator[None]:
    """Everything on disk, and left to Cassandra again afterwards."""
    tables = [table for load in loads.values() for table in load.written_tables]
    counters.flush(tables, FLUSH_MS)
    counters.wait_quiet_disks(
        [load.scenario.topology.keyspace for load in loads.values()], FLUSH_MS / 1e3 * FLUSHES_WAITED
    )
    yield
    counters.flush(tables, 0)


def _measure_all(
    cluster: LocalCluster,
    group: Group,
    loads: dict[Cell, CellLoad],
    counters: NodeCounters,
    settings: Settings,
    seed: int,
    measured: MatrixMeasurements,
    progress: Progress,
) -> None:
    """Every block; one connection pair of each cell for its staleness."""
    with ExitStack() as cleanup:
        probers: dict[Cell, Prober | None] = dict.fromkeys(loads)
        if group.dcs > 1:
            for cell, load in loads.items():
                writer, *_, reader = (cluster.endpoint(dc.name) for dc in load.scenario.topology.dcs)
                probers[cell] = prober = Prober(
                    load.scenario.topology.keyspace,
                    cell.level,
                    (writer.contact_points[0], writer.port),
                    (reader.contact_points[0], reader.port),
                )
                cleanup.callback(prober.close)
        for repeat in range(settings.repeats):
            for cell in block_order(group, repeat, seed):
                progress(f"block {repeat + 1} of {settings.repeats}: {cell.name}")
                measured.trials.append(
                    trial(
                        loads[cell],
                        counters,
                        probers[cell],
                        repeat=repeat,
                        seconds=settings.seconds,
                        rate_per_s=settings.rate_per_s,
                    )
                )
