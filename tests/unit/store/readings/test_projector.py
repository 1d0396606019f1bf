"""Many homes are projected in as many requests in a row as one is: else most of the time is round trips."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings

from store.memory import MemoryStore
from store.operations import AnyOperation
from store.ports import Values
from store.readings.across import Projection
from store.readings.projector import HOMES_AT_ONCE, Projector, days_touched
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY
from tests.support.store_deliveries import BOOK, HOMES, Delivery, deliveries, send


def projected(homes: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Counter[AnyOperation], Counter[AnyOperation]]:
    """Requests at once, and rows of them, of an hour of each of these homes that is projected again."""
    store = MemoryStore(SCHEMAS["home_months"], BOOK)
    projector = Projector(
        store, Projection(region_of=lambda premises: np.zeros(len(premises), np.int64)), writer=0, started_us=1
    )
    projector.heal()
    for home in range(homes):
        projector.deliver([Delivery(home=home, fuel=ELECTRICITY, slot=0, values_wh=(1, 2)).readings()])
    calls, rows = Counter[AnyOperation](), Counter[AnyOperation]()
    really = store.statements.run_many

    def run_many(operation: AnyOperation, values: list[Values]) -> list[list[object]]:
        calls[operation] += 1
        rows[operation] += len(values)
        return really(operation, values)

    monkeypatch.setattr(store.statements, "run_many", run_many)
    chunks: list[int] = []
    projector.project(projector.journalled(), lambda: chunks.append(sum(calls.values())))
    assert len(chunks) == -(-homes // HOMES_AT_ONCE) and chunks[-1] == sum(calls.values())
    return calls, rows


def test_homes_are_projected_together(monkeypatch: pytest.MonkeyPatch) -> None:
    of_one, rows_of_one = projected(1, monkeypatch)
    of_all, rows_of_all = projected(HOMES_AT_ONCE, monkeypatch)
    assert of_all == of_one and len(of_one) >= 4
    assert rows_of_all == Counter({operation: count * HOMES_AT_ONCE for operation, count in rows_of_one.items()})
    of_more, _ = projected(HOMES_AT_ONCE + 1, monkeypatch)
    assert of_more == of_one + of_one


@given(deliveries())
@settings(deadline=None, max_examples=25)
def test_homes_that_are_projected_together_come_to_the_same_as_each_alone(sent: list[Delivery]) -> None:
    held = []
    for is_together in (True, False):
        store = MemoryStore(SCHEMAS["home_months"], BOOK)
        for one in sent:
            send(store, one)
        projector = Projector(store, Projection(region_of=lambda premises: premises % 2), writer=0, started_us=1)
        touched = sorted({day for one in sent for day in days_touched(one.readings())})[::2]  # others are let be
        of_home = [[day for day in touched if day.premises == home] for home in range(HOMES)]
        for days in [touched] if is_together else of_home:
            projector.project(days)
        held.append({table.name: store.statements.all_rows(table) for table in SCHEMAS["home_months"].tables})
    assert held[0] == held[1]
