"""How wide the next bucket should be, by what a day of this estate's own rows takes. Pure.

Partitions of 2 to 10 MiB are what Netflix's time series service aims at by choosing the next bucket from what it has measured.
Source: Netflix Technology Blog, "Dynamic Repartitioning for Time Series Workloads", June 2026.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.tournament.growth import PartitionGrowth
from store.designs.columns import BUCKETS
from store.designs.partitions import ROWS_MAX

LOW_BYTES, HIGH_BYTES = 2 * 2**20, 10 * 2**20
NO_BUCKET = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketProposal:
    """days_low, days_high: a bucket between them holds 2 to 10 MiB, and no more rows than the field's limit.

    bucket: the widest column of the trace that stays below, or `none` where all the years together do.
    size_bytes: of its partition.
    """

    days_low: float
    days_high: float
    bucket: str
    size_bytes: int


def next_bucket(growths: Sequence[PartitionGrowth], years: int) -> BucketProposal | None:
    """By the most bytes and rows a day; None where not even a day stays below 10 MiB, or nothing was measured."""
    if not growths:
        return None
    bytes_a_day = max(each.whole_bytes / each.days for each in growths)
    rows_a_day = max(each.whole_rows / each.days for each in growths)
    days_high = min(HIGH_BYTES / bytes_a_day, ROWS_MAX / rows_a_day)
    widths = {name: column.days for name, column in BUCKETS.items() if column.days is not None}
    widths[NO_BUCKET] = years * 366
    fitting = [name for name, days in widths.items() if days <= days_high]
    if not fitting:
        return None
    bucket = max(fitting, key=lambda name: widths[name])
    return BucketProposal(
        days_low=LOW_BYTES / bytes_a_day,
        days_high=days_high,
        bucket=bucket,
        size_bytes=round(bytes_a_day * widths[bucket]),
    )


def quantile_bytes(growths: Sequence[PartitionGrowth], quantile: float) -> int:
    """The bytes that a share `quantile` of the meters' whole partitions don't exceed."""
    below = 0.0
    ordered = sorted(growths, key=lambda each: each.whole_bytes)
    for each in ordered:
        below += each.share
        if below >= quantile - 1e-9:
            return each.whole_bytes
    return ordered[-1].whole_bytes
