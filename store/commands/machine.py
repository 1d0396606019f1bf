"""The states of a command as one table of transitions: pure, the only place that says what is legal.

A device's answer to a command that has ended, or a repeated one, changes nothing: it is recorded and counted. Everything
else that the table does not have is illegal. The diagram in `docs/commands.md` is drawn from the table.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from scenarios.domain import DAY_US, CommandState

BACKOFF_US_MAX = 7 * DAY_US
_DOUBLINGS_MAX = 20  # so that the longest backoff, doubled so often, is still an int64


class State(IntEnum):
    """How a command stands. The numbers are stored: new states go to the end."""

    CREATED = 0
    SENT = 1
    DELIVERED_TO_HUB = 2
    ACKNOWLEDGED = 3  # the device has it and has yet to say how it went
    APPLIED = 4
    REJECTED = 5
    TIMED_OUT = 6
    RETRY_WAIT = 7
    EXHAUSTED = 8
    EXPIRED = 9
    CANCELLED = 10
    SUPERSEDED = 11


class CommandEvent(IntEnum):
    """What happens to a command, in the order that events of one instant have: an answer has arrived before a time-out."""

    CREATE = 0
    REACH_HUB = 1
    ACKNOWLEDGE = 2  # the device has it and will say later how it went
    APPLY = 3
    REFUSE = 4
    TIME_OUT = 5
    BACK_OFF = 6
    EXHAUST = 7
    EXPIRE = 8
    CANCEL = 9
    SUPERSEDE = 10
    SEND = 11


ANSWERS = frozenset({CommandEvent.REACH_HUB, CommandEvent.ACKNOWLEDGE, CommandEvent.APPLY, CommandEvent.REFUSE})
"""What comes from outside: never illegal, for a device may say anything at any time after it was asked."""

ENDED_BY: Mapping[State, CommandEvent] = {
    State.APPLIED: CommandEvent.APPLY,
    State.REJECTED: CommandEvent.REFUSE,
    State.EXHAUSTED: CommandEvent.EXHAUST,
    State.EXPIRED: CommandEvent.EXPIRE,
    State.CANCELLED: CommandEvent.CANCEL,
    State.SUPERSEDED: CommandEvent.SUPERSEDE,
}
TERMINAL = frozenset(ENDED_BY)

_ANSWERED = {CommandEvent.APPLY: State.APPLIED, CommandEvent.REFUSE: State.REJECTED}
_ACKNOWLEDGED = {
    CommandEvent.ACKNOWLEDGE: State.ACKNOWLEDGED
}  # not once it has timed out: nobody waits for the rest then
_GIVEN_UP = {
    CommandEvent.EXPIRE: State.EXPIRED,
    CommandEvent.CANCEL: State.CANCELLED,
}  # only while no attempt is on its way
_SUPERSEDED = {CommandEvent.SUPERSEDE: State.SUPERSEDED}  # at any time: the newer command's effect is what counts

_BY_STATE: Mapping[State, Mapping[CommandEvent, State]] = {
    # REFUSE of a command that was never sent is the platform's: it is illegal for its device
    State.CREATED: {CommandEvent.SEND: State.SENT, CommandEvent.REFUSE: State.REJECTED, **_GIVEN_UP, **_SUPERSEDED},
    State.SENT: {
        CommandEvent.REACH_HUB: State.DELIVERED_TO_HUB,
        CommandEvent.TIME_OUT: State.TIMED_OUT,
        **_ACKNOWLEDGED,
        **_ANSWERED,
        **_SUPERSEDED,
    },
    State.DELIVERED_TO_HUB: {CommandEvent.TIME_OUT: State.TIMED_OUT, **_ACKNOWLEDGED, **_ANSWERED, **_SUPERSEDED},
    State.ACKNOWLEDGED: {CommandEvent.TIME_OUT: State.TIMED_OUT, **_ANSWERED, **_SUPERSEDED},
    State.TIMED_OUT: {
        CommandEvent.BACK_OFF: State.RETRY_WAIT,
        CommandEvent.EXHAUST: State.EXHAUSTED,
        **_ANSWERED,
        **_GIVEN_UP,
        **_SUPERSEDED,
    },
    State.RETRY_WAIT: {CommandEvent.SEND: State.SENT, **_ANSWERED, **_GIVEN_UP, **_SUPERSEDED},
}
TRANSITIONS: Mapping[tuple[State, CommandEvent], State] = {
    (state, event): to for state, row in _BY_STATE.items() for event, to in row.items()
}
"""(state, event) -> state. What is not here is either without effect or illegal."""


class IllegalTransition(Exception):
    """The command can't do this in its state; the message names both."""


def next_state(state: State, event: CommandEvent) -> State:
    """The state after an event; the same state for an answer that has no effect. Raises IllegalTransition."""
    to = TRANSITIONS.get((state, event))
    if to is not None:
        return to
    if has_no_effect(state, event):
        return state
    raise IllegalTransition(f"{event.name} of a command that is {state.name}")


def has_no_effect(state: State, event: CommandEvent) -> bool:
    """Is the event an answer that is late or repeated, and so changes nothing? CREATED has had no attempt to be answered."""
    return event in ANSWERS and state is not State.CREATED and (state, event) not in TRANSITIONS


def backoff_us(first_us: int, attempt: int) -> int:
    """The wait between the time-out of an attempt (from 1) and the next: doubled each time, to a bound [us]."""
    return min(first_us << min(attempt - 1, _DOUBLINGS_MAX), BACKOFF_US_MAX)


class Step(NamedTuple):
    """One event of a command's log. `at_us` first and then the event: the order of a log."""

    at_us: int
    event: CommandEvent
    attempt: int  # from 1; 0 for CREATE


class End(NamedTuple):
    """The one terminal state of a command, when, and of which attempt; `reason` where a person may ask for it."""

    state: State
    at_us: int
    attempt: int
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a command's log adds up to."""

    state: State
    attempts: int
    ended_us: int | None
    is_late: bool  # the answer that ended it came after its own attempt's time-out
    repeats: int  # answers that changed nothing: beyond the one that ended it
    illegal: tuple[str, ...]  # what the table does not have, in words; empty for every sound log


def fold(steps: Iterable[Step], end: End | None, *, timeout_us: int) -> Course:
    """Walk a log in its order, with the terminal state that was agreed on. Judges, and raises nothing.

    The log has the answers that did not end the command; what did, an answer or the platform, stands in `end` alone.
    """
    state, attempts, repeats = State.CREATED, 0, 0
    sent_us: dict[int, int] = {}
    illegal: list[str] = []
    last = None if end is None else Step(end.at_us, ENDED_BY[end.state], end.attempt)
    for step in sorted([*steps, *([] if last is None else [last])]):
        if step.event is CommandEvent.CREATE:
            continue
        is_end = step is last
        if step.event is CommandEvent.SEND:
            attempts += 1
            sent_us[step.attempt] = step.at_us
            if step.attempt != attempts:
                illegal.append(f"attempt {step.attempt} is the {attempts}. to be sent")
        elif step.event in ANSWERS and step.attempt not in sent_us and step.attempt > 0:  # 0: refused by the platform
            illegal.append(f"{step.event.name} of attempt {step.attempt}, which was not sent")
        if step.event in (CommandEvent.APPLY, CommandEvent.REFUSE) and not is_end:
            repeats += 1
            continue
        repeats += has_no_effect(state, step.event)
        try:
            state = next_state(state, step.event)
        except IllegalTransition as error:
            illegal.append(str(error))
    answer_end = end is not None and end.state in (State.APPLIED, State.REJECTED) and end.attempt in sent_us
    return Course(
        state=end.state if end is not None else state,
        attempts=attempts,
        ended_us=end.at_us if end is not None else None,
        is_late=end is not None and answer_end and end.at_us > sent_us[end.attempt] + timeout_us,
        repeats=repeats,
        illegal=tuple(illegal),
    )


def simulated(state: State) -> CommandState:
    """The state in the simulator's terms, which knows one way only for the platform to give a command up."""
    match state:
        case State.APPLIED:
            return CommandState.APPLIED
        case State.REJECTED:
            return CommandState.REJECTED
        case State.EXHAUSTED | State.EXPIRED | State.CANCELLED | State.SUPERSEDED:
            return CommandState.EXHAUSTED
    return CommandState.IN_FLIGHT
