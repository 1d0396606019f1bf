"""What the bench itself left undone is not laid at the cluster's door: a failed fold, a drain that was cut off, Ctrl-C."""

from pathlib import Path
from typing import Any

import pytest

import meterstorm
from loadtests.cluster.connect import Endpoint
from loadtests.errors import HarnessError
from loadtests.storm.refold import day_views
from meterstorm.jobs import audit as proof
from reports.results.parts import Verdict
from reports.results.run import AuditResult, DcAudit, Results, RuleCheck, TableAudit, Undone, load_results
from reports.verdict.run import Judgement, judge
from scenarios.spec import Scenario, parse_scenario
from store.schemas import schema_of
from tests.support.judged_run import AUDIT, GENERATOR, SCENARIO_TOML, SOUND, objective, operation
from tests.support.synthetic_run import write_synthetic_run

SCENARIO: Scenario = parse_scenario(SCENARIO_TOML, "test")
DAY_VIEWS = day_views(schema_of(SCENARIO))


def judged(**changes: Any) -> Judgement:
    parts: dict[str, Any] = {
        "operations": {"ingest_reading": operation()},
        "objectives": (objective(),),
        "generator": GENERATOR,
        "audit": AUDIT,
        "scenario": SCENARIO,
    }
    return judge(**(parts | changes))


def with_faults(table: str, kind: str, count: int) -> AuditResult:
    """An audit that found faults of one kind in one table, in the south."""
    faults = {"verified": 16_000 - count, kind: count}
    each = {**SOUND, "acknowledged": 16_000, "verified": 16_000}
    tables = {
        name: TableAudit.model_validate({**each, **(faults if name == table else {})})
        for name in ("events_by_home", *DAY_VIEWS)
    }
    of_south = {**SOUND, "verified": 48_000 - count, kind: count, "coordinated": 0}
    per_dc = {"north": AUDIT.per_dc["north"], "south": DcAudit.model_validate(of_south)}
    update = {"tables": tables, "per_dc": per_dc, "verified": 48_000 - count, kind: count}
    return AUDIT.model_copy(update=update)


@pytest.mark.parametrize("view", DAY_VIEWS)
@pytest.mark.parametrize("kind", ["lost", "wrong"])
def test_views_of_days_that_were_not_folded_say_nothing_of_the_cluster(view: str, kind: str) -> None:
    audit = with_faults(view, kind, 700)
    assert judged(audit=audit).verdict is Verdict.FAIL
    result = judged(audit=audit, undone=[Undone.FOLD], unfolded=DAY_VIEWS)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reasons == (
        "The views of days that estimates and corrections have touched are not computed again from the event log yet, so "
        "usage_by_fuel and billing_by_home can't be judged; `meterstorm audit` on the run's folder does it and judges again.",
    )


def test_without_its_fold_a_run_is_no_pass() -> None:
    assert judged(undone=[Undone.FOLD], unfolded=DAY_VIEWS).verdict is Verdict.INCONCLUSIVE


def test_a_fact_lost_from_the_log_is_lost_whatever_was_not_folded() -> None:
    result = judged(audit=with_faults("events_by_home", "lost", 3), undone=[Undone.FOLD], unfolded=DAY_VIEWS)
    assert result.verdict is Verdict.FAIL
    assert result.reasons[0].startswith("3 facts are lost (acknowledged and not there): 3 in south.")


def test_rules_that_rest_on_views_are_in_doubt_before_the_fold() -> None:
    rule = RuleCheck(rule="usage_by_fuel is what the event log comes to", counted=7, faults=2)
    audit = AUDIT.model_copy(update={"rules": (rule,)})
    assert judged(audit=audit).verdict is Verdict.FAIL
    assert judged(audit=audit, undone=[Undone.FOLD], unfolded=DAY_VIEWS).verdict is Verdict.INCONCLUSIVE


CUT = {"ok": 180, "indeterminate": 820, "cut_off": 790, "errors": {"not_drained": 790, "client_timeout": 30}}


def test_ctrl_c_on_a_slow_cluster_is_inconclusive() -> None:
    """82 % failed or in doubt, most of them because the bench waited no longer; and what was answered was slow."""
    slow = objective(response_ms=9_000.0, error_share=30 / 210)
    result = judged(
        operations={"ingest_reading": operation(**CUT)},
        objectives=(slow,),
        trouble=["The storm was interrupted after 9 s of 30 s."],
        undone=[Undone.STORM],
    )
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reasons[0] == "The storm was interrupted after 9 s of 30 s."
    assert any("but the bench cut the storm off, so it may be its own doing" in reason for reason in result.reasons)


def test_what_an_interrupted_run_has_lost_is_lost() -> None:
    result = judged(audit=with_faults("events_by_home", "lost", 1), undone=[Undone.STORM])
    assert result.verdict is Verdict.FAIL


def test_a_drain_that_was_cut_off_is_the_benchs_own() -> None:
    """None failed of those that were answered: 10 of 1,000 had no answer when the drain's time was over."""
    some = operation(ok=990, indeterminate=10, cut_off=10, errors={"not_drained": 10})
    result = judged(operations={"ingest_reading": some})
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.reasons == (
        "The bench ended with 10 operations unanswered or unsent, most of them ingest_reading: what would have become of them "
        "is not known. Raise run.drain_s_max, or lower the rate.",
    )


def test_a_page_that_the_storms_end_took_from_a_customer_is_no_doubt() -> None:
    page = operation(offered=40, attempted=40, ok=36, indeterminate=4, cut_off=4)
    assert judged(operations={"ingest_reading": operation(), "customer_usage": page}).verdict is Verdict.PASS


@pytest.fixture
def unfolded(tmp_path: Path) -> tuple[Path, Results]:
    """A run's folder as a failed fold leaves it."""
    folder = tmp_path / "run"
    results = write_synthetic_run(folder, wall_s=16)
    results = results.model_copy(update={"undone": (Undone.FOLD,), "verdict": Verdict.INCONCLUSIVE, "checks": ()})
    results.write(folder)
    return folder, results


def audited_again(
    monkeypatch: pytest.MonkeyPatch, folder: Path, results: Results, fold: Any
) -> tuple[Results, list[str]]:
    done: list[str] = []

    def folds(*_: Any) -> None:
        done.append("fold")
        fold()

    def audits(*_: Any, **given: Any) -> AuditResult | None:
        done.append("audit" if given["is_closed"] else "audit of what is not closed")
        return results.audit

    monkeypatch.setattr(proof, "fold", folds)
    monkeypatch.setattr(proof, "audit", audits)
    for name in ("write_report", "build_estate", "read_profile"):
        monkeypatch.setattr(f"meterstorm.jobs.run.{name}", lambda *_: None)
    again = meterstorm.audit(folder, endpoint=Endpoint(contact_points=("127.0.0.1",), local_dc="north"))
    assert load_results(folder) == again
    return again, done


def test_an_audit_does_the_fold_that_failed(unfolded: tuple[Path, Results], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, results = unfolded
    again, done = audited_again(monkeypatch, folder, results, fold=lambda: None)
    assert done == ["fold", "audit"]
    assert (again.verdict, again.undone) == (Verdict.PASS, ()), again.reasons
    _, done = audited_again(monkeypatch, folder, results, fold=lambda: None)
    assert done == ["audit"]  # a fold that was made is not made again: it would mend what the audit is to find


def test_a_fold_that_fails_again_stays_undone(unfolded: tuple[Path, Results], monkeypatch: pytest.MonkeyPatch) -> None:
    def fold() -> None:
        raise HarnessError("north-1 is down")

    again, done = audited_again(monkeypatch, *unfolded, fold=fold)
    assert done == ["fold", "audit of what is not closed"]
    assert (again.verdict, again.undone) == (Verdict.INCONCLUSIVE, (Undone.FOLD,))
    assert (
        again.reasons[0]
        == "The views of revised days could not be computed again: north-1 is down; they are behind the event log."
    )
