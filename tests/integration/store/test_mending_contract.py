"""Rebuilding over memory and real Cassandra: what was altered or removed by hand is mended, or said not to be."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from scenarios.domain import DAY_US
from scenarios.spec import Dc, Topology
from store.cassandra import CassandraStore, create_schema
from store.columns import dicts_of, row_count
from store.memory import MemoryStore
from store.readings.across import Projection, rebuild_across, verify_across
from store.readings.projector import Projector
from store.readings.store import HomeReadings
from store.readings.verify import folded_views
from store.tables import Table, primary_key
from store.tariffs import Book
from tests.support.schema_under_test import SCHEMA
from tests.support.store_deliveries import START_US, Delivery

BOOK = Book()
HOME, OTHER = 7, 8
PROJECTION = Projection(region_of=lambda premises: premises % 2)


class Hands:
    """Somebody who alters a table by hand, without a timestamp: the clock's counts."""

    def __init__(self, store: HomeReadings, session: Any = None, keyspace: str = "") -> None:
        self.store, self.session, self.keyspace = store, session, keyspace

    def put(self, table: Table, row: dict[str, Any]) -> None:
        write_us = time.time_ns() // 1_000
        if self.session is None:
            assert isinstance(self.store, MemoryStore)
            self.store.statements.put(table, row, write_us)
            return
        cql = (
            f"INSERT INTO {self.keyspace}.{table.name} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))}) "
            f"USING TIMESTAMP {write_us}"
        )
        self.session.execute(self.session.prepare(cql), list(row.values()))

    def remove(self, table: Table, key: dict[str, Any]) -> None:
        now_us = time.time_ns() // 1_000
        page = {name: np.array([value]) for name, value in key.items()}
        self.store.bulk.delete(table, {**page, "write_us": np.array([now_us])})

    def rows(self, table: Table) -> list[dict[str, Any]]:
        names = [column.name for column in table.columns]
        pages = [page for piece in self.store.bulk.pieces() for page in self.store.bulk.scan(table, names, piece)]
        return [{name: row[name] for name in names} for page in pages if row_count(page) for row in dicts_of(page)]


@pytest.fixture(params=["memory", "cassandra"])
def hands(request: pytest.FixtureRequest) -> Iterator[Hands]:
    if request.param == "memory":
        yield Hands(MemoryStore(SCHEMA, BOOK))
        return
    session = request.getfixturevalue("session")
    keyspace = f"mending_{uuid.uuid4().hex[:12]}"
    topology = Topology(dcs=(Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1)), keyspace=keyspace)
    create_schema(session, SCHEMA, topology)
    store = CassandraStore(session, SCHEMA, topology, BOOK)
    yield Hands(store, session, keyspace)
    store.close()
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


def day_of(home: int, day: int = 0) -> Delivery:
    return Delivery(home=home, fuel=0, slot=day * 48, values_wh=tuple(range(1, 49)), register_wh=900_000 + day)


def deliver(store: HomeReadings, *days: Delivery) -> None:
    for one in days:
        store.append(one.readings(sum(one.values_wh)))
        store.refold(one.home, one.fuel, one.day_us)


def table_of(view: str) -> Table:
    return next(table for table in SCHEMA.tables if table.name == view)


def altered(column: str, row: dict[str, Any]) -> Any:
    return [5] * 48 if isinstance(row[column], list) else row[column] + 1


def test_a_row_that_was_altered_in_any_one_column_is_mended(hands: Hands) -> None:
    deliver(hands.store, day_of(HOME), day_of(OTHER))
    for view in folded_views(SCHEMA):
        table = table_of(view)
        key = primary_key(table)
        for column in (one.name for one in table.columns if one.name not in key):
            row = next(one for one in hands.rows(table) if one["premises"] == HOME)
            hands.put(table, {name: row[name] for name in key} | {column: altered(column, row)})
            assert len(list(hands.store.verify(view))) == 1, (view, column)
            done = hands.store.rebuild(view)
            assert (done.written, done.left, list(hands.store.verify(view))) == (1, 0, []), (view, column)


def test_a_stray_row_is_removed_whatever_it_lacks(hands: Hands) -> None:
    """All columns; all but one; nothing but a key."""
    deliver(hands.store, day_of(HOME))
    for view in folded_views(SCHEMA):
        table = table_of(view)
        key = primary_key(table)
        (row,) = hands.rows(table)
        names = [column.name for column in table.columns]
        hands.put(table, row | {"premises": 50})
        hands.put(table, {name: row[name] for name in names[:-1]} | {"premises": 51})
        hands.put(table, {name: row[name] for name in key} | {"premises": 52})
        hands.put(table, {name: row[name] for name in key})  # a row's own key, at the clock's time
        found = list(hands.store.verify(view))
        assert sorted(one.key["premises"] for one in found) == [50, 51, 52], view
        done = hands.store.rebuild(view)
        assert (done.removed, done.left, list(hands.store.verify(view))) == (3, 0, []), view


def test_what_comes_for_a_stray_row_that_was_removed_is_told_and_then_seen(hands: Hands) -> None:
    """The stray row had the clock's time, and the real one's data is older: its deletion hides what is delivered."""
    deliver(hands.store, day_of(HOME, 1))
    table = table_of("usage_by_fuel")
    (row,) = hands.rows(table)
    hands.put(table, row | {"premises": OTHER})
    assert hands.store.rebuild("usage_by_fuel").removed == 1
    deliver(hands.store, day_of(OTHER, 1))
    assert [one.found for one in hands.store.verify("usage_by_fuel")] == [None]
    done = hands.store.rebuild("usage_by_fuel")
    assert (done.written, done.left) == (1, 0)
    assert list(hands.store.verify("usage_by_fuel")) == []
    assert [one.usage_wh for one in hands.store.usage(OTHER, 0, 202602)] == [sum(range(1, 49))]


def test_what_comes_for_a_stray_row_of_the_datas_own_time_is_seen_at_once(hands: Hands) -> None:
    """It is deleted at its own time, which is below that of what comes later."""
    deliver(hands.store, day_of(HOME))
    for view in ("usage_by_fuel", "billing_by_home", "latest_by_home"):
        table = table_of(view)
        (row,) = hands.rows(table)
        stray = {name: np.array([value]) for name, value in (row | {"premises": OTHER}).items()}
        hands.store.bulk.insert(table, stray | {"write_us": np.array([START_US + DAY_US])})
        assert hands.store.rebuild(view).removed == 1
    deliver(hands.store, day_of(OTHER, 1))
    assert [list(hands.store.verify(view)) for view in folded_views(SCHEMA)] == [[], [], [], []]


def test_a_row_that_was_removed_by_hand_is_written_again(hands: Hands) -> None:
    deliver(hands.store, day_of(HOME))
    for view in folded_views(SCHEMA):
        table = table_of(view)
        (row,) = hands.rows(table)
        hands.remove(table, {name: row[name] for name in primary_key(table)})
        done = hands.store.rebuild(view)
        assert (done.written, done.left, list(hands.store.verify(view))) == (1, 0, []), view


def test_what_was_removed_at_an_instant_to_come_is_said_to_be_left(hands: Hands) -> None:
    deliver(hands.store, day_of(HOME))
    table = table_of("latest_by_home")
    (row,) = hands.rows(table)
    key = {name: np.array([row[name]]) for name in primary_key(table)}
    in_a_year_us = time.time_ns() // 1_000 + 365 * DAY_US
    hands.store.bulk.delete(table, {**key, "write_us": np.array([in_a_year_us])})
    done = hands.store.rebuild("latest_by_home")
    assert (done.written, done.removed, done.left) == (0, 0, 1)
    assert [one.found for one in hands.store.verify("latest_by_home")] == [None]


def test_views_across_homes_are_mended_in_the_same_way(hands: Hands) -> None:
    projector = Projector(hands.store, PROJECTION, writer=1, started_us=1)
    projector.heal()
    projector.deliver([one.readings(sum(one.values_wh)) for one in (day_of(HOME), day_of(HOME, 1))])
    for view in ("settlement_by_date", "receipts_by_hour"):
        table = table_of(view)
        key = primary_key(table)
        for column in (one.name for one in table.columns if one.name not in key):
            row = hands.rows(table)[0]
            hands.put(table, {name: row[name] for name in key} | {column: altered(column, row)})
            done = rebuild_across(hands.store, view, PROJECTION)
            assert (done.written, done.left, list(verify_across(hands.store, view, PROJECTION))) == (1, 0, [])
        row = hands.rows(table)[0]
        hands.remove(table, {name: row[name] for name in key})
        stray = next(name for name in key if name not in ("run", "shard", "region"))
        hands.put(table, {name: row[name] for name in key} | {stray: row[stray] + 1})
        done = rebuild_across(hands.store, view, PROJECTION)
        assert (done.written, done.removed, done.left) == (1, 1, 0), view
        assert list(verify_across(hands.store, view, PROJECTION)) == [], view
