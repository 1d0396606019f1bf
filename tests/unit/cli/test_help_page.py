"""Help takes the width of the terminal and cuts nothing; what is piped is broken nowhere."""

import contextlib
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

LONG = "node north-1 (127.0.0.1) serves CQL, 6 s; waiting for " + ", ".join(f"south-{i}" for i in range(40))


def all_commands(command: Any, *words: str) -> list[tuple[tuple[str, ...], Any]]:
    found = [(words, command)]
    for name, inner in getattr(command, "commands", {}).items():
        found += all_commands(inner, *words, name)
    return found


APP = get_command(cli.app)
COMMANDS = all_commands(APP)


@pytest.fixture(scope="module", params=[60, 80, 240])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def pages(width: int) -> dict[tuple[str, ...], str]:
    """The help of each command on a terminal of that width. typer's own runner has 80 columns, whatever is asked."""
    shown = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COLUMNS", str(width))
        for words, _ in COMMANDS:
            with contextlib.redirect_stdout(io.StringIO()) as out:
                APP.main([*words, "--help"], prog_name="meterstorm", standalone_mode=False)
            shown[words] = out.getvalue()
    return shown


def test_no_line_of_help_is_wider_than_the_terminal_or_than_reads_well(
    width: int, pages: dict[tuple[str, ...], str]
) -> None:
    lines = [line for page in pages.values() for line in page.splitlines()]
    assert max(map(len, lines)) <= min(width, WIDTH_MAX)
    assert max(map(len, lines)) > min(width, WIDTH_MAX) * 0.9  # it is used


def test_nothing_of_help_is_cut(pages: dict[tuple[str, ...], str]) -> None:
    for words, command in COMMANDS:
        shown = "".join(pages[words].split())
        assert "…" not in shown
        for parameter in command.params:
            if parameter.hidden:
                continue
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
