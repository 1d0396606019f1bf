"""How a process of our own takes memory from the C library, and gives it back."""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of <malloc.h>
_LARGE_BYTES = 1 << 20


def give_memory_back() -> None:
    """Have what is freed go back to the system, where the C library is glibc; elsewhere nothing.

    All threads take from one arena: glibc would give each one of its own, in which what it has freed stays for it alone. Arrays
    of a mebibyte and more get pages of their own: glibc would take the largest that was ever freed for the usual size, and keep
    some that are free. A digest left 67 MiB so, and a sender held 8 (2026-11-30). Our threads allocate seldom, and engines
    (DuckDB, Arrow, Polars) bring allocators of their own.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt"):
        library.mallopt(_M_ARENA_MAX, 1)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)
