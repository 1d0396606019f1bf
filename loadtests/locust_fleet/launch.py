"""The storm of `meterstorm run --workers`: Locust as a child process, watched by its record, beside the commands' gateway."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psutil

from loadtests import interrupts
from loadtests.cluster import die_with_parent as tether
from loadtests.cluster.connect import Endpoint
from loadtests.errors import HarnessError
from loadtests.faults.injection import FaultInjection
from loadtests.locust_fleet.record import StormRecord
from loadtests.metrics.instruments import Instruments
from loadtests.monitoring.live import Recent, cores_of
from loadtests.monitoring.node_sampling import NodeSampling
from loadtests.recording.history import HistoryWriter, NodeSample
from loadtests.recording.ledger import Ledger
from loadtests.recording.parts import add_up, add_up_left, has_sum, parts_in
from loadtests.recording.run_folder import RunFolder
from loadtests.storm.coordinator import Live, StormResult
from loadtests.storm.side_tasks import BesideStorm, histories_beside
from loadtests.workload.experiment import Experiment
from scenarios.passing_folder import PassingFolder

LOCUSTFILE = Path(__file__).parents[1] / "locustfile.py"
FOLDER_NAME = "locust"
NODES_NAME = "nodes"  # of the nodes' own part of the history
LOOK_EVERY_S = 0.3
STOP_S_MAX = 120.0
KILLED_S_MAX = 10.0  # until what was killed is gone
LOG_LINES = 3  # of Locust's log, in the sentence when it has died


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """Locust's workers: so many on this machine, or with `listen` (host, port) waited for from others; and customers.

    secret: what workers from elsewhere must know, see `loadtests.locust_fleet.secret`; those of this machine share one by
    themselves.
    """

    worker_count: int
    customer_count: int = 0
    listen: tuple[str, int] | None = None
    secret: str | None = field(default=None, repr=False)


def storm_under_locust(
    experiment: Experiment,
    folder: RunFolder,
    plan: FleetPlan,
    *,
    sample_nodes: Callable[[int], Sequence[NodeSample]],
    live: Callable[[Live], None],
    faults: FaultInjection | None = None,
    instruments: Instruments | None = None,
) -> StormResult:
    """As `loadtests.storm.coordinator.storm`, with the shards on Locust's workers; fills `history/` and `ledger/` of
    the run's `folder`, whose resolved scenario and profile the workers read.
    """
    with contextlib.ExitStack() as cleanup:
        secrets = PassingFolder("locust")
        cleanup.callback(secrets.remove)
        command = _command(plan, experiment.endpoint, folder, secrets.path)
        of_locust = _of_locust(folder)
        told = instruments or Instruments(experiment.scenario)
        nodes = HistoryWriter(of_locust.history / NODES_NAME, ())
        process = None
        try:
            with interrupts.held():  # no Locust is started that is not ended
                process = _start(command, folder)
            with BesideStorm(experiment, of_locust, faults, told, run_folder=folder) as beside:
                is_interrupted = _follow(process, beside, folder, sample_nodes, nodes, live, told, faults)
                commands, office, trouble = beside.commands(), beside.office(), beside.trouble
                analytics = beside.analytics()
        finally:
            if process is not None:
                _end(process)
            nodes.close()
            record = StormRecord.read(of_locust.path)
            _tell(told, record)
            _bring_together(folder, record)
    if record is None or not record.has_ended or record.trouble:
        raise HarnessError(_why(record, folder))
    return StormResult(
        scheduling=record.scheduling,
        cpu_s=record.cpu_s,
        cpu_share=record.cpu_share,
        blocked=record.blocked,
        stalls=record.stalls,
        stalled_share=record.stalled_share,
        stall_ms_max=record.stall_ms_max,
        network_errors=record.network_errors,
        down_at_start=record.down_at_start,
        wall_s=record.wall_s,
        shard_count=record.shard_count,
        is_interrupted=is_interrupted or record.is_interrupted,
        commands=commands,
        office=office,
        analytics=analytics,
        trouble=(*trouble, *(f"{lack}." for lack in record.lacks)),
    )


class WorkerProcess:
    """Implements `loadtests.faults.own_parts.SenderProcess` by a process that is not our own child."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process

    def kill(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            self._process.kill()

    def poll(self) -> int | None:
        """None while it runs. One that has ended, and that Locust has not asked after yet, does not run."""
        with contextlib.suppress(psutil.NoSuchProcess):
            if self._process.is_running() and self._process.status() != psutil.STATUS_ZOMBIE:
                return None
        return -signal.SIGKILL


def local_workers(group: int) -> list[WorkerProcess]:
    """Locust's workers of this machine, by their process ids. group: the id of its process group, which is its first process'.

    Locust forks them, so each has the command line of its parent.
    """
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in sorted(psutil.Process(group).children(recursive=True), key=lambda each: each.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                parent = one.parent()
                if parent is not None and one.cmdline() == parent.cmdline():
                    found.append(WorkerProcess(one))
    return found


def _descendants(pid: int) -> list[WorkerProcess]:
    """All processes that have come from one that runs; none of one that is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [WorkerProcess(one) for one in psutil.Process(pid).children(recursive=True)]
    return []


def _of_locust(folder: RunFolder) -> RunFolder:
    """The folder in a run's in which Locust records."""
    return RunFolder(folder.path / FOLDER_NAME)


def _command(plan: FleetPlan, endpoint: Endpoint, folder: RunFolder, secrets: Path) -> list[str]:
    users = plan.worker_count + plan.customer_count
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary", "-u", str(users)]
    command += ["--scenario", str(folder.scenario), "--stored-profile", str(folder.profile), "--tables-exist"]
    command += ["--contact-points", ",".join(endpoint.contact_points), "--port", str(endpoint.port)]
    command += ["--local-dc", endpoint.local_dc, "--out", str(_of_locust(folder).path)]
    if endpoint.username is not None:
        password = _private(secrets / "password", str(endpoint.password))
        command += ["--username", endpoint.username, "--password-file", str(password)]
    if plan.secret is not None:
        command += ["--secret-file", str(_private(secrets / "secret", plan.secret))]
    if endpoint.ca is not None:
        command += ["--ca", str(endpoint.ca)]
        command += ["--cert", str(endpoint.cert)] if endpoint.cert is not None else []
        command += ["--key", str(endpoint.key)] if endpoint.key is not None else []
        if endpoint.verify_hostname is not None:
            command += ["--verify-hostname", "yes" if endpoint.verify_hostname else "no"]
    command += ["--shards", str(plan.worker_count)]
    if plan.listen is not None:
        host, port = plan.listen
        command += ["--master", "--expect-workers", str(plan.worker_count), "--master-bind-host", host]
        return [*command, "--master-bind-port", str(port)]
    local_port = str(_free_port())
    command += ["--processes", str(plan.worker_count), "--master-bind-host", "127.0.0.1"]
    return [*command, "--master-bind-port", local_port, "--master-port", local_port]


def _private(path: Path, text: str) -> Path:
    """Write a line for this user's eyes alone, and nobody's command line."""
    path.touch(mode=0o600)
    path.write_text(f"{text}\n", encoding="utf-8")
    return path


def _start(command: list[str], folder: RunFolder) -> "subprocess.Popen[bytes]":
    folder.logs.mkdir(exist_ok=True)
    tied = [sys.executable, str(tether.__file__), str(os.getpid()), *command]
    with (folder.logs / "locust.log").open("ab") as log_file:
        return subprocess.Popen(
            tied,
            stdin=subprocess.PIPE,  # whose end the tether hears where the kernel does not tell it of our death
            stdout=log_file,
            stderr=log_file,
            start_new_session=True,  # Ctrl-C is ours to hear, and passed on to all of them at once
        )


def _follow(
    process: "subprocess.Popen[bytes]",
    beside: BesideStorm,
    folder: RunFolder,
    sample_nodes: Callable[[int], Sequence[NodeSample]],
    nodes: HistoryWriter,
    live: Callable[[Live], None],
    told: Instruments,
    faults: FaultInjection | None,
) -> bool:
    """Until Locust has ended; whether Ctrl-C has ended it. Before the start Ctrl-C is passed on: there is nothing to judge."""
    record = _await_start(process, folder)
    if record is None or record.zero_ns is None:
        return False
    if faults is not None:
        faults.parts.have_senders(local_workers(process.pid))
    beside.start(record.zero_ns)
    try:
        node_cores: tuple[tuple[str, float], ...] = ()

        def heard(samples: Sequence[NodeSample]) -> None:
            nonlocal node_cores
            node_cores = cores_of(samples)

        with NodeSampling(sample_nodes, nodes, record.zero_ns, heard):
            while process.poll() is None:
                time.sleep(LOOK_EVERY_S)
                record = StormRecord.read(_of_locust(folder).path) or record
                _tell(told, record)
                live(_live(record, node_cores))
            beside.wait()
    except KeyboardInterrupt:
        beside.stop()
        if process.poll() is None:  # else it has ended, and what goes on beside it alone was interrupted
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S_MAX)
        return True
    return False


def _tell(told: Instruments, record: StormRecord | None) -> None:
    if record is not None and record.totals is not None:
        told.senders.become(record.totals)
        told.in_flight, told.queued = _under_way(record), None


def _under_way(record: StormRecord) -> int:
    """Operations that fell due and are not over."""
    return record.offered - record.ok - record.failed - record.indeterminate


def _await_start(process: "subprocess.Popen[bytes]", folder: RunFolder) -> StormRecord | None:
    """The record once the storm's zero stands in it, or None when Locust ended before: it limits the wait itself."""
    while process.poll() is None:
        record = StormRecord.read(_of_locust(folder).path)
        if record is not None and record.zero_ns is not None:
            return record
        time.sleep(LOOK_EVERY_S)
    return None


def _live(record: StormRecord, node_cores: tuple[tuple[str, float], ...]) -> Live:
    return Live(
        elapsed_s=(time.monotonic_ns() - (record.zero_ns or 0)) / 1e9,
        offered=record.offered,
        ok=record.ok,
        failed=record.failed,
        indeterminate=record.indeterminate,
        in_flight=_under_way(record),
        unsent=None,
        recent=Recent(seconds=record.seconds, node_cores=node_cores),
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """See that nothing of Locust's is left, whatever has happened."""
    left = _descendants(process.pid)  # once its first process has ended nobody can tell which they were
    try:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S_MAX)
    finally:  # also after a second Ctrl-C
        left += _descendants(process.pid)  # what has been started since
        with contextlib.suppress(ProcessLookupError):  # its workers are of its group, and may have outlived it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + KILLED_S_MAX
        # Its workers are no children of ours, and a kill takes effect when the kernel comes to it.
        while any(one.poll() is None for one in left) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.stdin is not None
        process.stdin.close()


def _bring_together(folder: RunFolder, record: StormRecord | None) -> None:
    """What Locust recorded, what the nodes did and what the gateway asked become one history; the ledger is the run's."""
    of_locust = _of_locust(folder)
    history = of_locust.history
    if record is None or record.zero_ns is None:
        shutil.rmtree(of_locust.path)  # nothing was sent
        return
    whole = [history] if has_sum(history) else []
    add_up([*whole, history / NODES_NAME, *histories_beside(history)], folder.history)
    if of_locust.ledger.exists():
        shutil.move(of_locust.ledger, folder.ledger)


def bring_together_left(folder: RunFolder, ended: datetime, *, has_whole_ledger: bool) -> None:
    """Bring together what is on the disk of a run that died with its Locust. ended: when it did.

    has_whole_ledger: False where workers may have kept ledgers of their own, which went with them.
    """
    of_locust = _of_locust(folder)
    history = of_locust.history
    beside = {history / NODES_NAME, *histories_beside(history)}
    add_up_left([part for part in parts_in(history) if part not in beside], history, ended)
    if has_sum(history) or has_sum(folder.history):
        add_up_left([history, *parts_in(history)], folder.history, ended)
    if has_sum(folder.history) and of_locust.ledger.exists():
        if not has_whole_ledger:
            Ledger.open(of_locust.ledger, is_writable=True).distrust()
        shutil.move(of_locust.ledger, folder.ledger)


def _why(record: StormRecord | None, folder: RunFolder) -> str:
    if record is not None and record.trouble:
        return record.trouble[0]
    path = folder.logs / "locust.log"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
    return f"Locust ended before the storm did ({' / '.join(lines)}); see {path}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
