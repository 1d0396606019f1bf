"""Operations added up since the start of a storm, whoever sent them: counts, and times by bucket.

Rules that hold here: every second of every source is added once, in whatever order they come, also one that comes late; no
number ever goes down. Any thread may add, and any may look.

The buckets are classic ones. Native histograms would be finer, but the text format can't carry them, and the Prometheus of
today's distributions takes them by a feature flag alone. The histograms that come in are HDR counts, so nothing is lost on the
way to a bucket but what lies inside it; and the limits of the scenario's objectives are edges, so that the share of operations
beyond one is counted and not interpolated.
"""

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from loadtests.recording.histograms import UPPER_EDGES_US
from loadtests.recording.history import DcOutcomes, ErrorCount, SecondCounts
from loadtests.recording.seconds import Second, Sparse

EDGES_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper edges of the buckets of times [s], beside those of a scenario's limits."""


def edges_with(limits_s: Iterable[float]) -> tuple[float, ...]:
    """EDGES_S with the limits that are judged by [s] among them, ascending."""
    return tuple(sorted({*EDGES_S, *limits_s}))


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketedTimes:
    """Times by bucket: `counts[i]` of them are at most edge i and above the one before; one more for those beyond the last.

    sum_s: all times together [s], each as the upper edge of its HDR count: at most 0.1 % too long.
    """

    counts: tuple[int, ...]
    sum_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SummedOperation:
    """What became of the operations of one kind so far; `sent` were taken up, of the `offered` that fell due."""

    offered: int
    sent: int
    ok: int
    failed: int
    indeterminate: int
    retries: int
    response: BucketedTimes


def added_up(totals: Sequence[SummedOperation]) -> SummedOperation:
    """Operations of one kind that several loops have sent; at least one."""
    return SummedOperation(
        offered=sum(one.offered for one in totals),
        sent=sum(one.sent for one in totals),
        ok=sum(one.ok for one in totals),
        failed=sum(one.failed for one in totals),
        indeterminate=sum(one.indeterminate for one in totals),
        retries=sum(one.retries for one in totals),
        response=BucketedTimes(
            counts=tuple(map(sum, zip(*(one.response.counts for one in totals), strict=True))),
            sum_s=sum(one.response.sum_s for one in totals),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StormTotals:
    """One look at the sums."""

    operations: Mapping[str, SummedOperation]
    lateness: BucketedTimes
    errors: tuple[ErrorCount, ...]
    by_dc: Mapping[
        str, Mapping[str, DcOutcomes]
    ]  # operation -> data centre of its homes; none where no source tells it


@dataclass(slots=True)
class _Times:
    counts: list[int]
    sum_us: int = 0

    @staticmethod
    def of(times: BucketedTimes) -> "_Times":
        return _Times(list(times.counts), round(times.sum_s * 1e6))

    def seen(self) -> BucketedTimes:
        return BucketedTimes(counts=tuple(self.counts), sum_s=self.sum_us / 1e6)


@dataclass(slots=True)
class _Sums:
    response: _Times
    counts: list[int] = field(default_factory=lambda: [0] * len(SecondCounts._fields))

    @staticmethod
    def of(one: SummedOperation) -> "_Sums":
        counts = [one.offered, one.sent, one.ok, one.failed, one.indeterminate, one.retries]
        return _Sums(_Times.of(one.response), counts)

    def seen(self) -> SummedOperation:
        offered, sent, ok, failed, indeterminate, retries = self.counts
        return SummedOperation(
            offered=offered,
            sent=sent,
            ok=ok,
            failed=failed,
            indeterminate=indeterminate,
            retries=retries,
            response=self.response.seen(),
        )


_COLUMN = {name: at for at, name in enumerate(SecondCounts._fields)}


class OperationSums:
    """The sums of any number of sources. `operations` stand there from the start, with zeros.

    edges_s: upper edges of the buckets of times, ascending [s].
    """

    def __init__(self, operations: Iterable[str] = (), edges_s: Sequence[float] = EDGES_S) -> None:
        self.edges_s = tuple(edges_s)
        self._edges_us = [round(edge * 1e6) for edge in self.edges_s]
        self._bucket_of = np.searchsorted(self._edges_us, UPPER_EDGES_US)
        self._operations: dict[str, _Sums] = {}
        self._lateness = self._no_times()
        self._errors: Counter[tuple[str, str, str]] = Counter()  # operation, outcome, kind
        self._by_dc: dict[str, dict[str, DcOutcomes]] = {}
        self._lock = threading.Lock()
        for operation in operations:
            self._of(operation)

    def add_second(self, second: Second) -> None:
        """Add what one second of one source brought."""
        with self._lock:
            for operation, counts in second.counts.items():
                held = self._of(operation).counts
                for at, count in enumerate(counts):
                    held[at] += int(count)
            for operation, sparse in second.response.items():
                self._add_times(self._of(operation).response, sparse)
            self._add_times(self._lateness, second.lateness)
            for operation, dcs in second.by_dc.items():
                of_dc = self._by_dc.setdefault(operation, {})
                for dc, outcomes in dcs.items():
                    before = of_dc.get(dc, DcOutcomes(0, 0, 0))
                    of_dc[dc] = DcOutcomes(*(one + int(more) for one, more in zip(before, outcomes, strict=True)))

    def add_request(self, operation: str, outcome: str, took_us: int, error: str = "") -> None:
        """Add one request of a closed loop: due when it was sent, and over. outcome: a column of `SecondCounts`."""
        with self._lock:
            held = self._of(operation)
            for column in ("offered", "attempted", outcome):
                held.counts[_COLUMN[column]] += 1
            held.response.counts[bisect_left(self._edges_us, took_us)] += 1
            held.response.sum_us += took_us
            if error:
                self._errors[operation, outcome, error] += 1

    def add_errors(self, errors: Iterable[ErrorCount]) -> None:
        """Add for what reasons operations ended as they did, each of which stands in a second already."""
        with self._lock:
            for error in errors:
                self._errors[error.operation, error.outcome, error.kind] += error.count

    def become(self, totals: StormTotals) -> None:
        """Take the sums of another process, whose edges are the same, in place of one's own."""
        with self._lock:
            self._operations |= {name: _Sums.of(one) for name, one in totals.operations.items()}
            self._lateness = _Times.of(totals.lateness)
            self._by_dc = {operation: dict(dcs) for operation, dcs in totals.by_dc.items()}
            self._errors = Counter({(one.operation, one.outcome, one.kind): one.count for one in totals.errors})

    def seen(self) -> StormTotals:
        """The sums as they stand."""
        with self._lock:
            return StormTotals(
                operations={name: held.seen() for name, held in self._operations.items()},
                lateness=self._lateness.seen(),
                by_dc={operation: dict(dcs) for operation, dcs in self._by_dc.items()},
                errors=tuple(
                    ErrorCount(operation=operation, outcome=outcome, kind=kind, count=count)
                    for (operation, outcome, kind), count in self._errors.items()
                ),
            )

    def _of(self, operation: str) -> _Sums:
        if operation not in self._operations:
            self._operations[operation] = _Sums(self._no_times())
        return self._operations[operation]

    def _no_times(self) -> _Times:
        return _Times([0] * (len(self.edges_s) + 1))

    def _add_times(self, times: _Times, sparse: Sparse) -> None:
        index, count = sparse
        if len(index):
            added = np.bincount(self._bucket_of[index], weights=count, minlength=len(times.counts))
            times.counts = [one + int(more) for one, more in zip(times.counts, added, strict=True)]
            times.sum_us += int(UPPER_EDGES_US[index] @ count)
