"""Does a store that was away come back at 90 % of its capacity? With clients that let go, and with some that insist.

    uv run pytest loadtests/benchmarks/bench_retry_storm.py --benchmark-only --benchmark-json=retry_storm.json

The store is a stub of known capacity (`queueing_node`), which sheds nothing itself; it is stopped (SIGSTOP) for AWAY_S and
goes on. `recovery_s`: from its return until what is acknowledged in five seconds is RECOVERED_SHARE of what falls due in them;
none where that was not so until the end. All kinds of clients meet the same arrivals.
"""

import os
import signal
import threading
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.cluster.machine import fingerprint
from loadtests.sender.engine import EngineSettings
from loadtests.sender.recorder import EngineReport, IntervalSnapshot
from loadtests.sender.state import CountColumn
from loadtests.stubs import queueing_node
from loadtests.stubs.target import INSERT, stub_target
from loadtests.workload.poisson_source import LoadPhase
from scenarios.domain import Operation

SERVERS, SERVICE_S = 16, 0.020
CAPACITY_PER_S = SERVERS / SERVICE_S
LOAD = 0.9
BEFORE_S, AWAY_S, AFTER_S = 10.0, 8.0, 60.0
RECOVERED_SHARE, MEAN_S = 0.95, 5

CLIENTS = {
    # A window, patience beyond what the store takes, a budget of repeated attempts, and old work let go.
    "letting_go": EngineSettings(
        in_flight_max=256, retry_share_max=0.1, shed_after_s={str(INSERT.operation): 2.0}, drain_s_max=5.0
    ),
    # The same without letting go: open arrivals are queued, as [run] has it where nothing is said.
    "patient": EngineSettings(in_flight_max=256, drain_s_max=5.0),
    # As many a service is written: no window, a short time-out, and once more until it succeeds.
    "naive": EngineSettings(
        in_flight_max=200_000,
        operation_timeout_s=0.5,
        attempts_max=255,
        backoff_ms=100.0,
        backoff_ms_max=100.0,
        drain_s_max=5.0,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAway:
    """A run through the absence, by second: int64[seconds] each."""

    offered: NDArray[np.int64]
    acknowledged: NDArray[np.int64]
    report: EngineReport

    def recovery_s(self) -> float | None:
        """From the store's return [s]; None: not until the end."""
        first = int(BEFORE_S + AWAY_S)
        for second in range(first, len(self.offered) - MEAN_S):
            served = self.acknowledged[second : second + MEAN_S].sum()
            if served >= RECOVERED_SHARE * self.offered[second : second + MEAN_S].sum():
                return float(second - first)
        return None

    def share(self, start_s: float, end_s: float) -> float:
        """Acknowledged of what fell due, from second to second."""
        span = slice(int(start_s), int(end_s))
        return float(self.acknowledged[span].sum() / self.offered[span].sum())


def course_of(settings: EngineSettings) -> StoreAway:
    """Send through the store's absence."""
    length_s = BEFORE_S + AWAY_S + AFTER_S
    offered, acknowledged = (np.zeros(int(length_s) + 1, np.int64) for _ in range(2))

    def on_second(snapshot: IntervalSnapshot) -> bool:
        if snapshot.second < len(offered):
            offered[snapshot.second] += snapshot.counts[0][CountColumn.OFFERED]
            acknowledged[snapshot.second] += snapshot.counts[0][CountColumn.OK]
        return False

    with queueing_node.running_paced(SERVERS, SERVICE_S) as (address, pid):
        target = replace(stub_target(address), settings=settings)
        target.warm(1.0, 16)

        def absence() -> None:
            time.sleep(BEFORE_S)
            os.kill(pid, signal.SIGSTOP)
            time.sleep(AWAY_S)
            os.kill(pid, signal.SIGCONT)

        away = threading.Thread(target=absence)
        away.start()
        report = target.send(1, [LoadPhase(rate_per_s=LOAD * CAPACITY_PER_S, length_s=length_s)], on_second)
        away.join()
    whole = int(length_s)
    return StoreAway(offered=offered[:whole], acknowledged=acknowledged[:whole], report=report)


def test_retry_storm(benchmark: Any) -> None:
    assert INSERT.operation is Operation.INGEST_READING
    courses: dict[str, StoreAway] = {}

    def measure() -> None:
        for name, settings in CLIENTS.items():
            courses[name] = course_of(settings)

    benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info |= {
        **{
            f"{name}_{what}": value
            for name, course in courses.items()
            for what, value in {
                "recovery_s": course.recovery_s(),
                "share_before": course.share(2, BEFORE_S),
                "share_away": course.share(BEFORE_S, BEFORE_S + AWAY_S),
                "share_last_20_s": course.share(len(course.offered) - 20, len(course.offered)),
                "retries": course.report.retries,
                "failed": course.report.failed,
                "indeterminate": course.report.indeterminate,
                "acknowledged_by_second": course.acknowledged.tolist(),
            }.items()
        },
        **fingerprint(),
    }
