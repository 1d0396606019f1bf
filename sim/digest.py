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
from sim.arrivals import (
    is_half_hourly,
    partition_index,
    push_due_us,
    query_count,
    query_due_us,
    query_words,
    upload_due_us,
)
from sim.estate import EstateModel
from sim.kernels import kernel, leaf_kernel
from sim.messages import QUERY_KINDS, MessageKind, packed
from sim.parameters import IntArray, KernelParameters
from sim.streams import word_of
from sim.sweep import Progress, sweep
from sim.trace import MessageBlock
from sim.values import fill_registers

Tiles = NDArray[np.uint64]  # uint64[partition, day due, 2]

_PUSH = int(MessageKind.PUSH_HALF_HOUR)
_UPLOAD = int(MessageKind.UPLOAD_DAY)
_ASK_FIRST = int(QUERY_KINDS[0])
_QUERY_KIND_COUNT = len(QUERY_KINDS)
_LEAF, _NODE = b"\x00", b"\x01"  # so that no tile can pass for a pair of hashes

# Multipliers and shifts of the finaliser of SplitMix64. Source: Steele, Lea, Flood, OOPSLA 2014, variant 13 of Stafford.
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_S27, _S30, _S31 = np.uint64(27), np.uint64(30), np.uint64(31)


def trace_digest(
    estate: EstateModel, shard_count: int = 1, *, thread_count: int | None = None, progress: Progress | None = None
) -> str:
    """The digest of an estate's trace, 64 hexadecimal digits. It is computed shard by shard; their number does not show."""
    tiles = empty_tiles(estate)
    for shard in range(shard_count):
        tiles += tiles_of_shard(estate, shard, shard_count, thread_count=thread_count, progress=progress)
    return merkle_root(tiles)


def empty_tiles(estate: EstateModel) -> Tiles:
    """No messages: uint64[4096, day_count + 1, 2]; the last day is that of the uploads after the span."""
    return np.zeros((PARTITION_COUNT, estate.day_count + 1, 2), np.uint64)


def tiles_of_shard(
    estate: EstateModel,
    shard: int,
    shard_count: int,
    *,
    thread_count: int | None = None,
    progress: Progress | None = None,
) -> Tiles:
    """The tiles of one shard's messages, straight from the keys; those of other shards' partitions are 0."""

    def work(first: int, end: int, tiles: Tiles) -> None:
        _add_premises(estate.parameters, first, end, shard, shard_count, tiles)

    return sweep(estate.premises_count, work, lambda: empty_tiles(estate), thread_count=thread_count, progress=progress)


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
def _add_message(
    due_us: int, message: int, registers: IntArray, first: int, slot_count: int, tiles: Tiles, partition: int
) -> None:
    """Add one message's hash to its tile; `registers[first .. first + slot_count]` [Wh], slot_count 0 for a query."""
    state = mixed(mixed(np.uint64(due_us) + _GOLDEN) ^ np.uint64(message))
    for at in range(first, first + slot_count):
        state = (state ^ np.uint64(registers[at + 1] - registers[at])) * _MIX_1
        state ^= state >> _S31
    if slot_count > 0:
        state = mixed(state ^ np.uint64(registers[first + slot_count]))
    day = due_us // DAY_US
    tiles[partition, day, 0] += mixed(state)
    tiles[partition, day, 1] += mixed(state ^ _GOLDEN)


@kernel
def _add_premises(p: KernelParameters, first: int, end: int, shard: int, shard_count: int, tiles: Tiles) -> None:
    registers = np.empty(SLOTS_PER_DAY + 1, np.int64)
    for premises in range(first, end):
        partition = partition_index(p.seed, premises)
        if partition % shard_count != shard:
            continue
        for fuel in range(p.fuel_count):
            meter = premises * p.fuel_count + fuel
            pushes = is_half_hourly(p.seed, p.half_hourly_below, meter)
            for day in range(p.day_count):
                midnight = day * SLOTS_PER_DAY
                fill_registers(p, meter, midnight, registers)
                if pushes:
                    for slot in range(SLOTS_PER_DAY):
                        due = push_due_us(p.seed, p.push_jitter_us, meter, midnight + slot)
                        message = packed(meter, _PUSH, midnight + slot, 0)
                        _add_message(due, message, registers, slot, 1, tiles, partition)
                else:
                    due = upload_due_us(p.seed, p.upload_window_us, meter, day)
                    message = packed(meter, _UPLOAD, midnight, 0)
                    _add_message(due, message, registers, 0, SLOTS_PER_DAY, tiles, partition)
        _add_queries(p, premises, registers, tiles, partition)


@leaf_kernel
def _add_queries(p: KernelParameters, premises: int, registers: IntArray, tiles: Tiles, partition: int) -> None:
    meter = premises * p.fuel_count + p.electricity
    for day in range(p.day_count + 1):
        four = query_words(p.seed, premises, day)
        for query_kind in range(_QUERY_KIND_COUNT):
            for number in range(query_count(p.query_below, query_kind, word_of(four, query_kind))):
                due = query_due_us(p.seed, p.query_hour, premises, day, query_kind, number)
                if due < p.span_us:
                    message = packed(meter, _ASK_FIRST + query_kind, max(day - 1, 0) * SLOTS_PER_DAY, number)
                    _add_message(due, message, registers, 0, 0, tiles, partition)


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
        slot_count = 0
        if kind[at] == _PUSH:
            slot_count = 1
        elif kind[at] == _UPLOAD:
            slot_count = SLOTS_PER_DAY
        if slot_count > 0:
            fill_registers(p, meter[at], first_slot[at], registers[: slot_count + 1])
        partition = partition_index(p.seed, meter[at] // p.fuel_count)
        _add_message(due_us[at], message, registers, 0, slot_count, tiles, partition)
