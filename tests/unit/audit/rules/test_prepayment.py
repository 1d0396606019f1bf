"""The audit of prepaid accounts: what is right passes; a lost top-up and a double charge are found."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from loadtests.audit.rules.prepayment import (
    Account,
    Row,
    ToldBalance,
    check_balances,
    check_log,
    check_taken,
    count_account,
)
from loadtests.workload.prepayment import opening_of
from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, SLOT_US
from scenarios.tariffs.file import TariffSpec
from store.billing.prepaid import packed_opening
from store.billing.prepayment import TopUp
from store.billing.records import Bill, LineKind
from store.customers.desk import Desk
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, GAS, Book, PriceList
from tests.support.delivered_year import delivered_days

HOME, PENNY = 5, 1_000_000
CALENDAR, ZONE = Calendar("Europe/London"), ZoneInfo("Europe/London")
FIRST_US = int(dt.datetime(2026, 3, 20, tzinfo=dt.UTC).timestamp()) * 1_000_000
DAYS = 14  # the clocks go forward on the 29th; April begins on the last but one
VALUES = np.random.default_rng(5).integers(0, 900, (DAYS, 48)).astype(np.int32)
SPEC = TariffSpec.model_validate(
    {
        "name": "before",
        "share": 1.0,
        "rates": {"night": {"electricity": "9.8765"}, "day": {"electricity": "26.4159"}},
        "bands": [{"rate": "night", "from": "23:30", "to": "05:30"}],
        "blocks": [{"fuel": "electricity", "above_kwh": "8.5", "rates": {"day": "31.5053", "night": "12.3456"}}],
        "otherwise": "day",
        "holidays": ["2026-03-25"],
        "standing": {"electricity": "54.321", "gas": "29.11"},
        "prepayment": {
            "emergency_pence": "300",
            "recovered_pence": "52",
            "recovered_each": "day",
            "friendly": [
                {"from": "18:00", "to": "10:00"},
                {"from": "00:00", "to": "24:00", "days": ["sun", "holiday"]},
            ],
            "credit_pence": "700",
            "debt_pence": "260",
        },
    }
)
END_US = FIRST_US + DAYS * DAY_US - 1_000
PAID = [(FIRST_US + at * 6 * DAY_US + 33 * SLOT_US + 1_234_000, 2_000 * PENNY) for at in range(2)]


def desk_of(paid: Sequence[tuple[int, int]] = tuple(PAID)) -> Desk:
    customers = MemoryCustomers(SCHEMAS["home_months"])
    customers.publish(PriceList(version=1, effective_us=0, tariffs=(SPEC.tariff(),)), 0)
    views = MemoryStore(SCHEMAS["home_months"], Book(prices=customers.price_lists(), calendar=CALENDAR))
    views.append(delivered_days(views.book, home=HOME, first_day_us=FIRST_US, values_wh=VALUES))
    plan = SPEC.prepayment_plan()
    assert plan is not None
    for fuel in (ELECTRICITY, GAS):
        customers.open_prepaid(HOME, fuel, opening_of(plan, SPEC.tariff().holidays, FIRST_US))
    for number, (at_us, upence) in enumerate(paid, 1):
        customers.top_up(HOME, ELECTRICITY, TopUp(at_us=at_us, upence=upence, reference=number))
    return Desk(customers=customers, views=views, first_tariff=0, calendar=CALENDAR)


def account(fuel: int, spec: TariffSpec = SPEC) -> Account:
    plan = spec.prepayment_plan()
    assert plan is not None
    used = dict(enumerate(VALUES.ravel().tolist())) if fuel == ELECTRICITY else {}
    return Account(
        premises=HOME,
        fuel=fuel,
        tariff=0,
        plan=plan,
        opened_us=FIRST_US,
        payments=PAID if fuel == ELECTRICITY else [],
        slots_wh={FIRST_US + at * SLOT_US: wh for at, wh in used.items()},
    )


ACCOUNTS = {(HOME, fuel): account(fuel) for fuel in (ELECTRICITY, GAS)}


def balances(desk: Desk, looks_us: Sequence[int]) -> list[ToldBalance]:
    return [
        ToldBalance(
            premises=HOME,
            fuel=fuel,
            at_us=at_us,
            credit_upence=held.credit_upence,
            debt_upence=held.debt_upence,
            is_supplied=held.is_supplied,
            where="its balance in north",
        )
        for at_us in looks_us
        for fuel in (ELECTRICITY, GAS)
        for held in (desk.prepaid_balance(HOME, fuel, at_us),)
    ]


def test_each_half_hour_of_an_account_is_counted_alike() -> None:
    """With days of two blocks, a night of the clock change, friendly hours, a debt that ends and supply that stops."""
    desk, prices = desk_of(), desk_of().customers.price_lists()
    looks = range(FIRST_US, END_US, 23 * SLOT_US)
    told = check_balances(balances(desk, looks), ACCOUNTS, prices, ZONE, SLOT_US)
    assert (told.counted, told.faults) == (2 * len(looks), 0)
    counted = count_account(ACCOUNTS[HOME, ELECTRICITY], prices, ZONE, SLOT_US, END_US)
    held = desk.prepaid_balance(HOME, ELECTRICITY, END_US)
    assert counted.off_slots == sum(one.off_slots for one in held.days) > 0
    assert counted.debt_upence == held.debt_upence < 260 * PENNY
    weekly = SPEC.model_copy(
        update={
            "prepayment": SPEC.prepayment.model_copy(update={"recovered_each": "week"}) if SPEC.prepayment else None
        }
    )
    other = check_balances(
        balances(desk, looks), {**ACCOUNTS, (HOME, ELECTRICITY): account(ELECTRICITY, weekly)}, prices, ZONE, SLOT_US
    )
    assert other.faults > 0


@pytest.mark.parametrize(
    ("paid", "wrong"),
    [
        (PAID[:1], 1),
        ([*PAID, PAID[0]], 2),  # under another number
        ([(PAID[0][0], PAID[0][1] + 1), PAID[1]], 2),
        ([(PAID[0][0] + DAY_US, PAID[0][1]), PAID[1]], 1),
    ],
)
def test_an_account_that_was_paid_into_otherwise_is_found(paid: list[tuple[int, int]], wrong: int) -> None:
    desk = desk_of(paid)
    prices = desk.customers.price_lists()
    looks = (PAID[0][0] + 2 * SLOT_US, END_US)
    found = check_balances(balances(desk, looks), ACCOUNTS, prices, ZONE, SLOT_US)
    assert found.faults == wrong
    assert found.examples[0].startswith("home 5, fuel 0 at ")
    rows = rows_of(desk)
    expected = rows_of(desk_of())
    assert check_log(expected, rows, "north", ZONE, is_complete=True).faults > 0


def test_a_half_hour_charged_twice_and_one_not_charged_are_found() -> None:
    desk = desk_of()
    prices, right = desk.customers.price_lists(), ACCOUNTS[HOME, ELECTRICITY]
    at_us = FIRST_US + 2 * DAY_US + 20 * SLOT_US
    for wh in (0, 2 * right.slots_wh[at_us]):
        wrong = replace(right, slots_wh={**right.slots_wh, at_us: wh})
        accounts = {**ACCOUNTS, (HOME, ELECTRICITY): wrong}
        assert check_balances(balances(desk, [END_US]), accounts, prices, ZONE, SLOT_US).faults == 1
        assert check_taken(bills_of(desk), accounts, prices, ZONE, SLOT_US, END_US).faults == 1


def rows_of(desk: Desk) -> dict[tuple[int, int], list[Row]]:
    found = {}
    for fuel in (ELECTRICITY, GAS):
        log = desk.customers.prepayments(HOME, fuel)
        opened: list[Row] = [(one.at_us, 0, 0, tuple(packed_opening(one))) for one in log.openings]
        found[HOME, fuel] = opened + [(one.at_us, 1, one.reference, (one.upence,)) for one in log.top_ups]
    return found


def test_a_log_without_a_row_or_with_one_that_nobody_made_is_found() -> None:
    expected = rows_of(desk_of())
    whole = check_log(expected, expected, "north", ZONE, is_complete=True)
    assert (whole.check, whole.counted, whole.faults) == ("prepaid accounts hold each payment once, in north", 4, 0)
    lost = {**expected, (HOME, ELECTRICITY): expected[HOME, ELECTRICITY][:-1]}
    (example,) = check_log(expected, lost, "north", ZONE, is_complete=True).examples
    assert "home 5, fuel 0 in north: payment 2 of 2000000000" in example and example.endswith("is not in the account")
    assert check_log(expected, lost, "north", ZONE, is_complete=False).faults == 0  # it may be on its way
    unopened = {**expected, (HOME, GAS): []}
    assert check_log(expected, unopened, "north", ZONE, is_complete=True).faults == 1
    of_nobody = {**expected, (HOME, GAS): [*expected[HOME, GAS], (FIRST_US, 1, 9, (5,))], (6, GAS): expected[HOME, GAS]}
    for is_complete in (True, False):
        assert check_log(expected, of_nobody, "north", ZONE, is_complete=is_complete).faults == 2


def bills_of(desk: Desk) -> list[Bill]:
    return [
        desk.issue_bill(
            premises=HOME,
            month=month,
            number=number,
            supplied=dict.fromkeys((ELECTRICITY, GAS), days),
            issued_us=END_US,
        )
        for number, (month, days) in enumerate(((202603, range(1, 32)), (202604, range(1, 4))), 1)
    ]


def test_bills_that_ask_for_what_was_taken_are_found() -> None:
    desk = desk_of()
    prices, bills = desk.customers.price_lists(), bills_of(desk)
    right = check_taken(bills, ACCOUNTS, prices, ZONE, SLOT_US, END_US)
    assert (right.counted, right.faults) == (4, 0)
    asking = [
        replace(bills[0], lines=tuple(one for one in bills[0].lines if one.kind is not LineKind.PREPAID)),
        bills[1],
    ]
    found = check_taken(asking, ACCOUNTS, prices, ZONE, SLOT_US, END_US)
    assert found.faults == 2 and "bills say that 0 was taken" in found.examples[0]
