"""What time it is by a node's own clock: the question, and what its answer says."""

from datetime import UTC
from typing import Any

CLOCK = "SELECT current_timestamp() AS at FROM system.local"
MILLISECOND_S = 0.001  # nodes tell whole ones


def told_s(row: Any) -> float:
    """Unix time by the node that has answered CLOCK with the row [s], to the millisecond below."""
    return float(row.at.replace(tzinfo=UTC).timestamp())
