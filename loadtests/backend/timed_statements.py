"""Statements of the store through cassandra-driver, each request timed: the history of what the wire engine does not send."""

import threading
import time
from array import array
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from cassandra import OperationTimedOut, Timeout, WriteFailure
from cassandra.cluster import Session
from cassandra.connection import ConnectionException
from cassandra.query import BoundStatement
from numpy.typing import NDArray

from loadtests.metrics.sums import OperationSums
from loadtests.recording.history import Counts, ErrorCount, HistoryWriter, SecondCounts, counts_of, wall_s_of
from scenarios.spec import Topology
from store.cassandra.session import Statements
from store.operations import AnyOperation
from store.tables import Schema

OUTCOMES = OK, FAILED, INDETERMINATE = "ok", "failed", "indeterminate"
TOOK_US_MAX = 2**32 - 1


class _Requests:
    """Requests of one operation as columns, 13 bytes each: a back office makes a million in half an hour."""

    def __init__(self) -> None:
        self.done_ns = array("q")  # when the answer came [monotonic]
        self.took_us = array("I")
        self.outcome = array("b")  # an index into OUTCOMES

    def columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int8]]:
        """done_ns, took_us, outcome, by done_ns: threads may have noted theirs in another order."""
        done_ns = np.array(self.done_ns, np.int64)
        order = np.argsort(done_ns, kind="stable")
        return done_ns[order], np.array(self.took_us, np.int64)[order], np.array(self.outcome, np.int8)[order]


class RequestLog:
    """Requests by operation in order of completion, of any number of sessions and threads.

    told: sums that each request is added to as well, but for the operations of `left_out`, which are measured elsewhere.
    """

    def __init__(self, told: OperationSums | None = None, left_out: Collection[AnyOperation] = ()) -> None:
        self._told, self._left_out = told, frozenset(left_out)
        self._requests: dict[AnyOperation, _Requests] = {}
        self._errors: Counter[tuple[AnyOperation, str, str]] = Counter()
        self._lock = threading.Lock()

    def record(self, operation: AnyOperation, outcome: str, *, done_ns: int, took_ns: int, error: str = "") -> None:
        """Note one request: its end [monotonic], how long it took, and what became of it."""
        if self._told is not None and operation not in self._left_out:
            self._told.add_request(operation.value, outcome, took_ns // 1_000, error)
        with self._lock:
            of_it = self._requests.setdefault(operation, _Requests())
            of_it.done_ns.append(done_ns)
            of_it.took_us.append(min(took_ns // 1_000, TOOK_US_MAX))
            of_it.outcome.append(OUTCOMES.index(outcome))
            if outcome != OK:
                self._errors[operation, outcome, error] += 1

    def counts(self) -> dict[AnyOperation, dict[str, int]]:
        """By operation: how many ended ok, failed and indeterminate."""
        with self._lock:
            return {
                operation: {name: of_it.outcome.count(index) for index, name in enumerate(OUTCOMES)}
                for operation, of_it in self._requests.items()
            }

    def write(self, folder: Path, zero_ns: int) -> None:
        """As a part of a history, for `merge_histories`; `zero_ns` is the storm's wall start [monotonic].

        A request is due when it is sent: this is a closed loop, so response and service time are the same. What was done
        before the start is left out, and so are the operations of `left_out`.
        """
        left_out = self._left_out
        with self._lock:
            columns = {op.value: of_it.columns() for op, of_it in self._requests.items() if op not in left_out}
            errors = [
                (op.value, outcome, kind, count)
                for (op, outcome, kind), count in self._errors.items()
                if op not in left_out
            ]
        seconds = {name: (done_ns - zero_ns) // 1_000_000_000 for name, (done_ns, _, _) in columns.items()}
        operations = sorted(name for name, of_it in seconds.items() if (of_it >= 0).any())
        nothing = np.zeros(0, np.int64)
        with HistoryWriter(folder, operations, started_at_s=wall_s_of(zero_ns)) as writer:
            for second in sorted({int(one) for name in operations for one in np.unique(seconds[name]) if one >= 0}):
                counts, times = dict[str, SecondCounts](), dict[str, Counts]()
                for name in operations:
                    _, took_us, outcome = columns[name]
                    rows = slice(*np.searchsorted(seconds[name], [second, second + 1]))
                    if rows.start < rows.stop:
                        counts[name], times[name] = _second(outcome[rows]), counts_of(took_us[rows])
                writer.write_second(second, counts, times, times, nothing)
            writer.write_errors(
                ErrorCount(operation=operation, outcome=outcome, kind=kind, count=count)
                for operation, outcome, kind, count in errors
            )


class MeasuredStatements(Statements):
    """Every request goes into a log."""

    def __init__(self, session: Session, schema: Schema, topology: Topology, log: RequestLog) -> None:
        super().__init__(session, schema, topology)
        self._log = log

    def start(self, operation: AnyOperation, bound: BoundStatement) -> Any:
        sent_ns = time.monotonic_ns()
        future = super().start(operation, bound)
        future.add_callbacks(
            callback=lambda _: self._done(operation, sent_ns, OK, ""),
            errback=lambda error: self._done(operation, sent_ns, _outcome(error), type(error).__name__),
        )
        return future

    def _done(self, operation: AnyOperation, sent_ns: int, outcome: str, error: str) -> None:
        now_ns = time.monotonic_ns()
        self._log.record(operation, outcome, done_ns=now_ns, took_ns=now_ns - sent_ns, error=error)


def _second(outcome: NDArray[np.int8]) -> SecondCounts:
    ok, failed, indeterminate = (int((outcome == index).sum()) for index in range(len(OUTCOMES)))
    return SecondCounts(len(outcome), len(outcome), ok, failed, indeterminate, 0)


def _outcome(error: Exception) -> str:
    """A time-out or a lost connection leaves open whether it was done; so does a replica that failed at a write."""
    return (
        INDETERMINATE if isinstance(error, Timeout | OperationTimedOut | WriteFailure | ConnectionException) else FAILED
    )
