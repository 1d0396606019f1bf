"""The ledger of days, as the audit asks it."""

import numpy as np
import pytest

from loadtests.audit.data_loss.fact_classes import any_in, slots_in
from loadtests.recording.ledger import Ledger, SlotState
from scenarios.spec import Scenario
from sim.estate.model import EstateModel, build_estate


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(
        Scenario.model_validate(
            {
                "title": "days",
                "estate": {"premises": 40},
                "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
                "run": {"days": 2, "wall_s": 60},
            }
        )
    )


@pytest.mark.parametrize("state", list(SlotState))
def test_a_day_has_a_state_if_one_of_its_slots_has(estate: EstateModel, state: SlotState) -> None:
    ledger = Ledger.create(None, ["ingest_reading"], estate.meter_count, estate.slot_count)
    random = np.random.default_rng(int(state))
    alike = (
        random.integers(0, 4, (estate.meter_count, 24)) * 0x55
    )  # whole bytes of one state, so that most days lack some
    ledger.states[0] = np.where(
        random.random((estate.meter_count, 24)) < 0.02, random.integers(0, 256, (estate.meter_count, 24)), alike[:, :1]
    )
    meter, day_slot = np.arange(estate.meter_count).repeat(2), np.tile(np.array([0, 48], np.int32), estate.meter_count)
    asked = (estate, ledger, "ingest_reading", meter, day_slot, state)
    found = any_in(*asked)
    assert 0 < found.sum() < len(found)
    assert np.array_equal(found, slots_in(*asked).any(axis=1))
