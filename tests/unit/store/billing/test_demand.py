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
from scenarios.calendar import Calendar, days_of_month
from scenarios.domain import DAY_US, Quality
from scenarios.tariffs import TariffError
from scenarios.tariffs.demand import DemandCharge
from scenarios.tariffs.file import TariffSpec
from scenarios.tariffs.text import tariffs_of, tariffs_text
from store.billing.invoice import invoice
from store.billing.records import Bill, Line, LineKind
from store.customers.desk import Desk
from store.customers.packing import packed, unpacked
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


def meter_days(values: np.ndarray) -> MeterDays:
    """Half-hours of the home's electricity: int32[DAYS, 48] [Wh]."""
    return MeterDays(
        premises=np.full(DAYS, HOME),
        fuel=np.zeros(DAYS, np.int64),
        day_start_us=FIRST_US + np.arange(DAYS) * DAY_US,
        slot_count=np.full(DAYS, 48),
        values_wh=values,
        tariff=np.zeros(DAYS, np.uint8),
    )


@pytest.mark.parametrize("fault", ["", *PLANTED])
def test_demand_is_audited(fault: str) -> None:
    values = values_of()
    desk = desk_of(values)
    bills = [bill(desk, 1, range(1, 12)), bill(desk, 2, range(12, 32)), bill(desk, 3, range(1, 31), APRIL)]
    days = meter_days(values)
    prices = desk.customers.price_lists()
    if fault:
        (line,) = demand(bills[1])
        lines = [other for one in bills[1].lines for other in ([one] if one is not line else PLANTED[fault](line))]
        bills[1] = replace(bills[1], lines=tuple(lines), total_upence=sum(one.cost_upence for one in lines))
    found = check_bills(bills, days, prices, ZoneInfo("Europe/London"))
    assert found.is_right is (not fault), found.examples
    assert all("demand" in example for example in found.examples)


# -- of several months ---------------------------------------------------------------------------------------------------------


def of_months(count: int, of: str, least: str = "2.5") -> list[PriceList]:
    text = {**TEXT, "demand": {"pence_per_kw_day": str(PRICE), "at_least_kw": least, "months": count, "of": of}}
    return [PriceList(version=1, effective_us=0, tariffs=(TariffSpec.model_validate(text).tariff(),))]


def kw_of(peaks: Iterable[Decimal], of: str) -> Decimal:
    """Of months' highest, a mean in whole W."""
    told = list(peaks)
    mean = (sum(told, Decimal(0)) / len(told)).quantize(Decimal("0.001"), ROUND_HALF_EVEN)
    return mean if of == "mean" else max(told)


def in_month(month: int, first: int = 1) -> set[dt.date]:
    return {dt.date(month // 100, month % 100, day) for day in range(first, len(days_of_month(month)) + 1)}


@pytest.mark.parametrize(("of", "zone"), [("highest", "Europe/London"), ("mean", "America/Bogota")])
def test_four_months_are_looked_at_and_the_fifth_before_no_more(of: str, zone: str) -> None:
    """Six months, billed one after the other; the highest of all is in the first."""
    months = [202603 + at for at in range(6)]
    values = np.random.default_rng(10).integers(0, 1_500, (190, 48)).astype(np.int32)
    values[20, 30] = 2_900  # on 19 March
    desk = desk_of(values, Calendar(zone), of_months(4, of))
    issued_us, peaks = FIRST_US + 200 * DAY_US, list[Decimal]()
    for number, month in enumerate(months, 1):
        peaks.append(peak_kw(values, zone, in_month(month)))
        days = len(days_of_month(month))
        one = desk.issue_bill(
            premises=HOME, month=month, number=number, supplied={ELECTRICITY: range(1, days + 1)}, issued_us=issued_us
        )
        kw = kw_of(peaks[-4:], of)
        (line,) = demand(one, month=month)
        assert (Decimal(line.demand_w) / 1_000, line.cost_upence * UPENCE) == (kw, due(kw, days))
    assert peaks[0] == Decimal("5.8") > max(peaks[1:])


@pytest.mark.parametrize("of", ["highest", "mean"])
def test_a_month_that_is_billed_late_or_corrected_changes_those_that_look_at_it(of: str) -> None:
    values = values_of()
    values[22, 30] = 1_900  # on 21 March
    desk = desk_of(values, lists=of_months(2, of))
    bills = [bill(desk, 1, range(1, 31), APRIL)]
    march_kw, april_kw = (peak_kw(values, "Europe/London", in_month(month)) for month in (MARCH, APRIL))
    assert charged(*bills, month=APRIL) == due(april_kw, 30)  # March is not billed: nobody is asked about it
    bills.append(bill(desk, 2, range(1, 32)))
    assert charged(*bills) == due(march_kw, 31)
    assert charged(*bills, month=APRIL) == due(kw_of((march_kw, april_kw), of), 30) > due(april_kw, 30)
    higher = known_now(desk, values, dt.date(2026, 3, 25), 2_222)
    bills.append(bill(desk, 3, range(1, 2), 202605))
    corrected = peak_kw(higher, "Europe/London", in_month(MARCH))
    assert corrected == Decimal("4.444")
    assert charged(*bills) == due(corrected, 31)
    assert charged(*bills, month=APRIL) == due(kw_of((corrected, april_kw), of), 30)
    ended_us = {ELECTRICITY: LONDON.day_start_us(days_of_month(MARCH)[10])}
    bills.append(bill(desk, 4, range(0), 202605, ended_us=ended_us))
    assert charged(*bills) == due(peak_kw(higher, "Europe/London", march(1, 10)), 10)
    assert charged(*bills, month=APRIL) == charged(*bills, month=202605) == 0


@pytest.mark.parametrize("of", ["highest", "mean"])
def test_a_tenant_is_not_charged_by_what_another_one_drew(of: str) -> None:
    values = values_of()
    values[5, 30] = 1_900  # on 4 March
    desk = desk_of(values, lists=of_months(12, of))
    first = bill(desk, 1, range(1, 12), account=1)
    second = [bill(desk, 2, range(12, 32), account=2), bill(desk, 3, range(1, 31), APRIL, account=2)]
    peaks = [peak_kw(values, "Europe/London", days) for days in (march(12), in_month(APRIL))]
    assert charged(first) == due(Decimal("3.8"), 11)
    assert charged(*second, month=APRIL) == due(kw_of(peaks, of), 30)


def test_a_mean_counts_each_month_with_the_least_of_the_contract() -> None:
    """March at 2.9 kW or so, April at the least: half of both, rounded half to even to a whole W."""
    values = values_of(highest=900)
    values[:33] = np.minimum(values[:33], 700)
    values[12, 3] = 1_450
    desk = desk_of(values, lists=of_months(2, "mean", "2.501"))
    bills = [bill(desk, 1, range(1, 32)), bill(desk, 2, range(1, 31), APRIL)]
    assert [line.demand_w for line in demand(bills[1], month=APRIL)] == [2_700]  # of 2,900 and 2,501: 2,700.5
    assert charged(bills[1], month=APRIL) == due(Decimal("2.7"), 30)


@pytest.mark.parametrize("of", ["highest", "mean"])
@pytest.mark.parametrize("fault", ["", "a millionth too much", "none", "of one month"])
def test_the_demand_of_several_months_is_audited(of: str, fault: str) -> None:
    values = values_of()
    values[22, 30] = 1_900
    desk = desk_of(values, lists=of_months(3, of))
    bills = [bill(desk, 1, range(1, 12)), bill(desk, 2, range(12, 32)), bill(desk, 3, range(1, 31), APRIL)]
    days = meter_days(values)
    if fault == "of one month":
        other = desk_of(values)
        bills = [bill(other, 1, range(1, 12)), bill(other, 2, range(12, 32)), bill(other, 3, range(1, 31), APRIL)]
    elif fault:
        (line,) = demand(bills[2], month=APRIL)
        lines = [one for each in bills[2].lines for one in ([each] if each is not line else PLANTED[fault](line))]
        bills[2] = replace(bills[2], lines=tuple(lines), total_upence=sum(one.cost_upence for one in lines))
    found = check_bills(bills, days, desk.customers.price_lists(), ZoneInfo("Europe/London"))
    assert found.is_right is (not fault), found.examples
    assert all("demand" in example for example in found.examples)


def test_price_lists_of_before_look_at_one_month() -> None:
    before = tariffs_text([HELD])
    assert '"demand":[13712300,2500]' in before and tariffs_of(before) == (HELD,)
    (several,) = of_months(12, "mean")
    told = tariffs_text(several.tariffs)
    assert '"demand":[13712300,2500,12,1]' in told and tariffs_of(told) == several.tariffs
    for months in (0, 13):
        with pytest.raises(ValueError, match="demand"):
            of_months(months, "mean")
        with pytest.raises(TariffError, match=r"of 1 \.\. 12 months"):
            replace(HELD, demand=DemandCharge(upence_per_kw_day=1, months=months))
