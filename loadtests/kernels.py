"""How the engine's kernels are compiled. The wrappers keep a kernel's Python signature, so that mypy checks its callers.

Borrowing: Numba would count a reference for each of the 25 arrays of the state, in atomic operations, at every call of
one kernel by another: 2.3 us an operation instead of 0.3 (November 2026). A kernel that borrows its arrays counts
nothing, and can make none of its own.

Cached on disk: Numba looks for changes of a kernel's own file alone, and would go on with machine code that holds an
older version of a kernel from another file. So every kernel's cache is stamped with the sources of them all.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from sim.kernels import ARE_KEPT  # which also chooses the folder, and it must be one that can be written

P = ParamSpec("P")
R = TypeVar("R")


def stamp_of(sources: Iterable[Path]) -> str:
    """What changes when any of the source files does."""
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


_FOLDER = Path(__file__).parent
SOURCES_STAMP = stamp_of(
    [
        Path(__file__),
        *sorted(_FOLDER.glob("wire/*.py")),
        _FOLDER / "recording" / "ledger.py",
        _FOLDER / "recording" / "histograms.py",
    ]
)


def borrowing_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a part of a beat: it changes the arrays that it is given, and makes none.

    It keeps the interpreter lock: alone it takes microseconds, less than to give the lock away and wait for it again.
    """
    return cast(Callable[P, R], _compiled(function, _nrt=False))


def unlocked_borrowing_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a borrowing kernel that runs for long, without the interpreter lock."""
    return cast(Callable[P, R], _compiled(function, _nrt=False, nogil=True))


def unlocked_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel that may make arrays, without the interpreter lock: for the sender's helpers."""
    return cast(Callable[P, R], _compiled(function, nogil=True))


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    dispatcher = njit(cache=ARE_KEPT, **options)(function)
    if ARE_KEPT and dispatcher is not function:  # as it is with NUMBA_DISABLE_JIT
        cache_file = dispatcher._cache._cache_file
        cache_file._source_stamp = (cache_file._source_stamp, SOURCES_STAMP)
    return dispatcher


_memmove = types.ExternalFunction("memmove", types.uintp(types.uintp, types.uintp, types.uintp))


@borrowing_kernel
def copy_bytes(source: NDArray[np.uint8], start: int, target: NDArray[np.uint8], at: int, size: int) -> None:
    """Copy `size` bytes of uint8[n] `source` from `start` to uint8[m] `target` from `at`; the two may overlap.

    A loop does the same at a byte a step: Numba does not make it a copy, as the arrays might overlap.
    """
    assert start >= 0 and at >= 0 and start + size <= source.size and at + size <= target.size
    _memmove(target.ctypes.data + at, source.ctypes.data + start, size)
