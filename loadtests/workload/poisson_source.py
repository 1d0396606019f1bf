"""A steady load of a scenario's own mix: operations of its trace, drawn in a keyed order, due at random at a set rate.

Rules that hold here:
- The mix is that of the whole trace at every instant: a step of a search must not meet midnight, another one noon.
- Arrivals are Poisson: independent senders, as a nation's meters are. The same seed gives the same instants and operations.
- Operations are encoded once, before the clock starts, and sent as often as a rate asks for: they are idempotent, so
  sending one again writes the same cells anew.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.sender.block import OPERATION, OperationBlock, OperationSource

POOL_OPERATIONS_MAX = 200_000  # some 60 MB of frames; at 2,000/s an operation comes again after 100 s
BLOCK_ROWS = 4_096
SAMPLE_BLOCK_ROWS = 2_048
SHARDS_MAX = 4_096  # the trace's partitions
_ARRIVAL_DRAW = 0xA77


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationPool:
    """Encoded operations to draw from. rows: OPERATION[n], `due_us` without meaning; frames: uint8[total]."""

    rows: NDArray[np.void]
    frames: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.rows)

    def share_of(self, operation: int) -> float:
        """Which share of the mix an operation index has [0 to 1]."""
        return float(np.mean(self.rows["operation"] == operation))

    def sent_to(self, dc: int) -> "OperationPool":
        """The same operations, all sent to one data centre (an index into the ring's)."""
        rows = self.rows.copy()
        rows["dc"] = dc
        return OperationPool(rows=rows, frames=self.frames)


def pool_of(sources: Iterator[OperationSource], count_max: int = POOL_OPERATIONS_MAX) -> OperationPool:
    """Whole sources, one after the other, until there are `count_max` operations or no more sources.

    Each source must be a fair sample of the mix by itself (a shard of the trace is one: some meters, the whole span);
    the last one taken may exceed the count. Raises ValueError when there is no operation at all.
    """
    blocks: list[OperationBlock] = []
    count = 0
    for source in sources:
        while (block := source.next_block()) is not None:
            blocks.append(block)
            count += len(block)
        if count >= count_max:
            break
    if count == 0:
        raise ValueError("the trace sends nothing that goes over the wire")
    starts = np.cumsum([0, *(block.frames.size for block in blocks)])
    rows = np.concatenate([block.rows for block in blocks]).astype(OPERATION)
    rows["frame_offset"] += np.repeat(starts[:-1], [len(block) for block in blocks])
    return OperationPool(rows=rows, frames=np.concatenate([block.frames for block in blocks]))


def shard_count_of(meter_count: int) -> int:
    """Into how many shards a trace is cut, so that one is some hundred meters: little to encode, and a fair sample."""
    return max(1, min(meter_count // 512, SHARDS_MAX))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPhase:
    """A stretch of load: Poisson arrivals of mean `rate_per_s` for `length_s`."""

    rate_per_s: float
    length_s: float


class RateSource:
    """Operations of a pool at the rates of `phases`, one after the other, until `is_over` says so or the last phase ends.

    The source that a `loadtests.sender.engine.Engine` runs. seed, step: the key of all that is drawn.
    """

    def __init__(
        self,
        pool: OperationPool,
        phases: Sequence[LoadPhase],
        *,
        seed: int,
        step: int,
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._pool = pool
        self._random = np.random.Generator(np.random.Philox(key=np.array([seed, step], dtype=np.uint64)))
        self._phases = iter(phases)
        self._phase: LoadPhase | None = next(self._phases, None)
        self._phase_start_us = 0.0
        self._now_us = 0.0
        self._is_over = is_over
        self._order = np.zeros(0, dtype=np.int64)

    def next_block(self) -> OperationBlock | None:
        """The next operations in due order, or None when the load is over."""
        while self._phase is not None and not self._is_over():
            due_us = self._arrivals(self._phase)
            if len(due_us):
                rows = self._pool.rows[self._drawn(len(due_us))]
                rows["due_us"] = due_us
                return OperationBlock(rows=rows, frames=self._pool.frames)
        return None

    def _arrivals(self, phase: LoadPhase) -> NDArray[np.int64]:
        """The next arrivals of the phase [us]; after its last ones the next phase begins."""
        end_us = self._phase_start_us + phase.length_s * 1e6
        # at most half a second ahead, so that a step that is ended early has little in store
        count = min(BLOCK_ROWS, max(1, round(phase.rate_per_s / 2)))
        due_us = _arrivals_us(self._random, self._now_us, phase.rate_per_s, count)
        self._now_us = float(due_us[-1])
        if self._now_us >= end_us:
            due_us = due_us[due_us < end_us]
            self._now_us = self._phase_start_us = end_us
            self._phase = next(self._phases, None)
        return due_us.astype(np.int64)

    def _drawn(self, count: int) -> NDArray[np.int64]:
        """Indices of the next `count` operations: the pool is gone through in one random order after another."""
        while len(self._order) < count:
            self._order = np.concatenate([self._order, self._random.permutation(len(self._pool))])
        drawn, self._order = self._order[:count], self._order[count:]
        return drawn


class SteadySource:
    """The sample from operation `first` on, over and over: an `OperationSource`.

    rate_per_s: Poisson arrivals at that rate, drawn from `seed`, so that cells get them at the same instants; None for a
    closed loop, where they are due when there is room. count: how many in all.
    """

    def __init__(
        self, sample: OperationBlock, *, first: int, count: int, rate_per_s: float | None = None, seed: int = 0
    ) -> None:
        self._sample, self._first, self._count, self._rate_per_s = sample, first, count, rate_per_s
        self._random = np.random.default_rng([_ARRIVAL_DRAW, seed, first])
        self._made, self._now_us = 0, 0.0

    def next_block(self) -> OperationBlock | None:
        size = min(SAMPLE_BLOCK_ROWS, self._count - self._made)
        if size == 0:
            return None
        index = (self._first + self._made + np.arange(size)) % len(self._sample)
        rows = self._sample.rows[index]
        if self._rate_per_s is not None:
            due_us = _arrivals_us(self._random, self._now_us, self._rate_per_s, size)
            self._now_us = float(due_us[-1])
            rows["due_us"] = due_us.astype(np.int64)
        self._made += size
        return OperationBlock(rows=rows, frames=self._sample.frames)


def _arrivals_us(random: np.random.Generator, after_us: float, rate_per_s: float, count: int) -> NDArray[np.float64]:
    """The next `count` Poisson arrivals after an instant [us]."""
    return after_us + np.cumsum(random.exponential(1e6 / rate_per_s, count))
