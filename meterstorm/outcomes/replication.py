"""From the rows that data centres looked for to what a lost one had acknowledged and others had not. Pure.

Rules that hold here: a row counts from its acknowledgement on, since before that nobody may rely on it; what was not seen until
the loss is an upper bound, as a question takes its time; an estimate of the load's own writes is called so.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from loadtests.faults.injection import FaultCourse
from loadtests.monitoring.visibility import Pair, VisibilityProbe
from loadtests.recording.history import RunHistory
from reports.results.replication import Ages, LossResult, ReplicationResult, VisibilityCourse
from scenarios.operations import operations_of
from scenarios.parts.faults import FaultKind, lost_dcs
from scenarios.spec import Scenario
from store.schemas import schema_of

LOOK_BACK_S = 5.0  # before a loss: what the lag and the load were then
NS_A_S = 1_000_000_000


def replication_result(
    probes: Mapping[Pair, Sequence[VisibilityProbe]],
    courses: Sequence[FaultCourse],
    scenario: Scenario,
    history: RunHistory,
    zero_ns: int,
) -> ReplicationResult | None:
    """probes: acknowledged ones, by pair; zero_ns: the storm's start [monotonic]. None where no pair was watched."""
    if not probes:
        return None
    seconds = len(history.seconds)
    losses = [
        _loss(probes[dc, other], course, dc, other, zero_ns, _writes_per_s(scenario, history, dc, course.begun_s))
        for course in courses
        if course.begun_s is not None
        for dc, others in lost_dcs(course.fault, scenario.topology.dcs).items()
        for other in others
        if (dc, other) in probes
    ]
    return ReplicationResult(
        courses=tuple(_course(pair, of_pair, seconds, zero_ns) for pair, of_pair in probes.items()),
        losses=tuple(losses),
    )


def _course(pair: Pair, probes: Sequence[VisibilityProbe], seconds: int, zero_ns: int) -> VisibilityCourse:
    return VisibilityCourse(
        from_dc=pair[0],
        to_dc=pair[1],
        probes=len(probes),
        unseen=sum(probe.seen_ns is None for probe in probes),
        lag_ms=ages_of([_lag_ms(probe) for probe in probes if probe.seen_ns is not None]),
        behind_ms=tuple(None if one is None else round(one, 3) for one in behind_ms(probes, seconds, zero_ns)),
    )


def behind_ms(probes: Sequence[VisibilityProbe], seconds: int, zero_ns: int) -> list[float | None]:
    """By second: how old the oldest row became in it that was acknowledged and not seen [ms]; 0.0 where each was seen at once,
    None before the first acknowledgement."""
    found: list[float | None] = [None] * seconds
    for probe in probes:
        assert probe.acknowledged_ns is not None
        from_s = (probe.acknowledged_ns - zero_ns) / NS_A_S
        until_s = float("inf") if probe.seen_ns is None else max((probe.seen_ns - zero_ns) / NS_A_S, from_s)
        for second in range(max(int(from_s), 0), int(min(until_s, seconds - 1)) + 1):
            age_ms = (min(until_s, second + 1.0) - from_s) * 1e3
            found[second] = max(found[second] or 0.0, age_ms)
    first = next((second for second, one in enumerate(found) if one is not None), seconds)
    return [one if second < first else one or 0.0 for second, one in enumerate(found)]


def _loss(
    probes: Sequence[VisibilityProbe],
    course: FaultCourse,
    dc: str,
    other: str,
    zero_ns: int,
    writes_per_s: float | None,
) -> LossResult:
    """What one data centre had acknowledged until it was lost, and another one had not seen."""
    assert course.begun_s is not None
    lost_ns = zero_ns + round(course.begun_s * NS_A_S)
    if course.fault.kind is not FaultKind.PARTITION:  # it goes until its last acknowledgement; a parted one goes on
        effective_ns = zero_ns + round((course.effective_s or course.begun_s) * NS_A_S)
        lost_ns = max(
            [lost_ns, *(at_ns for probe in probes if lost_ns <= (at_ns := _acknowledged(probe)) <= effective_ns)]
        )
    until = [probe for probe in probes if _acknowledged(probe) <= lost_ns]
    unseen = [probe for probe in until if probe.seen_ns is None or probe.seen_ns > lost_ns]
    back_ns = None if course.healed_s is None else zero_ns + round(course.healed_s * NS_A_S)
    recent = [
        min(_lag_ms(probe), (lost_ns - _acknowledged(probe)) / 1e6)  # as far as it was known then
        for probe in until
        if _acknowledged(probe) > lost_ns - LOOK_BACK_S * NS_A_S
    ]
    return LossResult(
        kind=course.fault.kind,
        dc=dc,
        other=other,
        lost_s=max((lost_ns - zero_ns) / NS_A_S, 0.0),
        probes=len(until),
        unseen=len(unseen),
        age_ms=ages_of([(lost_ns - _acknowledged(probe)) / 1e6 for probe in unseen]),
        only_there=sum(probe.seen_ns is None or (back_ns is not None and probe.seen_ns > back_ns) for probe in unseen),
        lag_ms=ages_of(recent),
        acknowledged_per_s=writes_per_s,
        estimated=None if writes_per_s is None or not recent else writes_per_s * float(np.mean(recent)) / 1e3,
    )


def _acknowledged(probe: VisibilityProbe) -> int:
    assert probe.acknowledged_ns is not None, "only acknowledged rows are counted"
    return probe.acknowledged_ns


def _lag_ms(probe: VisibilityProbe) -> float:
    """How long after its acknowledgement a row was seen [ms]; 0 where it was seen before, endless where it never was."""
    return float("inf") if probe.seen_ns is None else max(probe.seen_ns - _acknowledged(probe), 0) / 1e6


def ages_of(values_ms: Sequence[float]) -> Ages | None:
    """Their distribution; None of none."""
    if not values_ms:
        return None
    p50, p90, most = np.quantile(values_ms, (0.5, 0.9, 1.0), method="higher").tolist()
    return Ages(p50=p50, p90=p90, max=most)


def _writes_per_s(scenario: Scenario, history: RunHistory, dc: str, lost_s: float | None) -> float | None:
    """Writes of a data centre's homes that were acknowledged a second, in the whole seconds before it was lost."""
    if lost_s is None:
        return None
    until = min(int(lost_s), len(history.seconds))
    window = slice(max(until - int(LOOK_BACK_S), 0), until)
    schema = schema_of(scenario)
    writes = {str(one) for one in operations_of(scenario) if schema.statement(one).is_write}
    counted = [columns[dc]["ok"][window] for name, columns in history.by_dc.items() if name in writes and dc in columns]
    if not counted or window.start == window.stop:
        return None
    return float(sum(int(one.sum()) for one in counted)) / (window.stop - window.start)
