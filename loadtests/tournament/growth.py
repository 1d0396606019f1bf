"""How large partitions of half-hours become: rows of homes in one bucket, of three sizes, and their bytes read off the files.

The largest size is held out: its bytes are predicted by the two smaller ones, and the error is told. What a whole bucket holds is
projected from the largest two, by its rows. Days beyond the scenario's are its own over again: all values are of this estate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.tournament.bound_rows import bound_rows
from loadtests.tournament.entrants import Entrant
from loadtests.workload.deliveries import readings_of
from scenarios.domain import DAY_US
from scenarios.domain.metering_points import mpan_of, mprn_of
from scenarios.parts.estate import Estate
from sim.estate.lookup import split_meter
from sim.estate.model import EstateModel
from store.designs.checks import WriteText
from store.designs.columns import BUCKETS, derived
from store.roles import TableRole
from store.rows import Readings, home_columns

ROWS_MAX = 4_000  # of a partition that is written
ROWS_FIT = 8  # with fewer there are no three sizes

Int64s = NDArray[np.int64]


class Cadence(StrEnum):
    """How half-hours come, where that makes a difference to the rows."""

    DAILY = "a delivery a day"
    HALF_HOURLY = "a delivery a half-hour"
    ROWS = "a row a half-hour"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRows:
    """The first rows of a partition. key: as `StoredPartition` has it; rows: of each the bound values, the timestamp last."""

    key: str
    rows: Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthPlan:
    """What is written to learn the size of one kind of partition. whole_rows, days: of one that is full."""

    cadence: Cadence
    share: float  # of the meters that are read by half-hours
    whole_rows: int
    days: int
    partitions: tuple[PartitionRows, ...]  # smallest first


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionGrowth:
    """rows, size_bytes: of what was written, smallest first. error: of the largest as predicted, a share; None: too few rows."""

    cadence: Cadence
    share: float
    days: int
    rows: tuple[int, ...]
    size_bytes: tuple[int, ...]
    whole_rows: int
    whole_bytes: int
    error: float | None


def growth_plans(entrant: Entrant, estate: EstateModel, years: int) -> tuple[GrowthPlan, ...]:
    """Of each cadence that the scenario has, a plan. years: that a partition without a bucket grows."""
    write = entrant.write
    shares = {Cadence.ROWS: 1.0} if write.row == "half_hour" else cadences(entrant.scenario.estate)
    key = entrant.schema.table(TableRole.INTERVALS).partition_key
    return tuple(
        _plan(write, [write.held[column] for column in key], estate, years, cadence, share, first_home=number * 3)
        for number, (cadence, share) in enumerate(shares.items())
    )


def cadences(estate: Estate) -> dict[Cadence, float]:
    """How half-hours come, by the share of the meters that send any: at most that of those who do so in the end."""
    schedules = estate.read_schedules
    pushing = schedules.half_hourly + sum(
        change.share for change in estate.schedule_changes if change.to == "half_hourly"
    )
    found = {Cadence.DAILY: schedules.daily, Cadence.HALF_HOURLY: pushing}
    total = sum(found.values())
    if not total:
        return {Cadence.DAILY: 1.0}
    return {cadence: share / total for cadence, share in found.items() if share}


def _plan(
    write: WriteText,
    key: Sequence[str],
    estate: EstateModel,
    years: int,
    cadence: Cadence,
    share: float,
    *,
    first_home: int,
) -> GrowthPlan:
    days = fullest_bucket(key, estate, years)
    meters = 1 if {"mpxn", "fuel"} & set(key) else len(estate.fuels)
    rows_a_day = meters * (1 if cadence is Cadence.DAILY else estate.slots_per_day)
    whole = rows_a_day * len(days)
    largest = min(whole, ROWS_MAX)
    sizes = (largest,) if largest < ROWS_FIT else (largest // 4, largest // 2, largest)
    return GrowthPlan(
        cadence=cadence,
        share=share,
        whole_rows=whole,
        days=len(days),
        partitions=tuple(
            _rows(write, key, estate, days[: -(-size // rows_a_day)], meters, cadence, first_home + number, size)
            for number, size in enumerate(sizes)
        ),
    )


def fullest_bucket(key: Sequence[str], estate: EstateModel, years: int) -> Int64s:
    """The UTC days [since 1970-01-01] of the bucket that spans the most of them, from the start of a leap year on. Pure."""
    year = estate.start.year
    while not (year % 4 == 0 and (year % 100 or year % 400 == 0)):
        year += 1
    first = int(np.datetime64(f"{year:04d}-01-01", "D").astype(np.int64))
    days = first + np.arange(years * 366, dtype=np.int64)
    buckets = [name for name in key if name in BUCKETS]
    if not buckets:
        return days
    columns = dict(home_columns(np.zeros(len(days), np.int64), np.zeros(len(days), np.int8), days * DAY_US))
    columns |= derived(columns, set(buckets) - columns.keys(), estate.slot_us)
    values = np.stack([columns[name].astype(np.int64) for name in buckets])
    _, bucket, counts = np.unique(values, axis=1, return_inverse=True, return_counts=True)
    chosen: Int64s = days[bucket.ravel() == int(np.argmax(counts))]
    return chosen


def _rows(
    write: WriteText,
    key: Sequence[str],
    estate: EstateModel,
    days: Int64s,
    meters: int,
    cadence: Cadence,
    home: int,
    count: int,
) -> PartitionRows:
    """The first `count` rows of a home's partition, in the order in which their half-hours come."""
    readings = _readings_of_home(estate, days, meters, cadence, home)
    rows = bound_rows(write, readings, count)
    place = {bind.name: number for number, bind in enumerate(write.binds)}
    return PartitionRows(key=":".join(str(rows[0][place[name]]) for name in key), rows=rows)


def _readings_of_home(estate: EstateModel, days: Int64s, meters: int, cadence: Cadence, home: int) -> Readings:
    slots = estate.slots_per_day
    pushes = slots if cadence is Cadence.HALF_HOURLY else 1
    day = np.repeat(days, pushes * meters)
    slot = np.tile(np.repeat(np.arange(pushes), meters), len(days))
    fuel = np.tile(np.arange(meters), len(days) * pushes)
    meter = (home % estate.premises_count) * len(estate.fuels) + fuel
    source_slot = ((day - days[0]) % estate.day_count * slots + slot).astype(np.int32)
    readings = readings_of(estate, meter=meter, first_slot=source_slot, slot_count=1 if pushes > 1 else slots)
    start_us = day * DAY_US + slot * estate.slot_us
    premises = np.full(len(day), home, np.int64)
    _, is_gas = split_meter(estate, meter)
    return replace(
        readings,
        premises=premises,
        mpxn=np.where(is_gas, mprn_of(premises), mpan_of(premises)),
        interval_start_us=start_us,
        received_at_us=readings.received_at_us + start_us - readings.interval_start_us,
    )


def growth_of(plan: GrowthPlan, size_bytes: Mapping[str, int]) -> PartitionGrowth:
    """size_bytes: of each written partition, by its key. Pure. Raises KeyError for one that is not there."""
    rows = tuple(len(each.rows) for each in plan.partitions)
    sizes = tuple(size_bytes[each.key] for each in plan.partitions)
    error, whole = None, sizes[-1]
    if len(rows) > 1:
        predicted = at_rows(rows[-1], rows[:2], sizes[:2])
        error = predicted / sizes[-1] - 1
        whole = round(at_rows(plan.whole_rows, rows[-2:], sizes[-2:]))
    return PartitionGrowth(
        cadence=plan.cadence,
        share=plan.share,
        days=plan.days,
        rows=rows,
        size_bytes=sizes,
        whole_rows=plan.whole_rows,
        whole_bytes=whole,
        error=error,
    )


def at_rows(rows: int, known_rows: Sequence[int], known: Sequence[int]) -> float:
    """The line through two points."""
    (first_rows, second_rows), (first, second) = known_rows, known
    return second + (rows - second_rows) * (second - first) / (second_rows - first_rows)
