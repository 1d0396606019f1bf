"""Bills and statements of a home that pays before it uses: nothing is due of what its accounts took, to the last upenny."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from scenarios.calendar import Calendar, days_of_month
from scenarios.domain import DAY_US
from scenarios.tariffs.file import TariffSpec
from store.billing.invoice import invoice
from store.billing.prepayment import Opening, PrepaymentTerms, RecoveryPeriod, TopUp
from store.billing.records import Bill, LineKind
from store.customers.desk import Desk
from store.customers.port import Preference, PreferenceChange
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.rejections import Refused
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, EXPORT, GAS, Book, PriceList
from tests.support.delivered_year import delivered_days

HOME, PENNY = 5, 1_000_000
CREDIT, PREPAID = 0, 1
ZONE = Calendar("Europe/London")
MARCH, APRIL = 202603, 202604
FIRST_US = int(dt.datetime(2026, 2, 28, tzinfo=dt.UTC).timestamp()) * 1_000_000
DAYS = 65  # to 3 May
VALUES = np.random.default_rng(4).integers(0, 700, (DAYS, 48)).astype(np.int32)
SOLD: Mapping[str, Any] = {
    "name": "credit",
    "share": 0.5,
    "rates": {
        "night": {"electricity": "9.8765", "gas": "6.04", "export": "15", "register": "low"},
        "day": {"electricity": "26.4159", "gas": "6.04", "export": "15"},
    },
    "bands": [{"rate": "night", "from": "23:30", "to": "05:30"}],
    "otherwise": "day",
    "standing": {"electricity": "54.321", "gas": "29.11"},
}
HELD = TariffSpec.model_validate({**SOLD, "vat_percent": "5"}).tariff()
BEFORE = TariffSpec.model_validate({**SOLD, "name": "before", "prepayment": {}}).tariff()
TERMS = PrepaymentTerms(recovery_upence=52 * PENNY, recovered_each=RecoveryPeriod.DAY)
ISSUED_US = FIRST_US + 64 * DAY_US


def desk_of(first_tariff: int = PREPAID, late: int | None = None) -> Desk:
    """late: a day of electricity that is not there yet."""
    customers = MemoryCustomers(SCHEMAS["home_months"], ZONE)
    customers.publish(PriceList(version=1, effective_us=0, tariffs=(HELD, BEFORE)), 0)
    book = Book(prices=customers.price_lists(), calendar=ZONE)
    views = MemoryStore(SCHEMAS["home_months"], book)
    for fuel, part in ((ELECTRICITY, 1), (GAS, 2), (EXPORT, 3)):
        values = (VALUES // part).astype(np.int32)
        parts = ((0, late), (late + 1, DAYS)) if late is not None and fuel == ELECTRICITY else ((0, DAYS),)
        for first, end in parts:
            first_us = FIRST_US + first * DAY_US
            views.append(delivered_days(book, home=HOME, first_day_us=first_us, values_wh=values[first:end], fuel=fuel))
    return Desk(customers=customers, views=views, first_tariff=first_tariff, calendar=ZONE)


def open_accounts(desk: Desk, at_us: int) -> None:
    for fuel in (ELECTRICITY, GAS):
        opening = Opening(at_us=at_us, terms=TERMS, credit_upence=500 * PENNY, debt_upence=900 * PENNY)
        desk.customers.open_prepaid(HOME, fuel, opening)
        desk.customers.top_up(HOME, fuel, TopUp(at_us=at_us + 12 * DAY_US, upence=90_000 * PENNY, reference=1))


def begins_us(month: int, day: int = 1) -> int:
    return ZONE.day_start_us(days_of_month(month)[day - 1])


def bill_of(desk: Desk, month: int, days: range, number: int, fuels: tuple[int, ...] = (ELECTRICITY, GAS)) -> Bill:
    supplied = dict.fromkeys(fuels, days)
    return desk.issue_bill(premises=HOME, month=month, number=number, supplied=supplied, issued_us=ISSUED_US)


def taken(bills: list[Bill], fuel: int, month: int) -> int:
    lines = [line for bill in bills for line in bill.lines if line.kind is LineKind.PREPAID]
    return -sum(line.cost_upence for line in lines if (line.fuel, line.month) == (fuel, month))


def test_nothing_is_due_of_what_accounts_took_whatever_days_bill_runs_fall_on() -> None:
    desk = desk_of()
    open_accounts(desk, begins_us(MARCH))
    bills = [
        bill_of(desk, MARCH, range(1, 12), 1),
        bill_of(desk, MARCH, range(5, 32), 2),
        bill_of(desk, APRIL, range(1, 31), 3),
    ]
    assert [bill.total_upence for bill in bills] == [0, 0, 0]
    assert [invoice(bill, desk.customers.price_lists()).gross_pence for bill in bills] == [0, 0, 0]
    for fuel in (ELECTRICITY, GAS):
        for month in (MARCH, APRIL):
            told = desk.statement(HOME, fuel, month, ISSUED_US)
            assert taken(bills, fuel, month) == told.used_upence + told.standing_upence > 0


def test_what_is_read_after_the_bill_is_taken_on_the_next_one() -> None:
    desk = desk_of(late=9)
    open_accounts(desk, begins_us(MARCH))
    bills = [bill_of(desk, MARCH, range(1, 32), 1)]
    before = desk.statement(HOME, ELECTRICITY, MARCH, ISSUED_US)
    views = desk.views
    assert isinstance(views, MemoryStore)
    views.append(delivered_days(views.book, home=HOME, first_day_us=FIRST_US + 9 * DAY_US, values_wh=VALUES[9:10]))
    bills.append(bill_of(desk, APRIL, range(1, 31), 2))
    after = desk.statement(HOME, ELECTRICITY, MARCH, ISSUED_US)
    assert any(line.kind is LineKind.ADJUSTMENT for line in bills[1].lines)
    assert [bill.total_upence for bill in bills] == [0, 0]
    assert taken(bills, ELECTRICITY, MARCH) == after.used_upence + after.standing_upence
    assert after.used_upence > before.used_upence


def test_what_the_home_gave_to_the_network_is_still_paid_to_it() -> None:
    desk = desk_of()
    open_accounts(desk, begins_us(MARCH))
    bill = bill_of(desk, MARCH, range(1, 32), 1, (ELECTRICITY, GAS, EXPORT))
    paid = sum(line.cost_upence for line in bill.lines if line.fuel == EXPORT)
    assert bill.total_upence == paid < 0


def test_days_of_another_tariff_and_days_before_the_account_are_due() -> None:
    """On credit up to 10 March; prepaid from the 11th on, with accounts from the 16th on."""
    desk = desk_of(first_tariff=CREDIT)
    changed_us = begins_us(MARCH, 11)
    choice = PreferenceChange(
        preference=Preference.TARIFF, value=PREPAID, effective_us=changed_us, changed_us=changed_us - 1_000
    )
    desk.customers.change_preference(HOME, choice)
    open_accounts(desk, begins_us(MARCH, 16))
    bill = bill_of(desk, MARCH, range(1, 32), 1)
    due = desk_of(first_tariff=CREDIT)
    due.customers.change_preference(HOME, choice)
    assert bill.total_upence == bill_of(due, MARCH, range(1, 16), 1).total_upence > 0
    assert taken([bill], GAS, MARCH) == (
        (told := desk.statement(HOME, GAS, MARCH, ISSUED_US)).used_upence + told.standing_upence
    )


def test_energy_alone_is_taken_without_a_standing_charge() -> None:
    desk = desk_of()
    open_accounts(desk, begins_us(MARCH))
    bill = desk.issue_bill(premises=HOME, month=MARCH, number=1, supplied={}, issued_us=ISSUED_US)
    used = [desk.statement(HOME, fuel, MARCH, ISSUED_US).used_upence for fuel in (ELECTRICITY, GAS)]
    assert [taken([bill], fuel, MARCH) for fuel in (ELECTRICITY, GAS)] == used


def test_days_that_are_given_back_were_taken_no_more() -> None:
    desk = desk_of()
    open_accounts(desk, begins_us(MARCH))
    bills = [bill_of(desk, MARCH, range(1, 32), 1)]
    ended = {fuel: begins_us(MARCH, 21) for fuel in (ELECTRICITY, GAS)}
    bills.append(
        desk.issue_bill(premises=HOME, month=APRIL, number=2, supplied={}, issued_us=ISSUED_US, ended_us=ended)
    )
    used = desk.statement(HOME, GAS, MARCH, begins_us(MARCH, 21) - 1)
    assert [bill.total_upence for bill in bills] == [
        0,
        sum(one.cost_upence for one in bills[1].lines if one.fuel == EXPORT),
    ]
    assert taken(bills, GAS, MARCH) == used.used_upence + used.standing_upence


def test_a_statement_adds_up_and_months_follow_each_other() -> None:
    desk = desk_of()
    open_accounts(desk, begins_us(MARCH))
    march, april = (desk.statement(HOME, ELECTRICITY, month, ISSUED_US) for month in (MARCH, APRIL))
    for told in (march, april):
        spent = told.used_upence + told.standing_upence + told.recovered_upence
        assert told.credit_before_upence + told.paid_upence - spent == told.credit_upence
        assert told.debt_before_upence - told.recovered_upence == told.debt_upence
    assert (march.credit_before_upence, march.debt_before_upence) == (500 * PENNY, 900 * PENNY)
    assert (march.credit_upence, march.debt_upence) == (april.credit_before_upence, april.debt_before_upence)
    assert march.paid_upence == 90_000 * PENNY and april.paid_upence == 0
    assert march.standing_upence == 31 * 54_321_000 and march.recovered_upence > 0
    assert (march.first_day, march.last_day) == (days_of_month(MARCH)[0], days_of_month(MARCH)[-1])
    half = desk.statement(HOME, ELECTRICITY, APRIL, begins_us(APRIL, 11) - 1)
    assert half.standing_upence == 10 * 54_321_000
    with pytest.raises(Refused, match="was not open in 202606"):
        desk.statement(HOME, ELECTRICITY, 202606, ISSUED_US)
    with pytest.raises(Refused, match="no prepaid account"):
        desk.statement(HOME, ELECTRICITY, 202602, ISSUED_US)


def test_a_display_shows_the_account_where_the_tariff_is_prepaid() -> None:
    desk, now_us = desk_of(), begins_us(MARCH, 20) + 5
    shown = desk.display(HOME, (ELECTRICITY, GAS), now_us)
    assert {(one.credit_upence, one.debt_upence, one.is_supplied) for one in shown} == {(None, None, None)}
    open_accounts(desk, begins_us(MARCH))
    for one in desk.display(HOME, (ELECTRICITY, GAS), now_us):
        held = desk.prepaid_balance(HOME, one.fuel, now_us)
        expected = held.credit_upence, held.debt_upence, held.is_supplied
        assert (one.credit_upence, one.debt_upence, one.is_supplied) == expected
    on_credit = desk_of(first_tariff=CREDIT)
    open_accounts(on_credit, begins_us(MARCH))
    assert on_credit.display(HOME, (GAS,), now_us)[0].credit_upence is None


def test_many_accounts_are_opened_as_one_by_one() -> None:
    one_by_one, at_once = desk_of().customers, MemoryCustomers(SCHEMAS["home_months"])
    opening = Opening(at_us=begins_us(MARCH), terms=TERMS, debt_upence=7)
    for home in (1, 2):
        one_by_one.open_prepaid(home, GAS, opening)
    for _ in range(2):
        at_once.open_all_prepaid([(home, GAS, opening) for home in (1, 2)])
    for home in (1, 2, 3):
        assert at_once.prepayments(home, GAS) == one_by_one.prepayments(home, GAS)
    with pytest.raises(Refused, match="give the start of a half-hour"):
        at_once.open_all_prepaid([(3, GAS, opening), (4, GAS, Opening(at_us=1))])
    assert at_once.prepayments(3, GAS).openings == ()
