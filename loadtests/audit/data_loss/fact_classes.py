"""What the audit counts of a table: classes of facts, each with a plane of the ledger and units that are counted.

Pure. A *unit* is what is counted once: a half-hour (or quarter-hour) in the log and in the interval view, a meter's day in the
views of a day, a meter's month in the latest state. A view that several operations write is held against their planes together.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from loadtests.recording.ledger import EXPORT_PLANE, ONE_BIT_A_SLOT, SLOTS_PER_BYTE, Ledger, SlotState, strengthen
from scenarios.domain import Operation
from sim.estate.model import EstateModel
from store.roles import HALF_HOUR_ROLES, TableRole
from store.tables import Schema, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class FactClass:
    """Facts of one kind in one table. revision: of INGEST_REVISION; None for readings, registers and views."""

    name: str
    plane: NDArray[np.uint8]  # uint8[meters, bytes], 2 bits a slot
    unit_starts: NDArray[np.int64]  # int64[units + 1]: the first slot of each unit, and the end
    revision: int | None = None
    is_register: bool = False
    is_export: bool = False


def fact_classes(estate: EstateModel, ledger: Ledger, schema: Schema, table: Table) -> tuple[FactClass, ...]:
    """The classes of a table's facts, the one that owns phantoms first."""
    sent = [plane for plane in ledger.planes if plane != EXPORT_PLANE]
    planes = [plane for plane in sent if _operation_of(plane) in schema.writers_of(table)]
    by_slot = np.arange(estate.slot_count + 1, dtype=np.int64)
    starts = by_slot
    if table.has_role(*HALF_HOUR_ROLES):
        classes = [
            FactClass(
                name=plane,
                plane=ledger.states[ledger.plane_of(plane)],
                unit_starts=by_slot,
                revision=int(plane.rsplit("_", 1)[1]) if _operation_of(plane) is Operation.INGEST_REVISION else None,
                is_register=plane == Operation.INGEST_REGISTER,
            )
            for plane in planes
        ]
    else:
        is_of_month = table.has_role(TableRole.LATEST_REGISTER)
        starts = month_starts(estate) if is_of_month else by_slot[:: estate.slots_per_day]
        if not is_of_month:  # a revision of a half-hour is folded into its day
            planes = [plane for plane in sent if plane != Operation.INGEST_REGISTER]
        together = combined([ledger.states[ledger.plane_of(plane)] for plane in planes])
        classes = [FactClass(name="view", plane=together, unit_starts=starts)]
    if EXPORT_PLANE in ledger.planes:
        exported = ledger.states[ledger.plane_of(EXPORT_PLANE)]
        classes.append(FactClass(name=EXPORT_PLANE, plane=exported, unit_starts=starts, is_export=True))
    return tuple(classes)


def month_starts(estate: EstateModel) -> NDArray[np.int64]:
    """The first slot of each UTC month of the span, and the span's end: int64[months + 1]."""
    days = [estate.start + timedelta(days=day) for day in range(estate.day_count)]
    firsts = [day for day, date in enumerate(days) if day == 0 or date.day == 1]
    return np.array([*firsts, estate.day_count], np.int64) * estate.slots_per_day


def revision_planes(ledger: Ledger) -> dict[str, int]:
    """The ledger's planes of revisions, in their order, with their numbers."""
    prefix = f"{Operation.INGEST_REVISION}_"
    return {plane: int(plane.removeprefix(prefix)) for plane in ledger.planes if plane.startswith(prefix)}


def slots_in(
    estate: EstateModel,
    ledger: Ledger,
    plane: str,
    meter: NDArray[np.int64],
    day_slot: NDArray[np.int32],
    state: SlotState,
) -> NDArray[np.bool_]:
    """Which slots of days are in a state in a plane: int64[n], int32[n] -> bool[n, 48], or 96."""
    packed = _days_of(estate, ledger, plane, meter, day_slot)
    shifts = 2 * np.arange(SLOTS_PER_BYTE, dtype=np.uint8)
    states = (packed[:, :, np.newaxis] >> shifts) & 3
    found: NDArray[np.bool_] = (states == state).reshape(len(meter), estate.slots_per_day)
    return found


def any_in(
    estate: EstateModel,
    ledger: Ledger,
    plane: str,
    meter: NDArray[np.int64],
    day_slot: NDArray[np.int32],
    state: SlotState,
) -> NDArray[np.bool_]:
    """Which days have a slot in a state in a plane: int64[n], int32[n] -> bool[n]."""
    packed = _days_of(estate, ledger, plane, meter, day_slot)
    low = packed if state & 1 else ~packed
    high = packed if state & 2 else ~packed
    found: NDArray[np.bool_] = np.any(low & (high >> 1) & ONE_BIT_A_SLOT, axis=1)
    return found


def _days_of(
    estate: EstateModel, ledger: Ledger, plane: str, meter: NDArray[np.int64], day_slot: NDArray[np.int32]
) -> NDArray[np.uint8]:
    """Days as the ledger has them: uint8[n, 12], or 24."""
    first_byte = day_slot.astype(np.int64) // SLOTS_PER_BYTE
    at = first_byte[:, np.newaxis] + np.arange(estate.slots_per_day // SLOTS_PER_BYTE)
    packed: NDArray[np.uint8] = ledger.states[ledger.plane_of(plane)][meter[:, np.newaxis], at]
    return packed


def combined(planes: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Planes as one: a slot is acknowledged when it is in any, else in doubt when it is in any, else failed."""
    if len(planes) == 1:
        return planes[0]
    out = planes[0].copy()
    for plane in planes[1:]:
        strengthen(out.reshape(-1), plane.reshape(-1))
    return out


def _operation_of(plane: str) -> Operation:
    name = plane.rsplit("_", 1)[0] if plane.startswith(f"{Operation.INGEST_REVISION}_") else plane
    return Operation(name)
