"""The daily uploads of an estate whose meters send nothing else, eight meters at once: most of what a nation sends.

The same messages, values and hashes as `messages_sent` and `add_keyed` give one by one. What a day needs of each meter stands in
columns; the days of a range of premises follow each other, and each takes up the registers at which the one before ended.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, PARTITION_COUNT
from sim.draws.lanes import LANES
from sim.draws.philox import philox_lanes
from sim.draws.streams import HALVES_PER_BLOCK, WORDS_PER_BLOCK, Purpose, below
from sim.energy.registers import annual_wh_kernel, day_register_wh, start_wh_kernel, used_from_day_wh
from sim.estate.homes import joined_us
from sim.estate.parameters import KernelParameters
from sim.estate.slots import slots_per_day
from sim.kernels import inlined_kernel, leaf_kernel
from sim.trace.day_hashes import hash_of_slots
from sim.trace.digest import Scratch, hash_of_key, mixed, second_word
from sim.trace.messages import MessageKind, packed
from sim.trace.scan import Scope
from sim.units import DRAW_BITS, IntArray

_PREMISES, _METER = int(Purpose.PREMISES), int(Purpose.METER)
_DAY_ENERGY, _UPLOAD_INSTANT = int(Purpose.DAY_ENERGY), int(Purpose.UPLOAD_INSTANT)
_UPLOAD = int(MessageKind.UPLOAD_DAY)
_HALF_ONE = 1 << (DRAW_BITS - 1)


class UploadColumns(NamedTuple):
    """Room for the meters of a range of premises, in columns whose length is a multiple of eight."""

    meter: IntArray  # int64[n]; those behind the last one are 0
    partition: IntArray  # int64[n]: of its premises
    region: IntArray  # int64[n]
    joined_day: IntArray  # int64[n]: it sends nothing of the days before
    annual_wh: IntArray  # int64[n]
    start_wh: IntArray  # int64[n]: what its register showed when it was made
    low_wh: IntArray  # int64[n]: its register at the day's start
    energy_wh: IntArray  # int64[n]: what it uses in the day
    sent_us: IntArray  # int64[n]: when it sends the day
    values: NDArray[np.uint64]  # uint64[n]: a word for the values of the day, ...
    first: NDArray[np.uint64]  # uint64[n]: ... and the two of its message
    second: NDArray[np.uint64]  # uint64[n]
    noise: NDArray[np.uint32]  # uint32[4 n]: the words of the eight days' noises that were drawn last ...
    noise_halves: NDArray[np.uint16]  # uint16[8 n]: ... in the same memory, as 16-bit draws
    instants: NDArray[np.uint32]  # uint32[4 n]: the words of four days' uploads
    shares: IntArray  # int64[slot * 8 + lane]: see `hash_of_slots`
    spreads: IntArray  # int64[slot * 8 + lane]


def new_meters(fuel_count: int, slot_count: int, premises_count: int) -> UploadColumns:
    """Room for the meters of so many premises."""
    count = -(-premises_count * fuel_count // LANES) * LANES

    def column() -> IntArray:
        return np.zeros(count, np.int64)

    def hashes() -> NDArray[np.uint64]:
        return np.zeros(count, np.uint64)

    noise = np.zeros(WORDS_PER_BLOCK * count, np.uint32)
    return UploadColumns(
        meter=column(),
        partition=column(),
        region=column(),
        joined_day=column(),
        annual_wh=column(),
        start_wh=column(),
        low_wh=column(),
        energy_wh=column(),
        sent_us=column(),
        values=hashes(),
        first=hashes(),
        second=hashes(),
        noise=noise,
        noise_halves=noise.view(np.uint16),
        instants=np.zeros_like(noise),
        shares=np.zeros(slot_count * LANES, np.int64),
        spreads=np.zeros(slot_count * LANES, np.int64),
    )


@leaf_kernel
def sends_uploads_alone(p: KernelParameters) -> bool:
    """Do all meters send their days once each and nothing else, at once where they are sent? Customers and hubs may say more."""
    are_daily = p.schedule_below[2] == 0 and p.change_count == 0 and p.schedule_campaign_count == 0
    are_whole = p.type_below[0] == 0 and p.gap_below == 0 and p.settlement_run_count == 0
    return are_daily and are_whole and p.is_all_smart and p.is_ideal and p.duplicate_below == 0 and p.swap_below == 0


@leaf_kernel
def sends_nothing_else(p: KernelParameters) -> bool:
    """Of an estate of uploads alone: do its customers, hubs and campaigns say nothing either?"""
    is_asked = p.query_kinds > 0 or p.burst_count > 0
    return not is_asked and p.alert_below[0] == 1 << 32 and p.alert_storm_count == 0 and p.campaign_count == 0


@inlined_kernel
def _draw(seed: int, purpose: int, index: IntArray, block: int, count: int, out: NDArray[np.uint32]) -> None:
    """The words of one block of each of the first `count` indices' streams, a multiple of eight of them."""
    for at in range(0, count, LANES):
        i = (
            index[at],
            index[at + 1],
            index[at + 2],
            index[at + 3],
            index[at + 4],
            index[at + 5],
            index[at + 6],
            index[at + 7],
        )
        philox_lanes(i, block, 0, 0, seed, purpose, out, at * WORDS_PER_BLOCK)


@leaf_kernel
def fill_meters(p: KernelParameters, scope: Scope, meters: UploadColumns) -> int:
    """List the meters of the shard's premises in the range, and what does not change with the day; returns how many there are."""
    premises_count = scope.end_premises - scope.first_premises
    for at in range(len(meters.meter)):
        meters.meter[at] = scope.first_premises + at if at < premises_count else 0
    _draw(p.seed, _PREMISES, meters.meter, 0, -(-premises_count // LANES) * LANES, meters.instants)
    count = 0
    for at in range(premises_count):
        region_word, _, partition_word, _ = _words_of(meters.instants, at)
        partition = below(partition_word, PARTITION_COUNT)
        if scope.shard_count > 1 and partition % scope.shard_count != scope.shard:
            continue
        region = 0
        while region_word >= p.regions[region].below:
            region += 1
        joined_day = joined_us(p, scope.first_premises + at) // DAY_US
        for _ in range(p.fuel_count):
            meters.partition[count], meters.region[count], meters.joined_day[count] = partition, region, joined_day
            meters.sent_us[count] = (scope.first_premises + at) * p.fuel_count + count % p.fuel_count
            count += 1
    for at in range(len(meters.meter)):
        meters.meter[at] = meters.sent_us[at] if at < count else 0
    _draw(p.seed, _METER, meters.meter, 0, _padded(count), meters.noise)
    for at in range(_padded(count)):
        fuel = at % p.fuel_count
        annual_word, start_word, _, _ = _words_of(meters.noise, at)
        meters.annual_wh[at] = annual_wh_kernel(p, fuel, annual_word)
        meters.start_wh[at] = start_wh_kernel(p, fuel, start_word)
    return count


@leaf_kernel
def _words_of(drawn: NDArray[np.uint32], at: int) -> tuple[int, int, int, int]:
    """The four words of one index's block, of those that `_draw` has drawn."""
    first = at * WORDS_PER_BLOCK
    one, two, three, four = drawn[first], drawn[first + 1], drawn[first + 2], drawn[first + 3]
    return int(np.int64(one)), int(np.int64(two)), int(np.int64(three)), int(np.int64(four))


@leaf_kernel
def _padded(count: int) -> int:
    """`count`, rounded up to lanes."""
    return -(-count // LANES) * LANES


@leaf_kernel
def fill_registers_at(p: KernelParameters, day: int, count: int, meters: UploadColumns, registers_wh: IntArray) -> None:
    """The register of each meter at the start of a day, 0 .. day_count, into int64[n] [Wh]; the day's noises were drawn."""
    for at in range(_padded(count)):
        noise = int(np.int64(meters.noise_halves[at * HALVES_PER_BLOCK + day % HALVES_PER_BLOCK])) - _HALF_ONE
        fuel = at % p.fuel_count
        registers_wh[at] = day_register_wh(p, fuel, meters.annual_wh[at], meters.start_wh[at], day, noise)


@leaf_kernel
def add_energies(p: KernelParameters, count: int, scratch: Scratch, meters: UploadColumns, energy_wh: IntArray) -> None:
    """Add what each meter uses from when it joined to the end of the span to int64[region, fuel] [Wh]."""
    draw_noises(p, p.day_count, count, meters)
    fill_registers_at(p, p.day_count, count, meters, meters.energy_wh)
    draw_noises(p, 0, count, meters)
    fill_registers_at(p, 0, count, meters, meters.low_wh)
    for at in range(count):
        used_wh = meters.energy_wh[at] - meters.low_wh[at]
        if meters.joined_day[at] > 0:
            used_wh = used_from_day_wh(p, meters.meter[at], min(meters.joined_day[at], p.day_count), scratch.drawn)
        energy_wh[meters.region[at], at % p.fuel_count] += used_wh


@leaf_kernel
def draw_noises(p: KernelParameters, day: int, count: int, meters: UploadColumns) -> None:
    """Draw the noises of the eight days among which `day` is."""
    _draw(p.seed, _DAY_ENERGY, meters.meter, day // HALVES_PER_BLOCK, _padded(count), meters.noise)


@leaf_kernel
def fill_uploads(
    p: KernelParameters, day: int, is_first: bool, count: int, scratch: Scratch, meters: UploadColumns
) -> None:
    """When each meter sends a day, and the two words of its message; from the second day on, after the one before."""
    padded = _padded(count)
    if is_first:
        draw_noises(p, day, count, meters)
        fill_registers_at(p, day, count, meters, meters.low_wh)
    else:
        for at in range(padded):
            meters.low_wh[at] += meters.energy_wh[at]
    if (day + 1) % HALVES_PER_BLOCK == 0:
        draw_noises(p, day + 1, count, meters)
    fill_registers_at(p, day + 1, count, meters, meters.energy_wh)
    for at in range(padded):
        meters.energy_wh[at] -= meters.low_wh[at]
    if is_first or day % WORDS_PER_BLOCK == 0:
        _draw(p.seed, _UPLOAD_INSTANT, meters.meter, day // WORDS_PER_BLOCK, padded, meters.instants)
    for slot in range(slots_per_day(p)):
        for lane in range(LANES):
            share, spread = p.slot_share[lane % p.fuel_count, day, slot], p.slot_spread[lane % p.fuel_count, day, slot]
            meters.shares[slot * LANES + lane] = (share << DRAW_BITS) - (spread << (DRAW_BITS - 1))
            meters.spreads[slot * LANES + lane] = spread
    for at in range(0, padded, LANES):
        hash_of_slots(p, p.seed, day, meters.meter, meters.energy_wh, meters.shares, meters.spreads, at, meters.values)
    last_factor = scratch.register_factors[slots_per_day(p)]
    first_slot = day * slots_per_day(p)
    for at in range(padded):
        word = int(np.int64(meters.instants[at * WORDS_PER_BLOCK + day % WORDS_PER_BLOCK]))
        meters.sent_us[at] = (day + 1) * DAY_US + below(word, p.upload_window_us)
    for at in range(padded):
        # all factors add up to 1, so what the register had at the day's start counts once
        values = meters.values[at] + np.uint64(meters.low_wh[at]) + np.uint64(meters.energy_wh[at]) * last_factor
        key = hash_of_key(meters.sent_us[at], packed(meters.meter[at], _UPLOAD, first_slot, 0))
        meters.first[at] = mixed(key ^ values)
        meters.second[at] = second_word(meters.first[at])
