"""Requests of the back office and the gateway: into seconds of a history, whatever the order in which threads note them."""

from collections.abc import Collection
from pathlib import Path

from loadtests.backend.timed_statements import FAILED, INDETERMINATE, OK, RequestLog
from loadtests.recording.histograms import UPPER_EDGES_US
from loadtests.recording.history import ErrorCount, read_history
from scenarios.domain import Operation
from store.operations import AnyOperation, StoreOperation

S, MS = 1_000_000_000, 1_000_000
ZERO_NS = 50 * S
READ, WRITE, SENT = Operation.READ_STATE, StoreOperation.REFOLD_DAY, Operation.INGEST_READING


def log_of_a_few(left_out: Collection[AnyOperation] = ()) -> RequestLog:
    log = RequestLog(left_out=left_out)
    log.record(READ, OK, done_ns=ZERO_NS - 1, took_ns=MS)  # before the storm
    log.record(READ, OK, done_ns=ZERO_NS + 2 * S, took_ns=7 * MS)
    log.record(READ, OK, done_ns=ZERO_NS + S - 1, took_ns=3 * MS)  # another thread's, noted late
    log.record(READ, FAILED, done_ns=ZERO_NS + S, took_ns=4 * MS, error="Unavailable")
    log.record(WRITE, INDETERMINATE, done_ns=ZERO_NS + S, took_ns=9_000 * S, error="OperationTimedOut")
    log.record(SENT, OK, done_ns=ZERO_NS + S, took_ns=MS)
    log.record(SENT, FAILED, done_ns=ZERO_NS + S, took_ns=MS, error="Unavailable")
    return log


def test_requests_become_seconds_of_a_history(tmp_path: Path) -> None:
    log_of_a_few(left_out=[SENT]).write(tmp_path / "office", ZERO_NS)
    history = read_history(tmp_path / "office")
    assert set(history.operations) == {READ, WRITE}
    assert history.counts[READ]["ok"].tolist() == [1, 0, 1]
    assert history.counts[READ]["failed"].tolist() == [0, 1, 0]
    assert history.counts[READ]["attempted"].tolist() == [1, 1, 1]
    assert history.counts[WRITE]["indeterminate"].tolist() == [0, 1, 0]
    times_ms = {second: UPPER_EDGES_US[counts > 0] / 1e3 for second, counts in history.response_counts(READ)}
    assert {second: round(float(one[0])) for second, one in times_ms.items()} == {0: 3, 1: 4, 2: 7}
    assert sorted(history.errors, key=lambda one: one.operation) == [
        ErrorCount(operation=READ, outcome=FAILED, kind="Unavailable", count=1),
        ErrorCount(operation=WRITE, outcome=INDETERMINATE, kind="OperationTimedOut", count=1),
    ]


def test_counts_are_of_all_requests() -> None:
    counts = log_of_a_few().counts()
    assert counts[READ] == {OK: 3, FAILED: 1, INDETERMINATE: 0}
    assert counts[WRITE] == {OK: 0, FAILED: 0, INDETERMINATE: 1}


def test_a_log_without_requests_is_a_history_without_operations(tmp_path: Path) -> None:
    RequestLog().write(tmp_path / "office", ZERO_NS)
    assert read_history(tmp_path / "office").operations == ()
