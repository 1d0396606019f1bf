"""Walks of scenarios' estates in virtual time, one a seed: on threads of this process, or on Dask's workers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from meterstorm.outcomes.simulation import results_of
from reports.results.simulation import ReplicationsResult, SimulationResults
from reports.simulation.headlines import Replication, replication_of
from scenarios.spec import Scenario, ScenarioError, with_seed
from sim.estate.model import EstateModel, build_estate
from sim.virtual_time.summary import Simulation, simulate, summarise

Tell = Callable[[float], None]  # told the share done, 0 .. 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Where shards are walked: processes of this machine, or the workers of a Dask scheduler at tls://HOST:PORT."""

    process_count: int = 2
    scheduler: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replications:
    """How often a scenario is simulated, and another one with the same seeds; `against_folder` is that one's file's."""

    count: int
    against: Scenario | None = None
    against_folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A scenario and its estate."""

    scenario: Scenario
    estate: EstateModel


def build(scenario: Scenario, folder: Path | None) -> Built:
    """As `sim.estate.model.build_estate`."""
    return Built(scenario=scenario, estate=build_estate(scenario, folder=folder))


def walk(built: Built, by: Workers | int, tell: Tell, checkpoint: Path | None = None) -> Simulation:
    """Walk an estate by that many threads, kept in `checkpoint`, or by workers, who keep nothing."""
    scenario, estate = built.scenario, built.estate
    if isinstance(by, int):
        return simulate(scenario, estate=estate, thread_count=by, progress=tell, checkpoint=checkpoint)
    from meterstorm.jobs.dask_walk import walk_on_workers  # Dask takes a second to load

    tallies = walk_on_workers(estate, scenario, process_count=by.process_count, scheduler=by.scheduler, progress=tell)
    return summarise(scenario, estate, tallies)


def replicate(
    first: SimulationResults, built: Built, against: Built | None, seeds: Sequence[int], by: Workers | int, tell: Tell
) -> ReplicationsResult:
    """Walk a scenario, whose replication with the first seed is done, with the others, and `against` with all."""
    from reports.simulation.replications import replications_of  # SciPy's distributions take two seconds to load

    plan = [(built, seed) for seed in seeds[1:]]
    if against is not None:
        plan += [(against, seed) for seed in seeds]
    done = [replication_of(first)]
    for number, (each, seed) in enumerate(plan):
        done.append(_replication(each, seed, by, part(tell, number, number + 1, len(plan))))
    return replications_of(done[: len(seeds)], done[len(seeds) :] if against is not None else None)


def part(tell: Tell, first: int, end: int, count: int) -> Tell:
    """Tells of the whole how far its parts first .. end - 1 of `count` equal ones are."""
    return lambda share: tell((first + share * (end - first)) / count)


def _replication(built: Built, seed: int, by: Workers | int, tell: Tell) -> Replication:
    scenario = with_seed(built.scenario, seed)
    estate = build_estate(scenario, built.estate.profile)  # a profile has no seed
    return replication_of(results_of(scenario, walk(Built(scenario=scenario, estate=estate), by, tell)))


REPLICATIONS_MAX = 1_000
SEED_COUNT = 2**32


def replication_seeds(scenario: Scenario, count: int) -> tuple[int, ...]:
    """The scenario's seed and the `count` - 1 numbers after it: each replication can be had alone with --seed.

    A seed is the key of the draws, so neighbours are as independent as any two. After 2^32 - 1 comes 0.
    Raises ScenarioError for a count that has no interval or is too large.
    """
    if not 2 <= count <= REPLICATIONS_MAX:
        raise ScenarioError(
            f"--replications {count}: give 2 to {REPLICATIONS_MAX:,}; an interval needs two or more, and ten or more to be of use"
        )
    return tuple((scenario.run.seed + number) % SEED_COUNT for number in range(count))
