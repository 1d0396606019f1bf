"""The numbers that every kernel reads: one NamedTuple of integers and integer arrays, made once by `sim.estate`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

YEAR_BITS = 36  # a day's share of a year's energy is a fixed-point number of 2^-36 years
DAY_BITS = 32  # a slot's share of its day's energy is a fixed-point number of 2^-32 days
DRAW_BITS = 16  # a centred draw is a fixed-point number of 2^-16

HOURS_PER_DAY = 24


class KernelParameters(NamedTuple):
    """Everything that a value or an arrival depends on besides its meter and slot.

    Axis `fuel` follows the scenario's `fuels`; `day` counts UTC days of the span.
    Limits: annual energy below 2^25 Wh and a span of less than two years' energy keep every product within int64.
    """

    seed: int
    premises_count: int
    fuel_count: int
    electricity: int  # index of the electricity meter among a premises' fuels
    day_count: int
    span_us: int  # when the last message is due at the latest [us since the start]

    annual_knots_wh: IntArray  # int64[fuel, 5]: annual energy at its 0, 25, 50, 75 and 100 % quantile [Wh]
    register_start_wh_max: IntArray  # int64[fuel]: a register starts below this [Wh]
    day_share: IntArray  # int64[fuel, day_count + 1]: energy before the day's start, share of a year [2^-36]
    day_spread: IntArray  # int64[fuel, day_count + 1]: width of the noise at the day's start [2^-36]
    slot_share: IntArray  # int64[fuel, day_count, 49]: energy before the slot's start, share of its day [2^-32]
    slot_spread: IntArray  # int64[fuel, day_count, 49]: width of the noise at the slot's start [2^-32]

    half_hourly_below: int  # a schedule word below this means half-hourly [of 2^32]
    region_below: IntArray  # int64[region]: upper bound of each region's words [of 2^32]
    dc_count: int  # business data centres
    push_jitter_us: int
    upload_window_us: int
    query_below: IntArray  # int64[3, count_max]: a count word below [kind, n] means n queries or fewer [of 2^32]
    query_per_premises_day: float  # mean of all kinds; sizes windows, decides nothing
    query_hour: IntArray  # int64[day_count + 1, 25]: share of a day's queries before each UTC hour [of 2^32]
