"""How nodes come up by a copy of tables: in which order, what has to be right of it, and what is left of one that is not."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from loadtests.cluster import health, local
from loadtests.cluster.kit import StartKit
from loadtests.cluster.layout import lay_out
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.prepared import PreparedData
from loadtests.cluster.process import NodeProcess
from loadtests.cluster.record import ClusterRecord
from loadtests.errors import HarnessError
from scenarios.spec import Dc, Topology

TOPOLOGY = Topology(dcs=(Dc(name="north", nodes=2, rf=1), Dc(name="south", nodes=2, rf=1)))
NAMES = ("north-1", "north-2", "south-1", "south-2")
VERSION = "0b8c"


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What befalls nodes that need no Java: all that are launched serve, and tell VERSION."""
    seen: list[str] = []
    monkeypatch.setattr(NodeProcess, "launch", lambda process, _: seen.append(f"launch {process.spec.name}"))
    monkeypatch.setattr(health, "wait_serving", lambda nodes, _: seen.append(f"served by {len(nodes)}"))
    monkeypatch.setattr(health, "wait_agreeing", lambda *_: None)
    monkeypatch.setattr(health, "schema_versions", lambda _: {VERSION})
    monkeypatch.setattr(local, "stop_all", lambda *_, **__: seen.append("stop"))
    return seen


@pytest.fixture
def cluster(tmp_path: Path) -> LocalCluster:
    """Of new nodes, and a copy of what they would hold."""
    earlier = {name: tmp_path / "earlier" / name for name in NAMES}
    for folder in earlier.values():
        table = folder / "data" / "system" / "local-7a"
        table.mkdir(parents=True)
        (table / "oa-1-bti-Data.db").write_text("local")
    made = LocalCluster.__new__(LocalCluster)
    made.record = ClusterRecord(cassandra="5.0.9", topology=TOPOLOGY)
    specs = lay_out(TOPOLOGY, ("127.42.0.1", "127.42.0.2", "127.42.0.3", "127.42.0.4"))
    made._processes = [NodeProcess(spec, tmp_path / "new" / spec.name) for spec in specs]
    made._kit = cast(StartKit, SimpleNamespace(java=Path("java"), is_throwaway=False))
    made._prepared = PreparedData(tmp_path / "cache" / "key")
    made._has_tables = False
    assert made._prepared.keep(earlier, VERSION)
    return made


def copy_of(cluster: LocalCluster) -> Path:
    assert cluster._prepared is not None
    return cluster._prepared.folder


def test_a_node_that_is_no_seed_is_launched_once_those_that_it_asks_serve(
    cluster: LocalCluster, events: list[str]
) -> None:
    told: list[str] = []
    assert cluster._has_come_up_prepared(told.append)
    assert events == [
        "launch north-1",
        "launch south-1",
        "served by 2",
        "launch north-2",
        "launch south-2",
        "served by 2",
    ]
    assert all((process.folder / "data" / "system").is_dir() for process in cluster._processes)
    assert "the nodes begin with their tables made, by a copy of an earlier run's" in told
    assert cluster.keep_tables()
    assert copy_of(cluster).exists()


def test_of_nodes_that_tell_another_version_nothing_is_left(
    cluster: LocalCluster, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "schema_versions", lambda _: {VERSION, "77aa"})
    told: list[str] = []
    assert not cluster._has_come_up_prepared(told.append)
    assert events[-1] == "stop"
    assert not any((process.folder / "data").exists() for process in cluster._processes)
    assert told[-1].endswith(f"starting without: the nodes tell schema version {VERSION}, 77aa, not {VERSION}")
    assert not copy_of(cluster).exists()


def test_a_node_that_tells_no_version_ends_no_run(
    cluster: LocalCluster, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> set[str]:
        raise HarnessError("a node does not tell its schema version")

    monkeypatch.setattr(health, "schema_versions", refuse)
    assert not cluster.keep_tables()
