"""A kernel's compiled code is never older than a source that went into it, wherever that source lies or has moved to.

Caches were stamped with one folder's files and two more that were named by hand, or with those of the files in which
the word "kernel" stands: a kernel that moved to another folder, or a constant of a file without that word, could change
while the machine code of those that call it stayed.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba import config

from sim.compiler.dispatcher import KernelFiles
from sim.compiler.sources import imports, sources_of, stamp_of
from sim.kernels import stamped_kernel

CALLER = """
from {decorators} import {decorator}
from shop.deep.leaf import leaf
from shop.prices import PRICE


@{decorator}
def caller(count):
    return leaf(count) * PRICE


print(caller(1))
"""
LEAF = """
from {decorators} import {decorator}


@{decorator}
def leaf(count):
    return count + {more}
"""


def run(folder: Path, *, decorators: str, decorator: str, more: int, price: int) -> int:
    """What the caller says in a process of its own, with compiled kernels kept in `folder`."""
    shop = folder / "shop"
    (shop / "deep").mkdir(parents=True, exist_ok=True)
    for package in (shop, shop / "deep"):
        (package / "__init__.py").touch()
    caller = CALLER.format(decorators=decorators, decorator=decorator)
    if not (shop / "caller.py").exists():
        (shop / "caller.py").write_text(caller, encoding="utf-8")
    (shop / "deep" / "leaf.py").write_text(
        LEAF.format(decorators=decorators, decorator=decorator, more=more), encoding="utf-8"
    )
    (shop / "prices.py").write_text(f"PRICE = {price}\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "shop.caller"],
        cwd=folder,
        # Python takes a source of the same second and size for the one that it compiled, which is not what is shown here
        env=os.environ | {"METERSTORM_CACHE": str(folder / "cache"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return int(done.stdout)


@pytest.mark.parametrize(
    ("decorators", "decorator"), [("loadtests.kernels", "borrowing_kernel"), ("sim.kernels", "leaf_kernel")]
)
def test_a_changed_leaf_or_constant_of_another_folder_is_compiled_in(
    tmp_path: Path, decorators: str, decorator: str
) -> None:
    given = {"decorators": decorators, "decorator": decorator}
    assert run(tmp_path, more=1, price=10, **given) == 20
    assert run(tmp_path, more=2, price=10, **given) == 30
    assert run(tmp_path, more=2, price=7, **given) == 21
    assert list(tmp_path.rglob("caller.caller-*.nbi")), "nothing was kept, so nothing was shown"


def once(count: int) -> int:
    return count


def test_a_process_killed_between_index_and_machine_code_leaves_no_old_code_that_counts_as_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    def missed(stamp: str, *, is_killed: bool = False) -> int:
        """How often the kernel of a state of the sources is compiled, where it is not found."""
        monkeypatch.setattr("sim.kernels.stamp_of_code", lambda _: stamp)
        with monkeypatch.context() as dying:
            if is_killed:
                dying.setattr(KernelFiles, "_save_data", killed)
            kept = stamped_kernel(once)
            assert kept(3) == 3
        return sum(kept.stats.cache_misses.values())

    assert missed("old") == 1 and missed("old") == 0
    with pytest.raises(Killed):
        missed("new", is_killed=True)
    assert missed("new") == 1 and missed("new") == 0


@pytest.fixture
def package(tmp_path: Path) -> Path:
    package = tmp_path / "shop"
    (package / "deep").mkdir(parents=True)
    for folder in (package, package / "deep"):
        (folder / "__init__.py").touch()
    (package / "caller.py").write_text("from shop.deep.leaf import (\n    leaf,\n)\nimport numpy\n", encoding="utf-8")
    (package / "deep" / "leaf.py").write_text("def f():\n    from shop import prices\n", encoding="utf-8")
    (package / "prices.py").write_text("import shop.deep.leaf\nPRICE = 1\n", encoding="utf-8")
    return package


def test_the_sources_are_found_through_the_imports_and_theirs(package: Path) -> None:
    names = {str(path.relative_to(package)) for path in sources_of(package / "caller.py")}
    assert names == {"__init__.py", "caller.py", "deep/leaf.py", "prices.py"}
    assert imports(package / "caller.py", "shop.deep.leaf") and not imports(package / "caller.py", "shop.prices")


def test_the_stamp_is_of_contents_and_not_of_places(package: Path) -> None:
    sources = sources_of(package / "caller.py")
    before = stamp_of(sources)
    assert stamp_of(sorted(sources, reverse=True)) == before
    (package / "prices.py").write_text("import shop.deep.leaf\nPRICE = 2\n", encoding="utf-8")
    assert stamp_of(sources) != before


def test_our_own_kernels_are_stamped_with_the_constants_that_they_use() -> None:
    root = Path(__file__).parents[2]
    of_responses = {path.relative_to(root).as_posix() for path in sources_of(root / "loadtests/sender/responses.py")}
    assert {
        "loadtests/sender/protocol.py",
        "loadtests/sender/state.py",
        "loadtests/recording/ledger.py",
    } <= of_responses
    assert "sim/units.py" in {
        path.relative_to(root).as_posix() for path in sources_of(root / "sim/energy/registers.py")
    }
