"""What past runs make a history: their order, what they share, and one series a metric. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np

from loadtests.stats.change_points import LASTING_MIN, RUNS_MAX
from loadtests.stats.estimates import Floats
from reports.results.gate_history import Better
from reports.results.parts import Machine, Verdict
from scenarios.spec import ScenarioError
from scenarios.texts import wording

ALL_OPERATIONS = "all"
NAMES_TOLD_MAX = 3


@dataclass(frozen=True, slots=True)
class Metric:
    """What was measured of one operation, or of `ALL_OPERATIONS`."""

    operation: str
    name: str
    unit: str
    better: Better


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One run of the history. load: what it must share with the others to be compared, by name, in words."""

    name: str
    title: str
    started: datetime
    machine: Machine
    versions: dict[str, str]
    load: dict[str, str]
    values: dict[Metric, float]
    verdict: Verdict | None = None
    faulty_facts: int = 0  # acknowledged, and lost or altered


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesOfRuns:
    """One metric: float64[n] and the n runs that have it, as indices into the history's."""

    metric: Metric
    runs: tuple[int, ...]
    values: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Runs that can be compared, in the order in which they were started."""

    source: Literal["runs", "pytest-benchmark"]
    runs: tuple[Past, ...]
    series: tuple[SeriesOfRuns, ...]
    notes: tuple[str, ...]
    newest_left_out: str | None = field(default=None)  # the latest run's name, where it can't be judged


def make_history(
    folder: str, source: Literal["runs", "pytest-benchmark"], found: Sequence[Past], notes: Sequence[str] = ()
) -> History:
    """The history of what a folder holds. Raises ScenarioError for runs of several machines or loads.

    Inconclusive runs are left out: what slowed them may have been the bench.
    """
    ordered = sorted(found, key=lambda run: (run.started, run.name))
    require_one_machine(f"{folder}: its runs", ordered, "give each machine a folder of its own")
    require_one_load(f"{folder}: its runs", ordered, "give each load a folder of its own")
    told = list(notes)
    kept = [run for run in ordered if run.verdict is not Verdict.INCONCLUSIVE]
    if doubtful := [run.name for run in ordered if run.verdict is Verdict.INCONCLUSIVE]:
        told.append(
            f"{_some(doubtful)}: inconclusive, and left out, since what was measured may be the bench's own doing."
        )
    if len(kept) > RUNS_MAX:
        told.append(f"Of {wording.counted(len(kept), 'run')} the newest {RUNS_MAX} were looked at.")
        kept = kept[-RUNS_MAX:]
    series, short = _series(kept)
    if short:
        told.append(f"{_some(short)}: left out, since fewer than half of the runs have it.")
    return History(
        source=source,
        runs=tuple(kept),
        series=tuple(series),
        notes=tuple(told),
        newest_left_out=ordered[-1].name if ordered and ordered[-1].verdict is Verdict.INCONCLUSIVE else None,
    )


def machine_words(machine: Machine) -> str:
    """What makes a machine this one and no other. A new kernel does not: it may be what a change is due to."""
    words = [machine.cpu, wording.counted(machine.cpu_count, "core")]
    if machine.memory_bytes:  # pytest-benchmark does not record it
        words.append(f"{machine.memory_bytes / 2**30:.0f} GiB")
    return ", ".join([*words, *machine.system.split()[-1:]])


def _series(runs: Sequence[Past]) -> tuple[list[SeriesOfRuns], list[str]]:
    """A series each metric, and the names of those that too few runs have."""
    series, short = [], []
    for metric in dict.fromkeys(metric for run in runs for metric in run.values):
        having = tuple(index for index, run in enumerate(runs) if metric in run.values)
        if 2 * len(having) < len(runs) or len(having) < min(2 * LASTING_MIN, len(runs)):
            short.append(f"{metric.operation} {metric.name}")
            continue
        values = np.array([runs[index].values[metric] for index in having], np.float64)
        series.append(SeriesOfRuns(metric=metric, runs=having, values=values))
    return series, short


def require_one_machine(whose: str, runs: Sequence[Past], mend: str) -> None:
    """Raises ScenarioError when the runs are of several machines. whose, mend: the sentence's subject, and what is to be done."""
    _require_one(whose, [(machine_words(run.machine), run) for run in runs], "machine", mend)


def require_one_load(whose: str, runs: Sequence[Past], mend: str, *, without: Collection[str] = ()) -> None:
    """Raises ScenarioError when the runs had several loads; parts that a run does not tell, and those of `without`, are not held
    against the others."""
    for part in dict.fromkeys(name for run in runs for name in run.load if name not in without):
        _require_one(whose, [(run.load[part], run) for run in runs if part in run.load], part, mend)


def _require_one(whose: str, runs: Sequence[tuple[str, Past]], part: str, mend: str) -> None:
    by_words: dict[str, list[Past]] = {}
    for words, run in runs:
        by_words.setdefault(words, []).append(run)
    if len(by_words) <= 1:
        return
    told = [
        f"'{words}' ({wording.counted(len(having), 'run')}, the latest is {having[-1].name})"
        for words, having in list(by_words.items())[:NAMES_TOLD_MAX]
    ]
    more = f" and {len(by_words) - NAMES_TOLD_MAX} more" if len(by_words) > NAMES_TOLD_MAX else ""
    raise ScenarioError(
        f"{whose} differ in their {part}, so what changed can't be told from that: {', '.join(told)}{more}; {mend}"
    )


def _some(names: Iterable[str]) -> str:
    """'a, b, c and 4 more'."""
    listed = list(names)
    more = len(listed) - NAMES_TOLD_MAX
    return wording.listed([*listed[:NAMES_TOLD_MAX], f"{more} more"] if more > 0 else listed)
