"""The storm: shards as tethered child processes, started together, watched, and their histories written as they come."""

import contextlib
import logging
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from loadtests.back_office import BackOfficeResult, run_back_office
from loadtests.cluster.connect import Endpoint
from loadtests.command_gateway import GatewayResult, run_gateway
from loadtests.errors import HarnessError
from loadtests.history import ErrorCount, HistoryWriter, NodeSample, merge_histories
from loadtests.ledger import Ledger
from loadtests.measured_statements import RequestLog
from loadtests.shard_messages import Done, Ready, Second, ShardPlan, Start, Stop, Trouble
from loadtests.shard_process import dense, new_live_counts, start_shard
from loadtests.wire.recorder import LiveField
from loadtests.workload import operations_of
from scenarios.spec import Scenario
from sim.estate import EstateModel
from store.ports import StoreError

log = logging.getLogger(__name__)

READY_S_MAX = 240.0  # beyond the warming of the nodes: the first run on a machine compiles the kernels
START_DELAY_S = 0.5  # from the last Ready to the storm's zero: every shard has time to hear of it
SAMPLE_EVERY_S = 1.0
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
    commands: GatewayResult | None  # None: the scenario has no campaigns, or the gateway could not go on
    office: BackOfficeResult | None  # None: the scenario has none, or it could not go on
    trouble: tuple[str, ...] = ()  # sentences


def storm(
    scenario: Scenario,
    *,
    estate: EstateModel,
    schema: str,
    endpoint: Endpoint,
    run_folder: Path,
    shard_count: int,
    sample_nodes: Callable[[int], Sequence[NodeSample]],
    live: Callable[[Live], None],
) -> StormResult:
    """Send the scenario's whole trace and write `history/` and `ledger/` of the run folder.

    sample_nodes: asked once a second, with that second, for samples of the nodes. live: told a few times a second.
    Ctrl-C stops the shards, drains, and returns with `is_interrupted`. Raises HarnessError when a shard can't go on;
    what was recorded until then stays.
    """
    with _Shards(scenario, run_folder, shard_count) as shards:
        try:
            shards.launch(estate, schema, endpoint)
            history = run_folder / "history"

            def carry_out(bench: _Bench) -> GatewayResult:
                return run_gateway(
                    scenario,
                    estate,
                    endpoint,
                    schema=schema,
                    zero_ns=bench.zero_ns,
                    log=bench.log,
                    stop=bench.stop,
                )

            def keep_office(bench: _Bench) -> BackOfficeResult:
                return run_back_office(
                    scenario,
                    estate,
                    endpoint,
                    schema=schema,
                    ledger=Ledger.open(run_folder / "ledger"),
                    zero_ns=bench.zero_ns,
                    log=bench.log,
                    over=bench.over,
                    stop=bench.stop,
                )

            with (
                _Beside("commands' gateway", carry_out if scenario.campaigns else None, history / "gateway") as gateway,
                _Beside("back office", keep_office if scenario.run.back_office else None, history / "office") as office,
            ):
                return shards.run(gateway, office, sample_nodes, live)
        finally:
            shards.write_history()


class _Shards:
    """The child processes, one connection each, and the writers of what they report."""

    def __init__(self, scenario: Scenario, run_folder: Path, shard_count: int) -> None:
        self._folder = run_folder
        self._scenario = scenario
        self._processes: list[subprocess.Popen[bytes]] = []
        self._connections: list[Connection] = []
        self._lives: list[NDArray[np.int64]] = []
        self._done: dict[int, Done] = {}
        self._parts = [run_folder / "history" / f"shard-{shard}" for shard in range(shard_count)]
        self._writers = [HistoryWriter(part, operations_of(scenario)) for part in self._parts]
        self._nodes = HistoryWriter(run_folder / "history" / "nodes", ())
        self._zero_ns = 0

    def launch(self, estate: EstateModel, schema: str, endpoint: Endpoint) -> None:
        """Start every shard's process and give it its plan."""
        (self._folder / "logs").mkdir(exist_ok=True)
        for shard in range(len(self._parts)):
            live_path = self._folder / "logs" / f"shard-{shard}.live"
            self._lives.append(new_live_counts(live_path))
            plan = ShardPlan(
                scenario=self._scenario,
                estate=estate,
                schema=schema,
                endpoint=endpoint,
                shard=shard,
                shard_count=len(self._parts),
                ledger_folder=self._folder / "ledger",
                live_path=live_path,
            )
            self._launch(plan)

    def _launch(self, plan: ShardPlan) -> None:
        process, connection = start_shard(self._folder / "logs" / f"shard-{plan.shard}.log")
        self._processes.append(process)
        self._connections.append(connection)
        connection.send(plan)

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
        for path in (self._folder / "logs").glob("shard-*.live"):
            path.unlink()

    def run(
        self,
        gateway: "_Beside[GatewayResult]",
        office: "_Beside[BackOfficeResult]",
        sample_nodes: Callable[[int], Sequence[NodeSample]],
        live: Callable[[Live], None],
    ) -> StormResult:
        self._await_ready()
        self._zero_ns = time.monotonic_ns() + int(START_DELAY_S * 1e9)
        self._tell(Start(at_monotonic_ns=self._zero_ns))
        gateway.start(self._zero_ns)
        office.start(self._zero_ns)
        is_interrupted = False
        with _NodeSampling(sample_nodes, self._nodes, self._zero_ns):
            try:
                self._watch(live)
                gateway.wait()
                office.wait()
            except KeyboardInterrupt:
                is_interrupted = True
                gateway.stop()
                office.stop()
                self._tell(Stop())
                self._watch(live, limit_s=STOP_S_MAX + self._scenario.run.operation_timeout_s)
        reports = [done.report for done in self._done.values()]
        return StormResult(
            scheduling=", ".join(sorted({report.scheduling for report in reports})),
            cpu_s=sum(done.cpu_s for done in self._done.values()),
            cpu_share=max((report.cpu_s / max(report.wall_s, 1e-9) for report in reports), default=0.0),
            blocked=sum(report.blocked for report in reports),
            wall_s=max((report.wall_s for report in reports), default=0.0),
            shard_count=len(self._processes),
            is_interrupted=is_interrupted,
            commands=gateway.result(),
            office=office.result(),
            trouble=gateway.trouble + office.trouble,
        )

    def write_history(self) -> None:
        """Close the parts and add them up into one history."""
        for writer in (*self._writers, self._nodes):
            writer.close()
        beside = [self._folder / "history" / name for name in ("gateway", "office")]
        parts = [*self._parts, self._nodes.folder, *(one for one in beside if one.exists())]
        merge_histories(parts, self._folder / "history")
        for part in parts:
            shutil.rmtree(part)

    def _await_ready(self) -> None:
        limit_s = READY_S_MAX + self._scenario.run.warm_nodes_s
        deadline = time.monotonic() + limit_s
        waiting = list(self._connections)
        while waiting:
            heard = wait(waiting, timeout=max(deadline - time.monotonic(), 0))
            if not heard:
                raise HarnessError(f"a sender was not ready within {limit_s:g} s; see {self._folder / 'logs'}")
            for connection in heard:
                assert isinstance(connection, Connection)
                message = self._receive(connection)
                if not isinstance(message, Ready):
                    raise HarnessError(f"a sender said {message} instead of being ready; see {self._folder / 'logs'}")
                waiting.remove(connection)

    def _watch(self, live: Callable[[Live], None], limit_s: float | None = None) -> None:
        """Take what the shards report until all are done."""
        started = time.monotonic()
        while len(self._done) < len(self._processes):
            if limit_s is not None and time.monotonic() - started > limit_s:
                raise HarnessError(f"a sender did not stop within {limit_s:g} s; see {self._folder / 'logs'}")
            at_work = [each for shard, each in enumerate(self._connections) if shard not in self._done]
            heard = wait(at_work, timeout=0.2)
            with _no_interrupt():  # a message is taken whole or not at all
                for connection in heard:
                    assert isinstance(connection, Connection)
                    self._take(self._connections.index(connection), self._receive(connection))
            live(self._live((time.monotonic_ns() - self._zero_ns) / 1e9))

    def _receive(self, connection: Connection) -> object:
        try:
            message = connection.recv()
        except (EOFError, ConnectionError):
            shard = self._connections.index(connection)
            code = self._processes[shard].wait()
            raise HarnessError(
                f"sender {shard} ended with status {code} before the trace did; see {self._folder / 'logs'}"
            ) from None
        if isinstance(message, Trouble):
            raise HarnessError(message.message)
        return message

    def _take(self, shard: int, message: object) -> None:
        match message:
            case Second():
                self._writers[shard].write_second(
                    message.second,
                    message.counts,
                    {name: dense(*sparse) for name, sparse in message.response.items()},
                    {name: dense(*sparse) for name, sparse in message.service.items()},
                    dense(*message.lateness),
                )
            case Done():
                self._done[shard] = message
                self._writers[shard].write_errors(
                    ErrorCount(operation=error.operation, outcome=error.outcome, kind=error.kind, count=error.count)
                    for error in message.report.errors
                    if error.outcome is not None  # of whole operations; single attempts that were retried are not
                )
            case _:
                raise HarnessError(f"a sender said {message!r}, which nobody asked for")

    def _tell(self, message: object) -> None:
        for shard, connection in enumerate(self._connections):
            if shard not in self._done:
                with contextlib.suppress(BrokenPipeError):  # it has ended, and what it said last is still to be heard
                    connection.send(message)

    def _live(self, elapsed_s: float) -> Live:
        totals = np.sum(self._lives, axis=0)
        return Live(
            elapsed_s=elapsed_s,
            offered=int(totals[LiveField.OFFERED]),
            ok=int(totals[LiveField.OK]),
            failed=int(totals[LiveField.FAILED]),
            indeterminate=int(totals[LiveField.INDETERMINATE]),
            in_flight=int(totals[LiveField.IN_FLIGHT]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench:
    """What work beside the shards is given."""

    zero_ns: int  # the storm's start [monotonic]
    log: RequestLog
    over: threading.Event  # the shards are done
    stop: threading.Event  # leave what is open; `over` is set with it


Outcome = TypeVar("Outcome")


class _Beside(Generic[Outcome]):
    """Work in a thread beside the shards, with a history of its own; without `work` there is none."""

    def __init__(self, name: str, work: Callable[[_Bench], Outcome] | None, history: Path) -> None:
        self._name, self._work, self._history = name, work, history
        self._bench = _Bench(zero_ns=0, log=RequestLog(), over=threading.Event(), stop=threading.Event())
        self._thread: threading.Thread | None = None
        self._result: Outcome | None = None
        self._error: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if self._thread is not None:
            self._thread.join()
            self._bench.log.write(self._history, self._bench.zero_ns)

    def start(self, zero_ns: int) -> None:
        """Begin; `zero_ns` is the storm's start [monotonic]."""
        if self._work is None:
            return
        self._bench = replace(self._bench, zero_ns=zero_ns)
        self._thread = threading.Thread(target=self._run, args=(self._work,), name=self._name, daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """The shards are done: until this is, too."""
        self._bench.over.set()
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.2)  # in short: Ctrl-C is heard between
        if self._error is not None and not isinstance(self._error, HarnessError | StoreError):
            raise self._error  # a fault of ours, which a thread must not keep to itself

    def stop(self) -> None:
        self._bench.stop.set()
        self._bench.over.set()

    def result(self) -> Outcome | None:
        """What came of it, when it is known."""
        if self._thread is not None:
            self._thread.join(STOP_S_MAX)
        return self._result

    @property
    def trouble(self) -> tuple[str, ...]:
        """Why it could not go on, if so; what the shards sent is recorded and audited all the same."""
        return () if self._error is None else (f"The {self._name} could not go on: {self._error}.",)

    def _run(self, work: Callable[[_Bench], Outcome]) -> None:
        try:
            self._result = work(self._bench)
        except Exception as error:
            self._error = error


class _NodeSampling:
    """Samples of the nodes, once a second in a thread of its own: a node that answers late must not hold up the history."""

    def __init__(self, sample: Callable[[int], Sequence[NodeSample]], writer: HistoryWriter, zero_ns: int) -> None:
        self._sample = sample
        self._writer = writer
        self._zero_ns = zero_ns
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="node-sampling", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            elapsed_s = (time.monotonic_ns() - self._zero_ns) / 1e9
            if self._over.wait(SAMPLE_EVERY_S - elapsed_s % SAMPLE_EVERY_S):
                return
            second = int((time.monotonic_ns() - self._zero_ns) / 1e9)
            if second >= 0:
                self._writer.write_nodes(self._sample(second))


@contextlib.contextmanager
def _no_interrupt() -> Iterator[None]:
    """Keep Ctrl-C and SIGTERM waiting while the block runs, where signals can be kept waiting."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
