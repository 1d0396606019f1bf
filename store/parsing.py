"""A gateway's rows as numbers: what can be said of each row without any other. Pure.

Nothing in a delivery is trusted. A cell that is no number, a meter that nobody knows or an instant that has not come yet costs
its own row and no other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar import UTC_CALENDAR, Calendar
from scenarios.domain import DAY_US, Quality, Source, premises_of_mpxn
from store.rejections import DETAIL_CHARS_MAX, INSTANT_MAX_US, Reason, Refused, slot_wh_max
from store.rows import ESTIMATE_REVISION, Readings
from store.tariffs import ELECTRICITY, EXPORT, GAS, MISSING_WH

TEXT_CHARS_MAX = 64  # of a number that comes as text
REVISIONS_MAX = 8  # what a partition of the log is sized for
CLOCK_TOLERANCE_US = 10_000_000  # a meter's clock is within 10 s of UTC (SMETS2, 5.4)
REGISTER_WH_MAX = 1 << 40  # a 38 kWh half-hour for 1,600 years
REGISTER_NOT_READ = 0xFFFF_FFFF  # all bits set: what a meter sends of a register that it could not read
NUMBER_BOUND = 2**62  # half of the range, so that sums of an instant and a day stay numbers

Column = Sequence[Any] | NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """n rows as a gateway took them, one column a field; nothing in it is trusted but when it came.

    A cell is an int, a float or text that stands for a whole number. In `values_wh` None, or a masked cell of NumPy's, is a
    half-hour that was lost; a masked cell elsewhere is no number.
    """

    # 0 .. 48 half-hours a row, or 96 quarter-hours; 0 is a register alone; of any other number each row has the wrong shape
    slot_count: int
    mpxn: Column  # [n]
    interval_start_us: Column  # [n] [us since the Unix epoch]
    values_wh: Sequence[Column] | NDArray[Any]  # [n, slot_count] [Wh]
    register_wh: Column  # [n] [Wh]
    revision: Column  # [n]
    source: Column  # [n]
    quality: Column  # [n]
    received_at_us: NDArray[np.int64]  # [n] by the gateway's own clock [us since the Unix epoch]


class Meters(Protocol):
    """Which meters there are."""

    def find(self, mpxn: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """int64[n] metering points -> premises int64[n], -1 where unknown, and fuel code int8[n]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedHomes:
    """All metering points of homes 0 .. count - 1, by their numbers alone."""

    count: int

    def find(self, mpxn: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        point = premises_of_mpxn(mpxn)
        fuel = np.where(point.is_gas, GAS, np.where(point.is_export, EXPORT, ELECTRICITY)).astype(np.int8)
        return np.where(point.premises < self.count, point.premises, -1), fuel


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A delivery as numbers; a row with a reason already may hold 0 where a number could not be read."""

    readings: Readings
    reason: NDArray[np.uint8]  # [n] Reason
    detail: dict[int, str]  # row -> what could not be read
    is_register_odd: NDArray[np.bool_]  # [n] is the register all that is wrong? Then `reason` is about it


def parse(delivery: Delivery, meters: Meters, calendar: Calendar = UTC_CALENDAR) -> Parsed:
    """Rows as numbers, and what can be said of each without any other. Of the calendar it is asked how long a slot is.

    Raises Refused where columns differ in length: nobody could say which cells are one row.
    """
    n, slots, slot_us = len(delivery.received_at_us), calendar.slots_per_day, calendar.slot_us
    is_day = isinstance(delivery.slot_count, int | np.integer) and 0 <= delivery.slot_count <= slots
    k = int(delivery.slot_count) if is_day else 0
    reason, detail = np.zeros(n, np.uint8), dict[int, str]()
    numbers: dict[str, NDArray[np.int64]] = {}
    for name in ("mpxn", "interval_start_us", "register_wh", "revision", "source", "quality"):
        column = getattr(delivery, name)
        _check_length(name, column, n)
        numbers[name] = _numbers(column, name, reason, detail)
    received_us = _numbers(delivery.received_at_us, "received_at_us", reason, detail)
    _check_length("values_wh", delivery.values_wh, n)
    if is_day:
        values, is_missing = _values(delivery.values_wh, k, calendar, reason, detail)
    else:
        values, is_missing = np.zeros((n, 0), np.int64), np.zeros((n, 0), np.bool_)
        for row in range(n):
            text = f"{_shown(delivery.slot_count)} {calendar.slots_are} a row: it is of one UTC day, 0 .. {slots}"
            _tell(row, Reason.WRONG_SHAPE, text, reason, detail)
    for row in np.flatnonzero((received_us < 0) | (received_us > INSTANT_MAX_US - CLOCK_TOLERANCE_US)).tolist():
        why = Reason.MISALIGNED if received_us[row] < 0 else Reason.IN_FUTURE
        _tell(row, why, f"received_at_us = {received_us[row]}: not in the years 1970 .. 9999", reason, detail)
    received_us = received_us.clip(0, INSTANT_MAX_US)
    premises, fuel = meters.find(numbers["mpxn"])
    start_us, end_us = numbers["interval_start_us"], numbers["interval_start_us"] + k * slot_us
    slot_max = slot_wh_max(slot_us)[fuel]
    for one, is_so in (
        (Reason.UNKNOWN_METER, premises < 0),
        (Reason.UNKNOWN_CODE, _is_unknown_code(numbers)),
        (Reason.MISALIGNED, _is_misaligned(start_us, k, slot_us)),
        (Reason.IN_FUTURE, end_us > received_us + CLOCK_TOLERANCE_US),
        (Reason.NEGATIVE, (values < 0).any(axis=1)),
        (Reason.IMPLAUSIBLE, (values > slot_max[:, np.newaxis]).any(axis=1)),
    ):
        reason[(reason == Reason.ACCEPTED) & is_so] = one
    register = numbers["register_wh"]
    is_unread = (register > REGISTER_WH_MAX) | (register == REGISTER_NOT_READ)
    is_register_odd = (reason == Reason.ACCEPTED) & ((register < 0) | is_unread)
    reason[is_register_odd] = np.where(register < 0, Reason.NEGATIVE, Reason.IMPLAUSIBLE)[is_register_odd]
    fits = np.iinfo(np.int32)
    readings = Readings(
        mpxn=numbers["mpxn"],
        premises=premises,
        fuel=fuel,
        interval_start_us=start_us,
        values_wh=np.where(is_missing, MISSING_WH, values.clip(fits.min, fits.max)).astype(np.int32),
        register_wh=register,
        day=None,
        received_at_us=received_us,
        revision=numbers["revision"].clip(fits.min, fits.max).astype(np.int32),
        source=numbers["source"].clip(0, 127).astype(np.int8),
        quality=numbers["quality"].clip(0, 127).astype(np.int8),
        slot_us=slot_us,
    )
    return Parsed(readings=readings, reason=reason, detail=detail, is_register_odd=is_register_odd)


# -- numbers ---------------------------------------------------------------------------------------------------------------


def _numbers(column: Column, name: str, reason: NDArray[np.uint8], detail: dict[int, str]) -> NDArray[np.int64]:
    """A column as int64[n]; rows that can't be get their reason and detail, and 0."""
    if isinstance(column, np.ndarray) and not isinstance(column, np.ma.MaskedArray) and column.dtype.kind == "i":
        whole = column.astype(np.int64)
        if not (_is_beyond(whole)).any():
            return whole
    out = np.zeros(len(column), np.int64)
    for row, cell in enumerate(column):
        number, why = _number(cell)
        out[row] = number
        if why != Reason.ACCEPTED:
            _tell(row, why, f"{name} = {_shown(cell)}", reason, detail)
    return out


def _check_length(name: str, column: Sequence[Any] | NDArray[Any], row_count: int) -> None:
    if len(column) != row_count:
        raise Refused(f"{len(column)} cells of {name} in a delivery of {row_count} rows: give one a row")


def _is_beyond(numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (numbers <= -NUMBER_BOUND) | (numbers >= NUMBER_BOUND)


def _values(
    rows: Sequence[Column] | NDArray[Any],
    k: int,
    calendar: Calendar,
    reason: NDArray[np.uint8],
    detail: dict[int, str],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The half-hours as int64[n, k], and which of them were lost, bool[n, k]; those hold 0."""
    if isinstance(rows, np.ndarray) and rows.dtype.kind == "i" and rows.shape == (len(reason), k):
        is_masked = np.ma.getmaskarray(rows)
        whole = np.where(is_masked, 0, np.ma.getdata(rows)).astype(np.int64)
        if not _is_beyond(whole).any():
            return whole, is_masked
    out, is_lost = np.zeros((len(reason), k), np.int64), np.zeros((len(reason), k), np.bool_)
    for row, cells in enumerate(rows):
        if not _is_row(cells) or len(cells) != k:
            _tell(row, Reason.WRONG_SHAPE, f"values_wh = {_shown(cells)}, not {k} {calendar.slots_are}", reason, detail)
            continue
        for slot, cell in enumerate(cells):
            if cell is None or cell is np.ma.masked:
                is_lost[row, slot] = True
                continue
            out[row, slot], why = _number(cell)
            if why != Reason.ACCEPTED:
                _tell(row, why, f"values_wh[{slot}] = {_shown(cell)}", reason, detail)
    return out, is_lost


def _is_row(cells: Any) -> bool:
    """Is it a row of cells? An array without a dimension is one number, and masked is such an array."""
    return isinstance(cells, list | tuple) or (isinstance(cells, np.ndarray) and cells.ndim > 0)


def _number(cell: Any) -> tuple[int, Reason]:
    """A whole number, or 0 and why it is none. True and False are no numbers, and 1.5 Wh is nothing that a meter counts."""
    if isinstance(cell, str):
        if len(cell) > TEXT_CHARS_MAX:
            return 0, Reason.TEXT_TOO_LONG
        text = cell.strip()
        if not (text.removeprefix("-").isascii() and text.removeprefix("-").isdigit()):
            return 0, Reason.NOT_A_NUMBER
        cell = int(text)
    if isinstance(cell, float | np.floating):
        if not np.isfinite(cell) or cell != int(cell):
            return 0, Reason.NOT_A_NUMBER
        cell = int(cell)
    if isinstance(cell, bool | np.bool_ | np.timedelta64) or not isinstance(cell, int | np.integer):
        return 0, Reason.NOT_A_NUMBER
    number = int(cell)
    return (number, Reason.ACCEPTED) if abs(number) < NUMBER_BOUND else (0, Reason.IMPLAUSIBLE)


def _tell(row: int, why: Reason, text: str, reason: NDArray[np.uint8], detail: dict[int, str]) -> None:
    if reason[row] == Reason.ACCEPTED or why < reason[row]:
        reason[row] = why
        detail[row] = text[:DETAIL_CHARS_MAX]


def _shown(cell: Any) -> str:
    """A cell for people. Only the start of it is ever made into text's repr: it may be of any length."""
    if isinstance(cell, str):
        return repr(cell[:TEXT_CHARS_MAX]) + ("…" if len(cell) > TEXT_CHARS_MAX else "")
    if cell is np.ma.masked:
        return "a masked cell"
    if _is_row(cell):
        return f"{type(cell).__name__} of {len(cell)}"
    if isinstance(cell, int):
        return str(cell) if abs(cell) < 2**200 else "an integer of more than 60 digits"
    return repr(cell)[:TEXT_CHARS_MAX]


def _is_unknown_code(numbers: dict[str, NDArray[np.int64]]) -> NDArray[np.bool_]:
    revision = numbers["revision"]
    unknown: NDArray[np.bool_] = (revision < ESTIMATE_REVISION) | (revision >= REVISIONS_MAX)
    unknown |= (revision == ESTIMATE_REVISION) & (numbers["quality"] == Quality.ACTUAL)
    unknown |= ~np.isin(numbers["source"], [int(one) for one in Source])
    unknown |= ~np.isin(numbers["quality"], [int(one) for one in Quality])
    return unknown


def _is_misaligned(start_us: NDArray[np.int64], slot_count: int, slot_us: int) -> NDArray[np.bool_]:
    """A register alone may be read at any instant of a whole millisecond; the table has no finer ones."""
    if slot_count == 0:
        is_between: NDArray[np.bool_] = (start_us % 1_000 != 0) | (start_us < 0)
        return is_between
    last_us = start_us + (slot_count - 1) * slot_us
    is_off: NDArray[np.bool_] = (start_us % slot_us != 0) | (start_us < 0) | (start_us // DAY_US != last_us // DAY_US)
    return is_off
