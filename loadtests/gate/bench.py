"""Both sides on warm nodes of this machine: made, filled, held against each other, measured, stopped, however it ends."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cassandra.cluster import Cluster, Session

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.sizing import size_nodes
from loadtests.gate.exact import ExactCounter, countable, counters_of, request_counts, touched
from loadtests.gate.failures import failures_of
from loadtests.gate.judgement import GateJudgement, judge
from loadtests.gate.metrics import Lanes, Measures, PairValues, groups_of, measures_of, series_of, values_of
from loadtests.gate.pairs import Pair, measure
from loadtests.gate.sides import GateSide, SideName, shares_nodes, with_keyspace
from loadtests.gate.traced_reads import read_by_operation
from loadtests.monitoring.node_counters import NodeCounters
from loadtests.trials.dead_nodes import dead_nodes_named
from loadtests.trials.facts import TableDifference, compare_facts
from loadtests.trials.load import SampleLoad, fill, make_load
from loadtests.trials.turn import Bench, TrialSize, trial_size, warm
from scenarios.gate_file import GateSettings
from sim.estate.model import build_estate

METRICS_OF_PAIRS = 3  # the first ones say which metrics there is enough of
Progress = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class GateMeasurements:
    """What was measured so far; added to as it comes, so that an interrupt loses no more than one pair."""

    cassandra: str = ""
    shares_nodes: bool = True
    size: TrialSize | None = None
    groups: Mapping[str, Lanes] = field(default_factory=dict)
    measures: Measures = field(default_factory=dict)
    values: list[PairValues] = field(default_factory=list)  # of the pairs, in their order
    pairs: list[Pair] = field(default_factory=list)
    judgement: GateJudgement | None = None
    facts: tuple[TableDifference, ...] = ()
    facts_at: str = ""  # when they were compared last
    counters: tuple[ExactCounter, ...] = ()
    sample: int = 0

    @property
    def altered(self) -> tuple[TableDifference, ...]:
        """Tables in which the sides differ."""
        return tuple(each for each in self.facts if not each.is_same)


def measure_sides(
    sides: Mapping[SideName, GateSide],
    settings: GateSettings,
    folder: Path,
    measured: GateMeasurements,
    progress: Progress,
    looked: Callable[[GateJudgement, int], None],
    *,
    memory_mib: int,
    clock: Callable[[], float],
    profile_folder: Path | None = None,
) -> None:
    """Measure until the gate knows, or its effort is spent. looked: told of each look at the pairs, and how many there are.

    Facts that differ after the filling end it at once. clock: seconds, of the effort. Raises HarnessError, or StoreError, when
    the machine or a node can't go on.
    """
    sides = {name: with_keyspace(side) for name, side in sides.items()}
    seed = sides[SideName.BASELINE].scenario.run.seed
    with ExitStack() as cleanup:
        benches = _benches(sides, folder, measured, progress, cleanup, memory_mib, profile_folder)
        cleanup.enter_context(dead_nodes_named(lambda: [bench.cluster for bench in benches.values()], folder))
        before = {name: touched(bench.cluster, bench.load.keyspace) for name, bench in benches.items()}
        was_sent_once = True
        for name, bench in benches.items():
            progress(f"filling the {name} with {len(bench.load.sample):,} operations")
            was_sent_once &= fill(bench.load)
            bench.counters.settle()
        measured.sample = len(benches[SideName.BASELINE].load.sample)
        replicas = (_replicas(benches[SideName.BASELINE]), _replicas(benches[SideName.CANDIDATE]))
        counted = _count(benches, before)
        were_traced = True
        if max(replicas) == 1:  # else it is chance which replicas are asked, and for what
            progress("tracing some reads of both sides")
            traces = {name: read_by_operation(bench.cluster, bench.load) for name, bench in benches.items()}
            were_traced = all(each.are_whole for each in traces.values())
            counted += counters_of(traces[SideName.BASELINE].counts, traces[SideName.CANDIDATE].counts)
        measured.counters = countable(counted, replicas, was_sent_once=was_sent_once, were_traced=were_traced)
        _compare(benches, measured, "after the filling", progress)
        if measured.altered:
            return
        rates = warm(benches, settings.effort.warm_s, progress)
        measured.size = trial_size(rates, settings.effort.seconds, settings.effort.rate_per_s)
        ends = clock() + settings.effort.minutes_max * 60

        def is_enough(pairs: list[Pair]) -> bool:
            is_last = len(pairs) >= settings.effort.pairs_max or clock() >= ends
            judgement = look(measured, settings, benches[SideName.BASELINE].load, is_last=is_last)
            if judgement is None:
                return False
            looked(judgement, len(pairs))
            return judgement.is_final

        measure(benches, measured.size, seed, is_enough, measured.pairs)
        _compare(benches, measured, "after the last pair", progress)


def look(
    measured: GateMeasurements, settings: GateSettings, load: SampleLoad, *, is_last: bool
) -> GateJudgement | None:
    """Judge all pairs so far; None while there are too few to say which metrics there are. load: a side's, for its operations."""
    pairs = measured.pairs
    if len(pairs) < METRICS_OF_PAIRS:
        return None
    if not measured.measures:
        measured.groups = groups_of(load.lanes, load.writes, pairs)
        measured.measures = measures_of(settings, measured.groups, pairs, len(load.scenario.topology.dcs))
    measured.values += [values_of(measured.measures, pair) for pair in pairs[len(measured.values) :]]
    measured.judgement = judge(
        series_of(measured.measures, measured.values),
        settings,
        is_last=is_last,
        failures=failures_of(pairs, settings.errors.failed_share_max),
    )
    return measured.judgement


def _benches(
    sides: Mapping[SideName, GateSide],
    folder: Path,
    measured: GateMeasurements,
    progress: Progress,
    cleanup: ExitStack,
    memory_mib: int,
    profile_folder: Path | None,
) -> dict[SideName, Bench]:
    """One cluster for both sides where they can share it, else one each; a keyspace each, with the sample encoded."""
    topologies = {name: side.scenario.topology for name, side in sides.items()}
    measured.shares_nodes = shares_nodes(*topologies.values())
    node_count = sum(topology.node_count for topology in topologies.values())
    heap_mib = size_nodes(node_count // 2 if measured.shares_nodes else node_count, memory_mib).heap_mib
    estate = build_estate(sides[SideName.BASELINE].scenario, folder=profile_folder)
    benches: dict[SideName, Bench] = {}
    cluster: LocalCluster | None = None
    for name, side in sides.items():
        if cluster is None or not measured.shares_nodes:
            of = "both sides" if measured.shares_nodes else f"the {name}"
            progress(f"starting the nodes of {of}")
            place = folder / ("cluster" if measured.shares_nodes else f"cluster-{name}")
            cluster = cleanup.enter_context(
                LocalCluster.start(side.scenario.topology, place, progress, heap_mib=heap_mib, is_throwaway=True)
            )
            counters = cleanup.enter_context(NodeCounters(cluster))
        measured.cassandra = cluster.record.cassandra
        progress(f"making the tables of the {name}")
        with _connected(cluster) as (driver, session):
            load: SampleLoad = make_load(driver, session, f"the {name}", side.scenario, estate)
        benches[name] = Bench(cluster=cluster, counters=counters, load=load)
    return benches


@contextmanager
def _connected(cluster: LocalCluster) -> Iterator[tuple[Cluster, Session]]:
    driver, session = connect(cluster.endpoint())
    try:
        yield driver, session
    finally:
        driver.shutdown()


def _count(
    benches: Mapping[SideName, Bench], before: Mapping[SideName, Mapping[tuple[str, str], int]]
) -> tuple[ExactCounter, ...]:
    counted = {}
    for name, bench in benches.items():
        since = {
            key: count - before[name].get(key, 0) for key, count in touched(bench.cluster, bench.load.keyspace).items()
        }
        counted[name] = {**request_counts(bench.load), **since}
    return counters_of(counted[SideName.BASELINE], counted[SideName.CANDIDATE])


def _replicas(bench: Bench) -> int:
    """Of a row, in all data centres."""
    return sum(dc.rf for dc in bench.load.scenario.topology.dcs)


def _compare(benches: Mapping[SideName, Bench], measured: GateMeasurements, when: str, progress: Progress) -> None:
    progress(f"comparing the facts of both sides {when}")
    for bench in benches.values():
        bench.counters.settle()
    baseline, candidate = benches[SideName.BASELINE], benches[SideName.CANDIDATE]
    measured.facts = compare_facts((baseline.cluster, baseline.load), (candidate.cluster, candidate.load))
    measured.facts_at = when
