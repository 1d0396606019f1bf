"""Where a local cluster is: the addresses of its nodes, and whether the machine has room for them."""

from collections.abc import Mapping
from pathlib import Path

from loadtests.cluster import machine
from loadtests.cluster.addresses import NODE_PORTS, AddressBlock, AddressesTaken, claim_block, claim_free_block
from loadtests.cluster.jmx_exporter import EXPORTER_PORT
from loadtests.cluster.record import ClusterRecord
from loadtests.cluster.sizing import DISK_MIB_PER_NODE, NodeSize, size_nodes, stage_threads
from loadtests.errors import HarnessError
from loadtests.sites.enclosure import is_inside
from loadtests.sites.network import SiteNetwork
from scenarios.parts.site_wan import SiteWan
from scenarios.spec import Topology

Place = AddressBlock | SiteNetwork


def claim_place(record: ClusterRecord, folder: Path, joiners: Mapping[str, int]) -> Place:
    """The addresses of `record` and of nodes that will join, or any that are free for a new cluster.

    joiners: how many, by data centre. Raises HarnessError when there are none.
    """
    topology = record.topology
    if is_inside() or topology.wan is not None:
        counts = {dc.name: dc.nodes + joiners.get(dc.name, 0) for dc in topology.dcs}
        return SiteNetwork(counts, topology.wan or SiteWan())
    count = topology.node_count + sum(joiners.values())
    ports = (*NODE_PORTS, EXPORTER_PORT) if record.metrics else NODE_PORTS
    if record.block is None:
        return claim_free_block(count, ports)
    try:
        return claim_block(record.block, count, ports)
    except AddressesTaken as taken:
        raise HarnessError(
            f"the cluster kept in {folder} can't come up on its former addresses, and its nodes know each other by no others: "
            f"{taken}"
        ) from taken


def addresses_of(
    place: Place, topology: Topology, joiners: Mapping[str, int]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Of the nodes that a cluster begins with, DC by DC; and of those that join, by their data centre."""
    if isinstance(place, SiteNetwork):
        first = tuple(address for dc in topology.dcs for address in place.addresses_of(dc.name)[: dc.nodes])
        return first, {dc.name: place.addresses_of(dc.name)[dc.nodes] for dc in topology.dcs if dc.name in joiners}
    count = topology.node_count
    return place.addresses[:count], dict(zip(joiners, place.addresses[count:], strict=True))


def room_for(record: ClusterRecord, folder: Path, further: int) -> NodeSize:
    """The size of each node. Raises HarnessError when the memory or the disk is too small for them, and those that join."""
    node_count = record.topology.node_count + further
    needed_mib, free_mib = node_count * DISK_MIB_PER_NODE, machine.free_disk_mib(folder)
    if free_mib < needed_mib:
        raise HarnessError(
            f"the disk of {folder} has {free_mib} MiB free and {node_count} nodes need {needed_mib} MiB; make room, or "
            "name a folder on another disk with --out"
        )
    cores = machine.processor_count()
    if record.heap_mib is not None:
        return NodeSize(heap_mib=record.heap_mib, stage_threads=stage_threads(node_count, cores))
    return size_nodes(node_count, machine.available_memory_mib(), core_count=cores)
