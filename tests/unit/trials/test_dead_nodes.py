"""A failure is told as that of the node that died of it, whichever it was, with the disk that was full by then."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from loadtests.cluster import machine
from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from loadtests.trials.dead_nodes import DISK_FREE_MIB_MIN, dead_nodes_named

OUT = Path("runs/a")


def cluster(name: str, is_dead: bool) -> LocalCluster:
    def require_alive() -> None:
        if is_dead:
            raise HarnessError(f"node {name} died")

    return cast(LocalCluster, SimpleNamespace(require_alive=require_alive))


def told(monkeypatch: pytest.MonkeyPatch, *dead: str, free_mib: int) -> str:
    """What is told of "no answer" from one of two clusters, of which nodes are dead; other disks than OUT's have room."""
    monkeypatch.setattr(machine, "free_disk_mib", lambda folder: free_mib if folder == OUT else 99_999)
    clusters = [cluster(name, name in dead) for name in ("north-1", "south-1")]
    with pytest.raises(HarnessError) as met, dead_nodes_named(lambda: clusters, OUT):
        raise HarnessError("no answer")
    return str(met.value)


def test_the_dead_node_is_named_and_the_disk_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    full = "; the disk of runs/a is full, 0 MiB are left"
    assert told(monkeypatch, "north-1", free_mib=0) == f"node north-1 died{full}"
    assert told(monkeypatch, "south-1", free_mib=0) == f"node south-1 died{full}"
    assert told(monkeypatch, "north-1", "south-1", free_mib=0) == f"node north-1 died{full}"  # the first of them


def test_a_disk_with_room_for_a_segment_is_not_full(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, "south-1", free_mib=DISK_FREE_MIB_MIN) == "node south-1 died"
    assert told(monkeypatch, "south-1", free_mib=DISK_FREE_MIB_MIN - 1).endswith("is full, 63 MiB are left")


def test_a_full_disk_beside_nodes_that_live_is_not_to_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, free_mib=0) == "no answer"
