"""Looking at a measurement more than once, and still being wrong no more often than said. Pure.

A load is watched while it goes on, and may be ended as soon as it has shown enough. Tested again and again at 5 % each, a
truth would be called false far more often than once in twenty; so the error that is allowed is spent little by little.

Rules that hold here:
- Group-sequential: at each look a part of the error rate alpha is spent, by the information that is there until then
  (Lan and DeMets 1983, with their spending function of O'Brien and Fleming's kind: little at first, nearly all at the end).
- The boundaries are nominal significance levels, so that a t test may be held against them where the variance is not known
  ("significance level approach": Pocock 1977; Jennison and Turnbull 2000, sections 4.4 and 11.5).
- Three answers: yes, no, undecided. An answer that wants more evidence than there was is undecided, never a guess.

Source: Lan and DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70 (1983); Armitage, McPherson and Rowe,
"Repeated significance tests on accumulating data", J. R. Stat. Soc. A 132 (1969), for the integration; Jennison and Turnbull,
"Group Sequential Methods with Applications to Clinical Trials" (2000).
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

_GRID = 801  # points of the density between looks; twice as many change a level by less than 1e-4 of it


class Answer(StrEnum):
    """What a sequential test says of "is the share at most so much?"."""

    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"


def spent(alpha: float, fraction: float) -> float:
    """How much of the one-sided error rate `alpha` may be spent when `fraction` of the information is there [0 to 1]."""
    assert 0 < alpha < 0.5 and 0 < fraction <= 1
    return float(2 * stats.norm.sf(stats.norm.isf(alpha / 2) / np.sqrt(fraction)))


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


def share_evidence(exceeded: Counts, counted: Counts, share_max: float) -> ShareEvidence:
    """How surely a share is below or above `share_max`, from batches of one steady series.

    exceeded, counted: int64[batches], how many observations of each batch exceeded the limit, and how many there were; batches
    so long that their totals are nearly independent. share_max: 0 to 1, exclusive.

    Two tests, of which the weaker counts. Student's t of exceeded - share_max * counted over the batches knows how the
    observations depend on each other; the binomial test of their sum knows how few there are: without a single
    exceedance the batches are all alike, and t alone would be sure of anything.
    Raises AssertionError for less than two batches.
    """
    assert exceeded.shape == counted.shape and len(counted) >= 2, "an answer needs two or more batches"
    assert 0 < share_max < 1
    total, over = int(counted.sum()), int(exceeded.sum())
    if total == 0:
        return ShareEvidence(below=1.0, above=1.0)
    score = exceeded - share_max * counted
    error = float(score.std(ddof=1)) / np.sqrt(len(score))
    t = float(score.mean()) / error if error > 0 else float(np.sign(score.mean())) * np.inf
    freedom = len(score) - 1
    return ShareEvidence(
        below=max(float(stats.t.cdf(t, freedom)), float(stats.binom.cdf(over, total, share_max))),
        above=max(float(stats.t.sf(t, freedom)), float(stats.binom.sf(over - 1, total, share_max))),
    )


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

    def answer(self, look: int, evidence: ShareEvidence) -> Answer:
        """What may be said at look number `look`, 0 for the first."""
        level = self.levels()[look]
        if evidence.below <= level:
            return Answer.YES
        return Answer.NO if evidence.above <= level else Answer.UNDECIDED
