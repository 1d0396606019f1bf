"""Counted tables: each row against the seed, and sums against what was acknowledged; with planted faults."""

import numpy as np
import pytest

from loadtests.audit.data_loss.row_counts import RowCounts, Sent, judged, lost_of, not_judged_of, phantoms_of
from loadtests.audit.tables import FactCounts, _counted, _worst
from loadtests.workload.deliveries import alert_columns, preference_columns, ten_second_columns
from scenarios.spec import Scenario
from sim.estate.model import EstateModel, build_estate
from sim.trace.blocks import MessageKind, trace_blocks
from store.rows import Columns
from store.schemas import SCHEMAS
from store.tables import Table

TABLES = {
    "ten_seconds_by_home": MessageKind.PUSH_TEN_SECOND,
    "alerts_by_home": MessageKind.ALERT,
    "preferences_by_home": MessageKind.CHANGE_PREFERENCE,
}
KEYS = {"ten_seconds_by_home": {"premises", "epoch_day", "fuel", "tick"}}


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(
        Scenario.model_validate(
            {
                "title": "counted",
                "estate": {
                    "premises": 40,
                    "fuels": ["electricity", "gas"],
                    "read_schedules": {"daily": 0.5, "ten_second": 0.5},
                    "schedule_changes": [{"to": "half_hourly", "share": 0.9, "from_h": 4.0, "until_h": 20.0}],
                },
                "alerts": {"per_hub_day": 2.0, "storms": [{"at_h": 3.0, "share": 0.5}]},
                "wan": {"cellular": {"delay_ms_min": 100.0, "delay_ms_max": 900.0}},
                "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
                "run": {"wall_s": 60},
            }
        )
    )


def columns_of(estate: EstateModel, table: str) -> Columns:
    """The rows that the whole trace writes, received when the trace says so."""
    blocks = list(trace_blocks(estate))
    kind = np.concatenate([block.kind for block in blocks])
    chosen = np.flatnonzero(kind == TABLES[table])
    meter, slot, draw, due_us = (
        np.concatenate([getattr(block, name) for block in blocks])[chosen]
        for name in ("meter", "first_slot", "draw_index", "due_us")
    )
    if table == "ten_seconds_by_home":
        return ten_second_columns(estate, meter, slot, draw)
    if table == "preferences_by_home":
        return preference_columns(estate, meter)
    columns = alert_columns(estate, meter, draw, slot)
    start_ms = columns["received_at"] - due_us // 1_000
    assert (start_ms == start_ms[0]).all()  # the recomputed arrivals are those of the trace
    return columns


def table_named(name: str) -> Table:
    return next(table for table in SCHEMAS["home_months"].tables if table.name == name)


def held_of(columns: Columns) -> dict[str, np.ndarray]:
    return {name: np.asarray(values, np.int64) for name, values in columns.items() if name != "write_us"}


@pytest.mark.parametrize("table", TABLES)
def test_what_was_sent_is_right(estate: EstateModel, table: str) -> None:
    held = held_of(columns_of(estate, table))
    assert judged(estate, table_named(table), held).tolist() == [len(held["premises"]), 0, 0]
    assert len(held["premises"]) > 20


@pytest.mark.parametrize("table", TABLES)
def test_a_changed_column_is_wrong_or_a_phantom(estate: EstateModel, table: str) -> None:
    columns = held_of(columns_of(estate, table))
    for name in columns:
        if name in KEYS.get(table, ()):
            continue  # the place of another reading, whose value may be the same: then there is one too many in sum
        held = {column: values.copy() for column, values in columns.items()}
        held[name][5] += 1
        right, wrong, phantom = judged(estate, table_named(table), held).tolist()
        assert right == len(held[name]) - 1 and wrong + phantom == 1, name


@pytest.mark.parametrize("table", TABLES)
def test_rows_of_strangers_are_phantoms(estate: EstateModel, table: str) -> None:
    held = held_of(columns_of(estate, table))
    held["premises"][:3] = [-1, 40, 10**12]
    assert judged(estate, table_named(table), held)[2] == 3


def test_ten_seconds_of_a_meter_that_sends_none_are_phantoms(estate: EstateModel) -> None:
    held = held_of(columns_of(estate, "ten_seconds_by_home"))
    others = set(range(40)) - set(held["premises"].tolist())
    held["premises"][0] = min(others)
    assert judged(estate, table_named("ten_seconds_by_home"), held)[2] == 1


def test_lost_and_surplus_rows_are_told_by_the_sums() -> None:
    sent = Sent(attempted=100, acknowledged=90, indeterminate=6)
    assert lost_of(sent, RowCounts(right=90, wrong=0, phantom=0)) == 0
    assert lost_of(sent, RowCounts(right=86, wrong=1, phantom=4)) == 3
    assert phantoms_of(sent, RowCounts(right=96, wrong=0, phantom=0)) == 0
    assert phantoms_of(sent, RowCounts(right=97, wrong=1, phantom=4)) == 6


@pytest.mark.parametrize("acknowledged_there", range(6))
@pytest.mark.parametrize("in_doubt_there", range(4))
@pytest.mark.parametrize("wrong", [0, 1])
def test_a_row_in_doubt_may_hide_a_lost_one_and_is_told(
    acknowledged_there: int, in_doubt_there: int, wrong: int
) -> None:
    """All that can have happened to 5 acknowledged rows and 3 in doubt: what is lost lies within what is told."""
    sent = Sent(attempted=8, acknowledged=5, indeterminate=3)
    there = acknowledged_there + in_doubt_there
    if there < wrong:
        return
    rows = RowCounts(right=there - wrong, wrong=wrong, phantom=0)
    lost, not_judged = lost_of(sent, rows), not_judged_of(sent, rows)
    assert lost <= 5 - acknowledged_there <= lost + not_judged
    can_be_lost = {5 - there + doubts for doubts in range(4) if 0 <= there - doubts <= 5}
    assert (lost, lost + not_judged) == (min(can_be_lost), max(can_be_lost))
    counts = _counted(sent, rows)
    assert counts.verified <= acknowledged_there
    assert counts.verified + counts.wrong + counts.lost + counts.not_judged >= sent.acknowledged


def test_of_two_dcs_the_worse_one_tells_what_is_held() -> None:
    """A loss in either is a loss, whichever comes first; nothing is said of a table before a DC was read."""
    whole = FactCounts(attempted=9, acknowledged=9, verified=9)
    worse = FactCounts(attempted=9, acknowledged=9, verified=6, lost=2, wrong=1, phantom=4)
    hidden = FactCounts(attempted=9, acknowledged=9, verified=7, not_judged=2)
    assert _worst(FactCounts(), whole) == whole
    assert _worst(whole, worse) == _worst(worse, whole) == worse
    assert _worst(whole, hidden) == _worst(hidden, whole) == hidden
    both = _worst(hidden, worse)
    assert (both.verified, both.lost, both.wrong, both.phantom) == (6, 2, 1, 4)
