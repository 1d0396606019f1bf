"""The course of the gate of our own benchmarks: who runs when, when it looks, how it ends; the benchmarks' part is played."""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from loadtests.benchmarks import gate
from loadtests.benchmarks.gate import NO_BASELINE, UNTOLD, WRONG, OwnGateError, Tree, gate_own
from loadtests.gate.sides import SideName


class Played:
    """Trees whose trials take no time, and looks that say what they are told to."""

    def __init__(self, answers: Sequence[int], missing: Mapping[SideName, int] | None = None) -> None:
        self.answers, self.missing = iter(answers), missing or {}
        self.order: list[tuple[SideName, int]] = []
        self.looks: list[int] = []

    def trial(self, tree: Tree, number: int) -> tuple[Path, frozenset[str]]:
        self.order.append((tree.name, number))
        names = {"a", "b"} if self.missing.get(tree.name) != number else {"a"}
        return tree.files / f"{number}.json", frozenset(names)

    def look(self, files: Mapping[SideName, Sequence[Path]], out: Path, folder: Path) -> int:
        assert len(files[SideName.BASELINE]) == len(files[SideName.CANDIDATE])
        self.looks.append(len(files[SideName.BASELINE]))
        out.mkdir()
        return next(self.answers)


def play(monkeypatch: pytest.MonkeyPatch, folder: Path, played: Played, minutes: float = 60.0) -> int:
    trees = {
        name: Tree(name=name, code=folder, benchmarks=folder, files=folder / name, environment={}) for name in SideName
    }
    monkeypatch.setattr(gate, "_trees", lambda baseline, folder: trees)
    monkeypatch.setattr(gate, "_look", played.look)
    monkeypatch.setattr(Tree, "trial", lambda tree, number: played.trial(tree, number))
    monkeypatch.setattr(Tree, "require_own_code", lambda tree: None)
    return gate_own("HEAD~1", folder, minutes)


@pytest.mark.parametrize("answer", [0, 1])
def test_it_ends_as_soon_as_the_gate_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: int) -> None:
    played = Played([UNTOLD, UNTOLD, answer])
    assert play(monkeypatch, tmp_path, played) == answer
    assert played.looks == [6, 8, 10] and (tmp_path / "answer").is_dir()


def test_the_sides_take_turns_after_a_first_one_that_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    played = Played([0])
    play(monkeypatch, tmp_path, played)
    assert {each for each in played.order if each[1] == 0} == {(name, 0) for name in SideName}
    pairs = [played.order[at : at + 2] for at in range(2, len(played.order), 2)]
    assert [{number for _, number in pair} for pair in pairs] == [{number} for number in range(1, 7)]
    first = [pair[0][0] for pair in pairs]
    assert all(one != other for one, other in zip(first[::2], first[1::2], strict=True)), "ABBA"


def test_its_time_ends_it_with_a_last_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played = Played([UNTOLD])
    assert play(monkeypatch, tmp_path, played, minutes=0.0) == UNTOLD
    assert played.looks == [1]


def test_its_pairs_end_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "PAIRS_MAX", 7)
    played = Played([UNTOLD] * 9)
    assert play(monkeypatch, tmp_path, played) == UNTOLD
    assert played.looks == [6, 7]


def test_a_benchmark_that_the_baseline_lacks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(monkeypatch, tmp_path, Played([0], {SideName.BASELINE: 0})) == 0
    assert "left out, as HEAD~1 does not run them: b" in capsys.readouterr().out


def test_a_benchmark_that_ran_once_must_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OwnGateError, match="b ran on the candidate once"):
        play(monkeypatch, tmp_path, Played([0], {SideName.CANDIDATE: 3}))


def tree_of(tmp_path: Path, name: SideName, script: str, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A tree whose interpreter is a script; {file} in it is where pytest-benchmark writes."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script.replace('{file}', str(tmp_path / '000.json'))}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    return Tree(name=name, code=tmp_path, benchmarks=tmp_path, files=tmp_path, environment={"PATH": "/usr/bin:/bin"})


MEASURED = json.dumps({"benchmarks": [{"fullname": "bench_x.py::test_it"}]})


@pytest.mark.parametrize(
    ("name", "script", "code"),
    [
        (SideName.BASELINE, "echo gone >&2; exit 4", NO_BASELINE),
        (SideName.CANDIDATE, "echo gone >&2; exit 4", WRONG),
        (SideName.BASELINE, "echo '{\"benchmarks\": []}' > {file}; exit 1", NO_BASELINE),
        (SideName.CANDIDATE, f"echo '{MEASURED}' > {{file}}; exit 1", WRONG),
    ],
    ids=["no pytest", "no pytest, candidate", "nothing ran", "one fails on the candidate"],
)
def test_what_does_not_run_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: SideName, script: str, code: int
) -> None:
    with pytest.raises(OwnGateError) as told:
        tree_of(tmp_path, name, script, monkeypatch).trial(0)
    assert told.value.exit_code == code


def test_what_fails_on_the_baseline_alone_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tree_of(tmp_path, SideName.BASELINE, f"echo '{MEASURED}' > {{file}}; exit 1", monkeypatch)
    assert tree.trial(0)[1] == {"bench_x.py::test_it"}


def test_the_code_of_another_tree_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tree_of(tmp_path, SideName.BASELINE, "echo /elsewhere/loadtests", monkeypatch)
    with pytest.raises(OwnGateError, match="own code is not what runs"):
        tree.require_own_code()


def test_a_revision_that_is_none_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(gate.interrupts, "listen", lambda: None)
    monkeypatch.setattr(sys, "argv", ["gate", "--baseline", "no-such-revision"])
    assert gate.main() == WRONG
    assert "no-such-revision: is no revision" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
