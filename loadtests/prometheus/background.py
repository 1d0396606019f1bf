"""The monitoring of a background cluster: `meterstorm monitor up`, `status` and `down`.

A detached process holds Prometheus, Alertmanager and the receiver of notifications. `down` removes what they have scraped; the
files that they were started from, and the notifications, stay in the folder.
"""

import contextlib
import logging
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, cast

from loadtests.cluster import background, supervisor
from loadtests.cluster.background import BackgroundPhase, BackgroundState, Progress
from loadtests.cluster.connect import Endpoint, read_password_file
from loadtests.errors import HarnessError
from loadtests.prometheus.cql_nodes import CqlNodes
from loadtests.prometheus.settings import HARNESS_PORT, NodeTarget, targets_of
from loadtests.prometheus.stack import END_S_MAX, HOST, MonitoringStack, MonitorPorts, require_startable
from scenarios.spec import Scenario, ScenarioError

log = logging.getLogger(__name__)

CHECK_S = 1.0
DOWN_S_MAX = END_S_MAX + 20.0


class MonitorState(BackgroundState):
    """What `monitor.json` holds."""

    FILE: ClassVar[str] = "monitor.json"
    LOG: ClassVar[str] = "monitor.log"
    NOUN: ClassVar[str] = "monitoring"
    UP: ClassVar[str] = "meterstorm monitor up"
    WITH_IT: ClassVar[str] = "Prometheus and Alertmanager"

    scenario: Scenario
    cluster: Path | None  # of a background cluster, whose nodes they are; None: those of `endpoint`, through CQL
    endpoint: Endpoint | None = None  # of an existing cluster, without its password
    password_file: Path | None = None
    ports: MonitorPorts
    harness: str  # HOST:PORT of a run's own metrics
    prometheus: str = ""  # HOST:PORT
    alertmanager: str = ""
    victoria: str = ""  # empty: there is none


def targets_in(cluster: supervisor.SupervisorState, folder: Path) -> tuple[NodeTarget, ...]:
    """The nodes of a background cluster that is up. Raises HarnessError for one that is not, or tells nothing of itself."""
    where = shlex.quote(str(folder))
    if cluster.phase is not BackgroundPhase.SERVING:
        raise HarnessError(
            f"the cluster in {folder} is {cluster.phase}; start it with: meterstorm cluster up SCENARIO --metrics --out {where}"
        )
    if not cluster.metrics:
        raise HarnessError(
            f"the nodes in {folder} tell no metrics: they have no exporter; meterstorm cluster down --out {where} and "
            f"meterstorm cluster up SCENARIO --metrics --out {where} give them one, with the data that they have"
        )
    return targets_of(cluster.nodes)


def up(
    scenario: Scenario,
    folder: Path,
    cluster: Path,
    progress: Progress = lambda _: None,
    ports: MonitorPorts | None = None,
    harness_port: int = HARNESS_PORT,
    endpoint: Endpoint | None = None,
    password_file: Path | None = None,
) -> MonitorState:
    """Start the monitoring of the background cluster in folder `cluster`, or of the existing one at `endpoint`; return when it
    serves.

    scenario: whose objectives alert. password_file: where `endpoint` has its password from, which is written nowhere.
    Raises HarnessError when there is no such cluster, when one runs already in `folder`, which holds nothing else, or when it
    does not come up.
    """
    folder = folder.absolute()
    if (folder / MonitorState.FILE).exists() and MonitorState.status(folder).is_running():
        raise HarnessError(
            f"the monitoring in {folder} already runs; stop it with: meterstorm monitor down --out {shlex.quote(str(folder))}"
        )
    if not (folder / MonitorState.FILE).exists() and folder.exists() and any(folder.iterdir()):
        raise HarnessError(f"{folder} already holds something that is no monitoring; name another folder with --out")
    asked = ports or MonitorPorts()
    if endpoint is None:  # refused before anything is started
        _require_cluster(cluster)
        targets_in(supervisor.status(cluster), cluster)
    require_startable(asked)
    state = MonitorState(
        phase=BackgroundPhase.STARTING,
        scenario=scenario,
        cluster=cluster.absolute() if endpoint is None else None,
        endpoint=None if endpoint is None else replace(endpoint, password=None),
        password_file=None if password_file is None else password_file.absolute(),
        ports=asked,
        harness=f"{HOST}:{harness_port}",
    )
    was_there = (folder / MonitorState.FILE).exists()
    progress("starting the process that holds Prometheus and Alertmanager")
    try:
        return cast(MonitorState, background.start(state, __name__, folder, progress, DOWN_S_MAX))
    except KeyboardInterrupt:
        if not was_there:  # nor was anything else
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _require_cluster(folder: Path) -> None:
    if not (folder / supervisor.STATE_FILE).exists():
        raise HarnessError(
            f"{folder} holds no background cluster; start one with: meterstorm cluster up SCENARIO --metrics --out "
            f"{shlex.quote(str(folder))}, or name another with --cluster"
        )


def status(folder: Path) -> MonitorState:
    """How the monitoring in `folder` stands. Raises HarnessError when there is none."""
    return MonitorState.status(folder.absolute())


def down(folder: Path) -> MonitorState:
    """End it, and remove what it has scraped. Of one that does not run it removes that alone; then it is stopped."""
    folder = folder.absolute()
    if not (folder / MonitorState.FILE).exists():
        raise HarnessError(f"{folder} holds no monitoring, so there is nothing to stop; --out names another")
    state = status(folder)
    if state.is_running():
        background.end(state, folder, DOWN_S_MAX)
    elif state.phase is BackgroundPhase.GONE:
        background.stopped(state).write(folder)
    shutil.rmtree(folder / "data", ignore_errors=True)  # also of one that was killed
    return status(folder)


def _nodes_of(state: MonitorState, opened: contextlib.ExitStack) -> Callable[[], tuple[NodeTarget, ...]]:
    """How to ask which nodes there are now. Raises HarnessError for an existing cluster that can't be reached.

    What it gives raises HarnessError for a background cluster that is down, or can't be read.
    """
    if (cluster := state.cluster) is not None:
        return lambda: targets_in(supervisor.status(cluster), cluster)
    assert state.endpoint is not None, "it has one of the two"
    password = None if state.password_file is None else read_password_file(state.password_file)
    endpoint = replace(state.endpoint, password=password)
    return opened.enter_context(CqlNodes(endpoint, state.scenario.topology.keyspace)).targets


def _hold(folder: Path) -> None:
    """The life of the detached process."""
    state = MonitorState.read(folder).held_by_us(folder)
    try:
        with contextlib.ExitStack() as opened:
            nodes = _nodes_of(state, opened)
            background.say("asking which nodes there are")
            found = nodes()
            background.say("starting Alertmanager and Prometheus")
            stack = opened.enter_context(
                MonitoringStack.start(folder, state.scenario, found, state.harness, state.ports, background.say)
            )
            state = state.model_copy(
                update={
                    "phase": BackgroundPhase.SERVING,
                    "prometheus": stack.prometheus,
                    "alertmanager": stack.alertmanager,
                    "victoria": stack.victoria,
                }
            )
            state.write(folder)
            while True:
                time.sleep(CHECK_S)
                stack.require_alive()
                try:
                    stack.follow(nodes())
                except (HarnessError, OSError) as error:  # the nodes that it had are missed, and not forgotten
                    log.debug("the nodes are as they were: %s", error)
    except (HarnessError, ScenarioError) as error:
        state.model_copy(update={"phase": BackgroundPhase.FAILED, "message": str(error)}).write(folder)
    except SystemExit:
        state.model_copy(update={"phase": BackgroundPhase.STOPPED}).write(folder)


if __name__ == "__main__":
    _hold(Path(sys.argv[1]))
