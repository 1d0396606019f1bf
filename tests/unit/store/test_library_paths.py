"""What callers of the library import, and from where: a move inside the house must not reach them."""

from importlib import import_module

import pytest

PATHS = (
    "scenarios.calendar:Calendar",
    "scenarios.domain:Operation",
    "scenarios.tariffs:Tariff",
    "store.adapters:METER_TYPES",
    "store.adapters.counter:Counter",
    "store.adapters.register_only:RegisterOnly",
    "store.cassandra:CassandraStore",
    "store.cassandra:create_schema",
    "store.customers.desk:Desk",
    "store.customers.memory:MemoryCustomers",
    "store.ingest:Known",
    "store.ingest:ingest",
    "store.memory:MemoryStore",
    "store.parsing:Delivery",
    "store.parsing:NumberedHomes",
    "store.readings.fold:Book",
    "store.readings.store:HomeReadings",
    "store.readings.summaries:insights",
    "store.readings.summarise:completeness",
    "store.readings.summarise:project_completeness",
    "store.rejections:Reason",
    "store.rejections:Refused",
    "store.schemas:SCHEMAS",
    "store.tariffs:FIRST_PRICES",
    "store.tariffs:PriceList",
)


@pytest.mark.parametrize("path", PATHS)
def test_what_callers_import_is_where_it_was(path: str) -> None:
    module, name = path.split(":")
    assert hasattr(import_module(module), name)


def test_a_class_has_one_place() -> None:
    assert import_module("store.customers.memory").MemoryCustomers.__module__ == "store.memory.customers"


def test_meter_types_are_the_same_by_their_former_name() -> None:
    assert import_module("store.adapters") is import_module("store.meter_conversion")
    assert import_module("store.adapters.counter") is import_module("store.meter_conversion.counter")
