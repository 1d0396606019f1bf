"""A loaded keyspace of version 1 is brought forward with nothing lost; a newer one is refused and left as it is."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from scenarios.calendar import GREAT_BRITAIN, Calendar
from scenarios.domain import DAY_US, Operation
from scenarios.spec import Dc, Topology
from store.cassandra import CassandraStore, create_schema, held_version
from store.ports import StoreError
from store.readings.verify import folded_views
from store.schemas import SCHEMAS
from store.schemas.home_months import readings
from store.tables import Schema
from tests.support.store_deliveries import BOOK, START_US, Delivery, send

SCHEMA = SCHEMAS["home_months"]

# As version 1 had it: a bill without the half-hour up to which it counts, and no table across homes.
BILLING_V1 = """CREATE TABLE {keyspace}.billing_by_home (
    premises bigint, month int, day tinyint, fuel tinyint,
    tariff_version int, low_wh bigint, standard_wh bigint, peak_wh bigint, cost_upence bigint,
    PRIMARY KEY ((premises, month), day, fuel)
)"""
LATER = ("billing_by_home", "usage_by_fuel")  # not as version 1 had them, or not at all
TABLES_V1 = [table.create for table in readings.TABLES if table.name not in LATER] + [BILLING_V1]
INGEST_V1 = (
    "INSERT INTO {keyspace}.billing_by_home (premises, month, day, fuel, tariff_version, low_wh, standard_wh, peak_wh, "
    "cost_upence) VALUES (%s, 202601, 31, 0, 1, 0, %s, 0, %s) USING TIMESTAMP %s"
)


@pytest.fixture
def topology(session: Any) -> Iterator[Topology]:
    keyspace = f"migrated_{uuid.uuid4().hex[:12]}"
    yield Topology(dcs=(Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1)), keyspace=keyspace)
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


def make_version_1(session: Any, topology: Topology) -> None:
    keyspace = topology.keyspace
    session.execute(
        f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'NetworkTopologyStrategy', 'north': 1, 'south': 1}}",
        timeout=60,
    )
    version = "CREATE TABLE {keyspace}.schema_version (name text PRIMARY KEY, version int, to_rebuild text)"
    for create in [*TABLES_V1, version]:
        session.execute(create.format(keyspace=keyspace), timeout=60)
    session.execute(f"INSERT INTO {keyspace}.schema_version (name, version) VALUES ('home_months', 1)")


def load_version_1(session: Any, topology: Topology) -> None:
    """What a program of version 1 wrote: its log and views, but for the bill's new column."""
    first = Schema(
        name="home_months",
        version=1,
        tables=tuple(table for table in readings.TABLES if table.name not in LATER),
        writes=tuple(write for write in readings.WRITES if all(table.name not in LATER for table in write.tables)),
    )
    store = CassandraStore(session, first, topology)
    for home in range(20):
        send(store, Delivery(home=home, fuel=0, slot=0, values_wh=(home,), revision=1, is_sent=False))
        session.execute(INGEST_V1.format(keyspace=topology.keyspace), (home, home, home, START_US + DAY_US))


def test_a_loaded_keyspace_of_version_1_is_brought_forward(session: Any, topology: Topology) -> None:
    make_version_1(session, topology)
    load_version_1(session, topology)
    create_schema(session, SCHEMA, topology)
    held = held_version(session, SCHEMA, topology)
    assert held is not None
    assert (held.version, held.views_to_rebuild) == (SCHEMA.version, ("billing_by_home", "usage_by_fuel"))
    store = CassandraStore(session, SCHEMA, topology, BOOK)
    assert len(list(store.verify("billing_by_home"))) == 20  # the new column is empty
    create_schema(session, SCHEMA, topology)  # again, before it was finished: what is to be rebuilt is not forgotten
    done = store.finish_migration()
    assert (done["billing_by_home"].written, done["usage_by_fuel"].written) == (20, 20)
    assert list(store.verify("billing_by_home")) == []
    assert [event.values_wh for event in store.events(7, 202601)] == [(7,)]
    assert [bill.through_us for bill in store.billing(7, 202601)] == [START_US + DAY_US // 48]
    send(store, Delivery(home=7, fuel=0, slot=1, values_wh=(5,)))  # and it works on
    assert store.finish_migration() == {}
    assert {view: len(list(store.verify(view))) for view in folded_views(SCHEMA)} == {
        "intervals_by_home": 0,
        "latest_by_home": 0,
        "billing_by_home": 1,  # of the sum that the delivery has brought, which the day's fold mends
        "usage_by_fuel": 1,
    }
    store.close()


def test_a_newer_keyspace_is_refused_and_left_alone(session: Any, topology: Topology) -> None:
    make_version_1(session, topology)
    newer = SCHEMA.version + 1
    session.execute(f"UPDATE {topology.keyspace}.schema_version SET version = {newer} WHERE name = 'home_months'")
    with pytest.raises(StoreError, match=rf"at version {newer} of schema home_months.*use a newer meterstorm"):
        create_schema(session, SCHEMA, topology)
    session.cluster.refresh_keyspace_metadata(topology.keyspace)
    tables = session.cluster.metadata.keyspaces[topology.keyspace].tables
    assert "settlement_by_date" not in tables and "through" not in tables["billing_by_home"].columns


def test_a_keyspace_keeps_the_time_zone_of_its_days(session: Any, topology: Topology) -> None:
    small = SCHEMA.only((Operation.READ_USAGE_MONTH,))
    create_schema(session, small, topology, GREAT_BRITAIN)
    create_schema(session, small, topology, GREAT_BRITAIN)
    with pytest.raises(StoreError, match=r"by Europe/London, not by UTC: ask for that \(\[estate\] time_zone\)"):
        create_schema(session, small, topology)
    assert CassandraStore(session, small, topology).calendar == GREAT_BRITAIN
    with pytest.raises(StoreError, match="by Europe/London, not by UTC"):
        CassandraStore(session, small, topology, BOOK)


def test_a_keyspace_keeps_the_length_of_its_slots(session: Any, topology: Topology) -> None:
    small, vienna = SCHEMA.only((Operation.READ_USAGE_MONTH,)), Calendar("Europe/Vienna", 4)
    create_schema(session, small, topology, vienna)
    create_schema(session, small, topology, vienna)
    with pytest.raises(
        StoreError, match=r"holds quarter-hours, not half-hours: ask for that \(\[estate\] slots_per_hour = 4\)"
    ):
        create_schema(session, small, topology, Calendar("Europe/Vienna"))
    assert CassandraStore(session, small, topology).calendar == vienna
    # as an older program left it: of half-hours
    session.execute(f"DELETE slots_per_hour FROM {topology.keyspace}.schema_version WHERE name = 'home_months'")
    assert CassandraStore(session, small, topology).calendar == Calendar("Europe/Vienna")
