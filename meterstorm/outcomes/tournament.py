"""From what was measured of a tournament to `results.json`. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from loadtests.tournament.bench import (
    BETWEEN_DCS,
    GOAL,
    LoadedEntrant,
    TournamentMeasurements,
    quantities_of,
    values_of,
)
from loadtests.tournament.buckets import next_bucket, quantile_bytes
from loadtests.tournament.costs import MeterYear, YearlyCost, meter_year, yearly_cost
from loadtests.tournament.entrants import Entrant
from loadtests.tournament.growth import PartitionGrowth
from loadtests.tournament.ranking import Contest, Quantity, Values, contests, dominated_by, unbeaten
from loadtests.tournament.rebuild import Rebuild
from loadtests.tournament.usage_answers import AggregateError
from loadtests.trials.turn import LoadTrial
from meterstorm.outcomes.gate import facts_of
from reports.results.matrix import figure_of
from reports.results.tournament import (
    AggregateResult,
    BucketResult,
    DesignComparison,
    DesignCost,
    EntrantResult,
    GrowthResult,
    MeasuredPartition,
    QuantityResult,
    ReadingCost,
    RebuildResult,
    TableReads,
)
from scenarios.domain import Operation
from scenarios.server_prices import ServerPrices
from scenarios.spec import Validity
from scenarios.texts.wording import counted, milliseconds, percent
from scenarios.variant_file import PLAIN
from store.roles import TableRole

DOUBTFUL_TRIALS_MAX = 0.25  # of an entrant's trials that a late generator may have spoilt
FAILED_SHARE_MAX = 0.01


def measured_quantities(measured: TournamentMeasurements, dc_count: int) -> dict[Quantity, Values]:
    """Every quantity of every entrant that took part in a round; empty when none did."""
    if not measured.rounds:
        return {}
    names = [name for name in measured.loaded if any(name in each for each in measured.rounds)]
    return {
        quantity: {name: values_of(measured, name, of) for name in names}
        for quantity, of in quantities_of(measured, dc_count).items()
    }


def entrant_results(
    entrants: Mapping[str, Entrant],
    measured: TournamentMeasurements,
    values: Mapping[Quantity, Values],
    false_alarm: float,
    *,
    years: int,
    prices: ServerPrices | None = None,
) -> tuple[tuple[EntrantResult, ...], tuple[str, ...]]:
    """Every entrant, best first by the goal, those that were not measured last; and the names of the unbeaten.

    years: that partitions were projected to. prices: by which costs are told; None: none are.
    """
    held = contests(values, false_alarm)
    racing = list(values.get(GOAL, {}))
    dominators = dominated_by(held, racing)
    found = [
        _entrant(entrant, measured, values, held, dominators.get(name, ())).model_copy(
            update={"partition": measured_partition(measured.growth.get(name, ()), years)}
        )
        for name, entrant in entrants.items()
    ]
    if prices is not None:
        year = meter_year_of(entrants[PLAIN], measured)
        found = [each.model_copy(update={"cost": cost_of(each, prices, year)}) for each in found]
    ranked = sorted(found, key=lambda each: each.figures[GOAL.name].mean if GOAL.name in each.figures else np.inf)
    return tuple(ranked), unbeaten(held, GOAL, [each.name for each in ranked if each.name in racing])


def _entrant(
    entrant: Entrant,
    measured: TournamentMeasurements,
    values: Mapping[Quantity, Values],
    held: Sequence[Contest],
    dominators: tuple[str, ...],
) -> EntrantResult:
    name = entrant.name
    figures = {}
    for quantity, of_entrants in values.items():
        figure = figure_of([float(each) for each in of_entrants.get(name, ()) if np.isfinite(each)])
        if figure is not None:
            figures[quantity.name] = figure
    loaded = measured.loaded.get(name)
    partition = entrant.schema.table(TableRole.INTERVALS).partition
    return EntrantResult(
        name=name,
        title=entrant.title,
        question=entrant.question,
        alterations=entrant.changes,
        schema_name=entrant.schema.name,
        partition_rows_max=partition.rows,
        partition_bytes_max=partition.bytes_max,
        reads=table_reads(entrant, measured),
        rounds=sum(name in each for each in measured.rounds),
        figures=figures,
        disk_bytes_per_write=_disk(loaded),
        aggregates=aggregate_result(entrant, measured),
        rebuild=rebuild_result(measured.rebuilds.get(name)),
        reading=reading_cost(name, measured, has_wan=BETWEEN_DCS in values),
        facts=tuple(facts_of(each) for each in measured.facts.get(name, ())),
        is_disqualified=name in measured.disqualified,
        left_out_after=measured.left_out_after.get(name),
        dominated_by=dominators,
        comparisons=tuple(comparison_of(contest, name) for contest in held if name in (contest.first, contest.second)),
    )


def measured_partition(growths: Sequence[PartitionGrowth], years: int) -> MeasuredPartition | None:
    """What partitions of half-hours come to; None where none was measured."""
    if not growths:
        return None
    bucket = next_bucket(growths, years)
    return MeasuredPartition(
        growth=tuple(GrowthResult(**asdict(each)) for each in growths),
        rows_max=max(each.whole_rows for each in growths),
        bytes_max=max(each.whole_bytes for each in growths),
        bytes_p99=quantile_bytes(growths, 0.99),
        next_bucket=None if bucket is None else BucketResult(**asdict(bucket)),
    )


def table_reads(entrant: Entrant, measured: TournamentMeasurements) -> tuple[TableReads, ...]:
    """What reads of its tables looked at, of tables that a query of the scenario asks."""
    asked = set(measured.lanes) - measured.writes
    found = []
    for table in entrant.schema.tables:
        work = measured.reads.get(entrant.name, {}).get(table.name)
        operations = tuple(str(each.operation) for each in table.queries if each.operation in asked)
        if work is not None and operations:
            found.append(TableReads(table=table.name, operations=operations, **asdict(work)))
    return tuple(found)


def meter_year_of(plain: Entrant, measured: TournamentMeasurements) -> MeterYear:
    """What the scenario sends for one of its meters in a year."""
    loaded = measured.loaded.get(PLAIN)
    write_share = loaded.writes / measured.sample if loaded is not None and measured.sample else 0.0
    return meter_year(measured.operations_a_day, write_share, plain.scenario.estate.meter_count)


def cost_of(entrant: EntrantResult, prices: ServerPrices, year: MeterYear) -> DesignCost | None:
    """What a million meters cost a year with this design; None of one that was not measured."""
    cpu, disk = entrant.figures.get(GOAL.name), entrant.disk_bytes_per_write
    if cpu is None or disk is None:
        return None
    wan = entrant.figures.get(BETWEEN_DCS.name)

    def at(cpu_us: float) -> YearlyCost:
        return yearly_cost(
            prices,
            year,
            cpu_us_per_operation=max(cpu_us, 0.0),
            disk_bytes_per_write=disk,
            wan_bytes_per_operation=0.0 if wan is None else wan.mean,
        )

    mean = at(cpu.mean)
    return DesignCost(
        processor=mean.processor,
        disk=mean.disk,
        network=mean.network,
        total=mean.total,
        low=None if cpu.low is None else at(cpu.low).total,
        high=None if cpu.high is None else at(cpu.high).total,
    )


def aggregate_result(entrant: Entrant, measured: TournamentMeasurements) -> AggregateResult | None:
    """Of a design that leaves the view of days alone it is the plain design's, whose rows it has."""
    own = entrant.design is not None and Operation.READ_USAGE_MONTH in entrant.answers
    error = measured.aggregates.get(entrant.name if own else PLAIN)
    if error is None or (not own and entrant.name in measured.disqualified):
        return None
    return error_result(error)


def error_result(error: AggregateError) -> AggregateResult:
    """As results have it."""
    return AggregateResult(
        days=error.days, wrong_days=error.wrong_days, off_share=error.off_wh / max(error.total_wh, 1)
    )


def rebuild_result(done: Rebuild | None) -> RebuildResult | None:
    """None where nothing was folded."""
    per_s = None if done is None else figure_of(done.per_s)
    return (
        None
        if done is None or per_s is None
        else RebuildResult(readings=done.readings, rows=done.rows, readings_per_s=per_s)
    )


def reading_cost(name: str, measured: TournamentMeasurements, *, has_wan: bool) -> ReadingCost | None:
    """By the half-hours that each round's closed loop delivered, and by those that are stored."""
    trials = [each[name] for each in measured.rounds if name in each and each[name].readings_per_operation > 0]
    loaded = measured.loaded.get(name)
    stored = None if loaded is None or not loaded.readings else loaded.disk_bytes / loaded.readings
    if not trials and stored is None:
        return None
    return ReadingCost(
        cpu_us=figure_of([each.cpu_us_per_operation / each.readings_per_operation for each in trials]),
        disk_bytes=stored,
        wan_bytes=figure_of([each.wan_bytes_per_operation / each.readings_per_operation for each in trials])
        if has_wan
        else None,
    )


def _disk(loaded: LoadedEntrant | None) -> float | None:
    return loaded.disk_bytes / loaded.writes if loaded is not None and loaded.writes else None


def comparison_of(contest: Contest, name: str) -> DesignComparison:
    """A contest as one of its two sees it: positive where that one is worse."""
    turn = 1.0 if name == contest.second else -1.0
    low, high = sorted((turn * contest.low, turn * contest.high))
    is_bounded = bool(np.isfinite(low) and np.isfinite(high))
    return DesignComparison(
        against=contest.first if name == contest.second else contest.second,
        quantity=contest.quantity.name,
        rounds=contest.rounds,
        change=float(np.expm1(turn * contest.mean)),
        low=float(np.expm1(low)) if is_bounded else None,
        high=float(np.expm1(min(high, 20.0))) if is_bounded else None,
        evidence=contest.log_e / float(np.log(10)),
        resolved=contest.winner is not None,
    )


def quantity_results(values: Mapping[Quantity, Values]) -> tuple[QuantityResult, ...]:
    """The quantities as results have them."""
    return tuple(QuantityResult(name=each.name, unit=each.unit, more_is_worse=each.more_is_worse) for each in values)


def doubts_of(measured: TournamentMeasurements, validity: Validity) -> tuple[str, ...]:
    """Sentences about a generator that was late or at its limit, and operations that failed, by entrant."""
    return tuple(
        doubt
        for name in measured.loaded
        for doubt in _doubts(name, [each[name] for each in measured.rounds if name in each], validity)
    )


def _doubts(name: str, trials: Sequence[LoadTrial], validity: Validity) -> list[str]:
    if not trials:
        return []
    told = []
    late = sum(each.late_p99_ms > validity.late_p99_ms_max for each in trials)
    stalled = sum(each.stalled_share > validity.stalled_share_max for each in trials)
    for count, what in (
        (late, f"was late (p99 over {milliseconds(validity.late_p99_ms_max)})"),
        (stalled, f"stood still for over {percent(validity.stalled_share_max)} of the time"),
    ):
        if count > DOUBTFUL_TRIALS_MAX * len(trials):
            told.append(
                f"{name}: the load generator {what} in {count} of {counted(len(trials), 'trial')}: give it a freer machine"
            )
    offered, ok = sum(each.offered for each in trials), sum(each.ok for each in trials)
    if offered - ok > FAILED_SHARE_MAX * offered:
        kinds = sorted({kind for each in trials for kind in each.errors})
        told.append(
            f"{name}: {percent((offered - ok) / offered)} of its operations were not acknowledged ({', '.join(kinds)}): its "
            "figures are of the rest"
        )
    share = float(np.median([each.cpu_share for each in trials]))
    if share > validity.cpu_share_max:
        told.append(f"{name}: the sender took {percent(share)} of a core: the throughput may be its own")
    return told
