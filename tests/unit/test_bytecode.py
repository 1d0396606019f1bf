"""The tests' processes share bytecode, whatever the environment says of it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bytecode import share_bytecode


@pytest.mark.parametrize("is_forbidden", [True, False])
def test_processes_share_a_folder_that_goes_with_the_tests(is_forbidden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1" if is_forbidden else "")
    monkeypatch.setattr(sys, "dont_write_bytecode", is_forbidden)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    remove = share_bytecode()
    assert not sys.dont_write_bytecode
    shown = "import sys; print(sys.dont_write_bytecode, sys.pycache_prefix)"
    told = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True).stdout
    assert told == f"False {sys.pycache_prefix}\n"
    if is_forbidden:
        folder = Path(str(sys.pycache_prefix))
        assert folder.is_dir()
        remove()
        assert not folder.exists()
    else:
        assert sys.pycache_prefix is None
        remove()
