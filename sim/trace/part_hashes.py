"""The hashes of a slot's 10-second readings, summed up without a list of them: a nation sends five million a second.

What `hash_of_key`, `mixed` and `second_word` of `sim.trace.digest` make of `fill_parts_due` and `fill_parts`, to the last bit.
Sixteen readings are hashed at once, two of a CPU's widest vectors, so that the products of one need not wait for the other's.
Nothing is written and read again, and no loop is left in the machine code: each sixteen have their own constants.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from scenarios.domain import DAY_US
from sim.draws.lanes import LANES, Lanes
from sim.estate.arrivals import TEN_SECOND_DELAY_US_MAX
from sim.estate.slots import TEN_SECOND_US
from sim.trace.digest import GOLDEN, mixed_lanes
from sim.units import DAY_BITS, DRAW_BITS

_AT_ONCE = 2 * LANES
_READINGS_PER_DAY = DAY_US // TEN_SECOND_US


@intrinsic
def hash_of_parts(
    _typing: Any, p: Any, delays: Any, noises: Any, skipped: Any, end_us: Any, energy_wh: Any, message: Any
) -> Any:
    """The two words of the sum of a slot's readings' hashes, uint64 and uint64, modulo 2^64.

    p: KernelParameters, for how many parts a slot has. delays, noises: uint16[208], what `draw_for_parts` has drawn of arrivals
    and of registers; skipped: what it returned. end_us: when the slot's first 10 s end [us]. energy_wh: the slot's [Wh].
    message: the slot's first one, packed.
    """
    parts = _READINGS_PER_DAY // (p.typeof("slot_share").shape[2] - 1)
    signature = types.UniTuple(types.uint64, 2)(p, delays, noises, *[types.int64] * 4)

    def generate(context: Any, build: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        delays, noises = (
            context.make_array(kind)(context, build, array).data
            for kind, array in zip(signature.args[1:3], arguments[1:3], strict=True)
        )
        skipped = arguments[3]
        end_us, energy_wh, message = (Lanes.filled(build, word, _AT_ONCE) for word in arguments[4:])

        def halves(draws: Any, part: int) -> Lanes:
            return Lanes.of_halves(build, build.gep(draws, [build.add(skipped, ir.IntType(64)(part))]), _AT_ONCE)

        totals = [Lanes.filled(build, ir.IntType(64)(0), _AT_ONCE) for _ in range(2)]
        used_wh = totals[0]  # before the end of each part
        for first in range(0, parts, _AT_ONCE):
            count = min(_AT_ONCE, parts - first)
            part = Lanes.of(build, range(first, first + _AT_ONCE))
            due_us = end_us + part * TEN_SECOND_US + ((halves(delays, first) * TEN_SECOND_DELAY_US_MAX) >> DRAW_BITS)
            before_wh, used_wh = used_wh, _used_wh(energy_wh, part + 1, halves(noises, first + 1), parts)
            if first + count == parts:
                used_wh = used_wh.with_lane(count - 1, arguments[5])
            key = mixed_lanes(mixed_lanes(due_us + int(GOLDEN)) ^ (message | part))
            state = mixed_lanes(key ^ (used_wh - used_wh.after(before_wh)))
            totals[0] += state.first(count)
            totals[1] += mixed_lanes(state ^ int(GOLDEN)).first(count)
        return context.make_tuple(build, signature.return_type, [total.total() for total in totals])

    return signature, generate


def _used_wh(energy_wh: Lanes, part: Lanes, half: Lanes, parts: int) -> Lanes:
    """Energy of a slot used before its part 1 .. parts - 1, by that boundary's 16-bit draw: as `fill_parts` has it [Wh]."""
    of_part = (1 << DAY_BITS) // parts
    noise = half * of_part - (of_part << (DRAW_BITS - 1))
    share = part * of_part + noise.signed_shift(DRAW_BITS)
    return (energy_wh.low() * share.low()) >> DAY_BITS
