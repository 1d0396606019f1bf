"""Runs a kernel over all premises on several threads. Each thread adds into an array of its own; the arrays are then added.

Integer addition commutes (and wraps), so that the sum is the same for any number of threads and any order.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

from numpy.typing import NDArray

Arrays = TypeVar("Arrays", bound=tuple[NDArray[Any], ...])  # of integers
Progress = Callable[[float], None]  # told the share done so far, 0 .. 1

CHUNK_SIZE = 4_096  # premises: a few milliseconds' work, so that progress moves


def usable_processors() -> int:
    """Processors that this process may run on; a container's quota is `loadtests.cluster.machine.processor_count`'s to know."""
    return len(usable_processor_numbers())


def usable_processor_numbers() -> set[int]:
    """Those processors, as the system numbers them: 0, 1, ..."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def sweep(
    premises_count: int,
    work: Callable[[int, int, Arrays], None],
    empty: Callable[[], Arrays],
    *,
    thread_count: int | None = None,
    progress: Progress | None = None,
) -> Arrays:
    """The sums of what `work(first, end, total)` adds to its thread's arrays for each range of premises first .. end - 1."""
    starts = range(0, premises_count, CHUNK_SIZE)
    threads = min(thread_count or usable_processors(), len(starts))
    lock = Lock()
    done = 0

    def run(thread: int) -> Arrays:
        nonlocal done
        total = empty()
        for start in starts[thread::threads]:
            work(start, min(start + CHUNK_SIZE, premises_count), total)
            if progress is not None:
                with lock:
                    done += 1
                    progress(done / len(starts))
        return total

    with ThreadPoolExecutor(max_workers=threads) as pool:
        total = empty()
        for part in pool.map(run, range(threads)):
            for sum_of, more in zip(total, part, strict=True):
                sum_of += more
        return total
