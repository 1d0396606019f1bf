"""Days of which something is in doubt: the folds of all that can have been applied, and whether a view holds one of them. Pure.

What was acknowledged is in the log; of what is in doubt any subset can be. So the view of a day may hold the fold of what was
acknowledged and of any such subset, and nothing else.
"""

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from loadtests.audit.data_loss.fact_classes import revision_planes, slots_in
from loadtests.recording.ledger import Ledger, SlotState
from loadtests.workload.deliveries import measured_days, revisions_of, totals_of
from scenarios.domain import Operation
from sim.estate.lookup import sends_runs
from sim.estate.model import EstateModel
from store.rows import day_columns
from store.tariffs import MISSING_WH

DOUBTS_MAX = 10  # 1,024 folds of a day; each more doubles them


class Fit(IntEnum):
    """Does a day's row hold a fold of what can have been applied?"""

    NO = 0
    YES = 1
    UNKNOWN = 2  # more than DOUBTS_MAX deliveries of the day are in doubt, too many folds to be tried


def fit_doubtful_days(
    estate: EstateModel,
    ledger: Ledger,
    meter: NDArray[np.int64],
    first_slot: NDArray[np.int32],
    held: Mapping[str, NDArray[np.int64]],
) -> NDArray[np.uint8]:
    """Fit of n rows of a view of days: uint8[n]; NO where nothing of the day is in doubt.

    meter: int64[n]; first_slot: int32[n], the last half-hour that the row has seen; held: the row's columns, int64[n] each.
    """
    slots = estate.slots_per_day
    day_slot = (first_slot // slots * slots).astype(np.int32)
    planes = (Operation.INGEST_READING, *revision_planes(ledger))
    is_doubtful = np.any(
        [slots_in(estate, ledger, plane, meter, day_slot, SlotState.INTENT).any(axis=1) for plane in planes], axis=0
    )
    fits = np.full(len(meter), Fit.NO, np.uint8)
    for row in np.flatnonzero(is_doubtful).tolist():
        of_row = {name: values[row] for name, values in held.items()}
        fits[row] = _fit(estate, ledger, meter[row : row + 1], day_slot[row : row + 1], int(first_slot[row]), of_row)
    return fits


def layers_of(
    estate: EstateModel, ledger: Ledger, meter: NDArray[np.int64], day_slot: NDArray[np.int32]
) -> list[tuple[int, str, NDArray[np.int32]]]:
    """All that can be delivered of a day, what gives way first: (revision, plane, int32[slots]); int64[1], int32[1]."""
    layers = [(0, str(Operation.INGEST_READING), measured_days(estate, meter, day_slot)[0])]
    slots = (day_slot[0] + np.arange(estate.slots_per_day)).astype(np.int32)
    for plane, revision in revision_planes(ledger).items():
        revised = revisions_of(estate, meter=meter.repeat(len(slots)), first_slot=slots, revision=revision)
        layers.append((revision, plane, revised.values_wh[:, 0]))
    return sorted(
        layers, key=lambda layer: layer[0]
    )  # an estimate gives way to what was measured, a correction does not


def _fit(
    estate: EstateModel,
    ledger: Ledger,
    meter: NDArray[np.int64],
    day_slot: NDArray[np.int32],
    last_slot: int,
    held: Mapping[str, np.int64],
) -> Fit:
    """One day: `meter` and `day_slot` are arrays of one."""
    layers = layers_of(estate, ledger, meter, day_slot)
    applied = np.array(
        [slots_in(estate, ledger, plane, meter, day_slot, SlotState.ACKNOWLEDGED)[0] for _, plane, _ in layers]
    )
    doubts = []  # each a delivery: bool[layers, slots]
    is_upload = bool(sends_runs(estate, meter, day_slot, np.array([estate.slots_per_day]))[0])
    for number, (revision, plane, _) in enumerate(layers):
        in_doubt = np.flatnonzero(slots_in(estate, ledger, plane, meter, day_slot, SlotState.INTENT)[0])
        for together in [in_doubt] if is_upload and revision == 0 and len(in_doubt) else in_doubt[:, np.newaxis]:
            delivery = np.zeros_like(applied)
            delivery[number, together] = True
            doubts.append(delivery)
    if len(doubts) > DOUBTS_MAX:
        return Fit.UNKNOWN
    chosen = (np.arange(1 << len(doubts))[:, np.newaxis] >> np.arange(len(doubts))) & 1 == 1  # [subsets, doubts]
    is_there = applied | (chosen[:, :, np.newaxis, np.newaxis] & np.array(doubts)).any(axis=1)
    folded: NDArray[np.int32] = np.full((len(chosen), estate.slots_per_day), MISSING_WH, np.int32)
    for number, (_, _, values) in enumerate(layers):
        folded = np.where(is_there[:, number] & (values != MISSING_WH), values, folded)
    count = last_slot - int(day_slot[0]) + 1
    is_of_row = _slots_through(is_there) == count
    # A delivery in doubt that came after the fold has brought the day's sum as its meter knows it.
    reading = next(number for number, (revision, _, _) in enumerate(layers) if revision == 0)
    if any(delivery[reading, count - 1] for delivery in doubts):
        folded = np.append(folded, layers[reading][2][np.newaxis], axis=0)
        is_of_row = np.append(is_of_row, True)
    folded = folded[is_of_row]
    n = len(folded)
    totals = totals_of(estate, meter.repeat(n), day_slot.repeat(n), folded, np.full(n, count, np.int64))
    is_held = np.ones(n, np.bool_)
    for name, sums in day_columns(totals).items():
        if name in held:
            is_held &= sums == held[name]
    return Fit.YES if is_held.any() else Fit.NO


def _slots_through(is_there: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Slots from the day's start to the end of the latest delivery: bool[n, layers, slots] -> int64[n], 0 without any."""
    is_any: NDArray[np.bool_] = np.logical_or.reduce(is_there, axis=1)  # [n, slots]
    through: NDArray[np.int64] = np.where(is_any.any(axis=1), is_any.shape[1] - np.argmax(is_any[:, ::-1], axis=1), 0)
    return through
