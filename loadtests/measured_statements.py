"""Statements of the store through cassandra-driver, each request timed: the history of what the wire engine does not send."""

import time
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from cassandra import OperationTimedOut, Timeout, WriteFailure
from cassandra.cluster import Session
from cassandra.connection import ConnectionException
from cassandra.query import BoundStatement

from loadtests.history import ErrorCount, HistoryWriter, SecondCounts, counts_of
from scenarios.domain import Operation
from scenarios.spec import Topology
from store.session import Statements
from store.tables import Schema

OK, FAILED, INDETERMINATE = "ok", "failed", "indeterminate"


class Request(NamedTuple):
    """One request: when its answer came [ns, monotonic], how long it took [ns], and what became of it."""

    operation: Operation
    done_ns: int
    took_ns: int
    outcome: str
    error: str


class RequestLog:
    """Requests in order of completion, of any number of sessions and threads."""

    def __init__(self) -> None:
        self.requests: list[Request] = []  # appending is atomic

    def counts(self) -> dict[Operation, dict[str, int]]:
        """By operation: how many ended ok, failed and indeterminate."""
        counts: dict[Operation, dict[str, int]] = defaultdict(lambda: {OK: 0, FAILED: 0, INDETERMINATE: 0})
        for one in self.requests:
            counts[one.operation][one.outcome] += 1
        return dict(counts)

    def took_us(self, operation: Operation) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The service times of those that ended ok: int64[n] [us]."""
        return np.array(
            [one.took_ns // 1_000 for one in self.requests if one.operation is operation and one.outcome == OK],
            np.int64,
        )

    def write(self, folder: Path, zero_ns: int, left_out: Collection[Operation] = ()) -> None:
        """As a part of a history, for `merge_histories`; `zero_ns` is the storm's wall start [monotonic].

        A request is due when it is sent: this is a closed loop, so response and service time are the same. What was done
        before the start is left out, and so are the operations of `left_out`, which are measured elsewhere.
        """
        by_second: dict[int, list[Request]] = defaultdict(list)
        requests = [one for one in list(self.requests) if one.operation not in left_out]
        for one in requests:
            if one.done_ns >= zero_ns:
                by_second[(one.done_ns - zero_ns) // 1_000_000_000].append(one)
        operations = sorted({one.operation.value for rows in by_second.values() for one in rows})
        nothing = np.zeros(0, np.int64)
        with HistoryWriter(folder, operations) as writer:
            for second in sorted(by_second):
                rows = by_second[second]
                names = {one.operation for one in rows}
                times = {
                    name.value: counts_of([one.took_ns // 1_000 for one in rows if one.operation is name])
                    for name in names
                }
                counts = {
                    name.value: _second(Counter(r.outcome for r in rows if r.operation is name)) for name in names
                }
                writer.write_second(second, counts, times, times, nothing)
            errors = Counter((one.operation, one.outcome, one.error) for one in requests if one.outcome != OK)
            writer.write_errors(
                ErrorCount(operation=operation.value, outcome=outcome, kind=kind, count=count)
                for (operation, outcome, kind), count in errors.items()
            )


class MeasuredStatements(Statements):
    """Every request goes into a log."""

    def __init__(self, session: Session, schema: Schema, topology: Topology, log: RequestLog) -> None:
        super().__init__(session, schema, topology)
        self._log = log

    def start(self, operation: Operation, bound: BoundStatement) -> Any:
        sent_ns = time.monotonic_ns()
        future = super().start(operation, bound)
        future.add_callbacks(
            callback=lambda _: self._done(operation, sent_ns, OK, ""),
            errback=lambda error: self._done(operation, sent_ns, _outcome(error), type(error).__name__),
        )
        return future

    def _done(self, operation: Operation, sent_ns: int, outcome: str, error: str) -> None:
        now_ns = time.monotonic_ns()
        self._log.requests.append(Request(operation, now_ns, now_ns - sent_ns, outcome, error))


def _second(outcomes: Counter[str]) -> SecondCounts:
    total = outcomes.total()
    return SecondCounts(total, total, outcomes[OK], outcomes[FAILED], outcomes[INDETERMINATE], 0)


def _outcome(error: Exception) -> str:
    """A time-out or a lost connection leaves open whether it was done; so does a replica that failed at a write."""
    return (
        INDETERMINATE if isinstance(error, Timeout | OperationTimedOut | WriteFailure | ConnectionException) else FAILED
    )
