"""What is looked up of a meter agrees with what the trace has it send, whatever its mode."""

import numpy as np
import pytest

from scenarios.domain import SLOTS_PER_DAY
from sim.control.plane import commands_of
from sim.estate.lookup import (
    are_in_smart_mode,
    prepaid_homes,
    schedule_changes_of,
    sends_half_hours,
    sends_runs,
    tariff_places_of,
)
from sim.trace.blocks import trace_blocks
from sim.trace.messages import MessageKind
from tests.support.drawn_estates import PREPAID_TARIFFS, estate_of

METERINGS = ({}, {"gas": 0.6, "smart": 0.7, "traditional_mode": 0.2}, {"traditional_mode": 1.0}, {"smart": 0.0})
CHANGES = ({"to": "half_hourly", "share": 0.5, "fuel": "electricity", "from_h": 1.0, "until_h": 23.0},)


@pytest.mark.parametrize("metering", METERINGS)
def test_who_sends_half_hours_is_who_the_trace_has_send_them(metering):
    estate = estate_of(premises=200, metering=metering, schedule_changes=CHANGES)
    sent, changed = {0: set(), 1: set()}, set()
    for block in trace_blocks(estate):
        of_half_hours = np.isin(block.kind, (MessageKind.PUSH_HALF_HOUR, MessageKind.UPLOAD_DAY))
        for day, meters in sent.items():
            meters.update(block.meter[of_half_hours & (block.first_slot // SLOTS_PER_DAY == day)].tolist())
        changed.update(block.meter[block.kind == MessageKind.CHANGE_PREFERENCE].tolist())
    meter = np.arange(estate.meter_count)
    for day, meters in sent.items():
        slot = np.full(len(meter), day * SLOTS_PER_DAY, np.int32)
        assert set(np.flatnonzero(sends_half_hours(estate, meter, slot)).tolist()) == meters
        uploads = sends_runs(estate, meter, slot, np.full(len(meter), SLOTS_PER_DAY))
        pushes = sends_runs(estate, meter, slot, np.ones(len(meter), np.int64))
        assert set(np.flatnonzero(uploads | pushes).tolist()) == meters
    assert set(np.flatnonzero(are_in_smart_mode(estate, meter)).tolist()) == sent[0]
    at_us, _ = schedule_changes_of(estate, meter)
    assert set(np.flatnonzero(at_us < estate.span_us).tolist()) == changed
    assert all(one % 2 == 1 for one in changed)  # fuels are gas and electricity here
    assert bool(sent[0]) == (metering in METERINGS[:2])


def test_who_pays_before_is_who_has_a_prepaid_tariff():
    estate = estate_of(
        premises=400,
        tariffs=PREPAID_TARIFFS,
        campaigns=[
            {"name": "top_up", "kind": "top_up", "at_h": 1.0, "prepayment_only": True, "pays_pence": "10"},
        ],
    )
    places = tariff_places_of(estate, np.arange(400, dtype=np.int64))
    before = [home for home, place in enumerate(places.tolist()) if place in (1, 3)]
    assert prepaid_homes(estate).tolist() == before
    assert 120 < len(before) < 200  # four homes in ten
    assert {one.meter // 2 for one in commands_of(estate.packed)} == set(before)
    assert prepaid_homes(estate_of(premises=400)).tolist() == []  # drawn, without accounts
