"""A gate between recorded runs, from their folders to its answer: which runs make sides, which figures count, what is refused."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtests.gate.sides import SideName
from meterstorm.jobs import gate_recorded as job
from meterstorm.jobs.gate_recorded import NOT_IN_TURNS, gate_recorded
from meterstorm.jobs.gate_sides import RecordedSide
from reports.results.gate import GateResults, load_gate
from reports.results.parts import Verdict
from reports.results.run import Percentiles, load_results
from scenarios.domain import ConsistencyLevel
from scenarios.gate_file import GateAnswer, GateSettings
from scenarios.spec import NoBaseline, ScenarioError
from tests.support.judged_run import AUDIT, SCENARIO_TOML, operation
from tests.support.past_runs import FIRST, MACHINE, OPERATION, write_benchmarks, write_run
from tests.support.synthetic_run import write_synthetic_run

PAIRS = 14
SETTINGS = GateSettings()


@pytest.fixture(autouse=True)
def without_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all else, and most tests look at results alone."""
    monkeypatch.setattr(job, "write_gate_report", lambda folder: None)


def sides(baseline: Sequence[Path], candidate: Sequence[Path]) -> tuple[RecordedSide, RecordedSide]:
    return (
        RecordedSide(name=SideName.BASELINE, told="ours", paths=tuple(baseline)),
        RecordedSide(name=SideName.CANDIDATE, told="theirs", paths=tuple(candidate)),
    )


def when(side: SideName, pair: int, order: str = "ABBA") -> int:
    """The place of a side's n-th run among all, in the order in which they were recorded."""
    is_candidate = side is SideName.CANDIDATE
    match order:
        case "ABBA":
            return 2 * pair + (is_candidate ^ bool(pair % 2))
        case "ABAB":
            return 2 * pair + is_candidate
        case _:  # one side after the other
            return PAIRS * is_candidate + pair


def write_sides(
    folder: Path,
    p99_ms: tuple[float, float] = (10.0, 10.0),
    *,
    order: str = "ABBA",
    pairs: int = PAIRS,
    **candidate: Any,
) -> tuple[RecordedSide, RecordedSide]:
    """Runs whose p99 has a noise of 3 %, recorded in turns; `candidate` changes fields of that side's results."""
    random = np.random.default_rng(3)
    written: dict[SideName, list[Path]] = {}
    for side, level in zip((SideName.BASELINE, SideName.CANDIDATE), p99_ms, strict=True):
        for pair in range(pairs):
            changes: dict[str, Any] = {"started": FIRST + timedelta(hours=when(side, pair, order))}
            changes |= candidate if side is SideName.CANDIDATE else {}
            value = level * float(np.exp(random.normal(0, 0.03)))
            written.setdefault(side, []).append(write_run(folder / side, pair, value, **changes))
    return sides(written[SideName.BASELINE], written[SideName.CANDIDATE])


def answer_of(tmp_path: Path, recorded: tuple[RecordedSide, RecordedSide]) -> GateResults:
    results = gate_recorded(*recorded, SETTINGS, tmp_path / "out")
    assert load_gate(tmp_path / "out") == results
    return results


def test_a_slower_p99_is_a_regression_of_that_figure_alone(tmp_path: Path) -> None:
    results = answer_of(tmp_path, write_sides(tmp_path, (10.0, 15.0)))
    assert results.answer is GateAnswer.REGRESSION and results.pairs == PAIRS and not results.is_live
    assert {each.name: each.answer for each in results.metrics} == {
        f"{OPERATION} p50": GateAnswer.PASS,
        f"{OPERATION} p99": GateAnswer.REGRESSION,
        f"{OPERATION} rate": GateAnswer.PASS,
    }
    assert {each.name: each.limit for each in results.metrics} == {
        f"{OPERATION} p50": SETTINGS.limits.response,
        f"{OPERATION} p99": SETTINGS.limits.response_p99,
        f"{OPERATION} rate": SETTINGS.limits.throughput,
    }
    assert len(results.reasons) == 1 and f"{OPERATION} p99" in results.reasons[0]


def test_runs_alike_in_turns_pass_and_nothing_is_said_of_drift(tmp_path: Path) -> None:
    results = answer_of(tmp_path, write_sides(tmp_path))
    assert results.answer is GateAnswer.PASS
    assert results.not_seen == ()


@pytest.mark.parametrize("order", ["ABAB", "AABB"])
def test_whoever_took_no_turns_is_told_so(tmp_path: Path, order: str) -> None:
    assert answer_of(tmp_path, write_sides(tmp_path, order=order)).not_seen == (NOT_IN_TURNS,)


def test_a_lower_rate_is_for_the_worse(tmp_path: Path) -> None:
    response = Percentiles(p50=1.0, p95=None, p99=10.0, p999=None, max=100.0)
    slower = {OPERATION: operation(rate_per_s=400.0, response_ms=response)}
    results = answer_of(tmp_path, write_sides(tmp_path, operations=slower))
    assert [each.name for each in results.metrics if each.answer is GateAnswer.REGRESSION] == [f"{OPERATION} rate"]


def test_lost_facts_are_a_regression_however_quick_it_is(tmp_path: Path) -> None:
    results = answer_of(tmp_path, write_sides(tmp_path, (10.0, 5.0), audit=AUDIT.model_copy(update={"lost": 3})))
    assert results.answer is GateAnswer.REGRESSION
    assert len(results.reasons) == PAIRS and all("3 facts lost" in each for each in results.reasons)


def test_lost_facts_of_the_baseline_are_told_and_no_regression(tmp_path: Path) -> None:
    baseline, candidate = write_sides(tmp_path, audit=AUDIT.model_copy(update={"wrong": 1}))
    results = answer_of(tmp_path, sides(candidate.paths, baseline.paths))
    assert results.answer is GateAnswer.PASS
    assert any("Of the baseline" in each and "1 fact lost" in each for each in results.not_seen)


def test_an_inconclusive_run_leaves_nothing_to_claim(tmp_path: Path) -> None:
    baseline, candidate = write_sides(tmp_path, (10.0, 15.0))
    spoilt = load_results(candidate.paths[3])
    spoilt.model_copy(update={"verdict": Verdict.INCONCLUSIVE}).write(candidate.paths[3])
    results = answer_of(tmp_path, (baseline, candidate))
    assert results.answer is GateAnswer.INCONCLUSIVE
    assert str(candidate.paths[3]) in results.reasons[0] and any(
        "shown all the same" in each for each in results.reasons
    )


def failing_operation() -> dict[str, Any]:
    response = Percentiles(p50=1.0, p95=None, p99=10.0, p999=None, max=100.0)
    return {OPERATION: operation(ok=900, failed=100, rate_per_s=500.0, response_ms=response)}


def test_a_candidate_that_fails_in_all_pairs_is_a_regression(tmp_path: Path) -> None:
    results = answer_of(tmp_path, write_sides(tmp_path, operations=failing_operation()))
    assert results.answer is GateAnswer.REGRESSION
    assert results.failures is not None and results.failures.worse_pairs == PAIRS
    assert "10.0 % of the candidate's (ingest_reading)" in results.reasons[0]


def test_nor_do_failures_of_runs_that_are_inconclusive(tmp_path: Path) -> None:
    results = answer_of(tmp_path, write_sides(tmp_path, operations=failing_operation(), verdict=Verdict.INCONCLUSIVE))
    assert results.answer is GateAnswer.INCONCLUSIVE
    assert sum("is inconclusive, so what was measured" in each for each in results.reasons) == PAIRS


def test_what_was_lost_in_them_is_lost(tmp_path: Path) -> None:
    lost = AUDIT.model_copy(update={"lost": 3})
    results = answer_of(tmp_path, write_sides(tmp_path, audit=lost, verdict=Verdict.INCONCLUSIVE))
    assert results.answer is GateAnswer.REGRESSION


def test_one_bad_moment_and_a_baseline_that_fails_are_inconclusive(tmp_path: Path) -> None:
    baseline, candidate = write_sides(tmp_path)
    spoilt = load_results(candidate.paths[3])
    all_bad = {
        OPERATION: operation(ok=0, failed=1_000, rate_per_s=500.0, response_ms=spoilt.operations[OPERATION].response_ms)
    }
    spoilt.model_copy(update={"operations": all_bad}).write(candidate.paths[3])
    results = answer_of(tmp_path, (baseline, candidate))
    assert results.answer is GateAnswer.INCONCLUSIVE and "were not acknowledged" in results.reasons[0]
    failing, fine = write_sides(tmp_path / "baseline", operations=failing_operation())[::-1]
    results = gate_recorded(*sides(failing.paths, fine.paths), SETTINGS, tmp_path / "again")
    assert results.answer is GateAnswer.INCONCLUSIVE and "were not acknowledged" in results.reasons[0]


def test_too_few_pairs_are_inconclusive(tmp_path: Path) -> None:
    results = answer_of(tmp_path, write_sides(tmp_path, (10.0, 15.0), pairs=4))
    assert results.answer is GateAnswer.INCONCLUSIVE and "4 pairs" in " ".join(results.reasons)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"machine": MACHINE.model_copy(update={"cpu": "another"})}, "recorded runs differ in their machine.*another"),
        ({"machine": MACHINE.model_copy(update={"memory_bytes": 2**30})}, "differ in their machine.*1 GiB"),
        ({"digest": "aa" * 32}, "differ in their trace.*aaaa"),
        ({"seed": 8}, "differ in their seed"),
    ],
    ids=["CPU", "memory", "trace", "seed"],
)
def test_runs_of_other_machines_or_loads_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    recorded = write_sides(tmp_path, pairs=2, **changes)
    with pytest.raises(ScenarioError, match=said):
        gate_recorded(*recorded, SETTINGS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_runs_of_another_pace_are_refused(tmp_path: Path) -> None:
    recorded = write_sides(tmp_path, pairs=2)
    for side, seconds in zip(recorded, (30, 60), strict=True):
        for path in side.paths:
            text = SCENARIO_TOML.replace("wall_s = 30", f"wall_s = {seconds}")
            (path / "scenario.resolved.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match="differ in their pace"):
        gate_recorded(*recorded, SETTINGS, tmp_path / "out")


def test_the_sides_may_differ_in_the_store_and_runs_of_a_side_may_not(tmp_path: Path) -> None:
    topology = load_results(write_run(tmp_path, 0, 1.0)).topology
    levels = topology.consistency.model_copy(update={"default": ConsistencyLevel.QUORUM})
    baseline, candidate = write_sides(tmp_path, pairs=2, topology=topology.model_copy(update={"consistency": levels}))
    assert answer_of(tmp_path, (baseline, candidate)).answer is GateAnswer.INCONCLUSIVE
    mixed = sides([baseline.paths[0], candidate.paths[1]], [candidate.paths[0], baseline.paths[1]])
    with pytest.raises(ScenarioError, match=r"the baseline's runs differ in their topology.*QUORUM"):
        gate_recorded(*mixed, SETTINGS, tmp_path / "mixed")


def test_processor_time_of_the_nodes_counts(tmp_path: Path) -> None:
    for side in ("a", "b"):
        write_synthetic_run(tmp_path / side, wall_s=10)
    results = answer_of(tmp_path, sides([tmp_path / "a"], [tmp_path / "b"]))
    (cpu,) = [each for each in results.metrics if each.name == "server CPU"]
    assert cpu.limit == SETTINGS.limits.server_cpu and cpu.baseline > 0


def test_a_figure_that_not_every_run_has_is_left_out_and_told(tmp_path: Path) -> None:
    more = {name: operation(rate_per_s=500.0) for name in (OPERATION, "read_state")}
    results = answer_of(tmp_path, write_sides(tmp_path, pairs=2, operations=more))
    assert [each.name for each in results.metrics] == [f"{OPERATION} rate"]
    assert f"left out: {OPERATION} p50, {OPERATION} p99, read_state rate." in " ".join(results.not_seen)


def test_without_a_common_figure_there_is_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(NoBaseline, match="no figure in common"):
        gate_recorded(*write_sides(tmp_path, pairs=2, operations={}), SETTINGS, tmp_path / "out")


# --- files of pytest-benchmark ----------------------------------------------------------------------------------------


def benchmark_sides(folder: Path, slower: float = 1.0) -> tuple[RecordedSide, RecordedSide]:
    random = np.random.default_rng(4)
    for name, level in (("a", 0.1), ("b", 0.1 * slower)):
        write_benchmarks(folder / name, level * np.exp(random.normal(0, 0.02, PAIRS)))
    return sides(*(sorted((folder / name).glob("*.json")) for name in ("a", "b")))


def test_medians_count_and_figures_beside_them_do_not(tmp_path: Path) -> None:
    results = answer_of(tmp_path, benchmark_sides(tmp_path, 1.5))
    assert results.answer is GateAnswer.REGRESSION
    assert [(each.name, each.unit) for each in results.metrics] == [("bench_x.py::test_it", "s")]


@pytest.mark.parametrize("median", [float("nan"), float("inf"), 0.0, -0.1], ids=["NaN", "infinite", "zero", "negative"])
def test_a_median_that_is_no_time_is_refused(tmp_path: Path, median: float) -> None:
    recorded = benchmark_sides(tmp_path)
    spoilt = recorded[1].paths[2]
    content = json.loads(spoilt.read_text())
    content["benchmarks"][0]["stats"]["median"] = median
    spoilt.write_text(json.dumps(content))
    with pytest.raises(ScenarioError, match=rf"{spoilt.name}: bench_x.py::test_it has a median of .* no time"):
        gate_recorded(*recorded, SETTINGS, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_and_a_file_are_not_compared(tmp_path: Path) -> None:
    baseline, _ = write_sides(tmp_path, pairs=1)
    _, candidate = benchmark_sides(tmp_path)
    with pytest.raises(ScenarioError, match="one is a run's folder and one a file"):
        gate_recorded(*sides(baseline.paths, candidate.paths[:1]), SETTINGS, tmp_path / "out")


@pytest.mark.parametrize("on", ["one side", "both sides"])
def test_a_run_that_is_listed_twice_is_refused(tmp_path: Path, on: str) -> None:
    baseline, candidate = benchmark_sides(tmp_path)
    again = candidate.paths[0] if on == "one side" else baseline.paths[0]
    twice = sides(baseline.paths[:2], (candidate.paths[0], again.parent / ".." / again.parent.name / again.name))
    with pytest.raises(ScenarioError, match="listed twice"):
        gate_recorded(*twice, SETTINGS, tmp_path / "out")


def test_each_run_needs_its_pair(tmp_path: Path) -> None:
    baseline, candidate = benchmark_sides(tmp_path)
    with pytest.raises(ScenarioError, match="14 runs and 13"):
        gate_recorded(*sides(baseline.paths, candidate.paths[1:]), SETTINGS, tmp_path / "out")
