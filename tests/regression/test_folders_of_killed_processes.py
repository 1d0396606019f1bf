"""A process that was killed with SIGKILL left its temporary folder for good: a worker's, a run's with the cluster's password, the
kernels that were compiled where nothing lasting can be written, half of what it had fetched."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scenarios.passing_folder import PassingFolder

MAKE = "import sys; from scenarios.passing_folder import PassingFolder; "
MAKE += "print(PassingFolder(sys.argv[1]).path, flush=True); sys.stdin.read()"
COMPILE = "import sys; from sim.compiler.cache import choose_cache; "
COMPILE += "print(choose_cache('/dev/null/home', 'state').folder.parents[1], flush=True); sys.stdin.read()"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@contextmanager
def owner(kind: str = "worker", make: str = MAKE) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    process = subprocess.Popen(
        [sys.executable, "-c", make, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_the_next_of_its_kind_removes_what_a_killed_process_has_left() -> None:
    with owner() as (_, lives), owner("locust") as (_, other):
        with owner() as (process, dead):
            (dead / "shard-0").mkdir()
            process.kill()
            process.wait()
        assert dead.is_dir() and lives.is_dir()
        mine = PassingFolder("worker")
        assert not dead.exists()
        assert lives.is_dir() and mine.path.is_dir() and other.is_dir()
        mine.remove()
        mine.remove()
        assert not mine.path.exists()


def test_what_is_not_ours_for_sure_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = tmp_path / "meterstorm-worker-strange"
    strange.mkdir()  # without a lock: of an older version, or of somebody else's making
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "alive").touch()
    (tmp_path / "meterstorm-worker-link").symlink_to(tmp_path / "target")
    anothers = tmp_path / "meterstorm-worker-another"
    anothers.mkdir()
    (anothers / "alive").touch()
    with monkeypatch.context() as patched:
        patched.setattr(os, "getuid", lambda: anothers.stat().st_uid + 1)
        PassingFolder("worker").remove()
    assert anothers.is_dir()
    PassingFolder("worker").remove()
    assert strange.is_dir() and (tmp_path / "target" / "alive").exists() and not anothers.exists()


def test_kernels_that_a_killed_process_has_compiled_go_with_the_next() -> None:
    with owner(make=COMPILE) as (_, lives):
        with owner(make=COMPILE) as (process, dead):
            (dead / "kernels" / "state").mkdir(parents=True)
            (dead / "kernels" / "state" / "a.nbi").touch()
            process.kill()
            process.wait()
        assert dead.is_dir() and lives.is_dir()
        with owner(make=COMPILE):
            assert not dead.exists() and lives.is_dir()


def test_only_folders_beside_it_are_removed(tmp_path: Path) -> None:
    for name in ("here", "elsewhere"):
        (tmp_path / name / "meterstorm-fetching-dead" / "jars").mkdir(parents=True)
        (tmp_path / name / "meterstorm-fetching-dead" / "alive").touch()
    with PassingFolder("fetching", within=tmp_path / "here") as mine:
        assert list((tmp_path / "here").iterdir()) == [mine.path]
    assert list((tmp_path / "here").iterdir()) == []
    assert list((tmp_path / "elsewhere").iterdir()) != []


def test_a_forked_child_leaves_its_parents_folder() -> None:
    mine = PassingFolder("kernels")
    child = os.fork()
    if child == 0:
        mine.remove()
        os._exit(0)
    os.waitpid(child, 0)
    assert mine.path.is_dir()
    PassingFolder("kernels").remove()
    assert mine.path.is_dir()
    mine.remove()
    assert not mine.path.exists()
