"""The warehouse of a keyspace in Cassandra: the same facts as that of the model, and the same answers."""

import datetime as dt
import uuid
from pathlib import Path
from typing import Any

from scenarios.spec import Dc, Topology
from store.analytics.duck import run_job
from store.analytics.export import export
from store.analytics.jobs import JOBS
from store.analytics.warehouse import whole_warehouse
from store.cassandra import CassandraStore, create_schema
from store.memory import MemoryStore
from tests.support.schema_under_test import SCHEMA
from tests.support.store_deliveries import BOOK, send
from tests.unit.store.analytics.test_jobs import SENT
from tests.unit.store.analytics.test_warehouse import CORRECTION, facts_in, homes_of


def test_cassandra_and_the_model_have_one_warehouse(session: Any, tmp_path: Path) -> None:
    dcs = (Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1))
    topology = Topology(dcs=dcs, keyspace=f"warehouse_{uuid.uuid4().hex[:12]}")
    create_schema(session, SCHEMA, topology)
    real, model = CassandraStore(session, SCHEMA, topology, BOOK), MemoryStore(SCHEMA, BOOK)
    try:
        for one in SENT:
            send(real, one)
            send(model, one)
        folders = {"real": tmp_path / "real", "model": tmp_path / "model"}
        for name, store in (("real", real), ("model", model)):
            export(store, folders[name], keyspace="meters", estate="one", homes=homes_of())
        order = ["premises", "fuel", "start"]
        held = {name: facts_in(folder).sort(order) for name, folder in folders.items()}
        assert (
            held["real"].equals(held["model"])
            and len(held["real"]) == whole_warehouse(folders["real"], verify=True).rows_of()
        )
        for job in JOBS.values():
            assert run_job(folders["real"], job).to_pylist() == run_job(folders["model"], job).to_pylist(), job.name
        again = export(real, folders["real"], keyspace="meters", estate="one", homes=homes_of())
        assert again.files_written == 0 and again.files_unchanged == len(again.manifest.files)
        send(real, CORRECTION)
        assert export(real, folders["real"], keyspace="meters", estate="one", homes=homes_of()).files_written == 1
        assert held["real"]["settlement_date"].min() == dt.date(2026, 1, 31)
    finally:
        real.close()
        session.execute(f"DROP KEYSPACE {topology.keyspace}", timeout=60)
