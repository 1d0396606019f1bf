import re
from pathlib import Path

from loadtests.prometheus.alerts import Severity, Thresholds, alerts_of
from loadtests.prometheus.fault_alerts import ALERTS_OF, FaultTime, FiredAlert, matrix, missing, unexpected
from loadtests.prometheus.rules import alerts_for
from scenarios.file import resolve_scenario
from scenarios.parts.faults import FaultKind

ROOT = Path(__file__).parents[3]
PAGES_OF_OBJECTIVES = {"ErrorBudgetBurn", "ResponseBudgetBurn"}
KILLED = FaultTime(kind=FaultKind.KILL, target="north-1", begun_s=20.0, healed_s=40.0)


def fired(name: str, at_s: float, until_s: float | None = 50.0, severity: Severity = Severity.PAGE) -> FiredAlert:
    return FiredAlert(name=name, severity=severity, fired_s=at_s, resolved_s=until_s)


def test_every_kind_of_fault_is_declared_with_alerts_that_there_are() -> None:
    known = {alert.name for alert in alerts_of(Thresholds())} | PAGES_OF_OBJECTIVES
    assert set(ALERTS_OF) == set(FaultKind)
    assert {name for kind in ALERTS_OF.values() for name in (*kind.must, *kind.may)} <= known


def test_a_kill_that_is_told_in_time_and_over_afterwards_is_as_declared() -> None:
    told = [fired("CassandraNodeDown", 25.0)]
    assert missing(told, [KILLED]) == [] and unexpected(told, [KILLED]) == []


def test_an_alert_that_does_not_come_comes_late_or_stays_is_told() -> None:
    assert missing([], [KILLED]) == ["CassandraNodeDown did not fire for the kill of north-1 at 20 s."]
    assert missing([fired("CassandraNodeDown", 36.0)], [KILLED]) == [
        "CassandraNodeDown fired 16 s after the kill of north-1 at 20 s, and must within 15 s."
    ]
    assert missing([fired("CassandraNodeDown", 25.0, None)], [KILLED]) == [
        "CassandraNodeDown did not resolve after the kill of north-1 at 20 s, which was healed at 40 s."
    ]


def test_a_fault_that_was_over_at_once_need_not_be_told() -> None:
    short = FaultTime(kind=FaultKind.PAUSE, target="north-1", begun_s=20.0, healed_s=30.0)
    assert missing([], [short]) == []


def test_a_page_of_no_fault_or_long_after_it_is_unexpected_and_a_warning_is_not() -> None:
    facts, early, late = fired("FactsLost", 30.0), fired("CassandraNodeDown", 10.0), fired("CassandraNodeDown", 131.0)
    warning = fired("CompactionDebt", 30.0, severity=Severity.WARN)
    assert unexpected([facts, early, late, warning], [KILLED]) == [facts, early, late]
    assert unexpected([fired("DataCentreUnavailable", 30.0)], [KILLED]) == []


def test_hints_that_are_not_stored_for_a_node_that_is_away_by_plan_are_expected() -> None:
    (fault,) = resolve_scenario(Path("hint_window")).faults
    stopped = FaultTime(kind=fault.kind, target=fault.target, begun_s=15.0, healed_s=45.0)
    assert unexpected([fired("HintsNotStored", 21.0, None)], [stopped]) == []
    for kind in ALERTS_OF.values():
        assert "HintsNotStored" in kind.may or not kind.must.keys() & {"CassandraNodeDown", "DataCentresApart"}


def test_the_page_on_monitoring_prints_the_matrix_as_it_is() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    printed = re.search(r"(\| alert \| `.*?\n)\n", page, re.DOTALL)
    assert printed and printed[1] == matrix(alerts_for(resolve_scenario(Path("smoke")), 1.0))
