"""Does the SLO hold at this rate? One step of a search, judged from its seconds. Pure.

Rules that hold here:
- "p99 is at most 50 ms" is the same as "at most 1 % of the responses take longer than 50 ms": a share, which is tested.
- The beginning is cut off by MSER-5 over the seconds' mean response times. When it would cut off as much as it may, or the
  response times still grow, there is no steady state yet, and nothing is said to hold.
- A step is looked at several times (`loadtests.stats.sequential`): what is clear ends soon, and what is so near the limit that
  nothing points to either answer is given up (`StepOutcome.is_hopeless`): giving up says nothing, so it is wrong about nothing.
- Errors are counted, not tested: more than the objective allows in the seconds that are kept is too many.
- A step whose generator was late or saturated says nothing about the cluster.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from loadtests.recording.histograms import UPPER_EDGES_US, percentiles_us
from loadtests.stats.dependent_series import binned_quantile_interval, effective_count_of_batches
from loadtests.stats.estimates import MSER_BATCH_SIZE, Estimate, Floats, mser5
from loadtests.stats.sequential import SequentialAnswer, SequentialTest, ShareEvidence, share_evidence
from scenarios.spec import Objective, Validity
from scenarios.texts.wording import milliseconds, percent, percentile_name

Counts = NDArray[np.int64]

ALPHA = 0.1  # how often a step may be wrong to either side; an end of the interval is wrong only where two steps are
# From look to look: an answer is heard of soon after it is there, and few looks cost little of the error rate.
LOOK_GROWTH = 1.22
BATCHES_MAX = 20
BATCH_S_MIN = 2
KEPT_S_MIN = 8
SECONDS_MIN = 12  # before which nothing is judged: MSER-5 wants ten, and may take half
WARM_UP_P = 0.05  # above which the seconds that MSER-5 would cut off differ from the others by chance alone
COLD_S = 2  # the first seconds, one of which a cold start makes slow: what it holds up may be answered in the next one
COLD_SD = 4.0  # of the kept seconds' means, beyond which such a one is no chance
BIN_WIDTH = 1e-3  # from bin to bin of the histograms, as a share
HOPELESS_FROM = 0.3  # of a step's length, from which on it is given up when nothing points to either answer
HOPELESS_P = 0.25  # the evidence for both is weaker than that
LATE_OF_LIMIT_MAX = 0.25  # how much of the tightest limit the generator's own lateness may be
GROWTH_MIN = 1.5  # of the last third's response times over the first third's, to be called growth
GROWTH_ALPHA = 0.001
STARVED_OF_OFFERED_MIN = 0.97  # of the rate asked for, that must have fallen due


class StepVerdict(StrEnum):
    """What a step says of its rate."""

    HELD = "held"
    BROKE = "broke"
    UNDECIDED = "undecided"
    CLIENT_LIMITED = "client_limited"


class Doubt(StrEnum):
    """Why an undecided step does not tell; each has another mend."""

    UNSTEADY = "unsteady"  # the warm-up did not end, or response times grew
    TOO_FEW = "too_few"  # responses: had all been fast, it would have proved nothing
    NEAR = "near"  # the share of slow responses can't be told from the one that is allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSecond:
    """What one second of a step brought. By operation name: outcomes, and the responses' histogram.

    offered, completed, bad (failed and indeterminate): counts; response: (index int32[k], count int64[k]) of the layout of
    `loadtests.recording.histograms`; lateness likewise, of all sends.
    """

    second: int
    offered: Mapping[str, int]
    completed: Mapping[str, int]
    bad: Mapping[str, int]
    response: Mapping[str, tuple[NDArray[np.int32], Counts]]
    lateness: tuple[NDArray[np.int32], Counts]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveOutcome:
    """One objective at one rate. response_ms: its percentile with a 95 % interval, None when too little was measured."""

    objective: Objective
    answer: SequentialAnswer
    slower_share: float | None  # of the responses, and of what is overdue without one
    response_ms: Estimate | None
    response_count: int
    effective_count: float  # as so many independent responses
    error_share: float | None
    evidence: ShareEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutcome:
    """A step, judged. Means and rates are of the seconds kept: `kept_s`, after `warm_up_s` were cut off."""

    rate_per_s: float
    verdict: StepVerdict
    reason: str
    length_s: int
    warm_up_s: int
    kept_s: int
    offered_per_s: float
    completed_per_s: float
    mean_response_ms: float | None
    growth: float | None  # of the mean response time, last third over first
    is_steady: bool  # the warm-up has ended, and nothing grew since
    late_p99_ms: float | None
    cpu_share: float | None
    objectives: tuple[ObjectiveOutcome, ...]
    doubt: Doubt | None = None  # of an undecided step alone

    @property
    def is_hopeless(self) -> bool:
        """Is it steady, undecided, and so near the limit that the rest of its time would hardly tell?"""
        open_ones = [each.evidence for each in self.objectives if each.answer is SequentialAnswer.UNDECIDED]
        return (
            self.verdict is StepVerdict.UNDECIDED
            and self.is_steady
            and any(each.below > HOPELESS_P for each in open_ones)  # so it will not hold
            and all(each.above > HOPELESS_P for each in open_ones)  # nor break
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRules:
    """What a step is judged by. alpha: how often it may be wrong to either side; length_s: the longest that it lasts."""

    objectives: tuple[Objective, ...]
    validity: Validity
    length_s: int
    alpha: float

    @property
    def looks_s(self) -> tuple[int, ...]:
        """After how many seconds a step is looked at, ascending; the last is its end."""
        looks = [SECONDS_MIN]
        while (following := round(looks[-1] * LOOK_GROWTH)) * LOOK_GROWTH**0.5 < self.length_s:
            looks.append(following)
        return (*(look for look in looks if look < self.length_s), self.length_s)

    @property
    def hopeless_from_s(self) -> float:
        """From when on a step may be given up."""
        return HOPELESS_FROM * self.length_s

    @property
    def test(self) -> SequentialTest:
        """Wrong at rate alpha over the whole step."""
        return SequentialTest(alpha=self.alpha, fractions=tuple(look / self.length_s for look in self.looks_s))

    @property
    def late_p99_ms_max(self) -> float:
        """How late the generator may be: as a run allows, and little against the tightest limit."""
        tightest = min(objective.response_ms_max for objective in self.objectives)
        return min(self.validity.late_p99_ms_max, LATE_OF_LIMIT_MAX * tightest)


def judge_step(
    rate_per_s: float, seconds: Sequence[StepSecond], rules: StepRules, *, look: int, cpu_share: float | None
) -> StepOutcome:
    """Judge what a step of `rate_per_s` has brought until look number `look`.

    seconds: in their order, without a gap, of the load alone (not of the drain after it). cpu_share: of one core, by the
    sender; None while that is not known.
    Raises AssertionError for fewer seconds than the first look has.
    """
    assert len(seconds) >= SECONDS_MIN, "a step is not judged so early"
    means_ms = mean_response_ms(seconds)
    warm_up_s = warm_up_of(means_ms)
    kept = seconds[warm_up_s:]
    late_p99_ms = lateness_p99_ms(kept)
    growth = growth_of(means_ms[warm_up_s:])
    outcomes = tuple(
        _judge_objective(objective, kept, rules, look, overdue=overdue_count(seconds, objective))
        for objective in rules.objectives
    )
    unsteady = _unsteady(warm_up_s, len(seconds), growth)
    offered_per_s = sum(sum(second.offered.values()) for second in kept) / len(kept)
    verdict, reason = _verdict(
        outcomes,
        client=_client_trouble(rules, rate_per_s, offered_per_s, late_p99_ms, cpu_share),
        unsteady=unsteady,
        alpha=rules.alpha,
    )
    completed = sum(sum(second.completed.values()) for second in kept)
    doubt = None
    if verdict is StepVerdict.UNDECIDED:
        doubt = Doubt.UNSTEADY if unsteady is not None else _doubt_of(outcomes, rules.alpha)
    return StepOutcome(
        rate_per_s=rate_per_s,
        verdict=verdict,
        reason=reason,
        length_s=len(seconds),
        warm_up_s=warm_up_s,
        kept_s=len(kept),
        offered_per_s=offered_per_s,
        completed_per_s=completed / len(kept),
        mean_response_ms=_mean_ms(kept),
        growth=growth,
        is_steady=unsteady is None,
        late_p99_ms=late_p99_ms,
        cpu_share=cpu_share,
        objectives=outcomes,
        doubt=doubt,
    )


def responses_min(percentile: float, alpha: float) -> int:
    """Of so many independent responses, all fast, the test can say that the percentile is within its limit; of fewer never.

    None of n is slow by chance in (percentile / 100)^n of cases, which must be `alpha` at most.
    """
    return math.ceil(math.log(alpha) / math.log(percentile / 100))


def mean_response_ms(seconds: Sequence[StepSecond]) -> Floats:
    """Each second's mean response time over all operations [ms]: float64[seconds].

    A second in which nothing was completed takes the mean of the next one in which something was, for which it waited;
    at the end, of the last before. Zeros when nothing was ever completed.
    """
    means = np.full(len(seconds), np.nan)
    for i, second in enumerate(seconds):
        count = sum(int(counts.sum()) for _, counts in second.response.values())
        if count:
            means[i] = sum(float(UPPER_EDGES_US[at] @ counts) for at, counts in second.response.values()) / count / 1e3
    there = np.flatnonzero(np.isfinite(means))
    if not there.size:
        return np.zeros(len(seconds))
    after = np.searchsorted(there, np.arange(len(seconds)))
    filled: Floats = means[there[np.minimum(after, there.size - 1)]]
    return filled


def seconds_slower(seconds: Sequence[StepSecond], objective: Objective) -> tuple[Counts, Counts]:
    """How many responses of each second were slower than the objective's limit, and of how many: int64[seconds] each."""
    name = str(objective.operation)
    totals = [_total([second.response[name]] if name in second.response else []) for second in seconds]
    slower = np.array([_slower(counts, objective.response_ms_max) for counts in totals], dtype=np.int64)
    return slower, np.array([counts.sum() for counts in totals], dtype=np.int64)


def overdue_count(seconds: Sequence[StepSecond], objective: Objective) -> int:
    """How many operations, at least, have waited for longer than the objective's limit and are still without an answer.

    What was offered so long ago, less everything that was completed: whoever looks at responses alone does not see these.
    """
    name = str(objective.operation)
    old_enough = len(seconds) - math.ceil(objective.response_ms_max / 1e3)
    offered = sum(second.offered.get(name, 0) for second in seconds[: max(old_enough, 0)])
    return max(offered - sum(second.completed.get(name, 0) for second in seconds), 0)


def lateness_p99_ms(seconds: Sequence[StepSecond]) -> float | None:
    """The 99th percentile of how late sends were [ms]; None when nothing was sent."""
    lateness = _total([second.lateness for second in seconds])
    return float(percentiles_us(lateness, [99])[0]) / 1e3 if lateness.any() else None


def warm_up_of(means_ms: Floats) -> int:
    """How many of the first seconds are cut off: those that MSER-5 would, where they surely differ from the rest.

    Of a few even batches MSER-5 takes the half that happens to be the more even one, and near saturation whatever comes before
    or after a clump of slow responses: at the threshold a third of a step on average. So all are kept unless Welch's t tells the
    cut-off seconds from those that are kept, or one of the very first stands out of the kept ones' own spread: of one to three
    cold seconds among five t says nothing, however slow they are, since they are their own spread.
    """
    warm_up_s = mser5(means_ms)
    if warm_up_s == 0:
        return 0
    cut, kept = means_ms[:warm_up_s], means_ms[warm_up_s:]
    alike_ms = BIN_WIDTH * kept.mean()  # nearer values are one bin of the histograms
    kept_sd_ms = max(float(kept.std(ddof=1)), alike_ms)
    if cut[:COLD_S].max() > kept.mean() + COLD_SD * kept_sd_ms:
        return warm_up_s
    cut_sd_ms = max(float(cut.std(ddof=1)), alike_ms)
    welch = stats.ttest_ind_from_stats(
        cut.mean(), cut_sd_ms, len(cut), kept.mean(), kept_sd_ms, len(kept), equal_var=False
    )
    return warm_up_s if welch.pvalue < WARM_UP_P else 0


def _half_s(length_s: int) -> int:
    """As much as MSER-5 may cut off of so many seconds."""
    return MSER_BATCH_SIZE * (length_s // MSER_BATCH_SIZE // 2)


def growth_of(means_ms: Floats) -> float | None:
    """How many times the response times of the last third are those of the first; None unless they surely grow.

    Surely: the slope over time differs from 0 by the t test of its regression, at a level low enough for seconds that
    depend on each other. A cluster that falls behind by a little answers slower and slower, long before any limit is met.
    """
    third = len(means_ms) // 3
    if third < 2 or not means_ms.std():
        return None
    fit = stats.linregress(np.arange(len(means_ms)), means_ms)
    first = float(means_ms[:third].mean())
    growth = float(means_ms[-third:].mean()) / first if first > 0 else np.inf
    return growth if fit.slope > 0 and fit.pvalue < GROWTH_ALPHA and growth >= GROWTH_MIN else None


def _mean_ms(kept: Sequence[StepSecond]) -> float | None:
    parts = [part for second in kept for part in second.response.values()]
    count = sum(int(counts.sum()) for _, counts in parts)
    return sum(float(UPPER_EDGES_US[at] @ counts) for at, counts in parts) / count / 1e3 if count else None


def _judge_objective(
    objective: Objective, kept: Sequence[StepSecond], rules: StepRules, look: int, *, overdue: int
) -> ObjectiveOutcome:
    name = str(objective.operation)
    batches = [_total([second.response[name] for second in part if name in second.response]) for part in _batches(kept)]
    slower = np.array([_slower(counts, objective.response_ms_max) for counts in batches], dtype=np.int64)
    counted = np.array([counts.sum() for counts in batches], dtype=np.int64)
    total = int(counted.sum()) + overdue
    slower_share = (int(slower.sum()) + overdue) / total if total else None
    share_max = 1 - objective.percentile / 100
    effective = _effective_count(kept, name)
    evidence = ShareEvidence(below=1.0, above=1.0)
    if len(batches) > 1:
        evidence = share_evidence(slower, counted, share_max, effective)
    answer = rules.test.answer(look, evidence)
    if answer is SequentialAnswer.YES and slower_share is not None and overdue and slower_share > share_max:
        answer = SequentialAnswer.UNDECIDED  # the answers that came were fast; those that have not come are not
    completed = sum(second.completed.get(name, 0) for second in kept)
    error_share = sum(second.bad.get(name, 0) for second in kept) / completed if completed else None
    if error_share is not None and error_share > objective.error_share_max:
        answer = SequentialAnswer.NO
    return ObjectiveOutcome(
        objective=objective,
        answer=answer,
        slower_share=slower_share,
        response_ms=binned_quantile_interval(
            batches, UPPER_EDGES_US / 1e3, objective.percentile / 100, effective_count=effective
        ),
        effective_count=effective,
        response_count=total - overdue,
        error_share=error_share,
        evidence=evidence,
    )


def _effective_count(kept: Sequence[StepSecond], name: str) -> float:
    """As how many independent responses of an operation all of them count."""
    counts, sums, squares = np.zeros((3, len(kept)))
    for i, second in enumerate(kept):
        if name in second.response:
            at, many = second.response[name]
            values_ms = UPPER_EDGES_US[at] / 1e3
            counts[i], sums[i], squares[i] = many.sum(), values_ms @ many, values_ms**2 @ many
    total = counts.sum()
    if total == 0:
        return 0.0
    variance = float(squares.sum() / total - (sums.sum() / total) ** 2)
    return effective_count_of_batches(counts, sums / np.maximum(counts, 1), variance)


def _batches(kept: Sequence[StepSecond]) -> list[Sequence[StepSecond]]:
    """Equal stretches of at least BATCH_S_MIN seconds, at most BATCHES_MAX; left-over seconds are the first ones."""
    count = max(min(len(kept) // BATCH_S_MIN, BATCHES_MAX), 1)
    size = len(kept) // count
    bounds = range(len(kept) - size * count, len(kept) + 1, size)
    return [kept[start:end] for start, end in pairwise(bounds)]


def _total(parts: Sequence[tuple[NDArray[np.int32], Counts]]) -> Counts:
    total = np.zeros(len(UPPER_EDGES_US), dtype=np.int64)
    for at, counts in parts:
        total[at] += counts
    return total


def _slower(counts: Counts, limit_ms: float) -> int:
    """How many of a histogram are above a limit; those in the bin that holds it are not: it is 0.1 % wide."""
    return int(counts[np.searchsorted(UPPER_EDGES_US, limit_ms * 1e3) + 1 :].sum())


def _client_trouble(
    rules: StepRules, rate_per_s: float, offered_per_s: float, late_p99_ms: float | None, cpu_share: float | None
) -> str | None:
    """The sentence why the generator, and not the cluster, may be what was measured."""
    if late_p99_ms is not None and late_p99_ms > rules.late_p99_ms_max:
        allowed = milliseconds(rules.late_p99_ms_max)
        return f"the load generator was late: p99 of its lateness {milliseconds(late_p99_ms)}, {allowed} allowed"
    if cpu_share is not None and cpu_share > rules.validity.cpu_share_max:
        allowed = percent(rules.validity.cpu_share_max)
        return f"the load generator was saturated: it took {percent(cpu_share)} of a core, {allowed} allowed"
    # Arrivals are random: what may be missing by chance grows with the root of their count.
    if offered_per_s < STARVED_OF_OFFERED_MIN * rate_per_s - 5 * np.sqrt(rate_per_s / KEPT_S_MIN):
        return f"the load generator could not keep up: it offered {offered_per_s:,.0f}/s of {rate_per_s:,.0f}/s"
    return None


def _unsteady(warm_up_s: int, length_s: int, growth: float | None) -> str | None:
    if warm_up_s >= _half_s(length_s):  # as much as it may cut off: it has not ended
        return f"no steady state: the warm-up took {warm_up_s} of {length_s} s"
    if length_s - warm_up_s < KEPT_S_MIN:
        return f"only {length_s - warm_up_s} s were left after the warm-up"
    if growth is not None:
        return f"no steady state: response times grew {growth:.1f} times while they were watched"
    return None


def _verdict(
    outcomes: Sequence[ObjectiveOutcome], *, client: str | None, unsteady: str | None, alpha: float
) -> tuple[StepVerdict, str]:
    if client is not None:
        return StepVerdict.CLIENT_LIMITED, client
    broken = [outcome for outcome in outcomes if outcome.answer is SequentialAnswer.NO]
    if broken:
        return StepVerdict.BROKE, "; ".join(_told(outcome) for outcome in broken)
    if unsteady is not None:
        return StepVerdict.UNDECIDED, unsteady
    open_ones = [outcome for outcome in outcomes if outcome.answer is SequentialAnswer.UNDECIDED]
    if open_ones:
        return StepVerdict.UNDECIDED, "; ".join(_told(outcome) + _too_few(outcome, alpha) for outcome in open_ones)
    return StepVerdict.HELD, "; ".join(_told(outcome) for outcome in outcomes)


def _doubt_of(outcomes: Sequence[ObjectiveOutcome], alpha: float) -> Doubt:
    """Of a step in a steady state that does not tell."""
    open_ones = [outcome for outcome in outcomes if outcome.answer is SequentialAnswer.UNDECIDED]
    return Doubt.TOO_FEW if any(_too_few(outcome, alpha) for outcome in open_ones) else Doubt.NEAR


def _too_few(outcome: ObjectiveOutcome, alpha: float) -> str:
    """The end of the sentence about too few responses; empty when there were enough."""
    least = responses_min(outcome.objective.percentile, alpha)
    if outcome.effective_count >= least:
        return ""
    return f" (as many as {outcome.effective_count:,.0f} independent responses; with fewer than {least:,} nothing is proved)"


def _told(outcome: ObjectiveOutcome) -> str:
    objective = outcome.objective
    if outcome.error_share is not None and outcome.error_share > objective.error_share_max:
        share, allowed = percent(outcome.error_share), percent(objective.error_share_max)
        return f"{objective.operation}: {share} failed or without an answer, {allowed} allowed"
    if outcome.slower_share is None:
        return f"{objective.operation}: nothing was completed"
    name, limit = percentile_name(objective.percentile), milliseconds(objective.response_ms_max)
    allowed = percent(1 - objective.percentile / 100)
    return f"{objective.operation}: {percent(outcome.slower_share)} slower than {limit}, {allowed} allowed by {name}"
