"""How the engine's kernels are compiled. The wrappers keep a kernel's Python signature, so that mypy checks its callers.

All kernels borrow their arrays. Numba would otherwise count a reference for each of the 24 arrays of the state, in atomic
operations, at every call of one kernel by another: 2.3 us an operation instead of 0.1 (November 2026). A kernel that
borrows can make no array of its own.

They keep the interpreter lock: a beat's two calls take tens of microseconds, and to give the lock away and wait for it
again would cost more than the helpers' threads would gain.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")


def borrowing_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that reads and writes the arrays that it is given, and makes none."""
    return cast(Callable[P, R], njit(cache=True, _nrt=False)(function))


_memmove = types.ExternalFunction("memmove", types.uintp(types.uintp, types.uintp, types.uintp))


@borrowing_kernel
def copy_bytes(source: NDArray[np.uint8], start: int, target: NDArray[np.uint8], at: int, size: int) -> None:
    """Copy `size` bytes of uint8[n] `source` from `start` to uint8[m] `target` from `at`; the two may overlap.

    A loop does the same at a byte a step: Numba does not make it a copy, as the arrays might overlap.
    """
    assert start >= 0 and at >= 0 and start + size <= source.size and at + size <= target.size
    _memmove(target.ctypes.data + at, source.ctypes.data + start, size)
