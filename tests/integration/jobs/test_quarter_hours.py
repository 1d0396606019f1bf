"""A run of quarter-hours on a real Cassandra, over both changes of the clocks: every fact, and an own count by local day."""

import uuid
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

import meterstorm
from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.workload.deliveries import measured_days
from reports.results.parts import Verdict
from scenarios.domain import MeterType
from scenarios.spec import Scenario, parse_scenario
from sim.estate.lookup import meter_types_of, schedules_on
from sim.estate.model import EstateModel, build_estate
from store.cassandra import CassandraStore
from store.cassandra.keyspace import drop_schema
from store.schemas import schema_of
from tests.support.scenario_texts import NIGHT_SAVER, READINGS_ANSWERED, SLOW_MACHINE, TWO_DCS, prices_of_days

QUARTERS = """
title = "Quarter-hours"
[estate]
premises = 40
fuels = ["electricity", "gas"]
slots_per_hour = 4
time_zone = "Europe/Vienna"
upload_window_h = 9.0
[estate.read_schedules]
daily = 0.95
half_hourly = 0.05
[[tariffs]]
name = "spot"
share = 0.6
rates.all.electricity = "20"
rates.all.gas = "6.0504"
rates.all.export = "15"
standing.electricity = "54.75"
series.electricity = [{series}]
[run]
start = {start}
days = 2
wall_s = 8
warm_up_s = 1
warm_nodes_s = 0
"""


def quarters(start: str, count: int) -> Scenario:
    """Two UTC days, the second of which begins within the local day of `count` quarter-hours; each local day has its prices."""
    keyspace = f"quarters_{uuid.uuid4().hex[:12]}"
    quarters = QUARTERS.format(start=start, series=prices_of_days((96, count, 96)))
    text = (
        quarters + NIGHT_SAVER.format(share=0.4) + TWO_DCS.format(keyspace=keyspace) + SLOW_MACHINE + READINGS_ANSWERED
    )
    return parse_scenario(text, "quarters")


@pytest.mark.parametrize(("start", "change", "count"), [("2026-03-28", 29, 92), ("2026-10-24", 25, 100)])
def test_a_run_of_quarter_hours_proves_every_fact_and_each_local_day(
    two_dc_cluster: LocalCluster, tmp_path: Path, start: str, change: int, count: int
) -> None:
    scenario, endpoint = quarters(start, count), two_dc_cluster.endpoint("north")
    results = meterstorm.run(scenario, tmp_path / "run", endpoint=endpoint, keep=True)
    assert results.verdict is Verdict.PASS, results.reasons
    audit, estate = results.audit, build_estate(scenario)
    assert audit is not None and results.back_office is not None
    meters = scenario.estate.meter_count
    of_days = 2 * meters + results.back_office.exported  # each quarter-hour in two tables, a day in two views
    months = meters + len({*exporting(estate)})  # in one: of export those of which a day was collected
    assert audit.acknowledged == audit.verified
    assert of_days * (96 + 96 + 1 + 1) < audit.verified <= of_days * (96 + 96 + 1 + 1) + months
    assert (audit.lost, audit.wrong, audit.phantom, audit.duplicate, audit.indeterminate) == (0, 0, 0, 0, 0)
    rules = {rule.rule: rule for rule in audit.rules}
    assert all(rule.faults == 0 for rule in audit.rules)
    for name in (
        "displays show the price in force",
        "bills add up to the half-hours",
        "a customer's days are those of the clock on the wall",
        "each reading is what its meter's raw form comes to",
        "settlement_by_date is what the event log comes to",
    ):
        assert rules[name].counted > 0
    driver, session = connect(endpoint)
    try:
        store = CassandraStore(session, schema_of(scenario), scenario.topology)
        assert store.calendar == estate.calendar
        month = int(start[:7].replace("-", ""))
        uploading = np.flatnonzero(schedules_on(estate, np.arange(meters), np.zeros(meters, np.int32)) == 0)
        for meter in uploading[::11].tolist():
            told = {one.day: one.usage_wh for one in store.usage(meter // 2, meter % 2, month)}
            counts, used = own_count(estate, meter)
            assert counts[change] == count
            assert told == dict(used)
        store.close()
    finally:
        drop_schema(session, scenario.topology)
        driver.shutdown()


def exporting(estate: EstateModel) -> list[int]:
    types = meter_types_of(estate, np.arange(estate.meter_count))
    return np.flatnonzero(types == MeterType.IMPORT_EXPORT).tolist()


def own_count(estate: EstateModel, meter: int) -> tuple[dict[int, int], dict[int, int]]:
    """Day of the month -> how many quarter-hours begin on it in Vienna, and what they come to [Wh]."""
    counts: dict[int, int] = defaultdict(int)
    used: dict[int, int] = defaultdict(int)
    at = datetime.combine(estate.start, datetime.min.time(), UTC)
    for day in range(estate.day_count):
        (values,) = measured_days(estate, np.array([meter]), np.array([day * 96], np.int32))
        for wh in values.tolist():
            local: date = at.astimezone(ZoneInfo("Europe/Vienna")).date()
            counts[local.day] += 1
            used[local.day] += max(wh, 0)
            at += timedelta(minutes=15)
    return counts, used
