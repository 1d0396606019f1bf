"""What each kind of fault does: an act begins, shows that it is real, and is healed. A new kind is a line of `acts_of`.

Most faults are one act; a rolling restart is one for each node, one after another.
"""

import threading
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import psutil

from loadtests.cluster.connect import Endpoint, LivenessWatch
from loadtests.cluster.control.orders import Order
from loadtests.cluster.hints import delivery_s_max, kept_hints
from loadtests.errors import HarnessError
from loadtests.faults.damaged_logs import LogDamaged
from loadtests.faults.damaged_tables import TableDamaged
from loadtests.faults.membership_acts import NodeJoins, NodeLeaves, releases
from loadtests.faults.network_acts import LinkChange, PartedSites
from loadtests.faults.office_acts import GarbageSent, PricesLate
from loadtests.faults.ordered_acts import LOOK_EVERY_S, ClocksAhead, HeapTaken, wait_done
from loadtests.faults.own_parts import BACK_OFFICE, OwnParts, gateway_of
from loadtests.faults.table_altered import TableAltered
from loadtests.sites.network import SiteNetwork
from scenarios.parts.faults import (
    DAMAGE_KINDS,
    NETWORK_KINDS,
    SENDER,
    DataCentre,
    Direction,
    Fault,
    FaultKind,
    nodes_of,
    peers_of,
    stages_of,
)

REPAIR_S_MAX = 600.0  # of a node
CYCLE_S = 0.2  # of a slow node: it runs for a share of it, and stands still for the rest


class RunningNode(Protocol):
    """What is asked of a node here."""

    @property
    def name(self) -> str: ...
    @property
    def pid(self) -> int: ...
    @property
    def dc(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def folder(self) -> Path: ...


class Breakable(Protocol):
    """What faults are made on: `loadtests.cluster.local.LocalCluster`."""

    @property
    def nodes(self) -> Sequence[RunningNode]: ...
    def break_nodes(self, kind: FaultKind, names: Collection[str]) -> None: ...
    def heal_nodes(self, kind: FaultKind, names: Collection[str]) -> None: ...
    def start_broken(self, names: Collection[str]) -> None: ...
    def end_broken(self, names: Collection[str]) -> None: ...
    @property
    def network(self) -> SiteNetwork | None: ...
    def watch(self, names: Collection[str]) -> LivenessWatch: ...
    def silent(self, names: Collection[str]) -> set[str]: ...
    def endpoint(self) -> Endpoint: ...
    def order(self, name: str, *words: str) -> Order: ...
    def begin_joining(self, name: str) -> None: ...
    def await_joined(self, name: str) -> None: ...
    def retire(self, name: str) -> None: ...


class ForeignNodes:
    """Implements `Breakable` for an existing cluster, whose nodes are not ours to break: no fault of a node is made on it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.nodes: Sequence[RunningNode] = ()
        self.network: SiteNetwork | None = None

    def watch(self, names: Collection[str]) -> LivenessWatch:
        raise AssertionError("faults of the network between sites are of local nodes")

    def endpoint(self) -> Endpoint:
        return self._endpoint

    def break_nodes(self, kind: FaultKind, names: Collection[str]) -> None:
        raise AssertionError(f"{kind} of {', '.join(names)}: a scenario with it was to be refused")

    heal_nodes = break_nodes

    def start_broken(self, names: Collection[str]) -> None:
        raise AssertionError(f"{', '.join(names)}: a scenario with nodes that are broken was to be refused")

    end_broken = start_broken

    def order(self, name: str, *words: str) -> Order:
        raise AssertionError(f"{words[0]} of {name}: a scenario with it was to be refused")

    def begin_joining(self, name: str) -> None:
        raise AssertionError(f"bootstrap of {name}: a scenario with it was to be refused")

    await_joined = retire = begin_joining

    def silent(self, names: Collection[str]) -> set[str]:
        return set()


class Act(Protocol):
    """One act of a fault. Each call may raise HarnessError; `heal` is called after `begin`, however that ended."""

    no_effect: str
    """What is said of one that is never effective, after "had no effect: "."""
    is_lasting: bool
    """It lasts for as long as the fault says; one that does not is over once it is effective."""

    def begin(self) -> None: ...
    def is_effective(self) -> bool: ...
    def heal(self) -> None:
        """Undo it; returns when all is as it was."""
        ...


@runtime_checkable
class TellsMore(Protocol):
    """An act of which more is to be known than its times."""

    @property
    def told(self) -> str | None:
        """A sentence; None before it was healed."""
        ...


def acts_of(
    fault: Fault,
    dcs: Sequence[DataCentre],
    nodes: Breakable,
    parts: OwnParts,
    keyspace: str,
    is_stopped: Callable[[], bool],
) -> Sequence[Act]:
    """What a fault does, in order. keyspace: of the tables that it may change, and that are repaired unless the run
    `is_stopped`."""
    acts = _acts_of(fault, dcs, nodes, parts, keyspace)
    if not fault.repair:
        return acts
    (act,) = acts
    is_after_hints = fault.kind in (*DAMAGE_KINDS, FaultKind.SSTABLE_BIT_FLIP)
    names = nodes_of(fault, dcs)
    return [ThenRepaired(act, nodes, names, keyspace, is_stopped, is_after_hints=is_after_hints)]


def _acts_of(
    fault: Fault, dcs: Sequence[DataCentre], nodes: Breakable, parts: OwnParts, keyspace: str
) -> Sequence[Act]:
    if fault.kind is FaultKind.SCHEMA_CHANGE:
        return [TableAltered(nodes, f"{keyspace}.{fault.target}")]
    if fault.kind is FaultKind.KILL_GATEWAY:
        return [PartKilled(parts, gateway_of(fault.target))]
    if fault.kind is FaultKind.KILL_BACK_OFFICE:
        return [PartKilled(parts, BACK_OFFICE)]
    if fault.kind is FaultKind.LATE_TARIFFS:
        return [PricesLate(parts.office_input, fault)]
    if fault.kind is FaultKind.GARBAGE:
        return [GarbageSent(parts.office_input, fault.rejected_share)]
    if fault.kind is FaultKind.KILL_SENDER:
        return [SenderKilled(parts, fault.target)]
    stages = stages_of(fault, dcs)
    if fault.kind is FaultKind.SLOW:
        return [SlowNodes(nodes, names, fault.run_share) for names in stages]
    if fault.kind is FaultKind.CLOCK_SKEW:
        assert fault.skew_s is not None
        return [ClocksAhead(nodes, names, fault.skew_s) for names in stages]
    if fault.kind is FaultKind.HEAP_PRESSURE:
        return [HeapTaken(nodes, names, fault.held_share) for names in stages]
    if fault.kind is FaultKind.BOOTSTRAP:
        return [NodeJoins(nodes, names[0]) for names in stages]
    if fault.kind is FaultKind.DECOMMISSION:
        return [NodeLeaves(nodes, names[0]) for names in stages]
    if fault.kind in NETWORK_KINDS:
        return [_network_act(fault, dcs, nodes)]
    if fault.kind is FaultKind.UPGRADE:
        assert fault.to_version is not None
        return [NodesUpgraded(nodes, names, fault.to_version) for names in stages]
    if fault.kind in DAMAGE_KINDS:
        return [LogDamaged(nodes, fault.kind, names) for names in stages]
    if fault.kind is FaultKind.SSTABLE_BIT_FLIP:
        return [TableDamaged(nodes, names, keyspace, fault.table) for names in stages]
    kind = FaultKind.STOP if fault.kind is FaultKind.RESTART else fault.kind
    return [NodesDown(nodes, kind, names) for names in stages]


def _network_act(fault: Fault, dcs: Sequence[DataCentre], nodes: Breakable) -> Act:
    assert nodes.network is not None, "a scenario with such faults runs in a network of its own"
    peers = peers_of(fault, dcs)
    if fault.kind is FaultKind.PARTITION:
        return PartedSites(nodes, nodes.network, fault.target, peers, fault.direction or Direction.BOTH)
    assert fault.link is not None
    return LinkChange(nodes.network, fault.target, peers, fault.link)


class NodesDown:
    """Nodes killed, stopped or paused: they answer nothing until they are healed."""

    no_effect = "its nodes went on answering"
    is_lasting = True

    def __init__(self, nodes: Breakable, kind: FaultKind, names: tuple[str, ...]) -> None:
        self._nodes, self._kind, self._names = nodes, kind, names

    def begin(self) -> None:
        self._nodes.break_nodes(self._kind, self._names)

    def is_effective(self) -> bool:
        return self._nodes.silent(self._names) == set(self._names)

    def heal(self) -> None:
        self._nodes.heal_nodes(self._kind, self._names)


class ThenRepaired:
    """Another act; when it is healed its nodes are repaired, one after another: rows are compared with all other replicas.

    Where it takes rows that a node had acknowledged, hints that were kept for others are waited for before: what is in them alone
    comes to the others by them, and only from there back by the repair. A repair before them misses it.

    A run that was stopped waits for no repair, which may take minutes, and is told: its audit may miss what hints did not keep.
    """

    is_lasting = True

    def __init__(
        self,
        act: Act,
        nodes: Breakable,
        names: Sequence[str],
        keyspace: str,
        is_stopped: Callable[[], bool],
        *,
        is_after_hints: bool,
    ) -> None:
        """is_after_hints: the act takes rows that a node had acknowledged."""
        self._act, self._nodes, self._names, self._keyspace = act, nodes, names, keyspace
        self._is_stopped, self._is_after_hints = is_stopped, is_after_hints
        self.no_effect = act.no_effect

    @property
    def told(self) -> str | None:
        """What the other act tells of itself."""
        return self._act.told if isinstance(self._act, TellsMore) else None

    def begin(self) -> None:
        self._act.begin()

    def is_effective(self) -> bool:
        return self._act.is_effective()

    def heal(self) -> None:
        self._act.heal()
        if self._is_after_hints:
            self._await_hints()
        for name in self._names:
            if self._is_stopped():
                raise HarnessError(f"{name} was not repaired, since the run was stopped")
            wait_done(self._nodes.order(name, "repair", self._keyspace), REPAIR_S_MAX, self._is_stopped)

    def _await_hints(self) -> None:
        """Until those that are kept now are delivered; later ones are of rows that all nodes have still."""
        kept = kept_hints(node.folder for node in self._nodes.nodes)
        limit_s = delivery_s_max(sum(kept.values()), len(self._nodes.nodes))
        deadline = time.monotonic() + limit_s
        while any(path.exists() for path in kept) and not self._is_stopped():
            if time.monotonic() > deadline:
                raise HarnessError(
                    f"{', '.join(self._names)} was not repaired, since hints from before were not delivered after {limit_s:.0f} s"
                )
            time.sleep(LOOK_EVERY_S)


class NodesUpgraded(NodesDown):
    """Nodes that are stopped come back with another release of Cassandra, and say so."""

    def __init__(self, nodes: Breakable, names: tuple[str, ...], to_version: str) -> None:
        super().__init__(nodes, FaultKind.UPGRADE, names)
        self._to_version = to_version

    def heal(self) -> None:
        super().heal()
        for name, release in releases(self._nodes, self._names).items():
            if release != self._to_version:
                raise HarnessError(f"{name} runs Cassandra {release}, and was to run {self._to_version}")


class SlowNodes:
    """Nodes that run for a share of each CYCLE_S: everything is answered, and late."""

    no_effect = "the kernel never held its nodes"
    is_lasting = True

    def __init__(self, nodes: Breakable, names: tuple[str, ...], run_share: float) -> None:
        self._nodes, self._names, self._run_share = nodes, names, run_share
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._alternate, name=f"slow-{names[0]}", daemon=True)
        self._held: set[int] = set()  # process ids that the kernel was seen to hold
        self._processes: list[psutil.Process] = []

    def begin(self) -> None:
        self._processes = [psutil.Process(node.pid) for node in self._nodes.nodes if node.name in self._names]
        self._thread.start()

    def is_effective(self) -> bool:
        return self._held == {process.pid for process in self._processes}

    def heal(self) -> None:
        self._is_over.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._nodes.heal_nodes(FaultKind.PAUSE, self._names)  # and all see one another

    def _alternate(self) -> None:
        while not self._is_over.is_set():
            self._tell("suspend")
            self._is_over.wait(CYCLE_S * (1 - self._run_share))
            self._held |= {one.pid for one in self._processes if _is_held(one)}
            self._tell("resume")
            self._is_over.wait(CYCLE_S * self._run_share)

    def _tell(self, what: str) -> None:
        for process in self._processes:
            try:
                getattr(process, what)()
            except psutil.NoSuchProcess:  # it has died by itself, and is found so by others
                continue


def _is_held(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


class PartKilled:
    """A gateway, or the back office, forgets what it holds in memory, and asks nothing of the store until it is healed."""

    is_lasting = True

    def __init__(self, parts: OwnParts, part: str) -> None:
        self._parts, self._part = parts, part
        self.no_effect = f"the {part} asked nothing of the store"

    def begin(self) -> None:
        self._parts.kill(self._part)

    def is_effective(self) -> bool:
        return self._parts.has_died(self._part)

    def heal(self) -> None:
        self._parts.revive(self._part)


class SenderKilled:
    """A sender's process is killed, and nobody takes its place: what it had still to send is not sent."""

    no_effect = "its process went on"
    is_lasting = True

    def __init__(self, parts: OwnParts, target: str) -> None:
        named = SENDER.fullmatch(target)
        assert named is not None, "the scenario's check has let it pass"
        self._parts, self._shard = parts, int(named[1]) - 1

    def begin(self) -> None:
        self._parts.kill_sender(self._shard)

    def is_effective(self) -> bool:
        return self._parts.is_sender_gone(self._shard)

    def heal(self) -> None:
        return
