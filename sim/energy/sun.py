"""The sun over Great Britain: the share of a year's light that falls in each UTC half-hour, or quarter-hour.

Integers only, with a sine that is a ratio of polynomials: no machine's mathematics library has a say.
"""

from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from scenarios.domain import SLOTS_PER_DAY
from sim.profiles.demand import YEAR_ONE, DemandProfile, tables_of
from sim.units import IntArray

LATITUDE = 5_300  # 53 degrees north, near the middle of Great Britain's homes [0.01 degrees]
TILT_OF_THE_EARTH = 2_345  # [0.01 degrees]
FULL_TURN = 36_000  # [0.01 degrees]

_SINE_BITS = 20
_DAYS_A_YEAR = 365


class SunTables(NamedTuple):
    """What the light has brought by each boundary, and how far clouds may move it; as the tables of a demand profile."""

    day_share: IntArray  # int64[day_count + 1]: light before the day's start, share of a year [2^-36]
    day_spread: IntArray  # int64[day_count + 1]: width of the noise at the day's start [2^-36]
    slot_share: IntArray  # int64[day_count, slots + 1]: light before the slot's start, share of its day [2^-32]
    slot_spread: IntArray  # int64[day_count, slots + 1]: width of the noise at the slot's start [2^-32]


@lru_cache(maxsize=4)
def sun_tables(start: date, day_count: int, slots_per_day: int = SLOTS_PER_DAY) -> SunTables:
    """The tables of `day_count` UTC days from `start`. In the dark nothing comes, and no noise moves anything there."""
    year = date(start.year, 1, 1)
    year_light = int(sum(light_of(year + timedelta(days=row), slots_per_day).sum() for row in range(_DAYS_A_YEAR)))
    light = np.stack([light_of(start + timedelta(days=row), slots_per_day) for row in range(day_count + 1)])
    share = light * YEAR_ONE // year_light
    tables = tables_of(DemandProfile(name="sun", start=start, share=share))
    return SunTables(
        day_share=tables.day_share,
        day_spread=tables.day_spread,
        slot_share=tables.slot_share,
        slot_spread=tables.slot_spread,
    )


def light_of(day: date, slots_per_day: int = SLOTS_PER_DAY) -> IntArray:
    """Light on level ground at the middle of each slot of a UTC day: int64[slots], sine of the sun's height [2^-20].

    Ignores on purpose: air, the equation of time (16 minutes at most), longitude and how panels are tilted.
    Source: Cooper, "The absorption of radiation in solar stills", 1969, for the declination.
    """
    turn = FULL_TURN * (284 + day.timetuple().tm_yday) // _DAYS_A_YEAR
    declination = (TILT_OF_THE_EARTH * sine(np.array([turn]))) >> _SINE_BITS
    step = FULL_TURN // slots_per_day
    hour_angle = np.arange(slots_per_day) * step + step // 2 - FULL_TURN // 2
    along = sine(np.array([LATITUDE])) * sine(declination) >> _SINE_BITS
    across = cosine(np.array([LATITUDE])) * cosine(declination) >> _SINE_BITS
    height: IntArray = along + (across * cosine(hour_angle) >> _SINE_BITS)
    return np.maximum(height, 0)


def sine(angle: IntArray) -> IntArray:
    """Sines of angles [0.01 degrees]: int64[n] -> int64[n] [2^-20], to 0.0017.

    Source: Bhaskara I, Mahabhaskariya, 7th century: sin x = 4x (180 - x) / (40500 - x (180 - x)) for x degrees in 0 .. 180.
    """
    half_turn = FULL_TURN // 2
    within = np.asarray(angle, np.int64) % FULL_TURN
    rest = within % half_turn
    product = rest * (half_turn - rest)
    height = ((4 * product) << _SINE_BITS) // (5 * half_turn * half_turn // 4 - product)
    return np.where(within < half_turn, height, -height)


def cosine(angle: IntArray) -> IntArray:
    """Cosines of angles [0.01 degrees]: int64[n] -> int64[n] [2^-20]."""
    return sine(np.asarray(angle, np.int64) + FULL_TURN // 4)
