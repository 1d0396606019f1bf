"""Is a cluster at rest? What it carries of others' load would be measured as its own limit."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import psutil

from loadtests.cluster.connect import Endpoint, connect_to_every_node
from loadtests.errors import HarnessError
from loadtests.recording.history import NodeSample
from sim.virtual_time.parallel import usable_processor_numbers
from store.cassandra.session import FAILURES

# While compactions are due one of them runs, so a node without any that runs has none that waits either: how many wait no
# table tells (`thread_pools` reads 1 active, 0 pending while 20 are due).
COMPACTIONS = "SELECT task_id FROM system_views.sstable_tasks"
REQUESTS = "SELECT request_count FROM system_views.clients"
REQUESTS_PER_S_MAX = 50.0  # of all clients, on one node; a driver that only keeps its connections alive makes a few
CPU_OF_CORES_MAX = 0.3
LOOK_S = 2.0
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRest:
    """What one node does while we do nothing. cpu_cores: None where it can't be seen from here."""

    node: str
    requests_per_s: float
    compactions: int
    cpu_cores: float | None = None


def why_loaded(rests: Sequence[NodeRest], cores: int) -> str | None:
    """What keeps the nodes from being at rest, in words; None when they are. Pure.

    cores: of the machine that local nodes share.
    """
    for rest in rests:
        if rest.requests_per_s > REQUESTS_PER_S_MAX:
            return (
                f"{rest.node} answers {rest.requests_per_s:,.0f} requests/s of others, {REQUESTS_PER_S_MAX:g} allowed"
            )
        if rest.compactions:
            return f"{rest.node} compacts its tables ({rest.compactions} run, and more may wait)"
    known = [rest.cpu_cores for rest in rests if rest.cpu_cores is not None]
    if known and sum(known) > CPU_OF_CORES_MAX * cores:
        return f"its nodes take {sum(known):.1f} cores of {cores}, {CPU_OF_CORES_MAX * cores:.1f} allowed"
    return None


def why_machine_busy(busy_cores: float, cores: int) -> str | None:
    """What a reader must know of a machine that others keep busy, a sentence; None when it is at rest. Pure."""
    allowed = CPU_OF_CORES_MAX * cores
    if busy_cores <= allowed:
        return None
    return (
        f"This machine was busy before the first step: other programs took {busy_cores:.1f} of {cores} cores, "
        f"{allowed:.1f} allowed; nodes and load generator lack what they take, so the rate may be too low."
    )


class BusyCores(NamedTuple):
    """How many of the cores that were looked at are busy, whoever keeps them so."""

    busy: float
    cores: int


def machine_busy_cores(look_s: float = LOOK_S) -> BusyCores:
    """Over `look_s`, of the cores that this process may run on: a container's quota is no set of cores to look at."""
    percents = psutil.cpu_percent(look_s, percpu=True)
    allowed = usable_processor_numbers()
    looked = [percent for core, percent in enumerate(percents) if core in allowed]
    if len(looked) < len(allowed):  # the system numbers them in another way: all that it shows
        looked = percents
    return BusyCores(sum(looked) / 100, len(looked))


def require_rest(
    endpoint: Endpoint,
    cores: int,
    *,
    sample_nodes: Callable[[int], Sequence[NodeSample]] | None = None,
    timeout_s: float = 60.0,
) -> None:
    """Wait until the cluster is at rest. Raises HarnessError, one sentence, when it is not within `timeout_s`.

    sample_nodes: samples of local nodes, each of the time since the one before; None for nodes elsewhere.
    """
    driver, session = connect_to_every_node(endpoint)
    try:
        deadline_s = time.monotonic() + timeout_s
        while (why := why_loaded(_look(driver, session, sample_nodes), cores)) is not None:
            if time.monotonic() > deadline_s:
                raise HarnessError(
                    f"the cluster is already loaded, before the first step: {why}; what it can carry besides is not its "
                    "highest rate: wait until it is at rest, or stop what loads it"
                )
    finally:
        driver.shutdown()


def _look(driver: Any, session: Any, sample_nodes: Callable[[int], Sequence[NodeSample]] | None) -> list[NodeRest]:
    hosts = [host for host in driver.metadata.all_hosts() if host.is_up]
    before = [_request_count(session, host) for host in hosts]
    if sample_nodes is not None:
        sample_nodes(0)
    started_s = time.monotonic()
    time.sleep(LOOK_S)
    span_s = time.monotonic() - started_s
    cpu = {each.node: each.cpu_share for each in sample_nodes(1)} if sample_nodes is not None else {}
    rests = [
        NodeRest(
            node=str(host.endpoint.address),
            requests_per_s=max(_request_count(session, host) - count, 0) / span_s,
            compactions=_compactions(session, host),
        )
        for host, count in zip(hosts, before, strict=True)
    ]
    return [*rests, *(NodeRest(node=node, requests_per_s=0, compactions=0, cpu_cores=one) for node, one in cpu.items())]


def _request_count(session: Any, host: Any) -> int:
    """Requests of all connections that are open; 0 when the node does not say: it is known by its answers' times then."""
    try:
        return sum(row.request_count for row in session.execute(REQUESTS, host=host, timeout=TIMEOUT_S))
    except FAILURES:
        return 0


def _compactions(session: Any, host: Any) -> int:
    try:
        return len(session.execute(COMPACTIONS, host=host, timeout=TIMEOUT_S).all())
    except FAILURES:
        return 0
