"""What a real node tells Prometheus: every family of the documented list, and no more series than the budget has."""

import re
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from loadtests.cluster.jmx_exporter import SERIES_MAX, exporter_rules
from loadtests.cluster.local import LocalCluster
from loadtests.prometheus.cql_nodes import CqlNodes
from loadtests.prometheus.virtual_tables import LABELS
from scenarios.spec import Topology
from tests.support.programs import require_programs, said

DOCS = Path(__file__).parents[3] / "docs" / "monitoring.md"
KEYSPACE = Topology.model_validate({"dcs": [{"name": "north", "nodes": 1, "rf": 1}]}).keyspace
RULES = yaml.safe_load(exporter_rules(KEYSPACE))["rules"]
# Series that begin with the first event: hints that were not kept, hints sent, messages of another data centre.
FROM_THE_FIRST_ON = {
    "cassandra_hints_not_stored_total",
    "cassandra_hints_delivered_total",
    "cassandra_messages_received_total",
    "cassandra_message_seconds",
}
OF_KEYSPACE = "cassandra_keyspace_"


def names_of(rule: dict[str, Any]) -> list[str]:
    """The families that a rule makes: a few take their names from the MBean's."""
    if "$2" not in rule["name"]:
        return [rule["name"]]
    values = re.search(r"name=\(([^)]*)\)", rule["pattern"])
    assert values
    return [rule["name"].replace("$2", value.lower()) for value in values[1].split("|")]


def told(address: str | None) -> str:
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def families(text: str) -> Counter[str]:
    """Series by family."""
    return Counter(re.split(r"[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#"))


def test_a_node_tells_every_documented_family_within_its_budget(two_dc_cluster: LocalCluster, session: Any) -> None:
    keyspace = KEYSPACE if KEYSPACE in session.cluster.metadata.keyspaces else None
    for node in two_dc_cluster.nodes:
        found = families(told(node.metrics))
        expected = {name for rule in RULES for name in names_of(rule)} - FROM_THE_FIRST_ON
        if keyspace is None:
            expected = {name for name in expected if not name.startswith(OF_KEYSPACE)}
        assert expected - set(found) == set()
        assert {"jvm_memory_used_bytes", "jvm_gc_collection_seconds_sum", "process_cpu_seconds_total"} <= set(found)
        assert found.total() <= SERIES_MAX, found


def test_it_is_totals_of_one_keyspace_whose_operations_it_counts(two_dc_cluster: LocalCluster, session: Any) -> None:
    """A node with the rules as they ship, and a keyspace of their name beside many others."""
    session.execute(
        f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {{'class': 'NetworkTopologyStrategy', 'north': 1}}"
    )
    session.execute(f"CREATE TABLE {KEYSPACE}.told (key int PRIMARY KEY)")
    try:
        for key in range(5):
            session.execute(f"INSERT INTO {KEYSPACE}.told (key) VALUES ({key})")
        (node,) = [one for one in two_dc_cluster.nodes if one.dc == "north"]
        text = told(node.metrics)
        (writes,) = re.findall(
            rf'{OF_KEYSPACE}operations_total\{{.*keyspace="{KEYSPACE}",operation="Write".*\}} (\S+)', text
        )
        assert float(writes) == 5
        assert set(re.findall(r'keyspace="(\w+)"', text)) == {KEYSPACE}
        assert families(text).total() <= SERIES_MAX
        assert not re.findall(r"table=|scope=", text)
        (p50,) = re.findall(r'cassandra_client_request_seconds\{percentile="p50",request="Write".*\} (\S+)', text)
        assert 0 < float(p50) < 10  # seconds: microseconds would be thousands
    finally:
        session.execute(f"DROP KEYSPACE {KEYSPACE}")


def test_a_node_that_is_asked_through_cql_tells_what_the_exporter_does(two_dc_cluster: LocalCluster) -> None:
    """The same names, and as many of what stands still meanwhile; of what goes on, no less."""
    with CqlNodes(two_dc_cluster.endpoint(), "system") as asked:
        targets = {one.name: one for one in asked.targets()}
        assert {one.dc for one in targets.values()} == {"north", "south"}
        for node in two_dc_cluster.nodes:
            target = targets[node.address]
            before = values(told(node.metrics))
            with urlopen(f"http://{target.address}{target.path}", timeout=10) as answer:
                through_cql = values(answer.read().decode())
            after = values(told(node.metrics))
            assert {re.split("{", name)[0] for name in through_cql} == set(LABELS)
            assert len(through_cql) <= SERIES_MAX
            compared = {name for name in through_cql if name in before}
            assert len(compared) > 20
            for name in compared:
                if re.match(
                    "cassandra_(cql_prepared_statements|cql_statements_total|cache_.*_bytes|messages_rec)", name
                ):
                    assert before[name] * 0.8 <= through_cql[name] <= after[name] * 1.2 + 20, name


def values(text: str) -> dict[str, float]:
    """By series: its name with its labels in their order."""
    return {
        f"{sample.name}{dict(sorted(sample.labels.items()))}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_a_node_tells_keeps_prometheus_conventions(two_dc_cluster: LocalCluster, tmp_path: Path) -> None:
    require_programs("promtool")
    text = told(two_dc_cluster.nodes[0].metrics)
    (tmp_path / "told").write_text(text)
    said("sh", "-c", f"promtool check metrics < {tmp_path / 'told'}")


def test_the_page_on_monitoring_lists_what_a_node_tells() -> None:
    rows = [
        f"| `{name}` | {rule['type'].lower()} | {', '.join(f'`{label}`' for label in rule.get('labels', {}))} | {rule['help']} |"
        for rule in RULES
        for name in names_of(rule)
    ]
    assert "\n".join(rows) in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("keyspace", ["meterstorm", "other"])
def test_rules_are_of_the_runs_own_keyspace(keyspace: str) -> None:
    named = set(
        re.findall(r"keyspace=(\w+),", "\n".join(yaml.safe_load(exporter_rules(keyspace))["includeObjectNames"]))
    )
    assert named == {keyspace}
