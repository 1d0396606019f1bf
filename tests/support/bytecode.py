"""Where the tests' processes keep Python's bytecode when the environment says that none is to be written.

Hundreds of processes are started. Where each compiles every module that it loads, a sender takes 2.0 s of the processor to
load instead of 0.65, a Locust worker 5.1 instead of 1.8 (2026-11-29).
"""

import os
import sys
from collections.abc import Callable

from scenarios.passing_folder import PassingFolder


def share_bytecode() -> Callable[[], None]:
    """Have this process and those that it starts keep bytecode in a temporary folder of their own; returns what removes it.

    Where bytecode may be written beside the sources nothing is done.
    """
    if not sys.dont_write_bytecode or "PYTEST_XDIST_WORKER" in os.environ:
        return lambda: None
    passing = PassingFolder("bytecode")  # of tests that were killed the next ones remove it
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(passing.path)
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(passing.path)
    return passing.remove
