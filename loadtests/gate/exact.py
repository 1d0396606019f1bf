"""Counters that chance does not touch: what the sides send for the same operations, and how often tables are touched by it.

They need no repetition: any difference is one of the sides. Where chance does touch what replicas count, the counter says how,
and is held against nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np

from loadtests.cluster.connect import connect_to_every_node
from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from loadtests.trials.load import SampleLoad
from store.cassandra.session import FAILURES

WRITES, READS = "writes", "reads"  # units of what replicas count
ROWS, TOMBSTONES = "rows", "tombstones"  # and of what traces tell
_LOCAL = "SELECT keyspace_name, table_name, count FROM system_views.local_{kind}_latency"


class Chance(StrEnum):
    """Why what replicas count differs from one time to the next."""

    SENT_AGAIN = "operations were sent again while the sides were filled, by a busy machine's time-outs"
    WHO_ANSWERS = "which of several replicas answer a read, and whether more are asked, is chance"
    MISSED = "not every replica did each write: one was late, or down"
    UNTRACED = "not every read was traced to its end, on a busy machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactCounter:
    """One counter of both sides. chance: how chance touches it; it is then no evidence of anything."""

    name: str
    unit: str
    baseline: int
    candidate: int
    chance: Chance | None = None

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
            for kind, unit in (("write", WRITES), ("read", READS)):
                rows: Any = session.execute(_LOCAL.format(kind=kind), host=host)
                for row in rows:
                    if row.keyspace_name == keyspace:
                        key = (f"{row.table_name}: {unit} by replicas", unit)
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


def countable(
    counters: Sequence[ExactCounter], replicas: tuple[int, int], *, was_sent_once: bool, were_traced: bool
) -> tuple[ExactCounter, ...]:
    """The counters, each with how chance touches it. Pure.

    replicas: of a row, in all data centres, of the baseline and of the candidate. was_sent_once: each operation to each side.
    were_traced: all reads that were to be.
    """
    return tuple(replace(each, chance=_chance(each, replicas, was_sent_once, were_traced)) for each in counters)


def _chance(counter: ExactCounter, replicas: tuple[int, int], was_sent_once: bool, were_traced: bool) -> Chance | None:
    if counter.unit in (ROWS, TOMBSTONES):  # what is written twice is the same rows
        return None if were_traced else Chance.UNTRACED
    if counter.unit not in (WRITES, READS):
        return None
    if not was_sent_once:
        return Chance.SENT_AGAIN
    if counter.unit == READS:
        return Chance.WHO_ANSWERS if max(replicas) > 1 else None
    # Each write is one of every replica: what is no whole number a replica was missed by some.
    is_whole = counter.baseline % replicas[0] == 0 == counter.candidate % replicas[1]
    return None if is_whole else Chance.MISSED
