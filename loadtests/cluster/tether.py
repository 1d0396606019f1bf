"""Children that end with us, however we end: a command is started by way of `die_with_parent.py`, which becomes it.

It imports nothing of ours: it must load in milliseconds.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TETHER = Path(__file__).with_name("die_with_parent.py")


def tied(command: Sequence[str], namespace: int | None = None) -> list[str]:
    """The command as a child that ends with this process, in the network namespace of a file descriptor that it must be passed.

    Its standard input must be a pipe that stays open, the tether of systems whose kernel ties no processes; and the thread that
    starts it must live as long, for the kernel ties a child to the *thread* that forked it.
    """
    entering = [] if namespace is None else [f"net:{namespace}"]
    return [sys.executable, "-I", "-S", str(TETHER), str(os.getpid()), *entering, *command]


def run_tied(command: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run a tied command to its end, and what it printed. Raises OSError, or subprocess.TimeoutExpired when it was killed."""
    read_end, write_end = os.pipe()
    try:
        return subprocess.run(
            tied(command), stdin=read_end, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    finally:
        os.close(write_end)
        os.close(read_end)
