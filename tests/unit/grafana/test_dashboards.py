"""Dashboards: what ships is what is described, every expression is one, and asks for metrics that there are."""

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from loadtests.grafana import provisioning
from loadtests.grafana.build import HERE, PAGES, json_of
from loadtests.grafana.panels import RATE_INTERVAL, DashboardPage, PanelNeed, PanelQuery
from loadtests.grafana.provisioning import DASHBOARDS, lay_out
from loadtests.metrics.catalogue import CATALOGUE, MetricKind
from loadtests.prometheus.alerts import NODE_SCRAPE_S

OF_THE_RUN = {
    f"{one.name}{end}": one
    for one in CATALOGUE
    for end in (("_bucket", "_sum", "_count") if one.kind is MetricKind.HISTOGRAM else ("",))
}
EXPORTER = yaml.safe_load((HERE.parent / "cluster" / "jmx_exporter.yml").read_text(encoding="utf-8"))
OF_NODES = {rule["name"]: set(rule.get("labels", {})) for rule in EXPORTER["rules"]}
ALL_ASKED = [(page, asked) for page in PAGES.values() for panel in page.panels for asked in panel.asked]


def selectors_in(expression: object) -> list[Any]:
    """The vector selectors of a parsed expression."""
    if isinstance(expression, promql_parser.VectorSelector):
        return [expression]
    if isinstance(expression, promql_parser.MatrixSelector):
        return [expression.vector_selector]
    parts = [getattr(expression, name, None) for name in ("expr", "lhs", "rhs", "param")]
    return [one for part in [*parts, *(getattr(expression, "args", None) or [])] if part for one in selectors_in(part)]


@pytest.mark.parametrize("name", PAGES)
def test_what_ships_is_what_is_described(name: str) -> None:
    assert (HERE / name).read_text(encoding="utf-8") == json_of(PAGES[name]), "run python -m loadtests.grafana.build"


@pytest.mark.parametrize(("page", "asked"), ALL_ASKED, ids=[asked.expr[:60] for _, asked in ALL_ASKED])
def test_every_expression_asks_for_what_there_is(page: DashboardPage, asked: PanelQuery) -> None:
    parsed = promql_parser.parse(asked.with_choices(page.at_first()))
    selectors = selectors_in(parsed)
    assert selectors or "vector(" in asked.expr
    for selector in selectors:
        labels = {matcher.name for matcher in selector.matchers.matchers}
        if selector.name.startswith("meterstorm_"):
            metric = OF_THE_RUN[selector.name]
            assert labels <= {*metric.labels, "le"}, f"{selector.name} has no {labels - set(metric.labels)}"
        else:
            assert "job" in labels
            assert selector.name in OF_NODES or selector.name.startswith("jvm_"), f"no node tells {selector.name}"
            assert labels <= {*OF_NODES.get(selector.name, {"area", "gc"}), "job", "dc", "node"}, selector.name


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_counters_are_asked_for_their_rates(page: DashboardPage) -> None:
    """A counter as it stands says nothing over time: but for a number since the storm's start."""
    for panel in page.panels:
        for asked in panel.asked:
            for counter in re.findall(r"\w+_(?:total|bucket|count|sum)\b", asked.expr):
                assert re.search(rf"(rate|increase)\({counter}", asked.expr) or panel.shown == "numbers", asked.expr


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_panel_says_what_it_needs(page: DashboardPage) -> None:
    for panel in page.panels:
        text = " ".join(asked.expr for asked in panel.asked)
        assert ("cassandra_" in text or "jvm_" in text) == (PanelNeed.NODE_EXPORTER in panel.needs), panel.title
        assert ("meterstorm_node_" in text) == (PanelNeed.LOCAL_NODES in panel.needs), panel.title
        assert ("meterstorm_command" in text) == (PanelNeed.COMMANDS in panel.needs), panel.title
        assert panel.says.endswith(".") and panel.title


@pytest.mark.parametrize("name", PAGES)
def test_a_dashboard_knows_no_datasource_of_ours(name: str) -> None:
    held = json.loads((HERE / name).read_text(encoding="utf-8"))
    assert held["templating"]["list"][0]["type"] == "datasource"
    panels = [panel for panel in held["panels"] if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert {target["datasource"]["uid"] for panel in panels for target in panel["targets"]} == {"${datasource}"}
    ids = [panel["id"] for panel in held["panels"]]
    assert len(set(ids)) == len(ids) > 10
    places = [tuple(panel["gridPos"][at] for at in ("x", "y", "w", "h")) for panel in held["panels"]]
    for number, (x, y, width, height) in enumerate(places):
        assert x + width <= 24
        for other_x, other_y, other_width, other_height in places[:number]:
            apart = x >= other_x + other_width or other_x >= x + width or y >= other_y + other_height
            assert apart or other_y >= y + height, "two panels lie on each other"


def test_the_business_page_has_what_the_business_asks_for() -> None:
    titles = {page.uid: [row.title for row in page.rows] for page in PAGES.values()}
    assert titles["meterstorm-operational"][1:] == [
        "Cluster",
        "Ingest",
        "Queries",
        "Commands",
        "WAN",
    ]
    assert titles["meterstorm-business"] == [
        "Completeness",
        "Settlement readiness",
        "Tariffs and in-home displays",
        "Customers",
        "Cost of a million meters",
    ]


def test_choices_are_replaced_as_grafana_does() -> None:
    asked = PanelQuery(f'rate(x_total{{dc=~"$dc", operation="$operation"}}[{RATE_INTERVAL}]) * $core_hour')
    choices = {"dc": "north|south", "operation": "read_state", "core_hour": "0.04"}
    assert asked.with_choices(choices, "4s") == ('rate(x_total{dc=~"north|south", operation="read_state"}[4s]) * 0.04')


def test_a_folder_for_an_existing_grafana(tmp_path: Path) -> None:
    for _ in range(2):
        folder = lay_out(tmp_path / "grafana", "http://127.0.0.1:9090")
    (source,) = yaml.safe_load((folder / "datasources" / "meterstorm.yml").read_text())["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://127.0.0.1:9090")
    # a Grafana asks for rates over four scrapes: of nodes there would be none over four of a run's
    assert source["jsonData"]["timeInterval"] == f"{NODE_SCRAPE_S:g}s"
    (provider,) = yaml.safe_load((folder / "dashboards" / "meterstorm.yml").read_text())["providers"]
    laid_out = Path(provider["options"]["path"])
    assert sorted(path.name for path in laid_out.iterdir()) == sorted(DASHBOARDS) == sorted(PAGES)
    for name in DASHBOARDS:
        assert (laid_out / name).read_text() == (HERE / name).read_text()
    assert tuple(PAGES) == provisioning.DASHBOARDS
