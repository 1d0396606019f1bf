"""Figures that showed nothing, gaps in nodes' lines without a word, and objectives that hid each other."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from loadtests.recording.history import HistoryWriter, NodeSample, SecondCounts, counts_of, read_history
from reports.run.figures import (
    PANEL,
    NamedCurve,
    ObjectiveLimit,
    Span,
    draw_latency_over_time,
    draw_percentile_curves,
    limit_texts,
    side_by_side,
)
from reports.run.gallery import Gallery, run_gallery
from reports.run.latency import TimeBins, latency_over_time, percentile_curve
from reports.run.nodes import Gap, gaps_of
from scenarios.spec import Scenario, parse_scenario
from tests.support.synthetic_run import SCENARIO_TOML

SECONDS = 12
SIZE = PANEL


def scenario() -> Scenario:
    return parse_scenario(SCENARIO_TOML.format(nodes=1, wall_s=SECONDS, warm_up_s=0, seed=1), "synthetic")


def sample(second: int, node: str = "north-1", **changes: float) -> NodeSample:
    fields = {"cpu_share": 0.5, "rss_bytes": 1, "disk_bytes": 1, "gc_pause_ms": 0.0, "gc_count": 0, "sstable_count": 1}
    return NodeSample(second=second, node=node, dc=node.rsplit("-", 1)[0], **(fields | changes))  # type: ignore[arg-type]


def gallery_of(folder: Path, samples: list[NodeSample], offered: int = 1) -> Gallery:
    with HistoryWriter(folder, ["read_state"]) as writer:
        for second in range(SECONDS):
            count = SecondCounts(offered, offered, offered, 0, 0, 0)
            times = {"read_state": counts_of(np.full(offered, 1_000.0))}
            writer.write_second(second, {"read_state": count}, times, times, counts_of(np.full(offered, 10.0)))
        writer.write_nodes(samples)
        writer.write_errors([])
    return run_gallery(read_history(folder), scenario())


def captions(gallery: Gallery) -> dict[str, str]:
    return {each.title: each.caption for each in gallery.nodes}


def visible_points(figure: Figure) -> int:
    """Points that can be seen: markers, and pieces of lines that have a length."""
    seen = 0
    for line in figure.axes[0].lines:
        at = np.asarray(line.get_xydata(), np.float64)
        is_there = np.isfinite(at).all(axis=1)
        has_length = (is_there[1:] & is_there[:-1]) & (at[1:] != at[:-1]).any(axis=1)
        seen += int(is_there.sum()) if line.get_marker() not in ("None", None, "") else int(has_length.sum())
    return seen


def test_what_never_happened_has_no_figure(tmp_path: Path) -> None:
    told = captions(gallery_of(tmp_path / "a", [sample(second) for second in range(SECONDS)]))
    assert "CPU" in told and "Garbage collection" not in told
    assert gallery_of(tmp_path / "b", [], offered=0).load is None


def test_nodes_that_are_sampled_less_often_have_lines(tmp_path: Path) -> None:
    gallery = gallery_of(tmp_path, [sample(second, cpu_share=0.1 * second) for second in range(0, SECONDS, 2)])
    assert "No line" not in captions(gallery)["CPU"]


def test_a_gap_is_told_with_node_and_time(tmp_path: Path) -> None:
    samples = [sample(second) for second in range(SECONDS) if second not in (4, 5, 6)]
    samples += [sample(second, "south-1") for second in range(8)]
    assert captions(gallery_of(tmp_path, samples))["CPU"].endswith(
        "No line where a node was not sampled: north-1 from 0:04 to 0:07 and south-1 from 0:08 to the end."
    )


@pytest.mark.parametrize(
    ("values", "gaps"),
    [
        ([1, 2, 3], []),
        ([None, 2, None, None, 5], [Gap("n", 0, 10), Gap("n", 20, 40)]),
        ([1, None], [Gap("n", 10, None)]),
        ([None, None], [Gap("n", 0, None)]),
    ],
)
def test_gaps_of_a_course(values: list[float | None], gaps: list[Gap]) -> None:
    assert gaps_of("n", np.array(values, np.float64), TimeBins(width_s=10, count=len(values))) == gaps


def test_a_single_response_can_be_seen() -> None:
    once = counts_of(np.array([2_000.0]))
    curve = percentile_curve(once)
    assert curve is not None
    named = NamedCurve(name="read_state", index=0, curve=curve)
    assert visible_points(draw_percentile_curves([named], label="response time", size=SIZE)) >= 1
    course = latency_over_time([(3, once)], TimeBins(width_s=1, count=8))
    span = Span(length_s=8, warm_up_s=0, pace=scenario().pace)
    assert visible_points(draw_latency_over_time(course, span, label="response time")) >= 4  # p50, p95, p99, maximum


def test_objectives_on_one_point_are_each_seen() -> None:
    curve = percentile_curve(counts_of(np.arange(1, 2_001, dtype=np.float64)))
    assert curve is not None
    limit = ObjectiveLimit(percentile=99, response_ms_max=250)
    curves = [NamedCurve(name=f"operation {i}", index=i, curve=curve, limits=(limit,)) for i in range(3)]
    figure = draw_percentile_curves(curves, label="response time", size=SIZE)
    triangles = [line for line in figure.axes[0].lines if line.get_marker() == "v"]
    at = sorted(float(each.get_transform().transform(each.get_xydata())[0][0]) for each in triangles)
    assert len(at) == 3 and np.diff(at).min() >= 8
    left, right = figure.axes[0].bbox.intervalx
    assert left <= at[0] and at[-1] <= right


def test_side_by_side() -> None:
    assert side_by_side([(10, 10)], 9) == [0]
    assert side_by_side([(10, 10), (100, 10), (10, 30)], 9) == [0, 0, 0]
    assert side_by_side([(10, 10), (12, 10)], 8) == [11 - 4 - 10, 11 + 4 - 12]


def test_limits_that_are_one_line_are_named_together() -> None:
    limits = [
        ObjectiveLimit(percentile=percentile, response_ms_max=most)
        for percentile, most in ((99.9, 250), (50, 20), (99, 250))
    ]
    assert limit_texts(limits) == {20: "p50 limit 20 ms", 250: "p99 and p99.9 limit 250 ms"}


def test_words_of_limits_do_not_overlap() -> None:
    limits = [
        ObjectiveLimit(percentile=percentile, response_ms_max=most) for percentile, most in ((50, 100), (99, 101))
    ]
    course = latency_over_time([(s, counts_of(np.array([2_000.0]))) for s in range(8)], TimeBins(width_s=1, count=8))
    span = Span(length_s=8, warm_up_s=0, pace=scenario().pace)
    figure = draw_latency_over_time(course, span, label="x", limits=limits, range_ms=(1, 1_000))
    axes = figure.axes[0]
    words = [each for each in axes.texts if "limit" in each.get_text()]
    heights = [axes.transData.transform((0, each.xy[1]))[1] + each.xyann[1] for each in words]
    assert len(heights) == 2 and abs(heights[0] - heights[1]) >= 10
