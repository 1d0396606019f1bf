"""A disk of a bounded size for a node, held in memory: a fault may fill it. It goes with the namespaces of the run."""

import ctypes
import errno
import os
from collections.abc import Collection
from pathlib import Path

from loadtests.errors import HarnessError
from loadtests.sites.enclosure import require_inside

_MS_BIND = 0x1000  # linux/mount.h
_DISK = "disk"
_BALLAST = "ballast"

_libc = ctypes.CDLL(None, use_errno=True)


def mount_disk(folder: Path, parts: Collection[str], size_mib: int) -> None:
    """Put these parts of a node's folder on one disk of their own. Raises HarnessError where that can't be done."""
    require_inside()
    disk = folder / _DISK
    disk.mkdir(exist_ok=True)
    _mount("tmpfs", disk, "tmpfs", 0, f"size={size_mib}m")
    for part in parts:
        (disk / part).mkdir()
        (folder / part).mkdir(exist_ok=True)
        _mount(str(disk / part), folder / part, None, _MS_BIND, None)


def fill_disk(folder: Path) -> None:
    """Take all the room that a node's disk has left."""
    disk = folder / _DISK
    file = os.open(disk / _BALLAST, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        end = 0
        for step in (1 << 20, os.sysconf("SC_PAGE_SIZE")):  # others write meanwhile: nobody can say how much is left
            while True:
                try:
                    os.posix_fallocate(file, end, step)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    break
                end += step
    finally:
        os.close(file)


def free_disk(folder: Path) -> None:
    """Give back what `fill_disk` took."""
    (folder / _DISK / _BALLAST).unlink(missing_ok=True)


def _mount(source: str, target: Path, kind: str | None, flags: int, options: str | None) -> None:
    arguments = (text.encode() if text is not None else None for text in (kind, options))
    kind_bytes, option_bytes = arguments
    if _libc.mount(source.encode(), str(target).encode(), kind_bytes, flags, option_bytes) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise HarnessError(
            f"{target} can't have a disk of its own: {reason}; see `meterstorm doctor`, or leave out the fault"
        )
