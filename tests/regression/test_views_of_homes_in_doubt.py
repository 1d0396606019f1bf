"""A half-hour in doubt that never arrived made a run fail: later pushes bring the day's sum as their meter knows it, with it.

Nothing was lost, and the view's rows were all judged to be right; yet "usage_by_fuel is what its event log comes to" said no.
"""

from zoneinfo import ZoneInfo

import numpy as np
import pytest

from loadtests.audit.rules.back_office_read import _sample, doubtful_cohorts
from loadtests.audit.rules.customers import check_views
from loadtests.audit.rules.customers_read import check_settled_view, settled_homes
from loadtests.recording.ledger import Ledger, SlotState, mark_run
from loadtests.workload.deliveries import readings_of
from loadtests.workload.operations import planes_of
from loadtests.workload.prices import book_of
from scenarios.domain import Operation
from scenarios.spec import Scenario
from sim.estate.lookup import cohorts_of
from sim.estate.model import EstateModel, build_estate
from store.columns import integers
from store.memory.customers import MemoryOnce
from store.readings.store import HomeReadings
from store.schemas import SCHEMAS

SCHEMA = SCHEMAS["home_months"]
LONDON = ZoneInfo("Europe/London")
HOMES, PUSHES, DOUBTED, HOME_IN_DOUBT = 4, 6, 2, 1

SCENARIO = Scenario.model_validate(
    {
        "title": "doubt",
        "estate": {
            "premises": HOMES,
            "fuels": ["electricity", "gas"],
            "read_schedules": {"daily": 0.0, "half_hourly": 1.0},
        },
        "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
        "run": {"start": "2026-01-10", "days": 1, "wall_s": 60},
    }
)


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(SCENARIO)


def storm(estate: EstateModel, state: SlotState) -> tuple[HomeReadings, MemoryOnce, Ledger]:
    """Pushes of every meter; one of home 1 never reached the log, and its state is `state`."""
    runner = MemoryOnce(SCHEMA)
    store = HomeReadings(runner, runner, book_of(estate))
    ledger = Ledger.create(None, planes_of(SCENARIO), estate.meter_count, estate.slot_count)
    plane = ledger.plane_of(Operation.INGEST_READING)
    for meter in range(estate.meter_count):
        for slot in range(PUSHES):
            is_lost = (meter, slot) == (HOME_IN_DOUBT * len(estate.fuels), DOUBTED)
            if not is_lost:
                store.append(
                    readings_of(estate, meter=np.array([meter]), first_slot=np.array([slot], np.int32), slot_count=1)
                )
            mark_run(ledger.states, plane, meter, slot, 1, int(state if is_lost else SlotState.ACKNOWLEDGED))
    return store, runner, ledger


@pytest.mark.parametrize("view", ["usage_by_fuel", "billing_by_home"])
def test_homes_in_doubt_are_left_out_of_the_rule_and_told(estate: EstateModel, view: str) -> None:
    store, runner, ledger = storm(estate, SlotState.INTENT)
    (table,) = (table for table in SCHEMA.tables if table.name == view)
    pages = [page for piece in runner.pieces() for page in runner.scan(table, ["premises"], piece)]
    premises = [home for page in pages for home in integers(page, "premises").tolist()]
    assert check_views(view, len(premises), store.verify(view), LONDON).faults == 1  # view and log do differ
    is_settled = settled_homes(estate, ledger)
    checked = check_settled_view(view, premises, store.verify(view), is_settled, "3 of 9 parts of the ring", LONDON)
    assert (checked.is_right, checked.counted) == (True, len(premises) - len(estate.fuels))
    assert checked.sample == (
        f"3 of 9 parts of the ring; {len(estate.fuels)} rows of homes with an indeterminate or failed half-hour are left out"
    )


def test_a_row_that_was_acknowledged_and_is_gone_is_still_found(estate: EstateModel) -> None:
    store, _, ledger = storm(estate, SlotState.ACKNOWLEDGED)
    checked = check_settled_view(
        "usage_by_fuel", range(HOMES), store.verify("usage_by_fuel"), settled_homes(estate, ledger), None, LONDON
    )
    assert (checked.is_right, checked.faults, checked.sample) == (False, 1, None)


def test_a_rule_of_which_all_is_in_doubt_has_no_verdict() -> None:
    checked = check_settled_view("usage_by_fuel", [1, 2], [], lambda _: False, None, LONDON)
    assert (checked.is_right, checked.counted) == (None, 0)
    assert checked.sample == "2 rows of homes with an indeterminate or failed half-hour are left out"
    assert _sample(0, 40) == "0 of 40 rows"
    assert _sample(40, 40) is _sample(0, 0) is None


@pytest.mark.parametrize("state", [SlotState.INTENT, SlotState.FAILED])
def test_a_cohort_with_a_home_in_doubt_is_not_judged(estate: EstateModel, state: SlotState) -> None:
    _, _, ledger = storm(estate, state)
    assert doubtful_cohorts(estate, ledger) == set(cohorts_of(estate, np.array([HOME_IN_DOUBT])).tolist())
    _, _, ledger = storm(estate, SlotState.ACKNOWLEDGED)
    assert doubtful_cohorts(estate, ledger) == set()
