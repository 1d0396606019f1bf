"""Prepaid accounts: by hand, and over a year in four zones against zoneinfo and decimal."""

import datetime as dt
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.calendar import UTC_CALENDAR, Calendar
from scenarios.domain import DAY_US, SLOT_US
from scenarios.tariffs import HOLIDAY
from store.billing.prepayment import (
    FriendlyHours,
    PrepaidAccount,
    PrepaymentTerms,
    RecoveryPeriod,
    TopUp,
    prepaid_account,
)
from store.rejections import Refused

TUESDAY_US = (dt.date(2026, 6, 2) - dt.date(1970, 1, 1)).days * DAY_US
NIGHT = FriendlyHours(first_slot=36, end_slot=20)  # 18:00 to 10:00
WEEKEND = FriendlyHours(first_slot=0, end_slot=48, days=(5, 6, HOLIDAY))


def account(
    *costs: int, start_us: int = TUESDAY_US + SLOT_US, credit: int = 100, debt: int = 0, **more: Any
) -> PrepaidAccount:
    """Half-hours from 00:30 of a Tuesday on."""
    terms = PrepaymentTerms(**{"recovered_each": RecoveryPeriod.DAY, **more.pop("terms", {})})
    return prepaid_account(
        terms,
        UTC_CALENDAR,
        start_us=start_us,
        cost_upence=np.array(costs, np.int64),
        standing_upence=more.pop("standing", 0),
        top_ups=more.pop("top_ups", ()),
        credit_upence=credit,
        debt_upence=debt,
        **more,
    )


def test_supply_stops_as_emergency_credit_is_used_up_and_a_top_up_above_zero_brings_it_back() -> None:
    start_us = TUESDAY_US + SLOT_US
    paid = (TopUp(at_us=start_us + 5 * SLOT_US, upence=60), TopUp(at_us=start_us + 7 * SLOT_US - 1, upence=1))
    held = account(70, 70, 70, 70, 70, 70, 70, 70, terms={"emergency_upence": 50}, top_ups=paid)
    # 30, -40, then -110: what was begun is used to its end; 60 leave -50, and 61 leave -49: no more than emergency credit
    assert held.is_supplied.tolist() == [True, True, True, False, False, False, False, False]
    assert held.credit_upence.tolist() == [30, -40, -110, -110, -110, -50, -49, -49]
    back = account(70, 70, 70, credit=-110, is_supplied=False, top_ups=(TopUp(at_us=start_us + SLOT_US, upence=111),))
    assert back.is_supplied.tolist() == [False, True, False]
    assert back.credit_upence.tolist() == [-110, -69, -69]


def test_supply_does_not_stop_within_friendly_hours_and_stops_as_they_end() -> None:
    """From 09:00: credit is used up by 09:30, and friendly hours end at 10:00."""
    start_us = TUESDAY_US + 18 * SLOT_US
    held = account(100, 10, 10, 10, start_us=start_us, terms={"friendly": (NIGHT,)})
    assert held.is_supplied.tolist() == [True, True, False, False]
    assert held.credit_upence.tolist() == [0, -10, -10, -10]
    assert account(100, 10, 10, 10, start_us=start_us).is_supplied.tolist() == [True, False, False, False]
    off = account(10, start_us=start_us, credit=-5, is_supplied=False, terms={"friendly": (NIGHT,)})
    assert off.is_supplied.tolist() == [False]  # they alone don't bring it back


@pytest.mark.parametrize(
    ("day", "is_friendly"), [("2026-06-02", False), ("2026-06-06", True), ("2026-06-07", True), ("2026-12-25", True)]
)
def test_weekends_and_holidays_may_be_friendly(day: str, is_friendly: bool) -> None:
    number = (dt.date.fromisoformat(day) - dt.date(1970, 1, 1)).days
    holiday = (dt.date(2026, 12, 25) - dt.date(1970, 1, 1)).days
    terms = PrepaymentTerms(friendly=(WEEKEND,), holidays=(holiday,))
    assert [terms.is_friendly(number, slot) for slot in (0, 24, 47)] == [is_friendly] * 3


def test_a_debt_is_recovered_from_what_is_above_zero_and_no_more_than_is_owed() -> None:
    start_us = TUESDAY_US - SLOT_US
    terms = {"recovery_upence": 30}
    first = account(0, 0, start_us=start_us, debt=40, terms=terms, standing=5)
    assert (first.credit_upence.tolist(), first.debt_upence.tolist()) == ([100, 65], [40, 10])
    last = account(0, 0, start_us=start_us, debt=12, terms=terms)
    assert (last.credit_upence.tolist(), last.debt_upence.tolist()) == ([100, 88], [12, 0])
    short = account(0, 0, start_us=start_us, credit=25, debt=40, terms=terms, standing=20)
    assert (short.credit_upence.tolist(), short.debt_upence.tolist()) == ([25, 0], [40, 35])
    weekly = {"recovery_upence": 30, "recovered_each": RecoveryPeriod.WEEK}
    assert account(0, 0, start_us=start_us, debt=40, terms=weekly).debt_upence.tolist() == [40, 40]  # a Tuesday
    assert account(0, 0, start_us=start_us - DAY_US, debt=40, terms=weekly).debt_upence.tolist() == [40, 10]


@settings(max_examples=40, deadline=None)
@given(
    costs=st.lists(st.integers(-20, 90), min_size=96, max_size=96),
    paid=st.dictionaries(st.integers(0, 95), st.integers(1, 600), max_size=5),
    credit=st.integers(-200, 500),
    debt=st.integers(0, 80),
    emergency=st.integers(0, 60),
    is_measured=st.booleans(),
)
def test_supply_stops_only_outside_of_friendly_hours_and_a_debt_takes_no_emergency_credit(
    costs: list[int], paid: dict[int, int], credit: int, debt: int, emergency: int, is_measured: bool
) -> None:
    """Two days from the midnight of a Friday on: its night and the whole Saturday are friendly."""
    start_us = TUESDAY_US + 3 * DAY_US
    terms = PrepaymentTerms(
        emergency_upence=emergency,
        recovery_upence=30,
        recovered_each=RecoveryPeriod.DAY,
        friendly=(NIGHT, WEEKEND),
    )
    top_ups = [TopUp(at_us=start_us + at * SLOT_US, upence=paid[at]) for at in sorted(paid)]
    held = prepaid_account(
        terms,
        UTC_CALENDAR,
        start_us=start_us,
        cost_upence=np.array(costs, np.int64),
        standing_upence=11,
        top_ups=top_ups,
        credit_upence=credit,
        debt_upence=debt,
        is_measured=is_measured,
    )
    before, owed, was_on = credit, debt, True
    for at, (after, left, is_on) in enumerate(
        zip(held.credit_upence.tolist(), held.debt_upence.tolist(), held.is_supplied.tolist(), strict=True)
    ):
        is_friendly = at >= 48 or not 20 <= at < 36
        standing = 11 if at % 48 == 0 else 0
        there = before - standing - (owed - left) + paid.get(at, 0)
        assert after == there - (costs[at] if is_on or is_measured else 0)
        assert 0 <= owed - left <= (max(before - standing, 0) if standing else 0)
        assert not (was_on and not is_on) or (not is_friendly and there <= -emergency)
        assert not (is_on and not was_on) or there > 0
        before, owed, was_on = after, left, is_on


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"start_us": TUESDAY_US + 1}, "give the start of a half-hour"),
        ({"debt": -1}, "what is owed to the home is credit"),
        ({"top_ups": (TopUp(at_us=TUESDAY_US, upence=1),)}, "in their order, within the half-hours"),
        ({"top_ups": (TopUp(at_us=TUESDAY_US + 2 * SLOT_US, upence=1),)}, "in their order, within the half-hours"),
        ({"top_ups": (TopUp(at_us=TUESDAY_US + SLOT_US, upence=0),)}, "that is none"),
        ({"terms": {"emergency_upence": -1}}, "emergency credit of -1 upence: 0 .."),
        ({"terms": {"recovery_upence": 2_000_000_001}}, "instalment of 2000000001 upence"),
    ],
)
def test_what_no_account_can_be_is_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused, match=told):
        account(10, **change)


@pytest.mark.parametrize(
    ("first", "end", "days"), [(48, 4, (0,)), (3, 0, (0,)), (3, 3, (0,)), (3, 4, ()), (3, 4, (8,))]
)
def test_hours_that_no_day_has_are_refused(first: int, end: int, days: tuple[int, ...]) -> None:
    with pytest.raises(Refused, match="friendly hours"):
        FriendlyHours(first_slot=first, end_slot=end, days=days)


# -- a year --------------------------------------------------------------------------------------------------------------------

FIRST_US = (dt.date(2025, 12, 31) - dt.date(1970, 1, 1)).days * DAY_US
HALF_HOURS = 367 * 48
USED_WH = np.random.default_rng(16).integers(0, 700, HALF_HOURS).tolist()
CHRISTMAS = dt.date(2026, 12, 25)


@pytest.mark.parametrize("each", RecoveryPeriod)
@pytest.mark.parametrize("zone", ["Europe/London", "Europe/Madrid", "Europe/Helsinki", "Atlantic/Reykjavik"])
def test_a_year_is_what_the_clock_on_the_wall_and_decimal_say(zone: str, each: RecoveryPeriod) -> None:
    """19.99 pounds every tenth day at 16:20 UTC, too little now and then; 5 pounds of emergency credit."""
    clock, pence = ZoneInfo(zone), Decimal(10) ** 6
    credit, debt, is_on = Decimal("8.5"), Decimal(150), True
    costs, expected, today = [], [], None
    top_ups = [
        TopUp(at_us=FIRST_US + at * SLOT_US + 1_200_000_000, upence=1_999_000_000) for at in range(32, HALF_HOURS, 480)
    ]
    for at, wh in enumerate(USED_WH):
        wall = dt.datetime.fromtimestamp(FIRST_US // 10**6 + at * 1_800, clock)
        hour = wall.hour + wall.minute / 60
        rate = Decimal("9.8765") if hour >= 23.5 or hour < 5.5 else Decimal("26.4159")
        cost = (wh * rate / 1_000).quantize(Decimal("0.000001"), ROUND_HALF_EVEN) / 100
        costs.append(int(cost * 100 * pence))
        if wall.date() != today and (today is not None or hour == 0):
            credit -= Decimal("0.54321")
            if each is RecoveryPeriod.DAY or wall.weekday() == 0:
                part = min(
                    Decimal("3.65") if each is RecoveryPeriod.WEEK else Decimal("0.52"), debt, max(credit, Decimal(0))
                )
                credit, debt = credit - part, debt - part
        today = wall.date()
        credit += Decimal("19.99") if at % 480 == 32 else 0
        is_friendly = wall.weekday() >= 5 or wall.date() == CHRISTMAS or hour >= 18 or hour < 10
        is_on = (credit > -5 or is_friendly) if is_on else credit > 0
        credit -= cost if is_on else 0
        expected.append((int(credit * 100 * pence), int(debt * 100 * pence), is_on))
    holiday = (CHRISTMAS - dt.date(1970, 1, 1)).days
    held = prepaid_account(
        PrepaymentTerms(
            emergency_upence=500_000_000,
            recovery_upence=365_000_000 if each is RecoveryPeriod.WEEK else 52_000_000,
            recovered_each=each,
            friendly=(NIGHT, WEEKEND),
            holidays=(holiday,),
        ),
        Calendar(zone),
        start_us=FIRST_US,
        cost_upence=np.array(costs, np.int64),
        standing_upence=54_321_000,
        top_ups=top_ups,
        credit_upence=850_000_000,
        debt_upence=15_000_000_000,
    )
    told = list(zip(held.credit_upence.tolist(), held.debt_upence.tolist(), held.is_supplied.tolist(), strict=True))
    assert told == expected
    assert 0 < sum(held.is_supplied.tolist()) < HALF_HOURS and held.credit_upence.min() < -500_000_000
