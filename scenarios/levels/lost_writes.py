"""What a power cut may take of what was acknowledged, by the topology alone."""

from scenarios.domain import COMMIT_LOG_PERIOD_S, CommitLogSync
from scenarios.parts.faults import FaultKind, node_names, nodes_of
from scenarios.spec import Scenario


def may_be_lost(scenario: Scenario) -> list[str]:
    """What the scenario's power cuts may take, in sentences: where each replica of some row in a data centre is without power.

    It is of one data centre: another one has such a row where its replicas had taken it, and gives it back by a repair.
    """
    topology = scenario.topology
    if topology.commit_log_sync is not CommitLogSync.PERIODIC:
        return []
    return [
        f"What {dc.name} acknowledged in the last {COMMIT_LOG_PERIOD_S:g} s before the {fault} may be lost there, since "
        f"commit_log_sync is 'periodic'; {_what_then(repair=fault.repair, dcs=len(topology.dcs))}."
        for fault in scenario.faults
        if fault.kind is FaultKind.POWER_CUT
        for dc in topology.dcs
        if len(set(node_names([dc])[dc.name]) & set(nodes_of(fault, topology.dcs))) >= dc.rf
    ]


def _what_then(*, repair: bool, dcs: int) -> str:
    if dcs == 1:
        return "no other data centre has it"
    if repair:
        return "the repair afterwards brings back what another data centre had taken by then"
    return "without a repair afterwards the audit must find it lost there"
