"""Estimates against values worked by hand; quantiles of Student's t and of the normal law are from printed tables."""

import numpy as np
import pytest

from loadtests.stats.estimates import batch_means, mser5, of_replications, paired_difference, wilson

T_4 = 2.7764  # 97.5 % quantile, 4 degrees of freedom
T_2 = 4.3027
T_2_AT_90 = 2.9200  # 95 % quantile


def floats(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def in_fives(*means: float) -> np.ndarray:
    """A series whose batches of five have these means; each holds two values off its mean, which cancel."""
    return np.concatenate([mean + floats(-1, 1, 0, 3, -3) for mean in means])


def test_replications_by_hand():
    estimate = of_replications(floats(1, 2, 3, 4, 5))
    half = T_4 * np.sqrt(2.5 / 5)  # variance 10 / 4
    assert (estimate.mean, estimate.count, estimate.confidence) == (3.0, 5, 0.95)
    assert (estimate.low, estimate.high) == pytest.approx((3 - half, 3 + half), abs=1e-4)


def test_less_confidence_is_a_narrower_interval():
    estimate = of_replications(floats(1, 2, 3), confidence=0.90)
    assert estimate.high - 2 == pytest.approx(T_2_AT_90 / np.sqrt(3), abs=1e-4)
    assert of_replications(floats(1, 2, 3), confidence=0.999).high > of_replications(floats(1, 2, 3)).high


def test_an_interval_covers_its_ends_and_nothing_beyond():
    estimate = of_replications(floats(1, 2, 3, 4, 5))
    assert estimate.covers(estimate.low) and estimate.covers(3) and estimate.covers(estimate.high)
    assert not estimate.covers(np.nextafter(estimate.low, 0)) and not estimate.covers(np.nextafter(estimate.high, 9))


def test_equal_replications_have_an_interval_of_no_width():
    estimate = of_replications(floats(7, 7, 7))
    assert (estimate.low, estimate.mean, estimate.high) == (7, 7, 7)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, np.nan], [1.0, np.inf], [[1.0, 2.0]]])
def test_what_has_no_interval_is_refused(values):
    with pytest.raises(AssertionError):
        of_replications(np.array(values, dtype=np.float64))


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_is_a_share(confidence):
    with pytest.raises(AssertionError):
        of_replications(floats(1, 2), confidence)
    with pytest.raises(AssertionError):
        wilson(1, 2, confidence)


def test_pairs_by_hand():
    """The replications lie far apart, their differences 1, 2, 3 do not."""
    estimate = paired_difference(floats(10, 112, 1014), floats(9, 110, 1011))
    half = T_2 * 1 / np.sqrt(3)
    assert estimate.mean == 2
    assert (estimate.low, estimate.high) == pytest.approx((2 - half, 2 + half), abs=1e-4)
    assert estimate.count == 3


def test_what_is_not_in_pairs_is_refused():
    with pytest.raises(AssertionError):
        paired_difference(floats(1, 2, 3), floats(1, 2))
    with pytest.raises(AssertionError):
        paired_difference(floats(1, 2, 3), floats(1))  # numpy alone would stretch it


def test_mser5_cuts_off_one_batch_that_stands_apart():
    """By d: (106 - 100/7) / 49 = 1.87, then 6/36 = 0.167, (5 - 1/5) / 25 = 0.192, 4/16 = 0.25."""
    assert mser5(in_fives(10, 1, -1, 1, -1, 1, -1)) == 5


def test_mser5_cuts_off_no_more_than_half():
    """The last two batches are equal, an error of 0 at d = 6; among d up to 4 the least is 2.75 / 16 at d = 4."""
    assert mser5(in_fives(6, 5, 4, 3, 2, 1, 0, 0)) == 20


def test_mser5_leaves_a_series_without_a_beginning_alone():
    assert mser5(np.full(1_000, 0.1)) == 0
    assert mser5(in_fives(1, -1, 1, -1, 1, -1)) == 0


def test_mser5_does_not_look_at_an_unfinished_batch():
    series = in_fives(10, 1, -1, 1, -1, 1, -1)
    assert mser5(np.append(series, [1e6] * 4)) == 5


def test_mser5_does_not_depend_on_unit_or_origin():
    series = in_fives(10, 1, -1, 1, -1, 1, -1)
    assert mser5(series * 1e-6) == mser5(-series) == mser5(series + 1e9) == 5


def test_mser5_equals_its_definition():
    rng = np.random.default_rng(1)
    found = set()
    for length in range(10, 200, 7):
        series = rng.normal(size=length) + 5 * np.exp(-np.arange(length) / 10)
        means = [series[at : at + 5].mean() for at in range(0, length - 4, 5)]
        errors = []
        for cut in range(len(means) // 2 + 1):
            kept = means[cut:]
            average = sum(kept) / len(kept)
            errors.append(sum((mean - average) ** 2 for mean in kept) / len(kept) ** 2)
        assert mser5(series) == 5 * errors.index(min(errors))
        found.add(mser5(series))
    assert len(found) > 3


@pytest.mark.parametrize("series", [np.zeros(9), np.append(np.zeros(20), np.nan)])
def test_mser5_refuses_what_it_can_not_judge(series):
    with pytest.raises(AssertionError):
        mser5(series)


def test_batch_means_by_hand():
    """Seven observations in three batches: the first is left out, the means are 2, 3 and 6."""
    estimate = batch_means(floats(99, 1, 3, 2, 4, 6, 6), batch_count=3)
    half = T_2 * np.sqrt(26 / 3 / 2 / 3)  # squared deviations (25 + 4 + 49) / 9
    assert estimate.mean == pytest.approx(11 / 3)
    assert (estimate.low, estimate.high) == pytest.approx((11 / 3 - half, 11 / 3 + half), abs=1e-4)
    assert estimate.count == 3


@pytest.mark.parametrize("batch_count", [1, 8])
def test_batches_must_be_two_and_not_empty(batch_count):
    with pytest.raises(AssertionError):
        batch_means(floats(1, 2, 3, 4, 5, 6, 7), batch_count)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (5, 10, 0.2366, 0.7634),  # half of 1.96 sqrt(10 + 3.8415) / 13.8415 = 0.2634 either side
        (1, 10, 0.0179, 0.4042),
        (0, 10, 0.0, 0.2775),  # 3.8415 / 13.8415
        (10, 10, 0.7225, 1.0),
        (1, 1, 0.2065, 1.0),  # 1 / 4.8415
    ],
)
def test_wilson_by_hand(successes, trials, low, high):
    estimate = wilson(successes, trials)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-4)
    assert estimate.mean == successes / trials
    assert estimate.count == trials


def test_wilson_stays_within_zero_to_one_and_around_its_share():
    for trials in (1, 2, 3, 7, 100, 10**9):
        for successes in {0, 1, trials // 2, trials - 1, trials}:
            estimate = wilson(successes, trials, confidence=0.999)
            assert 0 <= estimate.low <= estimate.mean <= estimate.high <= 1
            assert estimate.low < estimate.high


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_share(successes, trials):
    with pytest.raises(AssertionError):
        wilson(successes, trials)
