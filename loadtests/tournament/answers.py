"""Is every answer right? Each meter's UTC day that the sample writes to or asks about is asked for, and held against the seed.

What must come out is recomputed from the meters themselves, not taken from another design: of each half-hour its latest
revision. What the meter has lost and nobody has estimated may be told as lost, or not at all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.cluster.local import LocalCluster
from loadtests.tournament.asked import answers_by_dc, bound_values, difference_of
from loadtests.tournament.half_hours import SLOT_BITS, HalfHours, Int64s, latest_of, written_half_hours
from loadtests.trials.facts import TableDifference
from loadtests.trials.load import SampleLoad
from loadtests.workload.operations import lanes_of
from scenarios.domain import Operation
from sim.estate.lookup import split_meter, start_us_of
from sim.estate.model import EstateModel
from store.designs.columns import DELTA_BYTES, DELTAS
from store.designs.design import Answer
from store.ports import Values
from store.rows import us_of
from store.tables import Schema

TABLE = "answers to read_intervals_day"


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
    found = answers_by_dc(
        cluster,
        load,
        schema,
        Operation.READ_INTERVALS_DAY,
        questions_of(schema, days, estate),
        lambda answers, first: answered_half_hours(answers, answer, days, estate, first),
    )
    empty = tuple(np.empty(0, np.int64) for _ in range(3))
    return tuple(
        answer_difference(
            dc, wanted, latest_of(*(np.concatenate(each) for each in zip(empty, *parts, strict=True))), days, estate
        )
        for dc, parts in found.items()
    )


def wanted_half_hours(load: SampleLoad, days: AskedDays, estate: EstateModel) -> HalfHours:
    """What the answers about these days must come to after the sample's writes, by the question and the slot."""
    return _of_days(written_half_hours(load, estate), days, estate)


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
    day_start_us = start_us_of(estate) + days.first_slot.astype(np.int64) * estate.slot_us
    return bound_values(schema, Operation.READ_INTERVALS_DAY, days.meter, day_start_us, estate)


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
        above = number << SLOT_BITS
        for row in rows:
            if "interval_start" in columns:
                instant = getattr(row, columns["interval_start"])
                slot = (us_of(instant) - start_us) // slot_us
            else:
                slot = int(days.first_slot[number]) + getattr(row, columns["slot"])
            if slot < 0 or slot >> SLOT_BITS:
                slot = (1 << SLOT_BITS) - 1  # of no day of the scenario: it is one too many
            revision = getattr(row, columns["revision"]) if "revision" in columns else 0
            for place, wh in enumerate(_values_in(row, columns)):
                found.append((above + slot + place, revision, wh))
    told = np.array(found, np.int64).reshape(-1, 3)
    return told[:, 0], told[:, 1], told[:, 2]


def _values_in(row: Any, columns: Answer) -> Sequence[int]:
    if "wh" in columns:
        wh = getattr(row, columns["wh"])
        return () if wh is None else (wh,)
    if DELTAS in columns:
        packed = getattr(row, columns[DELTAS])
        whole = len(packed) // DELTA_BYTES * DELTA_BYTES
        return [int(each) for each in np.cumsum(np.frombuffer(packed[:whole], f">i{DELTA_BYTES}"), dtype=np.int64)]
    values = getattr(row, columns["values_wh"])
    if isinstance(values, bytes):
        whole = len(values) // 4 * 4
        return [int(each) for each in np.frombuffer(values[:whole], ">i4")]
    return values or ()


def _of_days(written: HalfHours, days: AskedDays, estate: EstateModel) -> HalfHours:
    """The half-hours of each question, keyed by the question."""
    slots = estate.slots_per_day
    at = (days.meter << SLOT_BITS)[:, np.newaxis] + days.first_slot.astype(np.int64)[:, np.newaxis] + np.arange(slots)
    asked = (np.arange(len(days.meter)) << SLOT_BITS)[:, np.newaxis] + at % (1 << SLOT_BITS)
    place = np.minimum(np.searchsorted(written.key, at.ravel()), max(len(written.key) - 1, 0))
    is_written = written.key[place] == at.ravel() if len(written.key) else np.zeros(at.size, bool)
    return HalfHours(key=asked.ravel()[is_written], wh=written.wh[place[is_written]])


def answer_difference(
    dc: str, wanted: HalfHours, held: HalfHours, days: AskedDays, estate: EstateModel
) -> TableDifference:
    """What is wrong in answers, half-hour by half-hour. Both are keyed by the question and the slot. Pure."""
    return difference_of(TABLE, dc, wanted, held, lambda key: _half_hour_text(key, days, estate))


def _half_hour_text(key: int, days: AskedDays, estate: EstateModel) -> str:
    premises, is_gas = split_meter(estate, days.meter[[key >> SLOT_BITS]])
    at_us = start_us_of(estate) + (key & ((1 << SLOT_BITS) - 1)) * estate.slot_us
    instant = np.datetime64(at_us, "us").astype("datetime64[m]")
    return f"{'gas' if is_gas[0] else 'electricity'} of home {premises[0]}, {instant}"
