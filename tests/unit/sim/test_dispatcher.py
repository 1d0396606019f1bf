"""A kernel is compiled once for all constants that others call it with, and by one of the processes that need it at once.

What kernels alone call has nothing that only Python needs.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from llvmlite.binding import Linkage
from numba import config

from sim.compiler.dispatcher import locked
from sim.kernels import kernel, leaf_kernel, stamped_kernel

not_kept = pytest.MonkeyPatch()  # these are looked into, and what is loaded from the disk has less
not_kept.setattr("sim.kernels.ARE_KEPT", False)


@leaf_kernel
def times(count: int, by: int) -> int:
    return count * by


@kernel
def nine_and_ten_times(count: int) -> int:
    return times(count, 9) + times(count, 10)


@leaf_kernel
def doubled(count: int) -> int:
    return 2 * count


@kernel
def four_times(count: int) -> int:
    return doubled(doubled(count))


def long_leaf(name: str) -> Any:
    """A leaf of so many steps that LLVM puts it in place at its only call alone."""
    steps = "\n".join(f"        total = (total ^ one) * {2 * step + 3} & 65535" for step in range(40))
    made: dict[str, Any] = {}
    exec(f"def {name}(count):\n    total = 0\n    for one in range(count):\n{steps}\n    return total\n", made)
    return leaf_kernel(made[name])


called_once, called_twice = long_leaf("called_once"), long_leaf("called_twice")


@kernel
def of_long_leaves(count: int) -> int:
    return int(called_once(count) + called_twice(count) + called_twice(count + 1))


not_kept.undo()


def test_constants_in_calls_do_not_make_more_machine_code() -> None:
    assert nine_and_ten_times(2) == 38
    assert len(times.part.signatures) == 1  # type: ignore[attr-defined]


def test_a_process_that_runs_kernels_does_not_load_scipys_matrices_and_could() -> None:
    ask = (
        "import sys; from tests.unit.sim.test_dispatcher import quarter; quarter(8); "
        "print('scipy.linalg' in sys.modules); "
        "from numba.np import arraymath, linalg; linalg.ensure_blas(); "
        "print(arraymath._HAVE_BLAS, 'scipy.linalg' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split() == ["False", "True", "True"]


def wrappers_of(dispatcher: Any) -> list[str]:
    """Symbols of the functions through which Python and C call what `dispatcher` has compiled."""
    (compiled,) = dispatcher.overloads.values()
    defined = {function.name for function in compiled.library.get_defined_functions()}
    names = (compiled.fndesc.llvm_cpython_wrapper_name, compiled.fndesc.llvm_cfunc_wrapper_name)
    return [name for name in names if name in defined]


def test_what_only_kernels_call_has_nothing_that_python_could_call() -> None:
    """Wrappers took a quarter of all compilation: of arguments of a hundred arrays, and again in every caller."""
    assert four_times(3) == 12
    entry, leaf = cast(Any, four_times), cast(Any, doubled)
    assert len(wrappers_of(entry)) == 1 and wrappers_of(leaf.part) == [] and not leaf.overloads
    assert doubled(3) == 6  # Python may call it all the same: it is compiled for that
    assert len(wrappers_of(leaf)) == 1


def tripled(count: int) -> int:
    return 3 * count


def nine_times(count: int) -> int:
    return kept_leaf(kept_leaf(count))


kept_leaf: Any = None  # `tripled` as each generation of the test below has it


def test_what_is_kept_for_kernels_and_for_python_does_not_take_each_others_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))

    def compiled_by(called: str) -> tuple[int, int, int]:
        """How much is compiled for Python's call of the one, for it by the other, and for Python's call of the other."""
        leaf, entry = (stamped_kernel(each, nogil=True) for each in (tripled, nine_times))
        monkeypatch.setitem(globals(), "kept_leaf", leaf)
        for name in called.split():
            assert {"leaf": leaf, "entry": entry}[name](1) == {"leaf": 3, "entry": 9}[name]
        leaf_for_python, leaf_for_entry, of_entry = (
            sum(each.stats.cache_misses.values()) for each in (leaf, leaf.part, entry)
        )
        return leaf_for_python, leaf_for_entry, of_entry

    assert compiled_by("leaf") == (1, 0, 0)
    assert compiled_by("entry") == (0, 1, 1)
    assert compiled_by("entry leaf") == (0, 0, 0)


def thirteen_times(count: int) -> int:
    return kept_leaf(kept_leaf(count)) + kept_leaf(count) + count


def test_what_is_kept_for_kernels_is_taken_in_by_a_kernel_that_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    for entry_function, value in ((nine_times, 18), (thirteen_times, 26)):
        leaf, entry = (stamped_kernel(each, nogil=True) for each in (tripled, entry_function))
        monkeypatch.setitem(globals(), "kept_leaf", leaf)
        assert entry(2) == value
    assert sum(leaf.part.stats.cache_hits.values()) == 1 and not leaf.part.stats.cache_misses


def test_machine_code_is_made_of_the_whole_once() -> None:
    """It was made of each kernel with all that it calls, at every level of calls."""
    assert four_times(3) == 12
    entry, leaf = ((*each.overloads.values(),)[0] for each in (cast(Any, four_times), cast(Any, doubled).part))
    assert leaf.library.get_pointer_to_function(leaf.fndesc.llvm_func_name) == 0
    assert entry.library.get_pointer_to_function(entry.fndesc.llvm_func_name) != 0
    external = [one.name for one in entry.library.get_defined_functions() if one.linkage == Linkage.external]
    assert leaf.fndesc.llvm_func_name not in external and entry.fndesc.llvm_func_name in external


def test_what_one_kernel_alone_calls_is_put_in_the_place_of_its_call() -> None:
    """Nobody else calls the copies in a kernel's own code. To LLVM they looked as if somebody could: it left them apart."""
    once, twice = (each.py_func for each in (called_once, called_twice))
    assert of_long_leaves(3) == once(3) + twice(3) + twice(4)
    (compiled,) = cast(Any, of_long_leaves).overloads.values()
    linkages = {one.name: one.linkage for one in compiled.library.get_defined_functions()}
    names = [(*each.part.overloads.values(),)[0].fndesc.llvm_func_name for each in (called_once, called_twice)]
    assert [linkages.get(name) for name in names] == [None, Linkage.internal]


@leaf_kernel
def half(count: int) -> int:
    if count % 2:
        raise ValueError("an odd number")
    return count // 2


@kernel
def quarter(count: int) -> int:
    return half(half(count))


def test_what_a_part_raises_reaches_python() -> None:
    assert quarter(8) == 2
    with pytest.raises(ValueError, match="an odd number"):
        quarter(6)


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


LOAD_WHAT_IS_KEPT = """
import sys
import numpy as np
from sim.kernels import kernel, leaf_kernel

@leaf_kernel
def half(count):
    if count % 2:
        raise ValueError("an odd number")
    return count // 2

@kernel
def halves(counts):
    out = np.empty(len(counts), np.int64)
    for at in range(len(counts)):
        out[at] = half(counts[at])
    return out

print(halves(np.array([8, 6])).sum())
try:
    halves(np.array([3]))
except ValueError as error:
    print(error)
print(sum(halves.stats.cache_misses.values()), "numba.np.random.generator_methods" in sys.modules)
"""


def test_a_process_whose_kernels_are_all_kept_loads_nothing_of_what_compiles_them(tmp_path: Path) -> None:
    """Numba's compiler took 13 of the 88 MiB of a sender that compiles nothing, see `sim.compiler.dispatcher`."""
    (tmp_path / "program.py").write_text(LOAD_WHAT_IS_KEPT)

    def said() -> list[str]:
        done = subprocess.run(
            [sys.executable, tmp_path / "program.py"],
            capture_output=True,
            text=True,
            env=os.environ | {"METERSTORM_CACHE": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[3])},
            timeout=300,
            check=True,
        )
        return done.stdout.splitlines()

    assert said() == ["7", "an odd number", "1 True"]
    assert said() == ["7", "an odd number", "0 False"]
    ((of_entry,), (of_leaf,)) = ([*tmp_path.rglob(f"program.{name}-*.nbc")] for name in ("halves", "half"))
    bitcode = b"BC\xc0\xde"  # of the leaf alone, should another kernel take it in
    assert bitcode not in of_entry.read_bytes() and bitcode in of_leaf.read_bytes()


def test_what_was_kept_in_another_form_is_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    misses = []
    for form in (1, 1, 2):
        monkeypatch.setattr("sim.kernels.KEPT_FORM", form)
        entry = stamped_kernel(tripled, nogil=True)
        assert entry(2) == 6
        misses.append(sum(entry.stats.cache_misses.values()))
    assert misses == [1, 0, 1]
