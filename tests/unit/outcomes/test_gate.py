"""From measurements to the answer: every answer from measurements that were made for it, and its page, JUnit and Markdown."""

import re
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from loadtests.gate.bench import GateMeasurements
from loadtests.gate.exact import countable, counters_of
from loadtests.gate.pairs import Pair
from loadtests.gate.sides import SideName
from loadtests.trials.facts import TableDifference
from loadtests.trials.turn import LoadTrial
from meterstorm.display.gate import print_gate
from meterstorm.jobs.gate import look_told
from meterstorm.outcomes.gate import (
    Answered,
    answer_of,
    counter_of,
    curves_of,
    facts_of,
    failures_result,
    metric_of,
    side_of,
)
from reports.gate.junit import gate_junit_xml
from reports.gate.markdown import markdown
from reports.gate.page import write_gate_report
from reports.gate.words import error_sentence
from reports.results.file import schema_text
from reports.results.gate import GateResults, load_gate
from reports.results.parts import Machine, Verdict
from scenarios.gate_file import GateAnswer
from scenarios.spec import Validity
from tests.support.gate_pairs import SCENARIO, SETTINGS, gate_pairs, judged


def measured(slower: float = 1.0, pairs: int = 40) -> GateMeasurements:
    """Pairs of a candidate that is `slower`."""
    return judged(gate_pairs(slower, pairs))


def answered(given: GateMeasurements, *trouble: str) -> Answered:
    return answer_of(given, SETTINGS, Validity(), trouble)


def results_of(given: GateMeasurements) -> GateResults:
    found = answered(given)
    now = datetime(2026, 11, 29, tzinfo=UTC)
    assert given.judgement is not None
    return GateResults(
        scenario=SCENARIO.title,
        seed=1,
        started=now,
        finished=now,
        versions={"meterstorm": "1"},
        machine=Machine(cpu="c", cpu_count=2, memory_bytes=1, system="s"),
        answer=found.answer,
        reasons=found.reasons,
        not_seen=found.not_seen,
        baseline=side_of("main", SCENARIO, SCENARIO),
        candidate=side_of("`mine` <i>", SCENARIO, SCENARIO),
        settings=SETTINGS,
        is_live=True,
        shares_nodes=True,
        pairs=len(given.pairs),
        sample=10,
        closed_loop=10,
        rate_per_s=100.0,
        metrics=tuple(metric_of(each, given.judgement.answer) for each in given.judgement.metrics),
        failures=failures_result(given.judgement.failures) if given.judgement.failures else None,
        counters=tuple(counter_of(each, SETTINGS) for each in given.counters),
        facts=tuple(facts_of(each) for each in given.facts),
        facts_compared="after the last pair",
        curves=curves_of(given.groups, given.pairs),
    )


def failed_cases(results: GateResults) -> list[str | None]:
    """Of its junit.xml."""
    root = ElementTree.fromstring(gate_junit_xml(results))
    return [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None]


LOST = TableDifference(
    table="events_by_home", dc="north", rows=10, missing=1, extra=0, altered=0, examples=("missing: premises 3",)
)


def test_a_slower_candidate_is_a_regression_in_every_metric_that_shows_it() -> None:
    found = answered(measured(1.5))
    assert found.answer is GateAnswer.REGRESSION
    assert any(reason.startswith("server CPU +") for reason in found.reasons)
    assert any("p50 +" in reason for reason in found.reasons)


def test_an_equal_candidate_passes_and_a_faster_one_improves() -> None:
    assert answered(measured()).answer is GateAnswer.PASS
    assert answered(measured(0.7)).answer is GateAnswer.IMPROVEMENT


@pytest.mark.parametrize(("slower", "sign"), [(1.3, "+"), (0.7, "−")])
def test_a_change_says_which_sign_is_worse_and_never_that_an_improvement_is(slower: float, sign: str) -> None:
    given = measured(slower)
    (told,) = [reason for reason in answered(given).reasons if reason.startswith("throughput ")]
    assert told.startswith(f"throughput {sign}") and told.endswith("; plus is worse, and 10.0 % matters")
    shown = StringIO()
    print_gate(Console(file=shown, width=140), results_of(given), "report.html")
    for text in (shown.getvalue(), markdown(results_of(given))):
        assert "hange (plus is worse)" in text and "for the worse" not in text


def test_a_look_tells_of_no_evidence_for_a_worse_metric_where_none_is_worse() -> None:
    few = judged(gate_pairs(0.7, 6)).judgement
    assert few is not None
    noisy = replace(few, answer=GateAnswer.INCONCLUSIVE)
    assert look_told(noisy, 6, SETTINGS).endswith("; no metric is worse so far")
    worse = judged(gate_pairs(1.02, 6)).judgement
    assert worse is not None and "; most evidence that one is worse: " in look_told(worse, 6, SETTINGS)


def test_the_family_has_what_trials_have_enough_of() -> None:
    names = {metric.name for metric in measured().measures}
    # 400 responses of a kind have 4 beyond p99; both kinds are one operation each, which would say the same twice
    assert {"throughput", "server CPU", "writes p25", "writes p99", "reads p99"} <= names
    assert not any(name.startswith("ingest") for name in names) and "between DCs" not in names


def test_one_lost_row_fails_whatever_the_speed() -> None:
    given = measured(0.5)
    given.facts = (LOST,)
    found = answered(given)
    assert found.answer is GateAnswer.REGRESSION
    (reason,) = found.reasons
    assert "events_by_home in DC north: of 10 rows 1 missing (missing: premises 3)" in reason


def test_a_counter_that_grew_fails_and_one_that_fell_does_not() -> None:
    given = measured()
    given.counters = counters_of({("t: writes by replicas", "writes"): 100}, {("t: writes by replicas", "writes"): 101})
    assert answered(given).answer is GateAnswer.REGRESSION
    given.counters = counters_of({("t: writes by replicas", "writes"): 101}, {("t: writes by replicas", "writes"): 100})
    assert answered(given).answer is GateAnswer.PASS
    given.counters = counters_of({}, {("view: writes by replicas", "writes"): 1})
    assert "view: writes by replicas 0 -> 1" in answered(given).reasons[0]


def test_a_counter_that_chance_touches_is_no_regression_and_is_told() -> None:
    given = measured()
    counted = counters_of({("t: writes by replicas", "writes"): 100}, {("t: writes by replicas", "writes"): 101})
    given.counters = countable(counted, (1, 1), was_sent_once=False, were_traced=True)
    found = answered(given)
    assert found.answer is GateAnswer.PASS
    (told,) = (sentence for sentence in found.not_seen if "held against nothing" in sentence)
    assert "sent again" in told and told.endswith(": t: writes by replicas.")
    results = results_of(given)
    assert not results.counters[0].is_worse and "sent again" in results.counters[0].chance
    assert "no exact counter grew" in gate_junit_xml(results)


@pytest.mark.parametrize("side", SideName)
def test_a_late_generator_leaves_nothing_to_claim(side: SideName) -> None:
    given = measured(1.5)
    given.pairs[:] = [
        replace(pair, sides={**pair.sides, side: replace(pair.sides[side], late_p99_ms=500.0)}) for pair in given.pairs
    ]
    found = answered(given)
    assert found.answer is GateAnswer.INCONCLUSIVE and f"of the {side} " in found.reasons[0]
    assert any(reason.startswith("shown all the same: server CPU") for reason in found.reasons)


def test_a_sender_at_its_limit_hides_changes_and_makes_none() -> None:
    def at_its_limit(slower: float) -> Answered:
        given = measured(slower)
        given.pairs[:] = [
            replace(pair, sides={name: replace(one, cpu_share=1.0) for name, one in pair.sides.items()})
            for pair in given.pairs
        ]
        return answered(given)

    assert at_its_limit(1.0).answer is GateAnswer.INCONCLUSIVE and "of a core" in at_its_limit(1.0).reasons[0]
    assert at_its_limit(1.5).answer is GateAnswer.REGRESSION


def test_candidate_over_baseline_is_the_change_that_is_told() -> None:
    given = measured(1.5)
    assert given.judgement is not None
    for each in (metric_of(one) for one in given.judgement.metrics):
        turned = each.baseline / each.candidate if each.name == "throughput" else each.candidate / each.baseline
        assert turned - 1 == pytest.approx(each.change)


def failing(in_pairs: Collection[int], *names: SideName, count: int = 40, share: float = 0.03) -> GateMeasurements:
    """Sides of equal speed, of which `names` have this share of operations not acknowledged in these pairs."""

    def failed(one: LoadTrial) -> LoadTrial:
        return replace(one, ok=round(one.offered * (1 - share)), errors={"write_timeout": round(one.offered * share)})

    return judged(
        [
            replace(pair, sides={**pair.sides, **{name: failed(pair.sides[name]) for name in names}})
            if pair.index in in_pairs
            else pair
            for pair in gate_pairs(count=count)
        ]
    )


def test_operations_that_fail_in_all_pairs_of_the_candidate_alone_are_its_fault() -> None:
    given = failing(range(40), SideName.CANDIDATE)
    found = answered(given)
    assert found.answer is GateAnswer.REGRESSION
    assert found.reasons == (
        "operations were not acknowledged: 0 % of the baseline's and 3.00 % of the candidate's (write_timeout), 1.00 % allowed; "
        "the candidate failed more beyond that in 40 pairs, the baseline in 0",
    )
    results = results_of(given)
    assert results.failures is not None and results.failures.verdict is Verdict.FAIL
    assert "failed operations" in failed_cases(results)
    assert ", operations that fail, and all looks together" in error_sentence(results)


def test_operations_that_fail_on_both_sides_are_nobodys_fault() -> None:
    found = answered(failing(range(40), *SideName))
    assert found.answer is GateAnswer.INCONCLUSIVE and "write_timeout" in found.reasons[0]
    assert answered(failing(range(40), SideName.BASELINE)).answer is GateAnswer.INCONCLUSIVE


@pytest.mark.parametrize("name", SideName)
def test_one_bad_moment_is_no_regression_and_no_pass_however_bad_it_is(name: SideName) -> None:
    found = answered(failing([17], name, share=0.9))
    assert found.answer is GateAnswer.INCONCLUSIVE and "2.25 %" in found.reasons[0]
    assert answered(failing([17], name, share=0.3)).answer is GateAnswer.PASS  # 0.75 % of all


def test_failures_within_what_is_allowed_are_no_evidence() -> None:
    """A bad moment of the candidate, and a share in every pair that nobody minds: no more than one pair speaks against it."""
    given = failing(range(40), SideName.CANDIDATE, share=0.008)
    worst = failing([17], SideName.CANDIDATE, share=0.9).pairs[17]
    found = answered(judged([worst if pair.index == 17 else pair for pair in given.pairs]))
    assert (
        found.answer is GateAnswer.INCONCLUSIVE
        and "failed more beyond that in 1 pair, the baseline in 0" in found.reasons[0]
    )
    assert answered(given).answer is GateAnswer.PASS


def test_failures_take_as_many_pairs_as_the_family_asks_for() -> None:
    """By signs alone: of 14 metrics without a change and one that always points one way, 15 pairs."""
    assert answered(failing(range(60), SideName.CANDIDATE, count=14)).answer is GateAnswer.INCONCLUSIVE
    assert answered(failing(range(60), SideName.CANDIDATE, count=15)).answer is GateAnswer.REGRESSION


def test_too_few_pairs_and_an_interrupt_are_inconclusive() -> None:
    assert answered(measured(pairs=5)).answer is GateAnswer.INCONCLUSIVE
    found = answered(measured(), "it was interrupted")
    assert found.answer is GateAnswer.INCONCLUSIVE and found.reasons == ("it was interrupted",)


def test_an_open_metric_says_how_many_pairs_it_asks_for() -> None:
    found = answered(measured(pairs=6))
    assert any("no change of 14 metrics is claimed, however large it is" in reason for reason in found.reasons)
    assert found.answer is GateAnswer.INCONCLUSIVE
    told = " ".join(found.reasons)
    assert re.search(r"asks for some [\d,]+ pairs in all", told) and "after 6 pairs it is open for" in told


def test_a_drift_is_a_reason_that_it_is_open_and_a_single_wild_pair_is_none() -> None:
    given = measured()

    def slowed(pair: Pair, factor: float) -> Pair:
        candidate = pair.sides[SideName.CANDIDATE]
        slow = replace(candidate, throughput_per_s=candidate.throughput_per_s / factor)
        return replace(pair, sides={**pair.sides, SideName.CANDIDATE: slow})

    spiked = [slowed(pair, 9.0 if pair.index == 7 else 1.0) for pair in given.pairs]
    assert not any("far from all others" in reason for reason in answered(judged(spiked)).reasons)
    drifting = [slowed(pair, 1.08 if pair.index >= 30 else 1.0 + 0.002 * pair.index) for pair in given.pairs]
    found = answered(judged(drifting))
    assert found.answer is GateAnswer.INCONCLUSIVE
    assert any(reason.startswith("throughput: its ratio drifts") for reason in found.reasons)


def test_page_junit_and_markdown_hold_what_comes_from_outside_as_text(tmp_path: Path) -> None:
    given = measured(1.5)
    given.facts = (LOST,)
    results = results_of(given)
    results.write(tmp_path)
    write_gate_report(tmp_path)
    assert load_gate(tmp_path) == results
    page = (tmp_path / "report.html").read_text()
    assert "<b>small</b>" not in page and "&lt;b&gt;small" in page and "events_by_home" in page
    assert {path.name for path in (tmp_path / "figures").glob("*.svg")} >= {"pairs.svg", "response-writes.svg"}
    failed = failed_cases(results)
    assert "the change" in failed and "facts" in failed and "server CPU" in failed
    text = markdown(results)
    assert r"\<i\>" in text and "❌" in text and text.count("\n|") == len(results.metrics) + 2


def test_the_published_schema_is_the_model() -> None:
    published = (Path(__file__).parents[3] / "docs" / "gate.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(GateResults), "uv run python -m reports.results.gate > docs/gate.schema.json"
