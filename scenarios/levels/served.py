"""Which consistency levels can be served while some nodes are down, by the topology alone."""

from collections.abc import Callable, Collection, Iterable, Mapping

from scenarios.domain import ConsistencyLevel, Operation
from scenarios.levels.visible_writes import answers
from scenarios.operations import measured_operations_of
from scenarios.parts.faults import Fault, FaultKind, down_together, node_names, out_of_reach
from scenarios.spec import Dc, Scenario, Topology

_LOCAL = (ConsistencyLevel.LOCAL_ONE, ConsistencyLevel.LOCAL_QUORUM)


def must_fail(scenario: Scenario) -> list[str]:
    """What the scenario's faults leave nobody to serve, in sentences: operations of a DC's homes that can only fail meanwhile."""
    topology = scenario.topology
    levels = _levels_of(scenario)
    outlasted_s = scenario.run.operation_timeout_s * scenario.run.attempts_max  # a pause: requests wait for its end
    faults = [one for one in scenario.faults if one.kind is not FaultKind.PAUSE or one.for_s >= outlasted_s]
    while_down = [
        f"While {', '.join(sorted(down))} {'is' if len(down) == 1 else 'are'} down, {told}."
        for down in down_together(faults, topology.dcs)
        for dc in topology.business_dcs
        for told in _unserved(scenario, dc, levels, {one.name: down for one in topology.dcs})
    ]
    while_parted = [
        f"During the {fault}, {told}."
        for fault in scenario.faults
        if fault.kind is FaultKind.PARTITION
        for dc in topology.business_dcs
        if out_of_reach(fault, topology.dcs, dc.name)
        for told in _unserved(
            scenario, dc, levels, {one.name: out_of_reach(fault, topology.dcs, one.name) for one in topology.dcs}
        )
    ]
    return while_down + while_parted


def serves_all(scenario: Scenario) -> Callable[[Collection[str]], bool]:
    """Is every operation of the scenario served in every business DC without the nodes of these names?"""
    topology, levels = scenario.topology, _levels_of(scenario)
    return lambda down: all(is_served(topology, dc, level, down) for dc in topology.business_dcs for level in levels)


def serves_parted(scenario: Scenario) -> Callable[[Fault, Collection[str]], bool]:
    """Is every operation of the scenario served in every business DC during a partition, without the nodes of these names?"""
    topology, levels = scenario.topology, _levels_of(scenario)
    return lambda fault, down: all(
        is_served(topology, dc, level, out_of_reach(fault, topology.dcs, dc.name) | set(down))
        for dc in topology.business_dcs
        for level in levels
    )


def _levels_of(scenario: Scenario) -> list[ConsistencyLevel]:
    """The levels of what the scenario sends, and of the store's own operations where gateways or a back office make any."""
    consistency = scenario.topology.consistency
    own = {consistency.default} if scenario.run.back_office or scenario.campaigns else set()
    return sorted(own | {consistency.of(Operation(one)) for one in measured_operations_of(scenario)})


def _unserved(
    scenario: Scenario, dc: Dc, levels: Iterable[ConsistencyLevel], gone: Mapping[str, Collection[str]]
) -> list[str]:
    """What must fail of a DC's homes, and what must until they are served elsewhere; in words, nothing of what is served.

    gone: by DC, the nodes that its clients don't reach, or that serve nothing.
    """
    topology, failover = scenario.topology, scenario.run.failover
    unserved = [level for level in levels if not is_served(topology, dc, level, gone[dc.name])]
    stand_in = next((one for one in topology.dcs if failover and failover.to.get(dc.name) == one.name), None)
    moved: list[ConsistencyLevel] = []
    if stand_in is not None and set(node_names(topology.dcs)[dc.name]) <= set(gone[dc.name]):
        moved = [level for level in unserved if is_served(topology, stand_in, level, gone[stand_in.name])]
    stays = [level for level in unserved if level not in moved]
    told = [f"operations of {dc.name}'s homes at {', '.join(stays)} must fail"] if stays else []
    if moved and failover and stand_in:
        told.append(
            f"operations of {dc.name}'s homes at {', '.join(moved)} must fail until {stand_in.name} serves them, "
            f"{failover.after_s:g} s after their senders' last connection to {dc.name} is lost"
        )
    return told


def is_served(topology: Topology, dc: Dc, level: ConsistencyLevel, down: Collection[str]) -> bool:
    """Is every row served through the DC's own coordinators at the level, without the nodes of these names?

    Of a DC with more nodes than replicas the rows that are hit worst decide: some lie on the nodes that are down alone.
    """
    names = node_names(topology.dcs)
    gone = {one.name: sum(name in down for name in names[one.name]) for one in topology.dcs}
    live = {one.name: one.rf - min(one.rf, gone[one.name]) for one in topology.dcs}
    if gone[dc.name] == dc.nodes:
        return False  # nobody coordinates
    if level is ConsistencyLevel.EACH_QUORUM:
        return all(live[one.name] >= one.rf // 2 + 1 for one in topology.dcs)
    return (live[dc.name] if level in _LOCAL else sum(live.values())) >= answers(topology, dc, level)
