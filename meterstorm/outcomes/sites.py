"""What became of the network between sites, for the results."""

from itertools import combinations

from loadtests.cluster.local import LocalCluster
from loadtests.sites.packets import PacketCount
from reports.results.run import LinkResult, WanResult
from scenarios.parts.site_wan import SiteWan


def wan_result(cluster: LocalCluster) -> WanResult | None:
    """The emulated WAN of a running cluster so far; None of nodes on loopback."""
    network, cost = cluster.network, cluster.network_cost
    if network is None or cost is None:
        return None
    counts = network.counts
    both = counts + counts.transpose(1, 0, 2)
    wan = cluster.record.topology.wan or SiteWan()
    return WanResult(
        links=tuple(
            LinkResult(
                between=(network.sites[one], network.sites[other]),
                quality=str(wan.between(network.sites[one], network.sites[other])),
                packets=int(both[one, other, PacketCount.PACKETS]),
                bytes_carried=int(both[one, other, PacketCount.BYTES]),
                lost=int(both[one, other, PacketCount.LOST]),
                cut=int(both[one, other, PacketCount.CUT]),
                queue_full=int(both[one, other, PacketCount.QUEUE_FULL]),
            )
            for one, other in combinations(range(len(network.sites)), 2)
        ),
        added_ms_p50=cost.added_ms_p50,
        added_ms_p99=cost.added_ms_p99,
        carried_mb_per_s=cost.carried_mb_per_s,
        late_ms_p99=network.late_ms_p99,
        no_room=int(counts[..., PacketCount.NO_ROOM].sum()),
        cpu_s=network.cpu_s(),
    )


def wan_trouble(wan: WanResult | None) -> list[str]:
    """Why the distance was not what the scenario says, in sentences."""
    if wan is None or not wan.no_room:
        return []
    return [
        f"The emulated WAN had no room for {wan.no_room} packets and dropped them: more was under way than it can hold."
    ]
