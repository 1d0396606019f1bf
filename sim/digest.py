"""One hash of the whole trace: equal for any number of shards and threads, different if any message or value differs.

Messages are grouped into tiles of one logical partition and one UTC day of falling due. A tile is the sum of its messages'
128-bit hashes (two words, each modulo 2^64): a sum, because it does not depend on order. The digest is the SHA-256 Merkle
root over the tiles in order of (partition, day). It guards against mistakes, not against forgers.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, PARTITION_COUNT, SLOTS_PER_DAY
from sim.arrivals import TEN_SECONDS_PER_SLOT, is_gap
from sim.estate import EstateModel
from sim.homes import premises_words
from sim.kernels import kernel, leaf_kernel
from sim.messages import (
    DRAW_INDEX_BITS,
    FIRST_SLOT_BITS,
    FIRST_SLOT_SHIFT,
    KIND_BITS,
    KIND_SHIFT,
    METER_SHIFT,
    MessageKind,
    packed,
)
from sim.parameters import IntArray, KernelParameters
from sim.streams import below, word_of
from sim.trace import MessageBlock
from sim.values import estimated_wh, fill_registers, register_wh_kernel, revised_wh, ten_second_wh

Tiles = NDArray[np.uint64]  # uint64[partition, day due, 2]

_PUSH, _UPLOAD = int(MessageKind.PUSH_HALF_HOUR), int(MessageKind.UPLOAD_DAY)
_REGISTER, _TEN_SECOND = int(MessageKind.READ_REGISTER), int(MessageKind.PUSH_TEN_SECOND)
_ESTIMATE, _CORRECT = int(MessageKind.ESTIMATE), int(MessageKind.CORRECT)
_LOST = (1 << 63) - 1  # stands for a half-hour that the meter has lost
_ROOM = 32_768  # messages of a premises and day: two meters at 10 s send 17,280
_LEAF, _NODE = b"\x00", b"\x01"  # so that no tile can pass for a pair of hashes

# Multipliers and shifts of the finaliser of SplitMix64. Source: Steele, Lea, Flood, OOPSLA 2014, variant 13 of Stafford.
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_S27, _S30, _S31 = np.uint64(27), np.uint64(30), np.uint64(31)


def empty_tiles(estate: EstateModel) -> Tiles:
    """No messages: uint64[4096, days, 2], with a row for each UTC day of the span, those after the last half-hour too."""
    return np.zeros((PARTITION_COUNT, -(-estate.span_us // DAY_US), 2), np.uint64)


def tiles_of_blocks(estate: EstateModel, blocks: Iterable[MessageBlock]) -> Tiles:
    """The tiles of messages that were made as blocks: what a run has sent, for comparison."""
    tiles = empty_tiles(estate)
    for block in blocks:
        _add_block(estate.parameters, block.due_us, block.kind, block.meter, block.first_slot, block.draw_index, tiles)
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


@leaf_kernel
def mixed(state: np.uint64) -> np.uint64:
    """A bijection of 64 bits in which each input bit changes half of the output's."""
    state = (state ^ (state >> _S30)) * _MIX_1
    state = (state ^ (state >> _S27)) * _MIX_2
    return state ^ (state >> _S31)


@leaf_kernel
def add_message(
    p: KernelParameters, due_us: int, message: int, registers: IntArray, tiles: Tiles, partition: int
) -> None:
    """Add one message's hash to its tile; `registers` int64[49] is room for a day's."""
    meter = message >> METER_SHIFT
    kind = (message >> KIND_SHIFT) & ((1 << KIND_BITS) - 1)
    slot = (message >> FIRST_SLOT_SHIFT) & ((1 << FIRST_SLOT_BITS) - 1)
    state = mixed(mixed(np.uint64(due_us) + _GOLDEN) ^ np.uint64(message))
    if kind == _UPLOAD:
        fill_registers(p, meter, slot, registers)
        for at in range(SLOTS_PER_DAY):
            wh = registers[at + 1] - registers[at]
            if p.gap_below > 0 and is_gap(p, meter, slot + at):
                wh = _LOST
            state = (state ^ np.uint64(wh)) * _MIX_1
            state ^= state >> _S31
        state = mixed(state ^ np.uint64(registers[SLOTS_PER_DAY]))
    elif kind == _PUSH:
        fill_registers(p, meter, slot, registers[:2])
        state = (state ^ np.uint64(registers[1] - registers[0])) * _MIX_1
        state ^= state >> _S31
        state = mixed(state ^ np.uint64(registers[1]))
    elif kind in (_REGISTER, _TEN_SECOND, _ESTIMATE, _CORRECT):
        draw = message & ((1 << DRAW_INDEX_BITS) - 1)
        state = mixed(state ^ np.uint64(value_wh(p, meter, kind, slot, draw)))
    day = due_us // DAY_US
    tiles[partition, day, 0] += mixed(state)
    tiles[partition, day, 1] += mixed(state ^ _GOLDEN)


@leaf_kernel
def value_wh(p: KernelParameters, meter: int, kind: int, slot: int, draw: int) -> int:
    """The one number that a register reading, a 10-second reading, an estimate or a correction brings [Wh]."""
    if kind == _REGISTER:
        return register_wh_kernel(p, meter, slot + SLOTS_PER_DAY)
    if kind == _TEN_SECOND:
        return ten_second_wh(p, meter, slot * TEN_SECONDS_PER_SLOT + draw)
    if kind == _ESTIMATE:
        return estimated_wh(p, meter, slot)
    return revised_wh(p, meter, slot, draw)


@kernel
def _add_block(
    p: KernelParameters,
    due_us: IntArray,
    kind: NDArray[np.uint8],
    meter: IntArray,
    first_slot: NDArray[np.int32],
    draw_index: NDArray[np.int32],
    tiles: Tiles,
) -> None:
    registers = np.empty(SLOTS_PER_DAY + 1, np.int64)
    for at in range(len(due_us)):
        message = packed(
            int(meter[at]), int(np.int64(kind[at])), int(np.int64(first_slot[at])), int(np.int64(draw_index[at]))
        )
        four = premises_words(p.seed, meter[at] // p.fuel_count)
        add_message(p, due_us[at], message, registers, tiles, below(word_of(four, 2), PARTITION_COUNT))
