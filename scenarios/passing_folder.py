"""A temporary folder that goes with its process: removed at its end, or after a SIGKILL by the next of its kind that is made.

A process that lives holds a lock on a file in its folder, which the kernel releases however it ends. So no process number has to
be trusted, which another process may have by now. Only folders of our own names, and of this user's, are ever removed.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

LOCK_NAME = "alive"


class PassingFolder:
    """A new folder in the system's for temporary files; before it is made, those that dead processes have left are removed."""

    def __init__(self, kind: str) -> None:
        prefix = f"meterstorm-{kind}-"
        remove_left_behind(prefix)
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        unnamed = self.path / f"{LOCK_NAME}.new"
        self._lock = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(OSError):  # a file system without locks: then nobody removes it but we
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        unnamed.rename(self.path / LOCK_NAME)  # never there without its lock

    def remove(self) -> None:
        """Twice is harmless."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def remove_left_behind(prefix: str) -> None:
    """Remove the folders of a kind whose process is dead."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # another user's, one that goes just now, or its process lives
            about = folder.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
                continue
            lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
