"""Which nodes a topology makes, with their names, addresses and tokens. Pure.

Tokens are dealt out evenly instead of drawn by the nodes: nodes of a DC may then start at the same time without a
collision, every node owns the same share, and a run's replicas are where they were in the run before.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from scenarios.parts.faults import node_names
from scenarios.spec import Dc, Topology

TOKENS_PER_NODE = 8
TOKEN_MIN = -(2**63)  # stands for the ring's start in Cassandra, so no node takes it
DC_SHIFT = 2**20  # above the rounding of any DC's steps (256 tokens), so that no two DCs meet on a token
NATIVE_PORT = 9042
STORAGE_PORT = 7000


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """One node before it runs."""

    name: str  # also the name of its folder
    dc: str
    address: str
    is_seed: bool
    tokens: tuple[int, ...]


def lay_out(topology: Topology, addresses: tuple[str, ...]) -> tuple[NodeSpec, ...]:
    """The nodes of `topology`, DC by DC, on `addresses` in their order. The first node of each DC is a seed."""
    assert len(addresses) == topology.node_count
    nodes: list[NodeSpec] = []
    names = node_names(topology.dcs)
    for dc_index, dc in enumerate(topology.dcs):
        for index in range(dc.nodes):
            nodes.append(
                NodeSpec(
                    name=names[dc.name][index],
                    dc=dc.name,
                    address=addresses[len(nodes)],
                    is_seed=index == 0,
                    tokens=tokens_of(index, dc.nodes, dc_index),
                )
            )
    return tuple(nodes)


def tokens_of(index: int, node_count: int, dc_index: int) -> tuple[int, ...]:
    """The tokens of node `index` of the `node_count` in its DC: every `node_count`-th point of an even ring.

    Each DC's ring is shifted by a little, since no two nodes of a cluster may hold the same token.
    """
    step = 2**64 // (TOKENS_PER_NODE * node_count)
    first = TOKEN_MIN + (dc_index + 1) * DC_SHIFT
    return tuple(first + (turn * node_count + index) * step for turn in range(TOKENS_PER_NODE))


def joining_tokens(dc: Dc, dc_index: int) -> tuple[int, ...]:
    """The tokens of one more node than `dc` has: in the middle of ranges of the others, evenly over the ring and over them."""
    step = 2**64 // (TOKENS_PER_NODE * dc.nodes)
    first = TOKEN_MIN + (dc_index + 1) * DC_SHIFT + step // 2
    return tuple(first + (turn * dc.nodes + turn % dc.nodes) * step for turn in range(TOKENS_PER_NODE))


def lay_out_joining(
    topology: Topology, joining: Mapping[str, int], addresses: Mapping[str, str]
) -> tuple[NodeSpec, ...]:
    """The nodes that will join data centres, one each of those in `joining`. addresses: by data centre."""
    return tuple(
        NodeSpec(
            name=f"{dc.name}-{dc.nodes + 1}",
            dc=dc.name,
            address=addresses[dc.name],
            is_seed=False,
            tokens=joining_tokens(dc, index),
        )
        for index, dc in enumerate(topology.dcs)
        if dc.name in joining
    )
