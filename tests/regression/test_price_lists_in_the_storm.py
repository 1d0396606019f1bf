"""Announced price lists were published in the storm: serial writes to every DC, which a small machine did not answer in time.

Eight tries of eight were in doubt, and the run of the README failed for them.
"""

import pytest

from loadtests.storm import tables
from loadtests.workload.prices import price_lists_of
from meterstorm import load_scenario
from sim.estate.lookup import start_us_of
from sim.estate.model import build_estate
from store.memory.customers import MemoryCustomers
from store.schemas import schema_of


def test_all_price_lists_are_published_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = load_scenario("smoke")
    estate, schema = build_estate(scenario), schema_of(scenario)
    book = MemoryCustomers(schema)
    monkeypatch.setattr(tables, "CassandraCustomers", lambda *_: book)
    tables.publish_prices(None, estate, schema, scenario.topology)
    wanted = price_lists_of(estate)
    assert book.price_lists() == tuple(wanted)
    assert any(prices.effective_us > start_us_of(estate) for prices in wanted)
