"""`meterstorm schemas compare`: which variant of a table design wins, on the identical load?"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from loadtests.cluster.machine import available_memory_mib, fingerprint, processor_count
from loadtests.cluster.sizing import size_nodes
from loadtests.errors import HarnessError
from loadtests.matrix.cells import Room
from loadtests.tournament.bench import GOAL, TournamentEffort, TournamentMeasurements, hold_tournament
from loadtests.tournament.entrants import Entrant, entrants_of
from loadtests.workload.sample import require_late_span
from meterstorm.display.progress import Progress, Silent
from meterstorm.jobs.run_folder import new_folder, write_resolved
from meterstorm.jobs.versions import versions
from meterstorm.outcomes.tournament import (
    doubts_of,
    entrant_results,
    error_result,
    measured_quantities,
    meter_year_of,
    quantity_results,
)
from reports.results.parts import Machine
from reports.results.tournament import LateRanking, PriceListResult, TournamentResults
from reports.tournament.page import write_tournament_report
from scenarios.design_folder import YEARS
from scenarios.server_prices import ServerPrices
from scenarios.spec import Scenario, require_no_faults, require_no_wan
from scenarios.texts.wording import percent
from scenarios.variant_file import PLAIN, AnyVariant
from store.ports import StoreError

ROUNDS_MAX = 30
MINUTES_MAX = 10.0
SECONDS = 1.5
WARM_S = 10.0
FALSE_ALARM = 0.01
WRITTEN_EVERY = 5  # rounds: what a machine that dies leaves

DEFAULT_EFFORT = TournamentEffort(
    rounds_max=ROUNDS_MAX, minutes_max=MINUTES_MAX, seconds=SECONDS, warm_s=WARM_S, false_alarm=FALSE_ALARM
)


def tournament(
    scenario: Scenario,
    variants: Mapping[str, AnyVariant],
    out: Path,
    effort: TournamentEffort = DEFAULT_EFFORT,
    *,
    years: int = YEARS,
    prices: ServerPrices | None = None,
    late: Sequence[float] = (),
    profile_folder: Path | None = None,
    progress: Progress | None = None,
) -> TournamentResults:
    """Measure all entrants in rounds; results.json, report.html and figures/ in the new folder `out`.

    years: for how many of them the partitions of designs with a table of their own must keep to their bound.
    prices: by which it is told what a million meters cost a year. late: shares of late deliveries, a ranking each, on nodes of
    its own; none: all is sent over and over in a drawn order.
    Ctrl-C ends it early: what was measured is written. Raises ScenarioError for what the user can mend, HarnessError or
    StoreError when the machine or a node can't go on before a round was measured.
    """
    require_no_faults(scenario, "a tournament")
    require_no_wan(scenario.topology, "a tournament")
    progress = progress or Silent()
    entrants = entrants_of(scenario, variants, years)
    if late:
        require_late_span(scenario)
    topology = entrants[PLAIN].scenario.topology
    memory_mib = available_memory_mib()
    refusal = Room(processors=processor_count(), memory_mib=memory_mib).refusal(topology.node_count)
    if refusal is not None:
        raise HarnessError(f"this machine can't host the tournament's nodes: {refusal}")
    started, trouble = datetime.now(UTC), list[str]()
    shares: Sequence[float | None] = late or (None,)
    series = [TournamentMeasurements() for _ in shares]
    with new_folder(out) as out:
        write_resolved(scenario, out)

        def results() -> TournamentResults:
            done = _results(scenario, entrants, effort, years, prices, series[0], started, trouble)
            return done.model_copy(
                update={
                    "late": tuple(
                        _late_ranking(share, scenario, entrants, effort, years, prices, measured)
                        for share, measured in zip(late, series, strict=False)
                        if measured.rounds or measured.facts
                    )
                }
            )

        def round_done() -> None:
            if sum(len(each.rounds) for each in series) % WRITTEN_EVERY == 0:
                results().write(out)

        try:
            for share, measured in zip(shares, series, strict=True):
                told = "" if share is None else f", {percent(share)} of the deliveries late"
                progress.phase(f"Measuring {len(entrants)} designs in rounds{told}")
                folder = out if share is None else out / f"late_{share * 100:g}"
                folder.mkdir(exist_ok=True)
                hold_tournament(
                    entrants,
                    effort,
                    folder,
                    measured,
                    progress.detail,
                    round_done,
                    years=years,
                    heap_mib=size_nodes(topology.node_count, memory_mib).heap_mib,
                    clock=time.monotonic,
                    profile_folder=profile_folder,
                    late_share=share,
                )
        except (HarnessError, StoreError) as error:
            if not series[0].rounds:
                raise
            trouble.append(f"It could not go on: {error}.")
        except KeyboardInterrupt:
            if not series[0].rounds:
                raise
            trouble.append("It was interrupted.")
        done = results()
        done.write(out)
    progress.phase("Writing the report")
    write_tournament_report(out)
    return done


def _late_ranking(
    share: float,
    scenario: Scenario,
    entrants: Mapping[str, Entrant],
    effort: TournamentEffort,
    years: int,
    prices: ServerPrices | None,
    measured: TournamentMeasurements,
) -> LateRanking:
    values = measured_quantities(measured, len(scenario.topology.dcs))
    ranked, unbeaten = entrant_results(entrants, measured, values, effort.false_alarm, years=years, prices=prices)
    return LateRanking(
        late_share=share,
        rounds=len(measured.rounds),
        closed_loop=measured.size.count if measured.size else 0,
        rate_per_s=measured.size.rate_per_s if measured.size else 0.0,
        entrants=ranked,
        unbeaten=unbeaten,
        doubts=doubts_of(measured, scenario.run.validity),
    )


def _results(
    scenario: Scenario,
    entrants: Mapping[str, Entrant],
    effort: TournamentEffort,
    years: int,
    prices: ServerPrices | None,
    measured: TournamentMeasurements,
    started: datetime,
    trouble: Sequence[str],
) -> TournamentResults:
    values = measured_quantities(measured, len(scenario.topology.dcs))
    ranked, unbeaten = entrant_results(entrants, measured, values, effort.false_alarm, years=years, prices=prices)
    year = meter_year_of(entrants[PLAIN], measured)
    return TournamentResults(
        scenario=scenario.title,
        seed=scenario.run.seed,
        started=started,
        finished=datetime.now(UTC),
        versions=versions(cassandra=measured.cassandra),
        machine=Machine.model_validate(fingerprint()),
        goal=GOAL.name,
        false_alarm=effort.false_alarm,
        rounds=len(measured.rounds),
        seconds=effort.seconds,
        years=years,
        sample=measured.sample,
        closed_loop=measured.size.count if measured.size else 0,
        rate_per_s=measured.size.rate_per_s if measured.size else 0.0,
        operations_per_meter_year=year.operations,
        writes_per_meter_year=year.writes,
        prices=None if prices is None else PriceListResult.model_validate(prices.model_dump()),
        quantities=quantity_results(values),
        entrants=ranked,
        unbeaten=unbeaten,
        doubts=doubts_of(measured, scenario.run.validity),
        counters=None if measured.counters is None else error_result(measured.counters),
        trouble=tuple(trouble),
    )
