"""A real Prometheus that scrapes one port of loopback, and what it answers."""

import json
import math
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.grafana.build import PAGES
from loadtests.grafana.panels import DashboardPanel
from tests.support.scraped import free_port

_CONFIG = """
global: {{ scrape_interval: 1s }}
scrape_configs:
  - job_name: meterstorm
    static_configs: [{{ targets: ["127.0.0.1:{port}"] }}]
"""
READY_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class AskedPrometheus:
    """Where one answers."""

    url: str

    def values(self, expr: str, start_s: float, end_s: float) -> list[float]:
        """What an expression comes to in a span [s since the epoch], of all series at each second; no number left out but NaN."""
        query = urllib.parse.urlencode({"query": expr, "start": start_s, "end": end_s, "step": "1s"})
        with urllib.request.urlopen(f"{self.url}/api/v1/query_range?{query}", timeout=30) as answer:
            told: dict[str, Any] = json.load(answer)
        assert told["status"] == "success", told
        values = [float(value) for series in told["data"]["result"] for _, value in series["values"]]
        return [value for value in values if not math.isnan(value)]


def has_prometheus() -> bool:
    return shutil.which("prometheus") is not None


@contextmanager
def prometheus_scraping(port: int, folder: Path) -> Iterator[AskedPrometheus]:
    """One that scrapes a port each second while the block runs."""
    folder.mkdir()
    (folder / "prometheus.yml").write_text(_CONFIG.format(port=port))
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--storage.tsdb.path={folder / 'data'}"], stdout=log, stderr=log)
    try:
        _await(f"http://{address}/-/ready", process, folder / "log")
        yield AskedPrometheus(f"http://{address}")
    finally:
        process.terminate()
        process.wait(30)


def _await(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_S_MAX
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)


def unanswered(
    prometheus: AskedPrometheus, span_s: tuple[float, float], is_asked: Callable[[DashboardPanel], bool]
) -> tuple[int, list[tuple[str, str]]]:
    """How many expressions of the dashboards were asked about a span, and (panel, expression) of those without any answer."""
    asked = [
        (panel.title, query.with_choices(page.at_first()))
        for page in PAGES.values()
        for panel in page.panels
        if is_asked(panel)
        for query in panel.asked
    ]
    return len(asked), [(title, expr) for title, expr in asked if not prometheus.values(expr, *span_s)]
