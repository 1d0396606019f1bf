"""The main job with its shards and customers on Locust's workers, on a real Cassandra."""

import uuid
from pathlib import Path

import pytest

from loadtests.cluster.local import LocalCluster
from loadtests.locust_fleet.launch import FleetPlan
from loadtests.metrics.endpoint import listen
from loadtests.recording.history import read_history
from meterstorm.jobs.run import run
from reports.results.parts import Verdict
from scenarios.spec import parse_scenario
from tests.support.scraped import Scraper

SCENARIO = """
title = "A small day with customers"
[estate]
premises = 300
fuels = ["electricity"]
upload_window_h = 9.0
[estate.read_schedules]
daily = 0.9
half_hourly = 0.1
[[estate.schedule_changes]]
to = "half_hourly"
share = 0.3
from_h = 1.0
until_h = 12.0
[traffic]
usage_month_per_premises_day = 1.0
comparison_per_premises_day = 0.5
bill_per_premises_day = 0.5
ihd_refresh_per_premises_day = 0.5
customer_pause_s = 0.4
customer_think_s = 0.1
[topology]
keyspace = "{keyspace}"
dcs = [{{ name = "north", nodes = 1, rf = 1 }}, {{ name = "south", nodes = 1, rf = 1 }}]
[run]
wall_s = 10
warm_up_s = 1
warm_nodes_s = 1
back_office = false
[run.validity]
late_p99_ms_max = 60000
"""


@pytest.mark.long
def test_a_run_on_two_workers_with_customers_is_audited(two_dc_cluster: LocalCluster, tmp_path: Path) -> None:
    scenario = parse_scenario(SCENARIO.format(keyspace=f"fleet_{uuid.uuid4().hex[:12]}"), "test")
    out = tmp_path / "run"
    plan = FleetPlan(worker_count=2, customer_count=10)
    with listen(0) as metrics, Scraper(metrics.getsockname()[1]) as scraper:
        results = run(scenario, out, endpoint=two_dc_cluster.endpoint("north"), fleet=plan, metrics=metrics)
    assert results.verdict is Verdict.PASS, results.reasons
    assert results.audit is not None
    assert results.audit.acknowledged == results.audit.verified > 0
    assert (results.audit.lost, results.audit.wrong, results.audit.phantom) == (0, 0, 0)
    pages = {"usage", "day", "comparison", "bill", "display", "preference", "tariff"}
    for page in pages:
        operation = results.operations[f"customer_{page}"]
        # nothing fails; what the storm's end overtakes is counted, and nobody knows what became of it
        assert operation.ok > 0 == operation.failed and not operation.errors, (page, operation)
        assert operation.offered == operation.attempted == operation.ok + operation.indeterminate
    history = read_history(out / "history")
    for page in pages:
        timed = sum(int(counts.sum()) for _, counts in history.response_counts(f"customer_{page}"))
        assert timed == int(history.counts[f"customer_{page}"]["ok"].sum())
    assert scraper.failed == [] == scraper.fell()
    for name, one in results.operations.items():  # of both workers and all customers, each second once
        told = {
            outcome: scraper.last("meterstorm_operations_total", operation=name, loop="open", outcome=outcome)
            for outcome in ("ok", "failed", "indeterminate")
        }
        assert told == {"ok": one.ok, "failed": one.failed, "indeterminate": one.indeterminate}, name
    assert (out / "report.html").stat().st_size > 0
    assert not (out / "locust" / "history").exists() and (out / "ledger" / "slots.u8").exists()
