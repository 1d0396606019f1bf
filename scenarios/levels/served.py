"""Which consistency levels can be served while some nodes are down, by the topology alone."""

from collections.abc import Callable, Collection, Iterable

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
        f"While {', '.join(sorted(down))} {'is' if len(down) == 1 else 'are'} down, {_served_by_nobody(unserved, dc)}."
        for down in down_together(faults, topology.dcs)
        for dc in topology.business_dcs
        if (unserved := [level for level in levels if not is_served(topology, dc, level, down)])
    ]
    while_parted = [
        f"During the {fault}, {_served_by_nobody(unserved, dc)}."
        for fault in scenario.faults
        if fault.kind is FaultKind.PARTITION
        for dc in topology.business_dcs
        if (gone := out_of_reach(fault, topology.dcs, dc.name))
        if (unserved := [level for level in sorted(levels) if not is_served(topology, dc, level, gone)])
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


def _served_by_nobody(levels: Iterable[ConsistencyLevel], dc: Dc) -> str:
    return f"operations of {dc.name}'s homes at {', '.join(levels)} must fail"


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
