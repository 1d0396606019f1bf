"""Hints of local nodes: writes that a replica missed, kept as files by those who were up, and sent on when it is back.

No table tells of them: `system_views.pending_hints` shows none while they wait on the disk, so the files are looked at.
Measured on 5.0.9: they begin to flow some 12 s after the node is back, at the rate of the throttle.
"""

from collections.abc import Iterable
from pathlib import Path

HINTS_KIB_PER_S = 1024  # Cassandra's default; shared by all that a node may have to send hints to
BEGINS_S_MAX = 60.0


def hints_left_bytes(cluster_folder: Path) -> int:
    """Bytes of hints that the nodes of a local cluster's folder still hold for others; 0 without such a folder."""
    return sum(_size(path) for path in cluster_folder.glob("*/hints/*.hints"))


def kept_hints(node_folders: Iterable[Path]) -> dict[Path, int]:
    """The files of hints that these nodes hold for others now, with their bytes."""
    return {path: _size(path) for folder in node_folders for path in (folder / "hints").glob("*.hints")}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # it was just delivered
        return 0


def delivery_s_max(left_bytes: int, node_count: int) -> float:
    """How long the delivery of so many bytes may take, with twice the time that the rate allows [s]."""
    return BEGINS_S_MAX + 2 * left_bytes * max(node_count - 1, 1) / (HINTS_KIB_PER_S * 1024)
