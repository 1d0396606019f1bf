"""One hash of the whole trace: equal for any number of shards and threads, different if any message or value differs.

Messages are grouped into tiles of one logical partition and one UTC day of falling due. A tile is the sum of its messages'
128-bit hashes (two words, each modulo 2^64): a sum, because it does not depend on order. The digest is the SHA-256 Merkle
root over the tiles in order of (partition, day). It guards against mistakes, not against forgers.
"""

import hashlib
import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, PARTITION_COUNT
from sim.draws.lanes import Lanes
from sim.draws.streams import Drawn, below, new_drawn, word_of
from sim.energy.registers import estimated_wh, fill_day, fill_parts, register_wh_kernel, revised_wh
from sim.estate.arrivals import is_gap
from sim.estate.homes import premises_words
from sim.estate.model import EstateModel
from sim.estate.parameters import KernelParameters
from sim.estate.slots import slots_per_day, ten_seconds_per_slot
from sim.kernels import kernel, leaf_kernel
from sim.trace.blocks import MessageBlock
from sim.trace.messages import (
    DRAW_INDEX_BITS,
    FIRST_SLOT_BITS,
    FIRST_SLOT_SHIFT,
    KIND_BITS,
    KIND_SHIFT,
    METER_SHIFT,
    MessageKind,
    packed,
)
from sim.units import IntArray

Tiles = NDArray[np.uint64]  # uint64[partition, day due, 2]

_PUSH, _UPLOAD = int(MessageKind.PUSH_HALF_HOUR), int(MessageKind.UPLOAD_DAY)
_REGISTER, _TEN_SECOND = int(MessageKind.READ_REGISTER), int(MessageKind.PUSH_TEN_SECOND)
_ESTIMATE, _CORRECT = int(MessageKind.ESTIMATE), int(MessageKind.CORRECT)
_BRINGS_VALUES = np.isin(np.arange(len(MessageKind)), (_PUSH, _UPLOAD, _REGISTER, _TEN_SECOND, _ESTIMATE, _CORRECT))
_LOST = (1 << 63) - 1  # stands for a slot that the meter has lost
_WORD_MASK = (1 << 64) - 1
_ROOM = 32_768  # messages of a premises and day: two meters at 10 s send 17,280
_LEAF, _NODE = b"\x00", b"\x01"  # so that no tile can pass for a pair of hashes

# Multipliers and shifts of the finaliser of SplitMix64. Source: Steele, Lea, Flood, OOPSLA 2014, variant 13 of Stafford.
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ONE = np.uint64(1)
_S27, _S30, _S31 = np.uint64(27), np.uint64(30), np.uint64(31)


def empty_tiles(estate: EstateModel) -> Tiles:
    """No messages: uint64[4096, days, 2], with a row for each UTC day of the span, those after the last half-hour too."""
    return np.zeros((PARTITION_COUNT, -(-estate.span_us // DAY_US), 2), np.uint64)


def tiles_of_blocks(estate: EstateModel, blocks: Iterable[MessageBlock]) -> Tiles:
    """The tiles of messages that were made as blocks: what a run has sent, for comparison."""
    tiles, scratch = empty_tiles(estate), new_scratch(estate.packed)
    for block in blocks:
        _add_block(
            estate.packed, block.due_us, block.kind, block.meter, block.first_slot, block.draw_index, scratch, tiles
        )
    return tiles


def merkle_root(tiles: Tiles) -> str:
    """SHA-256 root over tiles in order; an odd hash at the end of a level goes up as it is."""
    flat = np.ascontiguousarray(tiles, "<u8").reshape(-1, 2)
    level = [hashlib.sha256(_LEAF + tile.tobytes()).digest() for tile in flat]
    while len(level) > 1:
        pairs = zip(level[0::2], level[1::2], strict=False)
        odd = level[len(level) - len(level) % 2 :]
        level = [hashlib.sha256(_NODE + left + right).digest() for left, right in pairs] + odd
    return level[0].hex()


def mixed_lanes(state: Lanes) -> Lanes:
    """As `mixed`, of eight."""
    state = (state ^ (state >> int(_S30))) * int(_MIX_1)
    state = (state ^ (state >> int(_S27))) * int(_MIX_2)
    return state ^ (state >> int(_S31))


@leaf_kernel
def mixed(state: np.uint64) -> np.uint64:
    """A bijection of 64 bits in which each input bit changes half of the output's."""
    state = (state ^ (state >> _S30)) * _MIX_1
    state = (state ^ (state >> _S27)) * _MIX_2
    return state ^ (state >> _S31)


class Scratch(NamedTuple):
    """Room for the values of one message."""

    held: IntArray  # int64[4]: meter and day of `registers`, meter and slot of `parts`; -1 for none
    registers: IntArray  # int64[slots of a day + 1]
    parts: IntArray  # int64[10-second parts of a slot + 1]: registers at the starts of a slot's 10-second parts, and at its end
    parts_due_us: IntArray  # int64[10-second parts of a slot]: when they arrive
    drawn: Drawn
    delays: Drawn  # as `drawn`, of what must be there beside it
    factors: NDArray[np.uint64]  # uint64[slots of a day]: odd, one for each
    register_factors: NDArray[
        np.uint64
    ]  # uint64[slots of a day + 1]: what they make of the registers, see `hash_of_day`
    keys: NDArray[np.uint64]  # uint64[n]: of messages, see `hash_keys`
    seconds: NDArray[np.uint64]  # uint64[n]: the second words of those that bring no value


def new_scratch(p: KernelParameters, room: int = 0) -> Scratch:
    """Room, and the factors by which the slots of a day enter its hash: the golden ratio's odd multiples, mixed."""
    count, part_count = slots_per_day(p), ten_seconds_per_slot(p)
    factors = _mixed_all(np.arange(1, count + 1, dtype=np.uint64) * GOLDEN) | _ONE
    register_factors = np.zeros(count + 1, np.uint64)
    register_factors[1:] += factors
    register_factors[:-1] -= factors
    register_factors[-1] += _ONE
    return Scratch(
        held=np.full(4, -1),
        registers=np.empty(count + 1, np.int64),
        parts=np.empty(part_count + 1, np.int64),
        parts_due_us=np.empty(part_count, np.int64),
        drawn=new_drawn(),
        delays=new_drawn(),
        factors=factors,
        register_factors=register_factors,
        keys=np.empty(room, np.uint64),
        seconds=np.empty(room, np.uint64),
    )


def register_factors_of(slot_count: int) -> tuple[int, ...]:
    """By which the registers at a day's slots' starts, and at its end, enter the day's hash: see `hash_of_day`. Modulo 2^64."""

    def factor(number: int) -> int:
        state = number * int(GOLDEN) & _WORD_MASK
        state = (state ^ (state >> int(_S30))) * int(_MIX_1) & _WORD_MASK
        state = (state ^ (state >> int(_S27))) * int(_MIX_2) & _WORD_MASK
        return (state ^ (state >> int(_S31))) | 1

    factors = [0, *(factor(slot + 1) for slot in range(slot_count)), -1]
    return tuple((before - after) & _WORD_MASK for before, after in itertools.pairwise(factors))


@leaf_kernel
def _hold_day(p: KernelParameters, meter: int, day: int, scratch: Scratch) -> None:
    """Have a day's registers in `scratch`; a meter's messages come day by day, so most find them there."""
    if scratch.held[0] != meter or scratch.held[1] != day:
        fill_day(p, meter, day, scratch.drawn, scratch.registers)
        scratch.held[0], scratch.held[1] = meter, day


@leaf_kernel
def held_energy_wh(p: KernelParameters, meter: int, slot: int, scratch: Scratch) -> int:
    """What a meter uses in a slot [Wh], by the day's registers, which it has in `scratch`."""
    _hold_day(p, meter, slot // slots_per_day(p), scratch)
    of_day = slot % slots_per_day(p)
    return int(scratch.registers[of_day + 1] - scratch.registers[of_day])


@leaf_kernel
def hold_parts(p: KernelParameters, meter: int, slot: int, scratch: Scratch) -> None:
    """Likewise the registers within a slot."""
    if scratch.held[2] != meter or scratch.held[3] != slot:
        _hold_day(p, meter, slot // slots_per_day(p), scratch)
        low = scratch.registers[slot % slots_per_day(p)]
        energy_wh = scratch.registers[slot % slots_per_day(p) + 1] - low
        fill_parts(p, meter, slot, low, energy_wh, scratch.drawn, scratch.parts)
        scratch.held[2], scratch.held[3] = meter, slot


@leaf_kernel
def add_message(p: KernelParameters, due_us: int, message: int, scratch: Scratch, tiles: Tiles, partition: int) -> None:
    """Add one message's hash to its tile."""
    add_keyed(p, due_us, message, hash_of_key(due_us, message), scratch, tiles, partition)


@leaf_kernel
def hash_keys(due_us: IntArray, message: IntArray, count: int, scratch: Scratch) -> int:
    """`hash_of_key` of the first `count` messages into `scratch`, in vector instructions.

    Of the last ones, from the index that is returned on, the second words too: they bring no values, so that is their hash.
    """
    keys, seconds = scratch.keys, scratch.seconds
    for at in range(count):
        keys[at] = hash_of_key(due_us[at], message[at])
    first = count
    while first > 0 and not _BRINGS_VALUES[(message[first - 1] >> KIND_SHIFT) & ((1 << KIND_BITS) - 1)]:
        first -= 1
    for at in range(first, count):
        seconds[at] = second_word(keys[at])
    return first


@leaf_kernel
def add_keyed(
    p: KernelParameters,
    due_us: int,
    message: int,
    state: np.uint64,
    scratch: Scratch,
    tiles: Tiles,
    partition: int,
) -> None:
    """As `add_message`, for a caller that has hashed what the message is: `hash_of_key`."""
    meter = message >> METER_SHIFT
    kind = (message >> KIND_SHIFT) & ((1 << KIND_BITS) - 1)
    slot = (message >> FIRST_SLOT_SHIFT) & ((1 << FIRST_SLOT_BITS) - 1)
    if kind == _UPLOAD:
        state = mixed(state ^ hash_of_day(p, meter, slot, scratch))
    elif kind == _PUSH:
        _hold_day(p, meter, slot // slots_per_day(p), scratch)
        end_wh = scratch.registers[slot % slots_per_day(p) + 1]
        wh = end_wh - scratch.registers[slot % slots_per_day(p)]
        state = mixed(state ^ (np.uint64(wh) * scratch.factors[0] + np.uint64(end_wh)))
    elif kind == _TEN_SECOND:
        hold_parts(p, meter, slot, scratch)
        part = message & ((1 << DRAW_INDEX_BITS) - 1)
        state = mixed(state ^ np.uint64(scratch.parts[part + 1] - scratch.parts[part]))
    elif kind in (_REGISTER, _ESTIMATE, _CORRECT):
        draw = message & ((1 << DRAW_INDEX_BITS) - 1)
        state = mixed(state ^ np.uint64(value_wh(p, meter, kind, slot, draw)))
    day = due_us // DAY_US
    tiles[partition, day, 0] += state
    tiles[partition, day, 1] += second_word(state)


@leaf_kernel
def hash_of_key(due_us: int, message: int) -> np.uint64:
    """What a message is, without the values that it brings."""
    return mixed(mixed(np.uint64(due_us) + GOLDEN) ^ np.uint64(message))


@leaf_kernel
def second_word(state: np.uint64) -> np.uint64:
    """The other half of a message's 128 bits."""
    return mixed(state ^ GOLDEN)


@leaf_kernel
def hash_of_day(p: KernelParameters, meter: int, slot: int, scratch: Scratch) -> np.uint64:
    """The slots of a day that begins at `slot`, and the register at its end, as one word.

    A sum of products with odd factors: no step waits for the one before, and any one value that differs changes the sum.
    sum((r[n + 1] - r[n]) f[n]) + r[last] is summed up by registers, not by slots: differences would read each register
    from two stores, which takes the processor as long as all the rest.
    """
    registers = scratch.registers
    _hold_day(p, meter, slot // slots_per_day(p), scratch)
    total = np.uint64(0)
    for at in range(slots_per_day(p) + 1):
        total += np.uint64(registers[at]) * scratch.register_factors[at]
    if p.gap_below > 0:
        for at in range(slots_per_day(p)):
            if is_gap(p, meter, slot + at):  # what the meter has lost is not in the message: take it out, and mark it
                total += np.uint64(_LOST - (registers[at + 1] - registers[at])) * scratch.factors[at]
    return total


@leaf_kernel
def value_wh(p: KernelParameters, meter: int, kind: int, slot: int, draw: int) -> int:
    """The one number that a register reading, an estimate or a correction brings [Wh]."""
    if kind == _REGISTER:
        return register_wh_kernel(p, meter, slot + slots_per_day(p))
    if kind == _ESTIMATE:
        return estimated_wh(p, meter, slot)
    return revised_wh(p, meter, slot, draw)


@kernel
def _mixed_all(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    out = np.empty_like(state)
    for at in range(len(state)):
        out[at] = mixed(state[at])
    return out


@kernel
def _add_block(
    p: KernelParameters,
    due_us: IntArray,
    kind: NDArray[np.uint8],
    meter: IntArray,
    first_slot: NDArray[np.int32],
    draw_index: NDArray[np.int32],
    scratch: Scratch,
    tiles: Tiles,
) -> None:
    for at in range(len(due_us)):
        message = packed(
            int(meter[at]), int(np.int64(kind[at])), int(np.int64(first_slot[at])), int(np.int64(draw_index[at]))
        )
        four = premises_words(p.seed, meter[at] // p.fuel_count)
        add_message(p, due_us[at], message, scratch, tiles, below(word_of(four, 2), PARTITION_COUNT))
