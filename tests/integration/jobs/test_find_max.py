"""The search, whole: against a stub queue that is known, and through the command on a real Cassandra."""

import json
import uuid
from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtests.capacity.search import Ending, SearchPlan
from loadtests.capacity.search_loop import RECOVERY_SHARE, search_rate
from loadtests.capacity.step import StepRules, StepVerdict
from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.errors import HarnessError
from loadtests.monitoring.quiescence import NodeRest, why_loaded
from loadtests.stubs import queueing_node as stub_queue
from loadtests.stubs.target import INSERT, stub_target
from meterstorm.cli.app import app
from meterstorm.jobs import find_max as job
from meterstorm.jobs.find_max import SearchOptions, check_request, find_max
from reports.results.capacity import SECONDS_PER_DELIVERY, Resource, load_capacity
from reports.results.parts import Verdict
from scenarios.spec import Objective, Scenario, ScenarioError, Validity, parse_scenario

SMALL = """
title = "A small rate"
[estate]
premises = 400
fuels = ["electricity"]
[estate.read_schedules]
daily = 0.5
half_hourly = 0.5
[topology]
keyspace = "{keyspace}"
dcs = [{{ name = "north", nodes = 1, rf = 1 }}, {{ name = "south", nodes = 1, rf = 1 }}]
[run]
wall_s = 8
warm_up_s = 1
warm_nodes_s = 3
[run.validity]
late_p99_ms_max = 5000
[[slo]]
operation = "ingest_reading"
percentile = 80
response_ms_max = 20000
error_share_max = 0.01
"""


def scenario(text: str = SMALL) -> Scenario:
    return parse_scenario(text.format(keyspace=f"fm_{uuid.uuid4().hex[:12]}"), "small")


@pytest.mark.long
def test_the_search_closes_in_on_a_queue_that_is_known() -> None:
    """What it does, not how fast the machine is: it brackets, narrows, confirms, and ends beside saturation.

    Four servers of 100 ms are saturated at 40/s; a busy machine's hiccups are small against the limit of a second.
    """
    rules = StepRules(
        objectives=(Objective(operation=INSERT.operation, percentile=90.0, response_ms_max=1_000.0),),
        validity=Validity(late_p99_ms_max=5_000.0),
        length_s=20,
        alpha=0.025,
    )
    told: list[str] = []
    with stub_queue.running(4, 0.1, is_exponential=False) as address:
        search = search_rate(
            stub_target(address), rules, SearchPlan(low_per_s=20.0, precision=0.5, steps_max=12), tell=told.append
        )
    assert search.found is not None and search.found.ending is Ending.FOUND
    assert search.found.low_per_s is not None and search.found.high_per_s is not None
    assert 10 <= search.found.low_per_s < search.found.high_per_s <= 80
    verdicts = {made.outcome.rate_per_s: made.outcome.verdict for made in search.steps}
    assert verdicts[search.found.high_per_s] is StepVerdict.BROKE
    assert [made.outcome.rate_per_s for made in search.steps].count(search.found.low_per_s) >= 2
    assert search.recovery is not None and search.recovery.rate_per_s == RECOVERY_SHARE * search.found.low_per_s
    assert len(told) == len(search.steps) + 1


@pytest.mark.long
def test_a_rate_on_cassandra_with_its_results_and_report(two_dc_cluster: LocalCluster, tmp_path: Path) -> None:
    """Up to a rate that any machine holds: the answer is that even the highest held, in meters of each frequency."""
    found = scenario()
    options = SearchOptions(low_per_s=20.0, high_per_s=40.0, step_s=20)
    results = find_max(found, tmp_path / "max", options, endpoint=two_dc_cluster.endpoint("north"))
    assert results.ending is Ending.HIGH_HELD, [*results.reasons, *(step.reason for step in results.steps)]
    assert results.verdict is Verdict.PASS
    assert [step.rate_per_s for step in results.steps] == [20.0, 40.0, 40.0]
    assert results.rate is not None and results.rate.rate_per_s == 40.0 and results.rate.high_per_s is None
    assert results.meters["half_hourly"].meters == int(40 * results.rate.delivery_share * 1_800)
    assert set(results.meters) == set(SECONDS_PER_DELIVERY)
    assert sum(results.mix.values()) == pytest.approx(1.0) and 0.5 < results.rate.delivery_share < 1.0
    assert results.constraint is not None and results.constraint.binding in (None, *Resource)
    assert load_capacity(tmp_path / "max") == results
    page = (tmp_path / "max" / "report.html").read_text(encoding="utf-8")
    assert "40 operations/s" in page and "<svg" in page and "http" not in page.replace("http://www.w3.org", "")
    driver, _ = connect(two_dc_cluster.endpoint("north"))
    assert f"{found.topology.keyspace}_max" not in driver.metadata.keyspaces  # nothing is left on the user's cluster
    driver.shutdown()
    again = CliRunner().invoke(app, ["report", str(tmp_path / "max")])
    assert again.exit_code == 0, again.output


@pytest.mark.long
def test_a_search_that_is_interrupted_is_reported_and_inconclusive(
    two_dc_cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after the first step."""
    steps = []

    def interrupt(line: str) -> None:
        steps.append(line)
        if " held " in line:
            raise KeyboardInterrupt

    monkeypatch.setattr(job.Silent, "detail", lambda _, line: interrupt(line))
    options = SearchOptions(low_per_s=20.0, high_per_s=40.0, step_s=20)
    results = find_max(scenario(), tmp_path / "max", options, endpoint=two_dc_cluster.endpoint("north"))
    assert results.verdict is Verdict.INCONCLUSIVE and results.ending is Ending.INTERRUPTED
    assert results.reasons[0] == "Inconclusive: cut short; 20 operations/s held so far."
    assert json.loads((tmp_path / "max" / "results.json").read_text())["ending"] == "interrupted"


@pytest.mark.parametrize(
    ("change", "options", "told"),
    [
        (("[[slo]]", "[[slo_]]"), None, None),
        (('"ingest_reading"', '"read_bill"'), None, None),
        (('"ingest_reading"', '"record_alert"'), {}, "slo names record_alert, which this scenario never sends"),
        (('"ingest_reading"', '"create_command"'), {}, "slo names create_command, which this scenario never sends"),
        (("", ""), {"low_per_s": 50.0, "high_per_s": 10.0}, "--low 50 is above --high 10"),
        (("", ""), {"high_per_s": 1e7}, "--high 10,000,000/s is more than one sender can send"),
        (("", ""), {"step_s": 19}, "--step-s 19 is too short for a steady state; 20 is the least"),
        (("", ""), {"dc_down": True}, "--with-dc-down stops nodes, which it can't on an existing cluster"),
    ],
)
def test_what_can_not_be_searched_is_refused_in_one_sentence(
    change: tuple[str, str], options: dict[str, float] | None, told: str | None
) -> None:
    text = SMALL.replace(*change) if change[0] else SMALL
    if options is None:
        with pytest.raises(ScenarioError):
            scenario(text)
        return
    with pytest.raises(ScenarioError) as refused:
        check_request(scenario(text), SearchOptions(**options), is_local=False)  # type: ignore[arg-type]
    assert str(told) in str(refused.value) and "\n" not in str(refused.value)


def test_without_an_objective_there_is_nothing_to_hold() -> None:
    with pytest.raises(ScenarioError, match="no \\[\\[slo\\]\\]"):
        check_request(scenario(SMALL.partition("[[slo]]")[0]), SearchOptions(), is_local=True)


def test_losing_a_dc_needs_another_one() -> None:
    text = SMALL.replace(
        '{{ name = "south", nodes = 1, rf = 1 }}', '{{ name = "south", role = "analytics", nodes = 1, rf = 1 }}'
    )
    with pytest.raises(ScenarioError, match="needs a second DC of role 'business'"):
        check_request(scenario(text), SearchOptions(dc_down=True), is_local=True)


@pytest.mark.long
def test_a_cluster_that_is_loaded_already_is_refused(
    two_dc_cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another client's requests are seen by the nodes themselves."""
    monkeypatch.setattr("loadtests.monitoring.quiescence.REQUESTS_PER_S_MAX", -1.0)
    monkeypatch.setattr(job, "require_rest", lambda *given, **named: _impatient(*given, **named))
    with pytest.raises(HarnessError, match=r"already loaded, before the first step: 127\.\S+ answers \d+ requests/s"):
        find_max(scenario(), tmp_path / "max", SearchOptions(), endpoint=two_dc_cluster.endpoint("north"))


def _impatient(*given: object, **named: object) -> None:
    from loadtests.monitoring.quiescence import require_rest

    require_rest(*given, **(named | {"timeout_s": 0.0}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        (NodeRest(node="a", requests_per_s=5, compactions=0, cpu_cores=0.1), None),
        (NodeRest(node="a", requests_per_s=900, compactions=0), "a answers 900 requests/s of others, 50 allowed"),
        (NodeRest(node="a", requests_per_s=0, compactions=9), "a compacts its tables (9 run, and more may wait)"),
        (
            NodeRest(node="a", requests_per_s=0, compactions=0, cpu_cores=1.4),
            "its nodes take 1.4 cores of 2, 0.6 allowed",
        ),
    ],
)
def test_what_a_cluster_at_rest_is(rest: NodeRest, told: str | None) -> None:
    assert why_loaded([rest], cores=2) == told


@pytest.mark.long
def test_the_highest_rate_with_a_dc_lost(tmp_path: Path) -> None:
    """On a cluster of its own, whose first DC is stopped for real: the other one carries all."""
    options = SearchOptions(low_per_s=20.0, high_per_s=20.0, step_s=60, dc_down=True)
    results = find_max(scenario(), tmp_path / "max", options)
    told = [*results.reasons, *(step.reason for step in results.steps)]
    assert results.dc_down == "north" and results.ending is Ending.HIGH_HELD, told
    evidence = {each.resource: each.sentence for each in results.constraint.evidence} if results.constraint else {}
    assert "The nodes took" in evidence[Resource.NODE_CPU]
    assert "south-1" in evidence[Resource.GC] and "north-1" not in evidence[Resource.GC]
    assert "Lost <b>DC north</b>" in (tmp_path / "max" / "report.html").read_text(encoding="utf-8")
