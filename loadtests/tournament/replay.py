"""What racing would have lost: the rule that leaves designs out, applied to rounds in which all took part to the end. Pure."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from loadtests.stats.e_values import PAIRS_MIN
from loadtests.tournament.ranking import Quantity, left_behind

TRIALS_SHARE = 0.25  # of the exhaustive tournament's, that racing is given


def race_regret(
    goal: Quantity, values: Mapping[str, NDArray[np.float64]], false_alarm: float, share: float = TRIALS_SHARE
) -> float:
    """By how much the one that racing picks is worse than the best of the exhaustive tournament, a share: 0 is the best itself.

    values: by entrant float64[rounds] of the goal, all finite. Racing spends `share` of their trials: in each round one of every
    design that still takes part. It picks the one with the best geometric mean of those that are left.
    """
    rounds = {len(each) for each in values.values()}
    assert len(rounds) == 1, "not all took part to the end"
    budget = share * max(rounds) * len(values)
    active, spent, done = list(values), 0, 0
    seen = {name: np.full(len(each), np.nan) for name, each in values.items()}
    while done < max(rounds) and spent + len(active) <= budget and len(active) > 1:
        for name in active:
            seen[name][done] = values[name][done]
        spent, done = spent + len(active), done + 1
        if done >= PAIRS_MIN:
            behind = left_behind(goal, seen, false_alarm)
            active = [name for name in active if name not in behind]
    turn = 1.0 if goal.more_is_worse else -1.0
    means = {name: turn * float(np.mean(np.log(each))) for name, each in values.items()}
    raced = {name: turn * float(np.mean(np.log(values[name][: max(done, 1)]))) for name in active}
    picked = min(raced, key=lambda name: raced[name])
    return float(np.expm1(means[picked] - min(means.values())))
