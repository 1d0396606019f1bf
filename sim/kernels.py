"""How the estate's kernels are compiled: without the GIL, cached on disk, and with IEEE arithmetic only.

`fastmath` is left out on purpose: it lets the compiler reorder sums, and a result would then depend on the CPU.
Threads are Python's, each with accumulators of its own (`sim.sweep`): Numba's parallel loops need a threading library
that not every machine has, and may not be entered by two threads at once.

The wrappers keep a kernel's Python signature, so that mypy checks its callers.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that reads and writes arrays; it releases the GIL while it runs."""
    return cast(Callable[P, R], njit(cache=True, nogil=True)(function))


def leaf_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that other kernels call for each meter or slot. It can't make arrays.

    Numba counts a reference for each array in an argument, in atomic operations: for `KernelParameters` they cost ten
    times what the leaf computes (145 ns against 14 ns for a schedule, two cores, November 2026). A leaf borrows its arrays:
    nothing is counted.
    """
    return cast(Callable[P, R], njit(cache=True, nogil=True, _nrt=False)(function))
