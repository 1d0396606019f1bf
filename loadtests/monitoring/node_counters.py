"""What the nodes of a local cluster have spent: processor time, bytes between data centres, bytes on disk.

Bytes between DCs are Cassandra's own count of what each node has sent to nodes of other DCs (`internode_outbound`): whole
messages of writes, reads, answers and gossip alike, before the frames' checksums and TCP's headers. It is exact a node and
a peer, and the same on any cluster, where counters of the loopback device can't tell one DC's traffic from another's.
Source: Cassandra 5.0, org.apache.cassandra.db.virtual.InternodeOutboundTable; internode compression is off in these nodes.
"""

import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import psutil

from loadtests.cluster.connect import connect_to_every_node
from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from loadtests.monitoring.node_metrics import folder_size
from store.cassandra import one_after_the_other
from store.cassandra.session import FAILURES

OUTBOUND = "SELECT dc, sent_bytes, pending_count FROM system_views.internode_outbound"
TASKS = "SELECT name, active_tasks, pending_tasks FROM system_views.thread_pools"
FLUSH = "ALTER TABLE {table} WITH memtable_flush_period_in_ms = {period_ms}"
FLUSH_MS = 1_000
ROWS_READ = "SELECT keyspace_name, table_name, count, p50th, p99th FROM system_views.rows_per_read"
TOMBSTONES_READ = "SELECT keyspace_name, table_name, count, p50th, p99th FROM system_views.tombstones_per_read"
COMPACTION = "SELECT compaction FROM system_schema.tables WHERE keyspace_name = %s AND table_name = %s"
# The next flush brings a second file, and two of any size below 50 MiB are one bucket of size-tiered compaction.
COMPACT_ALL = {"class": "SizeTieredCompactionStrategy", "min_threshold": "2"}
# Pools whose work belongs to what was sent; compactions, which go on for long, are counted as they come.
AT_WORK = ("MutationStage", "ReadStage", "RequestResponseStage", "Native-Transport-Requests")
SETTLE_S_MAX = 60.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadWork:
    """What a read of a table had to look at, the largest of the nodes' quantiles: the upper end of a bucket of 20 %.

    Cassandra forgets old reads by a minute's half-life; it tells no zero, so that 1 is at most one.
    """

    rows_p50: float
    rows_p99: float
    tombstones_p50: float
    tombstones_p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceCounters:
    """Sums over all nodes since their start."""

    cpu_s: float
    wan_bytes: int

    def since(self, before: "ResourceCounters") -> "ResourceCounters":
        return ResourceCounters(cpu_s=self.cpu_s - before.cpu_s, wan_bytes=self.wan_bytes - before.wan_bytes)


def processor_s(pid: int) -> float:
    """Processor time of a process since its start [s]: to the nanosecond on Linux, to some 10 ms elsewhere.

    Source: the kernel's clock of a process, whose id is made of the pid as clock_getcpuclockid(3) makes it.
    """
    if platform.system() == "Linux":
        return time.clock_gettime((~pid << 3) | 2)
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _compact_by(table: str, options: Mapping[str, str]) -> str:
    said = ", ".join(f"'{name}': '{value}'" for name, value in options.items())
    return f"ALTER TABLE {table} WITH compaction = {{{said}}}"


class NodeCounters:
    """Reads the counters of every node of a cluster; a context manager. Raises HarnessError for a node that does not answer."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self._driver, self._session = connect_to_every_node(cluster.endpoint())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._driver.shutdown()

    def read(self) -> ResourceCounters:
        """The counters now."""
        sent = sum(row.sent_bytes for node, rows in self._of_nodes(OUTBOUND) for row in rows if row.dc != node.dc)
        return ResourceCounters(cpu_s=sum(processor_s(node.pid) for node in self._cluster.nodes), wan_bytes=int(sent))

    def settle(self) -> None:
        """Wait until no node has an operation or a message before it: what is acknowledged early is done late."""
        deadline = time.monotonic() + SETTLE_S_MAX
        while self._is_at_work():
            if time.monotonic() > deadline:
                raise HarnessError(f"the nodes are still at work {SETTLE_S_MAX:g} s after the last operation")
            time.sleep(POLL_S)

    def flush(self, tables: Sequence[str], period_ms: int) -> None:
        """Have tables (keyspace-qualified) flushed each `period_ms`; 0 leaves it to Cassandra again. Raises HarnessError.

        By the table's option: there is no nodetool here, and the nodes have no JMX port.
        """
        self._alter(FLUSH.format(table=table, period_ms=period_ms) for table in tables)

    @contextmanager
    def compacting_all(self, tables: Sequence[str]) -> Iterator[None]:
        """Within it each flush of a table (keyspace-qualified) makes one file of all that it has; then it is compacted as before.

        Tables are flushed each FLUSH_MS, from then on. One that is not written to stays as it is. Raises HarnessError.
        """
        before = {table: self._compaction_of(table) for table in tables}
        # both in one statement: what a change of the schema costs is a good part of what comes before the first round
        period = f" AND memtable_flush_period_in_ms = {FLUSH_MS}"
        self._alter(_compact_by(table, COMPACT_ALL) + period for table in tables)
        yield
        self._alter(_compact_by(table, options) for table, options in before.items())

    def _compaction_of(self, table: str) -> Mapping[str, str]:
        try:
            return dict(self._session.execute(COMPACTION, table.split(".")).one().compaction)
        except FAILURES as error:
            raise HarnessError(f"a node does not tell how {table} is compacted: {error}") from error

    def _alter(self, statements: Iterable[str]) -> None:
        with one_after_the_other(self._session) as ddl:
            for statement in statements:
                ddl(statement)
        if not self._driver.control_connection.wait_for_schema_agreement(wait_time=SETTLE_S_MAX):
            raise HarnessError(
                f"the nodes don't agree on the tables' options after {SETTLE_S_MAX:g} s: is a node down?"
            )

    def read_work(self) -> dict[tuple[str, str], ReadWork]:
        """Of each table that was read lately, by keyspace and name."""
        found: dict[tuple[str, str], list[list[float]]] = {}
        for place, cql in enumerate((ROWS_READ, TOMBSTONES_READ)):
            for _, rows in self._of_nodes(cql):
                for row in rows:
                    if row.count and np.isfinite(row.p50th) and np.isfinite(row.p99th):
                        of_table = found.setdefault((row.keyspace_name, row.table_name), [[], [], [], []])
                        of_table[2 * place].append(row.p50th)
                        of_table[2 * place + 1].append(row.p99th)
        most = {table: [max(each, default=0.0) for each in quantiles] for table, quantiles in found.items()}
        return {
            table: ReadWork(rows_p50=each[0], rows_p99=each[1], tombstones_p50=each[2], tombstones_p99=each[3])
            for table, each in most.items()
        }

    def disk_bytes(self, keyspace: str) -> int:
        """Of a keyspace's tables on the disks of all nodes: all files of them."""
        folders = [
            found
            for node in self._cluster.nodes
            for found in (node.folder / "data").glob(f"**/{keyspace}")
            if found.is_dir()
        ]
        return sum(folder_size(folder) for folder in folders)

    def wait_quiet_disks(self, keyspaces: Sequence[str], quiet_s: float) -> None:
        """Wait until the tables' files have kept their size for `quiet_s`: all is flushed, and nothing left to compact."""
        deadline = time.monotonic() + SETTLE_S_MAX
        size, since = -1, time.monotonic()
        while time.monotonic() - since < quiet_s:
            now = sum(self.disk_bytes(keyspace) for keyspace in keyspaces)
            if now != size:
                size, since = now, time.monotonic()
            if time.monotonic() > deadline:
                raise HarnessError(f"the nodes still write to their disks {SETTLE_S_MAX:g} s after the last operation")
            time.sleep(POLL_S * 4)

    def _is_at_work(self) -> bool:
        tasks = sum(
            row.active_tasks + row.pending_tasks
            for _, rows in self._of_nodes(TASKS)
            for row in rows
            if row.name in AT_WORK
        )
        unsent = sum(row.pending_count for _, rows in self._of_nodes(OUTBOUND) for row in rows)
        # The node that is asked is itself at work: on the request that asks.
        return bool(tasks > 2 * len(self._cluster.nodes) or unsent)

    def _of_nodes(self, cql: str) -> list[tuple[Any, list[Any]]]:
        hosts = {host.address: host for host in self._driver.metadata.all_hosts()}
        try:
            return [(node, list(self._session.execute(cql, host=hosts[node.address]))) for node in self._cluster.nodes]
        except (*FAILURES, KeyError) as error:
            raise HarnessError(f"a node does not tell its counters: {error}") from error
