"""All entrants on the same warm nodes: made, filled, held against each other, measured in rounds, stopped, however it ends."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from cassandra.cluster import Cluster, Session
from numpy.typing import NDArray

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.monitoring.node_counters import FLUSH_MS, NodeCounters, ReadWork
from loadtests.recording.histograms import percentiles_us
from loadtests.stats.e_values import PAIRS_MIN
from loadtests.tournament.answers import prove_answers
from loadtests.tournament.counted_days import counter_error
from loadtests.tournament.entrants import Entrant, round_order
from loadtests.tournament.growing_tables import GrowingTable, measured_growth, write_growing
from loadtests.tournament.growth import PartitionGrowth
from loadtests.tournament.ranking import Quantity, left_behind
from loadtests.tournament.rebuild import Rebuild, rebuild
from loadtests.tournament.usage_answers import AggregateError, prove_usage
from loadtests.trials.dead_nodes import dead_nodes_named
from loadtests.trials.facts import TableDifference, compare_facts
from loadtests.trials.load import SampleLoad, fill, make_load, part_of, touch
from loadtests.trials.turn import Bench, LoadTrial, TrialSize, fitted, take_turns, trial_size, warm
from loadtests.workload.sample import operations_a_day
from scenarios.domain import Operation
from scenarios.spec import ScenarioError
from scenarios.variant_file import PLAIN
from sim.estate.model import EstateModel, build_estate
from store.cassandra.keyspace import REFUSALS
from store.ports import StoreError

QUIET_S = 2.2 * FLUSH_MS / 1e3  # two flushes that wrote nothing
FULL_ROUNDS = PAIRS_MIN  # in which all take part, before any may be left out
FILLED_PART = 4  # of what comes in its order, one in so many fills the tables before the rounds
WARMED_WITH = 2_000  # operations, the last of these
BEYOND_MIN = 3  # responses of every trial beyond a quantile, or it is none
GOAL = Quantity(name="server CPU", unit="µs/operation")
BETWEEN_DCS = Quantity(name="between DCs", unit="bytes/operation")
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TournamentEffort:
    """How much is measured at most. seconds: of each loop of a trial; warm_s: of each entrant, before the first round."""

    rounds_max: int
    minutes_max: float
    seconds: float
    warm_s: float
    false_alarm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedEntrant:
    """What its tables hold once the sample was sent, flushed and compacted. readings: each once; disk_bytes: on all nodes."""

    writes: int
    readings: int
    disk_bytes: int


@dataclass(slots=True, kw_only=True)
class TournamentMeasurements:
    """What was measured so far; added to as it comes, so that an interrupt loses no more than one round."""

    cassandra: str = ""
    sample: int = 0
    operations_a_day: float = 0.0  # of all meters of the scenario
    lanes: tuple[Operation, ...] = ()
    writes: frozenset[Operation] = frozenset()
    size: TrialSize | None = None
    facts: dict[str, tuple[TableDifference, ...]] = field(default_factory=dict)
    loaded: dict[str, LoadedEntrant] = field(default_factory=dict)
    growth: dict[str, tuple[PartitionGrowth, ...]] = field(default_factory=dict)
    counters: AggregateError | None = None  # what counters of days would be off by
    rebuilds: dict[str, Rebuild] = field(default_factory=dict)
    aggregates: dict[str, AggregateError] = field(default_factory=dict)  # of those that answer about days by themselves
    reads: dict[str, Mapping[str, ReadWork]] = field(default_factory=dict)  # by entrant and table, after its last round
    rounds: list[Mapping[str, LoadTrial]] = field(default_factory=list)
    left_out_after: dict[str, int] = field(default_factory=dict)  # rounds

    @property
    def disqualified(self) -> tuple[str, ...]:
        """Entrants whose tables do not hold what the plain design's hold, or that answer wrongly."""
        return tuple(name for name, facts in self.facts.items() if not all(each.is_same for each in facts))


def hold_tournament(
    entrants: Mapping[str, Entrant],
    effort: TournamentEffort,
    folder: Path,
    measured: TournamentMeasurements,
    progress: Progress,
    round_done: Callable[[], None],
    *,
    years: int,
    heap_mib: int,
    clock: Callable[[], float],
    profile_folder: Path | None = None,
    late_share: float | None = None,
) -> None:
    """Measure until one entrant is left, or the effort is spent. round_done: told after each round. clock: seconds.

    years: that partitions without a bucket are projected to.
    late_share: of deliveries. Then all comes in its order and once, first what the tables are filled with, then the rounds; None:
    over and over in a drawn order.

    An entrant that does not hold the same facts takes part in no round. Raises HarnessError, StoreError or ScenarioError when
    the machine, a node or a variant can't go on.
    """
    scenario = entrants[PLAIN].scenario
    estate = build_estate(scenario, folder=profile_folder)
    with ExitStack() as cleanup:
        progress(f"starting {scenario.topology.node_count} nodes, which all share")
        cluster = cleanup.enter_context(
            LocalCluster.start(scenario.topology, folder / "cluster", progress, heap_mib=heap_mib, is_throwaway=True)
        )
        cleanup.enter_context(dead_nodes_named(lambda: [cluster], folder))
        measured.cassandra = cluster.record.cassandra
        counters = cleanup.enter_context(NodeCounters(cluster))
        benches: dict[str, Bench] = {}
        driver, session = connect(cluster.endpoint())
        try:
            for name, entrant in entrants.items():
                progress(f"making the tables of {name}")
                load = load_of(entrant, driver, session, estate, late_share)
                benches[name] = Bench(cluster=cluster, counters=counters, load=load)
            growing = write_growing(entrants, session, estate, years, progress)
        finally:
            driver.shutdown()
        raced = benches
        if late_share is not None:
            benches, raced = _parted(benches)
        plain = benches[PLAIN].load
        measured.sample, measured.lanes, measured.writes = len(plain.sample), plain.lanes, plain.writes
        measured.operations_a_day = operations_a_day(estate)
        fill_all = _fill if late_share is None else _fill_in_order
        fill_all(benches, growing, counters, measured, progress)
        for name, bench in benches.items():
            progress(f"proving what {name} holds")
            is_rebuilt = late_share is None  # else what is written again would be late
            measured.facts[name] = _proven(entrants[name], bench, benches[PLAIN], estate, measured, is_rebuilt)
        active = [name for name in benches if name not in measured.disqualified]
        if len(active) < 2:
            return
        # of what is in order only the last goes round: older rows would be late ones
        warming = benches if late_share is None else {name: _lately(bench) for name, bench in benches.items()}
        rates = warm({name: warming[name] for name in active}, effort.warm_s, progress)
        measured.size = trial_size(rates, effort.seconds, None)
        if late_share is not None:
            measured.size = fitted(measured.size, len(raced[PLAIN].load.sample), effort.rounds_max)
        rounds_max = rounds_within(effort, measured.size, len(raced[PLAIN].load.sample))
        ends = clock() + effort.minutes_max * 60
        while len(active) > 1 and len(measured.rounds) < rounds_max and clock() < ends:
            number = len(measured.rounds)
            order = round_order(active, number, scenario.run.seed)
            measured.rounds.append(take_turns(raced, order, measured.size, number, scenario.run.seed, quiet_s=QUIET_S))
            _note_reads(raced, active, counters, measured)
            active = _still_racing(active, measured, effort, progress)
            round_done()


def _parted(benches: Mapping[str, Bench]) -> tuple[dict[str, Bench], dict[str, Bench]]:
    """What the tables are filled with, and what the rounds go on with."""
    filled, raced = {}, {}
    for name, bench in benches.items():
        count = len(bench.load.sample)
        filled[name] = replace(bench, load=part_of(bench.load, 0, count // FILLED_PART))
        raced[name] = replace(bench, load=part_of(bench.load, count // FILLED_PART, count))
    return filled, raced


def _lately(bench: Bench) -> Bench:
    return replace(bench, load=part_of(bench.load, -WARMED_WITH, len(bench.load.sample)))


def rounds_within(effort: TournamentEffort, size: TrialSize, operations: int) -> int:
    """Where no operation is sent twice, they may be spent before the effort is. Raises ScenarioError for too few of them."""
    if not size.is_once:
        return effort.rounds_max
    rounds = min(effort.rounds_max, operations // size.of_trial)
    if rounds < FULL_ROUNDS:
        raise ScenarioError(
            f"the scenario has {operations:,} operations for its rounds, and a round sends {size.of_trial:,} of them once: "
            f"too few for {FULL_ROUNDS} rounds; give it more homes or days"
        )
    return rounds


def load_of(
    entrant: Entrant, driver: Cluster, session: Session, estate: EstateModel, late_share: float | None = None
) -> SampleLoad:
    """Its tables, made, and its sample. Raises ScenarioError with the node's words for CQL of a design that it refuses."""
    try:
        return make_load(
            driver, session, entrant.name, entrant.scenario, estate, design=entrant.schema, late_share=late_share
        )
    except (*REFUSALS, StoreError) as error:
        cause = error if isinstance(error, REFUSALS) else error.__cause__
        if entrant.design is None or not isinstance(cause, REFUSALS):
            raise
        raise ScenarioError(f"variant {entrant.name}: Cassandra refuses its CQL: {cause}") from error


def _proven(
    entrant: Entrant,
    bench: Bench,
    plain: Bench,
    estate: EstateModel,
    measured: TournamentMeasurements,
    is_rebuilt: bool,
) -> tuple[TableDifference, ...]:
    """Answers against the seed, of the plain design and of those with tables of their own; rows of all other tables against the
    plain design's."""
    if is_rebuilt:
        measured.rebuilds[entrant.name] = rebuild(bench, entrant, estate)
    facts: tuple[TableDifference, ...] = ()
    if bench is not plain:
        replaced = () if entrant.design is None else entrant.design.replaced
        facts = compare_facts((plain.cluster, plain.load), (bench.cluster, bench.load), without=replaced)
    if bench is plain:
        measured.counters = counter_error(bench.load, estate)
    if bench is plain or entrant.design is not None:
        answers = entrant.answers
        facts += prove_answers(bench.cluster, bench.load, entrant.schema, answers[Operation.READ_INTERVALS_DAY], estate)
        if Operation.READ_USAGE_MONTH in answers:
            of_usage, measured.aggregates[entrant.name] = prove_usage(
                bench.cluster, bench.load, entrant.schema, answers[Operation.READ_USAGE_MONTH], estate
            )
            facts += of_usage
    return facts


def _note_reads(
    benches: Mapping[str, Bench], active: Sequence[str], counters: NodeCounters, measured: TournamentMeasurements
) -> None:
    work = counters.read_work()
    for name in active:
        keyspace = benches[name].load.keyspace
        measured.reads[name] = {table: each for (of, table), each in work.items() if of == keyspace}


def _fill(
    benches: Mapping[str, Bench],
    growing: Sequence[GrowingTable],
    counters: NodeCounters,
    measured: TournamentMeasurements,
    progress: Progress,
) -> None:
    """Send each the whole sample, and wait until all is flushed and compacted into one file a table.

    From then on tables are flushed each second, and compacted as each design has it.
    """
    tables = [table for bench in benches.values() for table in bench.load.written_tables]
    keyspaces = [bench.load.keyspace for bench in benches.values()]
    for name, bench in benches.items():
        progress(f"filling {name} with {len(bench.load.sample):,} operations")
        fill(bench.load)
    counters.settle()
    counters.flush([each.qualified for each in growing], FLUSH_MS)
    progress("compacting what they hold")
    with counters.compacting_all(tables):
        counters.wait_quiet_disks([*keyspaces, *(each.keyspace for each in growing)], QUIET_S)
        progress("reading the sizes of partitions")
        measured.growth = measured_growth(growing, next(iter(benches.values())).cluster)
        for bench in benches.values():
            touch(bench.load)
        counters.wait_quiet_disks(keyspaces, QUIET_S)
    for name, bench in benches.items():
        measured.loaded[name] = _loaded(bench)


def _fill_in_order(
    benches: Mapping[str, Bench],
    growing: Sequence[GrowingTable],
    counters: NodeCounters,
    measured: TournamentMeasurements,
    progress: Progress,
) -> None:
    """Send each its part of the sample while tables are flushed each second, and wait until all is compacted as it has it."""
    for name, bench in benches.items():
        counters.flush(bench.load.written_tables, FLUSH_MS)
        progress(f"filling {name} with {len(bench.load.sample):,} operations in their order")
        fill(bench.load)
    counters.settle()
    counters.flush([each.qualified for each in growing], FLUSH_MS)
    keyspaces = [bench.load.keyspace for bench in benches.values()]
    progress("waiting for what they compact")
    counters.wait_quiet_disks([*keyspaces, *(each.keyspace for each in growing)], QUIET_S)
    measured.growth = measured_growth(growing, next(iter(benches.values())).cluster)
    for name, bench in benches.items():
        measured.loaded[name] = _loaded(bench)


def _loaded(bench: Bench) -> LoadedEntrant:
    return LoadedEntrant(
        writes=bench.load.write_count,
        readings=bench.load.stored_readings,
        disk_bytes=bench.counters.disk_bytes(bench.load.keyspace),
    )


def _still_racing(
    active: Sequence[str], measured: TournamentMeasurements, effort: TournamentEffort, progress: Progress
) -> list[str]:
    """Who takes part in the next round: not who is shown to be behind in the goal."""
    done = len(measured.rounds)
    behind: frozenset[str] = frozenset()
    if done >= FULL_ROUNDS:
        values = {name: values_of(measured, name, _cpu_us) for name in measured.rounds[0]}
        behind = left_behind(GOAL, values, effort.false_alarm)
    for name in sorted(behind.intersection(active)):
        measured.left_out_after[name] = done
        progress(f"round {done}: {name} is shown to cost the nodes more, and takes part no longer")
    left = [name for name in active if name not in behind]
    progress(f"round {done} of at most {effort.rounds_max}: {len(left)} of {len(measured.rounds[0])} still race")
    return left


def values_of(measured: TournamentMeasurements, name: str, of: Callable[[LoadTrial], float]) -> NDArray[np.float64]:
    """A quantity of an entrant in every round: float64[rounds], NaN where it did not take part."""
    trials = [each.get(name) for each in measured.rounds]
    return np.array([np.nan if trial is None else of(trial) for trial in trials], np.float64)


def _cpu_us(trial: LoadTrial) -> float:
    return trial.cpu_us_per_operation


def quantities_of(measured: TournamentMeasurements, dc_count: int) -> dict[Quantity, Callable[[LoadTrial], float]]:
    """What every trial has enough responses for; the goal first."""
    found: dict[Quantity, Callable[[LoadTrial], float]] = {
        GOAL: _cpu_us,
        Quantity(name="throughput", unit="operations/s", more_is_worse=False): lambda trial: trial.throughput_per_s,
    }
    if dc_count > 1:
        found[BETWEEN_DCS] = lambda trial: trial.wan_bytes_per_operation
    trials = [trial for each in measured.rounds for trial in each.values()]
    is_write = np.array([lane in measured.writes for lane in measured.lanes])
    groups = {"writes": np.flatnonzero(is_write)} | {
        str(measured.lanes[int(lane)]): np.array([lane]) for lane in np.flatnonzero(~is_write)
    }
    for name, lanes in groups.items():
        fewest = min((int(trial.response[lanes].sum()) for trial in trials), default=0)
        for quantile in (50.0, 99.0):
            if fewest * (100 - quantile) / 100 >= BEYOND_MIN:
                found[Quantity(name=f"{name} p{quantile:g}", unit="ms")] = _quantile_ms(lanes, quantile)
    return found


def _quantile_ms(lanes: NDArray[np.intp], quantile: float) -> Callable[[LoadTrial], float]:
    return lambda trial: float(percentiles_us(trial.response[lanes].sum(axis=0), quantile)) / 1_000
