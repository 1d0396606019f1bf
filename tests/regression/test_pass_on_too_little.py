"""A run must not pass on too little: refusals that no objective names, a percentile of one response, what was not measured."""

from typing import Any

import pytest

from reports.results.parts import Verdict
from reports.results.run import ObjectiveResult, OperationResult
from reports.verdict.run import Judgement, judge
from scenarios.spec import Evidence, Scenario, ScenarioError, parse_scenario
from tests.support.judged_run import AUDIT, GENERATOR, SCENARIO_TOML, objective, operation

SCENARIO: Scenario = parse_scenario(SCENARIO_TOML, "test")


def with_evidence(**limits: Any) -> Scenario:
    run = SCENARIO.run.model_copy(update={"evidence": Evidence.model_validate(limits)})
    return SCENARIO.model_copy(update={"run": run})


def judged(
    operations: dict[str, OperationResult],
    objectives: tuple[ObjectiveResult, ...] = (),
    *,
    scenario: Scenario = SCENARIO,
    **generator: Any,
) -> Judgement:
    return judge(
        operations=operations,
        objectives=objectives,
        generator=GENERATOR.model_copy(update=generator),
        audit=AUDIT,
        scenario=scenario,
    )


def sentence(judgement: Judgement, name: str) -> str:
    return next(check.sentence for check in judgement.checks if check.name == name)


def test_999_of_1000_refused_without_an_objective_is_a_fail() -> None:
    result = judged({"ingest_reading": operation(ok=1, failed=999)})
    assert result.verdict is Verdict.FAIL
    assert result.reasons[0] == (
        "ingest_reading: 99.9 % of 1,000 operations failed or are indeterminate, "
        "1.00 % allowed of an operation without an objective."
    )


def test_every_read_failed_with_an_objective_on_ingest_alone_is_a_fail() -> None:
    result = judged(
        {"ingest_reading": operation(), "read_state": operation(ok=0, failed=900, indeterminate=100)}, (objective(),)
    )
    assert result.verdict is Verdict.FAIL
    assert [reason for reason in result.reasons if reason.startswith("read_state: 100 % of 1,000 operations failed")]


def test_in_doubt_counts_as_failed_does() -> None:
    assert judged({"read_state": operation(ok=900, indeterminate=100)}).verdict is Verdict.FAIL


def test_the_limit_is_the_scenarios_and_an_objective_has_its_own() -> None:
    some = {"ingest_reading": operation(ok=900, failed=100)}
    assert judged(some).verdict is Verdict.FAIL
    assert judged(some, scenario=with_evidence(error_share_max=0.1)).verdict is Verdict.PASS
    own = objective(error_share=0.1, error_share_max=0.2)
    assert judged(some, (own,)).verdict is Verdict.PASS


def test_beyond_the_limit_by_what_chance_may_bring_is_neither() -> None:
    """1 of 34 is 2.9 %, and one or more of 34 fail in 29 of 100 runs in which 1 % do."""
    assert judged({"find_due": operation(offered=34, attempted=34, ok=33, failed=1)}).verdict is Verdict.INCONCLUSIVE
    assert judged({"find_due": operation(offered=34, attempted=34, ok=31, failed=3)}).verdict is Verdict.FAIL


def test_under_a_late_generator_refusals_may_be_its_own_doing() -> None:
    late = {"late_ms": GENERATOR.late_ms.model_copy(update={"p99": 9_000.0})} if GENERATOR.late_ms else {}
    result = judged({"ingest_reading": operation(ok=1, failed=999)}, **late)
    assert result.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("response_ms", [5.0, 5_000.0])
def test_a_percentile_of_one_response_says_nothing(response_ms: float) -> None:
    result = judged({"ingest_reading": operation()}, (objective(response_ms=response_ms, response_count=1),))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "its p99 can't be judged on 1 response: 300 are needed" in result.reasons[0]


@pytest.mark.parametrize(
    ("percentile", "beyond_min", "needed"),
    [(99.0, 3, 300), (50.0, 3, 6), (99.9, 3, 3_000), (99.0, 1, 100), (95.0, 7, 140)],
)
def test_how_many_responses_a_percentile_needs(percentile: float, beyond_min: int, needed: int) -> None:
    scenario = with_evidence(beyond_percentile_min=beyond_min)

    def verdict(count: int) -> Verdict:
        one = objective(percentile=percentile, response_count=count)
        return judged({"ingest_reading": operation()}, (one,), scenario=scenario).verdict

    assert (verdict(needed - 1), verdict(needed)) == (Verdict.INCONCLUSIVE, Verdict.PASS)


def test_an_operation_that_fell_due_must_be_acknowledged_so_often() -> None:
    few = {"ingest_reading": operation(), "read_state": operation(offered=4, attempted=4, ok=4)}
    result = judged(few)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reasons == (
        "read_state: 4 of 4 operations that fell due were acknowledged, and 5 are needed for a verdict on it.",
    )
    assert judged(few, scenario=with_evidence(acknowledged_min=4)).verdict is Verdict.PASS
    own = {"ingest_reading": operation(), "find_due": few["read_state"].model_copy(update={"is_open_loop": False})}
    assert judged(own).verdict is Verdict.PASS  # how often gateways ask is not the scenario's choice


@pytest.mark.parametrize("name", ["queued_share", "network_error_share", "cpu_share", "stalled_share"])
def test_what_was_not_measured_is_doubt(name: str) -> None:
    result = judged({"ingest_reading": operation()}, (objective(),), **{name: None})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert len(result.reasons) == 1 and "measured" in result.reasons[0]


def test_a_pass_tells_its_limits() -> None:
    result = judged({"ingest_reading": operation(), "read_state": operation(ok=998, failed=2)}, (objective(),))
    assert result.verdict is Verdict.PASS
    assert "over 1,000 responses of at least 300." in sentence(result, "ingest_reading_p99")
    told = "Of no operation without an objective more than 1.00 % failed or is indeterminate; the most are 0.200 % of read_state."
    assert told in result.reasons
    assert sentence(result, "evidence") == (
        "Each operation that fell due was acknowledged at least 5 times; the fewest are 998 of read_state."
    )


@pytest.mark.parametrize(
    "limit", ["acknowledged_min = -1", "beyond_percentile_min = 0", "error_share_max = 1.5", "share_max = 0.1"]
)
def test_limits_that_make_no_sense_are_refused(limit: str) -> None:
    with pytest.raises(ScenarioError, match=r"run\.evidence"):
        parse_scenario(f"{SCENARIO_TOML}\n[run.evidence]\n{limit}\n", "test")
