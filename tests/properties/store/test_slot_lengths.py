"""Slots of another length: half-hours cut into quarter-hours come to the same views, whatever was delivered in whatever order."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US
from store.memory import MemoryStore
from store.readings.verify import folded_views
from store.rows import Readings
from store.tariffs import MISSING_WH
from tests.properties.store.test_fold import MONTHS, usage_of
from tests.support.schema_under_test import SCHEMA
from tests.support.store_deliveries import BOOK, DAYS, HOMES, START_US, Delivery, deliveries

ZONES = ("UTC", "Europe/Vienna", "America/Bogota")
QUARTERS = {zone: replace(BOOK, calendar=Calendar(zone, 4)) for zone in ZONES}
HALVES = {zone: replace(BOOK, calendar=Calendar(zone)) for zone in ZONES}
VIEWS = folded_views(SCHEMA)


def cut(one: Delivery, share: float) -> Readings:
    """The same energy of the same time in twice as many slots; what was lost is lost in both."""
    held = one.readings()
    first = np.floor(held.values_wh * share).astype(np.int32)
    lost = held.values_wh == MISSING_WH
    parts = np.where(lost[:, :, np.newaxis], MISSING_WH, np.stack([first, held.values_wh - first], axis=2))
    return replace(held, values_wh=parts.reshape(len(parts), -1).astype(np.int32), slot_us=900_000_000)


def append(store: MemoryStore, one: Delivery, readings: Readings) -> None:
    if not one.is_sent:
        store.append_revision(readings)
    elif one.values_wh:
        store.append(readings)
    else:
        store.append_register(readings)


def in_halves(sent: list[Delivery], zone: str) -> MemoryStore:
    store = MemoryStore(SCHEMA, HALVES[zone])
    for one in sent:
        append(store, one, one.readings())
    return folded(store, sent)


def in_quarters(sent: list[Delivery], zone: str, share: float) -> MemoryStore:
    store = MemoryStore(SCHEMA, QUARTERS[zone])
    for one in sent:
        append(store, one, cut(one, share))
    return folded(store, sent)


def folded(store: MemoryStore, sent: list[Delivery]) -> MemoryStore:
    for home, fuel, day_us in sorted({(one.home, one.fuel, one.day_us) for one in sent if one.values_wh}):
        store.refold(home, fuel, day_us)
    return store


@given(deliveries(), st.sampled_from(ZONES), st.floats(0, 1))
@settings(deadline=None, max_examples=40)
def test_half_hours_cut_in_two_come_to_the_same_days_bills_and_state(
    sent: list[Delivery], zone: str, share: float
) -> None:
    """Prices are whole upence a Wh, so that no part is rounded by itself."""
    halves, quarters = in_halves(sent, zone), in_quarters(sent, zone, share)
    for home in range(HOMES):
        for month in MONTHS:
            assert usage_of(quarters, home, month) == usage_of(halves, home, month)
            assert quarters.billing(home, month) == halves.billing(home, month)
            assert quarters.state(home, month) == halves.state(home, month)
        for fuel in (0, 1):
            for day in range(DAYS):
                runs = [store.intervals(home, fuel, START_US + day * DAY_US) for store in (quarters, halves)]
                assert [one.interval_start_us for one in runs[0]] == [one.interval_start_us for one in runs[1]]
                assert [one.slot_count for one in runs[0]] == [2 * one.slot_count for one in runs[1]]
    assert [list(quarters.verify(view)) for view in VIEWS] == [[], [], [], []]


@given(deliveries(), st.floats(0, 1))
@settings(deadline=None, max_examples=20)
def test_views_of_quarter_hours_are_rebuilt_from_the_log_alone(sent: list[Delivery], share: float) -> None:
    whole = in_quarters(sent, "Europe/Vienna", share)
    held = {view: whole.statements.all_rows(SCHEMA_TABLES[view]) for view in VIEWS}
    for view in VIEWS:
        whole.statements.truncate(SCHEMA_TABLES[view])
    rebuilt = [whole.rebuild(view) for view in VIEWS]
    assert all(one.written == one.rows for one in rebuilt)
    assert {view: whole.statements.all_rows(SCHEMA_TABLES[view]) for view in VIEWS} == held


SCHEMA_TABLES = {table.name: table for table in SCHEMA.tables}


def test_a_store_of_half_hours_takes_no_quarter_hours() -> None:
    push = Delivery(home=0, fuel=0, slot=3, values_wh=(100,))
    with pytest.raises(AssertionError, match="slots of another length: the keyspace holds half-hours"):
        append(MemoryStore(SCHEMA, BOOK), push, cut(push, 0.5))
    with pytest.raises(AssertionError, match="slots of another length: the keyspace holds quarter-hours"):
        append(MemoryStore(SCHEMA, QUARTERS["UTC"]), push, push.readings())
