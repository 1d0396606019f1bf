"""A folder from which an existing Grafana takes the dashboards, and where they find their Prometheus."""

from importlib.resources import files
from pathlib import Path

from loadtests.grafana.panels import SCRAPE_EVERY

DASHBOARDS = ("operational.json", "business.json")
_DATASOURCES = """\
apiVersion: 1
datasources:
  - name: meterstorm
    type: prometheus
    access: proxy
    url: {url}
    isDefault: false
    jsonData:
      timeInterval: {every}
"""
_PROVIDERS = """\
apiVersion: 1
providers:
  - name: meterstorm
    folder: meterstorm
    type: file
    allowUiUpdates: true
    options:
      path: {folder}
"""


def lay_out(folder: Path, prometheus_url: str) -> Path:
    """Write dashboards and provisioning files into `folder`, which is made; returns what GF_PATHS_PROVISIONING is to name.

    What of them is there already is written again. Raises OSError.
    """
    dashboards, provisioning = folder / "dashboards", folder / "provisioning"
    for made in (dashboards, provisioning / "datasources", provisioning / "dashboards"):
        made.mkdir(parents=True, exist_ok=True)
    for name in DASHBOARDS:
        text = files("loadtests.grafana").joinpath(name).read_text(encoding="utf-8")
        (dashboards / name).write_text(text, encoding="utf-8")
    (provisioning / "datasources" / "meterstorm.yml").write_text(
        _DATASOURCES.format(url=prometheus_url, every=SCRAPE_EVERY), encoding="utf-8"
    )
    (provisioning / "dashboards" / "meterstorm.yml").write_text(
        _PROVIDERS.format(folder=dashboards.absolute()), encoding="utf-8"
    )
    return provisioning
