"""What pairs say: each metric's effect with its interval, and whether the gate knows enough to end. Pure.

Rules that hold here:
- An effect is the mean logarithm of candidate over baseline, turned so that more is worse.
- A change is *claimed* when its evidence, adjusted for the whole family of metrics, reaches 1 / false_alarm; at any look.
- A pass is an equivalence: of every metric the interval at 1 - false_pass lies below the change that matters. "Not
  significant" is no pass.
- A claimed change for the worse that is shown to be smaller than what matters is told, and passes.
- Operations that fail are one more member of the family, beside the metrics: a candidate that fails more is claimed by the same
  evidence. Until then nothing passes on failures beyond what is allowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.gate.failures import Failures
from loadtests.stats.e_values import (
    PAIRS_MIN,
    EffectBounds,
    Oddity,
    closed,
    confidence_sequence,
    log_e_value,
    oddity,
    pairs_needed,
    smallest_effect,
)
from scenarios.gate_file import Errors, GateAnswer, GateSettings

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateMetric:
    """Something that is measured of both sides. more_is_worse: False of throughput. limit: the change that matters."""

    name: str
    unit: str
    limit: float
    more_is_worse: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A metric in every pair: float64[pairs] of each side, in the order in which they were taken."""

    metric: GateMetric
    baseline: Floats
    candidate: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricJudgement:
    """A metric over all pairs. observed: float64[pairs], logarithms, positive for the worse.

    log_e: the evidence of a change, adjusted for the family, which has that many members. What is told and decides nothing is
    worked out when it is asked for: there is a look after every pair.
    """

    series: Series
    observed: Floats
    log_e: float
    is_claimed: bool
    is_below_limit: bool
    errors: Errors
    family: int

    @property
    def metric(self) -> GateMetric:
        return self.series.metric

    @property
    def count(self) -> int:
        """Pairs."""
        return len(self.observed)

    @property
    def mean(self) -> float:
        return float(self.observed.mean()) if self.count else 0.0

    @property
    def is_worse(self) -> bool:
        """A change for the worse that is claimed, and not shown to be smaller than what matters."""
        return self.is_claimed and self.mean > 0 and not self.is_below_limit

    @property
    def is_worse_by_half(self) -> bool:
        """And by half of what matters or more."""
        return self.is_worse and self.mean >= np.log1p(self.metric.limit) / 2

    @property
    def is_better(self) -> bool:
        """A change for the better that is claimed, by half of what would matter for the worse or more."""
        return self.is_claimed and -self.mean >= np.log1p(self.metric.limit) / 2

    @property
    def effect(self) -> EffectBounds:
        """Where the change lies, at 1 - false_pass."""
        return confidence_sequence(self.observed, self.errors.false_pass)

    @property
    def smallest(self) -> float | None:
        """The change, a share, that so many pairs of such noise would have shown with a power of 90 %; None for too few."""
        smallest = smallest_effect(self._spread, self.count, self.errors.false_alarm / self.family)
        return float(np.expm1(smallest)) if np.isfinite(smallest) else None

    @property
    def needed(self) -> int | None:
        """How many pairs the noise asks for in all: to claim what was seen, or else to show that it is less than matters."""
        if not np.isfinite(self._spread):
            return None
        limit = float(np.log1p(self.metric.limit))
        if self.mean >= limit / 2:
            return pairs_needed(self._spread, self.mean, self.errors.false_alarm / self.family)
        return pairs_needed(self._spread, limit - max(self.mean, 0.0), self.errors.false_pass)

    @property
    def odd(self) -> Oddity:
        return oddity(self.observed)

    @property
    def _spread(self) -> float:
        return float(self.observed.std(ddof=1)) if self.count > 1 else float(np.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailuresJudgement:
    """Operations that were not acknowledged. log_e: the evidence that one side fails more, adjusted for the family."""

    failures: Failures
    log_e: float
    is_claimed: bool

    @property
    def is_regression(self) -> bool:
        """Is it shown that the candidate fails more, and is that more than is allowed?"""
        return self.is_claimed and self.failures.is_of_the_candidate

    @property
    def is_open(self) -> bool:
        """Are there more than allowed, and it isn't shown whose fault it is?"""
        return self.failures.is_too_many and not self.is_regression


@dataclass(frozen=True, slots=True, kw_only=True)
class GateJudgement:
    """answer: by speed and failures; what was counted and which facts are held is judged beside it.

    failures: None where it isn't known what failed, as in recorded medians.
    """

    answer: GateAnswer
    is_final: bool
    metrics: tuple[MetricJudgement, ...]
    failures: FailuresJudgement | None = None


def judge(
    family: Sequence[Series], settings: GateSettings, *, is_last: bool, failures: Failures | None = None
) -> GateJudgement:
    """What all pairs so far say. is_last: there will be no more, so that what is undecided is inconclusive."""
    metrics, failing = _judge_all(family, failures, settings)
    answer = _answer(metrics, failing, is_last=is_last)
    return GateJudgement(
        answer=answer, is_final=is_last or answer is not GateAnswer.INCONCLUSIVE, metrics=metrics, failures=failing
    )


def _answer(metrics: Sequence[MetricJudgement], failing: FailuresJudgement | None, *, is_last: bool) -> GateAnswer:
    if not metrics or any(each.count < PAIRS_MIN for each in metrics):
        return GateAnswer.INCONCLUSIVE
    if failing is not None and failing.is_regression:
        return GateAnswer.REGRESSION
    if failing is not None and failing.failures.is_of_the_baseline:
        return GateAnswer.INCONCLUSIVE
    # More pairs may still show that what is claimed is smaller than what matters: half of it is waited for.
    if any(each.is_worse_by_half or (is_last and each.is_worse) for each in metrics):
        return GateAnswer.REGRESSION
    if not all(each.is_below_limit for each in metrics) or any(each.odd.is_odd for each in metrics):
        return GateAnswer.INCONCLUSIVE
    if failing is not None and failing.is_open:  # one bad moment: more pairs may show that it was no more than that
        return GateAnswer.INCONCLUSIVE
    return GateAnswer.IMPROVEMENT if any(each.is_better for each in metrics) else GateAnswer.PASS


def _judge_all(
    family: Sequence[Series], failures: Failures | None, settings: GateSettings
) -> tuple[tuple[MetricJudgement, ...], FailuresJudgement | None]:
    """Every metric and the failures, the evidence of each adjusted for the family of all of them."""
    observed = [log_ratios(each.baseline, each.candidate, more_is_worse=each.metric.more_is_worse) for each in family]
    evidence = [log_e_value(each) for each in observed] + ([failures.log_e] if failures is not None else [])
    adjusted = closed(evidence)
    metrics = tuple(
        _judged(series, logs, log_e, settings, len(evidence))
        for series, logs, log_e in zip(family, observed, adjusted[: len(family)], strict=True)
    )
    if failures is None:
        return metrics, None
    is_claimed = adjusted[-1] >= -np.log(settings.errors.false_alarm)
    return metrics, FailuresJudgement(failures=failures, log_e=adjusted[-1], is_claimed=bool(is_claimed))


def log_ratios(baseline: Floats, candidate: Floats, *, more_is_worse: bool) -> Floats:
    """Logarithms of candidate over baseline, positive for the worse; where both are 0 there is no difference."""
    both = (baseline > 0) & (candidate > 0)
    least = 1e-9  # one of them is 0: worse or better beyond measure
    ratios = np.log(np.maximum(candidate, least) / np.maximum(baseline, least))
    turned: Floats = np.where(both | (baseline != candidate), ratios, 0.0) * (1 if more_is_worse else -1)
    return turned


def _judged(series: Series, observed: Floats, log_e: float, settings: GateSettings, family: int) -> MetricJudgement:
    errors, limit = settings.errors, float(np.log1p(series.metric.limit))
    is_enough = len(observed) >= PAIRS_MIN
    return MetricJudgement(
        series=series,
        observed=observed,
        log_e=log_e,
        is_claimed=is_enough and log_e >= -np.log(errors.false_alarm),
        # The same as that the interval ends below it: what is not rejected is the interval.
        is_below_limit=is_enough
        and observed.mean() < limit
        and log_e_value(observed, limit) >= -np.log(errors.false_pass),
        errors=errors,
        family=family,
    )
