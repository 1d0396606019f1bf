"""The files of one part of the ring, while they are written: nothing comes to its place before the part is whole.

What is in a file is told by a digest of its rows, in whatever order and by whatever version of Parquet they were written.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from scenarios.calendar import day_text
from store.analytics.data_sets import DATE, DATED, SCHEMAS
from store.columns import Integers

BUFFER_ROWS = 1_000_000  # of one part, over all files, before they are written: some 60 MB
DIGEST_LETTERS = 8  # of a file's content in its name
PARTIAL = ".partial"
_DATED = rf"(?:{'|'.join(DATED)})/{DATE}=\d{{4}}-\d{{2}}-\d{{2}}"
_UNDATED = "|".join(name for name in SCHEMAS if name not in DATED)
_PATH = rf"^(?:{_DATED}|{_UNDATED})/part-\d{{4,}}-[0-9a-f]{{8}}\.parquet$"  # no other place is read or emptied
_SEEDS = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)


class WarehouseFile(BaseModel):
    """One file: of a data set, a part of the ring and, of those that lie by it, a settlement date."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    path: str = Field(pattern=_PATH)  # below the warehouse
    data_set: str
    settlement_date: str | None = None
    part: int
    rows: int
    size: int  # [bytes]
    sha256: str  # of the file
    content: str  # of its rows, whatever file they are written to


@dataclass(frozen=True, slots=True, kw_only=True)
class PartWritten:
    """What the export of one part did: files that are new or other than before, files that are as they were; half-hours."""

    written: int
    unchanged: int
    rows: int


FileKey = tuple[str, str | None]  # data set, settlement date


@dataclass(slots=True, kw_only=True)
class Draft:
    """A file that is not in its place yet."""

    data_set: str
    settlement_date: str | None
    part: int
    path: Path
    writer: pq.ParquetWriter
    rows: int = 0
    digest: tuple[int, ...] = (0,) * len(_SEEDS)

    @property
    def content(self) -> str:
        return "".join(f"{one:016x}" for one in self.digest)

    def write(self, table: pa.Table) -> None:
        self.writer.write_table(table)
        self.rows += table.num_rows
        self.digest = tuple((one + other) % 2**64 for one, other in zip(self.digest, _digest_of(table), strict=True))

    def placed(self, folder: Path) -> WarehouseFile:
        """Move it to where its name says what is in it."""
        where = folder_of(self.data_set, self.settlement_date)
        name = f"part-{self.part:04d}-{self.content[:DIGEST_LETTERS]}.parquet"
        sha256, size = sha256_of(self.path), self.path.stat().st_size
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
    """Takes the rows of one part of the ring and divides them by data set and settlement date."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self.outcome = PartWritten(written=0, unchanged=0, rows=0)
        self._folder = folder
        self._drafts: dict[FileKey, Draft] = {}
        self._held: dict[FileKey, list[pa.RecordBatch]] = {}
        self._held_rows = 0

    def add(self, data_set: str, columns: Mapping[str, Integers], settlement_date: Integers | None = None) -> None:
        """Rows of a data set, int64[n] each: an instant as `<name>_ms`. settlement_date: days since 1970, where it lies by it."""
        assert (settlement_date is not None) == (data_set in DATED), f"{data_set}: by settlement date or not"
        if settlement_date is None:
            self._hold(data_set, None, columns)
        else:
            for date, rows in _by_date(settlement_date):
                self._hold(data_set, day_text(date), {name: column[rows] for name, column in columns.items()})
        if self._held_rows > BUFFER_ROWS:
            self._flush()

    def add_table(self, data_set: str, settlement_date: str | None, table: pa.Table) -> None:
        """Rows that are in a warehouse already."""
        self._draft(data_set, settlement_date).write(table)

    @property
    def touched(self) -> frozenset[FileKey]:
        """The files that were written to, or begun without a row."""
        return frozenset(self._drafts) | frozenset(self._held)

    def finish(self) -> Mapping[FileKey, Draft]:
        """All files of this part that have rows, closed and by data set and date; they are not in their places yet."""
        self._flush()
        for draft in self._drafts.values():
            draft.writer.close()
        return {(draft.data_set, draft.settlement_date): draft for draft in self._drafts.values() if draft.rows}

    def discard(self) -> None:
        """Close and take away what did not come to its place."""
        for draft in self._drafts.values():
            draft.writer.close()
            draft.path.unlink(missing_ok=True)

    def _hold(self, data_set: str, date: str | None, columns: Mapping[str, Integers]) -> None:
        schema = SCHEMAS[data_set]
        arrays = [
            pa.array(columns[f"{each.name}_ms" if pa.types.is_timestamp(each.type) else each.name], pa.int64()).cast(
                each.type
            )
            for each in schema
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
        self._held.setdefault((data_set, date), []).append(batch)
        self._held_rows += batch.num_rows

    def _flush(self) -> None:
        for (data_set, date), batches in self._held.items():
            self._draft(data_set, date).write(pa.Table.from_batches(batches, schema=SCHEMAS[data_set]))
        self._held.clear()
        self._held_rows = 0

    def _draft(self, data_set: str, date: str | None) -> Draft:
        if (data_set, date) not in self._drafts:
            folder = self._folder / folder_of(data_set, date)
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"part-{self.number:04d}{PARTIAL}"
            self._drafts[data_set, date] = Draft(
                data_set=data_set,
                settlement_date=date,
                part=self.number,
                path=path,
                writer=pq.ParquetWriter(path, SCHEMAS[data_set], compression="zstd"),
            )
        return self._drafts[data_set, date]


def folder_of(data_set: str, settlement_date: str | None) -> Path:
    """Where files of a data set lie, below the warehouse."""
    return Path(data_set) if settlement_date is None else Path(data_set, f"{DATE}={settlement_date}")


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _by_date(settlement_date: Integers) -> Iterator[tuple[int, Integers]]:
    """Each date, and the rows that have it."""
    order = np.argsort(settlement_date, kind="stable")
    dates, first = np.unique(settlement_date[order], return_index=True)
    yield from zip(dates.tolist(), np.split(order, first)[1:], strict=True)


def _digest_of(table: pa.Table) -> Iterator[int]:
    """A number for each seed, the sum of the rows' own: it does not matter in which order or which batches they came."""
    columns = [column.cast(pa.int64()).to_numpy().view(np.uint64) for column in table.columns]
    for seed in _SEEDS:
        rows: NDArray[np.uint64] = np.full(table.num_rows, seed, np.uint64)
        for column in columns:
            rows = _mixed(rows ^ _mixed(column + np.uint64(seed)))
        yield int(rows.sum(dtype=np.uint64))


def _mixed(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64: every bit of a value spread over all 64. Source: Steele, Lea, Flood, OOPSLA 2014."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
