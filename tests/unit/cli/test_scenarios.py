"""`scenarios` lists what ships; `new-scenario` writes a file that is valid as it is, and stays so when its '#' are taken away."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from loadtests.cluster.supervisor import status
from loadtests.errors import HarnessError
from meterstorm.cli.app import app
from scenarios.file import load_scenario, new_scenario_text, shipped_scenarios
from scenarios.spec import parse_scenario


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_every_shipped_scenario_is_listed_with_its_question() -> None:
    listed = json.loads(invoke("scenarios", "--json").output)
    assert [row["name"] for row in listed] == sorted(shipped_scenarios())
    assert all(row["question"].endswith("?") and row["premises"] > 0 for row in listed)
    shown = " ".join(invoke("scenarios").output.split())
    assert all(name in shown for name in shipped_scenarios())


def test_a_new_scenario_is_valid_and_asks_something(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    result = invoke("new-scenario", str(path))
    assert result.exit_code == 0 and f"simulate {path}" in result.output.replace("\n", "")
    scenario = load_scenario(path)
    assert scenario.title == "mine" and scenario.slo


@pytest.mark.parametrize("part", re.findall(r"^#\[\[(.*?)\]\]", new_scenario_text("mine"), re.MULTILINE))
def test_each_part_that_is_left_out_is_valid_too(part: str) -> None:
    before, after = new_scenario_text("mine").split(f"#[[{part}]]")
    block, _, rest = after.partition("\n\n")
    text = f"{before}[[{part}]]{block.replace(chr(10) + '#', chr(10))}\n\n{rest}"
    assert parse_scenario(text, part) != parse_scenario(new_scenario_text("mine"), part)


@pytest.mark.parametrize("name", ['a"b', "back\\slash", "\x07bell", ""])
def test_no_file_name_breaks_the_text(name: str) -> None:
    assert parse_scenario(new_scenario_text(name), "new").title


@pytest.mark.parametrize("name", ['a "b" c.toml', "it's.toml", "plain.toml"])
def test_the_command_that_is_advised_can_be_pasted(tmp_path: Path, name: str) -> None:
    said = invoke("new-scenario", str(tmp_path / name)).output.partition("look at it with: ")[2]
    assert shlex.split(said) == ["meterstorm", "simulate", str(tmp_path / name)]


def test_the_command_that_makes_a_cluster_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "of two words"
    with pytest.raises(HarnessError) as refused:
        status(folder)
    assert shlex.split(str(refused.value).partition("start one with: ")[2])[-1] == str(folder)


def test_one_begins_with_a_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    assert invoke("new-scenario", str(path), "--from", "regional_outage").exit_code == 0
    assert load_scenario(path) == shipped_scenarios()["regional_outage"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("{there}",), "is there already and is left as it is"),
        (("{folder}/none/mine.toml",), "none is not there; make it"),
        (("{folder}/mine.toml", "--from", "smoek"), "did you mean smoke?"),
    ],
)
def test_what_can_not_be_written_is_told(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    there = tmp_path / "there.toml"
    there.write_text("kept")
    result = invoke("new-scenario", *(each.format(there=there, folder=tmp_path) for each in arguments))
    assert result.exit_code == 2 and said in " ".join(result.output.split())
    assert there.read_text() == "kept" and [each.name for each in tmp_path.iterdir()] == ["there.toml"]
