"""A run with faults that did not pass ends with the command that makes the same faults again."""

import io
from pathlib import Path

import pytest

from meterstorm.display.run import loss_lines, print_results
from meterstorm.display.terminal import PlainConsole
from reports.results.parts import Verdict
from reports.results.replication import Ages, LossResult, ReplicationResult
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


def test_what_a_lost_data_centre_alone_had_and_what_was_damaged_is_told(results: Results) -> None:
    loss = LossResult(
        kind=FaultKind.KILL,
        dc="south",
        other="north",
        lost_s=20.04,
        probes=195,
        unseen=3,
        age_ms=Ages(p50=10.0, p90=80.0, max=83.0),
        only_there=2,
        lag_ms=None,
        acknowledged_per_s=40.0,
        estimated=26.5,
    )
    bare = loss.model_copy(update={"age_ms": None, "estimated": None, "unseen": 0, "only_there": 0})
    damaged = KILLED.model_copy(update={"kind": FaultKind.BIT_FLIP, "told": "north-1: a bit was flipped."})
    told = results.model_copy(
        update={"faults": (damaged,), "replication": ReplicationResult(courses=(), losses=(loss, bare))}
    )
    assert loss_lines(told) == [
        "kill south at 20.0 s: of 195 rows that it had acknowledged north had not seen 3, the oldest of them 83.0 ms old, and 2 "
        "not until its return began; about 26.5 writes of the load",
        "kill south at 20.0 s: of 195 rows that it had acknowledged north had not seen 0, and 0 not until its return began",
    ]
    out = io.StringIO()
    print_results(PlainConsole(file=out, width=80), told, "report.html")
    assert "bit_flip north-1: north-1: a bit was flipped.\n" in out.getvalue() and loss_lines(told)[0] in out.getvalue()
    assert loss_lines(results) == []
