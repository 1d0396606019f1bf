"""What the death of a node may have cost in acknowledged writes, by the topology alone. Pure."""

from collections.abc import Iterable

from scenarios.domain import CommitLogSync
from scenarios.spec import Topology


def why_lost(topology: Topology, dead_dcs: Iterable[str]) -> str | None:
    """Why the audit may find acknowledged facts lost in DCs that had a node killed, in a sentence; None: nothing excuses it."""
    alone = sorted({dc.name for dc in topology.dcs if dc.rf == 1} & set(dead_dcs))
    if topology.commit_log_sync is not CommitLogSync.PERIODIC or not alone:
        return None
    return (
        f"DC {', '.join(alone)} keeps one replica of each row, and with commit_log_sync 'periodic' a node acknowledges before "
        "its commit log is on the disk: what it acknowledged in its last moments (60 to 85 ms were measured) was in its memory "
        "alone, and counts as lost there; rf 3, or commit_log_sync 'batch', keeps it"
    )
