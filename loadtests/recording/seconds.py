"""One second of a sender's history, as it crosses a process boundary."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadtests.recording.history import SecondCounts

Sparse = tuple[NDArray[np.int32], NDArray[np.int64]]
"""A histogram of the layout of `loadtests.recording.history`: the indices that were counted, and their counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What one second brought."""

    second: int
    counts: dict[str, SecondCounts]
    response: dict[str, Sparse]
    service: dict[str, Sparse]
    lateness: Sparse
