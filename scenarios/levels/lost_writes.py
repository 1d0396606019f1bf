"""What a power cut, or a damaged commit log, may take of what was acknowledged, by the topology alone."""

from scenarios.domain import COMMIT_LOG_PERIOD_S, CommitLogSync
from scenarios.parts.faults import DAMAGE_KINDS, Fault, FaultKind, node_names, nodes_of
from scenarios.spec import Scenario


def may_be_lost(scenario: Scenario) -> list[str]:
    """What the scenario's power cuts and damages may take, in sentences: where each replica of some row of a data centre has one.

    It is of one data centre: another one has such a row where its replicas had taken it, and gives it back by a repair.
    """
    topology = scenario.topology
    is_late = topology.commit_log_sync is CommitLogSync.PERIODIC
    return [
        f"What {dc.name} acknowledged {_since_when(fault)} may be lost there{_why(fault)}; "
        f"{_what_then(repair=fault.repair, dcs=len(topology.dcs))}."
        for fault in scenario.faults
        if fault.kind in DAMAGE_KINDS or (fault.kind is FaultKind.POWER_CUT and is_late)
        for dc in topology.dcs
        if len(set(node_names([dc])[dc.name]) & set(nodes_of(fault, topology.dcs))) >= dc.rf
    ]


def _since_when(fault: Fault) -> str:
    if fault.kind is FaultKind.POWER_CUT:
        return f"in the last {COMMIT_LOG_PERIOD_S:g} s before the {fault}"
    return f"last before the {fault}"


def _why(fault: Fault) -> str:
    if fault.kind is FaultKind.POWER_CUT:
        return ", since commit_log_sync is 'periodic'"
    return ", as far as it stands in its newest commit log alone"


def _what_then(*, repair: bool, dcs: int) -> str:
    if dcs == 1:
        return "no other data centre has it"
    if repair:
        return "the repair afterwards brings back what another data centre had taken by then"
    return "no repair follows, so the audit must find what is lost there"
