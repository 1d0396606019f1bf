"""What is wrong in a scenario file, told in plain words: where, what, what is allowed; and none of the library's jargon."""

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from typer.testing import CliRunner

from meterstorm.cli import app as cli
from scenarios.file import Place, field_path, load_scenario
from scenarios.spec import ScenarioError

ROOT = Path(__file__).parents[3]
MINIMAL = """
title = "small"
[estate]
premises = 10
[[campaigns]]
name = "spring"
kind = "top_up"
at_h = 1.0
[topology]
dcs = [{ name = "north", nodes = 3, rf = 2 }]
[run]
wall_s = 60
"""
WRONG: Mapping[type, tuple[Any, ...]] = {  # by what stands in a field: what is wrong there, one of each kind
    int: (-1e9, 10**13, math.inf, "x", True, [3], {"x": 3}, date(1, 1, 1)),
    float: (-1e9, 10**13, math.inf, "x", True, [3], {"x": 3}, date(1, 1, 1)),
    bool: ("x", 3, [3], {"x": 3}),
    str: ("x", "", 3, True, [3], {"x": 3}, date(1, 1, 1)),
    date: ("x", 3, True, [3], {"x": 3}, date(1, 1, 1), datetime(2026, 1, 1, 12)),
    list: ("x", 3, [], [3], {"x": 3}),
    dict: ("x", 3, [], [3], {}, {"x": 3}),
}
JARGON = ("Input", "a valid", "https:", "pydantic", "validation", "instance of", "Tuple", "should", "<", "type=")


def said_of(text: str, folder: Path) -> str:
    path = folder / "small.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    return str(caught.value).replace(str(path), "small.toml")


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("premises = 10", "premises = 0", "estate.premises = 0: must be at least 1"),
        ("premises = 10", "premises = 90_000_000", "estate.premises = 90000000: must be at most 60,000,000"),
        ("premises = 10", "premises = '10'", 'estate.premises = "10": must be a whole number, without quotes or decimal point'),
        (
            "[topology]",
            "[topology]\ncassandra.column_index_size = []",
            "topology.cassandra: column_index_size = []: must be text in quotes, a number, true or false, or a table of such",
        ),
        ("premises = 10", "premises = 10\nfuel = 'gas'", "estate.fuel: there is no such field; did you mean fuels?"),
        ("[run]", "[run]\ncolour = 1", "run.colour: there is no such field; the fields here are start, days, "),
        ("[run]", "[[wan.outages]]\nat_h = 1\nfrom_h = 2\nfor_h = 1\n[run]", "wan.outages[0].from_h: there is no such field"),
        ("at_h = 1.0", "at_h = -1", "campaigns[0].at_h = -1: must be at least 0"),
        ("at_h = 1.0", "at_h = true", "campaigns[0].at_h = true: must be a number, without quotes"),
        ("at_h = 1.0", "", "campaigns[0].at_h: is missing and has no default"),
        ("at_h = 1.0", "at_h = 900.0", "the scenario: campaigns: at_h 900 is beyond the end of the simulated span, 27 h"),
        ("'spring'", "'Spring'", 'campaigns[0].name = "Spring": must begin with a small letter and hold at most 31'),
        ("'top_up'", "'top'", "campaigns[0].kind = \"top\": did you mean top_up? It must be 'update_tariff', "),
        ("'top_up'", "'zzz'", "campaigns[0].kind = \"zzz\": must be 'update_tariff', "),
        ("rf = 2", "rf = 4", "topology.dcs[0]: rf 4 needs at least 4 nodes in DC 'north', which has 3"),
        ("[run]", "[run]\nstart = 'now'", 'run.start = "now": must be a date, 2026-01-15 say'),
        ("[topology]", "[topology]\nconsistency.audit = 3", "topology.consistency.audit = 3: must be 'LOCAL_QUORUM' or"),
        ("[[campaigns]]", "[campaigns]", "campaigns: must be a list: [ ... ], or [[headings]]"),
        ("[run]", "[[run]]", "run: must be a table: { ... }, or under a [heading]"),
    ],
)  # fmt: skip
def test_a_fault_is_one_line_in_plain_words(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    text = MINIMAL.replace('"', "'")
    assert right in text
    lines = said_of(text.replace(right, wrong), tmp_path).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"small.toml: {said}")


def test_each_fault_has_its_line(tmp_path: Path) -> None:
    wrong = MINIMAL.replace("premises = 10", "premise = 10").replace("wall_s = 60", "wall_s = 0")
    assert said_of(wrong, tmp_path).splitlines() == [
        "small.toml: estate.premises: is missing and has no default",
        "small.toml: estate.premise: there is no such field; did you mean premises?",
        "small.toml: run.wall_s = 0: must be at least 1",
    ]


def test_one_wrong_member_does_not_make_a_list_too_short(tmp_path: Path) -> None:
    said = said_of(MINIMAL.replace("nodes = 3", "nodes = 0"), tmp_path)
    assert said == "small.toml: topology.dcs[0].nodes = 0: must be at least 1"
    empty = said_of(re.sub(r"dcs = .*", "dcs = []", MINIMAL), tmp_path)
    assert empty == "small.toml: topology.dcs: must have at least 1 in its list"


def is_about(line: str, place: Place) -> bool:
    """Does a line say that it is about this field: by its place, or after the place above by its name?"""
    named = place if isinstance(place[-1], str) else place[:-1]  # a member is told by its list
    return line.startswith(field_path(place)) or str(named[-1]) in line.removeprefix(field_path(named[:-1]))


def fields(part: Any, place: Place = ()) -> Iterator[tuple[Place, Any, Any]]:
    """Place, holder and value of each field of a scenario's tables and lists; of a list the first member stands for all."""
    items = part.items() if isinstance(part, dict) else enumerate(part[:1]) if isinstance(part, list) else ()
    for name, value in list(items):
        yield (*place, name), part, value
        yield from fields(value, (*place, name))


def test_no_field_answers_in_jargon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each field of the docs' example, which shows them all, with each kind of wrong value: refused for itself, in plain words.

    TOML brings each value as it is, which is looked at once: to write and read a file each took two thirds of the time.
    """
    example = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "scenarios.md").read_text(), re.DOTALL)
    assert example is not None
    data = tomllib.loads(example[1])
    given = data | {"wrong": [value for values in WRONG.values() for value in values]}
    assert tomllib.loads(tomli_w.dumps(given)) == given
    path = tmp_path / "whole.toml"
    path.write_text(example[1])
    load_scenario(path)
    monkeypatch.setattr("scenarios.spec.tomllib.loads", lambda _: data)
    refused = 0
    for place, holder, right in fields(data):
        for value in WRONG[type(right)]:
            holder[place[-1]] = value
            try:
                load_scenario(path)
            except ScenarioError as error:
                refused += 1
                for line in str(error).replace(f"{path}: ", "").splitlines():
                    assert not any(word in line for word in JARGON), line
                    assert is_about(line, place), f"{field_path(place)} = {value!r}: {line}"
        holder[place[-1]] = right
    assert refused > 1_000


def test_the_command_tells_it_so(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(MINIMAL.replace("at_h = 1.0", "at_h = -1"))
    result = CliRunner().invoke(cli.app, ["simulate", str(path)])
    assert result.exit_code == 2
    assert "campaigns[0].at_h = -1: must be at least 0" in " ".join(result.output.split())


def test_a_place_is_written_as_in_a_program() -> None:
    assert field_path(("campaigns", 0, "at_h")) == "campaigns[0].at_h"
    assert field_path(()) == "the scenario"
