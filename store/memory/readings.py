"""The reading store on dictionaries."""

from scenarios.calendar import UTC_CALENDAR, Calendar
from store.memory.statements import MemoryStatements
from store.readings.store import HomeReadings
from store.tables import Schema
from store.tariffs import Book


class MemoryStore(HomeReadings):
    """Implements `store.ports.ReadingStore` on dictionaries."""

    def __init__(self, schema: Schema, book: Book | None = None, *, calendar: Calendar = UTC_CALENDAR) -> None:
        """calendar: of a store without a book."""
        self.statements = MemoryStatements(schema)
        super().__init__(self.statements, self.statements, book, calendar=calendar)
