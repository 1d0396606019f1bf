"""The closed loop: control plane and cohorts of devices exchange attempts and answers in windows of simulated time.

The windows need no looking back, because none is longer than the shortest path there and back: what is answered in a window
was sent before it. So a window is: the answers that fall due in it are given, then its attempts are taken, and the devices
say when they will answer. The control plane may be the simulated one or, through the same port, a real store's.

Readings are not in the loop. Those of the trace follow a command at the instant at which `sim.estate.commands.done_us`
has it done: the loop's own, when the simulated control plane sends. Attempts that another one sends at other instants
move no reading.

Source of the rule: conservative time windows; Nicol, "The cost of conservative synchronization in parallel discrete event
simulations", J. ACM 40 (1993).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import simpy
from numpy.typing import NDArray

from scenarios.domain import PARTITION_COUNT
from sim.control.plane import CommandAnswer, CommandRecord, ControlPlane, SimulatedCommand
from sim.draws.streams import below, word_of
from sim.estate.commands import ANSWER_US_MIN, attempt
from sim.estate.homes import NEVER_US, premises_words, region_of_words
from sim.estate.parameters import KernelParameters
from sim.kernels import kernel
from sim.units import IntArray

WINDOW_US_MAX = ANSWER_US_MIN
_ANSWERS_MAX = 2  # of one attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandBatch:
    """Attempts that were sent in a window, as columns of one length n >= 0."""

    command_id: IntArray  # int64[n]
    meter: IntArray  # int64[n]
    campaign: NDArray[np.int32]  # int32[n]: index into the scenario's
    attempt: NDArray[np.int32]  # int32[n]: from 1
    sent_us: IntArray  # int64[n] [us]

    def __len__(self) -> int:
        return len(self.command_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBatch:
    """Answers of devices, as columns of one length n >= 0."""

    command_id: IntArray  # int64[n]
    meter: IntArray  # int64[n]
    campaign: NDArray[np.int32]  # int32[n]: index into the scenario's
    attempt: NDArray[np.int32]  # int32[n]: which was answered, from 1
    is_refusal: NDArray[np.bool_]  # bool[n]: the device said no
    is_repeat: NDArray[np.bool_]  # bool[n]: the attempt's answer comes a second time
    at_us: IntArray  # int64[n]: arrival at the head-end [us]

    def __len__(self) -> int:
        return len(self.command_id)

    @property
    def first_count(self) -> int:
        """How many are the first answer to their attempt."""
        return int(np.count_nonzero(~self.is_repeat))

    def chosen(self, rows: NDArray[np.intp]) -> "AnswerBatch":
        """The rows of these indices, intp[m]."""
        return AnswerBatch(
            command_id=self.command_id[rows],
            meter=self.meter[rows],
            campaign=self.campaign[rows],
            attempt=self.attempt[rows],
            is_refusal=self.is_refusal[rows],
            is_repeat=self.is_repeat[rows],
            at_us=self.at_us[rows],
        )


_NO_COMMANDS = CommandBatch(
    command_id=np.empty(0, np.int64),
    meter=np.empty(0, np.int64),
    campaign=np.empty(0, np.int32),
    attempt=np.empty(0, np.int32),
    sent_us=np.empty(0, np.int64),
)


class CommandPort(Protocol):
    """The control plane's side of the loop. Calls alternate: a window's answers, then its attempts, then the next window's."""

    def take_commands(self, until_us: int) -> CommandBatch:
        """Go on to before `until_us`, the window's end, and return the attempts sent since the last call."""
        ...

    def give_answers(self, answers: AnswerBatch) -> None:
        """Take the answers of the window that begins, in order of arrival; not called when there are none."""
        ...


class Response(NamedTuple):
    """What becomes of a batch's attempts: their answers in no order, and how many will have none."""

    answers: AnswerBatch
    lost_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Responder:
    """The devices of one shard: those whose partition p has p % shard_count == shard. It has no state: answers are draws."""

    parameters: KernelParameters
    shard: int = 0
    shard_count: int = 1

    def respond(self, commands: CommandBatch) -> Response:
        """The answers to those attempts of a batch that are for the shard's meters."""
        room = _ANSWERS_MAX * len(commands)
        row, at_us = np.empty(room, np.int64), np.empty(room, np.int64)
        is_refusal, is_repeat = np.empty(room, np.bool_), np.empty(room, np.bool_)
        count, lost_count = _respond(
            self.parameters,
            self.shard,
            self.shard_count,
            commands.meter,
            commands.campaign,
            commands.attempt,
            commands.sent_us,
            row,
            at_us,
            is_refusal,
            is_repeat,
        )
        row = row[:count]
        answers = AnswerBatch(
            command_id=commands.command_id[row],
            meter=commands.meter[row],
            campaign=commands.campaign[row],
            attempt=commands.attempt[row],
            is_refusal=is_refusal[:count],
            is_repeat=is_repeat[:count],
            at_us=at_us[:count],
        )
        return Response(answers, lost_count)


@kernel
def _respond(
    p: KernelParameters,
    shard: int,
    shard_count: int,
    meter: IntArray,
    campaign: NDArray[np.int32],
    number: NDArray[np.int32],
    sent_us: IntArray,
    row: IntArray,
    at_us: IntArray,
    is_refusal: NDArray[np.bool_],
    is_repeat: NDArray[np.bool_],
) -> tuple[int, int]:
    """Write the answers to the shard's attempts, with the row of each; return how many there are, and attempts without one."""
    count, lost_count = 0, 0
    for at in range(len(meter)):
        premises = meter[at] // p.fuel_count
        four = premises_words(p.seed, premises)
        if shard_count > 1 and below(word_of(four, 2), PARTITION_COUNT) % shard_count != shard:
            continue
        region = region_of_words(p, four)
        one = attempt(p, int(campaign[at]), premises, region, meter[at], int(number[at]), sent_us[at])
        if not one.is_delivered:
            lost_count += 1
            continue
        for again in range(_ANSWERS_MAX):
            arrival_us = one.repeat_us if again == 1 else one.answer_us
            if arrival_us < NEVER_US:
                row[count], at_us[count] = at, arrival_us
                is_refusal[count], is_repeat[count] = one.is_refused, again == 1
                count += 1
    return count, lost_count


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopAccount:
    """The attempts since the start, at a window's end: each is answered, lost or in flight. Repeated answers count apart."""

    until_us: int
    sent: int
    answered: int  # the first answer has been given to the port
    lost: int  # none will come
    in_flight: int  # the first answer is on its way
    repeats: int  # further answers given to the port

    @property
    def is_conserved(self) -> bool:
        return self.sent == self.answered + self.lost + self.in_flight


def run_closed_loop(
    port: CommandPort,
    responders: Sequence[Responder],
    *,
    until_us: int,
    window_us: int = WINDOW_US_MAX,
    watch: Callable[[LoopAccount], None] | None = None,
) -> LoopAccount:
    """Run from 0 to before `until_us` in windows of `window_us`, the last perhaps shorter; returns the account at the end.

    The responders together own each meter once. `watch` is told the account at each window's end; the account is exact, and
    asserted, at each. The outcome is the same for any window length and any number of shards.
    """
    assert 0 < window_us <= WINDOW_US_MAX, "an answer could fall due in the window of its attempt"
    on_the_way = _AnswersOnTheWay(window_us)
    sent = answered = lost = repeats = 0
    account = LoopAccount(until_us=0, sent=0, answered=0, lost=0, in_flight=0, repeats=0)
    for from_us in range(0, until_us, window_us):
        to_us = min(from_us + window_us, until_us)
        due = on_the_way.take(from_us)
        if due is not None:
            port.give_answers(due)
            answered += due.first_count
            repeats += len(due) - due.first_count
        commands = port.take_commands(to_us)
        if len(commands):
            assert from_us <= commands.sent_us.min() <= commands.sent_us.max() < to_us, "an attempt of another window"
            sent += len(commands)
            for responder in responders:
                answers, lost_count = responder.respond(commands)
                lost += lost_count
                assert not len(answers) or answers.at_us.min() >= to_us, "an answer due in the window of its attempt"
                on_the_way.add(answers)
        account = LoopAccount(
            until_us=to_us,
            sent=sent,
            answered=answered,
            lost=lost,
            in_flight=on_the_way.first_count,
            repeats=repeats,
        )
        assert account.is_conserved, f"attempts are not conserved: {account}"
        if watch is not None:
            watch(account)
    return account


class _AnswersOnTheWay:
    """Answers that are not due yet, by the window in which they will be."""

    def __init__(self, window_us: int) -> None:
        self._window_us = window_us
        self._by_window: dict[int, list[AnswerBatch]] = {}
        self.first_count = 0

    def add(self, answers: AnswerBatch) -> None:
        if not len(answers):
            return
        window = answers.at_us // self._window_us
        order = np.argsort(window, kind="stable")
        windows, starts = np.unique(window[order], return_index=True)
        for index, rows in zip(windows.tolist(), np.split(order, starts[1:]), strict=True):
            part = answers.chosen(rows)
            self._by_window.setdefault(index, []).append(part)
            self.first_count += part.first_count

    def take(self, from_us: int) -> AnswerBatch | None:
        """The answers due in the window that begins, in order of arrival, whichever shard they are of; None: none."""
        parts = self._by_window.pop(from_us // self._window_us, None)
        if parts is None:
            return None
        whole = AnswerBatch(
            command_id=np.concatenate([part.command_id for part in parts]),
            meter=np.concatenate([part.meter for part in parts]),
            campaign=np.concatenate([part.campaign for part in parts]),
            attempt=np.concatenate([part.attempt for part in parts]),
            is_refusal=np.concatenate([part.is_refusal for part in parts]),
            is_repeat=np.concatenate([part.is_repeat for part in parts]),
            at_us=np.concatenate([part.at_us for part in parts]),
        )
        self.first_count -= whole.first_count
        return whole.chosen(np.lexsort((whole.is_repeat, whole.attempt, whole.command_id, whole.at_us)))


class SimulatedControl:
    """The simulated control plane at the port: its processes go on by one window a call.

    Raises ScenarioError for more events than `sim.control.plane.EVENTS_MAX`.
    """

    def __init__(self, p: KernelParameters, commands: Iterable[SimulatedCommand]) -> None:
        self._env = simpy.Environment()
        self._sent: list[tuple[int, int, int, int, int]] = []
        self._plane = ControlPlane(self._env, p.campaigns, self._transmit)
        for command in commands:
            self._plane.start(command)

    @property
    def records(self) -> list[CommandRecord]:
        return list(self._plane.records.values())

    def take_commands(self, until_us: int) -> CommandBatch:
        self._env.run(until=until_us)
        if not self._sent:  # as in most windows
            return _NO_COMMANDS
        rows = np.array(self._sent, np.int64).reshape(-1, 5)
        self._sent.clear()
        return CommandBatch(
            command_id=rows[:, 0].copy(),
            meter=rows[:, 1].copy(),
            campaign=rows[:, 2].astype(np.int32),
            attempt=rows[:, 3].astype(np.int32),
            sent_us=rows[:, 4].copy(),
        )

    def give_answers(self, answers: AnswerBatch) -> None:
        columns = (answers.command_id, answers.attempt, answers.is_refusal, answers.is_repeat, answers.at_us)
        for command_id, number, is_refusal, is_repeat, at_us in zip(*(c.tolist() for c in columns), strict=True):
            self._plane.expect(command_id, CommandAnswer(number, is_refusal, is_repeat, at_us))

    def _transmit(self, command: SimulatedCommand, number: int, sent_us: int) -> None:
        self._sent.append((command.id, command.meter, command.campaign, number, sent_us))
