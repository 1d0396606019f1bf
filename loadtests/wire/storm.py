"""The beat: receive, scan, submit, send, sleep. One `Storm` is one run of an engine, in the thread that calls it."""

import time
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.wire.block import OperationBlock
from loadtests.wire.compiled import NO_FRAMES, NO_ROWS, Kernels, no_progress
from loadtests.wire.links import Links
from loadtests.wire.producer import Producer
from loadtests.wire.realtime import on_time
from loadtests.wire.recorder import LiveField, Recorder, update_live
from loadtests.wire.settle import end_all, expire
from loadtests.wire.state import Limit, Progress, Total, WireState, with_frame_size
from loadtests.wire.submit import FAR_US, hold_back, refuse_unsent

_FIRST_BLOCK_S_MAX = 300.0
_HOUSEKEEPING_US = 100_000  # time-outs and live figures are looked after this often
_SECOND_US = 1_000_000
_IDLE_US_MAX = 2_000  # the longest sleep, so that a stop or a new block is noticed
_SLEEP_US_MIN = 20  # other threads get the interpreter lock and the core at least this often
_STOP_DRAIN_US = 2_000_000
_HELD_BLOCKS_MAX = 16  # blocks that may stand in line while the window is full, so that offered load is counted in time

# Closed loop: a beat is as long as about half of the window takes to be answered. Shorter beats cost CPU that a cluster
# on the same machine could use, longer ones leave it waiting.
_CLOSED_BEAT_US_MIN = 200
_CLOSED_BEAT_US_MAX = 20_000
_CLOSED_SHARE = 2

_TAKEN_UP, _NOTICED = int(Progress.TAKEN_UP), int(Progress.NOTICED)
_IN_FLIGHT, _WAITING = int(Total.IN_FLIGHT), int(Total.WAITING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Times of a run [us]. end_us: when the last operation falls due, None where that is not known beforehand."""

    beat_us: int
    drain_us_max: int
    end_us: int | None


class _HeldBlock:
    """A block that the storm works on, and how far it is."""

    __slots__ = ("frames", "progress", "rows", "size")

    def __init__(self, block: OperationBlock) -> None:
        self.rows = block.rows
        self.frames = block.frames
        self.progress = no_progress()
        self.size = len(block)

    def is_done(self) -> bool:
        return int(self.progress[_TAKEN_UP]) == self.size


class Storm:
    """One run. `stop` may be called from any thread; all else belongs to the thread that calls `run`."""

    def __init__(
        self,
        *,
        state: WireState,
        kernels: Kernels,
        links: Links,
        recorder: Recorder,
        producer: Producer,
        pace: Pace,
        live: NDArray[np.int64] | None,
    ) -> None:
        self.scheduling = "plain"
        self.starved_count = 0
        self.wall_s = 0.0
        self._state = state
        self._scan, self._submit_due = kernels
        self._links = links
        self._recorder = recorder
        self._producer = producer
        self._pace = pace
        self._live = live
        self._totals = state.totals.data
        self._is_closed_loop = bool(state.limits[Limit.IS_CLOSED_LOOP])
        self._closed_beat_us = 1_000.0
        self._held: deque[_HeldBlock] = deque()
        self._start_ns = 0
        self._housekeeping_at_us = 0
        self._deadline_us = FAR_US if pace.end_us is None else pace.end_us + pace.drain_us_max
        self._is_stopped = False
        self._stopped_at_us = FAR_US

    def stop(self) -> None:
        """Send no more, and end within about 2 s."""
        self._is_stopped = True

    def run(self, start_ns: int | None) -> None:
        """Run from `start_ns` (None: from now) to the end. Raises what the source or the history's writer raises."""
        self._producer.start()
        self._recorder.start()
        try:
            first = self._producer.take(timeout_s=_FIRST_BLOCK_S_MAX)
            if first is not None:
                self._hold(first)
            with on_time() as self.scheduling:
                self._start_ns = time.perf_counter_ns() if start_ns is None else start_ns
                while not self._beat():
                    pass
                self._finish()
        finally:
            self._producer.stop()
            self._recorder.stop()
        self._recorder.raise_failure()

    def _now_us(self) -> int:
        return (time.perf_counter_ns() - self._start_ns) // 1_000

    def _beat(self) -> bool:
        """One beat, with the sleep at its end; True when the run is over."""
        begin_us = self._now_us()
        self._links.receive()
        answer_count = self._scan(self._state, self._now_us())
        next_due_us = self._submit()
        self._links.send()
        if self._links.need_care():
            self._links.tend(self._state, self._now_us())
        now_us = self._now_us()
        if now_us >= self._housekeeping_at_us:
            self._keep_house(now_us)
        if self._is_over(now_us):
            return True
        self._sleep(now_us, now_us - begin_us, next_due_us, answer_count)
        return False

    def _submit(self) -> int:
        """Submit what is due, from one block after the other; returns when the next operation is due [us]."""
        if self._is_stopped:
            return FAR_US
        while True:
            if not self._held and not self._take_block():
                self._submit_due(self._state, NO_ROWS, NO_FRAMES, no_progress(), self._now_us())  # retries
                return FAR_US
            block = self._held[0]
            next_due_us = self._submit_due(self._state, block.rows, block.frames, block.progress, self._now_us())
            if block.is_done():
                self._held.popleft()
                continue
            if next_due_us == FAR_US and not self._is_closed_loop:
                self._hold_back()
            return next_due_us

    def _take_block(self) -> bool:
        block = self._producer.take()
        if block is None:
            if not self._producer.is_exhausted:
                self.starved_count += 1
            return False
        self._hold(block)
        return True

    def _hold(self, block: OperationBlock) -> None:
        self._state = with_frame_size(self._state, int(block.rows["frame_size"].max()))
        self._held.append(_HeldBlock(block))

    def _hold_back(self) -> None:
        """The whole block is due and the window is full: count what else falls due meanwhile."""
        now_us = self._now_us()
        index = 1
        while index < len(self._held) or (len(self._held) < _HELD_BLOCKS_MAX and self._take_block()):
            block = self._held[index]
            hold_back(self._state, block.rows, block.progress, now_us)
            if block.progress[_NOTICED] < block.size:
                return
            index += 1

    def _keep_house(self, now_us: int) -> None:
        # Not past the end of the second: what is measured from then on belongs to the next one.
        self._housekeeping_at_us = min(now_us + _HOUSEKEEPING_US, (now_us // _SECOND_US + 1) * _SECOND_US)
        expire(self._state, now_us)
        self._state = self._recorder.hand_over(self._state, now_us)
        self._update_live(now_us)

    def _is_over(self, now_us: int) -> bool:
        """Is all answered, or is it time to end without?"""
        totals = self._totals
        if self._is_stopped:
            if self._state.limits[Limit.IS_STOPPING] == 0:
                self._state.limits[Limit.IS_STOPPING] = 1
                self._stopped_at_us = now_us
                self._deadline_us = now_us + _STOP_DRAIN_US
            return totals[_IN_FLIGHT] == totals[_WAITING] or now_us >= self._deadline_us
        if self._producer.is_exhausted and not self._held:
            if totals[_IN_FLIGHT] == 0:
                return True
            if self._deadline_us == FAR_US:
                self._deadline_us = now_us + self._pace.drain_us_max
        return now_us >= self._deadline_us

    def _sleep(self, now_us: int, spent_us: int, next_due_us: int, answer_count: int) -> None:
        if self._is_closed_loop:
            self._adapt(answer_count)
            wait_us = int(self._closed_beat_us) - spent_us
        elif self._totals[_IN_FLIGHT] == 0:
            wait_us = min(max(next_due_us - now_us, self._pace.beat_us - spent_us), _IDLE_US_MAX)
        else:
            wait_us = self._pace.beat_us - spent_us
        time.sleep(max(wait_us, _SLEEP_US_MIN) / 1e6)

    def _adapt(self, answer_count: int) -> None:
        """Lengthen or shorten the beat of a closed loop towards `1 / _CLOSED_SHARE` of the window a beat."""
        wanted = self._state.limits[Limit.IN_FLIGHT] / _CLOSED_SHARE
        step = 1.1 if answer_count < wanted else 1 / 1.1
        self._closed_beat_us = min(max(self._closed_beat_us * step, _CLOSED_BEAT_US_MIN), _CLOSED_BEAT_US_MAX)

    def _finish(self) -> None:
        """Give every operation that fell due an outcome, and hand the last second over."""
        now_us = self._now_us()
        end_all(self._state, now_us)
        while self._held or (not self._is_stopped and self._take_block_at_end()):
            block = self._held.popleft()
            refuse_unsent(self._state, block.rows, block.progress, min(now_us, self._stopped_at_us))
        self.wall_s = now_us / 1e6
        self._recorder.hand_over(self._state, now_us, is_last=True)
        self._update_live(now_us, is_done=True)

    def _update_live(self, now_us: int, *, is_done: bool = False) -> None:
        if self._live is None:
            return
        update_live(self._live, self._state, now_us)
        self._live[LiveField.LATE_US_MAX] = self._recorder.late_us_max
        self._live[LiveField.LINKS_OPEN] = self._links.open_count()
        self._live[LiveField.REOPENED] = self._links.reopened_count
        self._live[LiveField.IS_DONE] = is_done

    def _take_block_at_end(self) -> bool:
        block = self._producer.take(timeout_s=_FIRST_BLOCK_S_MAX)
        if block is not None:
            self._hold(block)
        return block is not None
