"""Faults that nodes do to themselves when they are told: clocks that are ahead, heaps that are mostly taken."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from loadtests.cluster.connect import Endpoint, connect_to_every_node
from loadtests.cluster.control.orders import Order
from loadtests.cluster.node_clock import CLOCK, told_s
from loadtests.errors import HarnessError
from store.cassandra.session import FAILURES

ANSWER_S_MAX = 60.0
TRUE_S_MAX = 120.0  # in which a clock that was set right must be so, and its node hear the others again
QUIET_S = 5.0  # without an expired message: the node hears the others
LOOK_EVERY_S = 0.25
EXPIRED = "SELECT expired_count FROM system_views.internode_inbound"


class AddressedNode(Protocol):
    """What is asked of a node here."""

    @property
    def name(self) -> str: ...
    @property
    def address(self) -> str: ...


class Ordered(Protocol):
    """Nodes that heed orders and are connected to: `loadtests.cluster.local.LocalCluster`."""

    @property
    def nodes(self) -> Sequence[AddressedNode]: ...
    def order(self, name: str, *words: str) -> Order: ...
    def endpoint(self) -> Endpoint: ...


class ClocksAhead:
    """The wall clocks of nodes are ahead. Their waits and time-outs go by another clock, and are as ever."""

    no_effect = "its nodes' clocks were as before"
    is_lasting = True

    def __init__(self, nodes: Ordered, names: Sequence[str], skew_s: float) -> None:
        self._nodes, self._names, self._skew_s = nodes, names, skew_s
        self._driver: Any = None
        self._session: Any = None

    def begin(self) -> None:
        self._driver, self._session = connect_to_every_node(self._nodes.endpoint())
        self._set(self._skew_s)

    def is_effective(self) -> bool:
        return all(ahead_s > self._skew_s / 2 for ahead_s in self._ahead_s())

    def heal(self) -> None:
        """Set the clocks right; returns when they are, and their nodes take no more of the others' messages for expired."""
        if self._session is None:
            return
        try:
            self._set(0.0)
            deadline, quiet_since_s, before = time.monotonic() + TRUE_S_MAX, time.monotonic(), self._expired()
            while time.monotonic() - quiet_since_s < QUIET_S:
                time.sleep(LOOK_EVERY_S)
                expired = self._expired()
                is_true = all(abs(ahead_s) < self._skew_s / 2 for ahead_s in self._ahead_s())
                if expired != before or not is_true:
                    quiet_since_s, before = time.monotonic(), expired
                if time.monotonic() > deadline:
                    names = ", ".join(self._names)
                    raise HarnessError(
                        f"{names} did not hear the others {TRUE_S_MAX:.0f} s after a clock was set right"
                    )
        finally:
            self._driver.shutdown()

    def _set(self, ahead_s: float) -> None:
        orders = [self._nodes.order(name, "skew", str(round(ahead_s * 1_000))) for name in self._names]
        for order in orders:
            wait_done(order, ANSWER_S_MAX)

    def _ahead_s(self) -> list[float]:
        """How far each clock is ahead of ours, by the node's own word [s]."""
        return [told_s(row) - time.time() for rows in self._ask(CLOCK) for row in rows]

    def _expired(self) -> int:
        """Messages of others that the nodes have thrown away so far, since they came too late by their clocks."""
        return sum(row.expired_count for rows in self._ask(EXPIRED) for row in rows)

    def _ask(self, cql: str) -> list[list[Any]]:
        addresses = {node.address for node in self._nodes.nodes if node.name in self._names}
        hosts = [host for host in self._driver.metadata.all_hosts() if host.address in addresses]
        try:
            return [list(self._session.execute(cql, host=host)) for host in hosts]
        except FAILURES as error:
            raise HarnessError(f"{', '.join(self._names)} does not tell its clock: {error}") from error


class HeapTaken:
    """A share of nodes' heaps is taken: their collector works for what is left, and stops them more often and for longer."""

    no_effect = "its nodes did not take their own heap"
    is_lasting = True

    def __init__(self, nodes: Ordered, names: Sequence[str], share: float) -> None:
        self._nodes, self._names, self._share = nodes, names, share
        self._orders: list[Order] = []

    def begin(self) -> None:
        self._orders = [self._nodes.order(name, "hold", str(self._share)) for name in self._names]

    def is_effective(self) -> bool:
        return all(order.answer() is not None for order in self._orders)

    def heal(self) -> None:
        for order in [self._nodes.order(name, "hold", "0") for name in self._names]:
            wait_done(order, ANSWER_S_MAX)


def wait_done(order: Order, limit_s: float, is_stopped: Callable[[], bool] = lambda: False) -> str:
    """What came of an order. Raises HarnessError when it fails, takes longer than `limit_s`, or when `is_stopped` before."""
    deadline = time.monotonic() + limit_s
    while (said := order.answer()) is None:
        if is_stopped():
            raise HarnessError(
                f"node {order.node} was not waited for to carry out '{order.words}', since the run was stopped"
            )
        if time.monotonic() > deadline:
            raise HarnessError(f"node {order.node} has not carried out '{order.words}' after {limit_s:.0f} s")
        time.sleep(LOOK_EVERY_S)
    return said
