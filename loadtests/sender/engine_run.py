"""One run of an engine, in the thread that calls it: blocks in, stretches of ticks, seconds out, an end."""

import time
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.sender.block import OperationBlock
from loadtests.sender.compiled import NO_FRAMES, NO_ROWS, Kernels, no_progress
from loadtests.sender.completion import end_all, update_live
from loadtests.sender.connection_pool import Links
from loadtests.sender.failover import HomesServed
from loadtests.sender.producer import Producer
from loadtests.sender.recorder import Recorder
from loadtests.sender.scheduling import on_time
from loadtests.sender.state import BlockProgress, EngineLimit, LiveField, Total, WireState, with_frame_size
from loadtests.sender.submit import FAR_US, hold_back, refuse_unsent

_FIRST_BLOCK_S_MAX = 300.0
_SECOND_US = 1_000_000
_LOOK_US = 2_000  # between two looks for a block, or for a connection, that is not ready
_LINE_US = 1_000  # between two looks at what falls due behind a block that waits for room
_STOP_DRAIN_US = 2_000_000
_HELD_BLOCKS_MAX = 16  # blocks that may wait while the window is full, so that offered load is counted in time

_TAKEN_UP, _NOTICED = int(BlockProgress.TAKEN_UP), int(BlockProgress.NOTICED)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTimes:
    """Times of a run [us]. end_us: when the last operation falls due, None where that is not known beforehand."""

    drain_us_max: int
    end_us: int | None


@dataclass(frozen=True, slots=True)
class _HeldBlock:
    """A block that the storm works on, and how far it is: rows OPERATION[n], frames uint8[total], int64[Progress]."""

    rows: NDArray[np.void]
    frames: NDArray[np.uint8]
    progress: NDArray[np.int64]

    def is_done(self) -> bool:
        return int(self.progress[_TAKEN_UP]) == len(self.rows)

    def is_all_due(self) -> bool:
        return int(self.progress[_NOTICED]) == len(self.rows)


class EngineRun:
    """One run. `stop` may be called from any thread; all else belongs to the thread that calls `run`."""

    def __init__(
        self,
        *,
        state: WireState,
        kernels: Kernels,
        links: Links,
        recorder: Recorder,
        producer: Producer,
        pace: EngineTimes,
        homes: HomesServed | None = None,
    ) -> None:
        self.scheduling = "plain"
        self.starved_count = 0
        self.wall_s = 0.0
        self._state = state
        self._kernels = kernels
        self._links = links
        self._recorder = recorder
        self._producer = producer
        self._pace = pace
        self._homes = homes
        self._nothing = _HeldBlock(NO_ROWS, NO_FRAMES, no_progress())
        self._held: deque[_HeldBlock] = deque()
        self._start_ns = 0
        self._second_end_us = _SECOND_US
        self._deadline_us = FAR_US if pace.end_us is None else pace.end_us + pace.drain_us_max
        self._stopped_at_us = FAR_US

    def stop(self) -> None:
        """Send no more, and end within about 2 s."""
        self._state.limits[EngineLimit.STOP_ASKED] = 1

    def run(self, start_ns: int | None) -> None:
        """Run from `start_ns` (None: from now) to the end. Raises what the source or the history's writer raises."""
        self._producer.start()
        self._recorder.start()
        try:
            first = self._producer.take(timeout_s=_FIRST_BLOCK_S_MAX)
            if first is not None:
                self._hold(first)
            is_open_loop = not self._state.limits[EngineLimit.IS_CLOSED_LOOP]
            with on_time(is_open_loop=is_open_loop) as self.scheduling:
                self._start_ns = time.perf_counter_ns() if start_ns is None else start_ns
                while not self._is_over(self._now_us()):
                    self._advance()
                self._finish()
        finally:
            self._producer.stop()
            self._recorder.stop()
        self._recorder.raise_failure()

    def _now_us(self) -> int:
        return (time.perf_counter_ns() - self._start_ns) // 1_000

    def _advance(self) -> None:
        """One stretch of ticks, and what Python has to do after it."""
        block = self._head()
        self._stretch(block, self._until_us(block))
        if self._held and block.is_done():
            self._held.popleft()
        elif block.is_all_due():
            self._hold_back()
        now_us = self._now_us()
        if self._links.need_care():
            self._links.tend(self._state, now_us)
        if self._homes is not None:
            self._homes.look(now_us)
        if now_us >= self._second_end_us:
            self._hand_over(now_us)

    def _stretch(self, block: _HeldBlock, until_us: int) -> None:
        """Tick until `until_us`, or until Python is needed."""
        state, kernels = self._state, self._kernels
        if self._links.is_native:
            kernels.run_stretch(state, block.rows, block.frames, block.progress, self._start_ns, until_us)
            return
        begin_us = self._now_us()
        was_all_due = block.is_all_due()
        self._links.receive()
        answer_count = kernels.scan_responses(state, self._now_us())
        self._links.note_read(begin_us)
        next_due_us = kernels.submit_due(state, block.rows, block.frames, block.progress, self._now_us())
        self._links.send()
        end_us = self._now_us()
        if not kernels.needs_python(state, len(block.rows), block.progress, was_all_due, end_us) and end_us < until_us:
            time.sleep(kernels.wait_us(state, end_us - begin_us, next_due_us - end_us, answer_count) / 1e6)

    def _head(self) -> _HeldBlock:
        """The block to work on: the first one that is not done, or an empty one."""
        if self._stopped_at_us != FAR_US or (not self._held and not self._take_block(self._block_wait_s())):
            return self._nothing
        return self._held[0]

    def _block_wait_s(self) -> float:
        """How long a block may be waited for [s]: not at all while answers are, for which there are ticks.

        With nothing in flight a tick has nothing to sleep for, and the sender would keep the producer off a core they share.
        """
        totals = self._state.totals
        return 0.0 if totals[Total.IN_FLIGHT] > totals[Total.WAITING] else _LOOK_US / 1e6

    def _until_us(self, block: _HeldBlock) -> int:
        """How long the next stretch may take at most [us]."""
        is_starved = block is self._nothing and not self._producer.is_exhausted
        if is_starved or self._links.opening_count:
            return min(self._second_end_us, self._now_us() + _LOOK_US)
        if block.is_all_due() and not block.is_done():
            return min(self._second_end_us, self._now_us() + _LINE_US)
        return self._second_end_us

    def _take_block(self, timeout_s: float = 0.0) -> bool:
        block = self._producer.take(timeout_s)
        if block is None:
            self.starved_count += not self._producer.is_exhausted
            return False
        self._hold(block)
        return True

    def _hold(self, block: OperationBlock) -> None:
        self._state = with_frame_size(self._state, int(block.rows["frame_size"].max()))
        self._held.append(_HeldBlock(block.rows, block.frames, no_progress()))

    def _hold_back(self) -> None:
        """The whole first block is due and waits for room: count what else falls due meanwhile."""
        now_us = self._now_us()
        index = 1
        while index < len(self._held) or (0 < len(self._held) < _HELD_BLOCKS_MAX and self._take_block()):
            block = self._held[index]
            hold_back(self._state, block.rows, block.progress, now_us)
            if not block.is_all_due():
                return
            index += 1

    def _hand_over(self, now_us: int) -> None:
        self._state = self._recorder.hand_over(self._state, now_us)
        self._second_end_us = (now_us // _SECOND_US + 1) * _SECOND_US

    def _is_over(self, now_us: int) -> bool:
        """Is all answered, or is it time to end without?"""
        limits, totals = self._state.limits, self._state.totals
        if limits[EngineLimit.STOP_ASKED]:
            if self._stopped_at_us == FAR_US:
                limits[EngineLimit.IS_STOPPING] = 1
                self._stopped_at_us = now_us
                self._deadline_us = now_us + _STOP_DRAIN_US
            return bool(totals[Total.IN_FLIGHT] == totals[Total.WAITING]) or now_us >= self._deadline_us
        if self._producer.is_exhausted and not self._held:
            if totals[Total.IN_FLIGHT] == 0:
                return True
            if self._deadline_us == FAR_US:
                self._deadline_us = now_us + self._pace.drain_us_max
        return now_us >= self._deadline_us

    def _finish(self) -> None:
        """Give every operation that fell due an outcome, and hand the last second over."""
        now_us = self._now_us()
        end_all(self._state, now_us)
        is_stopped = self._stopped_at_us != FAR_US
        while self._held or (not is_stopped and self._take_block(_FIRST_BLOCK_S_MAX)):
            block = self._held.popleft()
            refuse_unsent(self._state, block.rows, block.progress, min(now_us, self._stopped_at_us))
        self.wall_s = now_us / 1e6
        self._recorder.hand_over(self._state, now_us, is_last=True)
        update_live(self._state, now_us)
        self._state.live[LiveField.IS_DONE] = 1
