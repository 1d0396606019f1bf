"""What the wire encoder allocates for a batch, counted and not timed: the gate of our own benchmarks compares it exactly.

A program of its own, as whatever else a process has done leaves its mark on what it allocates. It prints {name: bytes} as JSON.
NumPy's arrays are among what `tracemalloc` sees; what a kernel allocates and frees within itself is not.
"""

import gc
import json
import tracemalloc
from collections.abc import Callable

from bench_sender import columns, template  # type: ignore[import-not-found]  # beside it, wherever both were copied to

WARM = 3  # calls before: the first one compiles, and caches what it looks up


def allocated(work: Callable[[], object]) -> tuple[int, int]:
    """Bytes beyond those before a call, at the most within it, and those that its result keeps."""
    for _ in range(WARM):
        work()
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(2):  # the first one is the first that is traced: it allocates what tracing itself needs
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            result = work()
            after, most = tracemalloc.get_traced_memory()
            del result
        return most - before, after - before
    finally:
        tracemalloc.stop()
        gc.enable()


def main() -> None:
    """Count both."""
    encoder, rows = template(), columns()
    counts = {}
    for name, work in (("frames", lambda: encoder.encode(rows)), ("tokens", lambda: encoder.tokens(rows))):
        counts[f"{name}: bytes at the most"], counts[f"{name}: bytes kept"] = allocated(work)
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
