"""The rows of commands as dictionaries: the model that the real ones are held against. The latest write timestamp wins."""

from collections.abc import Sequence

from store.commands.machine import CommandEvent, End, State, Step
from store.commands.port import (
    Aspect,
    Command,
    CommandId,
    DeviceAnswer,
    DeviceState,
    Due,
    Place,
    Request,
    Standing,
)
from store.commands.stamps import state_write_us, step_write_us


class MemoryCommandTables:
    """Implements `store.commands.port.CommandTables`."""

    def __init__(self) -> None:
        self._requests: dict[int, dict[CommandId, Request]] = {}
        self._open: dict[CommandId, tuple[int, State]] = {}
        self._next: dict[CommandId, tuple[int, int]] = {}
        self._sent: dict[CommandId, tuple[int, int, int]] = {}
        self._ends: dict[CommandId, End] = {}
        self._steps: dict[CommandId, set[Step]] = {}
        self._dues: dict[Place, set[Due]] = {}
        self._cleared: dict[int, int] = {}
        self._states: dict[int, dict[tuple[Aspect, Standing], DeviceState]] = {}

    def schedule(self, dues: Sequence[tuple[Place, Due]]) -> None:
        for place, due in dues:
            self._dues.setdefault(place, set()).add(due)

    def due(self, places: Sequence[Place], from_us: int, until_us: int) -> list[Due]:
        return [due for place in places for due in self._dues.get(place, ()) if from_us <= due.due_us < until_us]

    def clear(self, shards: Sequence[int], through_us: int) -> None:
        for shard in shards:
            self._cleared[shard] = max(through_us, self._cleared.get(shard, through_us))

    def cleared(self, shards: Sequence[int]) -> list[int | None]:
        return [self._cleared.get(shard) for shard in shards]

    def create(self, commands: Sequence[tuple[Request, Aspect]]) -> None:
        for request, aspect in commands:
            self._requests.setdefault(request.id.target, {})[request.id] = request
            first = Step(request.created_us, CommandEvent.CREATE, 0)
            self._take(request.id, first, State.CREATED)
            self._wait(request.id, first, request.send_us)
            self.write_states(
                [
                    DeviceState(
                        device=request.id.target,
                        aspect=aspect,
                        standing=Standing.DESIRED,
                        value=request.value,
                        at_us=request.created_us,
                        cause=request.id,
                    )
                ]
            )

    def send(self, commands: Sequence[Command]) -> None:
        for one in commands:
            step = Step(one.sent_us, CommandEvent.SEND, one.attempt)
            self._take(one.id, step, one.open_state)
            sent = (step_write_us(step), one.attempt, one.sent_us)
            self._sent[one.id] = max(sent, self._sent.get(one.id, sent))

    def advance(self, commands: Sequence[Command], steps: Sequence[Step]) -> None:
        for one, step in zip(commands, steps, strict=True):
            self._take(one.id, step, one.open_state)
            self._wait(one.id, step, one.send_us)

    def answer(self, answers: Sequence[DeviceAnswer], states: Sequence[State]) -> None:
        for one, state in zip(answers, states, strict=True):
            self._take(one.id, one.step, state)

    def end(self, ends: Sequence[tuple[CommandId, End]]) -> list[End | None]:
        stands: list[End | None] = []
        for id_, end in ends:
            command = self.read([id_])[0]
            was_sent = command is not None and command.attempt >= end.attempt
            stands.append(self._ends.setdefault(id_, end) if was_sent else None)
        return stands

    def read(self, ids: Sequence[CommandId]) -> list[Command | None]:
        return [self._command(id_) if id_ in self._requests.get(id_.target, {}) else None for id_ in ids]

    def poll(self, devices: Sequence[int]) -> list[list[Command]]:
        return [[self._command(id_) for id_ in sorted(self._requests.get(device, {}))] for device in devices]

    def steps(self, ids: Sequence[CommandId]) -> list[list[Step]]:
        return [sorted(self._steps.get(id_, ())) for id_ in ids]

    def write_states(self, states: Sequence[DeviceState]) -> None:
        for one in states:
            held = self._states.setdefault(one.device, {})
            before = held.get((one.aspect, one.standing))
            if before is None or state_write_us(one) >= state_write_us(before):
                held[one.aspect, one.standing] = one

    def states(self, devices: Sequence[int]) -> list[list[DeviceState]]:
        return [[one for _, one in sorted(self._states.get(device, {}).items())] for device in devices]

    def _take(self, id_: CommandId, step: Step, state: State) -> None:
        self._steps.setdefault(id_, set()).add(step)
        held = (step_write_us(step), state)
        self._open[id_] = max(held, self._open.get(id_, held))

    def _wait(self, id_: CommandId, step: Step, send_us: int) -> None:
        held = (step_write_us(step), send_us)
        self._next[id_] = max(held, self._next.get(id_, held))

    def _command(self, id_: CommandId) -> Command:
        _, attempt, sent_us = self._sent.get(id_, (0, 0, 0))
        return Command(
            request=self._requests[id_.target][id_],
            open_state=self._open[id_][1],
            attempt=attempt,
            sent_us=sent_us,
            send_us=self._next[id_][1],
            end=self._ends.get(id_),
        )
