"""Faults by which nodes come and go for good: rows move between nodes while the load goes on."""

from collections.abc import Collection, Mapping
from typing import Protocol

from loadtests.cluster.connect import connect_to_every_node
from loadtests.cluster.control.orders import Order
from loadtests.errors import HarnessError
from loadtests.faults.ordered_acts import Ordered, wait_done
from store.cassandra.session import FAILURES

LEFT_S_MAX = 300.0
RELEASE = "SELECT release_version FROM system.local"


class Members(Protocol):
    """A cluster whose nodes come and go: `loadtests.cluster.local.LocalCluster`."""

    def silent(self, names: Collection[str]) -> set[str]: ...
    def order(self, name: str, *words: str) -> Order: ...
    def begin_joining(self, name: str) -> None: ...
    def await_joined(self, name: str) -> None: ...
    def retire(self, name: str) -> None: ...


class NodeJoins:
    """A new node takes its share of the rows, and serves when it has them. It stays."""

    no_effect = "the new node served nothing yet"
    is_lasting = False

    def __init__(self, nodes: Members, name: str) -> None:
        self._nodes, self._name = nodes, name
        self._has_begun = False

    def begin(self) -> None:
        self._nodes.begin_joining(self._name)
        self._has_begun = True

    def is_effective(self) -> bool:
        return not self._nodes.silent([self._name])

    def heal(self) -> None:
        if self._has_begun:
            self._nodes.await_joined(self._name)


class NodeLeaves:
    """A node hands its rows over to those that hold them from now on, and leaves. It is ended, and does not come back."""

    no_effect = "the node had not left yet"
    is_lasting = False

    def __init__(self, nodes: Members, name: str) -> None:
        self._nodes, self._name = nodes, name
        self._order: Order | None = None

    def begin(self) -> None:
        self._order = self._nodes.order(self._name, "decommission")

    def is_effective(self) -> bool:
        return self._order is not None and self._order.answer() is not None

    def heal(self) -> None:
        if self._order is not None:
            wait_done(self._order, LEFT_S_MAX)
            self._nodes.retire(self._name)


def releases(nodes: Ordered, names: Collection[str]) -> Mapping[str, str]:
    """The release of Cassandra that each of these nodes runs, by its own word. Raises HarnessError when one does not say."""
    driver, session = connect_to_every_node(nodes.endpoint())
    try:
        hosts = {host.address: host for host in driver.metadata.all_hosts()}
        return {
            node.name: str(session.execute(RELEASE, host=hosts[node.address]).one().release_version)
            for node in nodes.nodes
            if node.name in names
        }
    except (*FAILURES, KeyError) as error:
        raise HarnessError(f"{', '.join(names)} does not tell its release: {error}") from error
    finally:
        driver.shutdown()
