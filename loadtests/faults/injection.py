"""A scenario's faults, made on local nodes while a storm goes on: each begins on time, is seen to be real, and is healed.

Rules that hold here: what was broken is healed however the storm ends; a fault that had no effect is told, since a run that
lived through it has shown nothing.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from loadtests.errors import HarnessError
from loadtests.faults.acts import Act, Breakable, TellsMore, acts_of
from loadtests.faults.own_parts import OwnParts
from scenarios.parts.faults import DOWN_KINDS, IN_TURNS, DataCentre, Fault, FaultKind, nodes_of

EFFECT_S_MAX = 10.0  # in which what was broken must be seen to be so
LOOK_EVERY_S = 0.05


@dataclass(slots=True)
class FaultCourse:
    """What became of a fault, in wall time of the storm [s]. None: it did not come to that."""

    fault: Fault
    nodes: tuple[str, ...]
    begun_s: float | None = None
    effective_s: float | None = None  # what it does was seen to be real: `Act.is_effective`
    healed_s: float | None = None  # the healing began
    back_s: float | None = None  # its nodes answered, and all saw one another
    trouble: str | None = None  # a sentence
    told: str | None = None  # what else is to be known of it, a sentence
    is_over: bool = False  # nothing is done about it any more, whether its nodes are back or not

    @property
    def is_under_way(self) -> bool:
        """Has it begun, and is it not over?"""
        return self.begun_s is not None and not self.is_over


class FaultInjection:
    """Faults, each in a thread of its own; as a context manager it leaves nothing broken."""

    def __init__(
        self,
        faults: Sequence[Fault],
        dcs: Sequence[DataCentre],
        nodes: Breakable,
        *,
        keyspace: str = "",
        bears: Callable[[frozenset[str]], bool] | None = None,
        storm_s: float = math.inf,
    ) -> None:
        """keyspace: of the scenario's tables.

        bears: may these nodes be down at one time? A fault for which there is no room waits for those before it; one whose
        turn comes after the storm's `storm_s` does not come, and is told. None: faults come on time, as the scenario says.
        """
        self.courses = [FaultCourse(fault, nodes_of(fault, dcs)) for fault in faults]
        self.parts = OwnParts()
        self._stop = threading.Event()
        self._acts = [acts_of(fault, dcs, nodes, self.parts, keyspace, self._stop.is_set) for fault in faults]
        self._bears, self._storm_s = bears, storm_s
        self._turn = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._errors: list[Exception] = []  # defects of ours, from the threads
        self._zero_ns = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for thread in self._threads:
            thread.join()

    def start(self, zero_ns: int) -> None:
        """Begin; `zero_ns` is the storm's start [monotonic]."""
        self._zero_ns = zero_ns
        for number, of_one in enumerate(zip(self.courses, self._acts, strict=True)):
            thread = threading.Thread(target=self._carry_out, args=of_one, name=f"fault-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def wait(self) -> None:
        """Until every fault is healed. Raises what no thread may keep to itself: a defect of ours."""
        for thread in self._threads:
            while thread.is_alive():
                thread.join(0.2)  # in short: Ctrl-C is heard between
        if self._errors:
            raise self._errors[0]

    def stop(self) -> None:
        """Begin no fault any more, and heal now what is broken; `wait` tells when that is done."""
        self._stop.set()

    @property
    def zero_ns(self) -> int:
        """When the storm began, by which the courses are timed [monotonic]; 0 before that."""
        return self._zero_ns

    @property
    def are_under_way(self) -> bool:
        """Is a fault under way, of whatever kind: has it begun, and is its healing not over?"""
        return any(course.is_under_way for course in self.courses)

    @property
    def trouble(self) -> tuple[str, ...]:
        """Why a fault was not what the scenario says, in sentences."""
        return tuple(course.trouble for course in self.courses if course.trouble is not None)

    def _carry_out(self, course: FaultCourse, acts: Sequence[Act]) -> None:
        self._stop.wait(max(course.fault.at_s - self._now_s(), 0.0))
        begun_s = self._await_turn(course)
        if begun_s is None:
            course.is_over = True
            return
        until_s = begun_s + course.fault.for_s
        try:
            for act in acts:
                if self._stop.is_set():
                    break
                self._carry_out_act(course, act, until_s)
                until_s = self._now_s() + course.fault.for_s  # of the next one
        except HarnessError as error:
            course.trouble = f"The {course.fault} went wrong: {error}."
        except Exception as error:
            self._errors.append(error)
        finally:
            course.is_over = True

    def _await_turn(self, course: FaultCourse) -> float | None:
        """Wait until no other fault is under way for which this one would be too much; returns when that is [s].

        None: it does not come.
        """
        while not self._stop.is_set():
            with self._turn:
                now_s = self._now_s()
                if self._has_room(course):
                    course.begun_s = now_s
                    return now_s
            if now_s > self._storm_s:
                course.trouble = (
                    f"The {course.fault} did not come: a fault before it was not over until the storm's end."
                )
                return None
            self._stop.wait(LOOK_EVERY_S)
        return None

    def _has_room(self, course: FaultCourse) -> bool:
        others = [one for one in self.courses if one.is_under_way]
        if self._bears is None or not others:
            return True
        if any(set(course.nodes) & set(one.nodes) for one in others):
            return False
        if course.fault.kind is FaultKind.PAUSE or course.fault.kind not in DOWN_KINDS:  # what is short needs no room
            return True
        held = {name for one in others if one.fault.kind in DOWN_KINDS for name in one.nodes}
        stages = [{name} for name in course.nodes] if course.fault.kind in IN_TURNS else [set(course.nodes)]
        return all(self._bears(frozenset(held | stage)) for stage in stages)

    def _carry_out_act(self, course: FaultCourse, act: Act, until_s: float) -> None:
        """Raises HarnessError with all that went wrong, the system's refusals too: what ails the healing must not hide what
        ailed the beginning."""
        course.back_s = None
        errors: list[HarnessError | OSError] = []
        try:
            act.begin()
            self._await_effect(course, act)
            if act.is_lasting:
                self._stop.wait(max(until_s - self._now_s(), 0.0))
        except (HarnessError, OSError) as error:
            errors.append(error)
        finally:
            course.healed_s = self._now_s()
            try:
                act.heal()
                course.back_s = self._now_s()
            except (HarnessError, OSError) as error:
                errors.append(error)
            finally:  # most of all where nodes did not come back
                course.told = act.told if isinstance(act, TellsMore) else None
        if errors:
            raise HarnessError("; and its healing: ".join(map(str, errors)))

    def _await_effect(self, course: FaultCourse, act: Act) -> None:
        # a full disk is felt when the node next wants room: with the next segment of its commit log, say; a price list that is
        # late when it is to be in force; and a flipped bit when a table has been read up to it
        slow_kinds = (FaultKind.DISK_FULL, FaultKind.LATE_TARIFFS, FaultKind.SSTABLE_BIT_FLIP)
        is_slow = course.fault.kind in slow_kinds or not act.is_lasting
        timeout_s = float("inf") if is_slow else EFFECT_S_MAX
        give_up_s = self._now_s() + min(timeout_s, course.fault.for_s)
        while not act.is_effective():
            if self._now_s() > give_up_s or self._stop.wait(LOOK_EVERY_S):
                if not self._stop.is_set():
                    course.trouble = f"The {course.fault} had no effect: {act.no_effect}."
                return
        if course.effective_s is None:
            course.effective_s = self._now_s()

    def _now_s(self) -> float:
        return (time.monotonic_ns() - self._zero_ns) / 1e9
