import re
from dataclasses import replace
from pathlib import Path

from loadtests.prometheus.alerts import Severity, Thresholds, alerts_of
from loadtests.prometheus.fault_alerts import ALERTS_OF, FaultTime, FiredAlert, matrix, missing, unexpected
from loadtests.prometheus.rules import alerts_for
from scenarios.file import resolve_scenario
from scenarios.parts.faults import FaultKind

ROOT = Path(__file__).parents[3]
PAGES_OF_OBJECTIVES = {"ErrorBudgetBurn", "ResponseBudgetBurn"}
LATE_S = 15.0
KILLED = FaultTime(kind=FaultKind.KILL, target="north-1", begun_s=20.0, back_s=40.0)


def fired(name: str, at_s: float, until_s: float | None = 50.0, severity: Severity = Severity.PAGE) -> FiredAlert:
    return FiredAlert(name=name, severity=severity, fired_s=at_s, resolved_s=until_s)


def test_every_kind_of_fault_is_declared_with_alerts_that_there_are() -> None:
    known = {alert.name for alert in alerts_of(Thresholds())} | PAGES_OF_OBJECTIVES
    assert set(ALERTS_OF) == set(FaultKind)
    assert {name for kind in ALERTS_OF.values() for name in (*kind.required, *kind.may)} <= known


def test_a_kill_that_is_told_in_time_and_over_afterwards_is_as_declared() -> None:
    told = [fired("CassandraNodeDown", 25.0)]
    assert missing(told, [KILLED], LATE_S) == [] and unexpected(told, [KILLED]) == []


def test_an_alert_that_does_not_come_comes_late_or_stays_is_told() -> None:
    assert missing([], [KILLED], LATE_S) == ["CassandraNodeDown did not fire for the kill of north-1 at 20 s."]
    assert missing([fired("CassandraNodeDown", 36.0)], [KILLED], LATE_S) == [
        "CassandraNodeDown fired 16 s after the kill of north-1 at 20 s, and must within 15 s."
    ]
    assert missing([fired("CassandraNodeDown", 25.0, None)], [KILLED], LATE_S) == [
        "CassandraNodeDown did not resolve after the kill of north-1 at 20 s, which was over at 40 s."
    ]


def test_a_fault_that_was_over_at_once_need_not_be_told() -> None:
    short = FaultTime(kind=FaultKind.PAUSE, target="north-1", begun_s=20.0, back_s=30.0)
    assert missing([], [short], LATE_S) == []


def test_a_node_that_is_parted_alone_leaves_its_data_centre_in_touch() -> None:
    of_dc = FaultTime(kind=FaultKind.PARTITION, target="north", begun_s=20.0, back_s=120.0)
    assert missing([], [of_dc], LATE_S) == ["DataCentresApart did not fire for the partition of north at 20 s."]
    assert missing([], [replace(of_dc, target="north-1")], LATE_S) == []
    assert unexpected([fired("DataCentresApart", 60.0)], [replace(of_dc, target="north-1")]) == []  # it may


def test_what_is_owed_to_customers_is_late_some_time_after_the_effect() -> None:
    dead = FaultTime(kind=FaultKind.KILL_BACK_OFFICE, target="back_office", begun_s=20.0, back_s=60.0, effective_s=21.0)
    assert missing([fired("BackOfficeStopped", 46.0, 61.0)], [dead], LATE_S) == []
    assert missing([fired("BackOfficeStopped", 47.0, 61.0)], [dead], LATE_S) == [
        "BackOfficeStopped fired 27 s after the kill_back_office of back_office at 20 s, and must within 26 s."
    ]
    assert missing([], [replace(dead, back_s=45.9)], LATE_S) == []
    assert unexpected([fired("BackOfficeStopped", 46.0), fired("PriceStale", 46.0)], [dead]) == [
        fired("PriceStale", 46.0)
    ]


def test_the_matrix_has_each_page_and_each_warning_that_a_fault_must_raise() -> None:
    rows = matrix(alerts_of(Thresholds())).splitlines()
    kinds = [one.strip(" `") for one in rows[0].split("|")[2:-1]]
    cells = {cells[1].strip(): dict(zip(kinds, cells[2:], strict=False)) for cells in (row.split("|") for row in rows)}
    assert cells["BackOfficeStopped"]["kill_back_office"] == " **late + 10 s** "
    assert cells["PriceStale"]["late_tariffs"] == " **late + 10 s** "
    assert cells["RejectedShare"]["garbage"] == " **45 s** " and cells["RejectedShare"]["kill"] == " – "
    assert "EstimatedShare" not in cells


def test_a_page_of_no_fault_or_long_after_it_is_unexpected_and_a_warning_is_not() -> None:
    facts, early, late = fired("FactsLost", 30.0), fired("CassandraNodeDown", 10.0), fired("CassandraNodeDown", 131.0)
    warning = fired("CompactionDebt", 30.0, severity=Severity.WARN)
    assert unexpected([facts, early, late, warning], [KILLED]) == [facts, early, late]
    assert unexpected([fired("DataCentreUnavailable", 30.0)], [KILLED]) == []


def test_hints_that_are_not_stored_for_a_node_that_is_away_by_plan_are_expected() -> None:
    (fault,) = resolve_scenario(Path("hint_window")).faults
    stopped = FaultTime(kind=fault.kind, target=fault.target, begun_s=15.0, back_s=45.0)
    assert unexpected([fired("HintsNotStored", 21.0, None)], [stopped]) == []
    for kind in ALERTS_OF.values():
        assert "HintsNotStored" in kind.may or not kind.must.keys() & {"CassandraNodeDown", "DataCentresApart"}


def test_the_page_on_monitoring_prints_the_matrix_as_it_is() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    printed = re.search(r"(\| alert \| `.*?\n)\n", page, re.DOTALL)
    assert printed and printed[1] == matrix(alerts_for(resolve_scenario(Path("smoke")), 1.0))
