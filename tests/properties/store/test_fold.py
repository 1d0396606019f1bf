"""Folds of the log: equal to a naive loop, the same in any order, and every planted fault of a view found and mended."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.domain import DAY_US, SLOT_US
from store.columns import Page, Piece
from store.memory import MemoryStore
from store.ports import DayUsage
from store.readings.verify import folded_views, rebuild
from store.roles import TableRole
from store.rows import REVISION_STEP_US
from store.tables import Table, primary_key
from tests.support.schema_under_test import SCHEMA
from tests.support.store_deliveries import (
    BOOK,
    DAYS,
    HOMES,
    START_US,
    Delivery,
    deliveries,
    known_half_hours,
    naive_cost_upence,
    send,
)

VIEWS = folded_views(SCHEMA)
MONTHS = (202601, 202602)


def stored(sent: list[Delivery]) -> MemoryStore:
    """A store that was told all deliveries and has folded every day that they touched."""
    store = MemoryStore(SCHEMA, BOOK)
    for one in sent:
        send(store, one)
    refold_all(store, sent)
    return store


def refold_all(store: MemoryStore, sent: list[Delivery]) -> None:
    for home, fuel, day_us in sorted({(one.home, one.fuel, one.day_us) for one in sent if one.values_wh}):
        store.refold(home, fuel, day_us)


def usage_of(store: MemoryStore, home: int, month: int) -> list[DayUsage]:
    """Of both fuels, in the order of bills."""
    both = [day for fuel in (0, 1) for day in store.usage(home, fuel, month)]
    return sorted(both, key=lambda day: (day.day, day.fuel))


def contents(store: MemoryStore) -> list[Any]:
    """All rows of the log and of every view."""
    held = []
    for home in range(HOMES):
        for month in MONTHS:
            held.append((store.events(home, month), usage_of(store, home, month), store.billing(home, month)))
            held.append(store.state(home, month))
        for fuel in (0, 1):
            held += [store.intervals(home, fuel, START_US + day * DAY_US) for day in range(DAYS)]
    return held


@given(deliveries())
@settings(deadline=None, max_examples=60)
def test_usage_and_cost_are_the_sums_of_the_latest_half_hours(sent: list[Delivery]) -> None:
    store = stored(sent)
    for home in range(HOMES):
        for month in MONTHS:
            half_hours = known_half_hours(store.events(home, month))
            usage, bills = usage_of(store, home, month), store.billing(home, month)
            assert sum(day.usage_wh for day in usage) == sum(half_hours.values())
            assert sum(bill.cost_upence for bill in bills) == naive_cost_upence(home, half_hours)
            for day, bill in zip(usage, bills, strict=True):
                first_us = day.through_us - 1 - (day.through_us - 1) % DAY_US
                of_day = {
                    key: wh for key, wh in half_hours.items() if key[0] == day.fuel and 0 <= key[1] - first_us < DAY_US
                }
                assert day.usage_wh == sum(of_day.values()) == bill.low_wh + bill.standard_wh + bill.peak_wh
                assert bill.cost_upence == naive_cost_upence(home, of_day)


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_views_are_the_same_in_whatever_order_deliveries_and_folds_come(data: st.DataObject) -> None:
    sent = data.draw(deliveries())
    shuffled = data.draw(st.permutations(sent))
    store = MemoryStore(SCHEMA, BOOK)
    for one in shuffled + data.draw(st.lists(st.sampled_from(sent), max_size=5)):  # some of them come twice
        send(store, one)
        if data.draw(st.booleans()):
            store.refold(one.home, one.fuel, one.day_us)
    refold_all(store, sent)
    assert contents(store) == contents(stored(sent))
    assert [list(store.verify(view)) for view in VIEWS] == [[], [], [], []]


@given(deliveries())
@settings(deadline=None, max_examples=30)
def test_every_view_is_rebuilt_from_the_log_alone(sent: list[Delivery]) -> None:
    whole, log_only = stored(sent), MemoryStore(SCHEMA, BOOK)
    for one in sent:
        send(log_only, one)
    for table in SCHEMA.tables:
        if table.name in VIEWS:
            log_only.statements.truncate(table)
    rebuilt = [log_only.rebuild(view) for view in VIEWS]
    assert contents(log_only) == contents(whole)
    assert all(one.written == one.rows and one.removed == 0 for one in rebuilt)
    assert [one.written for one in (log_only.rebuild(view) for view in VIEWS)] == [0, 0, 0, 0]


@pytest.mark.parametrize("view", VIEWS)
@given(data=st.data())
@settings(deadline=None, max_examples=25)
def test_every_planted_fault_is_found_and_mended(view: str, data: st.DataObject) -> None:
    sent = data.draw(deliveries().filter(lambda some: any(one.values_wh and one.is_sent for one in some)))
    store = stored(sent)
    table = next(table for table in SCHEMA.tables if table.name == view)
    held = store.statements.all_rows(table)
    row = dict(data.draw(st.sampled_from(held)))
    fault = data.draw(st.sampled_from(["lost", "wrong", "phantom"]))
    write_us = 2**61  # far above any timestamp that a delivery has: a fault that wins over all
    if fault == "lost":
        store.statements.forget(table, row)
    elif fault == "phantom":
        row["premises"] = HOMES + 5
        store.statements.put(table, row, write_us)
    else:
        column = data.draw(st.sampled_from([c.name for c in table.columns if c.name not in table_key(view)]))
        value = row[column]
        row[column] = [wh + 1 for wh in value] if isinstance(value, list) else value + 1
        store.statements.put(table, row, write_us)
    differences = list(store.verify(view))
    assert len(differences) == 1
    (found,) = differences
    assert {name: row[name] for name in found.key} == found.key
    assert (found.expected is None, found.found is None) == (fault == "phantom", fault == "lost")
    done = store.rebuild(view)
    assert (done.written, done.removed) == ((0, 1) if fault == "phantom" else (1, 0))
    assert list(store.verify(view)) == []


def test_a_correction_still_wins_over_a_row_that_was_mended() -> None:
    push = Delivery(home=0, fuel=0, slot=3, values_wh=(100,))
    store = stored([push])
    for view in ("usage_by_fuel", "intervals_by_home"):
        table = next(table for table in SCHEMA.tables if table.name == view)
        (row,) = store.statements.all_rows(table)
        wrong = {"usage_wh": 999} if view == "usage_by_fuel" else {"values_wh": [999]}
        step = 2 * REVISION_STEP_US if view == "usage_by_fuel" else 0  # as the fold and as the delivery were written
        store.statements.put(table, row | wrong, START_US + 4 * SLOT_US + step)
        store.rebuild(view)
        assert list(store.verify(view)) == []
    send(store, Delivery(home=0, fuel=0, slot=3, values_wh=(70,), revision=1, is_sent=False))
    store.refold(0, 0, START_US)
    (run,) = store.intervals(0, 0, START_US)
    assert (run.values_wh, run.revision) == ((70,), 1)
    assert [day.usage_wh for day in store.usage(0, 0, 202601)] == [70]


def table_key(view: str) -> tuple[str, ...]:
    return primary_key(next(table for table in SCHEMA.tables if table.name == view))


def test_an_upload_has_its_estimate_and_its_correction_counted_once() -> None:
    """By hand: 48 half-hours of 10 Wh, one of them lost and estimated at 30, one corrected from 10 to 4."""
    values = (10,) * 5 + (-1,) + (10,) * 42
    store = stored(
        [
            Delivery(home=0, fuel=0, slot=0, values_wh=values, register_wh=470),
            Delivery(home=0, fuel=0, slot=5, values_wh=(30,), revision=-1, is_sent=False),
            Delivery(home=0, fuel=0, slot=9, values_wh=(4,), revision=2, is_sent=False),
        ]
    )
    (day,) = store.usage(0, 0, 202601)
    assert (day.usage_wh, day.through_us) == (46 * 10 + 30 + 4, START_US + DAY_US)
    assert [state.register_wh for state in store.state(0, 202601)] == [470]
    assert [run.slot_count for run in store.intervals(0, 0, START_US)] == [48, 1, 1]


@pytest.mark.parametrize("view", ["usage_by_fuel", "intervals_by_home"])
def test_only_chosen_homes_are_mended(view: str) -> None:
    """As where each data centre mends the homes that are its own: a row of another's that is there or lacks is let be."""
    store = stored([Delivery(home=home, fuel=0, slot=3, values_wh=(100,)) for home in range(3)])
    table = next(table for table in SCHEMA.tables if table.name == view)
    rows = sorted(store.statements.all_rows(table), key=lambda row: row["premises"])
    for row in rows:
        store.statements.forget(table, row)
        store.statements.put(table, row | {"premises": row["premises"] + HOMES}, 2**61)  # a phantom for each
    chosen = [1, HOMES + 1]
    done = rebuild(store.bulk, SCHEMA, (view,), BOOK, 1, is_chosen=lambda premises: np.isin(premises, chosen))[view]
    assert (done.rows, done.written, done.removed) == (1, 1, 1)
    left = {row["premises"] for row in store.statements.all_rows(table)}
    assert left == {1, HOMES, HOMES + 2}
    rest = store.rebuild(view)
    assert (rest.rows, rest.written, rest.removed) == (3, 2, 2)
    assert list(store.verify(view)) == []


class WatchedBulk:
    """A Bulk that notes which tables are scanned, and does something once when rows are first written."""

    def __init__(self, store: MemoryStore, meanwhile: Callable[[], None]) -> None:
        self._bulk, self._meanwhile = store.bulk, meanwhile
        self.scanned: list[str] = []

    def pieces(self) -> Sequence[Piece]:
        return self._bulk.pieces()

    def scan(self, table: Table, columns: Sequence[str], piece: Piece, *, with_times: bool = False) -> Iterator[Page]:
        self.scanned.append(table.name)
        return self._bulk.scan(table, columns, piece, with_times=with_times)

    def insert(self, table: Table, rows: Page) -> None:
        self._bulk.insert(table, rows)
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()

    def delete(self, table: Table, rows: Page) -> None:
        self._bulk.delete(table, rows)


DAYS_VIEWS = ("usage_by_fuel", "billing_by_home")


def damaged(view_names: Sequence[str]) -> MemoryStore:
    """A store of a home of which each of these views has lost its row."""
    store = stored([Delivery(home=0, fuel=0, slot=3, values_wh=(100,))])
    for table in SCHEMA.tables:
        if table.name in view_names:
            (row,) = store.statements.all_rows(table)
            store.statements.forget(table, row)
    return store


def test_views_are_mended_in_one_reading_of_the_log() -> None:
    store = damaged(DAYS_VIEWS)
    bulk = WatchedBulk(store, lambda: None)
    done = rebuild(bulk, SCHEMA, DAYS_VIEWS, BOOK, 1)
    assert {view: (one.rows, one.written) for view, one in done.items()} == dict.fromkeys(DAYS_VIEWS, (1, 1))
    assert bulk.scanned.count(SCHEMA.table(TableRole.EVENT_LOG).name) == len(store.bulk.pieces())
    assert [list(store.verify(view)) for view in VIEWS] == [[], [], [], []]


def test_what_comes_while_a_view_is_mended_is_no_fault_of_it() -> None:
    """A correction of the half-hour comes between the mending and the look at it: the row follows the log as it is then."""
    store = damaged(DAYS_VIEWS[:1])

    def corrected() -> None:
        send(store, Delivery(home=0, fuel=0, slot=3, values_wh=(70,), revision=1, is_sent=False))
        store.refold(0, 0, START_US)

    present_us = START_US + 400 * DAY_US
    done = rebuild(WatchedBulk(store, corrected), SCHEMA, DAYS_VIEWS, BOOK, present_us)
    assert done["usage_by_fuel"].left == 0
    assert [list(store.verify(view)) for view in DAYS_VIEWS] == [[], []]
    send(store, Delivery(home=0, fuel=0, slot=3, values_wh=(60,), revision=2, is_sent=False))
    store.refold(0, 0, START_US)
    assert [day.usage_wh for day in store.usage(0, 0, 202601)] == [60], "nothing was written above the present"
