"""The search for the highest rate, carried out: steps sent, watched and judged until `loadtests.capacity.search` is content.

Knows nothing of clusters: whatever a `RateTarget` addresses is searched: a Cassandra, a stub, or a queue in virtual time.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from loadtests.capacity.recovery import Recovery, recovery_of
from loadtests.capacity.search import Ending, Found, SearchPlan, StepPurpose, Tried, Try, next_step, so_far
from loadtests.capacity.step import (
    SECONDS_MIN,
    ObjectiveOutcome,
    StepOutcome,
    StepRules,
    StepSecond,
    StepVerdict,
    judge_step,
)
from loadtests.capacity.surface import Measured
from loadtests.capacity.target import RateTarget
from loadtests.errors import HarnessError
from loadtests.monitoring.resources import ResourceSample, ResourceWatch, SampleNodes
from loadtests.recording.seconds import sparse_of
from loadtests.sender.recorder import EngineReport, IntervalSnapshot
from loadtests.workload.poisson_source import LoadPhase

PAUSE_S = 1.0  # between steps
PAUSE_AFTER_BREAK_S = 4.0  # what an overload has left in the cluster's own queues shall not burden the next step
OVERLOAD = 1.5  # of the lowest rate that broke
OVERLOAD_S = 10
# After it, of the rate that holds: at the rate itself what piled up would take minutes to drain by arithmetic alone.
RECOVERY_SHARE = 0.8
RECOVERY_WATCH_S_MIN = 60  # what piled up drains in some 25 s
ENDS_EARLY = (StepVerdict.HELD, StepVerdict.BROKE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeStep:
    """A step that was sent, what it says, and what the machine and the nodes did in the seconds that count."""

    purpose: StepPurpose
    outcome: StepOutcome
    resources: tuple[ResourceSample, ...]


@dataclass(slots=True, kw_only=True)
class Search:
    """A search, filled as it goes on; what it holds when it is interrupted is worth a report."""

    steps: list[MadeStep] = field(default_factory=list)
    found: Found | None = None  # as long as it goes on
    recovery: Recovery | None = None
    is_interrupted: bool = False
    trouble: list[str] = field(default_factory=list)  # sentences: why it could not go on


def search_rate(
    target: RateTarget,
    rules: StepRules,
    plan: SearchPlan,
    *,
    sample_nodes: SampleNodes = lambda _: (),
    check: Callable[[], None] = lambda: None,
    tell: Callable[[str], None] = lambda _: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Search:
    """Search, confirm, and look at the recovery from an overload.

    check: called after each step, raises when the target is not what it was (a node has died). tell: told a line for people
    about each step. sleep: as `time.sleep`; of a target in virtual time its own.
    Ctrl-C ends it: what was found until then comes back, with `is_interrupted`; so does a HarnessError of the target or of
    `check`, as `trouble`, when there are steps to tell of: at the limit nodes die. Raises it when there are none.
    """
    rules.test.levels()  # worked out now, and kept: a step's first look has no time for it
    search = Search()
    try:
        while isinstance(todo := next_step(_tried(search.steps), plan), Try):
            made = _make_step(target, rules, todo, len(search.steps) + 1, sample_nodes)
            check()
            search.steps.append(made)
            tell(_line(made))
            sleep(PAUSE_AFTER_BREAK_S if made.outcome.verdict is StepVerdict.BROKE else PAUSE_S)
        search.found = todo
        if todo.ending is Ending.FOUND and todo.low_per_s is not None and todo.high_per_s is not None:
            rate_per_s, overload_per_s = RECOVERY_SHARE * todo.low_per_s, OVERLOAD * todo.high_per_s
            tell(f"overload of {overload_per_s:,.0f}/s for {OVERLOAD_S} s, then {rate_per_s:,.0f}/s")
            recovery = _recover(target, rules, rate_per_s, overload_per_s, len(search.steps) + 1)
            check()
            search.recovery = recovery
    except KeyboardInterrupt:
        search.is_interrupted = True
        search.found = search.found or so_far(_tried(search.steps))
    except HarnessError as error:
        if not search.steps:
            raise
        search.trouble.append(f"The search could not go on: {error}.")
        search.found = search.found or so_far(_tried(search.steps))
    return search


def _tried(steps: Sequence[MadeStep]) -> list[Tried]:
    return [
        Tried(rate_per_s=made.outcome.rate_per_s, verdict=made.outcome.verdict, measured=measured_of(made.outcome))
        for made in steps
    ]


def measured_of(outcome: StepOutcome) -> Measured | None:
    """What a step measured for the choice of the next one; None where slow responses are not what tells."""
    is_failing = any(
        each.error_share is not None and each.error_share > each.objective.error_share_max
        for each in outcome.objectives
    )
    if outcome.verdict is StepVerdict.CLIENT_LIMITED or is_failing or outcome.mean_response_ms is None:
        return None
    nearest = max(outcome.objectives, key=_slower_of_allowed)
    return Measured(
        slower_of_allowed=_slower_of_allowed(nearest),
        effective_per_s=nearest.effective_count / outcome.kept_s,
        share_max=1 - nearest.objective.percentile / 100,
        limit_s=nearest.objective.response_ms_max / 1e3,
        mean_response_s=outcome.mean_response_ms / 1e3,
        completed_per_s=outcome.completed_per_s,
        kept_s=outcome.kept_s,
    )


def _slower_of_allowed(each: ObjectiveOutcome) -> float:
    return (each.slower_share or 0.0) / (1 - each.objective.percentile / 100)


def _make_step(target: RateTarget, rules: StepRules, todo: Try, number: int, sample_nodes: SampleNodes) -> MadeStep:
    """Send one step, looking at it now and then; it ends as soon as a look is conclusive, or the rest would hardly tell."""
    seconds: list[StepSecond] = []
    looks_s = rules.looks_s
    ended: list[int] = []  # at which look, before its time

    def on_second(snapshot: IntervalSnapshot) -> bool:
        if ended or snapshot.second >= rules.length_s:
            return bool(ended)  # the drain
        seconds.append(step_second(snapshot, target.operations))
        if len(seconds) in looks_s[:-1]:
            look = looks_s.index(len(seconds))
            outcome = judge_step(todo.rate_per_s, seconds, rules, look=look, cpu_share=None)
            is_hopeless = outcome.is_hopeless and len(seconds) >= rules.hopeless_from_s
            if outcome.verdict in ENDS_EARLY or is_hopeless:
                ended.append(look)
        return bool(ended)

    with ResourceWatch(sample_nodes) as watch:
        report = target.send(number, [LoadPhase(rate_per_s=todo.rate_per_s, length_s=rules.length_s)], on_second)
    # A load so small that its last seconds are empty ends before its time.
    seconds += [_silent(second) for second in range(len(seconds), SECONDS_MIN)]
    outcome = judge_step(
        todo.rate_per_s,
        seconds,
        rules,
        look=ended[0] if ended else len(looks_s) - 1,
        cpu_share=_cpu_share(report),
    )
    kept = [each for each in watch.samples if outcome.warm_up_s <= each.second < outcome.length_s]
    return MadeStep(purpose=todo.purpose, outcome=outcome, resources=tuple(kept))


def _recover(target: RateTarget, rules: StepRules, rate_per_s: float, overload_per_s: float, number: int) -> Recovery:
    """Overload the target, go back to `rate_per_s` at once, and watch until its objectives hold again."""
    seconds: list[StepSecond] = []
    has_recovered: list[bool] = []
    watch_s = max(rules.length_s, RECOVERY_WATCH_S_MIN)
    length_s = OVERLOAD_S + watch_s

    def on_second(snapshot: IntervalSnapshot) -> bool:
        if snapshot.second < length_s and not has_recovered:
            seconds.append(step_second(snapshot, target.operations))
            if len(seconds) > OVERLOAD_S and judged().after_s is not None:
                has_recovered.append(True)
        return bool(has_recovered)

    def judged() -> Recovery:
        return recovery_of(
            seconds,
            rules.objectives,
            rate_per_s=rate_per_s,
            overload_per_s=overload_per_s,
            overload_s=OVERLOAD_S,
            late_p99_ms_max=rules.late_p99_ms_max,
        )

    phases = [
        LoadPhase(rate_per_s=overload_per_s, length_s=OVERLOAD_S),
        LoadPhase(rate_per_s=rate_per_s, length_s=watch_s),
    ]
    target.send(number, phases, on_second)
    return judged()


def step_second(snapshot: IntervalSnapshot, operations: Sequence[str]) -> StepSecond:
    """A second as the engine counted it, by operation: lanes of one name are added up."""
    offered: dict[str, int] = {}
    completed: dict[str, int] = {}
    bad: dict[str, int] = {}
    dense: dict[str, NDArray[np.int64]] = {}
    for lane, name in enumerate(operations):
        counts = snapshot.counts[lane]
        offered[name] = offered.get(name, 0) + counts.offered
        completed[name] = completed.get(name, 0) + counts.ok + counts.failed + counts.indeterminate
        bad[name] = bad.get(name, 0) + counts.failed + counts.indeterminate
        dense[name] = dense[name] + snapshot.response[lane] if name in dense else snapshot.response[lane]
    return StepSecond(
        second=snapshot.second,
        offered=offered,
        completed=completed,
        bad=bad,
        response={name: sparse_of(counts) for name, counts in dense.items()},
        lateness=sparse_of(snapshot.lateness),
    )


def _silent(second: int) -> StepSecond:
    empty = (np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64))
    return StepSecond(second=second, offered={}, completed={}, bad={}, response={}, lateness=empty)


def _cpu_share(report: EngineReport) -> float | None:
    return report.cpu_s / report.wall_s if report.wall_s > 0 else None


def _line(made: MadeStep) -> str:
    outcome = made.outcome
    return (
        f"{made.purpose.value:8} {outcome.rate_per_s:10,.0f}/s  {outcome.verdict.value.replace('_', ' '):14} "
        f"{outcome.length_s:3} s, warm-up {outcome.warm_up_s:2} s: {outcome.reason}"
    )
