"""A home with a price list a day, whose months were corrected, was refused its bills for ever: more than 200 lines."""

from dataclasses import replace

import numpy as np

from scenarios.calendar import days_of_month
from scenarios.domain import DAY_US, mpan_of, mprn_of
from store.billing.records import LineKind
from store.customers.desk import Desk
from store.ingest import ingest
from store.ingest.known import Known
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.parsing import Delivery, NumberedHomes
from store.schemas import SCHEMAS
from store.tariffs import FIRST_PRICES, Book
from tests.support.days import day_start_us

SCHEMA, HOME = SCHEMAS["home_months"], 5
MONTHS = (202601, 202602, 202603, 202604)
FIRST_US = day_start_us(MONTHS[0], 1)
LISTS = tuple(replace(FIRST_PRICES, version=day + 1, effective_us=FIRST_US + day * DAY_US) for day in range(150))
POINTS = (int(mpan_of(np.array([HOME]))[0]), int(mprn_of(np.array([HOME]))[0]))


def fill(store: MemoryStore, month: int, revision: int) -> None:
    """A month of both fuels; the registers go on with the half-hours."""
    days = np.repeat(days_of_month(month), len(POINTS))
    n, start_us = len(days), days * DAY_US
    known = Known(meters=NumberedHomes(count=10), book=Book(prices=LISTS), exchanges_us={})
    delivery = Delivery(
        slot_count=48,
        mpxn=np.tile(POINTS, n // len(POINTS)),
        interval_start_us=start_us,
        values_wh=np.full((n, 48), 100 - revision),
        register_wh=(days - FIRST_US // DAY_US + 1) * 4_800 + 1_000,
        revision=np.full(n, revision),
        source=np.zeros(n, np.int64),
        quality=np.full(n, 2 * revision),
        received_at_us=start_us + (60 if revision else 3) * DAY_US,
    )
    assert not ingest(store, delivery, known).rejected


def test_a_home_with_daily_prices_and_corrected_months_is_billed() -> None:
    customers, store = MemoryCustomers(SCHEMA), MemoryStore(SCHEMA, Book(prices=LISTS))
    for one in LISTS:
        customers.publish(one, FIRST_US)
    desk = Desk(customers=customers, views=store)

    def bill(month: int, number: int) -> int:
        supplied = {fuel: range(1, len(days_of_month(month)) + 1) for fuel in (0, 1)}
        issued_us = day_start_us(202608, 2)
        return len(
            desk.issue_bill(premises=HOME, month=month, number=number, supplied=supplied, issued_us=issued_us).lines
        )

    for number, month in enumerate(MONTHS, 1):
        fill(store, month, revision=0)
        assert bill(month, number) == 4 * len(days_of_month(month))
    for month in MONTHS:
        fill(store, month, revision=1)
    assert (
        bill(202605, 5) == 2 * 30 + 2 * 120
    )  # standing charges at the lists of 30 May days, the corrections of 120 days
    lines = [line for one in customers.bills(HOME) for line in one.lines if line.kind is not LineKind.STANDING]
    assert sum(line.low_wh + line.standard_wh + line.peak_wh for line in lines) == 2 * 120 * 48 * 99
