"""Looking at a measurement more than once, and still being wrong no more often than said. Pure.

A load is watched while it goes on, and may be ended as soon as it has shown enough. Tested again and again at 5 % each, a
truth would be called false far more often than once in twenty; so the error that is allowed is spent little by little.

Rules that hold here:
- Group-sequential: at each look a part of the error rate alpha is spent, as much of it as there is of the information
  (Lan and DeMets 1983; the spending function alpha * t, Kim and DeMets 1987). That of O'Brien and Fleming's kind spends next to
  nothing early, and every step would take its whole length.
- The boundaries are nominal significance levels, so that a t test may be held against them where the variance is not known
  ("significance level approach": Pocock 1977; Jennison and Turnbull 2000, sections 4.4 and 11.5).
- Three answers: yes, no, undecided. An answer that wants more evidence than there was is undecided, never a guess.

Source: Lan and DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983); Kim and DeMets, "Design and
analysis of group sequential tests based on the type I error spending rate function", Biometrika 74 (1987); Armitage, McPherson
and Rowe, "Repeated significance tests on accumulating data", J. R. Stat. Soc. A 132 (1969), for the integration; Jennison and
Turnbull, "Group Sequential Methods with Applications to Clinical Trials" (2000).
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

_GRID = 801  # points of the density between looks; twice as many change a level by less than 1e-4 of it


class SequentialAnswer(StrEnum):
    """What a sequential test says of "is the share at most so much?"."""

    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"


def spent(alpha: float, fraction: float) -> float:
    """How much of the one-sided error rate `alpha` may be spent when `fraction` of the information is there [0 to 1]."""
    assert 0 < alpha < 0.5 and 0 < fraction <= 1
    return alpha * fraction


@lru_cache(maxsize=256)
def nominal_levels(alpha: float, fractions: tuple[float, ...]) -> tuple[float, ...]:
    """The one-sided significance level of each look, such that any of them is crossed by chance at the rate `alpha`.

    fractions: of the whole information at each look, ascending; the last need not be 1, and then not all is spent.
    The score is a Brownian motion; the density of what has not crossed yet is carried from look to look.
    """
    assert all(0 < a < b for a, b in pairwise(fractions)), "looks are not in order"
    levels: list[float] = []
    score, weight = np.zeros(1), np.ones(1)  # where the motion may be, and how much of the probability is there
    before, spent_before = 0.0, 0.0
    for fraction in fractions:
        step = np.sqrt(fraction - before)
        to_spend = spent(alpha, fraction) - spent_before

        far = 40 * np.sqrt(fraction)
        bound = float(optimize.brentq(_excess, -far, far, (score, weight, step, to_spend)))
        levels.append(float(stats.norm.sf(bound / np.sqrt(fraction))))
        grid = np.linspace(-8 * np.sqrt(fraction), bound, _GRID)
        density = (stats.norm.pdf((grid[:, None] - score[None, :]) / step) / step) @ weight
        trapezoid = np.full(_GRID, grid[1] - grid[0])
        trapezoid[[0, -1]] /= 2
        score, weight = grid, density * trapezoid
        before, spent_before = fraction, spent_before + to_spend
    return tuple(levels)


def _excess(bound: float, score: Floats, weight: Floats, step: float, to_spend: float) -> float:
    """By how much the probability of being beyond `bound` after `step` more exceeds what may be spent."""
    return float(weight @ stats.norm.sf((bound - score) / step)) - to_spend


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareEvidence:
    """One-sided significance of "the share is below" and "the share is above" what is allowed."""

    below: float
    above: float


def share_evidence(
    exceeded: Counts, counted: Counts, share_max: float, effective_count: float | None = None
) -> ShareEvidence:
    """How surely a share is below or above `share_max`, from batches of one steady series.

    exceeded, counted: int64[batches], how many observations of each batch exceeded the limit, and how many there were; batches
    so long that their totals are nearly independent. share_max: 0 to 1, exclusive. effective_count: as how many independent
    observations they all count together; None for as many as there are.

    Two tests, of which the weaker counts. Student's t of exceeded - share_max * counted over the batches knows how the
    exceedances depend on each other; the binomial test of the effective sum knows how few there are: near saturation a queue
    is slow once in a minute for half a second, and until then the batches are all alike, and t alone would be sure. Slow
    responses come in clumps, so t is freed of the batches' skewness: without that, "below" is said too often.
    Raises AssertionError for less than two batches.
    """
    assert exceeded.shape == counted.shape and len(counted) >= 2, "an answer needs two or more batches"
    assert 0 < share_max < 1
    total, over = int(counted.sum()), int(exceeded.sum())
    if total == 0:
        return ShareEvidence(below=1.0, above=1.0)
    t = unskewed_t(exceeded - share_max * counted)
    freedom = len(counted) - 1
    effective = total if effective_count is None else min(max(effective_count, 1.0), total)
    few = over / total * effective
    return ShareEvidence(
        below=max(float(stats.t.cdf(t, freedom)), _at_most(few, effective, share_max)),
        above=max(float(stats.t.sf(t, freedom)), _at_least(few, effective, share_max)),
    )


def _at_most(successes: float, trials: float, share: float) -> float:
    """The probability of at most so many successes, for effective counts that need not be whole: the beta form."""
    return float(special.betainc(trials - successes, successes + 1, 1 - share)) if successes < trials else 1.0


def _at_least(successes: float, trials: float, share: float) -> float:
    return float(special.betainc(successes, trials - successes + 1, share)) if successes > 0 else 1.0


def unskewed_t(values: Floats) -> float:
    """Student's t of the mean of float64[n] against 0, transformed so that skewed values are wrong as seldom to either side.

    Infinite, with the mean's sign, for values that are all alike.
    Source: Hall, "On the removal of skewness by transformation", J. R. Stat. Soc. B 54 (1992): the monotone cubic.
    """
    count, spread = len(values), float(values.std(ddof=1))
    mean = float(values.mean())
    if spread == 0:
        return float(np.sign(mean)) * np.inf
    skewness = float(((values - mean) ** 3).mean()) / spread**3
    distance = mean / spread
    straight = distance + skewness * distance**2 / 3 + skewness**2 * distance**3 / 27 + skewness / (6 * count)
    return float(np.sqrt(count)) * straight


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialTest:
    """Is a share at most what is allowed? Asked at several looks, wrong at the rate `alpha` to either side.

    fractions: the information at the looks, as shares of the most that will be gathered; ascending, the last one 1.
    """

    alpha: float
    fractions: tuple[float, ...]

    def levels(self) -> tuple[float, ...]:
        """The significance level of each look."""
        return nominal_levels(self.alpha, self.fractions)

    def answer(self, look: int, evidence: ShareEvidence) -> SequentialAnswer:
        """What may be said at look number `look`, 0 for the first."""
        level = self.levels()[look]
        if evidence.below <= level:
            return SequentialAnswer.YES
        return SequentialAnswer.NO if evidence.above <= level else SequentialAnswer.UNDECIDED
