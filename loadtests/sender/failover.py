"""Homes of a lost data centre served by another one, where the scenario says so: an operation is sent as it is, to other nodes.

Rules that hold here: its consistency level stays, which is in its frame; homes go one step, and never to where the
stand-in's own homes would go; each sender decides by its own connections, and says when it did.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from loadtests.sender.ring import RingTable
from loadtests.sender.state import LinkField, LinkStatus, WireState
from scenarios.parts.failover import Failover

_LOG = logging.getLogger(__name__)
_STATUS = int(LinkField.STATUS)


@dataclass(frozen=True, slots=True, kw_only=True)
class HomesMoved:
    """Operations of a data centre's homes went to another one, from one instant of the run to another [s]; None: to its end."""

    dc: str
    to: str
    moved_s: float
    back_s: float | None = None


class HomesServed:
    """Which data centre serves the homes of each, by the links of one engine. Belongs to the thread that ticks."""

    def __init__(self, state: WireState, ring: RingTable, failover: Failover, links_per_node: int) -> None:
        self.moves: list[HomesMoved] = []
        self._serving, self._links = state.serving, state.links.data
        self._after_us, self._back_after_us = round(failover.after_s * 1e6), round(failover.back_after_s * 1e6)
        self._watched = [
            _Watched(dc=dc, name=name, to=ring.dcs.index(failover.to[name]), nodes=_links_of(ring, dc, links_per_node))
            for dc, name in enumerate(ring.dcs)
            if name in failover.to
        ]
        self._names = ring.dcs

    def look(self, now_us: int) -> None:
        """Move homes, or let them go back, where it is time; cheap enough for each stretch of ticks."""
        for one in self._watched:
            is_away = self._serving[one.dc] != one.dc
            reached = [any(self._links[link, _STATUS] == LinkStatus.OPEN for link in links) for links in one.nodes]
            if not (all(reached) if is_away else not any(reached)):
                one.since_us = None
                continue
            if one.since_us is None:
                one.since_us = now_us
            if now_us - one.since_us < (self._back_after_us if is_away else self._after_us):
                continue
            one.since_us = None
            self._move(one, now_us, is_back=is_away)

    def _move(self, one: "_Watched", now_us: int, *, is_back: bool) -> None:
        self._serving[one.dc] = one.dc if is_back else one.to
        at_s = round(now_us / 1e6, 3)
        if is_back:
            last = max(index for index, move in enumerate(self.moves) if move.dc == one.name)
            self.moves[last] = replace(self.moves[last], back_s=at_s)
        else:
            self.moves.append(HomesMoved(dc=one.name, to=self._names[one.to], moved_s=at_s))
        _LOG.warning("homes of=%s served_by=%s at_s=%.1f", one.name, self._names[self._serving[one.dc]], at_s)


@dataclass(slots=True)
class _Watched:
    """A data centre whose homes may move: the links of each of its nodes, and since when it is time [us]."""

    dc: int
    name: str
    to: int
    nodes: Sequence[Sequence[int]]
    since_us: int | None = None


def _links_of(ring: RingTable, dc: int, links_per_node: int) -> list[range]:
    return [
        range(node * links_per_node, (node + 1) * links_per_node)
        for node, node_dc in enumerate(ring.node_dcs)
        if node_dc == dc
    ]
