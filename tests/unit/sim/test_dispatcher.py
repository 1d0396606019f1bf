"""A kernel is compiled once for all constants that others call it with, and by one of the processes that need it at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.compiler.dispatcher import locked
from sim.kernels import kernel, leaf_kernel


@leaf_kernel
def times(count: int, by: int) -> int:
    return count * by


@kernel
def nine_and_ten_times(count: int) -> int:
    return times(count, 9) + times(count, 10)


def test_constants_in_calls_do_not_make_more_machine_code() -> None:
    assert nine_and_ten_times(2) == 38
    assert len(times.signatures) == 1  # type: ignore[attr-defined]


COMPILE_AT_ONCE = """
import sys
from sim.kernels import leaf_kernel

@leaf_kernel
def summed(count):
    total = 0
    for one in range(count):
        total += one
    return total

print("ready", flush=True)
sys.stdin.readline()
print(summed(5), sum(summed.stats.cache_misses.values()), flush=True)
"""


def test_processes_that_start_together_compile_a_kernel_once(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(COMPILE_AT_ONCE)
    processes = [
        subprocess.Popen(
            [sys.executable, tmp_path / "program.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"METERSTORM_CACHE": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])},
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=300)[0].split() for process in processes]
    assert [value for value, _ in said] == ["10", "10", "10"]
    assert sorted(compiled for _, compiled in said) == ["0", "0", "1"]


def test_where_no_file_can_be_locked_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with locked(tmp_path / "gone" / "kernel.lock"):
        pass

    def refuse(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr("sim.compiler.dispatcher.fcntl.lockf", refuse)
    with locked(tmp_path / "kernel.lock"):
        pass
