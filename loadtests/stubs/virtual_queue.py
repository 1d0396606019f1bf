"""The stub queue in virtual time, as a target of steps: a search of minutes takes a second or two of processor time.

For what must be said of the search itself from many searches: its time, its error, and how often its interval holds the truth.
The queue is that of `loadtests.stubs.queueing_node`; sockets, the sender and the host's hiccups are left out.
"""

from collections.abc import Sequence

import numpy as np

from loadtests.capacity.target import OnSecond
from loadtests.recording.histograms import COUNTS_SIZE, counts_of
from loadtests.recording.history import SecondCounts
from loadtests.sender.recorder import EngineReport, IntervalSnapshot
from loadtests.stats.bootstrap import keyed_generator
from loadtests.stubs.queueing_node import QueueStation
from loadtests.stubs.target import INSERT
from loadtests.workload.poisson_source import LoadPhase

DRAIN_S_MAX = 10.0
OPENING_S = 0.15  # of an engine and its connections, for each step
_STEPS_MAX = 1_000  # of one seed


class VirtualQueue:
    """M/M/c (or M/D/c) whose seconds go by as fast as they can be worked out. `now_s` is the time that its steps took.

    stall_every_s, stall_s: the servers stand still for so long, after so long on average; None for never.
    """

    def __init__(
        self,
        servers: int,
        service_s: float,
        *,
        seed: int,
        is_exponential: bool = True,
        stall_every_s: float | None = None,
        stall_s: float = 0.0,
    ) -> None:
        self.operations = (str(INSERT.operation),)
        self.now_s = 0.0
        self._servers, self._service_s, self._seed, self._is_exponential = servers, service_s, seed, is_exponential
        self._stall_every_s, self._stall_s = stall_every_s, stall_s

    def sleep(self, length_s: float) -> None:
        """Let time go by."""
        self.now_s += length_s

    def send(self, step: int, phases: Sequence[LoadPhase], on_second: OnSecond) -> EngineReport:
        """What `StepTarget.send` does. Another step, other arrivals and services."""
        key = self._seed * _STEPS_MAX + step
        random = keyed_generator(key, 2)
        station = QueueStation(self._servers, self._service_s, is_exponential=self._is_exponential, seed=key)
        rates = [phase.rate_per_s for phase in phases for _ in range(round(phase.length_s))]
        ends_s, stays_s = np.zeros(0), np.zeros(0)
        second, offered = 0, 0
        for second, rate_per_s in enumerate(rates):
            due_s = second + np.sort(random.random(random.poisson(rate_per_s)))
            offered += len(due_s)
            if self._stall_every_s is not None and random.random() < 1 / self._stall_every_s:
                station.stand_still(second + random.random(), self._stall_s)
            stays_s = np.concatenate([stays_s, [station.stay_s(at_s) for at_s in due_s.tolist()]])
            ends_s = np.concatenate([ends_s, due_s + stays_s[len(ends_s) :]])
            is_done = ends_s < second + 1
            is_over = on_second(_snapshot(second, len(due_s), stays_s[is_done]))
            ends_s, stays_s = ends_s[~is_done], stays_s[~is_done]
            if is_over:
                break
        drain_s = min(max(float(ends_s.max()) - second - 1, 0.0), DRAIN_S_MAX) if len(ends_s) else 0.0
        wall_s = second + 1 + drain_s
        self.now_s += wall_s + OPENING_S
        return _report(offered, wall_s)


def _snapshot(second: int, offered: int, stays_s: np.ndarray) -> IntervalSnapshot:
    lateness = np.zeros(COUNTS_SIZE, dtype=np.int64)
    lateness[0] = offered
    counts = SecondCounts(offered=offered, attempted=offered, ok=len(stays_s), failed=0, indeterminate=0, retries=0)
    response = counts_of(stays_s * 1e6)[None, :]
    by_dc = np.zeros((1, 1, 3), dtype=np.int64)
    return IntervalSnapshot(
        second=second,
        counts=(counts,),
        by_dc=by_dc,
        response=response,
        earliest=response,
        service=response,
        lateness=lateness,
    )


def _report(offered: int, wall_s: float) -> EngineReport:
    return EngineReport(
        offered=offered,
        attempted=offered,
        ok=offered,
        failed=0,
        indeterminate=0,
        retries=0,
        blocked=0,
        late_answers=0,
        stray_answers=0,
        reopened=0,
        was_stopped=False,
        wall_s=wall_s,
        cpu_s=0.0,
        stalls=0,
        stalled_s=0.0,
        stall_ms_max=0.0,
        producer_starved=0,
        late_p50_ms=0.0,
        late_p99_ms=0.0,
        late_max_ms=0.0,
        scheduling="virtual",
        errors=(),
        error_messages={},
    )
