"""Faults on time, seen to be real, and healed whatever happens: on nodes that only note what befalls them."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import psutil
import pytest

from loadtests.cluster.connect import Endpoint
from loadtests.errors import HarnessError
from loadtests.faults import injection as injection_module
from loadtests.faults.acts import Breakable
from loadtests.faults.injection import FaultInjection
from scenarios.parts.faults import Fault, FaultKind
from scenarios.spec import Dc

DCS = (Dc(name="north", nodes=3, rf=3),)


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    pid: int


class Nodes:
    """Implements `loadtests.faults.acts.Breakable`. is_deaf: what befalls a node has no effect on it."""

    def __init__(self, *, is_deaf: bool = False, never_back: bool = False, nodes: Sequence[Node] = ()) -> None:
        self.nodes = nodes
        self.done: list[tuple[str, FaultKind, tuple[str, ...]]] = []
        self._down: set[str] = set()
        self._is_deaf, self._never_back = is_deaf, never_back

    def break_nodes(self, kind: FaultKind, names: Collection[str]) -> None:
        self.done.append(("break", kind, tuple(names)))
        self._down |= set() if self._is_deaf else set(names)

    def heal_nodes(self, kind: FaultKind, names: Collection[str]) -> None:
        self.done.append(("heal", kind, tuple(names)))
        if self._never_back:
            raise HarnessError("node north-1 does not serve CQL")
        self._down -= set(names)

    def endpoint(self) -> Endpoint:
        raise AssertionError("nobody connects to these")

    def silent(self, names: Collection[str]) -> set[str]:
        return self._down & set(names)


def fault(at_s: float = 0.05, for_s: float = 1.0, target: str = "north-1", kind: FaultKind = FaultKind.KILL) -> Fault:
    return Fault(kind=kind, target=target, at_s=at_s, for_s=for_s)


def carried_out(nodes: Nodes, *faults: Fault) -> FaultInjection:
    return carried_out_on(nodes, DCS, *faults)


def carried_out_on(nodes: Breakable, dcs: Sequence[Dc], *faults: Fault, keyspace: str = "") -> FaultInjection:
    """The faults, from the first one's beginning until all are healed."""
    with FaultInjection(faults, dcs, nodes, keyspace=keyspace) as injection:
        injection.start(time.monotonic_ns())
        injection.wait()
    return injection


def test_faults_begin_are_seen_and_are_healed_in_their_order() -> None:
    nodes = Nodes()
    injection = carried_out(nodes, fault(target="north-2", at_s=0.5), fault())
    assert [(what, names) for what, _, names in nodes.done] == [
        ("break", ("north-1",)),
        ("break", ("north-2",)),
        ("heal", ("north-1",)),
        ("heal", ("north-2",)),
    ]
    for course in injection.courses:
        begun, effective, healed, back = course.begun_s, course.effective_s, course.healed_s, course.back_s
        assert begun is not None and effective is not None and healed is not None and back is not None
        assert course.fault.at_s <= begun <= effective <= healed <= back
        assert healed >= course.fault.until_s
    assert injection.trouble == ()


def test_a_fault_without_effect_is_told_and_healed_all_the_same() -> None:
    nodes = Nodes(is_deaf=True)
    injection = carried_out(nodes, fault())
    assert injection.trouble == ("The kill of north-1 from 0.05 s for 1 s had no effect: its nodes went on answering.",)
    assert injection.courses[0].effective_s is None
    assert [what for what, _, _ in nodes.done] == ["break", "heal"]


def test_nodes_that_do_not_come_back_are_told() -> None:
    injection = carried_out(Nodes(never_back=True), fault())
    assert injection.trouble == (
        "The kill of north-1 from 0.05 s for 1 s went wrong: node north-1 does not serve CQL.",
    )
    assert injection.courses[0].back_s is None and injection.courses[0].healed_s is not None
    assert not injection.are_under_way


def test_what_ails_the_healing_hides_neither_why_it_did_not_begin_nor_what_was_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Act:
        no_effect, is_lasting = "nothing", True
        told = "south-1: its log was cut off."

        def begin(self) -> None:
            raise HarnessError("node north-1 is gone")

        def is_effective(self) -> bool:
            raise AssertionError("it has not begun")

        def heal(self) -> None:
            raise HarnessError("node north-1 does not serve CQL")

    monkeypatch.setattr(injection_module, "acts_of", lambda *_: [Act()])
    injection = carried_out(Nodes(), fault())
    assert injection.trouble == (
        "The kill of north-1 from 0.05 s for 1 s went wrong: node north-1 is gone; and its healing: node north-1 does not "
        "serve CQL.",
    )
    (course,) = injection.courses
    assert course.told == Act.told
    assert course.back_s is None and course.healed_s is not None and not injection.are_under_way


def test_what_the_system_refuses_is_told_and_healed_all_the_same() -> None:
    nodes = Nodes()
    nodes.break_nodes = _refused  # type: ignore[method-assign, assignment]
    injection = carried_out(nodes, fault())
    assert injection.trouble == (
        "The kill of north-1 from 0.05 s for 1 s went wrong: [Errno 28] No space left on device.",
    )
    assert [what for what, _, _ in nodes.done] == ["heal"] and not injection.are_under_way


def _refused(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_no_thread_keeps_a_defect_of_ours_to_itself() -> None:
    nodes = Nodes()
    nodes.break_nodes = {}.__getitem__  # type: ignore[method-assign, assignment]
    with FaultInjection([fault()], DCS, nodes) as injection:
        injection.start(time.monotonic_ns())
        with pytest.raises(TypeError):  # it takes one argument
            injection.wait()
    assert [what for what, _, _ in nodes.done] == ["heal"] and not injection.are_under_way


@pytest.mark.parametrize("is_begun", [True, False])
def test_a_storm_that_is_left_leaves_nothing_broken(is_begun: bool) -> None:
    nodes = Nodes()
    with FaultInjection([fault(at_s=0.0 if is_begun else 600.0, for_s=600.0)], DCS, nodes) as injection:
        injection.start(time.monotonic_ns())
        while is_begun and injection.courses[0].effective_s is None:
            time.sleep(0.01)
        assert injection.are_under_way == is_begun
    assert not injection.are_under_way
    assert [what for what, _, _ in nodes.done] == (["break", "heal"] if is_begun else [])
    assert nodes.silent(["north-1"]) == set() and injection.trouble == ()


def test_a_rolling_restart_takes_one_node_after_another_down() -> None:
    nodes = Nodes()
    injection = carried_out(nodes, fault(kind=FaultKind.RESTART, target="north"))
    assert nodes.done == [
        (what, FaultKind.STOP, (name,)) for name in ("north-1", "north-2", "north-3") for what in ("break", "heal")
    ]
    (course,) = injection.courses
    begun, effective, healed, back = course.begun_s, course.effective_s, course.healed_s, course.back_s
    assert begun is not None and effective is not None and healed is not None and back is not None
    assert begun <= effective < effective + 2 * course.fault.for_s < healed <= back
    assert injection.trouble == ()


def test_a_rolling_restart_ends_with_the_node_that_does_not_come_back() -> None:
    nodes = Nodes(never_back=True)
    injection = carried_out(nodes, fault(kind=FaultKind.RESTART, target="north"))
    assert [names for _, _, names in nodes.done] == [("north-1",), ("north-1",)]
    assert injection.courses[0].back_s is None and "does not serve CQL" in injection.trouble[0]


def test_slow_nodes_are_held_in_turns_and_run_on() -> None:
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        nodes = Nodes(nodes=[Node("north-1", process.pid), Node("north-2", 1)])
        injection = carried_out(nodes, fault(kind=FaultKind.SLOW))
        is_held = psutil.Process(process.pid).status() == psutil.STATUS_STOPPED
        process.kill()
    assert not is_held and nodes.done == [("heal", FaultKind.PAUSE, ("north-1",))]
    assert injection.trouble == () and injection.courses[0].effective_s is not None


def test_slow_nodes_that_were_never_held_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil.Process, "suspend", lambda _: None)
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        injection = carried_out(
            Nodes(nodes=[Node("north-1", process.pid)]), fault(kind=FaultKind.SLOW, for_s=1.0, at_s=0.0)
        )
        process.kill()
    assert injection.trouble == (
        "The slow of north-1 from 0 s for 1 s had no effect: the kernel never held its nodes.",
    )


def test_a_fault_for_which_there_is_no_room_waits_for_the_one_before_it() -> None:
    nodes = Nodes()
    faults = [fault(at_s=0.0), fault(target="north-2", at_s=0.1)]
    with FaultInjection(faults, DCS, nodes, bears=lambda down: len(down) < 2) as injection:
        injection.start(time.monotonic_ns())
        injection.wait()
    assert [(what, *names) for what, _, names in nodes.done] == [
        (what, name) for name in ("north-1", "north-2") for what in ("break", "heal")
    ]
    first, second = injection.courses
    assert first.back_s is not None and second.begun_s is not None and second.begun_s >= first.back_s
    assert second.healed_s is not None and second.healed_s >= second.begun_s + second.fault.for_s
    assert injection.trouble == ()


def test_a_fault_whose_turn_comes_after_the_storm_does_not_come_and_is_told() -> None:
    nodes = Nodes()
    faults = [fault(at_s=0.0), fault(at_s=0.1, kind=FaultKind.PAUSE)]
    with FaultInjection(faults, DCS, nodes, bears=lambda _: True, storm_s=0.5) as injection:
        injection.start(time.monotonic_ns())
        injection.wait()
    assert [what for what, _, _ in nodes.done] == ["break", "heal"]
    assert injection.trouble == (
        "The pause of north-1 from 0.1 s for 1 s did not come: a fault before it was not over until the storm's end.",
    )
    assert injection.courses[1].begun_s is None and not injection.are_under_way
