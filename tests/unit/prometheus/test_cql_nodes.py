"""Nodes without an agent: what their virtual tables come to, and what a scraper is answered."""

import re
import urllib.error
import urllib.request
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from cassandra import InvalidRequest, OperationTimedOut
from prometheus_client.parser import text_string_to_metric_families

from loadtests.cluster.connect import Endpoint
from loadtests.cluster.jmx_exporter import exporter_rules
from loadtests.prometheus import cql_nodes
from loadtests.prometheus.cql_nodes import CqlNodes
from loadtests.prometheus.settings import NodeTarget
from loadtests.prometheus.virtual_tables import LABELS, TABLES, node_families

ROWS: dict[str, list[dict[str, Any]]] = {
    "clients": [{"connection_stage": "ready"}] * 3,
    "thread_pools": [
        {"name": "ReadStage", "active_tasks": 1, "pending_tasks": 2, "blocked_tasks_all_time": 3},
        {"name": "Sampler", "active_tasks": 1, "pending_tasks": 2, "blocked_tasks_all_time": 3},
    ],
    "caches": [
        {"name": "chunks", "hit_count": 1, "request_count": 2, "size_bytes": 3, "capacity_bytes": 4},
        {"name": "rows", "hit_count": 1, "request_count": 2, "size_bytes": 3, "capacity_bytes": 4},
    ],
    "cql_metrics": [
        {"name": "prepared_statements_executed", "value": 8.0},
        {"name": "prepared_statements_count", "value": 5.0},
    ],
    "coordinator_read_latency": [{"count": 3}, {"count": 4}],
    "coordinator_write_latency": [],
    "local_read_latency": [
        {"keyspace_name": "ours", "count": 5},
        {"keyspace_name": "ours", "count": 6},
        {"keyspace_name": "theirs", "count": 7},
    ],
    "local_write_latency": [],
    "disk_usage": [{"mebibytes": 1}, {"mebibytes": 2}],
    "internode_inbound": [
        {"dc": "south", "received_count": 10, "expired_count": 1},
        {"dc": "south", "received_count": 20, "expired_count": 2},
        {"dc": "north", "received_count": 5, "expired_count": 0},
    ],
}
TOLD = {
    ("cassandra_client_connections",): 3,
    ("cassandra_thread_pool_pending_tasks", "ReadStage"): 2,
    ("cassandra_thread_pool_active_tasks", "ReadStage"): 1,
    ("cassandra_thread_pool_blocked_tasks_total", "ReadStage"): 3,
    ("cassandra_cache_hits_total", "ChunkCache"): 1,
    ("cassandra_cache_requests_total", "ChunkCache"): 2,
    ("cassandra_cache_size_bytes", "ChunkCache"): 3,
    ("cassandra_cache_capacity_bytes", "ChunkCache"): 4,
    ("cassandra_cql_statements_total", "Prepared"): 8,
    ("cassandra_cql_prepared_statements",): 5,
    ("cassandra_client_requests_total", "Read"): 7,
    ("cassandra_client_requests_total", "Write"): 0,
    ("cassandra_keyspace_operations_total", "ours", "Read"): 11,
    ("cassandra_storage_load_bytes",): 3 << 20,
    ("cassandra_messages_received_total", "south"): 30,
    ("cassandra_messages_received_total", "north"): 5,
    ("cassandra_dropped_messages_total", "INBOUND_EXPIRED"): 3,
}


def rows_of(table: str) -> list[SimpleNamespace]:
    return [SimpleNamespace(**row) for row in ROWS[table]]


def test_what_virtual_tables_come_to() -> None:
    families = list(node_families({table: rows_of(table) for table in ROWS}, "ours"))
    told = {
        (sample.name, *(sample.labels[label] for label in LABELS[sample.name])): sample.value
        for family in families
        for sample in family.samples
    }
    assert told == TOLD  # of statements that the node does not count nothing is told, and not that there were none
    assert list(node_families({"cql_metrics": [], "disk_usage": []}, "ours")) == []
    assert list(node_families({}, "ours")) == []


def test_they_are_called_as_the_exporter_calls_them() -> None:
    rules = {rule["name"]: rule for rule in yaml.safe_load(exporter_rules("ours"))["rules"]}
    for name, labels in LABELS.items():
        rule = rules.get(name) or rules[re.sub(r"cache_\w+_(total|bytes)", r"cache_$2_\1", name)]
        assert tuple(rule.get("labels", {})) == labels, name
        assert (rule["type"] == "COUNTER") == name.endswith("_total"), name


class Nodes:
    """A cluster of two nodes as the driver has it, of which one can be silent; it is session and driver."""

    def __init__(self) -> None:
        self.silent: str | None = None
        self.hosts = [SimpleNamespace(address=one, datacenter="north") for one in ("10.0.0.2", "10.0.0.1")]
        self.metadata = SimpleNamespace(all_hosts=lambda: self.hosts)
        self.is_shut = False

    def execute(self, cql: str, *, host: Any, timeout: float) -> list[SimpleNamespace]:
        if host.address == self.silent:
            raise OperationTimedOut
        table = cql.rpartition("system_views.")[2]
        if table not in ROWS:
            raise InvalidRequest(f"table {table} does not exist")
        return rows_of(table)

    def shutdown(self) -> None:
        self.is_shut = True


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    held = Nodes()
    monkeypatch.setattr(cql_nodes, "connect_to_every_node", lambda _: (held, held))
    return held


def scrape(target: NodeTarget, path: str | None = None) -> str:
    with urllib.request.urlopen(f"http://{target.address}{path or target.path}", timeout=10) as answer:
        return str(answer.read().decode())


def test_each_node_is_a_target_that_tells_its_own_tables_and_one_that_is_silent_says_why(nodes: Nodes) -> None:
    assert set(ROWS) < set(TABLES)  # this release lacks some
    with CqlNodes(Endpoint(contact_points=("10.0.0.1",), local_dc="north"), "ours") as asked:
        first, second = asked.targets()
        assert (first.name, first.dc, first.path) == ("10.0.0.1", "north", "/nodes/10.0.0.1")
        text = scrape(first)
        samples = [one for family in text_string_to_metric_families(text) for one in family.samples]
        assert len(samples) == len(TOLD)
        nodes.silent = "10.0.0.2"
        assert scrape(first) == text
        with pytest.raises(urllib.error.HTTPError, match=r"503: 10.0.0.2 does not answer: OperationTimedOut"):
            scrape(second)
        for path in ("/nodes/10.0.0.9", "/metrics"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                scrape(first, path)
        nodes.hosts.pop(0)
        assert asked.targets() == (first,)
    assert nodes.is_shut
    with pytest.raises(urllib.error.URLError):
        scrape(first)
