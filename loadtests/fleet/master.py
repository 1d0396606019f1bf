"""The Locust master's side of the fleet: gives shards out, names the start, records, and watches that no worker is lost.

With Locust's local runner master and worker are one process, and their messages are plain calls.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent.event import Event
from locust.runners import STATE_MISSING, MasterRunner

from loadtests.fleet.customers import CUSTOMER_OPERATIONS
from loadtests.fleet.messages import (
    TO_WORKER,
    Begin,
    Claim,
    Given,
    Halt,
    Halted,
    Hello,
    LedgerPart,
    Measured,
    Message,
    Refused,
    ShardDone,
    ShardReady,
    ShardTrouble,
    Welcome,
    packed,
    unpacked_done,
    unpacked_second,
)
from loadtests.fleet.options import FleetOptions, boot_id, own_version
from loadtests.fleet.record import RunRecord, StormRecord
from loadtests.fleet.roster import Roster
from loadtests.fleet.tables import add_second
from loadtests.monitoring.live import RecentSeconds
from loadtests.recording.ledger import Ledger
from loadtests.storm.coordinator import READY_S_MAX
from loadtests.storm.messages import Done
from loadtests.workload.operations import planes_of
from scenarios.operations import operations_of
from sim.estate.model import EstateModel

log = logging.getLogger(__name__)

START_DELAY_S = 1.0  # from the last shard that was ready to the storm's zero: every worker has time to hear of it
WATCH_EVERY_S = 0.5
# What the start waits for: on a machine's first run the shards compile their kernels for a minute or two.
TELL_EVERY_S = 10.0
HALT_S_MAX = 45.0  # beyond the scenario's own time-out of an operation

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
        options.out.mkdir(parents=True, exist_ok=True)
        ledger = Ledger.create(
            options.out / "ledger", planes_of(options.scenario), estate.meter_count, estate.slot_count
        )
        self._record = RunRecord(options.out, ledger)
        self._boots: dict[str, str] = {}  # of the workers that are welcome
        self._halted: set[str] = set()
        self._done: dict[int, Done] = {}
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

    def hear(self, worker: str, message: Message) -> None:
        """Take what a worker says; never waits."""
        match message:
            case Hello():
                self._meet(worker, message)
            case Claim() if worker in self._boots and self._roster is not None and not self._is_finishing:
                shard = self._roster.claim(worker)
                if shard is not None:
                    self._give(shard, worker)
            case ShardReady() if self._roster is not None:
                if self._roster.ready(message.shard, worker) and not self._roster.has_begun:
                    self._roster.begin()
                    self._begin()
            case Measured():
                self._take(message)
            case LedgerPart():
                self._record.add_ledger(message)
            case ShardDone() if self._roster is not None:
                self._end_shard(message)
            case ShardTrouble():
                self._trouble.append(message.sentence)
                self._end()
            case Halted():
                self._halted.add(worker)
            case _:
                log.warning("worker %s said %s out of turn", worker, type(message).__name__)

    def _meet(self, worker: str, hello: Hello) -> None:
        refusal = None
        if hello.version != own_version():
            refusal = f"it is of meterstorm {hello.version} and the master of {own_version()}: install the same on both"
        elif hello.digest != self._digest:
            refusal = (
                f"its scenario has the digest {hello.digest} and the master's {self._digest}: start both with the same "
                "--scenario file (and the same profile)"
            )
        if refusal is not None:
            log.error("worker %s is refused: %s", worker, refusal)
            self._send(Refused(sentence=refusal), worker)
            self._forget(worker)
            return
        self._boots[worker] = hello.boot
        self._send(Welcome(asked_ns=hello.asked_ns, master_ns=time.monotonic_ns(), zero_ns=self._zero_ns), worker)

    def _forget(self, worker: str) -> None:
        """Before the users are given out, a refused worker must not count as one: Locust ends when its last worker quits."""
        runner = self._environment.runner
        if self._started_s is None and isinstance(runner, MasterRunner) and worker in runner.clients:
            del runner.clients[worker]

    def _give(self, shard: int, worker: str) -> None:
        closed, shares = self.options.closed_in_flight, self.options.shard_count
        is_near = bool(boot_id()) and self._boots[worker] == boot_id() and not self.options.keeps_own_ledger
        given = Given(
            shard=shard,
            shard_count=shares,
            closed_in_flight=None if closed is None else closed // shares,
            has_customers=self._environment.runner.target_user_count > shares,
            ledger_folder=str(self.options.out / "ledger") if is_near else None,
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
        self._storm_record().write(self.options.out)
        for worker in self._boots:
            self._send(Begin(zero_ns=self._zero_ns), worker)
        log.info("every shard is ready: the storm of %g s begins", self.options.scenario.run.wall_s)

    def _take(self, message: Measured) -> None:
        """A second goes into the record, and into Locust's tables: here and not on the workers, whose last report may be late."""
        second = unpacked_second(message.second)
        is_shard = message.source.startswith("shard-")
        names = self._shard_operations if is_shard else CUSTOMER_OPERATIONS
        self._record.add_second(message.source, names, second)
        self._recent.add(second)
        add_second(self._environment.stats, second, int(self._zero_epoch_s) + second.second)

    def _end_shard(self, message: ShardDone) -> None:
        assert self._roster is not None
        done = unpacked_done(message.report)
        self._done[message.shard] = done
        self._record.add_errors(f"shard-{message.shard}", self._shard_operations, done)
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
                self._storm_record().write(self.options.out)
            gevent.sleep(WATCH_EVERY_S)

    def _missing(self) -> set[str]:
        """Workers that own a shard, and that Locust does not hear of any more."""
        runner = self._environment.runner
        if self._roster is None or not isinstance(runner, MasterRunner):
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

    def finish(self) -> int:
        """Stop what still runs, take what it says last, and write the record; returns the exit code. Twice is harmless."""
        if not self._is_finishing:
            self._is_finishing = True
            self._halt()
            self._judge()
            try:
                self._record.close()
            except OSError as error:
                self._trouble.append(f"the history could not be written: {error}")
            self._storm_record(has_ended=True).write(self.options.out)
            self._tell()
            self.is_finished.set()
        self.is_finished.wait()
        return self.exit_code

    @property
    def exit_code(self) -> int:
        if self._trouble:
            return EXIT_TROUBLE
        return EXIT_INCONCLUSIVE if self._lacks or self.is_interrupted else EXIT_WHOLE

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
        if not isinstance(runner, MasterRunner):
            return set(self._boots)
        return {client.id for client in runner.clients.all if client.state != STATE_MISSING}

    def _judge(self) -> None:
        """What the end lacks."""
        if self._zero_ns is not None and self._far - self._done.keys():
            self._record.distrust_ledger()
        if self._trouble:
            return
        if self._zero_ns is None:
            self._trouble.append("the storm never began: no worker could take every shard, see the log above")
            return
        if any(done.report.was_stopped for done in self._done.values()):
            self.is_interrupted = True
        if self._roster is not None:
            for shard in set(range(self.options.shard_count)) - self._done.keys():
                if not any(f"shard {shard} of" in lack for lack in self._lacks):
                    self._lacks.append(f"Shard {shard} of {self.options.shard_count} never said how it ended")

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
        log.info("history/ and ledger/ are in %s; durability is not judged: no audit was made here.", self.options.out)

    def _send(self, message: Message, worker: str) -> None:
        self._environment.runner.send_message(TO_WORKER, packed(message), worker)
