"""Operations that were not acknowledged: is it the candidate, by the evidence of all pairs, or one bad moment? Pure.

What counts of a pair is the share of each side's operations that were not acknowledged *beyond what is allowed*. The evidence
is a bet on signs over the pairs in which the sides differ in that: one bad moment is one sign, however bad it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.gate.pairs import Pair
from loadtests.gate.sides import SideName
from loadtests.stats.e_values import log_e_of_signs


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """baseline, candidate: share of all their operations. beyond: float64[pairs], the candidate's share less the baseline's, of
    each only what is beyond `allowed`."""

    baseline: float
    candidate: float
    allowed: float
    beyond: NDArray[np.float64]
    kinds: tuple[str, ...]  # of errors

    @property
    def log_e(self) -> float:
        """The evidence that one side fails more than the other, by itself."""
        return log_e_of_signs(self.beyond)

    @property
    def is_too_many(self) -> bool:
        """Are there more than allowed, of either side?"""
        return max(self.baseline, self.candidate) > self.allowed

    @property
    def is_of_the_candidate(self) -> bool:
        """Are there too many of the candidate's alone, and in more pairs than not? Whether that is chance, evidence says."""
        return self.baseline <= self.allowed < self.candidate and float(np.sign(self.beyond).sum()) > 0


def failures_of(pairs: Sequence[Pair], allowed: float) -> Failures:
    """What was not acknowledged in these pairs. allowed: a share of a side's operations."""
    failed, offered = (
        np.array([[of(pair.sides[name]) for name in SideName] for pair in pairs], np.float64).reshape(len(pairs), 2)
        for of in (lambda trial: trial.offered - trial.ok, lambda trial: trial.offered)
    )
    beyond = np.maximum(failed / np.maximum(offered, 1.0) - allowed, 0.0)
    shares = failed.sum(axis=0) / np.maximum(offered.sum(axis=0), 1.0)
    return Failures(
        baseline=float(shares[0]),
        candidate=float(shares[1]),
        allowed=allowed,
        beyond=beyond[:, 1] - beyond[:, 0],
        kinds=tuple(sorted({kind for pair in pairs for trial in pair.sides.values() for kind in trial.errors})),
    )
