"""How long it takes to fold a design's half-hours again from the log: read, folded and written by one client, in parts.

The rows are those that the table holds already, with the timestamps that they have, so that nothing changes but what is proven
after it: a fold that is wrong would be seen in the answers.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cassandra import ConsistencyLevel as DriverLevel
from cassandra.concurrent import execute_concurrent_with_args
from numpy.typing import NDArray

from loadtests.cluster.connect import connect
from loadtests.tournament.bound_rows import bound_rows
from loadtests.tournament.entrants import Entrant
from loadtests.trials.load import SampleLoad
from loadtests.trials.turn import Bench
from scenarios.domain import Operation
from sim.estate.lookup import split_meter, start_us_of
from sim.estate.model import EstateModel
from store.cassandra.session import FAILURES, Statements
from store.ports import StoreError, Values
from store.roles import TableRole
from store.rows import Readings, month_of, us_of

PARTS = 5
PART_READINGS = 1_000
IN_FLIGHT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeMonths:
    """Partitions of the log: premises int64[n], month int64[n] as yyyymm."""

    premises: NDArray[np.int64]
    month: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """readings: half-hours in the log's rows, revisions with them; rows: that were written; per_s: readings/s of each part."""

    readings: int
    rows: int
    per_s: tuple[float, ...]


def rebuild(bench: Bench, entrant: Entrant, estate: EstateModel) -> Rebuild:
    """Fold some home-months of the sample again. Raises StoreError when the log can't be read, or a row is not taken."""
    parts = parts_of(bench.load, estate)
    readings = rows = 0
    per_s = []
    driver, session = connect(bench.cluster.endpoint())
    try:
        statements = Statements(session, entrant.schema, entrant.scenario.topology)
        write = session.prepare(f"{entrant.write.cql.format(keyspace=bench.load.keyspace)} USING TIMESTAMP ?")
        write.consistency_level = DriverLevel.LOCAL_QUORUM
        for part in parts:
            begun = time.perf_counter()
            keys: list[Values] = [
                {"premises": premises, "month": month}
                for premises, month in zip(part.premises.tolist(), part.month.tolist(), strict=True)
            ]
            answers = statements.run_many(Operation.READ_EVENTS, keys)
            runs = runs_of(part.premises, answers, estate.slot_us)
            bound = [row for run in runs for row in bound_rows(entrant.write, run)]
            execute_concurrent_with_args(session, write, bound, concurrency=IN_FLIGHT)
            of_part = sum(run.values_wh.size for run in runs)
            per_s.append(of_part / max(time.perf_counter() - begun, 1e-9))
            readings, rows = readings + of_part, rows + len(bound)
    except FAILURES as error:
        table = entrant.schema.table(TableRole.INTERVALS).name
        raise StoreError(f"{table} of {entrant.name} could not be folded again from the log: {error}") from error
    finally:
        driver.shutdown()
    return Rebuild(readings=readings, rows=rows, per_s=tuple(per_s))


def parts_of(load: SampleLoad, estate: EstateModel) -> list[HomeMonths]:
    """PARTS of about PART_READINGS delivered half-hours each, of different home-months; fewer of a small sample. Pure."""
    lanes = [index for index, each in enumerate(load.lanes) if each is Operation.INGEST_READING]
    sent = load.sample.rows[np.isin(load.sample.rows["operation"], lanes)]
    premises, _ = split_meter(estate, sent["meter"].astype(np.int64))
    month = month_of(start_us_of(estate) + sent["first_slot"].astype(np.int64) * estate.slot_us).astype(np.int64)
    pairs, place = np.unique(np.stack([premises, month]), axis=1, return_inverse=True)
    sizes = np.bincount(place.ravel(), weights=sent["slot_count"], minlength=pairs.shape[1])
    part = (np.cumsum(sizes) - sizes) // PART_READINGS
    return [
        HomeMonths(premises=pairs[0][part == number], month=pairs[1][part == number])
        for number in np.unique(part[part < PARTS]).tolist()
    ]


def runs_of(premises: NDArray[np.int64], answers: Sequence[Sequence[Any]], slot_us: int) -> list[Readings]:
    """Rows of the log -> deliveries of one length each; registers alone are left out. answers: of each home-month. Pure."""
    held: dict[int, list[tuple[int, Any]]] = {}
    for home, rows in zip(premises.tolist(), answers, strict=True):
        for row in rows:
            if row.slot_count:
                held.setdefault(row.slot_count, []).append((home, row))
    return [_readings(found, slot_us) for found in held.values()]


def _readings(found: Sequence[tuple[int, Any]], slot_us: int) -> Readings:
    rows = [row for _, row in found]
    return Readings(
        mpxn=np.array([row.mpxn for row in rows], np.int64),
        premises=np.array([home for home, _ in found], np.int64),
        fuel=np.array([row.fuel for row in rows], np.int8),
        interval_start_us=np.array([us_of(row.interval_start) for row in rows], np.int64),
        values_wh=np.array([row.values_wh for row in rows], np.int32),
        register_wh=np.array([row.register_wh for row in rows], np.int64),
        day=None,
        received_at_us=np.array([us_of(row.received_at) for row in rows], np.int64),
        revision=np.array([row.revision for row in rows], np.int32),
        source=np.array([row.source for row in rows], np.int8),
        quality=np.array([row.quality for row in rows], np.int8),
        slot_us=slot_us,
    )
