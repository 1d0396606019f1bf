"""What a run's own Prometheus saw, for the results."""

from collections.abc import Sequence

from loadtests.faults.injection import FaultCourse
from loadtests.prometheus.alerts import Severity
from loadtests.prometheus.episodes import AlertEpisode
from loadtests.prometheus.fault_alerts import FaultTime, FiredAlert, missing, unexpected
from reports.results.run import AlertResult, MonitoringResult


def monitoring_result(
    episodes: Sequence[AlertEpisode], storm_began_s: float, courses: Sequence[FaultCourse], late_s: float
) -> MonitoringResult:
    """The alerts, and what they say of the faults. storm_began_s: Unix time. late_s: of the run's thresholds."""

    def of_storm(at_s: float) -> float:
        return round(at_s - storm_began_s, 1)

    fired = [
        FiredAlert(
            name=one.name,
            severity=Severity(one.severity),
            fired_s=of_storm(one.fired_s),
            resolved_s=None if one.resolved_s is None else of_storm(one.resolved_s),
        )
        for one in episodes
    ]
    faults = [
        FaultTime(
            kind=one.fault.kind,
            target=one.fault.target,
            begun_s=one.begun_s,
            back_s=one.back_s,
            effective_s=one.effective_s,
        )
        for one in courses
        if one.begun_s is not None
    ]
    return MonitoringResult(
        alerts=tuple(
            AlertResult(
                name=one.name,
                severity="page" if each.severity is Severity.PAGE else "warn",
                labels=dict(one.labels),
                fired_s=each.fired_s,
                resolved_s=each.resolved_s,
                told=one.is_told,
            )
            for one, each in zip(episodes, fired, strict=True)
        ),
        unexpected=tuple(
            f"{one.name} fired at {one.fired_s:.0f} s, and no fault of the scenario explains it."
            for one in unexpected(fired, faults)
        ),
        missing=tuple(missing(fired, faults, late_s)),
    )
