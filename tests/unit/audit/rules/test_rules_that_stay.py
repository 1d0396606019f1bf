"""Which rules an audit tells of: what is kept has one, though all of it be in doubt or gone; what nobody keeps has none."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from loadtests.audit.rules import back_office_read, customers_read
from loadtests.audit.rules.customers import Checked
from loadtests.backend.back_office import projection_of
from loadtests.recording.ledger import Ledger, SlotState, mark_run
from loadtests.workload.deliveries import readings_of
from loadtests.workload.operations import planes_of
from loadtests.workload.prices import book_of
from scenarios.domain import SLOTS_PER_DAY, Operation
from scenarios.spec import Scenario, Topology
from sim.estate.model import EstateModel, build_estate
from store.columns import Page, Piece
from store.memory.customers import MemoryOnce
from store.readings.projector import Projector
from store.readings.store import HomeReadings
from store.roles import HOME_VIEWS
from store.schemas import SCHEMAS
from store.tables import Table

SCHEMA = SCHEMAS["home_months"]
SCENARIO = Scenario.model_validate(
    {
        "title": "rules that stay",
        "estate": {"premises": 3, "fuels": ["electricity"], "read_schedules": {"daily": 1.0}},
        "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
        "run": {"start": "2026-01-10", "days": 1, "wall_s": 60},
    }
)
VIEWS = {table.name for table in SCHEMA.tables_with(HOME_VIEWS)}


class Ring:
    """A store on dictionaries in place of the cluster's scans; of the tables in `gone` no row is left."""

    def __init__(self, runner: MemoryOnce, gone: Sequence[str] = ()) -> None:
        self._runner, self._gone = runner, gone

    def pieces(self) -> Sequence[Piece]:
        return self._runner.pieces()

    def scan(self, table: Table, columns: Sequence[str], piece: Piece, *, with_times: bool = False) -> Iterator[Page]:
        return iter(()) if table.name in self._gone else self._runner.scan(table, columns, piece, with_times=with_times)

    def sample(self) -> str | None:
        return None

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(SCENARIO)


def delivered(estate: EstateModel, state: SlotState, *, is_empty: bool = False) -> tuple[MemoryOnce, Ledger]:
    """A day of every meter, delivered and projected; in the ledger all of it is in a state."""
    runner = MemoryOnce(SCHEMA)
    store = HomeReadings(runner, runner, book_of(estate))
    projector = Projector(store, projection_of(estate), writer=0, started_us=1)
    projector.heal()
    ledger = Ledger.create(None, planes_of(SCENARIO), estate.meter_count, estate.slot_count)
    plane = ledger.plane_of(Operation.INGEST_READING)
    for meter in range(estate.meter_count):
        if not is_empty:
            first = np.zeros(1, np.int32)
            day = readings_of(estate, meter=np.array([meter]), first_slot=first, slot_count=SLOTS_PER_DAY)
            projector.deliver([day])
        mark_run(ledger.states, plane, meter, 0, SLOTS_PER_DAY, int(state))
    return runner, ledger


def office(
    estate: EstateModel,
    monkeypatch: pytest.MonkeyPatch,
    state: SlotState,
    *,
    topology: Topology = SCENARIO.topology,
    gone: str | None = None,
    is_empty: bool = False,
) -> dict[str, Checked]:
    """gone: a table of which a row is gone."""
    runner, ledger = delivered(estate, state, is_empty=is_empty)
    if gone is not None:
        rows = next(iter(runner._tables[gone].partitions.values()))
        del rows[next(iter(rows))]
    monkeypatch.setattr(back_office_read, "AheadBulk", lambda *_: Ring(runner))
    monkeypatch.setattr(back_office_read, "Statements", lambda *_: runner)
    session: Any = None
    checks = back_office_read.check_office(
        [session],
        estate=estate,
        ledger=ledger,
        schema=SCHEMA,
        topology=topology,
        progress=lambda _: None,
        is_closed=True,
        refused_count=0,
    )
    return {one.check: one for one in checks}


def test_a_view_of_which_all_is_in_doubt_keeps_its_rule_which_has_no_verdict(
    estate: EstateModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = office(estate, monkeypatch, SlotState.ACKNOWLEDGED)
    assert whole and all(one.is_right for one in whole.values())
    doubtful = office(estate, monkeypatch, SlotState.INTENT)
    assert set(doubtful) == set(whole)
    assert all(one.is_right is None and (one.sample or "").startswith("0 of ") for one in doubtful.values())


@pytest.mark.parametrize(
    ("rf", "level", "is_right"),
    [(3, "LOCAL_QUORUM", False), (1, "LOCAL_ONE", False), (3, "LOCAL_ONE", None)],
)
def test_a_projection_is_not_judged_where_reads_may_not_show_what_was_acknowledged(
    estate: EstateModel, monkeypatch: pytest.MonkeyPatch, rf: int, level: str, is_right: bool | None
) -> None:
    """At LOCAL_ONE of three replicas one that has not heard may be read even in a home's own DC: no fault of the cluster."""
    topology = Topology.model_validate(
        {"dcs": [{"name": "north", "nodes": rf, "rf": rf}], "consistency": {"default": level}}
    )
    checks = office(estate, monkeypatch, SlotState.ACKNOWLEDGED, topology=topology, gone="settlement_by_date")
    broken = checks.pop("each delivered day is in settlement_by_date")
    assert broken.is_right is is_right and all(one.is_right for one in checks.values())
    assert is_right is False or f"a read at {level} may not show" in (broken.sample or "")


def test_a_view_that_nobody_keeps_has_no_rule(estate: EstateModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert office(estate, monkeypatch, SlotState.ACKNOWLEDGED, is_empty=True) == {}


def of_views(
    estate: EstateModel, monkeypatch: pytest.MonkeyPatch, gone: Sequence[str] = (), *, is_empty: bool = False
) -> list[Checked]:
    runner, ledger = delivered(estate, SlotState.ACKNOWLEDGED, is_empty=is_empty)
    monkeypatch.setattr(customers_read, "_PartOfTheRing", lambda *_: Ring(runner, gone))
    session: Any = None
    return customers_read._views(session, estate, ledger, SCHEMA, SCENARIO.topology, lambda _: None)


def test_a_view_without_any_row_keeps_its_rule_where_the_log_says_otherwise(
    estate: EstateModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(one.is_right for one in of_views(estate, monkeypatch))
    (found,) = [one for one in of_views(estate, monkeypatch, ["usage_by_fuel"]) if one.faults]
    assert "usage_by_fuel" in found.check and found.faults == estate.meter_count


def test_views_of_a_log_that_holds_nothing_have_no_rule(estate: EstateModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert of_views(estate, monkeypatch, is_empty=True) == []
