"""Faults of the network between sites: who is parted, and links of another quality. Each is real once a packet has met it."""

import contextlib
import time
from collections.abc import Collection, Sequence
from typing import Protocol

from loadtests.cluster.connect import LivenessWatch
from loadtests.errors import HarnessError
from loadtests.sites.network import SiteNetwork
from loadtests.sites.packets import PacketCount
from scenarios.parts.faults import Direction, dc_of
from scenarios.parts.site_wan import FIELD, LinkQuality

SEEN_S_MAX = 120.0  # in which nodes that were parted must see one another again
LOOK_EVERY_S = 0.1


class SiteNode(Protocol):
    """What is asked of a node here."""

    @property
    def name(self) -> str: ...
    @property
    def dc(self) -> str: ...
    @property
    def address(self) -> str: ...


class Watched(Protocol):
    """Nodes that are heard on which others they see."""

    @property
    def nodes(self) -> Sequence[SiteNode]: ...
    def watch(self, names: Collection[str]) -> LivenessWatch: ...


class PartedSites:
    """No packet passes between a target and its peers, in both directions or in one; they may be of one data centre."""

    no_effect = "no packet came to where the network was cut, or one came through"
    is_lasting = True

    def __init__(
        self, nodes: Watched, network: SiteNetwork, target: str, peers: Sequence[str], direction: Direction
    ) -> None:
        self._nodes, self._network = nodes, network
        own, others = self._addresses(target), [one for peer in peers for one in self._addresses(peer)]
        self._ways = [
            way
            for way, is_cut in (
                ((own, others), direction is not Direction.IN),
                ((others, own), direction is not Direction.OUT),
            )
            if is_cut
        ]
        self._parted = {*own, *others}
        cut = [(sender, receiver) for senders, receivers in self._ways for sender in senders for receiver in receivers]
        self._near = [pair for pair in cut if network.is_near(*pair)]  # of one data centre: nobody counts their packets
        self._pairs = [
            pair for peer in peers for pair in ((target, peer), (peer, target)) if dc_of(target) != dc_of(peer)
        ]
        self._watch: LivenessWatch | None = None
        self._cut_before = 0

    def begin(self) -> None:
        """Who hears the nodes must reach them: a node that is cut off from the field is heard by nobody."""
        heard = set() if self._parted & set(self._network.addresses_of(FIELD)) else self._parted
        self._watch = self._nodes.watch([node.name for node in self._nodes.nodes if node.address in heard])
        self._cut_before = self._count_cut()
        for senders, receivers in self._ways:
            self._network.cut(senders, receivers)

    def is_effective(self) -> bool:
        if any(self._network.passes(*pair) for pair in self._near):
            return False
        return not self._pairs or self._count_cut() > self._cut_before

    def heal(self) -> None:
        """Let packets pass; returns when no node that was parted takes another of them for down. Raises HarnessError."""
        with self._watch or contextlib.nullcontext() as watch:
            with contextlib.ExitStack() as healing:  # each way, whatever ails another
                for way in reversed(self._ways):
                    healing.callback(self._network.cut, *way, is_cut=False)
            if watch is None:
                return
            deadline = time.monotonic() + SEEN_S_MAX
            while blind := watch.still_down(self._parted):
                if time.monotonic() > deadline:
                    raise HarnessError(
                        f"{', '.join(sorted(blind))} still take nodes for down {SEEN_S_MAX:.0f} s after their network was healed"
                    )
                time.sleep(LOOK_EVERY_S)

    def _count_cut(self) -> int:
        counts = self._network.counts[..., PacketCount.CUT]
        return sum(int(counts[self._site_of(one), self._site_of(other)]) for one, other in self._pairs)

    def _site_of(self, name: str) -> int:
        return self._network.sites.index(name.partition("-")[0])

    def _addresses(self, name: str) -> list[str]:
        if name == FIELD:
            return list(self._network.addresses_of(FIELD))
        return [node.address for node in self._nodes.nodes if name in (node.dc, node.name)]


class LinkChange:
    """The links between a site and its peers have another quality."""

    no_effect = "no packet went over the changed link"
    is_lasting = True

    def __init__(self, network: SiteNetwork, site: str, peers: Sequence[str], quality: LinkQuality) -> None:
        self._network, self._site, self._peers, self._quality = network, site, peers, quality
        self._passed_before = 0

    def begin(self) -> None:
        self._passed_before = self._count_passed()
        for peer in self._peers:
            self._network.set_quality(self._site, peer, self._quality)

    def is_effective(self) -> bool:
        return self._count_passed() > self._passed_before

    def heal(self) -> None:
        for peer in self._peers:
            self._network.restore(self._site, peer)

    def _count_passed(self) -> int:
        site, peers = self._network.sites.index(self._site), [self._network.sites.index(one) for one in self._peers]
        return int(self._network.counts[site, peers, PacketCount.PACKETS].sum())
