"""Do intervals hold the truth as often as they say? Against M/M/1, whose mean wait is known, and planted transients.

Seeds are fixed: a test passes always or never. Times are in mean services.
"""

import numpy as np
import pytest

from loadtests.stats.estimates import batch_means, mser5, of_replications, paired_difference
from tests.oracles.fifo_queue import fifo_departures
from tests.support.queue_draws import GAP, SERVICE, STATE, exponentials, uniforms, whole_us

SERVICE_US = 1_000_000
LOAD = 0.5
MEAN_WAIT = LOAD / (1 - LOAD)
REPETITIONS = 1_000
REPLICATIONS = 20
CUSTOMERS = 1_500  # enough for means of little skew: with 500 it was 1.0, and 95 % covered 93.5 %


def stationary_backlog(seed: int, replication: int, load: float) -> float:
    """Work that an arrival finds in M/M/1: none with probability 1 - load, else exponential of mean 1 / (1 - load).

    When the first customer finds it, every customer's wait is that of the steady state: their mean has no bias at all.
    """
    idle, size = uniforms(seed, STATE, replication, 2)
    return -np.log(1 - size) / (1 - load) if idle < load else 0.0


def waits(
    seed: int,
    replication: int,
    customers: int,
    *,
    load: float = LOAD,
    backlog: float | None = None,
    service_factor: float = 1.0,
) -> np.ndarray:
    """The waits of the first customers of M/M/1: float64[customers]. backlog: work at the start, None for a stationary one."""
    gap_us = whole_us(SERVICE_US / load * exponentials(seed, GAP, replication, customers))
    service_us = whole_us(service_factor * SERVICE_US * exponentials(seed, SERVICE, replication, customers))
    at_start = stationary_backlog(seed, replication, load) if backlog is None else backlog
    # The first comes at 0: after a gap it would find less work than others do, as nobody came in between.
    arrival_us = np.cumsum(gap_us) - gap_us[0]
    start_us, _ = fifo_departures(arrival_us, service_us, np.array([round(at_start * SERVICE_US)]))
    return (start_us - arrival_us) / SERVICE_US


@pytest.fixture(scope="module")
def mean_waits() -> np.ndarray:
    """float64[repetitions, replications]"""
    runs = range(REPETITIONS * REPLICATIONS)
    return np.array([waits(1, run, CUSTOMERS).mean() for run in runs]).reshape(REPETITIONS, REPLICATIONS)


def test_the_start_is_without_bias_and_an_empty_one_is_not(mean_waits):
    """What the tests below take for granted: the truth is the mean of a run of any length."""
    assert of_replications(mean_waits.ravel(), confidence=0.999).covers(MEAN_WAIT)
    short = np.array([waits(7, run, 100).mean() for run in range(20_000)])
    empty = np.array([waits(7, run, 100, backlog=0.0).mean() for run in range(20_000)])
    assert of_replications(short, confidence=0.999).covers(MEAN_WAIT)
    assert of_replications(empty, confidence=0.999).high < MEAN_WAIT


def test_the_interval_of_replications_covers_the_truth_as_often_as_it_says(mean_waits):
    """1,000 repetitions tell a share of 95 % to within 1.4 % (two standard errors)."""
    covering = [of_replications(row).covers(MEAN_WAIT) for row in mean_waits]
    assert 0.93 <= np.mean(covering) <= 0.97


def test_a_wrong_truth_and_a_wrong_confidence_are_noticed(mean_waits):
    """The check above can fail: for a mean that is 5 % off, for 90 % sold as 95 %, for 99 % sold as 95 %."""
    assert np.mean([of_replications(row).covers(1.05 * MEAN_WAIT) for row in mean_waits]) < 0.93
    assert np.mean([of_replications(row, confidence=0.90).covers(MEAN_WAIT) for row in mean_waits]) < 0.93
    assert np.mean([of_replications(row, confidence=0.99).covers(MEAN_WAIT) for row in mean_waits]) > 0.97


def test_observations_within_a_run_are_not_replications_but_batches_nearly_are():
    """Waits in a row depend on each other: taken as independent they promise far too much, in batches of 1,000 they don't."""
    as_batches, as_replications = [], []
    for repetition in range(300):
        series = waits(2, repetition, 20_000)
        as_batches.append(batch_means(series).covers(MEAN_WAIT))
        as_replications.append(of_replications(series).covers(MEAN_WAIT))
    assert 0.91 <= np.mean(as_batches) <= 0.99
    assert np.mean(as_replications) < 0.6


def test_common_random_numbers_make_a_smaller_variance():
    """Each wait rises with every service and falls with every gap, in both systems: the pairs must vary together."""
    slow, fast, fast_apart = (
        np.array([waits(seed, run, CUSTOMERS, load=0.8, service_factor=factor).mean() for run in range(200)])
        for seed, factor in ((3, 1.0), (3, 0.9), (4, 0.9))
    )
    assert np.corrcoef(slow, fast)[0, 1] > 0.8
    assert (slow > fast).all()
    assert (slow - fast).var(ddof=1) < (slow - fast_apart).var(ddof=1) / 2
    paired, apart = paired_difference(slow, fast), paired_difference(slow, fast_apart)
    assert paired.high - paired.low < apart.high - apart.low
    assert paired.low > 0


def test_mser5_removes_the_drain_of_a_backlog():
    """A backlog of 100 services at load 0.5 is worked off within some 100 arrivals; 2,000 are watched."""
    series = [waits(5, run, 2_000, backlog=100.0) for run in range(100)]
    cuts = np.array([mser5(one) for one in series])
    untreated = np.mean([one.mean() for one in series]) - MEAN_WAIT
    treated = np.mean([one[cut:].mean() for one, cut in zip(series, cuts, strict=True)]) - MEAN_WAIT
    assert untreated > 2  # 100 waits of 50 on average, in 2,000
    assert abs(treated) < 0.1 * untreated
    assert 60 <= np.median(cuts) <= 200


def test_mser5_removes_a_planted_transient_and_spares_a_series_without_one():
    rng = np.random.default_rng(6)
    noise = rng.normal(size=(100, 2_000))
    transient = 10 * np.exp(-np.arange(2_000) / 50)  # below the noise of a batch after 150 observations
    cuts = np.array([mser5(one + transient) for one in noise])
    assert (cuts >= 75).all()
    assert np.median(cuts) <= 300
    spared = np.array([mser5(one) for one in noise])
    assert np.median(spared) <= 100
