"""Clocks that are ahead and heaps that are taken, on nodes that only note what they are told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.cluster.connect import Endpoint
from loadtests.cluster.control.orders import Order
from loadtests.errors import HarnessError
from loadtests.faults import ordered_acts
from loadtests.faults.ordered_acts import EXPIRED, ClocksAhead, HeapTaken


@dataclass
class Nodes:
    """Implements `loadtests.faults.ordered_acts.Ordered`, and the driver's cluster and session of them. is_deaf: no order is
    heeded. expired: what each look finds thrown away, the last one for ever."""

    folder: Path
    is_deaf: bool = False
    expired: list[int] = field(default_factory=lambda: [0])
    told: list[tuple[str, ...]] = field(default_factory=list)
    ahead_s: float = 0.0
    is_shut: bool = False

    nodes: Sequence[Any] = (
        SimpleNamespace(name="north-1", address="a"),
        SimpleNamespace(name="north-2", address="b"),
    )

    def order(self, name: str, *words: str) -> Order:
        self.told.append((name, *words))
        answer = self.folder / f"{len(self.told)}.answer"
        if not self.is_deaf:
            answer.write_text("ok done")
            self.ahead_s = float(words[1]) / 1_000 if words[0] == "skew" else self.ahead_s
        return Order(node=name, words=" ".join(words), answer_path=answer)

    def endpoint(self) -> Endpoint:
        return Endpoint(contact_points=("a",), local_dc="north")

    @property
    def metadata(self) -> Any:
        return SimpleNamespace(all_hosts=lambda: [SimpleNamespace(address=node.address) for node in self.nodes])

    def execute(self, cql: str, host: Any) -> list[Any]:
        assert host.address == "b"
        if cql == EXPIRED:
            return [SimpleNamespace(expired_count=self.expired.pop(0) if len(self.expired) > 1 else self.expired[0])]
        return [SimpleNamespace(at=(datetime.now(UTC) + timedelta(seconds=self.ahead_s)).replace(tzinfo=None))]

    def shutdown(self) -> None:
        self.is_shut = True


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    found = Nodes(tmp_path)
    monkeypatch.setattr(ordered_acts, "connect_to_every_node", lambda _: (found, found))
    monkeypatch.setattr(ordered_acts, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(ordered_acts, "QUIET_S", 0.05)
    monkeypatch.setattr(ordered_acts, "ANSWER_S_MAX", 0.05)
    return found


def test_a_clock_is_ahead_by_its_nodes_own_word_and_is_set_right(nodes: Nodes) -> None:
    act = ClocksAhead(nodes, ["north-2"], 60.0)
    act.begin()
    assert act.is_effective()
    nodes.ahead_s = 1.0  # of a node that took the order and has another clock all the same
    assert not act.is_effective()
    act.heal()
    assert nodes.told == [("north-2", "skew", "60000"), ("north-2", "skew", "0")] and nodes.is_shut


def test_healing_waits_until_the_node_throws_no_message_away(nodes: Nodes) -> None:
    act = ClocksAhead(nodes, ["north-2"], 60.0)
    act.begin()
    nodes.expired = list(range(30))  # for far longer than it must be quiet
    act.heal()
    assert nodes.expired == [29]


def test_a_node_that_never_hears_the_others_again_is_told(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered_acts, "TRUE_S_MAX", 0.1)
    act = ClocksAhead(nodes, ["north-2"], 60.0)
    act.begin()
    nodes.expired = list(range(1_000))
    with pytest.raises(HarnessError, match="north-2 did not hear the others 0 s after a clock was set right"):
        act.heal()
    assert nodes.is_shut


def test_a_clock_that_was_never_reached_needs_no_healing(nodes: Nodes) -> None:
    ClocksAhead(nodes, ["north-2"], 60.0).heal()
    assert nodes.told == []


def test_a_heap_is_taken_once_its_node_says_so_and_given_back(nodes: Nodes) -> None:
    act = HeapTaken(nodes, ["north-2"], 0.5)
    nodes.is_deaf = True
    act.begin()
    assert not act.is_effective()
    with pytest.raises(HarnessError, match="north-2 has not carried out 'hold 0'"):
        act.heal()
    nodes.is_deaf = False
    act.begin()
    assert act.is_effective()
    act.heal()
    assert nodes.told[-2:] == [("north-2", "hold", "0.5"), ("north-2", "hold", "0")]
