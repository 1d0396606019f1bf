"""What the last minute of a storm was like, for whoever watches: from what the shards report, at no cost to any sender."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from loadtests.recording.histograms import COUNTS_SIZE, Counts, percentiles_us
from loadtests.recording.history import NodeSample
from loadtests.recording.seconds import Second, Sparse

COURSE_SIZE = 60  # seconds that are kept
_BEHIND_MAX = 2  # a second that a source still owes is closed without it when another is so much further


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedSecond:
    """One second of all sources. Times [ms]; None: nothing was answered, or nothing fell due."""

    second: int
    offered: int
    ok: int
    errors: int  # failed and indeterminate
    p99_ms: float | None
    late_p99_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """The last seconds, oldest first, and each local node's cores in its latest sample."""

    seconds: tuple[ClosedSecond, ...]
    node_cores: tuple[tuple[str, float], ...]


@dataclass(slots=True)
class _OpenSecond:
    heard: int = 0
    offered: int = 0
    ok: int = 0
    errors: int = 0
    response: Counts = field(default_factory=lambda: np.zeros(COUNTS_SIZE, np.int64))
    lateness: Counts = field(default_factory=lambda: np.zeros(COUNTS_SIZE, np.int64))


class RecentSeconds:
    """Adds the seconds of all sources up (shards, customers), and keeps the last ones.

    One thread adds seconds; samples may come from another.
    """

    def __init__(self, source_count: int) -> None:
        self._source_count = source_count
        self._open: dict[int, _OpenSecond] = {}
        self._closed: deque[ClosedSecond] = deque(maxlen=COURSE_SIZE)
        self._closed_last = -1
        self._node_cores: tuple[tuple[str, float], ...] = ()

    def add(self, message: Second) -> None:
        """Take one source's second; one of a second that is closed already comes too late, and is left out."""
        if message.second <= self._closed_last:
            return
        held = self._open.setdefault(message.second, _OpenSecond())
        held.heard += 1
        for counts in message.counts.values():
            held.offered += counts.offered
            held.ok += counts.ok
            held.errors += counts.failed + counts.indeterminate
        for sparse in message.response.values():
            _add(held.response, sparse)
        _add(held.lateness, message.lateness)
        while self._open and self._may_close(first := min(self._open)):
            self._closed.append(_closed(first, self._open.pop(first)))
            self._closed_last = first

    def sample(self, samples: Sequence[NodeSample]) -> None:
        """Take the nodes' latest samples."""
        self._node_cores = cores_of(samples)

    def recent(self) -> Recent:
        return Recent(seconds=tuple(self._closed), node_cores=self._node_cores)

    def _may_close(self, second: int) -> bool:
        return self._open[second].heard >= self._source_count or max(self._open) - second >= _BEHIND_MAX


def cores_of(samples: Sequence[NodeSample]) -> tuple[tuple[str, float], ...]:
    """Each node with the cores that it took."""
    return tuple((sample.node, sample.cpu_share) for sample in samples)


def _add(counts: Counts, sparse: Sparse) -> None:
    index, count = sparse
    counts[index] += count


def _closed(second: int, held: _OpenSecond) -> ClosedSecond:
    return ClosedSecond(
        second=second,
        offered=held.offered,
        ok=held.ok,
        errors=held.errors,
        p99_ms=_p99_ms(held.response),
        late_p99_ms=_p99_ms(held.lateness),
    )


def _p99_ms(counts: Counts) -> float | None:
    return float(percentiles_us(counts, 99.0)) / 1_000 if counts.any() else None
