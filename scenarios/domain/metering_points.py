"""Metering point numbers with their check digits, and back from them to premises. Pure, on arrays."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MPAN_DISTRIBUTOR = 10
MPAN_WEIGHTS = (3, 5, 7, 13, 17, 19, 23, 29, 31, 37, 41, 43)
EXPORT_MPAN_BASE = 5_000_000_000  # of the ten digits between distributor and check digit; the simulator's own split
MPRN_BASE = 10_000_000


def mpan_of(premises: NDArray[np.int64]) -> NDArray[np.int64]:
    """The 13-digit electricity metering point of each premises: int64[n] index -> int64[n] MPAN core with its check digit.

    Source: MPAN core check digit: sum of the first 12 digits times successive primes (11 left out), mod 11, mod 10.
    """
    stem = np.int64(MPAN_DISTRIBUTOR) * 10_000_000_000 + premises.astype(np.int64)
    rest = stem.copy()
    total = np.zeros_like(stem)
    for weight in reversed(MPAN_WEIGHTS):
        total += (rest % 10) * weight
        rest //= 10
    mpan: NDArray[np.int64] = stem * 10 + total % 11 % 10
    return mpan


def export_mpan_of(premises: NDArray[np.int64]) -> NDArray[np.int64]:
    """The metering point of what each premises gives to the network: a number of its own, as the industry has it."""
    return mpan_of(premises.astype(np.int64) + EXPORT_MPAN_BASE)


def mprn_of(premises: NDArray[np.int64]) -> NDArray[np.int64]:
    """The 10-digit gas metering point of each premises: int64[n] index -> int64[n] MPRN with its two check digits.

    Source: MPRN check: the eight leading digits times 8, 7, ... 1, summed, mod 11, as two digits.
    """
    stem = np.int64(MPRN_BASE) + premises.astype(np.int64)
    rest = stem.copy()
    total = np.zeros_like(stem)
    for weight in range(1, 9):
        total += (rest % 10) * weight
        rest //= 10
    mprn: NDArray[np.int64] = stem * 100 + total % 11
    return mprn


class MeteringPoints(NamedTuple):
    """What n metering point numbers say."""

    premises: NDArray[np.int64]  # [n] -1 for a number that nobody could have made: wrong check digit, other distributor
    is_gas: NDArray[np.bool_]  # [n]
    is_export: NDArray[np.bool_]  # [n] of what an electricity meter measures in the other direction


def premises_of_mpxn(mpxn: NDArray[np.int64]) -> MeteringPoints:
    """The inverse of `mpan_of`, `export_mpan_of` and `mprn_of`: int64[n] -> n metering points."""
    value = mpxn.astype(np.int64)
    is_gas = value < 100 * MPRN_BASE * 10
    stem = value // 10 - np.int64(MPAN_DISTRIBUTOR) * 10_000_000_000
    is_export = ~is_gas & (stem >= EXPORT_MPAN_BASE)
    premises = np.where(is_gas, value // 100 - MPRN_BASE, stem - np.where(is_export, EXPORT_MPAN_BASE, 0))
    in_range = (premises >= 0) & (premises < 9 * MPRN_BASE)
    known = np.where(in_range, premises, 0)
    made = np.where(is_gas, mprn_of(known), np.where(is_export, export_mpan_of(known), mpan_of(known)))
    return MeteringPoints(np.where(in_range & (made == value), premises, -1), is_gas, is_export)
