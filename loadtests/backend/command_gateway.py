"""The gateways of a run: in each business DC one, which carries the scenario's campaigns out beside the storm.

A command is created, sent, judged and ended through the home DC of its premises alone: its one terminal state is agreed on
by the replicas of that DC.
"""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

import numpy as np

from loadtests.backend.command_control import SimulatedMeters, StoreControl, work_stride
from loadtests.backend.command_plan import CommandPlan, Registry
from loadtests.backend.timed_statements import MeasuredStatements, RequestLog
from loadtests.workload.experiment import Experiment
from scenarios.domain import DAY_US
from scenarios.spec import Scenario, ScenarioError
from sim.control.closed_loop import Responder
from sim.control.plane import EVENTS_MAX, commands_of
from sim.estate.model import EstateModel
from store.cassandra.commands import CassandraCommandTables
from store.commands.port import DueIndex
from store.commands.store import RECONCILER, CommandStore, Retries
from store.roles import TableRole
from store.schemas import schema_of

STRIDE_S = 0.25
CHUNK = 500  # commands or devices that are read at once
MINUTE_US = 60_000_000
DRAIN_US_MAX = 60 * DAY_US  # beyond the longest course of a command


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

    def add(self, other: "GatewayResult") -> None:
        self.states += other.states
        self.mending_states += other.mending_states
        for name in ("attempts", "replays", "late", "repeats", "drifts", "illegal"):
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


def run_gateway(experiment: Experiment, *, zero_ns: int, log: RequestLog, stop: threading.Event) -> GatewayResult:
    """Carry the scenario's campaigns out beside a storm; returns when all commands have ended.

    zero_ns: the wall start of the replay [monotonic]. log: is told every request. stop: when set, what is open stays open.
    After the span nothing is paced: what is still open is pursued to its end, and what has drifted is mended.
    Raises HarnessError when a DC can't be reached, StoreError when the store can't go on.
    """
    result = GatewayResult()
    dcs = experiment.topology.business_dcs
    with ThreadPoolExecutor(len(dcs), thread_name_prefix="gateway") as pool:
        serving = [
            pool.submit(_serve, experiment.through(dc.name), number, zero_ns, log, stop)
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


def _serve(experiment: Experiment, dc: int, zero_ns: int, log: RequestLog, stop: threading.Event) -> GatewayResult:
    """One DC's gateway."""
    scenario, estate = experiment.scenario, experiment.estate
    plan = plan_of(scenario, estate, dc)
    with experiment.session() as session:
        store = CommandStore(
            CassandraCommandTables(MeasuredStatements(session, experiment.schema, scenario.topology, log)),
            find_device=Registry(estate),
            index=due_index(scenario, dc),
            since_us=plan.start_us + scenario.replay_from_us,
        )
        control, meters = StoreControl(store, plan), SimulatedMeters(Responder(parameters=estate.packed))
        behind_s = _pace(control, meters, scenario, zero_ns, stop)
        _drain(control, meters, scenario, stop)
        drifts = _reconcile(control, plan, scenario, stop)
        _drain(control, meters, scenario, stop)
        control.finish()
        result = read_result(store, plan)
    result.drifts, result.behind_s_max = drifts, behind_s
    result.wall_s = (time.monotonic_ns() - zero_ns) / 1e9
    return result


def _pace(
    control: StoreControl, meters: SimulatedMeters, scenario: Scenario, zero_ns: int, stop: threading.Event
) -> float:
    """Work off the span, each stride when the wall clock reaches its end; returns how far it was behind at most [s]."""
    stride_us, at_us, behind_s, pace = _stride_us(scenario), scenario.replay_from_us, 0.0, scenario.pace
    while at_us < scenario.span_us and not stop.is_set():
        ahead_s = zero_ns / 1e9 + pace.wall_s_at(at_us + stride_us) - time.monotonic()
        if ahead_s > 0:
            stop.wait(ahead_s)
            continue
        behind_s = max(behind_s, -ahead_s)
        reached_us = pace.simulated_us_at(time.monotonic() - zero_ns / 1e9)
        strides = max((reached_us - at_us) // stride_us, 1)  # one that is behind catches up in one go
        at_us = min(at_us + strides * stride_us, scenario.span_us)
        work_stride(control, meters, at_us)
    return behind_s


def _drain(control: StoreControl, meters: SimulatedMeters, scenario: Scenario, stop: threading.Event) -> None:
    """Go on without pacing until every command has ended."""
    stride_us, bound_us = _stride_us(scenario), control.next_us + DRAIN_US_MAX
    while control.ended < control.created and control.next_us < bound_us and not stop.is_set():
        work_stride(control, meters, control.next_us + stride_us)


def _reconcile(control: StoreControl, plan: CommandPlan, scenario: Scenario, stop: threading.Event) -> int:
    """Compare all devices that were commanded; returns how many drifts there were."""
    devices = sorted({id_.target for id_ in plan.ids()})
    drifts = 0
    for start in range(0, len(devices), CHUNK):
        if not stop.is_set():
            drifts += len(control.reconcile(devices[start : start + CHUNK], retries_of(scenario)))
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
