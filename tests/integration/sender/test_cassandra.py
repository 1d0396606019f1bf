"""The engine against a real Cassandra of two data centres: what it sends is what is stored, and it asks replicas."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from loadtests.cluster.local import LocalCluster
from loadtests.recording.ledger import Ledger, SlotState
from loadtests.sender.block import FrameGroup, OperationBlock, assemble_block
from loadtests.sender.engine import Engine, EngineSettings, WireOperation
from loadtests.sender.frames import FrameTemplate
from loadtests.sender.ring import RingTable, ring_of_metadata
from scenarios.domain import ConsistencyLevel, Operation
from store.tables import Bind, CqlType, Statement
from tests.support.steady_inserts import INSERT, Disturbed, SteadySource

DCS = ["north", "south"]
LISTS = Statement(
    operation=Operation.INGEST_REVISION,
    cql="INSERT INTO {keyspace}.runs (mpxn, month, quality, values_wh) VALUES (?, ?, ?, ?) USING TIMESTAMP ?",
    binds=(
        Bind(name="mpxn", type=CqlType.BIGINT),
        Bind(name="month", type=CqlType.SMALLINT),
        Bind(name="quality", type=CqlType.TINYINT),
        Bind(name="values_wh", type=CqlType.INT_LIST),
        Bind(name="write_us", type=CqlType.BIGINT),
    ),
    partition_key=("mpxn", "month"),
    is_write=True,
)
READ = Statement(
    operation=Operation.READ_INTERVALS_DAY,
    cql="SELECT * FROM {keyspace}.readings WHERE meter = ?",
    binds=(Bind(name="meter", type=CqlType.BIGINT),),
    partition_key=("meter",),
    is_write=False,
)


@dataclass
class Keyspace:
    """A keyspace of its own, its ring, and engines that write to it."""

    name: str
    session: Any
    ring: RingTable

    def template(self, statement: Statement, level: ConsistencyLevel, **given: Any) -> FrameTemplate:
        prepared_id = self.session.prepare(statement.cql.format(keyspace=self.name)).query_id
        return FrameTemplate(statement, prepared_id, level.wire_code, **given)

    def engine(self, statement: Statement, ledger: Ledger | None = None, **given: Any) -> Engine:
        return Engine(
            operations=[WireOperation(name=statement.operation, ledger_plane=None if ledger is None else 0)],
            statements=[statement.cql.format(keyspace=self.name)],
            ring=self.ring,
            settings=EngineSettings(**given),
            ledger=ledger,
        )


@pytest.fixture
def keyspace(two_dc_cluster: LocalCluster, session: Any) -> Iterator[Keyspace]:
    name = f"wire_{uuid.uuid4().hex[:8]}"
    session.execute(
        f"CREATE KEYSPACE {name} WITH replication = {{'class': 'NetworkTopologyStrategy', 'north': 1, 'south': 1}}"
    )
    session.execute(f"CREATE TABLE {name}.readings (meter bigint, slot int, wh int, PRIMARY KEY (meter, slot))")
    session.execute(
        f"CREATE TABLE {name}.runs (mpxn bigint, month smallint, quality tinyint, values_wh frozen<list<int>>, "
        "PRIMARY KEY ((mpxn, month)))"
    )
    yield Keyspace(name, session, ring_of_metadata(session.cluster.metadata, name, DCS))
    session.execute(f"DROP KEYSPACE {name}")


def test_tokens_and_replicas_are_the_clusters_own(keyspace: Keyspace) -> None:
    template = keyspace.template(LISTS, ConsistencyLevel.ONE, list_length=2)
    rows = {
        "mpxn": np.array([1, -5, 2**62, 1_012_345_678_901]),
        "month": np.array([1, -1, 300, 0], dtype=np.int16),
        "quality": np.array([0, 1, -1, 3], dtype=np.int8),
        "values_wh": np.arange(8, dtype=np.int32).reshape(4, 2),
        "write_us": np.full(4, 1_700_000_000_000_000),
    }
    run_blocks(keyspace.engine(LISTS), group_of(template, rows))
    stored = {
        (row.mpxn, row.month): row
        for row in keyspace.session.execute(
            f"SELECT mpxn, month, quality, values_wh, token(mpxn, month) AS ring_token, writetime(quality) AS at "
            f"FROM {keyspace.name}.runs"
        )
    }
    tokens = template.tokens(rows)
    metadata = keyspace.session.cluster.metadata
    for i in range(4):
        row = stored[int(rows["mpxn"][i]), int(rows["month"][i])]
        assert (row.quality, row.values_wh, row.at) == (
            rows["quality"][i],
            rows["values_wh"][i].tolist(),
            1_700_000_000_000_000,
        )
        assert row.ring_token == tokens[i]
        key = template.key_bytes(rows)[i].tobytes()
        replicas = {host.address for host in metadata.get_replicas(keyspace.name, key)}
        ours = {
            keyspace.ring.addresses[node][0] for dc in (0, 1) for node in keyspace.ring.replicas_of(int(tokens[i]), dc)
        }
        assert ours == replicas and len(ours) == 2


def test_every_acknowledged_row_is_there(keyspace: Keyspace) -> None:
    ledger = Ledger.create(None, ["ingest_reading"], meter_count=100, slot_count=30)
    # Half of it goes to nodes of `south`; at LOCAL_QUORUM `north`, which is read below, could have it later.
    template = keyspace.template(INSERT, ConsistencyLevel.EACH_QUORUM)
    with keyspace.engine(INSERT, ledger) as engine:
        report = engine.run(SteadySource(3_000, 2_000, template=template, dcs=2))
    assert report.ok == report.offered == 3_000 and report.failed == report.indeterminate == 0
    assert ledger.counts(0)[SlotState.ACKNOWLEDGED] == 3_000
    rows = list(keyspace.session.execute(f"SELECT meter, slot, wh FROM {keyspace.name}.readings"))
    assert sorted((row.slot * 100 + row.meter, row.wh) for row in rows) == [(n, n) for n in range(3_000)]


def test_reads_are_answered_with_rows(keyspace: Keyspace) -> None:
    write = keyspace.template(INSERT, ConsistencyLevel.ALL)
    with keyspace.engine(INSERT) as engine:
        assert engine.run(SteadySource(2_000, 4_000, meters=2, template=write)).ok == 2_000
    read = keyspace.template(READ, ConsistencyLevel.LOCAL_ONE, page_size=5_000)
    report = run_blocks(keyspace.engine(READ), group_of(read, {"meter": np.arange(4).repeat(50)}))
    assert report.ok == 200 and report.stray_answers == 0


def test_a_level_that_cannot_be_met_is_unavailable(keyspace: Keyspace) -> None:
    template = keyspace.template(INSERT, ConsistencyLevel.THREE)
    with keyspace.engine(INSERT, attempts_max=2, backoff_ms=1.0) as engine:
        report = engine.run(SteadySource(50, 1_000, template=template))
    assert report.failed == 50 and report.retries == 50
    assert [(tally.outcome, tally.kind) for tally in report.errors] == [
        ("failed", "unavailable"),
        (None, "unavailable"),
    ]
    assert "Cannot achieve consistency level THREE" in report.error_messages["unavailable"]


def test_a_statement_that_a_schema_change_forgot_is_prepared_again(keyspace: Keyspace) -> None:
    template = keyspace.template(INSERT, ConsistencyLevel.LOCAL_QUORUM)
    alter = f"ALTER TABLE {keyspace.name}.readings ADD quality tinyint"
    with keyspace.engine(INSERT) as engine:
        altering = threading.Thread(target=keyspace.session.execute, args=(alter,), kwargs={"timeout": 60})
        altering.start()  # takes as long as the machine is busy
        report = engine.run(Disturbed(altering, template=template, after_s=2, dcs=2))
        altering.join()
    assert report.ok == report.offered > 400 and {tally.kind for tally in report.errors} == {"unprepared"}


def group_of(template: FrameTemplate, columns: dict[str, Any]) -> FrameGroup:
    """All rows due at once, for data centre `north`."""
    n = len(columns[template.statement.binds[0].name])
    return FrameGroup(
        operation=0,
        due_us=np.zeros(n, dtype=np.int64),
        meter=np.zeros(n, dtype=np.int64),
        first_slot=np.zeros(n, dtype=np.int32),
        slot_count=np.ones(n, dtype=np.int32),
        token=template.tokens(columns),
        dc=np.zeros(n, dtype=np.uint8),
        frames=template.encode(columns),
    )


def run_blocks(engine: Engine, *groups: FrameGroup) -> Any:
    blocks: list[OperationBlock | None] = [assemble_block(groups), None]

    class Source:
        def next_block(self) -> OperationBlock | None:
            return blocks.pop(0)

    with engine:
        report = engine.run(Source())
    assert report.ok == report.offered == sum(len(group.due_us) for group in groups), report.errors
    return report
