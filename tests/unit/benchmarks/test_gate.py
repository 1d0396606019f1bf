"""The course of the gate of our own benchmarks: who runs when, when it looks, how it ends; the benchmarks' part is played."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from loadtests.benchmarks import gate
from loadtests.benchmarks.gate import NO_BASELINE, UNTOLD, WORSE, WRONG, OwnGateError, Tree, gate_own
from loadtests.gate.sides import SideName


class Played:
    """Trees whose trials take no time, and looks that say what they are told to."""

    def __init__(
        self,
        answers: Sequence[int],
        missing: Mapping[SideName, int] | None = None,
        counts: Mapping[SideName, Mapping[str, int]] | None = None,
    ) -> None:
        self.answers, self.missing = iter(answers), missing or {}
        self.counts = counts or {name: {"frames: bytes": 100} for name in SideName}
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
    monkeypatch.setattr(Tree, "counts", lambda tree: played.counts[tree.name])
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


@pytest.mark.parametrize(
    ("baseline", "candidate", "code"),
    [
        ({"frames": 100}, {"frames": 101}, WORSE),
        ({"frames": 100, "tokens": 9}, {"frames": 99, "tokens": 9}, 0),
        ({}, {"frames": 100}, 0),  # the baseline does not run what counts it
        ({"frames": 100}, {}, 0),  # one process of the candidate counted otherwise than the other
    ],
)
def test_what_is_counted_is_compared_before_any_pair(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    baseline: dict[str, int],
    candidate: dict[str, int],
    code: int,
) -> None:
    played = Played([0], counts={SideName.BASELINE: baseline, SideName.CANDIDATE: candidate})
    assert play(monkeypatch, tmp_path, played) == code
    assert played.looks == ([] if code else [6])
    assert ("regression: the same work costs more, by exact counts: frames 100 -> 101" in capsys.readouterr().out) is (
        code == WORSE
    )
    written = json.loads((tmp_path / "answer" / "counters.json").read_text())
    assert written["frames"] == {"baseline": baseline.get("frames", 0), "candidate": candidate.get("frames", 0)}


def test_a_count_that_differs_from_one_process_to_the_next_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "count_x.py").touch()
    script = f'echo . >> {tmp_path}/runs; echo "{{\\"same\\": 7, \\"odd\\": $(wc -l < {tmp_path}/runs)}}"'
    assert tree_of(tmp_path, SideName.CANDIDATE, script, monkeypatch).counts() == {"same": 7}
    assert "another process of the candidate counts otherwise: odd" in capsys.readouterr().out


def test_a_program_that_counts_and_fails_is_an_error_of_the_candidate_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "count_x.py").touch()
    assert tree_of(tmp_path, SideName.BASELINE, "exit 1", monkeypatch).counts() == {}
    with pytest.raises(OwnGateError, match=r"count_x.py fails on the candidate: gone"):
        tree_of(tmp_path, SideName.CANDIDATE, "echo gone >&2; exit 1", monkeypatch).counts()


def test_what_the_encoder_allocates_is_counted() -> None:
    counting = [sys.executable, str(gate.PARTS / "count_sender.py")]
    told = subprocess.run(
        counting, env={**os.environ, "PYTHONPATH": str(gate.ROOT)}, capture_output=True, timeout=300, check=True
    )
    counts = json.loads(told.stdout)
    assert set(counts) == {f"{what}: bytes {when}" for what in ("frames", "tokens") for when in ("at the most", "kept")}
    kept = counts["frames: bytes kept"]
    assert 8_192 * 48 * 8 < kept <= counts["frames: bytes at the most"]  # a list's item is its width and its value
    assert 8_192 * 8 <= counts["tokens: bytes kept"] < kept


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
