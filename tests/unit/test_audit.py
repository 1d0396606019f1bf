"""The audit must find each planted fault in each table, name it, and find nothing in a table that is right."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loadtests.audit.audit import unit_slots_of
from loadtests.audit.expected import audited_columns, compare_page, write_statement
from loadtests.audit.pages import NULL, Page, _split
from loadtests.audit.tally import Example, Fault, Tally, count_units, count_verified, unit_bitmap
from loadtests.deliveries import meter_of, mpxn_of, readings_of, split_meter
from loadtests.ledger import Ledger, SlotState, mark_run
from scenarios.domain import SLOT_US, WRITE_OPERATIONS, Operation, ReadSchedule, premises_of_mpxn
from scenarios.spec import Scenario
from sim.estate import EstateModel, build_estate
from store.rows import reading_columns
from store.schemas import SCHEMAS
from store.tables import CqlType, Table

SCHEMA = SCHEMAS["packed_runs"]
PREMISES = 40
Row = dict[str, Any]


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    """Two days of 40 homes with both fuels, half of the meters on each schedule."""
    return build_estate(
        Scenario.model_validate(
            {
                "title": "audited",
                "estate": {
                    "premises": PREMISES,
                    "fuels": ["electricity", "gas"],
                    "read_schedules": {"daily": 0.5, "half_hourly": 0.5},
                },
                "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
                "run": {"days": 2, "wall_s": 60},
            }
        )
    )


def deliveries(estate: EstateModel) -> list[tuple[int, int, int]]:
    """(meter, first slot, slot count) of every delivery of the estate."""
    schedules = estate.schedule_of(np.arange(estate.meter_count))
    return [
        (meter, first, 1 if schedules[meter] == ReadSchedule.HALF_HOURLY else 48)
        for meter in range(estate.meter_count)
        for first in range(0, estate.slot_count, 1 if schedules[meter] == ReadSchedule.HALF_HOURLY else 48)
    ]


def rows_of(estate: EstateModel, operation: Operation) -> list[Row]:
    """Every row that the deliveries leave in the operation's table, as Cassandra would keep it: the latest of each key."""
    statement = SCHEMA.statement(operation)
    names = [bind.name for bind in statement.binds if bind.name != "write_us"]
    key = {Operation.UPDATE_USAGE: ["premises", "day", "fuel"], Operation.UPDATE_STATE: ["mpxn"]}.get(
        operation, ["mpxn", "interval_start"]
    )
    kept: dict[tuple[int, ...], Row] = {}
    for length in (1, 48):
        chosen = [(meter, first) for meter, first, count in deliveries(estate) if count == length]
        meter, first_slot = (np.array(column) for column in zip(*chosen, strict=True))
        readings = readings_of(estate, meter=meter, first_slot=first_slot.astype(np.int32), slot_count=length)
        columns = reading_columns(operation, readings)
        for values in zip(*(columns[name].tolist() for name in names), strict=True):
            row = dict(zip(names, values, strict=True))
            kept[tuple(row[name] for name in key)] = row
    return list(kept.values())


def page_of(table: Table, rows: list[Row]) -> Page:
    """The rows as the cells of a RESULT frame."""
    widths = {CqlType.BIGINT: "q", CqlType.TIMESTAMP: "q", CqlType.INT: "i", CqlType.TINYINT: "b"}
    types = {bind.name: bind.type for bind in write_statement(table).binds}
    body = b""
    for row in rows:
        for name in audited_columns(table):
            value = row[name]
            if value is None:
                body += struct.pack(">i", -1)
                continue
            if types[name] is CqlType.INT_LIST:
                cell = struct.pack(">i", len(value)) + b"".join(struct.pack(">ii", 4, item) for item in value)
            else:
                cell = struct.pack(f">{widths[types[name]]}", value)
            body += struct.pack(">i", len(cell)) + cell
    return _split((body, len(rows)))


def full_ledger(estate: EstateModel, operation: Operation, state: SlotState = SlotState.ACKNOWLEDGED) -> Ledger:
    """A ledger of one plane in which every delivery has one state."""
    ledger = Ledger.create(None, [operation], estate.meter_count, estate.slot_count)
    is_view = unit_slots_of(operation, estate.slot_count) > 1
    for meter, first, count in deliveries(estate):
        start, length = (first + count - 1, 1) if is_view else (first, count)
        mark_run(ledger.states, 0, meter, start, length, int(state))
    return ledger


def judge(estate: EstateModel, operation: Operation, rows: list[Row], ledger: Ledger) -> tuple[Tally, list[Example]]:
    table = SCHEMA.table_of(operation)
    unit_slots = unit_slots_of(operation, estate.slot_count)
    right = unit_bitmap(estate.meter_count, estate.slot_count, unit_slots, is_set=True)
    tally = Tally(ledger.states[0], slot_count=estate.slot_count, unit_slots=unit_slots, right_everywhere=right)
    examples: list[Example] = []
    for start in range(0, len(rows), 700):  # in several pages, as a table comes
        page = page_of(table, rows[start : start + 700])
        examples += tally.add(compare_page(estate, table, page))
    examples += tally.finish()
    counted = count_units(ledger.states[0], estate.slot_count, unit_slots)
    assert count_verified(ledger.states[0], estate.slot_count, unit_slots, right) <= counted["acknowledged"]
    return tally, examples


def faults(tally: Tally) -> dict[str, int]:
    return {fault.name.lower(): int(tally.counts[fault]) for fault in Fault if tally.counts[fault]}


@pytest.mark.parametrize("operation", WRITE_OPERATIONS)
def test_a_table_that_is_right_has_no_fault(estate: EstateModel, operation: Operation) -> None:
    ledger = full_ledger(estate, operation)
    tally, examples = judge(estate, operation, rows_of(estate, operation), ledger)
    units = count_units(ledger.states[0], estate.slot_count, unit_slots_of(operation, estate.slot_count))
    per_meter = {Operation.UPDATE_USAGE: 2, Operation.UPDATE_STATE: 1}.get(operation, 96)
    assert units == {"attempted": 80 * per_meter, "acknowledged": 80 * per_meter, "indeterminate": 0}
    assert faults(tally) == {} and examples == []
    assert tally.counts[4] == units["acknowledged"]


@pytest.mark.parametrize("operation", WRITE_OPERATIONS)
def test_a_missing_row_is_lost_and_named(estate: EstateModel, operation: Operation) -> None:
    rows = rows_of(estate, operation)
    gone = rows.pop(7)
    tally, examples = judge(estate, operation, rows, full_ledger(estate, operation))
    assert faults(tally) == {"lost": len(gone.get("values_wh", [0]))}
    if "mpxn" in gone:
        assert {int(mpxn_of(estate, np.array([example.meter]))[0]) for example in examples} == {gone["mpxn"]}


@pytest.mark.parametrize("operation", WRITE_OPERATIONS)
@pytest.mark.parametrize("change", ["one more", "null"])
def test_a_changed_column_is_wrong_whichever_it_is(estate: EstateModel, operation: Operation, change: str) -> None:
    table = SCHEMA.table_of(operation)
    rows = rows_of(estate, operation)
    keys = {"mpxn", "month", "interval_start", "premises", "day", "fuel"} | (
        {"revision"} if operation is Operation.APPEND_EVENT else set()
    )
    stamps = {"through", "read_through"}  # they say which delivery a view's row is of: see the stale row below
    for name in [column for column in audited_columns(table) if column not in keys | stamps]:
        changed = [dict(row) for row in rows]
        if name == "values_wh":
            if change == "null":
                continue  # a run without values is no run of the estate: a phantom, tested below
            changed[3][name] = [*changed[3][name][:-1], changed[3][name][-1] + 1]
            expected = 1
        else:
            changed[3][name] = None if change == "null" else changed[3][name] + 1
            expected = len(changed[3].get("values_wh", [0]))
        tally, examples = judge(estate, operation, changed, full_ledger(estate, operation))
        assert faults(tally) == {"wrong": expected}, name
        assert all(example.fault is Fault.WRONG for example in examples)


def test_a_wrong_value_is_named_by_its_own_half_hour(estate: EstateModel) -> None:
    rows = rows_of(estate, Operation.WRITE_INTERVALS)
    index = next(i for i, row in enumerate(rows) if len(row["values_wh"]) == 48)
    rows[index]["values_wh"][17] += 5
    _, examples = judge(estate, Operation.WRITE_INTERVALS, rows, full_ledger(estate, Operation.WRITE_INTERVALS))
    assert [example.slot % 48 for example in examples] == [17]


def foreign_meter(row: Row, _: EstateModel) -> None:
    key = "mpxn" if "mpxn" in row else "premises"
    row[key] = int(mpxn_of_premises(PREMISES + 5)) if key == "mpxn" else PREMISES + 5


def mpxn_of_premises(premises: int) -> int:
    from scenarios.domain import mpan_of

    return int(mpan_of(np.array([premises]))[0])


def later_month(row: Row, estate: EstateModel) -> None:
    if "month" in row:
        row["month"] += 1
    else:
        foreign_meter(row, estate)


@pytest.mark.parametrize("operation", WRITE_OPERATIONS)
@pytest.mark.parametrize("plant", [foreign_meter, later_month])
def test_a_row_that_nobody_sent_is_a_phantom(
    estate: EstateModel, operation: Operation, plant: Callable[[Row, EstateModel], None]
) -> None:
    rows = rows_of(estate, operation)
    stranger = dict(rows[0])
    plant(stranger, estate)
    tally, examples = judge(estate, operation, [*rows, stranger], full_ledger(estate, operation))
    assert faults(tally) == {"phantom": 1}
    assert examples[0].meter == -1


@pytest.mark.parametrize("operation", WRITE_OPERATIONS)
@pytest.mark.parametrize("state", [SlotState.NONE, SlotState.FAILED])
def test_a_row_that_was_refused_or_never_sent_is_a_phantom(
    estate: EstateModel, operation: Operation, state: SlotState
) -> None:
    rows = rows_of(estate, operation)
    tally, _ = judge(estate, operation, rows, full_ledger(estate, operation, state))
    assert faults(tally) == {"phantom": sum(len(row.get("values_wh", [0])) for row in rows)}


@pytest.mark.parametrize("operation", WRITE_OPERATIONS)
def test_in_doubt_is_no_fault_whether_the_row_is_there_or_not(estate: EstateModel, operation: Operation) -> None:
    ledger = full_ledger(estate, operation, SlotState.INTENT)
    there, _ = judge(estate, operation, rows_of(estate, operation), ledger)
    absent, _ = judge(estate, operation, [], ledger)
    assert faults(there) == faults(absent) == {}
    assert there.counts[5] > 0 and absent.counts[5] == 0


@pytest.mark.parametrize("operation", WRITE_OPERATIONS[:2])
def test_a_half_hour_that_is_there_twice_is_a_duplicate(estate: EstateModel, operation: Operation) -> None:
    rows = rows_of(estate, operation)
    tally, _ = judge(estate, operation, [*rows, rows[0]], full_ledger(estate, operation))
    assert faults(tally) == {"duplicate": len(rows[0]["values_wh"])}


@pytest.mark.parametrize("operation", WRITE_OPERATIONS[2:])
def test_a_view_that_lags_behind_the_latest_acknowledged_delivery_is_lost(
    estate: EstateModel, operation: Operation
) -> None:
    meter = int(np.flatnonzero(estate.schedule_of(np.arange(estate.meter_count)) == ReadSchedule.HALF_HOURLY)[0])
    stale = readings_of(
        estate, meter=np.array([meter]), first_slot=np.array([estate.slot_count - 3], np.int32), slot_count=1
    )
    columns = reading_columns(operation, stale)
    rows = rows_of(estate, operation)
    key = "mpxn" if "mpxn" in rows[0] else "premises"
    index = max(
        i
        for i, row in enumerate(rows)
        if row[key] == columns[key][0] and row.get("fuel", stale.fuel[0]) == stale.fuel[0]
    )
    rows[index] = {name: columns[name][0].tolist() for name in audited_columns(SCHEMA.table_of(operation))}
    tally, examples = judge(estate, operation, rows, full_ledger(estate, operation))
    assert faults(tally) == {"lost": 1}
    assert (examples[0].meter, examples[0].slot) == (meter, estate.slot_count - 1)


def test_metering_points_lead_back_to_their_meters(estate: EstateModel) -> None:
    meter = np.arange(estate.meter_count)
    premises, is_gas = premises_of_mpxn(mpxn_of(estate, meter))
    np.testing.assert_array_equal(meter_of(estate, premises, is_gas), meter)
    np.testing.assert_array_equal(split_meter(estate, meter)[0], premises)
    assert premises_of_mpxn(mpxn_of(estate, meter) + 1)[0].tolist().count(-1) == estate.meter_count


def test_cells_are_split_and_decoded_to_the_last_bit() -> None:
    table = SCHEMA.table_of(Operation.APPEND_EVENT)
    row = {
        "mpxn": -(2**63) + 1,
        "month": 202601,
        "interval_start": 2**62 + 3,
        "revision": -1,
        "received_at": 0,
        "source": -128,
        "quality": 127,
        "register_wh": None,
        "values_wh": [0, -1, 2**31 - 1],
    }
    page = page_of(table, [row, row])
    at = {name: index for index, name in enumerate(audited_columns(table))}
    for name in ("mpxn", "month", "interval_start", "revision", "received_at", "source", "quality"):
        assert page.integers(at[name]).tolist() == [row[name]] * 2
    assert page.integers(at["register_wh"]).tolist() == [NULL] * 2
    assert page.list_lengths(at["values_wh"]).tolist() == [3, 3]
    assert page.lists(at["values_wh"], np.array([1]), 3).tolist() == [[0, -1, 2**31 - 1]]
    assert SLOT_US == 1_800_000_000
