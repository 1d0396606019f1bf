"""A gate between runs that were recorded before, or files of pytest-benchmark: the n-th of each side make a pair.

They were not measured in turns by us: whoever recorded them one side after the other has what drifted meanwhile in the ratio,
and the results say so.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.cluster.machine import fingerprint
from loadtests.gate.judgement import GateMetric, Series, judge
from meterstorm.jobs.gate_sides import RecordedSide
from meterstorm.jobs.run_folder import new_folder
from meterstorm.jobs.versions import versions
from meterstorm.outcomes.gate import answer_of_speed, metric_of
from reports.gate.page import write_gate_report
from reports.results.gate import GateResults, SideResult
from reports.results.parts import Machine
from reports.results.run import Results, load_results
from scenarios.gate_file import GateAnswer, GateSettings
from scenarios.outside_text import UnreadableText, read_text, why_refused
from scenarios.spec import NoBaseline, ScenarioError
from scenarios.wording import count, counted

BENCHMARK_BYTES_MAX = 64 * 2**20
NOT_IN_TURNS = (
    "The runs were recorded before this gate: unless baseline and candidate took turns then, what drifted on the machine between "
    "them is in every ratio, and the rates of error above do not hold for it."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTrial:
    """One recorded run or file. values: by metric. losses: what its audit found wrong, sentences."""

    path: Path
    title: str
    sent: str  # what two trials must have alike
    machine: str
    seed: int
    values: Mapping[str, tuple[str, float, bool]]  # name -> unit, value, more is worse
    losses: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def gate_recorded(baseline: RecordedSide, candidate: RecordedSide, settings: GateSettings, out: Path) -> GateResults:
    """Judge recorded runs in pairs.

    Raises ScenarioError for runs that can't be compared, NoBaseline where nothing was measured.
    """
    started = datetime.now(UTC)
    if len(baseline.paths) != len(candidate.paths):
        raise ScenarioError(
            f"the sides have {counted(len(baseline.paths), 'run')} and {len(candidate.paths)}: each needs its "
            "pair, listed with commas"
        )
    ours, theirs = ([_trial(path) for path in side.paths] for side in (baseline, candidate))
    _require_alike([*ours, *theirs])
    family = series_of(ours, theirs, settings)
    if not family:
        raise NoBaseline("the baseline and the candidate have no figure in common: nothing was measured that both have")
    judgement = judge(family, settings, is_last=True)
    losses = [sentence for each in theirs for sentence in each.losses]
    doubts = [sentence for each in (*ours, *theirs) for sentence in each.doubts]
    if losses:
        answer, reasons = GateAnswer.REGRESSION, losses
    else:
        answer, reasons = answer_of_speed(judgement, doubts)
    with new_folder(out) as out:
        results = GateResults(
            scenario=ours[0].title,
            seed=ours[0].seed,
            started=started,
            finished=datetime.now(UTC),
            versions=versions(cassandra="recorded"),
            machine=Machine.model_validate(fingerprint()),
            answer=answer,
            reasons=tuple(reasons),
            not_seen=(NOT_IN_TURNS,),
            baseline=SideResult(told=baseline.told),
            candidate=SideResult(told=candidate.told),
            settings=settings,
            is_live=False,
            shares_nodes=False,
            pairs=len(ours),
            sample=0,
            closed_loop=0,
            rate_per_s=0.0,
            metrics=tuple(
                metric_of(each, GateAnswer.INCONCLUSIVE if answer is GateAnswer.INCONCLUSIVE else judgement.answer)
                for each in judgement.metrics
            ),
        )
        results.write(out)
    write_gate_report(out)
    return results


def series_of(
    ours: Sequence[RecordedTrial], theirs: Sequence[RecordedTrial], settings: GateSettings
) -> tuple[Series, ...]:
    """The metrics that every trial of both sides has."""
    names = [name for name in ours[0].values if all(name in each.values for each in (*ours, *theirs))]
    found = []
    for name in names:
        unit, _, more_is_worse = ours[0].values[name]
        metric = GateMetric(name=name, unit=unit, limit=_limit(name, settings), more_is_worse=more_is_worse)
        baseline, candidate = (np.array([each.values[name][1] for each in side], np.float64) for side in (ours, theirs))
        found.append(Series(metric=metric, baseline=baseline, candidate=candidate))
    return tuple(found)


def _limit(name: str, settings: GateSettings) -> float:
    if name.endswith("rate"):
        return settings.limits.throughput
    return settings.limits.response_p99 if name.endswith(("p99", "p99.9")) else settings.limits.response


def _require_alike(trials: Sequence[RecordedTrial]) -> None:
    """Raises ScenarioError for runs of several traces or machines."""
    first = trials[0]
    for each in trials[1:]:
        if each.sent != first.sent:
            raise ScenarioError(
                f"{each.path} and {first.path} are of different scenarios, seeds or traces: their loads differ, so a gate "
                "between them says nothing of a change"
            )
        if each.machine != first.machine:
            raise ScenarioError(
                f"{each.path} was made on another machine than {first.path} ({each.machine}; {first.machine}): leave it out, or "
                "record both sides on one machine"
            )


def _trial(path: Path) -> RecordedTrial:
    return _of_run(path) if path.is_dir() else _of_benchmarks(path)


def _of_run(folder: Path) -> RecordedTrial:
    results = load_results(folder)
    values: dict[str, tuple[str, float, bool]] = {}
    for name, operation in results.operations.items():
        response = operation.response_ms
        if name in results.closed_loop or response is None or not operation.ok:
            continue
        found = {"p50": response.p50, "p95": response.p95, "p99": response.p99}
        values |= {f"{name} {which}": ("ms", value, True) for which, value in found.items() if value is not None}
    if not values:
        raise NoBaseline(f"{folder}: no operation was acknowledged in it: nothing to compare")
    doubts = (
        () if results.generator.valid else (f"{folder}: its generator was late or starved, so its times are its own",)
    )
    machine = results.machine
    return RecordedTrial(
        path=folder,
        title=results.scenario,
        sent=results.digest,
        machine=f"{machine.cpu}, {machine.cpu_count} processors, {machine.memory_bytes // 2**30} GiB",
        seed=results.seed,
        values=values,
        losses=_losses(folder, results),
        doubts=doubts,
    )


def _losses(folder: Path, results: Results) -> tuple[str, ...]:
    audit = results.audit
    if audit is None:
        return ()
    counts = {"lost": audit.lost, "wrong": audit.wrong, "phantom": audit.phantom, "duplicate": audit.duplicate}
    told = ", ".join(f"{count(value)} {name}" for name, value in counts.items() if value)
    return (f"{folder}: its audit found facts {told}",) if told else ()


def _of_benchmarks(path: Path) -> RecordedTrial:
    """A JSON file of pytest-benchmark: the median of each benchmark."""
    try:
        if path.stat().st_size > BENCHMARK_BYTES_MAX:
            raise ScenarioError(
                f"{path}: has more than {BENCHMARK_BYTES_MAX // 2**20} MiB, too much for a file of pytest-benchmark"
            )
        data = json.loads(read_text(path))
        values = {str(each["fullname"]): ("s", float(each["stats"]["median"]), True) for each in data["benchmarks"]}
        machine = _machine_of(data)
    except (OSError, UnreadableText) as error:
        raise ScenarioError(f"{path}: can't be read: {why_refused(error)}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ScenarioError(
            f"{path}: is no file of pytest-benchmark (--benchmark-json): {type(error).__name__} {error}"
        ) from error
    if not values or not all(np.isfinite(value) and value > 0 for _, value, _ in values.values()):
        raise NoBaseline(f"{path}: holds no benchmark that was measured")
    return RecordedTrial(path=path, title="pytest-benchmark", sent="", machine=machine, seed=0, values=values)


def _machine_of(data: Mapping[str, Any]) -> str:
    info = data["machine_info"]
    return f"{info['cpu'].get('brand_raw', '')}, {info['cpu'].get('count', '')} processors, {info['node']}"
