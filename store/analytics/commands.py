"""Commands of the warehouse: what the log of each comes to by the transition table, and what is kept of the devices' states."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from store.analytics.data_sets import COMMAND_SETS, COMMANDS, DEVICE_STATES, Rows, columns_of
from store.columns import Piece, integers, merge_by_token, row_count
from store.commands.machine import State, Step, fold
from store.commands.port import ASPECT_OF, Aspect, Command, CommandTables, DeviceState
from store.ports import Bulk
from store.roles import TableRole
from store.tables import Schema

DEVICES_AT_ONCE = 500


def has_commands(schema: Schema) -> bool:
    """Does a design keep commands, their steps and the states of devices?"""
    roles = (TableRole.COMMANDS, TableRole.COMMAND_STEPS, TableRole.DEVICE_STATE)
    return all(schema.find(role) is not None for role in roles)


def devices_of(bulk: Bulk, schema: Schema, piece: Piece) -> Iterator[int]:
    """The devices of a part of the ring that were commanded, or of which a state is kept. Raises StoreError."""
    commands, states = (
        bulk.scan(schema.table(role), ("device",), piece) for role in (TableRole.COMMANDS, TableRole.DEVICE_STATE)
    )
    for pages in merge_by_token(commands, states):
        found = [integers(page, "device") for page in pages if page and row_count(page)]
        yield from np.unique(np.concatenate(found)).tolist() if found else ()


@dataclass(frozen=True, slots=True)
class CommandReader:
    """Reads what a keyspace has of commands. devices_of: the devices of a part of the ring."""

    tables: CommandTables
    devices_of: Callable[[Piece], Iterator[int]]

    @property
    def data_sets(self) -> tuple[str, ...]:
        return COMMAND_SETS

    def rows(self, piece: Piece) -> Iterator[Rows]:
        devices = self.devices_of(piece)
        while some := list(islice(devices, DEVICES_AT_ONCE)):
            commands = [one for inbox in self.tables.poll(some) for one in inbox]
            logs = self.tables.steps([one.id for one in commands])
            states = [one for of_device in self.tables.states(some) for one in of_device]
            yield {
                COMMANDS: columns_of(
                    _COMMAND_COLUMNS, [_command_row(*one) for one in zip(commands, logs, strict=True)]
                ),
                DEVICE_STATES: columns_of(_STATE_COLUMNS, [_state_row(one) for one in states]),
            }


_COMMAND_COLUMNS = (
    *("device", "originator", "counter", "aspect", "value", "created_us"),
    *("state", "held_state", "ended_us", "attempts", "illegal"),
)
_STATE_COLUMNS = ("device", "aspect", "standing", "value", "at_us", "originator", "counter", "mends")


def _command_row(command: Command, steps: Sequence[Step]) -> list[int]:
    course = fold(steps, command.end, timeout_us=command.request.timeout_us)
    return [
        *(command.id.target, command.id.originator, command.id.counter),
        *(int(_aspect_of(command)), command.request.value, command.request.created_us),
        *(int(course.state), int(command.state), course.ended_us or 0, course.attempts, len(course.illegal)),
    ]


def _aspect_of(command: Command) -> Aspect:
    """What the command desires: nothing, where the platform has refused it at once."""
    is_refused = command.end is not None and command.end.state is State.REJECTED and command.end.attempt == 0
    return Aspect.NONE if is_refused else ASPECT_OF.get(command.request.kind, Aspect.NONE)


def _state_row(state: DeviceState) -> list[int]:
    return [
        *(state.device, int(state.aspect), int(state.standing), state.value, state.at_us),
        *(state.cause.originator, state.cause.counter, state.mends),
    ]
