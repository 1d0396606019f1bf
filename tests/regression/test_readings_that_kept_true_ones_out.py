"""A row from outside that was wrong cost its neighbours, or kept out what the meter measured later."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scenarios.domain import DAY_US, SLOT_US, mpan_of, mprn_of
from store.ingest import Ingested, ingest
from store.ingest.known import Known
from store.memory import MemoryStore
from store.parsing import Delivery, NumberedHomes
from store.readings.verify import folded_views
from store.rejections import Refused
from store.schemas import SCHEMAS
from store.tariffs import FIRST_PRICES, Book, PriceList

DAY_15_US = 1_768_435_200_000_000  # 2026-01-15 00:00 UTC
JANUARY = 202601
MPAN = int(mpan_of(np.array([5]))[0])
MPRN = int(mprn_of(np.array([5]))[0])

Row = dict[str, Any]


def day(number: int, register_wh: int, *, values: Sequence[int] = (100,) * 48, **fields: Any) -> Row:
    """A whole day of home 5, or the register alone at its start where there are no values."""
    start_us = DAY_15_US + number * DAY_US
    return {
        "mpxn": MPAN,
        "interval_start_us": start_us,
        "values_wh": list(values),
        "register_wh": register_wh,
        "revision": 0,
        "source": 0,
        "quality": 0,
        "received_at_us": start_us + (len(values) + 2) * SLOT_US,
    } | fields


def take(store: MemoryStore, *rows: Row, prices: Sequence[PriceList] = (FIRST_PRICES,)) -> Ingested:
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    columns["received_at_us"] = np.array(columns["received_at_us"], np.int64)
    delivery = Delivery(slot_count=len(rows[0]["values_wh"]), **columns)
    return ingest(store, delivery, Known(meters=NumberedHomes(count=10), book=Book(prices=prices), exchanges_us={}))


def reasons(result: Ingested) -> list[str]:
    return [one.reason.text for one in result.rejected]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(SCHEMAS["home_months"], Book())


def assert_views_are_folds(store: MemoryStore) -> None:
    assert [view for view in folded_views(store.runner.schema) if list(store.verify(view))] == []


def test_a_time_before_the_first_price_list_costs_its_own_row() -> None:
    prices = (replace(FIRST_PRICES, effective_us=DAY_15_US - 100 * DAY_US),)
    store = MemoryStore(SCHEMAS["home_months"], Book(prices=prices))
    result = take(store, day(0, 912_000), day(-9_000, 5_000, received_at_us=DAY_15_US + 2 * DAY_US), prices=prices)
    assert [(one.row, one.reason.text) for one in result.rejected] == [(1, "before_prices")]
    assert len(store.events(5, JANUARY)) == 1
    assert_views_are_folds(store)


def test_a_fold_of_a_log_from_before_the_first_price_list_goes_on() -> None:
    store = MemoryStore(SCHEMAS["home_months"], Book())
    take(store, day(0, 912_000), day(1, 916_800))
    store.book = Book(prices=(replace(FIRST_PRICES, effective_us=DAY_15_US + DAY_US),))
    store.rebuild("billing_by_home")
    bills = [(one.tariff_version, one.cost_upence) for one in store.billing(5, JANUARY)]
    assert bills == [(0, 0), (1, 4_800 * 24_500)]
    assert list(store.verify("billing_by_home")) == []


def test_a_register_that_was_too_high_holds_nothing_up_once_it_is_corrected(store: MemoryStore) -> None:
    take(store, day(0, 9_127_340))
    held_up = take(store, day(1, 917_534))
    assert reasons(held_up) == ["register_fell"]
    assert held_up.without_register.values_wh.sum() == 4_800
    assert [usage.usage_wh for usage in store.usage(5, 0, JANUARY)] == [4_800, 4_800]
    take(store, day(0, 912_734, revision=1, quality=2, received_at_us=DAY_15_US + 3 * DAY_US))
    assert reasons(take(store, day(1, 917_534))) == []
    assert [one.register_wh for one in store.state(5, JANUARY)] == [917_534]
    assert_views_are_folds(store)


def test_a_measured_correction_is_what_later_registers_are_held_against(store: MemoryStore) -> None:
    take(store, day(0, 9_127_340))
    take(store, day(0, 912_734, revision=1, received_at_us=DAY_15_US + 3 * DAY_US))
    assert reasons(take(store, day(1, 900_000))) == ["register_fell"]
    assert reasons(take(store, day(2, 922_334))) == []


@pytest.mark.parametrize(("odd", "reason"), [(0xFFFF_FFFF, "implausible"), (-5, "negative"), (1 << 41, "implausible")])
def test_a_register_that_could_not_be_read_takes_no_half_hours_with_it(
    store: MemoryStore, odd: int, reason: str
) -> None:
    result = take(store, day(0, odd))
    assert (reasons(result), result.without_register.values_wh.sum()) == ([reason], 4_800)
    assert result.rejected[0].detail.startswith("the half-hours are kept without the register")
    assert store.state(5, JANUARY) == []
    assert_views_are_folds(store)
    assert reasons(take(store, day(1, 917_534))) == []
    assert reasons(take(store, day(0, 912_734))) == []  # the same day, with its true register
    assert [one.register_wh for one in store.events(5, JANUARY)] == [912_734, 917_534]
    assert_views_are_folds(store)


@pytest.mark.parametrize("fields", [{"revision": -1, "quality": 1}, {"quality": 1}, {"revision": 1, "quality": 2}])
@pytest.mark.parametrize("values", [(), (400,) * 48])
def test_an_estimate_is_no_latest_state_and_keeps_no_true_reading_out(
    store: MemoryStore, fields: Row, values: tuple[int, ...]
) -> None:
    take(store, day(0, 960_000, values=values, **fields))
    assert store.state(5, JANUARY) == []
    assert_views_are_folds(store)
    assert reasons(take(store, day(1, 945_000))) == []
    assert [one.register_wh for one in store.state(5, JANUARY)] == [945_000]
    assert_views_are_folds(store)


def test_an_estimate_of_last_month_keeps_no_true_reading_out(store: MemoryStore) -> None:
    take(store, day(16, 960_000, values=(), quality=1))
    assert reasons(take(store, day(20, 941_000))) == []


@pytest.mark.parametrize(
    ("point", "values", "register_wh", "expected"),
    [
        (MPAN, (100,) * 48, 1_004_823, []),
        (MPAN, (100,) * 48, 1_048_023, ["parts_disagree"]),  # tenfold
        (MPAN, (1_000,) * 48, 1_000_024, ["parts_disagree"]),
        (MPRN, (100,) * 48, 1_053_591, ["parts_disagree"]),  # dm3 against Wh
        (MPAN, (0,) * 48, 1_020_023, ["parts_disagree"]),
        (MPAN, (100,) * 48, 1_004_871, []),  # each half-hour rounded by 1 Wh
        (MPAN, (100,) * 48, 1_004_872, ["parts_disagree"]),
    ],
)
def test_half_hours_and_their_register_are_held_against_each_other(
    store: MemoryStore, point: int, values: tuple[int, ...], register_wh: int, expected: list[str]
) -> None:
    """The register before is 1,000,023 Wh; both in the log, and in one delivery."""
    first, second = day(0, 1_000_023, mpxn=point), day(1, register_wh, values=values, mpxn=point)
    take(store, first)
    assert reasons(take(store, second)) == expected
    assert reasons(take(MemoryStore(SCHEMAS["home_months"], Book()), second, first)) == expected


def test_a_row_is_none_the_worse_for_a_wrong_one_of_its_half_hour(store: MemoryStore) -> None:
    """The first of two rows for one day has a register that fell: the second, which is right, is no duplicate of it."""
    result = take(store, day(0, 912_734), day(1, 500_001), day(1, 917_534))
    assert [(one.row, one.reason.text) for one in result.rejected] == [(1, "register_fell")]
    assert [one.register_wh for one in store.events(5, JANUARY)] == [912_734, 917_534]
    assert_views_are_folds(store)


def test_a_display_of_whole_kwh_has_not_fallen(store: MemoryStore) -> None:
    take(store, day(0, 912_734))
    assert reasons(take(store, day(2, 912_000, values=()))) == []
    assert reasons(take(store, day(3, 911_000, values=()))) == ["register_fell"]


def test_a_check_that_could_not_be_made_is_told(store: MemoryStore) -> None:
    assert take(store, day(0, 912_734), day(1, 917_534)).unchecked == (0,)
    assert take(store, day(2, 922_334)).unchecked == ()


def test_a_local_day_of_fifty_half_hours_is_refused_in_words(store: MemoryStore) -> None:
    (told,) = take(store, day(0, 912_734, values=(100,) * 50)).rejected
    assert (told.reason.text, told.detail) == ("wrong_shape", "50 half-hours a row: it is of one UTC day, 0 .. 48")
    assert reasons(take(store, day(0, 912_734, values=(100,) * 46))) == []


def test_columns_of_other_lengths_are_refused_in_words(store: MemoryStore) -> None:
    columns: dict[str, Any] = {name: [value, value] for name, value in day(0, 912_734).items()}
    columns["mpxn"] = [MPAN]
    delivery = Delivery(slot_count=48, **(columns | {"received_at_us": np.array([DAY_15_US, DAY_15_US])}))
    with pytest.raises(Refused, match="1 cells of mpxn in a delivery of 2 rows"):
        ingest(store, delivery, Known(meters=NumberedHomes(count=10), book=Book(), exchanges_us={}))


def test_a_masked_cell_is_a_lost_half_hour_and_no_number_elsewhere(store: MemoryStore) -> None:
    columns: dict[str, Any] = {name: [value, value] for name, value in day(0, 912_734, values=(7, 9)).items()}
    columns["values_wh"] = np.ma.masked_array([[7, 9], [7, 9]], mask=[[False, True], [False, False]])
    columns["register_wh"] = np.ma.masked_array([912_734, 5], mask=[False, True])
    delivery = Delivery(slot_count=2, **(columns | {"received_at_us": np.full(2, DAY_15_US + DAY_US)}))
    result = ingest(store, delivery, Known(meters=NumberedHomes(count=10), book=Book(), exchanges_us={}))
    assert [(one.row, one.reason.text) for one in result.rejected] == [(1, "not_a_number")]
    assert result.accepted.values_wh.tolist() == [[7, -1]]


def test_a_late_register_is_held_against_the_month_after(store: MemoryStore) -> None:
    """Day 16 is 31 January: what was measured in February is above it, or it is the late one that is wrong."""
    take(store, day(17, 930_000))
    late_us = DAY_15_US + 19 * DAY_US
    assert reasons(take(store, day(16, 9_230_000, received_at_us=late_us))) == ["register_fell"]
    assert reasons(take(store, day(15, 9_225_000, values=(), received_at_us=late_us))) == ["register_fell"]
    assert reasons(take(store, day(16, 925_200, received_at_us=late_us))) == []
    assert_views_are_folds(store)


def test_a_late_register_is_held_against_the_next_year(store: MemoryStore) -> None:
    take(store, day(-14, 930_000))
    late_us = DAY_15_US - 12 * DAY_US
    assert reasons(take(store, day(-15, 9_230_000, received_at_us=late_us))) == ["register_fell"]


def test_a_register_alone_that_was_too_high_holds_nothing_up_once_it_is_corrected(store: MemoryStore) -> None:
    """Which of two registers is wrong neither says: the later, lower one is told with its value, and taken when sent again."""
    take(store, day(0, 912_734, values=()))
    take(store, day(10, 990_000, values=()))
    kept_out = take(store, day(11, 960_000, values=()))
    assert reasons(kept_out) == ["register_fell"]
    assert "register 960000 Wh" in kept_out.rejected[0].detail
    take(store, day(10, 955_200, values=(), revision=1, quality=2, received_at_us=DAY_15_US + 12 * DAY_US))
    assert [one.register_wh for one in store.state(5, JANUARY)] == [990_000]  # as it was sent, until the next one
    assert reasons(take(store, day(11, 960_000, values=()))) == []
    assert [one.register_wh for one in store.state(5, JANUARY)] == [960_000]
    assert_views_are_folds(store)
