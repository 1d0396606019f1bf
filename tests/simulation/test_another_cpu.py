"""The same digest whatever instructions the compiler may use: as on another CPU type, as far as one machine can show it."""

import os
import subprocess
import sys

from scenarios.spec import Scenario
from sim.estate.model import build_estate
from sim.virtual_time.tallies import trace_digest

DIGEST = """
import sys
from scenarios.spec import Scenario
from sim.estate.model import build_estate
from sim.virtual_time.tallies import trace_digest
for line in sys.stdin:
    print(trace_digest(build_estate(Scenario.model_validate_json(line))))
"""


def mixed_estate() -> Scenario:
    """Each read schedule, each kind of message, outages, losses, gaps, corrections, a campaign."""
    return Scenario.model_validate(
        {
            "title": "for any CPU",
            "estate": {
                "premises": 500,
                "fuels": ["electricity", "gas"],
                "read_schedules": {"daily": 0.4, "half_hourly": 0.3, "monthly": 0.1, "ten_second": 0.2},
            },
            "traffic": {"bursts": [{"at_h": 18.0, "share": 0.2}]},
            "reads": {
                "gap_share": 0.02,
                "duplicate_share": 0.01,
                "settlement_runs": [{"name": "first", "after_days": 1, "share": 0.1}],
            },
            "wan": {
                "cellular": {"delay_ms_min": 200.0, "delay_ms_max": 3000.0, "loss": 0.02},
                "hub_outages_per_day": 0.05,
                "outages": [{"region": "north", "at_h": 5.0, "for_h": 2.0}],
            },
            "alerts": {"per_hub_day": 0.3},
            "campaigns": [{"name": "price", "kind": "update_price", "share": 0.5, "at_h": 4.0, "over_h": 2.0}],
            "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
            "run": {"wall_s": 60, "days": 2},
        }
    )


def uploads_alone() -> Scenario:
    """What is walked eight meters at once."""
    quiet = ("usage_month_per_premises_day", "intervals_day_per_premises_day", "state_per_premises_day")
    return Scenario.model_validate(
        {
            "title": "uploads for any CPU",
            "estate": {"premises": 501, "fuels": ["electricity", "gas"]},
            "traffic": dict.fromkeys(quiet, 0.0),
            "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
            "run": {"wall_s": 60, "days": 9},
        }
    )


def test_the_digest_is_that_of_the_plainest_cpu():
    """Compiled for the first CPU of this architecture, without its vector extensions."""
    scenarios = mixed_estate(), uploads_alone()
    plain = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    said = subprocess.run(
        [sys.executable, "-c", DIGEST],
        input="\n".join(scenario.model_dump_json() for scenario in scenarios),
        env=plain,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert said.stdout.split() == [trace_digest(build_estate(scenario)) for scenario in scenarios]
