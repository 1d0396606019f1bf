"""Views folded anew and held against what is stored: what differs is what a rebuild mends, row by row."""

import json

import pytest

from meterstorm.jobs.analytics import replay as module
from meterstorm.jobs.analytics.replay import cut_views, replay
from scenarios.spec import ScenarioError
from store.memory import MemoryStore
from store.readings.verify import folded_views
from store.roles import TableRole
from tests.unit.store.analytics.test_warehouse import CORRECTION, SCHEMA, UPLOADS, store_with

USAGE = SCHEMA.table(TableRole.DAILY_USAGE)


def folded_store() -> MemoryStore:
    """Whose views are as the log has them; what is delivered in tests has totals that need not be right."""
    store = store_with([*UPLOADS, CORRECTION])
    for view in folded_views(SCHEMA):
        store.rebuild(view)
    return store


def test_what_differs_is_what_a_rebuild_mends() -> None:
    store = store_with([*UPLOADS, CORRECTION])
    told = replay(store).column("view").to_pylist()
    for view in folded_views(SCHEMA):
        assert told.count(view) == len(list(store.verify(view)))
        mended = store.rebuild(view)
        assert told.count(view) == mended.written + mended.removed
    assert told and replay(store).num_rows == 0


def test_each_difference_is_told_to_the_last_watt_hour() -> None:
    store = folded_store()
    right = store.statements.all_rows(USAGE)[0]
    store.statements.put(USAGE, right | {"usage_wh": right["usage_wh"] + 1}, 2**60)
    lost = store.statements.all_rows(USAGE)[1]
    store.statements.forget(USAGE, lost)
    rows = replay(store, [USAGE.name]).to_pylist()
    altered, missing = sorted(rows, key=lambda row: row["found"] is None)
    assert (
        json.loads(altered["found"])["usage_wh"]
        == json.loads(altered["expected"])["usage_wh"] + 1
        == right["usage_wh"] + 1
    )
    assert (
        json.loads(missing["expected"])["usage_wh"] == lost["usage_wh"]
        and json.loads(missing["key"])["day"] == lost["day"]
    )


def test_a_view_that_is_all_wrong_is_not_listed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    store = folded_store()
    for row in store.statements.all_rows(USAGE):
        store.statements.forget(USAGE, row)
    monkeypatch.setattr(module, "DIFFERENCES_MAX", 2)
    rows = replay(store, [USAGE.name])
    assert rows.num_rows == 2 and cut_views(rows) == [USAGE.name]
    monkeypatch.setattr(module, "DIFFERENCES_MAX", 100_000)
    assert cut_views(replay(store, [USAGE.name])) == []


def test_an_unknown_view_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ScenarioError, match=r"there is no such view; there are .*usage_by_fuel"):
        replay(store_with([]), ["usage"])
