"""The Locust master's side of the fleet: gives shards out, names the start, records, and watches that no worker is lost.

With Locust's local runner master and worker are one process, and their messages are plain calls.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import gevent
import numpy as np
from gevent.event import Event
from locust.runners import STATE_MISSING, STATE_RUNNING, STATE_SPAWNING

from loadtests import interrupts
from loadtests.errors import HarnessError
from loadtests.locust_fleet.customers import CUSTOMER_OPERATIONS
from loadtests.locust_fleet.messages import (
    TO_WORKER,
    Begin,
    Claim,
    CustomersTrouble,
    Given,
    Halt,
    Halted,
    Hello,
    LedgerPart,
    MeasuredSecond,
    Message,
    MessageError,
    ShardDone,
    ShardReady,
    ShardTrouble,
    Welcome,
    WorkerRefused,
    packed,
    unpacked,
    unpacked_done,
    unpacked_second,
)
from loadtests.locust_fleet.options import FleetOptions, boot_id, own_version
from loadtests.locust_fleet.record import RunRecord, StormRecord
from loadtests.locust_fleet.roster import Roster
from loadtests.locust_fleet.runners import FleetMasterRunner
from loadtests.locust_fleet.tables import add_second
from loadtests.metrics.instruments import Instruments
from loadtests.monitoring.live import RecentSeconds
from loadtests.recording.dated_folder import make_folder
from loadtests.recording.ledger import Ledger
from loadtests.recording.run_folder import RunFolder
from loadtests.storm.coordinator import READY_S_MAX
from loadtests.storm.messages import ShardReport
from loadtests.workload.operations import planes_of
from scenarios.operations import operations_of
from sim.estate.model import EstateModel

log = logging.getLogger(__name__)

START_DELAY_S = 1.0  # from the last shard that was ready to the storm's zero: every worker has time to hear of it
WATCH_EVERY_S = 0.5
# What the start waits for: on a machine's first run the shards compile their kernels for a minute or two.
TELL_EVERY_S = 10.0
HALT_S_MAX = 45.0  # beyond the scenario's own time-out of an operation
AHEAD_S_MAX = 30  # by which a worker's second may be ahead of the master's clock, which is known to half a round trip
WORKERS_MAX = 1_000

EXIT_WHOLE, EXIT_USAGE, EXIT_TROUBLE, EXIT_INCONCLUSIVE = 0, 2, 3, 4


class FleetMaster:
    """One run. `over` is told when it has ended by itself: in a greenlet of its own, since Locust's must go on hearing."""

    def __init__(
        self,
        environment: Any,
        options: FleetOptions,
        estate: EstateModel,
        *,
        has_fleet: bool,
        over: Callable[[], None],
    ) -> None:
        self.options = options
        self._environment = environment
        self._over = over
        self._digest = options.digest(estate)
        self._roster = Roster(options.shard_count) if has_fleet else None
        self._shard_operations = tuple(str(operation) for operation in operations_of(options.scenario))
        self._estate = estate
        self.out = options.out or make_folder("locust").absolute()
        try:
            ledger = Ledger.create(
                RunFolder(self.out).ledger, planes_of(options.scenario), estate.meter_count, estate.slot_count
            )
        except HarnessError:
            with contextlib.suppress(OSError):  # not empty
                self.out.rmdir()
            raise
        self._record = RunRecord(self.out, ledger, Instruments(options.scenario).senders)
        self._boots: dict[str, str] = {}  # of the workers that are welcome
        self._numbers: dict[str, int] = {}  # of the workers that were ever welcome: names of ours for their files
        self._misheard: set[str] = set()
        self._halted: set[str] = set()
        self._without_customers: set[str] = set()  # workers that could serve none
        self._done: dict[int, ShardReport] = {}
        self._far: set[int] = set()  # shards with a ledger of their own
        self._trouble: list[str] = []
        self._lacks: list[str] = []
        self._recent = RecentSeconds(1)
        self._zero_ns: int | None = None
        self._zero_epoch_s = 0.0
        self._started_s: float | None = None
        self._told_s = 0.0  # after the start, when it was last told what it waits for
        self._is_finishing = False
        self.is_finished = Event()
        self.is_interrupted = False

    # --- the workers' word --------------------------------------------------------------------------------------------

    def listen(self, worker: str, data: object) -> None:
        """Take what a peer has sent, whoever it is and whatever it sent; never waits.

        Only a worker that is welcome is heard, and of a shard only its owner. Whatever else comes is dropped and logged; from a
        worker that is welcome it leaves a hole in the record, so the run lacks something.
        """
        try:
            self._hear(worker, unpacked(data))
        except MessageError as error:
            log.warning("worker %s is not heard: %s", worker, error)
            if worker in self._boots and worker not in self._misheard:
                self._misheard.add(worker)
                self._lacks.append(f"Something that worker {worker} sent was not taken: {error}")
        except OSError as error:
            self._trouble.append(f"what was measured could not be written: {error}")
            self._end()

    def _hear(self, worker: str, message: Message) -> None:
        if not isinstance(message, Hello) and worker not in self._boots:
            raise MessageError(f"it said {type(message).__name__} and is not welcome, or was lost")
        match message:
            case Hello():
                self._meet(worker, message)
            case Claim() if self._roster is not None and not self._is_finishing:
                shard = self._roster.claim(worker)
                if shard is not None:
                    self._give(shard, worker)
            case ShardReady() if self._roster is not None:
                if self._roster.ready(message.shard, worker) and not self._roster.has_begun:
                    self._roster.begin()
                    self._begin()
            case MeasuredSecond() if message.shard is None or self._owns(worker, message.shard):
                self._take(worker, message)
            case LedgerPart() if self._owns(worker, message.shard) and message.shard in self._far:
                self._record.add_ledger(message, self._is_of_shard(message.shard))
            case ShardDone() if self._owns(worker, message.shard):
                self._end_shard(message)
            case ShardTrouble() if self._owns(worker, message.shard):
                self._trouble.append(message.sentence)
                self._end()
            case CustomersTrouble():
                self._go_without_customers(worker, message.sentence)
            case Halted():
                self._halted.add(worker)
            case _:
                log.warning("worker %s said %s out of turn", worker, type(message).__name__)

    def _owns(self, worker: str, shard: int) -> bool:
        return self._roster is not None and self._roster.owns(worker, shard)

    def _is_of_shard(self, shard: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """bool[meters]: as `sim.trace` shares partitions out."""
        partition = self._estate.partition_of(np.arange(self._estate.meter_count))
        of_shard: np.ndarray[Any, np.dtype[np.bool_]] = partition % self.options.shard_count == shard
        return of_shard

    def _meet(self, worker: str, hello: Hello) -> None:
        refusal = None
        if hello.version != own_version():
            refusal = f"it is of meterstorm {hello.version} and the master of {own_version()}: install the same on both"
        elif hello.digest != self._digest:
            refusal = (
                f"its scenario has the digest {hello.digest} and the master's {self._digest}: start both with the same "
                "--scenario file (and the same profile)"
            )
        elif len(self._boots) >= WORKERS_MAX:
            refusal = f"the master has {WORKERS_MAX} workers already"
        if refusal is not None:
            log.error("worker %s is refused: %s", worker, refusal)
            self._send(WorkerRefused(sentence=refusal), worker)
            return
        self._boots[worker] = hello.boot
        self._numbers.setdefault(worker, len(self._numbers))
        runner = self._environment.runner
        if isinstance(runner, FleetMasterRunner):
            runner.admit(worker)
        self._send(Welcome(asked_ns=hello.asked_ns, master_ns=time.monotonic_ns(), zero_ns=self._zero_ns), worker)

    def _give(self, shard: int, worker: str) -> None:
        closed, shares = self.options.closed_in_flight, self.options.shard_count
        is_here = bool(boot_id()) and self._boots[worker] == boot_id()
        # Without a secret neither side knows who the other is: no file of this machine is named to a stranger.
        is_near = is_here and self._environment.runner.is_sealed and not self.options.keeps_own_ledger
        given = Given(
            shard=shard,
            shard_count=shares,
            closed_in_flight=None if closed is None else closed // shares,
            has_customers=self._environment.runner.target_user_count > shares,
            ledger_folder=str(RunFolder(self.out).ledger) if is_near else None,
        )
        self._far.discard(shard)
        if not is_near:
            self._far.add(shard)
        log.info("shard %d of %d goes to worker %s", shard, shares, worker)
        self._send(given, worker)

    def _begin(self) -> None:
        has_customers = self._environment.runner.target_user_count > self.options.shard_count
        shards = self.options.shard_count if self._roster is not None else 0
        self._recent = RecentSeconds(shards + (len(self._boots) if has_customers or not shards else 0))
        self._zero_ns = time.monotonic_ns() + int(START_DELAY_S * 1e9)
        self._zero_epoch_s = self._record.started_at_s = time.time() + START_DELAY_S
        self._storm_record().write(self.out)
        for worker in self._boots:
            self._send(Begin(zero_ns=self._zero_ns), worker)
        log.info("every shard is ready: the storm of %g s begins", self.options.scenario.run.wall_s)

    def _take(self, worker: str, message: MeasuredSecond) -> None:
        """A second goes into the record, and into Locust's tables: here and not on the workers, whose last report may be late."""
        if self._zero_ns is None or self._record.is_closed:
            raise MessageError("it measured something outside the storm")
        if message.second.second > (time.monotonic_ns() - self._zero_ns) / 1e9 + AHEAD_S_MAX:
            raise MessageError(f"it measured second {message.second.second}, which has not been yet")
        second = unpacked_second(message.second)
        is_shard = message.shard is not None
        source = f"shard-{message.shard}" if is_shard else f"customers-{self._numbers[worker]}"
        names = self._shard_operations if is_shard else CUSTOMER_OPERATIONS
        self._record.add_second(source, names, second)
        self._recent.add(second)
        add_second(self._environment.stats, second, int(self._zero_epoch_s) + second.second)

    def _end_shard(self, message: ShardDone) -> None:
        assert self._roster is not None
        done = unpacked_done(message.report)
        self._record.add_errors(f"shard-{message.shard}", self._shard_operations, done)
        self._done[message.shard] = done
        if self._roster.done(message.shard):
            self._end()

    # --- watching -----------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Until the run is over: which workers are still there, and whether the start is long overdue."""
        self._started_s = time.monotonic()
        while not self._is_finishing:
            for worker in self._missing():
                self._lose(worker)
            self._see_to_the_time()
            if self._zero_ns is not None:
                self._write_record()
            gevent.sleep(WATCH_EVERY_S)

    def _missing(self) -> set[str]:
        """Workers that own a shard, and that Locust does not hear of any more."""
        runner = self._environment.runner
        if self._roster is None or not isinstance(runner, FleetMasterRunner):
            return set()
        alive = {client.id for client in runner.clients.all if client.state != STATE_MISSING}
        return self._roster.owners - alive

    def _lose(self, worker: str) -> None:
        assert self._roster is not None
        self._boots.pop(worker, None)
        lost, given = self._roster.lose(worker)
        for shard in lost:
            after_s = 0.0 if self._zero_ns is None else (time.monotonic_ns() - self._zero_ns) / 1e9
            self._lacks.append(
                f"Worker {worker} was lost in second {after_s:.0f} of the storm, and with it shard {shard} of "
                f"{self.options.shard_count}: what fell due on its meters from then on was not sent"
            )
            log.error(self._lacks[-1])
        for shard, heir in given:
            self._give(shard, heir)
        if self._roster.is_over:
            self._end()

    def _go_without_customers(self, worker: str, why: str) -> None:
        """A worker can serve none. A storm of customers alone ends where no worker can."""
        self._without_customers.add(worker)
        if self._roster is None and self._without_customers >= self._boots.keys():
            self._trouble.append(f"no customer could be served: {why}")
            self._end()
        else:
            self._lacks.append(f"Worker {worker} could serve no customer: {why}")

    def _see_to_the_time(self) -> None:
        """The start of a storm of customers alone, its end, and a start that does not come."""
        run = self.options.scenario.run
        if self._roster is None:
            if self._zero_ns is None and self._boots:
                self._begin()
            elif self._zero_ns is not None and time.monotonic_ns() > self._zero_ns + run.wall_s * 1e9:
                self._end()
        elif not self._roster.has_begun and self._started_s is not None:
            limit_s = READY_S_MAX + run.warm_nodes_s
            waited_s = time.monotonic() - self._started_s
            phases = ", ".join(phase.value for phase in self._roster.phases())
            if waited_s >= self._told_s + TELL_EVERY_S:
                self._told_s = waited_s
                log.info("waiting for every shard to be ready, %.0f s so far; they are %s", waited_s, phases)
            if waited_s > limit_s:
                self._trouble.append(
                    f"not every shard was ready within {limit_s:g} s (they are {phases}): start at least as many users "
                    "as shards (-u), and see the workers' logs"
                )
                self._end()

    def _end(self) -> None:
        if not self._is_finishing:
            gevent.spawn(self._over)

    # --- the end ------------------------------------------------------------------------------------------------------

    @property
    def refusal(self) -> str | None:
        """Why Locust can't start this storm now; None when it can."""
        if self._started_s is None or self._environment.runner.state in (STATE_SPAWNING, STATE_RUNNING):
            return None
        if self._zero_ns is None:
            return "this storm was stopped before it began: start Locust again"
        return "this storm was sent: start Locust again, with another keyspace or with empty tables"

    def finish(self) -> int:
        """Stop what still runs, take what it says last, and write the record; returns the exit code. Twice is harmless."""
        if not self._is_finishing:
            if self._started_s is None:
                self._leave_nothing("Locust ended before a storm was started")
                return self.exit_code
            self._is_finishing = True
            self._halt()
            if self._zero_ns is None and not self._trouble:
                self._leave_nothing("the storm was stopped before it began, or its workers ended: nothing was sent")
                log.error("%s, and no folder is left.", self._trouble[-1])
                return self.exit_code
            try:
                self._judge()
                try:
                    self._record.close()
                except OSError as error:
                    self._trouble.append(f"the history could not be written: {error}")
                self._write_record(has_ended=True)
                self._tell()
            except Exception as error:  # Locust goes on after an error of a listener, and would end with 0
                self._trouble.append(f"the storm's end went wrong: {type(error).__name__}: {error}")
                raise
            finally:
                self.is_finished.set()  # whatever happened: others wait for it
        self.is_finished.wait()
        return self.exit_code

    @property
    def exit_code(self) -> int:
        if self._trouble:
            return EXIT_TROUBLE
        return EXIT_INCONCLUSIVE if self._lacks or self.is_interrupted else EXIT_WHOLE

    def abandon(self) -> None:
        """The process ends: Ctrl-C while Locust waits for workers ends it without an event."""
        if self._zero_ns is None and not self._trouble:
            self._leave_nothing("Locust ended before the storm began")

    def _leave_nothing(self, why: str) -> None:
        """Nothing was sent: there is no run, and no folder of one."""
        with interrupts.held():
            self._is_finishing = True
            self._record.discard()
            folder = RunFolder(self.out)
            for shard in range(self.options.shard_count):
                (folder.logs / f"shard-{shard}.log").unlink(missing_ok=True)
            for path in (folder.logs, folder.history, self.out):
                with contextlib.suppress(OSError):  # not there, or not empty: others write there, too
                    path.rmdir()
            self._trouble.append(why)
            self.is_finished.set()

    def _halt(self) -> None:
        """Tell every worker to stop, and wait for those that are there."""
        for worker in self._boots:
            self._send(Halt(), worker)
        deadline = time.monotonic() + HALT_S_MAX + self.options.scenario.run.operation_timeout_s
        while time.monotonic() < deadline:
            for worker in self._missing():
                self._lose(worker)
            if self._boots.keys() & self._present() <= self._halted:
                return
            gevent.sleep(0.05)

    def _present(self) -> set[str]:
        runner = self._environment.runner
        if not isinstance(runner, FleetMasterRunner):
            return set(self._boots)
        return {client.id for client in runner.clients.all if client.state != STATE_MISSING}

    def _judge(self) -> None:
        """What the end lacks."""
        # of what was not taken some may have been marks
        has_hole = bool(self._far - self._done.keys()) or bool(self._far and self._misheard)
        if self._zero_ns is not None and has_hole:
            self._record.ledger.distrust()
        if self._trouble:
            return
        if any(done.report.was_stopped for done in self._done.values()):
            self.is_interrupted = True
        if self._roster is not None:
            for shard in set(range(self.options.shard_count)) - self._done.keys():
                if not any(f"shard {shard} of" in lack for lack in self._lacks):
                    self._lacks.append(f"Shard {shard} of {self.options.shard_count} never said how it ended")

    def _write_record(self, *, has_ended: bool = False) -> None:
        """Write `storm.json`. Where that can't be the storm ends."""
        try:
            self._storm_record(has_ended=has_ended).write(self.out)
        except OSError as error:
            why = f"the storm's record could not be written: {error}"
            if why not in self._trouble:
                self._trouble.append(why)
            self._end()

    def _storm_record(self, *, has_ended: bool = False) -> StormRecord:
        reports = [done.report for done in self._done.values()]
        offered, ok, failed, indeterminate = self._record.totals.tolist()
        return StormRecord(
            zero_ns=self._zero_ns,
            has_ended=has_ended,
            is_interrupted=self.is_interrupted,
            shard_count=self.options.shard_count if self._roster is not None else 0,
            worker_count=len(self._boots),
            scheduling=", ".join(sorted({report.scheduling for report in reports})),
            cpu_s=sum(done.cpu_s for done in self._done.values()),
            cpu_share=max((report.cpu_s / max(report.wall_s, 1e-9) for report in reports), default=0.0),
            blocked=sum(report.blocked for report in reports),
            stalls=sum(report.stalls for report in reports),
            stalled_share=max((report.stalled_s / max(report.wall_s, 1e-9) for report in reports), default=0.0),
            stall_ms_max=max((report.stall_ms_max for report in reports), default=0.0),
            network_errors=sum(report.network_errors for report in reports),
            down_at_start=tuple(sorted({node for report in reports for node in report.down_at_start})),
            wall_s=max((report.wall_s for report in reports), default=0.0),
            offered=offered,
            ok=ok,
            failed=failed,
            indeterminate=indeterminate,
            seconds=self._recent.recent().seconds,
            totals=self._record.sums.seen(),
            trouble=tuple(self._trouble),
            lacks=tuple(self._lacks),
        )

    def _tell(self) -> None:
        """The end in a few sentences."""
        for sentence in (*self._trouble, *self._lacks):
            log.error("%s.", sentence)
        if self.exit_code == EXIT_INCONCLUSIVE:
            why = "it was stopped before its end" if self.is_interrupted else "not all of it was sent"
            log.error("The run is inconclusive: %s.", why)
        log.info("history/ and ledger/ are in %s; durability is not judged: no audit was made here.", self.out)

    def _send(self, message: Message, worker: str) -> None:
        self._environment.runner.send_message(TO_WORKER, packed(message), worker)
