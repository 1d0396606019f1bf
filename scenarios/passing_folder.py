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
from types import TracebackType
from typing import Self

LOCK_NAME = "alive"


class PassingFolder:
    """A new folder; before it is made, those of its kind that dead processes have left beside it are removed.

    As a context manager it is removed at the block's end. Raises OSError where none can be made.
    """

    def __init__(self, kind: str, within: Path | None = None) -> None:
        """within: where it is made, by default the system's folder for temporary files."""
        prefix = f"meterstorm-{kind}-"
        beside = within or Path(tempfile.gettempdir())
        remove_left_behind(prefix, beside)
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=beside))  # ours alone: others can't lay anything into it
        self._made_by = os.getpid()
        unnamed = self.path / f"{LOCK_NAME}.new"
        self._lock = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o600)
        with contextlib.suppress(OSError):  # a file system without locks: then nobody removes it but we
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        unnamed.rename(self.path / LOCK_NAME)  # never there without its lock

    def remove(self) -> None:
        """Twice is harmless. In a forked child nothing is done: it shares the lock, and the folder is its parent's."""
        if os.getpid() != self._made_by:
            return
        _remove(self.path)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def remove_left_behind(prefix: str, beside: Path) -> None:
    """Remove the folders in `beside`, by the beginning of their names, whose process is dead."""
    for folder in beside.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # another user's, one that goes just now, or its process lives
            about = folder.lstat()
            if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
                continue
            lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            finally:
                os.close(lock)


def _remove(folder: Path) -> None:
    """The lock's file last: what a process leaves that is killed at this, the next one finds."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != LOCK_NAME:
                path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
