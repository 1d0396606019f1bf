"""The requests of a part that a fault may kill: nothing is sent for one that is dead."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cassandra.cluster import Session
from cassandra.query import BoundStatement

from loadtests.backend.timed_statements import MeasuredStatements, RequestLog
from scenarios.spec import Topology
from store.columns import Page, Piece
from store.operations import AnyOperation
from store.ports import Bulk, StoreError
from store.tables import Schema, Table


class PartLife:
    """Ends with the first request of a part that is held dead, and begins again with another that knows nothing.

    A call that asks again within itself does not outlive the death that it met: all that it asks is refused.
    """

    def __init__(self, require_alive: Callable[[], None] = lambda: None) -> None:
        """require_alive: raises StoreError while a fault holds the part dead."""
        self._require_alive = require_alive
        self.is_over = False

    def begin(self) -> None:
        self.is_over = False

    def require(self) -> None:
        """Raises StoreError: the part is dead, or has died since it began."""
        if self.is_over:
            raise StoreError("it has died in this call")
        try:
            self._require_alive()
        except StoreError:
            self.is_over = True
            raise


class MortalStatements(MeasuredStatements):
    """A call may end in its midst."""

    def __init__(self, session: Session, schema: Schema, topology: Topology, log: RequestLog, life: PartLife) -> None:
        super().__init__(session, schema, topology, log)
        self._life = life

    def start(self, operation: AnyOperation, bound: BoundStatement) -> Any:
        self._life.require()
        return super().start(operation, bound)


class MortalBulk:
    """Implements `store.ports.Bulk` over another: a scan may end with any of its pages."""

    def __init__(self, bulk: Bulk, life: PartLife) -> None:
        self._bulk, self._life = bulk, life

    def pieces(self) -> Sequence[Piece]:
        return self._bulk.pieces()

    def scan(self, table: Table, columns: Sequence[str], piece: Piece, *, with_times: bool = False) -> Iterator[Page]:
        self._life.require()
        for page in self._bulk.scan(table, columns, piece, with_times=with_times):
            yield page
            self._life.require()

    def insert(self, table: Table, rows: Page) -> None:
        self._life.require()
        self._bulk.insert(table, rows)

    def delete(self, table: Table, rows: Page) -> None:
        self._life.require()
        self._bulk.delete(table, rows)
