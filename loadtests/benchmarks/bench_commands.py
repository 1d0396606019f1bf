"""What finding due commands costs with a thousand and with a million commands stored, on one real node.

Both keyspaces are asked in turn, in one run. The same number of commands is due in each span that is asked for; what differs
is how many are stored besides: their rows, and their entries in the due index.

Run: uv run pytest loadtests/benchmarks/bench_commands.py --benchmark-only --benchmark-json=commands.json
"""

import random
import statistics
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from cassandra.cluster import Session
from cassandra.query import BatchStatement, BatchType

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.machine import fingerprint
from scenarios.domain import CommandKind, Fuel
from scenarios.spec import Dc, Topology
from store.cassandra import create_schema
from store.cassandra.commands import CassandraCommandTables, created_values, due_values
from store.cassandra.session import Statements
from store.commands.port import Aspect, CommandId, Device, DueIndex, Request
from store.commands.store import CommandStore, first_due
from store.ports import Values
from store.roles import TableRole
from store.schemas import DEFAULT_SCHEMA as SCHEMA
from store.tables import Table

OF_DEVICES = (TableRole.COMMANDS, TableRole.COMMAND_STEPS, TableRole.DEVICE_STATE)
START_US = 1_768_435_200_000_000
MINUTE_US = 60_000_000
FEW, MANY = 1_000, 1_000_000
DUE_A_MINUTE = 100  # in either keyspace: a thousand commands are ten minutes' worth, a million a week's
DEVICES = 20_000  # so that a million commands are 50 to each
ROUNDS, WARM_ROUNDS = 60, 10  # of ten minutes in each keyspace, in turn
IN_FLIGHT = 32
SETTLE_S = 20.0  # until both tables are on disk and compacted


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("cluster")
    with LocalCluster.start(topology("unused"), folder, print) as cluster:
        driver, session = connect(cluster.endpoint())
        yield session
        driver.shutdown()


def topology(keyspace: str) -> Topology:
    return Topology(dcs=(Dc(name="north", nodes=1, rf=1),), keyspace=keyspace)


def store_with(session: Session, count: int) -> CommandStore:
    """A keyspace of its own with `count` commands, `DUE_A_MINUTE` of them due each minute; on disk."""
    where = topology(f"commands_{count}")
    create_schema(session, SCHEMA, where)
    index = DueIndex(bucket_us=MINUTE_US, shard_count=1)
    minutes = (
        [
            due_values(index.place(due), due, START_US)
            for due in map(first_due, _requests(range(start, start + DUE_A_MINUTE)))
        ]
        for start in range(0, count, DUE_A_MINUTE)
    )
    _load(session, where, minutes, SCHEMA.tables_with((TableRole.DUE_INDEX,)))
    devices = (
        [created_values(one, Aspect.PRICE) for one in _requests(range(device, count, DEVICES))]
        for device in range(min(DEVICES, count))
    )
    _load(session, where, devices, SCHEMA.tables_with(OF_DEVICES))
    session.execute(f"ALTER TABLE {where.keyspace}.due_by_bucket WITH memtable_flush_period_in_ms = 1000", timeout=60)
    return CommandStore(
        CassandraCommandTables(Statements(session, SCHEMA, where)),
        find_device=lambda _: Device(fuel=Fuel.ELECTRICITY),
        index=index,
        since_us=START_US,
    )


def _requests(numbers: range) -> Iterator[Request]:
    """Command n is the n-th to be due, and to device n modulo `DEVICES`: those of one minute are each to another device."""
    for number in numbers:
        yield Request(
            id=CommandId(1, number % DEVICES, number),
            kind=CommandKind.UPDATE_PRICE,
            value=2,
            created_us=START_US,
            send_us=START_US + number * MINUTE_US // DUE_A_MINUTE,
            attempts_max=4,
            timeout_us=5 * MINUTE_US,
            backoff_us=10 * MINUTE_US,
        )


def _load(session: Session, where: Topology, partitions: Iterable[Sequence[Values]], tables: Sequence[Table]) -> None:
    """Write rows as the store would, those of one partition in one request."""
    inserts = [
        (session.prepare(f"{table.insert.format(keyspace=where.keyspace)} USING TIMESTAMP ?"), table)
        for table in tables
    ]
    waiting: list[Any] = []
    for rows in partitions:
        batch = BatchStatement(BatchType.UNLOGGED)
        for row in rows:
            for prepared, table in inserts:
                batch.add(prepared, [*(row[column.name] for column in table.columns), row["write_us"]])
        waiting.append(session.execute_async(batch, timeout=60))
        if len(waiting) == IN_FLIGHT:
            waiting.pop(0).result()
    for one in waiting:
        one.result()


def find_minutes(store: CommandStore, minutes: Sequence[int]) -> list[float]:
    """How long each minute takes to be asked for [s]."""
    took = []
    for minute in minutes:
        from_us = START_US + minute * MINUTE_US
        started = time.perf_counter()
        found = store.find_due(from_us + MINUTE_US, from_us=from_us)
        took.append(time.perf_counter() - started)
        assert len(found) == DUE_A_MINUTE
    return took


def test_finding_due_commands(benchmark: Any, session: Session) -> None:
    """`due_1e6_vs_1e3`: the median time to find a minute's commands among a million, against that among a thousand."""
    started = time.monotonic()
    few, many = store_with(session, FEW), store_with(session, MANY)
    loaded_s = time.monotonic() - started
    time.sleep(SETTLE_S)
    draw = random.Random(1)
    took: dict[int, list[float]] = {FEW: [], MANY: []}

    def ask_both() -> None:
        """Ten minutes of each, in turn; among the million it is others each time."""
        for minute in range(FEW // DUE_A_MINUTE):
            took[FEW] += find_minutes(few, [minute])
            took[MANY] += find_minutes(many, [draw.randrange(MANY // DUE_A_MINUTE)])

    for _ in range(WARM_ROUNDS):
        ask_both()
    took[FEW].clear()
    took[MANY].clear()
    benchmark.pedantic(ask_both, rounds=ROUNDS, iterations=1)
    few_s, many_s = statistics.median(took[FEW]), statistics.median(took[MANY])
    benchmark.extra_info.update(
        due_1e6_vs_1e3=round(many_s / few_s, 3),
        due_1e3_ms=round(few_s * 1e3, 3),
        due_1e6_ms=round(many_s * 1e3, 3),
        asked_of_each=len(took[FEW]),
        loaded_s=round(loaded_s, 1),
        **fingerprint(),
    )
