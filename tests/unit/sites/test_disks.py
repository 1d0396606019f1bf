"""A disk of a node's own: its parts share it, it can be filled and freed, and outside nobody sees any of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.errors import HarnessError
from loadtests.sites.disks import mount_disk
from loadtests.sites.enclosure import ENTER, OUTSIDE, obstacle

PROGRAM = """
import errno, json, sys
from pathlib import Path
from loadtests.sites.disks import fill_disk, free_disk, mount_disk

folder = Path(sys.argv[1])
(folder / "data").mkdir()
mount_disk(folder, ["data", "commitlog"], 2)

def writes(part):
    try:
        (folder / part / "file").write_bytes(bytes(100_000))
    except OSError as error:
        return errno.errorcode[error.errno]
    return "written"

told = [writes("data"), writes("commitlog")]
(folder / "system.log").write_text("not on it")
fill_disk(folder)
(folder / "data" / "file").unlink()
(folder / "commitlog" / "file").unlink()
fill_disk(folder)
told += [writes("data"), writes("commitlog")]
(folder / "system.log").write_text("still not on it")
free_disk(folder)
told += [writes("data"), writes("commitlog")]
print(json.dumps(told))
"""


def test_a_full_disk_takes_nothing_until_it_is_freed_and_goes_with_the_run(tmp_path: Path) -> None:
    if (reason := obstacle()) is not None:
        pytest.skip(f"this machine forbids namespaces: {reason}")
    ran = subprocess.run(
        [sys.executable, "-I", "-S", str(ENTER), sys.executable, "-c", PROGRAM, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, OUTSIDE: f"{os.getpid()} 0.0"},
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == ["written", "written", "ENOSPC", "ENOSPC", "written", "written"]
    assert (tmp_path / "system.log").read_text() == "still not on it"
    assert [list((tmp_path / part).iterdir()) for part in ("disk", "data", "commitlog")] == [[], [], []]


def test_outside_no_disk_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(OUTSIDE, raising=False)
    with pytest.raises(HarnessError, match="needs a network of its own"):
        mount_disk(tmp_path, ["data"], 2)
