"""What the Cassandra nodes did over time and in all, from the samples of a history. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from loadtests.recording.history import NodeSample
from reports.run.latency import Floats, TimeBins


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCourse:
    """One node by bin of time, float64[bins] each; NaN where it was not sampled."""

    node: str
    dc: str
    cpu_cores: Floats
    gc_pause_ms_per_s: Floats
    sstable_count: Floats
    disk_bytes: Floats


class Gap(NamedTuple):
    """Wall time from and until which nothing is known of a node; until None: to the end."""

    node: str
    from_s: int
    until_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTotals:
    """One node in all. `gc_share` is the share of the time that collections stopped it."""

    node: str
    dc: str
    cpu_cores_mean: float
    cpu_cores_max: float
    rss_bytes_max: int
    disk_bytes_end: int
    disk_bytes_grown: int
    gc_count: int
    gc_share: float
    sstable_count_max: int | None


def by_node(samples: Sequence[NodeSample]) -> dict[str, list[NodeSample]]:
    """The samples of each node in the order of time; nodes in the order of their DC and name."""
    nodes: dict[str, list[NodeSample]] = {}
    for sample in sorted(samples, key=lambda sample: (sample.dc, sample.node, sample.second)):
        nodes.setdefault(sample.node, []).append(sample)
    return nodes


def node_courses(samples: Sequence[NodeSample], bins: TimeBins) -> list[NodeCourse]:
    """CPU as the mean of a bin, GC pauses as stopped ms a second, SSTables as the bin's most, disk as its last."""
    return [_course(node, rows, bins) for node, rows in by_node(samples).items()]


def sampled_every_s(samples: Sequence[NodeSample]) -> int:
    """The usual time between two samples of a node [s], of the node that was asked least often."""
    return max((round(_seconds_between(rows)) for rows in by_node(samples).values()), default=1)


def gaps_of(node: str, values: Floats, bins: TimeBins) -> list[Gap]:
    """The bins of time in which a node has no value: float64[bins], NaN there. Bins that follow each other are one gap."""
    gaps: list[Gap] = []
    is_missing = [*np.isnan(values).tolist(), False]
    first: int | None = None
    for index, missing in enumerate(is_missing):
        if missing and first is None:
            first = index
        elif not missing and first is not None:
            gaps.append(Gap(node, first * bins.width_s, None if index == bins.count else index * bins.width_s))
            first = None
    return gaps


def _course(node: str, rows: Sequence[NodeSample], bins: TimeBins) -> NodeCourse:
    index = np.array([min(max(row.second, 0) // bins.width_s, bins.count - 1) for row in rows])
    sampled = np.bincount(index, minlength=bins.count).astype(np.float64)
    sampled[sampled == 0] = np.nan

    def mean(values: Sequence[float]) -> Floats:
        return np.asarray(
            np.bincount(index, weights=np.array(values), minlength=bins.count) / sampled, dtype=np.float64
        )

    most = np.full(bins.count, np.nan)
    np.fmax.at(most, index, np.array([row.sstable_count for row in rows], dtype=np.float64))
    disk = np.full(bins.count, np.nan)
    disk[index] = [row.disk_bytes for row in rows]  # of several in one bin, the last one stays
    return NodeCourse(
        node=node,
        dc=rows[0].dc,
        cpu_cores=mean([row.cpu_share for row in rows]),
        gc_pause_ms_per_s=mean([row.gc_pause_ms for row in rows]) / _seconds_between(rows),
        sstable_count=most,
        disk_bytes=disk,
    )


def node_totals(samples: Sequence[NodeSample]) -> list[NodeTotals]:
    """One row a node."""
    return [_totals(node, rows) for node, rows in by_node(samples).items()]


def _totals(node: str, rows: Sequence[NodeSample]) -> NodeTotals:
    stopped_ms = sum(row.gc_pause_ms for row in rows)
    return NodeTotals(
        node=node,
        dc=rows[0].dc,
        cpu_cores_mean=float(np.mean([row.cpu_share for row in rows])),
        cpu_cores_max=max(row.cpu_share for row in rows),
        rss_bytes_max=max(row.rss_bytes for row in rows),
        disk_bytes_end=rows[-1].disk_bytes,
        disk_bytes_grown=rows[-1].disk_bytes - rows[0].disk_bytes,
        gc_count=sum(row.gc_count for row in rows),
        gc_share=stopped_ms / 1_000 / (len(rows) * _seconds_between(rows)),
        sstable_count_max=max((row.sstable_count for row in rows if row.sstable_count is not None), default=None),
    )


def _seconds_between(rows: Sequence[NodeSample]) -> float:
    """The usual time between two samples [s]: a sampler may look less often than each second."""
    if len(rows) < 2:
        return 1.0
    return max(float(np.median(np.diff([row.second for row in rows]))), 1.0)
