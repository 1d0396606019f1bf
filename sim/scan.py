"""Lists the messages due in a window of time, and orders them. Both are linear in messages, whatever their instants.

The scan visits meters in order and each meter's messages in order of (kind, first slot); the sort is stable. So equal
instants keep the order (meter, kind, first slot), and the trace has one order for any cut into windows.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, SLOT_US, SLOTS_PER_DAY
from sim.arrivals import (
    is_half_hourly,
    partition_index,
    push_due_us,
    query_count,
    query_due_us,
    query_words,
    upload_due_us,
)
from sim.kernels import kernel, leaf_kernel
from sim.messages import QUERY_KINDS, MessageKind, packed
from sim.parameters import IntArray, KernelParameters
from sim.streams import word_of

_PUSH = int(MessageKind.PUSH_HALF_HOUR)
_UPLOAD = int(MessageKind.UPLOAD_DAY)
_ASK_FIRST = int(QUERY_KINDS[0])
_QUERY_KIND_COUNT = len(QUERY_KINDS)

_DIGIT_BITS = 11  # a radix pass counts into 2,048 buckets, which stay in the L1 cache
_DIGITS = 1 << _DIGIT_BITS


class Scope(NamedTuple):
    """Whose messages are wanted: premises first .. end - 1, as far as their partition p has p % shard_count == shard."""

    first_premises: int
    end_premises: int
    shard: int = 0
    shard_count: int = 1


def messages_due(
    p: KernelParameters, scope: Scope, from_us: int, to_us: int, expected_count: int
) -> tuple[IntArray, IntArray]:
    """The messages of a scope with from_us <= due < to_us, in meter order: instants int64[n] [us], messages int64[n].

    A message is packed as in `sim.messages`.
    """
    room = expected_count + 8 * int(expected_count**0.5) + 1_024
    while True:
        due_us, message = np.empty(room, np.int64), np.empty(room, np.int64)
        count = _scan(p, scope, from_us, to_us, due_us, message)
        if count <= room:
            return due_us[:count], message[:count]
        room = count  # more than eight standard deviations above what was expected: scan again with room for all


@leaf_kernel
def _scan(p: KernelParameters, scope: Scope, from_us: int, to_us: int, due_us: IntArray, message: IntArray) -> int:
    """Write the scope's messages of the window into two columns of one length, and return how many there are.

    When there are more than the columns hold, the rest is counted and not written.
    """
    count = 0
    shard, shard_count = scope.shard, scope.shard_count
    for premises in range(scope.first_premises, scope.end_premises):
        if shard_count > 1 and partition_index(p.seed, premises) % shard_count != shard:
            continue
        for fuel in range(p.fuel_count):
            meter = premises * p.fuel_count + fuel
            if is_half_hourly(p.seed, p.half_hourly_below, meter):
                first, last = _numbers_due(from_us, to_us, SLOT_US, p.push_jitter_us, p.day_count * SLOTS_PER_DAY)
                for slot in range(first, last):
                    due = push_due_us(p.seed, p.push_jitter_us, meter, slot)
                    if from_us <= due < to_us:
                        count = _put(due_us, message, count, due, packed(meter, _PUSH, slot, 0))
            else:
                first, last = _numbers_due(from_us, to_us, DAY_US, p.upload_window_us, p.day_count)
                for day in range(first, last):
                    due = upload_due_us(p.seed, p.upload_window_us, meter, day)
                    if from_us <= due < to_us:
                        count = _put(due_us, message, count, due, packed(meter, _UPLOAD, day * SLOTS_PER_DAY, 0))
            if fuel == p.electricity:
                for day in range(from_us // DAY_US, min((to_us - 1) // DAY_US, p.day_count) + 1):
                    count = _scan_queries(
                        p.seed,
                        p.query_below,
                        p.query_hour,
                        premises,
                        day,
                        meter,
                        from_us,
                        to_us,
                        due_us,
                        message,
                        count,
                    )
    return count


@leaf_kernel
def _scan_queries(
    seed: int,
    query_below: IntArray,
    query_hour: IntArray,
    premises: int,
    day: int,
    meter: int,
    from_us: int,
    to_us: int,
    due_us: IntArray,
    message: IntArray,
    count: int,
) -> int:
    """Write a premises-day's queries that fall in the window from index `count`; returns the index after the last."""
    four = query_words(seed, premises, day)
    # The day before the asking is the latest whole one; on the first day there is none yet.
    first_slot = max(day - 1, 0) * SLOTS_PER_DAY
    for query_kind in range(_QUERY_KIND_COUNT):
        for number in range(query_count(query_below, query_kind, word_of(four, query_kind))):
            due = query_due_us(seed, query_hour, premises, day, query_kind, number)
            if from_us <= due < to_us:
                what = packed(meter, _ASK_FIRST + query_kind, first_slot, number)
                count = _put(due_us, message, count, due, what)
    return count


@leaf_kernel
def _numbers_due(from_us: int, to_us: int, every_us: int, delay_us: int, number_count: int) -> tuple[int, int]:
    """Which of a meter's messages may be due in the window: first, and one past the last.

    Message n is due from (n + 1) * every_us, within the delay.
    """
    return max((from_us - delay_us) // every_us - 1, 0), min((to_us - 1) // every_us, number_count)


@leaf_kernel
def _put(due_us: IntArray, message: IntArray, count: int, due: int, what: int) -> int:
    if count < len(due_us):
        due_us[count] = due
        message[count] = what
    return count + 1


@kernel
def order_by_due(due_us: IntArray, from_us: int, to_us: int) -> NDArray[np.int32]:
    """The stable ascending order of instants that lie in from_us .. to_us - 1: int64[n] -> int32[n] indices.

    A radix sort from the low digit up: no comparison, so that a storm of equal instants costs what any other does.
    """
    order = np.arange(len(due_us)).astype(np.int32)
    spare = np.empty_like(order)
    starts = np.empty(_DIGITS, np.int64)
    shift = 0
    while (to_us - 1 - from_us) >> shift > 0:
        starts[:] = 0
        for at in range(len(due_us)):
            starts[((due_us[at] - from_us) >> shift) & (_DIGITS - 1)] += 1
        total = 0
        for digit in range(_DIGITS):
            total, starts[digit] = total + starts[digit], total
        for at in range(len(order)):
            digit = ((due_us[order[at]] - from_us) >> shift) & (_DIGITS - 1)
            spare[starts[digit]] = order[at]
            starts[digit] += 1
        order, spare = spare, order
        shift += _DIGIT_BITS
    return order
