"""The trace against the estate as SimPy processes: identical rows, whatever goes on, and a comparison that can fail."""

from collections import Counter
from itertools import zip_longest

import numpy as np
import pytest

from scenarios.domain import DAY_US, SLOT_US
from scenarios.spec import ScenarioError
from sim.energy.raw_forms import raw_readings
from sim.trace import blocks as trace
from sim.trace.blocks import trace_blocks
from sim.trace.emission import STORM_DRAW
from sim.trace.messages import MessageKind
from tests.oracles import estate as twin
from tests.oracles.estate import run_twin, twin_rows
from tests.support.twin_estates import ALERTS, FIRMWARE, READS, SWITCHES, TARIFF, TRAFFIC, WAN, estate_of

HOUR_US = 3_600_000_000
MIXED = {
    "premises": 5_000,
    "read_schedules": {"daily": 0.45, "half_hourly": 0.35, "monthly": 0.2},
    "schedule_changes": [
        {"to": "half_hourly", "share": 0.1, "until_h": 30.0},
        {"to": "monthly", "share": 0.05, "from_h": 3.0, "until_h": 20.0},
    ],
    "meter_types": {"register_only": 0.1, "profile": 0.8, "ten_second": 0.05, "import_export": 0.05},
    "rollout": {"start_share": 0.9, "over_days": 2},
}
SWAPS = {"share": 0.8, "from_h": 4.0, "until_h": 30.0, "without_wan_h": 3.0}
METERING = {"gas": 0.8, "smart": 0.7, "traditional_mode": 0.1}
TOP_UP = {
    "name": "top_up",
    "kind": "top_up",
    "fuel": "gas",
    "region": "south",
    "prepayment_only": True,
    "at_h": 17.0,
    "over_h": 2.0,
    "waves": 2,
    "wave_every_h": 8.0,
}


def rows_of(estate):
    return [
        row
        for block in trace_blocks(estate)
        for row in zip(
            *(
                column.tolist()
                for column in (block.due_us, block.meter, block.kind, block.first_slot, block.draw_index)
            ),
            strict=True,
        )
    ]


def first_difference(expected, found):
    """The first place at which two lists of rows part, with both rows; None when they are the same."""
    pairs = enumerate(zip_longest(expected, found))
    return next(((at, left, right) for at, (left, right) in pairs if left != right), None)


@pytest.fixture(scope="module")
def rows():
    """The trace of 10,000 meters over the two days on which the clocks go forward, and that of the twin."""
    estate = estate_of(estate=MIXED, campaigns=[TARIFF, *SWITCHES, TOP_UP])
    return rows_of(estate), twin_rows(estate)


def test_the_twin_of_ten_thousand_meters_has_the_same_rows(rows):
    assert first_difference(*rows) is None
    assert len(rows[0]) > 300_000


def test_everything_goes_on_in_those_two_days(rows):
    found = rows[1]
    kinds = Counter(MessageKind(kind) for _, _, kind, _, _ in found)
    assert set(kinds) == set(MessageKind) - {MessageKind.PUSH_TEN_SECOND}
    pushes = [(due, slot, draw) for due, _, kind, slot, draw in found if kind == MessageKind.PUSH_HALF_HOUR]
    assert max(due - (slot + 1) * DAY_US // 48 for due, slot, _ in pushes) > 5 * HOUR_US  # stored in the outage
    assert sum(draw for _, _, draw in pushes) > 1_000  # came twice
    assert max(draw & 63 for _, _, kind, _, draw in found if kind == MessageKind.SEND_COMMAND) == TARIFF["attempts_max"]
    assert {slot for _, _, kind, slot, _ in found if kind == MessageKind.ANSWER_COMMAND} == {0, 1}  # repeated, too
    assert sum(draw == STORM_DRAW for _, _, kind, _, draw in found if kind == MessageKind.ALERT) > 500
    waited = Counter(due // (HOUR_US // 12) for due, slot, _ in pushes if due - (slot + 1) * DAY_US // 48 > HOUR_US)
    assert len([count for count in waited.values() if count > 100]) >= 12  # the region catches up over an hour and more


@pytest.mark.parametrize("fault", ["lost", "doubled", "late", "other_meter"])
def test_the_comparison_finds_one_row_that_differs(rows, fault):
    expected, found = rows[0], list(rows[1])
    at = len(found) * 2 // 3
    due, meter, *rest = found[at]
    if fault == "lost":
        del found[at]
    elif fault == "doubled":
        found.insert(at, found[at])
    elif fault == "late":
        found[at] = (due + 1, meter, *rest)
    else:
        found[at] = (due, meter ^ 1, *rest)
    assert first_difference(expected, found)[0] in (at, at + 1)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_twin_of_ten_second_meters(seed):
    schedules = {"daily": 0.2, "half_hourly": 0.1, "monthly": 0.1, "ten_second": 0.6}
    changes = [{"to": "ten_second", "share": 0.4, "until_h": 24.0}, {"to": "daily", "share": 0.4, "until_h": 24.0}]
    estate = {"premises": 5, "read_schedules": schedules, "schedule_changes": changes}
    switches = [SWITCHES[0], SWITCHES[0] | {"name": "seconds", "to": "ten_second", "over_h": 23.0}]
    estate = estate_of(seed=seed, estate=estate, campaigns=switches)
    expected = rows_of(estate)
    assert first_difference(expected, twin_rows(estate)) is None
    assert sum(kind == MessageKind.PUSH_TEN_SECOND for _, _, kind, _, _ in expected) > 17_000


@pytest.mark.parametrize(
    "parts",
    [
        {"wan": {}},  # ideal, with duplicates
        {"wan": {}, "reads": {}, "alerts": {}, "campaigns": []},
        {"wan": WAN | {"catch_up_speed": 2}},
        {"wan": WAN | {"hub_outages_per_day": 0.0, "outages": [{"at_h": 0.0, "for_h": 30.0, "return_over_h": 0.0}]}},
        {"reads": READS | {"gap_share": 0.3}, "traffic": TRAFFIC | {"state_per_premises_day": 20.0}},
        {"alerts": ALERTS | {"per_hub_day": 10.0}},
        {"wan": WAN | {"hub_swaps": SWAPS, "four_g": {"delay_ms_min": 40.0, "delay_ms_max": 90.0}}},
        {"estate": MIXED | {"premises": 100, "push_jitter_s": 0.0, "metering": METERING}},
        {"campaigns": SWITCHES, "run": {"days": 3}, "wan": {}},
        {"campaigns": [*reversed(SWITCHES), *FIRMWARE], "run": {"days": 4}, "reads": READS | {"gap_share": 0.3}},
    ],
    ids=[
        "ideal",
        "plain",
        "slow",
        "dark_from_the_start",
        "many_gaps",
        "many_alerts",
        "swapped",
        "not_in_smart_mode",
        "switched",
        "switched_and_lost",
    ],
)
def test_the_twin_of_a_hundred_premises(parts):
    estate = estate_of(seed=5, **({"estate": MIXED | {"premises": 100, "push_jitter_s": 0.0}} | parts))
    expected = rows_of(estate)
    assert first_difference(expected, twin_rows(estate)) is None
    assert len(expected) > 1_000


AT_ONCE = SWITCHES[0] | {"share": 1.0, "over_h": 1 / HOUR_US, "success": 1.0, "silent": 0.0, "refusal": 0.0}


def pushed_by(estate):
    """The meters that push half-hours; the twin must say the same as the trace."""
    expected = rows_of(estate)
    assert first_difference(expected, twin_rows(estate)) is None
    return {meter for _, meter, kind, _, _ in expected if kind == MessageKind.PUSH_HALF_HOUR}


def test_of_one_instant_the_twin_takes_the_last_campaign_whichever_event_comes_first():
    """Dark until 5:30. The first campaign's second attempt, and the last one's second wave, are both sent at 6:00.

    Its customer chooses at the instant at which the device does both.
    """
    dark = {"outages": [{"at_h": 0.0, "for_h": 5.5, "return_over_h": 0.0}]}
    again = AT_ONCE | {"name": "first", "to": "monthly", "at_h": 5.0, "timeout_s": 1_800.0, "backoff_s": 1_800.0}
    wave = AT_ONCE | {"name": "last", "at_h": 4.0, "waves": 2, "wave_every_h": 2.0, "attempts_max": 1}
    done_h = 6.0 + 0.5 / 3_600
    chosen = [{"to": "daily", "share": 1.0, "from_h": done_h, "until_h": done_h + 1e-8}]
    estate = estate_of(estate={"premises": 40, "schedule_changes": chosen}, campaigns=[again, wave], wan=dark)
    pushed = pushed_by(estate)
    assert 10 < len(pushed) < 30  # those of the second wave
    assert all(meter % 2 for meter in pushed)  # electricity


def test_the_twins_devices_do_a_command_once():
    """Sent at 6:00 and, where the answer takes more than three hours, again at 9:00: what came at 8:00 stays."""
    slow = AT_ONCE | {"name": "slow", "to": "monthly", "at_h": 6.0, "ack_mean_s": 3_600.0}
    slow |= {"timeout_s": 3_600.0, "backoff_s": 7_200.0}
    estate = estate_of(estate={"premises": 200}, campaigns=[slow, AT_ONCE | {"name": "between", "at_h": 8.0}], wan={})
    assert pushed_by(estate) == set(range(1, 400, 2))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_twin_installs_the_firmware_that_half_hours_show(seed):
    estate = estate_of(seed=seed, estate=MIXED | {"premises": 100}, campaigns=[TARIFF, *SWITCHES[:1], *FIRMWARE])
    installed = run_twin(estate).firmware
    meter = np.repeat(np.arange(estate.meter_count), estate.slot_count)
    slot = np.tile(np.arange(estate.slot_count, dtype=np.int32), estate.meter_count)
    shown = raw_readings(estate, meter, slot).firmware.tolist()
    ends = zip(meter.tolist(), slot.tolist(), strict=True)
    assert shown == [[one.to for one in installed[at] if one.at_us <= (end + 1) * SLOT_US][-1] for at, end in ends]
    assert {len(each) for each in installed} == {1, 2, 3}
    assert set(shown) == set(range(6))


HALF_HOURLY = {"premises": 60, "read_schedules": {"daily": 0.0, "half_hourly": 1.0}}


@pytest.mark.parametrize(
    ("days", "hub"),
    [
        (2, {"hub_outages_per_day": 0.9, "hub_outage_h_max": 6.0}),
        (4, {"hub_outages_per_day": 0.3, "hub_outage_h_max": 23.0, "catch_up_speed": 2}),
    ],
    ids=["dark_again_before_it_has_left", "backlog_beyond_the_day_after"],
)
def test_a_hub_whose_outages_run_into_each_other_keeps_its_order(days, hub):
    """Once a message could leave a hub that was dark again, and new ones overtook a backlog of more than a day."""
    estate = estate_of(estate=HALF_HOURLY, run={"days": days}, wan=WAN | {"outages": []} | hub)
    expected = rows_of(estate)
    assert first_difference(expected, twin_rows(estate)) is None
    assert any(due - (slot + 1) * SLOT_US > DAY_US // 4 for due, _, _, slot, _ in expected)


def test_a_cut_between_a_hubs_outage_and_its_regions_loses_nothing(monkeypatch):
    """Once the window after such a cut was searched too late for what the hub had held back before its region went dark."""
    outages = [{"at_h": 8.0, "for_h": 16.0, "return_over_h": 0.5}]
    wan = WAN | {"hub_outages_per_day": 0.3, "hub_outage_h_max": 5.0, "outages": outages}
    estate = estate_of(estate=HALF_HOURLY | {"premises": 300}, wan=wan)
    whole = rows_of(estate)
    monkeypatch.setattr(trace, "_WINDOW_SIZE_MIN", 200)
    monkeypatch.setattr(trace, "_WINDOW_SIZE_MAX", 200)
    assert first_difference(whole, rows_of(estate)) is None


def test_an_estate_too_large_for_processes_is_refused(monkeypatch):
    monkeypatch.setattr(twin, "PREMISES_MAX", 11)
    with pytest.raises(ScenarioError, match="takes 11 at most"):
        twin_rows(estate_of())
