"""Racing on rounds that were all measured: it picks the best where a quarter of them shows it, and its loss is told where not."""

import numpy as np
import pytest

from loadtests.tournament.ranking import Quantity
from loadtests.tournament.replay import race_regret

GOAL = Quantity(name="server CPU", unit="µs/operation")
RATE = Quantity(name="throughput", unit="operations/s", more_is_worse=False)


def values_of(costs: dict[str, float], rounds: int = 40) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    noise = np.exp(random.normal(0, 0.3, rounds))  # of the round, which all have in common
    return {name: cost * noise * np.exp(random.normal(0, 0.02, rounds)) for name, cost in costs.items()}


def test_a_clear_best_is_found_in_a_quarter_of_the_trials() -> None:
    assert race_regret(GOAL, values_of({"a": 1.3, "b": 1.0, "c": 2.0}), 0.01) == 0
    assert race_regret(RATE, values_of({"a": 1.3, "b": 1.0, "c": 2.0}), 0.01) == 0


def test_what_only_later_rounds_show_is_its_regret() -> None:
    early, late = np.full(10, 1.0), np.full(30, 1.1)
    values = {"a": np.concatenate([early, late]), "b": np.full(40, 1.05)}
    # of the first ten rounds a is the better; over all of them b is, by 1.1^(3/4) / 1.05
    assert race_regret(GOAL, values, 0.01) == pytest.approx(1.1**0.75 / 1.05 - 1)


def test_one_alone_has_nothing_to_regret() -> None:
    assert race_regret(GOAL, {"a": np.full(8, 2.0)}, 0.01) == 0
