"""Half-hours, bills and commands out of a cluster into a warehouse."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from meterstorm.display.progress import Progress
from meterstorm.jobs.analytics.source import AnalyticsSource, identity_of
from scenarios.spec import ScenarioError
from sim.estate.lookup import cohorts_of, tariff_kinds_of
from sim.estate.model import EstateModel
from store.analytics.bills import BillReader, has_bills
from store.analytics.commands import CommandReader, devices_of, has_commands
from store.analytics.data_sets import HOMES_SCHEMA, Reader
from store.analytics.export import Exported, export
from store.analytics.warehouse import WarehouseError
from store.cassandra import CassandraStore
from store.cassandra.commands import CassandraCommandTables

HOMES_AT_ONCE = 1_000_000


def export_source(source: AnalyticsSource, out: Path, progress: Progress) -> Exported:
    """Export what a cluster holds into the warehouse `out`.

    Raises ScenarioError for what the user can mend, HarnessError or StoreError for a cluster that does not answer; what was
    exported until then is gone on from.
    """
    scenario, estate = source.scenario, source.estate
    progress.phase(f"Exporting from {source.dc} at {source.topology.consistency.default}")

    def told(done: int, of: int, rows: int) -> None:
        progress.detail(f"{done} of {of} parts of the ring, {rows:,} half-hours")

    with source.store() as store:
        try:
            return export(
                store,
                out,
                keyspace=scenario.topology.keyspace,
                estate=identity_of(scenario),
                homes=homes_of(estate),
                as_of_us=time.time_ns() // 1_000,
                beside=readers_of(store, estate),
                progress=told,
            )
        except WarehouseError as error:
            raise ScenarioError(str(error)) from error


def readers_of(store: CassandraStore, estate: EstateModel) -> list[Reader]:
    """What is exported beside half-hours: bills and commands, where the design keeps them."""
    schema, readers = store.runner.schema, list[Reader]()
    if has_bills(schema):
        readers.append(BillReader(store, lambda home: int(tariff_kinds_of(estate, np.array([home]))[0])))
    if has_commands(schema):
        readers.append(CommandReader(CassandraCommandTables(store.statements), partial(devices_of, store.bulk, schema)))
    return readers


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
