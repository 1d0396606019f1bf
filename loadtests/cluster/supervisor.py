"""A local cluster in the background: `meterstorm cluster up`, `status` and `down`.

`up` starts a detached supervisor, which alone holds the nodes: its death, of whatever kind, is theirs. Until the cluster
serves, the supervisor in turn hangs on `up` by a pipe, so an `up` that is interrupted or killed leaves nothing behind.
What both know is in `supervisor.json` of the cluster's folder.
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import NoReturn, Self

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from loadtests.cluster.connect import Endpoint
from loadtests.cluster.local import LocalCluster, Node
from loadtests.cluster.process import DRAIN_S_MAX, KILL_S_MAX
from loadtests.cluster.record import ClusterRecord
from loadtests.errors import HarnessError, how_it_ended, last_words
from scenarios.spec import Topology
from scenarios.texts.outside import UnreadableText, read_text, why_refused

STATE_FILE = "supervisor.json"
LOG_FILE = "supervisor.log"
POLL_S = 0.1
NODE_CHECK_S = 1.0
DOWN_S_MAX = DRAIN_S_MAX + KILL_S_MAX + 10.0

Progress = Callable[[str], None]


class ClusterPhase(StrEnum):
    """Where a background cluster stands."""

    STARTING = "starting"
    SERVING = "serving"
    STOPPED = "stopped"  # by `down`; its data is kept
    FAILED = "failed"  # did not come up, or a node died; `message` says why
    GONE = "gone"  # the supervisor was killed, and the nodes with it


class SupervisorState(BaseModel):
    """What `supervisor.json` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phase: ClusterPhase
    topology: Topology
    pid: int = 0
    started_at: float = 0.0  # of the process [s since the epoch], since a process id alone may have been used again
    nodes: tuple[Node, ...] = ()
    message: str = ""

    @classmethod
    def read(cls, folder: Path) -> Self:
        path = folder / STATE_FILE
        try:
            return cls.model_validate_json(read_text(path))
        except FileNotFoundError:
            raise HarnessError(
                f"{folder} holds no background cluster; start one with: meterstorm cluster up --out {shlex.quote(str(folder))}"
            ) from None
        except (OSError, UnreadableText, ValidationError) as error:
            raise HarnessError(
                f"{path} can't be read: {why_refused(error)}; remove it and start the cluster again"
            ) from error

    def write(self, folder: Path) -> None:
        draft = folder / f"{STATE_FILE}.draft"
        draft.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        draft.replace(folder / STATE_FILE)

    @property
    def endpoint(self) -> Endpoint:
        """How to connect to the cluster, by its first business DC."""
        local_dc = self.topology.business_dcs[0].name
        return Endpoint(
            contact_points=tuple(node.address for node in self.nodes if node.dc == local_dc), local_dc=local_dc
        )

    def is_running(self) -> bool:
        """Whether the supervisor process is there."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started_at) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, ValueError):
            return False


def up(topology: Topology, folder: Path, progress: Progress = lambda _: None) -> SupervisorState:
    """Start a cluster of `topology` in the background, or the one kept in `folder` again; return when it serves.

    Raises HarnessError when it does not come up, already runs, or the folder's cluster has another topology.
    """
    folder = folder.absolute()
    if (folder / STATE_FILE).exists() and status(folder).is_running():
        raise HarnessError(
            f"the cluster in {folder} already runs; stop it with: meterstorm cluster down --out {shlex.quote(str(folder))}"
        )
    if ClusterRecord.exists(folder) and ClusterRecord.read(folder).topology != topology:
        raise HarnessError(f"{folder} holds a cluster of another topology; remove it or name another folder with --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        SupervisorState(phase=ClusterPhase.STARTING, topology=topology).write(folder)
        log = (folder / LOG_FILE).open("wb")
    except OSError as error:
        raise HarnessError(f"folder {folder} can't be written: {error}; name another with --out") from error
    with log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "loadtests.cluster.supervisor", str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        state = _await_serving(supervisor, folder, progress)
        assert supervisor.stdin
        supervisor.stdin.write(b"go on alone\n")
        supervisor.stdin.close()
        return state
    except BaseException:
        supervisor.terminate()
        supervisor.wait(DOWN_S_MAX)
        raise


def status(folder: Path) -> SupervisorState:
    """How the background cluster in `folder` stands. Raises HarnessError when there never was one."""
    state = SupervisorState.read(folder.absolute())
    if state.phase in (ClusterPhase.STARTING, ClusterPhase.SERVING) and not state.is_running():
        return state.model_copy(
            update={"phase": ClusterPhase.GONE, "message": "the supervisor was killed, and its nodes with it"}
        )
    return state


def down(folder: Path, progress: Progress = lambda _: None) -> SupervisorState:
    """Stop the background cluster in `folder`: the nodes drain, their data stays. Does nothing when it does not run."""
    folder = folder.absolute()
    if not (folder / STATE_FILE).exists():
        raise HarnessError(f"{folder} holds no background cluster, so there is nothing to stop; --out names another")
    state = status(folder)
    if not state.is_running():
        return state
    progress(f"stopping {len(state.nodes)} nodes")
    os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_S_MAX
    while state.is_running():
        if time.monotonic() > deadline:
            raise HarnessError(
                f"the supervisor (process {state.pid}) does not end; see {folder / LOG_FILE}, then kill it"
            )
        time.sleep(POLL_S)
    return status(folder)


def _await_serving(supervisor: subprocess.Popen[bytes], folder: Path, progress: Progress) -> SupervisorState:
    """Pass the supervisor's words on to `progress` until the cluster serves."""
    with (folder / LOG_FILE).open(encoding="utf-8", errors="replace") as words:
        while True:
            ended = supervisor.poll() is not None
            for line in words:
                progress(line.rstrip())
            state = SupervisorState.read(folder)
            if state.phase is ClusterPhase.SERVING:
                return state
            if state.phase is ClusterPhase.FAILED:
                supervisor.wait(DOWN_S_MAX)
                raise HarnessError(state.message)
            if ended:
                last = last_words(folder / LOG_FILE)
                said = f", saying: {last}" if last else ""
                how = how_it_ended(supervisor.returncode)
                raise HarnessError(f"the supervisor ended ({how}){said}; see {folder / LOG_FILE}")
            time.sleep(POLL_S)


def _supervise(folder: Path) -> None:
    """The supervisor's life: start, hold, and on SIGTERM, or when a node dies, stop."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    me = psutil.Process()
    state = SupervisorState.read(folder).model_copy(update={"pid": me.pid, "started_at": me.create_time()})
    state.write(folder)
    threading.Thread(target=_leave_with_starter, daemon=True).start()
    try:
        if ClusterRecord.exists(folder):
            cluster = LocalCluster.restart(folder, _say)
        else:
            cluster = LocalCluster.start(state.topology, folder, _say, keep=True)
        with cluster:
            state = state.model_copy(update={"phase": ClusterPhase.SERVING, "nodes": cluster.nodes})
            state.write(folder)
            while True:
                time.sleep(NODE_CHECK_S)
                cluster.require_alive()
    except HarnessError as error:
        state.model_copy(update={"phase": ClusterPhase.FAILED, "message": str(error), "nodes": ()}).write(folder)
    except SystemExit:
        state.model_copy(update={"phase": ClusterPhase.STOPPED, "nodes": ()}).write(folder)


def _leave_with_starter() -> None:
    """Read what `up` says on the pipe; a pipe that ends without a word is an `up` that died."""
    if sys.stdin.buffer.readline() == b"":
        os.kill(os.getpid(), signal.SIGTERM)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit


def _say(words: str) -> None:
    print(words, flush=True)


if __name__ == "__main__":
    _supervise(Path(sys.argv[1]))
