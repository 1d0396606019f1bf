"""Which faults of a scenario can't be: those that name nothing, contradict each other, or change nothing. Pure."""

from collections.abc import Sequence

from scenarios.parts.faults import (
    BACK_OFFICE,
    MEMBERSHIP_KINDS,
    NETWORK_KINDS,
    NODE_KINDS,
    OFFICE_KINDS,
    SENDER,
    DataCentre,
    Fault,
    FaultKind,
    dc_of,
    end_s,
    node_names,
    nodes_of,
    peers_of,
    stages_of,
)
from scenarios.parts.site_wan import FIELD, SiteWan, require_no_dc_as_field


def require_faults(faults: Sequence[Fault], dcs: Sequence[DataCentre], wall_s: float, wan: SiteWan) -> None:
    """Raises ValueError for a fault that names nothing, that outlasts the storm, that contradicts another, or that leaves the
    links of `wan` as they are."""
    by_dc = node_names(dcs)
    for number, fault in enumerate(faults):
        where = f"faults[{number}]"
        _require_own_target(where, fault, dcs)
        if fault.kind in NODE_KINDS + NETWORK_KINDS and not nodes_of(fault, dcs):
            there = ", ".join([*by_dc, *(name for names in by_dc.values() for name in names)])
            raise ValueError(
                f"{where}: target '{fault.target}' is the name neither of a data centre nor of one of its nodes; "
                f"there are {there}"
            )
        if fault.kind in MEMBERSHIP_KINDS:
            _require_member(where, fault, faults[:number], dcs)
        if fault.kind is FaultKind.SSTABLE_BIT_FLIP:
            _require_whole_replica(where, fault, dcs)
        _require_there(where, fault, faults[:number], dcs)
        if end_s(fault, dcs) > wall_s:
            times = len(stages_of(fault, dcs))
            each = f"for_s for each of its {times} nodes" if times > 1 else "for_s"
            raise ValueError(
                f"{where}: the {fault} would be healed after the storm's end; at_s and {each} must add up to run.wall_s "
                f"{wall_s:g} at most"
            )
        if fault.kind in NETWORK_KINDS:
            _require_peers(where, fault, dcs)
            _require_change(where, fault, dcs, wan)
        for other in faults[:number]:
            if (fault.kind in NETWORK_KINDS) != (other.kind in NETWORK_KINDS):
                continue  # what befalls a node and what befalls its network don't contradict each other
            both = sorted(_touched(fault, dcs) & _touched(other, dcs))
            if both and fault.at_s < end_s(other, dcs) and other.at_s < end_s(fault, dcs):
                raise ValueError(f"{where}: the {fault} and the {other} are both of {both[0]} at one time")


def _touched(fault: Fault, dcs: Sequence[DataCentre]) -> set[str]:
    """What two faults can't have at one time, by words for people. A fault of the network is of both its ends: the healing of one
    would join what another still parts."""
    if fault.kind in NETWORK_KINDS:
        ends, by_dc = (fault.target, *peers_of(fault, dcs)), node_names(dcs)
        return {name for dc, names in by_dc.items() for name in names if dc in ends or name in ends}
    if fault.kind in MEMBERSHIP_KINDS:
        return {*nodes_of(fault, dcs), *(name for names in node_names(dcs).values() for name in names)}
    return set(nodes_of(fault, dcs)) or {f"{fault.target} ({fault.kind})"}


def _require_own_target(where: str, fault: Fault, dcs: Sequence[DataCentre]) -> None:
    """Raises ValueError where the bench's own parts have none of that name. Tables are for the schema to know."""
    if fault.kind is FaultKind.KILL_SENDER and SENDER.fullmatch(fault.target) is None:
        raise ValueError(
            f"{where}: target '{fault.target}' names no sender; they are sender-1, sender-2, ... (--shards)"
        )
    if fault.kind in OFFICE_KINDS and fault.target != BACK_OFFICE:
        raise ValueError(f"{where}: kind '{fault.kind}' befalls the back office alone: target = \"{BACK_OFFICE}\"")
    if fault.kind is FaultKind.BOOTSTRAP and fault.target not in node_names(dcs):
        raise ValueError(f"{where}: a node joins a data centre; there are {', '.join(node_names(dcs))}")
    if fault.kind is FaultKind.KILL_GATEWAY and fault.target not in node_names(dcs):
        raise ValueError(
            f"{where}: target '{fault.target}' is no data centre, each of which has one gateway; there are "
            f"{', '.join(node_names(dcs))}"
        )


def _require_member(where: str, fault: Fault, earlier: Sequence[Fault], dcs: Sequence[DataCentre]) -> None:
    """Raises ValueError for a node that can't join, leave or be replaced. Those that leave a data centre are counted together."""
    by_dc = node_names(dcs)
    if fault.kind is FaultKind.BOOTSTRAP:
        return
    if fault.target in by_dc:
        raise ValueError(
            f"{where}: one node at a time can {fault.kind}, {by_dc[fault.target][0]} say, not a whole data centre"
        )
    dc = next(one for one in dcs if one.name == dc_of(fault.target))
    if fault.kind is FaultKind.DECOMMISSION:
        leaving = [*(one.target for one in earlier if one.kind is FaultKind.DECOMMISSION), fault.target]
        gone = sorted({name for name in leaving if dc_of(name) == dc.name})
        if dc.nodes - len(gone) < dc.rf:
            raise ValueError(
                f"{where}: without {' and '.join(gone)} {dc.name} has {dc.nodes - len(gone)} nodes for rf {dc.rf}; give it "
                "another one, or a smaller rf"
            )
    if fault.kind is FaultKind.REPLACE and sum(one.rf for one in dcs) == 1:
        raise ValueError(
            f"{where}: {fault.target} holds the only replica, which would be lost with it; give a larger rf"
        )


def _require_whole_replica(where: str, fault: Fault, dcs: Sequence[DataCentre]) -> None:
    """Raises ValueError for damage of all replicas of some row: what is taken out could come back from nobody."""
    if len(dcs) == 1 and len(nodes_of(fault, dcs)) >= dcs[0].rf:
        raise ValueError(
            f"{where}: {fault.target} holds all {dcs[0].rf} replicas of some rows, and what is taken out there could come back "
            "from nobody; give fewer nodes, a larger rf, or another data centre"
        )


def _require_there(where: str, fault: Fault, earlier: Sequence[Fault], dcs: Sequence[DataCentre]) -> None:
    """Raises ValueError for a second node that joins a data centre, for a fault of a node that has left by then, and for a node
    that would come with the old release to upgraded ones."""
    for other in earlier:
        if other.kind is FaultKind.BOOTSTRAP and fault.kind is FaultKind.BOOTSTRAP and fault.target == other.target:
            raise ValueError(f"{where}: a second node can't join {fault.target} in one run")
        first, second = sorted((fault, other), key=lambda one: one.at_s)
        if first.kind is FaultKind.DECOMMISSION and first.target in nodes_of(second, dcs):
            raise ValueError(f"{where}: {first.target} has left by {second.at_s:g} s, and the {second} can't befall it")
        _require_one_release(where, first, second, dcs)


def _require_one_release(where: str, first: Fault, second: Fault, dcs: Sequence[DataCentre]) -> None:
    """Raises ValueError for a node that is replaced after its upgrade, or that joins an upgraded data centre at any time: it
    comes with the release that the run began with, and an upgrade is of the first nodes alone."""
    for upgrade, other in ((first, second), (second, first)):
        if upgrade.kind is not FaultKind.UPGRADE:
            continue
        joins = other.kind is FaultKind.BOOTSTRAP and other.target == dc_of(upgrade.target)
        is_new = other is second and other.kind is FaultKind.REPLACE and other.target in nodes_of(upgrade, dcs)
        if joins or is_new:
            mend = "leave one of them out" if joins else "replace it first, or leave one of them out"
            raise ValueError(
                f"{where}: the node of the {other} would have the release from before the {upgrade}; {mend}"
            )


def _require_peers(where: str, fault: Fault, dcs: Sequence[DataCentre]) -> None:
    """Raises ValueError for peers that are not there, or that are the target itself or of it."""
    by_dc = node_names(dcs)
    require_no_dc_as_field(by_dc)
    there = {FIELD, *by_dc, *(name for names in by_dc.values() for name in names)}
    peers = peers_of(fault, dcs)
    if not peers:
        raise ValueError(
            f"{where}: there is no other data centre that {fault.target} could be parted from; name {FIELD}"
        )
    for peer in peers:
        if peer not in there:
            raise ValueError(f"{where}: peer '{peer}' is not there; there are {', '.join(sorted(there))}")
        if dc_of(peer) == dc_of(fault.target) and (peer == fault.target or {peer, fault.target} & set(by_dc)):
            raise ValueError(f"{where}: {peer} and {fault.target} are one, or one is of the other; name two nodes")
        if fault.kind is FaultKind.LINK and {peer, fault.target} - {FIELD, *by_dc}:
            raise ValueError(f"{where}: a link is of whole data centres and the field, not of single nodes")


def _require_change(where: str, fault: Fault, dcs: Sequence[DataCentre], wan: SiteWan) -> None:
    """Raises ValueError for a link that is meanwhile what it is without the fault."""
    if fault.link is not None and all(
        wan.between(fault.target, peer).is_as(fault.link) for peer in peers_of(fault, dcs)
    ):
        raise ValueError(
            f"{where}: the {fault} changes nothing: the links are so without it; give link another quality"
        )
