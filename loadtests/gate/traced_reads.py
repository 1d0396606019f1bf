"""Rows and tombstones that nodes read for each kind of read, exactly: by Cassandra's own traces of some reads of the sample.

Its histograms (`rows_per_read`) tell buckets of 20 % and forget by the minute. A trace says of each read of a replica
"Read 48 live rows and 0 tombstone cells". The frames are those of the sample, with the flag for a trace set in their heads.
Source: Cassandra 5.0, org.apache.cassandra.db.ReadCommand; the protocol's flag 0x02.
"""

import re
import time
from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from cassandra import ConsistencyLevel
from cassandra.cluster import Session
from cassandra.query import SimpleStatement

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from loadtests.gate.exact import ROWS, TOMBSTONES
from loadtests.sender.block import OperationBlock
from loadtests.sender.protocol import HeaderFlag
from loadtests.trials.load import FILL_IN_FLIGHT, SampleLoad
from loadtests.trials.sending import send
from loadtests.workload.poisson_source import SteadySource
from store.cassandra.session import FAILURES

TRACED_MAX = 50  # of each kind of read: a trace is a good dozen rows more to write
TRACES_S_MAX = 20.0  # until the nodes have written them: they do it when there is time
POLL_S = 0.1
_FLAGS_AT = 1  # in a frame's head
_SESSIONS = "SELECT session_id, duration, parameters FROM system_traces.sessions"
_EVENTS = "SELECT session_id, activity FROM system_traces.events"
_READ = re.compile(r"Read (\d+) live rows? and (\d+) tombstone")


class ReadRows(NamedTuple):
    """What some reads looked at."""

    rows: int
    tombstones: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedReads:
    """counts: (name, unit) -> of all traced reads of an operation. are_whole: each read was sent once, and all of it traced."""

    counts: dict[tuple[str, str], int]
    are_whole: bool


def read_by_operation(cluster: LocalCluster, load: SampleLoad) -> TracedReads:
    """Send up to TRACED_MAX reads of each kind again, traced, and add up what nodes read for them.

    Nothing else may be asked of the keyspace meanwhile. Raises HarnessError for a node that does not answer.
    """
    counts: dict[tuple[str, str], int] = {}
    are_whole = True
    driver, session = connect(cluster.endpoint())
    # Traces have two replicas wherever there are two nodes: all of them are asked.
    level = ConsistencyLevel.ALL if len(cluster.nodes) > 1 else ConsistencyLevel.ONE
    traces = _Traces(session=session, level=level, statements=frozenset(load.statements))
    try:
        known = frozenset(traces.ended())
        for index, operation in enumerate(load.lanes):
            rows = load.sample.rows[load.sample.rows["operation"] == index][:TRACED_MAX]
            if operation in load.writes or not len(rows):
                continue
            sample = traced(load.sample, rows)
            source = SteadySource(sample, first=0, count=len(sample))
            report = send(load, source, closed_for_s=TRACES_S_MAX, in_flight=FILL_IN_FLIGHT)
            new = traces.wait_for(known, len(sample))
            are_whole &= report.ok == len(sample) == len(new) and report.retries == 0
            known |= new.keys()
            found = rows_read(line for lines in new.values() for line in lines)
            counts[f"{operation}: rows read", ROWS] = found.rows
            counts[f"{operation}: tombstones read", TOMBSTONES] = found.tombstones
    except FAILURES as error:
        raise HarnessError(f"a node does not tell its traces: {error}") from error
    finally:
        driver.shutdown()
    return TracedReads(counts=counts, are_whole=are_whole)


def traced(sample: OperationBlock, rows: np.ndarray) -> OperationBlock:
    """Some rows of a sample with frames that ask for a trace. Pure: the sample stays as it is."""
    frames = sample.frames.copy()
    frames[rows["frame_offset"] + _FLAGS_AT] |= np.uint8(HeaderFlag.TRACING)
    return OperationBlock(rows=rows, frames=frames)


def rows_read(activities: Iterable[str]) -> ReadRows:
    """Added up from the lines of traces. Pure."""
    found = [_READ.match(each) for each in activities]
    return ReadRows(*(sum(int(each[group]) for each in found if each) for group in (1, 2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traces:
    """The traces of some statements that nodes have written so far."""

    session: Session
    level: int
    statements: frozenset[str]

    def ended(self) -> set[Any]:
        """Their ids, of those that have ended."""
        return {
            row.session_id
            for row in self._ask(_SESSIONS)
            if row.duration is not None and (row.parameters or {}).get("query") in self.statements
        }

    def wait_for(self, known: Set[Any], count: int) -> dict[Any, list[str]]:
        """Lines of `count` traces that were not known, of those that tell of a read, once two looks see the same.

        After TRACES_S_MAX, of those that there are.
        """
        deadline = time.monotonic() + TRACES_S_MAX
        before: dict[Any, list[str]] = {}
        while True:
            is_late = time.monotonic() > deadline
            new = self.ended() - known
            if len(new) >= count or is_late:  # a look at all lines is dear
                told = self._read_lines(new)
                if (len(told) >= count and told == before) or is_late:
                    return told
                before = told
            time.sleep(POLL_S)

    def _read_lines(self, ids: Collection[Any]) -> dict[Any, list[str]]:
        found: dict[Any, list[str]] = {}
        for row in self._ask(_EVENTS):
            if row.session_id in ids and _READ.match(row.activity):
                found.setdefault(row.session_id, []).append(row.activity)
        return {each: sorted(lines) for each, lines in found.items()}

    def _ask(self, cql: str) -> Iterable[Any]:
        rows: Iterable[Any] = self.session.execute(SimpleStatement(cql, consistency_level=self.level))
        return rows
