"""What fired in a time, from Prometheus' own record of alerts, and whether anybody was told of it."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.prometheus.alerts import PLANNED_FAULT
from loadtests.prometheus.settings import SCRAPE_S
from loadtests.prometheus.stack import MonitoringStack

GAP_S = 2.5 * SCRAPE_S  # between two samples of one episode at most
_RULES_OWN = ("__name__", "alertname", "alertstate", "severity", "audience", "planned_fault")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertEpisode:
    """One alert from its firing to its end. Unix times [s]."""

    name: str
    severity: str
    labels: Mapping[str, str]  # what it is of: dc, node, operation
    fired_s: float
    resolved_s: float | None  # None: it fires still
    is_told: bool  # a receiver got it; else a planned fault muted it


def episodes(stack: MonitoringStack, since_s: float) -> tuple[AlertEpisode, ...]:
    """Every episode since an instant (Unix time [s]), the first to fire first. Raises HarnessError."""
    now_s = time.time()
    span_s = max(round(now_s - since_s), 1)
    series = stack.query(f'ALERTS{{alertstate="firing"}}[{span_s}s]')
    told = told_alerts(stack.folder.notifications)
    found = []
    for one in series:
        labels = one["metric"]
        if labels["alertname"] == PLANNED_FAULT:
            continue
        own = _own_labels(labels)
        for first_s, last_s in spans([float(at) for at, _ in one["values"]]):
            found.append(
                AlertEpisode(
                    name=labels["alertname"],
                    severity=labels["severity"],
                    labels=own,
                    fired_s=first_s,
                    resolved_s=None if now_s - last_s < GAP_S else last_s + SCRAPE_S,
                    is_told=any(
                        each.name == labels["alertname"]
                        and each.labels == own
                        and first_s - GAP_S < each.at_s < last_s + GAP_S
                        for each in told
                    ),
                )
            )
    return tuple(sorted(found, key=lambda one: (one.fired_s, one.name)))


def spans(instants_s: Sequence[float]) -> Iterable[tuple[float, float]]:
    """First and last instant of each run of samples without a gap."""
    first_s = last_s = None
    for at_s in instants_s:
        if last_s is None or at_s - last_s > GAP_S:
            if first_s is not None and last_s is not None:
                yield first_s, last_s
            first_s = at_s
        last_s = at_s
    if first_s is not None and last_s is not None:
        yield first_s, last_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldAlert:
    """A receiver was told at an instant (Unix time [s]) that an alert fires."""

    name: str
    labels: Mapping[str, str]
    at_s: float


def told_alerts(notifications: Path) -> list[ToldAlert]:
    """What receivers were told, from the file of notifications. Raises OSError, and ValueError or KeyError for other lines.

    A last line without an end is being written still, and left out.
    """
    whole, _, _ = notifications.read_text(encoding="utf-8").rpartition("\n")
    told = [json.loads(line) for line in whole.splitlines()]
    return [
        ToldAlert(name=one["alert"], labels=_own_labels(one["labels"]), at_s=one["at"])
        for one in told
        if one["status"] == "firing"
    ]


def _own_labels(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name not in _RULES_OWN}
