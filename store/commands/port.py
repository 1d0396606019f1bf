"""The records of commands, and what a database must do for them (`CommandTables`). All decisions are in `store.commands.store`.

Instants are integers in us since the Unix epoch, also in the database: a replay's instant is computed from stored ones, and
a millisecond's rounding would make it another. A device is its EUI-64 as a signed 64-bit integer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol

from scenarios.domain import DAY_US, CommandKind, Fuel
from store.commands.machine import End, State, Step

NEVER_US = 1 << 62
TEXT_MAX = 116  # characters that a display can show; GBCS, "Display Message"
ATTEMPTS_MAX = 31
WAIT_US_MAX = 34 * DAY_US  # until it is to be sent, or for an answer: an entry of the due index is kept for 35 days


class CommandRefused(Exception):
    """A request that can't be meant: nothing was recorded; the message says why."""


class CommandId(NamedTuple):
    """Who commands, which device, and the originator's count for it: DUIS's RequestID, a natural idempotency key."""

    originator: int
    target: int
    counter: int

    def __str__(self) -> str:
        return f"{self.originator:016x}:{self.target:016x}:{self.counter}"


class Aspect(IntEnum):
    """What of a device a command sets, and so what desired and reported state are compared by. Stored."""

    NONE = 0
    TARIFF = 1
    PRICE = 2
    SCHEDULE = 3
    SUPPLY = 4
    FIRMWARE = 5


ASPECT_OF = {
    CommandKind.UPDATE_TARIFF: Aspect.TARIFF,
    CommandKind.UPDATE_PRICE: Aspect.PRICE,
    CommandKind.CHANGE_SCHEDULE: Aspect.SCHEDULE,
    CommandKind.ENABLE_SUPPLY: Aspect.SUPPLY,
    CommandKind.DISABLE_SUPPLY: Aspect.SUPPLY,
    CommandKind.ARM_SUPPLY: Aspect.SUPPLY,
    CommandKind.UPDATE_FIRMWARE: Aspect.FIRMWARE,
}
"""Kinds that are not here leave nothing behind that could be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What the asset register says of a device."""

    fuel: Fuel
    removed_us: int = NEVER_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a device. Two requests of one id are the same request."""

    id: CommandId
    kind: CommandKind
    value: int = 0  # what the command sets: a version, a `ReadSchedule`, an amount
    text: str = ""
    cause: str = ""  # why it was issued, where nobody asked: the drift that it mends
    created_us: int
    send_us: int  # not before
    expires_us: int = NEVER_US  # no attempt is sent at or after this
    attempts_max: int
    timeout_us: int
    backoff_us: int  # after the first attempt; doubled after each

    def __post_init__(self) -> None:
        if not 1 <= self.attempts_max <= ATTEMPTS_MAX:
            raise CommandRefused(f"{self.id}: attempts_max is {self.attempts_max}, not 1 to {ATTEMPTS_MAX}")
        if self.timeout_us < 1_000 or self.backoff_us < 0:
            raise CommandRefused(f"{self.id}: a time-out below 1 ms or a negative backoff")
        if self.send_us < self.created_us:
            raise CommandRefused(f"{self.id}: it is to be sent before it is created")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command as it stands."""

    request: Request
    open_state: State  # as long as it has no end
    attempt: int  # the last that was recorded; 0 before the first
    sent_us: int  # of that attempt; 0 before the first
    send_us: int  # the next attempt, in CREATED and RETRY_WAIT
    end: End | None

    @property
    def id(self) -> CommandId:
        return self.request.id

    @property
    def state(self) -> State:
        return self.end.state if self.end else self.open_state

    @property
    def deadline_us(self) -> int:
        return self.sent_us + self.request.timeout_us


class DueKind(IntEnum):
    DEADLINE = 0  # the attempt's answer is overdue
    SEND = 1  # the attempt is to be sent


class Due(NamedTuple):
    """An entry of the due index. It may be stale: the command's own row says whether it still waits for this."""

    due_us: int
    id: CommandId
    attempt: int  # to be sent, or whose answer is due
    kind: DueKind


class Place(NamedTuple):
    """A partition of the due index."""

    shard: int
    bucket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DueIndex:
    """How due entries are spread: a shard belongs to one home DC, a bucket is a span of time. Fixed for a keyspace.

    The schema's due index says how many shards a home DC has.
    """

    first_shard: int = 0
    shard_count: int
    bucket_us: int = 60_000_000

    @property
    def shards(self) -> range:
        return range(self.first_shard, self.first_shard + self.shard_count)

    def place(self, due: Due) -> Place:
        spread = (due.id.target * 0x9E3779B97F4A7C15 & 0xFFFF_FFFF_FFFF_FFFF) >> 40
        return Place(self.first_shard + spread % self.shard_count, due.due_us // self.bucket_us)

    def places(self, from_us: int, until_us: int) -> list[Place]:
        """The partitions that hold what is due from an instant to before another."""
        buckets = range(from_us // self.bucket_us, -(-until_us // self.bucket_us))
        return [Place(shard, bucket) for bucket in buckets for shard in self.shards]


class DeviceAnswer(NamedTuple):
    """What a device said: `step.event` is one of `machine.ANSWERS`."""

    id: CommandId
    step: Step


class Effect(StrEnum):
    """What an answer did."""

    ENDED = "ended"  # it brought the command to its terminal state
    ADVANCED = "advanced"
    NO_EFFECT = "no_effect"  # late or repeated: recorded and counted
    REFUSED = "refused"  # to a command or an attempt that never was: not recorded


class Standing(IntEnum):
    """The rows of one aspect of a device. Stored."""

    DESIRED = 0
    REPORTED = 1
    DRIFT = 2  # the last difference that reconciliation found; value is what was reported


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """One aspect of a device: as desired, as reported, or as it was found to have drifted."""

    device: int
    aspect: Aspect
    standing: Standing
    value: int
    at_us: int
    cause: CommandId  # the command that desired it, that was reported on, or that mends it
    mends: int = 0  # of a drift: commands issued to mend it so far


class CommandTables(Protocol):
    """Rows of commands, many at a time, order of arguments = order of answers. Every write may be repeated. Raises StoreError.

    A call for many is not atomic over them: after a StoreError any of them may have been written.
    """

    def schedule(self, dues: Sequence[tuple[Place, Due]]) -> None:
        """Enter into the due index."""

    def due(self, places: Sequence[Place], from_us: int, until_us: int) -> list[Due]:
        """The entries of partitions that are due from an instant to before another."""

    def clear(self, shards: Sequence[int], through_us: int) -> None:
        """All that is due before an instant has been handled: it need never be read again."""

    def cleared(self, shards: Sequence[int]) -> list[int | None]:
        """What `clear` said last, of each shard."""

    def create(self, commands: Sequence[tuple[Request, Aspect]]) -> None:
        """A command's row, its first step and what it desires (Aspect.NONE: nothing), all or none of the three."""

    def send(self, commands: Sequence[Command]) -> None:
        """The attempt `command.attempt` at `command.sent_us`: its step and the row, both or neither."""

    def advance(self, commands: Sequence[Command], steps: Sequence[Step]) -> None:
        """A time-out or a backoff: its step and the row's `open_state` and `send_us`, both or neither."""

    def answer(self, answers: Sequence[DeviceAnswer], states: Sequence[State]) -> None:
        """An answer's step, and the open state that it leads to, both or neither."""

    def end(self, ends: Sequence[tuple[CommandId, End]]) -> list[End | None]:
        """Give commands their one terminal state; the answer is the one that each has, now or before.

        None for a command that was never recorded, or not sent as often as the end says: it has no end then.
        Raises StoreError when that can't be known: then it is in doubt, and `end` may be asked again.
        """

    def read(self, ids: Sequence[CommandId]) -> list[Command | None]:
        """Commands by id; None for one that was never recorded."""

    def poll(self, devices: Sequence[int]) -> list[list[Command]]:
        """All commands of devices, ended ones too."""

    def steps(self, ids: Sequence[CommandId]) -> list[list[Step]]:
        """The logs of commands, in order."""

    def write_states(self, states: Sequence[DeviceState]) -> None:
        """The latest `at_us` of a device, aspect and standing wins."""

    def states(self, devices: Sequence[int]) -> list[list[DeviceState]]:
        """All that is desired and reported of devices, by aspect and standing."""
