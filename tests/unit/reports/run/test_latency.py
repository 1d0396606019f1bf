"""Statistics of latencies, worked by hand."""

import math

import numpy as np
import pytest

from loadtests.recording.history import COUNTS_SIZE, counts_of
from reports.run.latency import (
    TimeBins,
    bins_of,
    generator_error,
    latency_over_time,
    percentile_curve,
    percentiles_ms,
    total_counts,
)

NOTHING = np.zeros(COUNTS_SIZE, dtype=np.int64)


def test_percentiles_in_ms() -> None:
    # 1 ... 1,000 us: all below 2,048, where the histogram is exact.
    found = percentiles_ms(counts_of(np.arange(1, 1_001)))
    assert found is not None
    assert (found.p50, found.p95, found.p99, found.p999, found.max) == (0.5, 0.95, 0.99, 0.999, 1.0)


def test_percentiles_of_nothing_are_absent() -> None:
    assert percentiles_ms(NOTHING) is None


@pytest.mark.parametrize(
    ("count", "absent"), [(19, {"p95", "p99", "p999"}), (99, {"p99", "p999"}), (999, {"p999"}), (1_000, set())]
)
def test_a_percentile_that_no_response_lies_above_is_not_told(count: int, absent: set[str]) -> None:
    found = percentiles_ms(counts_of(np.arange(1, count + 1)))
    assert found is not None and found.max == count / 1_000
    assert {name for name in ("p50", "p95", "p99", "p999") if getattr(found, name) is None} == absent


def test_percentiles_are_off_by_what_lies_between_them_and_the_earliest() -> None:
    """100 responses of 1 to 100 ms; each was 0.2 ms late, but the two slowest, whose answers lay unread for 30 ms."""
    times_us = np.arange(1, 101) * 1_000
    found = generator_error(counts_of(times_us), counts_of(times_us - np.where(times_us > 98_000, 30_000, 200)))
    assert found is not None and found.p95 is not None and found.p99 is not None
    assert found.p50.ms == pytest.approx(0.2, abs=0.04) and found.p50.percent == pytest.approx(0.4, abs=0.08)
    # 69 and 70 ms are two of the earliest, so that 96.8 is their 99th, and 92.8 their 95th. A bucket is 0.06 ms wide there.
    assert found.p95.ms == pytest.approx(95 - 92.8, abs=0.13)
    assert found.p99.ms == pytest.approx(99 - 96.8, abs=0.13)
    assert found.p999 is None


def test_a_histogram_is_off_by_its_width_at_least() -> None:
    found = generator_error(counts_of([3_000]), counts_of([3_000]))
    assert found is not None
    assert (found.p50.ms, found.p50.percent) == pytest.approx((0.001, 100 / 3_001))


def test_without_the_earliest_of_each_nothing_is_said() -> None:
    assert generator_error(counts_of([5, 6]), counts_of([5])) is None
    assert generator_error(counts_of([5, 6]), NOTHING) is None
    assert generator_error(NOTHING, NOTHING) is None


def test_total_leaves_the_first_seconds_out() -> None:
    lines = [(0, counts_of([5])), (1, counts_of([6])), (3, counts_of([7, 7]))]
    assert total_counts(lines, second_first=1).sum() == 3
    assert total_counts(lines).sum() == 4


@pytest.mark.parametrize(
    ("second_count", "width_s", "count"), [(0, 1, 1), (45, 1, 45), (240, 1, 240), (241, 2, 121), (10_800, 60, 180)]
)
def test_bins_are_fine_but_not_too_many(second_count: int, width_s: int, count: int) -> None:
    assert bins_of(second_count) == TimeBins(width_s=width_s, count=count)


def test_rates_of_a_short_last_bin_are_not_diluted() -> None:
    rates = TimeBins(width_s=2, count=4).per_second(np.array([10, 20, 30, 30, 40]))
    assert rates[:3].tolist() == [15.0, 30.0, 40.0]
    assert math.isnan(rates[3])


def test_percentiles_of_a_bin_are_of_its_values_not_means_of_seconds() -> None:
    lines = [(0, counts_of([100] * 99)), (1, counts_of([900])), (4, counts_of([300]))]
    course = latency_over_time(lines, TimeBins(width_s=2, count=3), second_first=1)
    assert course.p50[0] == 0.1
    assert course.p99[0] == 0.1  # 99 of the bin's 100 values; the mean of the seconds' p99 would be 0.5
    assert course.max[0] == 0.9
    assert math.isnan(course.p50[1])
    assert course.max[2] == 0.3
    assert course.counts.sum() == 2


def test_answers_after_the_last_bin_are_in_the_counts_alone() -> None:
    lines = [(0, counts_of([100])), (3, counts_of([200])), (7, counts_of([300]))]
    course = latency_over_time(lines, TimeBins(width_s=2, count=2))
    assert course.max.tolist() == [0.1, 0.2] and course.counts.sum() == 3


def test_curve_ends_with_the_slowest_at_its_own_nine() -> None:
    curve = percentile_curve(counts_of([100] * 999 + [2_000]))
    assert curve is not None
    assert curve.nines[-1] == 3
    assert (curve.value_ms[0], curve.value_ms[-2], curve.value_ms[-1]) == (0.1, 0.1, 2.0)


def test_curve_of_one_value_and_of_none() -> None:
    curve = percentile_curve(counts_of([500]))
    assert curve is not None
    assert set(curve.value_ms.tolist()) == {0.5}
    assert percentile_curve(NOTHING) is None
