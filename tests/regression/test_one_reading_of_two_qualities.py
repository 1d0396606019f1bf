"""A reading that came as measured and again as estimated: the latest state kept what the log called no measured register."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scenarios.domain import DAY_US, SLOT_US, Quality
from store.ingest import ingest
from store.memory import MemoryStore
from store.parsing import Delivery
from store.rejections import Reason
from store.tariffs import ELECTRICITY, Book
from tests.properties.store.test_ingest_heals import KNOWN, MPANS, SCHEMA, START_US, assert_views_are_folds

LATER = np.full(1, START_US + 2 * DAY_US)


def told(qualities: list[Quality], slot_count: int) -> Delivery:
    """One reading as often as there are qualities; without half-hours a register alone."""
    n = len(qualities)
    return Delivery(
        slot_count=slot_count,
        mpxn=[MPANS[0]] * n,
        interval_start_us=[START_US] * n,
        values_wh=[[3] * slot_count] * n,
        register_wh=[100] * n,
        revision=[0] * n,
        source=[0] * n,
        quality=[int(one) for one in qualities],
        received_at_us=np.full(n, START_US + 2 * DAY_US),
    )


@settings(deadline=None, max_examples=60)
@given(
    qualities=st.lists(st.sampled_from(Quality), min_size=1, max_size=4),
    cuts=st.sets(st.integers(1, 3)),
    slot_count=st.sampled_from([0, 1, 2]),
)
@example(qualities=[Quality.ACTUAL, Quality.ESTIMATED], cuts=set(), slot_count=1)
@example(qualities=[Quality.ESTIMATED, Quality.ACTUAL], cuts=set(), slot_count=1)
@example(qualities=[Quality.ACTUAL, Quality.ESTIMATED], cuts={1}, slot_count=1)
@example(qualities=[Quality.ESTIMATED, Quality.ACTUAL], cuts={1}, slot_count=1)
def test_the_best_quality_of_a_reading_stands_whatever_order_it_comes_in(
    qualities: list[Quality], cuts: set[int], slot_count: int
) -> None:
    """In the log, the latest state and the views alike. cuts: where one delivery ends and the next begins."""
    store = MemoryStore(SCHEMA, Book())
    ends = sorted({0, len(qualities), *(cut for cut in cuts if cut < len(qualities))})
    for first, end in pairwise(ends):
        came = ingest(store, told(qualities[first:end], slot_count), KNOWN)
        assert came.rejected == []
        assert_views_are_folds(store)
    best, month = min(qualities), 202601
    (event,) = store.events(0, month)
    assert (event.quality, event.register_wh, event.values_wh) == (best, 100, (3,) * slot_count)
    assert [one.quality for one in store.intervals(0, ELECTRICITY, START_US)] == [best] * bool(slot_count)
    assert [one.register_wh for one in store.state(0, month)] == ([100] if best is Quality.ACTUAL else [])


def test_an_estimated_register_that_comes_again_as_measured_is_held_against_the_one_before() -> None:
    """It was logged as an estimate, which nothing is checked against; as a measured one it would be the latest state."""

    def row(start_us: int, register_wh: int, quality: Quality) -> Delivery:
        return replace(
            told([quality], 1),
            interval_start_us=[start_us],
            register_wh=[register_wh],
            values_wh=[[3]],
            received_at_us=LATER,
        )

    store = MemoryStore(SCHEMA, Book())
    assert ingest(store, row(START_US, 100, Quality.ACTUAL), KNOWN).rejected == []
    far_too_high = START_US + 4 * SLOT_US, 900_000
    assert ingest(store, row(*far_too_high, Quality.ESTIMATED), KNOWN).rejected == []
    (rejected,) = ingest(store, row(*far_too_high, Quality.ACTUAL), KNOWN).rejected
    assert rejected.reason is Reason.IMPLAUSIBLE
    assert [one.register_wh for one in store.state(0, 202601)] == [100]
    assert_views_are_folds(store)
