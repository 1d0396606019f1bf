"""Threads of our processes take memory from one arena, so that what one has freed another can take."""

import re
import subprocess
import sys

import pytest

ALLOCATE = """
import ctypes, sys, threading
from loadtests.storm.allocator import give_memory_back
if sys.argv[1] == "one":
    give_memory_back()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(4)
def allocate():
    together.wait()
    for _ in range(100):
        libc.malloc(1_000)
    together.wait()
threads = [threading.Thread(target=allocate) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.fdopen.restype = ctypes.c_void_p
stdout = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, stdout)
libc.fflush(stdout)
"""


@pytest.mark.skipif(sys.platform != "linux" or "musl" in sys.version, reason="arenas are glibc's")
def test_all_threads_take_memory_from_one_arena() -> None:
    def arenas(how: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", ALLOCATE, how], capture_output=True, text=True, timeout=60, check=True
        )
        return len(re.findall("<heap nr=", done.stdout))

    assert arenas("many") > 1
    assert arenas("one") == 1
