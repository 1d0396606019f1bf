"""The statements of a gateway that a fault may kill: nothing is sent for one that is dead."""

from collections.abc import Callable
from typing import Any

from cassandra.cluster import Session
from cassandra.query import BoundStatement

from loadtests.backend.timed_statements import MeasuredStatements, RequestLog
from scenarios.spec import Topology
from store.operations import AnyOperation
from store.ports import StoreError
from store.tables import Schema


class GatewayLife:
    """Ends with the first request of a gateway that is held dead, and begins again with another that knows nothing.

    A call that asks again within itself does not outlive the death that it met: all that it asks is refused.
    """

    def __init__(self, require_alive: Callable[[], None] = lambda: None) -> None:
        """require_alive: raises StoreError while a fault holds the gateway dead."""
        self._require_alive = require_alive
        self._is_over = False

    def begin(self) -> None:
        self._is_over = False

    def require(self) -> None:
        """Raises StoreError: the gateway is dead, or has died since it began."""
        if self._is_over:
            raise StoreError("the gateway has died in this call")
        try:
            self._require_alive()
        except StoreError:
            self._is_over = True
            raise


class MortalStatements(MeasuredStatements):
    """A call may end in its midst."""

    def __init__(
        self, session: Session, schema: Schema, topology: Topology, log: RequestLog, life: GatewayLife
    ) -> None:
        super().__init__(session, schema, topology, log)
        self._life = life

    def start(self, operation: AnyOperation, bound: BoundStatement) -> Any:
        self._life.require()
        return super().start(operation, bound)
