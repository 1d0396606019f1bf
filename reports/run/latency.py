"""Statistics of latencies: percentiles, their course over time, and the percentile curve, all from histogram counts. Pure.

Bins of time merge the counts of their seconds, so a percentile of a bin is exact (to the histogram's 0.1 %), not an average
of the seconds' percentiles.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.recording.history import COUNTS_SIZE, Counts, lower_edge_us, percentiles_us
from reports.results.run import GeneratorError, PercentileError, Percentiles

Floats = NDArray[np.float64]

BIN_COUNT_MAX = 240  # more points than this can't be told apart in a figure as wide as a page
BIN_COUNT_COARSE = 60  # for many lines in one figure, or figures of what jumps from one second to the next
BIN_WIDTHS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400)


def percentiles_ms(counts: Counts) -> Percentiles | None:
    """p50 ... max [ms] of int64[COUNTS_SIZE] counts; None when nothing was counted, or too little for a percentile."""
    count = int(counts.sum())
    if count == 0:
        return None
    p50, p95, p99, p999, most = (percentiles_us(counts, [50, 95, 99, 99.9, 100]) / 1_000).tolist()
    return Percentiles(
        p50=p50,
        p95=p95 if count >= 20 else None,
        p99=p99 if count >= 100 else None,
        p999=p999 if count >= 1_000 else None,
        max=most,
    )


def generator_error(response: Counts, earliest: Counts) -> GeneratorError | None:
    """By how much percentiles of `response` may be too high; None where not each of its times has its earliest one.

    response, earliest: int64[COUNTS_SIZE]. No operation's response time can truly have been shorter than its earliest one, so no
    percentile can truly be below that of the earliest ones.
    """
    found, count = percentiles_ms(response), int(response.sum())
    if found is None or count != int(earliest.sum()):
        return None

    def error(percentile: float, upper_ms: float | None) -> PercentileError | None:
        if upper_ms is None:
            return None
        lower_ms = lower_edge_us(int(percentiles_us(earliest, [percentile])[0])) / 1_000
        return PercentileError(
            ms=upper_ms - lower_ms, percent=100 * (upper_ms - lower_ms) / upper_ms if upper_ms else 0.0
        )

    p50 = error(50, found.p50)
    assert p50 is not None
    return GeneratorError(p50=p50, p95=error(95, found.p95), p99=error(99, found.p99), p999=error(99.9, found.p999))


def total_counts(lines: Iterable[tuple[int, Counts]], second_first: int = 0) -> Counts:
    """The counts of all seconds from `second_first` on, added up: int64[COUNTS_SIZE]."""
    total = np.zeros(COUNTS_SIZE, dtype=np.int64)
    for second, counts in lines:
        if second >= second_first:
            total += counts
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeBins:
    """Equal bins of `width_s` seconds from the wall start of the storm."""

    width_s: int
    count: int

    @property
    def starts_s(self) -> Floats:
        """The first second of each bin: float64[count]."""
        return np.arange(self.count, dtype=np.float64) * self.width_s

    def per_second(self, values: NDArray[np.int64]) -> Floats:
        """Mean of the seconds in each bin: int64[seconds] -> float64[count], NaN in bins after the last second.

        The last second's bin may hold fewer seconds than its width: its mean is of those.
        """
        means = np.full(self.count, np.nan)
        firsts = np.arange(0, len(values), self.width_s)
        if firsts.size:
            means[: firsts.size] = np.add.reduceat(values, firsts) / np.minimum(self.width_s, len(values) - firsts)
        return means


def bins_of(second_count: int, bin_count_max: int = BIN_COUNT_MAX, width_s_min: int = 1) -> TimeBins:
    """The finest bins that are not too many for a figure, and no finer than what they show was measured."""
    for width_s in BIN_WIDTHS_S:
        if second_count <= width_s * bin_count_max and width_s >= width_s_min:
            break
    return TimeBins(width_s=width_s, count=max(-(-second_count // width_s), 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyOverTime:
    """Percentiles [ms] by bin of time, float64[bins]; NaN where nothing was measured.

    `counts` are of all seconds but the first ones that were left out: int64[COUNTS_SIZE].
    """

    bins: TimeBins
    counts: Counts
    p50: Floats
    p95: Floats
    p99: Floats
    max: Floats


def latency_over_time(lines: Iterable[tuple[int, Counts]], bins: TimeBins, second_first: int = 0) -> LatencyOverTime:
    """The course of a latency, and its counts from `second_first` on, in one reading of a long log.

    lines: as a history gives them, in the order of their seconds; those after the last bin are in the counts alone.
    """
    total = np.zeros(COUNTS_SIZE, dtype=np.int64)
    found = np.full((bins.count, 4), np.nan)
    current, counts = -1, np.zeros(COUNTS_SIZE, dtype=np.int64)
    for second, line in lines:
        if second >= second_first:
            total += line
        index = second // bins.width_s
        if index >= bins.count:
            continue
        if index != current:
            _close_bin(found, current, counts)
            current, counts = index, np.zeros(COUNTS_SIZE, dtype=np.int64)
        counts += line
    _close_bin(found, current, counts)
    p50, p95, p99, most = found.T
    return LatencyOverTime(bins=bins, counts=total, p50=p50, p95=p95, p99=p99, max=most)


def _close_bin(found: Floats, index: int, counts: Counts) -> None:
    if counts.any():
        found[index] = percentiles_us(counts, [50, 95, 99, 100]) / 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentileCurve:
    """A whole distribution: value [ms] against log10(1 / (1 - quantile)), so each further nine takes as much room."""

    nines: Floats
    value_ms: Floats


def percentile_curve(counts: Counts, point_count: int = 160) -> PercentileCurve | None:
    """The curve up to the quantile that a single value among those counted stands for; None when nothing was counted."""
    total = int(counts.sum())
    if total == 0:
        return None
    nines = np.linspace(0, np.log10(total), point_count)
    value_ms = percentiles_us(counts, 100 * (1 - 10.0**-nines)) / 1_000
    value_ms[-1] = percentiles_us(counts, [100])[0] / 1_000  # the slowest stands for the last 1 of `total`
    return PercentileCurve(nines=nines, value_ms=value_ms)
