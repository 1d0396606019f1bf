"""The control plane as SimPy processes, for the few commands whose every state is wanted: a process each, in whole microseconds.

A process sends its command, waits for the time-out, backs off and sends again, up to the limit. An answer to any attempt
ends the command, however late, unless it is EXHAUSTED: that is terminal. What comes after the end is recorded and changes
nothing. An answer is an urgent event: at the instant of a time-out or of the next attempt it has arrived, as `<=` says in
`sim.estate.commands`, whose `run_command` finds the same from the key alone and is the form for campaigns of millions.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import simpy

from scenarios.domain import CommandState
from scenarios.spec import ScenarioError
from sim.estate.commands import (
    ANSWER_US_MIN,
    CommandOutcome,
    SimulatedAttempt,
    attempt,
    backoff_after_us,
    commanded_us,
)
from sim.estate.homes import NEVER_US, region_index
from sim.estate.parameters import KernelParameters, Records

EVENTS_MAX = 2_000_000  # some 20 s and 2 GB of SimPy; a nation's campaign is in arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCommand:
    """One command to one meter. `campaign` is an index into the scenario's; `first_us` is when it is sent first [us]."""

    id: int
    campaign: int
    meter: int
    first_us: int


class CommandAnswer(NamedTuple):
    """An acknowledgement or a refusal of one attempt (from 1), and when it arrives."""

    attempt: int
    is_refusal: bool
    is_repeat: bool
    at_us: int


class Policy(NamedTuple):
    """How often a command of a campaign is sent, and how long is waited [us]."""

    attempts_max: int
    timeout_us: int
    backoff_us: int


@dataclass(slots=True, kw_only=True)
class CommandRecord:
    """All that the control plane knows of a command: its attempts, the answers in order of arrival, and how it stands."""

    command: SimulatedCommand
    policy: Policy
    sent_us: list[int] = field(default_factory=list)  # of each attempt
    answers: list[CommandAnswer] = field(default_factory=list)
    state: CommandState = CommandState.IN_FLIGHT
    ended_us: int = NEVER_US
    applied_us: int = NEVER_US
    is_late: bool = False

    @property
    def has_ended(self) -> bool:
        return self.state is not CommandState.IN_FLIGHT

    @property
    def repeats(self) -> int:
        """Answers that changed nothing: beyond the one that ended the command, or any to one that is EXHAUSTED."""
        return len(self.answers) - int(self.state in (CommandState.APPLIED, CommandState.REJECTED))

    def outcome(self) -> CommandOutcome:
        """The command in the terms of the array form, as far as it has come."""
        return CommandOutcome(
            int(self.state), self.ended_us, len(self.sent_us), self.applied_us, self.is_late, max(self.repeats, 0)
        )

    def end(self, state: CommandState, at_us: int) -> None:
        assert not self.has_ended, "a terminal state is left"
        self.state, self.ended_us = state, at_us


Transmit = Callable[[SimulatedCommand, int, int], None]
"""Takes an attempt on its way: the command, the attempt's number from 1, and when it is sent [us]."""


class ControlPlane:
    """Commands as processes of one environment; attempts leave by `transmit`, answers are handed in by `expect`.

    Raises ScenarioError from a running environment when the events of its commands exceed `EVENTS_MAX`.
    """

    def __init__(self, env: simpy.Environment, campaigns: Records, transmit: Transmit) -> None:
        self._env = env
        self._transmit = transmit
        self._policies = [
            Policy(int(one["attempts_max"]), int(one["timeout_us"]), int(one["backoff_us"])) for one in campaigns
        ]
        self._answered: dict[int, simpy.Event] = {}
        self.records: dict[int, CommandRecord] = {}
        self.event_count = 0

    def start(self, command: SimulatedCommand) -> None:
        """Begin to pursue a command; it is sent at its own instant, now or later."""
        assert command.id not in self.records, "a command's id names one command"
        record = CommandRecord(command=command, policy=self._policies[command.campaign])
        self.records[command.id] = record
        self._answered[command.id] = self._env.event()
        self._env.process(self._pursue(record))

    def expect(self, command_id: int, answer: CommandAnswer) -> None:
        """Let an answer arrive at its instant, before whatever else falls to it."""
        self._count_event()
        arrival = self._env.event()
        arrival._ok, arrival._value = True, None  # as simpy.Timeout, which has no priority of its own
        arrival.callbacks.append(lambda _: self._take(self.records[command_id], answer))
        self._env.schedule(arrival, simpy.events.URGENT, answer.at_us - self._env.now)

    def _pursue(self, record: CommandRecord) -> Generator[Any, Any, None]:
        policy, answered = record.policy, self._answered[record.command.id]
        yield self._wait(record.command.first_us - self._env.now)
        for number in range(1, policy.attempts_max + 1):
            record.sent_us.append(self._env.now)
            self._transmit(record.command, number, self._env.now)
            yield self._wait(policy.timeout_us) | answered
            if answered.triggered:
                return
            if number == policy.attempts_max:
                record.end(CommandState.EXHAUSTED, self._env.now)
                return
            yield self._wait(backoff_after_us(policy.backoff_us, number)) | answered
            if answered.triggered:
                return

    def _take(self, record: CommandRecord, answer: CommandAnswer) -> None:
        assert 1 <= answer.attempt <= len(record.sent_us), "an answer to an attempt that was not made"
        sent_us = record.sent_us[answer.attempt - 1]
        record.answers.append(answer)
        if not answer.is_refusal:  # what the device did at the end of the shortest way there, whichever answer says so
            record.applied_us = min(record.applied_us, sent_us + ANSWER_US_MIN // 2)
        if record.has_ended:
            return
        record.end(CommandState.REJECTED if answer.is_refusal else CommandState.APPLIED, self._env.now)
        record.is_late = self._env.now > sent_us + record.policy.timeout_us
        self._answered[record.command.id].succeed()

    def _wait(self, for_us: int) -> simpy.Event:
        self._count_event()
        return self._env.timeout(for_us)

    def _count_event(self) -> None:
        self.event_count += 1
        if self.event_count > EVENTS_MAX:
            raise ScenarioError(
                f"campaigns: their commands need more than {EVENTS_MAX:,} events, too many for SimPy processes; "
                "use the array form, sim.estate.commands.run_command, which gives the same outcome, or command fewer meters"
            )


def commands_of(p: KernelParameters) -> list[SimulatedCommand]:
    """The commands of all campaigns of an estate, numbered by campaign and meter.

    Raises ScenarioError for an estate with more candidates than SimPy is for.
    """
    if p.campaign_count * p.premises_count > EVENTS_MAX:
        raise ScenarioError(
            f"campaigns: {p.campaign_count} for {p.premises_count:,} premises are too many for SimPy processes; "
            "use the array form, sim.estate.commands.run_command"
        )
    found: list[SimulatedCommand] = []
    for campaign, one in enumerate(p.campaigns[: p.campaign_count]):
        first_us = commanded_us(p, campaign)
        for premises in np.flatnonzero(first_us != NEVER_US).tolist():
            meter = premises * p.fuel_count + int(one["fuel"])
            found.append(
                SimulatedCommand(id=len(found), campaign=campaign, meter=meter, first_us=int(first_us[premises]))
            )
    return found


def answers_of(number: int, one: SimulatedAttempt) -> list[CommandAnswer]:
    """The answers to attempt `number`, none to two, from what becomes of it."""
    instants = ((False, one.answer_us), (True, one.repeat_us))
    return [
        CommandAnswer(number, one.is_refused, is_repeat, at_us) for is_repeat, at_us in instants if at_us < NEVER_US
    ]


def simulate_commands(
    p: KernelParameters, commands: Iterable[SimulatedCommand], *, until_us: int | None = None
) -> list[CommandRecord]:
    """Pursue commands to the end, or as far as they come before `until_us` [us]; the devices answer by the keyed draws.

    Raises ScenarioError for more events than `EVENTS_MAX`.
    """

    def transmit(command: SimulatedCommand, number: int, sent_us: int) -> None:
        premises = command.meter // p.fuel_count
        region = region_index(p, premises)
        one = attempt(p, command.campaign, premises, region, command.meter, number, sent_us)
        for answer in answers_of(number, one):
            plane.expect(command.id, answer)

    env = simpy.Environment()
    plane = ControlPlane(env, p.campaigns, transmit)
    for command in commands:
        plane.start(command)
    env.run(until=until_us)
    return list(plane.records.values())
