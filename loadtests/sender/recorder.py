"""From the kernels' counters to what leaves the engine: a snapshot each second, and the final report."""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.errors import HarnessError
from loadtests.recording.histograms import COUNTS_SIZE, percentiles_us
from loadtests.recording.history import SecondCounts
from loadtests.sender.failover import HomesMoved
from loadtests.sender.outcomes import ErrorKind, RequestOutcome
from loadtests.sender.protocol import parse_error
from loadtests.sender.scheduling import favour_thread
from loadtests.sender.state import LIVE_SIZE, SECOND_ROWS, LiveField, Recording, Total, WireState, new_recording

__all__ = ["LIVE_SIZE", "EngineReport", "ErrorTally", "IntervalSnapshot", "LiveField", "OnInterval", "Recorder"]

_LOG = logging.getLogger(__name__)
_BACKLOG_MAX = 30  # seconds that the history's writer may be behind


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalSnapshot:
    """One second of a run. Whoever gets it owns its arrays.

    counts: by operation. by_dc: int64[operations, dcs, Outcome], of what was completed, by the homes' data centre.
    response, earliest, service: int64[operations, COUNTS_SIZE], HDR counts [us] of what was completed in the second; operations
    that ended failed or indeterminate have a response time too. earliest: the response times without all that may have been the
    generator's doing. lateness: int64[COUNTS_SIZE].
    """

    second: int
    counts: tuple[SecondCounts, ...]
    by_dc: NDArray[np.int64]
    response: NDArray[np.int64]
    earliest: NDArray[np.int64]
    service: NDArray[np.int64]
    lateness: NDArray[np.int64]


OnInterval = Callable[[IntervalSnapshot], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorTally:
    """How often an operation's attempts (`outcome` None) or operations themselves ended so."""

    operation: str
    outcome: str | None
    kind: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineReport:
    """What one engine did. Times are of its sender thread; lateness percentiles are of all sends of the run."""

    offered: int
    attempted: int
    ok: int
    failed: int
    indeterminate: int
    retries: int
    blocked: int  # operations that waited for room in the window; the wait is in their response times
    late_answers: int
    stray_answers: int
    reopened: int  # connections, those to a node that was down at the start among them
    was_stopped: bool
    wall_s: float  # from the start to the last answer
    cpu_s: float  # of the sender thread
    stalls: int  # ticks that came more than 10 ms after the one before
    stalled_s: float  # their lengths together
    stall_ms_max: float
    producer_starved: int  # ticks in which operations may have been due, but no block was ready
    late_p50_ms: float
    late_p99_ms: float
    late_max_ms: float
    scheduling: str
    errors: tuple[ErrorTally, ...]  # final, and of attempts
    error_messages: dict[str, str]  # kind -> the first message of a server
    down_at_start: tuple[str, ...] = ()  # nodes (host:port) that did not answer when the engine was opened
    homes_moved: tuple[HomesMoved, ...] = ()
    speculated: int = 0  # reads that were asked of a second replica as well
    speculation_won: int = 0  # of these, answered by it first

    @property
    def network_errors(self) -> int:
        """Attempts that a connection was lost under, or that found none."""
        kinds = (ErrorKind.CONNECTION_LOST.label, ErrorKind.NO_CONNECTION.label)
        return sum(error.count for error in self.errors if error.outcome is None and error.kind in kinds)

    @property
    def ops_per_cpu_s(self) -> float:
        """Acknowledged operations a second of the sender's CPU time."""
        return self.ok / self.cpu_s if self.cpu_s > 0 else 0.0


class Recorder:
    """Hands each second's recording over to `on_interval`, in a thread of its own, and keeps the lateness of the run.

    Never in the sender's way: when `on_interval` raises, or is more than half a minute behind, `raise_failure` says so
    at the end, and what was not written is lost.
    """

    def __init__(self, state: WireState, on_interval: OnInterval | None) -> None:
        self._state = state
        self._on_interval = on_interval
        self._queue: queue.Queue[IntervalSnapshot | None] = queue.Queue(maxsize=_BACKLOG_MAX)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._write, name="wire-history", daemon=True)
        self._spare = [new_recording(len(state.planes)) for _ in range(2)]
        self.lateness = np.zeros(COUNTS_SIZE, dtype=np.int64)

    def start(self) -> None:
        self._thread.start()

    def hand_over(self, state: WireState, now_us: int, *, is_last: bool = False) -> WireState:
        """Hand over every whole second before `now_us` (the last one too when `is_last`); returns the state to go on with.

        What was measured goes to the latest of these seconds; there is one, but for a stall of the sender.
        """
        first = int(state.totals[Total.FIRST_SECOND])
        end = now_us // 1_000_000 + (1 if is_last else 0)
        for second in range(first, end):
            is_latest = second == end - 1
            recording = state.recording if is_latest else new_recording(len(state.planes))
            counts, by_dc = state.second_counts[second % SECOND_ROWS], state.dc_counts[second % SECOND_ROWS]
            snapshot = IntervalSnapshot(
                second=second,
                counts=tuple(SecondCounts(*map(int, row)) for row in counts),
                by_dc=by_dc.copy(),
                **recording._asdict(),
            )
            counts[:], by_dc[:] = 0, 0
            state.totals[Total.FIRST_SECOND] = second + 1
            if is_latest:
                self.lateness += recording.lateness
                state.live[LiveField.LATE_US_MAX] = max(int(percentiles_us(recording.lateness, [100.0])[0]), 0)
                state = state._replace(recording=self._empty_recording(len(state.planes)))
            self._put(snapshot)
        return state

    def stop(self) -> None:
        """Wait until everything was handed to `on_interval`. Stopping twice is harmless."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def raise_failure(self) -> None:
        """Raise HarnessError when the history could not be written."""
        if self._failure is not None:
            raise HarnessError(f"the history could not be written: {self._failure}") from self._failure

    def _empty_recording(self, operation_count: int) -> Recording:
        return self._spare.pop() if self._spare else new_recording(operation_count)

    def _put(self, snapshot: IntervalSnapshot) -> None:
        if self._on_interval is None or self._failure is not None:
            return
        try:
            self._queue.put_nowait(snapshot)
        except queue.Full:
            self._failure = HarnessError(f"its writer is more than {_BACKLOG_MAX} seconds behind; is the disk full?")

    def _write(self) -> None:
        favour_thread()
        while (snapshot := self._queue.get()) is not None:
            if self._failure is not None or self._on_interval is None:
                continue
            try:
                self._on_interval(snapshot)
            except Exception as error:  # the caller's code: it surfaces in `close`
                self._failure = error


def tally_errors(state: WireState, operations: tuple[str, ...]) -> tuple[ErrorTally, ...]:
    """Every kind of error that was met: of operations by their final outcome, then of single attempts."""
    final = [
        ErrorTally(operation=operation, outcome=outcome.name.lower(), kind=kind.label, count=count)
        for index, operation in enumerate(operations)
        for outcome in (RequestOutcome.FAILED, RequestOutcome.INDETERMINATE)
        for kind in ErrorKind
        if (count := int(state.final_errors[index, outcome, kind]))
    ]
    attempts = [
        ErrorTally(operation=operation, outcome=None, kind=kind.label, count=count)
        for index, operation in enumerate(operations)
        for kind in ErrorKind
        if (count := int(state.attempt_errors[index, kind]))
    ]
    return (*final, *attempts)


def sample_messages(state: WireState) -> dict[str, str]:
    """The first message that a server gave with each kind of error."""
    messages = {}
    for kind in ErrorKind:
        size = int(state.error_sample_sizes[kind])
        if size >= 6 and kind is not ErrorKind.UNEXPECTED_ANSWER:
            messages[kind.label] = parse_error(state.error_samples[kind, :size].tobytes())[1]
    return messages


def lateness_ms(counts: NDArray[np.int64]) -> tuple[float, float, float]:
    """p50, p99 and the greatest lateness [ms] of int64[COUNTS_SIZE]; zeros when nothing was sent."""
    p50, p99, greatest = (max(int(value), 0) / 1_000 for value in percentiles_us(counts, [50.0, 99.0, 100.0]))
    return p50, p99, greatest
