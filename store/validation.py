"""What is wrong with a delivery, row by row: nothing valid is lost because of what came with it. Pure.

Rows that `store.parsing` could read are held against what is known already and against each other. Each row gets one
`Reason`; the rest of the delivery goes on without it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import SLOT_US, Quality
from store.parsing import Parsed
from store.rejections import DETAIL_CHARS_MAX, SLOT_WH_MAX, Reason, Rejection
from store.rows import Readings
from store.tariffs import MISSING_WH

UNKNOWN_WH = -1  # no register is known
INSTANT_MAX_US = 253_402_300_799_000_000  # the end of the year 9999, the last that a driver can write


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known already about the meters of n rows, at each row's end; see `store.ingest`."""

    held_wh: NDArray[np.int32]  # [n, k] held for the half-hour with the row's revision, MISSING_WH where none is
    has_run: NDArray[np.bool_]  # [n] does the log have this very run and revision?
    run_wh: NDArray[np.int32]  # [n, k] what it has of it; what was lost then stays lost in this revision
    held_register_wh: NDArray[np.int64]  # [n] held for the row's end and revision, UNKNOWN_WH where none is
    before_wh: NDArray[
        np.int64
    ]  # [n] the latest register up to the row's end since the meter was put in, or UNKNOWN_WH
    before_us: NDArray[np.int64]  # [n] when that was
    after_wh: NDArray[np.int64]  # [n] the earliest register after the row's end until the meter goes, or UNKNOWN_WH
    meter_number: NDArray[np.int64]  # [n] counts exchanges: registers of two meters are not compared


def no_context(row_count: int, slot_count: int) -> Context:
    """Of meters that nothing is known of."""
    unknown = np.full(row_count, UNKNOWN_WH, np.int64)
    zeros = np.zeros(row_count, np.int64)
    return Context(
        held_wh=np.full((row_count, slot_count), MISSING_WH, np.int32),
        has_run=np.zeros(row_count, np.bool_),
        run_wh=np.full((row_count, slot_count), MISSING_WH, np.int32),
        held_register_wh=unknown,
        before_wh=unknown,
        before_us=zeros,
        after_wh=unknown,
        meter_number=zeros,
    )


def judge(parsed: Parsed, context: Context) -> NDArray[np.uint8]:
    """Each row's Reason, held against what is known and against the rows before it: uint8[n]."""
    reason = parsed.reason.copy()
    for one, is_so in (
        (Reason.DUPLICATE_DIFFERS, _differs_from_held(parsed.readings, context)),
        (Reason.IMPLAUSIBLE, _jumps(parsed.readings, context)),
        (Reason.REGISTER_FELL, _falls(parsed.readings, context)),
    ):
        reason[(reason == Reason.ACCEPTED) & is_so] = one
    # among the rows themselves, of those that are good so far
    _reject_duplicates(parsed.readings, reason)
    _reject_odd_registers(parsed.readings, context.meter_number, reason)
    return reason


def rejections(parsed: Parsed, reason: NDArray[np.uint8]) -> list[Rejection]:
    """What is recorded of the rows that were refused, in their order."""
    readings = parsed.readings
    told = []
    for row in np.flatnonzero(reason != Reason.ACCEPTED).tolist():
        why, start_us = Reason(int(reason[row])), int(readings.interval_start_us[row])
        told.append(
            Rejection(
                row=row,
                received_at_us=int(readings.received_at_us[row]),
                mpxn=int(readings.mpxn[row]),
                interval_start_us=start_us if 0 <= start_us <= INSTANT_MAX_US else 0,
                reason=why,
                detail=parsed.detail.get(row, _detail(readings, row))[:DETAIL_CHARS_MAX],
            )
        )
    return told


def _detail(readings: Readings, row: int) -> str:
    values = ", ".join(map(str, readings.values_wh[row].tolist()))
    start_us = readings.interval_start_us[row]
    return (
        f"from {start_us} us, revision {readings.revision[row]}, register {readings.register_wh[row]} Wh, [{values}] Wh"
    )


# -- rows against what is known, and against each other -----------------------------------------------------------------------


def _is_measured(readings: Readings) -> NDArray[np.bool_]:
    """An estimate may be above what the meter says later, and a correction says that a register was wrong."""
    is_measured: NDArray[np.bool_] = (readings.quality == Quality.ACTUAL) & (readings.revision == 0)
    return is_measured


def _jumps(readings: Readings, context: Context) -> NDArray[np.bool_]:
    """Does the register rise by more than the fuse lets through in the time since the one before?"""
    elapsed_us = np.maximum(readings.interval_end_us - context.before_us, 0)
    slots = -(-elapsed_us // SLOT_US)
    risen_wh = readings.register_wh - context.before_wh
    is_known: NDArray[np.bool_] = context.before_wh != UNKNOWN_WH
    jumps: NDArray[np.bool_] = risen_wh > slots * np.array(SLOT_WH_MAX)[readings.fuel]
    jumps &= _is_measured(readings) & is_known
    return jumps


def _falls(readings: Readings, context: Context) -> NDArray[np.bool_]:
    """Is the register below the one before, or above the one after?"""
    below: NDArray[np.bool_] = (context.before_wh != UNKNOWN_WH) & (readings.register_wh < context.before_wh)
    above: NDArray[np.bool_] = (context.after_wh != UNKNOWN_WH) & (readings.register_wh > context.after_wh)
    falls: NDArray[np.bool_] = _is_measured(readings) & (below | above)
    return falls


def _differs_from_held(readings: Readings, context: Context) -> NDArray[np.bool_]:
    is_both: NDArray[np.bool_] = (context.held_wh != MISSING_WH) & (readings.values_wh != MISSING_WH)
    differs: NDArray[np.bool_] = (is_both & (context.held_wh != readings.values_wh)).any(axis=1)
    differs |= context.has_run & (context.run_wh != readings.values_wh).any(axis=1)
    is_held = context.held_register_wh != UNKNOWN_WH
    differs |= is_held & (context.held_register_wh != readings.register_wh)
    return differs


def _reject_duplicates(readings: Readings, reason: NDArray[np.uint8]) -> None:
    """A row that says otherwise of a half-hour, or of its register, than a good row before it.

    Only rows that share a half-hour with another one are looked at one by one: a delivery has few.
    """
    values: dict[tuple[int, int, int], int] = {}  # (metering point, revision, half-hour) -> [Wh]
    registers: dict[tuple[int, int, int], int] = {}
    runs: dict[tuple[int, int, int], list[int]] = {}
    for row in _overlapping(readings, np.flatnonzero(reason == Reason.ACCEPTED)).tolist():
        mpxn, revision, start_us = (
            int(readings.mpxn[row]),
            int(readings.revision[row]),
            int(readings.interval_start_us[row]),
        )
        run, register = readings.values_wh[row].tolist(), int(readings.register_wh[row])
        told = {
            (mpxn, revision, start_us + slot * SLOT_US): value for slot, value in enumerate(run) if value != MISSING_WH
        }
        first, end = (mpxn, revision, start_us), (mpxn, revision, int(readings.interval_end_us[row]))
        is_other = runs.get(first, run) != run or registers.get(end, register) != register
        if is_other or any(values.get(key, value) != value for key, value in told.items()):
            reason[row] = Reason.DUPLICATE_DIFFERS
            continue
        values |= told
        registers[end], runs[first] = register, run


def _overlapping(readings: Readings, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of `rows` that share a half-hour, meter and revision with another, in their order: int64[m]."""
    mpxn, revision, start_us = readings.mpxn[rows], readings.revision[rows], readings.interval_start_us[rows]
    order = np.lexsort((start_us, revision, mpxn))
    length_us = max(readings.values_wh.shape[1], 1) * SLOT_US
    shares = (np.diff(mpxn[order]) == 0) & (np.diff(revision[order]) == 0) & (np.diff(start_us[order]) < length_us)
    is_shared = np.zeros(len(rows), np.bool_)
    is_shared[order[1:][shares]] = True
    is_shared[order[:-1][shares]] = True
    return rows[is_shared]


def _reject_odd_registers(readings: Readings, meter_number: NDArray[np.int64], reason: NDArray[np.uint8]) -> None:
    """A measured register that fell, or rose by too much, since the last good row of that meter in the delivery.

    Only meters with such a step are gone through row by row.
    """
    good = np.flatnonzero((reason == Reason.ACCEPTED) & _is_measured(readings))
    rows = good[np.lexsort((readings.interval_end_us[good], meter_number[good], readings.mpxn[good]))]
    mpxn, number, end_us = readings.mpxn[rows], meter_number[rows], readings.interval_end_us[rows]
    is_same = (np.diff(mpxn) == 0) & (np.diff(number) == 0)
    limit_wh = -(-np.diff(end_us) // SLOT_US) * np.array(SLOT_WH_MAX)[readings.fuel[rows[1:]]]
    step_wh = np.diff(readings.register_wh[rows])
    for meter in np.unique(mpxn[1:][is_same & ((step_wh < 0) | (step_wh > limit_wh))]).tolist():
        last: tuple[int, int, int] | None = None  # meter number, end, register of the last good row
        for at in np.flatnonzero(mpxn == meter).tolist():
            now = int(number[at]), int(end_us[at]), int(readings.register_wh[rows[at]])
            if last is not None and last[0] == now[0]:
                slots = -(-(now[1] - last[1]) // SLOT_US)
                if now[2] < last[2]:
                    reason[rows[at]] = Reason.REGISTER_FELL
                    continue
                if now[2] - last[2] > slots * SLOT_WH_MAX[int(readings.fuel[rows[at]])]:
                    reason[rows[at]] = Reason.IMPLAUSIBLE
                    continue
            last = now
