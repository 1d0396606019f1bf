"""A kernel that is called without Numba's dispatch is the one for what it is given."""

import numpy as np
from numpy.typing import NDArray

from loadtests.sender.compiled import _ready
from sim.kernels import leaf_kernel


@leaf_kernel
def first_of(values: NDArray[np.int64]) -> int:
    return values[0]  # type: ignore[no-any-return]


def test_it_is_compiled_for_the_types_that_it_is_called_with() -> None:
    """It was the one that was compiled last, which takes any array for one of its own types."""
    wholes, fractions = np.array([7]), np.array([0.5])
    assert _ready(first_of, True, wholes)(wholes) == 7
    assert _ready(first_of, True, fractions)(fractions) == 0.5
    assert _ready(first_of, True, wholes)(wholes) == 7
    assert _ready(first_of, False, wholes) is first_of
