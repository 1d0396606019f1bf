"""What is wrong in a scenario or an option is told before seconds of figures, drivers and kernels are loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

import meterstorm

HEAVY = ("matplotlib", "pandas", "scipy", "numba", "distributed", "pyarrow")
COMMAND = f"""
import sys
from meterstorm.cli.app import main
try:
    main()
finally:
    print(*[name for name in {HEAVY!r} if name in sys.modules])
"""


def refused(folder: Path, *arguments: str) -> tuple[int, str, list[str]]:
    """Exit code, what was said, and which of the heavy packages were loaded."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(Path(meterstorm.__file__).parents[1]), "HOME": str(folder), "PATH": "/usr/bin:/bin"},
    )
    return done.returncode, " ".join(done.stderr.split()), done.stdout.split()


@pytest.mark.parametrize("command", ["run", "simulate", "find-max", "matrix"])
def test_a_wrong_scenario_is_refused_before_anything_heavy_is_loaded(tmp_path: Path, command: str) -> None:
    (tmp_path / "bad.toml").write_text('title = "bad"\n[estate]\npremises = 0\n')
    code, said, loaded = refused(tmp_path, command, "bad.toml")
    assert code == 2 and "estate.premises = 0: must be at least 1" in said
    assert loaded == []


@pytest.mark.parametrize("address", ["foo", "tls://host:port", "tcp://10.0.0.7:8786"])
def test_a_scheduler_that_is_none_is_refused_before_anything_heavy_is_loaded(tmp_path: Path, address: str) -> None:
    code, said, loaded = refused(tmp_path, "simulate", "smoke", "--scheduler", address)
    assert code == 2 and f"--scheduler {address}: " in said and "tls://HOST:PORT" in said
    assert loaded == []
