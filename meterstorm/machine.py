"""What a figure was measured on: the machine and the versions, to stand beside it."""

import platform
from importlib.metadata import version
from pathlib import Path

import psutil

from reports.results import Machine

LIBRARIES = ("meterstorm", "cassandra-driver", "numpy", "numba", "scipy")


def machine_facts() -> Machine:
    """This machine's fingerprint."""
    return Machine(
        cpu=_cpu_name(),
        cpu_count=psutil.cpu_count(logical=True) or 1,
        memory_bytes=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
    )


def versions(cassandra: str) -> dict[str, str]:
    """Versions of what can change a figure; `cassandra` is what the nodes say of themselves."""
    return {"cassandra": cassandra, "python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def _cpu_name() -> str:
    """The processor's model as the kernel words it; platform.processor() is empty on Linux."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
