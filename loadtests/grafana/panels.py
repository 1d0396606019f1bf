"""What a dashboard is made of, as data: rows of panels, each with the questions that it asks of Prometheus.

Rules that hold here: expressions know no datasource and no interval of their own. `$__rate_interval` is Grafana's: a range that
has at least four scrapes in it; `$dc` and `$operation` are what the reader has chosen.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

RATE_INTERVAL = "$__rate_interval"
SCRAPE_EVERY = "4s"  # of what is scraped most seldom, the nodes
RANGE_MIN = "16s"  # what Grafana makes of it
_VARIABLE = re.compile(r"\$([a-z_]+)\b")
EVERYTHING: Mapping[str, str] = {"dc": ".*", "operation": ".*"}
"""The reader's choices as they are at first: all."""


class PanelKind(StrEnum):
    """How a panel draws its answers."""

    CURVES = "curves"  # over time
    NUMBERS = "numbers"  # the latest, large
    STATES = "states"  # bands over time, for what is 0 or 1


class PanelNeed(StrEnum):
    """Without what a panel is empty, and rightly so."""

    NODE_EXPORTER = "node exporter"  # JMX exporters of the nodes are scraped, too
    LOCAL_NODES = "local nodes"  # the run has started them itself
    COMMANDS = "commands"  # the scenario has campaigns
    FAULTS = "faults"  # the scenario has some
    BACK_OFFICE = "back office"  # the scenario has one
    SECOND_DC = "second DC"
    AUDIT = "audit"  # it has begun


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """An expression of PromQL, and what its series are called: {{label}} is replaced by each one's."""

    expr: str
    legend: str = ""

    def with_choices(self, choices: Mapping[str, str] = EVERYTHING, rate_interval: str = RANGE_MIN) -> str:
        """The expression as Grafana sends it: variables replaced by what was chosen."""
        replaced = self.expr.replace(RATE_INTERVAL, rate_interval)
        return _VARIABLE.sub(lambda found: choices[found[1]], replaced)


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardPanel:
    """One panel. unit: Grafana's identifier of it; limit: what is above it is drawn as bad; width in 24ths of the page."""

    title: str
    says: str  # what a reader takes from it
    asked: tuple[PanelQuery, ...]
    unit: str = "short"
    shown: PanelKind = PanelKind.CURVES
    limit: float | None = None
    width: int = 8
    needs: tuple[PanelNeed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardRow:
    title: str
    panels: tuple[DashboardPanel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextChoice:
    """A number that the reader types in."""

    name: str
    label: str
    default: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardPage:
    """One dashboard. choices: variables by name, each the label values that an expression of Grafana's lists."""

    uid: str
    title: str
    description: str
    rows: tuple[DashboardRow, ...]
    choices: Mapping[str, str]
    texts: tuple[TextChoice, ...] = ()

    @property
    def panels(self) -> tuple[DashboardPanel, ...]:
        return tuple(panel for row in self.rows for panel in row.panels)

    def at_first(self) -> Mapping[str, str]:
        """What each variable is when the page is opened."""
        return {**EVERYTHING, **{one.name: one.default for one in self.texts}}
