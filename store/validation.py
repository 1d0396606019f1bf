"""What is wrong with a delivery, row by row: nothing valid is lost because of what came with it. Pure.

A gateway's rows are read as numbers (`parse`) and then held against what is known already (`judge`). Each row gets one
`Reason`; the rest of the delivery goes on without it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US, SLOT_US, SLOTS_PER_DAY, Quality, Source, premises_of_mpxn
from store.rejections import DETAIL_CHARS_MAX, SLOT_WH_MAX, Reason, Rejection
from store.rows import Readings
from store.tariffs import MISSING_WH

TEXT_CHARS_MAX = 64  # of a number that comes as text
REVISIONS_MAX = 8  # what a partition of the log is sized for
CLOCK_TOLERANCE_US = 10_000_000  # a meter's clock is within 10 s of UTC (SMETS2, 5.4)
REGISTER_WH_MAX = 1 << 40  # a 38 kWh half-hour for 1,600 years
UNKNOWN_WH = -1  # no register is known
INSTANT_MAX_US = 253_402_300_799_000_000  # the end of the year 9999, the last that a driver can write
EXPORT = 2

Column = Sequence[Any] | NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """n rows as a gateway took them, one column a field; nothing in it is trusted but when it came.

    A cell is an int, a float or text that stands for a whole number; None in `values_wh` is a half-hour that was lost.
    """

    slot_count: int  # 0 .. 48 half-hours a row; 0 is a register alone
    mpxn: Column  # [n]
    interval_start_us: Column  # [n] [us since the Unix epoch]
    values_wh: Sequence[Column] | NDArray[Any]  # [n, slot_count] [Wh]
    register_wh: Column  # [n] [Wh]
    revision: Column  # [n]
    source: Column  # [n]
    quality: Column  # [n]
    received_at_us: NDArray[np.int64]  # [n] by the gateway's own clock [us since the Unix epoch]
    is_export: bool = False  # what the homes gave to the network, by the number of their electricity meters


class Meters(Protocol):
    """Which meters there are."""

    def find(self, mpxn: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        """int64[n] metering points -> premises int64[n], -1 where unknown, and fuel code int8[n]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedHomes:
    """All metering points of homes 0 .. count - 1, by their numbers alone."""

    count: int

    def find(self, mpxn: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
        premises, is_gas = premises_of_mpxn(mpxn)
        return np.where(premises < self.count, premises, -1), is_gas.astype(np.int8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known already about the meters of n rows, at each row's end; see `store.ingest`."""

    held_wh: NDArray[np.int32]  # [n, k] held for the half-hour with the row's revision, MISSING_WH where none is
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
        held_register_wh=unknown,
        before_wh=unknown,
        before_us=zeros,
        after_wh=unknown,
        meter_number=zeros,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A delivery as numbers; a row with a reason already may hold 0 where a number could not be read."""

    readings: Readings
    reason: NDArray[np.uint8]  # [n] Reason
    detail: dict[int, str]  # row -> what could not be read


def parse(delivery: Delivery, meters: Meters) -> Parsed:
    """Rows as numbers, and what can be said of each without any other."""
    n, k = len(delivery.received_at_us), delivery.slot_count
    assert 0 <= k <= SLOTS_PER_DAY, "a delivery is of one day"
    reason, detail = np.zeros(n, np.uint8), dict[int, str]()
    numbers: dict[str, NDArray[np.int64]] = {}
    for name in ("mpxn", "interval_start_us", "register_wh", "revision", "source", "quality"):
        column = getattr(delivery, name)
        assert len(column) == n, f"column {name} has another length"
        numbers[name] = _numbers(column, name, reason, detail)
    values, is_missing = _values(delivery, reason, detail)
    premises, fuel = meters.find(numbers["mpxn"])
    if delivery.is_export:
        premises = np.where(fuel == 0, premises, -1)
        fuel = np.full(n, EXPORT, np.int8)
    start_us, end_us = numbers["interval_start_us"], numbers["interval_start_us"] + k * SLOT_US
    slot_max = np.array(SLOT_WH_MAX)[fuel]
    for one, is_so in (
        (Reason.UNKNOWN_METER, premises < 0),
        (Reason.UNKNOWN_CODE, _is_unknown_code(numbers)),
        (Reason.MISALIGNED, _is_misaligned(start_us, k)),
        (Reason.IN_FUTURE, end_us > delivery.received_at_us + CLOCK_TOLERANCE_US),
        (Reason.NEGATIVE, (values < 0).any(axis=1) | (numbers["register_wh"] < 0)),
        (
            Reason.IMPLAUSIBLE,
            (values > slot_max[:, np.newaxis]).any(axis=1) | (numbers["register_wh"] > REGISTER_WH_MAX),
        ),
    ):
        reason[(reason == Reason.ACCEPTED) & is_so] = one
    fits = np.iinfo(np.int32)
    readings = Readings(
        mpxn=numbers["mpxn"],
        premises=premises,
        fuel=fuel,
        interval_start_us=start_us,
        values_wh=np.where(is_missing, MISSING_WH, values.clip(fits.min, fits.max)).astype(np.int32),
        register_wh=numbers["register_wh"],
        day=None,
        received_at_us=delivery.received_at_us,
        revision=numbers["revision"].clip(fits.min, fits.max).astype(np.int32),
        source=numbers["source"].clip(0, 127).astype(np.int8),
        quality=numbers["quality"].clip(0, 127).astype(np.int8),
    )
    return Parsed(readings=readings, reason=reason, detail=detail)


def judge(parsed: Parsed, context: Context) -> NDArray[np.uint8]:
    """Each row's Reason, held against what is known and against the rows before it: uint8[n]."""
    reason = parsed.reason.copy()
    for one, is_so in (
        (Reason.IMPLAUSIBLE, _jumps(parsed.readings, context)),
        (Reason.REGISTER_FELL, _falls(parsed.readings, context)),
        (Reason.DUPLICATE_DIFFERS, _differs_from_held(parsed.readings, context)),
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


# -- numbers ---------------------------------------------------------------------------------------------------------------


def _numbers(column: Column, name: str, reason: NDArray[np.uint8], detail: dict[int, str]) -> NDArray[np.int64]:
    """A column as int64[n]; rows that can't be get their reason and detail, and 0."""
    if isinstance(column, np.ndarray) and column.dtype.kind == "i":
        return column.astype(np.int64)
    out = np.zeros(len(column), np.int64)
    for row, cell in enumerate(column):
        number, why = _number(cell)
        out[row] = number
        if why != Reason.ACCEPTED:
            _tell(row, why, f"{name} = {_shown(cell)}", reason, detail)
    return out


def _values(
    delivery: Delivery, reason: NDArray[np.uint8], detail: dict[int, str]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The half-hours as int64[n, k], and which of them were lost, bool[n, k]; those hold 0."""
    rows, k = delivery.values_wh, delivery.slot_count
    assert len(rows) == len(reason), "a row of values a row"
    if isinstance(rows, np.ndarray) and rows.dtype.kind == "i" and rows.shape == (len(reason), k):
        return rows.astype(np.int64), np.zeros(rows.shape, np.bool_)
    out, is_lost = np.zeros((len(reason), k), np.int64), np.zeros((len(reason), k), np.bool_)
    for row, cells in enumerate(rows):
        if not isinstance(cells, list | tuple | np.ndarray) or len(cells) != k:
            _tell(row, Reason.WRONG_SHAPE, f"values_wh = {_shown(cells)}, not {k} half-hours", reason, detail)
            continue
        for slot, cell in enumerate(cells):
            if cell is None:
                is_lost[row, slot] = True
                continue
            out[row, slot], why = _number(cell)
            if why != Reason.ACCEPTED:
                _tell(row, why, f"values_wh[{slot}] = {_shown(cell)}", reason, detail)
    return out, is_lost


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
    if isinstance(cell, bool | np.bool_) or not isinstance(cell, int | np.integer):
        return 0, Reason.NOT_A_NUMBER
    number = int(cell)
    # half of the range, so that sums of an instant and a day stay numbers
    return (number, Reason.ACCEPTED) if abs(number) < 2**62 else (0, Reason.IMPLAUSIBLE)


def _tell(row: int, why: Reason, text: str, reason: NDArray[np.uint8], detail: dict[int, str]) -> None:
    if reason[row] == Reason.ACCEPTED or why < reason[row]:
        reason[row] = why
        detail[row] = text[:DETAIL_CHARS_MAX]


def _shown(cell: Any) -> str:
    """A cell for people. Only the start of it is ever made into text's repr: it may be of any length."""
    if isinstance(cell, str):
        return repr(cell[:TEXT_CHARS_MAX]) + ("…" if len(cell) > TEXT_CHARS_MAX else "")
    if isinstance(cell, list | tuple | np.ndarray):
        return f"{type(cell).__name__} of {len(cell)}"
    if isinstance(cell, int):
        return str(cell) if abs(cell) < 2**200 else "an integer of more than 60 digits"
    return repr(cell)[:TEXT_CHARS_MAX]


def _is_unknown_code(numbers: dict[str, NDArray[np.int64]]) -> NDArray[np.bool_]:
    unknown: NDArray[np.bool_] = (numbers["revision"] < 0) | (numbers["revision"] >= REVISIONS_MAX)
    unknown |= ~np.isin(numbers["source"], [int(one) for one in Source])
    unknown |= ~np.isin(numbers["quality"], [int(one) for one in Quality])
    return unknown


def _is_misaligned(start_us: NDArray[np.int64], slot_count: int) -> NDArray[np.bool_]:
    """A register alone may be read at any instant of a whole millisecond; the table has no finer ones."""
    if slot_count == 0:
        is_between: NDArray[np.bool_] = (start_us % 1_000 != 0) | (start_us < 0)
        return is_between
    last_us = start_us + (slot_count - 1) * SLOT_US
    is_off: NDArray[np.bool_] = (start_us % SLOT_US != 0) | (start_us < 0) | (start_us // DAY_US != last_us // DAY_US)
    return is_off


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
    is_known = context.before_wh != UNKNOWN_WH
    is_too_much: NDArray[np.bool_] = risen_wh > slots * np.array(SLOT_WH_MAX)[readings.fuel]
    return _is_measured(readings) & is_known & is_too_much


def _falls(readings: Readings, context: Context) -> NDArray[np.bool_]:
    """Is the register below the one before, or above the one after?"""
    below: NDArray[np.bool_] = (context.before_wh != UNKNOWN_WH) & (readings.register_wh < context.before_wh)
    above: NDArray[np.bool_] = (context.after_wh != UNKNOWN_WH) & (readings.register_wh > context.after_wh)
    falls: NDArray[np.bool_] = _is_measured(readings) & (below | above)
    return falls


def _differs_from_held(readings: Readings, context: Context) -> NDArray[np.bool_]:
    is_both = (context.held_wh != MISSING_WH) & (readings.values_wh != MISSING_WH)
    differs: NDArray[np.bool_] = (is_both & (context.held_wh != readings.values_wh)).any(axis=1)
    is_held = context.held_register_wh != UNKNOWN_WH
    differs |= is_held & (context.held_register_wh != readings.register_wh)
    return differs


def _reject_duplicates(readings: Readings, reason: NDArray[np.uint8]) -> None:
    """A row that says otherwise of a half-hour, or of its register, than a good row before it.

    Only rows that share a half-hour with another one are looked at one by one: a delivery has few.
    """
    k = readings.values_wh.shape[1]
    good = np.flatnonzero(reason == Reason.ACCEPTED)
    starts = readings.interval_start_us[good, np.newaxis] + np.arange(max(k, 1)) * SLOT_US
    keys = np.stack(
        [
            np.broadcast_to(readings.mpxn[good, np.newaxis], starts.shape),
            np.broadcast_to(readings.revision[good, np.newaxis], starts.shape),
            starts,
        ],
        axis=-1,
    ).reshape(-1, 3)
    _, which, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    which = which.reshape(starts.shape)
    values: dict[int, int] = {}
    registers: dict[int, int] = {}
    for at in np.flatnonzero((count[which] > 1).any(axis=1)).tolist():
        row, end = int(good[at]), int(which[at, -1])
        told = {
            int(key): value
            for key, value in zip(which[at], readings.values_wh[row].tolist(), strict=False)
            if value != MISSING_WH
        }
        register = int(readings.register_wh[row])
        if registers.get(end, register) != register or any(
            values.get(key, value) != value for key, value in told.items()
        ):
            reason[row] = Reason.DUPLICATE_DIFFERS
            continue
        values |= told
        registers[end] = register


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
