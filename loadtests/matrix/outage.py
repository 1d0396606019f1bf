"""What is refused while a node or a whole data centre is down: nodes are stopped for real, and each outcome is counted.

The stopped nodes drain first, so that the others know at once that they are gone: what is counted is how a cluster answers
that knows of its loss, not the seconds in which it finds out. Gateways of a DC that is down send to the others instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from loadtests.cluster.local import LocalCluster, Node
from loadtests.matrix.cells import Cell, Group
from loadtests.sender.outcomes import ErrorKind
from loadtests.sender.ring import NO_NODE, RingTable
from loadtests.trials.load import SampleLoad
from loadtests.trials.sending import Seconds, send
from loadtests.workload.poisson_source import SteadySource

OPERATIONS = 1_000
SEND_S_MAX = 60.0
IN_FLIGHT = 32  # few: what is asked is whether they are refused, and nodes that have just come back are cold
_TIMED_OUT = {kind.label for kind in (ErrorKind.WRITE_TIMEOUT, ErrorKind.READ_TIMEOUT, ErrorKind.CLIENT_TIMEOUT)}


class Down(StrEnum):
    """What is down."""

    NODE = "node"
    DC = "dc"
    NOTHING = "nothing"  # any more: after the nodes' return


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """How operations ended: after a single attempt while something is down, after the scenario's attempts else."""

    ok: int
    unavailable: int  # refused at once: too few replicas live
    timed_out: int
    other: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageEffect:
    """What became of a cell's operations while something was down, and of the same ones after `down` had returned."""

    cell: Cell
    down: Down
    after: Down | None  # of which outage this is the aftermath; `down` is NOTHING then
    writes: Outcomes
    reads: Outcomes


def outages_of(group: Group, nodes: Sequence[Node]) -> Mapping[Down, tuple[str, ...]]:
    """What can be stopped with something left to ask: one node of the last DC, and the last DC. Names of nodes. Pure."""
    dcs = list(dict.fromkeys(node.dc for node in nodes))
    last = tuple(node.name for node in nodes if node.dc == dcs[-1])
    found = {}
    if group.nodes_per_dc > 1:  # a DC's only node is the DC
        found[Down.NODE] = last[-1:]
    if group.dcs > 1:
        found[Down.DC] = last
    return found


def set_apart(cluster: LocalCluster, wan_ms: int | None) -> None:
    """Give the data centres a distance from now on; None: what they have stays."""
    if wan_ms is not None:
        assert cluster.network is not None, "distances are of nodes at sites"
        cluster.network.set_distance(wan_ms)


def suffer(
    cluster: LocalCluster, group: Group, loads: Mapping[Cell, SampleLoad], down: Down, names: Sequence[str]
) -> list[OutageEffect]:
    """Stop the nodes, send some of each cell's operations, start the nodes again, and send them once more.

    loads: by the cells that have tables. Raises HarnessError when a node can't be stopped or started.
    """

    def outages(down: Down, after: Down | None, gone: set[str]) -> list[OutageEffect]:
        found = []
        for cell in group.cells:
            set_apart(cluster, cell.wan_ms)
            load = loads[cell.stored]
            found.append(_outage(cell, without(load, gone) if gone else load, down, after))
        return found

    gone = {node.address for node in cluster.nodes if node.name in names}
    cluster.stop_nodes(names)
    found = outages(down, None, gone)
    cluster.start_nodes(names)
    return found + outages(Down.NOTHING, down, set())


def without(load: SampleLoad, gone: set[str]) -> SampleLoad:
    """The load on a ring whose nodes at the addresses of `gone` take no operations; a DC without any gives its own away. Pure."""
    ring = load.ring
    is_gone = np.array([host in gone for host, _ in ring.addresses])
    node_dcs = np.where(is_gone, NO_NODE, ring.node_dcs).astype(np.int16)
    left = [dc for dc in range(len(ring.dcs)) if (node_dcs == dc).any()]
    assert left, "no node is left"
    sample = load.sample
    rows = sample.rows.copy()
    moved = np.array([dc if dc in left else left[dc % len(left)] for dc in range(len(ring.dcs))], np.uint8)
    rows["dc"] = moved[rows["dc"]]
    left_ring: RingTable = replace(ring, node_dcs=node_dcs)
    return replace(load, ring=left_ring, sample=replace(sample, rows=rows))


def _outage(cell: Cell, load: SampleLoad, down: Down, after: Down | None) -> OutageEffect:
    seconds = Seconds()
    source = SteadySource(load.sample, first=0, count=OPERATIONS)
    # While nodes are down each is sent once, so that every refusal counts; after their return as often as in any run.
    attempts_max = None if down is Down.NOTHING else 1
    report = send(
        load, source, seconds=seconds, closed_for_s=SEND_S_MAX, in_flight=IN_FLIGHT, attempts_max=attempts_max
    )
    ok = {True: 0, False: 0}
    for snapshot in seconds:
        for operation, counts in zip(load.lanes, snapshot.counts, strict=True):
            ok[operation in load.writes] += counts.ok
    errors: dict[tuple[bool, str], int] = {}
    for error in report.errors:
        if error.outcome is not None:
            key = (error.operation in load.writes, error.kind)
            errors[key] = errors.get(key, 0) + error.count
    return OutageEffect(
        cell=cell,
        down=down,
        after=after,
        writes=_outcomes(ok[True], {kind: count for (is_write, kind), count in errors.items() if is_write}),
        reads=_outcomes(ok[False], {kind: count for (is_write, kind), count in errors.items() if not is_write}),
    )


def _outcomes(ok: int, errors: Mapping[str, int]) -> Outcomes:
    unavailable = errors.get(ErrorKind.UNAVAILABLE.label, 0)
    timed_out = sum(count for kind, count in errors.items() if kind in _TIMED_OUT)
    return Outcomes(
        ok=ok, unavailable=unavailable, timed_out=timed_out, other=sum(errors.values()) - unavailable - timed_out
    )
