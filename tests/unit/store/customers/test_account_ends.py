"""A prepaid account whose supply ends: it takes nothing any more, and what is left of it is told."""

import pytest

from scenarios.domain import DAY_US
from store.billing.prepayment import Opening, TopUp
from store.rejections import Refused
from store.tariffs import ELECTRICITY, GAS
from tests.unit.store.billing.test_statements import (
    APRIL,
    HOME,
    ISSUED_US,
    MARCH,
    PENNY,
    begins_us,
    bill_of,
    desk_of,
    open_accounts,
    taken,
)

ENDED_US = begins_us(MARCH, 30)  # the day after the clocks went forward


def test_it_takes_nothing_from_the_end_of_supply_on() -> None:
    desk = desk_of()
    open_accounts(desk, begins_us(MARCH))
    last = desk.prepaid_balance(HOME, ELECTRICITY, ENDED_US - 1)
    for _ in range(2):
        desk.customers.close_prepaid(HOME, ELECTRICITY, ENDED_US)
    held = desk.prepaid_balance(HOME, ELECTRICITY, ISSUED_US)
    assert desk.prepaid_balance(HOME, ELECTRICITY, ENDED_US - 1) == last
    assert (held.credit_upence, held.debt_upence, held.days) == (last.credit_upence, last.debt_upence, last.days)
    assert (held.closed_us, held.is_supplied) == (ENDED_US, False)
    assert held.refund_upence == last.credit_upence - last.debt_upence
    gas = desk.prepaid_balance(HOME, GAS, ISSUED_US)
    assert gas.closed_us is None and gas.credit_upence < desk.prepaid_balance(HOME, GAS, ENDED_US).credit_upence
    electricity, of_gas = desk.display(HOME, (ELECTRICITY, GAS), ISSUED_US)
    assert electricity.credit_upence is None and of_gas.credit_upence is not None


def test_what_is_paid_in_later_is_credit_and_on_the_statement_of_its_month() -> None:
    desk = desk_of()
    open_accounts(desk, begins_us(MARCH))
    desk.customers.close_prepaid(HOME, ELECTRICITY, ENDED_US)
    before = desk.prepaid_balance(HOME, ELECTRICITY, ENDED_US)
    for number, pence in ((8, 300), (9, 500)):
        paid = TopUp(at_us=begins_us(APRIL, 7) + number * 1_000, upence=pence * PENNY, reference=number)
        desk.customers.top_up(HOME, ELECTRICITY, paid)
    held = desk.prepaid_balance(HOME, ELECTRICITY, ISSUED_US)
    assert held.refund_upence == before.refund_upence + 800 * PENNY
    april = desk.statement(HOME, ELECTRICITY, APRIL, ISSUED_US)
    assert (april.paid_upence, april.used_upence, april.standing_upence, april.recovered_upence) == (
        800 * PENNY,
        0,
        0,
        0,
    )
    assert (april.credit_before_upence, april.credit_upence) == (before.credit_upence, held.credit_upence)


def test_bills_say_what_the_account_took_up_to_its_end_and_ask_for_what_came_after_it() -> None:
    """The next customer has no account yet: what they use is due."""
    desk, due = desk_of(), desk_of()
    open_accounts(desk, begins_us(MARCH))
    desk.customers.close_prepaid(HOME, ELECTRICITY, ENDED_US)
    bill = bill_of(desk, MARCH, range(1, 32), 1)
    told = desk.statement(HOME, ELECTRICITY, MARCH, ISSUED_US)
    assert taken([bill], ELECTRICITY, MARCH) == told.used_upence + told.standing_upence > 0
    assert bill.total_upence == bill_of(due, MARCH, range(30, 32), 1, (ELECTRICITY,)).total_upence > 0


def test_an_account_is_opened_again_after_its_end() -> None:
    desk = desk_of()
    open_accounts(desk, begins_us(MARCH))
    desk.customers.close_prepaid(HOME, ELECTRICITY, ENDED_US)
    again = Opening(at_us=begins_us(APRIL, 3), credit_upence=700 * PENNY)
    desk.customers.open_prepaid(HOME, ELECTRICITY, again)
    held = desk.prepaid_balance(HOME, ELECTRICITY, ISSUED_US)
    assert held.closed_us is None and held.days[0].day == desk.calendar.day_of(again.at_us)
    between = bill_of(desk, APRIL, range(1, 31), 1, (ELECTRICITY,))
    assert between.total_upence == bill_of(desk_of(), APRIL, range(1, 3), 1, (ELECTRICITY,)).total_upence > 0


def test_an_end_that_can_not_be_is_refused() -> None:
    customers = desk_of().customers
    with pytest.raises(Refused, match="has no prepaid account of fuel 0 before"):
        customers.close_prepaid(HOME, ELECTRICITY, ENDED_US)
    with pytest.raises(Refused, match="give the local midnight with which supply ends"):
        customers.close_prepaid(HOME, ELECTRICITY, ENDED_US + DAY_US // 2)
