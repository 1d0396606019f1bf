"""The rules file that Prometheus reads: what is recorded for dashboards, and every alert, for one scenario. Pure: a text."""

from collections.abc import Mapping
from typing import Any

import yaml

from loadtests.prometheus.alerts import RATE_WINDOW_S, RUNBOOKS, AlertRule, alerts_of, thresholds_of
from loadtests.prometheus.objectives import burn_alerts
from scenarios.spec import Scenario

MUTED = "muted"  # value of the label `planned_fault`, by which Alertmanager knows them
_WINDOW = f"[{RATE_WINDOW_S}s]"

RECORDED: Mapping[str, str] = {
    "dc_request:cassandra_client_requests:rate15s": f"sum by (dc, request) (rate(cassandra_client_requests_total{_WINDOW}))",
    "dc:cassandra_hints_stored:rate15s": f"sum by (dc) (rate(cassandra_hints_stored_total{_WINDOW}))",
    "node:jvm_gc_share:rate15s": f"sum by (dc, node) (rate(jvm_gc_collection_seconds_sum{_WINDOW}))",
    "operation_outcome:meterstorm_operations:rate15s": (
        f"sum by (operation, outcome) (rate(meterstorm_operations_total{_WINDOW}))"
    ),
    "operation:meterstorm_response_seconds:p99_15s": (
        f"histogram_quantile(0.99, sum by (operation, le) (rate(meterstorm_response_seconds_bucket{_WINDOW})))"
    ),
}
"""Recording rules: level, metric and operation in their names, as Prometheus advises."""


def alerts_for(scenario: Scenario, scrape_s: float) -> tuple[AlertRule, ...]:
    """All alerts of a run of the scenario, its objectives' among them."""
    return (*alerts_of(thresholds_of(scenario)), *burn_alerts(scenario, scrape_s))


def rules_yaml(scenario: Scenario, scrape_s: float) -> str:
    """The rules file. scrape_s: how often everything is scraped."""
    groups = [
        {"name": "recorded", "rules": [{"record": name, "expr": expr} for name, expr in RECORDED.items()]},
        {"name": "alerts", "rules": [_rule(alert) for alert in alerts_for(scenario, scrape_s)]},
    ]
    return as_yaml(
        {"groups": groups}, "Recording and alerting rules, made by meterstorm; pages of what to do in", RUNBOOKS
    )


def as_yaml(value: object, *header: str) -> str:
    """YAML in the order of the value, under a comment."""
    return f"# {' '.join(header)}\n" + yaml.safe_dump(value, sort_keys=False, width=120, allow_unicode=True)


def duration(seconds: float) -> str:
    """A time as Prometheus writes it: 15s, 1500ms."""
    return f"{round(seconds)}s" if float(seconds).is_integer() else f"{round(seconds * 1_000)}ms"


def _rule(alert: AlertRule) -> dict[str, Any]:
    labels = {"severity": alert.severity.value, "audience": alert.audience.value, **alert.labels}
    if alert.is_muted_by_faults:
        labels["planned_fault"] = MUTED
    rule: dict[str, Any] = {"alert": alert.name, "expr": alert.expression}
    if alert.for_s:
        rule["for"] = duration(alert.for_s)
    return {**rule, "labels": labels, "annotations": {"summary": alert.summary, "runbook": alert.runbook}}
