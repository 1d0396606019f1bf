"""The storm: shards as tethered child processes, started together, watched, and their histories written as they come."""

import contextlib
import logging
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from loadtests import interrupts
from loadtests.backend.back_office import BackOfficeResult
from loadtests.backend.command_gateway import GatewayResult
from loadtests.errors import HarnessError, how_it_ended, last_words
from loadtests.faults.injection import FaultInjection
from loadtests.metrics.instruments import Instruments
from loadtests.monitoring.live import Recent, RecentSeconds
from loadtests.monitoring.node_sampling import NodeSampling
from loadtests.recording.history import ErrorCount, HistoryWriter, NodeSample, wall_s_of
from loadtests.recording.parts import add_up
from loadtests.recording.run_folder import RunFolder
from loadtests.recording.seconds import Second, dense_of
from loadtests.sender.failover import HomesMoved
from loadtests.sender.recorder import LiveField
from loadtests.storm.analytics import AnalyticsRound
from loadtests.storm.messages import Ready, ShardPlan, ShardReport, Start, Stop, Trouble
from loadtests.storm.shard_process import new_live_counts, start_shard
from loadtests.storm.side_tasks import BesideStorm, histories_beside
from loadtests.workload.experiment import Experiment
from scenarios.operations import operations_of

log = logging.getLogger(__name__)

# Beyond the warming of the nodes: the first run on a machine compiles the kernels, which took two shards more than 240 s
# on 2 cores at a load of 13 (2026-11-28). A shard that dies is told at once; this bounds one that hangs.
READY_S_MAX = 900.0
START_DELAY_S = 0.5  # from the last Ready to the storm's zero: every shard has time to hear of it
STOP_S_MAX = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """How far the storm is, summed over its shards."""

    elapsed_s: float
    offered: int
    ok: int
    failed: int
    indeterminate: int
    in_flight: int
    unsent: int | None = 0  # fell due, and wait to be sent; None: they are among those in flight
    recent: Recent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StormResult:
    """How the generator did, worst of its shards where a share is meant."""

    scheduling: str
    cpu_s: float
    cpu_share: float
    blocked: int
    wall_s: float
    shard_count: int
    is_interrupted: bool
    stalls: int  # ticks that the senders were kept from for more than 10 ms
    stalled_share: float  # of the run's time, by the sender that was kept longest
    stall_ms_max: float
    network_errors: int  # attempts whose connection was lost, or that found none
    commands: GatewayResult | None  # None: the scenario has no campaigns, or the gateway could not go on
    office: BackOfficeResult | None  # None: the scenario has none, or it could not go on
    analytics: tuple[AnalyticsRound, ...] = ()
    trouble: tuple[str, ...] = ()  # sentences
    killed_senders: int = 0  # by faults of the scenario
    down_at_start: tuple[str, ...] = ()  # nodes (host:port) that a sender found down, and went without
    homes_moved: tuple[tuple[int, HomesMoved], ...] = ()  # with the sender, from 1
    speculated: int | None = None  # reads that were asked of a second replica as well; None: not known
    speculation_won: int | None = None  # of these, answered by it first


def storm(
    experiment: Experiment,
    folder: RunFolder,
    *,
    shard_count: int,
    sample_nodes: Callable[[int], Sequence[NodeSample]],
    live: Callable[[Live], None],
    faults: FaultInjection | None = None,
    instruments: Instruments | None = None,
) -> StormResult:
    """Send the scenario's whole trace and write `history/` and `ledger/` of the run's `folder`.

    sample_nodes: asked once a second, with that second, for samples of the nodes. live: told a few times a second.
    faults: made while it goes on, and healed before it returns. instruments: are told what goes on.
    Ctrl-C stops the shards, drains, and returns with `is_interrupted`. Raises HarnessError when a shard can't go on;
    what was recorded until then stays.
    """
    told = instruments or Instruments(experiment.scenario)
    with _Shards(experiment, folder, shard_count, told) as shards:
        try:
            shards.launch()
            if faults is not None:
                shards.are_befallen_by(faults)
            with BesideStorm(experiment, folder, faults, told) as beside:
                return shards.run(beside, sample_nodes, live)
        finally:
            shards.write_history()


class _SenderEnded(HarnessError):
    """A sender is gone before its trace was."""


class _Shards:
    """The child processes, one connection each, and the writers of what they report."""

    def __init__(self, experiment: Experiment, folder: RunFolder, shard_count: int, told: Instruments) -> None:
        self._folder = folder
        self._told = told
        self._experiment = experiment
        self._processes: list[subprocess.Popen[bytes]] = []
        self._connections: list[Connection] = []
        self._lives: list[NDArray[np.int64]] = []
        self._done: dict[int, ShardReport] = {}
        self._killed: dict[int, str] = {}  # by faults: what is said of each
        self._was_killed: Callable[[int], bool] = lambda _: False
        self._parts = [folder.history / f"shard-{shard}" for shard in range(shard_count)]
        self._writers = [HistoryWriter(part, operations_of(experiment.scenario)) for part in self._parts]
        self._nodes = HistoryWriter(folder.history / "nodes", ())
        self._zero_ns = 0
        self._recent = RecentSeconds(shard_count)

    def launch(self) -> None:
        """Start every shard's process and give it its plan."""
        self._folder.logs.mkdir(exist_ok=True)
        for shard in range(len(self._parts)):
            live_path = self._folder.logs / f"shard-{shard}.live"
            self._lives.append(new_live_counts(live_path))
            plan = ShardPlan(
                experiment=self._experiment,
                shard=shard,
                shard_count=len(self._parts),
                ledger_folder=self._folder.ledger,
                live_path=live_path,
            )
            self._launch(plan)

    def are_befallen_by(self, faults: FaultInjection) -> None:
        """Let faults of the scenario kill senders: that ends no storm, but is told of it."""
        faults.parts.have_senders(self._processes)
        self._was_killed = faults.parts.was_killed

    def _launch(self, plan: ShardPlan) -> None:
        process, connection = start_shard(self._folder.logs / f"shard-{plan.shard}.log")
        self._processes.append(process)
        self._connections.append(connection)
        try:
            connection.send(plan)
        except ConnectionError:
            raise self._ended(plan.shard) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            try:
                process.wait(timeout=2.0 if kind is None else 0.2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for path in self._folder.logs.glob("shard-*.live"):
            path.unlink()

    def run(
        self, beside: BesideStorm, sample_nodes: Callable[[int], Sequence[NodeSample]], live: Callable[[Live], None]
    ) -> StormResult:
        self._await_ready()
        self._zero_ns = time.monotonic_ns() + int(START_DELAY_S * 1e9)
        for writer in self._writers:
            writer.started_at_s = wall_s_of(self._zero_ns)
        self._tell(Start(at_monotonic_ns=self._zero_ns))
        beside.start(self._zero_ns)
        is_interrupted = False
        with NodeSampling(sample_nodes, self._nodes, self._zero_ns, self._recent.sample):
            try:
                self._watch(live)
                beside.wait()
            except KeyboardInterrupt:
                is_interrupted = True
                beside.stop()
                self._tell(Stop())
                self._watch(live, limit_s=STOP_S_MAX + self._experiment.scenario.run.operation_timeout_s)
        reports = [done.report for done in self._done.values()]
        return StormResult(
            scheduling=", ".join(sorted({report.scheduling for report in reports})) or "not known",  # all are killed
            cpu_s=sum(done.cpu_s for done in self._done.values()),
            cpu_share=max((report.cpu_s / max(report.wall_s, 1e-9) for report in reports), default=0.0),
            blocked=sum(report.blocked for report in reports),
            wall_s=max((report.wall_s for report in reports), default=0.0),
            shard_count=len(self._processes),
            is_interrupted=is_interrupted,
            stalls=sum(report.stalls for report in reports),
            stalled_share=max((report.stalled_s / max(report.wall_s, 1e-9) for report in reports), default=0.0),
            stall_ms_max=max((report.stall_ms_max for report in reports), default=0.0),
            network_errors=sum(report.network_errors for report in reports),
            down_at_start=tuple(sorted({node for report in reports for node in report.down_at_start})),
            homes_moved=tuple(
                (shard + 1, move) for shard, done in sorted(self._done.items()) for move in done.report.homes_moved
            ),
            speculated=sum(report.speculated for report in reports),
            speculation_won=sum(report.speculation_won for report in reports),
            commands=beside.commands(),
            office=beside.office(),
            analytics=beside.analytics(),
            killed_senders=len(self._killed),
            trouble=(*beside.trouble, *self._killed.values()),
        )

    def write_history(self) -> None:
        """Close the parts and add them up into one history."""
        for writer in (*self._writers, self._nodes):
            writer.close()
        parts = [*self._parts, self._nodes.folder, *histories_beside(self._folder.history)]
        add_up(parts, self._folder.history)

    def _await_ready(self) -> None:
        limit_s = READY_S_MAX + self._experiment.scenario.run.warm_nodes_s
        deadline = time.monotonic() + limit_s
        waiting = list(self._connections)
        while waiting:
            heard = wait(waiting, timeout=max(deadline - time.monotonic(), 0))
            if not heard:
                raise HarnessError(f"a sender was not ready within {limit_s:g} s; see {self._folder.logs}")
            for connection in heard:
                assert isinstance(connection, Connection)
                message = self._receive(connection)
                if not isinstance(message, Ready):
                    raise HarnessError(f"a sender said {message} instead of being ready; see {self._folder.logs}")
                waiting.remove(connection)

    def _watch(self, live: Callable[[Live], None], limit_s: float | None = None) -> None:
        """Take what the shards report until all are done."""
        started = time.monotonic()
        while len(self._done) + len(self._killed) < len(self._processes):
            if limit_s is not None and time.monotonic() - started > limit_s:
                raise HarnessError(f"a sender did not stop within {limit_s:g} s; see {self._folder.logs}")
            at_work = [each for shard, each in enumerate(self._connections) if self._is_at_work(shard)]
            heard = wait(at_work, timeout=0.2)
            with interrupts.held():  # a message is taken whole or not at all
                for connection in heard:
                    assert isinstance(connection, Connection)
                    shard = self._connections.index(connection)
                    try:
                        message = self._receive(connection)
                    except _SenderEnded as ended:
                        if not self._was_killed(shard):
                            raise
                        self._killed[shard] = (
                            f"A fault of the scenario killed sender {shard + 1}: what it had still to send was not sent, "
                            "and what was under way is in doubt."
                        )
                        log.warning("a fault killed a sender: %s", ended)
                    else:
                        self._take(shard, message)
            live(self._live((time.monotonic_ns() - self._zero_ns) / 1e9))

    def _is_at_work(self, shard: int) -> bool:
        return shard not in self._done and shard not in self._killed

    def _receive(self, connection: Connection) -> object:
        try:
            message = connection.recv()
        except (EOFError, ConnectionError):
            raise self._ended(self._connections.index(connection)) from None
        if isinstance(message, Trouble):
            raise HarnessError(message.message)
        return message

    def _ended(self, shard: int) -> "_SenderEnded":
        """What to say of a sender that is gone, in its own words: the system's are that a pipe is broken."""
        how = how_it_ended(self._processes[shard].wait())
        log_path = self._folder.logs / f"shard-{shard}.log"
        words = last_words(log_path)
        said = f", saying: {words}" if words else ""
        return _SenderEnded(f"sender {shard} ended ({how}) before the trace did{said}; see {log_path}")

    def _take(self, shard: int, message: object) -> None:
        match message:
            case Second():
                self._told.senders.add_second(message)
                self._recent.add(message)
                self._writers[shard].write_second(
                    message.second,
                    message.counts,
                    {name: dense_of(sparse) for name, sparse in message.response.items()},
                    {name: dense_of(sparse) for name, sparse in message.service.items()},
                    dense_of(message.lateness),
                    message.by_dc,
                    {name: dense_of(sparse) for name, sparse in message.earliest.items()},
                )
            case ShardReport():
                self._done[shard] = message
                errors = [
                    ErrorCount(operation=error.operation, outcome=error.outcome, kind=error.kind, count=error.count)
                    for error in message.report.errors
                    if error.outcome is not None  # of whole operations; single attempts that were retried are not
                ]
                self._writers[shard].write_errors(errors)
                self._told.senders.add_errors(errors)
            case _:
                raise HarnessError(f"a sender said {message!r}, which nobody asked for")

    def _tell(self, message: object) -> None:
        for shard, connection in enumerate(self._connections):
            if self._is_at_work(shard):
                with contextlib.suppress(BrokenPipeError):  # it has ended, and what it said last is still to be heard
                    connection.send(message)

    def _live(self, elapsed_s: float) -> Live:
        totals = np.sum(self._lives, axis=0)
        self._told.in_flight = int(totals[LiveField.IN_FLIGHT])
        self._told.queued = int(totals[LiveField.OFFERED] - totals[LiveField.ATTEMPTED])
        return Live(
            elapsed_s=elapsed_s,
            offered=int(totals[LiveField.OFFERED]),
            ok=int(totals[LiveField.OK]),
            failed=int(totals[LiveField.FAILED]),
            indeterminate=int(totals[LiveField.INDETERMINATE]),
            in_flight=self._told.in_flight,
            unsent=self._told.queued,
            recent=self._recent.recent(),
        )
