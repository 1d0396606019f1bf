"""A home and a program's folder that can't be written, as in a container: kernels are compiled all the same, and it is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.cluster import jars
from loadtests.cluster.doctor import Grade, examine
from loadtests.errors import HarnessError
from sim.compiler import cache
from sim.compiler.cache import choose_cache

NOWHERE = "/dev/null/home"  # below what is no folder nobody makes one, not even root
# The folder of a program that is installed for all: Numba keeps its cache beside the sources where it can.
COMPILE = """
import numba.core.caching as caching
def refuse(self): raise OSError("read-only")
caching.InTreeCacheLocator.ensure_cache_path = refuse
caching.InTreeCacheLocatorFsAgnostic.ensure_cache_path = refuse
import numpy as np
from loadtests.kernels import copy_bytes
source, target = np.arange(3, dtype=np.uint8), np.zeros(3, np.uint8)
copy_bytes(source, 0, target, 0, 3)
import os
print(target.tolist(), os.environ.get("NUMBA_CACHE_DIR", ""))
"""


def compiled(**given: str) -> "subprocess.CompletedProcess[str]":
    hidden = ("METERSTORM_CACHE", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME")
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | given
    return subprocess.run(
        [sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_kernels_run_without_a_folder_that_lasts(tmp_path: Path) -> None:
    done = compiled(HOME=NOWHERE, TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    values, _, passing = done.stdout.strip().rpartition(" ")
    assert values == "[0, 1, 2]"
    assert passing.startswith(str(tmp_path)), "children find what their parent compiled"
    assert not list(tmp_path.iterdir()), "and it goes with the parent"
    assert "METERSTORM_CACHE" in done.stderr and NOWHERE in done.stderr and "Traceback" not in done.stderr


def test_kernels_are_kept_in_the_folder_that_is_named(tmp_path: Path) -> None:
    done = compiled(HOME=NOWHERE, METERSTORM_CACHE=str(tmp_path))
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert list((tmp_path / "kernels").rglob("*.nbi"))


def test_without_any_folder_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(prefix: str, dir: Path) -> str:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(cache.tempfile, "mkdtemp", refuse)
    chosen = choose_cache(NOWHERE, "state")
    assert chosen.folder is None and "each process compiles its own" in (chosen.trouble or "")


def test_a_user_without_a_home_is_told_to_name_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("METERSTORM_CACHE", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", refuse)
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path))
    assert "no home folder" in (choose_cache(None, "state").trouble or "")
    with pytest.raises(HarnessError, match="METERSTORM_CACHE"):
        jars.cache_folder()


def test_the_doctor_says_where_kernels_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("METERSTORM_CACHE", str(tmp_path))
    kept = next(check for check in examine(1, tmp_path) if check.name == "kernels")
    assert kept.grade is Grade.OK and str(tmp_path) in kept.finding and "METERSTORM_CACHE" in kept.finding
    monkeypatch.setenv("METERSTORM_CACHE", NOWHERE)
    refused = next(check for check in examine(1, tmp_path) if check.name == "kernels")
    assert refused.grade is Grade.WARN and NOWHERE in refused.finding and "METERSTORM_CACHE" in refused.mend
