"""What a row of each table must be: which message made it, and every column that the message then gives it.

Pure. A row's key names a message (meter, first slot, length, revision); a key that no message of the estate has is a
phantom. A row is judged as a fact of one class: a reading, a register alone, a revision of some number, or a view's state
that several operations bring about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import tzinfo
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from loadtests.audit.data_loss.doubtful_days import Fit, fit_doubtful_days
from loadtests.audit.data_loss.fact_classes import FactClass, any_in, revision_planes, slots_in
from loadtests.audit.data_loss.stale_folds import fit_stale_days
from loadtests.audit.data_loss.table_scan import TablePage
from loadtests.recording.ledger import EXPORT_PLANE, Ledger, SlotState
from loadtests.workload.deliveries import (
    logged_readings_of,
    measured_days,
    readings_of,
    registers_of,
    revisions_of,
    totals_of,
)
from loadtests.workload.raw_deliveries import exported_days
from scenarios.calendar import local_text
from scenarios.domain import MeterType, Operation, premises_of_mpxn
from sim.estate.lookup import meter_of, meter_types_of, sends_half_hours, sends_runs, start_us_of
from sim.estate.model import EstateModel
from sim.trace.arrival_times import again_us_of
from store.roles import DAY_VIEWS, HALF_HOUR_ROLES, TableRole
from store.rows import ESTIMATE_REVISION, Columns, Readings, day_columns, day_of_month, month_of, reading_columns
from store.tables import CqlType, Table
from store.tariffs import EXPORT, GAS, MISSING_WH, DayTotals

VALUES_SHOWN_MAX = 4
VALUES = "values_wh"  # the column of half-hours, a list
DAY_SUMS = frozenset(field.name for field in fields(DayTotals))  # columns
SIZES = {CqlType.BIGINT: 8, CqlType.TIMESTAMP: 8, CqlType.INT: 4, CqlType.SMALLINT: 2, CqlType.TINYINT: 1}  # [bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """The message that each row of a page claims to come from; meter -1 where there can be none."""

    meter: NDArray[np.int64]  # [rows]
    first_slot: NDArray[np.int32]  # [rows] counted from the scenario's start; of a register the day's last
    slot_count: NDArray[np.int32]  # [rows] of the ledger: 1 for a register
    revision: NDArray[np.int64]  # [rows]
    is_register: NDArray[np.bool_]  # [rows]
    is_export: NDArray[np.bool_]  # [rows] what the meter gave to the network, a whole day of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A page held against what the seed gives."""

    messages: Messages
    is_row_right: NDArray[np.bool_]  # [rows] all columns but the values
    is_value_right: NDArray[
        np.bool_
    ]  # [rows, slots of a day] each slot's value, from the first slot on; True where unused
    is_unjudged: NDArray[np.bool_]  # [rows] too much is in doubt to say what the row must be
    is_stale: NDArray[np.bool_]  # [rows] a fold of some of what was sent, where a fold need not have seen all of it


def audited_columns(table: Table) -> tuple[str, ...]:
    """The columns that the audit reads: all that a write gives a value."""
    return tuple(column.name for column in table.columns)


def held_integers(table: Table, page: TablePage) -> dict[str, NDArray[np.int64]]:
    """The columns of a page of `table`, read as `audited_columns`, that are not lists: int64[rows] each."""
    return {
        column.name: page.integers(index, SIZES[column.type])
        for index, column in enumerate(table.columns)
        if column.type in SIZES
    }


def compare_page(
    estate: EstateModel, ledger: Ledger, table: Table, page: TablePage, *, folds_may_lack: bool = False
) -> Compared:
    """Hold every cell of a page of `table`, read as `audited_columns`, against the recomputed one.

    folds_may_lack: days were computed again by reads that need not show what was acknowledged.
    """
    lengths = page.list_lengths(audited_columns(table).index(VALUES)) if VALUES in audited_columns(table) else None
    held = held_integers(table, page)
    messages = _messages(estate, ledger, table, held)
    compared = Compared(
        messages=messages,
        is_row_right=np.zeros(page.row_count, np.bool_),
        is_value_right=np.ones((page.row_count, estate.slots_per_day), np.bool_),
        is_unjudged=np.zeros(page.row_count, np.bool_),
        is_stale=np.zeros(page.row_count, np.bool_),
    )
    for rows in _alike(messages, estate.slots_per_day):
        expected = _expected(estate, ledger, table, messages, rows)
        right = np.ones(len(rows), np.bool_)
        for name, values in held.items():
            right &= _is_right(estate, messages, rows, name, values[rows], expected)
        if table.has_role(*DAY_VIEWS) and not right.all() and not messages.is_export[rows[0]]:
            right[~right] = _is_folded(estate, ledger, messages, rows[~right], held)
            others = rows[~right]
            of_others = {name: values[others] for name, values in held.items()}
            fits = fit_doubtful_days(estate, ledger, messages.meter[others], messages.first_slot[others], of_others)
            right[~right] = fits == Fit.YES
            compared.is_unjudged[others] = fits == Fit.UNKNOWN
        if table.has_role(*DAY_VIEWS) and folds_may_lack and not messages.is_export[rows[0]]:
            some = rows[~right | _is_behind(estate, ledger, messages, rows)]
            of_some = {name: values[some] for name, values in held.items()}
            fits = fit_stale_days(estate, ledger, messages.meter[some], messages.first_slot[some], of_some)
            compared.is_stale[some] = fits != Fit.NO
        compared.is_row_right[rows] = right
        if lengths is not None:
            wanted = expected[VALUES]
            length = wanted.shape[1]
            is_whole = lengths[rows] == length
            compared.is_row_right[rows] &= is_whole
            whole = rows[is_whole]
            found = page.lists(audited_columns(table).index(VALUES), whole, length)
            compared.is_value_right[whole, :length] = found == wanted[is_whole]
    return compared


def rows_of_class(estate: EstateModel, table: Table, compared: Compared, fact_class: FactClass) -> NDArray[np.uint8]:
    """Which rows of a page speak of a class's facts: uint8[rows], 0 not, 1 its own, 2 a later revision in its place.

    The first class of a table owns what no message has made.
    """
    messages = compared.messages
    if fact_class.is_export:
        return messages.is_export.astype(np.uint8)
    if not table.has_role(*HALF_HOUR_ROLES):
        return (~messages.is_export).astype(np.uint8)
    is_made = (messages.meter >= 0) & ~messages.is_export
    is_run = is_made & ~messages.is_register
    if fact_class.is_register:
        return (is_made & messages.is_register).astype(np.uint8)
    if fact_class.revision is None:
        own = (messages.meter < 0) | (is_run & (messages.revision == 0))
        later = is_run & (messages.revision > 0)  # in the row of a push; an upload's row stays beside
        later &= sends_runs(estate, np.maximum(messages.meter, 0), messages.first_slot, messages.slot_count)
    else:
        own = is_run & (messages.revision == fact_class.revision)
        later = (
            is_run & (messages.revision > fact_class.revision) & (messages.slot_count == 1) & (messages.revision != 0)
        )
    if table.has_role(TableRole.EVENT_LOG):  # each revision has a row of its own there
        later = np.zeros_like(later)
    claim: NDArray[np.uint8] = own.astype(np.uint8) + 2 * (later & ~own).astype(np.uint8)
    return claim


def wrong_column(
    estate: EstateModel, ledger: Ledger, table: Table, page: TablePage, row: int, slot: int
) -> tuple[str, str]:
    """(expected, found) of the first column of a wrong row that is wrong, as a person would write it; `slot` of a list."""
    names, zone = audited_columns(table), ZoneInfo(estate.calendar.zone)
    held = held_integers(table, page)
    messages = _messages(estate, ledger, table, held)
    rows = np.array([row])
    expected = _expected(estate, ledger, table, messages, rows)
    for name, values in held.items():
        if not _is_right(estate, messages, rows, name, values[rows], expected)[0]:
            at = names.index(name)
            wanted_text = _integer_text(table, at, int(expected[name][0]), zone)
            return f"{name} = {wanted_text}", f"{name} = {cell_text(table, page, row, at, zone)}"
    wanted = expected[VALUES]
    at = names.index(VALUES)
    if page.list_lengths(at)[row] != wanted.shape[1]:
        return (
            f"{VALUES} of {wanted.shape[1]} {estate.calendar.slots_are}",
            f"{VALUES} = {cell_text(table, page, row, at, zone)}",
        )
    step = slot - int(messages.first_slot[row])
    return f"{wanted[0, step]} Wh", f"{page.lists(at, rows, wanted.shape[1])[0, step]} Wh"


def cell_text(table: Table, page: TablePage, row: int, column: int, zone: tzinfo) -> str:
    """A cell as a person would write it: a list by its first values, an instant by the clock of the homes' zone."""
    kind, size = table.columns[column].type, int(page.size[row, column])
    if size < 0:
        return "null"
    if kind in SIZES:
        if size != SIZES[kind]:
            return f"{size} bytes, not {SIZES[kind]}"
        return _integer_text(table, column, int(page.integers(column, size)[row]), zone)
    length = int(page.list_lengths(column)[row])
    if length < 0:
        return f"{size} bytes that are no list"
    values = page.lists(column, np.array([row]), length)[0].tolist()
    rest = f", ... {length} values" if length > VALUES_SHOWN_MAX else ""
    return f"[{', '.join(map(str, values[:VALUES_SHOWN_MAX]))}{rest}]"


def _integer_text(table: Table, column: int, value: int, zone: tzinfo) -> str:
    return local_text(value * 1_000, zone) if table.columns[column].type is CqlType.TIMESTAMP else str(value)


def _alike(messages: Messages, slots_per_day: int) -> list[NDArray[np.int64]]:
    """Rows of one direction, length and revision together, as they are recomputed together; phantoms are left out."""
    kind = ((messages.revision - ESTIMATE_REVISION) * 2 + messages.is_register) * 2 + messages.is_export
    key = np.where(messages.meter >= 0, kind * (slots_per_day + 1) + messages.slot_count, -1)
    return [np.flatnonzero(key == one) for one in np.unique(key[key >= 0])]


def _expected(
    estate: EstateModel, ledger: Ledger, table: Table, messages: Messages, rows: NDArray[np.int64]
) -> Mapping[str, NDArray[np.generic]]:
    """Every column of rows that are alike."""
    meter, first_slot = messages.meter[rows], messages.first_slot[rows]
    revision, length = int(messages.revision[rows[0]]), int(messages.slot_count[rows[0]])
    slots = estate.slots_per_day
    if messages.is_export[rows[0]]:
        day_slot = (first_slot // slots * slots).astype(np.int32)  # a day's view is known by its last
        return reading_columns(Operation.INGEST_READING, exported_days(estate, meter, day_slot))
    if table.has_role(*DAY_VIEWS):
        return _expected_days(estate, ledger, meter, first_slot, length)
    readings: Readings
    if messages.is_register[rows[0]]:
        day_slot = (first_slot - slots + 1).astype(np.int32)
        readings = registers_of(estate, meter=meter, first_slot=day_slot)
        return reading_columns(Operation.INGEST_REGISTER, readings)
    if revision:
        revised = revisions_of(estate, meter=meter, first_slot=first_slot, revision=revision)
        return reading_columns(Operation.INGEST_REVISION, revised)
    has_sums = any(column.name in DAY_SUMS for column in table.columns)
    recomputed = readings_of if has_sums else logged_readings_of
    readings = recomputed(estate, meter=meter, first_slot=first_slot, slot_count=length)
    return reading_columns(Operation.INGEST_READING, readings)


def _is_folded(
    estate: EstateModel,
    ledger: Ledger,
    messages: Messages,
    rows: NDArray[np.int64],
    held: Mapping[str, NDArray[np.int64]],
) -> NDArray[np.bool_]:
    """Which days are what a fold of the acknowledged log comes to, and not what their last delivery said.

    A day whose half-hours did not all arrive may have been folded, by the back office or after the storm: then it holds
    what was acknowledged, and what was in doubt and came (`loadtests.audit.data_loss.doubtful_days`).
    """
    meter, first_slot = messages.meter[rows], messages.first_slot[rows]
    expected = _expected_days(estate, ledger, meter, first_slot, int(messages.slot_count[rows[0]]), is_folded=True)
    folded = np.ones(len(rows), np.bool_)
    for name, values in held.items():
        folded &= _is_right(estate, messages, rows, name, values[rows], expected)
    return folded


def _is_behind(estate: EstateModel, ledger: Ledger, messages: Messages, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows of days go less far than what was acknowledged: bool[len(rows)]."""
    meter, last = messages.meter[rows], messages.first_slot[rows]
    slots = estate.slots_per_day
    day_slot = (last // slots * slots).astype(np.int32)
    is_later = np.arange(slots) > (last - day_slot)[:, np.newaxis]
    planes = (Operation.INGEST_READING, *revision_planes(ledger))
    acknowledged = np.any(
        [slots_in(estate, ledger, one, meter, day_slot, SlotState.ACKNOWLEDGED) for one in planes], axis=0
    )
    is_behind: NDArray[np.bool_] = (acknowledged & is_later).any(axis=1)
    return is_behind


def _expected_days(
    estate: EstateModel,
    ledger: Ledger,
    meter: NDArray[np.int64],
    first_slot: NDArray[np.int32],
    length: int,
    *,
    is_folded: bool = False,
) -> Columns:
    """The days of views: what was delivered, and in its place whatever revision of a half-hour was acknowledged.

    A delivery brings the day's sum with it. A day that a revision has touched is folded anew, from what is in the log;
    `is_folded`: so is every day.
    """
    slots = estate.slots_per_day
    day_slot = (first_slot // slots * slots).astype(np.int32)
    day_wh = measured_days(estate, meter, day_slot)
    revisions = revision_planes(ledger)
    # most days no revision has touched
    touched = np.flatnonzero(
        np.any([any_in(estate, ledger, plane, meter, day_slot, SlotState.ACKNOWLEDGED) for plane in revisions], axis=0)
        if revisions
        else np.zeros(len(meter), np.bool_)
    )
    folded = np.arange(len(meter)) if is_folded else touched
    delivered = slots_in(
        estate, ledger, Operation.INGEST_READING, meter[folded], day_slot[folded], SlotState.ACKNOWLEDGED
    )
    day_wh[folded] = np.where(delivered, day_wh[folded], MISSING_WH)
    for plane, revision in revisions.items():
        revised_in = slots_in(estate, ledger, plane, meter[touched], day_slot[touched], SlotState.ACKNOWLEDGED)
        at, step = np.nonzero(revised_in)
        row = touched[at]
        slot = (day_slot[row] + step).astype(np.int32)
        revised = revisions_of(estate, meter=meter[row], first_slot=slot, revision=revision)
        day_wh[row, step] = revised.values_wh[:, 0]
    start_us = start_us_of(estate) + day_slot.astype(np.int64) * estate.slot_us
    count = (first_slot - day_slot).astype(np.int64) + length
    columns = dict(day_columns(totals_of(estate, meter, day_slot, day_wh, count)))
    return columns | {
        "premises": meter // len(estate.fuels),
        "month": month_of(start_us),
        "fuel": _fuel_codes(estate, meter),
        "day": day_of_month(start_us),
        "through": (start_us + count * estate.slot_us) // 1_000,
    }


def _fuel_codes(estate: EstateModel, meter: NDArray[np.int64]) -> NDArray[np.int64]:
    codes = np.array([0 if fuel == "electricity" else 1 for fuel in estate.fuels], np.int64)
    return codes[meter % len(estate.fuels)]


def _is_right(
    estate: EstateModel,
    messages: Messages,
    rows: NDArray[np.int64],
    name: str,
    held: NDArray[np.int64],
    expected: Mapping[str, NDArray[np.generic]],
) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = held == expected[name]
    is_again = estate.parameters.duplicate_below and not messages.revision[rows].any()
    if name == "received_at" and is_again and not messages.is_export[rows].any():
        # both copies are written at the same write timestamp, and then the greater value wins
        others = rows[~right]
        again_us = again_us_of(
            estate,
            messages.meter[others],
            messages.first_slot[others],
            messages.slot_count[others],
            messages.is_register[others],
        )
        right[~right] = held[~right] == again_us // 1_000
    return right


def _messages(estate: EstateModel, ledger: Ledger, table: Table, held: dict[str, NDArray[np.int64]]) -> Messages:
    """From the key columns of each row to the message that must have written it."""
    start_us, slots = start_us_of(estate), estate.slots_per_day
    is_export = held["fuel"] == EXPORT
    meter = meter_of(estate, held["premises"], held["fuel"] == GAS)
    if "mpxn" in held:
        point = premises_of_mpxn(held["mpxn"])
        is_its = (meter_of(estate, point.premises, point.is_gas) == meter) & (point.is_export == is_export)
        meter = np.where(is_its, meter, -1)
    if is_export.any():
        exports = meter_types_of(estate, np.maximum(meter, 0)) == MeterType.IMPORT_EXPORT
        meter = np.where(is_export & ~(exports & (EXPORT_PLANE in ledger.planes)), -1, meter)
    revision = held.get("revision", np.zeros(len(meter), np.int64))
    is_register = np.zeros(len(meter), np.bool_)
    if table.has_role(*HALF_HOUR_ROLES):
        first_slot, is_aligned = _slot_of(estate, held["interval_start"] * 1_000 - start_us)
        slot_count = held["slot_count"].copy()
        is_register = slot_count == 0
        first_slot = first_slot - is_register
        slot_count[is_register] = 1
    else:
        through = held["read_through" if table.has_role(TableRole.LATEST_REGISTER) else "through"]
        end_slot, is_aligned = _slot_of(estate, through * 1_000 - start_us)
        slot_count = np.ones(len(meter), np.int64)
        first_slot = end_slot - 1
        if table.has_role(TableRole.LATEST_REGISTER):
            is_register = ~is_export & ~sends_half_hours(estate, np.maximum(meter, 0), first_slot.astype(np.int32))
            # an upload is recomputed from the start of its day
            is_upload = ~is_register & (first_slot % slots == slots - 1)
            is_upload &= is_export | ~sends_runs(estate, np.maximum(meter, 0), first_slot.astype(np.int32), slot_count)
            first_slot = np.where(is_upload, first_slot - slots + 1, first_slot)
            slot_count = np.where(is_upload, slots, slot_count)
    is_made = (meter >= 0) & is_aligned & (first_slot >= 0) & (first_slot + slot_count <= estate.slot_count)
    is_made &= (slot_count == 1) | ((slot_count == slots) & (first_slot % slots == 0))
    is_made &= ~is_register | (first_slot % slots == slots - 1)
    is_made &= (revision >= ESTIMATE_REVISION) & (revision <= estate.parameters.settlement_run_count)
    is_made &= (revision == 0) | (slot_count == 1)
    is_made &= ~is_export | ((revision == 0) & ~is_register & _is_whole_day(table, first_slot, slot_count, slots))
    instant_us = start_us + np.where(is_made, first_slot, 0) * estate.slot_us
    if "month" in held:
        is_made &= held["month"] == month_of(instant_us)
    if "day" in held:
        is_made &= held["day"] == day_of_month(instant_us)
    return Messages(
        meter=np.where(is_made, meter, -1),
        first_slot=np.where(is_made, first_slot, 0).astype(np.int32),
        slot_count=np.where(is_made, slot_count, 0).astype(np.int32),
        revision=np.where(is_made, revision, 0),
        is_register=is_made & is_register,
        is_export=is_made & is_export,
    )


def _is_whole_day(
    table: Table, first_slot: NDArray[np.int64], slot_count: NDArray[np.int64], slots_per_day: int
) -> NDArray[np.bool_]:
    """Is the row that of a day's one delivery? A day's view is known by its last half-hour."""
    if table.has_role(*DAY_VIEWS):
        is_last: NDArray[np.bool_] = first_slot % slots_per_day == slots_per_day - 1
        return is_last
    is_whole: NDArray[np.bool_] = slot_count == slots_per_day
    return is_whole


def _slot_of(estate: EstateModel, since_start_us: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    return since_start_us // estate.slot_us, since_start_us % estate.slot_us == 0
