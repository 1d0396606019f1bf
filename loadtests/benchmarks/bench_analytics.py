"""What questions over all homes cost: reading everything by four ways, a late reading, a large warehouse, and what is exact.

    uv run --extra spark pytest loadtests/benchmarks/bench_analytics.py --benchmark-only --benchmark-json=analytics.json

`scan_rows_per_core_s`: half-hours a second of processor of whoever reads, not of the node: the log by token ranges, our export
of it, DuckDB over the Parquet that it wrote, Spark on the log with its fold; in turns. `resettle_amplification`: rows of the log
that a renewal by the journal reads, for each row of a day's uploads that came late. A warehouse of METERSTORM_BENCH_HALF_HOURS,
held against the seed, with the memory of its export. The bake-off is `bake_off.py`, in a process of its own.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from loadtests.benchmarks.bake_off import KINDS
from loadtests.benchmarks.bench_store import BLOCK, LOG_ALONE, START_US, Nodes, Side, load_log, readings_of
from loadtests.benchmarks.deliveries import deliveries_at
from loadtests.benchmarks.spark_process import SparkProcess
from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.machine import fingerprint
from loadtests.sites.enclosure import ENTER, OUTSIDE, obstacle
from scenarios.domain import SLOT_US, SLOTS_PER_DAY
from scenarios.parts.faults import FaultKind
from scenarios.spec import Dc, Topology
from store.analytics.changes import renew
from store.analytics.data_sets import HOMES_SCHEMA
from store.analytics.duck import run_job
from store.analytics.export import export
from store.analytics.half_hours import LOG_COLUMNS
from store.analytics.jobs import LOAD_DURATION
from store.analytics.warehouse import whole_warehouse
from store.cassandra import CassandraStore, create_schema
from store.cassandra.bulk import CassandraBulk
from store.columns import integers, row_count
from store.readings.across import Projection
from store.readings.projector import Projector
from store.roles import TableRole
from store.schemas import DEFAULT_SCHEMA as SCHEMA
from store.tariffs import FIRST_PRICES, Book

HOMES, DAYS, ROUNDS = int(os.environ.get("METERSTORM_BENCH_HOMES", "2000")), 30, 3
SPARK_HEAP_MIB = 2_048
BAKE_OFF_S_MAX = 900.0
LATE_HOMES, LATE_SHARE, BATCH = 5_000, 0.02, 500
WAREHOUSE_HALF_HOURS = int(os.environ.get("METERSTORM_BENCH_HALF_HOURS", "9_600_000"))
WAREHOUSE_HOMES = 20_000
NO_HOMES = tuple(HOMES_SCHEMA.empty_table().to_batches())


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    folder = tmp_path_factory.mktemp("cluster")
    with LocalCluster.start(topology("unused"), folder, print) as cluster:
        driver, session = connect(cluster.endpoint())
        yield Nodes(cluster=cluster, session=session)
        driver.shutdown()


def topology(keyspace: str) -> Topology:
    return Topology(dcs=(Dc(name="north", nodes=1, rf=1),), keyspace=keyspace)


def test_scan_rows_per_core_s(benchmark: Any, node: Nodes, tmp_path: Path) -> None:
    where = topology("scanned")
    create_schema(node.session, SCHEMA, where)
    load_log(node, where, HOMES, SLOTS_PER_DAY, days=DAYS)
    half_hours = HOMES * DAYS * SLOTS_PER_DAY
    store = CassandraStore(node.session, SCHEMA, where, Book())
    rates: dict[str, list[tuple[float, float]]] = {}  # of a second of processor, of the clock
    rounds = iter(range(ROUNDS + 1))

    def ranges(_: Path) -> None:
        log = SCHEMA.table(TableRole.EVENT_LOG)
        pages = (page for piece in store.bulk.pieces() for page in store.bulk.scan(log, LOG_COLUMNS, piece))
        assert sum(int(integers(page, "slot_count").sum()) for page in pages if row_count(page)) == half_hours

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

    with contextlib.ExitStack() as opened:
        is_with_spark = find_spec("pyspark") is not None
        spark = None
        if is_with_spark:
            made = SparkProcess(node.cluster.endpoint(), where.keyspace, threads=2, heap_mib=SPARK_HEAP_MIB)
            spark = opened.enter_context(made)

        def once() -> None:
            number = next(rounds)
            folder = tmp_path / f"warehouse-{number}"
            for name, work in (("ranges", ranges), ("export", ours), ("duckdb", duckdb)):
                begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
                work(folder)
                took = (half_hours / (time.process_time() - begun_cpu_s), half_hours / (time.perf_counter() - begun_s))
                if number:
                    rates.setdefault(name, []).append(took)
            if spark is not None:
                done = spark.scan()
                assert done.half_hours == half_hours
                if number:
                    rates.setdefault("spark", []).append((half_hours / done.cpu_s, half_hours / done.took_s))

        benchmark.pedantic(once, rounds=ROUNDS + 1)
    store.close()
    told = {name: ([round(one[0]) for one in of], [round(one[1]) for one in of]) for name, of in rates.items()}
    benchmark.extra_info |= {
        "scan_rows_per_core_s": {name: statistics.median(of[0]) for name, of in told.items()},
        "scan_rows_per_s": {name: statistics.median(of[1]) for name, of in told.items()},
        "rounds": told,
        "half_hours": half_hours,
        **fingerprint(),
    }


@pytest.mark.timeout(3_600)
def test_warehouse_is_the_seeds(benchmark: Any, node: Nodes, tmp_path: Path) -> None:
    """WAREHOUSE_HALF_HOURS of them exported by a process of its own, its memory watched, and each held against the seed."""
    days = WAREHOUSE_HALF_HOURS // (WAREHOUSE_HOMES * SLOTS_PER_DAY)
    uploads = WAREHOUSE_HOMES * days
    begun_s = time.perf_counter()
    side = Side(node, LOG_ALONE, "many", SLOTS_PER_DAY, homes=WAREHOUSE_HOMES)
    side.send(uploads, is_counted=False)
    loaded_s = time.perf_counter() - begun_s
    told: dict[str, Any] = {}

    def exported() -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", _EXPORT, node.cluster.contact_points[0], str(tmp_path / "many")]
        )
        peak_mib = 0.0
        while process.poll() is None:
            peak_mib = max(peak_mib, _anonymous_mib(process.pid))
            time.sleep(0.05)
        assert process.returncode == 0
        told["peak_anonymous_mib"] = round(peak_mib)

    benchmark.pedantic(exported, rounds=1)
    manifest = whole_warehouse(tmp_path / "many", verify=True)
    _require_the_seeds(tmp_path / "many", uploads)
    took_s = benchmark.stats.stats.mean
    benchmark.extra_info |= {
        "half_hours": manifest.rows_of(),
        "loaded_s": round(loaded_s),
        "exported_s": round(took_s, 1),
        "half_hours_per_s": round(manifest.rows_of() / took_s),
        "files": len(manifest.files),
        "bytes_per_half_hour": round(sum(one.size for one in manifest.files) / manifest.rows_of(), 2),
        **told,
        **fingerprint(),
    }


_EXPORT = """
import sys
from pathlib import Path
from loadtests.benchmarks.bench_analytics import NO_HOMES, topology
from loadtests.benchmarks.bench_store import LOG_ALONE
from loadtests.cluster.connect import Endpoint, connect
from store.analytics.export import export
from store.cassandra import CassandraStore
from store.tariffs import Book

where = topology("many")
driver, session = connect(Endpoint(contact_points=(sys.argv[1],), local_dc="north"))
store = CassandraStore(session, LOG_ALONE, where, Book())
export(store, Path(sys.argv[2]), keyspace=where.keyspace, estate="one", homes=NO_HOMES, as_of_us=1)
"""


def _anonymous_mib(pid: int) -> float:
    """What a process has for itself; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1_024 for line in lines if line.startswith("RssAnon"))


def _require_the_seeds(folder: Path, uploads: int) -> None:
    """Each half-hour that was sent is there once, with its value, and no other is."""
    wanted = np.full((WAREHOUSE_HOMES, uploads // WAREHOUSE_HOMES * SLOTS_PER_DAY), -1, np.int32)
    for first in range(0, uploads, BLOCK):
        sent = readings_of(WAREHOUSE_HOMES, first, min(BLOCK, uploads - first), SLOTS_PER_DAY)
        slot = (sent.interval_start_us - START_US) // SLOT_US
        wanted[sent.premises[:, None], slot[:, None] + np.arange(SLOTS_PER_DAY)] = sent.values_wh
    for path in folder.glob("half_hours/**/*.parquet"):
        table = pq.ParquetFile(path).read(columns=["premises", "start", "wh"])
        home = table.column("premises").to_numpy()
        slot = (table.column("start").cast(pa.int64()).to_numpy() * 1_000 - START_US) // SLOT_US
        assert (wanted[home, slot] == table.column("wh").to_numpy()).all(), path
        wanted[home, slot] = -1
    assert (wanted == -1).all(), f"{int((wanted != -1).sum())} half-hours are not in the warehouse"


def test_resettle_amplification(benchmark: Any, node: Nodes, tmp_path: Path) -> None:
    session = node.session
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
            projector.deliver([deliveries_at(whole, homes[at : at + BATCH])])

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


@pytest.mark.parametrize("kind", KINDS)
def test_bake_off(benchmark: Any, kind: str) -> None:
    """Half-hours received by hour and region, by rows, by counters and from the log: how far each is off, see `bake_off`."""
    command, environment = [sys.executable, "-m", "loadtests.benchmarks.bake_off", kind], dict(os.environ)
    if kind == FaultKind.PARTITION:
        if (reason := obstacle()) is not None:
            pytest.skip(f"this machine forbids namespaces: {reason}")
        command = [sys.executable, "-I", "-S", str(ENTER), *command]
        environment[OUTSIDE] = f"{os.getpid()} 0.0"
    told: list[dict[str, Any]] = []

    def once() -> None:
        ran = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, check=True, env=environment, timeout=BAKE_OFF_S_MAX
        )
        told.append(json.loads(ran.stdout.splitlines()[-1]))

    benchmark.pedantic(once, rounds=1)
    benchmark.extra_info |= {"bake_off": told[0], **fingerprint()}
