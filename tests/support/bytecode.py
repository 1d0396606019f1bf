"""Where the tests' processes keep Python's bytecode when the environment says that none is to be written.

Hundreds of processes are started. Where each compiles every module that it loads, a sender takes 2.0 s of the processor to
load instead of 0.65, a Locust worker 5.1 instead of 1.8 (2026-11-29).
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable


def share_bytecode() -> Callable[[], None]:
    """Have this process and those that it starts keep bytecode in a temporary folder of their own; returns what removes it.

    Where bytecode may be written beside the sources nothing is done.
    """
    if not sys.dont_write_bytecode or "PYTEST_XDIST_WORKER" in os.environ:
        return lambda: None
    folder = tempfile.mkdtemp(prefix="meterstorm-bytecode-")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = folder
    sys.dont_write_bytecode, sys.pycache_prefix = False, folder
    return lambda: shutil.rmtree(folder, ignore_errors=True)
