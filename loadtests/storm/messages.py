"""What the storm's parent and its shards say to each other, and what it and a round of analytics do.

See `loadtests.storm.shard` and `loadtests.storm.analytics_process` for who says what when.

A module of its own, so that a message has one class whichever process made it.
"""

from dataclasses import dataclass
from pathlib import Path

from loadtests.sender.recorder import EngineReport
from loadtests.workload.experiment import Experiment


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardPlan:
    """All that a shard needs to know."""

    experiment: Experiment
    shard: int
    shard_count: int
    ledger_folder: Path
    live_path: Path
    closed_in_flight: int | None = None  # of this shard; None is open loop, the trace's own instants


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Connected, prepared, compiled, the first block made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """When the storm's wall clock is zero, on this machine's monotonic clock [ns]."""

    at_monotonic_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Send nothing more, drain, and be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardReport:
    """How it went; `cpu_s` is of the whole process, `report.cpu_s` of the thread that ticks."""

    report: EngineReport
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why the shard can't go on, one sentence; the traceback is in its log."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyticsPlan:
    """All that a round needs to know."""

    experiment: Experiment
    dc: str
    job: str
    warehouse: Path
    answer: Path  # of the job, a file of Parquet


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundExported:
    """The warehouse is whole."""

    half_hours: int
    files_written: int
    cpu_s: float  # of this process, as below


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundAnswered:
    """The job is done."""

    rows: int
    wrong: int | None  # of a check
    cpu_s: float
