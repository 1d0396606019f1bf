"""The data sets of a warehouse: their columns, and which of them lie by settlement date.

A column `x` that is an instant is written from `x_ms`, ms since the Unix epoch; all else is integers as they are.
"""

from collections.abc import Mapping

import pyarrow as pa

HALF_HOURS, BILLS, BILL_LINES, BILL_DUES = "half_hours", "bills", "bill_lines", "bill_dues"
BILL_SETS = (BILLS, BILL_LINES, BILL_DUES)
DATE = "settlement_date"
DATED = (HALF_HOURS,)

_INSTANT = pa.timestamp("ms", "UTC")
_AMOUNTS = tuple((name, pa.int64()) for name in ("low_wh", "standard_wh", "peak_wh", "cost_upence"))

SCHEMAS: Mapping[str, pa.Schema] = {
    HALF_HOURS: pa.schema(
        [
            ("premises", pa.int64()),
            ("mpxn", pa.int64()),
            ("fuel", pa.int8()),
            ("settlement_period", pa.int16()),
            ("local_minute", pa.int16()),
            ("start", _INSTANT),
            ("wh", pa.int32()),
            ("quality", pa.int8()),
        ]
    ),
    BILLS: pa.schema(
        [
            ("premises", pa.int64()),
            ("number", pa.int32()),
            ("account", pa.int64()),
            ("month", pa.int32()),
            ("issued", _INSTANT),
            ("total_upence", pa.int64()),
        ]
    ),
    # the lines as they were issued
    BILL_LINES: pa.schema(
        [
            ("premises", pa.int64()),
            ("number", pa.int32()),
            ("account", pa.int64()),
            ("line", pa.int16()),
            ("kind", pa.int8()),
            ("month", pa.int32()),
            ("fuel", pa.int8()),
            ("tariff", pa.int16()),
            ("tariff_version", pa.int32()),
            ("first_day", pa.int8()),
            ("days", pa.int16()),
            *_AMOUNTS,
            ("rate", pa.int16()),
            ("block", pa.int16()),
            ("demand_w", pa.int64()),
            ("is_open", pa.int8()),  # 1: what is known otherwise of its month is still corrected on a later bill
        ]
    ),
    # what all lines of an account must add up to, by the log: as it is now, and as it was when the last bill was issued
    BILL_DUES: pa.schema(
        [
            ("premises", pa.int64()),
            ("account", pa.int64()),
            ("is_now", pa.int8()),
            ("kind", pa.int8()),
            ("month", pa.int32()),
            ("fuel", pa.int8()),
            ("tariff", pa.int16()),
            ("tariff_version", pa.int32()),
            *_AMOUNTS,
            ("is_open", pa.int8()),
        ]
    ),
}
"""Data set -> its columns, but for the settlement date, which is in the folder's name."""

HOMES_SCHEMA = pa.schema([("premises", pa.int64()), ("region", pa.string()), ("cohort", pa.int32())])
