"""What the writes of a sample come to, half-hour by half-hour, recomputed from the meters themselves. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.trials.load import SampleLoad
from loadtests.workload.deliveries import readings_of, revisions_of
from loadtests.workload.operations import Lane, lanes_of
from scenarios.domain import Operation
from sim.estate.model import EstateModel
from store.tariffs import MISSING_WH

SLOT_BITS = 24  # of a key: a meter, or a question, above; a slot below
_UNCERTAIN_WH = -2  # no energy of a half-hour: two rows of one revision say two things

Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfHours:
    """Of each half-hour (or day) one value. key: int64[n] ascending, a meter (or a question) and a slot; wh: int64[n]."""

    key: Int64s
    wh: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRun:
    """Deliveries of one lane and one length. meter: int64[n]; first_slot: int32[n]."""

    lane: Lane
    meter: Int64s
    first_slot: NDArray[np.int32]
    slot_count: int


def written_runs(load: SampleLoad) -> list[WrittenRun]:
    """The sample's deliveries of half-hours and their revisions."""
    rows = load.sample.rows
    found = []
    for index, lane in enumerate(lanes_of(load.scenario)):
        if lane.operation not in (Operation.INGEST_READING, Operation.INGEST_REVISION):
            continue
        of_lane = rows[rows["operation"] == index]
        for count in np.unique(of_lane["slot_count"]).tolist():
            part = of_lane[of_lane["slot_count"] == count]
            meter, first_slot = part["meter"].astype(np.int64), part["first_slot"].astype(np.int32)
            found.append(WrittenRun(lane=lane, meter=meter, first_slot=first_slot, slot_count=count))
    return found


def written_half_hours(load: SampleLoad, estate: EstateModel) -> HalfHours:
    """What the sample's writes come to, by meter and slot: of each half-hour its latest revision."""
    keys, revisions, values = [], [], []
    for run in written_runs(load):
        values_wh = _values_of(run, estate)
        slots = run.first_slot.astype(np.int64)[:, np.newaxis] + np.arange(values_wh.shape[1])
        keys.append(((run.meter[:, np.newaxis] << SLOT_BITS) + slots).ravel())
        values.append(values_wh.astype(np.int64).ravel())
        revisions.append(np.full(values_wh.size, run.lane.revision, np.int64))
    if not keys:
        return latest_of(*(np.empty(0, np.int64) for _ in range(3)))
    return latest_of(np.concatenate(keys), np.concatenate(revisions), np.concatenate(values))


def _values_of(run: WrittenRun, estate: EstateModel) -> NDArray[np.int32]:
    if run.lane.operation is Operation.INGEST_REVISION:
        return revisions_of(estate, meter=run.meter, first_slot=run.first_slot, revision=run.lane.revision).values_wh
    return readings_of(estate, meter=run.meter, first_slot=run.first_slot, slot_count=run.slot_count).values_wh


def latest_of(key: Int64s, revision: Int64s, wh: Int64s) -> HalfHours:
    """The latest revision of each half-hour that isn't lost: arrays of n, a row each.

    Where rows of the latest revision differ, the value is none that a half-hour can have.
    """
    known = wh != MISSING_WH
    key, revision, wh = key[known], revision[known], wh[known]
    order = np.lexsort((wh, revision, key))
    key, revision, wh = key[order], revision[order], wh[order]
    is_last = np.append(key[1:] != key[:-1], True)[: len(key)]
    is_first = np.append(True, (key[1:] != key[:-1]) | (revision[1:] != revision[:-1]))[: len(key)]  # of a revision
    least = wh[np.maximum.accumulate(np.where(is_first, np.arange(len(key)), 0))]
    return HalfHours(key=key[is_last], wh=np.where(least == wh, wh, _UNCERTAIN_WH)[is_last])
