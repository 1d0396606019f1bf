"""Is every answer about a month of usage right? Each month of a meter that the sample writes to or asks about, against the seed.

What must come out is a value for each UTC day, of the whole of it. Where an answer's rows are half-hours, the latest revisions
are added up. Where they are what a day adds up to, it is what the latest delivery of the day has brought: corrections are not in
it until the day is folded again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.cluster.local import LocalCluster
from loadtests.tournament.answers import AskedDays, answered_half_hours
from loadtests.tournament.asked import answers_by_dc, bound_values, difference_of
from loadtests.tournament.half_hours import SLOT_BITS, HalfHours, Int64s, latest_of, written_half_hours, written_runs
from loadtests.trials.facts import TableDifference
from loadtests.trials.load import SampleLoad
from loadtests.workload.deliveries import readings_of
from loadtests.workload.operations import lanes_of
from scenarios.domain import DAY_US, Operation
from sim.estate.lookup import split_meter, start_us_of
from sim.estate.model import EstateModel
from store.designs.design import Answer
from store.rows import month_of
from store.tables import Schema

TABLE = "answers to read_usage_month"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedMonths:
    """UTC months of meters, each once: meter int64[n], month int64[n] as yyyymm, ascending."""

    meter: Int64s
    month: Int64s


def prove_usage(
    cluster: LocalCluster, load: SampleLoad, schema: Schema, answer: Answer, estate: EstateModel
) -> tuple[TableDifference, ...]:
    """Ask for every month of the sample through each DC. Raises StoreError when a question isn't answered."""
    months = months_of(load, estate)
    wanted = wanted_days(load, months, answer, estate)
    found = answers_by_dc(
        cluster,
        load,
        schema,
        Operation.READ_USAGE_MONTH,
        bound_values(schema, Operation.READ_USAGE_MONTH, months.meter, _starts_us(months), estate),
        lambda answers, first: answered_days(answers, answer, months, estate, first),
    )
    return tuple(
        difference_of(TABLE, dc, wanted, _merged(parts), lambda key: _day_text(key, months, estate))
        for dc, parts in found.items()
    )


def months_of(load: SampleLoad, estate: EstateModel) -> AskedMonths:
    """Every month that the sample writes half-hours of, or asks for."""
    told = (Operation.INGEST_READING, Operation.INGEST_REVISION, Operation.READ_USAGE_MONTH)
    chosen = [index for index, lane in enumerate(lanes_of(load.scenario)) if lane.operation in told]
    rows = load.sample.rows[np.isin(load.sample.rows["operation"], chosen)]
    month = _month_of_slots(rows["first_slot"].astype(np.int64), estate)
    pairs = np.unique(np.stack([rows["meter"].astype(np.int64), month]), axis=1)
    return AskedMonths(meter=pairs[0], month=pairs[1])


def wanted_days(load: SampleLoad, months: AskedMonths, answer: Answer, estate: EstateModel) -> HalfHours:
    """What the answers must come to after the sample's writes, by the question and the UTC day from the scenario's start on."""
    if "usage_wh" in answer.values():
        days = delivered_days(load, estate)
    else:
        days = _added_up(written_half_hours(load, estate), estate.slots_per_day)
    meter, day = days.key >> SLOT_BITS, days.key & ((1 << SLOT_BITS) - 1)
    month = _month_of_slots(day * estate.slots_per_day, estate)
    place = np.searchsorted((months.meter << SLOT_BITS) + months.month, (meter << SLOT_BITS) + month)
    return HalfHours(key=(place << SLOT_BITS) + day, wh=days.wh)


def delivered_days(load: SampleLoad, estate: EstateModel) -> HalfHours:
    """What the latest delivery of each meter's UTC day says that the day adds up to: by meter and day."""
    keys, ends, totals = [], [], []
    for run in written_runs(load):
        if run.lane.operation is Operation.INGEST_READING:
            readings = readings_of(estate, meter=run.meter, first_slot=run.first_slot, slot_count=run.slot_count)
            assert readings.day is not None
            keys.append((run.meter << SLOT_BITS) + run.first_slot // estate.slots_per_day)
            ends.append(run.first_slot.astype(np.int64) + run.slot_count)
            totals.append(readings.day.usage_wh + readings.day.late_usage_wh)
    if not keys:
        return latest_of(*(np.empty(0, np.int64) for _ in range(3)))
    return latest_of(np.concatenate(keys), np.concatenate(ends), np.concatenate(totals))


def answered_days(
    answers: Sequence[Iterable[Any]], answer: Answer, months: AskedMonths, estate: EstateModel, first: int
) -> HalfHours:
    """What rows of answers come to, by the question and the UTC day. answers: of the questions from `first` on."""
    if "usage_wh" not in answer.values():
        days = AskedDays(meter=months.meter, first_slot=np.zeros(len(months.meter), np.int32))
        return _added_up(latest_of(*answered_half_hours(answers, answer, days, estate, first)), estate.slots_per_day)
    columns = {held: column for column, held in answer.items()}
    first_day = start_us_of(estate) // DAY_US
    month_day = _starts_us(months) // DAY_US
    found = []
    for number, rows in enumerate(answers, first):
        for row in rows:
            if "epoch_day" in columns:
                day = getattr(row, columns["epoch_day"]) - first_day
            else:
                day = int(month_day[number]) + getattr(row, columns["day"]) - 1 - first_day
            if not 0 <= day < 1 << SLOT_BITS:
                day = (1 << SLOT_BITS) - 1  # of no day of the scenario: it is one too many
            usage_wh = getattr(row, columns["usage_wh"]) + getattr(row, columns["late_usage_wh"])
            found.append(((number << SLOT_BITS) + day, usage_wh))
    told = np.array(found, np.int64).reshape(-1, 2)
    return latest_of(told[:, 0], np.zeros(len(told), np.int64), told[:, 1])


def _merged(parts: Sequence[HalfHours]) -> HalfHours:
    """Of questions in their order."""
    empty = np.empty(0, np.int64)
    return HalfHours(
        key=np.concatenate([empty, *(each.key for each in parts)]),
        wh=np.concatenate([empty, *(each.wh for each in parts)]),
    )


def _added_up(held: HalfHours, slots_per_day: int) -> HalfHours:
    """Half-hours -> UTC days."""
    above, slot = held.key >> SLOT_BITS, held.key & ((1 << SLOT_BITS) - 1)
    key, place = np.unique((above << SLOT_BITS) + slot // slots_per_day, return_inverse=True)
    wh = np.zeros(len(key), np.int64)
    np.add.at(wh, place, held.wh)
    return HalfHours(key=key, wh=wh)


def _month_of_slots(slot: Int64s, estate: EstateModel) -> Int64s:
    months: Int64s = month_of(start_us_of(estate) + slot * estate.slot_us).astype(np.int64)
    return months


def _starts_us(months: AskedMonths) -> Int64s:
    since_1970: NDArray[np.int64] = (months.month // 100 - 1970) * 12 + months.month % 100 - 1
    return since_1970.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)


def _day_text(key: int, months: AskedMonths, estate: EstateModel) -> str:
    premises, is_gas = split_meter(estate, months.meter[[key >> SLOT_BITS]])
    day_us = start_us_of(estate) + (key & ((1 << SLOT_BITS) - 1)) * DAY_US
    day = np.datetime64(day_us, "us").astype("datetime64[D]")
    return f"{'gas' if is_gas[0] else 'electricity'} of home {premises[0]}, {day}"
