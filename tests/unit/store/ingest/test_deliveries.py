"""A delivery from outside: good rows reach the log and the views, bad ones the list of the rejected, with their reason."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scenarios.domain import DAY_US, SLOT_US, TariffKind, mpan_of
from store.ingest import DELIVERY_ROWS_MAX, Ingested, ingest
from store.ingest.known import Known
from store.memory import MemoryStore
from store.parsing import Delivery, NumberedHomes
from store.rejections import Reason, Refused
from store.rows import MeterDay
from store.schemas import SCHEMAS
from store.tariffs import UNKNOWN_TARIFF, Book

START_US = 1_768_435_200_000_000  # 2026-01-15 00:00 UTC
FIRST_OF_JANUARY_US = START_US - 14 * DAY_US
JANUARY, DECEMBER = 202601, 202512
MPANS = [int(mpan) for mpan in mpan_of(np.arange(4))]
FLAT = 24_500  # upence a Wh


def known(exchanges_us: dict[tuple[int, int], tuple[int, ...]] | None = None) -> Known:
    """Four homes on the flat tariff."""
    return Known(
        meters=NumberedHomes(count=4),
        book=Book(),
        exchanges_us=exchanges_us or {},
    )


def rows(*told: tuple[int, int, list[Any], Any], start_us: int = START_US, **fields: list[Any]) -> Delivery:
    """(home, slot, half-hours, register at the end) of each row."""
    n = len(told)
    columns: dict[str, Any] = {
        "mpxn": [MPANS[home] for home, *_ in told],
        "interval_start_us": [start_us + slot * SLOT_US for _, slot, *_ in told],
        "values_wh": [values for _, _, values, _ in told],
        "register_wh": [register for *_, register in told],
        "revision": [0] * n,
        "source": [0] * n,
        "quality": [0] * n,
        "received_at_us": np.full(n, START_US + 2 * DAY_US),
    }
    return Delivery(slot_count=len(told[0][2]), **(columns | fields))


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(SCHEMAS["home_months"], Book())


def told(result: Ingested) -> list[tuple[int, Reason]]:
    return [(one.row, one.reason) for one in result.rejected]


def test_good_rows_reach_every_view_and_bad_ones_the_list(store: MemoryStore) -> None:
    result = ingest(
        store, rows((0, 0, [100], 1_000), (1, 0, [-7], 1_000), (2, 0, ["x"], 5), (0, 1, [50], 1_050)), known()
    )
    assert told(result) == [(1, Reason.NEGATIVE), (2, Reason.NOT_A_NUMBER)]
    assert result.accepted.mpxn.tolist() == [MPANS[0]] * 2
    (day,) = store.billing(0, JANUARY)
    assert (day.low_wh + day.standard_wh + day.peak_wh, day.cost_upence) == (150, 150 * FLAT)
    (usage,) = store.usage(0, 0, JANUARY)
    assert (usage.usage_wh, usage.through_us) == (150, START_US + 2 * SLOT_US)
    assert store.events(1, JANUARY) == [] and store.usage(2, 0, JANUARY) == []
    rejected = store.rejected(START_US + 2 * DAY_US)
    assert {(one.mpxn, one.reason) for one in rejected} == {(MPANS[1], "negative"), (MPANS[2], "not_a_number")}


def test_the_tariffs_of_a_delivery_are_asked_once_and_those_in_its_totals_are_its_rows_own(store: MemoryStore) -> None:
    """A keyspace reads each home's choices to answer. Rows before, between and after those that go in are left out."""
    asked = []

    def kind_of(premises: NDArray[np.int64], _: NDArray[np.int64]) -> NDArray[np.uint8]:
        asked.append(premises.tolist())
        return of_use(premises)

    def of_use(premises: NDArray[np.int64], *_: object) -> NDArray[np.uint8]:
        return np.where(premises == 3, TariffKind.TIME_OF_USE, TariffKind.FLAT).astype(np.uint8)

    store.book = Book(kind_of=of_use)  # by which days are folded anew, as one here whose register is in doubt

    delivery = rows((0, 0, ["x"], 5), (3, 20, [100], 1_000), (1, 0, [-7], 9), (3, 21, [50], 900), (2, 20, [7], 70))
    result = ingest(store, delivery, replace(known(), book=Book(kind_of=kind_of)))
    assert told(result) == [(0, Reason.NOT_A_NUMBER), (2, Reason.NEGATIVE), (3, Reason.REGISTER_FELL)]
    assert asked == [[3, 3, 2]]
    assert [one.cost_upence for home in (3, 2) for one in store.billing(home, JANUARY)] == [150 * 25_500, 7 * FLAT]


def test_rows_that_share_a_key_of_the_rejected_are_all_told(store: MemoryStore) -> None:
    ingest(store, rows(*[(0, 0, [7], 9)] * 3, mpxn=["a", "b", MPANS[0]]), known())
    (one,) = store.rejected(START_US + 2 * DAY_US)
    assert (one.mpxn, one.detail) == (0, "2 rows: row 0: mpxn = 'a'; row 1: mpxn = 'b'")


def test_a_repeated_delivery_changes_nothing(store: MemoryStore) -> None:
    delivery = rows((0, 0, [100], 1_000), (0, 1, [50], 900), (0, 2, [10], 1_010))
    first = ingest(store, delivery, known())
    before = store.events(0, JANUARY), store.billing(0, JANUARY), store.rejected(START_US + 2 * DAY_US)
    again = ingest(store, delivery, known())
    assert told(again) == told(first) == [(1, Reason.REGISTER_FELL)]
    assert (store.events(0, JANUARY), store.billing(0, JANUARY), store.rejected(START_US + 2 * DAY_US)) == before


def test_a_day_adds_up_over_deliveries(store: MemoryStore) -> None:
    for slot in range(3):
        ingest(store, rows((0, slot, [10], 1_000 + 10 * slot)), known())
    (usage,) = store.usage(0, 0, JANUARY)
    assert usage.usage_wh == 30


def test_a_half_hour_that_comes_late_counts_in_its_day(store: MemoryStore) -> None:
    assert ingest(store, rows((0, 5, [10], 1_000)), known()).refolded == ()
    late = ingest(store, rows((0, 2, [20], 900), (1, 2, [20], 900)), known())
    assert (told(late), late.refolded) == ([], (MeterDay(0, 0, START_US),))
    assert [usage.usage_wh for usage in store.usage(0, 0, JANUARY)] == [30]


def test_a_register_that_falls_against_the_log_is_refused(store: MemoryStore) -> None:
    ingest(store, rows((0, 4, [100], 1_007)), known())
    result = ingest(store, rows((0, 5, [10], 999), (0, 2, [10], 1_008), (0, 6, [5], 1_012), (0, 3, [5], 900)), known())
    assert told(result) == [(0, Reason.REGISTER_FELL), (1, Reason.REGISTER_FELL)]


def test_the_register_is_known_from_the_month_before(store: MemoryStore) -> None:
    new_year = FIRST_OF_JANUARY_US
    ingest(store, rows((0, -1, [100], 1_000), start_us=new_year), known())
    result = ingest(store, rows((0, 0, [10], 999), start_us=new_year), known())
    assert told(result) == [(0, Reason.REGISTER_FELL)]


def test_an_exchanged_meter_begins_anew(store: MemoryStore) -> None:
    exchanged = known({(0, 0): (START_US + 2 * SLOT_US,)})
    ingest(store, rows((0, 0, [100], 50_000)), exchanged)
    result = ingest(store, rows((0, 1, [10], 50_010), (0, 2, [10], 10), (0, 3, [10], 5)), exchanged)
    assert told(result) == [(2, Reason.REGISTER_FELL)]
    # the old meter's late reading is held against the old meter's registers
    assert told(ingest(store, rows((0, 0, [100], 50_000), (1, 0, [1], 1)), exchanged)) == []


@pytest.mark.parametrize(
    ("value", "register", "expected"),
    [(100, 1_000, []), (101, 1_000, [(0, Reason.DUPLICATE_DIFFERS)]), (100, 1_001, [(0, Reason.DUPLICATE_DIFFERS)])],
)
def test_a_key_keeps_its_value(store: MemoryStore, value: int, register: int, expected: list[Any]) -> None:
    ingest(store, rows((0, 0, [100], 1_000)), known())
    assert told(ingest(store, rows((0, 0, [value], register)), known())) == expected
    (event,) = store.events(0, JANUARY)
    assert (event.values_wh, event.register_wh) == ((100,), 1_000)


def test_a_half_hour_of_a_day_that_came_whole_keeps_its_value(store: MemoryStore) -> None:
    ingest(store, rows((0, 0, list(range(48)), 9_000)), known())
    result = ingest(store, rows((0, 7, [8], 8_000), (0, 9, [9], 8_100)), known())
    assert told(result) == [(0, Reason.DUPLICATE_DIFFERS)]


def test_a_correction_is_a_revision_and_counts_in_its_day(store: MemoryStore) -> None:
    ingest(store, rows((0, 0, [100], 1_000)), known())
    result = ingest(store, rows((0, 0, [80], 1_000), revision=[1]), known())
    assert (told(result), result.refolded) == ([], (MeterDay(0, 0, START_US),))
    (run,) = store.intervals(0, 0, START_US)
    assert (run.revision, run.values_wh) == (1, (80,))
    assert store.billing(0, JANUARY)[0].cost_upence == 80 * FLAT


def test_an_estimate_counts_until_the_half_hour_is_measured(store: MemoryStore) -> None:
    estimated = ingest(store, rows((0, 0, [70], 900), revision=[-1], quality=[1]), known())
    assert estimated.refolded == (MeterDay(0, 0, START_US),)
    ingest(store, rows((0, 1, [10], 1_000)), known())
    assert store.usage(0, 0, JANUARY)[0].usage_wh == 80
    assert told(ingest(store, rows((0, 0, [60], 900)), known())) == []
    assert store.usage(0, 0, JANUARY)[0].usage_wh == 70


def test_what_came_as_lost_is_found_again_by_a_revision_alone(store: MemoryStore) -> None:
    """Two rows of one key and timestamp would leave the one whose bytes are larger: -1 before 60."""
    ingest(store, rows((0, 0, [None], 900)), known())
    assert told(ingest(store, rows((0, 0, [60], 900)), known())) == [(0, Reason.DUPLICATE_DIFFERS)]
    assert told(ingest(store, rows((0, 0, [60], 900), revision=[1]), known())) == []
    assert store.usage(0, 0, JANUARY)[0].usage_wh == 60


def test_registers_alone(store: MemoryStore) -> None:
    result = ingest(store, rows((0, 48, [], 1_000), (1, 48, [], -1)), known())
    assert told(result) == [(1, Reason.NEGATIVE)]
    (state,) = store.state(0, JANUARY)
    assert (state.register_wh, state.read_through_us) == (1_000, START_US + DAY_US)


def test_a_delivery_has_a_limit(store: MemoryStore) -> None:
    too_many = rows(*[(0, 0, [1], 1)] * (DELIVERY_ROWS_MAX + 1))
    with pytest.raises(Refused, match="10001 rows: at most 10000"):
        ingest(store, too_many, known())
    assert store.events(0, JANUARY) == []


def test_half_hours_of_a_home_whose_tariff_nobody_knows_are_rejected_and_cost_its_neighbours_nothing() -> None:
    def kind_of(premises: NDArray[np.int64], _: NDArray[np.int64]) -> NDArray[np.uint8]:
        return np.where(premises == 1, UNKNOWN_TARIFF, TariffKind.FLAT).astype(np.uint8)

    book = Book(kind_of=kind_of)
    store = MemoryStore(SCHEMAS["home_months"], book)
    result = ingest(store, rows((0, 0, [100], 900_000), (1, 0, [100], 900_000)), replace(known(), book=book))
    assert told(result) == [(1, Reason.NO_TARIFF)]
    assert (len(store.events(0, JANUARY)), store.events(1, JANUARY)) == (1, [])
    ingest(store, rows((1, 0, [], 900_000)), replace(known(), book=book))
    assert len(store.events(1, DECEMBER) + store.events(1, JANUARY)) == 1


def test_without_a_price_list_each_row_of_half_hours_is_rejected() -> None:
    book = Book(prices=())
    store = MemoryStore(SCHEMAS["home_months"], book)
    result = ingest(store, rows((0, 0, [100], 900_000), (1, 0, [100], 900_000)), replace(known(), book=book))
    assert told(result) == [(0, Reason.BEFORE_PRICES), (1, Reason.BEFORE_PRICES)]
    assert store.events(0, JANUARY) == []
