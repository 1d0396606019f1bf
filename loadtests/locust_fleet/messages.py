"""What the master and its workers say to each other, as plain dictionaries that Locust can carry (msgpack).

A worker says `Hello` and is made `Welcome` or `WorkerRefused`. Each of its fleet users says `Claim` and gets a `Given`
shard, which is `ShardReady` once its process is. `Begin` names the start; then come `MeasuredSecond` seconds,
`LedgerPart`s of a worker that has no ledger in common with the master, and `ShardDone`. `Halt` ends it, and is
answered by `Halted`; `ShardTrouble` says why a shard can't go on.

Rules that hold here: a message is what its class says or it is refused with a MessageError, whoever sent it: no field more,
every number and text within its bounds, nothing inflated beyond them. None names a file of the master's.
"""

import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from loadtests.recording.history import COUNTS_SIZE, SecondCounts
from loadtests.recording.seconds import Second, Sparse
from loadtests.sender.recorder import EngineReport, ErrorTally
from loadtests.storm.messages import ShardReport

TO_MASTER = "meterstorm_to_master"
TO_WORKER = "meterstorm_to_worker"

SHARDS_MAX = 64
LEDGER_PART_BYTES = 1 << 20  # before it is compressed
SENTENCE_SIZE_MAX = 1_000
_COUNT_MAX = 2**48  # of operations in a second: sums of them stay far from what an int64 holds
_NAMES_MAX = 256  # operations, kinds of errors
_CELL_BYTES = 12  # of a sparse histogram: an int32 index and an int64 count
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")

_CHECKED = ConfigDict(extra="forbid", strict=True)
_CHECKED_PART = ConfigDict(
    extra="forbid", strict=False
)  # it comes as a dictionary; its fields are strict by themselves


class MessageError(Exception):
    """What was heard is no message of ours, or not within its bounds."""


def _one_line(text: str) -> str:
    """Text from elsewhere as one line of bounded length, for a log, a page and a terminal."""
    return _CONTROL.sub(" ", text)[:SENTENCE_SIZE_MAX]


Instant = Annotated[int, Field(ge=-(2**62), le=2**62)]  # of a monotonic clock [ns]
Shard = Annotated[int, Field(ge=0, lt=SHARDS_MAX)]
Count = Annotated[int, Field(strict=True, ge=0, le=_COUNT_MAX)]
Word = Annotated[str, Field(strict=True, max_length=128, pattern=r"^[\w.+-]*$")]  # a version, a digest, an operation
Sentence = Annotated[str, AfterValidator(_one_line)]
Packed = Annotated[bytes, Field(strict=True, max_length=COUNTS_SIZE * _CELL_BYTES)]


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class Hello:
    """Who the worker is. `boot` tells whether it runs on the master's machine; `asked_ns` is its clock, sent back."""

    version: Word
    digest: Word
    boot: Word
    asked_ns: Instant


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class Welcome:
    """`master_ns`: the master's monotonic clock when it answered; `zero_ns`: the storm's start on it, when it has begun."""

    asked_ns: Instant
    master_ns: Instant
    zero_ns: Instant | None


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class WorkerRefused:
    """Why the worker may not take part: one sentence."""

    sentence: Sentence


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class Claim:
    """A fleet user has started and would host a shard."""


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class Given:
    """The worker owns this shard now. `ledger_folder`: of the master, when both are on one machine; None: its own."""

    shard: Shard
    shard_count: Annotated[int, Field(ge=1, le=SHARDS_MAX)]
    closed_in_flight: Count | None  # of this shard; None is open loop
    has_customers: bool  # so the worker must be ready for some before it says that it is
    ledger_folder: Annotated[str, Field(max_length=4096)] | None


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class ShardReady:
    shard: Shard


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class Begin:
    """The storm's wall clock is zero at this instant of the master's monotonic clock [ns]."""

    zero_ns: Instant


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class Halt:
    """Send nothing more, drain, and be done."""


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class Halted:
    """Nothing runs on this worker any more, and everything that it measured is on its way."""


@dataclass(config=_CHECKED_PART, frozen=True, slots=True, kw_only=True)
class PackedSecond:
    """A `Second` without loss; about 2 kB an operation that is busy. By operation: SecondCounts, and packed histograms."""

    second: Count
    counts: Annotated[
        dict[Word, Annotated[list[Count], Field(min_length=6, max_length=6)]], Field(max_length=_NAMES_MAX)
    ]
    response: Annotated[dict[Word, Packed], Field(max_length=_NAMES_MAX)]
    service: Annotated[dict[Word, Packed], Field(max_length=_NAMES_MAX)]
    lateness: Packed
    earliest: Annotated[dict[Word, Packed], Field(max_length=_NAMES_MAX)] = field(default_factory=dict)


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class MeasuredSecond:
    """A second of one of the sender's shards, or of its customers (None), packed by `packed_second`."""

    shard: Shard | None
    second: PackedSecond


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class LedgerPart:
    """Compressed bytes of the ledger's file, from `offset` on: marks of the shard's meters, and of no others."""

    shard: Shard
    offset: Count
    data: Annotated[bytes, Field(max_length=LEDGER_PART_BYTES + 1024)]


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class ShardDone:
    """A shard has ended; its `report` is packed by `packed_done`."""

    shard: Shard
    report: dict[Word, Any]


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class ShardTrouble:
    """Why a shard can't go on: one sentence."""

    shard: Shard
    sentence: Sentence


@dataclass(config=_CHECKED, frozen=True, slots=True, kw_only=True)
class CustomersTrouble:
    """Why no customer of this worker can be served: one sentence."""

    sentence: Sentence


Message = (
    Hello
    | Welcome
    | WorkerRefused
    | Claim
    | Given
    | ShardReady
    | Begin
    | Halt
    | Halted
    | MeasuredSecond
    | LedgerPart
    | ShardDone
    | ShardTrouble
    | CustomersTrouble
)
_KINDS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in Message.__args__}


def packed(message: Message) -> dict[str, Any]:
    """A message as a dictionary."""
    return {"kind": type(message).__name__} | asdict(message)


def unpacked(data: object) -> Message:
    """The message that `packed` took apart. Raises MessageError for anything else, whatever it is."""
    kind = _KINDS.get(data["kind"]) if isinstance(data, dict) and isinstance(data.get("kind"), str) else None
    if kind is None or not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise MessageError("it is of no kind that this meterstorm knows")
    try:
        message: Message = kind(**{name: value for name, value in data.items() if name != "kind"})
    except ValidationError as error:
        raise MessageError(f"a {kind.__name__} that is none: {_first(error)}") from error
    return message


def _first(error: ValidationError) -> str:
    """Where the first error lies, without the value: it may be large, and is somebody else's."""
    detail = error.errors(include_input=False, include_url=False)[0]
    return _one_line(f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}")[:200]


# --- what was measured ------------------------------------------------------------------------------------------------


def packed_second(second: Second) -> PackedSecond:
    """A second without loss."""
    return PackedSecond(
        second=second.second,
        counts={name: list(counts) for name, counts in second.counts.items()},
        response={name: _packed_sparse(sparse) for name, sparse in second.response.items()},
        service={name: _packed_sparse(sparse) for name, sparse in second.service.items()},
        lateness=_packed_sparse(second.lateness),
        earliest={name: _packed_sparse(sparse) for name, sparse in second.earliest.items()},
    )


def unpacked_second(data: PackedSecond) -> Second:
    """The inverse of `packed_second`. Raises MessageError for histograms that are none."""
    return Second(
        second=data.second,
        counts={name: SecondCounts(*counts) for name, counts in data.counts.items()},
        response={name: _unpacked_sparse(sparse) for name, sparse in data.response.items()},
        service={name: _unpacked_sparse(sparse) for name, sparse in data.service.items()},
        lateness=_unpacked_sparse(data.lateness),
        earliest={name: _unpacked_sparse(sparse) for name, sparse in data.earliest.items()},
    )


def packed_done(done: ShardReport) -> dict[str, Any]:
    """How a shard went."""
    return {"cpu_s": done.cpu_s, "report": asdict(done.report)}


_REPORT = TypeAdapter(EngineReport)


def unpacked_done(data: Mapping[str, Any]) -> ShardReport:
    """The inverse of `packed_done`. Raises MessageError for a report that is none."""
    try:
        report = _REPORT.validate_python(data.get("report"))
    except ValidationError as error:
        raise MessageError(f"a report that is none: {_first(error)}") from error
    cpu_s = data.get("cpu_s")
    numbers = [value for value in asdict(report).values() if isinstance(value, int | float)]
    if not isinstance(cpu_s, float) or not all(
        math.isfinite(each) and 0 <= each <= _COUNT_MAX
        for each in (cpu_s, *numbers, *(error.count for error in report.errors))
    ):
        raise MessageError("a report with a number that nobody can have measured")
    if max(len(report.errors), len(report.error_messages)) > _NAMES_MAX:
        raise MessageError("a report of more errors than there are kinds of")
    return ShardReport(report=replace(report, **_bounded_words(report)), cpu_s=cpu_s)


def _bounded_words(report: EngineReport) -> dict[str, Any]:
    """The fields of a report that hold words, each as one line."""
    return {
        "scheduling": _one_line(report.scheduling),
        "homes_moved": (),  # a fleet moves no homes: whatever a peer says of it
        "down_at_start": tuple(_one_line(node) for node in report.down_at_start[:_NAMES_MAX]),
        "errors": tuple(
            ErrorTally(operation=each.operation, outcome=each.outcome, kind=_one_line(each.kind), count=each.count)
            for each in report.errors
        ),
        "error_messages": {_one_line(kind): _one_line(text) for kind, text in report.error_messages.items()},
    }


def inflated(data: bytes, size_max: int) -> bytes:
    """What zlib made small. Raises MessageError for more than `size_max` bytes, before they are made, and for other data."""
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data, size_max + 1)
    except zlib.error as error:
        raise MessageError(f"compressed data that is none: {error}") from error
    if len(raw) > size_max or not inflater.eof or inflater.unused_data:
        raise MessageError(f"compressed data of more than {size_max} bytes, or cut short")
    return raw


def _packed_sparse(sparse: Sparse) -> bytes:
    index, count = sparse
    return zlib.compress(index.astype("<i4").tobytes() + count.astype("<i8").tobytes(), 1)


def _unpacked_sparse(data: bytes) -> Sparse:
    raw = inflated(data, COUNTS_SIZE * _CELL_BYTES)
    if len(raw) % _CELL_BYTES:
        raise MessageError("a histogram that ends in the middle of a count")
    size = len(raw) // _CELL_BYTES
    index = np.frombuffer(raw, "<i4", size).astype(np.int32)
    count = np.frombuffer(raw, "<i8", size, offset=4 * size).astype(np.int64)
    if size and (index[0] < 0 or index[-1] >= COUNTS_SIZE or (np.diff(index) <= 0).any()):
        raise MessageError("a histogram with a value outside its range, or twice")
    if size and not 0 < count.min() <= count.max() <= _COUNT_MAX:
        raise MessageError("a histogram with a count that nobody can have counted")
    return index, count
