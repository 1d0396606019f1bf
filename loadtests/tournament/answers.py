"""Is every answer right? Each meter's UTC day that the sample writes to or asks about is asked for, and held against the seed.

What must come out is recomputed from the meters themselves, not taken from another design: of each half-hour its latest
revision. What the meter has lost and nobody has estimated may be told as lost, or not at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.trials.facts import EXAMPLES_MAX, TableDifference
from loadtests.trials.load import SampleLoad
from loadtests.workload.deliveries import readings_of, revisions_of
from loadtests.workload.operations import Lane, lanes_of
from scenarios.domain import Operation
from sim.estate.lookup import mpxn_of, split_meter, start_us_of
from sim.estate.model import EstateModel
from store.cassandra.session import Statements
from store.designs.columns import derived
from store.designs.design import Answer
from store.ports import Values
from store.rows import home_columns, us_of
from store.tables import Schema
from store.tariffs import MISSING_WH

ASKED_AT_ONCE = 2_000  # rows of answers that are held in memory are those of so many questions
TABLE = "answers to read_intervals_day"
_UNCERTAIN_WH = -2  # no energy of a half-hour: two rows of one revision say two things
_SLOT_BITS = 24  # of a key: a meter, or a question, above; a slot below

Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfHours:
    """Of each half-hour one value. key: int64[n] ascending, a meter (or a question) and a slot; wh: int64[n]."""

    key: Int64s
    wh: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedDays:
    """UTC days of meters: meter int64[n], first_slot int32[n], counted from the scenario's start."""

    meter: Int64s
    first_slot: NDArray[np.int32]


def prove_answers(
    cluster: LocalCluster, load: SampleLoad, schema: Schema, answer: Answer, estate: EstateModel
) -> tuple[TableDifference, ...]:
    """Ask for every day of the sample through each DC. Raises StoreError when a question isn't answered."""
    days = days_of(load, estate)
    wanted = wanted_half_hours(load, days, estate)
    questions = questions_of(schema, days, estate)
    found = []
    for dc in load.scenario.topology.dcs:
        driver, session = connect(cluster.endpoint(dc.name))
        try:
            statements = Statements(session, schema, load.scenario.topology)
            parts = [tuple(np.empty(0, np.int64) for _ in range(3))]
            for first in range(0, len(questions), ASKED_AT_ONCE):
                asked = questions[first : first + ASKED_AT_ONCE]
                answers = statements.run_many(Operation.READ_INTERVALS_DAY, asked)
                parts.append(answered_half_hours(answers, answer, days, estate, first))
            held = latest_of(*(np.concatenate(each) for each in zip(*parts, strict=True)))
        finally:
            driver.shutdown()
        found.append(answer_difference(dc.name, wanted, held, days, estate))
    return tuple(found)


def wanted_half_hours(load: SampleLoad, days: AskedDays, estate: EstateModel) -> HalfHours:
    """What the answers about these days must come to after the sample's writes, by the question and the slot."""
    return _of_days(_written_half_hours(load, estate), days, estate)


def _written_half_hours(load: SampleLoad, estate: EstateModel) -> HalfHours:
    """What the sample's writes come to, by meter and slot."""
    rows = load.sample.rows
    keys, revisions, values = [], [], []
    for index, lane in enumerate(lanes_of(load.scenario)):
        if lane.operation not in (Operation.INGEST_READING, Operation.INGEST_REVISION):
            continue
        of_lane = rows[rows["operation"] == index]
        for count in np.unique(of_lane["slot_count"]).tolist():
            part = of_lane[of_lane["slot_count"] == count]
            meter, first_slot = part["meter"].astype(np.int64), part["first_slot"].astype(np.int32)
            values_wh = _values_of(estate, lane, meter, first_slot, count)
            slots = first_slot.astype(np.int64)[:, np.newaxis] + np.arange(values_wh.shape[1])
            keys.append(((meter[:, np.newaxis] << _SLOT_BITS) + slots).ravel())
            values.append(values_wh.astype(np.int64).ravel())
            revisions.append(np.full(values_wh.size, lane.revision, np.int64))
    if not keys:
        return latest_of(*(np.empty(0, np.int64) for _ in range(3)))
    return latest_of(np.concatenate(keys), np.concatenate(revisions), np.concatenate(values))


def _values_of(
    estate: EstateModel, lane: Lane, meter: Int64s, first_slot: NDArray[np.int32], count: int
) -> NDArray[np.int32]:
    if lane.operation is Operation.INGEST_REVISION:
        return revisions_of(estate, meter=meter, first_slot=first_slot, revision=lane.revision).values_wh
    return readings_of(estate, meter=meter, first_slot=first_slot, slot_count=count).values_wh


def latest_of(key: Int64s, revision: Int64s, wh: Int64s) -> HalfHours:
    """The latest revision of each half-hour that isn't lost: arrays of n, a row each. Pure.

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


def days_of(load: SampleLoad, estate: EstateModel) -> AskedDays:
    """Every day that the sample writes half-hours of, or asks for, once."""
    lanes = lanes_of(load.scenario)
    told = (Operation.INGEST_READING, Operation.INGEST_REVISION, Operation.READ_INTERVALS_DAY)
    chosen = np.isin(
        load.sample.rows["operation"], [index for index, lane in enumerate(lanes) if lane.operation in told]
    )
    rows = load.sample.rows[chosen]
    slots = estate.slots_per_day
    pairs = np.unique(np.stack([rows["meter"].astype(np.int64), rows["first_slot"].astype(np.int64) // slots]), axis=1)
    return AskedDays(meter=pairs[0], first_slot=(pairs[1] * slots).astype(np.int32))


def questions_of(schema: Schema, days: AskedDays, estate: EstateModel) -> list[Values]:
    """The bound values of the schema's question for each day, by name."""
    premises, is_gas = split_meter(estate, days.meter)
    day_start_us = start_us_of(estate) + days.first_slot.astype(np.int64) * estate.slot_us
    columns: dict[str, NDArray[Any]] = dict(home_columns(premises, is_gas.astype(np.int8), day_start_us))
    columns["mpxn"] = mpxn_of(estate, days.meter)
    names = list(dict.fromkeys(bind.name for bind in schema.statement(Operation.READ_INTERVALS_DAY).binds))
    columns |= derived(columns, set(names) - columns.keys(), estate.slot_us)
    values = zip(*(columns[name].tolist() for name in names), strict=True)
    return [dict(zip(names, each, strict=True)) for each in values]


def answered_half_hours(
    answers: Sequence[Iterable[Any]], answer: Answer, days: AskedDays, estate: EstateModel, first: int
) -> tuple[Int64s, Int64s, Int64s]:
    """What rows of answers say: of question and slot the key, of its row the revision, and the energy; int64[n] each.

    answers: rows with a column each by name, of the questions from `first` on.
    """
    columns = {held: column for column, held in answer.items()}
    found: list[tuple[int, int, int]] = []
    start_us, slot_us = start_us_of(estate), estate.slot_us
    for number, rows in enumerate(answers, first):
        above = number << _SLOT_BITS
        for row in rows:
            if "interval_start" in columns:
                instant = getattr(row, columns["interval_start"])
                slot = (us_of(instant) - start_us) // slot_us
            else:
                slot = int(days.first_slot[number]) + getattr(row, columns["slot"])
            if slot < 0 or slot >> _SLOT_BITS:
                slot = (1 << _SLOT_BITS) - 1  # of no day of the scenario: it is one too many
            revision = getattr(row, columns["revision"]) if "revision" in columns else 0
            for place, wh in enumerate(_values_in(row, columns)):
                found.append((above + slot + place, revision, wh))
    told = np.array(found, np.int64).reshape(-1, 3)
    return told[:, 0], told[:, 1], told[:, 2]


def _values_in(row: Any, columns: Answer) -> Sequence[int]:
    if "wh" in columns:
        wh = getattr(row, columns["wh"])
        return () if wh is None else (wh,)
    values = getattr(row, columns["values_wh"])
    if isinstance(values, bytes):
        whole = len(values) // 4 * 4
        return [int(each) for each in np.frombuffer(values[:whole], ">i4")]
    return values or ()


def _of_days(written: HalfHours, days: AskedDays, estate: EstateModel) -> HalfHours:
    """The half-hours of each question, keyed by the question."""
    slots = estate.slots_per_day
    at = (days.meter << _SLOT_BITS)[:, np.newaxis] + days.first_slot.astype(np.int64)[:, np.newaxis] + np.arange(slots)
    asked = (np.arange(len(days.meter)) << _SLOT_BITS)[:, np.newaxis] + at % (1 << _SLOT_BITS)
    place = np.minimum(np.searchsorted(written.key, at.ravel()), max(len(written.key) - 1, 0))
    is_written = written.key[place] == at.ravel() if len(written.key) else np.zeros(at.size, bool)
    return HalfHours(key=asked.ravel()[is_written], wh=written.wh[place[is_written]])


def answer_difference(
    dc: str, wanted: HalfHours, held: HalfHours, days: AskedDays, estate: EstateModel
) -> TableDifference:
    """What is wrong in answers, half-hour by half-hour. Both are keyed by the question and the slot. Pure."""
    missing = np.setdiff1d(wanted.key, held.key)
    extra = np.setdiff1d(held.key, wanted.key)
    both, ours, theirs = np.intersect1d(wanted.key, held.key, return_indices=True)
    altered = both[wanted.wh[ours] != held.wh[theirs]]
    told = [
        f"{word}: {_half_hour_text(int(keys[0]), days, estate)}"
        for word, keys in (("missing", missing), ("extra", extra), ("altered", altered))
        if len(keys)
    ]
    return TableDifference(
        table=TABLE,
        dc=dc,
        rows=len(wanted.key),
        missing=len(missing),
        extra=len(extra),
        altered=len(altered),
        examples=tuple(told[:EXAMPLES_MAX]),
    )


def _half_hour_text(key: int, days: AskedDays, estate: EstateModel) -> str:
    premises, is_gas = split_meter(estate, days.meter[[key >> _SLOT_BITS]])
    at_us = start_us_of(estate) + (key & ((1 << _SLOT_BITS) - 1)) * estate.slot_us
    instant = np.datetime64(at_us, "us").astype("datetime64[m]")
    return f"{'gas' if is_gas[0] else 'electricity'} of home {premises[0]}, {instant}"
