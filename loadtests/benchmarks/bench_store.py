"""What the reference store costs: views beside the log, reads, a rebuild, bytes on disk. On two local nodes (1 + 1).

Run: uv run pytest loadtests/benchmarks/bench_store.py --benchmark-only --benchmark-json=store.json

Both sides of a ratio run in turns on the same nodes. Server CPU is that of both nodes' processes, compactions and all. A
*reading* is a half-hour; *pushes* deliver one at a time, *uploads* a day of 48.
"""

import itertools
import re
import socket
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.machine import fingerprint
from loadtests.monitoring.node_metrics import folder_size
from loadtests.monitoring.quiescence import COMPACTIONS
from loadtests.sender.block import FrameGroup, OperationBlock, assemble_block
from loadtests.sender.connection import Access, open_connection
from loadtests.sender.engine import Engine, EngineSettings, WireOperation
from loadtests.sender.frames import FrameTemplate
from loadtests.sender.ring import RingTable, ring_of_metadata
from scenarios.calendar import GREAT_BRITAIN, UTC_CALENDAR, Calendar
from scenarios.domain import DAY_US, SLOT_US, SLOTS_PER_DAY, ConsistencyLevel, Operation
from scenarios.spec import Dc, Topology
from store.cassandra import CassandraStore, create_schema
from store.cassandra.bulk import CassandraBulk
from store.columns import Lists, Page
from store.readings.verify import folded_views
from store.roles import TableRole
from store.rows import Readings, home_columns, month_of, reading_columns
from store.schemas import DEFAULT_SCHEMA as SCHEMA
from store.tables import CqlType, Schema, Statement, Table, write_of
from store.tariffs import FIRST_PRICES, Book, day_totals

INGEST = next(write for write in SCHEMA.writes if write.statement.operation is Operation.INGEST_READING)
LOG = INGEST.tables[0]
LOG_ALONE = Schema(name="log_alone", version=1, tables=(LOG,), writes=(write_of(Operation.INGEST_READING, LOG),))
PK_READ = Statement(
    operation=Operation.READ_USAGE_MONTH,
    cql="SELECT usage_wh, through FROM {keyspace}.usage_by_fuel WHERE premises = ? AND month = ? AND fuel = ? AND day = ?",
    binds=tuple(column for column in INGEST.tables[2].columns if column.name in ("premises", "month", "fuel", "day")),
    partition_key=("premises", "month"),
    is_write=False,
)
START_US = 1_767_225_600_000_000  # 2026-01-01 00:00 UTC
SUMMER_US = START_US + 120 * DAY_US  # 2026-05-01; summer time until 25 October
ROUNDS = 5
HOMES = 2_000
PUSH_SLOTS, UPLOAD_DAYS = 24, 6  # of each home in a round
IN_FLIGHT, BLOCK = 256, 4_096  # deliveries on their way; made at a time
READS = 4_000
REBUILT_HOMES = {1: 400, SLOTS_PER_DAY: 2_000}  # by half-hours a delivery, a month of each
DISK_HOMES, DISK_DAYS = 600, 6
COMPRESSION = {
    "lz4": "{'class': 'LZ4Compressor'}",
    "zstd": "{'class': 'ZstdCompressor'}",
    "none": "{'enabled': 'false'}",
}
COMPACTION = {
    "ucs_t4": "{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'T4'}",
    "ucs_l4": "{'class': 'UnifiedCompactionStrategy', 'scaling_parameters': 'L4'}",
    "twcs": "{'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': 'DAYS', 'compaction_window_size': 1}",
}
FLUSH_S = 1
FLUSHED_BY_TIME = f"memtable_flush_period_in_ms = {FLUSH_S * 1_000}"
SETTLE_S_MAX = 120


def readings_of(
    homes: int,
    first: int,
    count: int,
    slot_count: int,
    first_us: int = START_US,
    calendar: Calendar = UTC_CALENDAR,
) -> Readings:
    """Deliveries `first` .. `first + count` of an estate: all homes' first run, then all homes' second, and so on.

    first_us: when the first run begins [us since the Unix epoch]; calendar: by whose midnights days are divided.
    """
    number = np.arange(first, first + count)
    home, run = number % homes, number // homes
    start_us = first_us + run * slot_count * SLOT_US
    # Of the shape of a home's use: mostly some 100 Wh, now and then much more.
    random = np.random.default_rng(first + 1)
    values = random.gamma(1.2, 160.0, (count, slot_count)).astype(np.int32)
    day_values = np.zeros((count, SLOTS_PER_DAY), np.int32)
    day_values[:, :slot_count] = values
    kind, fuel = (home % 3).astype(np.uint8), np.zeros(count, np.int8)
    return Readings(
        mpxn=1_000_000_000_000 + home * 10,
        premises=home,
        fuel=fuel,
        interval_start_us=start_us,
        values_wh=values,
        register_wh=5_000_000 + home * 977 + run * slot_count * 160,
        day=day_totals(
            (FIRST_PRICES,),
            day_start_us=start_us // DAY_US * DAY_US,
            values_wh=day_values,
            slot_count=np.full(count, slot_count),
            kind=kind,
            fuel=fuel,
            calendar=calendar,
        ),
        received_at_us=start_us + slot_count * SLOT_US + (home * 7_919 % 600) * 1_000_000,
        revision=np.zeros(count, np.int32),
        source=np.zeros(count, np.int8),
        quality=np.zeros(count, np.int8),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """The cluster, and a driver session on it."""

    cluster: LocalCluster
    session: Any

    def cpu_s(self) -> float:
        times = [psutil.Process(node.pid).cpu_times() for node in self.cluster.nodes]
        return sum(one.user + one.system for one in times)

    def topology(self, keyspace: str) -> Topology:
        return self.cluster.record.topology.model_copy(update={"keyspace": keyspace})

    def make(self, schema: Schema, keyspace: str) -> Topology:
        topology = self.topology(keyspace)
        create_schema(self.session, schema, topology)
        return topology

    def settle(self) -> None:
        """Wait until memtables that flush by time are flushed and nothing is left to compact."""
        time.sleep(FLUSH_S * 2 + 1)
        for _ in range(SETTLE_S_MAX):
            if not self.session.execute(COMPACTIONS).all():
                return
            time.sleep(1)

    def bytes_of(self, keyspace: str, table: str) -> int:
        """On the disk of one node."""
        folders = (self.cluster.nodes[0].folder / "data").glob(f"**/{keyspace}/{table}-*")
        return sum(folder_size(folder) for folder in folders)


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    topology = Topology(dcs=(Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1)))
    with LocalCluster.start(topology, tmp_path_factory.mktemp("store_bench"), print) as cluster:
        driver, session = connect(cluster.endpoint("north"))
        yield Nodes(cluster=cluster, session=session)
        driver.shutdown()


class Side:
    """Deliveries of one schema, sent by the wire engine; each round goes on where the last one ended."""

    def __init__(
        self,
        nodes: Nodes,
        schema: Schema,
        keyspace: str,
        slot_count: int,
        first_us: int = START_US,
        calendar: Calendar = UTC_CALENDAR,
        homes: int = HOMES,
    ) -> None:
        topology = nodes.make(schema, keyspace)
        self.nodes, self.slot_count, self.sent, self._homes = nodes, slot_count, 0, homes
        self._first_us, self._calendar = first_us, calendar
        self.frame_bytes = 0
        self.per_reading_us: list[float] = []
        statement = schema.statement(Operation.INGEST_READING)
        self._cql = statement.cql.format(keyspace=keyspace)
        prepared = nodes.session.prepare(self._cql)
        self._template = FrameTemplate(
            statement, prepared.query_id, ConsistencyLevel.LOCAL_QUORUM.wire_code, list_length=slot_count
        )
        self._ring: RingTable = ring_of_metadata(nodes.session.cluster.metadata, topology.keyspace, ["north"])
        self._left = 0

    def next_block(self) -> OperationBlock | None:
        count = min(self._left, BLOCK)
        if not count:
            return None
        readings = readings_of(self._homes, self.sent, count, self.slot_count, self._first_us, self._calendar)
        columns: dict[str, NDArray[Any]] = dict(reading_columns(Operation.INGEST_READING, readings))
        self.sent += count
        self._left -= count
        frames = self._template.encode(columns)
        self.frame_bytes += frames.size
        group = FrameGroup(
            operation=0,
            due_us=np.zeros(count, np.int64),
            meter=readings.premises,
            first_slot=np.zeros(count, np.int32),
            slot_count=np.full(count, self.slot_count, np.int32),
            token=self._template.tokens(columns),
            dc=np.zeros(count, np.uint8),
            frames=frames,
        )
        return assemble_block([group])

    def send(self, count: int, *, is_counted: bool = True) -> None:
        self._left = count
        engine = Engine(
            operations=[WireOperation(name=Operation.INGEST_READING)],
            statements=[self._cql],
            ring=self._ring,
            settings=EngineSettings(links_per_node=1),
        )
        before_s = self.nodes.cpu_s()
        with engine:
            report = engine.run(self, closed_in_flight=IN_FLIGHT)
        assert report.ok == report.offered == count, f"not every delivery was acknowledged: {report.errors}"
        if is_counted:
            self.per_reading_us.append((self.nodes.cpu_s() - before_s) / count / self.slot_count * 1e6)


@pytest.mark.parametrize("slot_count", [1, SLOTS_PER_DAY])
def test_views_against_the_log_alone(benchmark: Any, nodes: Nodes, slot_count: int) -> None:
    """Server CPU a reading: the log with every view of the home, against the log alone."""
    name = "pushes" if slot_count == 1 else "uploads"
    count = HOMES * (PUSH_SLOTS if slot_count == 1 else UPLOAD_DAYS)
    log = Side(nodes, LOG_ALONE, f"log_{name}", slot_count)
    views = Side(nodes, replace(SCHEMA, tables=INGEST.tables, writes=(INGEST,)), f"views_{name}", slot_count)
    for _ in range(3):  # the nodes' JIT compilers have seen both
        log.send(count, is_counted=False)
        views.send(count, is_counted=False)
    benchmark.pedantic(lambda: views.send(count), setup=lambda: log.send(count), rounds=ROUNDS)
    pairs = [one / other for one, other in zip(views.per_reading_us, log.per_reading_us, strict=True)]
    ratio = statistics.median(views.per_reading_us) / statistics.median(log.per_reading_us)
    key = "views_vs_log_cpu" if slot_count == 1 else "views_vs_log_cpu_uploads"
    benchmark.extra_info.update(
        {key: round(ratio, 2)},
        pairs=[round(pair, 2) for pair in pairs],
        log_us=[round(one, 1) for one in log.per_reading_us],
        views_us=[round(one, 1) for one in views.per_reading_us],
        amplification=amplification(slot_count),
        **fingerprint(),
    )


def without_local_days(table: Table) -> Table:
    """The table as it would be of UTC days alone."""
    return replace(
        table,
        create=re.sub(r"late_\w+ \w+,\s*", "", table.create),
        columns=tuple(column for column in table.columns if not column.name.startswith("late_")),
        queries=(),
    )


@pytest.mark.parametrize("slot_count", [1, SLOTS_PER_DAY])
def test_local_days_against_utc_days(benchmark: Any, nodes: Nodes, slot_count: int) -> None:
    """Server CPU a reading: log and views with what lies after local midnight, against the same without those columns."""
    name = "pushes" if slot_count == 1 else "uploads"
    count = HOMES * (PUSH_SLOTS if slot_count == 1 else UPLOAD_DAYS)
    plain = tuple(without_local_days(table) for table in INGEST.tables)
    of_utc = Schema(name="utc_days", version=1, tables=plain, writes=(write_of(Operation.INGEST_READING, *plain),))
    utc = Side(nodes, of_utc, f"utc_{name}", slot_count)
    local = Side(nodes, replace(SCHEMA, tables=INGEST.tables, writes=(INGEST,)), f"local_{name}", slot_count)
    for _ in range(3):
        utc.send(count, is_counted=False)
        local.send(count, is_counted=False)
    benchmark.pedantic(lambda: local.send(count), setup=lambda: utc.send(count), rounds=ROUNDS)
    pairs = [one / other for one, other in zip(local.per_reading_us, utc.per_reading_us, strict=True)]
    ratio = statistics.median(local.per_reading_us) / statistics.median(utc.per_reading_us)
    benchmark.extra_info.update(
        {"local_days_cpu" if slot_count == 1 else "local_days_cpu_uploads": round(ratio, 2)},
        pairs=[round(pair, 2) for pair in pairs],
        utc_us=[round(one, 1) for one in utc.per_reading_us],
        local_us=[round(one, 1) for one in local.per_reading_us],
        **fingerprint(),
    )


def test_two_local_days_against_one(benchmark: Any, nodes: Nodes) -> None:
    """Server CPU and bytes a reading: uploads of Britain's summer, each of which touches two local days, against winter's."""
    held = replace(
        SCHEMA,
        tables=tuple(replace(table, create=f"{table.create} AND {FLUSHED_BY_TIME}") for table in INGEST.tables),
        writes=(INGEST,),
    )
    count = HOMES * UPLOAD_DAYS
    winter = Side(nodes, held, "winter_days", SLOTS_PER_DAY, START_US, GREAT_BRITAIN)
    summer = Side(nodes, held, "summer_days", SLOTS_PER_DAY, SUMMER_US, GREAT_BRITAIN)
    for _ in range(3):
        winter.send(count, is_counted=False)
        summer.send(count, is_counted=False)
    benchmark.pedantic(lambda: summer.send(count), setup=lambda: winter.send(count), rounds=ROUNDS)
    nodes.settle()
    pairs = [one / other for one, other in zip(summer.per_reading_us, winter.per_reading_us, strict=True)]
    readings = winter.sent * SLOTS_PER_DAY
    benchmark.extra_info.update(
        two_local_days_cpu=round(statistics.median(pairs), 2),
        pairs=[round(pair, 2) for pair in pairs],
        winter_us=[round(one, 2) for one in winter.per_reading_us],
        summer_us=[round(one, 2) for one in summer.per_reading_us],
        sent_bytes={
            name: round(one.frame_bytes / readings, 2) for name, one in (("winter", winter), ("summer", summer))
        },
        disk_bytes={
            table.name: [
                round(nodes.bytes_of(f"{name}_days", table.name) / readings, 3) for name in ("winter", "summer")
            ]
            for table in INGEST.tables
        },
        **fingerprint(),
    )


def amplification(slot_count: int) -> Mapping[str, Mapping[str, float]]:
    """Rows and bytes that a reading writes, by table and replica: the cells as bound, keys and lengths with them."""
    widths = {CqlType.BIGINT: 8, CqlType.TIMESTAMP: 8, CqlType.INT: 4, CqlType.SMALLINT: 2, CqlType.TINYINT: 1}
    widths[CqlType.INT_LIST] = 4 + 8 * slot_count
    return {
        table.name: {
            "rows": round(1 / slot_count, 3),
            "bytes": round(sum(4 + widths[column.type] for column in table.columns) / slot_count, 1),
        }
        for table in INGEST.tables
    }


def test_a_month_of_usage_against_one_row(benchmark: Any, nodes: Nodes) -> None:
    """p50 of READ_USAGE_MONTH against a read of one row by its primary key, one request at a time.

    A fuel of homes that have two: whole months (31 rows), and the month so far, read on any day of it (1 to 31 rows).
    """
    whole, so_far = (Questions(nodes, f"usage_{name}", is_whole=name == "whole") for name in ("whole", "so_far"))
    for one in (whole, so_far):
        for _ in range(3):  # the nodes' JIT compilers have seen both questions
            one.ask(is_counted=False)
    benchmark.pedantic(whole.ask, setup=so_far.ask, rounds=3)
    benchmark.extra_info.update(
        usage_vs_pk_p50=whole.ratio(),
        usage_vs_pk_p50_so_far=so_far.ratio(),
        usage_p50_us=round(statistics.median(whole.took_us[0])),
        usage_so_far_p50_us=round(statistics.median(so_far.took_us[0])),
        pk_p50_us=round(statistics.median(whole.took_us[1])),
        **fingerprint(),
    )


class Questions:
    """The same homes asked for their month and for one row of it, in turns."""

    def __init__(self, nodes: Nodes, keyspace: str, *, is_whole: bool) -> None:
        self.took_us: tuple[list[float], list[float]] = ([], [])
        topology = nodes.make(replace(SCHEMA, tables=(SCHEMA.table(TableRole.DAILY_USAGE),), writes=()), keyspace)
        bulk = CassandraBulk(nodes.session, topology)
        for fuel, day in itertools.product((0, 1), range(31)):
            bulk.insert(INGEST.tables[2], usage_rows(fuel, day, is_whole=is_whole))
        statements = (SCHEMA.statement(Operation.READ_USAGE_MONTH), PK_READ)
        endpoint = nodes.cluster.endpoint("north")
        cql = [one.cql.format(keyspace=keyspace) for one in statements]
        self._connection, ids = open_connection((endpoint.contact_points[0], endpoint.port), Access(), cql)
        self._connection.setblocking(True)
        home = np.random.default_rng(3).integers(0, HOMES, READS)
        columns = dict(home_columns(home, np.zeros(READS, np.int8), np.full(READS, START_US)))
        self._frames = [
            FrameTemplate(one, prepared_id, ConsistencyLevel.LOCAL_QUORUM.wire_code, page_size=1_000).encode(columns)
            for one, prepared_id in zip(statements, ids, strict=True)
        ]

    def ask(self, *, is_counted: bool = True) -> None:
        for i in range(READS):
            for side in (0, 1):
                started = time.perf_counter_ns()
                ask(self._connection, self._frames[side][i].tobytes())
                if is_counted:
                    self.took_us[side].append((time.perf_counter_ns() - started) / 1_000)

    def ratio(self) -> float:
        return round(statistics.median(self.took_us[0]) / statistics.median(self.took_us[1]), 2)


def usage_rows(fuel: int, day: int, *, is_whole: bool) -> Page:
    """A day of all homes, or of those whose month has come so far."""
    home = np.arange(HOMES, dtype=np.int64)
    home = home if is_whole else home[home % 31 >= day]
    start_us = np.full(len(home), START_US + day * DAY_US)
    return {
        "premises": home,
        "month": month_of(start_us).astype(np.int64),
        "day": np.full(len(home), day + 1),
        "fuel": np.full(len(home), fuel),
        "usage_wh": home * 3 + day,
        "through": (start_us + DAY_US) // 1_000,
        "write_us": start_us + DAY_US,
    }


def ask(connection: socket.socket, frame: bytes) -> None:
    """One request and the whole of its answer, undecoded."""
    connection.sendall(frame)
    held = connection.recv(1 << 16)
    while len(held) < 9 or len(held) < 9 + int.from_bytes(held[5:9], "big"):
        held += connection.recv(1 << 16)
    assert held[4] == 8, "no RESULT"


@pytest.mark.parametrize("slot_count", [1, SLOTS_PER_DAY])
def test_a_rebuild_of_each_view(benchmark: Any, nodes: Nodes, slot_count: int) -> None:
    """Readings a second of a view that is folded anew from nothing, a month of each home in the log."""
    name, homes = ("pushes", REBUILT_HOMES[1]) if slot_count == 1 else ("uploads", REBUILT_HOMES[SLOTS_PER_DAY])
    topology = nodes.make(replace(SCHEMA, tables=INGEST.tables, writes=(INGEST,)), f"rebuild_{name}")
    load_log(nodes, topology, homes, slot_count, days=30)
    store = CassandraStore(nodes.session, SCHEMA, topology, Book())
    rates: dict[str, list[float]] = {view: [] for view in folded_views(SCHEMA)}

    def rebuild(view: str, *, is_counted: bool = True) -> None:
        nodes.session.execute(f"TRUNCATE {topology.keyspace}.{view}", timeout=60)
        started = time.perf_counter()
        done = store.rebuild(view)
        took_s = time.perf_counter() - started
        assert done.written == done.rows > 0 and done.half_hours == homes * 30 * SLOTS_PER_DAY
        if is_counted:
            rates[view].append(done.half_hours / took_s)

    usage = SCHEMA.table(TableRole.DAILY_USAGE).name
    rebuild(usage, is_counted=False)

    def rebuild_all() -> None:
        for view in folded_views(SCHEMA):
            rebuild(view)

    benchmark.pedantic(rebuild_all, rounds=3)
    store.close()
    key = "rebuild_readings_per_s" if slot_count == 1 else "rebuild_readings_per_s_uploads"
    benchmark.extra_info.update(
        {key: round(statistics.median(rates[usage]))},
        by_view={view: [round(rate) for rate in found] for view, found in rates.items()},
        half_hours=homes * 30 * SLOTS_PER_DAY,
        **fingerprint(),
    )


def load_log(nodes: Nodes, topology: Topology, homes: int, slot_count: int, days: int, first_day: int = 0) -> None:
    """Fill the log of homes, day by day, a home's day together."""
    bulk = CassandraBulk(nodes.session, topology)
    runs_a_day = SLOTS_PER_DAY // slot_count
    for day in range(first_day, first_day + days):
        readings = readings_of(homes, day * runs_a_day * homes, runs_a_day * homes, slot_count)
        columns = reading_columns(Operation.INGEST_REVISION, readings)
        order = np.argsort(readings.premises, kind="stable")
        page: Page = {
            name: Lists(flat=readings.values_wh[order].ravel(), length=np.full(len(order), slot_count))
            if name == "values_wh"
            else np.asarray(values, np.int64)[order]
            for name, values in columns.items()
        }
        bulk.insert(LOG, page)


def test_bytes_on_disk(benchmark: Any, nodes: Nodes) -> None:
    """Bytes of the log a reading and replica, by compression and compaction, of pushes and of uploads."""
    kinds = {
        f"{slots}_{compression}_{compaction}": (slot_count, compression, compaction)
        for slots, slot_count in (("pushes", 1), ("uploads", SLOTS_PER_DAY))
        for compression in COMPRESSION
        for compaction in COMPACTION
    }
    topologies = {name: make_log(nodes, name, *how[1:]) for name, how in kinds.items()}

    def load() -> None:
        for day in range(DISK_DAYS):  # a file a day, as memtables are flushed between
            for name, (slot_count, _, _) in kinds.items():
                load_log(nodes, topologies[name], DISK_HOMES, slot_count, days=1, first_day=day)
            time.sleep(FLUSH_S * 2)

    benchmark.pedantic(load, rounds=1)
    nodes.settle()
    readings = DISK_HOMES * DISK_DAYS * SLOTS_PER_DAY
    figures = {name: round(nodes.bytes_of(f"disk_{name}", LOG.name) / readings, 2) for name in kinds}
    benchmark.extra_info.update(bytes_per_reading=figures, readings=readings, **fingerprint())


def make_log(nodes: Nodes, name: str, compression: str, compaction: str) -> Topology:
    """A keyspace of the log alone that is stored in one of the ways."""
    keyspace = f"disk_{name}"
    topology = nodes.make(LOG_ALONE, keyspace)
    nodes.session.execute(
        f"ALTER TABLE {keyspace}.{LOG.name} WITH compression = {COMPRESSION[compression]} "
        f"AND compaction = {COMPACTION[compaction]} AND {FLUSHED_BY_TIME}"
    )
    return topology
