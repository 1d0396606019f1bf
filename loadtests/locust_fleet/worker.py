"""A Locust worker's side of the fleet: it owns shards, child processes away from its event loop, and tells the master of them.

Everything here runs in greenlets: a shard's pipe is waited for cooperatively, and a message that has begun is whole within
microseconds.
"""

import itertools
import logging
import math
import subprocess
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event
from gevent.socket import wait_read

from loadtests import interrupts
from loadtests.errors import HarnessError
from loadtests.locust_fleet.customers import CustomerDesk
from loadtests.locust_fleet.journeys import turns_of
from loadtests.locust_fleet.messages import (
    LEDGER_PART_BYTES,
    TO_MASTER,
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
    packed_done,
    packed_second,
    unpacked,
)
from loadtests.locust_fleet.options import FleetOptions, boot_id, own_version
from loadtests.recording.ledger import Ledger
from loadtests.recording.run_folder import RunFolder
from loadtests.recording.seconds import Second
from loadtests.storm.messages import Ready, ShardPlan, ShardReport, Start, Stop, Trouble
from loadtests.storm.shard_process import new_live_counts, start_shard
from loadtests.workload.operations import planes_of
from scenarios.passing_folder import PassingFolder
from sim.estate.model import EstateModel
from store.ports import StoreError

log = logging.getLogger(__name__)

HELLO_EVERY_S = 1.0
STOP_S_MAX = 30.0  # beyond the scenario's own time-out of an operation


@dataclass(slots=True)
class _Visitor:
    """One customer of this worker. done_count: how many of its turns are behind it."""

    key: int
    joined_s: float = math.inf  # a customer who joins late has not been waiting since the start
    done_count: int = 0


class FleetWorker:
    """What one worker owns. `send` sends a packed message to the master, `refused` is told why it may not take part."""

    def __init__(
        self, environment: Any, options: FleetOptions, estate: EstateModel, refused: Callable[[str], None]
    ) -> None:
        self.options = options
        self.estate = estate
        self.is_welcome = Event()
        self.has_begun = Event()
        self.is_over = Event()
        self.customers = CustomerDesk(options.experiment(self.estate))
        self._visitors: list[_Visitor] = []
        self._has_no_customers = False
        self._environment = environment
        self._refused = refused
        self._digest = options.digest(self.estate)
        self._passing = PassingFolder("worker")
        self._folder = self._passing.path
        self._shards: dict[int, _HostedShard] = {}
        self._has_told_all = False
        self._clock_ahead_ns = 0  # the master's clock less ours
        self._round_trip_ns = 0
        self._zero_ns = 0  # on the master's clock

    # --- the master's word --------------------------------------------------------------------------------------------

    def greet(self) -> None:
        """Say hello until the master has answered: it may still be busy with its own beginning."""
        while not self.is_welcome.is_set() and not self.is_over.is_set():
            self.send(
                Hello(version=own_version(), digest=self._digest, boot=boot_id(), asked_ns=time.monotonic_ns()),
            )
            self.is_welcome.wait(HELLO_EVERY_S)

    def listen(self, data: object) -> None:
        """Do what the master says; what is no message of ours is dropped and logged."""
        try:
            self._hear(unpacked(data))
        except MessageError as error:
            log.warning("the master is not heard: %s", error)

    def _hear(self, message: Message) -> None:
        match message:
            case Welcome():
                self._set_clock(message)
                if message.zero_ns is not None:
                    self._begin(message.zero_ns)
                self.is_welcome.set()
            case WorkerRefused():
                self.is_over.set()
                self._refused(message.sentence)
            case Given() if self._may_host(message):
                gevent.spawn(self._host, message)
            case Begin():
                self._begin(message.zero_ns)
            case Halt():
                gevent.spawn(self._halt)
            case _:
                raise MessageError(f"it said {type(message).__name__}, which is not for this worker, or not now")

    def claim(self) -> None:
        """A fleet user has started: ask for a shard."""
        self.is_welcome.wait()
        self.send(Claim())

    def send(self, message: Message) -> None:
        self._environment.runner.send_message(TO_MASTER, packed(message))

    def measured(self, shard: int | None, second: Second) -> None:
        """Send a second that was measured here, by a shard or by customers (None)."""
        self.send(MeasuredSecond(shard=shard, second=packed_second(second)))

    @property
    def zero_ns(self) -> int:
        """The storm's start on this machine's monotonic clock."""
        return self._zero_ns - self._clock_ahead_ns

    def _set_clock(self, welcome: Welcome) -> None:
        """The master read its clock between our asking and hearing: halfway, give or take half of the round trip."""
        heard_ns = time.monotonic_ns()
        self._round_trip_ns = heard_ns - welcome.asked_ns
        ahead_ns = welcome.master_ns - (welcome.asked_ns + heard_ns) // 2
        is_same_clock = abs(ahead_ns) <= self._round_trip_ns  # one machine has one monotonic clock
        self._clock_ahead_ns = 0 if is_same_clock else ahead_ns
        log.info("welcomed by the master, round trip %.1f ms", self._round_trip_ns / 1e6)

    def _begin(self, zero_ns: int) -> None:
        self._zero_ns = zero_ns
        self.has_begun.set()
        for shard in self._shards.values():
            shard.tell(Start(at_monotonic_ns=self.zero_ns))

    # --- its shards ---------------------------------------------------------------------------------------------------

    def _may_host(self, given: Given) -> bool:
        """Once each, of a fleet that it is of; and files of this machine are only written for a master that is known."""
        is_known = given.ledger_folder is None or self._environment.runner.is_sealed
        return given.shard < given.shard_count and given.shard not in self._shards and is_known

    def _host(self, given: Given) -> None:
        """Start a shard's process and pass on what it says, to its end."""
        shard = _HostedShard(given, self._folder)
        self._shards[given.shard] = shard
        try:
            if given.has_customers:
                self.customers.open()
            if self.is_over.is_set():  # stopped since the shard was given, or while customers connected
                return
            shard.start(self.options, self.estate)
            if self.is_over.is_set():  # or while its process was started
                shard.stop()
            while (message := shard.hear()) is not None:
                self._pass_on(shard, message)
        except (EOFError, OSError, HarnessError, StoreError) as error:
            status = shard.process.wait() if shard.process is not None else None
            if not shard.is_done and not self.is_over.is_set():  # else the master misses its end by itself
                why = f"sender {given.shard} ended with status {status} before the trace did: {shard.last_words()}"
                sentence = str(error) if status is None else why
                self.send(ShardTrouble(shard=given.shard, sentence=sentence))
        finally:
            shard.close()

    def _pass_on(self, shard: "_HostedShard", message: object) -> None:
        number = shard.given.shard
        match message:
            case Ready():
                shard.is_ready = True
                self.send(ShardReady(shard=number))
            case Second():
                self.measured(number, message)
            case ShardReport():
                for offset, data in shard.ledger_parts():
                    self.send(LedgerPart(shard=number, offset=offset, data=data))
                shard.is_done = True
                self.send(ShardDone(shard=number, report=packed_done(message)))
            case Trouble():
                shard.is_done = True
                self.send(ShardTrouble(shard=number, sentence=message.message))
            case _:
                raise AssertionError(f"a sender said {message!r}, which nobody asked for")

    # --- its customers ------------------------------------------------------------------------------------------------

    def open_customers(self) -> bool:
        """Have what customers need. Where that can't be the master is told, once, and there are none here."""
        if not self._has_no_customers:
            try:
                self.customers.open()
            except Exception as error:  # Locust drops a user whose start raises, and counts nobody less
                log.exception("no customer can be served")
                if not self._has_no_customers:  # by another greenlet meanwhile
                    self._has_no_customers = True
                    self.is_welcome.wait()
                    self.send(CustomersTrouble(sentence=str(error) or type(error).__name__))
        return not self._has_no_customers

    def serve_customer(self) -> None:
        """Walk one customer through all that it wants, from the storm's start to its end."""
        number = len(self._visitors)
        visitor = _Visitor(key=zlib.crc32(f"{self._environment.runner.worker_index}/{number}".encode()))
        self._visitors.append(visitor)
        if number == 0:
            gevent.spawn(self._report_customers)
        self.has_begun.wait()
        visitor.joined_s = self._elapsed_s()
        for turn in turns_of(self.options.scenario, self.estate, self.customers.shape, visitor.key):
            if self.is_over.is_set():
                return
            if turn.due_s >= visitor.joined_s:
                self.customers.serve(turn, self.zero_ns)
            visitor.done_count += 1

    def _report_customers(self) -> None:
        """Each second, what the customers' pages were the second before."""
        self.has_begun.wait()
        while not self.is_over.is_set():
            self._send_customers(self._elapsed_s())
            self.is_over.wait(1.0)

    def _give_up_pages(self) -> None:
        """Count what customers wanted by now and have not been given: the page that is open, and those behind it."""
        now_s = self._elapsed_s()
        for visitor in self._visitors:
            turns = turns_of(self.options.scenario, self.estate, self.customers.shape, visitor.key)
            for turn in itertools.islice(turns, visitor.done_count, None):
                if visitor.joined_s <= turn.due_s <= now_s:
                    self.customers.log.give_up(turn.page, due_s=turn.due_s, now_s=now_s)

    def _elapsed_s(self) -> float:
        """Since the storm's start."""
        return (time.monotonic_ns() - self.zero_ns) / 1e9

    def _send_customers(self, before_s: float) -> None:
        for second in self.customers.log.take(before_s):
            self.measured(None, second)

    # --- the end ------------------------------------------------------------------------------------------------------

    def _halt(self) -> None:
        self.stop()
        self.send(Halted())

    def stop(self) -> None:
        """Stop every shard, wait until what it had in flight is answered or given up, and clean up. Twice is harmless."""
        self.is_over.set()
        limit_s = STOP_S_MAX + self.options.scenario.run.operation_timeout_s
        for shard in self._shards.values():
            shard.stop()
        deadline = time.monotonic() + limit_s
        for shard in self._shards.values():
            shard.is_closed.wait(max(deadline - time.monotonic(), 0.0))
            shard.close()
        if self.has_begun.is_set() and not self._has_told_all:
            self._has_told_all = True
            self._give_up_pages()
            self._send_customers(math.inf)
        self.customers.close()
        self._remove_folder()

    def abandon(self) -> None:
        """The process ends, whatever ends it: so do its shards, and its folder goes. After `stop` there is nothing left to do."""
        self.is_over.set()
        for shard in self._shards.values():
            shard.close()
        self._remove_folder()

    def _remove_folder(self) -> None:
        with interrupts.held():
            self._passing.remove()


def _why_unsent(connection: Connection, message: object) -> OSError | None:
    """Send, and return what gevent would print with its stack if a thread raised it: a process that was ended hears nothing."""
    try:
        connection.send(message)
    except OSError as error:
        return error
    return None


class _HostedShard:
    """One shard's process, its connection and, where the master's is out of reach, its ledger."""

    def __init__(self, given: Given, folder: Path) -> None:
        self.given = given
        self.is_ready = False
        self.is_done = False
        self.is_closed = Event()
        self.process: Any = None
        self._connection: Connection | None = None
        self._folder = folder / f"shard-{given.shard}"
        near = RunFolder(Path(given.ledger_folder).parent).logs if given.ledger_folder else self._folder
        self._log_path = near / f"shard-{given.shard}.log"
        self._own_ledger: Path | None = None

    def start(self, options: FleetOptions, estate: EstateModel) -> None:
        """Start the process and give it its plan. Raises OSError or HarnessError when it can't be."""
        self._folder.mkdir(exist_ok=True)  # in the worker's folder, which is not made anew once it is taken away
        self._log_path.parent.mkdir(exist_ok=True)
        live_path = self._folder / "live"
        new_live_counts(live_path)
        if self.given.ledger_folder is None:
            self._own_ledger = RunFolder(self._folder).ledger
            Ledger.create(self._own_ledger, planes_of(options.scenario), estate.meter_count, estate.slot_count)
        plan = ShardPlan(
            experiment=options.experiment(estate),
            shard=self.given.shard,
            shard_count=self.given.shard_count,
            ledger_folder=self._own_ledger or Path(str(self.given.ledger_folder)),
            live_path=live_path,
            closed_in_flight=self.given.closed_in_flight,
        )
        # gevent forks in Python, whose hooks of a fork forget what is raised in them: the interrupt, and to release their locks.
        with interrupts.held():
            self.process, self._connection = start_shard(self._log_path)
        # A plan is larger than a pipe: sending it waits for a process that is still importing, and must not stop the loop.
        error = gevent.get_hub().threadpool.apply(_why_unsent, (self._connection, plan))
        if error is not None:
            raise error

    def hear(self) -> object | None:
        """The next message, or None after the last. Raises EOFError when the process is gone."""
        if self.is_done or self._connection is None:
            return None
        wait_read(self._connection.fileno())
        message: object = self._connection.recv()
        return message

    def tell(self, message: object) -> None:
        """Say something to the process, if it can still hear it."""
        if self._connection is None or self.is_done:
            return
        try:
            self._connection.send(message)
        except OSError:
            log.info("shard %d has ended already", self.given.shard)

    def stop(self) -> None:
        """Ask it to drain and be done; one that still compiles has sent nothing, and would not hear."""
        if self.is_ready:
            self.tell(Stop())
        elif self.process is not None:
            self.process.kill()

    def ledger_parts(self) -> list[tuple[int, bytes]]:
        """What the master must add to its ledger: (offset, compressed bytes), where anything is set."""
        if self._own_ledger is None:
            return []
        states = Ledger.open(self._own_ledger).states.reshape(-1)
        return [
            (at, zlib.compress(part.tobytes(), 1))
            for at in range(0, len(states), LEDGER_PART_BYTES)
            if (part := states[at : at + LEDGER_PART_BYTES]).any()
        ]

    def last_words(self) -> str:
        """The last line of the process's log."""
        path = self._log_path
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        return lines[-1] if lines else ""

    def close(self) -> None:
        """End the process, if it has not ended, and the connection. Closing twice is harmless."""
        if self.is_closed.is_set():
            return
        self.is_closed.set()
        if self._connection is not None:
            self._connection.close()
        if self.process is not None:
            try:
                self.process.wait(timeout=2.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
