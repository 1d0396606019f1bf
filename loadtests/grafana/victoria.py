"""The dashboards as VictoriaMetrics' own web UI takes them, where no Grafana is at hand: the same panels, drawn as curves all.

It has no variables: each page is as the reader opens it, of all data centres and operations.
"""

import json
from pathlib import Path
from typing import Any

from loadtests.grafana.business import BUSINESS
from loadtests.grafana.operational import OPERATIONAL
from loadtests.grafana.panels import RANGE_MIN, DashboardPage

COLUMNS_A_COLUMN = 2  # of a page of 24 there, of 12 here


def vmui_json(page: DashboardPage) -> str:
    """The file of a page, as `-vmui.customDashboardsPath` reads it."""
    choices = page.at_first()
    settings: dict[str, Any] = {
        "title": page.title,
        "rows": [
            {
                "title": row.title,
                "panels": [
                    {
                        "title": panel.title,
                        "description": panel.says,
                        "unit": "" if panel.unit == "short" else panel.unit,
                        "expr": [asked.with_choices(choices, RANGE_MIN) for asked in panel.asked],
                        "alias": [asked.legend for asked in panel.asked],
                        "showLegend": True,
                        "width": panel.width // COLUMNS_A_COLUMN,
                    }
                    for panel in row.panels
                ],
            }
            for row in page.rows
        ],
    }
    return json.dumps(settings, indent=1, ensure_ascii=False) + "\n"


def lay_out_vmui(folder: Path) -> None:
    """Write a file a page into `folder`, which is made. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, page in enumerate((OPERATIONAL, BUSINESS), 1):  # shown in the order of their names
        (folder / f"{number}-{page.uid}.json").write_text(vmui_json(page), encoding="utf-8")
