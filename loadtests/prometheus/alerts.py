"""Every alert but those of the scenario's objectives (`objectives.py`): what it means, when it fires, whom it tells. Pure.

Rules that hold here: an alert that pages says that somebody has to do something now, one that warns that somebody should look
by day; each has a runbook page. What a planned fault explains does not page while it is active; lost facts always do.
Times are wall time.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from scenarios.spec import Scenario

RUNBOOKS = "docs/runbooks"
RATE_WINDOW_S = 15  # of rates: several scrapes, so that one that failed changes little
NODE_SCRAPE_S = 4.0  # a scrape costs a node some 30 ms of a processor: less than 1 % of one, so
NODE_SCRAPE_S_MAX = 3.5  # then it has failed. A cold node of a busy machine took over 2 s twice in a row (2026-11-30)


class Severity(StrEnum):
    PAGE = "page"
    WARN = "warn"
    NONE = "none"  # tells nobody: what others are muted by


class Audience(StrEnum):
    """Which receiver is told."""

    OPERATIONAL = "operational"
    BUSINESS = "business"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """One alerting rule."""

    name: str
    severity: Severity
    audience: Audience
    expression: str  # PromQL
    summary: str  # a sentence, with Prometheus' templates of labels
    for_s: float = 0.0  # the expression must hold so long
    is_muted_by_faults: bool = True  # nobody is told of it while a planned fault is active
    labels: Mapping[str, str] = field(default_factory=dict)  # beside those of the expression

    @property
    def runbook(self) -> str:
        """Its page, from the repository's root."""
        return f"{RUNBOOKS}/{re.sub('(?<!^)(?=[A-Z])', '-', self.name).lower()}.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From where on what the platform owes its customers is too late [s], and which shares are too large."""

    price_stale_s: float = 900.0
    commands_overdue_s: float = 900.0
    back_office_silent_s: float = 900.0
    view_lag_s: float = 900.0
    late_s: float = 0.1  # of requests, at the generator
    completeness_min: float = 0.99
    estimated_share_max: float = 0.1
    rejected_share_max: float = 0.1
    compactions_pending_max: int = 100
    clock_skew_s: float = 0.5  # a time-out of Cassandra's is 2 s and more; a clock that is kept right is within some ms


def late_s_of(scenario: Scenario) -> float:
    """What customers are owed is late after a fifth of the run [s], but not before 15 s, which a round of the back office may
    take on a busy machine, and not after a quarter of an hour."""
    return min(max(scenario.run.wall_s / 5, 15.0), 900.0)


def thresholds_of(scenario: Scenario) -> Thresholds:
    """Those of a run of the scenario: a simulated day may take a minute, of which a quarter of an hour is a tenth of a second."""
    late_s = late_s_of(scenario)
    return Thresholds(
        price_stale_s=late_s,
        commands_overdue_s=late_s,
        back_office_silent_s=late_s,
        view_lag_s=late_s,
        late_s=scenario.run.validity.late_p99_ms_max / 1_000,
    )


NOT_SERVING = 'up{job="cassandra"} unless on (instance) cassandra_client_connections'
"""Nodes that answer no scrape, or have not opened their port for clients: a node's agent is up before the node is."""

PLANNED_FAULT = "PlannedFault"


def alerts_of(limits: Thresholds) -> tuple[AlertRule, ...]:
    """All alerts, with what they are muted by."""
    return (*_cluster_alerts(limits), *_platform_alerts(limits), _planned_fault())


def _cluster_alerts(limits: Thresholds) -> Sequence[AlertRule]:
    window = f"{RATE_WINDOW_S}s"
    operational = Audience.OPERATIONAL
    return (
        AlertRule(
            name="CassandraNodeDown",
            severity=Severity.PAGE,
            audience=operational,
            expression=NOT_SERVING,
            for_s=NODE_SCRAPE_S + 1,  # two scrapes: one alone fails on a busy machine
            summary="Node {{ $labels.node }} of data centre {{ $labels.dc }} does not serve.",
        ),
        AlertRule(
            name="DataCentresApart",
            severity=Severity.PAGE,
            audience=operational,
            # A node that is down is another alert's; one that comes back is missed by others for some seconds more. Nodes that
            # have left for good are "Down" to the others for three days: what counts is who serves, and is not "Up".
            expression=(
                'min by (dc) (cassandra_endpoints{state="Up"}) < scalar(count(cassandra_client_connections)) '
                f"unless on () (count(max_over_time(({NOT_SERVING})[30s:1s])) > 0)"
            ),
            for_s=5,
            summary="Nodes of data centre {{ $labels.dc }} don't hear others, which serve.",
        ),
        AlertRule(
            name="DataCentreUnavailable",
            severity=Severity.PAGE,
            audience=operational,
            expression=(
                f'sum by (dc, action) (rate(meterstorm_probes_total{{outcome="failed"}}[{window}])) '
                f"/ sum by (dc, action) (rate(meterstorm_probes_total[{window}])) > 0.5"
            ),
            for_s=5,
            summary="Most {{ $labels.action }} probes in data centre {{ $labels.dc }} fail.",
        ),
        AlertRule(
            name="RequestsUnavailable",
            severity=Severity.PAGE,
            audience=operational,
            expression=f"sum by (dc, request) (rate(cassandra_client_request_unavailables_total[{window}])) > 0",
            for_s=5,
            summary="Data centre {{ $labels.dc }} refuses {{ $labels.request }} requests: too few replicas are up.",
        ),
        AlertRule(
            name="HintsNotStored",
            severity=Severity.PAGE,
            audience=operational,
            # The counter of a peer begins with its first: what was not there a while ago was 0.
            expression=(
                "sum by (dc, node) (cassandra_hints_not_stored_total) > (sum by (dc, node) "
                "(cassandra_hints_not_stored_total offset 5m) or sum by (dc, node) (cassandra_hints_not_stored_total) * 0)"
            ),
            summary="Node {{ $labels.node }} has stopped keeping what another node lacks: that one needs repair.",
            is_muted_by_faults=False,
        ),
        AlertRule(
            name="DiskFull",
            severity=Severity.PAGE,
            audience=operational,
            # A burst goes on for no four hours: only what has lasted for ten minutes is held to say how it goes on.
            expression=(
                "predict_linear(meterstorm_node_disk_free_bytes[10m], 4 * 3600) < 0 "
                "and on (node) meterstorm_node_disk_free_bytes offset 9m "
                "and meterstorm_node_disk_free_bytes / meterstorm_node_disk_size_bytes < 0.3 "
                "or meterstorm_node_disk_free_bytes / meterstorm_node_disk_size_bytes < 0.05"
            ),
            for_s=2,
            summary="The disk of node {{ $labels.node }} is full, or will be within four hours.",
        ),
        AlertRule(
            name="CompactionDebt",
            severity=Severity.WARN,
            audience=operational,
            expression=f"cassandra_compaction_pending_tasks > {limits.compactions_pending_max}",
            for_s=60,
            summary="Node {{ $labels.node }} has {{ $value }} compactions to do.",
        ),
        AlertRule(
            name="MessagesDropped",
            severity=Severity.WARN,
            audience=operational,
            expression=f"sum by (dc, node) (rate(cassandra_dropped_messages_total[{window}])) > 0",
            for_s=5,
            summary="Node {{ $labels.node }} drops messages that have waited too long.",
        ),
        AlertRule(
            name="ClockSkew",
            severity=Severity.WARN,
            audience=operational,
            expression=f"abs(meterstorm_clock_ahead_seconds) > {limits.clock_skew_s:g}",
            for_s=5,
            summary="The clock of node {{ $labels.node }} is wrong by {{ $value | humanizeDuration }}.",
        ),
        AlertRule(
            name="GeneratorLate",
            severity=Severity.WARN,
            audience=operational,
            expression=(
                f'1 - sum(rate(meterstorm_lateness_seconds_bucket{{le="{bound(limits.late_s)}"}}[{window}])) '
                f"/ sum(rate(meterstorm_lateness_seconds_count[{window}])) > 0.01"
            ),
            for_s=10,
            summary="More than 1 % of requests leave later than the run bears: its figures are the generator's.",
            is_muted_by_faults=False,
        ),
    )


def _platform_alerts(limits: Thresholds) -> Sequence[AlertRule]:
    business = Audience.BUSINESS
    return (
        AlertRule(
            name="FactsLost",
            severity=Severity.PAGE,
            audience=business,
            expression='max by (dc) (meterstorm_audit_dc_facts{verdict="lost"}) > 0',
            summary="Data centre {{ $labels.dc }} lacks {{ $value }} facts that were acknowledged.",
            is_muted_by_faults=False,
        ),
        AlertRule(
            name="CommandTerminalTwice",
            severity=Severity.PAGE,
            audience=business,
            expression="meterstorm_commands_terminal_twice_total > 0",
            summary="{{ $value }} commands have ended twice.",
            is_muted_by_faults=False,
        ),
        AlertRule(
            name="CommandsOverdue",
            severity=Severity.PAGE,
            audience=business,
            expression=f"meterstorm_commands_oldest_due_seconds > {limits.commands_overdue_s:g}",
            summary="A command of data centre {{ $labels.dc }} has been due for {{ $value | humanizeDuration }}.",
        ),
        AlertRule(
            name="BackOfficeStopped",
            severity=Severity.PAGE,
            audience=business,
            expression=f"meterstorm_back_office_round_age_seconds > {limits.back_office_silent_s:g}",
            summary="The back office's last round was {{ $value | humanizeDuration }} ago.",
        ),
        AlertRule(
            name="PriceStale",
            severity=Severity.PAGE,
            audience=business,
            expression=f"meterstorm_price_stale_seconds > {limits.price_stale_s:g}",
            summary="A display lacks the price in force, for {{ $value | humanizeDuration }}.",
        ),
        AlertRule(
            name="SettlementIncomplete",
            severity=Severity.PAGE,
            audience=business,
            expression=(  # once a day that is settled: its periods are late together
                f"count by (settlement_date) (meterstorm_settlement_completeness_ratio < {limits.completeness_min:g} "
                "and meterstorm_settlement_deadline_passed == 1)"
            ),
            for_s=20,  # a run counts its ledger anew every few seconds, and what came just in time with it
            summary="{{ $value }} settlement periods of {{ $labels.settlement_date }} are not complete after their deadline.",
        ),
        AlertRule(
            name="ViewLag",
            severity=Severity.WARN,
            audience=business,
            expression=f"meterstorm_view_lag_seconds > {limits.view_lag_s:g}",
            summary="A view is {{ $value | humanizeDuration }} behind the event log.",
        ),
        AlertRule(
            name="EstimatedShare",
            severity=Severity.WARN,
            audience=business,
            expression=f"meterstorm_readings_estimated_ratio > {limits.estimated_share_max:g}",
            summary="{{ $value | humanizePercentage }} of readings are estimates.",
        ),
        AlertRule(
            name="RejectedShare",
            severity=Severity.WARN,
            audience=business,
            # Of what comes at the most: when few readings come, at night or once a storm is over, a handful is a large share.
            expression=(
                "sum(rate(meterstorm_readings_rejected_total[1m])) "
                "/ (max_over_time(sum(rate(meterstorm_readings_total[1m]))[10m:5s]) "
                "+ sum(rate(meterstorm_readings_rejected_total[1m]))) "
                f"> {limits.rejected_share_max:g}"
            ),
            for_s=5,
            summary="{{ $value | humanizePercentage }} of readings are rejected.",
        ),
    )


def _planned_fault() -> AlertRule:
    return AlertRule(
        name=PLANNED_FAULT,
        severity=Severity.NONE,
        audience=Audience.OPERATIONAL,
        # It stays for a while after the healing: what the fault explains takes some scrapes to be over.
        expression=f"max by (kind, target) (max_over_time(meterstorm_fault_active[{RATE_WINDOW_S}s])) > 0",
        summary="A planned fault is active: {{ $labels.kind }} of {{ $labels.target }}.",
        is_muted_by_faults=False,
    )


def bound(seconds: float) -> str:
    """A histogram's bound as `prometheus-client` writes it in the label `le`."""
    return repr(float(seconds))
