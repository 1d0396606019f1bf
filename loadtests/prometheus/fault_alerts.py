"""Which alerts a planned fault must raise, and by when; which it may; and what a run's alerts say of its faults. Pure.

What it neither must nor may raise is unexpected: a page that somebody was woken by for nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from loadtests.prometheus.alerts import AlertRule, Severity
from scenarios.parts.faults import FaultKind, dc_of

RESOLVED_S_MAX = 90.0  # after the healing: rates look back, and a node that was away has hints and clients to hear from
_OBJECTIVES = frozenset({"ErrorBudgetBurn", "ResponseBudgetBurn"})
_UNSERVED = frozenset({"DataCentreUnavailable", "RequestsUnavailable"})
_BEHIND = frozenset({"CommandsOverdue", "BackOfficeStopped", "PriceStale", "ViewLag", "SettlementIncomplete"})
_GONE = _OBJECTIVES | _UNSERVED | _BEHIND | {"MessagesDropped", "GeneratorLate"}
"""What may follow where nodes are gone: how much depends on the replicas that are left, and on who waits for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAlerts:
    """The alerts of one kind of fault. None in neither: they stay silent.

    Of those in `overdue` customers are owed something: it is late by then, which takes as long as the run's thresholds say
    (`alerts.thresholds_of`), from the instant on at which the fault was seen to be real.
    """

    must: Mapping[str, float]  # by name: how long after the fault's beginning at most [s]
    may: frozenset[str] = frozenset()
    overdue: Mapping[str, float] = field(default_factory=dict)  # by name: how long after it is late at most [s]

    @property
    def required(self) -> frozenset[str]:
        """All that must fire."""
        return frozenset({*self.must, *self.overdue})


# Who is away for longer than hints are kept for it (`max_hint_window`, of some scenarios seconds) is told of by design.
_AWAY = _GONE | {"HintsNotStored"}
_NODE_DOWN = FaultAlerts(must={"CassandraNodeDown": 15.0}, may=_AWAY)
# It drains first, 11 s on a busy machine (2026-11-30): others take it for down by then, while it still serves.
_DRAINED = FaultAlerts(must={"CassandraNodeDown": 30.0}, may=_AWAY | {"DataCentresApart"})

ALERTS_OF: Mapping[FaultKind, FaultAlerts] = {
    FaultKind.KILL: _NODE_DOWN,
    FaultKind.POWER_CUT: _NODE_DOWN,
    FaultKind.TRUNCATED_COMMIT_LOG: _NODE_DOWN,
    FaultKind.BIT_FLIP: _NODE_DOWN,
    FaultKind.SSTABLE_BIT_FLIP: _DRAINED,
    FaultKind.STOP: _DRAINED,
    FaultKind.PAUSE: _NODE_DOWN,
    FaultKind.RESTART: _DRAINED,
    FaultKind.UPGRADE: _DRAINED,
    FaultKind.REPLACE: _NODE_DOWN,
    FaultKind.BOOTSTRAP: FaultAlerts(must={}, may=_OBJECTIVES | _BEHIND | {"MessagesDropped", "GeneratorLate"}),
    # One that has left does not serve any more.
    FaultKind.DECOMMISSION: FaultAlerts(must={}, may=_GONE | {"CassandraNodeDown"}),
    # With a clock far ahead it takes all that it is asked for too late.
    FaultKind.CLOCK_SKEW: FaultAlerts(must={"ClockSkew": 30.0}, may=_GONE),
    FaultKind.HEAP_PRESSURE: FaultAlerts(must={}, may=_AWAY | {"CassandraNodeDown"}),
    FaultKind.SLOW: FaultAlerts(must={}, may=_GONE | {"CassandraNodeDown", "DataCentresApart"}),
    FaultKind.DISK_FULL: FaultAlerts(must={"DiskFull": 15.0}, may=_AWAY | {"CassandraNodeDown"}),
    # Nodes miss each other after some 20 s.
    FaultKind.PARTITION: FaultAlerts(must={"DataCentresApart": 60.0}, may=_AWAY),
    FaultKind.LINK: FaultAlerts(must={}, may=_OBJECTIVES | _BEHIND | {"MessagesDropped", "DataCentresApart"}),
    FaultKind.SCHEMA_CHANGE: FaultAlerts(must={}, may=_OBJECTIVES),
    # Where it is away for longer than commands may wait.
    FaultKind.KILL_GATEWAY: FaultAlerts(must={}, may=frozenset({"CommandsOverdue"})),
    FaultKind.KILL_SENDER: FaultAlerts(must={}),
    # It stands still from its last round on. A delivery that it has journalled, and not projected, waits for the next one.
    FaultKind.KILL_BACK_OFFICE: FaultAlerts(
        must={}, overdue={"BackOfficeStopped": 10.0}, may=frozenset({"ViewLag", "GeneratorLate"})
    ),
    FaultKind.LATE_TARIFFS: FaultAlerts(must={}, overdue={"PriceStale": 10.0}, may=frozenset({"GeneratorLate"})),
    # The share is of the last minute, most of which was before the fault.
    FaultKind.GARBAGE: FaultAlerts(must={"RejectedShare": 45.0}, may=frozenset({"GeneratorLate"})),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultTime:
    """When a fault was active, in wall time of the storm [s]. back_s: of its nodes; None: it was so to the end."""

    kind: FaultKind
    target: str
    begun_s: float
    back_s: float | None
    effective_s: float | None = None  # it was seen to be real; None: it never was


@dataclass(frozen=True, slots=True, kw_only=True)
class FiredAlert:
    """When an alert fired, in wall time of the storm [s]; negative before it. resolved_s None: not until the end."""

    name: str
    severity: Severity
    fired_s: float
    resolved_s: float | None


def unexpected(fired: Iterable[FiredAlert], faults: Sequence[FaultTime]) -> list[FiredAlert]:
    """Pages that no fault explains: none was active that must or may raise them, nor had ended shortly before."""
    return [one for one in fired if one.severity is Severity.PAGE and not any(_explains(each, one) for each in faults)]


def missing(fired: Sequence[FiredAlert], faults: Iterable[FaultTime], late_s: float) -> list[str]:
    """What did not come as a fault's kind says, in sentences: an alert that did not fire, or not in time, or did not resolve.

    late_s: of the run's thresholds, from when on what customers are owed is late.
    """
    sentences = []
    for fault in faults:
        for name, within_s in _due_s(fault, late_s).items():
            if fault.back_s is not None and fault.back_s - fault.begun_s < within_s:
                continue  # it may have been over before anybody could be told
            what = f"the {fault.kind} of {fault.target} at {fault.begun_s:.0f} s"
            own = [one for one in fired if one.name == name and _explains(fault, one)]
            if not own:
                sentences.append(f"{name} did not fire for {what}.")
                continue
            after_s = min(one.fired_s for one in own) - fault.begun_s
            if after_s > within_s:
                sentences.append(f"{name} fired {after_s:.0f} s after {what}, and must within {within_s:.0f} s.")
            if fault.back_s is not None and any(one.resolved_s is None for one in own):
                sentences.append(f"{name} did not resolve after {what}, which was over at {fault.back_s:.0f} s.")
    return sentences


def _due_s(fault: FaultTime, late_s: float) -> Mapping[str, float]:
    """By when each alert must fire that must at all, after the fault's beginning [s]."""
    kind = ALERTS_OF[fault.kind]
    if fault.kind is FaultKind.PARTITION and dc_of(fault.target) != fault.target:
        return {}  # of one node: what data centres see of each other goes on through the others
    real_s = 0.0 if fault.effective_s is None else fault.effective_s - fault.begun_s
    return {**kind.must, **{name: real_s + late_s + after_s for name, after_s in kind.overdue.items()}}


def _explains(fault: FaultTime, alert: FiredAlert) -> bool:
    kind = ALERTS_OF[fault.kind]
    if alert.name not in kind.required | kind.may:
        return False
    return fault.begun_s - 1 <= alert.fired_s and (
        fault.back_s is None or alert.fired_s <= fault.back_s + RESOLVED_S_MAX
    )


def matrix(alerts: Iterable[AlertRule]) -> str:
    """The alert matrix as Markdown: every kind of fault by every alert that pages, or that one must raise."""
    required = frozenset[str]().union(*(kind.required for kind in ALERTS_OF.values()))
    told = [one for one in alerts if one.severity is Severity.PAGE or one.name in required]
    names = list(dict.fromkeys(one.name for one in told))
    rows = [f"| alert | {' | '.join(f'`{kind}`' for kind in FaultKind)} |", f"|---|{'---|' * len(FaultKind)}"]
    rows += [f"| {name} | {' | '.join(_cell(ALERTS_OF[kind], name) for kind in FaultKind)} |" for name in names]
    return "\n".join(rows) + "\n"


def _cell(kind: FaultAlerts, name: str) -> str:
    if name in kind.must:
        return f"**{kind.must[name]:g} s**"
    if name in kind.overdue:
        return f"**late + {kind.overdue[name]:g} s**"
    return "may" if name in kind.may else "–"
