"""The threads that sample the nodes beside a storm and beside a step: a node that dies meanwhile ends neither."""

import csv
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from loadtests.cluster.local import LocalCluster
from loadtests.monitoring import periodic
from loadtests.monitoring.live import RecentSeconds
from loadtests.monitoring.node_metrics import NodeSampler
from loadtests.monitoring.node_sampling import NodeSampling
from loadtests.monitoring.resources import ResourceWatch
from loadtests.recording.history import HistoryWriter, NodeSample
from tests.support.two_nodes import TwoNodes

BEFORE, ROUNDS = 2, 5  # looks of both nodes, and of all
BOTH, LEFT = ["north-1", "south-1"], ["north-1"]
WAIT_S_MAX = 30.0


class Dying:
    """Samples two nodes, of which `south` is killed after the look number BEFORE."""

    def __init__(self, folder: Path) -> None:
        self.nodes = TwoNodes(folder)
        self.looks: list[list[NodeSample]] = []
        self.is_enough = threading.Event()

    def sample(self, second: int) -> list[NodeSample]:
        if len(self.looks) == BEFORE:
            self.nodes.kill("south")
        self.looks.append(self.sampler.sample(second))
        if len(self.looks) == ROUNDS + 1:  # what was made of the look before is done
            self.is_enough.set()
        return self.looks[-1]

    def __enter__(self) -> "Dying":
        self.nodes.__enter__()
        self.sampler = NodeSampler(cast(LocalCluster, self.nodes))
        return self

    def __exit__(self, *_: object) -> None:
        self.nodes.__exit__()


@pytest.fixture
def dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dying]:
    monkeypatch.setattr(periodic, "SAMPLE_EVERY_S", 0.01)
    with Dying(tmp_path) as one:
        yield one


def test_a_storms_sampling_goes_on_without_a_node_that_died(dying: Dying, tmp_path: Path) -> None:
    writer, recent = HistoryWriter(tmp_path / "history", ()), RecentSeconds(1)
    with NodeSampling(dying.sample, writer, time.monotonic_ns(), recent.sample):
        assert dying.is_enough.wait(WAIT_S_MAX), f"it ended after {len(dying.looks)} looks"
    writer.close()
    with (tmp_path / "history" / "nodes.csv").open(encoding="utf-8") as file:
        written = [row["node"] for row in csv.DictReader(file)]
    assert written[: 2 * BEFORE + ROUNDS - BEFORE] == BOTH * BEFORE + LEFT * (ROUNDS - BEFORE)
    assert [node for node, _ in recent.recent().node_cores] == LEFT  # nor does the live view keep it


def test_a_steps_watch_goes_on_without_a_node_that_died(dying: Dying) -> None:
    with ResourceWatch(dying.sample) as watch:
        assert dying.is_enough.wait(WAIT_S_MAX), f"it ended after {len(dying.looks)} looks"
    looks = [
        BOTH,
        *([node.node for node in sample.nodes] for sample in watch.samples),
    ]  # the first begins the first second
    assert looks[:ROUNDS] == [BOTH] * BEFORE + [LEFT] * (ROUNDS - BEFORE)


def test_what_ends_the_thread_is_raised_when_the_block_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic, "SAMPLE_EVERY_S", 0.01)
    asked = threading.Event()

    def sample(second: int) -> list[NodeSample]:
        asked.set()
        raise OSError("no room")

    writer = HistoryWriter(tmp_path / "history", ())

    def sampling() -> NodeSampling:
        asked.clear()
        return NodeSampling(sample, writer, time.monotonic_ns())

    with pytest.raises(OSError, match="no room"), sampling():
        assert asked.wait(WAIT_S_MAX)
    with pytest.raises(KeyboardInterrupt), sampling():  # which hides nothing
        assert asked.wait(WAIT_S_MAX)
        raise KeyboardInterrupt
    writer.close()
