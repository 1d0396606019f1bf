"""A writer as a process of its own, which `test_killed_process` kills: heals, then delivers a fixed course of batches.

Arguments: contact point, port, keyspace. Says "healed N" and, after each batch, its number, one line each.
"""

import sys
from collections.abc import Iterator

import numpy as np

from loadtests.cluster.connect import Endpoint, connect
from scenarios.domain import SLOTS_PER_DAY
from scenarios.spec import Dc, Topology
from store.cassandra import CassandraStore
from store.readings.across import Projection
from store.readings.projector import Projector
from store.rows import Readings
from tests.support.schema_under_test import SCHEMA
from tests.support.store_deliveries import BOOK, Delivery

BATCHES, HOMES = 120, 12
PROJECTION = Projection(region_of=lambda premises: premises % 2)


def topology_of(keyspace: str) -> Topology:
    dcs = (Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1))
    return Topology(dcs=dcs, keyspace=keyspace)


def batches() -> Iterator[list[Readings]]:
    """The course: pushes, uploads, estimates and corrections of some homes over two days, in a mixed order."""
    random = np.random.default_rng(11)
    for _ in range(BATCHES):
        batch = []
        for home in random.choice(HOMES, 3, replace=False).tolist():
            slot = int(random.integers(0, 2 * SLOTS_PER_DAY))
            is_upload = home % 3 == 0 and random.random() < 0.5
            if is_upload:
                day = slot // SLOTS_PER_DAY * SLOTS_PER_DAY
                values = tuple(((np.arange(SLOTS_PER_DAY) * 7 + home + day) % 900).tolist())
                batch.append(Delivery(home=home, fuel=0, slot=day, values_wh=values))
                continue
            revision = int(random.choice([0, 0, 0, -1, 1, 2]))
            value = (slot * 31 + home * 7 + revision * 5) % 900
            batch.append(
                Delivery(home=home, fuel=0, slot=slot, values_wh=(value,), revision=revision, is_sent=revision == 0)
            )
        yield [one.readings(sum(one.values_wh)) for one in batch]


def main() -> None:
    host, port, keyspace = sys.argv[1:]
    driver, session = connect(Endpoint(contact_points=(host,), port=int(port), local_dc="north"))
    store = CassandraStore(session, SCHEMA, topology_of(keyspace), BOOK)
    projector = Projector(store, PROJECTION, writer=1, started_us=int(np.datetime64("now", "us").astype(np.int64)))
    print(f"healed {projector.heal()}", flush=True)
    for number, deliveries in enumerate(batches()):
        projector.deliver(deliveries)
        print(number, flush=True)
    store.close()
    driver.shutdown()


if __name__ == "__main__":
    main()
