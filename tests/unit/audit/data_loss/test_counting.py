"""The audit must find each planted fault in each table, name it, and find nothing in a table that is right."""

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loadtests.audit.data_loss.counting import (
    Example,
    FactFault,
    FactOutcome,
    Tally,
    count_units,
    count_verified,
    unit_bitmap,
)
from loadtests.audit.data_loss.expected_rows import (
    audited_columns,
    compare_page,
    held_integers,
    rows_of_class,
    wrong_column,
)
from loadtests.audit.data_loss.fact_classes import combined, fact_classes, month_starts
from loadtests.audit.data_loss.table_scan import NULL, TablePage, _split
from loadtests.audit.tables import FactCounts, audited_tables, over_dcs
from loadtests.recording.ledger import EXPORT_PLANE, Ledger, SlotState, mark_run
from loadtests.workload.deliveries import measured_days, readings_of, registers_of, revisions_of, totals_of
from loadtests.workload.operations import planes_of
from loadtests.workload.raw_deliveries import exported_days
from scenarios.domain import (
    DAY_US,
    SLOT_US,
    MeterType,
    Operation,
    export_mpan_of,
    mpan_of,
    premises_of_mpxn,
)
from scenarios.spec import Scenario
from sim.estate.lookup import meter_of, meter_types_of, mpxn_of, sends_half_hours, sends_runs, split_meter, start_us_of
from sim.estate.model import EstateModel, build_estate
from sim.trace.blocks import MessageBlock, MessageKind, trace_blocks
from store.rows import ESTIMATE_REVISION, day_columns, month_of, reading_columns
from store.schemas import SCHEMAS
from store.tables import CqlType, Table

SCHEMA = SCHEMAS["home_months"]
TABLES = {table.name: table for table in audited_tables(SCHEMA)}
KEYS = {
    "events_by_home": ("premises", "month", "fuel", "interval_start", "slot_count", "revision"),
    "intervals_by_home": ("premises", "month", "fuel", "interval_start", "slot_count"),
    "usage_by_fuel": ("premises", "month", "fuel", "day"),
    "billing_by_home": ("premises", "month", "day", "fuel"),
    "latest_by_home": ("premises", "month", "fuel"),
}
RUNS, VIEWS = ("events_by_home", "intervals_by_home"), ("usage_by_fuel", "billing_by_home", "latest_by_home")
PREMISES = 30
Row = dict[str, Any]


def scenario(slots_per_hour: int = 2) -> Scenario:
    """Two days over the end of a month: each schedule that sends half-hours or registers, gaps, revisions, duplicates."""
    return Scenario.model_validate(
        {
            "title": "audited",
            "estate": {
                "premises": PREMISES,
                "slots_per_hour": slots_per_hour,
                "fuels": ["electricity", "gas"],
                "read_schedules": {"daily": 0.5, "half_hourly": 0.3, "monthly": 0.2},
                "meter_types": {"register_only": 0.1, "profile": 0.6, "ten_second": 0.0, "import_export": 0.3},
            },
            "reads": {
                "gap_share": 0.005,
                "duplicate_share": 0.1,
                "settlement_runs": [
                    {"name": "sf", "after_days": 1, "share": 0.005},
                    {"name": "r1", "after_days": 2, "share": 0.004},
                ],
            },
            "campaigns": [
                {"name": "price", "kind": "update_price", "share": 0.5, "at_h": 4.0, "over_h": 2.0, "effective_h": 30.5}
            ],
            "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
            "run": {"start": "2026-03-31", "days": 2, "wall_s": 60},  # April begins in London at 23:00 UTC
        }
    )


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(scenario())


class Kept(dict[tuple[int, ...], tuple[int, Row]]):
    """A table as Cassandra keeps it: of each key and column the value with the highest write timestamp, then the greater."""

    def put(self, name: str, columns: dict[str, Any], at: int) -> None:
        row = {column: columns[column][at].tolist() for column in audited_columns(TABLES[name])}
        key = tuple(row[column] for column in KEYS[name])
        write_us = int(columns["write_us"][at])
        held = self.get(key)
        if held is not None and held[0] == write_us:
            row = {column: max(value, held[1][column]) for column, value in row.items()}
        if held is None or write_us >= held[0]:
            self[key] = write_us, row


def tables_of(estate: EstateModel) -> tuple[dict[str, list[Row]], Ledger]:
    """Every row that the trace leaves in each table when all of it is acknowledged and the days are folded; and its ledger."""
    ledger = Ledger.create(None, planes_of(scenario()), estate.meter_count, estate.slot_count)
    kept = {name: Kept() for name in TABLES}
    for block in trace_blocks(estate):
        for at in range(len(block)):
            _send(estate, ledger, kept, block, at)
    _refold(estate, ledger, kept)
    _export(estate, ledger, kept)
    return {name: [row for _, row in rows.values()] for name, rows in kept.items()}, ledger


def _send(estate: EstateModel, ledger: Ledger, kept: dict[str, Kept], block: MessageBlock, at: int) -> None:
    kind, meter, slot = MessageKind(block.kind[at]), block.meter[at : at + 1], block.first_slot[at : at + 1]
    count, plane = estate.slots_per_day, str(Operation.INGEST_READING)
    if kind in (MessageKind.PUSH_HALF_HOUR, MessageKind.UPLOAD_DAY):
        count = 1 if kind is MessageKind.PUSH_HALF_HOUR else estate.slots_per_day
        operation, readings = (
            Operation.INGEST_READING,
            readings_of(estate, meter=meter, first_slot=slot, slot_count=count),
        )
    elif kind is MessageKind.READ_REGISTER:
        operation, readings = Operation.INGEST_REGISTER, registers_of(estate, meter=meter, first_slot=slot)
        plane, slot, count = str(operation), slot + estate.slots_per_day - 1, 1
    elif kind in (MessageKind.ESTIMATE, MessageKind.CORRECT):
        revision = int(block.draw_index[at]) if kind is MessageKind.CORRECT else ESTIMATE_REVISION
        operation = Operation.INGEST_REVISION
        readings = revisions_of(estate, meter=meter, first_slot=slot, revision=revision)
        plane, count = f"{operation}_{revision}", 1
    else:
        return
    columns = dict(reading_columns(operation, readings))
    if kind in (MessageKind.PUSH_HALF_HOUR, MessageKind.UPLOAD_DAY, MessageKind.READ_REGISTER):
        columns["received_at"] = (start_us_of(estate) + block.due_us[at : at + 1]) // 1_000
    mark_run(ledger.states, ledger.plane_of(plane), int(meter[0]), int(slot[0]), count, int(SlotState.ACKNOWLEDGED))
    for table in SCHEMA.tables_of(operation):
        kept[table.name].put(table.name, columns, 0)


def _export(estate: EstateModel, ledger: Ledger, kept: dict[str, Kept]) -> None:
    """What the back office collects of every meter that measures export and sends half-hours."""
    for day_slot in range(0, estate.slot_count, estate.slots_per_day):
        for meter in np.flatnonzero(meter_types_of(estate, np.arange(estate.meter_count)) == MeterType.IMPORT_EXPORT):
            one, first = np.array([meter]), np.array([day_slot], np.int32)
            if not sends_half_hours(estate, one, first)[0]:
                continue
            columns = dict(reading_columns(Operation.INGEST_READING, exported_days(estate, one, first)))
            acknowledged = int(SlotState.ACKNOWLEDGED)
            mark_run(ledger.states, ledger.plane_of(EXPORT_PLANE), meter, day_slot, estate.slots_per_day, acknowledged)
            for table in SCHEMA.tables_of(Operation.INGEST_READING):
                kept[table.name].put(table.name, columns, 0)


def _refold(estate: EstateModel, ledger: Ledger, kept: dict[str, Kept]) -> None:
    """What the projector leaves of the days that a revision has touched: the plain loop, slot by slot."""
    revisions = [plane for plane in ledger.planes if plane.startswith("ingest_revision_")]
    for meter in range(estate.meter_count):
        states = {plane: ledger.slots(ledger.plane_of(plane), meter, meter + 1)[0] for plane in ledger.planes}
        for day_slot in range(0, estate.slot_count, estate.slots_per_day):
            touched = [
                (plane, slot)
                for plane in revisions
                for slot in range(day_slot, day_slot + estate.slots_per_day)
                if states[plane][slot] == SlotState.ACKNOWLEDGED
            ]
            if not touched:
                continue
            one, first = np.array([meter]), np.array([day_slot], np.int32)
            values = measured_days(estate, one, first)
            values[
                0, states["ingest_reading"][day_slot : day_slot + estate.slots_per_day] != SlotState.ACKNOWLEDGED
            ] = -1
            for plane, slot in touched:  # in the order of the revisions
                revised = revisions_of(
                    estate, meter=one, first_slot=np.array([slot], np.int32), revision=int(plane.rsplit("_", 1)[1])
                )
                values[0, slot - day_slot] = revised.values_wh[0, 0]
            last = max(np.flatnonzero(values[0] != -1).tolist())
            is_upload = (
                states["ingest_reading"][day_slot : day_slot + estate.slots_per_day] == SlotState.ACKNOWLEDGED
            ).all()
            count = np.array([estate.slots_per_day if is_upload else last + 1])
            start_us = start_us_of(estate) + first.astype(np.int64) * estate.slot_us
            premises, is_gas = split_meter(estate, one)
            columns = dict(day_columns(totals_of(estate, one, first, values, count))) | {
                "premises": premises,
                "month": month_of(start_us),
                "day": start_us.astype("datetime64[us]").astype("datetime64[D]").astype(object)[0].day
                * np.ones(1, np.int64),
                "fuel": is_gas.astype(np.int8),
                "through": (start_us + count * estate.slot_us) // 1_000,
                "write_us": start_us + estate.slots_per_day * estate.slot_us + 100,
            }
            for name in ("usage_by_fuel", "billing_by_home"):
                kept[name].put(name, columns, 0)


@pytest.fixture(scope="module")
def whole(estate: EstateModel) -> tuple[dict[str, list[Row]], Ledger]:
    return tables_of(estate)


def page_of(table: Table, rows: list[Row]) -> TablePage:
    """The rows as the cells of a RESULT frame."""
    widths = {
        CqlType.BIGINT: "q",
        CqlType.TIMESTAMP: "q",
        CqlType.INT: "i",
        CqlType.SMALLINT: "h",
        CqlType.TINYINT: "b",
    }
    types = {column.name: column.type for column in table.columns}
    names = audited_columns(table)
    cells = []
    for row in rows:
        for name in names:
            value = row[name]
            if value is None:
                cells.append(struct.pack(">i", -1))
                continue
            if types[name] is CqlType.INT_LIST:
                lengths_and_items = [number for item in value for number in (4, item)]
                cell = struct.pack(f">{1 + len(lengths_and_items)}i", len(value), *lengths_and_items)
            else:
                cell = struct.pack(f">{widths[types[name]]}", value)
            cells.append(struct.pack(">i", len(cell)) + cell)
    return _split((b"".join(cells), len(rows), len(names)))


def with_states(ledger: Ledger, state: SlotState) -> Ledger:
    """The same ledger with another state wherever something was acknowledged."""
    other = Ledger.create(None, ledger.planes, ledger.meter_count, ledger.slot_count)
    for plane in range(len(ledger.planes)):
        for meter in range(ledger.meter_count):
            for slot in np.flatnonzero(ledger.slots(plane, meter, meter + 1)[0] == SlotState.ACKNOWLEDGED):
                mark_run(other.states, plane, meter, int(slot), 1, int(state))
    return other


def judge(estate: EstateModel, name: str, rows: list[Row], ledger: Ledger) -> tuple[dict[str, int], list[Example]]:
    """Faults by name, how many units were verified and found in doubt, and the examples."""
    table = TABLES[name]
    found, examples = FactCounts(), []
    in_doubt = not_judged = 0
    starts = range(0, len(rows), 700)  # in several pages, as a table comes
    pages = [page_of(table, rows[start : start + 700]) for start in starts]
    compared_pages = [compare_page(estate, ledger, table, page) for page in pages]
    for one in fact_classes(estate, ledger, SCHEMA, table):
        right = unit_bitmap(estate.meter_count, len(one.unit_starts) - 1, is_set=True)
        tally = Tally(one.plane, unit_starts=one.unit_starts, right_everywhere=right)
        for compared in compared_pages:
            examples += tally.add(compared, rows_of_class(estate, table, compared, one))
        examples += tally.finish()
        found.add(
            FactCounts(
                **{fault.name.lower(): int(tally.counts[fault]) for fault in FactFault},
                verified=count_verified(one.plane, one.unit_starts, right),
                **count_units(one.plane, one.unit_starts)._asdict(),
            )
        )
        in_doubt += int(tally.counts[FactOutcome.IN_DOUBT_FOUND])
        not_judged += int(tally.counts[FactOutcome.NOT_JUDGED])
    counts = {"in_doubt_found": in_doubt, "not_judged": not_judged} | {
        key: getattr(found, key) for key in ("attempted", "acknowledged", "indeterminate", "verified")
    }
    counts |= {fault.name.lower(): getattr(found, fault.name.lower()) for fault in FactFault}
    return counts, examples


def faults(counts: dict[str, int]) -> dict[str, int]:
    return {fault.name.lower(): counts[fault.name.lower()] for fault in FactFault if counts[fault.name.lower()]}


Whole = tuple[dict[str, list[Row]], Ledger]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_right_has_no_fault(estate: EstateModel, whole: Whole, name: str) -> None:
    tables, ledger = whole
    counts, examples = judge(estate, name, tables[name], ledger)
    assert faults(counts) == {} and examples == []
    assert counts["verified"] == counts["acknowledged"] == counts["attempted"] > 0


def test_the_estate_has_every_class_of_facts_in_it(estate: EstateModel, whole: Whole) -> None:
    tables, ledger = whole
    for plane in range(len(ledger.planes)):
        assert ledger.counts(plane)[SlotState.ACKNOWLEDGED] > 0, ledger.planes[plane]
    events = tables["events_by_home"]
    assert {row["slot_count"] for row in events} == {0, 1, 48}
    assert {row["revision"] for row in events} == {-1, 0, 1, 2}
    assert {row["quality"] for row in events} == {0, 1, 2}
    assert {row["fuel"] for row in events} == {0, 1, 2}
    assert any(-1 in row["values_wh"] for row in events)
    assert {row["tariff_version"] for row in tables["billing_by_home"]} == {1, 2}
    assert month_starts(estate).tolist() == [0, 48, 96]


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_row_is_lost_and_named(estate: EstateModel, whole: Whole, name: str) -> None:
    tables, ledger = whole
    for at in range(0, len(tables[name]), max(len(tables[name]) // 40, 1)):
        rows = list(tables[name])
        gone = rows.pop(at)
        counts, examples = judge(estate, name, rows, ledger)
        assert set(faults(counts)) == {"lost"}
        assert counts["lost"] >= max(len(gone.get("values_wh", [0])), 1)
        premises, _ = split_meter(estate, np.array([example.meter for example in examples]))
        assert set(premises.tolist()) == {gone["premises"]}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("change", ["one more", "null"])
def test_a_changed_column_is_wrong_whichever_it_is(estate: EstateModel, whole: Whole, name: str, change: str) -> None:
    tables, ledger = whole
    stamps = {"through", "read_through", "mpxn"}  # they say which delivery a row is of: see the stale row below
    for at in range(0, len(tables[name]), max(len(tables[name]) // 5, 1)):
        for column in set(audited_columns(TABLES[name])) - set(KEYS[name]) - stamps:
            rows = [dict(row) for row in tables[name]]
            values = rows[at][column]
            if column == "values_wh":
                if change == "null" or not values:
                    continue  # a run without values is no run of the estate: a phantom, tested below
                rows[at][column] = [*values[:-1], values[-1] + 1]
            elif column == "revision" and change == "one more":
                continue  # in the interval view it says which message a row is of
            else:
                rows[at][column] = None if change == "null" else values + 1
            counts, examples = judge(estate, name, rows, ledger)
            assert counts["wrong"] + counts["phantom"] >= 1, column
            assert counts["duplicate"] == 0
            named = next(example for example in examples if example.fault in (FactFault.WRONG, FactFault.PHANTOM))
            if named.fault is FactFault.WRONG:
                page = page_of(TABLES[name], rows[at : at + 1])
                expected, found = wrong_column(estate, ledger, TABLES[name], page, 0, named.slot)
                assert expected != found


def test_a_wrong_value_is_named_by_its_own_half_hour(estate: EstateModel, whole: Whole) -> None:
    tables, ledger = whole
    rows = [dict(row) for row in tables["intervals_by_home"]]
    index = next(i for i, row in enumerate(rows) if len(row["values_wh"]) == 48)
    rows[index]["values_wh"] = [*rows[index]["values_wh"][:17], 99_999, *rows[index]["values_wh"][18:]]
    counts, examples = judge(estate, "intervals_by_home", rows, ledger)
    assert faults(counts) == {"wrong": 1}
    assert [example.slot % 48 for example in examples] == [17]


@pytest.mark.parametrize("name", TABLES)
def test_an_export_of_a_meter_that_measures_none_is_a_phantom(estate: EstateModel, whole: Whole, name: str) -> None:
    tables, ledger = whole
    index = next(at for at, row in enumerate(tables[name]) if row["fuel"] == 2)
    exporting = {row["premises"] for row in tables[name] if row["fuel"] == 2}
    assert counts_of_exports(estate, tables[name], ledger, name) == len(exporting) > 1
    other = next(home for home in range(PREMISES) if home not in exporting)
    moved = tables[name][index] | {"premises": other}
    if "mpxn" in moved:
        moved["mpxn"] = int(export_mpan_of(np.array([other]))[0])
    counts, _ = judge(estate, name, [*tables[name], moved], ledger)
    assert faults(counts) == {"phantom": 1}
    planes = [plane for plane in ledger.planes if plane != EXPORT_PLANE]
    without = Ledger.create(None, planes, ledger.meter_count, ledger.slot_count)
    without.states[:] = ledger.states[: len(planes)]
    counts, _ = judge(estate, name, tables[name], without)
    assert faults(counts) == {"phantom": sum(row["fuel"] == 2 for row in tables[name])}


def counts_of_exports(estate: EstateModel, rows: list[Row], ledger: Ledger, name: str) -> int:
    """How many homes' exports are verified, of rows that are all right."""
    exports = fact_classes(estate, ledger, SCHEMA, TABLES[name])[-1]
    right = unit_bitmap(estate.meter_count, len(exports.unit_starts) - 1, is_set=True)
    tally = Tally(exports.plane, unit_starts=exports.unit_starts, right_everywhere=right)
    compared = compare_page(estate, ledger, TABLES[name], page_of(TABLES[name], rows))
    tally.add(compared, rows_of_class(estate, TABLES[name], compared, exports))
    tally.finish()
    return int(right.any(axis=1).sum())


@pytest.mark.parametrize("name", RUNS)
def test_an_export_that_is_no_day_is_a_phantom(estate: EstateModel, whole: Whole, name: str) -> None:
    tables, ledger = whole
    day = next(row for row in tables[name] if row["fuel"] == 2)
    push = day | {"slot_count": 1, "values_wh": day["values_wh"][:1]}
    counts, _ = judge(estate, name, [*tables[name], push], ledger)
    assert faults(counts) == {"phantom": 1}


def foreign_home(row: Row) -> None:
    row["premises"] = PREMISES + 5
    if "mpxn" in row:
        row["mpxn"] = int(mpan_of(np.array([PREMISES + 5]))[0])


def later_month(row: Row) -> None:
    row["month"] += 1


def other_number(row: Row) -> None:
    if "mpxn" in row:
        row["mpxn"] += 1
    else:
        foreign_home(row)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("plant", [foreign_home, later_month, other_number])
def test_a_row_that_nobody_sent_is_a_phantom(
    estate: EstateModel, whole: Whole, name: str, plant: Callable[[Row], None]
) -> None:
    tables, ledger = whole
    stranger = dict(tables[name][0])
    plant(stranger)
    counts, examples = judge(estate, name, [*tables[name], stranger], ledger)
    assert faults(counts) == {"phantom": 1}
    assert examples[0].meter == -1


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("state", [SlotState.NONE, SlotState.FAILED])
def test_a_row_that_was_refused_or_never_sent_is_a_phantom(
    estate: EstateModel, whole: Whole, name: str, state: SlotState
) -> None:
    tables, ledger = whole
    counts, _ = judge(estate, name, tables[name], with_states(ledger, state))
    assert set(faults(counts)) == {"phantom"}
    assert counts["phantom"] >= len(tables[name])


@pytest.mark.parametrize("name", RUNS)
def test_in_doubt_is_no_fault_whether_the_row_is_there_or_not(estate: EstateModel, whole: Whole, name: str) -> None:
    tables, ledger = whole
    doubted = with_states(ledger, SlotState.INTENT)
    there, _ = judge(estate, name, tables[name], doubted)
    absent, _ = judge(estate, name, [], doubted)
    assert faults(there) == faults(absent) == {}
    assert there["in_doubt_found"] > 0 and absent["in_doubt_found"] == 0


@pytest.mark.parametrize("name", RUNS)
def test_a_half_hour_that_is_there_twice_is_a_duplicate(estate: EstateModel, whole: Whole, name: str) -> None:
    tables, ledger = whole
    row = next(row for row in tables[name] if len(row["values_wh"]) == 48)
    counts, _ = judge(estate, name, [*tables[name], row], ledger)
    assert faults(counts) == {"duplicate": 48}


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_that_lags_behind_the_latest_acknowledged_delivery_is_lost(
    estate: EstateModel, whole: Whole, name: str
) -> None:
    tables, ledger = whole
    delivered = ledger.slots(ledger.plane_of("ingest_reading"), 0, estate.meter_count) == SlotState.ACKNOWLEDGED
    stale_slot = np.array([estate.slot_count - 2], np.int32)
    is_pushed = sends_runs(
        estate, np.arange(estate.meter_count), stale_slot.repeat(estate.meter_count), np.ones(estate.meter_count, int)
    )
    meter = next(
        int(meter) for meter in np.flatnonzero(is_pushed & delivered[:, -1]) if not _is_revised(ledger, int(meter))
    )
    stale = readings_of(estate, meter=np.array([meter]), first_slot=stale_slot, slot_count=1)
    columns = reading_columns(Operation.INGEST_READING, stale)
    rows = list(tables[name])
    key = [int(columns[column][0]) for column in KEYS[name]]
    index = next(i for i, row in enumerate(rows) if [row[column] for column in KEYS[name]] == key)
    rows[index] = {column: columns[column][0].tolist() for column in audited_columns(TABLES[name])}
    counts, examples = judge(estate, name, rows, ledger)
    assert faults(counts) == {"lost": 1}
    assert (examples[0].meter, examples[0].slot) == (meter, estate.slot_count - 1)


def _is_revised(ledger: Ledger, meter: int) -> bool:
    """Does a revision touch the last day?"""
    planes = [plane for plane in ledger.planes if plane.startswith("ingest_revision_")]
    return any(ledger.slots(ledger.plane_of(plane), meter, meter + 1)[0, -48:].any() for plane in planes)


def test_planes_together_keep_the_stronger_word() -> None:
    states = [SlotState.NONE, SlotState.INTENT, SlotState.FAILED, SlotState.ACKNOWLEDGED]
    one = Ledger.create(None, ["a", "b"], 1, 16)
    for slot in range(16):
        mark_run(one.states, 0, 0, slot, 1, int(states[slot // 4]))
        mark_run(one.states, 1, 0, slot, 1, int(states[slot % 4]))
    both = Ledger.create(None, ["both"], 1, 16)
    both.states[0] = combined([one.states[0], one.states[1]])
    rank = [SlotState.NONE, SlotState.FAILED, SlotState.INTENT, SlotState.ACKNOWLEDGED]
    expected = [max(states[slot // 4], states[slot % 4], key=rank.index) for slot in range(16)]
    assert both.slots(0, 0, 1)[0].tolist() == expected


def test_metering_points_lead_back_to_their_meters(estate: EstateModel) -> None:
    meter = np.arange(estate.meter_count)
    point = premises_of_mpxn(mpxn_of(estate, meter))
    np.testing.assert_array_equal(meter_of(estate, point.premises, point.is_gas), meter)
    assert not point.is_export.any()
    np.testing.assert_array_equal(split_meter(estate, meter)[0], point.premises)
    assert premises_of_mpxn(mpxn_of(estate, meter) + 1)[0].tolist().count(-1) == estate.meter_count


def test_cells_are_split_and_decoded_to_the_last_bit() -> None:
    table = TABLES["events_by_home"]
    row = {
        "premises": 7,
        "month": 202601,
        "fuel": 1,
        "interval_start": 2**62 + 3,
        "slot_count": -(2**15),
        "revision": -1,
        "mpxn": -(2**63) + 1,
        "received_at": 0,
        "source": -128,
        "quality": 127,
        "register_wh": None,
        "values_wh": [0, -1, 2**31 - 1],
    }
    page = page_of(table, [row, row])
    at = {name: index for index, name in enumerate(audited_columns(table))}
    held = held_integers(table, page)
    for name in set(at) - {"register_wh", "values_wh"}:
        assert held[name].tolist() == [row[name]] * 2
    assert held["register_wh"].tolist() == [NULL] * 2
    assert page.list_lengths(at["values_wh"]).tolist() == [3, 3]
    assert page.lists(at["values_wh"], np.array([1]), 3).tolist() == [[0, -1, 2**31 - 1]]
    assert SLOT_US == 1_800_000_000


def test_a_fact_that_two_dcs_have_lost_is_one_lost_fact() -> None:
    sent = FactCounts(attempted=100, acknowledged=100)
    both = over_dcs(sent, 97, [FactCounts(lost=3), FactCounts(lost=3)])
    assert (both.verified, both.lost, both.wrong) == (97, 3, 0)
    apart = over_dcs(sent, 95, [FactCounts(lost=3, phantom=1), FactCounts(lost=1, wrong=1, duplicate=2)])
    assert (apart.verified, apart.lost, apart.wrong, apart.phantom, apart.duplicate) == (95, 4, 1, 1, 2)
    assert apart.verified + apart.lost + apart.wrong == apart.acknowledged
    in_doubt = over_dcs(sent, 100, [FactCounts(wrong=2)])  # wrong, though nobody acknowledged it
    assert (in_doubt.lost, in_doubt.wrong) == (0, 2)


def without_fact(ledger: Ledger, plane: int, meter: int, slot: int) -> Ledger:
    """The same ledger with one half-hour that was never sent."""
    other = with_states(ledger, SlotState.ACKNOWLEDGED)
    packed = other.states[plane, meter, slot // 4]
    other.states[plane, meter, slot // 4] = packed & ~np.uint8(3 << 2 * (slot % 4))
    return other


def test_a_day_that_did_not_arrive_whole_may_hold_the_fold_of_what_did(estate: EstateModel, whole: Whole) -> None:
    tables, ledger = whole
    plane = ledger.plane_of("ingest_reading")
    pushes = [row for row in tables["events_by_home"] if (row["slot_count"], row["revision"]) == (1, 0)]
    revised = {
        (row["premises"], row["fuel"], row["interval_start"] * 1_000 // DAY_US)
        for row in tables["events_by_home"]
        if row["revision"]
    }
    push = next(
        row
        for row in pushes
        if (row["premises"], row["fuel"], row["interval_start"] * 1_000 // DAY_US) not in revised
        and row["values_wh"][0]
    )
    start_us = push["interval_start"] * 1_000
    slot = (start_us - start_us_of(estate)) // SLOT_US
    rows = [dict(row) for row in tables["usage_by_fuel"]]
    at = next(
        index
        for index, row in enumerate(rows)
        if (row["premises"], row["fuel"]) == (push["premises"], push["fuel"])
        and start_us < row["through"] * 1_000 <= start_us // DAY_US * DAY_US + DAY_US
    )
    meter = push["premises"] * len(estate.fuels) + push["fuel"]
    lacking = without_fact(ledger, plane, meter, slot)
    assert faults(judge(estate, "usage_by_fuel", rows, lacking)[0]) == {}  # as its last delivery said
    rows[at]["usage_wh"] -= push["values_wh"][0]
    assert faults(judge(estate, "usage_by_fuel", rows, lacking)[0]) == {}  # as a fold says
    assert set(faults(judge(estate, "usage_by_fuel", rows, ledger)[0])) == {"wrong"}
    rows[at]["usage_wh"] -= 1
    assert set(faults(judge(estate, "usage_by_fuel", rows, lacking)[0])) == {"wrong"}


def with_doubt(ledger: Ledger, meter: int, slots: list[int]) -> Ledger:
    """The same ledger with some half-hours of a meter in doubt."""
    other = with_states(ledger, SlotState.ACKNOWLEDGED)
    plane = ledger.plane_of("ingest_reading")
    for slot in slots:
        pair = np.uint8(3 << 2 * (slot % 4))
        other.states[plane, meter, slot // 4] &= ~pair
        mark_run(other.states, plane, meter, slot, 1, int(SlotState.INTENT))
    return other


def pushing_meter(estate: EstateModel, ledger: Ledger) -> int:
    """A meter that pushes, all of whose half-hours of the last day came, and none of them revised."""
    meter = np.arange(estate.meter_count)
    last = np.full(len(meter), estate.slot_count - 1, np.int32)
    came = ledger.slots(ledger.plane_of("ingest_reading"), 0, estate.meter_count)[:, -48:] == SlotState.ACKNOWLEDGED
    is_it = sends_runs(estate, meter, last, np.ones(len(meter), int)) & came.all(axis=1)
    return next(one for one in np.flatnonzero(is_it).tolist() if not _is_revised(ledger, one))


def day_row(estate: EstateModel, rows: list[Row], meter: int) -> Row:
    premises, is_gas = split_meter(estate, np.array([meter]))
    own = [row for row in rows if (row["premises"], row["fuel"]) == (premises[0], int(is_gas[0]))]
    return max(own, key=lambda row: row["through"])


@pytest.mark.parametrize("name", ["usage_by_fuel", "billing_by_home"])
def test_one_half_hour_in_doubt_does_not_excuse_the_day(estate: EstateModel, whole: Whole, name: str) -> None:
    tables, ledger = whole
    meter = pushing_meter(estate, ledger)
    doubted = with_doubt(ledger, meter, [estate.slot_count - 9])
    right, _ = judge(estate, name, tables[name], doubted)
    assert faults(right) == {} and right["not_judged"] == 0
    assert right["verified"] == right["acknowledged"] == judge(estate, name, tables[name], ledger)[0]["verified"]
    rows = [dict(row) for row in tables[name]]
    day_row(estate, rows, meter)["usage_wh" if name == "usage_by_fuel" else "cost_upence"] += 1
    counts, _ = judge(estate, name, rows, doubted)
    assert faults(counts) == {"wrong": 1}


def test_what_cannot_be_judged_is_counted_so_and_not_as_verified(estate: EstateModel, whole: Whole) -> None:
    tables, ledger = whole
    meter = pushing_meter(estate, ledger)
    doubted = with_doubt(ledger, meter, list(range(estate.slot_count - 20, estate.slot_count - 2)))
    rows = [dict(row) for row in tables["usage_by_fuel"]]
    day_row(estate, rows, meter)["usage_wh"] += 1
    counts, _ = judge(estate, "usage_by_fuel", rows, doubted)
    assert faults(counts) == {} and counts["not_judged"] == 1
    assert counts["verified"] == counts["acknowledged"] - 1


def test_a_fact_that_one_dc_could_not_judge_is_not_lost() -> None:
    sent = FactCounts(attempted=100, acknowledged=100)
    apart = over_dcs(sent, 98, [FactCounts(not_judged=1), FactCounts(not_judged=1)])
    assert (apart.verified, apart.lost, apart.not_judged) == (98, 0, 2)
    beside = over_dcs(sent, 95, [FactCounts(not_judged=2, lost=1), FactCounts(wrong=2)])
    assert (beside.lost, beside.wrong, beside.not_judged) == (1, 2, 2)
    assert over_dcs(sent, 100, [FactCounts(not_judged=0)]).not_judged == 0


def test_what_one_dc_has_lost_is_lost_though_another_could_not_judge_it() -> None:
    sent = FactCounts(attempted=100, acknowledged=100)
    both = over_dcs(sent, 97, [FactCounts(lost=3), FactCounts(not_judged=3)])
    assert (both.lost, both.not_judged) == (3, 0)
