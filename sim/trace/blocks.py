"""The trace: every message of the estate in due order, made in blocks as they fall due and never whole in memory.

Messages are found by scanning all meters for a window of time. A window is wide enough for the scan to pay, and narrow
enough to hold about four million messages at most, save that one instant is never cut: a scenario without push jitter
holds all the pushes of a slot at once, at some 30 bytes each.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sim.estate.model import EstateModel
from sim.trace import messages, scan
from sim.trace.messages import DAY_KINDS, HALF_HOUR_KINDS, MessageKind
from sim.trace.windows import windows
from sim.units import IntArray

__all__ = ["BLOCK_SIZE_MAX", "MessageBlock", "MessageKind", "trace_blocks"]

BLOCK_SIZE_MAX = 65_536

# A scan draws numbers for every meter, due or not; so a window has at least a message for every two meters...
_METERS_PER_MESSAGE_MAX = 2
# ... until its columns would take more than about 100 MB.
_WINDOW_SIZE_MAX = 4_194_304
_WINDOW_SIZE_MIN = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageBlock:
    """Consecutive messages of the trace, as columns of one length n >= 1.

    `due_us` int64[n] [us since the start], ascending; equal instants are in order of (meter, kind, first_slot).
    `kind` uint8[n], a MessageKind; `meter` int64[n]; `first_slot` int32[n]: the first slot sent or asked about;
    `slot_count` int32[n]: how many slots, 0 where none is meant; `draw_index` int32[n]: what tells messages of one
    meter, kind and slot apart, see `sim.trace.messages`.
    """

    due_us: IntArray
    kind: NDArray[np.uint8]
    meter: IntArray
    first_slot: NDArray[np.int32]
    slot_count: NDArray[np.int32]
    draw_index: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.due_us)

    def part(self, first: int, end: int) -> Self:
        """Messages first .. end - 1 of it, in the same memory."""
        return replace(self, **{each.name: getattr(self, each.name)[first:end] for each in fields(self)})


def trace_blocks(
    estate: EstateModel,
    *,
    shard: int = 0,
    shard_count: int = 1,
    block_size_max: int = BLOCK_SIZE_MAX,
    from_us: int = 0,
) -> Iterator[MessageBlock]:
    """A shard's messages due at `from_us` or later, in due order, in blocks of 1 .. `block_size_max`.

    A shard owns the partitions p % shard_count == shard; the shards together hold each message exactly once.
    """
    assert 0 <= shard < shard_count, "a shard that is not there"
    assert block_size_max >= 1, "a block holds a message"
    size = min(max(_WINDOW_SIZE_MIN, estate.meter_count // _METERS_PER_MESSAGE_MAX // shard_count), _WINDOW_SIZE_MAX)
    slot_counts = _slot_counts(estate.slots_per_day)
    scope = scan.Scope(0, estate.premises_count, shard, shard_count)
    for window in windows(estate, size=size, shard_count=shard_count, from_us=from_us):
        due_us, message = scan.messages_due(estate.packed, scope, window.from_us, window.to_us, window.expected_count)
        order = scan.order_by_due(due_us, message, window.from_us, window.to_us)
        for start in range(0, len(order), block_size_max):
            chosen = order[start : start + block_size_max]
            yield _block(due_us[chosen], message[chosen], slot_counts)


def _slot_counts(slots_per_day: int) -> NDArray[np.int32]:
    """How many slots each kind of message is about."""
    counts = np.zeros(len(MessageKind), np.int32)
    counts[list(HALF_HOUR_KINDS)] = 1
    counts[list(DAY_KINDS)] = slots_per_day
    return counts


def _block(due_us: IntArray, message: IntArray, slot_counts: NDArray[np.int32]) -> MessageBlock:
    kind = ((message >> messages.KIND_SHIFT) & ((1 << messages.KIND_BITS) - 1)).astype(np.uint8)
    return MessageBlock(
        due_us=due_us,
        kind=kind,
        meter=message >> messages.METER_SHIFT,
        first_slot=((message >> messages.FIRST_SLOT_SHIFT) & ((1 << messages.FIRST_SLOT_BITS) - 1)).astype(np.int32),
        slot_count=slot_counts[kind],
        draw_index=(message & ((1 << messages.DRAW_INDEX_BITS) - 1)).astype(np.int32),
    )
