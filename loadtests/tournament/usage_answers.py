"""Is every answer about a month of usage right? Each month of a meter that the sample writes to or asks about, against the seed.

What must come out is a value for each UTC day, of the whole of it. Where an answer's rows are half-hours, the latest revisions
are added up. Where they are what a day adds up to, it is what the latest delivery of the day has brought: corrections are not in
it until the day is folded again, and by how much it is off until then is its error.
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
from loadtests.workload.deliveries import measured_days, readings_of
from loadtests.workload.operations import lanes_of
from scenarios.domain import DAY_US, Operation
from sim.estate.lookup import split_meter, start_us_of
from sim.estate.model import EstateModel
from store.designs.design import Answer
from store.rows import month_of
from store.tables import Schema
from store.tariffs import MISSING_WH

TABLE = "answers to read_usage_month"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedMonths:
    """UTC months of meters, each once: meter int64[n], month int64[n] as yyyymm, ascending."""

    meter: Int64s
    month: Int64s


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateError:
    """How far days of answers are from what their half-hours come to, corrections and estimates with them.

    off_wh: the sum of the differences, whichever way; total_wh: of what they should be.
    """

    days: int
    wrong_days: int
    off_wh: int
    total_wh: int


def prove_usage(
    cluster: LocalCluster, load: SampleLoad, schema: Schema, answer: Answer, estate: EstateModel
) -> tuple[tuple[TableDifference, ...], AggregateError]:
    """Ask for every month of the sample through each DC; the error is that of the first one.

    Raises StoreError when a question isn't answered.
    """
    months = months_of(load, estate)
    wanted = wanted_days(load, months, answer, estate)
    found = answers_by_dc(
        cluster,
        load,
        schema,
        Operation.READ_USAGE_MONTH,
        bound_values(schema, Operation.READ_USAGE_MONTH, months.meter, month_starts_us(months), estate),
        lambda answers, first: answered_days(answers, answer, months, estate, first),
    )
    held = {dc: _merged(parts) for dc, parts in found.items()}
    facts = tuple(
        difference_of(TABLE, dc, wanted, days, lambda key: _day_text(key, months, estate)) for dc, days in held.items()
    )
    return facts, aggregate_error(true_days(load, months, answer, estate), next(iter(held.values())))


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
        days, _ = delivered_days(load, estate)
    else:
        days = added_up(written_half_hours(load, estate), estate.slots_per_day)
    return _by_question(days, months, estate)


def true_days(load: SampleLoad, months: AskedMonths, answer: Answer, estate: EstateModel) -> HalfHours:
    """What the days of `wanted_days` would be with every correction and estimate that the sample sent in them."""
    if "usage_wh" not in answer.values():
        return wanted_days(load, months, answer, estate)
    days, end_slot = delivered_days(load, estate)
    slots = estate.slots_per_day
    revised = [run for run in written_runs(load) if run.lane.operation is Operation.INGEST_REVISION]
    if not revised:
        return _by_question(days, months, estate)
    key = np.unique(np.concatenate([(run.meter << SLOT_BITS) + run.first_slot for run in revised]))
    meter, slot = key >> SLOT_BITS, key & ((1 << SLOT_BITS) - 1)
    latest = written_half_hours(load, estate)
    day_slot = (slot // slots * slots).astype(np.int32)
    measured_wh = measured_days(estate, meter, day_slot)[np.arange(len(key)), slot % slots].astype(np.int64)
    correction = latest.wh[np.searchsorted(latest.key, key)] - np.where(measured_wh == MISSING_WH, 0, measured_wh)
    day_key = (meter << SLOT_BITS) + slot // slots
    place = np.minimum(np.searchsorted(days.key, day_key), len(days.key) - 1)
    is_in = (days.key[place] == day_key) & (slot < end_slot[place])  # of what a day's latest delivery can know
    wh = days.wh.copy()
    np.add.at(wh, place[is_in], correction[is_in])
    return _by_question(HalfHours(key=days.key, wh=wh), months, estate)


def aggregate_error(true: HalfHours, held: HalfHours) -> AggregateError:
    """A day that is missing, or one too many, is off by all of it. Pure."""
    keys = np.union1d(true.key, held.key)
    off = np.zeros(len(keys), np.int64)
    np.add.at(off, np.searchsorted(keys, true.key), true.wh)
    np.subtract.at(off, np.searchsorted(keys, held.key), held.wh)
    return AggregateError(
        days=len(keys),
        wrong_days=int(np.count_nonzero(off)),
        off_wh=int(np.abs(off).sum()),
        total_wh=int(true.wh.sum()),
    )


def _by_question(days: HalfHours, months: AskedMonths, estate: EstateModel) -> HalfHours:
    """Days by the meter -> by the question about its month."""
    meter, day = days.key >> SLOT_BITS, days.key & ((1 << SLOT_BITS) - 1)
    month = _month_of_slots(day * estate.slots_per_day, estate)
    place = np.searchsorted((months.meter << SLOT_BITS) + months.month, (meter << SLOT_BITS) + month)
    return HalfHours(key=(place << SLOT_BITS) + day, wh=days.wh)


def delivered_days(load: SampleLoad, estate: EstateModel) -> tuple[HalfHours, Int64s]:
    """What the latest delivery of each meter's UTC day says that the day adds up to, by meter and day; and its end: int64[n]."""
    keys, ends, totals = [], [], []
    for run in written_runs(load):
        if run.lane.operation is Operation.INGEST_READING:
            readings = readings_of(estate, meter=run.meter, first_slot=run.first_slot, slot_count=run.slot_count)
            assert readings.day is not None
            keys.append((run.meter << SLOT_BITS) + run.first_slot // estate.slots_per_day)
            ends.append(run.first_slot.astype(np.int64) + run.slot_count)
            totals.append(readings.day.usage_wh + readings.day.late_usage_wh)
    empty = np.empty(0, np.int64)
    key, end, total = (np.concatenate([empty, *each]) for each in (keys, ends, totals))
    return latest_of(key, end, total), latest_of(key, end, end).wh


def answered_days(
    answers: Sequence[Iterable[Any]], answer: Answer, months: AskedMonths, estate: EstateModel, first: int
) -> HalfHours:
    """What rows of answers come to, by the question and the UTC day. answers: of the questions from `first` on."""
    if "usage_wh" not in answer.values():
        days = AskedDays(meter=months.meter, first_slot=np.zeros(len(months.meter), np.int32))
        return added_up(latest_of(*answered_half_hours(answers, answer, days, estate, first)), estate.slots_per_day)
    columns = {held: column for column, held in answer.items()}
    first_day = start_us_of(estate) // DAY_US
    month_day = month_starts_us(months) // DAY_US
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


def added_up(held: HalfHours, slots_per_day: int) -> HalfHours:
    """Half-hours -> UTC days. A half-hour that is there twice is added twice."""
    above, slot = held.key >> SLOT_BITS, held.key & ((1 << SLOT_BITS) - 1)
    key, place = np.unique((above << SLOT_BITS) + slot // slots_per_day, return_inverse=True)
    wh = np.zeros(len(key), np.int64)
    np.add.at(wh, place, held.wh)
    return HalfHours(key=key, wh=wh)


def _month_of_slots(slot: Int64s, estate: EstateModel) -> Int64s:
    months: Int64s = month_of(start_us_of(estate) + slot * estate.slot_us).astype(np.int64)
    return months


def month_starts_us(months: AskedMonths) -> Int64s:
    since_1970: NDArray[np.int64] = (months.month // 100 - 1970) * 12 + months.month % 100 - 1
    return since_1970.astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)


def _day_text(key: int, months: AskedMonths, estate: EstateModel) -> str:
    premises, is_gas = split_meter(estate, months.meter[[key >> SLOT_BITS]])
    day_us = start_us_of(estate) + (key & ((1 << SLOT_BITS) - 1)) * DAY_US
    day = np.datetime64(day_us, "us").astype("datetime64[D]")
    return f"{'gas' if is_gas[0] else 'electricity'} of home {premises[0]}, {day}"
