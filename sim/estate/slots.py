"""How long a slot is: a half-hour or a quarter-hour, one fact of the estate, which the width of its tables carries.

That width is part of the packed record's type. So Numba compiles a kernel for each of the two as far as it is used, with
the numbers below as constants in it, and an estate of half-hours runs the code that it would have if there were no others.
"""

from scenarios.domain import DAY_US
from sim.estate.parameters import KernelParameters
from sim.kernels import leaf_kernel

TEN_SECOND_US = 10_000_000


@leaf_kernel
def slots_per_day(p: KernelParameters) -> int:
    """48 half-hours, or 96 quarter-hours."""
    return int(p.slot_share.shape[2]) - 1


@leaf_kernel
def slot_us(p: KernelParameters) -> int:
    """How long a slot is [us]."""
    return DAY_US // slots_per_day(p)


@leaf_kernel
def ten_seconds_per_slot(p: KernelParameters) -> int:
    """How many parts of 10 s a slot has: 180, or 90."""
    return slot_us(p) // TEN_SECOND_US
