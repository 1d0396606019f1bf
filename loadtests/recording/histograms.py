"""Latencies as counts: arrays in the layout of `HdrHistogram(1, 3_600_000_000, 3)`, values in microseconds. Pure.

An index stands for a small range of values, at most 0.1 % wide, so histograms are merged without loss by adding arrays; the
library's own Python class records value by value and is slow at it.
"""

import numpy as np
from hdrh.codec import HdrHistogramEncoder
from hdrh.histogram import HdrHistogram
from numpy.typing import ArrayLike, NDArray

VALUE_US_MAX = 3_600_000_000
SIGNIFICANT_DIGITS = 3
HALF_BUCKET_BITS = 10  # 2 x 10^3 values need 2^11 sub-buckets; from the second bucket on only their upper half is used
COUNTS_SIZE = 23 << HALF_BUCKET_BITS  # 22 buckets reach one hour; see test_history for the check against the library

Counts = NDArray[np.int64]


def _upper_edges_us() -> Counts:
    """The highest value [us] that each array index stands for: int64[COUNTS_SIZE].

    Source: HdrHistogram's get_highest_equivalent_value, for a unit magnitude of 0.
    """
    index = np.arange(COUNTS_SIZE, dtype=np.int64)
    half = np.int64(1) << HALF_BUCKET_BITS
    bucket = np.maximum((index >> HALF_BUCKET_BITS) - 1, 0)
    sub_bucket = np.where(index < half, index, (index & (half - 1)) + half)
    edges: Counts = ((sub_bucket + 1) << bucket) - 1
    return edges


UPPER_EDGES_US = _upper_edges_us()


def counts_of(values_us: ArrayLike) -> Counts:
    """Count values [us] into the layout: array_like[n] -> int64[COUNTS_SIZE]. They are clipped to 0 ... one hour."""
    clipped = np.clip(np.asarray(values_us, dtype=np.int64), 0, VALUE_US_MAX)
    return np.bincount(np.searchsorted(UPPER_EDGES_US, clipped), minlength=COUNTS_SIZE).astype(np.int64)


def percentiles_us(counts: Counts, percentiles: ArrayLike) -> Counts:
    """The value [us] that at least `percentiles` per cent of the counted values do not exceed.

    counts: int64[COUNTS_SIZE]; percentiles: array_like[n] in 0 ... 100 -> int64[n], upper edges of the layout; -1 where
    nothing was counted. The rank is rounded up, as in HdrHistogram for Java. The Python library rounds to the nearest:
    of 160 values it calls the third-slowest their 99th percentile, which only 98.75 % of them do not exceed.
    """
    cumulative = np.cumsum(counts)
    total = int(cumulative[-1])
    wanted = np.asarray(percentiles, dtype=np.float64)
    if total == 0:
        return np.full(wanted.shape, -1, dtype=np.int64)
    # The small term keeps 99.9 % of 1,000 at rank 999: as a float the product is a hair above it.
    rank = np.maximum(np.ceil(wanted * total / 100 - 1e-9 * total), 1)
    return np.take(UPPER_EDGES_US, np.searchsorted(cumulative, rank))


def lower_edge_us(upper_edge_us: int) -> int:
    """The least value [us] that is counted with an upper edge of the layout."""
    index = int(np.searchsorted(UPPER_EDGES_US, upper_edge_us))
    return int(UPPER_EDGES_US[index - 1]) + 1 if index > 0 else 0


def histogram_of(counts: Counts) -> HdrHistogram:
    """A library histogram that holds `counts` (int64[COUNTS_SIZE]); filled in bulk, as its own recording is slow."""
    histogram = HdrHistogram(1, VALUE_US_MAX, SIGNIFICANT_DIGITS)
    filled = np.flatnonzero(counts)
    np.frombuffer(histogram.counts, dtype=np.uint64)[:] = counts
    histogram.total_count = int(counts.sum())
    if filled.size:
        histogram.min_value = int(UPPER_EDGES_US[filled[0]])
        histogram.max_value = int(UPPER_EDGES_US[filled[-1]])
    return histogram


def counts_of_histogram(histogram: HdrHistogram) -> Counts:
    """The counts of a library histogram of this layout, copied: int64[COUNTS_SIZE]."""
    return np.frombuffer(histogram.counts, dtype=np.uint64).astype(np.int64)


def counts_of_encoded(encoded: str) -> Counts:
    """The counts of a line's payload: int64[COUNTS_SIZE]. Without the library's histogram around them: a third of the time."""
    payload = HdrHistogramEncoder.decode(encoded)
    header = payload.payload
    layout = (header.lowest_trackable_value, header.highest_trackable_value, header.significant_figures)
    if layout != (1, VALUE_US_MAX, SIGNIFICANT_DIGITS):
        raise ValueError(f"a histogram of layout {layout} is none of a history's")
    payload.init_counts(COUNTS_SIZE)
    return np.frombuffer(payload.counts, dtype=np.uint64).astype(np.int64)
