"""How the estate's kernels are compiled: without the GIL, cached on disk, and with IEEE arithmetic only.

`fastmath` is left out on purpose: it lets the compiler reorder sums, and a result would then depend on the CPU.
Threads are Python's, each with accumulators of its own (`sim.virtual_time.parallel`): Numba's parallel loops need a
threading library that not every machine has, and may not be entered by two threads at once.

The wrappers keep a kernel's Python signature, so that mypy checks its callers.
"""

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from numba import config

from sim.compiler.cache import choose_cache
from sim.compiler.dispatcher import KEPT_FORM, KernelDispatcher, KernelFiles
from sim.compiler.sources import imports, sources_of, stamp_of, stamp_of_code

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)

CACHES_KEPT = 4  # of some 5 MB: a few branches of the code side by side


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that reads and writes arrays; it releases the GIL while it runs."""
    return cast(Callable[P, R], stamped_kernel(function, nogil=True))


def leaf_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function that other kernels call for each meter or slot. It can't make arrays.

    Numba counts a reference for each array in an argument, in atomic operations: for `KernelParameters` they cost ten
    times what the leaf computes (145 ns against 14 ns for a schedule, two cores, November 2026). A leaf borrows its arrays:
    nothing is counted.
    """
    return cast(Callable[P, R], stamped_kernel(function, nogil=True, _nrt=False))


def inlined_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """As `leaf_kernel`, of one that is made anew in each place that calls it, for the constants that are given there.

    Where the compiler does not know that a key of `philox_lanes` is below 2^32, its products take three instructions for one.
    """
    return cast(Callable[P, R], stamped_kernel(function, nogil=True, _nrt=False, forceinline=True))


def stamped_kernel(function: Callable[..., Any], **options: Any) -> Any:
    """Compile a function by Numba's `options`, and keep it on disk under a stamp of all sources that it may depend on.

    Numba notices a change of a kernel's own file, but not of a leaf or a constant that was compiled into it from another
    file: after an update it would go on with the old one, and recompute other values than it should.
    """
    if config.DISABLE_JIT:
        return function
    dispatcher = KernelDispatcher(function, targetoptions={"nopython": True, "boundscheck": None, **options})
    if ARE_KEPT:
        code = stamp_of_code(Path(function.__code__.co_filename).resolve())
        for each in (dispatcher, dispatcher.part):
            each.enable_caching()
            cache = each._cache
            stamp = (cache._cache_file._source_stamp, code, KEPT_FORM)
            cache._cache_file = KernelFiles(cache.cache_path, cache._impl.filename_base, stamp)
            each.lock_path = Path(cache._cache_file._index_path).with_suffix(".lock")
    return dispatcher


def _kernel_files() -> list[Path]:
    """The sources of this package that have kernels, and this one."""
    here = Path(__file__)
    return [here, *(source for source in here.parent.rglob("*.py") if imports(source, "sim.kernels"))]


def _choose_cache() -> bool:
    """Choose where kernels are kept on disk, a folder for each state of the files that hold them; False: nowhere.

    Branches of the code side by side do not overwrite each other's then. What else a kernel depends on is in its stamp.
    """
    state = stamp_of(_kernel_files())[:16]
    cache = choose_cache(config.CACHE_DIR or None, state)
    if cache.trouble is not None:
        log.warning("%s", cache.trouble)
    if cache.folder is None:
        return False
    if cache.is_passing:
        os.environ["NUMBA_CACHE_DIR"] = str(cache.folder.parents[1])  # of our children, so that they need not compile
    others = [other for other in cache.folder.parent.glob("*") if other != cache.folder]
    for old in sorted(others, key=_made_at)[: -CACHES_KEPT + 1]:
        shutil.rmtree(old, ignore_errors=True)
    config.CACHE_DIR = str(cache.folder)
    return True


def _made_at(cache: Path) -> float:
    try:
        return cache.stat().st_mtime
    except FileNotFoundError:  # another process tidies up at the same time
        return 0.0


ARE_KEPT = _choose_cache()
"""May Numba keep compiled kernels on disk?"""

KERNELS_STATE = stamp_of(set[Path]().union(*map(sources_of, _kernel_files())))[:16]
"""Names this state of the kernels and of all that they depend on: workers with another one could make other values."""
