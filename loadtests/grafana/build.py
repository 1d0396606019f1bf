"""The dashboards as Grafana's JSON, by its foundation SDK: `python -m loadtests.grafana.build` writes the files that ship.

The SDK is pinned to the line of Grafana 11.6, and needed here alone: who uses the dashboards has the JSON.
"""

from itertools import count
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import GraphThresholdsStyleMode
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

from loadtests.grafana.business import BUSINESS
from loadtests.grafana.operational import OPERATIONAL
from loadtests.grafana.panels import DashboardPage, DashboardPanel, PanelKind

PAGES = {"operational.json": OPERATIONAL, "business.json": BUSINESS}
HERE = Path(__file__).parent
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT = 8
FAINT = "rgba(128, 128, 128, 0.15)"
_BUILDERS: dict[PanelKind, Any] = {
    PanelKind.CURVES: timeseries.Panel,
    PanelKind.NUMBERS: stat.Panel,
    PanelKind.STATES: statetimeline.Panel,
}


def json_of(page: DashboardPage) -> str:
    """A dashboard as Grafana imports it; the same text for the same page."""
    built = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.description)
        .tags(["meterstorm"])
        .refresh("5s")
        .time("now-15m", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for name, query in page.choices.items():
        built = built.with_variable(
            dashboard.QueryVariable(name)
            .datasource(SOURCE)
            .query(query)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(VariableOption(selected=True, text="All", value="$__all"))
        )
    for text in page.texts:
        built = built.with_variable(dashboard.TextBoxVariable(text.name).label(text.label).default_value(text.default))
    numbers = count(1)
    for row in page.rows:
        built = built.with_row(dashboard.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            built = built.with_panel(_panel(panel).id(next(numbers)))
    return JSONEncoder(sort_keys=True, indent=1).encode(built.build()) + "\n"


def _panel(panel: DashboardPanel) -> Any:
    needed = f" Needs: {', '.join(panel.needs)}." if panel.needs else ""
    built = (
        _BUILDERS[panel.shown]()
        .title(panel.title)
        .description(f"{panel.says}{needed}")
        .datasource(SOURCE)
        .unit(panel.unit)
        .height(HEIGHT)
        .span(panel.width)
    )
    if panel.shown is PanelKind.STATES:
        steps = [Threshold(value=None, color=FAINT), Threshold(value=1.0, color="blue")]
        built = built.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    if panel.limit is not None:
        steps = [Threshold(value=None, color="green"), Threshold(value=panel.limit, color="red")]
        built = built.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        if panel.shown is PanelKind.CURVES:
            built = built.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE))
    for number, asked in enumerate(panel.asked):
        query = prometheus.Dataquery().expr(asked.expr).legend_format(asked.legend).ref_id(chr(ord("A") + number))
        built = built.with_target(query.datasource(SOURCE))
    return built


def main() -> None:
    for name, page in PAGES.items():
        (HERE / name).write_text(json_of(page), encoding="utf-8")


if __name__ == "__main__":
    main()
