"""Words that sent a new user the wrong way: each says what is there, and what can be done."""

from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from loadtests.cluster.doctor import Grade, MachineCheck, examine
from meterstorm.cli.app import app
from scenarios.file import resolve_scenario
from scenarios.spec import ScenarioError, parse_scenario
from sim.profiles.choose import profile_named
from tests.support.synthetic_run import write_synthetic_run


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def said(*arguments: str, code: int = 2) -> str:
    result = invoke(*arguments)
    assert result.exit_code == code, result.output
    return " ".join(result.output.replace("│", " ").split())


def looked_at(name: str, folder: Path) -> MachineCheck:
    return next(check for check in examine(1, folder) if check.name == name)


def test_a_file_with_nul_bytes_is_not_called_empty(tmp_path: Path) -> None:
    (tmp_path / "image.toml").write_bytes(b"\x7fELF\0\0\0")
    with pytest.raises(ScenarioError, match="it holds NUL bytes"):
        resolve_scenario(tmp_path / "image.toml")


def test_a_path_that_is_not_there_is_told_with_what_can_be_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outside = said("run", "scenarios/smok.toml")
    assert "did you mean smoke?" in outside and "first_utility" in outside and "`ls" not in outside
    (tmp_path / "scenarios").mkdir()
    inside = said("run", "scenarios/smok.toml")
    assert "did you mean smoke?" in inside and "`ls scenarios` shows what is there" in inside


def test_the_report_of_a_run_without_its_scenario_says_so_as_the_audit_does(tmp_path: Path) -> None:
    write_synthetic_run(tmp_path / "run")
    (tmp_path / "run" / "scenario.resolved.toml").unlink()
    told = (
        f"{tmp_path / 'run'} holds no run (scenario.resolved.toml is missing): name a folder that `meterstorm run` made"
    )
    assert told in said("report", str(tmp_path / "run"))
    assert told in said("audit", str(tmp_path / "run"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('title = "a"\nseed = 1\ntitle = "b"\n', 'line 3 holds a key that was given before: title = "b"'),
        ('title = "a"\ntitle = "b"', 'line 2 holds a key that was given before: title = "b"'),
        ("[run]\n[estate]\n[run]\n", "line 3 holds a heading that was given before: [run]"),
        ("[run]\na = { b = 1, b = 2 }\n", "line 2 holds a key that was given before: a = { b = 1, b = 2 }"),
        ("title = \n", "Invalid value (at line 1, column 9)"),
    ],
)
def test_a_key_that_is_there_twice_is_told_by_its_line(text: str, told: str) -> None:
    with pytest.raises(ScenarioError) as error:
        parse_scenario(text, "mine.toml")
    assert str(error.value) == f"mine.toml: not valid TOML: {told}"


def test_a_profile_that_is_nearly_one_that_ships(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"did you mean bdew_household\? it is neither"):
        profile_named("bdew_houshold", date(2026, 1, 15), 1, tmp_path)


def test_an_out_that_is_a_file_is_called_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    for command in (["run", "smoke"], ["simulate", "smoke"]):
        assert "notes.txt is a file; name a new folder" in said(*command, "--out", "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "command",
    [
        ("run", ""),
        ("run", "smoke", "--out", ""),
        ("simulate", "smoke", "--out", ""),
        ("simulate", "smoke", "--export", ""),
        ("find-max", ""),
        ("matrix", "smoke", "--out", ""),
        ("audit", ""),
        ("report", ""),
        ("doctor", "--out", ""),
        ("cluster", "up", ""),
        ("cluster", "down", "--out", ""),
    ],
)
def test_an_empty_path_is_refused(command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "it is empty; name a file or a folder" in said(*command)
    assert list(tmp_path.iterdir()) == []


def test_where_no_cluster_runs_down_does_not_advise_to_start_one(tmp_path: Path) -> None:
    told = said("cluster", "down", "--out", str(tmp_path), code=3)
    assert "nothing to stop" in told and "cluster up" not in told


def test_the_doctor_says_what_is_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    assert (disk := looked_at("disk", tmp_path / "file")).grade is Grade.FAIL and "is a file" in disk.finding
    assert disk.mend == "name a folder with --out"
    monkeypatch.setenv("METERSTORM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert "METERSTORM_CACHE" in looked_at("kernels", tmp_path).finding
    monkeypatch.delenv("METERSTORM_CACHE")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert "METERSTORM_CACHE" not in looked_at("kernels", tmp_path).finding


@pytest.mark.parametrize("command", ["run", "simulate", "find-max", "matrix"])
def test_help_points_to_the_list_of_scenarios(command: str) -> None:
    told = said(command, "--help", code=0)
    assert "meterstorm scenarios" in told and "(smoke, first_utility)" not in told
