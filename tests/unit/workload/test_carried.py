"""What a run can't carry is refused before anything is started."""

import pytest

from loadtests.backend.command_gateway import require_carried
from scenarios.spec import Scenario, ScenarioError


def scenario_of(premises: int) -> Scenario:
    campaign = {"name": "price", "kind": "update_price", "at_h": 1.0}
    return Scenario.model_validate(
        {
            "title": "many commands",
            "estate": {"premises": premises},
            "campaigns": [campaign, campaign | {"name": "again"}],
            "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
            "run": {"wall_s": 60},
        }
    )


def test_campaigns_over_more_premises_than_gateways_pursue_are_refused() -> None:
    require_carried(scenario_of(1_000_000))
    with pytest.raises(ScenarioError, match=r"campaigns: 2 for 1,000,001 premises .* `meterstorm simulate`"):
        require_carried(scenario_of(1_000_001))
