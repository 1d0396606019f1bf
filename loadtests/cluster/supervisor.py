"""A local cluster in the background: `meterstorm cluster up`, `status` and `down`.

`up` starts a detached supervisor, which alone holds the nodes: its death, of whatever kind, is theirs. What both know is in
`supervisor.json` of the cluster's folder.
"""

import shlex
import sys
import time
from pathlib import Path
from typing import ClassVar, cast

from loadtests.cluster import background
from loadtests.cluster.background import BackgroundPhase, BackgroundState, Progress
from loadtests.cluster.connect import Endpoint
from loadtests.cluster.local import LocalCluster, Node
from loadtests.cluster.process import DRAIN_S_MAX, KILL_S_MAX
from loadtests.cluster.record import ClusterRecord
from loadtests.errors import HarnessError
from scenarios.spec import Topology

STATE_FILE = "supervisor.json"
NODE_CHECK_S = 1.0
DOWN_S_MAX = DRAIN_S_MAX + KILL_S_MAX + 10.0


class SupervisorState(BackgroundState):
    """What `supervisor.json` holds."""

    FILE: ClassVar[str] = STATE_FILE
    LOG: ClassVar[str] = "supervisor.log"
    NOUN: ClassVar[str] = "background cluster"
    UP: ClassVar[str] = "meterstorm cluster up"
    WITH_IT: ClassVar[str] = "its nodes"

    topology: Topology
    metrics: bool = False  # each node has the JMX exporter
    table_metrics: bool = False  # it tells of tables, too
    nodes: tuple[Node, ...] = ()

    @property
    def endpoint(self) -> Endpoint:
        """How to connect to the cluster, by its first business DC."""
        local_dc = self.topology.business_dcs[0].name
        return Endpoint(
            contact_points=tuple(node.address for node in self.nodes if node.dc == local_dc), local_dc=local_dc
        )


def up(
    topology: Topology,
    folder: Path,
    progress: Progress = lambda _: None,
    *,
    metrics: bool = False,
    table_metrics: bool = False,
) -> SupervisorState:
    """Start a cluster of `topology` in the background, or the one kept in `folder` again; return when it serves.

    metrics: its nodes have the JMX exporter, which tells of tables too with `table_metrics`. Raises HarnessError when it does not
    come up, already runs, or the folder's cluster has another topology.
    """
    folder = folder.absolute()
    if (folder / STATE_FILE).exists() and status(folder).is_running():
        raise HarnessError(
            f"the cluster in {folder} already runs; stop it with: meterstorm cluster down --out {shlex.quote(str(folder))}"
        )
    if ClusterRecord.exists(folder) and ClusterRecord.read(folder).topology != topology:
        raise HarnessError(f"{folder} holds a cluster of another topology; remove it or name another folder with --out")
    state = SupervisorState(
        phase=BackgroundPhase.STARTING, topology=topology, metrics=metrics, table_metrics=table_metrics
    )
    return cast(SupervisorState, background.start(state, __name__, folder, progress, DOWN_S_MAX))


def status(folder: Path) -> SupervisorState:
    """How the background cluster in `folder` stands. Raises HarnessError when there never was one."""
    return SupervisorState.status(folder.absolute())


def down(folder: Path, progress: Progress = lambda _: None) -> SupervisorState:
    """Stop the background cluster in `folder`: the nodes drain, their data stays. Does nothing when it does not run."""
    folder = folder.absolute()
    if not (folder / STATE_FILE).exists():
        raise HarnessError(f"{folder} holds no background cluster, so there is nothing to stop; --out names another")
    state = status(folder)
    if not state.is_running():
        return state
    progress(f"stopping {len(state.nodes)} nodes")
    background.end(state, folder, DOWN_S_MAX)
    return status(folder)


def _supervise(folder: Path) -> None:
    """The supervisor's life: start, hold, and on SIGTERM, or when a node dies, stop."""
    state = SupervisorState.read(folder).held_by_us(folder)
    try:
        if ClusterRecord.exists(folder):
            cluster = LocalCluster.restart(
                folder, background.say, metrics=state.metrics, table_metrics=state.table_metrics
            )
        else:
            cluster = LocalCluster.start(
                state.topology,
                folder,
                background.say,
                keep=True,
                metrics=state.metrics,
                table_metrics=state.table_metrics,
            )
        with cluster:
            state = state.model_copy(update={"phase": BackgroundPhase.SERVING, "nodes": cluster.nodes})
            state.write(folder)
            while True:
                time.sleep(NODE_CHECK_S)
                cluster.require_alive()
    except HarnessError as error:
        state.model_copy(update={"phase": BackgroundPhase.FAILED, "message": str(error), "nodes": ()}).write(folder)
    except SystemExit:
        state.model_copy(update={"phase": BackgroundPhase.STOPPED, "nodes": ()}).write(folder)


if __name__ == "__main__":
    _supervise(Path(sys.argv[1]))
