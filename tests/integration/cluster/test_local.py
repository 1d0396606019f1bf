"""The shared two-DC cluster: does every node serve, see the others, tell its figures, and keep secrets to itself?"""

import time
from typing import Any

import psutil
import pytest
from cassandra import ConsistencyLevel
from cassandra.query import SimpleStatement

from loadtests.cluster.connect import Endpoint, connect, connect_to_every_node
from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from loadtests.monitoring.node_metrics import NodeSampler
from loadtests.recording.history import NodeSample


@pytest.fixture(scope="module")
def table(session: Any) -> str:
    """A table of one replica in each DC."""
    session.execute(
        "CREATE KEYSPACE cluster_local WITH replication = {'class': 'NetworkTopologyStrategy', 'north': 1, 'south': 1}"
    )
    session.execute("CREATE TABLE cluster_local.facts (name text PRIMARY KEY, value bigint)")
    return "cluster_local.facts"


def test_every_node_serves_and_sees_every_node(two_dc_cluster: LocalCluster) -> None:
    cluster, session = connect_to_every_node(two_dc_cluster.endpoint())
    try:
        for host in cluster.metadata.all_hosts():
            rows = session.execute("SELECT address, status_with_port FROM system_views.gossip_info", host=host)
            up = {row.address for row in rows if row.status_with_port.startswith("NORMAL")}
            assert up == set(two_dc_cluster.contact_points)
        assert {host.datacenter for host in cluster.metadata.all_hosts()} == {"north", "south"}
    finally:
        cluster.shutdown()


def test_what_one_dc_acknowledged_the_other_has_too(two_dc_cluster: LocalCluster, session: Any, table: str) -> None:
    write = SimpleStatement(
        f"INSERT INTO {table} (name, value) VALUES ('register', 42)", consistency_level=ConsistencyLevel.EACH_QUORUM
    )
    session.execute(write)

    cluster, south = connect(two_dc_cluster.endpoint("south"))
    try:
        assert south.execute(f"SELECT value FROM {table} WHERE name = 'register'").one().value == 42
        assert south.cluster.metadata.get_host(two_dc_cluster.endpoint("south").contact_points[0]).datacenter == "south"
    finally:
        cluster.shutdown()


def test_an_unknown_dc_is_told_with_those_that_are_there(two_dc_cluster: LocalCluster) -> None:
    endpoint = Endpoint(contact_points=two_dc_cluster.contact_points, local_dc="west")

    with pytest.raises(HarnessError, match="no DC 'west', but north, south; name one of them with --local-dc"):
        connect(endpoint)


def test_tls_is_not_asked_of_a_cluster_without(two_dc_cluster: LocalCluster, tmp_path: Any) -> None:
    endpoint = Endpoint(contact_points=two_dc_cluster.contact_points, local_dc="north", ca=tmp_path / "none.pem")

    with pytest.raises(HarnessError, match=r"none\.pem does not exist"):
        connect(endpoint)


def test_nodes_are_ours_and_their_command_line_tells_only_a_file(two_dc_cluster: LocalCluster) -> None:
    for node in two_dc_cluster.nodes:
        process = psutil.Process(node.pid)
        assert process.ppid() == psutil.Process().pid
        assert process.cmdline()[1:] == [f"@{node.folder / 'conf' / 'java.options'}"]
        assert "Starting listening for CQL clients" in (node.folder / "system.log").read_text()


def test_samples_tell_each_nodes_figures_every_second(two_dc_cluster: LocalCluster, session: Any, table: str) -> None:
    taken: list[list[NodeSample]] = []
    sampler = NodeSampler(two_dc_cluster)
    for second in (1, 2):
        until = time.monotonic() + 1
        while time.monotonic() < until:
            session.execute(f"INSERT INTO {table} (name, value) VALUES ('beat', {second})")
        taken.append(sampler.sample(second))

    assert [sample.second for sample in taken[0]] == [1, 1]
    assert [(sample.node, sample.dc) for sample in taken[1]] == [("north-1", "north"), ("south-1", "south")]
    for sample in taken[1]:
        assert 0 < sample.cpu_share < 64
        assert sample.rss_bytes > 100_000_000
        assert sample.disk_bytes > 10_000
        assert sample.gc_pause_ms >= 0
