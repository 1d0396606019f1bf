"""The workflows of docs/ci: what they run is what the command takes."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from meterstorm.cli.app import app

FILES = sorted((Path(__file__).parents[3] / "docs" / "ci").rglob("*.yml"))


def test_there_is_one_for_each_service_and_an_action() -> None:
    assert [path.name for path in FILES] == ["action.yml", "github-actions.yml", "gitlab-ci.yml"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_option_that_a_workflow_uses_is_the_commands(path: Path) -> None:
    (line,) = re.findall(r"uv run meterstorm gate .*", path.read_text())
    gate = get_command(app).commands["gate"]  # type: ignore[attr-defined]
    options = {name for parameter in gate.params for name in parameter.opts}
    used = set(re.findall(r"--[a-z-]+", line))
    assert used <= options and {"--baseline", "--out"} <= used
    # no ref or input of a stranger's pull request becomes shell: it comes by the environment, quoted
    assert "${{" not in line and '--baseline "$' in line
