"""Scenario files as nobody should write them: exit code 2 and one short line, whatever stands in them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from meterstorm.cli import app as cli
from meterstorm.cli.exits import ExitCode
from scenarios.file import load_scenario
from scenarios.spec import ScenarioError, parse_scenario

GOOD = """
title = "small"
[estate]
premises = 10
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 60
"""
UNREADABLE = {
    "an integer of 5,001 digits": GOOD.replace("premises = 10", "premises = 1" + "0" * 5_000),
    "an integer of 4,000 digits": GOOD.replace("premises = 10", "premises = 1" + "0" * 4_000),
    "an integer of 9,000 hexadecimal digits": GOOD.replace("premises = 10", "premises = 0x" + "f" * 9_000),
    "such an integer for a float": GOOD.replace("wall_s = 60", "wall_s = 0x" + "f" * 9_000),
    "such an integer for a text": GOOD.replace('"small"', "0x" + "f" * 9_000),
    "lists in lists": GOOD.replace('"small"', "[" * 50_000),
    "tables in tables": GOOD.replace('"small"', "{ a = " * 50_000),
    "a name of 2,000 parts": "title." + "a." * 2_000 + "a = 1\n" + GOOD.replace('title = "small"\n', ""),
    "a title of 900,000 characters": GOOD.replace("small", "x" * 900_000),
    "a name of 900,000 characters": "x" * 900_000 + " = 1\n" + GOOD,
    "a file of megabytes": GOOD.replace("small", "x" * 3_000_000),
    "a title of two lines": GOOD.replace('"small"', '"small\\nlarge"'),
    "a title that colours the terminal": GOOD.replace("small", "\\u001b[31m"),
    "a name that colours the terminal": '"\\u001b[31m" = 1\n' + GOOD,
    "a value that colours the terminal": GOOD.replace("premises = 10", 'premises = "\\u001b[31m"'),
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_an_absurd_file_is_wrong_usage_told_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "absurd.toml"
    path.write_text(text)
    result = CliRunner().invoke(cli.app, ["simulate", str(path)])
    assert result.exit_code == ExitCode.USAGE, result.output[:500]
    assert len(result.output.splitlines()) == 1 and len(result.output) < 500 + len(str(path)), result.output[:500]
    assert "\x1b" not in result.output and "defect" not in result.output
    with pytest.raises(ScenarioError):
        parse_scenario(text, "absurd")


def test_of_very_many_faults_the_first_are_told(tmp_path: Path) -> None:
    path = tmp_path / "absurd.toml"
    path.write_text("".join(f"field_{index} = 1\n" for index in range(1_000)) + GOOD)
    with pytest.raises(ScenarioError) as told:
        load_scenario(path)
    assert len(str(told.value).splitlines()) == 21
    assert str(told.value).endswith("and 980 more faults like these")


@pytest.mark.parametrize(
    "keyspace", ["system", "system_auth", "system_schema", "system_views", "system_traces", "table"]
)
def test_a_keyspace_of_the_server_or_a_word_of_cql_is_refused(keyspace: str) -> None:
    with pytest.raises(ScenarioError, match=f"keyspace: '{keyspace}'"):
        parse_scenario(GOOD.replace("dcs =", f'keyspace = "{keyspace}"\ndcs ='), "wrong")


@pytest.mark.parametrize("written", ["\\u0000", "\\u001b[2J", "\\u202e", "\\uffff", "\\u2028", "\\u0085"])
def test_a_text_holds_no_control_characters(written: str) -> None:
    for where in (
        GOOD.replace("small", f"a{written}b"),
        GOOD.replace("[estate]", f'question = "a{written}b"\n[estate]', 1),
    ):
        with pytest.raises(ScenarioError, match="without control characters"):
            parse_scenario(where, "wrong")


def test_a_text_may_be_of_any_language() -> None:
    title = "日本 — Ελλάδα — فارسی‌ها — é — 👩‍🔧 <b> & ]]>"
    assert parse_scenario(GOOD.replace("small", title), "good").title == title


@pytest.mark.parametrize(
    ("name", "meant"), [("smoek", "smoke"), ("first-utility", "first_utility"), ("smok.toml", "smoke")]
)
def test_a_misspelt_scenario_is_asked_for(name: str, meant: str) -> None:
    result = CliRunner().invoke(cli.app, ["run", name])
    assert result.exit_code == ExitCode.USAGE
    assert f"did you mean {meant}?" in " ".join(result.output.split())
