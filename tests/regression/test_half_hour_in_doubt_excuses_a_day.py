"""One half-hour in doubt of 48, and any value of the day's usage or bill was counted as verified."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from loadtests.audit.data_loss.doubtful_days import DOUBTS_MAX, Fit, fit_doubtful_days
from loadtests.audit.data_loss.row_counts import Held
from loadtests.recording.ledger import Ledger, SlotState, mark_run
from loadtests.workload.deliveries import readings_of, revisions_of
from loadtests.workload.operations import planes_of
from loadtests.workload.prices import book_of
from scenarios.domain import SLOTS_PER_DAY, Operation
from scenarios.spec import Scenario
from sim.estate.lookup import sends_runs
from sim.estate.model import EstateModel, build_estate
from store.columns import Page, integers, lists_of
from store.readings.fold import fold_totals
from store.rows import ESTIMATE_REVISION, Readings, reading_columns

DAY_COLUMNS = ("usage_wh", "tariff_version", "low_wh", "standard_wh", "peak_wh", "cost_upence")
LOG_COLUMNS = ("premises", "month", "fuel", "interval_start", "slot_count", "revision", "mpxn", "quality")
READ, CORRECTED, ESTIMATED = str(Operation.INGEST_READING), "ingest_revision_1", f"ingest_revision_{ESTIMATE_REVISION}"
Delivery = tuple[str, int, int]  # its plane, first slot and number of slots
ACKNOWLEDGED, IN_DOUBT = SlotState.ACKNOWLEDGED, SlotState.INTENT


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(scenario())


def scenario() -> Scenario:
    return Scenario.model_validate(
        {
            "title": "in doubt",
            "estate": {"premises": 40, "read_schedules": {"daily": 0.5, "half_hourly": 0.5}},
            "reads": {"gap_share": 0.2, "settlement_runs": [{"name": "sf", "after_days": 1, "share": 0.5}]},
            "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
            "run": {"days": 1, "wall_s": 60},
        }
    )


def meter_that(estate: EstateModel, *, uploads: bool) -> int:
    meter = np.arange(estate.meter_count)
    first = np.zeros(len(meter), np.int32)
    of_day = sends_runs(estate, meter, first, np.full(len(meter), SLOTS_PER_DAY))
    return int(meter[of_day if uploads else sends_runs(estate, meter, first, np.ones(len(meter), np.int64))][0])


def ledger_of(estate: EstateModel, meter: int, states: dict[Delivery, SlotState]) -> Ledger:
    ledger = Ledger.create(None, planes_of(scenario()), estate.meter_count, estate.slot_count)
    for (plane, first, count), state in states.items():
        mark_run(ledger.states, ledger.plane_of(plane), meter, first, count, int(state))
    return ledger


def delivered(estate: EstateModel, meter: int, delivery: Delivery) -> Readings:
    plane, first, count = delivery
    one, slot = np.array([meter]), np.array([first], np.int32)
    if plane == READ:
        return readings_of(estate, meter=one, first_slot=slot, slot_count=count)
    return revisions_of(estate, meter=one, first_slot=slot, revision=int(plane.rsplit("_", 1)[1]))


def row_of_fold(estate: EstateModel, meter: int, applied: list[Delivery]) -> tuple[int, dict[str, int]]:
    """The day's last half-hour and columns, by the store's own fold of a log of these deliveries."""
    rows = []
    for delivery in applied:
        columns = reading_columns(Operation.INGEST_REVISION, delivered(estate, meter, delivery))
        rows.append({name: columns[name][0].tolist() for name in (*LOG_COLUMNS, "values_wh")})
    rows.sort(key=lambda row: (row["interval_start"], row["slot_count"], row["revision"]))
    log: Page = {name: np.array([row[name] for row in rows], np.int64) for name in LOG_COLUMNS}
    log["values_wh"] = lists_of([row["values_wh"] for row in rows])
    folded = fold_totals(log, book_of(estate))
    first_us = min(row["interval_start"] for row in rows) // 86_400_000 * 86_400_000
    slots = (int(integers(folded, "through")[0]) - first_us) // 1_800_000
    return slots - 1, {name: int(integers(folded, name)[0]) for name in DAY_COLUMNS}


def fit(estate: EstateModel, ledger: Ledger, meter: int, last_slot: int, row: dict[str, int]) -> Fit:
    held: Held = {name: np.array([value]) for name, value in row.items()}
    return Fit(fit_doubtful_days(estate, ledger, np.array([meter]), np.array([last_slot], np.int32), held)[0])


PUSHED: list[Delivery] = [(READ, slot, 1) for slot in range(12)]
HISTORIES: dict[str, tuple[bool, dict[Delivery, SlotState]]] = {
    "one of all": (False, {one: IN_DOUBT if one[1] == 5 else ACKNOWLEDGED for one in PUSHED}),
    "the last ones": (False, {one: IN_DOUBT if one[1] > 8 else ACKNOWLEDGED for one in PUSHED}),
    "all that came": (False, dict.fromkeys(PUSHED[:6], IN_DOUBT)),
    "corrections of what came": (
        False,
        dict.fromkeys(PUSHED, ACKNOWLEDGED) | {(CORRECTED, slot, 1): IN_DOUBT for slot in (2, 3, 11)},
    ),
    "corrections and estimates of what is in doubt itself": (
        False,
        {one: IN_DOUBT if one[1] in (2, 11) else ACKNOWLEDGED for one in PUSHED}
        | {
            (CORRECTED, 2, 1): IN_DOUBT,
            (CORRECTED, 7, 1): ACKNOWLEDGED,
            (ESTIMATED, 11, 1): IN_DOUBT,
            (ESTIMATED, 4, 1): IN_DOUBT,
        },
    ),
    "an upload": (True, {(READ, 0, 48): IN_DOUBT, (CORRECTED, 30, 1): ACKNOWLEDGED, (ESTIMATED, 9, 1): IN_DOUBT}),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_exactly_the_folds_of_what_can_have_been_applied_are_accepted(estate: EstateModel, name: str) -> None:
    uploads, states = HISTORIES[name]
    meter = meter_that(estate, uploads=uploads)
    ledger = ledger_of(estate, meter, states)
    certain = [one for one, state in states.items() if state is ACKNOWLEDGED]
    doubts = [one for one, state in states.items() if state is IN_DOUBT]
    possible = []
    for came in product((False, True), repeat=len(doubts)):
        applied = certain + [one for one, is_there in zip(doubts, came, strict=True) if is_there]
        if applied:
            possible.append(row_of_fold(estate, meter, applied))
    assert len({str(one) for one in possible}) > 1
    for last_slot, row in possible:
        assert fit(estate, ledger, meter, last_slot, row) is Fit.YES
        for column in DAY_COLUMNS:
            for change in (1, -1, 10_000):
                other = row | {column: row[column] + change}
                if (last_slot, other) not in possible:
                    assert fit(estate, ledger, meter, last_slot, other) is Fit.NO, (column, change)


def test_a_day_without_doubt_is_excused_nothing(estate: EstateModel) -> None:
    meter = meter_that(estate, uploads=False)
    ledger = ledger_of(estate, meter, dict.fromkeys(PUSHED, ACKNOWLEDGED))
    last_slot, row = row_of_fold(estate, meter, PUSHED)
    assert fit(estate, ledger, meter, last_slot, row) is Fit.NO  # it is right already, or wrong


def test_more_doubts_than_can_be_tried_are_no_verdict(estate: EstateModel) -> None:
    meter = meter_that(estate, uploads=False)
    doubts: dict[Delivery, Any] = dict.fromkeys(PUSHED[: DOUBTS_MAX + 1], IN_DOUBT)
    last_slot, row = row_of_fold(estate, meter, PUSHED[: DOUBTS_MAX + 1])
    assert fit(estate, ledger_of(estate, meter, doubts), meter, last_slot, row | {"usage_wh": -1}) is Fit.UNKNOWN
    doubts[PUSHED[0]] = ACKNOWLEDGED
    assert fit(estate, ledger_of(estate, meter, doubts), meter, last_slot, row | {"usage_wh": -1}) is Fit.NO
