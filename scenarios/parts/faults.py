"""What breaks while a storm goes on, and when it is healed: `[[faults]]` of a scenario."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import product
from typing import Annotated, Protocol, Self

from pydantic import Field, model_validator

from scenarios.parts.base import Part
from scenarios.parts.site_wan import FIELD, LinkQuality

FAULTS_MAX = 32
DISK_MIB = 512  # of a node whose disk is to be full, where nothing else is said
DUTY = 0.1  # of a slow node, where nothing else is said
HEAP_SHARE = 0.5  # of a node under heap pressure, where nothing else is said
GARBAGE_SHARE = 0.5  # of what meters send, where nothing else is said
BACK_OFFICE = "back_office"
"""The target of what befalls it: there is one."""


class FaultKind(StrEnum):
    """What happens to the nodes of a target."""

    KILL = "kill"  # SIGKILL; started again with their data when the fault is healed
    POWER_CUT = "power_cut"  # SIGKILL, and what the commit log has not synced is gone; started again likewise
    TRUNCATED_COMMIT_LOG = (
        "truncated_commit_log"  # SIGKILL, and the newest commit log loses its end; started again likewise
    )
    BIT_FLIP = "bit_flip"  # SIGKILL, and one bit of the newest commit log is another; started again likewise
    SSTABLE_BIT_FLIP = (
        "sstable_bit_flip"  # drained and started again with one bit of a table's file another; that file is taken out
    )
    STOP = "stop"  # SIGTERM: they drain, and say that they leave; started again likewise
    PAUSE = "pause"  # SIGSTOP: connections stay, answers don't come; SIGCONT heals
    SLOW = "slow"  # SIGSTOP and SIGCONT in turns: they run for a share of the time alone
    RESTART = "restart"  # stopped and started one after another, each when the one before is back
    SCHEMA_CHANGE = (
        "schema_change"  # a table gets a column: nodes forget what was prepared of it; the column goes again
    )
    KILL_GATEWAY = "kill_gateway"  # the commands' gateway of a data centre forgets all and begins anew
    KILL_BACK_OFFICE = "kill_back_office"  # the back office forgets all, in the midst of a round, and begins anew
    LATE_TARIFFS = "late_tariffs"  # price lists that come into force meanwhile are published when it is healed
    GARBAGE = "garbage"  # a share of what meters send is to be rejected
    KILL_SENDER = "kill_sender"  # SIGKILL to a process of the bench's own; nobody takes its place
    DISK_FULL = (
        "disk_full"  # the node's disk, of a bounded size, has no room left: it ends itself; freed and started again
    )
    PARTITION = "partition"  # no packet passes between the target and its peers; they run, and serve whom they reach
    CLOCK_SKEW = "clock_skew"  # the nodes' clocks are ahead
    HEAP_PRESSURE = "heap_pressure"  # the nodes have only a part of their heap: their collector works for the rest
    BOOTSTRAP = "bootstrap"  # a node joins a data centre
    DECOMMISSION = "decommission"  # a node hands its rows over and leaves
    REPLACE = "replace"  # a node dies with its data, and a new one takes its place
    UPGRADE = "upgrade"  # as restart, with another release of Cassandra
    LINK = "link"  # the links of the target's site have another quality: farther, slower, with losses


IN_TURNS = (FaultKind.RESTART, FaultKind.UPGRADE)
"""Their nodes are down one after another."""
DOWN_KINDS = (
    FaultKind.KILL,
    FaultKind.POWER_CUT,
    FaultKind.TRUNCATED_COMMIT_LOG,
    FaultKind.BIT_FLIP,
    FaultKind.SSTABLE_BIT_FLIP,
    FaultKind.STOP,
    FaultKind.PAUSE,
    FaultKind.DISK_FULL,
    FaultKind.REPLACE,
    *IN_TURNS,
)
"""Their nodes serve nothing meanwhile."""
MEMBERSHIP_KINDS = (FaultKind.BOOTSTRAP, FaultKind.DECOMMISSION, FaultKind.REPLACE)
"""Rows move between nodes, for which all others must be up."""
DAMAGE_KINDS = (FaultKind.TRUNCATED_COMMIT_LOG, FaultKind.BIT_FLIP)
"""A node's newest commit log is damaged while the node is down."""
NODE_KINDS = (
    *DOWN_KINDS,
    FaultKind.SLOW,
    FaultKind.CLOCK_SKEW,
    FaultKind.HEAP_PRESSURE,
    FaultKind.BOOTSTRAP,
    FaultKind.DECOMMISSION,
)
ORDERED_KINDS = (FaultKind.CLOCK_SKEW, FaultKind.HEAP_PRESSURE, FaultKind.DECOMMISSION)
"""A node does them to itself, when it is told."""
UNKEPT_KINDS = (FaultKind.DISK_FULL, FaultKind.BOOTSTRAP, FaultKind.DECOMMISSION, FaultKind.REPLACE, FaultKind.UPGRADE)
"""The nodes of a cluster that lived through them are not those that its scenario says, so that it can't be kept."""
OFFICE_KINDS = (FaultKind.KILL_BACK_OFFICE, FaultKind.LATE_TARIFFS, FaultKind.GARBAGE)
"""They befall the back office, or what comes to it."""
CARRIED_ANYWHERE = (FaultKind.SCHEMA_CHANGE, FaultKind.KILL_GATEWAY, FaultKind.KILL_SENDER, *OFFICE_KINDS)
"""They break no node, so that an existing cluster takes them too."""
SENDER = re.compile(r"sender-([1-9][0-9]?)")
NETWORK_KINDS = (FaultKind.PARTITION, FaultKind.LINK)
"""Of the network between sites, which they need (`SiteWan`)."""
ENCLOSED_KINDS = (*NETWORK_KINDS, FaultKind.DISK_FULL)
"""They need namespaces of the run's own."""


REPAIRED_KINDS = (
    FaultKind.KILL,
    FaultKind.POWER_CUT,
    FaultKind.TRUNCATED_COMMIT_LOG,
    FaultKind.BIT_FLIP,
    FaultKind.SSTABLE_BIT_FLIP,
    FaultKind.STOP,
    FaultKind.PAUSE,
    FaultKind.REPLACE,
    FaultKind.PARTITION,
)
"""After which nodes may be repaired: they may lack what hints did not keep for them."""


class Direction(StrEnum):
    """Which packets of a partition are gone, seen from its target."""

    BOTH = "both"
    OUT = "out"
    IN = "in"


_FIELDS_OF: Mapping[str, frozenset[FaultKind]] = {
    "duty": frozenset({FaultKind.SLOW}),
    "disk_mib": frozenset({FaultKind.DISK_FULL}),
    "repair": frozenset(REPAIRED_KINDS),
    "table": frozenset({FaultKind.SSTABLE_BIT_FLIP}),
    "to_version": frozenset({FaultKind.UPGRADE}),
    "skew_s": frozenset({FaultKind.CLOCK_SKEW}),
    "heap_share": frozenset({FaultKind.HEAP_PRESSURE}),
    "garbage_share": frozenset({FaultKind.GARBAGE}),
    "peers": frozenset(NETWORK_KINDS),
    "direction": frozenset({FaultKind.PARTITION}),
    "link": frozenset({FaultKind.LINK}),
}
"""The fields that go with some kinds alone."""

_TABLE = r"^[a-z][a-z0-9_]{0,47}$"
_TARGET = r"^[a-z][a-z0-9_]{0,30}(-[1-9][0-9]?)?$"


class Fault(Part):
    """A kind of fault, its target, and when it begins and is healed, in wall time of the storm."""

    kind: FaultKind
    target: str = Field(
        pattern=_TARGET,
        description="a data centre, or a node of it: north, north-1; of other kinds a table, a data centre, sender-1, "
        "back_office",
    )
    at_s: float = Field(strict=True, ge=0, le=7 * 86_400, description="from the storm's start")
    for_s: float = Field(
        strict=True, ge=1, le=86_400, description="until it is healed; of a restart: how long each node stays away"
    )
    duty: float | None = Field(
        strict=True,
        default=None,
        ge=0.01,
        le=0.9,
        description=f"of slow nodes: the share of time that they run, {DUTY:g}",
    )

    disk_mib: int | None = Field(
        strict=True,
        default=None,
        ge=256,
        le=1_048_576,
        description=f"of a full disk: its size, in memory; {DISK_MIB} where nothing is said",
    )
    skew_s: float | None = Field(
        strict=True,
        default=None,
        ge=1,
        le=86_400,
        description="of a clock: how far it is ahead; one that is set back changes nothing until its node is started again",
    )
    heap_share: float | None = Field(
        strict=True,
        default=None,
        ge=0.1,
        le=0.7,
        description=f"of heap pressure: the share of the heap that is taken, {HEAP_SHARE:g}; with more nodes end themselves",
    )
    garbage_share: float | None = Field(
        strict=True,
        default=None,
        ge=0.2,
        le=0.8,
        description=f"of garbage: the share of all readings that come meanwhile, {GARBAGE_SHARE:g}",
    )
    to_version: str | None = Field(
        default=None, pattern=r"^5\.0\.[0-9]{1,3}$", description="of an upgrade: the release of Cassandra"
    )
    repair: bool = Field(
        strict=True, default=False, description="a full repair of the nodes when they are back, which is awaited"
    )
    table: str | None = Field(
        default=None,
        pattern=_TABLE,
        description="of sstable_bit_flip: whose data file is damaged; none: the table with the largest one",
    )
    peers: tuple[Annotated[str, Field(pattern=_TARGET)], ...] = Field(
        default=(),
        max_length=16,
        description="of a partition or a link: data centres, nodes of others, or 'field', where all clients are; none: all "
        "other data centres",
    )
    direction: Direction | None = Field(default=None, description="of a partition, from the target: both")
    link: LinkQuality | None = Field(default=None, description="of a link, meanwhile")

    @model_validator(mode="after")
    def _has_what_goes_with_its_kind(self) -> Self:
        for field, kinds in _FIELDS_OF.items():
            if self.kind not in kinds and getattr(self, field):
                allowed = " or ".join(sorted(f"'{kind}'" for kind in kinds))
                raise ValueError(f"{field} goes with kind {allowed}, not with '{self.kind}'; leave it out")
        if self.kind is FaultKind.LINK and self.link is None:
            raise ValueError("kind 'link' needs what the link is meanwhile: link = { delay_ms = 150.0, loss = 0.02 }")
        if self.kind is FaultKind.UPGRADE and self.to_version is None:
            raise ValueError("kind 'upgrade' needs the release that nodes get: to_version = \"5.0.9\"")
        if self.kind is FaultKind.CLOCK_SKEW and self.skew_s is None:
            raise ValueError("kind 'clock_skew' needs how far the clock is ahead: skew_s = 60.0")
        if self.kind is FaultKind.SSTABLE_BIT_FLIP and not self.repair:
            raise ValueError(
                "kind 'sstable_bit_flip' needs what brings back the rows of the file taken out: repair = true"
            )
        return self

    @property
    def run_share(self) -> float:
        """Of slow nodes: the share of the time that they run."""
        return DUTY if self.duty is None else self.duty

    @property
    def held_share(self) -> float:
        """Of nodes under heap pressure: the share of the heap that is taken."""
        return HEAP_SHARE if self.heap_share is None else self.heap_share

    @property
    def rejected_share(self) -> float:
        """Of garbage: the share of all readings that is to be rejected."""
        return GARBAGE_SHARE if self.garbage_share is None else self.garbage_share

    @property
    def until_s(self) -> float:
        return self.at_s + self.for_s

    def __str__(self) -> str:
        peers = f" from {', '.join(self.peers)}" if self.peers else ""
        way = f", {self.direction} alone," if self.direction not in (None, Direction.BOTH) else ""
        return f"{self.kind} of {self.target}{peers}{way} from {self.at_s:g} s for {self.for_s:g} s"


class DataCentre(Protocol):
    """What is asked of a data centre here."""

    @property
    def name(self) -> str: ...
    @property
    def nodes(self) -> int: ...
    @property
    def rf(self) -> int: ...


def node_names(dcs: Iterable[DataCentre]) -> Mapping[str, tuple[str, ...]]:
    """The names of the local nodes of each data centre, as logs and reports have them."""
    return {dc.name: tuple(f"{dc.name}-{number}" for number in range(1, dc.nodes + 1)) for dc in dcs}


def nodes_of(fault: Fault, dcs: Iterable[DataCentre]) -> tuple[str, ...]:
    """The nodes that a fault befalls, or the one that it brings; none where there is no such target, or where it befalls none."""
    if fault.kind not in NODE_KINDS + NETWORK_KINDS:
        return ()
    by_dc = node_names(dcs)
    if fault.kind is FaultKind.BOOTSTRAP:
        names = by_dc.get(fault.target)
        return () if names is None else (f"{fault.target}-{len(names) + 1}",)
    if fault.target in by_dc:
        return by_dc[fault.target]
    return tuple(name for names in by_dc.values() for name in names if name == fault.target)


def stages_of(fault: Fault, dcs: Iterable[DataCentre]) -> tuple[tuple[str, ...], ...]:
    """The nodes that a fault befalls at one time, in the order in which it does: all at once, or one after another."""
    names = nodes_of(fault, dcs)
    return tuple((name,) for name in names) if fault.kind in IN_TURNS else (names,)


def end_s(fault: Fault, dcs: Iterable[DataCentre]) -> float:
    """When its last healing begins at the earliest, in wall time of the storm [s]."""
    return fault.at_s + fault.for_s * len(stages_of(fault, dcs))


def need_orders(faults: Iterable[Fault]) -> bool:
    """Is there one that a node is told of?"""
    return any(fault.kind in ORDERED_KINDS or fault.repair for fault in faults)


def disks_of(faults: Iterable[Fault], dcs: Iterable[DataCentre]) -> dict[str, int]:
    """The size of the disk of each node that must have one of its own [MiB]: the least of those that its faults ask for."""
    sizes: dict[str, int] = {}
    for fault in faults:
        for name in nodes_of(fault, dcs) if fault.kind is FaultKind.DISK_FULL else ():
            size = fault.disk_mib or DISK_MIB
            sizes[name] = min(size, sizes.get(name, size))
    return sizes


def prices_held_from_s(unhealed: Iterable[Fault]) -> float:
    """While these faults are not healed, price lists that come into force from then on are not published [s, wall time of the
    storm], nor those after them; infinite: all are.

    They are held from the run's beginning on, not from a fault's: without one all are published then, announced ahead.
    """
    return min((fault.at_s for fault in unhealed if fault.kind is FaultKind.LATE_TARIFFS), default=math.inf)


def lost_dcs(fault: Fault, dcs: Sequence[DataCentre]) -> dict[str, tuple[str, ...]]:
    """The data centres that a fault takes away whole at one time, each with the others that lose it: all its nodes are down, or
    no packet of it comes to them. None of a fault that has its nodes down in turns, or now and then."""
    by_dc, others = node_names(dcs), {dc.name: tuple(one.name for one in dcs if one.name != dc.name) for dc in dcs}
    if fault.kind is FaultKind.PARTITION:
        if fault.target not in by_dc or fault.direction is Direction.IN:
            return {}
        parted = tuple(name for name in peers_of(fault, dcs) if name in by_dc)
        return {fault.target: parted} if parted else {}
    if fault.kind not in DOWN_KINDS or fault.kind in (*IN_TURNS, FaultKind.SSTABLE_BIT_FLIP):
        return {}
    down = set(nodes_of(fault, dcs))
    return {name: others[name] for name, names in by_dc.items() if down >= set(names) and others[name]}


def without_power(faults: Iterable[Fault], dcs: Sequence[DataCentre]) -> frozenset[str]:
    """The nodes whose power is cut at some time."""
    return frozenset(name for fault in faults if fault.kind is FaultKind.POWER_CUT for name in nodes_of(fault, dcs))


def joining(faults: Iterable[Fault], dcs: Sequence[DataCentre]) -> dict[str, int]:
    """How many nodes join each data centre: no data centre that none does."""
    counts: dict[str, int] = {}
    for fault in faults:
        if fault.kind is FaultKind.BOOTSTRAP:
            counts[fault.target] = counts.get(fault.target, 0) + 1
    return counts


def down_together(faults: Sequence[Fault], dcs: Sequence[DataCentre]) -> list[frozenset[str]]:
    """The nodes that are down at one time, each set once, from the first fault's beginning on."""
    downing = [one for one in faults if one.kind in DOWN_KINDS]
    sets: dict[frozenset[str], None] = {}
    for begun in sorted(downing, key=lambda one: one.at_s):
        active = [stages_of(one, dcs) for one in downing if one.at_s <= begun.at_s < end_s(one, dcs)]
        sets |= dict.fromkeys(frozenset().union(*stages) for stages in product(*active))
    return list(sets)


def peers_of(fault: Fault, dcs: Sequence[DataCentre]) -> tuple[str, ...]:
    """The data centres, nodes or the field that a fault of the network parts its target from."""
    own = dc_of(fault.target)
    return fault.peers or tuple(dc.name for dc in dcs if dc.name != own)


def out_of_reach(fault: Fault, dcs: Sequence[DataCentre], dc: str) -> frozenset[str]:
    """The nodes that those of a data centre, or its clients, don't reach during a partition: no answer comes back either way.

    Of nodes of one data centre that are parted none is out of reach: clients reach each of them, and the others do.
    """
    by_dc = node_names(dcs)
    peers = [peer for peer in peers_of(fault, dcs) if dc_of(peer) != dc_of(fault.target)]
    if not peers:
        return frozenset()
    reach = {name: frozenset(names) for name, names in by_dc.items()}
    reach |= {name: frozenset({name}) for names in by_dc.values() for name in names}
    if dc == dc_of(fault.target):
        if FIELD in peers:
            return reach[fault.target]
        return frozenset().union(*(reach[peer] for peer in peers))
    return reach[fault.target] if dc in {dc_of(peer) for peer in peers} else frozenset()


def dc_of(target: str) -> str:
    return target.partition("-")[0]
