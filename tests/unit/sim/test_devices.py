"""What commands make of a device, worked by hand: which schedule a day is read by, which firmware a half-hour shows."""

from typing import Any

import numpy as np
import pytest

from scenarios.domain import CommandState, ReadSchedule
from scenarios.spec import Scenario
from sim.energy.raw_forms import raw_readings
from sim.estate.commands import CommandOutcome, done_us, run_command
from sim.estate.devices import firmware_at
from sim.estate.homes import NEVER_US
from sim.estate.model import EstateModel, build_estate
from sim.trace.blocks import trace_blocks
from sim.trace.emission import is_estimated
from sim.trace.messages import MessageKind

D, H, M, T = ReadSchedule.DAILY, ReadSchedule.HALF_HOURLY, ReadSchedule.MONTHLY, ReadSchedule.TEN_SECOND
SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
AT_ONCE_H = 1 / HOUR_US  # over one microsecond: every command is sent at `at_h` to the microsecond
HALF_S_H = 0.5 / 3_600  # of the way there: a device has done what it is told half a second after it was sent
SURE: dict[str, Any] = {"over_h": AT_ONCE_H, "success": 1.0, "refusal": 0.0, "duplicate": 0.0}


def estate_of(
    *campaigns: dict[str, Any], premises: int = 2, changes: tuple[dict[str, Any], ...] = (), **parts: Any
) -> EstateModel:
    """Homes of two fuels that are read daily, for three days."""
    estate = {"premises": premises, "fuels": ["electricity", "gas"], "schedule_changes": changes}
    scenario = {
        "title": "commands by hand",
        "estate": estate | {"firmware_versions": 1},
        "campaigns": [{"name": f"number_{index}"} | SURE | each for index, each in enumerate(campaigns)],
        "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
        "run": {"days": 3, "wall_s": 60},
    }
    return build_estate(Scenario.model_validate(scenario | parts))


def sets(to: str, at_h: float, **fields: Any) -> dict[str, Any]:
    return {"kind": "change_schedule", "to": to, "at_h": at_h} | fields


def chooses(to: str, at_h: float) -> tuple[dict[str, Any], ...]:
    """Every customer, at one instant: a span below 65 ms is none."""
    return ({"to": to, "share": 1.0, "from_h": at_h, "until_h": at_h + 1e-8},)


@pytest.mark.parametrize(
    ("campaigns", "changes", "expected"),
    [
        ([sets("half_hourly", 10.0)], (), [D, H, H]),
        ([sets("half_hourly", 30.0)], (), [D, D, H]),
        ([sets("half_hourly", 24 - 1.2 * HALF_S_H)], (), [D, H, H]),  # done 0.1 s before midnight
        ([sets("half_hourly", 24 - HALF_S_H)], (), [D, D, H]),  # done at midnight: the first one after it is the next
        ([sets("half_hourly", 10.0, refusal=1.0)], (), [D, D, D]),
        ([sets("half_hourly", 10.0, success=0.0)], (), [D, D, D]),
        ([sets("half_hourly", 10.0, silent=1.0)], (), [D, D, D]),
        ([sets("half_hourly", 10.0, silent=1.0)], chooses("monthly", 5.0), [D, M, M]),
        ([sets("ten_second", 10.0), sets("monthly", 12.0)], (), [D, M, M]),
        ([sets("monthly", 12.0), sets("ten_second", 10.0)], (), [D, M, M]),
        ([sets("monthly", 12.0), sets("ten_second", 30.0)], (), [D, M, T]),
        ([sets("monthly", 10.0), sets("ten_second", 10.0)], (), [D, T, T]),  # at one instant: the last of the scenario
        ([sets("ten_second", 10.0), sets("monthly", 10.0)], (), [D, M, M]),
        ([sets("half_hourly", 10.0)], chooses("monthly", 5.0), [D, H, H]),
        ([sets("half_hourly", 10.0)], chooses("monthly", 15.0), [D, M, M]),
        ([sets("half_hourly", 10.0)], chooses("monthly", 30.0), [D, H, M]),
        ([sets("half_hourly", 30.0)], chooses("monthly", 5.0), [D, M, H]),
        ([sets("half_hourly", 10.0)], chooses("monthly", 10 + HALF_S_H), [D, H, H]),  # at one instant: the command
        ([sets("half_hourly", 10.0, refusal=1.0)], chooses("monthly", 5.0), [D, M, M]),
        ([{"kind": "read_on_demand", "at_h": 10.0}], (), [D, D, D]),
    ],
)
def test_the_schedule_of_each_day(campaigns, changes, expected):
    estate = estate_of(*campaigns, changes=changes)
    assert [estate.schedule_of(np.array([0, 2]), day).tolist() for day in range(3)] == [[one, one] for one in expected]


def test_a_command_that_is_sent_again_counts_from_when_it_arrives():
    # dark until 24 h; sent at 22 h, timed out at 23 h, sent again at 25 h
    dark = {"outages": [{"at_h": 0.0, "for_h": 24.0, "return_over_h": 0.0}]}
    campaign = sets("half_hourly", 22.0, timeout_s=3_600.0, backoff_s=7_200.0)
    estate = estate_of(campaign, wan=dark)
    assert done_us(estate.packed, 0, 0, 0, 0) == 25 * HOUR_US + SECOND_US // 2
    assert [estate.schedule_of(np.array([0]), day).tolist() for day in range(3)] == [[D], [D], [H]]


def test_a_device_that_has_done_it_counts_though_its_command_is_exhausted():
    """The answer takes a second at least, and the head-end waits for half of one."""
    estate = estate_of(sets("half_hourly", 10.0, attempts_max=1, timeout_s=0.5))
    outcome = run_command(estate.packed, 0, 0, 0, 0, np.zeros(31, np.int64), np.zeros((31, 2), np.int64))
    assert outcome.state == CommandState.EXHAUSTED
    assert outcome.applied_us == done_us(estate.packed, 0, 0, 0, 0) == 10 * HOUR_US + SECOND_US // 2
    assert estate.schedule_of(np.array([0]), 1).tolist() == [H]


def test_a_device_does_a_command_once_though_it_comes_twice():
    """Sent at 10 h and, as the answer takes some hours, again at 13 h: what was commanded at 12 h stays."""
    slow = sets("half_hourly", 10.0, timeout_s=3_600.0, backoff_s=7_200.0, ack_mean_s=3_600.0)
    estate = estate_of(slow, sets("monthly", 12.0), premises=200)
    sent_us, answers_us = np.zeros(31, np.int64), np.zeros((31, 2), np.int64)
    attempts = [
        run_command(estate.packed, 0, premises, 0, 2 * premises, sent_us, answers_us).attempts
        for premises in range(200)
    ]
    assert max(attempts) == 2
    assert set(estate.schedule_of(np.arange(0, 400, 2), 1).tolist()) == {M}


HOMES = 2_000
CALLED = sets("half_hourly", 10.0, attempts_max=3, timeout_s=60.0, backoff_s=30.0, ack_mean_s=1.0)


def ended_of(estate: EstateModel, campaign: int = 0) -> list[CommandOutcome]:
    """How the command to each home's electricity meter ended; the answers of those EXHAUSTED must be none."""
    found = []
    for premises in range(estate.premises_count):
        sent_us, answers_us = np.zeros(31, np.int64), np.zeros((31, 2), np.int64)
        found.append(run_command(estate.packed, campaign, premises, 0, 2 * premises, sent_us, answers_us))
        assert found[-1].state != CommandState.EXHAUSTED or (answers_us[:3] == NEVER_US).all()
    return found


def silent_of(estate: EstateModel, campaign: int = 0) -> set[int]:
    return {index for index, one in enumerate(ended_of(estate, campaign)) if one.state == CommandState.EXHAUSTED}


def test_a_silent_device_is_sent_to_as_often_as_allowed_and_does_nothing():
    """Sent at 10 h, 90 s later and, the backoff doubled, 120 s after that; the third attempt times out a minute later."""
    estate = estate_of(CALLED | {"silent": 0.2}, premises=HOMES)
    ended = ended_of(estate)
    silent = silent_of(estate)
    assert len(silent) == pytest.approx(0.2 * HOMES, abs=5 * (HOMES * 0.2 * 0.8) ** 0.5)
    end_us = 10 * HOUR_US + (90 + 120 + 60) * SECOND_US
    exhausted = CommandOutcome(int(CommandState.EXHAUSTED), end_us, 3, NEVER_US, False, 0)
    done = 10 * HOUR_US + SECOND_US // 2
    applied = CommandOutcome(int(CommandState.APPLIED), 10 * HOUR_US + SECOND_US, 1, done, False, 0)
    assert ended == [exhausted if index in silent else applied for index in range(HOMES)]
    meters = np.arange(0, 2 * HOMES, 2)
    assert estate.schedule_of(meters, 1).tolist() == [D if index in silent else H for index in range(HOMES)]


@pytest.mark.parametrize(
    ("silent_for_s", "attempts"),
    [(90.0 - 1e-6, 2), (90.0, 2), (90.0 + 1e-6, 3), (209.0, 3), (210.0, 3), (210.0 + 1e-6, None)],
)
def test_a_silent_device_that_comes_back_is_reached_from_that_instant_on(silent_for_s, attempts):
    """Sent at 10 h, and 90 s and 210 s after that; silence is counted from the first."""
    estate = estate_of(CALLED | {"silent": 1.0, "silent_for_h": silent_for_s / 3_600}, premises=1)
    (ended,) = ended_of(estate)
    sent_us = 10 * HOUR_US + {2: 90, 3: 210, None: 270}[attempts] * SECOND_US
    if attempts is None:
        assert ended == CommandOutcome(int(CommandState.EXHAUSTED), sent_us, 3, NEVER_US, False, 0)
    else:
        done_at_us = sent_us + SECOND_US // 2
        assert ended == CommandOutcome(int(CommandState.APPLIED), sent_us + SECOND_US, attempts, done_at_us, False, 0)
        assert done_us(estate.packed, 0, 0, 0, 0) == done_at_us
    assert estate.schedule_of(np.array([0]), 1).tolist() == [D if attempts is None else H]


def test_who_comes_back_was_silent_and_the_others_are_as_they_were():
    for_ever = silent_of(estate_of(CALLED | {"silent": 0.2}, premises=HOMES))
    late = ended_of(estate_of(CALLED | {"silent": 0.2, "silent_for_h": 100 / 3_600}, premises=HOMES))
    assert {index for index, one in enumerate(late) if one.attempts == 3} == for_ever
    assert {one.attempts for one in late} == {1, 3}


def test_who_is_silent_is_a_matter_of_the_meter_and_the_campaign_alone():
    few, more, refusing = ({"silent": 0.2}, {"silent": 0.3}, {"silent": 0.2, "refusal": 0.5})
    silent = silent_of(estate_of(CALLED | few, premises=HOMES))
    assert silent < silent_of(estate_of(CALLED | more, premises=HOMES))
    assert silent == silent_of(estate_of(CALLED | refusing, premises=HOMES))
    both = silent & silent_of(estate_of(CALLED, CALLED | few, premises=HOMES), 1)
    assert len(both) == pytest.approx(0.04 * HOMES, abs=5 * (HOMES * 0.04 * 0.96) ** 0.5)


def test_a_campaign_changes_the_meters_of_its_fuel_alone():
    estate = estate_of(sets("half_hourly", 10.0, fuel="gas"))
    assert estate.schedule_of(np.arange(4), 1).tolist() == [D, H, D, H]
    assert done_us(estate.packed, 0, 0, 0, 0) == NEVER_US


def test_no_day_is_read_twice_or_not_at_all():
    estate = estate_of(sets("half_hourly", 10.0), sets("daily", 30.0))
    read = [
        (MessageKind(kind), slot)
        for block in trace_blocks(estate)
        for kind, meter, slot in zip(block.kind.tolist(), block.meter.tolist(), block.first_slot.tolist(), strict=True)
        if meter == 0 and kind in (MessageKind.PUSH_HALF_HOUR, MessageKind.UPLOAD_DAY)
    ]
    pushes = [(MessageKind.PUSH_HALF_HOUR, slot) for slot in range(48, 96)]
    assert sorted(read) == [*pushes, (MessageKind.UPLOAD_DAY, 0), (MessageKind.UPLOAD_DAY, 96)]


def test_only_half_hours_that_would_be_sent_are_estimated():
    p = estate_of(sets("monthly", 10.0), sets("half_hourly", 30.0), reads={"gap_share": 1.0}).packed
    assert [is_estimated(p, 0, slot) for slot in (0, 47, 48, 95, 96, 143)] == [True, True, False, False, True, True]


NEW = {"kind": "update_firmware"}


@pytest.mark.parametrize(("first_h", "second_h", "versions"), [(10.0, 12.5, (1, 2)), (12.5, 10.0, (2, 1))])
def test_the_firmware_of_each_half_hour(first_h, second_h, versions):
    """The first campaign brings version 1, the second 2. They are there at 10:00, the end of slot 19, and 12:30, that of 24."""
    estate = estate_of(NEW | {"at_h": first_h - HALF_S_H}, NEW | {"at_h": second_h - HALF_S_H})
    raw = raw_readings(estate, np.zeros(48, np.int64), np.arange(48, dtype=np.int32))
    early, late = versions
    assert raw.firmware.tolist() == [0] * 19 + [early] * 5 + [late] * 24
    at_us = round(12.5 * HOUR_US)
    assert [firmware_at(estate.packed, 0, at) for at in (at_us - 1, at_us)] == [early, late]


def test_firmware_that_is_refused_or_lost_or_silent_or_for_others_is_not_there():
    campaigns = [{"refusal": 1.0}, {"success": 0.0}, {"silent": 1.0}, {"fuel": "gas"}]
    estate = estate_of(*(NEW | {"at_h": 1.0} | each for each in campaigns))
    raw = raw_readings(estate, np.arange(4), np.full(4, 47, np.int32))
    assert raw.firmware.tolist() == [0, 4, 0, 4]
