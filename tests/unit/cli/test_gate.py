"""`meterstorm gate` at its edge: the exit code of each answer, and what can't be meant as one sentence; nothing is started."""

import json
from pathlib import Path

import pytest

from loadtests.errors import HarnessError
from loadtests.gate.sides import GateSide
from meterstorm.cli import app as cli
from meterstorm.jobs import gate as job
from reports.results.gate import GateResults
from scenarios.gate_file import GateAnswer
from scenarios.spec import NoBaseline
from store.ports import StoreError


def ended(*arguments: str) -> int:
    with pytest.raises(SystemExit) as found:
        cli.app(["gate", *arguments])
    assert isinstance(found.value.code, int)
    return found.value.code


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (GateAnswer.PASS, 0),
        (GateAnswer.IMPROVEMENT, 0),
        (GateAnswer.REGRESSION, 1),
        (GateAnswer.INCONCLUSIVE, 4),
    ],
)
def test_each_answer_has_its_exit_code(
    answer: GateAnswer, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def answered(baseline: GateSide, candidate: GateSide, settings: object, out: Path, **_: object) -> GateResults:
        return job.unchanged(baseline, candidate, settings, out).model_copy(update={"answer": answer})

    monkeypatch.setattr(job, "gate", answered)
    monkeypatch.setattr(job, "write_gate_report", lambda _: None)
    assert ended("smoke", "--out", str(tmp_path / "out"), "--json", "--quiet") == code
    assert json.loads(capsys.readouterr().out)["answer"] == answer


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NoBaseline("it was not there"), 5),
        (HarnessError("no node"), 3),
        (StoreError("no table"), 3),
        (OSError(28, "No space left on device", "x"), 3),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_end_without_an_answer_has_its_exit_code(
    error: BaseException, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(job, "gate", fails)
    assert ended("smoke", "--out", str(tmp_path / "out"), "--quiet") == code
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a scenario whose change is to be judged"),
        (("smoke", "--candidate", "run.seed=9"), "different seeds"),
        (("smoke", "--candidate", "estate.premises=9"), "send different loads: estate.premises differs"),
        (("smoke", "--config", "nowhere.toml"), "there is no such file"),
        (("--history", "runs", "--skip-same"), "--skip-same out"),
        (("smoke", "--contact-points", "127.0.0.1"), "starts and stops nodes of its own"),
    ],
)
def test_what_cant_be_meant_is_one_sentence(
    arguments: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert ended(*arguments, "--out", str(out)) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line and not out.exists()


def test_the_same_scenario_twice_is_skipped_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert ended("smoke", "--skip-same", "--out", str(out)) == 0
    assert "pass: nothing changed" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} >= {"results.json", "gate.md", "junit.xml", "report.html"}
