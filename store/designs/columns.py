"""The columns of the trace that a design may bind, by name: what they say, their CQL types, and how they are computed. Pure.

A delivery has the columns of `store.rows.reading_columns`, a question those of `home_columns`; what is here is derived from
these. A column of one half-hour of a delivery is named after its place, `wh.3`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US
from store.rows import Columns, day_of_month, epoch_day_of, write_us_of
from store.tables import CqlType
from store.tariffs import MISSING_WH

LOST_REVISION = -2
"""A half-hour that the meter has lost, where each is a row of its own: whatever is known of it beats it, an estimate too."""

DELTAS = "deltas_wh"
DELTA_BYTES = 2
"""Of one difference: homes stay far below 32 kWh in a half-hour, and what does not fit is refused by the sender."""

_INTEGERS = (CqlType.TINYINT, CqlType.SMALLINT, CqlType.INT, CqlType.BIGINT)
_INSTANT = (CqlType.TIMESTAMP,)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceColumn:
    """types: of the table's columns that can hold it. days: that rows of one value of it span at most; None: it is no bucket."""

    says: str
    types: tuple[CqlType, ...]
    days: int | None = None


def _integer(says: str, least: CqlType, days: int | None = None) -> TraceColumn:
    return TraceColumn(says=says, types=_INTEGERS[_INTEGERS.index(least) :], days=days)


OWNERS: Mapping[str, TraceColumn] = {
    "premises": _integer("the home", CqlType.BIGINT),
    "mpxn": _integer("the meter's number", CqlType.BIGINT),
    "fuel": _integer("0 electricity, 1 gas", CqlType.TINYINT),
}
BUCKETS: Mapping[str, TraceColumn] = {
    "epoch_day": _integer("the UTC day, from 1970-01-01", CqlType.INT, 1),
    "epoch_week": _integer("the UTC day divided by 7", CqlType.INT, 7),
    "month": _integer("the UTC month, as yyyymm", CqlType.INT, 31),
    "year": _integer("the UTC year", CqlType.SMALLINT, 366),
    "day": _integer("the UTC day of the month, from 1", CqlType.TINYINT),
}
_DELIVERY: Mapping[str, TraceColumn] = {
    "revision": _integer("0 as measured, from 1 as settled, -1 as estimated", CqlType.INT),
    "quality": _integer("as the store's log has it", CqlType.TINYINT),
    "source": _integer("as the store's log has it", CqlType.TINYINT),
    "received_at": TraceColumn(says="when it arrived", types=_INSTANT),
    "register_wh": _integer("the meter's register at its end [Wh]", CqlType.BIGINT),
    "slot_count": _integer("half-hours in the delivery", CqlType.SMALLINT),
}
WRITE_COLUMNS: Mapping[str, Mapping[str, TraceColumn]] = {
    "delivery": {
        **OWNERS,
        **BUCKETS,
        **_DELIVERY,
        "interval_start": TraceColumn(says="the start of its first half-hour", types=_INSTANT),
        "slot": _integer("the first half-hour's number in the UTC day, from 0", CqlType.SMALLINT),
        "values_wh": TraceColumn(
            says=f"its half-hours [Wh], {MISSING_WH} where the meter has lost one; in a blob 4 bytes each",
            types=(CqlType.INT_LIST, CqlType.BLOB),
        ),
        DELTAS: TraceColumn(
            says="the first half-hour and of each further one the difference to the one before it [Wh], 2 bytes each",
            types=(CqlType.BLOB,),
        ),
    },
    "half_hour": {
        **OWNERS,
        **BUCKETS,
        **_DELIVERY,
        "interval_start": TraceColumn(says="the start of the half-hour", types=_INSTANT),
        "slot": _integer("its number in the UTC day, from 0", CqlType.SMALLINT),
        "wh": _integer(f"its energy [Wh], {MISSING_WH} where the meter has lost it", CqlType.INT),
    },
    "day": {
        **OWNERS,
        **BUCKETS,
        "usage_wh": _integer(
            "what the UTC day comes to so far, before the local midnight within it [Wh]", CqlType.BIGINT
        ),
        "late_usage_wh": _integer("and from that midnight on [Wh]", CqlType.BIGINT),
        "through": TraceColumn(says="up to which instant", types=_INSTANT),
    },
}
"""What a write may bind, by what one of its rows is of."""

READ_COLUMNS: Mapping[str, TraceColumn] = {
    **OWNERS,
    **BUCKETS,
    "from": TraceColumn(says="the start of the UTC day that is asked about", types=_INSTANT),
    "before": TraceColumn(says="the start of the next day", types=_INSTANT),
}
"""What a question about a meter's half-hours of a UTC day may bind."""

MONTH_COLUMNS: Mapping[str, TraceColumn] = {
    **OWNERS,
    "month": BUCKETS["month"],
    "year": BUCKETS["year"],
    "month_from": TraceColumn(says="the start of the UTC month that is asked about", types=_INSTANT),
    "month_before": TraceColumn(says="the start of the next month", types=_INSTANT),
}
"""What a question about what a meter used on each UTC day of a month may bind."""

OF_HALF_HOUR = ("interval_start", "slot", "wh", "write_us")
"""Columns that differ between the half-hours of a delivery."""


def of_half_hour(name: str, place: int) -> str:
    """The name of a column of the half-hour at a place of a delivery, from 0."""
    return f"{name}.{place}" if name in OF_HALF_HOUR else name


def derived(columns: Columns, names: Collection[str], slot_us: int) -> dict[str, NDArray[Any]]:
    """Columns of these names, of deliveries or of questions that have the columns given. Raises KeyError for what is unknown."""
    return {name: _derived(columns, name, slot_us) for name in names}


def _derived(columns: Columns, name: str, slot_us: int) -> NDArray[Any]:
    start_us = (columns["interval_start"] if "interval_start" in columns else columns["from"]).astype(np.int64) * 1_000
    match name:
        case "epoch_day":
            return epoch_day_of(start_us)
        case "epoch_week":
            return epoch_day_of(start_us) // 7
        case "year":
            return columns["month"].astype(np.int32) // 100
        case "month_from" | "month_before":
            month = columns["month"].astype(np.int64)
            since_1970 = (month // 100 - 1970) * 12 + month % 100 - (1 if name == "month_from" else 0)
            return since_1970.astype("datetime64[M]").astype("datetime64[ms]").astype(np.int64)
        case "day":
            return day_of_month(start_us)
        case "slot":
            return start_us % DAY_US // slot_us
        case "deltas_wh":
            return np.diff(columns["values_wh"].astype(np.int32), axis=1, prepend=np.int32(0))
    of, _, place = name.partition(".")
    if of not in OF_HALF_HOUR or not place:
        raise KeyError(name)
    begin_us = start_us + int(place) * slot_us
    match of:
        case "interval_start":
            return begin_us // 1_000
        case "slot":
            return begin_us % DAY_US // slot_us
    values_wh = columns["values_wh"].astype(np.int32)[:, int(place)]
    if of == "wh":
        return values_wh
    revision = np.where(values_wh == MISSING_WH, LOST_REVISION, columns["revision"].astype(np.int64))
    return write_us_of(begin_us + slot_us, revision, columns["quality"].astype(np.int64))
