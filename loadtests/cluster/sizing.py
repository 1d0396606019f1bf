"""How large each node of a local cluster may be, from the memory that is free. Pure.

Resident size was measured on Cassandra 5.0 (2 cores, 24 GiB): 0.66 GB at a heap of 384 MiB, 0.9 GB at 512 MiB, both
before the off-heap memtables are full; `resident_mib` leaves room for those.
"""

from dataclasses import dataclass

from loadtests.errors import HarnessError

HEAP_MIB_MIN = 320
STAGE_THREADS_MIN = 4
HEAP_MIB_MAX = 1024  # more makes the serial collector's pauses long and takes page cache from the data
RESERVED_MIB = 1536  # for the generator, the ledger and the desktop
DISK_MIB_PER_NODE = 1024  # commit log at its bound, and the first tables


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSize:
    """Bounds of one node's memory and commit log, all from its heap [MiB], and of its threads."""

    heap_mib: int
    stage_threads: int = 16  # of reads and of writes

    @property
    def resident_mib(self) -> int:
        return self.heap_mib * 3 // 2 + 256

    @property
    def direct_mib(self) -> int:
        return max(192, self.heap_mib // 2)

    @property
    def memtable_mib(self) -> int:
        return max(64, self.heap_mib // 5)

    @property
    def requests_mib(self) -> int:
        return max(16, self.heap_mib // 10)

    @property
    def commitlog_mib(self) -> int:
        return 256


def stage_threads(node_count: int, core_count: int) -> int:
    """Threads of a node's read and write stages: eight a core, as Cassandra advises, of the cores that it has for itself.

    Six nodes on two cores with 16 threads each spend half of the cores on switching between them.
    """
    return min(max(8 * core_count // node_count, STAGE_THREADS_MIN), 32)


def size_nodes(
    node_count: int, available_mib: int, reserved_mib: int = RESERVED_MIB, *, core_count: int = 4
) -> NodeSize:
    """The largest size, up to a bound, at which `node_count` nodes fit into `available_mib` less `reserved_mib`.

    Raises HarnessError with the numbers where even the smallest nodes do not fit.
    """
    share_mib = (available_mib - reserved_mib) // node_count
    heap_mib = min(HEAP_MIB_MAX, (share_mib - 256) * 2 // 3 // 64 * 64)
    if heap_mib >= HEAP_MIB_MIN:
        return NodeSize(heap_mib=heap_mib, stage_threads=stage_threads(node_count, core_count))
    least = NodeSize(heap_mib=HEAP_MIB_MIN)
    needed_mib = node_count * least.resident_mib + reserved_mib
    raise HarnessError(
        f"{node_count} nodes need {needed_mib} MiB of memory ({least.resident_mib} MiB each and {reserved_mib} MiB for "
        f"the generator), and this machine has {available_mib} MiB free; close other programs, or lower `nodes` in "
        "[topology]"
    )
