"""Series whose observations depend on each other: what they are worth, and intervals of their quantiles. Pure.

Response times of one system in a row depend on each other: behind a slow one, others wait. Intervals that take them for
independent promise too much. All is for a steady state: cut the warm-up off before (`loadtests.stats.estimates.mser5`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from loadtests.stats.estimates import BATCH_COUNT, Estimate, Floats

Counts = NDArray[np.int64]


def autocorrelation_time(series: Floats) -> float:
    """By how many times the variance of the mean exceeds that of as many independent observations; 1 or more.

    The sum of the autocorrelations over all lags, by the initial monotone sequence: neighbouring lags are added in pairs,
    which decrease and are positive in truth, and the sum ends where they no longer do. A series without any variance has 1.
    series: float64[n], n of 4 or more.
    Source: Geyer, "Practical Markov chain Monte Carlo", Statistical Science 7 (1992).
    """
    count = len(series)
    assert count >= 4 and np.isfinite(series).all(), "a series of four or more finite values is needed"
    centred = series - series.mean()
    if not centred.any():
        return 1.0
    size = 1 << (2 * count - 1).bit_length()  # room for no lag to wrap around
    spectrum = np.fft.rfft(centred, size)
    covariance = np.fft.irfft(spectrum * spectrum.conjugate(), size)[:count] / count
    pairs = covariance[: count // 2 * 2].reshape(-1, 2).sum(axis=1) / covariance[0]
    negative = np.flatnonzero(pairs <= 0)
    positive = pairs[: negative[0]] if negative.size else pairs
    return max(float(2 * np.minimum.accumulate(positive).sum() - 1), 1.0)


def effective_sample_size(series: Floats) -> float:
    """As many independent observations would tell the mean as surely as `series` (float64[n]) does; at most n."""
    return len(series) / autocorrelation_time(series)


def effective_count_of_batches(counts: Floats, means: Floats, variance: float) -> float:
    """As many independent observations would tell the mean as surely as all those of batches in a row do.

    counts, means: float64[batches], how many observations each batch has, and their mean; variance: of all observations.
    How much more the batches' means vary than means of independent observations would says how long an observation's
    influence lasts, also within a batch. At most as many as there are.
    Source: Law 2015, section 9.5.3 (batch means); Kish, "Survey Sampling" (1965), for the design effect.
    """
    there = counts > 0
    total = float(counts.sum())
    if there.sum() < 4 or variance <= 0:
        return total
    spread = float(means[there].var(ddof=1)) * autocorrelation_time(means[there])
    per_batch = total / float(there.sum())
    return min(total, total * variance / (spread * per_batch)) if spread > 0 else total


def quantile_interval(
    series: Floats, share: float, *, batch_count: int = BATCH_COUNT, confidence: float = 0.95
) -> Estimate:
    """A quantile of one long series in steady state, with its interval.

    The interval of the quantile's *share* is found first, from how much the share of values up to the quantile varies between
    batches; then the values of the order statistics at its ends are read off. What is below or above the quantile, and not by how
    much, decides its width, so that a long tail does not spoil it.
    series: float64[n] in the order of time; share: 0.99 for the 99th percentile; n % batch_count first values are left out.
    Raises AssertionError when a batch would be empty.
    Source: Woodruff, "Confidence intervals for medians and other position measures", J. Am. Stat. Assoc. 47 (1952); the variance
    by batch means for series that depend on themselves: Heidelberger and Lewis, "Quantile estimation in dependent sequences",
    Operations Research 32 (1984).
    """
    size = len(series) // batch_count
    assert size >= 1, "fewer observations than batches"
    kept = series[len(series) - size * batch_count :]
    ordered = np.sort(kept)
    value = _at_share(ordered, share)
    shares = (kept.reshape(batch_count, size) <= value).mean(axis=1)
    low, high = share_bounds(share, shares, confidence, len(kept))
    return Estimate(
        mean=value,
        low=_at_share(ordered, low),
        high=_at_share(ordered, high),
        confidence=confidence,
        count=batch_count,
    )


def binned_quantile_interval(
    batches: Sequence[Counts],
    values: Floats,
    share: float,
    *,
    effective_count: float | None = None,
    confidence: float = 0.95,
) -> Estimate | None:
    """`quantile_interval` of histograms: one of each batch, int64[bins], and the value of each bin, float64[bins].

    effective_count: as how many independent observations they count; None for as many as there are.
    None when fewer than two batches hold anything. An end that lies beyond what was measured is the greatest value.
    """
    held = [counts for counts in batches if counts.any()]
    if len(held) < 2:
        return None
    total = np.sum(held, axis=0)
    cumulative = np.cumsum(total)
    count = int(cumulative[-1])

    def index_at(wanted: float) -> int:
        return int(np.searchsorted(cumulative, min(max(np.ceil(wanted * count - 1e-9 * count), 1), count)))

    index = index_at(share)
    sizes = np.array([counts.sum() for counts in held], dtype=np.float64)
    below = np.array([counts[: index + 1].sum() for counts in held], dtype=np.float64)
    # As the ratio of sums, so that a batch counts by what it holds: the share's deviations, scaled to the mean batch.
    deviations = (below - share * sizes) / sizes.mean()
    low, high = share_bounds(share, share + deviations, confidence, effective_count or count)
    return Estimate(
        mean=float(values[index]),
        low=float(values[index_at(low)]),
        high=float(values[index_at(high)]),
        confidence=confidence,
        count=len(held),
    )


def share_bounds(share: float, shares: Floats, confidence: float, count: float) -> tuple[float, float]:
    """Between which shares the true quantile lies, from the batches' shares of values up to the measured one.

    Never narrower than for `count` independent observations: batches that happen to be alike prove nothing.
    """
    spread = float(shares.std(ddof=1) / np.sqrt(len(shares)))
    spread = max(spread, float(np.sqrt(share * (1 - share) / count)))
    half = float(stats.t.ppf((1 + confidence) / 2, len(shares) - 1)) * spread
    return max(share - half, 0.0), min(share + half, 1.0)


def _at_share(ordered: Floats, share: float) -> float:
    """The value that at least `share` of the ordered ones do not exceed."""
    rank = int(np.ceil(share * len(ordered) - 1e-9 * len(ordered)))
    return float(ordered[min(max(rank, 1), len(ordered)) - 1])
