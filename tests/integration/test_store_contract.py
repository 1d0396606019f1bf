"""One suite, both stores: whatever `store.memory` answers, the real Cassandra answers too."""

import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from scenarios.domain import DAY_US, SLOT_US
from scenarios.spec import Dc, Topology
from store.cassandra import CassandraStore, create_schema, first_table_with_rows
from store.memory import MemoryStore
from store.ports import DayUsage, IntervalRun, MeterState, ReadingStore, StoreError
from store.rows import Readings
from store.schemas import SCHEMAS

SCHEMA = SCHEMAS["packed_runs"]
START_US = 1_768_435_200_000_000  # 2026-01-15 00:00 UTC
JANUARY = 202601
MPXN = 1_000_000_000_003


def topology(keyspace: str) -> Topology:
    dcs = (Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1))
    return Topology(dcs=dcs, keyspace=keyspace)


@pytest.fixture(params=["memory", "cassandra"])
def store(request: pytest.FixtureRequest) -> Iterator[ReadingStore]:
    if request.param == "memory":
        yield MemoryStore()
        return
    session = request.getfixturevalue("session")
    keyspace = f"contract_{uuid.uuid4().hex[:12]}"
    create_schema(session, SCHEMA, topology(keyspace))
    yield CassandraStore(session, SCHEMA, topology(keyspace))
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


def delivery(
    values_wh: list[int],
    *,
    slot: int = 0,
    revision: int = 0,
    register_wh: int = 5_000,
    day_wh: int = 0,
    mpxn: int = MPXN,
    quality: int = 0,
) -> Readings:
    """One delivery of consecutive half-hours of premises 7, from `slot` of the first day."""
    return Readings(
        mpxn=np.array([mpxn]),
        premises=np.array([7]),
        fuel=np.array([0], np.int8),
        interval_start_us=np.array([START_US + slot * SLOT_US]),
        values_wh=np.array([values_wh], np.int32),
        register_wh=np.array([register_wh]),
        day_wh=np.array([day_wh or sum(values_wh)]),
        received_at_us=np.array([START_US + DAY_US]),
        revision=np.array([revision], np.int32),
        source=np.array([0], np.int8),
        quality=np.array([quality], np.int8),
    )


def test_a_day_is_found_under_every_key(store: ReadingStore) -> None:
    store.append(delivery(list(range(48)), register_wh=9_000))
    (event,) = store.events(MPXN, JANUARY)
    assert (event.values_wh, event.register_wh, event.received_at_us) == (tuple(range(48)), 9_000, START_US + DAY_US)
    assert store.intervals(MPXN, START_US) == [
        IntervalRun(interval_start_us=START_US, revision=0, quality=0, values_wh=tuple(range(48)))
    ]
    usage = DayUsage(day=15, fuel=0, usage_wh=sum(range(48)), through_us=START_US + DAY_US)
    assert store.usage(7, JANUARY) == [usage]
    assert store.state(MPXN) == MeterState(
        register_wh=9_000, read_through_us=START_US + DAY_US, received_at_us=START_US + DAY_US
    )


def test_nothing_is_known_of_a_meter_that_never_sent(store: ReadingStore) -> None:
    assert store.events(MPXN, JANUARY) == []
    assert store.intervals(MPXN, START_US) == []
    assert store.usage(7, JANUARY) == []
    assert store.state(MPXN) is None


def test_a_repeated_delivery_changes_nothing(store: ReadingStore) -> None:
    pushes = [delivery([10 + slot], slot=slot, day_wh=10 * (slot + 1)) for slot in range(3)]
    for push in pushes:
        store.append(push)
    before = (store.events(MPXN, JANUARY), store.intervals(MPXN, START_US), store.usage(7, JANUARY), store.state(MPXN))
    for push in reversed(pushes):
        store.append(push)
    after = (store.events(MPXN, JANUARY), store.intervals(MPXN, START_US), store.usage(7, JANUARY), store.state(MPXN))
    assert after == before


def test_views_end_with_the_latest_half_hour_in_whatever_order_they_come(store: ReadingStore) -> None:
    for slot in (2, 0, 1):
        store.append(delivery([5], slot=slot, day_wh=5 * (slot + 1), register_wh=100 + slot))
    (usage,) = store.usage(7, JANUARY)
    assert (usage.usage_wh, usage.through_us) == (15, START_US + 3 * SLOT_US)
    state = store.state(MPXN)
    assert state is not None and state.register_wh == 102
    assert [run.interval_start_us for run in store.intervals(MPXN, START_US)] == [
        START_US + slot * SLOT_US for slot in range(3)
    ]


def test_a_correction_wins_even_when_it_comes_first(store: ReadingStore) -> None:
    store.append(delivery([7] * 48, revision=1, quality=2))
    store.append(delivery([1] * 48))
    (run,) = store.intervals(MPXN, START_US)
    assert (run.revision, run.quality, run.values_wh) == (1, 2, (7,) * 48)
    assert [event.revision for event in store.events(MPXN, JANUARY)] == [0, 1]


def test_days_and_months_keep_apart(store: ReadingStore) -> None:
    store.append(delivery([1] * 48))
    store.append(delivery([2] * 48, slot=48))
    store.append(delivery([3] * 48, slot=17 * 48))  # 1 February
    assert [run.values_wh[0] for run in store.intervals(MPXN, START_US + DAY_US)] == [2]
    assert [usage.day for usage in store.usage(7, JANUARY)] == [15, 16]
    assert [usage.day for usage in store.usage(7, 202602)] == [1]


def test_creating_the_schema_again_changes_nothing(session: Any) -> None:
    keyspace = f"again_{uuid.uuid4().hex[:12]}"
    create_schema(session, SCHEMA, topology(keyspace))
    CassandraStore(session, SCHEMA, topology(keyspace)).append(delivery([1] * 48))
    create_schema(session, SCHEMA, topology(keyspace))
    held = first_table_with_rows(session, SCHEMA, keyspace)
    assert held is not None and held.name == "events_by_meter"


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
    session.execute(f"CREATE TABLE {keyspace}.meter_state (mpxn text PRIMARY KEY)", timeout=60)
    with pytest.raises(StoreError, match="meter_state is there already with other columns"):
        create_schema(session, SCHEMA, topology(keyspace))
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


def test_the_error_names_table_and_level_when_the_store_refuses(session: Any) -> None:
    keyspace = f"refuses_{uuid.uuid4().hex[:12]}"
    create_schema(session, SCHEMA, topology(keyspace))
    store = CassandraStore(session, SCHEMA, topology(keyspace))
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)
    with pytest.raises(StoreError, match="append_event on events_by_meter at LOCAL_QUORUM"):
        store.append(delivery([1]))
