"""What the wire engine sends is what the adapters make of the meters' own forms, to the last Wh."""

import dataclasses

import numpy as np
import pytest

from loadtests.workload.deliveries import measured_days, readings_of, registers_of
from loadtests.workload.raw_deliveries import adapted_runs, are_exact, channels_of, of_types
from scenarios.domain import SLOTS_PER_DAY, MeterType
from scenarios.spec import Scenario
from sim.energy.raw_forms import raw_readings
from sim.estate.model import EstateModel, build_estate
from store.rows import Readings
from store.tariffs import EXPORT, MISSING_WH

DAY = 2
HOMES = 400
TYPES = {"register_only": 0.2, "profile": 0.3, "ten_second": 0.2, "import_export": 0.3}


COLUMNS = [one.name for one in dataclasses.fields(Readings) if one.name not in ("day", "slot_us")]


def estate_of(gap_share: float, slots_per_hour: int = 2) -> EstateModel:
    return build_estate(
        Scenario.model_validate(
            {
                "title": "raw forms",
                "estate": {
                    "premises": HOMES,
                    "fuels": ("electricity", "gas"),
                    "meter_types": TYPES,
                    "slots_per_hour": slots_per_hour,
                },
                "reads": {"gap_share": gap_share},
                "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
                "run": {"days": 4, "wall_s": 60, "seed": 7},
            }
        )
    )


@pytest.mark.parametrize("meter_type", list(MeterType))
@pytest.mark.parametrize("gap_share", [0.0, 0.02])
@pytest.mark.parametrize("slots_per_hour", [2, 4])
def test_raw_forms_become_what_is_sent(meter_type: MeterType, gap_share: float, slots_per_hour: int) -> None:
    estate = estate_of(gap_share, slots_per_hour)
    slots = estate.slots_per_day
    everyone = np.arange(estate.meter_count)
    meter = everyone[of_types(estate, everyone)[meter_type]]
    for day in (0, DAY):
        day_slot = np.full(len(meter), day * slots, np.int32)
        adapted = adapted_runs(estate, meter_type, meter, day_slot, slots)
        if meter_type is MeterType.REGISTER_ONLY:
            sent = registers_of(estate, meter=meter, first_slot=day_slot)
        else:
            sent = readings_of(estate, meter=meter, first_slot=day_slot, slot_count=slots)
            assert (measured_days(estate, meter, day_slot) == MISSING_WH).any() == (gap_share > 0)
        is_exact = are_exact(estate, meter_type, meter, day_slot, slots)
        assert is_exact.any() and is_exact.all() == (meter_type is not MeterType.GAS_VOLUME or gap_share == 0)
        assert adapted.slot_us == sent.slot_us == estate.slot_us
        for name in COLUMNS:
            assert np.array_equal(getattr(adapted, name)[is_exact], getattr(sent, name)[is_exact]), name
        assert np.array_equal(adapted.register_wh, sent.register_wh)
        assert (np.abs(adapted.values_wh - sent.values_wh) <= 1).all()  # of gas with a gap: where its volume is counted
        if adapted.day is not None and sent.day is not None:
            assert np.array_equal(adapted.day.usage_wh[is_exact], sent.day.usage_wh[is_exact])
            assert np.array_equal(adapted.day.cost_upence[is_exact], sent.day.cost_upence[is_exact])


def test_what_homes_give_to_the_network_is_a_channel_of_its_own() -> None:
    estate = estate_of(0.0)
    everyone = np.arange(estate.meter_count)
    meter = everyone[of_types(estate, everyone)[MeterType.IMPORT_EXPORT]]
    day_slot = np.full(len(meter), DAY * SLOTS_PER_DAY, np.int32)
    exported = channels_of(estate, MeterType.IMPORT_EXPORT, meter, day_slot, SLOTS_PER_DAY)[1]
    slots = (day_slot[:, np.newaxis] + np.arange(SLOTS_PER_DAY, dtype=np.int32)).ravel()
    raw = raw_readings(estate, np.repeat(meter, SLOTS_PER_DAY), slots)
    assert exported.fuel == EXPORT and not exported.reason.any()
    assert np.array_equal(exported.values_wh.ravel(), raw.export_wh) and exported.values_wh.sum() > 0


@pytest.mark.parametrize("meter_type", [one for one in MeterType if one is not MeterType.REGISTER_ONLY])
def test_a_push_in_its_raw_form_becomes_what_is_sent(meter_type: MeterType) -> None:
    estate = estate_of(0.02)
    everyone = np.arange(estate.meter_count)
    meter = everyone[of_types(estate, everyone)[meter_type]]
    for slot in (0, 61):
        first_slot = np.full(len(meter), slot, np.int32)
        sent = readings_of(estate, meter=meter, first_slot=first_slot, slot_count=1)
        adapted = adapted_runs(estate, meter_type, meter, first_slot, 1)
        assert adapted.slot_us == sent.slot_us == estate.slot_us
        for name in COLUMNS:
            assert np.array_equal(getattr(adapted, name), getattr(sent, name)), name
        assert adapted.day is not None and sent.day is not None
        assert np.array_equal(adapted.day.cost_upence, sent.day.cost_upence)
