"""A warehouse renewed by the journal equals one that was exported whole, file by file, and reads what has changed alone."""

import contextlib
import itertools
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US
from store.analytics import warehouse
from store.analytics.bills import BillReader
from store.analytics.changes import Renewed, renew
from store.analytics.commands import CommandReader
from store.analytics.data_sets import COMMAND_SETS, COMMANDS, HALF_HOURS
from store.analytics.duck import run_job
from store.analytics.export import export
from store.analytics.jobs import BILLING_CHECK, RECONCILE
from store.analytics.warehouse import Warehouse, WarehouseError, read_manifest, whole_warehouse
from store.columns import Page, Piece, integers, take
from store.memory import MemoryStore
from store.operations import StoreOperation
from store.ports import Slices, StoreError
from store.readings.across import Projection
from store.readings.journal import first_journalled
from store.readings.projector import Projector
from store.roles import TableRole
from store.tables import Table, kept_s
from store.tariffs import ELECTRICITY
from tests.support.store_deliveries import BOOK, DAYS, HOMES, Delivery, deliveries, send
from tests.unit.store.analytics.test_reconcile import DEVICES, Head, commanded
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

    def renew(
        self,
        folder: Path,
        as_of_us: int = LATER_US,
        writers: Sequence[int] = (WRITER,),
        slices: Slices | None = None,
    ) -> Renewed:
        return renew(
            self.store,
            slices or self.store.statements,
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
    assert read_manifest(folder / "renewed").marks[-1] == read_manifest(folder / "whole").marks[-1]
    assert done.manifest.as_of_us == LATER_US
    again = estate.renew(folder / "renewed", LATER_US + DAY_US)
    assert again.files_written == 0
    quiet = estate.renew(folder / "renewed", LATER_US + 2 * DAY_US)  # all was taken in long before the last time
    assert (quiet.days, quiet.rows_read, quiet.files_written) == (0, 0, 0)


def test_it_reads_what_has_changed_and_no_more(tmp_path: Path) -> None:
    """2 % of a day's uploads come late: the rows that are read are those that came, or a fifth more at most."""
    homes, late = 100, {17, 61}
    day = [Delivery(home=home, fuel=ELECTRICITY, slot=0, values_wh=tuple(range(48))) for home in range(homes)]
    estate = Estate([one for one in day if one.home not in late])
    for as_of_us in (AS_OF_US - DAY_US, AS_OF_US):  # by the second all has arrived that the first may have missed
        estate.export(tmp_path, as_of_us)
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


def test_commands_are_read_whole_beside_and_bills_are_left_out(tmp_path: Path) -> None:
    estate, head, devices = Estate(UPLOADS), commanded(Head()), [*DEVICES]
    first = estate.store.bulk.pieces()[0]
    commands = CommandReader(head.tables, lambda piece: iter(devices if piece == first else ()))
    told: dict[str, Any] = {"keyspace": "k", "estate": "e", "writers": [WRITER]}
    bills = BillReader(estate.store, lambda _: 0)
    renewed, whole = tmp_path / "renewed", tmp_path / "whole"
    export(estate.store, renewed, homes=homes_of(), as_of_us=AS_OF_US, beside=[bills, commands], **told)

    def as_of(now_us: int) -> Renewed:
        shutil.rmtree(whole, ignore_errors=True)
        export(estate.store, whole, homes=homes_of(), as_of_us=now_us, beside=[commands], **told)
        done = renew(estate.store, estate.store.statements, renewed, as_of_us=now_us, beside=[commands], **told)
        files = [
            {
                (one.data_set, one.settlement_date, one.part, one.content)
                for one in whole_warehouse(each, verify=True).files
            }
            for each in (renewed, whole)
        ]
        assert files[0] == files[1]
        assert run_job(renewed, RECONCILE) == run_job(whole, RECONCILE)
        return done

    done = as_of(LATER_US)
    assert done.files_written == 0 and set(done.manifest.data_sets) == {HALF_HOURS, *COMMAND_SETS}
    with pytest.raises(WarehouseError, match="has no bills: it was exported without"):
        run_job(renewed, BILLING_CHECK)
    head.ask(101, 7)
    estate.deliver([Delivery(home=1, fuel=ELECTRICITY, slot=50, values_wh=(777,), revision=1, is_sent=False)])
    assert as_of(LATER_US + DAY_US).files_written == 3  # a date's half-hours, commands, states of devices
    devices.clear()  # they have expired
    assert as_of(LATER_US + 2 * DAY_US).manifest.rows_of(COMMANDS) == 0


class Elsewhere:
    """What another data centre has of a store: the log without some rows, which are on their way."""

    def __init__(self, estate: Estate, homes: set[int]) -> None:
        self._statements, self._homes = estate.store.statements, homes
        self._table = SCHEMA.table(TableRole.EVENT_LOG)

    def pieces(self) -> Iterator[Piece]:
        return self._statements.pieces()

    def scan(self, table: Table, columns: Sequence[str], piece: Piece) -> Iterator[Page]:
        return map(partial(self._arrived, table), self._statements.scan(table, columns, piece))

    def slices(self, table: Table, columns: Sequence[str], asked: Page) -> Iterator[Page]:
        return map(partial(self._arrived, table), self._statements.slices(table, columns, asked))

    def _arrived(self, table: Table, page: Page) -> Page:
        if table != self._table or not page:
            return page
        return take(page, ~np.isin(integers(page, "premises"), list(self._homes)))


@pytest.mark.parametrize("read_by", ["export", "renewal"])
def test_what_was_on_its_way_when_the_log_was_read_is_read_later(tmp_path: Path, read_by: str) -> None:
    """A row that the journal's watermark is past, and that the data centre gets by a hint after it was read."""
    estate, hour_us = Estate(UPLOADS[:-1] if read_by == "renewal" else UPLOADS), 3_600_000_000
    bulk, elsewhere = estate.store.bulk, Elsewhere(estate, {UPLOADS[-1].home})
    for days_ago in (3, 2):  # a mark from when all had arrived
        estate.export(tmp_path / "renewed", AS_OF_US - days_ago * DAY_US)
    estate.deliver([UPLOADS[-1]])
    estate.store.bulk = elsewhere
    if read_by == "export":
        shutil.rmtree(tmp_path / "renewed")
        estate.export(tmp_path / "renewed")
    else:
        estate.renew(tmp_path / "renewed", AS_OF_US, slices=elsewhere)
    estate.store.bulk = bulk  # the hint has come
    estate.export(tmp_path / "whole", AS_OF_US)
    assert contents_of(tmp_path / "renewed") != contents_of(tmp_path / "whole")
    for hours in (1, 3, 7):  # the first of them is enough, and later ones look once more
        done = estate.renew(tmp_path / "renewed", AS_OF_US + hours * hour_us)
        assert done.days and contents_of(tmp_path / "renewed") == contents_of(tmp_path / "whole")
    estate.renew(tmp_path / "renewed", AS_OF_US + 14 * hour_us)
    assert estate.renew(tmp_path / "renewed", AS_OF_US + 21 * hour_us).days == 0  # and then no more
    assert len(read_manifest(tmp_path / "renewed").marks) == 2


def test_days_are_read_again_as_far_back_as_the_journal_goes(tmp_path: Path) -> None:
    """Buckets of a few batches, of which the oldest are gone, as they are after their days."""
    journal = SCHEMA.table(TableRole.JOURNAL)
    estate = Estate()
    for batch in range(3 * journal.bucket_size):
        values = {"writer": WRITER, "bucket": batch // journal.bucket_size, "batch_number": batch}
        if batch >= journal.bucket_size + 5:
            estate.store.runner.run(
                StoreOperation.JOURNAL_BATCH,
                values | {"started_at": 0, "meters": [0], "epoch_days": [1], "write_us": 1},
            )
    last = 3 * journal.bucket_size
    for batch, not_before, first in (
        (last, 0, journal.bucket_size + 5),
        (last, last - 7, last - 7),
        (last - 3, 2 * journal.bucket_size, 2 * journal.bucket_size),
        (journal.bucket_size, 0, journal.bucket_size),  # none is left before
        (0, 0, 0),
    ):
        assert first_journalled(estate.store.runner, WRITER, batch, not_before) == first, (batch, not_before)


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
    assert read_manifest(tmp_path / "exported").as_of_us == LATER_US


def test_an_export_after_an_interrupted_renewal_reads_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The renewal's half-hours alone, and what a storm has sent since, which no journal names."""
    estate = Estate(UPLOADS)
    told: dict[str, Any] = {"keyspace": "k", "estate": "e", "writers": [WRITER]}
    export(estate.store, tmp_path, homes=homes_of(), as_of_us=AS_OF_US, **told)
    before = contents_of(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Warehouse, "_take_over", full_disk)
        with pytest.raises(OSError, match="the disk is full"):
            estate.renew(tmp_path)
    for home in range(HOMES):
        send(estate.store, Delivery(home=home, fuel=ELECTRICITY, slot=6, values_wh=(1,), revision=1, is_sent=False))
    done = export(estate.store, tmp_path, homes=homes_of(), as_of_us=LATER_US, **told)
    assert done.parts == len(done.manifest.pieces) and contents_of(tmp_path) != before
    assert done.manifest.as_of_us == LATER_US and not done.manifest.is_renewal
    export(estate.store, tmp_path / "new", homes=homes_of(), as_of_us=LATER_US, **told)
    assert contents_of(tmp_path) == contents_of(tmp_path / "new")


def test_a_renewal_goes_on_from_what_the_export_before_it_has_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other export lets go of its lock while the renewal comes by."""
    estate = Estate(UPLOADS)
    estate.export(tmp_path)
    source, locked = read_manifest(tmp_path).source, warehouse._locked

    def let_go_of(folder: Path) -> int:
        with monkeypatch.context() as patch:
            patch.setattr(warehouse, "_locked", locked)
            estate.export(folder, LATER_US)
        return locked(folder)

    monkeypatch.setattr(warehouse, "_locked", let_go_of)
    with contextlib.closing(Warehouse.renew(tmp_path, source)) as renewed:
        assert renewed.manifest == read_manifest(tmp_path) and renewed.manifest.as_of_us == LATER_US


def full_disk(*_: object, **__: object) -> None:
    raise OSError("the disk is full")


def test_what_the_journal_can_not_tell_is_refused(tmp_path: Path) -> None:
    estate = Estate(UPLOADS)
    kept_days = (kept_s(SCHEMA.table(TableRole.JOURNAL)) or 0) // 86_400
    estate.export(tmp_path / "known")
    export(estate.store, tmp_path / "unknown", keyspace="k", estate="e", homes=homes_of(), as_of_us=AS_OF_US)
    before = contents_of(tmp_path / "known")
    for folder, said, change in (
        ("unknown", "does not say how far the journal was", {}),
        ("known", "does not say how far the journal was", {"writers": [WRITER, 4]}),
        (
            "known",
            f"the journal goes back {kept_days} days: export all",
            {"as_of_us": AS_OF_US + (kept_days - 1) * DAY_US},
        ),
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
    assert contents_of(tmp_path / "known") == before
    assert {one.data_set for one in read_manifest(tmp_path / "known").files} == {HALF_HOURS}
