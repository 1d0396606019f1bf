"""Prepaid accounts read back from a store on dictionaries: what is whole passes, and a lost top-up is found."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from loadtests.audit.rules import prepayment_read
from loadtests.audit.rules.customers import Checked
from loadtests.audit.rules.prepayment_read import check_prepayment_rules, expected_rows
from loadtests.recording.ledger import Ledger, SlotState, mark_run
from loadtests.workload.deliveries import readings_of
from loadtests.workload.experiment import Experiment
from loadtests.workload.operations import planes_of
from loadtests.workload.prepayment import openings_of
from loadtests.workload.prices import book_of, price_lists_of
from scenarios.domain import SLOTS_PER_DAY, Operation
from scenarios.spec import Scenario
from sim.estate.lookup import start_us_of
from sim.estate.model import build_estate
from store.billing.prepayment import TopUp
from store.customers.desk import Desk
from store.customers.store import HomeCustomers
from store.memory.customers import MemoryOnce
from store.readings.store import HomeReadings
from store.schemas import SCHEMAS

SCHEMA = SCHEMAS["home_months"]
HOMES = 5


def scenario() -> Scenario:
    return Scenario.model_validate(
        {
            "title": "prepaid",
            "estate": {"premises": HOMES, "meter_types": {"profile": 1.0, "ten_second": 0.0, "import_export": 0.0}},
            "tariffs": [
                {
                    "name": "before",
                    "share": 1.0,
                    "rates": {"all": {"electricity": "24.5"}},
                    "standing": {"electricity": "54.75"},
                    "prepayment": {"credit_pence": "90", "debt_pence": "500", "recovered_pence": "20"},
                }
            ],
            "campaigns": [
                {"name": "top_up", "kind": "top_up", "prepayment_only": True, "at_h": 8.0, "pays_pence": "200"}
            ],
            "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
            "run": {"start": "2026-03-29", "wall_s": 60},
        }
    )


def checks_of(monkeypatch: pytest.MonkeyPatch, *, lost: int = 0, twice: int = 0) -> dict[str, Checked]:
    """Of a store that lacks so many top-ups, and has so many again under another number."""
    told = scenario()
    estate, runner = build_estate(told), MemoryOnce(SCHEMA)
    readings, customers = HomeReadings(runner, runner, book_of(estate)), HomeCustomers(runner)
    ledger = Ledger.create(None, planes_of(told), estate.meter_count, estate.slot_count)
    for one in price_lists_of(estate):
        customers.publish(one, start_us_of(estate))
    for meter in range(estate.meter_count):
        whole = readings_of(estate, meter=np.array([meter]), first_slot=np.zeros(1, np.int32), slot_count=SLOTS_PER_DAY)
        readings.append(whole)
        plane = ledger.plane_of(Operation.INGEST_READING)
        mark_run(ledger.states, plane, meter, 0, SLOTS_PER_DAY, int(SlotState.ACKNOWLEDGED))
    experiment = cast(
        Experiment,
        SimpleNamespace(
            scenario=told,
            estate=estate,
            schema=SCHEMA,
            through=lambda _: SimpleNamespace(session=lambda: nullcontext(None)),
        ),
    )
    customers.open_all_prepaid(list(openings_of(estate, 0)))
    paid = [(key, row) for key, rows in sorted(expected_rows(experiment).items()) for row in rows if row[1]]
    for (home, fuel), (at_us, _, number, (upence,)) in paid[lost:]:
        customers.top_up(home, fuel, TopUp(at_us=at_us, upence=upence, reference=number))
    for (home, fuel), (at_us, _, number, (upence,)) in paid[len(paid) - twice :]:
        customers.top_up(home, fuel, TopUp(at_us=at_us, upence=upence, reference=number + 50))
    for home in range(HOMES):
        desk = Desk(customers=customers, views=readings, first_tariff=0, calendar=estate.calendar)
        end_us = start_us_of(estate) + 86_400_000_000
        desk.issue_bill(premises=home, month=202603, number=1, supplied={0: range(1, 31)}, issued_us=end_us)
    store: Any = SimpleNamespace(
        **{name: getattr(readings, name) for name in ("events", "intervals", "intervals_of_month")},
        billed_parts=readings.billed_parts,
        billed_parts_of_day=readings.billed_parts_of_day,
        close=lambda: None,
    )
    monkeypatch.setattr(prepayment_read, "CassandraStore", lambda *_: store)
    monkeypatch.setattr(prepayment_read, "Statements", lambda *_: runner)
    found = check_prepayment_rules(experiment, ledger, progress=lambda _: None, is_complete=True, is_closed=True)
    assert len(paid) >= 4
    return {one.check: one for one in found}


LOG, BALANCES, BILLS = (
    "prepaid accounts hold each payment once, in north",
    "prepaid balances are what was paid and used",
    "bills of prepaid homes say what their accounts took",
)


def test_what_is_whole_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = checks_of(monkeypatch)
    assert {name: one.is_right for name, one in checks.items()} == {LOG: True, BALANCES: True, BILLS: True}
    assert checks[BALANCES].counted == 3 * HOMES  # two looks at a display, and the balance
    assert checks[LOG].counted > HOMES and checks[BILLS].counted == HOMES


def test_a_lost_top_up_and_one_that_came_twice_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = checks_of(monkeypatch, lost=1)
    assert (lost[LOG].faults, lost[BILLS].faults) == (1, 0) and lost[BALANCES].faults > 0
    twice = checks_of(monkeypatch, twice=1)
    assert (twice[LOG].faults, twice[BILLS].faults) == (1, 0) and twice[BALANCES].faults > 0
