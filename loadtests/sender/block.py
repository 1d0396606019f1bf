"""A block of operations in due order, already encoded: what a source hands to the engine.

A block is made by the producer thread while the sender works on the one before, so that the sender only copies bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from loadtests.kernels import copy_bytes
from sim.kernels import leaf_kernel

# One operation. Kernels read it as a record; 48 bytes, so that four lie in three cache lines.
OPERATION = np.dtype(
    [
        ("due_us", "i8"),  # wall time since the storm's start [us]
        ("token", "i8"),  # of its partition
        ("meter", "i8"),
        ("frame_offset", "i8"),  # of its bytes in the block's `frames`
        ("first_slot", "i4"),  # of the run of slots that it writes or asks for
        ("slot_count", "i4"),
        ("frame_size", "i4"),  # [bytes]
        ("operation", "u1"),  # index into the run's operations
        ("dc", "u1"),  # index of the data centre that it is sent to
    ],
    align=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationBlock:
    """Operations in due order and their frames. rows: OPERATION[n]; frames: uint8[total], stream ids still 0.

    Both lie in memory without gaps: kernels that are called without Numba's dispatch do not look.
    """

    rows: NDArray[np.void]
    frames: NDArray[np.uint8]

    def __post_init__(self) -> None:
        assert self.rows.dtype == OPERATION and self.rows.flags.c_contiguous
        assert self.frames.dtype == np.uint8 and self.frames.flags.c_contiguous
        if len(self.rows):
            assert (np.diff(self.rows["due_us"]) >= 0).all(), "operations of a block are not in due order"
            last = self.rows["frame_offset"] + self.rows["frame_size"]
            assert int(last.max()) <= self.frames.size, "a frame lies outside its block"

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameGroup:
    """Operations that share one template, in due order. All arrays have n rows.

    operation: index into the run's operations. due_us: int64 wall time since the storm's start. meter: int64.
    first_slot, slot_count: int32. token: int64. dc: uint8. frames: uint8[n, size] from the template.
    """

    operation: int
    due_us: NDArray[np.int64]
    meter: NDArray[np.int64]
    first_slot: NDArray[np.int32]
    slot_count: NDArray[np.int32]
    token: NDArray[np.int64]
    dc: NDArray[np.uint8]
    frames: NDArray[np.uint8]


class OperationSource(Protocol):
    """Where an engine's operations come from. Called by the producer thread alone, one call at a time."""

    def next_block(self) -> OperationBlock | None:
        """The next operations, none due before those already given; None after the last one."""


def assemble_block(groups: Sequence[FrameGroup]) -> OperationBlock:
    """Merge groups into one block in due order; ties keep the order of the groups. No group: an empty block."""
    count = sum(len(group.due_us) for group in groups)
    rows = np.zeros(count, dtype=OPERATION)
    start = 0
    for number, group in enumerate(groups):
        part = rows[start : start + len(group.due_us)]
        for name in ("due_us", "token", "meter", "first_slot", "slot_count", "dc"):
            part[name] = getattr(group, name)
        part["operation"] = group.operation
        part["frame_size"] = group.frames.shape[1]
        part["frame_offset"] = number  # for now: the group that holds its frame
        start += len(part)
    if len(groups) == 1:
        rows["frame_offset"] = np.arange(count) * groups[0].frames.shape[1]
        return OperationBlock(rows=rows, frames=np.ascontiguousarray(groups[0].frames).reshape(-1))
    order = np.argsort(rows["due_us"], kind="stable")
    row_in_group = np.concatenate([np.arange(len(group.due_us)) for group in groups]) if groups else order
    rows = rows[order]
    group_of_row = rows["frame_offset"].copy()
    ends = np.cumsum(rows["frame_size"], dtype=np.int64)
    rows["frame_offset"] = ends - rows["frame_size"]
    frames = np.empty(int(ends[-1]) if count else 0, dtype=np.uint8)
    for number, group in enumerate(groups):
        chosen = group_of_row == number
        _scatter(group.frames, row_in_group[order[chosen]], rows["frame_offset"][chosen], frames)
    return OperationBlock(rows=rows, frames=frames)


@leaf_kernel
def _scatter(
    source: NDArray[np.uint8], source_rows: NDArray[np.int64], offsets: NDArray[np.int64], target: NDArray[np.uint8]
) -> None:
    """Copy source[source_rows[i]] (of uint8[n, size]) to target[offsets[i]:] (uint8[total]) for each i."""
    for i in range(source_rows.size):
        copy_bytes(source[source_rows[i]], 0, target, offsets[i], source.shape[1])
