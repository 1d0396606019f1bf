"""Whoever is woken by an alert finds a page with what it means, what to look at and what to do; no page is of none."""

import re
from pathlib import Path

from loadtests.prometheus.alerts import RUNBOOKS, Thresholds, alerts_of
from loadtests.prometheus.rules import RECORDED, alerts_for
from scenarios.file import resolve_scenario

ROOT = Path(__file__).parents[3]
ALERTS = {alert.name: alert for alert in alerts_for(resolve_scenario(Path("smoke")), 1.0)}
HEADINGS = ["What it means", "What to look at", "What to do"]


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert {alert.name for alert in alerts_of(Thresholds())} < set(ALERTS)  # the objectives' beside them
    pages = {str(path.relative_to(ROOT)) for path in (ROOT / RUNBOOKS).glob("*.md")}
    assert pages == {alert.runbook for alert in ALERTS.values()}


def test_every_page_says_what_whoever_is_woken_needs() -> None:
    for name, alert in ALERTS.items():
        text = (ROOT / alert.runbook).read_text(encoding="utf-8")
        assert text.startswith(f"# {name}\n") and re.findall("^## (.*)", text, re.MULTILINE) == HEADINGS
        assert ("muted while" in text) == alert.is_muted_by_faults, name
        assert re.search(rf"^(Page|Warning|Tells nobody).*{alert.audience}", text, re.MULTILINE), name


def test_pages_name_metrics_that_are_told() -> None:
    rules = (ROOT / "loadtests" / "cluster" / "jmx_exporter.yml").read_text(encoding="utf-8")
    told = set(re.findall(r"name: (cassandra_\w+)", rules)) | set(RECORDED)
    told |= {name.replace("$2", what) for name in ("cassandra_cache_$2_total",) for what in ("hits", "requests")}
    for alert in ALERTS.values():
        text = (ROOT / alert.runbook).read_text(encoding="utf-8")
        named = set(re.findall(r"`(cassandra_\w+|\w+:\w+:\w+)[`{]", text))
        assert named <= told, (alert.name, named - told)
