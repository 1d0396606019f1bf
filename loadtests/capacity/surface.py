"""Which rates are worth a step: shares of slow responses over the rate, as measured, with a queue's form as the prior. Pure.

Rules that hold here:
- It aims, and judges nothing: whatever it says, a rate holds or breaks by its own steps alone. A wrong form costs steps, never
  the answer.
- The prior is M/M/c, which has one free parameter when the mean response time of the lowest rate is taken for the service time:
  the capacity, fitted to all shares that were measured. What the form does not explain is interpolated between the rates, so that
  the surface goes through what was measured.
- A rate is worth a step when the test would tell within a part of a whole step's time, at the share and at the effective count a
  second that the surface has there.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from loadtests.stats.estimates import Floats
from loadtests.stats.queues import share_slower

LEAST_OF_ALLOWED = 0.01  # smaller shares are all alike: none was slow
CAPACITIES = 48  # that are tried, from what was completed at most to CAPACITY_MAX times that
CAPACITY_MAX = 3.0
SERVERS_MAX = 512
SATURATED = 0.3  # of the responses slow: beyond it the share says how long a step was, not how fast the system is
HALVINGS = 14  # of the distance between two rates: to a hundredth of a per cent of it
USED_MAX = 0.98  # of the capacity: nearer to it a step is too short for the queue to forget at all
# Independent responses in the time in which a queue forgets: of M/M/16, and corrected by what is measured.
RELAXATIONS = 3.0
LEVEL_OF_ALPHA = 0.5  # at which level of its error rate a look in the middle of a step tests, roughly


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one step measured, of the objective that was nearest to its limit.

    slower_of_allowed: the share of slow responses, over the one that is allowed. effective_per_s: as how many independent
    responses a second brings. share_max: the share that is allowed, 0 to 1. limit_s: from which response time on one is slow
    [s]. mean_response_s: of all operations [s]. completed_per_s: all operations [1/s]. kept_s: how long it was measured, after
    the warm-up [s].
    """

    slower_of_allowed: float
    effective_per_s: float
    share_max: float
    limit_s: float
    mean_response_s: float
    completed_per_s: float
    kept_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the surface says of a rate."""

    slower_of_allowed: float
    effective_per_s: float


@dataclass(frozen=True)
class Surface:
    """The shares over the rate. points: (rate [operations/s], what its steps measured), ascending, of two or more rates."""

    points: Sequence[tuple[float, Measured]]

    def at(self, rate_per_s: float) -> Prediction:
        """The share of slow responses, over the allowed one, and the effective count a second at a rate."""
        share, effective = self._prior(rate_per_s)
        share_off, effective_off = self._off
        at = math.log(rate_per_s)
        share += float(np.interp(at, self._rates, share_off))
        effective += float(np.interp(at, self._rates, effective_off))
        return Prediction(slower_of_allowed=math.exp(share), effective_per_s=math.exp(effective))

    @property
    def share_max(self) -> float:
        """The share that is allowed, of the objective that the highest rate was nearest to."""
        return self.points[-1][1].share_max

    @cached_property
    def capacity_per_s(self) -> float:
        """The capacity of the M/M/c whose shares are nearest to those measured."""
        least = max(each.completed_per_s for _, each in self.points)
        tried = least * np.geomspace(1.0, CAPACITY_MAX, CAPACITIES)
        return float(min(tried, key=self._deviation))

    @cached_property
    def _rates(self) -> Floats:
        return np.log([rate for rate, _ in self.points])

    @cached_property
    def _off(self) -> tuple[Floats, Floats]:
        """By how much what was measured exceeds the prior, as logarithms: of shares, of effective counts."""
        priors = [self._prior(rate) for rate, _ in self.points]
        measured = [(_log_share(each), math.log(max(each.effective_per_s, 1e-3))) for _, each in self.points]
        off = np.array(measured) - np.array(priors)
        return off[:, 0], off[:, 1]

    def _deviation(self, capacity_per_s: float) -> float:
        """Squared, of the logarithms of shares; a saturated step has whatever share its length gives it."""
        tops = [math.log(SATURATED / each.share_max) for _, each in self.points]
        return sum(
            (min(_log_share(each), top) - min(self._share(rate, capacity_per_s), top)) ** 2
            for (rate, each), top in zip(self.points, tops, strict=True)
        )

    def _prior(self, rate_per_s: float) -> tuple[float, float]:
        """Logarithms of the share over the allowed one, and of the effective count a second."""
        used = min(rate_per_s / self.capacity_per_s, USED_MAX)
        forgets_per_s = self.capacity_per_s * (1 - math.sqrt(used)) ** 2
        return self._share(rate_per_s, self.capacity_per_s), math.log(min(RELAXATIONS * forgets_per_s, rate_per_s))

    def _share(self, rate_per_s: float, capacity_per_s: float) -> float:
        """The logarithm of the form's share over the allowed one, within what can be measured."""
        top = self.points[-1][1]
        servers = min(max(round(capacity_per_s * self.points[0][1].mean_response_s), 1), SERVERS_MAX)
        share = share_slower(servers, servers / capacity_per_s, rate_per_s, top.limit_s) / top.share_max
        return math.log(min(max(share, LEAST_OF_ALLOWED), 1 / top.share_max))


def surface_of(steps: Iterable[tuple[float, Measured]]) -> Surface | None:
    """The surface of all steps, (rate, measured), in any order; None for less than two rates."""
    by_rate: dict[float, list[Measured]] = {}
    for rate_per_s, each in steps:
        by_rate.setdefault(rate_per_s, []).append(each)
    if len(by_rate) < 2:
        return None
    return Surface(tuple((rate, _together(by_rate[rate])) for rate in sorted(by_rate)))


def aim_low(surface: Surface, low_per_s: float, high_per_s: float, *, within_s: float, alpha: float) -> float | None:
    """The highest rate between two that would be told to hold within a time; None if there is none."""

    def is_told(rate: float) -> bool:
        return time_to_tell_s(surface.at(rate), surface.share_max, alpha, holds=True) <= within_s

    if high_per_s <= low_per_s or not is_told(low_per_s):
        return None
    return high_per_s if is_told(high_per_s) else _turn(is_told, low_per_s, high_per_s)[0]


def aim_high(surface: Surface, low_per_s: float, high_per_s: float, *, within_s: float, alpha: float) -> float | None:
    """The lowest rate between two that would be told to break within a time; None if there is none."""

    def is_not_told(rate: float) -> bool:
        return time_to_tell_s(surface.at(rate), surface.share_max, alpha, holds=False) > within_s

    if high_per_s <= low_per_s or is_not_told(high_per_s):
        return None
    return _turn(is_not_told, low_per_s, high_per_s)[1] if is_not_told(low_per_s) else low_per_s


def threshold_of(surface: Surface, low_per_s: float, high_per_s: float) -> float:
    """The rate between two from which on the surface has more slow responses than are allowed; an end if there is none."""

    def is_within(rate: float) -> bool:
        return surface.at(rate).slower_of_allowed < 1

    if not is_within(low_per_s):
        return low_per_s
    return high_per_s if is_within(high_per_s) else _turn(is_within, low_per_s, high_per_s)[1]


def time_to_tell_s(at: Prediction, share_max: float, alpha: float, *, holds: bool) -> float:
    """How long until the binomial of the effective count tells that a rate holds, or breaks [s]; infinite if it never does."""
    if (at.slower_of_allowed >= 1) == holds:
        return math.inf
    share = min(at.slower_of_allowed * share_max, 1.0)
    count = np.geomspace(1.0, 1e6, 400)
    few = share * count
    if holds:
        p = special.betainc(count - few, few + 1, 1 - share_max)
    else:
        p = special.betainc(few, np.maximum(count - few, 0) + 1, share_max)
    told = np.flatnonzero(p <= LEVEL_OF_ALPHA * alpha)
    return float(count[told[0]]) / at.effective_per_s if told.size else math.inf


def _turn(is_so: Callable[[float], bool], low: float, high: float) -> tuple[float, float]:
    """Neighbouring rates of which it is so at the lower one and not at the higher one, as it is at `low` and `high`."""
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if is_so(middle) else (low, middle)
    return low, high


def _together(steps: Sequence[Measured]) -> Measured:
    """Several steps of one rate as one: the longer one was measured, the more it counts."""

    def mean(values: Iterable[float]) -> float:
        return float(np.average(list(values), weights=[each.kept_s for each in steps]))

    return Measured(
        slower_of_allowed=mean(each.slower_of_allowed for each in steps),
        effective_per_s=mean(each.effective_per_s for each in steps),
        share_max=steps[-1].share_max,
        limit_s=steps[-1].limit_s,
        mean_response_s=mean(each.mean_response_s for each in steps),
        completed_per_s=mean(each.completed_per_s for each in steps),
        kept_s=sum(each.kept_s for each in steps),
    )


def _log_share(each: Measured) -> float:
    return math.log(min(max(each.slower_of_allowed, LEAST_OF_ALLOWED), 1 / each.share_max))
