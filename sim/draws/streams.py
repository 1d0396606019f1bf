"""Keyed random streams: which draw is which. A draw is found by its name, so nothing depends on the order of drawing.

The key is (seed, purpose); the counter is (index, block, replication, draw): `index` a meter or premises, `block` a
slot, a day or a group of them. Replication is 0 so far; its place is kept so that recorded digests stay valid.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.draws.lanes import LANES
from sim.draws.philox import Words, philox, philox_lanes
from sim.kernels import inlined_kernel, leaf_kernel


class Purpose(IntEnum):
    """What a stream is for. Numbers are part of every digest: add new ones, never change old ones."""

    PREMISES = 1  # words: region, home DC, partition
    METER = 2  # words: annual energy, first register, read schedule
    DAY_ENERGY = 3  # a 16-bit draw a (meter, day boundary)
    SLOT_ENERGY = 4  # a 16-bit draw a (meter, slot boundary)
    PUSH_JITTER = 5  # a word a (meter, slot)
    UPLOAD_INSTANT = 6  # a word a (meter, day)
    QUERY_COUNT = 7  # a word a (premises, day, kind of query)
    QUERY_INSTANT = 8  # a word a (premises, day, kind of query, number of query)
    HOME = 9  # words: payment, tariff, firmware, day of joining
    DEVICE = 10  # words: type, schedule change, its instant, day of the monthly reading and offset of the display
    WAN = 11  # words a (meter, message): delay, losses, whether it comes twice, how much later
    HUB_OUTAGE = 12  # words a (premises, day): whether, start, duration
    RETURN_TURN = 13  # a word a (premises, regional outage)
    GAP = 14  # a 16-bit draw a (meter, slot)
    ESTIMATE_INSTANT = 15  # a word a (meter, day)
    CORRECTION = 16  # a 16-bit draw a (meter, slot, settlement run)
    CORRECTION_INSTANT = 17  # a word a (meter, day, settlement run)
    CORRECTION_SIZE = 18  # a 16-bit draw a (meter, slot, settlement run)
    ALERT = 19  # a word a (premises, day) for how many, and a word for the instant of each
    ALERT_STORM = 20  # words a (premises, storm): whether, instant
    BURST = 21  # words a (premises, burst): whether, instant
    COMMAND = 22  # words a (meter, campaign): is it a target, wave, instant in it, refusal; of draw 1: silence
    ATTEMPT = 23  # words a (meter, campaign, attempt): whether it is answered, when, whether twice, how much later
    IHD_DELAY = 24  # a word a (meter, campaign): how long until the display has what the meter was told
    TEN_SECOND = 25  # a 16-bit draw a (meter, boundary of 10 s)
    TEN_SECOND_DELAY = 26  # a 16-bit draw a (meter, 10 s)
    EXPORT = 27  # words a meter: size of the panels; a 16-bit draw a (meter, slot): clouds
    METERING = 28  # words a premises: has it gas, is it smart; of block 1 a meter: is it in traditional mode
    HUB_SWAP = 29  # words a premises: whether, when


REPLICATION = np.uint32(0)
WORDS_PER_BLOCK = 4  # one Philox call gives four words, ...
HALVES_PER_BLOCK = 8  # ... or eight 16-bit draws
WORDS_PER_DRAWING = LANES * WORDS_PER_BLOCK
DRAWINGS = 3  # as many as a half-hour's 180 draws take


class Drawn(NamedTuple):
    """Room for what `draw_blocks` draws."""

    words: NDArray[np.uint32]  # uint32[104]: 96, and what vectors may read beyond them
    halves: NDArray[np.uint16]  # uint16[208]: the same memory, as 16-bit draws in their order


def new_drawn() -> Drawn:
    """Room for three drawings."""
    room = np.zeros(DRAWINGS * WORDS_PER_DRAWING + LANES, np.uint32)
    return Drawn(room, room.view(np.uint16))


@inlined_kernel
def draw_blocks(seed: int, purpose: int, index: int, first_block: int, drawn: Drawn, drawing: int) -> None:
    """The words of eight blocks one after the other, of draw 0, into place `drawing` (0..2) of `drawn`.

    The same words as `words` gives for each block.
    """
    b = first_block
    blocks = (b, b + 1, b + 2, b + 3, b + 4, b + 5, b + 6, b + 7)
    philox_lanes(index, blocks, 0, 0, seed, purpose, drawn.words, drawing * WORDS_PER_DRAWING)


@leaf_kernel
def words_at(drawn: Drawn, block: int) -> Words:
    """The words of one of the blocks that were drawn."""
    at = block * WORDS_PER_BLOCK
    return drawn.words[at], drawn.words[at + 1], drawn.words[at + 2], drawn.words[at + 3]


@leaf_kernel
def words(seed: int, purpose: int, index: int, block: int, draw: int) -> Words:
    """The four 32-bit words of one counter; `index` and `block` below 2^32."""
    return philox(np.uint32(index), np.uint32(block), REPLICATION, np.uint32(draw), np.uint32(seed), np.uint32(purpose))


@leaf_kernel
def word_of(four: Words, lane: int) -> int:
    """Word `lane` (0..3) of four, as an int64 in 0 .. 2^32 - 1."""
    if lane == 0:
        return int(np.int64(four[0]))
    if lane == 1:
        return int(np.int64(four[1]))
    if lane == 2:
        return int(np.int64(four[2]))
    return int(np.int64(four[3]))


@leaf_kernel
def centred_of(four: Words, lane: int) -> int:
    """16-bit draw `lane` (0..7) of four words, centred: an int64 in -32768 .. 32767, to be read as [-1/2, 1/2)."""
    return ((word_of(four, lane >> 1) >> (16 * (lane & 1))) & 0xFFFF) - 0x8000


@leaf_kernel
def centred(seed: int, purpose: int, index: int, position: int) -> int:
    """The centred 16-bit draw at `position` (a day or slot boundary) of one meter's stream."""
    return centred_of(words(seed, purpose, index, position // HALVES_PER_BLOCK, 0), position % HALVES_PER_BLOCK)


@leaf_kernel
def below(word: int, span: int) -> int:
    """A 32-bit word spread over 0 .. span - 1 for a span up to 2^39 (in steps of some span / 2^32, where that is above 1)."""
    if span < 1 << 31:
        return (word * span) >> 32
    return (word * (span >> 8)) >> 24


@leaf_kernel
def below_long(word: int, span: int) -> int:
    """As `below`, for a span up to 2^47 in steps of 2^16: instants within weeks, to some 65 ms."""
    return (word * (span >> 16)) >> 16
