"""The command: help for everything, one sentence for what goes wrong, and the exit code that the README promises."""

import errno
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from meterstorm.cli import app as cli
from meterstorm.cli.exits import ExitCode
from reports.results.parts import EXIT_CODES, Verdict
from scenarios.file import resolve_scenario

ROOT = Path(__file__).parents[3]
OPTIONS_LEFT_OUT = {  # what has no sense there
    "audit": {"--out"},
    "scenarios": {"--out", "--quiet"},
    "scenarios show": {"--out", "--json", "--quiet"},
    "new-scenario": {"--out", "--json", "--quiet"},
    "analyse jobs": {"--out", "--quiet"},
    "analyse run": {"--quiet"},
    "analyse mend": {"--out"},
    "analyse publish": {"--out"},
    "analyse home": {"--out"},
    "analyse verify": {"--out", "--json", "--quiet"},
    "schemas list": {"--out", "--quiet"},
    "schemas check": {"--out", "--json", "--quiet"},
    "schemas new": {"--out", "--json", "--quiet"},
}
SMALL = """
title = "small"
[estate]
premises = 50
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 10
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments))


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def commands(group: Any = None, before: str = "") -> list[str]:
    """Every subcommand of the app, as a user types it."""
    found = []
    for name, command in (group or get_command(cli.app)).commands.items():
        inner = hasattr(command, "commands")
        found += commands(command, f"{before}{name} ") if inner else []
        found += [f"{before}{name}"] if not inner or command.invoke_without_command else []
    return found


def test_the_list_of_commands_is_the_apps_own() -> None:
    assert {"run", "find-max", "matrix", "cluster up", "scenarios", "scenarios show"} <= set(commands())


@pytest.mark.parametrize("command", ["", *commands()])
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = invoke(*command.split(), "--help")
    assert result.exit_code == 0
    assert command == "" or "Example" in result.output
    for option in ("--out", "--json", "--quiet") if command else ():
        assert (option in result.output) != (option in OPTIONS_LEFT_OUT.get(command, ()))


def test_the_readme_names_the_exit_codes_as_they_are() -> None:
    text = " ".join((ROOT / "README.md").read_text().split())
    stated = {int(code): words for code, words in re.findall(r"(\d+) ([a-z]+)", text.split("Exit codes: ")[1][:400])}
    assert stated[EXIT_CODES[Verdict.PASS]] == "pass"
    assert stated[EXIT_CODES[Verdict.FAIL]] == "fail"
    assert stated[EXIT_CODES[Verdict.INCONCLUSIVE]] == "inconclusive"
    assert stated[ExitCode.USAGE] == "wrong"
    assert stated[ExitCode.HARNESS] == "environment"
    assert stated[ExitCode.INTERRUPTED] == "interrupted"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("run nowhere.toml", 2, "nowhere.toml: no such scenario file, and none that ships; those are .*smoke"),
        ("run {scenario} --seed -1", 2, "Invalid value for '--seed'"),
        ("run {scenario} --out {scenario}", 2, "is a file; name a new folder"),
        ("run {other_schema} --out {new}", 2, "store.schema = 'wide': there is no such schema; there are home_months"),
        ("find-max {other_schema} --out {new}", 2, "store.schema = 'wide': there is no such schema"),
        ("matrix {other_schema} --out {new}", 2, "store.schema = 'wide': there is no such schema"),
        ("run {scenario} --ca ca.pem", 2, "go with --contact-points"),
        ("run {scenario} --no-verify-hostname", 2, "go with --contact-points"),
        (
            "run {scenario} --contact-points 127.0.0.1 --cert a.pem",
            2,
            "--cert, --key and --verify-hostname go with --ca",
        ),
        ("run {scenario} --contact-points 127.0.0.1 --ca a.pem --key k.pem", 2, "--key goes with --cert"),
        ("run {scenario} --contact-points 127.0.0.1 --username me", 2, "--username and --password-file go together"),
        ("run {scenario} --contact-points ,", 2, "names no host"),
        ("run {scenario} --contact-points 127.0.0.1 --port 1 --out {new}", 3, "no contact point answers"),
        ("run {scenario} --contact-points x --username me --password-file {new}", 2, "password file .* can't be read"),
        ("audit {new}", 2, "holds no run"),
        ("report {new}", 2, "there is no such folder"),
        ("cluster status --out {new}", 3, "holds no background cluster"),
        ("simulate {scenario} --out {scenario}", 2, "is a file; name a new folder"),
    ],
)
def test_what_goes_wrong_is_one_sentence(scenario: Path, tmp_path: Path, arguments: str, code: int, said: str) -> None:
    other_schema = tmp_path / "other_schema.toml"
    other_schema.write_text(
        f"{SMALL}[store]\nschema = 'wide'\n[[slo]]\noperation = 'ingest_reading'\nresponse_ms_max = 5\n"
    )
    named = {"scenario": scenario, "other_schema": other_schema, "new": tmp_path / "new"}
    result = invoke(*shlex.split(arguments.format(**named)))
    assert result.exit_code == code, result.output
    assert re.search(said, " ".join(result.output.split())), result.output
    assert "Traceback" not in result.output


def test_simulate_prints_json_that_is_the_same_for_the_same_seed(scenario: Path, tmp_path: Path) -> None:
    first = json.loads(invoke("simulate", str(scenario), "--json", "--quiet").stdout)
    again = json.loads(invoke("simulate", str(scenario), "--json", "--quiet", "--out", str(tmp_path / "kept")).stdout)
    other = json.loads(invoke("simulate", str(scenario), "--json", "--quiet", "--seed", "2").stdout)
    assert first == again == json.loads((tmp_path / "kept" / "results.json").read_text())
    assert first["readings"] == 50 * 48 == other["readings"]
    assert first["digest"] != other["digest"]


def test_a_shipped_scenario_is_found_by_its_name() -> None:
    assert resolve_scenario(Path("smoke"), 7).run.seed == 7


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, scenario: Path, tmp_path: Path) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "history/intervals.csv")

    monkeypatch.setattr("meterstorm.jobs.run.run", full)
    result = invoke("run", str(scenario), "--out", str(tmp_path / "new"))
    assert result.exit_code == 3
    assert "the disk is full (history/intervals.csv)" in " ".join(result.output.split())


def test_a_run_that_never_stormed_leaves_its_folder_free(scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    result = invoke("run", str(scenario), "--contact-points", "127.0.0.1", "--port", "1", "--out", str(out))
    assert result.exit_code == 3 and not out.exists()


def test_simulate_tells_the_faults_of_a_profile(scenario: Path, tmp_path: Path) -> None:
    rows = [
        f"MAC1,Std,2013-01-{day:02d} {slot // 2:02d}:{slot % 2 * 30:02d}:00,0.{slot + 10}"
        for day in (1, 2)
        for slot in range(48)
    ]
    rows[3] = rows[3].rpartition(",")[0] + ",Null"
    (tmp_path / "home.csv").write_text("LCLid,stdorToU,DateTime,KWH/hh (per half hour) \n" + "\n".join(rows) + "\n")
    scenario.write_text(SMALL.replace("premises = 50", 'premises = 50\nprofile = "home.csv"'))
    told = json.loads(invoke("simulate", str(scenario), "--json", "--quiet").stdout)
    assert told["profile_faults"]["Null or empty value"] == {"count": 1, "handling": "left out", "lines": [5]}
