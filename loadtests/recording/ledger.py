"""What the generator promised and what the store acknowledged: two bits for each (write operation, meter, slot).

A slot's state only ever gets stronger, NONE < FAILED < INTENT < ACKNOWLEDGED: an acknowledgement is final, and what may have
been applied stays in doubt whatever became of another copy of it. The one step down is that of the last operation on a slot
of which nobody knows: refused, it leaves the slot FAILED (`refuse_run`).
The intent stands in the ledger before the request leaves, the acknowledgement only after the answer was read. So after
any crash of the generator the ledger says INTENT for all that may or may not have been applied, never less.
The file is mapped, not written: a killed process loses none of it, as its pages are the kernel's.

Layout: uint8[planes, meters, bytes], slot s of a meter in byte s // 4, bits 2 * (s % 4) and the next.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from loadtests.errors import HarnessError
from loadtests.kernels import borrowing_kernel
from scenarios.texts.outside import read_text, why_refused
from sim.kernels import kernel

SLOTS_PER_BYTE = 4
EXPORT_PLANE = "export"  # what import/export meters gave to the network; all other planes are named after what was sent
_LOW_BITS = 0x55  # the low bit of each slot's pair, for kernels
ONE_BIT_A_SLOT = np.uint8(_LOW_BITS)


class SlotState(IntEnum):
    NONE = 0  # never sent
    INTENT = 1  # sent, and nobody knows: still in flight, or indeterminate for good
    FAILED = 2  # every attempt was refused: certainly not applied
    ACKNOWLEDGED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A ledger that is mapped from its file, or only held in memory (folder None).

    planes: names of the write operations, in the order of the first axis. states: uint8[planes, meters, bytes].
    """

    folder: Path | None
    planes: tuple[str, ...]
    slot_count: int
    states: NDArray[np.uint8]

    @staticmethod
    def create(folder: Path | None, planes: Sequence[str], meter_count: int, slot_count: int) -> Ledger:
        """A new ledger with nothing sent; `folder` is made. Raises HarnessError when it holds one, or the disk is full."""
        byte_count = -(-slot_count // SLOTS_PER_BYTE)
        shape = (len(planes), meter_count, byte_count)
        if folder is None:
            return Ledger(folder=None, planes=tuple(planes), slot_count=slot_count, states=np.zeros(shape, np.uint8))
        if _states_path(folder).exists():
            raise HarnessError(f"{folder}: already holds a ledger; choose another --out")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _allocate(_states_path(folder), int(np.prod(shape)))
        except OSError as error:
            if not isinstance(error, FileExistsError):  # another process's, made since we looked
                with contextlib.suppress(OSError):
                    _states_path(folder).unlink(missing_ok=True)
                    folder.rmdir()
            size_mb = np.prod(shape) / 1e6
            raise HarnessError(f"{folder}: no room for a ledger of {size_mb:.0f} MB: {error.strerror}") from error
        about = {"planes": list(planes), "meter_count": meter_count, "slot_count": slot_count}
        (folder / "ledger.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        return Ledger.open(folder, is_writable=True)

    @staticmethod
    def open(folder: Path, *, is_writable: bool = False) -> Ledger:
        """Map an existing ledger. Raises HarnessError when it is missing or its size is not the one that it states."""
        try:
            about = json.loads(read_text(folder / "ledger.json"))
            shape = (len(about["planes"]), about["meter_count"], -(-about["slot_count"] // SLOTS_PER_BYTE))
            if not all(isinstance(each, int) and each >= 0 for each in shape):
                raise ValueError("its numbers of meters and slots are none")
            size = _states_path(folder).stat().st_size
        except RecursionError:
            raise HarnessError(
                f"{folder}: holds no readable ledger (nested too deeply); was the run kept whole?"
            ) from None
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise HarnessError(
                f"{folder}: holds no readable ledger ({why_refused(error)}); was the run kept whole?"
            ) from error
        if size != np.prod(shape):
            raise HarnessError(f"{folder}: the ledger has {size} bytes, not {np.prod(shape)}; the run is incomplete")
        mode: Literal["r+", "r"] = "r+" if is_writable else "r"
        if size == 0:
            states: NDArray[np.uint8] = np.zeros(shape, dtype=np.uint8)
        else:
            # Kernels want a plain array type; the view keeps the mapping alive.
            states = np.asarray(np.memmap(_states_path(folder), dtype=np.uint8, mode=mode, shape=shape))
        return Ledger(folder=folder, planes=tuple(about["planes"]), slot_count=about["slot_count"], states=states)

    def distrust(self) -> None:
        """A sender took marks of its own with it: what has no mark here is marked INTENT.

        It may have been sent all the same. Unmarked, the audit would call what that sender wrote phantoms. That it can't find
        a true phantom any more is the price, and the run is inconclusive anyway.
        """
        low_bits = np.uint8(0x55 * SlotState.INTENT)  # of each slot's pair
        states = self.states
        is_marked = (states | (states >> 1)) & low_bits
        states |= ~is_marked & low_bits

    @property
    def meter_count(self) -> int:
        return int(self.states.shape[1])

    def plane_of(self, operation: str) -> int:
        """The index of an operation's plane. Raises ValueError for one that has none."""
        return self.planes.index(operation)

    def slots(self, plane: int, meter_first: int, meter_end: int) -> NDArray[np.uint8]:
        """SlotState of a range of meters, unpacked: uint8[meter_end - meter_first, slot_count]."""
        packed = self.states[plane, meter_first:meter_end]
        shifts = 2 * np.arange(SLOTS_PER_BYTE, dtype=np.uint8)
        pairs = ((packed[:, :, np.newaxis] >> shifts) & 3).astype(np.uint8)
        return pairs.reshape(len(packed), -1)[:, : self.slot_count]

    def counts(self, plane: int) -> dict[SlotState, int]:
        """How many slots of a plane are in each state."""
        found = count_states(self.states[plane], self.slot_count)
        return {state: int(found[state]) for state in SlotState}


def _states_path(folder: Path) -> Path:
    return folder / "slots.u8"


def _allocate(path: Path, size: int) -> None:
    """A file of zeros whose blocks exist: writing into a hole of a full disk would kill the process (SIGBUS)."""
    with path.open("xb") as file:
        if size == 0:
            return
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)


@borrowing_kernel
def _wanted(byte: int, first: int, last: int) -> int:
    """The bits of a byte that belong to slots `first` ... `last`."""
    wanted = 0xFF
    if byte == first // SLOTS_PER_BYTE:
        wanted &= 0xFF << (2 * (first % SLOTS_PER_BYTE))
    if byte == last // SLOTS_PER_BYTE:
        wanted &= 0xFF >> (2 * (SLOTS_PER_BYTE - 1 - last % SLOTS_PER_BYTE))
    return wanted & 0xFF


@borrowing_kernel
def mark_run(states: NDArray[np.uint8], plane: int, meter: int, first: int, count: int, state: int) -> None:
    """Set slots `first` ... `first + count - 1` of a meter to `state`, except where theirs is as strong or stronger.

    states: uint8[planes, meters, bytes], changed in place. Works on four slots at a time: 48 slots are twelve steps.
    """
    row = states[plane, meter]
    last = first + count - 1
    for byte in range(first // SLOTS_PER_BYTE, last // SLOTS_PER_BYTE + 1):
        old = np.int64(row[byte])
        low, high = old & _LOW_BITS, (old >> 1) & _LOW_BITS
        weaker = np.int64(_LOW_BITS)  # low bits of the slots that hold less than `state`
        if state == SlotState.INTENT:
            weaker = ~low & _LOW_BITS
        elif state != SlotState.ACKNOWLEDGED:
            weaker = ~(low | high) & _LOW_BITS
        free = _wanted(byte, first, last) & (weaker * 3)
        row[byte] = np.uint8((old & ~free) | (state * _LOW_BITS & free))


@borrowing_kernel
def intend_run(
    states: NDArray[np.uint8], unresolved: NDArray[np.uint8], plane: int, meter: int, first: int, count: int
) -> None:
    """An operation on slots of a meter is about to be sent: mark its intent, and count it as unresolved.

    unresolved: uint8 like `states`, of each slot how many operations are in flight or ended in doubt: 0, 1, 2, or 3 for more,
    which never goes down again. It lives in the sender's memory: no two senders have a meter in common, and what an earlier
    process left in doubt is seen in `states`.
    """
    row, marks = unresolved[plane, meter], states[plane, meter]
    last = first + count - 1
    for byte in range(first // SLOTS_PER_BYTE, last // SLOTS_PER_BYTE + 1):
        old, state = np.int64(row[byte]), np.int64(marks[byte])
        free = _wanted(byte, first, last)
        if (old | state) & free == 0:  # nobody has sent these slots, as is so of nearly all
            row[byte] = np.uint8(old | (_LOW_BITS & free))
            marks[byte] = np.uint8(state | (SlotState.INTENT * _LOW_BITS & free))
            continue
        low, high = old & _LOW_BITS, (old >> 1) & _LOW_BITS
        was_in_doubt = ~(low | high) & state & ~(state >> 1) & _LOW_BITS  # by somebody that nobody counted
        new_low = ((~low | high) & ~was_in_doubt) & _LOW_BITS
        new_high = (low | high | was_in_doubt) & _LOW_BITS
        row[byte] = np.uint8((old & ~free) | ((new_low | (new_high << 1)) & free))
        weaker = free & ((~state & _LOW_BITS) * 3)  # NONE or FAILED
        marks[byte] = np.uint8((state & ~weaker) | (SlotState.INTENT * _LOW_BITS & weaker))


@borrowing_kernel
def refuse_run(
    states: NDArray[np.uint8], unresolved: NDArray[np.uint8], plane: int, meter: int, first: int, count: int
) -> None:
    """An operation that `intend_run` has marked was refused for good: its slots are FAILED where no other is unresolved."""
    row = unresolved[plane, meter]
    last = first + count - 1
    for byte in range(first // SLOTS_PER_BYTE, last // SLOTS_PER_BYTE + 1):
        old, state = np.int64(row[byte]), np.int64(states[plane, meter, byte])
        low, high = old & _LOW_BITS, (old >> 1) & _LOW_BITS
        free = _wanted(byte, first, last)
        row[byte] = np.uint8((old & ~free) | ((high | ((high & low) << 1)) & free))
        is_last = ~high & state & ~(state >> 1) & _LOW_BITS  # it was 1 and is 0, and the slot is INTENT
        failed = free & (is_last * 3)
        states[plane, meter, byte] = np.uint8((state & ~failed) | (SlotState.FAILED * _LOW_BITS & failed))


@kernel
def strengthen(states: NDArray[np.uint8], others: NDArray[np.uint8]) -> None:
    """Give each slot the stronger of its two states: uint8[n] of packed slots twice, the first changed in place."""
    for byte in range(states.size):
        one, other = np.int64(states[byte]), np.int64(others[byte])
        acknowledged = (one & (one >> 1) | other & (other >> 1)) & _LOW_BITS
        in_doubt = (one | other) & _LOW_BITS  # or acknowledged
        failed = ((one | other) >> 1) & ~in_doubt & _LOW_BITS
        states[byte] = np.uint8(in_doubt | ((acknowledged | failed) << 1))


@kernel
def count_states(packed: NDArray[np.uint8], slot_count: int) -> NDArray[np.int64]:
    """How many slots are in each SlotState: uint8[meters, bytes] of one plane -> int64[4]."""
    counts = np.zeros(4, dtype=np.int64)
    for meter in range(packed.shape[0]):
        for slot in range(slot_count):
            counts[(packed[meter, slot // SLOTS_PER_BYTE] >> (2 * (slot % SLOTS_PER_BYTE))) & 3] += 1
    return counts
