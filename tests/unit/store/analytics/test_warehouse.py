"""The event log as Parquet: each half-hour once, whole or not there, and rewritten only where it changed."""

import contextlib
import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings

from scenarios.calendar import Calendar
from scenarios.domain import Quality
from store.analytics.bills import BillReader
from store.analytics.commands import CommandReader
from store.analytics.data_sets import HOMES_SCHEMA, Reader
from store.analytics.export import Exported, export
from store.analytics.warehouse import MANIFEST, Warehouse, WarehouseError, read_manifest, whole_warehouse
from store.columns import Page, Piece
from store.memory import MemoryStore
from store.memory.commands import MemoryCommandTables
from store.ports import StoreError
from store.schemas import SCHEMAS
from store.tables import Table
from tests.support.store_deliveries import BOOK, HOMES, START_US, Delivery, deliveries, known_half_hours, send

SCHEMA = SCHEMAS["home_months"]
LONDON = ZoneInfo("Europe/London")
MONTHS = (202601, 202602)
AS_OF_US = START_US + 7 * 86_400_000_000
UPLOADS = [
    Delivery(home=home, fuel=0, slot=48 * day, values_wh=tuple(range(48))) for home in range(HOMES) for day in (0, 1)
]
CORRECTION = Delivery(home=1, fuel=0, slot=50, values_wh=(777,), revision=1, is_sent=False)


def store_with(sent: Sequence[Delivery]) -> MemoryStore:
    store = MemoryStore(SCHEMA, BOOK)
    for one in sent:
        send(store, one)
    return store


def homes_of(count: int = HOMES) -> Iterator[pa.RecordBatch]:
    yield pa.record_batch(
        [
            pa.array(range(count)),
            pa.array([f"region {home % 2}" for home in range(count)]),
            pa.array([0] * count, pa.int32()),
        ],
        schema=HOMES_SCHEMA,
    )


def readers_of(store: MemoryStore) -> list[Reader]:
    """Of a keyspace without bills and commands: empty data sets."""
    return [BillReader(store, lambda home: home % 2), CommandReader(MemoryCommandTables(), lambda _: iter(()))]


def exported(store: MemoryStore, folder: Path, *, estate: str = "estate 1") -> Exported:
    return export(
        store, folder, keyspace="meters", estate=estate, as_of_us=AS_OF_US, homes=homes_of(), beside=readers_of(store)
    )


def facts_in(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "half_hours" / "**" / "*.parquet", hive_partitioning=True)


def files_in(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("part-*")}


@settings(max_examples=25, deadline=None)
@given(sent=deliveries())
def test_every_half_hour_is_there_once_as_its_latest_revision_has_it(
    tmp_path_factory: pytest.TempPathFactory, sent: list[Delivery]
) -> None:
    store, folder = store_with(sent), tmp_path_factory.mktemp("warehouse")
    manifest = exported(store, folder).manifest
    wanted = {
        (home, fuel, start_us): wh
        for home in range(HOMES)
        for (fuel, start_us), wh in known_half_hours(
            [event for month in MONTHS for event in store.events(home, month)]
        ).items()
    }
    assert manifest.is_whole and manifest.rows_of() == len(wanted)
    if not wanted:
        return
    facts = facts_in(folder)
    found = {
        (row["premises"], row["fuel"], int(row["start"].timestamp() * 1e6)): row["wh"]
        for row in facts.iter_rows(named=True)
    }
    assert found == wanted and len(facts) == len(wanted)
    for row in facts.iter_rows(named=True):
        local = row["start"].astimezone(LONDON)
        assert row["settlement_date"] == local.date()
        assert row["settlement_period"] == local.hour * 2 + local.minute // 30 + 1
        assert row["local_minute"] == local.hour * 60 + local.minute


@pytest.mark.parametrize(("day", "periods"), [(dt.date(2026, 3, 29), 46), (dt.date(2026, 10, 25), 50)])
def test_settlement_dates_are_as_long_as_the_markets_clock_says(day: dt.date, periods: int, tmp_path: Path) -> None:
    first = (
        int(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp() * 1e6) - START_US
    ) // 1_800_000_000
    sent = [Delivery(home=0, fuel=0, slot=first + 48 * at, values_wh=(1,) * 48) for at in (-1, 0, 1)]
    store = MemoryStore(
        SCHEMA, BOOK.__class__(calendar=Calendar("Europe/London"), kind_of=BOOK.kind_of, prices=BOOK.prices)
    )
    for one in sent:
        send(store, one)
    exported(store, tmp_path / "warehouse")
    of_day = facts_in(tmp_path / "warehouse").filter(pl.col("settlement_date") == day)
    assert sorted(of_day["settlement_period"].to_list()) == list(range(1, periods + 1))
    shown = [local.hour * 60 + local.minute for local in (one.astimezone(LONDON) for one in of_day["start"].to_list())]
    assert of_day["local_minute"].to_list() == shown


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    store = store_with(UPLOADS)
    first = exported(store, tmp_path)
    before = files_in(tmp_path)
    again = exported(store, tmp_path)
    assert (again.files_written, again.files_unchanged) == (0, first.files_written) and files_in(tmp_path) == before
    send(store, CORRECTION)
    mended = exported(store, tmp_path)
    assert mended.files_written == 1 and len(files_in(tmp_path).keys() - before.keys()) == 1
    assert len(files_in(tmp_path)) == len(before)  # what it was before is gone
    corrected = facts_in(tmp_path).filter(pl.col("quality") == int(Quality.SUBSTITUTED))
    assert corrected.select("premises", "settlement_period", "wh").rows() == [(1, 3, 777)]
    whole_warehouse(tmp_path, verify=True)


class Interrupted:
    """The tables of a store in several pieces, of which those from `at` on can't be read."""

    def __init__(self, store: MemoryStore, pieces: Sequence[Piece], at: int) -> None:
        self._bulk, self._pieces, self.at = store.bulk, pieces, at

    def pieces(self) -> Sequence[Piece]:
        return self._pieces

    def scan(self, table: Table, columns: Sequence[str], piece: Piece, *, with_times: bool = False) -> Iterator[Page]:
        yield from self._bulk.scan(table, columns, piece, with_times=with_times)
        if self._pieces.index(piece) >= self.at:
            raise StoreError("the node is gone")


def test_an_interrupted_export_is_not_taken_for_whole_and_goes_on(tmp_path: Path) -> None:
    store = store_with(UPLOADS)
    exported(store, tmp_path / "at once")
    first, last = store.bulk.pieces()
    cuts = [first.after, first.through // 2, first.through, last.through]
    pieces = [Piece(after=after, through=through) for after, through in itertools.pairwise(cuts)]
    store.bulk = broken = Interrupted(store, pieces, at=1)  # type: ignore[assignment]
    folder = tmp_path / "in pieces"
    with pytest.raises(StoreError, match="the node is gone"):
        exported(store, folder)
    assert len(read_manifest(folder).done) == 1 and not list(folder.rglob("*.partial"))
    with pytest.raises(
        WarehouseError, match="half written: 1 of 3 parts of the ring are exported; run the export again"
    ):
        whole_warehouse(folder)
    stray = folder / "half_hours" / "settlement_date=2026-01-31" / "part-0002-00000000.parquet"
    stray.parent.mkdir(parents=True, exist_ok=True)
    stray.write_bytes(b"of a process that was killed")
    broken.at = 3
    assert exported(store, folder).parts == 2  # the first is done
    assert not stray.exists()
    order = ["premises", "start"]
    assert facts_in(folder).sort(order).equals(facts_in(tmp_path / "at once").sort(order))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    store = store_with(UPLOADS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("do not touch")
    with pytest.raises(WarehouseError, match="holds something that is no warehouse: name a new folder"):
        exported(store, tmp_path / "mine")
    exported(store, tmp_path / "warehouse")
    before = files_in(tmp_path / "warehouse")
    with pytest.raises(WarehouseError, match=r"estate estate 1.*and this export is of.*estate estate 2"):
        exported(store, tmp_path / "warehouse", estate="estate 2")
    assert files_in(tmp_path / "warehouse") == before
    with pytest.raises(WarehouseError, match="holds no warehouse"):
        whole_warehouse(tmp_path / "mine")


def test_of_two_exports_into_one_folder_the_later_one_is_refused(tmp_path: Path) -> None:
    store = store_with(UPLOADS)
    first = exported(store, tmp_path).manifest
    before = files_in(tmp_path)
    writing = contextlib.closing(Warehouse.begin(tmp_path, first.source, []))
    with writing, pytest.raises(WarehouseError, match=r"another export writes to .*: wait for it"):
        exported(store, tmp_path)
    assert exported(store, tmp_path).files_written == 0 and files_in(tmp_path) == before


def test_what_else_lies_in_the_folder_is_left_and_no_other_place_is_read(tmp_path: Path) -> None:
    store = store_with(UPLOADS)
    exported(store, tmp_path / "warehouse")
    mine = [tmp_path / "warehouse" / "marts" / "x" / "y.parquet", tmp_path / "warehouse" / "notes.partial"]
    mine[0].parent.mkdir(parents=True)
    for path in mine:
        path.write_text("mine")
    exported(store, tmp_path / "warehouse")
    assert [path.read_text() for path in mine] == ["mine", "mine"]
    manifest = tmp_path / "warehouse" / MANIFEST
    path = read_manifest(tmp_path / "warehouse").files[0].path
    for elsewhere in (f"../{path}", f"/{path}", "half_hours/settlement_date=2026-01-31/../../../x.parquet"):
        manifest.write_text(manifest.read_text().replace(path, elsewhere, 1))
        with pytest.raises(WarehouseError, match="can't be read"):
            read_manifest(tmp_path / "warehouse")
        manifest.write_text(manifest.read_text().replace(elsewhere, path, 1))


def test_files_that_are_not_what_was_exported_are_told(tmp_path: Path) -> None:
    exported(store_with(UPLOADS), tmp_path)
    path = tmp_path / whole_warehouse(tmp_path, verify=True).files[0].path
    held = path.read_bytes()
    path.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))
    whole_warehouse(tmp_path)  # of the same size: only reading it tells
    with pytest.raises(WarehouseError, match="is not the file that was exported"):
        whole_warehouse(tmp_path, verify=True)
    path.unlink()
    with pytest.raises(WarehouseError, match="is not the file that was exported"):
        whole_warehouse(tmp_path)
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(WarehouseError, match="can't be read"):
        read_manifest(tmp_path)
