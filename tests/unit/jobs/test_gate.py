"""A gate from its measurements to its files and its exit code; what nodes would have measured is made."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtests.errors import HarnessError
from loadtests.gate.bench import GateMeasurements, look
from loadtests.gate.sides import GateSide, SideName
from loadtests.trials.facts import TableDifference
from meterstorm.jobs import gate as job
from meterstorm.jobs.gate import gate, look_told, measured_gate
from meterstorm.jobs.gate_sides import RecordedSide
from reports.results.gate import GateResults, load_gate
from reports.results.parts import Verdict
from scenarios.gate_file import GateAnswer
from scenarios.spec import NoBaseline, ScenarioError
from tests.support.gate_pairs import LOAD, SCENARIO, SETTINGS, gate_pairs

CANDIDATE = SCENARIO.model_copy(update={"title": "B"})
LOST = TableDifference(
    table="events_by_home", dc="north", rows=10, missing=1, extra=0, altered=0, examples=("missing: premises 3",)
)
Looked = Callable[..., None]
Ending = Callable[[GateMeasurements, Looked], None]


def ended(out: Path, monkeypatch: pytest.MonkeyPatch, ending: Ending) -> GateResults:
    """A gate whose measuring is `ending`, without the drawing."""

    def measure_sides(
        _sides: Any, _settings: Any, _out: Path, measured: GateMeasurements, _told: Any, looked: Looked, **_: Any
    ) -> None:
        ending(measured, looked)

    monkeypatch.setattr(job, "measure_sides", measure_sides)
    monkeypatch.setattr(job, "_require_room", lambda *_: None)
    monkeypatch.setattr(job, "write_gate_report", lambda _: None)
    sides = (
        GateSide(name=name, told=str(name), scenario=scenario)
        for name, scenario in ((SideName.BASELINE, SCENARIO), (SideName.CANDIDATE, CANDIDATE))
    )
    return measured_gate(*sides, SETTINGS, out)


def pair_by_pair(measured: GateMeasurements, looked: Looked, *, slower: float = 1.0, count: int = 24) -> None:
    for pair in gate_pairs(slower, count):
        measured.pairs.append(pair)
        judgement = look(measured, SETTINGS, LOAD, is_last=pair.index == count - 1)
        if judgement is not None:
            looked(judgement, len(measured.pairs))


def test_results_are_written_each_tenth_pair_and_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write = GateResults.write

    def counted(results: GateResults, folder: Path) -> None:
        written.append(results.pairs)
        write(results, folder)

    monkeypatch.setattr(GateResults, "write", counted)
    results = ended(tmp_path / "out", monkeypatch, pair_by_pair)
    assert written == [10, 20, 24]
    assert load_gate(tmp_path / "out") == results and results.answer is GateAnswer.PASS


def test_an_interrupt_writes_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(measured: GateMeasurements, looked: Looked) -> None:
        pair_by_pair(measured, looked, slower=2.0, count=8)
        raise KeyboardInterrupt

    results = ended(tmp_path / "out", monkeypatch, interrupted)
    assert load_gate(tmp_path / "out") == results and results.pairs == 8
    assert results.verdict is Verdict.INCONCLUSIVE and results.trouble == ("it was interrupted",)


def test_evidence_beyond_all_floats_is_told_all_the_same() -> None:
    measured = GateMeasurements(pairs=gate_pairs(1.0, 24))
    judgement = look(measured, SETTINGS, LOAD, is_last=False)
    assert judgement is not None
    metrics = tuple(replace(each, log_e=723.0) for each in judgement.metrics)
    open_yet = replace(judgement, answer=GateAnswer.INCONCLUSIVE, metrics=metrics)
    assert "1.01e+304 of the" in look_told(open_yet, 330, SETTINGS)


@pytest.mark.parametrize("end", [KeyboardInterrupt(), HarnessError("node north-1 does not stop"), OSError("disk")])
def test_a_lost_fact_outlives_what_ends_it(end: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(measured: GateMeasurements, _: Looked) -> None:
        measured.facts = (LOST,)
        raise end

    assert ended(tmp_path / "out", monkeypatch, ends).verdict is Verdict.FAIL


@pytest.mark.parametrize("error", [KeyboardInterrupt(), HarnessError("node north-1 died")])
def test_what_ends_before_a_pair_leaves_the_folder_for_the_next_try(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_measured: GateMeasurements, _looked: Looked) -> None:
        raise error

    with pytest.raises(type(error)):
        ended(tmp_path / "out", monkeypatch, fails)
    assert not (tmp_path / "out").exists()
    with pytest.raises(NoBaseline, match="nothing was measured"):
        ended(tmp_path / "out", monkeypatch, lambda *_: None)


def test_a_node_that_dies_ends_it_without_a_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(measured: GateMeasurements, looked: Looked) -> None:
        pair_by_pair(measured, looked, count=12)
        raise HarnessError("node north-1 died (signal SIGKILL)")

    results = ended(tmp_path / "out", monkeypatch, dies)
    assert results.verdict is Verdict.INCONCLUSIVE
    assert "it could not go on: node north-1 died (signal SIGKILL)" in results.reasons


def sides(**changed: object) -> tuple[GateSide, GateSide]:
    candidate = SCENARIO.model_copy(update=changed)
    return (
        GateSide(name=SideName.BASELINE, told="main", scenario=SCENARIO),
        GateSide(name=SideName.CANDIDATE, told="mine", scenario=candidate),
    )


def test_sides_that_are_the_same_scenario_are_skipped_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "measure_sides", lambda *_, **__: pytest.fail("nodes were started"))
    results = gate(*sides(title="In other words"), SETTINGS, tmp_path / "out", skip_same=True)
    assert results.verdict is Verdict.PASS and results.pairs == 0 and results.metrics == ()
    assert load_gate(tmp_path / "out") == results
    assert "pass: nothing changed" in (tmp_path / "out" / "gate.md").read_text()
    assert "nothing changed" in (tmp_path / "out" / "report.html").read_text()
    assert "so nothing was measured" in (tmp_path / "out" / "junit.xml").read_text()


@pytest.mark.parametrize(
    ("skip_same", "changed"),
    [(False, {}), (True, {"topology": SCENARIO.topology.model_copy(update={"keyspace": "k"})})],
)
def test_other_sides_and_those_that_nobody_asked_to_skip_are_measured(
    skip_same: bool, changed: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure_sides(*_: object, **__: object) -> None:
        raise HarnessError("was started")

    monkeypatch.setattr(job, "measure_sides", measure_sides)
    monkeypatch.setattr(job, "_require_room", lambda *_: None)
    with pytest.raises(HarnessError, match="was started"):
        gate(*sides(**changed), SETTINGS, tmp_path / "out", skip_same=skip_same)


def test_recorded_runs_are_not_skipped(tmp_path: Path) -> None:
    recorded = [RecordedSide(name=name, told="r", paths=(tmp_path,)) for name in SideName]
    with pytest.raises(ScenarioError, match="--skip-same: recorded runs are compared by what they measured"):
        gate(*recorded, SETTINGS, tmp_path / "out", skip_same=True)
