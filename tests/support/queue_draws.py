"""Keyed draws for the tests of queues: a customer's draw is found by its replication and index, on every machine.

Systems that share the seed share their draws (common random numbers); systems of two seeds are independent.
"""

import math

import numpy as np

from sim.draws.streams import word_of, words
from sim.kernels import kernel

# Purposes of tests start at 1000, far from those of `sim.draws.streams.Purpose`.
GAP, SERVICE, STATE = 1_001, 1_002, 1_003


@kernel
def uniforms(seed: int, purpose: int, replication: int, count: int) -> np.ndarray:
    """float64[count], each in the middle of one of 2^32 equal parts of 0 to 1."""
    values = np.empty(count, np.float64)
    for block in range((count + 3) // 4):
        four = words(seed, purpose, replication, block, 0)
        for lane in range(min(4, count - 4 * block)):
            values[4 * block + lane] = (word_of(four, lane) + 0.5) / 2.0**32
    return values


@kernel
def exponentials(seed: int, purpose: int, replication: int, count: int) -> np.ndarray:
    """float64[count] of mean 1, by inversion: larger uniform, longer time."""
    values = uniforms(seed, purpose, replication, count)
    for index in range(count):
        values[index] = -math.log(1.0 - values[index])
    return values


def whole_us(spans_us: np.ndarray) -> np.ndarray:
    """Rounded to int64 [us]: with means of a million the rounding shifts no statistic that is tested."""
    return np.rint(spans_us).astype(np.int64)
