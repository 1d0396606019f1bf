"""Which operations of a run get figures of their own."""

from pathlib import Path

import numpy as np

from loadtests.recording.history import HistoryWriter, RunHistory, SecondCounts, counts_of, read_history
from reports.drawing.axes import spread
from reports.run.gallery import FIGURED_OPERATIONS_MAX, figured_operations, run_gallery
from scenarios.spec import Scenario


def history_of(offered: dict[str, int]) -> RunHistory:
    counts = {
        name: {column: np.array([count, 0]) for column in SecondCounts._fields} for name, count in offered.items()
    }
    return RunHistory(
        folder=Path(), seconds=np.arange(2), operations=tuple(offered), counts=counts, nodes=[], errors=[]
    )


def scenario_of(*operations: str) -> Scenario:
    return Scenario.model_validate(
        {
            "title": "figures",
            "estate": {"premises": 1},
            "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
            "run": {"wall_s": 60},
            "slo": [{"operation": operation, "response_ms_max": 10} for operation in operations],
        }
    )


def test_few_operations_all_have_figures_in_their_order() -> None:
    assert figured_operations(history_of({"read_state": 1, "ingest_reading": 9}), scenario_of()) == [
        "read_state",
        "ingest_reading",
    ]


def test_of_many_those_with_objectives_and_the_most_frequent_have_figures() -> None:
    offered = {"read_usage_month": 1} | {
        f"operation_{number}": 100 + number for number in range(FIGURED_OPERATIONS_MAX + 3)
    }
    chosen = figured_operations(history_of(offered), scenario_of("read_usage_month"))
    assert chosen == ["read_usage_month", *(f"operation_{number}" for number in range(4, FIGURED_OPERATIONS_MAX + 3))]
    assert len(chosen) == FIGURED_OPERATIONS_MAX


def test_a_busy_back_office_takes_no_figure_of_a_customers_question() -> None:
    office = {f"office_{number}": 1_000 for number in range(FIGURED_OPERATIONS_MAX)}
    chosen = figured_operations(history_of(office | {"read_state": 1, "ingest_reading": 9}), scenario_of(), office)
    assert {"read_state", "ingest_reading"} <= set(chosen) and len(chosen) == FIGURED_OPERATIONS_MAX


def test_figures_over_time_end_with_the_storm(tmp_path: Path) -> None:
    """Seen in a run: a back office at its last work for a minute left half of each figure empty, and the labels of simulated
    time went on into a day that nobody had simulated."""
    names = ["ingest_reading", "record_receipt"]
    scenario = scenario_of().model_copy(update={"run": scenario_of().run.model_copy(update={"wall_s": 5.0})})
    with HistoryWriter(tmp_path, names) as writer:
        for second in range(40):
            busy = names if second < 6 else names[1:]  # one answer comes after the storm's end
            times = {name: counts_of(np.full(2, 1_000.0 * (1 + second))) for name in busy}
            counts = {name: SecondCounts(2, 2, 2, 0, 0, 0) for name in busy}
            writer.write_second(second, counts, times, times, counts_of(np.full(1, 100.0)))
    gallery = run_gallery(read_history(tmp_path), scenario, closed_loop=["record_receipt"])
    assert gallery.undrawn_s == 34 and gallery.load is not None and gallery.lateness is not None
    assert "80 operations of gateways" in gallery.load.caption  # all of them
    over_time = [gallery.load, *gallery.responses, gallery.lateness]
    assert [each.rendered.figure.axes[0].get_xlim() for each in over_time] == [(0.0, 6.0)] * 4
    assert "p99 was worst at 0:05: 6.00 ms" in gallery.responses[1].caption
    assert gallery.curves is not None and "40.0 ms" in gallery.curves.caption
    (below,) = gallery.load.rendered.figure.axes[0].child_axes
    assert max(below.xaxis.get_major_locator().tick_values(0, 0)) * 3.6e9 <= scenario.span_us


def test_labels_that_would_lie_on_each_other_are_left_out() -> None:
    assert spread(np.array([0.0, 1.0, 2.0, 10.0]), 1.5) == [0, 2, 3]
    assert spread(np.array([0.0, 1.0, 2.0]), 1.0) == [0, 1, 2]
    assert spread(np.zeros(0), 1.0) == []
