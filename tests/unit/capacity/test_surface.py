"""Where a search aims: shares by hand and by the queue's formula, and what the surface makes of them."""

import math

import pytest

from loadtests.capacity.surface import (
    Measured,
    Prediction,
    Surface,
    aim_high,
    aim_low,
    surface_of,
    threshold_of,
    time_to_tell_s,
)
from loadtests.stats.queues import rate_max_per_s, share_slower

SERVERS, SERVICE_S, LIMIT_S, ALLOWED = 16, 0.008, 0.05, 0.01
TRUE_PER_S = rate_max_per_s(SERVERS, SERVICE_S, 99.0, LIMIT_S)


def measured(slower_of_allowed: float, *, effective_per_s: float = 20.0, completed_per_s: float = 100.0) -> Measured:
    return Measured(
        slower_of_allowed=slower_of_allowed,
        effective_per_s=effective_per_s,
        share_max=ALLOWED,
        limit_s=LIMIT_S,
        mean_response_s=SERVICE_S,
        completed_per_s=completed_per_s,
        kept_s=10.0,
    )


def of_the_queue(rate_per_s: float) -> tuple[float, Measured]:
    """What a step at the rate would measure of the queue, without noise."""
    share = share_slower(SERVERS, SERVICE_S, rate_per_s, LIMIT_S)
    return rate_per_s, measured(share / ALLOWED, completed_per_s=min(rate_per_s, SERVERS / SERVICE_S))


def queue_surface(*rates_per_s: float) -> Surface:
    surface = surface_of(of_the_queue(rate) for rate in rates_per_s)
    assert surface is not None
    return surface


def test_one_rate_is_no_surface() -> None:
    assert surface_of([(100.0, measured(0.2)), (100.0, measured(0.3))]) is None


def test_far_from_the_threshold_on_both_sides_the_form_knows_where_it_lies() -> None:
    """Three rates of which the nearest is 7 % off; a straight line through the shares' logarithms would be 10 % off."""
    surface = queue_surface(500.0, 1_000.0, 2_000.0)
    assert surface.capacity_per_s == pytest.approx(2_000.0)
    assert threshold_of(surface, 1_000.0, 2_000.0) == pytest.approx(TRUE_PER_S, rel=0.005)


def test_the_surface_goes_through_what_was_measured_whatever_the_form_says() -> None:
    """Shares of no queue: they fall in the middle."""
    shares = {100.0: 0.5, 200.0: 0.1, 400.0: 7.0}
    surface = surface_of((rate, measured(share, effective_per_s=rate)) for rate, share in shares.items())
    assert surface is not None
    for rate, share in shares.items():
        at = surface.at(rate)
        assert at.slower_of_allowed == pytest.approx(share) and at.effective_per_s == pytest.approx(rate)


def test_steps_of_one_rate_count_by_their_length() -> None:
    long = Measured(
        slower_of_allowed=1.0,
        effective_per_s=5.0,
        share_max=ALLOWED,
        limit_s=LIMIT_S,
        mean_response_s=SERVICE_S,
        completed_per_s=100.0,
        kept_s=30.0,
    )
    surface = surface_of([(100.0, measured(0.2)), (200.0, measured(5.0)), (200.0, long)])
    assert surface is not None and surface.at(200.0).slower_of_allowed == pytest.approx(2.0)


def test_what_is_aimed_at_would_be_told_and_what_is_nearer_would_not() -> None:
    surface = queue_surface(500.0, 1_000.0, 2_000.0)
    low = aim_low(surface, 1_000.0, 2_000.0, within_s=60.0, alpha=0.025)
    high = aim_high(surface, 1_000.0, 2_000.0, within_s=60.0, alpha=0.025)
    assert low is not None and high is not None and low < TRUE_PER_S < high
    assert time_to_tell_s(surface.at(low), ALLOWED, 0.025, holds=True) <= 60.0
    assert time_to_tell_s(surface.at(low * 1.01), ALLOWED, 0.025, holds=True) > 60.0
    assert time_to_tell_s(surface.at(high), ALLOWED, 0.025, holds=False) <= 60.0
    assert time_to_tell_s(surface.at(high / 1.01), ALLOWED, 0.025, holds=False) > 60.0
    nearer = aim_low(surface, 1_000.0, 2_000.0, within_s=120.0, alpha=0.025)
    assert nearer is not None and nearer > low
    assert aim_low(surface, 1_990.0, 2_000.0, within_s=60.0, alpha=0.025) is None
    assert aim_high(surface, 500.0, 1_000.0, within_s=60.0, alpha=0.025) is None


def test_the_time_to_tell_is_that_of_the_binomial_law() -> None:
    """None slow: 0.99^n is at most half of alpha from n = 436 on; at 20 a second that is 22 s."""
    quick = Prediction(slower_of_allowed=1e-9, effective_per_s=20.0)
    assert math.log(0.0125) / math.log(0.99) == pytest.approx(436.0, abs=0.1)
    assert time_to_tell_s(quick, ALLOWED, 0.025, holds=True) == pytest.approx(436.0 / 20.0, rel=0.04)
    assert time_to_tell_s(quick, ALLOWED, 0.025, holds=False) == math.inf
    at = Prediction(slower_of_allowed=1.0, effective_per_s=20.0)
    assert time_to_tell_s(at, ALLOWED, 0.025, holds=True) == math.inf
