"""Evidence from pairs: values worked by hand, and error rates over many gates drawn from a seed."""

import numpy as np
import pytest

from loadtests.stats.e_values import (
    BETS,
    MIXTURE,
    PAIRS_MIN,
    closed,
    confidence_sequence,
    half_width,
    log_e_of_signs,
    log_e_value,
    oddity,
    pairs_needed,
    pairs_to_claim,
    smallest_effect,
)


def test_the_e_value_of_four_pairs_is_the_mean_of_both_bets() -> None:
    observed = np.array([0.1, 0.3, -0.1, 0.1])
    # mean 0.1, variance 0.08 / 3: t^2 = 4 x 0.01 / (0.08 / 3) = 1.5, over 3 degrees of freedom 0.5
    wide = 1 + 4 * MIXTURE
    by_size = wide**-0.5 * (1.5 / (1 + 0.5 / wide)) ** 2
    # three up and one down, or the other way round, each stake as likely
    by_signs = np.mean([((1 + b) ** 3 * (1 - b) + (1 - b) ** 3 * (1 + b)) / 2 for b in BETS])
    assert log_e_value(observed) == pytest.approx(np.log((by_size + by_signs) / 2))


def test_signs_alone_know_nothing_of_sizes() -> None:
    # two up, one at zero: of each stake (1 + b)^2 or (1 - b)^2, each as likely
    by_hand = np.log(np.mean([((1 + b) ** 2 + (1 - b) ** 2) / 2 for b in BETS]))
    assert log_e_of_signs(np.array([1e-9, 0.0, 1e9])) == pytest.approx(by_hand)
    assert log_e_of_signs(np.zeros(40)) == log_e_of_signs(np.zeros(0)) == pytest.approx(0.0)
    assert log_e_of_signs(np.array([0.9])) == pytest.approx(0.0)  # one bad moment
    assert log_e_of_signs(np.full(12, 5.0), 5.0) == pytest.approx(0.0)


def test_pairs_that_are_all_alike_are_no_evidence_at_zero_and_bounded_elsewhere() -> None:
    assert log_e_value(np.zeros(10)) == pytest.approx(np.log((1 + 1) / 2))
    alike = log_e_value(np.full(10, 0.01))
    assert np.isfinite(alike) and alike > np.log(100)
    assert log_e_value(np.array([0.5])) == 0.0


def test_the_adjusted_e_values_of_a_family_are_the_least_means_of_their_groups() -> None:
    # of 9 alone 9; with 1 (9 + 1) / 2 = 5; with 1 and 2 (9 + 1 + 2) / 3 = 4. Of 2: with 1 alone 1.5. Of 1: itself.
    adjusted = np.exp(closed(list(np.log([9.0, 1.0, 2.0]))))
    assert adjusted == pytest.approx([4.0, 1.0, 1.5])


def test_the_interval_holds_what_is_not_rejected_and_nothing_else() -> None:
    observed = np.random.default_rng(1).normal(0.05, 0.1, 30)
    found = confidence_sequence(observed, 0.05)
    limit = np.log(1 / 0.05)
    assert found.low < found.mean < found.high
    for bound, outwards in ((found.low, -1), (found.high, 1)):
        assert log_e_value(observed, bound + outwards * 1e-6) >= limit > log_e_value(observed, bound - outwards * 1e-6)


def test_too_few_pairs_have_no_interval() -> None:
    found = confidence_sequence(np.array([0.1] * (PAIRS_MIN - 1)), 0.05)
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_what_is_promised_is_found() -> None:
    """A change of the size that 30 such pairs are said to show with a power of 90 % is shown by that share of gates."""
    random = np.random.default_rng(7)
    effect = smallest_effect(0.1, 30, 0.01)
    shown = [log_e_value(random.normal(effect, 0.1, 30)) >= np.log(100) for _ in range(300)]
    assert 0.85 <= np.mean(shown) <= 1.0
    assert pairs_needed(0.1, effect, 0.01) == 30
    assert pairs_needed(0.1, 0.0, 0.01) is None
    assert half_width(0.1, PAIRS_MIN - 1, 0.01) == np.inf


def test_fewer_pairs_than_it_takes_claim_nothing_however_clear_they_are() -> None:
    fewest = pairs_to_claim(0.01)
    clear = 1.0 + np.random.default_rng(1).normal(0, 1e-6, fewest)
    assert log_e_value(clear) >= np.log(100) * 0.999 > log_e_value(clear[:-1])
    assert PAIRS_MIN < fewest < pairs_to_claim(0.001) < 20


@pytest.mark.parametrize("noise", ["normal", "heavy", "two levels"])
def test_looking_after_every_pair_is_wrong_no_more_often_than_said(noise: str) -> None:
    random = np.random.default_rng(11)
    alarms = 0
    for _ in range(200):
        match noise:
            case "normal":
                observed = random.normal(0, 0.1, 40)
            case "heavy":
                observed = 0.1 * random.standard_t(2.0, 40)
            case _:
                observed = random.choice([-0.3, 0.3], 40) + random.normal(0, 0.02, 40)
        alarms += any(log_e_value(observed[:n]) >= np.log(20) for n in range(PAIRS_MIN, 41))
    assert alarms <= 15  # 10 are allowed in the mean at 5 %; so many or fewer in 96 of 100


def test_a_t_interval_after_every_pair_would_be() -> None:
    """The test above can fail: what it forbids is what people do."""
    random = np.random.default_rng(11)
    alarms = 0
    for _ in range(200):
        observed = random.normal(0, 0.1, 40)
        for n in range(PAIRS_MIN, 41):
            part = observed[:n]
            if abs(part.mean()) > 2.02 * part.std(ddof=1) / np.sqrt(n):
                alarms += 1
                break
    assert alarms > 30


def test_drift_two_levels_and_single_wild_pairs_are_told_apart() -> None:
    random = np.random.default_rng(3)
    noise = random.normal(0, 0.02, 40)
    assert not oddity(noise).is_odd and oddity(noise).wild == ()
    assert oddity(noise + np.linspace(0, 0.2, 40)).drifts
    levels = noise + np.where(random.random(40) < 0.4, 0.3, 0.0)
    assert oddity(levels).has_two_levels and not oddity(levels).drifts
    spiked = noise.copy()
    spiked[17] = 1.0
    assert oddity(spiked).wild == (17,) and not oddity(spiked).is_odd


def test_noise_is_seldom_called_odd() -> None:
    random = np.random.default_rng(5)
    odd = [oddity(random.normal(0, 0.1, 30)).is_odd for _ in range(300)]
    heavy = [oddity(0.1 * random.standard_t(3, 30)).is_odd for _ in range(300)]
    assert np.mean(odd) <= 0.02 and np.mean(heavy) <= 0.02
