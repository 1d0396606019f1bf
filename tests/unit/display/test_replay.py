"""A run with faults that did not pass ends with the command that makes the same faults again."""

import io
from pathlib import Path

import pytest

from meterstorm.display.run import print_results
from meterstorm.display.terminal import PlainConsole
from reports.results.parts import Verdict
from reports.results.run import FaultResult, Results
from reports.run.page import read_run
from scenarios.parts.faults import FaultKind
from tests.support.synthetic_run import Story, write_synthetic_run

KILLED = FaultResult(
    kind=FaultKind.KILL,
    target="north-1",
    nodes=("north-1",),
    at_s=3.0,
    for_s=2.0,
    begun_s=3.0,
    effective_s=3.1,
    healed_s=5.0,
    back_s=9.0,
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("lost") / "run"
    write_synthetic_run(folder, story=Story.LOST)
    return read_run(folder).results


@pytest.mark.parametrize(
    ("faults", "verdict", "is_told"),
    [
        ((KILLED,), Verdict.FAIL, True),
        ((KILLED,), Verdict.INCONCLUSIVE, True),
        ((KILLED,), Verdict.PASS, False),
        ((), Verdict.FAIL, False),
    ],
)
def test_how_to_replay_is_told_when_there_is_something_to_replay(
    results: Results, faults: tuple[FaultResult, ...], verdict: Verdict, is_told: bool
) -> None:
    out = io.StringIO()
    judged = results.model_copy(update={"faults": faults, "verdict": verdict})
    print_results(PlainConsole(file=out, width=80), judged, str(Path("runs/my run/report.html")))
    said = "replay, faults and all: uv run meterstorm run 'runs/my run/scenario.resolved.toml'\n"
    assert (said in out.getvalue()) == is_told
