"""A fault is one line: which meter, when by the clock on the wall, what is there, why it can't be, in which DCs."""

from typing import Any

import numpy as np
import pytest

from loadtests.audit.data_loss.counting import Example, FactFault
from loadtests.audit.data_loss.fact_classes import FactClass, fact_classes
from loadtests.audit.data_loss.fault_examples import FaultExample, lost_example, row_example, together
from loadtests.audit.tables import AuditReport, FactCounts
from loadtests.recording.ledger import Ledger
from loadtests.workload.operations import planes_of
from meterstorm.outcomes.run import audit_result
from reports.verdict.faults import fault_line
from scenarios.domain import SLOT_US, export_mpan_of, mpan_of
from scenarios.spec import Scenario
from sim.estate.lookup import start_us_of
from sim.estate.model import EstateModel, build_estate
from store.schemas import SCHEMAS
from tests.regression.test_cells_beyond_their_length import TABLE, Cells, cells_of, page_of, upload

SCHEMA = SCHEMAS["home_months"]


def scenario(zone: str = "Europe/London") -> Scenario:
    """A summer's day, so that local time is not UTC."""
    return Scenario.model_validate(
        {
            "title": "faults",
            "estate": {"premises": 10, "fuels": ["electricity"], "read_schedules": {"daily": 1.0}, "time_zone": zone},
            "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
            "run": {"start": "2026-06-15", "days": 1, "wall_s": 60},
        }
    )


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(scenario())


def ledger_of(estate: EstateModel) -> Ledger:
    return Ledger.create(None, planes_of(scenario()), estate.meter_count, estate.slot_count)


def class_of(estate: EstateModel) -> FactClass:
    return fact_classes(estate, ledger_of(estate), SCHEMA, TABLE)[0]


def stray(estate: EstateModel, cells: Cells, dc: str = "north") -> FaultExample:
    example = Example(fault=FactFault.PHANTOM, meter=-1, slot=-1, row=0)
    return row_example(estate, ledger_of(estate), TABLE, class_of(estate), example, dc, page_of([cells]))


def line(example: FaultExample) -> str:
    report = AuditReport(totals=FactCounts(), per_dc={}, tables={}, examples=[example])
    return fault_line(audit_result(report, scenario(), 1).examples[0])


def test_a_row_outside_of_the_span_is_named_by_its_own_meter_and_time(estate: EstateModel) -> None:
    row = upload(estate)
    row["interval_start"] += 3 * 48 * SLOT_US // 1_000
    found = stray(estate, cells_of(row))
    assert (found.mpxn, found.slot) == (row["mpxn"], None)
    told = line(found)
    assert told.startswith(f"meter {row['mpxn']}, half-hour from 2026-06-18 01:00 BST, in events_by_home of north: ")
    assert "expected no such row: the run is from 2026-06-15 01:00 BST to 2026-06-16 01:00 BST" in told
    assert "interval_start=2026-06-18 01:00 BST" in told and "None" not in told


@pytest.mark.parametrize(
    ("zone", "clock", "ended"),
    [
        ("Europe/Madrid", "2026-06-15 02:00 CEST", "2026-06-16 02:00 CEST"),
        ("Europe/Helsinki", "2026-06-15 03:00 EEST", "2026-06-16 03:00 EEST"),
        ("America/Phoenix", "2026-06-14 17:00 MST", "2026-06-15 17:00 MST"),
    ],
)
def test_a_fault_tells_the_time_that_the_homes_clock_shows(zone: str, clock: str, ended: str) -> None:
    abroad = build_estate(scenario(zone))
    row = upload(abroad)
    early, late = row | {"month": 202601}, row | {"interval_start": row["interval_start"] + 86_400_000}
    assert f"half-hour from {clock}, " in line(stray(abroad, cells_of(early)))
    told = line(stray(abroad, cells_of(late)))
    assert f"the run is from {clock} to {ended}" in told and f"interval_start={ended}" in told
    assert "BST" not in told
    rows = [row | {"received_at": row["received_at"] + 60_000}]
    example = Example(fault=FactFault.WRONG, meter=0, slot=0, row=0)
    page = page_of([cells_of(one) for one in rows])
    wrong = row_example(abroad, ledger_of(abroad), TABLE, class_of(abroad), example, "north", page)
    zone_name = clock.rsplit(" ", 1)[1]
    assert wrong.expected.startswith("received_at = 2026-06-1") and wrong.expected.endswith(f" {zone_name}")
    assert wrong.found.startswith("received_at = 2026-06-1") and wrong.found != wrong.expected


@pytest.mark.parametrize(("half_hours", "is_within"), [(-48, False), (-1, False), (0, True), (47, True), (48, False)])
def test_the_span_is_from_its_first_half_hour_to_its_last(
    estate: EstateModel, half_hours: int, is_within: bool
) -> None:
    """The run's day has half-hours 0 to 47. A row of another month than its own is no message's, wherever it lies."""
    row = upload(estate) | {"month": 202601}
    row["interval_start"] += half_hours * SLOT_US // 1_000
    found = stray(estate, cells_of(row))
    assert found.slot == (half_hours if is_within else None)
    of_span = "the run is from 2026-06-15 01:00 BST to 2026-06-16 01:00 BST"
    assert found.expected == f"no such row: {'no meter of the estate sends it' if is_within else of_span}"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"premises": 17}, "the estate has no home 17 with this fuel"),
        ({"fuel": 1}, "with this fuel"),
        ({"mpxn": 12}, "the metering point of this home is "),
        ({"month": 202601}, "no meter of the estate sends it"),
        ({"fuel": 2}, "the metering point of this home is "),
    ],
)
def test_a_row_that_nobody_sent_says_why(estate: EstateModel, change: dict[str, Any], why: str) -> None:
    found = stray(estate, cells_of(upload(estate) | change))
    assert why in found.expected
    assert "half-hour from 2026-06-15 01:00 BST" in line(found)
    if "premises" in change or change == {"fuel": 1}:
        assert found.mpxn is None and "a row of no meter of the estate" in line(found)
    else:
        home = np.array([upload(estate)["premises"]])
        assert found.mpxn == (export_mpan_of if change == {"fuel": 2} else mpan_of)(home)[0]


@pytest.mark.parametrize("cell", [None, b"\x7f" * 8, b"\x80" + b"\0" * 7, b"\1"])
def test_an_instant_that_no_calendar_has_is_told_all_the_same(estate: EstateModel, cell: bytes | None) -> None:
    cells = cells_of(upload(estate))
    cells[[column.name for column in TABLE.columns].index("interval_start")] = cell
    found = stray(estate, cells)
    assert found.slot is None and found.slot_start is None
    assert "interval_start=" in line(found)


def test_one_fault_of_two_dcs_is_one_line(estate: EstateModel) -> None:
    example = Example(fault=FactFault.LOST, meter=3, slot=17, row=-1)
    of = class_of(estate)
    seen = [lost_example(estate, TABLE, of, example, dc) for dc in ("north", "south", "south")]
    other = lost_example(estate, TABLE, of, Example(fault=FactFault.LOST, meter=4, slot=17, row=-1), "south")
    merged = together([*seen, other])
    assert [one.dcs for one in merged] == [("north", "south"), ("south",)]
    assert line(merged[0]) == (
        f"meter {merged[0].mpxn}, half-hour from 2026-06-15 09:30 BST, in events_by_home of north and south: "
        "expected an acknowledged reading, found no row"
    )
    assert merged[0].slot == 17 and start_us_of(estate) % SLOT_US == 0
