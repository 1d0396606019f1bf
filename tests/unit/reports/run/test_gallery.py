"""Which operations of a run get figures of their own."""

from pathlib import Path

import numpy as np

from loadtests.recording.history import RunHistory, SecondCounts
from reports.drawing.axes import spread
from reports.run.gallery import FIGURED_OPERATIONS_MAX, figured_operations
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


def test_labels_that_would_lie_on_each_other_are_left_out() -> None:
    assert spread(np.array([0.0, 1.0, 2.0, 10.0]), 1.5) == [0, 2, 3]
    assert spread(np.array([0.0, 1.0, 2.0]), 1.0) == [0, 1, 2]
    assert spread(np.zeros(0), 1.0) == []
