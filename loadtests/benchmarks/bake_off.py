"""Duplicates, counters, or the log: how far each is off under a kind of fault. What `bench_analytics.py -k bake_off` runs.

    uv run --extra spark python -m loadtests.benchmarks.bake_off KIND    # prints JSON, the last line counts

Two data centres of a node each, LOCAL_QUORUM. Deliveries of a half-hour come through both, WORKERS at a time through each, and
each is recorded four times: as a row, in the log, in a counter that is asked again until it acknowledges, and in one that is
asked once, as the store does. The fault meets `north`, or the network between the two. All four ways are under way when it
comes; but where nothing is broken they follow one another, so that each has its processor time.

Said of each: by how much it is off, over and under, by what each data centre has in the end, once hints have come; for a
partition also before it is healed. The log is read by our export and DuckDB, and by Spark where it is installed.
"""

import contextlib
import itertools
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Session

from loadtests.benchmarks.bench_store import readings_of
from loadtests.benchmarks.deliveries import deliveries_at
from loadtests.benchmarks.spark_process import SparkProcess
from loadtests.cluster.connect import Endpoint, connect
from loadtests.cluster.hints import hints_left_bytes
from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from loadtests.faults.network_acts import PartedSites
from loadtests.monitoring.node_metrics import folder_size
from scenarios.parts.faults import Direction, Fault, FaultKind
from scenarios.spec import Dc, Topology
from store.analytics.data_sets import HOMES_SCHEMA
from store.analytics.duck import run_job
from store.analytics.export import export
from store.analytics.jobs import LOAD_DURATION
from store.cassandra import CassandraStore, create_schema
from store.cassandra.session import FAILURES
from store.ports import StoreError
from store.readings.receipts import HOUR_US, CounterReceipts, Receipt, RowReceipts
from store.roles import TableRole
from store.rows import Readings
from store.schemas import DEFAULT_SCHEMA as SCHEMA
from store.tariffs import FIRST_PRICES, Book

KINDS = ("healthy", FaultKind.PAUSE, FaultKind.KILL, FaultKind.POWER_CUT, FaultKind.PARTITION)
ASKED_OF_SPARK = ("healthy", FaultKind.PAUSE)
SIDES = ("rows", "counters", "counters_once", "log")
RECEIPTS, REGIONS, HOURS, FIRST_HOUR = 2_400, 3, 4, 500_000
WORKERS = 16  # through each data centre
TIMEOUT_S, STANDS_S, RUNS_S = 0.25, 0.6, 0.6  # of a paused node: the driver waits, it stands still, it runs in turns
CALM_TIMEOUT_S, AWAY_S_MAX = 10.0, 180.0  # of the driver where nobody pauses; of a node until it answers again
DEATHS_AT = (0.5,)  # of what comes through `north`
PARTED_AT = 0.25
HINTS_S_MIN = 25.0  # until hints are on the disk and have begun to flow, measured
HINTS_S_MAX = 180.0  # until all have come
HEAP_MIB = 512
TOPOLOGY = Topology(dcs=(Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1)), keyspace="bake_off")
BROKEN = "north-1"
NO_HOMES = tuple(HOMES_SCHEMA.empty_table().to_batches())
TABLES = {
    "rows": TableRole.RECEIPTS,
    "counters": TableRole.RECEIPT_COUNTERS,
    "log": TableRole.EVENT_LOG,
}


def receipt_of(at: int) -> Receipt:
    """What is counted of a delivery."""
    return Receipt(
        received_at_us=HOUR_US * (FIRST_HOUR + at % HOURS),
        region=at % REGIONS,
        mpxn=at,
        interval_start_us=0,
        slot_count=1,
        revision=0,
        known_count=1,
    )


class Office:
    """Records deliveries through one data centre, each until it is acknowledged. `unanswered`: by side, what was not at once."""

    def __init__(self, session: Session, deliveries: Sequence[int], whole: Readings) -> None:
        self.session, self.deliveries, self._whole = session, deliveries, whole
        book = Book(prices=(FIRST_PRICES,), kind_of=lambda premises, _: np.zeros(len(premises), np.uint8))
        self.store = CassandraStore(session, SCHEMA, TOPOLOGY, book)
        self._rows, self.counters = RowReceipts(self.store.statements), CounterReceipts(self.store.statements)
        self.unanswered: Counter[str] = Counter()
        self.done = 0
        self._lock = threading.Lock()

    def wait_at_most(self, timeout_s: float) -> None:
        """Let the driver wait no longer for an answer."""
        self.session.get_execution_profile(EXEC_PROFILE_DEFAULT).request_timeout = timeout_s

    def record(self, sides: Sequence[str]) -> None:
        """All deliveries by these sides, WORKERS at a time."""
        tasks = itertools.product(self.deliveries, sides)
        with ThreadPoolExecutor(WORKERS) as workers:
            for one in [workers.submit(self._work, tasks) for _ in range(WORKERS)]:
                one.result()

    def _work(self, tasks: Iterator[tuple[int, str]]) -> None:
        while True:
            with self._lock:
                task = next(tasks, None)
            if task is None:
                return
            self._until_acknowledged(*task)
            with self._lock:
                self.done += 1

    def _until_acknowledged(self, at: int, side: str) -> None:
        while True:
            try:
                self._record(at, side)
                return
            except StoreError:
                with self._lock:
                    self.unanswered[side] += 1
            self._await_answer()
            if side == "counters_once":
                return

    def _record(self, at: int, side: str) -> None:
        one = receipt_of(at)
        match side:
            case "rows":
                self._rows.record([one])
            case "counters":
                self.counters.record([one])
            case "counters_once":
                self.counters.record([replace(one, region=one.region + REGIONS)])
            case "log":
                self.store.append(deliveries_at(self._whole, np.array([at])))

    def _await_answer(self) -> None:
        """Until the data centre answers again: nothing is sent to one that is known to be down."""
        deadline_s = time.monotonic() + AWAY_S_MAX
        while True:
            try:
                self.session.execute("SELECT key FROM system.local", timeout=CALM_TIMEOUT_S)
                return
            except FAILURES:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.1)

    def errors(self) -> dict[str, dict[str, Any]]:
        """Of each side what is counted too often and too seldom over regions and hours, and how long one of them takes to ask."""
        wanted: Counter[tuple[int, int]] = Counter((at % REGIONS, at % HOURS) for at in range(RECEIPTS))
        told: dict[str, dict[str, Any]] = {}
        for side, of, first_region in (
            ("rows", self._rows, 0),
            ("counters", self.counters, 0),
            ("counters_once", self.counters, REGIONS),
        ):
            begun_s = time.perf_counter()
            off = [
                of.half_hours(first_region + region, FIRST_HOUR + hour) - wanted[region, hour]
                for region in range(REGIONS)
                for hour in range(HOURS)
            ]
            query_ms = (time.perf_counter() - begun_s) / len(off) * 1e3
            told[side] = {**_over_and_under(off), "query_ms": round(query_ms, 2)}
        return told | {"log_by_duckdb": self._by_duckdb()}

    def _by_duckdb(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            begun_s = time.perf_counter()
            done = export(
                self.store, Path(folder), keyspace=TOPOLOGY.keyspace, estate="one", homes=NO_HOMES, as_of_us=1
            )
            exported_s = time.perf_counter()
            found = 0
            if done.manifest.rows_of():
                found = sum(row["meters"] for row in run_job(Path(folder), LOAD_DURATION).to_pylist())
            asked_s = time.perf_counter()
        return {
            **_over_and_under([found - RECEIPTS]),
            "query_ms": round((asked_s - exported_s) * 1e3, 2),
            "fresh_s": round(asked_s - begun_s, 2),
        }


def by_spark(endpoint: Endpoint) -> dict[str, Any]:
    """The same of the log by Spark: the first answer of a session, and the third, by which its classes are compiled."""
    begun_s = time.perf_counter()
    with SparkProcess(endpoint, TOPOLOGY.keyspace, threads=1, heap_mib=HEAP_MIB) as spark:
        first = spark.scan()
        first_s = time.perf_counter() - begun_s
        last = [spark.scan() for _ in range(2)][-1]
    assert first.half_hours == last.half_hours, "nothing is written meanwhile"
    return {
        **_over_and_under([last.half_hours - RECEIPTS]),
        "query_ms": round(last.took_s * 1e3, 2),
        "fresh_s": round(last.took_s, 2),
        "first_s": round(first_s, 2),
    }


class Breaking:
    """The fault, from a thread of its own, as a context manager around the deliveries. `deaths`: how often a node was killed."""

    def __init__(self, cluster: LocalCluster, kind: str, offices: dict[str, Office]) -> None:
        self._cluster, self._kind, self._offices = cluster, kind, offices
        self._over = threading.Event()
        self._parted: PartedSites | None = None
        self.deaths = 0
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Breaking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def heal(self) -> None:
        """The network, which stays parted until it is asked to be healed."""
        if self._parted is not None:
            self._parted.heal()

    def _run(self) -> None:
        try:
            match FaultKind(self._kind):
                case FaultKind.PAUSE:
                    self._pause()
                case FaultKind.PARTITION:
                    self._part()
                case _:
                    self._kill()
        except BaseException as error:
            self._failure = error

    def _pause(self) -> None:
        process = psutil.Process(next(node.pid for node in self._cluster.nodes if node.name == BROKEN))
        while not self._over.wait(RUNS_S):
            process.suspend()
            self._over.wait(STANDS_S)
            process.resume()

    def _kill(self) -> None:
        for share in DEATHS_AT:
            if not self._await_done(share):
                return
            self._cluster.break_nodes(FaultKind(self._kind), [BROKEN])
            self.deaths += 1
            self._cluster.heal_nodes(FaultKind(self._kind), [BROKEN])

    def _part(self) -> None:
        if self._await_done(PARTED_AT):
            assert self._cluster.network is not None, "it was started inside"
            parted = PartedSites(self._cluster, self._cluster.network, "north", ["south"], Direction.BOTH)
            parted.begin()
            self._parted = parted

    def _await_done(self, share: float) -> bool:
        """Until so much has come through `north`; False: all is over."""
        office = self._offices["north"]
        while office.done < share * len(office.deliveries) * len(SIDES):
            if self._over.wait(0.005):
                return False
        return True


def run(kind: str, progress: Callable[[str], None]) -> dict[str, Any]:
    """All of it, of one kind."""
    faults = [Fault(kind=FaultKind(kind), target="north", at_s=0.0, for_s=1.0)] if kind == FaultKind.POWER_CUT else []
    with contextlib.ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="bake_off_")))
        started = LocalCluster.start(TOPOLOGY, folder / "cluster", progress, heap_mib=HEAP_MIB, faults=faults)
        cluster = opened.enter_context(started)
        whole = readings_of(RECEIPTS, 0, RECEIPTS, 1)
        offices: dict[str, Office] = {}
        for number, dc in enumerate(("north", "south")):
            driver, session = connect(cluster.endpoint(dc))
            opened.callback(driver.shutdown)
            if not number:
                create_schema(session, SCHEMA, TOPOLOGY)
            offices[dc] = Office(
                session, [at for at in range(RECEIPTS) if at // (REGIONS * HOURS) % 2 == number], whole
            )
            opened.callback(offices[dc].store.close)
        told: dict[str, Any] = {"kind": kind, "deliveries": RECEIPTS}
        if kind == "healthy":
            told["cost"] = _record_apart(cluster, offices)
        else:
            told |= _record_broken(cluster, kind, offices, progress)
        told["unanswered"] = {side: sum(office.unanswered[side] for office in offices.values()) for side in SIDES}
        told["off"] = {dc: office.errors() for dc, office in offices.items()}
        print(json.dumps(told), flush=True)  # Spark takes longer than all else, and may be cut off
        if kind in ASKED_OF_SPARK and find_spec("pyspark") is not None:
            try:
                told["off"]["south"]["log_by_spark"] = by_spark(cluster.endpoint("south"))
            except HarnessError as error:  # all else was counted
                told["spark_failed"] = str(error)
        return told


def _record_apart(cluster: LocalCluster, offices: dict[str, Office]) -> dict[str, Any]:
    """One side after another: processor time of both nodes and bytes on one's disk, a delivery."""
    session = offices["north"].session
    for role in TABLES.values():
        name = SCHEMA.table(role).name
        session.execute(f"ALTER TABLE {TOPOLOGY.keyspace}.{name} WITH memtable_flush_period_in_ms = 1000", timeout=60)
    nodes = [psutil.Process(node.pid) for node in cluster.nodes]
    told: dict[str, Any] = {}
    for side in SIDES:
        before_s = _cpu_s(nodes)
        _record(offices, [side])
        told[side] = {"server_cpu_us": round((_cpu_s(nodes) - before_s) / RECEIPTS * 1e6)}
    time.sleep(3.0)  # until memtables are on disk
    for side, role in TABLES.items():
        folders = (cluster.nodes[0].folder / "data").glob(f"**/{TOPOLOGY.keyspace}/{SCHEMA.table(role).name}-*")
        told[side]["bytes"] = round(sum(folder_size(folder) for folder in folders) / RECEIPTS, 1)
    return told


def _record_broken(
    cluster: LocalCluster, kind: str, offices: dict[str, Office], progress: Callable[[str], None]
) -> dict[str, Any]:
    for office in offices.values():
        office.wait_at_most(TIMEOUT_S if kind == FaultKind.PAUSE else CALM_TIMEOUT_S)
    with Breaking(cluster, kind, offices) as breaking:
        _record(offices, SIDES)
    for office in offices.values():
        office.wait_at_most(CALM_TIMEOUT_S)
    told: dict[str, Any] = {"deaths": breaking.deaths}
    if kind == FaultKind.PARTITION:
        told["off_while_parted"] = {dc: office.errors() for dc, office in offices.items()}
        breaking.heal()
    progress("waiting for hints")
    time.sleep(HINTS_S_MIN)
    deadline_s = time.monotonic() + HINTS_S_MAX
    while (left := hints_left_bytes(cluster.folder)) and time.monotonic() < deadline_s:
        time.sleep(1.0)
    return told | {"hints_left_bytes": left}


def _record(offices: dict[str, Office], sides: Sequence[str]) -> None:
    with ThreadPoolExecutor(len(offices)) as through:
        for one in [through.submit(office.record, sides) for office in offices.values()]:
            one.result()


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    return float(sum(sum(one.cpu_times()[:2]) for one in processes))


def _over_and_under(off: Sequence[int]) -> dict[str, int]:
    return {"over": sum(max(one, 0) for one in off), "under": sum(max(-one, 0) for one in off)}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], lambda said: print(said, file=sys.stderr))))
