"""A worker that was killed with SIGKILL left its temporary folder for good, a run its folder with the cluster's password."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtests.fleet.passing_folder import PassingFolder

MAKE = "import sys; from loadtests.fleet.passing_folder import PassingFolder; "
MAKE += "print(PassingFolder(sys.argv[1]).path, flush=True); sys.stdin.read()"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))


@contextmanager
def owner(kind: str = "worker") -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    process = subprocess.Popen(
        [sys.executable, "-c", MAKE, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
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
