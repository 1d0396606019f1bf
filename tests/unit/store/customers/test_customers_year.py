"""A year of half-hours, billed and shown by the customer's calendar, against zoneinfo and decimal one half-hour at a time."""

import datetime as dt
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from scenarios.calendar import Calendar, days_of_month
from scenarios.domain import DAY_US, SLOT_US, TariffKind
from store.billing.records import Line, LineKind
from store.customers.desk import Desk
from store.customers.port import Preference
from store.customers.preferences import choose
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.rows import Readings
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, FIRST_PRICES, Book, PriceList, day_totals
from tests.support.days import day_start_us
from tests.support.delivered_year import delivered_days

SCHEMA = SCHEMAS["home_months"]
HOME = 5
ZONES = ("Europe/London", "Europe/Madrid", "Europe/Helsinki", "Atlantic/Reykjavik", "America/Bogota")
FIRST_DAY, DAYS = dt.date(2025, 12, 30), 370  # UTC days: the year 2026 in any zone, and a little more
UTC_START_US = (FIRST_DAY - dt.date(1970, 1, 1)).days * DAY_US
VALUES = np.random.default_rng(14).integers(0, 900, (DAYS, 48)).astype(np.int32)
PENCE = {  # a kWh, by tariff: at night, by day, in the evening
    TariffKind.FLAT: (Decimal("24.5"),) * 3,
    TariffKind.TIME_OF_USE: (Decimal(12), Decimal("25.5"), Decimal(36)),
    TariffKind.HALF_HOURLY: (Decimal("9.5"), Decimal(24), Decimal(41)),
}


def utc_us(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()) * 1_000_000


@cache
def price_lists(calendar: Calendar) -> tuple[PriceList, ...]:
    """New prices at a local midnight in summer, and in the middle of an evening; standing charges of their own."""
    instants = (0, day_start_us(202607, 1, calendar), utc_us("2026-10-25T00:30"), utc_us("2026-11-03T17:00"))
    return tuple(
        PriceList(
            version=number + 1,
            effective_us=instant_us,
            upence_per_wh=tuple(
                tuple(tuple(price + 100 * number for price in by_rate) for by_rate in one[:2]) + one[2:]
                for one in FIRST_PRICES.upence_per_wh
            ),
            standing_upence=(54_000_000 + number, 32_000_000, 0),
        )
        for number, instant_us in enumerate(instants)
    )


def pence_of(prices: tuple[PriceList, ...], kind: TariffKind, start_us: int) -> Decimal:
    """What a kWh costs in a half-hour; the bands are of UTC."""
    hour = Decimal(start_us % DAY_US) / (DAY_US // 24)
    night, day, evening = PENCE[kind]
    base = night if Decimal("0.5") <= hour < Decimal("7.5") else evening if 16 <= hour < 19 else day
    return base + Decimal("0.1") * sum(one.effective_us <= start_us for one in prices[1:])


@cache
def desk_of(zone: str, kind: TariffKind, views_zone: str) -> Desk:
    """The home's year on `kind`, but for a fortnight in spring over the change of the clocks, when it is on another.

    views_zone: by whose midnights the views divide UTC days.
    """
    calendar = Calendar(zone)
    customers, prices = MemoryCustomers(SCHEMA), price_lists(calendar)
    for one in prices:
        customers.publish(one, 0)
    other = TariffKind((kind + 1) % 3)
    customers.change_preference(
        HOME, choose(Preference.TARIFF, other, day_start_us(202603, 19, calendar) + 5, calendar)
    )
    customers.change_preference(HOME, choose(Preference.TARIFF, kind, day_start_us(202604, 3, calendar) + 5, calendar))
    desk = Desk(customers=customers, views=MemoryStore(SCHEMA), first_tariff=kind, calendar=calendar)
    views = desk.views
    assert isinstance(views, MemoryStore)
    views.book = Book(
        prices=prices,
        kind_of=lambda _, instants: np.array([desk.tariff(HOME, one) for one in instants.tolist()], np.uint8),
        calendar=Calendar(views_zone),
    )
    views.append(delivered_days(views.book, home=HOME, first_day_us=UTC_START_US, values_wh=VALUES))
    return desk


def tariff_on(day: dt.date, kind: TariffKind) -> TariffKind:
    """That of a local day: from the day after each choice on."""
    return TariffKind((kind + 1) % 3) if dt.date(2026, 3, 20) <= day < dt.date(2026, 4, 4) else kind


@cache
def told(zone: str, kind: TariffKind) -> dict[tuple[str, TariffKind, int], tuple[int, Decimal]]:
    """Local month, tariff, version -> Wh and pence, one half-hour after the other by the clock on the wall."""
    prices, zoneinfo = price_lists(Calendar(zone)), ZoneInfo(zone)
    sums: dict[tuple[str, TariffKind, int], tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    for at, wh in enumerate(VALUES.ravel().tolist()):
        start_us = UTC_START_US + at * SLOT_US
        local = dt.datetime.fromtimestamp(start_us // 1_000_000, zoneinfo)
        tariff = tariff_on(local.date(), kind)
        version = sum(one.effective_us <= start_us for one in prices)
        held_wh, held_pence = sums[f"{local:%Y%m}", tariff, version]
        sums[f"{local:%Y%m}", tariff, version] = (
            held_wh + wh,
            held_pence + wh * pence_of(prices, tariff, start_us) / 1_000,
        )
    return sums


def _pence_of_line(line: Line) -> Decimal:
    """The one price of an energy line [pence a kWh]: each line of a tariff of whole upence has one."""
    return PENCE[TariffKind(line.tariff)][line.rate] + Decimal("0.1") * (line.tariff_version - 1)


@pytest.mark.parametrize("views", ["of UTC", "of the home"])
@pytest.mark.parametrize("kind", TariffKind)
@pytest.mark.parametrize("zone", ZONES)
def test_bills_of_a_year_are_the_half_hours_of_local_months(zone: str, kind: TariffKind, views: str) -> None:
    desk = desk_of(zone, kind, "UTC" if views == "of UTC" else zone)
    expected = told(zone, kind)
    zoneinfo, numbers = ZoneInfo(zone), range(1, 13)
    for number in numbers:
        month = 202600 + number
        days = range(1, len(days_of_month(month)) + 1)
        bill = desk.issue_bill(
            premises=HOME,
            month=month,
            number=number,
            supplied={ELECTRICITY: days},
            issued_us=utc_us("2027-01-02T00:00"),
        )
        energy: dict[tuple[str, int, int], tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
        for line in bill.lines:
            if line.kind is LineKind.ENERGY:
                wh, upence = line.low_wh + line.standard_wh + line.peak_wh, line.cost_upence
                assert upence == wh * int(1_000 * _pence_of_line(line))
                held_wh, held_pence = energy[str(month), line.tariff, line.tariff_version]
                energy[str(month), line.tariff, line.tariff_version] = (
                    held_wh + wh,
                    held_pence + Decimal(upence) / 1_000_000,
                )
        assert energy == {key: one for key, one in expected.items() if key[0] == str(month)}
        standing = Decimal(0)
        for day in days:
            midnight = dt.datetime(2026, number, day, tzinfo=zoneinfo).timestamp() * 1_000_000
            standing += (
                54 + Decimal(sum(one.effective_us <= midnight for one in price_lists(Calendar(zone))) - 1) / 1_000_000
            )
        charged = sum(line.cost_upence for line in bill.lines if line.kind is LineKind.STANDING)
        assert Decimal(charged) / 1_000_000 == standing
        assert not [line for line in bill.lines if line.kind is LineKind.ADJUSTMENT]


@pytest.mark.parametrize("views", ["of UTC", "of the home"])
@pytest.mark.parametrize("kind", TariffKind)
@pytest.mark.parametrize("zone", ZONES)
def test_displays_show_the_price_of_each_half_hour_and_the_use_since_local_midnight(
    zone: str, kind: TariffKind, views: str
) -> None:
    """On both days of a clock change, and on the days around a price list and a tariff."""
    desk = desk_of(zone, kind, "UTC" if views == "of UTC" else zone)
    prices, zoneinfo = price_lists(Calendar(zone)), ZoneInfo(zone)
    flat = VALUES.ravel()
    for first in ("2026-03-28T20:00", "2026-06-30T18:00", "2026-10-24T20:00", "2026-11-03T16:00", "2026-03-19T18:00"):
        for at_us in range(utc_us(first), utc_us(first) + 32 * SLOT_US, SLOT_US):
            (shown,) = desk.display(HOME, (ELECTRICITY,), at_us + SLOT_US - 1)
            local = dt.datetime.fromtimestamp(at_us // 1_000_000, zoneinfo)
            tariff = desk.tariff(HOME, at_us)
            assert Decimal(shown.price.upence_per_wh) / 1_000 == pence_of(prices, tariff, at_us)
            midnight = int(local.replace(hour=0, minute=0, fold=0).timestamp()) * 1_000_000
            tomorrow = dt.datetime.combine(local.date() + dt.timedelta(days=1), dt.time(), zoneinfo).timestamp()
            slots = range((midnight - UTC_START_US) // SLOT_US, (int(tomorrow) * 1_000_000 - UTC_START_US) // SLOT_US)
            assert shown.today_wh == int(flat[slots.start : slots.stop].sum())  # the whole of it was read by then
            pence = sum(int(flat[slot]) * pence_of(prices, tariff, UTC_START_US + slot * SLOT_US) for slot in slots)
            assert Decimal(shown.today_upence) / 1_000_000 == Decimal(pence) / 1_000


@pytest.mark.parametrize("kind", TariffKind)
@pytest.mark.parametrize("zone", ZONES)
def test_the_views_of_a_year_tell_local_days(zone: str, kind: TariffKind) -> None:
    desk, prices, zoneinfo = desk_of(zone, kind, zone), price_lists(Calendar(zone)), ZoneInfo(zone)
    views = desk.views
    assert isinstance(views, MemoryStore)
    wh: dict[dt.date, int] = defaultdict(int)
    pence: dict[dt.date, Decimal] = defaultdict(Decimal)
    version: dict[dt.date, int] = {}
    for at, used in enumerate(VALUES.ravel().tolist()):
        start_us = UTC_START_US + at * SLOT_US
        day = dt.datetime.fromtimestamp(start_us // 1_000_000, zoneinfo).date()
        wh[day] += used
        pence[day] += used * pence_of(prices, tariff_on(day, kind), start_us) / 1_000
        version[day] = sum(one.effective_us <= start_us for one in prices)
    for month in range(1, 13):
        days = [day for day in wh if (day.year, day.month) == (2026, month)]
        used = {one.day: one.usage_wh for one in views.usage(HOME, ELECTRICITY, 202600 + month)}
        assert used == {day.day: wh[day] for day in days}
        billed = {
            one.day: (one.tariff_version, one.low_wh + one.standard_wh + one.peak_wh, Decimal(one.cost_upence) / 10**6)
            for one in views.billing(HOME, 202600 + month)
        }
        assert billed == {day.day: (version[day], wh[day], pence[day]) for day in days}
    noon = dt.datetime(2026, 7, 1, 12, tzinfo=zoneinfo)
    (today,) = views.today(HOME, int(noon.timestamp()) * 1_000_000)
    assert (today.day, today.low_wh + today.standard_wh + today.peak_wh) == (1, wh[noon.date()])


def test_a_correction_across_local_midnight_is_on_both_months_bills() -> None:
    """30 June 22:30 and 23:00 UTC in London are June's last half-hour and July's first."""
    desk = desk_of("Europe/London", TariffKind.FLAT, "UTC")
    views, home = desk.views, 6
    assert isinstance(views, MemoryStore)
    start_us = utc_us("2026-06-30T00:00")
    one, tiny = np.ones(1, np.int32), np.zeros(1, np.int8)
    first = Readings(
        mpxn=np.array([1_000_000_000_066]),
        premises=np.array([home]),
        fuel=tiny,
        interval_start_us=np.array([start_us]),
        values_wh=np.full((1, 48), 100, np.int32),
        register_wh=np.array([4_800]),
        day=day_totals(
            price_lists(desk.calendar),
            day_start_us=np.array([start_us]),
            values_wh=np.full((1, 48), 100, np.int32),
            slot_count=np.array([48]),
            kind=tiny.astype(np.uint8),
            fuel=tiny,
        ),
        received_at_us=np.array([start_us + DAY_US]),
        revision=0 * one,
        source=tiny,
        quality=tiny,
    )
    views.append(first)

    def bill(number: int, month: int) -> list[tuple[int, int, int]]:
        supplied = {ELECTRICITY: range(1, len(days_of_month(month)) + 1)}
        issued = desk.issue_bill(
            premises=home, month=month, number=number, supplied=supplied, issued_us=utc_us("2026-09-30T00:00")
        )
        return [
            (line.kind, line.month, line.standard_wh) for line in issued.lines if line.kind is not LineKind.STANDING
        ]

    assert bill(1, 202606) == [(LineKind.ENERGY, 202606, 4_600)]
    assert bill(2, 202607) == [(LineKind.ENERGY, 202607, 200)]
    for slot, wh in ((45, 93), (46, 80)):
        views.append_revision(
            replace(
                first,
                interval_start_us=np.array([start_us + slot * SLOT_US]),
                values_wh=np.full((1, 1), wh, np.int32),
                revision=one,
                quality=np.full(1, 2, np.int8),
                day=None,
            )
        )
    views.refold(home, ELECTRICITY, start_us)
    assert bill(3, 202608) == [(LineKind.ADJUSTMENT, 202606, -7), (LineKind.ADJUSTMENT, 202607, -20)]
