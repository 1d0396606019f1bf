"""A table that gets a column while the load goes on: nodes forget what they had prepared of it, and clients prepare it again."""

from typing import Any, Protocol

from loadtests.cluster.connect import Endpoint, connect_to_every_node
from loadtests.errors import HarnessError
from store.cassandra.session import FAILURES

COLUMN = "added_by_a_fault"
ALTER_S_MAX = 60.0
COLUMNS = "SELECT column_name FROM system_schema.columns WHERE keyspace_name = %s AND table_name = %s"


class Reachable(Protocol):
    """Nodes that are connected to: `loadtests.cluster.local.LocalCluster`."""

    def endpoint(self) -> Endpoint: ...


class TableAltered:
    """A column is added to a table, and dropped when it is healed. Calls raise HarnessError where nodes do not take it."""

    no_effect = "not all nodes had the new column"
    is_lasting = True

    def __init__(self, nodes: Reachable, table: str) -> None:
        """table: with its keyspace."""
        self._nodes, self._table = nodes, table
        self._driver: Any = None
        self._session: Any = None

    def begin(self) -> None:
        self._driver, self._session = connect_to_every_node(self._nodes.endpoint())
        self._execute(f"ALTER TABLE {self._table} ADD {COLUMN} text")

    def is_effective(self) -> bool:
        return all(COLUMN in columns for columns in self._columns())

    def heal(self) -> None:
        if self._session is None:
            return
        try:
            if any(COLUMN in columns for columns in self._columns()):
                self._execute(f"ALTER TABLE {self._table} DROP {COLUMN}")
        finally:
            self._driver.shutdown()

    def _columns(self) -> list[set[str]]:
        """What each node that is up has of the table."""
        keyspace, _, table = self._table.partition(".")
        hosts = [host for host in self._driver.metadata.all_hosts() if host.is_up]
        try:
            return [
                {row.column_name for row in self._session.execute(COLUMNS, [keyspace, table], host=host)}
                for host in hosts
            ]
        except FAILURES as error:
            raise HarnessError(f"a node does not tell the columns of {self._table}: {error}") from error

    def _execute(self, cql: str) -> None:
        """Returns when all nodes have the new schema."""
        try:
            self._session.execute(cql, timeout=ALTER_S_MAX)
        except FAILURES as error:
            raise HarnessError(f"{cql}: {error}") from error
