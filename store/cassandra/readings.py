"""The reading store in Cassandra, on an open session that the caller keeps and closes.

The bulk of a storm's traffic does not come through here but over the wire engine, which prepares the same statements.
"""

from cassandra.cluster import Session

from scenarios.calendar import UTC_CALENDAR
from scenarios.spec import Topology
from store.cassandra.bulk import CassandraBulk
from store.cassandra.keyspace import held_version, write_version
from store.cassandra.session import Statements
from store.migrations import check_calendar
from store.readings.store import HomeReadings
from store.readings.verify import Rebuilt
from store.tables import Schema
from store.tariffs import Book


class CassandraStore(HomeReadings):
    """Implements `store.ports.ReadingStore` on an open session; the caller keeps and closes the session."""

    def __init__(self, session: Session, schema: Schema, topology: Topology, book: Book | None = None) -> None:
        """Raises StoreError for a book of another calendar than the keyspace's, and when the keyspace can't be asked."""
        held = held_version(session, schema, topology)
        calendar = held.calendar if held else UTC_CALENDAR
        if held and book is not None:
            check_calendar(held, book.calendar, topology.keyspace)
        self._bulk = CassandraBulk(session, topology)
        self.statements = Statements(session, schema, topology)
        super().__init__(self.statements, self._bulk, book, calendar=calendar)

    def finish_migration(self) -> dict[str, Rebuilt]:
        """Fill the views that a migration of the keyspace has named; what it did. Repeating it changes nothing.

        Bills need a Book, or what the keyspace holds in its place: price lists, and the tariff that each home has chosen.
        Raises StoreError; Refused for a row of billing that is to be written and that can't be priced. What was named is
        still to be filled then: open the store with a Book and call it again.
        """
        statements = self.statements
        held = held_version(statements.session, statements.schema, statements.topology)
        done = {view: self.rebuild(view) for view in (held.views_to_rebuild if held else ())}
        if done:
            write_version(statements.session, statements.schema, statements.topology, (), self.calendar)
        return done

    def close(self) -> None:
        """End what verify and rebuild have opened; the session stays open."""
        self._bulk.close()
