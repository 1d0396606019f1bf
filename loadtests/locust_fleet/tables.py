"""What the wire engine measured in Locust's own tables, a second at a time and not an operation at a time.

Locust counts each request in Python, 20 us each: 20,000 operations a second would take 40 % of a processor for the table alone.
Its entries are filled in bulk here, from the histogram's counts. Its percentiles are of its own buckets, of two digits;
the true ones are in the run's history.
"""

from typing import Any

import numpy as np
from locust.stats import StatsEntry, StatsError, bucket_response_time

from loadtests.recording.history import UPPER_EDGES_US
from loadtests.recording.seconds import Second, Sparse

METHOD = "CQL"
_BUCKETS_MS = np.array([bucket_response_time(edge / 1_000) for edge in UPPER_EDGES_US.tolist()], np.int64)


def add_second(stats: Any, second: Second, ended_s: int) -> None:
    """Add one second's operations to Locust's `RequestStats`; `ended_s`: the second of the epoch in which they ended."""
    for name, counts in second.counts.items():
        done = counts.ok + counts.failed + counts.indeterminate
        if not done:
            continue
        failed = counts.failed + counts.indeterminate
        part = _entry(stats, name, done, failed, second.response.get(name), ended_s)
        stats.total.extend(part)
        stats.get(name, METHOD).extend(part)
        for outcome, count in (("failed", counts.failed), ("indeterminate", counts.indeterminate)):
            if count:
                _count_errors(stats.errors, name, outcome, count, ended_s)


def _entry(stats: Any, name: str, done: int, failed: int, response: Sparse | None, ended_s: int) -> StatsEntry:
    """One operation's second as an entry of Locust's."""
    entry = StatsEntry(stats, name, METHOD)
    entry.num_requests, entry.num_failures = done, failed
    entry.num_reqs_per_sec = {ended_s: done}
    entry.num_fail_per_sec = {ended_s: failed} if failed else {}
    entry.last_request_timestamp = float(ended_s)
    entry.start_time = float(ended_s)
    index, count = response if response is not None else (np.zeros(0, np.int32), np.zeros(0, np.int64))
    timed = int(count.sum())
    entry.num_none_requests = done - timed
    if timed:
        values_ms = UPPER_EDGES_US[index] / 1_000
        entry.total_response_time = float(values_ms @ count)
        entry.min_response_time, entry.max_response_time = float(values_ms[0]), float(values_ms[-1])
        buckets, place = np.unique(_BUCKETS_MS[index], return_inverse=True)
        sums = np.bincount(place, weights=count).astype(np.int64)
        entry.response_times = dict(zip(buckets.tolist(), sums.tolist(), strict=True))
    return entry


def _count_errors(errors: Any, name: str, outcome: str, count: int, ended_s: int) -> None:
    key = StatsError.create_key(METHOD, name, outcome)
    error = errors.setdefault(key, StatsError(METHOD, name, outcome))
    error.occurrences += count
    error.first_seen = error.first_seen or float(ended_s)
    error.last_seen = float(ended_s)
