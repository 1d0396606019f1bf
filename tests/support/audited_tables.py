"""Tables as a trace leaves them when all of it is acknowledged, and what the audit counts in them: by plain loops, row by row."""

import struct
from typing import Any

import numpy as np

from loadtests.audit.data_loss.counting import (
    Example,
    FactFault,
    FactOutcome,
    Tally,
    count_units,
    count_verified,
)
from loadtests.audit.data_loss.expected_rows import (
    audited_columns,
    compare_page,
    rows_of_class,
)
from loadtests.audit.data_loss.fact_classes import fact_classes
from loadtests.audit.data_loss.table_scan import TablePage, _split
from loadtests.audit.tables import FactCounts, audited_tables
from loadtests.recording.ledger import EXPORT_PLANE, Ledger, SlotState, mark_run
from loadtests.workload.deliveries import measured_days, readings_of, registers_of, revisions_of, totals_of
from loadtests.workload.operations import planes_of
from loadtests.workload.raw_deliveries import exported_days
from scenarios.domain import (
    MeterType,
    Operation,
)
from scenarios.spec import Scenario
from sim.estate.lookup import meter_types_of, sends_half_hours, sends_runs, split_meter, start_us_of
from sim.estate.model import EstateModel
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
Whole = tuple[dict[str, list[Row]], Ledger]


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
        tally = Tally(one.plane, unit_starts=one.unit_starts)
        for compared in compared_pages:
            examples += tally.add(compared, rows_of_class(estate, table, compared, one))
        examples += tally.finish()
        found.add(
            FactCounts(
                **{fault.name.lower(): int(tally.counts[fault]) for fault in FactFault},
                verified=count_verified(one.plane, one.unit_starts, tally.right),
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


def is_revised(ledger: Ledger, meter: int) -> bool:
    """Does a revision touch the last day?"""
    planes = [plane for plane in ledger.planes if plane.startswith("ingest_revision_")]
    return any(ledger.slots(ledger.plane_of(plane), meter, meter + 1)[0, -48:].any() for plane in planes)


def pushing_meter(estate: EstateModel, ledger: Ledger) -> int:
    """A meter that pushes, all of whose half-hours of the last day came, and none of them revised."""
    meter = np.arange(estate.meter_count)
    last = np.full(len(meter), estate.slot_count - 1, np.int32)
    came = ledger.slots(ledger.plane_of("ingest_reading"), 0, estate.meter_count)[:, -48:] == SlotState.ACKNOWLEDGED
    is_it = sends_runs(estate, meter, last, np.ones(len(meter), int)) & came.all(axis=1)
    return next(one for one in np.flatnonzero(is_it).tolist() if not is_revised(ledger, one))


def day_row(estate: EstateModel, rows: list[Row], meter: int) -> Row:
    premises, is_gas = split_meter(estate, np.array([meter]))
    own = [row for row in rows if (row["premises"], row["fuel"]) == (premises[0], int(is_gas[0]))]
    return max(own, key=lambda row: row["through"])


def check_right(estate: EstateModel, whole: Whole, name: str) -> None:
    """A table that is right has no fault, and all of it is verified."""
    tables, ledger = whole
    counts, examples = judge(estate, name, tables[name], ledger)
    assert faults(counts) == {} and examples == []
    assert counts["verified"] == counts["acknowledged"] == counts["attempted"] > 0
    assert counts["not_judged"] == 0


def check_missing(estate: EstateModel, whole: Whole, name: str, tries: int) -> None:
    """Each of some rows that is taken away is lost, and examples name its home."""
    tables, ledger = whole
    for at in range(0, len(tables[name]), max(len(tables[name]) // tries, 1)):
        rows = list(tables[name])
        gone = rows.pop(at)
        counts, examples = judge(estate, name, rows, ledger)
        assert set(faults(counts)) == {"lost"}
        assert counts["lost"] >= max(len(gone.get("values_wh", [0])), 1)
        premises, _ = split_meter(estate, np.array([example.meter for example in examples]))
        assert set(premises.tolist()) == {gone["premises"]}
