"""Counters that chance does not touch: what the sides send for the same operations, and how often tables are touched by it.

They need no repetition: any difference is one of the sides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from loadtests.cluster.connect import connect_to_every_node
from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from loadtests.trials.load import SampleLoad
from store.cassandra.session import FAILURES

_LOCAL = "SELECT keyspace_name, table_name, count FROM system_views.local_{kind}_latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactCounter:
    """One counter of both sides."""

    name: str
    unit: str
    baseline: int
    candidate: int

    @property
    def increase(self) -> float:
        """Of the candidate over the baseline; infinite where the baseline had none."""
        if self.baseline == self.candidate:
            return 0.0
        return self.candidate / self.baseline - 1 if self.baseline else np.inf


def request_counts(load: SampleLoad) -> dict[tuple[str, str], int]:
    """(name, unit) -> requests and bytes of their frames by operation, of the whole sample."""
    found = {}
    for index, operation in enumerate(load.lanes):
        rows = load.sample.rows[load.sample.rows["operation"] == index]
        if len(rows):
            found[f"{operation}: requests", "requests"] = len(rows)
            found[f"{operation}: request bytes", "bytes"] = int(rows["frame_size"].sum())
    return found


def touched(cluster: LocalCluster, keyspace: str) -> dict[tuple[str, str], int]:
    """(name, unit) -> writes and reads of each table of a keyspace that its replicas have done since they started.

    Source: Cassandra 5.0, system_views.local_write_latency and local_read_latency: a replica's own counts. Raises HarnessError.
    """
    driver, session = connect_to_every_node(cluster.endpoint())
    found: dict[tuple[str, str], int] = {}
    try:
        for host in driver.metadata.all_hosts():
            for kind in ("write", "read"):
                rows: Any = session.execute(_LOCAL.format(kind=kind), host=host)
                for row in rows:
                    if row.keyspace_name == keyspace:
                        key = (f"{row.table_name}: {kind}s by replicas", f"{kind}s")
                        found[key] = found.get(key, 0) + int(row.count)
    except FAILURES as error:
        raise HarnessError(f"a node does not tell its counters: {error}") from error
    finally:
        driver.shutdown()
    return found


def counters_of(
    baseline: Mapping[tuple[str, str], int], candidate: Mapping[tuple[str, str], int]
) -> tuple[ExactCounter, ...]:
    """Both sides' counters by name; one that a side lacks is 0 there. Pure."""
    return tuple(
        ExactCounter(
            name=name, unit=unit, baseline=baseline.get((name, unit), 0), candidate=candidate.get((name, unit), 0)
        )
        for name, unit in sorted(baseline.keys() | candidate.keys())
    )
