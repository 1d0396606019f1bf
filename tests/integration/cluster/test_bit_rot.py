"""What Cassandra serves of a table of which one bit is another on the disk: on a real node that goes on with it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cassandra import ConsistencyLevel, ReadFailure
from cassandra.concurrent import execute_concurrent_with_args

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.faults.damaged_logs import flip_bit_at
from loadtests.faults.damaged_tables import flip_payload_bit, largest_data_file, take_out
from scenarios.parts.faults import FaultKind
from scenarios.spec import Dc, Topology

ROWS = 4_000
NODE = ["north-1"]
KIND = FaultKind.SSTABLE_BIT_FLIP


def value_of(number: int) -> str:
    """200 characters that a compressor can do little with."""
    return "".join(hashlib.sha256(f"{number}/{part}".encode()).hexdigest() for part in range(4))[:200]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    """One node that goes on serving with a table that is broken, which is Cassandra's default."""
    topology = Topology(dcs=(Dc(name="north", nodes=1, rf=1),), cassandra={"disk_failure_policy": "stop"})
    with LocalCluster.start(topology, tmp_path / "cluster", print, heap_mib=320) as started:
        yield started


def fill(cluster: LocalCluster) -> None:
    driver, session = connect(cluster.endpoint())
    try:
        session.execute("CREATE KEYSPACE rot WITH replication = {'class': 'NetworkTopologyStrategy', 'north': 1}")
        for table, options in (("packed", ""), ("plain", " WITH compression = {'enabled': 'false'}")):
            session.execute(f"CREATE TABLE rot.{table} (id int PRIMARY KEY, value text){options}")
            insert = session.prepare(f"INSERT INTO rot.{table} (id, value) VALUES (?, ?)")
            execute_concurrent_with_args(session, insert, [(each, value_of(each)) for each in range(ROWS)])
    finally:
        driver.shutdown()


def read(cluster: LocalCluster, table: str) -> list[tuple[bool, Any]]:
    """Each row's value, or its failure, by its id."""
    driver, session = connect(cluster.endpoint())
    try:
        select = session.prepare(f"SELECT value FROM rot.{table} WHERE id = ?")
        select.consistency_level = ConsistencyLevel.LOCAL_ONE
        keys = [(each,) for each in range(ROWS)]
        answers = execute_concurrent_with_args(session, select, keys, concurrency=32, raise_on_first_error=False)
        return [(is_ok, found.one().value if is_ok else found) for is_ok, found in answers]
    finally:
        driver.shutdown()


@pytest.mark.long
def test_with_a_checksum_a_flipped_bit_is_an_error_and_without_one_a_wrong_value(cluster: LocalCluster) -> None:
    fill(cluster)
    (node,) = cluster.nodes
    cluster.break_nodes(KIND, NODE)
    tables = node.folder / "data" / "rot"
    packed = flip_payload_bit(largest_data_file(tables, "packed"))
    plain = max(tables.glob("plain-*/*-Data.db"), key=lambda path: path.stat().st_size)
    flip_bit_at(plain, plain.read_bytes().index(value_of(7).encode()) + 100)
    cluster.start_broken(NODE)

    answers = read(cluster, "packed")
    failed = [error for is_ok, error in answers if not is_ok]
    assert failed and all(isinstance(error, ReadFailure) for error in failed)
    assert len(failed) < ROWS / 10  # those of one chunk
    assert all(found == value_of(each) for each, (is_ok, found) in enumerate(answers) if is_ok)
    assert not cluster.silent(NODE)
    log = (node.folder / "system.log").read_text()
    assert "corruption detected, chunk at" in log and packed.data.name in log

    answers = read(cluster, "plain")
    assert all(is_ok for is_ok, _ in answers)
    wrong = [each for each, (_, found) in enumerate(answers) if found != value_of(each)]
    assert wrong == [7]  # nobody noticed

    cluster.end_broken(NODE)
    assert take_out(packed.data, node.folder / "tmp" / "taken_out") >= 6
    cluster.heal_nodes(KIND, NODE)
    assert read(cluster, "plain")[8] == (True, value_of(8))
