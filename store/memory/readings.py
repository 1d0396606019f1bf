"""The reading store on dictionaries."""

from store.memory.statements import MemoryStatements
from store.readings.store import HomeReadings
from store.tables import Schema
from store.tariffs import Book


class MemoryStore(HomeReadings):
    """Implements `store.ports.ReadingStore` on dictionaries."""

    def __init__(self, schema: Schema, book: Book | None = None) -> None:
        self.statements = MemoryStatements(schema)
        super().__init__(self.statements, self.statements, book)
