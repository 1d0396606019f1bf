"""Programs that tests ask and that no Python package brings."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def require_programs(*names: str) -> None:
    """Skip the test where one is missing; in CI, which installs them, that is a failure."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} missing: .ci/run installs them")
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: Debian has them in prometheus and prometheus-alertmanager")


def said(*command: str | Path) -> str:
    """All that a command says, which must end with exit code 0."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    words = ended.stdout + ended.stderr
    assert ended.returncode == 0, words
    return words
