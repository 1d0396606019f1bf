"""VAT that changes on a date: two lines with two rates on one bill, against decimal; and dates that nothing could follow."""

import datetime as dt
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from loadtests.workload.prices import price_lists_of
from scenarios.calendar import days_of_month
from scenarios.domain import DAY_US
from scenarios.spec import ScenarioError, parse_scenario
from sim.estate.lookup import start_us_of
from sim.estate.model import EstateModel, build_estate
from store.billing.invoice import invoice
from store.customers.desk import Desk
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.rejections import Refused
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, Book, PriceList
from tests.support.delivered_year import delivered_days

VALUES = np.random.default_rng(8).integers(0, 700, (31, 48)).astype(np.int32)
MARCH, HOME = 202603, 3
TEXT = """
title = "VAT"
[estate]
premises = 4
[[tariffs]]
name = "one"
share = {share}
rates.all.electricity = "24.6789"
standing.electricity = "54.321"
vat_percent = "5"
{vat}
{more}
[topology]
dcs = [{{ name = "north", nodes = 1, rf = 1 }}]
[run]
start = {start}
days = {days}
wall_s = 60.0
"""
CHANGES = 'vat_changes = [{ from = 2026-03-11, percent = "20" }, { from = 2026-03-30, percent = "0" }]'


def estate_of(vat: str = CHANGES, *, share: str = "1.0", more: str = "") -> EstateModel:
    text = TEXT.format(vat=vat, share=share, more=more, start="2026-03-01", days=31)
    return build_estate(parse_scenario(text, "vat"))


def desk_of(estate: EstateModel) -> Desk:
    customers = MemoryCustomers(SCHEMAS["home_months"])
    for one in price_lists_of(estate):
        customers.publish(one, start_us_of(estate))
    views = MemoryStore(SCHEMAS["home_months"], Book(prices=customers.price_lists(), calendar=estate.calendar))
    views.append(delivered_days(views.book, home=HOME, first_day_us=start_us_of(estate), values_wh=VALUES))
    return Desk(customers=customers, views=views, first_tariff=0, calendar=estate.calendar)


def test_a_month_has_each_rate_on_what_was_used_and_supplied_while_it_was_in_force() -> None:
    estate = estate_of()
    desk, issued_us = desk_of(estate), start_us_of(estate) + 31 * DAY_US
    bill = desk.issue_bill(
        premises=HOME, month=MARCH, number=1, supplied={ELECTRICITY: range(1, 32)}, issued_us=issued_us
    )
    net: dict[int, Decimal] = {}  # rate -> pence
    for at, wh in enumerate(VALUES.ravel().tolist()):
        wall = dt.datetime.fromtimestamp(start_us_of(estate) // 1_000_000 + at * 1_800, ZoneInfo("Europe/London"))
        if wall.month == 3:
            net[rate_on(wall.day)] = net.get(rate_on(wall.day), Decimal()) + wh * Decimal("24.6789") / 1_000
    for day in range(1, 32):
        net[rate_on(day)] += Decimal("54.321")
    printed = invoice(bill, desk.customers.price_lists())
    told = {one.vat_permille // 10: (one.net_pence, one.gross_pence) for one in printed.groups}
    assert told == {
        rate: (whole(pence), whole(pence * (100 + rate) / 100)) for rate, pence in net.items()
    }  # rounded at the total, half up
    assert set(told) == {5, 20, 0}


def rate_on(day: int) -> int:
    return 5 if day < 11 else 20 if day < 30 else 0


def whole(pence: Decimal) -> int:
    return int(pence.quantize(Decimal(1), ROUND_HALF_UP))


def test_a_change_is_a_price_list_from_its_local_midnight_on_beside_series_and_other_tariffs() -> None:
    series = ", ".join(f'["{", ".join(["2"] * 48)}"]'.replace(", ", '", "') for _ in range(2))
    other = f"""
[[tariffs]]
name = "other"
share = 0.5
rates.all.electricity = "20"
series.electricity = [{series}]
vat_changes = [{{ from = 2026-03-02, percent = "12.5" }}]
"""
    lists = price_lists_of(estate_of(share="0.5", more=other))
    first_us = int(dt.datetime(2026, 3, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000
    changed_us = [first_us + 10 * DAY_US, first_us + 29 * DAY_US - 3_600_000_000]  # the 30th begins in summer time
    assert [one.effective_us for one in lists] == [0, first_us + DAY_US, *changed_us]
    assert [[plan.vat_permille for plan in one.plans] for one in lists] == [[50, 0], [50, 125], [200, 125], [0, 125]]
    assert [one.plans[1].series_day for one in lists] == [20_513, 20_514, 20_514, 20_514]


@pytest.mark.parametrize(
    ("vat", "told"),
    [
        ('vat_changes = [{ from = 2026-03-01, percent = "20" }]', "2026-03-01 is not after the scenario's start"),
        ('vat_changes = [{ from = 2026-02-01, percent = "20" }]', "days from before are billed: say the rate"),
        (
            'vat_changes = [{ from = 2026-03-10, percent = "20" }, { from = 2026-03-10, percent = "5" }]',
            "give them in their order",
        ),
        ('vat_changes = [{ from = 2026-03-10, percent = "101" }]', "VAT is 0 .. 1,000 thousandths, not 1010"),
        (
            'vat_changes = [{ from = 2026-03-10, percent = "x" }]',
            "percent of vat_changes 1: 'x' is no number of per cent",
        ),
        ('vat_changes = [{ from = 2200-03-10, percent = "5" }]', "is not within 1970 .. 2099"),
    ],
)
def test_a_date_that_nothing_could_follow_is_refused(vat: str, told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        estate_of(vat)


def test_a_prepaid_tariff_has_no_vat_on_top_on_any_day() -> None:
    text = TEXT.format(vat=f"{CHANGES}\nprepayment = {{}}", share="1.0", more="", start="2026-03-01", days=31)
    with pytest.raises(ScenarioError, match="give prices with VAT in them"):
        parse_scenario(text.replace('vat_percent = "5"', ""), "vat")


def test_a_date_in_a_month_that_is_billed_is_refused_and_nothing_is_changed() -> None:
    """As a supplier would do it by hand: ten days of March are billed, and another rate from the 5th on is to be published."""
    estate = estate_of("")
    desk, now_us = desk_of(estate), start_us_of(estate) + 10 * DAY_US + 1_000
    supplied = {ELECTRICITY: range(1, 11)}
    bill = desk.issue_bill(premises=HOME, month=MARCH, number=1, supplied=supplied, issued_us=now_us)
    published = desk.customers.price_lists()
    (held,) = published
    (plan,) = held.plans
    late = PriceList(
        version=2,
        effective_us=estate.calendar.day_start_us(days_of_month(MARCH)[4]),
        tariffs=(replace(plan, vat_permille=200),),
    )
    with pytest.raises(Refused, match="price list 2 would take effect in the past"):
        desk.customers.publish(late, now_us)
    assert desk.customers.price_lists() == published
    assert desk.issue_bill(premises=HOME, month=MARCH, number=1, supplied=supplied, issued_us=now_us) == bill
