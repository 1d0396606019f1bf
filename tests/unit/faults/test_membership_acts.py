"""Nodes that come and go for good, and repairs after other faults: on a cluster that only notes what is asked of it."""

import time
from collections.abc import Collection, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loadtests.cluster.connect import Endpoint
from loadtests.cluster.control.orders import Order, Orders
from loadtests.errors import HarnessError
from loadtests.faults import acts, injection, membership_acts, ordered_acts
from loadtests.faults.acts import Breakable
from loadtests.faults.injection import FaultInjection
from scenarios.parts.faults import Fault, FaultKind
from scenarios.spec import Dc
from tests.unit.faults.test_injection import carried_out_on

DCS = (Dc(name="north", nodes=3, rf=2),)


class Cluster:
    """Implements `Breakable` but for the network. answer: what orders come to, or None; after_looks: until a new node serves."""

    network = None

    def __init__(
        self, folder: Path, *, answer: str | None = "ok", after_looks: int = 2, release: str = "5.0.9"
    ) -> None:
        self.folder, self.done = folder, list[tuple[Any, ...]]()
        self.release = release
        self._answer, self._looks_left = answer, after_looks
        self._silent = {"north-4"}
        self.nodes: Sequence[Any] = [SimpleNamespace(name=f"north-{number}", address=number) for number in (1, 2, 3)]

    def break_nodes(self, kind: FaultKind, names: Collection[str]) -> None:
        self.done.append(("break", kind, *names))
        self._silent |= set(names)

    def heal_nodes(self, kind: FaultKind, names: Collection[str]) -> None:
        self.done.append(("heal", kind, *names))
        self._silent -= set(names)

    def silent(self, names: Collection[str]) -> set[str]:
        self._looks_left -= 1
        if self._looks_left <= 0 and self._answer is not None:
            self._silent.discard("north-4")
        return self._silent & set(names)

    def order(self, name: str, *words: str) -> Order:
        self.done.append(("order", name, *words))
        answer = self.folder / f"{len(self.done)}.answer"
        if self._answer is not None:
            answer.write_text(self._answer)
        return Order(node=name, words=" ".join(words), answer_path=answer)

    def begin_joining(self, name: str) -> None:
        self.done.append(("begin joining", name))

    def await_joined(self, name: str) -> None:
        self.done.append(("await joined", name))

    def retire(self, name: str) -> None:
        self.done.append(("retire", name))

    def endpoint(self) -> Endpoint:
        return Endpoint(contact_points=("a",), local_dc="north")

    @property
    def metadata(self) -> Any:
        return SimpleNamespace(all_hosts=lambda: [SimpleNamespace(address=node.address) for node in self.nodes])

    def execute(self, cql: str, host: Any) -> Any:
        assert "release_version" in cql and host.address in (1, 2, 3)
        return SimpleNamespace(one=lambda: SimpleNamespace(release_version=self.release))

    def shutdown(self) -> None:
        self.done.append(("shut down",))


def carried_out(cluster: Cluster, kind: str, target: str, for_s: float = 1.0, **fields: Any) -> FaultInjection:
    fault = Fault.model_validate({"kind": kind, "target": target, "at_s": 0.0, "for_s": for_s, **fields})
    return carried_out_on(cast(Breakable, cluster), DCS, fault, keyspace="power")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injection, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(ordered_acts, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(membership_acts, "LEFT_S_MAX", 0.1)
    monkeypatch.setattr(acts, "REPAIR_S_MAX", 0.1)


def test_a_node_that_joins_is_over_when_it_serves(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    done = carried_out(cluster, "bootstrap", "north", for_s=60.0)
    assert cluster.done == [("begin joining", "north-4"), ("await joined", "north-4")]
    (course,) = done.courses
    assert course.nodes == ("north-4",) and course.effective_s is not None and done.trouble == ()
    assert course.back_s is not None and course.back_s < 10  # it waited for no 60 s


def test_a_node_that_does_not_join_in_time_is_told_and_waited_for(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, answer=None)
    done = carried_out(cluster, "bootstrap", "north")
    assert done.trouble == ("The bootstrap of north from 0 s for 1 s had no effect: the new node served nothing yet.",)
    assert cluster.done[-1] == ("await joined", "north-4")


def test_a_node_that_leaves_is_ended_when_it_says_that_it_has(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    done = carried_out(cluster, "decommission", "north-3", for_s=60.0)
    assert cluster.done == [("order", "north-3", "decommission"), ("retire", "north-3")]
    assert done.trouble == () and done.courses[0].effective_s is not None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("failed java.lang.UnsupportedOperationException: not enough", "not carry out 'decommission': java.lang.Unsup"),
        (None, "went wrong: node north-3 has not carried out 'decommission' after 0 s"),
    ],
)
def test_a_node_that_can_not_leave_is_told_and_lives_on(tmp_path: Path, answer: str | None, said: str) -> None:
    cluster = Cluster(tmp_path, answer=answer)
    done = carried_out(cluster, "decommission", "north-3")
    assert cluster.done == [("order", "north-3", "decommission")]
    assert said in " ".join(done.trouble)


def test_a_node_is_replaced_and_repaired_when_it_is_back(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    done = carried_out(cluster, "replace", "north-2", repair=True)
    assert cluster.done == [
        ("break", FaultKind.REPLACE, "north-2"),
        ("heal", FaultKind.REPLACE, "north-2"),
        ("order", "north-2", "repair", "power"),
    ]
    assert done.trouble == ()


def test_a_repair_that_does_not_end_is_told(tmp_path: Path) -> None:
    done = carried_out(Cluster(tmp_path, answer=None), "kill", "north-2", repair=True)
    assert "node north-2 has not carried out 'repair power' after 0 s" in done.trouble[0]


@pytest.mark.parametrize("is_repairing", [True, False])
def test_a_run_that_is_stopped_heals_and_waits_for_no_repair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_repairing: bool
) -> None:
    monkeypatch.setattr(acts, "REPAIR_S_MAX", 10.0)
    cluster = Cluster(tmp_path, answer=None)
    fields = {"kind": "kill", "target": "north-2", "at_s": 0.0, "for_s": 1.0 if is_repairing else 600.0, "repair": True}
    fault = Fault.model_validate(fields)
    repair = ("order", "north-2", "repair", "power")
    with FaultInjection([fault], DCS, cast(Breakable, cluster), keyspace="power") as stopped:
        stopped.start(time.monotonic_ns())
        while repair not in cluster.done if is_repairing else not cluster.done:
            time.sleep(0.01)
    assert ("heal", FaultKind.KILL, "north-2") in cluster.done and (repair in cluster.done) == is_repairing
    said = "north-2 was not waited for to carry out 'repair power'" if is_repairing else "north-2 was not repaired"
    assert said in stopped.trouble[0] and "since the run was stopped" in stopped.trouble[0]


def test_an_order_that_can_not_be_given_or_read_is_told(tmp_path: Path) -> None:
    orders = Orders("north-2", tmp_path / "gone")
    with pytest.raises(HarnessError, match=r"node north-2 can't be told 'hold 0': .*No such file"):
        orders.give("hold", "0")
    orders.clear()
    order = orders.give("hold", "0")
    order.answer_path.mkdir()
    with pytest.raises(HarnessError, match=r"node north-2 does not tell what came of 'hold 0': .*Is a directory"):
        order.answer()
    (tmp_path / "file").touch()
    with pytest.raises(HarnessError, match=r"node north-2 can't be told anything: .*Not a directory"):
        Orders("north-2", tmp_path / "file").clear()


def test_an_upgrade_takes_one_node_after_another_and_asks_each_what_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path)
    monkeypatch.setattr(membership_acts, "connect_to_every_node", lambda _: (cluster, cluster))
    done = carried_out(cluster, "upgrade", "north", to_version="5.0.9")
    assert done.trouble == () and [one[2] for one in cluster.done if one[0] == "heal"] == [
        "north-1",
        "north-2",
        "north-3",
    ]
    cluster = Cluster(tmp_path, release="5.0.8")
    done = carried_out(cluster, "upgrade", "north", to_version="5.0.9")
    assert "north-1 runs Cassandra 5.0.8, and was to run 5.0.9" in done.trouble[0]
    assert ("break", FaultKind.UPGRADE, "north-2") not in cluster.done  # the first that went wrong is the last


def test_a_node_that_does_not_tell_its_release_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(tmp_path)
    monkeypatch.setattr(membership_acts, "connect_to_every_node", lambda _: (cluster, cluster))
    cluster.nodes = [SimpleNamespace(name="north-1", address=9)]
    monkeypatch.setattr(Cluster, "metadata", SimpleNamespace(all_hosts=list))
    with pytest.raises(HarnessError, match="north-1 does not tell its release"):
        membership_acts.releases(cluster, ["north-1"])
