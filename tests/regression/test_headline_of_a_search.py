"""The headline of a search that found no answer said "so few operations prove nothing", whatever its steps had said."""

import numpy as np
import pytest

from loadtests.capacity.search import Ending, Found
from loadtests.capacity.step import Doubt, StepOutcome, StepRules, StepSecond, StepVerdict, judge_step, responses_min
from loadtests.recording.histograms import counts_of
from reports.results.capacity import RateResult
from reports.verdict.capacity import judge_search
from scenarios.domain import Operation
from scenarios.spec import Objective, Validity

NOTHING = Found(ending=Ending.UNDECIDED, low_per_s=None, high_per_s=None)


def step(verdict: StepVerdict, doubt: Doubt | None = None, rate_per_s: float = 100.0) -> StepOutcome:
    return StepOutcome(
        rate_per_s=rate_per_s,
        verdict=verdict,
        reason="because",
        length_s=20,
        warm_up_s=5,
        kept_s=15,
        offered_per_s=rate_per_s,
        completed_per_s=rate_per_s,
        mean_response_ms=1.0,
        growth=None,
        is_steady=doubt is not Doubt.UNSTEADY,
        late_p99_ms=0.5,
        cpu_share=0.1,
        objectives=(),
        doubt=doubt,
    )


def headline(found: Found, steps: list[StepOutcome]) -> str:
    rate = None
    if found.low_per_s is not None:
        rate = RateResult(rate_per_s=found.low_per_s, high_per_s=None, confidence=0.95, delivery_share=0.8)
    return judge_search(found, rate, None, None, is_interrupted=False, steps=steps).reasons[0]


UNSTEADY, FEW, NEAR = (step(StepVerdict.UNDECIDED, doubt) for doubt in (Doubt.UNSTEADY, Doubt.TOO_FEW, Doubt.NEAR))
LIMITED = step(StepVerdict.CLIENT_LIMITED)


def test_steps_without_a_steady_state_are_not_called_too_few_operations() -> None:
    told = headline(NOTHING, [UNSTEADY] * 3 + [LIMITED])
    assert told == (
        "Inconclusive: nothing was found to hold; of 4 steps 3 had no steady state and 1 met the load generator's limit: "
        "keep the machine free of other work, or allow longer steps (--step-s)."
    )


@pytest.mark.parametrize(
    ("steps", "told", "mend"),
    [
        ([FEW], "of 1 step 1 had too few responses to prove anything", "allow higher rates"),
        ([NEAR, NEAR, FEW], "of 3 steps 2 could not tell the share of slow responses", "allow longer steps (--step-s)"),
        ([LIMITED] * 2 + [UNSTEADY], "2 met the load generator's limit", "a freer or a larger machine"),
        ([step(StepVerdict.BROKE), step(StepVerdict.HELD)], "1 broke an objective and 1 held", "allow longer steps"),
    ],
)
def test_each_kind_of_step_is_told_with_its_own_mend(steps: list[StepOutcome], told: str, mend: str) -> None:
    text = headline(NOTHING, steps)
    assert told in text and mend in text.partition(": ")[2].partition(": ")[2]


def test_above_a_rate_that_held_only_the_steps_above_it_are_told() -> None:
    above = [step(StepVerdict.UNDECIDED, Doubt.NEAR, 200.0)] * 2
    found = Found(ending=Ending.UNDECIDED, low_per_s=100.0, high_per_s=None)
    told = headline(found, [step(StepVerdict.HELD)] * 2 + above)
    assert "100 operations/s held, and no rate above it was decided; of 2 steps 2 could not tell" in told


def test_steps_that_were_used_up_are_told_too() -> None:
    told = headline(Found(ending=Ending.OUT_OF_STEPS, low_per_s=None, high_per_s=None), [UNSTEADY] * 4)
    assert "the steps were used up; of 4 steps 4 had no steady state" in told and "--steps" in told


def test_a_generator_that_never_kept_time_is_not_the_limit_above_nothing() -> None:
    told = headline(Found(ending=Ending.CLIENT_LIMITED, low_per_s=None, high_per_s=None), [LIMITED] * 4)
    assert told.startswith("Inconclusive: nothing was found to hold, since at every rate the load generator itself")


def judged(per_second: list[np.ndarray]) -> StepOutcome:
    """A step of 60 s of made-up response times [ms], p99 of at most 50 ms."""

    def sparse(values_ms: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        counts = counts_of(values_ms * 1_000)
        at = np.flatnonzero(counts).astype(np.int32)
        return at, counts[at]

    name = "ingest_reading"
    seconds = [
        StepSecond(
            second=i,
            offered={name: len(values_ms)},
            completed={name: len(values_ms)},
            bad={},
            response={name: sparse(values_ms)},
            lateness=sparse(np.full(len(values_ms), 0.1)),
        )
        for i, values_ms in enumerate(per_second)
    ]
    objective = Objective(operation=Operation.INGEST_READING, percentile=99.0, response_ms_max=50.0)
    rules = StepRules(objectives=(objective,), validity=Validity(), length_s=60, alpha=0.025)
    return judge_step(len(per_second[0]), seconds, rules, look=len(rules.looks_s) - 1, cpu_share=0.1)


def test_a_step_says_why_it_does_not_tell() -> None:
    random = np.random.default_rng(1)
    few = judged([random.exponential(5.0, 3) for _ in range(60)])
    assert few.doubt is Doubt.TOO_FEW and "with fewer than 368 nothing is proved" in few.reason
    near = judged([random.exponential(50.0 / np.log(100), 1_000) for _ in range(60)])
    assert near.doubt is Doubt.NEAR and "nothing is proved" not in near.reason
    growing = judged([random.exponential(1.0 + i / 10, 1_000) for i in range(60)])
    assert growing.doubt is Doubt.UNSTEADY
    held = judged([random.exponential(1.0, 1_000) for _ in range(60)])
    assert held.verdict is StepVerdict.HELD and held.doubt is None


def test_the_least_number_of_responses_is_where_chance_alone_would_be_rare() -> None:
    """0.99^368 = 0.0248 and 0.99^367 = 0.0250(1): by hand."""
    assert responses_min(99.0, 0.025) == 368
    assert 0.99**368 <= 0.025 < 0.99**367
