"""What a node without an agent tells of itself through CQL: its virtual tables, as metrics of the same names as the exporter's.

Rules that hold here: counts and sizes alone. The tables' `*_ms` columns are seconds in 5.0.9 and may be milliseconds in another
release, and percentiles of tables add up to none of the node's, so no times are told. What a release lacks is left out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from cassandra import InvalidRequest
from cassandra.cluster import Session
from cassandra.pool import Host
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family

from loadtests.cluster.jmx_exporter import RULES_FILE

ANSWER_S_MAX = 1.0  # of one table
MIB = 1 << 20
TABLES: Mapping[str, str] = {
    "clients": "connection_stage",
    "thread_pools": "name, active_tasks, pending_tasks, blocked_tasks_all_time",
    "caches": "name, hit_count, request_count, size_bytes, capacity_bytes",
    "cql_metrics": "name, value",
    "coordinator_read_latency": "count",
    "coordinator_write_latency": "count",
    "coordinator_scan_latency": "count",
    "local_read_latency": "keyspace_name, count",
    "local_write_latency": "keyspace_name, count",
    "disk_usage": "mebibytes",
    "internode_inbound": "dc, received_count, expired_count",
}
"""Which tables of `system_views` are read, and which of their columns."""

_EXPORTER_RULES = RULES_FILE.read_text(encoding="utf-8")
_CACHES = {"keys": "KeyCache", "chunks": "ChunkCache"}  # as the exporter's label has them
_CQL = {
    "prepared_statements_executed": ("cassandra_cql_statements_total", "Prepared"),
    "regular_statements_executed": ("cassandra_cql_statements_total", "Regular"),
    "prepared_statements_count": ("cassandra_cql_prepared_statements",),
    "prepared_statements_evicted": ("cassandra_cql_prepared_evictions_total",),
}
_REQUESTS = {
    "coordinator_read_latency": "Read",
    "coordinator_write_latency": "Write",
    "coordinator_scan_latency": "RangeSlice",
}
_OPERATIONS = {"local_read_latency": "Read", "local_write_latency": "Write"}

Rows = Mapping[str, Sequence[Any]]
"""Table -> its rows, with an attribute for each column that is read; a table that the release lacks is not in it."""


def read_tables(session: Session, host: Host) -> Rows:
    """The virtual tables of one node. session: connected to every node. Raises what the driver raises."""
    found = {}
    for table, columns in TABLES.items():
        try:
            cql = f"SELECT {columns} FROM system_views.{table}"
            found[table] = list(session.execute(cql, host=host, timeout=ANSWER_S_MAX))
        except InvalidRequest:  # no such table, or no such column
            continue
    return found


def node_families(rows: Rows, keyspace: str) -> Iterator[Family]:
    """A node's tables as metrics. keyspace: whose reads and writes are told. Pure."""
    counts: dict[str, dict[tuple[str, ...], float]] = {}

    def told(name: str, value: float, *labels: str) -> None:
        of_name = counts.setdefault(name, {})
        of_name[labels] = of_name.get(labels, 0.0) + value

    for table, tell in _TELLERS.items():
        if table in rows:
            tell(table, rows[table], keyspace, told)
    for name, of_name in counts.items():
        of_kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = of_kind(name, HELP, labels=LABELS[name])
        for labels, value in of_name.items():
            family.add_metric(labels, value)
        yield family


Told = Callable[..., None]


def _clients(_table: str, rows: Sequence[Any], _keyspace: str, told: Told) -> None:
    told("cassandra_client_connections", len(rows))


def _pools(_table: str, rows: Sequence[Any], _keyspace: str, told: Told) -> None:
    for row in rows:
        if f"scope={row.name}," in _EXPORTER_RULES:  # there are dozens
            told("cassandra_thread_pool_pending_tasks", row.pending_tasks, row.name)
            told("cassandra_thread_pool_active_tasks", row.active_tasks, row.name)
            told("cassandra_thread_pool_blocked_tasks_total", row.blocked_tasks_all_time, row.name)


def _caches(_table: str, rows: Sequence[Any], _keyspace: str, told: Told) -> None:
    for row in rows:
        if cache := _CACHES.get(row.name):
            told("cassandra_cache_hits_total", row.hit_count, cache)
            told("cassandra_cache_requests_total", row.request_count, cache)
            told("cassandra_cache_size_bytes", row.size_bytes, cache)
            told("cassandra_cache_capacity_bytes", row.capacity_bytes, cache)


def _cql(_table: str, rows: Sequence[Any], _keyspace: str, told: Told) -> None:
    for row in rows:
        if metric := _CQL.get(row.name):
            name, *labels = metric
            told(name, row.value, *labels)


def _requests(table: str, rows: Sequence[Any], _keyspace: str, told: Told) -> None:
    told("cassandra_client_requests_total", sum(row.count for row in rows), _REQUESTS[table])


def _operations(table: str, rows: Sequence[Any], keyspace: str, told: Told) -> None:
    own = [row.count for row in rows if row.keyspace_name == keyspace]
    if own:
        told("cassandra_keyspace_operations_total", sum(own), keyspace, _OPERATIONS[table])


def _disk(_table: str, rows: Sequence[Any], _keyspace: str, told: Told) -> None:
    if rows:
        told("cassandra_storage_load_bytes", sum(row.mebibytes for row in rows) * MIB)


def _messages(_table: str, rows: Sequence[Any], _keyspace: str, told: Told) -> None:
    for row in rows:
        told("cassandra_messages_received_total", row.received_count, row.dc)
        told("cassandra_dropped_messages_total", row.expired_count, EXPIRED)


_TELLERS: Mapping[str, Callable[[str, Sequence[Any], str, Told], None]] = {
    "clients": _clients,
    "thread_pools": _pools,
    "caches": _caches,
    "cql_metrics": _cql,
    **dict.fromkeys(_REQUESTS, _requests),
    **dict.fromkeys(_OPERATIONS, _operations),
    "disk_usage": _disk,
    "internode_inbound": _messages,
}
EXPIRED = "INBOUND_EXPIRED"  # of messages: the kind is not told, but that they came too late
LABELS: Mapping[str, tuple[str, ...]] = {
    "cassandra_client_connections": (),
    "cassandra_thread_pool_pending_tasks": ("pool",),
    "cassandra_thread_pool_active_tasks": ("pool",),
    "cassandra_thread_pool_blocked_tasks_total": ("pool",),
    "cassandra_cache_hits_total": ("cache",),
    "cassandra_cache_requests_total": ("cache",),
    "cassandra_cache_size_bytes": ("cache",),
    "cassandra_cache_capacity_bytes": ("cache",),
    "cassandra_cql_statements_total": ("kind",),
    "cassandra_cql_prepared_statements": (),
    "cassandra_cql_prepared_evictions_total": (),
    "cassandra_client_requests_total": ("request",),
    "cassandra_keyspace_operations_total": ("keyspace", "operation"),
    "cassandra_storage_load_bytes": (),
    "cassandra_messages_received_total": ("from_dc",),
    "cassandra_dropped_messages_total": ("message",),
}
"""Every metric that is told, with its labels as the exporter has them."""
HELP = "As the exporter tells it, of the node's virtual tables"
