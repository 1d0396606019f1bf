"""The data sets of a warehouse: their columns, and which of them lie by settlement date.

A column `x` that is an instant is written from `x_ms`, ms since the Unix epoch; all else is integers as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from store.columns import Integers, Piece

HALF_HOURS, BILLS, BILL_LINES, BILL_DUES = "half_hours", "bills", "bill_lines", "bill_dues"
COMMANDS, DEVICE_STATES = "commands", "device_states"
BILL_SETS = (BILLS, BILL_LINES, BILL_DUES)
COMMAND_SETS = (COMMANDS, DEVICE_STATES)
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
    COMMANDS: pa.schema(
        [
            ("device", pa.int64()),
            ("originator", pa.int64()),
            ("counter", pa.int64()),
            ("aspect", pa.int8()),  # of a store.commands.port.Aspect; 0: it leaves nothing behind
            ("value", pa.int64()),
            ("created_us", pa.int64()),
            ("state", pa.int8()),  # that its log comes to, of store.commands.machine.State
            ("held_state", pa.int8()),  # that its row has
            ("ended_us", pa.int64()),  # 0: it is open
            ("attempts", pa.int16()),
            ("illegal", pa.int16()),  # steps that the transition table does not have
        ]
    ),
    DEVICE_STATES: pa.schema(
        [
            ("device", pa.int64()),
            ("aspect", pa.int8()),
            ("standing", pa.int8()),  # a store.commands.port.Standing
            ("value", pa.int64()),
            ("at_us", pa.int64()),
            ("originator", pa.int64()),
            ("counter", pa.int64()),
            ("mends", pa.int16()),
        ]
    ),
}
"""Data set -> its columns, but for the settlement date, which is in the folder's name."""

HOMES_SCHEMA = pa.schema([("premises", pa.int64()), ("region", pa.string()), ("cohort", pa.int32())])

Rows = Mapping[str, Mapping[str, Integers]]
"""Data set -> its columns, int64[n] each."""


class Reader(Protocol):
    """Reads data sets that don't come out of the event log alone."""

    @property
    def data_sets(self) -> tuple[str, ...]: ...

    def rows(self, piece: Piece) -> Iterator[Rows]:
        """All rows of a part of the ring, some at a time. Raises StoreError."""


def columns_of(names: Sequence[str], rows: Sequence[Sequence[int]]) -> dict[str, Integers]:
    """Rows of Python's integers as columns."""
    values = np.array(rows, np.int64).reshape(len(rows), len(names))
    return {name: np.ascontiguousarray(values[:, at]) for at, name in enumerate(names)}
