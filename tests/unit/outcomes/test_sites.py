"""What becomes of the emulated WAN in the results and on the page."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from loadtests.cluster.local import LocalCluster
from loadtests.sites.cost import NetworkCost
from loadtests.sites.packets import PacketCount
from meterstorm.outcomes.sites import wan_result, wan_trouble
from reports.run.setting import wan_pairs
from scenarios.parts.site_wan import FIELD, SiteWan
from scenarios.spec import Dc, Topology

DCS = (Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1))
TOPOLOGY = Topology(dcs=DCS, wan=SiteWan(delay_ms=20.0, loss=0.01))


def cluster(counts: dict[tuple[int, int, PacketCount], int]) -> LocalCluster:
    """A cluster whose network has counted so much."""
    counted = np.zeros((3, 3, len(PacketCount)), np.int64)
    for place, count in counts.items():
        counted[place] = count
    network = SimpleNamespace(sites=(FIELD, "north", "south"), counts=counted, late_ms_p99=0.25, cpu_s=lambda: 1.5)
    cost = NetworkCost(added_ms_p50=0.02, added_ms_p99=0.1, carried_mb_per_s=500.0)
    record: Any = SimpleNamespace(topology=TOPOLOGY)
    return cast(LocalCluster, SimpleNamespace(network=network, network_cost=cost, record=record))


def test_a_link_has_what_went_over_it_either_way_and_its_quality_in_words() -> None:
    found = wan_result(
        cluster(
            {
                (1, 2, PacketCount.PACKETS): 1_000,
                (2, 1, PacketCount.PACKETS): 500,
                (2, 1, PacketCount.BYTES): 2_000_000,
                (1, 2, PacketCount.LOST): 9,
                (2, 1, PacketCount.LOST): 6,
                (1, 2, PacketCount.CUT): 7,
                (0, 1, PacketCount.PACKETS): 40,
            }
        )
    )
    assert found is not None
    by_pair = {link.between: link for link in found.links}
    assert set(by_pair) == {(FIELD, "north"), (FIELD, "south"), ("north", "south")}
    link = by_pair["north", "south"]
    assert (link.packets, link.bytes_carried, link.lost, link.cut) == (1_500, 2_000_000, 15, 7)
    assert link.quality == "20 ms, 0.01 of the packets lost"
    assert by_pair[FIELD, "north"].packets == 40
    assert wan_trouble(found) == []
    pairs = dict(wan_pairs(found))
    assert pairs["… north to south"] == "20 ms, 0.01 of the packets lost; 1,500 packets, 2.00 MB, 15 lost, 7 cut off"
    assert pairs["… its own cost"].endswith("99 % of the packets at most 0.25 ms late, 1.5 s of the processor")


def test_packets_that_found_no_room_in_the_emulator_are_trouble() -> None:
    found = wan_result(cluster({(1, 2, PacketCount.NO_ROOM): 3}))
    assert found is not None and found.no_room == 3
    (sentence,) = wan_trouble(found)
    assert sentence.startswith("The emulated WAN had no room for 3 packets")


def test_nodes_on_loopback_have_no_wan() -> None:
    nodes = cast(LocalCluster, SimpleNamespace(network=None, network_cost=None))
    assert wan_result(nodes) is None
    assert wan_trouble(None) == []
