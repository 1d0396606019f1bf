"""A search's results.json: its published schema, its kind, its verdict in sentences, its page."""

import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from loadtests.capacity.search import Ending, Found, StepPurpose
from loadtests.capacity.step import Doubt, StepOutcome, StepVerdict
from loadtests.stats.sequential import SequentialAnswer
from meterstorm.display.capacity import print_capacity
from reports.capacity.page import capacity_html
from reports.results.capacity import (
    CapacityResults,
    ConstraintResult,
    EvidenceResult,
    Interval,
    ObjectiveStep,
    RateResult,
    RecoveryResult,
    Resource,
    StepResult,
    load_capacity,
)
from reports.results.file import Kind, kind_of, schema_text
from reports.results.parts import Machine, TopologyResult, Verdict
from reports.results.run import load_results
from reports.verdict.capacity import judge_search
from scenarios.spec import Dc, ScenarioError

REPOSITORY = Path(__file__).parents[4]
RATE = RateResult(rate_per_s=1_500, high_per_s=1_600, confidence=0.95, delivery_share=0.8)
CONSTRAINT = ConstraintResult(
    is_limit=True,
    binding=Resource.GC,
    at_per_s=1_600,
    evidence=(EvidenceResult(resource=Resource.GC, of_limit=1.5, sentence="15 % of the time north-1 paused."),),
)
RECOVERY = RecoveryResult(rate_per_s=1_500, overload_per_s=2_400, overload_s=10, watched_s=60, after_s=7)
LAST = StepOutcome(
    rate_per_s=20,
    verdict=StepVerdict.UNDECIDED,
    reason="no steady state",
    length_s=60,
    warm_up_s=30,
    kept_s=30,
    offered_per_s=20,
    completed_per_s=20,
    mean_response_ms=1.0,
    growth=None,
    is_steady=False,
    late_p99_ms=1.0,
    cpu_share=0.1,
    objectives=(),
    doubt=Doubt.UNSTEADY,
)
FOUND = Found(ending=Ending.FOUND, low_per_s=1_500, high_per_s=1_600)


def step(verdict: StepVerdict, rate_per_s: float, response_ms: float | None) -> StepResult:
    return StepResult(
        rate_per_s=rate_per_s,
        purpose=StepPurpose.BRACKET,
        verdict=verdict,
        reason="<because>",
        length_s=60,
        warm_up_s=5,
        kept_s=55,
        offered_per_s=rate_per_s,
        completed_per_s=rate_per_s,
        mean_response_ms=response_ms,
        growth=None,
        late_p99_ms=1.0,
        cpu_share=0.1,
        objectives=(
            ObjectiveStep(
                operation="ingest_reading",
                percentile=99.0,
                response_ms_max=50.0,
                answer=SequentialAnswer.UNDECIDED,
                slower_share=None if response_ms is None else 0.01,
                response_ms=None
                if response_ms is None
                else Interval(value=response_ms, low=0.9 * response_ms, high=1.2 * response_ms, confidence=0.95),
                response_count=1_000,
                effective_count=100.0,
                error_share=0.0,
                error_share_max=0.0,
            ),
        ),
    )


def results(**given: object) -> CapacityResults:
    fields: dict[str, object] = {
        "ending": Ending.FOUND,
        "scenario": "A <scenario>",
        "seed": 1,
        "started": datetime(2026, 1, 1, tzinfo=UTC),
        "finished": datetime(2026, 1, 1, 0, 9, tzinfo=UTC),
        "versions": {"meterstorm": "0"},
        "machine": Machine(cpu="x", cpu_count=2, memory_bytes=1, system="y"),
        "topology": TopologyResult(dcs=(Dc(name="north", nodes=1, rf=1),)),
        "dc_down": None,
        "verdict": Verdict.PASS,
        "reasons": ("A reason.",),
        "rate": RATE,
        "meters": {},
        "mix": {"ingest_reading": 0.8, "read_state": 0.2},
        "pool_count": 1_000,
        "steps": tuple(step(verdict, 100.0 * i, 10.0 * i) for i, verdict in enumerate(StepVerdict, start=1)),
        "constraint": CONSTRAINT,
        "queue_curve": None,
        "scalability": None,
        "recovery": RECOVERY,
        "methods": {"warm_up": "MSER-5"},
    }
    return CapacityResults.model_validate(fields | given)


def test_the_published_schema_is_the_models() -> None:
    published = (REPOSITORY / "docs" / "find-max.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(CapacityResults), (
        "uv run python -m reports.results.capacity > docs/find-max.schema.json"
    )


def test_it_is_read_as_it_was_written_and_not_taken_for_a_run(tmp_path: Path) -> None:
    results().write(tmp_path)
    assert kind_of(tmp_path) is Kind.CAPACITY
    assert load_capacity(tmp_path) == results()
    with pytest.raises(ScenarioError, match="is a search's; name the folder of a run"):
        load_results(tmp_path)


@pytest.mark.parametrize(
    ("found", "recovery", "verdict", "told"),
    [
        (FOUND, RECOVERY, Verdict.PASS, "hold at 1,500 operations/s and no longer at 1,600/s"),
        (FOUND, RECOVERY.model_copy(update={"after_s": None}), Verdict.FAIL, "did not hold again within 1 min 0 s"),
        (Found(ending=Ending.HIGH_HELD, low_per_s=1_500, high_per_s=None), None, Verdict.PASS, "lies above it"),
        (Found(ending=Ending.NONE_HELD, low_per_s=None, high_per_s=1), None, Verdict.FAIL, "hold at no rate"),
        (
            Found(ending=Ending.CLIENT_LIMITED, low_per_s=1_500, high_per_s=None),
            None,
            Verdict.INCONCLUSIVE,
            "the load generator itself is the limit",
        ),
        (
            Found(ending=Ending.UNDECIDED, low_per_s=None, high_per_s=None),
            None,
            Verdict.INCONCLUSIVE,
            "1 had no steady state",
        ),
        (Found(ending=Ending.OUT_OF_STEPS, low_per_s=1, high_per_s=9), None, Verdict.INCONCLUSIVE, "--steps"),
    ],
)
def test_each_ending_has_its_verdict(
    found: Found, recovery: RecoveryResult | None, verdict: Verdict, told: str
) -> None:
    rate = RATE if found.low_per_s is not None else None
    judged = judge_search(found, rate, CONSTRAINT, recovery, is_interrupted=False, steps=[LAST])
    tells_last = found.ending in (Ending.UNDECIDED, Ending.CLIENT_LIMITED)
    assert ("The last step, 20 operations/s: no steady state." in judged.reasons) == tells_last
    assert judged.verdict is verdict
    assert told in " ".join(judged.reasons)


def test_what_was_not_seen_to_its_end_is_no_pass() -> None:
    stopped = judge_search(FOUND, RATE, CONSTRAINT, None, is_interrupted=True, steps=())
    assert (
        stopped.verdict is Verdict.INCONCLUSIVE and "recovery from an overload was interrupted" in stopped.reasons[-1]
    )
    dead = judge_search(
        FOUND, RATE, CONSTRAINT, None, is_interrupted=False, steps=(), trouble=["Node north-1 is gone."]
    )
    assert dead.verdict is Verdict.INCONCLUSIVE and dead.reasons[-1] == "Node north-1 is gone."
    late = RECOVERY.model_copy(update={"after_s": None, "client_trouble": "the load generator was late"})
    own_fault = judge_search(FOUND, RATE, CONSTRAINT, late, is_interrupted=False, steps=())
    assert own_fault.verdict is Verdict.INCONCLUSIVE and "but the load generator was late" in own_fault.reasons[-1]
    nothing = Found(ending=Ending.NONE_HELD, low_per_s=None, high_per_s=10)
    assert judge_search(nothing, None, CONSTRAINT, None, is_interrupted=True, steps=()).verdict is Verdict.FAIL


def test_what_binds_is_told_with_its_evidence() -> None:
    reasons = judge_search(FOUND, RATE, CONSTRAINT, RECOVERY, is_interrupted=False, steps=()).reasons
    assert reasons[1] == "At 1,600/s what binds is garbage collection: 15 % of the time north-1 paused."
    assert reasons[2] == "After 10 s of overload at 2,400/s, 1,500/s held again after 7 s."


def test_where_nothing_can_be_named_the_page_says_so_and_what_others_took() -> None:
    others = EvidenceResult(resource=Resource.OTHERS, of_limit=None, sentence="Other programs took 1.20 cores.")
    unnamed = CONSTRAINT.model_copy(update={"binding": None, "evidence": (*CONSTRAINT.evidence, others)})
    told = judge_search(FOUND, RATE, unnamed, None, is_interrupted=False, steps=()).reasons[1]
    assert told.startswith("At 1,600/s what binds can't be named") and told.endswith("Other programs took 1.20 cores.")
    text = capacity_html(results(constraint=unnamed), "")
    assert "what binds can&#39;t be named" in text and "not known" in text
    none_broke = unnamed.model_copy(update={"is_limit": False})
    text = capacity_html(results(constraint=none_broke), "")
    assert "no rate broke, so nothing is known to bind" in text and "nothing: no rate broke" in text


def test_nodes_that_were_not_measured_are_not_said_to_be_below_their_limit() -> None:
    nodes = EvidenceResult(resource=Resource.NODE_CPU, of_limit=None, sentence="Not measured: the nodes' processors.")
    unmeasured = CONSTRAINT.model_copy(update={"binding": None, "evidence": (nodes,)})
    told = judge_search(FOUND, RATE, unmeasured, None, is_interrupted=False, steps=()).reasons[1]
    assert "the nodes were not measured" in told and "neither nodes" not in told
    below = unmeasured.model_copy(update={"evidence": (nodes.model_copy(update={"of_limit": 0.4}),)})
    told = judge_search(FOUND, RATE, below, None, is_interrupted=False, steps=()).reasons[1]
    assert "neither nodes nor load generator were at a limit" in told and "not measured" not in told


@pytest.mark.parametrize("binding", ["unknown", "machine_cpu"])
def test_an_older_file_that_names_the_machine_is_read(tmp_path: Path, binding: str) -> None:
    """Before 28 November 2026 all of the machine's processors could bind, and `unknown` stood for what null says now."""
    fields = results().model_dump(mode="json")
    del fields["kind"], fields["schema_version"], fields["constraint"]["is_limit"]
    machine = {"resource": "machine_cpu", "of_limit": 1.05, "sentence": "94 % of this machine's cores were busy."}
    fields["constraint"] |= {"binding": binding, "evidence": [machine, *fields["constraint"]["evidence"]]}
    (tmp_path / "results.json").write_text(json.dumps(fields), encoding="utf-8")
    read = load_capacity(tmp_path)
    constraint = read.constraint
    assert constraint is not None and constraint.binding is None and constraint.is_limit
    assert constraint.evidence[0] == EvidenceResult(
        resource=Resource.OTHERS, of_limit=None, sentence="94 % of this machine's cores were busy."
    )
    assert constraint.evidence[1:] == CONSTRAINT.evidence
    assert "94 % of this machine&#39;s cores were busy." in capacity_html(read, "")


def test_the_page_shows_every_step_and_escapes_what_is_not_its_own() -> None:
    text = capacity_html(results(), "title = '<x>'")
    assert "A &lt;scenario&gt;" in text and "<scenario>" not in text and "&lt;because&gt;" in text
    for word in ("held", "broke", "undecided", "client limited"):
        assert f" {word}\n" in text or f" {word}<" in text, word
    assert "1,500" in text and "held again after 7 s" in text


@pytest.mark.parametrize(("seconds", "told", "other"), [(1_800.0, "half", "quarter"), (900.0, "quarter", "half")])
def test_meters_that_hold_quarter_hours_are_told_so(seconds: float, told: str, other: str) -> None:
    found = results(
        meters={
            "half_hourly": {"seconds_per_delivery": seconds, "meters": 1_350_000, "meters_high": None},
            "daily": {"seconds_per_delivery": 86_400.0, "meters": 64_800_000, "meters_high": None},
        }
    )
    console = Console(record=True, width=120, file=StringIO())
    print_capacity(console, found, "report.html")
    text = capacity_html(found, "")
    assert f"Meters, {told}-hourly" in text and "Meters, daily" in text and f"{other}-hourly" not in text
    shown = console.export_text()
    assert f"{told}-hourly" in shown and "daily" in shown and f"{other}-hourly" not in shown


def test_a_search_without_a_step_has_a_page_too() -> None:
    bare = results(steps=(), rate=None, constraint=None, recovery=None, ending=Ending.INTERRUPTED)
    assert "No step was made" in capacity_html(bare, "")


def test_steps_without_any_answer_can_be_drawn() -> None:
    assert "<svg" in capacity_html(results(steps=(step(StepVerdict.BROKE, 100.0, None),)), "")
