"""A home's year of what bills have beside energy: VAT that changes, the demand of months, a prepaid account.

Against zoneinfo and decimal, half-hour by half-hour; each tariff is written as in a scenario.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from loadtests.workload.prepayment import opening_of
from loadtests.workload.prices import price_lists_of
from scenarios.calendar import Calendar, days_of_month
from scenarios.domain import DAY_US, SLOT_US
from scenarios.spec import parse_scenario
from scenarios.tariffs.file import TariffSpec
from sim.estate.model import build_estate
from store.billing.invoice import invoice
from store.billing.prepayment import TopUp
from store.billing.records import LineKind
from store.billing.statements import statement
from store.customers.desk import Desk
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, Book, PriceList
from tests.support.delivered_year import delivered_days

SCHEMA = SCHEMAS["home_months"]
HOME = 5
ZONES = ("Europe/London", "Europe/Madrid", "Europe/Helsinki", "Atlantic/Reykjavik")
FIRST = dt.datetime(2025, 11, 29, tzinfo=dt.UTC)
FIRST_US, DAYS = int(FIRST.timestamp()) * 1_000_000, 401  # UTC days: December 2025 and the year 2026 in any zone
ISSUED_US = FIRST_US + (DAYS + 1) * DAY_US
MONTHS = (202512, *range(202601, 202613))
UPENCE, EPOCH = Decimal("0.000001"), dt.date(1970, 1, 1).toordinal()
NIGHT, DAY, STANDING = Decimal("9.876"), Decimal("26.415"), Decimal("54.321")
TEXT: Mapping[str, Any] = {
    "name": "night saver",
    "share": 1.0,
    "rates": {"night": {"electricity": str(NIGHT), "register": "low"}, "day": {"electricity": str(DAY)}},
    "bands": [{"rate": "night", "from": "23:30", "to": "05:30"}],
    "otherwise": "day",
    "standing": {"electricity": str(STANDING)},
}


def _drawn() -> np.ndarray:
    """The highest half-hours are in the evenings in which months end, by one clock or another; that of all in December 2025."""
    values = np.random.default_rng(21).integers(0, 900, (DAYS, 48)).astype(np.int32)
    for at in range(DAYS):
        tomorrow = FIRST.date() + dt.timedelta(days=at + 1)
        if tomorrow.day == 1:
            values[at, [41, 43, 45, 47]] = 1_000 + tomorrow.month * 613 % 800 + np.array([0, 30, 60, 90])
    values[20, 35] = 2_345
    return values


VALUES = _drawn()


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfHour:
    start_us: int
    wall: dt.datetime
    wh: int
    pence: Decimal

    @property
    def month(self) -> int:
        return self.wall.year * 100 + self.wall.month


@cache
def half_hours(zone: str) -> list[HalfHour]:
    clock, told = ZoneInfo(zone), []
    for at, wh in enumerate(VALUES.ravel().tolist()):
        wall = (FIRST + at * dt.timedelta(minutes=30)).astimezone(clock)
        is_night = (wall.hour, wall.minute) >= (23, 30) or (wall.hour, wall.minute) < (5, 30)
        pence = (wh * (NIGHT if is_night else DAY) / 1_000).quantize(UPENCE, ROUND_HALF_EVEN)
        told.append(HalfHour(start_us=FIRST_US + at * SLOT_US, wall=wall, wh=wh, pence=pence))
    return told


def views_of(zone: str, lists: tuple[PriceList, ...]) -> MemoryStore:
    views = MemoryStore(SCHEMA, Book(prices=lists, calendar=Calendar(zone)))
    views.append(delivered_days(views.book, home=HOME, first_day_us=FIRST_US, values_wh=VALUES))
    return views


@cache
def views_of_one_price(zone: str) -> MemoryStore:
    """What is told of the tariff beside its prices of energy changes none of this."""
    return views_of(zone, (_list(TEXT),))


def _list(text: Mapping[str, Any]) -> PriceList:
    return PriceList(version=1, effective_us=0, tariffs=(TariffSpec.model_validate(text).tariff(),))


def desk_of(zone: str, lists: tuple[PriceList, ...], views: MemoryStore) -> Desk:
    customers = MemoryCustomers(SCHEMA)
    for one in lists:
        customers.publish(one, 0)
    return Desk(customers=customers, views=views, first_tariff=0, calendar=Calendar(zone))


def _one_price(zone: str, text: Mapping[str, Any]) -> Desk:
    return desk_of(zone, (_list(text),), views_of_one_price(zone))


def days_in(month: int) -> int:
    return len(days_of_month(month))


# -- VAT -----------------------------------------------------------------------------------------------------------------------

VAT = {  # from local days on: both days of the clock changes, the first of a month, and two within one
    dt.date(1970, 1, 1): Decimal(5),
    dt.date(2026, 2, 10): Decimal("17.5"),
    dt.date(2026, 2, 20): Decimal(20),
    dt.date(2026, 3, 29): Decimal("7.3"),
    dt.date(2026, 7, 1): Decimal("12.5"),
    dt.date(2026, 10, 25): Decimal(0),
}
VAT_SCENARIO = """
title = "VAT"
[estate]
premises = 4
time_zone = "{zone}"
[[tariffs]]
name = "night saver"
share = 1.0
rates.night = {{ electricity = "9.876", register = "low" }}
rates.day = {{ electricity = "26.415" }}
bands = [{{ rate = "night", from = "23:30", to = "05:30" }}]
otherwise = "day"
standing.electricity = "54.321"
vat_percent = "5"
vat_changes = [{changes}]
[topology]
dcs = [{{ name = "north", nodes = 1, rf = 1 }}]
[run]
start = 2026-01-01
days = 365
wall_s = 60.0
"""


def vat_on(day: dt.date) -> Decimal:
    return VAT[max(one for one in VAT if one <= day)]


@pytest.mark.parametrize("zone", ZONES)
def test_vat_of_a_year_is_that_of_each_local_day(zone: str) -> None:
    """The lists are those that a run publishes."""
    changes = ", ".join(f'{{ from = {day}, percent = "{rate}" }}' for day, rate in VAT.items() if day.year > 1970)
    lists = price_lists_of(build_estate(parse_scenario(VAT_SCENARIO.format(zone=zone, changes=changes), "VAT")))
    desk = desk_of(zone, lists, views_of(zone, lists))
    net: dict[int, dict[Decimal, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for one in half_hours(zone):
        net[one.month][vat_on(one.wall.date())] += one.pence
    for number, month in enumerate(MONTHS[1:], 1):
        for day in range(1, days_in(month) + 1):
            net[month][vat_on(dt.date(2026, number, day))] += STANDING
        bill = desk.issue_bill(
            premises=HOME,
            month=month,
            number=number,
            supplied={ELECTRICITY: range(1, days_in(month) + 1)},
            issued_us=ISSUED_US,
            account=number,  # so that no month before is billed anew
        )
        printed = invoice(bill, desk.customers.price_lists())
        told = {Decimal(one.vat_permille) / 10: (one.net_pence, one.gross_pence) for one in printed.groups}
        assert told == {
            rate: tuple(int(of.quantize(Decimal(1), ROUND_HALF_UP)) for of in (pence, pence * (100 + rate) / 100))
            for rate, pence in net[month].items()
        }
        assert len(told) == {202602: 3, 202603: 2, 202610: 2}.get(month, 1)


# -- demand --------------------------------------------------------------------------------------------------------------------

A_KW = Decimal("13.7123")
LEAST_KW = Decimal("2.5")


@pytest.mark.parametrize(
    ("zone", "count", "of"), list(zip(ZONES, (12, 3, 12, 3), ("mean", "highest", "highest", "mean"), strict=True))
)
def test_demand_of_a_year_is_that_of_the_last_local_months(zone: str, count: int, of: str) -> None:
    """December 2025 is billed, too: a year later it is looked at no more."""
    demand = {"pence_per_kw_day": str(A_KW), "at_least_kw": str(LEAST_KW), "months": count, "of": of}
    desk, highest_wh = _one_price(zone, {**TEXT, "demand": demand}), defaultdict[int, int](int)
    for one in half_hours(zone):
        highest_wh[one.month] = max(highest_wh[one.month], one.wh)
    peaks: list[Decimal] = []
    for number, month in enumerate(MONTHS, 1):
        days = days_in(month)
        bill = desk.issue_bill(
            premises=HOME, month=month, number=number, supplied={ELECTRICITY: range(1, days + 1)}, issued_us=ISSUED_US
        )
        peaks.append(max(Decimal(highest_wh[month] * 2) / 1_000, LEAST_KW))
        looked_at = peaks[-count:]
        mean = (sum(looked_at, Decimal()) / len(looked_at)).quantize(Decimal("0.001"), ROUND_HALF_EVEN)
        kw = mean if of == "mean" else max(looked_at)
        due = (kw * A_KW * days).quantize(UPENCE, ROUND_HALF_EVEN)
        (line,) = (one for one in bill.lines if one.kind is LineKind.DEMAND)
        assert (Decimal(line.demand_w) / 1_000, line.days, line.cost_upence * UPENCE) == (kw, days, due)
    assert peaks[0] == Decimal("4.69") > max(peaks[1:]) and len(set(peaks)) > 8


# -- a prepaid account -----------------------------------------------------------------------------------------------------------

CHRISTMAS = dt.date(2026, 12, 25)  # a Friday
HOLIDAYS = (
    *(dt.date(2026, 1, 7) + dt.timedelta(days=at) for at in range(0, 350, 14)),
    CHRISTMAS,
)  # Wednesdays beside it
EMERGENCY, CREDIT, DEBT = Decimal(500), Decimal(850), Decimal(15_000)
INSTALMENT = {"day": Decimal(52), "week": Decimal(365)}
PREPAID_TEXT: Mapping[str, Any] = {
    **TEXT,
    "holidays": HOLIDAYS,
    "prepayment": {
        "emergency_pence": str(EMERGENCY),
        "credit_pence": str(CREDIT),
        "debt_pence": str(DEBT),
        "friendly": [
            {"from": "18:00", "to": "10:00"},
            {"from": "00:00", "to": "24:00", "days": ["weekend", "holiday"]},
        ],
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An account at the end of a half-hour, and what came of it in it [pence]."""

    at: HalfHour
    credit: Decimal
    debt: Decimal
    is_on: bool
    standing: Decimal
    recovered: Decimal
    paid: Decimal


def payments(zone: str) -> list[tuple[int, Decimal]]:
    """(us since the Unix epoch, pence): each tenth day, now and then too little; and in each hour around both clock changes."""
    begins_us = int(dt.datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)).timestamp()) * 1_000_000
    told = [(begins_us + at * 10 * DAY_US + 59_220_007_000, Decimal(4_800) + at * 977 % 1_900) for at in range(36)]
    for day in (dt.datetime(2026, 3, 29, tzinfo=dt.UTC), dt.datetime(2026, 10, 25, tzinfo=dt.UTC)):
        told += [(int(day.timestamp() + hour * 3_600 + 605) * 1_000_000, Decimal(hour + 5)) for hour in range(-2, 5)]
    return sorted(told)


@cache
def account(zone: str, each: str) -> list[Told]:
    """From the first local midnight of 2026 on."""
    paid_in = defaultdict[int, Decimal](Decimal)
    for at_us, pence in payments(zone):
        paid_in[at_us // SLOT_US] += pence
    credit, debt, is_on, today = CREDIT, DEBT, True, dt.date(2025, 12, 31)
    told = []
    for one in half_hours(zone):
        wall, standing, recovered = one.wall, Decimal(), Decimal()
        if wall.year != 2026:
            continue
        if wall.date() != today:
            today, standing = wall.date(), STANDING
            if each == "day" or today.isoweekday() == 1:
                recovered = min(INSTALMENT[each], debt, max(credit - standing, Decimal()))
        paid = paid_in[one.start_us // SLOT_US]
        credit, debt = credit - standing - recovered + paid, debt - recovered
        is_friendly = wall.hour >= 18 or wall.hour < 10 or wall.isoweekday() > 5 or today in HOLIDAYS
        is_on = (credit > -EMERGENCY or is_friendly) if is_on else credit > 0
        credit -= one.pence  # what was measured is paid for
        told.append(
            Told(at=one, credit=credit, debt=debt, is_on=is_on, standing=standing, recovered=recovered, paid=paid)
        )
    return told


def prepaid_desk(zone: str, each: str) -> Desk:
    prepayment = {**PREPAID_TEXT["prepayment"], "recovered_each": each, "recovered_pence": str(INSTALMENT[each])}
    spec = TariffSpec.model_validate({**PREPAID_TEXT, "prepayment": prepayment})
    desk, plan = _one_price(zone, {**PREPAID_TEXT, "prepayment": prepayment}), spec.prepayment_plan()
    assert plan is not None
    opened_us = desk.calendar.day_start_us(days_of_month(202601)[0])
    desk.customers.open_prepaid(HOME, ELECTRICITY, opening_of(plan, spec.tariff().holidays, opened_us))
    for number, (at_us, pence) in enumerate(payments(zone)):
        desk.customers.top_up(HOME, ELECTRICITY, TopUp(at_us=at_us, upence=int(pence / UPENCE), reference=number))
    return desk


@pytest.mark.parametrize("each", INSTALMENT)
@pytest.mark.parametrize("zone", ZONES)
def test_an_account_of_a_year_and_its_statements(zone: str, each: str) -> None:
    """Each day's, and what months state: they add up to the balance."""
    desk, told = prepaid_desk(zone, each), account(zone, each)
    held = desk.prepaid_balance(HOME, ELECTRICITY, told[-1].at.start_us)
    of_day: dict[dt.date, list[Told]] = defaultdict(list)
    for one in told:
        of_day[one.at.wall.date()].append(one)
    assert [(one.day, one.credit_upence * UPENCE, one.debt_upence * UPENCE, one.off_slots) for one in held.days] == [
        (day.toordinal() - EPOCH, one[-1].credit, one[-1].debt, sum(not of.is_on for of in one))
        for day, one in of_day.items()
    ]
    credit, debt = CREDIT, DEBT
    for month in MONTHS[1:]:
        of_month = [one for one in told if one.at.month == month]
        stated = statement(held, ELECTRICITY, month)
        assert (stated.credit_before_upence * UPENCE, stated.debt_before_upence * UPENCE) == (credit, debt)
        assert (stated.paid_upence * UPENCE, stated.used_upence * UPENCE) == (
            sum(one.paid for one in of_month),
            sum(one.at.pence for one in of_month),
        )
        assert (stated.standing_upence * UPENCE, stated.recovered_upence * UPENCE) == (
            sum(one.standing for one in of_month),
            sum(one.recovered for one in of_month),
        )
        credit, debt = of_month[-1].credit, of_month[-1].debt
        assert (stated.credit_upence * UPENCE, stated.debt_upence * UPENCE) == (credit, debt)
        assert (stated.off_slots, stated.unknown_slots) == (sum(not one.is_on for one in of_month), 0)
    assert (held.credit_upence * UPENCE, held.debt_upence * UPENCE) == (credit, debt)
    assert 0 < debt < DEBT and 0 < sum(not one.is_on for one in told) < len(told) / 2
    assert any(one.is_on and one.credit + one.at.pence < -EMERGENCY for one in told)  # friendly hours


@pytest.mark.parametrize("zone", ZONES)
def test_an_account_of_a_year_is_on_displays(zone: str) -> None:
    """In the half-hours around both clock changes, on a holiday, and while supply is off."""
    desk, told = prepaid_desk(zone, "day"), account(zone, "day")
    at_us = {one.at.start_us: one for one in told}
    changes = [int(dt.datetime(2026, *day, 1, tzinfo=dt.UTC).timestamp()) * 1_000_000 for day in ((3, 29), (10, 25))]
    shown_us = [change_us + at * SLOT_US for change_us in changes for at in (-1, 0)]
    shown_us.append(next(one.at.start_us for one in told if not one.is_on))
    shown_us.append(next(one.at.start_us for one in told if one.at.wall.date() == CHRISTMAS and one.at.wall.hour == 12))
    for start_us in shown_us:
        (shown,) = desk.display(HOME, (ELECTRICITY,), start_us + SLOT_US - 1)
        one = at_us[start_us]
        assert shown.credit_upence is not None and shown.debt_upence is not None
        assert (shown.credit_upence * UPENCE, shown.debt_upence * UPENCE) == (one.credit, one.debt)
        assert shown.is_supplied is one.is_on


@pytest.mark.parametrize("zone", ZONES)
def test_nothing_is_due_of_what_an_account_took_in_a_year(zone: str) -> None:
    desk, due = prepaid_desk(zone, "day"), defaultdict[int, Decimal](Decimal)
    for one in half_hours(zone):
        due[one.month] += one.pence
    for number, month in enumerate(MONTHS[1:], 1):
        bill = desk.issue_bill(
            premises=HOME,
            month=month,
            number=number,
            supplied={ELECTRICITY: range(1, days_in(month) + 1)},
            issued_us=ISSUED_US,
            account=number,  # so that no month before is billed anew
        )
        taken = -sum(line.cost_upence for line in bill.lines if line.kind is LineKind.PREPAID)
        assert (bill.total_upence, taken * UPENCE) == (0, due[month] + days_in(month) * STANDING)
