"""One second of a sender's history, as it crosses a process boundary."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from loadtests.recording.history import COUNTS_SIZE, Counts, OutcomesByDc, SecondCounts

Sparse = tuple[NDArray[np.int32], NDArray[np.int64]]
"""A histogram of the layout of `loadtests.recording.history`: the indices that were counted, and their counts."""


def sparse_of(counts: Counts) -> Sparse:
    """The same histogram as the indices that were counted."""
    index = np.flatnonzero(counts).astype(np.int32)
    return index, counts[index]


def dense_of(sparse: Sparse) -> Counts:
    """The same histogram as int64[COUNTS_SIZE]."""
    index, count = sparse
    counts = np.zeros(COUNTS_SIZE, np.int64)
    counts[index] = count
    return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What one second brought. earliest: the response times without all that may have been the sender's doing; of customers and
    gateways, who measure none, there is none."""

    second: int
    counts: dict[str, SecondCounts]
    response: dict[str, Sparse]
    service: dict[str, Sparse]
    lateness: Sparse
    earliest: dict[str, Sparse] = field(default_factory=dict)
    by_dc: OutcomesByDc = field(default_factory=dict)  # of a storm under Locust none
