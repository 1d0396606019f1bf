"""What a scenario changes of the tables, on a real node: done, left out where the table is not there, or refused in its words."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from scenarios.domain import Operation
from scenarios.spec import Dc, ScenarioError, Topology
from store.cassandra import alter_tables, create_schema, drop_schema
from store.schemas import DEFAULT_SCHEMA

SCHEMA = DEFAULT_SCHEMA.only([Operation.READ_STATE])


@pytest.fixture(scope="module")
def altered(two_dc_cluster: LocalCluster) -> Iterator[tuple[Any, Topology]]:
    dcs = tuple(Dc(name=name, nodes=1, rf=1) for name in ("north", "south"))
    topology = Topology(dcs=dcs, keyspace=f"altered_{uuid.uuid4().hex[:12]}")
    driver, session = connect(two_dc_cluster.endpoint("north"))
    create_schema(session, SCHEMA, topology)
    yield session, topology
    drop_schema(session, topology)
    driver.shutdown()


def test_tables_that_are_there_are_altered_and_others_left_out(altered: tuple[Any, Topology]) -> None:
    session, topology = altered
    statements = [
        "ALTER TABLE {keyspace}.latest_by_home WITH comment = 'x {keyspace}' AND compression = {'class': 'LZ4Compressor'}",
        "ALTER TABLE {keyspace}.price_lists WITH comment = 'is not made for this operation'",
    ]
    alter_tables(session, statements, SCHEMA, topology.keyspace)
    (row,) = session.execute(
        "SELECT comment FROM system_schema.tables WHERE keyspace_name = %s AND table_name = 'latest_by_home'",
        [topology.keyspace],
    )
    assert row.comment == f"x {topology.keyspace}"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX ON {keyspace}.latest_by_home (nothing_of_the_kind)",
        "ALTER TABLE {keyspace}.latest_by_home WITH compression = {'class': 'NoSuchCompressor'}",
        "ALTER TABLE {keyspace}.latest_by_home WITHOUT sense",
    ],
)
def test_a_statement_that_a_node_refuses_is_the_scenarios_fault(altered: tuple[Any, Topology], statement: str) -> None:
    session, topology = altered
    with pytest.raises(ScenarioError, match=r"store\.alterations: Cassandra refuses '"):
        alter_tables(session, [statement], SCHEMA, topology.keyspace)
