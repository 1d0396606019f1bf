"""The validity certificate: each limit at, just beyond, and unmeasured; and what each does to a verdict."""

from typing import Any

import pytest

from reports.results.parts import Verdict
from reports.results.run import CertificateRow, GeneratorResult, Lateness, ObjectiveResult, OperationResult, Percentiles
from reports.verdict.generator_validity import LIMITS, certify, timing_is_valid, waiting_of
from reports.verdict.run import judge
from scenarios.spec import Scenario, parse_scenario

SCENARIO = parse_scenario(
    """
title = "t"
[estate]
premises = 10
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 10
[run.validity]
late_p99_ms_max = 50.0
cpu_share_max = 0.8
stalled_share_max = 0.2
queued_share_max = 0.3
network_error_share_max = 0.04
""",
    "test",
)
# By limit: the generator's fields just within it, just beyond it, and what the sentence says must be done.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "lateness": (
        {"late_ms": Lateness(p50=1, p99=50, max=900)},
        {"late_ms": Lateness(p50=1, p99=50.1, max=60)},
        "lower rate",
    ),
    "cpu": ({"cpu_share": 0.8}, {"cpu_share": 0.81}, "more shards or a lower rate"),
    "stalls": ({"stalled_share": 0.2}, {"stalled_share": 0.21}, "real-time scheduling"),
    "queueing": ({"queued_share": 0.3}, {"queued_share": 0.31}, "No response was measured"),
    "network": ({"network_error_share": 0.04}, {"network_error_share": 0.041}, "See logs/"),
}
TIMING = ("lateness", "cpu", "stalls")


def generator(**given: Any) -> GeneratorResult:
    sound = {
        "valid": True,
        "scheduling": "plain",
        "late_ms": Lateness(p50=1, p99=2, max=3),
        "blocked": 0,
        "cpu_s": 1.0,
        "cpu_share": 0.1,
        "ops_per_cpu_s": 1.0,
        "stalls": 0,
        "stalled_share": 0.0,
        "stall_ms_max": 0.0,
        "queued_share": 0.0,
        "network_errors": 0,
        "network_error_share": 0.0,
    }
    return GeneratorResult.model_validate(sound | given)


def rows(**given: Any) -> dict[str, CertificateRow]:
    return {row.name: row for row in certify(generator(**given), SCENARIO.run.validity)}


def outcome_of(name: str, **given: Any) -> tuple[Verdict, list[str]]:
    """The verdict of a run whose objective was missed (`missed`) or met, without an audit's fault."""
    missed = given.pop("missed")
    operation = OperationResult(
        offered=1_000,
        attempted=1_000,
        ok=1_000,
        failed=0,
        indeterminate=0,
        retries=0,
        rate_per_s=1.0,
        response_ms=Percentiles(p50=1, p95=1, p99=1, p999=1, max=1),
        service_ms=None,
    )
    objective = ObjectiveResult(
        operation="ingest_reading",
        percentile=99,
        response_ms_max=10,
        response_ms=20 if missed else 5,
        response_count=1_000,
        error_share_max=0,
        error_share=0.0,
    )
    judged = judge(
        operations={"ingest_reading": operation},
        objectives=[objective],
        generator=generator(**given),
        audit=None,
        scenario=SCENARIO,
    )
    check = next(check for check in judged.checks if check.name == name)
    return judged.verdict, [check.outcome.value, check.sentence]


def test_there_is_a_case_for_every_limit_and_a_limit_in_the_scenario_for_each() -> None:
    assert {limit.name for limit in LIMITS} == set(CASES)
    assert {row.limit for row in rows().values()} == {50.0, 0.8, 0.2, 0.3, 0.04}
    assert all(row.outcome is Verdict.PASS for row in rows().values())


@pytest.mark.parametrize("name", CASES)
def test_a_limit_holds_up_to_itself_and_not_beyond(name: str) -> None:
    within, beyond, mend = CASES[name]
    assert rows(**within)[name].outcome is Verdict.PASS
    planted = rows(**beyond)
    assert planted[name].outcome is Verdict.INCONCLUSIVE
    assert mend in planted[name].sentence and "allowed" in planted[name].sentence
    assert [row.name for row in planted.values() if row.outcome is not Verdict.PASS] == [name]
    assert timing_is_valid(tuple(planted.values())) == (name not in TIMING)


@pytest.mark.parametrize("name", CASES)
def test_what_was_not_measured_is_doubt(name: str) -> None:
    field = next(iter(CASES[name][0]))
    row = rows(**{field: None})[name]
    assert row.measured is None and "not" in row.sentence
    assert row.outcome is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("name", CASES)
def test_beyond_a_limit_a_met_objective_is_no_pass(name: str) -> None:
    verdict, (outcome, _) = outcome_of(name, missed=False, **CASES[name][1])
    assert (verdict, outcome) == (Verdict.INCONCLUSIVE, "inconclusive")


@pytest.mark.parametrize("name", CASES)
def test_a_missed_objective_is_in_doubt_by_timing_alone(name: str) -> None:
    """A full window or a lost connection does not make a slow cluster quick; a late sender may make a quick one look slow."""
    verdict, _ = outcome_of(name, missed=True, **CASES[name][1])
    assert verdict is (Verdict.INCONCLUSIVE if name in TIMING else Verdict.FAIL)


def took(p50: float, service: float | None, *, p99: float | None = None) -> OperationResult:
    def times(value: float, tail: float | None = None) -> Percentiles:
        return Percentiles(p50=value, p95=None, p99=tail, p999=None, max=value)

    return OperationResult(
        offered=9,
        attempted=9,
        ok=9,
        failed=0,
        indeterminate=0,
        retries=0,
        rate_per_s=1.0,
        response_ms=times(p50, p99),
        service_ms=None if service is None else times(service),
    )


def objective_of(operation: str, response_ms: float, limit_ms: float) -> ObjectiveResult:
    return ObjectiveResult(
        operation=operation,
        percentile=99,
        response_ms_max=limit_ms,
        response_ms=response_ms,
        response_count=900,
        error_share_max=0,
        error_share=0.0,
    )


SLOW = "a larger window would only lengthen the queue"
FAST = "Raise run.in_flight_max, or lower the rate: responses were fast"


@pytest.mark.parametrize(
    ("operations", "objectives", "advised"),
    [
        ({"ingest_reading": took(6_600, 6_400)}, [objective_of("ingest_reading", 19_100, 250)], SLOW),
        ({"ingest_reading": took(19_000, 6_600)}, [objective_of("ingest_reading", 30_000, 250)], SLOW),
        ({"ingest_reading": took(6_600, None)}, [objective_of("ingest_reading", 19_100, 250)], SLOW),
        ({"ingest_reading": took(3, 2)}, [objective_of("ingest_reading", 240, 250)], FAST),
        (
            {"ingest_reading": took(3, 2), "read_state": took(9_000, 8_000)},
            [objective_of("ingest_reading", 9, 250)],
            SLOW,
        ),
        ({"read_state": took(900, 800)}, [], FAST),
        ({"read_state": took(1_100, 900)}, [], SLOW),
        (
            {"ingest_reading": took(6_600, 5)},
            [objective_of("ingest_reading", 7_000, 250)],
            "5.00 ms of it from its sending on: where the nodes have CPU to spare raise run.in_flight_max",
        ),
    ],
)
def test_of_a_full_window_what_binds_is_told(
    operations: dict[str, OperationResult], objectives: list[ObjectiveResult], advised: str
) -> None:
    waiting = waiting_of(operations, objectives)
    row = next(r for r in certify(generator(queued_share=0.9), SCENARIO.run.validity, waiting) if r.name == "queueing")
    assert advised in row.sentence
    assert ("Lower the rate, or give it a freer machine" in row.sentence) == (advised == SLOW)
    judged = judge(
        operations=operations,
        objectives=objectives,
        generator=generator(queued_share=0.9),
        audit=None,
        scenario=SCENARIO,
    )
    assert row.sentence in judged.reasons


def test_what_gateways_and_back_office_took_says_nothing_of_the_window() -> None:
    closed = took(9_000, 8_000).model_copy(update={"is_open_loop": False})
    assert waiting_of({"create_command": closed}) is None


def test_the_default_limits_are_the_documented_ones() -> None:
    text = 'title = "t"\n[estate]\npremises = 1\n[topology]\ndcs = [{ name = "a", nodes = 1, rf = 1 }]\n[run]\nwall_s = 10\n'
    plain: Scenario = parse_scenario(text, "test")
    assert [row.limit for row in certify(generator(), plain.run.validity)] == [100.0, 0.9, 0.1, 0.1, 0.01]


def test_no_two_limits_say_the_same_whether_kept_or_broken() -> None:
    for words in ([each.good for each in LIMITS], [each.bad for each in LIMITS]):
        assert len({text.replace("its time", "time") for text in words}) == len(LIMITS)
    stalls = next(each for each in LIMITS if each.name == "stalls")
    assert stalls.good == "The load generator's event loop was not held up"
    assert stalls.bad == "The load generator's event loop was held up"


@pytest.mark.parametrize("share", [0.3, 0.001, None])
def test_connections_that_the_runs_own_faults_cut_make_it_no_doubt(share: float | None) -> None:
    measured = generator(network_error_share=share)
    alone = next(row for row in certify(measured, SCENARIO.run.validity) if row.name == "network")
    broken = next(row for row in certify(measured, SCENARIO.run.validity, has_faults=True) if row.name == "network")
    if share is None or share < 0.01:
        assert broken == alone
        return
    assert (alone.outcome, broken.outcome) == (Verdict.INCONCLUSIVE, Verdict.PASS)
    assert broken.sentence.startswith("Connections were lost: 30.0 % of the attempts") and "not told" in broken.sentence
