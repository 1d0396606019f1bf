"""A list of 51 values for 48 half-hours was verified; null, short and empty cells were decoded past their end."""

import struct
from datetime import UTC
from typing import Any

import numpy as np
import pytest

from loadtests.audit.data_loss.expected_rows import (
    VALUES,
    audited_columns,
    cell_text,
    compare_page,
    held_integers,
    wrong_column,
)
from loadtests.audit.data_loss.table_scan import NO_LIST, NULL, TablePage, _split
from loadtests.errors import HarnessError
from loadtests.recording.ledger import Ledger
from loadtests.workload.deliveries import readings_of, registers_of
from loadtests.workload.operations import planes_of
from scenarios.domain import SLOTS_PER_DAY, Operation
from scenarios.spec import Scenario
from sim.estate.lookup import sends_runs
from sim.estate.model import EstateModel, build_estate
from store.rows import reading_columns
from store.schemas import SCHEMAS
from store.tables import CqlType, Table

TABLE = next(table for table in SCHEMAS["home_months"].tables if table.name == "events_by_home")
FORMATS = {CqlType.BIGINT: "q", CqlType.TIMESTAMP: "q", CqlType.INT: "i", CqlType.SMALLINT: "h", CqlType.TINYINT: "b"}
Cells = list[bytes | None]


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(scenario())


def scenario() -> Scenario:
    return Scenario.model_validate(
        {
            "title": "cells",
            "estate": {"premises": 10, "read_schedules": {"daily": 1.0}},
            "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
            "run": {"days": 1, "wall_s": 60},
        }
    )


def list_cell(values: list[int]) -> bytes:
    return struct.pack(">i", len(values)) + b"".join(struct.pack(">ii", 4, value) for value in values)


def cells_of(row: dict[str, Any]) -> Cells:
    return [
        list_cell(row[column.name])
        if column.name == VALUES
        else struct.pack(f">{FORMATS[column.type]}", row[column.name])
        for column in TABLE.columns
    ]


def body_of(rows: list[Cells]) -> bytes:
    return b"".join(
        struct.pack(">i", -1) if cell is None else struct.pack(">i", len(cell)) + cell for row in rows for cell in row
    )


def page_of(rows: list[Cells]) -> TablePage:
    return _split((body_of(rows), len(rows), len(TABLE.columns)))


def upload(estate: EstateModel) -> dict[str, Any]:
    meters = np.arange(estate.meter_count)
    is_upload = sends_runs(estate, meters, np.zeros(len(meters), np.int32), np.full(len(meters), SLOTS_PER_DAY))
    meter = meters[is_upload][:1]
    readings = readings_of(estate, meter=meter, first_slot=np.zeros(1, np.int32), slot_count=SLOTS_PER_DAY)
    columns = reading_columns(Operation.INGEST_READING, readings)
    return {name: columns[name][0].tolist() for name in audited_columns(TABLE)}


def register(estate: EstateModel) -> dict[str, Any]:
    readings = registers_of(estate, meter=np.zeros(1, np.int64), first_slot=np.zeros(1, np.int32))
    columns = reading_columns(Operation.INGEST_REGISTER, readings)
    return {name: columns[name][0].tolist() for name in audited_columns(TABLE)}


def ledger_of(estate: EstateModel) -> Ledger:
    return Ledger.create(None, planes_of(scenario()), estate.meter_count, estate.slot_count)


AT = audited_columns(TABLE).index(VALUES)
VALUES_OF_DAY = list(range(SLOTS_PER_DAY))


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (None, "null"),
        (b"", "0 bytes that are no list"),
        (b"\0\0\0", "3 bytes that are no list"),
        (b"\0\0\0\1", "4 bytes that are no list"),
        (struct.pack(">iii", 1, 3, 0), "12 bytes that are no list"),
        (struct.pack(">iii", -1, 4, 0), "12 bytes that are no list"),
        (struct.pack(">iii", 2**29 + 1, 4, 0), "12 bytes that are no list"),  # 4 + 8 n is 12 in 32 bits
        (list_cell([1, 2])[:-1], "19 bytes that are no list"),
        (list_cell([1, 2]) + b"\0", "21 bytes that are no list"),
        (list_cell([]), "[]"),
        (list_cell(VALUES_OF_DAY[:-1]), "[0, 1, 2, 3, ... 47 values]"),
        (list_cell([*VALUES_OF_DAY, 48, 49, 50]), "[0, 1, 2, 3, ... 51 values]"),
    ],
)
def test_a_list_of_any_other_length_is_wrong(estate: EstateModel, cell: bytes | None, told: str) -> None:
    ledger, right = ledger_of(estate), cells_of(upload(estate))
    assert compare_page(estate, ledger, TABLE, page_of([right])).is_row_right.tolist() == [True]
    other = list(right)
    other[AT] = cell
    page = page_of([right, other, right])
    compared = compare_page(estate, ledger, TABLE, page)
    assert compared.is_row_right.tolist() == [True, False, True]
    assert compared.is_value_right[[0, 2]].all()
    assert wrong_column(estate, ledger, TABLE, page, 1, 0) == ("values_wh of 48 half-hours", f"values_wh = {told}")


def test_a_list_that_goes_on_after_its_48_values_is_not_verified(estate: EstateModel) -> None:
    row = upload(estate)
    row[VALUES] = [*row[VALUES], 1, 2, 3]
    compared = compare_page(estate, ledger_of(estate), TABLE, page_of([cells_of(row)]))
    assert compared.is_row_right.tolist() == [False]


def test_a_register_alone_has_no_values(estate: EstateModel) -> None:
    right = cells_of(register(estate))
    with_one, without = list(right), list(right)
    with_one[AT], without[AT] = list_cell([7]), None
    compared = compare_page(estate, ledger_of(estate), TABLE, page_of([right, with_one, without]))
    assert compared.messages.is_register.all()
    assert compared.is_row_right.tolist() == [True, False, False]


@pytest.mark.parametrize("size", [None, 0, 1, 2, 3, 5, 7, 9, 16])
def test_an_integer_of_another_size_is_no_integer(estate: EstateModel, size: int | None) -> None:
    right = cells_of(upload(estate))
    for column, of in enumerate(TABLE.columns):
        if column == AT or size == struct.calcsize(FORMATS[of.type]):
            continue
        other = list(right)
        other[column] = None if size is None else b"\x7f" * size
        page = page_of([other, right])
        assert held_integers(TABLE, page)[of.name][0] == NULL
        assert cell_text(TABLE, page, 0, column, UTC).startswith("null" if size is None else f"{size} bytes, not ")
        compared = compare_page(estate, ledger_of(estate), TABLE, page)
        assert compared.is_row_right.tolist() == [False, True], of.name


def whole_pages(rows: tuple[bytes, int, int]) -> list[TablePage]:
    """The page as it is, and as it is read from among other bytes of memory: none, or one that can't be split."""
    try:
        page = _split(rows)
    except HarnessError:
        return []
    body = np.frombuffer(rows[0], np.uint8)
    pages = [page]
    for around in (0x00, 0xFF):
        memory = np.full(len(body) + 1_024, around, np.uint8)
        memory[512:-512] = body
        pages.append(TablePage(cells=memory[512:-512], offset=page.offset, size=page.size))
    return pages


def seen(estate: EstateModel, ledger: Ledger, table: Table, page: TablePage) -> tuple[Any, ...]:
    compared = compare_page(estate, ledger, table, page)
    lists = [(one.tolist(), length) for one, length in ((page.list_lengths(AT), NO_LIST),)]
    texts = [
        cell_text(table, page, row, column, UTC)
        for row in range(page.row_count)
        for column in range(len(table.columns))
    ]
    return (
        compared.is_row_right.tolist(),
        compared.is_value_right.tolist(),
        compared.messages.meter.tolist(),
        lists,
        texts,
    )


def test_a_page_with_any_byte_changed_or_cut_is_decoded_within_its_bounds(estate: EstateModel) -> None:
    """Each byte in turn gets other values, and the page ends at each byte: no row is right, and nothing around it is read."""
    ledger = ledger_of(estate)
    short = register(estate)
    row = cells_of(short)
    body, columns = body_of([row, row]), len(TABLE.columns)
    right = seen(estate, ledger, TABLE, page_of([row, row]))
    assert right[0] == [True, True]
    split_count = 0
    for at in range(len(body)):
        assert whole_pages((body[:at], 2, columns)) == []
        for value in {0x00, 0x01, 0x04, 0x7F, 0x80, 0xFF, body[at] ^ 0x01} - {body[at]}:
            changed = body[:at] + bytes([value]) + body[at + 1 :]
            pages = whole_pages((changed, 2, columns))
            split_count += bool(pages)
            told = [seen(estate, ledger, TABLE, page) for page in pages]
            assert all(one == told[0] for one in told)
            assert all(one != right for one in told), (at, value)
    assert split_count > len(body)
    assert whole_pages((body + b"\0", 2, columns)) == whole_pages((body, 3, columns)) == []
    assert whole_pages((body, 1, columns)) == whole_pages((body, 2, columns - 1)) == []
