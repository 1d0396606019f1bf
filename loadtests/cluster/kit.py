"""What the nodes of one cluster start from, at its beginning or later: its Java, jars, sizes and settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from loadtests.cluster.jmx_exporter import NodeExporter
from loadtests.cluster.process import NodeProcess
from loadtests.cluster.record import ClusterRecord
from loadtests.cluster.sizing import NodeSize

# A mapped commit log is in the kernel's hands as soon as it is written, so that SIGKILL leaves most of what is not synced. A
# compressed one is in the process alone until its sync, which writes and syncs in one (5.0.9, docs/cassandra-facts.md).
UNWRITTEN_UNTIL_SYNCED = {"commitlog_compression": [{"class_name": "LZ4Compressor"}]}


class Entry(Enum):
    """How a node comes to its ring."""

    WITH_DATA = "with data"  # or as a node of a new cluster, that has none
    JOINS = "joins"
    REPLACES = "replaces"  # the node that had its address, and is dead


RING_DELAY_MS = (
    10_000  # until all others know of a move, before rows are moved: they write to the new place too from then on
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartKit:
    """upgraded: the jars that an upgrade brings. control: the folder of the class that heeds orders. is_moving: nodes are to
    join, leave or be replaced. exporter: by which they tell Prometheus of themselves. without_power: the names of the nodes whose
    power is to be cut. is_throwaway: no node is started again."""

    java: Path
    jars: tuple[Path, ...]
    record: ClusterRecord
    size: NodeSize
    processors: int
    upgraded: tuple[Path, ...] = ()
    control: Path | None = None
    is_moving: bool = False
    exporter: NodeExporter | None = None
    without_power: frozenset[str] = frozenset()
    is_throwaway: bool = False

    def write(
        self, process: NodeProcess, seeds: Sequence[str], entry: Entry = Entry.WITH_DATA, *, is_upgraded: bool = False
    ) -> None:
        """Write what a node starts from. Raises HarnessError on a disk that is full."""
        special = [f"-Dcassandra.ring_delay_ms={RING_DELAY_MS}"] if self.is_moving else []
        if self.is_throwaway:  # each change of the schema would flush some of its tables on every node
            special.append("-Dcassandra.unsafesystem=true")
        if entry is Entry.REPLACES:
            special.append(f"-Dcassandra.replace_address_first_boot={process.spec.address}")
        own = UNWRITTEN_UNTIL_SYNCED if process.spec.name in self.without_power else {}
        process.write_files(
            jars=self.upgraded if is_upgraded else self.jars,
            seeds=seeds,
            size=self.size,
            processors=self.processors,
            security=self.record.security,
            sync=self.record.topology.commit_log_sync,
            cassandra_options={**own, **self.record.topology.cassandra},
            joins=entry is not Entry.WITH_DATA,
            special=special,
            control=self.control,
            exporter=self.exporter,
        )
