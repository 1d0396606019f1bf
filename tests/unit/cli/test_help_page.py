"""Help takes the width of the terminal and cuts nothing; what is piped is broken nowhere."""

import io
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from meterstorm.cli import app as cli
from meterstorm.cli.help_page import WIDTH_MAX
from meterstorm.display.run import Display
from meterstorm.display.terminal import PlainConsole
from scenarios.file import shipped_scenarios

WIDTHS = (60, 80, 100, 240)
LONG = "node north-1 (127.0.0.1) serves CQL, 6 s; waiting for " + ", ".join(f"south-{i}" for i in range(40))


def all_commands(command: Any, *words: str) -> list[tuple[tuple[str, ...], Any]]:
    found = [(words, command)]
    for name, inner in getattr(command, "commands", {}).items():
        found += all_commands(inner, *words, name)
    return found


COMMANDS = all_commands(get_command(cli.app))


def help_of(words: tuple[str, ...], width: int) -> str:
    result = CliRunner().invoke(cli.app, [*words, "--help"], env={"COLUMNS": str(width)})
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_of_help_is_wider_than_the_terminal_or_than_reads_well(width: int) -> None:
    lines = [line for words, _ in COMMANDS for line in help_of(words, width).splitlines()]
    assert max(map(len, lines)) <= min(width, WIDTH_MAX)
    assert max(map(len, lines)) > min(width, WIDTH_MAX) * 0.9  # it is used


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_of_help_is_cut(width: int) -> None:
    for words, command in COMMANDS:
        shown = "".join(help_of(words, width).split())
        assert "…" not in shown
        for parameter in command.params:
            assert "".join((parameter.help or "").split()) in shown, (words, parameter.name)
        for inner in getattr(command, "commands", {}).values():
            assert "".join(inner.help.partition("\n\n")[0].split()) in shown, (words, inner.name)


def test_what_is_piped_is_a_line_each() -> None:
    out = io.StringIO()
    display = Display(PlainConsole(file=out))
    display.phase(LONG)
    display.detail(LONG)
    display.close()
    assert [LONG in line for line in out.getvalue().splitlines()] == [True, True]


def test_a_scenario_is_a_line_for_grep() -> None:
    lines = CliRunner().invoke(cli.app, ["scenarios"]).output.splitlines()
    for name, scenario in shipped_scenarios().items():
        assert sum(line.startswith(f"{name} ") and scenario.question in line for line in lines) == 1
