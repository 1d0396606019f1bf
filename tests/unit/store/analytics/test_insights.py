"""Insights written back: what the warehouse says, with where it is from; again the same, and an older one never over a newer."""

import datetime as dt
from pathlib import Path

import pyarrow as pa

from store.analytics.data_sets import HOMES_SCHEMA
from store.analytics.duck import run_job
from store.analytics.export import export
from store.analytics.insights import PublishedInsights, edition_of, insights_of, profile_of, publish
from store.analytics.jobs import PEAKS, PERCENTILES, PROFILES
from store.analytics.warehouse import whole_warehouse
from store.memory import MemoryStore
from store.readings.summaries import HOMES_MIN
from store.roles import TableRole
from tests.support.store_deliveries import Delivery, send
from tests.unit.store.analytics.test_warehouse import AS_OF_US, SCHEMA, store_with

LARGE, SMALL = 4, 5  # cohorts: of HOMES_MIN homes, and of two that would tell of a neighbour
HOMES = HOMES_MIN + 3  # the last is of no cohort
UPLOADS = [
    Delivery(home=home, fuel=0, slot=0, values_wh=tuple(100 + home + (50 if 32 <= at < 38 else 0) for at in range(48)))
    for home in range(HOMES)
]


def warehouse_of(store: MemoryStore, folder: Path, as_of_us: int = AS_OF_US) -> Path:
    cohorts = [LARGE] * HOMES_MIN + [SMALL] * 2
    homes = pa.record_batch(
        [pa.array(range(HOMES - 1)), pa.array(["north"] * (HOMES - 1)), pa.array(cohorts, pa.int32())],
        schema=HOMES_SCHEMA,
    )
    export(store, folder, keyspace="meters", estate="one", homes=[homes], as_of_us=as_of_us)
    return folder


def published(store: MemoryStore, folder: Path) -> PublishedInsights:
    return publish(store.statements, edition_of(folder), run_job(folder, PROFILES), run_job(folder, PEAKS))


def test_what_the_warehouse_says_is_what_a_home_is_told(tmp_path: Path) -> None:
    store = store_with(UPLOADS)
    done = published(store, warehouse_of(store, tmp_path))
    assert (done.bands, done.homes, done.untold) == (48, HOMES, 48)
    [own] = insights_of(store.statements, 3)
    assert (own.fuel, own.cohort, own.half_hours) == (0, LARGE, 48)
    assert (own.used_wh, own.base_wh, own.highest_wh) == (48 * 103 + 300, 103, 153)
    assert (own.peak_wh, own.shift_wh) == (6 * 153, 6 * 50)
    assert own.provenance.as_of == dt.datetime.fromtimestamp(AS_OF_US / 1e6, dt.UTC)
    assert own.provenance.warehouse == whole_warehouse(tmp_path).digest(tmp_path)
    [nowhere] = insights_of(store.statements, HOMES - 1)
    assert nowhere.cohort is None
    bands = profile_of(store.statements, LARGE)
    assert [one.settlement_period for one in bands] == list(range(1, 49)) and {one.home_count for one in bands} == {
        HOMES_MIN
    }
    assert bands[0].percentiles_wh == (100, 102, 104, 107, 108) and bands[0].mean_wh == round(104.5)
    assert len(bands[0].percentiles_wh) == len(PERCENTILES)
    assert profile_of(store.statements, SMALL) == [] and insights_of(store.statements, HOMES) == []


def test_publishing_again_changes_nothing_and_an_older_warehouse_wins_over_none(tmp_path: Path) -> None:
    store = store_with(UPLOADS)
    old, new = warehouse_of(store, tmp_path / "old"), tmp_path / "new"
    send(store, Delivery(home=3, fuel=0, slot=0, values_wh=(9_000,), revision=1, is_sent=False))
    warehouse_of(store, new, AS_OF_US + 1_000_000)
    tables = [SCHEMA.table(role) for role in (TableRole.COHORT_PROFILES, TableRole.HOME_INSIGHTS)]

    def held() -> list[object]:
        return [store.statements.all_rows(table) for table in tables]

    published(store, new)
    first = held()
    published(store, new)
    published(store, old)
    assert held() == first
    [own] = insights_of(store.statements, 3)
    assert own.highest_wh == 9_000 and own.provenance.warehouse == whole_warehouse(new).digest(new)
    assert whole_warehouse(new).digest(new) != whole_warehouse(old).digest(old)
