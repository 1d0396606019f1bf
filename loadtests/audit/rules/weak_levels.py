"""Rules that were held against reads which need not show what was acknowledged, by the scenario's consistency levels. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from loadtests.audit.rules.customers import Checked
from scenarios.domain import ConsistencyLevel
from scenarios.levels.visible_writes import hidden_writes
from scenarios.spec import Topology
from store.operations import AnyOperation
from store.roles import TableRole
from store.tables import Schema


def why_hidden(topology: Topology, writes: Iterable[AnyOperation], reads: Iterable[AnyOperation]) -> str | None:
    """Why reads through a data centre may miss what it acknowledged of writes, in words; None where they show all of it.

    Whole tables are read at the default besides.
    """
    consistency = topology.consistency
    levels = {consistency.of(one) for one in reads}
    return _told(hidden_writes(topology, {consistency.of(one) for one in writes}, {*levels, consistency.default}))


def why_hidden_in(topology: Topology, schema: Schema, roles: Iterable[TableRole]) -> str | None:
    """As `why_hidden`, of each table by its own writes and queries: what is written to one says nothing of another's reads."""
    consistency = topology.consistency
    for table in schema.tables_with(roles):
        writes = {consistency.of(one) for one in schema.writers_of(table)}
        hidden = hidden_writes(topology, writes, {consistency.of(one.operation) for one in table.queries})
        if hidden is not None:
            return _told(hidden)
    return None


def in_doubt(checks: Sequence[Checked], why: str | None) -> list[Checked]:
    """A rule that is broken where there is a reason for it has nothing that it could be held against, and says why.

    Its faults that stand whatever a read has missed are faults all the same.
    """
    return [_in_doubt(one, why) if why and one.faults > one.certain else one for one in checks]


def _in_doubt(one: Checked, why: str) -> Checked:
    if one.certain:
        counted = max(one.counted - (one.faults - one.certain), one.certain)
        return replace(one, counted=counted, faults=one.certain, examples=one.examples[: one.certain])
    return replace(one, counted=0, faults=0, examples=(), sample=f"{one.faults:,} of {one.counted:,} differ, and {why}")


def _told(hidden: tuple[ConsistencyLevel, ConsistencyLevel] | None) -> str | None:
    if hidden is None:
        return None
    return f"what was acknowledged at {hidden[0]} a read at {hidden[1]} may not show, so it says nothing of the cluster"
