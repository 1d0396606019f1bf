"""What Otava says and what it is when it says nothing; the tool itself is asked in tests/integration/gate_history."""

from pathlib import Path

import numpy as np
import pytest

from loadtests.gate_history import otava
from loadtests.gate_history.otava import LOCK_FILE, VERSION, OtavaMissing, ask_otava, read_answer

ANSWER = """\
{"series-0": []}
{"series-1": [{"time": 1, "attributes": {}, "changes": [{"metric": "value", "index": 30, "time": 1}]}]}
"""


def stand_in(folder: Path, script: str) -> None:
    """A Python of Otava's environment that runs a script of ours instead."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)


def test_its_answer_is_read_in_the_order_of_the_series() -> None:
    assert read_answer(ANSWER, [40, 40]) == [[], [30]]


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("Traceback", [40, 40]),
        ("[1]", [40, 40]),
        ('{"series-0": []}', [40, 40]),
        ('{"series-0": [], "series-1": [{"changes": [{}]}]}', [40, 40]),
        (ANSWER, [40, 30]),
    ],
    ids=["no JSON", "a list", "a series is missing", "no index", "a run that is not there"],
)
def test_an_answer_that_is_none_is_no_vote(text: str, runs: list[int]) -> None:
    with pytest.raises(OtavaMissing, match="answer"):
        read_answer(text, runs)


def test_without_uv_it_can_not_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OtavaMissing, match="uv, which makes its environment, is not on the PATH"):
        ask_otava([np.ones(9)], tmp_path / "cache")
    assert list(tmp_path.rglob("meterstorm-making-*")) == []


def test_an_install_that_fails_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'no such package' >&2\nexit 2\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(OtavaMissing, match="uv ended with exit code 2: no such package"):
        ask_otava([np.ones(9)], tmp_path / "cache")
    assert list((tmp_path / "cache" / "otava").iterdir()) == []


def test_it_is_given_files_and_no_setting_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, "env >&2; cat otava.yaml series-0.csv >&2; exit 1")
    monkeypatch.setattr(otava, "ready_otava", lambda cache: tmp_path / "bin" / "python")
    monkeypatch.setattr(otava, "_WORDS_MAX", 10_000)
    monkeypatch.setenv("SLACK_BOT_TOKEN", "secret")
    with pytest.raises(OtavaMissing) as told:
        ask_otava([np.array([1.5, 2.5])], tmp_path)
    said = str(told.value)
    assert "secret" not in said and "HOME=" in said and f"HOME={Path.home()} " not in said
    assert "time,value 2000-01-01T00:00:00+00:00,1.5 2000-01-02T00:00:00+00:00,2.5" in said


def test_it_is_not_waited_for_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, "exec sleep 60")
    monkeypatch.setattr(otava, "ready_otava", lambda cache: tmp_path / "bin" / "python")
    monkeypatch.setattr(otava, "START_TIMEOUT_S", 0.2)
    monkeypatch.setattr(otava, "SERIES_TIMEOUT_S", 0)
    with pytest.raises(OtavaMissing, match="not done in"):
        ask_otava([np.ones(9)], tmp_path)


def test_every_package_of_it_is_locked_by_content() -> None:
    lines = [line for line in LOCK_FILE.read_text().splitlines() if line and not line.startswith("#")]
    packages = [line for line in lines if not line.startswith(" ")]
    assert any(line.startswith(f"apache-otava=={VERSION} ") for line in packages)
    assert all("==" in line and line.endswith("\\") for line in packages)
    assert all(line.strip().startswith("--hash=sha256:") for line in lines if line.startswith(" "))


def test_none_of_it_is_a_dependency_of_ours() -> None:
    project = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert "otava" not in project.split("[project.scripts]")[0]
