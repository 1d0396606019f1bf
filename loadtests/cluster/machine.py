"""What this machine has free: memory, processors, disk."""

import math
import platform
import shutil
from pathlib import Path

import psutil

from loadtests.cluster import cgroups


def available_memory_mib() -> int:
    """Memory that programs may still take [MiB]: the kernel's estimate, or what a container's limits leave if less."""
    available = int(psutil.virtual_memory().available)
    left = cgroups.memory_left_bytes()
    return (available if left is None else min(available, left)) // 2**20


def processor_count() -> int:
    """Processors that this process may use: those that it may run on, or what a container's quota comes to if less."""
    from sim.virtual_time.parallel import usable_processors  # with kernels, which take a second to load

    count, granted = usable_processors(), cgroups.processors_granted()
    return count if granted is None else max(1, min(count, math.ceil(granted)))


def free_disk_mib(folder: Path) -> int:
    """Room left on the disk that `folder` is, or would be, on [MiB]."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free // 2**20


def fingerprint() -> dict[str, str | int]:
    """This machine: cpu, cpu_count (that this process may use), memory_bytes, system."""
    return {
        "cpu": _cpu_name(),
        "cpu_count": processor_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def _cpu_name() -> str:
    """The processor's model as the kernel words it; platform.processor() is empty on Linux."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
