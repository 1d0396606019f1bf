"""`scenarios` lists what ships; `new-scenario` writes a file that is valid as it is, and stays so when its '#' are taken away."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from loadtests.cluster.sizing import RESERVED_MIB
from loadtests.cluster.supervisor import status
from loadtests.errors import HarnessError
from meterstorm.cli.app import app
from meterstorm.jobs.nodes_here import NO_NETWORK, NO_ROOM
from scenarios.file import load_scenario, new_scenario_text, shipped_file, shipped_scenarios
from scenarios.spec import parse_scenario


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_every_shipped_scenario_is_listed_with_its_question() -> None:
    listed = json.loads(invoke("scenarios", "--json").output)
    assert [row["name"] for row in listed] == sorted(shipped_scenarios())
    assert all(row["question"].endswith("?") and row["premises"] > 0 for row in listed)
    lines = invoke("scenarios").output.splitlines()
    for row in listed:
        assert [row["question"] in line for line in lines if line.startswith(f"{row['name']} ")] == [True]
    faults = lines.index(next(line for line in lines if line.startswith("Faults")))
    where = {line.split()[0]: number > faults for number, line in enumerate(lines) if line}
    assert [where[row["name"]] for row in listed] == [row["group"] == "faults" for row in listed]
    assert not where["smoke"] and where["node_killed"]


def test_what_the_machine_has_no_room_or_no_network_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meterstorm.jobs.nodes_here.available_memory_mib", lambda: RESERVED_MIB + 3 * 1_000)
    monkeypatch.setattr("meterstorm.jobs.nodes_here.obstacle", lambda: "it is forbidden")
    told = {row["name"]: row for row in json.loads(invoke("scenarios", "--json").output)}
    assert (told["smoke"]["nodes"], told["smoke"]["not_here"]) == (2, None)
    assert (told["first_utility"]["nodes"], told["first_utility"]["not_here"]) == (6, NO_ROOM)
    assert (told["wan_bad"]["nodes"], told["wan_bad"]["not_here"]) == (2, NO_NETWORK)
    assert told["node_joins"]["nodes"] == 3  # the one that joins is a node too
    assert f"6: {NO_ROOM}" in invoke("scenarios").output


def test_a_scenario_is_shown_as_it_is_written_or_with_its_defaults(tmp_path: Path) -> None:
    assert invoke("scenarios", "show", "smoke").output == shipped_file(Path("smoke")).read_text()
    resolved = invoke("scenarios", "show", "smoke", "--resolved").output
    assert "replay_from_h = 0.0" in resolved and "# Question" not in resolved
    assert parse_scenario(resolved, "resolved") == shipped_scenarios()["smoke"]
    path = tmp_path / "mine.toml"
    path.write_bytes((new_scenario_text("mine") + "# \u202e\n").replace("\n", "\r\n").encode())
    shown = invoke("scenarios", "show", str(path)).output
    assert "\u202e" not in shown and "\r" not in shown and shown.endswith("# \\u202e\n")
    assert "did you mean smoke?" in " ".join(invoke("scenarios", "show", "smoek").output.split())


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
