"""What is decided about commands, on whatever holds their rows: recorded, sent, given up, replayed, ended, reconciled.

A due entry is written before the step that makes it true, so a gateway that dies in between finds the entry again and
does the step then; an entry without its step is stale, and the command's own row tells. A shard has one gateway at a time,
in the command's home DC, which moves on only when all that is due before an instant has been handled.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from scenarios.domain import DAY_US, CommandKind, Fuel
from store.commands.machine import (
    TERMINAL,
    TRANSITIONS,
    CommandEvent,
    Course,
    End,
    State,
    Step,
    backoff_us,
    fold,
    has_no_effect,
    next_state,
)
from store.commands.port import (
    ASPECT_OF,
    TEXT_MAX,
    WAIT_US_MAX,
    Aspect,
    Command,
    CommandId,
    CommandRefused,
    CommandTables,
    Device,
    DeviceAnswer,
    DeviceState,
    Due,
    DueIndex,
    DueKind,
    Effect,
    Request,
    Standing,
)
from store.ports import StoreError

MENDS_MAX = 3  # of one desired value: then a person must look
RECONCILER = 0x00_1D_B7_FF_FF_00_00_01  # the originator of mending commands


class RecordedAttempt(NamedTuple):
    """An attempt that is recorded, and so may be transmitted. Transmitting it again is harmless."""

    command: Command
    attempt: int
    sent_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pursuit:
    """What came of due entries."""

    attempts: list[RecordedAttempt]  # to be transmitted now
    scheduled: list[Due]  # new entries, for a gateway that goes on before it reads the index again
    ended: list[CommandId]
    stale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How commands are pursued [us]."""

    attempts_max: int
    timeout_us: int
    backoff_us: int


class Drift(NamedTuple):
    """A difference that reconciliation found; `mending` is None where enough commands were issued for it already."""

    desired: DeviceState
    reported: DeviceState | None
    mending: Request | None
    mends: int  # commands issued for it, this one included


class CommandStore:
    """Commands of one home DC. `find_device` asks the asset register; None is an unknown device."""

    def __init__(
        self, tables: CommandTables, *, find_device: Callable[[int], Device | None], index: DueIndex, since_us: int
    ) -> None:
        """`since_us`: nothing was ever due before this [us]; where a shard that nobody has served begins."""
        self.tables = tables
        self.index = index
        self._find_device = find_device
        self._since_us = since_us

    # -- creation ----------------------------------------------------------------------------------------------------

    def create(self, requests: Sequence[Request]) -> list[Command]:
        """Record commands; what is illegal for its device is recorded as REJECTED, with the reason. Repeating changes nothing.

        Raises CommandRefused, before anything is recorded, for an id that names another request already; StoreError.
        """
        held = self.tables.read([request.id for request in requests])
        for request, command in zip(requests, held, strict=True):
            if command is not None and not _is_same(command.request, request):
                raise CommandRefused(f"{request.id} is another command already: {command.request.kind}")
        reasons = [self.why_illegal(request) for request in requests]
        new = [
            (_without_long_text(request), why)
            for request, command, why in zip(requests, held, reasons, strict=True)
            if command is None
        ]
        self._schedule([first_due(request) for request, why in new if not why])
        self.tables.create(
            [(request, Aspect.NONE if why else ASPECT_OF.get(request.kind, Aspect.NONE)) for request, why in new]
        )
        commands = [
            command or _as_created(_without_long_text(request)) for request, command in zip(requests, held, strict=True)
        ]
        refused = [i for i, why in enumerate(reasons) if why and commands[i].end is None]
        ends = [(commands[i].id, End(State.REJECTED, commands[i].request.created_us, 0, reasons[i])) for i in refused]
        for i, end in zip(refused, self.tables.end(ends), strict=True):
            commands[i] = replace(commands[i], end=_shown(end, commands[i].id))
        return commands

    def why_illegal(self, request: Request) -> str:
        """Why a device can't be asked this; empty when it can."""
        device = self._find_device(request.id.target)
        if device is None:
            return f"unknown device {request.id.target:016x}"
        if device.removed_us <= request.created_us:
            return f"device {request.id.target:016x} was removed"
        if device.fuel is Fuel.GAS and request.kind in (CommandKind.ENABLE_SUPPLY, CommandKind.DISABLE_SUPPLY):
            return f"{request.kind} is illegal for gas: a gas supply can only be armed from afar"
        if len(request.text) > TEXT_MAX:
            return f"text of {len(request.text)} characters; at most {TEXT_MAX} can be shown"
        wait_us = max(request.send_us - request.created_us, request.timeout_us)
        if wait_us > WAIT_US_MAX:
            return f"it waits for {wait_us / DAY_US:.1f} days; at most {WAIT_US_MAX // DAY_US} are remembered: ask for it later"
        return ""

    # -- what is due -------------------------------------------------------------------------------------------------

    def cleared_us(self) -> int:
        """All that is due before this has been handled, in every shard."""
        return min(self._since_us if one is None else one for one in self.tables.cleared(self.index.shards))

    def find_due(self, until_us: int, *, from_us: int | None = None) -> list[Due]:
        """What is due before an instant and not yet cleared, in order of time. Its cost is that of the span's buckets."""
        start_us = self.cleared_us() if from_us is None else from_us
        if start_us >= until_us:
            return []
        return sorted(self.tables.due(self.index.places(start_us, until_us), start_us, until_us))

    def clear_due(self, through_us: int) -> None:
        """Remember that all that is due before an instant has been handled, so that a restart goes on there."""
        self.tables.clear(self.index.shards, through_us)

    def pursue(self, dues: Sequence[Due]) -> Pursuit:
        """Do what is due, at most one entry a command: send, replay, give up. Each at its own instant, whenever it is found.

        Polls the inboxes of the devices and looks at nothing else to know how a command stands.
        """
        assert len({due.id for due in dues}) == len(dues), "two entries of one command: the second depends on the first"
        inboxes = self.tables.poll([due.id.target for due in dues])
        commands = [
            next((one for one in inbox if one.id == due.id), None) for due, inbox in zip(dues, inboxes, strict=True)
        ]
        known = [(due, one) for due, one in zip(dues, commands, strict=True) if one is not None]
        again = [RecordedAttempt(one, due.attempt, due.due_us) for due, one in known if _is_sent_for(due, one)]
        live = [(due, one) for due, one in known if one.end is None]
        sends = [(one, due.due_us) for due, one in live if _is_to_send(due, one)]
        late = [(due, one) for due, one in live if _is_overdue(due, one)]
        attempts, scheduled, ended = self._send(sends)
        more_scheduled, more_ended = self._time_out(late)
        return Pursuit(
            attempts=[*again, *attempts],
            scheduled=[*scheduled, *more_scheduled],
            ended=[*ended, *more_ended],
            stale=len(dues) - len(again) - len(sends) - len(late),
        )

    def _send(self, sends: Sequence[tuple[Command, int]]) -> tuple[list[RecordedAttempt], list[Due], list[CommandId]]:
        expired = [(one, at_us) for one, at_us in sends if at_us >= one.request.expires_us]
        ended = self._give_up([(one, CommandEvent.EXPIRE, at_us, "its time ran out") for one, at_us in expired])
        sent = [_sent(one, at_us) for one, at_us in sends if at_us < one.request.expires_us]
        return self.record_attempts(sent), [deadline_due(one) for one in sent], ended

    def record_attempts(self, commands: Sequence[Command]) -> list[RecordedAttempt]:
        """Record attempts `command.attempt` at `command.sent_us`, and when their answers are due, before they are transmitted."""
        assert all(one.attempt <= one.request.attempts_max for one in commands), "more attempts than the limit"
        self._schedule([deadline_due(one) for one in commands])
        self.tables.send(commands)
        return [RecordedAttempt(one, one.attempt, one.sent_us) for one in commands]

    def _time_out(self, overdue: Sequence[tuple[Due, Command]]) -> tuple[list[Due], list[CommandId]]:
        """The answers of attempts are overdue: wait for the next attempt, or end what has had its last."""
        timed_out = [(replace(command, open_state=State.TIMED_OUT), due) for due, command in overdue]
        backing_off = [(_backed_off(one), due) for one, due in timed_out if one.attempt < one.request.attempts_max]
        scheduled = [Due(one.send_us, one.id, one.attempt + 1, DueKind.SEND) for one, _ in backing_off]
        self._schedule(scheduled)
        self._advance(timed_out, CommandEvent.TIME_OUT)
        self._advance(backing_off, CommandEvent.BACK_OFF)
        spent = [(one, due) for one, due in timed_out if one.attempt == one.request.attempts_max]
        exhausted = self._give_up(
            [(one, CommandEvent.EXHAUST, due.due_us, f"no answer to {one.attempt} attempts") for one, due in spent]
        )
        return scheduled, exhausted

    def _advance(self, commands: Sequence[tuple[Command, Due]], event: CommandEvent) -> None:
        steps = [Step(due.due_us, event, one.attempt) for one, due in commands]
        self.tables.advance([one for one, _ in commands], steps)

    # -- answers -----------------------------------------------------------------------------------------------------

    def record_answers(self, answers: Sequence[DeviceAnswer]) -> list[Effect]:
        """Record what devices said, in order of arrival; what ends its command does so here. Repeating an answer changes nothing.

        An answer to what was never sent is REFUSED; the others of the call are recorded all the same.
        """
        effects: dict[int, Effect] = {}
        waiting = list(enumerate(answers))
        while waiting:
            first: dict[CommandId, tuple[int, DeviceAnswer]] = {}
            for row, answer in waiting:
                first.setdefault(answer.id, (row, answer))
            now = dict(first.values())
            effects.update(zip(now, self._record_one_each(list(now.values())), strict=True))
            waiting = [(row, answer) for row, answer in waiting if row not in now]
        return [effects[row] for row in range(len(answers))]

    def _record_one_each(self, answers: Sequence[DeviceAnswer]) -> list[Effect]:
        """Answers to different commands: those that end one and those that say how far it is."""
        effects = dict.fromkeys(answers, Effect.NO_EFFECT)
        final = {
            one: _end_by(one.step) for one in answers if one.step.event in (CommandEvent.APPLY, CommandEvent.REFUSE)
        }
        stands = self.tables.end([(one.id, end) for one, end in final.items()])
        for (answer, end), stand in zip(final.items(), stands, strict=True):
            if stand is None:
                effects[answer] = Effect.REFUSED
            elif stand == end:  # the end is its record
                effects[answer] = Effect.ENDED
        states = {one: State.ACKNOWLEDGED for one in final if effects[one] is Effect.NO_EFFECT}  # of an ended command
        underway = [one for one in answers if one not in final]
        for answer, command in zip(underway, self.tables.read([one.id for one in underway]), strict=True):
            if command is None or not 1 <= answer.step.attempt <= command.attempt:
                effects[answer] = Effect.REFUSED
            elif command.end is not None or has_no_effect(command.open_state, answer.step.event):
                states[answer] = command.open_state
            else:
                states[answer] = next_state(command.open_state, answer.step.event)
                effects[answer] = Effect.ADVANCED
        self.tables.answer(list(states), list(states.values()))
        return [effects[one] for one in answers]

    # -- decisions of people and of other commands --------------------------------------------------------------------

    def cancel(self, command_id: CommandId, at_us: int, reason: str) -> Command:
        """Raises CommandRefused when it is unknown, has ended, or an attempt is on its way; StoreError."""
        return self._decide(command_id, CommandEvent.CANCEL, at_us, reason)

    def expire(self, command_id: CommandId, at_us: int) -> Command:
        """As `cancel`, because its time ran out."""
        return self._decide(command_id, CommandEvent.EXPIRE, at_us, "its time ran out")

    def supersede(self, command_id: CommandId, at_us: int, by: CommandId) -> Command:
        """A newer command takes its place, whatever its attempts do. Raises CommandRefused when it is unknown or has ended."""
        return self._decide(command_id, CommandEvent.SUPERSEDE, at_us, f"superseded by {by}")

    def _decide(self, command_id: CommandId, event: CommandEvent, at_us: int, reason: str) -> Command:
        command = self.tables.read([command_id])[0]
        if command is None:
            raise CommandRefused(f"there is no command {command_id}")
        if (command.state, event) not in TRANSITIONS:
            raise CommandRefused(f"{command_id}: no {event.name} of a command that is {command.state.name}")
        end = End(TRANSITIONS[command.state, event], at_us, command.attempt, reason)
        stands = _shown(self.tables.end([(command_id, end)])[0], command_id)
        if stands != end:
            raise CommandRefused(f"{command_id}: no {event.name} of a command that is {stands.state.name}")
        return replace(command, end=stands)

    def _give_up(self, commands: Sequence[tuple[Command, CommandEvent, int, str]]) -> list[CommandId]:
        ends = [
            (one.id, End(next_state(one.open_state, event), at_us, one.attempt, reason))
            for one, event, at_us, reason in commands
        ]
        self.tables.end(ends)
        return [id_ for id_, _ in ends]

    # -- reconciliation ----------------------------------------------------------------------------------------------

    def report_states(self, states: Sequence[DeviceState]) -> None:
        """What devices say of themselves; the latest of a device and aspect wins."""
        assert all(one.standing is Standing.REPORTED for one in states), "devices report, they do not desire"
        self.tables.write_states(states)

    def reconcile(self, devices: Sequence[int], now_us: int, retries: Retries) -> list[Drift]:
        """Compare what is desired with what is reported; record each drift and issue the command that mends it.

        What an open command may still mend is left alone; so is what was cancelled or ran out of time: nobody desires it now.
        """
        at = [{(one.aspect, one.standing): one for one in states} for states in self.tables.states(devices)]
        differing = [held for held in at if any(_differs(held, one) for one in held.values())]
        drifts = []
        inboxes = self.tables.poll([next(iter(held.values())).device for held in differing])
        for held, inbox in zip(differing, inboxes, strict=True):
            by_id = {command.id: command for command in inbox}
            busy = {ASPECT_OF.get(one.request.kind) for one in inbox if one.end is None}
            for desired in held.values():
                command = by_id.get(desired.cause)
                if not _differs(held, desired) or desired.aspect in busy or command is None:
                    continue
                if command.state in (State.CANCELLED, State.EXPIRED, State.SUPERSEDED):
                    continue
                reported = held.get((desired.aspect, Standing.REPORTED))
                before = held.get((desired.aspect, Standing.DRIFT))
                drifts.append(_drift(desired, reported, before, command, now_us, retries))
        # the drift first: should the gateway die here, the next reconciliation issues the command
        self.tables.write_states([_drift_row(one, now_us) for one in drifts])
        self.create([one.mending for one in drifts if one.mending is not None])
        return drifts

    # -- reading -----------------------------------------------------------------------------------------------------

    def poll_inbox(self, devices: Sequence[int]) -> list[list[Command]]:
        """The open commands of devices."""
        return [[one for one in inbox if one.state not in TERMINAL] for inbox in self.tables.poll(devices)]

    def courses(self, ids: Sequence[CommandId]) -> list[Course | None]:
        """What each command's log adds up to; None for one that was never recorded."""
        commands, logs = self.tables.read(ids), self.tables.steps(ids)
        return [
            None if one is None else fold(steps, one.end, timeout_us=one.request.timeout_us)
            for one, steps in zip(commands, logs, strict=True)
        ]

    def _schedule(self, dues: Sequence[Due]) -> None:
        self.tables.schedule([(self.index.place(due), due) for due in dues])


def _shown(end: End | None, id_: CommandId) -> End:
    """The end of a command that is there. Raises StoreError where the store, at its consistency levels, does not show it."""
    if end is None:
        raise StoreError(
            f"command {id_} is recorded, and its compare-and-set does not find it: is what was acknowledged at the scenario's "
            "consistency levels on a quorum of replicas?"
        )
    return end


def first_due(request: Request) -> Due:
    """The entry that a created command has."""
    return Due(request.send_us, request.id, 1, DueKind.SEND)


def deadline_due(command: Command) -> Due:
    """The entry that a sent command has."""
    return Due(command.deadline_us, command.id, command.attempt, DueKind.DEADLINE)


def _is_same(held: Request, asked: Request) -> bool:
    """Creation may be repeated at another instant; what is asked must be the same."""
    return replace(held, created_us=0, cause="") == replace(_without_long_text(asked), created_us=0, cause="")


def _without_long_text(request: Request) -> Request:
    return request if len(request.text) <= TEXT_MAX else replace(request, text=request.text[:TEXT_MAX])


def _as_created(request: Request) -> Command:
    return Command(request=request, open_state=State.CREATED, attempt=0, sent_us=0, send_us=request.send_us, end=None)


def _is_to_send(due: Due, command: Command) -> bool:
    waits = command.open_state in (State.CREATED, State.RETRY_WAIT)
    return due.kind is DueKind.SEND and waits and command.attempt == due.attempt - 1


def _is_sent_for(due: Due, command: Command) -> bool:
    """Was the attempt recorded by a gateway that may have died before it transmitted it? Its entry is met only then."""
    return due.kind is DueKind.SEND and due.attempt <= command.attempt


def _is_overdue(due: Due, command: Command) -> bool:
    """Has the attempt had no answer? TIMED_OUT: a gateway died before it could say what follows from that."""
    waits = command.open_state in (State.SENT, State.DELIVERED_TO_HUB, State.ACKNOWLEDGED, State.TIMED_OUT)
    is_its = due.kind is DueKind.DEADLINE and command.attempt == due.attempt and command.deadline_us == due.due_us
    return waits and is_its


def _sent(command: Command, at_us: int) -> Command:
    state = next_state(command.open_state, CommandEvent.SEND)
    return replace(command, open_state=state, attempt=command.attempt + 1, sent_us=at_us)


def _backed_off(command: Command) -> Command:
    wait_us = backoff_us(command.request.backoff_us, command.attempt)
    return replace(command, open_state=State.RETRY_WAIT, send_us=command.deadline_us + wait_us)


def _end_by(answer: Step) -> End:
    return End(State.APPLIED if answer.event is CommandEvent.APPLY else State.REJECTED, answer.at_us, answer.attempt)


def _differs(held: Mapping[tuple[Aspect, Standing], DeviceState], one: DeviceState) -> bool:
    """Is this what is desired of a device, and something else reported, or nothing?"""
    reported = held.get((one.aspect, Standing.REPORTED))
    is_desired = one.standing is Standing.DESIRED and one.aspect is not Aspect.NONE
    return is_desired and (reported is None or reported.value != one.value)


def _drift(
    desired: DeviceState,
    reported: DeviceState | None,
    before: DeviceState | None,
    command: Command,
    now_us: int,
    retries: Retries,
) -> Drift:
    is_again = before is not None and desired.cause.originator == RECONCILER
    issued = before.mends if before is not None and is_again else 0
    if issued >= MENDS_MAX:
        return Drift(desired, reported, None, issued)
    was = "nothing" if reported is None else str(reported.value)
    mending = Request(
        id=CommandId(RECONCILER, desired.device, now_us),
        kind=command.request.kind,
        value=desired.value,
        cause=f"drift: desired {desired.value}, reported {was}",
        created_us=now_us,
        send_us=now_us,
        attempts_max=retries.attempts_max,
        timeout_us=retries.timeout_us,
        backoff_us=retries.backoff_us,
    )
    return Drift(desired, reported, mending, issued + 1)


def _drift_row(drift: Drift, now_us: int) -> DeviceState:
    """What is kept of a drift: the value that was reported, -1 for none, and the command that mends it."""
    return DeviceState(
        device=drift.desired.device,
        aspect=drift.desired.aspect,
        standing=Standing.DRIFT,
        value=-1 if drift.reported is None else drift.reported.value,
        at_us=now_us,
        cause=drift.desired.cause if drift.mending is None else drift.mending.id,
        mends=drift.mends,
    )
