"""A warehouse renewed by the journal equals one that was exported whole, file by file, and reads what has changed alone."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US
from store.analytics.changes import Renewed, renew
from store.analytics.duck import run_job
from store.analytics.export import export
from store.analytics.jobs import BILLING_CHECK
from store.analytics.warehouse import Warehouse, WarehouseError, read_manifest, whole_warehouse
from store.columns import Page
from store.memory import MemoryStore
from store.ports import StoreError
from store.readings.across import Projection
from store.readings.journal import KEPT_DAYS
from store.readings.projector import Projector
from store.tables import Table
from store.tariffs import ELECTRICITY
from tests.support.store_deliveries import BOOK, DAYS, HOMES, Delivery, deliveries
from tests.unit.store.analytics.test_warehouse import AS_OF_US, SCHEMA, files_in, homes_of, readers_of

WRITER = 3
LATER_US = AS_OF_US + DAY_US
SUMMER = replace(BOOK, calendar=Calendar("Europe/Helsinki"))  # whose dates begin within UTC days
UPLOADS = [
    Delivery(home=home, fuel=ELECTRICITY, slot=48 * day, values_wh=tuple(range(home, home + 48)))
    for home in range(HOMES)
    for day in range(DAYS)
]


class Estate:
    """A store to which one projector delivers."""

    def __init__(self, sent: Sequence[Delivery] = (), book: object = BOOK) -> None:
        self.store = MemoryStore(SCHEMA, book)  # type: ignore[arg-type]
        self.projector = Projector(
            self.store, Projection(region_of=lambda premises: premises * 0), writer=WRITER, started_us=1
        )
        self.projector.heal()
        self.deliver(sent)

    def deliver(self, sent: Sequence[Delivery]) -> None:
        for one in sent:
            self.projector.deliver([one.readings()])

    def export(self, folder: Path, as_of_us: int = AS_OF_US) -> None:
        export(
            self.store,
            folder,
            keyspace="k",
            estate="e",
            homes=homes_of(),
            as_of_us=as_of_us,
            beside=readers_of(self.store),
            writers=[WRITER],
        )

    def renew(self, folder: Path, as_of_us: int = LATER_US, writers: Sequence[int] = (WRITER,)) -> Renewed:
        return renew(
            self.store,
            self.store.statements,
            folder,
            keyspace="k",
            estate="e",
            writers=writers,
            as_of_us=as_of_us,
        )


def contents_of(folder: Path) -> set[tuple[object, ...]]:
    return {
        (one.settlement_date, one.part, one.rows, one.content)
        for one in whole_warehouse(folder, verify=True).of("half_hours")
    }


@pytest.mark.parametrize("book", [BOOK, SUMMER], ids=["UTC", "Helsinki"])
@settings(max_examples=15, deadline=None)
@given(sent=deliveries(), late=deliveries())
def test_a_renewal_is_what_a_whole_export_is(
    tmp_path_factory: pytest.TempPathFactory, book: object, sent: list[Delivery], late: list[Delivery]
) -> None:
    known = {one.key for one in sent}
    folder, estate = tmp_path_factory.mktemp("renewed"), Estate(sent, book)
    estate.export(folder / "renewed")
    estate.deliver([one for one in late if one.key not in known])
    done = estate.renew(folder / "renewed")
    estate.export(folder / "whole", LATER_US)
    assert contents_of(folder / "renewed") == contents_of(folder / "whole")
    assert read_manifest(folder / "renewed").journal == read_manifest(folder / "whole").journal
    again = estate.renew(folder / "renewed")
    assert (again.days, again.rows_read, again.files_written) == (0, 0, 0) and done.manifest.as_of_us == LATER_US


def test_it_reads_what_has_changed_and_no_more(tmp_path: Path) -> None:
    """2 % of a day's uploads come late: the rows that are read are those that came, or a fifth more at most."""
    homes, late = 100, {17, 61}
    day = [Delivery(home=home, fuel=ELECTRICITY, slot=0, values_wh=tuple(range(48))) for home in range(homes)]
    estate = Estate([one for one in day if one.home not in late])
    estate.export(tmp_path)
    before = files_in(tmp_path)
    estate.deliver([one for one in day if one.home in late])
    done = estate.renew(tmp_path)
    assert done.days == len(late) and done.rows_read / len(late) <= 1.2
    assert 0 < done.files_written <= done.parts <= len(late)
    assert (
        len(files_in(tmp_path))
        == len(before)
        == len([path for path in before if path in files_in(tmp_path)]) + done.files_written
    )
    with pytest.raises(WarehouseError, match="has no bills: it was exported without"):
        run_job(tmp_path, BILLING_CHECK)  # they would be as of another instant


class Broken:
    """Slices of a store whose log ends with an error, after so many pages."""

    def __init__(self, estate: Estate) -> None:
        self.statements = estate.store.statements

    def slices(self, table: Table, columns: Sequence[str], asked: Page) -> Iterator[Page]:
        yield from itertools.islice(self.statements.slices(table, columns, asked), 1)
        raise StoreError("the node is gone")


def test_what_is_interrupted_is_half_written_and_goes_on_either_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate = Estate(UPLOADS)
    for name in ("renewed", "exported"):
        estate.export(tmp_path / name)
    before = {name: contents_of(tmp_path / name) for name in ("renewed", "exported")}
    late = {"fuel": ELECTRICITY, "slot": 5, "values_wh": (9_999,), "revision": 1, "is_sent": False}
    estate.deliver([Delivery(home=home, **late) for home in range(HOMES)])  # type: ignore[arg-type]
    whole, broken = Warehouse._take_over, Broken(estate)
    parts = itertools.count()

    def once(self: Warehouse, *of_part: object, **how: object) -> None:
        if next(parts) % 2:
            raise OSError("the disk is full")
        whole(self, *of_part, **how)  # type: ignore[arg-type]

    for name in before:
        with pytest.raises(StoreError, match="the node is gone"):
            renew(estate.store, broken, tmp_path / name, keyspace="k", estate="e", writers=[WRITER], as_of_us=LATER_US)
        assert contents_of(tmp_path / name) == before[name]  # nothing was begun: it is still whole, with all data sets
        assert run_job(tmp_path / name, BILLING_CHECK).num_rows == 0
        with monkeypatch.context() as patch:
            patch.setattr(Warehouse, "_take_over", once)
            with pytest.raises(OSError, match="the disk is full"):
                estate.renew(tmp_path / name)
        with pytest.raises(WarehouseError, match=r"half written: 1 of 2 parts"):
            whole_warehouse(tmp_path / name)
    estate.renew(tmp_path / "renewed")
    estate.export(tmp_path / "exported", LATER_US)
    estate.export(tmp_path / "whole", LATER_US)
    assert contents_of(tmp_path / "renewed") == contents_of(tmp_path / "exported") == contents_of(tmp_path / "whole")
    assert not read_manifest(tmp_path / "exported").is_renewal


def test_what_the_journal_can_not_tell_is_refused(tmp_path: Path) -> None:
    estate = Estate(UPLOADS)
    estate.export(tmp_path / "known")
    export(estate.store, tmp_path / "unknown", keyspace="k", estate="e", homes=homes_of(), as_of_us=AS_OF_US)
    for folder, said, change in (
        ("unknown", "does not say how far the journal was", {}),
        ("known", "does not say how far the journal was", {"writers": [WRITER, 4]}),
        ("known", f"the journal goes back {KEPT_DAYS} days: export all", {"as_of_us": AS_OF_US + KEPT_DAYS * DAY_US}),
    ):
        with pytest.raises(WarehouseError, match=said):
            estate.renew(tmp_path / folder, **change)  # type: ignore[arg-type]
    with pytest.raises(WarehouseError, match=r"estate e.*and this export is of.*estate another"):
        renew(
            estate.store,
            estate.store.statements,
            tmp_path / "known",
            keyspace="k",
            estate="another",
            writers=[WRITER],
            as_of_us=LATER_US,
        )
    assert contents_of(tmp_path / "known") and np.all([one.data_set for one in read_manifest(tmp_path / "known").files])
