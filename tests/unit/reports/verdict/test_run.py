"""The verdict: a history for each verdict and each reason, and faults that must not be talked away."""

from datetime import UTC, datetime
from typing import Literal

import pytest

from reports.results.parts import Check, Verdict
from reports.results.run import (
    AuditExample,
    AuditResult,
    DcAudit,
    GeneratorResult,
    Lateness,
    RuleCheck,
    TableAudit,
    Undone,
)
from reports.verdict.faults import fault_line
from reports.verdict.objectives import ERRORS
from reports.verdict.run import Judgement, headline, judge
from scenarios.spec import Scenario, parse_scenario
from tests.support.judged_run import GENERATOR, SCENARIO_TOML, SOUND, objective, operation

SCENARIO: Scenario = parse_scenario(SCENARIO_TOML, "test")


def generator(**changes: object) -> GeneratorResult:
    return GENERATOR.model_copy(update=changes)


def audit(*, south: dict[str, int] | None = None, **changes: object) -> AuditResult:
    fields = {
        **SOUND,
        "attempted": 48_000,
        "indeterminate": 0,
        "per_dc": {
            "north": DcAudit.model_validate({**SOUND, "coordinated": 48_000, "settled_s": 1.5}),
            "south": DcAudit.model_validate({**SOUND, "coordinated": 0, **(south or {})}),
        },
    }
    return AuditResult.model_validate(fields | changes)


def judged(**changes: object) -> Judgement:
    parts = {
        "operations": {"ingest_reading": operation()},
        "objectives": (objective(),),
        "generator": generator(),
        "audit": audit(),
        "scenario": SCENARIO,
    }
    return judge(**(parts | changes))  # type: ignore[arg-type]


def the_reason(judgement: Judgement) -> str:
    assert len(judgement.reasons) == 1, judgement.reasons
    return judgement.reasons[0]


def test_what_gateways_and_back_office_ask_is_no_load_of_the_trace() -> None:
    operations = {
        "ingest_reading": operation(),
        "refold_day": operation(offered=50, attempted=50, ok=50, is_open_loop=False),
    }
    reasons = judged(operations=operations).reasons
    assert "1,000 of 1,000 operations of meters and customers (100 %) were acknowledged." in reasons


def test_a_pass_says_which_nodes_the_storm_began_without() -> None:
    result = judged(generator=generator(down_at_start=("10.0.0.3:9042",)))
    assert result.verdict is Verdict.PASS
    assert (
        "The storm began without 10.0.0.3:9042, which did not answer; the others could serve every level."
        in result.reasons
    )


def test_pass_says_what_was_proved() -> None:
    result = judged()
    assert result.verdict is Verdict.PASS
    assert result.reasons[0] == (
        "All 48,000 acknowledged facts were read back from north and south, each there once and with its exact value."
    )
    assert (
        "ingest_reading: p99 response time 12.3 ms of at most 1,000 ms allowed, over 1,000 responses of at least 300."
        in result.reasons
    )
    assert "The load generator kept time: p99 of its lateness 0.900 ms, 100 ms allowed." in result.reasons
    assert "1,000 of 1,000 operations of meters and customers (100 %) were acknowledged." in result.reasons
    assert len(result.reasons) == 4
    assert all(check.outcome is Verdict.PASS for check in result.checks)
    sentences = [check.sentence for check in result.checks]
    assert "DC north answered for 48,000 acknowledged facts, after 1.50 s of waiting for it to catch up." in sentences


@pytest.mark.parametrize("kind", ["lost", "wrong", "phantom", "duplicate"])
def test_each_kind_of_fault_is_a_fail(kind: str) -> None:
    result = judged(audit=audit(south={kind: 3}, **{kind: 3}))
    assert result.verdict is Verdict.FAIL
    assert result.reasons[0].startswith(f"3 facts are {kind} (")
    assert ": 3 in south." in result.reasons[0]


def test_a_broken_rule_is_a_fail_and_one_with_nothing_to_hold_is_inconclusive() -> None:
    rules = (
        RuleCheck(rule="bills add up", counted=7, faults=2, examples=("home 3: 1 Wh missing",)),
        RuleCheck(rule="registers never fall", counted=9, faults=0),
    )
    assert the_reason(judged(audit=audit(rules=rules))) == (
        "bills add up: 2 faults among 7 cases. For example home 3: 1 Wh missing."
    )
    nothing = judged(audit=audit(rules=(RuleCheck(rule="bills add up", counted=0, faults=0),)))
    assert nothing.verdict is Verdict.INCONCLUSIVE and "nothing was there" in the_reason(nothing)
    doubtful = RuleCheck(rule="cohorts add up", counted=0, faults=0, sample="0 of 24 cohorts")
    assert (
        the_reason(judged(audit=audit(rules=(doubtful,))))
        == "cohorts add up: nothing could be checked (0 of 24 cohorts)."
    )
    assert judged(audit=audit(rules=rules[1:])).verdict is Verdict.PASS


def test_a_fault_names_its_meter_and_slot() -> None:
    example = AuditExample(
        kind="lost",
        table="intervals_by_meter_day",
        dc="north",
        dcs=("north", "south"),
        mpxn=1_000_000_000_017,
        slot=17,
        slot_start=datetime(2026, 7, 15, 8, 30, tzinfo=UTC),
        expected=214,
        found=None,
    )
    reason, behind = judged(audit=audit(south={"lost": 1}, lost=1, verified=47_999, examples=(example,))).reasons
    assert behind.startswith("DC south answered for ") and "may still be behind" in behind
    assert reason == (
        "1 fact is lost (acknowledged and not there): 1 in south. For example meter 1000000000017, half-hour from "
        "2026-07-15 09:30 BST, in intervals_by_meter_day of north and south: expected 214, found nothing."
    )
    assert ", quarter-hour from 2026-07-15 09:30 BST, " in fault_line(example.model_copy(update={"slot_minutes": 15}))


def test_what_was_read_back_does_not_pass_beside_lost_facts() -> None:
    result = judged(audit=audit(south={"lost": 49}, lost=49, verified=47_951))
    (read_back,) = (check for check in result.checks if check.name == "read_back")
    assert read_back.outcome is Verdict.FAIL
    assert read_back.sentence == (
        "Of 48,000 acknowledged facts 47,951 were read back with their exact value; the others are lost or wrong."
    )


def test_wrong_facts_are_read_back_too() -> None:
    result = judged(audit=audit(south={"wrong": 49}, wrong=49, verified=47_951))
    (read_back,) = (check for check in result.checks if check.name == "read_back")
    assert read_back.outcome is Verdict.FAIL and "the others are lost or wrong" in read_back.sentence


def check_of(group: Literal["validity", "objective", "audit"], outcome: Verdict, name: str = "one") -> Check:
    return Check(name=name, group=group, outcome=outcome, sentence="So it is.")


def test_the_headline_says_what_failed_and_what_a_pass_kept() -> None:
    kept = "every reading that it acknowledged was found again, once and exact"
    sound, met = check_of("audit", Verdict.PASS), check_of("objective", Verdict.PASS)
    lost, missed = check_of("audit", Verdict.FAIL), check_of("objective", Verdict.FAIL)
    assert headline(Verdict.PASS, [sound, met]) == f"The cluster met every objective, and {kept}."
    assert headline(Verdict.PASS, [sound]) == f"In this cluster {kept}."
    assert headline(Verdict.FAIL, [sound, missed]) == "The cluster missed an objective."
    assert headline(Verdict.FAIL, [lost, met]) == "What the cluster acknowledged is not what it holds."
    both = "What the cluster acknowledged is not what it holds, and it missed an objective."
    assert headline(Verdict.FAIL, [lost, missed]) == both
    assert headline(Verdict.INCONCLUSIVE, [sound, met]).startswith("This run can't tell")


def test_the_limit_of_errors_is_no_objective_of_the_users() -> None:
    errors = check_of("objective", Verdict.PASS, name=ERRORS)
    assert headline(Verdict.PASS, [check_of("audit", Verdict.PASS), errors]).startswith("In this cluster")


def test_facts_that_could_not_be_judged_are_no_pass() -> None:
    result = judged(audit=audit(verified=47_997, not_judged=3))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert the_reason(result).startswith("3 of 48,000 acknowledged facts can't be judged: ")


def test_a_rule_that_was_held_against_a_sample_says_so() -> None:
    rule = RuleCheck(
        rule="usage_by_fuel is what its event log comes to", counted=1_291, faults=0, sample="2 of 96 parts of the ring"
    )
    (check,) = (check for check in judged(audit=audit(rules=(rule,))).checks if check.name.startswith("rule_"))
    assert check.sentence == (
        "usage_by_fuel is what its event log comes to: true of 1,291 cases (a sample: 2 of 96 parts of the ring)."
    )


def test_a_fault_of_one_part_fails_though_the_total_hides_it() -> None:
    assert judged(audit=audit(south={"wrong": 1})).verdict is Verdict.FAIL
    table = TableAudit.model_validate({**SOUND, "duplicate": 2})
    assert judged(audit=audit(tables={"events_by_meter": table})).verdict is Verdict.FAIL


def test_lost_data_is_a_fail_even_when_the_generator_was_late() -> None:
    late = generator(valid=False, late_ms=Lateness(p50=80, p99=400, max=900))
    result = judged(audit=audit(south={"lost": 1}, lost=1, verified=47_999), generator=late)
    assert result.verdict is Verdict.FAIL
    assert result.reasons[0].startswith("1 fact is lost")
    assert any(reason.startswith("The load generator was late") for reason in result.reasons[1:])


def test_a_slow_operation_is_a_fail() -> None:
    result = judged(objectives=(objective(response_ms=1_234.5),))
    assert result.verdict is Verdict.FAIL
    assert the_reason(result) == (
        "ingest_reading: p99 response time 1,234 ms is above the 1,000 ms allowed, over 1,000 responses."
    )


def test_at_the_limit_is_within_it() -> None:
    assert judged(objectives=(objective(response_ms=1_000.0),)).verdict is Verdict.PASS


def test_too_many_errors_are_a_fail() -> None:
    result = judged(objectives=(objective(error_share=0.0125, error_share_max=0.01),))
    assert result.verdict is Verdict.FAIL
    assert the_reason(result) == (
        "ingest_reading: 1.25 % of the operations failed or are indeterminate, 1.00 % allowed by its objective."
    )


def test_a_slow_operation_under_a_late_generator_is_inconclusive() -> None:
    late = generator(valid=False, late_ms=Lateness(p50=80, p99=400, max=900))
    result = judged(objectives=(objective(response_ms=1_234.5),), generator=late)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "may be its own doing" in result.reasons[0]


def test_a_late_generator_is_inconclusive() -> None:
    result = judged(generator=generator(valid=False, late_ms=Lateness(p50=80, p99=400, max=900)))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert the_reason(result).startswith("The load generator was late: p99 of its lateness 400 ms, 100 ms allowed.")


def test_a_saturated_generator_is_inconclusive() -> None:
    result = judged(generator=generator(valid=False, cpu_share=0.97))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "the busiest sender took 97.0 % of a core, 90.0 % allowed" in the_reason(result)


def test_a_generator_without_a_measured_lateness_is_inconclusive() -> None:
    result = judged(generator=generator(late_ms=None))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "lateness is not known" in the_reason(result)


def test_a_generator_that_says_it_was_not_valid_is_believed() -> None:
    result = judged(generator=generator(valid=False))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert the_reason(result) == "The load generator says it was not valid."


def test_nothing_acknowledged_proves_nothing_of_the_data_and_breaks_the_limit_of_errors() -> None:
    nothing = {"acknowledged": 0, "verified": 0}
    per_dc = {name: DcAudit.model_validate({**SOUND, **nothing, "coordinated": 0}) for name in ("north", "south")}
    result = judged(
        operations={"ingest_reading": operation(ok=0, failed=1_000)},
        objectives=(),
        audit=audit(per_dc=per_dc, **nothing),
    )
    assert result.verdict is Verdict.FAIL
    assert result.reasons[0].startswith("ingest_reading: 100 % of 1,000 operations failed")
    assert "Nothing was acknowledged: 0 of 1,000 operations that fell due." in result.reasons
    assert "No fact was acknowledged, so there was nothing to read back and nothing is proved." in result.reasons


def test_no_operation_at_all_is_inconclusive() -> None:
    result = judged(operations={}, objectives=())
    assert result.verdict is Verdict.INCONCLUSIVE
    assert the_reason(result) == "Nothing was acknowledged: 0 of 0 operations that fell due."


def test_everything_refused_breaks_the_objective() -> None:
    result = judged(
        operations={"ingest_reading": operation(ok=0, failed=1_000)},
        objectives=(objective(response_ms=None, response_count=0, error_share=1.0),),
    )
    assert result.verdict is Verdict.FAIL
    assert result.reasons[0].startswith("ingest_reading: 100 % of the operations failed")


def test_no_audit_is_inconclusive() -> None:
    result = judged(audit=None)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert the_reason(result).startswith("Nothing was read back")


def test_a_partial_read_back_is_inconclusive() -> None:
    result = judged(audit=audit(verified=47_000))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert the_reason(result).startswith("1,000 of 48,000 acknowledged facts could not be read back")


def test_a_dc_that_was_not_read_back_is_inconclusive() -> None:
    north = DcAudit.model_validate({**SOUND, "coordinated": 48_000})
    result = judged(audit=audit(per_dc={"north": north}))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert the_reason(result) == "DC south was not read back, so nothing is proved about it."


def test_a_dc_that_holds_nothing_is_inconclusive() -> None:
    result = judged(audit=audit(south={"acknowledged": 0, "verified": 0}))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert the_reason(result) == "DC south holds no acknowledged fact, so nothing is proved about it."


def test_a_business_dc_that_coordinated_nothing_is_inconclusive() -> None:
    idle = {name: DcAudit.model_validate({**SOUND, "coordinated": 0}) for name in ("north", "south")}
    result = judged(audit=audit(per_dc=idle))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert the_reason(result).startswith("DC north has role business, but coordinated no acknowledged fact")


def test_an_objective_without_a_response_is_inconclusive() -> None:
    result = judged(objectives=(objective(response_ms=None, response_count=0, error_share=None),))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert the_reason(result).startswith("ingest_reading: no response was measured after the warm-up")


def test_operations_that_were_never_sent_are_inconclusive() -> None:
    result = judged(operations={"ingest_reading": operation(offered=1_200)})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert the_reason(result) == "200 of 1,200 operations that fell due were never sent."


def test_counts_that_disagree_are_inconclusive() -> None:
    result = judged(operations={"ingest_reading": operation(ok=990)})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert (
        the_reason(result)
        == "The bench's own counts disagree: 1,000 operations were sent, and 990 outcomes are recorded."
    )


def test_operations_under_way_when_a_storm_was_cut_off_are_told_as_such() -> None:
    """Of a run that was killed in its drain the bench's own counts were said to disagree."""
    result = judged(operations={"ingest_reading": operation(ok=990)}, undone=(Undone.STORM,))
    assert result.verdict is Verdict.INCONCLUSIVE
    sentence = "10 of 1,000 operations that were sent have no outcome on record: the storm was cut off."
    assert sentence in [check.sentence for check in result.checks]


def test_each_outcome_is_counted_once() -> None:
    balanced = operation(ok=990, failed=6, indeterminate=4)
    (sent,) = (
        check for check in judged(operations={"ingest_reading": balanced}).checks if check.name == "every_outcome"
    )
    assert sent.outcome is Verdict.PASS
    (load,) = (check for check in judged(operations={"ingest_reading": balanced}).checks if check.name == "load")
    assert "990 of 1,000 operations of meters and customers (99.0 %) were acknowledged" in load.sentence


def test_troubles_are_numbered_from_one() -> None:
    names = [check.name for check in judged(trouble=["One.", "Another."]).checks]
    assert [name for name in names if name.startswith("trouble_")] == ["trouble_1", "trouble_2"]


def test_trouble_in_the_bench_is_inconclusive() -> None:
    result = judged(trouble=["The run was interrupted at second 12."])
    assert result.verdict is Verdict.INCONCLUSIVE
    assert the_reason(result) == "The run was interrupted at second 12."


def test_indeterminate_slots_are_counted_not_judged() -> None:
    assert judged(audit=audit(indeterminate=500)).verdict is Verdict.PASS


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.PASS, 0), (Verdict.FAIL, 1), (Verdict.INCONCLUSIVE, 4)])
def test_exit_codes(verdict: Verdict, code: int) -> None:
    assert verdict.exit_code == code


def test_a_dc_that_has_wrong_what_another_has_right_may_still_be_behind() -> None:
    """It may not have heard of a day's latest fold yet."""
    behind = judged(audit=audit(wrong=2, verified=47_998, south={"wrong": 2, "verified": 47_998}))
    sentences = {check.name: check.sentence for check in behind.checks}
    assert "It has other values of 2 facts, more than another DC" in sentences["dc_south"]
    assert "may still be behind" in sentences["dc_south"] and "behind" not in sentences["dc_north"]
    assert behind.verdict is Verdict.FAIL and sentences["dc_south"] in behind.reasons
    south = {"lost": 1, "wrong": 2, "verified": 47_997}
    both = {check.name: check.sentence for check in judged(audit=audit(lost=1, wrong=2, south=south)).checks}
    assert "It lacks 1 fact and it has other values of 2 facts, more than another DC" in both["dc_south"]


def test_a_dc_that_lacks_what_another_holds_may_still_be_behind() -> None:
    """Hints take a second a MiB, and those of an existing cluster can't be seen: a fixed wait can call them lost."""
    behind = judged(audit=audit(lost=48, verified=47_952, south={"lost": 48, "verified": 47_952}))
    sentences = {check.name: check.sentence for check in behind.checks}
    assert "It lacks 48 facts" in sentences["dc_south"] and "may still be behind" in sentences["dc_south"]
    assert "behind" not in sentences["dc_north"]
    assert behind.verdict is Verdict.FAIL and sentences["dc_south"] in behind.reasons
    both = {name: DcAudit.model_validate({**SOUND, "coordinated": 1, "lost": 48}) for name in ("north", "south")}
    lost_everywhere = judged(audit=audit(lost=48, per_dc=both))
    assert not any("may still be behind" in check.sentence for check in lost_everywhere.checks)
