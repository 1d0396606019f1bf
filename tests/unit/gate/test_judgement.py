"""What pairs say: each answer from a series that was made for it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from loadtests.gate import judgement
from loadtests.gate.failures import Failures
from loadtests.gate.judgement import GateJudgement, GateMetric, MetricJudgement, Series, judge, log_ratios
from loadtests.stats.e_values import log_e_value
from scenarios.gate_file import Errors, GateAnswer, GateSettings

SETTINGS = GateSettings()
P50 = GateMetric(name="writes p50", unit="ms", limit=0.15)
THROUGHPUT = GateMetric(name="throughput", unit="operations/s", limit=0.1, more_is_worse=False)


def series(change: float, noise: float = 0.03, pairs: int = 30, *, metric: GateMetric = P50, seed: int = 1) -> Series:
    random = np.random.default_rng(seed)
    baseline = 10 * np.exp(random.normal(0, noise / 2, pairs))
    ratio = np.exp(np.log1p(change) + random.normal(0, noise, pairs))
    return Series(metric=metric, baseline=baseline, candidate=baseline * ratio)


def judged(*family: Series, is_last: bool = False) -> GateJudgement:
    return judge(family, SETTINGS, is_last=is_last)


def test_no_change_passes_as_soon_as_every_interval_lies_below_what_matters() -> None:
    found = judged(series(0.0), series(0.0, metric=THROUGHPUT, seed=2))
    assert found.answer is GateAnswer.PASS and found.is_final


def test_noise_that_hides_what_matters_is_no_pass() -> None:
    noisy = series(0.0, noise=0.5)
    found = judged(series(0.0), noisy)
    assert found.answer is GateAnswer.INCONCLUSIVE and not found.is_final
    assert judged(noisy, is_last=True).is_final
    (metric,) = judged(noisy).metrics
    assert metric.needed is not None and metric.needed > 30
    assert metric.smallest is not None and metric.smallest > 0.15


def test_a_change_for_the_worse_in_one_metric_of_many_is_a_regression() -> None:
    others = [series(0.0, seed=seed) for seed in range(2, 14)]
    found = judged(*others, series(0.2))
    assert found.answer is GateAnswer.REGRESSION and found.is_final
    assert [each.is_worse for each in found.metrics] == [False] * 12 + [True]


def test_less_throughput_is_worse_and_more_is_better() -> None:
    assert judged(series(-0.2, metric=THROUGHPUT)).answer is GateAnswer.REGRESSION
    assert judged(series(+0.2, metric=THROUGHPUT)).answer is GateAnswer.IMPROVEMENT


def test_an_improvement_beside_something_open_is_not_claimed_yet() -> None:
    assert judged(series(-0.3), series(0.0, noise=0.5, seed=2)).answer is GateAnswer.INCONCLUSIVE


def test_a_shown_change_that_matters_less_passes_and_is_told() -> None:
    found = judged(series(0.04, noise=0.01))
    (metric,) = found.metrics
    assert found.answer is GateAnswer.PASS
    assert metric.is_claimed and metric.effect.low > 0 and not metric.is_worse


def test_a_shown_change_whose_size_is_open_waits_and_ends_as_a_regression() -> None:
    """A tenth of what 15 % would be is shown to be there: more pairs may still show that it matters less."""
    between = series(0.06, noise=0.062, pairs=40, seed=4)
    found = judged(between)
    (metric,) = found.metrics
    assert metric.is_claimed and metric.effect.high > np.log1p(0.05)
    tight = GateMetric(name="tight", unit="ms", limit=0.07)
    open_size = Series(metric=tight, baseline=between.baseline, candidate=between.candidate)
    assert judged(open_size, is_last=True).answer is GateAnswer.REGRESSION


def test_an_improvement_that_is_not_shown_is_a_pass() -> None:
    """A fifth better in nine noisy pairs: surely not worse by what matters, and not yet surely better, among 14 metrics."""
    others = [series(0.0, noise=0.01, pairs=9, seed=seed) for seed in range(50, 63)]
    found = judged(series(-0.2, noise=0.1, pairs=9), *others)
    assert found.answer is GateAnswer.PASS and not found.metrics[0].is_claimed


@pytest.mark.parametrize("name", ["baseline", "candidate"])
def test_one_bad_moment_is_waited_out(name: str) -> None:
    """In one of 40 pairs a side lost 90 % of its operations: nothing passes on it, and more pairs may dilute it."""
    beyond = np.zeros(40)
    beyond[17] = 0.89 if name == "candidate" else -0.89
    shares = {"baseline": 0.0, "candidate": 0.0, name: 0.0225}
    failures = Failures(**shares, allowed=0.01, beyond=beyond, kinds=("write_timeout",))

    def answer(change: float, *, is_last: bool = False) -> tuple[GateAnswer, bool]:
        found = judge([series(change, pairs=40)], SETTINGS, is_last=is_last, failures=failures)
        return found.answer, found.is_final

    assert answer(0.0) == (GateAnswer.INCONCLUSIVE, False) and answer(0.0, is_last=True) == (
        GateAnswer.INCONCLUSIVE,
        True,
    )
    # a candidate that is slower is so beside its own bad moment; beside one of the baseline nothing is the change's alone
    slower = (GateAnswer.REGRESSION, True) if name == "candidate" else (GateAnswer.INCONCLUSIVE, False)
    assert answer(0.3) == slower


def test_failures_are_one_member_of_the_family() -> None:
    failures = Failures(baseline=0.0, candidate=0.05, allowed=0.01, beyond=np.full(12, 0.04), kinds=())
    alone, others = series(0.0, pairs=12), [series(0.0, pairs=12, seed=seed) for seed in range(2, 15)]
    found = judge([alone], SETTINGS, is_last=False, failures=failures)
    assert found.answer is GateAnswer.REGRESSION and found.metrics[0].family == 2
    found = judge([alone, *others], SETTINGS, is_last=False, failures=failures)
    assert found.answer is GateAnswer.INCONCLUSIVE and found.metrics[0].family == 15


def test_the_same_pairs_claim_less_and_see_less_among_more_metrics() -> None:
    def both(pairs: int) -> tuple[MetricJudgement, MetricJudgement]:
        """By itself, and among 14."""
        one = series(0.1, noise=0.07, pairs=pairs)
        others = [series(0.0, noise=0.01, pairs=pairs, seed=seed) for seed in range(2, 15)]
        return judged(one).metrics[0], judged(one, *others).metrics[0]

    alone, among = both(12)
    assert alone.is_claimed and not among.is_claimed
    alone, among = both(16)
    assert alone.smallest is not None and among.smallest is not None and alone.smallest < among.smallest


def test_four_pairs_say_nothing_however_clear_they_are() -> None:
    found = judged(series(1.0, pairs=4))
    assert found.answer is GateAnswer.INCONCLUSIVE and not found.is_final


def test_a_pass_on_two_levels_is_none() -> None:
    random = np.random.default_rng(2)
    ratio = np.exp(np.where(np.arange(60) % 5 < 2, 0.1, 0.0) + random.normal(0, 0.004, 60))
    found = judged(Series(metric=P50, baseline=np.ones(60), candidate=ratio), is_last=True)
    assert found.metrics[0].is_below_limit and found.metrics[0].odd.has_two_levels
    assert found.answer is GateAnswer.INCONCLUSIVE


@pytest.mark.parametrize(
    ("baseline", "candidate", "worse"),
    [([2.0], [4.0], [np.log(2)]), ([0.0], [0.0], [0.0]), ([4.0], [2.0], [-np.log(2)])],
)
def test_ratios_are_logarithms_and_nothing_over_nothing_is_no_change(
    baseline: list[float], candidate: list[float], worse: list[float]
) -> None:
    found: NDArray[np.float64] = log_ratios(np.array(baseline), np.array(candidate), more_is_worse=True)
    assert found == pytest.approx(worse)
    assert log_ratios(np.array(baseline), np.array(candidate), more_is_worse=False) == pytest.approx(
        [-each for each in worse]
    )


def claims(monkeypatch: pytest.MonkeyPatch, log_e: float, failures: Failures | None = None) -> list[bool]:
    """What is claimed of a metric, and of failures, of which the combined evidence is this."""
    monkeypatch.setattr(judgement, "closed", lambda members: [log_e] * len(members))
    found = judge([series(0.2)], SETTINGS, is_last=False, failures=failures)
    return [each.is_claimed for each in (*found.metrics, found.failures) if each is not None]


def test_a_claim_is_made_from_one_over_the_false_alarm_rate_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """1 % asks for an e-value of 100, of a metric and of operations that fail."""
    edge = -np.log(SETTINGS.errors.false_alarm)
    assert np.exp(edge) == pytest.approx(100)
    failing = Failures(baseline=0.0, candidate=0.0, allowed=0.0, beyond=np.zeros(30), kinds=())
    assert claims(monkeypatch, edge, failing) == [True, True]
    assert claims(monkeypatch, np.nextafter(edge, 0), failing) == [False, False]


def test_what_counts_of_a_claim_is_the_evidence_combined_with_the_whole_familys() -> None:
    """A member among others without evidence asks for more, up to as many times more as there are members."""
    member, others = series(0.05), [series(0.0, seed=seed) for seed in range(2, 14)]
    own = log_e_value(log_ratios(member.baseline, member.candidate, more_is_worse=True))
    for family in ([member], [member, *others]):
        combined = judged(*family).metrics[0].log_e
        assert own - np.log(len(family)) < combined + 1e-9 <= own + 1e-9
        at_edge = np.exp(-combined)  # the false-alarm rate of which it is just enough
        for nearly, is_claimed in ((1 + 1e-9, True), (1 - 1e-9, False)):
            settings = GateSettings(errors=Errors(false_alarm=at_edge * nearly))
            assert judge(family, settings, is_last=False).metrics[0].is_claimed == is_claimed


def test_four_pairs_claim_nothing_whatever_their_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judgement, "closed", lambda members: [99.0] * len(members))
    found = [judge([series(3.0, pairs=pairs)], SETTINGS, is_last=True).metrics[0].is_claimed for pairs in (4, 5)]
    assert found == [False, True]
