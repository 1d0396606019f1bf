"""What a step is said to be, from seconds that are made up: one history for each verdict."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from loadtests.capacity.recovery import Recovery, recovery_of
from loadtests.capacity.step import (
    StepOutcome,
    StepRules,
    StepSecond,
    StepVerdict,
    growth_of,
    judge_step,
    overdue_count,
    warm_up_of,
)
from loadtests.recording.histograms import counts_of
from loadtests.stats.bootstrap import keyed_generator
from loadtests.stats.estimates import mser5
from loadtests.stats.sequential import SequentialAnswer, ShareEvidence
from scenarios.domain import Operation
from scenarios.spec import Objective, Validity

LIMIT_MS = 50.0
RATE = 1_000


def rules(**given: float) -> StepRules:
    objective = Objective(operation=Operation.INGEST_READING, percentile=99.0, response_ms_max=LIMIT_MS, **given)
    return StepRules(objectives=(objective,), validity=Validity(), length_s=60, alpha=0.025)


def second(number: int, response_ms: np.ndarray, *, late_ms: float = 1.0, bad: int = 0) -> StepSecond:
    def sparse(values_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        counts = counts_of(values_ms * 1_000)
        at = np.flatnonzero(counts).astype(np.int32)
        return at, counts[at]

    count = len(response_ms)
    return StepSecond(
        second=number,
        offered={"ingest_reading": count},
        completed={"ingest_reading": count},
        bad={"ingest_reading": bad},
        response={"ingest_reading": sparse(response_ms)},
        lateness=sparse(np.full(count, late_ms)),
    )


def steady(mean_ms: Callable[[int], float], length_s: int = 60, **given: float) -> list[StepSecond]:
    """Exponential response times; p99 is 4.6 means."""
    random = keyed_generator(1, 0)
    return [second(i, random.exponential(mean_ms(i), RATE), **given) for i in range(length_s)]


def judged(seconds: list[StepSecond], rate: float = RATE, cpu_share: float | None = 0.1, **given: float) -> StepOutcome:
    return judge_step(rate, seconds, rules(**given), look=len(rules().looks_s) - 1, cpu_share=cpu_share)


def test_a_rate_within_the_limit_held() -> None:
    outcome = judged(steady(lambda _: 5.0))
    assert outcome.verdict is StepVerdict.HELD
    assert "slower than 50.0 ms" in outcome.reason
    (objective,) = outcome.objectives
    assert objective.answer is SequentialAnswer.YES
    assert objective.response_ms is not None and objective.response_ms.covers(5.0 * np.log(100))
    assert objective.effective_count > 0.3 * objective.response_count  # independent, up to the estimate's noise
    assert outcome.completed_per_s == RATE and outcome.mean_response_ms == pytest.approx(5.0, rel=0.02)


def test_responses_that_hang_together_are_fewer_than_they_are_many() -> None:
    """Each second is as fast or slow as its neighbours: 60,000 responses say little more than the seconds do."""
    random = keyed_generator(5, 0)
    levels = np.exp(np.convolve(random.normal(0, 0.8, 64), np.ones(5) / np.sqrt(5), "valid"))
    (together,) = judged([second(i, random.exponential(3.0 * levels[i], RATE)) for i in range(60)]).objectives
    (apart,) = judged([second(i, random.exponential(3.0 * levels, 60).repeat(16)) for i in range(60)]).objectives
    assert together.effective_count < 0.01 * together.response_count
    assert apart.effective_count > 10 * together.effective_count


def test_a_rate_beyond_the_limit_broke() -> None:
    outcome = judged(steady(lambda _: 15.0))
    assert outcome.verdict is StepVerdict.BROKE and outcome.reason.startswith("ingest_reading: 3.")


def test_at_the_limit_nothing_is_said() -> None:
    assert judged(steady(lambda _: LIMIT_MS / np.log(100))).verdict is StepVerdict.UNDECIDED


def test_a_bad_beginning_is_cut_off_and_named() -> None:
    outcome = judged(steady(lambda i: 200.0 if i < 10 else 5.0))
    assert outcome.verdict is StepVerdict.HELD
    assert outcome.warm_up_s == 10 and outcome.kept_s == 50


def test_an_early_look_at_a_clear_case_is_enough_and_of_a_near_one_is_not() -> None:
    near = [second(i, keyed_generator(2, i).exponential(10.0, 100)) for i in range(60)]
    clear = steady(lambda _: 5.0)
    look, look_s = 1, rules().looks_s[1]
    assert judge_step(RATE, clear[:look_s], rules(), look=look, cpu_share=None).verdict is StepVerdict.HELD
    assert judge_step(100, near[:look_s], rules(), look=look, cpu_share=None).verdict is StepVerdict.UNDECIDED


def test_what_still_grows_is_not_said_to_hold() -> None:
    """A cluster that falls behind by a little: within the limit as yet, and never steady."""
    slowly = judged(steady(lambda i: 1.0 + i / 20))
    assert slowly.verdict is StepVerdict.UNDECIDED and slowly.reason == "no steady state: the warm-up took 30 of 60 s"
    by_half = judged(steady(lambda i: 4.0 if i < 40 else 7.0))
    assert by_half.verdict is StepVerdict.UNDECIDED and "no steady state" in by_half.reason
    assert by_half.growth is not None and by_half.growth > 1.5


def test_seconds_that_vary_do_not_grow() -> None:
    random = keyed_generator(3, 0)
    grown = [growth_of(random.lognormal(0, 0.3, 60)) for _ in range(500)]
    assert sum(each is not None for each in grown) <= 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"late_ms": 20.0}, "was late: p99 of its lateness 20.0 ms, 12.5 ms allowed"),
        ({"cpu_share": 0.95}, "saturated"),
        ({"rate": 1_300.0}, "offered 1,000/s of 1,300/s"),
    ],
)
def test_a_generator_in_trouble_says_nothing_of_the_cluster(given: dict[str, float], told: str) -> None:
    """Whether the objective is kept or broken."""
    late_ms = given.pop("late_ms", 1.0)
    for mean_ms in (5.0, 100.0):
        outcome = judged(steady(lambda _, mean_ms=mean_ms: mean_ms, late_ms=late_ms), **given)
        assert outcome.verdict is StepVerdict.CLIENT_LIMITED and told in outcome.reason


def test_errors_beyond_what_is_allowed_break_it() -> None:
    seconds = steady(lambda _: 5.0, bad=2)
    outcome = judged(seconds)
    assert outcome.verdict is StepVerdict.BROKE and "0.200 % failed or without an answer" in outcome.reason
    assert judged(seconds, error_share_max=0.01).verdict is StepVerdict.HELD


def test_a_load_too_small_to_tell_is_undecided() -> None:
    few = [second(i, np.full(3, 5.0)) for i in range(60)]  # 180 responses, none slow: of 1 %, one time in six
    assert judged(few, rate=3).verdict is StepVerdict.UNDECIDED


def test_seconds_without_an_answer_are_no_good_ones() -> None:
    """The server stands still every other five seconds: what waited comes at once, late."""
    empty = np.zeros(0)
    seconds = [
        second(i, empty if i % 10 < 5 else np.full(2 * RATE, 3_000.0 if i % 10 == 5 else 5.0)) for i in range(60)
    ]
    assert judged(seconds).verdict is not StepVerdict.HELD


def test_recovery_is_counted_from_the_end_of_the_overload() -> None:
    """Ten seconds of overload, seven more until its backlog is answered, then well."""
    seconds = steady(lambda i: 500.0 if i < 17 else 5.0, length_s=40)
    objectives = rules().objectives

    def recovery(seconds: list[StepSecond], late_p99_ms_max: float = 100.0) -> Recovery:
        return recovery_of(
            seconds,
            objectives,
            rate_per_s=900,
            overload_per_s=3_000,
            overload_s=10,
            late_p99_ms_max=late_p99_ms_max,
        )

    assert recovery(seconds).after_s == 7 and recovery(seconds).watched_s == 30
    assert recovery(seconds).client_trouble is None
    assert recovery(seconds[:19]).after_s is None
    refused = [replace(one, bad=dict(one.completed)) if 17 <= one.second < 25 else one for one in seconds]
    assert recovery(refused).after_s == 15, "fast refusals were taken for answers"
    late = replace(seconds[12], lateness=(np.array([3_000], np.int32), np.array([10_000])))
    assert "late" in str(recovery([*seconds[:12], late, *seconds[13:]], late_p99_ms_max=1.0).client_trouble)


def test_what_hangs_is_no_rate_that_holds() -> None:
    """Half of the operations never come back: those that do are fast, and none has timed out yet."""
    seconds = [replace(one, offered={name: 2 * n for name, n in one.offered.items()}) for one in steady(lambda _: 5.0)]
    outcome = judged(seconds, rate=2 * RATE)
    assert outcome.verdict is StepVerdict.UNDECIDED
    assert outcome.objectives[0].slower_share == pytest.approx(0.5, abs=0.05)
    assert overdue_count(seconds[:12], rules().objectives[0]) == 2 * RATE * 11 - RATE * 12
    assert judged(steady(lambda _: 5.0)).verdict is StepVerdict.HELD


def test_what_happens_to_be_more_even_later_is_no_warm_up() -> None:
    """Of two or three fives MSER-5 takes the last one, whatever they are: what is cut off must surely differ."""
    random = keyed_generator(7, 0)
    even = [random.lognormal(0, 0.2, 14) for _ in range(200)]
    assert np.mean([mser5(means) == 5 for means in even]) > 0.9
    assert np.mean([warm_up_of(means) == 5 for means in even]) < 0.1
    slow_first = np.concatenate([random.lognormal(1, 0.2, 5), random.lognormal(0, 0.2, 9)])
    assert warm_up_of(slow_first) == 5
    assert warm_up_of(np.linspace(1.0, 4.0, 60)) == 30, "it never comes to rest"
    assert warm_up_of(np.ones(20)) == 0


@pytest.mark.parametrize("cold_s", [1, 2, 3])
def test_a_cold_start_shorter_than_a_five_is_cut_off(cold_s: int) -> None:
    """One second of 36 is 2.8 %: kept, it breaks a p99 that is well within its limit."""
    seconds = steady(lambda i: 200.0 if i < cold_s else 5.0, length_s=36)
    outcome = judged(seconds)
    assert outcome.warm_up_s == 5 and outcome.verdict is StepVerdict.HELD
    late = steady(lambda i: 200.0 if 20 <= i < 20 + cold_s else 5.0, length_s=36)
    assert judged(late).verdict is not StepVerdict.HELD, "what is slow later on counts"


def test_without_a_cold_start_nothing_is_cut_off() -> None:
    """Of seconds with a heavy tail too; and values as near as the histograms tell them differ in nothing."""
    assert judged(steady(lambda _: 5.0, length_s=36)).warm_up_s == 0
    random = keyed_generator(8, 0)
    tailed = [random.lognormal(0, 0.5, 36) for _ in range(400)]
    assert np.mean([mser5(means) > 0 for means in tailed]) > 0.4
    assert np.mean([warm_up_of(means) > 0 for means in tailed]) < 0.15
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert warm_up_of(np.array([5.0 + 1e-9, *np.full(4, 5.0), *np.full(31, 5.0 - 1e-9)])) == 0


def test_clear_cases_end_at_the_first_look() -> None:
    look_s = rules().looks_s[0]
    for mean_ms, verdict in ((5.0, StepVerdict.HELD), (30.0, StepVerdict.BROKE)):
        early = judge_step(RATE, steady(lambda _, mean_ms=mean_ms: mean_ms)[:look_s], rules(), look=0, cpu_share=None)
        assert early.verdict is verdict and not early.is_hopeless


def test_looks_are_far_enough_apart_and_the_last_one_is_the_end() -> None:
    for length_s in (20, 60, 120, 3_600):
        looks = replace(rules(), length_s=length_s).looks_s
        assert looks[0] == 12 and looks[-1] == length_s
        assert all(1.1 < later / earlier < 1.36 for earlier, later in pairwise(looks))


def test_a_step_is_hopeless_only_where_nothing_points_to_either_answer() -> None:
    at_the_limit = judged(steady(lambda _: LIMIT_MS / np.log(97)))
    assert at_the_limit.verdict is StepVerdict.UNDECIDED and at_the_limit.is_hopeless
    leaning = judged([second(i, np.full(5, 5.0)) for i in range(60)], rate=5)  # 300 fast: by chance one time in twenty
    assert leaning.verdict is StepVerdict.UNDECIDED and not leaning.is_hopeless
    growing = judged(steady(lambda i: 1.0 + i / 6))
    assert growing.verdict is StepVerdict.UNDECIDED and not growing.is_hopeless, "it may yet come to rest"


def test_what_may_yet_break_one_objective_is_not_hopeless_for_another() -> None:
    outcome = judged(steady(lambda _: LIMIT_MS / np.log(97)))
    (near,) = outcome.objectives
    leaning = replace(near, evidence=ShareEvidence(below=1.0, above=0.1))
    assert replace(outcome, objectives=(near, near)).is_hopeless
    assert not replace(outcome, objectives=(near, leaning)).is_hopeless
