"""Any integers in any field, in any order and of any age: each row is accepted or recorded, and costs no other."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.domain import DAY_US, SLOT_US, export_mpan_of, mpan_of, mprn_of
from store.ingest import ingest
from store.ingest.known import Known
from store.memory import MemoryStore
from store.parsing import Delivery, NumberedHomes
from store.readings.verify import folded_views
from store.tariffs import FIRST_PRICES, Book
from tests.support.schema_under_test import SCHEMA

START_US = 1_768_435_200_000_000  # 2026-01-15 00:00 UTC
NOW_US = START_US + 40 * DAY_US
GOOD = int(mpan_of(np.array([3]))[0])
POINTS = [int(of(np.arange(1))[0]) for of in (mpan_of, mprn_of, export_mpan_of)]
BOOK = Book(prices=(replace(FIRST_PRICES, effective_us=START_US - 10 * DAY_US),))  # many rows are about an earlier time
KNOWN = Known(meters=NumberedHomes(count=4), book=BOOK, exchanges_us={(0, 0): [START_US + 9 * SLOT_US]})

numbers = (
    st.integers() | st.integers(-(2**63), 2**63 - 1) | st.sampled_from((-1, 0, 2**31, 2**32 - 1, 2**62, 2**63 - 1))
)
starts = st.integers(-48 * 800, 48 * 41).map(lambda slot: START_US + slot * SLOT_US) | st.integers(0, 60).map(
    lambda slot: slot * SLOT_US
)
ages = st.integers(0, 2**63 - 1) | st.integers(-(2**63), -1) | st.just(NOW_US)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[dict[str, Any], int]:
    """A delivery's columns as they come, with one good row in them, and which row that is."""
    count, slot_count = draw(st.integers(0, 5)), draw(st.sampled_from((0, 1, 2, 48)))
    cells = st.lists(numbers | st.none() | st.integers(0, 300), min_size=slot_count, max_size=slot_count)
    rows = [
        {
            "mpxn": draw(st.sampled_from(POINTS) | numbers),
            "interval_start_us": draw(starts | numbers),
            "values_wh": draw(cells),
            "register_wh": draw(st.integers(0, 10_000) | numbers),
            "revision": draw(st.integers(-1, 7) | numbers),
            "source": draw(st.integers(0, 2) | numbers),
            "quality": draw(st.integers(0, 3) | numbers),
            "received_at_us": draw(ages),
        }
        for _ in range(count)
    ]
    good = {
        "mpxn": GOOD,
        "interval_start_us": START_US,
        "values_wh": [100] * slot_count,
        "register_wh": 912_734 + 100 * slot_count,
        "revision": 0,
        "source": 0,
        "quality": 0,
        "received_at_us": NOW_US,
    }
    at = draw(st.integers(0, count))
    rows.insert(at, good)
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in good}
    columns["received_at_us"] = np.array(columns["received_at_us"], np.int64)
    return {"slot_count": slot_count, **columns}, at


@settings(deadline=None, max_examples=120)
@given(told=st.lists(deliveries(), min_size=1, max_size=3))
def test_each_row_is_accepted_or_recorded_and_costs_no_other(told: list[tuple[dict[str, Any], int]]) -> None:
    store = MemoryStore(SCHEMA, BOOK)
    for columns, good in told:
        result = ingest(store, Delivery(**columns), KNOWN)
        refused = {one.row for one in result.rejected}
        assert good not in refused
        assert len(result.accepted.mpxn) + len(refused) == len(columns["mpxn"])
        assert all(one.detail for one in result.rejected)
        assert [view for view in folded_views(store.runner.schema) if list(store.verify(view))] == []


whole = st.integers(-(2**63), 2**63 - 1)


@settings(deadline=None, max_examples=100)
@given(column=st.sampled_from(("mpxn", "interval_start_us", "register_wh", "revision", "source", "quality")), odd=whole)
def test_arrays_of_any_integers_cost_their_row(column: str, odd: int) -> None:
    columns: dict[str, Any] = {
        "mpxn": [GOOD, POINTS[0]],
        "interval_start_us": [START_US, START_US],
        "register_wh": [912_734, 912_734],
        "revision": [0, 0],
        "source": [0, 0],
        "quality": [0, 0],
    }
    columns[column][1] = odd
    arrays = {name: np.array(cells, np.int64) for name, cells in columns.items()}
    delivery = Delivery(
        slot_count=1, values_wh=np.array([[100], [100]]), received_at_us=np.array([NOW_US, NOW_US]), **arrays
    )
    result = ingest(MemoryStore(SCHEMA, BOOK), delivery, KNOWN)
    assert 0 not in {one.row for one in result.rejected}
    assert len(result.accepted.mpxn) + len(result.rejected) == 2
