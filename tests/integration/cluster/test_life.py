"""Starts, ends and accidents of real nodes. Whatever happens, no JVM is left, and no kept data is lost."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from cassandra import ConsistencyLevel
from cassandra.cluster import NoHostAvailable
from cassandra.query import SimpleStatement

from loadtests.cluster import supervisor
from loadtests.cluster.background import BackgroundPhase
from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.record import ClusterRecord
from loadtests.cluster.supervisor import SupervisorState
from loadtests.errors import HarnessError
from loadtests.grafana.panels import PanelNeed
from loadtests.monitoring.node_metrics import NodeSampler
from loadtests.prometheus.fault_alerts import ALERTS_OF
from loadtests.prometheus.settings import NodeTarget
from loadtests.prometheus.stack import MonitoringStack
from scenarios.file import resolve_scenario
from scenarios.parts.faults import FaultKind
from scenarios.spec import Dc, Topology
from tests.support.programs import require_programs
from tests.support.prometheus import AskedPrometheus, unanswered

OF_NODES = (PanelNeed.NODE_EXPORTER,)
ONE_NODE = Topology(dcs=(Dc(name="north", nodes=1, rf=1),))
ACT_S_MAX = 120.0

# Programs that start a cluster and tell what happens; the tests interrupt or kill them.
PREAMBLE = """
import sys
from pathlib import Path
from loadtests.cluster import supervisor
from loadtests.cluster.local import LocalCluster
from scenarios.spec import Dc, Topology
topology = Topology(dcs=(Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1)))
folder, tell = Path(sys.argv[1]), lambda words: print(words, flush=True)
"""
RUN = "with LocalCluster.start(topology, folder, tell, heap_mib=320): pass"
UP = "supervisor.up(topology, folder, tell)"


def jvms_of(folder: Path) -> list[psutil.Process]:
    """The processes, of whatever parent, that were started from `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(folder) in argument for argument in process.cmdline()[1:2]) and "java" in process.name():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def wait_until(what: str, holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + ACT_S_MAX
    while not holds():
        assert time.monotonic() < deadline, f"not within {ACT_S_MAX:.0f} s: {what}"
        time.sleep(0.02)


@contextmanager
def watching(cluster: LocalCluster, folder: Path) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """Prometheus and Alertmanager, scraping, and the dashboards' answers of nodes; yields who was told what, by status."""
    require_programs("prometheus")
    scenario, since_s = resolve_scenario(Path("smoke")), time.time()
    nodes = [NodeTarget(name=node.name, dc=node.dc, address=str(node.metrics)) for node in cluster.nodes]
    with MonitoringStack.start(folder, scenario, nodes, "127.0.0.1:1") as stack:
        wait_until("the node is scraped", lambda: stack.query("cassandra_client_connections"))

        asked, deadline = AskedPrometheus(f"http://{stack.prometheus}"), time.monotonic() + ACT_S_MAX
        while True:
            count, empty = unanswered(asked, (since_s, time.time()), lambda panel: panel.needs == OF_NODES)
            assert count > 5 and time.monotonic() < deadline, f"the dashboards have no answer to {empty}"
            if not empty:
                break
            time.sleep(1.0)

        def told(status: str) -> list[dict[str, Any]]:
            lines = [json.loads(line) for line in stack.folder.notifications.read_text().splitlines()]
            return [line for line in lines if line["status"] == status]

        yield told


def has_died(cluster: LocalCluster) -> bool:
    try:
        cluster.require_alive()
    except HarnessError:
        return True
    return False


@contextmanager
def program(source: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + source, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_killed_parent_takes_its_nodes_with_it(tmp_path: Path) -> None:
    with program(RUN, tmp_path) as parent:
        wait_until("a node serves CQL", lambda: "serves CQL" in (parent.stdout.readline() if parent.stdout else ""))
        wait_until("the second node runs", lambda: len(jvms_of(tmp_path)) == 2)

        parent.send_signal(signal.SIGKILL)

        wait_until("no node is left", lambda: not jvms_of(tmp_path))


def test_ctrl_c_in_a_start_stops_what_has_started(tmp_path: Path) -> None:
    with program(RUN, tmp_path) as parent:
        wait_until("a node runs", lambda: jvms_of(tmp_path))

        parent.send_signal(signal.SIGINT)

        output, _ = parent.communicate(timeout=ACT_S_MAX)
        assert "KeyboardInterrupt" in output
        assert jvms_of(tmp_path) == []
        assert not ClusterRecord.exists(tmp_path)  # the folder may be used again


def test_a_node_that_dies_in_its_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(HarnessError) as trouble:
        LocalCluster.start(ONE_NODE, tmp_path, heap_mib=1)

    message = str(trouble.value)
    assert message.startswith("node north-1 died (exit code 1), saying: ")
    assert "heap" in message
    assert str(tmp_path / "north-1") in message
    assert jvms_of(tmp_path) == []


def test_a_kept_cluster_is_started_again_with_its_data(tmp_path: Path) -> None:
    words: list[str] = []
    state = supervisor.up(ONE_NODE, tmp_path, words.append)
    try:
        assert state.phase is BackgroundPhase.SERVING
        assert any("serves CQL" in line for line in words)
        assert [process.pid for process in jvms_of(tmp_path)] == [state.nodes[0].pid]
        assert supervisor.status(tmp_path).phase is BackgroundPhase.SERVING
        with pytest.raises(HarnessError, match="already runs; stop it with: meterstorm cluster down"):
            supervisor.up(ONE_NODE, tmp_path)
        driver, session = connect(state.endpoint)
        session.execute("CREATE KEYSPACE k WITH replication = {'class': 'NetworkTopologyStrategy', 'north': 1}")
        session.execute("CREATE TABLE k.t (id int PRIMARY KEY)")
        session.execute("INSERT INTO k.t (id) VALUES (7)")
        driver.shutdown()
    finally:
        state = supervisor.down(tmp_path)
    assert state.phase is BackgroundPhase.STOPPED
    assert jvms_of(tmp_path) == []

    block = ClusterRecord.read(tmp_path).block
    taken = pytest.raises(HarnessError, match=rf"port 9042 of 127\.42\.{block}\.1 is taken by another program")
    with socket.create_server((f"127.42.{block}.1", 9042)), taken:
        LocalCluster.restart(tmp_path)

    with LocalCluster.restart(tmp_path, metrics=True) as again, watching(again, tmp_path / "monitor") as told:
        driver, session = connect(again.endpoint())
        assert [row.id for row in session.execute("SELECT id FROM k.t")] == [7]
        driver.shutdown()
        killed_s = time.time()
        again.break_nodes(FaultKind.KILL, ["north-1"])
        again.require_alive()  # nobody is surprised
        assert again.silent(["north-1"]) == {"north-1"} and jvms_of(tmp_path) == []
        wait_until("somebody is told", lambda: told("firing"))
        assert told("firing")[0]["at"] - killed_s <= ALERTS_OF[FaultKind.KILL].must["CassandraNodeDown"]
        again.heal_nodes(FaultKind.KILL, ["north-1"])
        assert again.silent(["north-1"]) == set()
        wait_until("it is resolved", lambda: told("resolved"))
        assert [one["alert"] for one in told("firing")] == ["CassandraNodeDown"]
        psutil.Process(again.nodes[0].pid).kill()
        wait_until("the node's end is seen", lambda: has_died(again))
        with pytest.raises(HarnessError, match=r"node north-1 died \(signal SIGKILL\)"):
            again.require_alive()
    assert (tmp_path / "north-1" / "data" / "k").is_dir()


@pytest.mark.long
def test_the_nodes_that_are_left_know_which_are_gone(tmp_path: Path) -> None:
    """A write that needs every DC is refused at once, and not after a time-out: drained and back, or killed for good."""
    topology = Topology(dcs=(Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1)))
    with LocalCluster.start(topology, tmp_path) as cluster:
        driver, session = connect(cluster.endpoint("south"))
        session.execute(
            "CREATE KEYSPACE k WITH replication = {'class': 'NetworkTopologyStrategy', 'north': 1, 'south': 1}"
        )
        session.execute("CREATE TABLE k.t (id int PRIMARY KEY)")
        write = SimpleStatement("INSERT INTO k.t (id) VALUES (7)", consistency_level=ConsistencyLevel.EACH_QUORUM)
        session.execute(write)
        sampler = NodeSampler(cluster)
        assert {sample.node for sample in sampler.sample(0)} == {"north-1", "south-1"}
        cluster.stop_nodes(["north-1"])
        assert {sample.node for sample in sampler.sample(1)} == {"south-1"}  # and it does not stumble over the other
        with pytest.raises(NoHostAvailable, match="Cannot achieve consistency level EACH_QUORUM in DC north"):
            session.execute(write)
        cluster.start_nodes(["north-1"])
        session.execute(write)
        cluster.stop_dc("north")
        with pytest.raises(NoHostAvailable, match="Cannot achieve consistency level EACH_QUORUM in DC north"):
            session.execute(write)
        cluster.require_alive()  # nobody is surprised
        assert cluster.endpoint().local_dc == "south"
        driver.shutdown()


def test_a_start_in_the_background_that_fails_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    many = Topology(dcs=tuple(Dc(name=f"dc{index}", nodes=32, rf=1) for index in range(8)))

    with pytest.raises(HarnessError, match="256 nodes need"):
        supervisor.up(many, tmp_path)

    assert supervisor.status(tmp_path).phase is BackgroundPhase.FAILED
    assert supervisor.down(tmp_path).phase is BackgroundPhase.FAILED


def test_a_folder_without_a_cluster_is_told(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="holds no cluster"):
        LocalCluster.restart(tmp_path)
    with pytest.raises(HarnessError, match="holds no background cluster"):
        supervisor.status(tmp_path)


def test_a_folder_with_a_cluster_is_not_started_over(tmp_path: Path) -> None:
    ClusterRecord(cassandra="5.0.0", topology=ONE_NODE, block=3).write(tmp_path)

    with pytest.raises(HarnessError, match="already holds a cluster"):
        LocalCluster.start(ONE_NODE, tmp_path)
    with pytest.raises(HarnessError, match="holds no data of a cluster"):
        LocalCluster.restart(tmp_path)


def test_a_disk_without_room_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.cluster.machine.free_disk_mib", lambda folder: 100)

    with pytest.raises(HarnessError, match="has 100 MiB free and 1 nodes need 1024 MiB; make room"):
        LocalCluster.start(ONE_NODE, tmp_path)


def test_an_up_that_is_killed_before_its_cluster_serves_leaves_nothing(tmp_path: Path) -> None:
    with program(UP, tmp_path) as up:
        wait_until("a node runs", lambda: jvms_of(tmp_path))
        up.kill()

    wait_until("no node is left", lambda: not jvms_of(tmp_path))
    wait_until("the supervisor has ended", lambda: not supervisor.status(tmp_path).is_running())
    assert supervisor.status(tmp_path).phase is BackgroundPhase.STOPPED


def test_a_killed_supervisor_is_told(tmp_path: Path) -> None:
    killed = SupervisorState(phase=BackgroundPhase.SERVING, topology=ONE_NODE, pid=psutil.Process().pid, started_at=1.0)
    killed.write(tmp_path)

    assert supervisor.status(tmp_path).phase is BackgroundPhase.GONE  # the process id is another's now
    assert supervisor.down(tmp_path).phase is BackgroundPhase.GONE
