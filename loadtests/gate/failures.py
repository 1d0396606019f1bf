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
        """Does either side fail more than is allowed?"""
        return max(self.baseline, self.candidate) > self.allowed

    @property
    def worse_count(self) -> int:
        """Pairs in which the candidate failed more beyond what is allowed."""
        return int((self.beyond > 0).sum())

    @property
    def better_count(self) -> int:
        """Pairs in which the baseline did."""
        return int((self.beyond < 0).sum())

    @property
    def is_of_the_baseline(self) -> bool:
        """Does the baseline fail more than is allowed? Then whatever was measured is not of the change alone."""
        return self.baseline > self.allowed

    @property
    def is_of_the_candidate(self) -> bool:
        """Does the candidate alone fail more than is allowed? Whether that is more than chance, the evidence says."""
        return self.baseline <= self.allowed < self.candidate and self.worse_count > self.better_count


def failures_of(pairs: Sequence[Pair], allowed: float) -> Failures:
    """What was not acknowledged in these pairs. allowed: a share of a side's operations."""
    trials = [[pair.sides[name] for name in (SideName.BASELINE, SideName.CANDIDATE)] for pair in pairs]
    counts = np.array([[(each.offered, each.ok) for each in both] for both in trials], np.float64).reshape(-1, 2, 2)
    offered, failed = counts[:, :, 0], counts[:, :, 0] - counts[:, :, 1]
    beyond = np.maximum(failed / np.maximum(offered, 1.0) - allowed, 0.0)
    shares = failed.sum(axis=0) / np.maximum(offered.sum(axis=0), 1.0)
    return Failures(
        baseline=float(shares[0]),
        candidate=float(shares[1]),
        allowed=allowed,
        beyond=beyond[:, 1] - beyond[:, 0],
        kinds=tuple(sorted({kind for pair in pairs for trial in pair.sides.values() for kind in trial.errors})),
    )
