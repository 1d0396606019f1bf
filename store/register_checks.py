"""Registers of one meter held against each other, and against the half-hours between them. Pure."""

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import SLOT_US, Quality
from store.rejections import SLOT_WH_MAX, Reason
from store.rows import Readings
from store.tariffs import MISSING_WH

WH_PER_KWH = 1_000


def reject_odd_registers(
    readings: Readings,
    meter_number: NDArray[np.int64],
    reason: NDArray[np.uint8],
    is_above_later: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """A measured register that fell, or rose by too much or otherwise than its half-hours, since the last good row of its meter.

    is_above_later: is the register above a later one of the log? That is told last, of a row that is not odd otherwise: when
    the delivery came first the later one may have been in it, and what is sent again is judged as it was then.
    Returns which rows had a good one before them to be held against, bool[n]. Only meters with an odd step are gone through
    row by row.
    """
    good = np.flatnonzero((reason == Reason.ACCEPTED) & is_measured(readings))
    rows = good[np.lexsort((readings.interval_end_us[good], meter_number[good], readings.mpxn[good]))]
    mpxn, number, end_us = readings.mpxn[rows], meter_number[rows], readings.interval_end_us[rows]
    register_wh, later = readings.register_wh[rows], rows[1:]
    is_same = (np.diff(mpxn) == 0) & (np.diff(number) == 0)
    is_followed = np.zeros(len(reason), np.bool_)
    is_followed[later[is_same]] = True
    limit_wh = -(-np.diff(end_us) // SLOT_US) * np.array(SLOT_WH_MAX)[readings.fuel[later]]
    is_odd = has_fallen(register_wh[:-1], register_wh[1:]) | (np.diff(register_wh) > limit_wh)
    is_odd |= readings.interval_start_us[later] < end_us[:-1]  # they overlap: which one to hold it against?
    is_odd |= parts_disagree(readings, later, end_us[:-1], register_wh[:-1])
    is_above = is_above_later[rows]
    for meter in np.unique(np.concatenate([mpxn[1:][is_same & is_odd], mpxn[is_above]])).tolist():
        of_meter = np.flatnonzero(mpxn == meter)
        for one in np.unique(number[of_meter]).tolist():
            _reject_odd_steps(readings, rows[of_meter[number[of_meter] == one]], reason, is_above_later)
    return is_followed


def _reject_odd_steps(
    readings: Readings, rows: NDArray[np.int64], reason: NDArray[np.uint8], is_above_later: NDArray[np.bool_]
) -> None:
    """The rows of one meter, by their end, each held against the last good one."""
    ends: list[int] = []
    kept: list[int] = []
    slot_max = SLOT_WH_MAX[int(readings.fuel[rows[0]])]
    for row in rows.tolist():
        end_us, start_us = int(readings.interval_end_us[row]), int(readings.interval_start_us[row])
        if kept:
            last = kept[-1:]
            if end_us == ends[-1] and readings.register_wh[row] != readings.register_wh[kept[-1]]:
                reason[row] = Reason.DUPLICATE_DIFFERS
                continue
            risen_wh = int(readings.register_wh[row] - readings.register_wh[kept[-1]])
            if has_fallen(readings.register_wh[last], readings.register_wh[[row]]).any():
                reason[row] = Reason.REGISTER_FELL
                continue
            if risen_wh > -(-(end_us - ends[-1]) // SLOT_US) * slot_max:
                reason[row] = Reason.IMPLAUSIBLE
                continue
        before = bisect_right(ends, start_us) - 1
        if before >= 0:
            since_us, since_wh = np.array(ends[before : before + 1]), readings.register_wh[kept[before : before + 1]]
            if parts_disagree(readings, np.array([row]), since_us, since_wh).any():
                reason[row] = Reason.PARTS_DISAGREE
                continue
        if is_above_later[row]:
            reason[row] = Reason.REGISTER_FELL
            continue
        ends.append(end_us)
        kept.append(row)


def has_fallen(earlier_wh: NDArray[np.int64], later_wh: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Is the later register below the earlier one? A display of whole kWh shows up to 999 Wh less than was counted."""
    fallen: NDArray[np.bool_] = later_wh < earlier_wh - _cut_off_wh(later_wh)
    return fallen


def _cut_off_wh(register_wh: NDArray[np.int64]) -> NDArray[np.int64]:
    """The most that the display may have left out: int64[n]."""
    return np.where(register_wh % WH_PER_KWH == 0, WH_PER_KWH - 1, 0)


def parts_disagree(
    readings: Readings, rows: NDArray[np.int64], since_us: NDArray[np.int64], since_wh: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Do half-hours of `rows` add up to something else than their register rose by since an earlier one: bool[m].

    since_us, since_wh: that register, int64[m], not after the row's start. What was lost, and what lies between, may be as much
    as the fuse lets through. A half-hour may be rounded by 1 Wh, and a display of whole kWh leaves out what makes none.
    """
    values = readings.values_wh[rows]
    is_known = values != MISSING_WH
    register_wh = readings.register_wh[rows]
    excess_wh = register_wh - since_wh - np.where(is_known, values, 0).sum(axis=1, dtype=np.int64)
    unseen_slots = (~is_known).sum(axis=1) + -(-(readings.interval_start_us[rows] - since_us) // SLOT_US)
    slack_wh = is_known.sum(axis=1) + np.maximum(_cut_off_wh(register_wh), _cut_off_wh(since_wh))
    is_odd = (excess_wh < -slack_wh) | (
        excess_wh > unseen_slots * np.array(SLOT_WH_MAX)[readings.fuel[rows]] + slack_wh
    )
    disagrees: NDArray[np.bool_] = is_odd & is_measured(readings)[rows] & has_half_hours(readings)[rows]
    return disagrees


def has_half_hours(readings: Readings) -> NDArray[np.bool_]:
    return np.full(len(readings.mpxn), readings.values_wh.shape[1] > 0)


def is_measured(readings: Readings) -> NDArray[np.bool_]:
    """An estimate may be above what the meter says later, and a correction says that a register was wrong."""
    measured: NDArray[np.bool_] = (readings.quality == Quality.ACTUAL) & (readings.revision == 0)
    return measured
