"""The model of the customers' tables: the store's dictionaries, with rows that are written only where there is none."""

from typing import Any

from scenarios.calendar import UTC_CALENDAR, Calendar
from store.customers.store import HomeCustomers
from store.memory.statements import MemoryStatements
from store.operations import AnyOperation
from store.ports import Values
from store.tables import Schema

_ONCE_US = 1  # the server takes the instant of the compare-and-set; nothing else writes these rows


class MemoryOnce(MemoryStatements):
    """Implements `store.customers.port.OnceRunner`."""

    def run_if(self, operation: AnyOperation, values: Values) -> tuple[bool, Any]:
        statement = self.schema.statement(operation)
        assert statement.cql.endswith("IF NOT EXISTS"), f"{operation} is no row that is written once"
        (table,) = self._writes[operation].tables
        held = self._tables[table.name]
        partition = held.partitions.get(tuple(values[name] for name in table.partition_key), {})
        in_the_way = partition.get(tuple(values[name] for name in held.clustering))
        if in_the_way is not None:
            return False, in_the_way
        bound = {bind.name: values[bind.name] for bind in statement.binds}
        self._insert(held, bound | {"write_us": _ONCE_US})
        return True, None


class MemoryCustomers(HomeCustomers):
    """Implements `store.customers.port.CustomerStore` on dictionaries."""

    def __init__(self, schema: Schema, calendar: Calendar = UTC_CALENDAR) -> None:
        super().__init__(MemoryOnce(schema), lambda: calendar)
