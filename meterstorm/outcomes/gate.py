"""From what was measured of a gate to its answer and `results.json`. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadtests.gate.bench import GateMeasurements
from loadtests.gate.exact import Chance, ExactCounter
from loadtests.gate.judgement import FailuresJudgement, GateJudgement, MetricJudgement
from loadtests.gate.metrics import Lanes
from loadtests.gate.pairs import Pair
from loadtests.gate.sides import WORDS, SideName
from loadtests.recording.histograms import COUNTS_SIZE
from loadtests.stats.e_values import Oddity, pairs_to_claim
from loadtests.trials.facts import TableDifference
from reports.gate.words import counters_sentence, facts_sentence, failures_sentence, metric_sentence
from reports.results.gate import CounterResult, CurveResult, FailuresResult, MetricResult, SideResult, TableFacts
from reports.run.latency import percentile_curve
from scenarios.gate_file import GateAnswer, GateSettings
from scenarios.spec import Scenario, Validity
from scenarios.texts.wording import counted, milliseconds, percent

CURVE_POINTS = 60
LATE_TRIALS_MAX = 0.25  # of a side's trials that a late generator may have spoilt
_FIELD_SIZE_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer with its reasons, sentences."""

    answer: GateAnswer
    reasons: tuple[str, ...]
    not_seen: tuple[str, ...]


def answer_of(
    measured: GateMeasurements, settings: GateSettings, validity: Validity, trouble: Sequence[str]
) -> Answered:
    """The answer to all that was measured. What was lost or altered comes first, then what was counted, then the speed."""
    facts, counters = [facts_of(each) for each in measured.altered], worse_counters(measured.counters, settings)
    not_seen = not_seen_of(measured)
    if facts:
        return _answered(GateAnswer.REGRESSION, [facts_sentence(facts)], not_seen)
    if counters:
        return _answered(
            GateAnswer.REGRESSION, [counters_sentence([counter_of(each, settings) for each in counters])], not_seen
        )
    judgement = measured.judgement
    failing = judgement.failures if judgement else None
    if failing and failing.is_regression:
        return _answered(GateAnswer.REGRESSION, [failures_sentence(failures_result(failing))], not_seen)
    doubts = [*trouble, *doubts_of(measured.pairs, validity)]
    if judgement is None:
        return _answered(
            GateAnswer.INCONCLUSIVE, doubts or ["too few pairs were measured to judge any metric"], not_seen
        )
    if judgement.answer is not GateAnswer.REGRESSION:  # a sender at its limit hides changes, and makes none
        doubts += sender_doubts_of(measured.pairs, validity)
        if failing and failing.is_open:
            doubts.append(failures_sentence(failures_result(failing)))
    return _answered(*answer_of_speed(judgement, doubts), not_seen)


def answer_of_speed(judgement: GateJudgement, doubts: Sequence[str]) -> tuple[GateAnswer, list[str]]:
    """By the metrics alone; a doubt about the generator leaves nothing to claim."""
    metrics = [metric_of(each, judgement.answer) for each in judgement.metrics]
    if doubts:
        claimed = [
            f"shown all the same: {metric_sentence(each)}" for each in metrics if each.answer is GateAnswer.REGRESSION
        ]
        return GateAnswer.INCONCLUSIVE, [*doubts, *claimed]
    match judgement.answer:
        case GateAnswer.REGRESSION:
            worse = [each for each in metrics if each.answer is GateAnswer.REGRESSION]
            return GateAnswer.REGRESSION, [metric_sentence(each) for each in worse]
        case GateAnswer.IMPROVEMENT:
            better = [each for each in metrics if each.answer is GateAnswer.IMPROVEMENT]
            return GateAnswer.IMPROVEMENT, [metric_sentence(each) for each in better]
        case GateAnswer.PASS:
            told = [
                f"every metric's change is shown to be smaller than what matters, after {counted(_pairs(judgement), 'pair')}"
            ]
            smaller = [each for each in metrics if each.claimed and each.change is not None and each.change > 0]
            return GateAnswer.PASS, told + [
                f"shown, but less than matters: {metric_sentence(each)}" for each in smaller
            ]
        case GateAnswer.INCONCLUSIVE:
            return GateAnswer.INCONCLUSIVE, _why_open(judgement)


def _pairs(judgement: GateJudgement) -> int:
    return max((each.count for each in judgement.metrics), default=0)


def _why_open(judgement: GateJudgement) -> list[str]:
    """Which metrics are open, and how many pairs they ask for."""
    metrics, pairs = judgement.metrics, _pairs(judgement)
    odd = [f"{each.metric.name}: {sentence}" for each in metrics for sentence in _why_odd(each.odd)]
    still = [each for each in metrics if _answer_of_metric(each, judgement.answer) is GateAnswer.INCONCLUSIVE]
    if not still and not odd:
        return [f"{counted(pairs, 'pair')}: too few to say anything"]
    wanted = [each.needed for each in still]
    known = [each for each in wanted if each is not None]
    told = (
        [f"after {counted(pairs, 'pair')} it is open for {', '.join(each.metric.name for each in still[:6])}"]
        if still
        else []
    )
    if known:
        told.append(
            f"noise like this asks for some {counted(max(known), 'pair')} in all ([effort] pairs_max, minutes_max)"
        )
    fewest = pairs_to_claim(metrics[0].errors.false_alarm / metrics[0].family) if metrics else 0
    if pairs < fewest:
        told.append(
            f"with fewer than {counted(fewest, 'pair')} no change of {counted(len(metrics), 'metric')} is claimed, however "
            "large it is"
        )
    elif len(known) < len(wanted):
        told.append("the noise asks for more pairs than any gate can take")
    return told + odd


def _answered(answer: GateAnswer, reasons: Sequence[str], not_seen: Sequence[str]) -> Answered:
    return Answered(answer=answer, reasons=tuple(reasons), not_seen=tuple(not_seen))


def doubts_of(pairs: Sequence[Pair], validity: Validity) -> list[str]:
    """Sentences about a generator that was late, by side: then response times are its own."""
    doubts = []
    for name in SideName:
        trials = [pair.sides[name] for pair in pairs]
        if not trials:
            continue
        late = [each for each in trials if each.late_p99_ms > validity.late_p99_ms_max]
        stalled = [each for each in trials if each.stalled_share > validity.stalled_share_max]
        if len(late) > LATE_TRIALS_MAX * len(trials):
            doubts.append(
                f"the load generator was late in {len(late)} of {counted(len(trials), 'trial')} of the {name} (p99 over "
                f"{milliseconds(validity.late_p99_ms_max)}): give it a freer machine or a lower [effort] rate_per_s"
            )
        if len(stalled) > LATE_TRIALS_MAX * len(trials):
            doubts.append(
                f"the load generator stood still for over {percent(validity.stalled_share_max)} of the time in {len(stalled)} of "
                f"{counted(len(trials), 'trial')} of the {name}: give it a freer machine"
            )
    return doubts


def sender_doubts_of(pairs: Sequence[Pair], validity: Validity) -> list[str]:
    """Sentences about a sender that was at its own limit in the closed loop: then the throughput is its own."""
    shares = {name: float(np.median([pair.sides[name].cpu_share for pair in pairs])) for name in SideName if pairs}
    return [
        f"the sender took {percent(share)} of a core against the {name}: the throughput may be its own"
        for name, share in shares.items()
        if share > validity.cpu_share_max
    ]


def not_seen_of(measured: GateMeasurements) -> list[str]:
    """What no answer of this gate speaks of."""
    told = []
    judgement = measured.judgement
    if judgement is not None:
        blind = [
            f"{each.metric.name} below {percent(each.smallest)}"
            for each in judgement.metrics
            if each.smallest is not None
        ]
        if blind:
            told.append("Changes smaller than these would mostly not have been claimed: " + ", ".join(blind) + ".")
    for chance in Chance:
        names = [each.name for each in measured.counters if each.chance is chance]
        if names:
            told.append(f"Exact counters that were held against nothing, as {chance}: {', '.join(names)}.")
    if measured.facts:
        told.append(
            "Facts that both sides lose alike, or that one DC alone holds otherwise than its quorum: `meterstorm run` audits "
            "against the seed."
        )
    told += [
        "What takes longer than the gate to show: compaction of months, tombstones that age, disks that fill, memory that leaks.",
        "The limit of the cluster, and a load of another mix than the scenario's: `meterstorm find-max` asks for that.",
    ]
    if measured.shares_nodes:
        told.append("What one side does to the nodes that both share, a compaction say, is in the other's figures too.")
    return told


def side_of(told: str, own: Scenario, other: Scenario) -> SideResult:
    """A side, with the fields in which it differs from the other."""
    ours, theirs = (_flat(one.model_dump(mode="json", exclude=set(WORDS))) for one in (own, other))
    names = [name for name in sorted(ours.keys() | theirs.keys()) if ours.get(name) != theirs.get(name)]
    return SideResult(told=told, differs={name: str(ours.get(name, "not set"))[:_FIELD_SIZE_MAX] for name in names})


def _flat(data: Mapping[str, Any], path: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in data.items():
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{path}{name}.")
        else:
            flat[f"{path}{name}"] = value
    return flat


def metric_of(judged: MetricJudgement, whole: GateAnswer = GateAnswer.INCONCLUSIVE) -> MetricResult:
    """A metric as results have it. whole: the gate's answer, as a change that is claimed by itself need not end the gate."""
    effect, metric = judged.effect, judged.metric
    has_interval = bool(np.isfinite(effect.low) and np.isfinite(effect.high))
    return MetricResult(
        name=metric.name,
        unit=metric.unit,
        answer=_answer_of_metric(judged, whole),
        limit=metric.limit,
        baseline=_middle(judged.series.baseline),
        candidate=_middle(judged.series.candidate),
        change=float(np.expm1(effect.mean)),
        low=float(np.expm1(effect.low)) if has_interval else None,
        high=float(np.expm1(min(effect.high, 20.0))) if has_interval else None,
        evidence=judged.log_e / float(np.log(10)),
        claimed=judged.is_claimed,
        smallest_seen=judged.smallest,
        pairs_needed=judged.needed,
        changes=tuple(float(each) for each in judged.observed),
        notes=tuple(_notes(judged)),
    )


def _middle(values: NDArray[np.float64]) -> float:
    """The geometric mean, so that candidate over baseline is the change that is told; the median where a value is none."""
    return float(np.exp(np.log(values).mean())) if (values > 0).all() else float(np.median(values))


def _answer_of_metric(judged: MetricJudgement, whole: GateAnswer) -> GateAnswer:
    if judged.is_worse:
        return GateAnswer.REGRESSION if whole is GateAnswer.REGRESSION else GateAnswer.INCONCLUSIVE
    if judged.is_better:
        return GateAnswer.IMPROVEMENT
    return GateAnswer.PASS if judged.is_below_limit else GateAnswer.INCONCLUSIVE


def _notes(judged: MetricJudgement) -> list[str]:
    odd = judged.odd
    notes = _why_odd(odd)
    if odd.wild:
        numbers = ", ".join(str(each + 1) for each in odd.wild[:8])
        notes.append(f"far from all others: pair {numbers}")
    return notes


def _why_odd(odd: Oddity) -> list[str]:
    """Why a mean is no summary, so that nothing passes on it."""
    told = []
    if odd.drifts:
        told.append("its ratio drifts while the gate goes on: a mean says little of it")
    if odd.has_two_levels:
        told.append("its ratio lies on two levels: something is there in some trials and not in others")
    return told


def failures_result(judged: FailuresJudgement) -> FailuresResult:
    """Failed operations as results have them."""
    failures = judged.failures
    is_fine = GateAnswer.INCONCLUSIVE if judged.is_open else GateAnswer.PASS
    return FailuresResult(
        baseline=failures.baseline,
        candidate=failures.candidate,
        allowed=failures.allowed,
        worse_pairs=failures.worse_count,
        better_pairs=failures.better_count,
        evidence=judged.log_e / float(np.log(10)),
        answer=GateAnswer.REGRESSION if judged.is_regression else is_fine,
        kinds=failures.kinds,
    )


def worse_counters(counters: Sequence[ExactCounter], settings: GateSettings) -> list[ExactCounter]:
    """Those that grew by more than is allowed, and not by chance."""
    return [each for each in counters if _is_worse(each, settings)]


def _is_worse(counter: ExactCounter, settings: GateSettings) -> bool:
    return counter.chance is None and counter.increase > settings.limits.counters


def counter_of(counter: ExactCounter, settings: GateSettings) -> CounterResult:
    """A counter as results have it."""
    return CounterResult(
        name=counter.name,
        unit=counter.unit,
        baseline=counter.baseline,
        candidate=counter.candidate,
        is_worse=_is_worse(counter, settings),
        chance=counter.chance or "",
    )


def facts_of(difference: TableDifference) -> TableFacts:
    """A table as results have it."""
    return TableFacts(
        table=difference.table,
        dc=difference.dc,
        rows=difference.rows,
        missing=difference.missing,
        extra=difference.extra,
        altered=difference.altered,
        examples=difference.examples,
    )


def curves_of(groups: Mapping[str, Lanes], pairs: Sequence[Pair]) -> dict[str, CurveResult]:
    """Both sides' response times of all pairs together, by group of operations."""
    found = {}
    for name, lanes in groups.items():
        curves = []
        for side in (SideName.BASELINE, SideName.CANDIDATE):
            counts = np.zeros(COUNTS_SIZE, np.int64)
            for pair in pairs:
                counts += pair.sides[side].response[lanes].sum(axis=0)
            curves.append(percentile_curve(counts, CURVE_POINTS))
        ours, theirs = curves
        if ours is None or theirs is None:
            continue
        percentiles = 100 * (1 - 10.0**-ours.nines)
        found[name] = CurveResult(
            percentiles=tuple(float(each) for each in percentiles),
            baseline_ms=tuple(float(each) for each in ours.value_ms),
            candidate_ms=tuple(float(each) for each in np.interp(ours.nines, theirs.nines, theirs.value_ms)),
        )
    return found
