"""The warehouse of a keyspace in Cassandra: the same facts, bills and commands as that of the model, and the same answers."""

import datetime as dt
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from scenarios.spec import Dc, Topology
from store.analytics.bills import BillReader
from store.analytics.changes import renew
from store.analytics.commands import CommandReader, devices_of
from store.analytics.data_sets import SCHEMAS as DATA_SETS
from store.analytics.duck import run_job
from store.analytics.export import export
from store.analytics.insights import edition_of, insights_of, profile_of, publish
from store.analytics.jobs import JOBS, PEAKS, PROFILES
from store.analytics.warehouse import whole_warehouse
from store.cassandra import CassandraStore, create_schema
from store.cassandra.bulk import CassandraBulk
from store.cassandra.commands import CassandraCommandTables
from store.cassandra.session import Statements
from store.memory import MemoryStore
from store.readings.across import Projection
from store.readings.projector import Projector
from store.readings.store import HomeReadings
from tests.support.schema_under_test import SCHEMA
from tests.support.store_deliveries import BOOK, send
from tests.unit.store.analytics.test_billing_check import FIRST_TARIFFS, LONDON, MARCH, Estate
from tests.unit.store.analytics.test_changes import WRITER, contents_of
from tests.unit.store.analytics.test_insights import LARGE, UPLOADS, warehouse_of
from tests.unit.store.analytics.test_jobs import SENT
from tests.unit.store.analytics.test_reconcile import DEVICES, Head, commanded
from tests.unit.store.analytics.test_warehouse import AS_OF_US, CORRECTION, facts_in, homes_of


@pytest.fixture
def topology(session: Any) -> Iterator[Topology]:
    dcs = (Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1))
    made = Topology(dcs=dcs, keyspace=f"warehouse_{uuid.uuid4().hex[:12]}")
    yield made
    session.execute(f"DROP KEYSPACE IF EXISTS {made.keyspace}", timeout=60)


def test_cassandra_and_the_model_have_one_warehouse(session: Any, topology: Topology, tmp_path: Path) -> None:
    create_schema(session, SCHEMA, topology)
    real, model = CassandraStore(session, SCHEMA, topology, BOOK), MemoryStore(SCHEMA, BOOK)
    try:
        for one in SENT:
            send(real, one)
            send(model, one)
        folders = {"real": tmp_path / "real", "model": tmp_path / "model"}
        for name, store in (("real", real), ("model", model)):
            export(store, folders[name], keyspace="meters", estate="one", as_of_us=AS_OF_US, homes=homes_of())
        order = ["premises", "fuel", "start"]
        held = {name: facts_in(folder).sort(order) for name, folder in folders.items()}
        assert held["real"].equals(held["model"])
        assert len(held["real"]) == whole_warehouse(folders["real"], verify=True).rows_of()
        for job in (one for one in JOBS.values() if "half_hours" in one.reads):
            assert run_job(folders["real"], job).to_pylist() == run_job(folders["model"], job).to_pylist(), job.name
        again = export(real, folders["real"], keyspace="meters", estate="one", as_of_us=AS_OF_US, homes=homes_of())
        assert again.files_written == 0 and again.files_unchanged == len(again.manifest.files)
        send(real, CORRECTION)
        again = export(real, folders["real"], keyspace="meters", estate="one", as_of_us=AS_OF_US, homes=homes_of())
        assert again.files_written == 1
        assert held["real"]["settlement_date"].min() == dt.date(2026, 1, 31)
    finally:
        real.close()


def test_bills_and_commands_of_cassandra_are_those_of_the_model(
    session: Any, topology: Topology, tmp_path: Path
) -> None:
    create_schema(session, SCHEMA, topology, LONDON)
    statements, bulk = Statements(session, SCHEMA, topology), CassandraBulk(session, topology)
    tables = CassandraCommandTables(statements)
    real, model = Estate(statements, bulk), Estate()
    heads = {"real": commanded(Head(tables)), "model": commanded(Head())}
    try:
        for estate in (real, model):
            estate.bill(MARCH, 1)
            estate.correct(1, received_us=0)  # known before the bill, which lacks it: wrong
        first = model.store.bulk.pieces()[0]
        beside = {
            "real": CommandReader(tables, partial(devices_of, bulk, SCHEMA)),
            "model": CommandReader(heads["model"].tables, lambda piece: iter(DEVICES if piece == first else ())),
        }
        for name, estate in (("real", real), ("model", model)):
            readers = [BillReader(estate.store, FIRST_TARIFFS.__getitem__), beside[name]]
            folder = tmp_path / name
            export(estate.store, folder, keyspace="k", estate="one", as_of_us=1, homes=homes_of(), beside=readers)
        for data_set in set(DATA_SETS) - {"half_hours"}:
            rows = [pl.read_parquet(tmp_path / name / data_set / "*.parquet") for name in ("real", "model")]
            assert rows[0].sort(pl.all()).equals(rows[1].sort(pl.all())) and len(rows[0]), data_set
        for job in JOBS.values():
            told = [run_job(tmp_path / name, job).to_pylist() for name in ("real", "model")]
            assert told[0] == told[1] and told[0], job.name
        assert {"wrong", "right"} <= {
            row["verdict"] for row in run_job(tmp_path / "real", JOBS["billing_check"]).to_pylist()
        }
    finally:
        bulk.close()


def test_a_renewal_by_the_journal_is_what_a_whole_export_is(session: Any, topology: Topology, tmp_path: Path) -> None:
    create_schema(session, SCHEMA, topology)
    real = CassandraStore(session, SCHEMA, topology, BOOK)
    bulk = CassandraBulk(session, topology)
    projector = Projector(real, Projection(region_of=lambda premises: premises * 0), writer=WRITER, started_us=1)
    told = {"keyspace": "k", "estate": "e", "writers": [WRITER]}
    try:
        projector.heal()
        for one in SENT[:8]:
            projector.deliver([one.readings()])
        export(real, tmp_path / "renewed", homes=homes_of(), as_of_us=1, **told)  # type: ignore[arg-type]
        for one in [*SENT[8:], CORRECTION]:
            projector.deliver([one.readings()])
        done = renew(real, bulk, tmp_path / "renewed", as_of_us=2, **told)  # type: ignore[arg-type]
        export(real, tmp_path / "whole", homes=homes_of(), as_of_us=2, **told)  # type: ignore[arg-type]
        assert contents_of(tmp_path / "renewed") == contents_of(tmp_path / "whole")
        assert done.rows_read >= len(SENT) - 8 and done.files_written
    finally:
        bulk.close()
        real.close()


READ_COUNTS = tuple(f"{where}_{what}_latency" for where in ("coordinator", "local") for what in ("read", "scan"))


def reads_of(session: Any, keyspace: str) -> int:
    """Reads and scans of a keyspace's tables that the session's one node has coordinated and served, by its own count."""
    rows = (row for table in READ_COUNTS for row in session.execute(f"SELECT * FROM system_views.{table}"))
    return sum(row.count for row in rows if row.keyspace_name == keyspace)


def test_an_export_is_served_by_its_data_centre_alone(
    session: Any, topology: Topology, two_dc_cluster: LocalCluster, tmp_path: Path
) -> None:
    create_schema(session, SCHEMA, topology)
    estate = Estate(Statements(session, SCHEMA, topology), CassandraBulk(session, topology))
    estate.bill(MARCH, 1)
    driver, south = connect(two_dc_cluster.endpoint("south"))
    bulk = CassandraBulk(south, topology)
    try:
        store = HomeReadings(Statements(south, SCHEMA, topology), bulk, estate.book)
        tables = CassandraCommandTables(Statements(south, SCHEMA, topology))
        readers = [
            BillReader(store, FIRST_TARIFFS.__getitem__),
            CommandReader(tables, partial(devices_of, bulk, SCHEMA)),
        ]
        before = {name: reads_of(one, topology.keyspace) for name, one in (("north", session), ("south", south))}
        export(store, tmp_path, keyspace="k", estate="e", as_of_us=1, homes=homes_of(), beside=readers)
        after = {name: reads_of(one, topology.keyspace) for name, one in (("north", session), ("south", south))}
        assert after["north"] == before["north"] and after["south"] > before["south"]
    finally:
        bulk.close()
        driver.shutdown()


def test_insights_are_read_back_as_they_were_published(session: Any, topology: Topology, tmp_path: Path) -> None:
    create_schema(session, SCHEMA, topology)
    statements, model = Statements(session, SCHEMA, topology), MemoryStore(SCHEMA, BOOK)
    for one in UPLOADS:
        send(model, one)
    folder = warehouse_of(model, tmp_path)
    for runner in (statements, model.statements, statements):
        publish(runner, edition_of(folder), run_job(folder, PROFILES), run_job(folder, PEAKS))
    assert insights_of(statements, 3) == insights_of(model.statements, 3) != []
    assert profile_of(statements, LARGE) == profile_of(model.statements, LARGE) != []
