"""A market of quarter-hours in the store: days of 92, 96 and 100, each with its price, against zoneinfo and decimal.

Two local weeks in Vienna, one around each change of the clocks, with prices for each day; one home has bands.
"""

import datetime as dt
from collections import defaultdict
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, SettlementRunCode, mpan_of
from scenarios.tariffs import Band, Rate, Register, Tariff, TariffError, rates_of_day, with_series
from store.billing.prepayment import FriendlyHours, PrepaymentTerms, TopUp, prepaid_account
from store.billing.records import LineKind
from store.customers.desk import Desk
from store.ingest import ingest
from store.ingest.known import Known
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.parsing import Delivery, NumberedHomes
from store.readings.across import Projection
from store.readings.projector import Projector, read_settlement
from store.readings.summarise import completeness, project_completeness
from store.readings.verify import folded_views
from store.rejections import Reason, Refused
from store.rows import month_of_us
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, Book, PriceList, price_at
from tests.support.delivered_year import delivered_days

SCHEMA = SCHEMAS["home_months"]
VIENNA = Calendar("Europe/Vienna", 4)
ZONE = ZoneInfo("Europe/Vienna")
SLOT_US = 900_000_000
SPRING, AUTUMN = dt.date(2026, 3, 29), dt.date(2026, 10, 25)
COUNTS = {SPRING: 92, AUTUMN: 100}
DAYS = 6  # UTC days: the change of the clocks is on the fourth
SPOT, BANDED = 0, 1  # homes, and the codes of their tariffs
UPENCE = Decimal(1)


def number_of(day: dt.date) -> int:
    return (day - dt.date(1970, 1, 1)).days


def start_us_of(change: dt.date) -> int:
    return (number_of(change) - 3) * DAY_US


@cache
def values_of(change: dt.date) -> Any:
    return np.random.default_rng(number_of(change)).integers(0, 700, (DAYS, 96)).astype(np.int32)


def local_of(at_us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_us // 1_000_000, ZONE)


def midnight_us(day: dt.date) -> int:
    return int(dt.datetime.combine(day, dt.time(), ZONE).timestamp()) * 1_000_000


def spot_pence(day: dt.date, ordinal: int) -> str:
    """The price of a day's `ordinal`-th quarter-hour; some are below zero."""
    return f"{(number_of(day) * 37 + ordinal * 7_919) % 4_000 / 100 - 3:.4f}"


def pence_of(home: int, at_us: int) -> Decimal:
    """What a kWh costs in the quarter-hour that begins at an instant, by the clock on the wall."""
    local = local_of(at_us)
    if home == SPOT:
        return Decimal(spot_pence(local.date(), (at_us - midnight_us(local.date())) // SLOT_US))
    hour = Decimal(local.hour) + Decimal(local.minute) / 60
    return Decimal("9.8765") if hour >= Decimal("23.5") or hour < Decimal("5.5") else Decimal("29.1234")


def banded() -> Tariff:
    return Tariff(
        name="night saver",
        rates=(
            Rate(name="night", register=Register.LOW, npence_per_wh=(9_876_500, 6_000_000, -1_000_000)),
            Rate(name="day", register=Register.STANDARD, npence_per_wh=(29_123_400, 6_000_000, -1_000_000)),
        ),
        bands=(Band(rate=0, first_slot=47, end_slot=11),),
        otherwise=1,
        standing_upence=(54_000_000, 0, 0),
    )


@cache
def book_of(change: dt.date) -> Book:
    plain = Tariff(
        name="spot",
        rates=(Rate(name="all", register=Register.STANDARD, npence_per_wh=(20_000_000, 6_000_000, -1_000_000)),),
        otherwise=0,
        standing_upence=(54_000_000, 0, 0),
    )
    lists = []
    first = local_of(start_us_of(change)).date()
    for version in range(1, DAYS + 2):
        day = first + dt.timedelta(days=version - 1)
        count = COUNTS.get(day, 96)
        told = {"electricity": [spot_pence(day, at) for at in range(count)]}
        spot = with_series(plain, number_of(day), told, VIENNA, plain)
        effective_us = 0 if version == 1 else midnight_us(day)
        lists.append(PriceList(version=version, effective_us=effective_us, tariffs=(spot, banded())))
    return Book(prices=lists, kind_of=lambda premises, _: premises.astype(np.uint8), calendar=VIENNA)


@cache
def store_of(change: dt.date) -> MemoryStore:
    """Both homes' days: the first delivered day by day, the second quarter-hour by quarter-hour."""
    store = MemoryStore(SCHEMA, book_of(change))
    for home in (SPOT, BANDED):
        store.append(
            delivered_days(store.book, home=home, first_day_us=start_us_of(change), values_wh=values_of(change))
        )
    return store


def cost_upence(home: int, at_us: int, wh: int) -> int:
    return int((wh * pence_of(home, at_us) * 1_000).quantize(UPENCE, ROUND_HALF_EVEN))


def by_local_day(change: dt.date, home: int) -> tuple[dict[dt.date, int], dict[dt.date, int], dict[dt.date, int]]:
    """Local day -> quarter-hours, Wh and upence, one after the other by the clock on the wall."""
    counts: dict[dt.date, int] = defaultdict(int)
    used, cost = counts.copy(), counts.copy()
    for at, wh in enumerate(values_of(change).ravel().tolist()):
        at_us = start_us_of(change) + at * SLOT_US
        day = local_of(at_us).date()
        counts[day] += 1
        used[day] = used.get(day, 0) + wh
        cost[day] = cost.get(day, 0) + cost_upence(home, at_us, wh)
    return counts, used, cost


@pytest.mark.parametrize("home", [SPOT, BANDED])
@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_usage_and_billing_are_those_of_local_days_of_92_96_and_100_quarter_hours(change: dt.date, home: int) -> None:
    store = store_of(change)
    counts, used, cost = by_local_day(change, home)
    assert counts[change] == COUNTS[change]
    told = {one.day: one.usage_wh for month in months_of(used) for one in store.usage(home, ELECTRICITY, month)}
    assert told == {day.day: wh for day, wh in used.items()}
    billed = {one.day: one.cost_upence for month in months_of(used) for one in store.billing(home, month)}
    assert billed == {day.day: upence for day, upence in cost.items()}
    assert [list(store.verify(view)) for view in folded_views(SCHEMA)] == [[], [], [], []]


def months_of(days: dict[dt.date, int]) -> list[int]:
    return sorted({day.year * 100 + day.month for day in days})


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_a_day_pushed_by_the_quarter_hour_comes_to_the_same_as_an_upload_of_it(change: dt.date) -> None:
    pushed = MemoryStore(SCHEMA, book_of(change))
    start_us, values = start_us_of(change), values_of(change)
    known = Known(meters=NumberedHomes(count=2), book=pushed.book, exchanges_us={})
    register = 5_000_000
    for at, wh in enumerate(values.ravel()[3 * 96 : 4 * 96].tolist()):
        register += wh
        row = delivery([[wh]], start_us=start_us + (3 * 96 + at) * SLOT_US, register=register)
        assert ingest(pushed, row, known).rejected == []
    upload = MemoryStore(SCHEMA, book_of(change))
    whole = delivery([values[3].tolist()], start_us=start_us + 3 * DAY_US, register=register)
    assert ingest(upload, whole, known).rejected == []
    for month in {month_of_us(start_us + 3 * DAY_US), month_of_us(start_us + 4 * DAY_US)}:
        assert pushed.billing(SPOT, month) == upload.billing(SPOT, month)
        assert pushed.usage(SPOT, ELECTRICITY, month) == upload.usage(SPOT, ELECTRICITY, month)
    assert [list(pushed.verify(view)) for view in folded_views(SCHEMA)] == [[], [], [], []]


def delivery(values_wh: list[list[Any]], *, start_us: int, register: int = 5_000_000) -> Delivery:
    """A row of home 0."""
    return Delivery(
        slot_count=len(values_wh[0]),
        mpxn=mpan_of(np.zeros(1, np.int64)).tolist(),
        interval_start_us=[start_us],
        values_wh=values_wh,
        register_wh=[register],
        revision=[0],
        source=[0],
        quality=[0],
        received_at_us=np.array([start_us + 2 * DAY_US]),
    )


@pytest.mark.parametrize("home", [SPOT, BANDED])
@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_displays_show_each_quarter_hours_own_price_and_the_use_since_local_midnight(
    change: dt.date, home: int
) -> None:
    desk = desk_of(change, home)
    _, used, cost = by_local_day(change, home)
    first_us, end_us = midnight_us(change), midnight_us(change + dt.timedelta(days=1))
    for at_us in range(first_us, end_us, SLOT_US):
        (shown,) = desk.display(home, (ELECTRICITY,), at_us + SLOT_US - 1)
        assert Decimal(shown.price.npence_per_wh) / 1_000_000 == pence_of(home, at_us), local_of(at_us)
        assert (shown.today_wh, shown.today_upence) == (used[change], cost[change])  # the whole of it was read by then


def desk_of(change: dt.date, home: int) -> Desk:
    customers = MemoryCustomers(SCHEMA, VIENNA)
    for one in book_of(change).prices:
        customers.publish(one, 0)
    return Desk(customers=customers, views=store_of(change), first_tariff=home, calendar=VIENNA)


@pytest.mark.parametrize("home", [SPOT, BANDED])
@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_a_bill_adds_up_to_its_quarter_hours(change: dt.date, home: int) -> None:
    """By line too: of bands each line has one price, with a day of which supply ended before its last quarter-hours."""
    _, used, cost = by_local_day(change, home)
    month = change.year * 100 + change.month
    days = [day for day in used if day.month == change.month and day <= change]
    bill = desk_of(change, home).issue_bill(
        premises=home,
        month=month,
        number=1,
        supplied={ELECTRICITY: range(days[0].day, days[-1].day + 1)},
        issued_us=midnight_us(change + dt.timedelta(days=40)),
    )
    energy = [line for line in bill.lines if line.kind is LineKind.ENERGY]
    assert sum(line.low_wh + line.standard_wh + line.peak_wh for line in energy) == sum(used[day] for day in days)
    assert sum(line.cost_upence for line in energy) == sum(cost[day] for day in days)
    by_band: dict[int, int] = defaultdict(int)
    for line in energy:
        by_band[line.rate] += line.low_wh + line.standard_wh
    if home == BANDED:
        night = sum(
            wh
            for at, wh in enumerate(values_of(change).ravel().tolist())
            if local_of(start_us_of(change) + at * SLOT_US).date() in days
            and pence_of(home, start_us_of(change) + at * SLOT_US) == Decimal("9.8765")
        )
        assert by_band == {0: night, 1: sum(used[day] for day in days) - night}


@pytest.mark.parametrize(
    ("values", "shift_us", "reason"),
    [
        ([[100]], SLOT_US, None),  # begins within a half-hour
        ([[100] * 96], 0, None),
        ([[100] * 97], 0, Reason.WRONG_SHAPE),
        ([[100] * 2], 95 * SLOT_US, Reason.MISALIGNED),  # goes on into the next day
        ([[100]], SLOT_US // 2, Reason.MISALIGNED),
        ([[19_000]], 0, None),
        ([[19_001]], 0, Reason.IMPLAUSIBLE),  # half of what a fuse lets through in a half-hour
    ],
)
def test_a_delivery_of_quarter_hours_is_judged_by_their_length(
    values: list[list[int]], shift_us: int, reason: Reason | None
) -> None:
    store = MemoryStore(SCHEMA, book_of(SPRING))
    known = Known(meters=NumberedHomes(count=2), book=store.book, exchanges_us={})
    row = delivery(values, start_us=start_us_of(SPRING) + shift_us)
    assert [one.reason for one in ingest(store, row, known).rejected] == ([] if reason is None else [reason])


def test_a_register_that_rose_by_more_than_the_quarter_hour_lets_through_is_in_doubt() -> None:
    store = MemoryStore(SCHEMA, book_of(SPRING))
    known = Known(meters=NumberedHomes(count=2), book=store.book, exchanges_us={})
    start_us = start_us_of(SPRING)
    ingest(store, delivery([[0]], start_us=start_us, register=1_000_000), known)
    for rise, is_good in ((19_002, False), (18_999, True)):
        row = delivery([[18_999]], start_us=start_us + SLOT_US, register=1_000_000 + rise)
        assert (len(ingest(store, row, known).without_register.mpxn) == 0) is is_good


@pytest.mark.parametrize("change", [SPRING, AUTUMN])
def test_settlement_and_completeness_count_the_quarter_hours_of_the_day(change: dt.date) -> None:
    store = MemoryStore(SCHEMA, book_of(change))
    start_us, values = start_us_of(change), values_of(change)
    projector = Projector(
        store, Projection(region_of=lambda homes: np.zeros(len(homes), np.int64)), writer=0, started_us=start_us
    )
    projector.heal()
    readings = delivered_days(store.book, home=SPOT, first_day_us=start_us, values_wh=values)
    projector.deliver([readings])
    table = SCHEMA.table(next(role for one in SCHEMA.tables for role in one.roles if one.name == "settlement_by_date"))
    (settled,) = read_settlement(store.runner, change, SettlementRunCode.LATEST, table.shard_of(int(readings.mpxn[0])))
    first = (midnight_us(change) - start_us) // SLOT_US
    assert list(settled.values_wh) == values.ravel()[first : first + COUNTS[change]].tolist()
    month = change.year * 100 + change.month
    project_completeness(
        store,
        month,
        lambda homes: np.zeros(len(homes), np.int64),
        {(0, ELECTRICITY): 2},
        start_us + 4 * DAY_US,
        start_us,
    )
    assert completeness(store.runner, number_of(change) * DAY_US) == {(0, ELECTRICITY): (2, (1,) * 96)}


def test_friendly_hours_and_top_ups_count_by_the_quarter_hour() -> None:
    """Credit is used up at 00:15; friendly hours end at 01:00, and supply with them; a top-up at 01:20 counts from 01:15 on."""
    terms = PrepaymentTerms(friendly=(FriendlyHours(first_slot=0, end_slot=2),))
    start_us = midnight_us(SPRING)
    account = prepaid_account(
        terms,
        VIENNA,
        start_us=start_us,
        cost_upence=np.full(8, 10, np.int64),
        standing_upence=0,
        top_ups=[TopUp(at_us=start_us + 80 * 60_000_000, upence=100)],
        credit_upence=10,
        debt_upence=0,
    )
    assert account.is_supplied.tolist() == [True] * 4 + [False] + [True] * 3
    assert account.credit_upence.tolist() == [0, -10, -20, -30, -30, 60, 50, 40]


@pytest.mark.parametrize(
    ("series", "calendar"), [(VIENNA, Calendar("Europe/Vienna")), (Calendar("Europe/Vienna"), VIENNA)]
)
def test_a_series_of_other_slots_than_meters_hold_has_no_price(series: Calendar, calendar: Calendar) -> None:
    count = COUNTS[SPRING] if series is VIENNA else COUNTS[SPRING] // 2
    told = {"electricity": [spot_pence(SPRING, at) for at in range(count)]}
    held = with_series(banded_alone(), number_of(SPRING), told, series)
    why = f"tariff 'spot': its prices of 2026-03-29 are {count}, so {count // 23} an hour, and meters hold {calendar.slots_are}"
    with pytest.raises(TariffError, match=why):
        rates_of_day(held, calendar, number_of(SPRING) * DAY_US)
    customers, prices = MemoryCustomers(SCHEMA, calendar), PriceList(version=1, effective_us=0, tariffs=(held,))
    with pytest.raises(Refused, match=why):
        customers.publish(prices, 0)
    assert customers.price_lists() == ()
    with pytest.raises(Refused, match=why):
        price_at([prices], 0, ELECTRICITY, midnight_us(SPRING), calendar)


def banded_alone() -> Tariff:
    return Tariff(name="spot", rates=banded().rates[:1], otherwise=0)
