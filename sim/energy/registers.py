"""What a meter's register shows, recomputed from the seed alone: any (meter, slot) in O(1), with nothing stored.

The register at the start of a slot is the start register, plus the part of the year's energy that the profile has brought
by then, plus noise that is drawn anew at each boundary. Consumption is the difference of two registers, so conservation
is an identity: nothing is rounded twice. Integers only; see `sim.profiles.demand` for why a register never falls.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.draws.philox import Words, philox_lanes
from sim.draws.streams import (
    HALVES_PER_BLOCK,
    WORDS_PER_BLOCK,
    WORDS_PER_DRAWING,
    Drawn,
    Purpose,
    centred,
    centred_of,
    draw_blocks,
    new_drawn,
    word_of,
    words,
)
from sim.estate.arrivals import draw_for_parts
from sim.estate.parameters import KernelParameters
from sim.estate.slots import slots_per_day, ten_seconds_per_slot
from sim.kernels import kernel, leaf_kernel
from sim.units import DAY_BITS, DRAW_BITS, YEAR_BITS, IntArray

if TYPE_CHECKING:
    from sim.estate.model import EstateModel

_METER = int(Purpose.METER)
_DAY_ENERGY = int(Purpose.DAY_ENERGY)
_SLOT_ENERGY = int(Purpose.SLOT_ENERGY)
_TEN_SECOND = int(Purpose.TEN_SECOND)
_CORRECTION_SIZE = int(Purpose.CORRECTION_SIZE)
_DAYS_PER_WEEK = 7
_WEEKS_ESTIMATED_FROM = 4
_HALF_ONE = 0x8000
_BLOCKS_OF_HALF_HOURS = 6
_WORD_MASK, _WORD_BITS = np.uint64(0xFFFFFFFF), np.uint64(32)
_QUARTILE_BITS = 30  # the two bits above choose the quarter of the distribution


def register_wh(estate: "EstateModel", meter: IntArray, slot: NDArray[np.int32]) -> IntArray:
    """The register at the start of each slot: int64[n] meters, int32[n] slots (0 .. slot_count) -> int64[n] [Wh]."""
    assert meter.shape == slot.shape, "a slot a meter"
    _check_range(estate, meter, slot, 0)
    return _registers(estate.packed, np.asarray(meter, np.int64), np.asarray(slot, np.int32))


def intervals_wh(
    estate: "EstateModel", meter: IntArray, first_slot: NDArray[np.int32], count: int
) -> NDArray[np.int32]:
    """Consumption of `count` slots from each first slot: int64[n], int32[n] -> int32[n, count] [Wh]."""
    assert meter.shape == first_slot.shape, "a first slot a meter"
    assert count >= 1, "at least one slot"
    _check_range(estate, meter, first_slot, count)
    return _intervals(estate.packed, np.asarray(meter, np.int64), np.asarray(first_slot, np.int32), count, new_drawn())


def _check_range(estate: "EstateModel", meter: IntArray, first_slot: NDArray[np.int32], count: int) -> None:
    if len(meter):
        assert meter.min() >= 0 and meter.max() < estate.meter_count, "a meter outside the estate"
        assert first_slot.min() >= 0 and first_slot.max() <= estate.slot_count - count, "a slot outside the span"


@leaf_kernel
def register_wh_kernel(p: KernelParameters, meter: int, slot: int) -> int:
    """The register of one meter at the start of absolute slot 0 .. slot_count [Wh]. For use inside other kernels."""
    four = words(p.seed, _METER, meter, 0, 0)
    day = slot // slots_per_day(p)
    slot_of_day = slot % slots_per_day(p)
    low = _day_register_wh(p, four, meter, day)
    if slot_of_day == 0:
        return low
    energy = _day_register_wh(p, four, meter, day + 1) - low
    return low + _energy_by(p, meter, day, slot_of_day, energy, centred(p.seed, _SLOT_ENERGY, meter, slot))


@leaf_kernel
def interval_wh_kernel(p: KernelParameters, meter: int, slot: int) -> int:
    """The consumption of one meter in absolute slot 0 .. slot_count - 1 [Wh]. For use inside other kernels."""
    return register_wh_kernel(p, meter, slot + 1) - register_wh_kernel(p, meter, slot)


@leaf_kernel
def ten_second_register_wh(p: KernelParameters, meter: int, tick: int) -> int:
    """The register at the start of the 10 s number `tick` since the start [Wh].

    The slot's energy is spread evenly over its parts of 10 s, with noise at each boundary between them.
    """
    parts = ten_seconds_per_slot(p)
    slot, part = tick // parts, tick % parts
    low = register_wh_kernel(p, meter, slot)
    if part == 0:
        return low
    energy_wh = register_wh_kernel(p, meter, slot + 1) - low
    return low + _part_of_slot_wh(energy_wh, part, parts, centred(p.seed, _TEN_SECOND, meter, tick))


@leaf_kernel
def _part_of_slot_wh(energy_wh: int, part: int, part_count: int, noise: int) -> int:
    """Energy of a slot used before its part 1 .. part_count - 1 [Wh]; the noise reaches half a part either way."""
    of_part = (1 << DAY_BITS) // part_count
    share = part * of_part + ((noise * of_part) >> DRAW_BITS)
    return (energy_wh * share) >> DAY_BITS


@leaf_kernel
def fill_parts(
    p: KernelParameters, meter: int, slot: int, low: int, energy_wh: int, drawn: Drawn, parts: IntArray
) -> None:
    """Registers within a slot that starts at `low` and uses `energy_wh`, into `parts` int64[10-second parts + 1] [Wh].

    The same numbers as `ten_second_register_wh`, in vector instructions.
    """
    skipped = draw_for_parts(p, _TEN_SECOND, meter, slot, drawn)
    part_count = ten_seconds_per_slot(p)
    of_part = (1 << DAY_BITS) // part_count
    for part in range(part_count):
        share = part * of_part + _noise_of(of_part, drawn.halves[skipped + part])
        parts[part] = low + _share_of(energy_wh, share)
    parts[0], parts[part_count] = low, low + energy_wh


@leaf_kernel
def used_before_part_wh(p: KernelParameters, energy_wh: int, part: int, half: np.uint16) -> int:
    """Of a slot's energy what is used before its part 1 .. n - 1, by that boundary's 16-bit draw [Wh]."""
    return _part_of_slot_wh(energy_wh, part, ten_seconds_per_slot(p), int(np.int64(half)) - _HALF_ONE)


@leaf_kernel
def _noise_of(spread: int, half: np.uint16) -> int:
    """(spread * (half - 2^15)) >> 16 for a spread below 2^32, with the one product that vector instructions have."""
    product = int(np.int64((np.uint64(spread) & _WORD_MASK) * np.uint64(half)))
    return (product - (spread << (DRAW_BITS - 1))) >> DRAW_BITS


@leaf_kernel
def _share_of(energy_wh: int, share: int) -> int:
    """(energy * share) >> 32 for both in 0 .. 2^32 - 1, likewise."""
    return int(np.int64(((np.uint64(energy_wh) & _WORD_MASK) * (np.uint64(share) & _WORD_MASK)) >> _WORD_BITS))


@leaf_kernel
def estimated_wh(p: KernelParameters, meter: int, slot: int) -> int:
    """What a head-end estimates for a slot that was lost [Wh].

    The mean of the same slot of the same weekday in up to four weeks before; with no week before, the profile's share
    of the meter's year. Weeks are counted whole: readings of the span alone are known.
    """
    of_week = _DAYS_PER_WEEK * slots_per_day(p)
    weeks = min(slot // of_week, _WEEKS_ESTIMATED_FROM)
    if weeks > 0:
        total = 0
        for week in range(1, weeks + 1):
            total += interval_wh_kernel(p, meter, slot - week * of_week)
        return total // weeks
    fuel, day, slot_of_day = meter % p.fuel_count, slot // slots_per_day(p), slot % slots_per_day(p)
    annual_wh = annual_wh_kernel(p, fuel, word_of(words(p.seed, _METER, meter, 0, 0), 0))
    day_wh = (annual_wh * int(p.day_share[fuel, day + 1] - p.day_share[fuel, day])) >> YEAR_BITS
    return (day_wh * int(p.slot_share[fuel, day, slot_of_day + 1] - p.slot_share[fuel, day, slot_of_day])) >> DAY_BITS


@leaf_kernel
def revised_wh(p: KernelParameters, meter: int, slot: int, revision: int) -> int:
    """The consumption of a slot as revision 1 .. has it [Wh]; revision 0 is what the meter measured.

    A revision differs from the measurement by up to an eighth either way: it is the latest that counts, not a sum of them.
    """
    measured_wh = interval_wh_kernel(p, meter, slot)
    if revision == 0:
        return measured_wh
    four = words(p.seed, _CORRECTION_SIZE, meter, slot // HALVES_PER_BLOCK, revision)
    return measured_wh + ((measured_wh * centred_of(four, slot % HALVES_PER_BLOCK)) >> (DRAW_BITS + 2))


@leaf_kernel
def fill_registers(p: KernelParameters, meter: int, first_slot: int, registers: IntArray) -> None:
    """Registers of one meter at the starts of consecutive slots, from `first_slot`, into `registers` int64[n] [Wh].

    The same numbers as `register_wh_kernel`, at an eighth of the draws.
    """
    four = words(p.seed, _METER, meter, 0, 0)
    last = first_slot + len(registers) - 1
    low = _day_register_wh(p, four, meter, first_slot // slots_per_day(p))
    for day in range(first_slot // slots_per_day(p), last // slots_per_day(p) + 1):
        midnight = day * slots_per_day(p)
        if midnight >= first_slot:
            registers[midnight - first_slot] = low
        if last <= midnight:
            return
        high = _day_register_wh(p, four, meter, day + 1)
        start, end = max(first_slot, midnight + 1), min(last + 1, midnight + slots_per_day(p))
        for block in range(start // HALVES_PER_BLOCK, (end - 1) // HALVES_PER_BLOCK + 1):
            drawn = words(p.seed, _SLOT_ENERGY, meter, block, 0)
            origin = block * HALVES_PER_BLOCK
            for slot in range(max(start, origin), min(end, origin + HALVES_PER_BLOCK)):
                wh = _energy_by(p, meter, day, slot - midnight, high - low, centred_of(drawn, slot - origin))
                registers[slot - first_slot] = low + wh
        low = high


@leaf_kernel
def fill_day(p: KernelParameters, meter: int, day: int, drawn: Drawn, registers: IntArray) -> None:
    """Registers of one meter at the starts of a day's slots and at its end, into `registers` int64[slots + 1] [Wh].

    The same numbers as `fill_registers`, in vector instructions: of a nation's day this is most of the work. One drawing
    has the six blocks of a day's half-hours, the meter's own words and the day's noise; quarter-hours take another before it.
    """
    fuel = meter % p.fuel_count
    block_count, slots, days = slots_per_day(p) // HALVES_PER_BLOCK, _SLOT_ENERGY, _DAY_ENERGY
    b = day * block_count
    if block_count == _BLOCKS_OF_HALF_HOURS:
        blocks = (b, b + 1, b + 2, b + 3, b + 4, b + 5, 0, day // HALVES_PER_BLOCK)
        purposes = (slots, slots, slots, slots, slots, slots, _METER, days)
        philox_lanes(meter, blocks, 0, 0, p.seed, purposes, drawn.words, 0)
    else:
        draw_blocks(p.seed, slots, meter, b, drawn, 0)
        rest = (b + 8, b + 9, b + 10, b + 11, 0, day // HALVES_PER_BLOCK, 0, 0)
        whose = (slots, slots, slots, slots, _METER, days, days, days)
        philox_lanes(meter, rest, 0, 0, p.seed, whose, drawn.words, WORDS_PER_DRAWING)
    # after the draws of the day's blocks are the meter's own, then those of the days around this one
    meter_word, day_half = block_count * WORDS_PER_BLOCK, (block_count + 1) * HALVES_PER_BLOCK
    annual_word, start_word = int(np.int64(drawn.words[meter_word])), int(np.int64(drawn.words[meter_word + 1]))
    at = day % HALVES_PER_BLOCK
    low = _drawn_day_register_wh(
        p, fuel, annual_word, start_word, day, int(np.int64(drawn.halves[day_half + at])) - _HALF_ONE
    )
    if at + 1 < HALVES_PER_BLOCK:
        noise = int(np.int64(drawn.halves[day_half + at + 1])) - _HALF_ONE
    else:
        noise = centred(p.seed, _DAY_ENERGY, meter, day + 1)
    energy_wh = _drawn_day_register_wh(p, fuel, annual_word, start_word, day + 1, noise) - low
    share, spread = p.slot_share[fuel, day], p.slot_spread[fuel, day]
    for slot in range(slots_per_day(p)):  # at midnight the spread and the share are 0
        drawn_share = share[slot] + _noise_of(spread[slot], drawn.halves[slot])
        registers[slot] = low + _share_of(energy_wh, drawn_share)
    registers[slots_per_day(p)] = low + energy_wh


@leaf_kernel
def _energy_by(p: KernelParameters, meter: int, day: int, slot_of_day: int, energy_wh: int, noise: int) -> int:
    """Energy of a day used before the start of its slot 1 .. [Wh]."""
    fuel = meter % p.fuel_count
    spread = p.slot_spread[fuel, day, slot_of_day]
    share = int(p.slot_share[fuel, day, slot_of_day] + ((spread * noise) >> DRAW_BITS))
    return (energy_wh * share) >> DAY_BITS


@leaf_kernel
def _day_register_wh(p: KernelParameters, four: Words, meter: int, day: int) -> int:
    """The register at the start of a day, 0 .. day_count [Wh]; `four` are the meter's own words."""
    noise = centred(p.seed, _DAY_ENERGY, meter, day)
    return _drawn_day_register_wh(p, meter % p.fuel_count, word_of(four, 0), word_of(four, 1), day, noise)


@leaf_kernel
def _drawn_day_register_wh(
    p: KernelParameters, fuel: int, annual_word: int, start_word: int, day: int, noise: int
) -> int:
    annual_wh, start_wh = annual_wh_kernel(p, fuel, annual_word), start_wh_kernel(p, fuel, start_word)
    return day_register_wh(p, fuel, annual_wh, start_wh, day, noise)


@leaf_kernel
def day_register_wh(p: KernelParameters, fuel: int, annual_wh: int, start_wh: int, day: int, noise: int) -> int:
    """The register at the start of a day, of a meter that uses `annual_wh` in a year and began at `start_wh` [Wh]."""
    share = int(p.day_share[fuel, day] + ((p.day_spread[fuel, day] * noise) >> DRAW_BITS))
    return start_wh + ((annual_wh * share) >> YEAR_BITS)


@leaf_kernel
def start_wh_kernel(p: KernelParameters, fuel: int, word: int) -> int:
    """What a meter's register showed when it was made [Wh]."""
    return int(word * p.register_start_wh_max[fuel]) >> 32


@leaf_kernel
def used_from_day_wh(p: KernelParameters, meter: int, day: int, drawn: Drawn) -> int:
    """The energy of a meter from the start of a day to the end of the span [Wh]."""
    fuel, last = meter % p.fuel_count, p.day_count
    blocks = (0, day // HALVES_PER_BLOCK, last // HALVES_PER_BLOCK, 0, 0, 0, 0, 0)
    noises = _DAY_ENERGY
    purposes = (_METER, noises, noises, noises, noises, noises, noises, noises)
    philox_lanes(meter, blocks, 0, 0, p.seed, purposes, drawn.words, 0)
    annual_word, start_word = int(np.int64(drawn.words[0])), int(np.int64(drawn.words[1]))
    first_noise = int(np.int64(drawn.halves[HALVES_PER_BLOCK + day % HALVES_PER_BLOCK])) - _HALF_ONE
    last_noise = int(np.int64(drawn.halves[2 * HALVES_PER_BLOCK + last % HALVES_PER_BLOCK])) - _HALF_ONE
    return _drawn_day_register_wh(p, fuel, annual_word, start_word, last, last_noise) - _drawn_day_register_wh(
        p, fuel, annual_word, start_word, day, first_noise
    )


@leaf_kernel
def annual_wh_kernel(p: KernelParameters, fuel: int, word: int) -> int:
    """A year's energy of a meter [Wh]: the inverse of a distribution that is linear between its quartiles."""
    quarter = word >> _QUARTILE_BITS
    low, high = int(p.annual_knots_wh[fuel, quarter]), int(p.annual_knots_wh[fuel, quarter + 1])
    return low + (((high - low) * (word & ((1 << _QUARTILE_BITS) - 1))) >> _QUARTILE_BITS)


@kernel
def _registers(p: KernelParameters, meter: IntArray, slot: NDArray[np.int32]) -> IntArray:
    out = np.empty(len(meter), np.int64)
    for at in range(len(meter)):
        out[at] = register_wh_kernel(p, meter[at], slot[at])
    return out


@kernel
def _intervals(
    p: KernelParameters, meter: IntArray, first_slot: NDArray[np.int32], count: int, drawn: Drawn
) -> NDArray[np.int32]:
    out = np.empty((len(meter), count), np.int32)
    registers = np.empty(count + 1, np.int64)
    for at in range(len(meter)):
        if count == slots_per_day(p) and first_slot[at] % slots_per_day(p) == 0:
            fill_day(p, meter[at], first_slot[at] // slots_per_day(p), drawn, registers)
        else:
            fill_registers(p, meter[at], first_slot[at], registers)
        for step in range(count):
            out[at, step] = registers[step + 1] - registers[step]
    return out
