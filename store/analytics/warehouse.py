"""A folder of Parquet that says what it holds: facts by settlement date, each file whole or not there, rewritten if changed.

`warehouse.json` is the word on it: of which keyspace, which parts of the ring are exported, and each file with its rows and
checksum. It is replaced whole, after the files that it names are there. A file that it does not name is what an interrupted
export left, and is taken away by the next one.

    half_hours/settlement_date=2026-01-15/part-0007-1f3a9c0b.parquet

Readers that know Hive's folders (DuckDB, Polars, Spark, pandas) find `settlement_date` as a column.
"""

import fcntl
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from store.analytics.data_sets import DATE, DATED, HALF_HOURS, HOMES_SCHEMA, SCHEMAS
from store.analytics.part_writer import PARTIAL, PartWriter, PartWritten, WarehouseFile, sha256_of
from store.columns import Integers, Piece

MANIFEST = "warehouse.json"
HOMES = "homes.parquet"  # what is known of each home: its region and its cohort
FORMAT = 1
WAREHOUSE_DIGEST_LETTERS = 16
ARRIVES_WITHIN_US = 6 * 3_600_000_000
"""After which a delivery that was taken in is in every data centre: hints are kept for 3 h, and handed over in a while."""
_LOCK = ".lock"


class WarehouseError(Exception):
    """A folder that is no warehouse, one of something else, or one that is not whole; the message says what to do."""


class ChangedFile(WarehouseError):
    """A file of a warehouse that is gone, of another size or with other bytes."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class WarehouseSource(_Part):
    """Which keyspace a warehouse is of."""

    keyspace: str
    design: str  # the name of its schema
    version: int
    time_zone: str
    slots_per_hour: int
    estate: str  # what tells one estate from another


class JournalMark(_Part):
    """How far the journal was at an instant."""

    as_of_us: int  # [us since the Unix epoch]
    batches: dict[int, int]  # writer -> its first batch that was not known to be taken in


class Manifest(_Part):
    """What `warehouse.json` says. pieces: (after, through) tokens of each part; done: parts that are exported as of `round`."""

    kind: str = "meterstorm warehouse"
    format: int = FORMAT
    source: WarehouseSource
    pieces: tuple[tuple[int, int], ...]
    done: tuple[int, ...] = ()
    round: int = 1  # grows with each export of the whole ring; 0 before the first
    marks: tuple[JournalMark, ...] = ()  # of the journal, the latest last; as far back as a renewal needs them
    is_renewal: bool = False  # what is left are changes alone: all parts have files
    as_of_us: int = 0  # when this round began [us since the Unix epoch]: all that was known by then is in it
    data_sets: tuple[str, ...] = (HALF_HOURS,)  # that are exported, with rows or without
    files: tuple[WarehouseFile, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Is every part of the ring exported in this round?"""
        return len(self.done) == len(self.pieces)

    def of(self, data_set: str) -> tuple[WarehouseFile, ...]:
        """The files of a data set."""
        return tuple(one for one in self.files if one.data_set == data_set)

    def digest(self, folder: Path) -> str:
        """Of all that it holds, and of which homes are similar."""
        lines = [f"{one.data_set} {one.settlement_date} {one.part} {one.content}" for one in self.files]
        told = "\n".join([*sorted(lines), sha256_of(folder / HOMES)])
        return hashlib.sha256(told.encode()).hexdigest()[:WAREHOUSE_DIGEST_LETTERS]

    def with_mark(self, batches: Mapping[int, int], as_of_us: int) -> tuple[JournalMark, ...]:
        """Its marks with a further one, and none that is older than the latest by which everything has arrived."""
        marks = (*self.marks, JournalMark(as_of_us=as_of_us, batches=dict(batches)))
        settled = [number for number, one in enumerate(marks) if one.as_of_us <= as_of_us - ARRIVES_WITHIN_US]
        return marks[max(settled, default=0) :]

    def rows_of(self, data_set: str = HALF_HOURS) -> int:
        """Of all files of a data set."""
        return sum(one.rows for one in self.of(data_set))


class Warehouse:
    """An export under way, which nobody else may write to until it is closed. Made by `begin`; read by `whole_warehouse`."""

    def __init__(self, folder: Path, manifest: Manifest, lock: int) -> None:
        self.folder, self.manifest = folder, manifest
        self._lock = lock  # a file descriptor: the kernel lets go of it however the process ends

    @classmethod
    def begin(
        cls,
        folder: Path,
        source: WarehouseSource,
        pieces: list[Piece],
        data_sets: tuple[str, ...] = (HALF_HOURS,),
        as_of_us: int = 0,
        journal: Mapping[int, int] | None = None,
    ) -> Self:
        """A new warehouse in an empty folder, an export that was interrupted, to go on, or the next round of one that is whole.

        What an interrupted export left and the manifest does not name is taken away. Raises WarehouseError for a folder that
        holds something else, and for one that another export writes to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        _require_room(folder)
        lock = _locked(folder)
        try:
            made = cls(folder, _next_round(folder, source, pieces, data_sets, as_of_us, journal or {}), lock)
            made._sweep()
            made._write()
        except BaseException:
            os.close(lock)
            raise
        return made

    @classmethod
    def renew(cls, folder: Path, source: WarehouseSource) -> Self:
        """A whole warehouse, or one whose renewal was interrupted, of which parts are to be written anew; see `stale`.

        Raises WarehouseError for what is neither, and as `begin`.
        """
        read_manifest(folder)  # before a lock is made in a folder that holds no warehouse
        lock = _locked(folder)
        try:
            held = read_manifest(folder)  # as whoever had the lock has left it
            _require_source(folder, held, source)
            _require_parts(folder, held)
            made = cls(folder, held, lock)
            made._sweep()
        except BaseException:
            os.close(lock)
            raise
        return made

    def stale(self, changed: Collection[int], data_sets: tuple[str, ...] = (HALF_HOURS,)) -> list[int]:
        """Say which parts have changed: until they are written again, and those that an interruption left, it is not whole.

        Other data sets than `data_sets` are left out from here on: they would be as of another instant.
        """
        left = {*changed, *(number for number, _ in self.left())}
        done = tuple(number for number in range(len(self.manifest.pieces)) if number not in left)
        update = {
            "done": done,
            "is_renewal": True,
            "round": self.manifest.round + 1,
            "data_sets": data_sets,
            "files": tuple(one for one in self.manifest.files if one.data_set in data_sets),
        }
        self.manifest = self.manifest.model_copy(update=update)
        self._write()
        self._sweep()  # after the manifest, which no longer names them
        return sorted(left)

    def renewed(self, journal: Mapping[int, int], as_of_us: int) -> None:
        """All that had changed is written: what the warehouse is as of now."""
        assert self.manifest.is_whole, "a part is left"
        update = {"marks": self.manifest.with_mark(journal, as_of_us), "as_of_us": as_of_us, "is_renewal": False}
        self.manifest = self.manifest.model_copy(update=update)
        self._write()

    def part_of(self, token: Integers) -> Integers:
        """The numbers of the parts that tokens are in: int64[n] -> int64[n]."""
        through = np.array([piece[1] for piece in self.manifest.pieces], np.int64)
        order = np.argsort(through)
        return order[np.searchsorted(through[order], token)]

    def close(self) -> None:
        """Let others write."""
        os.close(self._lock)

    def write_homes(self, homes: Iterable[pa.RecordBatch]) -> None:
        """Say where homes are and which are similar: batches of HOMES_SCHEMA, in place of what was said before."""
        draft = self.folder / (HOMES + PARTIAL)
        with pq.ParquetWriter(draft, HOMES_SCHEMA, compression="zstd") as writer:
            for batch in homes:
                writer.write_batch(batch)
        draft.replace(self.folder / HOMES)

    def left(self) -> Iterator[tuple[int, Piece]]:
        """The parts that this round has still to export, with their numbers."""
        for number in range(len(self.manifest.pieces)):
            if number not in self.manifest.done:
                yield number, self.piece(number)

    def piece(self, number: int) -> Piece:
        """Which part of the ring it is."""
        after, through = self.manifest.pieces[number]
        return Piece(after=after, through=through)

    @contextmanager
    def part(self, number: int, *, keeps: str | None = None) -> Iterator["PartWriter"]:
        """Write one part; it counts when the block ends without an error, and all of it at once.

        keeps: the data set whose files stay where the block does not write to them; all others of the part are gone then.
        """
        writer = PartWriter(self.folder, number)
        try:
            yield writer
            self._take_over(writer, keeps)
        finally:
            writer.discard()

    def _take_over(self, writer: "PartWriter", keeps: str | None) -> None:
        before = {
            (one.data_set, one.settlement_date): one
            for one in self.manifest.files
            if one.part == writer.number
            and not (one.data_set == keeps and (one.data_set, one.settlement_date) not in writer.touched)
        }
        files, written = [], 0
        for key, draft in writer.finish().items():
            held = before.get(key)
            if held is not None and held.content == draft.content and (self.folder / held.path).exists():
                files.append(held)
                continue
            files.append(draft.placed(self.folder))
            written += 1
        replaced = {one.path for one in before.values()}
        others = tuple(one for one in self.manifest.files if one.path not in replaced)
        gone = [one for one in before.values() if one.path not in {each.path for each in files}]
        self.manifest = self.manifest.model_copy(
            update={"files": (*others, *files), "done": (*self.manifest.done, writer.number)}
        )
        self._write()
        for one in gone:  # after the manifest, which no longer names them
            (self.folder / one.path).unlink(missing_ok=True)
        writer.outcome = PartWritten(
            written=written,
            unchanged=len(files) - written,
            rows=sum(one.rows for one in files if one.data_set == HALF_HOURS),
        )

    def _write(self) -> None:
        draft = self.folder / (MANIFEST + PARTIAL)
        draft.write_text(self.manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        draft.replace(self.folder / MANIFEST)

    def _sweep(self) -> None:
        named = {one.path for one in self.manifest.files}
        of_parts = (
            path
            for data_set in SCHEMAS
            for path in self.folder.glob(f"{data_set}/{DATE}=*/part-*" if data_set in DATED else f"{data_set}/part-*")
        )
        for path in (*of_parts, *(self.folder / f"{name}{PARTIAL}" for name in (HOMES, MANIFEST))):
            if path.relative_to(self.folder).as_posix() not in named:
                path.unlink(missing_ok=True)


def _locked(folder: Path) -> int:
    """A descriptor of the folder's lock. Raises WarehouseError where somebody has it."""
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise WarehouseError(f"another export writes to {folder}: wait for it, or name another folder") from error
    except OSError:  # a file system without locks
        pass
    return lock


def _next_round(
    folder: Path,
    source: WarehouseSource,
    pieces: list[Piece],
    data_sets: tuple[str, ...],
    as_of_us: int,
    journal: Mapping[int, int],
) -> Manifest:
    """What an export begins with: nothing, what is left of an interrupted one, or all of the ring once more."""
    if (folder / MANIFEST).exists():
        held = read_manifest(folder)
        _require_source(folder, held, source)
    else:
        parts = tuple((one.after, one.through) for one in pieces)
        held = Manifest(source=source, pieces=parts, round=0)
    # parts that are done have the data sets that they were begun with; of an interrupted renewal, what the journal named alone
    if held.round and not held.is_whole and held.data_sets == data_sets and not held.is_renewal:
        return held
    begun = {
        "round": held.round + 1 if held.is_whole or not held.round else held.round,
        "done": (),
        "data_sets": data_sets,
        "as_of_us": as_of_us,
        "marks": held.with_mark(journal, as_of_us),
        "is_renewal": False,
    }
    return held.model_copy(update=begun)


def _require_source(folder: Path, held: Manifest, source: WarehouseSource) -> None:
    if held.source != source:
        raise WarehouseError(
            f"{folder} holds {_told(held.source)}, and this export is of {_told(source)}: name a new folder"
        )


def require_renewable(folder: Path) -> None:
    """Raises WarehouseError for a folder that is no warehouse, or of which no part could be renewed."""
    _require_parts(folder, read_manifest(folder))


def require_no_other(folder: Path, keyspace: str, estate: str) -> None:
    """Raises WarehouseError for a folder with something else in it than the warehouse of this estate; it need not be there."""
    if not folder.exists():
        return
    _require_room(folder)
    if (folder / MANIFEST).exists() and ((held := read_manifest(folder).source).keyspace, held.estate) != (
        keyspace,
        estate,
    ):
        raise WarehouseError(
            f"{folder} holds {_told(held)}, and this export is of keyspace {keyspace}, estate {estate}: name a new folder"
        )


def _require_room(folder: Path) -> None:
    if not (folder / MANIFEST).exists() and {path.name for path in folder.iterdir()} - {_LOCK}:
        raise WarehouseError(f"{folder} holds something that is no warehouse: name a new folder")


def _require_parts(folder: Path, held: Manifest) -> None:
    if not (held.is_whole or held.is_renewal):
        raise WarehouseError(
            f"{folder} is half written, and has nothing that could be renewed: export all, it goes on from there"
        )


def read_manifest(folder: Path) -> Manifest:
    """What a warehouse says of itself. Raises WarehouseError for a folder without one, or with one that can't be read."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except NotADirectoryError as error:
        raise WarehouseError(f"{folder} is a file: name the folder of an export") from error
    except FileNotFoundError as error:
        raise WarehouseError(f"{folder} holds no warehouse: there is no {MANIFEST} in it") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise WarehouseError(f"{folder / MANIFEST} can't be read: it is no manifest of a warehouse") from error
    if manifest.format > FORMAT:
        raise WarehouseError(f"{folder} was written by a newer meterstorm (format {manifest.format}): use that one")
    return manifest


def whole_warehouse(folder: Path, *, verify: bool = False) -> Manifest:
    """The manifest of a warehouse that is whole. verify: read each file and hold it against its checksum.

    Raises WarehouseError for a half-written one, ChangedFile for a file that is missing, of another size or with other bytes.
    """
    manifest = read_manifest(folder)
    if not manifest.is_whole:
        raise WarehouseError(
            f"{folder} is half written: {len(manifest.done)} of {len(manifest.pieces)} parts of the ring are exported; run the "
            "export again, it goes on from there"
        )
    if not (folder / HOMES).is_file():
        raise WarehouseError(f"{folder / HOMES} is missing, which says where homes are: run the export again")
    for one in manifest.files:
        path = folder / one.path
        if not path.is_file() or path.stat().st_size != one.size or (verify and sha256_of(path) != one.sha256):
            raise ChangedFile(f"{path} is not the file that was exported: export into a new folder")
    return manifest


def files_of(folder: Path, manifest: Manifest, data_set: str) -> tuple[WarehouseFile, ...]:
    """The files of a data set; none where it is exported and has no rows.

    Raises WarehouseError for one that the export left out, and for a warehouse without a half-hour.
    """
    if data_set not in manifest.data_sets:
        raise WarehouseError(f"{folder} has no {data_set}: it was exported without, or its design keeps none")
    found = manifest.of(data_set)
    if data_set == HALF_HOURS and not found:
        raise WarehouseError(f"{folder} holds no half-hours: nothing was in the event log")
    return found


def _told(source: WarehouseSource) -> str:
    return f"keyspace {source.keyspace} ({source.design}, version {source.version}, {source.time_zone}, estate {source.estate})"
