"""`meterstorm monitor`: what is refused before a process is started, and what an interrupted or killed one leaves."""

import re
import socket
from pathlib import Path

import psutil
import pytest

from loadtests.cluster import background as of_any
from loadtests.cluster.background import BackgroundPhase, BackgroundState
from loadtests.cluster.local import Node
from loadtests.cluster.supervisor import SupervisorState
from loadtests.errors import HarnessError
from loadtests.prometheus import background, stack
from loadtests.prometheus.background import MonitorState
from loadtests.prometheus.stack import MonitorPorts
from scenarios.file import resolve_scenario

SMOKE = resolve_scenario(Path("smoke"))
STATE = MonitorState(
    phase=BackgroundPhase.STARTING, scenario=SMOKE, cluster=None, ports=MonitorPorts(), harness="127.0.0.1:1"
)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of one that serves, on a machine that has the programs."""
    folder, me = tmp_path / "cluster", psutil.Process()
    folder.mkdir()
    node = Node(name="north-1", dc="north", address="127.42.0.1", pid=me.pid, folder=folder, metrics="127.42.0.1:1")
    SupervisorState(
        phase=BackgroundPhase.SERVING,
        pid=me.pid,
        started_at=me.create_time(),
        topology=SMOKE.topology,
        metrics=True,
        nodes=(node,),
    ).write(folder)
    monkeypatch.setattr(stack.MonitoringPrograms, "find", lambda: None)
    return folder


def test_a_port_that_is_taken_is_told_before_a_process_is_started(cluster: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(HarnessError, match=f"port {port} of 127.0.0.1, for alertmanager, can't be had"):
            background.up(SMOKE, tmp_path / "monitor", cluster, ports=MonitorPorts(alertmanager=port))
    assert not (tmp_path / "monitor").exists()


def test_a_start_that_is_interrupted_leaves_nothing(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(state: BackgroundState, module: str, folder: Path, *_: object) -> BackgroundState:
        folder.mkdir()
        state.write(folder)
        (folder / "prometheus.yml").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(of_any, "start", interrupted)
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        background.up(SMOKE, tmp_path / "monitor", cluster, told.append)
    assert told and not (tmp_path / "monitor").exists()


def test_a_process_that_ends_before_it_can_hear_of_the_end_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> BackgroundState:
        raise KeyboardInterrupt

    monkeypatch.setattr(of_any, "_await_serving", interrupted)
    with pytest.raises(KeyboardInterrupt):
        of_any.start(STATE, "this", tmp_path, lambda _: None, 10.0)
    assert background.status(tmp_path).phase is BackgroundPhase.STOPPED


def test_one_that_was_killed_is_told_and_stopped_by_down(tmp_path: Path) -> None:
    STATE.model_copy(update={"phase": BackgroundPhase.SERVING, "pid": psutil.Process().pid}).write(tmp_path)
    (tmp_path / "data").mkdir()
    gone = background.status(tmp_path)
    assert gone.told() == "gone: its process was killed, and Prometheus and Alertmanager with it"
    assert background.down(tmp_path).told() == background.status(tmp_path).told() == "stopped"
    assert not (tmp_path / "data").exists()


def test_what_is_not_there_is_told_with_a_mend_that_can_be_followed(tmp_path: Path) -> None:
    started = re.escape(f"meterstorm cluster up SCENARIO --metrics --out {tmp_path}")
    with pytest.raises(HarnessError, match=f"holds no background cluster; start one with: {started}"):
        background.up(SMOKE, tmp_path / "monitor", tmp_path)
    with pytest.raises(HarnessError, match=r"holds no monitoring, so there is nothing to stop; --out names another"):
        background.down(tmp_path)
