"""The array types and bit widths that kernels share."""

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
YEAR_BITS = 36  # a day's share of a year's energy is a fixed-point number of 2^-36 years
DAY_BITS = 32  # a slot's share of its day's energy is a fixed-point number of 2^-32 days
DRAW_BITS = 16  # a centred draw is a fixed-point number of 2^-16
