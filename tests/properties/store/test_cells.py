"""Columns to cells and back: any integers, lists of any length, nulls anywhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.columns import NULL, Lists, integers, lists, lists_of
from store.readings.cells import Layout, encode
from store.schemas import SCHEMAS
from store.tables import CqlType

LOG = next(table for table in SCHEMAS["home_months"].tables if table.name == "events_by_home")
COLUMNS = ("premises", "fuel", "slot_count", "revision", "received_at", "register_wh", "values_wh")
BITS = {"premises": 64, "fuel": 8, "slot_count": 16, "revision": 32, "received_at": 64, "register_wh": 64}
TYPES = {column.name: column.type for column in LOG.columns}


def body_of(columns: dict[str, np.ndarray | Lists]) -> bytes:
    """A page as the server sends it: the token before the columns."""
    layout = Layout(LOG, COLUMNS)
    cells = [encode(TYPES.get(name, CqlType.BIGINT), columns[name]) for name in layout.names]
    return b"".join(
        b"\xff\xff\xff\xff" if cell is None else len(cell).to_bytes(4, "big") + cell
        for row in zip(*cells, strict=True)
        for cell in row
    )


@st.composite
def pages(draw: st.DrawFn, *, may_be_null: bool) -> dict[str, np.ndarray | Lists]:
    n = draw(st.integers(0, 12))
    page: dict[str, np.ndarray | Lists] = {}
    for name in ("token", *COLUMNS[:-1]):
        bits = BITS.get(name, 64)
        cell = st.integers(-(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1)
        if may_be_null and name in ("received_at", "register_wh"):
            cell = st.one_of(st.just(NULL), cell)
        page[name] = np.array(draw(st.lists(cell, min_size=n, max_size=n)), np.int64)
    one = st.lists(st.integers(-(2**31), 2**31 - 1), max_size=50)
    return page | {"values_wh": lists_of(draw(st.lists(one, min_size=n, max_size=n)))}


@pytest.mark.parametrize("may_be_null", [False, True])
@given(data=st.data())
def test_a_page_is_told_as_it_was_sent(may_be_null: bool, data: st.DataObject) -> None:
    page = data.draw(pages(may_be_null=may_be_null))
    found = Layout(LOG, COLUMNS).decode(len(lists(page, "values_wh")), body_of(page))
    for name in ("token", *COLUMNS[:-1]):
        assert integers(found, name).tolist() == integers(page, name).tolist()
    assert lists(found, "values_wh").equals(lists(page, "values_wh")).all()


def test_a_list_that_was_never_written_is_empty() -> None:
    page = {name: np.array([7, 8]) for name in ("token", *COLUMNS[:-1])} | {"values_wh": lists_of([[1], [2]])}
    cell = encode(CqlType.INT_LIST, lists_of([[2]]))[0]
    assert cell is not None
    body = body_of(page).replace(len(cell).to_bytes(4, "big") + cell, b"\xff\xff\xff\xff")
    found = Layout(LOG, COLUMNS).decode(2, body)
    assert [lists(found, "values_wh").one(row) for row in (0, 1)] == [[1], []]
    assert integers(found, "fuel").tolist() == [7, 8]


def test_the_write_time_of_a_row_is_the_greatest_of_its_cells() -> None:
    """One altered cell, one row with a cell that was never written, and one that has nothing but its key."""
    layout = Layout(LOG, COLUMNS, with_times=True)
    assert len(layout.timed) == 6  # also of columns that are not asked for: mpxn, source, quality
    page = {name: np.array([7, 8, 9]) for name in layout.names[:-1]} | {"values_wh": lists_of([[1], [2], [3]])}
    for name in layout.timed:
        page[f"{name}_written_us"] = np.array([100, 100, NULL])
    page["quality_written_us"] = np.array([170, NULL, NULL])
    cells = [encode(TYPES.get(name, CqlType.BIGINT), page[name]) for name in layout.names]
    body = b"".join(
        b"\xff\xff\xff\xff" if cell is None else len(cell).to_bytes(4, "big") + cell
        for row in zip(*cells, strict=True)
        for cell in row
    )
    found = layout.decode(3, body)
    assert integers(found, "held_us").tolist() == [170, 100, NULL]
    assert "quality_written_us" not in found
