"""The engine against a real DC of two replicas: one is down at the start, comes up, is restarted; answers with warnings."""

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.sender.block import FrameGroup, OperationBlock, assemble_block
from loadtests.sender.connection import NodeUnreachable
from loadtests.sender.engine import Engine, EngineSettings, WireOperation
from loadtests.sender.frames import FrameTemplate
from loadtests.sender.ring import ring_of_metadata
from scenarios.domain import ConsistencyLevel, Operation
from scenarios.spec import Dc, Topology
from store.tables import Bind, CqlType, Statement
from tests.conftest import TEST_HEAP_MIB
from tests.support.steady_inserts import INSERT, Disturbed

KEYSPACE = "two_nodes"
READ = Statement(
    operation=Operation.READ_INTERVALS_DAY,
    cql="SELECT * FROM {keyspace}.readings WHERE meter = ?",
    binds=(Bind(name="meter", type=CqlType.BIGINT),),
    partition_key=("meter",),
    is_write=False,
)
TOMBSTONES = 1_200  # tombstone_warn_threshold is 1,000

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    topology = Topology(dcs=(Dc(name="north", nodes=2, rf=2),))
    with LocalCluster.start(topology, tmp_path_factory.mktemp("two"), print, heap_mib=TEST_HEAP_MIB) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def session(cluster: LocalCluster) -> Iterator[Any]:
    driver, session = connect(cluster.endpoint("north"))
    session.execute(f"CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'NetworkTopologyStrategy', 'north': 2}}")
    session.execute(f"CREATE TABLE {KEYSPACE}.readings (meter bigint, slot int, wh int, PRIMARY KEY (meter, slot))")
    yield session
    driver.shutdown()


def template_of(session: Any, statement: Statement, **given: Any) -> FrameTemplate:
    prepared_id = session.prepare(statement.cql.format(keyspace=KEYSPACE)).query_id
    return FrameTemplate(statement, prepared_id, ConsistencyLevel.LOCAL_ONE.wire_code, **given)


def engine_of(session: Any, statement: Statement, level: ConsistencyLevel = ConsistencyLevel.LOCAL_ONE) -> Engine:
    return Engine(
        operations=[WireOperation(name=statement.operation)],
        statements=[statement.cql.format(keyspace=KEYSPACE)],
        ring=ring_of_metadata(session.cluster.metadata, KEYSPACE, ["north"]),
        settings=EngineSettings(levels=frozenset({level}), attempts_max=8),
    )


def test_answers_with_warnings_are_answers(session: Any) -> None:
    for slot in range(TOMBSTONES):
        session.execute(f"DELETE FROM {KEYSPACE}.readings WHERE meter = 7 AND slot = {slot}")
    told = session.execute(f"SELECT * FROM {KEYSPACE}.readings WHERE meter = 7")
    assert told.response_future.warnings, "this Cassandra gives no warning, so nothing is shown"
    template = template_of(session, READ, page_size=5_000)
    columns = {"meter": np.full(100, 7, dtype=np.int64)}
    group = FrameGroup(
        operation=0,
        due_us=np.zeros(100, dtype=np.int64),
        meter=np.zeros(100, dtype=np.int64),
        first_slot=np.zeros(100, dtype=np.int32),
        slot_count=np.ones(100, dtype=np.int32),
        token=template.tokens(columns),
        dc=np.zeros(100, dtype=np.uint8),
        frames=template.encode(columns),
    )
    blocks: list[OperationBlock | None] = [assemble_block([group]), None]

    class Source:
        def next_block(self) -> OperationBlock | None:
            return blocks.pop(0)

    with engine_of(session, READ) as engine:
        report = engine.run(Source())
    assert report.ok == report.offered == 100 and report.reopened == report.stray_answers == 0


def test_a_table_altered_and_a_node_restarted_in_mid_storm(cluster: LocalCluster, session: Any) -> None:
    name = cluster.nodes[1].name

    def disturb() -> None:
        session.execute(f"ALTER TABLE {KEYSPACE}.readings ADD quality tinyint")
        cluster.stop_nodes([name])
        cluster.start_nodes([name])

    template = template_of(session, INSERT)
    thread = threading.Thread(target=disturb)
    with engine_of(session, INSERT) as engine:
        thread.start()
        report = engine.run(Disturbed(thread, template=template, after_s=8))
    thread.join()
    assert report.ok == report.offered and report.reopened == 2 and report.down_at_start == ()
    kinds = {tally.kind for tally in report.errors}
    assert "unprepared" in kinds and all(tally.outcome is None for tally in report.errors)


def test_a_node_that_is_down_at_the_start_joins_when_it_comes_up(cluster: LocalCluster, session: Any) -> None:
    node = cluster.nodes[1]
    template = template_of(session, INSERT)
    cluster.stop_nodes([node.name])
    thread = threading.Thread(target=cluster.start_nodes, args=([node.name],))
    try:
        with pytest.raises(NodeUnreachable, match=r"without it LOCAL_QUORUM can't be met in 'north'"):
            engine_of(session, INSERT, ConsistencyLevel.LOCAL_QUORUM).open()
        with engine_of(session, INSERT) as engine:
            thread.start()
            report = engine.run(Disturbed(thread, template=template, after_s=8))
    finally:
        if not thread.ident:
            thread.start()
        thread.join()
    assert report.ok == report.offered and report.reopened == 2
    assert [where.split(":")[0] for where in report.down_at_start] == [node.address]
