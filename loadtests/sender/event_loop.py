"""The tick: submit, send, receive, scan, sleep; many of them in compiled code, until Python has something to do.

A *stretch* is a run of ticks that needs no Python: it ends for the next block, for a link that was lost, when the run is
told to stop, and at the latest with the second, whose recording Python hands over.
"""

import numpy as np
from numpy.typing import NDArray

from loadtests.kernels import borrowing_kernel
from loadtests.sender.completion import expire, update_live
from loadtests.sender.responses import scan_responses
from loadtests.sender.state import STALL_US, BlockProgress, EngineLimit, LinkField, LinkStatus, Total, WireState
from loadtests.sender.submit import FAR_US, note_sent, submit_due
from loadtests.sender.syscalls import clock_ns, now_us, receive_all, send_all, sleep_ns, wait_for_bytes, wake_at
from sim.kernels import leaf_kernel

_HOUSEKEEPING_US = 100_000
_IDLE_US_MAX = 2_000  # the longest sleep of an open loop, so that a stop is heard
_SLEEP_US_MIN = 20  # the core is given to others at least this often
_OVERSHOOT_NS = 64  # a step of the estimate of what sleeps are too long by
_OVERSHOOT_MAX = 100_000 // _OVERSHOOT_NS  # what a busy machine adds to a sleep is no overshoot to be counted on
_AWAKE_NS_MAX = 50_000  # waited out awake at most: as long as the timer of an idle machine is late

_TICKS_A_RESPONSE = 100  # a tick of a hundredth shows in no percentile by more than the 1 % that it may be off
_RESTS_MAX = 5  # that an open loop with answers to come sleeps at once

# Closed loop: a tick is as long as three quarters of the window take to be answered. Shorter ticks cost CPU that a
# cluster on the same machine could use, longer ones leave it waiting. The kernel wakes for the bytes of so many answers; where
# sockets are Python's, the length is adapted.
_CLOSED_SHARE_PERCENT = 75
_CLOSED_TICK_US_MIN = 200
_CLOSED_TICK_US_MAX = 20_000


@leaf_kernel
def run_stretch(
    state: WireState,
    rows: NDArray[np.void],
    frames: NDArray[np.uint8],
    progress: NDArray[np.int64],
    start_ns: int,
    until_us: int,
) -> None:
    """Tick until `until_us` [us since `start_ns`], or until Python is needed; the interpreter lock is not held.

    rows: OPERATION[n]; frames: uint8[total]; progress: int64[Progress], moved on.
    """
    was_all_due = progress[BlockProgress.NOTICED] == len(rows)
    while True:
        begin_us = now_us(state, start_ns)
        answer_count, next_due_us = 0, FAR_US
        # What is due leaves first where there is room for it: the kernel tells when answers came. Each part is called at one
        # place only, see `scan_responses`.
        sends_first = has_room(state)
        for part in range(2):
            if (part == 0) == sends_first:
                next_due_us = submit_due(state, rows, frames, progress, now_us(state, start_ns))
                send_all(state)
                note_sent(state, now_us(state, start_ns))
            else:
                receive_all(state, start_ns)
                answer_count = scan_responses(state, now_us(state, start_ns))
        end_us = now_us(state, start_ns)
        if needs_python(state, len(rows), progress, was_all_due, end_us) or end_us >= until_us:
            return
        if state.limits[EngineLimit.IS_CLOSED_LOOP] == 1:
            rest_until_answered(state, answer_count, until_us - end_us)
        else:
            rest(state, wait_us(state, end_us - begin_us, next_due_us - end_us, answer_count))


@borrowing_kernel
def has_room(state: WireState) -> bool:
    """May what falls due in an open loop leave before answers are looked at, which would make room?"""
    is_open_loop = state.limits[EngineLimit.IS_CLOSED_LOOP] == 0
    return bool(is_open_loop and state.totals[Total.IN_FLIGHT] * 2 < state.limits[EngineLimit.IN_FLIGHT])


@borrowing_kernel
def needs_python(state: WireState, row_count: int, progress: NDArray[np.int64], was_all_due: bool, now_us: int) -> bool:
    """Look for time-outs, every 100 ms, then: is there anything that no kernel can do?

    was_all_due: the whole block had fallen due before this stretch.
    """
    limits, totals = state.limits, state.totals
    note_sent(state, now_us)
    count_stall(state, now_us)
    if now_us >= totals[Total.HOUSEKEEPING_AT_US]:
        totals[Total.HOUSEKEEPING_AT_US] = now_us + _HOUSEKEEPING_US
        expire(state, now_us)
        update_live(state, now_us)
        adapt_rest(state)
    for link in range(state.links.shape[0]):
        if state.links[link, LinkField.STATUS] == LinkStatus.LOST or state.links[link, LinkField.NEEDS_PREPARE] == 1:
            return True
    is_stopping = limits[EngineLimit.IS_STOPPING]
    if limits[EngineLimit.STOP_ASKED] != is_stopping:
        return True
    unanswered = totals[Total.IN_FLIGHT] - totals[Total.WAITING] * is_stopping
    if progress[BlockProgress.TAKEN_UP] == row_count:
        return row_count > 0 or unanswered == 0
    is_all_due = progress[BlockProgress.NOTICED] == row_count
    return limits[EngineLimit.IS_CLOSED_LOOP] == 0 and is_all_due and not was_all_due  # what follows it falls due too


@borrowing_kernel
def count_stall(state: WireState, now_us: int) -> None:
    """A tick has ended: was the thread kept from it, by the scheduler, the interpreter's lock or its collector?

    A closed loop's ticks are long on purpose, and are not counted.
    """
    totals = state.totals
    gap_us = now_us - totals[Total.TICK_ENDED_US]
    if totals[Total.TICK_ENDED_US] >= 0 and gap_us > STALL_US and state.limits[EngineLimit.IS_CLOSED_LOOP] == 0:
        totals[Total.STALLS] += 1
        totals[Total.STALLED_US] += gap_us
        totals[Total.STALL_US_MAX] = max(totals[Total.STALL_US_MAX], gap_us)
    totals[Total.TICK_ENDED_US] = now_us


@borrowing_kernel
def adapt_rest(state: WireState) -> None:
    """A tick of an open loop is a hundredth of what the fastest operation typically takes.

    A shorter one costs CPU that a cluster on the same machine could use, a longer one shows in percentiles.
    """
    typical_us = state.limits[EngineLimit.TICK_US] * _TICKS_A_RESPONSE
    for operation in range(state.typical_us.size):
        if state.typical_us[operation] > 0:
            typical_us = min(typical_us, state.typical_us[operation])
    state.totals[Total.REST_US] = max(typical_us // _TICKS_A_RESPONSE, state.limits[EngineLimit.REST_US])


@borrowing_kernel
def wait_us(state: WireState, spent_us: int, until_due_us: int, answer_count: int) -> int:
    """How long to sleep [us] after a tick that took `spent_us`; the next operation is due in `until_due_us`.

    An open loop sleeps until then. What falls due sooner than `Total.REST_US` after the tick began is sent together. Answers
    are not waited for, but the longer it sleeps, the more are read at once, and the kernel tells when the last one came.
    """
    limits = state.limits
    if limits[EngineLimit.IS_CLOSED_LOOP] == 1:
        wait = _closed_tick_us(state, answer_count) - spent_us
    else:
        shortest = state.totals[Total.REST_US] - spent_us
        longest = _IDLE_US_MAX
        if state.totals[Total.IN_FLIGHT] > 0:
            longest = min(_RESTS_MAX * state.totals[Total.REST_US], limits[EngineLimit.TICK_US]) - spent_us
        wait = min(max(shortest, until_due_us), longest)
    return int(max(wait, _SLEEP_US_MIN))


@borrowing_kernel
def rest(state: WireState, wait_us: int) -> None:
    """Sleep for `wait_us` in an open loop, and not for longer where it can be helped.

    A sleep is longer than asked for, by 20 to 60 us on a virtual machine: what four of five exceed it by is asked for the
    less, and what is then left is waited out awake.
    """
    totals, timespec = state.totals, state.timespec
    before_ns = clock_ns(timespec)
    asked_ns = max(wait_us * 1_000 - totals[Total.OVERSHOOT] * _OVERSHOOT_NS, _SLEEP_US_MIN * 1_000)
    sleep_ns(timespec, asked_ns)
    woken_ns = clock_ns(timespec)
    if woken_ns - before_ns - asked_ns > totals[Total.OVERSHOOT] * _OVERSHOOT_NS:
        totals[Total.OVERSHOOT] = min(totals[Total.OVERSHOOT] + 1, _OVERSHOOT_MAX)
    else:
        totals[Total.OVERSHOOT] = max(totals[Total.OVERSHOOT] - 4, 0)
    left_ns = before_ns + wait_us * 1_000 - woken_ns
    if left_ns <= _AWAKE_NS_MAX:  # more is left where a signal ended the sleep
        while clock_ns(timespec) < before_ns + wait_us * 1_000:
            pass


@borrowing_kernel
def rest_until_answered(state: WireState, answer_count: int, longest_us: int) -> None:
    """Sleep in a closed loop until a link has received its share of the answers that it owes, but no longer than `longest_us`.

    answer_count: that the latest tick read. A sleep of a set time lets the cluster run dry, or wakes for too few.
    """
    before_ns = clock_ns(state.timespec)
    ask_for_answers(state, answer_count)
    wait_for_bytes(state, max(min(longest_us, _CLOSED_TICK_US_MAX), _SLEEP_US_MIN))
    if clock_ns(state.timespec) - before_ns < _SLEEP_US_MIN * 1_000:
        sleep_ns(state.timespec, _SLEEP_US_MIN * 1_000)  # answers were there: others get the core all the same


@borrowing_kernel
def ask_for_answers(state: WireState, answer_count: int) -> None:
    """Tell each open link's socket how many bytes wake the sender. answer_count: that the latest tick read.

    As many as its share of the smaller answers has, so that it hardly waits for more than will come; where it does, there is a
    longest tick.
    """
    links, totals = state.links, state.totals
    if answer_count > 0:
        mean = max(totals[Total.RECEIVED_BYTES] // answer_count, 1)
        totals[Total.ANSWER_BYTES] = min(mean, totals[Total.ANSWER_BYTES] + totals[Total.ANSWER_BYTES] // 8 + 1)
    for link in range(links.shape[0]):
        if links[link, LinkField.STATUS] != LinkStatus.OPEN:
            continue
        owed = links[link, LinkField.IN_FLIGHT] * totals[Total.ANSWER_BYTES]
        low = min(max(owed * _CLOSED_SHARE_PERCENT // 100, 1), state.in_bytes.shape[1] // 2)
        before = links[link, LinkField.LOW_BYTES]
        if low < before or low > before + before // 8:  # not at each change of what it owes: that is a system call
            wake_at(links[link, LinkField.FD], low, state.timespec)
            links[link, LinkField.LOW_BYTES] = low


@borrowing_kernel
def _closed_tick_us(state: WireState, answer_count: int) -> int:
    """Lengthen or shorten the tick of a closed loop by a tenth, towards its share of the window a tick."""
    tick_us = state.totals[Total.CLOSED_TICK_US]
    if answer_count * 100 < state.limits[EngineLimit.IN_FLIGHT] * _CLOSED_SHARE_PERCENT:
        tick_us += tick_us // 10
    else:
        tick_us -= tick_us // 10
    tick_us = min(max(tick_us, _CLOSED_TICK_US_MIN), _CLOSED_TICK_US_MAX)
    state.totals[Total.CLOSED_TICK_US] = tick_us
    return int(tick_us)
