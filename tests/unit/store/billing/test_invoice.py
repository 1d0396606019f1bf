"""Bills in whole pence with VAT: worked by hand, and against decimal."""

from dataclasses import replace
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.calendar import Calendar, days_of_month
from scenarios.domain import DAY_US
from scenarios.tariffs import Block, Half, Rate, Register, RoundedAt, Tariff
from store.billing.invoice import invoice
from store.billing.records import Bill, Line, LineKind
from store.customers.desk import Desk
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.rejections import Refused
from store.schemas import SCHEMAS
from store.tariffs import Book, PriceList
from tests.support.delivered_year import delivered_days

SCHEMA, LONDON = SCHEMAS["home_months"], Calendar("Europe/London")

RATE = Rate(name="all", register=Register.STANDARD, npence_per_wh=(26_415_900, 0, 0))


def prices(**rules: object) -> PriceList:
    held = Tariff(name="one", rates=(RATE,), otherwise=0)
    return PriceList(version=1, effective_us=0, tariffs=(replace(held, **rules),))  # type: ignore[arg-type]


def bill(*costs_upence: int, version: int = 1) -> Bill:
    lines = tuple(
        Line(
            kind=LineKind.ENERGY,
            month=202601,
            fuel=0,
            tariff=0,
            tariff_version=version,
            first_day=0,
            days=0,
            low_wh=0,
            standard_wh=1,
            peak_wh=0,
            cost_upence=cost,
        )
        for cost in costs_upence
    )
    return Bill(premises=1, number=1, month=202601, issued_us=0, total_upence=sum(costs_upence), lines=lines)


@pytest.mark.parametrize(
    ("rounded_at", "half", "net", "vat"),
    [  # 100.5 p and 100.5 p with 5 % VAT
        (RoundedAt.LINE, Half.UP, 202, 10),  # 101 + 101; VAT 10.1
        (RoundedAt.LINE, Half.EVEN, 200, 10),  # 100 + 100; VAT 10
        (RoundedAt.TOTAL, Half.UP, 201, 10),  # 201; with VAT 211.05
        (RoundedAt.TOTAL, Half.EVEN, 201, 10),
    ],
)
def test_two_half_pennies_by_hand(rounded_at: RoundedAt, half: Half, net: int, vat: int) -> None:
    held = invoice(bill(100_500_000, 100_500_000), (prices(vat_permille=50, rounded_at=rounded_at, half=half),))
    assert (held.net_pence, held.vat_pence, held.gross_pence) == (net, vat, net + vat)


def test_what_is_given_back_is_rounded_as_what_was_charged() -> None:
    rules = prices(vat_permille=200, rounded_at=RoundedAt.LINE)
    charged, back = invoice(bill(12_345_678), (rules,)), invoice(bill(-12_345_678), (rules,))
    assert charged.gross_pence == -back.gross_pence == 14


def test_another_rate_of_vat_comes_with_another_price_list() -> None:
    dearer = replace(prices(vat_permille=200), version=2, effective_us=1_000)
    one = bill(100_000_000)
    both = replace(one, lines=(*one.lines, *bill(100_000_000, version=2).lines))
    held = invoice(both, (prices(vat_permille=50), dearer))
    assert [(group.vat_permille, group.net_pence, group.vat_pence) for group in held.groups] == [
        (50, 100, 5),
        (200, 100, 20),
    ]


def test_a_rate_of_vat_within_days_that_were_billed_is_refused_and_nothing_of_it_is_applied() -> None:
    """Billed up to 20 June: from the 10th on it can't be another; from the 25th on the next bill has it, the first one stays."""
    first_day = days_of_month(202606)[0]
    starts_us = [LONDON.day_start_us(first_day + at) for at in range(30)]
    customers = MemoryCustomers(SCHEMA)
    customers.publish(prices(vat_permille=50), 0)
    views = MemoryStore(SCHEMA)

    def deliver(days: range) -> None:
        """UTC days, counted from the last one of May, as they are priced by then."""
        views.book = Book(prices=customers.price_lists(), calendar=LONDON)
        from_us, values = (first_day - 1 + days[0]) * DAY_US, np.full((len(days), 48), 100, np.int32)
        views.append(delivered_days(views.book, home=1, first_day_us=from_us, values_wh=values))

    deliver(range(21))
    desk = Desk(customers=customers, views=views, first_tariff=0, calendar=LONDON)

    def issue(number: int, days: range, issued_us: int) -> Bill:
        return desk.issue_bill(premises=1, month=202606, number=number, supplied={0: days}, issued_us=issued_us)

    now_us = starts_us[20] + 60_000_000
    first = issue(1, range(1, 21), now_us)
    billed = invoice(first, customers.price_lists())
    dearer = replace(prices(vat_permille=200), version=2, effective_us=starts_us[9])
    with pytest.raises(Refused, match="would take effect in the past"):
        customers.publish(dearer, now_us)
    assert len(customers.price_lists()) == 1 and customers.bills(1) == [first]
    customers.publish(replace(dearer, effective_us=starts_us[24]), now_us)
    deliver(range(21, 31))
    second = issue(2, range(21, 31), starts_us[29] + DAY_US)
    told = [
        (group.vat_permille, sum(one.wh for one in group.lines))
        for group in invoice(second, customers.price_lists()).groups
    ]
    assert told == [(50, 4 * 4_800), (200, 6 * 4_800)]
    assert invoice(first, customers.price_lists()) == billed and customers.bills(1) == [first, second]


def test_a_list_that_was_never_published_is_refused() -> None:
    with pytest.raises(Refused, match="unknown tariff version 2: there are 1"):
        invoice(bill(1, version=2), (prices(),))


def test_lines_tell_rate_energy_price_and_cost_and_add_up() -> None:
    """Two rates in a block each, one line for all rates, and a standing charge; 1.4 p of rounding."""
    night = Rate(name="night", register=Register.LOW, npence_per_wh=(9_876_500, 0, 0))
    block = Block(fuel=0, above_wh=5_000, npence_per_wh=(31_505_300, 4_000_000))
    held = prices(rates=(RATE, night), blocks=(block,), vat_permille=50)
    fields = {"low_wh": 400, "standard_wh": 1_000}
    one = bill(26_415_900, 31_505_300, 1_600_000, 5_000_000, 54_000_000)
    lines = [
        replace(line, rate=rate, block=number, **fields)
        for line, (rate, number) in zip(one.lines, ((0, 0), (0, 1), (1, 1), (-1, 0), (-1, 0)), strict=True)
    ]
    lines[4] = replace(lines[4], kind=LineKind.STANDING, days=1, first_day=1, low_wh=0, standard_wh=0)
    (group,) = invoice(replace(one, lines=tuple(lines)), (held,)).groups
    assert [(line.rate_name, line.block, line.wh, line.npence_per_wh, line.pence) for line in group.lines] == [
        ("all", 0, 1_400, 26_415_900, 26),
        ("all", 1, 1_400, 31_505_300, 32),
        ("night", 1, 1_400, 4_000_000, 2),
        (None, 0, 1_400, None, 5),
        (None, 0, 0, None, 54),
    ]
    assert [line.price_count for line in group.lines] == [1, 1, 1, 4, 0]
    assert [line.cost_upence for line in group.lines] == [26_415_900, 31_505_300, 1_600_000, 5_000_000, 54_000_000]
    assert (group.net_pence, group.rounding_upence) == (119, 478_800)


def test_a_line_of_rates_that_cost_the_same_has_the_name_of_the_tariff() -> None:
    one = bill(1)
    (group,) = invoice(replace(one, lines=(replace(one.lines[0], rate=0),)), (prices(),)).groups
    assert [(line.rate_name, line.npence_per_wh) for line in group.lines] == [("one", 26_415_900)]


@given(
    costs=st.lists(st.integers(-(10**10), 10**10) | st.sampled_from([500_000, -500_000, 1_500_000]), max_size=6),
    vat=st.integers(0, 1_000),
    rounded_at=st.sampled_from(RoundedAt),
    half=st.sampled_from(Half),
)
def test_money_is_what_decimal_says(costs: list[int], vat: int, rounded_at: RoundedAt, half: Half) -> None:
    mode = ROUND_HALF_UP if half is Half.UP else ROUND_HALF_EVEN

    def pence(value: Decimal) -> Decimal:
        return value.quantize(Decimal(1), mode)

    exact = [Decimal(cost) / 10**6 for cost in costs]
    if rounded_at is RoundedAt.LINE:
        net = sum((pence(cost) for cost in exact), Decimal(0))
        gross = net + pence(net * vat / 1_000)
    else:
        gross = pence(sum(exact, Decimal(0)) * (1_000 + vat) / 1_000)
    held = invoice(bill(*costs), (prices(vat_permille=vat, rounded_at=rounded_at, half=half),))
    assert held.gross_pence == gross
    assert held.gross_pence == held.net_pence + held.vat_pence
    for group in held.groups:
        told = sum(line.pence * 10**6 if rounded_at is RoundedAt.LINE else line.cost_upence for line in group.lines)
        assert group.net_pence * 10**6 == told + (0 if rounded_at is RoundedAt.LINE else group.rounding_upence)
