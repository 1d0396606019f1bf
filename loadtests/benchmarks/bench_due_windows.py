"""What keeping the due index costs by compaction: by which instant its rows are written, and by which strategy they are kept.

Run: uv run pytest loadtests/benchmarks/bench_due_windows.py --benchmark-only --benchmark-json=due_windows.json

One real node, and the same two weeks of entries in a keyspace for each design, side by side: most are due within the hour, a
few in a month. A step is six hours of them, and is flushed. The clock of the entries is a simulated one, given as the write
timestamp: time-windowed compaction knows no other. Figures are those of the node's own `compaction_history` and of the files.
"""

import random
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cassandra import WriteTimeout
from cassandra.query import BatchStatement, BatchType

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.machine import fingerprint
from loadtests.monitoring.node_metrics import folder_size
from loadtests.monitoring.quiescence import COMPACTIONS
from scenarios.domain import DAY_US
from scenarios.spec import Dc, Topology
from store.cassandra import create_schema
from store.operations import StoreOperation
from store.roles import TableRole
from store.schemas import DEFAULT_SCHEMA
from store.tables import Schema, write_of

DUE_INDEX = DEFAULT_SCHEMA.table(TableRole.DUE_INDEX)
SCHEMA = Schema(name="due", version=1, tables=(DUE_INDEX,), writes=(write_of(StoreOperation.SCHEDULE_DUE, DUE_INDEX),))
TWCS = "{'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'DAYS', 'compaction_window_size': 1}"
UCS = "{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'T4'}"
# design -> compaction, and whether a row is written at the instant at which it is due, else at the one at which it is made
DESIGNS: Mapping[str, tuple[str, bool]] = {
    "twcs_at_due": (TWCS, True),
    "twcs_at_clock": (TWCS, False),
    "ucs_at_clock": (UCS, False),
}
START_US = 1_768_435_200_000_000  # 2026-01-15 00:00 UTC
HOUR_US, MINUTE_US = 3_600_000_000, 60_000_000
DAYS, STEPS_A_DAY, ROWS_A_STEP = 14, 4, 1_000
BATCH_ROWS = 100
ATTEMPTS_MAX = 10
FLUSH_S = 1
SETTLE_S_MAX = 120


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    topology = Topology(dcs=(Dc(name="north", nodes=1, rf=1),))
    with LocalCluster.start(topology, tmp_path_factory.mktemp("due_bench"), print, heap_mib=384) as cluster:
        yield cluster


def entries(step: int) -> list[tuple[int, int, int]]:
    """What a step enters: (made at, due at, number) of each entry [us]."""
    draw = random.Random(step)
    made_from_us = START_US + step * DAY_US // STEPS_A_DAY
    rows = []
    for number in range(ROWS_A_STEP):
        made_us = made_from_us + draw.randrange(DAY_US // STEPS_A_DAY)
        kind = draw.random()
        if kind < 0.80:  # an answer that is awaited, an attempt after a back-off
            wait_us = draw.randrange(5 * MINUTE_US, HOUR_US)
        elif kind < 0.95:
            wait_us = draw.randrange(HOUR_US, DAY_US)
        else:  # a price that takes effect with the next month
            wait_us = draw.randrange(DAY_US, 30 * DAY_US)
        rows.append((made_us, made_us + wait_us, step * ROWS_A_STEP + number))
    return rows


def test_compaction_of_the_due_index(benchmark: Any, cluster: LocalCluster) -> None:
    driver, session = connect(cluster.endpoint("north"))
    inserts = {}
    for name, (compaction, _) in DESIGNS.items():
        create_schema(session, SCHEMA, Topology(dcs=(Dc(name="north", nodes=1, rf=1),), keyspace=name))
        session.execute(
            f"ALTER TABLE {name}.{DUE_INDEX.name} WITH compaction = {compaction} "
            f"AND memtable_flush_period_in_ms = {FLUSH_S * 1_000}"
        )
        inserts[name] = session.prepare(f"{DUE_INDEX.insert.format(keyspace=name)} USING TIMESTAMP ?")

    def enter() -> None:
        for step in range(DAYS * STEPS_A_DAY):
            rows = entries(step)
            for name, (_, is_at_due) in DESIGNS.items():
                for at in range(0, ROWS_A_STEP, BATCH_ROWS):
                    batch = BatchStatement(BatchType.UNLOGGED)
                    for made_us, due_us, number in rows[at : at + BATCH_ROWS]:
                        write_us = due_us if is_at_due else made_us
                        batch.add(inserts[name], [0, due_us // MINUTE_US, due_us, number, 1, number, 1, 0, write_us])
                    write(session, batch)
            time.sleep(FLUSH_S * 1.5)

    benchmark.pedantic(enter, rounds=1)
    settle(session)
    benchmark.extra_info.update(
        designs={name: figures(session, cluster.nodes[0].folder, name) for name in DESIGNS},
        entries=DAYS * STEPS_A_DAY * ROWS_A_STEP,
        flushes=DAYS * STEPS_A_DAY,
        **fingerprint(),
    )
    driver.shutdown()


def write(session: Any, batch: BatchStatement) -> None:
    """A node that has just started, on a busy machine, may miss its own time-out: the rows are the same when they come again."""
    for _ in range(ATTEMPTS_MAX - 1):
        try:
            session.execute(batch, timeout=60)
        except WriteTimeout:
            continue
        return
    session.execute(batch, timeout=60)


def settle(session: Any) -> None:
    """Wait until memtables that flush by time are flushed and nothing is left to compact."""
    time.sleep(FLUSH_S * 2 + 1)
    for _ in range(SETTLE_S_MAX):
        if not session.execute(COMPACTIONS).all():
            return
        time.sleep(1)


def figures(session: Any, folder: Path, keyspace: str) -> dict[str, float]:
    """What a design has cost on the node."""
    history = session.execute("SELECT keyspace_name, bytes_in, bytes_out FROM system.compaction_history")
    done = [row for row in history if row.keyspace_name == keyspace]
    tables = list((folder / "data").glob(f"**/{keyspace}/{DUE_INDEX.name}-*"))
    return {
        "compactions": len(done),
        "mib_read": round(sum(row.bytes_in for row in done) / 2**20, 1),
        "mib_written": round(sum(row.bytes_out for row in done) / 2**20, 1),
        "sstables": sum(len(list(table.glob("*-Data.db"))) for table in tables),
        "mib_held": round(sum(folder_size(table) for table in tables) / 2**20, 1),
    }
