"""Ctrl-C at a master that had just made its folder left it there: it was made before there was who takes it away."""

import subprocess
import sys
from pathlib import Path

CASES = Path(__file__).parents[1] / "support" / "interrupted_fleet.py"
RUN = "import locust, sys, pytest; sys.exit(pytest.main(['-q', '-n0', '--noconftest', '-p', 'no:cacheprovider', sys.argv[1]]))"


def test_whenever_a_signal_comes_no_folder_is_left() -> None:
    """Locust patches sockets and threads, of this process for good: it is tried in one of its own."""
    done = subprocess.run([sys.executable, "-c", RUN, str(CASES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
