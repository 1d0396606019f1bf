"""Readings as columns, and the rows that they become: pure arithmetic on arrays, one array a bind.

Natural keys and an explicit write timestamp make each write idempotent: a repeated delivery writes the same cells again,
and a correction (a higher revision) wins over what it corrects whatever the clocks of the nodes say. The timestamp is
the instant that the row is about plus a step for each revision, so that time-windowed compaction still sees data time.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, SLOT_US, Operation, Quality
from store.operations import AnyOperation
from store.tariffs import DayTotals

ESTIMATE_REVISION = -1
"""What a head-end has estimated: whatever was measured, however late it comes, beats it."""

UNKNOWN_WH = -1
"""Stands for a register that is not known: it was in doubt, and its half-hours were kept without it."""

REVISION_STEP_US = 1_000
"""Between the write timestamps of a row and of its correction; what is written to mend a row fits in between."""

QUALITY_STEP_US = 100
"""Between the write timestamps of one row by two neighbours of `Quality`: ESTIMATED loses to ACTUAL, in either order."""

Columns = Mapping[str, NDArray[np.generic]]
"""Bind name -> one value a row; `values_wh` is int32[n, k], all else has n values."""


class MeterDay(NamedTuple):
    """A UTC day of one meter."""

    premises: int
    fuel: int
    day_start_us: int  # [us since the Unix epoch]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """n deliveries, each of k consecutive slots of one meter that lie in one UTC day. k is the same for all.

    A slot is a half-hour, unless `slot_us` says otherwise.
    """

    mpxn: NDArray[np.int64]  # [n]
    premises: NDArray[np.int64]  # [n]
    fuel: NDArray[np.int8]  # [n] 0 electricity, 1 gas, 2 what the home gave to the network
    interval_start_us: NDArray[np.int64]  # [n] of the first half-hour [us since the Unix epoch]
    values_wh: NDArray[np.int32]  # [n, k] [Wh], MISSING_WH where the meter has lost it; k 0: a register alone
    register_wh: NDArray[np.int64]  # [n] the meter's register at the end of the last half-hour [Wh], or UNKNOWN_WH
    day: DayTotals | None  # [n] from 00:00 UTC to the end of the last half-hour; None where only the log is told
    received_at_us: NDArray[np.int64]  # [n] [us since the Unix epoch]
    revision: NDArray[np.int32]  # [n] 0 as measured, from 1 as corrected, ESTIMATE_REVISION
    source: NDArray[np.int8]  # [n] scenarios.domain.Source
    quality: NDArray[np.int8]  # [n] scenarios.domain.Quality
    slot_us: int = SLOT_US  # how long a slot is [us]: a half-hour, or a quarter-hour

    @property
    def interval_end_us(self) -> NDArray[np.int64]:
        return self.interval_start_us + np.int64(self.values_wh.shape[1] * self.slot_us)


def is_latest_state(readings: Readings) -> NDArray[np.bool_]:
    """Whose register may be a meter's latest state: bool[n]. Not of an estimate or a correction, and not one in doubt."""
    is_measured: NDArray[np.bool_] = (readings.revision == 0) & (readings.quality == Quality.ACTUAL)
    is_measured &= readings.register_wh != UNKNOWN_WH
    return is_measured


def month_of(instant_us: NDArray[np.int64]) -> NDArray[np.int32]:
    """The UTC month of each instant: int64[n] [us since the Unix epoch] -> int32[n] as yyyymm."""
    months = instant_us.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    return ((months // 12 + 1970) * 100 + months % 12 + 1).astype(np.int32)


def month_of_us(instant_us: int) -> int:
    """The UTC month of one instant [us since the Unix epoch], as yyyymm."""
    return int(month_of(np.array([instant_us]))[0])


def month_start_us(month: int) -> int:
    """00:00 UTC of the first day of a month (yyyymm) [us since the Unix epoch]."""
    return int(np.datetime64(f"{month // 100:04d}-{month % 100:02d}", "us").astype(np.int64))


def day_of_month(instant_us: NDArray[np.int64]) -> NDArray[np.int8]:
    """The UTC day of the month, from 1: int64[n] [us since the Unix epoch] -> int8[n]."""
    days = instant_us.astype("datetime64[us]").astype("datetime64[D]")
    since_first: NDArray[np.int64] = (days - days.astype("datetime64[M]")).astype(np.int64)
    return (since_first + 1).astype(np.int8)


def epoch_day_of(instant_us: NDArray[np.int64]) -> NDArray[np.int32]:
    """UTC days since 1970-01-01: int64[n] [us since the Unix epoch] -> int32[n]."""
    return (instant_us // DAY_US).astype(np.int32)


def reading_columns(operation: AnyOperation, readings: Readings) -> Columns:
    """The bind columns of INGEST_READING, INGEST_REVISION or INGEST_REGISTER for n deliveries; of days where they bring them."""
    start_us, end_us = readings.interval_start_us, readings.interval_end_us
    columns: dict[str, NDArray[np.generic]] = {
        "premises": readings.premises,
        # a register alone is of the instant at which a day ends, and belongs to that day's month
        "month": month_of(start_us if readings.values_wh.shape[1] else start_us - 1),
        "fuel": readings.fuel,
        "interval_start": start_us // 1_000,
        "slot_count": np.full(len(start_us), readings.values_wh.shape[1], np.int16),
        "revision": readings.revision,
        "mpxn": readings.mpxn,
        "received_at": readings.received_at_us // 1_000,
        "source": readings.source,
        "quality": readings.quality,
        "register_wh": readings.register_wh,
        "values_wh": readings.values_wh,
        # a row without its register loses to the same row with it, whatever order they come in
        "write_us": write_us_of(end_us, readings.revision, readings.quality) - (readings.register_wh == UNKNOWN_WH),
    }
    if operation in (Operation.INGEST_READING, Operation.INGEST_REGISTER):
        columns["read_through"] = end_us // 1_000
    if operation is Operation.INGEST_READING:
        columns |= {"day": day_of_month(start_us), "through": end_us // 1_000}
        columns |= day_columns(readings.day) if readings.day is not None else {}
    return columns


def write_us_of(
    end_us: NDArray[np.int64], revision: NDArray[np.integer], quality: NDArray[np.integer]
) -> NDArray[np.int64]:
    """The write timestamp of each row: of one half-hour the higher revision wins, of one revision the better quality."""
    return end_us + revision.astype(np.int64) * REVISION_STEP_US - quality.astype(np.int64) * QUALITY_STEP_US


def day_columns(day: DayTotals) -> Columns:
    """The bind columns of what a day adds up to."""
    return {field.name: getattr(day, field.name) for field in fields(DayTotals)}


def home_columns(premises: NDArray[np.int64], fuel: NDArray[np.int8], day_start_us: NDArray[np.int64]) -> Columns:
    """The bind columns of every query about a home or one of its meters: n of them, asked about a UTC day [us].

    premises: int64[n]; fuel: int8[n] codes; day_start_us: int64[n] [us since the Unix epoch].
    """
    return {
        "premises": premises,
        "month": month_of(day_start_us),
        "day": day_of_month(day_start_us),
        "fuel": fuel,
        "from": day_start_us // 1_000,
        "before": (day_start_us + np.int64(DAY_US)) // 1_000,
    }


def values_of(columns: Columns, i: int) -> dict[str, Any]:
    """Row i of bind columns, as Python values by name."""
    return {name: column[i].tolist() for name, column in columns.items()}


def us_of(instant: dt.datetime) -> int:
    """cassandra-driver hands out naive datetimes in UTC, of millisecond resolution -> [us since the Unix epoch]."""
    return (instant - _EPOCH) // _MS * 1_000


_EPOCH = dt.datetime(1970, 1, 1)
_MS = dt.timedelta(milliseconds=1)
