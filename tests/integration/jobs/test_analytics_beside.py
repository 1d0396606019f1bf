"""A run with analytics beside its storm: exports through the analytics data centre while business goes on, told and drawn."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import meterstorm
from meterstorm.display.progress import Silent
from meterstorm.jobs.analytics.analyse import JobEngine
from meterstorm.jobs.analytics.export import export_source
from meterstorm.jobs.analytics.mend import mend
from meterstorm.jobs.analytics.publish import look_at_home, publish_insights
from meterstorm.jobs.analytics.replay import replay
from meterstorm.jobs.analytics.source import source_of_run
from reports.results.parts import Verdict
from scenarios.spec import ScenarioError
from store.analytics.warehouse import whole_warehouse
from store.tariffs import GAS

pytestmark = pytest.mark.long


def test_the_small_first_utility_is_asked_while_it_is_stormed(tmp_path: Path) -> None:
    out = tmp_path / "run"
    results = meterstorm.run("first_utility_small", out, keep=True)
    assert results.audit is not None and results.audit.lost == 0 and results.verdict is not Verdict.FAIL
    assert {one.job for one in results.analytics} == {"settlement", "profiles"}
    assert all(one.trouble is None and one.rows and one.dc == "analytics" for one in results.analytics)
    assert "settlement" in (out / "report.html").read_text()
    warehouse = out / "analytics" / "warehouse"
    whole_warehouse(warehouse, verify=True)
    assert pq.read_table(out / "analytics" / "profiles.parquet").num_rows
    # the nodes are kept: what is exported once all is still is all that was audited
    with source_of_run(out, None, from_business=False, progress=Silent()) as source:
        with source.store() as store:
            assert replay(store).num_rows == 0
        exported = export_source(source, tmp_path / "warehouse", Silent())
        assert exported.manifest.rows_of() >= max(one.half_hours or 0 for one in results.analytics)
        again = export_source(source, tmp_path / "warehouse", Silent())
        assert again.files_written == 0
        published = publish_insights(source, tmp_path / "warehouse", JobEngine.DUCKDB, Silent())
        assert published.homes and published.bands
        assert look_at_home(source, 0).insights
        with pytest.raises(ScenarioError, match="campaigns: the scenario has none"):
            mend(source, tmp_path / "warehouse", Silent())
    settlement, bills, devices = (
        meterstorm.analyse(job, tmp_path / "warehouse").to_pylist()
        for job in ("settlement", "billing_check", "reconcile")
    )
    facts = pq.read_table(tmp_path / "warehouse" / "half_hours", columns=["wh", "fuel"]).to_pylist()
    settled = [one["wh"] for one in facts if one["fuel"] != GAS]
    assert (sum(row["meters"] for row in settlement), sum(row["wh"] for row in settlement)) == (
        len(settled),
        sum(settled),
    )
    assert settled and bills and "wrong" not in {row["verdict"] for row in bills}
    assert devices == []  # the scenario has no campaign, so nobody has wished anything of a device


CAMPAIGN = """
title = "devices that were silent"
[estate]
premises = 300
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 20
warm_nodes_s = 0
warm_up_s = 2
back_office = false
[[campaigns]]
name = "price"
kind = "update_price"
at_h = 1.0
over_h = 1.0
success = 0.8
silent = 0.2
"""


def test_devices_that_have_drifted_are_mended_by_the_stores_own_rules(tmp_path: Path) -> None:
    (tmp_path / "silent.toml").write_text(CAMPAIGN)
    results = meterstorm.run(tmp_path / "silent.toml", tmp_path / "run", keep=True)
    assert results.commands is not None and results.commands.unmended
    with source_of_run(tmp_path / "run", None, from_business=True, progress=Silent()) as source:
        warehouse = tmp_path / "warehouse"
        export_source(source, warehouse, Silent())
        rows = meterstorm.analyse("reconcile", warehouse).to_pylist()
        verdicts = [row["verdict"] for row in rows]
        assert verdicts.count("drift") == results.commands.unmended and "wrong" not in verdicts and "right" in verdicts
        done = mend(source, warehouse, Silent())
        assert done.devices == done.drifts == done.issued == verdicts.count("drift") and done.given_up == 0
        again = mend(source, warehouse, Silent())
        assert (again.drifts, again.issued) == (0, 0)  # their commands are open
        export_source(source, warehouse, Silent())
        verdicts = [row["verdict"] for row in meterstorm.analyse("reconcile", warehouse).to_pylist()]
        assert verdicts.count("under way") == done.issued and "drift" not in verdicts
