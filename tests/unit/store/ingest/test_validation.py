"""Each kind of bad row is found and named, and what is good beside it is kept, whatever came with it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.domain import DAY_US, SLOT_US, Quality, export_mpan_of, mpan_of, mprn_of
from store.ingest.validation import Context, judge, no_context, rejections
from store.parsing import REGISTER_WH_MAX, Delivery, NumberedHomes, parse
from store.rejections import DETAIL_CHARS_MAX, INSTANT_MAX_US, Reason
from store.tariffs import MISSING_WH

START_US = 1_768_435_200_000_000  # 2026-01-15 00:00 UTC
HOMES = NumberedHomes(count=10)
MPANS = [int(mpan) for mpan in mpan_of(np.arange(11))]
MPRN = int(mprn_of(np.array([4]))[0])

Row = dict[str, Any]


def row(home: int = 0, slot: int = 0, values: Any = (100,), register: Any = 1_000, **fields: Any) -> Row:
    """A good reading of the first day unless told otherwise."""
    return {
        "mpxn": MPANS[home],
        "interval_start_us": START_US + slot * SLOT_US,
        "values_wh": list(values) if isinstance(values, tuple) else values,
        "register_wh": register,
        "revision": 0,
        "source": 0,
        "quality": 0,
        "received_at_us": START_US + DAY_US,
    } | fields


def delivery(*rows: Row, slot_count: int = 1, **fields: Any) -> Delivery:
    columns = {name: [one[name] for one in rows] for name in row()}
    return Delivery(
        slot_count=slot_count, **(columns | {"received_at_us": np.array(columns["received_at_us"])} | fields)
    )


def reasons(*rows: Row, context: Context | None = None, slot_count: int = 1, **fields: Any) -> list[Reason]:
    parsed = parse(delivery(*rows, slot_count=slot_count, **fields), HOMES)
    judged = judge(parsed, context or no_context(len(rows), slot_count))
    return [Reason(int(one)) for one in judged.reason]


OK = Reason.ACCEPTED


BAD_ROWS: list[tuple[Row, Reason]] = [
    (row(mpxn=MPANS[10]), Reason.UNKNOWN_METER),  # one home more than there are
    (row(mpxn=MPANS[0] + 1), Reason.UNKNOWN_METER),  # another check digit
    (row(mpxn=-5), Reason.UNKNOWN_METER),
    (row(mpxn="a meter"), Reason.NOT_A_NUMBER),
    (row(mpxn=None), Reason.NOT_A_NUMBER),
    (row(mpxn="1" * 65), Reason.TEXT_TOO_LONG),
    (row(values=("x" * 10_000_000,)), Reason.TEXT_TOO_LONG),
    (row(values=("Null",)), Reason.NOT_A_NUMBER),
    (row(values=("1٢",)), Reason.NOT_A_NUMBER),
    (row(values=("",)), Reason.NOT_A_NUMBER),
    (row(values=(1.5,)), Reason.NOT_A_NUMBER),
    (row(values=(float("nan"),)), Reason.NOT_A_NUMBER),
    (row(values=(float("inf"),)), Reason.NOT_A_NUMBER),
    (row(values=(True,)), Reason.NOT_A_NUMBER),
    (row(register={}), Reason.NOT_A_NUMBER),
    (row(values=(1, 2)), Reason.WRONG_SHAPE),
    (row(values=()), Reason.WRONG_SHAPE),
    (row(values=7), Reason.WRONG_SHAPE),
    (row(source=3), Reason.UNKNOWN_CODE),
    (row(quality=-1), Reason.UNKNOWN_CODE),
    (row(quality=256), Reason.UNKNOWN_CODE),  # 0 in eight bits
    (row(revision=8), Reason.UNKNOWN_CODE),
    (row(revision=-2, quality=1), Reason.UNKNOWN_CODE),
    (row(revision=-1, quality=0), Reason.UNKNOWN_CODE),  # what was measured is no estimate
    (row(interval_start_us=START_US + 1), Reason.MISALIGNED),
    (row(interval_start_us=START_US + SLOT_US // 2), Reason.MISALIGNED),
    (row(slot=48), Reason.IN_FUTURE),
    (row(slot=47, received_at_us=START_US + DAY_US - 10_000_001), Reason.IN_FUTURE),
    (row(interval_start_us=2**61 // SLOT_US * SLOT_US), Reason.IN_FUTURE),
    (row(values=(-1,)), Reason.NEGATIVE),
    (row(values=("-3",)), Reason.NEGATIVE),
    (row(register=-1), Reason.NEGATIVE),
    (row(values=(38_001,)), Reason.IMPLAUSIBLE),
    (row(values=(10**30,)), Reason.IMPLAUSIBLE),
    (row(register=REGISTER_WH_MAX + 1), Reason.IMPLAUSIBLE),
    (row(mpxn=MPRN, values=(97_001,)), Reason.IMPLAUSIBLE),
]


@pytest.mark.parametrize(("bad", "reason"), BAD_ROWS)
def test_a_bad_row_is_told_and_its_neighbours_stay(bad: Row, reason: Reason) -> None:
    """The good ones before and after it are of other homes, so that only the row itself can be what is wrong."""
    rows = (row(home=1), bad, row(home=2))
    assert reasons(*rows) == [OK, reason, OK]
    parsed = parse(delivery(*rows), HOMES)
    (told,) = rejections(parsed, judge(parsed, no_context(3, 1)))
    assert (told.row, told.reason, told.received_at_us) == (1, reason, bad["received_at_us"])
    assert told.detail and len(told.detail) <= DETAIL_CHARS_MAX
    assert 0 <= told.interval_start_us <= INSTANT_MAX_US


def test_what_is_good_at_the_edges() -> None:
    assert (
        reasons(
            row(values=(0,), register=0),
            row(home=1, values=(38_000,), register=REGISTER_WH_MAX),
            row(home=2, values=("  120 ",), register="7"),
            row(home=3, values=(120.0,)),
            row(home=4, values=(None,)),
            row(mpxn=MPRN, values=(97_000,)),
            row(home=5, slot=47, received_at_us=START_US + DAY_US - 10_000_000),
            row(home=6, revision=7, quality=2, source=1),
        )
        == [OK] * 8
    )


def test_a_lost_half_hour_is_no_negative_one() -> None:
    parsed = parse(delivery(row(values=(None,)), row(home=1, values=(-1,))), HOMES)
    assert parsed.readings.values_wh.tolist()[0] == [MISSING_WH]
    assert parsed.reason.tolist() == [OK, Reason.NEGATIVE]


def test_arrays_of_integers_are_taken_as_they_are() -> None:
    one = delivery(
        row(),
        row(home=1),
        mpxn=np.array(MPANS[:2]),
        values_wh=np.array([[5], [-1]]),
        register_wh=np.array([9, 9]),
    )
    parsed = parse(one, HOMES)
    assert (parsed.reason.tolist(), parsed.readings.values_wh.tolist()) == ([OK, Reason.NEGATIVE], [[5], [-1]])


def test_a_run_stays_in_its_day() -> None:
    late = START_US + 3 * DAY_US
    rows = [row(home=1, slot=46, values=(1, 2)), row(slot=47, values=(1, 2))]
    assert reasons(*(one | {"received_at_us": late} for one in rows), slot_count=2) == [OK, Reason.MISALIGNED]


def test_a_register_alone_may_be_read_at_any_millisecond() -> None:
    rows = row(values=(), interval_start_us=START_US + 5_000), row(home=1, values=(), interval_start_us=START_US + 1)
    assert reasons(*rows, slot_count=0) == [OK, Reason.MISALIGNED]


def test_the_number_says_what_is_measured() -> None:
    exported = int(export_mpan_of(np.array([0]))[0])
    parsed = parse(delivery(row(), row(mpxn=MPRN), row(mpxn=exported), row(mpxn=exported + 1)), HOMES)
    assert parsed.reason.tolist() == [OK, OK, OK, Reason.UNKNOWN_METER]
    assert parsed.readings.fuel.tolist()[:3] == [0, 1, 2]


# -- against what is known -----------------------------------------------------------------------------------------------


def known(n: int = 1, **fields: Any) -> Context:
    arrays = {name: np.array(value) for name, value in fields.items()}
    return replace(no_context(n, 1), **arrays)


@pytest.mark.parametrize(
    ("register", "reason"),
    [(999, Reason.REGISTER_FELL), (1_000, OK), (77_000, OK), (77_001, Reason.IMPLAUSIBLE)],
)
def test_a_register_and_the_one_before(register: int, reason: Reason) -> None:
    """The one before is of an hour earlier: twice 38 kWh can pass."""
    context = known(before_wh=[1_000], before_us=[START_US - SLOT_US])
    assert reasons(row(register=register), context=context) == [reason]


def test_a_late_register_is_not_above_a_later_one() -> None:
    context = known(2, after_wh=[1_500, 1_500])
    rows = row(register=1_501), row(home=1, register=1_500)
    assert reasons(*rows, context=context) == [Reason.REGISTER_FELL, OK]


def test_estimates_and_corrections_may_have_a_lower_register() -> None:
    context = known(2, before_wh=[1_000, 1_000], before_us=[START_US, START_US])
    rows = row(register=900, quality=int(Quality.ESTIMATED)), row(home=1, register=900, revision=1)
    assert reasons(*rows, context=context) == [OK, OK]


@pytest.mark.parametrize(
    ("held", "held_register", "reason"),
    [
        (100, 1_000, OK),  # a repeated delivery
        (101, 1_000, Reason.DUPLICATE_DIFFERS),
        (100, 1_001, Reason.DUPLICATE_DIFFERS),
        (MISSING_WH, 1_000, OK),
    ],
)
def test_a_key_that_is_held_already(held: int, held_register: int, reason: Reason) -> None:
    context = known(held_wh=[[held]], held_register_wh=[held_register])
    assert reasons(row(), context=context) == [reason]


# -- rows against each other ---------------------------------------------------------------------------------------------


def test_of_two_values_for_a_key_the_first_stands() -> None:
    rows = row(values=(1,)), row(values=(2,)), row(values=(1,)), row(values=(2,), revision=1), row(home=1, values=(2,))
    assert reasons(*rows) == [OK, Reason.DUPLICATE_DIFFERS, OK, OK, OK]
    lost = row(values=(None,)), row(values=(2,))
    assert reasons(*lost) == reasons(*lost[::-1]) == [OK, Reason.DUPLICATE_DIFFERS]


def test_a_duplicate_of_a_refused_row_is_no_duplicate() -> None:
    assert reasons(row(values=(-1,)), row(values=(2,))) == [Reason.NEGATIVE, OK]
    # the second differs from the first in slot 1, and what it says of slot 2 counts no more
    rows = row(values=(1, 2)), row(slot=1, values=(3, 4), register=1_100), row(slot=2, values=(5, 6), register=1_200)
    assert reasons(*rows, slot_count=2) == [OK, Reason.DUPLICATE_DIFFERS, OK]


def test_a_register_falls_within_a_delivery_in_whatever_order() -> None:
    rows = row(slot=2, register=300), row(slot=0, register=100), row(slot=1, register=90), row(slot=3, register=400)
    assert reasons(*rows) == [OK, OK, Reason.REGISTER_FELL, OK]
    assert reasons(*rows[::-1]) == [OK, Reason.REGISTER_FELL, OK, OK]


def test_one_absurd_register_does_not_take_the_rest_with_it() -> None:
    registers = [100, 99_000_000, 200, 300]
    rows = [row(slot=slot, register=register) for slot, register in enumerate(registers)]
    assert reasons(*rows) == [OK, Reason.IMPLAUSIBLE, OK, OK]


def test_a_logged_exchange_lets_the_register_begin_anew() -> None:
    rows = row(slot=0, register=50_000), row(slot=1, register=40)
    assert reasons(*rows) == [OK, Reason.REGISTER_FELL]
    assert reasons(*rows, context=known(2, meter_number=[0, 1])) == [OK, OK]


good_rows = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 46)), unique=True, min_size=1, max_size=20
)  # (home, slot)


@settings(deadline=None, max_examples=200)
@given(
    good=good_rows,
    bad=st.lists(st.tuples(st.integers(0, 20), st.sampled_from(BAD_ROWS)), max_size=5),
    falls=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9)), max_size=5),
)
def test_nothing_valid_is_lost_and_nothing_bad_is_kept(
    good: list[tuple[int, int]], bad: list[tuple[int, tuple[Row, Reason]]], falls: list[tuple[int, int]]
) -> None:
    """Bad rows, and falling registers at the end of the day, are strewn into rows whose registers rise as time does."""
    told: list[tuple[Row, Reason]] = [
        (row(home=home, slot=slot, register=5_000 + 10 * slot, values=(10,)), OK) for home, slot in good
    ]
    homes = {home for home, _ in good}
    for at, planted in bad:
        told.insert(at, planted)
    for at, home in falls:
        if home in homes:
            told.insert(at, (row(home=home, slot=47, register=4_999), Reason.REGISTER_FELL))
    assert reasons(*(one for one, _ in told)) == [reason for _, reason in told]


@settings(deadline=None, max_examples=300)
@given(
    cells=st.lists(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=70)
        | st.binary(max_size=3)
        | st.lists(st.integers(), max_size=2),
        min_size=6,
        max_size=6,
    ),
    values=st.none() | st.integers() | st.text(max_size=3) | st.lists(st.none() | st.integers() | st.text(max_size=3)),
)
def test_no_cell_can_stop_a_delivery(cells: list[Any], values: Any) -> None:
    names = ("mpxn", "interval_start_us", "register_wh", "revision", "source", "quality")
    odd = row() | dict(zip(names, cells, strict=True)) | {"values_wh": values}
    parsed = parse(delivery(row(home=1), odd, row(home=2)), HOMES)
    judged = judge(parsed, no_context(3, 1))
    assert judged.reason[[0, 2]].tolist() == [OK, OK]
    for told in rejections(parsed, judged):
        assert told.row == 1 and len(told.detail) <= DETAIL_CHARS_MAX
