"""Rows and tombstones are added up from the lines of traces, of reads whose frames ask for one."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cassandra import ConsistencyLevel

from loadtests.gate import traced_reads
from loadtests.gate.traced_reads import TracedReads, read_by_operation, rows_read, traced
from loadtests.sender.block import OPERATION, OperationBlock

# as Cassandra 5.0.9 wrote them
LINES = (
    "Parsing SELECT * FROM k.t WHERE id = ? AND at >= ?",
    "Executing single-partition query on t",
    "Read 48 live rows and 3 tombstone cells",
    "Merging memtable contents",
    "Read 1 live rows and 0 tombstone cells",
    "Read-repair is off",
)


def test_rows_and_tombstones_of_all_reads_are_added_up() -> None:
    assert rows_read(LINES) == (49, 3)
    assert rows_read(LINES[:2]) == (0, 0)


def test_the_frames_of_chosen_reads_ask_for_a_trace_and_the_sample_stays() -> None:
    rows = np.zeros(3, OPERATION)
    rows["frame_offset"], rows["frame_size"] = (0, 20, 40), 20
    sample = OperationBlock(rows=rows, frames=np.full(60, 4, np.uint8))
    found = traced(sample, rows[1:])
    assert len(found) == 2
    assert np.flatnonzero(found.frames != sample.frames).tolist() == [21, 41]
    assert found.frames[[21, 41]].tolist() == [6, 6]  # other flags stay
    assert (sample.frames == 4).all()


READ = "SELECT wh FROM k.t WHERE id = ?"


class Nodes:
    """Nodes that write the traces of what is sent bit by bit: with each look one more has ended, and one line more is there."""

    def __init__(self, *, never_end: int = 0) -> None:
        self.never_end, self.ids, self.looks = never_end, list[str](), 0
        self.levels: set[Any] = set()
        self.known = [("theirs", "SELECT wh FROM other.t"), ("before", READ)]

    def send(self, _load: object, source: Any, **_: object) -> SimpleNamespace:
        self.ids += [f"{len(self.ids) + number}" for number in range(source.count)]
        self.looks = 0
        return SimpleNamespace(ok=source.count, retries=0)

    def execute(self, statement: Any) -> list[SimpleNamespace]:
        self.levels.add(statement.consistency_level)
        if "sessions" in statement.query_string:
            self.looks += 1
            ended = self.ids[: min(self.looks, len(self.ids) - self.never_end)]
            mine = [
                SimpleNamespace(session_id=one, duration=9 if one in ended else None, parameters={"query": READ})
                for one in self.ids
            ]
            return mine + [
                SimpleNamespace(session_id=one, duration=9, parameters={"query": query}) for one, query in self.known
            ]
        late = self.looks <= len(self.ids)  # the last line of a trace may be written after the trace has ended
        lines = [(one, "Read 4 live rows and 1 tombstone cells") for one in self.ids]
        lines += [("theirs", "Read 900 live rows and 0 tombstone cells"), ("before", LINES[2])]
        lines += [] if late else [(self.ids[0], "Read 7 live rows and 0 tombstone cells")]
        return [SimpleNamespace(session_id=one, activity=line) for one, line in lines]


def read_of(nodes: Nodes, monkeypatch: pytest.MonkeyPatch, node_count: int = 1) -> TracedReads:
    """What such nodes tell of three reads and a write in the sample."""
    rows = np.zeros(4, OPERATION)
    rows["operation"] = (1, 0, 1, 1)
    rows["frame_offset"], rows["frame_size"] = np.arange(4) * 20, 20
    load: Any = SimpleNamespace(
        lanes=("write", "read"),
        writes=frozenset({"write"}),
        statements=(READ,),
        sample=OperationBlock(rows=rows, frames=np.full(80, 4, np.uint8)),
    )
    cluster: Any = SimpleNamespace(nodes=[0] * node_count, endpoint=lambda: None)
    monkeypatch.setattr(traced_reads, "connect", lambda _: (SimpleNamespace(shutdown=lambda: None), nodes))
    monkeypatch.setattr(traced_reads, "send", nodes.send)
    monkeypatch.setattr(traced_reads, "SteadySource", lambda sample, first, count: SimpleNamespace(count=count))
    monkeypatch.setattr(traced_reads, "POLL_S", 0.0)
    return read_by_operation(cluster, load)


def test_rows_of_our_own_new_traces_are_told_once_all_have_ended_and_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = Nodes()
    found = read_of(nodes, monkeypatch)
    assert found.counts == {("read: rows read", "rows"): 3 * 4 + 7, ("read: tombstones read", "tombstones"): 3}
    assert found.are_whole and nodes.levels == {ConsistencyLevel.ONE}
    several = Nodes()
    read_of(several, monkeypatch, node_count=2)
    assert several.levels == {ConsistencyLevel.ALL}


def test_a_trace_that_does_not_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traced_reads, "TRACES_S_MAX", 0.01)
    found = read_of(Nodes(never_end=1), monkeypatch)
    assert not found.are_whole and found.counts["read: rows read", "rows"] >= 2 * 4
