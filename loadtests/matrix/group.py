"""The cells of one group on one cluster: loaded, measured block by block, and asked once more while nodes are down."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.matrix.cells import Cell, Group, block_order, scenario_of
from loadtests.matrix.outage import OutageEffect, outages_of, set_apart, suffer
from loadtests.matrix.trial import Trial, trial
from loadtests.monitoring.node_counters import FLUSH_MS, NodeCounters
from loadtests.monitoring.staleness import TABLE, Prober
from loadtests.sites.cost import NetworkCost
from loadtests.trials.load import SampleLoad, fill, make_load
from scenarios.operations import operations_of
from scenarios.spec import Scenario
from sim.estate.model import EstateModel, build_estate
from store.schemas import SCHEMAS

FLUSHES_WAITED = 3
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedCell:
    """What a cell's tables hold once every operation of the sample was sent once. disk_bytes: on all nodes, flushed.

    cell: at no distance in particular, as it shares its tables with itself at others.
    """

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
    network_cost: NetworkCost | None = None  # of the emulated WAN, before the last cluster was started


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
    scenarios = {cell: scenario_of(scenario, group, cell, reads) for cell in group.stored}
    topology = next(iter(scenarios.values())).topology
    estate = build_estate(scenarios[group.stored[0]], folder=profile_folder)
    measured.nodes_per_dc[group.dcs] = group.nodes_per_dc
    with ExitStack() as cleanup:
        cluster = cleanup.enter_context(LocalCluster.start(topology, folder, progress, heap_mib=settings.heap_mib))
        measured.cassandra, measured.network_cost = cluster.record.cassandra, cluster.network_cost
        nearest_ms = min((cell.wan_ms for cell in group.cells if cell.wan_ms is not None), default=None)
        set_apart(cluster, nearest_ms)  # to load tables takes least there
        loads = _make_loads(cluster, scenarios, estate, progress)
        with NodeCounters(cluster) as counters:
            _load(loads, counters, measured, progress)
            _measure_all(cluster, group, loads, counters, settings, scenario.run.seed, measured, progress)
        for down, names in outages_of(group, cluster.nodes).items():
            progress(f"stopping {', '.join(names)} for real: what is refused then?")
            measured.outages += suffer(cluster, group, loads, down, names)


def _make_loads(
    cluster: LocalCluster, scenarios: dict[Cell, Scenario], estate: EstateModel, progress: Progress
) -> dict[Cell, SampleLoad]:
    """A keyspace for each cell, and its operations, encoded."""
    loads = {}
    driver, session = connect(cluster.endpoint())
    try:
        for cell, scenario in scenarios.items():
            progress(f"making the tables of {cell.name}")
            loads[cell] = make_load(driver, session, cell.name, scenario, estate, beside=[TABLE])
    finally:
        driver.shutdown()
    return loads


def _load(
    loads: dict[Cell, SampleLoad], counters: NodeCounters, measured: MatrixMeasurements, progress: Progress
) -> None:
    """Send the whole sample to each cell once: reads then find rows, the nodes are warm, and bytes on disk can be told."""
    for load in loads.values():
        progress(f"loading {load.name} with {len(load.sample):,} operations")
        fill(load)
    counters.settle()
    with _flushed(loads, counters):
        for cell, load in loads.items():
            measured.loaded.append(
                LoadedCell(
                    cell=cell,
                    operations=len(load.sample),
                    writes=load.write_count,
                    disk_bytes=counters.disk_bytes(load.scenario.topology.keyspace),
                )
            )


@contextmanager
def _flushed(loads: dict[Cell, SampleLoad], counters: NodeCounters) -> Iterator[None]:
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
    loads: dict[Cell, SampleLoad],
    counters: NodeCounters,
    settings: Settings,
    seed: int,
    measured: MatrixMeasurements,
    progress: Progress,
) -> None:
    """Every block; one connection pair of each cell for its staleness."""
    with ExitStack() as cleanup:
        probers: dict[Cell, Prober | None] = dict.fromkeys(loads)
        numbers = itertools.count()  # of trials: rows that an earlier one has probed are there
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
                set_apart(cluster, cell.wan_ms)
                measured.trials.append(
                    trial(
                        cell,
                        loads[cell.stored],
                        counters,
                        probers[cell.stored],
                        number=next(numbers),
                        repeat=repeat,
                        seconds=settings.seconds,
                        rate_per_s=settings.rate_per_s,
                    )
                )
