"""What rounds say: who is better than whom in which quantity, who is left behind, and who is as good as any. Pure.

Rules that hold here:
- Two entrants are held against each other by the logarithms of their ratio, a value a round: what a round has in common (a busy
  neighbour, a warmer machine) cancels.
- A difference is *claimed* when its evidence, adjusted, reaches 1 / false_alarm; at any look. Half of that error is for the goal,
  adjusted for all pairs of entrants that ever raced, the other half for all other quantities together: who is left behind while
  rounds go on is so at the end too. What is not claimed is not resolved, however far apart the means lie.
- An entrant *dominates* another when it is shown to be better in something, and the other in nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from loadtests.stats.e_values import PAIRS_MIN, closed, confidence_sequence, log_e_value

Floats = NDArray[np.float64]

GOAL_SHARE = 0.5  # of the error


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """Something that is measured of every entrant in every round. more_is_worse: False of throughput."""

    name: str
    unit: str
    more_is_worse: bool = True


Values = Mapping[str, Floats]
"""By entrant float64[rounds]; NaN in the rounds in which it did not take part, or had no such value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Two entrants in one quantity. mean, low, high: logarithm of second over first, positive where the second is worse."""

    quantity: Quantity
    first: str
    second: str
    rounds: int
    mean: float
    low: float
    high: float
    log_e: float  # adjusted, so that it is claimed at 1 / false_alarm
    winner: str | None  # None: not resolved


def contests(measured: Mapping[Quantity, Values], false_alarm: float) -> tuple[Contest, ...]:
    """Every pair of entrants in every quantity, the goal first; any claim among them all is wrong at the rate `false_alarm`."""
    quantities = list(measured)  # none before a first round
    held: list[Contest] = []
    for share, family in ((GOAL_SHARE, quantities[:1]), (1 - GOAL_SHARE, quantities[1:])):
        asked = [
            (quantity, first, second, log_ratios(measured[quantity][first], measured[quantity][second], quantity))
            for quantity in family
            for first, second in combinations(measured[quantity], 2)
        ]
        adjusted = closed([log_e_value(observed) if len(observed) >= PAIRS_MIN else 0.0 for *_, observed in asked])
        held += [
            _contest(quantity, first, second, observed, log_e, false_alarm, share)
            for (quantity, first, second, observed), log_e in zip(asked, adjusted, strict=True)
        ]
    return tuple(held)


def log_ratios(first: Floats, second: Floats, quantity: Quantity) -> Floats:
    """Logarithms of second over first in the rounds that both have, positive where the second is worse."""
    has_both = np.isfinite(first) & np.isfinite(second) & (first > 0) & (second > 0)
    ratios: Floats = np.log(second[has_both] / first[has_both])
    return ratios if quantity.more_is_worse else -ratios


def _contest(
    quantity: Quantity, first: str, second: str, observed: Floats, log_e: float, false_alarm: float, share: float
) -> Contest:
    """share: of the false alarms, for the family that `log_e` is adjusted for."""
    effect = confidence_sequence(observed, false_alarm)
    is_claimed = len(observed) >= PAIRS_MIN and log_e >= -np.log(false_alarm * share)
    return Contest(
        quantity=quantity,
        first=first,
        second=second,
        rounds=len(observed),
        mean=effect.mean,
        low=effect.low,
        high=effect.high,
        log_e=log_e + float(np.log(share)),
        winner=(first if effect.mean > 0 else second) if is_claimed else None,
    )


def left_behind(goal: Quantity, values: Values, false_alarm: float) -> frozenset[str]:
    """The entrants that another one is shown to beat in the goal. values: of all that ever raced, as `contests` has them."""
    return frozenset(
        contest.second if contest.winner == contest.first else contest.first
        for contest in contests({goal: values}, false_alarm)
        if contest.winner is not None
    )


def unbeaten(held: Sequence[Contest], goal: Quantity, names: Collection[str]) -> tuple[str, ...]:
    """Those that none is shown to beat in the goal: the winner, or all among whom it is not resolved."""
    beaten = {
        contest.second if contest.winner == contest.first else contest.first
        for contest in held
        if contest.quantity == goal and contest.winner is not None
    }
    return tuple(name for name in names if name not in beaten)


def dominated_by(held: Sequence[Contest], names: Collection[str]) -> dict[str, tuple[str, ...]]:
    """By entrant those that dominate it."""
    wins = {(one, other): 0 for one in names for other in names}
    for contest in held:
        if contest.winner is not None:
            loser = contest.second if contest.winner == contest.first else contest.first
            wins[contest.winner, loser] += 1
    return {name: tuple(other for other in names if wins[other, name] and not wins[name, other]) for name in names}
