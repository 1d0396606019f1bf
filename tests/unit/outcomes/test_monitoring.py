from loadtests.faults.injection import FaultCourse
from loadtests.prometheus.episodes import AlertEpisode, spans
from meterstorm.display.run import alert_lines
from meterstorm.outcomes.monitoring import monitoring_result
from reports.results.run import MonitoringResult
from scenarios.parts.faults import Fault, FaultKind

BEGAN_S = 1_000_000.0  # Unix time of the storm's start
KILLED = FaultCourse(
    fault=Fault(kind=FaultKind.KILL, target="north-1", at_s=20.0, for_s=20.0),
    nodes=("north-1",),
    begun_s=20.0,
    back_s=45.0,
)


def episode(name: str, fired_s: float, resolved_s: float | None, **labels: str) -> AlertEpisode:
    return AlertEpisode(
        name=name,
        severity="page",
        labels=labels,
        fired_s=fired_s,
        resolved_s=resolved_s,
        is_told=name != "CassandraNodeDown",
    )


def test_alerts_stand_in_the_storms_time_and_against_its_faults() -> None:
    told = monitoring_result(
        [
            episode("DiskFull", BEGAN_S - 3, BEGAN_S - 1, dc="south", node="south-1"),
            episode("CassandraNodeDown", BEGAN_S + 26.04, BEGAN_S + 44, dc="north", node="north-1", job="cassandra"),
        ],
        BEGAN_S,
        [KILLED],
        15.0,
    )
    assert alert_lines(told) == [
        "alert DiskFull (page, south-1, south): fired at -3 s, resolved at -1 s",
        "alert CassandraNodeDown (page, north-1, north): fired at 26 s, resolved at 44 s, muted by a planned fault",
        "DiskFull fired at -3 s, and no fault of the scenario explains it.",
    ]
    assert told.missing == () and told.alerts[1].fired_s == 26.0


def test_a_fault_that_nobody_was_told_of_is_told() -> None:
    assert monitoring_result([], BEGAN_S, [KILLED], 15.0).missing == (
        "CassandraNodeDown did not fire for the kill of north-1 at 20 s.",
    )


def test_what_is_owed_is_late_from_the_effect_on() -> None:
    held = Fault(kind=FaultKind.LATE_TARIFFS, target="back_office", at_s=20.0, for_s=60.0)
    late = FaultCourse(fault=held, nodes=(), begun_s=20.0, effective_s=40.0, back_s=80.0)
    stale = episode("PriceStale", BEGAN_S + 64.0, BEGAN_S + 81)
    assert monitoring_result([stale], BEGAN_S, [late], 15.0).missing == ()
    assert monitoring_result([stale], BEGAN_S, [late], 13.0).missing == (
        "PriceStale fired 44 s after the late_tariffs of back_office at 20 s, and must within 43 s.",
    )


def test_nothing_and_nothing_known_are_told_apart() -> None:
    assert alert_lines(MonitoringResult()) == ["alerts: none fired"]
    assert alert_lines(MonitoringResult(trouble="prometheus is gone.")) == ["alerts: prometheus is gone."]


def test_an_episode_ends_where_samples_do() -> None:
    assert list(spans([1.0, 2.0, 3.0, 9.0, 10.0])) == [(1.0, 3.0), (9.0, 10.0)]
    assert list(spans([])) == []
