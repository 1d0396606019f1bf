"""Simulated queues against the formulas: mean wait and mean number in system, with intervals from replications.

Every test is shown to be able to fail: with services 5 % longer than the formula is told, it does.
Seeds are fixed, so a test passes always or never; they were written down once, not chosen.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest

from loadtests.stats.estimates import Estimate, of_replications
from tests.oracles.fifo_queue import fifo_departures, queue_accounts
from tests.support.queue_draws import GAP, SERVICE, exponentials, uniforms, whole_us

SEED = 20_261
SERVICE_US = 1_000_000  # the mean
REPLICATIONS = 200
CUSTOMERS = 12_000
WARM_UP = 2_000  # customers: more than 20 relaxation times of M/M/1 at 0.8, 1 / (1 - sqrt(0.8))^2 = 90 services
CONFIDENCE = 0.999
WRONG = 1.05

Draw = Callable[[int, int], np.ndarray]


def exponential_services(seed: int, replication: int) -> np.ndarray:
    return exponentials(seed, SERVICE, replication, CUSTOMERS)


def constant_services(seed: int, replication: int) -> np.ndarray:
    return np.ones(CUSTOMERS)


def two_point_services(seed: int, replication: int) -> np.ndarray:
    """Nine of ten take 0.5, one takes 5.5: mean 1, mean square 3.25."""
    return np.where(uniforms(seed, SERVICE, replication, CUSTOMERS) < 0.9, 0.5, 5.5)


def erlang_c(servers: int, offered: float) -> float:
    """The probability of having to wait in M/M/c. offered: arrival rate times mean service [erlang].

    Source: Erlang 1917; Kleinrock, "Queueing Systems" I (1975), section 3.5.
    """
    blocked = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return blocked / (sum(offered**k / math.factorial(k) for k in range(servers)) + blocked)


def mmc_wait(servers: int, load: float) -> float:
    """Mean wait in M/M/c, in mean services; for one server it is load / (1 - load)."""
    return erlang_c(servers, servers * load) / (servers * (1 - load))


def pollaczek_khinchine_wait(load: float, mean_square: float) -> float:
    """Mean wait in M/G/1, in mean services. mean_square: E[S^2] / E[S]^2. Source: Kleinrock 1975, section 5.6."""
    return load * mean_square / (2 * (1 - load))


@dataclass(frozen=True)
class Case:
    name: str
    load: float
    servers: int
    services: Draw
    wait: float  # the formula's mean [mean services]

    @property
    def number_in_system(self) -> float:
        """The formula's mean, by Little's law."""
        return self.servers * self.load * (self.wait + 1)


CASES = [
    Case("M/M/1 at 0.5", 0.5, 1, exponential_services, mmc_wait(1, 0.5)),
    Case("M/M/1 at 0.8", 0.8, 1, exponential_services, mmc_wait(1, 0.8)),
    Case("M/M/4 at 0.5", 0.5, 4, exponential_services, mmc_wait(4, 0.5)),
    Case("M/M/4 at 0.8", 0.8, 4, exponential_services, mmc_wait(4, 0.8)),
    Case("M/D/1 at 0.8", 0.8, 1, constant_services, pollaczek_khinchine_wait(0.8, 1.0)),
    Case("M/G/1 at 0.7, two-point", 0.7, 1, two_point_services, pollaczek_khinchine_wait(0.7, 3.25)),
]
by_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@cache
def estimates(case: Case, service_factor: float) -> tuple[Estimate, Estimate]:
    """Mean wait [mean services] and mean number in system, after the warm-up, over all replications."""
    waits, numbers = np.empty(REPLICATIONS), np.empty(REPLICATIONS)
    gap_us = SERVICE_US / (case.servers * case.load)
    warm_us, until_us = int(WARM_UP * gap_us), int(0.95 * CUSTOMERS * gap_us)  # arrivals last longer: 5 % is 5 sigma
    for replication in range(REPLICATIONS):
        arrival_us = np.cumsum(whole_us(gap_us * exponentials(SEED, GAP, replication, CUSTOMERS)))
        service_us = whole_us(service_factor * SERVICE_US * case.services(SEED, replication))
        start_us, departure_us = fifo_departures(arrival_us, service_us, np.zeros(case.servers, np.int64))
        waits[replication] = (start_us - arrival_us)[WARM_UP:].mean() / SERVICE_US
        warm = queue_accounts(arrival_us, start_us, departure_us, warm_us)
        until = queue_accounts(arrival_us, start_us, departure_us, until_us)
        assert warm.balanced and until.balanced and arrival_us[-1] >= until_us
        present_us = until.in_system_customer_us - warm.in_system_customer_us
        numbers[replication] = present_us / (until_us - warm_us)
    return of_replications(waits, CONFIDENCE), of_replications(numbers, CONFIDENCE)


def test_the_formulas_are_the_textbook_ones():
    assert erlang_c(4, 3.2) == pytest.approx(0.5964, abs=1e-4)  # 21.8453 / (14.7813 + 21.8453)
    assert erlang_c(1, 0.8) == pytest.approx(0.8)
    assert mmc_wait(1, 0.8) == pytest.approx(4.0)
    assert pollaczek_khinchine_wait(0.8, 2.0) == pytest.approx(4.0)  # exponential services have mean square 2


def test_draws_are_exponential_and_of_mean_one():
    values = exponentials(SEED, SERVICE, 0, 400_001)
    assert values.mean() == pytest.approx(1, abs=0.006)  # 4 standard errors
    assert values.var() == pytest.approx(1, abs=0.02)
    assert (values > 1).mean() == pytest.approx(math.exp(-1), abs=0.004)


@by_case
def test_mean_wait_and_number_agree_with_the_formula(case):
    wait, number = estimates(case, 1.0)
    assert wait.covers(case.wait), f"{wait} does not hold {case.wait:.4f}"
    assert number.covers(case.number_in_system), f"{number} does not hold {case.number_in_system:.4f}"


@by_case
def test_services_five_per_cent_too_long_are_noticed(case):
    wait, number = estimates(case, WRONG)
    assert wait.low > case.wait
    assert number.low > case.number_in_system


def test_a_formula_for_another_service_is_noticed():
    """The second moment counts: constant services against the formula for exponential ones, and a server too many."""
    constant, _ = estimates(CASES[4], 1.0)
    assert constant.high < mmc_wait(1, 0.8)
    four, _ = estimates(CASES[3], 1.0)
    assert not four.covers(mmc_wait(5, 0.64))  # the same arrivals
    assert not four.covers(mmc_wait(1, 0.8) / 4)  # one server, four times as fast
