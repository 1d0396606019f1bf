"""Counting facts against the ledger: pure kernels over a plane of the ledger and one DC's pass over a table.

A *unit* is what is counted, see `loadtests.audit.data_loss.fact_classes`. The ledger marks the slots that a delivery was sent
for; a view's row must be that of the latest acknowledged slot of its unit, or of a later one in doubt.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadtests.audit.data_loss.expected_rows import Compared
from loadtests.recording.ledger import SLOTS_PER_BYTE, SlotState
from sim.kernels import kernel

EXAMPLES_PER_FAULT_MAX = 10

NONE, INTENT, ACKNOWLEDGED = int(SlotState.NONE), int(SlotState.INTENT), int(SlotState.ACKNOWLEDGED)
FAILED = int(SlotState.FAILED)


class FactOutcome(IntEnum):
    """What became of a fact; the index of its count."""

    LOST = 0
    WRONG = 1
    PHANTOM = 2
    DUPLICATE = 3
    VERIFIED = 4
    IN_DOUBT_FOUND = 5
    NOT_JUDGED = 6


class FactFault(IntEnum):
    """The outcomes that are faults, of which there are examples."""

    LOST = FactOutcome.LOST
    WRONG = FactOutcome.WRONG
    PHANTOM = FactOutcome.PHANTOM
    DUPLICATE = FactOutcome.DUPLICATE


class UnitCounts(NamedTuple):
    """Units of a plane, as the ledger has them."""

    attempted: int
    acknowledged: int
    indeterminate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One fault, named; of neighbouring half-hours with the same fault the first. `row` is the place in its page."""

    fault: FactFault
    meter: int
    slot: int
    row: int


class Tally:
    """The counts of one DC's pass over one table; bitmaps hold which units were seen, and which seen right.

    `right`, uint8[meters, unit bytes], is whole when the pass is over.
    """

    def __init__(
        self,
        plane: NDArray[np.uint8],
        *,
        unit_starts: NDArray[np.int64],
        are_absent_unjudged: bool = False,
    ) -> None:
        """plane: uint8[meters, bytes] of the ledger.

        are_absent_unjudged: a unit that was never seen may have been taken away by a fold that saw nothing of it.
        """
        self._plane = plane
        self._unit_starts = unit_starts
        self._are_absent_unjudged = are_absent_unjudged
        self._seen = unit_bitmap(len(plane), len(unit_starts) - 1, is_set=False)
        self.right = np.zeros_like(self._seen)
        self.counts = np.zeros(len(FactOutcome), np.int64)
        self._examples = np.zeros((len(FactFault), EXAMPLES_PER_FAULT_MAX, 3), np.int64)
        self._noted = np.full((len(FactFault), 3), -2, np.int64)
        self._noted[:, 0] = 0

    def add(self, compared: Compared, claim: NDArray[np.uint8]) -> list[Example]:
        """Count a page's rows, those that `claim` (see `expected.rows_of_class`) says; returns the faults that it found.

        Of the faults there are as many as there is still room for.
        """
        before = self._noted[:, 0].copy()
        messages = compared.messages
        _count_page(
            self._plane,
            self._unit_starts,
            messages.meter,
            messages.first_slot,
            messages.slot_count,
            compared.is_row_right,
            compared.is_value_right,
            compared.is_unjudged,
            compared.is_stale,
            claim,
            self._seen,
            self.right,
            self.counts,
            self._examples,
            self._noted,
        )
        return self._examples_from(before)

    def finish(self) -> list[Example]:
        """Count what was acknowledged and never seen; returns examples of what is lost."""
        before = self._noted[:, 0].copy()
        _count_lost(
            self._plane,
            self._unit_starts,
            self._seen,
            self._are_absent_unjudged,
            self.counts,
            self._examples,
            self._noted,
        )
        return self._examples_from(before)

    def _examples_from(self, before: NDArray[np.int64]) -> list[Example]:
        return [
            Example(fault=fault, meter=meter, slot=slot, row=row)
            for fault in FactFault
            for meter, slot, row in self._examples[fault, before[fault] : self._noted[fault, 0]].tolist()
        ]


def unit_bitmap(meter_count: int, unit_count: int, *, is_set: bool) -> NDArray[np.uint8]:
    """One bit a (meter, unit): uint8[meters, bytes]."""
    return np.full((meter_count, -(-unit_count // 8)), 255 if is_set else 0, np.uint8)


@kernel
def count_units(plane: NDArray[np.uint8], unit_starts: NDArray[np.int64]) -> UnitCounts:
    """How many units of a plane were attempted, acknowledged, and left indeterminate."""
    attempted = acknowledged = indeterminate = 0
    for m in range(plane.shape[0]):
        for unit in range(len(unit_starts) - 1):
            is_attempted = False
            is_acknowledged = False
            is_in_doubt = False
            for slot in range(unit_starts[unit], unit_starts[unit + 1]):
                state = state_of(plane, m, slot)
                is_attempted |= state != NONE
                is_acknowledged |= state == ACKNOWLEDGED
                is_in_doubt |= state == INTENT
            attempted += is_attempted
            acknowledged += is_acknowledged
            indeterminate += is_in_doubt and not is_acknowledged
    return UnitCounts(attempted, acknowledged, indeterminate)


def count_acknowledged_by(
    plane: NDArray[np.uint8], unit_starts: NDArray[np.int64], group: NDArray[np.uint8], group_count: int
) -> NDArray[np.int64]:
    """Acknowledged units by their meter's group: uint8[meters] in 0 .. group_count - 1 -> int64[group_count]."""
    counts = np.zeros(group_count, np.int64)
    _count_groups(plane, unit_starts, group, counts)
    return counts


def count_verified(
    plane: NDArray[np.uint8], unit_starts: NDArray[np.int64], right_everywhere: NDArray[np.uint8]
) -> int:
    """How many units were acknowledged and right in every pass."""
    return int(_count_acknowledged_and_right(plane, unit_starts, right_everywhere))


@kernel
def state_of(plane: NDArray[np.uint8], meter: int, slot: int) -> int:
    """The SlotState of one slot: uint8[meters, bytes] of one plane."""
    return (int(plane[meter, slot // SLOTS_PER_BYTE]) >> (2 * (slot % SLOTS_PER_BYTE))) & 3


@kernel
def _add_example(
    examples: NDArray[np.int64],  # [fault, EXAMPLES_PER_FAULT_MAX, (meter, slot, row)]
    noted: NDArray[np.int64],  # [fault, (examples so far, meter and slot of the fault before)]
    fault: int,
    meter: int,
    slot: int,
    row: int,
) -> None:
    count = noted[fault, 0]
    is_next = meter >= 0 and noted[fault, 1] == meter and noted[fault, 2] == slot - 1
    noted[fault, 1] = meter
    noted[fault, 2] = slot
    if is_next or count == examples.shape[1]:
        return
    examples[fault, count, 0] = meter
    examples[fault, count, 1] = slot
    examples[fault, count, 2] = row
    noted[fault, 0] = count + 1


@kernel
def _count_page(
    plane: NDArray[np.uint8],  # [meters, bytes] 2 bits a slot
    unit_starts: NDArray[np.int64],  # [units + 1] first slots, and the end
    meter: NDArray[np.int64],  # [rows] -1 is no meter of the estate
    first_slot: NDArray[np.int32],  # [rows]
    run_slots: NDArray[np.int32],  # [rows]
    is_row_right: NDArray[np.bool_],  # [rows]
    is_value_right: NDArray[np.bool_],  # [rows, slots of a day]
    is_unjudged: NDArray[np.bool_],  # [rows]
    is_stale: NDArray[np.bool_],  # [rows]
    claim: NDArray[np.uint8],  # [rows] 0: not of these facts, 1: of them, 2: a later revision in their place
    seen: NDArray[np.uint8],  # [meters, unit bytes]
    right: NDArray[np.uint8],  # [meters, unit bytes]
    counts: NDArray[np.int64],  # [FactOutcome]
    examples: NDArray[np.int64],
    noted: NDArray[np.int64],
) -> None:
    by_slot = unit_starts[1] - unit_starts[0] == 1
    for row in range(meter.size):
        if claim[row] == 0:
            continue
        m = meter[row]
        if m < 0:
            counts[FactOutcome.PHANTOM] += 1
            _add_example(examples, noted, FactFault.PHANTOM, -1, -1, row)
            continue
        # a run's row claims each of its half-hours; a view's row claims its unit, as of its last half-hour
        last = first_slot[row] + run_slots[row] - 1
        start = first_slot[row] if by_slot else last
        unit = 0 if by_slot else np.searchsorted(unit_starts, last, side="right") - 1
        for slot in range(start, last + 1):
            if by_slot:
                unit = slot
            bit = np.uint8(1 << (unit & 7))
            state = state_of(plane, m, slot)
            if state in (NONE, FAILED) and claim[row] == 2:
                continue  # of a later revision: this fact's own row need never have been
            if state in (NONE, FAILED):
                counts[FactOutcome.PHANTOM] += 1
                _add_example(examples, noted, FactFault.PHANTOM, m, slot, row)
                continue
            if seen[m, unit >> 3] & bit:
                counts[FactOutcome.DUPLICATE] += 1
                _add_example(examples, noted, FactFault.DUPLICATE, m, slot, row)
                continue
            seen[m, unit >> 3] |= bit
            is_right = is_row_right[row] and (not by_slot or is_value_right[row, slot - first_slot[row]])
            if not is_right and not is_unjudged[row] and not is_stale[row]:
                counts[FactOutcome.WRONG] += 1
                _add_example(examples, noted, FactFault.WRONG, m, slot, row)
                continue
            is_acknowledged = state == ACKNOWLEDGED
            newer = -1
            for other in range(unit_starts[unit], unit_starts[unit + 1]):
                if other != slot and state_of(plane, m, other) == ACKNOWLEDGED:
                    is_acknowledged = True
                    if other > slot:
                        newer = other
            if newer >= 0 and not is_stale[row]:
                counts[FactOutcome.LOST] += 1
                _add_example(examples, noted, FactFault.LOST, m, newer, row)
            elif is_acknowledged and (newer >= 0 or not is_right):
                counts[FactOutcome.NOT_JUDGED] += 1
            elif is_acknowledged:
                counts[FactOutcome.VERIFIED] += 1
                right[m, unit >> 3] |= bit
            else:
                counts[FactOutcome.IN_DOUBT_FOUND] += 1


@kernel
def _count_lost(
    plane: NDArray[np.uint8],
    unit_starts: NDArray[np.int64],  # [units + 1] first slots, and the end
    seen: NDArray[np.uint8],
    are_absent_unjudged: bool,
    counts: NDArray[np.int64],  # [FactOutcome]
    examples: NDArray[np.int64],
    noted: NDArray[np.int64],
) -> None:
    unit_count = len(unit_starts) - 1
    for m in range(plane.shape[0]):
        for unit in range(unit_count):
            if seen[m, unit >> 3] & np.uint8(1 << (unit & 7)):
                continue
            latest = -1
            for slot in range(unit_starts[unit], unit_starts[unit + 1]):
                if state_of(plane, m, slot) == ACKNOWLEDGED:
                    latest = slot
            if latest >= 0 and are_absent_unjudged:
                counts[FactOutcome.NOT_JUDGED] += 1
            elif latest >= 0:
                counts[FactOutcome.LOST] += 1
                _add_example(examples, noted, FactFault.LOST, m, latest, -1)


@kernel
def _is_acknowledged(plane: NDArray[np.uint8], meter: int, unit: int, unit_starts: NDArray[np.int64]) -> bool:
    found = False
    for slot in range(unit_starts[unit], unit_starts[unit + 1]):
        found |= state_of(plane, meter, slot) == ACKNOWLEDGED
    return found


@kernel
def _count_groups(
    plane: NDArray[np.uint8],
    unit_starts: NDArray[np.int64],  # [units + 1] first slots, and the end
    group: NDArray[np.uint8],
    counts: NDArray[np.int64],
) -> None:
    for m in range(plane.shape[0]):
        for unit in range(len(unit_starts) - 1):
            counts[group[m]] += _is_acknowledged(plane, m, unit, unit_starts)


@kernel
def _count_acknowledged_and_right(
    plane: NDArray[np.uint8], unit_starts: NDArray[np.int64], right: NDArray[np.uint8]
) -> int:
    unit_count = len(unit_starts) - 1
    total = 0
    for m in range(plane.shape[0]):
        for unit in range(unit_count):
            if right[m, unit >> 3] & np.uint8(1 << (unit & 7)):
                total += _is_acknowledged(plane, m, unit, unit_starts)
    return total
