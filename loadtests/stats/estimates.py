"""Output analysis: what simulated numbers say about the quantity behind them, and how surely. Pure.

Two kinds of simulation, two ways to an interval:
- A *terminating* one ends by its scenario (a storm, a day). Its start is part of the question, so nothing is cut off, and
  it is estimated by replications only: one number a replication (`of_replications`), independent of the others. The
  observations within a replication depend on each other and must not be counted as so many.
- A *steady-state* one has no natural end. Its beginning is cut off (`mser5`); the rest is cut into long batches, whose
  means are nearly independent (`batch_means`).

Two systems are compared by replications in pairs with the same random draws (`paired_difference`).
Source: Law, "Simulation Modeling and Analysis", 5th ed. (2015), chapters 9 to 11.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

MSER_BATCH_SIZE = 5
BATCH_COUNT = (
    20  # Schmeiser 1982: more than 30 batches narrow the interval hardly, and their means depend on each other
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean with its confidence interval, in the unit of the values.

    confidence: the share of intervals made like this one that hold the true mean [0 to 1].
    count: how many independent values it stands on: replications, pairs, batches or trials.
    """

    mean: float
    low: float
    high: float
    confidence: float
    count: int

    def covers(self, value: float) -> bool:
        """Is the value within the interval?"""
        return self.low <= value <= self.high


def of_replications(values: Floats, confidence: float = 0.95) -> Estimate:
    """The mean of independent replications, with Student's t interval: the only estimate of a terminating scenario.

    values: float64[replications], one number of each replication. They must be independent and alike; a mean of many
    observations is close enough to normal. A percentile over replications is estimated likewise, of each one's percentile.
    Raises AssertionError for less than two values or one that isn't finite: a single replication has no interval.
    Source: Student, "The probable error of a mean", Biometrika 6 (1908).
    """
    assert values.ndim == 1 and len(values) >= 2, "an interval needs two or more values"
    assert np.isfinite(values).all(), "a value is missing or not finite"
    assert 0 < confidence < 1, "a confidence lies between 0 and 1"
    mean = float(values.mean())
    half = float(stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return Estimate(mean=mean, low=mean - half, high=mean + half, confidence=confidence, count=len(values))


def paired_difference(a: Floats, b: Floats, confidence: float = 0.95) -> Estimate:
    """The mean of a - b, by the paired t interval; the systems differ when it does not cover 0.

    a, b: float64[replications]; replication i of both was driven by the same random draws (common random numbers). Where
    both systems answer to a draw in the same direction, their differences vary less than those of independent runs. The
    interval is right without that too, only wider.
    Raises AssertionError when the replications are not in pairs, and like `of_replications`.
    Source: Law 2015, sections 10.2.1 and 11.2.
    """
    assert a.shape == b.shape, "each replication of one system needs its pair"
    return of_replications(a - b, confidence)


def paired_ratio(a: Floats, b: Floats, confidence: float = 0.95) -> Estimate:
    """How many times b is a: the ratio a / b over interleaved pairs, by the paired t interval of its logarithm.

    a, b: float64[pairs], greater than 0; pair i was measured one right after the other (A B, B A, A B, ...), so that what the
    machine does meanwhile slows both alike and leaves their ratio. `mean` is the geometric mean of the ratios: that of a / b and
    that of b / a say the same.
    Raises AssertionError for a value that isn't positive, and like `paired_difference`.
    Source: Fleming and Wallace, "How not to lie with statistics: the correct way to summarize benchmark results", CACM 29
    (1986); pairs: Kalibera and Jones, "Rigorous benchmarking in reasonable time", ISMM 2013.
    """
    assert (a > 0).all() and (b > 0).all(), "a ratio needs positive values"
    logarithm = paired_difference(np.log(a), np.log(b), confidence)
    return Estimate(
        mean=float(np.exp(logarithm.mean)),
        low=float(np.exp(logarithm.low)),
        high=float(np.exp(logarithm.high)),
        confidence=confidence,
        count=logarithm.count,
    )


def mser5(series: Floats) -> int:
    """The length of the warm-up: how many of the first observations to cut off, a multiple of five.

    Of the means of each five observations in a row, the first d are cut off, where d minimises the marginal standard error
    of the rest: the sum of its squared deviations over its squared count. The least such d is taken. Not more than half is
    ever cut off: near the end, a few batches that happen to be alike would win. A warm-up of just that half says that the
    series is too short.

    series: float64[n], in the order of time, n of 10 or more; observations after the last whole five are not looked at.
    For steady-state simulations only; of a terminating scenario nothing is cut off.
    Raises AssertionError when the series is too short or has a value that isn't finite.
    Source: White, "An effective truncation heuristic for bias reduction in simulation output", Simulation 69 (1997);
    in fives: White, Cobb and Spratt, "A comparison of five steady-state truncation heuristics for simulation", WSC 2000.
    """
    batch_count = len(series) // MSER_BATCH_SIZE
    assert batch_count >= 2, "a warm-up needs a series of ten or more"
    assert np.isfinite(series).all(), "a value is missing or not finite"
    batches = series[: batch_count * MSER_BATCH_SIZE].reshape(batch_count, MSER_BATCH_SIZE).mean(axis=1)
    # Summed from the end, about the last mean: what is kept loses no digits to a transient that is far away.
    backward = (batches - batches[-1])[::-1]
    kept = np.arange(1, batch_count + 1)
    squares = np.cumsum(backward**2) - np.cumsum(backward) ** 2 / kept
    marginal_error = (squares / kept.astype(np.float64) ** 2)[::-1]  # by d
    return MSER_BATCH_SIZE * int(np.argmin(marginal_error[: batch_count // 2 + 1]))


def batch_means(series: Floats, batch_count: int = BATCH_COUNT, confidence: float = 0.95) -> Estimate:
    """The steady-state mean from one long series, by Student's t interval over the means of equal batches.

    series: float64[n], in the order of time, its warm-up already cut off (`mser5`); each batch should be many times as long
    as observations depend on each other, which isn't checked. n % batch_count observations are left out: the first ones,
    nearest to the warm-up.
    Raises AssertionError when there are less than two batches or a batch would be empty.
    Source: Schmeiser, "Batch size effects in the analysis of simulation output", Operations Research 30 (1982).
    """
    batch_size = len(series) // batch_count
    assert batch_size >= 1, "fewer observations than batches"
    kept = series[len(series) - batch_size * batch_count :]
    return of_replications(kept.reshape(batch_count, batch_size).mean(axis=1), confidence)


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Estimate:
    """A share of independent trials, with Wilson's score interval: within 0 to 1, and of some width even for none or all.

    The interval is not symmetric about the share. Requests of one storm are not independent trials; replications are.
    Raises AssertionError without a trial, or when the successes aren't 0 to `trials`.
    Source: Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22 (1927).
    """
    assert trials >= 1 and 0 <= successes <= trials, "successes must be 0 to trials, of one trial or more"
    assert 0 < confidence < 1, "a confidence lies between 0 and 1"
    z = float(stats.norm.ppf((1 + confidence) / 2))
    share = successes / trials
    scale = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / scale
    half = z / scale * float(np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)))
    # At the ends the bound is exact; computed, it would miss by a rounding.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return Estimate(mean=share, low=low, high=high, confidence=confidence, count=trials)
