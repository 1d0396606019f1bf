"""Whatever comes from outside, and wherever the writer dies: after it is sent again every view is the fold of the log."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scenarios.domain import DAY_US, SLOT_US, mpan_of
from store.ingest import ingest
from store.ingest.known import Known
from store.memory import MemoryStore
from store.parsing import Delivery, NumberedHomes
from store.ports import Values
from store.readings.store import HomeReadings
from store.readings.verify import folded_views
from store.tariffs import Book
from tests.support.schema_under_test import SCHEMA

START_US = 1_769_817_600_000_000  # 2026-01-31 00:00 UTC: the second day is another month's
MPANS = [int(mpan) for mpan in mpan_of(np.arange(2))]
KNOWN = Known(meters=NumberedHomes(count=2), book=Book(), exchanges_us={})
VIEWS = ("intervals_by_home", "usage_by_fuel", "billing_by_home", "latest_by_home")


class Row(NamedTuple):
    home: int
    slot: int  # of two days
    wh: int | None
    register: int
    revision: int


rows = st.builds(
    Row,
    home=st.integers(0, 1),
    slot=st.integers(44, 51),
    wh=st.none() | st.integers(-1, 40),
    register=st.integers(100, 108),
    revision=st.sampled_from((0, 0, 0, 0, -1, 1, 2)),
)
deliveries = st.lists(st.lists(rows, min_size=1, max_size=6), min_size=1, max_size=4)


def delivery(told: Sequence[Row]) -> Delivery:
    """Half-hours; the registers of some fall, some half-hours come twice with other values, some are negative."""
    return Delivery(
        slot_count=1,
        mpxn=[MPANS[row.home] for row in told],
        interval_start_us=[START_US + row.slot * SLOT_US for row in told],
        values_wh=[[row.wh] for row in told],
        register_wh=[row.register for row in told],
        revision=[row.revision for row in told],
        source=[0] * len(told),
        quality=[{-1: 1, 0: 0}.get(row.revision, 2) for row in told],
        received_at_us=np.full(len(told), START_US + 2 * DAY_US),
    )


class Died(Exception):
    """The process was killed."""


class Mortal:
    """A runner that dies before its write number `writes_max`."""

    def __init__(self, runner: Any, writes_max: int) -> None:
        self.runner, self.schema, self.left = runner, runner.schema, writes_max

    def run(self, operation: Any, values: Values) -> list[Any]:
        if self.schema.statement(operation).is_write:
            if self.left == 0:
                raise Died
            self.left -= 1
        return self.runner.run(operation, values)

    def run_many(self, operation: Any, many: list[Values]) -> list[list[Any]]:
        return [self.run(operation, values) for values in many]


def assert_views_are_folds(store: HomeReadings) -> None:
    for view in VIEWS:
        assert view in folded_views(SCHEMA)
        assert list(store.verify(view)) == []


@settings(deadline=None, max_examples=60)
@given(deliveries=deliveries)
def test_views_are_folds_after_every_delivery(deliveries: list[list[Row]]) -> None:
    store = MemoryStore(SCHEMA, Book())
    for told in deliveries:
        result = ingest(store, delivery(told), KNOWN)
        assert len(result.accepted.mpxn) + len(result.rejected) == len(told)
        assert_views_are_folds(store)


# half-hours and register disagree in a row whose neighbours were written before the writer died
@example(deliveries=[[Row(0, 46, None, 100, 0), Row(0, 45, 3, 101, 0), Row(0, 44, None, 100, 0)]])
@example(
    deliveries=[[Row(0, 44, None, 100, 0)], [Row(0, 45, None, 101, 0), Row(0, 50, 2, 100, 0)]]
)  # the same beside a log
@example(
    deliveries=[[Row(0, 45, None, 101, 0)], [Row(0, 46, None, 100, 0), Row(0, 45, None, 100, 1)]]
)  # a correction that was written, of a register that another row was held against
@settings(deadline=None, max_examples=20)
@given(deliveries=deliveries)
def test_a_writer_that_dies_anywhere_is_healed_by_sending_again(deliveries: list[list[Row]]) -> None:
    whole = MemoryStore(SCHEMA, Book())
    for told in deliveries:
        ingest(whole, delivery(told), KNOWN)
    expected = [whole.events(home, month) for home in (0, 1) for month in (202601, 202602)]
    for writes_max in range(200):
        store = MemoryStore(SCHEMA, Book())
        mortal = HomeReadings(Mortal(store.statements, writes_max), store.statements, Book())
        has_died = False
        for told in deliveries:
            try:
                ingest(mortal, delivery(told), KNOWN)
            except Died:
                has_died = True
                ingest(store, delivery(told), KNOWN)
                mortal = store
        assert [store.events(home, month) for home in (0, 1) for month in (202601, 202602)] == expected
        assert_views_are_folds(store)
        if not has_died:
            return
    raise AssertionError("more writes than rows could need")
