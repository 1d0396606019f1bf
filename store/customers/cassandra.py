"""The customers' tables in Cassandra, on an open session that the caller keeps and closes."""

from cassandra.cluster import Session

from scenarios.spec import Topology
from store.customers.store import HomeCustomers
from store.session import Statements
from store.tables import Schema


class CassandraCustomers(HomeCustomers):
    """Implements `store.customers.port.CustomerStore`. Of two who publish or issue at once, in one DC, one is told so."""

    def __init__(self, session: Session, schema: Schema, topology: Topology) -> None:
        super().__init__(Statements(session, schema, topology))
