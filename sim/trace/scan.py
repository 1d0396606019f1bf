"""Lists the messages that arrive in a window of time, and orders them: by instant, equal instants by the message itself.

So the trace has one order for any cut into windows. Both steps are linear in messages, whatever their instants.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, PARTITION_COUNT
from sim.draws.streams import below, new_drawn, word_of
from sim.estate.homes import premises_words, region_of_words
from sim.estate.parameters import KernelParameters
from sim.estate.wan import first_sent_us
from sim.kernels import kernel, leaf_kernel
from sim.trace.emission import Outbox, messages_sent
from sim.units import IntArray

_ATTEMPTS_MAX = 31
_PREMISES_ROOM = 32_768  # messages of one premises in a day: two meters at 10 s send 17,280
_DIGIT_BITS = 11  # a radix pass counts into 2,048 buckets, which stay in the L1 cache
_DIGITS = 1 << _DIGIT_BITS


class Scope(NamedTuple):
    """Whose messages are wanted: premises first .. end - 1, as far as their partition p has p % shard_count == shard."""

    first_premises: int
    end_premises: int
    shard: int = 0
    shard_count: int = 1


def new_outbox(room: int) -> Outbox:
    """An empty outbox for `room` messages."""
    return Outbox(
        due_us=np.empty(room, np.int64),
        sent_us=np.empty(room, np.int64),
        message=np.empty(room, np.int64),
        attempts_us=np.empty(_ATTEMPTS_MAX, np.int64),
        answers_us=np.empty((_ATTEMPTS_MAX, 2), np.int64),
        drawn=new_drawn(),
    )


def messages_due(
    p: KernelParameters, scope: Scope, from_us: int, to_us: int, expected_count: int
) -> tuple[IntArray, IntArray]:
    """The messages of a scope with from_us <= due < to_us: instants int64[n] [us], messages int64[n].

    A message is packed as in `sim.trace.messages`.
    """
    one = new_outbox(_PREMISES_ROOM)
    room = expected_count + 8 * int(expected_count**0.5) + 1_024
    while True:
        due_us, message = np.empty(room, np.int64), np.empty(room, np.int64)
        count = _scan(p, scope, from_us, to_us, one, due_us, message)
        if count <= room:
            return due_us[:count], message[:count]
        room = count  # more than eight standard deviations above what was expected: scan again with room for all


@leaf_kernel
def _scan(
    p: KernelParameters,
    scope: Scope,
    from_us: int,
    to_us: int,
    one: Outbox,
    due_us: IntArray,
    message: IntArray,
) -> int:
    """Write the scope's messages of the window into two columns of one length, and return how many there are.

    When there are more than the columns hold, the rest is counted and not written. `one` is room for what one premises
    sends in a day.
    """
    count = 0
    for premises in range(scope.first_premises, scope.end_premises):
        four = premises_words(p.seed, premises)
        if scope.shard_count > 1 and below(word_of(four, 2), PARTITION_COUNT) % scope.shard_count != scope.shard:
            continue
        region = region_of_words(p, four)
        sent_from = first_sent_us(p, premises, region, from_us)
        while sent_from < to_us:
            sent_to = min(sent_from + DAY_US, to_us)
            found = messages_sent(p, premises, region, sent_from, sent_to, False, False, one)
            assert found <= len(one.due_us), "a premises sends more in a day than an outbox holds"
            for at in range(found):
                if from_us <= one.due_us[at] < to_us:
                    if count < len(due_us):
                        due_us[count] = one.due_us[at]
                        message[count] = one.message[at]
                    count += 1
            sent_from = sent_to
    return count


@kernel
def order_by_due(due_us: IntArray, message: IntArray, from_us: int, to_us: int) -> NDArray[np.int32]:
    """The order by (due, message) of instants that lie in from_us .. to_us - 1: int64[n] twice -> int32[n] indices.

    A radix sort from the low digit up: no comparison, so that a storm of equal instants costs what any other does. It
    leaves equal instants in the order of premises, so that what is left to put right is within a few messages' reach.
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
    for at in range(1, len(order)):
        moved = order[at]
        to = at
        while to > 0 and due_us[order[to - 1]] == due_us[moved] and message[order[to - 1]] > message[moved]:
            order[to] = order[to - 1]
            to -= 1
        order[to] = moved
    return order
