"""What Prometheus and Alertmanager start from: whom they scrape, whom they tell. Pure: texts.

Nodes stand in a file of their own, which Prometheus reads again when it changes: nodes join, leave and come back elsewhere.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from loadtests.prometheus.alerts import NODE_SCRAPE_S, NODE_SCRAPE_S_MAX, PLANNED_FAULT, Audience, Severity
from loadtests.prometheus.rules import MUTED, as_yaml, duration

SCRAPE_S = 1.0  # of a run's own metrics, and of rules
RULES_NAME = "rules.yml"
NODES_NAME = "nodes.json"
NODES_READ_S = 5.0  # the file of nodes is read again at least so often; where the file system tells of changes, at once
HARNESS_PORT = 9464  # what `monitor up` takes for that of `meterstorm run --metrics-port`
NOBODY = "nobody"
PATH = "/metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTarget:
    """A node and where it tells of itself, or somebody else of it."""

    name: str
    dc: str
    address: str  # HOST:PORT
    path: str = PATH


class TellingNode(Protocol):
    """A node, and where it tells of itself, HOST:PORT; None: nowhere."""

    @property
    def name(self) -> str: ...
    @property
    def dc(self) -> str: ...
    @property
    def metrics(self) -> str | None: ...


def targets_of(nodes: Iterable[TellingNode]) -> tuple[NodeTarget, ...]:
    """Those that tell of themselves."""
    return tuple(NodeTarget(name=one.name, dc=one.dc, address=one.metrics) for one in nodes if one.metrics)


def nodes_json(nodes: Sequence[NodeTarget]) -> str:
    """The file of nodes. They carry labels `node` and `dc`; of one that another program tells of, `instance` is its name."""

    def labels(one: NodeTarget) -> dict[str, str]:
        own = {"node": one.name, "dc": one.dc}
        return own if one.path == PATH else {**own, "instance": one.name, "__metrics_path__": one.path}

    groups = [{"targets": [one.address], "labels": labels(one)} for one in nodes]
    return json.dumps(groups, indent=2) + "\n"


def prometheus_yaml(harness: str, alertmanager: str) -> str:
    """prometheus.yml. harness, alertmanager: HOST:PORT."""
    return as_yaml(
        {
            "global": {
                "scrape_interval": duration(SCRAPE_S),
                "scrape_timeout": duration(SCRAPE_S),
                "evaluation_interval": duration(SCRAPE_S),
            },
            "rule_files": [RULES_NAME],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
            "scrape_configs": [
                {
                    "job_name": "cassandra",
                    "scrape_interval": duration(NODE_SCRAPE_S),
                    "scrape_timeout": duration(NODE_SCRAPE_S_MAX),
                    "file_sd_configs": [{"files": [NODES_NAME], "refresh_interval": duration(NODES_READ_S)}],
                },
                {"job_name": "meterstorm", "static_configs": [{"targets": [harness]}]},
            ],
        },
        "Made by meterstorm",
    )


def alertmanager_yaml(receivers: Mapping[Audience, Sequence[str]]) -> str:
    """alertmanager.yml. receivers: the webhooks (URLs) that each audience is told by."""
    return as_yaml(
        {
            "route": {
                "receiver": Audience.OPERATIONAL.value,
                "group_by": ["alertname", "dc"],
                "group_wait": "0s",
                "group_interval": "1s",
                "repeat_interval": "4h",
                "routes": [
                    {"matchers": [f'severity="{Severity.NONE}"'], "receiver": NOBODY},
                    {"matchers": [f'audience="{Audience.BUSINESS}"'], "receiver": Audience.BUSINESS.value},
                ],
            },
            "inhibit_rules": [
                {
                    "source_matchers": [f'alertname="{PLANNED_FAULT}"'],
                    "target_matchers": [f'planned_fault="{MUTED}"'],
                }
            ],
            "receivers": [
                *(
                    {
                        "name": audience.value,
                        "webhook_configs": [{"url": url, "send_resolved": True} for url in receivers[audience]],
                    }
                    for audience in Audience
                ),
                {"name": NOBODY},
            ],
        },
        "Made by meterstorm",
    )
