"""The estate's kernels: the half-hours of a day of 40,000 meters, from their seed."""

from typing import Any

import numpy as np

from scenarios.domain import SLOTS_PER_DAY
from scenarios.spec import Scenario
from sim.energy.registers import intervals_wh
from sim.estate.model import build_estate

PREMISES = 20_000


def test_half_hours(benchmark: Any) -> None:
    estate = build_estate(
        Scenario.model_validate(
            {
                "title": "half-hours",
                "estate": {"premises": PREMISES, "fuels": ["electricity", "gas"]},
                "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
                "run": {"wall_s": 60},
            }
        )
    )
    meter = np.arange(estate.meter_count)
    first_slot = np.zeros(len(meter), np.int32)
    benchmark(lambda: intervals_wh(estate, meter, first_slot, SLOTS_PER_DAY))
