"""Does a read show what a write has acknowledged? By their consistency levels, both through coordinators of one data centre."""

from collections.abc import Iterable

from scenarios.domain import ConsistencyLevel, Operation
from scenarios.spec import Dc, Topology

_FIXED = {ConsistencyLevel.ONE: 1, ConsistencyLevel.TWO: 2, ConsistencyLevel.THREE: 3}


def hidden_writes(
    topology: Topology, writes: Iterable[ConsistencyLevel], reads: Iterable[ConsistencyLevel]
) -> tuple[ConsistencyLevel, ConsistencyLevel] | None:
    """A level of a write and one of a read that need have no replica in common in some business DC; None where all have one."""
    asked = sorted(set(reads))
    for write in sorted(set(writes)):
        for read in asked:
            if not all(shows(topology, dc, write, read) for dc in topology.business_dcs):
                return write, read
    return None


def hidden_from_folds(topology: Topology) -> tuple[ConsistencyLevel, ConsistencyLevel] | None:
    """As `hidden_writes`, of what is delivered to the event log and of the reads by which days are computed again from it."""
    consistency = topology.consistency
    writes = [consistency.of(one) for one in (Operation.INGEST_READING, Operation.INGEST_REVISION)]
    # whole tables are read at the default
    return hidden_writes(topology, writes, [consistency.of(Operation.READ_EVENTS), consistency.default])


def shows(topology: Topology, dc: Dc, write: ConsistencyLevel, read: ConsistencyLevel) -> bool:
    """Do the replicas that acknowledged a write through `dc` and those that answer a read through it have one in common?

    They have when they are more than there are: in all data centres, or of this one alone.
    """
    in_all = answers(topology, dc, write) + answers(topology, dc, read)
    of_dc = _answers_of(topology, dc, write) + _answers_of(topology, dc, read)
    return in_all > topology.replica_count or of_dc > dc.rf


def answers(topology: Topology, dc: Dc, level: ConsistencyLevel) -> int:
    """How many replicas answer, in all data centres together, at least."""
    match level:
        case ConsistencyLevel.LOCAL_ONE:
            return 1
        case ConsistencyLevel.LOCAL_QUORUM:
            return dc.rf // 2 + 1
        case ConsistencyLevel.EACH_QUORUM:
            return sum(one.rf // 2 + 1 for one in topology.dcs)
        case ConsistencyLevel.QUORUM:
            return topology.replica_count // 2 + 1
        case ConsistencyLevel.ALL:
            return topology.replica_count
        case _:
            return _FIXED[level]


def _answers_of(topology: Topology, dc: Dc, level: ConsistencyLevel) -> int:
    """How many of the DC's own replicas answer, at least: where any will do, the others' come first."""
    match level:
        case ConsistencyLevel.LOCAL_ONE:
            return 1
        case ConsistencyLevel.LOCAL_QUORUM | ConsistencyLevel.EACH_QUORUM:
            return dc.rf // 2 + 1
        case _:
            return max(answers(topology, dc, level) - (topology.replica_count - dc.rf), 0)
