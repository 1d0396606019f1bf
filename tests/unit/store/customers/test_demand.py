"""What a month's highest demand costs: against zoneinfo and decimal, over runs, corrections, price lists and tenants; audited."""

import datetime as dt
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from loadtests.audit.rules.customers import MeterDays, check_bills
from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, Quality
from scenarios.tariffs.demand import DemandCharge
from scenarios.tariffs.file import TariffSpec
from store.customers.desk import Desk
from store.customers.invoice import invoice
from store.customers.packing import packed, unpacked
from store.customers.port import Bill, Line, LineKind
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.rows import Readings
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, Book, PriceList
from tests.support.delivered_year import delivered_days

HOME, MARCH, APRIL = 7, 202603, 202604
FIRST, DAYS = dt.datetime(2026, 2, 27, tzinfo=dt.UTC), 66
FIRST_US = int(FIRST.timestamp()) * 1_000_000
ISSUED_US = FIRST_US + 90 * DAY_US
PRICE, LEAST_KW = Decimal("13.7123"), Decimal("2.5")
UPENCE = Decimal("0.000001")
TEXT: Mapping[str, Any] = {
    "name": "by demand",
    "share": 1.0,
    "rates": {"all": {"electricity": "24.6789"}},
    "demand": {"pence_per_kw_day": str(PRICE), "at_least_kw": str(LEAST_KW)},
}
HELD = TariffSpec.model_validate(TEXT).tariff()
LONDON = Calendar("Europe/London")
Days = Container[dt.date]


def values_of(slots_per_hour: int = 2, highest: int = 1_500) -> np.ndarray:
    return np.random.default_rng(9).integers(0, highest, (DAYS, 24 * slots_per_hour)).astype(np.int32)


def peak_kw(values: np.ndarray, zone: str, days: Days) -> Decimal:
    """The highest mean of a slot of some local days, by the clock on the wall."""
    slots_per_hour = values.shape[1] // 24
    slot = dt.timedelta(minutes=60 // slots_per_hour)
    told = (
        wh
        for at, wh in enumerate(values.ravel().tolist())
        if (FIRST + at * slot).astimezone(ZoneInfo(zone)).date() in days
    )
    return max(Decimal(max(told)) * slots_per_hour / 1_000, LEAST_KW)


def due(kw: Decimal, days: int, price: Decimal = PRICE) -> Decimal:
    return (kw * price * days).quantize(UPENCE, ROUND_HALF_EVEN)


def march(first: int, last: int = 31) -> set[dt.date]:
    return {dt.date(2026, 3, day) for day in range(first, last + 1)}


def desk_of(values: np.ndarray, calendar: Calendar = LONDON, lists: Iterable[PriceList] = ()) -> Desk:
    customers = MemoryCustomers(SCHEMAS["home_months"])
    for one in lists or [PriceList(version=1, effective_us=0, tariffs=(HELD,))]:
        customers.publish(one, 0)
    views = MemoryStore(SCHEMAS["home_months"], Book(prices=customers.price_lists(), calendar=calendar))
    views.append(delivered_days(views.book, home=HOME, first_day_us=FIRST_US, values_wh=values))
    return Desk(customers=customers, views=views, first_tariff=0, calendar=calendar)


def bill(desk: Desk, number: int, days: range, month: int = MARCH, **fields: Any) -> Bill:
    return desk.issue_bill(
        premises=HOME, month=month, number=number, supplied={ELECTRICITY: days}, issued_us=ISSUED_US, **fields
    )


def demand(*bills: Bill, month: int = MARCH) -> list[Line]:
    return [line for one in bills for line in one.lines if line.kind is LineKind.DEMAND and line.month == month]


def charged(*bills: Bill, month: int = MARCH) -> Decimal:
    return sum((line.cost_upence * UPENCE for line in demand(*bills, month=month)), Decimal(0))


def known_now(desk: Desk, values: np.ndarray, day: dt.date, wh: int, revision: int = 1) -> np.ndarray:
    """One slot of a UTC day is known otherwise."""
    views, row = desk.views, (day - FIRST.date()).days
    assert isinstance(views, MemoryStore)
    first = delivered_days(views.book, home=HOME, first_day_us=FIRST_US, values_wh=values)
    correction = Readings(
        mpxn=first.mpxn[:1],
        premises=first.premises[:1],
        fuel=first.fuel[:1],
        interval_start_us=np.array([FIRST_US + row * DAY_US]),
        values_wh=np.array([[wh]], np.int32),
        register_wh=np.array([0]),
        day=None,
        received_at_us=np.array([ISSUED_US - DAY_US]),
        revision=np.array([revision], np.int32),
        source=np.zeros(1, np.int8),
        quality=np.array([Quality.SUBSTITUTED], np.int8),
        slot_us=first.slot_us,
    )
    views.append_revision(correction)
    views.refold(HOME, ELECTRICITY, FIRST_US + row * DAY_US)
    after = values.copy()
    after[row, 0] = wh
    return after


@pytest.mark.parametrize("slots_per_hour", [2, 4])
@pytest.mark.parametrize("zone", ["Europe/London", "Europe/Brussels", "America/Bogota"])
def test_a_month_costs_its_highest_demand_each_day(zone: str, slots_per_hour: int) -> None:
    values = values_of(slots_per_hour)
    calendar = Calendar(zone, slots_per_hour)
    whole = bill(desk_of(values, calendar), 1, range(1, 32))
    (line,) = demand(whole)
    kw = peak_kw(values, zone, march(1))
    assert (line.days, Decimal(line.demand_w) / 1_000, charged(whole)) == (31, kw, due(kw, 31))
    desk = desk_of(values, calendar)
    runs = [bill(desk, 1, range(1, 8)), bill(desk, 2, range(8, 30)), bill(desk, 3, range(1, 32))]
    assert charged(runs[0]) == due(peak_kw(values, zone, march(1, 7)), 7)
    assert charged(*runs) == due(kw, 31)  # what was higher later counts for all days of the month
    april = bill(desk, 4, range(1, 31), APRIL)
    assert charged(april, month=APRIL) == due(
        peak_kw(values, zone, {dt.date(2026, 4, day) for day in range(1, 31)}), 30
    )
    assert demand(april) == []
    assert unpacked(packed(april.lines)) == april.lines


def test_the_contract_has_a_least_demand() -> None:
    whole = bill(desk_of(values_of(highest=900)), 1, range(1, 32))
    assert [line.demand_w for line in demand(whole)] == [2_500]
    assert charged(whole) == due(LEAST_KW, 31)


def test_a_correction_changes_the_month_and_supply_that_ended_gives_it_back() -> None:
    values = values_of()
    desk = desk_of(values)
    bills = [bill(desk, 1, range(1, 32))]
    higher = known_now(desk, values, dt.date(2026, 3, 20), 1_777)
    bills.append(bill(desk, 2, range(1, 31), APRIL))
    assert charged(*bills) == due(peak_kw(higher, "Europe/London", march(1)), 31) > charged(bills[0])
    ended_us = {ELECTRICITY: LONDON.day_start_us((dt.date(2026, 3, 15) - dt.date(1970, 1, 1)).days)}
    bills.append(bill(desk, 3, range(0), APRIL, ended_us=ended_us))
    assert charged(*bills) == due(peak_kw(higher, "Europe/London", march(1, 14)), 14)
    assert charged(*bills, month=APRIL) == 0
    assert bill(desk, 4, range(0), APRIL).lines == ()


def test_the_demand_of_a_month_is_one_whatever_price_lists_come_into_force() -> None:
    values, dearer = values_of(), Decimal(20)
    other = replace(HELD, demand=DemandCharge(upence_per_kw_day=20_000_000, least_w=0))
    free = replace(HELD, demand=None)
    days = [0, (dt.date(2026, 3, 11) - dt.date(1970, 1, 1)).days, (dt.date(2026, 3, 29) - dt.date(1970, 1, 1)).days]
    lists = [
        PriceList(version=at, effective_us=day and LONDON.day_start_us(day), tariffs=(tariff,))
        for at, (day, tariff) in enumerate(zip(days, (HELD, other, free), strict=True), 1)
    ]
    whole = bill(desk_of(values, lists=lists), 1, range(1, 32))
    kw = peak_kw(values, "Europe/London", march(1))
    assert [(line.tariff_version, line.days) for line in demand(whole)] == [(1, 10), (2, 18)]
    assert [line.cost_upence * UPENCE for line in demand(whole)] == [due(kw, 10), due(kw, 18, dearer)]
    assert invoice(whole, lists).net_pence == round(whole.total_upence / 10**6)


def test_each_tenant_has_the_demand_of_their_own_days() -> None:
    values = values_of()
    desk = desk_of(values)
    of_each = [bill(desk, at, days, account=at) for at, days in enumerate((range(1, 12), range(12, 32)), 1)]
    for one, days in zip(of_each, (march(1, 11), march(12)), strict=True):
        assert charged(one) == due(peak_kw(values, "Europe/London", days), len(days))


# -- audited -------------------------------------------------------------------------------------------------------------------

PLANTED: Mapping[str, Callable[[Line], list[Line]]] = {
    "a millionth too much": lambda line: [replace(line, cost_upence=line.cost_upence + 1)],
    "none": lambda line: [],
    "twice": lambda line: [line, line],
    "of another month": lambda line: [replace(line, month=APRIL)],
    "of another version": lambda line: [replace(line, tariff_version=2)],
}


@pytest.mark.parametrize("fault", ["", *PLANTED])
def test_demand_is_audited(fault: str) -> None:
    values = values_of()
    desk = desk_of(values)
    bills = [bill(desk, 1, range(1, 12)), bill(desk, 2, range(12, 32)), bill(desk, 3, range(1, 31), APRIL)]
    days = MeterDays(
        premises=np.full(DAYS, HOME),
        fuel=np.zeros(DAYS, np.int64),
        day_start_us=FIRST_US + np.arange(DAYS) * DAY_US,
        slot_count=np.full(DAYS, 48),
        values_wh=values,
        tariff=np.zeros(DAYS, np.uint8),
    )
    prices = desk.customers.price_lists()
    if fault:
        (line,) = demand(bills[1])
        lines = [other for one in bills[1].lines for other in ([one] if one is not line else PLANTED[fault](line))]
        bills[1] = replace(bills[1], lines=tuple(lines), total_upence=sum(one.cost_upence for one in lines))
    found = check_bills(bills, days, prices, ZoneInfo("Europe/London"))
    assert found.is_right is (not fault), found.examples
    assert all("demand" in example for example in found.examples)
