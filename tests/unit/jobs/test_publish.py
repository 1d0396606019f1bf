"""Insights are written as those of the warehouse that they were worked out on, or not at all."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from meterstorm.display.progress import Silent
from meterstorm.jobs.analytics import publish as job
from meterstorm.jobs.analytics.analyse import JobEngine
from scenarios.spec import ScenarioError
from store.analytics.insights import Edition


def test_a_warehouse_that_an_export_changes_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editions = iter([Edition(as_of_us=1, digest="old"), Edition(as_of_us=2, digest="new")])
    monkeypatch.setattr(job, "publishes", lambda *_: lambda _: None)
    monkeypatch.setattr(job, "edition_of", lambda _: next(editions))
    monkeypatch.setattr(job, "analyse", lambda *_, master: SimpleNamespace(num_rows=0))
    source: Any = SimpleNamespace(scenario=None, dc="north")  # which nobody asks for a session
    with pytest.raises(ScenarioError, match="an export has changed it meanwhile"):
        job.publish_insights(source, tmp_path, JobEngine.DUCKDB, Silent())
