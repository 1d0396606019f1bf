"""Answers of a warehouse written back into the store, and read there: what similar homes use, and a home's base load and peak.

Each row carries as of when the warehouse is and a digest of what it held, and is written at that instant: publishing a warehouse
again changes nothing, and one of an earlier instant never wins over a later one's.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from store.analytics.jobs import PERCENTILES
from store.analytics.warehouse import whole_warehouse
from store.operations import AnyOperation, StoreOperation
from store.ports import Runner, Values
from store.readings.summaries import HOMES_MIN
from store.roles import TableRole
from store.tables import Schema

ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a row is from."""

    as_of: dt.datetime  # UTC
    warehouse: str  # a digest of what it held


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileBand:
    """What the homes of a cohort use in one settlement period of a day [Wh]."""

    fuel: int
    settlement_period: int
    home_count: int
    half_hours: int
    mean_wh: int
    percentiles_wh: tuple[int, ...]  # of PERCENTILES
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeInsight:
    """What a warehouse knows of one fuel of a home."""

    fuel: int
    cohort: int | None  # None: nobody knew which homes are similar
    half_hours: int
    used_wh: int
    base_wh: int  # that 95 % of its half-hours exceed or reach
    highest_wh: int  # half-hour
    peak_wh: int  # that falls between 16:00 and 19:00 by the clock
    shift_wh: int  # of that, what is above the base load: what a tariff of times could move
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """A warehouse as it was when it was read. as_of_us: it has what the store held then; digest: of all that it holds."""

    as_of_us: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedInsights:
    """What was written."""

    bands: int
    homes: int  # a row each of their fuels
    untold: int  # bands of cohorts with so few homes that they would tell of a neighbour


def has_insights(schema: Schema) -> bool:
    """Does a design have tables for them?"""
    return all(schema.find(role) is not None for role in (TableRole.COHORT_PROFILES, TableRole.HOME_INSIGHTS))


def edition_of(folder: Path) -> Edition:
    """Of the whole warehouse in `folder`, as it is now. Raises WarehouseError."""
    manifest = whole_warehouse(folder)
    return Edition(as_of_us=manifest.as_of_us, digest=manifest.digest(folder))


def publish(runner: Runner, warehouse: Edition, profiles: pa.Table, peaks: pa.Table) -> PublishedInsights:
    """Write the rows of the jobs `profiles` and `peaks` on a warehouse, as they read it. Repeating it changes nothing.

    Raises StoreError, after which it may be repeated.
    """
    origin = {
        "as_of": warehouse.as_of_us // 1_000,
        "warehouse": warehouse.digest,
        "write_us": warehouse.as_of_us,
    }
    told = [row for row in profiles.to_pylist() if row["cohort"] is not None]
    bands: list[Values] = [
        {
            "cohort": row["cohort"],
            "fuel": row["fuel"],
            "settlement_period": row["settlement_period"],
            "home_count": row["homes"],
            "half_hours": row["half_hours"],
            "mean_wh": round(row["wh"] / row["half_hours"]),
            "percentiles_wh": [row[f"p{percent}_wh"] for percent in PERCENTILES],
            **origin,
        }
        for row in told
        if row["homes"] >= HOMES_MIN
    ]
    _write(runner, StoreOperation.WRITE_PROFILE, iter(bands))
    _write(runner, StoreOperation.WRITE_HOME_INSIGHT, _home_rows(peaks, origin))
    return PublishedInsights(bands=len(bands), homes=peaks.num_rows, untold=len(told) - len(bands))


def profile_of(runner: Runner, cohort: int) -> list[ProfileBand]:
    """What the homes of a cohort use, by fuel and settlement period. Raises StoreError."""
    return [
        ProfileBand(
            fuel=row.fuel,
            settlement_period=row.settlement_period,
            home_count=row.home_count,
            half_hours=row.half_hours,
            mean_wh=row.mean_wh,
            percentiles_wh=tuple(row.percentiles_wh),
            provenance=Provenance(as_of=row.as_of.replace(tzinfo=dt.UTC), warehouse=row.warehouse),
        )
        for row in runner.run(StoreOperation.READ_PROFILES, {"cohort": cohort})
    ]


def insights_of(runner: Runner, premises: int) -> list[HomeInsight]:
    """What is known of a home, by fuel; none where no warehouse that had it was published. Raises StoreError."""
    return [
        HomeInsight(
            fuel=row.fuel,
            cohort=row.cohort,
            half_hours=row.half_hours,
            used_wh=row.used_wh,
            base_wh=row.base_wh,
            highest_wh=row.highest_wh,
            peak_wh=row.peak_wh,
            shift_wh=row.shift_wh,
            provenance=Provenance(as_of=row.as_of.replace(tzinfo=dt.UTC), warehouse=row.warehouse),
        )
        for row in runner.run(StoreOperation.READ_HOME_INSIGHTS, {"premises": premises})
    ]


def _home_rows(peaks: pa.Table, origin: Values) -> Iterator[Values]:
    for batch in peaks.to_batches(max_chunksize=ROWS_AT_ONCE):
        for row in batch.to_pylist():
            kept = ("premises", "fuel", "cohort", "half_hours", "base_wh", "highest_wh", "peak_wh", "shift_wh")
            yield {**{name: row[name] for name in kept}, "used_wh": row["wh"], **origin}


def _write(runner: Runner, operation: AnyOperation, rows: Iterator[Values]) -> None:
    some: Sequence[Values]
    while some := list(islice(rows, ROWS_AT_ONCE)):
        runner.run_many(operation, some)
