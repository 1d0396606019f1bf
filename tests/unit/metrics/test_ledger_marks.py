"""The ledger counted while it is marked, against a count slot by slot; and how complete settlement periods are."""

import threading
import time

import numpy as np
import pytest

from loadtests.metrics.ledger_marks import (
    COST_SHARE_MAX,
    METERS_MAX,
    PERIODS_MAX,
    Seldom,
    SettlementCoverage,
    estimated_share,
    period_of,
    slots_by_state,
)
from loadtests.recording.ledger import Ledger, SlotState, mark_run
from loadtests.workload.operations import planes_of
from scenarios.domain import SLOTS_PER_DAY, Operation
from scenarios.spec import Scenario
from sim.estate.lookup import sends_half_hours
from sim.estate.model import EstateModel, build_estate

READING, ESTIMATE = Operation.INGEST_READING, "ingest_revision_-1"


def estate_of(
    *, days: int = 3, time_zone: str = "Europe/London", half_hourly: float = 1.0, homes: int = 40
) -> tuple[Scenario, EstateModel, Ledger]:
    scenario = Scenario.model_validate(
        {
            "title": "marks",
            "estate": {
                "premises": homes,
                "fuels": ("gas", "electricity"),
                "time_zone": time_zone,
                "read_schedules": {"half_hourly": half_hourly, "monthly": 1.0 - half_hourly, "daily": 0.0},
            },
            "reads": {"gap_share": 0.1},
            "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
            "run": {"start": "2026-10-24", "days": days, "wall_s": 60},
        }
    )
    estate = build_estate(scenario)
    return scenario, estate, Ledger.create(None, planes_of(scenario), estate.meter_count, estate.slot_count)


def mark(
    ledger: Ledger, plane: str, meter: int, first: int, count: int, state: SlotState = SlotState.ACKNOWLEDGED
) -> None:
    mark_run(ledger.states, ledger.plane_of(plane), meter, first, count, int(state))


def test_slots_are_counted_as_one_by_one() -> None:
    _, _, ledger = estate_of()
    random = np.random.default_rng(3)
    for _ in range(300):
        plane = ledger.planes[int(random.integers(len(ledger.planes)))]
        first = int(random.integers(ledger.slot_count - 9))
        state = SlotState(int(random.integers(1, 4)))
        mark(ledger, plane, int(random.integers(ledger.meter_count)), first, int(random.integers(1, 9)), state)
    counts = slots_by_state(ledger)
    for plane, name in enumerate(ledger.planes):
        one_by_one = ledger.counts(plane)
        assert counts[name] == {state: one_by_one[state] for state in SlotState if state is not SlotState.NONE}
    assert all(sum(of_plane.values()) for of_plane in counts.values())


def test_a_period_is_as_complete_as_its_meters_are_known() -> None:
    _, estate, ledger = estate_of()
    electricity = [meter for meter in range(estate.meter_count) if meter % 2]
    sending = [one for one in electricity if sends_half_hours(estate, np.array([one]), np.zeros(1, np.int32))[0]]
    assert 20 < len(sending) <= 40
    for meter in sending[:10]:
        mark(ledger, READING, meter, 3, 2)
    for meter in sending[8:12]:  # two of them have come, too
        mark(ledger, ESTIMATE, meter, 4, 1)
    mark(ledger, READING, sending[12], 4, 1, SlotState.INTENT)
    mark(ledger, READING, 0, 4, 1)  # gas, which is not settled by the half-hour
    periods = SettlementCoverage(estate, ledger).until(5 * estate.slot_us)
    assert [(one.known, one.estimated) for one in periods] == [(0, 0), (0, 0), (0, 0), (10, 0), (12, 2)]
    assert {one.expected for one in periods} == {len(sending)}
    assert estimated_share(periods) == pytest.approx(2 / 22)


def test_meters_that_send_no_half_hours_are_not_expected() -> None:
    _, estate, ledger = estate_of(half_hourly=0.0)
    mark(ledger, READING, 1, 0, 1)  # of a home that has just chosen another schedule, say
    periods = SettlementCoverage(estate, ledger).until(estate.slot_us)
    assert [(one.expected, one.known) for one in periods] == [(0, 0)] and estimated_share(periods) is None


def test_the_latest_periods_are_told_that_are_over() -> None:
    _, estate, ledger = estate_of()
    coverage = SettlementCoverage(estate, ledger)
    assert coverage.until(0) == [] == coverage.until(estate.slot_us - 1)
    assert len(coverage.until(estate.slot_us)) == 1
    at_the_end = coverage.until(10**15)
    assert len(at_the_end) == PERIODS_MAX and at_the_end[-1].due_us == estate.slot_count * estate.slot_us


@pytest.mark.parametrize(
    "time_zone", ["Europe/London", "UTC"]
)  # the second is settled by the first, as the store has it
def test_periods_are_those_of_the_markets_clock(time_zone: str) -> None:
    """2026-10-25 has 50 half-hours in London: British summer time ends at 01:00 UTC."""
    _, estate, _ = estate_of(time_zone=time_zone)
    assert period_of(estate, 0) == ("2026-10-24", 3)  # midnight UTC is 01:00
    assert period_of(estate, SLOTS_PER_DAY - 3) == ("2026-10-24", 48)
    assert period_of(estate, SLOTS_PER_DAY - 2) == ("2026-10-25", 1)
    assert period_of(estate, 2 * SLOTS_PER_DAY - 1) == ("2026-10-25", 50)
    assert period_of(estate, 2 * SLOTS_PER_DAY) == ("2026-10-26", 1)


def test_of_a_large_estate_meters_are_drawn_from_all_of_it() -> None:
    _, estate, ledger = estate_of(homes=3 * METERS_MAX, days=1)
    coverage = SettlementCoverage(estate, ledger)
    (period,) = coverage.until(estate.slot_us)
    assert 0.5 * METERS_MAX < period.expected <= METERS_MAX
    looked_at = coverage._meters // 2
    assert looked_at[0] == 0 and looked_at[-1] == 3 * METERS_MAX - 1 and np.diff(looked_at).max() <= 4


def test_a_costly_answer_is_worked_out_seldom() -> None:
    now_s, asked = 0.0, 0

    def work_out() -> int:
        nonlocal now_s, asked
        now_s += 0.2
        asked += 1
        return asked

    seldom = Seldom(work_out, lambda: now_s)
    assert seldom() == 1 == seldom()
    now_s += 0.2 / COST_SHARE_MAX - 0.001
    assert seldom() == 1
    now_s += 0.002
    assert seldom() == 2


def test_nobody_waits_long_for_an_answer_that_takes_long() -> None:
    going_on, asked = threading.Event(), 0

    def work_out() -> int:
        nonlocal asked
        asked += 1
        assert going_on.wait(10)
        return asked

    seldom = Seldom(work_out)
    started_s = time.monotonic()
    assert seldom() is None and seldom() is None and asked == 1
    assert time.monotonic() - started_s < 1
    going_on.set()
    deadline = time.monotonic() + 5
    while seldom() is None:
        assert time.monotonic() < deadline
    assert seldom() == 1


def test_an_answer_that_fails_is_told_to_who_asked() -> None:
    def work_out() -> int:
        raise ValueError("planted")

    seldom = Seldom(work_out)
    with pytest.raises(ValueError, match="planted"):
        seldom()
