"""Pairs of trials: both sides measured in turns until somebody says that it is enough."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loadtests.gate.sides import SideName, pair_order
from loadtests.trials.turn import Bench, LoadTrial, TrialSize, take_turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One trial of each side. at_s: since the first pair began."""

    index: int
    first: SideName
    at_s: float
    sides: Mapping[SideName, LoadTrial]


def measure(
    benches: Mapping[SideName, Bench],
    size: TrialSize,
    seed: int,
    is_enough: Callable[[list[Pair]], bool],
    pairs: list[Pair],
) -> None:
    """Pairs into `pairs` as they come, until `is_enough` says so after one. Raises HarnessError when a node can't go on."""
    begun = time.monotonic()
    while True:
        index = len(pairs)
        order = pair_order(index, seed)
        at_s = time.monotonic() - begun
        sides = take_turns(benches, order, size, index, seed)
        pairs.append(Pair(index=index, first=order[0], at_s=at_s, sides=sides))
        if is_enough(pairs):
            return
