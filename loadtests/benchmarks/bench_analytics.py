"""What questions over all homes cost: reading everything by three ways, a late reading, and the business data centre beside it.

    uv run --extra spark pytest loadtests/benchmarks/bench_analytics.py --benchmark-only --benchmark-json=analytics.json

`scan_rows_per_core_s`: half-hours a second of processor of whoever reads, not of the node: our export by token ranges, DuckDB
over the Parquet that it wrote, Spark on the event log; in turns. `resettle_amplification`: rows of the log that a renewal by the
journal reads, for each row of a day's uploads that came late. `isolation_p99_ratio`: storms in turns, alone, with full scans at
the analytics data centre, and with the same scans misdirected at the business one. Where nodes share processors the last is
void, and says so.
"""

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tomli_w
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Session
from numpy.typing import NDArray

from loadtests.benchmarks.bench_store import load_log, readings_of
from loadtests.cluster.connect import Endpoint, connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.machine import fingerprint, processor_count
from loadtests.monitoring.node_metrics import folder_size
from loadtests.stats.estimates import paired_ratio
from scenarios.domain import SLOTS_PER_DAY
from scenarios.file import resolve_scenario
from scenarios.spec import Dc, Topology
from store.analytics.changes import renew
from store.analytics.data_sets import HOMES_SCHEMA
from store.analytics.duck import run_job
from store.analytics.export import export
from store.analytics.jobs import LOAD_DURATION
from store.cassandra import CassandraStore, create_schema
from store.cassandra.bulk import CassandraBulk
from store.ports import StoreError
from store.readings.across import Projection
from store.readings.projector import Projector
from store.readings.receipts import HOUR_US, CounterReceipts, Receipt, Receipts, RowReceipts
from store.roles import TableRole
from store.rows import Readings
from store.schemas import DEFAULT_SCHEMA as SCHEMA
from store.tariffs import FIRST_PRICES, Book, DayTotals

HOMES, DAYS, ROUNDS = 2_000, 30, 3
LATE_HOMES, LATE_SHARE, BATCH = 5_000, 0.02, 500
RECEIPTS, REGIONS, HOURS = 3_000, 3, 4
TIMEOUT_S, STANDS_S, RUNS_S = 0.25, 0.6, 0.6  # of the driver; of the node, which stands still and runs in turns
PAIRS = int(os.environ.get("METERSTORM_BENCH_PAIRS", "3"))
SCENARIO = os.environ.get("METERSTORM_BENCH_SCENARIO", "first_utility_small")
OPERATION = "ingest_reading"
NO_HOMES = tuple(HOMES_SCHEMA.empty_table().to_batches())
ARMS = ("alone", "analytics", "misdirected")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, Endpoint]]:
    folder = tmp_path_factory.mktemp("cluster")
    with LocalCluster.start(topology("unused"), folder, print) as cluster:
        driver, session = connect(cluster.endpoint())
        yield session, cluster.endpoint()
        driver.shutdown()


def topology(keyspace: str) -> Topology:
    return Topology(dcs=(Dc(name="north", nodes=1, rf=1),), keyspace=keyspace)


class _Nodes:
    """What `load_log` asks of a cluster."""

    def __init__(self, session: Session) -> None:
        self.session = session


def test_scan_rows_per_core_s(benchmark: Any, node: tuple[Session, Endpoint], tmp_path: Path) -> None:
    session, endpoint = node
    where = topology("scanned")
    create_schema(session, SCHEMA, where)
    load_log(_Nodes(session), where, HOMES, SLOTS_PER_DAY, days=DAYS)  # type: ignore[arg-type]
    half_hours = HOMES * DAYS * SLOTS_PER_DAY
    store = CassandraStore(session, SCHEMA, where, Book())
    rates: dict[str, list[tuple[float, float]]] = {}  # of a second of processor, of the clock
    rounds = iter(range(ROUNDS + 1))

    def ours(folder: Path) -> None:
        done = export(
            store,
            folder,
            keyspace=where.keyspace,
            estate="one",
            homes=NO_HOMES,
            as_of_us=1,
        )
        assert done.manifest.rows_of() == half_hours

    def duckdb(folder: Path) -> None:
        assert sum(row["meters"] for row in run_job(folder, LOAD_DURATION).to_pylist()) == half_hours

    def once() -> None:
        number = next(rounds)
        folder = tmp_path / f"warehouse-{number}"
        for name, work in (("ours", ours), ("duckdb", duckdb)):
            begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
            work(folder)
            took = (half_hours / (time.process_time() - begun_cpu_s), half_hours / (time.perf_counter() - begun_s))
            if number:
                rates.setdefault(name, []).append(took)
        if find_spec("pyspark") is not None:
            rate = _by_spark(endpoint, where.keyspace, half_hours)
            if number:
                rates.setdefault("spark", []).append(rate)

    benchmark.pedantic(once, rounds=ROUNDS + 1)
    store.close()
    benchmark.extra_info |= {
        "scan_rows_per_core_s": {name: round(statistics.median(one[0] for one in of)) for name, of in rates.items()},
        "scan_rows_per_s": {name: round(statistics.median(one[1] for one in of)) for name, of in rates.items()},
        "half_hours": half_hours,
        **fingerprint(),
    }


_SPARK = """
import json, sys, time
import psutil
from pyspark.sql import functions as f
from loadtests.cluster.connect import Endpoint
from meterstorm.jobs.analytics.spark import spark_session
from scenarios.calendar import UTC_CALENDAR
from store.analytics.spark import event_log, half_hours_of

host, port, dc, keyspace, table = sys.argv[1:]

def jvm_cpu_s():
    times = [one.cpu_times() for one in psutil.Process().children(recursive=True)]
    return sum(one.user + one.system for one in times)

with spark_session(endpoint=Endpoint(contact_points=(host,), port=int(port), local_dc=dc)) as spark:
    log = event_log(spark, keyspace, table)
    log.limit(1).collect()  # connected, and the plan's classes are loaded
    begun_s, begun_cpu_s = time.perf_counter(), jvm_cpu_s()
    rows = half_hours_of(log, UTC_CALENDAR).agg(f.count("*")).collect()[0][0]
    print(json.dumps([rows, jvm_cpu_s() - begun_cpu_s, time.perf_counter() - begun_s]))
"""


def _by_spark(endpoint: Endpoint, keyspace: str, half_hours: int) -> tuple[float, float]:
    """Half-hours a second of the JVM's processor time, and of the clock; its start is not counted."""
    table = SCHEMA.table(TableRole.EVENT_LOG).name
    arguments = [endpoint.contact_points[0], str(endpoint.port), endpoint.local_dc, keyspace, table]
    ran = subprocess.run([sys.executable, "-c", _SPARK, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    rows, cpu_s, took_s = json.loads(ran.stdout.splitlines()[-1])
    assert rows == half_hours
    return half_hours / cpu_s, half_hours / took_s


def test_resettle_amplification(benchmark: Any, node: tuple[Session, Endpoint], tmp_path: Path) -> None:
    session, _ = node
    where = topology("resettled")
    create_schema(session, SCHEMA, where)
    store, slices = (
        CassandraStore(session, SCHEMA, where, Book(prices=(FIRST_PRICES,), kind_of=_flat)),
        CassandraBulk(session, where),
    )
    projector = Projector(store, Projection(region_of=lambda premises: premises * 0), writer=0, started_us=1)
    projector.heal()
    is_late = np.random.default_rng(1).random(LATE_HOMES) < LATE_SHARE
    told: dict[str, Any] = {"keyspace": where.keyspace, "estate": "one"}

    whole = readings_of(LATE_HOMES, 0, LATE_HOMES, SLOTS_PER_DAY)

    def deliver(homes: NDArray[np.int64]) -> None:
        for at in range(0, len(homes), BATCH):
            projector.deliver([_of_homes(whole, homes[at : at + BATCH])])

    def resettle() -> None:
        deliver(np.flatnonzero(~is_late))
        export(store, tmp_path, homes=NO_HOMES, as_of_us=1, writers=[0], **told)
        deliver(np.flatnonzero(is_late))
        # there is one data centre: nothing is on its way to it
        done = renew(store, slices, tmp_path, writers=[0], as_of_us=2, arrives_within_us=0, **told)
        again = renew(store, slices, tmp_path, writers=[0], as_of_us=3, arrives_within_us=0, **told)
        assert done.manifest.rows_of() == LATE_HOMES * SLOTS_PER_DAY and again.files_written == again.rows_read == 0
        benchmark.extra_info |= {
            "resettle_amplification": round(done.rows_read / int(is_late.sum()), 3),
            "rows_read": done.rows_read,
            "late_uploads": int(is_late.sum()),
            "uploads": LATE_HOMES,
            "files_written": done.files_written,
        }

    benchmark.pedantic(resettle, rounds=1)
    slices.close()
    store.close()
    benchmark.extra_info |= fingerprint()


def _flat(premises: Any, _: Any) -> Any:
    return np.zeros(len(premises), np.uint8)


def _of_homes(whole: Readings, homes: NDArray[np.int64]) -> Readings:
    assert whole.day is not None
    chosen = {name: value[homes] for name, value in _arrays_of(whole).items()}
    return replace(
        whole, day=DayTotals(**{name: value[homes] for name, value in _arrays_of(whole.day).items()}), **chosen
    )


def _arrays_of(record: Readings | DayTotals) -> dict[str, Any]:
    held = {one.name: getattr(record, one.name) for one in fields(record)}
    return {name: value for name, value in held.items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize("is_broken", [False, True], ids=["healthy", "paused"])
def test_bake_off(benchmark: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, is_broken: bool) -> None:
    """Half-hours received by hour and region, by rows, by counters and from the log: how far each is off, and what it costs.

    Each delivery is recorded until it is acknowledged, but for counters that are not retried. While it is broken, the node stands
    still for longer than the driver waits, again and again.
    """
    with LocalCluster.start(topology("unused"), tmp_path_factory.mktemp("bake_off"), print) as cluster:
        driver, session = connect(cluster.endpoint())
        where = topology("bake_off")
        create_schema(session, SCHEMA, where)
        for role in (TableRole.RECEIPTS, TableRole.RECEIPT_COUNTERS, TableRole.EVENT_LOG):
            name = SCHEMA.table(role).name
            session.execute(f"ALTER TABLE {where.keyspace}.{name} WITH memtable_flush_period_in_ms = 1000", timeout=60)
        store = CassandraStore(session, SCHEMA, where, Book(prices=(FIRST_PRICES,), kind_of=_flat))
        rows, counters = RowReceipts(store.statements), CounterReceipts(store.statements)
        whole = readings_of(RECEIPTS, 0, RECEIPTS, 1)
        receipts = [
            Receipt(
                received_at_us=HOUR_US * (500_000 + at % HOURS),
                region=at % REGIONS,
                mpxn=at,
                interval_start_us=0,
                slot_count=1,
                revision=0,
                known_count=1,
            )
            for at in range(RECEIPTS)
        ]
        told: dict[str, dict[str, Any]] = {}
        process = psutil.Process(cluster.nodes[0].pid)
        session.get_execution_profile(EXEC_PROFILE_DEFAULT).request_timeout = TIMEOUT_S if is_broken else 10.0

        def record(name: str, work: Callable[[int], None], *, is_retried: bool) -> None:
            begun_cpu, doubts = sum(process.cpu_times()[:2]), 0
            over = threading.Event()
            breaking = threading.Thread(target=_pause_again_and_again, args=(process, over))
            if is_broken:
                breaking.start()
            try:
                for at in range(RECEIPTS):
                    while True:
                        try:
                            work(at)
                            break
                        except StoreError:
                            doubts += 1
                            if not is_retried:
                                break
            finally:
                over.set()
                if is_broken:
                    breaking.join()
            cpu_us = (sum(process.cpu_times()[:2]) - begun_cpu) / RECEIPTS * 1e6
            told[name] = {"in_doubt": doubts, "server_cpu_us": round(cpu_us)}

        def counted(of: Receipts) -> tuple[int, float]:
            begun_s = time.perf_counter()
            found = sum(of.half_hours(region, 500_000 + hour) for region in range(REGIONS) for hour in range(HOURS))
            return found, (time.perf_counter() - begun_s) / (REGIONS * HOURS)

        record("rows", lambda at: rows.record([receipts[at]]), is_retried=True)
        record("counters", lambda at: counters.record([receipts[at]]), is_retried=True)
        record("log", lambda at: store.append(_of_homes(whole, np.array([at]))), is_retried=True)
        session.get_execution_profile(EXEC_PROFILE_DEFAULT).request_timeout = 10.0
        for name, of in (("rows", rows), ("counters", counters)):
            found, query_s = counted(of)
            told[name] |= {"error": found - RECEIPTS, "query_ms": round(query_s * 1e3, 2), "fresh_s": 0.0}
        session.execute(f"TRUNCATE {where.keyspace}.{SCHEMA.table(TableRole.RECEIPT_COUNTERS).name}", timeout=60)
        session.get_execution_profile(EXEC_PROFILE_DEFAULT).request_timeout = TIMEOUT_S if is_broken else 10.0
        record("counters_once", lambda at: counters.record([receipts[at]]), is_retried=False)
        session.get_execution_profile(EXEC_PROFILE_DEFAULT).request_timeout = 10.0
        told["counters_once"] |= {"error": counted(counters)[0] - RECEIPTS}

        def ask_the_log() -> None:
            begun_s = time.perf_counter()
            export(store, tmp_path, keyspace=where.keyspace, estate="one", homes=NO_HOMES, as_of_us=1)
            exported_s = time.perf_counter()
            found = sum(row["meters"] for row in run_job(tmp_path, LOAD_DURATION).to_pylist())
            asked_s = time.perf_counter()
            told["log"] |= {
                "error": found - RECEIPTS,
                "query_ms": round((asked_s - exported_s) * 1e3, 2),
                "fresh_s": round(asked_s - begun_s, 2),
            }

        benchmark.pedantic(ask_the_log, rounds=1)
        time.sleep(3.0)  # until memtables are on disk
        for name, role in (
            ("rows", TableRole.RECEIPTS),
            ("counters", TableRole.RECEIPT_COUNTERS),
            ("log", TableRole.EVENT_LOG),
        ):
            folders = (cluster.nodes[0].folder / "data").glob(f"**/{where.keyspace}/{SCHEMA.table(role).name}-*")
            told[name]["bytes"] = round(sum(folder_size(folder) for folder in folders) / RECEIPTS, 1)
        store.close()
        driver.shutdown()
    benchmark.extra_info |= {"bake_off": told, "deliveries": RECEIPTS, "is_broken": is_broken, **fingerprint()}


def _pause_again_and_again(process: psutil.Process, over: threading.Event) -> None:
    while not over.wait(RUNS_S):
        process.suspend()
        over.wait(STANDS_S)
        process.resume()


def test_isolation_p99_ratio(benchmark: Any, tmp_path: Path) -> None:
    p99_ms: dict[str, list[float]] = {arm: [] for arm in ARMS}
    rounds: dict[str, list[int]] = {arm: [] for arm in ARMS}
    pair = iter(range(PAIRS))

    def once() -> None:
        number = next(pair)
        for arm in ARMS if number % 2 == 0 else tuple(reversed(ARMS)):
            results = _stormed(tmp_path / f"{number}-{arm}", arm)
            p99_ms[arm].append(results["operations"][OPERATION]["response_ms"]["p99"])
            rounds[arm].append(len(results.get("analytics", [])))

    benchmark.pedantic(once, rounds=PAIRS)
    found = {arm: paired_ratio(np.array(p99_ms[arm]), np.array(p99_ms["alone"])) for arm in ARMS[1:] if PAIRS > 1}
    benchmark.extra_info |= {
        "isolation_p99_ratio": {
            arm: [round(x, 3) for x in (one.mean, one.low, one.high)] for arm, one in found.items()
        },
        "isolation_void": _why_void(),
        "p99_ms": p99_ms,
        "scans": rounds,
        **fingerprint(),
    }


def _stormed(out: Path, arm: str) -> dict[str, Any]:
    """results.json of a storm, with full scans one after another."""
    scenario = json.loads(resolve_scenario(Path(SCENARIO), None).model_dump_json(exclude_none=True))
    business, analytics = (
        next(dc["name"] for dc in scenario["topology"]["dcs"] if dc["role"] == role)
        for role in ("business", "analytics")
    )
    scan = {"job": "load_duration", "at_s": 0.0, "every_s": 1.0, "dc": analytics}
    planned = {"alone": [], "analytics": [scan], "misdirected": [{**scan, "dc": business, "misdirected": True}]}
    path = out.with_suffix(".toml")
    path.write_text(tomli_w.dumps(scenario | {"analytics": planned[arm]}))
    command = [sys.executable, "-m", "meterstorm.cli.app", "run", str(path), "--out", str(out), "--quiet"]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL)  # its verdict is of no matter here
    results: dict[str, Any] = json.loads((out / "results.json").read_text())
    return results


def _why_void() -> str | None:
    """Why the ratio says nothing of two data centres with machines of their own; None: it does."""
    nodes = resolve_scenario(Path(SCENARIO), None).topology.node_count
    if processor_count() >= 2 * nodes:
        return None
    return (
        f"{nodes} nodes, the sender and the scan share {processor_count()} processors, and none is held to a share: what the "
        "analytics node takes of them, the business node lacks"
    )
