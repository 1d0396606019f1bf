"""Explicit write timestamps of commands' rows: the instant that a write is about, and its rank among those of one instant.

So a write that is repeated after a crash, however late, can't undo what came after it, whatever the clocks say.
"""

from store.commands.machine import CommandEvent, Step
from store.commands.port import DeviceState

# A time-out, the backoff that follows from it and, after a backoff of 0, the next attempt can be of one instant.
_RANK = {CommandEvent.BACK_OFF: 1, CommandEvent.SEND: 2}


def step_write_us(step: Step) -> int:
    return step.at_us + _RANK.get(step.event, 0)


def state_write_us(state: DeviceState) -> int:
    return state.at_us
