"""Do the fits find parameters that are known, and where do they say that they can't?"""

import numpy as np
import pytest

from loadtests.stats.bootstrap import keyed_generator
from loadtests.stats.curves import ScalabilityCurve, fit_queue_curve, fit_scalability


def test_a_queue_of_known_parameters_is_found() -> None:
    """M/M/1 of 2 ms: capacity 500/s, wait = service, knee at half of the capacity."""
    rate = np.array([50.0, 100, 200, 300, 400, 450])
    response_ms = 2.0 / (1 - rate / 500)
    curve = fit_queue_curve(rate, response_ms)
    assert curve is not None
    assert (curve.service_ms, curve.wait_ms, curve.capacity_per_s) == pytest.approx((2.0, 2.0, 500.0), rel=1e-3)
    assert curve.knee_per_s == pytest.approx(250.0, rel=1e-3)
    assert np.abs(curve.residuals).max() < 1e-3


def test_the_knee_is_where_throughput_over_response_time_is_highest() -> None:
    rate = np.array([100.0, 300, 500, 700, 900])
    curve = fit_queue_curve(rate, 5 + 0.5 * rate / 1_000 / (1 - rate / 1_000))
    assert curve is not None
    tried = np.linspace(1, 999, 9_981)
    assert tried[np.argmax(tried / curve.response_ms(tried))] == pytest.approx(curve.knee_per_s, abs=0.5)


def test_noise_of_five_per_cent_moves_the_capacity_by_little_and_shows_in_the_residuals() -> None:
    random = keyed_generator(1, 0)
    rate = np.array([100.0, 200, 400, 600, 700, 800, 850, 900])
    found, residuals = [], []
    for _ in range(50):
        curve = fit_queue_curve(rate, 4 / (1 - rate / 1_000) * random.lognormal(0, 0.05, len(rate)))
        assert curve is not None
        found.append(curve.capacity_per_s)
        residuals.append(curve.residuals.std())
    assert np.median(found) == pytest.approx(1_000, rel=0.02)
    assert np.percentile(found, [5, 95]) == pytest.approx([1_000, 1_000], rel=0.06)
    assert 0.02 < np.mean(residuals) < 0.06


def test_the_scalability_law_of_known_parameters_is_found() -> None:
    """Gunther's own kind of case: 5 % contention, 0.1 % coherency, a peak at about 31."""
    n = np.array([1.0, 4, 8, 16, 32, 64])
    throughput = 1_000 * n / (1 + 0.05 * (n - 1) + 0.001 * n * (n - 1))
    curve = fit_scalability(n, throughput)
    assert curve is not None
    assert (curve.scale_per_s, curve.contention, curve.coherency) == pytest.approx((1_000, 0.05, 0.001), rel=0.01)
    assert curve.peak_in_system == pytest.approx(np.sqrt(0.95 / 0.001), rel=0.01)
    assert np.abs(curve.residuals).max() < 1e-3


def test_without_coherency_more_always_brings_more() -> None:
    n = np.array([1.0, 2, 4, 8, 16])
    curve = fit_scalability(n, 100 * n / (1 + 0.1 * (n - 1)))
    assert curve is not None
    assert curve.contention == pytest.approx(0.1, rel=0.01)
    assert curve.peak_in_system is None or curve.peak_in_system > 1_000


def test_three_rates_are_too_few_for_three_parameters() -> None:
    few = np.array([1.0, 2.0, 3.0, 3.0])
    assert fit_queue_curve(few, few) is None
    assert fit_scalability(few, few) is None


@pytest.mark.parametrize(
    ("contention", "coherency", "peak"),
    [(0.05, 0.001, np.sqrt(0.95 / 0.001)), (0.05, 0.0, None), (0.05, -1e-6, None), (1.0, 0.001, None)],
)
def test_throughput_has_a_peak_where_coherency_costs_something(
    contention: float, coherency: float, peak: float | None
) -> None:
    """With all work in line already, more never bring more, and no number of them is the best."""
    curve = ScalabilityCurve(scale_per_s=1_000.0, contention=contention, coherency=coherency, residuals=np.zeros(0))
    assert curve.peak_in_system == (peak if peak is None else pytest.approx(peak))
