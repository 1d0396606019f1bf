"""Registers of one meter held against each other, and against the half-hours between them. Pure."""

from bisect import bisect_right
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import Quality
from store.rejections import Reason, slot_wh_max
from store.rows import UNKNOWN_WH, Readings
from store.tariffs import MISSING_WH

WH_PER_KWH = 1_000


class Logged(NamedTuple):
    """The registers in the log that each of n rows is held against: those of its meter, UNKNOWN_WH where there is none."""

    before_us: NDArray[np.int64]  # [n] the latest up to the row's end: when it was read [us since the Unix epoch]
    before_wh: NDArray[np.int64]  # [n]
    start_us: NDArray[np.int64]  # [n] the latest up to the row's start
    start_wh: NDArray[np.int64]  # [n]
    after_wh: NDArray[np.int64]  # [n] the earliest after the row's end


def reject_odd_registers(
    readings: Readings,
    meter_number: NDArray[np.int64],
    reason: NDArray[np.uint8],
    logged: Logged,
    is_open: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """A measured register that fell, or rose by too much or otherwise than its half-hours, since the last good one of its meter.

    The last good one is the nearest, be it in the log or in the delivery, so that a delivery which is sent again after half of
    it was written is judged as it was the first time. is_open: bool[n]; what the log has already is judged no more.
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
    is_odd = has_fallen(register_wh[:-1], register_wh[1:])
    is_odd |= np.diff(register_wh) > _most_wh(readings, later, end_us[:-1])
    is_odd |= readings.interval_start_us[later] < end_us[:-1]  # they overlap: which one to hold it against?
    is_odd |= parts_disagree(readings, later, end_us[:-1], register_wh[:-1])
    is_against_log = _is_against_log(readings, logged)[rows] & is_open[rows]
    for meter in np.unique(np.concatenate([mpxn[1:][is_same & is_odd], mpxn[is_against_log]])).tolist():
        of_meter = np.flatnonzero(mpxn == meter)
        for one in np.unique(number[of_meter]).tolist():
            _reject_odd_steps(readings, rows[of_meter[number[of_meter] == one]], reason, logged, is_open)
    return is_followed


def _is_against_log(readings: Readings, logged: Logged) -> NDArray[np.bool_]:
    """Would any check against the log alone find a row odd? bool[n]."""
    rows, register_wh = np.arange(len(readings.mpxn)), readings.register_wh
    has_before, has_start = logged.before_wh != UNKNOWN_WH, logged.start_wh != UNKNOWN_WH
    is_odd = has_before & has_fallen(logged.before_wh, register_wh)
    is_odd |= has_before & (register_wh - logged.before_wh > _most_wh(readings, rows, logged.before_us))
    is_odd |= has_start & parts_disagree(readings, rows, logged.start_us, logged.start_wh)
    is_odd |= _is_above_later(register_wh, logged)
    against: NDArray[np.bool_] = is_odd
    return against


def _is_above_later(register_wh: NDArray[np.int64], logged: Logged) -> NDArray[np.bool_]:
    above: NDArray[np.bool_] = (logged.after_wh != UNKNOWN_WH) & has_fallen(register_wh, logged.after_wh)
    return above


def _most_wh(readings: Readings, rows: NDArray[np.int64], since_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """By how much the registers of rows may have risen since an instant of each: what the fuse lets through, int64[m]."""
    slots = -(-np.maximum(readings.interval_end_us[rows] - since_us, 0) // readings.slot_us)
    most: NDArray[np.int64] = slots * slot_wh_max(readings.slot_us)[readings.fuel[rows]]
    return most


def _reject_odd_steps(
    readings: Readings,
    rows: NDArray[np.int64],
    reason: NDArray[np.uint8],
    logged: Logged,
    is_open: NDArray[np.bool_],
) -> None:
    """The rows of one meter, by their end, each held against the last good one."""
    ends: list[int] = []
    kept: list[int] = []
    is_above = _is_above_later(readings.register_wh, logged)
    for row in rows.tolist():
        end_us, start_us = int(readings.interval_end_us[row]), int(readings.interval_start_us[row])
        register_wh = int(readings.register_wh[row])
        if kept and end_us == ends[-1] and register_wh != readings.register_wh[kept[-1]]:
            reason[row] = Reason.DUPLICATE_DIFFERS
            continue
        last = _nearer(readings, ends, kept, len(ends) - 1, int(logged.before_us[row]), int(logged.before_wh[row]))
        first = _nearer(
            readings, ends, kept, bisect_right(ends, start_us) - 1, int(logged.start_us[row]), int(logged.start_wh[row])
        )
        one = np.array([row])
        if not is_open[row]:
            pass
        elif last is not None and has_fallen(np.array([last[1]]), readings.register_wh[one]).any():
            reason[row] = Reason.REGISTER_FELL
        elif last is not None and register_wh - last[1] > _most_wh(readings, one, np.array([last[0]]))[0]:
            reason[row] = Reason.IMPLAUSIBLE
        elif first is not None and parts_disagree(readings, one, np.array([first[0]]), np.array([first[1]])).any():
            reason[row] = Reason.PARTS_DISAGREE
        elif is_above[row]:
            # last: when the delivery came first, the later one may have been in it, to be held against this one
            reason[row] = Reason.REGISTER_FELL
        if reason[row] == Reason.ACCEPTED:
            ends.append(end_us)
            kept.append(row)


def _nearer(
    readings: Readings, ends: list[int], kept: list[int], at: int, logged_us: int, logged_wh: int
) -> tuple[int, int] | None:
    """The later of the delivery's good register number `at` (none: -1) and of the log's: its instant, and what it showed."""
    if at >= 0 and (logged_wh == UNKNOWN_WH or ends[at] >= logged_us):
        return ends[at], int(readings.register_wh[kept[at]])
    return None if logged_wh == UNKNOWN_WH else (logged_us, logged_wh)


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
    unseen_slots = (~is_known).sum(axis=1) + -(-(readings.interval_start_us[rows] - since_us) // readings.slot_us)
    slack_wh = is_known.sum(axis=1) + np.maximum(_cut_off_wh(register_wh), _cut_off_wh(since_wh))
    most_wh = unseen_slots * slot_wh_max(readings.slot_us)[readings.fuel[rows]]
    is_odd = (excess_wh < -slack_wh) | (excess_wh > most_wh + slack_wh)
    disagrees: NDArray[np.bool_] = is_odd & is_measured(readings)[rows] & has_half_hours(readings)[rows]
    return disagrees


def has_half_hours(readings: Readings) -> NDArray[np.bool_]:
    return np.full(len(readings.mpxn), readings.values_wh.shape[1] > 0)


def is_measured(readings: Readings) -> NDArray[np.bool_]:
    """An estimate may be above what the meter says later, and a correction says that a register was wrong."""
    measured: NDArray[np.bool_] = (readings.quality == Quality.ACTUAL) & (readings.revision == 0)
    return measured
