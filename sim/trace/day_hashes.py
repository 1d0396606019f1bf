"""The values of eight meters' days as one word each: `hash_of_day`, with a meter in each lane.

A meter's draws, its registers and their products stay in registers of the CPU: nothing is written but the word.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sim.draws.lanes import LANES, WORD, Lanes
from sim.draws.philox import rounds
from sim.draws.streams import HALVES_PER_BLOCK, Purpose
from sim.trace.digest import register_factors_of
from sim.units import DAY_BITS, DRAW_BITS

_HALF_MASK = (1 << DRAW_BITS) - 1


@intrinsic
def hash_of_slots(
    _typing: Any,
    p: Any,
    seed: Any,
    day: Any,
    meters: Any,
    energies_wh: Any,
    shares: Any,
    spreads: Any,
    at: Any,
    out: Any,
) -> Any:
    """Of eight meters the sum of what each used by the start of each of a day's slots, times the slot's factor, into `out`.

    p: KernelParameters, for how many slots a day has. meters, energies_wh: int64[n], what each uses in the day [Wh]; those of
    `at` .. `at` + 7 are taken, and as many of `out` uint64[n] are written. shares, spreads: int64[slot * 8 + lane], the lane's
    `slot_share`, less half of its spread, [2^-48] and its `slot_spread` [2^-32].
    """
    slots = p.typeof("slot_share").shape[2] - 1
    arrays = (meters, energies_wh, shares, spreads)
    signature = types.void(p, types.int64, types.int64, *arrays, types.int64, out)

    def generate(context: Any, build: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        seed, day, at = arguments[1], arguments[2], arguments[7]
        places = [
            context.make_array(kind)(context, build, array).data
            for kind, array in zip(
                (*signature.args[3:7], signature.args[8]), (*arguments[3:7], arguments[8]), strict=True
            )
        ]
        meter, energy_wh = (Lanes.of_words(build, build.gep(place, [at])) for place in places[:2])
        none = Lanes.of(build, [0] * LANES)
        keys = Lanes.filled(build, seed), none + int(Purpose.SLOT_ENERGY)
        first_block = build.mul(day, WORD(slots // HALVES_PER_BLOCK))
        factors = register_factors_of(slots)
        low, high = none, none
        for block in range(slots // HALVES_PER_BLOCK):
            drawn = rounds(meter, Lanes.filled(build, build.add(first_block, WORD(block))), none, none, *keys)
            for half in range(HALVES_PER_BLOCK):
                slot = block * HALVES_PER_BLOCK + half
                share, spread = (Lanes.of_words(build, build.gep(place, [WORD(slot * LANES)])) for place in places[2:4])
                noise = (drawn[half // 2] >> (DRAW_BITS * (half % 2))) & _HALF_MASK
                used_wh = (energy_wh.low() * ((share + spread.low() * noise) >> DRAW_BITS).low()) >> DAY_BITS
                low += used_wh.low() * (factors[slot] & 0xFFFFFFFF)
                high += used_wh.low() * (factors[slot] >> 32)
        (low + (high << 32)).store(build.gep(places[4], [at]))
        return context.get_dummy_value()

    return signature, generate
