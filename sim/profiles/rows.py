"""Parses rows of (household, time, energy) out of a block of bytes: some ten million rows a second, none as an object."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels import kernel, leaf_kernel
from sim.profiles.faults import RowFault
from sim.units import IntArray

Text = NDArray[np.uint8]

# Codes of `Rows.fault`; any other is a fault's place in `RowFault`, counted from 1.
USABLE = 0
BLANK = 255
CODES = {fault: code for code, fault in enumerate(RowFault, start=1)}
_WRONG_COLUMNS = CODES[RowFault.WRONG_COLUMNS]
_BAD_TIME = CODES[RowFault.BAD_TIME]
_OFF_GRID = CODES[RowFault.OFF_GRID]
_NULL = CODES[RowFault.NULL]
_BAD_NUMBER = CODES[RowFault.BAD_NUMBER]

YEAR_MIN, YEAR_MAX = 2000, 2059
KWH_MAX = 100  # in a half-hour: a three-phase service of 100 A carries a third of it
MICRO = 1_000_000
_DIGITS_MAX = 12  # of a whole number; more are no part of a time or exponent
_MANTISSA_MAX = 10**15
_EXPONENT_MAX = 30
_NO_OFFSET = 10_000  # minutes; no offset from UTC is as large

_COMMA, _NEWLINE, _RETURN, _SPACE, _TAB, _QUOTE = (ord(sign) for sign in ',\n\r \t"')
_ZERO, _NINE, _DOT, _DASH, _COLON, _PLUS, _E, _BIG_E, _T, _Z = (ord(sign) for sign in "09.-:+eETZ")
_NULL_WORD, _LOWER_CASE = tuple(b"null"), 0x20
_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)


class Columns(NamedTuple):
    """Where a layout has its columns, counted from 0, and how many a row has."""

    household: int
    time: int
    kwh: int
    column_count: int


class Rows(NamedTuple):
    """A block's lines, one element each."""

    household: NDArray[np.uint64]  # hash of the household's name
    slot: IntArray  # half-hours from 1970-01-01 00:00 UTC, -1 where the time is unusable
    micro_kwh: IntArray  # energy of the half-hour [1e-6 kWh]
    fault: NDArray[np.uint8]  # USABLE, BLANK or a code
    spaces: NDArray[np.bool_]  # has stray spaces around a field


@kernel
def parse_rows(text: Text, line_count: int, columns: Columns) -> Rows:
    """Parse `line_count` lines of uint8 text, each ended by a newline (the last one perhaps not)."""
    rows = Rows(
        np.zeros(line_count, np.uint64),
        np.full(line_count, -1, np.int64),
        np.zeros(line_count, np.int64),
        np.zeros(line_count, np.uint8),
        np.zeros(line_count, np.bool_),
    )
    starts = np.empty(columns.column_count + 1, np.int64)
    start = 0
    for at in range(line_count):
        end = start
        found = 1
        starts[0] = start
        while end < len(text) and text[end] != _NEWLINE:
            if text[end] == _COMMA:
                if found <= columns.column_count:
                    starts[found] = end + 1
                found += 1
            end += 1
        last = end - 1 if end > start and text[end - 1] == _RETURN else end
        if found == 1 and _trimmed(text, start, last)[0] == _trimmed(text, start, last)[1]:
            rows.fault[at] = BLANK
        elif found != columns.column_count:
            rows.fault[at] = _WRONG_COLUMNS
        else:
            starts[found] = last + 1
            _parse_row(text, starts, columns, rows, at)
        start = end + 1
    return rows


@leaf_kernel
def _parse_row(text: Text, starts: IntArray, columns: Columns, rows: Rows, at: int) -> None:
    for column in range(columns.column_count):
        first, end = starts[column], starts[column + 1] - 1
        if end > first and (_is_space(text[first]) or _is_space(text[end - 1])):
            rows.spaces[at] = True
    first, end = _trimmed(text, starts[columns.household], starts[columns.household + 1] - 1)
    rows.household[at] = _hash(text, first, end)
    first, end = _trimmed(text, starts[columns.time], starts[columns.time + 1] - 1)
    slot = _slot_of(text, first, end)
    if slot < 0:
        rows.fault[at] = -slot
        return
    rows.slot[at] = slot
    first, end = _trimmed(text, starts[columns.kwh], starts[columns.kwh + 1] - 1)
    if first == end or _is_null(text, first, end):
        rows.fault[at] = _NULL
        return
    micro_kwh = _micro_of(text, first, end)
    if micro_kwh < 0 or micro_kwh > KWH_MAX * MICRO:
        rows.fault[at] = _BAD_NUMBER
    else:
        rows.micro_kwh[at] = micro_kwh


@leaf_kernel
def _is_space(sign: int) -> bool:
    return sign in (_SPACE, _TAB)


@leaf_kernel
def _trimmed(text: Text, first: int, end: int) -> tuple[int, int]:
    """The bounds of a field without the spaces and quotes around it."""
    while first < end and (_is_space(text[first]) or text[first] == _QUOTE):
        first += 1
    while first < end and (_is_space(text[end - 1]) or text[end - 1] == _QUOTE):
        end -= 1
    return first, end


@leaf_kernel
def _hash(text: Text, first: int, end: int) -> np.uint64:
    """FNV-1a, 64 bits: two of 100,000 households share one in a run of four thousand million files."""
    state = _FNV_OFFSET
    for at in range(first, end):
        state = (state ^ np.uint64(text[at])) * _FNV_PRIME
    return state


@leaf_kernel
def _is_null(text: Text, first: int, end: int) -> bool:
    if end - first != len(_NULL_WORD):
        return False
    same = 0
    for at in range(len(_NULL_WORD)):
        same += text[first + at] | _LOWER_CASE == _NULL_WORD[at]
    return same == len(_NULL_WORD)


@leaf_kernel
def _whole(text: Text, first: int, end: int) -> int:
    """Digits as a number; -1 for anything else, none at all included."""
    if end <= first or end - first > _DIGITS_MAX:
        return -1
    value = 0
    for at in range(first, end):
        if text[at] < _ZERO or text[at] > _NINE:
            return -1
        value = value * 10 + int(text[at]) - _ZERO
    return value


@leaf_kernel
def _slot_of(text: Text, first: int, end: int) -> int:
    """The half-hour of `YYYY-MM-DD HH:MM:SS[.fraction][offset]`, from 1970 UTC; the negative code of a fault.

    The offset from UTC is Z, or hours and minutes as in +01:00 and +0100; a time without one is UTC. T may stand for the space.
    """
    if end - first < 19 or text[first + 4] != _DASH or text[first + 7] != _DASH:
        return -_BAD_TIME
    if text[first + 10] != _SPACE and text[first + 10] != _T:
        return -_BAD_TIME
    if text[first + 13] != _COLON or text[first + 16] != _COLON:
        return -_BAD_TIME
    year, month, day = (
        _whole(text, first, first + 4),
        _whole(text, first + 5, first + 7),
        _whole(text, first + 8, first + 10),
    )
    hour, minute = _whole(text, first + 11, first + 13), _whole(text, first + 14, first + 16)
    second = _whole(text, first + 17, first + 19)
    end, offset_minutes = _offset_of(text, first + 19, end)
    if offset_minutes == _NO_OFFSET:
        return -_BAD_TIME
    fraction = 0
    if end - first > 19:
        fraction = _whole(text, first + 20, end) if text[first + 19] == _DOT else -1
    if min(hour, minute, second, fraction) < 0 or hour > 23 or minute > 59 or second > 59:
        return -_BAD_TIME
    if not (YEAR_MIN <= year <= YEAR_MAX and 1 <= month <= 12 and 1 <= day <= _days_of(year, month)):
        return -_BAD_TIME
    if minute % 30 != 0 or second != 0 or fraction != 0 or offset_minutes % 30 != 0:
        return -_OFF_GRID
    slot = _day_number(year, month, day) * 48 + hour * 2 + (minute - offset_minutes) // 30
    # An offset may carry a stamp over the edge of the years that are taken.
    return slot if _day_number(YEAR_MIN, 1, 1) * 48 <= slot < _day_number(YEAR_MAX + 1, 1, 1) * 48 else -_BAD_TIME


@leaf_kernel
def _offset_of(text: Text, first: int, end: int) -> tuple[int, int]:
    """Where a time's offset from UTC begins, and the offset [minutes]: 0 where there is none, _NO_OFFSET for a wrong one."""
    at = first
    while at < end and text[at] != _PLUS and text[at] != _DASH and text[at] != _Z:
        at += 1
    if at == end:
        return end, 0
    if text[at] == _Z:
        return at, 0 if at + 1 == end else _NO_OFFSET
    with_colon = end - at == 6 and text[at + 3] == _COLON
    if not with_colon and end - at != 5:
        return at, _NO_OFFSET
    hours, minutes = _whole(text, at + 1, at + 3), _whole(text, end - 2, end)
    if hours < 0 or minutes < 0 or hours > 14 or minutes > 59:
        return at, _NO_OFFSET
    return at, hours * 60 + minutes if text[at] == _PLUS else -(hours * 60 + minutes)


@leaf_kernel
def _days_of(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 else 28  # no century but 2000 lies within the years that are taken
    return 30 if month in (4, 6, 9, 11) else 31


@leaf_kernel
def _day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01, for the years that are taken."""
    days = 10_957 + (year - 2000) * 365 + (year - 2000 + 3) // 4
    for earlier in range(1, month):
        days += _days_of(year, earlier)
    return days + day - 1


@leaf_kernel
def _micro_of(text: Text, first: int, end: int) -> int:
    """A plain decimal number, as in 0.143 or 1.2e-05, in millionths, rounded half up; -1 for anything else."""
    mark = first
    while mark < end and text[mark] != _E and text[mark] != _BIG_E:
        mark += 1
    exponent = _exponent_of(text, mark, end)
    mantissa, scale, digits, dots = 0, 0, 0, 0
    for at in range(first, mark):
        if text[at] == _DOT:
            dots += 1
        elif text[at] < _ZERO or text[at] > _NINE:
            return -1
        else:
            digits += 1
            if mantissa < _MANTISSA_MAX:
                mantissa = mantissa * 10 + int(text[at]) - _ZERO
                scale += dots
            elif dots == 0:
                return -1
    if digits == 0 or dots > 1 or exponent > _EXPONENT_MAX:
        return -1
    shift = 6 - scale + exponent
    for _ in range(shift):
        mantissa *= 10
        if mantissa > _MANTISSA_MAX:
            return -1
    for _ in range(-shift - 1):
        mantissa //= 10
    return (mantissa + 5) // 10 if shift < 0 else mantissa


@leaf_kernel
def _exponent_of(text: Text, mark: int, end: int) -> int:
    """The exponent from its E at `mark`; 0 where there is none, more than _EXPONENT_MAX where it is none."""
    if mark == end:
        return 0
    first = mark + 1
    negative = first < end and text[first] == _DASH
    if negative or (first < end and text[first] == _PLUS):
        first += 1
    exponent = _whole(text, first, end)
    if exponent < 0 or exponent > _EXPONENT_MAX:
        return _EXPONENT_MAX + 1
    return -exponent if negative else exponent
