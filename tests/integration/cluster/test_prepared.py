"""A cluster that begins with its tables made, by a copy of an earlier one's; and one whose copy is wrong."""

from pathlib import Path

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.prepared import MANIFEST
from scenarios.spec import Dc, Topology

TOPOLOGY = Topology(dcs=(Dc(name="north", nodes=1, rf=1),))
STATEMENTS = (
    "CREATE KEYSPACE IF NOT EXISTS k WITH replication = {'class': 'NetworkTopologyStrategy', 'north': 1}",
    "CREATE TABLE IF NOT EXISTS k.facts (name text PRIMARY KEY, value bigint)",
)
HELD = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'k'"


def tables_of(cluster: LocalCluster, *statements: str) -> list[str]:
    """The tables of keyspace `k`, after some statements."""
    driver, session = connect(cluster.endpoint())
    try:
        for statement in statements:
            session.execute(statement)
        return [row.table_name for row in session.execute(HELD)]
    finally:
        driver.shutdown()


def test_nodes_begin_with_the_tables_of_an_earlier_cluster_and_a_wrong_copy_is_thrown_away(tmp_path: Path) -> None:
    told: list[str] = []

    def started(folder: str) -> LocalCluster:
        return LocalCluster.start(TOPOLOGY, tmp_path / folder, told.append, heap_mib=320, tables=STATEMENTS)

    with started("first") as cluster:
        assert tables_of(cluster, *STATEMENTS, "INSERT INTO k.facts (name, value) VALUES ('row', 1)") == ["facts"]
        assert cluster.keep_tables()
    with started("second") as cluster:
        assert tables_of(cluster, *STATEMENTS) == ["facts"]
        assert tables_of(cluster, "INSERT INTO k.facts (name, value) VALUES ('row', 2)") == ["facts"]
        driver, session = connect(cluster.endpoint())
        assert [row.value for row in session.execute("SELECT value FROM k.facts")] == [2]
        driver.shutdown()
        assert cluster.keep_tables()
        copy = cluster._prepared
        assert copy is not None
    assert not [words for words in told if "thrown away" in words]
    manifest = copy.folder / MANIFEST
    manifest.write_text(manifest.read_text().replace('"schema_version": "', '"schema_version": "0'))
    with started("third") as cluster:
        assert tables_of(cluster) == []
        assert not copy.folder.exists()
    assert [words for words in told if "thrown away; starting without: the nodes tell schema version" in words]
