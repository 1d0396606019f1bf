"""The stub queue's formulas against each other, and its queue against its formulas."""

import math

import numpy as np
import pytest

from loadtests.stats.bootstrap import keyed_generator
from loadtests.stubs.queueing_node import QueueStation, erlang_c, rate_max_per_s, share_slower, tailed_services_s


def test_erlang_c_of_one_and_two_servers() -> None:
    assert erlang_c(1, 0.7) == pytest.approx(0.7)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)  # a table of Erlang C: two servers, one erlang


def test_one_server_is_the_exponential_of_m_m_1() -> None:
    assert share_slower(1, 0.01, 60, 0.05) == pytest.approx(math.exp(-(100 - 60) * 0.05))
    assert rate_max_per_s(1, 0.01, 99, 0.2) == pytest.approx(100 - math.log(100) / 0.2)


def test_no_rate_is_slow_enough_for_a_limit_below_the_service() -> None:
    with pytest.raises(ValueError, match="service alone"):
        rate_max_per_s(8, 0.01, 99, 0.01)


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
