"""Processes held to shares of the processors of their own, by control groups: as if they had machines of their own.

A quota is what a group gets at most; it gets that much only where nothing outside takes the processors, so the machine's idle
time is to be told beside. Two processors that are threads of one core still share its units, which no quota keeps apart.
Source: kernel documentation, scheduler/sched-bwc.rst, admin-guide/cgroup-v2.rst.
"""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

PERIOD_US = 20_000  # short: a group that has used its share up waits no longer than this
TOP = Path("/sys/fs/cgroup")


class CpuShares:
    """Groups, each with a share of processors, as a context manager; gone with the block, and what is in them goes on.

    obstacle: why this machine allows none; None: it does.
    """

    def __init__(self, shares: Mapping[str, float], top: Path = TOP) -> None:
        """shares: name -> processors."""
        self._shares, self._is_first_version = shares, (top / "cpu" / "cpu.cfs_quota_us").exists()
        self._parent = (top / "cpu" if self._is_first_version else top) / f"meterstorm-{os.getpid()}"
        self._top = top
        self.obstacle: str | None = None

    def __enter__(self) -> Self:
        try:
            self._parent.mkdir()
            if not self._is_first_version:
                for folder in (self._top, self._parent):
                    (folder / "cgroup.subtree_control").write_text("+cpu")
            for name, processors in self._shares.items():
                (self._parent / name).mkdir()
                quota_us = round(processors * PERIOD_US)
                if self._is_first_version:
                    (self._parent / name / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                    (self._parent / name / "cpu.cfs_quota_us").write_text(str(quota_us))
                else:
                    (self._parent / name / "cpu.max").write_text(f"{quota_us} {PERIOD_US}")
        except OSError as error:
            self.obstacle = f"this machine allows no control groups of our own ({error})"
        return self

    def hold(self, name: str, pid: int) -> None:
        """Put a process, and what it starts from now on, into a group. One that has ended meanwhile is nobody's."""
        if self.obstacle is None:
            with contextlib.suppress(ProcessLookupError):
                (self._parent / name / "cgroup.procs").write_text(str(pid))

    def throttled_s(self, name: str) -> float:
        """How long the group has waited for its share [s of its threads]."""
        file = self._parent / name / "cpu.stat"
        if not file.exists():
            return 0.0
        told = dict(line.split() for line in file.read_text().splitlines())
        return int(told["throttled_time"]) / 1e9 if "throttled_time" in told else int(told["throttled_usec"]) / 1e6

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._shares:
            with contextlib.suppress(OSError):
                for pid in (self._parent / name / "cgroup.procs").read_text().split():
                    (self._top / ("cpu" if self._is_first_version else "") / "cgroup.procs").write_text(pid)
                (self._parent / name).rmdir()
        with contextlib.suppress(OSError):
            self._parent.rmdir()
