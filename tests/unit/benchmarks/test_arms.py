"""Arms of a question: who works when, on which numbers, and what its ratio is of. The processor time is that of a script."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from cassandra.cluster import Session

from loadtests.benchmarks import arms
from loadtests.benchmarks.arms import Arm, OneNode
from loadtests.cluster.local import LocalCluster
from loadtests.monitoring.node_counters import NodeCounters
from loadtests.stats.estimates import paired_ratio

WARM_S = 7.0  # an operation, in turns that are not counted
SPENT_S = {"a": [1.0, 2.0, 4.0], "b": [2.0, 2.0, 12.0]}  # an operation, by counted turn


class _ScriptedNode:
    """Its processor time grows with what is done, by the script."""

    def __init__(self) -> None:
        self.spent_s = 0.0
        self.done: list[tuple[str, int]] = []
        self.settled_after: list[int] = []

    def arm(self, name: str, count: int) -> Arm:
        def work(number: int) -> None:
            turn = number // count - 1
            self.done.append((name, number))
            self.spent_s += WARM_S if turn < 0 else SPENT_S[name][turn]

        return Arm(work=work, count=count, in_flight=1)

    def settle(self) -> None:
        self.settled_after.append(len(self.done))


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> _ScriptedNode:
    node = _ScriptedNode()
    monkeypatch.setattr(arms, "processor_s", lambda _: node.spent_s)
    return node


def in_turns(scripted: _ScriptedNode, **counts: int) -> dict[str, dict[str, object]]:
    node = OneNode(
        cluster=cast(LocalCluster, SimpleNamespace(nodes=[SimpleNamespace(pid=1)])),
        session=cast(Session, None),
        counters=cast(NodeCounters, SimpleNamespace(settle=scripted.settle)),
        idle_share=0.0,
    )
    found = node.in_turns({name: scripted.arm(name, count) for name, count in counts.items()}, rounds=3, warm=1)
    return {name: dict(each) for name, each in found.items()}


def test_turns_go_a_b_b_a_on_the_same_numbers(scripted: _ScriptedNode) -> None:
    in_turns(scripted, a=2, b=2)
    assert scripted.done == [
        *[("a", 0), ("a", 1), ("b", 0), ("b", 1)],
        *[("b", 2), ("b", 3), ("a", 2), ("a", 3)],
        *[("a", 4), ("a", 5), ("b", 4), ("b", 5)],
        *[("b", 6), ("b", 7), ("a", 6), ("a", 7)],
    ]
    assert scripted.settled_after == [2, 4, 6, 8, 10, 12, 14, 16]


def test_only_counted_turns_are_told_by_the_operation(scripted: _ScriptedNode) -> None:
    found = in_turns(scripted, a=2, b=5)
    assert found["a"]["rounds_cpu_us"] == [1e6, 2e6, 4e6] and found["b"]["rounds_cpu_us"] == [2e6, 2e6, 12e6]
    assert (found["a"]["cpu_us"], found["b"]["cpu_us"]) == (2e6, 2e6)


def test_a_ratio_is_to_the_first_arm_pair_by_pair(scripted: _ScriptedNode) -> None:
    found = in_turns(scripted, a=1, b=1)
    wanted = paired_ratio(np.array(SPENT_S["b"]), np.array(SPENT_S["a"]))
    assert wanted.mean == pytest.approx(6 ** (1 / 3))  # of 2, 1 and 3
    assert found["b"]["ratio"] == {
        "mean": round(wanted.mean, 3),
        "low": round(wanted.low, 3),
        "high": round(wanted.high, 3),
        "resolved": False,
    }
    assert "ratio" not in found["a"]
