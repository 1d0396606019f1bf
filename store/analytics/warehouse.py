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
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scenarios.calendar import day_text
from store.columns import Integers, Piece

MANIFEST = "warehouse.json"
HOMES = "homes.parquet"  # what is known of each home: its region and its cohort
FORMAT = 1
DATE = "settlement_date"
BUFFER_ROWS = 1_000_000  # of one part, over all dates, before they are written: some 60 MB
DIGEST_LETTERS = 8  # of a file's content in its name
_PARTIAL = ".partial"
_PATH = r"^half_hours/settlement_date=\d{4}-\d{2}-\d{2}/part-\d{4,}-[0-9a-f]{8}\.parquet$"  # no other place is read or emptied
_LOCK = ".lock"

SCHEMAS: Mapping[str, pa.Schema] = {
    "half_hours": pa.schema(
        [
            ("premises", pa.int64()),
            ("mpxn", pa.int64()),
            ("fuel", pa.int8()),
            ("settlement_period", pa.int16()),
            ("local_minute", pa.int16()),
            ("start", pa.timestamp("ms", "UTC")),
            ("wh", pa.int32()),
            ("quality", pa.int8()),
        ]
    ),
}
"""Data set -> its columns, but for the settlement date, which is in the folder's name."""

HOMES_SCHEMA = pa.schema([("premises", pa.int64()), ("region", pa.string()), ("cohort", pa.int32())])


class WarehouseError(Exception):
    """A folder that is no warehouse, one of something else, or one that is not whole; the message says what to do."""


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


class WarehouseFile(_Part):
    """One file: of a data set, a settlement date and a part of the ring."""

    path: str = Field(pattern=_PATH)  # below the warehouse
    data_set: str
    settlement_date: str
    part: int
    rows: int
    size: int  # [bytes]
    sha256: str  # of the file
    content: str  # of its rows, whatever file they are written to


class Manifest(_Part):
    """What `warehouse.json` says. pieces: (after, through) tokens of each part; done: parts that are exported as of `round`."""

    kind: str = "meterstorm warehouse"
    format: int = FORMAT
    source: WarehouseSource
    pieces: tuple[tuple[int, int], ...]
    done: tuple[int, ...] = ()
    round: int = 1  # grows with each export of the whole ring
    files: tuple[WarehouseFile, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Is every part of the ring exported in this round?"""
        return len(self.done) == len(self.pieces)

    @property
    def rows(self) -> int:
        """Of all files."""
        return sum(one.rows for one in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWritten:
    """What the export of one part did: files that are new or other than before, files that are as they were, rows of both."""

    written: int
    unchanged: int
    rows: int


class Warehouse:
    """An export under way, which nobody else may write to until it is closed. Made by `begin`; read by `whole_warehouse`."""

    def __init__(self, folder: Path, manifest: Manifest, lock: int) -> None:
        self.folder, self.manifest = folder, manifest
        self._lock = lock  # a file descriptor: the kernel lets go of it however the process ends

    @classmethod
    def begin(cls, folder: Path, source: WarehouseSource, pieces: list[Piece]) -> Self:
        """A new warehouse in an empty folder, an export that was interrupted, to go on, or the next round of one that is whole.

        What an interrupted export left and the manifest does not name is taken away. Raises WarehouseError for a folder that
        holds something else, and for one that another export writes to.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / MANIFEST).exists() and {path.name for path in folder.iterdir()} - {_LOCK}:
            raise WarehouseError(f"{folder} holds something that is no warehouse: name a new folder")
        lock = _locked(folder)
        try:
            made = cls(folder, _next_round(folder, source, pieces), lock)
            made._sweep()
            made._write()
        except BaseException:
            os.close(lock)
            raise
        return made

    def close(self) -> None:
        """Let others write."""
        os.close(self._lock)

    def write_homes(self, homes: Iterable[pa.RecordBatch]) -> None:
        """Say where homes are and which are similar: batches of HOMES_SCHEMA, in place of what was said before."""
        draft = self.folder / (HOMES + _PARTIAL)
        with pq.ParquetWriter(draft, HOMES_SCHEMA, compression="zstd") as writer:
            for batch in homes:
                writer.write_batch(batch)
        draft.replace(self.folder / HOMES)

    def left(self) -> Iterator[tuple[int, Piece]]:
        """The parts that this round has still to export, with their numbers."""
        for number, (after, through) in enumerate(self.manifest.pieces):
            if number not in self.manifest.done:
                yield number, Piece(after=after, through=through)

    @contextmanager
    def part(self, number: int) -> Iterator["PartWriter"]:
        """Write one part; it counts when the block ends without an error, and all of it at once."""
        writer = PartWriter(self.folder, number)
        try:
            yield writer
            self._take_over(writer)
        finally:
            writer.discard()

    def _take_over(self, writer: "PartWriter") -> None:
        before = {(one.data_set, one.settlement_date): one for one in self.manifest.files if one.part == writer.number}
        files, written = [], 0
        for key, draft in writer.finish().items():
            held = before.get(key)
            if held is not None and held.content == draft.content and (self.folder / held.path).exists():
                files.append(held)
                continue
            files.append(draft.placed(self.folder))
            written += 1
        others = tuple(one for one in self.manifest.files if one.part != writer.number)
        gone = [one for one in before.values() if one.path not in {each.path for each in files}]
        self.manifest = self.manifest.model_copy(
            update={"files": (*others, *files), "done": (*self.manifest.done, writer.number)}
        )
        self._write()
        for one in gone:  # after the manifest, which no longer names them
            (self.folder / one.path).unlink(missing_ok=True)
        writer.outcome = PartWritten(
            written=written, unchanged=len(files) - written, rows=sum(one.rows for one in files)
        )

    def _write(self) -> None:
        draft = self.folder / (MANIFEST + _PARTIAL)
        draft.write_text(self.manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        draft.replace(self.folder / MANIFEST)

    def _sweep(self) -> None:
        named = {one.path for one in self.manifest.files}
        of_parts = (path for data_set in SCHEMAS for path in self.folder.glob(f"{data_set}/{DATE}=*/part-*"))
        for path in (*of_parts, *(self.folder / f"{name}{_PARTIAL}" for name in (HOMES, MANIFEST))):
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


def _next_round(folder: Path, source: WarehouseSource, pieces: list[Piece]) -> Manifest:
    """What an export begins with: nothing, what is left of an interrupted one, or all of the ring once more."""
    if not (folder / MANIFEST).exists():
        return Manifest(source=source, pieces=tuple((one.after, one.through) for one in pieces))
    held = read_manifest(folder)
    if held.source != source:
        raise WarehouseError(
            f"{folder} holds {_told(held.source)}, and this export is of {_told(source)}: name a new folder"
        )
    return held.model_copy(update={"round": held.round + 1, "done": ()}) if held.is_whole else held


def read_manifest(folder: Path) -> Manifest:
    """What a warehouse says of itself. Raises WarehouseError for a folder without one, or with one that can't be read."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WarehouseError(f"{folder} holds no warehouse: there is no {MANIFEST} in it") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise WarehouseError(f"{folder / MANIFEST} can't be read: it is no manifest of a warehouse") from error
    if manifest.format > FORMAT:
        raise WarehouseError(f"{folder} was written by a newer meterstorm (format {manifest.format}): use that one")
    return manifest


def whole_warehouse(folder: Path, *, verify: bool = False) -> Manifest:
    """The manifest of a warehouse that is whole. verify: read each file and hold it against its checksum.

    Raises WarehouseError for a half-written one, and for files that are missing, of another size or with other bytes.
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
        if not path.is_file() or path.stat().st_size != one.size or (verify and _sha256(path) != one.sha256):
            raise WarehouseError(f"{path} is not the file that was exported: export into a new folder")
    return manifest


@dataclass(slots=True, kw_only=True)
class _Draft:
    """A file that is not in its place yet."""

    data_set: str
    settlement_date: str
    part: int
    path: Path
    writer: pq.ParquetWriter
    rows: int = 0
    hashed: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def content(self) -> str:
        return self.hashed.hexdigest()

    def placed(self, folder: Path) -> WarehouseFile:
        """Move it to where its name says what is in it."""
        where = Path(self.data_set, f"{DATE}={self.settlement_date}")
        name = f"part-{self.part:04d}-{self.content[:DIGEST_LETTERS]}.parquet"
        sha256, size = _sha256(self.path), self.path.stat().st_size
        self.path.replace(folder / where / name)
        return WarehouseFile(
            path=(where / name).as_posix(),
            data_set=self.data_set,
            settlement_date=self.settlement_date,
            part=self.part,
            rows=self.rows,
            size=size,
            sha256=sha256,
            content=self.content,
        )


class PartWriter:
    """Takes the rows of one part of the ring, in their order, and divides them by settlement date."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self.outcome = PartWritten(written=0, unchanged=0, rows=0)
        self._folder = folder
        self._drafts: dict[tuple[str, int], _Draft] = {}
        self._held: dict[tuple[str, int], list[pa.RecordBatch]] = {}
        self._held_rows = 0

    def add(self, data_set: str, settlement_date: Integers, columns: Mapping[str, Integers]) -> None:
        """Rows of a data set: int64[n] each; `start_ms` is told as `start`."""
        schema = SCHEMAS[data_set]
        names = [name if name != "start" else "start_ms" for name in schema.names]
        order = np.argsort(settlement_date, kind="stable")
        dates, first = np.unique(settlement_date[order], return_index=True)
        for date, rows in zip(dates.tolist(), np.split(order, first)[1:], strict=True):
            arrays = [
                pa.array(columns[name][rows], type=pa.int64()).cast(each.type)
                for name, each in zip(names, schema, strict=True)
            ]
            self._held.setdefault((data_set, date), []).append(pa.RecordBatch.from_arrays(arrays, schema=schema))
        self._held_rows += len(settlement_date)
        if self._held_rows > BUFFER_ROWS:
            self._flush()

    def finish(self) -> Mapping[tuple[str, str], _Draft]:
        """All files of this part, closed and by (data set, settlement date); they are not in their places yet."""
        self._flush()
        for draft in self._drafts.values():
            draft.writer.close()
        return {(draft.data_set, draft.settlement_date): draft for draft in self._drafts.values()}

    def discard(self) -> None:
        """Close and take away what did not come to its place."""
        for draft in self._drafts.values():
            draft.writer.close()
            draft.path.unlink(missing_ok=True)

    def _flush(self) -> None:
        for (data_set, date), batches in self._held.items():
            draft = self._drafts.get((data_set, date)) or self._begin(data_set, date)
            table = pa.Table.from_batches(batches, schema=SCHEMAS[data_set])
            draft.hashed.update(_row_bytes(table))
            draft.writer.write_table(table)
            draft.rows += table.num_rows
        self._held.clear()
        self._held_rows = 0

    def _begin(self, data_set: str, date: int) -> _Draft:
        told = day_text(date)
        folder = self._folder / data_set / f"{DATE}={told}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"part-{self.number:04d}{_PARTIAL}"
        draft = _Draft(
            data_set=data_set,
            settlement_date=told,
            part=self.number,
            path=path,
            writer=pq.ParquetWriter(path, SCHEMAS[data_set], compression="zstd"),
        )
        self._drafts[data_set, date] = draft
        return draft


def _row_bytes(table: pa.Table) -> bytes:
    """The rows one after the other, so that it does not matter in which batches they came."""
    return np.rec.fromarrays([column.to_numpy() for column in table.columns]).tobytes()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _told(source: WarehouseSource) -> str:
    return f"keyspace {source.keyspace} ({source.design}, version {source.version}, {source.time_zone}, estate {source.estate})"
