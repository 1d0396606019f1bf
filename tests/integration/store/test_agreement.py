"""Price lists are of no home: of two who publish one at once, in two DCs, one is told so."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from scenarios.domain import SLOT_US
from scenarios.spec import Dc, Topology
from store.cassandra import create_schema
from store.cassandra.customers import CassandraCustomers
from store.ports import StoreError
from store.rejections import Refused
from store.tariffs import FIRST_PRICES, PriceList
from tests.support.schema_under_test import SCHEMA

ROUNDS = 20
TRIES_MAX = 20


def test_of_two_price_lists_of_one_number_in_two_dcs_one_is_refused(two_dc_cluster: LocalCluster, session: Any) -> None:
    topology = Topology(
        dcs=(Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1)), keyspace=f"once_{uuid.uuid4().hex[:12]}"
    )
    create_schema(session, SCHEMA, topology)
    driver, south_session = connect(two_dc_cluster.endpoint("south"))
    try:
        offices = [CassandraCustomers(one, SCHEMA, topology) for one in (session, south_session)]
        for number in range(1, ROUNDS + 1):
            assert published_at_once(offices, number) == [False, True], f"price list {number}"
            until_held(offices, number)
    finally:
        driver.shutdown()
        session.execute(f"DROP KEYSPACE {topology.keyspace}", timeout=60)


def published_at_once(offices: list[CassandraCustomers], number: int) -> list[bool]:
    """Every office publishes a list of that number at the same time: whether each could, sorted."""
    ready = threading.Barrier(len(offices))

    def publish(office: CassandraCustomers, upence: int) -> bool:
        prices = replaced(FIRST_PRICES, number, upence)
        ready.wait()
        for _ in range(TRIES_MAX):
            try:
                office.publish(prices, now_us=0)
            except Refused:
                return False
            except StoreError:  # two who contend may time out: that one is in doubt, and asking again tells
                continue
            return True
        raise AssertionError(f"after {TRIES_MAX} tries nobody knows")

    with ThreadPoolExecutor(len(offices)) as pool:
        return sorted(pool.map(publish, offices, range(len(offices))))


def until_held(offices: list[CassandraCustomers], number: int) -> None:
    """Both DCs hold the same list of that number: what was agreed on gets to the other DC a moment later."""
    for _ in range(1_000):
        held = [[each for each in office.price_lists() if each.version == number] for office in offices]
        if held[0] == held[1] and held[0]:
            return
    raise AssertionError(f"the DCs hold different price lists {number}: {held}")


def replaced(prices: PriceList, number: int, upence: int) -> PriceList:
    """Price lists that differ in their standing charge alone."""
    return PriceList(
        version=number,
        effective_us=number * SLOT_US,
        upence_per_wh=prices.upence_per_wh,
        standing_upence=tuple(each + upence for each in prices.standing_upence),
    )
