"""Evidence that may be looked at after every pair, and still is wrong no more often than it says. Pure.

An *e-value* is a number that is 1 or less in the mean while the null hypothesis holds. Kept up pair by pair it reaches
1 / alpha at any moment with a probability of alpha at most (Ville's inequality): whoever stops as soon as it does is wrong no
more often than that. The values of mu0 that it does not reject are a *confidence sequence*: it holds the truth at all looks
at once.

Rules that hold here:
- Observations are logarithms of ratios, one a pair, in the order in which they were taken; positive ones are for the worse.
- Two bets at once, their mean is the e-value. One is on the size of the effect: Student's t with a normal mixture over the
  effect in units of the noise, of which no scale need be known. It is exact for normal noise, and careful with heavy tails.
  The other is on signs alone: exact for any noise whose median is the effect, and much harder to fool by one wild pair.
- Neither plugs in an estimate of the variance as if it were known: with five pairs that alone would double the errors.

Source: t: Lai, "On confidence sequences", Annals of Statistics 4 (1976); Wang and Ramdas, "Anytime-valid t-tests and confidence
sequences for Gaussian means with unknown variance", Sequential Analysis 44 (2025). Bets on signs: Waudby-Smith and Ramdas,
"Estimating means of bounded random variables by betting", J. R. Stat. Soc. B 86 (2024). Families: Vovk and Wang, "E-values:
calibration, combination and applications", Annals of Statistics 49 (2021).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

MIXTURE = 0.25
"""Variance of the mixture over effects, in units of the noise's: of most use for effects of about half the noise of one pair."""
BETS = (0.15, 0.3, 0.5, 0.7, 0.9)  # parts of the stake on a sign, each to both sides
PAIRS_MIN = 5
_EXPONENT_MAX = 700.0  # exp of more is infinite


def log_e_value(observed: Floats, mu0: float = 0.0) -> float:
    """The logarithm of the e-value against "the effect is `mu0`", of float64[n]; 0 (no evidence) for less than two.

    Both sides count. Infinite values must not be there.
    """
    if len(observed) < 2:
        return 0.0
    return float(np.logaddexp(_log_of_t(observed, mu0), log_e_of_signs(observed, mu0)) - np.log(2))


def _log_of_t(observed: Floats, mu0: float) -> float:
    count = len(observed)
    distance = float(observed.mean()) - mu0
    spread = float(observed.std(ddof=1))
    wide = 1 + count * MIXTURE
    if spread == 0:
        # all alike: the limit where t grows without bounds, or no evidence at all
        return 0.0 if distance == 0 else (count - 1) / 2 * float(np.log(wide))
    share = count * distance**2 / spread**2 / (count - 1)
    return float(-0.5 * np.log(wide) + count / 2 * (np.log1p(share) - np.log1p(share / wide)))


def log_e_of_signs(observed: Floats, mu0: float = 0.0) -> float:
    """The logarithm of the e-value against "as many are above `mu0` as below", of float64[n]; those at `mu0` say nothing.

    Exact for observations of any size, one so large that it stands for all others among them. Both sides count.
    """
    above = int((observed > mu0).sum())
    below = int((observed < mu0).sum())
    terms = [
        up * np.log1p(bet) + down * np.log1p(-bet) for bet in BETS for up, down in ((above, below), (below, above))
    ]
    return float(np.logaddexp.reduce(terms) - np.log(len(terms)))


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectBounds:
    """Where an effect lies, by all pairs so far; `low` and `high` are infinite while there are too few."""

    mean: float
    low: float
    high: float
    count: int


def confidence_sequence(observed: Floats, alpha: float) -> EffectBounds:
    """The effects that are not rejected at `alpha`: an interval around the mean, right at every look at once.

    observed: float64[n]. Infinite bounds for less than PAIRS_MIN observations.
    """
    assert 0 < alpha < 1 and np.isfinite(observed).all()
    count = len(observed)
    mean = float(observed.mean()) if count else 0.0
    if count < PAIRS_MIN:
        return EffectBounds(mean=mean, low=-np.inf, high=np.inf, count=count)
    low, high = (_bound(observed, mean, side, alpha) for side in (-1, 1))
    return EffectBounds(mean=mean, low=low, high=high, count=count)


def _bound(observed: Floats, mean: float, side: int, alpha: float) -> float:
    """The farthest effect on one side that is not rejected, by bisection: evidence grows with the distance."""
    limit = -np.log(alpha)
    near, step = mean, max(float(observed.std(ddof=1)), 1e-12)
    far = mean + side * step
    for _ in range(200):
        if log_e_value(observed, far) >= limit:
            break
        near, far = far, mean + side * abs(far - mean) * 2
    else:
        return side * np.inf
    for _ in range(40):
        middle = (near + far) / 2
        if log_e_value(observed, middle) >= limit:
            far = middle
        else:
            near = middle
    return far


def closed(log_e_values: Sequence[float]) -> list[float]:
    """E-values of a family, adjusted: those at 1 / alpha or more may be claimed, and any of them is wrong at the rate alpha.

    The closure of the mean: a hypothesis stands rejected when every group that it belongs to is, and the mean of e-values is
    one, however they depend on each other. In and out: logarithms.
    """
    count = len(log_e_values)
    order = np.argsort(log_e_values)
    adjusted = [0.0] * count
    for own in range(count):
        others = [log_e_values[int(each)] for each in order if each != own]
        total, least = log_e_values[own], log_e_values[own]
        for taken, other in enumerate(others, start=2):  # the least first: the worst group of each size
            total = float(np.logaddexp(total, other))
            least = min(least, total - float(np.log(taken)))
        adjusted[own] = least
    return adjusted


def half_width(spread: float, count: int, alpha: float) -> float:
    """How far the confidence sequence of `count` pairs reaches to either side of its mean, by t alone; infinite for too few.

    spread: standard deviation of a pair, in the unit of the observations. The mean of two e-values must reach 1 / alpha, so
    t's must reach twice that when signs say nothing: this is never less than what will be.
    """
    if count < PAIRS_MIN:
        return float(np.inf)
    wide = 1 + count * MIXTURE
    exponent = 2 / count * (np.log(2 / alpha) + 0.5 * np.log(wide))
    if exponent >= np.log(wide):
        return float(np.inf)
    most = float(np.exp(exponent))
    share = (most - 1) / (1 - most / wide)
    return float(spread * np.sqrt(share * (count - 1) / count))


def pairs_to_claim(alpha: float) -> int:
    """With fewer pairs no effect reaches 1 / alpha, however large it is."""
    count = PAIRS_MIN
    while log_e_value(np.full(count, 1.0)) < -np.log(alpha):
        count += 1
    return count


def smallest_effect(spread: float, count: int, alpha: float, power: float = 0.9) -> float:
    """The effect that `count` pairs of such noise would have shown with the probability `power`; infinite for too few pairs."""
    return half_width(spread, count, alpha) + float(stats.norm.ppf(power)) * spread / float(np.sqrt(max(count, 1)))


def pairs_needed(
    spread: float, distance: float, alpha: float, *, power: float = 0.9, most: int = 100_000
) -> int | None:
    """How many pairs of such noise show an effect that is `distance` away, with the probability `power`; None for over `most`."""
    if distance <= 0:
        return None
    low, high = PAIRS_MIN, PAIRS_MIN
    while smallest_effect(spread, high, alpha, power) > distance:
        low, high = high, high * 2
        if high > most:
            return None
    while low < high:
        middle = (low + high) // 2
        if smallest_effect(spread, middle, alpha, power) > distance:
            low = middle + 1
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """What makes a mean of pairs a bad summary: its sentence is told, and the evidence is not averaged away."""

    drifts: bool
    has_two_levels: bool
    wild: tuple[int, ...]  # indices of pairs far off all others

    @property
    def is_odd(self) -> bool:
        """Is the mean no summary of it? Single wild pairs don't make it so: bets on signs see through them."""
        return self.drifts or self.has_two_levels


def oddity(observed: Floats, *, certainty: float = 0.0001) -> Oddity:
    """Whether float64[n] in the order of time drifts, lies on two levels, or holds pairs far from all others.

    drifts: Mann and Kendall's rank correlation with time is sure at `certainty`. has_two_levels: split at its widest gap
    into two groups of at least a fifth each, the gap is wider than half the distance between their means and three times
    the spread within them. wild: more than 8 median absolute deviations off the median.
    Nothing is odd in less than 8 pairs. Source: Mann, "Nonparametric tests against trend", Econometrica 13 (1945).
    """
    if len(observed) < 8:
        return Oddity(drifts=False, has_two_levels=False, wild=())
    trend = stats.kendalltau(np.arange(len(observed)), observed)
    middle = float(np.median(observed))
    deviation = float(np.median(np.abs(observed - middle)))
    wild = (
        np.flatnonzero(np.abs(observed - middle) > 8 * 1.4826 * deviation) if deviation > 0 else np.array([], np.int64)
    )
    return Oddity(
        drifts=bool(trend.pvalue < certainty),
        has_two_levels=_has_two_levels(np.sort(observed)),
        wild=tuple(int(each) for each in wild),
    )


def _has_two_levels(ordered: Floats) -> bool:
    count = len(ordered)
    least = max(count // 5, 2)
    gaps = np.diff(ordered)[least - 1 : count - least]
    if not len(gaps):
        return False
    at = least + int(gaps.argmax())
    low, high = ordered[:at], ordered[at:]
    within = float(np.sqrt((((low - low.mean()) ** 2).sum() + ((high - high.mean()) ** 2).sum()) / (count - 2)))
    gap, distance = float(gaps.max()), float(high.mean() - low.mean())
    return gap > 0 and gap > distance / 2 and distance > 6 * within
