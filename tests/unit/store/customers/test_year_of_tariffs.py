"""A home's bills and displays over a year of half-hours, by every kind of tariff: against zoneinfo and decimal.

Each tariff is written as in a scenario, and read a second time here, from the same text, by the clock on the wall.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Any, cast
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from scenarios.calendar import Calendar, days_of_month
from scenarios.domain import DAY_US, SLOT_US
from scenarios.tariffs import Tariff, with_series
from scenarios.tariffs.caps import Cap, regional
from scenarios.tariffs.file import TariffSpec
from store.billing.invoice import invoice
from store.billing.records import LineKind
from store.customers.desk import Desk
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.ports import IntervalRun
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, EXPORT, Book, PriceList, day_totals
from tests.support.delivered_year import delivered_days

SCHEMA = SCHEMAS["home_months"]
HOME = 5
ZONES = ("Europe/London", "Europe/Madrid", "Europe/Helsinki", "Atlantic/Reykjavik")
FIRST_DAY, DAYS = dt.date(2025, 12, 30), 370  # UTC days: the year 2026 in any zone, and a little more
UTC_START_US = (FIRST_DAY - dt.date(1970, 1, 1)).days * DAY_US
VALUES = np.random.default_rng(15).integers(0, 900, (DAYS, 48)).astype(np.int32)
SECOND_CAP = dt.date(2026, 7, 15)
CAPS = (
    Cap(region="north", from_day=20_000, npence_per_wh=(25_500_000, None), standing_upence=(100_000_000, None)),
    Cap(region="north", from_day=20_649, npence_per_wh=(9_000_100, None), standing_upence=(77_777_700, None)),
    Cap(region="south", from_day=20_000, npence_per_wh=(5_000_000, 1), standing_upence=(0, 0)),
)
CHRISTMAS, BOXING_DAY = dt.date(2026, 12, 25), dt.date(2026, 12, 26)
UPENCE = Decimal("0.000001")

Told = Decimal | tuple[Decimal, ...]
Pence = Callable[[dt.datetime, dt.datetime], Told]  # wall clock, UTC -> pence a kWh, of each block where there are some
BLOCKS = (0, 6_500, 14_250)  # where blocks begin, of tariffs with blocks [Wh a local day]


def _hours(at: dt.datetime) -> float:
    return at.hour + at.minute / 60


def _saver(wall: dt.datetime, _: dt.datetime) -> Decimal:
    return Decimal("9.8765") if _hours(wall) >= 23.5 or _hours(wall) < 5.5 else Decimal("26.4159")


def _meter_clock(_: dt.datetime, utc: dt.datetime) -> Decimal:
    return Decimal("11.11") if 0.5 <= _hours(utc) < 7.5 else Decimal("27.3")


def _seasons(wall: dt.datetime, _: dt.datetime) -> Decimal:
    if wall.date() in (CHRISTMAS, BOXING_DAY):
        return Decimal("7.7777")
    if wall.weekday() >= 5:
        return Decimal("20.0001")
    is_winter = wall.month in (11, 12, 1, 2, 3)
    if 16 <= _hours(wall) < 19:
        return Decimal("41.5") if is_winter else Decimal("33.25")
    return Decimal("15.4321") if 1 <= _hours(wall) < 4 else Decimal("24.9")


def _under_caps(wall: dt.datetime, utc: dt.datetime) -> Decimal:
    return min(cast(Decimal, _saver(wall, utc)), Decimal("25.5") if wall.date() < SECOND_CAP else Decimal("9.0001"))


def standing(name: str, day: dt.date) -> Decimal:
    """Under caps it has 4.6 kW at 10.5 p beside it."""
    if name != "under caps of its region":
        return Decimal("54.321")
    return min(
        Decimal("54.321") + Decimal("4.6") * Decimal("10.5"), Decimal(100) if day < SECOND_CAP else Decimal("77.7777")
    )


def _by_blocks(wall: dt.datetime, _: dt.datetime) -> tuple[Decimal, ...]:
    """In each block in turn."""
    if _hours(wall) >= 23.5 or _hours(wall) < 5.5:
        return Decimal("9.8765"), Decimal("9.8765"), Decimal("4.4444")
    return Decimal("26.4159"), Decimal("31.5053"), Decimal("33.3331")


def _series(wall: dt.datetime, utc: dt.datetime) -> Decimal:
    """A price for each half-hour of each day, by when it begins; below zero now and then.

    Of the 17th only the morning is published; from noon on the prices of the 16th stay in force.
    """
    if _is_in_part(wall):
        wall = wall.replace(day=16)
        utc = wall.astimezone(dt.UTC)
    number = int(utc.timestamp()) // 1_800
    return Decimal(number * 7_919 % 500_000 - 40_000) / 10_000 if wall.date().day != 13 else Decimal(0)


TARIFFS: Mapping[str, tuple[dict[str, Any], Pence]] = {
    "one rate": ({"rates": {"all": {"electricity": "24.6789"}}}, lambda *_: Decimal("24.6789")),
    "by the wall clock": (
        {
            "rates": {"night": {"electricity": "9.8765", "register": "low"}, "day": {"electricity": "26.4159"}},
            "bands": [{"rate": "night", "from": "23:30", "to": "05:30"}],
            "otherwise": "day",
        },
        _saver,
    ),
    "by UTC": (
        {
            "clock": "utc",
            "rates": {"night": {"electricity": "11.11", "register": "low"}, "day": {"electricity": "27.3"}},
            "bands": [{"rate": "night", "from": "00:30", "to": "07:30"}],
            "otherwise": "day",
        },
        _meter_clock,
    ),
    "seasons, weekends and holidays": (
        {
            "rates": {
                "feast": {"electricity": "7.7777", "register": "low"},
                "weekend": {"electricity": "20.0001"},
                "winter peak": {"electricity": "41.5", "register": "peak"},
                "summer peak": {"electricity": "33.25", "register": "peak"},
                "small hours": {"electricity": "15.4321", "register": "low"},
                "day": {"electricity": "24.9"},
            },
            "holidays": [CHRISTMAS, BOXING_DAY],
            "bands": [
                {"rate": "feast", "from": "00:00", "to": "24:00", "days": ["holiday"]},
                {"rate": "weekend", "from": "00:00", "to": "24:00", "days": ["weekend"]},
                {
                    "rate": "winter peak",
                    "from": "16:00",
                    "to": "19:00",
                    "days": ["weekday"],
                    "months": [11, 12, 1, 2, 3],
                },
                {
                    "rate": "summer peak",
                    "from": "16:00",
                    "to": "19:00",
                    "days": ["weekday"],
                    "months": [4, 5, 6, 7, 8, 9, 10],
                },
                {"rate": "small hours", "from": "01:00", "to": "04:00", "days": ["weekday"]},
            ],
            "otherwise": "day",
        },
        _seasons,
    ),
    "blocks of a day": (
        {
            "rates": {"night": {"electricity": "9.8765", "register": "low"}, "day": {"electricity": "26.4159"}},
            "bands": [{"rate": "night", "from": "23:30", "to": "05:30"}],
            "otherwise": "day",
            "blocks": [
                {"fuel": "electricity", "above_kwh": "6.5", "rates": {"day": "31.5053"}},
                {"fuel": "electricity", "above_kwh": "14.25", "rates": {"night": "4.4444", "day": "33.3331"}},
            ],
        },
        _by_blocks,
    ),
    "under caps of its region": (
        {
            "rates": {"night": {"electricity": "9.8765", "register": "low"}, "day": {"electricity": "26.4159"}},
            "bands": [{"rate": "night", "from": "23:30", "to": "05:30"}],
            "otherwise": "day",
            "capacity": {"contracted_kw": "4.6", "pence_per_kw_day": "10.5"},
        },
        _under_caps,
    ),
    "a price each half-hour": ({"rates": {"until the first series": {"electricity": "20"}}}, _series),
}


def _lists(name: str, zone: str) -> tuple[PriceList, ...]:
    """One list, or one a local day: of the 13th of a month no series is published but zeros."""
    text, pence = TARIFFS[name]
    held = TariffSpec.model_validate({"name": name, "share": 1.0, **text}).tariff()
    held = replace(held, standing_upence=(held.standing_upence[0] + 54_321_000, 0, 0))
    if name == "under caps of its region":
        days = (0, (SECOND_CAP - dt.date(1970, 1, 1)).days)
        sold = [regional([held], ["north", "south"], CAPS, day or 20_448) for day in days]
        starts_us = [0, Calendar(zone).day_start_us(days[1])]
        return tuple(PriceList(version=at + 1, effective_us=starts_us[at], tariffs=one) for at, one in enumerate(sold))
    if name != "a price each half-hour":
        return (PriceList(version=1, effective_us=0, tariffs=(held,)),)
    calendar = Calendar(zone)
    first = calendar.day_of(UTC_START_US)
    lists, last = [], None
    for number in range(DAYS + 1):
        last = _published(held, first + number, calendar, pence, last)
        effective_us = calendar.day_start_us(first + number) if number else 0
        lists.append(PriceList(version=number + 1, effective_us=effective_us, tariffs=(last,)))
    return tuple(lists)


def _published(held: Tariff, day: int, calendar: Calendar, pence: Pence, last: Tariff | None) -> Tariff:
    starts = range(calendar.day_start_us(day), calendar.day_start_us(day + 1), SLOT_US)
    clocks = [_clocks(start_us, ZoneInfo(calendar.zone)) for start_us in starts]
    prices = [str(pence(*one)) for one in clocks if not _is_in_part(one[0])]
    is_in_part = len(prices) < len(clocks)
    return with_series(held, day, {"electricity": [*prices, "..."] if is_in_part else prices}, calendar, last)


def _is_in_part(wall: dt.datetime) -> bool:
    """Is it an afternoon of a 17th, of which only the morning is published?"""
    return wall.day == 17 and wall.hour >= 12


def _clocks(start_us: int, zone: ZoneInfo) -> tuple[dt.datetime, dt.datetime]:
    utc = dt.datetime.fromtimestamp(start_us // 1_000_000, dt.UTC)
    return utc.astimezone(zone), utc


class Published(MemoryCustomers):
    """Customers of a book that is known: a list a day takes long to be published and read one after the other."""

    def __init__(self, lists: tuple[PriceList, ...]) -> None:
        super().__init__(SCHEMA)
        self._lists = lists

    def price_lists(self) -> tuple[PriceList, ...]:
        return self._lists


@cache
def desk_of(name: str, zone: str) -> Desk:
    calendar, lists = Calendar(zone), _lists(name, zone)
    customers, views = Published(lists), MemoryStore(SCHEMA)
    views.book = Book(prices=lists, calendar=calendar)  # of homes that are all on its first tariff
    views.append(delivered_days(views.book, home=HOME, first_day_us=UTC_START_US, values_wh=VALUES))
    return Desk(customers=customers, views=views, first_tariff=0, calendar=calendar)


def pieces(told: Told, used_wh: int, wh: int) -> list[tuple[Decimal, int, Decimal]]:
    """(pence a kWh, Wh, pence) of a half-hour, by the blocks that it is in. used_wh: of the local day before it."""
    of_blocks = told if isinstance(told, tuple) else (told,)
    found = []
    for price, begins, ends in zip(of_blocks, BLOCKS, (*BLOCKS[1 : len(of_blocks)], 10**9), strict=False):
        within = max(min(used_wh + wh, ends) - max(used_wh, begins), 0)
        if within:
            found.append((price, within, (within * price / 1_000).quantize(UPENCE, ROUND_HALF_EVEN)))
    return found


@cache
def halves(zone: str) -> list[tuple[dt.datetime, dt.datetime, int, int]]:
    """Of each half-hour: wall clock, UTC, what was used of its local day before it, and what in it [Wh]."""
    zoneinfo, used, told = ZoneInfo(zone), defaultdict[dt.date, int](int), []
    for at, wh in enumerate(VALUES.ravel().tolist()):
        wall, utc = _clocks(UTC_START_US + at * SLOT_US, zoneinfo)
        told.append((wall, utc, used[wall.date()], wh))
        used[wall.date()] += wh
    return told


@pytest.mark.parametrize("name", TARIFFS)
@pytest.mark.parametrize("zone", ZONES)
def test_bills_of_a_year_are_the_half_hours_of_local_months(zone: str, name: str) -> None:
    """Their lines are those of each price, of each day where there is a price each half-hour."""
    desk, pence = desk_of(name, zone), TARIFFS[name][1]
    due: dict[int, dict[Decimal, tuple[int, Decimal]]] = defaultdict(dict)
    for wall, utc, before_wh, wh in halves(zone):
        of_month = due[wall.year * 100 + wall.month]
        for price, within, charged in pieces(pence(wall, utc), before_wh, wh):
            of_line = Decimal(wall.day) if name == "a price each half-hour" and wall.day != 13 else price
            held_wh, held_pence = of_month.get(of_line, (0, Decimal(0)))
            of_month[of_line] = held_wh + within, held_pence + charged
    for number in range(1, 13):
        month = 202600 + number
        days = len(days_of_month(month))
        bill = desk.issue_bill(
            premises=HOME,
            month=month,
            number=number,
            supplied={ELECTRICITY: range(1, days + 1)},
            issued_us=UTC_START_US + (DAYS + 1) * DAY_US,
        )
        (group,) = invoice(bill, desk.customers.price_lists()).groups
        energy = [one for one in group.lines if one.line.kind is LineKind.ENERGY]
        told: dict[Decimal, tuple[int, Decimal]] = {}
        for at, one in enumerate(energy, 1):  # of a price each half-hour a line is of a day, in their order
            of_line = Decimal(at) if one.npence_per_wh is None else Decimal(one.npence_per_wh) / 10**6
            held_wh, held_pence = told.get(of_line, (0, Decimal(0)))  # two blocks may have one price
            told[of_line] = held_wh + one.wh, held_pence + one.cost_upence * UPENCE
        assert told == due[month]
        counts = {one.price_count for one in energy}
        assert counts <= ({1, 46, 47, 48, 49, 50} if name == "a price each half-hour" else {1})
        assert Decimal(bill.total_upence) * UPENCE == sum(one for _, one in told.values()) + sum(
            standing(name, dt.date(2026, number, day)) for day in range(1, days + 1)
        )
        assert len(energy) == len({(one.rate_name, one.block, one.line.tariff_version) for one in energy})


@pytest.mark.parametrize("name", ["a price each half-hour", "blocks of a day", "by UTC"])
def test_a_day_is_itemised_by_half_hours_that_add_up_to_its_lines(name: str) -> None:
    """What a bill has a line of for 48 prices. On days of 46, 48 and 50 half-hours, and one that was published in part."""
    zone, pence = "Europe/London", TARIFFS[name][1]
    desk = desk_of(name, zone)
    for day, count in (("2026-03-29", 46), ("2026-07-17", 48), ("2026-10-25", 50)):
        date = dt.date.fromisoformat(day)
        items = desk.itemised_day(HOME, ELECTRICITY, (date - dt.date(1970, 1, 1)).days)
        due = [
            (int(utc.timestamp()) * 10**6, *piece)
            for wall, utc, before_wh, wh in halves(zone)
            if wall.date() == date
            for piece in pieces(pence(wall, utc), before_wh, wh)
        ]
        assert len({one.start_us for one in items}) == count
        assert [
            (one.start_us, Decimal(one.npence_per_wh) / 10**6, one.wh, one.cost_upence * UPENCE)
            for one in items
            if one.wh  # a half-hour in which nothing was used has its price, too
        ] == due


@pytest.mark.parametrize("name", TARIFFS)
@pytest.mark.parametrize("zone", ZONES)
def test_displays_show_each_half_hour_of_both_clock_changes(zone: str, name: str) -> None:
    desk, pence = desk_of(name, zone), TARIFFS[name][1]
    for first in ("2026-03-28T20:00", "2026-10-24T20:00", "2026-06-30T18:00", "2026-07-17T00:00", "2026-12-24T20:00"):
        begins_us = int(dt.datetime.fromisoformat(first).replace(tzinfo=dt.UTC).timestamp()) * 1_000_000
        for start_us in range(begins_us, begins_us + 60 * SLOT_US, SLOT_US):
            (shown,) = desk.display(HOME, (ELECTRICITY,), start_us + 1)
            wall, utc, before_wh, _ = halves(zone)[(start_us - UTC_START_US) // SLOT_US]
            ((price, _, _),) = pieces(pence(wall, utc), before_wh, 1)
            assert Decimal(shown.price.npence_per_wh) / 10**6 == price
            assert shown.price.tariff.removesuffix(", north") == name
            assert Decimal(shown.standing_upence) * UPENCE == standing(name, wall.date())
            assert shown.price.is_carried_on == (name == "a price each half-hour" and _is_in_part(wall))


def test_a_day_without_a_series_is_told_on_the_display() -> None:
    calendar = Calendar("Europe/London")
    held = TariffSpec.model_validate({"name": "agile", "share": 1.0, "rates": {"x": {"electricity": "20"}}}).tariff()
    friday = (dt.date(2026, 7, 3) - dt.date(1970, 1, 1)).days
    series = with_series(held, friday, {"electricity": [str(10 + at) for at in range(48)]}, calendar)
    customers = MemoryCustomers(SCHEMA)
    customers.publish(PriceList(version=1, effective_us=0, tariffs=(held,)), 0)
    customers.publish(PriceList(version=2, effective_us=calendar.day_start_us(friday), tariffs=(series,)), 0)
    desk = Desk(customers=customers, views=MemoryStore(SCHEMA), first_tariff=0, calendar=calendar)
    for day, is_carried_on in ((friday, False), (friday + 1, True), (friday + 40, True)):
        (shown,) = desk.display(HOME, (ELECTRICITY,), calendar.day_start_us(day) + 3 * SLOT_US)
        assert (shown.price.rate_name, shown.price.npence_per_wh) == ("01:30", 13_000_000)
        assert (shown.price.series_day, shown.price.is_carried_on) == (friday, is_carried_on)


def test_a_display_reads_half_hours_only_where_its_own_tariff_has_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    calendar = Calendar("Europe/London")
    plain, blocks = (
        TariffSpec.model_validate(
            {"name": name, "share": 0.5, "rates": {"all": {"electricity": "20"}}, "blocks": of_blocks}
        ).tariff()
        for name, of_blocks in (
            ("plain", []),
            ("blocks", [{"fuel": "electricity", "above_kwh": "1", "rates": {"all": "30"}}]),
        )
    )
    lists = (PriceList(version=1, effective_us=0, tariffs=(plain, blocks)),)
    views = MemoryStore(SCHEMA, Book(prices=lists, calendar=calendar))
    views.append(delivered_days(views.book, home=HOME, first_day_us=UTC_START_US, values_wh=VALUES[:3]))
    asked: list[int] = []
    intervals = MemoryStore.intervals

    def counted(self: MemoryStore, premises: int, fuel: int, day_start_us: int) -> list[IntervalRun]:
        asked.append(day_start_us)
        return intervals(self, premises, fuel, day_start_us)

    monkeypatch.setattr(MemoryStore, "intervals", counted)
    at_us, used_wh = UTC_START_US + DAY_US + 30 * SLOT_US, int(VALUES[1].sum())
    for code, cost_upence in ((0, used_wh * 20_000), (1, 1_000 * 20_000 + (used_wh - 1_000) * 30_000)):
        asked.clear()
        desk = Desk(customers=Published(lists), views=views, first_tariff=code, calendar=calendar)
        (shown,) = desk.display(HOME, (ELECTRICITY,), at_us)
        assert (shown.today_wh, shown.today_upence) == (used_wh, cost_upence)
        assert bool(asked) == (code == 1)


@pytest.mark.parametrize("zone", ZONES)
def test_export_of_a_year_is_paid_by_its_own_prices(zone: str) -> None:
    """By the wall clock, each half-hour by itself; an export meter has no standing charge."""
    text, _ = TARIFFS["by the wall clock"]
    rates = {
        "night": {"electricity": "9.8765", "export": "4.1234", "register": "low"},
        "day": {"electricity": "26.4159", "export": "15.4321"},
    }
    held = TariffSpec.model_validate({"name": "both ways", "share": 1.0, **text, "rates": rates}).tariff()
    lists, calendar = (PriceList(version=1, effective_us=0, tariffs=(held,)),), Calendar(zone)
    views = MemoryStore(SCHEMA, Book(prices=lists, calendar=calendar))
    views.append(delivered_days(views.book, home=HOME, first_day_us=UTC_START_US, values_wh=VALUES, fuel=EXPORT))
    desk = Desk(customers=Published(lists), views=views, first_tariff=0, calendar=calendar)
    due: dict[int, Decimal] = defaultdict(Decimal)
    for wall, utc, _, wh in halves(zone):
        is_night = cast(Decimal, _saver(wall, utc)) == Decimal("9.8765")
        paid = wh * (Decimal("4.1234") if is_night else Decimal("15.4321")) / 1_000
        due[wall.year * 100 + wall.month] += paid.quantize(UPENCE, ROUND_HALF_EVEN)
    for number in range(1, 13):
        month = 202600 + number
        bill = desk.issue_bill(
            premises=HOME,
            month=month,
            number=number,
            supplied={EXPORT: range(1, len(days_of_month(month)) + 1)},
            issued_us=UTC_START_US + (DAYS + 1) * DAY_US,
        )
        assert Decimal(-bill.total_upence) * UPENCE == due[month]


def test_export_is_paid_by_its_own_prices() -> None:
    (prices,) = _lists("by the wall clock", "Europe/London")
    rates = tuple(
        replace(rate, npence_per_wh=(*rate.npence_per_wh[:2], -4_123_456)) for rate in prices.tariffs[0].rates
    )
    totals = day_totals(
        (replace(prices, tariffs=(replace(prices.tariffs[0], rates=rates),)),),
        day_start_us=np.array([UTC_START_US]),
        values_wh=np.full((1, 48), 3, np.int32),
        slot_count=np.array([48]),
        kind=np.zeros(1, np.uint8),
        fuel=np.array([EXPORT], np.int8),
    )
    assert totals.cost_upence.tolist() == [48 * -12_370]  # 3 Wh at 4,123.456 are 12,370.368, each half-hour by itself
