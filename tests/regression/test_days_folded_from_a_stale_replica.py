"""At LOCAL_ONE of three replicas a fold may not see what was acknowledged; the day that it then wrote was counted as wrong."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from loadtests.audit.data_loss import stale_folds
from loadtests.audit.data_loss.doubtful_days import Fit
from loadtests.audit.data_loss.stale_folds import fit_stale_days
from loadtests.recording.ledger import Ledger, SlotState
from loadtests.workload.deliveries import measured_days
from scenarios.domain import SLOTS_PER_DAY
from scenarios.spec import Topology
from sim.estate.model import EstateModel, build_estate
from tests.regression.test_half_hour_in_doubt_excuses_a_day import (
    CORRECTED,
    DAY_COLUMNS,
    ESTIMATED,
    READ,
    Delivery,
    ledger_of,
    meter_that,
    row_of_fold,
    scenario,
)
from tests.support.audited_tables import day_row, pushing_meter
from tests.unit.audit.test_whole_audit import Held, Session, audited, estate, slept, whole
from tests.unit.reports.verdict.test_run import SCENARIO, audit, judged, the_reason

__all__ = ["estate", "slept", "whole"]  # fixtures

VIEWS = (("usage_wh",), tuple(name for name in DAY_COLUMNS if name != "usage_wh"))
ACKNOWLEDGED, IN_DOUBT, FAILED = SlotState.ACKNOWLEDGED, SlotState.INTENT, SlotState.FAILED
PUSHED: list[Delivery] = [(READ, slot, 1) for slot in range(6)]
HISTORIES: dict[str, tuple[bool, dict[Delivery, SlotState]]] = {
    "half-hours": (False, dict.fromkeys(PUSHED, ACKNOWLEDGED)),
    "one refused, one in doubt": (
        False,
        {one: {2: FAILED, 4: IN_DOUBT}.get(one[1], ACKNOWLEDGED) for one in PUSHED},
    ),
    "corrections and an estimate": (
        False,
        dict.fromkeys(PUSHED[:4], ACKNOWLEDGED)
        | {(CORRECTED, 1, 1): ACKNOWLEDGED, (CORRECTED, 3, 1): ACKNOWLEDGED, (ESTIMATED, 5, 1): ACKNOWLEDGED},
    ),
    "an upload": (
        True,
        {(READ, 0, 48): ACKNOWLEDGED, (CORRECTED, 30, 1): ACKNOWLEDGED, (ESTIMATED, 9, 1): ACKNOWLEDGED},
    ),
}


@pytest.fixture(scope="module")
def day_estate() -> EstateModel:
    return build_estate(scenario())


def fit(estate: EstateModel, ledger: Any, meter: int, last_slot: int, row: dict[str, int]) -> Fit:
    held = {name: np.array([value]) for name, value in row.items()}
    return Fit(fit_stale_days(estate, ledger, np.array([meter]), np.array([last_slot], np.int32), held)[0])


@pytest.mark.parametrize("name", HISTORIES)
def test_exactly_the_folds_of_some_of_what_was_sent_can_be_stale(day_estate: EstateModel, name: str) -> None:
    uploads, states = HISTORIES[name]
    meter = meter_that(day_estate, uploads=uploads)
    ledger = ledger_of(day_estate, meter, states)
    sent = [one for one, state in states.items() if state is not FAILED]
    folds = []
    for seen in product((False, True), repeat=len(sent)):
        applied = [one for one, is_seen in zip(sent, seen, strict=True) if is_seen]
        folds += [row_of_fold(day_estate, meter, applied)] if applied else []
    for view in VIEWS:
        possible = [(last_slot, {column: row[column] for column in view}) for last_slot, row in folds]
        assert len({str(one) for one in possible}) > 3
        for last_slot, row in possible:
            assert fit(day_estate, ledger, meter, last_slot, row) is Fit.YES
        for last_slot, row in possible[:: max(len(possible) // 6, 1)]:
            for column, change in product(view, (1, -1, 10_000)):
                other = row | {column: row[column] + change}
                if (last_slot, other) not in possible:
                    assert fit(day_estate, ledger, meter, last_slot, other) is Fit.NO, (column, change)


def test_usage_alone_is_judged_by_what_it_says(day_estate: EstateModel) -> None:
    meter = meter_that(day_estate, uploads=False)
    ledger = ledger_of(day_estate, meter, dict.fromkeys(PUSHED, ACKNOWLEDGED))
    last_slot, row = row_of_fold(day_estate, meter, PUSHED[2:])
    usage = {"usage_wh": row["usage_wh"], "late_usage_wh": 0}
    assert fit(day_estate, ledger, meter, last_slot, usage) is Fit.YES
    assert fit(day_estate, ledger, meter, last_slot, usage | {"late_usage_wh": 1}) is Fit.NO
    assert fit(day_estate, ledger, meter, last_slot, usage | {"usage_wh": -1}) is Fit.NO
    assert fit(day_estate, ledger, meter, last_slot + 1, usage) is Fit.NO  # nothing was sent that ends there


def test_more_sums_than_can_be_kept_are_no_verdict(day_estate: EstateModel, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = meter_that(day_estate, uploads=False)
    pushed: dict[Delivery, SlotState] = dict.fromkeys([(READ, at, 1) for at in range(SLOTS_PER_DAY)], ACKNOWLEDGED)
    ledger = ledger_of(day_estate, meter, pushed)
    last_slot, row = row_of_fold(day_estate, meter, [*list(pushed)[::2], (READ, 47, 1)])
    monkeypatch.setattr(stale_folds, "SUMS_MAX", 8)
    assert fit(day_estate, ledger, meter, last_slot, row) is Fit.UNKNOWN
    assert fit(day_estate, ledger, meter, last_slot, row | {"low_wh": 10**9}) is Fit.NO


def topology(level: str) -> Topology:
    dcs = [{"name": name, "nodes": 3, "rf": 3} for name in ("north", "south")]
    return Topology.model_validate({"dcs": dcs, "consistency": {"default": level}})


def with_fold_of_some(estate: EstateModel, held: Held, ledger: Ledger, seen: int, beside_wh: int) -> Held:
    """One day's usage is that of its first `seen` half-hours (of 48: but one), and `beside_wh` that nobody used; 0: no row."""
    meter = pushing_meter(estate, ledger)
    rows = [dict(row) for row in held["usage_by_fuel"]]
    row = day_row(estate, rows, meter)
    last_day = np.array([estate.slot_count - SLOTS_PER_DAY], np.int32)
    day_wh = measured_days(estate, np.array([meter]), last_day)[0]
    row["through"] -= (SLOTS_PER_DAY - seen) * 1_800_000
    midnight = SLOTS_PER_DAY if row["late_usage_wh"] == 0 else SLOTS_PER_DAY - 2  # in London, in April
    row["usage_wh"] = int(day_wh[int(seen == SLOTS_PER_DAY) : min(seen, midnight)].sum()) + beside_wh
    row["late_usage_wh"] = int(day_wh[midnight:seen].sum())
    return held | {"usage_by_fuel": rows if seen else [one for one in rows if one is not row]}


@pytest.mark.parametrize(("seen", "is_wrong", "has_lost"), [(48, True, False), (40, False, True), (0, False, True)])
def test_a_day_that_is_the_fold_of_some_is_not_judged_where_folds_may_lack_the_rest(
    estate: EstateModel,
    whole: tuple[Held, Ledger],
    slept: list[float],
    seen: int,
    is_wrong: bool,
    has_lost: bool,
) -> None:
    held, ledger = whole
    stale = with_fold_of_some(estate, held, ledger, seen, 0)
    for level, is_folded in (("LOCAL_ONE", True), ("LOCAL_QUORUM", True), ("LOCAL_ONE", False)):
        report = audited(
            estate,
            ledger,
            north=Session(stale),
            south=Session(stale),
            settle_s=7.0,
            topology=topology(level),
            is_folded=is_folded,
        )
        totals = report.totals
        may_lack = level == "LOCAL_ONE" and is_folded
        assert (totals.not_judged, totals.wrong, totals.lost) == (
            (1, 0, 0) if may_lack else (0, int(is_wrong), int(has_lost))
        )
        assert totals.verified == totals.acknowledged - 1
        assert [one for one in slept if one] == [3.0, 3.0, 1.0]  # a DC that is behind may still hear of it
        slept.clear()
    sound = audited(
        estate, ledger, north=Session(held), south=Session(held), topology=topology("LOCAL_ONE"), is_folded=True
    )
    assert sound.totals.verified == sound.totals.acknowledged and sound.totals.not_judged == 0


def test_a_day_that_no_part_of_the_log_comes_to_is_wrong_at_any_level(
    estate: EstateModel, whole: tuple[Held, Ledger], slept: list[float]
) -> None:
    held, ledger = whole
    broken = with_fold_of_some(estate, held, ledger, 48, 10**6)
    session = Session(broken)
    report = audited(estate, ledger, north=session, south=session, topology=topology("LOCAL_ONE"))
    assert (report.totals.wrong, report.totals.not_judged) == (1, 0)


def test_a_run_of_which_days_could_not_be_judged_is_inconclusive_and_says_why() -> None:
    weak = SCENARIO.model_copy(update={"topology": topology("LOCAL_ONE")})
    told = judged(audit=audit(verified=47_997, not_judged=3), scenario=weak)
    assert told.verdict.value == "inconclusive"
    reason = next(one for one in told.reasons if "can't be judged" in one)
    assert "after a delivery at LOCAL_ONE by a read at LOCAL_ONE" in reason
    assert "LOCAL_" not in the_reason(judged(audit=audit(verified=47_997, not_judged=3)))
