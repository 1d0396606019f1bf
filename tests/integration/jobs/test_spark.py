"""Every job by real Spark, on the event log of a real cluster and on a warehouse, equals DuckDB's answer row by row.

One small session does all of it: a thread, two parts, and the cluster's data centre `south`. The default tests ask each job once,
where Spark is installed; `-m long` asks on a warehouse too what is asked of the event log.
"""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from loadtests.cluster.local import LocalCluster
from scenarios.spec import Dc, Topology
from store.analytics.bills import BillReader
from store.analytics.commands import CommandReader
from store.analytics.duck import run_job as run_by_duckdb
from store.analytics.export import export
from store.analytics.job import AnalyticsJob
from store.analytics.jobs import JOBS
from store.cassandra import CassandraStore, create_schema
from store.roles import TableRole
from tests.integration.store.test_warehouse import reads_of
from tests.support.schema_under_test import SCHEMA
from tests.support.store_deliveries import BOOK, send
from tests.unit.store.analytics.test_billing_check import FIRST_TARIFFS, MARCH, Estate
from tests.unit.store.analytics.test_jobs import SENT
from tests.unit.store.analytics.test_reconcile import DEVICES, Head, commanded
from tests.unit.store.analytics.test_warehouse import AS_OF_US, exported, homes_of, store_with

pytest.importorskip("pyspark", reason="Spark is not installed: uv run --extra spark pytest")

OF_THE_LOG = [name for name, job in JOBS.items() if "half_hours" in job.reads]
OF_A_WAREHOUSE = [name for name in JOBS if name not in OF_THE_LOG]
HEAP_MIB, PARTS = 512, 2


@pytest.fixture(scope="module")
def keyspace(session: Any) -> Iterator[str]:
    name = f"spark_{uuid.uuid4().hex[:12]}"
    dcs = (Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1))
    topology = Topology(dcs=dcs, keyspace=name)
    create_schema(session, SCHEMA, topology)
    store = CassandraStore(session, SCHEMA, topology, BOOK)
    for one in SENT:
        send(store, one)
    store.close()
    yield name
    session.execute(f"DROP KEYSPACE {name}", timeout=60)


@pytest.fixture(scope="module")
def warehouse(session: Any, keyspace: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("warehouse")
    dcs = (Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1))
    store = CassandraStore(session, SCHEMA, Topology(dcs=dcs, keyspace=keyspace), BOOK)
    billed = Estate()
    billed.bill(MARCH, 1)
    billed.correct(1, received_us=0)
    head = commanded(Head())
    beside = [
        BillReader(billed.store, FIRST_TARIFFS.__getitem__),
        CommandReader(head.tables, lambda piece: iter(DEVICES if piece.after < 0 <= piece.through else ())),
    ]
    homes = homes_of(2)  # of the third nobody knows where it is
    export(store, folder, keyspace=keyspace, estate="one", as_of_us=AS_OF_US, homes=homes, beside=beside)
    store.close()
    return folder


@pytest.fixture(scope="module", autouse=True)
def another_zone() -> Iterator[None]:
    """The process is where the clocks are not UTC's: instants must come out the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Asia/Kolkata")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(scope="module")
def spark(two_dc_cluster: LocalCluster) -> Iterator[Any]:
    from meterstorm.jobs.analytics.spark import spark_session

    endpoint = two_dc_cluster.endpoint("south")
    with spark_session(master="local[1]", endpoint=endpoint, memory_mib=HEAP_MIB) as opened:
        opened.conf.set("spark.sql.shuffle.partitions", str(PARTS))
        yield opened


def told(table: pa.Table) -> tuple[pa.Schema, list[dict[str, Any]]]:
    """What is compared: types, names and rows; Parquet's instants are of milliseconds."""
    milliseconds, microseconds = pa.timestamp("ms", "UTC"), pa.timestamp("us", "UTC")
    fields = [each.with_type(microseconds if each.type == milliseconds else each.type) for each in table.schema]
    return pa.schema([(each.name, each.type) for each in fields]), table.to_pylist()


def of_log(spark: Any, keyspace: str, warehouse: Path, job: AnalyticsJob) -> dict[str, Any]:
    from store.analytics.spark import event_log, half_hours_of, of_warehouse

    log = event_log(spark, keyspace, SCHEMA.table(TableRole.EVENT_LOG).name)
    return of_warehouse(spark, warehouse, job) | {"half_hours": half_hours_of(log, BOOK.calendar)}


def assert_equal(spark: Any, views: dict[str, Any], warehouse: Path, name: str) -> None:
    from store.analytics.spark import run_job, to_arrow

    by_spark = to_arrow(run_job(spark, views, JOBS[name]))
    assert told(by_spark) == told(run_by_duckdb(warehouse, JOBS[name])) and by_spark.num_rows


@pytest.mark.parametrize("name", OF_THE_LOG)
def test_on_the_event_log_through_its_data_centre_alone(
    spark: Any, session: Any, warehouse: Path, keyspace: str, name: str
) -> None:
    before = reads_of(session, keyspace)  # of `north`
    assert_equal(spark, of_log(spark, keyspace, warehouse, JOBS[name]), warehouse, name)
    assert reads_of(session, keyspace) == before


@pytest.mark.parametrize(
    "name", [*OF_A_WAREHOUSE, *(pytest.param(name, marks=pytest.mark.long) for name in OF_THE_LOG)]
)
def test_on_a_warehouse(spark: Any, warehouse: Path, name: str) -> None:
    from store.analytics.spark import of_warehouse

    assert_equal(spark, of_warehouse(spark, warehouse, JOBS[name]), warehouse, name)


@pytest.mark.long
def test_a_data_set_without_a_row(spark: Any, tmp_path: Path) -> None:
    from store.analytics.spark import of_warehouse, run_job, to_arrow

    exported(store_with([]), tmp_path)
    for name in OF_A_WAREHOUSE:
        by_spark = to_arrow(run_job(spark, of_warehouse(spark, tmp_path, JOBS[name]), JOBS[name]))
        assert told(by_spark) == told(run_by_duckdb(tmp_path, JOBS[name])) and by_spark.num_rows == 0
