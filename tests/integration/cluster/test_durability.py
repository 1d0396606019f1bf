"""What Cassandra does with acknowledged writes when a node is killed, and with those that a node missed: on real nodes."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cassandra import ConsistencyLevel
from cassandra.concurrent import execute_concurrent_with_args

from loadtests.cluster.connect import connect
from loadtests.cluster.hints import hints_left_bytes
from loadtests.cluster.local import LocalCluster
from scenarios.domain import CommitLogSync
from scenarios.spec import Dc, Topology

WRITES = 2_000
VALUE = "x" * 1_000


@pytest.fixture(scope="module")
def batch_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Two DCs of one node that acknowledge only what is on their disks."""
    topology = Topology(
        dcs=(Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1)), commit_log_sync=CommitLogSync.BATCH
    )
    with LocalCluster.start(topology, tmp_path_factory.mktemp("batch_cluster"), print, heap_mib=320) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def keyspace(batch_cluster: LocalCluster) -> str:
    driver, session = connect(batch_cluster.endpoint("north"))
    try:
        session.execute(
            "CREATE KEYSPACE durable WITH replication = {'class': 'NetworkTopologyStrategy', 'north': 1, 'south': 1}"
        )
        for table in ("killed", "hinted"):
            session.execute(f"CREATE TABLE durable.{table} (id int PRIMARY KEY, value text)")
    finally:
        driver.shutdown()
    return "durable"


def write(session: Any, table: str) -> int:
    insert = session.prepare(f"INSERT INTO {table} (id, value) VALUES (?, ?)")
    insert.consistency_level = ConsistencyLevel.LOCAL_ONE
    rows = [(index, VALUE) for index in range(WRITES)]
    done = execute_concurrent_with_args(session, insert, rows, concurrency=64, raise_on_first_error=False)
    return sum(is_ok for is_ok, _ in done)


def count(cluster: LocalCluster, dc: str, table: str) -> int:
    driver, session = connect(cluster.endpoint(dc))
    try:
        return int(session.execute(f"SELECT count(*) FROM {table}").one()[0])
    finally:
        driver.shutdown()


def test_a_killed_node_keeps_what_it_acknowledged_and_is_sent_what_it_missed(
    batch_cluster: LocalCluster, keyspace: str
) -> None:
    """With batch sync its own writes are on its disk; those of the others stand in their files until they are delivered."""
    south = next(node for node in batch_cluster.nodes if node.dc == "south")
    driver, session = connect(batch_cluster.endpoint("south"))
    acknowledged = write(session, f"{keyspace}.killed")
    os.kill(south.pid, signal.SIGKILL)
    driver.shutdown()
    while "south" not in batch_cluster.dead_dcs:
        time.sleep(0.05)
    assert acknowledged == WRITES

    driver, session = connect(batch_cluster.endpoint("north"))
    assert write(session, f"{keyspace}.hinted") == WRITES
    driver.shutdown()
    folder: Path = batch_cluster.folder
    deadline_s = time.monotonic() + 60
    while hints_left_bytes(folder) < WRITES * len(VALUE):  # flushed every ten seconds
        assert time.monotonic() < deadline_s
        time.sleep(0.5)

    batch_cluster.start_nodes([south.name], print)
    assert count(batch_cluster, "south", f"{keyspace}.killed") == WRITES
    before = count(batch_cluster, "south", f"{keyspace}.hinted")
    left_bytes = hints_left_bytes(folder)
    deadline_s = time.monotonic() + 120
    while hints_left_bytes(folder):
        assert time.monotonic() < deadline_s
        time.sleep(0.5)
    print(f"hints: {left_bytes} bytes left and {before} rows there when the node was back")
    assert count(batch_cluster, "south", f"{keyspace}.hinted") == WRITES
