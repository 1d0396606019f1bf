"""What nodes did, by bin and in all."""

import math

from loadtests.recording.history import NodeSample
from reports.run.latency import TimeBins
from reports.run.nodes import node_courses, node_totals


def sample(second: int, **changes: object) -> NodeSample:
    fields: dict[str, object] = {
        "second": second,
        "node": "north-1",
        "dc": "north",
        "cpu_share": 0.5,
        "rss_bytes": 100,
        "disk_bytes": 1_000 + second,
        "gc_pause_ms": 0.0,
        "gc_count": 0,
        "sstable_count": 0,
    }
    return NodeSample(**(fields | changes))  # type: ignore[arg-type]


def test_courses_by_bin() -> None:
    samples = [
        sample(0, cpu_share=0.2, gc_pause_ms=30, gc_count=1),
        sample(1, cpu_share=0.4, sstable_count=3),
        sample(2, cpu_share=1.0, sstable_count=1),
    ]
    (course,) = node_courses(samples, TimeBins(width_s=2, count=3))
    assert course.cpu_cores[0] == 0.30000000000000004
    assert course.gc_pause_ms_per_s[:2].tolist() == [15.0, 0.0]
    assert course.sstable_count[:2].tolist() == [3.0, 1.0]
    assert course.disk_bytes[:2].tolist() == [1_001.0, 1_002.0]
    assert math.isnan(course.cpu_cores[2])
    assert math.isnan(course.sstable_count[2])


def test_totals_in_order_of_dc_and_node() -> None:
    samples = [
        sample(0, node="south-1", dc="south"),
        sample(0, gc_pause_ms=50, gc_count=2, rss_bytes=300),
        sample(1, cpu_share=1.5, sstable_count=4),
    ]
    north, south = node_totals(samples)
    assert (north.node, south.node) == ("north-1", "south-1")
    assert (north.cpu_cores_mean, north.cpu_cores_max, north.rss_bytes_max) == (1.0, 1.5, 300)
    assert (north.disk_bytes_end, north.disk_bytes_grown, north.gc_count) == (1_001, 1, 2)
    assert north.gc_share == 0.025
    assert north.sstable_count_max == 4


def test_pauses_are_a_second_though_samples_are_rarer() -> None:
    samples = [sample(second, gc_pause_ms=50) for second in (0, 5, 10)]
    (course,) = node_courses(samples, TimeBins(width_s=5, count=3))
    assert course.gc_pause_ms_per_s.tolist() == [10.0, 10.0, 10.0]
    assert node_totals(samples)[0].gc_share == 0.01
