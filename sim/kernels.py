"""How the estate's kernels are compiled: without the GIL, cached on disk, and with IEEE arithmetic only.

`fastmath` is left out on purpose: it lets the compiler reorder sums, and a result would then depend on the CPU.
Threads are Python's, each with accumulators of its own (`sim.virtual_time.parallel`): Numba's parallel loops need a
threading library that not every machine has, and may not be entered by two threads at once.

The wrappers keep a kernel's Python signature, so that mypy checks its callers.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar, cast

from numba import config, njit

from sim.kernel_cache import choose_cache

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)

CACHES_KEPT = 4  # of some 5 MB: a few branches of the code side by side


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that reads and writes arrays; it releases the GIL while it runs."""
    return cast(Callable[P, R], njit(cache=ARE_KEPT, nogil=True)(function))


def leaf_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that other kernels call for each meter or slot. It can't make arrays.

    Numba counts a reference for each array in an argument, in atomic operations: for `KernelParameters` they cost ten
    times what the leaf computes (145 ns against 14 ns for a schedule, two cores, November 2026). A leaf borrows its arrays:
    nothing is counted.
    """
    return cast(Callable[P, R], njit(cache=ARE_KEPT, nogil=True, _nrt=False)(function))


def _choose_cache() -> tuple[str, bool]:
    """The state of this package's kernels, and whether they are kept on disk: in a folder of their own for each state.

    Numba notices a change of a kernel's own file, but not of a leaf that was compiled into it from another file: after an
    update it would go on with the old leaf, and recompute other values than it should.
    """
    package = Path(__file__).parent
    sources = [source.read_bytes() for source in sorted(package.rglob("*.py"))]
    state = hashlib.sha256(b"\0".join(source for source in sources if b"kernel" in source)).hexdigest()[:16]
    cache = choose_cache(config.CACHE_DIR or None, state)
    if cache.trouble is not None:
        log.warning("%s", cache.trouble)
    if cache.folder is None:
        return state, False
    if cache.is_passing:
        os.environ["NUMBA_CACHE_DIR"] = str(cache.folder.parents[1])  # of our children, so that they need not compile
    others = [other for other in cache.folder.parent.glob("*") if other != cache.folder]
    for old in sorted(others, key=_made_at)[: -CACHES_KEPT + 1]:
        shutil.rmtree(old, ignore_errors=True)
    config.CACHE_DIR = str(cache.folder)
    return state, True


def _made_at(cache: Path) -> float:
    try:
        return cache.stat().st_mtime
    except FileNotFoundError:  # another process tidies up at the same time
        return 0.0


KERNELS_STATE, ARE_KEPT = _choose_cache()
"""What names this state of the kernels (workers with another one could make other values); whether Numba may cache."""
