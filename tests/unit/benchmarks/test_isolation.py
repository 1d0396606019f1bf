"""Shares of processors by control groups of either version, and what makes a ratio of latencies void."""

import os
from pathlib import Path

import pytest

from loadtests.benchmarks import bench_isolation
from loadtests.benchmarks.bench_isolation import SHARES, _why_void
from loadtests.benchmarks.cpu_shares import CpuShares


def test_a_quota_of_the_first_version(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").touch()
    with CpuShares({"node": 0.6}, tmp_path) as shares:
        group = tmp_path / "cpu" / f"meterstorm-{os.getpid()}" / "node"
        assert (group / "cpu.cfs_quota_us").read_text() == "12000"
        assert (group / "cpu.cfs_period_us").read_text() == "20000"
        shares.hold("node", 17)
        assert (group / "cgroup.procs").read_text() == "17"
        (group / "cpu.stat").write_text("nr_throttled 3\nthrottled_time 2500000000\n")
        assert shares.throttled_s("node") == 2.5 and shares.obstacle is None
    assert (tmp_path / "cpu" / "cgroup.procs").read_text() == "17"  # what was in it goes on, outside


def test_a_quota_of_the_second_version(tmp_path: Path) -> None:
    with CpuShares({"node": 1.5}, tmp_path) as shares:
        parent = tmp_path / f"meterstorm-{os.getpid()}"
        assert (parent / "node" / "cpu.max").read_text() == "30000 20000"
        assert [(one / "cgroup.subtree_control").read_text() for one in (tmp_path, parent)] == ["+cpu"] * 2
        (parent / "node" / "cpu.stat").write_text("throttled_usec 1500000\n")
        assert shares.throttled_s("node") == 1.5


def test_where_there_are_none_nothing_is_held(tmp_path: Path) -> None:
    with CpuShares({"node": 0.6}, tmp_path / "none") as shares:
        shares.hold("node", os.getpid())
        assert shares.obstacle is not None and "control groups" in shares.obstacle
        assert "none is held to a share" in str(_why_void(shares, [0.5]))


def test_a_machine_that_was_never_idle_or_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_isolation, "processor_count", lambda: 2)
    with CpuShares(SHARES, tmp_path) as shares:
        assert _why_void(shares, [0.2, 0.3]) is None
        assert "idle for 1.0% of the time" in str(_why_void(shares, [0.2, 0.01]))
        monkeypatch.setattr(bench_isolation, "processor_count", lambda: 1)
        assert "there are 1" in str(_why_void(shares, [0.2]))
