"""What a container, or any group of processes, may use: limits of control groups of both versions, and of all groups above.

A limit anywhere above holds too, so every group from ours up to the top that can be seen is asked.
Source: kernel documentation, admin-guide/cgroup-v1/memory.rst, scheduler/sched-bwc.rst, and admin-guide/cgroup-v2.rst.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PROC = Path("/proc/self")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mount:
    """A mounted hierarchy: the part of it from `root` on is seen at `point`."""

    controllers: frozenset[str]  # of version 1; empty is version 2, which has them all
    root: PurePosixPath
    point: Path


def memory_left_bytes(proc: Path = PROC) -> int | None:
    """How much more the tightest group above this process may take [bytes]; None where none has a limit.

    The page cache of files counts as free: the kernel gives it up before it refuses memory.
    """
    left = [_left_1(group) for group in _groups("memory", proc, version=1)]
    left += [_left_2(group) for group in _groups("memory", proc, version=2)]
    return min((max(each, 0) for each in left if each is not None), default=None)


def processors_granted(proc: Path = PROC) -> float | None:
    """Processors' time that the tightest group above this process may take; None where none has a quota."""
    granted = [_quota(group / "cpu.max") for group in _groups("cpu", proc, version=2)]
    granted += [
        _quota(group / "cpu.cfs_quota_us", group / "cpu.cfs_period_us") for group in _groups("cpu", proc, version=1)
    ]
    return min((each for each in granted if each is not None), default=None)


def _left_1(group: Path) -> int | None:
    used, told = _number(group / "memory.usage_in_bytes"), _table(group / "memory.stat")
    # The second is the least of this group and of all above, also of those that a container can't see.
    limits = [_number(group / "memory.limit_in_bytes"), told.get("hierarchical_memory_limit")]
    limit = min((each for each in limits if each is not None), default=None)
    if used is None or limit is None or limit >= 1 << 60:  # what stands there when there is none
        return None
    return limit - used + told.get("total_inactive_file", 0) + told.get("total_active_file", 0)


def _left_2(group: Path) -> int | None:
    limits = [_number(group / name) for name in ("memory.max", "memory.high")]
    limit = min((each for each in limits if each is not None), default=None)
    used, told = _number(group / "memory.current"), _table(group / "memory.stat")
    if used is None or limit is None:
        return None
    return limit - used + told.get("inactive_file", 0) + told.get("active_file", 0)


def _quota(*files: Path) -> float | None:
    """Two numbers, of one file or of two: the time granted in each period, and the period; none, or -1, is no quota."""
    words = [word for file in files for word in _words(file)]
    if len(words) != 2 or not words[0].isdecimal() or not words[1].isdecimal() or int(words[1]) == 0:
        return None
    return int(words[0]) / int(words[1])


def _groups(controller: str, proc: Path, *, version: int) -> Iterator[Path]:
    """The folders of this process' group and of those above it, as far up as they can be seen."""
    ours = _our_groups(proc)
    for mount in _mounts(proc):
        if (version == 2) != (not mount.controllers) or (version == 1 and controller not in mount.controllers):
            continue
        path = ours.get(controller if version == 1 else "")
        if path is None:
            continue
        # In a namespace of its own a container sees its group as the top, whatever is written of its path.
        below = path.relative_to(mount.root) if path.is_relative_to(mount.root) else PurePosixPath()
        if ".." in below.parts:
            below = PurePosixPath()
        for part in (below, *below.parents):
            yield mount.point / part


def _our_groups(proc: Path) -> dict[str, PurePosixPath]:
    """Controller -> our group's path in its hierarchy, from lines of `4:cpu,cpuacct:/a/b`; '' is version 2's."""
    groups = {}
    for line in _lines(proc / "cgroup"):
        number, controllers, path = line.split(":", 2)
        for controller in controllers.split(",") if number != "0" else [""]:
            groups[controller] = PurePosixPath(path)
    return groups


def _mounts(proc: Path) -> list[_Mount]:
    """From lines of `35 31 0:32 /root /mount/point rw,relatime - cgroup cgroup rw,memory`."""
    mounts = []
    for line in _lines(proc / "mountinfo"):
        left, _, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")
        if len(fields) < 5 or len(kind) < 3 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        controllers = frozenset(kind[2].split(",")) if kind[0] == "cgroup" else frozenset()
        mounts.append(_Mount(controllers=controllers, root=PurePosixPath(fields[3]), point=Path(fields[4])))
    return mounts


def _number(file: Path) -> int | None:
    """The number in a file; None where there is none, as of a limit that is `max`."""
    words = _words(file)
    return int(words[0]) if len(words) == 1 and words[0].isdecimal() else None


def _table(file: Path) -> dict[str, int]:
    rows = (line.split() for line in _lines(file))
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdecimal()}


def _words(file: Path) -> list[str]:
    return " ".join(_lines(file)).split()


def _lines(file: Path) -> list[str]:
    """The lines of a file of the kernel; none where it can't be read: what isn't there limits nothing."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
