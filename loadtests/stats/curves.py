"""Curves through what was measured at several rates: where response times turn up, and what limits throughput. Pure.

Both are models of two or three parameters, fitted by least squares of relative deviations; what they leave unexplained is
given with them. They describe the rates that were measured: what they say beyond those is a guess.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from loadtests.stats.estimates import Floats

POINTS_MIN = 4  # one more than there are parameters: through three points any curve would go


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCurve:
    """Mean response time by rate: R(x) = service + wait * u / (1 - u), with u = x / capacity.

    M/M/1 has wait = service; M/G/1 wait = service * (1 + cv^2) / 2 (Pollaczek and Khinchine); several servers less. Times in ms.
    residuals: measured over fitted, less 1, by point: float64[n].
    Source: Kleinrock, "Queueing Systems", vol. 1 (1975), section 5.6.
    """

    service_ms: float
    wait_ms: float
    capacity_per_s: float
    residuals: Floats

    def response_ms(self, rate_per_s: Floats) -> Floats:
        """The mean response time at rates below the capacity [ms]: float64[n]."""
        used = rate_per_s / self.capacity_per_s
        return self.service_ms + self.wait_ms * used / (1 - used)

    @property
    def knee_per_s(self) -> float:
        """The rate at which throughput over response time is highest: beyond it, time is lost faster than rate is won.

        Source: Kleinrock, "Power and deterministic rules of thumb for probabilistic problems in computer communications",
        ICC 1979. Of this curve: u = 1 / (1 + sqrt(wait / service)), for M/M/1 one half.
        """
        return self.capacity_per_s / (1 + float(np.sqrt(self.wait_ms / self.service_ms)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalabilityCurve:
    """The Universal Scalability Law: X(n) = scale * n / (1 + contention * (n - 1) + coherency * n * (n - 1)).

    n is how many operations are in the system at a time; of open arrivals, rate times response time (Little's law).
    residuals: measured over fitted, less 1, by point: float64[n].
    Source: Gunther, "Guerrilla Capacity Planning" (2007), chapter 4.
    """

    scale_per_s: float
    contention: float
    coherency: float
    residuals: Floats

    def throughput_per_s(self, in_system: Floats) -> Floats:
        """The throughput with so many operations in the system: float64[n]."""
        n = in_system
        return self.scale_per_s * n / (1 + self.contention * (n - 1) + self.coherency * n * (n - 1))

    @property
    def peak_in_system(self) -> float | None:
        """With how many in the system throughput is highest; None when more always bring more."""
        if self.coherency <= 0 or self.contention >= 1:
            return None
        return float(np.sqrt((1 - self.contention) / self.coherency))


def fit_queue_curve(rate_per_s: Floats, response_ms: Floats) -> QueueCurve | None:
    """Fit mean response times [ms] at several rates, float64[n] each; None when there are too few different rates.

    The capacity lies above every rate given: leave out what was not in a steady state.
    """
    if len(np.unique(rate_per_s)) < POINTS_MIN or not (response_ms > 0).all():
        return None
    top, least = float(rate_per_s.max()), float(response_ms.min())

    def curve(p: Any) -> QueueCurve:
        service, wait, headroom = np.exp(p)
        return QueueCurve(
            service_ms=float(service),
            wait_ms=float(wait),
            capacity_per_s=top * (1 + float(headroom)),
            residuals=np.zeros(0),
        )

    def deviations(p: Any) -> Floats:
        return np.log(response_ms) - np.log(curve(p).response_ms(rate_per_s))

    starts = [np.log([least, least * wait, headroom]) for headroom in (0.03, 0.3, 2.0) for wait in (0.1, 1.0)]
    fits = [least_squares(deviations, start, loss="soft_l1", f_scale=0.1) for start in starts]
    best = curve(min(fits, key=lambda fit: fit.cost).x)
    return QueueCurve(
        service_ms=best.service_ms,
        wait_ms=best.wait_ms,
        capacity_per_s=best.capacity_per_s,
        residuals=response_ms / best.response_ms(rate_per_s) - 1,
    )


def fit_scalability(in_system: Floats, throughput_per_s: Floats) -> ScalabilityCurve | None:
    """Fit throughput by how many operations are in the system, float64[n] each; None when there are too few points."""
    if len(np.unique(in_system)) < POINTS_MIN or not ((in_system > 0).all() and (throughput_per_s > 0).all()):
        return None

    def curve(p: Any) -> ScalabilityCurve:
        return ScalabilityCurve(
            scale_per_s=float(np.exp(p[0])), contention=float(p[1]), coherency=float(p[2]), residuals=np.zeros(0)
        )

    def deviations(p: Any) -> Floats:
        return np.log(throughput_per_s) - np.log(np.maximum(curve(p).throughput_per_s(in_system), 1e-9))

    first = float(np.log(np.max(throughput_per_s / in_system)))
    # Below one in the system the law's terms turn negative; bounds keep the denominator above zero.
    bounds = ([first - 5, 0.0, 0.0], [first + 5, 1.0, 1.0])
    starts = [[first, contention, coherency] for contention in (0.01, 0.3) for coherency in (1e-5, 1e-2)]
    fits = [least_squares(deviations, start, bounds=bounds, x_scale=(1, 0.1, 0.01)) for start in starts]
    best = curve(min(fits, key=lambda fit: fit.cost).x)
    return ScalabilityCurve(
        scale_per_s=best.scale_per_s,
        contention=best.contention,
        coherency=best.coherency,
        residuals=throughput_per_s / best.throughput_per_s(in_system) - 1,
    )
