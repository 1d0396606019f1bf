"""Devices after commands: schedules and firmware equal to the naive loops, and done when the command's outcome says so."""

import numpy as np
from hypothesis import given, settings

from sim.energy.raw_forms import raw_readings
from sim.estate.commands import done_us, is_target, run_command
from sim.estate.devices import firmware_at
from sim.estate.homes import NEVER_US, region_index
from tests.oracles.naive_estate import NaiveEstate
from tests.support.drawn_estates import CAMPAIGNS, EVERYTHING, estate_of, scenarios

FIRMWARE = {
    "kind": "update_firmware",
    "fuel": "gas",
    "at_h": 3.0,
    "over_h": 40.0,
    "success": 0.6,
    "timeout_s": 9_000.0,
    "refusal": 0.2,
}


def all_at_once(campaigns):
    """Campaigns of everything at once, and firmware for the gas meters twice."""
    return [each | {"name": f"campaign_{number}"} for number, each in enumerate([FIRMWARE, *campaigns, FIRMWARE])]


@settings(max_examples=60, deadline=None)
@given(drawn=scenarios())
def test_the_schedule_of_every_meter_and_day_equals_the_naive_loop(drawn):
    estate = estate_of(**drawn)
    naive = NaiveEstate(estate.parameters)
    meters = np.arange(estate.meter_count)
    for day in range(estate.day_count):
        assert estate.schedule_of(meters, day).tolist() == [naive.schedule(meter, day) for meter in meters.tolist()]


@settings(max_examples=30, deadline=None)
@given(drawn=scenarios())
def test_what_a_device_has_done_is_what_its_command_did(drawn):
    estate = estate_of(**drawn)
    p, naive = estate.packed, NaiveEstate(estate.parameters)
    sent_us, answers_us = np.zeros(31, np.int64), np.zeros((31, 2), np.int64)
    for meter in range(estate.meter_count):
        premises = meter // p.fuel_count
        region = region_index(p, premises)
        for campaign in range(p.campaign_count):
            found = done_us(p, campaign, premises, region, meter)
            expected = NEVER_US
            if is_target(p, campaign, premises, region, meter):
                expected = run_command(p, campaign, premises, region, meter, sent_us, answers_us).applied_us
            assert found == expected == min(naive.done(meter, campaign), NEVER_US)


def test_the_firmware_of_every_half_hour_equals_the_naive_loop():
    estate = estate_of(**EVERYTHING | {"campaigns": all_at_once(CAMPAIGNS), "firmware_versions": 3})
    naive = NaiveEstate(estate.parameters)
    meter = np.repeat(np.arange(estate.meter_count), estate.slot_count)
    slot = np.tile(np.arange(estate.slot_count, dtype=np.int32), estate.meter_count)
    shown = raw_readings(estate, meter, slot).firmware.tolist()
    assert shown == [
        naive.firmware(one, (at + 1) * 1_800_000_000) for one, at in zip(meter.tolist(), slot.tolist(), strict=True)
    ]
    assert set(shown) == set(range(6))  # three that homes were installed with, and three campaigns
    for number, each in enumerate(naive.campaigns):
        if each.firmware >= 0:
            for one in range(estate.meter_count):
                at = naive.done(one, number)
                if at < estate.span_us:
                    assert [firmware_at(estate.packed, one, when) for when in (at - 1, at)] == [
                        naive.firmware(one, at - 1),
                        naive.firmware(one, at),
                    ]


def test_the_drawn_estates_hold_what_these_tests_are_about():
    """Schedules that customers and commands set one after the other, in either order, and commands that do nothing."""
    estate = estate_of(**EVERYTHING | {"premises": 200})
    naive = NaiveEstate(estate.parameters)
    orders, nothing_done = set(), 0
    for meter in range(estate.meter_count):
        changed_us = naive.change(meter)[0]
        commands_us = [at for at, _, _ in naive.commanded(meter, "schedule")]
        done = [at for at in commands_us if at < estate.span_us]
        nothing_done += len(commands_us) - len(done)
        orders |= {at < changed_us for at in done if changed_us < estate.span_us}
        if len(done) > 1:
            orders.add("twice")
    assert orders == {True, False, "twice"}
    assert nothing_done > 50
