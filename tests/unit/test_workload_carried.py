"""What the store can't carry yet is refused by name before anything is started, rather than left out of a run."""

from pathlib import Path

import pytest

from loadtests.workload import require_carried
from scenarios.estate import Alerts, Reads
from scenarios.spec import ScenarioError, load_scenario

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.mark.parametrize("name", ["smoke", "first_utility", "midnight_storm", "regional_outage"])
def test_readings_and_queries_over_any_wan_are_carried(name: str) -> None:
    scenario = load_scenario(SCENARIOS / f"{name}.toml")
    if name == "regional_outage":
        scenario = scenario.model_copy(update={"alerts": Alerts(), "reads": Reads()})
    require_carried(scenario)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("tariff_change", "campaigns"),
        ("ten_second_reads", "estate.read_schedules.ten_second"),
        ("settlement_reruns", "reads.settlement_runs"),
        ("alert_storm", "alerts.storms"),
        ("consent_change", "estate.schedule_changes"),
    ],
)
def test_what_is_not_carried_is_named(name: str, field: str) -> None:
    with pytest.raises(ScenarioError, match=rf"can't carry what .*{field}.*meterstorm simulate"):
        require_carried(load_scenario(SCENARIOS / f"{name}.toml"))
