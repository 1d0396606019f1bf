"""The customers' tables in Cassandra, on an open session that the caller keeps and closes."""

from cassandra.cluster import Session

from scenarios.calendar import UTC_CALENDAR, Calendar
from scenarios.spec import Topology
from store.cassandra.keyspace import held_version
from store.cassandra.session import Statements
from store.customers.store import HomeCustomers
from store.tables import Schema


class CassandraCustomers(HomeCustomers):
    """Implements `store.customers.port.CustomerStore`. Of two who publish at once, in any DC, one is told so.

    Of two who issue a bill only in one DC: it must be issued through a session of its home's DC.
    """

    def __init__(self, session: Session, schema: Schema, topology: Topology) -> None:
        def calendar() -> Calendar:
            held = held_version(session, schema, topology)
            return held.calendar if held else UTC_CALENDAR

        super().__init__(Statements(session, schema, topology), calendar)
