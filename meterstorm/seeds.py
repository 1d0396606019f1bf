"""Which seed a scenario is simulated with, and those of its replications."""

from scenarios.spec import Scenario, ScenarioError

REPLICATIONS_MAX = 1_000
SEED_COUNT = 2**32


def with_seed(scenario: Scenario, seed: int) -> Scenario:
    """The scenario with another seed."""
    return scenario.model_copy(update={"run": scenario.run.model_copy(update={"seed": seed})})


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
