"""The stub's queue against the formulas of `loadtests.stats.queues`."""

import numpy as np
import pytest

from loadtests.stats.bootstrap import keyed_generator
from loadtests.stats.queues import rate_max_per_s
from loadtests.stubs.queueing_node import QueueStation, tailed_services_s


@pytest.mark.parametrize("servers", [1, 8])
def test_the_station_is_the_queue_of_the_formula(servers: int) -> None:
    """400,000 requests at the rate at which 1 % are slower than the limit: so many are. A load at which clumps are short."""
    service_s, limit_s = 0.004, 0.022
    rate = rate_max_per_s(servers, service_s, 99, limit_s)
    station = QueueStation(servers, service_s, is_exponential=True, seed=2)
    at_s = np.cumsum(keyed_generator(1, 0).exponential(1 / rate, 400_000))
    stays = np.array([station.stay_s(at) for at in at_s.tolist()])
    assert (stays > limit_s).mean() == pytest.approx(0.01, rel=0.1)


def test_constant_service_without_waiting_takes_its_time() -> None:
    station = QueueStation(2, 1.0, is_exponential=False)
    assert [station.stay_s(at) for at in (0.0, 0.0, 0.5, 10.0)] == pytest.approx([1.0, 1.0, 1.5, 1.0])


def test_a_longer_tail_changes_the_99th_percentile_by_its_factor_and_nothing_below_the_95th() -> None:
    plain, longer = (tailed_services_s(np.random.default_rng(1), 0.002, 100_000, factor) for factor in (1.0, 1.1))
    at = [50, 90, 95, 99]
    ratios = np.percentile(longer, at) / np.percentile(plain, at)
    assert ratios[:3] == pytest.approx([1, 1, 1], abs=0.01) and ratios[3] == pytest.approx(1.1, abs=1e-9)
    assert longer.mean() / plain.mean() < 1.04


def test_a_station_draws_its_tailed_services_from_its_seed() -> None:
    one, same, other = (QueueStation(16, 0.002, is_exponential=True, seed=seed, tail=1.0) for seed in (1, 1, 2))
    stays = [[station.stay_s(10.0 * at) for at in range(50)] for station in (one, same, other)]
    assert stays[0] == pytest.approx(stays[1]) and stays[0] != pytest.approx(stays[2])


def test_servers_that_stand_still_serve_later() -> None:
    """Two of 1 s each, one of them at work until 1.0: standing still for 5 s from 0.5 on, they are free at 6.0 and 5.5."""
    station = QueueStation(2, 1.0, is_exponential=False)
    assert station.stay_s(0.0) == pytest.approx(1.0)
    station.stand_still(0.5, 5.0)
    assert [station.stay_s(at) for at in (1.0, 1.0)] == pytest.approx([5.5, 6.0])
