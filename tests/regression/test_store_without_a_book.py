"""A store that was opened without a book of prices folded a keyspace by the first prices, on a flat tariff: half its bills."""

from dataclasses import replace

import numpy as np
import pytest

from scenarios.domain import DAY_US, Quality, TariffKind
from store.customers.port import Preference
from store.customers.preferences import choose
from store.customers.store import HomeCustomers
from store.memory.customers import MemoryOnce
from store.ports import DayBill
from store.readings.fold import PRICED
from store.readings.store import HomeReadings
from store.rejections import Refused
from store.rows import Readings
from store.schemas import SCHEMAS
from store.tariffs import FIRST_PRICES, Book, day_totals

HOME, JANUARY = 7, 202601
DAY_15_US = 1_768_435_200_000_000  # 2026-01-15 00:00 UTC
DEAR = replace(
    FIRST_PRICES,
    upence_per_wh=tuple(
        tuple((2 * low, 2 * standard, 2 * peak) for low, standard, peak in by_fuel)
        for by_fuel in FIRST_PRICES.upence_per_wh
    ),
)
# 250 Wh in each half-hour: 14 at 24 p a kWh, 28 at 51 p, 6 at 72 p
COST_UPENCE = 250 * (14 * 24_000 + 28 * 51_000 + 6 * 72_000)


@pytest.fixture
def tables() -> MemoryOnce:
    """A day of a home on a time-of-use tariff, billed by prices that are twice the first ones."""
    tables = MemoryOnce(SCHEMAS["home_months"])
    HomeReadings(tables, tables, Book(prices=(DEAR,))).append(day())
    return tables


def day(quality: Quality = Quality.ACTUAL) -> Readings:
    values_wh = np.full((1, 48), 250, np.int32)
    start_us, zero = np.array([DAY_15_US]), np.zeros(1, np.int8)
    totals = day_totals(
        (DEAR,),
        day_start_us=start_us,
        values_wh=values_wh,
        slot_count=np.array([48]),
        kind=np.full(1, TariffKind.TIME_OF_USE, np.uint8),
        fuel=zero,
    )
    return Readings(
        mpxn=np.array([1_000_000_000_003]),
        premises=np.array([HOME]),
        fuel=zero,
        interval_start_us=start_us,
        values_wh=values_wh,
        register_wh=np.array([912_000]),
        day=totals,
        received_at_us=start_us + DAY_US,
        revision=np.zeros(1, np.int32),
        source=zero,
        quality=np.full(1, quality, np.int8),
    )


def choose_tariff(tables: MemoryOnce) -> None:
    change = choose(Preference.TARIFF, TariffKind.TIME_OF_USE, DAY_15_US - 2 * DAY_US)
    HomeCustomers(tables).change_preference(HOME, change)


def bills(tables: MemoryOnce) -> list[DayBill]:
    return HomeReadings(tables, tables).billing(HOME, JANUARY)


def forget(tables: MemoryOnce, view: str) -> None:
    tables.truncate(next(table for table in tables.schema.tables if table.name == view))


def test_bills_that_nobody_altered_stay_as_they_are(tables: MemoryOnce) -> None:
    store = HomeReadings(tables, tables)
    assert list(store.verify("billing_by_home")) == []
    store.rebuild("billing_by_home")
    assert [bill.cost_upence for bill in bills(tables)] == [COST_UPENCE]


def test_a_lost_bill_is_priced_as_the_keyspace_says(tables: MemoryOnce) -> None:
    HomeCustomers(tables).publish(DEAR, DAY_15_US)
    choose_tariff(tables)
    before = bills(tables)
    forget(tables, "billing_by_home")
    store = HomeReadings(tables, tables)
    assert store.rebuild("billing_by_home").written == 1
    assert bills(tables) == before
    store.refold(HOME, 0, DAY_15_US)
    assert bills(tables) == before
    assert list(store.verify("billing_by_home")) == []


@pytest.mark.parametrize("missing", ["prices", "tariff"])
def test_a_lost_bill_that_the_keyspace_can_not_price_is_told_and_refused(tables: MemoryOnce, missing: str) -> None:
    if missing == "tariff":
        HomeCustomers(tables).publish(DEAR, DAY_15_US)
    else:
        choose_tariff(tables)
    forget(tables, "billing_by_home")
    store = HomeReadings(tables, tables)
    (lost,) = store.verify("billing_by_home")
    assert lost.expected is not None
    assert (lost.expected["cost_upence"], lost.found) == (None, None)
    with pytest.raises(Refused, match="1 days can't be priced, one of home 7"):
        store.rebuild("billing_by_home")
    with pytest.raises(Refused, match="no Book was given that says both"):
        store.refold(HOME, 0, DAY_15_US)
    assert bills(tables) == []
    forget(tables, "usage_by_fuel")
    assert store.rebuild("usage_by_fuel").written == 1  # energy needs no prices
    given = HomeReadings(tables, tables, Book(prices=(DEAR,), kind_of=lambda homes, _: np.ones(len(homes), np.uint8)))
    assert given.rebuild("billing_by_home").written == 1
    assert [bill.cost_upence for bill in bills(tables)] == [COST_UPENCE]


@pytest.mark.parametrize(("column", "by"), [("peak_wh", 1), ("low_wh", -1), ("through", 1_000)])
def test_energy_that_was_altered_is_told_without_prices(tables: MemoryOnce, column: str, by: int) -> None:
    (table,) = (table for table in tables.schema.tables if table.name == "billing_by_home")
    (row,) = tables.all_rows(table)
    tables.put(table, row | {column: row[column] + by}, DAY_15_US + 2 * DAY_US)
    store = HomeReadings(tables, tables)
    (told,) = store.verify("billing_by_home")
    assert told.found is not None and told.found[column] == row[column] + by
    with pytest.raises(Refused, match="1 days can't be priced"):
        store.rebuild("billing_by_home")


@pytest.mark.parametrize("lost", [("cost_upence",), ("tariff_version",), PRICED])
def test_a_bill_that_lost_its_priced_cells_is_told_without_prices(tables: MemoryOnce, lost: tuple[str, ...]) -> None:
    """The fold can't price the row: that its own cells are NULL says nothing of those that the view has lost."""
    (table,) = (table for table in tables.schema.tables if table.name == "billing_by_home")
    (row,) = tables.all_rows(table)
    tables.put(table, row | dict.fromkeys(lost), DAY_15_US + 2 * DAY_US)
    (told,) = HomeReadings(tables, tables).verify("billing_by_home")
    assert told.expected is not None and told.found is not None
    assert {name: told.found[name] for name in lost} == dict.fromkeys(lost)
    assert {name: told.expected[name] for name in PRICED} == dict.fromkeys(PRICED)
    with pytest.raises(Refused, match="1 days can't be priced"):
        HomeReadings(tables, tables).rebuild("billing_by_home")


def test_an_estimate_that_can_not_be_priced_is_refused_before_it_is_written() -> None:
    tables = MemoryOnce(SCHEMAS["home_months"])
    store = HomeReadings(tables, tables)
    with pytest.raises(Refused, match="1 days can't be priced"):
        store.append(day(Quality.ESTIMATED))
    assert store.events(HOME, JANUARY) == []
