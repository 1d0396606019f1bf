"""One suite, both stores: whatever `store.memory` answers, the real Cassandra answers too."""

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from scenarios.domain import DAY_US, SLOT_US, Operation, TariffKind
from scenarios.spec import Dc, Topology
from store.cassandra import CassandraStore, create_schema, first_table_with_rows
from store.cassandra.session import driver_value
from store.columns import Page, concat, integers, row_count, take
from store.memory import MemoryStore
from store.ports import (
    Alert,
    DayBill,
    DayUsage,
    IntervalRun,
    MeterState,
    ReadingStore,
    Rejected,
    StoreError,
    TenSeconds,
)
from store.readings.store import HomeReadings
from store.readings.verify import folded_views
from store.rows import Readings, reading_columns, values_of
from store.tables import primary_key
from store.tariffs import Book, DayTotals
from tests.support.schema_under_test import SCHEMA

START_US = 1_768_435_200_000_000  # 2026-01-15 00:00 UTC
JANUARY = 202601
BOOK = Book(kind_of=lambda premises, _: np.full(len(premises), TariffKind.TIME_OF_USE, np.uint8))
MPXN = 1_000_000_000_075


def topology(keyspace: str) -> Topology:
    dcs = (Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1))
    return Topology(dcs=dcs, keyspace=keyspace)


@pytest.fixture(scope="module")
def cassandra_store(session: Any) -> Iterator[ReadingStore]:
    keyspace = f"contract_{uuid.uuid4().hex[:12]}"
    create_schema(session, SCHEMA, topology(keyspace))
    yield CassandraStore(session, SCHEMA, topology(keyspace), BOOK)
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


@pytest.fixture(params=["memory", "cassandra"])
def store(request: pytest.FixtureRequest) -> ReadingStore:
    return MemoryStore(SCHEMA, BOOK) if request.param == "memory" else request.getfixturevalue("cassandra_store")


@pytest.fixture(params=["memory", "cassandra"])
def fresh(request: pytest.FixtureRequest) -> Iterator[HomeReadings]:
    """A store that holds nothing."""
    if request.param == "memory":
        yield MemoryStore(SCHEMA, BOOK)
        return
    session = request.getfixturevalue("session")
    keyspace = f"fresh_{uuid.uuid4().hex[:12]}"
    create_schema(session, SCHEMA, topology(keyspace))
    store = CassandraStore(session, SCHEMA, topology(keyspace), BOOK)
    yield store
    store.close()
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


@pytest.fixture
def home() -> int:
    """A home that no other test knows: they share one keyspace."""
    return next(_HOMES)


_HOMES = itertools.count(7)


def delivery(
    home: int,
    values_wh: list[int],
    *,
    slot: int = 0,
    revision: int = 0,
    register_wh: int = 5_000,
    day_wh: int | None = None,
    fuel: int = 0,
    quality: int = 0,
) -> Readings:
    """One delivery of consecutive half-hours of a home, from `slot` of the first day; a Wh costs 10 upence."""
    usage = np.array([sum(values_wh) if day_wh is None else day_wh])
    return Readings(
        mpxn=np.array([MPXN + fuel]),
        premises=np.array([home]),
        fuel=np.array([fuel], np.int8),
        interval_start_us=np.array([START_US + slot * SLOT_US]),
        values_wh=np.array([values_wh], np.int32).reshape(1, -1),
        register_wh=np.array([register_wh]),
        day=DayTotals.undivided(
            usage_wh=usage,
            low_wh=usage // 2,
            standard_wh=usage - usage // 2 - 1,
            peak_wh=np.array([1]),
            cost_upence=usage * 10,
            tariff_version=np.array([3], np.int32),
        ),
        received_at_us=np.array([START_US + DAY_US]),
        revision=np.array([revision], np.int32),
        source=np.array([0], np.int8),
        quality=np.array([quality], np.int8),
    )


def everything(store: ReadingStore, home: int) -> tuple[object, ...]:
    """All that the store knows of the home in January."""
    days = [store.intervals(home, fuel, START_US + day * DAY_US) for fuel in (0, 1) for day in (0, 1)]
    views = (store.usage(home, 0, JANUARY), store.billing(home, JANUARY), store.state(home, JANUARY))
    return store.events(home, JANUARY), days, *views


def test_a_day_is_found_under_every_key(store: ReadingStore, home: int) -> None:
    store.append(delivery(home, list(range(48)), register_wh=9_000))
    (event,) = store.events(home, JANUARY)
    assert (event.values_wh, event.register_wh, event.received_at_us) == (tuple(range(48)), 9_000, START_US + DAY_US)
    assert (event.mpxn, event.fuel, event.slot_count, event.revision) == (MPXN, 0, 48, 0)
    assert store.intervals(home, 0, START_US) == [
        IntervalRun(interval_start_us=START_US, slot_count=48, revision=0, quality=0, values_wh=tuple(range(48)))
    ]
    assert store.usage(home, 0, JANUARY) == [DayUsage(day=15, fuel=0, usage_wh=1_128, through_us=START_US + DAY_US)]
    bill = DayBill(
        day=15,
        fuel=0,
        tariff_version=3,
        low_wh=564,
        standard_wh=563,
        peak_wh=1,
        cost_upence=11_280,
        through_us=START_US + DAY_US,
    )
    assert store.billing(home, JANUARY) == [bill]
    assert store.today(home, START_US) == [bill]
    assert store.today(home, START_US + DAY_US) == []
    assert store.state(home, JANUARY) == [
        MeterState(fuel=0, register_wh=9_000, read_through_us=START_US + DAY_US, received_at_us=START_US + DAY_US)
    ]


def test_nothing_is_known_of_a_home_that_never_sent(store: ReadingStore, home: int) -> None:
    assert everything(store, home) == ([], [[], [], [], []], [], [], [])


def test_a_repeated_delivery_changes_nothing(store: ReadingStore, home: int) -> None:
    pushes = [delivery(home, [10 + slot], slot=slot, day_wh=10 * (slot + 1)) for slot in range(3)]
    for push in pushes:
        store.append(push)
    store.append_revision(delivery(home, [99], slot=1, revision=1))
    before = everything(store, home)
    store.append_revision(delivery(home, [99], slot=1, revision=1))
    for push in reversed(pushes):
        store.append(push)
    assert everything(store, home) == before


def test_views_end_with_the_latest_half_hour_in_whatever_order_they_come(store: ReadingStore, home: int) -> None:
    for slot in (2, 0, 1):
        store.append(delivery(home, [5], slot=slot, day_wh=5 * (slot + 1), register_wh=100 + slot))
    (usage,) = store.usage(home, 0, JANUARY)
    assert (usage.usage_wh, usage.through_us) == (15, START_US + 3 * SLOT_US)
    assert [bill.cost_upence for bill in store.today(home, START_US)] == [150]
    assert [state.register_wh for state in store.state(home, JANUARY)] == [102]
    assert [run.interval_start_us for run in store.intervals(home, 0, START_US)] == [
        START_US + slot * SLOT_US for slot in range(3)
    ]


def test_a_correction_wins_even_when_it_comes_first(store: ReadingStore, home: int) -> None:
    store.append_revision(delivery(home, [7] * 48, revision=1, quality=2))
    store.append(delivery(home, [1] * 48))
    (run,) = store.intervals(home, 0, START_US)
    assert (run.revision, run.quality, run.values_wh) == (1, 2, (7,) * 48)
    assert [event.revision for event in store.events(home, JANUARY)] == [0, 1]


def test_a_corrected_half_hour_stands_beside_its_day(store: ReadingStore, home: int) -> None:
    store.append(delivery(home, [1] * 48))
    store.append_revision(delivery(home, [6], revision=1, quality=1))
    store.append_revision(delivery(home, [7], revision=2, quality=2))
    runs = store.intervals(home, 0, START_US)
    assert [(run.slot_count, run.revision, run.quality, run.values_wh[0]) for run in runs] == [
        (1, 2, 2, 7),
        (48, 0, 0, 1),
    ]
    assert [(event.slot_count, event.revision) for event in store.events(home, JANUARY)] == [(1, 1), (1, 2), (48, 0)]
    assert [usage.usage_wh for usage in store.usage(home, 0, JANUARY)] == [48]  # until the day is folded anew


def test_a_month_of_half_hours_is_that_of_its_days(store: ReadingStore, home: int) -> None:
    """From the 15th to the 31st, and the 1st of February, which is of another month."""
    for day in (0, 1, 16, 17):
        store.append(delivery(home, [day + 1] * 48, slot=day * 48))
    store.append(delivery(home, [9] * 48, fuel=1))
    days = [store.intervals(home, 0, START_US + day * DAY_US) for day in range(17)]
    january = store.intervals_of_month(home, 0, JANUARY)
    assert january == [run for runs in days for run in runs]
    assert [run.values_wh[0] for run in january] == [1, 2, 17]
    assert [run.values_wh[0] for run in store.intervals_of_month(home, 0, JANUARY + 1)] == [18]
    assert store.intervals_of_month(home, 1, JANUARY - 89) == []  # December


def test_a_register_alone_moves_the_latest_state_only(store: ReadingStore, home: int) -> None:
    store.append(delivery(home, [1] * 48, register_wh=9_000))
    store.append_register(delivery(home, [], slot=60, register_wh=9_500, day_wh=0))
    assert [(one.register_wh, one.read_through_us) for one in store.state(home, JANUARY)] == [
        (9_500, START_US + 60 * SLOT_US)
    ]
    assert [(event.slot_count, event.values_wh) for event in store.events(home, JANUARY)][1:] == [(0, ())]
    assert store.intervals(home, 0, START_US + DAY_US) == []
    assert [usage.day for usage in store.usage(home, 0, JANUARY)] == [15]


def test_the_fuels_of_a_home_keep_apart_in_one_partition(store: ReadingStore, home: int) -> None:
    store.append(delivery(home, [1] * 48))
    store.append(delivery(home, [2] * 48, fuel=1, register_wh=77))
    assert [(one.fuel, one.usage_wh) for fuel in (0, 1) for one in store.usage(home, fuel, JANUARY)] == [
        (0, 48),
        (1, 96),
    ]
    assert [(one.fuel, one.register_wh) for one in store.state(home, JANUARY)] == [(0, 5_000), (1, 77)]
    assert [run.values_wh[0] for run in store.intervals(home, 1, START_US)] == [2]


def test_days_and_months_keep_apart(store: ReadingStore, home: int) -> None:
    store.append(delivery(home, [1] * 48))
    store.append(delivery(home, [2] * 48, slot=48))
    store.append(delivery(home, [3] * 48, slot=17 * 48))  # 1 February
    assert [run.values_wh[0] for run in store.intervals(home, 0, START_US + DAY_US)] == [2]
    assert [usage.day for usage in store.usage(home, 0, JANUARY)] == [15, 16]
    assert [usage.day for usage in store.usage(home, 0, 202602)] == [1]


def test_ten_seconds_alerts_and_rejections_are_told_again(store: ReadingStore, home: int) -> None:
    ticks = [TenSeconds(tick=tick, wh=tick % 7) for tick in range(20)]
    alerts = [Alert(raised_at_us=START_US + 5_000, number=n, received_at_us=START_US + 9_000) for n in (2, 1)]
    rejected = [
        Rejected(
            received_at_us=START_US + 1_000,
            mpxn=mpxn,
            interval_start_us=START_US - SLOT_US,
            reason=reason,
            detail="the value -5 Wh is negative",
        )
        for mpxn, reason in ((17, "negative"), (17, "unknown meter"), (2, "negative"))
    ]
    for _ in range(2):  # a repeated delivery changes nothing
        store.append_ten_seconds(home, 0, START_US, ticks)
        for alert in alerts:
            store.record_alert(home, alert)
        store.record_rejected(rejected)
    assert store.ten_seconds(home, 0, START_US, 5, 9) == ticks[5:9]
    assert store.ten_seconds(home, 1, START_US, 5, 9) == []
    assert store.alerts(home, JANUARY) == alerts[::-1]
    assert store.rejected(START_US) == rejected
    assert store.rejected(START_US - DAY_US) == []


def test_a_day_is_folded_anew_after_its_corrections(store: HomeReadings, home: int) -> None:
    store.append(delivery(home, [10] * 5 + [-1] + [10] * 42, day_wh=470))
    store.append_revision(delivery(home, [30], slot=5, revision=-1, quality=1))
    store.append_revision(delivery(home, [4], slot=9, revision=2, quality=2))
    for _ in range(2):
        store.refold(home, 0, START_US)
    (usage,) = store.usage(home, 0, JANUARY)
    assert (usage.usage_wh, usage.through_us) == (494, START_US + DAY_US)
    (bill,) = store.today(home, START_US)
    assert (bill.low_wh, bill.standard_wh, bill.peak_wh) == (154, 280, 60)  # 14, 28 and 6 half-hours
    assert (bill.cost_upence, bill.tariff_version) == (154 * 12_000 + 280 * 25_500 + 60 * 36_000, 1)
    store.append(delivery(home, [10] * 5 + [-1] + [10] * 42, day_wh=470))  # what comes again knows less
    assert store.usage(home, 0, JANUARY) == [usage]


def test_faults_of_every_view_are_found_and_mended(fresh: HomeReadings) -> None:
    """Many homes, so that partitions span pages and pieces; one row lost, one wrong and one too many in each view."""
    homes = range(1, 120)
    for home in homes:
        fresh.append(delivery(home, [home % 50] * 48))
        fresh.append_register(delivery(home, [], slot=60, register_wh=home))
        fresh.refold(home, 0, START_US)
    for slot in range(300):
        fresh.append_revision(delivery(7, [slot], slot=slot, revision=3, quality=2))
    for day in range(7):
        fresh.refold(7, 0, START_US + day * DAY_US)
    for view in folded_views(SCHEMA):
        assert list(fresh.verify(view)) == []
        table = next(table for table in SCHEMA.tables if table.name == view)
        key, names = primary_key(table), [column.name for column in table.columns]
        pages = [
            page for piece in fresh.bulk.pieces() for page in fresh.bulk.scan(table, names, piece, with_times=True)
        ]
        held = concat([page for page in pages if row_count(page)])
        chosen = np.searchsorted(np.sort(integers(held, "premises")), [20, 40, 60])
        order = np.argsort(integers(held, "premises"), kind="stable")
        lost, wrong, extra = (take(held, order[at : at + 1]) for at in chosen)
        fresh.bulk.delete(table, {**lost, "write_us": integers(lost, "held_us")})
        changed = next(name for name in names if name not in key and name != "values_wh")
        later_us = integers(wrong, "held_us") + 5
        fresh.bulk.insert(
            table, {**_columns(wrong, names), changed: integers(wrong, changed) + 9, "write_us": later_us}
        )
        fresh.bulk.insert(table, {**_columns(extra, names), "premises": np.array([5_000]), "write_us": later_us})
        found = {one.key["premises"]: one for one in fresh.verify(view)}
        assert sorted(found) == [20, 40, 5_000]
        assert (found[20].found, found[5_000].expected) == (None, None)
        expected, held_row = found[40].expected, found[40].found
        assert expected is not None and held_row is not None and held_row[changed] == expected[changed] + 9
        done = fresh.rebuild(view)
        assert (done.written, done.removed) == (2, 1)
        assert list(fresh.verify(view)) == []


def _columns(page: Page, names: list[str]) -> Page:
    return {name: page[name] for name in names}


def test_a_batch_for_one_partition_is_prepared_and_sent_as_one_statement(session: Any, home: int) -> None:
    """The log and all views by one EXECUTE, each row with the same timestamp, past no batch log."""
    keyspace = f"batch_{uuid.uuid4().hex[:12]}"
    create_schema(session, SCHEMA, topology(keyspace))
    store = CassandraStore(session, SCHEMA, topology(keyspace))
    store.append(delivery(home, [4] * 48))
    written = {
        session.execute(f"SELECT writetime({column}) FROM {keyspace}.{table}").one()[0]
        for table, column in (
            ("events_by_home", "values_wh"),
            ("intervals_by_home", "values_wh"),
            ("usage_by_fuel", "usage_wh"),
            ("billing_by_home", "cost_upence"),
            ("latest_by_home", "register_wh"),
        )
    }
    assert written == {START_US + DAY_US}
    prepared = session.prepare(SCHEMA.statement(Operation.INGEST_READING).cql.format(keyspace=keyspace))
    trace = session.execute(prepared.bind(_bound(delivery(home, [5] * 48, slot=48))), trace=True).get_query_trace()
    said = [event.description for event in trace.events]
    assert not any("batchlog" in text.lower() for text in said), said
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


def _bound(readings: Readings) -> list[Any]:
    values = values_of(reading_columns(Operation.INGEST_READING, readings), 0)
    binds = SCHEMA.statement(Operation.INGEST_READING).binds
    return [driver_value(bind.type, values[bind.name]) for bind in binds]


def test_creating_the_schema_again_changes_nothing(session: Any, home: int) -> None:
    keyspace = f"again_{uuid.uuid4().hex[:12]}"
    create_schema(session, SCHEMA, topology(keyspace))
    CassandraStore(session, SCHEMA, topology(keyspace)).append(delivery(home, [1] * 48))
    create_schema(session, SCHEMA, topology(keyspace))
    held = first_table_with_rows(session, SCHEMA, keyspace)
    assert held is not None and held.name == "events_by_home"


def test_a_keyspace_of_another_shape_is_refused(session: Any) -> None:
    keyspace = f"other_{uuid.uuid4().hex[:12]}"
    session.execute(
        f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', 'north': 1}}", timeout=60
    )
    with pytest.raises(StoreError, match=r"replicated .* name another in \[topology\] keyspace"):
        create_schema(session, SCHEMA, topology(keyspace))
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


def test_a_table_of_other_columns_is_refused(session: Any) -> None:
    keyspace = f"columns_{uuid.uuid4().hex[:12]}"
    session.execute(
        f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', 'north': 1, 'south': 1}}",
        timeout=60,
    )
    session.execute(f"CREATE TABLE {keyspace}.latest_by_home (premises text PRIMARY KEY)", timeout=60)
    with pytest.raises(StoreError, match="latest_by_home is there already with other columns"):
        create_schema(session, SCHEMA, topology(keyspace))
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


def test_the_error_names_tables_and_level_when_the_store_refuses(session: Any, home: int) -> None:
    keyspace = f"refuses_{uuid.uuid4().hex[:12]}"
    create_schema(session, SCHEMA, topology(keyspace))
    store = CassandraStore(session, SCHEMA, topology(keyspace))
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)
    with pytest.raises(StoreError, match=r"ingest_reading on events_by_home, .* at LOCAL_QUORUM"):
        store.append(delivery(home, [1]))
