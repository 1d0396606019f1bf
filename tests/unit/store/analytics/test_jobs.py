"""Jobs by DuckDB, against the same answers worked out in Python from the log, and against the store's own settlement."""

import datetime as dt
import math
import signal
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from store.analytics import duck
from store.analytics.duck import BESIDE_NODES, DuckLimits, run_job
from store.analytics.export import export
from store.analytics.job import AnalyticsJob
from store.analytics.jobs import JOBS, LOAD_DURATION, PEAKS, PROFILES, SETTLEMENT
from store.analytics.warehouse import HOMES, WarehouseError
from store.memory import MemoryStore
from store.readings.fold import DAY_COLUMNS
from store.readings.settlement import period_totals, settle
from store.roles import TableRole
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, GAS
from tests.support.store_deliveries import HOMES as HOME_COUNT
from tests.support.store_deliveries import START_US, Delivery, known_half_hours, send
from tests.unit.store.analytics.test_warehouse import AS_OF_US, BOOK, MONTHS, exported, homes_of

SCHEMA = SCHEMAS["home_months"]
SENT = [
    *(
        Delivery(
            home=home,
            fuel=fuel,
            slot=48 * day,
            values_wh=tuple((home * 37 + fuel * 11 + day * 5 + at) % 97 for at in range(48)),
        )
        for home in range(HOME_COUNT)
        for fuel in (ELECTRICITY, GAS)
        for day in (0, 1)
    ),
    Delivery(home=1, fuel=ELECTRICITY, slot=96, values_wh=(4,), revision=-1, is_sent=False),
    Delivery(home=2, fuel=ELECTRICITY, slot=60, values_wh=(0,), revision=2, is_sent=False),
    Delivery(
        home=0, fuel=ELECTRICITY, slot=10, values_wh=(91,)
    ),  # of the same revision as the upload: the shorter one counts
]


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    filled = MemoryStore(SCHEMA, BOOK)
    for one in SENT:
        send(filled, one)
    return filled


@pytest.fixture(scope="module")
def warehouse(store: MemoryStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("warehouse")
    exported(store, folder)
    return folder


def facts_of(store: MemoryStore) -> dict[tuple[int, int, int], int]:
    """(home, fuel, half-hour since START_US) -> Wh."""
    return {
        (home, fuel, (start_us - START_US) // 1_800_000_000): wh
        for home in range(HOME_COUNT)
        for (fuel, start_us), wh in known_half_hours(
            [event for month in MONTHS for event in store.events(home, month)]
        ).items()
    }


def lowest_with(share: float, values: list[int]) -> int:
    """The lowest value that at least this share of the values does not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def test_settlement_is_what_the_stores_own_is(store: MemoryStore, warehouse: Path) -> None:
    rows = run_job(warehouse, SETTLEMENT).to_pylist()
    table = SCHEMA.table(TableRole.EVENT_LOG)
    assert {row["fuel"] for row in rows} == {ELECTRICITY}
    for day in (dt.date(2026, 1, 31), dt.date(2026, 2, 1), dt.date(2026, 2, 2)):
        settled = []
        for piece in store.bulk.pieces():
            for page in store.bulk.scan(table, (*DAY_COLUMNS, "received_at"), piece):
                for home in range(HOME_COUNT):
                    of_home = {name: column[np.asarray(page["premises"]) == home] for name, column in page.items()}
                    if (found := settle(day, of_home, ELECTRICITY, None, store.calendar)) is not None:
                        settled.append(found[0])
        wh, known = period_totals(settled, day, store.calendar)
        by_period: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
        for row in rows:
            if row["settlement_date"] == day:
                sums = by_period[row["settlement_period"]]
                sums[0] += row["wh"]
                sums[1] += row["meters"]
                sums[2] += row["estimated"]
        assert [by_period[period + 1][0] for period in range(len(wh))] == wh.tolist()
        assert [by_period[period + 1][1] for period in range(len(wh))] == known.tolist()
        assert sum(one[2] for one in by_period.values()) == sum(one.estimated_count for one in settled)
    assert sum(row["estimated"] for row in rows) == 1 and {row["region"] for row in rows} == {"region 0", "region 1"}


def test_profiles_have_the_percentiles_of_what_was_measured(store: MemoryStore, warehouse: Path) -> None:
    wanted: dict[tuple[int, int], list[int]] = defaultdict(list)
    for (_, fuel, at), wh in facts_of(store).items():
        wanted[fuel, at % 48 + 1].append(wh)
    rows = run_job(warehouse, PROFILES).to_pylist()
    assert len(rows) == len(wanted)
    for row in rows:
        values = wanted[row["fuel"], row["settlement_period"]]
        assert (row["half_hours"], row["wh"], row["homes"]) == (len(values), sum(values), HOME_COUNT)
        for percent in (10, 25, 50, 75, 90):
            assert row[f"p{percent}_wh"] == lowest_with(percent / 100, values)


def test_the_load_falls_from_its_highest_half_hour(store: MemoryStore, warehouse: Path) -> None:
    loads: dict[tuple[int, int], int] = defaultdict(int)
    for (_, fuel, at), wh in facts_of(store).items():
        loads[fuel, at] += wh
    rows = run_job(warehouse, LOAD_DURATION).to_pylist()
    for fuel in (ELECTRICITY, GAS):
        of_fuel = [row for row in rows if row["fuel"] == fuel]
        assert [row["rank"] for row in of_fuel] == list(range(1, len(of_fuel) + 1))
        assert [row["wh"] for row in of_fuel] == sorted(
            (wh for (one, _), wh in loads.items() if one == fuel), reverse=True
        )


def test_of_each_home_its_base_load_and_its_peak(store: MemoryStore, warehouse: Path) -> None:
    facts = facts_of(store)
    rows = run_job(warehouse, PEAKS).to_pylist()
    assert [(row["premises"], row["fuel"]) for row in rows] == sorted({(home, fuel) for home, fuel, _ in facts})
    for row in rows:
        own = {at: wh for (home, fuel, at), wh in facts.items() if (home, fuel) == (row["premises"], row["fuel"])}
        values = list(own.values())
        assert (row["wh"], row["highest_wh"], row["base_wh"]) == (sum(values), max(values), lowest_with(0.05, values))
        in_peak = [wh for at, wh in own.items() if 32 <= at % 48 < 38]
        assert row["peak_wh"] == sum(in_peak)
        assert row["shift_wh"] == max(sum(in_peak) - len(in_peak) * row["base_wh"], 0)


def test_a_home_that_nobody_placed_counts_all_the_same(store: MemoryStore, tmp_path: Path) -> None:
    export(store, tmp_path, keyspace="meters", estate="one", as_of_us=AS_OF_US, homes=homes_of(1))
    rows = run_job(tmp_path, PEAKS).to_pylist()
    assert [row["region"] for row in rows] == ["region 0", "region 0", None, None, None, None]


@pytest.mark.parametrize("name", JOBS)
def test_each_job_says_what_it_answers_and_keeps_its_order(
    name: str, warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = JOBS[name]
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    rows = run_job(warehouse, job)
    assert {each.type.tz for each in rows.schema if pa.types.is_timestamp(each.type)} <= {"UTC"}
    assert job.answers.endswith(".") and rows.equals(run_job(warehouse, job))
    assert not [each.name for each in rows.schema if pa.types.is_floating(each.type) or pa.types.is_decimal(each.type)]


LIMITED = DuckLimits(memory_mib=64, threads=1, spill_mib=16)


def test_a_job_takes_no_more_of_the_machine_than_it_may(warehouse: Path) -> None:
    asked = ("memory_limit", "threads", "max_temp_directory_size")
    told = AnalyticsJob("told", "", "SELECT " + ", ".join(f"current_setting('{name}') AS {name}" for name in asked))
    for limits, memory, threads, spill in (
        (LIMITED, "64.0 MiB", 1, "16.0 MiB"),
        (BESIDE_NODES, "2.0 GiB", 2, "16.0 GiB"),
    ):
        [row] = run_job(warehouse, told, limits).to_pylist()
        assert list(row.values()) == [memory, threads, spill]


def test_a_job_that_needs_more_than_it_may_take_says_so(warehouse: Path) -> None:
    large = AnalyticsJob(
        "large", "", "SELECT range AS at, md5(range::VARCHAR) AS told FROM range(1_000_000) ORDER BY told"
    )
    with pytest.raises(
        WarehouseError, match=r"large on .* takes more than 64 MiB of memory and 16 MiB of disk: do it wh"
    ):
        run_job(warehouse, large, LIMITED)


def test_a_warehouse_without_its_homes_is_told(store: MemoryStore, tmp_path: Path) -> None:
    exported(store, tmp_path)
    (tmp_path / HOMES).unlink()
    with pytest.raises(WarehouseError, match="run the export again"):
        run_job(tmp_path, PEAKS)


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.5])
def test_ctrl_c_is_heard_whatever_duckdb_does(warehouse: Path, monkeypatch: pytest.MonkeyPatch, after_s: float) -> None:
    """Left to itself it makes a RuntimeError of it, or nothing."""
    endless = AnalyticsJob(
        name="endless",
        answers="nothing",
        sql="SELECT count(*) FROM range(100000000) a, range(1000) b WHERE (a.range * b.range) % 7 = 3",
    )
    main = threading.main_thread().ident
    assert main is not None
    create = duck._create_views

    def create_views(*given: Any) -> None:
        threading.Timer(after_s, signal.pthread_kill, (main, signal.SIGINT)).start()
        create(*given)

    monkeypatch.setattr(duck, "_create_views", create_views)
    handler = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a command's own drops a second one within a second
    try:
        with pytest.raises(KeyboardInterrupt):
            run_job(warehouse, endless)
    finally:
        signal.signal(signal.SIGINT, handler)
