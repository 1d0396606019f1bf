"""The workflows of docs/ci: what they run is what the command takes. And what our own CI leaves of an installation that fails."""

import re
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from meterstorm.cli.app import app

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "docs" / "ci").rglob("*.yml"))


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


@pytest.mark.parametrize(("apt_get", "code"), [("false", 1), ("true", 0)])
def test_an_installation_leaves_no_policy_behind_also_when_it_fails(tmp_path: Path, apt_get: str, code: int) -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("install_monitoring()"))
    end = next(number for number in range(start, len(lines)) if lines[number] in (")", "}"))
    policy = tmp_path / "policy-rc.d"
    text = "\n".join(lines[start : end + 1]).replace("/usr/sbin/policy-rc.d", str(policy))
    assert str(policy) in text
    text = f"set -euo pipefail\napt-get() {{ test -x {policy}; {apt_get}; }}\n{text}\ninstall_monitoring\n"
    assert subprocess.run(["bash", "-c", text], timeout=30, check=False).returncode == code
    assert not policy.exists()
