"""What runs in threads beside the shards of a storm, whoever sends these: the gateway, the back office, analytics, faults."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from loadtests.backend.back_office import BackOfficeResult, compile_kernels, run_back_office
from loadtests.backend.command_gateway import GatewayResult, run_gateway
from loadtests.backend.timed_statements import RequestLog
from loadtests.errors import HarnessError
from loadtests.faults.injection import FaultInjection
from loadtests.faults.own_parts import OwnParts, gateway_of
from loadtests.metrics.instruments import Instruments
from loadtests.recording.ledger import Ledger
from loadtests.recording.run_folder import RunFolder
from loadtests.storm.analytics import AnalyticsRound, AnalyticsRounds
from loadtests.workload.experiment import Experiment
from scenarios.operations import operations_of
from store.ports import StoreError

STOP_S_MAX = 30.0


class BesideStorm:
    """The commands' gateway, the back office and analytics, each in a thread; nothing of what the scenario does not have.

    folder: of the storm, whose ledger is looked at as it is marked, and whose history gets a part of each. run_folder: of the
    run, which keeps what analytics leave; default the same. instruments: are told what goes on.
    """

    def __init__(
        self,
        experiment: Experiment,
        folder: RunFolder,
        faults: FaultInjection | None = None,
        instruments: Instruments | None = None,
        *,
        run_folder: RunFolder | None = None,
    ) -> None:
        scenario = experiment.scenario
        self._faults = faults
        self._instruments = told = instruments or Instruments(scenario)
        self._folder = folder

        def is_excused() -> bool:
            return faults is not None and faults.are_under_way

        parts = OwnParts() if faults is None else faults.parts

        def require_alive(dc: str) -> None:
            parts.require(gateway_of(dc))

        def carry_out(given: SideWork) -> GatewayResult:
            return run_gateway(
                experiment,
                zero_ns=given.zero_ns,
                log=given.log,
                stop=given.stop,
                is_excused=is_excused,
                require_alive=require_alive,
                told=told,
            )

        def keep_office(given: SideWork) -> BackOfficeResult:
            return run_back_office(
                experiment,
                ledger=Ledger.open(folder.ledger, is_writable=True),
                zero_ns=given.zero_ns,
                log=given.log,
                over=given.over,
                stop=given.stop,
                is_excused=is_excused,
                parts=parts,
                told=told,
            )

        self._gateway = Beside(
            "commands' gateway",
            carry_out if scenario.campaigns else None,
            folder.history / "gateway",
            RequestLog(told.closed_loop()),
        )
        self._office = Beside(
            "back office",
            keep_office if scenario.run.back_office else None,
            folder.history / "office",
            # of the trace's operations the senders' open loop is the measure, and its few dozen are none
            RequestLog(told.closed_loop(), left_out=operations_of(scenario)),
        )
        self._rounds = AnalyticsRounds(experiment=experiment, folder=run_folder or folder)
        self._analytics = Beside(
            "analytics",
            (lambda given: self._rounds.carry_out(given.zero_ns, given.over, given.stop))
            if scenario.analytics
            else None,
            None,
            RequestLog(told.closed_loop()),
        )
        self._has_office, self._estate = scenario.run.back_office, experiment.estate
        self._open = ExitStack()

    def __enter__(self) -> Self:
        if self._has_office:
            compile_kernels(self._estate)  # while the senders compile theirs, and before anybody's clock runs
        if self._faults is not None:
            self._open.enter_context(self._faults)
        self._open.enter_context(self._gateway)
        self._open.enter_context(self._office)
        self._open.enter_context(self._analytics)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def start(self, zero_ns: int) -> None:
        """Begin; `zero_ns` is the storm's start [monotonic]."""
        self._instruments.zero_ns = zero_ns
        self._instruments.ledger = Ledger.open(self._folder.ledger)
        if self._faults is not None:
            self._instruments.courses = self._faults.courses
            self._faults.start(zero_ns)
        self._gateway.start(zero_ns)
        self._office.start(zero_ns)
        self._analytics.start(zero_ns)

    def wait(self) -> None:
        """The shards are done: until these are, too. What is broken is healed before the last work is done on it.

        All do their last work side by side: most of the gateway's is waiting for devices and for the store.
        """
        self._instruments.sent_ns = self._instruments.clock_ns()
        if self._faults is not None:
            self._faults.wait()
        wait_for(self._gateway, self._office, self._analytics)

    def stop(self) -> None:
        """Leave what is open, and heal what is broken."""
        if self._faults is not None:
            self._faults.stop()
        self._gateway.stop()
        self._office.stop()
        self._analytics.stop()

    def commands(self) -> GatewayResult | None:
        return self._gateway.result()

    def office(self) -> BackOfficeResult | None:
        return self._office.result()

    def analytics(self) -> tuple[AnalyticsRound, ...]:
        """The rounds so far, those that failed among them."""
        self._analytics.result()
        return tuple(self._rounds.rounds)

    @property
    def trouble(self) -> tuple[str, ...]:
        """Why one of them could not go on, if so."""
        of_faults = () if self._faults is None else self._faults.trouble
        return of_faults + self._gateway.trouble + self._office.trouble + self._analytics.trouble


def histories_beside(history: Path) -> list[Path]:
    """The histories that a `BesideStorm` has left in a folder."""
    return [path for name in ("gateway", "office") if (path := history / name).exists()]


@dataclass(frozen=True, slots=True, kw_only=True)
class SideWork:
    """What work beside the shards is given."""

    zero_ns: int  # the storm's start [monotonic]
    log: RequestLog
    over: threading.Event  # the shards are done
    stop: threading.Event  # leave what is open; `over` is set with it


Outcome = TypeVar("Outcome")


class Beside(Generic[Outcome]):
    """Work in a thread beside the shards, with a history of its own if it has one; without `work` there is none."""

    def __init__(
        self,
        name: str,
        work: Callable[[SideWork], Outcome] | None,
        history: Path | None,
        log: RequestLog,
    ) -> None:
        self._name, self._work, self._history = name, work, history
        self._given = SideWork(zero_ns=0, log=log, over=threading.Event(), stop=threading.Event())
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
            if self._history is not None:
                self._given.log.write(self._history, self._given.zero_ns)

    def start(self, zero_ns: int) -> None:
        """Begin; `zero_ns` is the storm's start [monotonic]."""
        if self._work is None:
            return
        self._given = replace(self._given, zero_ns=zero_ns)
        self._thread = threading.Thread(target=self._run, args=(self._work,), name=self._name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """The shards are done: do what is left, and end."""
        self._given.over.set()

    def wait(self) -> None:
        """Until it has ended."""
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.2)  # in short: Ctrl-C is heard between
        if self._error is not None and not isinstance(self._error, HarnessError | StoreError):
            raise self._error  # a fault of ours, which a thread must not keep to itself

    def stop(self) -> None:
        self._given.stop.set()
        self._given.over.set()

    def result(self) -> Outcome | None:
        """What came of it, when it is known."""
        if self._thread is not None:
            self._thread.join(STOP_S_MAX)
        return self._result

    @property
    def trouble(self) -> tuple[str, ...]:
        """Why it could not go on, if so; what the shards sent is recorded and audited all the same."""
        return () if self._error is None else (f"The {self._name} could not go on: {self._error}.",)

    def _run(self, work: Callable[[SideWork], Outcome]) -> None:
        try:
            self._result = work(self._given)
        except Exception as error:
            self._error = error


def wait_for(*besides: Beside[Any]) -> None:
    """The shards are done: until all of these are, too, each beside the others."""
    for one in besides:
        one.close()
    for one in besides:
        one.wait()
