"""Limits of containers, from files as kernels write them: both versions, nested, and cache that can be given up."""

from pathlib import Path

import pytest

from loadtests.cluster import cgroups, machine
from loadtests.cluster.cgroups import memory_left_bytes, processors_granted

GIB = 2**30
NO_LIMIT_1 = "9223372036854771712\n"


class Machine:
    """A made-up /proc/self and hierarchies of control groups beside it."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.proc.mkdir()
        self.top = folder / "cgroup"
        self.groups: list[str] = []
        self.mounts = ["22 27 0:21 / /proc rw,relatime shared:3 - proc proc rw"]

    def mount_2(self, path: str, root: str = "/") -> Path:
        self.groups.append(f"0::{path}")
        return self._mount("", root, "cgroup2 cgroup2 rw,nsdelegate")

    def mount_1(self, controllers: str, path: str, root: str = "/") -> Path:
        self.groups.append(f"{len(self.groups) + 2}:{controllers}:{path}")
        return self._mount(controllers, root, f"cgroup cgroup rw,{controllers}")

    def _mount(self, name: str, root: str, kind: str) -> Path:
        point = self.top / name
        self.mounts.append(f"35 31 0:32 {root} {point} rw,relatime shared:9 - {kind}")
        (self.proc / "mountinfo").write_text("\n".join(self.mounts) + "\n")
        (self.proc / "cgroup").write_text("\n".join(self.groups) + "\n")
        point.mkdir(parents=True, exist_ok=True)
        return point


def group(folder: Path, **files: object) -> None:
    """memory_max=5 writes the file memory.max."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        controller, _, rest = name.partition("_")
        (folder / f"{controller}.{rest}").write_text(f"{text}\n")


@pytest.fixture
def made(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_page_cache_of_a_container_is_free(made: Machine) -> None:
    """7 GiB of 8 are files that were read: 7.4 GiB can still be had."""
    top = made.mount_2("/")
    stat = f"anon {600 * 2**20}\nfile {7 * GIB}\nactive_file {3 * GIB}\ninactive_file {4 * GIB}\nshmem 0"
    group(top, memory_max=8 * GIB, memory_current=7 * GIB + 600 * 2**20, memory_stat=stat)
    assert memory_left_bytes(made.proc) == 8 * GIB - 600 * 2**20


def test_a_limit_of_version_1_counts(made: Machine) -> None:
    """A limit of 1 GiB was read as 19 GiB free."""
    top = made.mount_1("memory", "/docker/abc", root="/docker/abc")
    stat = f"cache {GIB // 4}\ntotal_inactive_file {GIB // 4}\ntotal_active_file 0\nhierarchical_memory_limit {GIB}"
    group(top, memory_limit_in_bytes=GIB, memory_usage_in_bytes=GIB // 2, memory_stat=stat)
    assert memory_left_bytes(made.proc) == GIB - GIB // 2 + GIB // 4


def test_of_nested_groups_the_tightest_counts(made: Machine) -> None:
    top = made.mount_2("/kube/pod/container")
    group(top / "kube", memory_max=16 * GIB, memory_current=4 * GIB, cpu_max="max 100000")
    group(top / "kube" / "pod", memory_max=2 * GIB, memory_current=GIB, cpu_max="150000 100000")
    group(top / "kube" / "pod" / "container", memory_max="max", memory_current=GIB, cpu_max="400000 100000")
    assert memory_left_bytes(made.proc) == GIB
    assert processors_granted(made.proc) == 1.5


def test_a_limit_above_what_a_container_sees_counts(made: Machine) -> None:
    top = made.mount_1("memory", "/")
    stat = f"total_inactive_file 0\ntotal_active_file 0\nhierarchical_memory_limit {2 * GIB}"
    group(top, memory_limit_in_bytes=NO_LIMIT_1, memory_usage_in_bytes=GIB, memory_stat=stat)
    assert memory_left_bytes(made.proc) == GIB


@pytest.mark.parametrize("path", ["/", "/../..", "/not/below/the/mount"])
def test_in_a_namespace_of_its_own_the_mount_is_our_group(made: Machine, path: str) -> None:
    top = made.mount_2(path, root="/" if path != "/not/below/the/mount" else "/docker/abc")
    group(top, memory_max=GIB, memory_current=0)
    assert memory_left_bytes(made.proc) == GIB


def test_a_throttle_is_a_limit_too(made: Machine) -> None:
    top = made.mount_2("/")
    group(top, memory_max="max", memory_high=GIB, memory_current=2 * GIB)
    assert memory_left_bytes(made.proc) == 0  # beyond it, and slowed down already


def test_quotas_of_version_1_beside_a_version_2_without_controllers(made: Machine) -> None:
    cpu = made.mount_1("cpu,cpuacct", "/job")
    made.mount_2("/job")
    group(cpu, cpu_cfs_quota_us=-1, cpu_cfs_period_us=100_000)
    assert processors_granted(made.proc) is None
    group(cpu / "job", cpu_cfs_quota_us=250_000, cpu_cfs_period_us=100_000)
    assert processors_granted(made.proc) == 2.5
    assert memory_left_bytes(made.proc) is None


def test_no_limit_is_none(made: Machine) -> None:
    top = made.mount_2("/user.slice")
    group(top / "user.slice", memory_max="max", memory_high="max", memory_current=5, cpu_max="max 100000")
    memory = made.mount_1("memory", "/")
    group(memory, memory_limit_in_bytes=NO_LIMIT_1, memory_usage_in_bytes=5, memory_stat="total_inactive_file 1")
    assert memory_left_bytes(made.proc) is None
    assert processors_granted(made.proc) is None


def test_a_system_without_control_groups_has_no_limits(tmp_path: Path) -> None:
    assert memory_left_bytes(tmp_path) is None
    assert processors_granted(tmp_path) is None


def test_the_machine_offers_what_the_groups_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "memory_left_bytes", lambda: 3 * 2**20 + 1)
    monkeypatch.setattr(cgroups, "processors_granted", lambda: 0.5)
    assert machine.available_memory_mib() == 3
    assert machine.processor_count() == 1
    assert machine.fingerprint()["cpu_count"] == 1
