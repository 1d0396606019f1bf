"""A message in 64 bits: which meter, what kind, from which slot, and the number of its draw.

The fields stand in the order by which equal instants are sorted, the meter highest.
"""

from enum import IntEnum

from sim.kernels import leaf_kernel

DRAW_INDEX_BITS = 8
FIRST_SLOT_BITS = 15
KIND_BITS = 3
METER_BITS = 27

FIRST_SLOT_SHIFT = DRAW_INDEX_BITS
KIND_SHIFT = FIRST_SLOT_SHIFT + FIRST_SLOT_BITS
METER_SHIFT = KIND_SHIFT + KIND_BITS


class MessageKind(IntEnum):
    """What a message does. The numbers are part of every digest."""

    PUSH_HALF_HOUR = 0
    UPLOAD_DAY = 1
    ASK_USAGE_MONTH = 2
    ASK_INTERVALS_DAY = 3
    ASK_STATE = 4


QUERY_KINDS = (MessageKind.ASK_USAGE_MONTH, MessageKind.ASK_INTERVALS_DAY, MessageKind.ASK_STATE)


@leaf_kernel
def packed(meter: int, kind: int, first_slot: int, draw_index: int) -> int:
    """The message as an int64 >= 0; every field must be within its bits."""
    return (meter << METER_SHIFT) | (kind << KIND_SHIFT) | (first_slot << FIRST_SLOT_SHIFT) | draw_index
