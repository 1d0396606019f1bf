"""Partitions of three sizes: which rows they have, and what their bytes say of a whole one and of the next bucket."""

from dataclasses import replace

import numpy as np
import pytest

from loadtests.tournament.buckets import next_bucket, quantile_bytes
from loadtests.tournament.entrants import entrants_of
from loadtests.tournament.growth import (
    ROWS_MAX,
    Cadence,
    GrowthPlan,
    PartitionGrowth,
    PartitionRows,
    fullest_bucket,
    growth_of,
    growth_plans,
)
from scenarios.domain import DAY_US
from scenarios.spec import parse_scenario
from scenarios.variant_file import variants_named
from sim.estate.model import build_estate

SCENARIO = parse_scenario(
    """
title = "partitions"
[estate]
premises = 12
read_schedules = { daily = 0.75, half_hourly = 0.25 }
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 60
start = 2026-01-30
""",
    "test",
)
ESTATE = build_estate(SCENARIO)
ENTRANTS = entrants_of(SCENARIO, variants_named("textbook,blob,bucket_day,bucket_week,bucket_year"))
METERS = len(SCENARIO.estate.fuels)


def plan(sizes: tuple[int, ...], whole: int) -> GrowthPlan:
    partitions = tuple(PartitionRows(key=str(count), rows=[()] * count) for count in sizes)
    return GrowthPlan(cadence=Cadence.DAILY, share=1.0, whole_rows=whole, days=whole, partitions=partitions)


@pytest.mark.parametrize(
    ("name", "days", "whole"),
    [
        ("plain", 31, {Cadence.DAILY: 31 * METERS, Cadence.HALF_HOURLY: 31 * 48 * METERS}),
        ("blob", 31, {Cadence.DAILY: 31 * METERS, Cadence.HALF_HOURLY: 31 * 48 * METERS}),
        ("textbook", 31, {Cadence.ROWS: 31 * 48}),
        ("bucket_day", 1, {Cadence.DAILY: METERS, Cadence.HALF_HOURLY: 48 * METERS}),
        ("bucket_week", 7, {Cadence.DAILY: 7 * METERS, Cadence.HALF_HOURLY: 7 * 48 * METERS}),
        ("bucket_year", 366, {Cadence.DAILY: 366 * METERS, Cadence.HALF_HOURLY: 366 * 48 * METERS}),
    ],
)
def test_three_sizes_of_the_fullest_bucket_are_written_each_in_a_partition_of_its_own(
    name: str, days: int, whole: dict[Cadence, int]
) -> None:
    plans = growth_plans(ENTRANTS[name], ESTATE, 5)
    assert {each.cadence: each.whole_rows for each in plans} == whole
    assert all(each.days == days for each in plans)
    assert sum(each.share for each in plans) == pytest.approx(1)
    keys = [partition.key for each in plans for partition in each.partitions]
    assert len(set(keys)) == len(keys)
    for each in plans:
        largest = min(each.whole_rows, ROWS_MAX)
        assert [len(partition.rows) for partition in each.partitions] == (
            [largest] if largest < 8 else [largest // 4, largest // 2, largest]
        )
        for partition in each.partitions:  # no two rows are one
            assert len({row[: len(row) - 1] for row in map(str_row, partition.rows)}) == len(partition.rows)


def str_row(row: tuple[object, ...]) -> tuple[str, ...]:
    return tuple(map(str, row))


def test_a_partition_without_a_bucket_grows_for_all_the_years() -> None:
    assert len(fullest_bucket(["premises"], ESTATE, 5)) == 5 * 366
    month = fullest_bucket(["premises", "month"], ESTATE, 5)
    assert np.datetime64(int(month[0]), "D") == np.datetime64("2028-01-01") and len(month) == 31
    assert len(fullest_bucket(["premises", "month", "day"], ESTATE, 5)) == 1
    assert DAY_US * len(fullest_bucket(["mpxn", "year"], ESTATE, 1)) == 366 * DAY_US


def test_the_largest_size_is_held_out_and_a_whole_one_is_projected() -> None:
    straight = growth_of(plan((10, 20, 40), 100), {"10": 250, "20": 450, "40": 850})
    assert straight.error == pytest.approx(0) and straight.whole_bytes == 2_050
    bent = growth_of(plan((10, 20, 40), 40), {"10": 250, "20": 450, "40": 1_000})
    assert bent.error == pytest.approx(-0.15) and bent.whole_bytes == 1_000
    few = growth_of(plan((1,), 1), {"1": 70})
    assert few.error is None and few.whole_bytes == 70
    with pytest.raises(KeyError):
        growth_of(plan((10, 20, 40), 40), {"10": 250, "20": 450})


GROWTH = PartitionGrowth(
    cadence=Cadence.DAILY, share=1, days=31, rows=(31,), size_bytes=(1,), whole_rows=62, whole_bytes=31_000, error=None
)


@pytest.mark.parametrize(
    ("bytes_a_day", "rows_a_day", "bucket"),
    [
        (1_000, 2, "none"),  # 1.8 MB in five years
        (20_000, 96, "year"),  # five years are 36.6 MB
        (100_000, 96, "month"),
        (1_000_000, 96, "epoch_week"),
        (9_000_000, 96, "epoch_day"),
        (1_000, 5_760, "epoch_week"),  # by its rows
    ],
)
def test_the_next_bucket_is_the_widest_below_ten_mib_and_the_limit_of_rows(
    bytes_a_day: int, rows_a_day: int, bucket: str
) -> None:
    growth = replace(GROWTH, whole_bytes=31 * bytes_a_day, whole_rows=31 * rows_a_day)
    proposal = next_bucket([GROWTH, growth], 5)
    assert proposal is not None and proposal.bucket == bucket
    assert proposal.days_low == pytest.approx(2 * 2**20 / bytes_a_day)


def test_a_day_that_is_too_much_and_nothing_measured_have_no_next_bucket() -> None:
    assert next_bucket([replace(GROWTH, whole_bytes=31 * 11_000_000)], 5) is None
    assert next_bucket([], 5) is None


def test_the_quantile_is_over_the_meters() -> None:
    pushed = replace(GROWTH, share=0.02, whole_bytes=900_000)
    daily = replace(GROWTH, share=0.98)
    assert quantile_bytes([pushed, daily], 0.99) == 900_000
    assert quantile_bytes([pushed, daily], 0.98) == 31_000
