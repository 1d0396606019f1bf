"""The dashboards for VictoriaMetrics' own web UI: the same rows, panels and questions, with nothing left to choose."""

import json
from pathlib import Path

import promql_parser
import pytest

from loadtests.grafana.build import PAGES
from loadtests.grafana.panels import DashboardPage
from loadtests.grafana.victoria import lay_out_vmui, vmui_json


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_each_panel_asks_the_same_of_everything(page: DashboardPage) -> None:
    held = json.loads(vmui_json(page))
    assert held["title"] == page.title and [row["title"] for row in held["rows"]] == [row.title for row in page.rows]
    panels = [panel for row in held["rows"] for panel in row["panels"]]
    for told, panel in zip(panels, page.panels, strict=True):
        assert (told["title"], told["description"]) == (panel.title, panel.says)
        assert len(told["expr"]) == len(told["alias"]) == len(panel.asked)
        assert 1 <= told["width"] <= 12
        for expression in told["expr"]:
            assert "$" not in expression
            promql_parser.parse(expression)
    assert max(sum(panel["width"] for panel in row["panels"][:4]) for row in held["rows"]) >= 12


def test_a_file_a_page_in_the_order_of_reading(tmp_path: Path) -> None:
    lay_out_vmui(tmp_path / "victoria")
    assert [path.name for path in sorted((tmp_path / "victoria").iterdir())] == [
        "1-meterstorm-operational.json",
        "2-meterstorm-business.json",
    ]
