"""The balance of a prepaid home: against zoneinfo and decimal, half-hour by half-hour; and what must always add up."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, SLOT_US
from scenarios.tariffs import HOLIDAY
from scenarios.tariffs.file import TariffSpec
from store.billing.prepaid import packed_opening, unpacked_opening
from store.billing.prepayment import FriendlyHours, Opening, PrepaymentTerms, RecoveryPeriod, TopUp
from store.customers.desk import Desk
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.rejections import Refused
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, EXPORT, GAS, Book, PriceList
from tests.support.delivered_year import delivered_days

HOME = 5
FIRST, DAYS = dt.datetime(2026, 3, 20, tzinfo=dt.UTC), 16  # the clocks go forward on the 29th
FIRST_US = int(FIRST.timestamp()) * 1_000_000
VALUES = np.random.default_rng(3).integers(0, 700, (DAYS, 48)).astype(np.int32)
PENNY, UPENCE = 1_000_000, Decimal("0.000001")
TEXT: Mapping[str, Any] = {
    "name": "night saver",
    "share": 1.0,
    "rates": {
        "night": {"electricity": "9.8765", "gas": "6.0401"},
        "day": {"electricity": "26.4159", "gas": "6.0401"},
    },
    "bands": [{"rate": "night", "from": "23:30", "to": "05:30"}],
    "otherwise": "day",
    "standing": {"electricity": "54.321", "gas": "29.11"},
}
DEARER = {**TEXT, "standing": {"electricity": "60.5"}}
DEARER_FROM = dt.date(2026, 3, 27)
HELD, DEARER_HELD = (TariffSpec.model_validate(text).tariff() for text in (TEXT, DEARER))
NIGHT = FriendlyHours(first_slot=36, end_slot=20)
WEEKEND = FriendlyHours(first_slot=0, end_slot=48, days=(5, 6, HOLIDAY))
TERMS = PrepaymentTerms(
    emergency_upence=200 * PENNY,
    recovery_upence=52 * PENNY,
    recovered_each=RecoveryPeriod.DAY,
    friendly=(NIGHT, WEEKEND),
    holidays=(20_536,),
)


def desk_of(zone: str = "Europe/London", values: np.ndarray = VALUES, days: int = DAYS) -> Desk:
    calendar, customers = Calendar(zone), MemoryCustomers(SCHEMAS["home_months"])
    from_us = calendar.day_start_us((DEARER_FROM - dt.date(1970, 1, 1)).days)
    customers.publish(PriceList(version=1, effective_us=0, tariffs=(HELD,)), 0)
    customers.publish(PriceList(version=2, effective_us=from_us, tariffs=(DEARER_HELD,)), 0)
    views = MemoryStore(SCHEMAS["home_months"], Book(prices=customers.price_lists(), calendar=calendar))
    views.append(delivered_days(views.book, home=HOME, first_day_us=FIRST_US, values_wh=values[:days]))
    return Desk(customers=customers, views=views, first_tariff=0, calendar=calendar)


@pytest.mark.parametrize("zone", ["Europe/London", "Europe/Helsinki", "America/Bogota"])
def test_a_balance_is_what_the_clock_on_the_wall_and_decimal_say(zone: str) -> None:
    """Opened at 13:00 UTC of the first day; 12 pounds each third day at 16:20:07, too little; asked within a half-hour."""
    desk, clock = desk_of(zone), ZoneInfo(zone)
    opened_us, now_us = FIRST_US + 26 * SLOT_US, FIRST_US + 15 * DAY_US + 33 * SLOT_US + 5
    desk.customers.open_prepaid(
        HOME, ELECTRICITY, Opening(at_us=opened_us, terms=TERMS, credit_upence=400 * PENNY, debt_upence=15_000 * PENNY)
    )
    paid_us = [FIRST_US + day * DAY_US + 32 * SLOT_US + 1_207_000_000 for day in range(0, DAYS + 3, 3)]
    for number, at_us in enumerate(paid_us):
        desk.customers.top_up(HOME, ELECTRICITY, TopUp(at_us=at_us, upence=1_200 * PENNY, reference=number))
    credit, debt, is_on, off = Decimal(400), Decimal(15_000), True, 0
    by_day: dict[dt.date, tuple[Decimal, Decimal]] = {}
    for at, wh in enumerate(VALUES.ravel().tolist()):
        start = FIRST + at * dt.timedelta(minutes=30)
        start_us, wall = FIRST_US + at * SLOT_US, start.astimezone(clock)
        if not opened_us <= start_us <= now_us:
            continue
        hour = wall.hour + wall.minute / 60
        if (start - dt.timedelta(minutes=30)).astimezone(clock).date() != wall.date():
            credit -= Decimal("54.321") if wall.date() < DEARER_FROM else Decimal("60.5")
            part = min(Decimal(52), debt, max(credit, Decimal(0)))
            credit, debt = credit - part, debt - part
        credit += sum(1_200 for one in paid_us if start_us <= one < start_us + SLOT_US)
        is_friendly = hour >= 18 or hour < 10 or wall.weekday() >= 5 or wall.date() == dt.date(2026, 3, 24)
        is_on = (credit > -200 or is_friendly) if is_on else credit > 0
        off += not is_on
        price = Decimal("9.8765") if hour >= 23.5 or hour < 5.5 else Decimal("26.4159")
        credit -= (wh * price / 1_000).quantize(UPENCE, ROUND_HALF_EVEN)
        by_day[wall.date()] = credit, debt
    held = desk.prepaid_balance(HOME, ELECTRICITY, now_us)
    assert (held.credit_upence * UPENCE, held.debt_upence * UPENCE, held.is_supplied) == (credit, debt, is_on)
    told = {
        dt.date(1970, 1, 1) + dt.timedelta(days=one.day): (one.credit_upence * UPENCE, one.debt_upence * UPENCE)
        for one in held.days
    }
    assert told == by_day
    assert sum(one.off_slots for one in held.days) == off > 0
    assert sum(one.unknown_slots for one in held.days) == 0


def test_what_is_read_late_is_paid_for_late() -> None:
    desk, now_us = desk_of(days=10), FIRST_US + 12 * DAY_US
    desk.customers.open_prepaid(HOME, ELECTRICITY, Opening(at_us=FIRST_US, credit_upence=90_000 * PENNY))
    before = desk.prepaid_balance(HOME, ELECTRICITY, now_us)
    assert sum(one.unknown_slots for one in before.days) == 2 * 48
    views = desk.views
    assert isinstance(views, MemoryStore)
    views.append(delivered_days(views.book, home=HOME, first_day_us=FIRST_US + 10 * DAY_US, values_wh=VALUES[10:12]))
    after = desk.prepaid_balance(HOME, ELECTRICITY, now_us)
    used = sum(one.used_upence for one in after.days) - sum(one.used_upence for one in before.days)
    assert before.credit_upence - after.credit_upence == used > 0
    assert sum(one.unknown_slots for one in after.days) == 0


def test_an_account_that_is_opened_again_goes_on_from_what_is_stated_then() -> None:
    desk, cut_us, now_us = desk_of(), FIRST_US + 6 * DAY_US + 7 * SLOT_US, FIRST_US + 14 * DAY_US
    first = Opening(at_us=FIRST_US, terms=TERMS, credit_upence=500 * PENNY, debt_upence=90 * PENNY)
    desk.customers.open_prepaid(HOME, ELECTRICITY, first)
    desk.customers.top_up(HOME, ELECTRICITY, TopUp(at_us=FIRST_US + DAY_US, upence=3_000 * PENNY, reference=1))
    desk.customers.top_up(HOME, ELECTRICITY, TopUp(at_us=cut_us, upence=3_000 * PENNY, reference=2))
    whole = desk.prepaid_balance(HOME, ELECTRICITY, now_us)
    by_then = desk.prepaid_balance(HOME, ELECTRICITY, cut_us - 1_000)
    again = Opening(
        at_us=cut_us,
        terms=TERMS,
        credit_upence=by_then.credit_upence,
        debt_upence=by_then.debt_upence,
        is_supplied=by_then.is_supplied,
    )
    desk.customers.open_prepaid(HOME, ELECTRICITY, again)
    cut = desk.prepaid_balance(HOME, ELECTRICITY, now_us)
    assert (cut.credit_upence, cut.debt_upence, cut.is_supplied) == (
        whole.credit_upence,
        whole.debt_upence,
        whole.is_supplied,
    )
    assert cut.days[1:] == whole.days[-len(cut.days) + 1 :]
    assert desk.prepaid_balance(HOME, ELECTRICITY, cut_us - 1_000) == by_then


def test_gas_has_an_account_of_its_own_and_its_standing_charge_is_taken_with_nothing_used() -> None:
    desk = desk_of()
    with pytest.raises(Refused, match=f"no prepaid account of fuel {GAS}"):
        desk.prepaid_balance(HOME, GAS, FIRST_US)
    desk.customers.open_prepaid(HOME, GAS, Opening(at_us=FIRST_US, credit_upence=1_000 * PENNY))
    held = desk.prepaid_balance(HOME, GAS, FIRST_US + 3 * DAY_US)
    assert held.credit_upence * UPENCE == 1_000 - 4 * Decimal("29.11")  # at the midnights of four days


days_of_use = st.lists(st.integers(0, 3_000), min_size=96, max_size=96)
payments = st.lists(st.tuples(st.integers(0, 3 * 48 * 1_800), st.integers(1, 500)), max_size=6)


@settings(max_examples=15, deadline=None)
@given(values=days_of_use, paid=payments, credit=st.integers(-300, 900), debt=st.integers(0, 90), order=st.randoms())
def test_nothing_is_lost_or_counted_twice(
    values: list[int], paid: list[tuple[int, int]], credit: int, debt: int, order: Any
) -> None:
    """What was there and paid in is what is left, used, taken as standing charge and recovered; in whatever order it came."""
    desk = desk_of(values=np.array(values, np.int32).reshape(2, 48), days=2)
    customers = desk.customers
    opening = Opening(at_us=FIRST_US, terms=TERMS, credit_upence=credit * PENNY, debt_upence=debt * PENNY)
    top_ups = [
        TopUp(at_us=FIRST_US + at * PENNY, upence=pence * PENNY, reference=number)
        for number, (at, pence) in enumerate(paid)
    ]
    customers.open_prepaid(HOME, ELECTRICITY, opening)
    sent = [*top_ups, *top_ups[:2]]
    order.shuffle(sent)
    for one in sent:
        customers.top_up(HOME, ELECTRICITY, one)
    customers.open_prepaid(HOME, ELECTRICITY, opening)
    now_us = FIRST_US + 2 * DAY_US
    held = desk.prepaid_balance(HOME, ELECTRICITY, now_us)
    came = sum(one.upence for one in top_ups if one.at_us <= now_us)
    assert sum(one.paid_upence for one in held.days) == came
    taken = sum(one.used_upence + one.standing_upence + one.recovered_upence for one in held.days)
    assert held.credit_upence == credit * PENNY + came - taken
    assert held.debt_upence == debt * PENNY - sum(one.recovered_upence for one in held.days) >= 0
    if held.credit_upence > 0:
        assert held.is_supplied or not values[-1]


@pytest.mark.parametrize(
    ("fuel", "change", "told"),
    [
        (ELECTRICITY, {"at_us": FIRST_US + 1}, "give the start of a half-hour"),
        (ELECTRICITY, {"debt_upence": -1}, "what is owed to the home is credit"),
        (EXPORT, {}, "fuel 2 is not prepaid: there are 0, 1"),
        (ELECTRICITY, {"terms": replace(TERMS, holidays=tuple(range(500)))}, "holidays and friendly hours among them"),
    ],
)
def test_an_opening_that_can_not_be_is_refused(fuel: int, change: dict[str, Any], told: str) -> None:
    with pytest.raises(Refused, match=told):
        desk_of(days=1).customers.open_prepaid(HOME, fuel, replace(Opening(at_us=FIRST_US), **change))


def test_a_payment_that_can_not_be_is_refused() -> None:
    customers = desk_of(days=1).customers
    for upence, at_us in ((0, FIRST_US), (10**12 + 1, FIRST_US), (1, FIRST_US + 1)):
        with pytest.raises(Refused, match="a top-up of"):
            customers.top_up(HOME, ELECTRICITY, TopUp(at_us=at_us, upence=upence))
    customers.top_up(HOME, ELECTRICITY, TopUp(at_us=FIRST_US, upence=5, reference=7))
    with pytest.raises(Refused, match="payment 7 came before"):
        customers.top_up(HOME, ELECTRICITY, TopUp(at_us=FIRST_US, upence=6, reference=7))
    customers.open_prepaid(HOME, ELECTRICITY, Opening(at_us=FIRST_US))
    with pytest.raises(Refused, match=r"was opened at .* already, otherwise"):
        customers.open_prepaid(HOME, ELECTRICITY, Opening(at_us=FIRST_US, credit_upence=1))


def test_openings_are_packed_and_unpacked() -> None:
    for terms in (TERMS, PrepaymentTerms(), PrepaymentTerms(holidays=(1, 2)), PrepaymentTerms(friendly=(NIGHT,))):
        opening = Opening(at_us=FIRST_US, terms=terms, credit_upence=-5, debt_upence=6, is_supplied=False)
        assert unpacked_opening(FIRST_US, packed_opening(opening)) == opening
