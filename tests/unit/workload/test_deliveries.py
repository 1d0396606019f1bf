"""What the log has of deliveries is what they bring, without what their days add up to."""

from dataclasses import fields, replace

import numpy as np
import pytest

from loadtests.workload.deliveries import logged_readings_of, readings_of
from scenarios.domain import Operation
from scenarios.spec import Scenario
from sim.estate.model import EstateModel, build_estate
from store.rows import reading_columns


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(
        Scenario.model_validate(
            {
                "title": "deliveries",
                "estate": {"premises": 9, "fuels": ["electricity", "gas"]},
                "reads": {"gap_share": 0.1},
                "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
                "run": {"days": 3, "wall_s": 60},
            }
        )
    )


@pytest.mark.parametrize("slot_count", [1, 48])
def test_the_log_has_of_a_delivery_all_but_what_its_day_adds_up_to(estate: EstateModel, slot_count: int) -> None:
    random = np.random.default_rng(3)
    meter = random.integers(0, estate.meter_count, 300)  # many pushes of one day, in no order
    slot = random.integers(0, estate.slot_count // slot_count, 300).astype(np.int32) * np.int32(slot_count)
    whole = readings_of(estate, meter=meter, first_slot=slot, slot_count=slot_count)
    logged = logged_readings_of(estate, meter=meter, first_slot=slot, slot_count=slot_count)
    assert logged.day is None and (whole.values_wh == -1).any()
    for field in fields(whole):
        if field.name != "day":
            assert np.array_equal(getattr(whole, field.name), getattr(logged, field.name)), field.name
    columns = reading_columns(Operation.INGEST_READING, replace(whole, day=None))
    assert {"read_through", "through", "day", "values_wh"} <= columns.keys() and "usage_wh" not in columns
