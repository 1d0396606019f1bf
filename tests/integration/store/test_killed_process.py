"""A writer's process is killed at random points and started again: after its heal no view differs from the log."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.cluster.local import LocalCluster
from store.cassandra import CassandraStore, create_schema
from store.readings.across import verify_across, views_across
from store.readings.projector import Projector
from store.readings.verify import folded_views
from tests.support.killed_writer import BATCHES, HOMES, PROJECTION, SCHEMA, topology_of
from tests.support.store_deliveries import BOOK

KILLS = 6
WRITER = Path(__file__).parents[2] / "support" / "killed_writer.py"


def start(cluster: LocalCluster, keyspace: str) -> "subprocess.Popen[str]":
    endpoint = cluster.endpoint("north")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, str(WRITER), endpoint.contact_points[0], str(endpoint.port), keyspace],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def told(writer: "subprocess.Popen[str]", lines: int) -> list[str]:
    """The next lines that the writer says, fewer if it ends."""
    assert writer.stdout is not None
    return [line.strip() for _ in range(lines) if (line := writer.stdout.readline())]


def test_a_process_killed_anywhere_heals_on_its_next_start(session: Any, two_dc_cluster: LocalCluster) -> None:
    keyspace = f"killed_{uuid.uuid4().hex[:12]}"
    topology = topology_of(keyspace)
    create_schema(session, SCHEMA, topology)
    random = np.random.default_rng(5)
    store = CassandraStore(session, SCHEMA, topology, BOOK)
    for _ in range(KILLS):
        writer = start(two_dc_cluster, keyspace)
        try:
            assert told(writer, 1)[0].startswith("healed"), "the writer did not come up"
            said = told(writer, int(random.integers(1, BATCHES // 4)))
            assert said, "the writer ended by itself"
            time.sleep(float(random.uniform(0, 0.02)))  # anywhere in the batch that is on its way
        finally:
            writer.kill()
            writer.wait()
        assert writer.returncode != 0, "it ended before it was killed"
        healer = Projector(store, PROJECTION, writer=1, started_us=int(time.time() * 1e6))
        healer.heal()
        assert {view: list(store.verify(view)) for view in ("usage_by_fuel", "billing_by_home")} == {
            "usage_by_fuel": [],
            "billing_by_home": [],
        }
    last = start(two_dc_cluster, keyspace)
    out, _ = last.communicate(timeout=300)
    assert last.returncode == 0 and out.splitlines()[-1] == str(BATCHES - 1)
    assert {view: list(store.verify(view)) for view in folded_views(SCHEMA)} == {
        view: [] for view in folded_views(SCHEMA)
    }
    assert {view: list(verify_across(store, view, PROJECTION)) for view in views_across(SCHEMA)} == {
        view: [] for view in views_across(SCHEMA)
    }
    assert sum(len(store.events(home, 202601)) for home in range(HOMES)) > HOMES
    store.close()
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)
