"""Philox4x32-10: a random function, not a random sequence. The same counter and key give the same four words, always.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11; constants of its table 2.
"""

import numpy as np

from sim.kernels import leaf_kernel

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
