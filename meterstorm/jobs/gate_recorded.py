"""A gate between runs that were recorded before, or files of pytest-benchmark: the n-th of each side make a pair.

What each holds is read as the history of runs reads it (`reports.gate_history`). Whether they were recorded in turns is seen
from their times; where they were not, what drifted meanwhile is in the ratio, and the results say so.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from loadtests.cluster.machine import fingerprint
from loadtests.gate.failures import Failures
from loadtests.gate.judgement import GateMetric, Series, judge
from meterstorm.jobs.gate_sides import RecordedSide
from meterstorm.jobs.run_folder import new_folder
from meterstorm.jobs.versions import versions
from meterstorm.outcomes.gate import answer_of_speed, failures_result, metric_of
from reports.gate.page import write_gate_report
from reports.gate.words import failures_sentence
from reports.gate_history.folder import CPU, ERRORS, MEDIAN, P50, P99, RATE, past_of
from reports.gate_history.past import Metric, Past, require_one_load, require_one_machine
from reports.results.gate import GateResults, SideResult
from reports.results.gate_history import Better
from reports.results.parts import Machine, Verdict
from scenarios.gate_file import GateAnswer, GateSettings, Limits
from scenarios.spec import NoBaseline, ScenarioError
from scenarios.texts import wording

NOT_IN_TURNS = (
    "The runs were not recorded in turns: what drifted on the machine between them is in every ratio, and the rates of error "
    "above do not hold for it."
)
FIRST_SHARE_MAX = 2 / 3  # of the pairs in which one side was recorded first: beyond it no turns were taken
OF_THE_STORE = ("topology",)  # parts of a run's load that a change may be of: alike within a side, not between them
NAMES_TOLD_MAX = 6


def gate_recorded(baseline: RecordedSide, candidate: RecordedSide, settings: GateSettings, out: Path) -> GateResults:
    """Judge recorded runs in pairs.

    Raises ScenarioError for runs that can't be compared, NoBaseline where nothing was measured.
    """
    started = datetime.now(UTC)
    _require_pairs(baseline, candidate)
    ours, theirs = ([past_of(path) for path in side.paths] for side in (baseline, candidate))
    _require_alike(ours, theirs)
    metrics = {each: metric for each in ours[0].values if (metric := gate_metric(each, settings.limits)) is not None}
    family = series_of(metrics, ours, theirs)
    if not family:
        raise NoBaseline("the baseline and the candidate have no figure in common: nothing was measured that both have")
    failures = failures_of(ours, theirs, settings.errors.failed_share_max)
    judgement = judge(family, settings, is_last=True, failures=failures)
    failing, inconclusive = judgement.failures, doubts_of([*ours, *theirs])
    if losses := losses_of(theirs):
        answer, reasons = GateAnswer.REGRESSION, losses
    elif failing and failing.is_regression and not inconclusive:
        answer, reasons = GateAnswer.REGRESSION, [failures_sentence(failures_result(failing))]
    else:
        is_open = failing is not None and failing.is_open and judgement.answer is not GateAnswer.REGRESSION
        doubts = [failures_sentence(failures_result(failing))] if failing and is_open else []
        answer, reasons = answer_of_speed(judgement, [*doubts, *inconclusive])
    with new_folder(out) as out:
        results = GateResults(
            scenario=ours[0].title,
            seed=int(ours[0].load.get("seed", 0)),
            started=started,
            finished=datetime.now(UTC),
            versions=versions(cassandra="recorded"),
            machine=Machine.model_validate(fingerprint()),
            answer=answer,
            reasons=tuple(reasons),
            not_seen=tuple(not_seen_of(ours, theirs, settings.limits)),
            baseline=SideResult(told=baseline.told),
            candidate=SideResult(told=candidate.told),
            settings=settings,
            is_live=False,
            shares_nodes=False,
            pairs=len(ours),
            sample=0,
            closed_loop=0,
            rate_per_s=0.0,
            failures=failures_result(failing) if failing else None,
            metrics=tuple(
                metric_of(each, GateAnswer.INCONCLUSIVE if answer is GateAnswer.INCONCLUSIVE else judgement.answer)
                for each in judgement.metrics
            ),
        )
        results.write(out)
    write_gate_report(out)
    return results


def gate_metric(metric: Metric, limits: Limits) -> GateMetric | None:
    """What a gate judges of a figure of the history, with the change that matters; None for one that it does not judge.

    Shares of errors are not: many are zero, and no ratio says anything of them. Nor is a figure of which nobody says which way
    is better.
    """
    limit_of = {
        P50: limits.response,
        MEDIAN: limits.response,
        P99: limits.response_p99,
        RATE: limits.throughput,
        CPU.name: limits.server_cpu,
    }
    if metric.name not in limit_of or metric.better is Better.UNKNOWN:
        return None
    return GateMetric(
        name=metric.operation if metric.name == MEDIAN else _told(metric),
        unit=metric.unit,
        limit=limit_of[metric.name],
        more_is_worse=metric.better is Better.LOWER,
    )


def series_of(metrics: Mapping[Metric, GateMetric], ours: Sequence[Past], theirs: Sequence[Past]) -> tuple[Series, ...]:
    """The metrics that every run of both sides has."""
    return tuple(
        Series(
            metric=metric,
            baseline=np.array([run.values[each] for run in ours], np.float64),
            candidate=np.array([run.values[each] for run in theirs], np.float64),
        )
        for each, metric in metrics.items()
        if all(each in run.values for run in (*ours, *theirs))
    )


def losses_of(runs: Sequence[Past]) -> list[str]:
    """What audits found lost or altered, a sentence a run."""
    return [
        f"{run.name}: its audit found {wording.counted(run.faulty_facts, 'fact')} lost, wrong, made up or doubled"
        for run in runs
        if run.faulty_facts
    ]


def failures_of(ours: Sequence[Past], theirs: Sequence[Past], allowed: float) -> Failures | None:
    """What was not acknowledged, of each run the operation of which it is the greatest share; None where it was not recorded."""
    worst = [[_worst_failing(run) for run in side] for side in (ours, theirs)]
    if all(each is None for side in worst for each in side):
        return None
    shares = np.array([[0.0 if each is None else each[0] for each in side] for side in worst])
    beyond = np.maximum(shares - allowed, 0.0)
    return Failures(
        baseline=float(shares[0].mean()),
        candidate=float(shares[1].mean()),
        allowed=allowed,
        beyond=beyond[1] - beyond[0],
        kinds=tuple(sorted({each[1] for side in worst for each in side if each is not None and each[0] > allowed})),
    )


def _worst_failing(run: Past) -> tuple[float, str] | None:
    return max(
        (
            (share, metric.operation)
            for metric, share in run.values.items()
            if metric.name == ERRORS and metric.better is Better.LOWER
        ),
        default=None,
    )


def doubts_of(runs: Sequence[Past]) -> list[str]:
    """Runs of which nothing can be claimed, a sentence each."""
    return [
        f"{run.name}: is inconclusive, so what was measured may be the bench's own doing: leave its pair out, or record it again"
        for run in runs
        if run.verdict is Verdict.INCONCLUSIVE
    ]


def were_in_turns(ours: Sequence[Past], theirs: Sequence[Past]) -> bool:
    """Was each pair recorded before the next, and neither side first in most of them? By when each was started."""
    pairs = [(baseline.started, candidate.started) for baseline, candidate in zip(ours, theirs, strict=True)]
    if any(max(pair) >= min(later) for pair, later in pairwise(pairs)):
        return False
    first = sum(baseline < candidate for baseline, candidate in pairs)
    return max(first, len(pairs) - first) <= max(FIRST_SHARE_MAX * len(pairs), 1)


def not_seen_of(ours: Sequence[Past], theirs: Sequence[Past], limits: Limits) -> list[str]:
    """What this answer does not speak of."""
    told = [] if were_in_turns(ours, theirs) else [NOT_IN_TURNS]
    runs = [*ours, *theirs]
    known = dict.fromkeys(each for run in runs for each in run.values if gate_metric(each, limits) is not None)
    missing = [_told(each) for each in known if any(each not in run.values for run in runs)]
    if missing:
        more = f" and {len(missing) - NAMES_TOLD_MAX} more" if len(missing) > NAMES_TOLD_MAX else ""
        told.append(f"Not every run has these, so they were left out: {', '.join(missing[:NAMES_TOLD_MAX])}{more}.")
    told += [f"Of the baseline {each}." for each in losses_of(ours)]
    return told


def _told(metric: Metric) -> str:
    """'ingest_reading p99'; 'server CPU' of a whole run."""
    return metric.name if metric == CPU else f"{metric.operation} {metric.name}"


def _require_pairs(baseline: RecordedSide, candidate: RecordedSide) -> None:
    """Raises ScenarioError unless both sides have as many runs, all of one kind, each named once."""
    if len(baseline.paths) != len(candidate.paths):
        raise ScenarioError(
            f"the sides have {wording.counted(len(baseline.paths), 'run')} and {len(candidate.paths)}: each needs its "
            "pair, listed with commas"
        )
    paths = [*baseline.paths, *candidate.paths]
    seen: set[Path] = set()
    for path in paths:
        if path.is_dir() is not paths[0].is_dir():
            raise ScenarioError(
                f"{path} and {paths[0]}: one is a run's folder and one a file; a gate compares like with like"
            )
        if (place := path.resolve()) in seen:
            raise ScenarioError(f"{path}: is listed twice; what was measured once says something once")
        seen.add(place)


def _require_alike(ours: Sequence[Past], theirs: Sequence[Past]) -> None:
    """Raises ScenarioError for runs of several machines or loads; between the sides the store and its nodes may differ."""
    mend = "a gate between them says nothing of a change; leave out what is unlike the rest"
    require_one_machine("the recorded runs", [*ours, *theirs], mend)
    require_one_load("the recorded runs", [*ours, *theirs], mend, without=OF_THE_STORE)
    require_one_load("the baseline's runs", ours, mend)
    require_one_load("the candidate's runs", theirs, mend)
