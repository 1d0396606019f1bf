"""Views across homes, on both stores: settlement and its runs, cohorts, receipts by rows and by counters, completeness."""

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pytest

from scenarios.calendar import UTC_CALENDAR
from scenarios.domain import DAY_US, SLOT_US, SettlementRunCode
from scenarios.spec import Dc, Topology
from store.cassandra import CassandraStore, create_schema
from store.memory import MemoryStore
from store.readings.across import Projection, verify_across, views_across
from store.readings.projector import Projector, read_settlement
from store.readings.receipts import HOUR_US, CounterReceipts, Receipt, Receipts, RowReceipts
from store.readings.settlement import period_totals
from store.readings.store import HomeReadings
from store.readings.summarise import comparison, completeness, project_cohorts, project_completeness
from store.readings.verify import folded_views
from store.roles import TableRole
from store.rows import Readings
from store.tariffs import Book
from tests.support.schema_under_test import SCHEMA
from tests.support.store_deliveries import Delivery
from tests.support.store_faults import Killed, MortalRunner

SETTLEMENT = SCHEMA.table(TableRole.SETTLEMENT)
PROJECTION = Projection(region_of=lambda premises: premises % 2)


def us(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc]


@pytest.fixture(scope="module")
def cassandra_store(session: Any) -> Iterator[HomeReadings]:
    keyspace = f"across_{uuid.uuid4().hex[:12]}"
    dcs = (Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1))
    topology = Topology(dcs=dcs, keyspace=keyspace)
    create_schema(session, SCHEMA, topology)
    store = CassandraStore(session, SCHEMA, topology, Book())
    yield store
    store.close()
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


@pytest.fixture(params=["memory", "cassandra"])
def store(request: pytest.FixtureRequest) -> HomeReadings:
    """Tests share a keyspace: each has months, homes and a writer of its own."""
    return MemoryStore(SCHEMA, Book()) if request.param == "memory" else request.getfixturevalue("cassandra_store")


def run_of(
    home: int,
    start_us: int,
    values_wh: list[int],
    *,
    revision: int = 0,
    received_us: int | None = None,
    fuel: int = 0,
) -> Readings:
    """Half-hours of a home, received when they end."""
    one = Delivery(
        home=home, fuel=fuel, slot=0, values_wh=tuple(values_wh), revision=revision, is_sent=revision == 0
    ).readings(sum(values_wh))
    end_us = start_us + len(values_wh) * SLOT_US
    fields = {name: getattr(one, name) for name in one.__dataclass_fields__}
    return Readings(
        **fields
        | {
            "interval_start_us": np.array([start_us]),
            "received_at_us": np.array([end_us if received_us is None else received_us]),
        }
    )


def projector_of(store: HomeReadings, writer: int, started_us: int = 1_000_000) -> Projector:
    projector = Projector(store, PROJECTION, writer=writer, started_us=started_us)
    projector.heal()
    return projector


def mpxn_of(home: int, fuel: int = 0) -> int:
    return int(Delivery(home=home, fuel=fuel, slot=0, values_wh=(1,)).readings().mpxn[0])


@pytest.mark.parametrize(
    ("settlement_date", "periods", "utc_days", "first"),
    [
        (date(2025, 3, 30), 46, (us(2025, 3, 30),), 100),  # summer time starts: 00:00 to 23:00 UTC
        (date(2025, 10, 26), 50, (us(2025, 10, 25), us(2025, 10, 26)), 46),  # it ends: 23:00 UTC the day before
        (date(2025, 7, 1), 48, (us(2025, 6, 30), us(2025, 7, 1)), 46),  # over the turn of a month
        (date(2025, 1, 15), 48, (us(2025, 1, 15),), 100),
    ],
)
def test_a_settlement_date_is_a_local_day(
    store: HomeReadings, settlement_date: date, periods: int, utc_days: tuple[int, ...], first: int
) -> None:
    home = 100 + periods + settlement_date.month
    projector = projector_of(store, writer=periods + settlement_date.month)
    for number, day_us in enumerate(utc_days):
        projector.deliver([run_of(home, day_us, [100 * (number or first == 100) + slot for slot in range(48)])])
    (meter,) = [
        one
        for one in read_settlement(
            store.runner, settlement_date, SettlementRunCode.LATEST, SETTLEMENT.shard_of(mpxn_of(home))
        )
        if one.premises == home
    ]
    assert len(meter.values_wh) == periods
    assert meter.values_wh[:3] == ((46, 47, 100) if first == 46 else (100, 101, 102))
    assert meter.values_wh[-1] == 100 + (periods - 3 if first == 46 else periods - 1)
    totals, known = period_totals([meter, meter], settlement_date, UTC_CALENDAR)
    assert totals.tolist() == [2 * wh for wh in meter.values_wh]
    assert known.tolist() == [2] * periods


def test_a_settlement_run_freezes_what_was_known(store: HomeReadings) -> None:
    home, day_us, settlement_date = 300, us(2025, 2, 10), date(2025, 2, 10)
    shard = SETTLEMENT.shard_of(mpxn_of(home))
    projector = projector_of(store, writer=1)

    def settled(run: SettlementRunCode) -> list[tuple[int, ...]]:
        meters = read_settlement(store.runner, settlement_date, run, shard)
        return [(one.values_wh[4], one.values_wh[9], one.estimated_count) for one in meters if one.premises == home]

    upload = [10] * 4 + [-1] + [10] * 43
    projector.deliver([run_of(home, day_us, upload)])
    projector.deliver([run_of(home, day_us + 4 * SLOT_US, [33], revision=-1, received_us=day_us + 2 * DAY_US)])
    known_ii, known_sf = day_us + 5 * DAY_US, day_us + 16 * DAY_US
    assert projector.settle(settlement_date, SettlementRunCode.II, known_ii, shard) == 1
    projector.deliver([run_of(home, day_us + 9 * SLOT_US, [4], revision=1, received_us=day_us + 9 * DAY_US)])
    assert settled(SettlementRunCode.II) == [(33, 10, 1)]
    assert settled(SettlementRunCode.LATEST) == [(33, 4, 1)]
    assert projector.settle(settlement_date, SettlementRunCode.SF, known_sf, shard) == 1
    assert projector.settle(settlement_date, SettlementRunCode.II, known_ii, shard) == 1  # again, and later
    assert settled(SettlementRunCode.II) == [(33, 10, 1)]
    assert settled(SettlementRunCode.SF) == [(33, 4, 1)]
    assert settled(SettlementRunCode.RF) == []


def test_gas_is_not_settled_by_the_half_hour(store: HomeReadings) -> None:
    home, day_us = 400, us(2025, 2, 11)
    projector_of(store, writer=2).deliver([run_of(home, day_us, [9] * 48, fuel=1)])
    assert store.usage(home, 1, 202502)[0].usage_wh == 432
    shard = SETTLEMENT.shard_of(mpxn_of(home, 1))
    assert read_settlement(store.runner, date(2025, 2, 11), SettlementRunCode.LATEST, shard) == []


def test_a_home_is_compared_with_its_cohort(store: HomeReadings) -> None:
    """12 homes of cohort 7 use 48, 96, ... Wh on one day and as much on the next; 3 homes of cohort 8 are too few."""
    day_us = us(2024, 3, 5)
    homes = [*range(500, 512), 600, 601, 602]
    for day in range(2):
        for home in homes:
            store.append(run_of(home, day_us + day * DAY_US, [home - 499] * 48))
    rows = project_cohorts(store, 202403, lambda premises: np.where(premises < 600, 7, 8), day_us + 3 * DAY_US)
    assert rows == 3
    told = {(one.day, one.fuel): one for one in comparison(store.runner, 7, 202403)}
    assert sorted(told) == [(0, 0), (5, 0), (6, 0)]
    day = told[5, 0]
    assert (day.home_count, day.mean_wh) == (12, 312)  # 48 * (1 + ... + 12) / 12
    assert (day.percentiles_wh[0], day.percentiles_wh[100], len(day.percentiles_wh)) == (48, 576, 101)
    assert told[0, 0].mean_wh == 624
    assert (day.rank(0), day.rank(10_000)) == (0, 100)
    assert 40 <= day.rank(6 * 48) <= 50
    assert comparison(store.runner, 8, 202403) == []


def test_completeness_counts_what_is_known_of_each_half_hour(store: HomeReadings) -> None:
    day_us = us(2024, 5, 5)
    store.append(run_of(700, day_us, [5] * 10 + [-1] + [5] * 37))
    store.append(run_of(702, day_us, [5] * 48))
    store.append(run_of(702, day_us, [5] * 48))  # again
    store.append(run_of(701, day_us + 3 * SLOT_US, [5]))
    store.append_revision(run_of(700, day_us + 10 * SLOT_US, [6], revision=-1))
    expected = {(0, 0): 3, (1, 0): 1}
    assert project_completeness(store, 202405, PROJECTION.region_of, expected, day_us + DAY_US, day_us) == 2
    told = completeness(store.runner, day_us)
    assert told == {(0, 0): (3, (2,) * 48), (1, 0): (1, (0, 0, 0, 1) + (0,) * 44)}
    assert completeness(store.runner, day_us + DAY_US) == {}


def test_a_repeated_delivery_is_one_row_but_counted_twice(store: HomeReadings) -> None:
    """Why counters are never part of the projection: neither a repeat nor a retry after doubt can be told from new ones."""
    hour_us = us(2025, 4, 1, 7)
    hour = hour_us // HOUR_US
    receipts = [
        Receipt(
            received_at_us=hour_us + n,
            region=5,
            mpxn=n,
            interval_start_us=hour_us - DAY_US,
            slot_count=48,
            revision=0,
            known_count=47,
        )
        for n in range(3)
    ]
    by_row, by_counter = RowReceipts(store.runner), CounterReceipts(store.runner)
    both: tuple[Receipts, ...] = (by_row, by_counter)
    for one in both:
        one.record(receipts)
    assert [one.half_hours(5, hour) for one in both] == [141, 141]
    for one in both:
        one.record(receipts[:1])
    assert by_row.half_hours(5, hour) == 141
    assert by_counter.half_hours(5, hour) == 188
    assert [one.half_hours(5, hour + 1) for one in both] == [0, 0]


@pytest.mark.parametrize("step", [1, 2, 4, 7])
def test_a_writer_that_is_killed_heals(store: HomeReadings, step: int) -> None:
    """Before the log, between two deliveries, between log and views, before the watermark; see the property tests for all."""
    home, day_us, writer = 800 + step, us(2025, 6, 3), 20 + step
    mortal = MortalRunner(store.runner, 1 + step)  # the first statement reads the watermark, the second the journal
    process = Projector(HomeReadings(mortal, store.bulk, Book()), PROJECTION, writer=writer, started_us=2_000_000)
    batch = [
        run_of(home, day_us, [10] * 48),
        run_of(home, day_us + 5 * SLOT_US, [99], revision=1, received_us=day_us + 2 * DAY_US),
    ]
    with pytest.raises(Killed):
        process.heal()
        process.deliver(batch)
    restarted = projector_of(store, writer, started_us=3_000_000)
    assert [one for view in folded_views(SCHEMA) for one in store.verify(view) if one.key["premises"] == home] == []
    assert [
        one
        for view in views_across(SCHEMA)
        for one in verify_across(store, view, PROJECTION)
        if one.key["mpxn"] == mpxn_of(home)
    ] == []
    restarted.deliver(batch)
    assert [day.usage_wh for day in store.usage(home, 0, 202506)] == [47 * 10 + 99]
    assert RowReceipts(store.runner).half_hours(home % 2, (day_us + 2 * DAY_US) // HOUR_US) >= 1
    assert restarted.heal() == 0
