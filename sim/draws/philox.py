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

from sim.draws.lanes import Lanes
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
        def lanes_of(argument: Any, kind: Any) -> Lanes:
            if isinstance(kind, types.BaseTuple):
                each = [build.extract_value(argument, lane) for lane in range(len(kind))]
                return Lanes.joined(
                    build, [context.cast(build, one, of, types.uint64) for one, of in zip(each, kind, strict=True)]
                )
            return Lanes.filled(build, context.cast(build, argument, kind, types.uint64))

        counters_and_keys = [
            lanes_of(argument, kind) for argument, kind in zip(arguments[:6], signature.args[:6], strict=True)
        ]
        c0, c1, c2, c3 = rounds(*counters_and_keys)
        array = context.make_array(signature.args[6])(context, build, arguments[6])
        c0.joined_low(c1).store_in_turns(c2.joined_low(c3), build.gep(array.data, [arguments[7]]))
        return context.get_dummy_value()

    return signature, generate


def rounds(c0: Lanes, c1: Lanes, c2: Lanes, c3: Lanes, k0: Lanes, k1: Lanes) -> tuple[Lanes, Lanes, Lanes, Lanes]:
    """`philox` in lanes: the words are the lower halves of what it returns. For intrinsics."""
    for number in range(ROUNDS):
        product_0 = c0.low() * int(MULTIPLIER_0)
        product_1 = c2.low() * int(MULTIPLIER_1)
        c0 = (product_1 >> 32) ^ c1 ^ (k0 + number * int(WEYL_0))
        c2 = (product_0 >> 32) ^ c3 ^ (k1 + number * int(WEYL_1))
        c1, c3 = product_1, product_0
    return c0, c1, c2, c3
