"""Rules that were held against reads which need not show what was acknowledged, by the scenario's consistency levels. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from loadtests.audit.rules.customers import Checked
from scenarios.spec import Topology
from scenarios.visible_writes import hidden_writes
from store.operations import AnyOperation


def why_hidden(topology: Topology, writes: Iterable[AnyOperation], reads: Iterable[AnyOperation]) -> str | None:
    """Why reads through a data centre may miss what it acknowledged of writes, in words; None where they show all of it.

    Whole tables are read at the default besides.
    """
    consistency = topology.consistency
    levels = {consistency.of(one) for one in reads}
    hidden = hidden_writes(topology, {consistency.of(one) for one in writes}, {*levels, consistency.default})
    if hidden is None:
        return None
    return f"what was acknowledged at {hidden[0]} a read at {hidden[1]} may not show, so it says nothing of the cluster"


def in_doubt(checks: Sequence[Checked], why: str | None) -> list[Checked]:
    """A rule that is broken where there is a reason for it has nothing that it could be held against, and says why."""
    return [
        replace(one, counted=0, faults=0, examples=(), sample=f"{one.faults:,} of {one.counted:,} differ, and {why}")
        if why and one.faults
        else one
        for one in checks
    ]
