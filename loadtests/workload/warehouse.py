"""An estate's warehouse: what tells it from another estate's, where its homes are, and its export through one data centre."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from loadtests.workload.experiment import Experiment
from loadtests.workload.prices import book_of
from scenarios.spec import Scenario, Topology
from sim.estate.lookup import cohorts_of, tariff_kinds_of
from sim.estate.model import EstateModel
from store.analytics.bills import BillReader, has_bills
from store.analytics.changes import Renewed, renew
from store.analytics.commands import CommandReader, devices_of, has_commands
from store.analytics.data_sets import HOMES_SCHEMA, Reader
from store.analytics.export import Exported, export
from store.cassandra import CassandraStore
from store.cassandra.bulk import CassandraBulk
from store.cassandra.commands import CassandraCommandTables

HOMES_AT_ONCE = 1_000_000
IDENTITY_LETTERS = 12


def within_one_dc(topology: Topology) -> Topology:
    """The same, whose reads are within the data centre that is asked, whatever operations ask for otherwise."""
    consistency = topology.consistency.model_copy(update={"default": topology.consistency.audit, "operations": {}})
    return topology.model_copy(update={"consistency": consistency})


@contextmanager
def store_through(experiment: Experiment, dc: str) -> Iterator[CassandraStore]:
    """The estate's readings, read through `dc` alone. Raises HarnessError when the cluster can't be reached."""
    with experiment.through(dc).session() as session:
        store = CassandraStore(
            session, experiment.schema, within_one_dc(experiment.topology), book_of(experiment.estate)
        )
        try:
            yield store
        finally:
            store.close()


def export_through(
    experiment: Experiment,
    dc: str,
    out: Path,
    *,
    as_of_us: int,
    progress: Callable[[int, int, int], None] = lambda done, of, rows: None,
) -> Exported:
    """Export what a cluster holds of an estate into the warehouse `out`, see `store.analytics.export.export`.

    Raises WarehouseError, HarnessError, StoreError; what was exported until then is gone on from.
    """
    with store_through(experiment, dc) as store:
        return export(
            store,
            out,
            keyspace=experiment.topology.keyspace,
            estate=identity_of(experiment.scenario),
            homes=homes_of(experiment.estate),
            as_of_us=as_of_us,
            beside=_readers_of(store, experiment.estate),
            writers=_writers_of(experiment.topology),
            progress=progress,
        )


def renew_through(
    experiment: Experiment,
    dc: str,
    out: Path,
    *,
    as_of_us: int,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Renewed:
    """Bring the half-hours of a warehouse up to what projectors have delivered, and its commands up to now, see
    `store.analytics.changes.renew`.

    Raises WarehouseError, HarnessError, StoreError.
    """
    with (
        store_through(experiment, dc) as store,
        closing(CassandraBulk(store.statements.session, store.statements.topology)) as slices,
    ):
        return renew(
            store,
            slices,
            out,
            keyspace=experiment.topology.keyspace,
            estate=identity_of(experiment.scenario),
            writers=_writers_of(experiment.topology),
            as_of_us=as_of_us,
            beside=_command_readers_of(store),
            progress=progress,
        )


def _writers_of(topology: Topology) -> range:
    """The projectors of an estate's back office: one for each business data centre's homes."""
    return range(len(topology.business_dcs))


def homes_of(estate: EstateModel) -> Iterator[pa.RecordBatch]:
    """Where each home is and which are similar, in batches of HOMES_SCHEMA."""
    names = np.array(estate.regions, dtype=object)
    for first in range(0, estate.premises_count, HOMES_AT_ONCE):
        premises = np.arange(first, min(first + HOMES_AT_ONCE, estate.premises_count), dtype=np.int64)
        yield pa.record_batch(
            [
                pa.array(premises),
                pa.array(names[estate.region_of(premises)], pa.string()),
                pa.array(cohorts_of(estate, premises).astype(np.int32)),
            ],
            schema=HOMES_SCHEMA,
        )


def identity_of(scenario: Scenario) -> str:
    """What tells an estate from another: its title and seed, and a digest of all that its readings depend on."""
    parts = scenario.model_dump_json(include={"estate", "reads", "tariffs", "traffic", "wan"})
    run = f"{scenario.run.start} {scenario.run.days} {scenario.run.seed}"
    digest = hashlib.sha256(f"{parts}\n{run}".encode()).hexdigest()[:IDENTITY_LETTERS]
    return f"{scenario.title}, seed {scenario.run.seed}, {digest}"


def _readers_of(store: CassandraStore, estate: EstateModel) -> list[Reader]:
    """What is exported beside half-hours: bills and commands, where the design keeps them."""
    schema, readers = store.runner.schema, list[Reader]()
    if has_bills(schema):
        readers.append(BillReader(store, lambda home: int(tariff_kinds_of(estate, np.array([home]))[0])))
    return [*readers, *_command_readers_of(store)]


def _command_readers_of(store: CassandraStore) -> list[Reader]:
    schema = store.runner.schema
    if not has_commands(schema):
        return []
    return [CommandReader(CassandraCommandTables(store.statements), partial(devices_of, store.bulk, schema))]
