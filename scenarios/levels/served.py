"""Which consistency levels can be served while some nodes are down, by the topology alone."""

from collections.abc import Collection, Iterable

from scenarios.domain import ConsistencyLevel, Operation
from scenarios.levels.visible_writes import answers
from scenarios.operations import measured_operations_of
from scenarios.parts.faults import down_together, node_names
from scenarios.spec import Dc, Scenario, Topology

_LOCAL = (ConsistencyLevel.LOCAL_ONE, ConsistencyLevel.LOCAL_QUORUM)


def must_fail(scenario: Scenario) -> list[str]:
    """What the scenario's faults leave nobody to serve, in sentences: operations of a DC's homes that can only fail meanwhile."""
    topology = scenario.topology
    levels = {topology.consistency.of(Operation(one)) for one in measured_operations_of(scenario)}
    return [
        f"While {', '.join(sorted(down))} {'is' if len(down) == 1 else 'are'} down, {_served_by_nobody(unserved, dc)}."
        for down in down_together(scenario.faults, topology.dcs)
        for dc in topology.business_dcs
        if (unserved := [level for level in sorted(levels) if not is_served(topology, dc, level, down)])
    ]


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
