"""What a row of each table must be: which message made it, and every column that the message then gives it.

Pure. A row's key names a message (meter, first slot, length); a key that no message of the estate has is a phantom.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.audit.pages import NULL, Page
from loadtests.deliveries import meter_of, readings_of, start_us_of
from scenarios.domain import DAY_US, SLOT_US, SLOTS_PER_DAY, Operation, ReadSchedule, premises_of_mpxn
from sim.estate import EstateModel
from store.rows import month_of, reading_columns
from store.tables import Statement, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """The message that each row of a page claims to come from; meter -1 where there can be none."""

    meter: NDArray[np.int64]  # [rows]
    first_slot: NDArray[np.int32]  # [rows] counted from the scenario's start
    slot_count: NDArray[np.int32]  # [rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A page held against what the seed gives."""

    messages: Messages
    is_row_right: NDArray[np.bool_]  # [rows] all columns but the values
    is_value_right: NDArray[np.bool_]  # [rows, 48] each half-hour's value, from the first slot on; True where unused


def write_statement(table: Table) -> Statement:
    return next(statement for statement in table.statements.values() if statement.is_write)


def audited_columns(table: Table) -> tuple[str, ...]:
    """The columns that the audit reads: all that a write gives a value."""
    return tuple(bind.name for bind in write_statement(table).binds if bind.name != "write_us")


def compare_page(estate: EstateModel, table: Table, page: Page) -> Compared:
    """Hold every cell of a page of `table`, read as `audited_columns`, against the recomputed one."""
    statement = write_statement(table)
    columns = audited_columns(table)
    at = {name: index for index, name in enumerate(columns)}
    held = {name: page.integers(at[name]) for name in columns if name != "values_wh"}
    has_values = "values_wh" in at
    lengths = page.list_lengths(at["values_wh"]) if has_values else None
    messages = _messages(estate, statement.operation, held, lengths)
    rows = page.row_count
    compared = Compared(
        messages=messages,
        is_row_right=np.zeros(rows, np.bool_),
        is_value_right=np.ones((rows, SLOTS_PER_DAY), np.bool_),
    )
    for length in (1, SLOTS_PER_DAY):
        chosen = np.flatnonzero((messages.meter >= 0) & (messages.slot_count == length))
        if not len(chosen):
            continue
        meter, first_slot = messages.meter[chosen], messages.first_slot[chosen]
        readings = readings_of(estate, meter=meter, first_slot=first_slot, slot_count=length)
        expected = reading_columns(statement.operation, readings)
        right = np.ones(len(chosen), np.bool_)
        for name, values in held.items():
            right &= values[chosen] == expected[name]
        compared.is_row_right[chosen] = right
        if has_values:
            compared.is_value_right[chosen, :length] = page.lists(at["values_wh"], chosen, length) == readings.values_wh
    return compared


def wrong_column(estate: EstateModel, table: Table, page: Page, row: int, slot: int) -> tuple[str, str]:
    """(expected, found) of the first column of a wrong row that is wrong, as a person would write it; `slot` of a list."""
    statement, columns = write_statement(table), audited_columns(table)
    held = {name: page.integers(index) for index, name in enumerate(columns) if name != "values_wh"}
    lengths = page.list_lengths(columns.index("values_wh")) if "values_wh" in columns else None
    messages = _messages(estate, statement.operation, held, lengths)
    at, length = slice(row, row + 1), int(messages.slot_count[row])
    readings = readings_of(estate, meter=messages.meter[at], first_slot=messages.first_slot[at], slot_count=length)
    expected = reading_columns(statement.operation, readings)
    for name, values in held.items():
        if values[row] != expected[name][0]:
            found = "null" if values[row] == NULL else str(values[row])
            return f"{name} = {expected[name][0]}", f"{name} = {found}"
    step = slot - int(messages.first_slot[row])
    found_wh = page.lists(columns.index("values_wh"), np.array([row]), length)[0, step]
    return f"{readings.values_wh[0, step]} Wh", f"{found_wh} Wh"


def _messages(
    estate: EstateModel,
    operation: Operation,
    held: dict[str, NDArray[np.int64]],
    lengths: NDArray[np.int64] | None,
) -> Messages:
    """From the key columns of each row to the message that must have written it."""
    start_us = start_us_of(estate)
    if operation is Operation.UPDATE_USAGE:
        meter = meter_of(estate, held["premises"], held["fuel"] == 1)
    else:
        meter = meter_of(estate, *premises_of_mpxn(held["mpxn"]))
    if lengths is not None:
        slot, is_aligned = _slot_of(held["interval_start"] * 1_000 - start_us)
        slot_count = lengths
        first_slot = slot
    else:
        through = held["through"] if operation is Operation.UPDATE_USAGE else held["read_through"]
        end_slot, is_aligned = _slot_of(through * 1_000 - start_us)
        slot_count = _slots_sent_at_once(estate, meter)
        first_slot = end_slot - slot_count
    is_made = (meter >= 0) & is_aligned & (first_slot >= 0) & (first_slot + slot_count <= estate.slot_count)
    is_made &= slot_count == _slots_sent_at_once(estate, meter)
    is_made &= (slot_count == 1) | (first_slot % SLOTS_PER_DAY == 0)
    instant_us = start_us + np.where(is_made, first_slot, 0) * SLOT_US
    if "month" in held:
        is_made &= held["month"] == month_of(instant_us)
    if "day" in held:
        first_of_month = (
            instant_us.astype("datetime64[us]").astype("datetime64[M]").astype("datetime64[us]").astype(np.int64)
        )
        is_made &= held["day"] == (instant_us - first_of_month) // DAY_US + 1
    if "revision" in held and operation is Operation.APPEND_EVENT:  # part of the log's key
        is_made &= held["revision"] == 0
    return Messages(
        meter=np.where(is_made, meter, -1),
        first_slot=np.where(is_made, first_slot, 0).astype(np.int32),
        slot_count=np.where(is_made, slot_count, 0).astype(np.int32),
    )


def _slot_of(since_start_us: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    return since_start_us // SLOT_US, since_start_us % SLOT_US == 0


def _slots_sent_at_once(estate: EstateModel, meter: NDArray[np.int64]) -> NDArray[np.int64]:
    schedule = estate.schedule_of(np.maximum(meter, 0))
    return np.where(schedule == ReadSchedule.HALF_HOURLY, 1, SLOTS_PER_DAY)
