"""The gateways of a run: in each business DC one, which carries the scenario's campaigns out beside the storm.

A command is created, sent, judged and ended through the home DC of its premises alone: its one terminal state is agreed on
by the replicas of that DC.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from loadtests.backend.command_control import SimulatedMeters, StoreControl, work_stride
from loadtests.backend.command_plan import CommandPlan, Registry
from loadtests.backend.failure_budget import FailureBudget
from loadtests.backend.mortal_statements import MortalStatements, PartLife
from loadtests.backend.prepaid_accounts import PrepaidAccounts
from loadtests.backend.timed_statements import RequestLog
from loadtests.metrics.instruments import GatewayProgress, Instruments
from loadtests.workload.experiment import Experiment
from scenarios.domain import DAY_US
from scenarios.spec import Scenario, ScenarioError
from sim.control.closed_loop import Responder
from sim.control.plane import EVENTS_MAX, commands_of
from sim.estate.model import EstateModel
from store.cassandra.commands import CassandraCommandTables
from store.commands.port import CommandTables, DueIndex
from store.commands.store import RECONCILER, CommandStore, Drift, Retries
from store.customers.store import HomeCustomers
from store.roles import TableRole
from store.schemas import schema_of

STRIDE_S = 0.25
CATCH_UP_STRIDES_MAX = 20  # in one go: what of it is not finished is begun again
CHUNK = 500  # commands or devices that are read at once
MINUTE_US = 60_000_000
DRAIN_US_MAX = 60 * DAY_US  # beyond the longest course of a command

Outcome = TypeVar("Outcome")


@dataclass(slots=True, kw_only=True)
class GatewayResult:
    """What became of a run's commands, as read back from the store."""

    states: Counter[str] = field(default_factory=Counter)  # commands of campaigns by `State`, open ones too
    mending_states: Counter[str] = field(default_factory=Counter)  # commands that reconciliation issued
    attempts: int = 0  # of commands of campaigns, as all that follows
    replays: int = 0  # attempts beyond the first
    late: int = 0  # commands whose answer came after its attempt had timed out
    repeats: int = 0  # answers that changed nothing
    drifts: int = 0
    illegal: int = 0  # steps that the transition table does not have
    behind_s_max: float = 0.0  # wall time by which a gateway was late
    wall_s: float = 0.0  # from the replay's start until all had ended
    setbacks: int = 0  # calls that the store did not let finish; each was begun again

    def add(self, other: "GatewayResult") -> None:
        self.states += other.states
        self.mending_states += other.mending_states
        for name in ("attempts", "replays", "late", "repeats", "drifts", "illegal", "setbacks"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.behind_s_max = max(self.behind_s_max, other.behind_s_max)
        self.wall_s = max(self.wall_s, other.wall_s)


def require_carried(scenario: Scenario) -> None:
    """Raises ScenarioError for campaigns over more premises than gateways pursue one by one."""
    pursued = len(scenario.campaigns) * scenario.estate.premises
    if pursued > EVENTS_MAX:
        raise ScenarioError(
            f"campaigns: {len(scenario.campaigns)} for {scenario.estate.premises:,} premises are more than the gateways of a "
            f"run pursue ({EVENTS_MAX:,}): make estate.premises smaller, or see it in virtual time with `meterstorm simulate`"
        )


def run_gateway(
    experiment: Experiment,
    *,
    zero_ns: int,
    log: RequestLog,
    stop: threading.Event,
    is_excused: Callable[[], bool] = lambda: False,
    require_alive: Callable[[str], None] = lambda _: None,
    told: Instruments | None = None,
) -> GatewayResult:
    """Carry the scenario's campaigns out beside a storm; returns when all commands have ended.

    zero_ns: the wall start of the replay [monotonic]. log: is told every request. stop: when set, what is open stays open.
    is_excused: a fault of the scenario's own is under way. require_alive: raises StoreError while a fault holds the gateway of
    a DC dead. told: how far each gateway is.
    After the span nothing is paced: what is still open is pursued to its end, and what has drifted is mended.
    Raises HarnessError when a DC can't be reached, StoreError when the store lets nothing finish for a while.
    """
    result = GatewayResult()
    dcs = experiment.topology.business_dcs
    told = told or Instruments(experiment.scenario)
    with ThreadPoolExecutor(len(dcs), thread_name_prefix="gateway") as pool:
        serving = [
            pool.submit(
                _serve,
                experiment.through(dc.name),
                number,
                zero_ns,
                log,
                stop,
                is_excused,
                partial(require_alive, dc.name),
                told.gateway(dc.name),
            )
            for number, dc in enumerate(dcs)
        ]
        try:
            for one in as_completed(serving):
                result.add(one.result())
        except BaseException:
            stop.set()
            raise
    return result


def due_index(scenario: Scenario, dc: int) -> DueIndex:
    """The shards of a business DC, an index into `topology.business_dcs`; a bucket is a stride of the replay, or a minute."""
    shard_count = schema_of(scenario).table(TableRole.DUE_INDEX).shard_count
    return DueIndex(
        first_shard=dc * shard_count, shard_count=shard_count, bucket_us=max(MINUTE_US, _stride_us(scenario))
    )


def plan_of(scenario: Scenario, estate: EstateModel, dc: int) -> CommandPlan:
    """The commands to a business DC's homes, without those that fall due before the replay starts."""
    commands = [one for one in commands_of(estate.packed) if one.first_us >= scenario.replay_from_us]
    premises = np.array([one.meter // len(estate.fuels) for one in commands], np.int64)
    home = estate.home_dc_of(premises).tolist()
    mine = [one for one, at in zip(commands, home, strict=True) if at == dc]
    return CommandPlan(scenario, estate, mine)


def retries_of(scenario: Scenario) -> Retries:
    """Mending commands are pursued as the first campaign's are."""
    first = scenario.campaigns[0]
    return Retries(
        attempts_max=first.attempts_max,
        timeout_us=round(first.timeout_s * 1e6),
        backoff_us=round(first.backoff_s * 1e6),
    )


def _serve(
    experiment: Experiment,
    dc: int,
    zero_ns: int,
    log: RequestLog,
    stop: threading.Event,
    is_excused: Callable[[], bool],
    require_alive: Callable[[], None],
    told: GatewayProgress,
) -> GatewayResult:
    """One DC's gateway."""
    scenario, estate = experiment.scenario, experiment.estate
    with experiment.session() as session:
        life = PartLife(require_alive)
        runner = MortalStatements(session, experiment.schema, scenario.topology, log, life)
        tables, accounts = CassandraCommandTables(runner), PrepaidAccounts(HomeCustomers(runner))
        result = Gateway(scenario, estate, dc, tables, stop, is_excused, accounts, told, life).carry_out(zero_ns)
    result.wall_s = (time.monotonic_ns() - zero_ns) / 1e9
    return result


class Gateway:
    """One DC's gateway, which lives through what the store does not let it finish, as through its own death.

    A call that failed leaves some of its rows behind. The gateway forgets what it holds in memory, waits, and goes on from what
    the store says is done; the network delivers again what came since. `FailureBudget` says for how long.
    """

    def __init__(
        self,
        scenario: Scenario,
        estate: EstateModel,
        dc: int,
        tables: CommandTables,
        stop: threading.Event,
        is_excused: Callable[[], bool] = lambda: False,
        accounts: PrepaidAccounts | None = None,
        told: GatewayProgress | None = None,
        life: PartLife | None = None,
    ) -> None:
        """dc: an index into the business DCs. stop: when set, what is open stays open. is_excused: see `FailureBudget`.

        accounts: into which top-ups pay that name a sum; None: into none. told: how far it is.
        life: the one that its requests end with.
        """
        self.done = GatewayResult()
        self._told = told or GatewayProgress()
        self._life = life or PartLife()
        self._scenario, self._plan = scenario, plan_of(scenario, estate, dc)
        self._store = CommandStore(
            tables,
            find_device=Registry(estate),
            index=due_index(scenario, dc),
            since_us=self._plan.start_us + scenario.replay_from_us,
        )
        self._meters = SimulatedMeters(Responder(parameters=estate.packed))
        self._devices = sorted({id_.target for id_ in self._plan.ids()})
        self._stop, self._patience = stop, FailureBudget(self.done, is_excused)
        self._accounts = accounts
        self._control: StoreControl | None = None
        self._reached_us = scenario.replay_from_us  # all before this was worked off, or the call that would have failed
        self._is_counting = False  # what is open must be known: nothing is paced any more

    def carry_out(self, zero_ns: int) -> GatewayResult:
        """Carry the campaigns out; zero_ns: the wall start of the replay [monotonic]. Raises StoreError: the budget is spent."""
        behind_s = self._pace(zero_ns)
        self._drain()
        drifts = self._reconcile()
        self._drain()
        if (accounts := self._accounts) is not None:
            self._through(lambda _: accounts.settle(self._store.tables, self._plan, self._stop))
        self._through(StoreControl.finish)
        result = self._through(lambda _: read_result(self._store, self._plan)) or GatewayResult()
        # a reconciliation that was begun again knows the drifts of its last beginning alone
        result.drifts = result.mending_states.total() if self.done.setbacks else drifts
        result.setbacks, result.behind_s_max = self.done.setbacks, behind_s
        self._told.states, self._told.is_over = dict(result.states), not self._stop.is_set()
        return result

    def _through(self, work: Callable[[StoreControl], Outcome]) -> Outcome | None:
        """What a piece of work returns, done again until the store lets it finish. None: stopped."""
        while not self._stop.wait(self._patience.wait_s):
            with self._patience:
                if self._control is None:
                    self._control = self._start()
                return work(self._control)
            self._control = None
        return None

    def _start(self) -> StoreControl:
        """A control plane that is as far as the last one was."""
        self._life.begin()
        self._meters.redeliver(self._store.cleared_us() - self._plan.start_us)
        accounts = self._accounts
        control = StoreControl(self._store, self._plan, *([] if accounts is None else [accounts.pay]), told=self._told)
        step_us, at_us = CATCH_UP_STRIDES_MAX * _stride_us(self._scenario), control.next_us
        while at_us < self._reached_us:
            at_us = min(at_us + step_us, self._reached_us)
            self._work_stride(control, at_us)
        if self._is_counting:
            for start in range(0, len(self._devices), CHUNK):
                control.find_open(self._devices[start : start + CHUNK])
        return control

    def _work(self, until_us: int) -> None:
        """Work off all before an instant [us]."""
        self._reached_us = max(self._reached_us, until_us)  # of a call that fails, `_start` does the rest
        self._through(lambda control: self._work_stride(control, until_us))

    def _work_stride(self, control: StoreControl, until_us: int) -> None:
        transmitted = work_stride(control, self._meters, until_us)
        self._told.attempts += transmitted

    def _pace(self, zero_ns: int) -> float:
        """Work off the span, each stride when the wall clock reaches its end; returns how far it was behind at most [s]."""
        scenario, pace = self._scenario, self._scenario.pace
        stride_us, at_us, behind_s = _stride_us(scenario), scenario.replay_from_us, 0.0
        while at_us < scenario.span_us and not self._stop.is_set():
            ahead_s = zero_ns / 1e9 + pace.wall_s_at(at_us + stride_us) - time.monotonic()
            if ahead_s > 0:
                self._stop.wait(ahead_s)
                continue
            behind_s = max(behind_s, -ahead_s)
            reached_us = pace.simulated_us_at(time.monotonic() - zero_ns / 1e9)
            strides = max((reached_us - at_us) // stride_us, 1)  # one that is behind takes many in one go
            strides = min(strides, CATCH_UP_STRIDES_MAX)
            at_us = min(at_us + strides * stride_us, scenario.span_us)
            self._work(at_us)
            if not self._stop.is_set():
                self._told.handle(pace.wall_s_at(at_us))
        self._told.handle(None)
        return behind_s

    def _drain(self) -> None:
        """Go on without pacing until every command has ended."""
        if self.done.setbacks and not self._is_counting:
            self._control = None  # what it knows to be open is of its own time
        self._is_counting = True
        stride_us, bound_us = _stride_us(self._scenario), self._next_us() + DRAIN_US_MAX
        while self._is_any_open() and (at_us := self._next_us()) < bound_us and not self._stop.is_set():
            self._work(at_us + stride_us)
            self._told.handle(None)

    def _next_us(self) -> int:
        """Before this instant nothing is known to happen [us]."""
        found = self._through(lambda control: control.next_us)
        return self._reached_us if found is None else found

    def _is_any_open(self) -> bool:
        return bool(self._through(lambda control: control.open_count))

    def _mend(self, devices: Sequence[int], control: StoreControl) -> list[Drift]:
        return control.reconcile(devices, retries_of(self._scenario))

    def _reconcile(self) -> int:
        """Compare all devices that were commanded; returns how many drifts there were."""
        drifts = 0
        for start in range(0, len(self._devices), CHUNK):
            devices = self._devices[start : start + CHUNK]
            drifts += len(self._through(partial(self._mend, devices)) or [])
            self._told.handle(None)
        return drifts


def read_result(store: CommandStore, plan: CommandPlan) -> GatewayResult:
    """What the store holds of a plan's commands."""
    result, ids = GatewayResult(), plan.ids()
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        for id_, course in zip(part, store.courses(part), strict=True):
            if course is None:
                continue
            if id_.originator == RECONCILER:
                result.mending_states[course.state.name] += 1
                result.illegal += len(course.illegal)
                continue
            result.states[course.state.name] += 1
            result.attempts += course.attempts
            result.replays += max(course.attempts - 1, 0)
            result.late += course.is_late
            result.repeats += course.repeats
            result.illegal += len(course.illegal)
    return result


def _stride_us(scenario: Scenario) -> int:
    """A quarter of a second of wall time at the mean speed, in whole seconds of the simulation."""
    return max(1, round(scenario.speed_up * STRIDE_S)) * 1_000_000
