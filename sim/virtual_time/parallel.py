"""Runs a kernel over all premises on several threads. Each thread adds into an array of its own; the arrays are then added.

Integer addition commutes (and wraps), so that the sum is the same for any number of threads and any order.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

from numpy.typing import NDArray

from sim.virtual_time.checkpoint import Checkpoint

Arrays = TypeVar("Arrays", bound=tuple[NDArray[Any], ...])  # of integers
Progress = Callable[[float], None]  # told the share done so far, 0 .. 1

CHUNK_SIZE = 4_096  # premises: a few milliseconds' work, so that progress moves
KEEP_EVERY_S = 60.0  # a nation's year is 135 MiB, written in 0.3 s


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
    checkpoint: Checkpoint | None = None,
) -> Arrays:
    """The sums of what `work(first, end, total)` adds to its thread's arrays for each range of premises first .. end - 1.

    checkpoint: keeps the sums every `KEEP_EVERY_S`, and has those of a sweep that was cut off. Raises what its `read` does.
    """
    starts = range(0, premises_count, CHUNK_SIZE)
    total = empty()
    begun = 0 if checkpoint is None else checkpoint.read(total)
    threads = min(thread_count or usable_processors(), len(starts))
    parts = [empty() for _ in range(threads)]
    waiting = iter(range(begun, len(starts)))
    lock = Lock()
    done = begun

    def run(part: Arrays, until_s: float) -> None:
        nonlocal done
        number = _next(waiting, lock)
        while number is not None:
            work(starts[number], min(starts[number] + CHUNK_SIZE, premises_count), part)
            with lock:
                done += 1
                if progress is not None:
                    progress(done / len(starts))
            number = _next(waiting, lock) if time.monotonic() < until_s else None

    with ThreadPoolExecutor(max_workers=threads) as pool:
        while done < len(starts):
            until_s = math.inf if checkpoint is None else time.monotonic() + KEEP_EVERY_S
            list(pool.map(run, parts, [until_s] * threads))
            for part in parts:
                for sum_of, more in zip(total, part, strict=True):
                    sum_of += more
                    if done < len(starts):
                        more[...] = 0
            if checkpoint is not None:
                checkpoint.write(done, total)
    return total


def _next(waiting: Iterator[int], lock: Lock) -> int | None:
    with lock:
        return next(waiting, None)
