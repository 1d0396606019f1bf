"""The shape of the load: how fast the simulated span goes by at each moment of the storm's wall time.

The trace stays what it is, every operation of it; a shape only moves the instants at which they fall due. Its speeds are
relative to each other: the whole span always takes the whole wall time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from scenarios.parts.base import Part

KNOTS_OF_A_RAMP = 256  # a ramp is so many steps; each of the named one's is less than 4 % faster than the one before


class Stretch(Part):
    """A part of the wall time, replayed at `speed` or, with `to_speed`, from the one to the other in a straight line."""

    share: float = Field(strict=True, gt=0, le=1, description="of the wall time; those of all stretches add up to 1")
    speed: float = Field(strict=True, ge=0.1, le=100, description="relative to that of the other stretches")
    to_speed: float | None = Field(strict=True, default=None, ge=0.1, le=100)


class Shape(StrEnum):
    """The shapes that have a name."""

    TRACE = "trace"
    RAMP = "ramp"
    STEPS = "steps"
    SPIKE = "spike"


SHAPES: dict[Shape, tuple[Stretch, ...]] = {
    Shape.TRACE: (Stretch(share=1.0, speed=1.0),),
    Shape.RAMP: (Stretch(share=1.0, speed=0.1, to_speed=1.0),),
    Shape.STEPS: tuple(Stretch(share=0.25, speed=speed) for speed in (1.0, 2.0, 3.0, 4.0)),
    Shape.SPIKE: (
        Stretch(share=0.45, speed=1.0),
        Stretch(share=0.1, speed=5.0),
        Stretch(share=0.45, speed=1.0),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Which simulated instant it is at each moment of a replay, and back: straight lines between knots, float64[k] [us]."""

    wall_us: NDArray[np.float64]
    simulated_us: NDArray[np.float64]

    @staticmethod
    def of(stretches: Sequence[Stretch], *, from_us: int, until_us: int, wall_us: int) -> "Pace":
        """The replay of the simulated span from `from_us` to `until_us` in `wall_us` of wall time."""
        lengths, speeds = [], []
        for stretch in stretches:
            count = 1 if stretch.to_speed is None else KNOTS_OF_A_RAMP
            middles = (np.arange(count) + 0.5) / count
            lengths.append(np.full(count, stretch.share / count))
            speeds.append(stretch.speed + middles * ((stretch.to_speed or stretch.speed) - stretch.speed))
        length, speed = np.concatenate(lengths), np.concatenate(speeds)
        wall = np.concatenate([[0.0], np.cumsum(length)])
        way = np.concatenate([[0.0], np.cumsum(length * speed)])
        return Pace(wall_us=wall / wall[-1] * wall_us, simulated_us=from_us + way / way[-1] * (until_us - from_us))

    def wall_us_of(self, simulated_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """Simulated instants as wall time since the replay's start: int64[n] -> int64[n] [us]."""
        return np.interp(simulated_us, self.simulated_us, self.wall_us).astype(np.int64)

    def wall_s_at(self, simulated_us: int) -> float:
        """A simulated instant as wall time since the replay's start [s]; its end for what is after it."""
        return float(np.interp(simulated_us, self.simulated_us, self.wall_us)) / 1e6

    def simulated_us_at(self, wall_s: float) -> int:
        """The simulated instant at a moment of the replay; before and after it, its first and last one."""
        return min(int(np.interp(wall_s * 1e6, self.wall_us, self.simulated_us)), int(self.simulated_us[-1]) - 1)

    def hours_of(self, wall_s: ArrayLike) -> NDArray[np.float64]:
        """Moments of the replay in simulated hours since the first midnight, for an axis: beyond its ends they go on."""
        wall_us, simulated_us = self._drawn_on()
        return np.interp(np.multiply(wall_s, 1e6), wall_us, simulated_us) / 3.6e9

    def wall_s_of_hours(self, hours: ArrayLike) -> NDArray[np.float64]:
        """The inverse of `hours_of`."""
        wall_us, simulated_us = self._drawn_on()
        return np.interp(np.multiply(hours, 3.6e9), simulated_us, wall_us) / 1e6

    def _drawn_on(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The knots, and one more at each end, as far again at the speed that it has there."""
        wall, simulated = self.wall_us, self.simulated_us
        length = wall[-1]
        first, last = (simulated[1] - simulated[0]) / wall[1], (simulated[-1] - simulated[-2]) / (wall[-1] - wall[-2])
        return (
            np.concatenate([[-length], wall, [2 * length]]),
            np.concatenate([[simulated[0] - first * length], simulated, [simulated[-1] + last * length]]),
        )
