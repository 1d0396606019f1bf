"""What sends to the back office: which meters are looked at, what was sent already, how much of it is garbage."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

GARBAGE_ROWS_A_ROUND_MAX = 100  # of meters that send garbage; each is a write, and is read at each round that follows
GARBAGE_ROWS_MAX = 50_000  # of a run: the instants of all lie within the first day


@dataclass(slots=True, kw_only=True)
class HeadEnds:
    """What sends to the office: it outlives the office's death, and knows what it has sent.

    acknowledged: how many readings the platform has acknowledged so far.
    """

    meters: Iterator[int]  # in the order in which they are looked at
    acknowledged: Callable[[], int] = lambda: 0
    seen: set[int] = field(default_factory=set)  # meter * slots + first slot that were sent
    in_doubt: int = 0  # faulty rows that were sent and not answered: they are sent again before others
    _acknowledged_before: int = 0

    def faulty_rows(self, garbage_share: float, taken: int) -> int:
        """How many are sent now: one, and a share of all readings since the last time. taken: how many were, so far."""
        acknowledged = self.acknowledged()
        since, self._acknowledged_before = acknowledged - self._acknowledged_before, acknowledged
        if not self.in_doubt:
            garbage = round(since * garbage_share / (1 - garbage_share))
            self.in_doubt = 1 + min(garbage, GARBAGE_ROWS_A_ROUND_MAX, max(GARBAGE_ROWS_MAX - taken, 0))
        return self.in_doubt


def strides(count: int) -> Iterator[int]:
    """The meters 0 .. count - 1 in an order that mixes the estate, over and over."""
    step = next(step for step in range(int(count * 0.618) | 1, 2 * count + 3, 2) if np.gcd(step, count) == 1)
    at = 0
    while True:
        yield at
        at = (at + step) % count
