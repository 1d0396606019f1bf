"""What the master and its workers say to each other, as plain dictionaries that Locust can carry (msgpack).

A worker says `Hello` and is made `Welcome` or `Refused`. Each of its fleet users says `Claim` and gets a `Given` shard, which
is `ShardReady` once its process is. `Begin` names the start; then come `Measured` seconds, `LedgerPart`s of a worker that has
no ledger in common with the master, and `ShardDone`. `Halt` ends it, and is answered by `Halted`; `ShardTrouble` says why a
shard can't go on.
"""

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from loadtests.recording.history import SecondCounts
from loadtests.recording.seconds import Second, Sparse
from loadtests.storm.messages import Done
from loadtests.wire.recorder import EngineReport, ErrorTally

TO_MASTER = "meterstorm_to_master"
TO_WORKER = "meterstorm_to_worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Who the worker is. `boot` tells whether it runs on the master's machine; `asked_ns` is its clock, sent back."""

    version: str
    digest: str
    boot: str
    asked_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """`master_ns`: the master's monotonic clock when it answered; `zero_ns`: the storm's start on it, when it has begun."""

    asked_ns: int
    master_ns: int
    zero_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Why the worker may not take part: one sentence."""

    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A fleet user has started and would host a shard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The worker owns this shard now. `ledger_folder`: of the master, when both are on one machine; None: its own."""

    shard: int
    shard_count: int
    closed_in_flight: int | None  # of this shard; None is open loop
    has_customers: bool  # so the worker must be ready for some before it says that it is
    ledger_folder: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReady:
    shard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """The storm's wall clock is zero at this instant of the master's monotonic clock [ns]."""

    zero_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Send nothing more, drain, and be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Halted:
    """Nothing runs on this worker any more, and everything that it measured is on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A second of one source (a shard, or a worker's customers), packed by `packed_second`."""

    source: str
    second: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPart:
    """Compressed bytes of the ledger's file, from `offset` on; all other bits of the shard's meters are unset."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardDone:
    """A shard has ended; its `report` is packed by `packed_done`."""

    shard: int
    report: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardTrouble:
    """Why a shard can't go on: one sentence."""

    shard: int
    sentence: str


Message = (
    Hello
    | Welcome
    | Refused
    | Claim
    | Given
    | ShardReady
    | Begin
    | Halt
    | Halted
    | Measured
    | LedgerPart
    | ShardDone
    | ShardTrouble
)
_KINDS: Mapping[str, type[Any]] = {kind.__name__: kind for kind in Message.__args__}


def packed(message: Message) -> dict[str, Any]:
    """A message as a dictionary."""
    return {"kind": type(message).__name__} | {
        field.name: getattr(message, field.name) for field in fields(type(message))
    }


def unpacked(data: Mapping[str, Any]) -> Message:
    """The message that `packed` took apart. Raises KeyError or TypeError for what another version has sent."""
    values = dict(data)
    message: Message = _KINDS[values.pop("kind")](**values)
    return message


# --- what was measured ------------------------------------------------------------------------------------------------


def packed_second(second: Second) -> dict[str, Any]:
    """A second without loss; about 2 kB an operation that is busy."""
    return {
        "second": second.second,
        "counts": {name: list(counts) for name, counts in second.counts.items()},
        "response": {name: _packed_sparse(sparse) for name, sparse in second.response.items()},
        "service": {name: _packed_sparse(sparse) for name, sparse in second.service.items()},
        "lateness": _packed_sparse(second.lateness),
    }


def unpacked_second(data: Mapping[str, Any]) -> Second:
    """The inverse of `packed_second`."""
    return Second(
        second=data["second"],
        counts={name: SecondCounts(*counts) for name, counts in data["counts"].items()},
        response={name: _unpacked_sparse(sparse) for name, sparse in data["response"].items()},
        service={name: _unpacked_sparse(sparse) for name, sparse in data["service"].items()},
        lateness=_unpacked_sparse(data["lateness"]),
    )


def packed_done(done: Done) -> dict[str, Any]:
    """How a shard went."""
    return {"cpu_s": done.cpu_s, "report": asdict(done.report)}


def unpacked_done(data: Mapping[str, Any]) -> Done:
    """The inverse of `packed_done`."""
    report = dict(data["report"])
    report["errors"] = tuple(ErrorTally(**error) for error in report["errors"])
    report["down_at_start"] = tuple(report["down_at_start"])
    return Done(report=EngineReport(**report), cpu_s=data["cpu_s"])


def _packed_sparse(sparse: Sparse) -> bytes:
    index, count = sparse
    return zlib.compress(index.astype("<i4").tobytes() + count.astype("<i8").tobytes(), 1)


def _unpacked_sparse(data: bytes) -> Sparse:
    raw = zlib.decompress(data)
    count = len(raw) // 12
    return (
        np.frombuffer(raw, "<i4", count).astype(np.int32),
        np.frombuffer(raw, "<i8", count, offset=4 * count).astype(np.int64),
    )
