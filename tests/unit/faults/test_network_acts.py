"""Faults of the network: real once a packet has met them, and healed when nobody takes another for down any more."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest

from loadtests.errors import HarnessError
from loadtests.faults import network_acts
from loadtests.faults.network_acts import LinkChange, PartedSites
from loadtests.sites.network import SiteNetwork
from loadtests.sites.packets import PacketCount
from scenarios.parts.faults import Direction
from scenarios.parts.site_wan import FIELD, LinkQuality

FAR = LinkQuality(delay_ms=150.0)


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    dc: str
    address: str


class Watch:
    """Who takes whom for down: as the test says, once for each time that it is asked."""

    def __init__(self, blind: list[set[str]]) -> None:
        self.blind = blind
        self.is_closed = False

    def still_down(self, addresses: Collection[str]) -> set[str]:
        return self.blind.pop(0) if len(self.blind) > 1 else self.blind[0]

    def __enter__(self) -> "Watch":
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closed = True


class Cluster:
    """Implements `loadtests.faults.network_acts.Watched`."""

    nodes: Sequence[Node] = (
        Node("north-1", "north", "10.77.1.1"),
        Node("north-2", "north", "10.77.1.2"),
        Node("south-1", "south", "10.77.2.1"),
    )

    def __init__(self, blind: list[set[str]] | None = None) -> None:
        self.watched: list[list[str]] = []
        self.made = Watch(blind or [set()])

    def watch(self, names: Collection[str]) -> Any:
        self.watched.append(list(names))
        return self.made


class Network:
    """Notes what is asked of a `SiteNetwork`."""

    sites = (FIELD, "north", "south")

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []
        self.leaks: set[tuple[str, str]] = set()
        self.refused: set[str] = set()  # what goes from there can't be let pass again
        self.counts = np.zeros((3, 3, len(PacketCount)), np.int64)

    def addresses_of(self, site: str) -> tuple[str, ...]:
        assert site == FIELD
        return ("10.77.0.1",)

    def cut(self, senders: Collection[str], receivers: Collection[str], *, is_cut: bool = True) -> None:
        self.done.append(("cut" if is_cut else "heal", tuple(senders), tuple(receivers)))
        if not is_cut and self.refused & set(senders):
            raise HarnessError(f"what goes from {min(senders)} can't be let pass again")

    def is_near(self, one: str, other: str) -> bool:
        return one.rpartition(".")[0] == other.rpartition(".")[0]

    def passes(self, sender: str, receiver: str) -> bool:
        return (sender, receiver) in self.leaks

    def set_quality(self, one: str, other: str, quality: LinkQuality) -> None:
        self.done.append(("set", one, other, quality))

    def restore(self, one: str, other: str) -> None:
        self.done.append(("restore", one, other))


NORTH, SOUTH = ("10.77.1.1", "10.77.1.2"), ("10.77.2.1",)


def parted(
    network: Network, cluster: Cluster, target: str, peers: Sequence[str], way: Direction = Direction.BOTH
) -> PartedSites:
    return PartedSites(cluster, cast(SiteNetwork, network), target, peers, way)


@pytest.mark.parametrize(
    ("way", "cuts"),
    [
        (Direction.BOTH, [("cut", NORTH, SOUTH), ("cut", SOUTH, NORTH)]),
        (Direction.OUT, [("cut", NORTH, SOUTH)]),
        (Direction.IN, [("cut", SOUTH, NORTH)]),
    ],
)
def test_a_partition_cuts_its_directions_and_heals_the_same(way: Direction, cuts: list[tuple[Any, ...]]) -> None:
    network, cluster = Network(), Cluster()
    act = parted(network, cluster, "north", ["south"], way)
    act.begin()
    assert network.done == cuts
    act.heal()
    assert network.done[len(cuts) :] == [("heal", *cut[1:]) for cut in cuts]
    assert cluster.made.is_closed


def test_a_node_is_parted_from_a_data_centre_alone() -> None:
    network = Network()
    parted(network, Cluster(), "north-2", ["south"], Direction.OUT).begin()
    assert network.done == [("cut", ("10.77.1.2",), SOUTH)]


def test_nodes_of_one_data_centre_are_parted_and_it_is_real_once_nothing_comes_through() -> None:
    network, cluster = Network(), Cluster()
    act = parted(network, cluster, "north-2", ["north-1"])
    act.begin()
    one, other = "10.77.1.1", "10.77.1.2"
    assert network.done == [("cut", (other,), (one,)), ("cut", (one,), (other,))]
    assert cluster.watched == [["north-1", "north-2"]]
    network.leaks = {(one, other)}
    assert not act.is_effective()
    network.leaks = set()
    assert act.is_effective()
    act.heal()
    assert [what for what, *_ in network.done[2:]] == ["heal", "heal"]


def test_it_is_real_once_a_packet_was_cut_after_it_began() -> None:
    network = Network()
    network.counts[0, 1, PacketCount.CUT] = 5  # of an earlier one
    act = parted(network, Cluster(), "north", ["south"])
    act.begin()
    network.counts[0, 1, PacketCount.CUT] += 1  # of another fault: north is parted from the field too
    assert not act.is_effective()
    network.counts[2, 1, PacketCount.CUT] += 1
    assert act.is_effective()


def test_healing_waits_until_nobody_takes_another_for_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_acts, "LOOK_EVERY_S", 0.0)
    cluster = Cluster(blind=[{"10.77.1.1"}, {"10.77.2.1"}, set()])
    act = parted(Network(), cluster, "north", ["south"])
    act.begin()
    act.heal()
    assert cluster.made.blind == [set()]
    assert cluster.watched == [["north-1", "north-2", "south-1"]]


def test_nodes_that_never_see_one_another_again_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_acts, "SEEN_S_MAX", -1.0)
    act = parted(Network(), Cluster(blind=[{"10.77.1.1"}]), "north", ["south"])
    act.begin()
    with pytest.raises(HarnessError, match=r"10\.77\.1\.1 still take nodes for down"):
        act.heal()


def test_nodes_cut_off_from_the_field_are_not_asked_since_nobody_hears_them() -> None:
    cluster = Cluster()
    act = parted(Network(), cluster, "south", [FIELD])
    act.begin()
    act.heal()
    assert cluster.watched == [[]]


def test_one_that_is_healed_before_it_began_heals_its_cuts_alone() -> None:
    network = Network()
    parted(network, Cluster(), "north", ["south"], Direction.OUT).heal()
    assert network.done == [("heal", NORTH, SOUTH)]


def test_a_way_that_can_not_be_healed_leaves_neither_the_other_one_cut_nor_a_connection_open() -> None:
    network, cluster = Network(), Cluster()
    act = parted(network, cluster, "north", ["south"])
    act.begin()
    network.refused = set(NORTH)
    with pytest.raises(HarnessError, match=r"what goes from 10\.77\.1\.1 can't be let pass again"):
        act.heal()
    assert network.done[2:] == [("heal", NORTH, SOUTH), ("heal", SOUTH, NORTH)]
    assert cluster.made.is_closed


def test_links_are_changed_and_put_back_and_real_once_a_packet_went_over_one() -> None:
    network = Network()
    act = LinkChange(cast(SiteNetwork, network), "north", ["south", FIELD], FAR)
    network.counts[1, 2, PacketCount.PACKETS] = 3
    act.begin()
    assert network.done == [("set", "north", "south", FAR), ("set", "north", FIELD, FAR)]
    assert not act.is_effective()
    network.counts[1, 2, PacketCount.PACKETS] += 1
    assert act.is_effective()
    act.heal()
    assert network.done[2:] == [("restore", "north", "south"), ("restore", "north", FIELD)]
