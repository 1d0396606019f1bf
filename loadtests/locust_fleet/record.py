"""What the master writes of a run: the history of every source as it comes, the ledger, and how the storm ended."""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from loadtests.errors import HarnessError
from loadtests.locust_fleet.messages import LEDGER_PART_BYTES, LedgerPart, MessageError, inflated
from loadtests.metrics.sums import OperationSums, StormTotals
from loadtests.monitoring.live import ClosedSecond
from loadtests.recording.history import ErrorCount, HistoryWriter
from loadtests.recording.ledger import Ledger, strengthen
from loadtests.recording.parts import add_up
from loadtests.recording.run_folder import RunFolder
from loadtests.recording.seconds import Second, dense_of
from loadtests.storm.messages import ShardReport
from scenarios.texts.outside import read_text, why_refused

STORM_NAME = "storm.json"
_OUTCOMES = ("failed", "indeterminate")
_TOTALS = TypeAdapter[StormTotals | None](StormTotals | None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StormRecord:
    """`storm.json`: there since the start, and complete when `has_ended`. Times are of the master's monotonic clock [ns].

    `trouble` ended the storm, `lacks` made it thinner than it was meant to be; both are sentences.
    """

    zero_ns: int | None = None
    has_ended: bool = False
    is_interrupted: bool = False
    shard_count: int = 0
    worker_count: int = 0
    scheduling: str = ""
    cpu_s: float = 0.0
    cpu_share: float = 0.0
    blocked: int = 0
    stalls: int = 0
    stalled_share: float = 0.0
    stall_ms_max: float = 0.0
    network_errors: int = 0
    down_at_start: tuple[str, ...] = ()  # nodes (host:port)
    wall_s: float = 0.0
    offered: int = 0
    ok: int = 0
    failed: int = 0
    indeterminate: int = 0
    seconds: tuple[ClosedSecond, ...] = ()  # the last ones, oldest first
    totals: StormTotals | None = None  # None: a record of before they were kept
    trouble: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        """Replace the record whole: a reader never sees half of one."""
        new = folder / f"{STORM_NAME}.new"
        new.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        new.replace(folder / STORM_NAME)

    @staticmethod
    def read(folder: Path) -> "StormRecord | None":
        """The record of a folder, or None before the start. Raises HarnessError for one that is not as `write` leaves it."""
        path = folder / STORM_NAME
        if not path.exists():
            return None
        try:
            values: dict[str, Any] = json.loads(read_text(path))
            seconds = tuple(ClosedSecond(**second) for second in values.pop("seconds"))
            trouble, lacks = tuple(values.pop("trouble")), tuple(values.pop("lacks"))
            values["down_at_start"] = tuple(values["down_at_start"])
            totals = _TOTALS.validate_python(values.pop("totals", None))
            return StormRecord(**values, seconds=seconds, totals=totals, trouble=trouble, lacks=lacks)
        except (KeyError, TypeError, AttributeError, ValidationError) as error:
            raise HarnessError(f"{path} can't be read: it is no record of a storm") from error
        except (OSError, ValueError) as error:
            raise HarnessError(f"{path} can't be read: {why_refused(error)}") from error


class RunRecord:
    """History and ledger of a run, in the folder `out`. Each source (a shard, a worker's customers) is written by itself."""

    def __init__(self, out: Path, ledger: Ledger, sums: OperationSums | None = None) -> None:
        """sums: what is added up of all sources beside their histories."""
        self.out = out
        self.ledger = ledger
        self.sums = sums or OperationSums()
        self.started_at_s = 0.0  # the storm's wall start [s since the epoch]
        self.totals = np.zeros(4, np.int64)  # offered, ok, failed, indeterminate so far
        self._writers: dict[str, HistoryWriter] = {}
        self._second_last: dict[str, int] = {}
        self.is_closed = False

    def add_second(self, source: str, operations: tuple[str, ...], second: Second) -> None:
        """Write one second of a source, whose name is ours. `operations`: all that it may ever name.

        Raises MessageError when it names others, or when its seconds go back.
        """
        strange = {*second.counts, *second.response, *second.service, *second.earliest} - set(operations)
        if strange:
            raise MessageError(f"a second with {len(strange)} operations that {source} does not have")
        if second.second < self._second_last.get(source, 0):
            raise MessageError(f"second {second.second} of {source} after {self._second_last[source]}")
        self._second_last[source] = second.second
        self._writer(source, operations).write_second(
            second.second,
            second.counts,
            {name: dense_of(sparse) for name, sparse in second.response.items()},
            {name: dense_of(sparse) for name, sparse in second.service.items()},
            dense_of(second.lateness),
            earliest_counts={name: dense_of(sparse) for name, sparse in second.earliest.items()},
        )
        self.sums.add_second(second)
        for counts in second.counts.values():
            self.totals += (counts.offered, counts.ok, counts.failed, counts.indeterminate)

    def add_errors(self, source: str, operations: tuple[str, ...], done: ShardReport) -> None:
        """Write why operations of a shard have failed. Raises MessageError when it names operations or outcomes that are none."""
        # of whole operations; single attempts that were retried are not
        ended = [error for error in done.report.errors if error.outcome is not None]
        if any(error.operation not in operations or error.outcome not in _OUTCOMES for error in ended):
            raise MessageError(f"errors of operations or outcomes that {source} does not have")
        errors = [
            ErrorCount(operation=error.operation, outcome=str(error.outcome), kind=error.kind, count=error.count)
            for error in ended
        ]
        self._writer(source, operations).write_errors(errors)
        self.sums.add_errors(errors)

    def add_ledger(self, part: LedgerPart, is_of_shard: NDArray[np.bool_]) -> None:
        """Add a part of a worker's own ledger: of what the two say of a slot the stronger stays.

        is_of_shard: bool[meters], the meters that the worker may speak of. Raises MessageError for marks of others.
        """
        data = np.frombuffer(inflated(part.data, LEDGER_PART_BYTES), np.uint8)
        states = self.ledger.states.reshape(-1)
        end = part.offset + len(data)
        if end > len(states):
            raise MessageError(f"a part of the ledger up to byte {end} of {len(states)}")
        _, meter_count, byte_count = self.ledger.states.shape
        marked = part.offset + np.flatnonzero(data)
        if not is_of_shard[marked // byte_count % meter_count].all():
            raise MessageError("a part of the ledger with marks of meters that are another shard's")
        strengthen(states[part.offset : end], data)

    def close(self) -> None:
        """Add the sources up into `history/`. Closing twice is harmless."""
        if self.is_closed:
            return
        self.is_closed = True
        for writer in self._writers.values():
            writer.close()
        add_up([writer.folder for writer in self._writers.values()], RunFolder(self.out).history)

    def discard(self) -> None:
        """Take away the ledger of a storm that never began, and whatever its senders said all the same. Twice is harmless."""
        self.is_closed = True
        for writer in self._writers.values():
            writer.close()
            shutil.rmtree(writer.folder, ignore_errors=True)
        if self.ledger.folder is not None:
            shutil.rmtree(self.ledger.folder, ignore_errors=True)

    def _writer(self, source: str, operations: tuple[str, ...]) -> HistoryWriter:
        if source not in self._writers:
            self._writers[source] = HistoryWriter(
                RunFolder(self.out).history / source, operations, started_at_s=self.started_at_s
            )
        return self._writers[source]
