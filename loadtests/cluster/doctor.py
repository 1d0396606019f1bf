"""What this machine can and cannot do for a local cluster, in plain words, and how to mend it. Changes nothing."""

import os
import resource
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from loadtests.cluster import machine
from loadtests.cluster.addresses import claim_free_block
from loadtests.cluster.jars import cache_folder, locked_jars, missing_jars
from loadtests.cluster.java import find_java
from loadtests.cluster.sizing import DISK_MIB_PER_NODE, RESERVED_MIB, size_nodes
from loadtests.errors import HarnessError
from loadtests.sites.enclosure import ALLOWING, obstacle
from sim.compiler.cache import NAMED_BY, lasting_folder, why_not_lasting

OPEN_FILES_MIN = 10_000  # a node holds some 200 open, more by the table; the generator one a connection
PROBE_S_MAX = 10.0
_LINUX = sys.platform == "linux"


class Grade(StrEnum):
    OK = "ok"
    WARN = "warn"  # it works, with less
    FAIL = "fail"  # a local cluster will not run


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineCheck:
    """One look: what was found, and for anything but OK, what to do about it."""

    name: str
    grade: Grade
    finding: str
    mend: str = ""


def examine(node_count: int = 2, folder: Path | None = None) -> tuple[MachineCheck, ...]:
    """Look at all that `node_count` nodes, with their data in `folder` (default: here), ask of this machine."""
    where = folder or Path.cwd()
    looks: list[Callable[[], MachineCheck]] = [
        lambda: _memory(node_count),
        lambda: _processors(node_count),
        lambda: _disk(node_count, where),
        _java,
        _jars,
        _kernels,
        lambda: _addresses(node_count),
        _open_files,
        _real_time,
        _wan,
    ]
    return tuple(look() for look in looks)


def _memory(node_count: int) -> MachineCheck:
    available_mib = machine.available_memory_mib()
    try:
        size = size_nodes(node_count, available_mib)
    except HarnessError as error:
        finding, _, mend = str(error).partition("; ")
        return MachineCheck(name="memory", grade=Grade.FAIL, finding=finding, mend=mend)
    finding = f"{available_mib} MiB free: {node_count} nodes get a heap of {size.heap_mib} MiB each"
    return MachineCheck(
        name="memory", grade=Grade.OK, finding=f"{finding}, {RESERVED_MIB} MiB are left for the generator"
    )


def _processors(node_count: int) -> MachineCheck:
    count = machine.processor_count()
    if count >= node_count:
        return MachineCheck(
            name="processors", grade=Grade.OK, finding=f"{count} for {node_count} nodes and the generator"
        )
    return MachineCheck(
        name="processors",
        grade=Grade.WARN,
        finding=f"{count} for {node_count} nodes and the generator: starts are slow and rates are those of a shared machine",
        mend="take fewer nodes, or a machine with more processors, before reading rates as those of a real cluster",
    )


def _disk(node_count: int, folder: Path) -> MachineCheck:
    if folder.exists() and not folder.is_dir():
        return MachineCheck(
            name="disk", grade=Grade.FAIL, finding=f"{folder} is a file", mend="name a folder with --out"
        )
    free_mib, needed_mib = machine.free_disk_mib(folder), node_count * DISK_MIB_PER_NODE
    finding = f"{free_mib} MiB free for {folder}, {needed_mib} MiB needed to start"
    if free_mib >= needed_mib:
        return MachineCheck(name="disk", grade=Grade.OK, finding=finding)
    return MachineCheck(
        name="disk", grade=Grade.FAIL, finding=finding, mend="make room, or name another disk with --out"
    )


def _java() -> MachineCheck:
    try:
        java = find_java()
    except HarnessError as error:
        finding, _, mend = str(error).partition("; ")
        return MachineCheck(name="java", grade=Grade.FAIL, finding=finding, mend=mend)
    return MachineCheck(name="java", grade=Grade.OK, finding=f"Java {java.version} from {java.origin} ({java.path})")


def _jars() -> MachineCheck:
    try:
        missing = missing_jars(locked_jars())
    except HarnessError as error:
        finding, _, mend = str(error).partition("; ")
        return MachineCheck(name="jars", grade=Grade.FAIL, finding=finding, mend=mend)
    if not missing:
        return MachineCheck(name="jars", grade=Grade.OK, finding=f"all of Cassandra is in {cache_folder()}")
    size_mb = sum(jar.size for jar in missing) / 1e6
    return MachineCheck(
        name="jars",
        grade=Grade.WARN,
        finding=f"{len(missing)} jars ({size_mb:.0f} MB) are not in {cache_folder()} yet",
        mend="nothing to do with a network: the first run fetches them from Maven Central; METERSTORM_CACHE names another "
        "folder",
    )


def _kernels() -> MachineCheck:
    folder = lasting_folder(os.environ.get("NUMBA_CACHE_DIR"))
    why = why_not_lasting(folder)
    if why is None:
        named = f" ({NAMED_BY})" if os.environ.get(NAMED_BY) else ""
        return MachineCheck(name="kernels", grade=Grade.OK, finding=f"compiled kernels are kept in {folder}{named}")
    return MachineCheck(
        name="kernels",
        grade=Grade.WARN,
        finding=f"compiled kernels can't be kept: {why}; each command compiles them anew, for a minute or two",
        mend="name a folder that can be written in METERSTORM_CACHE",
    )


def _addresses(node_count: int) -> MachineCheck:
    try:
        with claim_free_block(node_count) as block:
            finding = f"loopback addresses 127.42.{block.block}.* and their ports are free"
            return MachineCheck(name="addresses", grade=Grade.OK, finding=finding)
    except HarnessError as error:
        finding, _, mend = str(error).partition("; ")
        return MachineCheck(name="addresses", grade=Grade.FAIL, finding=finding, mend=mend)


def _open_files() -> MachineCheck:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)  # Java and the generator raise their soft limit to it
    if hard == resource.RLIM_INFINITY or hard >= OPEN_FILES_MIN:
        return MachineCheck(
            name="open files", grade=Grade.OK, finding="as many as asked" if hard < 0 else f"up to {hard}"
        )
    return MachineCheck(
        name="open files",
        grade=Grade.WARN,
        finding=f"up to {hard} a process; {OPEN_FILES_MIN} are advised",
        mend=f"raise the hard limit, e.g. ulimit -Hn {OPEN_FILES_MIN} as root, or in /etc/security/limits.conf",
    )


def _real_time() -> MachineCheck:
    if _may_run_real_time():
        return MachineCheck(name="real-time scheduling", grade=Grade.OK, finding="allowed: requests leave on time")
    return MachineCheck(
        name="real-time scheduling",
        grade=Grade.WARN,
        finding="not allowed: at high rates requests leave late, which the run measures and may call inconclusive",
        mend="run as root, or grant it: an rtprio line for this user in /etc/security/limits.conf"
        if _LINUX
        else "use Linux",
    )


def _may_run_real_time() -> bool:
    """Try it on a thread of its own, which ends with what it was granted."""
    granted: list[bool] = []

    def attempt() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
            granted.append(True)
        except OSError:
            pass

    if _LINUX:
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    return bool(granted)


def _wan() -> MachineCheck:
    """Can each DC get a network of its own, with a WAN in between? Tried in namespaces that end with the try."""
    reason = obstacle()
    if reason is None:
        return MachineCheck(
            name="WAN between DCs",
            grade=Grade.OK,
            finding="namespaces and TUN devices can be made: [topology.wan] and faults of the network work",
        )
    return MachineCheck(
        name="WAN between DCs",
        grade=Grade.WARN,
        finding=f"no network of a run's own can be made ({reason}): DCs are loopback addresses, without distance between them",
        mend=ALLOWING if _LINUX else "use Linux",
    )
