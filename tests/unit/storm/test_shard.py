"""A shard: what it says of a second, and how long it warms the nodes."""

import gc
import socket
import sys
import threading
import time
from types import SimpleNamespace
from typing import Self

import numpy as np
import pytest

from loadtests.recording.histograms import COUNTS_SIZE
from loadtests.recording.history import DcOutcomes, SecondCounts
from loadtests.sender.recorder import IntervalSnapshot
from loadtests.storm import shard
from loadtests.storm.shard import second_of
from scenarios.spec import Dc, Topology


def test_lanes_of_one_operation_are_one_with_all_their_responses() -> None:
    """Estimates and two settlement runs are lanes of revisions: a percentile of the last lane alone would hide the others."""
    response = np.zeros((4, COUNTS_SIZE), np.int64)
    response[0, 10], response[1, 20], response[2, 20], response[3, 30] = 1, 2, 3, 4
    service = np.zeros((4, COUNTS_SIZE), np.int64)
    service[1, 5], service[2, 6] = 2, 3
    earliest = np.zeros((4, COUNTS_SIZE), np.int64)
    earliest[0, 8], earliest[1, 4], earliest[3, 4] = 1, 2, 4
    counts = tuple(SecondCounts(n, n, n - 1, 1, 0, 10 * n) for n in (1, 2, 3, 4))
    snapshot = IntervalSnapshot(
        second=7,
        counts=counts,
        by_dc=np.arange(4 * 2 * 3).reshape(4, 2, 3),
        response=response,
        earliest=earliest,
        service=service,
        lateness=np.zeros(COUNTS_SIZE, np.int64),
    )
    names = ["ingest_reading", "ingest_revision", "ingest_revision", "ingest_revision"]
    told = second_of(snapshot, names, ["north", "south"])
    assert told.by_dc == {
        "ingest_reading": {"north": DcOutcomes(0, 1, 2), "south": DcOutcomes(3, 4, 5)},
        "ingest_revision": {"north": DcOutcomes(36, 39, 42), "south": DcOutcomes(45, 48, 51)},
    }
    assert told.second == 7
    assert told.counts == {
        "ingest_reading": SecondCounts(1, 1, 0, 1, 0, 10),
        "ingest_revision": SecondCounts(9, 9, 6, 3, 0, 90),
    }
    at, many = told.response["ingest_revision"]
    assert dict(zip(at.tolist(), many.tolist(), strict=True)) == {20: 5, 30: 4}
    at, many = told.service["ingest_revision"]
    assert dict(zip(at.tolist(), many.tolist(), strict=True)) == {5: 2, 6: 3}
    at, many = told.earliest["ingest_revision"]
    assert dict(zip(at.tolist(), many.tolist(), strict=True)) == {4: 6}


class SlowSource:
    """Needs longer for its first block than the nodes are to be warmed."""

    is_primed = False

    def prime(self) -> None:
        time.sleep(0.7)
        self.is_primed = True


class EngineOfAnOperation:
    """Sends one operation a millisecond until it is stopped; the first when the source has its first block."""

    def __init__(self) -> None:
        self.stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def stop(self) -> None:
        self.stopped.set()

    def run(self, source: SlowSource, closed_in_flight: int) -> SimpleNamespace:
        if not source.is_primed:
            source.prime()
        sent = 0
        while not self.stopped.wait(0.001):
            sent += 1
        return SimpleNamespace(ok=sent, indeterminate=0, late_answers=0)


def test_nodes_are_warmed_for_their_time_however_long_the_first_block_takes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    topology = Topology(dcs=(Dc(name="north", nodes=1, rf=1),))
    scenario = SimpleNamespace(topology=topology, run=SimpleNamespace(warm_nodes_s=0.5, in_flight_max=1))
    plan = SimpleNamespace(experiment=SimpleNamespace(scenario=scenario), shard_count=1)
    monkeypatch.setattr(shard, "_prepare", lambda *_: (None, None))
    monkeypatch.setattr(shard, "_in_flight_max", lambda _: 1)
    monkeypatch.setattr(shard, "_source_of", lambda *_: SlowSource())
    monkeypatch.setattr(shard, "_engine", lambda *_, **__: EngineOfAnOperation())
    with caplog.at_level("INFO"):
        shard._warm_nodes(plan)  # type: ignore[arg-type]
    (told,) = [record.args for record in caplog.records if record.msg.startswith("warmed")]
    assert isinstance(told, tuple) and told[0] > 0


def test_a_sender_ends_without_a_search_for_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    ours.close()  # the parent is gone
    frozen: list[bool] = []
    monkeypatch.setattr(sys, "argv", ["shard", str(theirs.detach())])
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(True))
    shard.main()
    assert frozen == [True]
