"""What Prometheus and Alertmanager start from: whom they scrape, whom they tell. Pure: texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtests.prometheus.alerts import NODE_SCRAPE_S, NODE_SCRAPE_S_MAX, PLANNED_FAULT, Audience, Severity
from loadtests.prometheus.rules import MUTED, as_yaml, duration

SCRAPE_S = 1.0  # of a run's own metrics, and of rules
RULES_NAME = "rules.yml"
HARNESS_PORT = 9464  # what `monitor up` takes for that of `meterstorm run --metrics-port`
NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeTarget:
    """A node and where it tells of itself."""

    name: str
    dc: str
    address: str  # HOST:PORT


def prometheus_yaml(nodes: Sequence[NodeTarget], harness: str, alertmanager: str) -> str:
    """prometheus.yml. harness, alertmanager: HOST:PORT. Nodes carry labels `node` and `dc`."""
    static = [{"targets": [one.address], "labels": {"node": one.name, "dc": one.dc}} for one in nodes]
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
                    "static_configs": static,
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
