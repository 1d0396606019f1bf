"""What a run recorded, second by second: the folder `history/`, its writer, its reader, and the merge of shards.

Rules that hold here:
- Seconds count from the wall start of the storm. `offered` stands in the second in which operations were due, all else
  in the second in which it was completed; so a second's `offered` and `attempted` may differ with nothing missing.
- Files are only ever added to, and flushed each second: a run that was killed leaves a history that can still be read,
  up to its last whole line. Rows of the same second and operation add up.
- Latencies are histogram counts in microseconds (`loadtests.recording.histograms`, whose names are given on here).
- A histogram log's stamps are those seconds. Its StartTime and BaseTime are the storm's wall start, so that the standard
  log processors take a time window from there, and not from the first second in which an operation had any answer.
- Nothing else of `loadtests` is imported here: `reports` reads histories through this module alone.
"""

import csv
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from datetime import UTC, datetime
from heapq import merge as merge_sorted
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, NamedTuple, Self

import numpy as np
from hdrh.histogram import HdrHistogram

from loadtests.recording.histograms import (
    COUNTS_SIZE,
    HALF_BUCKET_BITS,
    UPPER_EDGES_US,
    VALUE_US_MAX,
    Counts,
    counts_of,
    counts_of_encoded,
    histogram_of,
    lower_edge_us,
    percentiles_us,
)
from scenarios.spec import ScenarioError
from scenarios.texts.outside import WIDE, UnreadableText, no_text, why_refused

__all__ = [
    "COUNTS_SIZE",
    "HALF_BUCKET_BITS",
    "INTERVALS_NAME",
    "UPPER_EDGES_US",
    "VALUE_US_MAX",
    "Counts",
    "DcOutcomes",
    "ErrorCount",
    "HistoryWriter",
    "NodeSample",
    "OutcomesByDc",
    "RunHistory",
    "SecondCounts",
    "counts_of",
    "histogram_of",
    "lower_edge_us",
    "merge_histories",
    "percentiles_us",
    "read_history",
    "wall_s_of",
]

INTERVALS_NAME = "intervals.csv"  # the file that each history has
DCS_NAME = "dcs.csv"


class SecondCounts(NamedTuple):
    """How many operations of one kind were due in a second, and what became of those that completed in it."""

    offered: int
    attempted: int
    ok: int
    failed: int
    indeterminate: int
    retries: int


NO_COUNTS = SecondCounts(0, 0, 0, 0, 0, 0)


class DcOutcomes(NamedTuple):
    """What became of the operations of one data centre's homes that completed in a second."""

    ok: int
    failed: int
    indeterminate: int


OutcomesByDc = Mapping[str, Mapping[str, DcOutcomes]]
"""By operation, and by the data centre of its home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSample:
    """One look at one Cassandra node. `cpu_share` is in cores; GC figures are of the time since the sample before."""

    second: int
    node: str
    dc: str
    cpu_share: float
    rss_bytes: int
    disk_bytes: int
    gc_pause_ms: float
    gc_count: int
    sstable_count: int | None  # None: a run of before it was counted


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCount:
    """How many operations ended as `outcome` (failed or indeterminate) for the reason `kind`."""

    operation: str
    outcome: str
    kind: str
    count: int


# --- writing ----------------------------------------------------------------------------------------------------------


class HistoryWriter:
    """Writes one shard's history into a folder of its own; a second that was written is on its way to the disk.

    Raises FileExistsError when the folder already holds a history: what was recorded is never written over.
    The sampler of the nodes has no operations: it keeps a folder with `operations=()`, and `merge_histories` adds it.
    `started_at_s`: the storm's wall start [s since the epoch]; may be set until the first second is written. Without it
    the histogram logs count from 1970, and time windows relative to their start are right all the same.
    """

    def __init__(self, folder: Path, operations: Sequence[str], *, started_at_s: float = 0.0) -> None:
        self.folder = folder
        self.operations = tuple(operations)
        self.started_at_s = started_at_s
        self._files: dict[str, IO[str]] = {}
        self._second_last = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._csv(INTERVALS_NAME, ("second", "operation", *SecondCounts._fields))

    def write_second(
        self,
        second: int,
        counts: Mapping[str, SecondCounts],
        response_counts: Mapping[str, Counts],
        service_counts: Mapping[str, Counts],
        lateness_counts: Counts,
        by_dc: OutcomesByDc = MappingProxyType({}),
        earliest_counts: Mapping[str, Counts] = MappingProxyType({}),
    ) -> None:
        """Record one second: counts and int64[COUNTS_SIZE] histograms [us] by operation, and the lateness of all sends.

        earliest_counts: the response times without all that may have been the sender's doing.

        Takes about 0.5 ms a histogram (2-core machine, 2026-11): not for a thread that has a tick to keep.
        Seconds come in order; one may come again, and then adds up. An operation that is absent from a mapping had
        nothing in this second. Raises KeyError for an operation that the writer was not made for.
        """
        assert second >= self._second_last, "seconds of a history go back"
        self._second_last = second
        for name in (*counts, *response_counts, *service_counts, *earliest_counts):
            if name not in self.operations:
                raise KeyError(f"operation {name!r} is not among the history's {self.operations}")
        rows = [(second, name, *(int(count) for count in counts.get(name, NO_COUNTS))) for name in self.operations]
        csv.writer(self._files[INTERVALS_NAME], lineterminator="\n").writerows(rows)
        if by_dc:
            self._write_dcs(second, by_dc)
        for name, histogram in response_counts.items():
            self._log_line(f"{name}.response.hlog", second, histogram)
        for name, histogram in service_counts.items():
            self._log_line(f"{name}.service.hlog", second, histogram)
        for name, histogram in earliest_counts.items():
            self._log_line(f"{name}.earliest.hlog", second, histogram)
        self._log_line("lateness.hlog", second, lateness_counts)
        for file in self._files.values():
            file.flush()

    def _write_dcs(self, second: int, by_dc: OutcomesByDc) -> None:
        file = self._csv(DCS_NAME, ("second", "operation", "dc", *DcOutcomes._fields))
        csv.writer(file, lineterminator="\n").writerows(
            (second, operation, dc, *counts)
            for operation, dcs in by_dc.items()
            for dc, counts in dcs.items()
            if any(counts)
        )

    def write_nodes(self, samples: Iterable[NodeSample]) -> None:
        """Add samples of the Cassandra nodes."""
        self._rows("nodes.csv", NodeSample, samples)

    def write_errors(self, rows: Iterable[ErrorCount]) -> None:
        """Add counts of errors; counts of the same operation, outcome and kind add up when they are read."""
        self._rows("errors.csv", ErrorCount, rows)

    def close(self) -> None:
        """Force everything to the disk and close the files. Closing twice is harmless."""
        for file in self._files.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        self._files.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, name: str) -> IO[str]:
        file = self._files[name] = (self.folder / name).open("x", encoding="utf-8", newline="")
        return file

    def _csv(self, name: str, header: Iterable[str]) -> IO[str]:
        if name not in self._files:
            self._open(name).write(",".join(header) + "\n")
        return self._files[name]

    def _rows(self, name: str, row_type: type, rows: Iterable[Any]) -> None:
        file = self._csv(name, (field.name for field in fields(row_type)))
        csv.writer(file, lineterminator="\n").writerows(astuple(row) for row in rows)
        file.flush()

    def _log_line(self, name: str, second: int, counts: Counts) -> None:
        if not counts.any():
            return  # a standard log has no line for an interval in which nothing was measured
        if name not in self._files:
            self._open(name).write(_log_header(self.started_at_s))
        self._files[name].write(_log_line(second, counts))


def wall_s_of(monotonic_ns: int) -> float:
    """An instant of `time.monotonic_ns` on the wall clock [s since the epoch], as the two clocks stand now."""
    return time.time() - (time.monotonic_ns() - monotonic_ns) / 1e9


_START_TIME = "#[StartTime: "


def _log_header(started_at_s: float) -> str:
    """The lines before the first interval. Source: HdrHistogram's HistogramLogWriter, format 1.2.

    The Python library's writer is not used: its `output_start_time` raises AttributeError, and it cuts each interval's
    maximum down to whole milliseconds (hdrhistogram 0.10.8).
    """
    at = datetime.fromtimestamp(started_at_s, UTC).isoformat(sep=" ", timespec="milliseconds")
    return (
        "#[Values in microseconds; timestamps in seconds since the storm's wall start]\n"
        "#[Histogram log format version 1.2]\n"
        f"{_START_TIME}{started_at_s:.3f} (seconds since epoch), {at}]\n"
        f"#[BaseTime: {started_at_s:.3f} (seconds since epoch)]\n"
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
    )


def _log_line(second: int, counts: Counts) -> str:
    """One interval of a second; its maximum in milliseconds."""
    histogram = histogram_of(counts)
    return f"{second:.3f},1.000,{histogram.get_max_value() / 1_000:.3f},{histogram.encode().decode()}\n"


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHistory:
    """A recorded run. Counts, nodes and errors are in memory; histograms are read from the disk when asked for.

    seconds: int64[t], 0 ... t-1 without a gap; counts: operation -> column of SecondCounts -> int64[t]; by_dc: operation ->
    data centre of its homes -> column of DcOutcomes -> int64[t], of what the senders sent.
    """

    folder: Path
    seconds: Counts
    operations: tuple[str, ...]
    counts: dict[str, dict[str, Counts]]
    nodes: list[NodeSample]
    errors: list[ErrorCount]
    by_dc: dict[str, dict[str, dict[str, Counts]]] = field(default_factory=dict)

    def response_counts(self, operation: str) -> Iterator[tuple[int, Counts]]:
        """(second, int64[COUNTS_SIZE]) of the response times, one at a time: a long run would not fit in memory."""
        return _read_log(self.folder / f"{operation}.response.hlog")

    def service_counts(self, operation: str) -> Iterator[tuple[int, Counts]]:
        """Like `response_counts`, of the service times."""
        return _read_log(self.folder / f"{operation}.service.hlog")

    def earliest_counts(self, operation: str) -> Iterator[tuple[int, Counts]]:
        """Like `response_counts`, without all that may have been the sender's doing; nothing where it was not measured."""
        return _read_log(self.folder / f"{operation}.earliest.hlog")

    def lateness_counts(self) -> Iterator[tuple[int, Counts]]:
        """Like `response_counts`, of the lateness of all sends."""
        return _read_log(self.folder / "lateness.hlog")

    def response(self, operation: str) -> list[tuple[int, HdrHistogram]]:
        """(second, library histogram) of the response times; about 0.2 MB for each second."""
        return [(second, histogram_of(counts)) for second, counts in self.response_counts(operation)]

    def service(self, operation: str) -> list[tuple[int, HdrHistogram]]:
        """Like `response`, of the service times."""
        return [(second, histogram_of(counts)) for second, counts in self.service_counts(operation)]

    def lateness(self) -> list[tuple[int, HdrHistogram]]:
        """Like `response`, of the lateness of all sends."""
        return [(second, histogram_of(counts)) for second, counts in self.lateness_counts()]


def read_history(folder: Path) -> RunHistory:
    """Read a history folder; files but intervals.csv may be absent. Raises FileNotFoundError when that one is, and ScenarioError
    for what no storm has written."""
    try:
        return _read_history(folder)
    except (ValueError, KeyError, TypeError, OverflowError, csv.Error) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else why_refused(error)
        raise ScenarioError(
            f"{folder}: the history can't be read: {why}; was a file of it edited or converted?"
        ) from error


def _read_history(folder: Path) -> RunHistory:
    rows = [
        (int(row["second"]), row["operation"], [int(row[column]) for column in SecondCounts._fields])
        for row in _read_csv(folder / INTERVALS_NAME)
    ]
    operations = tuple(dict.fromkeys(operation for _, operation, _ in rows))
    second_count = max((second for second, _, _ in rows), default=-1) + 1
    counts = {
        operation: {column: np.zeros(second_count, dtype=np.int64) for column in SecondCounts._fields}
        for operation in operations
    }
    for second, operation, row in rows:
        for column, count in zip(SecondCounts._fields, row, strict=True):
            counts[operation][column][second] += count
    return RunHistory(
        folder=folder,
        seconds=np.arange(second_count, dtype=np.int64),
        operations=operations,
        counts=counts,
        by_dc=_read_dcs(folder / DCS_NAME, second_count),
        nodes=_read_nodes(folder / "nodes.csv"),
        errors=_read_errors(folder / "errors.csv"),
    )


def _read_dcs(path: Path, second_count: int) -> dict[str, dict[str, dict[str, Counts]]]:
    by_dc: dict[str, dict[str, dict[str, Counts]]] = {}
    for row in _read_csv(path) if path.exists() else ():
        dcs = by_dc.setdefault(row["operation"], {})
        if row["dc"] not in dcs:
            dcs[row["dc"]] = {column: np.zeros(second_count, np.int64) for column in DcOutcomes._fields}
        for column in DcOutcomes._fields:
            dcs[row["dc"]][column][int(row["second"])] += int(row[column])
    return by_dc


def _whole_lines(path: Path) -> Iterator[str]:
    """Lines that end in a newline; a killed run may have left half of one more, which is no record."""
    with path.open("rb") as content:
        head = content.read(4)
        if what := no_text(head):
            raise UnreadableText(f"{path.name} is {what}")
        if head[:2] in WIDE:
            raise UnreadableText(f"{path.name} is text in UTF-16")
    with path.open(encoding="utf-8", newline="") as file:
        yield from (line for line in file if line.endswith("\n"))


def _read_csv(path: Path) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(_whole_lines(path))


def _read_nodes(path: Path) -> list[NodeSample]:
    if not path.exists():
        return []
    return [
        NodeSample(
            second=int(row["second"]),
            node=row["node"],
            dc=row["dc"],
            cpu_share=float(row["cpu_share"]),
            rss_bytes=int(row["rss_bytes"]),
            disk_bytes=int(row["disk_bytes"]),
            gc_pause_ms=float(row["gc_pause_ms"]),
            gc_count=int(row["gc_count"]),
            sstable_count=int(row["sstable_count"]) if row.get("sstable_count") else None,
        )
        for row in _read_csv(path)
    ]


def _read_errors(path: Path) -> list[ErrorCount]:
    if not path.exists():
        return []
    totals: dict[tuple[str, str, str], int] = {}
    for row in _read_csv(path):
        key = (row["operation"], row["outcome"], row["kind"])
        totals[key] = totals.get(key, 0) + int(row["count"])
    return [
        ErrorCount(operation=operation, outcome=outcome, kind=kind, count=count)
        for (operation, outcome, kind), count in totals.items()
    ]


def _read_log(path: Path) -> Iterator[tuple[int, Counts]]:
    """(second, counts) of each line of a histogram log, in its order; nothing for a file that does not exist."""
    if not path.exists():
        return
    for line in _whole_lines(path):
        if line[0].isdigit():
            start, _, _, payload = line.rstrip().split(",", 3)
            yield round(float(start)), counts_of_encoded(payload)


# --- merging ----------------------------------------------------------------------------------------------------------


def merge_histories(parts: Sequence[Path], folder: Path) -> None:
    """Add several shards' histories up into `folder`, without loss; holds one second of each shard in memory at a time.

    Raises FileExistsError when `folder` already holds a history, FileNotFoundError when a part holds none.
    """
    histories = [read_history(part) for part in parts]
    operations = tuple(dict.fromkeys(name for history in histories for name in history.operations))
    second_count = max((len(history.seconds) for history in histories), default=0)
    with HistoryWriter(folder, operations) as writer:
        for second in range(second_count):
            counts = {name: _counts_in(histories, name, second) for name in operations}
            by_dc = _dcs_in(histories, second)
            writer.write_second(second, counts, {}, {}, np.zeros(0, dtype=np.int64), by_dc)
        writer.write_nodes(sample for history in histories for sample in history.nodes)
        writer.write_errors(error for history in histories for error in history.errors)
    logs = sorted({path for part in parts for path in part.glob("*.hlog")})
    started_at_s = min((at for path in logs if (at := _start_time(path)) is not None), default=0.0)
    for name in sorted({path.name for path in logs}):
        _merge_log([path for path in logs if path.name == name], folder / name, started_at_s)


def _merge_log(paths: Sequence[Path], merged: Path, started_at_s: float) -> None:
    with merged.open("x", encoding="utf-8", newline="") as file:
        file.write(_log_header(started_at_s))
        if len(paths) == 1:
            # Decoding and encoding would take a millisecond for each second of each operation, and change nothing.
            file.writelines(line for line in _whole_lines(paths[0]) if line[0].isdigit())
            return
        file.writelines(_log_line(second, counts) for second, counts in _added_up([_read_log(path) for path in paths]))


def _start_time(log: Path) -> float | None:
    """The StartTime of a histogram log [s since the epoch]; None of one that was cut off before it."""
    for line in _whole_lines(log):
        if line.startswith(_START_TIME):
            return float(line.removeprefix(_START_TIME).split(maxsplit=1)[0])
        if not line.startswith("#"):
            return None
    return None


def _counts_in(histories: Iterable[RunHistory], operation: str, second: int) -> SecondCounts:
    there = [h.counts[operation] for h in histories if operation in h.operations and second < len(h.seconds)]
    return SecondCounts(*(sum(int(columns[column][second]) for columns in there) for column in SecondCounts._fields))


def _dcs_in(histories: Iterable[RunHistory], second: int) -> OutcomesByDc:
    added: dict[str, dict[str, DcOutcomes]] = {}
    for history in histories:
        for operation, dcs in history.by_dc.items():
            for dc, columns in dcs.items():
                before = added.setdefault(operation, {}).get(dc, DcOutcomes(0, 0, 0))
                here = (
                    int(columns[column][second]) if second < len(history.seconds) else 0
                    for column in DcOutcomes._fields
                )
                added[operation][dc] = DcOutcomes(*(one + more for one, more in zip(before, here, strict=True)))
    return added


def _added_up(logs: Sequence[Iterator[tuple[int, Counts]]]) -> Iterator[tuple[int, Counts]]:
    """One log of several: lines of the same second are added. Each log must be in the order of its seconds."""
    in_order = merge_sorted(*logs, key=lambda line: line[0])
    for second, lines in groupby(in_order, key=lambda line: line[0]):
        yield second, np.sum([counts for _, counts in lines], axis=0)
