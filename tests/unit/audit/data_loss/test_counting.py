"""The audit must find each planted fault in each table, name it, and find nothing in a table that is right."""

from collections.abc import Callable

import numpy as np
import pytest

from loadtests.audit.data_loss.counting import (
    FactFault,
    Tally,
)
from loadtests.audit.data_loss.expected_rows import (
    audited_columns,
    compare_page,
    held_integers,
    rows_of_class,
    wrong_column,
)
from loadtests.audit.data_loss.fact_classes import combined, fact_classes, month_starts
from loadtests.audit.data_loss.table_scan import NULL
from loadtests.audit.tables import FactCounts, over_dcs
from loadtests.recording.ledger import EXPORT_PLANE, Ledger, SlotState, mark_run
from loadtests.workload.deliveries import readings_of
from scenarios.domain import (
    DAY_US,
    SLOT_US,
    Operation,
    export_mpan_of,
    mpan_of,
    premises_of_mpxn,
)
from sim.estate.lookup import meter_of, mpxn_of, sends_runs, split_meter, start_us_of
from sim.estate.model import EstateModel, build_estate
from store.rows import reading_columns
from tests.support.audited_tables import (
    KEYS,
    PREMISES,
    RUNS,
    SCHEMA,
    TABLES,
    VIEWS,
    Row,
    Whole,
    check_missing,
    check_right,
    day_row,
    faults,
    is_revised,
    judge,
    page_of,
    pushing_meter,
    scenario,
    tables_of,
    with_states,
)


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(scenario())


@pytest.fixture(scope="module")
def whole(estate: EstateModel) -> Whole:
    return tables_of(estate)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_is_right_has_no_fault(estate: EstateModel, whole: Whole, name: str) -> None:
    check_right(estate, whole, name)


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
    check_missing(estate, whole, name, tries=40)


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


def test_whichever_bit_of_a_value_is_another_it_is_wrong(estate: EstateModel, whole: Whole) -> None:
    """As a table's file has it with a bit flipped, were it served."""
    tables, ledger = whole
    rows = tables["intervals_by_home"]
    index = next(i for i, row in enumerate(rows) if len(row["values_wh"]) == 48)
    values = rows[index]["values_wh"]
    for bit in range(31):  # of an int; the last one is its sign
        changed = [*values[:17], values[17] ^ (1 << bit), *values[18:]]
        counts, _ = judge(
            estate,
            "intervals_by_home",
            [*rows[:index], {**rows[index], "values_wh": changed}, *rows[index + 1 :]],
            ledger,
        )
        assert faults(counts) == {"wrong": 1}, bit


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
    tally = Tally(exports.plane, unit_starts=exports.unit_starts)
    compared = compare_page(estate, ledger, TABLES[name], page_of(TABLES[name], rows))
    tally.add(compared, rows_of_class(estate, TABLES[name], compared, exports))
    tally.finish()
    return int(tally.right.any(axis=1).sum())


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
        int(meter) for meter in np.flatnonzero(is_pushed & delivered[:, -1]) if not is_revised(ledger, int(meter))
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
