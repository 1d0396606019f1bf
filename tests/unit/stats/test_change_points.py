"""Change points by hand: steps that are there, spikes that are none, intervals worked from all orders of a few values."""

import numpy as np
import pytest

from loadtests.stats.change_points import (
    RECENT,
    RUNS_MAX,
    change_points,
    earliest_seen,
    level_shift,
    runs_needed,
    smallest_step,
    spread_of,
)
from loadtests.stats.estimates import Floats

SEED = 7


def level(runs: int, at: float) -> Floats:
    """Runs that sway about a level by a hundredth of it, in an order without a trend."""
    return at * (1 + 0.01 * np.resize([0.3, -0.8, 0.1, 0.9, -0.2, -0.6, 0.7, -0.4, 0.0], runs))


def found(values: Floats, error: float = 0.01) -> list[int]:
    return [each.index for each in change_points(values, error=error, seed=SEED)]


def test_a_step_is_found_at_its_first_run() -> None:
    assert found(np.concatenate([level(20, 10.0), level(10, 11.0)])) == [20]


def test_each_of_several_levels_is_found() -> None:
    assert found(np.concatenate([level(20, 10.0), level(20, 12.0), level(20, 9.0)])) == [20, 40]


@pytest.mark.parametrize("at", [0, 11, 12, 27, 28, 29])
def test_a_spike_is_no_change_however_high(at: int) -> None:
    values = level(30, 10.0)
    values[at] *= 1_000
    assert found(values) == []


def test_two_spikes_in_a_row_at_the_end_are_no_change() -> None:
    values = level(100, 10.0)
    values[-2:] *= 1_000
    assert found(values) == []


def test_a_step_is_found_beside_spikes_that_would_drown_a_mean() -> None:
    values = np.concatenate([level(20, 10.0), level(20, 11.0)])
    values[[3, 30]] *= 1_000
    assert found(values) == [20]


def test_nothing_is_found_in_one_level_and_in_equal_values() -> None:
    assert found(level(60, 10.0)) == [] and found(np.full(60, 3.0)) == []


def test_only_the_order_of_values_counts() -> None:
    values = np.concatenate([level(20, 10.0), level(12, 10.4)])
    assert found(np.exp(values)) == found(values) != []


def test_what_went_up_and_down_long_ago_does_not_hide_what_is_new() -> None:
    swings = np.concatenate([level(12, at) for at in (10.0, 11.0, 10.0, 11.0, 10.0, 11.0, 10.0)])
    values = np.concatenate([swings, level(20, 10.0), level(8, 11.0)])
    assert len(values) - RECENT < len(values) - 8 and len(values) - 8 in found(values)


def test_runs_that_depend_on_each_other_count_for_fewer() -> None:
    """A walk without a step: as many independent runs in this order would be a change by far."""
    walk = np.concatenate([np.linspace(0.0, 1.0, 12), np.linspace(1.0, 0.0, 12)])
    rising_in_bits = np.concatenate([level(12, 10.0), level(12, 11.0)])
    assert found(walk) == [] and found(rising_in_bits) == [12]


def test_the_shift_between_two_levels_with_its_exact_interval() -> None:
    """Of the 20 orders of three and three values one is as extreme at each end: 1 - 2/20."""
    shift = level_shift(np.array([1.0, 2.0, 3.0]), np.array([11.0, 12.0, 13.0]))
    assert (shift.mean, shift.low, shift.high, shift.count) == (10.0, 8.0, 12.0, 3)
    assert shift.confidence == pytest.approx(0.9)


def test_a_shift_of_more_runs_leaves_its_extreme_differences_out() -> None:
    """Of the 252 orders of five and five, 1 + 1 + 2 have a rank sum of 2 or less beyond the least: 1 - 8/252 of confidence."""
    shift = level_shift(np.arange(5.0), np.arange(5.0) + 10)
    differences = sorted(10 + after - before for after in range(5) for before in range(5))
    assert (shift.low, shift.high) == (differences[2], differences[-3])
    assert shift.confidence == pytest.approx(1 - 8 / 252)


def test_how_many_runs_it_takes_to_see_anything() -> None:
    """Four of twelve are the slowest by chance once in 495; three of them once in 220, which over all places is too often."""
    assert earliest_seen(12, 0.01) == 4
    assert earliest_seen(5, 0.01) is None
    needed = runs_needed(0.01)
    assert earliest_seen(needed, 0.01) is not None and earliest_seen(needed - 1, 0.01) is None


def test_a_step_lasts_as_long_as_is_said_before_it_is_seen() -> None:
    """However large it is; of runs that swing to and fro, so that none seems to depend on the one before."""
    seen = earliest_seen(30, 0.01)
    assert seen is not None
    swinging = 10 + np.resize([1, -1], 30) * (1 + np.arange(30) / 100)
    swinging[-seen - 1 : -seen + 1] = 10.0, 10.1  # neither among the highest of their level
    assert found(swinging + np.where(np.arange(30) < 30 - seen, 0, 99)) == [30 - seen]
    assert found(swinging + np.where(np.arange(30) < 31 - seen, 0, 99)) == []


def test_the_smallest_step_shrinks_with_runs_and_grows_with_noise() -> None:
    few, more = smallest_step(1.0, 40, 5, 0.01), smallest_step(1.0, 40, 20, 0.01)
    assert more < few
    assert smallest_step(3.0, 40, 5, 0.01) == pytest.approx(3 * few)


def test_a_spread_knows_no_spike_and_no_step() -> None:
    values = np.concatenate([np.resize([0.0, 1.0, 2.0], 30), np.resize([10.0, 11.0, 12.0], 30)])
    values[5] = 1e6
    assert spread_of(values, [30]) == pytest.approx(1 / 0.6745, rel=1e-3)


def test_series_that_are_no_such_are_refused() -> None:
    for values in (np.zeros(RUNS_MAX + 1), np.array([1.0, np.nan, 2.0])):
        with pytest.raises(AssertionError):
            change_points(values, error=0.01, seed=SEED)
