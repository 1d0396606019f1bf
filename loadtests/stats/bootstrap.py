"""Bootstrap intervals: of ratios, quantiles and whatever else has no simple formula, also where a series depends on itself. Pure.

What was observed is drawn from again and again, in blocks of random length where observations in a row depend on each other,
and the statistic's spread over the draws is its uncertainty. The draws are keyed: the same seed gives the same interval.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993); the blocks: Politis and Romano, "The stationary
bootstrap", J. Am. Stat. Assoc. 89 (1994).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from loadtests.stats.estimates import Estimate, Floats

DRAWS = 1_000
_AT_A_TIME = 2_000_000  # values that are drawn at once: 16 MB

Statistic = Callable[[Floats], Floats]
"""From float64[draws, n], or float64[draws, n, columns], to float64[draws]."""


def keyed_generator(seed: int, purpose: int) -> np.random.Generator:
    """A generator that no other (seed, purpose) shares its draws with; both 0 or more, below 2^64."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, purpose], dtype=np.uint64)))


def bootstrap_interval(
    observations: Floats,
    statistic: Statistic,
    random: np.random.Generator,
    *,
    block_size: float = 1.0,
    draws: int = DRAWS,
    confidence: float = 0.95,
) -> Estimate:
    """A statistic with its expanded percentile interval.

    Plain percentiles of the draws are too narrow for few observations, as the normal's are against Student's; they are taken
    farther out, as Student's t for so many blocks lies beyond the normal (Hesterberg, "What teachers should know about the
    bootstrap", The American Statistician 69 (2015), section 5.3).
    observations: float64[n] in the order of time, or float64[n, columns] where a row is drawn as a whole (pairs, say).
    block_size: the mean length of the blocks, 1 for independent observations; where they depend on each other, several times as
    many as that lasts (`loadtests.stats.dependent_series.autocorrelation_time`), and many times fewer than n.
    `count` of the estimate is n over the block size. Raises AssertionError for less than two observations or a block as long
    as the series.
    """
    count = len(observations)
    assert count >= 2 and 1 <= block_size < count, "blocks must be many, of at least one observation"
    assert 0 < confidence < 1 and draws >= 100
    measured = float(statistic(observations[np.newaxis])[0])
    per_part = max(_AT_A_TIME // observations.size, 1)
    values = np.concatenate(
        [
            statistic(observations[_drawn(random, min(per_part, draws - done), count, block_size)])
            for done in range(0, draws, per_part)
        ]
    )
    blocks = max(count / block_size, 2.0)
    beyond = np.sqrt(blocks / (blocks - 1)) * stats.t.ppf((1 + confidence) / 2, blocks - 1)
    low, high = np.quantile(values, stats.norm.cdf([-beyond, beyond]))
    return Estimate(
        mean=measured, low=float(low), high=float(high), confidence=confidence, count=int(count / block_size)
    )


def mean_ratio(pairs: Floats) -> Floats:
    """The ratio of means of float64[draws, n, 2]: of the first column to the second, float64[draws]."""
    means = pairs.mean(axis=1)
    ratio: Floats = means[:, 0] / means[:, 1]
    return ratio


def quantile(share: float) -> Statistic:
    """The statistic "quantile of float64[draws, n]" for a share, 0.99 say."""

    def of(values: Floats) -> Floats:
        found: Floats = np.quantile(values, share, axis=1)
        return found

    return of


def _drawn(random: np.random.Generator, draws: int, count: int, block_size: float) -> NDArray[np.int64]:
    """Indices int64[draws, count]: blocks that begin anywhere, go on around the end, and end at random."""
    starts = random.integers(0, count, (draws, count))
    if block_size == 1:
        return starts
    begins = random.random((draws, count)) < 1 / block_size
    begins[:, 0] = True
    place = np.arange(count)
    begin = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
    drawn: NDArray[np.int64] = (np.take_along_axis(starts, begin, axis=1) + place - begin) % count
    return drawn
