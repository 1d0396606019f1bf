"""When a local cluster is up: every node serves CQL, and every node sees every node in the ring."""

import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from loadtests.cluster.connect import Endpoint, LivenessWatch, connect_to_every_node
from loadtests.cluster.layout import NATIVE_PORT
from loadtests.cluster.process import NodeProcess
from loadtests.errors import HarnessError
from store.cassandra.session import FAILURES

POLL_S = 0.1
SERVES_S_MAX = 280.0  # 6 s on an idle machine; a hundred was seen on a busy one, and a node that died is seen at once
AGREES_S_MAX = 120.0
MISSED_S_MAX = 120.0  # a drained node says that it leaves; one that says nothing is missed after some twenty seconds
ANSWERS_S_MAX = 1.0
_OPTIONS = bytes([4, 0, 0, 0, 5, 0, 0, 0, 0])  # version 4, no flags, stream 0, OPTIONS, no body
SCHEMA_VERSION = "SELECT schema_version FROM system.local"
GOSSIP = "SELECT address, status_with_port, rpc_ready FROM system_views.gossip_info"


def wait_serving(nodes: Sequence[NodeProcess], progress: Callable[[str], None]) -> None:
    """Wait until each of `nodes` takes CQL connections. Raises HarnessError when one dies or takes too long."""
    started = time.monotonic()
    waiting = list(nodes)
    while waiting:
        for node in list(waiting):
            if _accepts(node.spec.address):
                waiting.remove(node)
                left = ", ".join(one.spec.name for one in waiting)
                progress(
                    f"node {node.spec.name} ({node.spec.address}) serves CQL, {time.monotonic() - started:.0f} s"
                    f"{f'; waiting for {left}' if left else ''}"
                )
            else:
                node.require_alive()
        if waiting and time.monotonic() - started > SERVES_S_MAX:
            names = ", ".join(node.spec.name for node in waiting)
            raise HarnessError(
                f"node {names} does not serve CQL {SERVES_S_MAX:.0f} s after its start; "
                f"see system.log in {waiting[0].folder}"
            )
        time.sleep(POLL_S)


def wait_answering(nodes: Sequence[NodeProcess]) -> None:
    """As `wait_serving`, until each answers a request: a process that is held up has its connections taken by the kernel."""
    wait_serving(nodes, lambda _: None)
    deadline = time.monotonic() + SERVES_S_MAX
    for node in nodes:
        while not answers(node.spec.address):
            node.require_alive()
            if time.monotonic() > deadline:
                raise HarnessError(f"node {node.spec.name} takes connections and answers none; see {node.folder}")


def wait_agreeing(nodes: Sequence[NodeProcess], endpoint: Endpoint) -> None:
    """Wait until every node sees all nodes as members of the ring. Raises HarnessError when they do not come to it."""
    deadline = time.monotonic() + AGREES_S_MAX
    while trouble := _disagreement(nodes, endpoint):
        for node in nodes:
            node.require_alive()
        if time.monotonic() > deadline:
            raise HarnessError(f"the nodes do not see one another {AGREES_S_MAX:.0f} s after all serve CQL: {trouble}")
        time.sleep(POLL_S)


def wait_missed(watch: LivenessWatch, gone: Sequence[NodeProcess]) -> None:
    """Wait until each node of `watch` has found those of `gone` to be down. Raises HarnessError when one does not."""
    deadline = time.monotonic() + MISSED_S_MAX
    addresses = {node.spec.address for node in gone}
    while behind := watch.still_up(addresses):
        if time.monotonic() > deadline:
            names = ", ".join(sorted(behind))
            raise HarnessError(f"{names} still take stopped nodes for running after {MISSED_S_MAX:.0f} s")
        time.sleep(POLL_S)


def schema_versions(endpoint: Endpoint) -> set[str]:
    """What the nodes tell as the version of their schema, which is computed from its content. Raises HarnessError."""
    cluster, session = connect_to_every_node(endpoint)
    try:
        return {
            str(session.execute(SCHEMA_VERSION, host=host).one().schema_version)
            for host in cluster.metadata.all_hosts()
        }
    except FAILURES as error:
        raise HarnessError(f"a node does not tell its schema version: {error}") from error
    finally:
        cluster.shutdown()


def answers(address: str) -> bool:
    """Does a node answer a request of the native protocol within ANSWERS_S_MAX?"""
    try:
        with socket.create_connection((address, NATIVE_PORT), ANSWERS_S_MAX) as connection:
            connection.settimeout(ANSWERS_S_MAX)
            connection.sendall(_OPTIONS)
            return connection.recv(1) != b""
    except OSError:
        return False


def _accepts(address: str) -> bool:
    try:
        socket.create_connection((address, NATIVE_PORT), 0.5).close()
    except OSError:
        return False
    return True


def _disagreement(nodes: Sequence[NodeProcess], endpoint: Endpoint) -> str | None:
    """Which node does not see which, in words; None when all see all.

    To see is to have heard, by gossip since its own start, that the other has joined the ring and serves CQL.
    """
    try:
        cluster, session = connect_to_every_node(endpoint)
    except HarnessError as error:  # the first user of a cluster with login appears some time after the node
        return str(error)
    try:
        hosts = {host.address: host for host in cluster.metadata.all_hosts()}
        for node in nodes:
            if node.spec.address not in hosts:
                return f"{nodes[0].spec.name} does not see {node.spec.name}"
            rows = session.execute(GOSSIP, host=hosts[node.spec.address])
            seen = {row.address for row in rows if _is_up(row)}
            for other in nodes:
                if other.spec.address not in seen:
                    return f"{node.spec.name} does not see {other.spec.name}"
    except FAILURES as error:  # the driver may just have heard the node come and go
        return str(error)
    finally:
        cluster.shutdown()
    return None


def _is_up(row: Any) -> bool:
    return str(row.status_with_port).startswith("NORMAL") and row.rpc_ready == "true"
