"""The rows of commands in Cassandra: `store.schemas.home_months.commands` through `store.cassandra.session.Statements`.

Terminal states are compare-and-set with the serial consistency of the session's DC: a command must always be ended through
its home DC. A compare-and-set that fails is in doubt and never repeated: a serial read completes or rules it out.
"""

import time
from collections.abc import Sequence
from typing import Any

from scenarios.domain import CommandKind, Operation
from store.cassandra.session import Statements
from store.commands.machine import CommandEvent, End, State, Step
from store.commands.port import (
    Aspect,
    Command,
    CommandId,
    DeviceAnswer,
    DeviceState,
    Due,
    DueKind,
    Place,
    Request,
    Standing,
)
from store.commands.stamps import state_write_us, step_write_us
from store.operations import StoreOperation
from store.ports import StoreError, Values

KINDS = tuple(CommandKind)  # stored by index: new kinds go to the end
RESOLVE_MAX = 3
RESOLVE_WAIT_S = 1.0


class CassandraCommandTables:
    """Implements `store.commands.port.CommandTables`. The caller keeps and closes the session of `statements`."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def schedule(self, dues: Sequence[tuple[Place, Due]]) -> None:
        now_us = time.time_ns() // 1_000
        rows: list[Values] = [due_values(place, due, now_us) for place, due in dues]
        self._statements.run_many(StoreOperation.SCHEDULE_DUE, rows)

    def due(self, places: Sequence[Place], from_us: int, until_us: int) -> list[Due]:
        rows: list[Values] = [
            {"shard": place.shard, "bucket": place.bucket, "from_us": from_us, "until_us": until_us} for place in places
        ]
        return [
            Due(row.due_us, CommandId(row.originator, row.device, row.counter), row.attempt, DueKind(row.kind))
            for answer in self._statements.run_many(Operation.FIND_DUE, rows)
            for row in answer
        ]

    def clear(self, shards: Sequence[int], through_us: int) -> None:
        rows: list[Values] = [{"shard": shard, "through_us": through_us, "write_us": through_us} for shard in shards]
        self._statements.run_many(StoreOperation.CLEAR_DUE, rows)

    def cleared(self, shards: Sequence[int]) -> list[int | None]:
        answers = self._statements.run_many(StoreOperation.READ_DUE_CLEARED, [{"shard": shard} for shard in shards])
        return [answer[0].through_us if answer else None for answer in answers]

    def create(self, commands: Sequence[tuple[Request, Aspect]]) -> None:
        self._statements.run_many(Operation.CREATE_COMMAND, [created_values(*one) for one in commands])

    def send(self, commands: Sequence[Command]) -> None:
        rows: list[Values] = [
            {**_step(one.id, Step(one.sent_us, CommandEvent.SEND, one.attempt), one.open_state), "sent_us": one.sent_us}
            for one in commands
        ]
        self._statements.run_many(Operation.SEND_COMMAND, rows)

    def advance(self, commands: Sequence[Command], steps: Sequence[Step]) -> None:
        rows: list[Values] = [
            {**_step(one.id, step, one.open_state), "send_us": one.send_us}
            for one, step in zip(commands, steps, strict=True)
        ]
        self._statements.run_many(StoreOperation.WAIT_COMMAND, rows)

    def answer(self, answers: Sequence[DeviceAnswer], states: Sequence[State]) -> None:
        rows: list[Values] = [_step(one.id, one.step, state) for one, state in zip(answers, states, strict=True)]
        self._statements.run_many(Operation.ANSWER_COMMAND, rows)

    def end(self, ends: Sequence[tuple[CommandId, End]]) -> list[End | None]:
        rows: list[Values] = [
            {
                **_id(id_),
                "end_state": int(end.state),
                "ended_us": end.at_us,
                "end_attempt": end.attempt,
                "end_reason": end.reason,
            }
            for id_, end in ends
        ]
        answers = self._statements.run_many_if(Operation.END_COMMAND, rows)
        return [
            end if not isinstance(answer, StoreError) and answer[0] else self._stands(values, end, answer)
            for (_, end), values, answer in zip(ends, rows, answers, strict=True)
        ]

    def _stands(self, values: Values, end: End, answer: tuple[bool, Any] | StoreError) -> End | None:
        """The end that a command has after a compare-and-set that was not applied, or may have been."""
        for _ in range(RESOLVE_MAX):
            rows = self._read_serially(values)
            if not rows or rows[0].kind is None or rows[0].attempt < end.attempt:
                return None
            if rows[0].end_state is not None:
                return _end(rows[0])
            # nobody has ended it, and after a serial read nothing that was in doubt can do so any more: a new decision
            answer = self._statements.run_many_if(Operation.END_COMMAND, [values])[0]
            if not isinstance(answer, StoreError) and answer[0]:
                return end
        if isinstance(answer, StoreError):
            raise answer
        raise StoreError(f"{Operation.END_COMMAND} of {values['originator']:016x}: refused, and no end is there")

    def _read_serially(self, values: Values) -> list[Any]:
        """The command's row, after what was in doubt is done or ruled out. Raises StoreError when that can't be had either."""
        for _ in range(RESOLVE_MAX - 1):
            try:
                return self._statements.run_serial(StoreOperation.READ_COMMAND, values)
            except StoreError:
                time.sleep(RESOLVE_WAIT_S)
        return self._statements.run_serial(StoreOperation.READ_COMMAND, values)

    def read(self, ids: Sequence[CommandId]) -> list[Command | None]:
        answers = self._statements.run_many(StoreOperation.READ_COMMAND, [_id(id_) for id_ in ids])
        return [next((_command(row) for row in answer if row.kind is not None), None) for answer in answers]

    def poll(self, devices: Sequence[int]) -> list[list[Command]]:
        answers = self._statements.run_many(Operation.POLL_INBOX, [{"device": device} for device in devices])
        return [[_command(row) for row in answer if row.kind is not None] for answer in answers]

    def steps(self, ids: Sequence[CommandId]) -> list[list[Step]]:
        answers = self._statements.run_many(StoreOperation.READ_ATTEMPTS, [_id(id_) for id_ in ids])
        return [[Step(row.at_us, CommandEvent(row.event), row.attempt) for row in answer] for answer in answers]

    def write_states(self, states: Sequence[DeviceState]) -> None:
        rows: list[Values] = [
            {
                "device": one.device,
                "aspect": int(one.aspect),
                "standing": int(one.standing),
                "value": one.value,
                "at_us": one.at_us,
                "originator": one.cause.originator,
                "counter": one.cause.counter,
                "mends": one.mends,
                "write_us": state_write_us(one),
            }
            for one in states
        ]
        self._statements.run_many(StoreOperation.REPORT_STATE, rows)

    def states(self, devices: Sequence[int]) -> list[list[DeviceState]]:
        answers = self._statements.run_many(StoreOperation.READ_METER_STATE, [{"device": device} for device in devices])
        return [[_state(row) for row in answer] for answer in answers]


def _id(id_: CommandId) -> dict[str, Any]:
    return {"device": id_.target, "originator": id_.originator, "counter": id_.counter}


def _step(id_: CommandId, step: Step, state: State) -> dict[str, Any]:
    return {
        **_id(id_),
        "at_us": step.at_us,
        "event": int(step.event),
        "attempt": step.attempt,
        "open_state": int(state),
        "write_us": step_write_us(step),
    }


def due_values(place: Place, due: Due, now_us: int) -> Values:
    """What SCHEDULE_DUE binds.

    now_us: the clock's instant [us since the Unix epoch], by which the row is written, and not that at which it is due: windows
    of compaction are current as far as the newest row goes. An entry is a key alone: no order of writes can spoil it.
    """
    return {
        "shard": place.shard,
        "bucket": place.bucket,
        "due_us": due.due_us,
        **_id(due.id),
        "attempt": due.attempt,
        "kind": int(due.kind),
        "write_us": now_us,
    }


def created_values(request: Request, aspect: Aspect) -> Values:
    """What CREATE_COMMAND binds."""
    step = Step(request.created_us, CommandEvent.CREATE, 0)
    return {
        **_step(request.id, step, State.CREATED),
        "kind": KINDS.index(request.kind),
        "value": request.value,
        "text": request.text,
        "cause": request.cause,
        "created_us": request.created_us,
        "first_us": request.send_us,
        "send_us": request.send_us,
        "expires_us": request.expires_us,
        "attempts_max": request.attempts_max,
        "timeout_us": request.timeout_us,
        "backoff_us": request.backoff_us,
        "aspect": int(aspect),
        "standing": int(Standing.DESIRED),
        "mends": 0,
    }


def _command(row: Any) -> Command:
    request = Request(
        id=CommandId(row.originator, row.device, row.counter),
        kind=KINDS[row.kind],
        value=row.value,
        text=row.text,
        cause=row.cause,
        created_us=row.created_us,
        send_us=row.first_us,
        expires_us=row.expires_us,
        attempts_max=row.attempts_max,
        timeout_us=row.timeout_us,
        backoff_us=row.backoff_us,
    )
    return Command(
        request=request,
        open_state=State(row.open_state),
        attempt=row.attempt or 0,
        sent_us=row.sent_us or 0,
        send_us=row.send_us,
        end=_end(row),
    )


def _end(row: Any) -> End | None:
    if row.end_state is None:
        return None
    return End(State(row.end_state), row.ended_us, row.end_attempt, row.end_reason)


def _state(row: Any) -> DeviceState:
    return DeviceState(
        device=row.device,
        aspect=Aspect(row.aspect),
        standing=Standing(row.standing),
        value=row.value,
        at_us=row.at_us,
        cause=CommandId(row.originator, row.device, row.counter),
        mends=row.mends,
    )
