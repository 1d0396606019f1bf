"""The token ring as arrays: which nodes hold the replicas of a token, in each data centre."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.errors import HarnessError
from scenarios.domain import ConsistencyLevel

NO_NODE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class RingTable:
    """Nodes and their replicas. A token belongs to the first ring entry that is not below it, the last wraps around.

    addresses: (host, port) of node i. dcs: names, in the order of an operation's `dc` index. node_dcs: int16[nodes], index into
    `dcs`, -1 for a node of a data centre that takes no operations. ends: int64[ranges], ascending tokens.
    replicas: int16[ranges, dcs, rf max], node indices, padded with NO_NODE.
    """

    addresses: tuple[tuple[str, int], ...]
    dcs: tuple[str, ...]
    node_dcs: NDArray[np.int16]
    ends: NDArray[np.int64]
    replicas: NDArray[np.int16]

    def replicas_of(self, token: int, dc: int) -> list[int]:
        """Node indices of a token's replicas in one data centre; the kernels do the same."""
        entry = int(np.searchsorted(self.ends, token, side="left")) % len(self.ends)
        return [int(node) for node in self.replicas[entry, dc] if node != NO_NODE]


def unserved(ring: RingTable, down: Collection[int], levels: Collection[ConsistencyLevel]) -> str | None:
    """What can't be served without the nodes `down` (indices into `ring.addresses`), in words; None when all can.

    Every data centre needs a node to coordinate, and each token range as many replicas as each of `levels` asks for. Of
    levels across data centres only those of the ring count, which is enough for them if the others' nodes are up.
    """
    for dc, name in enumerate(ring.dcs):
        if set(np.flatnonzero(ring.node_dcs == dc).tolist()) <= set(down):
            return f"no node of '{name}' is up"
    held = ring.replicas != NO_NODE
    rf = held.sum(axis=2)  # int64[ranges, dcs]
    up = (held & ~np.isin(ring.replicas, list(down))).sum(axis=2)
    for level in sorted(levels):
        if level in (ConsistencyLevel.LOCAL_ONE, ConsistencyLevel.LOCAL_QUORUM, ConsistencyLevel.EACH_QUORUM):
            needed = np.minimum(rf, 1) if level is ConsistencyLevel.LOCAL_ONE else rf // 2 + (rf > 0)
            is_short = (up < needed).any(axis=0)
            if is_short.any():
                return f"{level} can't be met in '{ring.dcs[int(np.argmax(is_short))]}'"
            continue
        rf_all = rf.sum(axis=1)
        fixed = {ConsistencyLevel.ONE: 1, ConsistencyLevel.TWO: 2, ConsistencyLevel.THREE: 3}
        needed = rf_all // 2 + 1 if level is ConsistencyLevel.QUORUM else rf_all
        if level in fixed:
            needed = np.full(len(rf_all), fixed[level])
        if (up.sum(axis=1) < needed).any():
            return f"{level} can't be met"
    return None


def ring_of_metadata(metadata: Any, keyspace: str, dcs: Sequence[str]) -> RingTable:
    """The ring as cassandra-driver knows it. metadata: `Cluster.metadata`; dcs: the order of the `dc` index.

    Raises HarnessError when the driver has no token map of the keyspace, or a data centre has no node.
    """
    hosts = sorted(metadata.all_hosts(), key=lambda host: (host.datacenter or "", str(host.endpoint.address)))
    for dc in dcs:
        if not any(host.datacenter == dc for host in hosts):
            known = ", ".join(sorted({str(host.datacenter) for host in hosts}))
            raise HarnessError(f"no node in data centre '{dc}'; the cluster has {known}: mend the names in [topology]")
    if metadata.token_map is None or keyspace not in metadata.keyspaces:
        raise HarnessError(f"the driver knows no token ring of keyspace '{keyspace}'; is it created, and agreed on?")
    index = {host: i for i, host in enumerate(hosts)}
    ring = list(metadata.token_map.ring)
    by_range = [[h for h in metadata.token_map.get_replicas(keyspace, token) if h in index] for token in ring]
    rf_max = max((sum(h.datacenter == dc for h in found) for found in by_range for dc in dcs), default=0)
    replicas = np.full((len(ring), len(dcs), max(rf_max, 1)), NO_NODE, dtype=np.int16)
    for entry, found in enumerate(by_range):
        for d, dc in enumerate(dcs):
            nodes = [index[host] for host in found if host.datacenter == dc]
            replicas[entry, d, : len(nodes)] = nodes
    dc_index = {dc: d for d, dc in enumerate(dcs)}
    return RingTable(
        addresses=tuple((str(host.endpoint.address), int(host.endpoint.port)) for host in hosts),
        dcs=tuple(dcs),
        node_dcs=np.array([dc_index.get(host.datacenter, NO_NODE) for host in hosts], dtype=np.int16),
        ends=np.array([token.value for token in ring], dtype=np.int64),
        replicas=replicas,
    )


def ring_of_nodes(nodes: Sequence[tuple[tuple[str, int], str]]) -> RingTable:
    """A ring for servers without one (stubs): ((host, port), dc) each; each node of a DC holds a replica of all."""
    dcs = tuple(dict.fromkeys(dc for _, dc in nodes))
    node_dcs = np.array([dcs.index(dc) for _, dc in nodes], dtype=np.int16)
    count_max = max(int(np.sum(node_dcs == d)) for d in range(len(dcs)))
    replicas = np.full((1, len(dcs), count_max), NO_NODE, dtype=np.int16)
    for d in range(len(dcs)):
        members = np.flatnonzero(node_dcs == d)
        replicas[0, d, : len(members)] = members
    return RingTable(
        addresses=tuple(address for address, _ in nodes),
        dcs=dcs,
        node_dcs=node_dcs,
        ends=np.array([2**63 - 1], dtype=np.int64),
        replicas=replicas,
    )
