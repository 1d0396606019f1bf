"""Formulas of queues against each other and against a table."""

import math

import pytest

from loadtests.stats.queues import erlang_c, rate_max_per_s, share_slower


def test_erlang_c_of_one_and_two_servers() -> None:
    assert erlang_c(1, 0.7) == pytest.approx(0.7)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)  # a table of Erlang C: two servers, one erlang


def test_one_server_is_the_exponential_of_m_m_1() -> None:
    assert share_slower(1, 0.01, 60, 0.05) == pytest.approx(math.exp(-(100 - 60) * 0.05))
    assert rate_max_per_s(1, 0.01, 99, 0.2) == pytest.approx(100 - math.log(100) / 0.2)


def test_no_rate_is_slow_enough_for_a_limit_below_the_service() -> None:
    with pytest.raises(ValueError, match="service alone"):
        rate_max_per_s(8, 0.01, 99, 0.01)
