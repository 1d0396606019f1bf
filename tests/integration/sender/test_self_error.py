"""What an engine says that its percentiles can be off by, on a stub that writes down the truth; also of one that is made slow."""

from pathlib import Path

import numpy as np
import pytest

from loadtests.benchmarks.bench_self_error import PERCENTILES, WIDTH, MeasuredStorm, storm
from loadtests.recording.history import counts_of
from loadtests.sender.engine import EngineSettings
from loadtests.stubs.timed_node import ServiceTimes

KERNEL = 1.2
SERVICES = ServiceTimes(median_ms=3.0, p99_ms=9.0)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.benchmarks.bench_self_error.RATE_PER_S", 2_000)
    monkeypatch.setattr("loadtests.benchmarks.bench_self_error.LENGTH_S", 2)
    monkeypatch.setattr("loadtests.benchmarks.bench_self_error.WARM_S", 0)


def check_bound(turn: MeasuredStorm) -> None:
    """The truth lies between what is left without all that may have been the generator's doing, and what was reported.

    KERNEL: where others keep the processors, the kernel sends and hands over later than a sender can see.
    """
    for name in PERCENTILES:
        assert turn.earliest[name] <= turn.stayed_sent[name] * KERNEL, name
        assert turn.stayed[name] <= turn.reported[name] * (1 + WIDTH) + 0.001, name


def test_the_truth_is_within_what_a_run_says(tmp_path: Path) -> None:
    check_bound(storm(SERVICES, tmp_path, 1, EngineSettings()))


def test_a_sender_that_is_made_slow_says_so(tmp_path: Path) -> None:
    """It ticks each 8 ms: sends are 4 ms late on average, which none of its answers took."""
    slow = storm(SERVICES, tmp_path, 2, EngineSettings(rest_us=8_000, tick_us=8_000))
    check_bound(slow)
    assert slow.reported["p50"] - slow.stayed["p50"] > 2  # by so much it is off
    assert slow.reported["p50"] - slow.earliest["p50"] > 2  # and says so


def test_services_are_the_quantiles_of_their_distribution() -> None:
    served_ms = SERVICES.services_ns(np.random.default_rng(1)) / 1e6
    assert np.median(served_ms) == pytest.approx(3, rel=1e-3) and np.quantile(served_ms, 0.99) == pytest.approx(
        9, rel=1e-2
    )
    assert SERVICES.quantile_ms(50, 1) == pytest.approx(3) and SERVICES.quantile_ms(99, 1) == pytest.approx(9)
    assert counts_of(served_ms).sum() == len(served_ms)


def test_a_queue_that_nobody_waits_in_takes_as_long_as_its_service() -> None:
    queue = ServiceTimes(servers=50, mean_ms=2.0)
    assert queue.quantile_ms(50, 1.0) == pytest.approx(2 * np.log(2), rel=1e-6)
    assert queue.quantile_ms(99, 24_000) > queue.quantile_ms(99, 1.0) * 1.02
