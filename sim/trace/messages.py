"""A message in 64 bits: which meter, what kind, from which slot, and the number of its draw.

The fields stand in the order by which equal instants are sorted, the meter highest.
"""

from enum import IntEnum

from sim.kernels import leaf_kernel

DRAW_INDEX_BITS = 12
FIRST_SLOT_BITS = 15
KIND_BITS = 5
METER_BITS = 27
ATTEMPT_BITS = 6  # of a command's draw index: campaign above, attempt below

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
    READ_REGISTER = 5  # a monthly reading, or that of a meter which holds no half-hours
    PUSH_TEN_SECOND = 6  # the draw index says which of the slot's 180, or 90
    ESTIMATE = 7  # the head-end fills a gap
    CORRECT = 8  # a settlement run revises; the draw index is the revision, from 1
    ALERT = 9
    ASK_COMPARISON = 10
    ASK_BILL = 11
    REFRESH_IHD = 12
    CHANGE_PREFERENCE = 13
    SEND_COMMAND = 14  # one attempt; the draw index holds campaign and attempt
    ANSWER_COMMAND = 15  # an acknowledgement or a refusal arrives


QUERY_KINDS = (
    MessageKind.ASK_USAGE_MONTH,
    MessageKind.ASK_INTERVALS_DAY,
    MessageKind.ASK_STATE,
    MessageKind.ASK_COMPARISON,
    MessageKind.ASK_BILL,
    MessageKind.REFRESH_IHD,
)
"""In the order of the draws that decide their numbers."""

HALF_HOUR_KINDS = (MessageKind.PUSH_HALF_HOUR, MessageKind.ESTIMATE, MessageKind.CORRECT)
"""What is about one slot."""

DAY_KINDS = (MessageKind.UPLOAD_DAY, MessageKind.READ_REGISTER, *QUERY_KINDS)
"""What is about a UTC day of slots. The other kinds are about none."""

HUB_KINDS = (MessageKind.PUSH_HALF_HOUR, MessageKind.UPLOAD_DAY, MessageKind.READ_REGISTER, MessageKind.ALERT)
"""What a hub sends over its WAN: where that is away, they wait, and are counted as its backlog."""

DUPLICATE = 1  # the draw index of a delivery that comes a second time


@leaf_kernel
def packed(meter: int, kind: int, first_slot: int, draw_index: int) -> int:
    """The message as an int64 >= 0; every field must be within its bits."""
    return (meter << METER_SHIFT) | (kind << KIND_SHIFT) | (first_slot << FIRST_SLOT_SHIFT) | draw_index
