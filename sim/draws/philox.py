"""Philox4x32-10: a random function, not a random sequence. The same counter and key give the same four words, always.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11; constants of its table 2.

Where a kernel needs several counters at once it takes `philox_lanes`: eight in vector instructions cost little more than
one without (1.7 ns a counter against 11 ns, AVX-512, November 2026). LLVM cuts the vectors to what the CPU has.
"""

import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from sim.kernels import leaf_kernel

assert sys.byteorder == "little", "16-bit draws are read out of 32-bit words in memory"

Words = tuple[np.uint32, np.uint32, np.uint32, np.uint32]

ROUNDS = 10
MULTIPLIER_0 = np.uint64(0xD2511F53)
MULTIPLIER_1 = np.uint64(0xCD9E8D57)
WEYL_0 = np.uint32(0x9E3779B9)
WEYL_1 = np.uint32(0xBB67AE85)
_HALF = np.uint64(32)


@leaf_kernel
def philox(c0: np.uint32, c1: np.uint32, c2: np.uint32, c3: np.uint32, k0: np.uint32, k1: np.uint32) -> Words:
    """Four uniform 32-bit words of the counter (c0, c1, c2, c3) under the key (k0, k1). All are uint32."""
    for _ in range(ROUNDS):
        product_0 = MULTIPLIER_0 * np.uint64(c0)
        product_1 = MULTIPLIER_1 * np.uint64(c2)
        c0 = np.uint32(product_1 >> _HALF) ^ c1 ^ k0
        c2 = np.uint32(product_0 >> _HALF) ^ c3 ^ k1
        c1 = np.uint32(product_1)
        c3 = np.uint32(product_0)
        k0 = np.uint32(k0 + WEYL_0)
        k1 = np.uint32(k1 + WEYL_1)
    return c0, c1, c2, c3


LANES = 8
_WORD = ir.IntType(64)
_LANES_OF_WORDS = ir.VectorType(_WORD, LANES)


def _in_all_lanes(value: int) -> ir.Constant:
    return ir.Constant(_LANES_OF_WORDS, [value] * LANES)


@intrinsic
def philox_lanes(_typing: Any, c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any, out: Any, at: Any) -> Any:
    """Write the four words of each of eight counters to out[at .. at + 31], uint32[n], counter by counter.

    c0 .. c3, k0, k1 are as in `philox`: each an integer below 2^32 for all lanes, or a tuple of eight. For use in kernels
    only. A lane is 64 bits wide and holds 32: only what goes into a product is cut to 32 bits, as the multiplication of
    vectors reads no more; other upper halves are left as they come and are cut at the end.
    """
    inputs = (c0, c1, c2, c3, k0, k1)
    signature = types.void(*(types.unliteral(kind) for kind in inputs), out, types.int64)

    def generate(context: Any, build: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        def lanes_of(argument: Any, kind: Any) -> Any:
            vector = ir.Constant(_LANES_OF_WORDS, ir.Undefined)
            if isinstance(kind, types.BaseTuple):
                for lane, kind_of_lane in enumerate(kind):
                    value = context.cast(build, build.extract_value(argument, lane), kind_of_lane, types.uint64)
                    vector = build.insert_element(vector, value, ir.IntType(32)(lane))
                return vector
            value = context.cast(build, argument, kind, types.uint64)
            vector = build.insert_element(vector, value, ir.IntType(32)(0))
            return build.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))

        c0, c1, c2, c3, k0, k1 = (
            lanes_of(argument, kind) for argument, kind in zip(arguments[:6], signature.args[:6], strict=True)
        )
        mask, half = _in_all_lanes(0xFFFFFFFF), _in_all_lanes(32)
        multiplier_0, multiplier_1 = _in_all_lanes(int(MULTIPLIER_0)), _in_all_lanes(int(MULTIPLIER_1))
        for number in range(ROUNDS):
            product_0 = build.mul(multiplier_0, build.and_(c0, mask))
            product_1 = build.mul(multiplier_1, build.and_(c2, mask))
            key_0 = build.add(k0, _in_all_lanes(number * int(WEYL_0)))
            key_1 = build.add(k1, _in_all_lanes(number * int(WEYL_1)))
            c0 = build.xor(build.xor(build.lshr(product_1, half), c1), key_0)
            c2 = build.xor(build.xor(build.lshr(product_0, half), c3), key_1)
            c1, c3 = product_1, product_0
        first = build.or_(build.and_(c0, mask), build.shl(c1, half))
        second = build.or_(build.and_(c2, mask), build.shl(c3, half))
        in_turns = [number for lane in range(LANES) for number in (lane, LANES + lane)]
        words = build.shuffle_vector(first, second, ir.Constant(ir.VectorType(ir.IntType(32), 2 * LANES), in_turns))
        array = context.make_array(signature.args[6])(context, build, arguments[6])
        place = build.gep(array.data, [arguments[7]])
        store = build.store(words, build.bitcast(place, ir.PointerType(words.type)))
        store.align = 4
        return context.get_dummy_value()

    return signature, generate
